//! A row as it travels: named values, with what is to become of them.

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Double(f64),
    /// True or false.
    Boolean(bool),
    /// Text.
    String(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// Before all values; in the bounds of a range only.
    InfMin,
    /// After all values; in the bounds of a range only.
    InfMax,
    /// To be chosen by the table; in the key of a row that is put only.
    AutoIncrement,
}

impl Value {
    /// Text.
    pub fn string(text: impl Into<String>) -> Self {
        Value::String(text.into())
    }

    /// Bytes.
    pub fn binary(bytes: impl Into<Vec<u8>>) -> Self {
        Value::Binary(bytes.into())
    }
}

/// What an update does to a column, other than putting a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Removes all versions.
    DeleteAll,
    /// Removes the version of the cell's timestamp.
    DeleteOne,
    /// Adds the cell's value to what is there, in one step.
    Increment,
}

/// One version of a column, or what is to become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The column.
    pub name: String,
    /// Its value; none where a deletion needs none.
    pub value: Option<Value>,
    /// What to do with it, if not to put it.
    pub change: Option<Change>,
    /// The version, in milliseconds since the Unix epoch.
    pub timestamp_ms: Option<i64>,
}

impl Cell {
    /// A value to be put, of the version that the table chooses.
    pub fn put(name: impl Into<String>, value: Value) -> Self {
        Cell { name: name.into(), value: Some(value), change: None, timestamp_ms: None }
    }

    /// A number to be added.
    pub fn increment(name: impl Into<String>, by: i64) -> Self {
        Cell { change: Some(Change::Increment), ..Cell::put(name, Value::Integer(by)) }
    }

    /// All versions to be removed.
    pub fn delete(name: impl Into<String>) -> Self {
        Cell { name: name.into(), value: None, change: Some(Change::DeleteAll), timestamp_ms: None }
    }
}

/// A row, or a change of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The columns of its primary key, in the order of the table.
    pub key: Vec<(String, Value)>,
    /// Its other columns.
    pub cells: Vec<Cell>,
    /// Whether the row is to be deleted.
    pub delete: bool,
}

impl Row {
    /// A row of a key alone.
    pub fn of_key(key: Vec<(String, Value)>) -> Self {
        Row { key, cells: Vec::new(), delete: false }
    }

    /// The value of the first cell of a column.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.cells.iter().find(|cell| cell.name == name).and_then(|cell| cell.value.as_ref())
    }
}
