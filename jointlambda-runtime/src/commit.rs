//! Where the outcome of an instance is decided: its home row is created once, or the slot where
//! its branch ends is filled once. Only this module, `join.rs` and `first.rs` decide an outcome.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;

use crate::{
    backend::{Created, NewRow, Row},
    codec,
    definition::{CloudIndex, NodeDef, NodeIndex},
    envelope::{
        Arrived, CloudSet, Committed, Continuation, Ended, Envelope, EventId, Failure, Frame, Stamp, Task,
        Term, instance_key,
    },
    error::Fault,
    id::{RowKey, RunId},
    join::leaf_of,
    retry,
    runtime::Runtime,
    sketch::Sketch,
    timing,
};

/// The slot of a run row that holds the run's end.
pub(crate) const END: u32 = 0;
/// The slot of a run row that is filled when the run is to be cancelled.
pub(crate) const CANCEL: u32 = 1;
/// The slot of a run row that holds the run that goes on in place of this one, which failed.
pub(crate) const REDRIVEN: u32 = 2;

/// Who acts for a run: a copy of an event, a client, a sweep.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) run: RunId,
    pub(crate) term: Term,
    /// The event that the copy is of; for others a name of their own.
    pub(crate) event: EventId,
    /// Which delivery of the event.
    pub(crate) attempt: u32,
    /// Whether it goes on from whatever it finds decided. A copy goes on only from what an
    /// earlier delivery of its own event decided.
    pub(crate) follows_all: bool,
    /// The clouds where it has stored objects.
    stored: Arc<AtomicU64>,
}

impl Actor {
    /// A copy of an event.
    pub(crate) fn copy(envelope: &Envelope, attempt: u32) -> Self {
        Actor {
            run: envelope.run.clone(),
            term: envelope.term,
            event: envelope.event,
            attempt,
            follows_all: false,
            stored: Arc::default(),
        }
    }

    /// A client or a sweep, which nobody delivers again.
    pub(crate) fn passing(run: RunId, term: Term) -> Self {
        let stored = Arc::default();
        Actor { run, term, event: fastrand::u32(..), attempt: 1, follows_all: true, stored }
    }

    /// Notes that it stores an object on a cloud.
    pub(crate) fn note_object(&self, on: CloudIndex) {
        self.stored.fetch_or(1 << on, Relaxed);
    }

    /// The clouds where it has stored objects.
    pub(crate) fn stored(&self) -> CloudSet {
        self.stored.load(Relaxed)
    }
}

/// Where an instance is in a run: all that its names are derived from; and who acts for it.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) actor: Actor,
    pub(crate) frames: Vec<Frame>,
    pub(crate) node: NodeIndex,
    pub(crate) turns: Vec<u32>,
    pub(crate) objects: CloudSet,
}

/// The decided outcome of an instance.
#[derive(Debug)]
pub(crate) enum Settled {
    /// This is what follows.
    Next(Next),
    /// The branch, or the run, has ended with this; it may have to arrive again.
    Ended(Arrived),
}

/// A committed continuation.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) continuation: Continuation,
    pub(crate) objects: CloudSet,
    pub(crate) stamp: Stamp,
}

impl Settled {
    /// Which copy decided it.
    pub(crate) fn stamp(&self) -> &Stamp {
        match self {
            Settled::Next(next) => &next.stamp,
            Settled::Ended(arrived) => &arrived.stamp,
        }
    }
}

impl Runtime {
    /// Reads whether the outcome of an instance is decided. Strongly consistent.
    pub(crate) async fn settled(
        &self,
        instance: &Instance,
        node: &NodeDef,
    ) -> Result<Option<Settled>, Fault> {
        match self.decided(instance, node).await? {
            None => Ok(None),
            Some(Decided::Arrived(arrived)) => Ok(Some(Settled::Ended(arrived))),
            Some(Decided::Committed(committed)) => {
                self.settled_as(&instance.actor.run, committed).await.map(Some)
            }
        }
    }

    /// The same without the values, which need not be there any more; and whether it tells of all
    /// branches.
    pub(crate) async fn sketched(
        &self,
        instance: &Instance,
        node: &NodeDef,
    ) -> Result<Option<(Settled, bool)>, Fault> {
        Ok(match self.decided(instance, node).await? {
            None => None,
            Some(Decided::Arrived(arrived) | Decided::Committed(Committed::Ended(arrived))) => {
                Some((Settled::Ended(arrived), true))
            }
            Some(Decided::Committed(Committed::Next { continuation, objects, stamp })) => {
                Some((Settled::Next(Next { continuation, objects, stamp }), true))
            }
            Some(Decided::Committed(Committed::Stored { sketch, objects, stamp, .. })) => {
                let (continuation, whole) = sketch.unfold(self.definition)?;
                Some((Settled::Next(Next { continuation, objects, stamp }), whole))
            }
        })
    }

    /// What the home row of an instance says.
    async fn decided(&self, instance: &Instance, node: &NodeDef) -> Result<Option<Decided>, Fault> {
        let home = self.home_row(instance, node);
        let table = &self.cloud(home.cloud)?.table;
        let row = retry::store(|| table.get(&home.key)).await?.unwrap_or_default();
        Ok(match home.slot {
            Some(slot) => {
                let arrived = row.slots.get(&slot).map(|bytes| codec::unpack(bytes, "a slot")).transpose()?;
                arrived.map(Decided::Arrived)
            }
            None => {
                let committed = row.body.map(|body| codec::unpack(&body, "a row")).transpose()?;
                committed.map(Decided::Committed)
            }
        })
    }

    /// Decides the outcome of an instance. Gives what counts, when this copy is to go on from it:
    /// nothing, when the copy of another event was first. That event is delivered until its copy
    /// has gone on, and if its platform loses it, a sweep goes on. Were every loser to go on, each
    /// duplicate of a long function would start all that follows once more.
    pub(crate) async fn commit(
        &self,
        instance: &Instance,
        node: &NodeDef,
        continuation: Continuation,
    ) -> Result<Option<Settled>, Fault> {
        let mut objects = instance.objects;
        let home = self.home_row(instance, node);
        let stamp = self.stamp(&instance.actor);
        if home.slot.is_some() {
            // The arrival is the commit: it is made by `dispatch`, and the first one counts.
            let ended = match continuation {
                Continuation::Return(value) => Ended::Returned(value),
                Continuation::Err(value) => Ended::Err(value),
                _ => {
                    let why = format!("`{}` is a last node, and something follows it", node.name);
                    return Err(Fault::Poison(why));
                }
            };
            return Ok(Some(Settled::Ended(Arrived { ended, objects, stamp })));
        }
        let committed = Committed::Next { continuation, objects, stamp };
        let (mut body, stored) = self.body(&instance.actor, home.cloud, &committed).await?;
        let Committed::Next { continuation, .. } = committed else { unreachable!("it was made above") };
        if let Some(value) = stored {
            objects |= 1 << home.cloud;
            let sketch = Sketch::of(&continuation);
            body = codec::pack(&Committed::Stored { value, sketch, objects, stamp });
        }
        match self.create(instance, &home, body).await? {
            None => Ok(Some(Settled::Next(Next { continuation, objects, stamp }))),
            Some(row) => {
                let settled = self.read(&instance.actor.run, row).await?;
                let instance = Instance { objects, ..instance.clone() };
                Ok(self.goes_on(&instance, &settled).await?.then_some(settled))
            }
        }
    }

    /// Decides that an instance ends without an outcome, unless it is decided already. Gives what
    /// counts.
    pub(crate) async fn commit_end(
        &self,
        instance: &Instance,
        node: &NodeDef,
        ended: Ended,
    ) -> Result<Settled, Fault> {
        let stamp = self.stamp(&instance.actor);
        let arrived = Arrived { ended, objects: instance.objects, stamp };
        let home = self.home_row(instance, node);
        if home.slot.is_some() {
            // The slot is the outcome; another copy may have filled it meanwhile.
            self.arrive(&instance.actor, &instance.frames, arrived.clone()).await?;
            return Ok(self.settled(instance, node).await?.unwrap_or(Settled::Ended(arrived)));
        }
        let body = codec::pack(&Committed::Ended(arrived.clone()));
        match self.create(instance, &home, body).await? {
            Some(row) => self.read(&instance.actor.run, row).await,
            None => Ok(Settled::Ended(arrived)),
        }
    }

    /// Creates a home row; gives the one that was there.
    async fn create(&self, instance: &Instance, home: &HomeRow, body: Bytes) -> Result<Option<Row>, Fault> {
        let table = &self.cloud(home.cloud)?.table;
        let expires_at = self.expires_at(&**table, &instance.actor.term);
        let row = NewRow { body, check_at: None, expires_at };
        timing::point!("committing", event = instance.actor.event);
        let created = retry::store(|| table.create(&home.key, row.clone())).await;
        timing::point!("committed", event = instance.actor.event);
        match created? {
            Created::Exists(row) => Ok(Some(row)),
            Created::New => Ok(None),
        }
    }

    /// Whether a copy that finds its instance decided goes on from there.
    pub(crate) async fn goes_on(&self, instance: &Instance, settled: &Settled) -> Result<bool, Fault> {
        let is_ours = settled.stamp().event == instance.actor.event;
        // Once the run has ended there is nothing left to go on with; and what led here may have
        // been stored after that.
        let has_failed = matches!(settled, Settled::Ended(Arrived { ended: Ended::Failed(_), .. }));
        // An earlier delivery may have stored something after the run was cancelled, and died.
        let was_cancelled = matches!(settled, Settled::Ended(Arrived { ended: Ended::Cancelled, .. }));
        let asks = is_ours || has_failed || was_cancelled || instance.objects != 0;
        let is_over = asks && self.is_over(&instance.actor.run, instance.objects).await?;
        Ok(match settled {
            // It fails its run, or the branch that may fail, whoever finds it.
            _ if has_failed => !is_over,
            _ if was_cancelled => false,
            _ => instance.actor.follows_all || is_ours && !is_over,
        })
    }

    /// What a committed row says.
    async fn read(&self, run: &RunId, row: Row) -> Result<Settled, Fault> {
        self.settled_as(run, codec::unpack(&row.body.unwrap_or_default(), "a row")?).await
    }

    async fn settled_as(&self, run: &RunId, committed: Committed) -> Result<Settled, Fault> {
        match committed {
            Committed::Next { continuation, objects, stamp } => {
                Ok(Settled::Next(Next { continuation, objects, stamp }))
            }
            Committed::Ended(arrived) => Ok(Settled::Ended(arrived)),
            Committed::Stored { value, objects, stamp, .. } => {
                match codec::unpack(&self.fetch(run, &value).await?, "a row")? {
                    Committed::Next { continuation, .. } => {
                        Ok(Settled::Next(Next { continuation, objects, stamp }))
                    }
                    _ => Err(Fault::Poison("a stored row holds no continuation".to_owned())),
                }
            }
        }
    }

    /// The one row that holds an instance's outcome; derived from its name alone.
    fn home_row(&self, instance: &Instance, node: &NodeDef) -> HomeRow {
        if !node.tail {
            let key = instance_key(&instance.actor.run, &instance.frames, instance.node, &instance.turns);
            return HomeRow { cloud: self.definition.home_of(node), key, slot: None };
        }
        match instance.frames.split_last() {
            None => HomeRow {
                cloud: self.definition.home,
                key: RowKey::run(&instance.actor.run),
                slot: Some(END),
            },
            Some((frame, around)) => {
                let (key, slot) = leaf_of(&instance.actor.run, around, frame);
                HomeRow { cloud: self.join_home(frame.join), key, slot: Some(slot) }
            }
        }
    }

    /// Whether an envelope of another version of the workflow was followed: whether its instance
    /// has an outcome, or its run has ended. Names are the same in all versions, homes are not.
    pub(crate) async fn went_on(&self, envelope: &Envelope) -> Result<bool, Fault> {
        let run = &envelope.run;
        let mut homes = vec![(RowKey::run(run), Some(END))];
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

    /// Whether the run has ended, or is to be cancelled; only asked where a duplicate is
    /// suspected. If it has ended, what is stored for it goes: whoever ended it may have died
    /// before, and a late copy may have stored more, on the clouds `objects`.
    pub(crate) async fn is_over(&self, run: &RunId, objects: CloudSet) -> Result<bool, Fault> {
        let table = &self.cloud(self.definition.home)?.table;
        let key = RowKey::run(run);
        let row = retry::store(|| table.get(&key)).await?.unwrap_or_default();
        let Some(end) = row.slots.get(&END) else { return Ok(row.slots.contains_key(&CANCEL)) };
        let end: Arrived = codec::unpack(end, "the end of a run")?;
        let late = if matches!(end.ended, Ended::Failed(_)) { 0 } else { objects };
        self.delete_objects(run, end.leaves(), end.objects_left() | late).await?;
        Ok(true)
    }

    /// Whether the run has ended.
    pub(crate) async fn has_ended(&self, run: &RunId) -> Result<bool, Fault> {
        let (table, key) = (&self.cloud(self.definition.home)?.table, RowKey::run(run));
        let row = retry::store(|| table.get(&key)).await?;
        Ok(row.is_some_and(|row| row.slots.contains_key(&END)))
    }
}

/// What a home row says.
enum Decided {
    Arrived(Arrived),
    Committed(Committed),
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
