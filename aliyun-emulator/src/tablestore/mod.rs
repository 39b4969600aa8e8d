//! TableStore: checks of requests, and signed answers. What tables do is in the modules below.

mod condition;
mod dispatch;
mod read;
mod schema;
mod table;
mod write;

use std::sync::Arc;

use aliyun_wire::{
    AccessKey, digest,
    tablestore::{message, sign::Signing},
    text, time,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use prost::Message as _;

use crate::{
    admin,
    clock::Timestamp,
    credentials::Denied,
    fault::{Damage, Service},
    http::{Answers, Refusal, Request, Response, turned},
    world::{World, request_id},
};

/// The longest body of a request.
const MAX_REQUEST: usize = 5 * 1024 * 1024;
/// A row of a batch, which is no request of its own, but something that can go wrong.
pub(crate) const ROW_OF_BATCH: &str = "RowOfBatch";
pub(crate) const OPERATIONS: [&str; 15] = [
    "CreateTable",
    "DeleteTable",
    "ListTable",
    "DescribeTable",
    "UpdateTable",
    "PutRow",
    "GetRow",
    "UpdateRow",
    "DeleteRow",
    "BatchWriteRow",
    "BatchGetRow",
    "GetRange",
    "StartLocalTransaction",
    "CommitTransaction",
    ROW_OF_BATCH,
];

pub(crate) struct TableStore {
    world: Arc<World>,
    tables: dispatch::Tables,
}

impl TableStore {
    pub(crate) fn new(world: Arc<World>) -> Arc<Self> {
        Arc::new(TableStore { world, tables: dispatch::Tables::default() })
    }

    /// Who signed, and with what; then the instance.
    fn check(&self, operation: &str, request: &Request) -> Result<(AccessKey, Signing), Refusal> {
        let headers = request.headers();
        let header = |name: &str| {
            text::header(&headers, name)
                .ok_or_else(|| parameter_invalid(format!("The header {name} is missing.")))
        };
        let denied = |message: &str| Refusal::new(403, "OTSAuthFailed", message);
        let key = self
            .world
            .access_key(header("x-ots-accesskeyid")?, text::header(&headers, "x-ots-ststoken"))
            .map_err(|why| {
                denied(match why {
                    Denied::Unknown => "The AccessKeyID does not exist.",
                    Denied::NoToken => "The security token of the AccessKeyID is missing.",
                    Denied::OtherToken | Denied::NotTemporary => {
                        "The security token is not the one of the AccessKeyID."
                    }
                    Denied::Expired => "The security token has expired.",
                })
            })?;
        let signing = Signing::of(&headers, &key).map_err(|error| denied(&error.to_string()))?;
        if text::header(&headers, "x-ots-signregion")
            .is_some_and(|region| region != self.world.options.region)
        {
            return Err(denied("The region of the signature is not the region of the instance."));
        }
        signing.verify_request(operation, &headers).map_err(|_| denied("Signature mismatch."))?;
        let date = header("x-ots-date")?;
        let sent = time::parse(date).ok_or_else(|| parameter_invalid(format!("Invalid date: {date}.")))?;
        if sent.abs_diff(self.world.clock.date()) > time::SKEW_MS {
            return Err(denied(&format!("Mismatch between system time and x-ots-date: {date}.")));
        }
        if header("x-ots-apiversion")? != aliyun_wire::tablestore::sign::API_VERSION {
            return Err(parameter_invalid("Invalid API version."));
        }
        if request.body.len() > MAX_REQUEST {
            return Err(Refusal::new(413, "OTSRequestBodyTooLarge", "The size of POST data is too large."));
        }
        if header("x-ots-contentmd5")? != digest::md5_base64(&request.body) {
            return Err(parameter_invalid(
                "Mismatch between MD5 value of request body and x-ots-contentmd5 in header.",
            ));
        }
        let instance = header("x-ots-instancename")?;
        let valid = (3..=16).contains(&instance.len())
            && instance.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !valid {
            return Err(parameter_invalid(format!("Invalid instance name: '{instance}'.")));
        }
        Ok((key, signing))
    }
}

impl Answers for TableStore {
    fn date(&self) -> Timestamp {
        self.world.clock.date()
    }

    async fn answer(self: Arc<Self>, request: Request) -> Option<Response> {
        if let Some(response) = admin::answer(&self.world, &request) {
            return Some(response);
        }
        let operation = request.path.trim_start_matches('/').to_owned();
        if request.method != "POST" {
            let refusal =
                Refusal::new(405, "OTSMethodNotAllowed", "Only POST method for requests is supported.");
            return Some(unsigned(&self.world, &refusal));
        }
        if !OPERATIONS.contains(&operation.as_str()) || operation == ROW_OF_BATCH {
            let message = format!("Unsupported operation: '{operation}'.");
            return Some(unsigned(&self.world, &Refusal::new(404, "OTSUnsupportOperation", message)));
        }
        let (key, signing) = match self.check(&operation, &request) {
            Ok(checked) => checked,
            Err(refusal) => return Some(unsigned(&self.world, &refusal)),
        };
        let instance = request.header("x-ots-instancename").unwrap_or_default();
        let target = dispatch::target(&operation, &request.body);
        let answer = |done: Result<Vec<u8>, Refusal>| {
            let (status, body) = match done {
                Ok(body) => (200, body),
                Err(refusal) => (refusal.status, error_body(&refusal)),
            };
            let body = Bytes::from(body);
            sign(status, headers(&self.world, &body), body, &operation, &key, &signing)
        };
        // As often damaged as it is signed: what is damaged before it is signed is signed again.
        let damage = |response: Response, damage: &Damage| match damage {
            Damage::Signature => {
                response.with("authorization", format!("OTS {}:{}", key.id, STANDARD.encode([0; 20])))
            }
            Damage::Digest => {
                let mut headers = headers(&self.world, &response.body);
                headers[0].1 = digest::md5_base64(b"something else");
                sign(response.status, headers, response.body, &operation, &key, &signing)
            }
            Damage::Content { at } => {
                let body = turned(&response.body, at.unwrap_or(response.body.len().saturating_sub(1)));
                sign(response.status, headers(&self.world, &body), body, &operation, &key, &signing)
            }
            _ => response.damaged(damage),
        };
        let refuse = |refusal| answer(Err(refusal));
        self.world
            .with_faults(Service::Tablestore, &operation, &target, refuse, damage, async {
                let now = self.world.clock.now();
                let strike =
                    |table: &str| self.world.faults.strike(Service::Tablestore, ROW_OF_BATCH, table, now);
                let call = dispatch::Call { instance, now, strike: &strike };
                answer(self.tables.apply(&call, &operation, &request.body))
            })
            .await
    }
}

fn sign(
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    operation: &str,
    key: &AccessKey,
    signing: &Signing,
) -> Response {
    let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let authorization = signing.authorization(&key.id, operation, &pairs);
    Response { headers, ..Response::new(status, body) }.header("authorization", authorization)
}

fn unsigned(world: &World, refusal: &Refusal) -> Response {
    let body = error_body(refusal);
    Response { headers: headers(world, &body), ..Response::new(refusal.status, body) }
}

fn headers(world: &World, body: &[u8]) -> Vec<(String, String)> {
    let now = time::milliseconds(world.clock.date());
    [
        ("x-ots-contentmd5", digest::md5_base64(body)),
        ("x-ots-requestid", request_id().to_lowercase()),
        ("x-ots-date", now.replace('Z', "000Z")),
        ("x-ots-contenttype", "protocol buffer".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn error_body(refusal: &Refusal) -> Vec<u8> {
    message::Error { code: refusal.code.clone(), message: Some(refusal.message.clone()) }.encode_to_vec()
}

fn parameter_invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "OTSParameterInvalid", message)
}

fn table_missing() -> Refusal {
    Refusal::new(404, "OTSObjectNotExist", "Requested table does not exist.")
}
