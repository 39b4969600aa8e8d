//! The input of a run: where its text comes from, and what it says. Messages show where a mistake
//! is, with a few characters around it, never the whole input.

use std::{
    fmt, fs,
    io::{self, Read},
    path::Path,
};

use serde::{
    Deserializer as _,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::exit::Trouble;

/// The most bytes of an input.
pub(super) const MAX_INPUT_BYTES: u64 = 64 * 1024 * 1024;
/// How much of the input a message shows on each side of a mistake.
const NEAR_BYTES: usize = 24;
/// How much of a message of serde's, which quotes values, is shown.
const MAX_MESSAGE_CHARS: usize = 200;

/// Reads what `--input` names: `-` is stdin, `@file` and the path of a file are that file,
/// anything else is JSON itself.
pub(super) fn read(argument: &str, stdin: impl Read) -> Result<Vec<u8>, Trouble> {
    if argument == "-" {
        return bounded(stdin, "stdin");
    }
    if let Some(path) = argument.strip_prefix('@') {
        return read_file(path);
    }
    let is_json = argument.trim_start().starts_with(['{', '[', '"']);
    if !is_json && Path::new(argument).exists() {
        return read_file(argument);
    }
    bounded(argument.as_bytes(), "--input")
}

fn read_file(path: &str) -> Result<Vec<u8>, Trouble> {
    let unreadable =
        |error: io::Error| Trouble::new(format!("failed to read the input file {path}: {error}"));
    let file = fs::File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(Trouble::new(format!("failed to read the input file {path}: it is a directory")));
    }
    bounded(file, path)
}

fn bounded(source: impl Read, name: &str) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    let read = source.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Trouble::new(format!("failed to read the input from {name}: {error}")))?;
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        let limit = MAX_INPUT_BYTES / 1024 / 1024;
        return Err(Trouble::new(format!("the input from {name} is over the limit of {limit} MB"))
            .hint("keep large data in an object store, and give the workflow its address"));
    }
    Ok(bytes)
}

/// Makes the input of a workflow with these parameters of JSON: of one parameter, its value; of
/// several, an object with their names, or an array.
pub(super) fn parse<I: DeserializeOwned>(text: &[u8], params: &[&str]) -> Result<I, Trouble> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if let Err(error) = std::str::from_utf8(text) {
        let at = error.valid_up_to();
        return Err(Trouble::new(format!("the input is not UTF-8 text, from byte {at} on"))
            .hint("JSON is text: give bytes as an array of numbers, or encoded as a string"));
    }
    match params {
        [] => parse_nothing(text),
        [_] => deserialize(text, &[]).map_err(|mistake| mistake.trouble(text)),
        _ if text.trim_ascii_start().starts_with(b"{") => parse_named(text, params),
        _ => deserialize(text, params).map_err(|mistake| mistake.trouble(text)),
    }
}

fn parse_nothing<I: DeserializeOwned>(text: &[u8]) -> Result<I, Trouble> {
    match text.trim_ascii() {
        b"" | b"null" | b"{}" | b"[]" => deserialize(b"null", &[]).map_err(|mistake| mistake.trouble(text)),
        _ => Err(Trouble::new("the workflow takes no input").hint("leave `--input` out")),
    }
}

/// Puts the values of an object into the order of the parameters, and parses that array.
fn parse_named<I: DeserializeOwned>(text: &[u8], params: &[&str]) -> Result<I, Trouble> {
    let known = || format!("the parameters are {}", quoted(params));
    let fields = fields(text)?;
    let mut array = vec![b'['];
    // Where each value lies in the array, and where in the text.
    let mut places = Vec::new();
    for param in params {
        let mut values = fields.iter().filter(|(name, _)| name == param).map(|(_, value)| value.get());
        let value =
            values.next().ok_or_else(|| Trouble::new(format!("the input has no `{param}`")).hint(known()))?;
        if values.next().is_some() {
            return Err(Trouble::new(format!("the input has `{param}` more than once")));
        }
        let from = value.as_ptr() as usize - text.as_ptr() as usize;
        places.push((array.len(), from, value.len()));
        array.extend_from_slice(value.as_bytes());
        array.push(b',');
    }
    *array.last_mut().expect("it begins with a bracket") = b']';
    if let Some((name, _)) = fields.iter().find(|(name, _)| !params.contains(&name.as_str())) {
        let error = format!("the input has `{}`, which is no parameter", shortened(name));
        return Err(Trouble::new(error).hint(known()));
    }
    deserialize(&array, params).map_err(|mut mistake| {
        let inside = places.iter().rev().find(|(at, _, _)| *at <= mistake.offset);
        if let Some((at, from, len)) = inside {
            mistake.offset = from + (mistake.offset - at).min(*len);
        }
        mistake.trouble(text)
    })
}

/// The fields of an object, in order, with their values as they are written.
fn fields(text: &[u8]) -> Result<Vec<(String, &RawValue)>, Trouble> {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<(String, &'de RawValue)>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with the workflow's parameters")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some(field) = map.next_entry()? {
                fields.push(field);
            }
            Ok(fields)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let fields = (&mut deserializer).deserialize_map(Fields).and_then(|fields| {
        deserializer.end()?;
        Ok(fields)
    });
    fields.map_err(|error| Mistake::new(&error, text, String::new()).trouble(text))
}

fn deserialize<I: DeserializeOwned>(text: &[u8], params: &[&str]) -> Result<I, Mistake> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = named_path(&error.path().to_string(), params);
        Mistake::new(error.inner(), text, path)
    })?;
    deserializer.end().map_err(|error| Mistake::new(&error, text, String::new()))?;
    Ok(value)
}

/// `[1].x` is `name.x`, with the name of the second parameter.
fn named_path(path: &str, params: &[&str]) -> String {
    let index = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let named = index.and_then(|(index, rest)| Some((params.get(index.parse::<usize>().ok()?)?, rest)));
    match named {
        Some((name, rest)) if !name.is_empty() => format!("{name}{rest}"),
        _ if path == "." => String::new(),
        _ => path.to_owned(),
    }
}

/// A mistake in the text of an input.
struct Mistake {
    is_syntax: bool,
    path: String,
    message: String,
    /// Where, in bytes.
    offset: usize,
}

impl Mistake {
    fn new(error: &serde_json::Error, text: &[u8], path: String) -> Self {
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
        Mistake {
            is_syntax: !error.is_data(),
            path,
            message: shortened(message),
            offset: offset(text, error.line(), error.column()),
        }
    }

    fn trouble(self, text: &[u8]) -> Trouble {
        let before = &text[..self.offset.min(text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count().max(1);
        let near = near(text, self.offset);
        if text.trim_ascii().is_empty() {
            return Trouble::new("the input is empty, which is not JSON");
        }
        if self.is_syntax {
            let message = self.message;
            let error = format!(
                "the input is not valid JSON: {message} at line {line} column {column}, near `{near}`"
            );
            let word = text.trim_ascii();
            let is_word = column <= 2 && word.len() < 256 && !word.contains(&b'\n') && word[0] != b'{';
            let hint = "text is written in quotes: '\"…\"'; a file is given by its path, and there is none of this name";
            return if is_word { Trouble::new(error).hint(hint) } else { Trouble::new(error) };
        }
        let at =
            if self.path.is_empty() { String::new() } else { format!(" at `{}`", shortened(&self.path)) };
        let message = self.message;
        Trouble::new(format!(
            "the input does not fit{at}: {message} (line {line} column {column}, near `{near}`)"
        ))
    }
}

/// serde counts lines and columns from 1, columns in bytes.
fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let starts =
        std::iter::once(0).chain(text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1));
    let start = starts.take(line.max(1)).last().unwrap_or(0);
    (start + column).min(text.len())
}

fn near(text: &[u8], offset: usize) -> String {
    let from = offset.saturating_sub(NEAR_BYTES);
    let to = (offset + NEAR_BYTES).min(text.len());
    let part = String::from_utf8_lossy(&text[from..to]);
    let part = part.trim_matches(char::REPLACEMENT_CHARACTER).trim();
    let (left, right) = (if from > 0 { "…" } else { "" }, if to < text.len() { "…" } else { "" });
    format!("{left}{part}{right}")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn quoted(params: &[&str]) -> String {
    params.iter().map(|param| format!("`{param}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
