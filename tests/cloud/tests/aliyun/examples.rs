//! The examples on one account of Alibaba Cloud, as a user deploys and runs them: packaged by
//! `cargo jointlambda`, deployed from what it wrote, run by their own commands.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use aliyun_emulator::{Options, fault::Service};
use aliyun_wire::AccessKey;
use jointlambda_cloud_tests::{
    AliyunAccount,
    artefacts::{Deployed, Plan, serverless_devs},
    free_port,
    package::{build, folder_of, program},
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A program beside those of the examples.
const BESIDE: &str = env!("CARGO_BIN_EXE_steps-aliyun");
/// Where the examples are.
const REGION: &str = "ap-northeast-1";
/// How long a command's credentials are good.
const VALID: Duration = Duration::from_secs(900);
/// Both of its clouds are one.
const ONE_ACCOUNT: &str = "[clouds.AWS]\nsame_as = \"ALI\"\n";

struct Example {
    name: &'static str,
    flags: &'static [&'static str],
    /// Functions that a trace of it shows.
    traced: [&'static str; 2],
    /// How many events an instance takes at once.
    at_once: u64,
    /// Whether it is deployed once more, by Serverless Devs' document.
    by_serverless_devs: bool,
}

/// All of them.
static EXAMPLES: [Example; 4] = [
    Example {
        name: "iot-pipeline",
        flags: &["--length", "6"],
        traced: ["record_aws", "record_ali"],
        at_once: 1,
        by_serverless_devs: true,
    },
    Example {
        name: "monte-carlo",
        flags: &["--draws", "20000", "--branches", "8"],
        traced: ["data_map", "data_aggregation"],
        at_once: 4,
        by_serverless_devs: false,
    },
    Example {
        name: "question-answering",
        flags: &[],
        traced: ["document_sort", "answer"],
        at_once: 1,
        by_serverless_devs: false,
    },
    Example {
        name: "video-analytics",
        flags: &["--chunks", "4"],
        traced: ["extract", "recognise"],
        at_once: 2,
        by_serverless_devs: false,
    },
];

/// An example that is packaged.
struct Packaged<'a> {
    example: &'static Example,
    account: &'a AliyunAccount,
    out: PathBuf,
}

impl<'a> Packaged<'a> {
    fn of(example: &'static Example, account: &'a AliyunAccount, folder: &Path) -> Self {
        let (name, out) = (example.name, folder.join(example.name));
        let program = format!("{name}-aliyun");
        build(folder_of(BESIDE), (name, &format!("examples/{name}")), &program, &out, ONE_ACCOUNT);
        assert!(!out.join("aws").exists(), "nothing is deployed on another cloud");
        Packaged { example, account, out }
    }

    fn plan(&self) -> Plan {
        let variables = json!({
            "environment": { "RUST_LOG": "info" },
            "instance_concurrency": self.example.at_once,
            "keep_data": false,
        });
        let variables = variables.as_object().expect("it is one").clone();
        Plan::of(&self.out.join("aliyun"), &variables).expect("it can be planned")
    }

    /// What one of the example's commands prints, with temporary credentials, and what to stderr.
    fn commanded(&self, args: &[&str], key: &AccessKey) -> (Option<i32>, String, String) {
        let name = self.example.name;
        let command = program(folder_of(BESIDE), name, &format!("examples/{name}/src"));
        let variables = self.account.variables_with(key);
        let output = Command::new(command).args(args).envs(variables).env("RUST_LOG", "trace").output();
        let output = output.expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        for part in [&key.secret, key.token.as_ref().expect("it is temporary")] {
            assert!(!out.contains(part) && !err.contains(part), "{name} {args:?} shows a secret");
        }
        (output.status.code(), out, err)
    }

    /// The same of one that succeeds.
    fn command(&self, args: &[&str]) -> String {
        let key = self.account.emulator.credentials(VALID).key;
        let (code, out, err) = self.commanded(args, &key);
        assert_eq!(code, Some(0), "{} {args:?}: {out}{err}", self.example.name);
        out
    }

    /// A command says in one line that its credentials have expired, and in another what to do.
    fn says_that_credentials_have_expired(&self) {
        let key = self.account.emulator.credentials(VALID).key;
        self.account.emulator.clock().advance(2 * VALID);
        let settings = self.out.join("jointlambda.toml");
        let there = ["--target", "aliyun", "--settings", settings.to_str().expect("it is text")];
        for command in [&["list", "--all"][..], &["status", "--id", "monday"], &["run", "--id", "friday"]] {
            let (code, out, err) = self.commanded(&[command, &there[..]].concat(), &key);
            assert!(code != Some(0) && out.is_empty(), "{command:?}: {out}{err}");
            let lines: Vec<_> = err.lines().filter(|line| line.starts_with("error:")).collect();
            assert!(
                lines.len() == 1 && lines[0].contains("have expired: check ALIBABA_CLOUD_"),
                "{command:?}: {err}"
            );
        }
    }

    /// Runs it there, and looks at the run in every way.
    fn run_and_look(&self, id: &str) {
        let Example { name, flags, traced, .. } = self.example;
        let settings = self.out.join("jointlambda.toml");
        let there = ["--target", "aliyun", "--settings", settings.to_str().expect("it is text")];
        let json = |text: String| -> Value { serde_json::from_str(&text).expect("it is JSON") };
        let plain = json(self.command(&[&["run", "--plain"], *flags].concat()));
        let run = json(self.command(&[&["run", "--id", id, "--json"], &there[..], flags].concat()));
        assert_eq!(run["result"], plain, "{name}");
        let instances = run["instances"].as_array().expect("a list");
        assert!(instances.iter().all(|one| one["state"] != "running"), "{name}: {run}");
        let listed = self.command(&[&["list", "--all"], &there[..]].concat());
        let shows = |line: &str| line.trim_start().starts_with(id) && line.contains("has returned");
        assert!(listed.lines().any(shows), "{name}: {listed}");
        let status = json(self.command(&[&["status", "--id", id, "--json"], &there[..]].concat()));
        assert_eq!(status["status"], "returned", "{name}");
        let trace = self.command(&[&["trace", "--id", id], &there[..]].concat());
        let shows = |function: &&str| trace.contains(*function);
        assert!(traced.iter().all(shows) && trace.contains('█'), "{name}: {trace}");
        self.look_after_a_move(&settings, id);
    }

    /// With the run rows in another table from now on, commands find the run where it is, and leave it alone.
    fn look_after_a_move(&self, settings: &Path, id: &str) {
        let text = fs::read_to_string(settings).expect("it is there");
        let table = text.lines().find_map(|line| line.strip_prefix("table = ")).expect("there is a table");
        let moved = format!(
            "{}\n[[moved_from]]\nprovider = \"aliyun\"\nregion = \"{REGION}\"\ntable = {table}\n",
            text.replace(table, "\"elsewhere/rows\"")
        );
        let path = self.out.join("moved.toml");
        fs::write(&path, moved).expect("it can be written");
        let there = ["--target", "aliyun", "--settings", path.to_str().expect("it is text")];
        let key = self.account.emulator.credentials(VALID).key;
        for command in [&["status", "--id", id][..], &[&["run", "--id", id], self.example.flags].concat()] {
            let (code, out, err) = self.commanded(&[command, &there[..]].concat(), &key);
            assert!(code == Some(2) && out.is_empty(), "{command:?}: {out}{err}");
            assert!(err.contains(" of another deployment of the workflow"), "{command:?}: {err}");
        }
    }

    /// Runs it, has its timers called, and takes the functions away.
    async fn try_and_remove(&self, deployed: &Deployed, id: &str) {
        tokio::task::block_in_place(|| self.run_and_look(id));
        assert_eq!(deployed.timers.len(), 1, "a sweeper is called by the clock");
        for timer in &deployed.timers {
            let swept = self.account.fire(timer).await;
            assert_eq!(swept.as_deref(), Ok(r#"{"swept":0}"#), "no run is open");
        }
        for function in &deployed.functions {
            self.account.delete(function).await.expect("it is there");
        }
    }

    /// From what is written to a run.
    async fn by_terraform(&self) {
        let deployed = self.plan().apply(self.account).await.expect("it can be applied");
        self.account.emulator.forget_requests();
        self.try_and_remove(&deployed, "monday").await;
        // Functions, the client and a sweep do what the functions' role allows.
        for (service, operations) in self.account.emulator.requests() {
            for operation in operations.keys().filter(|operation| *operation != "DeleteFunction") {
                let action = action(service, operation);
                assert!(deployed.actions.contains(&action), "{action} is not in {:?}", deployed.actions);
            }
        }
    }

    async fn by_serverless_devs(&self) {
        let environment = BTreeMap::from([
            ("JOINTLAMBDA_ROLE", "acs:ram::1234567890123456:role/functions".to_owned()),
            ("ALIBABA_CLOUD_ACCOUNT_ID", "1234567890123456".to_owned()),
        ]);
        let mut documents = fs::read_dir(self.out.join("aliyun")).expect("it is there").flatten();
        let document = documents.find_map(|entry| {
            let path = entry.path().join("s.yaml");
            path.is_file().then_some(path)
        });
        let document = document.expect("there is a document");
        let deployed = serverless_devs::deploy(&document, &environment, self.account).await;
        self.try_and_remove(&deployed.expect("it can be deployed"), "tuesday").await;
    }
}

/// The right to do what was asked for.
fn action(service: Service, operation: &str) -> String {
    match (service, operation) {
        (Service::Tablestore, operation) => format!("ots:{operation}"),
        (Service::Oss, "ListObjectsV2") => "oss:ListObjects".to_owned(),
        (Service::Oss, operation) => format!("oss:{operation}"),
        (Service::FunctionCompute, operation) => format!("fc:{operation}"),
    }
}

/// An account whose functions find their services on loopback, without a word of that in what is deployed.
async fn account() -> AliyunAccount {
    let mut options = Options::default();
    let ports = [free_port(), free_port(), free_port()];
    [options.tablestore_port, options.oss_port, options.function_compute_port] = ports;
    let at = |name: &str, port: u16| {
        (format!("ALIBABA_CLOUD_{name}_ENDPOINT"), format!("http://127.0.0.1:{port}"))
    };
    options.function_environment = vec![at("TABLESTORE", ports[0]), at("OSS", ports[1]), at("FC", ports[2])];
    options.retry_pause_ms = 100;
    AliyunAccount::empty(REGION, options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_examples_run_on_one_account_from_what_is_written_for_them() {
    let (began, folder) = (Instant::now(), TempDir::new().expect("a folder can be made"));
    let account = account().await;
    for example in &EXAMPLES {
        let packaged = Packaged::of(example, &account, folder.path());
        packaged.by_terraform().await;
        if example.by_serverless_devs {
            packaged.by_serverless_devs().await;
            packaged.says_that_credentials_have_expired();
        }
    }
    let seconds = began.elapsed().as_secs();
    let _ = writeln!(std::io::stderr(), "the examples were packaged, deployed and run in {seconds} s");
}

/// What reads the documents takes nothing for granted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_with_something_else_in_it_is_refused() {
    let (folder, account) = (TempDir::new().expect("a folder can be made"), account().await);
    let packaged = Packaged::of(&EXAMPLES[0], &account, folder.path());
    let root = packaged.out.join("aliyun");
    let functions = fs::read_dir(&root).expect("it is there").flatten().map(|entry| entry.path());
    let functions = functions.filter(|path| path.join("s.yaml").is_file()).collect::<Vec<_>>();
    let modules =
        [root.join("main.tf.json"), root.join("store/main.tf.json"), functions[0].join("main.tf.json")];
    for (module, at, value, why) in [
        (2, "/resource/alicloud_fcv3_function/sweeper/memory", json!(1), "`memory`, which is not known"),
        (2, "/resource/alicloud_fcv3_function/sweeper/cpu", Value::Null, "no `cpu`"),
        (2, "/resource/alicloud_fcv3_function/sweeper/role", json!("acs:ram::1:role/x"), "there is no role"),
        (2, "/resource/alicloud_fcv3_alias", json!({ "a": {} }), "no resource of the kind"),
        (2, "/resource/alicloud_fcv3_trigger/sweep/function_name", json!("x"), "there is no function `x`"),
        (2, "/variable/gpu_image", Value::Null, "is given `gpu_image`"),
        (2, "/locals/environment/sweeper/A", json!("${local.nothing}"), "there is no locals.nothing"),
        (2, "/output/functions/value", json!("${var.nothing}"), "there is no variable.nothing"),
        (1, "/resource/alicloud_ots_table/rows/primary_key/0/type", json!("Binary"), "a key of the type"),
        (1, "/resource/alicloud_ots_table/rows/instance_name", json!("x"), "there is no instance `x`"),
        (1, "/output/bucket/value", json!("${alicloud_oss_bucket.objects.name}"), "has no `name`"),
        (0, "/module/store-ap-northeast-1/object_days", json!("16"), "no number"),
        (0, "/module/store-ap-northeast-1/table", Value::Null, "is not given `table`"),
        (0, "/provider/alicloud/0/alias", json!("x"), "a provider that is not there"),
        (0, "/output/tables/value", json!("${module.store-ap-northeast-1.rows}"), "there is no output.rows"),
    ] {
        let text = fs::read_to_string(&modules[module]).expect("it is there");
        let mut document: Value = serde_json::from_str(&text).expect("it is JSON");
        let (parent, key) = at.rsplit_once('/').expect("it is in something");
        let parent = document.pointer_mut(parent).expect("it is there");
        match value {
            Value::Null => drop(parent.as_object_mut().and_then(|all| all.remove(key)).expect("it is there")),
            value => parent[key] = value,
        }
        fs::write(&modules[module], document.to_string()).expect("it can be written");
        let fresh = self::account().await;
        let refused = match Plan::of(&root, &Map::new()) {
            Ok(plan) => plan.apply(&fresh).await.map(drop),
            Err(why) => Err(why),
        };
        assert!(refused.as_ref().is_err_and(|error| error.contains(why)), "{at}: {refused:?}");
        fs::write(&modules[module], text).expect("it can be written");
    }
    packaged.plan().apply(&account).await.expect("without that it is deployed");
}
