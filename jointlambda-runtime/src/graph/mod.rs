//! Drawings of a workflow, from the outline in its definition. Pure functions from a definition to
//! text; nothing here reads or writes anything.

mod dot;
mod flow;
mod mermaid;
#[cfg(test)]
pub(crate) mod sample;
mod svg;
mod text;

use crate::definition::{Definition, FunctionDef, NodeIndex, Outline};

/// What a workflow is drawn as.
///
/// ```
/// use jointlambda_runtime::graph::Format;
///
/// assert_eq!(Format::ALL.map(Format::name), ["text", "mermaid", "dot", "svg"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A tree of lines.
    Text,
    /// A Mermaid flowchart.
    Mermaid,
    /// Graphviz.
    Dot,
    /// A picture that needs nothing else.
    Svg,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 4] = [Format::Text, Format::Mermaid, Format::Dot, Format::Svg];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Mermaid => "mermaid",
            Format::Dot => "dot",
            Format::Svg => "svg",
        }
    }
}

/// Draws a workflow. The text ends with a line end.
pub fn render(definition: &Definition, format: Format) -> String {
    match format {
        Format::Text => text::render(definition),
        Format::Mermaid => mermaid::render(definition),
        Format::Dot => dot::render(definition),
        Format::Svg => svg::render(definition),
    }
}

/// Where a function runs: `AWS`, or `AWS, else ALI`.
pub(crate) fn placement(definition: &Definition, function: &FunctionDef) -> String {
    let name = |index| definition.clouds.get(usize::from(index)).map_or("?", |cloud| cloud.name);
    function.placements().map(name).collect::<Vec<_>>().join(", else ")
}

/// What a function needs: `2048 MB, 2 vCPU, 8 GB GPU`.
pub(crate) fn needs(function: &FunctionDef) -> String {
    let mut needs = vec![format!("{} MB", function.memory_mb)];
    if function.cpu_milli > 0 {
        needs.push(format!("{} vCPU", f64::from(function.cpu_milli) / 1000.0));
    }
    if function.gpu_gb > 0 {
        needs.push(format!("{} GB GPU", function.gpu_gb));
    }
    if let Some(batch) = function.batch {
        needs.push(format!("batch of {}", batch.size));
    }
    needs.join(", ")
}

/// `name(a, b)`.
fn signature(definition: &Definition) -> String {
    let params = definition.params.iter().map(|param| if param.is_empty() { "_" } else { param });
    format!("{}({})", definition.name, params.collect::<Vec<_>>().join(", "))
}

/// What a fan-out over a list is called.
fn map_title(definition: &Definition, node: NodeIndex, over: &str) -> String {
    match definition.first_of(node) {
        None => format!("for each of {}", one_line(over)),
        Some(first) => format!("first {} of {}", one_line(first), one_line(over)),
    }
}

/// What a fan-out into unlike branches is called.
fn join_title(definition: &Definition, node: NodeIndex) -> &'static str {
    match definition.first_of(node) {
        None => "at the same time",
        Some(_) => "the first of these",
    }
}

/// What the fan-in is called.
fn fan_in_title(definition: &Definition, node: NodeIndex) -> String {
    match definition.first_of(node) {
        None => "fan-in".to_owned(),
        Some(first) => format!("first {}", one_line(first)),
    }
}

/// Source text on one line.
pub(crate) fn one_line(source: &str) -> String {
    source.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether none of the arms may be taken: an `if` without an `else`.
fn may_pass(on: &str, arms: &[(&str, &[Outline])]) -> bool {
    arms.is_empty() || (on.starts_with("if ") && arms.last().is_none_or(|(label, _)| *label != "else"))
}

/// The colours of the clouds: of the border, and of the inside.
fn colours(cloud: u16) -> (&'static str, &'static str) {
    const COLOURS: [(&str, &str); 6] = [
        ("#c2410c", "#ffedd5"),
        ("#1d4ed8", "#dbeafe"),
        ("#15803d", "#dcfce7"),
        ("#7e22ce", "#f3e8ff"),
        ("#be123c", "#ffe4e6"),
        ("#0f766e", "#ccfbf1"),
    ];
    COLOURS[usize::from(cloud) % COLOURS.len()]
}
