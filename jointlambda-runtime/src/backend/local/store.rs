//! A cloud's rows and objects, wherever they are kept.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    disk::Disk,
    layout,
    objects::MemoryObjects,
    table::{MemoryTable, Outcome},
};
use crate::{
    backend::{Arrival, Arrived, Created, IndexPart, Look, NewRow, Page, Row, StoreError, Timestamp},
    id::{Incarnation, ObjectKey, ObjectsOf, RowKey},
    provider::Provider,
};

/// Memory, or one cloud's part of a disk. Both behave alike: `row.rs` decides what happens to a
/// row.
pub(super) enum Store {
    Memory { table: MemoryTable, objects: MemoryObjects },
    Disk { disk: Arc<Disk>, cloud: usize },
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
            Store::Disk { disk, cloud } => {
                let key = key.clone();
                disk.write(*cloud, move |tables| tables.create(&key, &row, now)).await
            }
        }
    }

    pub(super) fn get(&self, key: &RowKey, now: Timestamp) -> Result<Outcome<Option<Row>>, StoreError> {
        match self {
            Store::Memory { table, .. } => Ok(table.get(key, now)),
            Store::Disk { disk, cloud } => {
                disk.read(*cloud, |state, names| layout::get(state, names, key, now))
            }
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
            Store::Disk { disk, cloud } => {
                let key = key.clone();
                disk.write(*cloud, move |tables| tables.arrive(&key, &arrival, now)).await
            }
        }
    }

    pub(super) async fn postpone(
        &self,
        key: &RowKey,
        look: Look,
        now: Timestamp,
    ) -> Result<Outcome<()>, StoreError> {
        match self {
            Store::Memory { table, .. } => Ok(table.postpone(key, look, now)),
            Store::Disk { disk, cloud } => {
                let key = key.clone();
                disk.write(*cloud, move |tables| tables.postpone(&key, look, now)).await
            }
        }
    }

    pub(super) fn due(
        &self,
        part: IndexPart,
        until: Timestamp,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<RowKey>, StoreError> {
        match self {
            Store::Memory { table, .. } => Ok(table.due(part, until, limit, now)),
            Store::Disk { disk, cloud } => {
                disk.read(*cloud, |state, names| layout::due(state, names, part, until, limit, now))
            }
        }
    }

    pub(super) fn runs(
        &self,
        after: Option<&RowKey>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        match self {
            Store::Memory { table, .. } => Ok(table.runs(after, limit, now)),
            Store::Disk { disk, cloud } => {
                disk.read(*cloud, |state, names| layout::runs(state, names, after, limit, now))
            }
        }
    }

    /// Removes the rows that have expired, and the objects that were put before `put_before`.
    pub(super) async fn sweep_expired(
        &self,
        now: Timestamp,
        put_before: Timestamp,
    ) -> Result<usize, StoreError> {
        match self {
            Store::Memory { table, objects } => {
                Ok(table.sweep_expired(now) + objects.sweep_expired(put_before))
            }
            Store::Disk { disk, cloud } => {
                let swept = disk.write(*cloud, move |tables| tables.sweep_expired(now, put_before)).await?;
                Ok(swept.answer)
            }
        }
    }

    pub(super) async fn put_object(
        &self,
        key: &ObjectKey,
        bytes: Bytes,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self {
            Store::Memory { objects, .. } => objects.put(key, bytes, now),
            Store::Disk { disk, cloud } => {
                let key = key.clone();
                disk.write(*cloud, move |tables| tables.put(&key, &bytes, now)).await?;
            }
        }
        Ok(())
    }

    pub(super) fn get_object(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        match self {
            Store::Memory { objects, .. } => Ok(objects.get(key)),
            Store::Disk { disk, cloud } => {
                disk.read(*cloud, |state, names| layout::object(state, names, key))
            }
        }
    }

    pub(super) async fn delete_run(&self, of: &Incarnation, which: ObjectsOf) -> Result<(), StoreError> {
        match self {
            Store::Memory { objects, .. } => objects.delete_run(of, which),
            Store::Disk { disk, cloud } => {
                let of = *of;
                disk.write(*cloud, move |tables| tables.delete_run(&of, which)).await?;
            }
        }
        Ok(())
    }

    /// How many rows and objects there are, expired ones included.
    pub(super) fn count(&self) -> Result<(u64, u64), StoreError> {
        match self {
            Store::Memory { table, objects } => Ok((table.count(), objects.count())),
            Store::Disk { disk, cloud } => disk.read(*cloud, layout::count),
        }
    }

    /// Ends the use of the file, if there is one.
    pub(super) fn close(&self) {
        if let Store::Disk { disk, .. } = self {
            disk.close();
        }
    }
}
