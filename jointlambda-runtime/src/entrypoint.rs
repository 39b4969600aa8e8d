//! What a function does when an envelope arrives. The whole protocol reads here.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{Either, join_all, select, try_join_all},
};

use crate::{
    backend::{Delivery, Handler},
    bounds::check_calls,
    commit::{Actor, Instance, Ran, Settled},
    definition::{FunctionDef, NodeDef, NodeKind},
    dispatch::Stuck,
    envelope::{Call, CloudSet, Continuation, Ended, Envelope, Failure, Frame, MAX_DEPTH, Task, Value, Vars},
    error::{Cause, Fault, GivenUp},
    id::Incarnation,
    machine::{Input, Machine, Outcome, Start, Started},
    retry,
    runtime::Runtime,
    timing,
};

#[async_trait]
impl Handler for Runtime {
    async fn handle(&self, function: &str, wire: Bytes, delivery: Delivery) -> Result<(), Fault> {
        timing::point!("entered");
        let envelope = Envelope::decode(&wire, self.definition, self.deployment)?;
        self.check_address(&envelope, function)?;
        timing::point!("decoded", event = envelope.event, function = function);
        let (actor, may_be_late) = (Actor::copy(&envelope, delivery.attempt), envelope.may_be_late());
        let done = match envelope.task.clone() {
            // Its members are of runs of their own.
            Task::Batch(batch) => return self.flush(&actor, batch, delivery).await,
            // Rows outlive the deadline, events need not: a sweep fails the run.
            _ if self.is_past(&envelope.term).await => return Ok(()),
            Task::Call(call) => {
                let order = if envelope.again { Order::ReadFirst } else { Order::Beside };
                self.call(call.instance(&actor, &envelope), &call, order, delivery).await
            }
            Task::Relay(relay) => self.relay(&actor, envelope, relay).await,
        };
        let done = self.unless_ended(&actor, may_be_late, done).await;
        self.tell_clocks_apart();
        timing::point!("done", event = actor.event);
        done
    }

    async fn abandon(&self, function: &str, wire: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        let decoded = Envelope::decode(&wire, self.definition, self.deployment);
        match decoded.and_then(|envelope| self.check_address(&envelope, function).map(|()| envelope)) {
            Ok(envelope) => {
                let actor = Actor::copy(&envelope, given_up.attempts);
                let done = match &envelope.task {
                    Task::Batch(batch) => return self.disband(&actor, *batch, given_up.attempts).await,
                    _ if self.is_past(&envelope.term).await => return Ok(()),
                    Task::Call(call) => self.fail(call.instance(&actor, &envelope), call, given_up).await,
                    // A sweep sends the branches that it was to start.
                    Task::Relay(_) => {
                        tracing::warn!(function, why = given_up.why, "a part of a fan-out was given up");
                        return Ok(());
                    }
                };
                self.unless_ended(&actor, envelope.may_be_late(), done).await
            }
            Err(_) => match Envelope::refused(&wire, self.definition, self.deployment) {
                // The sweeps of its members' runs find them.
                Some(Envelope { task: Task::Batch(_), .. }) => Ok(()),
                Some(envelope) if self.is_past(&envelope.term).await => Ok(()),
                // It was damaged on its way: another copy was not.
                Some(envelope) if self.went_on(&envelope).await? => Ok(()),
                Some(envelope) if given_up.cause == Cause::Call => {
                    let failure = Failure::new(function, Vec::new(), given_up.why, given_up.attempts);
                    let actor = Actor::copy(&envelope, given_up.attempts);
                    self.end(&actor, Ended::Failed(failure), 0).await
                }
                Some(_) => Ok(()),
                // What another version sent is not for this one to judge.
                None => {
                    let why = given_up.why;
                    tracing::error!(function, why, "dropped an envelope that is not of this deployment");
                    Ok(())
                }
            },
        }
    }
}

impl Runtime {
    /// Runs an instance: at most one outcome is committed, and that one is dispatched.
    async fn call(
        &self,
        mut instance: Instance,
        call: &Call,
        order: Order,
        delivery: Delivery,
    ) -> Result<(), Fault> {
        let (node, function) = self.callee(call)?;
        let settled = match self.run_unless_settled(&instance, node, function, call, order, delivery).await? {
            Found::Past => None,
            // An earlier delivery of this event may have died after its commit: then we go on.
            Found::Settled(settled) => self.goes_on(&instance, &settled).await?.then_some(settled),
            Found::Fresh(outcome, loaded) => self.decide(&mut instance, node, outcome, loaded).await?,
        };
        match settled {
            Some(settled) => Ok(self.go_on(instance, settled).await?),
            None => Ok(()),
        }
    }

    /// Runs the glue on what the user function returned, and commits what follows. Gives what
    /// counts, when this copy is to go on from it; nothing, too, when rows of the run may be gone by now.
    pub(crate) async fn decide(
        &self,
        instance: &mut Instance,
        node: &NodeDef,
        outcome: Outcome,
        (frames, vars): Loaded,
    ) -> Result<Option<Settled>, Fault> {
        if self.may_be_gone(&instance.actor.term).await {
            return Ok(None);
        }
        instance.ran = Ran { times: outcome.times, is_err: outcome.is_err };
        let input = Input::One(outcome.value);
        let machine = Machine::new(self.definition, self.code, node.resume, input).with_context(
            &frames,
            instance.turns.clone(),
            vars,
        );
        let mut continuation = self.guard(node.name, || machine.run())?;
        check_calls(self.definition, &instance.frames, &continuation)?;
        self.place_in_batches(&instance.actor, &instance.frames, &mut continuation);
        self.fit(&instance.actor, &instance.frames, &mut continuation, &mut instance.objects).await?;
        self.commit(instance, node, continuation).await
    }

    /// After the end of its run nothing that an event needs has to be there any more, and no
    /// failure matters. A copy that may be late without being a duplicate looks whether what it
    /// has stored came after the end, and is to go.
    pub(crate) async fn unless_ended(
        &self,
        actor: &Actor,
        may_be_late: bool,
        done: Result<(), Fault>,
    ) -> Result<(), Fault> {
        let stored = if may_be_late { actor.stored() } else { 0 };
        match done {
            Err(_) if matches!(self.is_over(actor, stored).await, Ok(true)) => Ok(()),
            Ok(()) if stored != 0 => self.is_over(actor, stored).await.map(|_| ()),
            done => done,
        }
    }

    /// Whether an envelope is for this function. A relay may be started by any function of its
    /// fan-out.
    fn check_address(&self, envelope: &Envelope, function: &str) -> Result<(), Fault> {
        let callee = match &envelope.task {
            Task::Call(call) => self.callee(call)?.1,
            Task::Batch(batch) => self.gathering(batch.function)?.0,
            Task::Relay(_) => return Ok(()),
        };
        if callee.name == function {
            return Ok(());
        }
        Err(Fault::Poison(format!(
            "refused an envelope: it is for `{}`, and was delivered to `{function}`",
            callee.name
        )))
    }

    /// Runs the user function and reads the home row at the same time. When the row is there the
    /// user function is dropped, wherever it is.
    async fn run_unless_settled(
        &self,
        instance: &Instance,
        node: &NodeDef,
        function: &'static FunctionDef,
        call: &Call,
        order: Order,
        delivery: Delivery,
    ) -> Result<Found, Fault> {
        let event = instance.actor.event;
        let read = async {
            let settled = self.settled(instance, node).await;
            timing::point!("read", event = event);
            settled
        };
        let run = async {
            let args = self.fetch(&instance.actor.of, &call.args).await?;
            let user = async {
                timing::point!("begun", event = event);
                let outcome = self.execute(node, function, &args, delivery).await;
                timing::point!("returned", event = event);
                outcome
            };
            let (outcome, loaded, _) = futures_util::join!(
                user,
                self.load(&instance.actor.of, node.resume, &instance.frames, call.vars.clone()),
                self.warm(node, &instance.frames),
            );
            let loaded = loaded?;
            Ok(Found::Fresh(outcome?, loaded))
        };
        let is_past = async || self.is_past(&instance.actor.term).await;
        if function.dedupe_before || order == Order::ReadFirst {
            return match read.await? {
                Some(settled) => Ok(Found::Settled(settled)),
                None if is_past().await => Ok(Found::Past),
                None => run.await,
            };
        }
        let knows_time = self.earliest().is_some();
        futures_util::pin_mut!(read, run);
        match select(read, run).await {
            Either::Left((Ok(Some(settled)), _)) => Ok(Found::Settled(settled)),
            // It is the first answer of a table, and tells the time.
            Either::Left((Ok(None), _)) if !knows_time && is_past().await => Ok(Found::Past),
            Either::Left((Err(fault), _)) if !knows_time => Err(fault),
            // Without a row, or without an answer: the commit will decide.
            Either::Left((_, run)) => run.await,
            // Nothing is decided by the clock of this process alone.
            Either::Right((found, read)) if !knows_time => match read.await? {
                Some(settled) => Ok(Found::Settled(settled)),
                None if is_past().await => Ok(Found::Past),
                None => found,
            },
            Either::Right((found, _)) => found,
        }
    }

    /// Runs the user function, again after an `Err` if it has `retry(…)`.
    async fn execute(
        &self,
        node: &NodeDef,
        function: &FunctionDef,
        args: &Bytes,
        delivery: Delivery,
    ) -> Result<Outcome, Fault> {
        let NodeKind::Call { function: index } = node.kind else {
            return Err(Fault::Poison(format!("`{}` is no call", node.name)));
        };
        let start = match self.code.functions[usize::from(index)] {
            Start::Call(start) => start,
            Start::Batch(_) => {
                let outcomes =
                    self.execute_batch(index, std::slice::from_ref(args), delivery.remaining).await?;
                return outcomes.into_iter().next().ok_or_else(|| Fault::Poison("no outcome".to_owned()));
            }
        };
        let all = async {
            let mut attempt = 1;
            loop {
                let outcome = once(function, || start(args)).await?;
                if !outcome.is_err || attempt >= function.retry.attempts {
                    return Ok(Outcome { times: attempt, ..outcome });
                }
                tokio::time::sleep(retry::wait(&function.retry, attempt)).await;
                attempt += 1;
            }
        };
        in_time(function, delivery.remaining, all).await
    }

    /// Fetches the stored variables that the glue will read.
    pub(crate) async fn load(
        &self,
        of: &Incarnation,
        state: u16,
        frames: &[Frame],
        mut vars: Vars,
    ) -> Result<Loaded, Fault> {
        let mut frames = frames.to_vec();
        let reads = self.code.reads.get(usize::from(state)).copied().unwrap_or(&[]);
        let all = frames.iter_mut().flat_map(|frame| frame.vars.iter_mut()).chain(vars.iter_mut());
        let stored = all.filter(|(index, value)| matches!(value, Value::Stored(_)) && reads.contains(index));
        try_join_all(stored.map(async |(_, value)| {
            *value = Value::Inline(self.fetch(of, value).await?);
            Ok::<_, Fault>(())
        }))
        .await?;
        Ok((frames, vars))
    }

    /// Opens connections to the clouds of the successors, while the user function runs. Where the branch
    /// ends, these are what follows its fan-in: whoever arrives last invokes it.
    pub(crate) async fn warm(&self, node: &NodeDef, frames: &[Frame]) {
        let joins = frames.iter().rev().filter_map(|frame| self.definition.node(frame.join));
        let mut clouds = Vec::new();
        for ends in std::iter::once(node).chain(joins) {
            let nexts = ends.next.iter().filter_map(|&next| self.definition.node(next));
            clouds.extend(nexts.map(|next| self.first_same(self.definition.home_of(next))));
            if !ends.tail {
                break;
            }
        }
        clouds.sort_unstable();
        clouds.dedup();
        join_all(
            clouds.into_iter().filter_map(|cloud| self.cloud(cloud).ok()).map(|cloud| cloud.functions.warm()),
        )
        .await;
    }

    /// Runs glue; a panic in it is the function's fault, not the process's.
    pub(crate) fn guard(
        &self,
        at: &str,
        glue: impl FnOnce() -> Result<Continuation, Fault>,
    ) -> Result<Continuation, Fault> {
        catch_unwind(AssertUnwindSafe(glue))
            .map_err(|panic| panicked(&format!("the code after {at}"), &*panic))?
    }

    /// The platform gave up on an instance. If it has no outcome, and the call itself is to blame,
    /// failure is its outcome, and the run's. If a store or cloud is, it stays open: a sweep sends it
    /// again. An outage then fails no run, however short or long.
    async fn fail(&self, instance: Instance, call: &Call, given_up: GivenUp) -> Result<(), Fault> {
        let (node, _) = self.callee(call)?;
        let attempts = given_up.attempts;
        let settled = match given_up.cause {
            Cause::Call => {
                let failure = instance.failure(node, given_up.why, attempts);
                self.commit_end(&instance, node, Ended::Failed(failure)).await?
            }
            Cause::Surroundings => match self.settled(&instance, node).await? {
                Some(settled) => settled,
                None => {
                    tracing::warn!(node = node.name, why = given_up.why, "left open for a sweep");
                    return Ok(());
                }
            },
        };
        self.go_on_at_last(instance, node, settled, attempts).await
    }

    /// Goes on with an instance whose event is delivered no more.
    pub(crate) async fn go_on_at_last(
        &self,
        instance: Instance,
        node: &NodeDef,
        settled: Settled,
        attempts: u32,
    ) -> Result<(), Fault> {
        if !self.goes_on(&instance, &settled).await? {
            return Ok(());
        }
        // It may have an outcome: then what fails is what comes after, such as the glue of a
        // fan-in. When that is broken for good, so is the branch that it is in and that may fail,
        // or the run; when a store or cloud is, the run waits.
        match self.go_on(instance.clone(), settled).await {
            Err(Stuck { fault, frames }) if fault.is_of_the_code() => {
                let failure = instance.failure(node, fault.to_string(), attempts);
                self.fail_around(&instance.actor, frames, failure, instance.objects).await
            }
            done => Ok(done?),
        }
    }

    /// Fails the innermost branch that may fail, or the run when there is none. If the code that
    /// follows it is broken too, it is the turn of the next one around.
    async fn fail_around(
        &self,
        actor: &Actor,
        mut frames: Vec<Frame>,
        failure: Failure,
        objects: CloudSet,
    ) -> Result<(), Fault> {
        for _ in 0..MAX_DEPTH {
            match self.fail_within(actor, frames, failure.clone(), objects).await {
                Err(stuck) if stuck.fault.is_of_the_code() => frames = stuck.frames,
                done => return Ok(done?),
            }
        }
        self.end(actor, Ended::Failed(failure), objects).await
    }

    pub(crate) fn callee(&self, call: &Call) -> Result<(&'static NodeDef, &'static FunctionDef), Fault> {
        let node = self.definition.node(call.node);
        node.and_then(|node| Some((node, self.definition.function_of(node)?)))
            .ok_or_else(|| Fault::Poison(format!("there is no call site {}", call.place(&[]))))
    }
}

/// What the glue after a call may read: the frames around it and its variables.
pub(crate) type Loaded = (Vec<Frame>, Vars);

enum Found {
    Settled(Settled),
    Fresh(Outcome, Loaded),
    /// The run is past its deadline.
    Past,
}

/// When the home row is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Beside the user function.
    Beside,
    /// Before it: the call was sent before, and is likely to be done.
    ReadFirst,
}

/// Runs a user function once.
pub(crate) async fn once<T>(function: &FunctionDef, start: impl FnOnce() -> Started<T>) -> Result<T, Fault> {
    point::begin().await;
    // The arguments' own code, their `Deserialize`, may panic too.
    let started =
        catch_unwind(AssertUnwindSafe(start)).map_err(|panic| panicked(function.name, &*panic))??;
    let user = AssertUnwindSafe(started).catch_unwind().await;
    point::end().await;
    user.map_err(|panic| panicked(function.name, &*panic))
}

/// Ends a user function that takes longer than its timeout, or than is left of the delivery.
pub(crate) async fn in_time<T>(
    function: &FunctionDef,
    remaining: Duration,
    running: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let limit = Duration::from_millis(function.timeout_ms).min(remaining);
    let timeout =
        || Fault::Timeout { function: function.name.to_owned(), timeout_ms: limit.as_millis() as u64 };
    tokio::time::timeout(limit, running).await.map_err(|_| timeout())?
}

fn panicked(function: &str, panic: &(dyn Any + Send)) -> Fault {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "with no message".to_owned());
    Fault::Panic { function: function.to_owned(), message }
}

/// The points in a user function's life at which a test can inject a fault.
mod point {
    #[cfg(feature = "local")]
    use crate::backend::fault::{Operation, pass};

    pub(super) async fn begin() {
        #[cfg(feature = "local")]
        pass(Operation::Begin).await;
    }

    pub(super) async fn end() {
        #[cfg(feature = "local")]
        pass(Operation::End).await;
    }
}
