//! Runs on two clouds while one cloud's functions are down for a while, as in Figure 15 of the paper
//! (arXiv 2505.21899): whether every run ends, how often functions began, and how long it took.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use aliyun_emulator::fault::{Action, Answer, Rule, Service};
use jointlambda::{Client, InstanceState, RunReport, Status};
use tokio::task::JoinSet;

use crate::{
    pair::{Errand, Found, Pair},
    two_clouds::TwoClouds,
};

/// The chain of each run: two hops of it are on the cloud that goes down.
const HOPS: u32 = 4;
/// Runs that make the instances of both clouds, before those that are measured.
const WARM: usize = 4;
/// How long a run may take in all.
const PATIENCE: Duration = Duration::from_secs(180);

/// How functions are down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// Function Compute answers with 503, and starts nothing that it has accepted before.
    Answers,
    /// Connections are cut, and others refused. What was accepted before runs.
    Refuses,
    /// Function Compute says nothing until nobody waits any more, and then takes what it was sent.
    Stalls,
}

/// How long it says nothing: longer than whoever asks waits.
const STALL: Duration = Duration::from_secs(7);

/// When runs start, and when functions are down.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For how long runs are started.
    pub all: Duration,
    /// When functions are down.
    pub down: Range<Duration>,
    /// Starts in a second.
    pub per_second: u32,
    /// In which way.
    pub how: Down,
}

/// When a run started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    During,
    After,
}

/// What came of it.
#[derive(Debug)]
pub struct Figures {
    runs: Vec<(Phase, RunReport)>,
    /// Calls that began more than once.
    pub twice: Vec<String>,
    /// Calls that never began.
    pub never: Vec<String>,
    /// Calls of the cloud that was down which ran on the other.
    pub failed_over: usize,
}

/// Starts runs as planned, and waits until all have ended.
///
/// # Panics
/// When a run does not start, end, or give what its plain run gives.
pub async fn run(clouds: &TwoClouds, plan: &Plan) -> Figures {
    let client = Arc::new(clouds.client::<Pair>());
    let mut warming = JoinSet::new();
    for number in 0..WARM {
        let client = client.clone();
        warming.spawn(async move { finish(&client, &format!("warm {number}")).await });
    }
    warming.join_all().await;
    let is_warm = clouds.executions.counts();

    let (began, mut running) = (Instant::now(), JoinSet::new());
    let outage = async {
        tokio::time::sleep(plan.down.start).await;
        let length = plan.down.end - plan.down.start;
        match plan.how {
            Down::Answers | Down::Stalls => {
                let rule = Rule { for_ms: Some(length.as_millis() as u64), ..rule(plan.how) };
                clouds.ali.emulator.fault(rule).expect("one more fault can be");
                tokio::time::sleep(length).await;
            }
            Down::Refuses => {
                let gates = [&clouds.gates.to_functions, &clouds.gates.own_functions];
                gates.iter().for_each(|gate| gate.shut());
                tokio::time::sleep(length).await;
                gates.iter().for_each(|gate| gate.open());
            }
        }
    };
    let starts = async {
        let number = (plan.all.as_millis() * u128::from(plan.per_second) / 1_000) as u32;
        for run in 0..number {
            let at = Duration::from_secs(1) * run / plan.per_second;
            tokio::time::sleep(at.saturating_sub(began.elapsed())).await;
            let phase = match at {
                at if at < plan.down.start => Phase::Before,
                at if at < plan.down.end => Phase::During,
                _ => Phase::After,
            };
            let client = client.clone();
            running.spawn(async move { (phase, finish(&client, &format!("run {run}")).await) });
        }
    };
    tokio::join!(outage, starts);
    let runs = running.join_all().await;
    if plan.how == Down::Stalls {
        // What was sent late comes now, and finds that it was done elsewhere.
        tokio::time::sleep(STALL).await;
    }
    figures(clouds, runs, &is_warm)
}

fn rule(how: Down) -> Rule {
    if how == Down::Stalls {
        let ms = STALL.as_millis() as u64;
        return Rule::new(Service::FunctionCompute, Action::Delay { ms }).operation("InvokeFunction");
    }
    let answer = Answer { status: 503, code: "ServiceUnavailable".to_owned(), message: String::new() };
    Rule::new(Service::FunctionCompute, Action::Error(answer))
}

/// Starts a run, and tells of it when it has ended.
async fn finish(client: &Client<Pair>, key: &str) -> RunReport {
    let errand = Errand { run: key.replace(' ', "-"), hops: HOPS, ..Errand::default() };
    let run = client.start(key, errand).await.expect("it starts");
    let result = tokio::time::timeout(PATIENCE, client.result(&run)).await.expect("it ends");
    assert_eq!(result.expect("it returns"), Found { steps: HOPS, read: 0 }, "{key}");
    let report = client.report(&run).await.expect("it can be asked");
    assert_eq!(report.status, Status::Returned, "{key}");
    report
}

fn figures(clouds: &TwoClouds, runs: Vec<(Phase, RunReport)>, before: &BTreeMap<String, u64>) -> Figures {
    let mut counts = clouds.executions.counts();
    counts.retain(|what, _| !before.contains_key(what));
    let twice =
        counts.iter().filter(|(_, count)| **count > 1).map(|(what, count)| format!("{what}: {count}"));
    let twice = twice.collect();
    let mut never = Vec::new();
    for (_, report) in &runs {
        let run = report.key.replace(' ', "-");
        let hops =
            (0..HOPS).map(|hop| format!("{run} {} {hop}", if hop % 2 == 0 { "there" } else { "here" }));
        let calls = hops.chain([format!("{run} begin 0"), format!("{run} add 0")]);
        never.extend(calls.filter(|call| !counts.contains_key(call)));
    }
    let failed_over = runs.iter().map(|(_, report)| hops(report, "AWS").count()).sum();
    Figures { runs, twice, never, failed_over }
}

/// How long the hops to the cloud that goes down took that were committed on a cloud, in milliseconds:
/// from the commit before.
fn hops<'r>(report: &'r RunReport, cloud: &'r str) -> impl Iterator<Item = u64> + 'r {
    report.instances.iter().filter_map(move |one| match one.state {
        InstanceState::Committed { at, on, .. } if one.node == "there" && on == cloud => {
            Some(at.saturating_sub(one.since))
        }
        _ => None,
    })
}

impl Figures {
    /// How many runs there were.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }
}

/// The value below which so many percent are.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| runs started | number | makespan p50 | p95 | longest | hops failed over |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for phase in [Phase::Before, Phase::During, Phase::After] {
            let of: Vec<_> =
                self.runs.iter().filter(|(when, _)| *when == phase).map(|(_, one)| one).collect();
            let spans = of.iter().filter_map(|one| Some(one.ended_at?.saturating_sub(one.started_at)));
            let mut spans: Vec<_> = spans.collect();
            spans.sort_unstable();
            let over: usize = of.iter().map(|one| hops(one, "AWS").count()).sum();
            writeln!(
                f,
                "| {} | {} | {} ms | {} ms | {} ms | {over} |",
                format!("{phase:?}").to_lowercase(),
                of.len(),
                percentile(&spans, 50),
                percentile(&spans, 95),
                spans.last().unwrap_or(&0),
            )?;
        }
        let sorted = |cloud| {
            let mut all: Vec<_> = self.runs.iter().flat_map(|(_, one)| hops(one, cloud)).collect();
            all.sort_unstable();
            all
        };
        let (normal, over) = (sorted("ALI"), sorted("AWS"));
        writeln!(
            f,
            "a hop to Alibaba Cloud: p50 {} ms, p95 {} ms ({} hops); failed over to AWS: p50 {} ms, p95 {} ms \
             ({} hops); began twice: {}; never: {}",
            percentile(&normal, 50),
            percentile(&normal, 95),
            normal.len(),
            percentile(&over, 50),
            percentile(&over, 95),
            over.len(),
            self.twice.len(),
            self.never.len(),
        )
    }
}
