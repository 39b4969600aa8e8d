//! OSS: whose request it is and for which bucket and object; then what buckets do.

mod bucket;
mod list;
mod xml;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use aliyun_wire::{digest, oss, text, time};

use bytes::Bytes;

use self::bucket::Bucket;
use crate::{
    admin,
    clock::Clock,
    credentials::Denied,
    fault::Service,
    http::{Answers, Refusal, Request, Response},
    world::{World, request_id},
};

const MAX_BUCKETS: usize = 100;

/// Buckets by their names, of the one account that there is.
pub(crate) struct Oss {
    world: Arc<World>,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

/// A request, and what it is for.
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    pub(crate) bucket: Option<String>,
    /// Empty where the bucket itself is meant.
    pub(crate) key: String,
    pub(crate) query: Vec<(String, Option<String>)>,
}

impl Call<'_> {
    pub(crate) fn asks(&self, name: &str) -> bool {
        self.query.iter().any(|(has, _)| has == name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(has, _)| has == name).and_then(|(_, value)| value.as_deref())
    }

    /// What it is called in OSS's documentation.
    fn operation(&self) -> &'static str {
        let asks = |name| self.asks(name);
        match (self.request.method.as_str(), self.bucket.is_some(), self.key.is_empty()) {
            ("PUT", true, true) if asks("versioning") => "PutBucketVersioning",
            ("GET", true, true) if asks("versioning") => "GetBucketVersioning",
            ("PUT", true, true) if self.query.is_empty() => "PutBucket",
            ("DELETE", true, true) if self.query.is_empty() => "DeleteBucket",
            ("GET", true, true) if self.value("list-type") == Some("2") => "ListObjectsV2",
            ("POST", true, true) if asks("delete") => "DeleteMultipleObjects",
            ("PUT", true, false) if self.query.is_empty() => "PutObject",
            ("GET", true, false) => "GetObject",
            ("HEAD", true, false) => "HeadObject",
            ("DELETE", true, false) => "DeleteObject",
            _ => "",
        }
    }
}

impl Oss {
    pub(crate) fn new(world: Arc<World>) -> Arc<Self> {
        Arc::new(Oss { world, buckets: Mutex::default() })
    }

    /// The bytes of an object, for a function whose package it is.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        Some(buckets.get(bucket)?.objects.get(key)?.body.clone())
    }

    fn check(&self, call: &Call<'_>) -> Result<(), Refusal> {
        let denied = |code: &str, message: &str| Refusal::new(403, code, message);
        let request = call.request;
        let authorization = request
            .header("authorization")
            .ok_or_else(|| denied("AccessDenied", "The request is not signed in its headers."))?;
        let headers = request.headers();
        let signed = oss::Request {
            method: &request.method,
            bucket: call.bucket.as_deref(),
            key: &call.key,
            query: &call.query,
            headers: &headers,
        };
        let known = |id: &str| {
            self.world.access_key(id, request.header("x-oss-security-token")).map_err(|why| match why {
                // A token makes OSS look among the temporary keys, none among the others.
                Denied::Unknown | Denied::NoToken | Denied::NotTemporary => denied(
                    "InvalidAccessKeyId",
                    "The OSS Access Key Id you provided does not exist in our records.",
                ),
                Denied::OtherToken => {
                    denied("InvalidSecurityToken", "The security token you provided is invalid.")
                }
                Denied::Expired => {
                    denied("SecurityTokenExpired", "The security token you provided has expired.")
                }
            })
        };
        let mismatch = "The request signature we calculated does not match the signature you provided. \
                        Check your key and signing method.";
        let sent = if authorization.starts_with("OSS ") {
            if !self.world.options.oss_v1 {
                return Err(Refusal::new(
                    400,
                    "InvalidArgument",
                    "Signature version 1 is not supported for this account; use OSS4-HMAC-SHA256.",
                ));
            }
            let id = oss::v1::access_key_id(authorization)
                .ok_or_else(|| Refusal::new(400, "InvalidArgument", "Authorization header is invalid."))?;
            let key = known(id)?;
            oss::v1::verify(&signed, &key, authorization)
                .map_err(|_| denied("SignatureDoesNotMatch", mismatch))?;
            let date = request.header("x-oss-date").or(request.header("date")).unwrap_or_default();
            time::parse_http(date)
        } else {
            let parsed = oss::Authorization::parse(authorization)
                .map_err(|error| Refusal::new(400, "InvalidArgument", error.to_string()))?;
            let key = known(&parsed.access_key_id)?;
            if request.header("x-oss-content-sha256") != Some(oss::UNSIGNED) {
                return Err(Refusal::new(
                    400,
                    "InvalidArgument",
                    "x-oss-content-sha256 must be UNSIGNED-PAYLOAD.",
                ));
            }
            if parsed.region != self.world.options.region {
                let message = format!("Invalid signing region in Authorization header: {}.", parsed.region);
                return Err(Refusal::new(400, "InvalidArgument", message));
            }
            signed.verify(&key, &parsed).map_err(|_| denied("SignatureDoesNotMatch", mismatch))?;
            time::parse(request.header("x-oss-date").unwrap_or_default())
        };
        let sent = sent.ok_or_else(|| denied("AccessDenied", "The request has no valid date."))?;
        if sent.abs_diff(Clock::of_day()) > time::SKEW_MS {
            let message = "The difference between the request time and the current time is too large.";
            return Err(denied("RequestTimeTooSkewed", message));
        }
        if request.header("content-md5").is_some_and(|sent| sent != digest::md5_base64(&request.body)) {
            return Err(Refusal::new(400, "InvalidDigest", "The Content-MD5 you specified was invalid."));
        }
        Ok(())
    }

    fn apply(&self, call: &Call<'_>) -> Result<Response, Refusal> {
        let now = self.world.clock.now();
        let name = call.bucket.as_deref().unwrap_or_default();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let operation = call.operation();
        if operation == "PutBucket" {
            bucket::valid_name(name)?;
            if !buckets.contains_key(name) && buckets.len() >= MAX_BUCKETS {
                return Err(Refusal::new(
                    400,
                    "TooManyBuckets",
                    "You have attempted to create more buckets than allowed.",
                ));
            }
            buckets.entry(name.to_owned()).or_default();
            return Ok(Response::new(200, ""));
        }
        let Some(bucket) = buckets.get_mut(name) else {
            return Err(Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist."));
        };
        match operation {
            "DeleteBucket" if !bucket.is_empty() => {
                Err(Refusal::new(409, "BucketNotEmpty", "The bucket you tried to delete is not empty."))
            }
            "DeleteBucket" => {
                buckets.remove(name);
                Ok(Response::new(204, ""))
            }
            "PutBucketVersioning" => bucket.put_versioning(&call.request.body),
            "GetBucketVersioning" => Ok(bucket.versioning()),
            "ListObjectsV2" => list::list(bucket, name, call),
            "DeleteMultipleObjects" => bucket.delete_many(call),
            "PutObject" => bucket.put(call, now),
            "GetObject" | "HeadObject" => bucket.get(call),
            "DeleteObject" => Ok(bucket.delete(&call.key)),
            _ => Err(Refusal::new(501, "NotImplemented", "The emulator does not have this operation.")),
        }
    }
}

impl Answers for Oss {
    async fn answer(self: Arc<Self>, request: Request) -> Option<Response> {
        if let Some(response) = admin::answer(&self.world, &request) {
            return Some(response);
        }
        let id = request_id().replace('-', "");
        let host = request.header("host").unwrap_or_default().to_owned();
        let refuse = |refusal: Refusal| {
            let response = Response::new(refusal.status, xml::error(&refusal, &id, &host));
            response.header("content-type", "application/xml").header("x-oss-request-id", id.clone())
        };
        let call = match call(&request) {
            Ok(call) => call,
            Err(refusal) => return Some(refuse(refusal)),
        };
        if let Err(refusal) = self.check(&call) {
            return Some(refuse(refusal));
        }
        let target = format!("{}/{}", call.bucket.as_deref().unwrap_or_default(), call.key);
        self.world
            .with_faults(Service::Oss, call.operation(), &target, refuse, async {
                match self.apply(&call) {
                    Ok(response) => response.header("x-oss-request-id", id.clone()),
                    Err(refusal) => refuse(refusal),
                }
            })
            .await
    }
}

/// Which bucket and object: of the host, or of the path where the host is an address.
fn call(request: &Request) -> Result<Call<'_>, Refusal> {
    let invalid = |error: aliyun_wire::WireError| Refusal::new(400, "InvalidArgument", error.to_string());
    let path = text::percent_decode(request.path.trim_start_matches('/')).map_err(invalid)?;
    let query = request.query().map_err(invalid)?;
    let host = request.header("host").unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let of_host = host
        .split_once(".oss-")
        .map(|(bucket, _)| bucket)
        .or_else(|| host.strip_suffix(".localhost"))
        .map(str::to_owned);
    let (bucket, key) = match of_host {
        Some(bucket) => (Some(bucket), path),
        None if path.is_empty() => (None, path),
        None => match path.split_once('/') {
            Some((bucket, key)) => (Some(bucket.to_owned()), key.to_owned()),
            None => (Some(path), String::new()),
        },
    };
    Ok(Call { request, bucket, key, query })
}
