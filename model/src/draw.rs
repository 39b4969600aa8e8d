//! What user functions and glue come up with: never the same twice.
//!
//! An execution draws the smallest number that no part of the state got from the instance. Values
//! are only ever compared, so that a number which is nowhere is as good as one never used: states
//! that differ in nothing but the numbers drawn are one.

use crate::{
    data::{Body, Continuation, Data, Ended, MAX_DRAW, Name},
    model::Step,
    shapes::{Kind, START},
    state::{At, Role, Todo},
};

impl Step<'_> {
    /// Draws a number for an execution of `name`.
    pub(crate) fn draw(&self, name: Name) -> u8 {
        let mut used = 0;
        self.each(|of, data| {
            if of == name {
                used |= match self.model.shape.node(name.node).kind {
                    Kind::Call => data.draws(),
                    Kind::Start | Kind::Join { .. } => data.glue_draw(),
                };
            }
        });
        // Copies beyond the fourth that differ at once agree with it.
        (used.trailing_ones() as u8).min(MAX_DRAW)
    }

    /// Everything in the state that came from an instance.
    fn each(&self, mut see: impl FnMut(Name, Data)) {
        let model = self.model;
        let mut ended = |name, ended| {
            if let Ended::Returned(data) = ended {
                see(name, data);
            }
        };
        for known in &self.state.known {
            ended(known.name, known.outcome);
        }
        for (key, row) in &self.state.rows {
            if let Some(Body::Next(continuation)) = row.body {
                ended(key.name, Ended::Returned(continuation.data()));
            }
            for (branch, slot) in row.slots.iter().enumerate().filter(|_| key.join) {
                let name = Name { node: model.last_of(key.name.node), branch: branch as u8, ..key.name };
                slot.iter().for_each(|slot| ended(name, *slot));
            }
        }
        let mut event = |to, data| ended(model.source(to), Ended::Returned(data));
        for one in &self.state.events {
            event(one.to, one.data);
        }
        for actor in &self.state.actors {
            if let Role::Copy(one) = actor.role {
                event(one.to, one.data);
            }
        }
        let mut next = |name, continuation: Continuation| ended(name, Ended::Returned(continuation.data()));
        for actor in &self.state.actors {
            let name = match actor.role {
                Role::Copy(event) => event.to,
                Role::Client | Role::Resume | Role::Sweep | Role::Stop | Role::Redrive => Name::top(0, START),
            };
            match actor.at {
                At::Computed(continuation) | At::Dispatching(Some(continuation)) => next(name, continuation),
                _ => {}
            }
        }
        for todo in self.state.actors.iter().flat_map(|actor| &actor.todo) {
            match *todo {
                Todo::Send { to, data, .. } => ended(model.source(to), Ended::Returned(data)),
                Todo::Arrive { from, ended: one, .. } | Todo::WriteBack { from, ended: one, .. } => {
                    ended(from, one);
                }
                Todo::Commit { join, continuation } => ended(join, Ended::Returned(continuation.data())),
                // A walk carries what is in a row.
                Todo::Walk { .. } | Todo::WalkBranches { .. } | Todo::Settle { .. } | Todo::Cancel { .. } => {
                }
                // So does whoever redrives.
                Todo::TakeOver | Todo::Link { .. } | Todo::GoOn { .. } => {}
            }
        }
    }
}
