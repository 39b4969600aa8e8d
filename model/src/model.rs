//! The protocol as a transition system: what can happen in a state, and what it leads to.

use stateright::{Model, Property};

use crate::{
    bounds::{Bounds, Clock, Outage},
    mutation::Mutation,
    platform::Act,
    properties,
    shapes::{Cloud, NodeIndex, Shape},
    state::{Event, State},
};

/// The clouds of every shape.
pub(crate) const CLOUDS: Cloud = 2;

/// What is checked: a shape, what may go wrong, and what is done wrong.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// The workflow.
    pub shape: &'static Shape,
    /// How much may go wrong.
    pub bounds: Bounds,
    /// How often a platform delivers an event before it gives up.
    pub attempts: u8,
    /// What the outages within the bounds are like.
    pub outage: Outage,
    /// Whether anybody sweeps.
    pub sweeper: bool,
    /// Time, where the check is about it.
    pub clock: Option<Clock>,
    /// What is done wrong.
    pub mutation: Option<Mutation>,
    /// Whether executions are counted.
    pub counted: bool,
    /// The call, by its node and branch, that fails every time until its run is redriven.
    pub broken: Option<(NodeIndex, u8)>,
    /// Whether steps whose order cannot matter are made at once.
    pub reduced: bool,
}

impl Protocol {
    /// The protocol on `shape`, with two deliveries of an event and a sweeper.
    pub fn new(shape: &'static Shape, bounds: Bounds) -> Self {
        Protocol {
            shape,
            bounds: if bounds.total == 0 { bounds.all_of_these() } else { bounds },
            attempts: 2,
            outage: Outage::Passing,
            sweeper: true,
            clock: None,
            mutation: None,
            counted: false,
            broken: None,
            reduced: true,
        }
    }

    pub(crate) fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Whether nothing is under way that could still change a row: what is left to happen is a
    /// sweep, or for something else to go wrong.
    pub(crate) fn is_quiet(&self, state: &State) -> bool {
        let coming_back = state.down != 0 && self.outage == Outage::Passing || state.tables_down != 0;
        state.started
            && !coming_back
            && state.actors.is_empty()
            && state.events.iter().all(|event| state.is_down(event.cloud))
    }

    pub(crate) fn sweeps(&self) -> bool {
        self.sweeper && !self.has(Mutation::NoSweeper)
    }

    pub(crate) fn is_overdue(&self, state: &State) -> bool {
        self.clock.is_some_and(|clock| state.now >= clock.deadline)
    }
}

/// One thing that happens, in one atomic step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// A client starts the run, or starts it again.
    Start,
    /// An event is delivered; it stays in its queue if it is to be delivered `again`.
    Deliver {
        /// The event.
        event: Event,
        /// Whether it is delivered twice.
        again: bool,
    },
    /// A platform loses an event.
    Drop(Event),
    /// An event is past its run's deadline, and is dropped unread.
    Discard(Event),
    /// Somebody makes a step.
    Act(usize, Act),
    /// Somebody dies.
    Crash(usize),
    /// The functions of a cloud go down.
    Down(Cloud),
    /// They come back.
    Up(Cloud),
    /// The table of a cloud goes down.
    TableDown(Cloud),
    /// It comes back.
    TableUp(Cloud),
    /// A sweep begins.
    Sweep {
        /// Whether it finds the run past its deadline.
        overdue: bool,
    },
    /// A client calls `cancel` for a run that has not ended.
    Cancel,
    /// A client calls `redrive` for a run that has failed, or that was redriven and has not ended.
    Redrive,
    /// Time passes.
    Tick,
    /// All rows of the run expire.
    ExpireAll,
    /// One row expires.
    Expire(crate::data::Key),
}

/// A state that is being changed.
pub(crate) struct Step<'a> {
    pub(crate) model: &'a Protocol,
    pub(crate) state: &'a mut State,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { left: self.bounds, ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if let Some(action) = self.at_once(state) {
            return actions.push(action);
        }
        self.events(state, actions);
        self.acts(state, actions);
        self.world(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        Step { model: self, state: &mut state }.take(action);
        state.settle();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
