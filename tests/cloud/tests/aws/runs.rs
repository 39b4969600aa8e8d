//! What happens to runs whose functions are processes: requests are counted, invocations doubled,
//! processes killed.

use std::{fs, path::Path, time::Duration};

use jointlambda::{Client, Options, Workflow};
use jointlambda_cloud_tests::{
    Account, Standin, processes,
    proxy::Proxy,
    steps::{Job, Steps},
};

const TABLE: &str = "rows";
const PROGRAM: &str = env!("CARGO_BIN_EXE_steps-aws");
const COMMAND: &str = env!("CARGO_BIN_EXE_steps");
/// How long a run may take, with redeliveries and sweeps.
const PATIENCE: Duration = Duration::from_secs(200);

pub(crate) struct Deployed {
    standin: Standin,
    pub(crate) account: Account,
    /// Between the functions and their services.
    proxy: Proxy,
    client: Client<Steps>,
}

impl Deployed {
    pub(crate) async fn new(delivered_again: bool) -> Self {
        let standin = Standin::ministack_with(&[("LAMBDA_ASYNC_RETRY_BASE_SECONDS", "0.1")]);
        let (account, proxy) = (Account::at(&standin.url), Proxy::before(&standin.url));
        account.create_table(TABLE).await;
        account.create_bucket();
        let through = [("AWS_ENDPOINT_URL_DYNAMODB", &*proxy.url), ("AWS_ENDPOINT_URL_LAMBDA", &*proxy.url)];
        account.deploy_with::<Steps>(Path::new(PROGRAM), TABLE, &through, delivered_again).await;
        let client = Client::new(vec![account.backend::<Steps>(TABLE)], Options::default());
        Deployed { standin, account, proxy, client }
    }

    pub(crate) async fn run(&self, key: &str, job: Job) {
        let expected = Steps::plain(job.clone()).await;
        let run = self.client.start(key, job).await.expect("it starts");
        let result = tokio::time::timeout(PATIENCE, self.client.result(&run)).await;
        assert_eq!(result.expect("it ends").expect("it returns"), expected, "{key}");
    }

    /// Kills a function of the run as soon as one runs that takes its time.
    pub(crate) async fn kill_one(&self) {
        let marks = ["JOINTLAMBDA_FUNCTION=step\0", &self.standin.url];
        let found = processes::wait_for(Path::new(PROGRAM), &marks, PATIENCE).await;
        // It has begun to handle its event by then, and takes its time.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(processes::kill(found), "it can be killed");
    }
}

#[tokio::test]
async fn a_hop_asks_for_a_write_a_read_and_an_invocation() {
    let deployed = Deployed::new(true).await;
    let mut counts = Vec::new();
    // In the first run processes hear the time of the table, too.
    for (hops, branches) in [(1, 0), (1, 0), (11, 0), (0, 1), (0, 21)] {
        deployed.proxy.reset();
        let key = format!("{} {hops} {branches}", counts.len());
        // Long enough for the read beside the function to be answered.
        deployed.run(&key, Job { hops, branches, pause_ms: 100, ..Job::default() }).await;
        // The last function may still be answering.
        tokio::time::sleep(Duration::from_millis(300)).await;
        counts.push(deployed.proxy.counts());
    }
    let more = |with: usize, without: usize, what: &str| {
        let of = |at: usize| counts[at].get(what).copied().unwrap_or(0);
        of(with) - of(without)
    };
    let chain = ["UpdateItem", "GetItem", "Invoke"].map(|what| more(2, 1, what));
    assert_eq!(chain, [10, 10, 10], "of 10 hops more: {counts:?}");
    // The client invokes the branches, and these return before their rows have been read, or after.
    assert_eq!(more(4, 3, "UpdateItem"), 20, "of 20 branches more: {counts:?}");
}

#[tokio::test]
async fn every_invocation_made_twice_changes_nothing() {
    let deployed = Deployed::new(true).await;
    deployed.proxy.invoke_twice();
    for run in 0..3 {
        deployed
            .run(&format!("twice {run}"), Job { hops: 4, branches: 9, bytes: 300_000, ..Job::default() })
            .await;
    }
}

#[tokio::test]
async fn a_client_whose_own_invocation_is_made_twice_has_one_run() {
    let mut deployed = Deployed::new(true).await;
    deployed.proxy.invoke_twice();
    let through = Account::at(&deployed.proxy.url).backend::<Steps>(TABLE);
    deployed.client = Client::new(vec![through], Options::default());
    let job = |pause_ms| Job { hops: 2, branches: 3, pause_ms, ..Job::default() };
    // The first function takes its time, so that nothing else was invoked yet.
    deployed.client.start("first", job(2_000)).await.expect("it starts");
    assert_eq!(deployed.proxy.doubled(), 1, "the client's");
    deployed.run("first", job(2_000)).await;
    for run in 0..3 {
        deployed.run(&format!("first of {run}"), job(0)).await;
    }
}

#[tokio::test]
async fn a_function_that_is_killed_is_delivered_again() {
    let deployed = Deployed::new(true).await;
    let killer = async {
        deployed.kill_one().await;
    };
    tokio::join!(deployed.run("killed", Job { hops: 2, pause_ms: 4_000, ..Job::default() }), killer);
}

#[tokio::test]
async fn a_deployed_workflow_is_operated_by_its_command() {
    let deployed = Deployed::new(true).await;
    let settings = deployed.standin.folder().join("jointlambda.toml");
    let text = format!("[clouds.AWS]\ntable = \"{TABLE}\"\nbucket = \"objects\"\n");
    fs::write(&settings, text).expect("a folder can be written to");
    let command = |args: &[&str]| {
        let mut command = std::process::Command::new(COMMAND);
        command.args(args).args(["--target", "aws", "--settings"]).arg(&settings);
        command.env("AWS_ENDPOINT_URL", &deployed.standin.url);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let output = command.output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let input = r#"{"hops": 2, "branches": 3, "bytes": 10, "pause_ms": 0, "fails": false}"#;
    let (code, stdout, stderr) = command(&["run", "--id", "monday", "--input", input]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("\"squares\": 5") && stdout.contains("run monday has returned"), "{stdout}");
    assert!(stderr.starts_with("run monday: started"), "{stderr}");
    let (_, listed, _) = command(&["list", "--all"]);
    assert!(listed.contains("monday  has returned"), "{listed}");
    let (_, traced, _) = command(&["trace", "monday"]);
    assert!(traced.contains("square[2]") && traced.contains('█'), "{traced}");
    let (_, shown, _) = command(&["status", "monday", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("it is JSON");
    assert_eq!(shown["status"], "returned");

    let fails = input.replace("false", "true");
    let (code, _, stderr) = command(&["run", "--id", "tuesday", "--input", &fails]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("total failed after 3 attempts: total panicked: as it was told to"), "{stderr}");
    let (code, _, stderr) = command(&["cancel", "tuesday"]);
    assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
    let (code, _, stderr) = command(&["status", "friday"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.starts_with("error: there is no run `friday`\nhint: "), "{stderr}");
}
