//! What it costs that Alibaba Cloud's functions are down, with the distance between the clouds: a call that
//! tries them first goes there and back in vain, and what runs on AWS instead commits where its row is.

use std::time::Duration;

use crate::{
    Clouds,
    orchestrator::Plan,
    points::{self, Step, median},
    tables::{Run, ours_once, print_crossings},
    wan::What,
};

/// Runs that are measured, of each kind.
const RUNS: usize = 7;
/// Runs before those, in which it is noticed that functions are down: each call fails once.
const NOTICING: usize = 3;
/// For so long a process keeps off a cloud at most. Then it has been up long enough for all.
const KEPT_OFF: Duration = Duration::from_secs(11);

/// What is known of the functions when a run starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Functions {
    Up,
    /// They are down, and no process has noticed yet.
    Down,
    /// They are down, and are tried last.
    KnownDown,
}

impl Functions {
    fn title(self) -> &'static str {
        match self {
            Functions::Up => "up",
            Functions::Down => "down, and tried first",
            Functions::KnownDown => "down, and skipped",
        }
    }
}

/// Prints the tables.
pub(crate) async fn print(clouds: &mut Clouds) {
    println!(
        "| workflow | functions of Alibaba Cloud are | makespan | requests to them in vain | a hop to them, from \
         commit to commit |"
    );
    println!("|---|---|---|---|---|");
    let short = Plan::Chain { hops: 2 };
    for how in [Functions::Up, Functions::Down, Functions::KnownDown] {
        measure(clouds, short, how).await;
    }
    let mut detailed = Vec::new();
    for plan in [Plan::Chain { hops: 10 }, Plan::MonteCarlo { branches: 32 }] {
        measure(clouds, plan, Functions::Up).await;
        detailed.push((plan, measure(clouds, plan, Functions::KnownDown).await));
    }
    println!();
    points::print_head();
    for (plan, runs) in &detailed {
        points::print(&plan.title(), runs.iter().map(|run| &run.way));
    }
    println!();
    print_crossings(&detailed);
}

async fn measure(clouds: &mut Clouds, plan: Plan, how: Functions) -> Vec<Run> {
    let key = |round: String| format!("{} {} {round}", plan.title(), how.title()).replace([' ', ','], "-");
    let mut runs = Vec::new();
    set(clouds, how == Functions::KnownDown);
    for round in 0..NOTICING {
        ours_once(clouds, plan, &key(format!("before-{round}"))).await;
    }
    for round in 0..RUNS {
        if how == Functions::Down {
            // A call that succeeds makes every process forget those that failed.
            set(clouds, false);
            ours_once(clouds, plan, &key(format!("between-{round}"))).await;
            set(clouds, true);
        }
        runs.push(ours_once(clouds, plan, &key(round.to_string())).await);
    }
    set(clouds, false);
    if how == Functions::KnownDown {
        tokio::time::sleep(KEPT_OFF).await;
    }
    let in_vain = |run: &Run| if how == Functions::Up { 0 } else { asked(run) };
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!(
        "| {} | {} | {:.0} ms | {} | {:.1} ms |",
        plan.title(),
        how.title(),
        ms(median(runs.iter().map(|run| run.makespan).collect()).unwrap_or_default()),
        median(runs.iter().map(in_vain).collect()).unwrap_or_default(),
        ms(median(runs.iter().flat_map(hops).collect()).unwrap_or_default()),
    );
    runs
}

/// Has Alibaba Cloud's functions up or down.
fn set(clouds: &mut Clouds, are_down: bool) {
    clouds.other.tell(if are_down { crate::DOWN } else { crate::UP });
    assert_eq!(clouds.other.hear(), crate::DONE);
}

/// How often functions of Alibaba Cloud were asked for.
fn asked(run: &Run) -> usize {
    let is_one = |what: &What| matches!(what, What::Request(asked) if asked.contains("/invocations"));
    run.crossed.iter().filter(|crossing| crossing.is_outward && is_one(&crossing.what)).count()
}

/// How long the hops took to functions that are on Alibaba Cloud when it is up.
fn hops(run: &Run) -> Vec<Duration> {
    let between = run.way.windows(2).filter(|two| matches!(&*two[1].function, "record_ali" | "data_process"));
    // Until the request that was accepted, which follows those that were in vain; and until the commit.
    let hop = |two: &[Step]| {
        let [.., until_request] = two[0].parts;
        let until_commit: Duration = two[1].parts[..6].iter().sum();
        until_request + until_commit
    };
    between.map(hop).collect()
}
