//! `list`: which runs there are, and what they are doing.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::{
    args::ListArgs,
    exit::{Trouble, one_line},
    figures, print,
    run::runtime,
    summary::aligned,
};
use crate::{
    backend::Timestamp,
    client::{RunList, RunSummary, Status, Which},
    machine::Workflow,
};

/// Longer keys are cut in the table, not in the JSON object.
const MAX_KEY: usize = 48;

/// Lists runs.
pub(super) fn list<W: Workflow>(args: &ListArgs) -> Result<ExitCode, Trouble> {
    let which = if args.all { Which::All } else { Which::Open };
    let list = runtime()?.block_on(async {
        let place = args.at.open::<W>()?;
        place.client().list(which, args.limit).await.map_err(|fault| Trouble::of(&fault))
    })?;
    let text = if args.json {
        serde_json::to_string(&Object::of(&list)).map_err(|error| Trouble::of(&error))? + "\n"
    } else {
        table(&list, which, now())
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The JSON object.
#[derive(Serialize)]
struct Object<'l> {
    runs: Vec<ObjectRun<'l>>,
    unreadable: usize,
    truncated: bool,
}

#[derive(Serialize)]
struct ObjectRun<'l> {
    key: &'l str,
    run: String,
    status: &'l Status,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    is_of_another_version: bool,
}

impl<'l> Object<'l> {
    fn of(list: &'l RunList) -> Self {
        let run = |one: &'l RunSummary| ObjectRun {
            key: &one.key,
            run: one.run.to_string(),
            status: &one.status,
            started_at: one.started_at,
            ended_at: one.ended_at,
            is_of_another_version: one.is_of_another_version,
        };
        let runs = list.runs.iter().map(run).collect();
        Object { runs, unreadable: list.unreadable, truncated: list.truncated }
    }
}

pub(super) fn now() -> Timestamp {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn table(list: &RunList, which: Which, now: Timestamp) -> String {
    if list.runs.is_empty() && list.unreadable == 0 {
        return match which {
            Which::Open => "no run is open; `--all` lists those that have ended too\n".to_owned(),
            Which::All => "there are no runs\n".to_owned(),
        };
    }
    let mut text = String::new();
    aligned(&mut text, list.runs.iter().map(|run| cells(run, now)).collect());
    if list.truncated {
        let shown = figures::count(list.runs.len() as u64);
        text.push_str(&format!("  … and more than these {shown}; `--limit` lists more\n"));
    }
    if list.unreadable > 0 {
        let rows = figures::count(list.unreadable as u64);
        text.push_str(&format!("  {rows} more cannot be read by this version of the program\n"));
    }
    text
}

fn cells(run: &RunSummary, now: Timestamp) -> Vec<String> {
    let mut key = one_line(&run.key);
    if key.chars().count() > MAX_KEY {
        key = key.chars().take(MAX_KEY - 1).chain(['…']).collect();
    }
    let between =
        |from: Timestamp, to: Timestamp| figures::duration(Duration::from_millis(to.saturating_sub(from)));
    let mut times = format!("started {} ago", between(run.started_at, now));
    if let Some(ended_at) = run.ended_at {
        times.push_str(&format!(", took {}", between(run.started_at, ended_at)));
    }
    if run.is_of_another_version {
        times.push_str(", another version of the workflow");
    }
    vec![key, run.status.to_string(), times]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RunId;

    #[test]
    fn a_list_has_a_line_for_each_run() {
        let run = |key: &str, status, ended_at| RunSummary {
            run: RunId::derive("w", key),
            key: key.to_owned(),
            status,
            started_at: 1_000,
            ended_at,
            is_of_another_version: ended_at.is_none(),
        };
        let runs =
            vec![run("monday", Status::Returned, Some(2_500)), run(&"x".repeat(60), Status::Running, None)];
        let list = RunList { runs, unreadable: 1, truncated: true };
        insta::assert_snapshot!(table(&list, Which::Open, 10_000));
        assert!(table(&RunList::default(), Which::Open, 0).contains("--all"));
    }
}
