//! A workflow deployed on the emulator, whose functions are processes: results, sizes, duplicates,
//! processes that are killed, and what a hop asks for.

use std::{path::Path, time::Duration};

use aliyun_emulator::{
    Requests,
    fault::{Action, Rule, Service},
};
use jointlambda::{Client, Options, RunError, Workflow};
use jointlambda_cloud_tests::{
    AliyunAccount,
    executions::Executions,
    processes,
    steps::{Job, aliyun::Steps},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_steps-aliyun");
/// How long a run may take, with redeliveries and sweeps.
const PATIENCE: Duration = Duration::from_secs(200);

pub(crate) struct Deployed {
    pub(crate) account: AliyunAccount,
    client: Client<Steps>,
    /// Tells this deployment's processes from others.
    executions: Executions,
}

impl Deployed {
    pub(crate) async fn new(delivered_again: bool) -> Self {
        let (account, executions) = (AliyunAccount::start("cn-hongkong").await, Executions::default());
        account.deploy::<Steps>(Path::new(PROGRAM), &[executions.variable()], delivered_again).await;
        let client = Client::new(vec![account.backend::<Steps>()], Options::default());
        Deployed { account, client, executions }
    }

    pub(crate) async fn run(&self, key: &str, job: Job) {
        let expected = Steps::plain(job.clone()).await;
        let run = self.client.start(key, job).await.expect("it starts");
        let result = tokio::time::timeout(PATIENCE, self.client.result(&run)).await;
        assert_eq!(result.expect("it ends").expect("it returns"), expected, "{key}");
    }

    /// Kills a function of the run as soon as one runs that takes its time.
    pub(crate) async fn kill_one(&self) {
        let (name, value) = self.executions.variable();
        let marks = ["JOINTLAMBDA_FUNCTION=step\0", &format!("{name}={value}\0")];
        let found = processes::wait_for(Path::new(PROGRAM), &marks, PATIENCE).await;
        // It has begun to handle its event by then, and takes its time.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(processes::kill(found), "it can be killed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployed_workflow_gives_what_the_plain_run_gives() {
    let deployed = Deployed::new(true).await;
    let job = Job { hops: 3, branches: 7, bytes: 100, ..Job::default() };
    deployed.run("once", job.clone()).await;
    // The same key is the same run, and nothing is done again.
    deployed.account.emulator.forget_requests();
    deployed.run("once", job).await;
    let functions = deployed.account.emulator.requests().remove(&Service::FunctionCompute);
    assert_eq!(functions, None);
    // No run is open.
    assert_eq!(deployed.account.sweep::<Steps>().await, r#"{"swept":0}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_envelope_takes_crosses_every_hop_as_an_object() {
    let deployed = Deployed::new(true).await;
    for bytes in [1 << 10, 90 << 10, 200 << 10, 5 << 20] {
        deployed.run(&format!("{bytes} bytes"), Job { bytes, ..Job::default() }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_function_compute_gives_up_on_fails_the_run_with_its_cause() {
    let deployed = Deployed::new(true).await;
    let run = deployed.client.start("fails", Job { fails: true, ..Job::default() }).await.expect("it starts");
    let failed = tokio::time::timeout(PATIENCE, deployed.client.result(&run)).await.expect("it ends");
    let Err(RunError::Failed(failure)) = failed else { panic!("it gave {failed:?}") };
    assert_eq!((&*failure.at, failure.attempts), ("total", 4));
    assert_eq!(failure.cause, "total panicked: as it was told to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_delivered_twice_changes_nothing() {
    let deployed = Deployed::new(true).await;
    let rule = Rule::new(Service::FunctionCompute, Action::Duplicate { copies: 1 }).operation("Deliver");
    deployed.account.emulator.fault(rule).expect("one more fault can be");
    for run in 0..3 {
        let job = Job { hops: 4, branches: 9, bytes: 300_000, ..Job::default() };
        deployed.run(&format!("twice {run}"), job).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_killed_is_delivered_again() {
    let deployed = Deployed::new(true).await;
    let job = Job { hops: 2, pause_ms: 4_000, ..Job::default() };
    tokio::join!(deployed.run("killed", job), deployed.kill_one());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hop_asks_for_a_write_a_read_and_an_invocation() {
    let deployed = Deployed::new(true).await;
    let mut counts: Vec<Requests> = Vec::new();
    for (hops, branches) in [(1, 0), (11, 0), (0, 1), (0, 21)] {
        deployed.account.emulator.forget_requests();
        let key = format!("{} {hops} {branches}", counts.len());
        // Long enough for the read beside the function to be answered.
        deployed.run(&key, Job { hops, branches, pause_ms: 100, ..Job::default() }).await;
        // The last function may still be answering.
        tokio::time::sleep(Duration::from_millis(300)).await;
        counts.push(deployed.account.emulator.requests());
    }
    let more = |with: usize, without: usize, service: Service, what: &str| {
        let of = |at: usize| counts[at].get(&service).and_then(|all| all.get(what)).copied().unwrap_or(0);
        of(with) - of(without)
    };
    let (table, functions) = (Service::Tablestore, Service::FunctionCompute);
    assert_eq!(more(1, 0, table, "UpdateRow"), 10, "of 10 hops more: {counts:?}");
    assert_eq!(more(1, 0, functions, "InvokeFunction"), 10, "of 10 hops more: {counts:?}");
    // Whoever waits for the run reads its row, too.
    assert!(more(1, 0, table, "GetRow") >= 10, "of 10 hops more: {counts:?}");
    assert_eq!(more(1, 0, table, "PutRow"), 0, "of 10 hops more: {counts:?}");
    // The client invokes the branches, and these return before their rows have been read, or after.
    assert_eq!(more(3, 2, table, "UpdateRow"), 20, "of 20 branches more: {counts:?}");
}
