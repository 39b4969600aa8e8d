//! Prints the size of every check: `cargo run -p jointlambda-model [-- long]`.

use std::process::ExitCode;

use jointlambda_model::suite;

fn main() -> ExitCode {
    let is_long = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("long") => true,
        Some(other) => {
            eprintln!("error: `{other}` is no mode: give `long`, or nothing");
            return ExitCode::FAILURE;
        }
    };
    let (mut states, mut held) = (0, true);
    for report in suite::reports(is_long) {
        states += report.states;
        held &= report.violated.is_empty();
        println!("{report}");
    }
    println!("{states} states in all");
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
