//! Signed requests, one to a connection, and functions that do what their events say.

use std::{
    io::{self, Cursor, Write as _},
    path::Path,
    time::Duration,
};

use aliyun_emulator::{Emulator, clock::Clock};
use aliyun_wire::{
    AccessKey, acs3, digest, oss,
    tablestore::{
        message::Error,
        sign::{API_VERSION, Signing},
    },
    time,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::Message;
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// The role of the functions.
pub(crate) const ROLE: &str = "acs:ram::1234567890123456:role/worker";
const REGION: &str = "cn-hongkong";
const FUNCTIONS: &str = "/2023-03-30/functions";
/// How often [`until`] looks: for a minute at most.
const LOOKS: u32 = 3000;
const LOOK: Duration = Duration::from_millis(20);

/// A client of an emulator.
#[derive(Clone)]
pub(crate) struct Client {
    tablestore: String,
    oss: String,
    function_compute: String,
    key: AccessKey,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let first = head.lines().next()?;
        Some(Answer { status: first.split(' ').nth(1)?.parse().ok()?, body: bytes[end + 4..].to_vec() })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The status, and the code of a refusal of whichever service.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let text = self.text();
        let of_xml = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        let code = match (of_xml, serde_json::from_slice::<Json>(&self.body), Error::decode(&*self.body)) {
            (Some((code, _)), ..) => code.to_owned(),
            (_, Ok(said), _) => said["Code"].as_str().unwrap_or_default().to_owned(),
            (.., Ok(error)) => error.code,
            _ => String::new(),
        };
        (self.status, code)
    }
}

impl Client {
    pub(crate) fn new(emulator: &Emulator) -> Self {
        Client {
            tablestore: emulator.tablestore().to_string(),
            oss: emulator.oss().to_string(),
            function_compute: emulator.function_compute().to_string(),
            key: AccessKey::new("testAccessKeyId", "testAccessKeySecret"),
        }
    }

    /// The same with another key.
    pub(crate) fn with_key(&self, key: AccessKey) -> Self {
        Client { key, ..self.clone() }
    }

    /// A request of TableStore.
    pub(crate) async fn rows<M: Message>(&self, operation: &str, message: &M) -> io::Result<Answer> {
        let (body, now) = (message.encode_to_vec(), Clock::of_day());
        let mut headers = vec![
            ("x-ots-accesskeyid", self.key.id.clone()),
            ("x-ots-apiversion", API_VERSION.to_owned()),
            ("x-ots-contentmd5", digest::md5_base64(&body)),
            ("x-ots-date", time::milliseconds(now)),
            ("x-ots-instancename", "jlinst".to_owned()),
            ("x-ots-signdate", time::date(now)),
            ("x-ots-signregion", REGION.to_owned()),
        ];
        headers.extend(self.key.token.clone().map(|token| ("x-ots-ststoken", token)));
        let signing = Signing::v4(&self.key, &time::date(now), REGION);
        let signature = signing.request(operation, &borrowed(&headers));
        headers.push((signing.header(), signature));
        send(&self.tablestore, "POST", &format!("/{operation}"), &headers, &body).await
    }

    /// A request of OSS for an object, or the bucket where the key is empty.
    pub(crate) async fn object(
        &self,
        method: &str,
        bucket: &str,
        key: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut headers = vec![
            ("host", self.oss.clone()),
            ("x-oss-content-sha256", oss::UNSIGNED.to_owned()),
            ("x-oss-date", time::compact(Clock::of_day())),
        ];
        headers.extend(self.key.token.clone().map(|token| ("x-oss-security-token", token)));
        let signed = borrowed(&headers);
        let request = oss::Request { method, bucket: Some(bucket), key, query: &[], headers: &signed };
        let authorization = request.authorize(&self.key, REGION).map_err(io::Error::other)?;
        headers.push(("authorization", authorization));
        send(&self.oss, method, &format!("/{bucket}/{key}"), &headers, body).await
    }

    /// A request of Function Compute, for what is below `functions`.
    pub(crate) async fn functions(
        &self,
        method: &str,
        action: &str,
        below: &str,
        more: &[(&'static str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let (path, sha256) = (format!("{FUNCTIONS}{below}"), digest::sha256_hex(body));
        let mut headers = vec![
            ("host", self.function_compute.clone()),
            ("x-acs-action", action.to_owned()),
            ("x-acs-content-sha256", sha256.clone()),
            ("x-acs-date", time::seconds(Clock::of_day())),
            ("x-acs-signature-nonce", format!("{:032x}", fastrand::u128(..))),
            ("x-acs-version", "2023-03-30".to_owned()),
        ];
        headers.extend(self.key.token.clone().map(|token| ("x-acs-security-token", token)));
        headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let signed = borrowed(&headers);
        let request =
            acs3::Request { method, path: &path, query: &[], headers: &signed, body_sha256: &sha256 };
        let authorization = request.authorize(&self.key);
        headers.push(("authorization", authorization));
        send(&self.function_compute, method, &path, &headers, body).await
    }

    /// Creates a function that runs `sdk/bootstrap.py` and notes its events in `log`, with these settings
    /// besides.
    pub(crate) async fn create(&self, name: &str, log: &Path, settings: Json) -> io::Result<Answer> {
        let mut function = json!({
            "functionName": name, "runtime": "custom.debian12", "handler": "none", "timeout": 30,
            "role": ROLE, "environmentVariables": { "LOG": log }, "code": { "zipFile": package() },
        });
        for (name, value) in settings.as_object().expect("settings are an object") {
            function[name] = value.clone();
        }
        self.functions("POST", "CreateFunction", "", &[], function.to_string().as_bytes()).await
    }

    /// Invokes a function: `kind` is `Sync` or `Async`.
    pub(crate) async fn invoke(&self, name: &str, kind: &str, event: &Json) -> io::Result<Answer> {
        let more = [("x-fc-invocation-type", kind)];
        let event = event.to_string();
        self.functions("POST", "InvokeFunction", &format!("/{name}/invocations"), &more, event.as_bytes())
            .await
    }
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Sends a request; an error where there is no whole answer.
async fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&'static str, String)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "host") {
        head.push_str(&format!("host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&[head.as_bytes(), b"\r\n", body].concat()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Answer::parse(&answer).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn package() -> String {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    zip.write_all(include_bytes!("../sdk/bootstrap.py")).unwrap();
    STANDARD.encode(zip.finish().unwrap().into_inner())
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if holds() {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
    panic!("it did not come about that {what}");
}
