//! How often each row is written: what makes a row hot, and when it is throttled.
//!
//! Counts are kept per tenth of a second, for as long as the last second needs them. A second is
//! rounded up to whole tenths, so that the most that is found in any is never too small, and never
//! more than what eleven tenths hold.

use std::{collections::HashMap, hash::BuildHasher as _, sync::Mutex};

use foldhash::fast::FixedState;

use super::{table::lock, watch::HASHER};
use crate::{backend::Timestamp, id::RowKey};

/// The most rows whose writes are counted at a time; those beyond are neither counted nor throttled
/// until others have cooled down.
pub const MAX_WARM_ROWS: usize = 1 << 20;

const TENTH_MS: u64 = 100;
/// A second, and the tenth that has only begun.
const TENTHS: usize = 11;
const SHARDS: usize = 16;

/// What was written to a row within a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Warmth {
    pub(super) writes: u64,
    pub(super) units: u64,
}

/// The writes of the last second to every row of a table.
pub(super) struct Heat(Vec<Mutex<Rows>>);

impl Heat {
    pub(super) fn new() -> Self {
        Heat((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// What was written to the row within the last second.
    pub(super) fn of(&self, key: &RowKey, now: Timestamp) -> Warmth {
        let (hash, tenth) = (HASHER.hash_one(key), now / TENTH_MS);
        lock(self.shard(hash)).of(hash, tenth).map_or_else(Warmth::default, |recent| recent.sum(tenth))
    }

    /// A write of so many units; gives what was written to the row within the last second, with it.
    pub(super) fn wrote(&self, key: &RowKey, units: u64, now: Timestamp) -> Warmth {
        let (hash, tenth) = (HASHER.hash_one(key), now / TENTH_MS);
        let mut rows = lock(self.shard(hash));
        if rows.of(hash, tenth).is_none() {
            if rows.current.len() >= MAX_WARM_ROWS / SHARDS {
                return Warmth::default();
            }
            rows.current.insert(hash, Recent { last: tenth, ..Recent::default() });
        }
        let Some(recent) = rows.current.get_mut(&hash) else { return Warmth::default() };
        recent.add(units, tenth);
        recent.sum(tenth)
    }

    /// Keys are told apart by a hash of 64 bits, and the lowest are a hash map's own.
    fn shard(&self, hash: u64) -> &Mutex<Rows> {
        &self.0[(hash >> 40) as usize % SHARDS]
    }
}

/// Two generations of rows: whatever was not written for a second is gone when they change.
#[derive(Default)]
struct Rows {
    began: u64,
    current: HashMap<u64, Recent, FixedState>,
    previous: HashMap<u64, Recent, FixedState>,
}

impl Rows {
    /// A row that has been written lately; it is then in the current generation.
    fn of(&mut self, hash: u64, tenth: u64) -> Option<&Recent> {
        if tenth >= self.began + TENTHS as u64 {
            self.previous = std::mem::take(&mut self.current);
            self.began = tenth;
        }
        if let Some(recent) = self.previous.remove(&hash) {
            self.current.insert(hash, recent);
        }
        self.current.get(&hash)
    }
}

/// The last eleven tenths of a row, each at its number modulo eleven.
#[derive(Default)]
struct Recent {
    /// The tenth that was written last.
    last: u64,
    writes: [u16; TENTHS],
    units: [u16; TENTHS],
}

impl Recent {
    fn add(&mut self, units: u64, tenth: u64) {
        // Clouds may be used from many threads, whose clocks come in any order.
        let tenth = tenth.max(self.last);
        for passed in (self.last + 1..=tenth).take(TENTHS) {
            let at = passed as usize % TENTHS;
            (self.writes[at], self.units[at]) = (0, 0);
        }
        self.last = tenth;
        let at = tenth as usize % TENTHS;
        self.writes[at] = self.writes[at].saturating_add(1);
        self.units[at] = self.units[at].saturating_add(u16::try_from(units).unwrap_or(u16::MAX));
    }

    /// What was written in the tenth `now` and the ten before it.
    fn sum(&self, now: u64) -> Warmth {
        let mut sum = Warmth::default();
        let oldest = now.saturating_sub(TENTHS as u64 - 1);
        for tenth in oldest.max(self.last.saturating_sub(TENTHS as u64 - 1))..=self.last {
            let at = tenth as usize % TENTHS;
            sum.writes += u64::from(self.writes[at]);
            sum.units += u64::from(self.units[at]);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RunId;

    fn key(of: &str) -> RowKey {
        RowKey::run(&RunId::derive("heat", of))
    }

    #[test]
    fn what_was_written_within_a_second_counts() {
        let (heat, key) = (Heat::new(), key("a"));
        for write in 0..50 {
            heat.wrote(&key, 2, 1_000 + write * 10);
        }
        assert_eq!(heat.of(&key, 1_500), Warmth { writes: 50, units: 100 });
        assert_eq!(heat.of(&key, 2_000), Warmth { writes: 50, units: 100 }, "a second is not over");
        assert_eq!(heat.of(&key, 2_350), Warmth { writes: 20, units: 40 });
        assert_eq!(heat.of(&key, 2_500), Warmth::default());
        assert_eq!(heat.wrote(&key, 1, 9_000), Warmth { writes: 1, units: 1 });
    }

    #[test]
    fn a_row_is_not_forgotten_while_it_is_warm_and_is_afterwards() {
        let heat = Heat::new();
        for second in 0..20 {
            let before = heat.of(&key("warm"), second * 900);
            let after = heat.wrote(&key("warm"), 1, second * 900);
            assert_eq!(after.writes, before.writes + 1);
            assert!(second == 0 || before.writes >= 1, "after {second} writes");
            heat.wrote(&key(&second.to_string()), 1, second * 900);
        }
        for shard in &heat.0 {
            let mut rows = lock(shard);
            rows.of(0, 1_000);
            rows.of(0, 2_000);
            assert!(rows.current.is_empty() && rows.previous.is_empty());
        }
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let mut rows = Rows::default();
        rows.current.extend((0..MAX_WARM_ROWS as u64 / SHARDS as u64).map(|hash| (hash, Recent::default())));
        let heat = Heat((0..SHARDS).map(|_| Mutex::default()).collect());
        let hash = HASHER.hash_one(key("late"));
        *lock(heat.shard(hash)) = rows;
        assert_eq!(heat.wrote(&key("late"), 1, 0), Warmth::default());
    }
}
