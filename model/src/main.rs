//! Prints the size of every check: `cargo run -p jointlambda-model [-- long]`.

use std::process::ExitCode;

use jointlambda_model::suite;

fn main() -> ExitCode {
    let mut checks = suite::short();
    let (mut incarnations, mut trees) = (suite::incarnations(), suite::trees());
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("long") => {
            checks.extend(suite::long());
            incarnations.extend(suite::incarnations_long());
            trees.extend(suite::trees_long());
        }
        Some(other) => {
            eprintln!("error: `{other}` is no mode: give `long`, or nothing");
            return ExitCode::FAILURE;
        }
    }
    let (mut states, mut held) = (0, true);
    let protocol = checks.into_iter().map(|check| check.check());
    let batches = suite::batches().into_iter().map(|check| check.check());
    let incarnations = incarnations.into_iter().map(|check| check.check());
    let trees = trees.into_iter().map(|check| check.check());
    for report in protocol.chain(batches).chain(incarnations).chain(trees) {
        states += report.states;
        held &= report.violated.is_empty();
        println!("{report}");
    }
    println!("{states} states in all");
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
