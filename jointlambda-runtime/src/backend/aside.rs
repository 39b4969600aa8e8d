//! Reads beside a user function: they are given up when it returns first.

use std::{future::pending, panic::resume_unwind};

/// Lets the user function begin: one that returns without waiting for anything needs no read.
pub(super) async fn after_others() {
    tokio::task::yield_now().await;
}

/// Makes a request that ends also when nobody waits for it any more. HTTP/1 cannot use a connection again
/// whose request was given up, so what comes next would have to open one.
pub(super) async fn to_its_end<T: Send + 'static>(request: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(request).await {
        Ok(answer) => answer,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // All ends, and with it whoever asked.
        Err(_) => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    };

    use futures_util::{FutureExt, future::select};

    use super::*;

    #[tokio::test]
    async fn a_request_ends_though_it_is_given_up() {
        let has_ended = Arc::new(AtomicBool::new(false));
        let end = has_ended.clone();
        let request = to_its_end(async move {
            tokio::task::yield_now().await;
            end.store(true, Relaxed);
        });
        assert!(request.now_or_never().is_none());
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        assert!(has_ended.load(Relaxed));
    }

    #[tokio::test]
    async fn nothing_is_asked_beside_what_is_there_at_once() {
        let has_begun = AtomicBool::new(false);
        let read = std::pin::pin!(async {
            after_others().await;
            has_begun.store(true, Relaxed);
        });
        select(read, std::future::ready(())).await;
        assert!(!has_begun.load(Relaxed));
    }
}
