//! Runs that take hours or days, of functions that take minutes: duplicates do not multiply, a run
//! that is not ended in time fails once, and no event outlives the rows that make it harmless.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Client, Fault, GivenUp, Options, RunError, Runtime, Status,
    backend::{
        Backend, Delivery, Functions, Handler, Invoked,
        local::{LocalClouds, Profile, virtual_time},
    },
    embedded::{Embedded, EmbeddedError},
    prelude::*,
};
use tokio::time::Instant;

thread_local! {
    /// How often `tick` was begun: virtual time runs on one thread.
    static TICKS: Cell<usize> = const { Cell::new(0) };
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

mod clock {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// Takes 12 minutes for each of `n` turns; every fourth is two ticks side by side.
        #[workflow]
        pub(crate) async fn clock(n: u64) -> u64 {
            let mut x = 0;
            for turn in 0..n {
                if turn % 4 == 3 {
                    let (a, b) = join!(tick(x), tick(turn));
                    x = a + b - b;
                } else {
                    x = tick(x).await;
                }
            }
            x
        }

        #[function(on = AWS, failover = [ALI], timeout = "15m")]
        async fn tick(x: u64) -> u64 {
            super::TICKS.set(super::TICKS.get() + 1);
            tokio::time::sleep(12 * super::MINUTE).await;
            x + 1
        }
    }
}

#[test]
fn duplicates_of_long_functions_do_not_multiply() {
    let turns = 40;
    let calls = turns + turns / 4;
    for duplicate_percent in [0, 50, 100] {
        TICKS.set(0);
        virtual_time(u64::from(duplicate_percent), async {
            let mut config = Embedded::<clock::Clock>::config();
            config.profile = Profile::TOKYO;
            for cloud in &mut config.clouds {
                cloud.duplicate_percent = duplicate_percent;
            }
            let clouds = Embedded::<clock::Clock>::new(config, Options::default()).unwrap();
            assert_eq!(clouds.run("key", turns as u64).await.unwrap(), turns as u64);
            clouds.clouds().idle().await;
        });
        // Each copy of the event whose copy was first goes on, and no copy of another does: where
        // events are delivered twice there are two for a call, however long the run.
        let deliveries = 1 + usize::from(duplicate_percent > 0);
        let most = calls * deliveries * deliveries;
        let ticks = TICKS.get();
        assert!((calls..=most).contains(&ticks), "{ticks} of {calls} calls, {duplicate_percent} % twice");
    }
}

#[test]
fn a_sweep_leaves_alone_what_may_still_run() {
    // Swept every minute for eight hours: nothing of it is lost.
    TICKS.set(0);
    virtual_time(0, async {
        let clouds = Embedded::<clock::Clock>::in_memory();
        let run = clouds.client().start("key", 40).await.unwrap();
        let result = tokio::select! {
            result = clouds.client().result(&run) => result,
            never = clouds.sweep_every(MINUTE) => match never {},
        };
        assert_eq!(result.unwrap(), 40);
    });
    assert_eq!(TICKS.get(), 50);
}

#[test]
fn calls_that_wait_long_in_a_queue_are_not_begun_over_and_over() {
    // Five runs share one execution at a time: calls wait for up to an hour, far longer than it
    // takes to be taken for lost.
    TICKS.set(0);
    virtual_time(0, async {
        let mut config = Embedded::<clock::Clock>::config();
        for cloud in &mut config.clouds {
            cloud.concurrency = 1;
        }
        let clouds = Embedded::<clock::Clock>::new(config, Options::default()).unwrap();
        let runs = (0..5).map(|key| async move { key.to_string() }).map(|key| async {
            let key = key.await;
            clouds.run(&key, 3).await.unwrap()
        });
        assert_eq!(futures_util::future::join_all(runs).await, [3; 5]);
        clouds.clouds().idle().await;
    });
    let ticks = TICKS.get();
    assert!((15..=30).contains(&ticks), "{ticks} executions of 15 calls");
}

/// Rows go an hour after the deadline and what runs then.
fn short_lived(deadline: Duration) -> Options {
    let mut options = Options::default();
    (options.deadline, options.retention) = (deadline, HOUR);
    options
}

/// Delivers each event again, hours and weeks later.
struct Late(Arc<dyn Functions>);

#[async_trait]
impl Functions for Late {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        for later in [10 * MINUTE, 3 * HOUR, 2 * DAY, 9 * DAY, 30 * DAY] {
            let (functions, function, envelope) = (self.0.clone(), function.to_owned(), envelope.clone());
            tokio::spawn(async move {
                tokio::time::sleep(later).await;
                functions.invoke(&function, envelope).await;
            });
        }
        self.0.invoke(function, envelope).await
    }
}

fn late(backends: Vec<Backend>) -> Vec<Backend> {
    let late = |one: Backend| Backend { functions: Arc::new(Late(one.functions.clone())), ..one };
    backends.into_iter().map(late).collect()
}

#[test]
fn no_event_outlives_the_rows_of_its_run() {
    // Deadline and retention far below the age of the latest events; a run that fails at its
    // deadline, and one that returns before.
    let options = short_lived(2 * HOUR);
    for (turns, returns) in [(100, false), (8, true)] {
        TICKS.set(0);
        virtual_time(0, async {
            let clouds = LocalClouds::new(Embedded::<clock::Clock>::config()).unwrap();
            for cloud in 0..2 {
                let runtime =
                    Runtime::new::<clock::Clock>(late(clouds.backends_from(cloud)), options.clone());
                clouds.serve(cloud, Arc::new(runtime.on(cloud as u16)));
            }
            let client = Client::<clock::Clock>::new(late(clouds.backends_for_client()), options.clone());
            let sweeper = Runtime::new::<clock::Clock>(clouds.backends_from(0), options.clone());
            let sweeping = async {
                loop {
                    tokio::time::sleep(MINUTE).await;
                    sweeper.sweep(10).await.unwrap();
                    clouds.sweep_expired().await.unwrap();
                }
            };
            let run = client.start("key", turns).await.unwrap();
            let ended = async {
                let result = client.result(&run).await;
                let ended = client.report(&run).await.unwrap();
                let took_ms = ended.ended_at.unwrap() - ended.started_at;
                match &result {
                    Ok(x) => assert!(returns && *x == turns, "{x}"),
                    Err(RunError::Failed(failure)) => {
                        assert!(
                            !returns && failure.cause == "the run had not ended 7200 s after its start",
                            "{failure}"
                        );
                        assert!((7_200_000..7_320_000).contains(&took_ms), "{took_ms} ms");
                    }
                    Err(other) => panic!("{other}"),
                }
                // What runs at the deadline runs on, and what was delivered before it.
                tokio::time::sleep(15 * MINUTE).await;
                let ticks = TICKS.get();
                assert!(matches!(client.status(&run).await.unwrap(), Status::Returned | Status::Failed(_)));
                // The rows go, events still come, and nothing happens.
                tokio::time::sleep(DAY).await;
                assert!(matches!(client.status(&run).await, Err(RunError::NoSuchRun(_))));
                assert_eq!(clouds.holdings().unwrap().rows, 0);
                tokio::time::sleep(40 * DAY).await;
                assert_eq!(TICKS.get(), ticks, "a function was begun after the deadline");
                assert_eq!(clouds.holdings().unwrap().rows, 0, "a row was made after the deadline");

                // The same key is a new run then, which events of the first one do not disturb.
                TICKS.set(0);
                let again = client.start("key", 2).await.unwrap();
                assert_eq!(again, run);
                assert_eq!(client.result(&again).await.unwrap(), 2);
                assert!(TICKS.get() >= 2);
            };
            tokio::select! {
                () = ended => {},
                () = sweeping => unreachable!(),
            }
        });
    }
}

#[test]
fn late_events_of_an_expired_run_do_not_touch_the_run_that_has_its_key_now() {
    let options = short_lived(HOUR);
    TICKS.set(0);
    virtual_time(0, async {
        let clouds = LocalClouds::new(Embedded::<clock::Clock>::config()).unwrap();
        for cloud in 0..2 {
            let runtime = Runtime::new::<clock::Clock>(clouds.backends_from(cloud), options.clone());
            clouds.serve(cloud, Arc::new(runtime.on(cloud as u16)));
        }
        let first = Client::<clock::Clock>::new(late(clouds.backends_for_client()), options.clone());
        let client = Client::<clock::Clock>::new(clouds.backends_for_client(), options.clone());
        let run = first.start("key", 1).await.unwrap();
        assert_eq!(client.result(&run).await.unwrap(), 1);
        // Two days later, while events of the first run come, the rows of which are gone.
        tokio::time::sleep(2 * DAY - 5 * MINUTE).await;
        clouds.sweep_expired().await.unwrap();
        TICKS.set(0);
        let again = client.start("key", 3).await.unwrap();
        assert_eq!(client.result(&again).await.unwrap(), 3);
        tokio::time::sleep(40 * DAY).await;
        assert_eq!(TICKS.get(), 3);
    });
}

mod crashing {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn crashing(list: Vec<u64>) -> u64 {
            let all = fan_out(list, async |x| dies(fine(x).await).await).await;
            fine(all.len() as u64).await
        }

        #[function(on = AWS)]
        async fn fine(x: u64) -> u64 { x }

        #[function(on = ALI, failover = [AWS])]
        async fn dies(x: u64) -> u64 { x }
    }
}

/// A platform on which every execution of `dies` for the run ends in a crash of its process.
struct Crashing {
    inner: Arc<dyn Handler>,
    deliveries: Arc<std::sync::Mutex<Vec<u32>>>,
    run: String,
}

#[async_trait]
impl Handler for Crashing {
    async fn handle(&self, function: &str, wire: Bytes, delivery: Delivery) -> Result<(), Fault> {
        let envelope = jointlambda::envelope::Envelope::peek(&wire).expect("a function sent it");
        if function == "dies" && envelope.run.to_string() == self.run {
            self.deliveries.lock().unwrap().push(delivery.attempt);
            return Err(Fault::Crash);
        }
        self.inner.handle(function, wire, delivery).await
    }

    async fn abandon(&self, function: &str, wire: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        self.inner.abandon(function, wire, given_up).await
    }
}

#[test]
fn a_function_whose_process_crashes_every_time_fails_its_run_alone() {
    virtual_time(0, async {
        let clouds = LocalClouds::new(Embedded::<crashing::Crashing>::config()).unwrap();
        let client = Client::<crashing::Crashing>::new(clouds.backends_for_client(), Options::default());
        let deliveries = Arc::default();
        for cloud in 0..2 {
            let runtime = Runtime::new::<crashing::Crashing>(clouds.backends_from(cloud), Options::default());
            let (inner, run) = (Arc::new(runtime.on(cloud as u16)), client.run_id("bad").to_string());
            clouds.serve(cloud, Arc::new(Crashing { inner, deliveries: Arc::clone(&deliveries), run }));
        }
        let bad = client.start("bad", vec![7]).await.unwrap();
        for key in 0..10 {
            let good = client.start(&key.to_string(), vec![1, 2, 3]).await.unwrap();
            assert_eq!(client.result(&good).await.unwrap(), 3);
        }
        let Err(RunError::Failed(failure)) = client.result(&bad).await else { panic!("it fails") };
        assert_eq!((&*failure.at, &*failure.path, failure.attempts), ("dies", &[0][..], 4), "{failure}");
        clouds.idle().await;
        assert_eq!(*deliveries.lock().unwrap(), [1, 2, 3, 4], "and is not tried for ever");
        // What was committed before is kept.
        let report = client.report(&bad).await.unwrap();
        let fine = &report.instances[0];
        assert!(fine.node == "fine" && format!("{:?}", fine.state).starts_with("Committed"), "{fine:?}");
    });
}

thread_local! {
    /// When each attempt began.
    static ATTEMPTS: RefCell<Vec<Instant>> = const { RefCell::new(Vec::new()) };
}

mod retried {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn retried(kind: u64) -> Result<u64> {
            match kind {
                0 => even(kind).await,
                1 => jittered(kind).await,
                _ => slow(kind).await,
            }
        }

        #[function(on = AWS, retry(attempts = 5, backoff = "1s", jitter = 0))]
        async fn even(_kind: u64) -> Result<u64> { super::attempted() }

        #[function(on = ALI, retry(attempts = 5, backoff = "1s", jitter = 50))]
        async fn jittered(_kind: u64) -> Result<u64> { super::attempted() }

        /// Its attempts take longer than its timeout allows.
        #[function(on = AWS, timeout = "5s", retry(attempts = 100, backoff = "1s", jitter = 0))]
        async fn slow(_kind: u64) -> Result<u64> { super::attempted() }
    }
}

fn attempted() -> jointlambda::Result<u64> {
    ATTEMPTS.with_borrow_mut(|attempts| attempts.push(Instant::now()));
    Err(Error::new("not yet"))
}

/// Runs `retried`; the seconds between its attempts, and how it ended.
fn retries(kind: u64, seed: u64) -> (Vec<f64>, Result<jointlambda::Result<u64>, EmbeddedError>) {
    ATTEMPTS.take();
    fastrand::seed(seed);
    let ended =
        virtual_time(seed, async { Embedded::<retried::Retried>::in_memory().run("key", kind).await });
    let attempts = ATTEMPTS.take();
    let waits = attempts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    (waits, ended)
}

#[test]
fn retries_wait_twice_as_long_each_time_less_their_jitter() {
    let near = |wait: f64, due: f64| (due - 0.002..=due + 0.002).contains(&wait);
    let (waits, ended) = retries(0, 0);
    assert!(
        waits.len() == 4 && [1.0, 2.0, 4.0, 8.0].iter().zip(&waits).all(|(due, wait)| near(*wait, *due)),
        "{waits:?}"
    );
    assert_eq!(ended.unwrap(), Err(Error::new("not yet")), "the last `Err` is the outcome");

    let mut all = Vec::new();
    for seed in 0..20 {
        let (waits, _) = retries(1, seed);
        for (wait, full) in waits.iter().zip([1.0, 2.0, 4.0, 8.0]) {
            assert!((full / 2.0 - 0.002..=full + 0.002).contains(wait), "{waits:?}");
        }
        all.push(waits);
    }
    let firsts = all.iter().map(|waits| waits[0]);
    let (least, most) =
        firsts.fold((f64::MAX, 0.0_f64), |(least, most), wait| (least.min(wait), most.max(wait)));
    assert!(most - least > 0.2, "jitter spreads them: {least} to {most}");
}

#[test]
fn a_timeout_bounds_all_attempts_together() {
    let (waits, ended) = retries(2, 0);
    let Err(EmbeddedError::Run(RunError::Failed(failure))) = ended else { panic!("{ended:?}") };
    assert_eq!(failure.to_string(), "slow failed after 3 attempts: slow was still running after 5000 ms");
    // Attempts at 0, 1 and 3 s of each of three deliveries.
    assert_eq!(waits.len(), 8, "{waits:?}");
}
