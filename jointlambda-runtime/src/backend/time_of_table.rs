//! The time of a table, learnt from the dates of its answers: machines' clocks may be off, by minutes
//! or by days, and what a run decides by time must not be.
//!
//! The local clock goes on between answers; only its difference from the table's is learnt. An answer
//! that took long says little, so one of the last hour that took the shortest counts. What was learnt
//! is forgotten when the local clock is set to another time.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use crate::backend::Timestamp;

/// Answers that took longer than this say nothing of the time.
const LONGEST: Duration = Duration::from_secs(2);
/// For how long one answer counts before any other takes its place.
const KEPT: Duration = Duration::from_secs(3600);
/// How far the local clock may come away from the time that has passed, in milliseconds, before what
/// was learnt by it is forgotten.
const STEP_MS: u64 = 2_000;
/// What is told of local clocks that are off by more, in milliseconds.
const TOLD_MS: i64 = 5 * 60 * 1000;

/// What is known of a table's clock.
#[derive(Debug, Default)]
pub(super) struct TimeOfTable(Mutex<Option<Heard>>);

#[derive(Clone, Copy, Debug)]
struct Heard {
    /// The table's time less the local one, in milliseconds.
    offset_ms: i64,
    took: Duration,
    /// When, by both of the process's clocks.
    local_ms: Timestamp,
    at: Instant,
}

impl Heard {
    /// Whether the local clock was set since, as far as one sees at a moment.
    fn is_of_another_clock(&self, local_ms: Timestamp, at: Instant) -> bool {
        let passed = at.saturating_duration_since(self.at).as_millis() as u64;
        self.local_ms.saturating_add(passed).abs_diff(local_ms) > STEP_MS
    }
}

/// When a request was sent, by both of the process's clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    local_ms: Timestamp,
    at: Instant,
}

impl Sent {
    pub(super) fn now() -> Self {
        Sent { local_ms: local_ms(), at: Instant::now() }
    }
}

/// How exactly a service writes its date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// In whole seconds, rounded down.
    Seconds,
    /// In milliseconds.
    Milliseconds,
}

impl TimeOfTable {
    /// A table has answered with this date.
    pub(super) fn hear(&self, date_ms: Timestamp, precision: Precision, sent: Sent) {
        self.hear_at(date_ms, precision, sent.local_ms, sent.at.elapsed(), Instant::now());
    }

    fn hear_at(
        &self,
        date_ms: Timestamp,
        precision: Precision,
        sent_ms: Timestamp,
        took: Duration,
        at: Instant,
    ) {
        if took > LONGEST {
            return;
        }
        let mut heard = self.lock();
        heard.take_if(|heard| heard.is_of_another_clock(sent_ms, at.checked_sub(took).unwrap_or(at)));
        let is_better = |before: &Heard| took <= before.took || at.duration_since(before.at) > KEPT;
        if heard.as_ref().is_none_or(is_better) {
            let offset_ms = offset(date_ms, precision, sent_ms, took);
            if heard.is_none() && offset_ms.abs() > TOLD_MS {
                tracing::warn!(
                    offset_s = offset_ms / 1000,
                    "the clock of this machine is off: the table's counts"
                );
            }
            let local_ms = sent_ms.saturating_add(took.as_millis() as u64);
            *heard = Some(Heard { offset_ms, took, local_ms, at });
        }
    }

    /// The table's time, if it has answered.
    pub(super) fn heard(&self) -> Option<Timestamp> {
        self.heard_by(local_ms(), Instant::now())
    }

    fn heard_by(&self, local_ms: Timestamp, at: Instant) -> Option<Timestamp> {
        let mut heard = self.lock();
        heard.take_if(|heard| heard.is_of_another_clock(local_ms, at));
        Some(local_ms.saturating_add_signed(heard.as_ref()?.offset_ms))
    }

    /// The table's time; the local one, for as long as it has not answered.
    pub(super) fn now(&self) -> Timestamp {
        self.heard().unwrap_or_else(local_ms)
    }

    /// By how many milliseconds the table is ahead of this machine; 0 while it has not answered.
    pub(super) fn ahead_ms(&self) -> i64 {
        self.lock().as_ref().map_or(0, |heard| heard.offset_ms)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By how much the table is ahead. The date was written at some moment of the request, so it says when
/// only within bounds; a local clock that is within them is right.
fn offset(date_ms: Timestamp, precision: Precision, sent_ms: Timestamp, took: Duration) -> i64 {
    let took_ms = took.as_millis() as i64;
    let unsure_ms = match precision {
        Precision::Seconds => 999,
        Precision::Milliseconds => 0,
    };
    let ahead = signed(date_ms).saturating_sub(signed(sent_ms));
    let (least, most) = (ahead.saturating_sub(took_ms), ahead.saturating_add(unsure_ms));
    if least <= 0 && most >= 0 { 0 } else { least.saturating_add(most) / 2 }
}

fn signed(ms: Timestamp) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn local_ms() -> Timestamp {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = 1_800_000_000_000;
    const DAY: i64 = 24 * 3_600_000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_clock_that_may_be_right_is_taken_as_right() {
        // The date is in whole seconds: 1.7 s after the epoch of the minute it says 1 s.
        assert_eq!(offset(NOW + 1_000, Precision::Seconds, NOW + 1_700, ms(20)), 0);
        assert_eq!(offset(NOW + 15, Precision::Milliseconds, NOW, ms(20)), 0);
    }

    #[test]
    fn a_clock_that_is_off_is_corrected_to_within_a_second() {
        for off in [-9 * DAY, -3_600_000, -5_000, 5_000, 9 * DAY] {
            let local = NOW.saturating_add_signed(off);
            let seconds = offset(NOW / 1_000 * 1_000, Precision::Seconds, local, ms(40));
            assert!((seconds + off).abs() <= 1_000, "{off}: {seconds}");
            let exact = offset(NOW + 20, Precision::Milliseconds, local, ms(40));
            assert!((exact + off).abs() <= 40, "{off}: {exact}");
        }
    }

    #[test]
    fn what_was_learnt_is_forgotten_when_the_local_clock_is_set() {
        for step in [-9 * DAY, -3_000, 3_000, 9 * DAY] {
            let (time, began) = (TimeOfTable::default(), Instant::now());
            time.hear_at(NOW + 60_000, Precision::Milliseconds, NOW, ms(0), began);
            let minute = |by: i64| (NOW.saturating_add_signed(60_000 + by), began + ms(60_000));
            let (local, at) = minute(1_500);
            assert_eq!(time.heard_by(local, at), Some(local + 60_000), "clocks drift");
            let (local, at) = minute(step);
            assert_eq!(time.heard_by(local, at), None, "{step}");
            // A slow answer after it counts, where a quick one came before it.
            time.hear_at(NOW + 120_000, Precision::Milliseconds, local, ms(900), at + ms(900));
            assert!(time.heard_by(local + 900, at + ms(900)).is_some(), "{step}");
        }
    }

    #[test]
    fn the_shortest_answer_of_an_hour_counts_and_a_slow_one_never() {
        let time = TimeOfTable::default();
        assert_eq!(time.heard(), None);
        let began = Instant::now();
        let hear = |date: i64, took: Duration, at: Duration| {
            let sent = NOW + (at - took).as_millis() as u64;
            let date = sent.saturating_add_signed(date);
            time.hear_at(date, Precision::Milliseconds, sent, took, began + at);
            time.lock().map(|heard| heard.offset_ms)
        };
        assert_eq!(hear(9 * DAY, ms(2_001), ms(2_001)), None, "it took too long");
        assert_eq!(hear(60_000, ms(100), ms(2_200)), Some(59_950));
        assert_eq!(hear(70_000, ms(200), ms(2_400)), Some(59_950), "it took longer than the one before");
        assert_eq!(hear(80_000, ms(50), ms(2_500)), Some(79_975));
        assert_eq!(hear(90_000, ms(900), KEPT + ms(4_000)), Some(89_550), "the one before is an hour old");
    }
}
