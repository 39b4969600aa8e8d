//! Functions sign with temporary credentials, of which each event brings the newest: whatever has expired
//! meanwhile, while they stood still or not, the next event is handled, on the connections that there are.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use aliyun_emulator::{
    Options,
    fault::{Action, Answer, Rule, Service},
};
use aliyun_wire::AccessKey;
use jointlambda::{
    Client, RunError, Workflow as _,
    backend::{Invoked, StoreError},
    id::{Digest, Incarnation, ObjectKey, RowKey, RunId},
};
use jointlambda_cloud_tests::{
    AliyunAccount, AliyunDeploy,
    executions::Executions,
    gate::Gate,
    processes,
    steps::{Job, aliyun::Steps},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_steps-aliyun");
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long credentials are good, by the emulator's clock.
const VALID: Duration = Duration::from_secs(3_600);

struct Deployed {
    account: AliyunAccount,
    client: Client<Steps>,
    /// Tells this deployment's processes from others.
    executions: Executions,
    gates: [Gate; 3],
    folder: TempDir,
}

impl Deployed {
    async fn new(level: &str, settings: Value) -> Self {
        let (folder, executions) =
            (tempfile::tempdir().expect("a folder can be made"), Executions::default());
        let mut options = Options::default();
        (options.retry_pause_ms, options.credentials_s) = (100, VALID.as_secs());
        // Instances outlive their credentials.
        options.idle_ms = 100 * VALID.as_millis() as u64;
        options.folder = Some(folder.path().to_owned());
        let account = AliyunAccount::start_with("cn-hongkong", options).await;
        let emulator = &account.emulator;
        let gates = [emulator.tablestore(), emulator.oss(), emulator.function_compute()].map(Gate::before);
        let names = ["TABLESTORE", "OSS", "FC"].map(|name| format!("ALIBABA_CLOUD_{name}_ENDPOINT"));
        let mut extra: Vec<_> =
            names.into_iter().zip(&gates).map(|(name, gate)| (name, gate.url.clone())).collect();
        extra.extend([executions.variable(), ("RUST_LOG".to_owned(), level.to_owned())]);
        let deploy = AliyunDeploy { extra: &extra, settings, ..AliyunDeploy::default() };
        account.deploy_as::<Steps>(Path::new(PROGRAM), &deploy).await;
        let client = Client::new(vec![account.backend::<Steps>()], jointlambda::Options::default());
        Deployed { account, client, executions, gates, folder }
    }

    async fn run(&self, key: &str, job: Job) {
        let expected = Steps::plain(job.clone()).await;
        let run = self.client.start(key, job).await.expect("it starts");
        let result = tokio::time::timeout(PATIENCE, self.client.result(&run)).await;
        assert_eq!(result.expect("it ends").expect("it returns"), expected, "{key}");
        // The last function may still be answering.
        let answered = async {
            while !self.processes().into_iter().all(is_stopped) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("instances stand still between events");
    }

    fn processes(&self) -> BTreeSet<u32> {
        let (name, value) = self.executions.variable();
        processes::running(Path::new(PROGRAM), &[&format!("{name}={value}\0")]).into_iter().collect()
    }

    /// How many connections functions have closed.
    fn closed(&self) -> u64 {
        self.gates.iter().map(Gate::closed).sum()
    }

    /// What functions have said.
    fn logs(&self) -> String {
        let names = self.account.names::<Steps>();
        let log = |function: &str| -> PathBuf {
            self.folder.path().join(format!("log/{}.log", names.of(function)))
        };
        let all = ["step", "square", "fill", "measure", "total", "sweeper"];
        all.map(|function| fs::read_to_string(log(function)).unwrap_or_default()).join("\n")
    }
}

/// The credentials that a process has had since it began.
fn of_process(process: u32) -> AccessKey {
    let environment = fs::read(format!("/proc/{process}/environ")).expect("it runs");
    let environment = String::from_utf8_lossy(&environment);
    let get = |name: &str| {
        let found = environment.split('\0').find_map(|line| line.strip_prefix(&format!("{name}=")));
        found.expect("Function Compute gives it").to_owned()
    };
    let key = AccessKey::new(get("ALIBABA_CLOUD_ACCESS_KEY_ID"), get("ALIBABA_CLOUD_ACCESS_KEY_SECRET"));
    key.with_token(get("ALIBABA_CLOUD_SECURITY_TOKEN"))
}

fn is_stopped(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Nothing is done with credentials that have expired, wherever that is asked.
async fn are_refused(account: &AliyunAccount, key: &AccessKey) {
    let backend = account.backend_with::<Steps>(key);
    let run = RunId::derive("steps", "any");
    let row = backend.table.get(&RowKey::run(&run)).await.map(drop);
    let object =
        backend.objects.get(&ObjectKey::new(&Incarnation::of(&run, 1), &Digest::of(b"any"))).await.map(drop);
    let invoked = backend.functions.invoke("step", vec![1].into()).await;
    let Invoked::Denied(invoked) = invoked else { panic!("it was {invoked:?}") };
    for refused in [row, object, Err(StoreError::Denied(invoked))] {
        let Err(StoreError::Denied(why)) = refused else { panic!("it is not refused: {refused:?}") };
        assert!(
            why.contains("or have expired: check ALIBABA_CLOUD_ACCESS_KEY_ID, its secret and token"),
            "{why}"
        );
        let [secret, token] = [Some(&key.secret), key.token.as_ref()].map(|part| part.expect("it has one"));
        assert!(!why.contains(secret) && !why.contains(token), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_outlives_its_credentials_and_keeps_its_connections() {
    let deployed = Deployed::new("warn", json!({})).await;
    let emulator = &deployed.account.emulator;
    let chain = || Job { hops: 2, pause_ms: 100, ..Job::default() };
    let all = || Job { hops: 1, branches: 3, bytes: 300_000, ..Job::default() };
    deployed.run("all before", all()).await;
    deployed.run("before", chain()).await;
    let (processes, closed) = (deployed.processes(), deployed.closed());
    let old = of_process(*processes.first().expect("there are some"));

    for (time, after) in [("in their time", VALID * 3 / 4), ("expired", VALID), ("and again", 3 * VALID)] {
        emulator.clock().advance(after);
        deployed.run(time, chain()).await;
        assert_eq!(deployed.closed(), closed, "{time}: connections stay");
    }
    are_refused(&deployed.account, &old).await;
    // Rows, objects and invocations, all with new ones.
    emulator.forget_requests();
    deployed.run("all after", all()).await;
    let requests = emulator.requests();
    for (service, operation) in [
        (Service::Tablestore, "UpdateRow"),
        (Service::Oss, "PutObject"),
        (Service::Oss, "GetObject"),
        (Service::FunctionCompute, "InvokeFunction"),
    ] {
        assert!(requests[&service].contains_key(operation), "no {operation}: {requests:?}");
    }
    let left: BTreeSet<_> = deployed.processes();
    assert!(processes.is_subset(&left), "no process was ended: {processes:?}, {left:?}");
    assert_eq!(of_process(*processes.first().expect("there are some")), old, "it has them from its start");
    assert_eq!(deployed.logs().trim(), "", "nothing went wrong");
}

/// No process of theirs has any to begin with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_come_with_events_alone_are_enough() {
    let deployed = Deployed::new("warn", json!({ "disableInjectCredentials": "Env" })).await;
    let job = || Job { hops: 2, branches: 2, bytes: 300_000, ..Job::default() };
    deployed.run("first", job()).await;
    deployed.account.emulator.clock().advance(2 * VALID);
    deployed.run("second", job()).await;
    assert_eq!(deployed.logs().trim(), "", "nothing went wrong");
    for process in deployed.processes() {
        let environment = fs::read(format!("/proc/{process}/environ")).expect("it runs");
        assert!(!String::from_utf8_lossy(&environment).contains("ALIBABA_CLOUD_ACCESS_KEY"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_without_a_role_says_what_to_do() {
    let deployed = Deployed::new("warn", json!({ "role": "" })).await;
    let step = deployed.account.names::<Steps>().of("step");
    let said = deployed.account.fire(&step).await.expect_err("it has no credentials");
    assert!(said.contains("HandledInvocationError") && said.contains("give the function a role"), "{said}");
}

/// Whatever functions log at the finest level, and whatever goes wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_and_tokens_are_shown_nowhere() {
    let deployed = Deployed::new("trace", json!({})).await;
    let emulator = &deployed.account.emulator;
    let mut shown = String::new();
    let mut run = async |key: &str, fails: bool, fault: Option<Rule>| {
        let job = Job { hops: 2, branches: 2, bytes: 300_000, pause_ms: 300, fails };
        let run = deployed.client.start(key, job).await.expect("it starts");
        fault.into_iter().for_each(|rule| emulator.fault(rule).expect("one more fault can be"));
        let result = tokio::time::timeout(PATIENCE, deployed.client.result(&run)).await.expect("it ends");
        if let Err(RunError::Failed(failure)) = result {
            shown.push_str(&format!("{failure:?} {failure}"));
        }
        assert!(emulator.faults().iter().all(|rule| rule.times != Some(2)), "{key}: nothing went wrong");
        emulator.clear_faults();
    };
    run("calm", false, None).await;
    run("fails", true, None).await;
    // A service may repeat what was signed.
    let first = of_process(*deployed.processes().first().expect("there are some"));
    let signed = format!("x-acs-security-token:{}", first.token.expect("it is temporary"));
    let refused =
        |status, code: &str| Action::Error(Answer { status, code: code.to_owned(), message: signed.clone() });
    for (number, (service, operation, action)) in [
        (Service::FunctionCompute, "InvokeFunction", Action::DropBefore),
        (Service::FunctionCompute, "InvokeFunction", refused(403, "InvalidAccessKeyID")),
        (Service::FunctionCompute, "InvokeFunction", refused(403, "SignatureNotMatch")),
        (Service::Tablestore, "UpdateRow", Action::DropAfter),
        (Service::Tablestore, "UpdateRow", refused(403, "OTSAuthFailed")),
        (Service::Oss, "PutObject", refused(403, "SignatureDoesNotMatch")),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("{operation} {number}");
        run(&key, false, Some(Rule::new(service, action).operation(operation).times(2))).await;
    }
    let processes = deployed.processes();
    let keys: Vec<_> = processes.iter().map(|process| of_process(*process)).collect();
    shown.push_str(&deployed.logs());
    assert!(
        keys.len() >= 5 && shown.contains("TRACE") && shown.contains("an event came"),
        "{}",
        &shown[..5_000.min(shown.len())]
    );
    for key in keys {
        assert!(!shown.contains(&key.secret), "a secret is shown");
        let token = key.token.expect("it is temporary");
        assert!(token.len() > 100 && !shown.contains(&token[..40]), "a token is shown");
    }
}
