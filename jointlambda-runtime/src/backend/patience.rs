//! How long anything asked of a cloud may take, on both providers. Whoever asked then asks again, or goes
//! elsewhere.

use std::time::Duration;

/// A connection may take so long to be made.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// A request of rows.
pub(super) const REQUEST: Duration = Duration::from_secs(5);
/// A request of an object, with one of some 100 MB.
pub(super) const OBJECT_REQUEST: Duration = Duration::from_secs(60);
/// A connection that was not in use for so long may have been closed by the other side, or be gone without
/// a word while the function was frozen: none of these is taken.
pub(super) const IDLE: Duration = Duration::from_secs(15);
/// The request of an invocation whose event has no bytes. A service that accepts does so within tens of
/// milliseconds, and a process waits for one that stands still once, with a user's run behind it. One that
/// accepts later after all has been left by then: a call begins once more, and nothing follows from it.
const AT_ONCE: Duration = Duration::from_secs(2);
/// As much as comes through in a second at least: over a new connection between continents the first
/// megabyte takes some 2 s.
const BYTES_PER_SECOND: usize = 256 * 1024;

/// The request of an invocation whose event has so many bytes.
pub(super) fn invocation(bytes: usize) -> Duration {
    AT_ONCE + Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_event_has_the_time_that_it_takes_to_send_it() {
        assert_eq!(invocation(0), Duration::from_secs(2));
        assert_eq!(invocation(1024 * 1024), Duration::from_secs(6));
    }
}
