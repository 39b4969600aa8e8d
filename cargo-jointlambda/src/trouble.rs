//! How the tool ends other than well: one line on stderr that says what is wrong, and one that says
//! what to do.

use std::{error::Error as StdError, fmt, process::ExitCode};

/// The exit code of everything that goes wrong.
const FAILED: u8 = 2;

/// Why the tool did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Trouble {
    error: String,
    hint: Option<String>,
}

impl Trouble {
    pub(crate) fn new(error: impl Into<String>) -> Self {
        Trouble { error: error.into(), hint: None }
    }

    /// What was tried, and the error with all its causes.
    pub(crate) fn of(tried: impl fmt::Display, error: &dyn StdError) -> Self {
        let mut text = format!("failed to {tried}: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.ends_with(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        Trouble::new(text)
    }

    /// Says what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What stderr is to show.
    pub(crate) fn lines(&self) -> String {
        let mut lines = format!("error: {}\n", one_line(&self.error));
        if let Some(hint) = &self.hint {
            lines.push_str(&format!("hint: {}\n", one_line(hint)));
        }
        lines
    }

    /// Says it on stderr.
    pub(crate) fn report(&self) -> ExitCode {
        eprint!("{}", self.lines());
        ExitCode::from(FAILED)
    }
}

/// Control characters, line ends among them, would let a message forge another line.
fn one_line(text: &str) -> String {
    let words = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A list in prose: `a`, `b`.
pub(crate) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_one_line_and_a_hint() {
        let trouble = Trouble::new("first\n  second").hint("do\tthis");
        assert_eq!(trouble.lines(), "error: first second\nhint: do this\n");
    }
}
