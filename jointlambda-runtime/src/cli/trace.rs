//! `trace`: when each call of a run was dispatched and committed, and where, from its rows.

use std::{fmt::Write as _, process::ExitCode, sync::Arc, time::Duration};

use super::{
    args::TraceArgs,
    chart::{Canvas, chart},
    exit::{Trouble, one_line},
    figures, list,
    operate::{self, of_run},
    print,
};
use crate::{
    backend::{
        Timestamp,
        local::{Span, SpanOutcome, Timeline},
    },
    client::RunReport,
    definition::{CloudIndex, Definition, NodeDef},
    machine::Workflow,
    survey::{InstanceReport, InstanceState},
};

/// Up to so many calls have a line each; of more, there is a line for each function.
const MAX_LINES: usize = 60;
/// The width of the part that is time.
const COLUMNS: std::ops::RangeInclusive<usize> = 20..=120;

/// Draws the timeline of a run.
pub(super) fn trace<W: Workflow>(args: &TraceArgs) -> Result<ExitCode, Trouble> {
    let report = of_run::<W, _>(&args.run, async |client, run| client.report(run).await)?;
    if args.json {
        let json = serde_json::to_string(&report).map_err(|error| Trouble::of(&error))?;
        print(&(json + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&text(&report, W::definition(), Canvas::of_stdout(), list::now()))?;
    Ok(ExitCode::SUCCESS)
}

/// A call, and when it was under way: from its dispatch to its commit, or until now.
struct Stretch<'r> {
    node: &'static NodeDef,
    instance: &'r InstanceReport,
    cloud: CloudIndex,
    until: Timestamp,
}

impl<'r> Stretch<'r> {
    /// None for fan-ins, where nothing runs.
    fn of(instance: &'r InstanceReport, definition: &'static Definition, now: Timestamp) -> Option<Self> {
        let node = definition.nodes.iter().find(|node| node.name == instance.node)?;
        let placed = definition.function_of(node)?.on;
        let named = |name| definition.clouds.iter().position(|cloud| cloud.name == name);
        let (on, until) = match instance.state {
            InstanceState::Committed { at, on, .. } | InstanceState::Failed { at, on, .. } => (named(on), at),
            InstanceState::Cancelled { at } => (None, at),
            _ => (None, now),
        };
        let cloud = on.map_or(placed, |cloud| cloud as CloudIndex);
        Some(Stretch { node, instance, cloud, until: until.max(instance.since) })
    }

    fn name(&self) -> String {
        match &*self.instance.path {
            [] => self.node.name.to_owned(),
            path => format!("{}{path:?}", self.node.name),
        }
    }

    fn took(&self) -> Duration {
        Duration::from_millis(self.until - self.instance.since)
    }

    /// What is to be said of it beside its time.
    fn note(&self) -> String {
        match &self.instance.state {
            InstanceState::Committed { attempt: 1, .. } => String::new(),
            InstanceState::Committed { attempt, .. } => format!("delivery {attempt}"),
            InstanceState::Failed { failure, .. } => format!("failed: {}", one_line(&failure.cause)),
            InstanceState::Cancelled { .. } => "cancelled".to_owned(),
            InstanceState::Late => "open, nothing waits for it".to_owned(),
            InstanceState::Running | InstanceState::Waiting { .. } => "open".to_owned(),
        }
    }
}

pub(super) fn text(
    report: &RunReport,
    definition: &'static Definition,
    canvas: Canvas,
    now: Timestamp,
) -> String {
    let mut text = operate::headline(report);
    let calls: Vec<_> = report.instances.iter().filter_map(|one| Stretch::of(one, definition, now)).collect();
    text.push_str(&match calls.len() {
        0 => "no call was dispatched\n".to_owned(),
        1..=MAX_LINES => waterfall(&calls, definition, canvas),
        _ => chart(&timeline(&calls, definition), definition, canvas),
    });
    if report.truncated {
        let shown = figures::count(report.instances.len() as u64);
        let _ = writeln!(text, "  … and more than these {shown} calls and fan-ins");
    }
    text
}

/// A line for each call, in order of the workflow, with a bar for the time from its dispatch to its
/// commit.
fn waterfall(calls: &[Stretch<'_>], definition: &Definition, canvas: Canvas) -> String {
    let from = calls.iter().map(|call| call.instance.since).min().unwrap_or(0);
    let to = calls.iter().map(|call| call.until).max().unwrap_or(0);
    let length = (to - from).max(1);
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let names = widest(&mut calls.iter().map(|call| call.name().chars().count())).min(40);
    let clouds = widest(&mut definition.clouds.iter().map(|cloud| cloud.name.chars().count()));
    let tooks = widest(&mut calls.iter().map(|call| figures::duration(call.took()).chars().count()));
    let notes = widest(&mut calls.iter().map(|call| call.note().chars().count())).min(40);
    let columns = canvas.width.saturating_sub(names + clouds + tooks + notes + 10);
    let columns = columns.clamp(*COLUMNS.start(), *COLUMNS.end());
    let column = |at: Timestamp| ((at - from) * columns as u64 / length) as usize;

    let whole = figures::duration(Duration::from_millis(length));
    let is_open =
        |call: &Stretch<'_>| matches!(call.instance.state, InstanceState::Running | InstanceState::Late);
    let end = if calls.iter().any(is_open) { "now" } else { "the last commit" };
    let mut text = format!("{}\n", canvas.bold(&format!("{whole} from the first dispatch to {end}")));
    for call in calls {
        let cloud = usize::from(call.cloud);
        let begin = column(call.instance.since).min(columns - 1);
        let end = column(call.until).clamp(begin + 1, columns);
        let bar = format!("{}{}{}", " ".repeat(begin), "█".repeat(end - begin), " ".repeat(columns - end));
        let name: String = call.name().chars().take(names).collect();
        let place = definition.clouds[cloud].name;
        let line = format!(
            "  {name:names$}  {}  {:>tooks$}  {}  {}",
            canvas.cloud(cloud, &bar),
            figures::duration(call.took()),
            canvas.cloud(cloud, &format!("{place:clouds$}")),
            call.note()
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// The same calls as executions, for the chart of many.
fn timeline(calls: &[Stretch<'_>], definition: &Definition) -> Timeline {
    let span = |call: &Stretch<'_>| Span {
        cloud: call.cloud.into(),
        function: Arc::from(definition.function_of(call.node).map_or("", |function| function.name)),
        start_us: call.instance.since * 1_000,
        end_us: call.until * 1_000,
        cold: false,
        attempt: 1,
        outcome: match call.instance.state {
            InstanceState::Failed { .. } => SpanOutcome::Failed,
            _ => SpanOutcome::Done,
        },
    };
    Timeline { spans: calls.iter().map(span).collect(), dropped: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::Status, envelope::Failure, graph::sample};

    fn report(branches: u32) -> RunReport {
        let definition = &sample::ALL;
        let calls: Vec<_> =
            definition.nodes.iter().filter(|node| definition.function_of(node).is_some()).collect();
        let one = |node: &NodeDef, path: &[u32], since, state| InstanceReport {
            node: calls.iter().find(|call| call.name == node.name).expect("it is a call").name,
            path: path.to_vec(),
            since,
            state,
        };
        let on = definition.clouds[0].name;
        let failure = Failure { at: "b".into(), path: vec![1], cause: "no\nluck".into(), attempts: 3 };
        let mut instances = vec![
            one(calls[0], &[], 1_000, InstanceState::Committed { at: 1_500, on, attempt: 1 }),
            one(calls[1], &[0], 1_500, InstanceState::Committed { at: 3_000, on, attempt: 2 }),
            one(calls[1], &[1], 1_500, InstanceState::Failed { at: 2_000, on, failure }),
            one(calls[1], &[2], 1_500, InstanceState::Running),
        ];
        for branch in 3..branches {
            instances.push(one(calls[1], &[branch], 1_500, InstanceState::Cancelled { at: 2_500 }));
        }
        RunReport {
            key: "k".to_owned(),
            status: Status::Running,
            started_at: 1_000,
            deadline: 9_000,
            ended_at: None,
            redrives: 0,
            instances,
            truncated: branches > 4,
        }
    }

    #[test]
    fn few_calls_have_a_line_each_and_many_a_line_for_each_function() {
        let canvas = Canvas { width: 90, colour: false };
        insta::assert_snapshot!(text(&report(4), &sample::ALL, canvas, 3_500));
        insta::assert_snapshot!(text(&report(100), &sample::ALL, canvas, 3_500));
    }
}
