//! What is measured: how long runs take and what they ask for, and where the time of a hop goes.

use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    time::{Duration, Instant},
};

use jointlambda::client::Status;

use crate::{
    Clouds, ONE_WAY,
    orchestrator::Plan,
    points::{self, Step, median},
    shapes,
    wan::{Crossing, What, crossings},
};

/// Hops of the chains.
const HOPS: [u32; 5] = [1, 2, 4, 6, 10];
/// Branches of Monte Carlo.
const BRANCHES: [u32; 5] = [2, 8, 32, 64, 128];
/// Runs that make the instances and open connections, before those that are measured.
const COLD: usize = 3;
/// Runs that are measured.
const WARM: usize = 7;
/// How often it is asked whether a run has ended.
const LOOK: Duration = Duration::from_millis(2);
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long what follows the end of a run may take, such as the answers of its functions.
const SETTLED: Duration = Duration::from_millis(300);

/// A run: how long it took, what its functions asked for, and what crossed.
pub(crate) struct Run {
    pub(crate) makespan: Duration,
    writes: usize,
    reads: usize,
    invocations: usize,
    pub(crate) crossed: Vec<Crossing>,
    pub(crate) way: Vec<Step>,
}

impl Run {
    fn requests(&self) -> usize {
        self.crossed.iter().filter(|crossing| matches!(crossing.what, What::Request(_))).count()
    }

    fn connections(&self) -> usize {
        self.crossed.len() - self.requests()
    }
}

/// Prints the tables.
pub(crate) async fn print(clouds: &Clouds) {
    println!(
        "| workflow | jointlambda | central | ratio | writes, reads, invocations | of the central one | requests \
         that cross | of the central one | new connections that cross |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let chains = HOPS.into_iter().map(|hops| Plan::Chain { hops });
    let plans = chains.chain(BRANCHES.into_iter().map(|branches| Plan::MonteCarlo { branches }));
    let mut detailed = Vec::new();
    for plan in plans {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..COLD + WARM {
            let key = format!("{} {round}", plan.title()).replace(' ', "-");
            let one = ours_once(clouds, plan, &key).await;
            let other = theirs_once(clouds, plan, &key).await;
            if round >= COLD {
                ours.push(one);
                theirs.push(other);
            }
        }
        print_line(plan, &ours, &theirs);
        if matches!(plan, Plan::Chain { hops: 10 } | Plan::MonteCarlo { branches: 32 }) {
            detailed.push((plan, ours));
        }
    }
    println!();
    points::print_head();
    for (plan, runs) in &detailed {
        points::print(&plan.title(), runs.iter().map(|run| &run.way));
    }
    println!();
    print_wires(&detailed);
    println!();
    print_crossings(&detailed);
}

fn print_line(plan: Plan, ours: &[Run], theirs: &[Run]) {
    let makespan = |runs: &[Run]| {
        let median = median(runs.iter().map(|run| run.makespan).collect());
        median.unwrap_or_default().as_secs_f64() * 1_000.0
    };
    let of =
        |runs: &[Run], count: fn(&Run) -> usize| median(runs.iter().map(count).collect()).unwrap_or_default();
    let operations = |runs: &[Run]| {
        let counts: [fn(&Run) -> usize; 3] = [|run| run.writes, |run| run.reads, |run| run.invocations];
        counts.map(|count| of(runs, count).to_string()).join(", ")
    };
    println!(
        "| {} | {:.0} ms | {:.0} ms | {:.2} | {} | {} | {} | {} | {}, {} |",
        plan.title(),
        makespan(ours),
        makespan(theirs),
        makespan(theirs) / makespan(ours),
        operations(ours),
        operations(theirs),
        of(ours, Run::requests),
        of(theirs, Run::requests),
        of(ours, Run::connections),
        of(theirs, Run::connections),
    );
}

/// Prints what the delivery of an event that crosses is made of.
fn print_wires(detailed: &[(Plan, Vec<Run>)]) {
    println!(
        "| workflow | hop | until the request is on the wire | one way | until the function is entered | sum |"
    );
    println!("|---|---|---|---|---|---|");
    for (plan, runs) in detailed {
        let mut by_hop: BTreeMap<String, Vec<[Duration; 3]>> = BTreeMap::new();
        for run in runs {
            for step in &run.way {
                let delivered = step.at + step.parts[0];
                let begins = |crossing: &&Crossing| match &crossing.what {
                    What::Request(asked) => {
                        asked.contains("/invocations")
                            && (step.at..delivered).contains(&Duration::from_nanos(crossing.at))
                    }
                    What::Connection => false,
                };
                let Some(crossing) = run.crossed.iter().find(begins) else { continue };
                let wired = Duration::from_nanos(crossing.at);
                let there = (wired + ONE_WAY).min(delivered);
                let parts = [wired - step.at, there - wired, delivered - there];
                by_hop.entry(format!("`{}` to `{}`", step.from, step.function)).or_default().push(parts);
            }
        }
        for (hop, all) in by_hop {
            let part = |part: usize| median(all.iter().map(|parts| parts[part]).collect());
            let sum = median(all.iter().map(|parts| parts.iter().sum::<Duration>()).collect());
            let ms = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1_000.0;
            println!(
                "| {} | {hop} | {:.2} | {:.2} | {:.2} | {:.2} |",
                plan.title(),
                ms(part(0)),
                ms(part(1)),
                ms(part(2)),
                ms(sum),
            );
        }
    }
}

/// Prints which requests cross in a run.
pub(crate) fn print_crossings(detailed: &[(Plan, Vec<Run>)]) {
    println!("| workflow | way | what crosses | times a run |");
    println!("|---|---|---|---|");
    for (plan, runs) in detailed {
        let mut counts: BTreeMap<(bool, String), usize> = BTreeMap::new();
        for crossing in runs.iter().flat_map(|run| &run.crossed) {
            let what = match &crossing.what {
                What::Connection => "a new connection".to_owned(),
                What::Request(asked) => asked.clone(),
            };
            *counts.entry((!crossing.is_outward, what)).or_default() += 1;
        }
        for ((is_inward, what), count) in counts {
            let way = if is_inward { "to AWS" } else { "to Alibaba Cloud" };
            println!("| {} | {way} | `{what}` | {:.2} |", plan.title(), count as f64 / runs.len() as f64);
        }
    }
}

pub(crate) async fn ours_once(clouds: &Clouds, plan: Plan, key: &str) -> Run {
    forget(clouds);
    let began = Instant::now();
    let run = clouds.client.start(key, shapes::input(plan)).await.expect("it starts");
    until(began, async || clouds.client.status(&run).await.expect("it can be asked") != Status::Running)
        .await;
    let makespan = began.elapsed();
    tokio::time::sleep(SETTLED).await;
    let all = seen(clouds, makespan, true);
    clouds.client.result(&run).await.expect("it returns");
    all
}

async fn theirs_once(clouds: &Clouds, plan: Plan, key: &str) -> Run {
    forget(clouds);
    let began = Instant::now();
    clouds.central.start(key, plan).await.expect("it starts");
    until(began, async || clouds.central.has_ended(key).await.expect("it can be asked")).await;
    let makespan = began.elapsed();
    tokio::time::sleep(SETTLED).await;
    seen(clouds, makespan, false)
}

/// Waits until `ended`, asking again and again.
async fn until(began: Instant, mut ended: impl AsyncFnMut() -> bool) {
    while !ended().await {
        assert!(began.elapsed() < PATIENCE, "the run does not end");
        tokio::time::sleep(LOOK).await;
    }
}

/// Forgets what was written down.
fn forget(clouds: &Clouds) {
    for path in [&clouds.points, &clouds.crossings] {
        File::create(path).expect("it can be written");
    }
}

/// What was written down since.
fn seen(clouds: &Clouds, makespan: Duration, has_way: bool) -> Run {
    let count = |point| points::count(&clouds.points, point);
    let way = |path: &Path| if has_way { points::way(path) } else { Vec::new() };
    Run {
        makespan,
        writes: count("committing"),
        reads: count("read"),
        invocations: count("invoking"),
        crossed: crossings(&clouds.crossings),
        way: way(&clouds.points),
    }
}
