//! The constructs of the language, by name: fan-outs over a list, and into unlike branches.

use syn::{Expr, ExprCall, ExprMacro};

use super::unwrapped;

/// A fan-out over a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FanOut {
    All,
    Try,
    FirstOk,
}

impl FanOut {
    pub(super) fn name(self) -> &'static str {
        match self {
            FanOut::All => "fan_out",
            FanOut::Try => "try_fan_out",
            FanOut::FirstOk => "first_ok",
        }
    }

    /// What it takes, and how it is written.
    pub(super) fn takes(self) -> (usize, &'static str, &'static str) {
        match self {
            FanOut::All | FanOut::Try => (2, "a list and an `async` closure", "list, async |item| …"),
            FanOut::FirstOk => (3, "a number, a list and an `async` closure", "number, list, async |item| …"),
        }
    }
}

/// A fan-out into unlike branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    All,
    Try,
    Race,
}

/// The most branches of a fan-in that does not wait for all of them: they share one row.
pub(super) const MAX_FIRST: usize = 128;

/// The name of a construct that is called and awaited.
pub(super) fn is_fan_out(expr: &Expr) -> Option<FanOut> {
    let Expr::Path(path) = unwrapped(expr) else { return None };
    match path.path.segments.last()?.ident.to_string().as_str() {
        "fan_out" => Some(FanOut::All),
        "try_fan_out" => Some(FanOut::Try),
        "first_ok" => Some(FanOut::FirstOk),
        _ => None,
    }
}

/// `join!` and the like, parsed: a call whose function is the bare macro.
pub(super) fn is_join(call: &ExprCall) -> Option<Join> {
    let Expr::Macro(ExprMacro { mac, .. }) = &*call.func else { return None };
    join_named(&mac.path)
}

/// The construct that a macro of this name is.
pub(super) fn join_named(path: &syn::Path) -> Option<Join> {
    match path.segments.last()?.ident.to_string().as_str() {
        "join" => Some(Join::All),
        "try_join" => Some(Join::Try),
        "race" => Some(Join::Race),
        _ => None,
    }
}
