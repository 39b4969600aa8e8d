//! Batch functions: calls of many runs at the same time, gathered by size and by time.

mod faults;
mod members;

use std::{cell::RefCell, collections::HashMap, sync::Arc, time::Duration};

use jointlambda::{
    Options, RunError, Workflow,
    backend::local::{Config, Profile, virtual_time},
    embedded::Embedded,
    id::{Digest, Incarnation, RowKey, RunId},
};

thread_local! {
    /// The batches that functions were run on, in order. (A test in virtual time has its thread.)
    static BATCHES: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

fn ran_on(items: &[u64]) {
    BATCHES.with_borrow_mut(|batches| batches.push(items.to_vec()));
}

fn sizes() -> Vec<usize> {
    BATCHES.take().iter().map(Vec::len).collect()
}

/// A batch that ends its runs.
mod last {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn last(x: u64) -> Result<u64> {
            halve(x).await
        }

        #[function(on = AWS, batch(size = 4, wait = "2s"))]
        async fn halve(items: Vec<u64>) -> Vec<Result<u64>> {
            super::ran_on(&items);
            items.into_iter().map(|x| if x % 2 == 0 { Ok(x / 2) } else { Err(Error::new("odd")) }).collect()
        }
    }
}

/// Runs `W` on each input at the same time, in virtual time; the results, and after how many
/// milliseconds each run had ended.
fn side_by_side<W: Workflow>(
    config: Config,
    inputs: Vec<W::Input>,
) -> Vec<(Result<W::Output, RunError>, u128)> {
    let config = Config { epoch_ms: Some(1_800_000_000_000), ..config };
    virtual_time(0, async {
        let clouds = Embedded::<W>::new(config, Options::default()).unwrap();
        let clock = tokio::time::Instant::now();
        let mut runs = Vec::new();
        for (number, input) in inputs.into_iter().enumerate() {
            runs.push(clouds.client().start(&format!("key {number}"), input).await.unwrap());
        }
        let mut results = Vec::new();
        let all = async {
            for run in &runs {
                results.push((clouds.client().result(run).await, clock.elapsed().as_millis()));
            }
        };
        tokio::select! {
            () = all => {}
            never = clouds.sweep_every(Duration::from_secs(30)) => match never {},
        }
        clouds.clouds().idle().await;
        results
    })
}

#[test]
fn calls_at_the_same_time_fill_batches_and_each_run_gets_its_own() {
    for runs in 1..=13 {
        let inputs: Vec<u64> = (0..runs).map(|x| 2 * x).collect();
        let results = side_by_side::<last::Last>(Embedded::<last::Last>::config(), inputs);
        for (x, (result, after_ms)) in (0..).zip(results) {
            assert_eq!(result.unwrap().ok(), Some(x), "{runs} runs");
            // Those that fill a batch do not wait; the others wait for as long as is said.
            assert_eq!(after_ms, if x / 4 < runs / 4 { 0 } else { 2000 }, "{runs} runs, {x}");
        }
        let mut expected = vec![4; runs as usize / 4];
        expected.extend((runs % 4 > 0).then_some(runs as usize % 4));
        assert_eq!(sizes(), expected, "{runs} runs");
    }
}

#[test]
fn a_member_costs_one_write_beside_its_own_row() {
    // Two batches for four members each: of five runs the last waits by itself.
    let usage = |runs: u64| {
        virtual_time(0, async {
            let config = Config { epoch_ms: Some(1_800_000_000_000), ..Embedded::<last::Last>::config() };
            let clouds = Embedded::<last::Last>::new(config, Options::default()).unwrap();
            for x in 0..runs {
                clouds.client().start(&format!("key {x}"), x).await.unwrap();
            }
            clouds.clouds().idle().await;
            clouds.clouds().meter().total().unwrap()
        })
    };
    let (four, eight) = (usage(4), usage(8));
    // The run rows, and one seal for each batch; a call and an end for each run.
    assert_eq!(four.table_creates, 4 + 1);
    assert_eq!(four.table_arrives, 2 * 4);
    // What each run has decided, and the row: for the one who fills it, and the one who waited.
    assert_eq!(four.table_gets, 4 + 2);
    // The second batch costs as much: none of its members tries the first one.
    assert_eq!(eight.table_creates, 8 + 2);
    assert_eq!(eight.table_arrives, 2 * 8);
    assert_eq!(eight.invocations, 2 * four.invocations);
}

shape! {
    batch_in_a_fan_out: Gathering(vec![], vec![1], vec![1, 2, 3, 4, 5]) {
        #[workflow]
        async fn gathering(list: Vec<u64>) -> (Vec<u64>, u64) {
            let all = fan_out(list, async |x| square(double(x).await).await).await;
            let sum = all.iter().sum();
            (all, square(sum).await)
        }

        #[function(on = ALI, failover = [AWS], batch(size = 2, wait = "50ms"))]
        async fn square(items: Vec<u64>) -> Vec<u64> {
            assert!(items.len() <= 2);
            items.iter().map(|x| x * x).collect()
        }
    }
}

shape! {
    batch_in_loops_and_joins: Circling(0, 1, 3) {
        #[workflow]
        async fn circling(n: u64) -> Result<Vec<u64>> {
            let mut all = vec![n];
            for i in 0..n {
                let (a, b) = try_join!(third(3 * i), async { Ok(third(6 * i).await? + double(i).await) })?;
                all.push(if third(a + b).await.is_ok() { a } else { b });
            }
            third(all.len() as u64 - 1).await?;
            Ok(all)
        }

        #[function(on = AWS, batch(size = 3, wait = "10ms"))]
        async fn third(items: Vec<u64>) -> Vec<Result<u64>> {
            assert!(items.len() <= 3);
            items.iter().map(|x| if x % 3 == 0 { Ok(x / 3) } else { Err(Error::new(format!("{x}"))) }).collect()
        }
    }
}

/// A function that takes longer than its batches wait.
mod slow {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn slow(x: u64) -> u64 {
            same(x).await
        }

        #[function(on = AWS, batch(size = 2, wait = "1s"))]
        async fn same(items: Vec<u64>) -> Vec<u64> {
            super::ran_on(&items);
            tokio::time::sleep(std::time::Duration::from_secs(20)).await;
            items
        }
    }
}

#[test]
fn a_batch_that_is_still_running_when_it_has_waited_runs_once() {
    let results = side_by_side::<slow::Slow>(Embedded::<slow::Slow>::config(), vec![1, 2, 3]);
    let ended: Vec<_> = results.into_iter().map(|(result, after_ms)| (result.unwrap(), after_ms)).collect();
    assert_eq!(ended, [(1, 20_000), (2, 20_000), (3, 21_000)]);
    assert_eq!(sizes(), [2, 1]);
}

/// More branches than are started one by one, and more members than a row has.
mod wide {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn wide(branches: u64) -> u64 {
            let all = fan_out(0..branches, async |x| same(x).await).await;
            assert!(all.iter().copied().eq(0..branches));
            all.len() as u64
        }

        #[function(on = AWS, batch(size = 128, wait = "5s"))]
        async fn same(items: Vec<u64>) -> Vec<u64> {
            super::ran_on(&items);
            items
        }
    }
}

#[test]
fn branches_of_a_wide_fan_out_share_batches() {
    let results = side_by_side::<wide::Wide>(Embedded::<wide::Wide>::config(), vec![700]);
    assert_eq!(results[0].0.as_ref().unwrap(), &700);
    assert_eq!(sizes(), [128, 128, 128, 128, 128, 60]);
}

#[test]
fn hundreds_of_runs_at_once_leave_no_batch_half_full() {
    let results = side_by_side::<last::Last>(Embedded::<last::Last>::config(), (0..402).collect());
    assert_eq!(results.len(), 402);
    let mut expected = vec![4; 100];
    expected.push(2);
    assert_eq!(sizes(), expected);
}

/// A batch with room for all.
mod roomy {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn roomy(x: u64, text: String) -> (u64, usize) {
            length((x, text)).await
        }

        #[function(on = AWS, batch(size = 128, wait = "1s"))]
        async fn length(items: Vec<(u64, String)>) -> Vec<(u64, usize)> {
            super::ran_on(&items.iter().map(|(x, _)| *x).collect::<Vec<_>>());
            items.into_iter().map(|(x, text)| (x, text.len())).collect()
        }
    }
}

#[test]
fn who_comes_while_a_batch_is_sealed_is_in_it_or_in_the_next() {
    virtual_time(0, async {
        let mut config = Config { epoch_ms: Some(1_800_000_000_000), ..Embedded::<roomy::Roomy>::config() };
        config.profile = Profile::TOKYO;
        let clouds = Arc::new(Embedded::<roomy::Roomy>::new(config, Options::default()).unwrap());
        // All begin within one time. A large argument is stored first, so that the last of them
        // gather when the first, which has none, has waited for long enough.
        let runs = (0..100).map(|x| {
            let clouds = clouds.clone();
            tokio::spawn(async move {
                let (after_ms, len) = if x == 0 { (0, 0) } else { (800 + 2 * x, 9_000) };
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
                let run = clouds.client().start(&format!("key {x}"), (x, "x".repeat(len))).await.unwrap();
                // Nobody sweeps.
                assert_eq!(clouds.client().result(&run).await.unwrap(), (x, len));
            })
        });
        for run in runs.collect::<Vec<_>>() {
            run.await.unwrap();
        }
        let batches = BATCHES.take();
        assert!(batches.len() >= 2 && batches[0].len() > 1, "some are late: {batches:?}");
        let mut all = batches.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..100), "each is in one batch: {batches:?}");
    });
}

#[test]
fn members_whose_names_have_one_digest_are_in_batches_of_their_own() {
    const EPOCH_MS: u64 = 1_800_000_000_000;
    // Slots are named by 32 bits: of so many names two have the same.
    let digest = |key: &str| {
        let run = RunId::derive("last", key);
        Digest::of(RowKey::instance(&Incarnation::of(&run, EPOCH_MS), 0, &[]).as_str().as_bytes()).to_string()
            [..8]
            .to_owned()
    };
    let mut seen = HashMap::new();
    let pair = (0..400_000).find_map(|x| {
        let key = format!("key {x}");
        let digest = digest(&key);
        seen.insert(digest, key.clone()).map(|other| [other, key])
    });
    let pair = pair.expect("a birthday");
    virtual_time(0, async {
        let config = Config { epoch_ms: Some(EPOCH_MS), ..Embedded::<last::Last>::config() };
        let clouds = Embedded::<last::Last>::new(config, Options::default()).unwrap();
        for (key, x) in pair.iter().zip([2, 4]) {
            clouds.client().start(key, x).await.unwrap();
        }
        clouds.clouds().idle().await;
        for (key, x) in pair.iter().zip([2, 4]) {
            let run = clouds.client().run_id(key);
            assert_eq!(clouds.client().result(&run).await.unwrap().ok(), Some(x / 2));
        }
        assert_eq!(sizes(), [1, 1]);
    });
}

/// Arguments and variables too large for a slot, a row, an envelope.
mod large {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");
        const ALI: Cloud = Cloud::aliyun("us-east-1");

        #[workflow]
        pub(crate) async fn large(text: String) -> (usize, String) {
            let copy = text.clone();
            (length(text).await, copy)
        }

        #[function(on = ALI, failover = [AWS], batch(size = 4, wait = "1s"))]
        async fn length(texts: Vec<String>) -> Vec<usize> {
            texts.iter().map(String::len).collect()
        }
    }
}

#[test]
fn what_is_too_large_for_a_batch_row_is_stored_and_goes_with_its_run() {
    let inputs: Vec<_> = [3, 2_000, 20_000, 45_000, 300_000, 700_000].map(|len| "x".repeat(len)).into();
    let results = side_by_side::<large::Large>(Embedded::<large::Large>::config(), inputs.clone());
    for (text, (result, _)) in inputs.into_iter().zip(results) {
        assert_eq!(result.unwrap(), (text.len(), text));
    }
}
