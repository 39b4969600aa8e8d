//! Batches hold within every bound that is tried, and what is done wrong with them is found.

use std::{collections::BTreeSet, io::Write};

use jointlambda_model::{
    Bounds,
    batches::{
        ALL_RETURNED, ALONE, Batches, ENDS, FAILED, INCOMPLETE, ONE_OUTCOME, OWN_FAILURE, SIZES, TOGETHER,
        Wrong,
    },
    suite,
};

#[test]
fn runs_that_share_batches() {
    let mut shown = BTreeSet::new();
    for check in suite::batches() {
        let report = check.check();
        writeln!(std::io::stderr(), "{report}").expect("stderr takes all writes");
        assert!(report.violated.is_empty(), "{report}");
        shown.extend(report.shown);
    }
    assert_eq!(shown, BTreeSet::from([ALL_RETURNED, ALONE, FAILED, INCOMPLETE, TOGETHER]));
}

/// Of two runs, the one whose call is sound returns whatever the other does.
#[test]
fn a_broken_member_fails_its_own_run_alone() {
    let crash = Bounds { crashes: 1, duplicates: 1, total: 1, ..Bounds::default() };
    let report = Batches { broken: Some(0), ..Batches::new(2, crash) }.check();
    assert!(report.violated.is_empty(), "{report}");
    assert!(report.shown.contains(&FAILED) && !report.shown.contains(&ALL_RETURNED), "{report}");
}

const NONE: Bounds = Bounds {
    total: 0,
    duplicates: 0,
    drops: 0,
    crashes: 0,
    refusals: 0,
    unknowns: 0,
    outages: 0,
    restarts: 0,
    sweeps: 0,
    deadlines: 0,
    tables: 0,
    cancels: 0,
    redrives: 0,
};
const CRASH: Bounds = Bounds { crashes: 1, ..NONE };

/// `batches` hold, and with `wrong` they violate `property`.
fn found(batches: Batches, wrong: Wrong, property: &'static str) {
    let sound = batches.clone().check();
    assert!(sound.violated.is_empty(), "{sound}");
    let report = Batches { mutation: Some(wrong), ..batches }.hunt(property);
    println!("{report}");
    assert!(report.violates(property), "{wrong:?} does not violate: {property}\n{report}");
}

fn alone(batches: Batches) -> Batches {
    Batches { sweeper: false, ..batches }
}

#[test]
fn a_call_is_appended_again() {
    let restart = Bounds { restarts: 1, ..NONE };
    found(Batches::new(2, restart), Wrong::AppendNotIdempotent, SIZES);
}

#[test]
fn a_batch_takes_more_than_its_size() {
    found(Batches::new(3, NONE), Wrong::RoomNotAsked, SIZES);
}

#[test]
fn a_batch_that_is_not_full_is_not_run() {
    found(alone(Batches::new(1, NONE)), Wrong::NoFlush, ENDS);
    found(alone(Batches::new(3, NONE)), Wrong::NoFlush, ENDS);
}

#[test]
fn values_are_given_in_another_order() {
    found(Batches::new(2, NONE), Wrong::OtherOrder, ONE_OUTCOME);
}

#[test]
fn members_fail_together() {
    let once = Batches { attempts: 1, ..Batches::new(2, CRASH) };
    found(once, Wrong::FailTogether, OWN_FAILURE);
}

#[test]
fn what_the_last_delivery_decided_is_left() {
    found(alone(Batches::new(2, CRASH)), Wrong::DecidedAreLeft, ENDS);
}
