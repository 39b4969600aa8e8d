//! A cloud's rows and objects, wherever they are kept.

use bytes::Bytes;

use super::{
    objects::MemoryObjects,
    table::{MemoryTable, Outcome},
};
use crate::{
    backend::{Arrival, Arrived, Created, NewRow, Row, StoreError, Timestamp},
    id::{ObjectKey, RowKey, RunId},
    provider::Provider,
};

/// Memory, or a disk. Both behave alike: `row.rs` decides what happens to a row.
pub(super) enum Store {
    Memory { table: MemoryTable, objects: MemoryObjects },
}

impl Store {
    pub(super) fn in_memory(provider: Provider) -> Self {
        Store::Memory { table: MemoryTable::new(provider), objects: MemoryObjects::default() }
    }

    pub(super) async fn create(
        &self,
        key: &RowKey,
        row: NewRow,
        now: Timestamp,
    ) -> Result<Outcome<Created>, StoreError> {
        match self {
            Store::Memory { table, .. } => table.create(key, row, now),
        }
    }

    pub(super) fn get(&self, key: &RowKey, now: Timestamp) -> Result<Outcome<Option<Row>>, StoreError> {
        match self {
            Store::Memory { table, .. } => Ok(table.get(key, now)),
        }
    }

    pub(super) async fn arrive(
        &self,
        key: &RowKey,
        arrival: Arrival,
        now: Timestamp,
    ) -> Result<Outcome<Arrived>, StoreError> {
        match self {
            Store::Memory { table, .. } => table.arrive(key, arrival, now),
        }
    }

    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        match self {
            Store::Memory { table, .. } => Ok(table.due(now, limit)),
        }
    }

    pub(super) async fn sweep_expired(&self, now: Timestamp) -> Result<usize, StoreError> {
        match self {
            Store::Memory { table, .. } => Ok(table.sweep_expired(now)),
        }
    }

    pub(super) async fn put_object(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StoreError> {
        match self {
            Store::Memory { objects, .. } => objects.put(key, bytes),
        }
        Ok(())
    }

    pub(super) fn get_object(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        match self {
            Store::Memory { objects, .. } => Ok(objects.get(key)),
        }
    }

    pub(super) async fn delete_run(&self, run: &RunId) -> Result<(), StoreError> {
        match self {
            Store::Memory { objects, .. } => objects.delete_run(run),
        }
        Ok(())
    }
}
