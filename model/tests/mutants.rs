//! Each mutation is found, within bounds in which the protocol itself holds.

use jointlambda_model::{Bounds, Mutation, Protocol, properties::*, shapes, suite};

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
const DUPLICATE: Bounds = Bounds { duplicates: 1, ..NONE };
const CRASH: Bounds = Bounds { crashes: 1, ..NONE };

/// `protocol` holds, and with `mutation` it violates `property`.
fn found(protocol: Protocol, mutation: Mutation, property: &str) {
    let property = SAFE.into_iter().find(|safe| *safe == property).expect("it is a safe property");
    let sound = protocol.clone().check();
    assert!(sound.violated.is_empty(), "{sound}");
    let report = Protocol { mutation: Some(mutation), ..protocol }.hunt(property);
    println!("{report}");
    assert!(report.violates(property), "{mutation:?} does not violate: {property}\n{report}");
}

/// What live copies must do without anybody's help.
fn alone(protocol: Protocol) -> Protocol {
    Protocol { sweeper: false, ..protocol }
}

#[test]
fn dispatch_before_commit() {
    let mutation = Mutation::DispatchBeforeCommit;
    found(Protocol::new(&shapes::CHAIN, NONE), mutation, COMMIT_FIRST);
    found(Protocol::new(&shapes::CHAIN, DUPLICATE), mutation, ONE_OUTCOME);
    found(Protocol::new(&shapes::CHOICE, CRASH), mutation, ONE_OUTCOME);
}

#[test]
fn trust_the_duplicate() {
    found(alone(Protocol::new(&shapes::CHAIN, CRASH)), Mutation::TrustTheDuplicate, ENDS);
    found(alone(Protocol::new(&shapes::MAP_PURE, CRASH)), Mutation::TrustTheDuplicate, ENDS);
}

#[test]
fn a_loser_goes_on() {
    let counted = |bounds| Protocol { counted: true, ..Protocol::new(&shapes::LONG, bounds) };
    found(counted(DUPLICATE), Mutation::LoserGoesOn, EXECUTIONS);
    let sweep = Bounds { sweeps: 1, ..NONE };
    found(counted(sweep), Mutation::LoserGoesOn, EXECUTIONS);
}

#[test]
fn the_deadline_is_not_checked() {
    let mutation = Mutation::DeadlineNotChecked;
    found(suite::timed(&shapes::CHAIN, NONE), mutation, NONE_LATE);
    found(suite::timed(&shapes::CHAIN, NONE), mutation, ONE_END);
    found(suite::timed(&shapes::LONG, NONE), mutation, NO_ZOMBIES);
}

#[test]
fn rows_expire_before_the_deadline() {
    let mutation = Mutation::RowsExpireBeforeTheDeadline;
    found(suite::timed(&shapes::CHAIN, NONE), mutation, NONE_LATE);
    found(suite::timed(&shapes::CHAIN, DUPLICATE), mutation, ONE_OUTCOME);
}

#[test]
fn a_cancelled_run_ends_before_it_is_stopped() {
    found(Protocol::new(&shapes::CHAIN, NONE.and_cancel()), Mutation::CancelEndsFirst, NO_ZOMBIES);
}

#[test]
fn a_cancellation_without_a_mark() {
    found(Protocol::new(&shapes::CHAIN, CRASH.and_cancel()), Mutation::CancelWithoutMark, ENDS);
}

#[test]
fn a_sweep_ignores_the_mark() {
    found(Protocol::new(&shapes::CHAIN, CRASH.and_cancel()), Mutation::SweepIgnoresTheMark, ENDS);
}

#[test]
fn a_cancellation_leaves_full_fan_ins_open() {
    let map = Protocol::new(&shapes::MAP_IMPURE, NONE.and_cancel());
    found(map, Mutation::CancelSkipsFanIns, NO_ZOMBIES);
}

#[test]
fn a_cancellation_leaves_late_branches_open() {
    let race = Protocol::new(&shapes::LATE, NONE.and_cancel());
    found(race, Mutation::CancelSkipsLateBranches, NO_ZOMBIES);
}

#[test]
fn a_cancellation_ends_the_run_with_its_last_call() {
    let race = Protocol::new(&shapes::RACE, NONE.and_cancel());
    found(race, Mutation::CancelEndsWithTheLastCall, NO_ZOMBIES);
}

/// A run whose call fails every time until it is redriven.
fn failing(shape: &'static shapes::Shape, broken: (u8, u8)) -> Protocol {
    Protocol { broken: Some(broken), attempts: 1, ..Protocol::new(shape, NONE.and_redrive(1)) }
}

#[test]
fn a_redrive_leaves_open_what_is_open() {
    found(failing(&shapes::MAP_PURE, (1, 0)), Mutation::RedriveWithoutClosing, NOT_TWICE);
    found(failing(&shapes::GATHER, (2, 1)), Mutation::RedriveWithoutClosing, NOT_TWICE);
}

#[test]
fn a_redrive_leaves_the_last_fan_out_open() {
    found(failing(&shapes::GATHER, (2, 1)), Mutation::StopTrustsTheSlot, NOT_TWICE);
}

#[test]
fn a_redrive_begins_at_the_start() {
    found(failing(&shapes::CHAIN, (2, 0)), Mutation::RedriveFromTheStart, KEPT);
}

#[test]
fn a_redrive_without_a_link() {
    found(failing(&shapes::CHAIN, (2, 0)), Mutation::RedriveWithoutLink, ONE_START);
}

#[test]
fn which_branch_was_first_is_not_decided() {
    found(Protocol::new(&shapes::RACE, CRASH), Mutation::ImpureTakenForPure, ONE_OUTCOME);
}

#[test]
fn a_cancellation_replaces_the_outcome() {
    found(Protocol::new(&shapes::CHAIN, NONE.and_cancel()), Mutation::CancelOverwrites, ONE_OUTCOME);
}

#[test]
fn glue_after_commit() {
    found(Protocol::new(&shapes::CHAIN, DUPLICATE), Mutation::GlueAfterCommit, ONE_OUTCOME);
    found(Protocol::new(&shapes::CHAIN, CRASH), Mutation::GlueAfterCommit, ONE_OUTCOME);
}

#[test]
fn set_then_read_join() {
    found(alone(Protocol::new(&shapes::MAP_PURE, NONE)), Mutation::SetThenRead, ENDS);
    // A sweeper makes up for the lost slot, with another outcome.
    found(Protocol::new(&shapes::MAP_PURE, NONE), Mutation::SetThenRead, ONE_OUTCOME);
}

#[test]
fn counter_instead_of_slots() {
    found(Protocol::new(&shapes::MAP_PURE, DUPLICATE), Mutation::CounterForSlots, FULL_JOIN);
    found(Protocol::new(&shapes::MAP_IMPURE, CRASH), Mutation::CounterForSlots, FULL_JOIN);
}

#[test]
fn a_failover_copy_commits_to_its_own_cloud() {
    let lost_answer = Bounds { unknowns: 1, ..NONE };
    found(Protocol::new(&shapes::CHAIN, lost_answer), Mutation::CommitWhereItRuns, ONE_OUTCOME);
}

#[test]
fn impure_glue_taken_for_pure() {
    found(Protocol::new(&shapes::MAP_IMPURE, DUPLICATE), Mutation::ImpureTakenForPure, ONE_OUTCOME);
}

#[test]
fn rows_deleted_at_the_end() {
    found(Protocol::new(&shapes::CHAIN, DUPLICATE), Mutation::RowsDeletedAtTheEnd, ONE_OUTCOME);
    found(Protocol::new(&shapes::CHAIN, DUPLICATE), Mutation::RowsDeletedAtTheEnd, NO_ZOMBIES);
}

#[test]
fn rows_expire_before_the_last_event() {
    found(Protocol::new(&shapes::CHAIN, DUPLICATE), Mutation::RowsExpireEarly, NO_ZOMBIES);
    found(Protocol::new(&shapes::CHAIN, DUPLICATE), Mutation::RowsExpireEarly, ONE_END);
}

#[test]
fn the_run_id_is_minted_in_the_function() {
    found(Protocol::new(&shapes::CHAIN, DUPLICATE), Mutation::RunIdMintedInTheFunction, ONE_START);
    found(Protocol::new(&shapes::CHAIN, CRASH), Mutation::RunIdMintedInTheFunction, ONE_START);
}

#[test]
fn a_client_that_trusts_itself() {
    let restart = Bounds { restarts: 1, ..NONE };
    found(Protocol::new(&shapes::CHAIN, restart), Mutation::ClientTrustsItself, ONE_START);
}

#[test]
fn a_failure_replaces_the_outcome() {
    let once = Protocol { attempts: 1, ..Protocol::new(&shapes::CHAIN, CRASH) };
    found(once, Mutation::FailureOverwrites, ONE_OUTCOME);
}

#[test]
fn a_store_that_is_down_fails_the_run() {
    let down = Bounds { tables: 1, ..NONE };
    for shape in [&shapes::CHAIN, &shapes::MAP_PURE, &shapes::GATHER] {
        let once = Protocol { attempts: 1, ..Protocol::new(shape, down) };
        found(once, Mutation::FailWhateverTheCause, NO_FALSE_FAILURE);
    }
}

#[test]
fn a_cancellation_goes_on_past_what_it_cannot_read() {
    let down = Bounds { tables: 1, ..NONE };
    let branch = Protocol::new(&shapes::MAP_IMPURE, down.and_cancel());
    found(branch, Mutation::StopSkipsWhatIsDown, NO_ZOMBIES);
}

#[test]
fn an_empty_map_is_not_fired() {
    found(Protocol::new(&shapes::EMPTY, NONE), Mutation::EmptyMapNotFired, ENDS);
}

#[test]
fn no_sweeper_and_a_dropped_event() {
    let drop = Bounds { drops: 1, ..NONE };
    found(Protocol::new(&shapes::CHAIN, drop), Mutation::NoSweeper, ENDS);
    found(Protocol::new(&shapes::MAP_IMPURE, drop), Mutation::NoSweeper, ENDS);
}
