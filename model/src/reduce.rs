//! Steps that are made at once, because their order cannot matter.
//!
//! Such a step reads what will never change (a row that is there, a slot that is filled) and
//! writes nothing, or it only adds an event, which may wait for its delivery as long as it likes.
//! Whatever could happen before it can happen after it, with the same result; a crash too, since
//! nothing but the step itself is lost. `tests/holds.rs` compares checks with and without this.

use crate::{
    model::{Action, Protocol},
    platform::{Act, Answer},
    state::{Actor, At, Place, Role, State, Todo},
};

impl Protocol {
    /// The step to be made now, if there is one whose order cannot matter.
    pub(crate) fn at_once(&self, state: &State) -> Option<Action> {
        // Rows that go, tables that go down, and mutations, would break what was said above.
        if !self.reduced || self.clock.is_some() || self.bounds.tables > 0 || self.mutation.is_some() {
            return None;
        }
        let mut all = state.actors.iter().enumerate();
        all.find_map(|(index, actor)| Some(Action::Act(index, self.act_at_once(state, actor)?)))
    }

    fn act_at_once(&self, state: &State, actor: &Actor) -> Option<Act> {
        let is_calm = state.left.crashes == 0;
        match (actor.at, actor.role) {
            (At::Computed(_), Role::Copy(event)) => {
                let found = self.settled(state, event.to, None)?;
                self.is_settled_for_good(state, actor, event.to.run, found).then_some(Act::Commit)
            }
            (At::Dispatching(_), Role::Copy(_)) if actor.todo.is_empty() => is_calm.then_some(Act::Reply),
            (At::Dispatching(_), role) => {
                let first = if role.walks() { actor.todo.len() - 1 } else { 0 };
                let mut todo = actor.todo.iter().enumerate().skip(first);
                let index = todo.position(|(_, todo)| self.is_local(state, actor, todo))? + first;
                Some(Act::Do { index, answer: Answer::Accepted })
            }
            _ => None,
        }
    }

    fn is_local(&self, state: &State, actor: &Actor, todo: &Todo) -> bool {
        match *todo {
            Todo::Arrive { at: Place::End { run }, .. } => state.ended(run).is_some(),
            Todo::Arrive { at: Place::Slot { run, join, branch }, .. } => {
                let Some(row) = state.row(self.join_key(run, join)) else { return false };
                let full = row.slots.iter().flatten().count() == usize::from(self.width(join));
                let ours = self.is_ours(actor, row.slots_by[usize::from(branch)]);
                full && (actor.role.follows_all() || !ours || state.is_over(run))
            }
            Todo::Commit { join, .. } => {
                let found = self.settled(state, join, None);
                found.is_some_and(|found| self.is_settled_for_good(state, actor, join.run, found))
            }
            Todo::Send { .. } => {
                let left = state.left;
                state.down == 0 && left.crashes + left.refusals + left.unknowns + left.outages == 0
            }
            _ => false,
        }
    }
}
