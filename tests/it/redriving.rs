//! A failed run that is redriven, with a fault at every operation from then on, while what is left
//! of it still runs: what was committed counts, nothing is decided twice, and the key leads to the
//! result.

mod promises;
pub(crate) mod shapes;

use std::{fmt::Debug, time::Duration};

use jointlambda::{
    Cause, Client, InstanceState, Options, RedriveError, RunError, Runtime, Status, Workflow,
    backend::{
        fault::{Faults, Operation, Schedule},
        local::{DEFAULT_OBJECT_LIFETIME, LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
    id::RunId,
};

use self::shapes::{
    BROKEN, CALLS, SEEN, both::Both, branches::Branches, chain::Chain, gather::Gather, glue::Glue,
    inner::Inner, together::Together,
};
use crate::{
    faulty::{MakeParts, Parts, count_schedule, deploy_of, report, say, sound, sweep_for_ever},
    given_up::{Died, GivenUp, GivesUp, Platform},
    many_faults::at_random,
    replay::{Moment, Replay},
    schedules::{Pairs, drawn_survivable, pairs_from, singles, stride},
};

/// The key of the run that fails.
const KEY: &str = "key";

/// How often a redrive that crashed is begun again: once more than there are faults in a schedule.
const TRIES: usize = 6;

/// How many moments after its failure a run is redriven at, in milliseconds at most.
const MOMENTS: u64 = 1_000;

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
    W::Output: PartialEq + Debug,
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
        let run = client.start(KEY, input.clone()).await.map_err(|e| format!("{e:?}"))?;
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
        let again = observer.start(KEY, input.clone()).await.map_err(|e| format!("{e:?}"))?;
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

/// Redrives a run of `W` under `schedule`; says how to do so again, where it goes wrong.
fn attempt<W: Workflow>(
    input: &W::Input,
    expected: &W::Output,
    moment: (Duration, usize),
    schedule: &Schedule,
) -> Result<Trial, String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let (after, times) = moment;
    let trial = redrive::<W>(&sound, input, expected, after, times, schedule);
    trial.map_err(|why| format!("{}: {why}", named::<W>(after, times, schedule)))
}

fn named<W: Workflow>(after: Duration, times: usize, schedule: &Schedule) -> Replay {
    Replay::of::<W>(Some(Moment::Failed { after, times }), schedule)
}

/// Tries the schedules that were asked for instead of all; whether any were.
fn replayed<W: Workflow>(input: &W::Input, expected: &W::Output) -> bool
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let fits = |replay: &Replay| matches!(replay.moment, Some(Moment::Failed { .. }));
    let Some(wanted) = Replay::wanted::<W>(fits) else { return false };
    for replay in wanted {
        let Some(Moment::Failed { after, times }) = replay.moment else { unreachable!("it fits") };
        let redrive = |parts| redrive::<W>(parts, input, expected, after, times, &replay.schedule);
        let trial = match replay.given_up {
            None => redrive(&sound),
            Some(given_up) => redrive(&|| Box::new(GivesUp(Platform::of::<W>(KEY, given_up)))),
        };
        replay.tell(trial.as_ref().map(|trial| &*trial.operations));
    }
    true
}

/// Redrives a run of `W` `after` it failed, without faults and with each. Gives what it did without,
/// unless another schedule was asked for.
fn goes_on_whatever_happens<W: Workflow>(input: W::Input, after: Duration, times: usize) -> Option<Trial>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    if replayed::<W>(&input, &expected) {
        return None;
    }
    let attempt = |schedule: &Schedule| attempt::<W>(&input, &expected, (after, times), schedule);
    let calm = attempt(&Schedule::default()).unwrap_or_else(|why| panic!("{why}"));
    let schedules = singles(&calm.operations, calm.from).into_iter();
    report::<W>(&schedules.filter_map(|schedule| attempt(&schedule).err()).collect::<Vec<_>>());
    Some(calm)
}

/// Redrives a run of `W` `after` it failed, with every `stride`-th pair of faults.
fn goes_on_among_pairs<W: Workflow>(input: W::Input, after: Duration, stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    if replayed::<W>(&input, &expected) {
        return;
    }
    let attempt = |schedule: &Schedule| attempt::<W>(&input, &expected, (after, 1), schedule);
    let calm = attempt(&Schedule::default()).unwrap_or_else(|why| panic!("{why}"));
    let operations = |schedule: &Schedule| attempt(schedule).map(|trial| trial.operations);
    let pairs = pairs_from(&calm.operations, calm.from, stride, operations);
    let (name, Pairs { there, tried, failures }) = (W::definition().name, pairs);
    say(format_args!("`{name}` is redriven {after:?} after it failed, {tried} of {there} pairs of faults"));
    report::<W>(&failures);
}

/// Redrives a run of `W` at each of `moments` after it failed, one at a time, with what it does without
/// faults; moments between the same two operations are one.
fn at_moments<W: Workflow>(
    input: &W::Input,
    expected: &W::Output,
    moments: impl IntoIterator<Item = Duration>,
) -> Vec<(Duration, Trial)>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let mut all: Vec<(Duration, Trial)> = Vec::new();
    for after in moments {
        let calm = attempt::<W>(input, expected, (after, 1), &Schedule::default());
        let calm = calm.unwrap_or_else(|why| panic!("{why}"));
        if all.last().is_none_or(|(_, last)| last.from != calm.from) {
            all.push((after, calm));
        }
    }
    all
}

/// Redrives a run of `W` at any moment after it failed for as long as something of it still runs,
/// without faults and with each.
fn goes_on_at_any_moment<W: Workflow>(input: W::Input)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    if replayed::<W>(&input, &expected) {
        return;
    }
    let moments = (0..MOMENTS).map(Duration::from_millis);
    let mut failures = Vec::new();
    for (after, calm) in at_moments::<W>(&input, &expected, moments) {
        let schedules = singles(&calm.operations, calm.from).into_iter();
        failures.extend(
            schedules.filter_map(|schedule| attempt::<W>(&input, &expected, (after, 1), &schedule).err()),
        );
    }
    report::<W>(&failures);
}

/// Redrives a run of `W` at each of `moments` after it failed, while the platform gives up on another
/// event of it: on each, at each operation from then on.
fn goes_on_while_its_platform_gives_up<W: Workflow>(
    input: W::Input,
    moments: impl IntoIterator<Item = Duration>,
) where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    if replayed::<W>(&input, &expected) {
        return;
    }
    let mut failures = Vec::new();
    let mut tried = 0;
    for (after, calm) in at_moments::<W>(&input, &expected, moments) {
        for died in Died::ALL {
            for event in 0.. {
                let mut events = 0;
                for told in calm.from..calm.operations.len() as u64 {
                    let given_up = GivenUp { event, died, cause: Cause::Call, at: told };
                    let platform = Platform::of::<W>(KEY, given_up);
                    let parts = || -> Box<dyn Parts> { Box::new(GivesUp(platform.clone())) };
                    let trial = redrive::<W>(&parts, &input, &expected, after, 1, &Schedule::default());
                    if let Err(why) = trial {
                        let named = named::<W>(after, 1, &Schedule::default());
                        failures.push(format!("{}: {why}", Replay { given_up: Some(given_up), ..named }));
                    }
                    events = events.max(platform.events());
                    if !platform.gave_up() {
                        // Without this event it does not fail, or does not begin as many operations.
                        break;
                    }
                    tried += 1;
                }
                if event >= events {
                    break;
                }
            }
        }
    }
    report::<W>(&failures);
    say(format_args!("`{}`: {tried} runs redriven while given up", W::definition().name));
    assert!(tried > 20, "{tried} runs were redriven while their platform gave up");
}

/// Redrives a run of `W` `count` times, at a moment at random up to `longest` after it failed, each
/// time with two to five faults from then on, drawn from `seed`.
fn goes_on_among_many_faults<W: Workflow>(input: W::Input, longest: Duration, count: usize, seed: u64)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    if replayed::<W>(&input, &expected) {
        return;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..count {
        let after = Duration::from_millis(random.u64(0..=longest.as_millis() as u64));
        let attempt = |schedule: &Schedule| {
            let trial = attempt::<W>(&input, &expected, (after, 1), schedule);
            trial.unwrap_or_else(|why| panic!("seed {seed}, {why}"))
        };
        let calm = attempt(&Schedule::default());
        attempt(&drawn_survivable(&mut random, &calm.operations, calm.from));
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
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    let attempt =
        |parts, after, schedule: &Schedule| redrive::<W>(parts, &input, &expected, after, 1, schedule);
    let mut calm = Vec::new();
    for after in moments {
        match attempt(parts, after, &Schedule::default()) {
            Ok(trial) => calm.push((after, trial)),
            Err(why) if attempt(&sound, after, &Schedule::default()).is_ok() => {
                return Some(format!("{}: {why}", named::<W>(after, 1, &Schedule::default())));
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
        Some(format!("{}: {why}", named::<W>(after, 1, &schedule)))
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
    let Some(trial) = goes_on_whatever_happens::<Chain>(3, Duration::ZERO, 1) else { return };
    assert_eq!(calls_of(&trial, "before"), (1, 0), "what was committed is not called again");
    assert_eq!(calls_of(&trial, "flaky"), (4, 1), "three deliveries, and one when redriven");
    assert_eq!(calls_of(&trial, "after"), (1, 1));
}

#[test]
fn branches_that_still_run_are_stopped_or_count() {
    for after_ms in [0, 50, 110, 390, 480, 3000] {
        goes_on_whatever_happens::<Branches>((3, 2), Duration::from_millis(after_ms), 1);
    }
}

#[test]
fn what_still_runs_in_a_branch_that_failed_is_stopped_or_counts() {
    goes_on_at_any_moment::<Inner>(2);
}

#[test]
fn what_still_runs_in_the_last_fan_out_of_a_run_is_stopped_or_counts() {
    for after_ms in [0, 1_000, 3_000, 5_000] {
        goes_on_whatever_happens::<Gather>(2, Duration::from_millis(after_ms), 1);
    }
}

#[test]
fn a_platform_that_gives_up_during_a_redrive_changes_nothing() {
    goes_on_at_any_moment::<Both>(3);
}

#[test]
fn batches_and_branches_that_are_raced_go_on_from_what_was_decided() {
    for after_ms in [0, 100] {
        goes_on_whatever_happens::<Together>(3, Duration::from_millis(after_ms), 1);
    }
}

#[test]
fn runs_go_on_among_many_faults_at_random() {
    let (count, second) = (at_random() / 56, Duration::from_secs(1));
    goes_on_among_many_faults::<Chain>(3, Duration::ZERO, count, 11);
    goes_on_among_many_faults::<Branches>((3, 2), second, count, 12);
    goes_on_among_many_faults::<Together>(3, second, count, 13);
    goes_on_among_many_faults::<Inner>(2, second, count, 14);
}

#[test]
fn code_that_failed_is_run_again_on_what_was_committed() {
    let Some(trial) = goes_on_whatever_happens::<Glue>(3, Duration::ZERO, 1) else { return };
    assert_eq!(calls_of(&trial, "step").1, 4, "the branches before it are not called again");
}

#[test]
fn to_redrive_at_once_is_to_redrive_once() {
    goes_on_whatever_happens::<Chain>(3, Duration::ZERO, 2);
    goes_on_whatever_happens::<Branches>((2, 2), Duration::from_millis(100), 2);
}

#[test]
fn a_chain_goes_on_among_pairs_of_faults() {
    goes_on_among_pairs::<Chain>(3, Duration::ZERO, 1);
}

#[test]
fn a_map_goes_on_among_pairs_of_faults() {
    goes_on_among_pairs::<Branches>((2, 1), Duration::from_millis(100), stride(3));
}

#[test]
fn a_platform_that_gives_up_on_what_was_left_changes_nothing() {
    let every = |step| (0..600).step_by(step).map(Duration::from_millis);
    goes_on_while_its_platform_gives_up::<Branches>((2, 1), every(20));
    goes_on_while_its_platform_gives_up::<Inner>(2, every(100));
}
