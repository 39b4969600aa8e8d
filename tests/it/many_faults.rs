//! Pairs of faults, and many at random, on small workflows of every construct.

use crate::faulty::{survive_pairs, survive_random};

mod chain {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn chain(x: u64) -> u64 {
            let y = there(x).await;
            here(y).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn there(x: u64) -> u64 {
            x + 1
        }

        #[function(on = AWS)]
        async fn here(x: u64) -> u64 {
            x * 2
        }
    }
}

mod fan {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn fan(list: Vec<u64>) -> u64 {
            let all = fan_out(list, async |x| {
                if x > 1 { there(x).await } else { x }
            })
            .await;
            let sum = all.iter().sum::<u64>();
            here(sum).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn there(x: u64) -> u64 {
            x + 1
        }

        #[function(on = AWS)]
        async fn here(x: u64) -> u64 {
            x * 2
        }
    }
}

mod turns {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn turns(n: u64) -> Result<u64> {
            let mut x = 1;
            for i in 0..n {
                let (a, b) = join!(there(x), async { here(x + i).await.unwrap_or(7) });
                x = a + b;
            }
            here(x).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn there(x: u64) -> u64 {
            x + 1
        }

        #[function(on = AWS)]
        async fn here(x: u64) -> Result<u64> {
            if x % 3 == 0 { Err(Error::new("three")) } else { Ok(x * 2) }
        }
    }
}

#[test]
fn a_chain_survives_pairs_of_faults() {
    survive_pairs::<chain::Chain>(3, 1);
}

#[test]
fn a_map_survives_pairs_of_faults() {
    survive_pairs::<fan::Fan>(vec![2, 1, 5], 2);
}

#[test]
fn a_loop_of_joins_survives_pairs_of_faults() {
    survive_pairs::<turns::Turns>(1, 2);
}

#[test]
fn many_faults_at_random_are_survived() {
    survive_random::<chain::Chain>(3, 10_000, 1);
    survive_random::<fan::Fan>(vec![2, 1, 5], 10_000, 2);
    survive_random::<turns::Turns>(2, 10_000, 3);
}
