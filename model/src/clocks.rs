//! Whose time it is: what cannot be taken back is decided by the times of the tables, and the earliest
//! counts: `jointlambda-runtime/src/{entrypoint,sweep,client}.rs`, where they ask whether something is past.
//!
//! A run is one call. Its event is dropped by a function, and the run failed by a sweep, when it is past its
//! deadline; its row is replaced by a later start when it is past its expiry. Time is counted in ticks. At
//! most one table is wrong, by more than all ticks there are, and any process's own clock may be. An answer
//! of a table tells a process its time; a process asks as many tables as it likes.

mod state;

use stateright::{Model, Property};

pub use self::state::State;
use self::state::{Actor, Does, Flaw};
use crate::check::{self, Report};

/// When a run is past its deadline.
const DEADLINE: u8 = 2;
/// When its row is past its expiry.
const EXPIRY: u8 = 4;
/// When the check stops.
const HORIZON: u8 = 5;

/// No event is dropped and no run is failed before its deadline.
pub const NOT_EARLY: &str = "nothing is given up early";
/// No run row is replaced before its expiry.
pub const NOT_REPLACED: &str = "no live run is replaced";
/// A run ends: before its deadline by its call, later by a sweep.
pub const ENDS: &str = "a run ends by the clock";
/// The properties that must hold in every state.
const SAFE: [&str; 3] = [NOT_EARLY, NOT_REPLACED, ENDS];

/// An event was dropped, or a run failed, as past its deadline.
pub const GIVEN_UP: &str = "something was past its deadline";
/// A run row was replaced.
pub const REPLACED: &str = "an expired row was replaced";
/// Somebody heard a table that is wrong.
pub const MISLED: &str = "a process heard a wrong time";

/// What is checked: how many tables, which one is wrong, and what is done wrong.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// How many tables the workflow has.
    pub tables: u8,
    /// The table whose time is wrong, and whether it is ahead.
    pub wrong: Option<(u8, bool)>,
    /// How often the event may be lost.
    pub drops: u8,
    /// What is done wrong.
    pub mutation: Option<Wrong>,
}

/// One thing done wrong about time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Until it has heard a table, a process goes by its own clock.
    LocalClock,
    /// One table is enough.
    OneTableIsEnough,
    /// The latest of the times counts.
    LatestCounts,
    /// A process that has heard no table decides nothing, and no process asks one.
    NobodyAsks,
}

/// One thing that happens, in one atomic step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// The event is delivered to a process whose clock is right or ahead.
    Deliver {
        /// Whether it is ahead.
        ahead: bool,
    },
    /// The event is lost.
    Drop,
    /// A sweep begins.
    Sweep {
        /// Whether its clock is ahead.
        ahead: bool,
    },
    /// A client starts the run again.
    Start {
        /// Whether its clock is ahead.
        ahead: bool,
    },
    /// A table answers somebody.
    Hear {
        /// Whom.
        actor: usize,
        /// Which table.
        table: u8,
    },
    /// Somebody does what it began for.
    Act(usize),
    /// Time passes.
    Tick,
}

impl Clocks {
    /// So many tables, of which one may be wrong.
    pub fn new(tables: u8, wrong: Option<(u8, bool)>) -> Self {
        Clocks { tables, wrong, drops: 1, mutation: None }
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
        let mut what = match self.wrong {
            None => "clocks of processes ahead".to_owned(),
            Some((table, true)) => format!("clocks of processes ahead, and table {table}"),
            Some((table, false)) => format!("clocks of processes ahead, table {table} behind"),
        };
        if let Some(mutation) = self.mutation {
            what += &format!(", mutation {mutation:?}");
        }
        let name = format!("clocks, {} tables", self.tables);
        check::explore(self, name, what, until, &SAFE, |state, action| match action {
            Action::Act(actor) => format!("{:?}", state.actors[actor]),
            action => format!("{action:?}"),
        })
    }

    fn has(&self, mutation: Wrong) -> bool {
        self.mutation == Some(mutation)
    }

    /// Whether a table says that it is past a moment.
    fn says(&self, table: u8, now: u8, moment: u8) -> bool {
        match self.wrong {
            Some((wrong, ahead)) if wrong == table => ahead,
            _ => now >= moment,
        }
    }

    /// Whether a process takes a moment for past, so that it does what cannot be taken back.
    fn is_past(&self, state: &State, actor: &Actor, moment: u8) -> bool {
        let mut heard = (0..self.tables).filter(|table| actor.has_heard(*table));
        let says = |table| self.says(table, state.now, moment);
        match self.mutation {
            Some(Wrong::LocalClock) if actor.heard == 0 => actor.ahead || state.now >= moment,
            Some(Wrong::OneTableIsEnough) => actor.heard != 0 && heard.all(says),
            Some(Wrong::LatestCounts) => actor.heard != 0 && heard.any(says),
            _ => heard.filter(|table| says(*table)).count() == usize::from(self.tables),
        }
    }

    /// What somebody does when it has heard as much as it will.
    fn act(&self, state: &mut State, actor: Actor) {
        match actor.does {
            Does::Function if self.is_past(state, &actor, DEADLINE) => state.give_up(DEADLINE),
            Does::Function => state.ended = true,
            Does::Sweep if self.is_past(state, &actor, DEADLINE) => {
                state.give_up(DEADLINE);
                state.ended = true;
            }
            Does::Sweep => state.event |= !state.ended && !state.has(Does::Function),
            Does::Start => {
                if self.is_past(state, &actor, EXPIRY) {
                    state.replace(EXPIRY);
                }
            }
        }
    }

    /// Whether all tables say what is right.
    fn is_right(&self) -> bool {
        self.wrong.is_none()
    }
}

impl Model for Clocks {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { event: true, drops: self.drops, ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for ahead in [false, true] {
            if state.event {
                actions.push(Action::Deliver { ahead });
            }
            if !state.ended && !state.has(Does::Sweep) {
                actions.push(Action::Sweep { ahead });
            }
            if !state.replaced && !state.has(Does::Start) {
                actions.push(Action::Start { ahead });
            }
        }
        if state.event && state.drops > 0 {
            actions.push(Action::Drop);
        }
        for (index, actor) in state.actors.iter().enumerate() {
            let silent = (0..self.tables).filter(|table| !actor.has_heard(*table));
            let asks = !self.has(Wrong::NobodyAsks);
            actions.extend(silent.filter(|_| asks).map(|table| Action::Hear { actor: index, table }));
            actions.push(Action::Act(index));
        }
        if state.now < HORIZON {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let begin = |does, ahead| Actor { does, ahead, heard: 0 };
        match action {
            Action::Deliver { ahead } => {
                state.event = false;
                state.actors.push(begin(Does::Function, ahead));
            }
            Action::Drop => {
                state.event = false;
                state.drops -= 1;
            }
            Action::Sweep { ahead } => state.actors.push(begin(Does::Sweep, ahead)),
            Action::Start { ahead } => state.actors.push(begin(Does::Start, ahead)),
            Action::Hear { actor, table } => state.actors[actor].heard |= 1 << table,
            Action::Act(actor) => {
                let actor = state.actors.remove(actor);
                self.act(&mut state, actor);
            }
            Action::Tick => state.now += 1,
        }
        state.actors.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOT_EARLY, |_, state: &State| state.flaws & Flaw::Early as u8 == 0),
            Property::always(NOT_REPLACED, |_, state: &State| state.flaws & Flaw::Replaced as u8 == 0),
            Property::always(ENDS, ends),
            Property::sometimes(GIVEN_UP, |_, state: &State| state.given_up),
            Property::sometimes(REPLACED, |_, state: &State| state.replaced),
            Property::sometimes(MISLED, |model: &Clocks, state: &State| {
                let wrong = model.wrong.map(|(table, _)| table);
                wrong.is_some_and(|table| state.actors.iter().any(|actor| actor.has_heard(table)))
            }),
        ]
    }
}

/// Whether a sweep that has heard all there is to hear can still end an open run: it may invoke the call
/// again, or fail the run once its deadline is past. Where a table is behind, it can only do the former.
fn ends(model: &Clocks, state: &State) -> bool {
    let deaf = model.has(Wrong::NobodyAsks);
    let hears_all = Actor { does: Does::Sweep, ahead: false, heard: if deaf { 0 } else { u8::MAX } };
    let fails = model.is_past(state, &hears_all, DEADLINE);
    state.ended || !model.is_right() || state.now < DEADLINE || fails
}
