//! Asynchronous invocations: retried, aged, stopped, told of at the end; and the limits of requests.

use std::time::Duration;

use aliyun_emulator::{
    Emulator, Options,
    fault::{Action, Answer, Rule, Service},
};
use serde_json::{Value as Json, json};

use crate::client::{Client, endings, noted, until};

/// An emulator with the functions `worker` and `told`.
async fn with_functions(options: Options, settings: Json) -> (Emulator, Client, tempfile::NamedTempFile) {
    let emulator = Emulator::start(options).await.unwrap();
    let client = Client::new(&emulator);
    let log = tempfile::NamedTempFile::new().unwrap();
    for (name, settings) in [("worker", settings), ("told", json!({}))] {
        let created = client.create(name, log.path(), settings).await.unwrap();
        assert_eq!(created.status, 200, "{}", created.text());
    }
    (emulator, client, log)
}

/// Puts the clock forward again and again until something holds: as long as it takes, and no time.
async fn later(emulator: &Emulator, step: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || {
        emulator.clock().advance(step);
        holds()
    })
    .await;
}

fn times(log: &std::path::Path, mark: &str) -> usize {
    noted(log).iter().filter(|note| note["event"]["mark"] == mark).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_fails_is_retried_and_its_destination_told() {
    let (emulator, client, log) = with_functions(Options::default(), json!({})).await;
    client.configure("worker", json!({ "maxAsyncRetryAttempts": 2, "asyncTask": true })).await;
    for (n, (how, error)) in
        [("fail", "HandledInvocationError"), ("crash", "UnhandledInvocationError")].iter().enumerate()
    {
        let event = json!({ "mark": how, "do": how });
        assert_eq!(client.submit("worker", &format!("t{n}"), &event).await.status, 202);
        later(&emulator, Duration::from_secs(1), "it ends", || endings(log.path()).len() == n + 1).await;
        let ending = &endings(log.path())[n];
        assert_eq!(times(log.path(), how), 3);
        assert_eq!(ending["requestContext"]["condition"], "RetriesExhausted");
        assert_eq!(ending["requestContext"]["approximateInvokeCount"], 3);
        assert_eq!(ending["responseContext"]["functionError"], *error);
        assert_eq!(ending["requestPayload"], event.to_string());
        assert_eq!(client.task("worker", &format!("t{n}")).await["status"], "Failed");
    }
    client.submit("worker", "t2", &json!({ "mark": "works" })).await;
    until("it ends", || endings(log.path()).len() == 3).await;
    let ending = &endings(log.path())[2];
    assert_eq!(
        (&ending["requestContext"]["condition"], &ending["responseContext"]["functionError"]),
        (&json!(""), &json!(""))
    );
    assert!(ending["responsePayload"].as_str().unwrap().contains("works"), "{ending}");
    assert_eq!(client.task("worker", "t2").await["status"], "Succeeded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_over_its_age_is_not_delivered_again() {
    let (emulator, client, log) = with_functions(Options::default(), json!({})).await;
    let settings = json!({ "maxAsyncRetryAttempts": 8, "maxAsyncEventAgeInSeconds": 60, "asyncTask": true });
    client.configure("worker", settings).await;
    client.submit("worker", "aged", &json!({ "mark": "aged", "do": "fail" })).await;
    until("it was delivered", || times(log.path(), "aged") >= 1).await;
    later(&emulator, Duration::from_secs(61), "it ends", || endings(log.path()).len() == 1).await;
    let context = &endings(log.path())[0]["requestContext"];
    assert_eq!(context["condition"], "EventAgeExceeded");
    assert!(times(log.path(), "aged") < 9, "not for want of retries");
    assert_eq!(client.task("worker", "aged").await["status"], "Expired");

    // Without its age exceeded it goes by the retries.
    let settings = json!({ "maxAsyncRetryAttempts": 0, "maxAsyncEventAgeInSeconds": 60 });
    client.configure("worker", settings).await;
    client.submit("worker", "young", &json!({ "mark": "young", "do": "fail" })).await;
    until("it ends", || endings(log.path()).len() == 2).await;
    assert_eq!(endings(log.path())[1]["requestContext"]["condition"], "RetriesExhausted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_is_stopped_is_not_delivered_again_and_its_id_stays_taken() {
    let (emulator, client, log) = with_functions(Options::default(), json!({})).await;
    client.configure("worker", json!({ "maxAsyncRetryAttempts": 8, "asyncTask": true })).await;
    client.submit("worker", "stopped", &json!({ "mark": "stopped", "do": "fail" })).await;
    until("it was delivered", || times(log.path(), "stopped") >= 1).await;
    let stop = client.functions("PUT", "StopAsyncTask", "/worker/async-tasks/stopped/stop", &[], b"");
    assert_eq!(stop.await.unwrap().status, 204);
    for _ in 0..1000 {
        emulator.clock().advance(Duration::from_secs(60));
        if client.task("worker", "stopped").await["status"] == "Stopped" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let delivered = times(log.path(), "stopped");
    for _ in 0..10 {
        emulator.clock().advance(Duration::from_secs(600));
        client.invoke("worker", "Sync", &json!({})).await.unwrap();
    }
    assert_eq!(client.task("worker", "stopped").await["status"], "Stopped");
    assert_eq!(times(log.path(), "stopped"), delivered);
    let again = client.submit("worker", "stopped", &json!({ "mark": "again" })).await;
    assert_eq!(again.refusal(), (409, "AsyncTaskAlreadyExists".to_owned()));
    // Ids are of a function, and of tasks: what is no task is not told apart.
    assert_eq!(client.submit("told", "stopped", &json!({ "mark": "again" })).await.status, 202);
    assert_eq!(client.submit("told", "stopped", &json!({ "mark": "again" })).await.status, 202);
    until("both are delivered", || times(log.path(), "again") == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_over_the_timeout_is_a_failure_and_ends_the_instance() {
    let (_emulator, client, log) = with_functions(Options::default(), json!({ "timeout": 1 })).await;
    client.configure("worker", json!({ "maxAsyncRetryAttempts": 0 })).await;
    let before = client.invoke("worker", "Sync", &json!({})).await.unwrap().json()["pid"].clone();
    client.submit("worker", "t", &json!({ "do": "sleep", "seconds": 60 })).await;
    until("it ends", || endings(log.path()).len() == 1).await;
    let ending = &endings(log.path())[0];
    assert_eq!(ending["responseContext"]["functionError"], "UnhandledInvocationError");
    assert!(ending["responsePayload"].as_str().unwrap().contains("timed out after 1 seconds"), "{ending}");
    assert_ne!(client.invoke("worker", "Sync", &json!({})).await.unwrap().json()["pid"], before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_system_use_up_no_retries_and_are_given_up_in_their_time() {
    let mut options = Options::default();
    options.system_retry_ms = 3_600_000;
    let (emulator, client, log) = with_functions(options, json!({})).await;
    client.configure("worker", json!({ "maxAsyncRetryAttempts": 0 })).await;
    let down = || {
        Action::Error(Answer {
            status: 503,
            code: "ServiceUnavailable".to_owned(),
            message: "down".to_owned(),
        })
    };
    let rule = || Rule::new(Service::FunctionCompute, down()).operation("Deliver").target("worker");
    emulator.fault(rule().times(5)).unwrap();
    client.submit("worker", "t1", &json!({ "mark": "late" })).await;
    later(&emulator, Duration::from_secs(10), "it is delivered", || times(log.path(), "late") == 1).await;
    until("it ends", || endings(log.path()).len() == 1).await;
    assert_eq!(endings(log.path())[0]["requestContext"]["condition"], "");
    emulator.fault(rule()).unwrap();
    client.submit("worker", "t2", &json!({ "mark": "never" })).await;
    later(&emulator, Duration::from_secs(600), "it is given up", || endings(log.path()).len() == 2).await;
    assert_eq!(times(log.path(), "never"), 0);
    assert_eq!(endings(log.path())[1]["responsePayload"], "down");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finds_no_instance_is_throttled_and_events_are_delivered_later() {
    let mut options = Options::default();
    options.max_instances = 1;
    let (emulator, client, log) = with_functions(options, json!({})).await;
    client.configure("worker", json!({ "maxAsyncRetryAttempts": 0 })).await;
    let gate = tempfile::tempdir().unwrap();
    let open = gate.path().join("open");
    let holding = {
        let (client, event) = (client.clone(), json!({ "mark": "holds", "do": "wait", "for": open }));
        tokio::spawn(async move { client.invoke("worker", "Sync", &event).await })
    };
    until("the instance is taken", || times(log.path(), "holds") == 1).await;
    let refused = client.invoke("worker", "Sync", &json!({})).await.unwrap();
    assert_eq!(refused.refusal(), (429, "ResourceExhausted".to_owned()));
    client.submit("worker", "waits", &json!({ "mark": "waits" })).await;
    std::fs::write(&open, "").unwrap();
    assert_eq!(holding.await.unwrap().unwrap().status, 200);
    later(&emulator, Duration::from_secs(1), "it is delivered", || times(log.path(), "waits") == 1).await;
    until("it ends", || endings(log.path()).len() == 1).await;
    assert_eq!(endings(log.path())[0]["requestContext"]["condition"], "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_a_limit_is_refused() {
    let (_emulator, client, log) = with_functions(Options::default(), json!({})).await;
    let invoke = async |kind: &str, bytes: usize| {
        let more = [("x-fc-invocation-type", kind)];
        client
            .functions("POST", "InvokeFunction", "/told/invocations", &more, &vec![b' '; bytes])
            .await
            .unwrap()
    };
    let too_large = (400, "EntityTooLarge".to_owned());
    assert_eq!(invoke("Async", 128 * 1024).await.status, 202);
    assert_eq!(invoke("Async", 128 * 1024 + 1).await.refusal(), too_large);
    assert_eq!(invoke("Sync", 32 * 1024 * 1024).await.status, 200);
    assert_eq!(invoke("Sync", 32 * 1024 * 1024 + 1).await.refusal(), too_large);
    let large = |bytes: usize| json!({ "do": "large", "bytes": bytes });
    let answer = client.invoke("worker", "Sync", &large(32 * 1024 * 1024)).await.unwrap();
    assert_eq!((answer.body.len(), answer.header("x-fc-error-type")), (32 * 1024 * 1024, None));
    let answer = client.invoke("worker", "Sync", &large(32 * 1024 * 1024 + 1)).await.unwrap();
    assert_eq!(answer.header("x-fc-error-type"), Some("UnhandledInvocationError"));
    assert_eq!(answer.json()["errorType"], "FunctionResponseTooLarge");
    let answer = client.invoke("worker", "Sync", &json!({ "do": "headers" })).await.unwrap();
    assert_eq!(answer.refusal(), (502, "BadResponse".to_owned()));

    let invalid = (400, "InvalidArgument".to_owned());
    let header = "x".repeat(8 * 1024);
    let more = [("x-long", header.as_str())];
    let answer = client.functions("GET", "ListFunctions", "", &more, b"").await.unwrap();
    assert_eq!(answer.refusal(), invalid);
    let answer =
        client.functions("GET", "GetFunction", &format!("/{}", "f".repeat(4096)), &[], b"").await.unwrap();
    assert_eq!(answer.refusal(), invalid);
    let health = |settings: Json| json!({ "customRuntimeConfig": { "healthCheckConfig": settings } });
    for settings in [
        json!({ "timeout": 0 }),
        json!({ "timeout": 86_401 }),
        json!({ "instanceConcurrency": 201 }),
        json!({ "memorySize": 100 }),
        json!({ "memorySize": 32_832 }),
        json!({ "cpu": 0.33, "memorySize": 512 }),
        json!({ "cpu": 16.05, "memorySize": 32_768 }),
        json!({ "cpu": 1, "memorySize": 512 }),
        json!({ "cpu": 0.05, "memorySize": 512 }),
        json!({ "diskSize": 1024 }),
        json!({ "runtime": "python3.12" }),
        json!({ "functionName": "f".repeat(65) }),
        json!({ "environmentVariables": { "LOG": "x".repeat(4096) } }),
        json!({ "environmentVariables": { "FC_MINE": "x" } }),
        json!({ "instanceLifecycleConfig": { "initializer": { "timeout": 301 } } }),
        json!({ "instanceLifecycleConfig": { "preStop": { "timeout": 91 } } }),
        health(json!({})),
        health(json!({ "httpGetUrl": "/", "timeoutSeconds": 4 })),
        health(json!({ "httpGetUrl": "/", "periodSeconds": 0 })),
        health(json!({ "httpGetUrl": "/", "failureThreshold": 121 })),
    ] {
        let answer = client.create("limits", log.path(), settings.clone()).await.unwrap();
        assert_eq!(answer.refusal(), invalid, "{settings}");
    }
    for settings in [
        json!({ "cpu": 16, "memorySize": 32_768 }),
        json!({ "cpu": 0.35, "memorySize": 512, "diskSize": 10_240 }),
        health(json!({ "httpGetUrl": "/", "timeoutSeconds": 3, "initialDelaySeconds": 120 })),
    ] {
        let answer = client.create("limits", log.path(), settings.clone()).await.unwrap();
        assert_eq!(answer.status, 200, "{settings}: {}", answer.text());
        client.functions("DELETE", "DeleteFunction", "/limits", &[], b"").await.unwrap();
    }
}
