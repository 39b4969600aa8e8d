//! Functions are processes of the emulator: they end when it does, and no event starts another. Requests are
//! counted, and what is held up is done.

use std::{path::Path, time::Duration};

use aliyun_emulator::{
    Emulator, Options,
    fault::{Action, Rule, Service},
};
use serde_json::json;

use crate::client::{Client, until};

fn runs(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_end_with_the_emulator() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let client = Client::new(&emulator);
    let created = client.create("worker", log.path(), json!({})).await.unwrap();
    assert_eq!(created.status, 200, "{}", created.text());
    let one = client.invoke("worker", "Sync", &json!({})).await.unwrap();
    // An event that fails is retried for as long as there is an emulator.
    let accepted = client.invoke("worker", "Async", &json!({ "do": "crash" })).await.unwrap();
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    let other = client.invoke("worker", "Sync", &json!({})).await.unwrap();
    let pids = [one, other].map(|answer| answer.json()["pid"].as_u64().unwrap());
    assert!(pids.into_iter().any(runs));
    drop(emulator);
    until("no function outlives the emulator", || !pids.into_iter().any(runs)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_until_they_are_forgotten() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let client = Client::new(&emulator);
    for kind in ["Sync", "Async"] {
        let refusal = client.invoke("nobody", kind, &json!({})).await.unwrap().refusal();
        assert_eq!(refusal, (404, "FunctionNotFound".to_owned()));
    }
    let requests = emulator.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[&Service::FunctionCompute]["InvokeFunction"], 2);
    emulator.forget_requests();
    assert!(emulator.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_up_is_done_also_when_nobody_waits_for_the_answer() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let client = Client::new(&emulator);
    let rule = Rule::new(Service::FunctionCompute, Action::Delay { ms: 1000 }).times(1);
    emulator.fault(rule).unwrap();
    // The connection is closed before there is an answer.
    let asked = client.create("worker", Path::new("/dev/null"), json!({}));
    let _ = tokio::time::timeout(Duration::from_millis(100), asked).await;
    for _ in 0..200 {
        if client.invoke("worker", "Sync", &json!({})).await.unwrap().status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the function was not made");
}
