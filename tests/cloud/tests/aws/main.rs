//! AWS on stand-ins: the Backend-Shim's contracts, what errors say, the protocol under faults, and a
//! workflow that is deployed.

use std::io::Write as _;

mod abandoned;
mod contract;
mod deployed;
mod examples;
mod faults;
mod frozen;
mod refusals;
mod rights;
mod runs;

/// Says a line that is seen of a test that passes, too.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
