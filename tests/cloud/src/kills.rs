//! Runs on two clouds while processes of functions are killed at random.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use jointlambda::{Client, InstanceState, Status};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    pair::{Errand, Found, Pair},
    processes,
    two_clouds::TwoClouds,
};

/// The chain of each run, and the branches of its map.
const HOPS: u32 = 3;
const BRANCHES: u32 = 4;
/// How long each function takes: long enough to be killed meanwhile.
const PAUSE_MS: u64 = 20;
/// How often sweepers are called, as their schedules do.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How long a run may take in all.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which programs, how many runs, and how often a process is killed.
#[derive(Clone, Debug)]
pub struct Load {
    /// The functions' programs, on each cloud.
    pub programs: [PathBuf; 2],
    /// How many runs.
    pub runs: u32,
    /// How many of them at once.
    pub at_once: usize,
    /// The time from one killing to the next.
    pub kill_every: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Figures {
    /// How many runs returned what their plain runs return.
    pub runs: u32,
    /// How many processes were killed, on each cloud.
    pub killed: [u64; 2],
    /// How many calls the runs have.
    pub calls: u64,
    /// How often functions began.
    pub executions: u64,
    /// Calls that never began.
    pub never: u64,
    /// Instances that are decided, all runs together: the calls, and a fan-in of each run.
    pub decided: u64,
    took: Duration,
}

/// Runs them all, and kills meanwhile.
///
/// # Panics
/// When a run does not start, end, or give what its plain run gives.
pub async fn run(clouds: &TwoClouds, load: &Load) -> Figures {
    let client = Arc::new(clouds.client::<Pair>());
    let (began, slots) = (Instant::now(), Arc::new(Semaphore::new(load.at_once)));
    let (mut running, decided) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
    let errand = |run: u32| Errand {
        run: format!("run-{run}"),
        hops: HOPS,
        branches: BRANCHES,
        bytes: 100,
        pause_ms: PAUSE_MS,
        fails: false,
    };
    for number in 0..load.runs {
        let (client, slots, decided, errand) =
            (client.clone(), slots.clone(), decided.clone(), errand(number));
        running.spawn(async move {
            let _slot = slots.acquire_owned().await;
            decided.fetch_add(finish(&client, errand).await, Relaxed);
        });
    }
    let mut killed = [0; 2];
    let killing = async {
        let mark = clouds.mark();
        loop {
            tokio::time::sleep(load.kill_every).await;
            let programs = load.programs.clone();
            let mark = mark.clone();
            let found = tokio::task::spawn_blocking(move || {
                programs.map(|program| processes::running(&program, &[&mark]))
            });
            let all = found.await.expect("it does not panic");
            let all: Vec<_> = (0..)
                .zip(all)
                .flat_map(|(cloud, pids)| pids.into_iter().map(move |pid| (cloud, pid)))
                .collect();
            if let Some((cloud, pid)) = fastrand::choice(&all) {
                killed[*cloud as usize] += u64::from(processes::kill(*pid));
            }
        }
    };
    let sweeping = async {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            // Sweepers are killed too; their clocks call them again.
            clouds.sweep::<Pair>().await;
        }
    };
    tokio::select! {
        _ = running.join_all() => {}
        () = killing => unreachable!("it kills for ever"),
        () = sweeping => unreachable!("it sweeps for ever"),
    }
    let counts = clouds.executions.counts();
    let calls: u64 = (0..load.runs).map(|run| errand(run).calls()).sum();
    Figures {
        runs: load.runs,
        killed,
        calls,
        executions: counts.values().sum(),
        never: calls - counts.len() as u64,
        decided: decided.load(Relaxed),
        took: began.elapsed(),
    }
}

/// One run; how many of its calls are decided.
async fn finish(client: &Client<Pair>, errand: Errand) -> u64 {
    let key = errand.run.clone();
    let read = errand.bytes as u64 * u64::from(BRANCHES);
    let run = client.start(&key, errand).await.expect("it starts");
    let result = tokio::time::timeout(PATIENCE, client.result(&run)).await;
    let result = result.unwrap_or_else(|_| panic!("{key} does not end"));
    assert_eq!(result.unwrap_or_else(|error| panic!("{key}: {error}")), Found { steps: HOPS, read }, "{key}");
    let report = client.report(&run).await.expect("it can be asked");
    assert_eq!(report.status, Status::Returned, "{key}");
    let decided = report.instances.iter().filter(|one| matches!(one.state, InstanceState::Committed { .. }));
    decided.count() as u64
}

impl Figures {
    /// Whether every call began, each was decided once, and none began more often than its deliveries
    /// allow: one that is delivered again begins once more, and so does each that follows it directly.
    ///
    /// # Panics
    /// When it is not so.
    pub fn assert_bounded(&self) {
        let killed: u64 = self.killed.iter().sum();
        assert_eq!((self.never, self.decided), (0, self.calls + u64::from(self.runs)), "{self}");
        let more = self.executions - self.calls;
        assert!(
            more <= killed * (1 + u64::from(BRANCHES)),
            "{more} executions more for {killed} kills: {self}"
        );
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [aws, ali] = self.killed;
        write!(
            f,
            "{} runs of {} calls in {:.0} s, all returned once; killed: {aws} processes on AWS, {ali} on Alibaba \
             Cloud; functions began {} times, {} more than once each; never: {}",
            self.runs,
            self.calls,
            self.took.as_secs_f64(),
            self.executions,
            self.executions.saturating_sub(self.calls),
            self.never,
        )
    }
}
