//! The examples on one account of AWS, as a user deploys and runs them: packaged by `cargo jointlambda`,
//! deployed by Terraform where it is present, run by their own commands.

use std::{fs, path::PathBuf, process::Command, thread, time::Instant};

use jointlambda::Workflow;
use jointlambda_cloud_tests::{
    Account, BUCKET, Deploy, Standin,
    package::{build, folder_of, program},
    terraform::Terraform,
};
use serde_json::Value;

use crate::say;

/// A program beside those of the examples.
const BESIDE: &str = env!("CARGO_BIN_EXE_steps");
/// Where the examples are.
const REGION: &str = "ap-northeast-1";

struct Example {
    name: &'static str,
    flags: &'static [&'static str],
    /// Functions that a trace of it shows.
    traced: [&'static str; 2],
    /// By which its functions are invoked where Terraform has made one.
    alias: Option<&'static str>,
}

/// All of them.
static EXAMPLES: [Example; 4] = [
    Example {
        name: "iot-pipeline",
        flags: &["--length", "6"],
        traced: ["record_aws", "record_ali"],
        alias: Some("live"),
    },
    Example {
        name: "monte-carlo",
        flags: &["--draws", "20000", "--branches", "8"],
        traced: ["data_map", "data_aggregation"],
        alias: None,
    },
    Example { name: "question-answering", flags: &[], traced: ["document_sort", "answer"], alias: None },
    Example {
        name: "video-analytics",
        flags: &["--chunks", "4"],
        traced: ["extract", "recognise"],
        alias: None,
    },
];

/// An example that is packaged.
struct Packaged<'s> {
    example: &'static Example,
    standin: &'s Standin,
    out: PathBuf,
}

impl<'s> Packaged<'s> {
    fn of(example: &'static Example, standin: &'s Standin, by_terraform: bool) -> Self {
        let Example { name, alias, .. } = example;
        let out = standin.folder().join(name);
        let bucket = if by_terraform { format!("{name}-objects") } else { BUCKET.to_owned() };
        let mut settings = format!(
            "[clouds.ALI]\nsame_as = \"AWS\"\n[clouds.AWS]\nprovider = \"aws\"\nregion = \"{REGION}\"\n\
             table = \"{name}\"\nbucket = \"{bucket}\"\n"
        );
        if let Some(alias) = alias.filter(|_| by_terraform) {
            settings.push_str(&format!("qualifier = \"{alias}\"\n"));
        }
        let program = format!("{name}-aws");
        build(folder_of(BESIDE), (name, &format!("examples/{name}")), &program, &out, &settings);
        assert!(!out.join("aliyun").exists(), "nothing is deployed on another cloud");
        Packaged { example, standin, out }
    }

    /// One of the example's programs.
    fn program(&self, end: &str) -> PathBuf {
        let name = self.example.name;
        program(folder_of(BESIDE), &format!("{name}{end}"), &format!("examples/{name}/src"))
    }

    /// What one of the example's commands prints.
    fn command(&self, args: &[&str]) -> String {
        let mut command = Command::new(self.program(""));
        command.args(args).env("AWS_ENDPOINT_URL", &self.standin.url);
        // The keys are a profile's, as those of people are.
        let keys = self.out.join("credentials");
        let text = "[mine]\naws_access_key_id = test\naws_secret_access_key = test\n";
        fs::write(&keys, text).expect("it can be written to");
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.env("AWS_PROFILE", "mine").env("AWS_SHARED_CREDENTIALS_FILE", keys);
        let output = command.output().expect("it starts");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{} {args:?}: {out}{err}", self.example.name);
        out.into_owned()
    }

    /// Runs it there, and looks at the run in every way.
    fn run_and_look(&self) {
        let Example { name, flags, traced, .. } = self.example;
        let settings = self.out.join("jointlambda.toml");
        let there = ["--target", "aws", "--settings", settings.to_str().expect("it is text")];
        let json = |text: String| -> Value { serde_json::from_str(&text).expect("it is JSON") };
        let plain = json(self.command(&[&["run", "--plain"], *flags].concat()));
        let run = json(self.command(&[&["run", "--id", "monday", "--json"], &there[..], flags].concat()));
        assert_eq!(run["result"], plain, "{name}");
        let instances = run["instances"].as_array().expect("a list");
        assert!(instances.iter().all(|one| one["state"] != "running"), "{name}: {run}");
        let listed = self.command(&[&["list", "--all"], &there[..]].concat());
        assert!(listed.contains("monday  has returned"), "{name}: {listed}");
        let status = json(self.command(&[&["status", "monday", "--json"], &there[..]].concat()));
        assert_eq!(status["status"], "returned", "{name}");
        let trace = self.command(&[&["trace", "monday"], &there[..]].concat());
        let shows = |function: &&str| trace.contains(*function);
        assert!(traced.iter().all(shows) && trace.contains('█'), "{name}: {trace}");
    }

    /// From nothing by Terraform to a run, and back to nothing.
    fn by_terraform(&self, terraform: &Terraform) {
        let name = self.example.name;
        let root = terraform.root(&self.out.join("aws"), &self.standin.url);
        root.ok(&["init"]);
        root.ok(&["apply", "-auto-approve"]);
        self.run_and_look();
        let plan = root.run(&["plan", "-detailed-exitcode"]);
        let said = String::from_utf8_lossy(&plan.stdout);
        assert_eq!(plan.status.code(), Some(0), "{name}: a second plan is empty: {said}");
        let destroyed = root.ok(&["destroy", "-auto-approve"]);
        assert!(destroyed.contains("Destroy complete!"), "{destroyed}");
    }

    /// The same by the interfaces of the services, but for what only Terraform makes.
    async fn by_hand<W: Workflow>(&self, account: &Account) {
        let name = self.example.name;
        account.create_table(name).await;
        let alone = Deploy { is_alone: true, ..Deploy::default() };
        account.deploy_as::<W>(&self.program("-aws"), name, alone).await;
        tokio::task::block_in_place(|| self.run_and_look());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_examples_run_on_one_account() {
    let began = Instant::now();
    let terraform = Terraform::find();
    // The roles that Terraform makes are checked; a role that is made by hand may do nothing.
    let auth = if terraform.is_ok() { "true" } else { "false" };
    let standin = Standin::ministack_with(&[("AUTH", auth), ("LAMBDA_ASYNC_RETRY_BASE_SECONDS", "0.1")]);
    let packaged = EXAMPLES.each_ref().map(|example| Packaged::of(example, &standin, terraform.is_ok()));
    let how = match terraform {
        Ok(terraform) => {
            // Nearly all of its time is the provider's, which waits for what is eventually so.
            thread::scope(|scope| {
                let all = packaged.each_ref().map(|one| scope.spawn(|| one.by_terraform(&terraform)));
                for one in all {
                    one.join().expect("it was run");
                }
            });
            "by Terraform, with the roles that it made".to_owned()
        }
        Err(why) => {
            let account = Account::in_region(&standin.url, REGION);
            account.create_bucket();
            let [iot, monte_carlo, answering, video] = &packaged;
            iot.by_hand::<iot_pipeline::IotPipeline>(&account).await;
            monte_carlo.by_hand::<monte_carlo::MonteCarlo>(&account).await;
            answering.by_hand::<question_answering::QuestionAnswering>(&account).await;
            video.by_hand::<video_analytics::VideoAnalytics>(&account).await;
            format!("by hand, since {why}")
        }
    };
    let seconds = began.elapsed().as_secs();
    say(&format!("the examples were deployed {how}, and run, in {seconds} s"));
}
