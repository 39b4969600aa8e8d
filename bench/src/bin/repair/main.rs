//! What faults around a run cost: how soon what was lost is found, how often calls are repeated, what
//! a sweep needs, and what batches need. In virtual time, with the latencies of Tokyo.

mod workflows;
mod world;

use std::{fmt::Display, time::Duration};

use clap::Parser;
use jointlambda::{
    backend::{
        fault::{FunctionsState, TableState},
        local::{Profile, virtual_time},
    },
    embedded::Embedded,
};
use peak_alloc::PeakAlloc;

use self::{
    workflows::{BEGUN, backlog::Backlog, days::Days, gather::Gather, mixed::Mixed, one::One, wide::Wide},
    world::{MINUTE, World, roomy},
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Measures what faults around a run cost: repetitions, memory of sweeps, operations of batches.
#[derive(Parser)]
#[command(after_help = "Example: cargo run --release -p jointlambda-bench --bin repair")]
struct Args {
    /// Everything a tenth as large, for a try.
    #[arg(long)]
    small: bool,
    /// Print JSON lines, `{"what": …, "figure": …}`, instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() {
    let args = Args::parse();
    let by = if args.small { 10 } else { 1 };
    if !args.json {
        println!("| what | figure |\n|---|---|");
    }
    let say = |what: String, figure: String| match args.json {
        true => println!("{}", serde_json::json!({ "what": what, "figure": figure })),
        false => println!("| {what} | {figure} |"),
    };
    let runs = 10_000 / by;
    say(format!("a lost event beside {runs} open runs"), format!("found after {} s", beside(runs).as_secs()));
    let n = 100_000 / by;
    let map = wide(n);
    say(
        format!("map of {n} whose successor runs 10 minutes, and is lost once"),
        format!("successor begun {} times", map.begun),
    );
    say(
        format!("{} sweeps of it", map.sweeps),
        format!("the largest held {:.0} MB, rows as read included", map.peak_mb),
    );
    let n = 2_000 / by;
    say(format!("backlog of {n} calls of 30 s, 50 at a time"), format!("begun {} times", backlog(n)));
    for (what, is_of_tables) in [("tables", true), ("functions", false)] {
        let (failed, of) = outages(is_of_tables);
        let what = format!("outages of {what} of 1 s to 1 h, {of} runs in flight");
        say(what, format!("{failed} failed"));
    }
    for n in [1_000, 8_000].map(|n| n / by) {
        for (what, units) in [
            (format!("batches of 10, a map of {n} at a time"), gathered::<Gather>(1, n)),
            (format!("batches of 10, {n} runs at a time"), gathered::<One>(n, 1)),
        ] {
            say(what, units);
        }
    }
}

/// How long a run takes whose event is lost, beside so many open ones that were started over an hour.
fn beside(runs: u64) -> Duration {
    virtual_time(0, async {
        let mut config = roomy::<Days>();
        config.profile = Profile::TOKYO;
        let world = World::<Days>::new(config);
        world.weather.lose_next("day", u64::MAX);
        for key in 0..runs {
            world.client.start(&key.to_string(), 1).await.expect("it starts");
            tokio::time::sleep(60 * MINUTE / runs as u32).await;
        }
        world.weather.lose_next("instant", 1);
        let run = world.client.start("new", 0).await.expect("it starts");
        let (result, took) = world.follow(&run, || ()).await;
        assert_eq!(result.expect("it ends"), 1);
        took
    })
}

struct Wided {
    begun: u64,
    sweeps: u64,
    peak_mb: f64,
}

/// A map whose successor runs for ten minutes, and whose first event is lost.
fn wide(n: u64) -> Wided {
    BEGUN.set(0);
    virtual_time(0, async {
        let world = World::<Wide>::new(roomy::<Wide>());
        world.weather.lose_next("fold", 1);
        let run = world.client.start("key", n).await.expect("it starts");
        let (mut sweeps, mut peak_mb) = (0, 0_f64);
        let before = || {
            MEMORY.reset_peak_usage();
            MEMORY.current_usage_as_mb()
        };
        let after = |before: f32| {
            sweeps += 1;
            peak_mb = peak_mb.max(f64::from(MEMORY.peak_usage_as_mb() - before));
        };
        let (result, _) = world.follow_measured(&run, before, after).await;
        assert_eq!(result.expect("it ends"), n);
        Wided { begun: BEGUN.get(), sweeps, peak_mb }
    })
}

/// How often the calls of a backlog are begun, that waits for hours behind few executions at a time.
fn backlog(n: u64) -> u64 {
    BEGUN.set(0);
    virtual_time(0, async {
        let mut config = Embedded::<Backlog>::config();
        config.profile = Profile::TOKYO;
        config.clouds[0].concurrency = 50;
        let world = World::<Backlog>::new(config);
        let run = world.client.start("key", n).await.expect("it starts");
        assert_eq!(world.follow(&run, || ()).await.0.expect("it ends"), n);
        // What was sent again is delivered after that.
        world.clouds.idle().await;
        BEGUN.get()
    })
}

/// How many runs fail, and how many there are, if tables or functions are down in the midst of them.
fn outages(is_of_tables: bool) -> (usize, usize) {
    let (mut failed, mut all) = (0, 0);
    for lasts in [1, 30, 120, 240, 600, 900, 1_800, 3_600].map(Duration::from_secs) {
        for down in [[true, false], [false, true], [true, true]] {
            for from in [100, 1_000, 2_500].map(Duration::from_millis) {
                let ended = virtual_time(0, async {
                    let mut config = roomy::<Mixed>();
                    config.profile = Profile::REALISTIC;
                    let world = World::<Mixed>::new(config);
                    let set = |is_down: bool| {
                        for cloud in (0..2).filter(|cloud| down[*cloud]) {
                            let (table, functions) = match (is_of_tables, is_down) {
                                (_, false) => (TableState::Fine, FunctionsState::Fine),
                                (true, true) => (TableState::Down, FunctionsState::Fine),
                                (false, true) => (TableState::Fine, FunctionsState::Down),
                            };
                            world.weather.set_table(cloud, table);
                            world.weather.set_functions(cloud, functions);
                        }
                    };
                    let mut runs = Vec::new();
                    for n in [0, 1, 2, 5, 9] {
                        runs.push((n, world.client.start(&n.to_string(), n).await.expect("it starts")));
                    }
                    let outage = async {
                        tokio::time::sleep(from).await;
                        set(true);
                        tokio::time::sleep(lasts).await;
                        set(false);
                    };
                    let results = async {
                        let mut ended = Vec::new();
                        for (n, run) in runs {
                            let (result, _) = world.follow(&run, || ()).await;
                            ended.push(result.ok() == Some(n));
                        }
                        ended
                    };
                    tokio::join!(outage, results).1
                });
                failed += ended.iter().filter(|is_well| !**is_well).count();
                all += ended.len();
            }
        }
    }
    (failed, all)
}

/// What a member of a batch asks of the stores, beside what its run would without batches: so many runs
/// at once, each of so many calls.
fn gathered<W: workflows::Batched>(runs: u64, n: u64) -> String {
    let [plain, batched] = [false, true].map(|is_batched| {
        virtual_time(0, async {
            let mut config = roomy::<W>();
            config.profile = Profile::TOKYO;
            let world = World::<W>::new(config);
            let starts = (0..runs).map(|key| {
                let (client, key) = (&world.client, key.to_string());
                async move { client.start(&key, W::input(n, is_batched)).await.expect("it starts") }
            });
            for run in futures_util::future::join_all(starts).await {
                let result = world.client.result(&run).await;
                W::check(n, result.expect("it ends"));
            }
            world.clouds.idle().await;
            world.clouds.meter().total().expect("there are clouds")
        })
    });
    let members = runs * n;
    let each = |count: fn(&jointlambda::backend::local::CloudUsage) -> u64| -> f64 {
        (count(&batched) as f64 - count(&plain) as f64) / members as f64
    };
    let shown = |value: f64| -> Box<dyn Display> { Box::new(format!("{value:.2}")) };
    format!(
        "{} writes and {} reads a member more than a call alone; {} invocations",
        shown(each(|one| one.table_creates + one.table_arrives)),
        shown(each(|one| one.table_gets)),
        shown(batched.invocations as f64 / members as f64),
    )
}
