//! A failed run that is redriven, with a fault at every operation from then on, while what is left
//! of it still runs: what was committed counts, nothing is decided twice, and the key leads to the
//! result.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jointlambda::{
    Client, InstanceState, MAX_REDRIVES, Options, RedriveError, RunError, Runtime, Status, Workflow,
    backend::{
        fault::{Faults, Operation, Schedule},
        local::{DEFAULT_OBJECT_LIFETIME, LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
    id::RunId,
};

use crate::{
    faulty::{MakeParts, count_schedule, deploy_of, drawn_survivable, singles, sound, sweep_for_ever},
    many_faults::at_random,
};

/// How often a redrive that crashed is begun again: once more than there are faults in a schedule.
const TRIES: usize = 6;

/// How many moments after its failure a run is redriven at, at most.
const MOMENTS: u32 = 1_000;

thread_local! {
    /// Whether functions fail that may: virtual time runs on one thread.
    static BROKEN: Cell<bool> = const { Cell::new(false) };
    /// What functions were called, in order, with the argument and something that no two calls share.
    static CALLS: RefCell<Vec<(&'static str, u64, u64)>> = const { RefCell::new(Vec::new()) };
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

mod chain {
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

mod branches {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// A branch fails while others are still at it; and then the last one of each turn.
        #[workflow]
        pub(crate) async fn branches(n: u64) -> u64 {
            let mut sum = 0;
            for turn in 0..2 {
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

mod glue {
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

mod together {
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

mod both {
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
    static SEEN: RefCell<BTreeMap<u64, BTreeSet<u64>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A consumer saw `nonce` where `x` was made.
fn saw(x: u64, nonce: u64) {
    SEEN.with_borrow_mut(|seen| seen.entry(x).or_default().insert(nonce));
}

/// What came of a redriven run.
struct Trial {
    operations: Vec<Operation>,
    /// How many operations there had been when it was redriven.
    from: u64,
    calls: Vec<(&'static str, u64, u64)>,
    /// How many there had been when it was redriven.
    calls_before: usize,
}

/// Lets a run fail, mends what is broken, and redrives it `times` at once, `after` it failed.
fn redrive<W: Workflow>(
    parts: MakeParts<'_>,
    input: &W::Input,
    expected: &W::Output,
    after: Duration,
    times: usize,
    schedule: &Schedule,
) -> Result<Trial, String>
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    CALLS.take();
    SEEN.take();
    BROKEN.set(true);
    let parts = parts();
    let trial = virtual_time(0, async {
        let faults = Faults::new(schedule);
        let mut config = Embedded::<W>::config();
        config.profile = Profile::TOKYO;
        let clouds = LocalClouds::new(config).map_err(|e| format!("{e:?}"))?;
        let options = Options::default();
        deploy_of::<W>(&*parts, &clouds, &faults, &options);
        let client = Client::<W>::new(faults.wrap(clouds.backends_for_client()), options.clone());
        let backends = parts.stopper(faults.wrap(clouds.backends_for_client()));
        let redriver = Client::<W>::new(backends, options.clone());
        let observer = Client::<W>::new(clouds.backends_for_client(), options.clone());
        let backends = parts.sweeper(faults.wrap(clouds.backends_from(0)));
        let sweeper = Runtime::new::<W>(backends, options.clone());
        let run = client.start("key", input.clone()).await.map_err(|e| format!("{e:?}"))?;
        match observer.result(&run).await {
            Err(RunError::Failed(_)) => {}
            other => return Err(format!("it did not fail: {other:?}")),
        }
        tokio::time::sleep(after).await;
        BROKEN.set(false);
        let (from, calls_before) = (faults.operations() as u64, CALLS.with_borrow(Vec::len));
        let redriven = (0..times).map(|_| until_redriven(&faults, &redriver, &run));
        for redriven in futures_util::future::join_all(redriven).await {
            match redriven {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(format!("it could not be redriven: {error:?}")),
                None => return Err("it could not be redriven".to_owned()),
            }
        }
        let result = tokio::select! {
            result = observer.result(&run) => result,
            () = sweep_for_ever(&faults, &sweeper) => unreachable!(),
            () = tokio::time::sleep(Duration::from_secs(24 * 3600)) => return Err("the run did not end".to_owned()),
        };
        match result {
            Ok(output) if output == *expected => {}
            other => return Err(format!("the outcome is {other:?}")),
        }
        // To start it again is to find its result.
        let again = observer.start("key", input.clone()).await.map_err(|e| format!("{e:?}"))?;
        if again != run || observer.result(&again).await.ok().as_ref() != Some(expected) {
            return Err("its key does not lead to the result".to_owned());
        }
        tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
        clouds.idle().await;
        if let Some(violation) = faults.violations().first() {
            return Err(violation.clone());
        }
        if let Some((x, nonces)) = SEEN.take().into_iter().find(|(_, nonces)| nonces.len() > 1) {
            return Err(format!("consumers saw {x} made of {nonces:?}"));
        }
        let objects = clouds.holdings().map_err(|e| format!("{e:?}"))?.objects;
        if objects > 1 {
            return Err(format!("{objects} objects outlived the run, not its result alone"));
        }
        let report = observer.report(&run).await.map_err(|e| format!("{e:?}"))?;
        let all_committed =
            report.instances.iter().all(|one| matches!(one.state, InstanceState::Committed { .. }));
        if !all_committed || report.redrives != 1 {
            return Err(format!("it is reported as {report:?}"));
        }
        tokio::time::sleep(options.retention + DEFAULT_OBJECT_LIFETIME).await;
        clouds.sweep_expired().await.map_err(|e| format!("{e:?}"))?;
        let holdings = clouds.holdings().map_err(|e| format!("{e:?}"))?;
        if holdings.rows > 0 || holdings.objects > 0 {
            return Err(format!("{} rows and {} objects are left", holdings.rows, holdings.objects));
        }
        if parts.counts() {
            count_schedule(&faults);
        }
        Ok(Trial { operations: faults.log(), from, calls: CALLS.take(), calls_before })
    });
    BROKEN.set(false);
    trial
}

/// Redrives a run, again when whoever does it crashes or a store fails it.
async fn until_redriven<W: Workflow>(
    faults: &std::sync::Arc<Faults>,
    client: &Client<W>,
    run: &RunId,
) -> Option<Result<(), RedriveError>> {
    let mut last = None;
    for _ in 0..TRIES {
        let crashes = faults.happened();
        let report = faults.client(client.report(run)).await;
        assert!(!matches!(report, Some(Err(RunError::NoSuchRun(_)))), "it is there at any moment");
        last = faults.client(client.redrive(run)).await.map(|redriven| redriven.map(|_| ()));
        match &last {
            // Another was faster, and the run has ended since.
            Some(Ok(()) | Err(RedriveError::NotFailed(Status::Returned))) => return Some(Ok(())),
            Some(Err(_)) if faults.happened() == crashes => return last,
            _ => {}
        }
    }
    last
}

/// Redrives a run of `W` `after` it failed, without faults and with each.
fn goes_on_whatever_happens<W: Workflow>(input: W::Input, after: Duration, times: usize) -> Trial
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    let calm = redrive::<W>(&sound, &input, &expected, after, times, &Schedule::default());
    let calm = calm.unwrap_or_else(|why| panic!("{times} redrives after {after:?}: {why}"));
    for schedule in singles(&calm.operations, calm.from) {
        if let Err(why) = redrive::<W>(&sound, &input, &expected, after, times, &schedule) {
            panic!("{times} redrives after {after:?}, {schedule}: {why}");
        }
    }
    calm
}

/// Redrives a run of `W` at every `stride`-th moment after it failed for as long as something of it
/// still runs, a moment being `step`; without faults and with each.
fn goes_on_at_any_moment<W: Workflow>(input: W::Input, step: Duration, stride: u32)
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    let mut last = None;
    for moment in (0..MOMENTS).step_by(stride as usize) {
        let after = step * moment;
        let calm = redrive::<W>(&sound, &input, &expected, after, 1, &Schedule::default());
        let calm = calm.unwrap_or_else(|why| panic!("redriven after {after:?}: {why}"));
        // Moments between the same two operations are one.
        if last.replace(calm.from) == Some(calm.from) {
            continue;
        }
        for schedule in singles(&calm.operations, calm.from) {
            if let Err(why) = redrive::<W>(&sound, &input, &expected, after, 1, &schedule) {
                panic!("redriven after {after:?}, {schedule}: {why}");
            }
        }
    }
}

/// Redrives a run of `W` `count` times, at a moment at random up to `longest` after it failed, each
/// time with two to five faults from then on, drawn from `seed`.
fn goes_on_among_many_faults<W: Workflow>(input: W::Input, longest: Duration, count: usize, seed: u64)
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..count {
        let after = Duration::from_millis(random.u64(0..=longest.as_millis() as u64));
        let calm = redrive::<W>(&sound, &input, &expected, after, 1, &Schedule::default());
        let calm = calm.unwrap_or_else(|why| panic!("seed {seed}, redriven after {after:?}: {why}"));
        let schedule = drawn_survivable(&mut random, &calm.operations, calm.from);
        if let Err(why) = redrive::<W>(&sound, &input, &expected, after, 1, &schedule) {
            panic!("seed {seed}, redriven after {after:?}, {schedule}: {why}");
        }
    }
}

/// What goes wrong where runs of `W` are redriven on a deployment of `parts`, at any of `moments`
/// after they failed, without faults or with one, that does not go wrong with the protocol as it is.
pub(crate) fn first_failure<W: Workflow>(
    parts: MakeParts<'_>,
    input: W::Input,
    moments: impl IntoIterator<Item = Duration>,
) -> Option<String>
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    let attempt =
        |parts, after, schedule: &Schedule| redrive::<W>(parts, &input, &expected, after, 1, schedule);
    let mut calm = Vec::new();
    for after in moments {
        match attempt(parts, after, &Schedule::default()) {
            Ok(trial) => calm.push((after, trial)),
            Err(why) if attempt(&sound, after, &Schedule::default()).is_ok() => {
                return Some(format!("redriven after {after:?}: {why}"));
            }
            Err(_) => {}
        }
    }
    let schedules = calm.iter().flat_map(|(after, trial)| {
        singles(&trial.operations, trial.from).into_iter().map(|schedule| (*after, schedule))
    });
    let mut failures = schedules.filter_map(|(after, schedule)| {
        let why = attempt(parts, after, &schedule).err()?;
        attempt(&sound, after, &schedule).ok()?;
        Some(format!("redriven after {after:?}, {schedule}: {why}"))
    });
    failures.next()
}

/// How often a function was called in a trial, and how often of that after the redrive.
fn calls_of(trial: &Trial, function: &str) -> (usize, usize) {
    let count = |calls: &[(&str, u64, u64)]| calls.iter().filter(|call| call.0 == function).count();
    (count(&trial.calls), count(&trial.calls[trial.calls_before..]))
}

#[test]
fn a_chain_goes_on_from_the_call_that_failed() {
    let trial = goes_on_whatever_happens::<chain::Chain>(3, Duration::ZERO, 1);
    assert_eq!(calls_of(&trial, "before"), (1, 0), "what was committed is not called again");
    assert_eq!(calls_of(&trial, "flaky"), (4, 1), "three deliveries, and one when redriven");
    assert_eq!(calls_of(&trial, "after"), (1, 1));
}

#[test]
fn branches_that_still_run_are_stopped_or_count() {
    for after_ms in [0, 50, 110, 390, 480, 3000] {
        goes_on_whatever_happens::<branches::Branches>(3, Duration::from_millis(after_ms), 1);
    }
}

#[test]
fn what_still_runs_in_a_branch_that_failed_is_stopped_or_counts() {
    goes_on_at_any_moment::<inner::Inner>(2, Duration::from_millis(1), 1);
}

#[test]
fn a_platform_that_gives_up_during_a_redrive_changes_nothing() {
    goes_on_at_any_moment::<both::Both>(3, Duration::from_millis(1), 1);
}

#[test]
fn batches_and_branches_that_are_raced_go_on_from_what_was_decided() {
    for after_ms in [0, 100] {
        goes_on_whatever_happens::<together::Together>(3, Duration::from_millis(after_ms), 1);
    }
}

#[test]
fn runs_go_on_among_many_faults_at_random() {
    let (count, second) = (at_random() / 56, Duration::from_secs(1));
    goes_on_among_many_faults::<chain::Chain>(3, Duration::ZERO, count, 11);
    goes_on_among_many_faults::<branches::Branches>(3, second, count, 12);
    goes_on_among_many_faults::<together::Together>(3, second, count, 13);
    goes_on_among_many_faults::<inner::Inner>(2, second, count, 14);
}

#[test]
fn code_that_failed_is_run_again_on_what_was_committed() {
    let trial = goes_on_whatever_happens::<glue::Glue>(3, Duration::ZERO, 1);
    assert_eq!(calls_of(&trial, "step").1, 4, "the branches before it are not called again");
}

#[test]
fn to_redrive_at_once_is_to_redrive_once() {
    goes_on_whatever_happens::<chain::Chain>(3, Duration::ZERO, 2);
    goes_on_whatever_happens::<branches::Branches>(2, Duration::from_millis(100), 2);
}

/// `chain` on clouds of its own; `steps` acts on them.
fn with_chain(steps: impl AsyncFnOnce(&Embedded<chain::Chain>, &RunId)) {
    CALLS.take();
    virtual_time(0, async {
        let clouds = Embedded::<chain::Chain>::in_memory();
        let run = clouds.client().run_id("key");
        steps(&clouds, &run).await;
        clouds.clouds().idle().await;
    });
    BROKEN.set(false);
}

#[test]
fn only_a_failed_run_is_redriven() {
    with_chain(async |clouds, run| {
        let client = clouds.client();
        assert!(matches!(client.redrive(run).await, Err(RedriveError::NoSuchRun(_))));
        client.start("key", 3).await.unwrap();
        let refused = client.redrive(run).await.unwrap_err();
        assert!(matches!(refused, RedriveError::NotFailed(Status::Running)), "{refused:?}");
        assert_eq!(
            refused.to_string(),
            "the run has not failed, it is running: only a failed run can be redriven"
        );
        client.result(run).await.unwrap();
        assert!(matches!(client.redrive(run).await, Err(RedriveError::NotFailed(Status::Returned))));
        let other = client.start("other", 3).await.unwrap();
        assert_eq!(client.cancel(&other).await.unwrap(), Status::Cancelled);
        assert!(matches!(client.redrive(&other).await, Err(RedriveError::NotFailed(Status::Cancelled))));
    });
}

#[test]
fn a_run_that_fails_again_is_redriven_again_up_to_a_bound() {
    with_chain(async |clouds, run| {
        let client = clouds.client();
        BROKEN.set(true);
        client.start("key", 3).await.unwrap();
        for redrives in 0..MAX_REDRIVES {
            let failed = client.result(run).await;
            assert!(matches!(failed, Err(RunError::Failed(_))), "{failed:?}");
            assert_eq!(client.report(run).await.unwrap().redrives, redrives);
            client.redrive(run).await.unwrap();
        }
        assert!(client.result(run).await.is_err());
        let refused = client.redrive(run).await;
        assert!(matches!(refused, Err(RedriveError::TooOften)), "{refused:?}");
        let before = CALLS.with_borrow(|calls| calls.iter().filter(|call| call.0 == "before").count());
        assert_eq!(before, 1, "what was committed is never called again");
    });
}

#[test]
fn the_run_that_goes_on_can_be_named_and_cancelled() {
    with_chain(async |clouds, run| {
        let client = clouds.client();
        BROKEN.set(true);
        client.start("key", 3).await.unwrap();
        assert!(client.result(run).await.is_err());
        BROKEN.set(false);
        let again = client.redrive(run).await.unwrap();
        assert_ne!(again, *run);
        assert_eq!(client.status(run).await.unwrap(), Status::Running);
        assert_eq!(client.cancel(run).await.unwrap(), Status::Cancelled);
        assert!(matches!(client.result(&again).await, Err(RunError::Cancelled)));
    });
}

#[test]
fn a_run_that_was_not_ended_in_time_is_redriven_with_a_deadline_of_its_own() {
    CALLS.take();
    virtual_time(0, async {
        let options = Options::default();
        let clouds =
            Embedded::<chain::Chain>::new(Embedded::<chain::Chain>::config(), options.clone()).unwrap();
        clouds.clouds().set_available(0, false);
        let run = clouds.client().start("key", 3).await.unwrap();
        let failed = tokio::select! {
            failed = clouds.client().result(&run) => failed,
            never = clouds.sweep_every(Duration::from_secs(600)) => match never {},
        };
        let Err(RunError::Failed(failure)) = failed else { panic!("{failed:?}") };
        assert_eq!((&*failure.at, failure.attempts), ("the run", 1), "{failure}");
        assert_eq!(failure.cause, format!("not ended {} s after its start", options.deadline.as_secs()));
        clouds.clouds().set_available(0, true);
        clouds.client().redrive(&run).await.unwrap();
        assert_eq!(clouds.client().result(&run).await.unwrap(), chain::Chain::plain(3).await);
        let report = clouds.client().report(&run).await.unwrap();
        let left = report.deadline - report.started_at;
        assert!(report.deadline > report.started_at && left < options.deadline.as_millis() as u64, "{left}");
        let before = CALLS.with_borrow(|calls| calls.iter().filter(|call| call.0 == "before").count());
        assert_eq!(before, 2, "once, and once for the plain run");
    });
}

mod slow {
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

#[test]
fn a_redriven_run_does_not_outlive_what_leads_to_it() {
    let options = Options::default();
    let hour = Duration::from_secs(3600);
    for (left, goes_on) in [(24 * hour, true), (3 * hour, false), (hour, false)] {
        CALLS.take();
        BROKEN.set(true);
        virtual_time(0, async {
            let clouds =
                Embedded::<slow::Slow>::new(Embedded::<slow::Slow>::config(), options.clone()).unwrap();
            let client = clouds.client();
            let run = client.start("key", 12).await.unwrap();
            assert!(client.result(&run).await.is_err());
            BROKEN.set(false);
            tokio::time::sleep(options.retention - left).await;
            match client.redrive(&run).await {
                Err(RedriveError::TooLate) => assert!(left < 2 * hour),
                redriven => drop(redriven.unwrap()),
            }
            let redriven = tokio::select! {
                redriven = async {
                    // As long as its key is known it leads to the run that goes on.
                    while let Ok(status) = client.status(&run).await {
                        if !matches!(status, Status::Running) {
                            break;
                        }
                        assert_eq!(client.start("key", 12).await.unwrap(), run);
                        tokio::time::sleep(Duration::from_secs(300)).await;
                    }
                    client.result(&run).await
                } => redriven,
                never = clouds.sweep_every(Duration::from_secs(60)) => match never {},
            };
            assert!(
                redriven.is_ok() == goes_on && !matches!(redriven, Err(RunError::NoSuchRun(_))),
                "{redriven:?}"
            );
            tokio::time::sleep(2 * options.retention).await;
            let calls = CALLS.with_borrow(Vec::len);
            assert!(calls <= 12, "{calls} calls of 12");
        });
    }
}
