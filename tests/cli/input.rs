//! Where the input comes from, and what is said when there is something wrong with it.

use super::*;

#[test]
fn the_input_is_an_object_an_array_a_file_or_stdin() {
    let object = pages(2, 0);
    let array = r#"[["page 0 of several", "page 1 of several"], 0]"#;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &object).unwrap();
    let path = file.path().to_str().unwrap();
    let at_path = format!("@{path}");
    let results: Vec<_> = [object.as_str(), array, path, at_path.as_str(), "-"]
        .into_iter()
        .map(|input| {
            let ran = run_with(WORD_COUNT, &["run", "--json", "--input", input], object.as_bytes());
            assert_eq!(ran.code, Some(0), "{ran:?}");
            ran.json()["result"].clone()
        })
        .collect();
    assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
    assert_eq!(results[0]["words"], 8);
}

#[test]
fn flags_make_the_input() {
    let ran = run(GREETER, &["run", "--name", "you", "--times", "2"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.starts_with("\"hello you, hello you\"\n"), "{ran:?}");
    let ran = run(GREETER, &["run", "--input", r#"{"name": "me", "times": 1}"#]);
    assert!(ran.stdout.starts_with("\"hello me\"\n"), "{ran:?}");
}

#[test]
fn flags_that_make_no_input_are_an_error() {
    let ran = run(GREETER, &["run", "--name", "you", "--times", "101"]);
    assert_eq!(ran.error(), "error: the flags make no input: 101 greetings are too many\n");
    let ran = run(GREETER, &["run", "--name", "you", "--input", "{}"]);
    assert!(ran.error().contains("cannot be used with"), "{ran:?}");
    let ran = run(GREETER, &["run"]);
    assert!(ran.error().contains("--name <NAME>"), "{ran:?}");
}

#[test]
fn a_workflow_without_parameters_needs_no_input() {
    let ran = run(ANSWER, &["run"]);
    assert!(ran.code == Some(0) && ran.stdout.starts_with("42\n"), "{ran:?}");
    assert!(
        run(ANSWER, &["run", "--input", "5"]).error().starts_with("error: the workflow takes no input\n")
    );
    assert!(run(WORD_COUNT, &["run"]).error().contains("--input <JSON|FILE|->"));
}

#[test]
fn malformed_json_is_one_line_that_says_where() {
    let ran = run(WORD_COUNT, &["run", "--input", "{\"pages\": [],\n \"pause_ms\" 0}"]);
    let error = ran.error();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains("not valid JSON: expected `:` at line 2 column 13, near"), "{error}");
}

#[test]
fn json_of_the_wrong_type_is_one_line_that_says_where() {
    let ran = run(WORD_COUNT, &["run", "--input", r#"{"pages": ["a", 5], "pause_ms": 0}"#]);
    let error = ran.error();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains("at `pages[1]`: invalid type: integer `5`, expected a string"), "{error}");
    let ran = run(WORD_COUNT, &["run", "--input", r#"{"pages": []}"#]);
    assert_eq!(
        ran.error(),
        "error: the input has no `pause_ms`\nhint: the parameters are `pages`, `pause_ms`\n"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let error = "error: failed to read the input file /nowhere/input.json: ";
    assert!(run(WORD_COUNT, &["run", "--input", "@/nowhere/input.json"]).error().starts_with(error));
    let ran = run(WORD_COUNT, &["run", "--input", "/nowhere/input.json"]);
    assert!(ran.error().contains("hint: text is written in quotes"), "{ran:?}");
}

#[test]
fn unknown_flags_and_values_are_errors() {
    let unknown = run(WORD_COUNT, &["run", "--inptu", "5"]);
    let lines: Vec<_> = unknown.error().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{unknown:?}");
    assert_eq!(lines[0], "error: unexpected argument '--inptu' found");
    assert!(lines[1].starts_with("hint: a similar argument exists: '--input'"), "{unknown:?}");
    let missing = run(WORD_COUNT, &["run"]);
    assert!(
        missing.error().starts_with("error: the following required arguments were not provided: --input")
    );
    assert!(run(WORD_COUNT, &["rnu"]).error().starts_with("error: unrecognized subcommand 'rnu'\nhint: "));
    let ran = run(ANSWER, &["run", "--latency", "osaka"]);
    assert!(ran.error().contains("no latency profile is called `osaka`: use none, tokyo, wan"), "{ran:?}");
    assert!(run(ANSWER, &["graph", "--format", "png"]).error().contains("text, mermaid, dot, svg"));
    assert!(run(ANSWER, &["run", "--id", ""]).error().contains("has 1 to 256 bytes"));
}
