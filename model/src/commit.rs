//! Where the outcome of an instance is decided: `jointlambda-runtime/src/commit.rs`.

use crate::{
    data::{Body, Ended, Key, Name, Settled},
    model::{Protocol, Step},
    mutation::Mutation,
    shapes::{Cloud, START},
    state::{Place, State},
};

/// The one row, or the slot of one, that holds an instance's outcome.
pub(crate) struct Home {
    pub(crate) key: Key,
    pub(crate) slot: Option<u8>,
}

impl Protocol {
    /// `Runtime::home_row`: by name alone. Only a mutation asks where the copy runs.
    pub(crate) fn home(&self, name: Name, runs_on: Option<Cloud>) -> Home {
        let node = self.shape.node(name.node);
        if !node.tail {
            let cloud = match runs_on {
                Some(cloud) if self.has(Mutation::CommitWhereItRuns) => cloud,
                _ => node.home,
            };
            return Home { key: Key { cloud, name, join: false }, slot: None };
        }
        match self.place(name) {
            Place::End { run } => Home { key: Key::run(run), slot: Some(0) },
            Place::Slot { run, join, branch } => Home { key: self.join_key(run, join), slot: Some(branch) },
        }
    }

    /// `Runtime::settled`.
    pub(crate) fn settled(&self, state: &State, name: Name, runs_on: Option<Cloud>) -> Option<Settled> {
        let home = self.home(name, runs_on);
        let row = state.row(home.key)?;
        match home.slot {
            Some(slot) => row.slots[usize::from(slot)].map(Settled::Ended),
            None => row.body.map(Settled::from),
        }
    }

    /// Whose outcome an instance is called with.
    pub(crate) fn source(&self, name: Name) -> Name {
        let node = self.shape.node(name.node);
        let source = self.shape.node(node.source);
        let branch = if source.within == node.within { name.branch } else { 0 };
        let run = if node.source == START { 0 } else { name.run };
        Name { run, node: node.source, branch }
    }
}

impl Step<'_> {
    /// `Table::create`: gives the body that was there. In one step.
    pub(crate) fn create(&mut self, key: Key, name: Name, body: Body) -> Option<Body> {
        let expires_at = self.expires_at();
        let there = &mut self.state.row_mut(key, expires_at).body;
        if there.is_some() {
            return *there;
        }
        *there = Some(body);
        let outcome = match body {
            Body::Next(continuation) => Ended::Returned(continuation.data()),
            Body::Failed => Ended::Failed,
        };
        self.decided(name, outcome);
        None
    }

    /// When a row that is written now may go.
    pub(crate) fn expires_at(&self) -> u8 {
        self.model.clock.map_or(0, |clock| self.state.now + clock.retention)
    }
}
