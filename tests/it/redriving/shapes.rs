//! Workflows that fail until they are mended, whose functions give something else to each call.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

thread_local! {
    /// Whether functions fail that may: virtual time runs on one thread.
    pub(crate) static BROKEN: Cell<bool> = const { Cell::new(false) };
    /// What functions were called, in order, with the argument and something that no two calls share.
    pub(super) static CALLS: RefCell<Vec<(&'static str, u64, u64)>> = const { RefCell::new(Vec::new()) };
}

/// Notes a call, and gives something else each time.
fn called(function: &'static str, x: u64) -> u64 {
    CALLS.with_borrow_mut(|calls| {
        let nonce = calls.len() as u64;
        calls.push((function, x, nonce));
        nonce
    })
}

fn may_fail(what: &str) {
    assert!(!BROKEN.get(), "{what} is broken");
}

pub(crate) mod chain {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn chain(x: u64) -> u64 {
            let (y, text) = before(x).await;
            let z = flaky(y, text).await;
            after(z).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn before(x: u64) -> (u64, String) {
            super::called("before", x);
            (x + 1, "x".repeat(9_000))
        }

        #[function(on = AWS)]
        async fn flaky(x: u64, text: String) -> u64 {
            super::called("flaky", x);
            super::may_fail("flaky");
            x * 2 + text.len() as u64
        }

        #[function(on = ALI)]
        async fn after(x: u64) -> u64 {
            super::called("after", x);
            x + 3
        }
    }
}

pub(crate) mod branches {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// A branch fails while others are still at it; and then the last one of each turn.
        #[workflow]
        pub(crate) async fn branches(input: (u64, u64)) -> u64 {
            let (n, turns) = input;
            let mut sum = 0;
            for turn in 0..turns {
                let all = fan_out(0..n, async |x| {
                    let (y, seen) = slow(x + 10 * turn).await;
                    if x == 0 { flaky(y, seen).await } else { sink(y, seen).await }
                })
                .await;
                sum += all.iter().sum::<u64>();
            }
            last(sum).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn slow(x: u64) -> (u64, u64) {
            let nonce = super::called("slow", x);
            tokio::time::sleep(std::time::Duration::from_millis(x % 10 * 400)).await;
            (x, nonce)
        }

        #[function(on = AWS)]
        async fn flaky(x: u64, seen: u64) -> u64 {
            super::called("flaky", x);
            super::may_fail("flaky");
            super::saw(x, seen);
            x + 1
        }

        #[function(on = AWS)]
        async fn sink(x: u64, seen: u64) -> u64 {
            super::saw(x, seen);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            x + 1
        }

        #[function(on = AWS)]
        async fn last(x: u64) -> u64 {
            super::called("last", x);
            x
        }
    }
}

pub(crate) mod glue {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// The code after a fan-in fails, and that after a function.
        #[workflow]
        pub(crate) async fn glue(x: u64) -> u64 {
            let all = fan_out(0..x, async |x| step(x).await).await;
            super::may_fail("the glue");
            let sum = step(all.iter().sum::<u64>()).await;
            let (a, b) = join!(step(sum), async { step(step(sum).await).await });
            a * b
        }

        #[function(on = ALI, failover = [AWS])]
        async fn step(x: u64) -> u64 {
            super::called("step", x);
            x + 1
        }
    }
}

pub(crate) mod together {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// The first branches that are `Ok`, each of which is in a batch; some of both fail.
        #[workflow]
        pub(crate) async fn together(n: u64) -> Result<u64> {
            let won = first_ok(2, 0..n, async |x| {
                let (y, seen) = gathered(x).await;
                if x == 0 { flaky(y, seen).await } else { sink(y, seen).await }
            })
            .await?;
            let (last, seen) = gathered(won.len() as u64 * 100).await;
            flaky(last, seen).await
        }

        #[function(on = ALI, failover = [AWS], batch(size = 2, wait = "300ms"), timeout = "60s")]
        async fn gathered(items: Vec<u64>) -> Vec<(u64, u64)> {
            items.into_iter().map(|x| (x, super::called("gathered", x))).collect()
        }

        #[function(on = AWS)]
        async fn flaky(x: u64, seen: u64) -> Result<u64> {
            super::may_fail("flaky");
            super::saw(x, seen);
            Ok(x)
        }

        #[function(on = AWS)]
        async fn sink(x: u64, seen: u64) -> Result<u64> {
            super::saw(x, seen);
            tokio::time::sleep(std::time::Duration::from_millis(x * 50)).await;
            Ok(x)
        }
    }
}

pub(crate) mod inner {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// A branch of which a part fails has arrived, while its other parts are still at it.
        #[workflow]
        pub(crate) async fn inner(n: u64) -> Result<u64> {
            let won = first_ok(2, 0..n, async |x| {
                let all = fan_out(0..2, async |y| {
                    let (z, seen) = slow(2 * x + y).await;
                    if z == 0 { flaky(z, seen).await } else { sink(z, seen).await }
                })
                .await;
                Ok::<u64, Error>(all.iter().sum::<u64>())
            })
            .await?;
            Ok(last(won.iter().sum::<u64>()).await)
        }

        #[function(on = ALI, failover = [AWS])]
        async fn slow(x: u64) -> (u64, u64) {
            let nonce = super::called("slow", x);
            tokio::time::sleep(std::time::Duration::from_millis(x * 150)).await;
            (x, nonce)
        }

        #[function(on = AWS)]
        async fn flaky(x: u64, seen: u64) -> u64 {
            super::may_fail("flaky");
            super::saw(x, seen);
            x + 1
        }

        #[function(on = AWS)]
        async fn sink(x: u64, seen: u64) -> u64 {
            super::saw(x, seen);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            x + 1
        }

        #[function(on = AWS)]
        async fn last(x: u64) -> u64 { x }
    }
}

pub(crate) mod gather {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// A fan-out is the last thing of its run; a branch of it fails while another is still at it.
        #[workflow]
        pub(crate) async fn gather(n: u64) -> Vec<u64> {
            fan_out(0..n, async |x| {
                let (y, seen) = slow(x).await;
                if x == 0 { flaky(y, seen).await } else { sink(y, seen).await }
            })
            .await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn slow(x: u64) -> (u64, u64) {
            let nonce = super::called("slow", x);
            tokio::time::sleep(std::time::Duration::from_secs(4 * x)).await;
            (x, nonce)
        }

        #[function(on = AWS)]
        async fn flaky(x: u64, seen: u64) -> u64 {
            super::may_fail("flaky");
            super::saw(x, seen);
            x + 1
        }

        #[function(on = AWS)]
        async fn sink(x: u64, seen: u64) -> u64 {
            super::saw(x, seen);
            x + 1
        }
    }
}

pub(crate) mod apart {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// One of two branches fails, while the other has two calls to go.
        #[workflow]
        pub(crate) async fn apart(x: u64) -> u64 {
            let (a, b) = join!(flaky(x), async {
                let (y, seen) = slow(x + 1).await;
                sink(y, seen).await
            });
            a + b
        }

        #[function(on = ALI, failover = [AWS])]
        async fn slow(x: u64) -> (u64, u64) {
            let nonce = super::called("slow", x);
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            (x, nonce)
        }

        #[function(on = AWS)]
        async fn flaky(x: u64) -> u64 {
            super::may_fail("flaky");
            x * 2
        }

        #[function(on = ALI)]
        async fn sink(x: u64, seen: u64) -> u64 {
            super::saw(x, seen);
            x + 1
        }
    }
}

pub(crate) mod both {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// Both branches fail, the second one later: its platform gives up on it, and says so, while
        /// the run is redriven because of the first.
        #[workflow]
        pub(crate) async fn both(x: u64) -> u64 {
            let (a, b) = join!(flaky(x), async { flaky(after(x).await).await });
            a + b
        }

        #[function(on = ALI, failover = [AWS])]
        async fn after(x: u64) -> u64 {
            tokio::time::sleep(std::time::Duration::from_millis(60)).await;
            x + 1
        }

        #[function(on = AWS)]
        async fn flaky(x: u64) -> u64 {
            super::may_fail("flaky");
            x * 2
        }
    }
}

thread_local! {
    /// What each value was seen to be made of.
    pub(super) static SEEN: RefCell<BTreeMap<u64, BTreeSet<u64>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A consumer saw `nonce` where `x` was made.
fn saw(x: u64, nonce: u64) {
    SEEN.with_borrow_mut(|seen| seen.entry(x).or_default().insert(nonce));
}

pub(crate) mod slow {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn slow(n: u64) -> u64 {
            let mut x = flaky(0).await;
            for _ in 0..n {
                x = hour(x).await;
            }
            x
        }

        #[function(on = AWS)]
        async fn flaky(x: u64) -> u64 {
            super::may_fail("flaky");
            x
        }

        #[function(on = AWS, timeout = "900s")]
        async fn hour(x: u64) -> u64 {
            super::called("hour", x);
            tokio::time::sleep(std::time::Duration::from_secs(600)).await;
            x + 1
        }
    }
}
