//! Runs on two clouds while processes of functions are killed at random.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
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
    /// How many runs there were.
    pub runs: u32,
    /// Runs that did not start, did not end, or gave something else than their plain runs, and why.
    pub wrong: Vec<String>,
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
pub async fn run(clouds: &TwoClouds, load: &Load) -> Figures {
    let client = Arc::new(clouds.client::<Pair>());
    let (began, slots) = (Instant::now(), Arc::new(Semaphore::new(load.at_once)));
    let mut running = JoinSet::new();
    let errand = |run: u32| Errand {
        run: format!("run-{run}"),
        hops: HOPS,
        branches: BRANCHES,
        bytes: 100,
        pause_ms: PAUSE_MS,
        fails: false,
    };
    for number in 0..load.runs {
        let (client, slots, errand) = (client.clone(), slots.clone(), errand(number));
        running.spawn(async move {
            let _slot = slots.acquire_owned().await;
            finish(&client, errand).await
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
    let ended = tokio::select! {
        ended = running.join_all() => ended,
        () = killing => unreachable!("it kills for ever"),
        () = sweeping => unreachable!("it sweeps for ever"),
    };
    let (mut decided, mut wrong) = (0, Vec::new());
    for ended in ended {
        match ended {
            Ok(more) => decided += more,
            Err(why) => wrong.push(why),
        }
    }
    let counts = clouds.executions.counts();
    let calls: u64 = (0..load.runs).map(|run| errand(run).calls()).sum();
    Figures {
        runs: load.runs,
        wrong,
        killed,
        calls,
        executions: counts.values().sum(),
        never: calls.saturating_sub(counts.len() as u64),
        decided,
        took: began.elapsed(),
    }
}

/// One run; how many of its calls are decided, or what went wrong.
async fn finish(client: &Client<Pair>, errand: Errand) -> Result<u64, String> {
    let key = errand.run.clone();
    let read = errand.bytes as u64 * u64::from(BRANCHES);
    let told = async {
        let run = client.start(&key, errand).await.map_err(|error| format!("it does not start: {error}"))?;
        let result = client.result(&run).await.map_err(|error| error.to_string())?;
        if result != (Found { steps: HOPS, read }) {
            return Err(format!("it gave {result:?}"));
        }
        client.report(&run).await.map_err(|error| format!("it cannot be asked: {error}"))
    };
    let told = tokio::time::timeout(PATIENCE, told).await;
    let told = told.unwrap_or_else(|_| Err(format!("it did not end within {} s", PATIENCE.as_secs())));
    let report = told.map_err(|why| format!("{key}: {why}"))?;
    if report.status != Status::Returned {
        return Err(format!("{key}: it is {:?}", report.status));
    }
    let decided = report.instances.iter().filter(|one| matches!(one.state, InstanceState::Committed { .. }));
    Ok(decided.count() as u64)
}

impl Figures {
    /// Whether every run ended, every call began, each was decided once, and none began more often than its
    /// deliveries allow: one that is delivered again begins once more, and so does each that follows it
    /// directly.
    ///
    /// # Errors
    /// What is not so, in one line.
    pub fn check(&self) -> Result<(), String> {
        if let Some(first) = self.wrong.first() {
            return Err(format!("{} runs went wrong, such as {first}", self.wrong.len()));
        }
        if self.never > 0 {
            return Err(format!("{} calls never ran", self.never));
        }
        let expected = self.calls + u64::from(self.runs);
        if self.decided != expected {
            return Err(format!("{} instances are decided, and not {expected}", self.decided));
        }
        let (killed, more) = (self.killed.iter().sum::<u64>(), self.executions.saturating_sub(self.calls));
        let most = killed * (1 + u64::from(BRANCHES));
        if more > most {
            return Err(format!(
                "functions began {more} times more, and {most} at most may for {killed} kills"
            ));
        }
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [aws, ali] = self.killed;
        write!(
            f,
            "{} runs of {} calls in {:.0} s, {} of them wrong; killed: {aws} processes on AWS, {ali} on Alibaba \
             Cloud; functions began {} times, {} more than once each; never: {}",
            self.runs,
            self.calls,
            self.took.as_secs_f64(),
            self.wrong.len(),
            self.executions,
            self.executions.saturating_sub(self.calls),
            self.never,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_kills_cannot_cause_is_said() {
        let calm = || Figures {
            runs: 2,
            wrong: Vec::new(),
            killed: [1, 0],
            calls: 26,
            executions: 31,
            never: 0,
            decided: 28,
            took: Duration::ZERO,
        };
        assert_eq!(calm().check(), Ok(()));
        let wrong = Figures { wrong: vec!["run-1: no".to_owned()], ..calm() };
        assert_eq!(wrong.check(), Err("1 runs went wrong, such as run-1: no".to_owned()));
        assert_eq!(Figures { never: 1, ..calm() }.check(), Err("1 calls never ran".to_owned()));
        let decided = Figures { decided: 29, ..calm() }.check();
        assert_eq!(decided, Err("29 instances are decided, and not 28".to_owned()));
        let more = Figures { executions: 32, ..calm() }.check();
        assert_eq!(more, Err("functions began 6 times more, and 5 at most may for 1 kills".to_owned()));
    }
}
