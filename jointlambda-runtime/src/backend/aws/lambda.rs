//! Functions on Lambda, invoked asynchronously.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_lambda::{primitives::Blob, types::InvocationType};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::{
    client::Clients,
    error::{Wrong, advice, is_throttle, wrong},
};
use crate::{
    backend::{self, Invoked},
    deployment::Names,
    provider::Provider,
};

/// A region's functions.
pub(super) struct Functions {
    clients: Arc<Clients>,
    names: Names,
    qualifier: Option<String>,
}

impl Functions {
    pub(super) fn new(clients: Arc<Clients>, names: Names, qualifier: Option<String>) -> Self {
        Functions { clients, names, qualifier }
    }
}

/// An envelope as Lambda takes it.
pub(super) fn to_payload(envelope: &[u8]) -> Vec<u8> {
    let mut json = String::with_capacity(envelope.len() / 3 * 4 + 6);
    json.push('"');
    STANDARD.encode_string(envelope, &mut json);
    json.push('"');
    json.into_bytes()
}

/// The envelope that an event holds; `None` when it holds none.
pub(super) fn from_payload(payload: &[u8]) -> Option<Bytes> {
    let text = payload.trim_ascii().strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    STANDARD.decode(text).ok().map(Bytes::from)
}

#[async_trait]
impl backend::Functions for Functions {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        let (bytes, limit) = (envelope.len(), Provider::Aws.limits().async_payload_bytes);
        if bytes > limit {
            return Invoked::Rejected(format!(
                "an envelope of {bytes} bytes is over Lambda's limit of {limit}"
            ));
        }
        let (region, name) = (&self.clients.region, self.names.of(function));
        let request = self
            .clients
            .lambda()
            .invoke()
            .function_name(&name)
            .set_qualifier(self.qualifier.clone())
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(to_payload(&envelope)));
        let error = match request.send().await {
            Ok(_) => {
                self.clients.note_lambda();
                return Invoked::Accepted;
            }
            Err(error) => error,
        };
        match wrong(&error) {
            Wrong::Unreachable(why) => Invoked::Unavailable(why),
            Wrong::NoAnswer(why) => Invoked::Unknown(why),
            Wrong::Refused { code, status, .. } if is_throttle(&code, status) => Invoked::Throttled,
            Wrong::Refused { code, message, .. } => {
                Invoked::Rejected(match (&*code, advice(&code, region)) {
                    (_, Some(advice)) => advice,
                    ("ResourceNotFoundException", _) => match &self.qualifier {
                        None => format!(
                            "there is no function `{name}` in {region}: deploy this version of the workflow"
                        ),
                        Some(alias) => format!(
                            "there is no function `{name}` with an alias `{alias}` in {region}: deploy this version of the workflow, or correct `qualifier`"
                        ),
                    },
                    ("AccessDeniedException", _) => {
                        format!("not allowed to invoke `{name}`: grant lambda:InvokeFunction on it")
                    }
                    _ => format!("Lambda: {code}: {message}"),
                })
            }
        }
    }

    async fn warm(&self) {
        // A user function that has returned waits for no connection: the cloud may be down.
        let (clients, qualifier) = (self.clients.clone(), self.qualifier.clone());
        tokio::spawn(async move { clients.warm_lambda(qualifier).await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_a_json_string_and_comes_back() {
        for envelope in [&b""[..], b"\x01\xff\"\\", &[7; 1000]] {
            let payload = to_payload(envelope);
            assert!(serde_json::from_slice::<String>(&payload).is_ok());
            assert_eq!(from_payload(&payload).as_deref(), Some(envelope));
        }
        for bad in [&b""[..], b"\"", b"{}", b"\"\xff\"", b"\"a b\""] {
            assert_eq!(from_payload(bad), None, "{bad:?}");
        }
    }
}
