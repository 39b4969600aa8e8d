//! Pairs of faults in small workflows of the constructs that those of `many_faults.rs` leave out.

use crate::{faulty::survive_pairs, many_faults::nonce};

/// A workflow, its functions, which return the same only to one copy, and a test that it survives
/// pairs of faults.
macro_rules! paired {
    ($(#[$doc:meta])* $name:ident: $workflow:ident($($input:expr),+ $(,)?); { $($items:tt)* }) => {
        $(#[$doc])*
        mod $name {
            use jointlambda::prelude::*;

            jointlambda::workflow! {
                const AWS: Cloud = Cloud::aws("ap-northeast-1");
                const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

                #[function(on = ALI, failover = [AWS])]
                async fn there(x: u64) -> (u64, u64) {
                    (x + 1, super::nonce())
                }

                #[function(on = AWS)]
                async fn here(x: u64, _drawn: u64, _salt: u64) -> Result<u64> {
                    if x.is_multiple_of(3) { Err(Error::new("three")) } else { Ok(x * 2) }
                }

                $($items)*
            }

            #[test]
            fn survives_pairs_of_faults() {
                $(super::survive_pairs::<$workflow>($input, 1);)+
            }
        }
    };
}

paired! {
    /// An arm with a call, and one without.
    choice: Choice(3, 1);
    {
        #[workflow]
        async fn choice(x: u64) -> Result<u64> {
            let (y, drawn) = there(x).await;
            let (z, seen) = if y > 3 { there(y - 1).await } else { (y, drawn) };
            here(z, seen, super::nonce()).await
        }
    }
}

paired! {
    /// A fan-out over what a function found, which is nothing.
    empty_map: EmptyMap(0);
    {
        #[workflow]
        async fn empty_map(n: u64) -> Result<u64> {
            let (list, drawn) = list(n).await;
            let all = fan_out(list, async |x| there(x).await).await;
            here(all.len() as u64 + 1, drawn, super::nonce()).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn list(n: u64) -> (Vec<u64>, u64) {
            ((0..n).collect(), super::nonce())
        }
    }
}

paired! {
    /// An `Err` that ends the run before its last call.
    error_edge: ErrorEdge(2);
    {
        #[workflow]
        async fn error_edge(x: u64) -> Result<u64> {
            let (y, drawn) = there(x).await;
            let z = here(y, drawn, super::nonce()).await?;
            here(z, drawn, super::nonce()).await
        }
    }
}

paired! {
    /// An `Err` of a branch, which ends the run.
    error_in_map: ErrorInMap(vec![2, 1]);
    {
        #[workflow]
        async fn error_in_map(list: Vec<u64>) -> Result<u64> {
            let all = try_fan_out(list, async |x| {
                let (y, drawn) = there(x).await;
                here(y, drawn, super::nonce()).await
            })
            .await?;
            here(all[0], 0, super::nonce()).await
        }
    }
}

paired! {
    /// A fan-out that is the last thing of its run.
    tail_map: TailMap(vec![1, 0]);
    {
        #[workflow]
        async fn tail_map(list: Vec<u64>) -> Vec<u64> {
            fan_out(list, async |x| {
                let (y, drawn) = there(x).await;
                here(y, drawn, super::nonce()).await.unwrap_or(7)
            })
            .await
        }
    }
}
