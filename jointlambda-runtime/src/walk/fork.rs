//! Fan-outs: which of their branches are open, and a fan-in that is full.

use super::{Errand, Found, Part, Walk, When, note};
use crate::{
    backend::Timestamp,
    commit::{Instance, Next, Settled},
    definition::NodeDef,
    envelope::{Arrived, CloudSet, Ended, Fork, Frame, Stamp},
    error::Fault,
    first,
    join::{Full, WIDTH},
};

impl Walk<'_> {
    pub(super) async fn fork(
        &self,
        frames: Vec<Frame>,
        fork: Fork,
        objects: CloudSet,
        since: Timestamp,
        found: &mut Found,
    ) -> Result<(), Fault> {
        let node = self.runtime.join_node(fork.join)?;
        let Fork { join, turns, vars, branches, first } = fork;
        let instance = self.instance(frames.clone(), join, turns.clone(), objects);
        let mut is_decided = false;
        if let Some(settled) = self.runtime.settled(&instance, node).await? {
            // The slot of a fan-in that ends its branch, or the run, may say how a part of it ended,
            // while others are still under way.
            let is_loose = first.is_some() || self.loops.branches(join) || ended_without_value(&settled);
            let (instance, settled) = self.leap(instance.clone(), settled, found).await?;
            self.go_on(instance, settled, found).await?;
            if !is_loose || !self.leaves_nothing() {
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
        if !is_decided && self.follows_bare(&instance, node, objects, found).await? {
            return Ok(());
        }
        let arrived = self.runtime.arrived(&self.actor.of, &frames, &frame).await?;
        found.looked_at += arrived.len().div_ceil(WIDTH as usize);
        // What is due waits for no branch.
        let is_due = match first {
            None => arrived.iter().all(Option::is_some),
            Some(first) => first::is_due(first, &arrived),
        };
        let waits = first.is_none() || self.leaves_nothing() || !is_due;
        let mut done = Ok(());
        // It goes on from the branches as they were read, and leaves the rows above them alone: a copy
        // that found a slot there filled by a sweep would take itself for a repetition, and fire too.
        let full = (is_due && !is_decided).then(|| self.full_of(instance, &frame, &arrived));
        let mut open = Vec::new();
        for ((index, continuation), arrived) in (0..).zip(branches).zip(arrived) {
            let around = |frames: &[Frame]| {
                let mut around = frames.to_vec();
                around.push(Frame { index, ..frame.clone() });
                around
            };
            match arrived {
                None if waits => {
                    // Whatever fails in such a branch fills its slot, from anywhere in it.
                    let ends = first.is_some() && self.leaves_nothing();
                    if ends {
                        let (ended, stamp) = (Ended::Cancelled, self.runtime.stamp(self.actor));
                        let arrived = Arrived { ended, objects, stamp };
                        note(&mut done, self.arrive(around(&frames), arrived, found).await);
                    }
                    let is_over = found.is_over || is_decided || ends;
                    open.push(Part { frames: around(&frames), continuation, objects, since, is_over });
                }
                // A branch that may fail does so while others in it are still under way.
                Some(Arrived { ended, .. }) if self.stops_in(&ended, &frame) => {
                    open.push(Part { frames: around(&frames), continuation, objects, since, is_over: true });
                }
                None | Some(_) => {}
            }
        }
        // Another part first each time: what comes last may be more than one look can do.
        if open.len() > 1 {
            let first = fastrand::usize(..open.len());
            open.rotate_left(first);
        }
        found.parts.extend(open);
        if let Some(full) = full {
            note(&mut done, self.fire(full, found).await);
        }
        done
    }

    fn leaves_nothing(&self) -> bool {
        matches!(self.errand, Errand::Stop)
    }

    /// Whether something may be open in a branch that has arrived so, and is to be stopped.
    fn stops_in(&self, ended: &Ended, frame: &Frame) -> bool {
        let ends_early = frame.first.is_some() && matches!(ended, Ended::Failed(_) | Ended::Cancelled);
        self.leaves_nothing() && (ends_early || self.loops.branches(frame.join))
    }

    /// Goes on from the call that follows a fan-in without a row of its own, if that call is decided.
    /// Then the branches need not be read.
    async fn follows_bare(
        &self,
        join: &Instance,
        node: &NodeDef,
        objects: CloudSet,
        found: &mut Found,
    ) -> Result<bool, Fault> {
        if self.leaves_nothing() {
            return Ok(false);
        }
        let Some(next) = self.runtime.bare_next(node) else { return Ok(false) };
        let instance = self.instance(join.frames.clone(), next, join.turns.clone(), objects);
        let next = self.runtime.join_node(next)?;
        let Some(settled) = self.runtime.settled(&instance, next).await? else { return Ok(false) };
        let (instance, settled) = self.leap(instance, settled, found).await?;
        self.go_on(instance, settled, found).await?;
        Ok(true)
    }

    /// A fan-in as the arrivals make it that were read: it is due.
    fn full_of(&self, join: Instance, frame: &Frame, arrived: &[Option<Arrived>]) -> Full {
        let count = match frame.first {
            Some(first) => first::that_count(first, arrived),
            None => arrived.iter().flatten().cloned().collect(),
        };
        let objects = self.runtime.objects_of(arrived);
        let last = count.iter().map(|one| one.stamp).max_by_key(|stamp| stamp.at_ms);
        let last = last.unwrap_or_else(|| self.runtime.stamp(self.actor));
        self.runtime.full_of(Instance { objects, ..join }, frame.clone(), count, last)
    }

    /// A fan-in is full: goes on with it, or sees to it that nothing does.
    pub(super) async fn fire(&self, full: Full, found: &mut Found) -> Result<(), Fault> {
        let fired = match self.errand {
            Errand::Resume { look } => {
                if look.is_some_and(|look| !self.is_to_fire(&full, look)) {
                    return Ok(());
                }
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
            Errand::Find { .. } => {
                self.runtime.undecided_fan_in(&full).await?.map(|settled| (full.join, settled))
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

    /// Whether a look fires a full fan-in. The copy that made it full does so when it has just become
    /// full. One without a row of its own is fired only to send what follows it again.
    fn is_to_fire(&self, full: &Full, look: When) -> bool {
        let since = self.actor.term.started_at.saturating_add(full.last.at_ms);
        if look.now.saturating_sub(since) < self.least_ms {
            return false;
        }
        let definition = self.runtime.definition;
        let node = definition.node(full.join.node);
        let next = node.and_then(|node| self.runtime.bare_next(node)).and_then(|next| definition.node(next));
        next.and_then(|next| definition.function_of(next)).is_none_or(|function| self.is_due(function, since))
    }
}

/// Whether this is the end of a branch, or of a run, that has no value.
fn ended_without_value(settled: &Settled) -> bool {
    match settled {
        Settled::Ended(Arrived { ended, .. }) => matches!(ended, Ended::Failed(_) | Ended::Cancelled),
        Settled::Next(Next { .. }) | Settled::Gone => false,
    }
}
