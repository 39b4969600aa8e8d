//! What must never happen, noted as it happens.
//!
//! Part of the state, but no part of the protocol: nothing decides by it.

use crate::{
    data::{Data, Ended, Name},
    model::Step,
    shapes::{BRANCHES, END, START},
};

/// The first outcome of an instance that anybody committed or was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Known {
    pub(crate) name: Name,
    pub(crate) outcome: Ended,
    pub(crate) committed: bool,
}

/// Something that must never happen; a bit of [`State::flaws`](crate::State).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Flaw {
    /// An instance was committed twice, or its consumers were given different things.
    TwoOutcomes = 1,
    /// Something was dispatched that was not committed.
    NotCommitted = 2,
    /// A fan-in went on without all its branches.
    JoinedEarly = 4,
    /// A run ended twice.
    TwoEnds = 8,
    /// Starting again made another run, or changed the first.
    TwoStarts = 16,
    /// Something was committed after the run had returned or was cancelled, or once its rows were
    /// gone.
    Zombie = 32,
    /// A user function began once the rows of its run were gone.
    Late = 64,
}

impl Step<'_> {
    pub(crate) fn flaw(&mut self, flaw: Flaw) {
        self.state.flaws |= flaw as u8;
    }

    /// A user function begins.
    pub(crate) fn begins(&mut self, name: Name) {
        if self.state.expired {
            self.flaw(Flaw::Late);
        }
        if self.model.counted {
            let (bit, count) =
                (1 << (usize::from(name.node) * BRANCHES + usize::from(name.branch)), &mut self.state.count);
            count.extra += u8::from(count.begun & bit != 0);
            count.begun |= bit;
        }
    }

    /// Something happens that may make user functions begin once more.
    pub(crate) fn cause(&mut self) {
        if self.model.counted {
            self.state.count.causes += 1;
        }
    }

    fn known(&self, name: Name) -> Result<usize, usize> {
        self.state.known.binary_search_by_key(&name, |known| known.name)
    }

    /// A row was created or a slot filled: the outcome of `name` is decided.
    pub(crate) fn decided(&mut self, name: Name, outcome: Ended) {
        let over = match self.state.first_end() {
            // A branch that its fan-in did not wait for goes on.
            Some(Ended::Returned(_)) => name.node != END && !self.model.may_be_late(name),
            Some(Ended::Cancelled) => name.node != END,
            Some(Ended::Failed) | None => false,
        };
        if self.state.expired || over {
            self.flaw(Flaw::Zombie);
        }
        match self.known(name) {
            Ok(at) => {
                let known = &mut self.state.known[at];
                let again = known.committed || known.outcome != outcome;
                known.committed = true;
                if again {
                    self.flaw(of(name));
                }
            }
            Err(at) => self.state.known.insert(at, Known { name, outcome, committed: true }),
        }
    }

    /// Somebody was given the outcome of `name`.
    pub(crate) fn consumed(&mut self, name: Name, outcome: Ended) {
        match self.known(name) {
            Ok(at) if self.state.known[at].outcome != outcome => self.flaw(of(name)),
            Ok(_) => {}
            Err(at) => self.state.known.insert(at, Known { name, outcome, committed: false }),
        }
    }

    /// A fan-in went on without a commit: what it computed is its outcome.
    pub(crate) fn derived(&mut self, join: Name, data: Data) {
        self.consumed(join, Ended::Returned(data));
        if let Ok(at) = self.known(join) {
            self.state.known[at].committed = true;
        }
    }

    /// Something is about to be invoked with the outcome of `source`.
    pub(crate) fn dispatched(&mut self, source: Name) {
        if !self.known(source).is_ok_and(|at| self.state.known[at].committed) {
            self.flaw(Flaw::NotCommitted);
        }
    }
}

fn of(name: Name) -> Flaw {
    match name.node {
        START => Flaw::TwoStarts,
        END => Flaw::TwoEnds,
        _ => Flaw::TwoOutcomes,
    }
}
