//! What must never happen, watched at the backend's border while faults happen.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

use crate::{
    backend::{self, Arrival, Created, NewRow, StoreError, Timestamp},
    batch, codec,
    commit::END,
    envelope::{Arrived, Committed, Ended, Envelope, Task, Value, Vars, path},
    error::Fault,
    id::{Digest, Incarnation, RowKey},
};

/// Watches what is sent and created.
#[derive(Default)]
pub(super) struct Watch(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// What each instance was sent, the first time.
    calls: BTreeMap<String, Digest>,
    /// The batch row of each call that gathers.
    members: BTreeMap<String, RowKey>,
    /// What each row was created with, and when it may disappear.
    rows: BTreeMap<RowKey, (Bytes, Timestamp)>,
    /// The incarnations of runs that have ended as cancelled, and until when that is kept.
    cancelled: BTreeMap<String, Timestamp>,
    violations: Vec<String>,
}

impl Seen {
    /// Gives the name of the instance that it is sent to, if it is one.
    fn sent(&mut self, wire: &[u8]) -> Option<String> {
        let envelope = Envelope::peek(wire)?;
        let Task::Call(call) = &envelope.task else { return None };
        let of = Incarnation::of(&envelope.run, envelope.term.started_at);
        let name = format!("{of}/{}/{:?}", call.node, path(&envelope.frames, &call.turns));
        let vars = envelope.frames.iter().map(|frame| &frame.vars).chain([&call.vars]).map(contents);
        let content = format!("{}{:?}", content(&call.args), vars.collect::<Vec<_>>());
        let digest = Digest::of(content.as_bytes());
        match self.calls.entry(name.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(digest);
            }
            Entry::Occupied(first) if *first.get() != digest => {
                self.violations.push(format!("instance {name} was sent two different things"));
            }
            Entry::Occupied(_) => {}
        }
        Some(name)
    }

    /// Whether the run that a row belongs to has ended as cancelled, as its row still tells.
    fn is_cancelled(&self, key: &RowKey, now: Timestamp) -> bool {
        let of = key.as_str().split('/').next().unwrap_or_default();
        self.cancelled.get(of).is_some_and(|&expires_at| now < expires_at)
    }
}

impl Watch {
    /// Invariants 1 and 2: whoever sends to an instance, and however often, sends the same. Two
    /// copies that dispatched their own outcomes instead of the committed one would not.
    ///
    /// What a copy sends that stood still until its run was past its deadline is dropped unread: by then
    /// the row may be gone that told it what was sent before.
    pub(super) fn sent(&self, wire: &[u8], now: Timestamp) {
        if is_past(wire, now) {
            return;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.sent(wire);
    }

    /// The same of a call that is sent through a batch. It is in one batch, and no batch has more
    /// members than it takes.
    pub(super) fn gathered(
        &self,
        key: &RowKey,
        arrival: &Arrival,
        now: Timestamp,
        arrived: &backend::Arrived,
    ) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wire = batch::peek(&arrival.value).and_then(|found| {
            found.map_or_else(|key| seen.rows.get(&key).map(|(body, _)| body.clone()), Some)
        });
        if wire.as_ref().is_some_and(|wire| is_past(wire, now)) {
            return;
        }
        let Some(name) = wire.and_then(|wire| seen.sent(&wire)) else {
            return seen.violations.push("a member of a batch is not there".to_owned());
        };
        if !arrived.fresh {
            return;
        }
        let of = arrival.of;
        if arrived.filled > of {
            seen.violations.push(format!("batch {key} has {} members, and takes {of}", arrived.filled));
        }
        if let Some(other) = seen.members.insert(name.clone(), key.clone()) {
            seen.violations.push(format!("instance {name} is in batch {other}, and again in {key}"));
        }
    }

    /// A row has one content for as long as it is kept, and a second creator is told so.
    pub(super) fn created(&self, key: &RowKey, row: &NewRow, now: Timestamp, created: &Created) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (body, kept) = (&row.body, (row.body.clone(), row.expires_at));
        let first = seen.rows.get(key).cloned();
        match (created, first) {
            (Created::New, None) => {
                let is_outcome = codec::unpack_row::<Committed>(body, "a row").is_ok();
                if is_outcome && !key.is_value() && seen.is_cancelled(key, now) {
                    seen.violations.push(format!("row {key} was created after its run was cancelled"));
                }
                seen.rows.insert(key.clone(), kept);
            }
            // The row of a run may take the place of one that expired; and a copy that stood still until
            // its row had expired may create it again; nothing reads it.
            (Created::New, Some((_, expires_at))) if key.as_run().is_some() || expires_at <= now => {
                seen.rows.insert(key.clone(), kept);
            }
            (Created::New, Some(_)) => seen.violations.push(format!("row {key} was created twice")),
            (Created::Exists(row), Some((first, _))) if row.body.as_ref() != Some(&first) => {
                seen.violations.push(format!("row {key} has changed"));
            }
            (Created::Exists(_), _) => {}
        }
    }

    /// A slot of a row was filled for the first time. Once a run has ended as cancelled, nothing
    /// more is decided in it.
    pub(super) fn filled(&self, key: &RowKey, arrival: &Arrival, now: Timestamp) {
        let Ok(Arrived { ended, .. }) = codec::unpack_row(&arrival.value, "a slot") else { return };
        let slot = arrival.slot;
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = key.as_run() {
            if slot == END && ended == Ended::Cancelled {
                let of = Incarnation::of(&run, arrival.inc.unwrap_or_default());
                seen.cancelled.insert(of.to_string(), arrival.expires_at);
            }
        } else if seen.is_cancelled(key, now) {
            seen.violations.push(format!("slot {slot} of {key} was filled after its run was cancelled"));
        }
    }

    /// No function finds what is stored damaged: a fan-in that fired before its branches were
    /// there would.
    pub(super) fn answered(&self, done: &Result<(), Fault>) {
        if let Err(Fault::Store(StoreError::Corrupt(what))) = done {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            seen.violations.push(format!("a function found what is stored damaged: {what}"));
        }
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).violations.clone()
    }
}

/// Whether an envelope is of a run that is past its deadline.
fn is_past(wire: &[u8], now: Timestamp) -> bool {
    Envelope::peek(wire).is_some_and(|envelope| envelope.term.deadline <= now)
}

fn contents(vars: &Vars) -> Vec<(u16, String)> {
    vars.iter().map(|(index, value)| (*index, content(value))).collect()
}

/// A value, the same whether it is in place or stored.
fn content(value: &Value) -> String {
    match value {
        Value::Inline(bytes) => Digest::of(bytes).to_string(),
        Value::Stored(stored) => stored.digest.to_string(),
    }
}
