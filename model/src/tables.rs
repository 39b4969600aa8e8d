//! Tables that are down: each operation on them fails until they are back.

use crate::{
    data::{Continuation, Key, Name},
    fate::{Cause, Fate},
    model::{Action, CLOUDS, Protocol, Step},
    mutation::Mutation,
    platform::Act,
    shapes::Cloud,
    state::{Actor, At, Place, Role, State, Todo},
};

impl Protocol {
    /// The table that a step of a dispatch or walk reads or writes.
    fn table_of(&self, todo: &Todo) -> Option<Cloud> {
        let run_row = Key::run(0).cloud;
        Some(match *todo {
            Todo::Arrive { at, .. } | Todo::WriteBack { at, .. } => match at {
                Place::End { .. } => run_row,
                Place::Slot { run, join, .. } => self.join_key(run, join).cloud,
            },
            Todo::Commit { join, .. } | Todo::Settle { join, .. } => self.home(join, None).key.cloud,
            Todo::Cancel { name } => self.home(name, None).key.cloud,
            Todo::Walk { from, continuation } => match (continuation, continuation.branches()) {
                (Continuation::Call { node, .. }, _) | (_, Some((node, _))) => {
                    self.home(Name { node, ..from }, None).key.cloud
                }
                (_, None) => return None,
            },
            Todo::WalkBranches { join, .. } => self.join_key(join.run, join.node).cloud,
            Todo::Link { .. } | Todo::GoOn { .. } => run_row,
            // What is left of a failed run is read from every table, see `needs_down`.
            Todo::Send { .. } | Todo::TakeOver => return None,
        })
    }

    /// A table goes down, or comes back.
    pub(crate) fn tables(&self, state: &State, actions: &mut Vec<Action>) {
        for cloud in 0..CLOUDS {
            if state.is_table_down(cloud) {
                actions.push(Action::TableUp(cloud));
            } else if state.left.tables > 0 {
                actions.push(Action::TableDown(cloud));
            }
        }
    }

    /// Whether the table that a step of an actor needs is down.
    fn needs_down(&self, state: &State, actor: &Actor, act: Act) -> bool {
        let table = match (act, actor.role) {
            (Act::CreateRun | Act::Mark, _) => Some(Key::run(0).cloud),
            (Act::Commit | Act::Fail | Act::ReadBack, Role::Copy(event)) => {
                Some(self.home(event.to, Some(event.cloud)).key.cloud)
            }
            (Act::Do { index, .. }, _) if actor.todo[index] == Todo::TakeOver => {
                return state.tables_down != 0;
            }
            (Act::Do { index, .. }, _) => self.table_of(&actor.todo[index]),
            _ => None,
        };
        table.is_some_and(|table| state.is_table_down(table))
    }
}

impl Step<'_> {
    /// Whether a step fails, since a table is down.
    pub(crate) fn is_cut_off(&self, actor: &Actor, act: Act) -> bool {
        self.state.tables_down != 0 && self.model.needs_down(self.state, actor, act)
    }

    /// A sweep goes on with the rest of its walk, and so does a client that goes on with its run. Others
    /// answer with an error or give up; whoever stops a run must not end it with a part of it open.
    pub(crate) fn cut_off(&mut self, actor: &mut Actor, act: Act) -> Fate {
        let skips = match actor.role {
            Role::Sweep | Role::Resume => true,
            Role::Stop => self.model.has(Mutation::StopSkipsWhatIsDown),
            Role::Copy(_) | Role::Client | Role::Redrive => false,
        };
        match act {
            Act::Do { index, .. } if skips => {
                actor.todo.remove(index);
                actor.at = At::Dispatching(None);
                Fate::Alive
            }
            _ => Fate::Error(Cause::World),
        }
    }
}
