//! Function Compute 3.0: whose request it is, and what it asks for. Functions run in [`pool`].

mod control;
mod function;
mod instance;
mod invoke;
mod package;
mod pool;
mod queue;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aliyun_wire::{acs3, digest, text, time};
use serde_json::json;

use self::function::Function;
use crate::{
    admin,
    clock::{Clock, Timestamp},
    credentials::Denied,
    fault::Service,
    http::{Answers, Refusal, Request, Response},
    oss::Oss,
    world::{World, request_id},
};

const VERSION: &str = "2023-03-30";
/// How many nonces are remembered; each for as long as a date is taken.
const MAX_NONCES: usize = 1_000_000;

/// Functions by their names, of the one account that there is.
pub(crate) struct FunctionCompute {
    world: Arc<World>,
    oss: Arc<Oss>,
    /// Where code and output are kept.
    folder: PathBuf,
    functions: Mutex<BTreeMap<String, Arc<Function>>>,
    nonces: Mutex<HashMap<String, Timestamp>>,
    queue: queue::Queue,
}

impl FunctionCompute {
    pub(crate) fn new(world: Arc<World>, oss: Arc<Oss>, folder: PathBuf) -> Arc<Self> {
        Arc::new(FunctionCompute {
            world,
            oss,
            folder,
            functions: Mutex::default(),
            nonces: Mutex::default(),
            queue: queue::Queue::default(),
        })
    }

    /// Ends every process, and takes the functions away, so that no event starts another.
    pub(crate) fn shut_down(&self) {
        for function in std::mem::take(&mut *lock(&self.functions)).values() {
            function.pool.retire();
            function.pool.clear();
        }
    }

    /// Ends instances that have been idle for too long, for as long as the task runs.
    pub(crate) async fn reap(self: Arc<Self>) {
        const LOOK_MS: u64 = 1000;
        loop {
            self.world.clock.sleep(LOOK_MS).await;
            let before = self.world.clock.now().saturating_sub(self.world.options.idle_ms);
            let functions: Vec<_> = lock(&self.functions).values().cloned().collect();
            for function in functions {
                function.pool.reap(&self.world, &function.config, before).await;
            }
        }
    }

    fn function(&self, name: &str) -> Result<Arc<Function>, Refusal> {
        lock(&self.functions)
            .get(name)
            .cloned()
            .ok_or_else(|| Refusal::new(404, "FunctionNotFound", format!("function '{name}' does not exist")))
    }

    fn arn(&self, function: &str) -> String {
        let options = &self.world.options;
        format!("acs:fc:{}:{}:functions/{function}", options.region, options.account_id)
    }

    fn check(&self, request: &Request) -> Result<(), Refusal> {
        let headers = request.headers();
        let header = |name: &str| {
            text::header(&headers, name).ok_or_else(|| {
                Refusal::new(
                    400,
                    "MissingRequiredHeader",
                    format!("required HTTP header {name} was not specified"),
                )
            })
        };
        let invalid = |message: String| Refusal::new(400, "InvalidArgument", message);
        let authorization = acs3::Authorization::parse(header("authorization")?)
            .map_err(|error| Refusal::new(403, "SignatureNotMatch", error.to_string()))?;
        let key = self
            .world
            .access_key(&authorization.access_key_id, text::header(&headers, "x-acs-security-token"))
            .map_err(|why| {
                let (code, message) = match why {
                    Denied::Unknown => ("InvalidAccessKeyID", "the access key does not exist"),
                    Denied::NoToken => {
                        ("MissingSecurityToken", "the security token of the access key is missing")
                    }
                    Denied::OtherToken | Denied::NotTemporary => {
                        ("InvalidSecurityToken", "the security token is not the access key's")
                    }
                    Denied::Expired => ("InvalidSecurityToken.Expired", "the security token has expired"),
                };
                Refusal::new(403, code, message)
            })?;
        let (date, nonce) = (header("x-acs-date")?, header("x-acs-signature-nonce")?);
        if header("x-acs-version")? != VERSION {
            return Err(invalid(format!("x-acs-version must be {VERSION}")));
        }
        header("x-acs-action")?;
        let body_sha256 = digest::sha256_hex(&request.body);
        if header("x-acs-content-sha256")? != body_sha256 {
            return Err(Refusal::new(
                403,
                "SignatureNotMatch",
                "x-acs-content-sha256 is not the digest of the body",
            ));
        }
        let decoded = |error: aliyun_wire::WireError| invalid(error.to_string());
        let query: Vec<_> = request
            .query()
            .map_err(decoded)?
            .into_iter()
            .map(|(name, value)| (name, value.unwrap_or_default()))
            .collect();
        let signed = acs3::Request {
            method: &request.method,
            path: &text::percent_decode(&request.path).map_err(decoded)?,
            query: &query,
            headers: &headers,
            body_sha256: &body_sha256,
        };
        signed
            .verify(&key, &authorization)
            .map_err(|error| Refusal::new(403, "SignatureNotMatch", error.to_string()))?;
        let now = Clock::of_day();
        let sent = time::parse(date).ok_or_else(|| invalid(format!("invalid x-acs-date '{date}'")))?;
        if sent.abs_diff(now) > time::SKEW_MS {
            return Err(Refusal::new(
                403,
                "AccessDenied",
                format!("x-acs-date '{date}' is too far from the time of day"),
            ));
        }
        let mut nonces = lock(&self.nonces);
        nonces.retain(|_, seen| now.saturating_sub(*seen) <= 2 * time::SKEW_MS);
        if nonces.len() >= MAX_NONCES {
            return Err(Refusal::new(429, "ResourceThrottled", "too many requests"));
        }
        if nonces.insert(nonce.to_owned(), now).is_some() {
            return Err(Refusal::new(403, "AccessDenied", "x-acs-signature-nonce was used already"));
        }
        Ok(())
    }
}

impl Answers for FunctionCompute {
    async fn answer(self: Arc<Self>, request: Request) -> Option<Response> {
        if let Some(response) = admin::answer(&self.world, &request) {
            return Some(response);
        }
        let id = request_id();
        let refuse = |refusal: Refusal| {
            let body = json!({ "RequestId": id, "Code": refusal.code, "Message": refusal.message });
            Response::new(refusal.status, body.to_string())
                .header("content-type", "application/json")
                .header("x-fc-request-id", id.clone())
        };
        if let Err(refusal) = self.check(&request) {
            return Some(refuse(refusal));
        }
        let path = text::percent_decode(&request.path).unwrap_or_default();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let [VERSION, "functions", parts @ ..] = &parts[..] else {
            return Some(refuse(unsupported(&request)));
        };
        let operation = control::operation(&request.method, parts);
        let target = parts.first().copied().unwrap_or_default();
        self.world
            .with_faults(Service::FunctionCompute, operation, target, refuse, async {
                let done = match operation {
                    "InvokeFunction" => self.invoke(target, &request, &id).await,
                    _ => self.control(operation, parts, &request).await,
                };
                match done {
                    Ok(response) => response.header("x-fc-request-id", id.clone()),
                    Err(refusal) => refuse(refusal),
                }
            })
            .await
    }
}

fn unsupported(request: &Request) -> Refusal {
    let message = format!("'{}' against '{}' is not supported", request.method, request.path);
    Refusal::new(400, "PathNotSupported", message)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
