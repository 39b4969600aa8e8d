//! The workflows around which something goes wrong.

use std::{cell::Cell, time::Duration};

use jointlambda::Workflow;

use self::{gather::Gather, one::One};

thread_local! {
    /// How often the function in question was begun: virtual time runs on one thread.
    pub(crate) static BEGUN: Cell<u64> = const { Cell::new(0) };
}

fn begun() {
    BEGUN.set(BEGUN.get() + 1);
}

/// Longer than a read: one that a function does not wait for is not counted.
async fn work() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// A workflow that runs with batches, or without.
pub(crate) trait Batched: Workflow {
    fn input(n: u64, is_batched: bool) -> Self::Input;
    fn check(n: u64, result: Self::Output);
}

impl Batched for Gather {
    fn input(n: u64, is_batched: bool) -> (u64, bool) {
        (n, is_batched)
    }

    fn check(n: u64, result: u64) {
        assert_eq!(result, n);
    }
}

impl Batched for One {
    fn input(n: u64, is_batched: bool) -> (u64, bool) {
        (n, is_batched)
    }

    fn check(n: u64, result: u64) {
        assert_eq!(result, n);
    }
}

pub(crate) mod days {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        /// The first takes a day, the others no time.
        #[workflow]
        pub(crate) async fn days(days: u64) -> u64 {
            if days > 0 { day(days).await } else { instant(days).await }
        }

        #[function(on = AWS, timeout = "15m")]
        async fn day(days: u64) -> u64 {
            std::future::pending::<()>().await;
            days
        }

        #[function(on = AWS)]
        async fn instant(x: u64) -> u64 { x + 1 }
    }
}

pub(crate) mod wide {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn wide(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| square(x).await).await;
            fold(all).await
        }

        #[function(on = AWS)]
        async fn square(x: u64) -> u64 { x * x }

        #[function(on = AWS, timeout = "15m")]
        async fn fold(all: Vec<u64>) -> u64 {
            super::begun();
            tokio::time::sleep(std::time::Duration::from_secs(600)).await;
            all.len() as u64
        }
    }
}

pub(crate) mod backlog {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn backlog(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| slow(x).await).await;
            all.len() as u64
        }

        #[function(on = AWS)]
        async fn slow(x: u64) -> u64 {
            super::begun();
            tokio::time::sleep(std::time::Duration::from_secs(30)).await;
            x
        }
    }
}

pub(crate) mod mixed {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// A chain, a map and a join, on both clouds.
        #[workflow]
        pub(crate) async fn mixed(n: u64) -> u64 {
            let first = here(n).await;
            let all = fan_out(0..first, async |x| there(here(x).await).await).await;
            let (a, b) = join!(here(all.len() as u64), there(7));
            here(a + b - 7).await
        }

        #[function(on = AWS)]
        async fn here(x: u64) -> u64 {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            x
        }

        #[function(on = ALI)]
        async fn there(x: u64) -> u64 {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            x
        }
    }
}

pub(crate) mod gather {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn gather(n: u64, is_batched: bool) -> u64 {
            if is_batched {
                let all = fan_out(0..n, async |x| together(x).await).await;
                all.len() as u64
            } else {
                let all = fan_out(0..n, async |x| alone(x).await).await;
                all.len() as u64
            }
        }

        #[function(on = AWS, batch(size = 10, wait = "2s"))]
        async fn together(items: Vec<u64>) -> Vec<u64> {
            super::work().await;
            items
        }

        #[function(on = AWS)]
        async fn alone(x: u64) -> u64 {
            super::work().await;
            x
        }
    }
}

pub(crate) mod one {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn one(x: u64, is_batched: bool) -> u64 {
            if is_batched { together(x).await } else { alone(x).await }
        }

        #[function(on = AWS, batch(size = 10, wait = "2s"))]
        async fn together(items: Vec<u64>) -> Vec<u64> {
            super::work().await;
            items
        }

        #[function(on = AWS)]
        async fn alone(x: u64) -> u64 {
            super::work().await;
            x
        }
    }
}
