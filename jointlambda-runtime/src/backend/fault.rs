//! Faults at every operation: a layer over any backend that numbers what a run does and can fail
//! it there, and that watches what must never happen.
//!
//! Every table, object and invoke request, the start and end of every user function, and every
//! answer to the platform is one [`Operation`], numbered in the order in which they begin. A
//! [`Schedule`] says what happens at which number. On virtual time a run with a schedule is
//! deterministic: the same schedule gives the same run.

mod operation;
mod watch;
mod weather;

use std::{
    collections::BTreeMap,
    fmt,
    future::{Future, pending},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

pub use operation::{Action, Operation, Schedule};
use watch::Watch;
pub use weather::{FunctionsState, TableState, Weather};

use super::{
    Arrival, Arrived, Backend, Created, Delivery, Functions, Handler, IndexPart, Invoked, Look, NewRow,
    Objects, Page, Row, StoreError, Table, Timestamp,
};
use crate::{
    error::{Fault, GivenUp},
    id::{Incarnation, ObjectKey, ObjectsOf, RowKey},
};

/// How long an operation is held while a second copy runs.
const HOLD: Duration = Duration::from_secs(300);

tokio::task_local! {
    static EXECUTION: Execution;
}

/// One execution of a function, or of the client, that can crash.
#[derive(Clone)]
struct Execution {
    faults: Arc<Faults>,
    crash: Arc<Notify>,
    /// What runs, to run a second copy of it; none for the client.
    copy: Option<Copy>,
}

#[derive(Clone)]
struct Copy {
    handler: Arc<dyn Handler>,
    function: String,
    envelope: Bytes,
    delivery: Delivery,
}

/// Numbers operations, injects a schedule's faults, and watches the protocol's rules.
#[derive(Default)]
pub struct Faults {
    state: Mutex<State>,
    /// How many operations have begun.
    begun: tokio::sync::watch::Sender<u64>,
    /// Whether what is held goes on; none where it does so after [`HOLD`].
    released: Option<tokio::sync::watch::Sender<bool>>,
    watch: Watch,
}

#[derive(Default)]
struct State {
    schedule: BTreeMap<u64, Action>,
    log: Vec<Operation>,
    /// How many scheduled faults have happened.
    happened: usize,
}

impl Faults {
    /// Faults as scheduled.
    pub fn new(schedule: &Schedule) -> Arc<Self> {
        let state = State { schedule: schedule.0.iter().copied().collect(), ..State::default() };
        Arc::new(Faults { state: Mutex::new(state), ..Faults::default() })
    }

    /// The same, where an execution that is held stands still until [`release`](Faults::release): for
    /// days, as a process does that its platform has frozen.
    pub fn frozen(schedule: &Schedule) -> Arc<Self> {
        let state = State { schedule: schedule.0.iter().copied().collect(), ..State::default() };
        let released = Some(tokio::sync::watch::Sender::default());
        Arc::new(Faults { state: Mutex::new(state), released, ..Faults::default() })
    }

    /// Has what is held go on, and holds nothing any longer.
    pub fn release(&self) {
        if let Some(released) = &self.released {
            released.send_replace(true);
        }
    }

    /// Stands still where the schedule says so.
    async fn hold(&self) {
        match &self.released {
            None => tokio::time::sleep(HOLD).await,
            Some(released) => {
                // The sender lives as long as `self`.
                let _ = released.subscribe().wait_for(|&released| released).await;
            }
        }
    }

    /// The operations up to now, in order; the index is the number.
    pub fn log(&self) -> Vec<Operation> {
        self.lock().log.clone()
    }

    /// How many operations there were.
    pub fn operations(&self) -> usize {
        self.lock().log.len()
    }

    /// Waits until operation `number` has begun.
    pub async fn reached(&self, number: u64) {
        // The sender lives as long as `self`.
        let _ = self.begun.subscribe().wait_for(|&begun| begun > number).await;
    }

    /// How many of the scheduled faults have happened.
    pub fn happened(&self) -> usize {
        self.lock().happened
    }

    /// What happened that must not, in words.
    pub fn violations(&self) -> Vec<String> {
        self.watch.violations()
    }

    /// Backends whose operations are numbered and may fail.
    pub fn wrap(self: &Arc<Self>, backends: Vec<Backend>) -> Vec<Backend> {
        backends
            .into_iter()
            .map(|inner| {
                let faulty = Arc::new(Faulty { faults: self.clone(), inner: inner.clone() });
                Backend { functions: faulty.clone(), table: faulty.clone(), objects: faulty, ..inner }
            })
            .collect()
    }

    /// A handler whose executions may crash.
    pub fn handler(self: &Arc<Self>, inner: Arc<dyn Handler>) -> Arc<dyn Handler> {
        Arc::new(FaultyHandler { faults: self.clone(), inner })
    }

    /// Runs the client's part, which may crash: `None` if it did.
    pub async fn client<T>(self: &Arc<Self>, part: impl Future<Output = T>) -> Option<T> {
        let execution = Execution { faults: self.clone(), crash: Arc::default(), copy: None };
        let crash = execution.crash.clone();
        tokio::select! {
            biased;
            done = EXECUTION.scope(execution, part) => Some(done),
            () = crash.notified() => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers an operation; gives what is to happen at it.
    fn next(&self, operation: Operation) -> Option<Action> {
        let mut state = self.lock();
        let number = state.log.len() as u64;
        state.log.push(operation);
        self.begun.send_replace(number + 1);
        let action = state.schedule.remove(&number).filter(|action| action.applies_to(operation));
        state.happened += usize::from(action.is_some());
        action
    }

    /// An operation, with what is scheduled for it. `refuse` makes the error of an action.
    async fn operate<T>(
        &self,
        operation: Operation,
        effect: impl Future<Output = T>,
        refuse: impl FnOnce(Action) -> Option<T>,
    ) -> T {
        match self.next(operation) {
            None => effect.await,
            Some(Action::CrashBefore) => crash().await,
            Some(Action::CrashAfter) => {
                effect.await;
                crash().await
            }
            Some(Action::HoldBefore) => {
                second_copy();
                self.hold().await;
                effect.await
            }
            Some(Action::HoldAfter) => {
                let done = effect.await;
                second_copy();
                self.hold().await;
                done
            }
            Some(action @ Action::LoseAnswer) => {
                let done = effect.await;
                refuse(action).unwrap_or(done)
            }
            Some(action) => match refuse(action) {
                Some(refused) => refused,
                None => effect.await,
            },
        }
    }
}

/// Ends the current execution here.
async fn crash<T>() -> T {
    let _ = EXECUTION.try_with(|execution| execution.crash.notify_one());
    pending().await
}

/// Starts a second copy of the current execution.
fn second_copy() {
    let copy = EXECUTION.try_with(|execution| execution.copy.clone()).ok().flatten();
    if let Some(copy) = copy {
        tokio::spawn(async move {
            let _ = copy.handler.handle(&copy.function, copy.envelope, copy.delivery).await;
        });
    }
}

/// A point in a user function's life, for the layer to number. Without the layer it is nothing.
pub(crate) async fn pass(operation: Operation) {
    let Ok(faults) = EXECUTION.try_with(|execution| execution.faults.clone()) else { return };
    faults.operate(operation, async {}, |_| None).await;
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("operations", &self.operations()).finish_non_exhaustive()
    }
}

struct FaultyHandler {
    faults: Arc<Faults>,
    inner: Arc<dyn Handler>,
}

impl FaultyHandler {
    async fn execute(
        &self,
        copy: Option<Copy>,
        work: impl Future<Output = Result<(), Fault>>,
    ) -> Result<(), Fault> {
        let execution = Execution { faults: self.faults.clone(), crash: Arc::default(), copy };
        let crash = execution.crash.clone();
        let answered = async {
            let done = work.await;
            self.faults.watch.answered(&done);
            pass(Operation::Answer).await;
            done
        };
        tokio::select! {
            biased;
            done = EXECUTION.scope(execution, answered) => done,
            () = crash.notified() => Err(Fault::Crash),
        }
    }
}

#[async_trait]
impl Handler for FaultyHandler {
    async fn handle(&self, function: &str, envelope: Bytes, delivery: Delivery) -> Result<(), Fault> {
        let handler: Arc<dyn Handler> =
            Arc::new(FaultyHandler { faults: self.faults.clone(), inner: self.inner.clone() });
        let copy = Copy { handler, function: function.to_owned(), envelope: envelope.clone(), delivery };
        self.execute(Some(copy), self.inner.handle(function, envelope, delivery)).await
    }

    async fn abandon(&self, function: &str, envelope: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        self.execute(None, self.inner.abandon(function, envelope, given_up)).await
    }
}

struct Faulty {
    faults: Arc<Faults>,
    inner: Backend,
}

impl Faulty {
    async fn store<T>(
        &self,
        operation: Operation,
        effect: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let refuse = |action| match action {
            Action::Throttle => Some(Err(StoreError::Throttled)),
            Action::Refuse => Some(Err(StoreError::Unavailable("as scheduled".to_owned()))),
            Action::LoseRequest | Action::LoseAnswer => {
                Some(Err(StoreError::Unknown("as scheduled".to_owned())))
            }
            _ => None,
        };
        self.faults.operate(operation, effect, refuse).await
    }
}

#[async_trait]
impl Functions for Faulty {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        self.faults.watch.sent(&envelope, self.inner.table.now());
        let again = (self.inner.functions.clone(), function.to_owned(), envelope.clone());
        let refuse = move |action| {
            let (functions, function, envelope) = again;
            let later = |delay: Duration| {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    functions.invoke(&function, envelope).await;
                });
            };
            match action {
                Action::Throttle => Some(Invoked::Throttled),
                Action::Refuse => Some(Invoked::Unavailable("as scheduled".to_owned())),
                Action::LoseRequest | Action::LoseAnswer => Some(Invoked::Unknown("as scheduled".to_owned())),
                Action::Drop => Some(Invoked::Accepted),
                Action::Delay(delay) => {
                    later(delay);
                    Some(Invoked::Accepted)
                }
                Action::Duplicate(delay) => {
                    later(delay);
                    None
                }
                _ => None,
            }
        };
        self.faults.operate(Operation::Invoke, self.inner.functions.invoke(function, envelope), refuse).await
    }

    async fn warm(&self) {
        self.inner.functions.warm().await;
    }
}

#[async_trait]
impl Table for Faulty {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        let effect = async {
            let created = self.inner.table.create(key, row.clone()).await;
            if let Ok(created) = &created {
                self.faults.watch.created(key, &row, self.inner.table.now(), created);
            }
            created
        };
        self.store(Operation::Create, effect).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.store(Operation::Get, self.inner.table.get(key)).await
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        self.store(Operation::Get, self.inner.table.get_many(keys)).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        let effect = async {
            let arrived = self.inner.table.arrive(key, arrival.clone()).await;
            let (watch, now) = (&self.faults.watch, self.inner.table.now());
            if let (true, Ok(arrived)) = (arrival.only_open, &arrived) {
                watch.gathered(key, &arrival, now, arrived);
            }
            if let Ok(Arrived { fresh: true, .. }) = &arrived {
                watch.filled(key, &arrival, now);
            }
            arrived
        };
        self.store(Operation::Arrive, effect).await
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.store(Operation::Due, self.inner.table.due(part, now, limit)).await
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.store(Operation::Postpone, self.inner.table.postpone(key, look)).await
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        self.store(Operation::Due, self.inner.table.runs(after, limit)).await
    }

    async fn changed(&self, key: &RowKey) {
        self.inner.table.changed(key).await;
    }

    fn now(&self) -> Timestamp {
        self.inner.table.now()
    }

    fn heard(&self) -> Option<Timestamp> {
        self.inner.table.heard()
    }
}

#[async_trait]
impl Objects for Faulty {
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StoreError> {
        self.store(Operation::Put, self.inner.objects.put(key, bytes)).await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        self.store(Operation::GetObject, self.inner.objects.get(key)).await
    }

    async fn delete_run(&self, of: &Incarnation, which: ObjectsOf) -> Result<(), StoreError> {
        self.store(Operation::DeleteRun, self.inner.objects.delete_run(of, which)).await
    }
}
