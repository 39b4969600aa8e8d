//! How the emulator's Function Compute and functions treat each other: what an instance is asked, how many
//! events it takes, and who ends what takes too long.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use aliyun_emulator::{
    Options,
    fault::{Action, Rule, Service},
};
use jointlambda::{Client, RunError, Workflow as _};
use jointlambda_cloud_tests::{
    AliyunAccount, AliyunDeploy,
    executions::Executions,
    meeting::{Meeting, Visit},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_meeting-aliyun");
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the emulator lets an instance be idle.
const IDLE: Duration = Duration::from_secs(300);

struct Deployed {
    account: AliyunAccount,
    client: Client<Meeting>,
    executions: Executions,
    folder: TempDir,
}

impl Deployed {
    /// With one instance of each function, at most, which takes so many events at once.
    async fn new(at_once: usize) -> Self {
        let (folder, executions) =
            (tempfile::tempdir().expect("a folder can be made"), Executions::default());
        let mut options = Options::default();
        (options.retry_pause_ms, options.max_instances) = (100, 1);
        options.idle_ms = IDLE.as_millis() as u64;
        options.folder = Some(folder.path().to_owned());
        let account = AliyunAccount::start_with("cn-hongkong", options).await;
        let extra = [executions.variable(), ("RUST_LOG".to_owned(), "debug".to_owned())];
        let deploy = AliyunDeploy { extra: &extra, settings: settings(at_once), ..AliyunDeploy::default() };
        account.deploy_as::<Meeting>(Path::new(PROGRAM), &deploy).await;
        let client = Client::new(vec![account.backend::<Meeting>()], jointlambda::Options::default());
        Deployed { account, client, executions, folder }
    }

    async fn run(&self, key: &str, visit: Visit) -> Result<u64, RunError> {
        let run = self.client.start(key, visit).await.expect("it starts");
        tokio::time::timeout(PATIENCE, self.client.result(&run)).await.expect("it ends")
    }

    /// How often a function has begun, and in which processes.
    fn executions(&self, function: &str) -> (u64, BTreeSet<u64>) {
        let counts = self.executions.counts();
        let mut found = (0, BTreeSet::new());
        for (line, count) in counts {
            if let Some((of, process)) = line.split_once(' ')
                && of == function
            {
                found.0 += count;
                found.1.insert(process.parse().expect("a number"));
            }
        }
        found
    }

    /// What the instances of a function were asked, in order, each with the instance.
    fn asked(&self, function: &str) -> Vec<(String, &'static str)> {
        let names = self.account.names::<Meeting>();
        let path = self.folder.path().join(format!("log/{}.log", names.of(function)));
        let said = fs::read_to_string(path).expect("there is a log");
        let of_line = |line: &str| {
            let instance = line.split_once("instance=\"")?.1.split('"').next()?.to_owned();
            let asked = ["/initialize", "/pre-stop", "an event came"];
            Some((instance, asked.into_iter().find(|what| line.contains(what))?))
        };
        said.lines().filter_map(of_line).collect()
    }
}

/// What a user may configure beside what `cargo jointlambda build` writes.
fn settings(at_once: usize) -> Value {
    json!({
        "instanceConcurrency": at_once,
        "instanceLifecycleConfig": {
            "initializer": { "handler": "index.initializer", "timeout": 10 },
            "preStop": { "handler": "index.preStop", "timeout": 10 },
        },
        "customRuntimeConfig": {
            "command": ["/code/bootstrap"],
            "port": 9000,
            "healthCheckConfig": { "httpGetUrl": "/health", "periodSeconds": 3 },
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_for_each_other_meet_in_one_instance() {
    let deployed = Deployed::new(2).await;
    let visit = Visit { pairs: 4, ..Visit::default() };
    assert_eq!(deployed.run("pairs", visit.clone()).await.expect("it returns"), 8);
    assert_eq!(Meeting::plain(visit).await, 8);
    let (begun, processes) = deployed.executions("meet");
    assert_eq!((begun, processes.len()), (8, 1), "all ran in one process, once each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_initialized_before_its_first_event_and_told_of_its_end() {
    let deployed = Deployed::new(2).await;
    let visit = Visit { pairs: 1, ..Visit::default() };
    deployed.run("first", visit.clone()).await.expect("it returns");
    deployed.run("second", visit.clone()).await.expect("it returns");
    deployed.account.emulator.clock().advance(2 * IDLE);
    let stopped = async {
        while !deployed.asked("meet").iter().any(|(_, asked)| *asked == "/pre-stop") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stopped).await.expect("an instance that is idle ends");
    deployed.run("third", visit).await.expect("another instance takes over");

    let asked = deployed.asked("meet");
    let instances: Vec<_> = asked.iter().map(|(instance, _)| instance.clone()).collect();
    assert_ne!(instances.first(), instances.last(), "{asked:?}");
    let of = |instance: &String| {
        let these = asked.iter().filter(|(of, _)| of == instance);
        these.map(|(_, asked)| *asked).collect::<Vec<_>>()
    };
    let event = "an event came";
    assert_eq!(of(&instances[0]), ["/initialize", event, event, event, event, "/pre-stop"]);
    assert_eq!(of(&instances[instances.len() - 1]), ["/initialize", event, event]);
}

/// Were it the platform that ended them, each delivery would have a new process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_longer_than_its_timeout_is_answered_before_the_platform_ends_it() {
    let deployed = Deployed::new(1).await;
    let naps = Visit { nap_ms: 60_000, ..Visit::default() };
    let dozes = Visit { doze_ms: 60_000, ..Visit::default() };
    let (nap, doze) = tokio::join!(deployed.run("naps", naps), deployed.run("dozes", dozes));
    for (failed, function, ms) in [(nap, "nap", 800), (doze, "doze", 1_800)] {
        let Err(RunError::Failed(failure)) = failed else { panic!("{function} gave {failed:?}") };
        assert_eq!((&*failure.at, failure.attempts), (function, 4));
        assert_eq!(failure.cause, format!("{function} was still running after {ms} ms"));
    }
    let (naps, processes) = deployed.executions("nap");
    assert_eq!((naps, processes.len()), (4 + 1, 1), "four deliveries of one run, one of the other");
    let (dozes, processes) = deployed.executions("doze");
    assert_eq!((dozes, processes.len()), (4, 1));
}

/// The function has returned in time, and its commit takes longer than the platform gives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_takes_too_long_is_left_to_another_delivery() {
    let deployed = Deployed::new(1).await;
    deployed.run("warm", Visit::default()).await.expect("it returns");
    let rule = Rule::new(Service::Tablestore, Action::Delay { ms: 3_000 }).operation("UpdateRow");
    let run = deployed.client.start("slow", Visit { nap_ms: 500, ..Visit::default() }).await;
    // The client's own row is there, and the function has begun.
    deployed.account.emulator.fault(rule.times(1)).expect("one more fault can be");
    let result = tokio::time::timeout(PATIENCE, deployed.client.result(&run.expect("it starts"))).await;
    assert_eq!(result.expect("it ends").expect("it returns"), 0);
    assert!(deployed.account.emulator.faults().iter().all(|rule| rule.times == Some(0)), "it was held up");
    let (begun, processes) = deployed.executions("nap");
    assert_eq!((begun, processes.len()), (1 + 2, 1), "delivered twice, to one process");
    assert_eq!(deployed.executions("doze").0, 2, "and what follows began once in each run");
}
