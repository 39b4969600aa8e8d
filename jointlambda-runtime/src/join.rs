//! Where branches meet: arrivals in join rows, and the fan-in that follows the last one.
//!
//! A fan-in of up to [`WIDTH`] branches has one join row. A larger one has a tree of them: leaf
//! rows where branches arrive, and further levels where full rows arrive, so that no row grows
//! large or hot. An arrival is one atomic operation; whoever fills the last slot of a row, or
//! finds it full on a retry, goes on.

use bytes::Bytes;

use crate::{
    backend::{self, Arrival, Row, StoreError},
    bounds::check_calls,
    codec,
    commit::{Actor, END, Instance, Next, Ran, Settled},
    definition::{CloudIndex, NodeDef, NodeIndex},
    envelope::{Arrived, CloudSet, Continuation, Ended, Frame, Output, Place, Stamp, Value, path},
    error::Fault,
    id::{Incarnation, ObjectsOf, RowKey},
    machine::{Input, Machine},
    payload::{ROW_INLINE_MAX, fits_slot, row_bound},
    retry,
    runtime::Runtime,
    sketch::Sketch,
    timing,
};

/// Slots in one join row.
pub(crate) const WIDTH: u32 = 128;

/// The leaf row where a branch arrives, and its slot there.
pub(crate) fn leaf_of(of: &Incarnation, around: &[Frame], frame: &Frame) -> (RowKey, u32) {
    let key = RowKey::join(of, frame.join, &path(around, &frame.turns), 0, frame.index / WIDTH);
    (key, frame.index % WIDTH)
}

/// All branches of a fan-in that it waits for have arrived.
pub(crate) struct Full {
    /// The fan-in itself.
    pub(crate) join: Instance,
    /// Its variables.
    frame: Frame,
    /// How the branches ended that count, in order.
    arrived: Vec<Arrived>,
    /// The last arrival.
    pub(crate) last: Stamp,
}

impl Runtime {
    /// Ends the innermost branch, or the run when there is none. Idempotent. Gives the fan-in
    /// when all its branches are there and this copy is to go on with it.
    pub(crate) async fn arrive(
        &self,
        actor: &Actor,
        frames: &[Frame],
        mut arrived: Arrived,
    ) -> Result<Option<Full>, Fault> {
        let of_run = &actor.of;
        let Some((frame, around)) = frames.split_last() else {
            self.end(actor, arrived.ended, arrived.objects).await?;
            return Ok(None);
        };
        self.fit_slot(actor, frames, &mut arrived).await?;
        if let Some(first) = frame.first {
            return self.arrive_first(actor, around, frame, first, arrived).await;
        }
        let home = self.join_home(frame.join);
        let table = &self.cloud(home)?.table;
        let expires_at = self.expires_at(&**table, &actor.term);
        let path = path(around, &frame.turns);
        let (mut level, mut index, mut of) = (0, frame.index, frame.of);
        let objects = arrived.objects;
        let mut value = codec::pack_row(&arrived);
        let top = loop {
            let key = RowKey::join(of_run, frame.join, &path, level, index / WIDTH);
            let slots = WIDTH.min(of - index / WIDTH * WIDTH);
            let arrival = Arrival { value, ..Arrival::at(index % WIDTH, slots, expires_at) };
            timing::point!("committing", event = actor.event);
            let answer = retry::store(|| table.arrive(&key, arrival.clone())).await;
            timing::point!("committed", event = actor.event);
            let mut answer = answer?;
            // What it has stored may have come after the end of the run.
            let stored = if answer.fresh || actor.follows_all { 0 } else { actor.stored() };
            if stored != 0 && self.is_over(actor, stored).await? || answer.filled < slots {
                return Ok(None);
            }
            let is_top = of <= WIDTH;
            if answer.row.is_none() && (is_top || !answer.fresh) {
                answer.row = retry::store(|| table.get(&key)).await?;
            }
            let row = answer.row.unwrap_or_default();
            // Whoever filled the slot goes on, or its event's next delivery does; but not once the
            // run has ended. (Above the leaves a slot is for a full row, whoever filled that.)
            if !answer.fresh && !actor.follows_all {
                let slot = row.slots.get(&(index % WIDTH)).filter(|_| level == 0);
                let theirs = slot.map(|slot| codec::unpack_row::<Arrived>(slot, "a slot")).transpose()?;
                if theirs.is_some_and(|theirs| theirs.stamp.event != actor.event) {
                    return Ok(None);
                }
                if self.is_over(actor, objects).await? {
                    return Ok(None);
                }
            }
            if is_top {
                break row;
            }
            (level, index, of, value) = (level + 1, index / WIDTH, of.div_ceil(WIDTH), Bytes::new());
        };
        let leaves = match level {
            0 => vec![Some(top)],
            _ => {
                let keys: Vec<_> = (0..frame.of.div_ceil(WIDTH))
                    .map(|leaf| RowKey::join(of_run, frame.join, &path, 0, leaf))
                    .collect();
                retry::store(|| table.get_many(&keys)).await?
            }
        };
        let arrived = collect(frame, leaves)?;
        let objects = arrived.iter().fold(0, |all, arrived| all | arrived.objects);
        let join = Instance {
            actor: actor.clone(),
            frames: around.to_vec(),
            node: frame.join,
            turns: frame.turns.clone(),
            objects,
            ran: Ran::default(),
        };
        let last = arrived.iter().map(|arrived| arrived.stamp).max_by_key(|stamp| stamp.at_ms);
        let last = last.unwrap_or_else(|| self.stamp(actor));
        Ok(Some(Full { join, frame: frame.clone(), arrived, last }))
    }

    /// Reads which branches of a fan-out have arrived: their arrivals, by branch.
    pub(crate) async fn arrived(
        &self,
        of: &Incarnation,
        around: &[Frame],
        frame: &Frame,
    ) -> Result<Vec<Option<Arrived>>, Fault> {
        let table = &self.cloud(self.join_home(frame.join))?.table;
        let path = path(around, &frame.turns);
        let leaves = 0..frame.of.div_ceil(WIDTH);
        let keys: Vec<_> = leaves.map(|leaf| RowKey::join(of, frame.join, &path, 0, leaf)).collect();
        let rows = retry::store(|| table.get_many(&keys)).await?;
        let slot = |index: u32| {
            let row = rows[(index / WIDTH) as usize].as_ref()?;
            row.slots.get(&(index % WIDTH))
        };
        (0..frame.of)
            .map(|index| slot(index).map(|bytes| codec::unpack_row(bytes, "a slot")).transpose())
            .collect()
    }

    /// The fan-in of a fan-out without branches: it is full at once, since `stamp`.
    pub(crate) fn full_at_once(&self, join: Instance, frame: Frame, stamp: Stamp) -> Full {
        Full { join, frame, arrived: Vec::new(), last: stamp }
    }

    /// The fan-in of branches that are known to have arrived, as [`arrive`](Runtime::arrive) gives
    /// it.
    pub(crate) fn full_of(&self, join: Instance, frame: Frame, arrived: Vec<Arrived>, stamp: Stamp) -> Full {
        Full { join, frame, arrived, last: stamp }
    }

    /// Runs the glue after a join and decides what follows; nothing, when the copy of another
    /// event was first.
    pub(crate) async fn fan_in(&self, full: Full) -> Result<Option<(Instance, Settled)>, Fault> {
        let node = self.join_node(full.join.node)?;
        let mut continuation = match self.glue_after(&full, node).await? {
            Ok(continuation) => continuation,
            // Another copy may have seen one branch more, that has a value.
            Err(ended) if full.frame.first.is_some() => {
                let settled = self.commit_end(&full.join, node, ended.ended).await?;
                let goes_on = self.goes_on(&full.join, &settled).await?;
                return Ok(goes_on.then_some((full.join, settled)));
            }
            Err(ended) => return Ok(Some((full.join, Settled::Ended(ended)))),
        };
        let Full { mut join, last, .. } = full;
        check_calls(self.definition, &join.frames, &continuation)?;
        let is_bare = is_bare(node, &continuation);
        if !is_bare {
            self.place_in_batches(&join.actor, &join.frames, &mut continuation);
        }
        self.fit(&join.actor, &join.frames, &mut continuation, &mut join.objects).await?;
        let settled = if is_bare {
            Some(Settled::Next(Next { continuation, objects: join.objects, stamp: last }))
        } else {
            self.commit(&join, node, continuation).await?
        };
        Ok(settled.map(|settled| (join, settled)))
    }

    /// What follows a fan-in of which nothing is ever decided, or which cannot go on; nothing for
    /// one that has a row to decide. Changes nothing.
    pub(crate) async fn undecided_fan_in(&self, full: &Full) -> Result<Option<Settled>, Fault> {
        let node = self.join_node(full.join.node)?;
        if full.frame.first.is_some() {
            return Ok(None);
        }
        if let Some(ended) = without_value(full) {
            return Ok(Some(Settled::Ended(ended)));
        }
        if !node.pure || node.tail {
            return Ok(None);
        }
        Ok(match self.glue_after(full, node).await? {
            Ok(continuation) if is_bare(node, &continuation) => {
                Some(Settled::Next(Next { continuation, objects: full.join.objects, stamp: full.last }))
            }
            Ok(_) => None,
            Err(ended) => Some(Settled::Ended(ended)),
        })
    }

    /// The same without the values, which need not be there any more: who is called, when its
    /// glue does not return early.
    pub(crate) fn sketched_fan_in(&self, full: &Full) -> Result<Option<Settled>, Fault> {
        let node = self.join_node(full.join.node)?;
        if full.frame.first.is_some() {
            return Ok(None);
        }
        if let Some(ended) = without_value(full) {
            return Ok(Some(Settled::Ended(ended)));
        }
        let Some(next) = self.bare_next(node) else { return Ok(None) };
        // Such glue leaves no loop and enters none.
        let sketch = Sketch::Call { node: next, turns: full.join.turns.clone() };
        let (continuation, _) = sketch.unfold(self.definition)?;
        Ok(Some(Settled::Next(Next { continuation, objects: full.join.objects, stamp: full.last })))
    }

    /// The one call that follows a fan-in of which nothing is decided, where that is known without its
    /// values. (Its glue may still return early instead.)
    pub(crate) fn bare_next(&self, node: &NodeDef) -> Option<NodeIndex> {
        let (true, &[next]) = (node.pure && !node.tail, node.next) else { return None };
        let def = self.definition.node(next)?;
        self.definition.function_of(def).map(|_| next)
    }

    /// Runs the glue after a full join; or says how a branch ended without a value, so that there
    /// is nothing to go on with.
    async fn glue_after(&self, full: &Full, node: &NodeDef) -> Result<Result<Continuation, Arrived>, Fault> {
        if let Some(ended) = without_value(full) {
            return Ok(Err(ended));
        }
        let Full { join, frame, arrived, .. } = full;
        let values: Vec<_> = arrived
            .iter()
            .filter_map(|arrived| match &arrived.ended {
                Ended::Returned(value) | Ended::Err(value) => Some(value.clone()),
                Ended::Failed(_) | Ended::Cancelled => None,
            })
            .collect();
        let of = &join.actor.of;
        let branches = self.fetch_outputs(of, self.join_home(join.node), values).await?;
        let (frames, vars) = self.load(of, node.resume, &join.frames, frame.vars.clone()).await?;
        let machine = Machine::new(self.definition, self.code, node.resume, Input::Branches(branches))
            .with_context(&frames, join.turns.clone(), vars);
        self.guard(node.name, || machine.run()).map(Ok)
    }

    pub(crate) fn join_node(&self, join: NodeIndex) -> Result<&'static NodeDef, Fault> {
        self.definition.node(join).ok_or_else(|| Fault::Poison(format!("there is no node {join}")))
    }

    /// Ends the run: the first end counts. What was stored for it goes.
    pub(crate) async fn end(&self, actor: &Actor, ended: Ended, objects: CloudSet) -> Result<(), Fault> {
        let arrived = Arrived { ended, objects, stamp: self.stamp(actor) };
        let arrival = Arrival { value: codec::pack_row(&arrived), ..self.at_run_row(actor, END, 1)? };
        timing::point!("committing", event = actor.event);
        let answer = self.arrive_at_run_row(actor, arrival).await;
        timing::point!("committed", event = actor.event);
        let answer = answer?;
        if answer.gone || !answer.fresh {
            // It has ended before, maybe otherwise: what goes depends on that end.
            return self.is_over(actor, arrived.objects_left()).await.map(drop);
        }
        self.delete_objects(&actor.of, arrived.leaves(), arrived.objects_left()).await
    }

    /// Ends a run as cancelled, unless it has ended before. No event is left that would see to it
    /// that what is stored for it goes, so the run stays in the run index until then.
    pub(crate) async fn end_cancelled(&self, actor: &Actor, objects: CloudSet) -> Result<(), Fault> {
        let arrived = Arrived { ended: Ended::Cancelled, objects, stamp: self.stamp(actor) };
        let value = codec::pack_row(&arrived);
        let stays = Arrival { value: value.clone(), ..self.at_run_row(actor, END, u32::MAX)? };
        if self.arrive_at_run_row(actor, stays).await?.fresh {
            return self.clear(actor, value).await;
        }
        let row = self.run_row(actor).await?.unwrap_or_default();
        self.clear_ended(actor, &row).await
    }

    /// What is left to do for a run that has ended, as its row says: the process that ended it may
    /// have died.
    pub(crate) async fn clear_ended(&self, actor: &Actor, row: &Row) -> Result<(), Fault> {
        let Some(end) = row.slots.get(&END) else { return Ok(()) };
        self.clear(actor, end.clone()).await
    }

    /// Removes what is stored for a run that ended so. Then one that was cancelled leaves the run
    /// index; any other has left it.
    async fn clear(&self, actor: &Actor, end: Bytes) -> Result<(), Fault> {
        let arrived: Arrived = codec::unpack_row(&end, "the end of a run")?;
        self.delete_objects(&actor.of, arrived.leaves(), arrived.objects_left()).await?;
        if arrived.ended == Ended::Cancelled {
            // It has two slots: it is marked, and has ended.
            let end = Arrival { value: end, ..self.at_run_row(actor, END, 2)? };
            self.arrive_at_run_row(actor, end).await?;
        }
        Ok(())
    }

    /// An arrival at the row of the actor's run. It changes no row of another incarnation, and makes
    /// none.
    pub(crate) fn at_run_row(&self, actor: &Actor, slot: u32, of: u32) -> Result<Arrival, Fault> {
        let table = &self.cloud(self.definition.home)?.table;
        let expires_at = self.expires_at(&**table, &actor.term);
        Ok(Arrival { inc: Some(actor.term.started_at), ..Arrival::at(slot, of, expires_at) })
    }

    pub(crate) async fn arrive_at_run_row(
        &self,
        actor: &Actor,
        arrival: Arrival,
    ) -> Result<backend::Arrived, Fault> {
        let (table, key) = (&self.cloud(self.definition.home)?.table, RowKey::run(&actor.run));
        Ok(retry::store(|| table.arrive(&key, arrival.clone())).await?)
    }

    /// Removes objects of a run from some clouds.
    pub(crate) async fn delete_objects(
        &self,
        of: &Incarnation,
        which: ObjectsOf,
        from: CloudSet,
    ) -> Result<(), Fault> {
        let same = |index| 1 << self.first_same(index as CloudIndex);
        let clouds = (0..self.clouds.len()).filter(|index| from & (1 << index) != 0);
        let from = clouds.fold(0, |from: CloudSet, index| from | same(index));
        for (index, cloud) in self.clouds.iter().enumerate() {
            if from & (1 << index) != 0 {
                retry::store(|| cloud.objects.delete_run(of, which)).await?;
            }
        }
        Ok(())
    }

    /// Stores an arriving value on its own when that is cheaper than a place in the join row, and
    /// cuts what a failure says to its part of the row.
    async fn fit_slot(&self, actor: &Actor, frames: &[Frame], arrived: &mut Arrived) -> Result<(), Fault> {
        let Some(Frame { join, of, .. }) = frames.last() else { return Ok(()) };
        let home = self.join_home(*join);
        let prices = self.prices(home);
        let slots = WIDTH.min(*of) as usize;
        let value = match &mut arrived.ended {
            Ended::Returned(value @ Value::Inline(_)) | Ended::Err(value @ Value::Inline(_)) => value,
            Ended::Failed(failure) => {
                failure.cut(ROW_INLINE_MAX / slots);
                return Ok(());
            }
            Ended::Returned(Value::Stored(_)) | Ended::Err(Value::Stored(_)) | Ended::Cancelled => {
                return Ok(());
            }
        };
        if fits_slot(prices, value.wire_len(), slots) {
            return Ok(());
        }
        let bytes = self.fetch(&actor.of, value).await?;
        *value = if value.wire_len() > row_bound(prices) {
            arrived.objects |= 1 << home;
            self.store(actor, bytes, home, Place::Object).await?
        } else {
            let output = Output { join: *join, path: path(frames, &[]), value: bytes };
            self.store(actor, codec::pack_row(&output), home, Place::Output).await?
        };
        Ok(())
    }
}

/// How the first branch that has no value ended, if there is one.
fn without_value(full: &Full) -> Option<Arrived> {
    let has_value = |arrived: &&Arrived| matches!(arrived.ended, Ended::Returned(_) | Ended::Err(_));
    let ended = full.arrived.iter().find(|arrived| !has_value(arrived))?;
    Some(Arrived { objects: full.join.objects, ..ended.clone() })
}

/// Whether what follows a fan-in is the same for all copies: a call of one function, made by glue
/// that only moves values about. Then it is dispatched without a commit.
fn is_bare(node: &NodeDef, continuation: &Continuation) -> bool {
    node.pure && !node.tail && !matches!(continuation, Continuation::Fork(_))
}

fn collect(frame: &Frame, leaves: Vec<Option<Row>>) -> Result<Vec<Arrived>, Fault> {
    let missing = || StoreError::Corrupt("a full fan-in lacks a branch".to_owned());
    let mut arrived = Vec::with_capacity(frame.of as usize);
    for row in leaves {
        for bytes in row.ok_or_else(missing)?.slots.values() {
            arrived.push(codec::unpack_row(bytes, "a slot")?);
        }
    }
    if arrived.len() != frame.of as usize {
        return Err(missing().into());
    }
    Ok(arrived)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RunId;

    #[test]
    fn every_branch_has_a_slot_of_its_own() {
        let of = Incarnation::of(&RunId::derive("w", "k"), 1);
        let frame = Frame { join: 0, turns: vec![], index: 0, of: 1000, vars: vec![], first: None };
        let slots: std::collections::BTreeSet<_> =
            (0..1000).map(|index| leaf_of(&of, &[], &Frame { index, ..frame.clone() })).collect();
        assert_eq!(slots.len(), 1000);
    }
}
