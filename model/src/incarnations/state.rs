//! Run rows, the rows of `a`, stored values, events and whoever is running.

use crate::bounds::Bounds;

/// An incarnation: the time that its client proposed, and the incarnation that it goes on in place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Inc {
    pub(super) at: u8,
    pub(super) parent: Option<u8>,
}

/// The id of a run: what its row is named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Run {
    /// The run that the key names.
    Key,
    /// The run that goes on in place of an incarnation; a mutation does not say of which.
    Redriven(Option<u8>),
}

/// The whole system at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) runs: Vec<(Run, RunRow)>,
    /// The rows of `a` by name, each with its value: the incarnation that made it.
    pub(super) rows: Vec<(u8, u8)>,
    /// The incarnations that have something stored, a bit each.
    pub(super) objects: u16,
    /// The incarnations whose rows are past their expiry, a bit each.
    pub(super) past: u16,
    pub(super) events: Vec<Event>,
    pub(super) actors: Vec<Actor>,
    /// What may still go wrong.
    pub(super) left: Bounds,
    pub(super) starts: u8,
    /// How many times have been proposed.
    pub(super) proposed: u8,
    /// Whether a sweep began when nothing else was left to do, and no row has changed since.
    pub(super) swept: bool,
    /// Whether somebody has died.
    pub(super) crashed: bool,
    pub(super) flaws: u8,
}

/// A run row. Each slot says who filled it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct RunRow {
    pub(super) body: Option<Body>,
    /// The attribute that arrivals are conditional on.
    pub(super) inc: Option<u8>,
    pub(super) end: Option<(End, u8)>,
    pub(super) link: Option<(Run, u8)>,
    pub(super) cancel: Option<u8>,
}

/// What can expire by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The body.
    Body,
    /// The attribute that says whose row it is.
    Inc,
    /// The slot END.
    End,
    /// The slot REDRIVEN.
    Link,
    /// The slot CANCEL.
    Cancel,
}

impl Cell {
    pub(super) const ALL: [Cell; 5] = [Cell::Body, Cell::Inc, Cell::End, Cell::Link, Cell::Cancel];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Body {
    pub(super) inc: Inc,
    /// The value of `a` that a redriven run begins with; without one it begins with `a`.
    pub(super) kept: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum End {
    Returned,
    Failed,
    Cancelled,
}

/// An envelope: a call of `a`, or of `b` with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    pub(super) inc: Inc,
    pub(super) value: Option<u8>,
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
    Client,
    Sweep,
    Redriver,
    Canceller,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Todo {
    /// Store the first value of a proposed incarnation.
    Store { inc: Inc, kept: Option<u8> },
    /// Create its run row.
    Create { inc: Inc, kept: Option<u8> },
    /// Delete what an incarnation has stored.
    Delete { at: u8 },
    /// Invoke a function.
    Send(Event),
    /// Read the row of `a`, or run `a`.
    Run { inc: Inc },
    /// Create the row of `a`.
    Commit { inc: Inc },
    /// End a run.
    End { inc: Inc, end: End },
    /// Say in the run row that the run is to be cancelled.
    Mark { inc: Inc },
    /// Say in the run row which run goes on in its place.
    Link { inc: Inc, kept: Option<u8> },
    /// Look at an open run.
    Look { inc: Inc, kept: Option<u8> },
}

/// Something that must never happen, noted as it happens.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Flaw {
    /// A run was given a value of another one.
    ForeignValue = 1,
    /// An arrival made a run row.
    RowOfNothing = 2,
    /// What an open run had stored was gone.
    ValueGone = 4,
    /// A copy that was late went on though its run row was gone, or another's.
    Zombie = 8,
}

impl RunRow {
    /// Which incarnation a cell is of; nothing when there is no such cell.
    pub(super) fn owner(&self, cell: Cell) -> Option<u8> {
        match cell {
            Cell::Body => self.body.map(|body| body.inc.at),
            Cell::Inc => self.inc,
            Cell::End => self.end.map(|(_, by)| by),
            Cell::Link => self.link.map(|(_, by)| by),
            Cell::Cancel => self.cancel,
        }
    }

    pub(super) fn expire(&mut self, cell: Cell) {
        match cell {
            Cell::Body => self.body = None,
            Cell::Inc => self.inc = None,
            Cell::End => self.end = None,
            Cell::Link => self.link = None,
            Cell::Cancel => self.cancel = None,
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.end, Some((End::Failed, _)))
    }
}

impl State {
    pub(super) fn run(&self, run: Run) -> Option<&RunRow> {
        self.runs.iter().find(|(other, _)| *other == run).map(|(_, row)| row)
    }

    /// The row of a run, made if there is none.
    pub(super) fn run_mut(&mut self, run: Run) -> &mut RunRow {
        let at = self.runs.iter().position(|(other, _)| *other == run).unwrap_or_else(|| {
            self.runs.push((run, RunRow::default()));
            self.runs.len() - 1
        });
        &mut self.runs[at].1
    }

    pub(super) fn row(&self, name: u8) -> Option<u8> {
        self.rows.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    pub(super) fn is_past(&self, at: u8) -> bool {
        self.past & (1 << at) != 0
    }

    pub(super) fn has_stored(&self, at: u8) -> bool {
        self.objects & (1 << at) != 0
    }

    pub(super) fn flaw(&mut self, flaw: Flaw) {
        self.flaws |= flaw as u8;
    }

    /// The next time that is proposed.
    pub(super) fn propose(&mut self) -> u8 {
        self.proposed += 1;
        self.proposed - 1
    }

    /// Whether nothing is under way: what is left to happen is a sweep, a client, or for something else
    /// to go wrong.
    pub(super) fn is_quiet(&self) -> bool {
        self.actors.is_empty() && self.events.is_empty()
    }

    /// Whether no row differs, and nothing else has happened that could make a run go on.
    pub(super) fn is_as_far_as(&self, other: &State) -> bool {
        let rows = self.runs == other.runs && self.rows == other.rows;
        rows && self.left == other.left && self.starts == other.starts
    }

    /// The bodies of the runs that have not ended.
    pub(super) fn open_runs(&self) -> impl Iterator<Item = (&RunRow, Body)> {
        self.runs.iter().filter_map(|(_, row)| Some((row, row.body.filter(|_| row.end.is_none())?)))
    }

    pub(super) fn has_open_runs(&self, which: impl Fn(Inc) -> bool) -> bool {
        self.open_runs().any(|(_, body)| which(body.inc))
    }

    /// Brings states that differ in nothing that matters into one form.
    pub(super) fn settle(&mut self) {
        self.runs.retain(|(_, row)| *row != RunRow::default());
        self.runs.sort_unstable_by_key(|(run, _)| *run);
        self.rows.sort_unstable();
        self.events.sort_unstable();
        self.actors.sort_unstable();
    }
}
