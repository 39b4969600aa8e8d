//! What a program answers that Function Compute runs: the contract of its custom runtime.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Fault, GivenUp, Workflow as _,
    backend::{Delivery, Handler},
};
use jointlambda_cloud_tests::{
    instance::Instance,
    receiver::{Receiver, workflow::aliyun::Received},
};
use reqwest::{Method, StatusCode};
use tokio::sync::Barrier;

const PROGRAM: &str = env!("CARGO_BIN_EXE_receiver-aliyun");
/// What is kept of an execution's time to commit a failure and say so.
const MARGIN_MS: u64 = 200;
/// How long what is held up may take, at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program of a function whose events are passed on to `handler`.
async fn instance(function: &str, handler: Arc<dyn Handler>) -> Instance {
    let receiver = Receiver::listen().await;
    receiver.attach()(handler);
    let variables = [
        ("JOINTLAMBDA_FUNCTION", function),
        ("JOINTLAMBDA_CLOUD", "HOME"),
        ("JOINTLAMBDA_TABLE", "rows-test/rows"),
        ("JOINTLAMBDA_BUCKET", "objects-test"),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "id"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Instance::start(Path::new(PROGRAM), &[&variables[..], &[receiver.variable()]].concat()).await
}

/// Says of every event how much time there is for it.
struct Remaining(tokio::sync::mpsc::UnboundedSender<u64>);

#[async_trait]
impl Handler for Remaining {
    async fn handle(&self, _: &str, _: Bytes, delivery: Delivery) -> Result<(), Fault> {
        self.0.send(delivery.remaining.as_millis() as u64).expect("the test waits for it");
        Ok(())
    }

    async fn abandon(&self, _: &str, _: Bytes, _: GivenUp) -> Result<(), Fault> {
        panic!("nothing is given up");
    }
}

/// Takes events once so many are there at once.
struct Together(Barrier);

#[async_trait]
impl Handler for Together {
    async fn handle(&self, _: &str, _: Bytes, _: Delivery) -> Result<(), Fault> {
        self.0.wait().await;
        Ok(())
    }

    async fn abandon(&self, _: &str, _: Bytes, _: GivenUp) -> Result<(), Fault> {
        panic!("nothing is given up");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_platform_asks_beside_events_is_answered() {
    let instance = instance("echo", Arc::new(Together(Barrier::new(1)))).await;
    for (method, path, status) in [
        (Method::POST, "/initialize", 200),
        (Method::GET, "/pre-stop", 200),
        (Method::GET, "/", 200),
        (Method::GET, "/health", 200),
        (Method::HEAD, "/health", 200),
        (Method::GET, "/invoke", 405),
        (Method::PUT, "/invoke", 405),
        (Method::POST, "/invoke/", 404),
        (Method::POST, "/", 200),
        (Method::GET, "/other", 404),
        (Method::POST, "/initialise", 404),
    ] {
        let answer = instance.ask(method.clone(), path, "").await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {answer:?}");
        let allowed = answer.headers.get("allow").map(|value| value.to_str().expect("it is text"));
        assert_eq!(allowed, (status == 405).then_some("POST"), "{method} {path}");
        // It would be taken for an event's.
        assert!(!answer.headers.contains_key("x-fc-status"), "{method} {path}: {answer:?}");
    }
    let answer = instance.ask(Method::POST, "/invoke", "AQI=").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "{}"), "and events still are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_fails_says_so_where_the_platform_looks() {
    /// Fails, each time.
    struct Fails;

    #[async_trait]
    impl Handler for Fails {
        async fn handle(&self, _: &str, _: Bytes, _: Delivery) -> Result<(), Fault> {
            Err(Fault::Crash)
        }

        async fn abandon(&self, _: &str, _: Bytes, _: GivenUp) -> Result<(), Fault> {
            panic!("another delivery may help");
        }
    }

    let instance = instance("echo", Arc::new(Fails)).await;
    let too_large = "A".repeat(1024 * 1024 + 4);
    for event in ["AQI=", "no envelope", "", &too_large] {
        let answer = instance.ask(Method::POST, "/invoke", event.to_owned()).await;
        let said = answer.headers.get("x-fc-status").map(|value| value.to_str().expect("it is text"));
        assert_eq!((answer.status, said), (StatusCode::NOT_FOUND, Some("404")), "{answer:?}");
        assert!(answer.body.contains(r#""errorMessage":""#), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_events_are_handled_at_once_and_health_is_answered_meanwhile() {
    const EVENTS: usize = 7;
    let gate = Arc::new(Together(Barrier::new(EVENTS + 1)));
    let instance = Arc::new(instance("echo", gate.clone()).await);
    let events = (0..EVENTS).map(|_| {
        let instance = instance.clone();
        tokio::spawn(async move { instance.ask(Method::POST, "/invoke", "AQI=").await })
    });
    let events: Vec<_> = events.collect();
    assert_eq!(instance.ask(Method::GET, "/health", "").await.status, StatusCode::OK);
    assert!(events.iter().all(|event| !event.is_finished()), "each waits for the others");
    tokio::time::timeout(PATIENCE, gate.0.wait()).await.expect("all are there at once");
    for event in events {
        assert_eq!(event.await.expect("it is answered").status, StatusCode::OK);
    }
}

/// Function Compute does not say how much time there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_for_an_event_is_that_which_its_function_is_deployed_with() {
    let mut found = Vec::new();
    for function in Received::definition().functions {
        let (told, mut remaining) = tokio::sync::mpsc::unbounded_channel();
        let instance = instance(function.name, Arc::new(Remaining(told))).await;
        let answer = instance.ask(Method::POST, "/invoke", "AQI=").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let remaining_ms = remaining.recv().await.expect("it is told");
        assert_eq!(remaining_ms, function.timeout_ms - MARGIN_MS, "of {}", function.name);
        found.push(remaining_ms);
    }
    assert_eq!(found, [59_800, 6_800]);
}
