//! Types that read the same, types that do not, and types that cannot be read from made-up values.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    num::NonZeroU32,
    time::Duration,
};

use serde::{Deserialize, Deserializer, de};

use super::*;

/// What a type asks for, in all passes.
fn text<T: DeserializeOwned + 'static>() -> String {
    let mut shapes = Shapes::new();
    shapes.of::<T>();
    shapes.text
}

fn digest<T: DeserializeOwned + 'static>() -> [u8; 32] {
    let mut shapes = Shapes::new();
    shapes.of::<T>();
    shapes.finish()
}

/// It ends with a value: whatever it asks for was found, in a few passes.
#[track_caller]
fn assert_read<T: DeserializeOwned + 'static>() -> String {
    let text = text::<T>();
    assert!(text.ends_with("ok\n"), "{text}");
    assert!(passes(&text) < 60, "{} passes:\n{text}", passes(&text));
    text
}

fn passes(text: &str) -> usize {
    text.lines().filter(|line| ["ok", "refused"].contains(line)).count()
}

/// Declares the same type twice, with one difference.
macro_rules! pairs {
    ($($test:ident { $($one:item)+ } { $($other:item)+ })+) => {$(
        #[test]
        fn $test() {
            mod one {
                #[allow(unused_imports)]
                use super::*;
                $(#[allow(dead_code)] #[derive(Deserialize)] $one)+
            }
            mod other {
                #[allow(unused_imports)]
                use super::*;
                $(#[allow(dead_code)] #[derive(Deserialize)] $other)+
            }
            assert_ne!(digest::<one::T>(), digest::<other::T>(), "{}", text::<one::T>());
            assert_ne!(digest::<Vec<Option<one::T>>>(), digest::<Vec<Option<other::T>>>());
            assert_ne!(digest::<HashMap<String, one::T>>(), digest::<HashMap<String, other::T>>());
        }
    )+};
}

pairs! {
    the_type_of_a_field { pub(super) struct T { a: u64, b: u8 } } { pub(super) struct T { a: String, b: u8 } }
    the_width_of_a_field { pub(super) struct T { a: u64 } } { pub(super) struct T { a: u32 } }
    the_name_of_a_field { pub(super) struct T { a: u64 } } { pub(super) struct T { b: u64 } }
    the_order_of_fields { pub(super) struct T { a: u64, b: u64 } } { pub(super) struct T { b: u64, a: u64 } }
    the_last_field { pub(super) struct T { a: u64, b: Vec<u8> } } { pub(super) struct T { a: u64, b: Vec<i8> } }
    an_option { pub(super) struct T { a: Option<u64> } } { pub(super) struct T { a: u64 } }
    a_rename { pub(super) struct T { a: u64 } } { pub(super) struct T { #[serde(rename = "c")] a: u64 } }
    the_length_of_an_array { pub(super) struct T { a: [u8; 3] } } { pub(super) struct T { a: [u8; 4] } }
    the_content_of_an_array { pub(super) struct T(u8, [u8; 3]); } { pub(super) struct T(u8, [u16; 3]); }
    a_key { pub(super) struct T(HashMap<u8, u8>); } { pub(super) struct T(HashMap<u16, u8>); }
    a_value { pub(super) struct T(HashMap<u8, u8>); } { pub(super) struct T(HashMap<u8, u16>); }
    a_variant { pub(super) enum T { A, B(u8) } } { pub(super) enum T { A, B(u8), C } }
    the_content_of_a_variant { pub(super) enum T { A, B(u8) } } { pub(super) enum T { A, B(u16) } }
    the_kind_of_a_variant { pub(super) enum T { A, B(u8) } } { pub(super) enum T { A, B { a: u8 } } }
    a_variant_far_in
        { pub(super) enum T { A(u8), B(U), C(u8) } pub(super) enum U { D, E(V) } pub(super) enum V { F(u8), G(u8) } }
        { pub(super) enum T { A(u8), B(U), C(u8) } pub(super) enum U { D, E(V) } pub(super) enum V { F(u8), G(u16) } }
    two_results
        { pub(super) struct T { a: Result<u8, u8>, b: Result<u8, u32> } }
        { pub(super) struct T { a: Result<u8, u8>, b: Result<u8, u64> } }
    a_recursive_type
        { pub(super) struct T { next: Option<Box<T>>, all: Vec<T>, a: u8 } }
        { pub(super) struct T { next: Option<Box<T>>, all: Vec<T>, a: u16 } }
    an_enum_that_holds_itself
        { pub(super) enum T { Add(Box<T>, Box<T>), Not(Box<T>), Let { name: Option<String>, is: Box<T> }, Num(u8) } }
        { pub(super) enum T { Add(Box<T>, Box<T>), Not(Box<T>), Let { name: Option<char>, is: Box<T> }, Num(u8) } }
    a_field_after_one_that_refuses
        { pub(super) struct T { a: Never, b: (u8, Never), c: u8 } }
        { pub(super) struct T { a: Never, b: (u8, Never), c: u16 } }
    a_variant_after_one_that_refuses
        { pub(super) enum T { A(Never), B { a: Never, b: u8 }, C(u8) } }
        { pub(super) enum T { A(Never), B { a: Never, b: u16 }, C(u8) } }
    a_field_after_one_that_panics
        { pub(super) struct T { a: Panics, b: u8 } }
        { pub(super) struct T { a: Panics, b: u16 } }
    a_tag
        { #[serde(tag = "kind")] pub(super) enum T { A { a: u8 }, B { b: u8 } } }
        { #[serde(tag = "type")] pub(super) enum T { A { a: u8 }, B { b: u8 } } }
    a_tagged_variant
        { #[serde(tag = "kind")] pub(super) enum T { A { a: u8 }, B { b: u8 } } }
        { #[serde(tag = "kind")] pub(super) enum T { A { a: u8 }, B { b: String } } }
    a_variant_with_its_content_beside_the_tag
        { #[serde(tag = "t", content = "c")] pub(super) enum T { A(u8), B(u8) } }
        { #[serde(tag = "t", content = "c")] pub(super) enum T { A(u8), B(u16) } }
    an_untagged_variant
        { #[serde(untagged)] pub(super) enum T { A(u64), B { at: f64, of: String }, C(bool) } }
        { #[serde(untagged)] pub(super) enum T { A(u64), B { at: f64, of: bool }, C(bool) } }
    the_name_of_an_untagged_field
        { #[serde(untagged)] pub(super) enum T { A(u64), B { at: f64 } } }
        { #[serde(untagged)] pub(super) enum T { A(u64), B { to: f64 } } }
    a_flattened_field
        { pub(super) struct T { a: u8, #[serde(flatten)] rest: U } pub(super) struct U { b: u8, c: String } }
        { pub(super) struct T { a: u8, #[serde(flatten)] rest: U } pub(super) struct U { b: u8, c: bool } }
    a_field_beside_a_flattened_one
        { pub(super) struct T { a: u8, #[serde(flatten)] rest: U } pub(super) struct U { b: u8 } }
        { pub(super) struct T { a: u16, #[serde(flatten)] rest: U } pub(super) struct U { b: u8 } }
}

/// Refuses whatever it is given.
#[derive(Debug)]
pub(super) struct Never;

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(de::Error::custom(format_args!("`{text}` is not good enough")))
    }
}

#[derive(Debug)]
pub(super) struct Panics;

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        panic!("{number} is not good enough")
    }
}

#[test]
fn what_does_not_travel_is_not_in_the_shape() {
    mod one {
        #[derive(serde::Deserialize)]
        pub(super) struct T {
            _a: u64,
            _b: Vec<u8>,
        }
    }
    mod other {
        #[derive(serde::Deserialize)]
        pub(super) struct T {
            _a: u64,
            #[serde(skip)]
            _not: Option<std::time::Instant>,
            _b: std::collections::VecDeque<u8>,
        }
    }
    assert_eq!(digest::<one::T>(), digest::<other::T>());
}

#[test]
fn common_types_are_read_to_the_end() {
    #[allow(dead_code)]
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wide {
        number: NonZeroU32,
        address: IpAddr,
        wait: Duration,
        wide: i128,
        letter: char,
        unit: (),
        pair: (f32, Option<bool>),
        #[serde(default, alias = "old")]
        new: BTreeMap<String, Vec<u8>>,
        path: std::path::PathBuf,
        range: std::ops::Range<u8>,
        path_or_not: Result<std::path::PathBuf, crate::Error>,
        any: serde_json::Value,
        bytes: bytes::Bytes,
    }
    let text = assert_read::<Wide>();
    assert!(text.contains("field \"bytes\""), "{text}");
    assert_read::<crate::Result<Vec<Wide>>>();
    // An address is an enum in a format that is not for people: of both kinds.
    assert!(text.contains("variant \"V4\"") && text.contains("variant \"V6\""), "{text}");
}

#[test]
fn texts_that_must_be_of_a_form_are_found() {
    #[allow(dead_code)]
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    struct Id(String);
    impl TryFrom<String> for Id {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            if text.len() == 36 { Ok(Id(text)) } else { Err("an id has 36 letters".to_owned()) }
        }
    }
    #[allow(dead_code)]
    #[derive(Deserialize)]
    struct Row {
        id: Id,
        all: Vec<Id>,
        count: u8,
    }
    let text = assert_read::<Row>();
    assert!(text.contains("u8"), "{text}");
}

#[test]
fn open_types_are_read_to_the_end() {
    #[allow(dead_code)]
    #[derive(Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Circle { radius: f64 },
        Square { side: f64, at: Point },
        Nothing,
    }
    #[allow(dead_code)]
    #[derive(Deserialize)]
    struct Point {
        x: i32,
        y: i32,
    }
    #[allow(dead_code)]
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
        Text(String),
        Point(Point),
        Both { point: Point, tagged: Tagged },
    }
    #[allow(dead_code)]
    #[derive(Deserialize)]
    struct All {
        tagged: Tagged,
        untagged: Vec<Untagged>,
        #[serde(flatten)]
        point: Point,
        last: bool,
    }
    for (text, asked) in [
        (assert_read::<Tagged>(), &["radius", "side", "\"x\"", "Nothing"][..]),
        // The last variant is seen in part: what it has beside `point`, the one before it takes for nothing.
        (assert_read::<Untagged>(), &["\"x\"", "\"y\"", "i32", "missing \"point\""]),
        (assert_read::<All>(), &["\"tagged\"", "\"last\"", "\"x\"", "bool"]),
    ] {
        for word in asked {
            assert!(text.contains(word), "{word}:\n{text}");
        }
    }
}

#[test]
fn what_is_never_made_is_noted_with_what_was_asked() {
    let text = text::<(u8, Never, u16)>();
    assert!(text.contains("tuple 3\nu8\nstr\nrefused"), "{text}");
    assert!(text.ends_with("refused\n") && passes(&text) < 60, "{text}");
    let text = super::tests::text::<Panics>();
    assert!(text.contains("u64\nrefused"), "{text}");
}

#[test]
fn no_type_takes_for_ever() {
    /// Has no end.
    #[derive(Deserialize)]
    struct Endless(#[allow(dead_code)] Box<Endless>);

    /// Asks again and again.
    struct Greedy;
    impl<'de> Deserialize<'de> for Greedy {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct All;
            impl<'de> de::Visitor<'de> for All {
                type Value = Greedy;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("very much")
                }
                fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Greedy, A::Error> {
                    while seq.next_element::<u8>()?.is_some() {}
                    Ok(Greedy)
                }
            }
            deserializer.deserialize_tuple(usize::MAX, All)
        }
    }

    /// Branches as it goes down.
    macro_rules! wide {
        ($($name:ident)+) => {
            #[allow(dead_code)]
            #[derive(Deserialize)]
            enum Wide { $($name(Box<Wide>, Vec<Wide>, Option<Box<Wide>>)),+, End }
        };
    }
    wide!(A B C D E F G H I J K L M N O P Q R S T U V W X Y Z);

    for text in [text::<Endless>(), text::<Greedy>(), text::<Wide>()] {
        assert!(passes(&text) <= MAX_PASSES);
        assert!(text.lines().count() <= 2 * MAX_OF_TYPE as usize);
    }
    /// Holds itself, and asks for nothing of its own.
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Clear(#[allow(dead_code)] Vec<Clear>);
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Bare(#[allow(dead_code)] Option<Box<Bare>>);
    assert_read::<Clear>();
    assert_read::<Bare>();

    let text = text::<Wide>();
    assert!(text.ends_with("ok\n"), "{}", passes(&text));
    assert!(text.contains("\"Z\"\ntuple variant 3"));
    assert!(text.lines().count() < 20_000, "{}", text.lines().count());
}

#[test]
fn all_types_share_one_bound() {
    let mut shapes = Shapes { left: 10, ..Shapes::new() };
    shapes.of::<[u8; 8]>();
    shapes.of::<[u16; 8]>();
    assert_eq!(shapes.left, 0);
    shapes.of::<u32>();
    assert!(shapes.text.ends_with("refused\n"), "{}", shapes.text);
}

/// The same in every process, whatever else the program has: a change of this number is a change of
/// every definition.
#[test]
fn a_shape_is_the_same_in_every_process() {
    #[allow(dead_code)]
    #[derive(Deserialize)]
    enum Shape {
        One { at: HashMap<String, (u8, f64)> },
        All(Vec<Shape>),
    }
    let first = digest::<Shape>();
    assert_eq!(digest::<Shape>(), first);
    let hex: String = first[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "aae154bd8f9f47ca");
}
