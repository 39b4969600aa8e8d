//! The command line: which commands and flags there are, and their help.

use std::{env, path::PathBuf};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, builder::ValueParser};

#[cfg(any(feature = "aws", feature = "aliyun"))]
use super::place::deployed::Deployed;
use super::{exit::Trouble, place::At};
use crate::{backend::local::Profile, client::MAX_LISTED, definition::Definition, graph::Format};

/// `run`.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct RunArgs {
    /// The input: JSON, a file with JSON (`@FILE`, or its path), or `-` for stdin
    #[arg(long, value_name = "JSON|FILE|-", allow_hyphen_values = true)]
    pub(super) input: Option<String>,
    /// The idempotency key that names the run; a fresh one unless given
    #[arg(long, value_name = "KEY")]
    pub(super) id: Option<String>,
    /// Keep rows and objects in this directory, so that the run can be resumed by its key
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    #[cfg(any(feature = "aws", feature = "aliyun"))]
    #[command(flatten)]
    pub(super) deployed: Deployed,
    /// How long the services take: none, tokyo, wan or realistic
    #[arg(long, value_name = "PROFILE", default_value = "none")]
    pub(super) latency: Profile,
    /// Print one JSON object: the result, what ran when, usage and cost
    #[arg(long)]
    pub(super) json: bool,
    /// Run the workflow function as ordinary Rust, without clouds, and print its result
    #[arg(long, hide = true, conflicts_with_all = ["id", "store", "latency", "json"])]
    pub(super) plain: bool,
}

/// A run, and where it is: all that `cancel` needs to know.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct StoredRun {
    /// The idempotency key that names the run
    #[arg(value_name = "KEY", required_unless_present = "id", conflicts_with = "id")]
    key: Option<String>,
    /// The same as a flag, as `run` has it
    #[arg(long, value_name = "KEY")]
    id: Option<String>,
    #[command(flatten)]
    pub(super) at: At,
}

impl StoredRun {
    /// The key that names the run.
    pub(super) fn key(&self) -> &str {
        self.key.as_deref().or(self.id.as_deref()).unwrap_or_default()
    }
}

/// `list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) at: At,
    /// Also list runs that have ended; this reads through all rows
    #[arg(long)]
    pub(super) all: bool,
    /// How many runs to list at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = limit_parser())]
    pub(super) limit: usize,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// `trace`.
#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    #[command(flatten)]
    pub(super) run: StoredRun,
    /// Print one JSON object: every call, when it was dispatched and when it was committed
    #[arg(long)]
    pub(super) json: bool,
}

/// `redrive`.
#[derive(Debug, Args)]
pub(super) struct RedriveArgs {
    #[command(flatten)]
    pub(super) run: StoredRun,
    /// How long the services take: none, tokyo, wan or realistic
    #[arg(long, value_name = "PROFILE", default_value = "none")]
    pub(super) latency: Profile,
    /// Print one JSON object: the result, what ran when, usage and cost
    #[arg(long)]
    pub(super) json: bool,
}

/// `status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) run: StoredRun,
    /// Print one JSON object: the run, and the state of every instance
    #[arg(long)]
    pub(super) json: bool,
}

/// `graph`.
#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    /// How to draw it
    #[arg(long, default_value = "text", value_parser = format_parser())]
    pub(super) format: Format,
    /// Write it to a file
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// `definition`.
#[derive(Debug, Args)]
pub(super) struct DefinitionArgs {
    /// Print the whole definition as JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn limit_parser() -> impl clap::builder::TypedValueParser<Value = usize> {
    use clap::builder::{RangedU64ValueParser, TypedValueParser as _};
    RangedU64ValueParser::<u64>::new().range(1..=MAX_LISTED as u64).map(|limit| limit as usize)
}

fn format_parser() -> ValueParser {
    use clap::builder::{PossibleValuesParser, TypedValueParser as _};
    let names = PossibleValuesParser::new(Format::ALL.map(Format::name));
    let parser = names.map(|name| {
        let found = Format::ALL.into_iter().find(|format| format.name() == name);
        found.expect("only names of formats are possible")
    });
    ValueParser::new(parser)
}

/// The command of a workflow. `augment` adds the program's own flags to `run`.
pub(super) fn command(
    definition: &Definition,
    augment: Option<fn(Command) -> Command>,
) -> Result<Command, Trouble> {
    let name = program_name(definition);
    let run = run_command(definition, augment, &name)?;
    let status = StatusArgs::augment_args(Command::new("status"))
        .about("Print what has become of a run, with every instance of it")
        .after_help(format!("Example:\n  {name} status monday --store runs"));
    let list = ListArgs::augment_args(Command::new("list"))
        .about("List the runs that have not ended, or all")
        .after_help(format!(
            "Examples:\n  {name} list --store runs\n  {name} list --store runs --all --json"
        ));
    let trace = TraceArgs::augment_args(Command::new("trace"))
        .about("Draw when each call of a run was dispatched and committed, and where")
        .after_help(format!("Example:\n  {name} trace monday --store runs"));
    let cancel = StoredRun::augment_args(Command::new("cancel"))
        .about("Cancel a run: nothing more of it is started")
        .after_help(format!("Example:\n  {name} cancel monday --store runs"));
    let redrive = RedriveArgs::augment_args(Command::new("redrive"))
        .about("Go on with a failed run from where it failed, keeping what was committed")
        .after_help(format!("Example:\n  {name} redrive monday --store runs"));
    let graph = GraphArgs::augment_args(Command::new("graph"))
        .about("Draw the workflow")
        .after_help(format!("Examples:\n  {name} graph\n  {name} graph --format svg -o workflow.svg"));
    let show = DefinitionArgs::augment_args(Command::new("definition"))
        .about("Print the clouds, functions and nodes of the workflow")
        .after_help(format!("Examples:\n  {name} definition\n  {name} definition --json"));
    let about = if definition.doc.is_empty() {
        format!("The workflow `{}`", definition.name)
    } else {
        format!("{}: {}", definition.name, definition.doc)
    };
    Ok(Command::new(definition.name)
        .about(about)
        .after_help(format!("Example:\n  {}", example(definition, &name)))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands([run, list, status, trace, cancel, redrive, graph, show]))
}

fn run_command(
    definition: &Definition,
    augment: Option<fn(Command) -> Command>,
    name: &str,
) -> Result<Command, Trouble> {
    let has_flags = augment.is_some();
    let mut own = Command::new("run");
    if let Some(augment) = augment {
        own = augment(own);
    }
    let plain = RunArgs::augment_args(Command::new("run"));
    if let Some(taken) = own.get_arguments().find(|arg| plain.get_arguments().any(|other| clash(arg, other)))
    {
        let name = taken.get_long().unwrap_or(taken.get_id().as_str());
        return Err(Trouble::new(format!("the program's flag `--{name}` is one that `run` has itself"))
            .hint("give it another name: `#[arg(long = \"…\", id = \"…\")]`"));
    }
    let flags: Vec<_> = own.get_arguments().map(|arg| arg.get_id().clone()).collect();
    let mut examples = vec![if has_flags { format!("{name} run") } else { example(definition, name) }];
    if has_flags || !definition.params.is_empty() {
        examples.push(format!("{name} run --input input.json --latency tokyo"));
        examples.push(format!("{name} run --input - --store runs --id monday < input.json"));
    }
    let run = RunArgs::augment_args(own)
        .about("Run the workflow on embedded clouds, in this process")
        .after_help(format!("Examples:\n  {}", examples.join("\n  ")));
    Ok(run.mut_arg("input", |input| {
        input.conflicts_with_all(flags).required(!has_flags && !definition.params.is_empty())
    }))
}

fn clash(one: &Arg, other: &Arg) -> bool {
    one.get_id() == other.get_id()
        || one.get_long().is_some_and(|long| Some(long) == other.get_long())
        || matches!(one.get_long(), Some("help"))
}

fn example(definition: &Definition, name: &str) -> String {
    let fields = definition.params.iter().map(|param| format!("\"{param}\": …"));
    match definition.params {
        [] => format!("{name} run"),
        [_] => format!("{name} run --input '…'"),
        _ => format!("{name} run --input '{{{}}}'", fields.collect::<Vec<_>>().join(", ")),
    }
}

/// What the program is called on the command line.
pub(super) fn program_name(definition: &Definition) -> String {
    let path = env::args_os().next().map(PathBuf::from);
    let name =
        path.as_ref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| definition.name.to_owned())
}

/// The values of a command's flags.
pub(super) fn parse<T: FromArgMatches>(matches: &ArgMatches) -> Result<T, Trouble> {
    T::from_arg_matches(matches).map_err(|error| Trouble::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample;

    #[test]
    fn the_command_is_consistent_and_has_help_with_examples() {
        let command = command(&sample::ALL, None).unwrap();
        command.clone().debug_assert();
        for mut command in command.get_subcommands().cloned() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example"), "{help}");
        }
    }

    #[test]
    fn a_flag_that_run_has_itself_is_refused() {
        let augment = |command: Command| command.arg(Arg::new("other").long("store"));
        let trouble = command(&sample::ALL, Some(augment)).unwrap_err().lines();
        assert!(trouble.contains("`run` has itself"), "{trouble}");
    }

    #[test]
    fn flags_and_input_exclude_each_other_and_a_required_flag_is_waived_by_the_input() {
        let augment = |command: Command| command.arg(Arg::new("size").long("size").required(true));
        let command = command(&sample::ALL, Some(augment)).unwrap();
        let parse = |args: &[&str]| command.clone().try_get_matches_from(args).map(|_| ());
        parse(&["w", "run", "--size", "1"]).unwrap();
        parse(&["w", "run", "--input", "5"]).unwrap();
        parse(&["w", "run", "--input", "-5"]).unwrap();
        assert!(parse(&["w", "run"]).is_err());
        assert!(parse(&["w", "run", "--input", "5", "--size", "1"]).is_err());
    }

    #[test]
    fn an_unknown_profile_is_answered_with_the_valid_ones() {
        let command = command(&sample::ALL, None).unwrap();
        let args = ["w", "run", "--input", "5", "--latency", "osaka"];
        let error = command.try_get_matches_from(args).unwrap_err().to_string();
        assert!(error.contains("use none, tokyo, wan or realistic"), "{error}");
    }
}
