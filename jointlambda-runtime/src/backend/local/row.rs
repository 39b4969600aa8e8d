//! What happens to a row: pure transitions, shared by the store in memory and the one on disk.
//!
//! A transition sees the row's head only (its sizes and counts), so neither store has to load a
//! row to change it.

use crate::{
    backend::{Arrival, Check, Look, NewRow, StoreError, Timestamp},
    id::RowKey,
    provider::Provider,
};

/// What a filled slot adds to a row beside its value: its number, as the stores keep it.
pub const SLOT_BYTES: usize = 8;
/// What the number of an arrival adds to that.
pub const NUMBER_BYTES: usize = 6;

/// The size of a row by the provider's rules: the key, the body, and the value and number of each
/// slot.
pub fn row_bytes(key: &RowKey, body_bytes: usize, slot_bytes: impl IntoIterator<Item = usize>) -> usize {
    let slots: usize = slot_bytes.into_iter().map(|bytes| bytes + SLOT_BYTES).sum();
    key.as_str().len() + body_bytes + slots
}

/// All of a row that a transition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) has_body: bool,
    pub(super) filled: u32,
    /// How many slots were filled by an arrival that was `ok`.
    pub(super) ok: u32,
    /// The whole row's size.
    pub(super) bytes: usize,
    pub(super) check: Option<Check>,
    pub(super) looked_at: Option<Timestamp>,
    pub(super) inc: Option<Timestamp>,
    pub(super) expires_at: Timestamp,
}

/// What becomes of a row that is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    /// Its new head, to be written together with the body; the slots stay.
    Written(Head),
    /// The same, in place of all that was there: the slots go.
    Replaced(Head),
    /// A row with a body is there and stays as it is.
    Kept,
}

/// What becomes of a row where something arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arriving {
    /// Its new head; the slot's value is to be written with it unless it is filled.
    Written(Head),
    /// It is closed to the arrival.
    Closed,
    /// The row of that incarnation is not there.
    Gone,
}

impl Head {
    fn empty(key: &RowKey) -> Self {
        let bytes = row_bytes(key, 0, []);
        Head {
            has_body: false,
            filled: 0,
            ok: 0,
            bytes,
            check: None,
            looked_at: None,
            inc: None,
            expires_at: 0,
        }
    }

    /// Whether `postpone` changes the row.
    pub(super) fn is_to_move(&self, look: Look) -> bool {
        self.check.is_some() && (look.inc.is_none() || self.inc == look.inc)
    }

    /// `postpone`: the head of a row of the run index, moved.
    pub(super) fn postponed(self, look: Look) -> Self {
        Head { check: Some(look.next), looked_at: Some(look.looked_at), ..self }
    }

    /// Whether the row has disappeared. As in DynamoDB, a time at the epoch means never.
    pub(super) fn expired(&self, now: Timestamp) -> bool {
        self.expires_at != 0 && self.expires_at <= now
    }
}

/// `create`. `found` must not have disappeared.
pub(super) fn create(
    provider: Provider,
    key: &RowKey,
    found: Option<&Head>,
    row: &NewRow,
) -> Result<Creation, StoreError> {
    let (before, replaces) = match (found, row.run) {
        (Some(head), Some(run)) if !head.has_body || head.expires_at < run.expired_before => {
            (Head::empty(key), true)
        }
        (Some(head), _) if head.has_body => return Ok(Creation::Kept),
        (Some(head), _) => (*head, false),
        (None, _) => (Head::empty(key), false),
    };
    let after = Head {
        has_body: true,
        bytes: before.bytes + row.body.len(),
        check: row.check,
        inc: row.run.map(|run| run.inc),
        expires_at: before.expires_at.max(row.expires_at),
        ..before
    };
    check_size(provider, after.bytes)?;
    Ok(if replaces { Creation::Replaced(after) } else { Creation::Written(after) })
}

/// `arrive`. `found` must not have disappeared.
pub(super) fn arrive(
    provider: Provider,
    key: &RowKey,
    found: Option<&Head>,
    slot_taken: bool,
    arrival: &Arrival,
) -> Result<Arriving, StoreError> {
    if arrival.inc.is_some() && found.is_none_or(|head| head.inc != arrival.inc) {
        return Ok(Arriving::Gone);
    }
    let mut head = match found {
        Some(head) => *head,
        None => Head { expires_at: arrival.expires_at, ..Head::empty(key) },
    };
    if !slot_taken && arrival.only_open && (head.has_body || head.filled >= arrival.of) {
        return Ok(Arriving::Closed);
    }
    if !slot_taken {
        head.filled += 1;
        head.ok += u32::from(arrival.ok);
        head.bytes += arrival.value.len() + SLOT_BYTES;
        if keeps_number(provider, arrival) {
            head.bytes += NUMBER_BYTES;
        }
        check_size(provider, head.bytes)?;
    }
    if head.filled >= arrival.of {
        head.check = None;
    }
    Ok(Arriving::Written(head))
}

/// Whether a store of this provider keeps the number of an arrival with its slot: DynamoDB's update
/// computes it in the same step, TableStore's cannot.
pub(super) fn keeps_number(provider: Provider, arrival: &Arrival) -> bool {
    arrival.numbered && provider == Provider::Aws
}

/// Whether the answer to an arrival after which a row has enough comes with the row: DynamoDB's
/// update returns it for nothing, TableStore's returns counters only.
pub(super) fn returned_when_enough(provider: Provider) -> bool {
    match provider {
        Provider::Aws => true,
        Provider::Aliyun => false,
    }
}

fn check_size(provider: Provider, bytes: usize) -> Result<(), StoreError> {
    let limit = provider.limits().row_bytes;
    if bytes > limit {
        return Err(StoreError::TooLarge { what: "row", bytes, limit });
    }
    Ok(())
}
