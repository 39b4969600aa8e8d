//! The role that `cargo jointlambda` writes is enough, and each of its rights is needed: one less, and
//! what fails says which.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use jointlambda::{Client, Options, RunError, Workflow};
use jointlambda_cloud_tests::{
    Account, Deploy, Standin,
    package::{build, folder_of},
    rights::Rights,
};
use serde_json::{Value, json};

use crate::say;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rights-aws");
const TABLE: &str = "rows";
const SETTINGS: &str =
    "[clouds.AWS]\nprovider = \"aws\"\nregion = \"us-east-1\"\ntable = \"rows\"\nbucket = \"objects\"\n";
/// How long it may take until something fails, or a run ends.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rights that the stand-in does not check, and why: what Lambda itself does in a function's name.
const UNCHECKED: [(&str, &str); 2] = [
    ("logs:CreateLogStream", "the stand-in writes functions' logs in its own name"),
    ("logs:PutLogEvents", "the stand-in writes functions' logs in its own name"),
];

/// The statements of the role's policy, with everything that Terraform would put in.
fn statements(module: &Value) -> Vec<Value> {
    let written = &module["data"]["aws_iam_policy_document"]["function"]["statement"];
    let statements = written.as_array().expect("a list").iter().map(|statement| {
        let resources: Vec<_> = match &statement["resources"] {
            Value::String(expression) => resolve(expression),
            Value::Array(all) => all.iter().flat_map(|text| resolve(text.as_str().expect("text"))).collect(),
            other => panic!("no resources: {other}"),
        };
        json!({ "Sid": statement["sid"], "Effect": "Allow", "Action": statement["actions"], "Resource": resources })
    });
    statements.collect()
}

/// What Terraform makes of an expression of the policy.
fn resolve(expression: &str) -> Vec<String> {
    let text = expression
        .replace("${data.aws_partition.current.partition}", "aws")
        .replace("${data.aws_caller_identity.current.account_id}", "000000000000");
    let arn = match () {
        () if text.contains("var.table_arns") => "arn:aws:dynamodb:us-east-1:000000000000:table/rows",
        () if text.contains("var.bucket_arns") => "arn:aws:s3:::objects",
        () => {
            assert!(!text.contains("${"), "{text} is not known here");
            return vec![text];
        }
    };
    let format = text.split('"').nth(1).unwrap_or("%s");
    vec![format.replace("%s", arn)]
}

fn policy(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// The same without one right.
fn without(statements: &[Value], right: &str) -> String {
    let mut less = statements.to_vec();
    for statement in &mut less {
        statement["Action"].as_array_mut().expect("a list").retain(|action| action != right);
    }
    less.retain(|statement| statement["Action"] != json!([]));
    policy(&less)
}

async fn result(client: &Client<Rights>, key: &str, fails: bool) -> Result<usize, RunError> {
    let run = client.start(key, (8, fails)).await.expect("it starts");
    tokio::time::timeout(PATIENCE, client.result(&run)).await.expect("it ends")
}

#[tokio::test]
async fn the_role_is_enough_and_one_right_less_is_named() {
    let began = Instant::now();
    let standin = Standin::ministack_with(&[("AUTH", "true"), ("LAMBDA_ASYNC_RETRY_BASE_SECONDS", "0.1")]);
    let out = standin.folder().join("deploy");
    build(folder_of(PROGRAM), ("jointlambda-cloud-tests", "tests/cloud"), "rights-aws", &out, SETTINGS);
    let folders = fs::read_dir(out.join("aws")).expect("it was written");
    let deployment = folders.flatten().find(|folder| folder.path().join("deployment.json").is_file());
    let module = deployment.expect("a deployment").path().join("main.tf.json");
    let module = fs::read_to_string(module).expect("it was written");
    let statements = statements(&serde_json::from_str(&module).expect("it is JSON"));

    let account = Account::at(&standin.url);
    account.create_table(TABLE).await;
    account.create_bucket();
    let log = standin.folder().join("functions");
    let deploy = Deploy { log: Some(&log), ..Deploy::default() };
    account.deploy_as::<Rights>(Path::new(PROGRAM), TABLE, deploy).await;
    let client = Client::<Rights>::new(vec![account.backend::<Rights>(TABLE)], Options::default());
    let said = || fs::read_to_string(&log).unwrap_or_default();

    account.grant::<Rights>(&policy(&statements));
    assert_eq!(result(&client, "all", false).await.expect("it returns"), Rights::plain((8, false)).await);
    let failed = result(&client, "fails", true).await;
    let Err(RunError::Failed(failure)) = failed else { panic!("it gave {failed:?}") };
    assert_eq!((&*failure.cause, failure.attempts), ("measure panicked: as it was told to", 3));
    assert_eq!(account.sweep::<Rights>().await.replace(' ', ""), r#"{"swept":0}"#);
    assert!(!said().contains("grant "), "{}", said());

    let rights: Vec<String> = statements
        .iter()
        .flat_map(|statement| statement["Action"].as_array().expect("a list"))
        .map(|right| right.as_str().expect("text").to_owned())
        .collect();
    for right in &rights {
        account.grant::<Rights>(&without(&statements, right));
        let before = said().len();
        if let Some((_, why)) = UNCHECKED.iter().find(|(unchecked, _)| unchecked == right) {
            say(&format!("{right} is not tried: {why}"));
            assert!(result(&client, right, false).await.is_ok(), "it is checked: {right}");
            continue;
        }
        let named = format!("grant {right} on it");
        let began = Instant::now();
        client.start(right, (8, false)).await.expect("it starts");
        let line = loop {
            let swept = account.try_sweep::<Rights>().await.unwrap_or_else(|why| why);
            let lines = said()[before..].to_owned() + &swept;
            if let Some(line) = lines.lines().find(|line| line.contains(&named)) {
                break line.to_owned();
            }
            assert!(began.elapsed() < PATIENCE, "without {right} nothing says so: {lines}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert!(line.contains("not allowed to "), "{line}");
    }
    let tried = rights.len() - UNCHECKED.len();
    say(&format!("{tried} rights were taken away, one at a time, in {} s", began.elapsed().as_secs()));
}
