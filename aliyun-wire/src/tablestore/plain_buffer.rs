//! PlainBuffer: rows as bytes, with a checksum for each cell and each row.
//!
//! Little endian; a header, then rows, each a list of tagged parts. The checksum of a cell is over
//! its name, value, timestamp and change, in this order, though the change is written before the
//! timestamp. Decoding takes exactly what encoding makes, and nothing after it.

use crate::{
    WireError,
    digest::crc8,
    tablestore::row::{Cell, Change, Row, Value},
};

const HEADER: u32 = 0x75;

const ROW_KEY: u8 = 0x01;
const ROW_CELLS: u8 = 0x02;
const CELL: u8 = 0x03;
const CELL_NAME: u8 = 0x04;
const CELL_VALUE: u8 = 0x05;
const CELL_CHANGE: u8 = 0x06;
const CELL_TIMESTAMP: u8 = 0x07;
const ROW_DELETE: u8 = 0x08;
const ROW_CHECKSUM: u8 = 0x09;
const CELL_CHECKSUM: u8 = 0x0A;

const INTEGER: u8 = 0;
const DOUBLE: u8 = 1;
const BOOLEAN: u8 = 2;
const STRING: u8 = 3;
const BINARY: u8 = 7;
const INF_MIN: u8 = 9;
const INF_MAX: u8 = 0x0A;
const AUTO_INCREMENT: u8 = 0x0B;

const DELETE_ALL: u8 = 1;
const DELETE_ONE: u8 = 3;
const INCREMENT: u8 = 4;

/// Encodes rows, one after another behind one header.
pub fn encode(rows: &[Row]) -> Vec<u8> {
    let mut out = HEADER.to_le_bytes().to_vec();
    for row in rows {
        encode_row(&mut out, row);
    }
    out
}

/// Encodes a value alone, as conditions have it.
pub fn encode_value(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let sized = |out: &mut Vec<u8>, kind, bytes: &[u8]| {
        out.push(kind);
        out.extend(length(bytes));
        out.extend(bytes);
    };
    match value {
        Value::Integer(number) => {
            out.push(INTEGER);
            out.extend(number.to_le_bytes());
        }
        Value::Double(number) => {
            out.push(DOUBLE);
            out.extend(number.to_le_bytes());
        }
        Value::Boolean(is) => out.extend([BOOLEAN, u8::from(*is)]),
        Value::String(text) => sized(&mut out, STRING, text.as_bytes()),
        Value::Binary(bytes) => sized(&mut out, BINARY, bytes),
        Value::InfMin => out.push(INF_MIN),
        Value::InfMax => out.push(INF_MAX),
        Value::AutoIncrement => out.push(AUTO_INCREMENT),
    }
    out
}

/// Decodes rows.
///
/// # Errors
/// When the bytes are not exactly a header and whole rows, or a checksum differs.
pub fn decode(bytes: &[u8]) -> Result<Vec<Row>, WireError> {
    let mut input = Input::after_header(bytes)?;
    let mut rows = Vec::new();
    while input.peek().is_some() {
        rows.push(decode_row(&mut input)?);
    }
    Ok(rows)
}

/// Decodes exactly one row. Zeros after it are no error: Alibaba's Node.js SDK (5.6.5) reserves eight
/// bytes for a bound of a range where one is written, and sends the rest.
///
/// # Errors
/// As [`decode`], and when there is not one row.
pub fn decode_one(bytes: &[u8]) -> Result<Row, WireError> {
    let mut input = Input::after_header(bytes)?;
    let row = decode_row(&mut input)?;
    match bytes[input.at..].iter().find(|byte| **byte != 0) {
        None => Ok(row),
        Some(found) => Err(WireError::Unexpected { what: "what follows a row", at: input.at, found: *found }),
    }
}

/// Decodes a value alone, as conditions have it.
///
/// # Errors
/// When the bytes are not exactly a value.
pub fn decode_value(bytes: &[u8]) -> Result<Value, WireError> {
    let mut input = Input { bytes, at: 0 };
    let value = value(&mut input)?;
    match input.peek() {
        None => Ok(value),
        Some(found) => Err(WireError::Unexpected { what: "what follows a value", at: input.at, found }),
    }
}

fn encode_row(out: &mut Vec<u8>, row: &Row) {
    let mut checksum = 0;
    out.push(ROW_KEY);
    for (name, value) in &row.key {
        checksum = crc8(checksum, &[encode_cell(out, name, Some(value), None, None)]);
    }
    if !row.cells.is_empty() {
        out.push(ROW_CELLS);
        for Cell { name, value, change, timestamp_ms } in &row.cells {
            checksum = crc8(checksum, &[encode_cell(out, name, value.as_ref(), *change, *timestamp_ms)]);
        }
    }
    if row.delete {
        out.push(ROW_DELETE);
    }
    out.extend([ROW_CHECKSUM, crc8(checksum, &[u8::from(row.delete)])]);
}

fn encode_cell(
    out: &mut Vec<u8>,
    name: &str,
    value: Option<&Value>,
    change: Option<Change>,
    timestamp_ms: Option<i64>,
) -> u8 {
    out.extend([CELL, CELL_NAME]);
    out.extend(length(name.as_bytes()));
    out.extend(name.as_bytes());
    let value = value.map(encode_value);
    if let Some(value) = &value {
        out.push(CELL_VALUE);
        out.extend(length(value));
        out.extend(value);
    }
    let change = change.map(|change| match change {
        Change::DeleteAll => DELETE_ALL,
        Change::DeleteOne => DELETE_ONE,
        Change::Increment => INCREMENT,
    });
    if let Some(change) = change {
        out.extend([CELL_CHANGE, change]);
    }
    if let Some(timestamp) = timestamp_ms {
        out.push(CELL_TIMESTAMP);
        out.extend(timestamp.to_le_bytes());
    }
    let checksum = cell_checksum(name.as_bytes(), value.as_deref(), change, timestamp_ms);
    out.extend([CELL_CHECKSUM, checksum]);
    checksum
}

fn cell_checksum(name: &[u8], value: Option<&[u8]>, change: Option<u8>, timestamp_ms: Option<i64>) -> u8 {
    let mut checksum = crc8(crc8(0, name), value.unwrap_or_default());
    if let Some(timestamp) = timestamp_ms {
        checksum = crc8(checksum, &timestamp.to_le_bytes());
    }
    change.map_or(checksum, |change| crc8(checksum, &[change]))
}

/// Requests end at 5 MB, and nothing longer than a request is encoded.
fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("a value is shorter than 4 GB").to_le_bytes()
}

fn decode_row(input: &mut Input<'_>) -> Result<Row, WireError> {
    let mut row = Row::default();
    let mut checksum = 0;
    input.expect("a row", ROW_KEY)?;
    while input.skip(CELL) {
        let (cell, sum) = decode_cell(input)?;
        let (Some(value), None, None) = (cell.value, cell.change, cell.timestamp_ms) else {
            return Err(WireError::malformed("a column of a primary key has no value, or more than one"));
        };
        row.key.push((cell.name, value));
        checksum = crc8(checksum, &[sum]);
    }
    if input.skip(ROW_CELLS) {
        while input.skip(CELL) {
            let (cell, sum) = decode_cell(input)?;
            row.cells.push(cell);
            checksum = crc8(checksum, &[sum]);
        }
    }
    row.delete = input.skip(ROW_DELETE);
    checksum = crc8(checksum, &[u8::from(row.delete)]);
    input.expect("a row", ROW_CHECKSUM)?;
    let [found] = input.array("a row")?;
    if found != checksum {
        return Err(WireError::Checksum { what: "row", found, computed: checksum });
    }
    Ok(row)
}

fn decode_cell(input: &mut Input<'_>) -> Result<(Cell, u8), WireError> {
    input.expect("a cell", CELL_NAME)?;
    let name = input.sized("the name of a column")?;
    let mut value_bytes = None;
    let mut cell = Cell { name: text(name)?, value: None, change: None, timestamp_ms: None };
    if input.skip(CELL_VALUE) {
        let bytes = input.sized("a value")?;
        cell.value = Some(decode_value(bytes)?);
        value_bytes = Some(bytes);
    }
    let mut change_byte = None;
    if input.skip(CELL_CHANGE) {
        let at = input.at;
        let [byte] = input.array("a cell")?;
        change_byte = Some(byte);
        cell.change = Some(match byte {
            DELETE_ALL => Change::DeleteAll,
            DELETE_ONE => Change::DeleteOne,
            INCREMENT => Change::Increment,
            found => return Err(WireError::Unexpected { what: "the change of a cell", at, found }),
        });
    }
    if input.skip(CELL_TIMESTAMP) {
        cell.timestamp_ms = Some(i64::from_le_bytes(input.array("a cell")?));
    }
    input.expect("a cell", CELL_CHECKSUM)?;
    let [found] = input.array("a cell")?;
    let computed = cell_checksum(name, value_bytes, change_byte, cell.timestamp_ms);
    if found != computed {
        return Err(WireError::Checksum { what: "cell", found, computed });
    }
    Ok((cell, computed))
}

fn value(input: &mut Input<'_>) -> Result<Value, WireError> {
    let at = input.at;
    let [kind] = input.array("a value")?;
    Ok(match kind {
        INTEGER => Value::Integer(i64::from_le_bytes(input.array("a value")?)),
        DOUBLE => Value::Double(f64::from_le_bytes(input.array("a value")?)),
        BOOLEAN => {
            let at = input.at;
            match input.array("a value")? {
                [0] => Value::Boolean(false),
                [1] => Value::Boolean(true),
                [found] => return Err(WireError::Unexpected { what: "a boolean", at, found }),
            }
        }
        STRING => Value::String(text(input.sized("a value")?)?),
        BINARY => Value::Binary(input.sized("a value")?.to_vec()),
        INF_MIN => Value::InfMin,
        INF_MAX => Value::InfMax,
        AUTO_INCREMENT => Value::AutoIncrement,
        found => return Err(WireError::Unexpected { what: "the kind of a value", at, found }),
    })
}

fn text(bytes: &[u8]) -> Result<String, WireError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| WireError::malformed("a name or text is not UTF-8"))
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn after_header(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut input = Input { bytes, at: 0 };
        let header = input.array::<4>("a plain buffer's header")?;
        if u32::from_le_bytes(header) != HEADER {
            return Err(WireError::malformed("a plain buffer does not begin with 0x75"));
        }
        Ok(input)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip(&mut self, tag: u8) -> bool {
        let is = self.peek() == Some(tag);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, what: &'static str, tag: u8) -> Result<(), WireError> {
        let at = self.at;
        match self.array(what)? {
            [found] if found == tag => Ok(()),
            [found] => Err(WireError::Unexpected { what, at, found }),
        }
    }

    fn take(&mut self, what: &'static str, count: usize) -> Result<&'a [u8], WireError> {
        let left = &self.bytes[self.at..];
        let taken = left.get(..count).ok_or(WireError::Truncated {
            what,
            at: self.bytes.len(),
            needed: count.saturating_sub(left.len()),
        })?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(what, N)?);
        Ok(array)
    }

    fn sized(&mut self, what: &'static str) -> Result<&'a [u8], WireError> {
        let count = u32::from_le_bytes(self.array(what)?);
        self.take(what, usize::try_from(count).unwrap_or(usize::MAX))
    }
}
