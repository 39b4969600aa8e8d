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
        }
    }

    /// These, however many they are together.
    pub(crate) fn all_of_these(self) -> Self {
        let Bounds { duplicates, drops, crashes, refusals, unknowns, outages, restarts, .. } = self;
        let sum = duplicates + drops + crashes + refusals + unknowns + outages + restarts;
        Bounds { total: sum + self.sweeps + self.deadlines, ..self }
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

/// Time, for checks of how long rows must stay. Without it, rows go once no event of the run is
/// left: the assumption that retention is long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The age at which a run that has not ended is failed.
    pub deadline: u8,
    /// The longest that an event waits for a delivery.
    pub event_age: u8,
    /// How long a row stays after it was written.
    pub retention: u8,
    /// Whether an event past its run's deadline is dropped unread.
    pub dead_on_arrival: bool,
    /// When the check stops.
    pub horizon: u8,
}
