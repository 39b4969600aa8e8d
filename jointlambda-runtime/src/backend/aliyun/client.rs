//! The one HTTP client of all services, and what requests are signed with.

use std::{
    env,
    error::Error as _,
    fmt, io,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use aliyun_wire::AccessKey;
use reqwest::{Method, StatusCode};

use crate::{
    backend::{
        Timestamp,
        patience::{CONNECT, IDLE},
    },
    deployment::{CloudSettings, SettingsError},
    error::chain,
};

/// The longest answer, in bytes: the services give rows in parts of 4 MB, and a row is no larger than its
/// fan-in of a level.
pub(super) const ANSWER: usize = 64 * 1024 * 1024;
/// The longest answer with an object, in bytes: the largest that one request can put.
pub(super) const OBJECT_ANSWER: usize = 5 * 1024 * 1024 * 1024;

/// Where the services are.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// TableStore, such as `https://INSTANCE.REGION.ots.aliyuncs.com`.
    pub tablestore: String,
    /// OSS, such as `https://oss-REGION.aliyuncs.com`: the bucket goes before the host.
    pub oss: String,
    /// Function Compute, such as `https://ACCOUNT.REGION.fc.aliyuncs.com`.
    pub function_compute: String,
}

impl Endpoints {
    /// Alibaba's own for the region, unless `ALIBABA_CLOUD_TABLESTORE_ENDPOINT`,
    /// `ALIBABA_CLOUD_OSS_ENDPOINT` and `ALIBABA_CLOUD_FC_ENDPOINT` say otherwise. Functions are invoked
    /// at the account's own endpoint where `FC_ACCOUNT_ID` or `ALIBABA_CLOUD_ACCOUNT_ID` names it.
    pub fn of_environment(settings: &CloudSettings) -> Self {
        Endpoints::of(settings, variable)
    }

    fn of(settings: &CloudSettings, get: impl Fn(&str) -> Option<String>) -> Self {
        let region = &settings.region;
        let instance = settings.table.split('/').next().unwrap_or_default();
        let account = get("FC_ACCOUNT_ID").or_else(|| get("ALIBABA_CLOUD_ACCOUNT_ID"));
        Endpoints {
            tablestore: get("ALIBABA_CLOUD_TABLESTORE_ENDPOINT")
                .unwrap_or_else(|| format!("https://{instance}.{region}.ots.aliyuncs.com")),
            oss: get("ALIBABA_CLOUD_OSS_ENDPOINT")
                .unwrap_or_else(|| format!("https://oss-{region}.aliyuncs.com")),
            function_compute: get("ALIBABA_CLOUD_FC_ENDPOINT").unwrap_or_else(|| match account {
                Some(account) => format!("https://{account}.{region}.fc.aliyuncs.com"),
                None => format!("https://fcv3.{region}.aliyuncs.com"),
            }),
        }
    }
}

/// What requests are made with.
pub(super) struct Client {
    pub(super) region: String,
    pub(super) key: Key,
    pub(super) endpoints: Endpoints,
    http: OnceLock<reqwest::Client>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("region", &self.region).finish_non_exhaustive()
    }
}

/// A request that is signed.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    pub(super) timeout: Duration,
    /// The longest answer that is read.
    pub(super) longest: usize,
}

/// An answer, whatever it says.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: Vec<(String, String)>,
    pub(super) body: bytes::Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// All headers, as they are verified.
    pub(super) fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// Nothing was sent.
    Unreachable(String),
    /// It may have been received.
    Lost(String),
}

impl Client {
    pub(super) fn new(settings: &CloudSettings, key: Key, endpoints: Endpoints) -> Self {
        Client { region: settings.region.clone(), key, endpoints, http: OnceLock::new() }
    }

    pub(super) async fn send(&self, request: Request) -> Result<Answer, NoAnswer> {
        let mut building = self.http().request(request.method, request.url).timeout(request.timeout);
        for (name, value) in request.headers {
            building = building.header(name, value);
        }
        let mut response = building.body(request.body).send().await.map_err(|error| no_answer(&error))?;
        let status = response.status();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
        let headers = headers.collect();
        let body = whole(&mut response, request.longest).await?;
        Ok(Answer { status, headers, body })
    }

    fn http(&self) -> &reqwest::Client {
        self.http.get_or_init(|| {
            let built = reqwest::Client::builder()
                .connect_timeout(CONNECT)
                .pool_idle_timeout(IDLE)
                .tcp_nodelay(true)
                .build();
            built.expect("a client without files can be built")
        })
    }
}

/// The body of an answer that is no longer than it may be. What comes to nothing here may have been done.
async fn whole(response: &mut reqwest::Response, longest: usize) -> Result<bytes::Bytes, NoAnswer> {
    let lost = |error: reqwest::Error| NoAnswer::Lost(chain(&error));
    let too_long = || NoAnswer::Lost(format!("an answer is longer than {longest} bytes"));
    if response.content_length().is_some_and(|length| length > longest as u64) {
        return Err(too_long());
    }
    let Some(first) = response.chunk().await.map_err(lost)? else { return Ok(bytes::Bytes::new()) };
    let Some(second) = response.chunk().await.map_err(lost)? else { return Ok(first) };
    let length = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut body = Vec::with_capacity(length.max(first.len() + second.len()));
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    while let Some(part) = response.chunk().await.map_err(lost)? {
        if body.len() + part.len() > longest {
            return Err(too_long());
        }
        body.extend_from_slice(&part);
    }
    Ok(body.into())
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    let why = chain(error);
    let mut next = error.source();
    while let Some(cause) = next {
        if cause
            .downcast_ref::<io::Error>()
            .is_some_and(|cause| cause.kind() == io::ErrorKind::ConnectionRefused)
        {
            return NoAnswer::Unreachable(why);
        }
        next = cause.source();
    }
    if error.is_connect() { NoAnswer::Unreachable(why) } else { NoAnswer::Lost(why) }
}

/// The host of a URL, with its port if there is one.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

pub(super) fn now() -> Timestamp {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// What requests are signed with.
#[derive(Clone)]
pub(super) enum Key {
    /// Always this.
    Given(Arc<AccessKey>),
    /// What the environment says, until a function is told another: see [`renew`].
    Ambient(Arc<AccessKey>),
}

/// What a function was told last.
static RENEWED: RwLock<Option<Arc<AccessKey>>> = RwLock::new(None);

impl Key {
    pub(super) fn get(&self) -> Arc<AccessKey> {
        match self {
            Key::Given(key) => key.clone(),
            Key::Ambient(key) => {
                let renewed = RENEWED.read().unwrap_or_else(PoisonError::into_inner);
                renewed.clone().unwrap_or_else(|| key.clone())
            }
        }
    }
}

/// Whether this process is a function, whose events bring credentials.
static IN_FUNCTION: AtomicBool = AtomicBool::new(false);

/// From now on the environment need not have credentials: events bring them.
pub(super) fn come_with_events() {
    IN_FUNCTION.store(true, Ordering::Relaxed);
}

/// Whether there are no credentials: the environment has none, and no event has brought any.
pub(super) fn are_missing() -> bool {
    variable(ID).is_none() && RENEWED.read().unwrap_or_else(PoisonError::into_inner).is_none()
}

/// Has all requests of this process that go by its environment signed with `key` from now on.
pub(super) fn renew(key: AccessKey) {
    let known = RENEWED.read().unwrap_or_else(PoisonError::into_inner);
    if known.as_deref() != Some(&key) {
        drop(known);
        *RENEWED.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(key));
    }
}

const ID: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
const SECRET: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The credentials of the environment: those that Function Compute gives a function, or the SDKs'.
pub(super) fn access_key(cloud: &str) -> Result<AccessKey, SettingsError> {
    match (variable(ID), variable(SECRET)) {
        (Some(id), Some(secret)) => {
            let key = AccessKey::new(id, secret);
            Ok(match variable("ALIBABA_CLOUD_SECURITY_TOKEN") {
                Some(token) => key.with_token(token),
                None => key,
            })
        }
        // Nothing is signed with it: whoever handles an event looks first.
        (None, _) if IN_FUNCTION.load(Ordering::Relaxed) => Ok(AccessKey::new("", "")),
        (id, _) => Err(SettingsError::NoCredentials {
            cloud: cloud.to_owned(),
            missing: if id.is_none() { ID } else { SECRET },
            hint: "use the access key of a RAM user or role, with ALIBABA_CLOUD_SECURITY_TOKEN if it has one",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Provider;

    #[test]
    fn services_are_where_alibaba_cloud_has_them_unless_the_environment_says_otherwise() {
        let settings = CloudSettings {
            name: "ALI".to_owned(),
            provider: Provider::Aliyun,
            region: "cn-hongkong".to_owned(),
            table: "instance/rows".to_owned(),
            bucket: "objects".to_owned(),
            endpoint: None,
            qualifier: None,
        };
        let of = |variables: &[(&str, &str)]| {
            let get = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let Endpoints { tablestore, oss, function_compute } = Endpoints::of(&settings, get);
            [tablestore, oss, function_compute]
        };
        let [tablestore, oss, functions] = of(&[]);
        assert_eq!(tablestore, "https://instance.cn-hongkong.ots.aliyuncs.com");
        assert_eq!(oss, "https://oss-cn-hongkong.aliyuncs.com");
        assert_eq!(functions, "https://fcv3.cn-hongkong.aliyuncs.com");
        for account in ["FC_ACCOUNT_ID", "ALIBABA_CLOUD_ACCOUNT_ID"] {
            assert_eq!(of(&[(account, "123")])[2], "https://123.cn-hongkong.fc.aliyuncs.com");
        }
        let given = of(&[
            ("FC_ACCOUNT_ID", "123"),
            ("ALIBABA_CLOUD_TABLESTORE_ENDPOINT", "http://a"),
            ("ALIBABA_CLOUD_OSS_ENDPOINT", "http://b"),
            ("ALIBABA_CLOUD_FC_ENDPOINT", "http://c"),
        ]);
        assert_eq!(given, ["http://a", "http://b", "http://c"]);
    }

    #[test]
    fn what_a_function_is_told_last_signs_what_goes_by_the_environment() {
        let of_environment = Key::Ambient(Arc::new(AccessKey::new("environment", "old")));
        let given = Key::Given(Arc::new(AccessKey::new("given", "for good")));
        assert_eq!(of_environment.get().id, "environment");
        for number in ["first", "second", "second"] {
            let told = AccessKey::new(number, "secret").with_token(number);
            renew(told.clone());
            assert_eq!((&*of_environment.get(), &*of_environment.clone().get()), (&told, &told));
            assert_eq!(given.get().id, "given");
        }
        let before = of_environment.get();
        renew((*before).clone());
        assert!(Arc::ptr_eq(&before, &of_environment.get()), "the same is not stored again");
        // The token alone makes a difference.
        renew(AccessKey::new("second", "secret").with_token("third"));
        assert_eq!(of_environment.get().token.as_deref(), Some("third"));
    }
}
