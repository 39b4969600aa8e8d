//! An account on the emulator: what a deployment needs there, made by the services' own interfaces.

use std::{collections::BTreeMap, path::Path};

use aliyun_emulator::{Emulator, Options, clock::Clock};
use aliyun_wire::{
    AccessKey, acs3, digest, oss,
    tablestore::{
        message::{
            CapacityUnit, CreateTableRequest, Direction, GetRangeRequest, GetRangeResponse, PrimaryKeySchema,
            PrimaryKeyType, ReservedThroughput, TableMeta, TableOptions,
        },
        plain_buffer,
        row::{Row, Value},
        sign::{API_VERSION, Signing},
    },
    time,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jointlambda::{
    Workflow,
    backend::{
        Backend,
        aliyun::{Endpoints, backend_with},
    },
    deployment::{CloudSettings, Names, SWEEPER, describe, from_toml},
    provider::Provider,
};
use prost::Message as _;
use serde_json::{Value as Json, json};

use crate::{
    account::{archive, cloud_of, functions_on},
    names::DeployedNames,
};

/// How functions are deployed, beside what their workflow says.
#[derive(Clone, Debug)]
pub struct AliyunDeploy<'a> {
    /// More of their environment.
    pub extra: &'a [(String, String)],
    /// Whether failed events are lost, instead of being delivered again and then given to the sweeper.
    pub loses_events: bool,
    /// More settings of each function, as CreateFunction has them.
    pub settings: Json,
}

impl Default for AliyunDeploy<'_> {
    fn default() -> Self {
        AliyunDeploy { extra: &[], loses_events: false, settings: json!({}) }
    }
}

/// The instance of TableStore.
const INSTANCE: &str = "rows-test";
/// The table of rows; its run index is `rows_due`.
const TABLE: &str = "rows";
/// The bucket of objects.
const BUCKET: &str = "objects-test";
/// How long rows stay after their last change: two days, as `cargo jointlambda build` would say more.
const TIME_TO_LIVE_S: i32 = 2 * 24 * 3_600;
/// The emulator's account.
pub(crate) const ACCOUNT: &str = "1234567890123456";
/// The interface of Function Compute.
const VERSION: &str = "2023-03-30";

/// An account on an emulator of its own.
pub struct AliyunAccount {
    /// The services. They end, with all functions, when this is dropped.
    pub emulator: Emulator,
    region: String,
    key: AccessKey,
    http: reqwest::Client,
    endpoints: Endpoints,
    deployed: DeployedNames,
}

impl AliyunAccount {
    /// An account with a table, a run index and a bucket, in a region.
    pub async fn start(region: &str) -> Self {
        let mut options = Options::default();
        options.retry_pause_ms = 100;
        AliyunAccount::start_with(region, options).await
    }

    /// The same on an emulator that behaves as said.
    pub async fn start_with(region: &str, options: Options) -> Self {
        let account = AliyunAccount::empty(region, options).await;
        let keys = [("key", PrimaryKeyType::String)];
        account.create_table((INSTANCE, TABLE), &keys, TIME_TO_LIVE_S).await;
        let index = [
            ("shard", PrimaryKeyType::String),
            ("check_at", PrimaryKeyType::Integer),
            ("key", PrimaryKeyType::String),
        ];
        account.create_table((INSTANCE, &format!("{TABLE}_due")), &index, TIME_TO_LIVE_S).await;
        account.create_bucket(BUCKET).await;
        account
    }

    /// An account with nothing in it.
    pub async fn empty(region: &str, mut options: Options) -> Self {
        options.region = region.to_owned();
        let key = options.access_keys[0].clone();
        let emulator = Emulator::start(options).await.expect("loopback has free ports");
        let (region, http) = (region.to_owned(), reqwest::Client::new());
        let endpoints = Endpoints {
            tablestore: format!("http://{}", emulator.tablestore()),
            oss: format!("http://{}", emulator.oss()),
            function_compute: format!("http://{}", emulator.function_compute()),
        };
        AliyunAccount { emulator, region, key, http, endpoints, deployed: DeployedNames::default() }
    }

    /// Where it is.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Calls a function as its timer does; what it answers.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn fire(&self, function: &str) -> Result<String, String> {
        let timer = json!({ "triggerTime": "2026-01-01T00:00:00Z", "triggerName": "sweep", "payload": "" });
        self.ask("POST", "InvokeFunction", &format!("functions/{function}/invocations"), &timer).await
    }

    /// Takes a function away.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn delete(&self, function: &str) -> Result<String, String> {
        self.ask("DELETE", "DeleteFunction", &format!("functions/{function}"), &Json::Null).await
    }

    /// Has functions invoked at another address, where something stands before Function Compute.
    pub fn invoke_at(&mut self, url: &str) {
        url.clone_into(&mut self.endpoints.function_compute);
    }

    /// Has rows read and written at another address, where something stands before TableStore.
    pub fn rows_at(&mut self, url: &str) {
        url.clone_into(&mut self.endpoints.tablestore);
    }

    /// The same of objects and OSS.
    pub fn objects_at(&mut self, url: &str) {
        url.clone_into(&mut self.endpoints.oss);
    }

    /// What its requests are signed with.
    pub fn key(&self) -> &AccessKey {
        &self.key
    }

    /// Where its services are.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The backend of a workflow that is on this cloud alone.
    pub fn backend<W: Workflow>(&self) -> Backend {
        self.backend_with::<W>(&self.key)
    }

    /// The same with other credentials.
    pub fn backend_with<W: Workflow>(&self, key: &AccessKey) -> Backend {
        let settings = self.all_settings::<W>();
        let names = Names::of_deployment(W::definition(), &settings);
        let backend = backend_with(&settings[0], names, key.clone(), self.endpoints.clone());
        backend.expect("the table has an instance")
    }

    /// The settings of a workflow that is on this cloud alone.
    pub fn settings<W: Workflow>(&self) -> CloudSettings {
        self.all_settings::<W>().remove(0)
    }

    fn all_settings<W: Workflow>(&self) -> Vec<CloudSettings> {
        let text = format!("[clouds.{}]\n{}", cloud_of::<W>(Provider::Aliyun), self.section());
        from_toml(&text, W::definition()).expect("they are right")
    }

    /// The backend of a cloud of this account.
    pub fn backend_of(&self, settings: &CloudSettings, names: Names) -> Backend {
        backend_with(settings, names, self.key.clone(), self.endpoints.clone())
            .expect("the table has an instance")
    }

    /// What settings say of this cloud, below its name.
    pub fn section(&self) -> String {
        format!("table = \"{INSTANCE}/{TABLE}\"\nbucket = \"{BUCKET}\"\n")
    }

    /// The same as functions of other clouds are told.
    pub fn section_as_json(&self) -> Json {
        json!({ "table": format!("{INSTANCE}/{TABLE}"), "bucket": BUCKET })
    }

    /// What a program needs in its environment to reach this cloud.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.variables_with(&self.key)
    }

    /// The same with other credentials.
    pub fn variables_with(&self, key: &AccessKey) -> Vec<(String, String)> {
        let Endpoints { tablestore, oss, function_compute } = self.endpoints.clone();
        let pairs = [
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", key.id.clone()),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", key.secret.clone()),
            ("ALIBABA_CLOUD_SECURITY_TOKEN", key.token.clone().unwrap_or_default()),
            ("ALIBABA_CLOUD_TABLESTORE_ENDPOINT", tablestore),
            ("ALIBABA_CLOUD_OSS_ENDPOINT", oss),
            ("ALIBABA_CLOUD_FC_ENDPOINT", function_compute),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// All functions of `W` that may run here and its sweeper, each running `program`; what their
    /// environment has beside what every function has. Failed events are lost if they are not to be
    /// `delivered_again` and then given to the sweeper.
    pub async fn deploy<W: Workflow>(
        &self,
        program: &Path,
        extra: &[(String, String)],
        delivered_again: bool,
    ) {
        let deploy = AliyunDeploy { extra, loses_events: !delivered_again, ..AliyunDeploy::default() };
        self.deploy_as::<W>(program, &deploy).await;
    }

    /// The same, in any way. Memory and timeouts are what a program tells `cargo jointlambda` of them.
    pub async fn deploy_as<W: Workflow>(&self, program: &Path, deploy: &AliyunDeploy<'_>) {
        let code = STANDARD.encode(archive(program, None));
        let described: Json =
            serde_json::from_str(&describe::<W>(Provider::Aliyun, None)).expect("it is JSON");
        let about = |function: &str| {
            let mut functions = described["functions"].as_array().into_iter().flatten();
            functions.find(|one| one["function"] == function).unwrap_or(&described["sweeper"]).clone()
        };
        let mut environment: BTreeMap<String, String> = self.variables().into_iter().collect();
        // Function Compute gives functions the credentials of their role.
        environment.retain(|name, _| name.ends_with("_ENDPOINT"));
        let own = [
            ("JOINTLAMBDA_CLOUD", cloud_of::<W>(Provider::Aliyun).to_owned()),
            ("JOINTLAMBDA_TABLE", format!("{INSTANCE}/{TABLE}")),
            ("JOINTLAMBDA_BUCKET", BUCKET.to_owned()),
        ];
        environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        environment.extend(deploy.extra.iter().cloned());
        let names = self.deployed.add::<W>(|name| environment.get(name).cloned());
        for function in [SWEEPER].into_iter().chain(functions_on::<W>(Provider::Aliyun)) {
            environment.insert("JOINTLAMBDA_FUNCTION".to_owned(), function.to_owned());
            let (name, about) = (names.of(function), about(function));
            let mut made = json!({
                "functionName": name,
                "runtime": "custom.debian12",
                "handler": "none",
                "timeout": about["timeout_s"],
                "memorySize": about["memory_mb"],
                "role": format!("acs:ram::{ACCOUNT}:role/jointlambda"),
                "environmentVariables": environment,
                "code": { "zipFile": code },
            });
            for (key, value) in deploy.settings.as_object().into_iter().flatten() {
                made[key] = value.clone();
            }
            self.control("POST", "CreateFunction", "functions", &made).await;
            if function != SWEEPER {
                let sweeper = format!("acs:fc:{}:{ACCOUNT}:functions/{}", self.region, names.of(SWEEPER));
                let redeliveries =
                    if deploy.loses_events { 0 } else { Provider::Aliyun.limits().redeliveries };
                let mut asynchronous = json!({ "maxAsyncRetryAttempts": redeliveries });
                if !deploy.loses_events {
                    asynchronous["destinationConfig"] = json!({ "onFailure": { "destination": sweeper } });
                }
                let path = format!("functions/{name}/async-invoke-config");
                self.control("PUT", "PutAsyncInvokeConfig", &path, &asynchronous).await;
            }
        }
    }

    /// Calls the sweeper as its timer does; what it answers.
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
        self.fire(&self.names::<W>().of(SWEEPER)).await
    }

    /// What the functions of `W` are called.
    ///
    /// # Panics
    /// When they are not deployed.
    pub fn names<W: Workflow>(&self) -> Names {
        self.deployed.of::<W>()
    }

    async fn control(&self, method: &str, action: &str, path: &str, body: &Json) {
        self.ask(method, action, path, body).await.expect("it is done");
    }

    /// A signed request to Function Compute; the body of the answer, and whether it is one.
    pub(crate) async fn ask(
        &self,
        method: &str,
        action: &str,
        path: &str,
        body: &Json,
    ) -> Result<String, String> {
        let (host, body) = (self.emulator.function_compute().to_string(), body.to_string());
        let path = format!("/{VERSION}/{path}");
        let url = format!("http://{host}{path}");
        let (path, query) = match path.split_once("?qualifier=") {
            Some((path, qualifier)) => (path, vec![("qualifier".to_owned(), qualifier.to_owned())]),
            None => (path.as_str(), Vec::new()),
        };
        let body_sha256 = digest::sha256_hex(body.as_bytes());
        let nonce = format!("{:032x}", fastrand::u128(..));
        let date = time::seconds(Clock::of_day());
        let headers = [
            ("host", &*host),
            ("content-type", "application/json"),
            ("x-acs-action", action),
            ("x-acs-content-sha256", &body_sha256),
            ("x-acs-date", &date),
            ("x-acs-signature-nonce", &nonce),
            ("x-acs-version", VERSION),
        ];
        let request =
            acs3::Request { method, path, query: &query, headers: &headers, body_sha256: &body_sha256 };
        let authorization = request.authorize(&self.key);
        let method = method.parse().expect("it is a method");
        let mut building = self.http.request(method, url).body(body);
        for (name, value) in headers {
            building = building.header(name, value);
        }
        let answer = building.header("authorization", authorization).send().await.expect("it answers");
        let failed = answer.headers().get("x-fc-error-type").cloned();
        let status = answer.status();
        let text = answer.text().await.expect("it answers whole");
        if status.is_success() && failed.is_none() {
            return Ok(text);
        }
        Err(format!("{action}: {status} {failed:?} {text}"))
    }

    /// Makes a table of an instance, whose rows stay for so long after their last change.
    pub(crate) async fn create_table(
        &self,
        (instance, name): (&str, &str),
        keys: &[(&str, PrimaryKeyType)],
        time_to_live_s: i32,
    ) {
        let schema = |(name, kind): &(&str, PrimaryKeyType)| PrimaryKeySchema {
            name: (*name).to_owned(),
            r#type: *kind as i32,
            option: None,
        };
        let request = CreateTableRequest {
            table_meta: TableMeta {
                table_name: name.to_owned(),
                primary_key: keys.iter().map(schema).collect(),
                ..TableMeta::default()
            },
            reserved_throughput: ReservedThroughput {
                capacity_unit: CapacityUnit { read: Some(0), write: Some(0) },
            },
            table_options: Some(TableOptions {
                time_to_live: Some(time_to_live_s),
                max_versions: Some(1),
                ..TableOptions::default()
            }),
        };
        self.table(instance, "CreateTable", request.encode_to_vec()).await;
    }

    /// How many rows the table has.
    pub async fn rows(&self) -> usize {
        let (mut rows, mut from) = (0, Some(bound(Value::InfMin)));
        while let Some(start) = from.take() {
            let request = GetRangeRequest {
                table_name: TABLE.to_owned(),
                direction: Direction::Forward as i32,
                max_versions: Some(1),
                inclusive_start_primary_key: start,
                exclusive_end_primary_key: bound(Value::InfMax),
                ..GetRangeRequest::default()
            };
            let answer = self.table(INSTANCE, "GetRange", request.encode_to_vec()).await;
            let answer = GetRangeResponse::decode(answer).expect("it is an answer");
            if !answer.rows.is_empty() {
                rows += plain_buffer::decode(&answer.rows).expect("they are rows").len();
            }
            from = answer.next_start_primary_key.filter(|next| !next.is_empty());
        }
        rows
    }

    /// A signed request to TableStore that is done; its answer.
    async fn table(&self, instance: &str, operation: &str, body: Vec<u8>) -> Bytes {
        let at = Clock::of_day();
        let mut headers = vec![
            ("x-ots-accesskeyid", self.key.id.clone()),
            ("x-ots-apiversion", API_VERSION.to_owned()),
            ("x-ots-contentmd5", digest::md5_base64(&body)),
            ("x-ots-date", time::milliseconds(at)),
            ("x-ots-instancename", instance.to_owned()),
            ("x-ots-signdate", time::date(at)),
            ("x-ots-signregion", self.region.clone()),
        ];
        let signing = Signing::v4(&self.key, &time::date(at), &self.region);
        let signed: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let signature = signing.request(operation, &signed);
        headers.push((signing.header(), signature));
        let url = format!("http://{}/{operation}", self.emulator.tablestore());
        let mut building = self.http.post(url).body(body);
        for (name, value) in headers {
            building = building.header(name, value);
        }
        let answer = building.send().await.expect("it answers");
        let status = answer.status();
        let body = answer.bytes().await.expect("it answers whole");
        assert!(status.is_success(), "{operation}: {}", String::from_utf8_lossy(&body));
        body
    }

    /// Makes a bucket.
    pub(crate) async fn create_bucket(&self, name: &str) {
        let (host, date) = (self.emulator.oss().to_string(), time::compact(Clock::of_day()));
        let headers = [("host", &*host), ("x-oss-content-sha256", oss::UNSIGNED), ("x-oss-date", &*date)];
        let request =
            oss::Request { method: "PUT", bucket: Some(name), key: "", query: &[], headers: &headers };
        let authorization = request.authorize(&self.key, &self.region).expect("it has a date");
        let mut building = self.http.put(format!("http://{host}/{name}/"));
        for (name, value) in headers {
            building = building.header(name, value);
        }
        let answer = building.header("authorization", authorization).send().await.expect("it answers");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }
}

/// An end of a range of rows.
fn bound(value: Value) -> Vec<u8> {
    plain_buffer::encode(&[Row::of_key(vec![("key".to_owned(), value)])])
}
