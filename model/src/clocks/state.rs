//! A run, its event, and the processes with what they have heard.

/// The whole system at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The time that is right.
    pub(super) now: u8,
    /// Whether the call has an event.
    pub(super) event: bool,
    pub(super) ended: bool,
    /// Whether something was given up as past the deadline.
    pub(super) given_up: bool,
    pub(super) replaced: bool,
    pub(super) drops: u8,
    pub(super) actors: Vec<Actor>,
    pub(super) flaws: u8,
}

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Actor {
    pub(super) does: Does,
    /// Whether its own clock is ahead.
    pub(super) ahead: bool,
    /// The tables that have answered it, a bit each.
    pub(super) heard: u8,
}

/// What a process began for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Does {
    Function,
    Sweep,
    Start,
}

/// Something that must never happen, noted as it happens.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Flaw {
    /// Something was given up before the deadline.
    Early = 1,
    /// A run row was replaced before its expiry.
    Replaced = 2,
}

impl Actor {
    pub(super) fn has_heard(&self, table: u8) -> bool {
        self.heard & (1 << table) != 0
    }
}

impl State {
    pub(super) fn has(&self, does: Does) -> bool {
        self.actors.iter().any(|actor| actor.does == does)
    }

    pub(super) fn give_up(&mut self, deadline: u8) {
        self.given_up = true;
        if self.now < deadline {
            self.flaws |= Flaw::Early as u8;
        }
    }

    pub(super) fn replace(&mut self, expiry: u8) {
        self.replaced = true;
        if self.now < expiry {
            self.flaws |= Flaw::Replaced as u8;
        }
    }
}
