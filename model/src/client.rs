//! Starting a run: `jointlambda-runtime/src/client.rs`.

use crate::{
    data::{Body, Data, Key, Name, Settled},
    model::Step,
    mutation::Mutation,
    platform::{Act, Fate},
    shapes::START,
    state::{Actor, At, Role},
};

impl Actor {
    pub(crate) fn client() -> Self {
        Actor { role: Role::Client, at: At::Begun, todo: Vec::new() }
    }
}

impl Step<'_> {
    /// A client calls `start`, for the first time or again.
    pub(crate) fn start(&mut self) {
        if self.state.started {
            self.state.left.spend(|left| &mut left.restarts);
        }
        self.state.started = true;
        self.state.actors.push(Actor::client());
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
        let first = match self.create(Key::run(0), start, Body::Next(own)) {
            None => Settled::Next(own),
            Some(_) if self.state.ended(0).is_some() => return Fate::Done,
            Some(_) if self.model.has(Mutation::ClientTrustsItself) => Settled::Next(own),
            Some(winner) => winner.into(),
        };
        self.go_on(actor, start, first);
        Fate::Alive
    }
}
