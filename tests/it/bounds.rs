//! Bounds mean what they say: a loop may turn `max_turns` times, a fan-out has `max_branches`
//! branches, a place is reached `max_calls` times, and no more.

use jointlambda::{
    Fault, RunError, Workflow,
    backend::local::virtual_time,
    embedded::{Embedded, EmbeddedError},
};

/// Every kind of loop and of fan-out, `n` turns or branches of each.
mod bounded {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow(max_turns = 3, max_branches = 3)]
        pub(crate) async fn bounded(how: String, n: u64) -> u64 {
            let mut x = 0;
            match how.as_str() {
                "while" => while x < n { x = step(x).await; },
                "while a call" => while step(x).await <= n { x = step(x).await; },
                "loop" => loop {
                    x = step(x).await;
                    if x >= n { break; }
                },
                "for a range" => for _ in 0..n { x = step(x).await; },
                "for a list" => for y in (0..n).collect::<Vec<_>>() { x = step(y).await; },
                "without a call" => {
                    let mut left = n;
                    while left > 0 {
                        left -= 1;
                        if left > 100 { x = step(x).await; }
                    }
                    x = step(x).await;
                }
                "in a loop" => {
                    for _ in 0..3 {
                        for _ in 0..n { x = step(x).await; }
                    }
                }
                "in a branch" => {
                    let all = fan_out(0..2, async |b| {
                        let mut y = b;
                        for _ in 0..n { y = step(y).await; }
                        y
                    }).await;
                    x = all.len() as u64;
                }
                "map" => x = fan_out(0..n, async |y| step(y).await).await.len() as u64,
                _ => {}
            }
            x
        }

        #[function]
        async fn step(x: u64) -> u64 { x + 1 }
    }
}

/// How a run ends.
fn run<W: Workflow<Input = (String, u64), Output = u64>>(how: &str, n: u64) -> Result<u64, String> {
    let mut ended = Ok(0);
    virtual_time(0, async {
        let clouds = Embedded::<W>::in_memory();
        ended = match clouds.run("key", (how.to_owned(), n)).await {
            Ok(value) => Ok(value),
            Err(EmbeddedError::Run(RunError::Failed(failure))) => Err(failure.cause),
            Err(EmbeddedError::Start(jointlambda::StartError::Fault(Fault::Bound(text)))) => Err(text),
            Err(other) => panic!("{how} {n}: {other}"),
        };
    });
    ended
}

#[test]
fn a_bound_of_three_allows_three_and_refuses_the_fourth() {
    for (how, bound) in [
        ("while", "3 turns"),
        ("while a call", "3 turns"),
        ("loop", "3 turns"),
        ("for a range", "3 turns"),
        ("for a list", "3 turns"),
        ("without a call", "3 turns"),
        ("in a loop", "3 turns"),
        ("in a branch", "3 turns"),
        ("map", "3 branches"),
    ] {
        assert!(run::<bounded::Bounded>(how, 3).is_ok(), "{how}: {:?}", run::<bounded::Bounded>(how, 3));
        let refused = run::<bounded::Bounded>(how, 4).expect_err(how);
        assert!(refused.contains(&format!("passed its bound of {bound}")), "{how}: {refused}");
    }
}

/// A fan-out in a loop, before a loop in a fan-out.
mod called {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow(max_calls = 6)]
        pub(crate) async fn called(how: String, n: u64) -> u64 {
            let mut x = 0;
            match how.as_str() {
                "at the start" => return fan_out(0..n, async |y| step(y).await).await.len() as u64,
                "after a call" => {
                    x = step(0).await;
                    for y in fan_out(0..n, async |y| step(y).await).await { x += y; }
                }
                "after a fan-in" => {
                    let two = fan_out(0..2, async |y| step(y).await).await;
                    x = two.len() as u64;
                    for y in fan_out(0..n, async |y| step(y).await).await { x += y; }
                }
                "in turns of branches" => {
                    let all = fan_out(0..2, async |b| {
                        let mut y = b;
                        for _ in 0..n.div_ceil(2) { y = step(y).await; }
                        y
                    }).await;
                    x = all.len() as u64;
                }
                _ => {}
            }
            x
        }

        #[function]
        async fn step(x: u64) -> u64 { x + 1 }
    }
}

#[test]
fn a_place_is_reached_max_calls_times_and_no_more() {
    for how in ["at the start", "after a call", "after a fan-in", "in turns of branches"] {
        let run = run::<called::Called>;
        assert!(run(how, 6).is_ok(), "{how}: {:?}", run(how, 6));
        let refused = run(how, 7).expect_err(how);
        assert!(refused.contains("times at one place, over its bound of 6"), "{how}: {refused}");
    }
}
