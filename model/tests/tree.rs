//! Trees of join rows hold under sweeps that look again and again, and what is done wrong is found.

use std::{collections::BTreeSet, io::Write};

use jointlambda_model::{
    Bounds, suite,
    tree::{ENDED, EXECUTIONS, FIRED_AGAIN, FIRES_WHEN_FULL, LOOKED_LATE, REPAIRED, SENT_AGAIN, Tree, Wrong},
};

#[test]
fn trees_that_are_swept() {
    let mut shown = BTreeSet::new();
    for check in suite::trees() {
        let report = check.check();
        writeln!(std::io::stderr(), "{report}").expect("stderr takes all writes");
        assert!(report.violated.is_empty(), "{report}");
        shown.extend(report.shown);
    }
    assert_eq!(shown, BTreeSet::from([ENDED, FIRED_AGAIN, LOOKED_LATE, SENT_AGAIN]));
}

fn drops(drops: u8) -> Bounds {
    Bounds { drops, ..Bounds::default() }
}

/// `tree` holds, and with `wrong` it violates `property`.
fn found(tree: Tree, wrong: Wrong, property: &'static str) {
    let sound = tree.clone().check();
    assert!(sound.violated.is_empty(), "{sound}");
    let report = Tree { mutation: Some(wrong), ..tree }.hunt(property);
    println!("{report}");
    assert!(report.violates(property), "{wrong:?} does not violate: {property}\n{report}");
}

#[test]
fn a_sweep_goes_on_from_every_full_row() {
    found(Tree::new(2, drops(0)), Wrong::FireOnceARow, EXECUTIONS);
}

#[test]
fn a_sweep_carries_full_leaves_up() {
    found(Tree::new(4, drops(0)), Wrong::LeavesCarriedBySweeps, EXECUTIONS);
}

#[test]
fn patience_does_not_grow() {
    found(Tree::new(4, drops(0)), Wrong::RepeatAtEveryLook, EXECUTIONS);
}

/// A call that was repeated at the last look is not open twice as long at the next one, nor ever again.
#[test]
fn patience_is_asked_of_the_last_look_alone() {
    let late = Tree { apart: 2, ..Tree::new(4, drops(2)) };
    found(late, Wrong::DoubledSinceTheLastLook, REPAIRED);
}

#[test]
fn a_table_that_is_down_ends_the_walk() {
    let dark = Tree { dark: true, ..Tree::new(3, drops(1)) };
    found(dark, Wrong::FaultEndsTheWalk, REPAIRED);
}

#[test]
fn a_full_tree_is_left() {
    found(Tree::new(2, drops(1)), Wrong::FullTreesAreLeft, REPAIRED);
}

#[test]
fn whoever_arrives_in_the_top_row_goes_on() {
    found(Tree::new(0, drops(0)), Wrong::FireAtEveryArrival, FIRES_WHEN_FULL);
}
