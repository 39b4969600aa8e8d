//! `cargo jointlambda`: what a workflow needs on its clouds, from `cargo build` to files that
//! Terraform applies.
//!
//! The tool knows no workflow by itself. It asks the program that `jointlambda::serve!` makes what
//! there is to deploy (`--describe`), looks into the program for what it needs of its platform, and
//! writes files. It speaks to no cloud, and needs no credentials.

mod args;
mod build;
mod compile;
mod deployments;
mod describe;
mod described;
mod elf;
mod notes;
mod output;
mod package;
mod platform;
mod program;
mod project;
mod report;
mod settings;
mod terraform;
mod trouble;

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;

use args::{Cli, Command};
use trouble::Trouble;

fn main() -> ExitCode {
    // Cargo passes the name of the subcommand on.
    let mut arguments: Vec<_> = env::args_os().collect();
    if arguments.get(1).is_some_and(|argument| argument == "jointlambda") {
        arguments.remove(1);
    }
    let cli = Cli::parse_from(arguments);
    let done = match &cli.command {
        Command::Build(args) => build::run(args),
        Command::Describe(args) => describe::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => trouble.report(),
    }
}

/// Writes to stdout. A reader that has gone away has read enough.
fn print(text: &str) -> Result<(), Trouble> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Trouble::of("write the output", &error))
        }
        _ => Ok(()),
    }
}
