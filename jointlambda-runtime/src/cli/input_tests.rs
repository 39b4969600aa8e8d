//! What an input may be, and what is said of one that may not.

use std::io::Write as _;

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
struct Clip {
    name: String,
    frames: Vec<u32>,
}

fn said<I: DeserializeOwned + fmt::Debug>(text: &str, params: &[&str]) -> String {
    parse::<I>(text.as_bytes(), params).expect_err("a mistake").lines()
}

#[test]
fn one_parameter_is_its_value() {
    assert_eq!(parse::<u64>(b" 18446744073709551615 ", &["x"]).unwrap(), u64::MAX);
    let clip = parse::<Clip>(br#"{"name": "a", "frames": [1]}"#, &["clip"]).unwrap();
    assert_eq!(clip, Clip { name: "a".to_owned(), frames: vec![1] });
    assert_eq!(parse::<u8>(b"\xef\xbb\xbf7", &["x"]).unwrap(), 7, "a byte order mark is no part of it");
}

#[test]
fn several_parameters_are_an_object_or_an_array() {
    let params = ["x", "y"];
    let expected = (1_u32, "b".to_owned());
    assert_eq!(parse::<(u32, String)>(br#"{"y": "b", "x": 1}"#, &params).unwrap(), expected);
    assert_eq!(parse::<(u32, String)>(br#"[1, "b"]"#, &params).unwrap(), expected);
}

#[test]
fn no_parameter_takes_nothing() {
    for text in ["null", "{}", "[]", ""] {
        parse::<()>(text.as_bytes(), &[]).unwrap();
    }
    assert_eq!(said::<()>("5", &[]), "error: the workflow takes no input\nhint: leave `--input` out\n");
}

#[test]
fn names_are_checked() {
    let params = ["x", "y"];
    let hint = "hint: the parameters are `x`, `y`\n";
    assert_eq!(said::<(u8, u8)>(r#"{"x": 1}"#, &params), format!("error: the input has no `y`\n{hint}"));
    assert_eq!(
        said::<(u8, u8)>(r#"{"x": 1, "y": 2, "z": 3}"#, &params),
        format!("error: the input has `z`, which is no parameter\n{hint}")
    );
    assert_eq!(
        said::<(u8, u8)>(r#"{"x": 1, "y": 2, "x": 3}"#, &params),
        "error: the input has `x` more than once\n"
    );
}

#[test]
fn malformed_json_is_shown_where_it_is() {
    assert_eq!(
        said::<Clip>("{\n  \"name\": \"a\",\n  \"frames\" 1\n}", &["clip"]),
        "error: the input is not valid JSON: expected `:` at line 3 column 12, near `…name\": \"a\",   \"frames\" 1 }`\n"
    );
    assert!(said::<u32>("nowhere.json", &["x"]).contains("hint: "), "it looks like a path");
    assert_eq!(said::<u32>("  ", &["x"]), "error: the input is empty, which is not JSON\n");
    assert!(said::<u32>("1 2", &["x"]).contains("trailing characters at line 1 column 3"));
    assert!(
        said::<u32>(&"[".repeat(10_000), &["x"]).starts_with("error: the input"),
        "deep nesting is an error"
    );
}

#[test]
fn json_of_the_wrong_type_is_shown_with_its_path() {
    assert_eq!(
        said::<Clip>(r#"{"name": "a", "frames": [1, "x"]}"#, &["clip"]),
        "error: the input does not fit at `frames[1]`: invalid type: string \"x\", expected u32 \
         (line 1 column 31, near `…: \"a\", \"frames\": [1, \"x\"]}`)\n"
    );
    let swapped = said::<(u8, Clip)>(r#"{"clip": {"name": 5, "frames": []}, "x": 1}"#, &["x", "clip"]);
    assert!(swapped.contains("at `clip.name`: invalid type: integer `5`, expected a string"), "{swapped}");
    assert!(swapped.contains("(line 1 column 19, near"), "{swapped}");
}

#[test]
fn a_message_shows_little_of_the_input() {
    let long = format!("{{\"name\": \"{}\", \"frames\": 5}}", "secret".repeat(1000));
    assert!(said::<Clip>(&long, &["clip"]).len() < 300);
    let wrong = format!("\"{}\"", "secret".repeat(1000));
    assert!(said::<u32>(&wrong, &["x"]).len() < 500);
}

#[test]
fn the_text_comes_from_the_argument_a_file_or_stdin() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[1]").unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(read("5", io::empty()).unwrap(), b"5");
    assert_eq!(read("-", &b"6"[..]).unwrap(), b"6");
    assert_eq!(read(path, io::empty()).unwrap(), b"[1]");
    assert_eq!(read(&format!("@{path}"), io::empty()).unwrap(), b"[1]");
    let missing = read("@/nowhere/at/all", io::empty()).unwrap_err().lines();
    assert!(missing.starts_with("error: failed to read the input file /nowhere/at/all: "), "{missing}");
    let directory = tempfile::tempdir().unwrap();
    assert!(
        read(directory.path().to_str().unwrap(), io::empty()).unwrap_err().lines().contains("a directory")
    );
}

#[test]
fn an_input_is_bounded() {
    let error = read("-", io::repeat(b' ')).unwrap_err().lines();
    assert!(error.starts_with("error: the input from stdin is over the limit of 64 MB"), "{error}");
}

#[test]
fn what_is_not_text_is_said_to_be_so() {
    let trouble = parse::<u32>(b"12\xff", &["x"]).unwrap_err().lines();
    assert!(trouble.starts_with("error: the input is not UTF-8 text, from byte 2 on\nhint: "), "{trouble}");
}
