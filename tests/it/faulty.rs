//! Runs under faults: every single fault of a run, pairs of them, and many at random. After each,
//! the outcome is that of the plain run, every consumer saw one outcome per instance, and nothing
//! is left but tombstones.

use std::{
    fmt::{self, Debug},
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use jointlambda::{
    Client, Options, RunError, Runtime, Workflow,
    backend::{
        Backend, Handler,
        fault::{Action, Faults, Operation, Schedule},
        local::{Config, DEFAULT_OBJECT_LIFETIME, LocalClouds, virtual_time},
    },
    embedded::Embedded,
    envelope::Failure,
    id::RunId,
};

use crate::{
    deliveries::{Deliveries, active},
    replay::Replay,
    schedules::{crashes, drawn, every_of_each_kind, pairs_from, singles},
};

/// How many schedules of faults that happened this process has run.
pub(crate) static SCHEDULES: AtomicU64 = AtomicU64::new(0);
/// How many it had run when it last said so.
static SAID: AtomicU64 = AtomicU64::new(0);
/// How many schedules it runs before it says so again.
const SAY_EVERY: u64 = 1000;

/// How often a client that crashed starts its run again.
const CLIENT_TRIES: usize = 4;
/// Operations beyond those of a run without faults that one fault may cause, per operation of
/// that run: a fault late in a run may make everything before it be dispatched again.
const REDONE: usize = 4;

/// How often an event is delivered at least before its platform gives up on it.
pub(crate) const DELIVERIES: usize = 3;
/// Of runs of more operations than this not all single faults are tried; each shape has a shorter one.
const LONGEST: usize = 2000;
/// Of those runs each fault at each kind of operation is tried at every so many-th operation of that
/// kind. A prime, so that it is coprime to the operations of a branch: each of them has its turn.
const SAMPLED: usize = 101;
/// What the clouds' clock shows when a trial begins, so that its batches are the same each time.
const EPOCH_MS: u64 = 1_800_000_000_000;

/// What a run under a schedule did.
pub(crate) struct Trial {
    pub(crate) operations: Vec<Operation>,
    pub(crate) happened: usize,
    /// The rows it left as tombstones.
    rows: u64,
    /// Why runs of it failed, once their faults had used up the deliveries of a call.
    pub(crate) failures: Vec<Failure>,
}

/// A deployment's parts, each of which a mutant may break.
pub(crate) trait Parts {
    /// The clouds.
    fn config(&self, config: Config) -> Config {
        config
    }

    /// The backends that clients use.
    fn client(&self, sound: Vec<Backend>) -> Vec<Backend> {
        sound
    }

    /// The backends that functions on `cloud` use.
    fn backends(&self, _cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        sound
    }

    /// The backends that sweeps use.
    fn sweeper(&self, sound: Vec<Backend>) -> Vec<Backend> {
        self.backends(0, sound)
    }

    /// The backends of whoever cancels a run, or redrives it.
    fn stopper(&self, sound: Vec<Backend>) -> Vec<Backend> {
        sound
    }

    /// What receives events.
    fn handler(&self, sound: Arc<dyn Handler>) -> Arc<dyn Handler> {
        sound
    }

    /// Whether late runs are swept.
    fn sweeps(&self) -> bool {
        true
    }

    /// Whether the platform may give up on an event for good.
    fn may_lose_events(&self) -> bool {
        false
    }

    /// Whether it gives up on an event that could still be delivered, so that a run may fail.
    fn gives_up(&self) -> bool {
        false
    }

    /// Is told that a trial begins.
    fn begins(&self, _faults: &Arc<Faults>) {}

    /// Whether a trial counts as one of the protocol.
    fn counts(&self) -> bool {
        false
    }
}

/// Makes the parts of one trial: a mutant has a state of its own in each.
pub(crate) type MakeParts<'p> = &'p dyn Fn() -> Box<dyn Parts>;

/// The protocol as it is, with its sweeper or without.
pub(crate) struct Sound {
    pub(crate) sweeps: bool,
}

impl Parts for Sound {
    fn sweeps(&self) -> bool {
        self.sweeps
    }

    fn counts(&self) -> bool {
        true
    }
}

/// The protocol as it is.
pub(crate) fn sound() -> Box<dyn Parts> {
    Box::new(Sound { sweeps: true })
}

/// Whether an outcome of the run on an input, by its number, is one that the plain run may have, too.
type Accepts<W> = Box<dyn Fn(usize, &<W as Workflow>::Output) -> bool>;

/// Counts a schedule that was run, if any fault of it happened.
pub(crate) fn count_schedule(faults: &Faults) {
    SCHEDULES.fetch_add(u64::from(faults.happened() > 0), Relaxed);
}

/// Deploys `W` on clouds whose functions, and what they ask of the stores, may fail.
pub(crate) fn deploy<W: Workflow>(
    clouds: &LocalClouds,
    faults: &Arc<Faults>,
    options: &Options,
) -> Arc<Deliveries> {
    deploy_of::<W>(&*sound(), clouds, faults, options)
}

/// The same of `parts`.
pub(crate) fn deploy_of<W: Workflow>(
    parts: &dyn Parts,
    clouds: &LocalClouds,
    faults: &Arc<Faults>,
    options: &Options,
) -> Arc<Deliveries> {
    parts.begins(faults);
    let deliveries = Arc::<Deliveries>::default();
    for cloud in 0..W::definition().clouds.len() {
        let backends = parts.backends(cloud, faults.wrap(clouds.backends_from(cloud)));
        let runtime = Runtime::new::<W>(backends, options.clone()).on(cloud as u16);
        let runtime = parts.handler(Arc::new(runtime));
        clouds.serve(cloud, deliveries.handler(faults.handler(runtime)));
    }
    deliveries
}

/// Sweeps every minute.
pub(crate) async fn sweep_for_ever(faults: &Arc<Faults>, sweeper: &Runtime) {
    loop {
        tokio::time::sleep(Duration::from_secs(61)).await;
        faults.client(sweeper.sweep(10)).await;
    }
}

/// Runs `W` once on each of `inputs`, all at the same time, under `schedule`; `Err` says what went
/// wrong.
pub(crate) fn attempt<W: Workflow>(
    parts: MakeParts<'_>,
    inputs: &[W::Input],
    accepts: &dyn Fn(usize, &W::Output) -> bool,
    schedule: &Schedule,
) -> Result<Trial, String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let parts = parts();
    virtual_time(0, async {
        let faults = Faults::new(schedule);
        let config = Config { epoch_ms: Some(EPOCH_MS), ..Embedded::<W>::config() };
        let clouds = LocalClouds::new(parts.config(config)).map_err(|e| e.to_string())?;
        let options = Options::default();
        let deliveries = deploy_of::<W>(&*parts, &clouds, &faults, &options);
        let backends = parts.client(faults.wrap(clouds.backends_for_client()));
        let client = Client::<W>::new(backends, options.clone());
        let mut runs = Vec::new();
        for (number, input) in inputs.iter().enumerate() {
            let key = format!("key {number}");
            for _ in 0..CLIENT_TRIES {
                if let Some(Ok(run)) = faults.client(client.start(&key, input.clone())).await {
                    runs.push(run);
                    break;
                }
            }
        }
        if runs.len() < inputs.len() {
            return Err("a run could not be started".to_owned());
        }
        let observer = Client::<W>::new(parts.client(clouds.backends_for_client()), options.clone());
        let backends = parts.sweeper(faults.wrap(clouds.backends_from(0)));
        let sweeper = Runtime::new::<W>(backends, options.clone());
        let sweeping = async {
            while !parts.sweeps() {
                std::future::pending::<()>().await;
            }
            sweep_for_ever(&faults, &sweeper).await;
        };
        let results = tokio::select! {
            results = results_of(&observer, &runs) => results,
            () = sweeping => unreachable!(),
            () = tokio::time::sleep(Duration::from_secs(24 * 3600)) => return Err("the run did not end".to_owned()),
        };
        let mut ended = Vec::new();
        for (number, result) in results.into_iter().enumerate() {
            match result {
                Ok(output) if accepts(number, &output) => ended.push(Ok(output)),
                Ok(output) => return Err(format!("the outcome is {output:?}")),
                Err(RunError::Failed(failure)) => ended.push(Err(failure)),
                Err(error) => return Err(format!("no result: {error}")),
            }
        }
        // Everything late comes now, and must find nothing to do.
        tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
        clouds.idle().await;
        let mut failures = Vec::new();
        for (run, ended) in runs.iter().zip(ended) {
            match ended {
                Ok(output) => {
                    let after = observer.result(run).await.map_err(|e| e.to_string())?;
                    if after != output {
                        return Err(format!("the outcome became {after:?}"));
                    }
                }
                Err(failure) => {
                    // What gives up at a moment of its own is no part of the platform's deliveries.
                    if !parts.gives_up() {
                        deliveries.account_for(&observer, run, &failure).await?;
                    }
                    failures.push(failure);
                }
            }
        }
        if !failures.is_empty() {
            // Nobody goes on with it, then or later.
            let before = active(&faults);
            faults.client(sweeper.sweep(10)).await;
            tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
            clouds.idle().await;
            if active(&faults) > before {
                return Err("something was done long after the run had failed".to_owned());
            }
        }
        if let Some(violation) = faults.violations().first() {
            return Err(violation.clone());
        }
        let usage = clouds.meter().total().ok_or("no cloud")?;
        if usage.lost > 0 && !parts.may_lose_events() {
            return Err(format!("{} events were lost", usage.lost));
        }
        let holdings = clouds.holdings().map_err(|e| e.to_string())?;
        let rows = holdings.rows;
        // What a failed run stored stays for a redrive of it.
        if failures.is_empty() && holdings.objects > runs.len() as u64 {
            return Err(format!("{} objects outlived the run, not its result alone", holdings.objects));
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
        Ok(Trial { operations: faults.log(), happened: faults.happened(), rows, failures })
    })
}

async fn results_of<W: Workflow>(client: &Client<W>, runs: &[RunId]) -> Vec<Result<W::Output, RunError>> {
    let mut results = Vec::new();
    for run in runs {
        results.push(client.result(run).await);
    }
    results
}

/// Runs of `W` at the same time, one on each input, to be tried under many schedules.
struct Subject<'p, W: Workflow> {
    parts: MakeParts<'p>,
    inputs: Vec<W::Input>,
    accepts: Accepts<W>,
    calm: Vec<Operation>,
    rows: u64,
}

impl<'p, W: Workflow> Subject<'p, W>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    fn new(inputs: Vec<W::Input>) -> Self {
        let expected: Vec<_> = inputs.iter().map(|input| virtual_time(0, W::plain(input.clone()))).collect();
        Self::of(inputs, Box::new(move |number, output| *output == expected[number]))
    }

    /// A run that may end in several ways: the plain run in one of them, too.
    fn accepting(input: W::Input, accepts: impl Fn(&W::Output) -> bool + 'static) -> Self {
        let plain = virtual_time(0, W::plain(input.clone()));
        assert!(accepts(&plain), "{}: the plain run gives {plain:?}", W::definition().name);
        Self::of(vec![input], Box::new(move |_, output| accepts(output)))
    }

    fn of(inputs: Vec<W::Input>, accepts: Accepts<W>) -> Self {
        Self::of_parts(&sound, inputs, accepts)
    }

    fn of_parts(parts: MakeParts<'p>, inputs: Vec<W::Input>, accepts: Accepts<W>) -> Self {
        let calm = attempt::<W>(parts, &inputs, &accepts, &Schedule::default())
            .unwrap_or_else(|why| panic!("{} without faults: {why}", W::definition().name));
        let mut rows = calm.rows;
        if W::definition().functions.iter().any(|function| function.batch.is_some()) {
            // Who is late finds other company: at worst each member is in a row of its own.
            rows += calm.operations.iter().filter(|one| **one == Operation::Arrive).count() as u64;
        }
        Subject { parts, inputs, accepts, calm: calm.operations, rows }
    }

    /// Tries a schedule; its operations, or what went wrong.
    fn attempt(&self, schedule: &Schedule) -> Result<Trial, String> {
        let faults = schedule.0.len();
        let bound = self.calm.len() * (1 + REDONE * faults) + 60 * faults;
        match attempt::<W>(self.parts, &self.inputs, &self.accepts, schedule) {
            // As many crashes as there are deliveries use those of one event up; fewer do not.
            Ok(trial) if crashes(schedule) < DELIVERIES && !trial.failures.is_empty() => {
                Err(format!("{}: the run failed: {}", self.named(schedule), trial.failures[0]))
            }
            // Names are pure functions, so that no fault makes another row.
            Ok(trial) if trial.rows > self.rows => Err(format!(
                "{}: {} rows, where there are {} without faults",
                self.named(schedule),
                trial.rows,
                self.rows
            )),
            Ok(trial) if trial.operations.len() > bound => {
                Err(format!("{}: {} operations, over {bound}", self.named(schedule), trial.operations.len()))
            }
            Ok(trial) => Ok(trial),
            Err(why) => Err(format!("{}: {why}", self.named(schedule))),
        }
    }

    /// The schedule as it is replayed.
    fn named(&self, schedule: &Schedule) -> Replay {
        Replay::of::<W>(None, schedule)
    }

    /// Whether another schedule is to be tried instead, and has been.
    fn replayed(&self) -> bool {
        let Some(wanted) = Replay::wanted::<W>(|replay| replay.moment.is_none()) else { return false };
        for replay in wanted {
            let trial = self.attempt(&replay.schedule);
            replay.tell(trial.as_ref().map(|trial| &*trial.operations));
        }
        true
    }

    fn survive_single_faults(&self) {
        let (name, operations) = (W::definition().name, self.calm.len());
        if self.replayed() {
            return;
        }
        let mut failures = Vec::new();
        let all = singles(&self.calm, 0);
        let stride = if operations > LONGEST { SAMPLED } else { 1 };
        let of_kind = |schedule: &Schedule| {
            let (number, action) = schedule.0[0];
            (self.calm[number as usize], action)
        };
        if stride > 1 {
            let tried = every_of_each_kind(stride, &all, of_kind).count();
            say(format_args!(
                "`{name}` of {operations} operations: at each kind of operation one in {stride} of each \
                 fault, {tried} of {}",
                all.len()
            ));
        }
        for schedule in every_of_each_kind(stride, &all, of_kind) {
            match self.attempt(schedule) {
                Ok(trial) if trial.happened == 0 => failures.push(format!("{schedule}: it did not happen")),
                Ok(_) => {}
                Err(why) => failures.push(why),
            }
        }
        Self::report(&failures);
    }

    fn report(failures: &[String]) {
        report::<W>(failures);
    }
}

/// Fails with what went wrong in runs of `W`, and says how many schedules were tried.
pub(crate) fn report<W: Workflow>(failures: &[String]) {
    let shown = failures.len().min(20);
    let name = W::definition().name;
    let schedules = SCHEDULES.load(Relaxed);
    if schedules >= SAID.load(Relaxed) + SAY_EVERY {
        SAID.store(schedules, Relaxed);
        say(format_args!("{schedules} fault schedules up to here, the last of `{name}`"));
    }
    assert!(
        failures.is_empty(),
        "{name}: {} schedules, such as\n{}",
        failures.len(),
        failures[..shown].join("\n")
    );
}

/// Says something past the test harness, which keeps what passing tests print.
pub(crate) fn say(what: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Tries every single fault of a run of `W` on `input`.
pub(crate) fn survive_single_faults<W: Workflow>(input: W::Input)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    Subject::<W>::new(vec![input]).survive_single_faults();
}

/// The same on a deployment of `parts`.
pub(crate) fn survive_single_faults_of<W: Workflow>(parts: MakeParts<'_>, input: W::Input)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    let accepts = Box::new(move |_, output: &W::Output| *output == expected);
    Subject::<W>::of_parts(parts, vec![input], accepts).survive_single_faults();
}

/// Tries every single fault of a run that may end in several ways.
pub(crate) fn survive_single_faults_where<W: Workflow>(
    input: W::Input,
    accepts: impl Fn(&W::Output) -> bool + 'static,
) where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let subject = Subject::<W>::accepting(input, accepts);
    subject.survive_single_faults();
}

/// Tries every single fault of runs of `W` at the same time, one on each of `inputs`.
pub(crate) fn survive_single_faults_of_runs<W: Workflow>(inputs: Vec<W::Input>)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    Subject::<W>::new(inputs).survive_single_faults();
}

/// Tries every single fault but a dropped event on a deployment that is never swept: what a
/// platform delivers until it is done needs no sweeper.
pub(crate) fn survive_without_a_sweeper<W: Workflow>(inputs: Vec<W::Input>)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let parts: MakeParts<'_> = &|| Box::new(Sound { sweeps: false });
    let subject = Subject { parts, ..Subject::<W>::new(inputs) };
    if subject.replayed() {
        return;
    }
    let schedules = singles(&subject.calm, 0).into_iter().filter(|one| one.0[0].1 != Action::Drop);
    let failures: Vec<_> = schedules.filter_map(|schedule| subject.attempt(&schedule).err()).collect();
    Subject::<W>::report(&failures);
}

/// Runs `W` on a deployment of `parts`, without other faults.
pub(crate) fn under<W: Workflow>(
    parts: MakeParts<'_>,
    input: W::Input,
    accepts: &dyn Fn(&W::Output) -> bool,
) -> Result<(), String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let trial = attempt::<W>(parts, &[input], &|_, output| accepts(output), &Schedule::default())?;
    trial.failures.first().map_or(Ok(()), |failure| Err(format!("the run failed: {failure}")))
}

/// What the suite finds wrong with a deployment of `parts`, without faults, under one, or under one
/// beside an event that is late, that it does not find wrong with one of `baseline`.
pub(crate) fn first_failure<W: Workflow>(
    parts: MakeParts<'_>,
    baseline: MakeParts<'_>,
    input: W::Input,
) -> Option<String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    first_failure_of_runs::<W>(parts, baseline, vec![input])
}

/// The same of runs at the same time, one on each of `inputs`.
pub(crate) fn first_failure_of_runs<W: Workflow>(
    parts: MakeParts<'_>,
    baseline: MakeParts<'_>,
    inputs: Vec<W::Input>,
) -> Option<String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let subject = Subject { parts, ..Subject::<W>::new(inputs.clone()) };
    let baseline = Subject { parts: baseline, ..Subject::<W>::new(inputs) };
    let singles = singles(&subject.calm, 0);
    let late = |(number, &operation): (u64, &Operation)| {
        (operation == Operation::Invoke).then_some((number, Action::Delay(Duration::from_millis(40))))
    };
    let late: Vec<_> = (0..).zip(&subject.calm).filter_map(late).collect();
    let pairs = late.iter().flat_map(|&late| {
        let others = singles.iter().filter(move |single| single.0[0].0 != late.0);
        others.map(move |single| Schedule(vec![late, single.0[0]]))
    });
    let schedules = std::iter::once(Schedule::default()).chain(singles.iter().cloned()).chain(pairs);
    let failures = schedules.filter_map(|schedule| Some((subject.attempt(&schedule).err()?, schedule)));
    let mut new = failures.filter(|(_, schedule)| baseline.attempt(schedule).is_ok());
    new.next().map(|(why, _)| why)
}

/// Tries pairs of faults: to each single fault, every `stride`-th fault that can come after it.
pub(crate) fn survive_pairs<W: Workflow>(input: W::Input, stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    pairs_of(&Subject::<W>::new(vec![input]), stride);
}

/// The same of runs at the same time, one on each of `inputs`.
pub(crate) fn survive_pairs_of_runs<W: Workflow>(inputs: Vec<W::Input>, stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    pairs_of(&Subject::<W>::new(inputs), stride);
}

/// Tries pairs of faults in a run that may end in several ways.
pub(crate) fn survive_pairs_where<W: Workflow>(
    input: W::Input,
    stride: usize,
    accepts: impl Fn(&W::Output) -> bool + 'static,
) where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    pairs_of(&Subject::<W>::accepting(input, accepts), stride);
}

fn pairs_of<W: Workflow>(subject: &Subject<'_, W>, stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    if subject.replayed() {
        return;
    }
    let attempt = |schedule: &Schedule| subject.attempt(schedule).map(|trial| trial.operations);
    Subject::<W>::report(&pairs_from(&subject.calm, 0, stride, attempt).failures);
}

/// Tries `count` schedules of two to five faults, drawn from `seed`.
pub(crate) fn survive_random<W: Workflow>(input: W::Input, count: usize, seed: u64)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    random_of(&Subject::<W>::new(vec![input]), count, seed);
}

/// The same of runs at the same time, one on each of `inputs`.
pub(crate) fn survive_random_of_runs<W: Workflow>(inputs: Vec<W::Input>, count: usize, seed: u64)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    random_of(&Subject::<W>::new(inputs), count, seed);
}

/// Tries random schedules in a run that may end in several ways.
pub(crate) fn survive_random_where<W: Workflow>(
    input: W::Input,
    count: usize,
    seed: u64,
    accepts: impl Fn(&W::Output) -> bool + 'static,
) where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    random_of(&Subject::<W>::accepting(input, accepts), count, seed);
}

fn random_of<W: Workflow>(subject: &Subject<'_, W>, count: usize, seed: u64)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    if subject.replayed() {
        return;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut failures = Vec::new();
    for _ in 0..count {
        let schedule = drawn(&mut random, &subject.calm, 0);
        match subject.attempt(&schedule) {
            Ok(_) => {}
            // Each try of the client takes a fault.
            Err(why) if why.contains("could not be started") && schedule.0.len() >= CLIENT_TRIES => {}
            Err(why) => failures.push(format!("seed {seed}, {why}")),
        }
    }
    Subject::<W>::report(&failures);
}

#[test]
fn a_printed_schedule_is_the_same_run_again() {
    let subject = Subject::<crate::many_faults::fan::Fan>::new(vec![vec![2, 1, 5]]);
    let schedule = "3:CrashAfter 9:Duplicate(40ms) 14:HoldBefore".parse::<Schedule>().unwrap();
    let printed = subject.named(&schedule).to_string();
    let first = subject.attempt(&schedule).unwrap();
    assert_eq!(first.happened, schedule.0.len());
    assert_ne!(first.operations, subject.calm);
    let again = printed.parse::<Replay>().unwrap();
    assert_eq!(again.workflow, "fan");
    assert_eq!(subject.attempt(&again.schedule).unwrap().operations, first.operations);
}

#[test]
fn a_run_fails_once_its_faults_have_used_up_the_deliveries_and_says_so() {
    let subject = Subject::<crate::many_faults::chain::Chain>::new(vec![3]);
    let begins = |operations: &[Operation], nth: usize| {
        let numbered = (0..).zip(operations).filter(|(_, one)| **one == Operation::Begin);
        numbered.map(|(number, _)| number).nth(nth).unwrap()
    };
    let mut schedule = Schedule::default();
    let failures = loop {
        let trial = subject.attempt(&schedule).unwrap();
        let delivery = schedule.0.len();
        assert!(delivery < 8, "{schedule}: it never fails");
        if !trial.failures.is_empty() {
            break trial.failures;
        }
        schedule.0.push((begins(&trial.operations, delivery), Action::CrashBefore));
    };
    assert!(schedule.0.len() >= DELIVERIES, "{schedule}");
    assert_eq!((&*failures[0].at, failures[0].attempts), ("there", schedule.0.len() as u32));
}
