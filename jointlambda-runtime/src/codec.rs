//! How values become bytes: MessagePack, with field names in users' types and without in our own.
//!
//! MessagePack describes itself, so every serde attribute works (`flatten`, `untagged`,
//! `skip_serializing_if`), keys need not be strings, and `NaN` stays `NaN`.

mod canonical;

pub(crate) use canonical::canonical;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::error::Fault;

/// Encodes a user's value. `what` names it in the error.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, what: &str) -> Result<Bytes, Fault> {
    match rmp_serde::to_vec_named(value) {
        Ok(bytes) => Ok(Bytes::from(bytes)),
        Err(error) => Err(fault("encode", what, &error)),
    }
}

/// Decodes a user's value. `what` names it in the error.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Fault> {
    rmp_serde::from_slice(bytes).map_err(|error| fault("decode", what, &error))
}

/// Encodes a structure of the protocol, without field names.
pub(crate) fn pack<T: Serialize>(value: &T) -> Bytes {
    Bytes::from(rmp_serde::to_vec(value).expect("the protocol's own structures can be encoded"))
}

/// Decodes a structure of the protocol.
pub(crate) fn unpack<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Fault> {
    rmp_serde::from_slice(bytes).map_err(|error| fault("decode", what, &error))
}

/// The version of what rows and their slots hold. It is the first byte of each, so that a release
/// that meets a row of a later one knows that it cannot judge it.
const ROW_VERSION: u8 = 2;

/// Encodes the content of a row or slot.
pub(crate) fn pack_row<T: Serialize>(value: &T) -> Bytes {
    let mut bytes = vec![ROW_VERSION];
    rmp_serde::encode::write(&mut bytes, value).expect("the protocol's own structures can be encoded");
    Bytes::from(bytes)
}

/// Decodes the content of a row or slot.
///
/// # Errors
/// [`Fault::Foreign`] where another release wrote it.
pub(crate) fn unpack_row<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Fault> {
    match bytes.split_first() {
        Some((&ROW_VERSION, body)) => unpack(body, what),
        Some((other, _)) => {
            Err(Fault::Foreign(format!("{what} has format {other}, and this build reads {ROW_VERSION}")))
        }
        None => Err(fault("decode", what, &"it is empty")),
    }
}

fn fault(action: &'static str, what: &str, cause: &dyn std::fmt::Display) -> Fault {
    Fault::Value { action, what: what.to_owned(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
    enum Shape {
        Unit,
        Tuple(i64, Option<String>),
        Struct { at: (f32, f64), all: Vec<Result<u8, String>> },
    }

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Wide {
        #[serde(flatten)]
        rest: BTreeMap<String, i64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        missing: Option<u8>,
        keyed: BTreeMap<(u8, bool), Shape>,
        bytes: Vec<u8>,
        unit: (),
        text: char,
        wide: i128,
    }

    #[test]
    fn what_serde_can_describe_comes_back() {
        let wide = Wide {
            rest: BTreeMap::from([("n".to_owned(), i64::MIN)]),
            missing: None,
            keyed: BTreeMap::from([
                ((1, true), Shape::Unit),
                ((2, false), Shape::Tuple(-5, Some("é".into()))),
                ((3, true), Shape::Struct { at: (1.5, -0.0), all: vec![Ok(200), Err("no".into())] }),
            ]),
            bytes: (0..=255).collect(),
            unit: (),
            text: '\u{1F980}',
            wide: i128::MIN,
        };
        let bytes = encode(&wide, "wide").unwrap();
        assert_eq!(decode::<Wide>(&bytes, "wide").unwrap(), wide);
        let nan = decode::<f64>(&encode(&f64::NAN, "nan").unwrap(), "nan").unwrap();
        assert!(nan.is_nan());
    }

    #[test]
    fn a_row_of_a_later_release_is_told_from_a_damaged_one() {
        let mut row = pack_row(&(1, "x")).to_vec();
        assert_eq!(unpack_row::<(u8, String)>(&row, "a row").unwrap(), (1, "x".to_owned()));
        row[0] += 1;
        assert!(matches!(unpack_row::<(u8, String)>(&row, "a row"), Err(Fault::Foreign(_))));
        for damaged in [&[][..], &[ROW_VERSION], &[ROW_VERSION, 0xc1]] {
            assert!(matches!(unpack_row::<(u8, String)>(damaged, "a row"), Err(Fault::Value { .. })));
        }
    }

    #[test]
    fn garbage_is_an_error_that_names_the_value() {
        let error = decode::<Shape>(&[0xc1, 0xff], "`shape`").unwrap_err();
        assert!(error.to_string().starts_with("failed to decode `shape`"), "{error}");
    }
}
