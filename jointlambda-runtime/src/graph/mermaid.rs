//! A Mermaid flowchart, with a subgraph for each fan-out, branch and loop.

use std::fmt::Write as _;

use super::{
    colours,
    flow::{Flow, Item, Shape, Vertex},
};
use crate::definition::Definition;

/// Draws a workflow as a flowchart.
pub(super) fn render(definition: &Definition) -> String {
    let flow = Flow::of(definition);
    let mut text = String::from("flowchart TD\n");
    let mut groups = 0;
    draw(&mut text, &flow, &flow.items, 1, &mut groups);
    for edge in &flow.edges {
        let arrow = if edge.is_back { "-.->" } else { "-->" };
        let label =
            if edge.label.is_empty() { String::new() } else { format!("|\"{}\"|", escaped(&edge.label)) };
        let _ = writeln!(text, "    v{} {arrow}{label} v{}", edge.from, edge.to);
    }
    for (index, cloud) in definition.clouds.iter().enumerate() {
        let (border, inside) = colours(index as u16);
        let _ = writeln!(text, "    classDef cloud{index} fill:{inside},stroke:{border},color:#111827");
        let place = format!("{} {}", cloud.cloud.provider.name(), cloud.cloud.region);
        let _ = writeln!(text, "    %% cloud{index}: {} ({})", comment(cloud.name), comment(&place));
    }
    text
}

fn draw(text: &mut String, flow: &Flow, items: &[Item], depth: usize, groups: &mut usize) {
    let indent = "    ".repeat(depth);
    for item in items {
        match item {
            Item::Vertex(index) => {
                let _ = writeln!(text, "{indent}v{index}{}", shape(&flow.vertices[*index]));
            }
            Item::Group { title, items } => {
                let _ = writeln!(text, "{indent}subgraph g{groups}[\"{}\"]", escaped(title));
                *groups += 1;
                draw(text, flow, items, depth + 1, groups);
                let _ = writeln!(text, "{indent}end");
            }
        }
    }
}

fn shape(vertex: &Vertex) -> String {
    let lines: Vec<_> = vertex.lines.iter().map(|line| escaped(line)).collect();
    let label = lines.join("<br/>");
    let class = vertex.cloud.map(|cloud| format!(":::cloud{cloud}")).unwrap_or_default();
    match vertex.shape {
        Shape::Terminal => format!("([\"{label}\"])"),
        Shape::Call => format!("[\"{label}\"]{class}"),
        Shape::Fork | Shape::Join => format!("((\"{label}\"))"),
        Shape::Choice => format!("{{\"{label}\"}}"),
        Shape::Head => format!("{{{{\"{label}\"}}}}"),
    }
}

/// As Mermaid's entity codes: whatever could end the quotes, or be read as HTML or Markdown.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'a'..='z'
            | 'A'..='Z'
            | '0'..='9'
            | ' '
            | '.'
            | ','
            | ':'
            | '('
            | ')'
            | '+'
            | '-'
            | '/'
            | '='
            | '_'
            | '!'
            | '?' => escaped.push(c),
            c if c.is_control() => escaped.push(' '),
            c if c.is_alphabetic() => escaped.push(c),
            c => {
                let _ = write!(escaped, "#{};", c as u32);
            }
        }
    }
    escaped
}

fn comment(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !"{}%".contains(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample;

    #[test]
    fn a_flowchart_has_subgraphs_and_clouds() {
        insta::assert_snapshot!(render(&sample::ALL));
    }

    #[test]
    fn labels_cannot_leave_their_quotes() {
        assert_eq!(escaped("a\"]\n<b>&`#"), "a#34;#93; #60;b#62;#38;#96;#35;");
    }

    #[test]
    fn a_workflow_without_calls_is_two_vertices() {
        assert!(render(&sample::NOTHING).contains("v0 --> v1"));
    }
}
