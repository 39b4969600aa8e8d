//! The run index: a table of its own, whose entries are in order of the time of the next look. A row and
//! its entry are not written in one step, so an entry counts only if its row bears it out.
//!
//! An entry stays when its run ends; looks remove it later.

use std::{collections::VecDeque, iter};

use aliyun_wire::tablestore::{
    message::{Condition, DeleteRowRequest, DeleteRowResponse, PutRowRequest, PutRowResponse, RowExistence},
    plain_buffer,
    row::{Cell, Row as Wire, Value},
};
use futures_util::{StreamExt, future::try_join_all, stream};

use super::{
    RANGE, SHARDS, Table, VERSION, signed,
    wire::{Refused, Test},
};
use crate::{
    backend::{Check, IndexPart, Look, StoreError, Timestamp, many},
    id::RowKey,
};

/// How long an entry of the index stays that the row does not bear out, in milliseconds: more than
/// clocks differ.
const STALE_FOR: u64 = 60_000;
/// Stale entries that are removed at once.
const REMOVED_AT_ONCE: usize = 32;
/// Entries that a look reads of a shard at once, and rows of which it reads when they are due: as many as
/// are asked for, but whole requests.
const LEAST_READ: usize = 100;
const MOST_READ: usize = 1_000;
/// Entries that one look reads at most.
const MOST_ENTRIES: usize = 100_000;

/// An entry of the run index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    check_at: Timestamp,
    key: RowKey,
    /// Another one each time that the entry is made.
    version: Option<i64>,
}

/// What a look reads of one shard, in pieces.
struct Reading {
    shard: String,
    /// Read, and not yet looked at.
    entries: VecDeque<Entry>,
    /// Where the next piece begins; nothing at the end.
    next: Option<Vec<(String, Value)>>,
}

impl Reading {
    fn new(shard: String) -> Self {
        let next = vec![
            ("shard".to_owned(), Value::string(shard.as_str())),
            ("check_at".to_owned(), Value::InfMin),
            ("key".to_owned(), Value::InfMin),
        ];
        Reading { shard, entries: VecDeque::new(), next: Some(next) }
    }
}

/// The earliest entries of all shards, and the shard of each: as many as are asked for, or as are known to
/// be the earliest with what was read.
fn earliest(readings: &mut [Reading], most: usize) -> Vec<(usize, Entry)> {
    let mut earliest = Vec::new();
    while earliest.len() < most && !readings.iter().any(|one| one.entries.is_empty() && one.next.is_some()) {
        let fronts = readings.iter().enumerate();
        let fronts = fronts.filter_map(|(index, one)| Some((one.entries.front()?, index)));
        let Some((_, first)) = fronts.min() else { break };
        earliest.extend(readings[first].entries.pop_front().map(|entry| (first, entry)));
    }
    earliest
}

impl Table {
    /// Makes an entry of the run index, or makes it anew.
    pub(super) async fn enter(&self, key: &RowKey, check: Check) -> Result<(), StoreError> {
        let request = PutRowRequest {
            table_name: self.index.clone(),
            row: plain_buffer::encode(&[Wire {
                cells: vec![Cell::put(VERSION, Value::Integer(fastrand::i64(..)))],
                ..Wire::of_key(entry(key, &shard(check.part, key), check.at))
            }]),
            condition: Condition { row_existence: RowExistence::Ignore as i32, column_condition: None },
            return_content: None,
            transaction_id: None,
        };
        self.ask::<_, PutRowResponse>("PutRow", &request, 0).await.map(drop).map_err(StoreError::from)
    }

    /// A row has come to be in the index. If that took until its time had come, a look may have taken
    /// its entry for a stale one.
    pub(super) async fn enter_late(&self, key: &RowKey, check: Check) -> Result<(), StoreError> {
        if self.time.now() >= check.at { self.enter(key, check).await } else { Ok(()) }
    }

    /// Removes an entry of the run index, unless it was made anew since it had this version.
    async fn leave(
        &self,
        key: &RowKey,
        shard: &str,
        check_at: Timestamp,
        version: Option<i64>,
    ) -> Result<(), StoreError> {
        let test = version.map(|version| Test::Is(VERSION.to_owned(), version).encode());
        let request = DeleteRowRequest {
            table_name: self.index.clone(),
            primary_key: plain_buffer::encode(&[Wire {
                delete: true,
                ..Wire::of_key(entry(key, shard, check_at))
            }]),
            condition: Condition { row_existence: RowExistence::Ignore as i32, column_condition: test },
            return_content: None,
            transaction_id: None,
        };
        match self.ask::<_, DeleteRowResponse>("DeleteRow", &request, 0).await {
            // An entry that stays is met again by the next look.
            Ok(_) | Err(Refused::Condition | Refused::ConditionUnsigned) => Ok(()),
            Err(Refused::Error(error)) => Err(error),
        }
    }

    /// [`due`](crate::backend::Table::due). Entries that their rows do not bear out are passed over: those of the
    /// last minute are of runs that are being made, or have ended; older ones are removed.
    pub(super) async fn find_due(
        &self,
        part: IndexPart,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RowKey>, StoreError> {
        let shards = SHARDS.iter().map(|&digit| format!("{part}{}", char::from(digit)));
        let mut readings: Vec<_> = shards.map(Reading::new).collect();
        let (mut due, mut looked_at, piece) = (Vec::new(), 0, limit.clamp(LEAST_READ, MOST_READ));
        while due.len() < limit && looked_at < MOST_ENTRIES {
            try_join_all(readings.iter_mut().map(|one| self.read_on(one, until, piece))).await?;
            let entries = earliest(&mut readings, piece);
            if entries.is_empty() {
                break;
            }
            looked_at += entries.len();
            let keys: Vec<RowKey> = entries.iter().map(|(_, entry)| entry.key.clone()).collect();
            let (rows, mut stale) =
                (many::read(&keys, |keys| self.read(keys, &["check_at"])).await?, Vec::new());
            for ((shard, entry), row) in entries.into_iter().zip(rows) {
                if row.and_then(|row| row.check_at) == Some(entry.check_at) {
                    due.push(entry.key);
                } else if entry.check_at.saturating_add(STALE_FOR) < self.time.now() {
                    stale.push((shard, entry));
                }
            }
            // All futures are made first: with their closure held across a wait, this could not be spawned.
            let leave = |(shard, entry): &(usize, Entry)| {
                let shard = readings[*shard].shard.clone();
                let entry = entry.clone();
                async move { self.leave(&entry.key, &shard, entry.check_at, entry.version).await }
            };
            let leaves: Vec<_> = stale.iter().map(leave).collect();
            // What cannot be removed is met again by the next look.
            let left =
                stream::iter(leaves).buffer_unordered(REMOVED_AT_ONCE).filter_map(async |one| one.err());
            if let Some(error) = left.collect::<Vec<_>>().await.first() {
                tracing::warn!(%error, "stale entries of the run index stay");
            }
        }
        due.truncate(limit);
        Ok(due)
    }

    /// Reads the next piece of a shard, up to a time, if all that was read of it has been looked at.
    async fn read_on(&self, one: &mut Reading, until: Timestamp, piece: usize) -> Result<(), StoreError> {
        let to = vec![
            ("shard".to_owned(), Value::string(one.shard.as_str())),
            ("check_at".to_owned(), Value::Integer(signed(until))),
            ("key".to_owned(), Value::InfMax),
        ];
        while one.entries.is_empty()
            && let Some(start) = one.next.take()
        {
            let most = i32::try_from(piece).unwrap_or(RANGE).min(RANGE);
            let (rows, next) = self.range((&self.index, VERSION), start, to.clone(), most).await?;
            one.next = next;
            for row in rows {
                let [_, (_, Value::Integer(at)), (_, Value::String(key))] = row.key.as_slice() else {
                    return Err(StoreError::Corrupt("an entry of the run index has another key".to_owned()));
                };
                let version = match row.get(VERSION) {
                    Some(Value::Integer(version)) => Some(*version),
                    _ => None,
                };
                let check_at = u64::try_from(*at).unwrap_or(0);
                one.entries.push_back(Entry { check_at, key: RowKey::from_stored(key.as_str()), version });
            }
        }
        Ok(())
    }

    /// [`postpone`](crate::backend::Table::postpone): makes the new entry first, and removes the old one last.
    pub(super) async fn move_in_index(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        let Some(row) = self.wire(key).await? else { return Ok(()) };
        let before = match (row.get("check_at"), row.get("shard")) {
            (Some(Value::Integer(at)), Some(Value::String(shard))) => (shard.clone(), *at),
            _ => return Ok(()),
        };
        let (shard, at) = (shard(look.next.part, key), look.next.at);
        if look.inc.is_some_and(|inc| row.get("inc") != Some(&Value::Integer(signed(inc)))) {
            return Ok(());
        }
        let is_moved = before != (shard, signed(at));
        if is_moved {
            self.enter(key, look.next).await?;
        }
        let mut cells = place(key, look.next).to_vec();
        cells.push(Cell::put("looked_at", Value::Integer(signed(look.looked_at))));
        let is_open = Test::Not(Box::new(Test::Missing("check_at".to_owned())));
        let is_own = look.inc.map(|inc| Test::Has("inc".to_owned(), signed(inc)));
        let test = Test::All(iter::once(is_open).chain(is_own).collect());
        if self.update(key, cells, test).await?.is_some() && is_moved {
            self.enter_late(key, look.next).await?;
            self.leave(key, &before.0, u64::try_from(before.1).unwrap_or(0), None).await?;
        }
        Ok(())
    }
}

/// The shard of the run index that a run is in.
fn shard(part: IndexPart, key: &RowKey) -> String {
    format!("{part}{}", key.as_str().get(..1).unwrap_or("0"))
}

/// The columns that say where a row is in the run index.
pub(super) fn place(key: &RowKey, check: Check) -> [Cell; 2] {
    [
        Cell::put("check_at", Value::Integer(signed(check.at))),
        Cell::put("shard", Value::string(shard(check.part, key))),
    ]
}

/// The key of an entry of the run index.
fn entry(key: &RowKey, shard: &str, check_at: Timestamp) -> Vec<(String, Value)> {
    vec![
        ("shard".to_owned(), Value::string(shard)),
        ("check_at".to_owned(), Value::Integer(signed(check_at))),
        ("key".to_owned(), Value::string(key.as_str())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(times: &[Timestamp], is_all: bool) -> Reading {
        let entry =
            |&check_at: &Timestamp| Entry { check_at, key: RowKey::from_stored("key"), version: None };
        let one = Reading::new("0".to_owned());
        Reading { entries: times.iter().map(entry).collect(), next: one.next.filter(|_| !is_all), ..one }
    }

    fn times(readings: &mut [Reading], most: usize) -> Vec<(usize, Timestamp)> {
        earliest(readings, most).into_iter().map(|(shard, entry)| (shard, entry.check_at)).collect()
    }

    #[test]
    fn the_earliest_of_all_shards_come_first_as_far_as_is_known() {
        let mut readings = [reading(&[1, 4, 9], true), reading(&[2, 3], false), reading(&[], true)];
        assert_eq!(times(&mut readings, 2), [(0, 1), (1, 2)]);
        // What comes after 3 in the second shard may come before 4.
        assert_eq!(times(&mut readings, 9), [(1, 3)]);
        readings[1].next = None;
        assert_eq!(times(&mut readings, 9), [(0, 4), (0, 9)]);
        assert_eq!(times(&mut readings, 9), []);
    }
}
