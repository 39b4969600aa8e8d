//! The loops of a workflow, by the nodes in them; and where something may still be open behind what
//! is decided, as branches of a fan-in that does not wait for all of them run on when it has fired.

use crate::definition::{Definition, NodeIndex, Outline};

/// What a walk knows of a workflow's outline.
pub(super) struct Loops {
    /// For each node the loops around it since the innermost fan-out, outermost first.
    around: Vec<Vec<usize>>,
    bodies: Vec<Body>,
    /// For each fan-in, whether something may be open in a branch that has arrived.
    branches: Vec<bool>,
}

/// The body of a loop.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Body {
    /// The nodes in it that have rows of their own and no fan-out of the body around them, and how
    /// many loops are around each.
    pub(super) nodes: Vec<(NodeIndex, usize)>,
    /// Whether something may be open in an earlier turn than the last.
    pub(super) is_loose: bool,
}

impl Loops {
    pub(super) fn of(definition: &Definition) -> Self {
        let count = definition.nodes.len();
        let mut loops =
            Loops { around: vec![Vec::new(); count], bodies: Vec::new(), branches: vec![false; count] };
        loops.scan(definition, definition.outline, &mut Vec::new());
        loops
    }

    /// The body of the loop that is inside `depth` others around a node.
    pub(super) fn around(&self, node: NodeIndex, depth: usize) -> Option<&Body> {
        self.bodies.get(*self.around.get(usize::from(node))?.get(depth)?)
    }

    /// Whether something may be open in a branch of this fan-in that has arrived.
    pub(super) fn branches(&self, join: NodeIndex) -> bool {
        self.branches.get(usize::from(join)).is_some_and(|is_loose| *is_loose)
    }

    /// Notes what is in these parts of a workflow, inside some loops; says whether a fan-in for the
    /// first is.
    fn scan(&mut self, definition: &Definition, parts: &[Outline], loops: &mut Vec<usize>) -> bool {
        let mut has_first = false;
        for part in parts {
            has_first |= match part {
                Outline::Return => false,
                Outline::Call { node } => {
                    self.note(definition, *node, loops);
                    false
                }
                Outline::Map { node, body, .. } => {
                    self.note(definition, *node, loops);
                    let within = self.scan(definition, body, &mut Vec::new());
                    self.branches[usize::from(*node)] = within;
                    within || definition.first_of(*node).is_some()
                }
                Outline::Join { node, branches } => {
                    self.note(definition, *node, loops);
                    let scan = |any, body: &&[Outline]| any | self.scan(definition, body, &mut Vec::new());
                    let within = branches.iter().fold(false, scan);
                    self.branches[usize::from(*node)] = within;
                    within || definition.first_of(*node).is_some()
                }
                Outline::Choice { arms, .. } => {
                    arms.iter().fold(false, |any, (_, body)| any | self.scan(definition, body, loops))
                }
                Outline::Loop { body, .. } => {
                    let index = self.bodies.len();
                    self.bodies.push(Body::default());
                    loops.push(index);
                    let within = self.scan(definition, body, loops);
                    loops.pop();
                    self.bodies[index].is_loose = within;
                    within
                }
            };
        }
        has_first
    }

    fn note(&mut self, definition: &Definition, node: NodeIndex, loops: &[usize]) {
        self.around[usize::from(node)] = loops.to_vec();
        if definition.node(node).is_none_or(|def| def.tail) {
            return;
        }
        for body in loops {
            self.bodies[*body].nodes.push((node, loops.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{NodeDef, NodeKind};

    const fn node(first: Option<&'static str>) -> NodeDef {
        let kind = NodeKind::Join { home: 0, branches: None, first };
        NodeDef { name: "", kind, resume: 0, tail: false, pure: false, next: &[] }
    }

    fn loops(outline: &'static [Outline], nodes: &'static [NodeDef]) -> Loops {
        Loops::of(&Definition {
            name: "w",
            doc: "",
            hash: 0,
            params: &[],
            home: 0,
            clouds: &[],
            functions: &[],
            nodes,
            first: &[],
            outline,
            max_turns: 10,
            max_branches: 10,
            max_calls: 1_000,
        })
    }

    /// The nodes whose innermost loop is loose, and the fan-ins whose branches are.
    fn loose(outline: &'static [Outline], nodes: &'static [NodeDef]) -> (String, String) {
        let loops = loops(outline, nodes);
        let letters = |all: Vec<bool>| all.iter().map(|&one| if one { 'x' } else { '.' }).collect();
        let innermost = |node: usize| loops.around[node].last().map(|body| &loops.bodies[*body]);
        let turns = (0..nodes.len()).map(|node| innermost(node).is_some_and(|body| body.is_loose));
        (letters(turns.collect()), letters(loops.branches.clone()))
    }

    const ALL: NodeDef = node(None);
    const FIRST: NodeDef = node(Some("1"));
    const ZERO: Outline = Outline::Call { node: 0 };
    const ONE: Outline = Outline::Call { node: 1 };

    #[test]
    fn a_node_is_in_each_loop_around_it_up_to_the_innermost_fan_out() {
        const INNER: Outline = Outline::Loop { head: "", body: &[ONE] };
        const OUTLINE: &[Outline] = &[Outline::Loop {
            head: "",
            body: &[
                Outline::Choice { on: "", arms: &[("", &[ZERO]), ("", &[INNER])] },
                Outline::Map {
                    node: 2,
                    over: "",
                    body: &[Outline::Loop { head: "", body: &[Outline::Call { node: 3 }] }],
                },
            ],
        }];
        let loops = loops(OUTLINE, &[ALL, ALL, ALL, ALL]);
        let nodes = |node, depth| loops.around(node, depth).map(|body| body.nodes.clone());
        assert_eq!(nodes(0, 0), Some(vec![(0, 1), (1, 2), (2, 1)]));
        assert_eq!((nodes(1, 0), nodes(1, 1)), (nodes(0, 0), Some(vec![(1, 2)])));
        assert_eq!((nodes(3, 0), nodes(3, 1)), (Some(vec![(3, 1)]), None));
    }

    #[test]
    fn without_a_first_nothing_is_loose() {
        const OUTLINE: &[Outline] =
            &[Outline::Loop { head: "", body: &[Outline::Map { node: 1, over: "", body: &[ZERO] }] }];
        assert_eq!(loose(OUTLINE, &[ALL, ALL]), ("..".into(), "..".into()));
    }

    #[test]
    fn a_first_after_a_loop_leaves_its_turns_alone() {
        const OUTLINE: &[Outline] =
            &[Outline::Loop { head: "", body: &[ZERO] }, Outline::Map { node: 2, over: "", body: &[ONE] }];
        assert_eq!(loose(OUTLINE, &[ALL, ALL, FIRST]), ("...".into(), "...".into()));
    }

    #[test]
    fn a_first_in_a_loop_makes_the_turns_of_that_loop_loose() {
        const OUTLINE: &[Outline] = &[Outline::Loop {
            head: "",
            body: &[
                Outline::Choice {
                    on: "",
                    arms: &[("", &[ZERO]), ("", &[Outline::Map { node: 2, over: "", body: &[ONE] }])],
                },
                Outline::Loop { head: "", body: &[Outline::Call { node: 3 }] },
            ],
        }];
        assert_eq!(loose(OUTLINE, &[ALL, ALL, FIRST, ALL]), ("x.x.".into(), "....".into()));
    }

    #[test]
    fn a_first_in_a_branch_makes_what_has_arrived_around_it_loose() {
        const OUTLINE: &[Outline] = &[Outline::Join {
            node: 2,
            branches: &[&[ZERO], &[Outline::Map { node: 3, over: "", body: &[ONE] }]],
        }];
        assert_eq!(loose(OUTLINE, &[ALL, ALL, ALL, FIRST]), ("....".into(), "..x.".into()));
    }
}
