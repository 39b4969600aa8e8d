//! When an open call is sent again: at times that double, and not while the platform may still
//! deliver what was sent.
//!
//! No sweep can tell a call that is lost from one that waits in a queue, runs, or is about to be
//! delivered again. Each repetition may begin the function once more, so their number must not grow
//! with the number of looks. The times at which a call is due to be sent again follow from when it was
//! dispatched. A look sends it if such a time has come since the look before, so nothing has to be
//! remembered of a call.

use crate::{
    backend::Timestamp,
    definition::{CloudIndex, FunctionDef},
    provider::Provider,
};

/// When calls of one function are sent again, by how long they have been open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeats {
    /// After how many milliseconds for the first time.
    pub(crate) first_ms: u64,
    /// For how many milliseconds the platform may deliver an event.
    deliveries_ms: u64,
}

impl Repeats {
    /// The times for `function`; `check_after` is when a run is first looked at.
    ///
    /// A call whose one delivery ends within `check_after` is sent again then: it was dispatched long
    /// enough ago, and if its delivery has failed, one more execution of a short function costs less
    /// than a run that stands still for minutes. A longer call waits for the platform.
    pub(crate) fn of(
        function: &FunctionDef,
        check_after: u64,
        provider: impl Fn(CloudIndex) -> Provider,
    ) -> Self {
        let one = function.delivery_ms();
        let deliveries = |cloud| provider(cloud).limits().deliveries_ms(one);
        // After the last of them the platform still has to say that it gives up.
        let deliveries_ms =
            function.placements().map(deliveries).max().unwrap_or(one).saturating_add(check_after);
        let first_ms = if one <= check_after { check_after } else { deliveries_ms };
        Repeats { first_ms, deliveries_ms }
    }

    /// Whether a call that was dispatched at `since` is to be sent again by a look at `now`, when the
    /// look before was at `before`.
    pub(crate) fn is_due(self, since: Timestamp, before: Option<Timestamp>, now: Timestamp) -> bool {
        let open_ms = now.saturating_sub(since);
        let open_before_ms = before.unwrap_or(0).saturating_sub(since);
        self.last_by(open_ms).is_some_and(|last| last > open_before_ms)
    }

    /// The last of the times that has come for a call that has been open for so long.
    fn last_by(self, open_ms: u64) -> Option<u64> {
        let mut last = None;
        let mut next = self.first_ms.max(1);
        while next <= open_ms {
            last = Some(next);
            // What was sent again is delivered in its turn.
            next = next.saturating_mul(2).max(next.saturating_add(self.deliveries_ms));
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::RetryDef;

    const fn function(timeout_ms: u64) -> FunctionDef {
        FunctionDef {
            name: "f",
            doc: "",
            on: 0,
            failover: &[],
            memory_mb: 128,
            timeout_ms,
            cpu_milli: 0,
            gpu_gb: 0,
            retry: RetryDef { attempts: 1, backoff_ms: 0, jitter_percent: 0 },
            dedupe_before: false,
            batch: None,
        }
    }

    /// The minutes of looks, each a quarter of the age after the one before, at which a call of this
    /// timeout is sent again within a week.
    fn minutes(timeout_ms: u64) -> Vec<u64> {
        let repeats = Repeats::of(&function(timeout_ms), 60_000, |_| Provider::Aws);
        let (mut sent, mut before, mut now) = (Vec::new(), None, 60_000);
        while now <= 7 * 24 * 3_600_000 {
            if repeats.is_due(0, before, now) {
                sent.push(now / 60_000);
            }
            before = Some(now);
            now += (now / 4).clamp(60_000, 3_600_000);
        }
        sent
    }

    #[test]
    fn a_short_call_is_sent_again_after_a_minute_and_then_at_doubled_times() {
        let minutes = minutes(10_000);
        assert_eq!(minutes[..2], [1, 6], "{minutes:?}");
        assert!(minutes.windows(2).all(|pair| pair[1] * 3 > pair[0] * 4), "{minutes:?}");
        assert!(minutes.len() <= 14, "{} times in a week", minutes.len());
    }

    #[test]
    fn a_long_call_is_left_to_its_platform_first() {
        let minutes = minutes(600_000);
        // Three deliveries of 10 minutes, and 1 and 2 minutes between them.
        assert!(minutes[0] >= 34, "{minutes:?}");
        assert!(minutes.len() <= 10, "{minutes:?}");
    }

    #[test]
    fn a_look_without_one_before_it_sends_what_is_open_for_long() {
        let repeats = Repeats::of(&function(10_000), 60_000, |_| Provider::Aws);
        assert!(!repeats.is_due(1_000, None, 60_999) && repeats.is_due(1_000, None, 61_000));
        assert!(repeats.is_due(1_000, None, u64::MAX) && !repeats.is_due(u64::MAX, None, 5));
        assert!(!repeats.is_due(1_000, Some(61_000), 61_001), "it was sent at the look before");
    }
}
