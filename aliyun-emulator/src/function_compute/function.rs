//! What a function is, and what it may be.

use std::{collections::BTreeMap, path::PathBuf, sync::Mutex};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::pool::Pool;
use crate::http::Refusal;

const MAX_NAME: usize = 64;
const MAX_ENVIRONMENT: usize = 4096;

/// A function as created, or last updated.
pub(super) struct Function {
    pub(super) config: Config,
    pub(super) code: Option<Code>,
    pub(super) created: String,
    pub(super) modified: String,
    pub(super) pool: Pool,
    pub(super) asynchronous: Mutex<Option<AsyncConfig>>,
}

#[derive(Clone)]
pub(super) struct Code {
    pub(super) folder: PathBuf,
    pub(super) checksum: String,
    pub(super) bytes: usize,
}

/// The settings that the emulator acts on; `other` ones are kept and given back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    pub(super) function_name: String,
    pub(super) runtime: String,
    pub(super) handler: String,
    #[serde(default = "three")]
    pub(super) timeout: u64,
    #[serde(default = "one")]
    pub(super) instance_concurrency: usize,
    #[serde(default = "memory")]
    pub(super) memory_size: u64,
    #[serde(default)]
    pub(super) environment_variables: BTreeMap<String, String>,
    /// The role whose credentials the function gets; without one it gets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) disable_inject_credentials: Option<Inject>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) custom_runtime_config: Option<CustomRuntime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instance_lifecycle_config: Option<Lifecycle>,
    #[serde(flatten)]
    pub(super) other: Map<String, Json>,
}

/// By which ways credentials may come to a function: `disableInjectCredentials` has those they do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Inject {
    None,
    Env,
    Request,
    All,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CustomRuntime {
    pub(super) command: Vec<String>,
    pub(super) args: Vec<String>,
    #[serde(flatten)]
    other: Map<String, Json>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Lifecycle {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) initializer: Option<Hook>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pre_stop: Option<Hook>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hook {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<u64>,
    #[serde(flatten)]
    other: Map<String, Json>,
}

/// How asynchronous invocations are treated.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AsyncConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) async_task: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_async_retry_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_async_event_age_in_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) destination_config: Option<Destinations>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Destinations {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) on_success: Option<Destination>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) on_failure: Option<Destination>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Destination {
    pub(super) destination: String,
}

fn three() -> u64 {
    3
}

fn one() -> usize {
    1
}

fn memory() -> u64 {
    512
}

pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidArgument", message)
}

impl Config {
    /// Checks what is checked of a function, with the limits of August 2025.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let name = &self.function_name;
        let valid = (1..=MAX_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
            && !name.starts_with(|first: char| first.is_ascii_digit() || first == '-');
        if !valid {
            return Err(invalid(format!("functionName is invalid: '{name}'")));
        }
        if !matches!(&*self.runtime, "custom" | "custom.debian10" | "custom.debian11" | "custom.debian12") {
            return Err(invalid(format!(
                "runtime '{}': the emulator runs custom runtimes only",
                self.runtime
            )));
        }
        let within = |what: &str, value: u64, range: std::ops::RangeInclusive<u64>| {
            let message =
                format!("{what} must be within [{}, {}] (actual: '{value}')", range.start(), range.end());
            if range.contains(&value) { Ok(()) } else { Err(invalid(message)) }
        };
        within("timeout", self.timeout, 1..=86_400)?;
        within("instanceConcurrency", self.instance_concurrency as u64, 1..=200)?;
        within("memorySize", self.memory_size, 128..=32_768)?;
        if !self.memory_size.is_multiple_of(64) {
            return Err(invalid("memorySize must be a multiple of 64"));
        }
        let environment: usize =
            self.environment_variables.iter().map(|(name, value)| name.len() + value.len()).sum();
        if environment > MAX_ENVIRONMENT {
            return Err(invalid(format!("environmentVariables are over {MAX_ENVIRONMENT} bytes")));
        }
        if let Some(name) = self.environment_variables.keys().find(|name| name.starts_with("FC_")) {
            return Err(invalid(format!("environment variable '{name}' is reserved")));
        }
        if let Some(role) = self.role.as_deref().filter(|role| !role.is_empty()) {
            let named = role.strip_prefix("acs:ram::").and_then(|rest| rest.split_once(":role/"));
            if named.is_none_or(|(account, name)| account.is_empty() || name.is_empty()) {
                return Err(invalid(format!(
                    "role must be acs:ram::<account>:role/<name> (actual: '{role}')"
                )));
            }
        }
        Ok(())
    }

    /// The role whose credentials come to the function by `way`.
    pub(super) fn role_for(&self, way: Inject) -> Option<&str> {
        let without = self.disable_inject_credentials.unwrap_or(Inject::None);
        self.role.as_deref().filter(|role| !role.is_empty() && without != way && without != Inject::All)
    }
}

impl AsyncConfig {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.max_async_retry_attempts.is_some_and(|attempts| attempts > 8) {
            return Err(invalid("maxAsyncRetryAttempts must be within [0, 8]"));
        }
        if self.max_async_event_age_in_seconds.is_some_and(|age| !(1..=604_800).contains(&age)) {
            return Err(invalid("maxAsyncEventAgeInSeconds must be within [1, 604800]"));
        }
        Ok(())
    }
}
