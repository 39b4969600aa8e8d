//! Batch functions: the calls of many runs gather in a row, and the function runs on all of them
//! at once.
//!
//! A call is a *member* of the first of its rows that has room. Which rows those are follows
//! from when it was committed, and what was committed with it ([`rows`]), so that whoever dispatches it
//! again finds it where it is. A row is
//! closed when it has its members, or is sealed: when it is full, or has waited for long enough.
//! Whoever seals it runs the function, and decides the outcome of each member by itself. What
//! cannot be decided together is sent alone; so is, by a sweep, what was lost.

mod flush;
pub(crate) mod rows;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{
    backend::{Arrival, Row, Timestamp},
    codec,
    commit::Actor,
    definition::{BatchDef, FunctionDef, FunctionIndex},
    dispatch::{Outgoing, Way},
    envelope::{Batch, Call, CloudSet, Envelope, EventId, Place, Task, Value, instance_key},
    error::Fault,
    id::{Digest, Incarnation, RowKey},
    payload::fits_batch,
    retry,
    runtime::Runtime,
};

/// Rows that are read at once to find one with room.
const ROWS_PER_READ: usize = 16;

/// A slot of a batch row.
#[derive(Debug, Serialize, Deserialize)]
struct Slot {
    /// The clouds that hold objects of the run, as far as the copy knew that filled the slot. It is no part
    /// of what tells two members apart: copies may know of different ones.
    objects: CloudSet,
    /// Whose value the envelope is, when it is stored elsewhere.
    of: Option<Incarnation>,
    /// The envelope of the member's call.
    envelope: Value,
}

impl Slot {
    /// Whether these bytes are a slot of the same member.
    fn is_same_as(&self, other: &[u8]) -> bool {
        let other = codec::unpack_row::<Slot>(other, "a slot");
        other.is_ok_and(|other| (&other.of, &other.envelope) == (&self.of, &self.envelope))
    }
}

/// The body of a batch row that is sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Seal {
    /// The event whose copies run the function.
    event: EventId,
}

impl Runtime {
    /// A function that gathers batches, and how.
    pub(crate) fn gathering(
        &self,
        function: FunctionIndex,
    ) -> Result<(&'static FunctionDef, &'static BatchDef), Fault> {
        let def = self.definition.functions.get(usize::from(function));
        def.and_then(|def| Some((def, def.batch.as_ref()?)))
            .ok_or_else(|| Fault::Poison(format!("function {function} gathers no batches")))
    }

    /// Makes a call, committed at `since`, a member of a batch, and sees to it that the batch is
    /// flushed. Idempotent. When it is sent `again` and its batch is under way already, it goes
    /// alone, too: that batch may be what was lost.
    pub(crate) async fn gather(&self, one: &Outgoing, since: Timestamp, again: bool) -> Result<(), Fault> {
        let mut functions = self.definition.functions.iter();
        let index = functions.position(|def| std::ptr::eq(def, one.function));
        let unknown = || Fault::Poison(format!("`{}` is of another workflow", one.function.name));
        let function = index.ok_or_else(unknown)? as FunctionIndex;
        let (def, gathers) = self.gathering(function)?;
        let table = &self.cloud(def.on)?.table;
        let (slot, member) = self.slot(one, def, gathers).await?;
        let value = codec::pack_row(&member);
        let expires_at = self.expires_at(&**table, &one.envelope.term);
        let Task::Call(Call { gathers: first, .. }) = one.envelope.task else {
            return Err(Fault::Poison("only calls gather in batches".to_owned()));
        };
        let mut rows = rows::rows(first);
        let epoch = since / gathers.wait_ms.max(1);
        let mut batch = Batch { function, epoch, index: rows.next().unwrap_or_default(), due: 0 };
        let first = batch.index;
        // Those that come after it, once they are needed.
        let mut others: Option<VecDeque<u32>> = None;
        let arrival = Arrival { value, only_open: true, ..Arrival::at(slot, gathers.size, expires_at) };
        loop {
            let key = self.batch_key(&batch);
            let answer = retry::store(|| table.arrive(&key, arrival.clone())).await?;
            if answer.fresh {
                self.crowds.found(function, epoch, batch.index == first, answer.filled == 1);
                if answer.filled >= gathers.size {
                    return self.call_for(one, batch).await;
                }
                if answer.filled == 1 {
                    batch.due = table.now().saturating_add(gathers.wait_ms);
                    return self.call_for(one, batch).await;
                }
                return Ok(());
            }
            if !answer.closed {
                let row = match answer.row {
                    Some(row) => row,
                    None => retry::store(|| table.get(&key)).await?.unwrap_or_default(),
                };
                if row.slots.get(&slot).is_some_and(|found| member.is_same_as(found)) {
                    // It is in, and whoever put it there may have died right then.
                    if row.body.is_some() {
                        return if again { self.invoke(one).await } else { Ok(()) };
                    }
                    if answer.filled < gathers.size {
                        batch.due = table.now().saturating_add(gathers.wait_ms);
                    }
                    return self.call_for(one, batch).await;
                }
            }
            let others = others.get_or_insert_with(|| rows.by_ref().collect());
            match self.with_room(batch, others, gathers, (slot, &member)).await? {
                Some(index) => batch.index = index,
                None => {
                    tracing::warn!(function = def.name, "no room in any batch of its time: sent alone");
                    return self.invoke(one).await;
                }
            }
        }
    }

    /// The first of some rows that has room for a member, or has the member. It is taken out of them,
    /// with those before it.
    async fn with_room(
        &self,
        batch: Batch,
        rows: &mut VecDeque<u32>,
        gathers: &BatchDef,
        (slot, member): (u32, &Slot),
    ) -> Result<Option<u32>, Fault> {
        let (def, _) = self.gathering(batch.function)?;
        let table = &self.cloud(def.on)?.table;
        let fits = |row: &Option<Row>| {
            row.as_ref().is_none_or(|row| match row.slots.get(&slot) {
                Some(found) => member.is_same_as(found),
                None => row.body.is_none() && row.slots.len() < gathers.size as usize,
            })
        };
        while !rows.is_empty() {
            let some: Vec<u32> = rows.iter().copied().take(ROWS_PER_READ).collect();
            let keys: Vec<_> = some.iter().map(|&index| self.batch_key(&Batch { index, ..batch })).collect();
            let read = retry::store(|| table.get_many(&keys)).await?;
            match read.iter().position(fits) {
                Some(at) => {
                    rows.drain(..=at);
                    return Ok(Some(some[at]));
                }
                None => drop(rows.drain(..some.len())),
            }
        }
        Ok(None)
    }

    /// Invokes a function for a batch.
    async fn call_for(&self, one: &Outgoing, batch: Batch) -> Result<(), Fault> {
        let envelope = Envelope {
            event: fastrand::u32(..),
            objects: 0,
            frames: Vec::new(),
            task: Task::Batch(batch),
            ..one.envelope.clone()
        };
        self.invoke(&Outgoing { function: one.function, envelope, way: Way::Alone }).await
    }

    /// The slot of a member, and what it holds: the same whoever dispatches the call.
    async fn slot(
        &self,
        one: &Outgoing,
        def: &FunctionDef,
        gathers: &BatchDef,
    ) -> Result<(u32, Slot), Fault> {
        let objects = one.envelope.objects;
        let envelope = Envelope { event: 0, objects: 0, ..one.envelope.clone() };
        let Task::Call(call) = &envelope.task else {
            return Err(Fault::Poison("only calls gather in batches".to_owned()));
        };
        let name = instance_key(&envelope.incarnation(), &envelope.frames, call.node, &call.turns);
        let wire = envelope.encode();
        let slot = if fits_batch(self.prices(def.on), wire.len(), gathers.size as usize) {
            Slot { objects, of: None, envelope: Value::Inline(wire) }
        } else {
            let actor = Actor::passing(envelope.run.clone(), envelope.term);
            let envelope = self.store(&actor, wire, def.on, Place::Row).await?;
            Slot { objects, of: Some(actor.of), envelope }
        };
        Ok((Digest::of(name.as_str().as_bytes()).short(), slot))
    }

    fn batch_key(&self, batch: &Batch) -> RowKey {
        RowKey::batch(self.deployment, batch.function, batch.epoch, batch.index)
    }
}

/// The envelope in a slot of a batch row, or where it is; for a watch on what is sent.
#[cfg(feature = "local")]
pub(crate) fn peek(slot: &[u8]) -> Option<Result<bytes::Bytes, RowKey>> {
    let Slot { of, envelope, .. } = codec::unpack_row(slot, "a slot").ok()?;
    match envelope {
        Value::Inline(wire) => Some(Ok(wire)),
        Value::Stored(stored) => Some(Err(RowKey::value(&of?, &stored.digest))),
    }
}
