//! Where a value is kept: in place while it is small, else stored once, by size and by price.
//!
//! Stored values are named by their content, so two copies of a function that store the same
//! value store it once, and two that disagree do not mix: the committed row says which counts.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};

use crate::{
    backend::{NewRow, StoreError},
    codec,
    commit::Actor,
    definition::CloudIndex,
    dispatch::CONCURRENCY,
    envelope::{CloudSet, Continuation, Frame, Output, Place, Stored, Value, Vars},
    error::Fault,
    id::{Digest, Incarnation, ObjectKey, RowKey},
    provider::Prices,
    retry,
    runtime::Runtime,
};

/// What an envelope needs beside its values.
const ENVELOPE_OVERHEAD: usize = 1024;
/// The bytes of variables that every branch of a fan-out carries in place.
const SHARED_INLINE: usize = 1024;
/// A variable of a fan-out below this size is never worth a store of its own.
const SHARED_SMALL: usize = 128;
/// What a slot of a join row holds beside its value: its number, and which copy filled it when, after how
/// long, and how often the function ran.
const SLOT_OVERHEAD: usize = 34;
/// What a slot of a batch row holds of a member that is stored elsewhere.
const STORED_MEMBER: usize = 80;
/// No row of ours grows beyond this, whatever the provider allows.
pub(crate) const ROW_INLINE_MAX: usize = 48 * 1024;

/// The size from which an object is cheaper than a row: the price of a put and a get, in bytes
/// of row.
pub(crate) fn row_bound(prices: &Prices) -> usize {
    let object = prices.object_puts_per_million + prices.object_gets_per_million;
    let per_unit = prices.table_writes_per_million
        + prices.table_reads_per_million * prices.write_unit_bytes as f64 / prices.read_unit_bytes as f64;
    ((object / per_unit) as usize * prices.write_unit_bytes).min(ROW_INLINE_MAX)
}

/// Whether outputs of `len` bytes are cheaper in the slots of a join row of `slots` slots than in
/// a row each. An update is billed by the size of the whole row, so a row that fills up slot by
/// slot costs the square of its size; so does one that fills up with references.
pub(crate) fn fits_slot(prices: &Prices, len: usize, slots: usize) -> bool {
    if len * slots > ROW_INLINE_MAX {
        return false;
    }
    let units = |bytes: usize, unit: usize| bytes.div_ceil(unit).max(1) as f64;
    let writes = |bytes| units(bytes, prices.write_unit_bytes) * prices.table_writes_per_million;
    let reads = |bytes| units(bytes, prices.read_unit_bytes) * prices.table_reads_per_million;
    let arrival = |value_len: usize| writes((value_len + SLOT_OVERHEAD) * slots.div_ceil(2));
    arrival(len) <= arrival(Value::STORED_LEN) + writes(len) + reads(len)
}

/// Whether envelopes of `len` bytes are cheaper in the slots of a batch row than in a row each that
/// the slot names. Either way an update is billed by the size of the whole row.
pub(crate) fn fits_batch(prices: &Prices, len: usize, size: usize) -> bool {
    if len * size > ROW_INLINE_MAX {
        return false;
    }
    let units = |bytes: usize, unit: usize| bytes.div_ceil(unit).max(1) as f64;
    let update = |slot: usize| {
        units((slot + SLOT_OVERHEAD) * size.div_ceil(2), prices.write_unit_bytes)
            * prices.table_writes_per_million
    };
    let apart = units(len, prices.write_unit_bytes) * prices.table_writes_per_million
        + units(len, prices.read_unit_bytes) * prices.table_reads_per_million;
    update(len) <= update(STORED_MEMBER) + apart
}

impl Runtime {
    /// The bytes of a value, wherever they are.
    pub(crate) async fn fetch(&self, of: &Incarnation, value: &Value) -> Result<Bytes, Fault> {
        let stored = match value {
            Value::Inline(bytes) => return Ok(bytes.clone()),
            Value::Stored(stored) => stored,
        };
        let cloud = self.cloud(stored.cloud)?;
        let bytes = match stored.place {
            Place::Row | Place::Output => {
                let key = RowKey::value(of, &stored.digest);
                retry::store(|| cloud.table.get(&key)).await?.and_then(|row| row.body)
            }
            Place::Object | Place::Result => {
                let key = object_key(of, stored);
                retry::store(|| cloud.objects.get(&key)).await?
            }
        };
        content(stored, bytes)
    }

    /// The bytes of values that arrived at a fan-in, in their order. Those in rows of its home are
    /// read many in a request.
    pub(crate) async fn fetch_outputs(
        &self,
        of: &Incarnation,
        home: CloudIndex,
        values: Vec<Value>,
    ) -> Result<Vec<Bytes>, Fault> {
        let in_row = |value: &Value| match value {
            Value::Stored(stored) if stored.place == Place::Output && stored.cloud == home => Some(*stored),
            _ => None,
        };
        let keys: Vec<_> =
            values.iter().filter_map(in_row).map(|stored| RowKey::value(of, &stored.digest)).collect();
        let mut rows = Vec::new().into_iter();
        if !keys.is_empty() {
            let table = &self.cloud(home)?.table;
            rows = retry::store(|| table.get_many(&keys)).await?.into_iter();
        }
        stream::iter(values)
            .map(|value| {
                let read = in_row(&value).map(|stored| (stored, rows.next().flatten()));
                async move {
                    match read {
                        Some((stored, row)) => content(&stored, row.and_then(|row| row.body)),
                        None => self.fetch(of, &value).await,
                    }
                }
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Stores the bytes of a value in `cloud`, unless they are there.
    pub(crate) async fn store(
        &self,
        actor: &Actor,
        bytes: Bytes,
        cloud: CloudIndex,
        place: Place,
    ) -> Result<Value, Fault> {
        let len = u32::try_from(bytes.len()).map_err(|_| Fault::Bound("a value is over 4 GB".to_owned()))?;
        let stored = Stored { cloud, place, digest: Digest::of(&bytes), len };
        let to = self.cloud(cloud)?;
        match place {
            Place::Row | Place::Output => {
                let key = RowKey::value(&actor.of, &stored.digest);
                let expires_at = self.expires_at(&*to.table, &actor.term);
                let row = NewRow { body: bytes, expires_at, ..NewRow::default() };
                retry::store(|| to.table.create(&key, row.clone())).await?;
            }
            Place::Object | Place::Result => {
                actor.note_object(cloud);
                let key = object_key(&actor.of, &stored);
                retry::store(|| to.objects.put(&key, bytes.clone())).await?;
            }
        }
        Ok(Value::Stored(stored))
    }

    /// Stores what is too large of a continuation, so that every envelope it leads to fits the
    /// limit of every cloud that may receive it. Adds the clouds used to `objects`.
    pub(crate) async fn fit(
        &self,
        actor: &Actor,
        frames: &[Frame],
        continuation: &mut Continuation,
        objects: &mut CloudSet,
    ) -> Result<(), Fault> {
        let mut large = Vec::new();
        let around = frames.iter().map(|frame| vars_len(&frame.vars) + 24).sum();
        self.find_large(frames.is_empty(), around, continuation, &mut large);
        if large.is_empty() {
            return Ok(());
        }
        // The same variable may be in many branches: it is stored once.
        let stored = try_join_all(large.iter().map(|large| {
            let Value::Inline(bytes) = &*large.value else { unreachable!("only values in place are stored") };
            self.store(actor, bytes.clone(), large.cloud, large.place)
        }))
        .await?;
        for (large, stored) in large.into_iter().zip(stored) {
            if large.place == Place::Object {
                *objects |= 1 << large.cloud;
            }
            *large.value = stored;
        }
        Ok(())
    }

    fn find_large<'a>(
        &self,
        at_root: bool,
        around: usize,
        continuation: &'a mut Continuation,
        large: &mut Vec<Large<'a>>,
    ) {
        match continuation {
            Continuation::Call(call) => {
                let Some(function) =
                    self.definition.node(call.node).and_then(|n| self.definition.function_of(n))
                else {
                    return;
                };
                let limit = self.envelope_limit(function);
                // What gathers in a batch must fit a row.
                let limit = function.batch.map_or(limit, |_| limit.min(ROW_INLINE_MAX));
                let limit = limit.saturating_sub(ENVELOPE_OVERHEAD + around);
                let values =
                    std::iter::once(&mut call.args).chain(call.vars.iter_mut().map(|(_, value)| value));
                take_largest(values.collect(), limit, 0, function.on, large);
            }
            Continuation::Fork(fork) => {
                let cloud = self.majority(&fork.branches);
                let around = around + 24 + SHARED_INLINE;
                let vars = fork.vars.iter_mut().map(|(_, value)| value).collect();
                take_largest(vars, SHARED_INLINE, SHARED_SMALL, cloud, large);
                for branch in &mut fork.branches {
                    self.find_large(false, around, branch, large);
                }
            }
            // An `Err` of its own ends a branch, not the run.
            Continuation::Err(_) => {}
            Continuation::Return(value) => {
                let home = self.definition.home;
                if at_root
                    && value.wire_len() > row_bound(self.prices(home))
                    && matches!(value, Value::Inline(_))
                {
                    large.push(Large { value, cloud: home, place: Place::Result });
                }
            }
        }
    }

    /// The cloud where most branches begin; the first of them when several are equal.
    fn majority(&self, branches: &[Continuation]) -> CloudIndex {
        let mut votes = vec![0_usize; self.definition.clouds.len()];
        for branch in branches {
            if let Some(cloud) = self.begins_on(branch) {
                votes[usize::from(cloud)] += 1;
            }
        }
        let most = votes.iter().copied().max().unwrap_or(0);
        votes.iter().position(|&count| count == most).unwrap_or(0) as CloudIndex
    }

    fn begins_on(&self, continuation: &Continuation) -> Option<CloudIndex> {
        match continuation {
            Continuation::Call(call) => {
                self.definition.node(call.node).map(|node| self.definition.home_of(node))
            }
            Continuation::Fork(fork) => fork.branches.first().and_then(|branch| self.begins_on(branch)),
            Continuation::Return(_) | Continuation::Err(_) => None,
        }
    }

    /// The body of a row, stored as an object when it is too large for a row.
    pub(crate) async fn body<T: serde::Serialize>(
        &self,
        actor: &Actor,
        home: CloudIndex,
        content: &T,
    ) -> Result<(Bytes, Option<Value>), Fault> {
        let body = codec::pack_row(content);
        if body.len() <= row_bound(self.prices(home)) {
            return Ok((body, None));
        }
        let value = self.store(actor, body, home, Place::Object).await?;
        Ok((Bytes::new(), Some(value)))
    }
}

/// A value to be stored, and where.
struct Large<'a> {
    value: &'a mut Value,
    cloud: CloudIndex,
    place: Place,
}

/// Picks the largest values, those over `small` bytes, until the rest fits `limit`.
fn take_largest<'a>(
    mut values: Vec<&'a mut Value>,
    limit: usize,
    small: usize,
    cloud: CloudIndex,
    large: &mut Vec<Large<'a>>,
) {
    let mut total: usize = values.iter().map(|value| value.wire_len()).sum();
    if total <= limit {
        return;
    }
    values.sort_by_key(|value| std::cmp::Reverse(value.wire_len()));
    for value in values {
        if total <= limit || value.wire_len() <= small {
            break;
        }
        if matches!(value, Value::Inline(_)) {
            total -= value.wire_len();
            large.push(Large { value, cloud, place: Place::Object });
            total += Value::STORED_LEN;
        }
    }
}

/// The value in what was read from where `stored` says.
fn content(stored: &Stored, bytes: Option<Bytes>) -> Result<Bytes, Fault> {
    match bytes {
        Some(bytes) if Digest::of(&bytes) == stored.digest => match stored.place {
            Place::Output => Ok(codec::unpack_row::<Output>(&bytes, "an output")?.value),
            Place::Row | Place::Object | Place::Result => Ok(bytes),
        },
        Some(_) => Err(StoreError::Corrupt("a stored value is not what was stored".to_owned()).into()),
        None => Err(StoreError::Corrupt("a stored value is gone".to_owned()).into()),
    }
}

fn vars_len(vars: &Vars) -> usize {
    vars.iter().map(|(_, value)| value.wire_len() + 3).sum()
}

fn object_key(of: &Incarnation, stored: &Stored) -> ObjectKey {
    match stored.place {
        Place::Result => ObjectKey::result(of, &stored.digest),
        _ => ObjectKey::new(of, &stored.digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Provider;

    #[test]
    fn slots_hold_tiny_outputs_or_few_branches() {
        let prices = Provider::Aws.prices();
        assert!(fits_slot(prices, 16, 128));
        assert!(!fits_slot(prices, 100, 128));
        assert!(fits_slot(prices, 16, 32));
        assert!(fits_slot(prices, 900, 2));
        assert!(!fits_slot(prices, 900, 32));
        assert!(!fits_slot(prices, 100_000, 1));
    }

    #[test]
    fn a_slot_holds_no_more_beside_its_value_than_it_is_priced_by() {
        use crate::{
            codec,
            envelope::{Arrived, Ended, Stamp},
        };
        // A call that ended after an hour of its run, and took half a minute.
        let stamp = Stamp {
            event: u32::MAX,
            at_ms: 3_600_000,
            on: 1,
            attempt: 1,
            took_ms: 30_000,
            ran: 1,
            is_err: false,
        };
        let value = Value::Inline(Bytes::from_static(&[7; 16]));
        let slot = codec::pack_row(&Arrived { ended: Ended::Returned(value), objects: 0, stamp });
        let beside = slot.len() - 16;
        assert_eq!(beside, 26, "the size of a slot changed: so do the prices of fan-ins");
        // The name of the attribute or column, `s127`.
        assert!(beside + 4 <= SLOT_OVERHEAD);
    }

    #[test]
    fn batch_rows_hold_what_is_about_as_small_as_a_reference() {
        let prices = Provider::Aws.prices();
        assert!(fits_batch(prices, 120, 32));
        assert!(fits_batch(prices, 100, 128) && !fits_batch(prices, 150, 128));
        assert!(fits_batch(prices, 2_000, 2));
        assert!(!fits_batch(prices, 1_000, 32));
        assert!(!fits_batch(prices, 100_000, 2));
    }

    #[test]
    fn rows_hold_what_objects_would_cost_more_for() {
        assert_eq!(row_bound(Provider::Aws.prices()), 8 * 1024);
        assert!(row_bound(Provider::Aliyun.prices()) <= ROW_INLINE_MAX);
    }
}
