//! Calls of several runs that gather in batches: `jointlambda-runtime/src/batch.rs`, `batch/flush.rs`.
//!
//! A model of its own, since what matters is between runs. Each run is one call of a batch function
//! and what follows it, which is the run's end. All calls are of one time; that a batch has waited for
//! long enough may be at any moment. A batch fails as a whole when a member is in it that fails by
//! itself too.

mod state;
mod steps;

use stateright::{Model, Property};

pub use self::state::{Event, State, Task};
use self::state::{Out, Todo};
use crate::{
    bounds::Bounds,
    check::{self, Report},
};

/// The most runs of a check.
pub(crate) const RUNS: usize = 3;
/// How many members a batch has at most.
pub(crate) const SIZE: usize = 2;
/// The rows of one time: each member may find itself in one of its own.
pub(crate) const ROWS: usize = RUNS;

/// A member has at most one outcome, its own, and what follows is made of that.
pub const ONE_OUTCOME: &str = "a member has one outcome";
/// No batch has more members than its size, and no call is in two.
pub const SIZES: &str = "batches keep their size";
/// Every run ends: a batch that does not fill up is run too.
pub const ENDS: &str = "every run ends";
/// A run fails only when its platform gave up on a call of it alone.
pub const OWN_FAILURE: &str = "a failure is of one member";
/// The properties that must hold in every state.
pub const SAFE: [&str; 4] = [ONE_OUTCOME, SIZES, ENDS, OWN_FAILURE];

/// Two runs returned from one batch.
pub const TOGETHER: &str = "two returned from one batch";
/// A batch was run that had not filled up.
pub const INCOMPLETE: &str = "a batch was not full";
/// A member was sent alone.
pub const ALONE: &str = "a member went alone";
/// A run has failed.
pub const FAILED: &str = "a run failed";
/// All runs have returned.
pub const ALL_RETURNED: &str = "all runs returned";

/// What is checked: runs that share batches, what may go wrong, and what is done wrong.
#[derive(Clone, Debug)]
pub struct Batches {
    /// How many runs there are.
    pub runs: u8,
    /// The run whose call fails every time.
    pub broken: Option<u8>,
    /// How much may go wrong: crashes, duplicates, drops, lost answers, restarts and racing sweeps.
    pub bounds: Bounds,
    /// How often a platform delivers an event before it gives up.
    pub attempts: u8,
    /// Whether anybody sweeps.
    pub sweeper: bool,
    /// What is done wrong.
    pub mutation: Option<Wrong>,
}

/// One thing done wrong with batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A call that is dispatched again is appended again.
    AppendNotIdempotent,
    /// Whoever appends does not ask whether there is room.
    RoomNotAsked,
    /// A batch runs when it is full, and only then.
    NoFlush,
    /// What the function returned is given to the members in another order than their arguments were.
    OtherOrder,
    /// When the platform gives up on a batch, its members fail with it.
    FailTogether,
    /// Nobody goes on from what an earlier delivery of the batch decided.
    DecidedAreLeft,
}

/// One thing that happens, in one atomic step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// A client starts a run, for the first time or again.
    Start(u8),
    /// An event is delivered; it stays in its queue if it is to be delivered `again`.
    Deliver {
        /// The event.
        event: Event,
        /// Whether it is delivered twice.
        again: bool,
    },
    /// A platform loses an event.
    Drop(Event),
    /// Somebody makes a step.
    Act {
        /// Who.
        actor: usize,
        /// Which of those that are to be made.
        step: usize,
        /// Whether the step is an invocation whose answer is lost.
        answer_lost: bool,
    },
    /// The platform is told that an event is done.
    Reply(usize),
    /// Somebody dies.
    Crash(usize),
    /// A sweep of all runs begins.
    Sweep,
}

impl Batches {
    /// So many runs, with two deliveries of an event and a sweeper.
    pub fn new(runs: u8, bounds: Bounds) -> Self {
        let bounds = if bounds.total == 0 { bounds.all_of_these() } else { bounds };
        Batches { runs, broken: None, bounds, attempts: 2, sweeper: true, mutation: None }
    }

    /// Looks at every state within the bounds.
    pub fn check(self) -> Report {
        self.run(None)
    }

    /// Looks for a violation of `property`, and stops at the first.
    pub fn hunt(self, property: &'static str) -> Report {
        self.run(Some(property))
    }

    fn run(self, until: Option<&'static str>) -> Report {
        let mut what = self.bounds.to_string();
        if let Some(broken) = self.broken {
            what += &format!(", run {broken} broken");
        }
        if self.attempts == 1 {
            what += ", one delivery";
        }
        if !self.sweeper {
            what += ", no sweeper";
        }
        if let Some(mutation) = self.mutation {
            what += &format!(", mutation {mutation:?}");
        }
        let name = format!("batches of {} runs", self.runs);
        check::explore(self, name, what, until, &SAFE, |state, action| match action {
            Action::Act { actor, step, answer_lost } => {
                let actor = &state.actors[actor];
                let lost = if answer_lost { ", and the answer is lost" } else { "" };
                format!("{:?}: {:?}{lost}", actor.role, actor.todo[step])
            }
            Action::Crash(actor) => format!("Crash of {:?}", state.actors[actor].role),
            action => format!("{action:?}"),
        })
    }

    fn has(&self, mutation: Wrong) -> bool {
        self.mutation == Some(mutation)
    }

    /// Whether nothing is under way: what is left to happen is a sweep, or for something else to go
    /// wrong.
    fn is_quiet(&self, state: &State) -> bool {
        state.clients.count_ones() == u32::from(self.runs)
            && state.actors.is_empty()
            && state.events.is_empty()
    }

    fn is_stuck(&self, state: &State) -> bool {
        let open = (0..self.runs).any(|run| state.is_open(run));
        open && self.is_quiet(state) && (state.swept || !self.sweeper)
    }
}

impl Model for Batches {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { left: self.bounds, ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for run in 0..self.runs {
            if state.clients & (1 << run) == 0 || state.left.restarts > 0 {
                actions.push(Action::Start(run));
            }
        }
        for &event in &state.events {
            actions.push(Action::Deliver { event, again: false });
            if state.left.duplicates > 0 {
                actions.push(Action::Deliver { event, again: true });
            }
            if state.left.drops > 0 {
                actions.push(Action::Drop(event));
            }
        }
        for (index, actor) in state.actors.iter().enumerate() {
            for (step, todo) in actor.todo.iter().enumerate() {
                actions.push(Action::Act { actor: index, step, answer_lost: false });
                if state.left.unknowns > 0 && matches!(todo, Todo::Invoke(_)) {
                    actions.push(Action::Act { actor: index, step, answer_lost: true });
                }
            }
            if actor.todo.is_empty() {
                actions.push(Action::Reply(index));
            }
            if state.left.crashes > 0 {
                actions.push(Action::Crash(index));
            }
        }
        let open = (0..self.runs).any(|run| state.is_open(run));
        let free = self.is_quiet(state) && !state.swept;
        if self.sweeper && open && (free || state.left.sweeps > 0) {
            actions.push(Action::Sweep);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        state.settle();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_OUTCOME, |_, state: &State| !state.mixed),
            Property::always(SIZES, |model: &Batches, state: &State| {
                let of =
                    |run| state.rows.iter().flat_map(|row| &row.members).filter(|one| **one == run).count();
                state.rows.iter().all(|row| row.members.len() <= SIZE)
                    && (0..model.runs).all(|run| of(run) <= 1)
            }),
            Property::always(ENDS, |model: &Batches, state: &State| !model.is_stuck(state)),
            Property::always(OWN_FAILURE, |_, state: &State| !state.shared_failure),
            Property::sometimes(TOGETHER, |_, state: &State| {
                state.rows.iter().any(|row| {
                    row.members.len() == SIZE && row.members.iter().all(|run| state.returned(*run))
                })
            }),
            Property::sometimes(INCOMPLETE, |_, state: &State| {
                state
                    .rows
                    .iter()
                    .any(|row| row.members.len() == 1 && row.seal.is_some() && state.returned(row.members[0]))
            }),
            Property::sometimes(ALONE, |_, state: &State| {
                state.events.iter().any(|event| matches!(event.task, Task::Alone(_)))
            }),
            Property::sometimes(FAILED, |_, state: &State| {
                state.runs.iter().any(|run| run.end == Some(Out::Failed))
            }),
            Property::sometimes(ALL_RETURNED, |model: &Batches, state: &State| {
                (0..model.runs).all(|run| state.returned(run))
            }),
        ]
    }
}
