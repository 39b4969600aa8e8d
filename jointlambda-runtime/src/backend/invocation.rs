//! How long the request of an invocation may take.

use std::time::Duration;

/// Of an event without bytes. A service that accepts does so within tens of milliseconds, and a process waits for
/// one that stands still once, with a user's run behind it. One that accepts later after all has been left
/// by then: a call begins once more, and nothing follows from it.
const AT_ONCE: Duration = Duration::from_secs(2);
/// As much as comes through in a second at least: over a new connection between continents the first
/// megabyte takes some 2 s.
const BYTES_PER_SECOND: usize = 256 * 1024;

/// Of an event of so many bytes. Whoever asked then asks again, or goes elsewhere.
pub(super) fn timeout(bytes: usize) -> Duration {
    AT_ONCE + Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_event_has_the_time_that_it_takes_to_send_it() {
        assert_eq!(timeout(0), Duration::from_secs(2));
        assert_eq!(timeout(1024 * 1024), Duration::from_secs(6));
    }
}
