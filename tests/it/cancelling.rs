//! A run that is cancelled at each of its operations, with a fault at each operation from then on.
//! After each: the run has ended once, as cancelled or with its result, nothing was decided in it
//! after it ended as cancelled, and nothing is left of it in the end.

use std::{fmt::Debug, time::Duration};

use jointlambda::{
    Client, Options, RunError, Runtime, Status, Workflow,
    backend::{
        fault::{Faults, Operation, Schedule},
        local::{DEFAULT_OBJECT_LIFETIME, LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
};

use crate::{
    faulty::{MakeParts, count_schedule, deploy_of, drawn_survivable, singles, sound, sweep_for_ever},
    many_faults::{at_random, chain::Chain, fan::Fan, turns::Turns},
    replay::Replay,
};

/// Functions take far longer to start than rows to read: whoever cancels a run gets in between any
/// two of its operations.
const BUSY: Profile = Profile { table_ms: 1, table_cross_ms: 2, ..Profile::TOKYO };

/// What came of a run that was to be cancelled.
struct Trial {
    operations: Vec<Operation>,
    /// How many operations the run had begun when it was to be cancelled; `None` if it never
    /// begins so many.
    from: Option<u64>,
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
        let run = client.run_id("key");
        let begun = async {
            let started = faults.client(client.start("key", input.clone())).await;
            matches!(started, Some(Ok(_)))
        };
        let cancelled = async {
            if at > 0 {
                tokio::select! {
                    () = faults.reached(at) => {}
                    () = tokio::time::sleep(Duration::from_secs(30)) => return (None, None),
                }
            }
            // The run row may not be there yet.
            while let Err(RunError::NoSuchRun(_)) = observer.status(&run).await {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let from = faults.operations() as u64;
            (Some(from), faults.client(canceller.cancel(&run)).await.and_then(Result::ok))
        };
        let (begun, (from, said)) = tokio::join!(begun, cancelled);
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
            other => return Err(format!("the run ended with {other:?}")),
        };
        match said {
            Some(Status::Cancelled) if !was_cancelled => return Err("it was not cancelled".to_owned()),
            Some(Status::Returned) if was_cancelled => return Err("it had not returned".to_owned()),
            None if from.is_some() && schedule.0.is_empty() => {
                return Err("it could not be cancelled".to_owned());
            }
            Some(Status::Running | Status::Cancelling | Status::Failed(_)) => {
                return Err(format!("cancelling it gave {said:?}"));
            }
            _ => {}
        }
        // Everything late comes now, and must find nothing to do.
        tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
        clouds.idle().await;
        let after = observer.status(&run).await.map_err(|e| e.to_string())?;
        if (after == Status::Cancelled) != was_cancelled {
            return Err(format!("it ended again: {after:?}"));
        }
        let objects = clouds.holdings().map_err(|e| e.to_string())?.objects;
        // Where a fault met whoever was to remove them, or a copy stood still meanwhile, they go by age.
        let goes_by_age = was_cancelled && !schedule.0.is_empty();
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
        Ok(Trial { operations: faults.log(), from, was_cancelled })
    })
}

/// Tries the schedules that were asked for instead of all; whether any were.
fn replayed<W: Workflow>(input: &W::Input, expected: &W::Output) -> bool
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let Some(wanted) = Replay::wanted::<W>() else { return false };
    for replay in wanted {
        let at = replay.moment.expect("`workflow@operation` says when it is cancelled");
        let trial = cancel_at::<W>(&sound, input, expected, at, &replay.schedule);
        replay.tell(trial.as_ref().map(|trial| &*trial.operations));
    }
    true
}

/// Cancels a run of `W` at every `stride`-th operation of it, without faults and with each.
fn is_cancelled_anywhere<W: Workflow>(input: W::Input, stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    if replayed::<W>(&input, &expected) {
        return;
    }
    let (mut cancelled, mut returned) = (0, 0);
    for at in (0..).step_by(stride) {
        let trial = cancel_at::<W>(&sound, &input, &expected, at, &Schedule::default());
        let trial = trial.unwrap_or_else(|why| panic!("cancelled at {at}: {why}"));
        let Some(from) = trial.from else { break };
        cancelled += usize::from(trial.was_cancelled);
        returned += usize::from(!trial.was_cancelled);
        for schedule in singles(&trial.operations, from) {
            if let Err(why) = cancel_at::<W>(&sound, &input, &expected, at, &schedule) {
                panic!("{}, cancelled: {why}", Replay::of::<W>(Some(at), &schedule));
            }
        }
    }
    assert!(cancelled > 3 && returned > 0, "{cancelled} times cancelled, {returned} times too late");
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
    let calm = |at| cancel_at::<W>(&sound, &input, &expected, at, &Schedule::default());
    let calm = (0..).map(|at| calm(at).unwrap_or_else(|why| panic!("cancelled at {at}: {why}")));
    let calm: Vec<_> = calm.map_while(|trial| trial.from.map(|from| (from, trial.operations))).collect();
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..count {
        let at = random.usize(0..calm.len());
        let (from, operations) = &calm[at];
        let schedule = drawn_survivable(&mut random, operations, *from);
        if let Err(why) = cancel_at::<W>(&sound, &input, &expected, at as u64, &schedule) {
            panic!("seed {seed}, {}, cancelled: {why}", Replay::of::<W>(Some(at as u64), &schedule));
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
                return Some(format!("cancelled at {at}: {why}"));
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
        Some(format!("{}, cancelled: {why}", Replay::of::<W>(Some(at), &schedule)))
    });
    failures.next()
}

mod nest {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// Fan-outs in a fan-out in a loop, with values that are stored.
        #[workflow]
        pub(crate) async fn nest(n: u64) -> Vec<u8> {
            let mut last = Vec::new();
            for turn in 0..2 {
                let first = fill(turn).await;
                let rows = fan_out(0..n, async |x| {
                    let row = fan_out(0..2, async |y| pick(first.clone(), x + y).await).await;
                    fill(row.iter().sum::<u64>()).await
                })
                .await;
                last = rows.concat();
            }
            last
        }

        #[function(on = ALI, failover = [AWS])]
        async fn fill(x: u64) -> Vec<u8> { vec![x as u8; 9_000] }

        #[function(on = AWS)]
        async fn pick(from: Vec<u8>, at: u64) -> u64 { u64::from(from[at as usize]) + at }
    }
}

/// A race in a fan-in that waits for the first two.
pub(crate) mod race {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn race(n: u64) -> Result<Vec<u64>> {
            let won = first_ok(2, 0..n, async |x| {
                let drawn = draw(x).await?;
                race!(look(drawn.0), async { draw(drawn.0).await.map(|(x, _)| x) })
            })
            .await?;
            Ok(vec![look(won[0]).await?, look(won[1]).await?])
        }

        #[function(on = ALI, failover = [AWS])]
        async fn draw(x: u64) -> Result<(u64, u64)> {
            if x == 1 { Err(Error::new("not this one")) } else { Ok((7, crate::many_faults::nonce())) }
        }

        #[function(on = AWS)]
        async fn look(x: u64) -> Result<u64> { Ok(x) }
    }
}

/// Branches that share batches.
mod member {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn member(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| {
                let (y, drawn) = square(x).await;
                next(y, drawn).await
            })
            .await;
            square(all.iter().sum::<u64>()).await.0
        }

        #[function(on = ALI, failover = [AWS], batch(size = 2, wait = "2s"))]
        async fn square(items: Vec<u64>) -> Vec<(u64, u64)> {
            items.into_iter().map(|x| (x * x, crate::many_faults::nonce())).collect()
        }

        #[function(on = AWS)]
        async fn next(x: u64, _drawn: u64) -> u64 { x + 1 }
    }
}

/// A fan-out that is started by relays, with a fan-in of several rows.
pub(crate) mod wide {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn wide(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| {
                let y = next(x).await;
                if y % 2 == 0 { there(y).await } else { y }
            })
            .await;
            next(all.iter().sum::<u64>()).await
        }

        #[function(on = AWS)]
        async fn next(x: u64) -> u64 { x + 1 }

        #[function(on = ALI)]
        async fn there(x: u64) -> u64 { x * 2 }
    }
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
    is_cancelled_anywhere::<nest::Nest>(1, 1);
    is_cancelled_anywhere::<nest::Nest>(2, 17);
}

#[test]
fn branches_that_are_raced_are_cancelled_anywhere() {
    is_cancelled_anywhere::<race::Race>(3, 1);
}

#[test]
fn members_of_batches_are_cancelled_anywhere() {
    is_cancelled_anywhere::<member::Member>(3, 1);
}

#[test]
fn runs_are_cancelled_among_many_faults_at_random() {
    let count = at_random() / 28;
    is_cancelled_among_many_faults::<Chain>(3, count, 7);
    is_cancelled_among_many_faults::<Fan>(vec![2, 1, 5], count, 8);
    is_cancelled_among_many_faults::<race::Race>(3, count, 9);
    is_cancelled_among_many_faults::<nest::Nest>(1, count, 10);
}

#[test]
fn a_wide_fan_out_is_cancelled_as_a_whole() {
    let expected = virtual_time(0, wide::Wide::plain(600));
    let calm = |at| cancel_at::<wide::Wide>(&sound, &600, &expected, at, &Schedule::default()).unwrap();
    for at in [5, 20, 300, 900, 1500, 2200] {
        let trial = calm(at);
        assert!(trial.was_cancelled, "cancelled at {at} of {}", trial.operations.len());
    }
}
