//! Starts what was decided: `jointlambda-runtime/src/dispatch.rs`, without relays. The rounds in
//! which all placements are tried are one round.

use crate::{
    data::{Body, Continuation, Data, Ended, Left, Name, Settled, Stamp},
    fate::{Cause, Fate},
    model::{Protocol, Step},
    mutation::Mutation,
    platform::{Act, Answer},
    shapes::{BRANCHES, Cloud, NodeIndex},
    state::{Actor, At, Event, Place, Todo},
};

impl Todo {
    /// The failure of an instance is the run's.
    pub(crate) fn fail(from: Name) -> Self {
        Todo::Arrive { from, at: Place::End { run: from.run }, ended: Ended::Failed }
    }
}

impl Protocol {
    /// The placement that is tried after `tried` others, beginning with the one at `first`.
    pub(crate) fn placement(&self, node: NodeIndex, first: u8, tried: u8) -> Cloud {
        let placements = self.shape.node(node).placements;
        placements[usize::from(first + tried) % placements.len()]
    }
}

impl Step<'_> {
    /// `Runtime::go_on` and `Walk::go_on`: what is to be done about what was decided for `name`. A
    /// walk looks first whether it is done already.
    pub(crate) fn go_on(&mut self, actor: &mut Actor, name: Name, settled: Settled) {
        actor.at = At::Dispatching(None);
        match settled {
            Settled::Next(continuation) if actor.role.walks() => {
                actor.todo.push(Todo::Walk { from: name, continuation });
            }
            Settled::Next(continuation) => self.spread(actor, name, continuation),
            // It fails its branch alone.
            Settled::Ended(ended @ Ended::Failed) if self.model.may_be_late(name) => {
                actor.todo.push(Todo::Arrive { from: name, at: self.model.place(name), ended });
            }
            Settled::Ended(Ended::Failed) if actor.role.stops() => {}
            Settled::Ended(Ended::Failed) => actor.todo.push(Todo::fail(name)),
            // A fan-in that this makes due is decided by every walk that sees it so.
            Settled::Ended(ended @ Ended::Cancelled)
                if actor.role.stops()
                    && self.model.shape.node(name.node).tail
                    && self.model.shape.node(name.node).within.is_some() =>
            {
                actor.todo.push(Todo::Arrive { from: name, at: self.model.place(name), ended });
            }
            // Whoever cancels the run ends it, when everything else has been stopped too.
            Settled::Ended(Ended::Cancelled) => {}
            Settled::Ended(ended) => {
                actor.todo.push(Todo::Arrive { from: name, at: self.model.place(name), ended });
            }
        }
    }

    /// `Runtime::spread`: takes a continuation apart into invocations and arrivals.
    fn spread(&mut self, actor: &mut Actor, name: Name, continuation: Continuation) {
        match continuation {
            Continuation::Call { node, data } => {
                actor.todo.push(Todo::Send { to: Name { node, ..name }, data, first: 0, tried: 0 });
            }
            Continuation::Return(data) => {
                let (at, ended) = (self.model.place(name), Ended::Returned(data));
                actor.todo.push(Todo::Arrive { from: name, at, ended });
            }
            Continuation::Fork { of: 0, .. } if self.model.has(Mutation::EmptyMapNotFired) => {}
            Continuation::Fork { .. } | Continuation::Rest { .. } => {
                let Some((join, branches)) = continuation.branches() else { unreachable!("it is a fan-out") };
                let join = Name { node: join, ..name };
                if branches == [None; BRANCHES] {
                    return self.fan_in(actor, join, [None; BRANCHES]);
                }
                for (branch, left) in (0..).zip(branches) {
                    match left {
                        None => {}
                        Some(Left::Call { node, data }) => {
                            let to = Name { node, branch, ..name };
                            actor.todo.push(Todo::Send { to, data, first: 0, tried: 0 });
                        }
                        Some(Left::Return(data)) => actor.todo.push(self.arrival(join, branch, data)),
                    }
                }
            }
        }
    }

    /// The arrival of a branch of which nothing is left but its value.
    pub(crate) fn arrival(&self, join: Name, branch: u8, data: Data) -> Todo {
        let from = Name { node: self.model.last_of(join.node), branch, ..join };
        let at = Place::Slot { run: join.run, join: join.node, branch };
        Todo::Arrive { from, at, ended: Ended::Returned(data) }
    }

    /// Goes on from what was found decided, or leaves that to the event whose copy decided it.
    pub(crate) fn go_on_from(&mut self, actor: &mut Actor, name: Name, found: (Settled, Stamp)) {
        if self.model.goes_on(self.state, actor, name.run, found) {
            self.go_on(actor, name, found.0);
        } else {
            actor.at = At::Dispatching(None);
        }
    }

    /// One step of a dispatch or walk.
    pub(crate) fn perform(&mut self, actor: &mut Actor, act: Act) -> Fate {
        let Act::Do { index, answer } = act else { return Fate::Done };
        match actor.todo.remove(index) {
            Todo::Send { to, data, first, tried } => {
                return self.send(actor, Todo::Send { to, data, first, tried }, answer);
            }
            Todo::Arrive { from, at, ended } => self.arrive(actor, from, at, ended),
            Todo::WriteBack { from, at, ended, slots } => self.write_back(actor, from, at, ended, slots),
            Todo::Commit { join, continuation } => {
                let home = self.model.home(join, None);
                match self.create(home.key, join, Body::Next(continuation), actor.role.stamp()) {
                    None => self.go_on(actor, join, Settled::Next(continuation)),
                    Some(winner) => self.go_on_from(actor, join, winner),
                }
            }
            Todo::Settle { join, ended } => {
                let home = self.model.home(join, None);
                match self.create(home.key, join, Body::Ended(ended), actor.role.stamp()) {
                    None => self.go_on(actor, join, Settled::Ended(ended)),
                    Some(winner) => self.go_on_from(actor, join, winner),
                }
            }
            Todo::Cancel { name } => self.cancel(actor, name),
            Todo::Walk { from, continuation } => self.walk(actor, from, continuation),
            Todo::WalkBranches { join, branches, is_decided } => {
                self.walk_branches(actor, join, branches, is_decided);
            }
            Todo::TakeOver => self.take_over(actor),
            Todo::Link { left } => self.link(actor, left),
            Todo::GoOn { left } => self.go_on_in_place(actor, left),
        }
        self.sort(actor);
        Fate::Alive
    }

    /// `Runtime::send`: on the next placement when one does not answer, and an error after all.
    fn send(&mut self, actor: &mut Actor, todo: Todo, answer: Answer) -> Fate {
        let Todo::Send { to, data, first, tried } = todo else { return Fate::Done };
        self.dispatched(self.model.source(to));
        let cloud = self.model.placement(to.node, first, tried);
        if answer != Answer::Refused {
            let id = self.state.fresh_id(to);
            self.state.events.push(Event { to, data, cloud, attempts: 0, given_up: false, id });
        }
        match answer {
            Answer::Accepted => return Fate::Alive,
            Answer::Refused if self.state.is_down(cloud) => {}
            Answer::Refused => self.state.left.spend(|left| &mut left.refusals),
            Answer::Unknown => {
                self.state.left.spend(|left| &mut left.unknowns);
                self.cause();
            }
        }
        if usize::from(tried) + 1 == self.model.shape.node(to.node).placements.len() {
            return Fate::Error(Cause::World);
        }
        actor.todo.push(Todo::Send { to, data, first, tried: tried + 1 });
        self.sort(actor);
        Fate::Alive
    }

    /// What is done in any order is kept in one.
    fn sort(&self, actor: &mut Actor) {
        if !actor.role.walks() {
            actor.todo.sort_unstable();
        }
    }
}
