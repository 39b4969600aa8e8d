//! The platforms: which actions there are in a state, deliveries, and what goes wrong.

use crate::{
    bounds::Outage,
    data::{Ended, Key, Name},
    fate::{Cause, Fate},
    model::{Action, CLOUDS, Protocol, Step},
    mutation::Mutation,
    shapes::START,
    state::{Actor, At, Event, Role, State, Todo},
};

/// A step of somebody who runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// The client runs the first glue and creates the run row.
    CreateRun,
    /// The client marks the run as one to be cancelled.
    Mark,
    /// The read of the home row answers, and the user function is dropped.
    ReadFound,
    /// The user function returns and the glue runs; the outcome chooses an arm.
    Compute {
        /// Which arm.
        arm: u8,
    },
    /// The user function fails, as it does until its run is redriven.
    Break,
    /// The row is created, unless it is there.
    Commit,
    /// The handler of an event that was given up decides that the instance has failed.
    Fail,
    /// It reads what is in the slot now.
    ReadBack,
    /// One step of a dispatch or walk.
    Do {
        /// Which.
        index: usize,
        /// What becomes of an invocation.
        answer: Answer,
    },
    /// The platform is told that the event is done.
    Reply,
}

/// What becomes of an invocation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// It is accepted. (Also: the step is no invocation.)
    Accepted,
    /// It is refused, or lost without an answer.
    Refused,
    /// It is accepted, and the answer is lost.
    Unknown,
}

impl Protocol {
    pub(crate) fn events(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, &event) in state.events.iter().enumerate() {
            if index > 0 && state.events[index - 1] == event {
                continue;
            }
            if self.may_discard(state) {
                actions.push(Action::Discard(event));
            }
            if !state.is_down(event.cloud) && self.may_read(state) {
                actions.push(Action::Deliver { event, again: false });
                if state.left.duplicates > 0 {
                    actions.push(Action::Deliver { event, again: true });
                }
            }
            if state.left.drops > 0 {
                actions.push(Action::Drop(event));
            }
        }
    }

    /// Whether the clock that a function reads may show a time before the deadline.
    fn may_read(&self, state: &State) -> bool {
        self.has(Mutation::DeadlineNotChecked)
            || self.clock.is_none_or(|clock| state.now < clock.deadline + clock.skew)
    }

    /// Whether it may show a later one.
    fn may_discard(&self, state: &State) -> bool {
        !self.has(Mutation::DeadlineNotChecked)
            && self.clock.is_some_and(|clock| state.now + clock.skew >= clock.deadline)
    }

    pub(crate) fn acts(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, actor) in state.actors.iter().enumerate() {
            if index > 0 && state.actors[index - 1] == *actor {
                continue;
            }
            let mut push = |act| actions.push(Action::Act(index, act));
            match (actor.at, actor.role) {
                (At::Begun, Role::Copy(event)) if event.given_up => push(Act::Fail),
                (At::Begun, Role::Copy(event)) if self.is_broken(event.to) => push(Act::Break),
                (At::Begun, Role::Copy(event)) => {
                    let home = self.home(event.to, Some(event.cloud)).key.cloud;
                    let found = self.settled(state, event.to, Some(event.cloud)).is_some();
                    if found && !state.is_table_down(home) {
                        push(Act::ReadFound);
                    }
                    for arm in 0..self.shape.node(event.to.node).next.len() {
                        push(Act::Compute { arm: arm as u8 });
                    }
                }
                (At::Begun, Role::Stop) => push(Act::Mark),
                (At::Begun, _) => push(Act::CreateRun),
                (At::Computed(_), _) => push(Act::Commit),
                (At::FailureArrived, _) => push(Act::ReadBack),
                (At::Dispatching(late), _) if actor.todo.is_empty() => {
                    push(if late.is_some() { Act::Commit } else { Act::Reply });
                }
                (At::Dispatching(_), role) => {
                    // A walk goes step by step; others do everything at once.
                    let first = if role.walks() { actor.todo.len() - 1 } else { 0 };
                    for (index, todo) in actor.todo.iter().enumerate().skip(first) {
                        for answer in self.answers(state, todo) {
                            push(Act::Do { index, answer });
                        }
                    }
                }
            }
            if state.left.crashes > 0 {
                actions.push(Action::Crash(index));
            }
        }
    }

    /// Whether a call fails every time. In a run that is redriven it is mended.
    fn is_broken(&self, name: Name) -> bool {
        name.run == 0 && self.broken == Some((name.node, name.branch))
    }

    fn answers(&self, state: &State, todo: &Todo) -> Vec<Answer> {
        let Todo::Send { to, first, tried, .. } = *todo else { return vec![Answer::Accepted] };
        if state.is_down(self.placement(to.node, first, tried)) {
            return vec![Answer::Refused];
        }
        let mut answers = vec![Answer::Accepted];
        if state.left.refusals > 0 {
            answers.push(Answer::Refused);
        }
        if state.left.unknowns > 0 {
            answers.push(Answer::Unknown);
        }
        answers
    }

    pub(crate) fn world(&self, state: &State, actions: &mut Vec<Action>) {
        if !state.started || state.left.restarts > 0 && !state.expired {
            actions.push(Action::Start);
        }
        for cloud in 0..CLOUDS {
            if state.is_down(cloud) {
                if self.outage == Outage::Passing {
                    actions.push(Action::Up(cloud));
                }
            } else if state.left.outages > 0
                && (self.outage == Outage::Passing || self.outage == Outage::ForGood(cloud))
            {
                actions.push(Action::Down(cloud));
            }
        }
        self.tables(state, actions);
        let can_read = !state.is_table_down(Key::run(0).cloud);
        if self.sweeps() && state.is_open() && can_read {
            let overdue = self.is_overdue(state);
            let sweeping = state.actors.iter().any(|actor| actor.role == Role::Sweep || actor.role.stops());
            let free = self.is_quiet(state) && !state.swept;
            if !overdue && (free || state.left.sweeps > 0) {
                actions.push(Action::Sweep { overdue: false });
            }
            if overdue && !sweeping || state.left.deadlines > 0 {
                actions.push(Action::Sweep { overdue: true });
            }
        }
        if state.left.cancels > 0 && state.started && state.is_open() && can_read {
            actions.push(Action::Cancel);
        }
        if state.left.redrives > 0 && !state.expired && can_read && self.can_be_redriven(state) {
            actions.push(Action::Redrive);
        }
        match self.clock {
            Some(_) => self.time(state, actions),
            None if state.first_end().is_none() || state.expired => {}
            None => {
                let gone = state.events.is_empty() && state.actors.is_empty();
                if gone || self.has(Mutation::RowsExpireEarly) {
                    actions.push(Action::ExpireAll);
                }
            }
        }
    }

    fn time(&self, state: &State, actions: &mut Vec<Action>) {
        let Some(clock) = self.clock else { return };
        // Nobody runs longer than the timeout, and a late run is swept in time.
        let at_timeout = state.actors.iter().any(|actor| state.now >= actor.since + clock.timeout);
        let unswept = state.is_open() && state.now >= clock.deadline + clock.lag;
        if state.started && !at_timeout && !unswept && state.now < clock.horizon() {
            actions.push(Action::Tick);
        }
        let expired = state.rows.iter().filter(|(_, row)| row.expires_at <= state.now);
        actions.extend(expired.map(|(key, _)| Action::Expire(*key)));
    }
}

impl Step<'_> {
    pub(crate) fn take(&mut self, action: Action) {
        let (before, swept, quiet) = (self.state.left, self.state.swept, self.model.is_quiet(self.state));
        let by_sweep = matches!(action, Action::Act(index, _) if self.state.actors[index].role.walks());
        match action {
            Action::Start => self.start(),
            Action::Deliver { event, again } => self.deliver(event, again),
            Action::Drop(event) => {
                self.state.left.spend(|left| &mut left.drops);
                self.unqueue(event);
            }
            Action::Discard(event) => self.unqueue(event),
            Action::Act(index, act) => self.act(index, act),
            Action::Crash(index) => {
                self.state.left.spend(|left| &mut left.crashes);
                match self.state.actors.remove(index).role {
                    Role::Copy(event) => self.requeue(event, Cause::Own),
                    // Where nobody sweeps, a client starts its run until it has started it.
                    Role::Client | Role::Resume if !self.model.sweeper => {
                        self.state.actors.push(Actor::client());
                    }
                    Role::Client | Role::Resume | Role::Sweep | Role::Stop | Role::Redrive => {}
                }
            }
            Action::Down(cloud) => {
                self.state.left.spend(|left| &mut left.outages);
                self.state.down |= 1 << cloud;
            }
            Action::Up(cloud) => self.state.down &= !(1 << cloud),
            Action::TableDown(cloud) => {
                self.state.left.spend(|left| &mut left.tables);
                self.state.tables_down |= 1 << cloud;
            }
            Action::TableUp(cloud) => self.state.tables_down &= !(1 << cloud),
            Action::Sweep { overdue } => {
                if !quiet || swept {
                    self.pay_for_sweep(overdue);
                }
                self.cause();
                self.sweep(overdue);
            }
            Action::Cancel => {
                self.state.left.cancels -= 1;
                let (at, since) = (At::Begun, self.state.now);
                self.state.actors.push(Actor { role: Role::Stop, at, todo: Vec::new(), since });
            }
            Action::Redrive => {
                self.state.left.redrives -= 1;
                self.redrive();
            }
            Action::Tick => self.state.now += 1,
            Action::ExpireAll => {
                self.state.rows.clear();
                self.state.expired = true;
            }
            Action::Expire(key) => {
                self.state.rows.retain(|(other, _)| *other != key);
                self.state.expired |= key == Key::run(0);
            }
        }
        self.state.swept = match action {
            Action::Sweep { .. } => quiet,
            _ => swept && by_sweep && before == self.state.left,
        };
    }

    /// A sweep is free when nothing else is left to do, and when it fails a run that is late.
    fn pay_for_sweep(&mut self, overdue: bool) {
        let late = self.model.is_overdue(self.state);
        match (overdue, late) {
            (true, true) => {}
            (true, false) => self.state.left.spend(|left| &mut left.deadlines),
            (false, _) => self.state.left.spend(|left| &mut left.sweeps),
        }
    }

    fn unqueue(&mut self, event: Event) {
        let at = self.state.events.iter().position(|other| *other == event);
        self.state.events.remove(at.expect("only what is queued is delivered or lost"));
    }

    fn deliver(&mut self, event: Event, again: bool) {
        if again {
            self.state.left.spend(|left| &mut left.duplicates);
            self.cause();
        } else {
            self.unqueue(event);
        }
        let mut event = event;
        let minted = self.model.has(Mutation::RunIdMintedInTheFunction) && event.to.run == 0;
        if minted && self.model.shape.node(event.to.node).source == START {
            self.mint(&mut event);
        }
        if !event.given_up {
            self.consumed(self.model.source(event.to), Ended::Returned(event.data));
            self.begins(event.to);
        }
        let (role, since) = (Role::Copy(event), self.state.now);
        self.state.actors.push(Actor { role, at: At::Begun, todo: Vec::new(), since });
    }

    /// The platform delivers again what was answered with an error or not at all; at its bound
    /// it gives up and says why the last delivery failed, and at the bound of that nobody hears of the
    /// event again. An event that failed for no fault of its own decides nothing: nobody hears of it either.
    pub(crate) fn requeue(&mut self, mut event: Event, cause: Cause) {
        if self.model.shape.node(event.to.node).source == START {
            // A minted id is not in the event.
            event.to.run = 0;
        }
        let attempts = event.attempts + 1;
        if attempts < self.model.attempts {
            self.cause();
            self.state.events.push(Event { attempts, ..event });
        } else if !event.given_up && (cause == Cause::Own || self.model.has(Mutation::FailWhateverTheCause)) {
            self.state.failed_by_itself |= cause == Cause::Own;
            self.cause();
            self.state.events.push(Event { attempts: 0, given_up: true, ..event });
        }
    }

    fn act(&mut self, index: usize, act: Act) {
        let mut actor = self.state.actors.remove(index);
        let fate = match actor.role {
            _ if self.is_cut_off(&actor, act) => self.cut_off(&mut actor, act),
            Role::Copy(event) => self.copy(&mut actor, event, act),
            Role::Client => self.client(&mut actor, act),
            Role::Stop if act == Act::Mark => self.mark(&mut actor),
            Role::Resume | Role::Sweep | Role::Stop | Role::Redrive => self.perform(&mut actor, act),
        };
        match (fate, actor.role) {
            // Nobody waits for the answer of a client or sweep.
            (Fate::Alive, role) if role.follows_all() && actor.todo.is_empty() => {}
            (Fate::Alive, _) => self.state.actors.push(actor),
            (Fate::Error(cause), Role::Copy(event)) if !self.state.is_over(event.to.run) => {
                self.requeue(event, cause);
            }
            (Fate::Done | Fate::Error(_), _) => {}
        }
    }
}
