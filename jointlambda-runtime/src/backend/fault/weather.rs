//! What goes wrong around a deployment for a while, by time and not by operation: services that are
//! down, slow or silent, and events that are lost. A layer over any backend, which also counts.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    backend::{
        Arrival, Arrived, Backend, Created, Functions, IndexPart, Invoked, Look, NewRow, Page, Row,
        StoreError, Table, Timestamp,
    },
    id::RowKey,
};

/// How a table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableState {
    /// As ever.
    #[default]
    Fine,
    /// It answers that it is not available.
    Down,
    /// It throttles every request.
    Throttles,
    /// It can be read, and denies writes, as a standby does; the run index can be written.
    Standby,
    /// It never answers.
    Hangs,
}

/// How a cloud's function service is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FunctionsState {
    /// As ever.
    #[default]
    Fine,
    /// It answers that it is not available.
    Down,
    /// It takes an event only after so long.
    Slow(Duration),
}

/// What goes wrong around some clouds, and what was asked of them.
#[derive(Debug, Default)]
pub struct Weather {
    state: Mutex<State>,
    reads: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// By cloud; those that are not there are fine.
    tables: BTreeMap<usize, TableState>,
    functions: BTreeMap<usize, FunctionsState>,
    /// How many more events of a function are lost.
    lost: BTreeMap<String, u64>,
    /// How many events of each function were accepted, those that are lost too.
    accepted: BTreeMap<String, u64>,
}

impl Weather {
    /// From now on a cloud's table is so.
    pub fn set_table(&self, cloud: usize, state: TableState) {
        self.state().tables.insert(cloud, state);
    }

    /// From now on a cloud's function service is so.
    pub fn set_functions(&self, cloud: usize, state: FunctionsState) {
        self.state().functions.insert(cloud, state);
    }

    /// The next so many events of a function are accepted, and lost.
    pub fn lose_next(&self, function: &str, events: u64) {
        self.state().lost.insert(function.to_owned(), events);
    }

    /// How many events of a function were accepted, those that were lost too.
    pub fn accepted(&self, function: &str) -> u64 {
        self.state().accepted.get(function).copied().unwrap_or_default()
    }

    /// How many rows were read.
    pub fn reads(&self) -> u64 {
        self.reads.load(Relaxed)
    }

    /// The clouds as they are in this weather.
    pub fn around(self: &Arc<Self>, clouds: Vec<Backend>) -> Vec<Backend> {
        let around = |(cloud, one): (usize, Backend)| {
            let (table, functions) = (one.table.clone(), one.functions.clone());
            let part = Arc::new(Exposed { weather: self.clone(), cloud, table, functions });
            Backend { table: part.clone(), functions: part, ..one }
        };
        clouds.into_iter().enumerate().map(around).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Exposed {
    weather: Arc<Weather>,
    cloud: usize,
    table: Arc<dyn Table>,
    functions: Arc<dyn Functions>,
}

impl Exposed {
    /// The table, if it can be read now.
    async fn read(&self) -> Result<&dyn Table, StoreError> {
        let state = self.weather.state().tables.get(&self.cloud).copied().unwrap_or_default();
        match state {
            TableState::Fine | TableState::Standby => Ok(&*self.table),
            TableState::Down => Err(StoreError::Unavailable("the table is down".to_owned())),
            TableState::Throttles => Err(StoreError::Throttled),
            TableState::Hangs => pending().await,
        }
    }

    /// The table, if it can be written now.
    async fn write(&self) -> Result<&dyn Table, StoreError> {
        if self.weather.state().tables.get(&self.cloud) == Some(&TableState::Standby) {
            return Err(StoreError::Denied("the table is a standby".to_owned()));
        }
        self.read().await
    }
}

#[async_trait]
impl Functions for Exposed {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        let state = self.weather.state().functions.get(&self.cloud).copied().unwrap_or_default();
        match state {
            FunctionsState::Fine => {}
            FunctionsState::Down => return Invoked::Unavailable("the functions are down".to_owned()),
            FunctionsState::Slow(time) => tokio::time::sleep(time).await,
        }
        let is_lost = {
            let mut state = self.weather.state();
            *state.accepted.entry(function.to_owned()).or_default() += 1;
            let left = state.lost.get_mut(function).filter(|left| **left > 0);
            left.map(|left| *left -= 1).is_some()
        };
        if is_lost {
            return Invoked::Accepted;
        }
        self.functions.invoke(function, envelope).await
    }

    async fn warm(&self) {
        self.functions.warm().await;
    }
}

#[async_trait]
impl Table for Exposed {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        self.write().await?.create(key, row).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.weather.reads.fetch_add(1, Relaxed);
        self.read().await?.get(key).await
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        self.weather.reads.fetch_add(keys.len() as u64, Relaxed);
        self.read().await?.get_many(keys).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        self.write().await?.arrive(key, arrival).await
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.read().await?.due(part, now, limit).await
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.read().await?.postpone(key, look).await
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        self.read().await?.runs(after, limit).await
    }

    async fn changed(&self, key: &RowKey) {
        self.table.changed(key).await;
    }

    fn now(&self) -> Timestamp {
        self.table.now()
    }

    fn heard(&self) -> Option<Timestamp> {
        self.table.heard()
    }

    fn ahead_ms(&self) -> i64 {
        self.table.ahead_ms()
    }

    async fn ask_time(&self) -> Result<(), StoreError> {
        self.read().await?.ask_time().await
    }

    async fn warm(&self) {
        self.table.warm().await;
    }
}
