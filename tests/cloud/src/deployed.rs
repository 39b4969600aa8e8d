//! `steps` deployed on ministack through AWS's own interfaces, as `cargo jointlambda build` has Terraform
//! deploy it: a function each, the sweeper where given-up events go, the table and the bucket.

use std::{
    collections::HashMap,
    io::{Cursor, Write as _},
    path::Path,
    process::Command,
    time::Duration,
};

use aws_sdk_dynamodb::{
    config::{BehaviorVersion, Credentials, Region},
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, ScalarAttributeType,
    },
};
use aws_sdk_lambda::{
    primitives::Blob,
    types::{DestinationConfig, Environment, FunctionCode, OnFailure, Runtime},
};
use jointlambda::{
    Client, Options, Workflow,
    backend::{
        Backend,
        aws::{self, backend_with},
    },
    deployment::{Names, SWEEPER, from_toml},
};

use crate::{Standin, proxy::Proxy, steps::Steps};

/// The table.
pub const TABLE: &str = "rows";
/// The bucket.
pub const BUCKET: &str = "objects";

/// What a function is told beside what every deployed one is.
pub type Extra = HashMap<String, String>;

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "test")
}

/// The table as `cargo jointlambda build` has it deployed.
pub async fn create_table(url: &str) {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        .endpoint_url(url)
        .http_client(aws::http_client())
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    let attribute = |name, kind| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().expect("complete")
    };
    let key = |name, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("complete")
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("due")
        .key_schema(key("shard", KeyType::Hash))
        .key_schema(key("check_at", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .expect("complete");
    client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("key", ScalarAttributeType::S))
        .attribute_definitions(attribute("shard", ScalarAttributeType::S))
        .attribute_definitions(attribute("check_at", ScalarAttributeType::N))
        .key_schema(key("key", KeyType::Hash))
        .global_secondary_indexes(index)
        .send()
        .await
        .expect("the table can be made");
}

/// The bucket, made by a plain request: nothing here has a client of S3 that makes buckets.
pub fn create_bucket(url: &str) {
    let put = Command::new("curl")
        .args(["--silent", "--fail", "--request", "PUT", &format!("{url}/{BUCKET}")])
        .status()
        .expect("curl is installed");
    assert!(put.success(), "the bucket can be made");
}

/// The settings of a client.
pub fn settings(url: &str) -> String {
    format!("[clouds.AWS]\ntable = \"{TABLE}\"\nbucket = \"{BUCKET}\"\nendpoint = \"{url}\"\n")
}

/// The backend that clients have.
pub fn backend(url: &str) -> Backend {
    let definition = Steps::definition();
    let clouds = from_toml(&settings(url), definition).expect("they are right");
    let credentials = aws::Credentials {
        access_key_id: "test".to_owned(),
        secret_access_key: "test".to_owned(),
        session_token: None,
    };
    backend_with(&clouds[0], Names::of_definition(definition), credentials)
}

/// `steps` on ministack.
pub struct Deployed {
    /// Where it runs.
    pub standin: Standin,
    /// Between the functions and DynamoDB and Lambda.
    pub proxy: Proxy,
    /// A client of the workflow.
    pub client: Client<Steps>,
    lambda: aws_sdk_lambda::Client,
}

impl Deployed {
    /// Deploys `program`, which is `steps` for AWS.
    pub async fn new(program: &Path, retries: i32) -> Self {
        let standin = Standin::ministack();
        let url = standin.url.clone();
        create_table(&url).await;
        create_bucket(&url);
        let proxy = Proxy::before(&url);
        let config = aws_sdk_lambda::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials())
            .endpoint_url(&url)
            .http_client(aws::http_client())
            .build();
        let lambda = aws_sdk_lambda::Client::from_conf(config);
        let client = Client::new(vec![backend(&url)], Options::default());
        let deployed = Deployed { standin, proxy, client, lambda };
        let zip = zip(program);
        let names = Names::of_definition(Steps::definition());
        let sweeper = deployed.function(&names.of(SWEEPER), SWEEPER, &zip, 60).await;
        for function in Steps::definition().functions {
            let name = names.of(function.name);
            deployed.function(&name, function.name, &zip, function.timeout_ms.div_ceil(1_000) as i32).await;
            let on_failure = OnFailure::builder().destination(&sweeper).build();
            deployed
                .lambda
                .put_function_event_invoke_config()
                .function_name(&name)
                .maximum_retry_attempts(retries)
                .destination_config(DestinationConfig::builder().on_failure(on_failure).build())
                .send()
                .await
                .expect("retries can be set");
        }
        deployed
    }

    /// Has the sweeper look for late runs, as its schedule does every minute.
    pub async fn sweep(&self) {
        let names = Names::of_definition(Steps::definition());
        let request = self.lambda.invoke().function_name(names.of(SWEEPER)).payload(Blob::new("{}"));
        let answer = request.send().await.expect("the sweeper can be invoked");
        assert_eq!(answer.function_error(), None, "{:?}", answer.payload());
    }

    async fn function(&self, name: &str, function: &str, zip: &[u8], timeout_s: i32) -> String {
        let variables = [
            ("JOINTLAMBDA_FUNCTION", function),
            ("JOINTLAMBDA_CLOUD", "AWS"),
            ("JOINTLAMBDA_TABLE", TABLE),
            ("JOINTLAMBDA_BUCKET", BUCKET),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.proxy.url),
            ("AWS_ENDPOINT_URL_LAMBDA", &self.proxy.url),
        ];
        let mut environment = Environment::builder();
        for (name, value) in variables {
            environment = environment.variables(name, value);
        }
        let made = self
            .lambda
            .create_function()
            .function_name(name)
            .runtime(Runtime::Providedal2023)
            .handler("bootstrap")
            .role("arn:aws:iam::000000000000:role/any")
            .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
            .environment(environment.build())
            .timeout(timeout_s)
            .send()
            .await
            .expect("a function can be made");
        for _ in 0..100 {
            let found = self.lambda.get_function_configuration().function_name(name).send().await;
            if found.is_ok_and(|found| found.state().is_none_or(|state| state.as_str() == "Active")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        made.function_arn().expect("it has an ARN").to_owned()
    }
}

/// The program as `bootstrap`, zipped. What only a debugger needs would be over Lambda's limit.
fn zip(program: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let stripped = folder.path().join("bootstrap");
    let done = Command::new("strip").arg("-o").arg(&stripped).arg(program).status();
    assert!(done.is_ok_and(|status| status.success()), "strip, of binutils, is there");
    let bytes = std::fs::read(stripped).expect("it was written");
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    // Kept as it is: it stays on this machine.
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options).expect("memory can be written");
    zip.write_all(&bytes).expect("memory can be written");
    zip.finish().expect("memory can be written").into_inner()
}
