//! A state of the whole system: tables, events, whoever is running, and what has been seen.
//!
//! Everything is kept sorted, so that states that differ only in who came first are one.

use std::fmt;

use crate::{
    bounds::Bounds,
    data::{Body, Continuation, Data, Ended, Key, Name, Settled},
    shapes::{BRANCHES, Cloud, END, NodeIndex},
    watch::Known,
};

/// The whole system at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    pub(crate) rows: Vec<(Key, Row)>,
    pub(crate) events: Vec<Event>,
    pub(crate) actors: Vec<Actor>,
    /// What may still go wrong.
    pub(crate) left: Bounds,
    /// The clouds whose functions are down, a bit each.
    pub(crate) down: u8,
    /// How often the client has started the run.
    pub(crate) started: bool,
    /// Run ids that were minted.
    pub(crate) minted: u8,
    /// Whether a sweep began when nothing else was left to do, and nothing has happened since.
    pub(crate) swept: bool,
    pub(crate) expired: bool,
    pub(crate) now: u8,
    pub(crate) known: Vec<Known>,
    pub(crate) flaws: u8,
}

/// A row of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) body: Option<Body>,
    pub(crate) slots: [Option<Ended>; BRANCHES],
    /// Arrivals, where a mutation counts them.
    pub(crate) count: u8,
    pub(crate) expires_at: u8,
}

/// An envelope in the queue of a platform.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    pub(crate) to: Name,
    pub(crate) data: Data,
    /// Where it was sent.
    pub(crate) cloud: Cloud,
    /// Deliveries so far.
    pub(crate) attempts: u8,
    /// Whether the platform gave it up, and tells so.
    pub(crate) given_up: bool,
    pub(crate) sent_at: u8,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event { to, data, cloud, attempts, given_up, sent_at } = self;
        write!(f, "{to:?}({data:?}) on cloud {cloud}, sent at {sent_at}, after {attempts} deliveries")?;
        if *given_up { write!(f, ", given up") } else { Ok(()) }
    }
}

/// Whoever is running.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Actor {
    pub(crate) role: Role,
    pub(crate) at: At,
    pub(crate) todo: Vec<Todo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Role {
    /// An execution of a function, for this event.
    Copy(Event),
    Client,
    Sweep,
}

/// How far an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum At {
    /// The user function runs, and the home row is being read.
    Begun,
    /// Another copy has committed this.
    Found(Settled),
    /// The glue has run; the commit is next.
    Computed(Continuation),
    /// A failure has arrived in a slot; what is there is read next.
    FailureArrived,
    /// What was decided is being dispatched. Only a mutation has something left to commit.
    Dispatching(Option<Continuation>),
}

/// One step of a dispatch, or of a sweep's walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Todo {
    /// Invoke on the placement that is `tried` places further than the first one.
    Send { to: Name, data: Data, first: u8, tried: u8 },
    /// Fill a slot.
    Arrive { from: Name, at: Place, ended: Ended },
    /// The second half of an arrival that is not atomic.
    WriteBack { from: Name, at: Place, ended: Ended, slots: [Option<Ended>; BRANCHES] },
    /// Create the row of a fan-in.
    Commit { join: Name, continuation: Continuation },
    /// Look at what follows an instance.
    Walk { from: Name, continuation: Continuation },
    /// Look at which branches have arrived.
    WalkBranches { join: Name, of: u8, first: NodeIndex, data: Data },
}

/// Where a branch or run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    End { run: u8 },
    Slot { run: u8, join: NodeIndex, branch: u8 },
}

impl State {
    pub(crate) fn row(&self, key: Key) -> Option<&Row> {
        let at = self.rows.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(&self.rows[at].1)
    }

    /// The row under `key`, made if there is none.
    pub(crate) fn row_mut(&mut self, key: Key, expires_at: u8) -> &mut Row {
        let at = self.rows.binary_search_by_key(&key, |(key, _)| *key).unwrap_or_else(|at| {
            self.rows.insert(at, (key, Row { expires_at, ..Row::default() }));
            at
        });
        &mut self.rows[at].1
    }

    /// How the run has ended, as its row says.
    pub(crate) fn ended(&self, run: u8) -> Option<Ended> {
        self.row(Key::run(run))?.slots[0]
    }

    /// Whether there is a run that has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.started && self.row(Key::run(0)).is_some_and(|row| row.body.is_some() && row.slots[0].is_none())
    }

    /// How the run first ended, whatever has become of its rows.
    pub(crate) fn first_end(&self) -> Option<Ended> {
        self.known.iter().find(|known| known.name.node == END).map(|known| known.outcome)
    }

    pub(crate) fn is_down(&self, cloud: Cloud) -> bool {
        self.down & (1 << cloud) != 0
    }
}
