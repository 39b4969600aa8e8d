//! What travels and what is committed: names, values, continuations.

use std::fmt;

use crate::shapes::{BRANCHES, Cloud, END, NodeIndex, START};

/// The highest number a draw gives.
pub(crate) const MAX_DRAW: u8 = 3;

/// The name of an instance. The run is 0, unless a mutation mints it; 1 is the one that goes on in place
/// of a failed one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) run: u8,
    pub(crate) node: NodeIndex,
    pub(crate) branch: u8,
}

impl Name {
    pub(crate) fn top(run: u8, node: NodeIndex) -> Self {
        Name { run, node, branch: 0 }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node {
            START => write!(f, "start"),
            END => write!(f, "end"),
            node => write!(f, "{node}#{}", self.branch),
        }?;
        if self.run > 0 { write!(f, " of run {}", self.run) } else { Ok(()) }
    }
}

/// A value, as the draws that made it: every execution of a user function and of its glue draws
/// numbers of its own, so that no two copies agree by chance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Data(u32);

impl Data {
    /// What a function returned, and its glue made of it.
    pub(crate) fn drawn(user: u8, arm: u8, glue: u8) -> Self {
        Data(u32::from(user << 1 | arm | glue << 3))
    }

    /// The same outcome with another glue's work.
    pub(crate) fn glued(self, glue: u8) -> Self {
        Data(self.0 & !(3 << 3) | u32::from(glue) << 3)
    }

    /// Which numbers went into what a function returned, a bit each.
    pub(crate) fn draws(self) -> u8 {
        1 << (self.0 >> 1 & 3) | self.glue_draw()
    }

    /// Which number the glue drew, as a bit.
    pub(crate) fn glue_draw(self) -> u8 {
        1 << (self.0 >> 3 & 3)
    }

    /// What glue makes of the branches of a fan-in. A branch that is missing is a zero.
    pub(crate) fn joined(branches: [Option<Data>; BRANCHES], glue: u8) -> Self {
        let one = |data: Option<Data>| data.map_or(0, |data| data.0 + 1);
        Data(one(branches[0]) << 16 | one(branches[1]) << 8 | u32::from(glue) << 3)
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{:x}", self.0)
    }
}

/// How a branch or run ended, or how an instance turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Ended {
    Returned(Data),
    Failed,
    Cancelled,
}

/// What follows an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Continuation {
    /// A call.
    Call {
        /// Of which node.
        node: NodeIndex,
        /// With what.
        data: Data,
    },
    /// A fan-out.
    Fork {
        /// Where it ends.
        join: NodeIndex,
        /// How many branches.
        of: u8,
        /// The first node of each.
        first: NodeIndex,
        /// What each is called with.
        data: Data,
    },
    /// What is left of a fan-out of a run that has failed.
    Rest {
        /// Where it ends.
        join: NodeIndex,
        /// What the fan-out was made of.
        data: Data,
        /// What is left of each branch.
        branches: [Option<Left>; BRANCHES],
    },
    /// The end of the branch or run.
    Return(Data),
}

/// What is left of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Left {
    Call { node: NodeIndex, data: Data },
    Return(Data),
}

impl Continuation {
    /// The fan-in of a fan-out, and its branches.
    pub(crate) fn branches(self) -> Option<(NodeIndex, [Option<Left>; BRANCHES])> {
        match self {
            Continuation::Fork { join, of, first: node, data } => {
                let branch = |index| (index < usize::from(of)).then_some(Left::Call { node, data });
                Some((join, std::array::from_fn(branch)))
            }
            Continuation::Rest { join, branches, .. } => Some((join, branches)),
            Continuation::Call { .. } | Continuation::Return(_) => None,
        }
    }

    pub(crate) fn data(self) -> Data {
        match self {
            Continuation::Call { data, .. }
            | Continuation::Fork { data, .. }
            | Continuation::Rest { data, .. }
            | Continuation::Return(data) => data,
        }
    }

    pub(crate) fn with(mut self, new: Data) -> Self {
        match &mut self {
            Continuation::Call { data, .. }
            | Continuation::Fork { data, .. }
            | Continuation::Rest { data, .. }
            | Continuation::Return(data) => {
                *data = new;
            }
        }
        self
    }
}

/// The body of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Body {
    Next(Continuation),
    Ended(Ended),
}

/// Which event's copy decided an outcome: an event has a number of its own among those of its
/// instance. Nothing for a client or a sweep, which nobody delivers again, and for an event that
/// is gone.
pub(crate) type Stamp = Option<(Name, u8)>;

/// The decided outcome of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Settled {
    Next(Continuation),
    Ended(Ended),
}

impl From<Body> for Settled {
    fn from(body: Body) -> Self {
        match body {
            Body::Next(continuation) => Settled::Next(continuation),
            Body::Ended(ended) => Settled::Ended(ended),
        }
    }
}

/// The key of a row: which table, whose, and whether it is the row where branches arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub(crate) cloud: Cloud,
    pub(crate) name: Name,
    pub(crate) join: bool,
}

impl Key {
    /// The run row: its start and its end.
    pub(crate) fn run(run: u8) -> Self {
        Key { cloud: 0, name: Name::top(run, START), join: false }
    }
}
