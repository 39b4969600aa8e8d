//! Expressions in texts, `${…}`: names, indices, calls of functions, texts and `!`. Terraform's and
//! Serverless Devs' are alike in these.

use serde_json::{Map, Value};

/// What names and functions mean in a document.
pub(super) trait Scope {
    /// What begins with these parts, and how many of them it is named by.
    fn name(&self, parts: &[String]) -> Result<(Value, usize), String>;

    fn call(&self, function: &str, arguments: Vec<Value>) -> Result<Value, String>;
}

/// A value with all expressions in it evaluated.
pub(super) fn value(value: &Value, scope: &dyn Scope) -> Result<Value, String> {
    match value {
        Value::String(text) => template(text, scope),
        Value::Array(all) => all.iter().map(|one| self::value(one, scope)).collect(),
        Value::Object(all) => {
            let each = all.iter().map(|(key, one)| Ok((key.clone(), self::value(one, scope)?)));
            each.collect::<Result<Map<_, _>, String>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

fn template(text: &str, scope: &dyn Scope) -> Result<Value, String> {
    let mut parser = Parser { rest: text, scope };
    let mut found = parser.parts(None).map_err(|why| format!("in `{text}`: {why}"))?;
    // An expression alone has its own type.
    if found.len() == 1 {
        return Ok(found.remove(0));
    }
    found.iter().map(as_text).collect::<Result<String, _>>().map(Value::String)
}

fn as_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(is) => Ok(is.to_string()),
        other => Err(format!("{other} cannot be a part of a text")),
    }
}

struct Parser<'t> {
    rest: &'t str,
    scope: &'t dyn Scope,
}

impl<'t> Parser<'t> {
    /// The literal parts of a text and the values of the others, up to the quote at its end.
    fn parts(&mut self, quote: Option<char>) -> Result<Vec<Value>, String> {
        let (mut found, mut literal) = (Vec::new(), String::new());
        loop {
            let next = self.rest.chars().next();
            if next.is_none() || next == quote {
                if next != quote {
                    return Err("a text has no end".to_owned());
                }
                self.rest = next.map_or("", |quote| &self.rest[quote.len_utf8()..]);
                if !literal.is_empty() || found.is_empty() {
                    found.push(Value::String(literal));
                }
                return Ok(found);
            }
            if let Some(rest) = self.rest.strip_prefix("$${").or_else(|| self.rest.strip_prefix("%%{")) {
                literal.push_str(&self.rest[1..3]);
                self.rest = rest;
            } else if let Some(rest) = self.rest.strip_prefix("${") {
                self.rest = rest;
                if !literal.is_empty() {
                    found.push(Value::String(std::mem::take(&mut literal)));
                }
                found.push(self.expression()?);
                self.expect('}')?;
            } else if self.rest.starts_with("%{") || (quote.is_some() && self.rest.starts_with('\\')) {
                return Err(format!("`{}` is not known", &self.rest[..1]));
            } else {
                literal.extend(next);
                self.rest = &self.rest[next.map_or(0, char::len_utf8)..];
            }
        }
    }

    fn expression(&mut self) -> Result<Value, String> {
        if self.take('!') {
            return match self.expression()? {
                Value::Bool(is) => Ok(Value::Bool(!is)),
                other => Err(format!("{other} is neither true nor false")),
            };
        }
        let mut value = self.primary()?;
        loop {
            if self.take('[') {
                let index = self.expression()?;
                self.expect(']')?;
                value = element(&value, &index)?;
            } else if self.take('.') {
                value = element(&value, &self.word().into())?;
            } else {
                return Ok(value);
            }
        }
    }

    fn primary(&mut self) -> Result<Value, String> {
        for quote in ['"', '\''] {
            if self.take(quote) {
                let parts = self.parts(Some(quote))?;
                return parts.iter().map(as_text).collect::<Result<String, _>>().map(Value::String);
            }
        }
        let word = self.word();
        if word.is_empty() {
            return Err(format!("`{}` is no expression", self.rest));
        }
        if let Ok(number) = word.parse::<u64>() {
            return Ok(number.into());
        }
        if self.take('(') {
            return self.arguments(word);
        }
        let mut parts = vec![word.to_owned()];
        while self.take('.') {
            parts.push(self.word().to_owned());
        }
        let (mut value, named) = self.scope.name(&parts)?;
        for part in &parts[named..] {
            value = element(&value, &part.as_str().into())?;
        }
        Ok(value)
    }

    fn arguments(&mut self, function: &str) -> Result<Value, String> {
        let mut all = Vec::new();
        while !self.take(')') {
            if !all.is_empty() {
                self.expect(',')?;
            }
            all.push(self.expression()?);
        }
        self.scope.call(function, all)
    }

    fn word(&mut self) -> &'t str {
        self.rest = self.rest.trim_start();
        let ends = |c: char| !(c.is_alphanumeric() || c == '_' || c == '-');
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(format!("`{wanted}` is missing before `{}`", self.rest)) }
    }
}

fn element(value: &Value, index: &Value) -> Result<Value, String> {
    let found = match index {
        Value::String(key) => value.get(key),
        _ => index.as_u64().and_then(|index| value.get(usize::try_from(index).ok()?)),
    };
    found.cloned().ok_or_else(|| format!("there is no {index} in {value}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Known;

    impl Scope for Known {
        fn name(&self, parts: &[String]) -> Result<(Value, usize), String> {
            match parts[0].as_str() {
                "all" => Ok((json!({ "a": [1, 2], "b-c": { "d": "x" }, "yes": true }), 1)),
                other => Err(format!("{other} is not there")),
            }
        }

        fn call(&self, function: &str, arguments: Vec<Value>) -> Result<Value, String> {
            match function {
                "list" => Ok(arguments.into()),
                other => Err(format!("{other} is not known")),
            }
        }
    }

    #[test]
    fn expressions_are_evaluated_where_they_stand() {
        for (text, expected) in [
            ("plain", json!("plain")),
            ("", json!("")),
            ("${all.a}", json!([1, 2])),
            ("${all.a[1]}", json!(2)),
            ("a ${all.b-c.d} ${ all[\"b-c\"].d }", json!("a x x")),
            ("x${all.a[0]}y", json!("x1y")),
            ("${!all.yes}", json!(false)),
            ("$${all.a} %%{if}", json!("${all.a} %{if}")),
            ("${list(\"n ${all.b-c.d}\", 'y', all.a[0])}", json!(["n x", "y", 1])),
            ("${list()}", json!([])),
        ] {
            assert_eq!(value(&text.into(), &Known), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in [
            "${",
            "${all",
            "${nothing.a}",
            "${all.z}",
            "${all.a[5]}",
            "${other(1)}",
            "${}",
            "${all.a + 1}",
            "${list(all.a all.a)}",
            "%{if x}",
            "x${all.a}",
            "${!all.a}",
            "${list(\"x)}",
        ] {
            assert!(value(&text.into(), &Known).is_err(), "{text}");
        }
    }
}
