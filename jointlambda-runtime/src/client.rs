//! Starting a run and reading its result. The client is a caller like any function: the first
//! glue runs here, and its continuation is committed in the run row before anything is invoked.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    backend::{Backend, Created, NewRow, Row},
    codec,
    commit::{Instance, Settled},
    envelope::{Arrived, CloudSet, Continuation, Ended, Failure, Value},
    error::Fault,
    id::{Digest, RowKey, RunId},
    machine::{Input, Machine, Workflow},
    payload::row_bound,
    retry,
    runtime::{Options, Runtime},
};

/// The state of the glue in which a run begins.
const START: u16 = 0;
/// The longest idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;

/// Starts runs of the workflow `W` and reads their results.
pub struct Client<W> {
    runtime: Runtime,
    workflow: PhantomData<fn() -> W>,
}

/// The body of a run row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) definition: u64,
    key: String,
    input: Digest,
    pub(crate) started_at: u64,
    pub(crate) objects: CloudSet,
    pub(crate) first: Value,
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
    /// The key names a run of another version of the workflow.
    #[error(
        "the key `{key}` names a run that was started by another version of the workflow ({theirs:016x}, this is {ours:016x}): use another key"
    )]
    OtherDefinition {
        /// The key.
        key: String,
        /// The definition's hash that the run was started with.
        theirs: u64,
        /// The hash of this build.
        ours: u64,
    },
    /// The key is empty or too long.
    #[error("an idempotency key has 1 to {MAX_KEY_BYTES} bytes, not {bytes}")]
    BadKey {
        /// Its length.
        bytes: usize,
    },
    /// The stores or functions failed. Starting again with the same key and input is safe.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a run has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The run has failed.
    #[error("{0}")]
    Failed(Failure),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// The stores failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What a run is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has started and not ended.
    Running,
    /// It has ended with a value.
    Returned,
    /// It has failed.
    Failed(Failure),
}

impl<W: Workflow> Client<W> {
    /// A client over the clouds of a deployment, which are in the order of the definition's.
    pub fn new(clouds: Vec<Backend>, options: Options) -> Self {
        Client { runtime: Runtime::new::<W>(clouds, options), workflow: PhantomData }
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
        let digest = Digest::of(&codec::canonical(&codec::encode(&input, "the input")?));
        let home = runtime.cloud(runtime.definition.home)?;
        let row_key = RowKey::run(&run);

        let machine = Machine::new(runtime.definition, runtime.code, START, Input::One(Box::new(input)));
        let mut first = runtime.guard("the start", || machine.run())?;
        let mut objects = 0;
        // What is large is stored before the row is created: look first whether it is there.
        if codec::pack(&first).len() > row_bound(runtime.prices(runtime.definition.home)) {
            let row = retry::store(|| home.table.get(&row_key)).await.map_err(Fault::from)?;
            if let Some(row) = row {
                return self.go_on_with(key, run, digest, row).await;
            }
        }
        runtime.fit(&run, &[], &mut first, &mut objects).await?;
        let (inline, stored) = runtime.body(&run, runtime.definition.home, &first).await?;
        if stored.is_some() {
            objects |= 1 << runtime.definition.home;
        }
        let now = home.table.now();
        let record = RunRecord {
            definition: runtime.definition.hash,
            key: key.to_owned(),
            input: digest,
            started_at: now,
            objects,
            first: stored.unwrap_or(Value::Inline(inline)),
        };
        let row = NewRow {
            body: codec::pack(&record),
            check_at: Some(now + runtime.check_after()),
            expires_at: runtime.expires_at(&*home.table),
        };
        match retry::store(|| home.table.create(&row_key, row.clone())).await.map_err(Fault::from)? {
            Created::New => self.dispatch(run, first, objects).await,
            Created::Exists(row) => self.go_on_with(key, run, digest, row).await,
        }
    }

    async fn dispatch(
        &self,
        run: RunId,
        first: Continuation,
        objects: CloudSet,
    ) -> Result<RunId, StartError> {
        let instance = Instance { run: run.clone(), frames: Vec::new(), node: 0, turns: Vec::new(), objects };
        self.runtime.go_on(instance, Settled::Next(first, objects)).await?;
        Ok(run)
    }

    /// Goes on with a run that was started before, unless it has ended.
    async fn go_on_with(&self, key: &str, run: RunId, input: Digest, row: Row) -> Result<RunId, StartError> {
        let ended = row.slots.contains_key(&0);
        let record: RunRecord = codec::unpack(&row.body.unwrap_or_default(), "a run row")?;
        if record.input != input {
            return Err(StartError::OtherInput { key: key.to_owned() });
        }
        if ended {
            // Whoever ended it may have died before what it stored was gone.
            self.runtime.is_over(&run, 0).await?;
            return Ok(run);
        }
        let ours = self.runtime.definition.hash;
        if record.definition != ours {
            return Err(StartError::OtherDefinition { key: key.to_owned(), theirs: record.definition, ours });
        }
        let first = self.runtime.fetch(&run, &record.first).await?;
        self.dispatch(run, codec::unpack(&first, "a run row")?, record.objects).await
    }

    /// Waits for the end of a run and gives what the workflow function returned.
    ///
    /// # Errors
    /// [`RunError::Failed`] when the run failed: a function panicked, timed out or could not be
    /// invoked, more often than its platform tries. An `Err` that the workflow function returned
    /// is a value, not a failure.
    pub async fn result(&self, run: &RunId) -> Result<W::Output, RunError> {
        let table = &self.runtime.cloud(self.runtime.definition.home)?.table;
        let key = RowKey::run(run);
        loop {
            let row = retry::store(|| table.get(&key)).await.map_err(Fault::from)?;
            let row = row.ok_or_else(|| RunError::NoSuchRun(run.clone()))?;
            match ended(&row)? {
                Some(Ended::Returned(value)) => {
                    let bytes = self.runtime.fetch(run, &value).await?;
                    return Ok(codec::decode(&bytes, "the result")?);
                }
                Some(Ended::Failed(failure)) => return Err(RunError::Failed(failure)),
                None => table.changed(&key).await,
            }
        }
    }

    /// What a run is doing.
    ///
    /// # Errors
    /// [`RunError::NoSuchRun`] when nothing was started under its key.
    pub async fn status(&self, run: &RunId) -> Result<Status, RunError> {
        let table = &self.runtime.cloud(self.runtime.definition.home)?.table;
        let key = RowKey::run(run);
        let row = retry::store(|| table.get(&key)).await.map_err(Fault::from)?;
        match ended(&row.ok_or_else(|| RunError::NoSuchRun(run.clone()))?)? {
            None => Ok(Status::Running),
            Some(Ended::Returned(_)) => Ok(Status::Returned),
            Some(Ended::Failed(failure)) => Ok(Status::Failed(failure)),
        }
    }
}

impl<W> fmt::Debug for Client<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("workflow", &self.runtime.definition.name).finish_non_exhaustive()
    }
}

fn ended(row: &Row) -> Result<Option<Ended>, Fault> {
    match row.slots.get(&0) {
        Some(bytes) => Ok(Some(codec::unpack::<Arrived>(bytes, "the end of a run")?.ended)),
        None => Ok(None),
    }
}
