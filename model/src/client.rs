//! Starting a run: `jointlambda-runtime/src/client.rs`.

use crate::{
    data::{Body, Data, Key, Name, Settled},
    fate::Fate,
    model::Step,
    mutation::Mutation,
    platform::Act,
    shapes::START,
    state::{Actor, At, Role},
};

impl Actor {
    pub(crate) fn client() -> Self {
        Actor { role: Role::Client, at: At::Begun, todo: Vec::new(), since: 0 }
    }
}

impl Step<'_> {
    /// A client calls `start`, for the first time or again.
    pub(crate) fn start(&mut self) {
        if self.state.started {
            self.state.left.spend(|left| &mut left.restarts);
            self.cause();
        }
        self.state.started = true;
        let since = self.state.now;
        self.state.actors.push(Actor { since, ..Actor::client() });
    }

    /// `Client::start`: the first glue, the run row, the first dispatch.
    pub(crate) fn client(&mut self, actor: &mut Actor, act: Act) -> Fate {
        if act != Act::CreateRun {
            return self.perform(actor, act);
        }
        let start = Name::top(0, START);
        let glue = self.draw(start);
        let own = self.model.glue(START, 0, Data::drawn(0, 0, glue));
        if self.model.has(Mutation::RunIdMintedInTheFunction) {
            self.derived(start, own.data());
            self.go_on(actor, start, Settled::Next(own));
            return Fate::Alive;
        }
        let first = match self.create(Key::run(0), start, Body::Next(own), None) {
            None => Settled::Next(own),
            Some(_) if self.state.is_over(0) => return Fate::Done,
            Some(_) if self.model.has(Mutation::ClientTrustsItself) => Settled::Next(own),
            Some((winner, _)) => {
                actor.role = Role::Resume;
                winner
            }
        };
        self.go_on(actor, start, first);
        Fate::Alive
    }

    /// `Client::cancel`, once it has seen that the run has not ended: marks the run, and then
    /// stops it.
    pub(crate) fn mark(&mut self, actor: &mut Actor) -> Fate {
        let expires_at = self.expires_at();
        let row = self.state.row_mut(Key::run(self.state.current()), expires_at);
        row.marked |= !self.model.has(Mutation::CancelWithoutMark);
        let Some(Body::Next(first)) = row.body else { return Fate::Done };
        *actor = Actor { since: actor.since, ..self.stop(first) };
        Fate::Alive
    }
}
