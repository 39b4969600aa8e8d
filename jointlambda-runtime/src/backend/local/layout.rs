//! How rows and objects lie in the store's file, and what an operation does to them there.
//!
//! Each cloud has five tables: the head of a row together with its body, its slots one by one (an
//! arrival writes a head and a slot, however many there are), the run index, the objects, and
//! when each of them was put.

use bytes::Bytes;
use redb::{
    ReadTransaction, ReadableDatabase as _, ReadableTable, ReadableTableMetadata as _, StorageError, Table,
    TableDefinition, TableError, WriteTransaction,
};

use super::{
    row::{self, Arriving, Creation, Head},
    table::Outcome,
};
use crate::{
    backend::{
        Arrival, Arrived, Band, Check, Created, IndexPart, Look, NewRow, Page, Row, StoreError, Timestamp,
    },
    id::{DeploymentId, Incarnation, ObjectKey, ObjectsOf, RowKey},
    provider::Provider,
};

type Slot<'a> = (&'a str, u32);
/// Deployment, band, time, key.
type Entry<'a> = (u64, u8, Timestamp, &'a str);

/// What the tables of a cloud are called.
pub(super) struct Names {
    rows: String,
    slots: String,
    index: String,
    objects: String,
    puts: String,
}

impl Names {
    pub(super) fn of(cloud: &str) -> Self {
        Names {
            rows: format!("{cloud}/rows"),
            slots: format!("{cloud}/slots"),
            index: format!("{cloud}/index"),
            objects: format!("{cloud}/objects"),
            puts: format!("{cloud}/puts"),
        }
    }

    fn rows(&self) -> TableDefinition<'_, &'static str, &'static [u8]> {
        TableDefinition::new(&self.rows)
    }

    fn slots(&self) -> TableDefinition<'_, Slot<'static>, &'static [u8]> {
        TableDefinition::new(&self.slots)
    }

    fn index(&self) -> TableDefinition<'_, Entry<'static>, ()> {
        TableDefinition::new(&self.index)
    }

    fn objects(&self) -> TableDefinition<'_, &'static str, &'static [u8]> {
        TableDefinition::new(&self.objects)
    }

    fn puts(&self) -> TableDefinition<'_, &'static str, Timestamp> {
        TableDefinition::new(&self.puts)
    }
}

/// Why an operation inside a transaction did not happen.
pub(super) enum Refusal {
    /// It is not allowed; the others of the group go on.
    Store(StoreError),
    /// The file failed; the whole group is undone.
    Disk(redb::Error),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error)
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        Refusal::Disk(error.into())
    }
}

impl From<TableError> for Refusal {
    fn from(error: TableError) -> Self {
        Refusal::Disk(error.into())
    }
}

/// One cloud's tables inside a write transaction.
pub(super) struct CloudTables<'txn> {
    provider: Provider,
    rows: Table<'txn, &'static str, &'static [u8]>,
    slots: Table<'txn, Slot<'static>, &'static [u8]>,
    index: Table<'txn, Entry<'static>, ()>,
    objects: Table<'txn, &'static str, &'static [u8]>,
    puts: Table<'txn, &'static str, Timestamp>,
}

impl<'txn> CloudTables<'txn> {
    pub(super) fn open(
        transaction: &'txn WriteTransaction,
        names: &Names,
        provider: Provider,
    ) -> Result<Self, TableError> {
        Ok(CloudTables {
            provider,
            rows: transaction.open_table(names.rows())?,
            slots: transaction.open_table(names.slots())?,
            index: transaction.open_table(names.index())?,
            objects: transaction.open_table(names.objects())?,
            puts: transaction.open_table(names.puts())?,
        })
    }

    pub(super) fn create(
        &mut self,
        key: &RowKey,
        row: &NewRow,
        now: Timestamp,
    ) -> Result<Outcome<Created>, Refusal> {
        let found = self.find(key, now)?;
        let head = match row::create(self.provider, key, found.as_ref(), row)? {
            Creation::Kept => {
                let stored = read_row(&self.rows, &self.slots, key, now)?;
                let (head, row) = stored.expect("only a row that is there stays as it is");
                return Ok(Outcome::unchanged(Created::Exists(row), head.bytes));
            }
            Creation::Written(head) => head,
            Creation::Replaced(head) => {
                self.slots.retain_in(all_slots(key), |_, _| false)?;
                head
            }
        };
        self.rows.insert(key.as_str(), encode(&head, &row.body).as_slice())?;
        let indexed = self.reindex(key, found.and_then(|head| head.check), head.check)?;
        Ok(Outcome { answer: Created::New, row_bytes: head.bytes, changed: true, indexed })
    }

    pub(super) fn arrive(
        &mut self,
        key: &RowKey,
        arrival: &Arrival,
        now: Timestamp,
    ) -> Result<Outcome<Arrived>, Refusal> {
        let found = self.find(key, now)?;
        let there = match found {
            Some(_) => self.slots.get((key.as_str(), arrival.slot))?.map(|slot| number_of(slot.value())),
            None => None,
        };
        let taken = there.is_some();
        let (filled, row_bytes) = found.map_or((0, 0), |head| (head.filled, head.bytes));
        let head = match row::arrive(self.provider, key, found.as_ref(), taken, arrival)? {
            Arriving::Written(head) => head,
            Arriving::Closed => return Ok(Outcome::unchanged(Arrived::closed(filled), row_bytes)),
            Arriving::Gone => return Ok(Outcome::unchanged(Arrived::gone(), row_bytes)),
        };
        let number = there.unwrap_or(if row::keeps_number(self.provider, arrival) { head.filled } else { 0 });
        if !taken {
            let slot = [&number.to_le_bytes(), &*arrival.value].concat();
            self.slots.insert((key.as_str(), arrival.slot), slot.as_slice())?;
        }
        let changed = found != Some(head);
        if changed {
            let body = self.rows.get(key.as_str())?.map(|stored| body_of(stored.value()));
            self.rows.insert(key.as_str(), encode(&head, &body.unwrap_or_default()).as_slice())?;
        }
        let indexed = self.reindex(key, found.and_then(|head| head.check), head.check)?;
        let is_enough = arrival.is_enough(head.filled, head.ok);
        let row = if is_enough && row::returned_when_enough(self.provider) {
            read_row(&self.rows, &self.slots, key, now)?.map(|(_, row)| row)
        } else {
            None
        };
        let number = Some(number).filter(|number| *number != 0 && arrival.numbered);
        let (filled, ok) = (head.filled, head.ok);
        let answer = Arrived { fresh: !taken, closed: false, gone: false, filled, ok, number, row };
        Ok(Outcome { answer, row_bytes: head.bytes, changed, indexed })
    }

    pub(super) fn postpone(
        &mut self,
        key: &RowKey,
        look: Look,
        now: Timestamp,
    ) -> Result<Outcome<()>, Refusal> {
        let Some(before) = self.find(key, now)?.filter(|head| head.is_to_move(look)) else {
            return Ok(Outcome::unchanged((), 0));
        };
        let head = before.postponed(look);
        let body = self.rows.get(key.as_str())?.map(|stored| body_of(stored.value()));
        self.rows.insert(key.as_str(), encode(&head, &body.unwrap_or_default()).as_slice())?;
        let indexed = self.reindex(key, before.check, head.check)?;
        Ok(Outcome { answer: (), row_bytes: head.bytes, changed: true, indexed })
    }

    pub(super) fn sweep_expired(
        &mut self,
        now: Timestamp,
        put_before: Timestamp,
    ) -> Result<Outcome<usize>, Refusal> {
        let mut expired = Vec::new();
        for entry in self.rows.iter()? {
            let (key, stored) = entry?;
            let head = decode(stored.value())?;
            if head.expired(now) {
                expired.push((RowKey::from_stored(key.value()), head));
            }
        }
        for (key, head) in &expired {
            self.remove(key, head)?;
        }
        let mut old = Vec::new();
        for entry in self.puts.iter()? {
            let (key, put_at) = entry?;
            if put_at.value() < put_before {
                old.push(key.value().to_owned());
            }
        }
        for key in &old {
            self.remove_object(key)?;
        }
        let answer = expired.len() + old.len();
        Ok(Outcome { answer, row_bytes: 0, changed: answer > 0, indexed: false })
    }

    pub(super) fn put(
        &mut self,
        key: &ObjectKey,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<Outcome<()>, Refusal> {
        let there = self.objects.get(key.as_str())?.is_some();
        if !there {
            self.objects.insert(key.as_str(), bytes)?;
            self.puts.insert(key.as_str(), now)?;
        }
        Ok(Outcome { answer: (), row_bytes: 0, changed: !there, indexed: false })
    }

    pub(super) fn delete_run(&mut self, of: &Incarnation, which: ObjectsOf) -> Result<Outcome<()>, Refusal> {
        let prefix = ObjectKey::prefix(of, which);
        let mut keys = Vec::new();
        for entry in self.objects.range(prefix.as_str()..)? {
            let (key, _) = entry?;
            if !key.value().starts_with(&prefix) {
                break;
            }
            keys.push(key.value().to_owned());
        }
        for key in &keys {
            self.remove_object(key)?;
        }
        Ok(Outcome { answer: (), row_bytes: 0, changed: !keys.is_empty(), indexed: false })
    }

    /// The head of a row that is there; one whose time has come is removed.
    fn find(&mut self, key: &RowKey, now: Timestamp) -> Result<Option<Head>, Refusal> {
        let head = self.rows.get(key.as_str())?.map(|stored| decode(stored.value())).transpose()?;
        match head {
            Some(head) if head.expired(now) => {
                self.remove(key, &head)?;
                Ok(None)
            }
            head => Ok(head),
        }
    }

    fn remove_object(&mut self, key: &str) -> Result<(), Refusal> {
        self.objects.remove(key)?;
        self.puts.remove(key)?;
        Ok(())
    }

    fn remove(&mut self, key: &RowKey, head: &Head) -> Result<(), Refusal> {
        self.rows.remove(key.as_str())?;
        self.slots.retain_in(all_slots(key), |_, _| false)?;
        self.reindex(key, head.check, None)?;
        Ok(())
    }

    fn reindex(
        &mut self,
        key: &RowKey,
        before: Option<Check>,
        after: Option<Check>,
    ) -> Result<bool, Refusal> {
        if before == after {
            return Ok(false);
        }
        if let Some(before) = before {
            self.index.remove(entry(&before, key.as_str()))?;
        }
        if let Some(after) = after {
            self.index.insert(entry(&after, key.as_str()), ())?;
        }
        Ok(true)
    }
}

/// Reads a row from a committed state.
pub(super) fn get(
    state: &ReadTransaction,
    names: &Names,
    key: &RowKey,
    now: Timestamp,
) -> Result<Outcome<Option<Row>>, Refusal> {
    let rows = state.open_table(names.rows())?;
    let slots = state.open_table(names.slots())?;
    let found = read_row(&rows, &slots, key, now)?;
    let row_bytes = found.as_ref().map_or(0, |(head, _)| head.bytes);
    Ok(Outcome { answer: found.map(|(_, row)| row), row_bytes, changed: false, indexed: false })
}

/// Reads the run index of a committed state.
pub(super) fn due(
    state: &ReadTransaction,
    names: &Names,
    part: IndexPart,
    until: Timestamp,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<RowKey>, Refusal> {
    let index = state.open_table(names.index())?;
    let rows = state.open_table(names.rows())?;
    let mut keys = Vec::new();
    let check = |at| Check { part, at };
    let all = entry(&check(0), "")..entry(&check(until.saturating_add(1)), "");
    for entry in index.range(all)? {
        if keys.len() == limit {
            break;
        }
        let (check, _) = entry?;
        let (.., key) = check.value();
        let Some(stored) = rows.get(key)? else { continue };
        if !decode(stored.value())?.expired(now) {
            keys.push(RowKey::from_stored(key));
        }
    }
    Ok(keys)
}

/// Reads the keys of run rows of a committed state, in their order.
pub(super) fn runs(
    state: &ReadTransaction,
    names: &Names,
    after: Option<&RowKey>,
    limit: usize,
    now: Timestamp,
) -> Result<Page, Refusal> {
    let rows = state.open_table(names.rows())?;
    let mut page = Page::default();
    let mut from = after.map_or(String::new(), |after| beyond(after.as_str()));
    while let Some(entry) = rows.range(from.as_str()..)?.next() {
        let (key, stored) = entry?;
        from = beyond(key.value());
        let key = RowKey::from_stored(key.value());
        if key.as_run().is_none() || decode(stored.value())?.expired(now) {
            continue;
        }
        if page.keys.len() >= limit.max(1) {
            page.next = page.keys.last().cloned();
            break;
        }
        page.keys.push(key);
    }
    Ok(page)
}

/// The first key that is behind `key` and behind those of the rows of that run.
fn beyond(key: &str) -> String {
    format!("{key}{}", char::from(b'/' + 1))
}

/// How many rows and objects a committed state has.
pub(super) fn count(state: &ReadTransaction, names: &Names) -> Result<(u64, u64), Refusal> {
    let rows = state.open_table(names.rows())?;
    let objects = state.open_table(names.objects())?;
    Ok((rows.len()?, objects.len()?))
}

/// Reads an object of a committed state.
pub(super) fn object(
    state: &ReadTransaction,
    names: &Names,
    key: &ObjectKey,
) -> Result<Option<Bytes>, Refusal> {
    let objects = state.open_table(names.objects())?;
    let found = objects.get(key.as_str())?;
    Ok(found.map(|stored| Bytes::copy_from_slice(stored.value())))
}

fn read_row(
    rows: &impl ReadableTable<&'static str, &'static [u8]>,
    slots: &impl ReadableTable<Slot<'static>, &'static [u8]>,
    key: &RowKey,
    now: Timestamp,
) -> Result<Option<(Head, Row)>, Refusal> {
    let Some(stored) = rows.get(key.as_str())? else { return Ok(None) };
    let head = decode(stored.value())?;
    if head.expired(now) {
        return Ok(None);
    }
    let body = head.has_body.then(|| body_of(stored.value()));
    let Head { check, looked_at, inc, expires_at, .. } = head;
    let check_at = check.map(|check| check.at);
    let mut row = Row { body, check_at, looked_at, inc, expires_at, ..Row::default() };
    if head.filled > 0 {
        for entry in slots.range(all_slots(key))? {
            let (slot, value) = entry?;
            let value = value.value().get(NUMBER..).unwrap_or_default();
            row.slots.insert(slot.value().1, Bytes::copy_from_slice(value));
        }
    }
    Ok(Some((head, row)))
}

fn all_slots(key: &RowKey) -> std::ops::RangeInclusive<Slot<'_>> {
    (key.as_str(), 0)..=(key.as_str(), u32::MAX)
}

fn entry<'a>(check: &Check, key: &'a str) -> Entry<'a> {
    (check.part.deployment.0, check.part.band as u8, check.at, key)
}

/// The bytes before a slot's value: the number of its arrival, little endian, 0 where none is kept.
const NUMBER: usize = 4;

fn number_of(slot: &[u8]) -> u32 {
    slot.first_chunk().map_or(0, |number| u32::from_le_bytes(*number))
}

/// The layout of a head: version, flags, `filled`, `ok`, `bytes`, the check's deployment and time,
/// `looked_at`, `inc`, `expires_at`, all little endian; the body follows.
const HEAD_BYTES: usize = 1 + 1 + 4 + 4 + 6 * 8;
const VERSION: u8 = 3;
const HAS_BODY: u8 = 1;
const HAS_CHECK: u8 = 2;
const IS_OLD: u8 = 4;
const WAS_LOOKED_AT: u8 = 8;
const HAS_INC: u8 = 16;

fn encode(head: &Head, body: &[u8]) -> Vec<u8> {
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let flags = flag(head.has_body, HAS_BODY)
        | flag(head.check.is_some(), HAS_CHECK)
        | flag(head.check.is_some_and(|check| check.part.band == Band::Old), IS_OLD)
        | flag(head.looked_at.is_some(), WAS_LOOKED_AT)
        | flag(head.inc.is_some(), HAS_INC);
    let mut stored = Vec::with_capacity(HEAD_BYTES + body.len());
    stored.extend([VERSION, flags]);
    stored.extend(head.filled.to_le_bytes());
    stored.extend(head.ok.to_le_bytes());
    let numbers = [
        head.bytes as u64,
        head.check.map_or(0, |check| check.part.deployment.0),
        head.check.map_or(0, |check| check.at),
        head.looked_at.unwrap_or(0),
        head.inc.unwrap_or(0),
        head.expires_at,
    ];
    stored.extend(numbers.into_iter().flat_map(u64::to_le_bytes));
    stored.extend(body);
    stored
}

fn decode(stored: &[u8]) -> Result<Head, StoreError> {
    let [version, flags, numbers @ ..] = stored else {
        return Err(StoreError::Corrupt("a row is empty".to_owned()));
    };
    if *version != VERSION || stored.len() < HEAD_BYTES {
        return Err(StoreError::Corrupt(format!("a row has format {version}, not {VERSION}")));
    }
    let is_set = |flag: u8| flags & flag != 0;
    let count = |at: usize| u32::from_le_bytes(numbers[at..at + 4].try_into().expect("four bytes"));
    let number = |index: usize| {
        let at = 8 + index * 8;
        u64::from_le_bytes(numbers[at..at + 8].try_into().expect("eight bytes"))
    };
    let band = if is_set(IS_OLD) { Band::Old } else { Band::Young };
    let part = IndexPart { deployment: DeploymentId(number(1)), band };
    Ok(Head {
        has_body: is_set(HAS_BODY),
        filled: count(0),
        ok: count(4),
        bytes: number(0) as usize,
        check: is_set(HAS_CHECK).then(|| Check { part, at: number(2) }),
        looked_at: is_set(WAS_LOOKED_AT).then(|| number(3)),
        inc: is_set(HAS_INC).then(|| number(4)),
        expires_at: number(5),
    })
}

fn body_of(stored: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&stored[HEAD_BYTES..])
}

/// Begins a read of the last committed state.
pub(super) fn committed(database: &redb::Database) -> Result<ReadTransaction, Refusal> {
    database.begin_read().map_err(|error| Refusal::Disk(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_as_it_was_written() {
        let parts = [(0, Band::Young), (u64::MAX, Band::Old)]
            .map(|(deployment, band)| IndexPart { deployment: DeploymentId(deployment), band });
        for part in parts {
            for time in [None, Some(0), Some(u64::MAX)] {
                for has_body in [false, true] {
                    let check = time.map(|at| Check { part, at });
                    let head = Head {
                        has_body,
                        filled: 7,
                        ok: 3,
                        bytes: 1 << 40,
                        check,
                        looked_at: time,
                        inc: time,
                        expires_at: 12,
                    };
                    let stored = encode(&head, b"body");
                    assert_eq!(decode(&stored).ok(), Some(head));
                    assert_eq!(body_of(&stored), "body");
                }
            }
        }
    }

    #[test]
    fn a_head_of_another_format_is_refused() {
        for stored in
            [&b""[..], b"\x03", b"\x02 and as many bytes more as a head has, which mean nothing at all"]
        {
            assert!(matches!(decode(stored), Err(StoreError::Corrupt(_))));
        }
    }
}
