//! What holds in every state, and what some states show.
//!
//! That a run ends is checked as: there is no state in which nothing is left to happen and the
//! run has not ended. Every action uses up a bound or makes progress (`tests/holds.rs` shows that
//! no state comes back), so that a run which is never stuck ends. stateright's own `eventually`
//! misses runs that meet a state seen before.

use stateright::Property;

use crate::{
    data::{Ended, Settled},
    model::Protocol,
    state::{At, Role, State, Todo},
    watch::Flaw,
};

/// At most one outcome per instance, and every consumer sees that one.
pub const ONE_OUTCOME: &str = "one outcome";
/// What is dispatched is committed.
pub const COMMIT_FIRST: &str = "committed before dispatched";
/// A fan-in goes on with all branches.
pub const FULL_JOIN: &str = "a join fires when full";
/// A run ends at most once.
pub const ONE_END: &str = "one end";
/// A key names one run, with one beginning.
pub const ONE_START: &str = "one start";
/// Nothing is committed after a run has returned or was cancelled, or once its rows are gone.
pub const NO_ZOMBIES: &str = "zombies do nothing";
/// A started run ends.
pub const ENDS: &str = "a started run ends";
/// A run fails only when a platform gave up on a call for a fault of its own or the deadline passed,
/// and is cancelled only when a client said so.
pub const NO_FALSE_FAILURE: &str = "no failure without a cause";
/// Nothing is left once rows have expired.
pub const CLEAN: &str = "nothing is left";

/// No user function begins once the rows of its run are gone.
pub const NONE_LATE: &str = "no function runs after its rows";
/// A delivery beyond the first, a lost answer, a sweep, a second start: each makes user functions
/// begin at most once more for its own instance, and once more for what follows that directly.
pub const EXECUTIONS: &str = "executions are bounded";

/// What a failed run has committed is not called again when it is redriven.
pub const KEPT: &str = "what was committed is kept";
/// Once it is settled what is left of a failed run, nothing more is committed in it.
pub const NOT_TWICE: &str = "nothing counts twice";

/// The properties that must hold in every state.
pub const SAFE: [&str; 13] = [
    ONE_OUTCOME,
    COMMIT_FIRST,
    FULL_JOIN,
    ONE_END,
    ONE_START,
    NO_ZOMBIES,
    ENDS,
    NO_FALSE_FAILURE,
    CLEAN,
    NONE_LATE,
    EXECUTIONS,
    KEPT,
    NOT_TWICE,
];

/// A copy has computed another outcome than the one that is committed.
pub const LOST_RACE: &str = "a duplicate lost the race";
/// A copy runs on a failover placement.
pub const FAILED_OVER: &str = "failed over";
/// A sweep is about to invoke an instance again.
pub const SWEPT: &str = "a sweep invoked again";
/// A run has failed.
pub const FAILED: &str = "a run failed";
/// A run was cancelled.
pub const CANCELLED: &str = "a run was cancelled";
/// A run that was redriven has returned.
pub const REDRIVEN: &str = "a redriven run returned";
/// A run has returned.
pub const RETURNED: &str = "a run returned";
/// Two copies commit the same fan-in.
pub const JOINED_TWICE: &str = "two copies fired a join";
/// A copy starts after its run has ended.
pub const ZOMBIE: &str = "a zombie ran";
/// The rows are gone.
pub const EXPIRED: &str = "all rows expired";

/// All properties.
pub(crate) fn all() -> Vec<Property<Protocol>> {
    fn no(state: &State, flaw: Flaw) -> bool {
        state.flaws & flaw as u16 == 0
    }
    vec![
        Property::always(ONE_OUTCOME, |_, state: &State| no(state, Flaw::TwoOutcomes)),
        Property::always(COMMIT_FIRST, |_, state: &State| no(state, Flaw::NotCommitted)),
        Property::always(FULL_JOIN, |_, state: &State| no(state, Flaw::JoinedEarly)),
        Property::always(ONE_END, |_, state: &State| no(state, Flaw::TwoEnds)),
        Property::always(ONE_START, |_, state: &State| no(state, Flaw::TwoStarts)),
        Property::always(NO_ZOMBIES, |_, state: &State| no(state, Flaw::Zombie)),
        Property::always(ENDS, ends),
        Property::always(NO_FALSE_FAILURE, |model, state: &State| match state.first_end() {
            Some(Ended::Failed) => may_fail(model, state),
            Some(Ended::Cancelled) => model.bounds.cancels > 0,
            _ => true,
        }),
        // By the clock they go one by one.
        Property::always(CLEAN, |model: &Protocol, state: &State| {
            model.clock.is_some() || !state.expired || state.rows.is_empty()
        }),
        Property::always(NONE_LATE, |_, state: &State| no(state, Flaw::Late)),
        Property::always(EXECUTIONS, |model, state: &State| {
            state.count.extra <= state.count.causes * (1 + model.shape.widest())
        }),
        Property::always(KEPT, |_, state: &State| no(state, Flaw::CalledAgain)),
        Property::always(NOT_TWICE, |_, state: &State| no(state, Flaw::CountsTwice)),
        Property::sometimes(REDRIVEN, |_, state: &State| {
            state.redriven && matches!(state.first_end(), Some(Ended::Returned(_)))
        }),
        Property::sometimes(LOST_RACE, lost_race),
        Property::sometimes(FAILED_OVER, |model, state: &State| {
            state.actors.iter().any(|actor| match actor.role {
                Role::Copy(event) => model.shape.node(event.to.node).placements[0] != event.cloud,
                _ => false,
            })
        }),
        Property::sometimes(SWEPT, |_, state: &State| {
            let sends = |todo: &Todo| matches!(todo, Todo::Send { .. });
            state.actors.iter().any(|actor| actor.role == Role::Sweep && actor.todo.iter().any(sends))
        }),
        Property::sometimes(FAILED, |_, state: &State| state.first_end() == Some(Ended::Failed)),
        Property::sometimes(CANCELLED, |_, state: &State| state.first_end() == Some(Ended::Cancelled)),
        Property::sometimes(RETURNED, |_, state: &State| {
            matches!(state.first_end(), Some(Ended::Returned(_)))
        }),
        Property::sometimes(JOINED_TWICE, |_, state: &State| {
            let commits = |todo: &Todo| matches!(todo, Todo::Commit { .. });
            state.actors.iter().filter(|actor| actor.todo.iter().any(commits)).count() > 1
        }),
        Property::sometimes(ZOMBIE, |_, state: &State| {
            let begun = |at| matches!(at, At::Begun);
            state.first_end().is_some() && state.actors.iter().any(|actor| begun(actor.at))
        }),
        Property::sometimes(EXPIRED, |_, state: &State| state.expired),
    ]
}

/// Stuck is a run that has not ended while nothing is left to happen; with a sweeper, also after
/// a sweep found nothing to do.
fn ends(model: &Protocol, state: &State) -> bool {
    let stuck = model.is_quiet(state) && (state.swept || !model.sweeps());
    !stuck || !state.is_open()
}

/// Whether a platform gave up on a call for a fault of its own, or the deadline may have passed.
fn may_fail(model: &Protocol, state: &State) -> bool {
    state.failed_by_itself || model.bounds.deadlines > 0 || model.clock.is_some()
}

fn lost_race(model: &Protocol, state: &State) -> bool {
    state.actors.iter().any(|actor| match (actor.at, actor.role) {
        (At::Computed(own), Role::Copy(event)) => {
            let settled = model.settled(state, event.to, Some(event.cloud));
            matches!(settled, Some((Settled::Next(theirs), _)) if theirs.data() != own.data())
        }
        _ => false,
    })
}
