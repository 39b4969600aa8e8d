//! Graphviz, with a cluster for each fan-out, branch and loop.

use std::fmt::Write as _;

use super::{
    colours,
    flow::{Flow, Item, Shape, Vertex},
};
use crate::definition::Definition;

/// Draws a workflow for Graphviz.
pub(super) fn render(definition: &Definition) -> String {
    let flow = Flow::of(definition);
    let mut text = format!("digraph \"{}\" {{\n", escaped(definition.name));
    text.push_str("    graph [rankdir=TB, fontname=\"Helvetica\", compound=true, style=\"rounded\", color=\"#9ca3af\"];\n");
    text.push_str(
        "    node [fontname=\"Helvetica\", shape=box, style=\"rounded,filled\", fillcolor=\"white\"];\n",
    );
    text.push_str("    edge [fontname=\"Helvetica\", color=\"#4b5563\"];\n");
    let mut groups = 0;
    draw(&mut text, &flow, &flow.items, 1, &mut groups);
    for edge in &flow.edges {
        let mut attributes = Vec::new();
        if !edge.label.is_empty() {
            attributes.push(format!("label=\"{}\"", escaped(&edge.label)));
        }
        if edge.is_back {
            attributes.push("style=dashed".to_owned());
        }
        let attributes =
            if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        let _ = writeln!(text, "    v{} -> v{}{attributes};", edge.from, edge.to);
    }
    legend(&mut text, definition);
    text.push_str("}\n");
    text
}

fn draw(text: &mut String, flow: &Flow, items: &[Item], depth: usize, groups: &mut usize) {
    let indent = "    ".repeat(depth);
    for item in items {
        match item {
            Item::Vertex(index) => {
                let _ = writeln!(text, "{indent}v{index} [{}];", attributes(&flow.vertices[*index]));
            }
            Item::Group { title, items } => {
                let _ = writeln!(text, "{indent}subgraph cluster_{groups} {{");
                let _ = writeln!(text, "{indent}    label=\"{}\";", escaped(title));
                *groups += 1;
                draw(text, flow, items, depth + 1, groups);
                let _ = writeln!(text, "{indent}}}");
            }
        }
    }
}

fn attributes(vertex: &Vertex) -> String {
    let lines: Vec<_> = vertex.lines.iter().map(|line| escaped(line)).collect();
    let label = lines.join("\\n");
    match vertex.shape {
        Shape::Terminal => {
            format!("label=\"{label}\", shape=box, style=\"rounded,filled\", fillcolor=\"#f3f4f6\"")
        }
        Shape::Call => {
            let (border, inside) = vertex.cloud.map_or(("#6b7280", "#ffffff"), colours);
            format!("label=\"{label}\", color=\"{border}\", fillcolor=\"{inside}\"")
        }
        Shape::Fork | Shape::Join => {
            format!(
                "label=\"{label}\", shape=box, style=filled, fillcolor=\"#e5e7eb\", height=0.2, fontsize=10"
            )
        }
        Shape::Choice => format!("label=\"{label}\", shape=diamond, style=filled"),
        Shape::Head => format!("label=\"{label}\", shape=hexagon, style=filled"),
    }
}

fn legend(text: &mut String, definition: &Definition) {
    text.push_str("    subgraph cluster_legend {\n        label=\"clouds\";\n");
    for (index, cloud) in definition.clouds.iter().enumerate() {
        let (border, inside) = colours(index as u16);
        let label = format!(
            "{}\\n{} {}",
            escaped(cloud.name),
            cloud.cloud.provider.name(),
            escaped(cloud.cloud.region)
        );
        let _ = writeln!(
            text,
            "        legend{index} [label=\"{label}\", color=\"{border}\", fillcolor=\"{inside}\", fontsize=10];"
        );
    }
    text.push_str("    }\n");
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            // Graphviz reads HTML's entities.
            '&' => escaped.push_str("&amp;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample;

    #[test]
    fn a_graph_has_clusters_and_a_legend() {
        insta::assert_snapshot!(render(&sample::ALL));
    }

    #[test]
    fn labels_cannot_leave_their_quotes() {
        assert_eq!(escaped("a\"\\\n&"), "a\\\"\\\\ &amp;");
    }
}
