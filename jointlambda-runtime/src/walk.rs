//! The walk through an open run, from its root to where nothing is decided yet, by names derived
//! from what is committed: it scans nothing.

mod loose;

use futures_util::{StreamExt, stream};

use crate::{
    backend::Timestamp,
    client::RunRecord,
    codec,
    commit::{Actor, Instance, Next, Settled},
    definition::{FunctionDef, NodeDef, NodeIndex},
    dispatch::CONCURRENCY,
    envelope::{Arrived, Call, CloudSet, Continuation, Ended, Fork, Frame, Stamp},
    error::Fault,
    first,
    join::{Full, WIDTH},
    runtime::Runtime,
    walk::loose::Loose,
};

/// Calls of one run that one walk invokes again; the next one finds the others.
const MAX_INVOKED: usize = 10_000;
/// Parts of a run that one walk looks at before it leaves the rest to the next one, about a row
/// each. Where there are more, it begins with other branches each time, so that each has its turn.
const MAX_LOOKED_AT: usize = 20_000;
/// Parts of a run that one walk stops. There is no other turn for what is left: it is stopped by
/// the deadline of its run.
const MAX_STOPPED: usize = 1_000_000;

/// What a walk is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Errand {
    /// Find the calls that are open, and fire the fan-ins that are full.
    Resume {
        /// Only those calls that must be lost by then.
        now: Option<Timestamp>,
    },
    /// Decide that whatever is open is cancelled, so that nothing follows it. Looks also into
    /// branches that no fan-in waits for: it is to leave nothing behind.
    Stop,
}

/// A part of a run that is still to be looked at.
struct Part {
    frames: Vec<Frame>,
    continuation: Continuation,
    objects: CloudSet,
    /// When it was committed.
    since: Timestamp,
    /// Whether its branch has ended: then only what is late in it is looked for.
    is_over: bool,
}

/// A call that is open, where, and since when.
pub(crate) struct Lost {
    pub(crate) frames: Vec<Frame>,
    pub(crate) call: Call,
    pub(crate) objects: CloudSet,
    pub(crate) since: Timestamp,
}

/// What came of a walk.
pub(crate) struct Walked {
    /// The calls that were taken for lost, also those that were found before a fault.
    pub(crate) lost: Vec<Lost>,
    /// Whether nothing was left for another walk.
    pub(crate) is_whole: bool,
    pub(crate) done: Result<(), Fault>,
}

/// What came of looking at a part.
#[derive(Default)]
struct Found {
    /// Whether the branch of the part has ended.
    is_over: bool,
    parts: Vec<Part>,
    lost: Vec<Lost>,
    looked_at: usize,
}

/// A walk through one run.
pub(crate) struct Walk<'a> {
    runtime: &'a Runtime,
    actor: &'a Actor,
    errand: Errand,
    /// Where something may be open behind what is decided, when that is to be stopped too.
    loose: Option<Loose>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(runtime: &'a Runtime, actor: &'a Actor, errand: Errand) -> Self {
        let loose = matches!(errand, Errand::Stop).then(|| Loose::of(runtime.definition));
        Walk { runtime, actor, errand, loose }
    }

    /// Follows what is committed to where nothing follows.
    pub(crate) async fn follow_all(&self, record: &RunRecord) -> Walked {
        let mut all = Found::default();
        let done = match self.root(record).await {
            Ok(root) => {
                all.parts.push(root);
                self.through(&mut all).await
            }
            Err(fault) => Err(fault),
        };
        Walked { is_whole: all.parts.is_empty(), lost: all.lost, done }
    }

    async fn root(&self, record: &RunRecord) -> Result<Part, Fault> {
        let first = codec::unpack(&self.runtime.fetch(&self.actor.run, &record.first).await?, "a run row")?;
        let (objects, since) = (record.objects, self.actor.term.started_at);
        Ok(Part { frames: Vec::new(), continuation: first, objects, since, is_over: false })
    }

    /// Looks at parts side by side, for as long as there are any.
    async fn through(&self, all: &mut Found) -> Result<(), Fault> {
        while !all.parts.is_empty() {
            if all.lost.len() >= MAX_INVOKED || all.looked_at >= self.most() {
                all.lost.truncate(MAX_INVOKED);
                return Ok(());
            }
            let wave = all.parts.split_off(all.parts.len().saturating_sub(CONCURRENCY));
            let mut looks =
                std::pin::pin!(stream::iter(wave).map(|part| self.look_at(part)).buffered(CONCURRENCY));
            while let Some(found) = looks.next().await {
                let found = found?;
                all.parts.extend(found.parts);
                all.lost.extend(found.lost);
                all.looked_at += found.looked_at;
            }
        }
        Ok(())
    }

    fn most(&self) -> usize {
        match self.errand {
            Errand::Resume { .. } => MAX_LOOKED_AT,
            Errand::Stop => MAX_STOPPED,
        }
    }

    async fn look_at(&self, part: Part) -> Result<Found, Fault> {
        let Part { frames, continuation, objects, since, is_over } = part;
        let mut found = Found { is_over, looked_at: 1, ..Found::default() };
        match continuation {
            Continuation::Call(call) => self.call(frames, call, objects, since, &mut found).await?,
            Continuation::Fork(fork) => self.fork(frames, fork, objects, since, &mut found).await?,
            Continuation::Return(_) | Continuation::Err(_) if is_over => {}
            Continuation::Return(value) => {
                let (ended, stamp) = (Ended::Returned(value), self.runtime.stamp(self.actor));
                self.arrive(frames, Arrived { ended, objects, stamp }, &mut found).await?;
            }
            Continuation::Err(value) => {
                let (ended, stamp) = (Ended::Err(value), self.runtime.stamp(self.actor));
                self.arrive(frames, Arrived { ended, objects, stamp }, &mut found).await?;
            }
        }
        Ok(found)
    }

    async fn call(
        &self,
        frames: Vec<Frame>,
        call: Call,
        objects: CloudSet,
        since: Timestamp,
        found: &mut Found,
    ) -> Result<(), Fault> {
        let unknown = || Fault::Poison(format!("there is no call site {}", call.place(&[])));
        let node = self.runtime.definition.node(call.node).ok_or_else(unknown)?;
        let function = self.runtime.definition.function_of(node).ok_or_else(unknown)?;
        let mut instance = self.instance(frames, call.node, call.turns.clone(), objects);
        match (self.runtime.settled(&instance, node).await?, self.errand) {
            (Some(settled), _) => {
                let settled = self.leap(&mut instance, node, settled, found).await?;
                self.go_on(instance, settled, found).await
            }
            (None, Errand::Resume { now }) => {
                if now.is_none_or(|now| self.is_lost(function, since, now)) {
                    found.lost.push(Lost { frames: instance.frames, call, objects, since });
                }
                Ok(())
            }
            (None, Errand::Stop) => self.cancel(instance, node, found).await,
        }
    }

    /// Goes to the last turn of a loop in which this node is decided: whatever comes before that
    /// on the same path is decided too. A loop of *n* turns costs the logarithm of *n*.
    async fn leap(
        &self,
        instance: &mut Instance,
        node: &NodeDef,
        mut settled: Settled,
        found: &mut Found,
    ) -> Result<Settled, Fault> {
        let Some(innermost) = instance.turns.len().checked_sub(1) else { return Ok(settled) };
        if node.tail || self.loose.as_ref().is_some_and(|loose| loose.turns[usize::from(instance.node)]) {
            return Ok(settled);
        }
        let (mut reached, mut step) = (instance.turns[innermost], 1_u32);
        let mut beyond = self.runtime.definition.max_turns;
        while reached + 1 < beyond {
            let to = reached.saturating_add(step).min(beyond - 1);
            instance.turns[innermost] = to;
            found.looked_at += 1;
            match self.runtime.settled(instance, node).await? {
                Some(later) => {
                    (reached, settled) = (to, later);
                    step = step.saturating_mul(2);
                }
                None => {
                    beyond = to;
                    step = ((beyond - reached) / 2).max(1);
                }
            }
        }
        instance.turns[innermost] = reached;
        Ok(settled)
    }

    /// Whether a call that was dispatched at `since` and is not decided must be lost.
    fn is_lost(&self, function: &FunctionDef, since: Timestamp, now: Timestamp) -> bool {
        now.saturating_sub(since) >= self.runtime.lost_after(function)
    }

    async fn fork(
        &self,
        frames: Vec<Frame>,
        fork: Fork,
        objects: CloudSet,
        since: Timestamp,
        found: &mut Found,
    ) -> Result<(), Fault> {
        let node = self.runtime.join_node(fork.join)?;
        let Fork { join, turns, vars, branches, first } = fork;
        let mut instance = self.instance(frames.clone(), join, turns.clone(), objects);
        let mut is_decided = false;
        if let Some(settled) = self.runtime.settled(&instance, node).await? {
            let settled = self.leap(&mut instance, node, settled, found).await?;
            // The slot of a fan-in that ends its branch, or the run, may say how a part of it ended,
            // while others are still under way.
            let is_loose = self.loose.as_ref().is_some_and(|loose| {
                first.is_some() || loose.branches[usize::from(join)] || ended_without_value(&settled)
            });
            self.go_on(instance.clone(), settled, found).await?;
            if !is_loose {
                return Ok(());
            }
            is_decided = true;
        }
        let frame = Frame { join, turns, index: 0, of: branches.len() as u32, vars, first };
        if branches.is_empty() {
            if is_decided {
                return Ok(());
            }
            let at_ms = since.saturating_sub(self.actor.term.started_at);
            let stamp = Stamp { at_ms, ..self.runtime.stamp(self.actor) };
            return self.fire(self.runtime.full_at_once(instance, frame, stamp), found).await;
        }
        let arrived = self.runtime.arrived(&self.actor.run, &frames, &frame).await?;
        found.looked_at += arrived.len().div_ceil(WIDTH as usize);
        let full_leaf = |leaf: &[Option<Arrived>]| match first {
            None => !is_decided && leaf.iter().all(Option::is_some),
            Some(first) => !is_decided && first::is_due(first, leaf),
        };
        let full: Vec<bool> = arrived.chunks(WIDTH as usize).map(full_leaf).collect();
        // A branch that may fail does so while others in it are still under way.
        let stops_in = |ended: &Ended| {
            let ends_early = first.is_some() && matches!(ended, Ended::Failed(_) | Ended::Cancelled);
            self.loose.as_ref().is_some_and(|loose| ends_early || loose.branches[usize::from(join)])
        };
        // What is due waits for no branch.
        let waits = first.is_none() || matches!(self.errand, Errand::Stop) || !full[0];
        // One branch of a full row arrives again, in case nobody went on from there.
        let mut again: Vec<bool> = full.clone();
        let mut open = Vec::new();
        for ((index, continuation), arrived) in (0..).zip(branches).zip(arrived) {
            let mut around = frames.clone();
            around.push(Frame { index, ..frame.clone() });
            match arrived {
                None if waits => {
                    // Whatever fails in such a branch fills its slot, from anywhere in it.
                    let ends = first.is_some() && matches!(self.errand, Errand::Stop);
                    if ends {
                        let (ended, stamp) = (Ended::Cancelled, self.runtime.stamp(self.actor));
                        self.arrive(around.clone(), Arrived { ended, objects, stamp }, found).await?;
                    }
                    let is_over = found.is_over || is_decided || ends;
                    open.push(Part { frames: around, continuation, objects, since, is_over });
                }
                None => {}
                Some(arrived) => {
                    let stops_in = stops_in(&arrived.ended);
                    if std::mem::take(&mut again[(index / WIDTH) as usize]) {
                        self.arrive(around.clone(), arrived, found).await?;
                    }
                    if stops_in {
                        open.push(Part { frames: around, continuation, objects, since, is_over: true });
                    }
                }
            }
        }
        if open.len() > MAX_LOOKED_AT {
            let first = fastrand::usize(..open.len());
            open.rotate_left(first);
        }
        found.parts.extend(open);
        Ok(())
    }

    async fn arrive(&self, frames: Vec<Frame>, arrived: Arrived, found: &mut Found) -> Result<(), Fault> {
        match self.runtime.arrive(self.actor, &frames, arrived).await? {
            Some(full) => self.fire(full, found).await,
            None => Ok(()),
        }
    }

    /// A fan-in is full: goes on with it, or sees to it that nobody does.
    async fn fire(&self, full: Full, found: &mut Found) -> Result<(), Fault> {
        let fired = match self.errand {
            Errand::Resume { .. } => {
                let (join, node) = (full.join.clone(), self.runtime.join_node(full.join.node)?);
                match self.runtime.fan_in(full).await {
                    // The branch is broken for good, not the run.
                    Err(fault) if fault.is_of_the_code() && first::innermost(&join.frames).is_some() => {
                        let (ended, stamp) = (
                            Ended::Failed(join.failure(node, fault.to_string(), 1)),
                            self.runtime.stamp(self.actor),
                        );
                        let arrived = Arrived { ended, objects: join.objects, stamp };
                        Some((join, Settled::Ended(arrived)))
                    }
                    fired => fired?,
                }
            }
            Errand::Stop => match self.runtime.undecided_fan_in(&full).await {
                // Nothing is decided between such a fan-in and the call that follows it.
                Ok(Some(settled)) => Some((full.join, settled)),
                Err(fault) if !fault.is_of_the_code() => return Err(fault),
                Ok(None) | Err(_) => {
                    let node = self.runtime.join_node(full.join.node)?;
                    return Box::pin(self.cancel(full.join, node, found)).await;
                }
            },
        };
        match fired {
            Some((join, settled)) => Box::pin(self.go_on(join, settled, found)).await,
            None => Ok(()),
        }
    }

    /// Decides that an instance is cancelled; if it is decided already, goes on from there.
    async fn cancel(&self, instance: Instance, node: &NodeDef, found: &mut Found) -> Result<(), Fault> {
        if node.tail && instance.frames.is_empty() {
            // That is the end of the run, which comes when everything else has been stopped.
            return Ok(());
        }
        let settled = if node.tail {
            // The arrival is the commit.
            let stamp = self.runtime.stamp(self.actor);
            Settled::Ended(Arrived { ended: Ended::Cancelled, objects: instance.objects, stamp })
        } else {
            self.runtime.commit_end(&instance, node, Ended::Cancelled).await?
        };
        self.go_on(instance, settled, found).await
    }

    async fn go_on(&self, mut instance: Instance, settled: Settled, found: &mut Found) -> Result<(), Fault> {
        match settled {
            Settled::Next(Next { continuation, objects, stamp }) => {
                let since = self.actor.term.started_at + stamp.at_ms;
                let is_over = found.is_over;
                found.parts.push(Part { frames: instance.frames, continuation, objects, since, is_over });
                Ok(())
            }
            Settled::Ended(arrived) => match (&arrived.ended, self.errand) {
                // A failed instance fails the branch that may fail, or the run, wherever it is.
                (Ended::Failed(_), _) if found.is_over => Ok(()),
                (Ended::Failed(_), errand) => match (first::innermost(&instance.frames), errand) {
                    (None, Errand::Stop) => Ok(()),
                    (None, Errand::Resume { .. }) => {
                        self.runtime.end(self.actor, arrived.ended, arrived.objects).await
                    }
                    (Some(branch), _) => {
                        instance.frames.truncate(branch + 1);
                        self.arrive(instance.frames, arrived, found).await
                    }
                },
                // A fan-in that this makes due is decided by every walk that sees it so.
                (Ended::Cancelled, Errand::Stop) if self.is_tail(&instance) => {
                    self.arrive(instance.frames, arrived, found).await
                }
                (Ended::Cancelled, _) => Ok(()),
                (Ended::Returned(_) | Ended::Err(_), _) if found.is_over => Ok(()),
                (Ended::Returned(_) | Ended::Err(_), _) => self.arrive(instance.frames, arrived, found).await,
            },
        }
    }

    /// Whether the outcome of an instance is how its branch ends.
    fn is_tail(&self, instance: &Instance) -> bool {
        let node = self.runtime.definition.node(instance.node);
        !instance.frames.is_empty() && node.is_some_and(|node| node.tail)
    }

    fn instance(&self, frames: Vec<Frame>, node: NodeIndex, turns: Vec<u32>, objects: CloudSet) -> Instance {
        Instance { actor: self.actor.clone(), frames, node, turns, objects }
    }
}

/// Whether this is the end of a branch, or of a run, that has no value.
fn ended_without_value(settled: &Settled) -> bool {
    matches!(settled, Settled::Ended(Arrived { ended: Ended::Failed(_) | Ended::Cancelled, .. }))
}
