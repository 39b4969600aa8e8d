//! What happens to a row: pure transitions, shared by the store in memory and the one on disk.
//!
//! A transition sees the row's head only (its sizes and counts), so neither store has to load a
//! row to change it.

use crate::{
    backend::{Arrival, NewRow, StoreError, Timestamp},
    id::RowKey,
    provider::Provider,
};

/// What a filled slot adds to a row beside its value: its number, as the stores keep it.
pub const SLOT_BYTES: usize = 8;

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
    pub(super) check_at: Option<Timestamp>,
    pub(super) expires_at: Timestamp,
}

impl Head {
    fn empty(key: &RowKey) -> Self {
        let bytes = row_bytes(key, 0, []);
        Head { has_body: false, filled: 0, ok: 0, bytes, check_at: None, expires_at: 0 }
    }

    /// Whether the row has disappeared. As in DynamoDB, a time at the epoch means never.
    pub(super) fn expired(&self, now: Timestamp) -> bool {
        self.expires_at != 0 && self.expires_at <= now
    }
}

/// `create`: the row's new head, to be written together with the body; `None` when a row with a
/// body is there and stays as it is. `found` must not be expired.
pub(super) fn create(
    provider: Provider,
    key: &RowKey,
    found: Option<&Head>,
    row: &NewRow,
) -> Result<Option<Head>, StoreError> {
    let before = match found {
        Some(head) if head.has_body => return Ok(None),
        Some(head) => *head,
        None => Head::empty(key),
    };
    let after = Head {
        has_body: true,
        bytes: before.bytes + row.body.len(),
        check_at: row.check_at,
        expires_at: before.expires_at.max(row.expires_at),
        ..before
    };
    check_size(provider, after.bytes)?;
    Ok(Some(after))
}

/// `arrive`: the row's new head; the slot's value is to be written with it unless `slot_taken`.
/// `None` when the row is closed to the arrival and stays as it is. `found` must not be expired.
pub(super) fn arrive(
    provider: Provider,
    key: &RowKey,
    found: Option<&Head>,
    slot_taken: bool,
    arrival: &Arrival,
) -> Result<Option<Head>, StoreError> {
    let mut head = match found {
        Some(head) => *head,
        None => Head { expires_at: arrival.expires_at, ..Head::empty(key) },
    };
    if !slot_taken && arrival.only_open && (head.has_body || head.filled >= arrival.of) {
        return Ok(None);
    }
    if !slot_taken {
        head.filled += 1;
        head.ok += u32::from(arrival.ok);
        head.bytes += arrival.value.len() + SLOT_BYTES;
        check_size(provider, head.bytes)?;
    }
    if head.filled >= arrival.of {
        head.check_at = None;
    }
    Ok(Some(head))
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
