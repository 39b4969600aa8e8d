//! A state of the whole system: tables, events, whoever is running, and what has been seen.
//!
//! Everything is kept sorted, so that states that differ only in who came first are one.

use std::fmt;

use crate::{
    bounds::Bounds,
    data::{Body, Continuation, Data, Ended, Key, Left, Name, Stamp},
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
    /// The clouds whose tables are down, a bit each.
    pub(crate) tables_down: u8,
    /// Whether a platform has given up an event whose last delivery failed by itself.
    pub(crate) failed_by_itself: bool,
    /// How often the client has started the run.
    pub(crate) started: bool,
    /// Run ids that were minted.
    pub(crate) minted: u8,
    /// Whether a sweep began when nothing else was left to do, and nothing has happened since.
    pub(crate) swept: bool,
    pub(crate) expired: bool,
    pub(crate) now: u8,
    pub(crate) known: Vec<Known>,
    pub(crate) count: Count,
    pub(crate) flaws: u16,
    /// Whether somebody has read what is left of the failed run.
    pub(crate) taken_over: bool,
    /// Whether there is a run that goes on in its place.
    pub(crate) redriven: bool,
}

/// How often user functions began, in checks that count it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Count {
    /// Of which instances one has begun, a bit each.
    pub(crate) begun: u16,
    /// How often one began that had begun before.
    pub(crate) extra: u8,
    /// What happened that may make one begin again: a delivery beyond the first, a sweep, a second
    /// start, an answer that was lost.
    pub(crate) causes: u8,
}

/// A row of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) body: Option<Body>,
    pub(crate) slots: [Option<Ended>; BRANCHES],
    /// Who decided the body, and who filled each slot.
    pub(crate) body_by: Stamp,
    pub(crate) slots_by: [Stamp; BRANCHES],
    /// Whether the run is to be cancelled.
    pub(crate) marked: bool,
    /// Whether it leads to the run that goes on in its place.
    pub(crate) linked: bool,
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
    /// What tells it from other events of its instance, through all its deliveries.
    pub(crate) id: u8,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event { to, data, cloud, attempts, given_up, id } = self;
        write!(f, "{to:?}({data:?}), event {id}, on cloud {cloud}, after {attempts} deliveries")?;
        if *given_up { write!(f, ", given up") } else { Ok(()) }
    }
}

/// Whoever is running.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Actor {
    pub(crate) role: Role,
    pub(crate) at: At,
    pub(crate) todo: Vec<Todo>,
    /// When it began, where a check is about time.
    pub(crate) since: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Role {
    /// An execution of a function, for this event.
    Copy(Event),
    Client,
    /// A client that found its run started.
    Resume,
    Sweep,
    /// Whoever cancels the run, or finishes that.
    Stop,
    /// Whoever redrives it, until what is left of it is dispatched.
    Redrive,
}

/// How far an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum At {
    /// The user function runs, and the home row is being read.
    Begun,
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
    /// Decide that a fan-in has no value.
    Settle { join: Name, ended: Ended },
    /// Decide that an instance is cancelled.
    Cancel { name: Name },
    /// Look at what follows an instance.
    Walk { from: Name, continuation: Continuation },
    /// Look at which branches have arrived.
    WalkBranches { join: Name, branches: [Option<Left>; BRANCHES], is_decided: bool },
    /// Read what is left of the failed run.
    TakeOver,
    /// Let the failed run lead to the one that goes on.
    Link { left: Continuation },
    /// Create the row of that.
    GoOn { left: Continuation },
}

/// Where a branch or run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    End { run: u8 },
    Slot { run: u8, join: NodeIndex, branch: u8 },
}

impl Role {
    /// Which event this is a copy of.
    pub(crate) fn stamp(self) -> Stamp {
        match self {
            Role::Copy(event) => Some((event.to, event.id)),
            _ => None,
        }
    }

    /// Whether it goes on from whatever it finds decided.
    pub(crate) fn follows_all(self) -> bool {
        !matches!(self, Role::Copy(_))
    }

    /// Whether it looks at what is there before it does anything about it, part by part.
    pub(crate) fn walks(self) -> bool {
        matches!(self, Role::Resume | Role::Sweep | Role::Stop | Role::Redrive)
    }

    /// Whether it decides that whatever is open is cancelled.
    pub(crate) fn stops(self) -> bool {
        matches!(self, Role::Stop | Role::Redrive)
    }
}

impl State {
    /// A number for one more event of `to`.
    pub(crate) fn fresh_id(&self, to: Name) -> u8 {
        let used = self.living().filter(|event| event.to == to).fold(0_u32, |all, event| all | 1 << event.id);
        used.trailing_ones() as u8
    }

    /// Every event that is queued or of which there is a copy.
    fn living(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().chain(self.actors.iter().filter_map(|actor| match &actor.role {
            Role::Copy(event) => Some(event),
            _ => None,
        }))
    }

    /// Brings states that differ in nothing that matters into one form: whoever came first is not
    /// told, nor which number an event has, nor which event made a row once that event is gone.
    pub(crate) fn settle(&mut self) {
        self.events.sort_unstable();
        self.actors.sort_unstable();
        let mut ids: Vec<(Name, u8)> = Vec::new();
        for event in self.living() {
            if !ids.contains(&(event.to, event.id)) {
                ids.push((event.to, event.id));
            }
        }
        let renamed = |stamp: Stamp| {
            let (to, _) = stamp?;
            let at = ids.iter().position(|id| Some(*id) == stamp)?;
            Some((to, ids[..at].iter().filter(|(other, _)| *other == to).count() as u8))
        };
        for (_, row) in &mut self.rows {
            row.body_by = renamed(row.body_by);
            row.slots_by = row.slots_by.map(renamed);
        }
        let queued = self.events.iter_mut();
        let running = self.actors.iter_mut().filter_map(|actor| match &mut actor.role {
            Role::Copy(event) => Some(event),
            _ => None,
        });
        for event in queued.chain(running) {
            event.id = renamed(Some((event.to, event.id))).map_or(0, |(_, id)| id);
        }
        self.events.sort_unstable();
        self.actors.sort_unstable();
    }

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

    /// `Runtime::is_over`: whether the run has ended, or is to be cancelled.
    pub(crate) fn is_over(&self, run: u8) -> bool {
        self.row(Key::run(run)).is_some_and(|row| row.slots[0].is_some() || row.marked)
    }

    /// How the run has ended, as its row says.
    pub(crate) fn ended(&self, run: u8) -> Option<Ended> {
        self.row(Key::run(run))?.slots[0]
    }

    /// Whether there is a run that has not ended.
    pub(crate) fn is_open(&self) -> bool {
        let row = self.row(Key::run(self.current()));
        self.started && row.is_some_and(|row| row.body.is_some() && row.slots[0].is_none())
    }

    /// The run that the key leads to.
    pub(crate) fn current(&self) -> u8 {
        u8::from(self.redriven)
    }

    /// How the run first ended, whatever has become of its rows.
    pub(crate) fn first_end(&self) -> Option<Ended> {
        if self.redriven { self.end_of(self.current()) } else { self.end_where(|_| true) }
    }

    /// The same of this run.
    pub(crate) fn end_of(&self, run: u8) -> Option<Ended> {
        self.end_where(|other| other == run)
    }

    fn end_where(&self, is_it: impl Fn(u8) -> bool) -> Option<Ended> {
        let end = self.known.iter().find(|known| known.name.node == END && is_it(known.name.run));
        end.map(|known| known.outcome)
    }

    pub(crate) fn is_table_down(&self, cloud: Cloud) -> bool {
        self.tables_down & (1 << cloud) != 0
    }

    pub(crate) fn is_down(&self, cloud: Cloud) -> bool {
        self.down & (1 << cloud) != 0
    }
}
