//! A deployment in some weather, which is swept every minute.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Client, Options, RunError, Runtime, Workflow,
    backend::{
        Arrival, Arrived, Backend, Created, IndexPart, Look, NewRow, Page, Row, StoreError, Table, Timestamp,
        fault::Weather,
        local::{Config, LocalClouds},
    },
    embedded::Embedded,
    id::{RowKey, RunId},
};
use tokio::time::Instant;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) struct World<W> {
    pub(crate) clouds: LocalClouds,
    pub(crate) weather: Arc<Weather>,
    pub(crate) client: Client<W>,
    sweeper: Runtime,
}

impl<W: Workflow> World<W> {
    pub(crate) fn new(config: Config) -> Self {
        let weather = Arc::new(Weather::default());
        let clouds = LocalClouds::new(config).expect("the clouds open");
        for cloud in 0..W::definition().clouds.len() {
            let backends = weather.around(clouds.backends_from(cloud));
            let runtime = Runtime::new::<W>(backends, Options::default()).on(cloud as u16);
            clouds.serve(cloud, Arc::new(runtime));
        }
        let client = Client::new(weather.around(clouds.backends_for_client()), Options::default());
        let copying = |one: Backend| Backend { table: Arc::new(Copying(one.table.clone())), ..one };
        let backends: Vec<_> = weather.around(clouds.backends_from(0)).into_iter().map(copying).collect();
        World { sweeper: Runtime::new::<W>(backends, Options::default()), clouds, weather, client }
    }

    /// The result of a run, and how long it took.
    pub(crate) async fn follow(&self, run: &RunId, before: fn()) -> (Result<W::Output, RunError>, Duration) {
        self.follow_measured(run, before, |()| ()).await
    }

    /// The same; says before and after each sweep.
    pub(crate) async fn follow_measured<T>(
        &self,
        run: &RunId,
        before: impl Fn() -> T,
        mut after: impl FnMut(T),
    ) -> (Result<W::Output, RunError>, Duration) {
        let began = Instant::now();
        let sweeping = async {
            loop {
                tokio::time::sleep(MINUTE).await;
                let measured = before();
                // A sweep on a table that is down does nothing; the next one does.
                let _ = self.sweeper.sweep_for(5 * MINUTE).await;
                after(measured);
            }
        };
        let patient = async {
            loop {
                // A person asks again when the table is down.
                match self.client.result(run).await {
                    Err(RunError::Fault(_)) => tokio::time::sleep(MINUTE / 6).await,
                    result => return result,
                }
            }
        };
        tokio::select! {
            result = patient => (result, began.elapsed()),
            () = sweeping => unreachable!(),
        }
    }
}

/// Clouds that run as much at a time as they are asked to.
pub(crate) fn roomy<W: Workflow>() -> Config {
    let mut config = Embedded::<W>::config();
    for cloud in &mut config.clouds {
        cloud.concurrency = usize::MAX;
    }
    config
}

/// A table whose rows are copied as they are read: over a network they take memory of their own, which
/// they do not where the table is in the same process.
struct Copying(Arc<dyn Table>);

fn copied(row: Row) -> Row {
    let copy = |bytes: Bytes| Bytes::copy_from_slice(&bytes);
    Row {
        body: row.body.map(copy),
        slots: row.slots.into_iter().map(|(slot, bytes)| (slot, copy(bytes))).collect(),
        ..row
    }
}

#[async_trait]
impl Table for Copying {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        self.0.create(key, row).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        Ok(self.0.get(key).await?.map(copied))
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        Ok(self.0.get_many(keys).await?.into_iter().map(|row| row.map(copied)).collect())
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        self.0.arrive(key, arrival).await
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.0.due(part, now, limit).await
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.0.postpone(key, look).await
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        self.0.runs(after, limit).await
    }

    async fn changed(&self, key: &RowKey) {
        self.0.changed(key).await;
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }
}
