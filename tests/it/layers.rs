//! Layers over the tables of clouds: a test says which operations it changes, the others go through.

use std::sync::Arc;

use async_trait::async_trait;
use jointlambda::{
    backend::{
        Arrival, Arrived, Backend, Created, IndexPart, Look, NewRow, Page, Row, StoreError, Table, Timestamp,
    },
    id::RowKey,
};

/// The operations of a table, each of which a layer may change.
#[async_trait]
pub(crate) trait TableLayer: Send + Sync {
    /// The table beneath.
    fn beneath(&self) -> &dyn Table;

    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        self.beneath().create(key, row).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.beneath().get(key).await
    }

    /// Row by row, so that a layer need not change it beside [`get`](Self::get).
    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            rows.push(self.get(key).await?);
        }
        Ok(rows)
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        self.beneath().arrive(key, arrival).await
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.beneath().due(part, now, limit).await
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.beneath().postpone(key, look).await
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        self.beneath().runs(after, limit).await
    }

    async fn changed(&self, key: &RowKey) {
        self.beneath().changed(key).await;
    }

    fn now(&self) -> Timestamp {
        self.beneath().now()
    }

    fn heard(&self) -> Option<Timestamp> {
        self.beneath().heard()
    }

    fn ahead_ms(&self) -> i64 {
        self.beneath().ahead_ms()
    }

    async fn ask_time(&self) -> Result<(), StoreError> {
        self.beneath().ask_time().await
    }
}

/// A layer as the table that it makes.
struct Layered<L>(L);

/// The table that a layer makes.
pub(crate) fn table(layer: impl TableLayer + 'static) -> Arc<dyn Table> {
    Arc::new(Layered(layer))
}

/// Backends whose tables are changed; `layer` is given the number of each cloud.
pub(crate) fn over_tables(
    backends: Vec<Backend>,
    layer: impl Fn(usize, Arc<dyn Table>) -> Arc<dyn Table>,
) -> Vec<Backend> {
    let over = |(cloud, one): (usize, Backend)| Backend { table: layer(cloud, one.table.clone()), ..one };
    backends.into_iter().enumerate().map(over).collect()
}

#[async_trait]
impl<L: TableLayer> Table for Layered<L> {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        self.0.create(key, row).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.0.get(key).await
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        self.0.get_many(keys).await
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

    fn heard(&self) -> Option<Timestamp> {
        self.0.heard()
    }

    fn ahead_ms(&self) -> i64 {
        self.0.ahead_ms()
    }

    async fn ask_time(&self) -> Result<(), StoreError> {
        self.0.ask_time().await
    }
}
