//! How often a row is looked at that somebody waits for, where a store does not tell of changes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::id::RowKey;

/// How long is waited for a change of a row: at first, and at most.
const LOOK_AFTER: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// Who has not waited for so long begins anew.
const FORGOTTEN: Duration = Duration::from_secs(10);
/// Rows of which it is known how long they have been waited for.
const WAITED_FOR: usize = 1_024;

/// The rows that are waited for: when last, and how long next.
#[derive(Default)]
pub(super) struct Looks(Mutex<HashMap<String, (Instant, Duration)>>);

impl Looks {
    /// How long to wait until the next look at a row: longer each time.
    pub(super) fn next(&self, key: &RowKey) -> Duration {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if waits.len() >= WAITED_FOR {
            waits.retain(|_, (last, _)| now.duration_since(*last) < FORGOTTEN);
        }
        if waits.len() >= WAITED_FOR {
            waits.clear();
        }
        let (last, wait) = waits.entry(key.as_str().to_owned()).or_insert((now, LOOK_AFTER));
        if now.duration_since(*last) >= FORGOTTEN {
            *wait = LOOK_AFTER;
        }
        let this = *wait;
        (*last, *wait) = (now, (this * 3 / 2).min(LONGEST_LOOK));
        this.mul_f64(0.75 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RunId;

    #[test]
    fn waits_grow_by_row_and_are_bounded() {
        let (looks, key) = (Looks::default(), |key| RowKey::run(&RunId::derive("w", key)));
        let first = looks.next(&key("a"));
        assert!(first <= LOOK_AFTER.mul_f64(1.25), "{first:?}");
        let later = (0..50).map(|_| looks.next(&key("a"))).last().unwrap();
        assert!((LONGEST_LOOK.mul_f64(0.75)..=LONGEST_LOOK.mul_f64(1.25)).contains(&later), "{later:?}");
        assert!(looks.next(&key("b")) <= LOOK_AFTER.mul_f64(1.25), "another row has a wait of its own");
    }
}
