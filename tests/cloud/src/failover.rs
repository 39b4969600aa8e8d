//! Runs on two clouds while one cloud's functions are down for a while, as in Figure 15 of the paper
//! (arXiv 2505.21899): whether every run ends, how often functions began, and how long it took.

mod figures;

use std::{
    collections::BTreeSet,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use aliyun_emulator::{
    clock::Clock,
    fault::{Action, Answer, Rule, Service},
};
use jointlambda::{Client, RunReport, Status};
use tokio::task::JoinSet;

pub use self::figures::Figures;
use self::figures::figures;
use crate::{
    pair::{Errand, Found, Pair},
    processes,
    two_clouds::TwoClouds,
};

/// The chain of each run: two hops of it are on the cloud that goes down.
const HOPS: u32 = 4;
/// Runs that make the instances of both clouds, before those that are measured.
const WARM: usize = 4;
/// How long a run may take in all.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it is looked which processes there are.
const LOOK: Duration = Duration::from_millis(200);

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
    /// The program of the functions on AWS, which call those that are down.
    pub on_aws: PathBuf,
}

/// When a run started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    During,
    After,
}

/// Starts runs as planned, and waits until all have ended.
pub async fn run(clouds: &TwoClouds, plan: &Plan) -> Figures {
    let client = Arc::new(clouds.client::<Pair>());
    let mut warming = JoinSet::new();
    for number in 0..WARM {
        let client = client.clone();
        warming.spawn(async move { finish(&client, &format!("warm {number}")).await });
    }
    let mut wrong: Vec<_> = warming.join_all().await.into_iter().filter_map(Result::err).collect();
    let is_warm = clouds.executions.counts();

    let (began, mut running) = (Instant::now(), JoinSet::new());
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
    let (outage, ()) = tokio::join!(outage(clouds, plan), starts);
    let mut runs = Vec::new();
    for (phase, ended) in running.join_all().await {
        match ended {
            Ok(report) => runs.push((phase, report)),
            Err(why) => wrong.push(why),
        }
    }
    if plan.how == Down::Stalls {
        // What was sent late comes now, and finds that it was done elsewhere.
        tokio::time::sleep(STALL).await;
    }
    let counts = clouds.executions.counts();
    let mut figures = figures(plan, runs, counts, &is_warm, &outage);
    figures.wrong = wrong;
    figures
}

/// What was seen of an outage.
struct Outage {
    /// When it began, in milliseconds since the epoch.
    at: u64,
    asked: Option<u64>,
    callers: usize,
}

async fn outage(clouds: &TwoClouds, plan: &Plan) -> Outage {
    tokio::time::sleep(plan.down.start).await;
    let invocations = || {
        let mut requests = clouds.ali.emulator.requests();
        let of_functions = requests.remove(&Service::FunctionCompute).unwrap_or_default();
        of_functions.get("InvokeFunction").copied().unwrap_or(0)
    };
    let (at, before, length) = (Clock::of_day(), invocations(), plan.down.end - plan.down.start);
    let gates = [&clouds.gates.to_functions, &clouds.gates.own_functions];
    match plan.how {
        Down::Answers | Down::Stalls => {
            let rule = Rule { for_ms: Some(length.as_millis() as u64), ..rule(plan.how) };
            clouds.ali.emulator.fault(rule).expect("one more fault can be");
        }
        Down::Refuses => gates.iter().for_each(|gate| gate.shut()),
    }
    let callers = callers(&plan.on_aws, &clouds.mark(), length).await;
    let asked = match plan.how {
        Down::Answers | Down::Stalls => Some(invocations() - before),
        Down::Refuses => {
            gates.iter().for_each(|gate| gate.open());
            None
        }
    };
    Outage { at, asked, callers }
}

/// Counts the processes of the functions that call those that are down, for as long as that takes.
async fn callers(program: &Path, mark: &str, length: Duration) -> usize {
    let (began, mut found) = (Instant::now(), BTreeSet::new());
    while began.elapsed() < length {
        let (program, mark) = (program.to_owned(), mark.to_owned());
        let look = tokio::task::spawn_blocking(move || {
            let of = |function| processes::running(&program, &[&mark, function]);
            [of("JOINTLAMBDA_FUNCTION=begin\0"), of("JOINTLAMBDA_FUNCTION=here\0")].concat()
        });
        found.extend(look.await.expect("it does not panic"));
        tokio::time::sleep(LOOK.min(length.saturating_sub(began.elapsed()))).await;
    }
    found.len()
}

fn rule(how: Down) -> Rule {
    if how == Down::Stalls {
        let ms = STALL.as_millis() as u64;
        return Rule::new(Service::FunctionCompute, Action::Delay { ms }).operation("InvokeFunction");
    }
    let answer = Answer { status: 503, code: "ServiceUnavailable".to_owned(), message: String::new() };
    Rule::new(Service::FunctionCompute, Action::Error(answer))
}

/// Starts a run, and tells of it when it has ended; or what went wrong.
async fn finish(client: &Client<Pair>, key: &str) -> Result<RunReport, String> {
    let errand = Errand { run: key.replace(' ', "-"), hops: HOPS, ..Errand::default() };
    let told = async {
        let run = client.start(key, errand).await.map_err(|error| format!("it does not start: {error}"))?;
        let result = client.result(&run).await.map_err(|error| error.to_string())?;
        let expected = Found { steps: HOPS, read: 0 };
        if result != expected {
            return Err(format!("it gave {result:?} and not {expected:?}"));
        }
        client.report(&run).await.map_err(|error| format!("it cannot be asked: {error}"))
    };
    let told = tokio::time::timeout(PATIENCE, told).await;
    let told = told.unwrap_or_else(|_| Err(format!("it did not end within {} s", PATIENCE.as_secs())));
    match told {
        Ok(report) if report.status != Status::Returned => Err(format!("{key}: it is {:?}", report.status)),
        told => told.map_err(|why| format!("{key}: {why}")),
    }
}
