//! Envelopes that no function sent: damaged, too large, misaddressed, of another version. Each is
//! refused once, ends in a run that says why, and holds up no other run.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use jointlambda::{
    Cause, Client, Fault, GivenUp, Options, RunError, Runtime, Status,
    backend::{
        Backend, Delivery, Functions, Handler, Invoked,
        local::{LocalClouds, virtual_time},
    },
    embedded::Embedded,
    envelope::{Call, Envelope, Task},
};

mod pair {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn pair(x: u64) -> u64 {
            let y = first(x).await;
            second(y, x).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn first(x: u64) -> u64 { x + 1 }

        #[function(on = AWS)]
        async fn second(y: u64, x: u64) -> u64 { y * 100 + x }
    }
}

/// Changes the event for a function.
type Tamper = Arc<dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync>;

/// Hands events on as they are changed by a test.
struct Tampering {
    inner: Arc<dyn Functions>,
    tamper: Tamper,
}

#[async_trait::async_trait]
impl Functions for Tampering {
    async fn invoke(&self, function: &str, envelope: bytes::Bytes) -> Invoked {
        let changed = (self.tamper)(function, envelope.to_vec());
        self.inner.invoke(function, changed.into()).await
    }
}

/// A deadline that sweeps soon come to.
fn options() -> Options {
    let mut options = Options::default();
    options.deadline = Duration::from_secs(2 * 3600);
    options
}

/// Runs `pair` with every event to `second` of the run with key `bad` changed, beside other runs.
fn with_tampered(
    tamper: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static,
    check: impl AsyncFnOnce(&LocalClouds, Result<u64, RunError>),
) {
    virtual_time(0, async {
        let clouds = LocalClouds::new(Embedded::<pair::Pair>::config()).unwrap();
        let bad = Client::<pair::Pair>::new(clouds.backends_for_client(), options()).run_id("bad");
        let name = bad.to_string();
        let tamper: Tamper = Arc::new(move |function: &str, wire: Vec<u8>| {
            let envelope = Envelope::peek(&wire);
            let is_of_the_run = envelope.is_some_and(|envelope| envelope.run.to_string() == name);
            if function == "second" && is_of_the_run { tamper(wire) } else { wire }
        });
        let tampering = |backends: Vec<Backend>| -> Vec<Backend> {
            backends
                .into_iter()
                .map(|backend| {
                    let functions =
                        Arc::new(Tampering { inner: backend.functions.clone(), tamper: tamper.clone() });
                    Backend { functions, ..backend }
                })
                .collect()
        };
        for cloud in 0..2 {
            let runtime = Runtime::new::<pair::Pair>(tampering(clouds.backends_from(cloud)), options());
            clouds.serve(cloud, Arc::new(runtime));
        }
        let client = Client::<pair::Pair>::new(clouds.backends_for_client(), options());
        let run = client.start("bad", 1).await.unwrap();
        for x in 0..20 {
            let other = client.start(&format!("good {x}"), x).await.unwrap();
            assert_eq!(client.result(&other).await.unwrap(), (x + 1) * 100 + x);
        }
        clouds.idle().await;
        let sweeper = Runtime::new::<pair::Pair>(tampering(clouds.backends_from(0)), options());
        let result = tokio::select! {
            result = client.result(&run) => result,
            () = async {
                loop {
                    tokio::time::sleep(Duration::from_secs(61)).await;
                    sweeper.sweep(10).await.unwrap();
                }
            } => unreachable!(),
        };
        check(&clouds, result).await;
    });
}

fn fails_with(tamper: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static, expected: &'static str) {
    with_tampered(tamper, async |clouds, result| {
        let failure = result.expect_err("a poisoned run fails").to_string();
        assert!(failure.contains("second") && failure.contains(expected), "{failure}");
        assert!(failure.contains("after 1 attempt"), "trying again cannot help: {failure}");
        assert_eq!(clouds.meter().total().unwrap().redeliveries, 0);
    });
}

/// The same envelope as one of another deployment.
fn foreign(wire: &[u8]) -> Vec<u8> {
    let mut envelope = Envelope::peek(wire).unwrap();
    envelope.deployment.0 ^= 1;
    envelope.encode().to_vec()
}

#[test]
fn an_envelope_of_another_deployment_decides_nothing() {
    // Nobody who may judge it sees it: the run stays open until its deadline.
    with_tampered(
        |wire| foreign(&wire),
        async |_, result| {
            let failure = result.expect_err("`second` is never reached").to_string();
            assert!(failure.contains("second") && failure.contains("no outcome"), "{failure}");
        },
    );
}

#[test]
fn an_envelope_that_names_no_node_fails_its_run_and_says_so() {
    fails_with(|wire| renamed(&wire, |call| call.node = 99), "it names an unknown call site");
    let bad_turn = |call: &mut Call| call.turns = vec![u32::MAX];
    fails_with(move |wire| renamed(&wire, bad_turn), "a loop counter is out of range");
}

fn renamed(wire: &[u8], change: fn(&mut Call)) -> Vec<u8> {
    let mut envelope = Envelope::peek(wire).unwrap();
    let Task::Call(call) = &mut envelope.task else { panic!("a call") };
    change(call);
    envelope.encode().to_vec()
}

/// Of another function, cut, empty, of another format, too large.
const DAMAGES: [fn(Vec<u8>) -> Vec<u8>; 5] = [
    |wire| renamed(&wire, |call| call.node = 0),
    |wire| wire[..wire.len() / 2].to_vec(),
    |_| Vec::new(),
    |mut wire| {
        wire[0] = 77;
        wire
    },
    |wire| [wire, vec![0; 800_000]].concat(),
];

#[test]
fn a_run_whose_envelope_is_damaged_every_time_fails_and_says_at_which_call() {
    for (number, damage) in DAMAGES.into_iter().enumerate() {
        with_tampered(damage, async |_, result| {
            let failure = result.expect_err(&format!("damage {number} never reaches `second`")).to_string();
            assert!(failure.contains("second"), "damage {number}: {failure}");
        });
    }
}

#[test]
fn a_damaged_or_misaddressed_envelope_is_dropped_and_the_sweeper_sends_it_again() {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    for damage in DAMAGES {
        let seen = AtomicU32::new(0);
        with_tampered(
            move |wire| if seen.fetch_add(1, SeqCst) == 0 { damage(wire) } else { wire },
            async |_, result| assert_eq!(result.unwrap(), 201),
        );
    }
}

/// Keeps what is invoked.
struct Tap(Arc<dyn Functions>, Arc<Mutex<Vec<bytes::Bytes>>>);

#[async_trait::async_trait]
impl Functions for Tap {
    async fn invoke(&self, function: &str, envelope: bytes::Bytes) -> Invoked {
        self.1.lock().unwrap().push(envelope.clone());
        self.0.invoke(function, envelope).await
    }
}

#[test]
fn what_another_version_is_given_does_not_fail_a_run_that_went_on() {
    virtual_time(0, async {
        let clouds = LocalClouds::new(Embedded::<pair::Pair>::config()).unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let tapped = |backends: Vec<Backend>| -> Vec<Backend> {
            let tap = |one: Backend| Backend {
                functions: Arc::new(Tap(one.functions.clone(), sent.clone())),
                ..one
            };
            backends.into_iter().map(tap).collect()
        };
        // Only `first` can run; `second` waits for a cloud that is down.
        let runtime =
            Arc::new(Runtime::new::<pair::Pair>(tapped(clouds.backends_from(1)), Options::default()));
        clouds.serve(1, runtime.clone());
        let client = Client::<pair::Pair>::new(tapped(clouds.backends_for_client()), Options::default());
        let run = client.start("key", 1).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;

        // A copy of the event for `first` reaches a later version, which gives it up.
        let wire = foreign(&sent.lock().unwrap()[0]);
        let delivery = Delivery { attempt: 1, remaining: Duration::from_secs(9) };
        let refused = runtime.handle("first", wire.clone().into(), delivery).await.unwrap_err();
        assert!(matches!(refused, Fault::Foreign(_)), "{refused}");
        let given_up = GivenUp { cause: Cause::Call, why: refused.to_string(), attempts: 1 };
        runtime.abandon("first", wire.into(), given_up).await.unwrap();
        assert_eq!(client.status(&run).await.unwrap(), Status::Running);
    });
}
