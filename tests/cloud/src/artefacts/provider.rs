//! What Terraform's provider for Alibaba Cloud does with a resource: a request of its fields, or, where the
//! emulator has no such service, a look at whether they fit.

use std::collections::BTreeSet;

use aliyun_wire::tablestore::message::PrimaryKeyType;
use serde_json::{Map, Value, json};

use super::{Deployed, Resource, fields::Fields};
use crate::aliyun::{ACCOUNT, AliyunAccount};

/// In this order whatever is referred to is there.
const KINDS: [&str; 13] = [
    "alicloud_ram_role",
    "alicloud_ram_policy",
    "alicloud_ram_role_policy_attachment",
    "alicloud_log_project",
    "alicloud_log_store",
    "alicloud_ots_instance",
    "alicloud_ots_table",
    "alicloud_oss_bucket",
    "alicloud_oss_bucket_acl",
    "alicloud_oss_bucket_public_access_block",
    "alicloud_fcv3_function",
    "alicloud_fcv3_async_invoke_config",
    "alicloud_fcv3_trigger",
];
/// The longest policy of a role, in bytes.
const LONGEST_POLICY: usize = 6_144;

pub(super) async fn apply(resources: &[Resource], account: &AliyunAccount) -> Result<Deployed, String> {
    if let Some(other) = resources.iter().find(|one| !KINDS.contains(&one.kind.as_str())) {
        return Err(format!("{}: there is no resource of the kind `{}`", other.address, other.kind));
    }
    let mut made = Made { account, names: BTreeSet::new(), deployed: Deployed::default() };
    for kind in KINDS {
        for resource in resources.iter().filter(|resource| resource.kind == kind) {
            let mut fields = Fields::of(&resource.address, resource.fields.clone())?;
            let done = match kind.rsplit('_').next() {
                Some("function" | "config" | "trigger") => made.function(kind, &mut fields).await,
                _ if kind.contains("_ots_") || kind.contains("_oss_") => made.store(kind, &mut fields).await,
                _ => made.around(kind, &mut fields),
            };
            done.and_then(|()| fields.end()).map_err(|why| format!("{}: {why}", resource.address))?;
        }
    }
    Ok(made.deployed)
}

struct Made<'a> {
    account: &'a AliyunAccount,
    /// What there is, each with its kind.
    names: BTreeSet<String>,
    deployed: Deployed,
}

impl Made<'_> {
    fn add(&mut self, kind: &str, name: &str) {
        self.names.insert(format!("{kind} {name}"));
    }

    /// Whether something is there that another resource names.
    fn has(&self, kind: &str, name: &str) -> Result<(), String> {
        let is_there = self.names.contains(&format!("{kind} {name}"));
        if is_there { Ok(()) } else { Err(format!("there is no {kind} `{name}`")) }
    }

    /// Roles and logs, of which the emulator has none.
    fn around(&mut self, kind: &str, fields: &mut Fields) -> Result<(), String> {
        match kind {
            "alicloud_ram_role" => {
                let trust: Value = parsed(&fields.text("assume_role_policy_document")?)?;
                let statement = json!([{
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": { "Service": ["fc.aliyuncs.com"] },
                }]);
                if trust["Statement"] != statement {
                    return Err(format!("Function Compute is not who may have the role: {trust}"));
                }
                let name = fields.text("role_name")?;
                self.add("role", &format!("acs:ram::{ACCOUNT}:role/{name}"));
                self.add("role name", &name);
            }
            "alicloud_ram_policy" => {
                let text = fields.text("policy_document")?;
                if text.len() > LONGEST_POLICY {
                    return Err(format!("a policy of {} bytes", text.len()));
                }
                let policy = parsed(&text)?;
                for statement in policy["Statement"].as_array().into_iter().flatten() {
                    let resources = statement["Resource"].as_array();
                    if statement["Effect"] != "Allow" || resources.is_none_or(Vec::is_empty) {
                        return Err(format!("{statement} allows nothing"));
                    }
                    let actions = statement["Action"].as_array().into_iter().flatten();
                    self.deployed.actions.extend(actions.filter_map(Value::as_str).map(str::to_owned));
                }
                let name = fields.text("policy_name")?;
                self.add("policy", &name);
            }
            "alicloud_ram_role_policy_attachment" => {
                fields.is("policy_type", "Custom")?;
                self.has("policy", &fields.text("policy_name")?)?;
                self.has("role name", &fields.text("role_name")?)?;
            }
            "alicloud_log_project" => {
                let name = fields.text("project_name")?;
                self.add("log project", &name);
            }
            _ => {
                let project = fields.text("project_name")?;
                self.has("log project", &project)?;
                let store = format!("{project}/{}", fields.text("logstore_name")?);
                fields.number("retention_period")?;
                self.add("log store", &store);
            }
        }
        Ok(())
    }

    async fn store(&mut self, kind: &str, fields: &mut Fields) -> Result<(), String> {
        match kind {
            "alicloud_ots_instance" => {
                fields.is("accessed_by", "Any")?;
                fields.is("instance_type", "HighPerformance")?;
                let name = fields.text("name")?;
                self.add("instance", &name);
            }
            "alicloud_ots_table" => {
                let (instance, table) = (fields.text("instance_name")?, fields.text("table_name")?);
                self.has("instance", &instance)?;
                fields.is("max_version", 1)?;
                let keys = fields.take("primary_key")?;
                let mut schema = Vec::new();
                for key in keys.as_array().into_iter().flatten() {
                    let mut key = Fields::of(format!("a key of {table}"), key.clone())?;
                    let kind = match key.text("type")?.as_str() {
                        "String" => PrimaryKeyType::String,
                        "Integer" => PrimaryKeyType::Integer,
                        other => return Err(format!("a key of the type {other}")),
                    };
                    schema.push((key.text("name")?, kind));
                    key.end()?;
                }
                let schema: Vec<_> = schema.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
                let time_to_live_s = fields.number("time_to_live")?;
                let time_to_live_s = i32::try_from(time_to_live_s).map_err(|error| error.to_string())?;
                self.account.create_table((&instance, &table), &schema, time_to_live_s).await;
            }
            "alicloud_oss_bucket" => {
                let name = fields.text("bucket")?;
                fields.take("force_destroy")?;
                let mut rule = fields.block("lifecycle_rule")?;
                rule.text("id")?;
                rule.is("enabled", true)?;
                rule.is("prefix", "")?;
                let mut expiration = rule.block("expiration")?;
                expiration.number("days")?;
                expiration.end()?;
                rule.end()?;
                let mut encryption = fields.block("server_side_encryption_rule")?;
                encryption.is("sse_algorithm", "AES256")?;
                encryption.end()?;
                self.account.create_bucket(&name).await;
                self.add("bucket", &name);
            }
            _ => {
                self.has("bucket", &fields.text("bucket")?)?;
                match kind {
                    "alicloud_oss_bucket_acl" => fields.is("acl", "private")?,
                    _ => fields.is("block_public_access", true)?,
                }
            }
        }
        Ok(())
    }

    async fn function(&mut self, kind: &str, fields: &mut Fields) -> Result<(), String> {
        let name = fields.text("function_name")?;
        match kind {
            "alicloud_fcv3_function" => {
                let role = fields.text("role")?;
                self.has("role", &role)?;
                let mut body = Map::new();
                body.insert("functionName".to_owned(), name.as_str().into());
                body.insert("role".to_owned(), role.into());
                fields.rename(
                    &mut body,
                    &[
                        ("description", "description"),
                        ("runtime", "runtime"),
                        ("handler", "handler"),
                        ("cpu", "cpu"),
                        ("memory_size", "memorySize"),
                        ("disk_size", "diskSize"),
                        ("timeout", "timeout"),
                        ("instance_concurrency", "instanceConcurrency"),
                        ("internet_access", "internetAccess"),
                        ("environment_variables", "environmentVariables"),
                    ],
                )?;
                let mut log = fields.block("log_config")?;
                let (project, store) = (log.text("project")?, log.text("logstore")?);
                self.has("log store", &format!("{project}/{store}"))?;
                let rule = log.text("log_begin_rule")?;
                log.end()?;
                let log = json!({ "project": project, "logstore": store, "logBeginRule": rule });
                body.insert("logConfig".to_owned(), log);
                let mut code = fields.block("code")?;
                body.insert("code".to_owned(), json!({ "zipFile": code.text("zip_file")? }));
                code.end()?;
                let (mut custom, mut runtime) = (fields.block("custom_runtime_config")?, Map::new());
                custom.rename(&mut runtime, &[("command", "command"), ("port", "port")])?;
                custom.end()?;
                body.insert("customRuntimeConfig".to_owned(), runtime.into());
                create(self.account, &name, &body.into(), &mut self.deployed).await?;
                self.add("function", &name);
            }
            "alicloud_fcv3_async_invoke_config" => {
                let qualifier = fields.text("qualifier")?;
                let mut body = Map::new();
                fields.rename(
                    &mut body,
                    &[
                        ("async_task", "asyncTask"),
                        ("max_async_retry_attempts", "maxAsyncRetryAttempts"),
                        ("max_async_event_age_in_seconds", "maxAsyncEventAgeInSeconds"),
                    ],
                )?;
                if fields.has("destination_config") {
                    let mut destinations = fields.block("destination_config")?;
                    let mut failure = destinations.block("on_failure")?;
                    let destination = failure.text("destination")?;
                    self.is_there(&destination)?;
                    failure.end()?;
                    destinations.end()?;
                    let failure = json!({ "onFailure": { "destination": destination } });
                    body.insert("destinationConfig".to_owned(), failure);
                }
                put_async(self.account, &name, &qualifier, &body.into()).await?;
            }
            _ => {
                self.has("function", &name)?;
                fields.is("qualifier", "LATEST")?;
                fields.is("trigger_type", "timer")?;
                fields.text("trigger_name")?;
                let timer = parsed(&fields.text("trigger_config")?)?;
                self.deployed.timers.push(timer_of(&name, &timer)?);
            }
        }
        Ok(())
    }

    /// Whether what a destination names is there.
    fn is_there(&self, destination: &str) -> Result<(), String> {
        let functions = format!("acs:fc:{}:{ACCOUNT}:functions/", self.account.region());
        let name = destination.strip_prefix(&functions);
        self.has("function", name.ok_or_else(|| format!("`{destination}` is no destination"))?)
    }
}

fn parsed(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))
}

/// The function that a timer calls, if it does.
pub(super) fn timer_of(function: &str, timer: &Value) -> Result<String, String> {
    if *timer == json!({ "cronExpression": "@every 1m", "enable": true }) {
        return Ok(function.to_owned());
    }
    Err(format!("a timer that is not known: {timer}"))
}

/// Makes a function.
pub(super) async fn create(
    account: &AliyunAccount,
    name: &str,
    body: &Value,
    deployed: &mut Deployed,
) -> Result<(), String> {
    account.ask("POST", "CreateFunction", "functions", body).await?;
    deployed.functions.insert(name.to_owned());
    Ok(())
}

/// Says what becomes of a function's asynchronous events.
pub(super) async fn put_async(
    account: &AliyunAccount,
    name: &str,
    qualifier: &str,
    body: &Value,
) -> Result<(), String> {
    let path = format!("functions/{name}/async-invoke-config?qualifier={qualifier}");
    account.ask("PUT", "PutAsyncInvokeConfig", &path, body).await.map(drop)
}
