//! Operations by their names: messages decoded, tables found, answers encoded.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aliyun_wire::tablestore::{message::*, plain_buffer, row::Row};
use prost::Message;

use super::{
    parameter_invalid,
    read::{self, View},
    schema,
    table::Table,
    table_missing,
    write::Write,
};
use crate::{
    clock::Timestamp,
    fault::{Action, Answer},
    http::Refusal,
};

const MAX_TABLES: usize = 64;
const MAX_BATCH_WRITES: usize = 200;
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
const MAX_BATCH_READS: usize = 100;
const UNIT_BYTES: usize = 4096;

/// All tables of all instances. Each has a lock of its own, held for one operation on one row.
#[derive(Default)]
pub(super) struct Tables {
    all: Mutex<BTreeMap<Name, Arc<Mutex<Table>>>>,
}

/// The instance and the table.
type Name = (String, String);

type Done = Result<Vec<u8>, Refusal>;

/// To which instance a request is, when, and what goes wrong with a row of a batch, by its table.
pub(super) struct Call<'a> {
    pub(super) instance: &'a str,
    pub(super) now: Timestamp,
    pub(super) strike: &'a (dyn Fn(&str) -> Option<Action> + Sync),
}

impl Call<'_> {
    /// Does what is asked of a row of a batch, unless a fault is due.
    fn of_row<T>(&self, table: &str, apply: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
        let refused = |Answer { status, code, message }| Err(Refusal::new(status, code, message));
        match (self.strike)(table) {
            Some(Action::Error(answer)) => refused(answer),
            Some(Action::ErrorAfter(answer)) => {
                apply()?;
                refused(answer)
            }
            _ => apply(),
        }
    }
}

/// The table that a request is for, for faults; the first of a batch.
pub(super) fn target(operation: &str, body: &[u8]) -> String {
    let first = |names: Vec<String>| names.into_iter().next();
    let name = match operation {
        "CreateTable" => CreateTableRequest::decode(body).map(|request| Some(request.table_meta.table_name)),
        "BatchWriteRow" => BatchWriteRowRequest::decode(body)
            .map(|request| first(request.tables.into_iter().map(|table| table.table_name).collect())),
        "BatchGetRow" => BatchGetRowRequest::decode(body)
            .map(|request| first(request.tables.into_iter().map(|table| table.table_name).collect())),
        // The name of the table is the first field of all others.
        _ => DeleteTableRequest::decode(body).map(|request| Some(request.table_name)),
    };
    name.ok().flatten().unwrap_or_default()
}

impl Tables {
    /// Does what is asked, and encodes the answer.
    pub(super) fn apply(&self, call: &Call<'_>, operation: &str, body: &[u8]) -> Done {
        let Call { instance, now, .. } = *call;
        match operation {
            "CreateTable" => self.create(instance, &decode(body)?, now),
            "DeleteTable" => {
                let DeleteTableRequest { table_name } = decode(body)?;
                let removed = lock(&self.all).remove(&(instance.to_owned(), table_name));
                removed.map(|_| DeleteTableResponse {}.encode_to_vec()).ok_or_else(table_missing)
            }
            "ListTable" => {
                let ListTableRequest {} = decode(body)?;
                let all = lock(&self.all);
                let names = all.keys().filter(|(of, _)| of == instance).map(|(_, name)| name.clone());
                Ok(ListTableResponse { table_names: names.collect() }.encode_to_vec())
            }
            "DescribeTable" => {
                let DescribeTableRequest { table_name } = decode(body)?;
                let table = self.table(instance, &table_name)?;
                let table = lock(&table);
                let answer = DescribeTableResponse {
                    table_meta: table.meta.clone(),
                    reserved_throughput_details: throughput(&table),
                    table_options: table.options.clone(),
                };
                Ok(answer.encode_to_vec())
            }
            "UpdateTable" => {
                let request: UpdateTableRequest = decode(body)?;
                let table = self.table(instance, &request.table_name)?;
                let mut table = lock(&table);
                let mut options = table.options.clone();
                if let Some(sent) = &request.table_options {
                    schema::merge(&mut options, sent)?;
                }
                table.options.clone_from(&options);
                let answer = UpdateTableResponse {
                    reserved_throughput_details: throughput(&table),
                    table_options: options,
                };
                Ok(answer.encode_to_vec())
            }
            "PutRow" => {
                let PutRowRequest { table_name, row, condition, return_content, transaction_id } =
                    decode(body)?;
                no_transaction(transaction_id.as_deref())?;
                let write = Write::decode(OperationType::Put, &row, &condition, return_content.as_ref())?;
                let (consumed, row) = self.write(instance, &table_name, &write, row.len(), now)?;
                Ok(PutRowResponse { consumed, row }.encode_to_vec())
            }
            "UpdateRow" => {
                let UpdateRowRequest { table_name, row_change, condition, return_content, transaction_id } =
                    decode(body)?;
                no_transaction(transaction_id.as_deref())?;
                let write =
                    Write::decode(OperationType::Update, &row_change, &condition, return_content.as_ref())?;
                let (consumed, row) = self.write(instance, &table_name, &write, row_change.len(), now)?;
                Ok(UpdateRowResponse { consumed, row }.encode_to_vec())
            }
            "DeleteRow" => {
                let DeleteRowRequest { table_name, primary_key, condition, return_content, transaction_id } =
                    decode(body)?;
                no_transaction(transaction_id.as_deref())?;
                let write =
                    Write::decode(OperationType::Delete, &primary_key, &condition, return_content.as_ref())?;
                let (consumed, row) = self.write(instance, &table_name, &write, primary_key.len(), now)?;
                Ok(DeleteRowResponse { consumed, row }.encode_to_vec())
            }
            "GetRow" => {
                let request: GetRowRequest = decode(body)?;
                no_transaction(request.transaction_id.as_deref())?;
                let view = View::of_row(&request)?;
                let table = self.table(instance, &request.table_name)?;
                let row = read::row(&mut lock(&table), &view, &request.primary_key, now)?;
                Ok(GetRowResponse { consumed: consumed(row.len(), 0), row, next_token: None }.encode_to_vec())
            }
            "GetRange" => {
                let request: GetRangeRequest = decode(body)?;
                no_transaction(request.transaction_id.as_deref())?;
                let table = self.table(instance, &request.table_name)?;
                let page = read::range(&mut lock(&table), &request, now)?;
                let answer = GetRangeResponse {
                    consumed: consumed(page.rows.len(), 0),
                    rows: page.rows,
                    next_start_primary_key: page.next,
                    next_token: None,
                };
                Ok(answer.encode_to_vec())
            }
            "BatchWriteRow" => self.batch_write(call, &decode(body)?),
            "BatchGetRow" => self.batch_get(call, &decode(body)?),
            _ => Err(parameter_invalid("Local transactions are not enabled for this table.")),
        }
    }

    fn create(&self, instance: &str, request: &CreateTableRequest, now: Timestamp) -> Done {
        let (columns, options) = schema::table(request)?;
        let meta = request.table_meta.clone();
        let mut all = lock(&self.all);
        let name = (instance.to_owned(), meta.table_name.clone());
        if all.contains_key(&name) {
            return Err(Refusal::new(409, "OTSObjectAlreadyExist", "Requested table already exists."));
        }
        if all.keys().filter(|(of, _)| of == instance).count() >= MAX_TABLES {
            return Err(Refusal::new(403, "OTSQuotaExhausted", "The number of tables exceeded the quota."));
        }
        let table = Table {
            meta,
            options,
            columns,
            created_ms: now,
            rows: BTreeMap::new(),
            chosen: 0,
            written_ms: now,
        };
        all.insert(name, Arc::new(Mutex::new(table)));
        Ok(CreateTableResponse {}.encode_to_vec())
    }

    fn table(&self, instance: &str, name: &str) -> Result<Arc<Mutex<Table>>, Refusal> {
        lock(&self.all).get(&(instance.to_owned(), name.to_owned())).cloned().ok_or_else(table_missing)
    }

    fn write(
        &self,
        instance: &str,
        name: &str,
        write: &Write,
        bytes: usize,
        now: Timestamp,
    ) -> Result<(ConsumedCapacity, Option<Vec<u8>>), Refusal> {
        let table = self.table(instance, name)?;
        let row: Option<Row> = write.apply(&mut lock(&table), now)?;
        Ok((consumed(0, bytes), row.map(|row| plain_buffer::encode(&[row]))))
    }

    fn batch_write(&self, call: &Call<'_>, request: &BatchWriteRowRequest) -> Done {
        let Call { instance, now, .. } = *call;
        no_transaction(request.transaction_id.as_deref())?;
        let rows = request.tables.iter().flat_map(|table| &table.rows);
        let (count, bytes) =
            rows.fold((0, 0), |(count, bytes), row| (count + 1, bytes + row.row_change.len()));
        if count == 0 || count > MAX_BATCH_WRITES {
            return Err(parameter_invalid(format!("Rows count must be in range: [1, {MAX_BATCH_WRITES}].")));
        }
        if bytes > MAX_BATCH_BYTES {
            return Err(parameter_invalid("The total data size of BatchWriteRow request exceeds the limit."));
        }
        // All is decoded before anything is done: a request in a wrong form changes nothing.
        let mut tables = Vec::new();
        for TableInBatchWriteRowRequest { table_name, rows } in &request.tables {
            let mut writes: Vec<(Write, usize)> = Vec::new();
            for row in rows {
                let kind = OperationType::try_from(row.r#type)
                    .map_err(|_| parameter_invalid("Invalid row type."))?;
                let write =
                    Write::decode(kind, &row.row_change, &row.condition, row.return_content.as_ref())?;
                let again = |(other, _): &(Write, usize)| {
                    other.row.key == write.row.key && (other.counts() || write.counts())
                };
                if writes.iter().any(again) {
                    return Err(parameter_invalid(
                        "A row with a counter is updated more than once in a batch.",
                    ));
                }
                writes.push((write, row.row_change.len()));
            }
            tables.push((table_name, writes));
        }
        let mut answer = BatchWriteRowResponse::default();
        for (name, writes) in tables {
            let rows = writes.iter().map(|(write, bytes)| {
                let done = call.of_row(name, || self.write(instance, name, write, *bytes, now));
                match done {
                    Ok((consumed, row)) => {
                        RowInBatchWriteRowResponse { is_ok: true, error: None, consumed: Some(consumed), row }
                    }
                    Err(refusal) => {
                        RowInBatchWriteRowResponse { error: Some(error(refusal)), ..Default::default() }
                    }
                }
            });
            answer
                .tables
                .push(TableInBatchWriteRowResponse { table_name: name.clone(), rows: rows.collect() });
        }
        Ok(answer.encode_to_vec())
    }

    fn batch_get(&self, call: &Call<'_>, request: &BatchGetRowRequest) -> Done {
        let Call { instance, now, .. } = *call;
        let count: usize = request.tables.iter().map(|table| table.primary_key.len()).sum();
        if count == 0 || count > MAX_BATCH_READS {
            return Err(parameter_invalid(format!("Rows count must be in range: [1, {MAX_BATCH_READS}].")));
        }
        let mut answer = BatchGetRowResponse::default();
        for of_table in &request.tables {
            let view = View::of_batch(of_table)?;
            let rows = of_table.primary_key.iter().map(|key| {
                call.of_row(&of_table.table_name, || {
                    let table = self.table(instance, &of_table.table_name)?;
                    read::row(&mut lock(&table), &view, key, now)
                })
            });
            let rows = rows.map(|done| match done {
                Ok(row) => RowInBatchGetRowResponse {
                    is_ok: true,
                    consumed: Some(consumed(row.len(), 0)),
                    row: Some(row),
                    ..Default::default()
                },
                Err(refusal) => {
                    RowInBatchGetRowResponse { error: Some(error(refusal)), ..Default::default() }
                }
            });
            let table_name = of_table.table_name.clone();
            answer.tables.push(TableInBatchGetRowResponse { table_name, rows: rows.collect() });
        }
        Ok(answer.encode_to_vec())
    }
}

fn decode<M: Message + Default>(body: &[u8]) -> Result<M, Refusal> {
    M::decode(body).map_err(|_| parameter_invalid("Failed to parse the ProtoBuf message."))
}

fn error(refusal: Refusal) -> Error {
    Error { code: refusal.code, message: Some(refusal.message) }
}

fn no_transaction(id: Option<&str>) -> Result<(), Refusal> {
    match id {
        None | Some("") => Ok(()),
        Some(_) => Err(parameter_invalid("Local transactions are not enabled for this table.")),
    }
}

fn consumed(read: usize, written: usize) -> ConsumedCapacity {
    let units = |bytes: usize| i32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(i32::MAX);
    let read_units = if written == 0 { units(read.max(1)) } else { 0 };
    ConsumedCapacity { capacity_unit: CapacityUnit { read: Some(read_units), write: Some(units(written)) } }
}

fn throughput(table: &Table) -> ReservedThroughputDetails {
    ReservedThroughputDetails {
        capacity_unit: CapacityUnit { read: Some(0), write: Some(0) },
        last_increase_time: i64::try_from(table.created_ms / 1000).unwrap_or(i64::MAX),
        last_decrease_time: None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use aliyun_wire::tablestore::row::{Cell, Value};

    use super::*;

    fn key(value: Value) -> Vec<u8> {
        plain_buffer::encode(&[Row::of_key(vec![("pk".into(), value)])])
    }

    fn condition() -> Condition {
        let single = SingleColumnValueFilter {
            comparator: Comparator::Equal.into(),
            column_name: "n".into(),
            column_value: plain_buffer::encode_value(&Value::Integer(5)),
            filter_if_missing: true,
            latest_version_only: true,
        };
        let single = Filter { r#type: FilterType::SingleColumn.into(), filter: single.encode_to_vec() };
        let not =
            CompositeColumnValueFilter { combinator: LogicalOperator::Not.into(), sub_filters: vec![single] };
        let not = Filter { r#type: FilterType::Composite.into(), filter: not.encode_to_vec() };
        Condition { row_existence: RowExistence::Ignore.into(), column_condition: Some(not.encode_to_vec()) }
    }

    fn update() -> Vec<u8> {
        let cells = vec![Cell::increment("n", 1), Cell::put("t", Value::string("x")), Cell::delete("gone")];
        plain_buffer::encode(&[Row { key: vec![("pk".into(), Value::string("a"))], cells, delete: false }])
    }

    fn requests() -> Vec<(&'static str, Vec<u8>)> {
        let (table_name, returned) =
            ("t".to_owned(), ReturnContent { return_type: Some(2), ..Default::default() });
        let schema =
            PrimaryKeySchema { name: "pk".into(), r#type: PrimaryKeyType::String.into(), option: None };
        let create = CreateTableRequest {
            table_meta: TableMeta {
                table_name: "t".into(),
                primary_key: vec![schema],
                defined_column: vec![],
            },
            reserved_throughput: ReservedThroughput::default(),
            table_options: Some(TableOptions { time_to_live: Some(86_400), ..Default::default() }),
        };
        let one = UpdateRowRequest {
            table_name: table_name.clone(),
            row_change: update(),
            condition: condition(),
            return_content: Some(returned.clone()),
            transaction_id: None,
        };
        let row = RowInBatchWriteRowRequest {
            r#type: OperationType::Update.into(),
            row_change: update(),
            condition: condition(),
            return_content: Some(returned),
        };
        let many = BatchWriteRowRequest {
            tables: vec![TableInBatchWriteRowRequest { table_name: table_name.clone(), rows: vec![row] }],
            transaction_id: None,
        };
        let range = GetRangeRequest {
            table_name: table_name.clone(),
            max_versions: Some(1),
            limit: Some(1),
            inclusive_start_primary_key: key(Value::InfMin),
            exclusive_end_primary_key: key(Value::InfMax),
            filter: condition().column_condition,
            ..Default::default()
        };
        let get = GetRowRequest {
            table_name,
            primary_key: key(Value::string("a")),
            max_versions: Some(1),
            ..Default::default()
        };
        vec![
            ("CreateTable", create.encode_to_vec()),
            ("UpdateRow", one.encode_to_vec()),
            ("BatchWriteRow", many.encode_to_vec()),
            ("GetRange", range.encode_to_vec()),
            ("GetRow", get.encode_to_vec()),
        ]
    }

    #[test]
    fn no_request_cut_or_damaged_makes_it_panic() {
        let create = &requests()[0].1;
        let call = Call { instance: "jlinst", now: 1, strike: &|_| None };
        for (operation, body) in requests() {
            let tables = Tables::default();
            if operation != "CreateTable" {
                tables.apply(&call, "CreateTable", create).unwrap();
            }
            tables.apply(&call, operation, &body).unwrap();
            for cut in 0..body.len() {
                let _ = tables.apply(&call, operation, &body[..cut]);
                let _ = target(operation, &body[..cut]);
            }
            for bit in 0..body.len() * 8 {
                let mut damaged = body.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let _ = tables.apply(&call, operation, &damaged);
            }
        }
    }
}
