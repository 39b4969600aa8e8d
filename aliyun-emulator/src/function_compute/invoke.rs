//! Invocations: run at once, or accepted to be run; and one run of a function in an instance.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;

use super::{
    FunctionCompute,
    function::{Config, Function, Inject, invalid},
    pool::NoPlace,
    queue::Event,
};
use crate::{
    http::{Refusal, Request, Response},
    world::World,
};

const MAX_SYNC: usize = 32 * 1024 * 1024;
const MAX_DELAY_S: u64 = 3600;
const MAX_TASK_ID: usize = 128;
const MAX_HEADERS: usize = 8 * 1024;

/// What became of a run.
pub(super) enum Ran {
    /// The function answered.
    Done(Bytes),
    /// The function failed: what it answered, and whether it said so itself.
    Failed { body: Bytes, handled: bool },
    /// It was not run, for now.
    Refused(Refusal),
}

impl FunctionCompute {
    pub(super) async fn invoke(
        self: &Arc<Self>,
        name: &str,
        request: &Request,
        request_id: &str,
    ) -> Result<Response, Refusal> {
        let function = self.function(name)?;
        let qualifier = request.query().map_err(|error| invalid(error.to_string()))?;
        let qualifier =
            qualifier.iter().find(|(name, _)| name == "qualifier").and_then(|(_, value)| value.clone());
        if let Some(version) = qualifier.filter(|qualifier| qualifier != "LATEST") {
            return Err(Refusal::new(
                404,
                "VersionNotFound",
                format!("version or alias '{version}' does not exist"),
            ));
        }
        let too_large = |limit: usize| {
            let message = format!("payload size exceeds maximum allowed size ({limit} bytes)");
            Refusal::new(400, "EntityTooLarge", message)
        };
        match request.header("x-fc-invocation-type").unwrap_or("Sync") {
            "Sync" if request.body.len() > MAX_SYNC => Err(too_large(MAX_SYNC)),
            "Sync" => self.invoke_now(&function, request, request_id).await,
            "Async" if request.body.len() > self.world.options.async_payload_bytes => {
                Err(too_large(self.world.options.async_payload_bytes))
            }
            "Async" => self.accept(name, request, request_id),
            other => Err(invalid(format!("invalid x-fc-invocation-type '{other}'"))),
        }
    }

    async fn invoke_now(
        &self,
        function: &Arc<Function>,
        request: &Request,
        id: &str,
    ) -> Result<Response, Refusal> {
        let (body, error_type) = match self.run(function, id, request.body.clone()).await {
            Ran::Done(body) => (body, None),
            Ran::Failed { body, handled: true } => (body, Some("HandledInvocationError")),
            Ran::Failed { body, handled: false } => (body, Some("UnhandledInvocationError")),
            Ran::Refused(refusal) => return Err(refusal),
        };
        let mut response = Response::new(200, body)
            .header("content-type", "application/octet-stream")
            .header("x-fc-code-checksum", function.code.as_ref().map_or("", |code| &code.checksum))
            .header("x-fc-invocation-service-version", "LATEST");
        if let Some(error_type) = error_type {
            response = response.header("x-fc-error-type", error_type);
        }
        Ok(response)
    }

    fn accept(
        self: &Arc<Self>,
        name: &str,
        request: &Request,
        request_id: &str,
    ) -> Result<Response, Refusal> {
        let delay_s = match request.header("x-fc-async-delay") {
            None => 0,
            Some(text) => text
                .parse()
                .ok()
                .filter(|delay| *delay <= MAX_DELAY_S)
                .ok_or_else(|| invalid(format!("x-fc-async-delay must be within [0, {MAX_DELAY_S}]")))?,
        };
        let task_id = request.header("x-fc-async-task-id").unwrap_or(request_id).to_owned();
        let valid = (1..=MAX_TASK_ID).contains(&task_id.len())
            && task_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
            && (task_id == request_id
                || task_id.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'));
        if !valid {
            return Err(invalid(format!("invalid x-fc-async-task-id '{task_id}'")));
        }
        self.enqueue(Event {
            function: name.to_owned(),
            request_id: request_id.to_owned(),
            task_id: task_id.clone(),
            body: request.body.clone(),
            accepted_ms: self.world.clock.now(),
            delay_ms: delay_s * 1000,
        })?;
        Ok(Response::new(202, "").header("x-fc-async-task-id", task_id))
    }

    /// Runs the function once.
    pub(super) async fn run(&self, function: &Function, request_id: &str, body: Bytes) -> Ran {
        let place = match function.pool.place(&self.world, function, &self.folder.join("log")).await {
            Ok(place) => place,
            Err(NoPlace::Full) => {
                return Ran::Refused(Refusal::new(
                    429,
                    "ResourceExhausted",
                    "too many instances of the function",
                ));
            }
            Err(NoPlace::NotStarted(error)) => {
                let message = format!("failed to start the function: {error}");
                return Ran::Failed { body: error_body("FunctionNotStarted", &message), handled: false };
            }
        };
        let config = &function.config;
        let headers = headers(&self.world, config, request_id, "/invoke");
        let bound = Duration::from_secs(config.timeout);
        let sent = place.instance.send("POST", "/invoke", &headers, body);
        match tokio::time::timeout(bound, sent).await {
            Err(_) => {
                place.instance.kill();
                let message = format!("Function timed out after {} seconds", config.timeout);
                Ran::Failed { body: error_body("FunctionTimeout", &message), handled: false }
            }
            Ok(Err(error)) => {
                place.instance.kill();
                let message = format!("Process exited unexpectedly before completing request: {error}");
                Ran::Failed { body: error_body("FunctionUnhandledError", &message), handled: false }
            }
            Ok(Ok(answer)) if answer.header_bytes > MAX_HEADERS => {
                Ran::Refused(Refusal::new(502, "BadResponse", "the headers of the response are over 8 KB"))
            }
            Ok(Ok(answer)) if answer.failed => Ran::Failed { body: answer.body, handled: true },
            Ok(Ok(answer)) => Ran::Done(answer.body),
        }
    }
}

/// What a function is told with each request. The credentials are good for half of their time at least.
pub(super) fn headers(
    world: &World,
    config: &Config,
    request_id: &str,
    path: &str,
) -> Vec<(&'static str, String)> {
    let options = &world.options;
    let mut headers = vec![
        ("x-fc-request-id", request_id.to_owned()),
        ("x-fc-function-name", config.function_name.clone()),
        ("x-fc-function-handler", config.handler.clone()),
        ("x-fc-function-memory", config.memory_size.to_string()),
        ("x-fc-function-timeout", config.timeout.to_string()),
        ("x-fc-region", options.region.clone()),
        ("x-fc-account-id", options.account_id.clone()),
        ("x-fc-qualifier", "LATEST".to_owned()),
        ("x-fc-version-id", "LATEST".to_owned()),
        ("x-fc-control-path", path.to_owned()),
    ];
    if let Some(role) = config.role_for(Inject::Request) {
        let key = world.credentials_of(role).key;
        headers.push(("x-fc-access-key-id", key.id));
        headers.push(("x-fc-access-key-secret", key.secret));
        headers.push(("x-fc-security-token", key.token.unwrap_or_default()));
    }
    headers
}

fn error_body(kind: &str, message: &str) -> Bytes {
    json!({ "errorType": kind, "errorMessage": message }).to_string().into()
}
