//! What a table may be, and whether keys and columns fit it.

use aliyun_wire::tablestore::{
    message::{CreateTableRequest, PrimaryKeyOption, PrimaryKeyType, TableOptions},
    row::Value,
};

use super::parameter_invalid;
use crate::http::Refusal;

const MAX_NAME: usize = 255;
const MAX_KEY_COLUMNS: usize = 4;
const MAX_KEY_BYTES: usize = 1024;
const MAX_COLUMN_BYTES: usize = 2 * 1024 * 1024;
const MIN_TTL_S: i32 = 86_400;
const FOREVER: i32 = -1;
const DEVIATION_S: i64 = 86_400;

/// A part of a key, in the order of the table: all before `Integer`, numbers, texts, bytes, all after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    InfMin,
    Integer(i64),
    String(String),
    Binary(Vec<u8>),
    InfMax,
}

pub(super) type Key = Vec<Part>;

impl Part {
    pub(super) fn value(&self) -> Value {
        match self {
            Part::InfMin => Value::InfMin,
            Part::Integer(number) => Value::Integer(*number),
            Part::String(text) => Value::String(text.clone()),
            Part::Binary(bytes) => Value::Binary(bytes.clone()),
            Part::InfMax => Value::InfMax,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    pub(super) kind: PrimaryKeyType,
    pub(super) auto_increment: bool,
}

/// What is at the places of a key: values only, bounds of a range too, or a number to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Row,
    Bound,
    Put,
}

/// A key as sent, where a number that the table chooses is open.
pub(super) fn key(
    columns: &[KeyColumn],
    sent: &[(String, Value)],
    used: Use,
) -> Result<Vec<Option<Part>>, Refusal> {
    let invalid = |message: String| Refusal::new(400, "OTSInvalidPK", message);
    if sent.len() != columns.len() {
        return Err(invalid(format!(
            "Validate PK size fail. Input: {}, Meta: {}.",
            sent.len(),
            columns.len()
        )));
    }
    let mut parts = Vec::with_capacity(columns.len());
    for (column, (name, value)) in columns.iter().zip(sent) {
        if *name != column.name {
            return Err(invalid(format!("Validate PK name fail. Input: {name}, Meta: {}.", column.name)));
        }
        let part = match (value, column.kind) {
            (Value::Integer(number), PrimaryKeyType::Integer) => Some(Part::Integer(*number)),
            (Value::String(text), PrimaryKeyType::String) => Some(Part::String(text.clone())),
            (Value::Binary(bytes), PrimaryKeyType::Binary) => Some(Part::Binary(bytes.clone())),
            (Value::InfMin, _) if used == Use::Bound => Some(Part::InfMin),
            (Value::InfMax, _) if used == Use::Bound => Some(Part::InfMax),
            (Value::AutoIncrement, _) if used == Use::Put && column.auto_increment => None,
            _ => {
                let (input, meta) = (kind_name(value), format!("{:?}", column.kind).to_uppercase());
                return Err(invalid(format!("Validate PK type fail. Input: {input}, Meta: VT_{meta}.")));
            }
        };
        let bytes = match value {
            Value::String(text) => text.len(),
            Value::Binary(bytes) => bytes.len(),
            _ => 0,
        };
        if bytes > MAX_KEY_BYTES {
            return Err(too_long("primary key", name, MAX_KEY_BYTES, bytes));
        }
        parts.push(part);
    }
    Ok(parts)
}

/// A key of a row that is read or a bound of a range.
pub(super) fn known_key(columns: &[KeyColumn], sent: &[(String, Value)], used: Use) -> Result<Key, Refusal> {
    let parts = key(columns, sent, used)?;
    parts
        .into_iter()
        .collect::<Option<Key>>()
        .ok_or_else(|| parameter_invalid("A primary key is not complete."))
}

pub(super) fn column(columns: &[KeyColumn], name: &str, value: Option<&Value>) -> Result<(), Refusal> {
    valid_name("column", name)?;
    if columns.iter().any(|column| column.name == name) {
        return Err(parameter_invalid(format!(
            "Duplicated attribute column name with primary key column: '{name}'."
        )));
    }
    let bytes = match value {
        Some(Value::String(text)) => text.len(),
        Some(Value::Binary(bytes)) => bytes.len(),
        Some(Value::InfMin | Value::InfMax | Value::AutoIncrement) => {
            return Err(parameter_invalid(format!("Invalid value of attribute column: '{name}'.")));
        }
        _ => 0,
    };
    if bytes > MAX_COLUMN_BYTES {
        return Err(too_long("attribute", name, MAX_COLUMN_BYTES, bytes));
    }
    Ok(())
}

fn too_long(what: &str, name: &str, max: usize, bytes: usize) -> Refusal {
    parameter_invalid(format!(
        "The length of {what} column: '{name}' exceeded the MaxLength: {max} with CurrentLength: {bytes}."
    ))
}

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "VT_INTEGER",
        Value::Double(_) => "VT_DOUBLE",
        Value::Boolean(_) => "VT_BOOLEAN",
        Value::String(_) => "VT_STRING",
        Value::Binary(_) => "VT_BLOB",
        Value::InfMin => "VT_INF_MIN",
        Value::InfMax => "VT_INF_MAX",
        Value::AutoIncrement => "VT_AUTO_INCREMENT",
    }
}

/// Checks the names, the key and the options of a table to be created.
pub(super) fn table(request: &CreateTableRequest) -> Result<(Vec<KeyColumn>, TableOptions), Refusal> {
    let meta = &request.table_meta;
    valid_name("table", &meta.table_name)?;
    if meta.primary_key.is_empty() || meta.primary_key.len() > MAX_KEY_COLUMNS {
        return Err(parameter_invalid("The number of primary key columns must be in range: [1, 4]."));
    }
    let mut columns: Vec<KeyColumn> = Vec::new();
    for schema in &meta.primary_key {
        valid_name("column", &schema.name)?;
        let kind = PrimaryKeyType::try_from(schema.r#type).map_err(|_| {
            parameter_invalid(format!("{} is an invalid type for the primary key.", schema.r#type))
        })?;
        let auto_increment = schema.option == Some(PrimaryKeyOption::AutoIncrement.into());
        if auto_increment && (columns.is_empty() || kind != PrimaryKeyType::Integer) {
            return Err(parameter_invalid(
                "The first primary key column and non-integers cannot be AUTO_INCREMENT.",
            ));
        }
        if columns.iter().any(|column| column.name == schema.name) {
            return Err(parameter_invalid(format!("Duplicated primary key name: '{}'.", schema.name)));
        }
        columns.push(KeyColumn { name: schema.name.clone(), kind, auto_increment });
    }
    let mut all = TableOptions {
        time_to_live: Some(FOREVER),
        max_versions: Some(1),
        deviation_cell_version_in_sec: Some(DEVIATION_S),
        allow_update: Some(true),
    };
    if let Some(sent) = &request.table_options {
        merge(&mut all, sent)?;
    }
    Ok((columns, all))
}

/// Takes over the options that are sent.
pub(super) fn merge(options: &mut TableOptions, sent: &TableOptions) -> Result<(), Refusal> {
    if let Some(ttl) = sent.time_to_live {
        if ttl != FOREVER && ttl < MIN_TTL_S {
            return Err(parameter_invalid(format!(
                "Invalid time to live: {ttl}: it is -1, or {MIN_TTL_S} at least."
            )));
        }
        options.time_to_live = Some(ttl);
    }
    if let Some(versions) = sent.max_versions {
        if versions < 1 {
            return Err(parameter_invalid("Invalid max versions: it is 1 at least."));
        }
        options.max_versions = Some(versions);
    }
    if let Some(deviation) = sent.deviation_cell_version_in_sec {
        if deviation < 1 {
            return Err(parameter_invalid("Invalid deviation of cell versions: it is 1 second at least."));
        }
        options.deviation_cell_version_in_sec = Some(deviation);
    }
    options.allow_update = sent.allow_update.or(options.allow_update);
    Ok(())
}

fn valid_name(what: &str, name: &str) -> Result<(), Refusal> {
    let mut bytes = name.bytes();
    let valid = name.len() <= MAX_NAME
        && bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if valid { Ok(()) } else { Err(parameter_invalid(format!("Invalid {what} name: '{name}'."))) }
}
