//! Nothing that arrives makes the decoders panic, and nothing damaged is taken for whole.

use aliyun_wire::{
    acs3, oss,
    tablestore::{
        message::GetRangeRequest,
        plain_buffer::{decode, decode_one, decode_value, encode, encode_value},
        row::{Cell, Change, Row, Value},
    },
    text, time,
};
use proptest::prelude::*;
use prost::Message as _;

fn rows() -> Vec<Row> {
    let key = vec![
        ("a".to_owned(), Value::string("w1#n3")),
        ("b".to_owned(), Value::Integer(-7)),
        ("c".to_owned(), Value::binary([0, 255])),
        ("d".to_owned(), Value::InfMax),
    ];
    let cells = vec![
        Cell::put("text", Value::string("ünïcode")),
        Cell { timestamp_ms: Some(1_767_323_045_000), ..Cell::put("n", Value::Double(0.5)) },
        Cell::increment("count", 1),
        Cell::delete("gone"),
        Cell { value: None, change: Some(Change::DeleteOne), timestamp_ms: Some(7), ..Cell::delete("old") },
        Cell::put("is", Value::Boolean(true)),
    ];
    let deleted = Row { delete: true, ..Row::of_key(vec![("a".into(), Value::AutoIncrement)]) };
    vec![Row { key, cells, delete: false }, deleted, Row::of_key(vec![("a".into(), Value::InfMin)])]
}

#[test]
fn rows_cut_anywhere_are_refused_or_fewer() {
    let whole = encode(&rows());
    assert_eq!(decode(&whole).unwrap(), rows());
    let ends: Vec<usize> = (0..=rows().len()).map(|count| encode(&rows()[..count]).len()).collect();
    for cut in 0..whole.len() {
        let fewer = ends.iter().position(|end| *end == cut);
        assert_eq!(decode(&whole[..cut]).ok().map(|rows| rows.len()), fewer, "cut after {cut} bytes");
    }
}

#[test]
fn a_bit_that_is_not_the_one_sent_is_noticed() {
    let whole = encode(&rows());
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&damaged).is_err(), "bit {bit}");
    }
}

#[test]
fn one_row_takes_zeros_after_it_and_nothing_else() {
    let row = encode(&rows()[2..]);
    assert_eq!(decode_one(&row).unwrap(), rows()[2]);
    assert_eq!(decode_one(&[&row[..], &[0; 8]].concat()).unwrap(), rows()[2]);
    decode_one(&[&row[..], &[0, 1]].concat()).unwrap_err();
    decode_one(&encode(&rows())).unwrap_err();
    decode_one(&encode(&[])).unwrap_err();
}

#[test]
fn a_length_beyond_the_end_allocates_nothing() {
    let mut huge = 0x75_u32.to_le_bytes().to_vec();
    huge.extend([1, 3, 4]);
    huge.extend(u32::MAX.to_le_bytes());
    let error = decode(&huge).unwrap_err().to_string();
    assert!(error.starts_with("the name of a column ends after 11 bytes"), "{error}");
}

#[test]
fn values_take_exactly_their_bytes() {
    for (_, value) in &rows()[0].key {
        let bytes = encode_value(value);
        assert_eq!(&decode_value(&bytes).unwrap(), value);
        for cut in 0..bytes.len() {
            decode_value(&bytes[..cut]).unwrap_err();
        }
        decode_value(&[&bytes[..], &[0]].concat()).unwrap_err();
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_filter("equal to itself", |number| !number.is_nan()).prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        any::<String>().prop_map(Value::String),
        any::<Vec<u8>>().prop_map(Value::Binary),
    ]
}

proptest! {
    #[test]
    fn rows_come_back_as_they_went(
        key in prop::collection::vec((any::<String>(), value()), 1..4),
        cells in prop::collection::vec((any::<String>(), value(), any::<Option<i64>>()), 0..6),
    ) {
        let cells = cells
            .into_iter()
            .map(|(name, value, timestamp_ms)| Cell { timestamp_ms, ..Cell::put(name, value) })
            .collect();
        let row = Row { key, cells, delete: false };
        prop_assert_eq!(decode(&encode(std::slice::from_ref(&row))).unwrap(), vec![row]);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in any::<Vec<u8>>()) {
        let _ = decode(&bytes);
        let _ = decode_value(&bytes);
        let _ = decode_one(&[&0x75_u32.to_le_bytes()[..], &bytes].concat());
        let _ = decode(&[&0x75_u32.to_le_bytes()[..], &bytes].concat());
        let _ = GetRangeRequest::decode(bytes.as_slice());
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in any::<String>()) {
        let _ = acs3::Authorization::parse(&text);
        let _ = acs3::Authorization::parse(&format!("{} {text}", acs3::SCHEME));
        let _ = oss::Authorization::parse(&format!("{} {text}", oss::SCHEME));
        let _ = text::percent_decode(&text);
        let _ = text::parse_query(&text);
        let _ = time::parse(&text);
        let _ = time::parse(&format!("{text}Z"));
        let _ = time::parse_http(&text);
    }
}
