//! Starting a run, reading its result, and looking after it: report, cancel, redrive. The client
//! is a caller like any function: the first glue runs here, and its continuation is committed in
//! the run row before anything is invoked.

mod list;

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::list::{MAX_LISTED, RunList, RunSummary, Which};
use crate::{
    backend::{Arrival, Backend, Check, Created, Look, NewRow, NewRun, Row, Table, Timestamp},
    bounds::check_calls,
    clocks::ClocksApart,
    codec,
    commit::{Actor, CANCEL, END, Instance, Next, REDRIVEN, Ran, Settled},
    envelope::{Arrived, CloudSet, Continuation, Ended, Failure, Stamp, Term, Value},
    error::Fault,
    id::{DeploymentId, Digest, Incarnation, ObjectsOf, RowKey, RunId},
    machine::{Input, Machine, Workflow},
    payload::row_bound,
    retry,
    runtime::{Options, Runtime},
    sketch::Sketch,
    survey::{InstanceReport, InstanceState},
};

/// The state of the glue in which a run begins.
const START: u16 = 0;
/// The longest idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;
/// How far the clock of the machine that starts a run may be off, in milliseconds.
const MAX_CLOCK_OFF_MS: u64 = 5 * 60 * 1000;
/// How often a run can be redriven.
pub const MAX_REDRIVES: usize = 100;
/// How many instances a report tells of.
pub const MAX_REPORTED: usize = 10_000;

/// Starts runs of the workflow `W` and reads their results.
pub struct Client<W> {
    runtime: Runtime,
    /// Tables that have run rows of earlier deployments, and none of this one.
    moved_from: Vec<Arc<dyn Table>>,
    workflow: PhantomData<fn() -> W>,
}

/// The body of a run row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    /// First, so that each version can read of each whose it is.
    pub(crate) deployment: DeploymentId,
    key: String,
    input: Digest,
    pub(crate) term: Term,
    /// When the first of the rows goes by which its key leads to it.
    kept_until: Timestamp,
    pub(crate) objects: CloudSet,
    pub(crate) first: Value,
    /// What `first` says, without its values, when it is stored.
    pub(crate) sketch: Option<Sketch>,
}

/// Why a run was not started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The key names a run with another input.
    #[error(
        "the key `{key}` already names a run with another input: use the same input to resume it, or another key"
    )]
    OtherInput {
        /// The key.
        key: String,
    },
    /// The key names a run of another deployment of the workflow: another version, or other tables.
    #[error(
        "the key `{key}` names a run of another deployment of the workflow ({theirs}, this one is {ours}): use another key"
    )]
    OtherDeployment {
        /// The key.
        key: String,
        /// The deployment that the run is of.
        theirs: DeploymentId,
        /// This one.
        ours: DeploymentId,
    },
    /// The key is empty or too long.
    #[error("an idempotency key has 1 to {MAX_KEY_BYTES} bytes, not {bytes}")]
    BadKey {
        /// Its length.
        bytes: usize,
    },
    /// The clock of this machine is off by more than 5 minutes. Services refuse what it signs sooner or
    /// later, and nobody could rely on the times that it prints.
    #[error(
        "the clock of this machine says {local}, and the table `{cloud}` says {theirs}: set the clock (for example with `timedatectl set-ntp true`)"
    )]
    Clock {
        /// The cloud whose table says so.
        cloud: String,
        /// This machine's time.
        local: String,
        /// The table's.
        theirs: String,
    },
    /// The stores or functions failed. Starting again with the same key and input is safe.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A run of another deployment of the workflow, which this one must not judge.
#[derive(Debug, Error)]
#[error("the run is of another deployment of the workflow ({theirs}, this one is {ours}): use that one")]
#[non_exhaustive]
pub struct OtherDeployment {
    /// The deployment that the run is of.
    pub theirs: DeploymentId,
    /// This one.
    pub ours: DeploymentId,
}

/// Why a run has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The run has failed.
    #[error("{0}")]
    Failed(Failure),
    /// The run was cancelled.
    #[error("the run was cancelled")]
    Cancelled,
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// Asked for more than its result, and it is another version's.
    #[error(transparent)]
    OtherDeployment(#[from] OtherDeployment),
    /// The stores failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a run was not redriven.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RedriveError {
    /// Only a run that failed has something left to do that nobody does.
    #[error("the run has not failed, it {0}: only a failed run can be redriven")]
    NotFailed(Status),
    /// It is another version's.
    #[error(transparent)]
    OtherDeployment(#[from] OtherDeployment),
    /// The rows that its key leads to go soon, and then nobody could tell that it was redriven.
    #[error("the run was started too long ago, its rows go soon: start another with a new key")]
    TooLate,
    /// It has been redriven as often as a run can be.
    #[error("the run has failed again after {MAX_REDRIVES} redrives: start another with a new key")]
    TooOften,
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// The stores or functions failed. To redrive it again is safe.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What a run is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// It has started and not ended.
    Running,
    /// It is to be cancelled, and what is open is being stopped.
    Cancelling,
    /// It has ended with a value.
    Returned,
    /// It has failed.
    Failed(Failure),
    /// It was cancelled.
    Cancelled,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Running => "is running",
            Status::Cancelling => "is being cancelled",
            Status::Returned => "has returned",
            Status::Failed(_) => "has failed",
            Status::Cancelled => "was cancelled",
        })
    }
}

/// A run and every instance of it, as its rows tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RunReport {
    /// The idempotency key that it was started with.
    pub key: String,
    /// What it is doing.
    pub status: Status,
    /// When it was started (redriven, if it was), in milliseconds since the epoch.
    pub started_at: Timestamp,
    /// When it will be failed, or would have been.
    pub deadline: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How often it was redriven.
    pub redrives: usize,
    /// Its instances, in the order of the workflow, branch by branch; up to [`MAX_REPORTED`].
    pub instances: Vec<InstanceReport>,
    /// Whether there are more.
    pub truncated: bool,
}

impl<W: Workflow> Client<W> {
    /// A client over the clouds of a deployment, which are in the order of the definition's.
    pub fn new(clouds: Vec<Backend>, options: Options) -> Self {
        let runtime = Runtime::new::<W>(clouds, options);
        Client { runtime, moved_from: Vec::new(), workflow: PhantomData }
    }

    /// The same where run rows were in other `tables` before, see `moved_from` in `jointlambda.toml`.
    /// Each is read before anything else is done with a key or a run. A run that is there is one of
    /// another deployment, and is not started again.
    #[must_use]
    pub fn moved_from(self, tables: Vec<Arc<dyn Table>>) -> Self {
        Client { moved_from: tables, ..self }
    }

    /// The two tables whose clocks are furthest apart, of those that have answered this client, if they are
    /// 10 s apart or more. Deadlines go by the earliest time that any table tells.
    pub fn clocks_apart(&self) -> Option<ClocksApart> {
        self.runtime.clocks_apart()
    }

    /// The run that `key` names.
    pub fn run_id(&self, key: &str) -> RunId {
        RunId::derive(W::definition().name, key)
    }

    /// Starts the run that `key` names, or finds it started. The same key with the same input is
    /// the same run, however often and from wherever it is started; a run that stopped half-way
    /// goes on. (Inputs are compared as encoded, with maps in order; the order of a `HashSet` is
    /// not known, so use a `BTreeSet` where a run is to be resumed by another process.)
    ///
    /// # Errors
    /// [`StartError::OtherInput`] when the key names a run with another input; nothing is changed.
    pub async fn start(&self, key: &str, input: W::Input) -> Result<RunId, StartError> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(StartError::BadKey { bytes: key.len() });
        }
        let runtime = &self.runtime;
        let run = self.run_id(key);
        if let Some(OtherDeployment { theirs, ours }) = self.left_behind(&run).await? {
            return Err(StartError::OtherDeployment { key: key.to_owned(), theirs, ours });
        }
        let digest = Digest::of(&codec::canonical(&codec::encode(&input, "the input")?));
        let home = runtime.cloud(runtime.definition.home)?;
        let row_key = RowKey::run(&run);

        let machine = Machine::new(runtime.definition, runtime.code, START, Input::One(Box::new(input)));
        let first = runtime.guard("the start", || machine.run())?;
        // What is large is stored before the row is created: look first whether it is there.
        if codec::pack(&first).len() > row_bound(runtime.prices(runtime.definition.home)) {
            let row = retry::store(|| home.table.get(&row_key)).await.map_err(Fault::from)?;
            if let Some(row) = row.filter(|row| row.expires_at >= self.runtime.replaced_before()) {
                return self.resume(key, run, digest, row).await;
            }
        }
        // When a run was started counts for as long as it lives: the table says so, not this machine.
        if home.table.heard().is_none() {
            runtime.learn_time(&*home.table).await?;
            runtime.ask_all_times().await;
        }
        runtime.tell_clocks_apart();
        let (ahead_ms, theirs) = (home.table.ahead_ms(), home.table.now());
        if ahead_ms.unsigned_abs() > MAX_CLOCK_OFF_MS {
            let time = |ms| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(ms));
            let (cloud, local) = (home.name.to_string(), time(theirs.saturating_add_signed(-ahead_ms)));
            return Err(StartError::Clock { cloud, local, theirs: time(theirs) });
        }
        let actor = Actor::passing(run.clone(), runtime.term_from(home.table.now()));
        let kept_until = runtime.expires_at(&*home.table, &actor.term);
        match self.create(&actor, key, digest, first, kept_until).await? {
            None => Ok(run),
            Some(row) => self.resume(key, run, digest, row).await,
        }
    }

    /// Creates the row of a run, and then dispatches its first continuation; gives the row that
    /// was there.
    async fn create(
        &self,
        actor: &Actor,
        key: &str,
        input: Digest,
        mut first: Continuation,
        kept_until: Timestamp,
    ) -> Result<Option<Row>, Fault> {
        let (runtime, mut objects) = (&self.runtime, 0);
        let home = runtime.cloud(runtime.definition.home)?;
        check_calls(runtime.definition, &[], &first)?;
        runtime.place_in_batches(actor, &[], &mut first);
        runtime.fit(actor, &[], &mut first, &mut objects).await?;
        let (inline, stored) = runtime.body(actor, runtime.definition.home, &first).await?;
        if stored.is_some() {
            objects |= 1 << runtime.definition.home;
        }
        let record = RunRecord {
            deployment: runtime.deployment,
            key: key.to_owned(),
            input,
            term: actor.term,
            kept_until,
            objects,
            sketch: stored.is_some().then(|| Sketch::of(&first)),
            first: stored.unwrap_or(Value::Inline(inline)),
        };
        let row = NewRow {
            body: codec::pack_row(&record),
            check: Some(runtime.next_check(&actor.term, actor.term.started_at)),
            expires_at: runtime.expires_at(&*home.table, &actor.term),
            run: Some(NewRun { inc: actor.term.started_at, expired_before: runtime.replaced_before() }),
        };
        let row_key = RowKey::run(&actor.run);
        match retry::store(|| home.table.create(&row_key, row.clone())).await? {
            Created::Exists(row) => {
                // Another start was first. What was stored for this one is of no use to it. If both
                // propose the same time they name it alike, and the run may use it, or have ended.
                if row.inc != Some(actor.term.started_at) {
                    runtime.delete_objects(&actor.of, ObjectsOf::Run, objects).await?;
                } else if objects != 0 && row.slots.contains_key(&END) {
                    runtime.is_over(actor, objects).await?;
                }
                Ok(Some(row))
            }
            Created::New => {
                let (frames, turns, ran) = (Vec::new(), Vec::new(), Ran::default());
                let root = Instance { actor: actor.clone(), frames, node: 0, turns, objects, ran };
                let stamp = Stamp { at_ms: 0, ..runtime.stamp(actor) };
                let next = Next { continuation: first, objects, stamp };
                runtime.go_on(root, Settled::Next(next)).await?;
                Ok(None)
            }
        }
    }

    /// Goes on with a run that was started before, wherever it is, unless it has ended.
    async fn resume(&self, key: &str, run: RunId, input: Digest, row: Row) -> Result<RunId, StartError> {
        let is_over = row.slots.contains_key(&END) || row.slots.contains_key(&CANCEL);
        let record = record_of(&row)?;
        if record.input != input {
            return Err(StartError::OtherInput { key: key.to_owned() });
        }
        let actor = Actor::passing(run.clone(), record.term);
        if is_over {
            // The process that ended it may have died before what it stored was gone.
            self.runtime.is_over(&actor, 0).await?;
            return Ok(run);
        }
        let ours = self.runtime.deployment;
        if record.deployment != ours {
            return Err(StartError::OtherDeployment { key: key.to_owned(), theirs: record.deployment, ours });
        }
        self.runtime.resume(&actor, &record, None, None).await?.done?;
        Ok(run)
    }

    /// Waits for the end of a run and gives what the workflow function returned. A run that was
    /// redriven ends when what goes on in its place does.
    ///
    /// # Errors
    /// [`RunError::Failed`] when the run failed: a function panicked, timed out or could not be
    /// invoked, more often than its platform tries. An `Err` that the workflow function returned
    /// is a value, not a failure. [`RunError::Cancelled`] when the run was cancelled.
    pub async fn result(&self, run: &RunId) -> Result<W::Output, RunError> {
        self.check_moved::<RunError>(run).await?;
        let table = self.table()?;
        loop {
            let (run, row, _) = self.latest(run).await?.ok_or_else(|| RunError::NoSuchRun(run.clone()))?;
            match ended(&row)?.map(|end| end.ended) {
                Some(Ended::Returned(value) | Ended::Err(value)) => {
                    let of = Incarnation::of(&run, row.inc.unwrap_or_default());
                    let bytes = self.runtime.fetch(&of, &value).await?;
                    return Ok(codec::decode(&bytes, "the result")?);
                }
                Some(Ended::Failed(failure)) => return Err(RunError::Failed(failure)),
                Some(Ended::Cancelled) => return Err(RunError::Cancelled),
                None => table.changed(&RowKey::run(&run)).await,
            }
        }
    }

    /// What a run is doing.
    ///
    /// # Errors
    /// [`RunError::NoSuchRun`] when nothing was started under its key.
    pub async fn status(&self, run: &RunId) -> Result<Status, RunError> {
        self.check_moved::<RunError>(run).await?;
        self.status_here(run).await
    }

    async fn status_here(&self, run: &RunId) -> Result<Status, RunError> {
        let (_, row, _) = self.latest(run).await?.ok_or_else(|| RunError::NoSuchRun(run.clone()))?;
        Ok(status_of(&row)?)
    }

    /// What a run is doing, with every instance of it: read from the rows alone, one read per
    /// instance.
    ///
    /// # Errors
    /// [`RunError::NoSuchRun`] when nothing was started under its key; [`RunError::OtherDeployment`]
    /// for a run of another deployment of the workflow.
    pub async fn report(&self, run: &RunId) -> Result<RunReport, RunError> {
        self.check_moved::<RunError>(run).await?;
        let mut instances = Vec::new();
        let mut truncated = false;
        let mut run = run.clone();
        let mut redrives = 0;
        loop {
            let row = self.row(&run).await?.ok_or_else(|| RunError::NoSuchRun(run.clone()))?;
            let record = self.of_this_deployment(record_of(&row)?)?;
            let actor = Actor::passing(run.clone(), record.term);
            let room = MAX_REPORTED.saturating_sub(instances.len()).max(1);
            let returned = status_of(&row)? == Status::Returned;
            let (found, more) = self.runtime.instances(&actor, &record, returned, room).await?;
            truncated |= more;
            let next = match redriven_as(&row)? {
                Some(next) if self.row(&next).await?.is_some() => Some(next),
                // A link without a run: whoever redrove it died right then.
                _ => None,
            };
            // Of a run that was redriven only what was committed counts; the rest goes on there.
            let counts =
                |one: &InstanceReport| next.is_none() || matches!(one.state, InstanceState::Committed { .. });
            instances.extend(found.into_iter().filter(counts));
            match next {
                Some(next) if redrives < MAX_REDRIVES => (run, redrives) = (next, redrives + 1),
                _ => {
                    let ended_at =
                        ended(&row)?.map(|end| record.term.started_at.saturating_add(end.stamp.at_ms));
                    return Ok(RunReport {
                        key: record.key,
                        status: status_of(&row)?,
                        started_at: record.term.started_at,
                        deadline: record.term.deadline,
                        ended_at,
                        redrives,
                        instances,
                        truncated,
                    });
                }
            }
        }
    }

    /// Cancels a run: whatever of it is not decided is decided as cancelled, so that nothing more
    /// is started, and the run ends as [`Status::Cancelled`]. A function that is running runs on,
    /// and what it returns is dropped; one whose event is on its way may begin, and is dropped as
    /// soon as its row has been read (with `dedupe = before` it does not begin). Gives how the run
    /// ended: it may have ended otherwise before.
    ///
    /// A cancellation that breaks off, also before what was stored for the run is gone, is finished by the
    /// next sweep, or by another call. A run of over a million parts with
    /// late branches among them may be too large for that, and is cancelled at its deadline.
    ///
    /// # Errors
    /// [`RunError::NoSuchRun`] when nothing was started under its key.
    pub async fn cancel(&self, run: &RunId) -> Result<Status, RunError> {
        self.check_moved::<RunError>(run).await?;
        let (run, row, _) = self.latest(run).await?.ok_or_else(|| RunError::NoSuchRun(run.clone()))?;
        if row.slots.contains_key(&END) {
            // Whoever cancelled it may have died before what it stored was gone.
            let actor = Actor::passing(run.clone(), record_of(&row)?.term);
            self.runtime.clear_ended(&actor, &row).await?;
            return Ok(status_of(&row)?);
        }
        let record = self.of_this_deployment(record_of(&row)?)?;
        let actor = Actor::passing(run.clone(), record.term);
        if !self.mark(&actor, CANCEL, bytes::Bytes::new()).await? {
            return Err(RunError::NoSuchRun(run));
        }
        let (table, key) = (self.table()?, RowKey::run(&run));
        // From now on any sweep finishes it.
        let soon = table.now();
        let part = self.runtime.part_of(soon.saturating_sub(record.term.started_at));
        let looked_at = row.looked_at.unwrap_or(record.term.started_at);
        let look = Look { next: Check { part, at: soon }, looked_at, inc: Some(record.term.started_at) };
        retry::store(|| table.postpone(&key, look)).await.map_err(Fault::from)?;
        self.runtime.stop(&actor, &record, None).await?;
        self.status_here(&run).await
    }

    /// Goes on with a failed run from where it failed: what was committed counts, and what was
    /// not is called again. It goes on as a run of its own with a deadline of its own, to which
    /// the key and the id of the failed one lead from then on. Gives its id. To redrive twice is
    /// to redrive once.
    ///
    /// Its deadline comes before the rows of the failed one go, see [`Options::retention`].
    ///
    /// # Errors
    /// [`RedriveError::NotFailed`] for a run that has not failed; [`RedriveError::TooLate`] for one
    /// the rows of which go soon.
    pub async fn redrive(&self, run: &RunId) -> Result<RunId, RedriveError> {
        self.check_moved::<RedriveError>(run).await?;
        let latest = self.latest(run).await?;
        let (run, row, redrives) = latest.ok_or_else(|| RedriveError::NoSuchRun(run.clone()))?;
        match status_of(&row)? {
            Status::Failed(_) => {}
            // Whoever redrove it before may have died before it was dispatched.
            Status::Running if redrives > 0 => {
                let record = self.of_this_deployment(record_of(&row)?)?;
                let actor = Actor::passing(run.clone(), record.term);
                self.runtime.resume(&actor, &record, None, None).await?.done?;
                return Ok(run);
            }
            status => return Err(RedriveError::NotFailed(status)),
        }
        if redrives >= MAX_REDRIVES {
            return Err(RedriveError::TooOften);
        }
        let record = self.of_this_deployment(record_of(&row)?)?;
        let now = self.table()?.now();
        let term = self.runtime.term_within(now, record.kept_until).ok_or(RedriveError::TooLate)?;
        let failed = Actor::passing(run.clone(), record.term);
        let left = match self.take_over(&failed, &record).await {
            Ok(left) => left,
            // Whoever redrives it too may have been faster: then what was stored is gone.
            Err(_) if matches!(self.latest(&run).await, Ok(Some((latest, ..))) if latest != run) => {
                return Box::pin(self.redrive(&run)).await;
            }
            Err(fault) => return Err(fault.into()),
        };
        // The link comes first: no run goes on that its key does not lead to. It also says when that
        // run was started, so that all who redrive this one name what they store alike.
        let link = Link { run: failed.of.redriven(), started_at: term.started_at };
        if !self.mark(&failed, REDRIVEN, codec::pack_row(&link)).await? {
            return Err(RedriveError::NoSuchRun(run));
        }
        let linked = self.runtime.run_row(&failed).await?.unwrap_or_default();
        let Link { run: next, started_at } = link_of(&linked)?.unwrap_or(link);
        let again = Actor::passing(next, Term { started_at, ..term });
        if let Some(row) = self.create(&again, &record.key, record.input, left, record.kept_until).await? {
            let record = record_of(&row)?;
            let again = Actor::passing(again.run.clone(), record.term);
            self.runtime.resume(&again, &record, None, None).await?.done?;
        }
        // What it stored has been taken over.
        self.runtime.delete_objects(&failed.of, ObjectsOf::Work, CloudSet::MAX).await?;
        Ok(again.run)
    }

    /// What is left of a failed run, with its values. What of it is not decided is decided as
    /// cancelled first: it is called again elsewhere, and no copy that still runs here counts too.
    async fn take_over(&self, failed: &Actor, record: &RunRecord) -> Result<Continuation, Fault> {
        if !self.runtime.close(failed, record, None).await? {
            let why = format!("{} is too large to be redriven: start another run with a new key", failed.run);
            return Err(Fault::Bound(why));
        }
        let mut left = self.runtime.left_of(failed, record).await?;
        self.runtime.bring_home(failed, &mut left).await?;
        Ok(left)
    }

    /// The run that goes on in place of `run`, and how often that was redriven.
    async fn latest(&self, run: &RunId) -> Result<Option<(RunId, Row, usize)>, Fault> {
        let Some(mut row) = self.row(run).await? else { return Ok(None) };
        let (mut run, mut redrives) = (run.clone(), 0);
        while let Some(next) = redriven_as(&row)? {
            // A link without a run: whoever redrove it died right then.
            let Some(there) = self.row(&next).await? else { break };
            (run, row, redrives) = (next, there, redrives + 1);
            if redrives > MAX_REDRIVES {
                return Err(Fault::Bound(format!("{run} has been redriven over {MAX_REDRIVES} times")));
            }
        }
        Ok(Some((run, row, redrives)))
    }

    /// Fills a slot of a run row that is not the run's end: the run stays in the run index. Says
    /// whether the run is there.
    async fn mark(&self, actor: &Actor, slot: u32, value: bytes::Bytes) -> Result<bool, Fault> {
        let arrival = Arrival { value, ..self.runtime.at_run_row(actor, slot, u32::MAX)? };
        Ok(!self.runtime.arrive_at_run_row(actor, arrival).await?.gone)
    }

    /// The record of a run, unless it is another deployment's.
    fn of_this_deployment(&self, record: RunRecord) -> Result<RunRecord, OtherDeployment> {
        let (theirs, ours) = (record.deployment, self.runtime.deployment);
        if theirs == ours { Ok(record) } else { Err(OtherDeployment { theirs, ours }) }
    }

    /// Refuses a run that is in a table from which run rows have moved.
    async fn check_moved<E: From<OtherDeployment> + From<Fault>>(&self, run: &RunId) -> Result<(), E> {
        match self.left_behind(run).await? {
            Some(other) => Err(other.into()),
            None => Ok(()),
        }
    }

    /// Whose a run is that is in a table from which run rows have moved.
    async fn left_behind(&self, run: &RunId) -> Result<Option<OtherDeployment>, Fault> {
        let key = RowKey::run(run);
        for table in &self.moved_from {
            let row = retry::store(|| table.get(&key)).await?;
            // As in a table of its own: a row without a body is no run, nor is one that should have gone.
            let is_there =
                |row: &Row| row.body.is_some() && row.expires_at >= self.runtime.replaced_before_in(&**table);
            if let Some(row) = row.filter(is_there) {
                let (theirs, ours) = (record_of(&row)?.deployment, self.runtime.deployment);
                return Ok(Some(OtherDeployment { theirs, ours }));
            }
        }
        Ok(None)
    }

    fn table(&self) -> Result<&Arc<dyn Table>, Fault> {
        Ok(&self.runtime.cloud(self.runtime.definition.home)?.table)
    }

    async fn row(&self, run: &RunId) -> Result<Option<Row>, Fault> {
        let (table, key) = (self.table()?, RowKey::run(run));
        Ok(retry::store(|| table.get(&key)).await?)
    }
}

impl<W> fmt::Debug for Client<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("workflow", &self.runtime.definition.name).finish_non_exhaustive()
    }
}

fn record_of(row: &Row) -> Result<RunRecord, Fault> {
    codec::unpack_row(row.body.as_deref().unwrap_or_default(), "a run row")
}

fn ended(row: &Row) -> Result<Option<Arrived>, Fault> {
    row.slots.get(&END).map(|bytes| codec::unpack_row(bytes, "the end of a run")).transpose()
}

/// What leads from a failed run to the one that goes on in its place.
#[derive(Debug, Serialize, Deserialize)]
struct Link {
    run: RunId,
    /// Its incarnation, unless its row is another's.
    started_at: Timestamp,
}

fn link_of(row: &Row) -> Result<Option<Link>, Fault> {
    row.slots.get(&REDRIVEN).map(|bytes| codec::unpack_row(bytes, "the link to a redriven run")).transpose()
}

fn redriven_as(row: &Row) -> Result<Option<RunId>, Fault> {
    Ok(link_of(row)?.map(|link| link.run))
}

fn status_of(row: &Row) -> Result<Status, Fault> {
    Ok(match ended(row)?.map(|end| end.ended) {
        None if row.slots.contains_key(&CANCEL) => Status::Cancelling,
        None => Status::Running,
        Some(Ended::Returned(_) | Ended::Err(_)) => Status::Returned,
        Some(Ended::Failed(failure)) => Status::Failed(failure),
        Some(Ended::Cancelled) => Status::Cancelled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_sent<T: Send>(_: T) {}

    /// Whatever a client does can be spawned: it compiles.
    #[allow(dead_code)]
    fn all_can_be_spawned<W: Workflow>(client: &Client<W>, run: &RunId, input: W::Input) {
        is_sent(client.start("key", input));
        is_sent(client.result(run));
        is_sent(client.status(run));
        is_sent(client.report(run));
        is_sent(client.cancel(run));
        is_sent(client.redrive(run));
        is_sent(client.list(Which::All, 1));
    }
}
