//! What each party does in one atomic step.

use super::{
    Action, LEAVES, Tree, Wrong, first_step,
    state::{Actor, Call, Event, State, Todo, Who, branches_of, leaf_of},
};

impl Tree {
    pub(super) fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::Deliver { event, again } => {
                if again {
                    state.left.spend(|left| &mut left.duplicates);
                    state.redelivered += 1;
                } else {
                    unqueue(state, event);
                }
                state.begin(event.call);
                state.actors.push(Actor { who: Who::Copy(event), todo: vec![first_step(event)] });
                if !self.redelivers() {
                    self.act(state, state.actors.len() - 1);
                }
            }
            Action::Drop(event) => {
                state.left.spend(|left| &mut left.drops);
                unqueue(state, event);
            }
            Action::Act(actor) => self.act(state, actor),
            Action::Crash(actor) => {
                state.left.spend(|left| &mut left.crashes);
                if let Who::Copy(event) = state.actors.remove(actor).who {
                    state.redelivered += 1;
                    state.events.push(event);
                }
            }
            Action::Look { after } => {
                state.now += after;
                let leaves = (0..LEAVES as u8).map(|leaf| Todo::Read { leaf });
                let todo = [Todo::Fire].into_iter().chain(leaves).collect();
                state.actors.push(Actor { who: Who::Sweep, todo });
            }
            Action::Dark => state.dark = true,
        }
    }

    fn act(&self, state: &mut State, index: usize) {
        let mut actor = state.actors.remove(index);
        if let Some(todo) = actor.todo.pop() {
            self.perform(state, &mut actor, todo);
        }
        // An event may wait for its delivery as long as it likes: nobody sees when a sweep sent it.
        while let Some(&Todo::Send(call)) = actor.todo.last().filter(|_| actor.who == Who::Sweep) {
            actor.todo.pop();
            self.perform(state, &mut actor, Todo::Send(call));
        }
        match actor.who {
            Who::Sweep if actor.todo.is_empty() => state.looked_at = state.now,
            // A copy that has nothing left to do answers its platform; only a crash can come before that.
            Who::Copy(_) if actor.todo.is_empty() => {}
            Who::Copy(_) | Who::Sweep => state.actors.push(actor),
        }
    }

    fn perform(&self, state: &mut State, actor: &mut Actor, todo: Todo) {
        match todo {
            // The store is to blame: the platform gives the event up, which decides nothing.
            Todo::Arrive { branch } if state.dark && is_dark(leaf_of(branch)) => {}
            Todo::Arrive { branch } => self.arrive(state, actor, branch),
            Todo::Climb { leaf, fires } => {
                let fresh = !std::mem::replace(&mut state.top[usize::from(leaf)], true);
                let is_full = state.top.iter().all(|filled| *filled) || self.has(Wrong::FireAtEveryArrival);
                // The one that fills it, or one that repeats what filled it.
                if fires && is_full && (fresh || !state.ended) {
                    self.fire(state, actor);
                }
            }
            // It needs no top row: it has read all leaves, and goes on at most once.
            Todo::Fire => {
                let leaves = !self.has(Wrong::FireOnceARow) && !self.has(Wrong::FullTreesAreLeft);
                let since = state.open_since(Call::Last).filter(|_| leaves && !state.dark);
                if since.is_some_and(|since| self.is_lost(state, since)) {
                    self.fire(state, actor);
                }
            }
            Todo::Send(call) => {
                let id = state.fresh_id(call);
                state.events.push(Event { call, id });
            }
            Todo::End => state.ended = true,
            Todo::Read { leaf } if state.dark && is_dark(leaf) => {
                if self.has(Wrong::FaultEndsTheWalk) {
                    actor.todo.clear();
                }
            }
            Todo::Read { leaf } => self.read(state, actor, leaf),
        }
    }

    /// `Table::arrive` in a leaf, and what follows from its answer.
    fn arrive(&self, state: &mut State, actor: &mut Actor, branch: u8) {
        let own = match actor.who {
            Who::Copy(event) => Some(event.id),
            Who::Sweep => None,
        };
        let slot = &mut state.slots[usize::from(branch)];
        // Whoever filled the slot goes on, or its event's next delivery does.
        let goes_on = slot.is_none() || own.is_none() || *slot == own && !state.ended;
        if slot.is_none() {
            *slot = own;
            if state.slots.iter().all(Option::is_some) {
                state.full_since = Some(state.now);
            }
        }
        let leaf = leaf_of(branch);
        if goes_on && state.is_full(leaf) {
            actor.todo.push(Todo::Climb { leaf, fires: true });
        }
    }

    fn fire(&self, state: &mut State, actor: &mut Actor) {
        state.early |= !state.slots.iter().all(Option::is_some);
        actor.todo.push(Todo::Send(Call::Last));
    }

    /// A sweep reads a leaf: what is open is invoked again when it must be lost.
    fn read(&self, state: &mut State, actor: &mut Actor, leaf: u8) {
        if state.is_full(leaf) {
            let is_late = state.open_since(Call::Last).is_some_and(|since| self.is_lost(state, since));
            if self.has(Wrong::FireOnceARow) && is_late {
                actor.todo.push(Todo::Climb { leaf, fires: true });
            } else if self.has(Wrong::LeavesCarriedBySweeps) && !state.top[usize::from(leaf)] {
                actor.todo.push(Todo::Climb { leaf, fires: false });
            }
            return;
        }
        for branch in branches_of(leaf) {
            let call = Call::Branch(branch as u8);
            if state.open_since(call).is_some_and(|since| self.is_lost(state, since)) {
                actor.todo.push(Todo::Send(call));
            }
        }
    }
}

/// Whether a leaf is in the table that may go down.
fn is_dark(leaf: u8) -> bool {
    usize::from(leaf) + 1 == LEAVES
}

fn unqueue(state: &mut State, event: Event) {
    let at = state.events.iter().position(|other| *other == event);
    state.events.remove(at.expect("only what is queued is delivered or lost"));
}
