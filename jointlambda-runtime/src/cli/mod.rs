//! The command that `jointlambda::main!` gives a workflow: it runs it on embedded clouds, says
//! what has become of a run, draws it, and prints its definition. The results go to stdout, everything else to stderr.

mod args;
mod chart;
mod exit;
mod figures;
mod input;
mod interrupt;
mod list;
mod operate;
mod place;
mod progress;
mod report;
mod run;
pub mod show;
mod summary;
mod trace;
mod usage;

use std::{
    fmt::Display,
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{ArgMatches, error::ErrorKind};

use self::{
    args::{DefinitionArgs, GraphArgs, ListArgs, RedriveArgs, RunArgs, StatusArgs, StoredRun, TraceArgs},
    exit::Trouble,
    show::Show,
};
use crate::{graph, machine::Workflow};

/// Gives a program its `main`: the command of a workflow.
///
/// ```text
/// jointlambda::main!(VideoAnalytics);
/// ```
///
/// The program then has the commands `run`, `list`, `status`, `trace`, `cancel`, `redrive`, `graph`
/// and `definition`; `--help` says more.
///
/// With a second type, `run` takes the program's own flags beside its own. The type is a struct
/// with `#[derive(clap::Args)]` that becomes the workflow's input by `TryFrom` (or `From`):
///
/// ```text
/// #[derive(clap::Args)]
/// struct Flags {
///     /// How many chunks the clip is cut into.
///     #[arg(long, default_value_t = 10)]
///     chunks: u32,
/// }
///
/// impl From<Flags> for Clip {
///     fn from(flags: Flags) -> Clip {
///         Clip::of(flags.chunks)
///     }
/// }
///
/// jointlambda::main!(VideoAnalytics, Flags);
/// ```
///
/// The exit code is 0 when the workflow function returned a value, 1 when it returned an `Err`,
/// 2 when the run failed or was not started, and 130 after Ctrl-C.
#[macro_export]
macro_rules! main {
    ($workflow:ty $(,)?) => {
        $crate::main!(@with $workflow);
    };
    ($workflow:ty, $flags:ty $(,)?) => {
        $crate::main!(@with $workflow, flags::<$flags>());
    };
    (@with $workflow:ty $(, $($flags:tt)+)?) => {
        fn main() -> ::std::process::ExitCode {
            #[allow(unused_imports)]
            use $crate::cli::show::{ShowError as _, ShowText as _, ShowValue as _};
            let probe = $crate::private::Probe::<<$workflow as $crate::Workflow>::Output>::new();
            #[allow(clippy::needless_borrow)]
            let program = $crate::cli::Program::<$workflow>::new((&&&probe).show());
            program $(.$($flags)+)? .main()
        }
    };
}

/// The command of the workflow `W`.
pub struct Program<W: Workflow> {
    show: Show<W::Output>,
    flags: Option<Flags<W::Input>>,
}

/// The program's own flags, as functions of their type.
struct Flags<I> {
    augment: fn(clap::Command) -> clap::Command,
    input: fn(&ArgMatches) -> Result<I, String>,
}

impl<W: Workflow> Program<W> {
    /// A command that shows outcomes by `show`.
    pub fn new(show: Show<W::Output>) -> Self {
        Program { show, flags: None }
    }

    /// Has `run` take flags that make the workflow's input.
    #[must_use]
    pub fn flags<F>(mut self) -> Self
    where
        F: clap::Args + TryInto<W::Input>,
        F::Error: Display,
    {
        self.flags = Some(Flags {
            augment: F::augment_args,
            input: |matches| {
                let flags = F::from_arg_matches(matches).map_err(|error| error.to_string())?;
                flags.try_into().map_err(|error| error.to_string())
            },
        });
        self
    }

    /// Does what the command line says.
    pub fn main(self) -> ExitCode {
        match self.dispatch() {
            Ok(code) => code,
            Err(trouble) => trouble.report(),
        }
    }

    fn dispatch(self) -> Result<ExitCode, Trouble> {
        let definition = W::definition();
        let command = args::command(definition, self.flags.as_ref().map(|flags| flags.augment))?;
        let matches = match command.try_get_matches() {
            Ok(matches) => matches,
            Err(help) if !help.use_stderr() => {
                let _ = help.print();
                return Ok(ExitCode::SUCCESS);
            }
            Err(help) if help.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                let _ = help.print();
                return Ok(ExitCode::from(exit::FAILED));
            }
            Err(error) => {
                let usage = args::program_name(definition);
                return Err(Trouble::of_the_command_line(&error, &usage));
            }
        };
        match matches.subcommand() {
            Some(("run", matches)) => {
                let args: RunArgs = args::parse(matches)?;
                let input = self.input(&args, matches)?;
                run::run::<W>(&args, input, self.show)
            }
            Some(("status", matches)) => operate::status::<W>(&args::parse::<StatusArgs>(matches)?),
            Some(("list", matches)) => list::list::<W>(&args::parse::<ListArgs>(matches)?),
            Some(("trace", matches)) => trace::trace::<W>(&args::parse::<TraceArgs>(matches)?),
            Some(("cancel", matches)) => operate::cancel::<W>(&args::parse::<StoredRun>(matches)?),
            Some(("redrive", matches)) => run::redrive::<W>(args::parse::<RedriveArgs>(matches)?, self.show),
            Some(("graph", matches)) => {
                let args: GraphArgs = args::parse(matches)?;
                put(&graph::render(definition, args.format), args.output)
            }
            Some(("definition", matches)) => {
                let args: DefinitionArgs = args::parse(matches)?;
                let text = if args.json {
                    let json = serde_json::to_string_pretty(definition);
                    json.map_err(|error| Trouble::of(&error))? + "\n"
                } else {
                    summary::summary(definition)
                };
                put(&text, None)
            }
            _ => Err(Trouble::new("there is no such command")),
        }
    }

    fn input(&self, args: &RunArgs, matches: &ArgMatches) -> Result<W::Input, Trouble> {
        let params = W::definition().params;
        match (&args.input, &self.flags) {
            (Some(argument), _) => input::parse(&input::read(argument, io::stdin().lock())?, params),
            (None, Some(flags)) => (flags.input)(matches)
                .map_err(|error| Trouble::new(format!("the flags make no input: {error}"))),
            (None, None) => input::parse(b"", params),
        }
    }
}

/// Writes a text to a file, or to stdout.
fn put(text: &str, file: Option<PathBuf>) -> Result<ExitCode, Trouble> {
    match file {
        None => print(text)?,
        Some(path) => fs::write(&path, text)
            .map_err(|error| Trouble::new(format!("failed to write {}: {error}", path.display())))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to stdout. A reader that has gone, such as `head`, is no error.
fn print(text: &str) -> Result<(), Trouble> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
