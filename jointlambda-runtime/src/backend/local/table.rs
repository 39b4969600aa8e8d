//! The table in memory: sharded maps, each behind a mutex that is held for one transition.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use foldhash::fast::FixedState;

use super::{
    row::{self, Head},
    watch,
};
use crate::{
    backend::{Arrival, Arrived, Created, NewRow, Page, Row, StoreError, Timestamp},
    id::RowKey,
    provider::Provider,
};

const SHARDS: usize = 64;

/// An answer, with what the meter has to know about it.
pub(super) struct Outcome<T> {
    pub(super) answer: T,
    /// The row's size after the operation; 0 when there is none.
    pub(super) row_bytes: usize,
    /// Whether anything was changed.
    pub(super) changed: bool,
    /// Whether the row entered or left the run index.
    pub(super) indexed: bool,
}

impl Outcome<Arrived> {
    /// Of an arrival at a row of so many slots and bytes that is closed to it.
    pub(super) fn closed(filled: u32, row_bytes: usize) -> Self {
        let answer = Arrived { fresh: false, closed: true, filled, ok: 0, row: None };
        Outcome { answer, row_bytes, changed: false, indexed: false }
    }
}

struct StoredRow {
    head: Head,
    body: Bytes,
    slots: BTreeMap<u32, Bytes>,
}

impl StoredRow {
    fn to_row(&self) -> Row {
        Row {
            body: self.head.has_body.then(|| self.body.clone()),
            slots: self.slots.clone(),
            check_at: self.head.check_at,
            expires_at: self.head.expires_at,
        }
    }
}

type Shard = HashMap<RowKey, StoredRow, FixedState>;

/// Locks are taken in one order: a shard, then the index.
pub(super) struct MemoryTable {
    provider: Provider,
    shards: Vec<Mutex<Shard>>,
    index: Mutex<BTreeSet<(Timestamp, RowKey)>>,
}

impl MemoryTable {
    pub(super) fn new(provider: Provider) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(HashMap::with_hasher(watch::HASHER))).collect();
        MemoryTable { provider, shards, index: Mutex::default() }
    }

    pub(super) fn create(
        &self,
        key: &RowKey,
        row: NewRow,
        now: Timestamp,
    ) -> Result<Outcome<Created>, StoreError> {
        let mut shard = self.shard(key, now);
        let found = shard.get_mut(key);
        let Some(head) = row::create(self.provider, key, found.as_deref().map(|f| &f.head), &row)? else {
            let stored = found.expect("only a row that is there stays as it is");
            return Ok(Outcome {
                answer: Created::Exists(stored.to_row()),
                row_bytes: stored.head.bytes,
                changed: false,
                indexed: false,
            });
        };
        match found {
            Some(stored) => {
                stored.head = head;
                stored.body = row.body;
            }
            None => {
                shard.insert(key.clone(), StoredRow { head, body: row.body, slots: BTreeMap::new() });
            }
        }
        let indexed = self.reindex(key, None, head.check_at);
        Ok(Outcome { answer: Created::New, row_bytes: head.bytes, changed: true, indexed })
    }

    pub(super) fn get(&self, key: &RowKey, now: Timestamp) -> Outcome<Option<Row>> {
        let shard = self.shard(key, now);
        let found = shard.get(key);
        Outcome {
            answer: found.map(StoredRow::to_row),
            row_bytes: found.map_or(0, |stored| stored.head.bytes),
            changed: false,
            indexed: false,
        }
    }

    pub(super) fn arrive(
        &self,
        key: &RowKey,
        arrival: Arrival,
        now: Timestamp,
    ) -> Result<Outcome<Arrived>, StoreError> {
        let mut shard = self.shard(key, now);
        if let Some(stored) = shard.get_mut(key) {
            return self.arrive_at(key, stored, arrival);
        }
        let head = row::arrive(self.provider, key, None, false, &arrival)?;
        let Some(head) = head else { return Ok(Outcome::closed(0, 0)) };
        let is_enough = arrival.is_enough(head.filled, head.ok);
        let slots = BTreeMap::from([(arrival.slot, arrival.value)]);
        let stored = StoredRow { head, body: Bytes::new(), slots };
        let outcome = self.arrived(&stored, is_enough, true, false);
        shard.insert(key.clone(), stored);
        Ok(outcome)
    }

    fn arrive_at(
        &self,
        key: &RowKey,
        stored: &mut StoredRow,
        arrival: Arrival,
    ) -> Result<Outcome<Arrived>, StoreError> {
        let before = stored.head;
        let slot = stored.slots.entry(arrival.slot);
        let taken = matches!(slot, Entry::Occupied(_));
        let Some(head) = row::arrive(self.provider, key, Some(&before), taken, &arrival)? else {
            return Ok(Outcome::closed(before.filled, before.bytes));
        };
        stored.head = head;
        let is_enough = arrival.is_enough(stored.head.filled, stored.head.ok);
        if let Entry::Vacant(slot) = slot {
            slot.insert(arrival.value);
        }
        let indexed = self.reindex(key, before.check_at, stored.head.check_at);
        Ok(self.arrived(stored, is_enough, !taken, indexed))
    }

    fn arrived(&self, stored: &StoredRow, is_enough: bool, fresh: bool, indexed: bool) -> Outcome<Arrived> {
        let row = (is_enough && row::returned_when_enough(self.provider)).then(|| stored.to_row());
        let Head { filled, ok, .. } = stored.head;
        Outcome {
            answer: Arrived { fresh, closed: false, filled, ok, row },
            row_bytes: stored.head.bytes,
            changed: fresh || indexed,
            indexed,
        }
    }

    pub(super) fn postpone(&self, key: &RowKey, check_at: Timestamp, now: Timestamp) -> Outcome<()> {
        let mut shard = self.shard(key, now);
        let Some(stored) = shard.get_mut(key).filter(|stored| stored.head.check_at.is_some()) else {
            return Outcome { answer: (), row_bytes: 0, changed: false, indexed: false };
        };
        let before = stored.head.check_at.replace(check_at);
        let row_bytes = stored.head.bytes;
        let indexed = self.reindex(key, before, Some(check_at));
        Outcome { answer: (), row_bytes, changed: true, indexed }
    }

    pub(super) fn due(&self, until: Timestamp, limit: usize, now: Timestamp) -> Vec<RowKey> {
        loop {
            let due: Vec<_> = {
                let index = self.index();
                let due = index.iter().take_while(|(check_at, _)| *check_at <= until);
                due.take(limit).map(|(_, key)| key.clone()).collect()
            };
            // Looking at an expired row removes it from the index, so this comes to an end.
            if due.iter().all(|key| self.shard(key, now).contains_key(key)) {
                return due;
            }
        }
    }

    pub(super) fn runs(&self, after: Option<&RowKey>, limit: usize, now: Timestamp) -> Page {
        let (mut keys, limit) = (Vec::new(), limit.max(1));
        for shard in &self.shards {
            let shard = lock(shard);
            let rows = shard.iter().filter(|(key, stored)| {
                key.as_run().is_some() && !stored.head.expired(now) && after.is_none_or(|after| *key > after)
            });
            keys.extend(rows.map(|(key, _)| key.clone()));
        }
        keys.sort_unstable();
        let next = keys.get(limit - 1).filter(|_| keys.len() > limit).cloned();
        keys.truncate(limit);
        Page { keys, next }
    }

    pub(super) fn count(&self) -> u64 {
        self.shards.iter().map(|shard| lock(shard).len() as u64).sum()
    }

    /// Removes every row whose time has come; says how many there were.
    pub(super) fn sweep_expired(&self, now: Timestamp) -> usize {
        let mut removed = 0;
        for shard in &self.shards {
            lock(shard).retain(|key, stored| {
                let keep = !stored.head.expired(now);
                if !keep {
                    self.reindex(key, stored.head.check_at, None);
                    removed += 1;
                }
                keep
            });
        }
        removed
    }

    /// The shard of a key, in which the row under that key, if any, is not expired.
    fn shard(&self, key: &RowKey, now: Timestamp) -> MutexGuard<'_, Shard> {
        let mut shard = lock(&self.shards[watch::hash(key) % SHARDS]);
        if let Some(stored) = shard.get(key)
            && stored.head.expired(now)
        {
            self.reindex(key, stored.head.check_at, None);
            shard.remove(key);
        }
        shard
    }

    /// Moves a row in the run index; says whether it had to be moved.
    fn reindex(&self, key: &RowKey, before: Option<Timestamp>, after: Option<Timestamp>) -> bool {
        if before == after {
            return false;
        }
        let mut index = self.index();
        if let Some(before) = before {
            index.remove(&(before, key.clone()));
        }
        if let Some(after) = after {
            index.insert((after, key.clone()));
        }
        true
    }

    fn index(&self) -> MutexGuard<'_, BTreeSet<(Timestamp, RowKey)>> {
        lock(&self.index)
    }
}

/// No transition leaves a row half changed, so a panic elsewhere does not spoil the map.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
