//! The workloads: functions that do next to nothing, so that what is measured is the runtime.

/// A chain on one cloud.
pub(crate) mod chain {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow(max_turns = 1_000_000)]
        pub(crate) async fn chain(hops: u64) -> u64 {
            let mut x = 0;
            for _ in 0..hops {
                x = step(x).await;
            }
            x
        }

        #[function(on = AWS)]
        pub(crate) async fn step(x: u64) -> u64 {
            x + 1
        }
    }
}

/// Three different functions in a row.
pub(crate) mod three {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");
        const ALI: Cloud = Cloud::aliyun("us-east-1");

        #[workflow]
        pub(crate) async fn three(x: u64) -> u64 {
            let a = first(x).await;
            let b = second(a).await;
            third(b).await
        }

        #[function(on = AWS)]
        async fn first(x: u64) -> u64 {
            x + 1
        }

        #[function(on = ALI)]
        async fn second(x: u64) -> u64 {
            x * 2
        }

        #[function(on = AWS)]
        async fn third(x: u64) -> u64 {
            x + 3
        }
    }
}

/// A wide map.
pub(crate) mod map {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn wide(branches: u64) -> u64 {
            let squares = fan_out(0..branches, async |x| square(x).await).await;
            sum(squares).await
        }

        #[function(on = AWS)]
        async fn square(x: u64) -> u64 {
            x * x
        }

        #[function(on = AWS)]
        async fn sum(squares: Vec<u64>) -> u64 {
            squares.into_iter().sum()
        }
    }
}

/// A wide map that a function starts.
pub(crate) mod spread {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn spread(branches: u64) -> u64 {
            let count = count(branches).await;
            let squares = fan_out(0..count, async |x| square(x).await).await;
            sum(squares).await
        }

        #[function(on = AWS)]
        async fn count(branches: u64) -> u64 {
            branches
        }

        #[function(on = AWS)]
        async fn square(x: u64) -> u64 {
            x * x
        }

        #[function(on = AWS)]
        async fn sum(squares: Vec<u64>) -> u64 {
            squares.into_iter().sum()
        }
    }
}

/// A run of every part that is counted.
pub(crate) mod parts {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn parts(input: (u64, bool, u64, usize)) -> usize {
            let (hops, is_started, branches, bytes) = input;
            for _ in 0..hops {
                step(0).await;
            }
            let all = if is_started {
                let branches = step(branches).await;
                fan_out(0..branches, async |_| text(bytes).await).await
            } else {
                fan_out(0..branches, async |_| text(bytes).await).await
            };
            total(all).await
        }

        #[function(on = AWS)]
        async fn step(x: u64) -> u64 {
            x
        }

        #[function(on = AWS)]
        async fn text(bytes: usize) -> String {
            "x".repeat(bytes)
        }

        #[function(on = AWS)]
        async fn total(all: Vec<String>) -> usize {
            all.iter().map(String::len).sum()
        }
    }
}

/// Turns of a fan-in that waits for the first branch that is `Ok`.
pub(crate) mod firsts {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn firsts(input: (u64, u64)) -> Result<u64> {
            let (turns, branches) = input;
            let mut sum = 0;
            for _ in 0..turns {
                sum += first_ok(1, 0..branches, async |x| ask(x).await).await?[0];
            }
            ask(sum).await
        }

        #[function(on = AWS)]
        async fn ask(_x: u64) -> Result<u64> {
            Ok(1)
        }
    }
}

/// Branches that a function starts, and that are run together, ten at a time.
pub(crate) mod gathered {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn gathered(members: u64) -> u64 {
            let members = count(members).await;
            let squares = fan_out(0..members, async |x| square(x).await).await;
            sum(squares).await
        }

        #[function(on = AWS)]
        async fn count(members: u64) -> u64 {
            members
        }

        #[function(on = AWS, batch(size = 10, wait = "1s"))]
        async fn square(items: Vec<u64>) -> Vec<u64> {
            items.into_iter().map(|x| x * x).collect()
        }

        #[function(on = AWS)]
        async fn sum(squares: Vec<u64>) -> u64 {
            squares.into_iter().sum()
        }
    }
}
