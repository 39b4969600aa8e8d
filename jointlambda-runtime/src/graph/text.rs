//! A tree of lines that follows the source, with placements in a column on the right.

use super::{join_title, map_title, needs, one_line, placement, signature};
use crate::definition::{Definition, Outline};

/// Longer source texts are cut.
const MAX_LABEL: usize = 60;

/// Draws a workflow as a tree.
pub(super) fn render(definition: &Definition) -> String {
    let mut tree = Tree { definition, lines: Vec::new() };
    tree.sequence("", definition.outline);
    let width = tree.lines.iter().filter(|line| !line.note.is_empty()).map(|line| line.width()).max();
    let width = width.unwrap_or(0);
    let mut text = signature(definition);
    text.push('\n');
    for line in &tree.lines {
        text.push_str(&line.text);
        if !line.note.is_empty() {
            text.push_str(&" ".repeat(width - line.width() + 2));
            text.push_str(&line.note);
        }
        text.push('\n');
    }
    text.push('\n');
    let longest = definition.clouds.iter().map(|cloud| cloud.name.chars().count()).max().unwrap_or(0);
    for cloud in definition.clouds {
        let (provider, region) = (cloud.cloud.provider.name(), cloud.cloud.region);
        text.push_str(&format!("{:longest$}  {provider} {region}\n", cloud.name));
    }
    text
}

struct Line {
    text: String,
    note: String,
}

impl Line {
    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

struct Tree<'d> {
    definition: &'d Definition,
    lines: Vec<Line>,
}

impl Tree<'_> {
    fn sequence(&mut self, indent: &str, outline: &[Outline]) {
        for (at, part) in outline.iter().enumerate() {
            self.part(indent, at + 1 == outline.len(), part);
        }
    }

    fn part(&mut self, indent: &str, is_last: bool, part: &Outline) {
        match part {
            Outline::Call { node } => {
                let node = self.definition.node(*node);
                let function = node.and_then(|node| self.definition.function_of(node));
                let note = function
                    .map(|function| format!("{}  {}", placement(self.definition, function), needs(function)));
                let name = function.map_or("?", |function| function.name);
                self.line(indent, is_last, name, note.unwrap_or_default());
            }
            Outline::Map { node, over, body } => {
                let title = map_title(self.definition, *node, over);
                let inside = self.line(indent, is_last, &title, String::new());
                self.sequence(&inside, body);
            }
            Outline::Join { node, branches } => {
                let title = join_title(self.definition, *node);
                let inside = self.line(indent, is_last, title, String::new());
                for (at, branch) in branches.iter().enumerate() {
                    let is_last = at + 1 == branches.len();
                    self.arm(&inside, is_last, &format!("branch {}", at + 1), branch);
                }
            }
            Outline::Choice { on, arms } => {
                let inside = self.line(indent, is_last, &one_line(on), String::new());
                for (at, (label, body)) in arms.iter().enumerate() {
                    self.arm(&inside, at + 1 == arms.len(), &one_line(label), body);
                }
            }
            Outline::Loop { head, body } => {
                let inside = self.line(indent, is_last, &one_line(head), String::new());
                self.sequence(&inside, body);
            }
            Outline::Return => drop(self.line(indent, is_last, "return", String::new())),
        }
    }

    fn arm(&mut self, indent: &str, is_last: bool, label: &str, body: &[Outline]) {
        let label = if body.is_empty() { format!("{label}: no call") } else { label.to_owned() };
        let inside = self.line(indent, is_last, &label, String::new());
        self.sequence(&inside, body);
    }

    /// Adds a line; gives the indent of what is inside.
    fn line(&mut self, indent: &str, is_last: bool, text: &str, note: String) -> String {
        let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let shown = match text.char_indices().nth(MAX_LABEL) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        self.lines.push(Line { text: format!("{indent}{branch}{shown}"), note });
        format!("{indent}{below}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample;

    #[test]
    fn a_tree_follows_the_source() {
        insta::assert_snapshot!(render(&sample::ALL));
    }

    #[test]
    fn a_workflow_without_calls_is_its_signature() {
        assert_eq!(render(&sample::NOTHING), "nothing()\n\nAWS  AWS eu-central-1\n");
    }
}
