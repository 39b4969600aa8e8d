//! At which operations a copy of the first run is frozen, and at which of the second it goes on.

use std::{fmt::Debug, time::Duration};

use jointlambda::{
    Workflow,
    backend::fault::{Action, Operation, Schedule},
};

use super::{super::HOUR, GONE, Reuse, Trial, twice};
use crate::{
    cancelling::shapes::{member::Member, race::Race},
    faulty::{MakeParts, report, say, sound},
    many_faults::{at_random, chain::Chain, fan::Fan},
    redriving::shapes,
    schedules::{singles, stride},
};

/// Some of them are still there, its run row among them: it is replaced.
const REPLACED: Reuse = Reuse {
    key: "replaced",
    redriven: None,
    cancelled: false,
    retention: HOUR,
    lag: Duration::from_secs(10 * 24 * 3600),
    after: Duration::from_secs(3 * 24 * 3600),
};
/// The run row is gone, and others are still there.
const IN_PARTS: Reuse = Reuse { key: "key", ..REPLACED };

fn named<W: Workflow>(reuse: Reuse, schedule: &Schedule, at: Option<u64>) -> String {
    format!("{} {reuse:?}, {schedule}, thawed at {at:?}", W::definition().name)
}

/// Each operation of the first of two runs at which a copy can be frozen, before or after it.
fn freezes(calm: &Trial) -> Vec<Schedule> {
    let of_first = &calm.operations[..calm.from as usize];
    // A canceller that has read no row yet knows a key only: it may cancel the later run.
    let knows_none = |at, action| Some(at) == calm.cancelled && action == Action::HoldBefore;
    let holds = |schedule: &Schedule| {
        let (at, action) = schedule.0[0];
        matches!(action, Action::HoldBefore | Action::HoldAfter) && !knows_none(at, action)
    };
    singles(of_first, 0).into_iter().filter(holds).collect()
}

/// Freezes a copy of the first run at every operation, and has it go on at every `stride`-th moment of
/// the second.
fn survives<W: Workflow>(reuse: Reuse, inputs: &[W::Input; 2], stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let attempt = |schedule: &Schedule, at| {
        twice::<W>(&sound, reuse, inputs, schedule, at)
            .map_err(|why| format!("{}: {why}", named::<W>(reuse, schedule, at)))
    };
    let calm = attempt(&Schedule::default(), None).unwrap_or_else(|why| panic!("{why}"));
    let (mut failures, mut there, mut tried) = (Vec::new(), 0, 0);
    for freeze in freezes(&calm) {
        // What is done meanwhile for the first run is numbered, too.
        let frozen = match attempt(&freeze, None) {
            Ok(frozen) => frozen,
            Err(why) => {
                failures.push(why);
                continue;
            }
        };
        for at in frozen.from..frozen.operations.len() as u64 {
            there += 1;
            if there % stride == 0 {
                tried += 1;
                failures.extend(attempt(&freeze, Some(at)).err());
            }
        }
    }
    let name = W::definition().name;
    say(format_args!("`{name}` under a key used again: {tried} of {there} moments at which a copy goes on"));
    report::<W>(&failures);
}

/// Freezes a copy of the first run `count` times at random, each time with one more fault in the second.
fn survives_at_random<W: Workflow>(reuse: Reuse, inputs: &[W::Input; 2], count: usize, seed: u64)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let attempt = |schedule: &Schedule, at| {
        let named = || format!("seed {seed}, {}", named::<W>(reuse, schedule, at));
        twice::<W>(&sound, reuse, inputs, schedule, at).unwrap_or_else(|why| panic!("{}: {why}", named()))
    };
    let freezes = freezes(&attempt(&Schedule::default(), None));
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..count {
        let mut schedule = freezes[random.usize(..freezes.len())].clone();
        let frozen = attempt(&schedule, None);
        let of_second = frozen.from..frozen.operations.len() as u64;
        let more = singles(&frozen.operations, frozen.from);
        schedule.0.extend(more[random.usize(..more.len())].0.iter().copied());
        attempt(&schedule, Some(random.u64(of_second)));
    }
}

/// What goes wrong where a key is used again on a deployment of `parts`, with nothing frozen or with a
/// copy of the first run, that does not go wrong with the protocol as it is.
pub(crate) fn first_failure<W: Workflow>(
    parts: MakeParts<'_>,
    reuse: Reuse,
    inputs: &[W::Input; 2],
) -> Option<String>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let attempt = |parts, schedule: &Schedule, at| twice::<W>(parts, reuse, inputs, schedule, at);
    let new = |schedule: &Schedule, at| {
        let why = attempt(parts, schedule, at).err()?;
        attempt(&sound, schedule, at).ok()?;
        Some(format!("{}: {why}", named::<W>(reuse, schedule, at)))
    };
    let calm = Schedule::default();
    if let Some(why) = new(&calm, None) {
        return Some(why);
    }
    let calm = attempt(parts, &calm, None).ok()?;
    freezes(&calm).into_iter().find_map(|freeze| {
        let Ok(frozen) = attempt(parts, &freeze, None) else { return new(&freeze, None) };
        (frozen.from..frozen.operations.len() as u64).find_map(|at| new(&freeze, Some(at)))
    })
}

#[test]
fn a_copy_of_an_earlier_run_decides_nothing_in_a_chain() {
    for reuse in [GONE, REPLACED, IN_PARTS] {
        survives::<Chain>(reuse, &[3, 4], 1);
    }
}

#[test]
fn a_copy_of_an_earlier_run_decides_nothing_in_a_map() {
    for reuse in [GONE, REPLACED] {
        survives::<Fan>(reuse, &[vec![2, 1, 5], vec![4, 7]], stride(5));
    }
}

#[test]
fn a_copy_of_an_earlier_run_decides_nothing_in_one_that_is_redriven() {
    for reuse in [GONE, REPLACED] {
        let reuse = Reuse { redriven: Some([Duration::ZERO; 2]), ..reuse };
        survives::<shapes::chain::Chain>(reuse, &[3, 4], stride(7));
    }
}

#[test]
fn a_copy_of_an_earlier_run_decides_nothing_beside_another_fault() {
    let count = at_random() / 140;
    survives_at_random::<Chain>(GONE, &[3, 4], count, 21);
    survives_at_random::<Fan>(REPLACED, &[vec![2, 1, 5], vec![4, 7]], count, 22);
    let reuse = Reuse { redriven: Some([Duration::ZERO; 2]), ..GONE };
    survives_at_random::<shapes::chain::Chain>(reuse, &[3, 4], count, 23);
}

#[test]
fn a_copy_of_an_earlier_run_decides_nothing_in_a_race_or_a_batch() {
    survives::<Race>(GONE, &[3, 4], stride(23));
    survives::<Member>(GONE, &[3, 4], stride(17));
    let reuse = Reuse { redriven: Some([Duration::ZERO; 2]), ..REPLACED };
    survives::<shapes::together::Together>(reuse, &[3, 4], stride(61));
}

#[test]
fn a_canceller_of_an_earlier_run_cancels_nothing_of_the_later_one() {
    for reuse in [GONE, REPLACED] {
        let reuse = Reuse { cancelled: true, ..reuse };
        survives::<Chain>(reuse, &[3, 4], 1);
        survives::<Fan>(reuse, &[vec![2, 1, 5], vec![4, 7]], stride(11));
    }
}

/// Loses each event of the first run, and freezes a copy, or a sweep, at every operation that follows.
fn survives_a_loss<W: Workflow>(reuse: Reuse, inputs: &[W::Input; 2], stride: usize)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let attempt = |schedule: &Schedule, at| {
        twice::<W>(&sound, reuse, inputs, schedule, at)
            .map_err(|why| format!("{}: {why}", named::<W>(reuse, schedule, at)))
    };
    let calm = attempt(&Schedule::default(), None).unwrap_or_else(|why| panic!("{why}"));
    let (mut failures, mut there, mut tried) = (Vec::new(), 0, 0);
    let of_first = (0..calm.from).filter(|&at| calm.operations[at as usize] == Operation::Invoke);
    for lost in of_first.map(|at| (at, Action::Drop)) {
        let calm = match attempt(&Schedule(vec![lost]), None) {
            Ok(calm) => calm,
            Err(why) => {
                failures.push(why);
                continue;
            }
        };
        for freeze in freezes(&calm).into_iter().filter(|freeze| freeze.0[0].0 > lost.0) {
            let freeze = Schedule(vec![lost, freeze.0[0]]);
            let frozen = match attempt(&freeze, None) {
                Ok(frozen) => frozen,
                Err(why) => {
                    failures.push(why);
                    continue;
                }
            };
            for at in frozen.from..frozen.operations.len() as u64 {
                there += 1;
                if there % stride == 0 {
                    tried += 1;
                    failures.extend(attempt(&freeze, Some(at)).err());
                }
            }
        }
    }
    let name = W::definition().name;
    say(format_args!(
        "`{name}` under a key used again, swept: {tried} of {there} moments at which it goes on"
    ));
    report::<W>(&failures);
}

#[test]
fn a_sweep_of_an_earlier_run_decides_nothing_in_the_later_one() {
    for reuse in [GONE, REPLACED] {
        survives_a_loss::<Chain>(reuse, &[3, 4], stride(3));
        let reuse = Reuse { cancelled: true, ..reuse };
        survives_a_loss::<Chain>(reuse, &[3, 4], stride(3));
        survives_a_loss::<Fan>(reuse, &[vec![2, 1, 5], vec![4, 7]], stride(17));
        let reuse = Reuse { cancelled: false, redriven: Some([Duration::ZERO; 2]), ..reuse };
        survives_a_loss::<shapes::chain::Chain>(reuse, &[3, 4], stride(97));
    }
}
