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
    /// Whether a failed run has left it to this one, where it has not counted yet.
    pub(crate) carried: bool,
}

/// Something that must never happen; a bit of [`State::flaws`](crate::State).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
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
    /// A function was called that a failed run had committed.
    CalledAgain = 128,
    /// Something was committed in a failed run after it had been looked at what is left of it.
    CountsTwice = 256,
}

impl Step<'_> {
    pub(crate) fn flaw(&mut self, flaw: Flaw) {
        self.state.flaws |= flaw as u16;
    }

    /// A user function begins.
    pub(crate) fn begins(&mut self, name: Name) {
        if self.state.expired {
            self.flaw(Flaw::Late);
        }
        let taken_over = Name { run: 0, ..name };
        if name.run > 0 && self.state.redriven && self.known(taken_over).is_ok_and(|at| self.is_kept(at)) {
            self.flaw(Flaw::CalledAgain);
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
        let end = if self.state.redriven { self.state.end_of(name.run) } else { self.state.first_end() };
        let over = match end {
            // A branch that its fan-in did not wait for goes on.
            Some(Ended::Returned(_)) => name.node != END && !self.model.may_be_late(name),
            Some(Ended::Cancelled) => name.node != END,
            Some(Ended::Failed) | None => false,
        };
        if self.state.expired || over {
            self.flaw(Flaw::Zombie);
        }
        if self.state.taken_over && name.run == 0 && matches!(outcome, Ended::Returned(_)) {
            self.flaw(Flaw::CountsTwice);
        }
        match self.known(name) {
            Ok(at) => {
                let known = &mut self.state.known[at];
                let counts = std::mem::take(&mut known.carried);
                let again = known.committed && !counts || known.outcome != outcome;
                known.committed = true;
                if again {
                    self.flaw(of(name));
                }
            }
            Err(at) => {
                self.state.known.insert(at, Known { name, outcome, committed: true, carried: false });
            }
        }
    }

    /// Whether a failed run committed this, so that the one that goes on in its place keeps it.
    fn is_kept(&self, at: usize) -> bool {
        let Known { name, outcome, committed, .. } = self.state.known[at];
        let is_of_a_call = name.node != START && name.node != END;
        name.run == 0 && committed && is_of_a_call && matches!(outcome, Ended::Returned(_))
    }

    /// What the failed run has committed is that of the run that goes on in its place.
    pub(crate) fn carry_over(&mut self) {
        let kept = (0..self.state.known.len()).filter(|&at| self.is_kept(at));
        let kept: Vec<_> = kept.map(|at| self.state.known[at]).collect();
        for known in kept {
            let carried = Known { name: Name { run: 1, ..known.name }, carried: true, ..known };
            if let Err(at) = self.known(carried.name) {
                self.state.known.insert(at, carried);
            }
        }
    }

    /// Somebody was given the outcome of `name`.
    pub(crate) fn consumed(&mut self, name: Name, outcome: Ended) {
        match self.known(name) {
            Ok(at) if self.state.known[at].outcome != outcome => self.flaw(of(name)),
            Ok(_) => {}
            Err(at) => {
                self.state.known.insert(at, Known { name, outcome, committed: false, carried: false });
            }
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
