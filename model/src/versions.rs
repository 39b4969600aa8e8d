//! Runs of two deployments in one table: `jointlambda-runtime/src/{sweep,entrypoint}.rs`, in what they do
//! with what another version wrote.
//!
//! A run is one call. The run index gives each sweep the run that is due first, and no more: it stands for
//! the bound that a sweep has. Runs of even numbers are of deployment 0, the others of deployment 1; whoever
//! is of one cannot read the rows of the other. An event may come to a function of the other deployment, as
//! it does where code was replaced in place.

use stateright::{Model, Property};

use crate::check::{self, Report};

/// The most runs of a check.
const RUNS: usize = 3;
/// How often a platform delivers an event before it gives up.
const ATTEMPTS: u8 = 2;

/// A run ends as its own deployment decided.
pub const OWN_OUTCOME: &str = "a run is decided by its version";
/// A run ends, unless its deployment is gone.
pub const ENDS: &str = "no version blocks another";
/// The properties that must hold in every state.
const SAFE: [&str; 2] = [OWN_OUTCOME, ENDS];

/// A function was given an event of the other deployment.
pub const MISLED: &str = "an event came to another version";
/// A sweep invoked a call again.
pub const SENT_AGAIN: &str = "a sweep sent a lost event again";
/// All runs have ended.
pub const ALL_ENDED: &str = "runs of both versions ended";

/// What is checked: how many runs, and what is done wrong.
#[derive(Clone, Debug)]
pub struct Versions {
    /// How many runs there are.
    pub runs: u8,
    /// Whether deployment 0 is gone: it has neither functions nor a sweeper.
    pub gone: bool,
    /// How many events are lost.
    pub drops: u8,
    /// How many events come to the other deployment.
    pub misled: u8,
    /// What is done wrong.
    pub mutation: Option<Wrong>,
}

/// One thing done wrong with what another version wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A sweep fails a run whose row it cannot read.
    SweepFailsTheForeign,
    /// A sweep that meets such a run leaves it where it is in the index, and has had its turn.
    ForeignRunsBlockTheIndex,
    /// It says when the run is due next, so that the sweeper whose it is never finds it due.
    SweepPostponesTheForeign,
    /// When an event of another deployment is given up, its run fails.
    RefusedEventsFailTheRun,
}

/// The whole system at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The runs in the order in which they are due.
    index: Vec<u8>,
    runs: [Run; RUNS],
    drops: u8,
    misled: u8,
    /// Which deployments have swept since anything else happened, a bit each.
    swept: u8,
    foreign: bool,
    sent_again: bool,
}

/// A run and its event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Run {
    ended: bool,
    event: Option<Event>,
}

/// An event, how often it was delivered, and whether it comes to the other deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Event {
    attempts: u8,
    misled: bool,
}

/// One thing that happens, in one atomic step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// The event of a run is delivered.
    Deliver(u8),
    /// It goes to the other deployment from now on.
    Mislead(u8),
    /// It is lost.
    Drop(u8),
    /// A deployment sweeps.
    Sweep(u8),
}

impl Versions {
    /// So many runs.
    pub fn new(runs: u8) -> Self {
        Versions { runs, gone: false, drops: 2, misled: 1, mutation: None }
    }

    /// Looks at every state.
    pub fn check(self) -> Report {
        self.run(None)
    }

    /// Looks for a violation of `property`, and stops at the first.
    pub fn hunt(self, property: &'static str) -> Report {
        self.run(Some(property))
    }

    fn run(self, until: Option<&'static str>) -> Report {
        let gone = if self.gone { ", deployment 0 gone" } else { "" };
        let mut what = format!("{} drops, {} events misled{gone}", self.drops, self.misled);
        if let Some(mutation) = self.mutation {
            what += &format!(", mutation {mutation:?}");
        }
        let name = format!("versions, {} runs", self.runs);
        check::explore(self, name, what, until, &SAFE, |_, action| format!("{action:?}"))
    }

    fn has(&self, mutation: Wrong) -> bool {
        self.mutation == Some(mutation)
    }

    fn is_there(&self, deployment: u8) -> bool {
        !self.gone || deployment != 0
    }

    fn deliver(&self, state: &mut State, run: u8) {
        let row = &mut state.runs[usize::from(run)];
        let Some(mut event) = row.event.take() else { return };
        if !event.misled {
            row.ended = true;
            return;
        }
        // The function refuses it, and the platform delivers it again until it gives up. That is no
        // outcome: it says nothing about the call.
        event.attempts += 1;
        if event.attempts < ATTEMPTS {
            row.event = Some(event);
        } else if self.has(Wrong::RefusedEventsFailTheRun) {
            state.foreign |= !row.ended;
            row.ended = true;
        }
    }

    /// The part of the index that a sweeper reads is its own deployment's; what it cannot read there it
    /// leaves alone, and goes on.
    fn sweep(&self, state: &mut State, deployment: u8) {
        let whole = matches!(
            self.mutation,
            Some(
                Wrong::SweepFailsTheForeign
                    | Wrong::ForeignRunsBlockTheIndex
                    | Wrong::SweepPostponesTheForeign
            )
        );
        let open = |run: &u8| !state.runs[usize::from(*run)].ended;
        let due = state.index.iter().copied().filter(open).find(|run| whole || run % 2 == deployment);
        let Some(run) = due else { return };
        let row = &mut state.runs[usize::from(run)];
        if run % 2 == deployment {
            if row.event.is_none() {
                row.event = Some(Event::default());
                state.sent_again = true;
            }
        } else if self.has(Wrong::ForeignRunsBlockTheIndex) {
            return;
        } else if self.has(Wrong::SweepFailsTheForeign) {
            state.foreign = true;
            row.ended = true;
        }
        state.index.retain(|other| *other != run);
        state.index.push(run);
    }

    fn is_quiet(&self, state: &State) -> bool {
        state.runs.iter().all(|run| run.event.is_none())
    }

    /// Whether each deployment has swept once a run since anything else happened, and a run of one that
    /// is there is still open.
    fn is_blocked(&self, state: &State) -> bool {
        let open = (0..self.runs).any(|run| !state.runs[usize::from(run)].ended && self.is_there(run % 2));
        open && self.is_quiet(state) && state.swept >= 2 * self.runs
    }
}

impl Model for Versions {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut runs = [Run::default(); RUNS];
        for (run, row) in (0..self.runs).zip(&mut runs) {
            row.event = self.is_there(run % 2).then_some(Event::default());
        }
        let index = (0..self.runs).collect();
        vec![State { index, runs, drops: self.drops, misled: self.misled, ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for run in 0..self.runs {
            if let Some(event) = state.runs[usize::from(run)].event {
                actions.push(Action::Deliver(run));
                if state.drops > 0 {
                    actions.push(Action::Drop(run));
                }
                if state.misled > 0 && !event.misled {
                    actions.push(Action::Mislead(run));
                }
            }
        }
        // Sweepers take turns, as each has its timer.
        if self.is_quiet(state) && state.swept < 2 * self.runs {
            actions.push(Action::Sweep(state.swept % 2));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Deliver(run) => self.deliver(&mut state, run),
            Action::Mislead(run) => {
                state.misled -= 1;
                state.runs[usize::from(run)].event = Some(Event { attempts: 0, misled: true });
            }
            Action::Drop(run) => {
                state.drops -= 1;
                state.runs[usize::from(run)].event = None;
            }
            Action::Sweep(deployment) if self.is_there(deployment) => self.sweep(&mut state, deployment),
            Action::Sweep(_) => {}
        }
        state.swept = if matches!(action, Action::Sweep(_)) { last.swept + 1 } else { 0 };
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(OWN_OUTCOME, |_, state: &State| !state.foreign),
            Property::always(ENDS, |model: &Versions, state: &State| !model.is_blocked(state)),
            Property::sometimes(MISLED, |_, state: &State| {
                state.runs.iter().any(|run| run.event.is_some_and(|event| event.attempts > 0))
            }),
            Property::sometimes(SENT_AGAIN, |_, state: &State| state.sent_again),
            Property::sometimes(ALL_ENDED, |model: &Versions, state: &State| {
                state.runs[..usize::from(model.runs)].iter().all(|run| run.ended)
            }),
        ]
    }
}
