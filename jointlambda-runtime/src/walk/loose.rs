//! Where something may still be open behind what is decided: branches of a fan-in that does not
//! wait for all of them run on when it has fired.

use crate::definition::{Definition, Outline};

/// Where a walk that is to leave nothing behind must not skip what is decided; by node.
pub(super) struct Loose {
    /// Whether something may be open in an earlier turn of the innermost loop around the node.
    pub(super) turns: Vec<bool>,
    /// Of a fan-in: whether something may be open in a branch that has arrived.
    pub(super) branches: Vec<bool>,
}

impl Loose {
    pub(super) fn of(definition: &Definition) -> Self {
        let none = vec![false; definition.nodes.len()];
        let mut loose = Loose { turns: none.clone(), branches: none };
        loose.scan(definition, definition.outline);
        loose
    }

    /// Notes what is in these parts of a workflow; says whether a fan-in for the first is.
    fn scan(&mut self, definition: &Definition, parts: &[Outline]) -> bool {
        let mut has_first = false;
        for part in parts {
            has_first |= match part {
                Outline::Call { .. } | Outline::Return => false,
                Outline::Map { node, body, .. } => {
                    let within = self.scan(definition, body);
                    self.branches[usize::from(*node)] = within;
                    within || definition.first_of(*node).is_some()
                }
                Outline::Join { node, branches } => {
                    let within = branches.iter().fold(false, |any, body| any | self.scan(definition, body));
                    self.branches[usize::from(*node)] = within;
                    within || definition.first_of(*node).is_some()
                }
                Outline::Choice { arms, .. } => {
                    arms.iter().fold(false, |any, (_, body)| any | self.scan(definition, body))
                }
                Outline::Loop { body, .. } => {
                    let within = self.scan(definition, body);
                    if within {
                        self.note_turns(body);
                    }
                    within
                }
            };
        }
        has_first
    }

    /// Notes the nodes whose innermost loop this is. (Those in a fan-out count turns of their own.)
    fn note_turns(&mut self, body: &[Outline]) {
        for part in body {
            match part {
                Outline::Call { node } | Outline::Map { node, .. } | Outline::Join { node, .. } => {
                    self.turns[usize::from(*node)] = true;
                }
                Outline::Choice { arms, .. } => arms.iter().for_each(|(_, body)| self.note_turns(body)),
                Outline::Loop { .. } | Outline::Return => {}
            }
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

    fn loose(outline: &'static [Outline], nodes: &'static [NodeDef]) -> (String, String) {
        let definition = Definition {
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
        };
        let letters = |all: Vec<bool>| all.iter().map(|&one| if one { 'x' } else { '.' }).collect();
        let Loose { turns, branches } = Loose::of(&definition);
        (letters(turns), letters(branches))
    }

    const ALL: NodeDef = node(None);
    const FIRST: NodeDef = node(Some("1"));
    const ZERO: Outline = Outline::Call { node: 0 };
    const ONE: Outline = Outline::Call { node: 1 };

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
