//! Two starts of one key at once, each with a time of its own, with a fault at every operation of either:
//! there is one run, of one incarnation, and the start that came second leaves nothing behind.

use std::{fmt::Debug, time::Duration};

use jointlambda::{
    Client, Options, RunError, Runtime, Workflow,
    backend::{
        fault::{Action, Faults, Operation, Schedule},
        local::{Config, DEFAULT_OBJECT_LIFETIME, LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
    id::RunId,
};

use super::large::Large;
use crate::{
    faulty::{MakeParts, count_schedule, deploy_of, report, say, sound, sweep_for_ever},
    many_faults::{chain::Chain, fan::Fan},
    schedules::{singles, stride},
};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How often a process tries to start the run.
const TRIES: usize = 4;
/// How much later the second start begins at most, in milliseconds: the first has ended by then.
const LATEST: u64 = 200;

struct Trial {
    /// Until both starts had ended.
    operations: Vec<Operation>,
    rows: u64,
}

/// What a key is started with, twice.
struct Inputs<W: Workflow> {
    one: W::Input,
    other: W::Input,
    same: bool,
}

impl<W: Workflow> Inputs<W>
where
    W::Input: Clone,
{
    fn same(input: W::Input) -> Self {
        Inputs { one: input.clone(), other: input, same: true }
    }

    fn different([one, other]: [W::Input; 2]) -> Self {
        Inputs { one, other, same: false }
    }
}

/// Starts a run, again when the process crashes or a service fails it.
async fn until_started<W: Workflow>(
    faults: &std::sync::Arc<Faults>,
    client: &Client<W>,
    input: &W::Input,
) -> Result<RunId, String>
where
    W::Input: Clone,
{
    let mut last = "every process crashed".to_owned();
    for _ in 0..TRIES {
        match faults.client(client.start("key", input.clone())).await {
            Some(Ok(run)) => return Ok(run),
            Some(Err(error)) => last = error.to_string(),
            None => {}
        }
    }
    Err(format!("the run could not be started: {last}"))
}

/// Starts a run of `W` twice, the second time `apart` after the first. If the inputs are not the same,
/// one of the two starts is refused.
fn start_twice<W: Workflow>(
    parts: MakeParts<'_>,
    inputs: &Inputs<W>,
    apart: Duration,
    schedule: &Schedule,
) -> Result<Trial, String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = |input: &W::Input| virtual_time(0, W::plain(input.clone()));
    let (one_expected, other_expected) = (expected(&inputs.one), expected(&inputs.other));
    let parts = parts();
    virtual_time(0, async {
        let faults = Faults::new(schedule);
        let config =
            Config { profile: Profile::TOKYO, epoch_ms: Some(1_800_000_000_000), ..Embedded::<W>::config() };
        let clouds = LocalClouds::new(config).map_err(|e| e.to_string())?;
        let options = Options::default();
        deploy_of::<W>(&*parts, &clouds, &faults, &options);
        let client = || {
            let backends = parts.client(faults.wrap(clouds.backends_for_client()));
            Client::<W>::new(backends, options.clone())
        };
        let (one, other) = (client(), client());
        let observer = Client::<W>::new(clouds.backends_for_client(), options.clone());
        let sweeper = Runtime::new::<W>(parts.sweeper(faults.wrap(clouds.backends_from(0))), options.clone());
        let later = async {
            tokio::time::sleep(apart).await;
            until_started(&faults, &other, &inputs.other).await
        };
        let expected = match tokio::join!(until_started(&faults, &one, &inputs.one), later) {
            (Ok(first), Ok(second)) if inputs.same && first == second => one_expected,
            (Ok(_), Err(why)) if !inputs.same && why.contains("another input") => one_expected,
            (Err(why), Ok(_)) if !inputs.same && why.contains("another input") => other_expected,
            (first, second) => return Err(format!("the starts gave {first:?} and {second:?}")),
        };
        let (run, operations) = (one.run_id("key"), faults.log());
        let result = tokio::select! {
            result = observer.result(&run) => result,
            () = sweep_for_ever(&faults, &sweeper) => unreachable!(),
            () = tokio::time::sleep(DAY) => return Err("the run did not end".to_owned()),
        };
        match result {
            Ok(output) if output == expected => {}
            other => return Err(format!("the outcome is {other:?}")),
        }
        tokio::time::sleep(DAY / 8).await;
        clouds.idle().await;
        match observer.result(&run).await {
            Ok(output) if output == expected => {}
            Err(RunError::Fault(fault)) => return Err(format!("the result is gone: {fault}")),
            other => return Err(format!("the outcome became {other:?}")),
        }
        if let Some(violation) = faults.violations().first() {
            return Err(violation.clone());
        }
        let holdings = clouds.holdings().map_err(|e| e.to_string())?;
        // The result is in the run row. What a start stored that died goes by its age.
        let died = |(_, action): &(u64, Action)| matches!(action, Action::CrashBefore | Action::CrashAfter);
        if !schedule.0.iter().any(died) && holdings.objects > 0 {
            return Err(format!("{} objects outlived the run", holdings.objects));
        }
        let rows = holdings.rows;
        tokio::time::sleep(options.retention + DEFAULT_OBJECT_LIFETIME).await;
        clouds.sweep_expired().await.map_err(|e| e.to_string())?;
        let holdings = clouds.holdings().map_err(|e| e.to_string())?;
        if holdings.rows > 0 || holdings.objects > 0 {
            return Err(format!("{} rows and {} objects are left", holdings.rows, holdings.objects));
        }
        if parts.counts() {
            count_schedule(&faults);
        }
        Ok(Trial { operations, rows })
    })
}

/// How far the two starts can be apart: of those in which they do the same in the same order, one.
fn moments<W: Workflow>(parts: MakeParts<'_>, inputs: &Inputs<W>) -> Vec<(Duration, Result<Trial, String>)>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let mut all: Vec<(Duration, Result<Trial, String>)> = Vec::new();
    for apart in (0..LATEST).map(Duration::from_millis) {
        let trial = start_twice::<W>(parts, inputs, apart, &Schedule::default());
        let is_known = match (&trial, all.last()) {
            (Ok(trial), Some((_, Ok(last)))) => trial.operations == last.operations,
            _ => false,
        };
        if !is_known {
            all.push((apart, trial));
        }
    }
    all
}

/// Starts a run of `W` twice, at any time apart, with every `stride`-th of all single faults until both
/// starts have ended.
fn is_started_once<W: Workflow>(inputs: &Inputs<W>, stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let (mut failures, mut there, mut tried) = (Vec::new(), 0, 0);
    let moments = moments::<W>(&sound, inputs);
    for (apart, calm) in &moments {
        let calm = calm.as_ref().unwrap_or_else(|why| panic!("{apart:?} apart: {why}"));
        for schedule in singles(&calm.operations, 0) {
            there += 1;
            if there % stride != 0 {
                continue;
            }
            tried += 1;
            match start_twice::<W>(&sound, inputs, *apart, &schedule) {
                // A row of another incarnation would be one more.
                Ok(trial) if trial.rows > calm.rows => {
                    failures.push(format!("{apart:?} apart, {schedule}: {} rows", trial.rows));
                }
                Ok(_) => {}
                Err(why) => failures.push(format!("{apart:?} apart, {schedule}: {why}")),
            }
        }
    }
    let name = W::definition().name;
    say(format_args!(
        "`{name}` started twice at once, {} times apart: {tried} of {there} schedules",
        moments.len()
    ));
    report::<W>(&failures);
}

/// What goes wrong where a run is started twice at once on a deployment of `parts`, without other faults,
/// that does not go wrong with the protocol as it is.
pub(crate) fn first_failure<W: Workflow>(parts: MakeParts<'_>, input: &W::Input) -> Option<String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let inputs = Inputs::same(input.clone());
    moments::<W>(parts, &inputs).into_iter().find_map(|(apart, trial)| {
        let why = trial.err()?;
        start_twice::<W>(&sound, &inputs, apart, &Schedule::default()).ok()?;
        Some(format!("{apart:?} apart: {why}"))
    })
}

#[test]
fn two_starts_at_once_are_one_run() {
    is_started_once::<Chain>(&Inputs::same(3), stride(5));
    is_started_once::<Fan>(&Inputs::same(vec![2, 1, 5]), stride(17));
}

#[test]
fn two_starts_at_once_that_store_what_they_begin_with_are_one_run() {
    // More than a row takes.
    is_started_once::<Large>(&Inputs::same(vec![1 << 33; 6_000]), stride(13));
}

#[test]
fn of_two_starts_at_once_with_other_inputs_one_is_refused() {
    is_started_once::<Chain>(&Inputs::different([3, 4]), stride(5));
    is_started_once::<Large>(&Inputs::different([vec![1 << 33; 6_000], vec![1 << 34; 6_500]]), stride(13));
}
