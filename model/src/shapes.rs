//! The workflows that are checked, as the static tables the protocol runs on.
//!
//! Cloud 0 is the home of the run row. A fan-out has at most [`BRANCHES`] branches, none within
//! another: a frame is one branch index.

/// A cloud: its functions and its table.
pub type Cloud = u8;
/// A node of a shape.
pub type NodeIndex = u8;

/// The client's own glue; its row is the run row.
pub const START: NodeIndex = 0;
/// The end of the run: the slot of the run row.
pub const END: NodeIndex = 15;
/// The most branches of a fan-out.
pub const BRANCHES: usize = 2;

/// A workflow.
#[derive(Debug)]
pub struct Shape {
    /// What it is called in reports.
    pub name: &'static str,
    /// Its nodes; the first is [`START`].
    pub nodes: &'static [Node],
}

/// A call site, a fan-in, or the start.
#[derive(Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The cloud whose table holds its rows.
    pub home: Cloud,
    /// Where a call may run: its placement, then its failover placements.
    pub placements: &'static [Cloud],
    /// Whether all that can follow is the end of the branch or run: the arrival is the commit.
    pub tail: bool,
    /// The fan-in where its branch ends; `None` outside of fan-outs.
    pub within: Option<NodeIndex>,
    /// Whose outcome it is called with.
    pub source: NodeIndex,
    /// What follows, by the arm that the outcome chooses.
    pub next: &'static [Next],
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The client.
    Start,
    /// A call of a function.
    Call,
    /// A fan-in; `pure` when its glue only moves values about.
    Join {
        /// Whether the glue may run twice with the same result.
        pure: bool,
        /// How many branches it waits for that return; `None` when it waits for all.
        first: Option<u8>,
    },
}

/// One thing that may follow a node.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// A call.
    Call(NodeIndex),
    /// A fan-out.
    Fork {
        /// Where its branches meet.
        join: NodeIndex,
        /// How many branches.
        of: u8,
        /// The first node of each.
        first: NodeIndex,
    },
    /// The end of the branch or of the run.
    Return,
}

const fn start(next: &'static [Next]) -> Node {
    Node { kind: Kind::Start, home: 0, placements: &[], tail: false, within: None, source: START, next }
}

const fn call(source: NodeIndex, placements: &'static [Cloud], next: &'static [Next]) -> Node {
    let home = placements[0];
    Node { kind: Kind::Call, home, placements, tail: false, within: None, source, next }
}

/// A call that ends its branch, or the run.
const fn last(source: NodeIndex, placements: &'static [Cloud], within: Option<NodeIndex>) -> Node {
    Node { tail: true, within, ..call(source, placements, &[Next::Return]) }
}

const fn join(pure: bool, tail: bool, home: Cloud, next: &'static [Next]) -> Node {
    let kind = Kind::Join { pure, first: None };
    Node { kind, home, placements: &[], tail, within: None, source: START, next }
}

/// A fan-in for the first branch that returns.
const fn race(home: Cloud, next: &'static [Next]) -> Node {
    Node { kind: Kind::Join { pure: false, first: Some(1) }, ..join(false, false, home, next) }
}

impl Shape {
    /// The most calls that follow an outcome directly.
    pub(crate) fn widest(&self) -> u8 {
        let all = self.nodes.iter().flat_map(|node| node.next);
        let of = all.map(|next| match next {
            Next::Fork { of, .. } => *of,
            Next::Call(_) | Next::Return => 1,
        });
        of.max().unwrap_or(1)
    }

    /// A table entry.
    pub fn node(&self, index: NodeIndex) -> &'static Node {
        &self.nodes[usize::from(index)]
    }
}

/// `b(a())`: `a` on cloud 0 with cloud 1 as failover, `b` on cloud 1.
pub static CHAIN: Shape = Shape {
    name: "chain",
    nodes: &[start(&[Next::Call(1)]), call(0, &[0, 1], &[Next::Call(2)]), last(1, &[1], None)],
};

/// `d(c(b(a())))`: long enough for what follows a duplicate to be more than it may start.
pub static LONG: Shape = Shape {
    name: "long chain",
    nodes: &[
        start(&[Next::Call(1)]),
        call(0, &[0], &[Next::Call(2)]),
        call(1, &[1], &[Next::Call(3)]),
        call(2, &[0], &[Next::Call(4)]),
        last(3, &[1], None),
    ],
};

/// `if a() { b() } else { c() }`: which arm is taken depends on what `a` happens to return.
pub static CHOICE: Shape = Shape {
    name: "choice",
    nodes: &[
        start(&[Next::Call(1)]),
        call(0, &[0, 1], &[Next::Call(2), Next::Call(3)]),
        last(1, &[1], None),
        last(1, &[0], None),
    ],
};

/// Two branches of one function each, then a function; the glue between is pure, and what it
/// computes is not committed. The client starts the branches.
pub static MAP_PURE: Shape = Shape {
    name: "map, pure fan-in",
    nodes: &[
        start(&[Next::Fork { join: 2, of: 2, first: 1 }]),
        last(0, &[1, 0], Some(2)),
        join(true, false, 0, &[Next::Call(3)]),
        last(2, &[0], None),
    ],
};

/// The same with glue that never computes the same twice, and so is committed.
pub static MAP_IMPURE: Shape = Shape {
    name: "map, committed fan-in",
    nodes: &[
        start(&[Next::Fork { join: 2, of: 2, first: 1 }]),
        last(0, &[1, 0], Some(2)),
        join(false, false, 1, &[Next::Call(3)]),
        last(2, &[0], None),
    ],
};

/// A function that starts two branches, which end the run where they meet.
pub static GATHER: Shape = Shape {
    name: "gather",
    nodes: &[
        start(&[Next::Call(1)]),
        call(0, &[0], &[Next::Fork { join: 3, of: 2, first: 2 }]),
        last(1, &[1], Some(3)),
        join(false, true, 0, &[Next::Return]),
    ],
};

/// One branch of two functions: a row within a branch.
pub static BRANCH: Shape = Shape {
    name: "branch of two",
    nodes: &[
        start(&[Next::Fork { join: 3, of: 1, first: 1 }]),
        Node { within: Some(3), ..call(0, &[0, 1], &[Next::Call(2)]) },
        last(1, &[1], Some(3)),
        join(true, false, 1, &[Next::Call(4)]),
        last(3, &[0], None),
    ],
};

/// A function, a fan-out without branches, and a function after it.
pub static EMPTY: Shape = Shape {
    name: "empty map",
    nodes: &[
        start(&[Next::Call(1)]),
        call(0, &[0, 1], &[Next::Fork { join: 2, of: 0, first: 3 }]),
        join(false, false, 1, &[Next::Call(3)]),
        last(2, &[1], None),
    ],
};

/// The first of two branches, and a function that is told which.
pub static RACE: Shape = Shape {
    name: "race",
    nodes: &[
        start(&[Next::Fork { join: 2, of: 2, first: 1 }]),
        last(0, &[1, 0], Some(2)),
        race(0, &[Next::Call(3)]),
        last(2, &[0], None),
    ],
};

/// The same with branches of two functions: what is late goes on.
pub static LATE: Shape = Shape {
    name: "race of two each",
    nodes: &[
        start(&[Next::Fork { join: 3, of: 2, first: 1 }]),
        Node { within: Some(3), ..call(0, &[0], &[Next::Call(2)]) },
        last(1, &[1], Some(3)),
        race(1, &[Next::Call(4)]),
        last(3, &[0], None),
    ],
};

/// All shapes but [`LONG`] and [`LATE`], which are more of a kind.
pub static ALL: [&Shape; 8] = [&CHAIN, &CHOICE, &MAP_PURE, &MAP_IMPURE, &GATHER, &BRANCH, &EMPTY, &RACE];
