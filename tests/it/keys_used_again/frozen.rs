//! A copy of an earlier run that its platform froze at any of its operations, and that goes on at any
//! operation of a later run of the same key. Both runs end with their own results, and the copy decides
//! nothing.

use std::{fmt::Debug, sync::Arc, time::Duration};

use jointlambda::{
    Client, Options, RedriveError, RunError, Runtime, Status, Workflow,
    backend::{
        fault::{Action, Faults, Operation, Schedule},
        local::{DEFAULT_OBJECT_LIFETIME, LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
    id::RunId,
};

use super::{DAY, HOUR, short};
use crate::{
    cancelling::shapes::{member::Member, race::Race},
    faulty::{MakeParts, count_schedule, deploy_of, report, say, sound},
    many_faults::{at_random, chain::Chain, fan::Fan},
    redriving::shapes::{self, BROKEN},
    schedules::{singles, stride},
};

/// How long whoever starts or redrives a run waits for an answer before it tries once more.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long it waits when a service fails it.
const PAUSE: Duration = Duration::from_secs(60);
/// How often it tries.
const TRIES: usize = 100;

/// How the key is used a second time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reuse {
    pub(crate) key: &'static str,
    /// Both runs fail at first, and are redriven so long after that.
    pub(crate) redriven: Option<[Duration; 2]>,
    /// The first run is cancelled as soon as it has begun.
    pub(crate) cancelled: bool,
    pub(crate) retention: Duration,
    /// Rows go up to so long after their time.
    pub(crate) lag: Duration,
    /// How long after its start the first run's key is used again.
    pub(crate) after: Duration,
}

/// The rows of the first run are gone.
pub(crate) const GONE: Reuse =
    Reuse { key: "key", redriven: None, cancelled: false, retention: HOUR, lag: Duration::ZERO, after: DAY };
/// Some of them are still there, its run row among them: it is replaced.
const REPLACED: Reuse = Reuse {
    key: "replaced",
    redriven: None,
    cancelled: false,
    retention: HOUR,
    lag: Duration::from_secs(10 * 24 * 3600),
    after: Duration::from_secs(3 * 24 * 3600),
};
/// The run row is gone, and others are still there.
const IN_PARTS: Reuse = Reuse { key: "key", ..REPLACED };

/// What two runs of one key did.
pub(crate) struct Trial {
    operations: Vec<Operation>,
    /// How many operations there had been when the second one began.
    from: u64,
    /// How many there had been when the first one was to be cancelled.
    cancelled: Option<u64>,
}

struct World<W> {
    faults: Arc<Faults>,
    clouds: LocalClouds,
    client: Arc<Client<W>>,
    stopper: Arc<Client<W>>,
    observer: Client<W>,
    sweeper: Arc<Runtime>,
    options: Options,
}

impl<W: Workflow> World<W>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    fn new(parts: MakeParts<'_>, reuse: Reuse, schedule: &Schedule) -> Result<Self, String> {
        let (parts, faults) = (parts(), Faults::frozen(schedule));
        let mut config = Embedded::<W>::config();
        config.profile = Profile::TOKYO;
        config.epoch_ms = Some(1_800_000_000_000);
        for cloud in &mut config.clouds {
            cloud.expiry_lag = reuse.lag;
        }
        let clouds = LocalClouds::new(config).map_err(|e| e.to_string())?;
        let mut options = short();
        options.retention = reuse.retention;
        deploy_of::<W>(&*parts, &clouds, &faults, &options);
        let client = |backends| Client::<W>::new(backends, options.clone());
        let starter = parts.client(faults.wrap(clouds.backends_for_client()));
        let stopper = parts.stopper(faults.wrap(clouds.backends_for_client()));
        let sweeper = parts.sweeper(faults.wrap(clouds.backends_from(0)));
        Ok(World {
            client: Arc::new(client(starter)),
            stopper: Arc::new(client(stopper)),
            observer: client(parts.client(clouds.backends_for_client())),
            sweeper: Arc::new(Runtime::new::<W>(sweeper, options.clone())),
            faults,
            clouds,
            options,
        })
    }

    /// Starts a run; if the process does not come to an end, another does so.
    async fn start(&self, key: &'static str, input: &W::Input) -> Result<RunId, String> {
        let mut last = "it was frozen".to_owned();
        for _ in 0..TRIES {
            let (faults, client, input) = (self.faults.clone(), self.client.clone(), input.clone());
            let started = tokio::spawn(async move { faults.client(client.start(key, input)).await });
            match tokio::time::timeout(PATIENCE, started).await {
                Ok(Ok(Some(Ok(run)))) => return Ok(run),
                Ok(other) => {
                    last = format!("{other:?}");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(_) => {}
            }
        }
        Err(format!("the run could not be started: {last}"))
    }

    /// Redrives a run that has failed; if the process does not come to an end, another does so.
    async fn redrive(&self, run: &RunId) -> Result<(), String> {
        let mut last = "it was frozen".to_owned();
        for _ in 0..TRIES {
            let (faults, client, run) = (self.faults.clone(), self.stopper.clone(), run.clone());
            let redriven = tokio::spawn(async move { faults.client(client.redrive(&run)).await });
            match tokio::time::timeout(PATIENCE, redriven).await {
                Ok(Ok(Some(Ok(_) | Err(RedriveError::NotFailed(Status::Returned))))) => return Ok(()),
                Ok(other) => {
                    last = format!("{other:?}");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(_) => {}
            }
        }
        Err(format!("it could not be redriven: {last}"))
    }

    /// Cancels a run; if the process does not come to an end, another does so.
    async fn cancel(&self, run: &RunId) -> Result<Status, String> {
        let mut last = "it was frozen".to_owned();
        for _ in 0..TRIES {
            let (faults, client, run) = (self.faults.clone(), self.stopper.clone(), run.clone());
            let cancelled = tokio::spawn(async move { faults.client(client.cancel(&run)).await });
            match tokio::time::timeout(PATIENCE, cancelled).await {
                Ok(Ok(Some(Ok(status @ (Status::Cancelled | Status::Returned))))) => return Ok(status),
                Ok(other) => {
                    last = format!("{other:?}");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(_) => {}
            }
        }
        Err(format!("it could not be cancelled: {last}"))
    }

    /// Starts a run, and has it fail and redrives it where that is wanted. Brings it to its end, whatever
    /// stands still.
    async fn run(
        &self,
        key: &'static str,
        redriven: Option<Duration>,
        input: &W::Input,
        expected: &W::Output,
    ) -> Result<RunId, String> {
        BROKEN.set(redriven.is_some());
        let run = self.start(key, input).await?;
        if let Some(after) = redriven {
            match self.result(&run).await? {
                Err(RunError::Failed(_)) => {}
                other => return Err(format!("it did not fail: {other:?}")),
            }
            tokio::time::sleep(after).await;
            BROKEN.set(false);
            self.redrive(&run).await?;
        }
        match self.result(&run).await? {
            Ok(output) if output == *expected => Ok(run),
            other => Err(format!("the outcome is {other:?}")),
        }
    }

    /// Starts a run and cancels it; gives how many operations there had been in between.
    async fn run_and_cancel(&self, key: &'static str, input: &W::Input) -> Result<u64, String> {
        let run = self.start(key, input).await?;
        let from = self.faults.operations() as u64;
        let status = self.cancel(&run).await?;
        match (status, self.result(&run).await?) {
            (Status::Cancelled, Err(RunError::Cancelled)) | (Status::Returned, Ok(_)) => Ok(from),
            (_, other) => Err(format!("it was cancelled, and the outcome is {other:?}")),
        }
    }

    /// Sweeps every minute, beside sweeps that were frozen.
    async fn sweep_for_ever(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(61)).await;
            let (faults, sweeper) = (self.faults.clone(), self.sweeper.clone());
            tokio::spawn(async move { faults.client(sweeper.sweep(10)).await });
        }
    }

    async fn result(&self, run: &RunId) -> Result<Result<W::Output, RunError>, String> {
        let patient = async {
            loop {
                match self.observer.result(run).await {
                    Err(RunError::Fault(_)) => tokio::time::sleep(PAUSE).await,
                    result => return result,
                }
            }
        };
        tokio::select! {
            result = patient => Ok(result),
            () = self.sweep_for_ever() => unreachable!(),
            () = tokio::time::sleep(DAY) => Err("the run did not end".to_owned()),
        }
    }
}

/// Runs `W` on two inputs, one after the other under the same key. What `schedule` holds goes on once
/// operation `at` of both has begun, or else after the second run has ended.
pub(crate) fn twice<W: Workflow>(
    parts: MakeParts<'_>,
    reuse: Reuse,
    [first, second]: &[W::Input; 2],
    schedule: &Schedule,
    at: Option<u64>,
) -> Result<Trial, String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    BROKEN.set(false);
    let expected = |input: &W::Input| virtual_time(0, W::plain(input.clone()));
    let (first_expected, second_expected) = (expected(first), expected(second));
    let counts = parts().counts();
    let trial = virtual_time(0, async {
        let world = World::<W>::new(parts, reuse, schedule)?;
        let began = tokio::time::Instant::now();
        let redriven = |nth: usize| reuse.redriven.map(|after| after[nth]);
        let first = match reuse.cancelled {
            true => world.run_and_cancel(reuse.key, first).await.map(Some),
            false => world.run(reuse.key, redriven(0), first, &first_expected).await.map(|_| None),
        };
        let cancelled = first.map_err(|why| format!("the first run: {why}"))?;
        tokio::time::sleep_until(began + reuse.after).await;
        world.clouds.sweep_expired().await.map_err(|e| e.to_string())?;

        let faults = &world.faults;
        let (from, second_began) = (faults.operations() as u64, tokio::time::Instant::now());
        let thaw = async {
            match at {
                Some(at) => faults.reached(at).await,
                None => std::future::pending().await,
            }
            faults.release();
            std::future::pending::<()>().await;
        };
        let run = tokio::select! {
            run = world.run(reuse.key, redriven(1), second, &second_expected) => run?,
            () = thaw => unreachable!(),
        };
        faults.release();
        let operations = faults.log();
        // Whatever is late comes now, and must find nothing to do.
        tokio::time::sleep(3 * HOUR / 2).await;
        world.clouds.idle().await;
        faults.client(world.sweeper.sweep(10)).await;
        match world.result(&run).await? {
            Ok(output) if output == second_expected => {}
            // It took so long that its rows have gone.
            Err(RunError::NoSuchRun(_)) if second_began.elapsed() > 3 * HOUR => {}
            other => return Err(format!("the outcome became {other:?}")),
        }
        if let Some(violation) = faults.violations().first() {
            return Err(violation.clone());
        }
        tokio::time::sleep(world.options.retention + DEFAULT_OBJECT_LIFETIME + reuse.lag).await;
        world.clouds.sweep_expired().await.map_err(|e| e.to_string())?;
        let holdings = world.clouds.holdings().map_err(|e| e.to_string())?;
        if holdings.rows > 0 || holdings.objects > 0 {
            return Err(format!("{} rows and {} objects are left", holdings.rows, holdings.objects));
        }
        if counts {
            count_schedule(faults);
        }
        Ok(Trial { operations, from, cancelled })
    });
    BROKEN.set(false);
    trial
}

fn named<W: Workflow>(reuse: Reuse, schedule: &Schedule, at: Option<u64>) -> String {
    format!("{} {reuse:?}, {schedule}, thawed at {at:?}", W::definition().name)
}

/// Each operation of the first of two runs at which a copy can be frozen, before or after it.
fn freezes(calm: &Trial) -> Vec<Schedule> {
    let of_first = &calm.operations[..calm.from as usize];
    // Whoever cancels the run of a key knows of none before it has read one: it may cancel the later one.
    let knows_none = |at, action| Some(at) == calm.cancelled && action == Action::HoldBefore;
    let holds = |schedule: &Schedule| {
        let (at, action) = schedule.0[0];
        matches!(action, Action::HoldBefore | Action::HoldAfter) && !knows_none(at, action)
    };
    singles(of_first, 0).into_iter().filter(holds).collect()
}

/// Freezes a copy of the first run at every operation, and has it go on at every `stride`-th moment of
/// the second.
fn survives<W: Workflow>(reuse: Reuse, inputs: &[W::Input; 2], stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let attempt = |schedule: &Schedule, at| {
        twice::<W>(&sound, reuse, inputs, schedule, at)
            .map_err(|why| format!("{}: {why}", named::<W>(reuse, schedule, at)))
    };
    let calm = attempt(&Schedule::default(), None).unwrap_or_else(|why| panic!("{why}"));
    let (mut failures, mut there, mut tried) = (Vec::new(), 0, 0);
    for freeze in freezes(&calm) {
        // What is done meanwhile for the first run is numbered, too.
        let frozen = match attempt(&freeze, None) {
            Ok(frozen) => frozen,
            Err(why) => {
                failures.push(why);
                continue;
            }
        };
        for at in frozen.from..frozen.operations.len() as u64 {
            there += 1;
            if there % stride == 0 {
                tried += 1;
                failures.extend(attempt(&freeze, Some(at)).err());
            }
        }
    }
    let name = W::definition().name;
    say(format_args!("`{name}` under a key used again: {tried} of {there} moments at which a copy goes on"));
    report::<W>(&failures);
}

/// Freezes a copy of the first run `count` times at random, each time with one more fault in the second.
fn survives_at_random<W: Workflow>(reuse: Reuse, inputs: &[W::Input; 2], count: usize, seed: u64)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let attempt = |schedule: &Schedule, at| {
        let named = || format!("seed {seed}, {}", named::<W>(reuse, schedule, at));
        twice::<W>(&sound, reuse, inputs, schedule, at).unwrap_or_else(|why| panic!("{}: {why}", named()))
    };
    let freezes = freezes(&attempt(&Schedule::default(), None));
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..count {
        let mut schedule = freezes[random.usize(..freezes.len())].clone();
        let frozen = attempt(&schedule, None);
        let of_second = frozen.from..frozen.operations.len() as u64;
        let more = singles(&frozen.operations, frozen.from);
        schedule.0.extend(more[random.usize(..more.len())].0.iter().copied());
        attempt(&schedule, Some(random.u64(of_second)));
    }
}

/// What goes wrong where a key is used again on a deployment of `parts`, with nothing frozen or with a
/// copy of the first run, that does not go wrong with the protocol as it is.
pub(crate) fn first_failure<W: Workflow>(
    parts: MakeParts<'_>,
    reuse: Reuse,
    inputs: &[W::Input; 2],
) -> Option<String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let attempt = |parts, schedule: &Schedule, at| twice::<W>(parts, reuse, inputs, schedule, at);
    let new = |schedule: &Schedule, at| {
        let why = attempt(parts, schedule, at).err()?;
        attempt(&sound, schedule, at).ok()?;
        Some(format!("{}: {why}", named::<W>(reuse, schedule, at)))
    };
    let calm = Schedule::default();
    if let Some(why) = new(&calm, None) {
        return Some(why);
    }
    let calm = attempt(parts, &calm, None).ok()?;
    freezes(&calm).into_iter().find_map(|freeze| {
        let Ok(frozen) = attempt(parts, &freeze, None) else { return new(&freeze, None) };
        (frozen.from..frozen.operations.len() as u64).find_map(|at| new(&freeze, Some(at)))
    })
}

#[test]
fn a_copy_of_an_earlier_run_decides_nothing_in_a_chain() {
    for reuse in [GONE, REPLACED, IN_PARTS] {
        survives::<Chain>(reuse, &[3, 4], 1);
    }
}

#[test]
fn a_copy_of_an_earlier_run_decides_nothing_in_a_map() {
    for reuse in [GONE, REPLACED] {
        survives::<Fan>(reuse, &[vec![2, 1, 5], vec![4, 7]], stride(5));
    }
}

#[test]
fn a_copy_of_an_earlier_run_decides_nothing_in_one_that_is_redriven() {
    for reuse in [GONE, REPLACED] {
        let reuse = Reuse { redriven: Some([Duration::ZERO; 2]), ..reuse };
        survives::<shapes::chain::Chain>(reuse, &[3, 4], stride(7));
    }
}

#[test]
fn a_copy_of_an_earlier_run_decides_nothing_beside_another_fault() {
    let count = at_random() / 140;
    survives_at_random::<Chain>(GONE, &[3, 4], count, 21);
    survives_at_random::<Fan>(REPLACED, &[vec![2, 1, 5], vec![4, 7]], count, 22);
    let reuse = Reuse { redriven: Some([Duration::ZERO; 2]), ..GONE };
    survives_at_random::<shapes::chain::Chain>(reuse, &[3, 4], count, 23);
}

#[test]
fn a_copy_of_an_earlier_run_decides_nothing_in_a_race_or_a_batch() {
    survives::<Race>(GONE, &[3, 4], stride(23));
    survives::<Member>(GONE, &[3, 4], stride(17));
    let reuse = Reuse { redriven: Some([Duration::ZERO; 2]), ..REPLACED };
    survives::<shapes::together::Together>(reuse, &[3, 4], stride(61));
}

#[test]
fn whoever_cancelled_an_earlier_run_cancels_nothing_of_the_later_one() {
    for reuse in [GONE, REPLACED] {
        let reuse = Reuse { cancelled: true, ..reuse };
        survives::<Chain>(reuse, &[3, 4], 1);
        survives::<Fan>(reuse, &[vec![2, 1, 5], vec![4, 7]], stride(11));
    }
}

/// Loses each event of the first run, and freezes a copy, or a sweep, at every operation that follows.
fn survives_a_loss<W: Workflow>(reuse: Reuse, inputs: &[W::Input; 2], stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let attempt = |schedule: &Schedule, at| {
        twice::<W>(&sound, reuse, inputs, schedule, at)
            .map_err(|why| format!("{}: {why}", named::<W>(reuse, schedule, at)))
    };
    let calm = attempt(&Schedule::default(), None).unwrap_or_else(|why| panic!("{why}"));
    let (mut failures, mut there, mut tried) = (Vec::new(), 0, 0);
    let of_first = (0..calm.from).filter(|&at| calm.operations[at as usize] == Operation::Invoke);
    for lost in of_first.map(|at| (at, Action::Drop)) {
        let calm = match attempt(&Schedule(vec![lost]), None) {
            Ok(calm) => calm,
            Err(why) => {
                failures.push(why);
                continue;
            }
        };
        for freeze in freezes(&calm).into_iter().filter(|freeze| freeze.0[0].0 > lost.0) {
            let freeze = Schedule(vec![lost, freeze.0[0]]);
            let frozen = match attempt(&freeze, None) {
                Ok(frozen) => frozen,
                Err(why) => {
                    failures.push(why);
                    continue;
                }
            };
            for at in frozen.from..frozen.operations.len() as u64 {
                there += 1;
                if there % stride == 0 {
                    tried += 1;
                    failures.extend(attempt(&freeze, Some(at)).err());
                }
            }
        }
    }
    let name = W::definition().name;
    say(format_args!(
        "`{name}` under a key used again, swept: {tried} of {there} moments at which it goes on"
    ));
    report::<W>(&failures);
}

#[test]
fn a_sweep_of_an_earlier_run_decides_nothing_in_the_later_one() {
    for reuse in [GONE, REPLACED] {
        survives_a_loss::<Chain>(reuse, &[3, 4], 1);
        let reuse = Reuse { cancelled: true, ..reuse };
        survives_a_loss::<Chain>(reuse, &[3, 4], 1);
        survives_a_loss::<Fan>(reuse, &[vec![2, 1, 5], vec![4, 7]], 7);
        let reuse = Reuse { cancelled: false, redriven: Some([Duration::ZERO; 2]), ..reuse };
        survives_a_loss::<shapes::chain::Chain>(reuse, &[3, 4], 31);
    }
}
