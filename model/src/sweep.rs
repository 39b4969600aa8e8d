//! Re-drives or stops a run that has not ended: `jointlambda-runtime/src/sweep.rs`, `walk.rs`.

use crate::{
    data::{Body, Continuation, Ended, Key, Left, Name, Settled},
    model::Step,
    mutation::Mutation,
    shapes::{BRANCHES, START},
    state::{Actor, At, Place, Role, Todo},
};

impl Step<'_> {
    /// `Runtime::look_after`, up to the walk. Only an open run is in the run index.
    pub(crate) fn sweep(&mut self, overdue: bool) {
        let run = self.state.current();
        let row = self.state.row(Key::run(run)).expect("only an open run is swept");
        let Some(Body::Next(continuation)) = row.body else { return };
        let start = Name::top(run, START);
        if row.marked && !self.model.has(Mutation::SweepIgnoresTheMark) {
            let stop = self.stop(continuation);
            return self.state.actors.push(stop);
        }
        let todo = match overdue {
            true => Todo::fail(start),
            false => Todo::Walk { from: start, continuation },
        };
        let (at, since) = (At::Dispatching(None), self.state.now);
        self.state.actors.push(Actor { role: Role::Sweep, at, todo: vec![todo], since });
    }

    /// `Runtime::stop`: whoever stops a run from its root, and then ends it.
    pub(crate) fn stop(&self, first: Continuation) -> Actor {
        let run = self.state.current();
        let from = Name::top(run, START);
        let end = Todo::Arrive { from, at: Place::End { run }, ended: Ended::Cancelled };
        let mut todo = vec![end, Todo::Walk { from, continuation: first }];
        if self.model.has(Mutation::CancelEndsFirst) {
            todo.reverse();
        }
        Actor { role: Role::Stop, at: At::Dispatching(None), todo, since: self.state.now }
    }

    /// `Walk::through`: one part of the run is looked at, in one read.
    pub(crate) fn walk(&mut self, actor: &mut Actor, from: Name, continuation: Continuation) {
        match continuation {
            Continuation::Call { node, data } => self.walk_call(actor, Name { node, ..from }, data),
            Continuation::Return(data) => {
                let (at, ended) = (self.model.place(from), Ended::Returned(data));
                actor.todo.push(Todo::Arrive { from, at, ended });
            }
            Continuation::Fork { .. } | Continuation::Rest { .. } => {
                let Some((join, branches)) = continuation.branches() else { unreachable!("it is a fan-out") };
                let name = Name { node: join, ..from };
                let found = self.model.settled(self.state, name, None);
                let stops_late = actor.role.stops()
                    && self.model.first_of(join).is_some()
                    && !self.model.has(Mutation::CancelSkipsLateBranches);
                // The slot of a fan-in that ends its branch or run may say how a part of it ended.
                let ended_early =
                    matches!(found, Some((Settled::Ended(Ended::Failed | Ended::Cancelled), _)));
                let stops_in =
                    actor.role.stops() && ended_early && !self.model.has(Mutation::StopTrustsTheSlot);
                if let Some((settled, _)) = found {
                    self.go_on(actor, name, settled);
                    if !stops_late && !stops_in {
                        return;
                    }
                }
                if branches != [None; BRANCHES] {
                    let is_decided = found.is_some();
                    actor.todo.push(Todo::WalkBranches { join: name, branches, is_decided });
                } else if !self.model.has(Mutation::EmptyMapNotFired) {
                    self.fan_in(actor, name, [None; BRANCHES]);
                }
            }
        }
    }

    /// `Walk::call`: what has no row is invoked again, after the walk, or cancelled.
    fn walk_call(&mut self, actor: &mut Actor, name: Name, data: crate::data::Data) {
        match self.model.settled(self.state, name, None) {
            None if actor.role.stops() => actor.todo.push(Todo::Cancel { name }),
            None => actor.todo.insert(0, Todo::Send { to: name, data, first: 1, tried: 0 }),
            Some((settled, _)) => self.go_on(actor, name, settled),
        }
    }

    /// `Walk::cancel`, which is `Runtime::commit_end`: the outcome of an instance is that it was
    /// cancelled, unless it has one.
    pub(crate) fn cancel(&mut self, actor: &mut Actor, name: Name) {
        let (home, cancelled) = (self.model.home(name, None), Ended::Cancelled);
        if home.key == Key::run(name.run) {
            // The end of the run, which comes when everything else has been stopped.
            if self.model.has(Mutation::CancelEndsWithTheLastCall) {
                self.fill(name, self.model.place(name), cancelled, None);
            }
            return;
        }
        if home.slot.is_some() {
            // The arrival is the commit.
            return self.go_on(actor, name, Settled::Ended(cancelled));
        }
        if self.model.has(Mutation::CancelOverwrites) {
            let expires_at = self.expires_at();
            self.state.row_mut(home.key, expires_at).body = None;
        }
        self.create(home.key, name, Body::Ended(cancelled), None);
        if let Some((settled, _)) = self.model.settled(self.state, name, None) {
            self.go_on(actor, name, settled);
        }
    }

    /// `Walk::fork`, its second read: which branches have arrived. One of a full row arrives
    /// again, in case nobody went on from there.
    pub(crate) fn walk_branches(
        &mut self,
        actor: &mut Actor,
        join: Name,
        branches: [Option<Left>; BRANCHES],
        is_decided: bool,
    ) {
        let row = self.state.row(self.model.join_key(join.run, join.node));
        let slots = row.map(|row| row.slots).unwrap_or_default();
        let full = !is_decided && self.model.is_due(join.node, &slots);
        // What is due waits for no branch.
        let waits = !full || self.model.first_of(join.node).is_none() || actor.role.stops();
        let again = slots.iter().position(Option::is_some).filter(|_| full);
        for (branch, left) in (0..).zip(branches) {
            let (Some(left), slot) = (left, slots[usize::from(branch)]) else { continue };
            match (slot, left) {
                (None, _) if !waits => {}
                (None, Left::Call { node, data }) => {
                    let continuation = Continuation::Call { node, data };
                    let from = Name { node: START, branch, ..join };
                    actor.todo.push(Todo::Walk { from, continuation });
                }
                (None, Left::Return(_)) if is_decided => {}
                (None, Left::Return(data)) => actor.todo.push(self.arrival(join, branch, data)),
                (Some(ended), _) if again == Some(usize::from(branch)) => {
                    let from = Name { node: self.model.last_of(join.node), branch, ..join };
                    let at = Place::Slot { run: join.run, join: join.node, branch };
                    actor.todo.push(Todo::Arrive { from, at, ended });
                }
                (Some(_), _) => {}
            }
        }
    }
}
