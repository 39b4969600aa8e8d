//! Nothing is given up by a wrong clock, and what is done wrong about time is found.

use std::{collections::BTreeSet, io::Write};

use jointlambda_model::{
    clocks::{Clocks, ENDS, GIVEN_UP, MISLED, NOT_EARLY, NOT_REPLACED, REPLACED, Wrong},
    suite,
};

#[test]
fn clocks_that_are_wrong() {
    let mut shown = BTreeSet::new();
    for check in suite::clocks() {
        let report = check.check();
        writeln!(std::io::stderr(), "{report}").expect("stderr takes all writes");
        assert!(report.violated.is_empty(), "{report}");
        shown.extend(report.shown);
    }
    assert_eq!(shown, BTreeSet::from([GIVEN_UP, MISLED, REPLACED]));
}

/// `clocks` hold, and with `wrong` they violate each of the properties.
fn found(clocks: Clocks, wrong: Wrong, properties: &[&'static str]) {
    let sound = clocks.clone().check();
    assert!(sound.violated.is_empty(), "{sound}");
    for property in properties {
        let report = Clocks { mutation: Some(wrong), ..clocks.clone() }.hunt(property);
        println!("{report}");
        assert!(report.violates(property), "{wrong:?} does not violate: {property}\n{report}");
    }
}

#[test]
fn a_process_goes_by_its_own_clock() {
    found(Clocks::new(1, None), Wrong::LocalClock, &[NOT_EARLY, NOT_REPLACED]);
}

#[test]
fn one_table_is_enough() {
    found(Clocks::new(2, Some((0, true))), Wrong::OneTableIsEnough, &[NOT_EARLY, NOT_REPLACED]);
}

#[test]
fn the_latest_time_counts() {
    found(Clocks::new(2, Some((1, true))), Wrong::LatestCounts, &[NOT_EARLY, NOT_REPLACED]);
}

#[test]
fn nobody_asks_what_time_it_is() {
    found(Clocks::new(2, None), Wrong::NobodyAsks, &[ENDS]);
}
