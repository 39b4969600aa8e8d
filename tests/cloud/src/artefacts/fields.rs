//! The fields of a resource: each is taken, and none is left.

use serde_json::{Map, Value};

/// Fields that were not looked at yet, and whose they are.
pub(super) struct Fields {
    whose: String,
    left: Map<String, Value>,
}

impl Fields {
    pub(super) fn of(whose: impl Into<String>, value: Value) -> Result<Self, String> {
        let whose = whose.into();
        match value {
            Value::Object(left) => Ok(Fields { whose, left }),
            other => Err(format!("{whose} is no object: {other}")),
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Result<Value, String> {
        self.left.remove(name).ok_or_else(|| format!("{} has no `{name}`", self.whose))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, String> {
        match self.take(name)? {
            Value::String(text) => Ok(text),
            other => Err(format!("`{name}` of {} is no text: {other}", self.whose)),
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Result<i64, String> {
        let value = self.take(name)?;
        value.as_i64().ok_or_else(|| format!("`{name}` of {} is no whole number: {value}", self.whose))
    }

    /// A field that can have one value only.
    pub(super) fn is(&mut self, name: &str, wanted: impl Into<Value>) -> Result<(), String> {
        let (value, wanted) = (self.take(name)?, wanted.into());
        if value == wanted {
            return Ok(());
        }
        Err(format!("`{name}` of {} is {value}, where only {wanted} is known", self.whose))
    }

    /// A block, which Terraform's JSON has as a list; here of one.
    /// Whether a field is there that need not be.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    pub(super) fn block(&mut self, name: &str) -> Result<Fields, String> {
        let whose = format!("{}.{name}", self.whose);
        match self.take(name)? {
            Value::Array(mut all) if all.len() == 1 => Fields::of(whose, all.remove(0)),
            other => Err(format!("{whose} is not one block: {other}")),
        }
    }

    /// The field under the name that the service has for it.
    pub(super) fn rename(
        &mut self,
        to: &mut Map<String, Value>,
        names: &[(&str, &str)],
    ) -> Result<(), String> {
        for (theirs, services) in names {
            to.insert((*services).to_owned(), self.take(theirs)?);
        }
        Ok(())
    }

    /// Everything was looked at.
    pub(super) fn end(self) -> Result<(), String> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("{} has `{name}`, which is not known", self.whose)),
        }
    }
}
