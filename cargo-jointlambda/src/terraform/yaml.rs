//! JSON values as YAML that people read: keys on lines of their own, strings in quotes.

use serde_json::Value;

/// The document as text. Strings are written as in JSON, which YAML understands.
pub(crate) fn text(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                text.push_str(&format!("{indent}{key}:"));
                write_below(value, depth, text);
            }
        }
        Value::Array(all) => {
            for value in all {
                text.push_str(&format!("{indent}-"));
                write_below(value, depth, text);
            }
        }
        other => text.push_str(&format!("{indent}{other}\n")),
    }
}

/// What follows a key or a dash: in the same line, or below it.
fn write_below(value: &Value, depth: usize, text: &mut String) {
    let is_empty = value.as_object().is_some_and(|map| map.is_empty())
        || value.as_array().is_some_and(|all| all.is_empty());
    if is_empty || !(value.is_object() || value.is_array()) {
        text.push_str(&format!(" {value}\n"));
    } else {
        text.push('\n');
        write(value, depth + 1, text);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_below_their_keys() {
        let value = json!({ "a": { "b": 0.35, "c": [1, { "d": "x: #y" }] }, "e": {}, "f": true });
        let expected = "a:\n  b: 0.35\n  c:\n    - 1\n    -\n      d: \"x: #y\"\ne: {}\nf: true\n";
        assert_eq!(text(&value), expected);
    }
}
