//! A workflow as vertices, edges and nested groups: what Mermaid and Graphviz lay out themselves.

use super::{fan_in_title, map_title, may_pass, needs, one_line, placement, signature};
use crate::definition::{CloudIndex, Definition, NodeIndex, Outline};

/// The whole drawing; the first vertex is the start.
pub(super) struct Flow {
    pub(super) vertices: Vec<Vertex>,
    pub(super) edges: Vec<Edge>,
    pub(super) items: Vec<Item>,
}

pub(super) struct Vertex {
    pub(super) shape: Shape,
    pub(super) lines: Vec<String>,
    pub(super) cloud: Option<CloudIndex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The start or the end of a run.
    Terminal,
    Call,
    /// Where branches begin.
    Fork,
    /// Where branches meet.
    Join,
    Choice,
    /// The head of a loop.
    Head,
}

pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: String,
    /// Back to the head of a loop.
    pub(super) is_back: bool,
}

/// What is drawn inside a group, in order.
pub(super) enum Item {
    Vertex(usize),
    Group { title: String, items: Vec<Item> },
}

impl Flow {
    pub(super) fn of(definition: &Definition) -> Self {
        let flow = Flow { vertices: Vec::new(), edges: Vec::new(), items: Vec::new() };
        let mut builder = Builder { definition, flow, end: 1 };
        let start = builder.vertex(Shape::Terminal, vec![signature(definition)], None);
        let end = builder.vertex(Shape::Terminal, vec!["end".to_owned()], None);
        builder.end = end;
        let mut items = vec![Item::Vertex(start)];
        let open = builder.sequence(definition.outline, vec![Loose::from(start)], &mut items);
        builder.connect(&open, end);
        items.push(Item::Vertex(end));
        builder.flow.items = items;
        builder.flow
    }
}

/// The beginning of an edge that has no end yet.
#[derive(Clone)]
struct Loose {
    from: usize,
    label: String,
}

impl From<usize> for Loose {
    fn from(from: usize) -> Self {
        Loose { from, label: String::new() }
    }
}

struct Builder<'d> {
    definition: &'d Definition,
    flow: Flow,
    end: usize,
}

impl Builder<'_> {
    fn vertex(&mut self, shape: Shape, lines: Vec<String>, cloud: Option<CloudIndex>) -> usize {
        self.flow.vertices.push(Vertex { shape, lines, cloud });
        self.flow.vertices.len() - 1
    }

    fn connect(&mut self, open: &[Loose], to: usize) {
        for Loose { from, label } in open {
            self.flow.edges.push(Edge { from: *from, to, label: label.clone(), is_back: false });
        }
    }

    /// A vertex that what was open leads to.
    fn next(&mut self, shape: Shape, lines: Vec<String>, open: &[Loose], items: &mut Vec<Item>) -> usize {
        let vertex = self.vertex(shape, lines, None);
        self.connect(open, vertex);
        items.push(Item::Vertex(vertex));
        vertex
    }

    /// Draws one part after the other; gives what is open at the end.
    fn sequence(&mut self, outline: &[Outline], mut open: Vec<Loose>, items: &mut Vec<Item>) -> Vec<Loose> {
        for part in outline {
            open = self.part(part, open, items);
        }
        open
    }

    fn part(&mut self, part: &Outline, open: Vec<Loose>, items: &mut Vec<Item>) -> Vec<Loose> {
        match part {
            Outline::Call { node } => {
                let (lines, cloud) = self.call(*node);
                let vertex = self.next(Shape::Call, lines, &open, items);
                self.flow.vertices[vertex].cloud = cloud;
                vec![vertex.into()]
            }
            Outline::Map { node, over, body } => {
                let fork = self.next(Shape::Fork, vec!["fan-out".to_owned()], &open, items);
                let mut inside = Vec::new();
                let ends = self.branch(body, fork, String::new(), &mut inside);
                if !inside.is_empty() {
                    let title = map_title(self.definition, *node, over);
                    items.push(Item::Group { title, items: inside });
                }
                let title = fan_in_title(self.definition, *node);
                vec![self.next(Shape::Join, vec![title], &ends, items).into()]
            }
            Outline::Join { node, branches } => {
                let fork = self.next(Shape::Fork, vec!["fan-out".to_owned()], &open, items);
                let mut ends = Vec::new();
                for (at, branch) in branches.iter().enumerate() {
                    let mut inside = Vec::new();
                    ends.extend(self.branch(branch, fork, String::new(), &mut inside));
                    if !inside.is_empty() {
                        items.push(Item::Group { title: format!("branch {}", at + 1), items: inside });
                    }
                }
                let title = fan_in_title(self.definition, *node);
                vec![self.next(Shape::Join, vec![title], &ends, items).into()]
            }
            Outline::Choice { on, arms } => {
                let choice = self.next(Shape::Choice, vec![one_line(on)], &open, items);
                let mut ends = Vec::new();
                for (label, body) in *arms {
                    let label = one_line(label);
                    ends.extend(self.sequence(body, vec![Loose { from: choice, label }], items));
                }
                if may_pass(on, arms) {
                    ends.push(Loose { from: choice, label: "else".to_owned() });
                }
                ends
            }
            Outline::Loop { head, body } => {
                let mut inside = Vec::new();
                let top = self.next(Shape::Head, vec![one_line(head)], &open, &mut inside);
                let ends = self.sequence(body, vec![top.into()], &mut inside);
                for Loose { from, label } in ends {
                    self.flow.edges.push(Edge { from, to: top, label, is_back: true });
                }
                items.push(Item::Group { title: "loop".to_owned(), items: inside });
                vec![Loose { from: top, label: "done".to_owned() }]
            }
            Outline::Return => {
                self.connect(&open, self.end);
                Vec::new()
            }
        }
    }

    /// A branch of a fan-out: a `return` in it ends the branch, not the run.
    fn branch(&mut self, body: &[Outline], fork: usize, label: String, items: &mut Vec<Item>) -> Vec<Loose> {
        let edges = self.flow.edges.len();
        let mut ends = self.sequence(body, vec![Loose { from: fork, label }], items);
        let end = self.end;
        let added = self.flow.edges.split_off(edges);
        for edge in added {
            if edge.to == end {
                ends.push(Loose { from: edge.from, label: edge.label });
            } else {
                self.flow.edges.push(edge);
            }
        }
        ends
    }

    fn call(&self, node: NodeIndex) -> (Vec<String>, Option<CloudIndex>) {
        let function = self.definition.node(node).and_then(|node| self.definition.function_of(node));
        match function {
            Some(function) => {
                let lines =
                    vec![function.name.to_owned(), placement(self.definition, function), needs(function)];
                (lines, Some(function.on))
            }
            None => (vec!["?".to_owned()], None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample;

    #[test]
    fn every_vertex_is_drawn_once_and_reached() {
        let flow = Flow::of(&sample::ALL);
        let mut drawn = vec![0; flow.vertices.len()];
        fn visit(items: &[Item], drawn: &mut [u32]) {
            for item in items {
                match item {
                    Item::Vertex(vertex) => drawn[*vertex] += 1,
                    Item::Group { items, .. } => visit(items, drawn),
                }
            }
        }
        visit(&flow.items, &mut drawn);
        assert_eq!(drawn, vec![1; flow.vertices.len()]);
        for vertex in 1..flow.vertices.len() {
            assert!(flow.edges.iter().any(|edge| edge.to == vertex), "nothing leads to {vertex}");
        }
    }

    #[test]
    fn a_return_in_a_branch_ends_the_branch() {
        let flow = Flow::of(&sample::ALL);
        let named = |index: usize| flow.vertices[index].lines[0].as_str();
        let from_blurred: Vec<_> = flow
            .edges
            .iter()
            .filter(|edge| named(edge.from) == "if frame.is_blurred()")
            .map(|edge| named(edge.to))
            .collect();
        assert_eq!(from_blurred, ["recognise", "fan-in"]);
        let to_end: Vec<_> =
            flow.edges.iter().filter(|edge| edge.to == 1).map(|edge| edge.label.as_str()).collect();
        assert_eq!(to_end, ["Kind::Empty", "", "_"]);
    }

    #[test]
    fn a_workflow_without_calls_goes_from_its_start_to_its_end() {
        let flow = Flow::of(&sample::NOTHING);
        assert_eq!((flow.vertices.len(), flow.edges.len()), (2, 1));
    }
}
