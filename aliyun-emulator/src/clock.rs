//! The emulator's clock: the time of day, plus what a test has put it forward by.
//!
//! Rows expire, events age and retries wait by this clock, so that a test of a day takes no day.
//! Dates in headers are of the time of day itself: clients compare them with their own clocks. A test
//! that wants these to differ sets a skew.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::Notify;

/// Milliseconds since the Unix epoch.
pub type Timestamp = u64;

/// A clock that can be put forward.
#[derive(Debug, Default)]
pub struct Clock {
    ahead_ms: AtomicU64,
    skew_ms: AtomicI64,
    moved: Notify,
}

impl Clock {
    /// The time of day.
    pub fn of_day() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(Timestamp::MAX)
    }

    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        Self::of_day().saturating_add(self.ahead_ms.load(Ordering::SeqCst))
    }

    /// What the services take for the time of day: they refuse requests that are dated otherwise, by more
    /// than 15 minutes, and date their answers by it.
    pub fn date(&self) -> Timestamp {
        Self::of_day().saturating_add_signed(self.skew_ms.load(Ordering::SeqCst))
    }

    /// Sets how far [`date`](Clock::date) is ahead of the time of day, or behind it.
    pub fn skew(&self, ms: i64) {
        self.skew_ms.store(ms, Ordering::SeqCst);
    }

    /// Puts the clock forward, and wakes whoever waits for the time that has come.
    pub fn advance(&self, by: Duration) {
        let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let add = |ahead: u64| Some(ahead.saturating_add(by_ms));
        let _ = self.ahead_ms.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
        self.moved.notify_waiters();
    }

    /// Waits until the clock shows `at`.
    pub async fn until(&self, at: Timestamp) {
        loop {
            // Registered before the clock is read, so that no move in between is missed.
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let left_ms = at.saturating_sub(self.now());
            if left_ms == 0 {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(left_ms)) => {}
                () = &mut moved => {}
            }
        }
    }

    /// Waits for a time by the clock.
    pub async fn sleep(&self, ms: u64) {
        self.until(self.now().saturating_add(ms)).await;
    }
}
