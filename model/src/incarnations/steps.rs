//! What each party does in one atomic step.

use super::{
    Action, Incarnations, Wrong, event_of,
    state::{Actor, Body, End, Event, Flaw, Inc, Run, RunRow, State, Todo, Who},
};

/// What an arrival at a run row says.
enum Arrival {
    /// The slot is filled, by this arrival or another of its incarnation.
    Filled,
    /// The row is gone, or another incarnation's: nothing was changed.
    Gone,
}

impl Incarnations {
    /// What the run row of an incarnation is named by.
    pub(super) fn run_of(&self, inc: Inc) -> Run {
        match inc.parent {
            None => Run::Key,
            Some(_) if self.has(Wrong::RedrivenByRunAlone) => Run::Redriven(None),
            Some(parent) => Run::Redriven(Some(parent)),
        }
    }

    /// What the row of `a` is named by.
    fn name_of(&self, inc: Inc) -> u8 {
        match self.run_of(inc) {
            _ if !self.has(Wrong::NamesWithoutIncarnation) => inc.at,
            Run::Key => u8::MAX,
            Run::Redriven(of) => u8::MAX - 1 - of.unwrap_or(0),
        }
    }

    pub(super) fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::Start { twin } => {
                state.starts += 1;
                let at = twin.unwrap_or_else(|| state.propose());
                let todo = vec![Todo::Store { inc: Inc { at, parent: None }, kept: None }];
                state.actors.push(Actor { who: Who::Client, todo });
            }
            Action::Deliver { event, again } => {
                if again {
                    state.left.spend(|left| &mut left.duplicates);
                } else {
                    unqueue(state, event);
                }
                self.deliver(state, event);
            }
            Action::Drop(event) => {
                state.left.spend(|left| &mut left.drops);
                unqueue(state, event);
            }
            Action::Act(actor) => self.act(state, actor),
            Action::Crash(actor) => {
                state.left.spend(|left| &mut left.crashes);
                state.crashed = true;
                state.events.extend(event_of(state.actors.remove(actor).who));
            }
            Action::Sweep { overdue } => {
                if overdue {
                    state.left.spend(|left| &mut left.deadlines);
                } else if !state.is_quiet() || state.swept {
                    state.left.spend(|left| &mut left.sweeps);
                }
                let todo = state.open_runs().map(|(row, body)| look_after(row, body, overdue)).collect();
                state.actors.push(Actor { who: Who::Sweep, todo });
            }
            Action::Cancel => {
                state.left.cancels -= 1;
                let body = state.run(Run::Key).and_then(|row| row.body);
                let todo = body.map(|body| Todo::Mark { inc: body.inc }).into_iter().collect();
                state.actors.push(Actor { who: Who::Canceller, todo });
            }
            Action::Redrive => {
                state.left.redrives -= 1;
                let body = state.run(Run::Key).and_then(|row| row.body);
                // What is left of a failed run is read at once: `b`, or both calls.
                let link = |body: Body| Todo::Link { inc: body.inc, kept: state.row(self.name_of(body.inc)) };
                let todo = body.map(link).into_iter().collect();
                state.actors.push(Actor { who: Who::Redriver, todo });
            }
            Action::Pass(at) => state.past |= 1 << at,
            Action::ExpireCell(cell) => state.run_mut(Run::Key).expire(cell),
            Action::ExpireRun(run) => *state.run_mut(run) = RunRow::default(),
            Action::ExpireRow(name) => state.rows.retain(|(other, _)| *other != name),
        }
    }

    /// A copy begins: it needs what its run has stored.
    fn deliver(&self, state: &mut State, event: Event) {
        let Event { inc, value } = event;
        let row = state.run(self.run_of(inc)).copied().unwrap_or_default();
        let is_open = row.inc == Some(inc.at) && row.end.is_none() && !state.is_past(inc.at);
        if is_open && !state.has_stored(inc.at) {
            state.flaw(Flaw::ValueGone);
        }
        let todo = match value {
            None => Todo::Run { inc },
            Some(value) => {
                self.consume(state, inc, value);
                let fails = self.failing && inc.parent.is_none();
                Todo::End { inc, end: if fails { End::Failed } else { End::Returned } }
            }
        };
        state.actors.push(Actor { who: Who::Copy(event), todo: vec![todo] });
    }

    /// A run is given a value: one of its own, or of the run that it goes on in place of.
    fn consume(&self, state: &mut State, inc: Inc, value: u8) {
        if value != inc.at && Some(value) != inc.parent {
            state.flaw(Flaw::ForeignValue);
        }
    }

    fn act(&self, state: &mut State, index: usize) {
        let mut actor = state.actors.remove(index);
        let Some(todo) = actor.todo.pop() else { return };
        match todo {
            Todo::Store { inc, kept } => {
                state.objects |= 1 << inc.at;
                actor.todo.push(Todo::Create { inc, kept });
            }
            Todo::Create { inc, kept } => self.create(state, &mut actor, inc, kept),
            Todo::Delete { at } => state.objects &= !(1 << at),
            Todo::Send(event) => state.events.push(event),
            Todo::Run { inc } => match state.row(self.name_of(inc)) {
                Some(value) => self.go_on_late(state, &mut actor, inc, value),
                None => actor.todo.push(Todo::Commit { inc }),
            },
            Todo::Commit { inc } => match state.row(self.name_of(inc)) {
                Some(value) => self.go_on_late(state, &mut actor, inc, value),
                None => {
                    state.rows.push((self.name_of(inc), inc.at));
                    actor.todo.push(Todo::Send(Event { inc, value: Some(inc.at) }));
                }
            },
            Todo::End { inc, end } => {
                let fill = |row: &mut RunRow| row.end = row.end.or(Some((end, inc.at)));
                match self.arrive(state, inc, Wrong::EndWithoutCheck, fill) {
                    Arrival::Filled => actor.todo.push(Todo::Delete { at: inc.at }),
                    Arrival::Gone => {}
                }
            }
            Todo::Mark { inc } => {
                let fill = |row: &mut RunRow| row.cancel = row.cancel.or(Some(inc.at));
                match self.arrive(state, inc, Wrong::CancelWithoutCheck, fill) {
                    Arrival::Filled => actor.todo.push(Todo::End { inc, end: End::Cancelled }),
                    Arrival::Gone => {}
                }
            }
            Todo::Link { inc, kept } => {
                let to = self.run_of(Inc { at: 0, parent: Some(inc.at) });
                let fill = |row: &mut RunRow| row.link = row.link.or(Some((to, inc.at)));
                match self.arrive(state, inc, Wrong::LinkWithoutCheck, fill) {
                    Arrival::Filled => {
                        let inc = Inc { at: state.propose(), parent: Some(inc.at) };
                        actor.todo.push(Todo::Store { inc, kept });
                    }
                    Arrival::Gone => {}
                }
            }
            Todo::Look { inc, kept } => {
                let value = kept.or_else(|| state.row(self.name_of(inc)));
                actor.todo.push(Todo::Send(Event { inc, value }));
            }
        }
        // An event may wait for its delivery as long as it likes: nobody sees when it was sent.
        while let Some(&Todo::Send(event)) = actor.todo.last().filter(|_| state.left.crashes == 0) {
            actor.todo.pop();
            state.events.push(event);
        }
        if !actor.todo.is_empty() {
            state.actors.push(actor);
        }
    }

    /// `Table::create` of a run row, and what `Client::start` makes of the answer.
    fn create(&self, state: &mut State, actor: &mut Actor, inc: Inc, kept: Option<u8>) {
        let run = self.run_of(inc);
        let there = state.run(run).copied().unwrap_or_default();
        match there.body.filter(|body| !state.is_past(body.inc.at)) {
            None => {
                let slots = match self.has(Wrong::CreateKeepsSlots) {
                    true => there,
                    false => RunRow::default(),
                };
                let kept_inc = there.inc.filter(|_| self.has(Wrong::CreateKeepsInc));
                let (body, attribute) = (Some(Body { inc, kept }), Some(kept_inc.unwrap_or(inc.at)));
                *state.run_mut(run) = RunRow { body, inc: attribute, ..slots };
                actor.todo.push(Todo::Send(Event { inc, value: kept }));
            }
            Some(winner) => {
                if there.end.is_none() {
                    actor.todo.push(Todo::Look { inc: winner.inc, kept: winner.kept });
                }
                // What was stored after the end of the run is nobody else's to delete.
                let is_shared = winner.inc.at == inc.at && there.end.is_none();
                let stays = is_shared && !self.has(Wrong::LoserDeletesItsTwin);
                if self.has(Wrong::LoserDeletesByKey) {
                    actor.todo.push(Todo::Delete { at: winner.inc.at });
                } else if !stays && !self.has(Wrong::LoserKeepsItsValues) {
                    actor.todo.push(Todo::Delete { at: inc.at });
                }
            }
        }
    }

    /// `Table::arrive` at a run row: in one step, if the row is of the arrival's incarnation.
    fn arrive(
        &self,
        state: &mut State,
        inc: Inc,
        unchecked: Wrong,
        fill: impl FnOnce(&mut RunRow),
    ) -> Arrival {
        let run = self.run_of(inc);
        let row = state.run(run).copied().unwrap_or_default();
        if row.inc != Some(inc.at) && !self.has(unchecked) {
            return Arrival::Gone;
        }
        if row == RunRow::default() {
            state.flaw(Flaw::RowOfNothing);
        }
        fill(state.run_mut(run));
        Arrival::Filled
    }

    /// A copy finds `a` decided: it goes on, in case whoever decided it died, unless its run is over.
    fn go_on_late(&self, state: &mut State, actor: &mut Actor, inc: Inc, value: u8) {
        self.consume(state, inc, value);
        let row = state.run(self.run_of(inc)).copied().unwrap_or_default();
        let is_own = row.inc == Some(inc.at);
        let is_over = row.end.is_some() || row.cancel.is_some();
        if is_over || !is_own && !self.has(Wrong::ReadWithoutCheck) {
            return;
        }
        if !is_own {
            state.flaw(Flaw::Zombie);
        }
        actor.todo.push(Todo::Send(Event { inc, value: Some(value) }));
    }
}

/// `Runtime::look_after`: an open run is failed at its deadline, ended when it is to be cancelled, or
/// looked at.
fn look_after(row: &RunRow, body: Body, overdue: bool) -> Todo {
    let Body { inc, kept } = body;
    match row.cancel {
        _ if overdue => Todo::End { inc, end: End::Failed },
        Some(_) => Todo::End { inc, end: End::Cancelled },
        None => Todo::Look { inc, kept },
    }
}

fn unqueue(state: &mut State, event: Event) {
    let at = state.events.iter().position(|other| *other == event);
    state.events.remove(at.expect("only what is queued is delivered or lost"));
}
