//! Where branches meet: `jointlambda-runtime/src/join.rs`, without the tree of large fan-ins.

use crate::{
    data::{Data, Ended, Key, Name, Settled, Stamp},
    model::{Protocol, Step},
    mutation::Mutation,
    shapes::{BRANCHES, END, Kind, Next, NodeIndex},
    state::{Actor, At, Place, Todo},
    watch::Flaw,
};

/// The slots of a join row whose branches have all arrived.
pub(crate) type Full = [Option<Ended>; BRANCHES];

fn filled(slots: &Full) -> u8 {
    slots.iter().flatten().count() as u8
}

/// How many of the branches have returned.
fn returned(slots: &Full) -> u8 {
    slots.iter().flatten().filter(|ended| matches!(ended, Ended::Returned(_))).count() as u8
}

/// What an arrival says.
pub(crate) struct Arrival {
    /// The slots, when the fan-in waits for no other, and did until this arrival if that is fresh.
    full: Option<Full>,
    /// Whether this arrival filled its slot.
    fresh: bool,
    /// Whose did.
    by: Stamp,
}

impl Protocol {
    /// Where the branch of an instance ends.
    pub(crate) fn place(&self, name: Name) -> Place {
        match self.shape.node(name.node).within {
            None => Place::End { run: name.run },
            Some(join) => Place::Slot { run: name.run, join, branch: name.branch },
        }
    }

    pub(crate) fn join_key(&self, run: u8, join: NodeIndex) -> Key {
        Key { cloud: self.shape.node(join).home, name: Name::top(run, join), join: true }
    }

    /// How many branches a fan-in has.
    pub(crate) fn width(&self, join: NodeIndex) -> u8 {
        let all = self.shape.nodes.iter().flat_map(|node| node.next);
        all.filter_map(|next| match *next {
            Next::Fork { join: other, of, .. } if other == join => Some(of),
            _ => None,
        })
        .max()
        .unwrap_or(0)
    }

    /// How many branches that return a fan-in waits for, when not for all.
    pub(crate) fn first_of(&self, join: NodeIndex) -> Option<u8> {
        match self.shape.node(join).kind {
            Kind::Join { first, .. } => first,
            Kind::Start | Kind::Call => None,
        }
    }

    /// Whether an instance is in a branch that may fail alone.
    pub(crate) fn may_be_late(&self, name: Name) -> bool {
        self.shape.node(name.node).within.is_some_and(|join| self.first_of(join).is_some())
    }

    /// Whether a fan-in waits for no other branch than these.
    pub(crate) fn is_due(&self, join: NodeIndex, slots: &Full) -> bool {
        let (of, filled, ok) = (self.width(join), filled(slots), returned(slots));
        filled >= of || self.first_of(join).is_some_and(|first| ok >= first || of - (filled - ok) < first)
    }

    /// The branches of a fan-in that is due that count.
    fn that_count(&self, join: NodeIndex, slots: &Full) -> Vec<usize> {
        let all = 0..usize::from(self.width(join));
        let Some(first) = self.first_of(join) else { return all.collect() };
        let returned: Vec<_> =
            all.clone().filter(|&branch| matches!(slots[branch], Some(Ended::Returned(_)))).collect();
        if returned.len() >= usize::from(first) {
            return returned[..usize::from(first)].to_vec();
        }
        let cancelled = all.clone().find(|&branch| slots[branch] == Some(Ended::Cancelled));
        cancelled
            .or_else(|| all.clone().find(|&branch| slots[branch] == Some(Ended::Failed)))
            .into_iter()
            .collect()
    }

    /// The node that ends the branches of a fan-in.
    pub(crate) fn last_of(&self, join: NodeIndex) -> NodeIndex {
        let last = self.shape.nodes.iter().position(|node| node.tail && node.within == Some(join));
        last.map_or(join, |index| index as NodeIndex)
    }
}

impl Step<'_> {
    /// `Runtime::arrive` and what follows from it.
    pub(crate) fn arrive(&mut self, actor: &mut Actor, from: Name, at: Place, ended: Ended) {
        if let (true, Place::Slot { run, join, .. }) = (self.model.has(Mutation::SetThenRead), at) {
            let slots = self.state.row(self.model.join_key(run, join)).map(|row| row.slots);
            actor.todo.push(Todo::WriteBack { from, at, ended, slots: slots.unwrap_or_default() });
            return;
        }
        let Arrival { full, fresh, by } = self.fill(from, at, ended, actor.role.stamp());
        let (Some(full), Place::Slot { run, join, .. }) = (full, at) else { return };
        // Whoever filled the slot goes on, or its event's next delivery does.
        let ours = fresh || actor.role.follows_all();
        if ours || self.model.is_ours(actor, by) && !self.state.is_over(run) {
            self.fan_in(actor, Name::top(run, join), full);
        }
    }

    /// `Table::arrive`: fills a slot unless it is filled, in one step, and says when all are.
    pub(crate) fn fill(&mut self, from: Name, at: Place, ended: Ended, by: Stamp) -> Arrival {
        let expires_at = self.expires_at();
        let (run, join, branch) = match at {
            Place::End { run } => {
                self.end(run, ended);
                return Arrival { full: None, fresh: false, by: None };
            }
            Place::Slot { run, join, branch } => (run, join, usize::from(branch)),
        };
        let of = self.model.width(join);
        let row = self.state.row_mut(self.model.join_key(run, join), expires_at);
        let fresh = row.slots[branch].is_none();
        if fresh {
            row.slots[branch] = Some(ended);
            row.slots_by[branch] = by;
        }
        let by = row.slots_by[branch];
        let mut filled = row.slots.iter().flatten().count() as u8;
        if self.model.has(Mutation::CounterForSlots) {
            row.count += 1;
            filled = row.count;
        }
        let slots = row.slots;
        if fresh && self.model.shape.node(from.node).tail {
            self.decided(from, ended);
        }
        let goes_on = match self.model.first_of(join) {
            None => filled >= of,
            // A late one: it is due since another arrival, and whoever made that goes on.
            Some(first) => {
                let (all, ok) = (self::filled(&slots), returned(&slots));
                let made = match ended {
                    Ended::Returned(_) => ok == first,
                    _ => all - ok + first == of + 1,
                };
                self.model.is_due(join, &slots) && (made || !fresh)
            }
        };
        Arrival { full: goes_on.then_some(slots), fresh, by }
    }

    /// The second half of an arrival that is not atomic: what was read comes back with one more.
    pub(crate) fn write_back(
        &mut self,
        actor: &mut Actor,
        from: Name,
        at: Place,
        ended: Ended,
        mut slots: Full,
    ) {
        let Place::Slot { run, join, branch } = at else { return };
        let expires_at = self.expires_at();
        if slots[usize::from(branch)].is_none() {
            slots[usize::from(branch)] = Some(ended);
            self.decided(from, ended);
        }
        let row = self.state.row_mut(self.model.join_key(run, join), expires_at);
        (row.slots, row.slots_by[usize::from(branch)]) = (slots, actor.role.stamp());
        if slots.iter().flatten().count() as u8 == self.model.width(join) {
            self.fan_in(actor, Name::top(run, join), slots);
        }
    }

    /// Whether the glue after a node fans out.
    fn forks(&self, node: NodeIndex) -> bool {
        matches!(self.model.shape.node(node).next[0], Next::Fork { .. })
    }

    /// `Runtime::end`: the first end counts.
    fn end(&mut self, run: u8, ended: Ended) {
        let expires_at = self.expires_at();
        let row = self.state.row_mut(Key::run(run), expires_at);
        if row.slots[0].is_some() {
            return;
        }
        row.slots[0] = Some(ended);
        self.decided(Name::top(run, END), ended);
        if self.model.has(Mutation::RowsDeletedAtTheEnd) {
            self.state.rows.retain(|(key, _)| *key == Key::run(run));
        }
    }

    /// `Runtime::fan_in`: the glue after a join, and the commit where it needs one. Whoever cancels
    /// the run sees to it that nothing follows (`Walk::fire`).
    pub(crate) fn fan_in(&mut self, actor: &mut Actor, join: Name, full: Full) {
        let first = self.model.first_of(join.node);
        let mut values = [None; BRANCHES];
        let mut without_value = None;
        if !self.model.is_due(join.node, &full) {
            self.flaw(Flaw::JoinedEarly);
        }
        for branch in self.model.that_count(join.node, &full) {
            let name = Name { node: self.model.last_of(join.node), branch: branch as u8, ..join };
            match full[branch] {
                None => self.flaw(Flaw::JoinedEarly),
                Some(ended) => {
                    self.consumed(name, ended);
                    match ended {
                        Ended::Returned(data) => values[branch] = Some(data),
                        Ended::Failed | Ended::Cancelled => without_value = without_value.or(Some(ended)),
                    }
                }
            }
        }
        actor.at = At::Dispatching(None);
        if actor.role.stops() && first.is_some() {
            return actor.todo.push(Todo::Cancel { name: join });
        }
        match (without_value, first) {
            // Another copy may have seen one branch more, that has a value.
            (Some(ended), Some(_)) => return actor.todo.push(Todo::Settle { join, ended }),
            (Some(ended), None) => return self.go_on(actor, join, Settled::Ended(ended)),
            (None, _) => {}
        }
        let node = self.model.shape.node(join.node);
        let pure = matches!(node.kind, Kind::Join { pure: true, .. });
        // Nothing is decided between a pure fan-in and the call that follows it.
        if actor.role.stops() && (!pure || node.tail || self.forks(join.node)) {
            if !self.model.has(Mutation::CancelSkipsFanIns) {
                actor.todo.push(Todo::Cancel { name: join });
            }
            return;
        }
        let glue = if pure { 0 } else { self.draw(join) };
        let data = Data::joined(values, glue);
        let continuation = self.model.glue(join.node, 0, data);
        if node.tail {
            self.go_on(actor, join, Settled::Ended(Ended::Returned(data)));
        } else if pure && !self.forks(join.node) || self.model.has(Mutation::ImpureTakenForPure) {
            self.derived(join, data);
            self.go_on(actor, join, Settled::Next(continuation));
        } else {
            actor.todo.push(Todo::Commit { join, continuation });
        }
    }
}
