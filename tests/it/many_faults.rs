//! Pairs of faults, and many at random, on small workflows of every construct.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::faulty::{survive_pairs, survive_random};

/// Something else for every execution: two copies of a function never return the same, nor does
/// glue that runs twice, and whoever trusts the wrong copy is seen.
pub(crate) fn nonce() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}

pub(crate) mod chain {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn chain(x: u64) -> u64 {
            let (y, drawn) = there(x).await;
            here(y, drawn, super::nonce()).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn there(x: u64) -> (u64, u64) {
            (x + 1, super::nonce())
        }

        #[function(on = AWS)]
        async fn here(x: u64, _drawn: u64, _salt: u64) -> u64 {
            x * 2
        }
    }
}

pub(crate) mod fan {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn fan(list: Vec<u64>) -> u64 {
            let all = fan_out(list, async |x| {
                if x > 1 { there(x).await } else { (x, super::nonce()) }
            })
            .await;
            let sum = all.iter().map(|(x, _)| x).sum::<u64>();
            here(sum, all[0].1, super::nonce()).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn there(x: u64) -> (u64, u64) {
            (x + 1, super::nonce())
        }

        #[function(on = AWS)]
        async fn here(x: u64, _drawn: u64, _salt: u64) -> u64 {
            x * 2
        }
    }
}

pub(crate) mod turns {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn turns(n: u64) -> Result<u64> {
            let mut x = 1;
            for i in 0..n {
                let drawn = super::nonce();
                let ((a, seen), b) = join!(there(x), async { here(x + i, drawn, super::nonce()).await.unwrap_or(7) });
                x = there(a + b + seen - seen).await.0;
            }
            here(x, 0, super::nonce()).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn there(x: u64) -> (u64, u64) {
            (x + 1, super::nonce())
        }

        #[function(on = AWS)]
        async fn here(x: u64, _drawn: u64, _salt: u64) -> Result<u64> {
            if x.is_multiple_of(3) { Err(Error::new("three")) } else { Ok(x * 2) }
        }
    }
}

#[test]
fn a_chain_survives_pairs_of_faults() {
    survive_pairs::<chain::Chain>(3, 1);
}

#[test]
fn a_map_survives_pairs_of_faults() {
    survive_pairs::<fan::Fan>(vec![2, 1, 5], 1);
}

#[test]
fn a_loop_of_joins_survives_pairs_of_faults() {
    survive_pairs::<turns::Turns>(1, 1);
}

#[test]
fn a_chain_survives_many_faults_at_random() {
    survive_random::<chain::Chain>(3, at_random(), 1);
}

#[test]
fn a_map_survives_many_faults_at_random() {
    survive_random::<fan::Fan>(vec![2, 1, 5], at_random(), 2);
}

#[test]
fn a_loop_of_joins_survives_many_faults_at_random() {
    survive_random::<turns::Turns>(2, at_random(), 3);
}

/// How many random schedules each workflow is tried under: `JOINTLAMBDA_SCHEDULES`, or enough for
/// the whole suite to try more than 100,000.
pub(crate) fn at_random() -> usize {
    let set = std::env::var("JOINTLAMBDA_SCHEDULES").ok();
    set.map_or(28_000, |set| set.parse().expect("JOINTLAMBDA_SCHEDULES is a number"))
}
