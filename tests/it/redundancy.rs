//! `first_ok` and `race!`: whichever branches are first, every consumer sees the same ones, and
//! what comes too late changes nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Something else for every execution, so that it is seen when two consumers saw two picks.
fn nonce() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}

/// A workflow on two clouds that may end in several ways, its functions, and tests that each
/// outcome is accepted, without faults and under each.
macro_rules! redundant {
    ($(#[$doc:meta])* $name:ident: $workflow:ident($($input:expr),+ $(,)?) is $accepts:expr; { $($items:tt)* }) => {
        $(#[$doc])*
        #[allow(clippy::all)] // shapes are odd on purpose
        mod $name {
            use jointlambda::prelude::*;

            /// An answer: of which branch, and something that no other execution gives.
            type Answer = (u64, u64);

            jointlambda::workflow! {
                const AWS: Cloud = Cloud::aws("ap-northeast-1");
                const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

                /// Answers, but for multiples of five.
                #[function(on = ALI, failover = [AWS])]
                async fn ask(x: u64) -> Result<Answer> {
                    if x % 5 == 0 { Err(Error::new(x)) } else { Ok((x, super::nonce())) }
                }

                #[function(on = AWS)]
                async fn here(x: u64) -> Result<Answer> {
                    ask(x).await
                }

                #[function(on = AWS)]
                async fn add(x: u64, y: u64) -> u64 {
                    x + y
                }

                /// Sees what was picked.
                #[function(on = AWS)]
                async fn see(picked: Vec<Answer>) -> Vec<Answer> {
                    picked
                }

                #[function(on = ALI)]
                async fn see_there(picked: Vec<Answer>) -> Vec<Answer> {
                    picked
                }

                $($items)*
            }

            #[test]
            fn agrees() {
                $(crate::agree::agree_where::<$workflow>($input, $accepts);)+
            }

            #[test]
            fn survives_every_single_fault() {
                $(crate::faulty::survive_single_faults_where::<$workflow>($input, $accepts);)+
            }
        }
    };
}

/// Whether answers are of some of these branches, in their order.
fn are_of(picked: &[(u64, u64)], branches: &[u64]) -> bool {
    let mut left = branches.iter();
    picked.iter().all(|(of, _)| left.any(|branch| branch == of))
}

redundant! {
    /// Two consumers, on two clouds, of one pick.
    two_of_four: TwoOfFour(vec![1, 2, 3, 4], vec![5, 1, 2, 10], vec![1, 2]) is |seen| {
        let Ok((picked, a, b)) = seen else { return false };
        picked == a && picked == b && picked.len() == 2 && super::are_of(picked, &[1, 2, 3, 4])
    };
    {
        #[workflow]
        async fn two_of_four(list: Vec<u64>) -> Result<(Vec<Answer>, Vec<Answer>, Vec<Answer>)> {
            let picked = first_ok(2, list, async |x| ask(x).await).await?;
            let (a, b) = join!(see(picked.clone()), see_there(picked.clone()));
            Ok((picked, a, b))
        }
    }
}

redundant! {
    /// A call on each cloud, and a chain.
    race_of_clouds: RaceOfClouds(1, 5) is |seen| {
        let Ok((picked, a, b)) = seen else { return false };
        a == b && a == &[*picked] && [1, 2, 5, 6, 7].contains(&picked.0)
    };
    {
        #[workflow]
        async fn race_of_clouds(x: u64) -> Result<(Answer, Vec<Answer>, Vec<Answer>)> {
            let picked = race!(here(x), ask(x + 1), async {
                let y = add(x, 1).await;
                ask(y + 1).await
            })?;
            let (a, b) = join!(see(vec![picked]), see_there(vec![picked]));
            Ok((picked, a, b))
        }
    }
}

redundant! {
    /// It is the last thing that a run does.
    last: Last(vec![1, 2, 5]) is |seen| {
        seen.as_ref().is_ok_and(|seen| seen.len() == 1 && super::are_of(seen, &[1, 2]))
    };
    {
        #[workflow]
        async fn last(list: Vec<u64>) -> Result<Vec<Answer>> {
            first_ok(1, list, async |x| ask(x).await).await
        }
    }
}
