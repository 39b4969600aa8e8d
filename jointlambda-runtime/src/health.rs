//! Which clouds take invocations: after repeated failures a cloud is tried last for a while, so that
//! not every call waits for it before it goes elsewhere. Only the order depends on it, no outcome.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

use crate::definition::CloudIndex;

/// So many failures in a row, and a cloud is avoided.
const REPEATED: u32 = 3;
/// One that took so long is enough: many processes handle one call at a time, and each would wait so
/// long for as many calls.
const SLOW: Duration = Duration::from_secs(1);
/// For how long at first; twice as long after each further failure.
const AVOIDED_FOR: Duration = Duration::from_secs(2);
/// For how long at most.
const LONGEST: Duration = Duration::from_secs(10);

/// What this process has seen of each cloud.
pub(crate) struct Health {
    began: Instant,
    clouds: Box<[Seen]>,
}

#[derive(Default)]
struct Seen {
    /// How many invocations in a row have failed.
    failures: AtomicU32,
    /// Until when it is avoided, in milliseconds since `began`.
    avoided_until: AtomicU64,
}

impl Health {
    pub(crate) fn of(clouds: usize) -> Self {
        Health { began: Instant::now(), clouds: (0..clouds).map(|_| Seen::default()).collect() }
    }

    /// The same clouds, those that are avoided now behind the others. When its time is over, one
    /// caller tries a cloud again, and others when that one has succeeded.
    pub(crate) fn sort(&self, clouds: &mut [CloudIndex]) {
        if clouds.len() > 1 {
            clouds.sort_by_cached_key(|cloud| {
                self.seen(*cloud).is_some_and(|seen| seen.is_avoided(self.now()))
            });
        }
    }

    /// An invocation was answered, if only with a refusal.
    pub(crate) fn answered(&self, cloud: CloudIndex) {
        if let Some(seen) = self.seen(cloud)
            && seen.failures.load(Relaxed) > 0
        {
            seen.failures.store(0, Relaxed);
            seen.avoided_until.store(0, Relaxed);
        }
    }

    /// An invocation was not answered, and it took a while until that was known.
    pub(crate) fn failed(&self, cloud: CloudIndex, took: Duration) {
        let Some(seen) = self.seen(cloud) else { return };
        if took >= SLOW {
            seen.failures.fetch_max(REPEATED - 1, Relaxed);
        }
        let failures = seen.failures.fetch_add(1, Relaxed).saturating_add(1);
        if failures >= REPEATED {
            seen.avoided_until.store(self.now() + avoided_for(failures), Relaxed);
        }
    }

    fn seen(&self, cloud: CloudIndex) -> Option<&Seen> {
        self.clouds.get(usize::from(cloud))
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

impl Seen {
    fn is_avoided(&self, now: u64) -> bool {
        let until = self.avoided_until.load(Relaxed);
        if until == 0 || now < until {
            return until > 0;
        }
        // Whoever gets this through tries it; the others leave it for as long again.
        let next = now + avoided_for(self.failures.load(Relaxed));
        self.avoided_until.compare_exchange(until, next, Relaxed, Relaxed).is_err()
    }
}

/// In milliseconds.
fn avoided_for(failures: u32) -> u64 {
    let doubled = AVOIDED_FOR.saturating_mul(1 << failures.saturating_sub(REPEATED).min(16));
    doubled.min(LONGEST).as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(health: &Health) -> Vec<CloudIndex> {
        let mut clouds = vec![1, 0, 2];
        health.sort(&mut clouds);
        clouds
    }

    #[tokio::test(start_paused = true)]
    async fn a_cloud_is_avoided_after_repeated_failures_and_tried_again_by_one_caller() {
        let health = Health::of(3);
        for _ in 0..REPEATED {
            assert_eq!(order(&health), [1, 0, 2]);
            health.failed(1, Duration::ZERO);
        }
        assert_eq!(order(&health), [0, 2, 1]);
        tokio::time::advance(AVOIDED_FOR).await;
        assert_eq!(order(&health), [1, 0, 2], "one tries it");
        assert_eq!(order(&health), [0, 2, 1], "the others wait for what comes of that");
        health.failed(1, Duration::ZERO);
        tokio::time::advance(AVOIDED_FOR).await;
        assert_eq!(order(&health), [0, 2, 1], "it is avoided for twice as long");
        tokio::time::advance(AVOIDED_FOR).await;
        assert_eq!(order(&health), [1, 0, 2]);
        health.answered(1);
        assert_eq!(order(&health), [1, 0, 2]);
        health.failed(1, Duration::ZERO);
        assert_eq!(order(&health), [1, 0, 2], "failures are counted from the start");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cloud_that_was_waited_for_in_vain_is_avoided_at_once() {
        let health = Health::of(3);
        health.failed(1, SLOW);
        assert_eq!(order(&health), [0, 2, 1]);
        tokio::time::advance(AVOIDED_FOR).await;
        assert_eq!(order(&health), [1, 0, 2], "for as long as after repeated failures");
        health.answered(1);
        health.failed(1, SLOW - Duration::from_millis(1));
        assert_eq!(order(&health), [1, 0, 2], "a quick one alone is not enough");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_dies_is_followed_by_another() {
        let health = Health::of(3);
        (0..REPEATED).for_each(|_| health.failed(1, Duration::ZERO));
        for _ in 0..3 {
            tokio::time::advance(LONGEST).await;
            assert_eq!(order(&health), [1, 0, 2]);
        }
    }

    #[test]
    fn the_time_is_bounded() {
        assert_eq!(avoided_for(u32::MAX), LONGEST.as_millis() as u64);
    }
}
