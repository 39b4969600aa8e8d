//! Rows in TableStore. A row is a row; its run index is a table of its own.
//!
//! | column | holds |
//! |---|---|
//! | `key` | the row's key, the table's only key |
//! | `body` | its body |
//! | `s0`, `s1` … | its filled slots |
//! | `filled`, `ok` | how many there are, and how many of them by an arrival that was `ok` |
//! | `expires_at` | what the row was created with; what makes rows go is the time to live of the table |
//! | `inc` | of a run row: when the run was started |
//! | `check_at`, `shard` | when it is to be looked at, for a row of the run index, and where its entry is |
//! | `looked_at` | when it was looked at last |
//! | `indexed` | 1 if it was made with a `check_at`: a number, as an update returns nothing else |
//!
//! The table `TABLE_due` has the keys `shard`, `check_at`, `key`. What it says counts where the row
//! itself says the same `check_at`: an entry is made before the row says so, and removed some time after
//! it does not any more.

mod index;
mod wire;

use std::{collections::BTreeMap, sync::Arc};

use aliyun_wire::tablestore::{
    message::{
        BatchGetRowRequest, BatchGetRowResponse, Condition, Direction, GetRangeRequest, GetRangeResponse,
        GetRowRequest, GetRowResponse, ReturnContent, ReturnType, RowExistence, TableInBatchGetRowRequest,
        UpdateRowRequest, UpdateRowResponse,
    },
    plain_buffer,
    row::{Cell, Change, Row as Wire, Value},
};
use async_trait::async_trait;
use bytes::Bytes;

use self::{
    index::place,
    wire::{Refused, Test, unclear},
};
use super::client::Client;
use crate::{
    backend::{
        self, Arrival, Arrived, Created, IndexPart, Look, NewRow, Page, RUN_SLOTS, Row, StoreError,
        Timestamp, aside, looks::Looks, many, time_of_table::TimeOfTable,
    },
    id::RowKey,
    provider::Provider,
};

/// The parts of the index.
const SHARDS: &[u8; 16] = b"0123456789abcdef";
/// The column of an entry that differs each time it is made.
const VERSION: &str = "version";
/// Rows of one request of a range.
const RANGE: i32 = 1_000;
/// What an arrival counts.
const COUNTERS: [&str; 3] = ["filled", "ok", "indexed"];
/// Ranges that one page of runs, or a look at a part of the index, reads at most.
const MAX_RANGES: usize = 32;

/// The table of a region.
pub(super) struct Table {
    client: Arc<Client>,
    instance: String,
    name: String,
    /// The run index.
    index: String,
    looks: Looks,
    time: TimeOfTable,
}

impl Table {
    pub(super) fn new(client: Arc<Client>, instance: &str, name: &str) -> Self {
        let (instance, name) = (instance.to_owned(), name.to_owned());
        let index = format!("{name}_due");
        Table { client, instance, name, index, looks: Looks::default(), time: TimeOfTable::default() }
    }

    /// Changes a row if it passes a test; gives the counters as they are then, where they are
    /// incremented, or nothing if the row does not pass.
    async fn update(&self, key: &RowKey, cells: Vec<Cell>, test: Test) -> Result<Option<Wire>, StoreError> {
        let bytes = cells.iter().map(|cell| size(cell.value.as_ref())).sum();
        // TableStore refuses to return a column that the request does not increment (asserted by the
        // functional test `IncrementRequest.testReturnColumnNames` of the official Java SDK).
        let incremented = cells.iter().filter(|cell| cell.change == Some(Change::Increment));
        let incremented: Vec<_> = incremented.map(|cell| cell.name.clone()).collect();
        let return_content = (!incremented.is_empty()).then_some(ReturnContent {
            return_type: Some(ReturnType::AfterModify as i32),
            return_column_names: incremented,
        });
        let change = Wire { key: key_of(key), cells, delete: false };
        let request = UpdateRowRequest {
            table_name: self.name.clone(),
            row_change: plain_buffer::encode(&[change]),
            condition: Condition {
                row_existence: RowExistence::Ignore as i32,
                column_condition: Some(test.encode()),
            },
            return_content,
            transaction_id: None,
        };
        match self.ask::<_, UpdateRowResponse>("UpdateRow", &request, bytes).await {
            Ok(answer) => {
                let row = answer.row.filter(|row| !row.is_empty());
                let row = row.map(|row| plain_buffer::decode_one(&row)).transpose().map_err(damaged)?;
                Ok(Some(row.unwrap_or_default()))
            }
            Err(Refused::Condition) => Ok(None),
            // What the row itself says is signed. A test that it fails now, it fails for good.
            Err(unsigned @ Refused::ConditionUnsigned) => {
                match test.is_passed_by(&self.wire(key).await?.unwrap_or_default()) {
                    true => Err(unsigned.into()),
                    false => Ok(None),
                }
            }
            Err(Refused::Error(error)) => Err(error),
        }
    }

    /// Reads rows, or some columns of them.
    async fn read(&self, keys: Vec<&RowKey>, columns: &[&str]) -> Result<Vec<(String, Row)>, StoreError> {
        let mut rows = Vec::with_capacity(keys.len());
        let mut wanted = keys;
        for round in 1..=many::READ_ROUNDS {
            let encoded = wanted.iter().map(|key| plain_buffer::encode(&[Wire::of_key(key_of(key))]));
            let request = BatchGetRowRequest {
                tables: vec![TableInBatchGetRowRequest {
                    table_name: self.name.clone(),
                    primary_key: encoded.collect(),
                    max_versions: Some(1),
                    columns_to_get: columns.iter().map(|&column| column.to_owned()).collect(),
                    ..TableInBatchGetRowRequest::default()
                }],
            };
            let answer = self.ask::<_, BatchGetRowResponse>("BatchGetRow", &request, 0).await;
            let answer = answer.map_err(StoreError::from)?;
            let answered = answer.tables.into_iter().next().map(|table| table.rows).unwrap_or_default();
            if answered.len() != wanted.len() {
                return Err(StoreError::Unknown("an answer lacks rows that were asked for".to_owned()));
            }
            let mut left = Vec::new();
            for (key, one) in wanted.into_iter().zip(answered) {
                match (one.is_ok, one.row.filter(|row| !row.is_empty())) {
                    (true, Some(row)) => {
                        let row = plain_buffer::decode_one(&row).map_err(damaged)?;
                        rows.push((key.as_str().to_owned(), row_of(row)?));
                    }
                    (true, None) => {}
                    (false, _) => left.push(key),
                }
            }
            if left.is_empty() {
                return Ok(rows);
            }
            wanted = left;
            many::pause(round).await;
        }
        Err(StoreError::Throttled)
    }

    /// Reads the keys of a part of a table, of rows that have a column, and where the next one begins.
    async fn range(
        &self,
        (table, column): (&str, &str),
        from: Vec<(String, Value)>,
        to: Vec<(String, Value)>,
        limit: i32,
    ) -> Result<(Vec<Wire>, Option<Vec<(String, Value)>>), StoreError> {
        let request = GetRangeRequest {
            table_name: table.to_owned(),
            direction: Direction::Forward as i32,
            columns_to_get: vec![column.to_owned()],
            max_versions: Some(1),
            limit: Some(limit),
            inclusive_start_primary_key: plain_buffer::encode(&[Wire::of_key(from)]),
            exclusive_end_primary_key: plain_buffer::encode(&[Wire::of_key(to)]),
            ..GetRangeRequest::default()
        };
        let answer =
            self.ask::<_, GetRangeResponse>("GetRange", &request, 0).await.map_err(StoreError::from)?;
        let rows = if answer.rows.is_empty() {
            Vec::new()
        } else {
            plain_buffer::decode(&answer.rows).map_err(damaged)?
        };
        let next = answer.next_start_primary_key.filter(|next| !next.is_empty());
        let next = next.map(|next| plain_buffer::decode_one(&next)).transpose().map_err(damaged)?;
        Ok((rows, next.map(|next| next.key)))
    }
}

#[async_trait]
impl backend::Table for Table {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        let (bytes, limit) = (key.as_str().len() + row.body.len(), Provider::Aliyun.limits().row_bytes);
        if bytes > limit {
            return Err(StoreError::TooLarge { what: "row", bytes, limit });
        }
        let mut cells = vec![
            Cell::put("body", Value::binary(row.body.to_vec())),
            Cell::put("expires_at", Value::Integer(signed(row.expires_at))),
        ];
        if let Some(check) = row.check {
            // First, so that no run is open that is not in it.
            self.enter(key, check).await?;
            cells.extend(place(key, check));
            cells.push(Cell::put("indexed", Value::Integer(1)));
        }
        let mut test = Test::Missing("body".to_owned());
        if let Some(run) = row.run {
            cells.push(Cell::put("inc", Value::Integer(signed(run.inc))));
            cells.extend((0..RUN_SLOTS).map(|slot| Cell::delete(format!("s{slot}"))));
            cells.extend(["filled", "ok", "looked_at"].map(Cell::delete));
            let expired = Test::Below("expires_at".to_owned(), signed(run.expired_before));
            test = Test::Any(vec![test, expired]);
        }
        if self.update(key, cells, test).await?.is_some() {
            if let Some(check) = row.check {
                self.enter_late(key, check).await?;
            }
            return Ok(Created::New);
        }
        match self.get(key).await? {
            Some(row) if row.body.is_some() => Ok(Created::Exists(row)),
            _ => Err(StoreError::Unknown("the row changed meanwhile".to_owned())),
        }
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        aside::after_others().await;
        self.wire(key).await?.map(row_of).transpose()
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        many::read(keys, |keys| self.read(keys, &[])).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        let slot = format!("s{}", arrival.slot);
        let mut cells = vec![
            Cell::put(slot.as_str(), Value::binary(arrival.value.to_vec())),
            Cell::increment("filled", 1),
            Cell::increment("ok", i64::from(arrival.ok)),
            Cell::increment("indexed", 0),
        ];
        // The only slot of a row that has one fills it.
        if arrival.of <= 1 {
            cells.push(Cell::delete("check_at"));
        }
        let mut tests = vec![Test::Missing(slot)];
        if arrival.only_open {
            tests.push(Test::Missing("body".to_owned()));
            tests.push(Test::Below("filled".to_owned(), i64::from(arrival.of)));
        }
        if let Some(inc) = arrival.inc {
            tests.push(Test::Has("inc".to_owned(), signed(inc)));
        }
        let changed = self.update(key, cells, Test::All(tests)).await?;
        let (wire, fresh) = match changed {
            Some(counters) => (counters, true),
            None => (self.wire(key).await?.unwrap_or_default(), false),
        };
        let inc = || match wire.get("inc") {
            Some(Value::Integer(inc)) => u64::try_from(*inc).ok(),
            _ => None,
        };
        if !fresh && arrival.inc.is_some() && inc() != arrival.inc {
            return Ok(Arrived::gone());
        }
        let [filled, ok, indexed] = COUNTERS.map(|counter| small(wire.get(counter)));
        let (filled, ok, is_indexed) = (filled?, ok?, indexed? > 0);
        if fresh && filled == 0 {
            return Err(unclear("an answer lacks the number of slots"));
        }
        let row = if fresh { None } else { Some(row_of(wire)?) };
        if row.as_ref().is_some_and(|row| !row.slots.contains_key(&arrival.slot)) {
            if arrival.only_open {
                return Ok(Arrived::closed(filled));
            }
            return Err(unclear("the slot is neither free nor filled"));
        }
        // A row that takes more leaves the index when it is full, if it was in it.
        if filled >= arrival.of && arrival.of > 1 && is_indexed {
            let test = Test::Not(Box::new(Test::Missing("check_at".to_owned())));
            self.update(key, vec![Cell::delete("check_at")], test).await?;
        }
        let row = row.filter(|_| arrival.is_enough(filled, ok));
        let row = row.map(|row| Row { check_at: row.check_at.filter(|_| filled < arrival.of), ..row });
        Ok(Arrived { fresh, closed: false, gone: false, filled, ok, number: None, row })
    }

    async fn due(&self, part: IndexPart, until: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.find_due(part, until, limit).await
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.move_in_index(key, look).await
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        let (mut page, limit) = (Page::default(), limit.max(1));
        let bound = |value| vec![("key".to_owned(), value)];
        // A key comes right after another that ends in the first character.
        let mut from = Some(bound(after.map_or(Value::InfMin, |key| Value::string(format!("{key}\u{0}")))));
        for _ in 0..MAX_RANGES {
            let Some(start) = from.take() else { return Ok(page) };
            let (rows, next) =
                self.range((&self.name, "expires_at"), start, bound(Value::InfMax), RANGE).await?;
            for row in rows {
                let [(_, Value::String(key))] = row.key.as_slice() else {
                    return Err(StoreError::Corrupt("a row has another key".to_owned()));
                };
                let key = RowKey::from_stored(key.as_str());
                if key.as_run().is_none() {
                    page.next = Some(key);
                    continue;
                }
                if page.keys.len() == limit {
                    page.next = page.keys.last().cloned();
                    return Ok(page);
                }
                page.next = Some(key.clone());
                page.keys.push(key);
            }
            from = next;
            if from.is_none() {
                page.next = None;
            }
        }
        Ok(page)
    }

    async fn changed(&self, key: &RowKey) {
        tokio::time::sleep(self.looks.next(key)).await;
    }

    fn now(&self) -> Timestamp {
        self.time.now()
    }

    fn heard(&self) -> Option<Timestamp> {
        self.time.heard()
    }

    fn ahead_ms(&self) -> i64 {
        self.time.ahead_ms()
    }

    async fn ask_time(&self) -> Result<(), StoreError> {
        self.wire(&RowKey::from_stored("time")).await.map(drop)
    }
}

impl Table {
    /// A row as it is stored.
    async fn wire(&self, key: &RowKey) -> Result<Option<Wire>, StoreError> {
        let request = GetRowRequest {
            table_name: self.name.clone(),
            primary_key: plain_buffer::encode(&[Wire::of_key(key_of(key))]),
            max_versions: Some(1),
            ..GetRowRequest::default()
        };
        let answer = self.ask::<_, GetRowResponse>("GetRow", &request, 0).await.map_err(StoreError::from)?;
        if answer.row.is_empty() {
            return Ok(None);
        }
        plain_buffer::decode_one(&answer.row).map(Some).map_err(damaged)
    }
}

fn key_of(key: &RowKey) -> Vec<(String, Value)> {
    vec![("key".to_owned(), Value::string(key.as_str()))]
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn size(value: Option<&Value>) -> usize {
    match value {
        Some(Value::Binary(bytes)) => bytes.len(),
        _ => 0,
    }
}

/// What is read again may come whole.
fn damaged(error: aliyun_wire::WireError) -> StoreError {
    unclear(format!("a row came damaged: {error}"))
}

fn row_of(wire: Wire) -> Result<Row, StoreError> {
    let time = |name: &str| match wire.get(name) {
        None => Ok(None),
        Some(Value::Integer(number)) => Ok(u64::try_from(*number).ok()),
        Some(_) => Err(StoreError::Corrupt(format!("the column `{name}` holds no whole number"))),
    };
    let (check_at, expires_at) = (time("check_at")?, time("expires_at")?.unwrap_or(0));
    let (looked_at, inc) = (time("looked_at")?, time("inc")?);
    let (mut body, mut slots) = (None, BTreeMap::new());
    for cell in wire.cells {
        let slot = cell.name.strip_prefix('s').and_then(|number| number.parse().ok());
        match (cell.name.as_str(), slot, cell.value) {
            ("body", _, Some(Value::Binary(bytes))) => body = Some(Bytes::from(bytes)),
            (_, Some(slot), Some(Value::Binary(bytes))) => drop(slots.insert(slot, Bytes::from(bytes))),
            ("body", ..) | (_, Some(_), _) => {
                return Err(StoreError::Corrupt(format!("the column `{}` holds no bytes", cell.name)));
            }
            _ => {}
        }
    }
    Ok(Row { body, slots, check_at, looked_at, inc, expires_at })
}

/// A counter; 0 where there is none.
fn small(value: Option<&Value>) -> Result<u32, StoreError> {
    match value {
        None => Ok(0),
        Some(Value::Integer(number)) => {
            u32::try_from(*number).map_err(|_| StoreError::Corrupt("a counter is out of range".to_owned()))
        }
        Some(_) => Err(StoreError::Corrupt("a counter is no whole number".to_owned())),
    }
}
