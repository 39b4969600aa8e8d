//! Starts what a committed continuation says: invokes successors, arrives at joins.
//!
//! Everything here is idempotent: a continuation may be dispatched by any number of copies.

use std::pin::pin;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future, stream};
use tokio::time::Instant;

use crate::{
    backend::{Invoked, Timestamp},
    codec,
    commit::{Actor, Instance, Next, Ran, Settled},
    definition::FunctionDef,
    envelope::{
        Arrived, Call, CloudSet, Continuation, Ended, Envelope, Failure, Fork, Frame, Place, Relay, Stamp,
        Task, Value, path,
    },
    error::Fault,
    first,
    join::Full,
    retry,
    runtime::Runtime,
    timing,
    walk::{Lost, is_past},
};

/// Requests that one function has under way at once.
pub(crate) const CONCURRENCY: usize = 64;
/// A fan-out that starts more calls at once is started through relays.
const DIRECT: usize = 256;
/// Relays that one function starts.
const RELAYS: usize = 64;
/// So many branches that are large fan-outs themselves are started by the same function.
const FEW: usize = 4;
/// How often all placements of a function are tried.
const ROUNDS: u32 = 3;

/// A continuation and where it stands.
struct Pending {
    frames: Vec<Frame>,
    continuation: Continuation,
    objects: CloudSet,
    /// When it was committed: the same for all copies that dispatch it.
    since: Timestamp,
}

/// A message to be sent.
pub(crate) struct Outgoing {
    pub(crate) function: &'static FunctionDef,
    pub(crate) envelope: Envelope,
    /// How it reaches the function.
    pub(crate) way: Way,
}

/// How a message reaches its function.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// By an invocation.
    Alone,
    /// The same, of what was sent before and may have been lost by the function's first placement.
    Again,
    /// Together with others, in a batch of those that were committed at about the same time.
    Gather {
        /// When it was committed.
        since: Timestamp,
        /// Whether it was sent before. Then its batch may have been lost, too.
        again: bool,
    },
}

/// A fault, and where it was met.
#[derive(Debug)]
pub(crate) struct Stuck {
    pub(crate) fault: Fault,
    /// The fan-outs around it.
    pub(crate) frames: Vec<Frame>,
}

impl Stuck {
    fn in_frames(frames: &[Frame]) -> impl FnOnce(Fault) -> Self {
        move |fault| Stuck { fault, frames: frames.to_vec() }
    }
}

impl From<Stuck> for Fault {
    fn from(stuck: Stuck) -> Self {
        stuck.fault
    }
}

impl Runtime {
    /// Dispatches what was decided for an instance, and whatever fan-ins that completes.
    pub(crate) async fn go_on(&self, instance: Instance, settled: Settled) -> Result<(), Stuck> {
        let Instance { actor, frames, .. } = instance;
        let (mut arrivals, mut pending) = (Vec::new(), Vec::new());
        self.follow(&actor, frames, settled, &mut pending, &mut arrivals).await?;
        self.go_on_with(&actor, pending, arrivals).await
    }

    /// Ends the innermost branch that may fail, or the run when there is none.
    pub(crate) async fn fail_within(
        &self,
        actor: &Actor,
        frames: Vec<Frame>,
        failure: Failure,
        objects: CloudSet,
    ) -> Result<(), Stuck> {
        let arrived = Arrived { ended: Ended::Failed(failure), objects, stamp: self.stamp(actor) };
        let (mut arrivals, mut pending) = (Vec::new(), Vec::new());
        self.follow(actor, frames, Settled::Ended(arrived), &mut pending, &mut arrivals).await?;
        self.go_on_with(actor, pending, arrivals).await
    }

    async fn go_on_with(
        &self,
        actor: &Actor,
        mut pending: Vec<Pending>,
        mut arrivals: Vec<(Vec<Frame>, Arrived)>,
    ) -> Result<(), Stuck> {
        // What one part meets does not hold up the others: the first fault is told at the end.
        let mut done = Ok(());
        while !pending.is_empty() || !arrivals.is_empty() {
            let mut outgoing = Vec::new();
            let mut full = Vec::new();
            for one in std::mem::take(&mut pending) {
                self.spread(actor, one, &mut outgoing, &mut arrivals, &mut full).await?;
            }
            let (sent, (completed, arrived)) =
                future::join(self.send_all(outgoing), self.arrive_all(actor, std::mem::take(&mut arrivals)))
                    .await;
            done = done.and(sent).and(arrived);
            full.extend(completed);
            for full in full {
                let around = full.join.frames.clone();
                let followed = match self.fan_in(full).await {
                    Ok(Some((join, settled))) => {
                        self.follow(actor, join.frames, settled, &mut pending, &mut arrivals).await
                    }
                    Ok(None) => Ok(()),
                    Err(fault) => Err(Stuck { fault, frames: around }),
                };
                done = done.and(followed);
            }
        }
        done
    }

    /// What is to be dispatched of an outcome. A failure ends the innermost branch that may fail,
    /// or the run, wherever it is.
    async fn follow(
        &self,
        actor: &Actor,
        mut frames: Vec<Frame>,
        settled: Settled,
        pending: &mut Vec<Pending>,
        arrivals: &mut Vec<(Vec<Frame>, Arrived)>,
    ) -> Result<(), Stuck> {
        match settled {
            Settled::Next(Next { continuation, objects, stamp }) => {
                let since = actor.term.started_at.saturating_add(stamp.at_ms);
                pending.push(Pending { frames, continuation, objects, since });
            }
            Settled::Ended(arrived @ Arrived { ended: Ended::Failed(_), .. }) => {
                let Some(branch) = first::innermost(&frames) else {
                    let ended = self.end(actor, arrived.ended, arrived.objects).await;
                    return ended.map_err(Stuck::in_frames(&[]));
                };
                frames.truncate(branch + 1);
                arrivals.push((frames, arrived));
            }
            // Whoever cancels the run ends it, when everything else has been stopped too.
            Settled::Ended(Arrived { ended: Ended::Cancelled, .. }) | Settled::Gone => {}
            Settled::Ended(arrived) => arrivals.push((frames, arrived)),
        }
        Ok(())
    }

    /// Starts a part of a wide fan-out.
    pub(crate) async fn relay(&self, actor: &Actor, envelope: Envelope, relay: Relay) -> Result<(), Fault> {
        let Envelope { objects, frames, .. } = envelope;
        let bytes = self.fetch(&actor.of, &relay.branches).await?;
        let branches: Vec<Continuation> = codec::unpack(&bytes, "a part of a fan-out")?;
        let room = (relay.frame.of - relay.frame.index) as usize;
        if branches.len() > room {
            return Err(Fault::Poison("refused an envelope: a part is larger than its fan-out".to_owned()));
        }
        for branch in &branches {
            let checked = branch.check(self.definition, frames.len() + 1, false);
            checked.map_err(|why| Fault::Poison(format!("refused an envelope: {why}")))?;
        }
        let mut outgoing = Vec::new();
        let mut pending = Vec::new();
        let (frame, since) = (relay.frame, relay.since);
        self.branch_out(actor, &frames, frame, branches, objects, since, &mut outgoing, &mut pending).await?;
        self.send_all(outgoing).await?;
        Ok(self.go_on_with(actor, pending, Vec::new()).await?)
    }

    /// Takes a continuation apart into messages, arrivals and fan-ins that are full at once.
    async fn spread(
        &self,
        actor: &Actor,
        one: Pending,
        outgoing: &mut Vec<Outgoing>,
        arrivals: &mut Vec<(Vec<Frame>, Arrived)>,
        full: &mut Vec<Full>,
    ) -> Result<(), Stuck> {
        let is_counted = one.frames.last().is_some_and(|frame| frame.first.is_some());
        let checked = one.continuation.check(self.definition, one.frames.len(), is_counted);
        let refused = checked.map_err(|why| Fault::Poison(format!("refused a row: {why}")));
        refused.map_err(Stuck::in_frames(&one.frames))?;
        let mut pending = vec![one];
        while let Some(Pending { frames, continuation, objects, since }) = pending.pop() {
            match continuation {
                Continuation::Call(call) => {
                    let function = self.function_at(&call).map_err(Stuck::in_frames(&frames))?;
                    let way = function.batch.map_or(Way::Alone, |_| Way::Gather { since, again: false });
                    let envelope = self.envelope(actor, frames, objects, Task::Call(call));
                    outgoing.push(Outgoing { function, envelope, way });
                }
                Continuation::Return(value) => {
                    let (ended, stamp) = (Ended::Returned(value), self.stamp(actor));
                    arrivals.push((frames, Arrived { ended, objects, stamp }));
                }
                Continuation::Err(value) => {
                    let (ended, stamp) = (Ended::Err(value), self.stamp(actor));
                    arrivals.push((frames, Arrived { ended, objects, stamp }));
                }
                Continuation::Fork(Fork { join, turns, vars, branches, first }) => {
                    let frame = Frame { join, turns, index: 0, of: branches.len() as u32, vars, first };
                    if branches.is_empty() {
                        let turns = frame.turns.clone();
                        let (acts, ran) = (actor.clone(), Ran::default());
                        let join = Instance { actor: acts, frames, node: join, turns, objects, ran };
                        let at_ms = since.saturating_sub(actor.term.started_at);
                        let stamp = Stamp { at_ms, ..self.stamp(&join.actor) };
                        full.push(self.full_at_once(join, frame, stamp));
                    } else {
                        let pending = &mut pending;
                        let out = self
                            .branch_out(actor, &frames, frame, branches, objects, since, outgoing, pending);
                        out.await.map_err(Stuck::in_frames(&frames))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Starts branches from `frame.index` on: one by one when they are few, else through relays,
    /// so that the time to start them all grows with the logarithm of their number.
    #[allow(clippy::too_many_arguments)]
    async fn branch_out(
        &self,
        actor: &Actor,
        around: &[Frame],
        frame: Frame,
        branches: Vec<Continuation>,
        objects: CloudSet,
        since: Timestamp,
        outgoing: &mut Vec<Outgoing>,
        pending: &mut Vec<Pending>,
    ) -> Result<(), Fault> {
        // The size of a fan-out includes the calls of fan-outs directly inside it. A few that are large go on
        // here: what they begin with is relayed in their turn.
        let sizes: Vec<usize> = branches.iter().map(starts).collect();
        let is_few = sizes.iter().filter(|&&size| size > DIRECT).count() <= FEW;
        let goes_on_here = |size: usize| is_few && size > DIRECT;
        let all = sizes.iter().filter(|&&size| !goes_on_here(size)).sum::<usize>();
        let relayed_by = branches.iter().find_map(first_call).and_then(|call| self.function_at(call).ok());
        let is_wide = all > DIRECT && branches.len() > 1 && frame.first.is_none();
        let (Some(function), true) = (relayed_by, is_wide) else {
            for (index, continuation) in (frame.index..).zip(branches) {
                let mut frames = around.to_vec();
                frames.push(Frame { index, ..frame.clone() });
                pending.push(Pending { frames, continuation, objects, since });
            }
            return Ok(());
        };
        let most = all.div_ceil(RELAYS).max(DIRECT / 4);
        let mut parts = Vec::with_capacity(RELAYS);
        let mut first = frame.index;
        let mut rest = branches.into_iter();
        let mut sizes = sizes.into_iter().peekable();
        while let Some(mut size) = sizes.next() {
            if goes_on_here(size) {
                let mut frames = around.to_vec();
                frames.push(Frame { index: first, ..frame.clone() });
                let here = rest.by_ref().take(1);
                pending.extend(here.map(|continuation| Pending {
                    frames: frames.clone(),
                    continuation,
                    objects,
                    since,
                }));
                first += 1;
                continue;
            }
            let mut count = 1;
            while let Some(more) = sizes.next_if(|&more| !goes_on_here(more) && size + more <= most) {
                (size, count) = (size + more, count + 1);
            }
            let part: Vec<_> = rest.by_ref().take(count).collect();
            parts.push((Frame { index: first, ..frame.clone() }, codec::pack(&part)));
            first += part.len() as u32;
        }
        let relays = stream::iter(parts)
            .map(|(frame, part)| self.relay_of(actor, around, frame, part, function, objects, since))
            .buffered(CONCURRENCY)
            .try_collect::<Vec<_>>();
        outgoing.extend(relays.await?);
        Ok(())
    }

    /// The message to a relay; its branches are stored when they do not fit in.
    #[allow(clippy::too_many_arguments)]
    async fn relay_of(
        &self,
        actor: &Actor,
        around: &[Frame],
        frame: Frame,
        part: Bytes,
        function: &'static FunctionDef,
        mut objects: CloudSet,
        since: Timestamp,
    ) -> Result<Outgoing, Fault> {
        let mut branches = Value::Inline(part.clone());
        if branches.wire_len() > self.relay_limit(function) {
            branches = self.store(actor, part, function.on, Place::Object).await?;
            objects |= 1 << function.on;
        }
        let task = Task::Relay(Relay { frame, branches, since });
        let envelope = self.envelope(actor, around.to_vec(), objects, task);
        Ok(Outgoing { function, envelope, way: Way::Alone })
    }

    /// The bytes of branches that a relay's envelope takes, beside its frames.
    fn relay_limit(&self, function: &FunctionDef) -> usize {
        self.envelope_limit(function) / 2
    }

    /// Makes every arrival; gives the fan-ins that are full, and the first fault.
    async fn arrive_all(
        &self,
        actor: &Actor,
        arrivals: Vec<(Vec<Frame>, Arrived)>,
    ) -> (Vec<Full>, Result<(), Stuck>) {
        let (mut full, mut done) = (Vec::new(), Ok(()));
        let arrive = |(frames, arrived): (Vec<Frame>, Arrived)| async move {
            // A branch that cannot arrive cannot fail either.
            let around = &frames[..frames.len().saturating_sub(1)];
            self.arrive(actor, &frames, arrived).await.map_err(Stuck::in_frames(around))
        };
        let mut answers = pin!(stream::iter(arrivals).map(arrive).buffer_unordered(CONCURRENCY));
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(one) => full.extend(one),
                Err(stuck) => done = done.and(Err(stuck)),
            }
        }
        (full, done)
    }

    /// Sends every message, also when one of them fails: what is sent need not be sent again.
    async fn send_all(&self, mut outgoing: Vec<Outgoing>) -> Result<(), Stuck> {
        let send = |one: Outgoing| async move {
            self.send(&one).await.map_err(Stuck::in_frames(&one.envelope.frames))
        };
        // The common case needs no stream.
        if outgoing.len() <= 1 {
            return match outgoing.pop() {
                Some(one) => send(one).await,
                None => Ok(()),
            };
        }
        stream::iter(outgoing)
            .map(send)
            .buffer_unordered(CONCURRENCY)
            .fold(Ok(()), async |all, one| all.and(one))
            .await
    }

    /// Sends a call that has left its batch.
    pub(crate) async fn send_alone(&self, instance: &Instance, call: &Call) -> Result<(), Fault> {
        let function = self.function_at(call)?;
        let Instance { actor, frames, objects, .. } = instance;
        let envelope = self.envelope(actor, frames.clone(), *objects, Task::Call(call.clone()));
        self.send(&Outgoing { function, envelope, way: Way::Alone }).await
    }

    /// Sends calls again, beginning with another placement than the first where there is one. What
    /// gathers in batches goes alone, unless it `gathers` again: then whoever shares a batch with
    /// it is helped on, too. Says how many were sent until then, and the first fault.
    pub(crate) async fn send_again(
        &self,
        actor: &Actor,
        calls: Vec<Lost>,
        gathers: bool,
        until: Option<Instant>,
    ) -> (usize, Result<(), Fault>) {
        let outgoing = calls.into_iter().map(|Lost { frames, call, objects, since }| {
            let function = self.function_at(&call)?;
            let way = match function.batch {
                Some(_) if gathers => Way::Gather { since, again: true },
                _ => Way::Again,
            };
            let envelope = self.envelope(actor, frames, objects, Task::Call(call));
            // A batch reads before it begins anyway, and holds what was sent, whoever sent it.
            let again = !matches!(way, Way::Gather { .. });
            Ok(Outgoing { function, envelope: Envelope { again, ..envelope }, way })
        });
        let outgoing: Vec<Result<Outgoing, Fault>> = outgoing.collect();
        let sends = outgoing.into_iter().map(|one| async move {
            match is_past(until) {
                true => Ok(false),
                false => self.send(&one?).await.map(|()| true),
            }
        });
        let sends: Vec<_> = sends.collect();
        let count = async |(sent, done): (usize, Result<(), Fault>), one: Result<bool, Fault>| match one {
            Ok(is_sent) => (sent + usize::from(is_sent), done),
            Err(fault) => (sent, done.and(Err(fault))),
        };
        stream::iter(sends).buffer_unordered(CONCURRENCY).fold((0, Ok(())), count).await
    }

    async fn send(&self, one: &Outgoing) -> Result<(), Fault> {
        match one.way {
            Way::Alone | Way::Again => self.invoke(one).await,
            Way::Gather { since, again } => self.gather(one, since, again).await,
        }
    }

    /// Invokes a function on its placement, or on its failover placements when that fails. Each
    /// request makes an event of its own. A copy on another cloud has the same home row, so an
    /// answer that was lost does no harm.
    pub(crate) async fn invoke(&self, one: &Outgoing) -> Result<(), Fault> {
        let (mut wire, mut sends) = (one.envelope.encode(), one.envelope.event);
        let mut is_first = true;
        let mut cause = String::new();
        let all = self.placements(one.function);
        let count = all.len();
        for round in 1..=ROUNDS {
            let (mut refused, mut denied) = (0, 0);
            let first = usize::from(matches!(one.way, Way::Again));
            let mut placements: Vec<_> = all.iter().copied().cycle().skip(first).take(count).collect();
            self.health.sort(&mut placements);
            for index in placements {
                let cloud = self.cloud(index)?;
                if !std::mem::take(&mut is_first) {
                    sends = fastrand::u32(..);
                    wire = Envelope::renamed(&wire, sends);
                }
                let function = one.function.name;
                timing::point!("invoking", sends = sends, function = function);
                let asked = Instant::now();
                let invoked = cloud.functions.invoke(function, wire.clone()).await;
                timing::point!("invoked", sends = sends, function = function);
                match invoked {
                    Invoked::Unavailable(_) | Invoked::Unknown(_) => {
                        self.health.failed(index, asked.elapsed());
                    }
                    _ => self.health.answered(index),
                }
                match invoked {
                    Invoked::Accepted => return Ok(()),
                    Invoked::Throttled => cause = format!("{} throttles", cloud.name),
                    Invoked::Unavailable(why) => cause = format!("{} is unavailable: {why}", cloud.name),
                    Invoked::Unknown(why) => cause = format!("{} did not answer: {why}", cloud.name),
                    Invoked::Rejected(why) => {
                        cause = format!("{} refuses: {why}", cloud.name);
                        refused += 1;
                    }
                    Invoked::Denied(why) => {
                        cause = format!("{} refuses: {why}", cloud.name);
                        denied += 1;
                    }
                }
                tracing::warn!(function = one.function.name, cloud = %cloud.name, cause, "not invoked");
            }
            if refused == count {
                return Err(Fault::Bound(format!("failed to invoke {}: {cause}", one.function.name)));
            }
            // What is denied may be deployed or allowed in a minute, not in a moment.
            if refused + denied == count {
                break;
            }
            if round < ROUNDS {
                tokio::time::sleep(retry::backoff(std::time::Duration::from_millis(50), round, 50)).await;
            }
        }
        Err(Fault::Invoke { function: one.function.name.to_owned(), cause })
    }

    pub(crate) fn envelope(
        &self,
        actor: &Actor,
        frames: Vec<Frame>,
        objects: CloudSet,
        task: Task,
    ) -> Envelope {
        Envelope {
            event: fastrand::u32(..),
            deployment: self.deployment,
            again: false,
            run: actor.run.clone(),
            term: actor.term,
            objects,
            frames,
            task,
        }
    }

    fn function_at(&self, call: &Call) -> Result<&'static FunctionDef, Fault> {
        self.definition
            .node(call.node)
            .and_then(|node| self.definition.function_of(node))
            .ok_or_else(|| Fault::Poison(format!("there is no call site {}", call.node)))
    }
}

/// How many calls, and branches without one, a branch starts at once.
fn starts(branch: &Continuation) -> usize {
    match branch {
        Continuation::Fork(fork) => fork.branches.iter().map(starts).sum::<usize>().max(1),
        Continuation::Call(_) | Continuation::Return(_) | Continuation::Err(_) => 1,
    }
}

/// The first call that a branch starts, if there is one.
fn first_call(branch: &Continuation) -> Option<&Call> {
    match branch {
        Continuation::Call(call) => Some(call),
        Continuation::Fork(fork) => fork.branches.iter().find_map(first_call),
        Continuation::Return(_) | Continuation::Err(_) => None,
    }
}

impl Call {
    /// Where the call's instance is.
    pub(crate) fn instance(&self, actor: &Actor, envelope: &Envelope) -> Instance {
        Instance {
            actor: actor.clone(),
            frames: envelope.frames.clone(),
            node: self.node,
            turns: self.turns.clone(),
            objects: envelope.objects,
            ran: Ran::default(),
        }
    }

    /// For logs: where the call is, without its values.
    pub(crate) fn place(&self, frames: &[Frame]) -> String {
        format!("{}{:?}", self.node, path(frames, &self.turns))
    }
}
