//! Format strings in macros: which argument is one, and which variables it captures.

use std::ops::Range;

use quote::ToTokens;
use syn::{Expr, ExprCall, ExprLit, Lit, LitStr, punctuated::Punctuated};

/// Whether the argument at `index` of the macro `name` is its format string, if it is a literal.
///
/// Of an unknown macro any literal may be one.
pub(super) fn is_format(name: &str, index: usize) -> bool {
    match name {
        "format" | "format_args" | "print" | "println" | "eprint" | "eprintln" | "panic" | "todo"
        | "unimplemented" | "unreachable" | "anyhow" | "eyre" => index == 0,
        "write" | "writeln" | "assert" | "debug_assert" => index == 1,
        "assert_eq" | "assert_ne" | "debug_assert_eq" | "debug_assert_ne" => index == 2,
        "vec" | "dbg" | "concat" | "stringify" | "include_str" | "include_bytes" | "env" | "option_env"
        | "matches" | "json" => false,
        _ => true,
    }
}

/// Whether the macro formats, and so only borrows its arguments.
pub(super) fn borrows(name: &str) -> bool {
    (0..=2).any(|index| is_format(name, index)) && !is_format(name, 3)
}

/// Whether the macro never comes back.
pub(super) fn diverges(name: &str) -> bool {
    matches!(name, "panic" | "unreachable" | "todo" | "unimplemented")
}

/// The name of the macro, when the call is a macro that `rules` has parsed.
pub(super) fn macro_name(call: &ExprCall) -> Option<String> {
    match &*call.func {
        Expr::Macro(mac) => mac.mac.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// The format strings among the arguments of a parsed macro, and the names of its `name = value`
/// arguments, which are no captures.
pub(super) fn strings<'a, P>(
    name: &str,
    args: &'a Punctuated<Expr, P>,
) -> (impl Iterator<Item = (usize, &'a LitStr)> + use<'a, P>, Vec<String>) {
    let named = args.iter().filter_map(|arg| match arg {
        Expr::Assign(assign) => super::path_ident(&assign.left).map(unraw),
        _ => None,
    });
    let name = name.to_owned();
    let strings = args.iter().enumerate().filter_map(move |(i, arg)| match arg {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if is_format(&name, i) => Some((i, text)),
        _ => None,
    });
    (strings, named.collect())
}

/// A name without the `r#` of a raw identifier.
pub(super) fn unraw(ident: &syn::Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// What the format string captures: `{name}`, `{name:…}`, `{…:width$}`.
pub(super) fn captured(text: &LitStr) -> Vec<String> {
    let text = text.to_token_stream().to_string();
    captures(&text).into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// The captures in the source text of a literal: where each name is, and the name.
pub(super) fn captures(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('{') {
        let open = at + open;
        at = open + 1;
        if text[at..].starts_with('{') {
            at += 1;
            continue;
        }
        if text[..open].ends_with("\\u") {
            continue;
        }
        let end = name_end(text, at);
        if text[end..].starts_with(['}', ':']) && is_name(&text[at..end]) {
            found.push((at..end, &text[at..end]));
        }
        let close = text[end..].find('}').map_or(text.len(), |close| end + close);
        let mut part = end;
        while part < close {
            let stop = name_end(text, part);
            if stop > part && text[stop..].starts_with('$') && is_name(&text[part..stop]) {
                found.push((part..stop, &text[part..stop]));
            }
            part = stop.max(part) + text[stop.max(part)..].chars().next().map_or(1, char::len_utf8);
        }
        at = close.min(text.len());
    }
    found
}

fn name_end(text: &str, from: usize) -> usize {
    text[from..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(text.len(), |end| from + end)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::captures;

    fn names(text: &str) -> Vec<&str> {
        captures(text).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn captures_are_found_where_they_are() {
        assert_eq!(
            names("a {x} {{no}} {y:?} {0} {} {z:>width$.p$} {:q$}"),
            ["x", "y", "z", "width", "p", "q"]
        );
        assert_eq!(captures("{{x}} {x}"), [(7..8, "x")]);
        assert_eq!(names(r"\u{e9} {é} {"), ["é"]);
        assert!(names("{").is_empty() && names("{x").is_empty() && names("").is_empty());
    }
}
