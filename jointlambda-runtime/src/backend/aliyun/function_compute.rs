//! Functions on Function Compute 3.0, invoked asynchronously.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use aliyun_wire::{acs3, digest, time};
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    client::{Answer, Client, NoAnswer, Request, host, now},
    error::{OfFunction, Said, of_function},
};
use crate::{
    backend::{self, Invoked, patience},
    deployed::to_text,
    deployment::Names,
    provider::Provider,
};

const VERSION: &str = "2023-03-30";
/// The longest answer, in bytes: it says that an event was accepted, or why not.
const ANSWER: usize = 64 * 1024;

/// A region's functions.
pub(super) struct Functions {
    client: Arc<Client>,
    names: Names,
    /// When a connection was last in use.
    used: Mutex<Option<Instant>>,
}

/// What an error says.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    #[serde(alias = "Code", alias = "errorCode")]
    code: Json,
    #[serde(alias = "Message", alias = "errorMessage")]
    message: Json,
}

/// As text, whatever it is.
fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Functions {
    pub(super) fn new(client: Arc<Client>, names: Names) -> Self {
        Functions { client, names, used: Mutex::default() }
    }

    /// A connection is in use; says whether one was in use just now.
    fn note(&self) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.replace(Instant::now()).is_some_and(|at| at.elapsed() < patience::IDLE)
    }

    /// A signed request to invoke `name`.
    fn request(&self, name: &str, kind: &str, event: String) -> Request {
        let endpoint = &self.client.endpoints.function_compute;
        let path = format!("/{VERSION}/functions/{name}/invocations");
        let sha256 = digest::sha256_hex(event.as_bytes());
        let mut headers = vec![
            ("host", host(endpoint).to_owned()),
            ("accept", "application/json".to_owned()),
            ("content-type", "application/octet-stream".to_owned()),
            ("x-acs-action", "InvokeFunction".to_owned()),
            ("x-acs-content-sha256", sha256.clone()),
            ("x-acs-date", time::seconds(now())),
            ("x-acs-signature-nonce", format!("{:032x}", fastrand::u128(..))),
            ("x-acs-version", VERSION.to_owned()),
            ("x-fc-invocation-type", kind.to_owned()),
        ];
        let key = self.client.key.get();
        if let Some(token) = &key.token {
            headers.push(("x-acs-accesskey-id", key.id.clone()));
            headers.push(("x-acs-security-token", token.clone()));
        }
        let signed: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let request =
            acs3::Request { method: "POST", path: &path, query: &[], headers: &signed, body_sha256: &sha256 };
        let authorization = request.authorize(&key);
        headers.push(("authorization", authorization));
        let (url, timeout) = (format!("{endpoint}{path}"), patience::invocation(event.len()));
        Request { method: Method::POST, url, headers, body: event.into_bytes(), timeout, longest: ANSWER }
    }
}

/// What becomes of an event that was not refused.
fn taken(answer: &Answer) -> Invoked {
    let status = answer.status.as_u16();
    // Function Compute names every request.
    let is_its_own = ["x-fc-request-id", "x-acs-request-id"].iter().any(|name| answer.header(name).is_some());
    match (status, answer.header("x-fc-error-type")) {
        // It was run at once, and failed: nobody delivers it again.
        (_, Some(kind)) => {
            Invoked::Unknown(format!("Function Compute ran the function, which failed: {kind}"))
        }
        // No page of a proxy says so.
        (202, None) => Invoked::Accepted,
        _ if !is_its_own => {
            Invoked::Unknown(format!("what answers with status {status} is not Function Compute"))
        }
        // It has run already.
        (200, None) => Invoked::Accepted,
        _ => Invoked::Unknown(format!("Function Compute answers with status {status}")),
    }
}

#[async_trait]
impl backend::Functions for Functions {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        let (bytes, limit) = (envelope.len(), Provider::Aliyun.limits().async_payload_bytes);
        if bytes > limit {
            return Invoked::Rejected(format!(
                "an envelope of {bytes} bytes is over Function Compute's limit of {limit}"
            ));
        }
        let name = self.names.of(function);
        let event = to_text(&envelope);
        let bytes = event.len();
        let answer = match self.client.send(self.request(&name, "Async", event)).await {
            Ok(answer) => answer,
            Err(NoAnswer::Unreachable(why)) => return Invoked::Unavailable(why),
            Err(NoAnswer::Lost(why)) => return Invoked::Unknown(why),
        };
        if answer.status.is_success() {
            self.note();
            return taken(&answer);
        }
        let said: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
        let status = answer.status.as_u16();
        let delays = answer.header("x-acs-retry-after").is_some();
        let asked = OfFunction { name: &name, region: &self.client.region, bytes, delays };
        of_function(Said { status, code: &text(&said.code), message: &text(&said.message) }, asked)
    }

    async fn warm(&self) {
        if self.note() {
            return;
        }
        // A request that the service refuses, unread: the connection is there then.
        let mut request = self.request("-", "Async", String::new());
        request.headers.retain(|(name, _)| *name != "authorization");
        // A user function that has returned waits for no connection: the cloud may be down.
        let client = self.client.clone();
        tokio::spawn(async move {
            let _ = client.send(request).await;
        });
    }
}
