//! How much may go wrong in one check.

use crate::shapes::Cloud;

/// How often each thing may happen in one run. What may happen, may happen at any step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bounds {
    /// All of them together.
    pub total: u8,
    /// An event is delivered and stays to be delivered again.
    pub duplicates: u8,
    /// An event is lost by its platform, which tells nobody.
    pub drops: u8,
    /// A copy, the client or a sweep dies.
    pub crashes: u8,
    /// A placement refuses an event, or loses it without an answer.
    pub refusals: u8,
    /// A placement accepts an event and its answer is lost.
    pub unknowns: u8,
    /// The functions of a cloud go down.
    pub outages: u8,
    /// The client starts the run again with the same key.
    pub restarts: u8,
    /// A sweep begins while copies are alive.
    pub sweeps: u8,
    /// A sweep finds the run past its deadline.
    pub deadlines: u8,
    /// The table of a cloud goes down; it comes back. Not among [`any`](Bounds::any).
    pub tables: u8,
    /// A client cancels the run. No fault, and so not in `total`.
    pub cancels: u8,
    /// A client redrives the run once it has failed. No fault either.
    pub redrives: u8,
}

impl Bounds {
    /// Any `total` of what may go wrong, in any order.
    pub fn any(total: u8) -> Self {
        Bounds {
            total,
            duplicates: total,
            drops: total,
            crashes: total,
            refusals: total,
            unknowns: total,
            outages: total,
            restarts: total,
            sweeps: total,
            deadlines: total,
            tables: 0,
            cancels: 0,
            redrives: 0,
        }
    }

    /// The same for a run that may be cancelled at any moment.
    pub fn and_cancel(self) -> Self {
        Bounds { cancels: 1, ..self }
    }

    /// The same for a run that is redriven up to so often, by several at once too.
    pub fn and_redrive(self, redrives: u8) -> Self {
        Bounds { redrives, ..self }
    }

    /// These, however many they are together.
    pub(crate) fn all_of_these(self) -> Self {
        let Bounds { duplicates, drops, crashes, refusals, unknowns, outages, restarts, .. } = self;
        let sum = duplicates + drops + crashes + refusals + unknowns + outages + restarts;
        Bounds { total: sum + self.sweeps + self.deadlines + self.tables, ..self }
    }

    /// One thing has gone wrong.
    pub(crate) fn spend(&mut self, kind: impl Fn(&mut Bounds) -> &mut u8) {
        *kind(self) -= 1;
        self.total -= 1;
        // No kind is left more often than all are, so that equal states look equal.
        let total = self.total;
        for left in [
            &mut self.duplicates,
            &mut self.drops,
            &mut self.crashes,
            &mut self.refusals,
            &mut self.unknowns,
            &mut self.outages,
            &mut self.restarts,
            &mut self.sweeps,
            &mut self.deadlines,
            &mut self.tables,
        ] {
            *left = total.min(*left);
        }
    }
}

/// What a cloud's outage is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Of any cloud; it comes back.
    Passing,
    /// Of this cloud, for good.
    ForGood(Cloud),
}

/// Time, for checks of how long rows must stay, in ticks since the start of the run. An event waits
/// for its delivery for as long as it likes. Without it, rows go once no event of the run is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The deadline: from then on events are dropped unread, and a sweep fails the run.
    pub deadline: u8,
    /// The longest that a function, a client or a sweep runs.
    pub timeout: u8,
    /// How far the clock that a function reads may be off, either way.
    pub skew: u8,
    /// How long after the deadline a sweep begins to fail the run, at the latest.
    pub lag: u8,
    /// How long every row stays after the deadline.
    pub grace: u8,
    /// How long a row stays after it was written, if that is longer.
    pub retention: u8,
}

impl Clock {
    /// When the check stops: everything has expired.
    pub(crate) fn horizon(self) -> u8 {
        self.deadline + self.grace + self.retention + 1
    }
}
