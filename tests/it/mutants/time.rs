//! Mutants that decide by a clock that is off.

use crate::{
    many_faults::chain::Chain,
    process_clocks::{Believes, Off, Whose, ends_well},
};

#[test]
fn every_mutant_that_decides_by_a_clock_that_is_off_is_killed() {
    const AHEAD: i64 = 9 * 24 * 3_600_000;
    let process = Off { process: AHEAD, tables: [0, 0] };
    let one_table = Off { process: 0, tables: [0, AHEAD] };
    for (mutant, whose, off, believes, noticed) in [
        ("a process drops events", Whose::Functions, process, Believes::Itself, "did not end"),
        ("a process fails runs", Whose::Sweeper, process, Believes::Itself, "the outcome is Err(Failed"),
        ("one table drops events", Whose::Functions, one_table, Believes::TheLatest, "did not end"),
        ("one table fails runs", Whose::Sweeper, one_table, Believes::TheLatest, "the outcome is Err(Failed"),
    ] {
        let trial = |believes| ends_well::<Chain>(whose, off, believes, 3);
        assert_eq!(trial(Believes::TheTable), Ok(()), "{mutant}: the protocol as it is");
        let why = trial(believes).expect_err(mutant);
        println!("{mutant}: {why}");
        assert!(why.contains(noticed), "{mutant}: not noticed as `{noticed}` but as {why}");
    }
}
