//! In which rows the calls of one time gather, so that most find room at their first try.
//!
//! Nobody knows of how many calls there are at a time. What a process knows, it commits together with
//! the call: the row where the call looks first ([`Call::gathers`](crate::envelope::Call)). Each copy
//! that dispatches the call looks in the same rows in the same order, and takes the first with room. So
//! a call is in one batch, and what a process guesses wrong costs a few more reads, nothing else.
//!
//! - A process hands out *shared* rows one after another, as many places in each as it has. Where
//!   several processes do so at a time, each begins at a row drawn at random, of more rows the fuller
//!   they were found lately.
//! - A fan-out that begins with calls of one function fills rows of its *own*, since it knows how many
//!   they are and dispatches them together. What does not fill a row is shared.

use std::sync::{Mutex, PoisonError};

use crate::{
    commit::Actor,
    definition::{Definition, FunctionIndex, NodeIndex},
    envelope::{Continuation, Fork, Frame, path},
    id::{Digest, Incarnation, RowKey},
    runtime::Runtime,
};

/// Shared rows are below it.
const SHARED: u32 = 1 << 16;
/// Own rows are not below it.
const OWN: u32 = 1 << 31;
/// How far the own row is to which a call goes whose first one was closed before it came: the calls of
/// one row go to one row again.
const NEXT_OWN: u32 = 1 << 16;
/// How many own rows a call tries before it goes to shared ones.
const OWN_TRIES: u32 = 4;
/// How many shared rows it tries before it goes alone.
const SHARED_TRIES: u32 = 4_096;
/// Processes begin at one of 2 to the power of this many rows at most.
const LAST_LEVEL: u32 = 12;

/// Whether a row may be one where calls gather.
pub(crate) fn is_row(index: u32) -> bool {
    !(SHARED..OWN).contains(&index)
}

/// The rows where a call looks for room, the first one first.
pub(super) fn rows(first: Option<u32>) -> impl Iterator<Item = u32> {
    let first = first.filter(|row| is_row(*row)).unwrap_or(0);
    let own = (0..OWN_TRIES).map(move |try_| first.wrapping_add(try_ * NEXT_OWN) | OWN);
    let own = own.filter(move |_| first >= OWN);
    let shared = if first >= OWN { 0 } else { first };
    own.chain(shared..shared.saturating_add(SHARED_TRIES).min(SHARED))
}

/// What this process knows of the calls of each batch function.
#[derive(Debug)]
pub(crate) struct Crowds(Box<[Mutex<Crowd>]>);

#[derive(Clone, Copy, Debug, Default)]
struct Crowd {
    /// The time to which what follows belongs.
    epoch: u64,
    /// The shared row where the first call was to gather.
    origin: u32,
    /// How many places have been handed out.
    given: u32,
    /// The origin is one of 2 to the power of this many rows.
    level: u32,
}

impl Crowds {
    pub(crate) fn of(definition: &Definition) -> Self {
        Crowds(definition.functions.iter().map(|_| Mutex::default()).collect())
    }

    /// The shared row where the next call of this time looks first.
    fn next(&self, function: FunctionIndex, epoch: u64, size: u32) -> u32 {
        self.with(function, |crowd| {
            if crowd.epoch != epoch {
                let origin = fastrand::u32(..1 << crowd.level);
                *crowd = Crowd { epoch, origin, given: 0, ..*crowd };
            }
            let row = crowd.origin.saturating_add(crowd.given / size);
            crowd.given = crowd.given.saturating_add(1);
            row.min(SHARED - 1)
        })
    }

    /// A call found room in a shared row, as the first there or not, in the row where it looked first
    /// or in another.
    pub(super) fn found(&self, function: FunctionIndex, epoch: u64, is_first_row: bool, is_alone: bool) {
        self.with(function, |crowd| {
            if crowd.epoch == epoch && !is_first_row {
                crowd.level = (crowd.level + 1).min(LAST_LEVEL);
            // Less often than the other way: a row too many costs less than a row that is full.
            } else if is_alone && fastrand::u8(..4) == 0 {
                crowd.level = crowd.level.saturating_sub(1);
            }
            0
        });
    }

    fn with(&self, function: FunctionIndex, change: impl FnOnce(&mut Crowd) -> u32) -> u32 {
        let Some(crowd) = self.0.get(usize::from(function)) else { return 0 };
        change(&mut crowd.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Runtime {
    /// Says of each call in a continuation that gathers in batches where it looks for room first. The
    /// copy that commits the continuation does so; of one that is not committed each copy must say the
    /// same, which is nothing.
    pub(crate) fn place_in_batches(&self, actor: &Actor, frames: &[Frame], continuation: &mut Continuation) {
        if self.definition.functions.iter().any(|function| function.batch.is_some()) {
            let now = actor.term.started_at.saturating_add(self.stamp(actor).at_ms);
            self.place(&actor.of, frames, now, continuation);
        }
    }

    fn place(&self, of: &Incarnation, frames: &[Frame], now: u64, continuation: &mut Continuation) {
        match continuation {
            Continuation::Call(call) => {
                let Some((function, wait_ms, size)) = self.gathers(call.node) else { return };
                call.gathers = Some(self.crowds.next(function, now / wait_ms.max(1), size));
            }
            Continuation::Fork(fork) => self.place_branches(of, frames, now, fork),
            Continuation::Return(_) | Continuation::Err(_) => {}
        }
    }

    fn place_branches(&self, of: &Incarnation, frames: &[Frame], now: u64, fork: &mut Fork) {
        let Fork { join, turns, branches, first, .. } = fork;
        let of_branches = branches.len() as u32;
        let around = path(frames, turns);
        // How many branches begin with a call of each function.
        let mut counts = vec![0_u32; self.definition.functions.len()];
        for branch in branches.iter() {
            if let Some((function, ..)) = self.begins_with(branch) {
                counts[usize::from(function)] += 1;
            }
        }
        let name = RowKey::join(of, *join, &around, 0, 0);
        let own = Digest::of(name.as_str().as_bytes()).short() | OWN;
        let mut placed = vec![0_u32; counts.len()];
        for (index, branch) in (0..).zip(branches.iter_mut()) {
            if let Some((function, _, size)) = self.begins_with(branch) {
                let number = placed[usize::from(function)];
                placed[usize::from(function)] += 1;
                let fills = counts[usize::from(function)] / size * size;
                if number < fills
                    && let Continuation::Call(call) = branch
                {
                    call.gathers = Some(own.wrapping_add(number / size) | OWN);
                    continue;
                }
            }
            let mut inner = frames.to_vec();
            inner.push(Frame {
                join: *join,
                turns: turns.clone(),
                index,
                of: of_branches,
                vars: Vec::new(),
                first: *first,
            });
            self.place(of, &inner, now, branch);
        }
    }

    /// The function, wait and size, if a branch begins with a call that gathers.
    fn begins_with(&self, branch: &Continuation) -> Option<(FunctionIndex, u64, u32)> {
        match branch {
            Continuation::Call(call) => self.gathers(call.node),
            Continuation::Fork(_) | Continuation::Return(_) | Continuation::Err(_) => None,
        }
    }

    fn gathers(&self, node: NodeIndex) -> Option<(FunctionIndex, u64, u32)> {
        let function = self.definition.function_index(self.definition.node(node)?)?;
        let batch = self.definition.functions.get(usize::from(function))?.batch?;
        Some((function, batch.wait_ms, batch.size.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SIZE: u32 = 8;

    /// Lets processes commit so many calls each at some times, and gather them; gives how many rows a
    /// call of the last time tried, and how many members its batches have.
    fn gather(processes: usize, calls: u32, times: u64) -> (f64, f64) {
        fastrand::seed(7);
        let all: Vec<_> = (0..processes).map(|_| Crowds(Box::new([Mutex::default()]))).collect();
        let (mut tries, mut filled) = (0, BTreeMap::<u32, u32>::new());
        for epoch in 1..=times {
            (tries, filled) = (0, BTreeMap::new());
            for _ in 0..calls {
                for crowds in &all {
                    let first = crowds.next(0, epoch, SIZE);
                    for row in rows(Some(first)) {
                        tries += 1;
                        let members = filled.entry(row).or_default();
                        if *members < SIZE {
                            *members += 1;
                            crowds.found(0, epoch, row == first, *members == 1);
                            break;
                        }
                    }
                }
            }
        }
        let count = processes as f64 * f64::from(calls);
        (f64::from(tries) / count, count / filled.len() as f64)
    }

    #[test]
    fn one_process_fills_one_row_after_another() {
        let (tries, members) = gather(1, 8_000, 1);
        assert_eq!((tries, members), (1.0, 8.0));
    }

    #[test]
    fn many_processes_learn_how_many_they_are() {
        let (tries, members) = gather(2_000, 1, 40);
        assert!(tries < 4.0 && members > 2.0, "{tries} rows tried, {members} members");
    }

    #[test]
    fn a_call_looks_in_the_same_rows_each_time_and_in_none_twice() {
        for first in [None, Some(0), Some(5), Some(SHARED - 1), Some(OWN + 7), Some(u32::MAX)] {
            let all: Vec<u32> = rows(first).collect();
            assert_eq!(all, rows(first).collect::<Vec<_>>());
            let distinct: std::collections::BTreeSet<_> = all.iter().collect();
            assert_eq!(distinct.len(), all.len(), "{first:?}");
            assert!(!all.is_empty() && all.iter().all(|row| is_row(*row)), "{first:?}");
        }
    }
}
