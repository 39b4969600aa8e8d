//! What holds in every state, and what some states show.

use stateright::Property;

use super::{
    BRANCHES, Tree, WIDTH,
    state::{Call, State},
};

/// The fan-in goes on with all branches.
pub const FIRES_WHEN_FULL: &str = "a tree fires when all is full";
/// A call begins once, once more for each delivery beyond the first of any event, and once more each time that it
/// has been open twice as long.
pub const EXECUTIONS: &str = "executions grow with the logarithm";
/// What was lost is invoked again by the time that it has been open twice as long, however often it was
/// lost before.
pub const REPAIRED: &str = "what is lost is found";
/// The properties that must hold in every state.
pub(super) const SAFE: [&str; 3] = [FIRES_WHEN_FULL, EXECUTIONS, REPAIRED];

/// The run has ended.
pub const ENDED: &str = "the run ended";
/// A sweep invoked a branch again.
pub const SENT_AGAIN: &str = "a branch was invoked again";
/// A sweep went on from a tree that a copy went on from too.
pub const FIRED_AGAIN: &str = "a sweep fired a full tree";
/// A look came more than a tick after the one before.
pub const LOOKED_LATE: &str = "a look came late";

pub(super) fn all() -> Vec<Property<Tree>> {
    // Nothing but a sweep makes a call begin again that is not delivered again.
    fn again(state: &State, mut begun: impl Iterator<Item = u8>) -> bool {
        state.redelivered == 0 && begun.any(|begun| begun > 1)
    }
    vec![
        Property::always(FIRES_WHEN_FULL, |_, state: &State| !state.early),
        Property::always(EXECUTIONS, |_, state: &State| {
            let doublings = state.now.checked_ilog2().map_or(0, |log| log as u8 + 1);
            state.begun.iter().all(|begun| *begun <= 1 + state.redelivered + doublings)
        }),
        Property::always(REPAIRED, is_repaired),
        Property::sometimes(ENDED, |_, state: &State| state.ended),
        Property::sometimes(SENT_AGAIN, |_, state: &State| {
            again(state, state.begun[..BRANCHES].iter().copied())
        }),
        Property::sometimes(FIRED_AGAIN, |_, state: &State| {
            again(state, state.begun[BRANCHES..].iter().copied())
        }),
        Property::sometimes(LOOKED_LATE, |_, state: &State| state.now > state.looked_at + 1),
    ]
}

/// Whether no call is lost for longer than it may be: no event and no copy is left since a tick, a look
/// after that has come to its end, and the call had been open twice as long then as when it was lost.
fn is_repaired(_: &Tree, state: &State) -> bool {
    let Some(lost) = state.still_since.filter(|_| !state.ended && !state.is_swept_now()) else { return true };
    // With a leaf that cannot be read nobody knows whether the tree is full.
    let last = (!state.dark).then_some(Call::Last);
    let readable = if state.dark { WIDTH } else { BRANCHES };
    let calls = (0..readable as u8).map(Call::Branch).chain(last);
    calls.filter_map(|call| state.open_since(call)).all(|since| {
        let doubled = 2 * lost.saturating_sub(since).max(1);
        state.looked_at <= lost || state.looked_at - since < doubled
    })
}
