//! An account on a stand-in: what a deployment needs there, made by the services' own interfaces.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _, Write as _},
    net::TcpStream,
    path::Path,
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
    client::Waiters as _,
    primitives::Blob,
    types::{DestinationConfig, Environment, FunctionCode, InvocationType, OnFailure, Runtime},
};
use jointlambda::{
    Workflow,
    backend::{
        Backend,
        aws::{self, backend_with},
    },
    definition::CloudDef,
    deployment::{CloudSettings, Names, SWEEPER, from_toml},
    provider::Provider,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::names::DeployedNames;

/// Where everything is, unless a test says otherwise.
const REGION: &str = "us-east-1";
/// The stand-in's account.
const ACCOUNT: &str = "000000000000";
/// The bucket of objects.
pub const BUCKET: &str = "objects";
/// How long a function may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// An account, by the address of its services.
pub struct Account {
    url: String,
    region: String,
    deployed: DeployedNames,
}

/// How functions are deployed.
#[derive(Clone, Copy, Default)]
pub struct Deploy<'a> {
    /// More of their environment.
    pub extra: &'a [(&'a str, &'a str)],
    /// Whether failed events are lost, instead of being delivered again and then given to the sweeper.
    pub loses_events: bool,
    /// Where what they write to stderr goes, if not to the stand-in.
    pub log: Option<&'a Path>,
    /// Whether all clouds of the workflow are this one.
    pub is_alone: bool,
}

impl Account {
    /// The account at `url`.
    pub fn at(url: &str) -> Self {
        Account::in_region(url, REGION)
    }

    /// The same in another region.
    pub fn in_region(url: &str, region: &str) -> Self {
        Account { url: url.to_owned(), region: region.to_owned(), deployed: DeployedNames::default() }
    }

    /// The backend of a workflow that is on this cloud alone, with rows in `table`.
    pub fn backend<W: Workflow>(&self, table: &str) -> Backend {
        let text = format!("[clouds.{}]\n{}", cloud_of::<W>(Provider::Aws), self.section(table));
        let settings = from_toml(&text, W::definition()).expect("they are right");
        self.backend_of(&settings[0], Names::of_deployment(W::definition(), &settings))
    }

    /// The backend of a cloud of this account.
    pub fn backend_of(&self, settings: &CloudSettings, names: Names) -> Backend {
        let credentials = aws::Credentials {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
            session_token: None,
        };
        backend_with(settings, names, credentials)
    }

    /// What settings say of this cloud, below its name.
    pub fn section(&self, table: &str) -> String {
        format!("table = \"{table}\"\nbucket = \"{BUCKET}\"\nendpoint = \"{}\"\n", self.url)
    }

    /// What a program needs in its environment to reach this cloud.
    pub fn variables(&self) -> Vec<(String, String)> {
        let pairs = [
            ("AWS_ENDPOINT_URL", &*self.url),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// A table as `cargo jointlambda build` deploys it.
    pub async fn create_table(&self, name: &str) {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&self.url)
            .http_client(aws::http_client())
            .build();
        let attribute = |name, kind| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(kind)
                .build()
                .expect("complete")
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
        aws_sdk_dynamodb::Client::from_conf(config)
            .create_table()
            .table_name(name)
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

    /// The bucket.
    pub fn create_bucket(&self) {
        // The first region is the one that is not named.
        let place = match &*self.region {
            REGION => String::new(),
            region => format!(
                "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            ),
        };
        self.ask("s3", "PUT", &format!("/{BUCKET}"), &place);
    }

    /// All functions of `W` and its sweeper, each running `program`.
    pub async fn deploy<W: Workflow>(&self, program: &Path, table: &str) {
        self.deploy_with::<W>(program, table, &[], true).await;
    }

    /// The same with more in the functions' environment; and with failed events lost if they are not to
    /// be `delivered_again` and then given to the sweeper.
    pub async fn deploy_with<W: Workflow>(
        &self,
        program: &Path,
        table: &str,
        extra: &[(&str, &str)],
        delivered_again: bool,
    ) {
        let deploy = Deploy { extra, loses_events: !delivered_again, ..Deploy::default() };
        self.deploy_as::<W>(program, table, deploy).await;
    }

    /// The same, in any way.
    pub async fn deploy_as<W: Workflow>(&self, program: &Path, table: &str, deploy: Deploy<'_>) {
        let (region, lambda, definition) = (&self.region, self.lambda(), W::definition());
        let code = FunctionCode::builder().zip_file(Blob::new(archive(program, deploy.log))).build();
        let here = cloud_of::<W>(Provider::Aws);
        let same = |def: &&CloudDef| deploy.is_alone && def.name != here;
        let others = definition.clouds.iter().filter(same);
        let others: Vec<_> =
            others.map(|def| format!("\"{}\": {{\"same_as\": \"{here}\"}}", def.name)).collect();
        let others = format!("{{{}}}", others.join(", "));
        let own = [
            ("JOINTLAMBDA_CLOUD", here),
            ("JOINTLAMBDA_TABLE", table),
            ("JOINTLAMBDA_BUCKET", BUCKET),
            ("JOINTLAMBDA_CLOUDS", &others),
        ];
        let environment: BTreeMap<_, _> = own.into_iter().chain(deploy.extra.iter().copied()).collect();
        let names = self.deployed.add::<W>(|name| Some((*environment.get(name)?).to_owned()));
        let role = self.create_role::<W>();
        let functions: Vec<_> = match deploy.is_alone {
            true => definition.functions.iter().map(|function| function.name).collect(),
            false => functions_on::<W>(Provider::Aws).collect(),
        };
        for function in [SWEEPER].into_iter().chain(functions) {
            let mut variables = Environment::builder().variables("JOINTLAMBDA_FUNCTION", function);
            for (name, value) in &environment {
                variables = variables.variables(*name, *value);
            }
            let name = names.of(function);
            let created = lambda
                .create_function()
                .function_name(&name)
                .runtime(Runtime::Providedal2023)
                .handler("bootstrap")
                .role(format!("arn:aws:iam::{ACCOUNT}:role/{role}"))
                .code(code.clone())
                .timeout(30)
                .memory_size(256)
                .environment(variables.build());
            created.send().await.expect("the function can be made");
            let active = lambda.wait_until_function_active_v2().function_name(&name);
            active.wait(READY).await.expect("it becomes active");
            if function != SWEEPER {
                let sweeper = format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{}", names.of(SWEEPER));
                let failures = OnFailure::builder().destination(sweeper).build();
                let to_sweeper = DestinationConfig::builder().on_failure(failures).build();
                let wired = lambda
                    .put_function_event_invoke_config()
                    .function_name(&name)
                    .maximum_retry_attempts(if deploy.loses_events { 0 } else { 2 })
                    .set_destination_config((!deploy.loses_events).then_some(to_sweeper));
                wired.send().await.expect("failed events can go to the sweeper");
            }
        }
    }

    /// What the functions of `W` are called.
    ///
    /// # Panics
    /// When they are not deployed.
    pub fn names<W: Workflow>(&self) -> Names {
        self.deployed.of::<W>()
    }

    /// What their role is called.
    fn role_of<W: Workflow>(&self) -> String {
        self.names::<W>().of("role")
    }

    /// The role of functions, which may do nothing yet.
    fn create_role<W: Workflow>(&self) -> String {
        let name = self.role_of::<W>();
        let policy = encoded(r#"{"Version": "2012-10-17", "Statement": []}"#);
        let role =
            format!("Action=CreateRole&Version=2010-05-08&RoleName={name}&AssumeRolePolicyDocument={policy}");
        self.ask("iam", "POST", "/", &role);
        name
    }

    /// From now on the functions of `W` may do what `policy` says, where the stand-in checks that.
    pub fn grant<W: Workflow>(&self, policy: &str) {
        let role = self.role_of::<W>();
        let put = format!("Action=PutRolePolicy&Version=2010-05-08&RoleName={role}&PolicyName=jointlambda");
        self.ask("iam", "POST", "/", &format!("{put}&PolicyDocument={}", encoded(policy)));
    }

    /// Calls the sweeper as its schedule does; what it answers.
    ///
    /// # Panics
    /// When it fails.
    pub async fn sweep<W: Workflow>(&self) -> String {
        self.try_sweep::<W>().await.expect("it sweeps")
    }

    /// The same of a sweeper that may be killed meanwhile.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn try_sweep<W: Workflow>(&self) -> Result<String, String> {
        let name = self.names::<W>().of(SWEEPER);
        let clock = br#"{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}"#;
        let called = self
            .lambda()
            .invoke()
            .function_name(name)
            .invocation_type(InvocationType::RequestResponse)
            .payload(Blob::new(clock.as_slice()));
        let answer = called.send().await.map_err(|error| format!("{error:?}"))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let said = String::from_utf8_lossy(&payload).into_owned();
        if answer.function_error.is_some() { Err(said) } else { Ok(said) }
    }

    fn lambda(&self) -> aws_sdk_lambda::Client {
        let config = aws_sdk_lambda::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&self.url)
            .http_client(aws::http_client())
            .build();
        aws_sdk_lambda::Client::from_conf(config)
    }

    /// A request to a service that nothing else here needs a client for. Nobody checks its signature.
    fn ask(&self, service: &str, method: &str, path: &str, body: &str) {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the stand-in listens");
        let scope = format!("test/20260101/{}/{service}/aws4_request", self.region);
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let is_done = answer.lines().next().is_some_and(|line| line.contains(" 200 "));
        // Several workflows share the role.
        let is_there = answer.contains("EntityAlreadyExists");
        assert!(is_done || is_there, "{service}: {answer}");
    }
}

/// What the workflow calls its cloud on a provider.
pub(crate) fn cloud_of<W: Workflow>(provider: Provider) -> &'static str {
    let cloud = W::definition().clouds.iter().find(|def| def.cloud.provider == provider);
    cloud.expect("the workflow has one there").name
}

/// The functions of a workflow that may run on a provider.
pub(crate) fn functions_on<W: Workflow>(provider: Provider) -> impl Iterator<Item = &'static str> {
    let definition = W::definition();
    let is_there = move |cloud| definition.clouds[usize::from(cloud)].cloud.provider == provider;
    let there = definition.functions.iter().filter(move |one| one.placements().any(is_there));
    there.map(|function| function.name)
}

/// What a function service is given: the stand-in runs functions on this machine, so `bootstrap` need not hold the
/// program, which is large when it is built for tests.
pub(crate) fn archive(program: &Path, log: Option<&Path>) -> Vec<u8> {
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o755);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("bootstrap", options).expect("memory can be written");
    let log = log.map(|log| format!(" 2>>'{}'", log.display())).unwrap_or_default();
    write!(archive, "#!/bin/sh\nexec '{}' \"$@\"{log}\n", program.display()).expect("memory can be written");
    archive.finish().expect("memory can be written").into_inner()
}

/// A value of a form.
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
