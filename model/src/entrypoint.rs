//! What a function does when an envelope arrives: `jointlambda-runtime/src/entrypoint.rs`.

use crate::{
    data::{Body, Continuation, Data, Ended, Name, Settled, Stamp},
    fate::{Cause, Fate},
    model::{Protocol, Step},
    mutation::Mutation,
    platform::Act,
    shapes::{Next, NodeIndex},
    state::{Actor, At, Event},
};

impl Protocol {
    /// What the glue after `node` makes of an outcome that chooses `arm`.
    pub(crate) fn glue(&self, node: NodeIndex, arm: u8, data: Data) -> Continuation {
        match self.shape.node(node).next[usize::from(arm)] {
            Next::Call(node) => Continuation::Call { node, data },
            Next::Fork { join, of, first } => Continuation::Fork { join, of, first, data },
            Next::Return => Continuation::Return(data),
        }
    }
}

impl Step<'_> {
    /// `Runtime::call` and `Runtime::fail`, step by step.
    pub(crate) fn copy(&mut self, actor: &mut Actor, event: Event, act: Act) -> Fate {
        let name = event.to;
        match (act, actor.at) {
            (Act::ReadFound, _) => {
                let found = self.model.settled(self.state, name, Some(event.cloud));
                let found = found.expect("it was there when the read was made");
                self.go_on_glued(actor, name, found);
            }
            (Act::Compute { arm }, _) => self.compute(actor, name, arm),
            (Act::Break, _) => return Fate::Error(Cause::Own),
            (Act::Commit, At::Computed(continuation)) => {
                let home = self.model.home(name, Some(event.cloud));
                match self.create(home.key, name, Body::Next(continuation), actor.role.stamp()) {
                    None => self.go_on(actor, name, Settled::Next(continuation)),
                    Some(winner) => self.go_on_glued(actor, name, winner),
                }
            }
            (Act::Commit, At::Dispatching(Some(late))) => {
                let home = self.model.home(name, Some(event.cloud));
                self.create(home.key, name, Body::Next(late), actor.role.stamp());
                actor.at = At::Dispatching(None);
            }
            (Act::Fail, _) => self.fail(actor, event),
            (Act::ReadBack, _) => {
                let found = self.model.settled(self.state, name, Some(event.cloud));
                let found = found.unwrap_or((Settled::Ended(Ended::Failed), actor.role.stamp()));
                self.go_on_from(actor, name, found);
            }
            _ => return self.perform(actor, act),
        }
        Fate::Alive
    }

    /// The user function and the glue. That both are one step hides nothing: what happens between
    /// them is seen by nobody.
    fn compute(&mut self, actor: &mut Actor, name: Name, arm: u8) {
        let number = self.draw(name);
        let continuation = self.model.glue(name.node, arm, Data::drawn(number, arm, number));
        if self.model.shape.node(name.node).tail {
            // The arrival is the commit.
            self.go_on(actor, name, Settled::Ended(Ended::Returned(continuation.data())));
        } else if self.model.has(Mutation::DispatchBeforeCommit) {
            self.go_on(actor, name, Settled::Next(continuation));
            actor.at = At::Dispatching(Some(continuation));
        } else {
            actor.at = At::Computed(continuation);
        }
    }

    fn go_on_glued(&mut self, actor: &mut Actor, name: Name, (settled, by): (Settled, Stamp)) {
        let settled = self.glued_late(name, settled);
        self.go_on_from(actor, name, (settled, by));
    }

    /// With glue after the commit, whoever did not commit runs the glue for itself.
    fn glued_late(&mut self, name: Name, settled: Settled) -> Settled {
        match settled {
            Settled::Next(continuation) if self.model.has(Mutation::GlueAfterCommit) => {
                let glue = self.draw(name);
                Settled::Next(continuation.with(continuation.data().glued(glue)))
            }
            settled => settled,
        }
    }

    /// The platform gave up: unless the instance has an outcome, failure is its outcome.
    fn fail(&mut self, actor: &mut Actor, event: Event) {
        let name = event.to;
        if self.model.shape.node(name.node).tail {
            // A fan-in that this completes is left to what is read next.
            let at = self.model.place(name);
            self.fill(name, at, Ended::Failed, actor.role.stamp());
            actor.at = At::FailureArrived;
            return;
        }
        let home = self.model.home(name, Some(event.cloud));
        if self.model.has(Mutation::FailureOverwrites) {
            let expires_at = self.expires_at();
            self.state.row_mut(home.key, expires_at).body = None;
        }
        let failed = Ended::Failed;
        match self.create(home.key, name, Body::Ended(failed), actor.role.stamp()) {
            None => self.go_on(actor, name, Settled::Ended(failed)),
            Some(winner) => self.go_on_from(actor, name, winner),
        }
    }

    /// A function makes up the id of its run.
    pub(crate) fn mint(&mut self, event: &mut Event) {
        self.state.minted += 1;
        event.to.run = self.state.minted;
        if self.state.minted > 1 {
            self.flaw(crate::watch::Flaw::TwoStarts);
        }
    }
}
