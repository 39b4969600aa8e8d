//! Functions on Lambda, invoked asynchronously.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_lambda::{primitives::Blob, types::InvocationType};
use bytes::Bytes;

use super::{
    client::Clients,
    error::{Wrong, advice, is_throttle, is_too_large, wrong},
};
use crate::{
    backend::{self, Invoked, patience},
    deployed::to_text,
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
        let event = format!("\"{}\"", to_text(&envelope));
        let timeout = patience::invocation(event.len());
        let request = self
            .clients
            .lambda()
            .invoke()
            .function_name(&name)
            .set_qualifier(self.qualifier.clone())
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event));
        let error = match tokio::time::timeout(timeout, request.send()).await {
            Ok(Ok(_)) => {
                self.clients.note_lambda();
                return Invoked::Accepted;
            }
            Ok(Err(error)) => error,
            Err(_) => {
                return Invoked::Unknown(format!("Lambda took longer than {:.1} s", timeout.as_secs_f64()));
            }
        };
        match wrong(&error) {
            Wrong::Unreachable(why) => Invoked::Unavailable(why),
            Wrong::NoAnswer(why) => Invoked::Unknown(why),
            Wrong::Refused { code, status, .. } if is_throttle(&code, status) => Invoked::Throttled,
            Wrong::Refused { code, message, status } if is_too_large(&code, status) => {
                Invoked::Rejected(format!("Lambda: {code}: {message}"))
            }
            // It is being made or changed, and takes events in a moment.
            Wrong::Refused { code, message, .. } if code == "ResourceConflictException" => {
                Invoked::Unavailable(message)
            }
            Wrong::Refused { code, message, .. } => {
                Invoked::Denied(match (&*code, advice(&code, &message, region)) {
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
