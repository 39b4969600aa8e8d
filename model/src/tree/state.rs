//! Rows, events and whoever is running.

use super::{BRANCHES, LEAVES, WIDTH};
use crate::bounds::Bounds;

/// The whole system at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// Which event filled the slot of a branch, and nobody's that is gone.
    pub(super) slots: [Option<u8>; BRANCHES],
    /// Which leaves have arrived in the top row.
    pub(super) top: [bool; LEAVES],
    /// Since which tick the call that follows is open: when the last branch arrived.
    pub(super) full_since: Option<u8>,
    pub(super) ended: bool,
    pub(super) events: Vec<Event>,
    pub(super) actors: Vec<Actor>,
    /// What may still go wrong.
    pub(super) left: Bounds,
    pub(super) now: u8,
    /// The tick of the last look before this one.
    pub(super) looked_at: u8,
    /// Since which tick there is neither an event nor a copy.
    pub(super) still_since: Option<u8>,
    /// Whether the table of the last leaf is down.
    pub(super) dark: bool,
    /// How often each call began, the one that follows last.
    pub(super) begun: [u8; BRANCHES + 1],
    /// Deliveries beyond the first, of any event.
    pub(super) redelivered: u8,
    /// Whether the fan-in went on before all branches had arrived.
    pub(super) early: bool,
}

/// A call: of a branch, or what follows the fan-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// Of this branch.
    Branch(u8),
    /// What follows.
    Last,
}

/// An envelope in the queue of a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    pub(super) call: Call,
    /// What tells it from other events of its call.
    pub(super) id: u8,
}

/// Whoever is running; the last of what is left to be done is next.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Actor {
    pub(super) who: Who,
    pub(super) todo: Vec<Todo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Who {
    Copy(Event),
    Sweep,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Todo {
    /// A branch arrives in its leaf.
    Arrive { branch: u8 },
    /// A full leaf arrives in the top row, and whoever does that goes on if it `fires`.
    Climb { leaf: u8, fires: bool },
    /// A sweep that has read all leaves goes on when they are full.
    Fire,
    /// A call is invoked.
    Send(Call),
    /// The run ends.
    End,
    /// A sweep reads a leaf.
    Read { leaf: u8 },
}

/// How the number of an event is written that is gone.
const NOBODY: u8 = u8::MAX;

impl State {
    /// Whether all branches of a leaf have arrived.
    pub(super) fn is_full(&self, leaf: u8) -> bool {
        branches_of(leaf).all(|branch| self.slots[branch].is_some())
    }

    /// Whether a sweep is under way.
    pub(super) fn is_swept_now(&self) -> bool {
        self.actors.iter().any(|actor| actor.who == Who::Sweep)
    }

    /// Whether there is no event and no copy of one.
    pub(super) fn is_still(&self) -> bool {
        self.events.is_empty() && self.actors.iter().all(|actor| actor.who == Who::Sweep)
    }

    fn living(&self) -> impl Iterator<Item = Event> {
        self.events.iter().copied().chain(self.actors.iter().filter_map(|actor| match actor.who {
            Who::Copy(event) => Some(event),
            Who::Sweep => None,
        }))
    }

    /// A number for one more event of a call.
    pub(super) fn fresh_id(&self, call: Call) -> u8 {
        let used = self.living().filter(|event| event.call == call);
        used.fold(0_u32, |all, event| all | 1 << event.id).trailing_ones() as u8
    }

    /// Since which tick a call is open; nothing once it is decided, or before it is called.
    pub(super) fn open_since(&self, call: Call) -> Option<u8> {
        match call {
            Call::Branch(branch) => self.slots[usize::from(branch)].is_none().then_some(0),
            Call::Last => self.full_since.filter(|_| !self.ended),
        }
    }

    /// Whether a call is decided, or its branch has arrived.
    fn is_decided(&self, call: Call) -> bool {
        match call {
            Call::Branch(branch) => self.slots[usize::from(branch)].is_some(),
            Call::Last => self.ended,
        }
    }

    /// A call begins.
    pub(super) fn begin(&mut self, call: Call) {
        let at = match call {
            Call::Branch(branch) => usize::from(branch),
            Call::Last => BRANCHES,
        };
        self.begun[at] += 1;
    }

    /// Where no event is delivered again: does not tell events, and delivers those that change nothing.
    pub(super) fn forget(&mut self) {
        for slot in self.slots.iter_mut().flatten() {
            *slot = NOBODY;
        }
        for event in std::mem::take(&mut self.events) {
            match self.is_decided(event.call) {
                true => self.begin(event.call),
                false => self.events.push(Event { id: 0, ..event }),
            }
        }
    }

    /// Neither the number of an event is told nor which one filled a slot once it is gone.
    pub(super) fn rename(&mut self) {
        self.events.sort_unstable();
        self.actors.sort_unstable();
        let mut ids: Vec<(Call, u8)> = Vec::new();
        for event in self.living() {
            if !ids.contains(&(event.call, event.id)) {
                ids.push((event.call, event.id));
            }
        }
        let renamed = |call: Call, id: u8| {
            let at = ids.iter().position(|one| *one == (call, id))?;
            Some(ids[..at].iter().filter(|(other, _)| *other == call).count() as u8)
        };
        for (branch, slot) in (0..).zip(&mut self.slots) {
            *slot = slot.map(|id| renamed(Call::Branch(branch), id).unwrap_or(NOBODY));
        }
        for event in &mut self.events {
            event.id = renamed(event.call, event.id).unwrap_or(NOBODY);
        }
        for actor in &mut self.actors {
            if let Who::Copy(event) = &mut actor.who {
                event.id = renamed(event.call, event.id).unwrap_or(NOBODY);
            }
        }
    }

    /// Brings states that differ in nothing that matters into one form.
    pub(super) fn settle(&mut self) {
        self.still_since = match self.is_still() {
            true => self.still_since.or(Some(self.now)),
            false => None,
        };
        self.events.sort_unstable();
        self.actors.sort_unstable();
    }
}

/// The branches of a leaf.
pub(super) fn branches_of(leaf: u8) -> std::ops::Range<usize> {
    let first = usize::from(leaf) * WIDTH;
    first..(first + WIDTH).min(BRANCHES)
}

/// Where a branch arrives.
pub(super) fn leaf_of(branch: u8) -> u8 {
    branch / WIDTH as u8
}
