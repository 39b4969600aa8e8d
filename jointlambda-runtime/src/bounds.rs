//! `max_calls`: how many calls a run may make at one place.
//!
//! A place is a call site. How often a run comes there is not counted, since no copy sees the whole
//! run. It is bounded by what a copy does see where it commits: the branches of each fan-out around
//! the place, and the turns so far of each loop around it. Their product is checked before it is
//! committed, so that a run fails at the first place that may pass the bound.

use crate::{
    definition::Definition,
    envelope::{Call, Continuation, Fork, Frame},
    error::Fault,
};

/// Refuses a continuation, inside these fan-outs, of which a call could be made too often.
///
/// # Errors
/// [`Fault::Bound`]: more than `max_calls` calls at one place.
pub(crate) fn check_calls(
    definition: &Definition,
    frames: &[Frame],
    continuation: &Continuation,
) -> Result<(), Fault> {
    let around = frames.iter().fold(1, |around: u64, frame| {
        let turns = turns(around, &frame.turns);
        turns.saturating_mul(u64::from(frame.of))
    });
    let calls = most_calls(around, continuation);
    if calls <= definition.max_calls {
        return Ok(());
    }
    Err(Fault::Bound(format!(
        "a call of `{}` could be made {calls} times at one place, over its bound of {}: make fewer branches or turns, or raise it with `#[workflow(max_calls = …)]`",
        definition.name, definition.max_calls
    )))
}

/// The most calls that any place in a continuation may have, when `around` ones may reach it.
fn most_calls(around: u64, continuation: &Continuation) -> u64 {
    match continuation {
        Continuation::Call(Call { turns: counters, .. }) => turns(around, counters),
        Continuation::Fork(Fork { turns: counters, branches, .. }) => {
            let around = turns(around, counters).saturating_mul(branches.len() as u64);
            branches.iter().map(|branch| most_calls(around, branch)).max().unwrap_or(0)
        }
        Continuation::Return(_) | Continuation::Err(_) => 0,
    }
}

/// Multiplied by the turns so far of each loop: a counter begins at 0.
fn turns(around: u64, counters: &[u32]) -> u64 {
    counters.iter().fold(around, |all, &counter| all.saturating_mul(u64::from(counter) + 1))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{envelope::Value, graph::sample::ALL};

    fn bounded(max_calls: u64) -> Definition {
        Definition { max_calls, ..ALL }
    }

    fn value() -> Value {
        Value::Inline(Bytes::new())
    }

    fn call(turns: &[u32]) -> Continuation {
        Continuation::Call(Call {
            node: 0,
            turns: turns.to_vec(),
            args: value(),
            vars: vec![],
            gathers: None,
        })
    }

    fn fork(turns: &[u32], branches: Vec<Continuation>) -> Continuation {
        Continuation::Fork(Fork { join: 0, turns: turns.to_vec(), vars: vec![], branches, first: None })
    }

    fn frame(turns: &[u32], of: u32) -> Frame {
        Frame { join: 0, turns: turns.to_vec(), index: 0, of, vars: vec![], first: None }
    }

    /// It passes with this bound, and not with one less.
    #[track_caller]
    fn assert_calls(expected: u64, frames: &[Frame], continuation: &Continuation) {
        assert!(check_calls(&bounded(expected), frames, continuation).is_ok());
        let refused = check_calls(&bounded(expected - 1), frames, continuation);
        let Err(Fault::Bound(text)) = refused else { panic!("{refused:?}") };
        assert!(
            text.contains(&format!(" {expected} times at one place, over its bound of {}", expected - 1))
        );
        assert!(text.contains("max_calls = …"), "{text}");
    }

    #[test]
    fn calls_are_turns_and_branches_multiplied() {
        assert_calls(1, &[], &call(&[]));
        assert_calls(3, &[], &call(&[2]));
        assert_calls(12, &[], &call(&[2, 3]));
        assert_calls(5, &[frame(&[], 5)], &call(&[]));
        assert_calls(5 * 2 * 7 * 3, &[frame(&[1], 5), frame(&[], 7)], &call(&[2]));
        assert_calls(3, &[], &fork(&[], vec![call(&[]), call(&[]), call(&[])]));
        assert_calls(5 * 4 * 2, &[frame(&[], 5)], &fork(&[3], vec![call(&[]), call(&[])]));
    }

    #[test]
    fn the_widest_branch_counts() {
        let inner = fork(&[], vec![call(&[]), call(&[]), call(&[])]);
        assert_calls(2 * 3, &[], &fork(&[], vec![call(&[]), inner]));
        assert_calls(2 * 4, &[], &fork(&[], vec![call(&[3]), call(&[])]));
    }

    #[test]
    fn what_calls_nothing_passes_any_bound() {
        let none = bounded(0);
        let wide = [frame(&[u32::MAX], u32::MAX)];
        for ends in [Continuation::Return(value()), Continuation::Err(value()), fork(&[], vec![])] {
            assert!(check_calls(&none, &wide, &ends).is_ok());
        }
        let returns = fork(&[], vec![Continuation::Return(value())]);
        assert!(check_calls(&none, &wide, &returns).is_ok());
    }

    #[test]
    fn a_product_over_all_numbers_is_refused() {
        let frames: Vec<_> = (0..5).map(|_| frame(&[u32::MAX], u32::MAX)).collect();
        assert!(check_calls(&bounded(u64::MAX - 1), &frames, &call(&[])).is_err());
    }
}
