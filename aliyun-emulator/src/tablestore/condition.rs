//! Conditions of writes and filters of reads: whether a row passes.

use std::cmp::Ordering;

use aliyun_wire::tablestore::{
    message::{
        ColumnPaginationFilter, Comparator, CompositeColumnValueFilter, Filter, FilterType, LogicalOperator,
        SingleColumnValueFilter,
    },
    plain_buffer,
    row::{Row, Value},
};
use prost::Message as _;

use super::parameter_invalid;
use crate::http::Refusal;

/// How many conditions one request may have, and how deep.
const MAX_CONDITIONS: usize = 10;

/// A filter, decoded and checked in full.
pub(super) enum Test {
    Column {
        comparator: Comparator,
        name: String,
        value: Option<Value>,
        if_missing: bool,
        latest_only: bool,
    },
    Not(Box<Test>),
    And(Vec<Test>),
    Or(Vec<Test>),
    /// Takes so many columns after so many; passes every row.
    Page {
        offset: usize,
        limit: usize,
    },
}

/// Decodes a filter.
pub(super) fn decode(bytes: &[u8]) -> Result<Test, Refusal> {
    let mut left = MAX_CONDITIONS;
    let filter = Filter::decode(bytes).map_err(|_| parameter_invalid("Invalid filter or condition."))?;
    test(&filter, &mut left, 0)
}

fn test(filter: &Filter, left: &mut usize, depth: usize) -> Result<Test, Refusal> {
    let invalid = || parameter_invalid("Invalid filter or condition.");
    if depth > MAX_CONDITIONS {
        return Err(parameter_invalid(format!("A condition is deeper than {MAX_CONDITIONS}.")));
    }
    match FilterType::try_from(filter.r#type).map_err(|_| invalid())? {
        FilterType::SingleColumn => {
            *left = left.checked_sub(1).ok_or_else(|| {
                parameter_invalid(format!("There are more than {MAX_CONDITIONS} conditions."))
            })?;
            let single = SingleColumnValueFilter::decode(&*filter.filter).map_err(|_| invalid())?;
            let comparator = Comparator::try_from(single.comparator).map_err(|_| invalid())?;
            let value = match comparator {
                Comparator::Exist | Comparator::NotExist => None,
                _ => Some(
                    plain_buffer::decode_value(&single.column_value)
                        .map_err(|error| parameter_invalid(error.to_string()))?,
                ),
            };
            Ok(Test::Column {
                comparator,
                name: single.column_name,
                value,
                if_missing: !single.filter_if_missing,
                latest_only: single.latest_version_only,
            })
        }
        FilterType::Composite => {
            let composite = CompositeColumnValueFilter::decode(&*filter.filter).map_err(|_| invalid())?;
            let mut tests = composite
                .sub_filters
                .iter()
                .map(|filter| test(filter, left, depth + 1))
                .collect::<Result<Vec<_>, _>>()?;
            match LogicalOperator::try_from(composite.combinator).map_err(|_| invalid())? {
                LogicalOperator::Not if tests.len() == 1 => Ok(Test::Not(Box::new(tests.remove(0)))),
                LogicalOperator::And if tests.len() >= 2 => Ok(Test::And(tests)),
                LogicalOperator::Or if tests.len() >= 2 => Ok(Test::Or(tests)),
                _ => Err(parameter_invalid("NOT takes one condition; AND and OR take two or more.")),
            }
        }
        FilterType::Pagination => {
            let page = ColumnPaginationFilter::decode(&*filter.filter).map_err(|_| invalid())?;
            let size = |number: i32| usize::try_from(number).map_err(|_| invalid());
            Ok(Test::Page { offset: size(page.offset)?, limit: size(page.limit)? })
        }
    }
}

impl Test {
    /// Whether a row passes; no row has no columns.
    pub(super) fn passes(&self, row: Option<&Row>) -> bool {
        match self {
            Test::Page { .. } => true,
            Test::Not(test) => !test.passes(row),
            Test::And(tests) => tests.iter().all(|test| test.passes(row)),
            Test::Or(tests) => tests.iter().any(|test| test.passes(row)),
            Test::Column { comparator, name, value, if_missing, latest_only } => {
                let keys = row
                    .iter()
                    .flat_map(|row| &row.key)
                    .filter(|(has, _)| has == name)
                    .map(|(_, value)| value);
                let cells = row
                    .iter()
                    .flat_map(|row| &row.cells)
                    .filter(|cell| cell.name == *name)
                    .filter_map(|cell| cell.value.as_ref());
                let mut values = keys.chain(cells).peekable();
                let there = values.peek().is_some();
                match (comparator, value) {
                    (Comparator::Exist, _) => there,
                    (Comparator::NotExist, _) => !there,
                    (_, Some(value)) if there => {
                        let versions = if *latest_only { 1 } else { usize::MAX };
                        values.take(versions).any(|has| compare(*comparator, has, value))
                    }
                    _ => *if_missing,
                }
            }
        }
    }
}

fn compare(comparator: Comparator, has: &Value, value: &Value) -> bool {
    let order = match (has, value) {
        (Value::Integer(has), Value::Integer(value)) => Some(has.cmp(value)),
        (Value::Double(has), Value::Double(value)) => has.partial_cmp(value),
        (Value::Boolean(has), Value::Boolean(value)) => Some(has.cmp(value)),
        (Value::String(has), Value::String(value)) => Some(has.cmp(value)),
        (Value::Binary(has), Value::Binary(value)) => Some(has.cmp(value)),
        _ => None,
    };
    match comparator {
        Comparator::Equal => order == Some(Ordering::Equal),
        Comparator::NotEqual => order != Some(Ordering::Equal),
        Comparator::GreaterThan => order == Some(Ordering::Greater),
        Comparator::GreaterEqual => order.is_some_and(Ordering::is_ge),
        Comparator::LessThan => order == Some(Ordering::Less),
        Comparator::LessEqual => order.is_some_and(Ordering::is_le),
        Comparator::Exist | Comparator::NotExist => false,
    }
}
