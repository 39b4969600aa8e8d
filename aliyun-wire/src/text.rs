//! Percent-encoding as signatures want it, hexadecimal digits, and headers put in order.

use std::fmt::Write as _;

use crate::{Header, WireError};

/// Which characters stay as they are besides letters, digits and `-_.~`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// None.
    Nothing,
    /// The slashes of a path.
    Slashes,
}

/// Percent-encodes as RFC 3986 has it, with upper-case digits.
pub fn percent_encode(text: &str, keep: Keep) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            b'/' if keep == Keep::Slashes => out.push('/'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// Takes percent-encoding off. A `+` stays a `+`.
///
/// # Errors
/// When a `%` is not followed by two digits, or the bytes are not UTF-8.
pub fn percent_decode(text: &str) -> Result<String, WireError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(WireError::malformed("a '%' is not followed by two hexadecimal digits"));
        };
        out.push(u8::try_from(high * 16 + low).unwrap_or(u8::MAX));
    }
    String::from_utf8(out).map_err(|_| WireError::malformed("what is percent-encoded is not UTF-8"))
}

/// The names and values of a query, decoded, in the order they came; the value is `None` where
/// there is no `=`.
///
/// # Errors
/// As [`percent_decode`].
pub fn parse_query(query: &str) -> Result<Vec<(String, Option<String>)>, WireError> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => Ok((percent_decode(name)?, Some(percent_decode(value)?))),
            None => Ok((percent_decode(pair)?, None)),
        })
        .collect()
}

/// Hexadecimal digits in lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left.bytes().zip(right.bytes()).fold(0, |differs, (left, right)| differs | (left ^ right)) == 0
}

/// The headers that `keep` says yes to, names in lower case, values trimmed, in order.
pub(crate) fn sorted(headers: &[Header<'_>], keep: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut sorted: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .filter(|(name, _)| keep(name))
        .collect();
    sorted.sort();
    sorted
}

/// The value of a header, by its name in any case.
pub fn header<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a str> {
    headers.iter().find(|(has, _)| has.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_keeps_only_what_is_unreserved() {
        assert_eq!(percent_encode("a/b c*~映", Keep::Nothing), "a%2Fb%20c%2A~%E6%98%A0");
        assert_eq!(percent_encode("a/b", Keep::Slashes), "a/b");
    }

    #[test]
    fn percent_decoding_refuses_what_is_cut() {
        for cut in ["%", "%4", "a%zz", "%ff"] {
            assert!(percent_decode(cut).is_err(), "{cut}");
        }
        assert_eq!(percent_decode("a%2Fb+c").unwrap(), "a/b+c");
    }

    #[test]
    fn a_query_tells_an_empty_value_from_none() {
        let query = parse_query("list-type=2&versioning&prefix=").unwrap();
        let expected = [("list-type", Some("2")), ("versioning", None), ("prefix", Some(""))];
        let expected: Vec<_> =
            expected.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).into();
        assert_eq!(query, expected);
    }
}
