//! What a run, and the other commands, print.

use super::*;

#[test]
fn a_run_prints_its_result_a_chart_and_a_table() {
    let ran = run(WORD_COUNT, &["run", "--latency", "tokyo", "--input", &pages(3, 1)]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stdout.starts_with("{\n  \"words\": 12,\n  \"longest\": \"several\"\n}\n\n"),
        "{}",
        ran.stdout
    );
    for text in ["timeline of ", "█", "cold starts", "invocations", "of 1,000,000 such runs", "the run took"]
    {
        assert!(ran.stdout.contains(text), "{text} is missing in\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn json_is_one_object_and_nothing_else() {
    let json = run(WORD_COUNT, &["run", "--json", "--id", "monday", "--input", &pages(3, 1)]).json();
    assert_eq!(json["status"], "returned");
    assert_eq!(json["key"], "monday");
    assert_eq!(json["result"], serde_json::json!({ "words": 12, "longest": "several" }));
    let spans = json["timeline"]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 1 + 2 * 3 + 2 + 1);
    assert_eq!(json["usage"][0]["invocations"], 3);
    assert_eq!(json["usage"][1]["invocations"], 7);
    assert!(json["cost"]["usd"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_result_is_that_of_the_plain_run() {
    let input = pages(5, 0);
    let plain = run(WORD_COUNT, &["run", "--plain", "--input", &input]);
    assert_eq!(plain.code, Some(0), "{plain:?}");
    let ran = run(WORD_COUNT, &["run", "--input", &input]);
    assert!(ran.stdout.starts_with(&plain.stdout), "{ran:?}");
}

#[test]
fn an_err_ends_with_1_and_its_text() {
    let input = r#"{"pages": ["refuse"], "pause_ms": 0}"#;
    let text = "error: failed to clean the pages: the page is refused\n";
    let ran = run(WORD_COUNT, &["run", "--input", input]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.ends_with(text) && ran.stdout.starts_with("timeline of "), "{ran:?}");
    let ran = run(WORD_COUNT, &["run", "--json", "--input", input]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.json()["status"], "error");
    assert_eq!(ran.json()["error"]["causes"][0], "the page is refused");
    let ran = run(WORD_COUNT, &["run", "--plain", "--input", input]);
    assert_eq!((ran.code, &*ran.stderr, &*ran.stdout), (Some(1), text, ""));
}

#[test]
fn a_failed_run_ends_with_2_and_its_cause() {
    let input = r#"{"pages": ["well", "panic"], "pause_ms": 0}"#;
    let ran = run(WORD_COUNT, &["run", "--json", "--input", input]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(ran.json()["status"], "failed");
    assert_eq!(ran.json()["failure"]["at"], "split");
    let last = ran.stderr.lines().last().unwrap();
    assert!(last.starts_with("error: the run failed: split[1] failed after 4 attempts: "), "{last}");
    assert!(last.contains("this page is bad"), "{last}");
}

#[test]
fn a_wide_fan_out_does_not_flood() {
    let ran = run(WORD_COUNT, &["run", "--input", &pages(2_000, 0)]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.lines().count() < 10, "{}", ran.stderr);
    assert!(ran.stdout.lines().count() < 60, "{}", ran.stdout);
}

#[test]
fn the_graph_is_drawn_in_every_format() {
    let beginnings = [
        ("text", "word_count(pages, pause_ms)\n"),
        ("mermaid", "flowchart TD\n"),
        ("dot", "digraph "),
        ("svg", "<svg "),
    ];
    for (format, beginning) in beginnings {
        let ran = run(WORD_COUNT, &["graph", "--format", format]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.starts_with(beginning) && ran.stdout.contains("longest"), "{}", ran.stdout);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("graph.svg");
    let ran = run(WORD_COUNT, &["graph", "--format", "svg", "-o", file.to_str().unwrap()]);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), ""));
    assert!(std::fs::read_to_string(file).unwrap().ends_with("</svg>\n"));
    let ran = run(WORD_COUNT, &["graph", "-o", "/nowhere/graph.svg"]);
    assert!(ran.error().starts_with("error: failed to write /nowhere/graph.svg: "));
}

#[test]
fn the_definition_is_text_or_json() {
    let ran = run(WORD_COUNT, &["definition"]);
    assert!(ran.stdout.contains("\nfunctions\n  clean    AWS            256 MB"), "{}", ran.stdout);
    let json = run(WORD_COUNT, &["definition", "--json"]).json();
    assert_eq!(json["name"], "word_count");
    assert_eq!(json["functions"].as_array().unwrap().len(), 6);
}

#[test]
fn help_has_the_workflow_and_examples() {
    let ran = run(WORD_COUNT, &["--help"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.starts_with("word_count: Counts the words of pages.\n"), "{}", ran.stdout);
    for command in ["run", "graph", "definition"] {
        let ran = run(WORD_COUNT, &[command, "--help"]);
        assert!(ran.stdout.contains(&format!("Examples:\n  word_count {command}")), "{}", ran.stdout);
        assert!(!ran.stdout.contains("--plain"), "{}", ran.stdout);
    }
    assert!(run(GREETER, &["run", "--help"]).stdout.contains("Who is greeted"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = spawn(WORD_COUNT, &["definition", "--json"]);
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
