//! `/_emulator/…`, on each listener and unsigned: faults, the clock, what was asked and temporary
//! credentials, for tests that are not in Rust.

use std::time::Duration;

use aliyun_wire::time;
use serde::Deserialize;
use serde_json::json;

use crate::{
    credentials::Credentials,
    fault::Rule,
    http::{Request, Response},
    world::World,
};

const PREFIX: &str = "/_emulator/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issue {
    valid_s: u64,
}

/// The answer, where the request is for the emulator itself.
pub(crate) fn answer(world: &World, request: &Request) -> Option<Response> {
    let path = request.path.strip_prefix(PREFIX)?;
    let done = match (request.method.as_str(), path) {
        ("GET", "faults") => Ok(json!(world.faults.rules())),
        ("POST", "faults") => serde_json::from_slice::<Rule>(&request.body)
            .map_err(|error| error.to_string())
            .and_then(|rule| world.faults.add(rule, world.clock.now()))
            .map(|()| json!({})),
        ("DELETE", "faults") => {
            world.faults.clear();
            Ok(json!({}))
        }
        ("GET", "requests") => Ok(json!(world.requests())),
        ("DELETE", "requests") => {
            world.forget_requests();
            Ok(json!({}))
        }
        ("GET", "clock") => Ok(json!({ "now_ms": world.clock.now() })),
        ("POST", "clock") => serde_json::from_slice::<Advance>(&request.body)
            .map_err(|error| error.to_string())
            .map(|advance| {
                world.clock.advance(Duration::from_millis(advance.advance_ms));
                json!({ "now_ms": world.clock.now() })
            }),
        // In the form in which STS answers `AssumeRole`.
        ("POST", "credentials") => {
            serde_json::from_slice::<Issue>(&request.body).map_err(|error| error.to_string()).map(|issue| {
                let Credentials { key, expires_ms } = world.credentials(Duration::from_secs(issue.valid_s));
                json!({
                    "AccessKeyId": key.id,
                    "AccessKeySecret": key.secret,
                    "SecurityToken": key.token,
                    "Expiration": time::seconds(expires_ms),
                })
            })
        }
        (method, _) => Err(format!(
            "{method} {} is not known; GET, POST or DELETE {PREFIX}faults, GET or POST {PREFIX}clock, \
             GET or DELETE {PREFIX}requests, POST {PREFIX}credentials",
            request.path
        )),
    };
    let (status, body) = match done {
        Ok(body) => (200, body),
        Err(error) => (400, json!({ "error": error })),
    };
    Some(Response::new(status, body.to_string()).header("content-type", "application/json"))
}
