//! Instances: initialized, healthy or not, shared by several requests, stopped between them, told when they end.

use std::{path::Path, time::Duration};

use aliyun_emulator::{Emulator, Options};
use serde_json::{Value as Json, json};

use crate::client::{Answer, Client, endings, noted, until};

const MINUTE: Duration = Duration::from_secs(60);

async fn start(options: Options) -> (Emulator, Client, tempfile::NamedTempFile) {
    let emulator = Emulator::start(options).await.unwrap();
    let client = Client::new(&emulator);
    (emulator, client, tempfile::NamedTempFile::new().unwrap())
}

/// Settings of a function, and what is in its environment besides.
async fn create(client: &Client, name: &str, log: &Path, mut settings: Json, environment: &[(&str, &str)]) {
    settings["environmentVariables"] = json!({ "LOG": log });
    for (name, value) in environment {
        settings["environmentVariables"][name] = json!(value);
    }
    let created = client.create(name, log, settings).await.unwrap();
    assert_eq!(created.status, 200, "{}", created.text());
}

async fn invoke(client: &Client, name: &str, event: Json) -> Answer {
    client.invoke(name, "Sync", &event).await.unwrap()
}

fn pid(answer: &Answer) -> u64 {
    answer.json()["pid"].as_u64().unwrap_or_else(|| panic!("{}", answer.text()))
}

/// What the process does: `T` where it is stopped, nothing where it has ended.
fn state(pid: u64) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next().filter(|state| *state != 'Z')
}

fn asked(log: &Path, path: &str) -> Vec<Json> {
    noted(log).into_iter().filter(|note| note["path"] == path).collect()
}

fn initializer(timeout: u64) -> Json {
    json!({ "instanceLifecycleConfig": { "initializer": { "handler": "x", "timeout": timeout } } })
}

fn pre_stop(timeout: u64) -> Json {
    json!({ "instanceLifecycleConfig": { "preStop": { "handler": "x", "timeout": timeout } } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_initialized_before_its_first_request_where_it_wants_to_be() {
    let (_emulator, client, log) = start(Options::default()).await;
    create(&client, "asks", log.path(), initializer(10), &[]).await;
    create(&client, "does_not", log.path(), json!({}), &[]).await;
    let first = invoke(&client, "asks", json!({})).await;
    invoke(&client, "asks", json!({})).await;
    invoke(&client, "does_not", json!({})).await;
    let notes = noted(log.path());
    assert_eq!((&notes[0]["path"], notes.len()), (&json!("/initialize"), 4), "{notes:?}");
    assert_eq!((&notes[0]["control-path"], &notes[0]["pid"]), (&json!("/initialize"), &json!(pid(&first))));
    assert!(notes[0]["request-id"].is_string() && notes[0]["security-token"].is_string(), "{:?}", notes[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_cannot_be_initialized_gets_no_request() {
    let (emulator, client, log) = start(Options::default()).await;
    create(&client, "told", log.path(), json!({}), &[]).await;
    for (name, how, said) in
        [("fails", "fail", "failed with status 500: no"), ("slow", "60", "timed out after 1 seconds")]
    {
        create(&client, name, log.path(), initializer(1), &[("INITIALIZE", how)]).await;
        let answer = invoke(&client, name, json!({ "mark": name })).await;
        assert_eq!((answer.status, answer.header("x-fc-error-type")), (200, Some("InitializationError")));
        assert!(answer.text().contains(said), "{}", answer.text());
    }
    let pids: Vec<u64> =
        asked(log.path(), "/initialize").iter().map(|note| note["pid"].as_u64().unwrap()).collect();
    until("both have ended", || pids.iter().all(|pid| state(*pid).is_none())).await;
    // It is a failure of the function: it is retried, with another instance each time.
    client.configure("fails", json!({ "maxAsyncRetryAttempts": 1 })).await;
    client.submit("fails", "t", &json!({ "mark": "fails" })).await;
    until("it ends", || {
        emulator.clock().advance(Duration::from_secs(1));
        endings(log.path()).len() == 1
    })
    .await;
    assert_eq!(endings(log.path())[0]["responseContext"]["functionError"], "InitializationError");
    assert_eq!(asked(log.path(), "/initialize").len(), 4);
    assert!(noted(log.path()).iter().all(|note| note["event"].get("mark").is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_told_that_it_ends_and_ends_whatever_it_says() {
    let (emulator, client, log) = start(Options::default()).await;
    let mut told = 0;
    for (name, how) in [("well", "0"), ("fails", "fail"), ("slow", "60")] {
        for why in ["idle", "updated", "deleted"] {
            create(&client, name, log.path(), pre_stop(1), &[("PRE_STOP", how)]).await;
            let pid = pid(&invoke(&client, name, json!({})).await);
            let below = format!("/{name}");
            match why {
                "idle" => emulator.clock().advance(4 * MINUTE),
                "updated" => drop(
                    client
                        .functions("PUT", "UpdateFunction", &below, &[], b"{\"timeout\": 31}")
                        .await
                        .unwrap(),
                ),
                _ => {}
            }
            if why != "deleted" {
                until("it has ended", || state(pid).is_none()).await;
            }
            client.functions("DELETE", "DeleteFunction", &below, &[], b"").await.unwrap();
            until("it has ended", || state(pid).is_none()).await;
            told += 1;
            let asked = asked(log.path(), "/pre-stop");
            assert_eq!(asked.len(), told, "{name} {why}");
            assert_eq!(
                (&asked[told - 1]["pid"], &asked[told - 1]["control-path"]),
                (&json!(pid), &json!("/pre-stop"))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_done_before_the_instance_of_an_older_version_ends() {
    let (_emulator, client, log) = start(Options::default()).await;
    create(&client, "worker", log.path(), pre_stop(10), &[]).await;
    let gate = tempfile::tempdir().unwrap();
    let open = gate.path().join("open");
    let holding = {
        let (client, event) = (client.clone(), json!({ "mark": "old", "do": "wait", "for": open }));
        tokio::spawn(async move { client.invoke("worker", "Sync", &event).await })
    };
    until("it runs", || noted(log.path()).len() == 1).await;
    client.functions("PUT", "UpdateFunction", "/worker", &[], b"{\"timeout\": 31}").await.unwrap();
    let new = pid(&invoke(&client, "worker", json!({})).await);
    assert!(asked(log.path(), "/pre-stop").is_empty());
    std::fs::write(&open, "").unwrap();
    let old = pid(&holding.await.unwrap().unwrap());
    assert_ne!(old, new);
    until("it has ended", || state(old).is_none()).await;
    assert_eq!(asked(log.path(), "/pre-stop").len(), 1);
    assert!(state(new).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_takes_long_to_end_ends_with_the_emulator() {
    let (emulator, client, log) = start(Options::default()).await;
    create(&client, "worker", log.path(), pre_stop(90), &[("PRE_STOP", "60")]).await;
    let pid = pid(&invoke(&client, "worker", json!({})).await);
    client.functions("DELETE", "DeleteFunction", "/worker", &[], b"").await.unwrap();
    until("it is told", || asked(log.path(), "/pre-stop").len() == 1).await;
    assert!(state(pid).is_some());
    drop(emulator);
    until("it has ended", || state(pid).is_none()).await;
}

fn health(settings: Json) -> Json {
    let mut check = json!({ "httpGetUrl": "/ready", "periodSeconds": 3, "timeoutSeconds": 1 });
    for (name, value) in settings.as_object().unwrap() {
        check[name] = value.clone();
    }
    json!({ "customRuntimeConfig": { "healthCheckConfig": check }, "instanceConcurrency": 10 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_does_not_pass_its_first_check_gets_no_request() {
    let (_emulator, client, log) = start(Options::default()).await;
    create(&client, "ill", log.path(), health(json!({})), &[("ILL", "1")]).await;
    let answer = invoke(&client, "ill", json!({})).await;
    assert_eq!(answer.header("x-fc-error-type"), Some("InitializationError"));
    assert!(answer.text().contains("GET /ready"), "{}", answer.text());
    create(&client, "well", log.path(), health(json!({ "failureThreshold": 1 })), &[]).await;
    assert!(pid(&invoke(&client, "well", json!({})).await) > 0);
    assert_eq!(asked(log.path(), "/ready").len(), 2);
}

/// Asks until the answer is of another instance: a check counts when its answer has been read.
async fn other_than(client: &Client, one: u64) -> u64 {
    for _ in 0..1000 {
        let pid = pid(&invoke(client, "worker", json!({})).await);
        if pid != one {
            return pid;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("all requests go to {one}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_to_another_instance_while_one_is_ill() {
    let (emulator, client, log) = start(Options::default()).await;
    create(
        &client,
        "worker",
        log.path(),
        health(json!({ "failureThreshold": 2, "successThreshold": 2 })),
        &[],
    )
    .await;
    // Checks are made while an instance runs: a request keeps it running.
    let gate = tempfile::tempdir().unwrap();
    let open = gate.path().join("open");
    let holding = {
        let (client, event) = (client.clone(), json!({ "mark": "holds", "do": "wait", "for": open }));
        tokio::spawn(async move { client.invoke("worker", "Sync", &event).await })
    };
    until("it runs", || noted(log.path()).iter().any(|note| note["event"]["mark"] == "holds")).await;
    let first = pid(&invoke(&client, "worker", json!({ "do": "ill", "checks": 3 })).await);
    let checks = |count: usize| {
        let (emulator, log) = (&emulator, log.path());
        async move {
            emulator.clock().advance(Duration::from_secs(3));
            let of_first = || asked(log, "/ready").iter().filter(|note| note["pid"] == first).count();
            until("it is checked", || of_first() == count).await;
        }
    };
    checks(2).await;
    assert_eq!(pid(&invoke(&client, "worker", json!({})).await), first, "one check is not enough");
    checks(3).await;
    let second = other_than(&client, first).await;
    checks(4).await;
    checks(5).await;
    assert_eq!(pid(&invoke(&client, "worker", json!({})).await), second, "well for one check");
    checks(6).await;
    assert_eq!(other_than(&client, second).await, first, "well for two");
    std::fs::write(&open, "").unwrap();
    assert_eq!(pid(&holding.await.unwrap().unwrap()), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_has_as_many_requests_as_it_takes_and_is_stopped_between_them() {
    let (_emulator, client, log) = start(Options::default()).await;
    create(&client, "worker", log.path(), json!({ "instanceConcurrency": 3 }), &[]).await;
    let first = pid(&invoke(&client, "worker", json!({})).await);
    until("it is stopped", || state(first) == Some('T')).await;
    let gate = tempfile::tempdir().unwrap();
    let open = gate.path().join("open");
    let mut running = tokio::task::JoinSet::new();
    for n in 1..=3 {
        let (client, event) = (client.clone(), json!({ "mark": "shares", "do": "wait", "for": open }));
        running.spawn(async move { pid(&client.invoke("worker", "Sync", &event).await.unwrap()) });
        until("it runs", || {
            noted(log.path()).iter().filter(|note| note["event"]["mark"] == "shares").count() == n
        })
        .await;
    }
    assert_ne!(state(first), Some('T'));
    let fourth = pid(&invoke(&client, "worker", json!({})).await);
    assert_ne!(fourth, first);
    until("only the other is stopped", || state(fourth) == Some('T')).await;
    assert_ne!(state(first), Some('T'));
    std::fs::write(&open, "").unwrap();
    assert_eq!(running.join_all().await, [first; 3]);
    until("it is stopped again", || state(first) == Some('T')).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_run_on_where_they_are_not_to_be_stopped() {
    let mut options = Options::default();
    options.freeze = false;
    let (_emulator, client, log) = start(options).await;
    create(&client, "worker", log.path(), json!({}), &[]).await;
    let first = pid(&invoke(&client, "worker", json!({})).await);
    for _ in 0..5 {
        assert_eq!(pid(&invoke(&client, "worker", json!({})).await), first);
        assert_ne!(state(first), Some('T'));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_not_reached_from_outside_or_does_not_run_is_not_started() {
    let mut options = Options::default();
    options.start_ms = 2000;
    let (_emulator, client, log) = start(options).await;
    create(&client, "inside", log.path(), json!({}), &[("LISTEN", "127.0.0.1")]).await;
    let command = json!({ "customRuntimeConfig": { "command": ["/code/none"] } });
    create(&client, "none", log.path(), command, &[]).await;
    let exits = json!({ "customRuntimeConfig": { "command": ["/bin/sh", "-c"], "args": ["exit 3"] } });
    create(&client, "exits", log.path(), exits, &[]).await;
    for (name, said) in [
        ("inside", "nothing listens on 0.0.0.0"),
        ("none", "failed to start"),
        ("exits", "exited before it listened"),
    ] {
        let answer = invoke(&client, name, json!({})).await;
        assert_eq!(answer.header("x-fc-error-type"), Some("UnhandledInvocationError"));
        assert_eq!(answer.json()["errorType"], "FunctionNotStarted");
        assert!(answer.text().contains(said), "{name}: {}", answer.text());
    }
    assert!(noted(log.path()).is_empty());
}
