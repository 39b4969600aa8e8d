//! Wide maps under the providers' limits, in virtual time at Tokyo latencies: results, rows, writes,
//! and when the last branch starts.

use std::{cell::RefCell, time::Duration};

use jointlambda::{
    Options, Workflow,
    backend::local::{CloudUsage, Config, Holdings, Profile, virtual_time},
    embedded::Embedded,
};
use tokio::time::Instant;

/// The largest row that a run may make.
const ROW_BYTES: u64 = 64 * 1024;
/// What one row may be written in a second.
const ROW_WRITES: u64 = 1_000;
/// The slots of a join row.
const WIDTH: u64 = 128;

thread_local! {
    /// When each branch started: virtual time runs on one thread.
    static STARTS: RefCell<Vec<Instant>> = const { RefCell::new(Vec::new()) };
}

/// What a list is, and in which order, in one number.
pub(crate) fn digest(list: impl IntoIterator<Item = u64>) -> u64 {
    list.into_iter().fold(7, |digest, x| digest.wrapping_mul(31).wrapping_add(x))
}

/// What a run did.
struct Ran<T> {
    got: Result<T, String>,
    usage: CloudUsage,
    makespan: Duration,
    last_start: Duration,
    left: Holdings,
}

/// Runs `W` in Tokyo.
fn run<W: Workflow>(input: W::Input, change: impl FnOnce(&mut Config)) -> Ran<W::Output> {
    let mut config = Embedded::<W>::config();
    config.profile = Profile::TOKYO;
    config.epoch_ms = Some(1_000_000);
    for cloud in &mut config.clouds {
        // A quota that is raised on request, and would make the last start wait for others' ends.
        cloud.concurrency = usize::MAX;
    }
    change(&mut config);
    virtual_time(1, async {
        let clouds = Embedded::<W>::new(config, Options::default()).unwrap();
        STARTS.take();
        let began = Instant::now();
        let got = clouds.run("key", input).await.map_err(|error| error.to_string());
        let makespan = began.elapsed();
        clouds.clouds().idle().await;
        let last_start = STARTS.take().into_iter().max().map_or(Duration::ZERO, |last| last - began);
        let usage = clouds.clouds().meter().total().unwrap();
        Ran { got, usage, makespan, last_start, left: clouds.clouds().holdings().unwrap() }
    })
}

/// Runs `W` and checks its result and the limits, which no row comes near enough to be throttled.
fn run_within_limits<W: Workflow>(input: W::Input, expected: W::Output) -> Ran<W::Output>
where
    W::Output: PartialEq + std::fmt::Debug,
{
    let ran = run::<W>(input, |_| ());
    assert_eq!(ran.got.as_ref(), Ok(&expected));
    let usage = &ran.usage;
    assert!(usage.largest_row_bytes <= ROW_BYTES, "a row of {} bytes", usage.largest_row_bytes);
    assert!(usage.row_writes_in_a_second <= ROW_WRITES, "{} writes", usage.row_writes_in_a_second);
    assert!(usage.row_units_in_a_second <= ROW_WRITES, "{} units", usage.row_units_in_a_second);
    assert_eq!((usage.table_throttles, usage.failures, usage.refusals), (0, 0, 0));
    assert_eq!(ran.left.objects, 0, "what was stored for the run is gone");
    ran
}

mod bare {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        /// Fan-outs of fan-outs, without a call between.
        #[workflow(max_branches = 100000)]
        pub(crate) async fn bare(outer: u64, inner: u64) -> u64 {
            let sums = fan_out(0..outer, async |x| {
                let all = fan_out(0..inner, async |y| product(x, y).await).await;
                all.iter().sum::<u64>()
            }).await;
            sums.iter().sum()
        }

        #[function(on = AWS)]
        async fn product(x: u64, y: u64) -> u64 {
            super::STARTS.with_borrow_mut(|starts| starts.push(tokio::time::Instant::now()));
            x * y
        }
    }
}

#[test]
fn fan_outs_of_fan_outs_start_in_logarithmic_time_too() {
    for (outer, inner) in [(1, 10_000), (3, 300), (6, 300), (100, 100), (500, 20), (10_000, 1)] {
        let expected = (0..outer).flat_map(|x| (0..inner).map(move |y| x * y)).sum::<u64>();
        let ran = run_within_limits::<bare::Bare>((outer, inner), expected);
        println!("{outer} fan-outs of {inner}: the last of them starts after {:?}", ran.last_start);
        assert!(ran.last_start < Duration::from_millis(400), "{outer} of {inner}: {:?}", ran.last_start);
    }
}

/// Arrivals of a fan-in of `n`: one for each branch, and for each full row below another.
fn arrivals(n: u64) -> u64 {
    let (mut arrivals, mut of) = (n, n);
    while of > WIDTH {
        of = of.div_ceil(WIDTH);
        arrivals += of;
    }
    arrivals
}

mod wide {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn wide(n: u64) -> u64 {
            let squares = fan_out(0..n, async |x| square(x).await).await;
            fold(squares).await
        }

        #[function(on = AWS)]
        async fn square(x: u64) -> u64 {
            super::STARTS.with_borrow_mut(|starts| starts.push(tokio::time::Instant::now()));
            x * x
        }

        #[function(on = AWS)]
        async fn fold(squares: Vec<u64>) -> u64 {
            super::digest(squares)
        }
    }
}

#[test]
fn a_wide_map_keeps_the_limits_and_takes_logarithmic_time() {
    let map = |n| run_within_limits::<wide::Wide>(n, digest((0..n).map(|x| x * x)));
    let one = map(1);
    for n in [127, 128, 129, 256, 257, 1_000, 16_384, 16_385, 100_000] {
        let ran = map(n);
        // The run's start, and its end.
        assert_eq!((ran.usage.table_creates, ran.usage.table_arrives), (1, arrivals(n) + 1), "{n}");
        // Twice the branches add an invocation at most, to the last start as to the whole run.
        let more = Duration::from_millis(Profile::TOKYO.invoke_ms) * n.ilog2();
        for (took, one) in [(ran.last_start, one.last_start), (ran.makespan, one.makespan)] {
            assert!(took <= one + more, "{n}: {took:?}, later than {one:?} + {more:?}");
        }
    }
}

#[test]
fn a_hot_row_is_throttled_and_loses_nothing() {
    // A join row that takes 100 write units a second needs three seconds to fill up.
    let n = WIDTH;
    let ran = run::<wide::Wide>(n, |config| config.clouds[0].row_writes_per_s = Some(100));
    assert_eq!(ran.got, Ok(digest((0..n).map(|x| x * x))));
    assert!(ran.usage.table_throttles > 0, "nothing was throttled");
    assert_eq!(ran.usage.failures, 0, "an arrival waits until the row has cooled down");
    // The last write before the row is hot may bring it over the bound.
    assert!(ran.usage.row_units_in_a_second <= 100 + 4, "{} units", ran.usage.row_units_in_a_second);
    assert!(ran.makespan > Duration::from_secs(2), "{:?}", ran.makespan);
}

mod outputs {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// Branches that return so many bytes, each its own or all the same.
        #[workflow]
        pub(crate) async fn outputs(input: (u64, u64, bool)) -> (u64, u64) {
            let (n, bytes, same) = input;
            let texts = fan_out(0..n, async |x| text(if same { 7 } else { x }, bytes).await).await;
            let there = fan_out(0..n, async |x| far(if same { 7 } else { x }, bytes).await).await;
            (fold(texts).await, fold(there).await)
        }

        #[function(on = AWS)]
        async fn text(x: u64, bytes: u64) -> String { format!("{x:>0$}", bytes as usize) }

        #[function(on = ALI)]
        async fn far(x: u64, bytes: u64) -> String { format!("{x:>0$}", bytes as usize) }

        #[function(on = AWS)]
        async fn fold(texts: Vec<String>) -> u64 {
            let lengths = texts.iter().map(|text| text.len() as u64).sum::<u64>();
            super::digest(texts.iter().map(|text| text.trim().parse().unwrap())) ^ lengths
        }
    }
}

#[test]
fn outputs_of_any_size_keep_the_limits() {
    // Where they are kept: in the slots, in a row each, as objects.
    for (n, bytes, rows, objects) in
        [(2_000, 40, 0, 0), (2_000, 1_000, 2_000, 0), (2_000, 8_000, 2_000, 0), (300, 30_000, 0, 300)]
    {
        for same in [false, true] {
            let expected = digest((0..n).map(|x| if same { 7 } else { x })) ^ (n * bytes);
            let ran = run_within_limits::<outputs::Outputs>((n, bytes, same), (expected, expected));
            // Beside the outputs: the run's start, the second map's, a `fold`; and the run's end.
            assert_eq!(ran.usage.table_creates, 3 + 2 * rows, "{bytes} {same}");
            assert_eq!(ran.usage.table_arrives, 1 + 2 * arrivals(n), "{bytes} {same}");
            // And the continuations, arguments and variables of so wide a map.
            let puts = ran.usage.object_puts - 2 * objects;
            assert!((4..=6).contains(&puts), "{bytes} {same}: {puts} objects");
        }
    }
}

mod nested {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn nested(n: u64) -> u64 {
            let shared = vec![1_u64; 1_000];
            let rows = fan_out(0..n, async |x| {
                let row = fan_out(0..n, async |y| cell(x, y).await).await;
                fold(row).await + shared[x as usize] - 1
            })
            .await;
            fold(rows).await
        }

        #[function(on = AWS)]
        async fn cell(x: u64, y: u64) -> u64 { x * y }

        #[function(on = AWS)]
        async fn fold(list: Vec<u64>) -> u64 { super::digest(list) }
    }
}

#[test]
fn a_wide_map_of_wide_maps_keeps_the_limits() {
    let n = 300;
    let rows = (0..n).map(|x| digest((0..n).map(|y| x * y)));
    let ran = run_within_limits::<nested::Nested>(n, digest(rows));
    // The inner `fold` is the last of its branch, so its arrival is its commit.
    assert_eq!((ran.usage.table_creates, ran.usage.table_arrives), (1, (n + 1) * arrivals(n) + 1));
}

mod failing {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn failing(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| fails(x).await).await;
            fold(all).await
        }

        #[function(on = AWS)]
        async fn fails(x: u64) -> u64 { std::panic::resume_unwind(Box::new(format!("{x:>5000}"))) }

        #[function(on = AWS)]
        async fn fold(list: Vec<u64>) -> u64 { super::digest(list) }
    }
}

#[test]
fn failures_of_any_length_keep_rows_small() {
    // As many as are started at once: all of them have failed before one of them ends the run.
    let n = 64;
    let ran = run::<failing::Failing>(n, |_| ());
    let error = ran.got.unwrap_err();
    assert!(error.contains("fails") && error.contains('…'), "{error}");
    assert!(ran.usage.largest_row_bytes <= ROW_BYTES, "a row of {} bytes", ran.usage.largest_row_bytes);
    // So large a row is throttled, and still every branch's failure gets to it.
    assert_eq!((ran.usage.abandoned, ran.usage.lost), (n, 0));
}
