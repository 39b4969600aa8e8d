//! The errors of user code ([`Error`]) and of the runtime ([`Fault`]).

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

use crate::backend::StoreError;

/// `Result` with [`Error`], unless another error is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error value that can travel: a message and the messages of its causes.
///
/// Any `std::error::Error` becomes one by `?`. It is committed and flows through a workflow like
/// any other value. Use an error type of your own where a caller must tell errors apart.
///
/// ```
/// fn parse(text: &str) -> jointlambda_runtime::Result<u32> {
///     Ok(text.parse::<u32>()?)
/// }
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
}

impl Error {
    /// An error with a message.
    pub fn new(message: impl fmt::Display) -> Self {
        Error { message: message.to_string(), causes: Vec::new() }
    }

    /// Puts a message in front; what was the message becomes the first cause.
    #[must_use]
    pub fn context(mut self, message: impl fmt::Display) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.message, message.to_string()));
        self
    }

    /// The messages of the causes, nearest first.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

// As in anyhow: with this conversion, `Error` itself cannot be a `std::error::Error`.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Error { message: error.to_string(), causes }
    }
}

/// Whose fault it is that the deliveries of an event have failed.
///
/// A platform that gives up on an event tells the cause of the last delivery. Only the call itself can
/// fail by that. What is down or denied for a while fails nothing: the call stays open, and a sweep
/// sends it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The call itself: it panicked, took too long or ended its process, or what it returned cannot
    /// be kept.
    Call,
    /// What it needs: a store, a cloud, credentials, the platform before the call began.
    Surroundings,
}

/// What a platform says when it gives up on an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Whose fault it is.
    pub cause: Cause,
    /// What went wrong the last time.
    pub why: String,
    /// How often the event was delivered.
    pub attempts: u32,
}

/// Why the runtime could not do its part of a run. Never a value of the workflow.
#[derive(Clone, Debug, ThisError)]
#[non_exhaustive]
pub enum Fault {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An envelope or row is not what this deployment understands; trying again cannot help.
    #[error("{0}")]
    Poison(String),
    /// A value does not survive its own serialisation; trying again cannot help.
    #[error("failed to {action} {what}: {cause}")]
    Value {
        /// `encode` or `decode`.
        action: &'static str,
        /// Which value.
        what: String,
        /// What serde said.
        cause: String,
    },
    /// A bound was passed; trying again cannot help.
    #[error("{0}")]
    Bound(String),
    /// The user function or the glue panicked.
    #[error("{function} panicked: {message}")]
    Panic {
        /// Where.
        function: String,
        /// The panic's message.
        message: String,
    },
    /// The user function took longer than its timeout.
    #[error("{function} was still running after {timeout_ms} ms")]
    Timeout {
        /// Which function.
        function: String,
        /// Its timeout.
        timeout_ms: u64,
    },
    /// A successor could not be invoked on any of its placements.
    #[error("failed to invoke {function}: {cause}")]
    Invoke {
        /// Which function.
        function: String,
        /// What the last placement said.
        cause: String,
    },
    /// Another version of the workflow or of this crate wrote it: not for this one to judge.
    #[error("{0}")]
    Foreign(String),
    /// The time of the delivery was over before the outcome was committed and dispatched.
    #[error("{function} had no time left to finish: the platform gave {given_ms} ms")]
    OutOfTime {
        /// Which function.
        function: String,
        /// The time of the delivery.
        given_ms: u64,
    },
    /// The process is told to stop here, by a test.
    #[error("crashed here, as a test demands")]
    Crash,
}

impl Fault {
    /// Whether the workflow's own code or data is at fault, not a store or cloud.
    pub(crate) fn is_of_the_code(&self) -> bool {
        !matches!(self, Fault::Crash) && self.cause() == Cause::Call
    }

    /// What a delivery that ended so says of its call.
    pub fn cause(&self) -> Cause {
        match self {
            Fault::Store(StoreError::TooLarge { .. })
            | Fault::Poison(_)
            | Fault::Value { .. }
            | Fault::Bound(_)
            | Fault::Panic { .. }
            | Fault::Timeout { .. }
            | Fault::Crash => Cause::Call,
            Fault::Store(_) | Fault::Invoke { .. } | Fault::Foreign(_) | Fault::OutOfTime { .. } => {
                Cause::Surroundings
            }
        }
    }

    /// Whether another delivery of the same event may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            // Rights may propagate, and keys be renewed, in the minutes until the next delivery.
            Fault::Store(error) => !matches!(error, StoreError::TooLarge { .. } | StoreError::Corrupt(_)),
            Fault::Poison(_) | Fault::Value { .. } | Fault::Bound(_) | Fault::Foreign(_) => false,
            Fault::Panic { .. }
            | Fault::Timeout { .. }
            | Fault::Invoke { .. }
            | Fault::OutOfTime { .. }
            | Fault::Crash => true,
        }
    }
}

/// An error and all its causes, in one line; a cause that the message ends with is not repeated.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_causes_through_serialisation() {
        let error = Error::new("inner").context("outer");
        let json = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<Error>(&json).unwrap(), error);
        assert_eq!(format!("{error:?}"), "outer: inner");
    }
}
