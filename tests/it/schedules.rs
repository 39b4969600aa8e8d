//! Which schedules of faults are tried: each single fault, pairs, and some at random.

use std::{collections::HashMap, hash::Hash};

use jointlambda::backend::fault::{Action, Operation, Schedule};

use crate::faulty::DELIVERIES;

/// Of each kind of schedule the first, and every `stride`-th from there.
pub(crate) fn every_of_each_kind<K: Hash + Eq>(
    stride: usize,
    all: &[Schedule],
    of_kind: impl Fn(&Schedule) -> K,
) -> impl Iterator<Item = &Schedule> {
    let mut seen = HashMap::<K, usize>::new();
    all.iter().filter(move |schedule| {
        let before = seen.entry(of_kind(schedule)).or_default();
        *before += 1;
        (*before - 1).is_multiple_of(stride)
    })
}

/// Every fault at every operation from number `from` on.
pub(crate) fn singles(operations: &[Operation], from: u64) -> Vec<Schedule> {
    let numbered = (0..).zip(operations).skip(from as usize);
    numbered
        .flat_map(|(number, &operation)| {
            Action::at(operation).into_iter().map(move |action| Schedule(vec![(number, action)]))
        })
        .collect()
}

/// What came of pairs of faults.
pub(crate) struct Pairs {
    pub(crate) failures: Vec<String>,
    /// How many there are.
    pub(crate) there: usize,
    /// How many of them were tried.
    pub(crate) tried: usize,
}

/// Every how many-th of many schedules is tried: of a longer run than usual, which
/// `JOINTLAMBDA_SCHEDULES` asks for, all.
pub(crate) fn stride(usual: usize) -> usize {
    if std::env::var_os("JOINTLAMBDA_SCHEDULES").is_some() { 1 } else { usual }
}

/// Tries any single fault from operation number `from` on of a run that has the operations `calm`
/// without faults, and every `stride`-th pair of such a fault with one that
/// can come after it. `attempt` tries a schedule, and gives the operations of the run under it.
pub(crate) fn pairs_from(
    calm: &[Operation],
    from: u64,
    stride: usize,
    attempt: impl Fn(&Schedule) -> Result<Vec<Operation>, String>,
) -> Pairs {
    let (mut failures, mut turn) = (Vec::new(), 0);
    for first in singles(calm, from) {
        let (number, action) = first.0[0];
        let operations = match attempt(&first) {
            Ok(operations) => operations,
            Err(why) => {
                failures.push(why);
                continue;
            }
        };
        for second in singles(&operations, number + 1) {
            turn += 1;
            if turn % stride == 0 {
                failures.extend(attempt(&Schedule(vec![(number, action), second.0[0]])).err());
            }
        }
    }
    Pairs { failures, there: turn, tried: turn / stride }
}

/// Two to five faults, drawn at random, at operations from number `from` on of a run that has the
/// operations `calm` without them.
pub(crate) fn drawn(random: &mut fastrand::Rng, calm: &[Operation], from: u64) -> Schedule {
    let left = (calm.len() as u64 - from).max(1);
    let mut schedule = Schedule::default();
    for _ in 0..random.u32(2..=5) {
        let number = from + random.u64(0..left * 2);
        // After the first fault operations may be others; most stay what they were.
        let operation = calm.get(number as usize).copied().unwrap_or(Operation::Invoke);
        let actions = Action::at(operation);
        schedule.0.push((number, actions[random.usize(0..actions.len())]));
    }
    schedule
}

/// The same with too few crashes among them for any event to be given up.
pub(crate) fn drawn_survivable(random: &mut fastrand::Rng, calm: &[Operation], from: u64) -> Schedule {
    loop {
        let schedule = drawn(random, calm, from);
        if crashes(&schedule) < DELIVERIES {
            return schedule;
        }
    }
}

pub(crate) fn crashes(schedule: &Schedule) -> usize {
    let crash = |action: &Action| matches!(action, Action::CrashBefore | Action::CrashAfter);
    schedule.0.iter().filter(|(_, action)| crash(action)).count()
}
