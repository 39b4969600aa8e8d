//! AWS on ministack and Alibaba Cloud on the emulator, with a workflow deployed on both, and gates where
//! requests cross from one to the other.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aliyun_emulator::Options;
use jointlambda::{
    Client, Workflow,
    backend::Backend,
    deployment::{CloudSettings, Names, from_toml},
    provider::Provider,
};
use serde_json::json;

use crate::{
    Standin,
    account::{Account, BUCKET, cloud_of},
    aliyun::AliyunAccount,
    executions::Executions,
    gate::Gate,
    named::WORKFLOW,
};

/// Where both are.
const REGION: &str = "ap-northeast-1";
/// The table on AWS.
const TABLE: &str = "rows";
/// How many instances of a function there may be on Alibaba Cloud: this is one machine.
const MAX_INSTANCES: usize = 64;

/// Two clouds, gone with all their processes when this is dropped.
pub struct TwoClouds {
    /// AWS's services.
    pub standin: Standin,
    /// The account there.
    pub aws: Account,
    /// Alibaba Cloud.
    pub ali: AliyunAccount,
    /// The executions of functions that note them.
    pub executions: Executions,
    /// Where requests cross.
    pub gates: Gates,
}

/// Between the functions of one cloud and the services of the other.
pub struct Gates {
    /// Before AWS's services.
    pub to_aws: Gate,
    /// Before TableStore.
    pub to_tablestore: Gate,
    /// Before OSS.
    pub to_oss: Gate,
    /// Before Function Compute, for those on AWS.
    pub to_functions: Gate,
    /// The same for those on Alibaba Cloud and for clients.
    pub own_functions: Gate,
}

impl Gates {
    /// How many bytes have crossed, both ways, whosever requests they were.
    pub fn crossed(&self) -> u64 {
        [&self.to_aws, &self.to_tablestore, &self.to_oss, &self.to_functions].map(Gate::passed).iter().sum()
    }
}

impl TwoClouds {
    /// Two clouds with a table and a bucket each, and no functions.
    pub async fn start() -> Self {
        let standin = Standin::ministack_with(&[("LAMBDA_ASYNC_RETRY_BASE_SECONDS", "0.1")]);
        let aws = Account::in_region(&standin.url, REGION);
        aws.create_table(TABLE).await;
        aws.create_bucket();
        let mut options = Options::default();
        (options.retry_pause_ms, options.max_instances) = (100, MAX_INSTANCES);
        let mut ali = AliyunAccount::start_with(REGION, options).await;
        let emulator = &ali.emulator;
        let address = standin.url.trim_start_matches("http://").parse().expect("it is on loopback");
        let gates = Gates {
            to_aws: Gate::before(address),
            to_tablestore: Gate::before(emulator.tablestore()),
            to_oss: Gate::before(emulator.oss()),
            to_functions: Gate::before(emulator.function_compute()),
            own_functions: Gate::before(emulator.function_compute()),
        };
        ali.invoke_at(&gates.own_functions.url);
        TwoClouds { standin, aws, ali, executions: Executions::default(), gates }
    }

    /// All functions of `W` where they may run, and a sweeper on each cloud.
    pub async fn deploy<W: Workflow>(&self, on_aws: &Path, on_ali: &Path) {
        self.deploy_with::<W>(on_aws, on_ali, &[]).await;
    }

    /// The same with more in the environment of the functions on Alibaba Cloud.
    pub async fn deploy_with<W: Workflow>(&self, on_aws: &Path, on_ali: &Path, extra: &[(&str, &str)]) {
        let (aws, ali) = (cloud_of::<W>(Provider::Aws), cloud_of::<W>(Provider::Aliyun));
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());

        let mut variables = self.ali.variables();
        for (name, value) in &mut variables {
            match name.as_str() {
                "ALIBABA_CLOUD_TABLESTORE_ENDPOINT" => value.clone_from(&self.gates.to_tablestore.url),
                "ALIBABA_CLOUD_OSS_ENDPOINT" => value.clone_from(&self.gates.to_oss.url),
                "ALIBABA_CLOUD_FC_ENDPOINT" => value.clone_from(&self.gates.to_functions.url),
                _ => {}
            }
        }
        let name = owned((WORKFLOW, W::definition().name));
        let others = json!({ ali: self.ali.section_as_json() }).to_string();
        variables.push(owned(("JOINTLAMBDA_CLOUDS", &others)));
        variables.extend([self.executions.variable(), name.clone()]);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.aws.deploy_with::<W>(on_aws, TABLE, &variables, true).await;

        let mut variables = self.aws.variables();
        variables.retain(|(name, _)| name != "AWS_ENDPOINT_URL");
        variables.push(owned(("AWS_ENDPOINT_URL", &self.gates.to_aws.url)));
        let others = json!({ aws: { "table": TABLE, "bucket": BUCKET } }).to_string();
        variables.push(owned(("JOINTLAMBDA_CLOUDS", &others)));
        variables.extend([self.executions.variable(), name]);
        variables.extend(extra.iter().copied().map(owned));
        self.ali.deploy::<W>(on_ali, &variables, true).await;
    }

    /// The backends of a workflow's clouds, for whoever is on neither.
    pub fn backends<W: Workflow>(&self) -> Vec<Backend> {
        let settings = from_toml(&self.settings::<W>(), W::definition()).expect("they are right");
        let names = Names::of_deployment(W::definition(), &settings);
        let backend = |one: &CloudSettings| match one.provider {
            Provider::Aws => self.aws.backend_of(one, names.clone()),
            Provider::Aliyun => self.ali.backend_of(one, names.clone()),
        };
        settings.iter().map(backend).collect()
    }

    /// A client of a workflow.
    pub fn client<W: Workflow>(&self) -> Client<W> {
        Client::new(self.backends::<W>(), jointlambda::Options::default())
    }

    /// What a `jointlambda.toml` says of a workflow's clouds.
    pub fn settings<W: Workflow>(&self) -> String {
        let (aws, ali) = (cloud_of::<W>(Provider::Aws), cloud_of::<W>(Provider::Aliyun));
        format!("[clouds.{aws}]\n{}[clouds.{ali}]\n{}", self.aws.section(TABLE), self.ali.section())
    }

    /// The same in a file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn settings_file<W: Workflow>(&self) -> PathBuf {
        let path = self.executions.folder().join("jointlambda.toml");
        fs::write(&path, self.settings::<W>()).expect("a folder can be written to");
        path
    }

    /// What a command needs in its environment to reach both.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.aws.variables().into_iter().chain(self.ali.variables()).collect()
    }

    /// Calls the sweepers of both clouds, as their clocks do, whatever becomes of them.
    pub async fn sweep<W: Workflow>(&self) {
        let (aws, ali) = tokio::join!(self.aws.try_sweep::<W>(), self.ali.try_sweep::<W>());
        for failed in [aws, ali].into_iter().filter_map(Result::err) {
            eprintln!("a sweep failed: {failed}");
        }
    }

    /// What functions of this deployment have in their environment, and no other process.
    pub fn mark(&self) -> String {
        let (name, value) = self.executions.variable();
        format!("{name}={value}\0")
    }
}
