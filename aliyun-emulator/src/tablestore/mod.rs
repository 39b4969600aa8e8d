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
use prost::Message as _;

use crate::{
    admin,
    clock::Clock,
    credentials::Denied,
    fault::Service,
    http::{Answers, Refusal, Request, Response},
    world::{World, request_id},
};

/// The longest body of a request.
const MAX_REQUEST: usize = 5 * 1024 * 1024;
const OPERATIONS: [&str; 14] = [
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
        if sent.abs_diff(Clock::of_day()) > time::SKEW_MS {
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
    async fn answer(self: Arc<Self>, request: Request) -> Option<Response> {
        if let Some(response) = admin::answer(&self.world, &request) {
            return Some(response);
        }
        let operation = request.path.trim_start_matches('/').to_owned();
        if request.method != "POST" {
            let refusal =
                Refusal::new(405, "OTSMethodNotAllowed", "Only POST method for requests is supported.");
            return Some(unsigned(&refusal));
        }
        if !OPERATIONS.contains(&operation.as_str()) {
            let message = format!("Unsupported operation: '{operation}'.");
            return Some(unsigned(&Refusal::new(404, "OTSUnsupportOperation", message)));
        }
        let (key, signing) = match self.check(&operation, &request) {
            Ok(checked) => checked,
            Err(refusal) => return Some(unsigned(&refusal)),
        };
        let instance = request.header("x-ots-instancename").unwrap_or_default();
        let target = dispatch::target(&operation, &request.body);
        let answer = |done: Result<Vec<u8>, Refusal>| {
            let (status, body) = match done {
                Ok(body) => (200, body),
                Err(refusal) => (refusal.status, error_body(&refusal)),
            };
            signed(status, body, &operation, &key, &signing)
        };
        self.world
            .with_faults(Service::Tablestore, &operation, &target, |refusal| answer(Err(refusal)), async {
                answer(self.tables.apply(instance, &operation, &request.body, self.world.clock.now()))
            })
            .await
    }
}

fn signed(status: u16, body: Vec<u8>, operation: &str, key: &AccessKey, signing: &Signing) -> Response {
    let headers = headers(&body);
    let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let authorization = signing.authorization(&key.id, operation, &pairs);
    Response { status, headers, body: body.into() }.header("authorization", authorization)
}

fn unsigned(refusal: &Refusal) -> Response {
    let body = error_body(refusal);
    Response { status: refusal.status, headers: headers(&body), body: body.into() }
}

fn headers(body: &[u8]) -> Vec<(String, String)> {
    let now = time::milliseconds(Clock::of_day());
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
