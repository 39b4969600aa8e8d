//! `run` and `redrive`: the workflow on embedded clouds in this process, from its input to its report.

use std::{
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    args::{self, RedriveArgs, RunArgs},
    chart::Canvas,
    exit::{ERR_VALUE, FAILED, Trouble, one_line},
    interrupt,
    place::At,
    print,
    progress::{Live, Progress},
    report::{Ended, Report},
    show::{Layout, Show, Shown},
};
#[cfg(any(feature = "aws", feature = "aliyun"))]
use super::{list, trace};
use crate::{
    backend::local::{Config, OpenError, Profile, STORE_FILE, Storage},
    client::{RedriveError, RunError, StartError, Status},
    definition::Definition,
    embedded::{Embedded, EmbeddedError},
    machine::Workflow,
    runtime::Options,
};

/// How many executions the timeline keeps.
const MAX_TIMELINE: usize = 200_000;
/// How long executions that are still under way when the run has ended are waited for.
const SETTLE: Duration = Duration::from_millis(300);

/// Runs the workflow and reports. The exit code says how the run ended.
pub(super) fn run<W: Workflow>(
    args: &RunArgs,
    input: W::Input,
    show: Show<W::Output>,
) -> Result<ExitCode, Trouble> {
    let runtime = runtime()?;
    let code = if args.plain {
        plain(&runtime.block_on(W::plain(input)), show)
    } else {
        runtime.block_on(on_clouds::<W>(args, Begin::Start(input), show))
    };
    // User functions of a failed run may go on for ever.
    runtime.shutdown_background();
    code
}

/// Redrives a run and reports, as [`run`] does.
pub(super) fn redrive<W: Workflow>(args: RedriveArgs, show: Show<W::Output>) -> Result<ExitCode, Trouble> {
    let RedriveArgs { run, latency, json } = args;
    let (id, at) = (run.key().to_owned(), run.at);
    let args = RunArgs {
        input: None,
        id: Some(id),
        store: at.store,
        #[cfg(any(feature = "aws", feature = "aliyun"))]
        deployed: at.deployed,
        latency,
        json,
        plain: false,
    };
    let runtime = runtime()?;
    let code = runtime.block_on(on_clouds::<W>(&args, Begin::Redrive, show));
    runtime.shutdown_background();
    code
}

/// How a command gets a run to go on.
enum Begin<I> {
    Start(I),
    Redrive,
}

/// The threads that clouds run on.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Trouble::new(format!("failed to start threads: {error}")))
}

/// The workflow on embedded clouds, in memory or in a directory.
pub(super) fn open<W: Workflow>(store: Option<&Path>, latency: Profile) -> Result<Embedded<W>, Trouble> {
    let config = Config {
        storage: store.map_or(Storage::Memory, |store| Storage::Disk(store.to_owned())),
        profile: latency,
        timeline_spans: MAX_TIMELINE,
        seed: fastrand::u64(..),
        ..Embedded::<W>::config()
    };
    Embedded::<W>::new(config, Options::default()).map_err(|error| refused(&error))
}

/// The same in a directory that was given to `run` before.
pub(super) fn open_existing<W: Workflow>(store: &Path, latency: Profile) -> Result<Embedded<W>, Trouble> {
    if !store.join(STORE_FILE).is_file() {
        let trouble = Trouble::new(format!("there are no runs in {}", store.display()));
        return Err(trouble.hint("give the directory that `run` was given as `--store`"));
    }
    open(Some(store), latency)
}

fn plain<O>(outcome: &O, show: Show<O>) -> Result<ExitCode, Trouble> {
    match show(outcome, Layout::Pretty).map_err(not_json)? {
        Shown::Value(json) => {
            print(&(json + "\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Shown::Error { text, .. } => Err(Trouble::new(text).code(ERR_VALUE)),
    }
}

async fn on_clouds<W: Workflow>(
    args: &RunArgs,
    begin: Begin<W::Input>,
    show: Show<W::Output>,
) -> Result<ExitCode, Trouble> {
    let definition = W::definition();
    let key = args.id.clone().unwrap_or_else(fresh_key);
    #[cfg(any(feature = "aws", feature = "aliyun"))]
    if let Some(client) = args.deployed.client::<W>()? {
        return deployed(args, &key, &client, begin, show).await;
    }
    let clouds = match (&args.store, &begin) {
        (Some(store), Begin::Redrive) => open_existing::<W>(store, args.latency)?,
        (store, _) => open::<W>(store.as_deref(), args.latency)?,
    };
    let before = match (&args.store, &begin) {
        (Some(store), Begin::Start(_)) => announce(&clouds, store, &key).await?,
        (None, _) => Before::Nothing,
        (_, Begin::Redrive) => Before::Started,
    };
    let progress = Arc::new(Progress::new(definition));
    clouds.clouds().observe(progress.clone());
    let used_before = clouds.clouds().meter();

    let live = Live::start(progress);
    on_ctrl_c(args, definition, &key, &live);
    let began = Instant::now();
    let ended = match begin {
        Begin::Start(input) => clouds.run(&key, input).await,
        Begin::Redrive => clouds.redrive(&key).await,
    };
    let took = began.elapsed();
    // Bounded: functions of a failed run may go on for ever.
    let _ = tokio::time::timeout(SETTLE, clouds.clouds().idle()).await;
    drop(live);

    let layout = if args.json { Layout::Compact } else { Layout::Pretty };
    let ended = match ended {
        Ok(outcome) => match show(&outcome, layout).map_err(not_json)? {
            Shown::Value(json) => Ended::Value(json),
            Shown::Error { text, json } => Ended::Error { text, json },
        },
        Err(EmbeddedError::Run(RunError::Failed(failure))) => Ended::Failed(failure),
        Err(EmbeddedError::Redrive(RedriveError::NoSuchRun(_))) => {
            return Err(no_such_run(args, &key));
        }
        Err(error) => return Err(not_run(&error)),
    };
    let report = Report {
        definition,
        run: clouds.client().run_id(&key).to_string(),
        key,
        before,
        ended,
        took,
        timeline: clouds.clouds().timeline(),
        usage: clouds.clouds().meter().since(&used_before),
    };
    finish(args, report)
}

fn no_such_run(args: &RunArgs, key: &str) -> Trouble {
    let at = At {
        store: args.store.clone(),
        #[cfg(any(feature = "aws", feature = "aliyun"))]
        deployed: args.deployed.clone(),
    };
    at.no_such_run(key)
}

/// Starts or redrives a run of a deployed workflow, follows it to its end, and shows its timeline.
#[cfg(any(feature = "aws", feature = "aliyun"))]
async fn deployed<W: Workflow>(
    args: &RunArgs,
    key: &str,
    client: &crate::client::Client<W>,
    begin: Begin<W::Input>,
    show: Show<W::Output>,
) -> Result<ExitCode, Trouble> {
    let definition = W::definition();
    let run = client.run_id(key);
    let begun = match begin {
        Begin::Start(input) => client.start(key, input).await.map(drop).map_err(EmbeddedError::from),
        Begin::Redrive => client.redrive(&run).await.map(drop).map_err(EmbeddedError::from),
    };
    match begun {
        Err(EmbeddedError::Redrive(RedriveError::NoSuchRun(_))) => return Err(no_such_run(args, key)),
        begun => begun.map_err(|error| not_run(&error))?,
    }
    let again = format!("{} run --target … --id {}", args::program_name(definition), shell_word(key));
    eprintln!("run {}: started; the same command with this key follows it", one_line(key));
    if let Some(apart) = client.clocks_apart() {
        eprintln!("note: {apart}");
    }
    interrupt::on_interrupt(move || {
        eprintln!("interrupted; the run goes on, follow it with the same input: {again} …")
    });
    let layout = if args.json { Layout::Compact } else { Layout::Pretty };
    let ended = match client.result(&run).await {
        Ok(outcome) => match show(&outcome, layout).map_err(not_json)? {
            Shown::Value(json) => Ended::Value(json),
            Shown::Error { text, json } => Ended::Error { text, json },
        },
        Err(RunError::Failed(failure)) => Ended::Failed(failure),
        Err(error) => return Err(not_run(&EmbeddedError::from(error))),
    };
    let report = client.report(&run).await.map_err(|error| Trouble::of(&error))?;
    let text = if args.json {
        ended.json(definition.name, &run, &report).map_err(not_json)? + "\n"
    } else {
        let value = if let Ended::Value(json) = &ended { format!("{json}\n\n") } else { String::new() };
        value + &trace::text(&report, definition, Canvas::of_stdout(), list::now())
    };
    print(&text)?;
    match ended.trouble() {
        Some(trouble) => Err(trouble),
        None => Ok(ExitCode::from(ended.exit_code())),
    }
}

/// What there was of the run when the command began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    Started,
    Ended,
}

/// Says which run it is, before anything can go wrong: only who knows the key can resume it.
async fn announce<W: Workflow>(clouds: &Embedded<W>, store: &Path, key: &str) -> Result<Before, Trouble> {
    let client = clouds.client();
    let before = match client.status(&client.run_id(key)).await {
        Ok(Status::Running) => Before::Started,
        Ok(_) => Before::Ended,
        Err(RunError::NoSuchRun(_)) => Before::Nothing,
        Err(error) => return Err(Trouble::of(&error)),
    };
    let verb = match before {
        Before::Nothing => "started; the same command with this key resumes it",
        Before::Started => "resumed",
        Before::Ended => "has ended before",
    };
    eprintln!("run {} in {}: {verb}", one_line(key), store.display());
    Ok(before)
}

fn on_ctrl_c(args: &RunArgs, definition: &Definition, key: &str, live: &Live) {
    let bars = live.bars();
    let program = args::program_name(definition);
    let how = args.store.as_ref().map(|store| {
        let (store, key) = (shell_word(&store.display().to_string()), shell_word(key));
        format!("resume it with the same input: {program} run --store {store} --id {key} …")
    });
    interrupt::on_interrupt(move || {
        let _ = bars.clear();
        match how {
            Some(how) => eprintln!("interrupted; {how}"),
            None => eprintln!("interrupted; nothing of the run is kept (use `--store DIR` to keep it)"),
        }
    });
}

fn finish(args: &RunArgs, report: Report) -> Result<ExitCode, Trouble> {
    let code = report.ended.exit_code();
    let trouble = report.ended.trouble();
    if args.json {
        print(&(report.json().map_err(not_json)? + "\n"))?;
    } else {
        print(&report.text(Canvas::of_stdout()))?;
    }
    match trouble {
        Some(trouble) => Err(trouble),
        None => Ok(ExitCode::from(code)),
    }
}

/// 64 bits drawn at random: enough for the runs of one store.
fn fresh_key() -> String {
    format!("{:016x}", fastrand::u64(..))
}

fn refused(error: &OpenError) -> Trouble {
    let trouble = Trouble::of(error);
    match error {
        OpenError::InUse { .. } => {
            trouble.hint("wait until that process has ended, or use another directory")
        }
        OpenError::OtherOwner { .. } => trouble.hint("use a directory of its own for each workflow"),
        _ => trouble,
    }
}

fn not_run(error: &EmbeddedError) -> Trouble {
    let trouble = match error {
        EmbeddedError::Start(StartError::Fault(fault)) => {
            let cause = super::exit::chain(fault);
            Trouble::new(format!("failed to start the run: {cause}"))
        }
        EmbeddedError::Run(RunError::Cancelled) => Trouble::of(error).hint("start another with a new `--id`"),
        other => Trouble::of(other),
    };
    trouble.code(FAILED)
}

fn not_json(error: serde_json::Error) -> Trouble {
    Trouble::new(format!("the run has ended, but its result cannot be written as JSON: {error}"))
}

/// As a shell takes it back.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", one_line(text).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_the_shell_is_quoted_when_it_must_be() {
        assert_eq!(shell_word("runs/a-1"), "runs/a-1");
        assert_eq!(shell_word("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn fresh_keys_differ() {
        assert_ne!(fresh_key(), fresh_key());
    }
}
