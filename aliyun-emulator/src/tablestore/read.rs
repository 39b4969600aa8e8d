//! Reads of rows and ranges: which columns and versions, and whether the row passes the filter.

use std::ops::Bound;

use aliyun_wire::tablestore::{
    message::{Direction, GetRangeRequest, GetRowRequest, TableInBatchGetRowRequest, TimeRange},
    plain_buffer,
    row::Row,
};

use super::{
    condition::{self, Test},
    parameter_invalid,
    schema::{self, Key, Use},
    table::Table,
};
use crate::{clock::Timestamp, http::Refusal};

const MAX_COLUMNS_TO_GET: usize = 128;
const MAX_RANGE_ROWS: usize = 5000;
const MAX_RANGE_BYTES: usize = 4 * 1024 * 1024;

/// What of a row is asked for.
pub(super) struct View {
    columns: Vec<String>,
    time: Option<TimeRange>,
    max_versions: usize,
    test: Option<Test>,
    start: Option<String>,
    end: Option<String>,
}

impl View {
    fn new(
        columns: &[String],
        time: Option<&TimeRange>,
        max_versions: Option<i32>,
        filter: Option<&[u8]>,
        (start, end): (Option<&String>, Option<&String>),
    ) -> Result<Self, Refusal> {
        if columns.len() > MAX_COLUMNS_TO_GET {
            return Err(parameter_invalid(format!(
                "The number of columns from the request exceeds the limit, limit count: {MAX_COLUMNS_TO_GET}."
            )));
        }
        let max_versions = match (max_versions, time) {
            (None, None) => {
                return Err(parameter_invalid("No version condition is specified while querying row."));
            }
            (None, Some(_)) => usize::MAX,
            (Some(versions), _) => usize::try_from(versions)
                .ok()
                .filter(|versions| *versions > 0)
                .ok_or_else(|| parameter_invalid("Invalid max versions: it is 1 at least."))?,
        };
        let test = filter.filter(|bytes| !bytes.is_empty()).map(condition::decode).transpose()?;
        Ok(View {
            columns: columns.to_vec(),
            time: time.cloned(),
            max_versions,
            test,
            start: start.cloned(),
            end: end.cloned(),
        })
    }

    pub(super) fn of_row(request: &GetRowRequest) -> Result<Self, Refusal> {
        Self::new(
            &request.columns_to_get,
            request.time_range.as_ref(),
            request.max_versions,
            request.filter.as_deref(),
            (request.start_column.as_ref(), request.end_column.as_ref()),
        )
    }

    pub(super) fn of_batch(request: &TableInBatchGetRowRequest) -> Result<Self, Refusal> {
        Self::new(
            &request.columns_to_get,
            request.time_range.as_ref(),
            request.max_versions,
            request.filter.as_deref(),
            (request.start_column.as_ref(), request.end_column.as_ref()),
        )
    }

    fn of_range(request: &GetRangeRequest) -> Result<Self, Refusal> {
        Self::new(
            &request.columns_to_get,
            request.time_range.as_ref(),
            request.max_versions,
            request.filter.as_deref(),
            (request.start_column.as_ref(), request.end_column.as_ref()),
        )
    }

    /// The row as it is seen, if it is: columns are chosen first, and the filter sees what is chosen.
    fn see(&self, mut row: Row) -> Option<Row> {
        let by_key = self.columns.is_empty() || row.key.iter().any(|(name, _)| self.columns.contains(name));
        let wanted = |name: &String| {
            (self.columns.is_empty() || self.columns.contains(name))
                && self.start.as_ref().is_none_or(|start| name >= start)
                && self.end.as_ref().is_none_or(|end| name < end)
        };
        let in_time = |at: i64| match &self.time {
            None => true,
            Some(TimeRange { specific_time: Some(time), .. }) => at == *time,
            Some(TimeRange { start_time, end_time, .. }) => {
                start_time.is_none_or(|start| at >= start) && end_time.is_none_or(|end| at < end)
            }
        };
        row.cells.retain(|cell| wanted(&cell.name) && cell.timestamp_ms.is_none_or(in_time));
        if row.cells.is_empty() && !by_key {
            return None;
        }
        if self.test.as_ref().is_some_and(|test| !test.passes(Some(&row))) {
            return None;
        }
        let (mut column, mut seen, mut versions) = (String::new(), 0_usize, 0);
        let page = match self.test {
            Some(Test::Page { offset, limit }) => offset..offset.saturating_add(limit),
            _ => 0..usize::MAX,
        };
        row.cells.retain(|cell| {
            if seen == 0 || cell.name != column {
                column.clone_from(&cell.name);
                (seen, versions) = (seen + 1, 0);
            }
            versions += 1;
            versions <= self.max_versions && page.contains(&(seen - 1))
        });
        Some(row)
    }
}

/// Reads a row: encoded, or no bytes where there is none to be seen.
pub(super) fn row(table: &mut Table, view: &View, key: &[u8], now: Timestamp) -> Result<Vec<u8>, Refusal> {
    let sent = plain_buffer::decode_one(key).map_err(|error| parameter_invalid(error.to_string()))?;
    let key = schema::known_key(&table.columns, &sent.key, Use::Row)?;
    table.expire(&key, now);
    let seen = table.row(&key).and_then(|row| view.see(row));
    Ok(seen.map(|row| plain_buffer::encode(&[row])).unwrap_or_default())
}

/// Rows of a range, and where the next request goes on.
pub(super) struct Page {
    pub(super) rows: Vec<u8>,
    pub(super) next: Option<Vec<u8>>,
}

/// Reads a range, up to the limits of one answer.
pub(super) fn range(table: &mut Table, request: &GetRangeRequest, now: Timestamp) -> Result<Page, Refusal> {
    let view = View::of_range(request)?;
    let bound = |table: &Table, bytes: &[u8]| -> Result<Key, Refusal> {
        let sent = plain_buffer::decode_one(bytes).map_err(|error| parameter_invalid(error.to_string()))?;
        schema::known_key(&table.columns, &sent.key, Use::Bound)
    };
    let start = bound(table, &request.inclusive_start_primary_key)?;
    let end = bound(table, &request.exclusive_end_primary_key)?;
    let direction =
        Direction::try_from(request.direction).map_err(|_| parameter_invalid("Invalid direction."))?;
    let limit = match request.limit {
        None => usize::MAX,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| *limit > 0)
            .ok_or_else(|| parameter_invalid("The limit must be greater than 0."))?,
    };
    table.expire_all(now);
    let rows: Box<dyn Iterator<Item = &Key>> = match direction {
        Direction::Forward if start > end => {
            return Err(parameter_invalid("Begin key must less than end key in FORWARD"));
        }
        Direction::Backward if start < end => {
            return Err(parameter_invalid("Begin key must more than end key in BACKWARD"));
        }
        Direction::Forward => {
            Box::new(table.rows.range((Bound::Included(start), Bound::Excluded(end))).map(|(key, _)| key))
        }
        Direction::Backward if start == end => Box::new(std::iter::empty()),
        Direction::Backward => Box::new(
            table.rows.range((Bound::Excluded(end), Bound::Included(start))).rev().map(|(key, _)| key),
        ),
    };
    let (mut seen, mut bytes, mut next) = (Vec::new(), 0, None);
    for (read, key) in rows.enumerate() {
        if seen.len() >= limit || read >= MAX_RANGE_ROWS || bytes >= MAX_RANGE_BYTES {
            let key = table.columns.iter().zip(key).map(|(column, part)| (column.name.clone(), part.value()));
            next = Some(plain_buffer::encode(&[Row::of_key(key.collect())]));
            break;
        }
        if let Some(row) = table.row(key).and_then(|row| view.see(row)) {
            bytes += plain_buffer::encode(std::slice::from_ref(&row)).len();
            seen.push(row);
        }
    }
    let rows = if seen.is_empty() { Vec::new() } else { plain_buffer::encode(&seen) };
    Ok(Page { rows, next })
}
