//! Functions on Function Compute 3.0, invoked asynchronously.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use aliyun_wire::{acs3, digest, time};
use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;

use super::client::{Client, IDLE, NoAnswer, Request, host, now};
use crate::{
    backend::{self, Invoked},
    deployed::to_text,
    deployment::Names,
    provider::Provider,
};

const VERSION: &str = "2023-03-30";
/// What is in the codes of refusals that are about the credentials.
const OF_CREDENTIALS: [&str; 3] = ["AccessKey", "SecurityToken", "Signature"];

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
struct Said {
    #[serde(alias = "Code", alias = "errorCode")]
    code: String,
    #[serde(alias = "Message", alias = "errorMessage")]
    message: String,
}

impl Functions {
    pub(super) fn new(client: Arc<Client>, names: Names) -> Self {
        Functions { client, names, used: Mutex::default() }
    }

    /// A connection is in use; says whether one was in use just now.
    fn note(&self) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.replace(Instant::now()).is_some_and(|at| at.elapsed() < IDLE)
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
        Request::post(format!("{endpoint}{path}"), headers, event.into_bytes())
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
        let answer = match self.client.send(self.request(&name, "Async", to_text(&envelope))).await {
            Ok(answer) => answer,
            Err(NoAnswer::Unreachable(why)) => return Invoked::Unavailable(why),
            Err(NoAnswer::Lost(why)) => return Invoked::Unknown(why),
        };
        let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
        let (code, message) = (said.code.as_str(), said.message);
        match answer.status.as_u16() {
            202 => {
                self.note();
                Invoked::Accepted
            }
            // The same task was accepted before.
            409 if code.contains("AlreadyExists") => Invoked::Accepted,
            429 => Invoked::Throttled,
            409 | 500.. => Invoked::Unknown(format!("Function Compute: {code}: {message}")),
            404 => Invoked::Rejected(format!(
                "there is no function `{name}` in {}: deploy this version of the workflow",
                self.client.region
            )),
            403 if OF_CREDENTIALS.iter().any(|part| code.contains(part)) => Invoked::Rejected(format!(
                "the credentials are not known in {}, or have expired: check ALIBABA_CLOUD_ACCESS_KEY_ID, its secret and token",
                self.client.region
            )),
            403 => {
                Invoked::Rejected(format!("not allowed to invoke `{name}`: grant fc:InvokeFunction on it"))
            }
            status => Invoked::Rejected(format!("Function Compute: {status} {code}: {message}")),
        }
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
