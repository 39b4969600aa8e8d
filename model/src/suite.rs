//! The checks that are made: in every test run, and at length.

use crate::{
    batches::Batches,
    bounds::{Bounds, Clock, Outage},
    check::Report,
    clocks::Clocks,
    incarnations::Incarnations,
    model::Protocol,
    shapes::{
        ALL, BRANCH, CHAIN, CHOICE, Cloud, EMPTY, GATHER, LATE, LONG, MAP_IMPURE, MAP_PURE, NodeIndex, RACE,
        Shape,
    },
    tree::Tree,
    versions::Versions,
};

/// Any faults of any kind, in every order.
pub fn any_faults() -> Vec<Protocol> {
    let pairs = ALL.into_iter().map(|shape| Protocol::new(shape, Bounds::any(2)));
    let triples = [&CHAIN, &CHOICE, &EMPTY].map(|shape| Protocol::new(shape, Bounds::any(3)));
    pairs.chain(triples).chain([Protocol::new(&LATE, Bounds::any(1))]).collect()
}

/// Platforms that give up after one delivery, so that a single crash abandons an event.
pub fn giving_up() -> Vec<Protocol> {
    let once = |shape, total| Protocol { attempts: 1, ..Protocol::new(shape, Bounds::any(total)) };
    let all = ALL.into_iter().map(|shape| once(shape, 1));
    all.chain([&CHAIN, &CHOICE, &EMPTY, &BRANCH].map(|shape| once(shape, 2))).collect()
}

/// More of the faults that meet where branches meet.
pub fn at_joins() -> Vec<Protocol> {
    let crashes = Bounds { crashes: 2, duplicates: 1, ..Bounds::default() };
    let one_each = Bounds { crashes: 1, duplicates: 1, drops: 1, ..Bounds::default() };
    let of = |bounds| [&MAP_PURE, &MAP_IMPURE].map(|shape| Protocol::new(shape, bounds));
    of(crashes).into_iter().chain(of(one_each)).chain([Protocol::new(&GATHER, one_each)]).collect()
}

/// The functions of a cloud are gone for good, and something else goes wrong.
pub fn outages() -> Vec<Protocol> {
    let without = |shape: &'static Shape, cloud: Cloud| Protocol {
        outage: Outage::ForGood(cloud),
        ..Protocol::new(shape, Bounds::any(2))
    };
    vec![without(&CHAIN, 0), without(&EMPTY, 0), without(&MAP_PURE, 1)]
}

/// Nobody sweeps, and no event is lost: copies alone bring the run to its end. An event that is given up
/// since an answer was lost is a sweep's to find, so that there is one delivery more then.
pub fn without_sweeper() -> Vec<Protocol> {
    let bounds = Bounds { crashes: 1, duplicates: 1, restarts: 1, total: 2, ..Bounds::default() };
    let alone = |shape| Protocol { sweeper: false, ..Protocol::new(shape, bounds) };
    let unknown = Bounds { unknowns: 1, ..bounds };
    let thrice = |shape| Protocol { attempts: 3, bounds: unknown, ..alone(shape) };
    ALL.map(alone).into_iter().chain(ALL.map(thrice)).collect()
}

/// Rows that expire by the clock, at the earliest moment that is sound: whoever began before the
/// deadline by the latest clock, and the sweep that came last, have then run as long as they may.
pub fn retention() -> Vec<Protocol> {
    let bounds = Bounds { duplicates: 1, crashes: 1, total: 1, ..Bounds::default() };
    let all = [&CHAIN, &LONG, &MAP_PURE].map(|shape| timed(shape, bounds));
    all.into_iter().chain([timed(&CHAIN, bounds.and_cancel())]).collect()
}

/// A run by the clock.
pub fn timed(shape: &'static Shape, bounds: Bounds) -> Protocol {
    let clock = Clock { deadline: 2, timeout: 1, skew: 1, lag: 1, grace: 3, retention: 1 };
    Protocol { clock: Some(clock), ..Protocol::new(shape, bounds) }
}

/// Tables that go down at any moment and come back, and something else goes wrong; with platforms that
/// give up after one delivery too.
pub fn tables() -> Vec<Protocol> {
    let down = |total| Bounds { tables: 1, ..Bounds::any(total) };
    let once = |shape, bounds| Protocol { attempts: 1, ..Protocol::new(shape, bounds) };
    let twice = ALL.map(|shape| Protocol::new(shape, Bounds { tables: 2, ..Bounds::default() }));
    let narrow = [&CHAIN, &CHOICE, &EMPTY, &BRANCH];
    let pairs = narrow.map(|shape| once(shape, down(2)));
    let delivered_again = narrow.map(|shape| Protocol::new(shape, down(2)));
    let crash = Bounds { total: 2, tables: 1, crashes: 1, ..Bounds::default() };
    let wide = [&MAP_PURE, &MAP_IMPURE, &GATHER, &RACE].map(|shape| once(shape, crash));
    let pairs = pairs.into_iter().chain(delivered_again).chain(wide);
    let alone = Bounds { tables: 1, ..Bounds::default() };
    let cancelled = ALL.map(|shape| once(shape, alone.and_cancel()));
    let cancelled = cancelled.into_iter().chain(narrow.map(|shape| once(shape, down(1).and_cancel())));
    let redriven = alone.and_redrive(1);
    let redriven = [(&CHAIN, (2, 0)), (&MAP_PURE, (1, 0)), (&MAP_IMPURE, (1, 0)), (&EMPTY, (3, 0))]
        .map(|(shape, broken)| Protocol { broken: Some(broken), ..once(shape, redriven) });
    twice.into_iter().chain(pairs).chain(cancelled).chain(redriven).collect()
}

/// A client cancels the run at any moment, and something else goes wrong.
pub fn cancellation() -> Vec<Protocol> {
    let all = ALL.into_iter().map(|shape| Protocol::new(shape, Bounds::any(1).and_cancel()));
    let pairs =
        [&CHAIN, &CHOICE, &EMPTY, &BRANCH].map(|shape| Protocol::new(shape, Bounds::any(2).and_cancel()));
    let once = |shape| Protocol { attempts: 1, ..Protocol::new(shape, Bounds::any(1).and_cancel()) };
    let late = Protocol::new(&LATE, Bounds::any(1).and_cancel());
    all.chain(pairs).chain(ALL.into_iter().map(once)).chain([late]).collect()
}

/// How often user functions begin.
pub fn executions() -> Vec<Protocol> {
    let counted = |shape, total| Protocol { counted: true, ..Protocol::new(shape, Bounds::any(total)) };
    let all = ALL.into_iter().map(|shape| counted(shape, 1));
    all.chain([&CHAIN, &CHOICE, &LONG].map(|shape| counted(shape, 2))).collect()
}

/// Runs that fail, of a call that fails every time, and are redriven while what is left of them still
/// runs; and something else goes wrong.
pub fn redrives() -> Vec<Protocol> {
    let failing = |(shape, broken), bounds: Bounds| Protocol {
        broken: Some(broken),
        attempts: 1,
        ..Protocol::new(shape, bounds)
    };
    let all: [(&'static Shape, (NodeIndex, u8)); 8] = [
        (&CHAIN, (2, 0)),
        (&LONG, (3, 0)),
        (&MAP_PURE, (1, 0)),
        (&MAP_IMPURE, (1, 0)),
        (&GATHER, (2, 1)),
        (&BRANCH, (2, 0)),
        (&EMPTY, (3, 0)),
        (&RACE, (3, 0)),
    ];
    let wide = [all[2], all[3], all[4], all[7]];
    let single = [all[0], all[1], all[5], all[6]].map(|one| failing(one, Bounds::any(1).and_redrive(2)));
    let pairs = [all[0], all[5], all[6]].map(|one| failing(one, Bounds::any(2).and_redrive(1)));
    let meeting = wide.map(|shape| failing(shape, Bounds::any(1).and_redrive(1)));
    let twice = wide.map(|one| failing(one, Bounds::any(0).and_redrive(2)));
    let cancelled = [all[0], all[2]].map(|one| failing(one, Bounds::any(0).and_cancel().and_redrive(1)));
    single.into_iter().chain(pairs).chain(meeting).chain(twice).chain(cancelled).collect()
}

/// Runs that share batches, with any faults; with a call that fails every time; with platforms that give
/// up after one delivery; and without a sweeper.
pub fn batches() -> Vec<Batches> {
    let any = |total| Bounds {
        total,
        duplicates: total,
        drops: total,
        crashes: total,
        unknowns: total,
        restarts: total,
        sweeps: total,
        ..Bounds::default()
    };
    let none = Bounds::default();
    let broken = |runs, bounds| Batches { broken: Some(0), ..Batches::new(runs, bounds) };
    let once = |batches| Batches { attempts: 1, ..batches };
    let alone = |batches| Batches { sweeper: false, ..batches };
    vec![
        Batches::new(2, any(2)),
        broken(2, any(1)),
        once(Batches::new(2, any(1))),
        once(broken(2, any(1))),
        alone(Batches::new(2, Bounds { drops: 0, sweeps: 0, ..any(2) })),
        Batches::new(3, Bounds { total: 1, crashes: 1, duplicates: 1, drops: 1, ..none }),
        broken(3, Bounds { crashes: 1, ..none }),
    ]
}

/// Any of the faults that a check of incarnations knows.
fn any_of_incarnations(total: u8) -> Bounds {
    Bounds {
        total,
        crashes: total,
        duplicates: total,
        drops: total,
        sweeps: total,
        deadlines: total,
        ..Bounds::default()
    }
}

/// A key whose runs fail, so that they can be redriven.
fn failing_incarnations(starts: u8, bounds: Bounds) -> Incarnations {
    Incarnations { failing: true, ..Incarnations::new(starts, bounds) }
}

/// Runs that one key names, at once and one after another, whose rows expire in any order; with any
/// faults; cancelled; and redriven.
pub fn incarnations() -> Vec<Incarnations> {
    let (none, any, failing) = (Bounds::default(), any_of_incarnations, failing_incarnations);
    let staying = |check| Incarnations { redriven_stay: true, ..check };
    let crash_or_duplicate = Bounds { total: 1, crashes: 1, duplicates: 1, ..none };
    vec![
        Incarnations::new(2, any(1)),
        Incarnations::new(2, any(2)),
        Incarnations { same_time: true, ..Incarnations::new(2, any(1)) },
        Incarnations::new(2, crash_or_duplicate.and_cancel()),
        Incarnations::new(3, none),
        failing(1, any(1).and_redrive(1)),
        failing(1, none.and_redrive(2)),
        failing(2, none.and_redrive(1)),
        staying(failing(2, Bounds { duplicates: 1, ..none }.and_redrive(1))),
        staying(failing(2, none.and_redrive(2))),
    ]
}

/// The same for what takes minutes.
pub fn incarnations_long() -> Vec<Incarnations> {
    let (none, any, failing) = (Bounds::default(), any_of_incarnations, failing_incarnations);
    vec![
        Incarnations::new(2, any(2).and_cancel()),
        Incarnations::new(3, any(1)),
        failing(2, any(1).and_redrive(1)),
        failing(2, none.and_redrive(2)),
    ]
}

/// A tree of join rows that sweeps look at again and again, with executions counted.
pub fn trees() -> Vec<Tree> {
    let none = Bounds::default();
    let apart = |ticks, apart, bounds| Tree { apart, ..Tree::new(ticks, bounds) };
    vec![
        Tree::new(8, none),
        apart(8, 4, none),
        Tree::new(1, Bounds { crashes: 1, duplicates: 1, drops: 1, ..none }),
        Tree::new(2, Bounds { total: 1, crashes: 1, duplicates: 1, ..none }),
        apart(5, 2, Bounds { drops: 2, ..none }),
        Tree { dark: true, ..apart(4, 2, Bounds { drops: 1, ..none }) },
    ]
}

/// The same for what takes minutes.
pub fn trees_long() -> Vec<Tree> {
    let none = Bounds::default();
    let one = Bounds { total: 1, crashes: 1, duplicates: 1, drops: 1, ..none };
    vec![
        Tree { apart: 2, ..Tree::new(4, one) },
        Tree { apart: 3, ..Tree::new(9, Bounds { drops: 3, ..none }) },
    ]
}

/// Times of tables and clocks of processes that are wrong.
pub fn clocks() -> Vec<Clocks> {
    let wrong = [None, Some((0, true)), Some((0, false)), Some((1, true)), Some((1, false))];
    [Clocks::new(1, None)].into_iter().chain(wrong.map(|wrong| Clocks::new(2, wrong))).collect()
}

/// Two deployments side by side on one table, and one that is gone.
pub fn versions() -> Vec<Versions> {
    vec![Versions::new(2), Versions { gone: true, ..Versions::new(2) }, Versions::new(3)]
}

/// What each check finds, one after another; also those that take minutes, if wanted.
pub fn reports(is_long: bool) -> impl Iterator<Item = Report> {
    let (mut protocols, mut incarnations, mut trees) = (short(), self::incarnations(), self::trees());
    if is_long {
        protocols.extend(long());
        incarnations.extend(incarnations_long());
        trees.extend(trees_long());
    }
    let protocols = protocols.into_iter().map(Protocol::check);
    let others =
        batches().into_iter().map(Batches::check).chain(incarnations.into_iter().map(Incarnations::check));
    let others = others.chain(trees.into_iter().map(Tree::check));
    let others = others.chain(clocks().into_iter().map(Clocks::check));
    let others = others.chain(versions().into_iter().map(Versions::check));
    protocols.chain(others)
}

/// All checks of the protocol within one run.
pub fn short() -> Vec<Protocol> {
    let faults = [any_faults(), giving_up(), at_joins(), outages(), tables(), without_sweeper()].concat();
    [faults, retention(), cancellation(), executions(), redrives()].concat()
}

/// What takes minutes.
pub fn long() -> Vec<Protocol> {
    let sweep = Bounds { crashes: 1, duplicates: 1, sweeps: 1, ..Bounds::default() };
    let crashes = Bounds { crashes: 2, sweeps: 1, ..Bounds::default() };
    let joins = [&MAP_PURE, &MAP_IMPURE, &GATHER];
    let mut all = vec![Protocol::new(&CHAIN, Bounds::any(4)), Protocol::new(&BRANCH, Bounds::any(3))];
    all.extend(joins.map(|shape| Protocol::new(shape, sweep)));
    all.extend(joins.map(|shape| Protocol::new(shape, crashes)));
    let down = Bounds { tables: 1, ..Bounds::any(2) };
    all.extend(joins.map(|shape| Protocol { attempts: 1, ..Protocol::new(shape, down) }));
    all.extend(joins.map(|shape| Protocol::new(shape, Bounds::any(2).and_cancel())));
    all.push(Protocol::new(&CHOICE, Bounds::any(4)));
    let failing = |shape, broken| Protocol {
        broken: Some(broken),
        attempts: 1,
        ..Protocol::new(shape, Bounds::any(2).and_redrive(1))
    };
    all.extend([failing(&MAP_PURE, (1, 0)), failing(&MAP_IMPURE, (1, 0)), failing(&GATHER, (2, 1))]);
    all
}
