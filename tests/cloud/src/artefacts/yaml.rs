//! The part of YAML that is generated: mappings and lists by indentation, scalars as in JSON.

use serde_json::{Map, Value};

/// What a document says.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let (value, used) = block(&lines, 0)?;
    match lines.get(used) {
        None => Ok(value),
        Some(line) => Err(format!("`{line}` is not known")),
    }
}

fn block(lines: &[&str], depth: usize) -> Result<(Value, usize), String> {
    let (mut map, mut list, mut at) = (Map::new(), Vec::new(), 0);
    let indent_of = |line: &str| line.len() - line.trim_start().len();
    while let Some(line) = lines.get(at).filter(|line| indent_of(line) == depth) {
        let item = line.trim_start();
        let (key, inline) = match item.strip_prefix('-') {
            Some(inline) => (None, inline),
            None => {
                let pair = item.split_once(':').ok_or_else(|| format!("`{line}` has no key"))?;
                (Some(pair.0), pair.1)
            }
        };
        at += 1;
        let value = if inline.is_empty() {
            let (value, used) = block(&lines[at..], depth + 2)?;
            at += used;
            value
        } else {
            serde_json::from_str(inline).map_err(|error| format!("`{line}`: {error}"))?
        };
        match key {
            Some(key) => drop(map.insert(key.to_owned(), value)),
            None => list.push(value),
        }
    }
    Ok((if list.is_empty() { Value::Object(map) } else { Value::Array(list) }, at))
}
