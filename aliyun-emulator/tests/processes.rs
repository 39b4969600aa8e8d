//! Functions are processes of the emulator: they end when it does, and no event starts another.

use std::{
    io::{Cursor, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use aliyun_emulator::{
    Emulator, Options,
    fault::{Action, Rule, Service},
};
use aliyun_wire::{AccessKey, acs3, digest, time};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};
use zip::{ZipWriter, write::SimpleFileOptions};

/// A signed request, as it is sent.
fn request(address: &str, action: &str, path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let date = time::seconds(aliyun_emulator::clock::Clock::of_day());
    let nonce = format!("{:016x}", fastrand::u64(..));
    let body_sha256 = digest::sha256_hex(body);
    let headers = [
        ("host", address),
        ("x-acs-action", action),
        ("x-acs-content-sha256", &body_sha256),
        ("x-acs-date", &date),
        ("x-acs-signature-nonce", &nonce),
        ("x-acs-version", "2023-03-30"),
    ];
    let request =
        acs3::Request { method: "POST", path, query: &[], headers: &headers, body_sha256: &body_sha256 };
    let authorization = request.authorize(&AccessKey::new("testAccessKeyId", "testAccessKeySecret"));
    let mut text = format!("POST {path} HTTP/1.1\r\nauthorization: {authorization}\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("x-fc-invocation-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len()));
    [text.as_bytes(), body].concat()
}

/// Sends a signed request; the status and the body of the answer.
fn send(address: &str, action: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&request(address, action, path, kind, body)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn package() -> String {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    zip.write_all(include_bytes!("sdk/bootstrap.py")).unwrap();
    STANDARD.encode(zip.finish().unwrap().into_inner())
}

fn runs(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_end_with_the_emulator() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let path = log.path().to_owned();
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let address = emulator.function_compute().to_string();
    let tried = tokio::task::spawn_blocking(move || {
        let function = json!({
            "functionName": "worker", "runtime": "custom.debian12", "handler": "none", "timeout": 30,
            "environmentVariables": { "LOG": path }, "code": { "zipFile": package() },
        });
        let created = send(
            &address,
            "CreateFunction",
            "/2023-03-30/functions",
            "Sync",
            function.to_string().as_bytes(),
        );
        assert_eq!(created.0, 200, "{}", created.1);
        let invoke = |kind, event: &[u8]| {
            send(&address, "InvokeFunction", "/2023-03-30/functions/worker/invocations", kind, event)
        };
        let (status, body) = invoke("Sync", b"{}");
        assert_eq!(status, 200, "{body}");
        // An event that fails is retried for as long as there is an emulator.
        assert_eq!(invoke("Async", br#"{"do": "crash"}"#).0, 202);
        let (_, again) = invoke("Sync", b"{}");
        [body, again].map(|body| serde_json::from_str::<Json>(&body).unwrap()["pid"].as_u64().unwrap())
    });
    let pids = tried.await.unwrap();
    assert!(pids.into_iter().any(runs));
    drop(emulator);
    for _ in 0..1000 {
        if !pids.into_iter().any(runs) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!pids.into_iter().any(runs), "a function outlives the emulator");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_until_they_are_forgotten() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let address = emulator.function_compute().to_string();
    let asked = tokio::task::spawn_blocking(move || {
        let path = "/2023-03-30/functions/nobody/invocations";
        [
            send(&address, "InvokeFunction", path, "Sync", b"").0,
            send(&address, "InvokeFunction", path, "Async", b"").0,
        ]
    });
    assert_eq!(asked.await.unwrap(), [404, 404]);
    let requests = emulator.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[&Service::FunctionCompute]["InvokeFunction"], 2);
    emulator.forget_requests();
    assert!(emulator.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_up_is_done_also_when_nobody_waits_for_the_answer() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let rule = Rule::new(Service::FunctionCompute, Action::Delay { ms: 200 }).times(1);
    emulator.fault(rule).unwrap();
    let address = emulator.function_compute().to_string();
    let tried = tokio::task::spawn_blocking(move || {
        let function = json!({
            "functionName": "worker", "runtime": "custom.debian12", "handler": "none",
            "environmentVariables": { "LOG": "/dev/null" }, "code": { "zipFile": package() },
        });
        let path = "/2023-03-30/functions";
        let request = request(&address, "CreateFunction", path, "Sync", function.to_string().as_bytes());
        TcpStream::connect(&address).unwrap().write_all(&request).unwrap();
        let invoke = format!("{path}/worker/invocations");
        (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            send(&address, "InvokeFunction", &invoke, "Sync", b"{}").0 == 200
        })
    });
    assert!(tried.await.unwrap(), "the function was not made");
}
