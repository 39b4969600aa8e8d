//! One cloud's functions are down, answers are lost, processes are killed: every run ends, once.

use std::{io::Write as _, time::Duration};

use aliyun_emulator::fault::{Action, Rule, Service};
use jointlambda_cloud_tests::{
    failover::{self, Down, Plan},
    kills::{self, Load},
    pair::{Errand, Pair},
    proxy::Proxy,
    two_clouds::TwoClouds,
};

use crate::{ON_ALI, ON_AWS, pair, programs, run};

/// How long a copy may take that comes second.
const PATIENCE: Duration = Duration::from_secs(20);

async fn fails_over(how: Down) {
    let clouds = pair().await;
    let seconds = Duration::from_secs;
    let plan =
        Plan { all: seconds(6), down: seconds(2)..seconds(4), per_second: 10, how, on_aws: ON_AWS.into() };
    let figures = failover::run(&clouds, &plan).await;
    let _ = writeln!(std::io::stderr(), "functions are down ({how:?}):\n{figures}");
    assert_eq!(figures.check(), Ok(()));
    assert_eq!(figures.runs(), 60);
    assert!(figures.failed_over > 0, "nothing was failed over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_functions_answer_with_errors_each_call_runs_once_on_the_other_cloud() {
    fails_over(Down::Answers).await;
}

/// What was accepted just when connections were cut runs twice; what follows it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_functions_refuse_connections_calls_run_on_the_other_cloud() {
    fails_over(Down::Refuses).await;
}

/// What was sent late is accepted late, and may run once more; nothing follows from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_functions_answer_too_late_calls_run_on_the_other_cloud_and_what_comes_late_does_nothing() {
    fails_over(Down::Stalls).await;
}

/// The callee's answer is lost, so it is called elsewhere, too: one of both copies decides, and the
/// run goes on once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invocation_that_was_accepted_unheard_does_not_fork_the_run() {
    let clouds = TwoClouds::start().await;
    let proxy = Proxy::before(&clouds.gates.to_aws.url);
    let extra = [("AWS_ENDPOINT_URL_LAMBDA", &*proxy.url)];
    clouds.deploy_with::<Pair>(ON_AWS.as_ref(), ON_ALI.as_ref(), &extra).await;
    let of_chain =
        |run: &str| Errand { run: run.to_owned(), hops: 6, branches: 3, pause_ms: 50, ..Errand::default() };
    run(&clouds, of_chain("warm")).await;

    // On the way from AWS to Alibaba Cloud, one after the other.
    for skip in 0..6 {
        let rule =
            Rule::new(Service::FunctionCompute, Action::DropAfter).operation("InvokeFunction").times(1);
        clouds.ali.emulator.fault(Rule { skip, ..rule }).expect("one more fault can be");
        let errand = of_chain(&format!("there-{skip}"));
        let expected = errand.calls();
        run(&clouds, errand).await;
        assert!(clouds.ali.emulator.faults().iter().all(|rule| rule.times == Some(0)), "no answer was lost");
        forks_nothing(&clouds, &format!("there-{skip}"), expected, 1).await;
        clouds.ali.emulator.clear_faults();
    }
    // And back.
    for skip in 0..3 {
        proxy.lose_answer(skip);
        let errand = of_chain(&format!("back-{skip}"));
        let expected = errand.calls();
        run(&clouds, errand).await;
        assert_eq!(proxy.lost(), u64::from(skip) + 1, "no answer was lost");
        forks_nothing(&clouds, &format!("back-{skip}"), expected, 1).await;
    }
}

/// Every call of a run has begun, and `doubled` of them twice.
async fn forks_nothing(clouds: &TwoClouds, run: &str, calls: u64, doubled: u64) {
    let counts = || {
        let mut counts = clouds.executions.counts();
        counts.retain(|call, _| call.starts_with(&format!("{run} ")));
        counts
    };
    // The copy that came second may be a moment behind.
    let all = async {
        while counts().values().sum::<u64>() < calls + doubled {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, all).await;
    // What should not begin would do so by now.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let counts = counts();
    assert_eq!(counts.len() as u64, calls, "{counts:?}");
    assert!(counts.values().all(|count| *count <= 2), "{counts:?}");
    assert_eq!(counts.values().sum::<u64>(), calls + doubled, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_whose_processes_are_killed_at_random_all_end_once() {
    let clouds = pair().await;
    let load = Load { programs: programs(), runs: 60, at_once: 6, kill_every: Duration::from_millis(50) };
    let figures = kills::run(&clouds, &load).await;
    let _ = writeln!(std::io::stderr(), "{figures}");
    assert_eq!(figures.check(), Ok(()));
    assert!(figures.killed.iter().all(|killed| *killed > 0), "{figures}");
}
