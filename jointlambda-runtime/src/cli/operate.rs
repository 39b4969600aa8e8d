//! `status` and `cancel`: what has become of a run that a store holds, and to stop it.

use std::{process::ExitCode, time::Duration};

use super::{
    args::{StatusArgs, StoredRun},
    exit::{Trouble, one_line},
    figures, print,
    run::runtime,
    summary::aligned,
};
use crate::{
    backend::Timestamp,
    client::{Client, RunError, RunReport, Status},
    id::RunId,
    machine::Workflow,
    survey::{InstanceReport, InstanceState},
};

/// Prints what has become of a run.
pub(super) fn status<W: Workflow>(args: &StatusArgs) -> Result<ExitCode, Trouble> {
    let report = of_run::<W, _>(&args.run, async |client, run| client.report(run).await)?;
    let text = if args.json {
        serde_json::to_string(&report).map_err(|error| Trouble::of(&error))? + "\n"
    } else {
        table(&report)
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Cancels a run, and says how it ended.
pub(super) fn cancel<W: Workflow>(run: &StoredRun) -> Result<ExitCode, Trouble> {
    let status = of_run::<W, _>(run, async |client, run| client.cancel(run).await)?;
    let key = one_line(run.key());
    match status {
        Status::Cancelled => {
            eprintln!("run {key} was cancelled");
            Ok(ExitCode::SUCCESS)
        }
        ended => Err(Trouble::new(format!("run {key} {ended}: it is too late to cancel it"))),
    }
}

/// What a client says of a run in a store.
pub(super) fn of_run<W: Workflow, T>(
    run: &StoredRun,
    ask: impl AsyncFnOnce(&Client<W>, &RunId) -> Result<T, RunError>,
) -> Result<T, Trouble> {
    runtime()?.block_on(async {
        let place = run.at.open::<W>()?;
        let client = place.client();
        ask(client, &client.run_id(run.key())).await.map_err(|error| match error {
            RunError::NoSuchRun(_) => run.at.no_such_run(run.key()),
            error => Trouble::of(&error),
        })
    })
}

/// How long after the start of its run.
fn after(report: &RunReport) -> impl Fn(Timestamp) -> String {
    |at| figures::duration(Duration::from_millis(at.saturating_sub(report.started_at)))
}

/// What the run is doing; if it has failed, a second line says why.
pub(super) fn headline(report: &RunReport) -> String {
    let after = after(report);
    let mut text = format!("run {} {}", one_line(&report.key), report.status);
    if let Some(ended_at) = report.ended_at {
        text.push_str(&format!(", {} after its start", after(ended_at)));
    }
    if report.redrives > 0 {
        let times = if report.redrives == 1 { "time" } else { "times" };
        text.push_str(&format!("; it was redriven {} {times}", report.redrives));
    }
    text.push('\n');
    if let Status::Failed(failure) = &report.status {
        text.push_str(&format!("{}\n", one_line(&failure.to_string())));
    }
    text.push('\n');
    text
}

/// A line for the run, and one for each instance; times are since the start.
fn table(report: &RunReport) -> String {
    let (mut text, after) = (headline(report), after(report));
    let mut rows: Vec<_> = report.instances.iter().map(|instance| cells(instance, &after)).collect();
    if rows.iter().all(|row| row[PATH].is_empty()) {
        rows.iter_mut().for_each(|row| drop(row.remove(PATH)));
    }
    aligned(&mut text, rows);
    if report.truncated {
        text.push_str(&format!(
            "  … and more than these {}\n",
            figures::count(report.instances.len() as u64)
        ));
    }
    text
}

/// The column of branch indexes and loop counters.
const PATH: usize = 1;

fn cells(instance: &InstanceReport, after: &impl Fn(Timestamp) -> String) -> Vec<String> {
    let path = if instance.path.is_empty() { String::new() } else { format!("{:?}", instance.path) };
    let state = match &instance.state {
        InstanceState::Waiting { arrived, of } => {
            format!(
                "waits: {} of {} arrived",
                figures::count((*arrived).into()),
                figures::count((*of).into())
            )
        }
        InstanceState::Running => format!("open since {}", after(instance.since)),
        InstanceState::Late => format!("open since {}, nothing waits for it", after(instance.since)),
        InstanceState::Committed { at, on, attempt: 1 } => format!("committed after {} on {on}", after(*at)),
        InstanceState::Committed { at, on, attempt } => {
            format!("committed after {} on {on}, delivery {attempt}", after(*at))
        }
        InstanceState::Failed { at, on, failure } => {
            let deliveries = if failure.attempts == 1 { "delivery" } else { "deliveries" };
            let cause = one_line(&failure.cause);
            format!("failed after {} on {on}, {} {deliveries}: {cause}", after(*at), failure.attempts)
        }
        InstanceState::Cancelled { at } => format!("cancelled after {}", after(*at)),
    };
    vec![instance.node.to_owned(), path, state]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Failure;

    #[test]
    fn a_report_has_a_line_for_each_instance() {
        let failure =
            Failure { at: "b".to_owned(), path: vec![1], cause: "no\nluck".to_owned(), attempts: 3 };
        let instance =
            |node, path: &[u32], state| InstanceReport { node, path: path.to_vec(), since: 1_012, state };
        let report = RunReport {
            key: "k".to_owned(),
            status: Status::Failed(failure.clone()),
            started_at: 1_000,
            deadline: 9_000,
            ended_at: Some(3_500),
            redrives: 1,
            instances: vec![
                instance("a", &[], InstanceState::Committed { at: 1_012, on: "AWS", attempt: 1 }),
                instance("b", &[0], InstanceState::Committed { at: 1_020, on: "ALI", attempt: 2 }),
                instance("b", &[1], InstanceState::Failed { at: 3_000, on: "ALI", failure }),
                instance("b", &[2], InstanceState::Running),
                instance("map", &[], InstanceState::Waiting { arrived: 2, of: 3_000 }),
            ],
            truncated: true,
        };
        let expected = "\
run k has failed, 2.50 s after its start; it was redriven 1 time
b[1] failed after 3 attempts: no luck

  a         committed after 12 ms on AWS
  b    [0]  committed after 20 ms on ALI, delivery 2
  b    [1]  failed after 2.00 s on ALI, 3 deliveries: no luck
  b    [2]  open since 12 ms
  map       waits: 2 of 3,000 arrived
  … and more than these 5
";
        assert_eq!(table(&report), expected);
    }
}
