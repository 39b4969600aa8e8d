//! How what a workflow function returned is shown: a value as JSON, an `Err` as an error.
//!
//! `main!` knows the type of the outcome, and picks the way by method resolution: an error that
//! has a text, any other error, any other value.

use std::{any::Any, fmt};

use serde::Serialize;

use crate::{error::Error, private::Probe};

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// On one line.
    Compact,
    /// For people.
    Pretty,
}

/// What a workflow function returned.
#[derive(Debug)]
pub enum Shown {
    /// A value, as JSON.
    Value(String),
    /// An `Err`: as text, and as JSON.
    Error {
        /// The error and its causes.
        text: String,
        /// The error value.
        json: String,
    },
}

/// Shows an outcome; the error is that of JSON, which not every type fits.
pub type Show<T> = fn(&T, Layout) -> Result<Shown, serde_json::Error>;

/// For a `Result` whose error has a text.
pub trait ShowText<T> {
    /// How to show it.
    fn show(&self) -> Show<T>;
}

impl<T: Serialize, E: Serialize + fmt::Display + 'static> ShowText<Result<T, E>> for &&Probe<Result<T, E>> {
    fn show(&self) -> Show<Result<T, E>> {
        |outcome, layout| match outcome {
            Ok(value) => json(value, layout).map(Shown::Value),
            Err(error) => {
                let text = match (error as &dyn Any).downcast_ref::<Error>() {
                    Some(error) => format!("{error:?}"),
                    None => error.to_string(),
                };
                Ok(Shown::Error { text, json: json(error, layout)? })
            }
        }
    }
}

/// For any other `Result`.
pub trait ShowError<T> {
    /// How to show it.
    fn show(&self) -> Show<T>;
}

impl<T: Serialize, E: Serialize> ShowError<Result<T, E>> for &Probe<Result<T, E>> {
    fn show(&self) -> Show<Result<T, E>> {
        |outcome, layout| match outcome {
            Ok(value) => json(value, layout).map(Shown::Value),
            Err(error) => {
                Ok(Shown::Error { text: json(error, Layout::Compact)?, json: json(error, layout)? })
            }
        }
    }
}

/// For any other type.
pub trait ShowValue<T> {
    /// How to show it.
    fn show(&self) -> Show<T>;
}

impl<T: Serialize> ShowValue<T> for Probe<T> {
    fn show(&self) -> Show<T> {
        |outcome, layout| json(outcome, layout).map(Shown::Value)
    }
}

fn json<T: Serialize>(value: &T, layout: Layout) -> Result<String, serde_json::Error> {
    match layout {
        Layout::Compact => serde_json::to_string(value),
        Layout::Pretty => serde_json::to_string_pretty(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! shown {
        ($value:expr, $ty:ty) => {
            (&&&Probe::<$ty>::new()).show()(&$value, Layout::Compact).unwrap()
        };
    }

    #[test]
    fn a_value_is_shown_as_json() {
        assert!(matches!(shown!(5, u32), Shown::Value(json) if json == "5"));
        assert!(matches!(shown!(Ok(5), Result<u32, Error>), Shown::Value(json) if json == "5"));
        assert!(matches!(shown!(Ok(5), Result<u32, Vec<u8>>), Shown::Value(json) if json == "5"));
        assert!(matches!(shown!(u128::MAX, u128), Shown::Value(json) if json == u128::MAX.to_string()));
    }

    #[test]
    fn an_error_is_shown_with_its_causes_or_as_json() {
        let error = Error::new("inner").context("outer");
        let Shown::Error { text, json } = shown!(Err(error), Result<u32, Error>) else { panic!("a value") };
        assert_eq!(text, "outer: inner");
        assert_eq!(json, r#"{"message":"outer","causes":["inner"]}"#);
        assert!(
            matches!(shown!(Err(vec![1]), Result<u32, Vec<u8>>), Shown::Error { text, .. } if text == "[1]")
        );
        let text_error = shown!(Err("no".to_owned()), Result<u32, String>);
        assert!(matches!(text_error, Shown::Error { text, json } if text == "no" && json == "\"no\""));
    }

    #[test]
    fn a_key_that_json_cannot_have_is_an_error() {
        let map = std::collections::BTreeMap::from([((1, 2), 3)]);
        #[allow(clippy::needless_borrow)] // how many borrows there are is what is resolved
        let show = (&&&Probe::<std::collections::BTreeMap<(u8, u8), u8>>::new()).show();
        assert!(show(&map, Layout::Pretty).is_err());
    }
}
