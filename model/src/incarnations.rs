//! Runs that one key names, at once and one after another, whose rows expire cell by cell:
//! `jointlambda-runtime/src/{client,commit,join,sweep}.rs`, in what they do to the run row.
//!
//! A run is `b(a())`: the run row, a row for `a`, and `b`, whose commit is the end of the run. Each run
//! stores its first value. An incarnation is told by the time that its client proposed; no two proposals
//! are equal but where a check says so. A run may be past its expiry at any moment, also while its copies
//! and events are alive; from then on each cell of its rows may go, in any order, and a start may replace
//! it. (The row of a redriven run goes as a whole.) A value is told by the incarnation whose copy made it.

mod properties;
mod state;
mod steps;

use stateright::{Model, Property};

use self::{
    properties::SAFE,
    state::{Todo, Who},
};
pub use self::{
    properties::{
        ENDS, NO_OBJECT_LEFT, ONLY_STARTS, OUTLIVED, OWN_LINK, OWN_SLOTS, OWN_VALUES, REDRIVEN_BOTH,
        SECOND_RETURNED, STORED_WHILE_OPEN, TWO_PROPOSED, ZOMBIES,
    },
    state::{Cell, Event, Run, State},
};
use crate::{
    bounds::Bounds,
    check::{self, Report},
};

/// What is checked: how often a key is started, what may go wrong, and what is done wrong.
#[derive(Clone, Debug)]
pub struct Incarnations {
    /// How often clients start the key.
    pub starts: u8,
    /// Whether a client may propose the time that another proposes.
    pub same_time: bool,
    /// Whether `b` fails every time in the runs that were not redriven.
    pub failing: bool,
    /// Whether the rows of redriven runs do not expire.
    pub redriven_stay: bool,
    /// How much may go wrong: crashes, duplicates, drops, racing sweeps and deadlines. And how often a
    /// client cancels and redrives.
    pub bounds: Bounds,
    /// What is done wrong.
    pub mutation: Option<Wrong>,
}

/// One thing done wrong about incarnations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The names of rows derive from the run's id alone.
    NamesWithoutIncarnation,
    /// An end does not ask whose run row it is.
    EndWithoutCheck,
    /// A cancellation does not ask.
    CancelWithoutCheck,
    /// The link of a redrive does not ask.
    LinkWithoutCheck,
    /// The id of a redriven run derives from the run's id alone.
    RedrivenByRunAlone,
    /// Whoever creates a run row leaves the slots that are there.
    CreateKeepsSlots,
    /// Whoever creates a run row leaves the attribute that says whose it is, where there is one.
    CreateKeepsInc,
    /// A client that finds the run started leaves what it has stored.
    LoserKeepsItsValues,
    /// Such a client deletes what the key has stored, whatever the incarnation.
    LoserDeletesByKey,
    /// Such a client deletes what it has stored, also where the winner proposed the same time.
    LoserDeletesItsTwin,
    /// A copy that asks whether its run is over does not ask whose run row it is.
    ReadWithoutCheck,
}

/// One thing that happens, in one atomic step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// A client starts the key; `twin` is the time of another client's proposal that it proposes too.
    Start {
        /// That time.
        twin: Option<u8>,
    },
    /// An event is delivered; it stays in its queue if it is to be delivered `again`.
    Deliver {
        /// The event.
        event: Event,
        /// Whether it is delivered twice.
        again: bool,
    },
    /// A platform loses an event.
    Drop(Event),
    /// Somebody makes the next step.
    Act(usize),
    /// Somebody dies.
    Crash(usize),
    /// A sweep of all open runs begins.
    Sweep {
        /// Whether it finds them past their deadlines.
        overdue: bool,
    },
    /// A client cancels the run that the key names.
    Cancel,
    /// A client redrives it.
    Redrive,
    /// The rows of an incarnation are past their expiry.
    Pass(u8),
    /// One cell of the key's run row expires.
    ExpireCell(Cell),
    /// The run row of a redriven run expires.
    ExpireRun(Run),
    /// The row of `a` expires.
    ExpireRow(u8),
}

impl Incarnations {
    /// A key that is started so often.
    pub fn new(starts: u8, bounds: Bounds) -> Self {
        let bounds = if bounds.total == 0 { bounds.all_of_these() } else { bounds };
        Incarnations {
            starts,
            same_time: false,
            failing: false,
            redriven_stay: false,
            bounds,
            mutation: None,
        }
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
        if self.same_time {
            what += ", at the same time";
        }
        if self.failing {
            what += ", the last call broken";
        }
        if self.redriven_stay {
            what += ", rows of redriven runs stay";
        }
        if let Some(mutation) = self.mutation {
            what += &format!(", mutation {mutation:?}");
        }
        let name = format!("{} starts of a key", self.starts);
        check::explore(self, name, what, until, &SAFE, |state, action| match action {
            Action::Act(actor) => {
                let actor = &state.actors[actor];
                format!("{:?}: {:?}", actor.who, actor.todo.last())
            }
            Action::Crash(actor) => format!("Crash of {:?}", state.actors[actor].who),
            action => format!("{action:?}"),
        })
    }

    fn has(&self, mutation: Wrong) -> bool {
        self.mutation == Some(mutation)
    }

    fn is_stuck(&self, state: &State) -> bool {
        state.is_quiet() && state.swept && state.has_open_runs(|inc| !state.is_past(inc.at))
    }

    /// Who else proposes a time for the key's run, and has not created it yet.
    fn twins(&self, state: &State) -> Vec<u8> {
        let proposals = state.actors.iter().filter_map(|actor| match actor.todo.last() {
            Some(Todo::Store { inc, .. } | Todo::Create { inc, .. }) if inc.parent.is_none() => Some(inc.at),
            _ => None,
        });
        proposals.filter(|_| self.same_time).collect()
    }

    fn clients(&self, state: &State, actions: &mut Vec<Action>) {
        if state.starts < self.starts {
            actions.push(Action::Start { twin: None });
            actions.extend(self.twins(state).into_iter().map(|at| Action::Start { twin: Some(at) }));
        }
        let Some(row) = state.run(Run::Key) else { return };
        if row.body.is_some() && row.end.is_none() && state.left.cancels > 0 {
            actions.push(Action::Cancel);
        }
        if row.body.is_some() && row.has_failed() && state.left.redrives > 0 {
            actions.push(Action::Redrive);
        }
    }

    fn expiry(&self, state: &State, actions: &mut Vec<Action>) {
        let runs = state.runs.iter().filter(|(run, _)| *run == Run::Key || !self.redriven_stay);
        for (run, row) in runs {
            let body = row.body.map(|body| body.inc.at);
            if let Some(at) = body.filter(|at| !state.is_past(*at)) {
                actions.push(Action::Pass(at));
            }
            if *run != Run::Key {
                if body.is_some_and(|at| state.is_past(at)) {
                    actions.push(Action::ExpireRun(*run));
                }
                continue;
            }
            for cell in Cell::ALL {
                if row.owner(cell).is_some_and(|at| state.is_past(at)) {
                    actions.push(Action::ExpireCell(cell));
                }
            }
        }
        let gone = state.rows.iter().filter(|(_, value)| state.is_past(*value));
        actions.extend(gone.map(|(name, _)| Action::ExpireRow(*name)));
    }
}

impl Model for Incarnations {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { left: self.bounds, ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.clients(state, actions);
        for (index, &event) in state.events.iter().enumerate() {
            if index > 0 && state.events[index - 1] == event {
                continue;
            }
            actions.push(Action::Deliver { event, again: false });
            if state.left.duplicates > 0 {
                actions.push(Action::Deliver { event, again: true });
            }
            if state.left.drops > 0 {
                actions.push(Action::Drop(event));
            }
        }
        for (index, actor) in state.actors.iter().enumerate() {
            if index > 0 && state.actors[index - 1] == *actor {
                continue;
            }
            actions.push(Action::Act(index));
            if state.left.crashes > 0 {
                actions.push(Action::Crash(index));
            }
        }
        let is_free = state.is_quiet() && !state.swept && state.has_open_runs(|inc| !state.is_past(inc.at));
        if state.has_open_runs(|_| true) {
            if is_free || state.left.sweeps > 0 {
                actions.push(Action::Sweep { overdue: false });
            }
            if state.left.deadlines > 0 {
                actions.push(Action::Sweep { overdue: true });
            }
        }
        self.expiry(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        state.settle();
        state.swept = match action {
            Action::Sweep { .. } => last.is_quiet(),
            _ => last.swept && state.is_as_far_as(last),
        };
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

/// Whether somebody is a copy, whose event is delivered again when it dies.
fn event_of(who: Who) -> Option<Event> {
    match who {
        Who::Copy(event) => Some(event),
        Who::Client | Who::Sweep | Who::Redriver | Who::Canceller => None,
    }
}
