//! Charts of made-up timelines.

use std::sync::Arc;

use super::*;
use crate::graph::sample;

const PLAIN: Canvas = Canvas { width: 80, colour: false };

fn span(cloud: usize, function: &str, start_us: u64, end_us: u64, cold: bool) -> Span {
    let outcome = SpanOutcome::Done;
    Span { cloud, function: Arc::from(function), start_us, end_us, cold, attempt: 1, outcome }
}

fn drawn(spans: Vec<Span>, canvas: Canvas) -> String {
    chart(&Timeline { spans, dropped: 0 }, &sample::ALL, canvas)
}

#[test]
fn rows_are_grouped_by_cloud_and_ordered_as_declared() {
    let mut spans = vec![span(0, "split", 1_000_000, 1_020_000, true)];
    for index in 0..8 {
        spans.push(span(1, "extract", 1_020_000 + index * 5_000, 1_080_000 + index * 2_000, index < 4));
    }
    spans.push(span(0, "publish", 1_095_000, 1_100_000, false));
    insta::assert_snapshot!(drawn(spans, PLAIN));
}

#[test]
fn many_executions_take_one_row() {
    let spans = (0..10_000).map(|index| span(0, "split", index * 10, index * 10 + 50_000, false)).collect();
    let text = drawn(spans, PLAIN);
    assert_eq!(text.lines().count(), 5, "{text}");
    let row = text.lines().nth(2).unwrap();
    assert!(row.contains("10,000") && row.contains("5,000"), "count and peak are in {row}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [72, 80, 100, 200] {
        let spans = vec![
            span(0, "split", 0, 123_456_789, true),
            span(1, "a_function_with_an_extraordinarily_long_name", 5, 10_000_000, false),
        ];
        let text = drawn(spans, Canvas { width, colour: false });
        for line in text.lines() {
            assert!(measure_text_width(line) <= width, "{} columns: {line}", measure_text_width(line));
        }
    }
}

#[test]
fn an_execution_of_no_length_is_seen() {
    let text = drawn(vec![span(0, "split", 7, 7, false)], PLAIN);
    assert!(text.contains('█'), "{text}");
}

#[test]
fn executions_one_after_another_are_one_at_once() {
    let row = Row { spans: Vec::new() };
    assert_eq!(row.peak(), 0);
    let spans = [span(0, "f", 0, 10, false), span(0, "f", 10, 20, false), span(0, "f", 20, 30, false)];
    let row = Row { spans: spans.iter().collect() };
    assert_eq!(row.peak(), 1);
    assert_eq!(row.most_at_once(Time { from_us: 0, to_us: 60, columns: 6 }), [1, 1, 1, 0, 0, 0]);
}

#[test]
fn heights_follow_the_executions_at_once() {
    let spans = [span(0, "f", 0, 40, false), span(0, "f", 10, 30, false), span(0, "f", 20, 30, false)];
    let row = Row { spans: spans.iter().collect() };
    assert_eq!(row.most_at_once(Time { from_us: 0, to_us: 40, columns: 4 }), [1, 2, 3, 1]);
    assert_eq!(blocks(&[0, 1, 2, 3, 800]), " ▁▁▁█");
}

#[test]
fn failures_and_what_was_dropped_are_said() {
    let failed = Span { outcome: SpanOutcome::Failed, ..span(0, "split", 0, 10, false) };
    let text = chart(&Timeline { spans: vec![failed], dropped: 5 }, &sample::ALL, PLAIN);
    assert!(text.contains("failed") && text.contains("5 more executions"), "{text}");
}

#[test]
fn nothing_executed_is_said() {
    assert!(drawn(Vec::new(), PLAIN).starts_with("no function was executed"));
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let spans = || vec![span(0, "split", 0, 10, true)];
    assert!(!drawn(spans(), PLAIN).contains('\u{1b}'));
    assert!(drawn(spans(), Canvas { width: 80, colour: true }).contains('\u{1b}'));
}

#[test]
fn the_axis_has_round_numbers() {
    let [line, labels] = axis(Time { from_us: 500, to_us: 100_500, columns: 40 });
    assert_eq!(line.chars().filter(|c| *c == '┴').count(), 2);
    assert_eq!(labels.split_whitespace().collect::<Vec<_>>(), ["0", "50", "ms"]);
    assert_eq!([1, 3, 7, 11, 51].map(round_up), [1, 5, 10, 20, 100]);
}
