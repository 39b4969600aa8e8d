//! Runs on two clouds in full size: Alibaba Cloud's functions down for 10 of 30 seconds, and runs whose
//! processes are killed at random.
//!
//! ```text
//! cargo build -p jointlambda-cloud-tests --bins
//! target/debug/outage failover            # Function Compute answers with errors
//! target/debug/outage failover refuse     # nothing listens there
//! target/debug/outage failover stall      # it answers when nobody waits any more
//! target/debug/outage kills 1000
//! ```
//!
//! It fails, with a line that says why, when a run does not end as its plain run does, a call never runs, or
//! begins more often than what went wrong can cause, or when calls do not leave a cloud alone that is down.

use std::{env, path::PathBuf, process::ExitCode, time::Duration};

use jointlambda_cloud_tests::{
    failover::{self, Down, Plan},
    kills::{self, Load},
    pair::Pair,
    two_clouds::TwoClouds,
};

const USAGE: &str = "give `failover`, `failover refuse`, `failover stall`, or `kills` and a number of runs";

/// How many calls are named that began more than once.
const SHOWN: usize = 10;

enum Ask {
    Failover(Down),
    Kills(u32),
}

fn asked() -> Option<Ask> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["failover"] => Some(Ask::Failover(Down::Answers)),
        ["failover", "refuse"] => Some(Ask::Failover(Down::Refuses)),
        ["failover", "stall"] => Some(Ask::Failover(Down::Stalls)),
        ["kills", runs] => runs.parse().ok().map(Ask::Kills),
        _ => None,
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(ask) = asked() else {
        eprintln!("error: {USAGE}");
        return ExitCode::FAILURE;
    };
    let beside = env::current_exe().expect("a program knows where it is");
    let programs: [PathBuf; 2] = ["both-aws", "both-aliyun"].map(|name| beside.with_file_name(name));
    let clouds = TwoClouds::start().await;
    clouds.deploy::<Pair>(&programs[0], &programs[1]).await;
    let checked = match ask {
        Ask::Failover(how) => {
            let seconds = Duration::from_secs;
            let plan = Plan {
                all: seconds(30),
                down: seconds(10)..seconds(20),
                per_second: 10,
                how,
                on_aws: programs[0].clone(),
            };
            let figures = failover::run(&clouds, &plan).await;
            println!("{figures}");
            for (call, count) in figures.twice.iter().take(SHOWN) {
                println!("{call} began {count} times");
            }
            figures.check()
        }
        Ask::Kills(runs) => {
            let load = Load { programs, runs, at_once: 8, kill_every: Duration::from_millis(100) };
            let figures = kills::run(&clouds, &load).await;
            println!("{figures}");
            figures.check()
        }
    };
    match checked {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
