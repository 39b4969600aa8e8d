//! A table: its rows in the order of their keys, each column in versions, expiry by the clock.

use std::collections::BTreeMap;

use aliyun_wire::tablestore::{
    message::{TableMeta, TableOptions},
    row::{Cell, Row, Value},
};

use super::schema::{Key, KeyColumn};
use crate::clock::Timestamp;

pub(super) struct Table {
    pub(super) meta: TableMeta,
    pub(super) options: TableOptions,
    pub(super) columns: Vec<KeyColumn>,
    pub(super) created_ms: Timestamp,
    pub(super) rows: BTreeMap<Key, Stored>,
    /// The last number that the table has chosen.
    pub(super) chosen: i64,
    /// The latest time at which it was written.
    pub(super) written_ms: Timestamp,
}

/// A row as stored: for each column its versions, by their timestamps.
#[derive(Clone, Default)]
pub(super) struct Stored {
    pub(super) columns: BTreeMap<String, BTreeMap<i64, Value>>,
    /// When it was last put or updated: a row of a key alone lives from then.
    pub(super) written_ms: i64,
}

impl Table {
    /// The time of a write: requests come to the lock in another order than they were received,
    /// and a write must not be older than the one before it.
    pub(super) fn tick(&mut self, now: Timestamp) -> Timestamp {
        self.written_ms = self.written_ms.max(now);
        self.written_ms
    }

    /// Removes what has expired of a row, and the row with its last column.
    pub(super) fn expire(&mut self, key: &Key, now: Timestamp) {
        let Some(oldest) = self.oldest(now) else { return };
        if self.rows.get_mut(key).is_some_and(|stored| !stored.lives(oldest)) {
            self.rows.remove(key);
        }
    }

    /// Removes what has expired of all rows.
    pub(super) fn expire_all(&mut self, now: Timestamp) {
        if let Some(oldest) = self.oldest(now) {
            self.rows.retain(|_, stored| stored.lives(oldest));
        }
    }

    /// The timestamp at and before which all has expired.
    fn oldest(&self, now: Timestamp) -> Option<i64> {
        let ttl_s = self.options.time_to_live.filter(|ttl| *ttl > 0)?;
        Some(signed(now).saturating_sub(i64::from(ttl_s) * 1000))
    }

    pub(super) fn max_versions(&self) -> usize {
        self.options.max_versions.and_then(|versions| usize::try_from(versions).ok()).unwrap_or(1)
    }

    /// A stored row as it is sent: columns by name, versions from the newest.
    pub(super) fn row(&self, key: &Key) -> Option<Row> {
        self.rows.get(key).map(|stored| stored.row(&self.columns, key))
    }
}

impl Stored {
    pub(super) fn row(&self, columns: &[KeyColumn], key: &Key) -> Row {
        let key = columns.iter().zip(key).map(|(column, part)| (column.name.clone(), part.value())).collect();
        let cells = self
            .columns
            .iter()
            .flat_map(|(name, versions)| {
                versions.iter().rev().map(|(timestamp, value)| Cell {
                    timestamp_ms: Some(*timestamp),
                    ..Cell::put(name.clone(), value.clone())
                })
            })
            .collect();
        Row { key, cells, delete: false }
    }

    /// Adds a version, and drops the oldest ones beyond `max_versions`.
    pub(super) fn put(&mut self, name: &str, timestamp: i64, value: Value, max_versions: usize) {
        let versions = self.columns.entry(name.to_owned()).or_default();
        versions.insert(timestamp, value);
        while versions.len() > max_versions {
            versions.pop_first();
        }
    }

    fn lives(&mut self, oldest: i64) -> bool {
        let had_columns = !self.columns.is_empty();
        self.columns.retain(|_, versions| {
            versions.retain(|timestamp, _| *timestamp > oldest);
            !versions.is_empty()
        });
        if had_columns { !self.columns.is_empty() } else { self.written_ms > oldest }
    }
}

pub(super) fn signed(now: Timestamp) -> i64 {
    i64::try_from(now).unwrap_or(i64::MAX)
}
