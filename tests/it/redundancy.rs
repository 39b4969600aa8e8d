//! `first_ok` and `race!`: whichever branches are first, every consumer sees the same ones, and
//! what comes too late changes nothing.

mod promises;
mod stopping;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{
    faulty::{survive_pairs_where, survive_random_where},
    many_faults::at_random,
};

/// Something else for every execution, so that it is seen when two consumers saw two picks.
fn nonce() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}

/// Never returns in a distributed run, so that the platform gives up; in the plain run it is just
/// not `Ok`.
async fn never<T>() -> jointlambda::Result<T> {
    // Functions run in tasks of their own, the plain run does not.
    if tokio::task::try_id().is_none() {
        return Err(jointlambda::Error::new("given up"));
    }
    std::future::pending().await
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

redundant! {
    /// A pick per element of a list, collected.
    in_fan_out: InFanOut(2) is |seen| {
        seen.len() == 2
            && seen.iter().zip(0..).all(|((picked, a), i)| {
                picked == a && picked.len() == 1 && super::are_of(picked, &[i + 1, i + 6])
            })
    };
    {
        #[workflow]
        async fn in_fan_out(n: u64) -> Vec<(Vec<Answer>, Vec<Answer>)> {
            fan_out(0..n, async |i| {
                let picked = first_ok(1, [i + 1, i + 6], async |x| ask(x).await).await.unwrap_or_default();
                let seen = see(picked.clone()).await;
                (picked, seen)
            })
            .await
        }
    }
}

redundant! {
    /// The pick is the branch's outcome.
    last_in_join: LastInJoin(1, 6) is |seen| {
        let (Ok(picked), Ok((winner, _)), sum) = &seen.0 else { return false };
        *sum == seen.1 + 1
            && super::are_of(picked, &[seen.1, seen.1 + 1])
            && [seen.1, seen.1 + 1].contains(winner)
            && seen.2 == *picked
    };
    {
        #[workflow]
        async fn last_in_join(x: u64) -> ((Result<Vec<Answer>>, Result<Answer>, u64), u64, Vec<Answer>) {
            let all = join!(
                async { first_ok(1, [x, x + 1], async |x| ask(x).await).await },
                async { race!(ask(x), here(x + 1)) },
                add(x, 1)
            );
            let seen = see_there(all.0.clone().unwrap_or_default()).await;
            (all, x, seen)
        }
    }
}

redundant! {
    /// A pick per turn, each handed to the next one.
    in_loop: InLoop(2) is |seen| {
        seen.iter().zip(0..).all(|((picked, a), i)| picked == a && super::are_of(picked, &[i + 1, i + 2]))
            && seen.len() == 2
    };
    {
        #[workflow]
        async fn in_loop(turns: u64) -> Vec<(Vec<Answer>, Vec<Answer>)> {
            let mut all = Vec::new();
            for i in 0..turns {
                let Ok(picked) = first_ok(1, [i + 1, i + 2], async |x| ask(x).await).await else { break };
                let seen = see(picked.clone()).await;
                all.push((picked, seen));
            }
            all
        }
    }
}

redundant! {
    /// Branches of several functions, one of which ends early, in different ways.
    of_chains: OfChains(0, 2) is |seen| {
        let Ok((picked, a)) = seen else { return false };
        picked == a && picked.len() == 1 && (1..=6).contains(&picked[0].0)
    };
    {
        #[workflow]
        async fn of_chains(from: u64) -> Result<(Vec<Answer>, Vec<Answer>)> {
            let picked = first_ok(1, from..from + 3, async |x| {
                let sum = add(x, 1).await;
                if sum == 2 {
                    return Ok::<Answer, Error>((sum, super::nonce()));
                }
                let (of, drawn) = ask(sum).await?;
                let more = add(of, 1).await;
                Ok((more - 1, drawn))
            })
            .await?;
            let seen = see(picked.clone()).await;
            Ok((picked, seen))
        }
    }
}

redundant! {
    /// Some branches are nothing but glue, and are there at once.
    of_glue: OfGlue(vec![0, 1, 2], vec![0, 0], vec![5, 0, 5, 0]) is |seen| {
        let Ok((picked, a)) = seen else { return false };
        picked == a && picked.len() == 2
    };
    {
        #[workflow]
        async fn of_glue(list: Vec<u64>) -> Result<(Vec<Answer>, Vec<Answer>)> {
            let picked = first_ok(2, list, async |x| {
                match x {
                    0 => Ok((0, super::nonce())),
                    5 => Err(Error::new("five")),
                    _ => ask(x).await,
                }
            })
            .await?;
            let seen = see(picked.clone()).await;
            Ok((picked, seen))
        }
    }
}

redundant! {
    /// A race in each branch of a redundant fan-out.
    nested: Nested(1, 5) is |seen| {
        let Ok((picked, a)) = seen else { return false };
        picked == a && picked.len() == 1 && (1..=7).contains(&picked[0].0)
    };
    {
        #[workflow]
        async fn nested(x: u64) -> Result<(Vec<Answer>, Vec<Answer>)> {
            let picked = first_ok(1, [x, x + 1], async |y| race!(here(y), ask(y))).await?;
            let seen = see(picked.clone()).await;
            Ok((picked, seen))
        }
    }
}

redundant! {
    /// A fan-out in each branch, and what comes after it.
    of_fan_outs: OfFanOuts(1) is |seen| {
        let Ok((picked, a)) = seen else { return false };
        picked == a && picked.len() == 1 && [2, 4].contains(&picked[0].0)
    };
    {
        #[workflow]
        async fn of_fan_outs(x: u64) -> Result<(Vec<Answer>, Vec<Answer>)> {
            let picked = first_ok(1, [x, x + 1], async |y| {
                let both = try_fan_out([y, y], async |z| ask(z).await).await?;
                Ok::<Answer, Error>((both[0].0 + both[1].0, both[0].1))
            })
            .await?;
            let seen = see(picked.clone()).await;
            Ok((picked, seen))
        }
    }
}

redundant! {
    /// None, all, and more than are `Ok`: one of the errors, and every consumer sees that one.
    too_few: TooFew((vec![1, 5, 2], 3), (vec![5, 10, 1], 2), (vec![5, 10], 1), (vec![], 0), (vec![1, 5], 0), (vec![1, 2], 2))
    is |(outcome, of, seen, again)| {
        let (list, k) = of;
        let ok = list.iter().filter(|x| *x % 5 != 0).count();
        seen == again
            && match outcome {
                Ok(picked) => picked.len() == *k && ok >= *k && picked == seen,
                Err(error) => {
                    let message = error.to_string();
                    ok < *k && message == format!("{}", seen[0].0) && ["5", "10"].contains(&&*message)
                }
            }
    };
    {
        #[workflow]
        async fn too_few(
            list: Vec<u64>,
            k: usize,
        ) -> (Result<Vec<Answer>>, (Vec<u64>, usize), Vec<Answer>, Vec<Answer>) {
            let outcome = first_ok(k, list.clone(), async |x| ask(x).await).await;
            let shown = match &outcome {
                Ok(picked) => picked.clone(),
                Err(error) => vec![(error.to_string().parse().unwrap_or(0), 0)],
            };
            let (seen, again) = join!(see(shown.clone()), see_there(shown.clone()));
            (outcome, (list, k), seen, again)
        }
    }
}

redundant! {
    /// A race that nobody wins, and what is done about it.
    lost: Lost(5, 1) is |(seen, again)| seen == again && [5, 1, 11].contains(&seen[0].0);
    {
        #[workflow]
        async fn lost(x: u64) -> (Vec<Answer>, Vec<Answer>) {
            let shown = match race!(ask(x), here(10 * x)) {
                Ok(answer) => answer,
                Err(error) if error.to_string() == "5" => (x, super::nonce()),
                Err(_) => (11, super::nonce()),
            };
            join!(see(vec![shown]), see_there(vec![shown]))
        }
    }
}

redundant! {
    /// The slow ones are still at work when the run has ended, and call more functions.
    slow_losers: SlowLosers(vec![1, 2, 3]) is |seen| {
        let Ok((picked, a)) = seen else { return false };
        picked == a && picked.len() == 1 && (1..=3).contains(&(picked[0].0 - 7))
    };
    {
        #[workflow]
        async fn slow_losers(list: Vec<u64>) -> Result<(Vec<Answer>, Vec<Answer>)> {
            let picked = first_ok(1, list, async |x| {
                let (of, drawn) = wait(x).await?;
                let more = add(of, 7).await;
                Ok::<Answer, Error>((more, drawn))
            })
            .await?;
            let seen = see(picked.clone()).await;
            Ok((picked, seen))
        }

        #[function(on = ALI, failover = [AWS], timeout = "100s")]
        async fn wait(x: u64) -> Result<Answer> {
            tokio::time::sleep(std::time::Duration::from_secs(20 * (x - 1))).await;
            Ok((x, super::nonce()))
        }
    }
}

redundant! {
    /// What the slow ones return is too large for a row, and comes when the run has ended.
    large: Large(vec![1, 2, 3]) is |seen| {
        let Ok((first, a, b)) = seen else { return false };
        a == b && *a == *first as u64 + 20_000 && (1..=3).contains(first)
    };
    {
        #[workflow]
        async fn large(list: Vec<u64>) -> Result<(u8, u64, u64)> {
            let picked = first_ok(1, list, async |x| {
                let some = big(x).await?;
                bigger(some).await
            })
            .await?;
            let first = picked[0][0];
            let (a, b) = join!(weigh(picked.clone()), weigh(picked));
            Ok((first, a, b))
        }

        #[function(on = ALI, failover = [AWS], timeout = "100s")]
        async fn big(x: u64) -> Result<Vec<u8>> {
            tokio::time::sleep(std::time::Duration::from_secs(20 * (x - 1))).await;
            Ok(vec![x as u8; 60_000])
        }

        #[function(on = AWS)]
        async fn bigger(mut some: Vec<u8>) -> Result<Vec<u8>> {
            some.truncate(20_000);
            Ok(some)
        }

        #[function(on = AWS)]
        async fn weigh(picked: Vec<Vec<u8>>) -> u64 {
            picked[0].len() as u64 + u64::from(picked[0][0])
        }
    }
}

redundant! {
    /// A function that never returns, in a branch that may fail: alone, in a chain, in a fan-out,
    /// and in a branch with an `Err` beside it.
    failing: Failing((0, 1), (1, 1), (2, 1), (3, 1)) is |(outcome, how, seen, again)| {
        seen == again
            && match (outcome, how) {
                (Ok(picked), 0..=2) => picked == seen && super::are_of(picked, &[1]),
                (Err(error), 3) => error.to_string() == "5",
                _ => false,
            }
    };
    {
        #[workflow]
        async fn failing(how: u64, x: u64) -> (Result<Vec<Answer>>, u64, Vec<Answer>, Vec<Answer>) {
            let other = if how == 3 { 5 } else { x };
            let outcome = first_ok(1, [other, 0], async |y| {
                if y > 0 {
                    return ask(y).await;
                }
                match how {
                    1 => {
                        let sum = add(x, 0).await;
                        give_up(sum).await
                    }
                    2 => {
                        let all = try_fan_out([1, 2], async |z| {
                            if z == 1 { give_up(z).await } else { ask(z).await }
                        })
                        .await?;
                        ask(all.len() as u64).await
                    }
                    _ => give_up(x).await,
                }
            })
            .await;
            let shown = outcome.clone().unwrap_or_default();
            let (seen, again) = join!(see(shown.clone()), see_there(shown));
            (outcome, how, seen, again)
        }

        #[function(on = AWS, timeout = "1s")]
        async fn give_up(_x: u64) -> Result<Answer> {
            super::never().await
        }
    }
}

pub(crate) mod three {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn three(list: Vec<u64>) -> Result<(Vec<(u64, u64)>, Vec<(u64, u64)>)> {
            let picked = first_ok(2, list, async |x| if x > 2 { here(x).await } else { there(x).await }).await?;
            Ok(join!(see(picked.clone()), see_there(picked.clone())))
        }

        #[function(on = AWS)]
        async fn here(x: u64) -> Result<(u64, u64)> {
            Ok((x, super::nonce()))
        }

        #[function(on = ALI, failover = [AWS])]
        async fn there(x: u64) -> Result<(u64, u64)> {
            if x == 0 { Err(Error::new("nothing")) } else { Ok((x, super::nonce())) }
        }

        #[function(on = AWS)]
        async fn see(picked: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
            picked
        }

        #[function(on = ALI)]
        async fn see_there(picked: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
            picked
        }
    }
}

pub(crate) type Seen = jointlambda::Result<(Vec<(u64, u64)>, Vec<(u64, u64)>)>;

/// Whether both consumers saw the same two of three.
pub(crate) fn saw_two(seen: &Seen) -> bool {
    seen.as_ref().is_ok_and(|(a, b)| a == b && a.len() == 2 && are_of(a, &[1, 2, 3]))
}

#[test]
fn it_survives_pairs_of_faults() {
    survive_pairs_where::<three::Three>(vec![1, 2, 3], 1, saw_two);
}

#[test]
fn it_survives_many_faults_at_random() {
    survive_random_where::<three::Three>(vec![1, 2, 3], at_random() / 3, 4, saw_two);
    let nothing = |seen: &Seen| seen.as_ref().is_err_and(|error| error.to_string() == "nothing");
    survive_random_where::<three::Three>(vec![0, 1, 0], at_random() / 6, 5, nothing);
}
