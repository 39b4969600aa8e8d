//! Going on with a failed run: `Client::redrive` of `jointlambda-runtime/src/client.rs`; `survey.rs`:
//! `left_of`. What is left is read in one step, since nothing in a run that is closed changes any more.

use crate::{
    data::{Body, Continuation, Data, Ended, Key, Left, Name, Settled},
    model::{Protocol, Step},
    mutation::Mutation,
    shapes::{BRANCHES, Kind, Next, START},
    state::{Actor, At, Role, State, Todo},
    watch::Flaw,
};

impl Protocol {
    /// Whether the run has failed, or whoever redrove it may have died since.
    pub(crate) fn can_be_redriven(&self, state: &State) -> bool {
        state.redriven && state.is_open() || !state.redriven && state.ended(0) == Some(Ended::Failed)
    }

    /// `Survey::through`: what is left of a part of the failed run, with what was committed taken out.
    fn left_of(&self, state: &State, from: Name, continuation: Continuation) -> Continuation {
        if self.has(Mutation::RedriveFromTheStart) {
            return continuation;
        }
        let settled = |name| self.settled(state, name, None).map(|(settled, _)| settled);
        let (join, branches) = match (continuation, continuation.branches()) {
            (Continuation::Call { node, .. }, _) => {
                let name = Name { node, ..from };
                return match settled(name) {
                    Some(Settled::Next(next)) => self.left_of(state, name, next),
                    Some(Settled::Ended(Ended::Returned(data))) => Continuation::Return(data),
                    _ => continuation,
                };
            }
            (_, Some(fan_out)) => fan_out,
            (_, None) => return continuation,
        };
        let name = Name { node: join, ..from };
        if let Some(Settled::Next(next)) = settled(name) {
            return self.left_of(state, name, next);
        }
        let slots = state.row(self.join_key(name.run, join)).map_or([None; BRANCHES], |row| row.slots);
        let value = |branch: usize| match slots[branch] {
            Some(Ended::Returned(data)) => Some(data),
            _ => None,
        };
        let all = branches.iter().enumerate().all(|(branch, left)| left.is_none() || value(branch).is_some());
        if all && self.is_bare(join) {
            let next = self.glue(join, 0, Data::joined(std::array::from_fn(value), 0));
            return self.left_of(state, name, next);
        }
        let left = |branch: usize| {
            let left = branches[branch]?;
            Some(match (value(branch), left) {
                (Some(data), _) => Left::Return(data),
                (None, Left::Return(data)) => Left::Return(data),
                (None, Left::Call { node, data }) => {
                    let from = Name { node: START, branch: branch as u8, ..name };
                    match self.left_of(state, from, Continuation::Call { node, data }) {
                        Continuation::Call { node, data } => Left::Call { node, data },
                        ended => Left::Return(ended.data()),
                    }
                }
            })
        };
        Continuation::Rest { join, data: continuation.data(), branches: std::array::from_fn(left) }
    }

    /// Whether nothing is decided between a fan-in and what follows it.
    fn is_bare(&self, join: u8) -> bool {
        let node = self.shape.node(join);
        matches!(node.kind, Kind::Join { pure: true, .. })
            && !node.tail
            && !matches!(node.next[0], Next::Fork { .. })
    }
}

impl Step<'_> {
    /// A client calls `redrive`: whatever is still open is cancelled first, so that it does not count
    /// here too. A run that was redriven goes on from where it is.
    pub(crate) fn redrive(&mut self) {
        let run = self.state.current();
        let row = self.state.row(Key::run(run)).expect("only a run that is there is redriven");
        let Some(Body::Next(first)) = row.body else { return };
        let walk = Todo::Walk { from: Name::top(run, START), continuation: first };
        let (role, todo) = match self.state.redriven {
            true => (Role::Resume, vec![walk]),
            false if self.model.has(Mutation::RedriveWithoutClosing) => (Role::Redrive, vec![Todo::TakeOver]),
            false => (Role::Redrive, vec![Todo::TakeOver, walk]),
        };
        self.state.actors.push(Actor { role, at: At::Dispatching(None), todo, since: self.state.now });
    }

    pub(crate) fn take_over(&mut self, actor: &mut Actor) {
        let row = self.state.row(Key::run(0));
        let Some(Body::Next(first)) = row.and_then(|row| row.body) else { return };
        let left = self.model.left_of(self.state, Name::top(0, START), first);
        self.state.taken_over = true;
        actor.todo.push(match self.model.has(Mutation::RedriveWithoutLink) {
            true => Todo::GoOn { left },
            false => Todo::Link { left },
        });
    }

    /// The link comes first: no run goes on that its key does not lead to.
    pub(crate) fn link(&mut self, actor: &mut Actor, left: Continuation) {
        let expires_at = self.expires_at();
        self.state.row_mut(Key::run(0), expires_at).linked = true;
        actor.todo.push(Todo::GoOn { left });
    }

    /// `Client::create`, of the run that goes on; or it is there, and goes on from where it is.
    pub(crate) fn go_on_in_place(&mut self, actor: &mut Actor, left: Continuation) {
        let start = Name::top(1, START);
        if !self.state.row(Key::run(0)).is_some_and(|row| row.linked) {
            self.flaw(Flaw::TwoStarts);
        }
        match self.create(Key::run(1), start, Body::Next(left), None) {
            None => {
                self.state.redriven = true;
                self.carry_over();
                actor.role = Role::Client;
                self.go_on(actor, start, Settled::Next(left));
            }
            Some(_) if self.state.is_over(1) => {}
            Some((first, _)) => {
                actor.role = Role::Resume;
                self.go_on(actor, start, first);
            }
        }
    }
}
