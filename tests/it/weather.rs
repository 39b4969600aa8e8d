//! Weather around a deployment: tables and function services that are down, and events that are lost,
//! for as long as a test says so.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    backend::{
        Arrival, Arrived, Backend, Created, Functions, IndexPart, Invoked, Look, NewRow, Page, Row,
        StoreError, Table, Timestamp,
    },
    id::RowKey,
};

use crate::layers::{self, TableLayer};

/// The weather around all clouds of a deployment.
#[derive(Default)]
pub(crate) struct Weather {
    /// Events of this function are lost, so many.
    drops: Mutex<BTreeMap<&'static str, u64>>,
    /// How many events of each function were accepted or lost.
    sent: Mutex<BTreeMap<String, u64>>,
    /// The tables and the function services that are down, by cloud.
    pub(crate) tables: [AtomicBool; 2],
    pub(crate) functions: [AtomicBool; 2],
    /// The tables that never answer, by cloud.
    pub(crate) hangs: [AtomicBool; 2],
    /// How long functions' services take for an event, in milliseconds.
    pub(crate) slow_ms: AtomicU64,
    /// Whether a table that is down throttles.
    pub(crate) throttles: AtomicBool,
    /// Rows read.
    pub(crate) reads: AtomicU64,
}

impl Weather {
    /// The next events of `function` are lost, so many.
    pub(crate) fn drop_next(&self, function: &'static str, events: u64) {
        self.drops.lock().unwrap().insert(function, events);
    }

    /// How many events of `function` were accepted or lost.
    pub(crate) fn sent(&self, function: &str) -> u64 {
        self.sent.lock().unwrap().get(function).copied().unwrap_or_default()
    }

    /// The backends as they are in this weather.
    pub(crate) fn around(self: &Arc<Self>, backends: Vec<Backend>) -> Vec<Backend> {
        let around = |(cloud, one): (usize, Backend)| {
            let (table, functions) = (one.table.clone(), one.functions.clone());
            let table = layers::table(ExposedTable { weather: self.clone(), cloud, table });
            let functions = Arc::new(ExposedFunctions { weather: self.clone(), cloud, functions });
            Backend { table, functions, ..one }
        };
        backends.into_iter().enumerate().map(around).collect()
    }
}

struct ExposedFunctions {
    weather: Arc<Weather>,
    cloud: usize,
    functions: Arc<dyn Functions>,
}

#[async_trait]
impl Functions for ExposedFunctions {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        if self.weather.functions[self.cloud].load(Relaxed) {
            return Invoked::Unavailable("the functions are down".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(self.weather.slow_ms.load(Relaxed))).await;
        *self.weather.sent.lock().unwrap().entry(function.to_owned()).or_default() += 1;
        if let Some(left) = self.weather.drops.lock().unwrap().get_mut(function)
            && *left > 0
        {
            *left -= 1;
            return Invoked::Accepted;
        }
        self.functions.invoke(function, envelope).await
    }
}

struct ExposedTable {
    weather: Arc<Weather>,
    cloud: usize,
    table: Arc<dyn Table>,
}

impl ExposedTable {
    async fn table(&self) -> Result<&dyn Table, StoreError> {
        if self.weather.hangs[self.cloud].load(Relaxed) {
            std::future::pending::<()>().await;
        }
        match (self.weather.tables[self.cloud].load(Relaxed), self.weather.throttles.load(Relaxed)) {
            (false, _) => Ok(&*self.table),
            (true, true) => Err(StoreError::Throttled),
            (true, false) => Err(StoreError::Unavailable("the table is down".to_owned())),
        }
    }
}

#[async_trait]
impl TableLayer for ExposedTable {
    fn beneath(&self) -> &dyn Table {
        &*self.table
    }

    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        self.table().await?.create(key, row).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.weather.reads.fetch_add(1, Relaxed);
        self.table().await?.get(key).await
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        self.weather.reads.fetch_add(keys.len() as u64, Relaxed);
        self.table().await?.get_many(keys).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        self.table().await?.arrive(key, arrival).await
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.table().await?.due(part, now, limit).await
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.table().await?.postpone(key, look).await
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        self.table().await?.runs(after, limit).await
    }
}
