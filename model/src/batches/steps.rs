//! What each party does in one atomic step.

use super::{
    Action, Batches, Event, ROWS, SIZE, State, Task, Wrong,
    state::{Actor, NOBODY, Out, Role, Todo},
};

/// What becomes of an actor after a step.
enum Fate {
    Alive,
    /// It answers with an error.
    Error,
}

impl Batches {
    pub(super) fn step(&self, state: &mut State, action: Action) {
        let (quiet, swept, before) = (self.is_quiet(state), state.swept, state.left);
        let by_sweep = match action {
            Action::Act { actor, .. } | Action::Reply(actor) => state.actors[actor].role == Role::Sweep,
            _ => false,
        };
        match action {
            Action::Start(run) => {
                if state.clients & (1 << run) != 0 {
                    state.left.spend(|left| &mut left.restarts);
                }
                state.clients |= 1 << run;
                state.actors.push(Actor { role: Role::Client(run), todo: vec![Todo::Create(run)] });
            }
            Action::Deliver { event, again } => {
                if again {
                    state.left.spend(|left| &mut left.duplicates);
                } else {
                    unqueue(state, event);
                }
                let todo = match event.task {
                    Task::Batch(row) => Todo::Seal(row),
                    Task::Alone(run) => Todo::RunAlone(run),
                };
                state.actors.push(Actor { role: Role::Copy(event), todo: vec![todo] });
            }
            Action::Drop(event) => {
                state.left.spend(|left| &mut left.drops);
                unqueue(state, event);
            }
            Action::Act { actor, step, answer_lost } => self.act(state, actor, step, answer_lost),
            Action::Reply(actor) => drop(state.actors.remove(actor)),
            Action::Crash(actor) => {
                state.left.spend(|left| &mut left.crashes);
                match state.actors.remove(actor).role {
                    Role::Copy(event) => self.requeue(state, event),
                    // Where nobody sweeps, a client starts its run until it has started it.
                    Role::Client(run) if !self.sweeper => {
                        state.actors.push(Actor { role: Role::Client(run), todo: vec![Todo::Create(run)] });
                    }
                    Role::Client(_) | Role::Sweep => {}
                }
            }
            Action::Sweep => {
                if !quiet || swept {
                    state.left.spend(|left| &mut left.sweeps);
                }
                let open = (0..self.runs).filter(|run| state.is_open(*run));
                let todo = open.map(Todo::Look).collect();
                state.actors.push(Actor { role: Role::Sweep, todo });
            }
        }
        state.swept = match action {
            Action::Sweep => quiet,
            _ => swept && by_sweep && before == state.left,
        };
    }

    fn act(&self, state: &mut State, index: usize, step: usize, answer_lost: bool) {
        let mut actor = state.actors.remove(index);
        let todo = actor.todo.remove(step);
        let fate = match todo {
            Todo::Create(run) => self.create(state, &mut actor, run),
            Todo::Gather { run, row, again } => self.gather(state, &mut actor, run, row, again),
            Todo::Find { run, row, again } => {
                let has_room = |row: u8| {
                    let row = &state.rows[usize::from(row)];
                    row.members.contains(&run) || row.seal.is_none() && row.members.len() < SIZE
                };
                let found = (row + 1..ROWS as u8).find(|row| has_room(*row));
                actor.todo.push(match found {
                    Some(row) => Todo::Gather { run, row, again },
                    None => Todo::Invoke(Task::Alone(run)),
                });
                Fate::Alive
            }
            Todo::Invoke(task) => {
                let id = state.fresh_id(&actor);
                state.events.push(Event { task, id, attempts: 0, given_up: false });
                if answer_lost {
                    // Another placement is tried.
                    state.left.spend(|left| &mut left.unknowns);
                    actor.todo.push(todo);
                }
                Fate::Alive
            }
            Todo::Seal(row) => {
                let own = actor.stamp();
                let seal = &mut state.rows[usize::from(row)].seal;
                if *seal.get_or_insert(own) == own {
                    actor.todo.push(Todo::Run(row));
                }
                Fate::Alive
            }
            Todo::Run(row) => self.run_batch(state, &mut actor, row),
            Todo::RunAlone(run) => self.run_alone(state, &mut actor, run),
            Todo::Commit { run, out } => {
                self.commit(state, &mut actor, run, out);
                Fate::Alive
            }
            Todo::End { run, out } => {
                let run = &mut state.runs[usize::from(run)];
                let decided = run.outcome.map(|(out, _)| out);
                state.mixed |= decided != Some(out) || run.end.is_some_and(|end| end != out);
                run.end.get_or_insert(out);
                Fate::Alive
            }
            Todo::Look(run) => {
                match state.runs[usize::from(run)].outcome {
                    _ if !state.is_open(run) => {}
                    Some((out, _)) => actor.todo.push(Todo::End { run, out }),
                    None => actor.todo.push(Todo::Invoke(Task::Alone(run))),
                }
                Fate::Alive
            }
        };
        match (fate, actor.role) {
            (Fate::Error, Role::Copy(event)) => self.requeue(state, event),
            // Nobody waits for the answer of a client or a sweep.
            (Fate::Alive, Role::Client(_) | Role::Sweep) if actor.todo.is_empty() => {}
            (Fate::Alive, Role::Copy(_)) if actor.todo.is_empty() && state.left.crashes == 0 => {}
            (Fate::Alive | Fate::Error, _) => state.actors.push(actor),
        }
    }

    /// `Client::start`, `resume`.
    fn create(&self, state: &mut State, actor: &mut Actor, run: u8) -> Fate {
        let row = &mut state.runs[usize::from(run)];
        let again = std::mem::replace(&mut row.is_there, true);
        match row.outcome {
            _ if row.end.is_some() => {}
            Some((out, _)) => actor.todo.push(Todo::End { run, out }),
            None => actor.todo.push(Todo::Gather { run, row: 0, again }),
        }
        Fate::Alive
    }

    /// `Runtime::gather`, one arrival.
    fn gather(&self, state: &mut State, actor: &mut Actor, run: u8, at: u8, again: bool) -> Fate {
        let row = &mut state.rows[usize::from(at)];
        let invoke = Todo::Invoke(Task::Batch(at));
        if row.members.contains(&run) && !self.has(Wrong::AppendNotIdempotent) {
            // It is in, and whoever put it there may have died right then.
            match row.seal {
                None => actor.todo.push(invoke),
                Some(_) if again => actor.todo.push(Todo::Invoke(Task::Alone(run))),
                Some(_) => {}
            }
            return Fate::Alive;
        }
        if row.seal.is_some() || row.members.len() >= SIZE && !self.has(Wrong::RoomNotAsked) {
            actor.todo.push(Todo::Find { run, row: at, again });
            return Fate::Alive;
        }
        row.members.push(run);
        row.members.sort_unstable();
        let is_first = row.members.len() == 1 && !self.has(Wrong::NoFlush);
        if is_first || row.members.len() >= SIZE {
            actor.todo.push(invoke);
        }
        Fate::Alive
    }

    /// `Runtime::flush`, from when the row is sealed to when the function has run; `disband`.
    fn run_batch(&self, state: &mut State, actor: &mut Actor, row: u8) -> Fate {
        let members = state.rows[usize::from(row)].members.clone();
        let given_up = matches!(actor.role, Role::Copy(event) if event.given_up);
        let mut open = Vec::new();
        for &run in &members {
            match state.runs[usize::from(run)].outcome {
                None => open.push(run),
                Some((out, by)) => {
                    let ours = by == actor.stamp() && !self.has(Wrong::DecidedAreLeft);
                    if (ours || out == Out::Failed) && state.is_open(run) {
                        actor.todo.push(Todo::End { run, out });
                    }
                }
            }
        }
        if given_up && self.has(Wrong::FailTogether) {
            open.iter().for_each(|&run| actor.todo.push(Todo::Commit { run, out: Out::Failed }));
        } else if given_up || open.iter().any(|run| self.broken == Some(*run)) {
            open.iter().for_each(|&run| actor.todo.push(Todo::Invoke(Task::Alone(run))));
        } else {
            let mut values = open.clone();
            if self.has(Wrong::OtherOrder) {
                values.reverse();
            }
            for (&run, &of) in open.iter().zip(&values) {
                let out = Out::Value { of, drawn: state.draw(of) };
                actor.todo.push(Todo::Commit { run, out });
            }
        }
        Fate::Alive
    }

    /// `Runtime::call`, `fail`.
    fn run_alone(&self, state: &mut State, actor: &mut Actor, run: u8) -> Fate {
        let given_up = matches!(actor.role, Role::Copy(event) if event.given_up);
        match state.runs[usize::from(run)].outcome {
            Some((out, by)) => {
                if (by == actor.stamp() || out == Out::Failed) && state.is_open(run) {
                    actor.todo.push(Todo::End { run, out });
                }
            }
            None if given_up => actor.todo.push(Todo::Commit { run, out: Out::Failed }),
            None if self.broken == Some(run) => return Fate::Error,
            None => {
                let out = Out::Value { of: run, drawn: state.draw(run) };
                actor.todo.push(Todo::Commit { run, out });
            }
        }
        Fate::Alive
    }

    /// `Runtime::commit`, `commit_end`: what counts is dispatched by whoever decided it, or by a copy
    /// of the same event.
    fn commit(&self, state: &mut State, actor: &mut Actor, run: u8, out: Out) {
        let is_of_it = matches!(actor.role, Role::Copy(event) if event.task == Task::Alone(run));
        let row = &mut state.runs[usize::from(run)];
        let (counts, by) = *row.outcome.get_or_insert((out, actor.stamp()));
        state.mixed |= matches!(counts, Out::Value { of, .. } if of != run);
        state.shared_failure |= counts == Out::Failed && by == actor.stamp() && !is_of_it;
        let is_open = row.end.is_none();
        if is_open && (by == actor.stamp() || counts == Out::Failed) {
            actor.todo.push(Todo::End { run, out: counts });
        }
    }

    /// The platform delivers again what was answered with an error or not at all; at its bound it
    /// gives up and says so, and at the bound of that nobody hears of the event again.
    fn requeue(&self, state: &mut State, event: Event) {
        let attempts = event.attempts + 1;
        if attempts < self.attempts {
            state.events.push(Event { attempts, ..event });
        } else if !event.given_up {
            state.events.push(Event { attempts: 0, given_up: true, ..event });
        }
    }
}

impl Actor {
    /// Which event it is a copy of.
    fn stamp(&self) -> u8 {
        match self.role {
            Role::Copy(event) => event.id,
            Role::Client(_) | Role::Sweep => NOBODY,
        }
    }
}

fn unqueue(state: &mut State, event: Event) {
    let at = state.events.iter().position(|other| *other == event);
    state.events.remove(at.expect("only what is queued is delivered or lost"));
}
