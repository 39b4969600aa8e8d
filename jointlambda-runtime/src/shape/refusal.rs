//! What an impl says when it refuses a made-up value. Errors that the impl itself drops, such as
//! those of the variants of an untagged enum, are heard too: they are noted as they are made.

use std::{cell::RefCell, fmt};

use serde::de::{self, Expected, Unexpected};

use super::{Key, open::Offer};

/// An impl refused a value. What it said is in the [`notes`].
#[derive(Debug)]
pub(super) struct Refusal;

/// What an error said, as far as it does not depend on the value.
#[derive(Debug)]
pub(super) enum Note {
    /// It expected something else; of the place with this mark.
    Expected { mark: Option<Key>, offer: Option<Offer>, text: String },
    /// It expected one of these names.
    OneOf { mark: Option<Key>, names: &'static [&'static str], text: String },
    /// A field is missing.
    Missing { name: &'static str, text: String },
}

impl Note {
    pub(super) fn text(&self) -> &str {
        match self {
            Note::Expected { text, .. } | Note::OneOf { text, .. } | Note::Missing { text, .. } => text,
        }
    }
}

/// The most notes of one pass.
const MAX_NOTES: usize = 1000;

thread_local! {
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
}

/// Takes the notes since the last time.
pub(super) fn notes() -> Vec<Note> {
    NOTES.take()
}

fn note(note: Note) -> Refusal {
    NOTES.with_borrow_mut(|notes| {
        if notes.len() < MAX_NOTES {
            notes.push(note);
        }
    });
    Refusal
}

/// The text that marks a place.
pub(super) fn mark(at: Key) -> String {
    format!("?{at:016x}")
}

fn marked(text: &str) -> Option<Key> {
    Key::from_str_radix(text.strip_prefix('?')?, 16).ok()
}

fn expected(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Refusal {
    let mark = match unexpected {
        Unexpected::Str(text) => marked(text),
        _ => None,
    };
    let wanted = expected.to_string();
    note(Note::Expected { mark, offer: offer_of(&wanted), text: format!("expected {wanted}\n") })
}

/// What to offer where this is expected: the words are those of `serde`.
fn offer_of(expected: &str) -> Option<Offer> {
    let has = |words: &[&str]| words.iter().any(|word| expected.contains(word));
    let is_number = |kind: char| {
        let mut words = expected.split(' ');
        words.any(|word| word.strip_prefix(kind).is_some_and(|bits| bits.parse::<u8>().is_ok()))
    };
    Some(if expected.starts_with("struct") || has(&["a map", "tagged enum"]) {
        Offer::Map
    } else if expected.starts_with("unit") {
        Offer::Unit
    } else if has(&["byte"]) {
        Offer::Bytes
    } else if has(&["tuple", "sequence", "array"]) {
        Offer::Seq
    } else if has(&["boolean"]) {
        Offer::Bool
    } else if has(&["integer", "nonzero", "size"]) || is_number('u') || is_number('i') {
        Offer::Int
    } else if has(&["float"]) || is_number('f') {
        Offer::Float
    } else {
        return None;
    })
}

impl de::Error for Refusal {
    /// Its words may depend on the value, and change with the crate that has them.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Refusal
    }
    fn invalid_type(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        expected(unexpected, wanted)
    }
    fn invalid_value(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        expected(unexpected, wanted)
    }
    fn invalid_length(_: usize, wanted: &dyn Expected) -> Self {
        note(Note::Expected { mark: None, offer: None, text: format!("expected {wanted}\n") })
    }
    fn unknown_variant(variant: &str, names: &'static [&'static str]) -> Self {
        note(Note::OneOf { mark: marked(variant), names, text: format!("one of {names:?}\n") })
    }
    fn unknown_field(field: &str, names: &'static [&'static str]) -> Self {
        note(Note::OneOf { mark: marked(field), names, text: format!("fields {names:?}\n") })
    }
    fn missing_field(name: &'static str) -> Self {
        note(Note::Missing { name, text: format!("missing {name:?}\n") })
    }
    fn duplicate_field(_: &'static str) -> Self {
        Refusal
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused a made-up value")
    }
}
