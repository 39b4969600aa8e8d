//! Where branches meet: arrivals in join rows, and the fan-in that follows the last one.
//!
//! A fan-in of up to [`WIDTH`] branches has one join row. A larger one has a tree of them: leaf
//! rows where branches arrive, and further levels where full rows arrive, so that no row grows
//! large or hot. An arrival is one atomic operation; whoever fills the last slot of a row, or
//! finds it full on a retry, goes on.

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    backend::{Arrival, Row, StoreError},
    codec,
    commit::{Instance, Settled},
    dispatch::CONCURRENCY,
    envelope::{Arrived, CloudSet, Continuation, Ended, Frame, Place, Value, path},
    error::Fault,
    id::{RowKey, RunId},
    machine::{Input, Machine},
    payload::{fits_slot, row_bound},
    retry,
    runtime::Runtime,
};

/// Slots in one join row.
pub(crate) const WIDTH: u32 = 128;

/// The leaf row where a branch arrives, and its slot there.
pub(crate) fn leaf_of(run: &RunId, around: &[Frame], frame: &Frame) -> (RowKey, u32) {
    let key = RowKey::join(run, frame.join, &path(around, &frame.turns), 0, frame.index / WIDTH);
    (key, frame.index % WIDTH)
}

/// All branches of a fan-in have arrived.
pub(crate) struct Full {
    /// The fan-in itself.
    pub(crate) join: Instance,
    /// Its variables.
    frame: Frame,
    /// How the branches ended, in order.
    arrived: Vec<Arrived>,
}

impl Runtime {
    /// Ends the innermost branch, or the run when there is none. Idempotent. Gives the fan-in
    /// when all its branches are there.
    pub(crate) async fn arrive(
        &self,
        run: &RunId,
        frames: &[Frame],
        mut arrived: Arrived,
    ) -> Result<Option<Full>, Fault> {
        let Some((frame, around)) = frames.split_last() else {
            self.end(run, arrived).await?;
            return Ok(None);
        };
        self.fit_slot(run, frame, &mut arrived).await?;
        let home = self.join_home(frame.join);
        let table = &self.cloud(home)?.table;
        let path = path(around, &frame.turns);
        let (mut level, mut index, mut of) = (0, frame.index, frame.of);
        let objects = arrived.objects;
        let mut value = codec::pack(&arrived);
        let top = loop {
            let key = RowKey::join(run, frame.join, &path, level, index / WIDTH);
            let slots = WIDTH.min(of - index / WIDTH * WIDTH);
            let arrival =
                Arrival { slot: index % WIDTH, of: slots, value, expires_at: self.expires_at(&**table) };
            let answer = retry::store(|| table.arrive(&key, arrival.clone())).await?;
            if answer.filled < slots {
                return Ok(None);
            }
            // A duplicate goes on in the first copy's place, but not once the run has ended.
            if !answer.fresh && self.is_over(run, objects).await? {
                return Ok(None);
            }
            if of <= WIDTH {
                break match answer.row {
                    Some(row) => row,
                    None => retry::store(|| table.get(&key)).await?.unwrap_or_default(),
                };
            }
            (level, index, of, value) = (level + 1, index / WIDTH, of.div_ceil(WIDTH), bytes::Bytes::new());
        };
        let leaves = match level {
            0 => vec![Some(top)],
            _ => {
                let keys: Vec<_> = (0..frame.of.div_ceil(WIDTH))
                    .map(|leaf| RowKey::join(run, frame.join, &path, 0, leaf))
                    .collect();
                retry::store(|| table.get_many(&keys)).await?
            }
        };
        let arrived = collect(frame, leaves)?;
        let objects = arrived.iter().fold(0, |all, arrived| all | arrived.objects);
        let join = Instance {
            run: run.clone(),
            frames: around.to_vec(),
            node: frame.join,
            turns: frame.turns.clone(),
            objects,
        };
        Ok(Some(Full { join, frame: frame.clone(), arrived }))
    }

    /// Reads which branches of a fan-out have arrived: their arrivals, by branch.
    pub(crate) async fn arrived(
        &self,
        run: &RunId,
        around: &[Frame],
        frame: &Frame,
    ) -> Result<Vec<Option<Arrived>>, Fault> {
        let table = &self.cloud(self.join_home(frame.join))?.table;
        let path = path(around, &frame.turns);
        let leaves = 0..frame.of.div_ceil(WIDTH);
        let keys: Vec<_> = leaves.map(|leaf| RowKey::join(run, frame.join, &path, 0, leaf)).collect();
        let rows = retry::store(|| table.get_many(&keys)).await?;
        let slot = |index: u32| {
            let row = rows[(index / WIDTH) as usize].as_ref()?;
            row.slots.get(&(index % WIDTH))
        };
        (0..frame.of)
            .map(|index| slot(index).map(|bytes| codec::unpack(bytes, "a slot")).transpose())
            .collect()
    }

    /// The fan-in of a fan-out without branches: it is full at once.
    pub(crate) fn full_at_once(&self, join: Instance, frame: Frame) -> Full {
        Full { join, frame, arrived: Vec::new() }
    }

    /// Runs the glue after a join and decides what follows.
    pub(crate) async fn fan_in(&self, full: Full) -> Result<(Instance, Settled), Fault> {
        let Full { join, frame, arrived } = full;
        let node = self
            .definition
            .node(join.node)
            .ok_or_else(|| Fault::Poison(format!("there is no node {}", join.node)))?;
        let mut values = Vec::with_capacity(arrived.len());
        for arrived in arrived {
            match arrived.ended {
                Ended::Returned(value) => values.push(value),
                // A branch that failed for good fails the run: there is no value to go on with.
                failed @ Ended::Failed(_) => {
                    let ended = Settled::Ended(Arrived { ended: failed, objects: join.objects });
                    return Ok((Instance { frames: Vec::new(), ..join }, ended));
                }
            }
        }
        let run = &join.run;
        let branches: Vec<_> = stream::iter(values)
            .map(|value| async move { self.fetch(run, &value).await })
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let (frames, vars) = self.load(&join.run, node.resume, &join.frames, frame.vars).await?;
        let machine = Machine::new(self.definition, self.code, node.resume, Input::Branches(branches))
            .with_context(&frames, join.turns.clone(), vars);
        let mut continuation = self.guard(node.name, || machine.run())?;
        let mut join = join;
        self.fit(&join.run, &join.frames, &mut continuation, &mut join.objects).await?;
        // What cannot differ between copies need not be committed before it is dispatched.
        let same_for_all = node.pure && !matches!(continuation, Continuation::Fork(_));
        let settled = if same_for_all && !node.tail {
            Settled::Next(continuation, join.objects)
        } else {
            self.commit(&join, node, continuation).await?
        };
        Ok((join, settled))
    }

    /// Ends the run: the first end counts. What was stored for it goes.
    pub(crate) async fn end(&self, run: &RunId, arrived: Arrived) -> Result<(), Fault> {
        let table = &self.cloud(self.definition.home)?.table;
        let arrival =
            Arrival { slot: 0, of: 1, value: codec::pack(&arrived), expires_at: self.expires_at(&**table) };
        let key = RowKey::run(run);
        retry::store(|| table.arrive(&key, arrival.clone())).await?;
        self.delete_objects(run, arrived.objects_left()).await
    }

    /// Removes the objects of a run, but its result, from some clouds.
    pub(crate) async fn delete_objects(&self, run: &RunId, from: CloudSet) -> Result<(), Fault> {
        for (index, cloud) in self.clouds.iter().enumerate() {
            if from & (1 << index) != 0 {
                retry::store(|| cloud.objects.delete_run(run)).await?;
            }
        }
        Ok(())
    }

    /// Stores an arriving value on its own when that is cheaper than a place in the join row.
    async fn fit_slot(&self, run: &RunId, frame: &Frame, arrived: &mut Arrived) -> Result<(), Fault> {
        let home = self.join_home(frame.join);
        let prices = self.prices(home);
        let slots = WIDTH.min(frame.of) as usize;
        let Ended::Returned(value @ Value::Inline(_)) = &mut arrived.ended else { return Ok(()) };
        if fits_slot(prices, value.wire_len(), slots) {
            return Ok(());
        }
        let place = if value.wire_len() > row_bound(prices) { Place::Object } else { Place::Row };
        if place == Place::Object {
            arrived.objects |= 1 << home;
        }
        let bytes = self.fetch(run, value).await?;
        *value = self.store(run, bytes, home, place).await?;
        Ok(())
    }
}

fn collect(frame: &Frame, leaves: Vec<Option<Row>>) -> Result<Vec<Arrived>, Fault> {
    let missing = || StoreError::Corrupt("a full fan-in lacks a branch".to_owned());
    let mut arrived = Vec::with_capacity(frame.of as usize);
    for row in leaves {
        for bytes in row.ok_or_else(missing)?.slots.values() {
            arrived.push(codec::unpack(bytes, "a slot")?);
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

    #[test]
    fn every_branch_has_a_slot_of_its_own() {
        let run = RunId::derive("w", "k");
        let slots: std::collections::BTreeSet<_> = (0..1000)
            .map(|index| leaf_of(&run, &[], &Frame { join: 0, turns: vec![], index, of: 1000, vars: vec![] }))
            .collect();
        assert_eq!(slots.len(), 1000);
    }
}
