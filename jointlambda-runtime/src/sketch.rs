//! A continuation without its values: what follows, for a report. It stays in the row when the
//! continuation itself is stored, and so outlives what was stored, which goes when the run ends.

use serde::{Deserialize, Serialize};

use crate::{
    codec,
    definition::{Definition, NodeIndex},
    envelope::{Call, Continuation, Fork, Value},
    error::Fault,
};

/// The longest sketch that tells branches apart, in bytes: it is kept in a row.
const LONGEST: usize = 1024;
/// Branches that one sketch unfolds to at most, nested ones included; it is read from a row.
const MOST: usize = 1_000_000;

/// What a continuation says, without its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Sketch {
    #[serde(rename = "c")]
    Call { node: NodeIndex, turns: Vec<u32> },
    #[serde(rename = "f")]
    Fork {
        join: NodeIndex,
        turns: Vec<u32>,
        of: u32,
        /// Equal branches in a row, with their number; none where they are too many to tell.
        branches: Vec<(u32, Sketch)>,
        /// How many branches that are `Ok` are waited for, if not for all.
        first: Option<u32>,
    },
    #[serde(rename = "r")]
    Return,
    #[serde(rename = "e")]
    Err,
}

impl Sketch {
    /// The sketch of a continuation, cut where it is too long.
    pub(crate) fn of(continuation: &Continuation) -> Self {
        let mut sketch = Sketch::draw(continuation);
        if codec::pack(&sketch).len() > LONGEST
            && let Sketch::Fork { branches, .. } = &mut sketch
        {
            branches.clear();
        }
        sketch
    }

    fn draw(continuation: &Continuation) -> Self {
        match continuation {
            Continuation::Call(call) => Sketch::Call { node: call.node, turns: call.turns.clone() },
            Continuation::Return(_) => Sketch::Return,
            Continuation::Err(_) => Sketch::Err,
            Continuation::Fork(fork) => {
                let mut branches: Vec<(u32, Sketch)> = Vec::new();
                for branch in fork.branches.iter().map(Sketch::draw) {
                    match branches.last_mut() {
                        Some((count, last)) if *last == branch => *count += 1,
                        _ => branches.push((1, branch)),
                    }
                }
                let of = fork.branches.len() as u32;
                Sketch::Fork { join: fork.join, turns: fork.turns.clone(), of, branches, first: fork.first }
            }
        }
    }

    /// A continuation like the one that was sketched, with empty values; and whether it has all
    /// branches that one had.
    ///
    /// # Errors
    /// [`Fault::Poison`] for a sketch of more branches than a workflow can have.
    pub(crate) fn unfold(&self, definition: &Definition) -> Result<(Continuation, bool), Fault> {
        let mut room = MOST;
        let mut whole = true;
        let continuation = self.unfold_in(definition, &mut room, &mut whole)?;
        Ok((continuation, whole))
    }

    fn unfold_in(
        &self,
        definition: &Definition,
        room: &mut usize,
        whole: &mut bool,
    ) -> Result<Continuation, Fault> {
        let nothing = || Value::Inline(bytes::Bytes::new());
        Ok(match self {
            Sketch::Return => Continuation::Return(nothing()),
            Sketch::Err => Continuation::Err(nothing()),
            Sketch::Call { node, turns } => Continuation::Call(Call {
                node: *node,
                turns: turns.clone(),
                args: nothing(),
                vars: Vec::new(),
                gathers: None,
            }),
            Sketch::Fork { join, turns, of, branches, first } => {
                let too_many = || Fault::Poison("refused a row: it has too many branches".to_owned());
                if *of > definition.max_branches {
                    return Err(too_many());
                }
                *room = room.checked_sub(*of as usize).ok_or_else(too_many)?;
                let mut all = Vec::with_capacity(*of as usize);
                for (count, branch) in branches {
                    if *count as usize > *of as usize - all.len() {
                        return Err(too_many());
                    }
                    for _ in 0..*count {
                        all.push(branch.unfold_in(definition, room, whole)?);
                    }
                }
                *whole &= all.len() == *of as usize;
                all.resize(*of as usize, Continuation::Return(nothing()));
                Continuation::Fork(Fork {
                    join: *join,
                    turns: turns.clone(),
                    vars: Vec::new(),
                    branches: all,
                    first: *first,
                })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample::ALL;

    fn call(node: NodeIndex, bytes: &'static [u8]) -> Continuation {
        let args = Value::Inline(bytes::Bytes::from_static(bytes));
        Continuation::Call(Call { node, turns: vec![1], args, vars: Vec::new(), gathers: None })
    }

    fn fork(branches: Vec<Continuation>) -> Continuation {
        Continuation::Fork(Fork { join: 2, turns: vec![], vars: vec![], branches, first: None })
    }

    #[test]
    fn a_sketch_has_the_shape_and_no_values() {
        let one = || fork(vec![call(0, b"secret"), call(0, b"other"), fork(vec![call(1, b"x"); 50])]);
        let sketch = Sketch::of(&one());
        assert!(codec::pack(&sketch).len() < 64);
        let (unfolded, whole) = sketch.unfold(&ALL).unwrap();
        assert!(whole);
        assert_eq!(unfolded, fork(vec![call(0, b""), call(0, b""), fork(vec![call(1, b""); 50])]));
    }

    #[test]
    fn a_sketch_is_short_whatever_the_branches() {
        let branches = (0..1000).map(|i| call(i % 2, b"")).collect();
        let sketch = Sketch::of(&fork(branches));
        assert!(codec::pack(&sketch).len() < 64);
        let (unfolded, whole) = sketch.unfold(&ALL).unwrap();
        let Continuation::Fork(unfolded) = unfolded else { panic!("a fork") };
        assert_eq!((unfolded.branches.len(), whole), (1000, false));
    }

    #[test]
    fn a_sketch_that_nobody_drew_is_refused() {
        let wide = |of, branches| Sketch::Fork { join: 2, turns: vec![], of, branches, first: None };
        let nested = (0..6).fold(Sketch::Return, |inner, _| wide(100, vec![(100, inner)]));
        for bad in [wide(u32::MAX, vec![]), wide(3, vec![(4, Sketch::Return)]), nested] {
            assert!(matches!(bad.unfold(&ALL), Err(Fault::Poison(_))), "{bad:?}");
        }
    }
}
