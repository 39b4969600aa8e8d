//! Prints the size of every check: `cargo run -p jointlambda-model [-- long]`.

use std::process::ExitCode;

use jointlambda_model::suite;

fn main() -> ExitCode {
    let (mut checks, mut incarnations) = (suite::short(), suite::incarnations());
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("long") => {
            checks.extend(suite::long());
            incarnations.extend(suite::incarnations_long());
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
    for report in protocol.chain(batches).chain(incarnations) {
        states += report.states;
        held &= report.violated.is_empty();
        println!("{report}");
    }
    println!("{states} states in all");
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
