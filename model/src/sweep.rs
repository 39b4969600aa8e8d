//! Re-drives a run that has not ended: `jointlambda-runtime/src/sweep.rs`.

use crate::{
    data::{Body, Continuation, Ended, Key, Name},
    model::Step,
    mutation::Mutation,
    shapes::{BRANCHES, START},
    state::{Actor, At, Place, Role, Todo},
};

impl Step<'_> {
    /// `Runtime::redrive`, up to the walk. Only an open run is in the run index.
    pub(crate) fn sweep(&mut self, overdue: bool) {
        let row = self.state.row(Key::run(0)).expect("only an open run is swept");
        let Some(Body::Next(continuation)) = row.body else { return };
        let start = Name::top(0, START);
        let todo = match overdue {
            true => Todo::fail(start),
            false => Todo::Walk { from: start, continuation },
        };
        self.state.actors.push(Actor { role: Role::Sweep, at: At::Dispatching(None), todo: vec![todo] });
    }

    /// `Walk::through`: one part of the run is looked at, in one read.
    pub(crate) fn walk(&mut self, actor: &mut Actor, from: Name, continuation: Continuation) {
        match continuation {
            Continuation::Call { node, data } => self.walk_call(actor, Name { node, ..from }, data),
            Continuation::Return(data) => {
                let (at, ended) = (self.model.place(from), Ended::Returned(data));
                actor.todo.push(Todo::Arrive { from, at, ended });
            }
            Continuation::Fork { join, of, first, data } => {
                let name = Name { node: join, ..from };
                if let Some(settled) = self.model.settled(self.state, name, None) {
                    return self.go_on(actor, name, settled);
                }
                if of > 0 {
                    actor.todo.push(Todo::WalkBranches { join: name, of, first, data });
                } else if !self.model.has(Mutation::EmptyMapNotFired) {
                    self.fan_in(actor, name, [None; BRANCHES]);
                }
            }
        }
    }

    /// `Walk::call`: what has no row is invoked again, after the walk.
    fn walk_call(&mut self, actor: &mut Actor, name: Name, data: crate::data::Data) {
        match self.model.settled(self.state, name, None) {
            None => actor.todo.insert(0, Todo::Send { to: name, data, first: 1, tried: 0 }),
            Some(settled) => self.go_on(actor, name, settled),
        }
    }

    /// `Walk::fork`, its second read: which branches have arrived. One of a full row arrives
    /// again, in case nobody went on from there.
    pub(crate) fn walk_branches(&mut self, actor: &mut Actor, todo: Todo) {
        let Todo::WalkBranches { join, of, first: node, data } = todo else { return };
        let row = self.state.row(self.model.join_key(join.run, join.node));
        let slots = row.map(|row| row.slots).unwrap_or_default();
        let full = slots.iter().flatten().count() == usize::from(of);
        for branch in 0..of {
            let from = Name { node, branch, ..join };
            match slots[usize::from(branch)] {
                None => {
                    let continuation = Continuation::Call { node, data };
                    let from = Name { node: START, ..from };
                    actor.todo.push(Todo::Walk { from, continuation });
                }
                Some(ended) if branch == 0 && full => {
                    let at = Place::Slot { run: join.run, join: join.node, branch };
                    actor.todo.push(Todo::Arrive { from, at, ended });
                }
                Some(_) => {}
            }
        }
    }
}
