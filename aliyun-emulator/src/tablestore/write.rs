//! Puts, updates and deletions of one row: checked in full, then made in one step.

use aliyun_wire::tablestore::{
    message::{Condition, OperationType, ReturnContent, ReturnType, RowExistence},
    plain_buffer,
    row::{Cell, Change, Row, Value},
};

use super::{
    condition, parameter_invalid,
    schema::{self, Key, Part, Use},
    table::{Stored, Table, signed},
};
use crate::{clock::Timestamp, http::Refusal};

const MAX_ROW: usize = 4 * 1024 * 1024;
const MAX_COLUMNS: usize = 1024;
const MAX_RETURNED_COLUMNS: usize = 128;

/// A write of one row, decoded.
pub(super) struct Write {
    pub(super) kind: OperationType,
    pub(super) row: Row,
    existence: RowExistence,
    test: Option<condition::Test>,
    returned: ReturnType,
    returned_columns: Vec<String>,
}

impl Write {
    pub(super) fn decode(
        kind: OperationType,
        bytes: &[u8],
        sent: &Condition,
        content: Option<&ReturnContent>,
    ) -> Result<Self, Refusal> {
        if bytes.len() > MAX_ROW {
            return Err(Refusal::new(
                400,
                "OTSOutOfRowSizeLimit",
                "The total data size of columns in one row exceeded the limit.",
            ));
        }
        let row = plain_buffer::decode_one(bytes).map_err(|error| parameter_invalid(error.to_string()))?;
        if row.cells.len() > MAX_COLUMNS {
            return Err(Refusal::new(
                400,
                "OTSOutOfColumnCountLimit",
                "The number of attribute columns exceeded the limit.",
            ));
        }
        if row.delete != (kind == OperationType::Delete) {
            return Err(parameter_invalid("The mark of a deleted row does not fit the operation."));
        }
        let existence = RowExistence::try_from(sent.row_existence)
            .map_err(|_| parameter_invalid("Invalid row existence expectation."))?;
        let returned = content.map_or(ReturnType::None, ReturnContent::return_type);
        let returned_columns = content.map(|content| content.return_column_names.clone()).unwrap_or_default();
        if returned_columns.len() > MAX_RETURNED_COLUMNS {
            return Err(parameter_invalid("The number of returned columns exceeded the limit."));
        }
        if returned == ReturnType::AfterModify && kind != OperationType::Update {
            return Err(parameter_invalid("Only UpdateRow returns what it has modified."));
        }
        let test = sent.column_condition.as_deref().filter(|bytes| !bytes.is_empty());
        let test = test.map(condition::decode).transpose()?;
        if matches!(test, Some(condition::Test::Page { .. })) {
            return Err(parameter_invalid("A condition cannot be a page of columns."));
        }
        Ok(Write { kind, row, existence, test, returned, returned_columns })
    }

    /// Whether it adds to a number.
    pub(super) fn counts(&self) -> bool {
        self.row.cells.iter().any(|cell| cell.change == Some(Change::Increment))
    }

    /// Makes the write, and says what was asked to be returned.
    pub(super) fn apply(&self, table: &mut Table, now: Timestamp) -> Result<Option<Row>, Refusal> {
        let now = table.tick(now);
        let used = if self.kind == OperationType::Put { Use::Put } else { Use::Row };
        let parts = schema::key(&table.columns, &self.row.key, used)?;
        self.check_cells(table, now)?;
        let chosen = table.chosen + 1;
        let open = parts.iter().any(Option::is_none);
        if open && self.existence != RowExistence::Ignore {
            return Err(parameter_invalid(
                "The row existence of a row with an auto-increment key must be IGNORE.",
            ));
        }
        let key: Key = parts.into_iter().map(|part| part.unwrap_or(Part::Integer(chosen))).collect();
        table.expire(&key, now);
        let before = table.row(&key);
        let exists = match self.existence {
            RowExistence::Ignore => true,
            RowExistence::ExpectExist => before.is_some(),
            RowExistence::ExpectNotExist => before.is_none(),
        };
        if !exists || self.test.as_ref().is_some_and(|test| !test.passes(before.as_ref())) {
            return Err(Refusal::new(403, "OTSConditionCheckFail", "Condition check failed."));
        }
        match self.kind {
            OperationType::Put => {
                let mut stored = Stored { written_ms: signed(now), ..Stored::default() };
                self.change(&mut stored, table.max_versions(), now)?;
                table.rows.insert(key.clone(), stored);
            }
            OperationType::Update => {
                let mut stored = table.rows.get(&key).cloned().unwrap_or_default();
                self.change(&mut stored, table.max_versions(), now)?;
                if before.is_some() || !stored.columns.is_empty() {
                    stored.written_ms = signed(now);
                    table.rows.insert(key.clone(), stored);
                }
            }
            OperationType::Delete => {
                table.rows.remove(&key);
            }
        }
        if open {
            table.chosen = chosen;
        }
        Ok(self.content(table, &key))
    }

    fn check_cells(&self, table: &Table, now: Timestamp) -> Result<(), Refusal> {
        let deviation_ms = table.options.deviation_cell_version_in_sec.unwrap_or(0).saturating_mul(1000);
        for cell in &self.row.cells {
            schema::column(&table.columns, &cell.name, cell.value.as_ref())?;
            let timestamped = cell.timestamp_ms.filter(|_| cell.change.is_none());
            if timestamped.is_some_and(|at| at.abs_diff(signed(now)) > deviation_ms.unsigned_abs()) {
                return Err(parameter_invalid(format!(
                    "The timestamp of column '{}' is too far from now.",
                    cell.name
                )));
            }
            let fits = match (self.kind, cell.change, &cell.value) {
                (OperationType::Delete, ..) => false,
                (_, None, Some(_)) => true,
                (OperationType::Update, Some(Change::DeleteAll), None) => cell.timestamp_ms.is_none(),
                (OperationType::Update, Some(Change::DeleteOne), None) => cell.timestamp_ms.is_some(),
                (OperationType::Update, Some(Change::Increment), Some(Value::Integer(_))) => true,
                _ => false,
            };
            if !fits {
                return Err(parameter_invalid(format!("Invalid change of column '{}'.", cell.name)));
            }
            let alone = self.row.cells.iter().filter(|other| other.name == cell.name).count() == 1;
            if cell.change == Some(Change::Increment) && !alone {
                return Err(parameter_invalid(format!(
                    "Column '{}' is counted and changed in one request.",
                    cell.name
                )));
            }
        }
        if self.kind == OperationType::Update && self.row.cells.is_empty() {
            return Err(parameter_invalid("No column specified while updating row."));
        }
        Ok(())
    }

    fn change(&self, stored: &mut Stored, max_versions: usize, now: Timestamp) -> Result<(), Refusal> {
        for Cell { name, value, change, timestamp_ms } in &self.row.cells {
            let timestamp = timestamp_ms.unwrap_or(signed(now));
            match (change, value) {
                (None, Some(value)) => stored.put(name, timestamp, value.clone(), max_versions),
                (Some(Change::DeleteAll), _) => {
                    stored.columns.remove(name);
                }
                (Some(Change::DeleteOne), _) => {
                    let versions = stored.columns.get_mut(name);
                    if versions
                        .is_some_and(|versions| versions.remove(&timestamp).is_some() && versions.is_empty())
                    {
                        stored.columns.remove(name);
                    }
                }
                (Some(Change::Increment), Some(Value::Integer(by))) => {
                    let latest = stored.columns.get(name).and_then(|versions| versions.values().next_back());
                    let has = match latest {
                        None => 0,
                        Some(Value::Integer(has)) => *has,
                        Some(_) => {
                            return Err(parameter_invalid(format!("Column '{name}' is not an integer.")));
                        }
                    };
                    let sum = has.checked_add(*by).ok_or_else(|| {
                        parameter_invalid(format!("Column '{name}' is out of the range of an integer."))
                    })?;
                    stored.put(name, timestamp, Value::Integer(sum), max_versions);
                }
                (None | Some(Change::Increment), _) => unreachable!("cells were checked"),
            }
        }
        Ok(())
    }

    fn content(&self, table: &Table, key: &Key) -> Option<Row> {
        let key_columns = || {
            let named = table.columns.iter().zip(key);
            Row::of_key(named.map(|(column, part)| (column.name.clone(), part.value())).collect())
        };
        match self.returned {
            ReturnType::None => None,
            ReturnType::PrimaryKey => Some(key_columns()),
            ReturnType::AfterModify => {
                let counted = |name: &String| {
                    let counts = |cell: &Cell| cell.name == *name && cell.change == Some(Change::Increment);
                    self.row.cells.iter().any(counts)
                };
                let wanted = |name: &String| {
                    counted(name)
                        && (self.returned_columns.is_empty() || self.returned_columns.contains(name))
                };
                let mut row = key_columns();
                row.cells = table.row(key)?.cells;
                row.cells.retain(|cell| wanted(&cell.name));
                row.cells.dedup_by(|older, newer| older.name == newer.name);
                Some(row)
            }
        }
    }
}
