//! Where the outcome of an instance is decided: its home row is created once, or the slot where
//! its branch ends is filled once. Only this module, `join.rs` and `first.rs` decide an outcome.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    backend::{Created, NewRow, Row, Timestamp},
    codec,
    definition::{CloudIndex, NodeDef, NodeIndex},
    envelope::{
        Arrived, CloudSet, Committed, Continuation, Ended, Envelope, EventId, Failure, Frame, Stamp, Task,
        Term, instance_key,
    },
    error::Fault,
    id::{Incarnation, ObjectsOf, RowKey, RunId},
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
    /// What names derive from: the run and its term.
    pub(crate) of: Incarnation,
    /// The event that the copy is of; for others a name of their own.
    pub(crate) event: EventId,
    /// Which delivery of the event.
    pub(crate) attempt: u32,
    /// Whether it goes on from whatever it finds decided. A copy goes on only from what an
    /// earlier delivery of its own event decided.
    pub(crate) follows_all: bool,
    /// When it began.
    began: Instant,
    /// The clouds where it has stored objects.
    stored: Arc<AtomicU64>,
}

impl Actor {
    /// A copy of an event.
    pub(crate) fn copy(envelope: &Envelope, attempt: u32) -> Self {
        Actor {
            event: envelope.event,
            attempt,
            follows_all: false,
            ..Actor::passing(envelope.run.clone(), envelope.term)
        }
    }

    /// A client or a sweep, which nobody delivers again.
    pub(crate) fn passing(run: RunId, term: Term) -> Self {
        Actor {
            of: Incarnation::of(&run, term.started_at),
            run,
            term,
            event: fastrand::u32(..),
            attempt: 1,
            follows_all: true,
            began: Instant::now(),
            stored: Arc::default(),
        }
    }

    /// For how many milliseconds it has been at work.
    pub(crate) fn took_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
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
    /// What its user function did, if this copy has run it.
    pub(crate) ran: Ran,
}

/// What a user function did in one delivery.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ran {
    /// How often it ran.
    pub(crate) times: u32,
    /// Whether it returned an `Err` in the end.
    pub(crate) is_err: bool,
}

/// The decided outcome of an instance.
#[derive(Debug)]
pub(crate) enum Settled {
    /// This is what follows.
    Next(Next),
    /// The branch, or the run, has ended with this; it may have to arrive again.
    Ended(Arrived),
    /// The run's row is not there any more, or is another incarnation's: nothing follows.
    Gone,
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
    pub(crate) fn stamp(&self) -> Option<&Stamp> {
        match self {
            Settled::Next(next) => Some(&next.stamp),
            Settled::Ended(arrived) => Some(&arrived.stamp),
            Settled::Gone => None,
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
            Some(Decided::Gone) => Ok(Some(Settled::Gone)),
            Some(Decided::Arrived(arrived)) => Ok(Some(Settled::Ended(arrived))),
            Some(Decided::Committed(committed)) => {
                self.settled_as(&instance.actor.of, committed).await.map(Some)
            }
        }
    }

    /// The first of these instances that is decided, and how. None of them has a tail node.
    pub(crate) async fn first_settled(
        &self,
        instances: Vec<Instance>,
    ) -> Result<Option<(Instance, Settled)>, Fault> {
        let mut homes = Vec::with_capacity(instances.len());
        for instance in &instances {
            homes.push(self.home_row(instance, self.join_node(instance.node)?));
        }
        let mut rows: Vec<Option<Row>> = vec![None; homes.len()];
        for (index, cloud) in self.clouds.iter().enumerate() {
            let here: Vec<_> = (0..homes.len()).filter(|&at| usize::from(homes[at].cloud) == index).collect();
            let keys: Vec<_> = here.iter().map(|&at| homes[at].key.clone()).collect();
            if !keys.is_empty() {
                let read = retry::store(|| cloud.table.get_many(&keys)).await?;
                here.into_iter().zip(read).for_each(|(at, row)| rows[at] = row);
            }
        }
        for ((instance, home), row) in instances.into_iter().zip(homes).zip(rows) {
            match decided_by(row.unwrap_or_default(), &home)? {
                Some(Decided::Committed(committed)) => {
                    let settled = self.settled_as(&instance.actor.of, committed).await?;
                    return Ok(Some((instance, settled)));
                }
                Some(Decided::Arrived(_) | Decided::Gone) | None => {}
            }
        }
        Ok(None)
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
            Some(Decided::Gone) => Some((Settled::Gone, true)),
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
        decided_by(row, &home)
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
        let stamp = self.stamp_of(instance);
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
            body = codec::pack_row(&Committed::Stored { value, sketch, objects, stamp });
        }
        match self.create(instance, &home, body).await? {
            None => Ok(Some(Settled::Next(Next { continuation, objects, stamp }))),
            Some(row) => {
                let settled = self.read(&instance.actor.of, row).await?;
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
        let stamp = self.stamp_of(instance);
        let arrived = Arrived { ended, objects: instance.objects, stamp };
        let home = self.home_row(instance, node);
        if home.slot.is_some() {
            // The slot is the outcome; another copy may have filled it meanwhile.
            self.arrive(&instance.actor, &instance.frames, arrived.clone()).await?;
            return Ok(self.settled(instance, node).await?.unwrap_or(Settled::Ended(arrived)));
        }
        let body = codec::pack_row(&Committed::Ended(arrived.clone()));
        match self.create(instance, &home, body).await? {
            Some(row) => self.read(&instance.actor.of, row).await,
            None => Ok(Settled::Ended(arrived)),
        }
    }

    /// Creates a home row; gives the one that was there.
    async fn create(&self, instance: &Instance, home: &HomeRow, body: Bytes) -> Result<Option<Row>, Fault> {
        let table = &self.cloud(home.cloud)?.table;
        let expires_at = self.expires_at(&**table, &instance.actor.term);
        let row = NewRow { body, expires_at, ..NewRow::default() };
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
        let Some(stamp) = settled.stamp() else { return Ok(false) };
        let is_ours = stamp.event == instance.actor.event;
        // Once the run has ended there is nothing left to go on with; and what led here may have
        // been stored after that.
        let has_failed = matches!(settled, Settled::Ended(Arrived { ended: Ended::Failed(_), .. }));
        // An earlier delivery may have stored something after the run was cancelled, and died.
        let was_cancelled = matches!(settled, Settled::Ended(Arrived { ended: Ended::Cancelled, .. }));
        let asks = is_ours || has_failed || was_cancelled || instance.objects != 0;
        let is_over = asks && self.is_over(&instance.actor, instance.objects).await?;
        Ok(match settled {
            // It fails its run, or the branch that may fail, whoever finds it.
            _ if has_failed => !is_over,
            _ if was_cancelled => false,
            _ => instance.actor.follows_all || is_ours && !is_over,
        })
    }

    /// What a committed row says.
    async fn read(&self, of: &Incarnation, row: Row) -> Result<Settled, Fault> {
        self.settled_as(of, codec::unpack_row(&row.body.unwrap_or_default(), "a row")?).await
    }

    async fn settled_as(&self, of: &Incarnation, committed: Committed) -> Result<Settled, Fault> {
        match committed {
            Committed::Next { continuation, objects, stamp } => {
                Ok(Settled::Next(Next { continuation, objects, stamp }))
            }
            Committed::Ended(arrived) => Ok(Settled::Ended(arrived)),
            Committed::Stored { value, objects, stamp, .. } => {
                match codec::unpack_row(&self.fetch(of, &value).await?, "a row")? {
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
            let key = instance_key(&instance.actor.of, &instance.frames, instance.node, &instance.turns);
            return HomeRow { cloud: self.definition.home_of(node), key, slot: None, inc: None };
        }
        match instance.frames.split_last() {
            None => HomeRow {
                cloud: self.definition.home,
                key: RowKey::run(&instance.actor.run),
                slot: Some(END),
                inc: Some(instance.actor.term.started_at),
            },
            Some((frame, around)) => {
                let (key, slot) = leaf_of(&instance.actor.of, around, frame);
                HomeRow { cloud: self.join_home(frame.join), key, slot: Some(slot), inc: None }
            }
        }
    }

    /// Whether what a damaged envelope names is done: its run is over, or its instance is decided.
    /// Nothing that the envelope says has been checked.
    pub(crate) async fn went_on(&self, envelope: &Envelope) -> Result<bool, Fault> {
        let actor = Actor::copy(envelope, 1);
        if self.is_over(&actor, 0).await? {
            return Ok(true);
        }
        let mut homes = Vec::new();
        if let Task::Call(call) = &envelope.task {
            homes.push((instance_key(&actor.of, &envelope.frames, call.node, &call.turns), None));
        }
        if let Some((frame, around)) = envelope.frames.split_last() {
            let (leaf, slot) = leaf_of(&actor.of, around, frame);
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

    /// The row of the actor's run; `None` when it is not there, or is another incarnation's.
    pub(crate) async fn run_row(&self, actor: &Actor) -> Result<Option<Row>, Fault> {
        let (table, key) = (&self.cloud(self.definition.home)?.table, RowKey::run(&actor.run));
        let row = retry::store(|| table.get(&key)).await?;
        Ok(row.filter(|row| row.inc == Some(actor.term.started_at)))
    }

    /// Whether the run has ended, or is to be cancelled, or is not there; only asked where a
    /// duplicate is suspected. If it has ended, the objects of the run are deleted: the copy that
    /// ended it may have died before it did so, and a late copy may have stored more, on the clouds
    /// `objects`.
    pub(crate) async fn is_over(&self, actor: &Actor, objects: CloudSet) -> Result<bool, Fault> {
        let Some(row) = self.run_row(actor).await? else {
            self.delete_objects(&actor.of, ObjectsOf::Run, objects).await?;
            return Ok(true);
        };
        let Some(end) = row.slots.get(&END) else { return Ok(row.slots.contains_key(&CANCEL)) };
        let end: Arrived = codec::unpack_row(end, "the end of a run")?;
        let late = if matches!(end.ended, Ended::Failed(_)) { 0 } else { objects };
        self.delete_objects(&actor.of, end.leaves(), end.objects_left() | late).await?;
        Ok(true)
    }

    /// Whether the run has ended, or is not there.
    pub(crate) async fn has_ended(&self, actor: &Actor) -> Result<bool, Fault> {
        let row = self.run_row(actor).await?;
        Ok(row.is_none_or(|row| row.slots.contains_key(&END)))
    }

    /// What is recorded of an outcome that is decided for an instance now.
    fn stamp_of(&self, instance: &Instance) -> Stamp {
        let Ran { times, is_err } = instance.ran;
        Stamp { ran: times, is_err, ..self.stamp(&instance.actor) }
    }
}

/// What a home row says.
enum Decided {
    /// It is the row of another incarnation of the run, or of none.
    Gone,
    Arrived(Arrived),
    Committed(Committed),
}

struct HomeRow {
    cloud: CloudIndex,
    key: RowKey,
    /// Set when the outcome is the arrival in this slot.
    slot: Option<u32>,
    /// Set when it is a run row: the incarnation that it must be of.
    inc: Option<Timestamp>,
}

fn decided_by(row: Row, home: &HomeRow) -> Result<Option<Decided>, Fault> {
    if home.inc.is_some() && row.inc != home.inc {
        return Ok(Some(Decided::Gone));
    }
    Ok(match home.slot {
        Some(slot) => {
            let arrived = row.slots.get(&slot).map(|bytes| codec::unpack_row(bytes, "a slot")).transpose()?;
            arrived.map(Decided::Arrived)
        }
        None => {
            let committed = row.body.map(|body| codec::unpack_row(&body, "a row")).transpose()?;
            committed.map(Decided::Committed)
        }
    })
}

impl Instance {
    /// The failure of this instance.
    pub(crate) fn failure(&self, node: &NodeDef, cause: String, attempts: u32) -> Failure {
        let path = crate::envelope::path(&self.frames, &self.turns);
        Failure::new(node.name, path, cause, attempts)
    }
}
