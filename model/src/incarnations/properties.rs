//! What holds in every state, and what some states show.

use stateright::Property;

use super::{
    Incarnations,
    state::{Cell, End, Flaw, Run, RunRow, State, Todo},
};

/// A run goes on from its own values, or from those of the run that it goes on in place of.
pub const OWN_VALUES: &str = "a run sees its own values";
/// What ends, cancels or redrives a run is of that run.
pub const OWN_SLOTS: &str = "a run is ended by its own";
/// No arrival makes a run row.
pub const ONLY_STARTS: &str = "only a start makes a run";
/// A run that was redriven leads to what goes on in its place, and to no other run.
pub const OWN_LINK: &str = "a run leads to its own redriven run";
/// What a run has stored is there until it ends.
pub const STORED_WHILE_OPEN: &str = "what an open run stored is there";
/// Nothing stays stored but what age removes: of clients that died, and of runs past their expiry.
pub const NO_OBJECT_LEFT: &str = "nothing stays stored";
/// A copy that finds its work done goes on only while its run is there.
pub const ZOMBIES: &str = "late copies of a run that is gone stop";
/// A started run ends, unless it is past its expiry.
pub const ENDS: &str = "every incarnation ends";
/// The properties that must hold in every state.
pub(super) const SAFE: [&str; 8] =
    [OWN_VALUES, OWN_SLOTS, ONLY_STARTS, OWN_LINK, STORED_WHILE_OPEN, NO_OBJECT_LEFT, ZOMBIES, ENDS];

/// Two clients are about to create the same run.
pub const TWO_PROPOSED: &str = "two starts at once";
/// The slots of a run row are there and its body is not.
pub const OUTLIVED: &str = "slots outlived their body";
/// A key was used again, and the later run has returned.
pub const SECOND_RETURNED: &str = "a later incarnation returned";
/// Two incarnations of a key were redriven, and the rows of both are there.
pub const REDRIVEN_BOTH: &str = "two incarnations were redriven";

pub(super) fn all() -> Vec<Property<Incarnations>> {
    fn no(state: &State, flaw: Flaw) -> bool {
        state.flaws & flaw as u8 == 0
    }
    vec![
        Property::always(OWN_VALUES, |_, state: &State| no(state, Flaw::ForeignValue)),
        Property::always(OWN_SLOTS, |_, state: &State| state.runs.iter().all(|(_, row)| has_own_slots(row))),
        Property::always(ONLY_STARTS, |_, state: &State| no(state, Flaw::RowOfNothing)),
        Property::always(OWN_LINK, leads_to_its_own),
        Property::always(STORED_WHILE_OPEN, |_, state: &State| no(state, Flaw::ValueGone)),
        Property::always(NO_OBJECT_LEFT, no_object_left),
        Property::always(ZOMBIES, |_, state: &State| no(state, Flaw::Zombie)),
        Property::always(ENDS, |model: &Incarnations, state: &State| !model.is_stuck(state)),
        Property::sometimes(TWO_PROPOSED, |_, state: &State| {
            let creates = |todo: &Todo| matches!(todo, Todo::Create { .. });
            state.actors.iter().filter(|actor| actor.todo.iter().any(creates)).count() > 1
        }),
        Property::sometimes(OUTLIVED, |_, state: &State| {
            let outlived = |row: &RunRow| row.body.is_none() && row.end.is_some();
            state.runs.iter().any(|(_, row)| outlived(row))
        }),
        Property::sometimes(SECOND_RETURNED, |_, state: &State| {
            let row = state.run(Run::Key).copied().unwrap_or_default();
            let is_second = row.body.is_some_and(|body| state.past & ((1 << body.inc.at) - 1) != 0);
            is_second && matches!(row.end, Some((End::Returned, _)))
        }),
        Property::sometimes(REDRIVEN_BOTH, |_, state: &State| {
            state.runs.iter().filter(|(run, row)| *run != Run::Key && row.body.is_some()).count() > 1
        }),
    ]
}

/// Whether the slots of a run row were filled by the incarnation whose body is there.
fn has_own_slots(row: &RunRow) -> bool {
    let Some(body) = row.body else { return true };
    Cell::ALL.into_iter().all(|cell| row.owner(cell).is_none_or(|at| at == body.inc.at))
}

fn leads_to_its_own(_: &Incarnations, state: &State) -> bool {
    state.runs.iter().all(|(_, row)| {
        let (Some(body), Some((to, _))) = (row.body, row.link) else { return true };
        let there = state.run(to).and_then(|row| row.body);
        there.is_none_or(|there| there.inc.parent == Some(body.inc.at))
    })
}

fn no_object_left(_: &Incarnations, state: &State) -> bool {
    let mut stored = (0..u16::BITS as u8).filter(|at| state.has_stored(*at) && !state.is_past(*at));
    let is_open = |at: u8| state.has_open_runs(|inc| inc.at == at);
    state.crashed || !state.is_quiet() || stored.all(is_open)
}
