//! Runs with one key do not mix, and what is done wrong about that is found.

use std::{collections::BTreeSet, io::Write};

use jointlambda_model::{
    Bounds,
    incarnations::{
        ENDS, Incarnations, NO_OBJECT_LEFT, ONLY_STARTS, OUTLIVED, OWN_LINK, OWN_SLOTS, OWN_VALUES,
        REDRIVEN_BOTH, SECOND_RETURNED, STORED_WHILE_OPEN, TWO_PROPOSED, Wrong, ZOMBIES,
    },
    suite,
};

#[test]
fn runs_that_share_a_key() {
    let mut shown = BTreeSet::new();
    for check in suite::incarnations() {
        let report = check.check();
        writeln!(std::io::stderr(), "{report}").expect("stderr takes all writes");
        assert!(report.violated.is_empty(), "{report}");
        shown.extend(report.shown);
    }
    assert_eq!(shown, BTreeSet::from([OUTLIVED, REDRIVEN_BOTH, SECOND_RETURNED, TWO_PROPOSED]));
}

/// `incarnations` hold, and with `wrong` they violate `property`.
fn found(incarnations: Incarnations, wrong: Wrong, property: &'static str) {
    let sound = incarnations.clone().check();
    assert!(sound.violated.is_empty(), "{sound}");
    let report = Incarnations { mutation: Some(wrong), ..incarnations }.hunt(property);
    println!("{report}");
    assert!(report.violates(property), "{wrong:?} does not violate: {property}\n{report}");
}

fn twice(bounds: Bounds) -> Incarnations {
    Incarnations::new(2, bounds)
}

fn none() -> Bounds {
    Bounds::default()
}

/// The last call fails every time, and runs are redriven.
fn redriven(bounds: Bounds) -> Incarnations {
    Incarnations { failing: true, ..twice(bounds) }
}

#[test]
fn names_derive_from_the_key_alone() {
    found(twice(none()), Wrong::NamesWithoutIncarnation, OWN_VALUES);
}

#[test]
fn an_end_does_not_ask_whose_row_it_is() {
    found(twice(none()), Wrong::EndWithoutCheck, OWN_SLOTS);
    found(Incarnations::new(1, none()), Wrong::EndWithoutCheck, ONLY_STARTS);
    // So does the end that a sweep of the earlier run brings late.
    let overdue = Bounds { deadlines: 1, ..none() };
    found(twice(overdue), Wrong::EndWithoutCheck, OWN_SLOTS);
}

#[test]
fn a_cancellation_does_not_ask_whose_row_it_is() {
    found(twice(none().and_cancel()), Wrong::CancelWithoutCheck, OWN_SLOTS);
    found(Incarnations::new(1, none().and_cancel()), Wrong::CancelWithoutCheck, ONLY_STARTS);
}

#[test]
fn the_link_of_a_redrive_does_not_ask_whose_row_it_is() {
    found(redriven(none().and_redrive(1)), Wrong::LinkWithoutCheck, OWN_SLOTS);
    found(redriven(none().and_redrive(1)), Wrong::LinkWithoutCheck, OWN_LINK);
}

#[test]
fn the_redriven_run_is_named_by_the_run_alone() {
    let both = Incarnations { redriven_stay: true, ..redriven(none().and_redrive(2)) };
    found(both, Wrong::RedrivenByRunAlone, OWN_LINK);
}

#[test]
fn a_start_leaves_the_slots_of_an_earlier_run() {
    found(twice(none()), Wrong::CreateKeepsSlots, OWN_SLOTS);
}

#[test]
fn a_start_leaves_the_incarnation_of_an_earlier_run() {
    found(twice(none()), Wrong::CreateKeepsInc, ENDS);
}

#[test]
fn the_start_that_was_second_leaves_its_values() {
    found(twice(none()), Wrong::LoserKeepsItsValues, NO_OBJECT_LEFT);
}

#[test]
fn the_start_that_was_second_deletes_the_values_of_the_first() {
    found(twice(none()), Wrong::LoserDeletesByKey, STORED_WHILE_OPEN);
    let together = Incarnations { same_time: true, ..twice(none()) };
    found(together, Wrong::LoserDeletesItsTwin, STORED_WHILE_OPEN);
}

#[test]
fn a_late_copy_does_not_ask_whose_row_it_reads() {
    let duplicate = Bounds { duplicates: 1, ..none() };
    found(twice(duplicate), Wrong::ReadWithoutCheck, ZOMBIES);
}
