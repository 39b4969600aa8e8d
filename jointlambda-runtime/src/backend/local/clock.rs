//! The clock of the embedded clouds: tokio's time, so that it can be virtual.

use std::{
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use crate::backend::Timestamp;

/// A base timestamp, and the time that tokio says has passed since.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base_ms: Timestamp,
    started: Instant,
}

impl Clock {
    /// A clock that shows `base_ms` now.
    pub fn starting_at(base_ms: Timestamp) -> Self {
        Clock { base_ms, started: Instant::now() }
    }

    /// A clock that shows the time of day.
    pub fn of_day() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock::starting_at(u64::try_from(since.as_millis()).unwrap_or(Timestamp::MAX))
    }

    /// What it shows now.
    pub fn now(&self) -> Timestamp {
        let passed_ms = u64::try_from(self.elapsed().as_millis()).unwrap_or(Timestamp::MAX);
        self.base_ms.saturating_add(passed_ms)
    }

    /// How long it has been running.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// How long it had been running at `instant`.
    pub(super) fn since_start(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.started)
    }
}

/// Runs `future` to its end in virtual time, on this thread: whenever nothing can go on, the
/// clock jumps to the next timer. Random choices made through `fastrand` follow from `seed`.
///
/// ```
/// use std::time::Duration;
/// use jointlambda_runtime::backend::local::virtual_time;
///
/// let day = Duration::from_secs(24 * 60 * 60);
/// virtual_time(1, async { tokio::time::sleep(day).await }); // takes no time
/// ```
///
/// # Panics
/// When called from within an asynchronous context.
pub fn virtual_time<F: Future>(seed: u64, future: F) -> F::Output {
    fastrand::seed(seed);
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a current-thread runtime without I/O needs nothing from the system")
        .block_on(future)
}
