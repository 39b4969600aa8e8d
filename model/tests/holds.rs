//! The protocol holds within every bound that is tried, and the checks see what they should.

use std::{
    collections::{BTreeSet, HashMap},
    io::Write,
};

use jointlambda_model::{Bounds, Clock, Protocol, State, properties::*, shapes, suite};
use stateright::Model;

/// Every check holds; their sizes are shown also when tests pass. Gives what they showed.
fn all_hold(checks: Vec<Protocol>) -> BTreeSet<&'static str> {
    let mut shown = BTreeSet::new();
    for check in checks {
        let report = check.check();
        writeln!(std::io::stderr(), "{report}").expect("stderr takes all writes");
        assert!(report.violated.is_empty(), "{report}");
        shown.extend(report.shown);
    }
    shown
}

fn shows(shown: &BTreeSet<&str>, wanted: &[&str]) {
    for one in wanted {
        assert!(shown.contains(one), "no state shows: {one}");
    }
}

#[test]
fn any_faults() {
    let shown = all_hold(suite::any_faults());
    let wanted = [LOST_RACE, FAILED_OVER, SWEPT, FAILED, RETURNED, JOINED_TWICE, ZOMBIE, EXPIRED];
    shows(&shown, &wanted);
}

#[test]
fn platforms_that_give_up() {
    shows(&all_hold(suite::giving_up()), &[FAILED, RETURNED, SWEPT, EXPIRED]);
}

#[test]
fn faults_where_branches_meet() {
    shows(&all_hold(suite::at_joins()), &[JOINED_TWICE, FAILED, RETURNED]);
}

#[test]
fn a_cloud_that_is_down_for_good() {
    shows(&all_hold(suite::outages()), &[FAILED_OVER, SWEPT, RETURNED]);
}

#[test]
fn tables_that_are_down_for_a_time() {
    shows(&all_hold(suite::tables()), &[FAILED, RETURNED, CANCELLED, REDRIVEN, SWEPT, EXPIRED]);
}

/// A short outage fails a run as little as a long one does.
#[test]
fn a_table_that_is_down_fails_no_run() {
    let down = Bounds { tables: 2, refusals: 1, drops: 1, total: 2, ..Bounds::default() };
    for shape in [&shapes::CHAIN, &shapes::CHOICE, &shapes::BRANCH, &shapes::EMPTY, &shapes::MAP_PURE] {
        let report = Protocol { attempts: 1, ..Protocol::new(shape, down) }.check();
        assert!(report.violated.is_empty(), "{report}");
        assert!(!report.shown.contains(&FAILED), "{report}");
    }
}

#[test]
fn copies_without_a_sweeper() {
    shows(&all_hold(suite::without_sweeper()), &[LOST_RACE, JOINED_TWICE, RETURNED]);
}

#[test]
fn a_crash_alone_fails_no_run() {
    for shape in shapes::ALL {
        let crash = Bounds { crashes: 1, duplicates: 1, ..Bounds::default() };
        let report = Protocol::new(shape, crash).check();
        assert!(report.violated.is_empty(), "{report}");
        assert!(!report.shown.contains(&FAILED), "{report}");
    }
}

#[test]
fn rows_that_outlive_the_deadline_are_enough() {
    shows(&all_hold(suite::retention()), &[FAILED, RETURNED, EXPIRED, SWEPT]);
}

/// How long rows must stay after the deadline: for as long as a function runs that began before it
/// by the latest clock, and a sweep that came as late as it may.
#[test]
fn rows_that_go_a_tick_earlier_are_not_enough() {
    let duplicate = Bounds { duplicates: 1, ..Bounds::default() };
    for (timeout, skew, lag) in [(1, 1, 0), (1, 2, 0), (1, 1, 1), (2, 1, 1)] {
        let check = |grace| {
            let clock = Clock { deadline: 2, timeout, skew, lag, grace, retention: 0 };
            Protocol { clock: Some(clock), ..Protocol::new(&shapes::CHAIN, duplicate) }.check()
        };
        let enough = timeout + skew.max(lag + 1);
        assert!(check(enough).violated.is_empty(), "{}", check(enough));
        assert!(check(enough - 1).violates(NO_ZOMBIES), "{}", check(enough - 1));
    }
}

#[test]
fn runs_that_are_cancelled() {
    shows(&all_hold(suite::cancellation()), &[CANCELLED, RETURNED, FAILED, SWEPT, ZOMBIE, EXPIRED]);
}

#[test]
fn runs_that_are_redriven() {
    shows(&all_hold(suite::redrives()), &[REDRIVEN, FAILED, CANCELLED, SWEPT, ZOMBIE, EXPIRED]);
}

#[test]
fn executions_of_user_functions() {
    shows(&all_hold(suite::executions()), &[LOST_RACE, SWEPT, RETURNED]);
}

/// With this and without stuck states, every run ends: there are finitely many states, and none
/// can be reached from itself.
#[test]
fn no_state_comes_back() {
    let pairs = [&shapes::CHAIN, &shapes::EMPTY].map(|shape| Protocol::new(shape, Bounds::any(2)));
    let single = shapes::ALL.map(|shape| Protocol::new(shape, Bounds::any(1)));
    let crash = Bounds { crashes: 1, ..Bounds::default() };
    let cancelled = shapes::ALL.map(|shape| Protocol::new(shape, crash.and_cancel()));
    let small = |one: &Protocol| one.bounds.total < 2 && ["chain", "empty map"].contains(&one.shape.name);
    let redriven = suite::redrives().into_iter().filter(small);
    for model in pairs
        .into_iter()
        .chain(redriven)
        .chain(single)
        .chain(cancelled)
        .chain(suite::outages().into_iter().take(2))
        .chain(suite::tables().into_iter().take(shapes::ALL.len()))
    {
        let left = unordered(&model);
        assert_eq!(left, 0, "{} states are on a cycle or behind one", left);
    }
}

/// The number of states that no topological order reaches.
fn unordered(model: &Protocol) -> usize {
    let mut index = HashMap::new();
    let mut states: Vec<State> = Vec::new();
    let mut edges: Vec<Vec<usize>> = Vec::new();
    let mut number = |state: State, states: &mut Vec<State>| {
        *index.entry(state).or_insert_with_key(|state| {
            states.push(state.clone());
            states.len() - 1
        })
    };
    for state in model.init_states() {
        number(state, &mut states);
    }
    while edges.len() < states.len() {
        let next = model.next_states(&states[edges.len()]);
        edges.push(next.into_iter().map(|state| number(state, &mut states)).collect());
    }
    let mut incoming = vec![0_usize; states.len()];
    edges.iter().flatten().for_each(|&to| incoming[to] += 1);
    let mut ready: Vec<usize> = (0..states.len()).filter(|&state| incoming[state] == 0).collect();
    let mut left = states.len();
    while let Some(state) = ready.pop() {
        left -= 1;
        for &to in &edges[state] {
            incoming[to] -= 1;
            if incoming[to] == 0 {
                ready.push(to);
            }
        }
    }
    left
}

#[test]
fn steps_made_at_once_hide_nothing() {
    let pairs = [&shapes::CHAIN, &shapes::EMPTY].map(|shape| Protocol::new(shape, Bounds::any(2)));
    let single = shapes::ALL.map(|shape| Protocol::new(shape, Bounds::any(1)));
    let cancelled = shapes::ALL.map(|shape| Protocol::new(shape, Bounds::any(0).and_cancel()));
    let redriven =
        suite::redrives().into_iter().filter(|one| one.bounds.redrives == 2 && one.bounds.total < 2);
    for protocol in pairs.into_iter().chain(single).chain(cancelled).chain(redriven) {
        let reduced = protocol.clone().check();
        let full = Protocol { reduced: false, ..protocol }.check();
        assert!(full.violated.is_empty(), "{full}");
        assert_eq!(reduced.shown, full.shown, "{full}");
        assert!(reduced.states < full.states, "{full}");
    }
}
