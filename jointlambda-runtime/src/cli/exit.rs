//! How a command ends other than well: one clear line on stderr, a hint if there is one, and the
//! exit code.

use std::{error::Error as StdError, io, process::ExitCode};

pub(super) use crate::error::chain;

/// The workflow function returned an `Err`.
pub(super) const ERR_VALUE: u8 = 1;
/// The run failed, or was not started: what was asked for is not possible.
pub(super) const FAILED: u8 = 2;
/// As a shell says it of a process that Ctrl-C ended.
pub(super) const INTERRUPTED: u8 = 130;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(super) struct Trouble {
    error: String,
    hint: Option<String>,
    code: u8,
}

impl Trouble {
    /// What was asked for is not possible.
    pub(super) fn new(error: impl Into<String>) -> Self {
        Trouble { error: error.into(), hint: None, code: FAILED }
    }

    /// An error and all its causes, in one line.
    pub(super) fn of(error: &dyn StdError) -> Self {
        Trouble::new(chain(error))
    }

    /// A command line that was not understood; `usage` is the help to look at.
    pub(super) fn of_the_command_line(error: &clap::Error, usage: &str) -> Self {
        let text = error.render().to_string();
        let end = ["\nUsage:", "\nFor more information"].iter().filter_map(|part| text.find(part)).min();
        let mut lines =
            text[..end.unwrap_or(text.len())].lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let rest: Vec<_> =
            lines.map(|line| line.trim_start_matches("tip: ").trim_matches(['[', ']'])).collect();
        // A list goes on where the first line ends; anything else is what to do.
        let (error, tip) = match (rest.as_slice(), first.ends_with(':')) {
            ([], _) => (first, None),
            (rest, true) => (format!("{first} {}", rest.join(", ")), None),
            (rest, false) => (first, Some(rest.join("; "))),
        };
        let help = format!("see `{usage} --help`");
        Trouble::new(error).hint(tip.map_or(help.clone(), |tip| format!("{tip}; {help}")))
    }

    /// Says what to do about it.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Ends with another exit code.
    pub(super) fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// What stderr is to show.
    pub(super) fn lines(&self) -> String {
        let mut lines = format!("error: {}\n", one_line(&self.error));
        if let Some(hint) = &self.hint {
            lines.push_str(&format!("hint: {}\n", one_line(hint)));
        }
        lines
    }

    /// Says it on stderr.
    pub(super) fn report(&self) -> ExitCode {
        eprint!("{}", self.lines());
        ExitCode::from(self.code)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::new(format!("failed to write the output: {error}"))
    }
}

/// Control characters, line ends among them, would let a message forge another line.
pub(super) fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_one_line_and_a_hint() {
        let trouble = Trouble::new("first\nsecond").hint("do\tthis");
        assert_eq!(trouble.lines(), "error: first second\nhint: do this\n");
    }
}
