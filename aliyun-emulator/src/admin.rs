//! `/_emulator/…`, on each listener and unsigned: faults, the clock, what was asked and temporary
//! credentials, for tests that are not in Rust.

use std::time::Duration;

use aliyun_wire::time;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{
    credentials::Credentials,
    fault::Rule,
    http::{Request, Response},
    world::World,
};

const PREFIX: &str = "/_emulator/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    #[serde(default)]
    advance_ms: u64,
    skew_ms: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issue {
    valid_s: u64,
}

/// A rule, all of whose fields are known: one that is misspelt would not do what is meant.
fn rule(body: &[u8]) -> Result<Rule, String> {
    let sent: Json = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let rule = Rule::deserialize(&sent).map_err(|error| error.to_string())?;
    let known = json!(rule);
    let fields =
        |json: &Json| json.as_object().into_iter().flat_map(|fields| fields.keys().cloned()).collect();
    let (sent, known): (Vec<String>, Vec<String>) = (fields(&sent), fields(&known));
    match sent.iter().find(|field| !known.contains(field)) {
        Some(field) => Err(format!("there is no {field} in this rule; there are {}", known.join(", "))),
        None => Ok(rule),
    }
}

fn clock(world: &World) -> Json {
    json!({ "now_ms": world.clock.now(), "date_ms": world.clock.date() })
}

/// The answer, where the request is for the emulator itself.
pub(crate) fn answer(world: &World, request: &Request) -> Option<Response> {
    let path = request.path.strip_prefix(PREFIX)?;
    let done = match (request.method.as_str(), path) {
        ("GET", "faults") => Ok(json!(world.faults.rules())),
        ("POST", "faults") => {
            rule(&request.body).and_then(|rule| world.faults.add(rule, world.clock.now())).map(|()| json!({}))
        }
        ("DELETE", "faults") => {
            world.faults.clear();
            Ok(json!({}))
        }
        ("GET", "requests") => Ok(json!(world.requests())),
        ("DELETE", "requests") => {
            world.forget_requests();
            Ok(json!({}))
        }
        ("GET", "clock") => Ok(clock(world)),
        ("POST", "clock") => {
            serde_json::from_slice::<Set>(&request.body).map_err(|error| error.to_string()).map(|set| {
                world.clock.advance(Duration::from_millis(set.advance_ms));
                set.skew_ms.into_iter().for_each(|ms| world.clock.skew(ms));
                clock(world)
            })
        }
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
