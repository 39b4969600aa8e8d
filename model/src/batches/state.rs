//! Rows, runs, events and whoever is running.

use super::{ROWS, RUNS};
use crate::bounds::Bounds;

/// The whole system at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) rows: [Row; ROWS],
    pub(super) runs: [Run; RUNS],
    pub(super) events: Vec<Event>,
    pub(super) actors: Vec<Actor>,
    /// What may still go wrong.
    pub(super) left: Bounds,
    /// The runs that a client has begun to start, a bit each.
    pub(super) clients: u8,
    /// Whether a sweep began when nothing else was left to do, and nothing has happened since.
    pub(super) swept: bool,
    /// Whether a run was given what is not the outcome of its call.
    pub(super) mixed: bool,
    /// Whether a run failed though nobody gave up on its own call.
    pub(super) shared_failure: bool,
}

/// A batch row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Row {
    /// Whose calls are in it, in the order of their slots.
    pub(super) members: Vec<u8>,
    /// The event that runs it, once it is sealed.
    pub(super) seal: Option<u8>,
}

/// A run: its row, and that of its call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) is_there: bool,
    /// What was decided, and by which event.
    pub(super) outcome: Option<(Out, u8)>,
    pub(super) end: Option<Out>,
}

/// How a call, or a run, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Out {
    /// With what a function made of the call of this run, never the same twice.
    Value {
        of: u8,
        drawn: u8,
    },
    Failed,
}

/// What a function is invoked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// A batch, by its row.
    Batch(u8),
    /// A call, by its run.
    Alone(u8),
}

/// An envelope in the queue of a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    pub(super) task: Task,
    pub(super) id: u8,
    /// Deliveries so far.
    pub(super) attempts: u8,
    /// Whether the platform gave it up, and tells so.
    pub(super) given_up: bool,
}

/// Whoever is running, and what is left to be done: in any order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Actor {
    pub(super) role: Role,
    pub(super) todo: Vec<Todo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Role {
    /// An execution of a function, for this event.
    Copy(Event),
    Client(u8),
    Sweep,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Todo {
    /// Create a run's row.
    Create(u8),
    /// Arrive at a batch row; `again` when it was dispatched before.
    Gather { run: u8, row: u8, again: bool },
    /// Look for a row with room after this one.
    Find { run: u8, row: u8, again: bool },
    /// Invoke a function.
    Invoke(Task),
    /// Close a batch row for the copies of this event.
    Seal(u8),
    /// Look which members are decided, and run the function on the others.
    Run(u8),
    /// Run it on one call.
    RunAlone(u8),
    /// Decide the call of a run.
    Commit { run: u8, out: Out },
    /// End a run.
    End { run: u8, out: Out },
    /// Look at a run that may be late.
    Look(u8),
}

impl State {
    pub(super) fn is_open(&self, run: u8) -> bool {
        let run = &self.runs[usize::from(run)];
        run.is_there && run.end.is_none()
    }

    pub(super) fn returned(&self, run: u8) -> bool {
        matches!(self.runs[usize::from(run)].end, Some(Out::Value { .. }))
    }

    /// A number for one more event, beside those of `actor`, which is in no list now.
    pub(super) fn fresh_id(&self, actor: &Actor) -> u8 {
        let running = self.actors.iter().chain([actor]).filter_map(|actor| match actor.role {
            Role::Copy(event) => Some(event.id),
            Role::Client(_) | Role::Sweep => None,
        });
        let used =
            self.events.iter().map(|event| event.id).chain(running).fold(0_u32, |all, id| all | 1 << id);
        used.trailing_ones() as u8
    }

    /// A number that nothing has that was made of the call of a run.
    pub(super) fn draw(&self, of: u8) -> u8 {
        let mut used = 0_u32;
        let mut see = |out: Out| {
            if let Out::Value { of: other, drawn } = out
                && other == of
            {
                used |= 1 << drawn;
            }
        };
        for run in &self.runs {
            run.outcome.iter().for_each(|(out, _)| see(*out));
            run.end.iter().for_each(|out| see(*out));
        }
        for todo in self.actors.iter().flat_map(|actor| &actor.todo) {
            match *todo {
                Todo::Commit { out, .. } | Todo::End { out, .. } => see(out),
                _ => {}
            }
        }
        used.trailing_ones() as u8
    }

    /// Brings states that differ in nothing that matters into one form: what is done in any order is
    /// kept in one, and neither the number of an event is told nor which one decided something once it
    /// is gone.
    pub(super) fn settle(&mut self) {
        self.actors.iter_mut().for_each(|actor| actor.todo.sort_unstable());
        self.events.sort_unstable();
        self.actors.sort_unstable();
        let mut ids: Vec<u8> = Vec::new();
        let running = self.actors.iter().filter_map(|actor| match actor.role {
            Role::Copy(event) => Some(event.id),
            Role::Client(_) | Role::Sweep => None,
        });
        for id in self.events.iter().map(|event| event.id).chain(running) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let renamed = |id: u8| ids.iter().position(|one| *one == id).map_or(NOBODY, |at| at as u8);
        self.events.iter_mut().for_each(|event| event.id = renamed(event.id));
        for actor in &mut self.actors {
            if let Role::Copy(event) = &mut actor.role {
                event.id = renamed(event.id);
            }
        }
        self.rows.iter_mut().for_each(|row| row.seal = row.seal.map(renamed));
        self.runs.iter_mut().for_each(|run| run.outcome = run.outcome.map(|(out, by)| (out, renamed(by))));
        self.events.sort_unstable();
        self.actors.sort_unstable();
    }
}

/// Who decides without an event, or whose event is gone.
pub(super) const NOBODY: u8 = u8::MAX;
