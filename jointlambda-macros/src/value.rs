//! Readers for the values of attribute keys: one token → a number, a duration, a name.
//!
//! A reader gives `None` for a token of the wrong kind. Must not report: the caller knows the key.

use std::{fmt::Display, str::FromStr};

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use syn::Lit;

/// A value and where it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// What [`duration`] reads, in prose.
pub(crate) const DURATION: &str = "a duration: text of a whole number and `ms`, `s` or `m`";

/// `2048`, `2_048`; no suffix.
pub(crate) fn whole<N: FromStr<Err: Display>>(token: &TokenTree) -> Option<N> {
    match literal(token)? {
        Lit::Int(int) if int.suffix().is_empty() => int.base10_parse().ok(),
        _ => None,
    }
}

/// `2`, `0.5`, `0.125` → thousandths. Read digit by digit: binary fractions would round.
pub(crate) fn thousandths(token: &TokenTree) -> Option<u32> {
    let digits = match literal(token)? {
        Lit::Int(int) if int.suffix().is_empty() => int.base10_digits().to_owned(),
        Lit::Float(float) if float.suffix().is_empty() => float.base10_digits().to_owned(),
        _ => return None,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 3 {
        return None;
    }
    let fraction = format!("{fraction:0<3}").parse::<u32>().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(fraction)
}

/// `"500ms"`, `"90s"`, `"15m"` → milliseconds.
pub(crate) fn duration(token: &TokenTree) -> Option<u64> {
    milliseconds(&text(token)?)
}

fn milliseconds(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

/// `"text"`.
pub(crate) fn text(token: &TokenTree) -> Option<String> {
    match literal(token)? {
        Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

/// A name.
pub(crate) fn name(token: &TokenTree) -> Option<Ident> {
    match token {
        TokenTree::Ident(ident) => Some(ident.clone()),
        _ => None,
    }
}

/// The word `before`.
pub(crate) fn before(token: &TokenTree) -> Option<()> {
    name(token).filter(|word| word == "before").map(drop)
}

/// `[…]`.
pub(crate) fn list(token: &TokenTree) -> Option<TokenStream> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => Some(group.stream()),
        _ => None,
    }
}

/// The tokens between commas; a comma at the end adds nothing, two in a row give the second.
pub(crate) fn between_commas(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    for token in tokens {
        match &token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => {
                if part.is_empty() {
                    parts.push(vec![token]);
                } else {
                    parts.push(std::mem::take(&mut part));
                }
            }
            _ => part.push(token),
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

fn literal(token: &TokenTree) -> Option<Lit> {
    match token {
        TokenTree::Literal(literal) => Some(Lit::new(literal.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> TokenTree {
        text.parse::<TokenStream>().unwrap().into_iter().next().unwrap()
    }

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        assert_eq!(duration(&token("\"500ms\"")), Some(500));
        assert_eq!(duration(&token("\"90s\"")), Some(90_000));
        assert_eq!(duration(&token("\"15m\"")), Some(900_000));
        assert_eq!(duration(&token("\"0s\"")), Some(0));
        for wrong in
            ["\"\"", "\"90\"", "\"s\"", "\"1.5s\"", "\"-1s\"", "\"1 s\"", "\"1h\"", "\"5S\"", "90", "x"]
        {
            assert_eq!(duration(&token(wrong)), None, "{wrong}");
        }
        assert_eq!(duration(&token("\"18446744073709551615m\"")), None, "overflow");
    }

    #[test]
    fn cpu_is_read_without_rounding() {
        assert_eq!(thousandths(&token("0.05")), Some(50));
        assert_eq!(thousandths(&token("0.15")), Some(150));
        assert_eq!(thousandths(&token("16")), Some(16_000));
        assert_eq!(thousandths(&token("1.")), Some(1_000));
        assert_eq!(thousandths(&token("1.2500")), Some(1_250));
        for wrong in ["0.0001", "1f32", "1e3", "\"1\"", "5000000"] {
            assert_eq!(thousandths(&token(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn a_suffix_is_not_a_unit() {
        assert_eq!(whole(&token("2_048")), Some(2048));
        assert_eq!(whole::<u32>(&token("2GB")), None);
        assert_eq!(whole::<u32>(&token("2.0")), None);
        assert_eq!(whole::<u32>(&token("4294967296")), None);
        assert_eq!(whole(&token("4294967296")), Some(1_u64 << 32));
    }

    #[test]
    fn commas_separate() {
        let parts = |text: &str| between_commas(text.parse().unwrap()).len();
        assert_eq!(parts(""), 0);
        assert_eq!(parts("a = 1, b(c, d),"), 2);
        assert_eq!(parts("a,,b"), 3);
    }
}
