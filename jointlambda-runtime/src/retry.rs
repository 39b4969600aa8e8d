//! Bounded retries, with exponential backoff and jitter. The only place where the runtime sleeps.

use std::{future::Future, time::Duration};

use crate::{backend::StoreError, definition::RetryDef};

/// How often one store request is made, in all.
const STORE_ATTEMPTS: u32 = 5;
/// How often a request is made that the store throttles. It does so by the second, so the waits
/// have to last for a few seconds together.
const THROTTLED_ATTEMPTS: u32 = 10;
/// The wait before a store request is made again, doubled each time.
const STORE_BACKOFF: Duration = Duration::from_millis(20);
/// The longest wait between two of them.
const STORE_LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Makes a store request until it is answered for good. Every request of the table and object
/// traits may be repeated safely, also after [`StoreError::Unknown`].
pub(crate) async fn store<T, F>(mut request: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut attempt = 1;
    loop {
        match request().await {
            Err(error) if error.is_transient() && attempt < attempts(&error) => {
                tokio::time::sleep(backoff(STORE_BACKOFF, attempt, 50).min(STORE_LONGEST_BACKOFF)).await;
                attempt += 1;
            }
            answer => return answer,
        }
    }
}

fn attempts(error: &StoreError) -> u32 {
    match error {
        StoreError::Throttled => THROTTLED_ATTEMPTS,
        _ => STORE_ATTEMPTS,
    }
}

/// The wait before attempt `done + 1` of a function with `retry(…)`.
pub(crate) fn wait(retry: &RetryDef, done: u32) -> Duration {
    backoff(Duration::from_millis(retry.backoff_ms), done, retry.jitter_percent)
}

/// `first` doubled for each attempt done beyond the first, less a random part of up to
/// `jitter_percent`, and never over one minute.
pub(crate) fn backoff(first: Duration, done: u32, jitter_percent: u8) -> Duration {
    const LONGEST: Duration = Duration::from_secs(60);
    let full = first.saturating_mul(1 << done.saturating_sub(1).min(16)).min(LONGEST);
    let part = f64::from(jitter_percent.min(100)) / 100.0;
    full.mul_f64(1.0 - part * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_and_is_bounded() {
        let first = Duration::from_millis(100);
        assert_eq!(backoff(first, 1, 0), first);
        assert_eq!(backoff(first, 3, 0), first * 4);
        assert_eq!(backoff(first, 1_000, 0), Duration::from_secs(60));
        let jittered = backoff(first, 1, 50);
        assert!(jittered <= first && jittered >= first / 2);
    }
}
