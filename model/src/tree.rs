//! A fan-in whose join rows are a tree of depth 2, and sweeps that look at it again and again:
//! `jointlambda-runtime/src/{join,walk,sweep}.rs`. Executions are counted.
//!
//! The branches of a fan-out are a call each. A branch arrives in its leaf row; whoever fills a leaf, or
//! finds it full on a retry, arrives in the top row; whoever does so there goes on, with a pure fan-in that
//! has no row: it invokes the call that follows, which ends the run. Values do not matter here.
//!
//! Time is counted in ticks. A sweep looks at the run once in so many ticks as it likes, up to a bound. A
//! call may take any number of ticks. All branches are dispatched at tick 0. Where no event can be delivered
//! again, a call begins and arrives in one step, and an event whose call is decided is delivered at once: it
//! changes nothing but the count.

mod properties;
mod state;
mod steps;

use stateright::{Model, Property};

use self::{
    properties::SAFE,
    state::{Todo, Who},
};
pub use self::{
    properties::{ENDED, EXECUTIONS, FIRED_AGAIN, FIRES_WHEN_FULL, LOOKED_LATE, REPAIRED, SENT_AGAIN},
    state::{Call, Event, State},
};
use crate::{
    bounds::Bounds,
    check::{self, Report},
};

/// The rows where branches arrive.
pub(crate) const LEAVES: usize = 2;
/// The branches of a leaf; the last leaf has fewer.
pub(crate) const WIDTH: usize = 2;
/// All branches.
pub(crate) const BRANCHES: usize = 3;

/// What is checked: how long, what may go wrong, and what is done wrong.
#[derive(Clone, Debug)]
pub struct Tree {
    /// How many ticks pass.
    pub ticks: u8,
    /// The most ticks between two looks.
    pub apart: u8,
    /// How much may go wrong: crashes, duplicates and drops.
    pub bounds: Bounds,
    /// Whether the table of the last leaf goes down, for good.
    pub dark: bool,
    /// What is done wrong.
    pub mutation: Option<Wrong>,
}

/// One thing done wrong about trees and sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A sweep arrives again with every full leaf, and goes on each time that it finds the top row full.
    FireOnceARow,
    /// A sweep fills the slots of full leaves in the top row. A copy that then comes to the top row itself
    /// takes its arrival for a repeated one, and goes on.
    LeavesCarriedBySweeps,
    /// A sweep repeats a call at every look.
    RepeatAtEveryLook,
    /// A sweep repeats a call when it has been open twice as long as at the look before, however long ago
    /// it was repeated.
    DoubledSinceTheLastLook,
    /// A sweep that cannot read a part of the run leaves the rest.
    FaultEndsTheWalk,
    /// A sweep leaves a tree alone that is full.
    FullTreesAreLeft,
    /// Whoever arrives in the top row goes on.
    FireAtEveryArrival,
}

/// One thing that happens, in one atomic step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
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
    /// So many ticks pass, and then a sweep looks at the run.
    Look {
        /// How many.
        after: u8,
    },
    /// The table of the last leaf goes down.
    Dark,
}

impl Tree {
    /// So many ticks, with a look at each.
    pub fn new(ticks: u8, bounds: Bounds) -> Self {
        let bounds = if bounds.total == 0 { bounds.all_of_these() } else { bounds };
        Tree { ticks, apart: 1, bounds, dark: false, mutation: None }
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
        let mut what = format!("{}, {} ticks, looks up to {} apart", self.bounds, self.ticks, self.apart);
        if self.dark {
            what += ", a table down for good";
        }
        if let Some(mutation) = self.mutation {
            what += &format!(", mutation {mutation:?}");
        }
        let name = "tree of joins".to_owned();
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

    /// Whether an event may be delivered again, so that it matters which one filled a slot.
    fn redelivers(&self) -> bool {
        self.bounds.crashes + self.bounds.duplicates > 0
    }

    /// Whether a sweep repeats a call that has been open since a tick. It was taken for lost first after
    /// one tick, and is again each time that this has doubled: when a power of two lies between the last
    /// look and this one.
    fn is_lost(&self, state: &State, since: u8) -> bool {
        let (now, before) = (state.now.saturating_sub(since), state.looked_at.saturating_sub(since));
        match self.mutation {
            Some(Wrong::RepeatAtEveryLook) => now > 0,
            Some(Wrong::DoubledSinceTheLastLook) => now > 0 && now >= 2 * before,
            _ => now.checked_ilog2() > before.checked_ilog2(),
        }
    }
}

impl Model for Tree {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let events = (0..BRANCHES as u8).map(|branch| Event { call: Call::Branch(branch), id: 0 }).collect();
        vec![State { left: self.bounds, events, ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
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
            if state.left.crashes > 0 && actor.who != Who::Sweep {
                actions.push(Action::Crash(index));
            }
        }
        if !state.ended && !state.is_swept_now() {
            let last = self.apart.min(self.ticks - state.now);
            actions.extend((1..=last).map(|after| Action::Look { after }));
        }
        if self.dark && !state.dark {
            actions.push(Action::Dark);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        if self.redelivers() {
            state.rename();
        } else {
            state.forget();
        }
        state.settle();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

/// What the next delivery of an event begins with.
fn first_step(event: Event) -> Todo {
    match event.call {
        Call::Branch(branch) => Todo::Arrive { branch },
        Call::Last => Todo::End,
    }
}
