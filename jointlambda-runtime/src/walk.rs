//! The walk through an open run, from its root to where nothing is decided yet, by names derived
//! from what is committed: it scans nothing.

mod fork;
mod leap;
mod loops;

use futures_util::{StreamExt, stream};
use tokio::{sync::MutexGuard, time::Instant};

use crate::{
    backend::Timestamp,
    client::RunRecord,
    codec,
    commit::{Actor, Instance, Next, Ran, Settled},
    definition::{FunctionDef, NodeDef, NodeIndex},
    dispatch::CONCURRENCY,
    envelope::{Arrived, Call, CloudSet, Continuation, Ended, Frame},
    error::Fault,
    first,
    runtime::Runtime,
    walk::loops::Loops,
};

/// Calls that a walk finds before they are sent again, and it goes on: they take memory.
const MAX_FOUND: usize = 10_000;
/// Parts of a run that one walk looks at before it leaves the rest to the next one, about a row
/// each. It begins with other branches each time, so that each has its turn.
const MAX_LOOKED_AT: usize = 200_000;
/// Parts of a run that one walk stops. There is no other turn for what is left: it is stopped by
/// the deadline of its run.
const MAX_STOPPED: usize = 1_000_000;
/// A walk with more parts before it than these waits until no other walk of the process has so many:
/// together they must fit into the memory of a sweeper.
const WIDE: usize = 4_096;

/// What a walk is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Errand {
    /// Find the calls that are open, and fire the fan-ins that are full.
    Resume {
        /// Only what is due to be sent again; `None` for all.
        look: Option<When>,
    },
    /// Find a call that was due to be sent again, for a message; changes nothing.
    Find { now: Timestamp },
    /// Decide that whatever is open is cancelled, so that nothing follows it. Looks also into
    /// branches that no fan-in waits for: it is to leave nothing behind.
    Stop,
}

/// When a sweep looks at a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    pub(crate) now: Timestamp,
    /// When it did so the last time.
    pub(crate) before: Option<Timestamp>,
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

/// Where a walk is.
pub(crate) struct Walking<'a> {
    parts: Vec<Part>,
    looked_at: usize,
    /// The first fault of the run's own code, if there was one; else the first of any kind. What
    /// could not be read is left, and the rest is walked through.
    pub(crate) done: Result<(), Fault>,
    /// Held while it has many parts before it.
    wide: Option<MutexGuard<'a, ()>>,
}

impl Walking<'_> {
    /// Whether nothing is left for another walk.
    pub(crate) fn is_whole(&self) -> bool {
        self.parts.is_empty() && self.done.is_ok()
    }
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
    /// When it has to have come to an end.
    until: Option<Instant>,
    loops: Loops,
    /// What is younger than this, in milliseconds, cannot be due to be sent again.
    least_ms: u64,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        runtime: &'a Runtime,
        actor: &'a Actor,
        errand: Errand,
        until: Option<Instant>,
    ) -> Self {
        let loops = Loops::of(runtime.definition);
        Walk { runtime, actor, errand, until, loops, least_ms: runtime.least_repeat_ms() }
    }

    /// Begins at the root.
    pub(crate) async fn begin(&self, record: &RunRecord) -> Walking<'a> {
        let (parts, done) = match self.root(record).await {
            Ok(root) => (vec![root], Ok(())),
            Err(fault) => (Vec::new(), Err(fault)),
        };
        Walking { parts, looked_at: 0, done, wide: None }
    }

    async fn root(&self, record: &RunRecord) -> Result<Part, Fault> {
        let bytes = self.runtime.fetch(&self.actor.of, &record.first).await?;
        let continuation = codec::unpack_row(&bytes, "a run row")?;
        let (objects, since) = (record.objects, self.actor.term.started_at);
        Ok(Part { frames: Vec::new(), continuation, objects, since, is_over: false })
    }

    /// Follows what is committed, and gives calls that are to be sent again. Where there are very many
    /// it gives some of them, and goes on when it is called again. An empty answer means that the walk has ended.
    pub(crate) async fn go_through(&self, walking: &mut Walking<'a>) -> Vec<Lost> {
        let mut lost = Vec::new();
        let wanted = if matches!(self.errand, Errand::Find { .. }) { 1 } else { MAX_FOUND };
        while !walking.parts.is_empty() && lost.len() < wanted && !self.has_enough(walking) {
            let parts = &mut walking.parts;
            if parts.len() > WIDE && walking.wide.is_none() {
                walking.wide = Some(self.runtime.wide.lock().await);
            }
            let wave = parts.split_off(parts.len().saturating_sub(CONCURRENCY));
            let look_at = |part| async {
                let mut found = Found { looked_at: 1, ..Found::default() };
                let looked = self.look_at(part, &mut found).await;
                (found, looked)
            };
            let mut looks = std::pin::pin!(stream::iter(wave).map(look_at).buffered(CONCURRENCY));
            while let Some((found, looked)) = looks.next().await {
                walking.parts.extend(found.parts);
                lost.extend(found.lost);
                walking.looked_at += found.looked_at;
                note(&mut walking.done, looked);
            }
        }
        lost
    }

    fn has_enough(&self, walking: &Walking<'_>) -> bool {
        let most = match self.errand {
            Errand::Resume { .. } | Errand::Find { .. } => MAX_LOOKED_AT,
            Errand::Stop => MAX_STOPPED,
        };
        walking.looked_at >= most || is_past(self.until)
    }

    async fn look_at(&self, part: Part, found: &mut Found) -> Result<(), Fault> {
        let Part { frames, continuation, objects, since, is_over } = part;
        found.is_over = is_over;
        if self.is_too_young(since) {
            return Ok(());
        }
        match continuation {
            Continuation::Call(call) => self.call(frames, call, objects, since, found).await,
            Continuation::Fork(fork) => self.fork(frames, fork, objects, since, found).await,
            Continuation::Return(_) | Continuation::Err(_) if is_over => Ok(()),
            Continuation::Return(value) => {
                let (ended, stamp) = (Ended::Returned(value), self.runtime.stamp(self.actor));
                self.arrive(frames, Arrived { ended, objects, stamp }, found).await
            }
            Continuation::Err(value) => {
                let (ended, stamp) = (Ended::Err(value), self.runtime.stamp(self.actor));
                self.arrive(frames, Arrived { ended, objects, stamp }, found).await
            }
        }
    }

    /// Whether nothing that was committed at `since`, or after it, is due to be sent again.
    fn is_too_young(&self, since: Timestamp) -> bool {
        match self.errand {
            Errand::Resume { look: Some(look) } => look.now.saturating_sub(since) < self.least_ms,
            Errand::Resume { look: None } | Errand::Find { .. } | Errand::Stop => false,
        }
    }

    async fn call(
        &self,
        frames: Vec<Frame>,
        call: Call,
        objects: CloudSet,
        since: Timestamp,
        found: &mut Found,
    ) -> Result<(), Fault> {
        let (node, function) = self.runtime.callee(&call)?;
        let instance = self.instance(frames, call.node, call.turns.clone(), objects);
        match (self.runtime.settled(&instance, node).await?, self.errand) {
            (Some(settled), _) => {
                let (instance, settled) = self.leap(instance, settled, found).await?;
                self.go_on(instance, settled, found).await
            }
            (None, Errand::Resume { .. } | Errand::Find { .. }) => {
                if self.is_due(function, since) {
                    found.lost.push(Lost { frames: instance.frames, call, objects, since });
                }
                Ok(())
            }
            (None, Errand::Stop) => self.cancel(instance, node, found).await,
        }
    }

    /// Whether a call that was dispatched at `since` and is not decided is to be sent again.
    fn is_due(&self, function: &FunctionDef, since: Timestamp) -> bool {
        match self.errand {
            Errand::Resume { look: Some(look) } => {
                self.runtime.repeats(function).is_due(since, look.before, look.now)
            }
            Errand::Find { now } => self.runtime.repeats(function).is_due(since, None, now),
            Errand::Resume { look: None } | Errand::Stop => true,
        }
    }

    async fn arrive(&self, frames: Vec<Frame>, arrived: Arrived, found: &mut Found) -> Result<(), Fault> {
        if matches!(self.errand, Errand::Find { .. }) {
            return Ok(());
        }
        match self.runtime.arrive(self.actor, &frames, arrived).await? {
            Some(full) => self.fire(full, found).await,
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
            Settled::Gone => Ok(()),
            Settled::Next(Next { continuation, objects, stamp }) => {
                let since = self.actor.term.started_at.saturating_add(stamp.at_ms);
                let is_over = found.is_over;
                found.parts.push(Part { frames: instance.frames, continuation, objects, since, is_over });
                Ok(())
            }
            Settled::Ended(arrived) => match (&arrived.ended, self.errand) {
                // A failed instance fails the branch that may fail, or the run, wherever it is.
                (Ended::Failed(_), _) if found.is_over => Ok(()),
                (Ended::Failed(_), errand) => match (first::innermost(&instance.frames), errand) {
                    (None, Errand::Stop | Errand::Find { .. }) => Ok(()),
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
        Instance { actor: self.actor.clone(), frames, node, turns, objects, ran: Ran::default() }
    }
}

/// Whether a moment by which something has to have come to an end has come.
pub(crate) fn is_past(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}

/// Notes a fault: the first, but one of the code takes the place of one that is not.
fn note(done: &mut Result<(), Fault>, looked: Result<(), Fault>) {
    let Err(fault) = looked else { return };
    match done {
        Err(before) if before.is_of_the_code() || !fault.is_of_the_code() => {}
        _ => *done = Err(fault),
    }
}
