//! A copy of an earlier run that its platform froze at any of its operations, and that goes on at any
//! operation of a later run of the same key. Both runs end with their own results, and the copy decides
//! nothing.

mod moments;

use std::{fmt::Debug, sync::Arc, time::Duration};

use jointlambda::{
    Client, Options, RedriveError, RunError, Runtime, Status, Workflow,
    backend::{
        fault::{Faults, Operation, Schedule},
        local::{DEFAULT_OBJECT_LIFETIME, LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
    id::RunId,
};

pub(crate) use self::moments::first_failure;
use super::{DAY, HOUR, short};
use crate::{
    faulty::{MakeParts, count_schedule, deploy_of},
    redriving::shapes::BROKEN,
};

/// How long a client that starts or redrives a run waits for an answer before it tries once more.
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
