//! A run that is cancelled at each of its operations, with a fault at each operation from then on.
//! After each: the run has ended once, as cancelled or with its result, nothing was decided in it
//! after it ended as cancelled, and nothing is left of it in the end.

pub(crate) mod shapes;

use std::{fmt::Debug, time::Duration};

use jointlambda::{
    Cause, Client, Options, RunError, Runtime, Status, Which, Workflow,
    backend::{
        fault::{Action, Faults, Operation, Schedule},
        local::{DEFAULT_OBJECT_LIFETIME, LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
};
use tokio::time::Instant;

use self::shapes::{member::Member, nest::Nest, partly::Partly, race::Race, wide::Wide};
use crate::{
    faulty::{MakeParts, Parts, count_schedule, deploy_of, report, say, sound, sweep_for_ever},
    given_up::{Died, GivenUp, GivesUp, Platform},
    many_faults::{at_random, chain::Chain, fan::Fan, turns::Turns},
    replay::{Moment, Replay},
    schedules::{drawn_survivable, pairs_from, singles, stride},
};

/// Functions take far longer to start than rows to read: whoever cancels a run gets in between any
/// two of its operations.
const BUSY: Profile = Profile { table_ms: 1, table_cross_ms: 2, ..Profile::TOKYO };

/// The key of the run that is cancelled.
const KEY: &str = "key";

/// What came of a run that was to be cancelled.
struct Trial {
    operations: Vec<Operation>,
    /// How many operations the run had begun when it was to be cancelled; `None` if it never
    /// begins so many.
    from: Option<u64>,
    /// How long it had run then.
    after: Duration,
    was_cancelled: bool,
}

/// Cancels a run of `W` on a deployment of `parts` once it has begun operation `at`.
fn cancel_at<W: Workflow>(
    parts: MakeParts<'_>,
    input: &W::Input,
    expected: &W::Output,
    at: u64,
    schedule: &Schedule,
) -> Result<Trial, String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let parts = parts();
    virtual_time(0, async {
        let faults = Faults::new(schedule);
        let mut config = Embedded::<W>::config();
        config.profile = BUSY;
        let clouds = LocalClouds::new(config).map_err(|e| e.to_string())?;
        let options = Options::default();
        deploy_of::<W>(&*parts, &clouds, &faults, &options);
        let client = Client::<W>::new(faults.wrap(clouds.backends_for_client()), options.clone());
        let backends = parts.stopper(faults.wrap(clouds.backends_from(0)));
        let canceller = Client::<W>::new(backends, options.clone());
        let observer = Client::<W>::new(clouds.backends_for_client(), options.clone());
        let backends = parts.sweeper(faults.wrap(clouds.backends_from(0)));
        let sweeper = Runtime::new::<W>(backends, options.clone());
        let run = client.run_id(KEY);
        let began = Instant::now();
        let begun = async {
            let started = faults.client(client.start(KEY, input.clone())).await;
            matches!(started, Some(Ok(_)))
        };
        let cancelled = async {
            if at > 0 {
                tokio::select! {
                    () = faults.reached(at) => {}
                    () = tokio::time::sleep(Duration::from_secs(30)) => return (None, began.elapsed(), None),
                }
            }
            // The run row may not be there yet.
            while let Err(RunError::NoSuchRun(_)) = observer.status(&run).await {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let (from, after) = (faults.operations() as u64, began.elapsed());
            let said = faults.client(canceller.cancel(&run)).await.and_then(Result::ok);
            (Some(from), after, said)
        };
        let (begun, (from, after, said)) = tokio::join!(begun, cancelled);
        if !begun && schedule.0.is_empty() {
            return Err("the run could not be started".to_owned());
        }
        let result = tokio::select! {
            result = observer.result(&run) => result,
            () = sweep_for_ever(&faults, &sweeper) => unreachable!(),
            () = tokio::time::sleep(Duration::from_secs(24 * 3600)) => return Err("the run did not end".to_owned()),
        };
        let was_cancelled = match &result {
            Err(RunError::Cancelled) => true,
            Ok(output) if output == expected => false,
            // Before anybody said that it was to be cancelled.
            Err(RunError::Failed(_)) if parts.gives_up() => false,
            other => return Err(format!("the run ended with {other:?}")),
        };
        match said {
            Some(Status::Cancelled) if !was_cancelled => return Err("it was not cancelled".to_owned()),
            Some(Status::Returned) if was_cancelled => return Err("it had not returned".to_owned()),
            None if from.is_some() && schedule.0.is_empty() => {
                return Err("it could not be cancelled".to_owned());
            }
            Some(Status::Failed(_)) if parts.gives_up() && !was_cancelled => {}
            Some(Status::Running | Status::Cancelling | Status::Failed(_)) => {
                return Err(format!("cancelling it gave {said:?}"));
            }
            _ => {}
        }
        let operations = faults.log();
        // Everything late comes now, and must find nothing to do.
        tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
        clouds.idle().await;
        // Whoever was to remove what was stored may have died.
        faults.client(sweeper.sweep(10)).await;
        let ended = observer.status(&run).await.map_err(|e| e.to_string())?;
        if (ended == Status::Cancelled) != was_cancelled {
            return Err(format!("it ended again: {ended:?}"));
        }
        let objects = clouds.holdings().map_err(|e| e.to_string())?.objects;
        // A copy that stores something after that and dies, and whose event is lost, leaves it to its age.
        let goes_by_age = was_cancelled && schedule.0.len() > 1;
        if !goes_by_age && objects > u64::from(!was_cancelled) {
            return Err(format!("{objects} objects outlived the run"));
        }
        if let Some(violation) = faults.violations().first() {
            return Err(violation.clone());
        }
        tokio::time::sleep(options.retention + DEFAULT_OBJECT_LIFETIME).await;
        clouds.sweep_expired().await.map_err(|e| e.to_string())?;
        let holdings = clouds.holdings().map_err(|e| e.to_string())?;
        if holdings.rows > 0 || holdings.objects > 0 {
            return Err(format!("{} rows and {} objects are left", holdings.rows, holdings.objects));
        }
        if parts.counts() {
            count_schedule(&faults);
        }
        Ok(Trial { operations, from, after, was_cancelled })
    })
}

/// Tries the schedules that were asked for instead of all; whether any were.
fn replayed<W: Workflow>(input: &W::Input, expected: &W::Output) -> bool
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let fits = |replay: &Replay| matches!(replay.moment, Some(Moment::Begun(_)));
    let Some(wanted) = Replay::wanted::<W>(fits) else { return false };
    for replay in wanted {
        let Some(Moment::Begun(at)) = replay.moment else { unreachable!("it fits") };
        let cancel = |parts| cancel_at::<W>(parts, input, expected, at, &replay.schedule);
        let trial = match replay.given_up {
            None => cancel(&sound),
            Some(given_up) => cancel(&|| Box::new(GivesUp(Platform::of::<W>(KEY, given_up)))),
        };
        replay.tell(trial.as_ref().map(|trial| &*trial.operations));
    }
    true
}

/// A run of `W` on `input`, cancelled at each operation without a fault: at which, and what came of it.
fn calm<W: Workflow>(input: &W::Input, expected: &W::Output) -> Vec<(u64, Trial)>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let calm = |at| cancel_at::<W>(&sound, input, expected, at, &Schedule::default());
    let all = (0..).map(|at| (at, calm(at).unwrap_or_else(|why| panic!("{}: {why}", named::<W>(at)))));
    let mut calm: Vec<_> = all.take_while(|(_, trial)| trial.from.is_some()).collect();
    // Operations that begin at once are one moment.
    calm.dedup_by_key(|(_, trial)| (trial.from, trial.after));
    calm
}

fn named<W: Workflow>(at: u64) -> Replay {
    Replay::of::<W>(Some(Moment::Begun(at)), &Schedule::default())
}

/// Cancels a run of `W` at every operation of it, without faults and with every `stride`-th of each.
fn is_cancelled_anywhere<W: Workflow>(input: W::Input, stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    is_cancelled_anywhere_or_gives::<W>(input, expected, stride);
}

/// The same of a run that the plain run does not tell the outcome of, since functions of it panic.
fn is_cancelled_anywhere_or_gives<W: Workflow>(input: W::Input, expected: W::Output, stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    if replayed::<W>(&input, &expected) {
        return;
    }
    let calm = calm::<W>(&input, &expected);
    let cancelled = calm.iter().filter(|(_, trial)| trial.was_cancelled).count();
    let returned = calm.len() - cancelled;
    assert!(cancelled > 3 && returned > 0, "{cancelled} times cancelled, {returned} times too late");
    let faults = |(at, trial): &(u64, Trial)| {
        let (at, from) = (*at, trial.from.unwrap_or(0));
        singles(&trial.operations, from).into_iter().map(move |schedule| (at, schedule))
    };
    let all: Vec<_> = calm.iter().flat_map(faults).collect();
    if stride > 1 {
        say(format_args!(
            "`{}` is cancelled at each of {} moments, with one in {stride} of {} single faults, {} in all",
            W::definition().name,
            calm.len(),
            all.len(),
            all.len().div_ceil(stride)
        ));
    }
    let mut failures = Vec::new();
    for (at, schedule) in all.iter().step_by(stride) {
        if let Err(why) = cancel_at::<W>(&sound, &input, &expected, *at, schedule) {
            failures.push(format!("{}: {why}", Replay::of::<W>(Some(Moment::Begun(*at)), schedule)));
        }
    }
    report::<W>(&failures);
}

/// Cancels a run of `W` at every operation of it, each time with every `stride`-th pair of faults from
/// then on.
fn is_cancelled_among_pairs<W: Workflow>(input: W::Input, stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    if replayed::<W>(&input, &expected) {
        return;
    }
    let (mut failures, mut there, mut tried) = (Vec::new(), 0, 0);
    let calm = calm::<W>(&input, &expected);
    for (at, trial) in &calm {
        let (at, from) = (*at, trial.from.unwrap_or(0));
        let attempt = |schedule: &Schedule| {
            let trial = cancel_at::<W>(&sound, &input, &expected, at, schedule);
            let named = || Replay::of::<W>(Some(Moment::Begun(at)), schedule);
            trial.map(|trial| trial.operations).map_err(|why| format!("{}: {why}", named()))
        };
        let pairs = pairs_from(&trial.operations, from, stride, attempt);
        failures.extend(pairs.failures);
        (there, tried) = (there + pairs.there, tried + pairs.tried);
    }
    let name = W::definition().name;
    say(format_args!(
        "`{name}` is cancelled at each of {} moments, {tried} of {there} pairs of faults",
        calm.len()
    ));
    report::<W>(&failures);
}

/// Cancels a run of `W` at every operation of it, while the platform gives up on an event of it: on
/// each, at each operation from then on.
fn is_cancelled_while_its_platform_gives_up<W: Workflow>(input: W::Input)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    if replayed::<W>(&input, &expected) {
        return;
    }
    let mut failures = Vec::new();
    let (mut cancelled, mut not) = (0, 0);
    for (at, trial) in calm::<W>(&input, &expected) {
        for died in Died::ALL {
            for event in 0.. {
                let mut events = 0;
                for told in trial.from.unwrap_or(0)..trial.operations.len() as u64 {
                    let given_up = GivenUp { event, died, cause: Cause::Call, at: told };
                    let platform = Platform::of::<W>(KEY, given_up);
                    let parts = || -> Box<dyn Parts> { Box::new(GivesUp(platform.clone())) };
                    match cancel_at::<W>(&parts, &input, &expected, at, &Schedule::default()) {
                        Ok(trial) if platform.gave_up() => {
                            cancelled += usize::from(trial.was_cancelled);
                            not += usize::from(!trial.was_cancelled);
                        }
                        Ok(_) => {}
                        Err(why) => {
                            let replay = Replay { given_up: Some(given_up), ..named::<W>(at) };
                            failures.push(format!("{replay}: {why}"));
                        }
                    }
                    events = events.max(platform.events());
                }
                if event >= events {
                    break;
                }
            }
        }
    }
    report::<W>(&failures);
    let name = W::definition().name;
    say(format_args!("`{name}`: {cancelled} runs cancelled while given up, {not} ended otherwise"));
    assert!(cancelled > 20 && not > 0, "{cancelled} times cancelled, {not} times not");
}

/// Cancels a run of `W` at `count` operations at random, each time with two to five faults from then
/// on, drawn from `seed`.
fn is_cancelled_among_many_faults<W: Workflow>(input: W::Input, count: usize, seed: u64)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    if replayed::<W>(&input, &expected) {
        return;
    }
    let calm = calm::<W>(&input, &expected);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..count {
        let (at, trial) = &calm[random.usize(0..calm.len())];
        let schedule = drawn_survivable(&mut random, &trial.operations, trial.from.unwrap_or(0));
        if let Err(why) = cancel_at::<W>(&sound, &input, &expected, *at, &schedule) {
            panic!("seed {seed}, {}: {why}", Replay::of::<W>(Some(Moment::Begun(*at)), &schedule));
        }
    }
}

/// What goes wrong where runs of `W` are cancelled on a deployment of `parts`, at any operation,
/// without faults or with one, that does not go wrong with the protocol as it is.
pub(crate) fn first_failure<W: Workflow>(parts: MakeParts<'_>, input: W::Input) -> Option<String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    let attempt = |parts, at, schedule: &Schedule| cancel_at::<W>(parts, &input, &expected, at, schedule);
    let mut calm = Vec::new();
    for at in 0.. {
        match attempt(parts, at, &Schedule::default()) {
            Ok(Trial { from: Some(from), operations, .. }) => calm.push((at, from, operations)),
            Ok(_) => break,
            Err(why) if attempt(&sound, at, &Schedule::default()).is_ok() => {
                return Some(format!("{}: {why}", named::<W>(at)));
            }
            Err(_) => {}
        }
    }
    let schedules = calm.iter().flat_map(|(at, from, operations)| {
        singles(operations, *from).into_iter().map(move |schedule| (*at, schedule))
    });
    let mut failures = schedules.filter_map(|(at, schedule)| {
        let why = attempt(parts, at, &schedule).err()?;
        attempt(&sound, at, &schedule).ok()?;
        Some(format!("{}: {why}", Replay::of::<W>(Some(Moment::Begun(at)), &schedule)))
    });
    failures.next()
}

#[test]
fn a_chain_is_cancelled_anywhere() {
    is_cancelled_anywhere::<Chain>(3, 1);
}

#[test]
fn a_map_is_cancelled_anywhere() {
    is_cancelled_anywhere::<Fan>(vec![2, 1, 5], 1);
}

#[test]
fn a_loop_of_joins_is_cancelled_anywhere() {
    is_cancelled_anywhere::<Turns>(2, 1);
}

#[test]
fn fan_outs_in_fan_outs_are_cancelled_anywhere() {
    is_cancelled_anywhere::<Nest>(1, 1);
    is_cancelled_anywhere::<Nest>(2, stride(5));
}

#[test]
fn branches_that_are_raced_are_cancelled_anywhere() {
    is_cancelled_anywhere::<Race>(3, 1);
}

#[test]
fn what_still_runs_in_a_branch_that_failed_is_cancelled_too() {
    is_cancelled_anywhere_or_gives::<Partly>(2, Ok(6), 1);
}

#[test]
fn members_of_batches_are_cancelled_anywhere() {
    is_cancelled_anywhere::<Member>(3, 1);
}

#[test]
fn a_chain_is_cancelled_among_pairs_of_faults() {
    is_cancelled_among_pairs::<Chain>(3, 1);
}

#[test]
fn a_map_is_cancelled_among_pairs_of_faults() {
    is_cancelled_among_pairs::<Fan>(vec![2, 1], 1);
}

#[test]
fn a_platform_that_gives_up_during_a_cancellation_changes_nothing() {
    is_cancelled_while_its_platform_gives_up::<Chain>(3);
    is_cancelled_while_its_platform_gives_up::<Fan>(vec![2, 3]);
}

#[test]
fn runs_are_cancelled_among_many_faults_at_random() {
    let count = at_random() / 28;
    is_cancelled_among_many_faults::<Chain>(3, count, 7);
    is_cancelled_among_many_faults::<Fan>(vec![2, 1, 5], count, 8);
    is_cancelled_among_many_faults::<Race>(3, count, 9);
    is_cancelled_among_many_faults::<Nest>(1, count, 10);
}

#[test]
fn to_cancel_again_removes_what_a_canceller_left_that_died() {
    let trial = |schedule: &Schedule| {
        virtual_time(0, async {
            let faults = Faults::new(schedule);
            let mut config = Embedded::<Nest>::config();
            config.profile = BUSY;
            let clouds = LocalClouds::new(config).unwrap();
            let options = Options::default();
            deploy_of::<Nest>(&*sound(), &clouds, &faults, &options);
            let client = Client::<Nest>::new(faults.wrap(clouds.backends_for_client()), options.clone());
            let run = client.start(KEY, 2).await.unwrap();
            faults.reached(20).await;
            let first = faults.client(client.cancel(&run)).await;
            let (operations, left) = (faults.log(), clouds.holdings().unwrap().objects);
            let again = client.cancel(&run).await.unwrap();
            assert_eq!((again, clouds.holdings().unwrap().objects), (Status::Cancelled, 0));
            let listed = client.list(Which::Open, 10).await.unwrap();
            assert_eq!(listed.runs, [], "it is open for nobody");
            let sweeper = Runtime::new::<Nest>(clouds.backends_from(0), options.clone());
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert_eq!(sweeper.sweep(10).await.unwrap().runs, 0, "it has left the run index");
            (first.is_some(), operations, left)
        })
    };
    let (ended, operations, left) = trial(&Schedule::default());
    assert!(ended && left == 0, "{left} objects are left without a fault");
    let deletion = operations.iter().position(|one| *one == Operation::DeleteRun);
    let deletion = deletion.expect("what is stored is removed") as u64;
    let (ended, _, left) = trial(&Schedule(vec![(deletion, Action::CrashBefore)]));
    assert!(!ended && left > 0, "{left} objects are left when the canceller dies");
}

#[test]
fn a_wide_fan_out_is_cancelled_as_a_whole() {
    let expected = virtual_time(0, Wide::plain(600));
    let calm = |at| cancel_at::<Wide>(&sound, &600, &expected, at, &Schedule::default()).unwrap();
    for at in [5, 20, 300, 900, 1500, 2200] {
        let trial = calm(at);
        assert!(trial.was_cancelled, "cancelled at {at} of {}", trial.operations.len());
    }
}
