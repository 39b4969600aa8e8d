//! The table in memory: sharded maps, each behind a mutex that is held for one transition.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use foldhash::fast::FixedState;

use super::{
    row::{self, Arriving, Creation, Head},
    watch,
};
use crate::{
    backend::{Arrival, Arrived, Check, Created, IndexPart, Look, NewRow, Page, Row, StoreError, Timestamp},
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

impl<T> Outcome<T> {
    /// The outcome of an operation that changed nothing in a row of so many bytes.
    pub(super) fn unchanged(answer: T, row_bytes: usize) -> Self {
        Outcome { answer, row_bytes, changed: false, indexed: false }
    }
}

struct StoredRow {
    head: Head,
    body: Bytes,
    slots: BTreeMap<u32, Bytes>,
    /// The numbers of arrivals, where they are kept.
    numbers: BTreeMap<u32, u32>,
}

impl StoredRow {
    /// Puts an arrival in its slot, once the head counts it.
    fn fill(&mut self, provider: Provider, arrival: &Arrival) {
        if row::keeps_number(provider, arrival) {
            self.numbers.insert(arrival.slot, self.head.filled);
        }
        self.slots.insert(arrival.slot, arrival.value.clone());
    }

    fn to_row(&self) -> Row {
        Row {
            body: self.head.has_body.then(|| self.body.clone()),
            slots: self.slots.clone(),
            check_at: self.head.check.map(|check| check.at),
            looked_at: self.head.looked_at,
            inc: self.head.inc,
            expires_at: self.head.expires_at,
        }
    }
}

type Shard = HashMap<RowKey, StoredRow, FixedState>;

/// Locks are taken in one order: a shard, then the index.
pub(super) struct MemoryTable {
    provider: Provider,
    shards: Vec<Mutex<Shard>>,
    index: Mutex<BTreeSet<(Check, RowKey)>>,
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
        let before = found.as_deref().and_then(|stored| stored.head.check);
        let creation = row::create(self.provider, key, found.as_deref().map(|f| &f.head), &row)?;
        let (head, kept) = match creation {
            Creation::Kept => {
                let stored = found.expect("only a row that is there stays as it is");
                return Ok(Outcome::unchanged(Created::Exists(stored.to_row()), stored.head.bytes));
            }
            Creation::Written(head) => (head, found),
            Creation::Replaced(head) => (head, None),
        };
        match kept {
            Some(stored) => {
                stored.head = head;
                stored.body = row.body;
            }
            None => {
                let (slots, numbers) = Default::default();
                shard.insert(key.clone(), StoredRow { head, body: row.body, slots, numbers });
            }
        }
        let indexed = self.reindex(key, before, head.check);
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
        let head = match row::arrive(self.provider, key, None, false, &arrival)? {
            Arriving::Written(head) => head,
            Arriving::Closed => return Ok(Outcome::unchanged(Arrived::closed(0), 0)),
            Arriving::Gone => return Ok(Outcome::unchanged(Arrived::gone(), 0)),
        };
        let (slots, numbers) = Default::default();
        let mut stored = StoredRow { head, body: Bytes::new(), slots, numbers };
        stored.fill(self.provider, &arrival);
        let outcome = self.arrived(&stored, &arrival, true, false);
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
        let taken = stored.slots.contains_key(&arrival.slot);
        stored.head = match row::arrive(self.provider, key, Some(&before), taken, &arrival)? {
            Arriving::Written(head) => head,
            Arriving::Closed => return Ok(Outcome::unchanged(Arrived::closed(before.filled), before.bytes)),
            Arriving::Gone => return Ok(Outcome::unchanged(Arrived::gone(), before.bytes)),
        };
        if !taken {
            stored.fill(self.provider, &arrival);
        }
        let indexed = self.reindex(key, before.check, stored.head.check);
        Ok(self.arrived(stored, &arrival, !taken, indexed))
    }

    fn arrived(&self, stored: &StoredRow, arrival: &Arrival, fresh: bool, indexed: bool) -> Outcome<Arrived> {
        let Head { filled, ok, .. } = stored.head;
        let is_enough = arrival.is_enough(filled, ok);
        let row = (is_enough && row::returned_when_enough(self.provider)).then(|| stored.to_row());
        let number = stored.numbers.get(&arrival.slot).copied().filter(|_| arrival.numbered);
        Outcome {
            answer: Arrived { fresh, closed: false, gone: false, filled, ok, number, row },
            row_bytes: stored.head.bytes,
            changed: fresh || indexed,
            indexed,
        }
    }

    pub(super) fn postpone(&self, key: &RowKey, look: Look, now: Timestamp) -> Outcome<()> {
        let mut shard = self.shard(key, now);
        let Some(stored) = shard.get_mut(key).filter(|stored| stored.head.is_to_move(look)) else {
            return Outcome::unchanged((), 0);
        };
        let before = stored.head.check;
        stored.head = stored.head.postponed(look);
        let row_bytes = stored.head.bytes;
        let indexed = self.reindex(key, before, stored.head.check);
        Outcome { answer: (), row_bytes, changed: true, indexed }
    }

    pub(super) fn due(&self, part: IndexPart, until: Timestamp, limit: usize, now: Timestamp) -> Vec<RowKey> {
        loop {
            let due: Vec<_> = {
                let index = self.index();
                let all = index.range((Check { part, at: 0 }, RowKey::from_stored(""))..);
                let due = all.take_while(|(check, _)| check.part == part && check.at <= until);
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
                    self.reindex(key, stored.head.check, None);
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
            self.reindex(key, stored.head.check, None);
            shard.remove(key);
        }
        shard
    }

    /// Moves a row in the run index; says whether it had to be moved.
    fn reindex(&self, key: &RowKey, before: Option<Check>, after: Option<Check>) -> bool {
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

    fn index(&self) -> MutexGuard<'_, BTreeSet<(Check, RowKey)>> {
        lock(&self.index)
    }
}

/// No transition leaves a row half changed, so a panic elsewhere does not spoil the map.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
