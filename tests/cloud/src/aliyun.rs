//! An account on the emulator: what a deployment needs there, made by the services' own interfaces.

use std::{collections::BTreeMap, path::Path};

use aliyun_emulator::{Emulator, Options, clock::Clock};
use aliyun_wire::{
    AccessKey, acs3, digest, oss,
    tablestore::{
        message::{
            CapacityUnit, CreateTableRequest, PrimaryKeySchema, PrimaryKeyType, ReservedThroughput,
            TableMeta, TableOptions,
        },
        sign::{API_VERSION, Signing},
    },
    time,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jointlambda::{
    Workflow,
    backend::{
        Backend,
        aliyun::{Endpoints, backend_with},
    },
    deployment::{CloudSettings, Names, SWEEPER, from_toml},
    provider::Provider,
};
use prost::Message as _;
use serde_json::{Value as Json, json};

use crate::account::{archive, cloud_of, functions_on};

/// The instance of TableStore.
const INSTANCE: &str = "rows-test";
/// The table of rows; its run index is `rows_due`.
const TABLE: &str = "rows";
/// The bucket of objects.
const BUCKET: &str = "objects-test";
/// How long rows stay after their last change: two days, as `cargo jointlambda build` would say more.
const TIME_TO_LIVE_S: i32 = 2 * 24 * 3_600;
/// The interface of Function Compute.
const VERSION: &str = "2023-03-30";
/// How long a function may run. The largest that the tests need.
const TIMEOUT_S: u64 = 30;

/// An account on an emulator of its own.
pub struct AliyunAccount {
    /// The services. They end, with all functions, when this is dropped.
    pub emulator: Emulator,
    region: String,
    key: AccessKey,
    http: reqwest::Client,
    endpoints: Endpoints,
}

impl AliyunAccount {
    /// An account with a table, a run index and a bucket, in a region.
    pub async fn start(region: &str) -> Self {
        let mut options = Options::default();
        options.retry_pause_ms = 100;
        AliyunAccount::start_with(region, options).await
    }

    /// The same on an emulator that behaves as said.
    pub async fn start_with(region: &str, mut options: Options) -> Self {
        options.region = region.to_owned();
        let key = options.access_keys[0].clone();
        let emulator = Emulator::start(options).await.expect("loopback has free ports");
        let (region, http) = (region.to_owned(), reqwest::Client::new());
        let endpoints = Endpoints {
            tablestore: format!("http://{}", emulator.tablestore()),
            oss: format!("http://{}", emulator.oss()),
            function_compute: format!("http://{}", emulator.function_compute()),
        };
        let account = AliyunAccount { emulator, region, key, http, endpoints };
        account.create_table(TABLE, &[("key", PrimaryKeyType::String)]).await;
        let index = [
            ("shard", PrimaryKeyType::String),
            ("check_at", PrimaryKeyType::Integer),
            ("key", PrimaryKeyType::String),
        ];
        account.create_table(&format!("{TABLE}_due"), &index).await;
        account.create_bucket().await;
        account
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
        self.backend_of(&self.settings::<W>(), Names::of_definition(W::definition()))
    }

    /// The settings of a workflow that is on this cloud alone.
    pub fn settings<W: Workflow>(&self) -> CloudSettings {
        let text = format!("[clouds.{}]\n{}", cloud_of::<W>(Provider::Aliyun), self.section());
        from_toml(&text, W::definition()).expect("they are right").remove(0)
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
        let Endpoints { tablestore, oss, function_compute } = self.endpoints.clone();
        let pairs = [
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", self.key.id.clone()),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", self.key.secret.clone()),
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
        let names = Names::of_definition(W::definition());
        let code = STANDARD.encode(archive(program, None));
        for function in [SWEEPER].into_iter().chain(functions_on::<W>(Provider::Aliyun)) {
            let mut environment: BTreeMap<String, String> = self.variables().into_iter().collect();
            // Function Compute gives functions the credentials of their role.
            environment.retain(|name, _| !name.starts_with("ALIBABA_CLOUD_ACCESS_KEY"));
            let own = [
                ("JOINTLAMBDA_FUNCTION", function.to_owned()),
                ("JOINTLAMBDA_CLOUD", cloud_of::<W>(Provider::Aliyun).to_owned()),
                ("JOINTLAMBDA_TABLE", format!("{INSTANCE}/{TABLE}")),
                ("JOINTLAMBDA_BUCKET", BUCKET.to_owned()),
            ];
            environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
            environment.extend(extra.iter().cloned());
            let name = names.of(function);
            let made = json!({
                "functionName": name,
                "runtime": "custom.debian12",
                "handler": "none",
                "timeout": TIMEOUT_S,
                "memorySize": 512,
                "role": "acs:ram::1234567890123456:role/jointlambda",
                "environmentVariables": environment,
                "code": { "zipFile": code },
            });
            self.control("POST", "CreateFunction", "functions", &made).await;
            if function != SWEEPER {
                let sweeper =
                    format!("acs:fc:{}:1234567890123456:functions/{}", self.region, names.of(SWEEPER));
                let mut asynchronous = json!({
                    "maxAsyncRetryAttempts":
                        if delivered_again { Provider::Aliyun.limits().redeliveries } else { 0 },
                });
                if delivered_again {
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
        let name = Names::of_definition(W::definition()).of(SWEEPER);
        let timer = json!({ "triggerTime": "2026-01-01T00:00:00Z", "triggerName": "sweep", "payload": "" });
        self.ask("POST", "InvokeFunction", &format!("functions/{name}/invocations"), &timer).await
    }

    async fn control(&self, method: &str, action: &str, path: &str, body: &Json) {
        self.ask(method, action, path, body).await.expect("it is done");
    }

    /// A signed request to Function Compute; the body of the answer, and whether it is one.
    async fn ask(&self, method: &str, action: &str, path: &str, body: &Json) -> Result<String, String> {
        let (host, body) = (self.emulator.function_compute().to_string(), body.to_string());
        let path = format!("/{VERSION}/{path}");
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
            acs3::Request { method, path: &path, query: &[], headers: &headers, body_sha256: &body_sha256 };
        let authorization = request.authorize(&self.key);
        let method = method.parse().expect("it is a method");
        let mut building = self.http.request(method, format!("http://{host}{path}")).body(body);
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

    async fn create_table(&self, name: &str, keys: &[(&str, PrimaryKeyType)]) {
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
                time_to_live: Some(TIME_TO_LIVE_S),
                max_versions: Some(1),
                ..TableOptions::default()
            }),
        };
        let (body, at) = (request.encode_to_vec(), Clock::of_day());
        let mut headers = vec![
            ("x-ots-accesskeyid", self.key.id.clone()),
            ("x-ots-apiversion", API_VERSION.to_owned()),
            ("x-ots-contentmd5", digest::md5_base64(&body)),
            ("x-ots-date", time::milliseconds(at)),
            ("x-ots-instancename", INSTANCE.to_owned()),
            ("x-ots-signdate", time::date(at)),
            ("x-ots-signregion", self.region.clone()),
        ];
        let signing = Signing::v4(&self.key, &time::date(at), &self.region);
        let signed: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let signature = signing.request("CreateTable", &signed);
        headers.push((signing.header(), signature));
        let url = format!("http://{}/CreateTable", self.emulator.tablestore());
        let mut building = self.http.post(url).body(body);
        for (name, value) in headers {
            building = building.header(name, value);
        }
        let answer = building.send().await.expect("it answers");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    async fn create_bucket(&self) {
        let (host, date) = (self.emulator.oss().to_string(), time::compact(Clock::of_day()));
        let headers = [("host", &*host), ("x-oss-content-sha256", oss::UNSIGNED), ("x-oss-date", &*date)];
        let request =
            oss::Request { method: "PUT", bucket: Some(BUCKET), key: "", query: &[], headers: &headers };
        let authorization = request.authorize(&self.key, &self.region).expect("it has a date");
        let mut building = self.http.put(format!("http://{host}/{BUCKET}/"));
        for (name, value) in headers {
            building = building.header(name, value);
        }
        let answer = building.header("authorization", authorization).send().await.expect("it answers");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }
}
