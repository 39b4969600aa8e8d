//! Rows in a DynamoDB table. Every operation is one request on one item.
//!
//! | attribute | holds |
//! |---|---|
//! | `key` | the row's key, the table's only key |
//! | `body` | its body |
//! | `s0`, `s1` … | its filled slots |
//! | `filled`, `ok` | how many there are, and how many of them by an arrival that was `ok` |
//! | `expires_at`, `ms` | when it may go: in seconds, rounded up, for DynamoDB; and by how many milliseconds it was |
//! | `n0`, `n1` … | the numbers of arrivals, where they are asked for |
//! | `inc` | of a run row: when the run was started |
//! | `shard`, `check_at` | its place in the index `due`, of which a run row that has not ended is a part |
//! | `looked_at` | when it was looked at last |
//!
//! Each part of the index is spread over 16 shards, by the first digit of the run's id: DynamoDB takes
//! some 1,000 writes a second of one. It is behind the table by some milliseconds, which only delays a sweep.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use aws_smithy_runtime_api::http::Response;
use bytes::Bytes;
use futures_util::future::try_join_all;

use super::{client::Clients, error};
use crate::{
    backend::{
        self, Arrival, Arrived, Check, Created, IndexPart, Look, NewRow, NewRun, Page, RUN_SLOTS, Row,
        StoreError, Timestamp, aside, looks::Looks, many,
    },
    deployment::CloudSettings,
    id::RowKey,
};

/// The shards of the index.
const SHARDS: &[u8; 16] = b"0123456789abcdef";
/// Rows that one request of a listing looks at.
const SCANNED: i32 = 1_000;
/// Requests that one page of a listing takes at most.
const SCANS: u32 = 32;

type Item = HashMap<String, AttributeValue>;

/// The table of a region.
pub(super) struct Table {
    clients: Arc<Clients>,
    name: String,
    looks: Looks,
}

impl Table {
    pub(super) fn new(clients: Arc<Clients>, settings: &CloudSettings) -> Self {
        Table { clients, name: settings.table.clone(), looks: Looks::default() }
    }

    fn error<E>(&self, error: &SdkError<E, Response>, action: &str, bytes: usize) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        error::of_table(error, action, &self.name, &self.clients.region, bytes)
    }

    /// Changes an item if it meets a condition; gives it as it is then, or as it was.
    async fn update(&self, key: &RowKey, update: Update) -> Result<Updated, StoreError> {
        let Update { expression, condition, values, bytes } = update;
        let names = names(&[&expression, &condition]);
        let request = self
            .clients
            .dynamodb()
            .update_item()
            .table_name(&self.name)
            .key("key", AttributeValue::S(key.as_str().to_owned()))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.send().await {
            Ok(answer) => Ok(Updated::Is(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_conditional_check_failed_exception() => {
                    let item = match refused {
                        aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                            failed,
                        ) => failed.item().cloned(),
                        _ => None,
                    };
                    Ok(Updated::Was(item.unwrap_or_default()))
                }
                _ => Err(self.error(&error, "UpdateItem", bytes)),
            },
        }
    }

    /// Creates the row of a run, in place of what is left of one before it.
    async fn create_run(
        &self,
        key: &RowKey,
        run: NewRun,
        set: String,
        mut values: Item,
        bytes: usize,
    ) -> Result<Created, StoreError> {
        let slots: String = (0..RUN_SLOTS).map(|slot| format!("#s{slot}, ")).collect();
        let (before, less) = expiry(run.expired_before);
        values.insert(":inc".to_owned(), number(run.inc));
        values.insert(":before".to_owned(), number(before));
        values.insert(":less".to_owned(), number(less));
        let update = Update {
            expression: format!(
                "{set}, #inc = :inc, #expires_at = :expires_at, #ms = :ms \
                 REMOVE {slots}#filled, #ok, #looked_at"
            ),
            condition: "attribute_not_exists(#body) OR #expires_at < :before OR \
                        (#expires_at = :before AND #ms > :less)"
                .to_owned(),
            values,
            bytes,
        };
        match self.update(key, update).await? {
            Updated::Is(_) => Ok(Created::New),
            Updated::Was(item) if item.contains_key("body") => Ok(Created::Exists(row_of(item)?)),
            Updated::Was(_) => Err(StoreError::Unknown("the row changed meanwhile".to_owned())),
        }
    }

    /// A row with no more in its slots than these is not due any more.
    async fn leave_index(&self, key: &RowKey, bytes: usize) -> Result<(), StoreError> {
        let expression = "REMOVE #check_at, #shard".to_owned();
        let condition = "attribute_exists(#check_at)".to_owned();
        self.update(key, Update { expression, condition, values: Item::new(), bytes }).await.map(drop)
    }

    async fn read(&self, keys: Vec<&RowKey>) -> Result<Vec<(String, Row)>, StoreError> {
        let mut rows = Vec::with_capacity(keys.len());
        let key =
            |key: &&RowKey| HashMap::from([("key".to_owned(), AttributeValue::S(key.as_str().to_owned()))]);
        let mut wanted: Vec<Item> = keys.iter().map(key).collect();
        for round in 1..=many::READ_ROUNDS {
            let asked = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
            let asked = asked.map_err(|error| StoreError::Denied(error.to_string()))?;
            let request = self.clients.dynamodb().batch_get_item().request_items(&self.name, asked);
            let answer = request.send().await.map_err(|error| self.error(&error, "BatchGetItem", 0))?;
            for item in answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default() {
                let key = text(&item, "key")?.to_owned();
                rows.push((key, row_of(item)?));
            }
            let left = answer.unprocessed_keys.unwrap_or_default().remove(&self.name);
            wanted = left.map(|left| left.keys).unwrap_or_default();
            if wanted.is_empty() {
                return Ok(rows);
            }
            many::pause(round).await;
        }
        Err(StoreError::Throttled)
    }

    async fn due_in(
        &self,
        shard: String,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RowKey)>, StoreError> {
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let request = self
                .clients
                .dynamodb()
                .query()
                .table_name(&self.name)
                .index_name("due")
                .key_condition_expression(DUE)
                .set_expression_attribute_names(Some(names(&[DUE])))
                .expression_attribute_values(":shard", AttributeValue::S(shard.clone()))
                .expression_attribute_values(":until", number(until.min(LATEST)))
                .limit(i32::try_from(limit - found.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(from);
            let answer = request.send().await.map_err(|error| self.error(&error, "Query", 0))?;
            for item in answer.items.unwrap_or_default() {
                found.push((
                    integer(&item, "check_at")?.unwrap_or(0),
                    RowKey::from_stored(text(&item, "key")?),
                ));
            }
            from = answer.last_evaluated_key;
            if from.is_none() || found.len() >= limit {
                return Ok(found);
            }
        }
    }
}

const DUE: &str = "#shard = :shard AND #check_at <= :until";
const IS_RUN: &str = "NOT contains(#key, :slash)";
/// The latest time that a sweep can ask for: DynamoDB's numbers have 38 digits, ours 13.
const LATEST: Timestamp = 9_999_999_999_999;

struct Update {
    expression: String,
    condition: String,
    values: Item,
    /// How much is written.
    bytes: usize,
}

enum Updated {
    Is(Item),
    Was(Item),
}

#[async_trait]
impl backend::Table for Table {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        let mut set = "SET #body = :body".to_owned();
        let mut values = Item::from([(":body".to_owned(), blob(&row.body))]);
        if let Some(check) = row.check {
            set.push_str(", #check_at = :check_at, #shard = :shard");
            values.insert(":check_at".to_owned(), number(check.at));
            values.insert(":shard".to_owned(), shard(check, key));
        }
        let bytes = row.body.len();
        let (seconds, ms) = expiry(row.expires_at);
        values.insert(":expires_at".to_owned(), number(seconds));
        if let Some(run) = row.run {
            values.insert(":ms".to_owned(), number(ms));
            return self.create_run(key, run, set, values, bytes).await;
        }
        let longer = values.clone();
        values.insert(":ms".to_owned(), number(ms));
        // Arrivals may have made a row that stays for longer.
        let update = Update {
            expression: format!("{set}, #expires_at = :expires_at, #ms = :ms"),
            condition: "attribute_not_exists(#body) AND \
                        (attribute_not_exists(#expires_at) OR #expires_at <= :expires_at)"
                .to_owned(),
            values,
            bytes,
        };
        let was = match self.update(key, update).await? {
            Updated::Is(_) => return Ok(Created::New),
            Updated::Was(item) if item.contains_key("body") => return Ok(Created::Exists(row_of(item)?)),
            Updated::Was(item) => item,
        };
        if was.is_empty() {
            return Err(StoreError::Unknown("the row changed meanwhile".to_owned()));
        }
        let condition = "attribute_not_exists(#body) AND #expires_at > :expires_at".to_owned();
        match self.update(key, Update { expression: set, condition, values: longer, bytes }).await? {
            Updated::Is(_) => Ok(Created::New),
            Updated::Was(item) if item.contains_key("body") => Ok(Created::Exists(row_of(item)?)),
            Updated::Was(_) => Err(StoreError::Unknown("the row changed meanwhile".to_owned())),
        }
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        aside::after_others().await;
        let request = self
            .clients
            .dynamodb()
            .get_item()
            .table_name(&self.name)
            .key("key", AttributeValue::S(key.as_str().to_owned()))
            .consistent_read(true);
        let answer = aside::to_its_end(request.send()).await;
        let answer = answer.map_err(|error| self.error(&error, "GetItem", 0))?;
        answer.item.map(row_of).transpose()
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        many::read(keys, |keys| self.read(keys)).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        let (slot, its_number) = (format!("s{}", arrival.slot), format!("n{}", arrival.slot));
        let (seconds, ms) = expiry(arrival.expires_at);
        let mut expression = format!(
            "SET #{slot} = :value, #expires_at = if_not_exists(#expires_at, :expires_at), \
             #ms = if_not_exists(#ms, :ms)"
        );
        if arrival.numbered {
            expression.push_str(&format!(", #{its_number} = if_not_exists(#filled, :zero) + :one"));
        }
        // The only slot of a row that has one fills it.
        if arrival.of <= 1 {
            expression.push_str(" REMOVE #check_at, #shard");
        }
        expression.push_str(" ADD #filled :one, #ok :ok");
        let mut values = Item::from([
            (":value".to_owned(), blob(&arrival.value)),
            (":expires_at".to_owned(), number(seconds)),
            (":ms".to_owned(), number(ms)),
            (":one".to_owned(), number(1)),
            (":ok".to_owned(), number(u64::from(arrival.ok))),
        ]);
        if arrival.numbered {
            values.insert(":zero".to_owned(), number(0));
        }
        let mut condition = if arrival.only_open {
            values.insert(":of".to_owned(), number(arrival.of.into()));
            format!(
                "attribute_not_exists(#{slot}) AND attribute_not_exists(#body) AND \
                 (attribute_not_exists(#filled) OR #filled < :of)"
            )
        } else {
            format!("attribute_not_exists(#{slot})")
        };
        if let Some(inc) = arrival.inc {
            values.insert(":inc".to_owned(), number(inc));
            condition.push_str(" AND #inc = :inc");
        }
        let bytes = arrival.value.len();
        let (item, fresh) = match self.update(key, Update { expression, condition, values, bytes }).await? {
            Updated::Is(item) => (item, true),
            Updated::Was(item) => (item, false),
        };
        if arrival.inc.is_some() && integer(&item, "inc")? != arrival.inc {
            return Ok(Arrived::gone());
        }
        let (filled, ok) = (small(&item, "filled")?, small(&item, "ok")?);
        if !fresh && !item.contains_key(&slot) {
            if arrival.only_open {
                return Ok(Arrived::closed(filled));
            }
            return Err(StoreError::Unknown("the slot is neither free nor filled".to_owned()));
        }
        if filled >= arrival.of && item.contains_key("check_at") {
            self.leave_index(key, bytes).await?;
        }
        let numbered = integer(&item, &its_number)?.filter(|_| arrival.numbered);
        let numbered = numbered.and_then(|number| u32::try_from(number).ok());
        let row = arrival.is_enough(filled, ok).then(|| row_of(item)).transpose()?;
        let row = row.map(|row| Row { check_at: row.check_at.filter(|_| filled < arrival.of), ..row });
        Ok(Arrived { fresh, closed: false, gone: false, filled, ok, number: numbered, row })
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let shards =
            SHARDS.iter().map(|&digit| self.due_in(format!("{part}{}", char::from(digit)), now, limit));
        let mut due: Vec<_> = try_join_all(shards).await?.into_iter().flatten().collect();
        due.sort_unstable();
        due.truncate(limit);
        Ok(due.into_iter().map(|(_, key)| key).collect())
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        let expression = "SET #check_at = :check_at, #shard = :shard, #looked_at = :looked_at".to_owned();
        let mut condition = "attribute_exists(#check_at)".to_owned();
        let mut values = Item::from([
            (":check_at".to_owned(), number(look.next.at)),
            (":shard".to_owned(), shard(look.next, key)),
            (":looked_at".to_owned(), number(look.looked_at)),
        ]);
        if let Some(inc) = look.inc {
            condition.push_str(" AND #inc = :inc");
            values.insert(":inc".to_owned(), number(inc));
        }
        self.update(key, Update { expression, condition, values, bytes: 0 }).await.map(drop)
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        let mut page = Page::default();
        let mut from =
            after.map(|key| Item::from([("key".to_owned(), AttributeValue::S(key.as_str().to_owned()))]));
        let (limit, mut scans) = (limit.max(1), 0);
        loop {
            scans += 1;
            let request = self
                .clients
                .dynamodb()
                .scan()
                .table_name(&self.name)
                .projection_expression("#key")
                .filter_expression(IS_RUN)
                .set_expression_attribute_names(Some(names(&[IS_RUN])))
                .expression_attribute_values(":slash", AttributeValue::S("/".to_owned()))
                .limit(SCANNED)
                .set_exclusive_start_key(from);
            let answer = request.send().await.map_err(|error| self.error(&error, "Scan", 0))?;
            for item in answer.items.unwrap_or_default() {
                let key = RowKey::from_stored(text(&item, "key")?);
                if key.as_run().is_none() {
                    continue;
                }
                if page.keys.len() == limit {
                    page.next = page.keys.last().cloned();
                    return Ok(page);
                }
                page.keys.push(key);
            }
            from = answer.last_evaluated_key;
            match &from {
                None => return Ok(page),
                Some(last) if page.keys.len() == limit || scans == SCANS => {
                    page.next = Some(RowKey::from_stored(text(last, "key")?));
                    return Ok(page);
                }
                Some(_) => {}
            }
        }
    }

    async fn changed(&self, key: &RowKey) {
        tokio::time::sleep(self.looks.next(key)).await;
    }

    fn now(&self) -> Timestamp {
        self.clients.time.now()
    }

    fn heard(&self) -> Option<Timestamp> {
        self.clients.time.heard()
    }

    fn ahead_ms(&self) -> i64 {
        self.clients.time.ahead_ms()
    }

    async fn ask_time(&self) -> Result<(), StoreError> {
        backend::Table::get(self, &RowKey::from_stored("time")).await.map(drop)
    }
}

/// The names of the attributes in some expressions. Names may be words of DynamoDB's, so none is
/// written as it is.
fn names(expressions: &[&str]) -> HashMap<String, String> {
    let parts = expressions.iter().flat_map(|expression| expression.split('#').skip(1));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = |part: &str| part[..part.find(|c| !is_name(c)).unwrap_or(part.len())].to_owned();
    parts.map(|part| (format!("#{}", name(part)), name(part))).collect()
}

/// A time in seconds, rounded up, and by how many milliseconds that was.
fn expiry(at: Timestamp) -> (u64, u64) {
    let seconds = at.div_ceil(1_000);
    (seconds, seconds * 1_000 - at)
}

/// The shard of the index that a run is in.
fn shard(check: Check, key: &RowKey) -> AttributeValue {
    let digit = key.as_str().get(..1).unwrap_or("0");
    AttributeValue::S(format!("{}{digit}", check.part))
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn blob(bytes: &Bytes) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes.to_vec()))
}

fn row_of(item: Item) -> Result<Row, StoreError> {
    let seconds = integer(&item, "expires_at")?.unwrap_or(0);
    let expires_at = seconds.saturating_mul(1_000).saturating_sub(integer(&item, "ms")?.unwrap_or(0));
    let [check_at, looked_at, inc] =
        [integer(&item, "check_at")?, integer(&item, "looked_at")?, integer(&item, "inc")?];
    let (mut body, mut slots) = (None, BTreeMap::new());
    for (name, value) in item {
        if name == "body" {
            body = Some(bytes(&name, value)?);
        } else if let Some(slot) = name.strip_prefix('s').and_then(|number| number.parse().ok()) {
            slots.insert(slot, bytes(&name, value)?);
        }
    }
    Ok(Row { body, slots, check_at, looked_at, inc, expires_at })
}

fn bytes(name: &str, value: AttributeValue) -> Result<Bytes, StoreError> {
    match value {
        AttributeValue::B(blob) => Ok(Bytes::from(blob.into_inner())),
        _ => Err(StoreError::Corrupt(format!("the attribute `{name}` holds no bytes"))),
    }
}

fn text<'i>(item: &'i Item, name: &str) -> Result<&'i str, StoreError> {
    let found = item.get(name).and_then(|value| value.as_s().ok());
    found.map(String::as_str).ok_or_else(|| StoreError::Corrupt(format!("an item has no text in `{name}`")))
}

fn integer(item: &Item, name: &str) -> Result<Option<u64>, StoreError> {
    let Some(value) = item.get(name) else { return Ok(None) };
    let number = value.as_n().ok().and_then(|number| number.parse().ok());
    number
        .map(Some)
        .ok_or_else(|| StoreError::Corrupt(format!("the attribute `{name}` holds no whole number")))
}

/// A counter; 0 where there is none.
fn small(item: &Item, name: &str) -> Result<u32, StoreError> {
    let number = integer(item, name)?.unwrap_or(0);
    u32::try_from(number).map_err(|_| StoreError::Corrupt(format!("the attribute `{name}` is too large")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_expressions() {
        let found = names(&["SET #s12 = :v, #ms = if_not_exists(#ms, :ms)", "attribute_not_exists(#body)"]);
        let mut found: Vec<_> = found.values().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, ["body", "ms", "s12"]);
    }

    #[test]
    fn a_row_never_goes_before_its_time() {
        for at in [0, 1, 999, 1_000, 1_001, 1_800_000_000_123] {
            let (seconds, ms) = expiry(at);
            assert!(seconds * 1_000 >= at && seconds * 1_000 - ms == at, "{at}");
        }
    }

    #[test]
    fn a_damaged_item_is_told_so() {
        let item = |name: &str, value| Item::from([(name.to_owned(), value)]);
        let text = || AttributeValue::S("x".to_owned());
        for damaged in [item("body", text()), item("s0", number(1)), item("expires_at", text())] {
            assert!(matches!(row_of(damaged), Err(StoreError::Corrupt(_))));
        }
        assert_eq!(row_of(item("unknown", text())).unwrap(), Row::default());
    }
}
