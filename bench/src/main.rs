//! Whole runs on the embedded clouds, and what they cost: time, memory, table operations.

mod budget;
mod central;
mod cost;
mod orchestrator;
mod shapes;
mod wide;
mod workflows;

use std::{
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use jointlambda::{
    Options, Workflow,
    backend::local::{CloudUsage, Storage},
    embedded::Embedded,
};
use serde::{Deserialize, Serialize};
use workflows::{chain::Chain, map::Wide, three::Three};

/// Measures jointlambda on its embedded clouds. Figures are medians of whole runs.
#[derive(Parser)]
#[command(
    name = "jointlambda-bench",
    after_help = "Example: cargo run --release -p jointlambda-bench -- --store memory"
)]
struct Args {
    /// What is measured.
    #[arg(value_enum, default_value_t = Section::Runs)]
    section: Section,
    /// Where rows are kept.
    #[arg(long, value_enum)]
    store: Option<Store>,
    /// Whole runs per figure; the median is reported.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Print JSON lines instead of a table.
    #[arg(long)]
    json: bool,
    /// One measurement in this process, for `bench` itself: peak memory is a process's.
    #[arg(long, value_enum, hide = true)]
    only: Option<Workload>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Section {
    /// Whole runs, in real time.
    Runs,
    /// What each part of a run asks of the stores.
    Budget,
    /// Maps of up to 100,000 branches, in virtual time.
    Wide,
    /// Against an orchestrator in the middle, in virtual time.
    Central,
    /// What a million runs of the examples cost, beside the paper and the providers' orchestrators.
    Cost,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Store {
    Memory,
    Disk,
}

#[derive(Clone, Copy, ValueEnum)]
enum Workload {
    /// A chain of 1,000 hops, one run at a time.
    Hop,
    /// A map of 10,000 branches.
    Map,
    /// A chain of 3, many runs at a time.
    Runs,
}

/// What one workload took.
#[derive(Serialize, Deserialize)]
struct Figure {
    seconds: f64,
    units: u64,
    peak_mb: f64,
    writes: f64,
    reads: f64,
    invocations: f64,
}

impl Workload {
    fn name(self) -> &'static str {
        match self {
            Workload::Hop => "hop of a chain of 1,000",
            Workload::Map => "branch of a map of 10,000",
            Workload::Runs => "run of a 3-step chain, 256 at a time",
        }
    }

    /// What is counted: hops, branches, or runs.
    fn units(self, store: Store) -> u64 {
        match (self, store) {
            (Workload::Hop, _) => 1_000,
            (Workload::Map, _) => 10_000,
            (Workload::Runs, Store::Memory) => 60_000,
            (Workload::Runs, Store::Disk) => 6_000,
        }
    }
}

fn main() {
    let args = Args::parse();
    if let (Some(workload), Some(store)) = (args.only, args.store) {
        let figure = measure(workload, store);
        println!("{}", serde_json::to_string(&figure).expect("a figure can be printed"));
        return;
    }
    match args.section {
        Section::Runs => {}
        Section::Budget => return budget::table(),
        Section::Wide => return wide::table(),
        Section::Central => return central::table(),
        Section::Cost => return cost::table(),
    }
    let stores = args.store.map_or(vec![Store::Memory, Store::Disk], |store| vec![store]);
    if !args.json {
        println!("| what | store | each | per second | writes | reads | invocations | peak memory |");
        println!("|---|---|---|---|---|---|---|---|");
    }
    for store in stores {
        for workload in [Workload::Hop, Workload::Map, Workload::Runs] {
            let mut figures: Vec<Figure> =
                (0..args.repeat.max(1)).map(|_| in_process(workload, store)).collect();
            figures.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
            let figure = figures.swap_remove(figures.len() / 2);
            report(workload, store, &figure, args.json);
        }
    }
}

/// Measures in a process of its own.
fn in_process(workload: Workload, store: Store) -> Figure {
    let this = std::env::current_exe().expect("this program has a path");
    let value = |v: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
        v().map(|v| v.get_name().to_owned()).unwrap_or_default()
    };
    let output = Command::new(this)
        .args([
            "--only",
            &value(&|| workload.to_possible_value()),
            "--store",
            &value(&|| store.to_possible_value()),
        ])
        .output()
        .expect("this program can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the measurement printed its figure")
}

fn report(workload: Workload, store: Store, figure: &Figure, json: bool) {
    let each = figure.seconds / figure.units as f64;
    let store = if store == Store::Memory { "memory" } else { "disk" };
    if json {
        let line = serde_json::json!({ "what": workload.name(), "store": store, "figure": figure });
        println!("{line}");
        return;
    }
    println!(
        "| {} | {store} | {:.1} µs | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} MB |",
        workload.name(),
        each * 1e6,
        1.0 / each,
        figure.writes,
        figure.reads,
        figure.invocations,
        figure.peak_mb
    );
}

fn measure(workload: Workload, store: Store) -> Figure {
    let tokio =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be built");
    tokio.block_on(async move {
        let units = workload.units(store);
        match workload {
            Workload::Hop => {
                timed::<Chain>(store, units, async |clouds| {
                    assert_eq!(clouds.run("hops", units).await.expect("the run ends"), units);
                })
                .await
            }
            Workload::Map => {
                timed::<Wide>(store, units, async |clouds| {
                    let expected = (0..units).map(|x| x * x).sum::<u64>();
                    assert_eq!(clouds.run("map", units).await.expect("the run ends"), expected);
                })
                .await
            }
            Workload::Runs => timed::<Three>(store, units, async |clouds| many(clouds, units).await).await,
        }
    })
}

/// Starts runs, a bounded number at a time, until `count` have ended.
async fn many(clouds: Arc<Embedded<Three>>, count: u64) {
    const AT_ONCE: u64 = 256;
    let workers = (0..AT_ONCE).map(|worker| {
        let clouds = clouds.clone();
        tokio::spawn(async move {
            for run in (worker..count).step_by(AT_ONCE as usize) {
                let key = format!("run {run}");
                assert_eq!(clouds.run(&key, run).await.expect("the run ends"), (run + 1) * 2 + 3);
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("no worker panics");
    }
}

async fn timed<W: Workflow>(store: Store, units: u64, work: impl AsyncFn(Arc<Embedded<W>>)) -> Figure {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let mut config = Embedded::<W>::config();
    if store == Store::Disk {
        config.storage = Storage::Disk(PathBuf::from(dir.path()));
    }
    let clouds = Arc::new(Embedded::<W>::new(config, Options::default()).expect("the clouds open"));
    let before = peak_mb();
    let started = Instant::now();
    work(clouds.clone()).await;
    let elapsed: Duration = started.elapsed();
    clouds.clouds().idle().await;
    let usage: Vec<CloudUsage> = clouds.clouds().meter().clouds;
    let per_unit = |count: fn(&CloudUsage) -> u64| usage.iter().map(count).sum::<u64>() as f64 / units as f64;
    Figure {
        seconds: elapsed.as_secs_f64(),
        units,
        peak_mb: peak_mb() - before,
        writes: per_unit(|u| u.table_creates + u.table_arrives),
        reads: per_unit(|u| u.table_gets),
        invocations: per_unit(|u| u.invocations),
    }
}

/// The most memory this process has held, in MB; 0 where the system does not say.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1024.0
}
