//! The checks that are made: in every test run, and at length.

use crate::{
    bounds::{Bounds, Clock, Outage},
    model::Protocol,
    shapes::{ALL, BRANCH, CHAIN, CHOICE, Cloud, EMPTY, GATHER, MAP_IMPURE, MAP_PURE, Shape},
};

/// Any faults of any kind, in every order.
pub fn any_faults() -> Vec<Protocol> {
    let pairs = ALL.into_iter().map(|shape| Protocol::new(shape, Bounds::any(2)));
    let triples = [&CHAIN, &CHOICE, &EMPTY].map(|shape| Protocol::new(shape, Bounds::any(3)));
    pairs.chain(triples).collect()
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

/// Nobody sweeps, and no event is lost: copies alone bring the run to its end.
pub fn without_sweeper() -> Vec<Protocol> {
    let bounds =
        Bounds { crashes: 1, duplicates: 1, unknowns: 1, restarts: 1, total: 2, ..Bounds::default() };
    let alone = |shape| Protocol { sweeper: false, ..Protocol::new(shape, bounds) };
    ALL.into_iter().map(alone).collect()
}

/// Rows that expire by the clock. An event past its run's deadline is dropped, which the runtime
/// does not do yet: then rows need to stay for the deadline and one tick more.
pub fn retention() -> Vec<Protocol> {
    let clock = Clock { deadline: 2, event_age: 2, retention: 3, dead_on_arrival: true, horizon: 9 };
    let bounds = Bounds { duplicates: 1, ..Bounds::default() };
    [&CHAIN, &MAP_PURE, &BRANCH]
        .map(|shape| Protocol { clock: Some(clock), ..Protocol::new(shape, bounds) })
        .into()
}

/// All of the above.
pub fn short() -> Vec<Protocol> {
    [any_faults(), giving_up(), at_joins(), outages(), without_sweeper(), retention()].concat()
}

/// What takes minutes.
pub fn long() -> Vec<Protocol> {
    let sweep = Bounds { crashes: 1, duplicates: 1, sweeps: 1, ..Bounds::default() };
    let crashes = Bounds { crashes: 2, sweeps: 1, ..Bounds::default() };
    let joins = [&MAP_PURE, &MAP_IMPURE, &GATHER];
    let mut all = vec![Protocol::new(&CHAIN, Bounds::any(4)), Protocol::new(&BRANCH, Bounds::any(3))];
    all.extend(joins.map(|shape| Protocol::new(shape, sweep)));
    all.extend(joins.map(|shape| Protocol::new(shape, crashes)));
    all.push(Protocol::new(&CHOICE, Bounds::any(4)));
    all
}
