//! Where the outcome of an instance is decided: its home row is created once, or the slot where
//! its branch ends is filled once. Only this module and `join.rs` decide an outcome.

use crate::{
    backend::{Created, NewRow, Row},
    codec,
    definition::{CloudIndex, NodeDef, NodeIndex},
    envelope::{
        Arrived, CloudSet, Committed, Continuation, Ended, Envelope, Failure, Frame, Task, instance_key,
    },
    error::Fault,
    id::{RowKey, RunId},
    join::leaf_of,
    retry,
    runtime::Runtime,
};

/// Where an instance is in a run: all that its names are derived from.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) run: RunId,
    pub(crate) frames: Vec<Frame>,
    pub(crate) node: NodeIndex,
    pub(crate) turns: Vec<u32>,
    pub(crate) objects: CloudSet,
}

/// The decided outcome of an instance.
#[derive(Debug)]
pub(crate) enum Settled {
    /// This is what follows.
    Next(Continuation, CloudSet),
    /// The branch, or the run, has ended with this; it may have to arrive again.
    Ended(Arrived),
}

impl Runtime {
    /// Reads whether the outcome of an instance is decided. Strongly consistent.
    pub(crate) async fn settled(
        &self,
        instance: &Instance,
        node: &NodeDef,
    ) -> Result<Option<Settled>, Fault> {
        let home = self.home_row(instance, node);
        let table = &self.cloud(home.cloud)?.table;
        let Some(row) = retry::store(|| table.get(&home.key)).await? else { return Ok(None) };
        match home.slot {
            Some(slot) => match row.slots.get(&slot) {
                Some(bytes) => Ok(Some(Settled::Ended(codec::unpack(bytes, "a slot")?))),
                None => Ok(None),
            },
            None if row.body.is_none() => Ok(None),
            None => self.read(&instance.run, row).await.map(Some),
        }
    }

    /// Decides the outcome of an instance, or learns how another copy decided it. What is
    /// returned is what counts; to go on with anything else is an error.
    pub(crate) async fn commit(
        &self,
        instance: &Instance,
        node: &NodeDef,
        continuation: Continuation,
    ) -> Result<Settled, Fault> {
        let mut objects = instance.objects;
        let home = self.home_row(instance, node);
        if home.slot.is_some() {
            // The arrival is the commit: it is made by `dispatch`, and the first one counts.
            return match continuation {
                Continuation::Return(value) => {
                    Ok(Settled::Ended(Arrived { ended: Ended::Returned(value), objects }))
                }
                _ => Err(Fault::Poison(format!("`{}` is a last node, and something follows it", node.name))),
            };
        }
        let committed = Committed::Next { continuation, objects };
        let (mut body, stored) = self.body(&instance.run, home.cloud, &committed).await?;
        if let Some(value) = stored {
            objects |= 1 << home.cloud;
            body = codec::pack(&Committed::Stored { value, objects });
        }
        let table = &self.cloud(home.cloud)?.table;
        let row = NewRow { body, check_at: None, expires_at: self.expires_at(&**table) };
        match retry::store(|| table.create(&home.key, row.clone())).await? {
            Created::Exists(row) => {
                if objects != 0 {
                    self.is_over(&instance.run, objects).await?;
                }
                self.read(&instance.run, row).await
            }
            Created::New => match committed {
                Committed::Next { continuation, .. } => Ok(Settled::Next(continuation, objects)),
                _ => unreachable!("it was made above"),
            },
        }
    }

    /// Decides that an instance has failed, unless its outcome is decided already.
    pub(crate) async fn commit_failure(
        &self,
        instance: &Instance,
        node: &NodeDef,
        failure: Failure,
    ) -> Result<Settled, Fault> {
        let failed = Arrived { ended: Ended::Failed(failure.clone()), objects: instance.objects };
        let home = self.home_row(instance, node);
        if home.slot.is_some() {
            // The slot is the outcome; another copy may have filled it meanwhile.
            self.arrive(&instance.run, &instance.frames, failed.clone()).await?;
            return Ok(self.settled(instance, node).await?.unwrap_or(Settled::Ended(failed)));
        }
        let table = &self.cloud(home.cloud)?.table;
        let body = codec::pack(&Committed::Failed(failure));
        let row = NewRow { body, check_at: None, expires_at: self.expires_at(&**table) };
        match retry::store(|| table.create(&home.key, row.clone())).await? {
            Created::Exists(row) => self.read(&instance.run, row).await,
            Created::New => Ok(Settled::Ended(failed)),
        }
    }

    /// What a committed row says.
    async fn read(&self, run: &RunId, row: Row) -> Result<Settled, Fault> {
        let body = row.body.unwrap_or_default();
        match codec::unpack(&body, "a row")? {
            Committed::Next { continuation, objects } => Ok(Settled::Next(continuation, objects)),
            Committed::Failed(failure) => {
                Ok(Settled::Ended(Arrived { ended: Ended::Failed(failure), objects: 0 }))
            }
            Committed::Stored { value, objects } => {
                match codec::unpack(&self.fetch(run, &value).await?, "a row")? {
                    Committed::Next { continuation, .. } => Ok(Settled::Next(continuation, objects)),
                    _ => Err(Fault::Poison("a stored row holds no continuation".to_owned())),
                }
            }
        }
    }

    /// The one row that holds an instance's outcome; derived from its name alone.
    fn home_row(&self, instance: &Instance, node: &NodeDef) -> HomeRow {
        if !node.tail {
            let key = instance_key(&instance.run, &instance.frames, instance.node, &instance.turns);
            return HomeRow { cloud: self.definition.home_of(node), key, slot: None };
        }
        match instance.frames.split_last() {
            None => HomeRow { cloud: self.definition.home, key: RowKey::run(&instance.run), slot: Some(0) },
            Some((frame, around)) => {
                let (key, slot) = leaf_of(&instance.run, around, frame);
                HomeRow { cloud: self.join_home(frame.join), key, slot: Some(slot) }
            }
        }
    }

    /// Whether an envelope of another version of the workflow was followed: whether its instance
    /// has an outcome, or its run has ended. Names are the same in all versions, homes are not.
    pub(crate) async fn went_on(&self, envelope: &Envelope) -> Result<bool, Fault> {
        let run = &envelope.run;
        let mut homes = vec![(RowKey::run(run), Some(0))];
        if let Task::Call(call) = &envelope.task {
            homes.push((instance_key(run, &envelope.frames, call.node, &call.turns), None));
        }
        if let Some((frame, around)) = envelope.frames.split_last() {
            let (leaf, slot) = leaf_of(run, around, frame);
            homes.push((leaf, Some(slot)));
        }
        for cloud in self.clouds.iter() {
            for (key, slot) in &homes {
                let row = retry::store(|| cloud.table.get(key)).await?;
                if row.is_some_and(|row| match slot {
                    Some(slot) => row.slots.contains_key(slot),
                    None => row.body.is_some(),
                }) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The cloud whose table holds the rows of a fan-in.
    pub(crate) fn join_home(&self, join: NodeIndex) -> CloudIndex {
        self.definition.node(join).map_or(0, |node| self.definition.home_of(node))
    }

    /// Whether the run has ended; only asked where a duplicate is suspected. If so, what is stored
    /// for the run goes: whoever ended it may have died before, and a late copy may have stored
    /// more, on the clouds `objects`.
    pub(crate) async fn is_over(&self, run: &RunId, objects: CloudSet) -> Result<bool, Fault> {
        let table = &self.cloud(self.definition.home)?.table;
        let key = RowKey::run(run);
        let row = retry::store(|| table.get(&key)).await?.unwrap_or_default();
        let Some(end) = row.slots.get(&0) else { return Ok(false) };
        let end: Arrived = codec::unpack(end, "the end of a run")?;
        self.delete_objects(run, end.objects_left() | objects).await?;
        Ok(true)
    }
}

struct HomeRow {
    cloud: CloudIndex,
    key: RowKey,
    /// Set when the outcome is the arrival in this slot.
    slot: Option<u32>,
}

impl Instance {
    /// The failure of this instance.
    pub(crate) fn failure(&self, node: &NodeDef, cause: String, attempts: u32) -> Failure {
        let path = crate::envelope::path(&self.frames, &self.turns);
        Failure::new(node.name, path, cause, attempts)
    }
}
