//! `definition`: what a workflow is made of, for people.

use std::fmt::Write as _;

use crate::{
    definition::{Definition, FunctionDef, NodeDef, NodeKind},
    graph::{needs, one_line, placement},
};

/// The clouds, functions and nodes of a workflow.
pub(super) fn summary(definition: &Definition) -> String {
    let mut text = format!("{}({})\n", definition.name, definition.params.join(", "));
    if !definition.doc.is_empty() {
        let _ = writeln!(text, "  {}", definition.doc);
    }
    let home = definition.clouds.get(usize::from(definition.home)).map_or("", |cloud| cloud.name);
    let facts = [
        ("definition", format!("{:016x}", definition.hash)),
        ("run rows", format!("on {home}")),
        (
            "bounds",
            format!(
                "{} turns of a loop, {} branches, {} calls at one place",
                definition.max_turns, definition.max_branches, definition.max_calls
            ),
        ),
    ];
    for (what, value) in facts {
        let _ = writeln!(text, "  {what:12}{value}");
    }
    text.push_str("\nclouds\n");
    let clouds = definition.clouds.iter().map(|cloud| {
        vec![cloud.name.to_owned(), cloud.cloud.provider.name().to_owned(), cloud.cloud.region.to_owned()]
    });
    aligned(&mut text, clouds.collect());
    text.push_str("\nfunctions\n");
    aligned(
        &mut text,
        definition.functions.iter().map(|function| function_cells(definition, function)).collect(),
    );
    text.push_str("\nnodes\n");
    aligned(&mut text, definition.nodes.iter().map(|node| node_cells(definition, node)).collect());
    text
}

fn function_cells(definition: &Definition, function: &FunctionDef) -> Vec<String> {
    let mut limits = format!("{}, at most {} s", needs(function), seconds(function.timeout_ms));
    let retry = &function.retry;
    if retry.attempts > 1 {
        let _ = write!(limits, ", {} attempts from {} s apart", retry.attempts, seconds(retry.backoff_ms));
        if retry.jitter_percent > 0 {
            let _ = write!(limits, " (jitter {} %)", retry.jitter_percent);
        }
    }
    if function.dedupe_before {
        limits.push_str(", dedupe before");
    }
    if let Some(batch) = function.batch {
        let _ = write!(limits, ", gathered for {} s", seconds(batch.wait_ms));
    }
    vec![function.name.to_owned(), placement(definition, function), limits, function.doc.to_owned()]
}

fn node_cells(definition: &Definition, node: &NodeDef) -> Vec<String> {
    let name = |index: &u16| definition.node(*index).map_or("?", |node| node.name);
    let what = match node.kind {
        NodeKind::Call { .. } => {
            format!("calls {}", definition.function_of(node).map_or("?", |function| function.name))
        }
        NodeKind::Join { branches, home, first } => {
            let home = definition.clouds.get(usize::from(home)).map_or("?", |cloud| cloud.name);
            let branches = branches.map_or("branches".to_owned(), |branches| format!("{branches} branches"));
            match first {
                None => format!("fan-in of {branches} on {home}"),
                Some(first) => format!("fan-in of the first {} of {branches} on {home}", one_line(first)),
            }
        }
    };
    let next: Vec<_> = node.next.iter().map(name).collect();
    let next = match (next.is_empty(), node.tail) {
        (true, _) => "then the end".to_owned(),
        (false, _) => format!("then {}", next.join(" or ")),
    };
    vec![node.name.to_owned(), what, next]
}

/// `1.5`, `120`.
fn seconds(ms: u64) -> String {
    (ms as f64 / 1000.0).to_string()
}

/// Rows of cells, in columns.
pub(super) fn aligned(text: &mut String, rows: Vec<Vec<String>>) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    for row in rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample;

    #[test]
    fn a_summary_has_clouds_functions_and_nodes() {
        insta::assert_snapshot!(summary(&sample::ALL));
    }
}
