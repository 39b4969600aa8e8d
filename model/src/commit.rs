//! Where the outcome of an instance is decided: `jointlambda-runtime/src/commit.rs`.

use crate::{
    data::{Body, Ended, Key, Name, Settled, Stamp},
    model::{Protocol, Step},
    mutation::Mutation,
    shapes::{Cloud, START},
    state::{Actor, Place, State},
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

    /// `Runtime::settled`, with who decided it.
    pub(crate) fn settled(
        &self,
        state: &State,
        name: Name,
        runs_on: Option<Cloud>,
    ) -> Option<(Settled, Stamp)> {
        let home = self.home(name, runs_on);
        let row = state.row(home.key)?;
        match home.slot {
            Some(slot) => {
                let slot = usize::from(slot);
                row.slots[slot].map(|ended| (Settled::Ended(ended), row.slots_by[slot]))
            }
            None => row.body.map(|body| (Settled::from(body), row.body_by)),
        }
    }

    /// `Runtime::goes_on`: whether an actor goes on from what it found decided.
    pub(crate) fn goes_on(&self, state: &State, actor: &Actor, run: u8, found: (Settled, Stamp)) -> bool {
        let (settled, by) = found;
        match settled {
            // It fails its run, wherever it is found.
            Settled::Ended(Ended::Failed) => true,
            Settled::Ended(Ended::Cancelled) => false,
            _ => actor.role.follows_all() || self.is_ours(actor, by) && !state.is_over(run),
        }
    }

    /// Whether what `by` decided is for this copy to go on with.
    pub(crate) fn is_ours(&self, actor: &Actor, by: Stamp) -> bool {
        match self.mutation {
            Some(Mutation::TrustTheDuplicate) => false,
            Some(Mutation::LoserGoesOn) => true,
            _ => by.is_some() && by == actor.role.stamp(),
        }
    }

    /// Whether `goes_on` will say the same for ever.
    pub(crate) fn is_settled_for_good(
        &self,
        state: &State,
        actor: &Actor,
        run: u8,
        found: (Settled, Stamp),
    ) -> bool {
        actor.role.follows_all() || state.is_over(run) || !self.goes_on(state, actor, run, found)
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
    /// `Table::create`: gives what was there. In one step.
    pub(crate) fn create(&mut self, key: Key, name: Name, body: Body, by: Stamp) -> Option<(Settled, Stamp)> {
        let expires_at = self.expires_at();
        let row = self.state.row_mut(key, expires_at);
        if let Some(there) = row.body {
            return Some((there.into(), row.body_by));
        }
        (row.body, row.body_by) = (Some(body), by);
        let outcome = match body {
            Body::Next(continuation) => Ended::Returned(continuation.data()),
            Body::Ended(ended) => ended,
        };
        self.decided(name, outcome);
        None
    }

    /// When a row that is written now may go.
    pub(crate) fn expires_at(&self) -> u8 {
        let Some(clock) = self.model.clock else { return 0 };
        let last = match self.model.has(Mutation::RowsExpireBeforeTheDeadline) {
            true => 0,
            false => clock.deadline + clock.grace,
        };
        last.max(self.state.now + clock.retention)
    }
}
