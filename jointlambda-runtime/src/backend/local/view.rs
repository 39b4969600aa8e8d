//! A cloud's services as one caller sees them: latency and metering around the queue and the
//! store.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join_all;

use super::{
    cloud::{Clouds, LocalCloud},
    meter::count,
    queue, watch,
};
use crate::{
    backend::{
        Arrival, Arrived, Created, Functions, IndexPart, Invoked, Look, NewRow, Objects, Page, Row,
        StoreError, Table, Timestamp,
    },
    id::{Incarnation, ObjectKey, ObjectsOf, RowKey},
};

/// The most rows that a read of several takes in one request (DynamoDB, and TableStore alike).
pub const MAX_ROWS_PER_READ: usize = 100;
/// How many such requests are under way at once.
pub const MAX_READS_AT_ONCE: usize = 16;

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Someone outside every cloud: as far away as another cloud, but what it sends and receives
    /// is nobody's egress.
    Client,
    /// Code on a cloud.
    Cloud(usize),
}

/// The services of cloud `to`, as `caller` sees them.
pub(super) struct View {
    clouds: Arc<Clouds>,
    caller: Caller,
    to: usize,
}

impl View {
    pub(super) fn new(clouds: Arc<Clouds>, caller: Caller, to: usize) -> Self {
        View { clouds, caller, to }
    }

    fn cloud(&self) -> &LocalCloud {
        &self.clouds.list[self.to]
    }

    fn now(&self) -> Timestamp {
        self.clouds.clock.now()
    }

    /// The time by which a row's expiry is judged: behind the clock by up to the cloud's
    /// [`expiry_lag`](super::CloudConfig::expiry_lag), by another time for each row.
    fn rows_as_of(&self, key: Option<&RowKey>) -> Timestamp {
        let longest = self.cloud().expiry_lag_ms;
        let part = key.map_or(longest, |key| (watch::hash(key) as u64 * 997) % (longest + 1));
        self.now().saturating_sub(part)
    }

    /// Half of a latency: the way there, or the way back.
    fn half(&self, within_ms: u64, cross_ms: u64) -> Duration {
        let ms = if self.caller == Caller::Cloud(self.to) { within_ms } else { cross_ms };
        if ms == 0 { Duration::ZERO } else { self.cloud().latency(ms) / 2 }
    }

    fn half_table(&self) -> Duration {
        let profile = &self.cloud().profile;
        self.half(profile.table_ms, profile.table_cross_ms)
    }

    fn half_object(&self) -> Duration {
        let profile = &self.cloud().profile;
        self.half(profile.object_ms, profile.object_cross_ms)
    }

    /// The caller sends bytes.
    fn sent(&self, bytes: usize) {
        if let Caller::Cloud(from) = self.caller
            && from != self.to
        {
            count(&self.clouds.list[from].meter.egress_bytes, bytes as u64);
        }
    }

    /// The cloud answers with bytes.
    fn answered(&self, bytes: usize) {
        if let Caller::Cloud(from) = self.caller
            && from != self.to
        {
            count(&self.cloud().meter.egress_bytes, bytes as u64);
        }
    }

    /// Refuses to write a row that is written more often than the cloud takes.
    fn admit(&self, key: &RowKey) -> Result<(), StoreError> {
        let cloud = self.cloud();
        let hot = |limit| cloud.heat.of(key, self.now()).units >= u64::from(limit);
        if cloud.row_writes_per_s.is_some_and(hot) {
            count(&cloud.meter.table_throttles, 1);
            return Err(StoreError::Throttled);
        }
        Ok(())
    }

    /// A row was written, and now has `row_bytes`.
    fn wrote(&self, key: &RowKey, row_bytes: usize, indexed: bool) {
        let cloud = self.cloud();
        let units = cloud.meter.wrote(cloud.provider.prices(), row_bytes, indexed);
        cloud.meter.felt(cloud.heat.wrote(key, units, self.now()));
    }

    fn read(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        let cloud = self.cloud();
        let found = cloud.watch.reading(key, || cloud.store.get(key, self.rows_as_of(Some(key))))?;
        cloud.meter.read(cloud.provider.prices(), found.row_bytes);
        self.answered(found.row_bytes);
        Ok(found.answer)
    }

    /// Reads the rows of one request.
    async fn read_several(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let half = self.half_table();
        self.sent(keys.iter().map(|key| key.as_str().len()).sum());
        queue::sleep(half).await;
        count(&self.cloud().meter.table_gets, keys.len() as u64);
        let rows = keys.iter().map(|key| self.read(key)).collect::<Result<_, _>>()?;
        queue::sleep(half).await;
        Ok(rows)
    }
}

#[async_trait]
impl Functions for View {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        let profile = &self.cloud().profile;
        let half = self.half(profile.invoke_ms, profile.invoke_cross_ms);
        self.sent(envelope.len());
        queue::sleep(half).await;
        let invoked = queue::invoke(&self.clouds, self.to, function, envelope);
        queue::sleep(half).await;
        invoked
    }
}

#[async_trait]
impl Table for View {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        let (cloud, half) = (self.cloud(), self.half_table());
        self.sent(key.as_str().len() + row.body.len());
        queue::sleep(half).await;
        count(&cloud.meter.table_creates, 1);
        self.admit(key)?;
        let created = cloud.store.create(key, row, self.rows_as_of(Some(key))).await?;
        self.wrote(key, created.row_bytes, created.indexed);
        if created.changed {
            cloud.watch.wrote(key);
        } else {
            self.answered(created.row_bytes);
        }
        queue::sleep(half).await;
        Ok(created.answer)
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        let half = self.half_table();
        self.sent(key.as_str().len());
        queue::sleep(half).await;
        count(&self.cloud().meter.table_gets, 1);
        let row = self.read(key)?;
        queue::sleep(half).await;
        Ok(row)
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let mut rows = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MAX_ROWS_PER_READ * MAX_READS_AT_ONCE) {
            let requests = keys.chunks(MAX_ROWS_PER_READ).map(|keys| self.read_several(keys));
            rows.extend(try_join_all(requests).await?.into_iter().flatten());
        }
        Ok(rows)
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        let (cloud, half) = (self.cloud(), self.half_table());
        self.sent(key.as_str().len() + arrival.value.len());
        queue::sleep(half).await;
        count(&cloud.meter.table_arrives, 1);
        self.admit(key)?;
        let arrived = cloud.store.arrive(key, arrival, self.rows_as_of(Some(key))).await?;
        self.wrote(key, arrived.row_bytes, arrived.indexed);
        if arrived.changed {
            cloud.watch.wrote(key);
        }
        if arrived.answer.row.is_some() {
            self.answered(arrived.row_bytes);
        }
        queue::sleep(half).await;
        Ok(arrived.answer)
    }

    async fn due(&self, part: IndexPart, until: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        let (cloud, half) = (self.cloud(), self.half_table());
        queue::sleep(half).await;
        count(&cloud.meter.table_queries, 1);
        let keys = cloud.store.due(part, until, limit, self.rows_as_of(None))?;
        let bytes = keys.iter().map(|key| key.as_str().len()).sum();
        cloud.meter.read(cloud.provider.prices(), bytes);
        self.answered(bytes);
        queue::sleep(half).await;
        Ok(keys)
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        let (cloud, half) = (self.cloud(), self.half_table());
        queue::sleep(half).await;
        count(&cloud.meter.table_queries, 1);
        let page = cloud.store.runs(after, limit, self.rows_as_of(None))?;
        let bytes = page.keys.iter().map(|key| key.as_str().len()).sum();
        cloud.meter.read(cloud.provider.prices(), bytes);
        self.answered(bytes);
        queue::sleep(half).await;
        Ok(page)
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        let (cloud, half) = (self.cloud(), self.half_table());
        self.sent(key.as_str().len());
        queue::sleep(half).await;
        count(&cloud.meter.table_postpones, 1);
        self.admit(key)?;
        let moved = cloud.store.postpone(key, look, self.rows_as_of(Some(key))).await?;
        self.wrote(key, moved.row_bytes, moved.indexed);
        queue::sleep(half).await;
        Ok(())
    }

    async fn changed(&self, key: &RowKey) {
        self.cloud().watch.changed(key).await;
    }

    fn now(&self) -> Timestamp {
        View::now(self)
    }
}

#[async_trait]
impl Objects for View {
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StoreError> {
        let (cloud, half) = (self.cloud(), self.half_object());
        self.sent(bytes.len());
        queue::sleep(half).await;
        count(&cloud.meter.object_puts, 1);
        count(&cloud.meter.object_put_bytes, bytes.len() as u64);
        cloud.store.put_object(key, bytes, self.now()).await?;
        queue::sleep(half).await;
        Ok(())
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        let (cloud, half) = (self.cloud(), self.half_object());
        queue::sleep(half).await;
        count(&cloud.meter.object_gets, 1);
        let bytes = cloud.store.get_object(key)?;
        let length = bytes.as_ref().map_or(0, Bytes::len);
        count(&cloud.meter.object_get_bytes, length as u64);
        self.answered(length);
        queue::sleep(half).await;
        Ok(bytes)
    }

    async fn delete_run(&self, of: &Incarnation, which: ObjectsOf) -> Result<(), StoreError> {
        let half = self.half_object();
        queue::sleep(half).await;
        self.cloud().store.delete_run(of, which).await?;
        queue::sleep(half).await;
        Ok(())
    }
}
