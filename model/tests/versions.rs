//! Deployments stand side by side, and what one does wrong with another's runs is found.

use std::{collections::BTreeSet, io::Write};

use jointlambda_model::{
    suite,
    versions::{ALL_ENDED, ENDS, MISLED, OWN_OUTCOME, SENT_AGAIN, Versions, Wrong},
};

#[test]
fn deployments_side_by_side() {
    let mut shown = BTreeSet::new();
    for check in suite::versions() {
        let report = check.check();
        writeln!(std::io::stderr(), "{report}").expect("stderr takes all writes");
        assert!(report.violated.is_empty(), "{report}");
        shown.extend(report.shown);
    }
    assert_eq!(shown, BTreeSet::from([ALL_ENDED, MISLED, SENT_AGAIN]));
}

/// `versions` hold, and with `wrong` they violate `property`.
fn found(versions: Versions, wrong: Wrong, property: &'static str) {
    let sound = versions.clone().check();
    assert!(sound.violated.is_empty(), "{sound}");
    let report = Versions { mutation: Some(wrong), ..versions }.hunt(property);
    println!("{report}");
    assert!(report.violates(property), "{wrong:?} does not violate: {property}\n{report}");
}

#[test]
fn a_sweep_fails_what_it_cannot_read() {
    found(Versions::new(2), Wrong::SweepFailsTheForeign, OWN_OUTCOME);
}

#[test]
fn runs_of_a_version_that_is_gone_block_the_index() {
    let gone = Versions { gone: true, ..Versions::new(2) };
    found(gone, Wrong::ForeignRunsBlockTheIndex, ENDS);
}

#[test]
fn a_sweep_postpones_what_it_cannot_read() {
    found(Versions::new(2), Wrong::SweepPostponesTheForeign, ENDS);
}

#[test]
fn a_refused_event_fails_its_run() {
    found(Versions::new(2), Wrong::RefusedEventsFailTheRun, OWN_OUTCOME);
}
