//! The embedded clouds behave as the platforms do: delivery, bounds, latency, bills, expiry.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda_runtime::{
    Fault, GivenUp,
    backend::{
        Arrival, Check, Created, Delivery, Handler, IndexPart, Invoked, NewRow,
        local::{
            CloudConfig, Config, FunctionConfig, LocalClouds, MAX_ABANDON_ATTEMPTS, MAX_WAIT, Observer,
            OpenError, Profile, Span, SpanOutcome, Storage, virtual_time,
        },
    },
    id::{Digest, Incarnation, ObjectKey, RowKey, RunId},
};
use tokio::time::{Instant, sleep};

const EPOCH_MS: u64 = 1_000_000;

/// What a receiver does with an event.
type Reaction = fn(&Delivery) -> Result<(), Fault>;

/// Takes `work` for each event, then reacts; notes what it saw and when.
struct Receiver {
    work: Duration,
    reaction: Reaction,
    running: AtomicU32,
    most_running: AtomicU32,
    /// The attempt and the time of each delivery.
    deliveries: Mutex<Vec<(u32, Duration)>>,
    abandoned: Mutex<Vec<(u32, String)>>,
    refuse_to_abandon: AtomicU32,
    started: Instant,
}

impl Receiver {
    fn new(work_ms: u64, reaction: Reaction) -> Arc<Self> {
        Arc::new(Receiver {
            work: Duration::from_millis(work_ms),
            reaction,
            running: AtomicU32::new(0),
            most_running: AtomicU32::new(0),
            deliveries: Mutex::default(),
            abandoned: Mutex::default(),
            refuse_to_abandon: AtomicU32::new(0),
            started: Instant::now(),
        })
    }

    fn deliveries_ms(&self) -> Vec<(u32, u128)> {
        let deliveries = self.deliveries.lock().unwrap();
        deliveries.iter().map(|(attempt, at)| (*attempt, at.as_millis())).collect()
    }
}

#[async_trait]
impl Handler for Receiver {
    async fn handle(&self, _: &str, _: Bytes, delivery: Delivery) -> Result<(), Fault> {
        self.deliveries.lock().unwrap().push((delivery.attempt, self.started.elapsed()));
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        if !self.work.is_zero() {
            sleep(self.work).await;
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        (self.reaction)(&delivery)
    }

    async fn abandon(&self, _: &str, _: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        self.abandoned.lock().unwrap().push((given_up.attempts, given_up.why));
        match self.refuse_to_abandon.load(Ordering::SeqCst) {
            0 => Ok(()),
            left => {
                self.refuse_to_abandon.store(left - 1, Ordering::SeqCst);
                Err(Fault::Crash)
            }
        }
    }
}

fn ok(_: &Delivery) -> Result<(), Fault> {
    Ok(())
}

fn crash(_: &Delivery) -> Result<(), Fault> {
    Err(Fault::Crash)
}

fn open(config: Config) -> LocalClouds {
    LocalClouds::new(Config { epoch_ms: Some(EPOCH_MS), ..config }).expect("the clouds open")
}

/// One cloud with a receiver.
fn one(cloud: CloudConfig, receiver: &Arc<Receiver>) -> LocalClouds {
    let clouds = open(Config { timeline_spans: 100, ..Config::of([cloud]) });
    clouds.serve(0, receiver.clone());
    clouds
}

async fn send(clouds: &LocalClouds, events: usize) {
    let functions = clouds.backends()[0].functions.clone();
    for _ in 0..events {
        assert_eq!(functions.invoke("f", "envelope".into()).await, Invoked::Accepted);
    }
}

#[test]
fn no_more_run_at_once_than_the_cloud_allows_and_none_is_lost() {
    virtual_time(1, async {
        let receiver = Receiver::new(10, ok);
        let clouds = one(CloudConfig { concurrency: 3, ..CloudConfig::aws("AWS") }, &receiver);
        send(&clouds, 10).await;
        assert_eq!(clouds.open_events(), 10);
        clouds.idle().await;
        assert_eq!(receiver.most_running.load(Ordering::SeqCst), 3);
        assert_eq!(receiver.deliveries_ms().len(), 10);
        assert_eq!(receiver.started.elapsed(), Duration::from_millis(40));
        assert_eq!(clouds.meter().clouds[0].cold_starts, 3);
    });
}

#[test]
fn a_full_queue_throttles_until_there_is_room() {
    virtual_time(1, async {
        let receiver = Receiver::new(10, ok);
        let cloud = CloudConfig { concurrency: 1, queue_length: 2, ..CloudConfig::aws("AWS") };
        let clouds = one(cloud, &receiver);
        send(&clouds, 2).await;
        let functions = clouds.backends()[0].functions.clone();
        assert_eq!(functions.invoke("f", Bytes::new()).await, Invoked::Throttled);
        clouds.idle().await;
        send(&clouds, 2).await;
        clouds.idle().await;
        assert_eq!(receiver.deliveries_ms().len(), 4);
        assert_eq!(clouds.meter().clouds[0].refusals, 1);
    });
}

#[test]
fn a_crash_is_delivered_again_later_and_later_on_a_new_instance() {
    virtual_time(1, async {
        let receiver = Receiver::new(0, crash);
        let profile = Some(Profile { redelivery_ms: 60_000, ..Profile::NONE });
        let clouds = one(CloudConfig { profile, ..CloudConfig::aws("AWS") }, &receiver);
        send(&clouds, 1).await;
        clouds.idle().await;
        assert_eq!(receiver.deliveries_ms(), [(1, 0), (2, 60_000), (3, 180_000)]);
        assert_eq!(*receiver.abandoned.lock().unwrap(), [(3, Fault::Crash.to_string())]);
        let usage = &clouds.meter().clouds[0];
        // Each crash takes its instance with it, so the receiver is told on a fourth.
        assert_eq!((usage.cold_starts, usage.redeliveries, usage.abandoned, usage.lost), (4, 2, 1, 0));
    });
}

#[test]
fn an_error_leaves_the_instance_warm() {
    virtual_time(1, async {
        let receiver =
            Receiver::new(0, |_| Err(Fault::Invoke { function: "g".to_owned(), cause: "down".to_owned() }));
        let clouds = one(CloudConfig::aws("AWS"), &receiver);
        send(&clouds, 1).await;
        clouds.idle().await;
        assert_eq!(clouds.meter().clouds[0].cold_starts, 1);
    });
}

#[test]
fn an_event_that_succeeds_in_the_end_is_not_abandoned() {
    virtual_time(1, async {
        let receiver =
            Receiver::new(0, |delivery| if delivery.attempt < 3 { Err(Fault::Crash) } else { Ok(()) });
        let clouds = one(CloudConfig::aws("AWS"), &receiver);
        send(&clouds, 1).await;
        clouds.idle().await;
        assert_eq!(receiver.deliveries_ms().len(), 3);
        assert_eq!(*receiver.abandoned.lock().unwrap(), []);
    });
}

#[test]
fn a_receiver_that_will_not_hear_of_an_abandoned_event_is_told_a_bounded_number_of_times() {
    for (refusals, told, lost) in [(1, 2, 0), (u32::MAX, MAX_ABANDON_ATTEMPTS, 1)] {
        virtual_time(1, async {
            let receiver = Receiver::new(0, crash);
            receiver.refuse_to_abandon.store(refusals, Ordering::SeqCst);
            let clouds = one(CloudConfig::aws("AWS"), &receiver);
            send(&clouds, 1).await;
            clouds.idle().await;
            assert_eq!(receiver.abandoned.lock().unwrap().len(), told as usize);
            assert_eq!(clouds.meter().clouds[0].lost, lost);
        });
    }
}

#[test]
fn the_platform_kills_what_runs_longer_than_its_timeout() {
    virtual_time(1, async {
        let receiver = Receiver::new(5_000, ok);
        let timeout = Some(Duration::from_secs(1));
        let functions = Some(vec![FunctionConfig { timeout, ..FunctionConfig::new("f") }]);
        let cloud = CloudConfig { functions, redeliveries: Some(0), ..CloudConfig::aws("AWS") };
        let clouds = one(cloud, &receiver);
        send(&clouds, 1).await;
        clouds.idle().await;
        let abandoned = receiver.abandoned.lock().unwrap();
        assert_eq!(*abandoned, [(1, "f was still running after 1000 ms".to_owned())]);
        assert_eq!(clouds.timeline().spans[0].outcome, SpanOutcome::Died);
        assert_eq!(clouds.timeline().spans[0].end_us, 1_000_000);
    });
}

#[test]
fn an_instance_stays_warm_for_as_long_as_it_is_kept() {
    virtual_time(1, async {
        let receiver = Receiver::new(0, ok);
        let profile = Some(Profile { cold_start_ms: 20, ..Profile::NONE });
        let keep_warm = Duration::from_secs(60);
        let clouds = one(CloudConfig { keep_warm, profile, ..CloudConfig::aws("AWS") }, &receiver);
        for (pause_s, cold) in [(0, true), (59, false), (59, false), (61, true)] {
            sleep(Duration::from_secs(pause_s)).await;
            let before = Instant::now();
            send(&clouds, 1).await;
            clouds.idle().await;
            assert_eq!(before.elapsed().as_millis(), if cold { 20 } else { 0 }, "after {pause_s} s");
            assert_eq!(clouds.timeline().spans.last().map(|span| span.cold), Some(cold));
        }
    });
}

#[test]
fn a_cloud_that_is_down_takes_nothing_but_finishes_what_it_took() {
    virtual_time(1, async {
        let receiver = Receiver::new(10, ok);
        let clouds = one(CloudConfig::aws("AWS"), &receiver);
        send(&clouds, 1).await;
        clouds.set_available(0, false);
        let functions = clouds.backends()[0].functions.clone();
        assert!(matches!(functions.invoke("f", Bytes::new()).await, Invoked::Unavailable(_)));
        clouds.set_available(0, true);
        send(&clouds, 1).await;
        clouds.idle().await;
        assert_eq!(receiver.deliveries_ms().len(), 2);
    });
}

#[test]
fn shutdown_forgets_what_waits_and_waits_for_what_runs() {
    virtual_time(1, async {
        let receiver = Receiver::new(10, |delivery| match delivery.attempt {
            1 => Err(Fault::Crash),
            _ => Ok(()),
        });
        let profile = Some(Profile { redelivery_ms: 1_000_000, ..Profile::NONE });
        let clouds = one(CloudConfig { concurrency: 1, profile, ..CloudConfig::aws("AWS") }, &receiver);
        send(&clouds, 3).await;
        sleep(Duration::from_millis(15)).await;
        // The first waits to be delivered again, the second runs, the third waits for a permit.
        clouds.shutdown().await;
        assert_eq!(receiver.deliveries_ms(), [(1, 0), (1, 10)]);
        assert_eq!(receiver.started.elapsed(), Duration::from_millis(20));
        assert_eq!(clouds.open_events(), 0);
        let functions = clouds.backends()[0].functions.clone();
        assert!(matches!(functions.invoke("f", Bytes::new()).await, Invoked::Unavailable(_)));
    });
}

#[test]
fn duplicates_are_drawn_from_the_seed() {
    let deliveries = |seed| {
        virtual_time(seed, async {
            let receiver = Receiver::new(1, ok);
            let cloud = CloudConfig { duplicate_percent: 30, ..CloudConfig::aws("AWS") };
            let clouds = open(Config { seed, ..Config::of([cloud]) });
            clouds.serve(0, receiver.clone());
            for _ in 0..100 {
                send(&clouds, 1).await;
                clouds.idle().await;
            }
            receiver.deliveries_ms()
        })
    };
    let first = deliveries(1);
    assert!((110..150).contains(&first.len()), "{} deliveries of 100 events", first.len());
    assert_eq!(first, deliveries(1));
    assert_ne!(first, deliveries(2));
}

#[test]
fn jitter_is_drawn_from_the_seed_and_only_lengthens() {
    let spans = |seed| {
        virtual_time(seed, async {
            let profile = Profile { queue_ms: 100, jitter_percent: 50, ..Profile::NONE };
            let clouds =
                open(Config { seed, profile, timeline_spans: 100, ..Config::of([CloudConfig::aws("AWS")]) });
            clouds.serve(0, Receiver::new(0, ok));
            send(&clouds, 50).await;
            clouds.idle().await;
            clouds.timeline().spans
        })
    };
    let first = spans(1);
    assert!(first.iter().all(|span| (100_000..=151_000).contains(&span.start_us)));
    assert_eq!(first, spans(1));
    assert_ne!(first, spans(2));
}

#[test]
fn latency_depends_on_where_the_caller_is() {
    virtual_time(1, async {
        let profile = Profile {
            invoke_ms: 20,
            invoke_cross_ms: 60,
            queue_ms: 5,
            table_ms: 6,
            table_cross_ms: 46,
            ..Profile::NONE
        };
        let clouds =
            open(Config { profile, ..Config::of([CloudConfig::aws("AWS"), CloudConfig::aliyun("ALI")]) });
        let receivers = [Receiver::new(0, ok), Receiver::new(0, ok)];
        clouds.serve(0, receivers[0].clone());
        clouds.serve(1, receivers[1].clone());
        let from_aws = clouds.backends_from(0);
        for (to, accepted_ms, table_ms) in [(0, 20, 6), (1, 60, 46)] {
            let before = Instant::now();
            from_aws[to].functions.invoke("f", Bytes::new()).await;
            assert_eq!(before.elapsed().as_millis(), accepted_ms);
            let before = Instant::now();
            from_aws[to].table.get(&RowKey::run(&RunId::derive("w", "k"))).await.expect("get");
            assert_eq!(before.elapsed().as_millis(), table_ms);
        }
        assert_eq!(receivers[0].deliveries_ms(), [(1, 10 + 5)]);
        assert_eq!(receivers[1].deliveries_ms(), [(1, 26 + 30 + 5)]);
    });
}

#[test]
fn only_bytes_between_clouds_count_as_egress() {
    virtual_time(1, async {
        let clouds = open(Config::of([CloudConfig::aws("AWS"), CloudConfig::aliyun("ALI")]));
        clouds.serve(0, Receiver::new(0, ok));
        clouds.serve(1, Receiver::new(0, ok));
        let egress = || clouds.meter().clouds.iter().map(|usage| usage.egress_bytes).collect::<Vec<_>>();
        let envelope = Bytes::from(vec![0; 1000]);
        for backends in [clouds.backends(), clouds.backends_for_client()] {
            for backend in backends {
                backend.functions.invoke("f", envelope.clone()).await;
                let run = RunId::derive("w", &backend.name);
                let object = ObjectKey::new(&Incarnation::of(&run, 0), &Digest::of(&envelope));
                backend.objects.put(&object, envelope.clone()).await.expect("put");
                backend.objects.get(&object).await.expect("get");
            }
        }
        assert_eq!(egress(), [0, 0]);
        let ali = &clouds.backends_from(0)[1];
        ali.functions.invoke("f", envelope.clone()).await;
        assert_eq!(egress(), [1000, 0]);
        let run = RunId::derive("w", "ALI");
        ali.objects
            .get(&ObjectKey::new(&Incarnation::of(&run, 0), &Digest::of(&envelope)))
            .await
            .expect("get");
        assert_eq!(egress(), [1000, 1000], "what a store answers is sent by its own cloud");
    });
}

#[test]
fn rows_are_billed_by_their_whole_size() {
    virtual_time(1, async {
        let clouds = open(Config::of([CloudConfig::aws("AWS")]));
        let table = clouds.backends()[0].table.clone();
        let key = RowKey::run(&RunId::derive("w", "k"));
        let units = || {
            let usage = &clouds.meter().clouds[0];
            (usage.write_units, usage.read_units)
        };
        let body = Bytes::from(vec![0; 4096 - key.as_str().len()]);
        let row = NewRow { body, expires_at: EPOCH_MS * 2, ..NewRow::default() };
        assert_eq!(table.create(&key, row.clone()).await, Ok(Created::New));
        assert_eq!(units(), (4, 0));
        table.get(&key).await.expect("get");
        assert_eq!(units(), (4, 1));
        let arrival = Arrival { value: "x".into(), ..Arrival::at(0, 1, EPOCH_MS * 2) };
        table.arrive(&key, arrival).await.expect("arrive");
        assert_eq!(units(), (4 + 5, 1), "the update is billed by the row of 4 KB and a little");
        table.get(&key).await.expect("get");
        assert_eq!(units(), (9, 1 + 2));
        table.create(&key, row).await.expect("create");
        assert_eq!(units(), (9 + 5, 3), "a create that finds the row is billed by the row");
        table.get(&RowKey::run(&RunId::derive("w", "missing"))).await.expect("get");
        assert_eq!(units(), (14, 4));
    });
}

#[test]
fn a_bill_has_an_item_for_everything_used() {
    virtual_time(1, async {
        let receiver = Receiver::new(250, ok);
        let function = FunctionConfig { memory_mb: 2048, ..FunctionConfig::new("f") };
        let functions = Some(vec![function]);
        let clouds = one(CloudConfig { functions, ..CloudConfig::aws("AWS") }, &receiver);
        let before = clouds.meter();
        send(&clouds, 4).await;
        clouds.idle().await;
        let used = clouds.meter().since(&before);
        assert_eq!(used.clouds[0].gb_seconds(), 2.0);
        let cost = used.cost();
        let items: Vec<_> = cost.items.iter().map(|item| (item.what, item.quantity)).collect();
        assert_eq!(items, [("invocations", 4.0), ("memory", 2.0)]);
        let expected = 4.0 * 0.20 / 1e6 + 2.0 * 0.000_016_666_7;
        assert!((cost.usd() - expected).abs() < 1e-12, "{cost}");
        assert!(cost.to_string().ends_with(&format!("${expected:.9}")), "{cost}");
    });
}

#[test]
fn a_row_disappears_after_its_time_and_never_before() {
    let directory = tempfile::tempdir().expect("a directory");
    for storage in [Storage::Memory, Storage::Disk(directory.path().to_owned())] {
        virtual_time(1, expire(storage));
    }
}

async fn expire(storage: Storage) {
    let clouds = [CloudConfig::aws("AWS"), CloudConfig::aliyun("ALI")];
    let clouds = open(Config { storage, ..Config::of(clouds) });
    let key = |name: &str| RowKey::run(&RunId::derive("w", name));
    for backend in clouds.backends() {
        let table = &backend.table;
        let check = Some(Check { at: table.now(), ..Check::default() });
        let expires_at = table.now() + 1000;
        for name in ["asked for", "swept"] {
            let row = NewRow { body: name.into(), check, expires_at, ..NewRow::default() };
            table.create(&key(name), row).await.expect("create");
        }
        let arrival = Arrival { value: "old".into(), ..Arrival::at(0, 2, expires_at) };
        table.arrive(&key("joined"), arrival).await.expect("arrive");
        table.create(&key("stays"), NewRow::default()).await.expect("create");
    }
    sleep(Duration::from_millis(999)).await;
    for backend in clouds.backends() {
        assert!(backend.table.get(&key("asked for")).await.expect("get").is_some());
    }
    assert_eq!(clouds.sweep_expired().await, Ok(0));
    sleep(Duration::from_millis(1)).await;
    for backend in clouds.backends() {
        let table = &backend.table;
        assert_eq!(table.due(IndexPart::default(), u64::MAX, 10).await, Ok(vec![]));
        assert_eq!(table.get(&key("asked for")).await, Ok(None));
        let arrival = Arrival { value: "new".into(), ..Arrival::at(1, 2, u64::MAX) };
        let arrived = table.arrive(&key("joined"), arrival).await.expect("arrive");
        assert_eq!(arrived.filled, 1, "the old slots went with the row");
        let slots = table.get(&key("joined")).await.expect("get").expect("the row").slots;
        assert_eq!(slots.into_iter().collect::<Vec<_>>(), [(1, "new".into())]);
    }
    clouds.sweep_expired().await.expect("sweep");
    assert_eq!(clouds.sweep_expired().await, Ok(0), "all went at once");
    for backend in clouds.backends() {
        assert!(backend.table.get(&key("stays")).await.expect("get").is_some());
    }
}

#[test]
fn a_sweep_takes_rows_out_of_the_run_index_too() {
    let directory = tempfile::tempdir().expect("a directory");
    for storage in [Storage::Memory, Storage::Disk(directory.path().to_owned())] {
        virtual_time(1, async {
            let clouds = open(Config { storage, ..Config::of([CloudConfig::aws("AWS")]) });
            let table = clouds.backends()[0].table.clone();
            let key = RowKey::run(&RunId::derive("w", "swept"));
            let check = Some(Check::default());
            let row = NewRow { check, expires_at: table.now() + 1, ..NewRow::default() };
            table.create(&key, row).await.expect("create");
            sleep(Duration::from_millis(1)).await;
            assert_eq!(clouds.sweep_expired().await, Ok(1));
            assert_eq!(table.due(IndexPart::default(), u64::MAX, 10).await, Ok(vec![]));
        });
    }
}

#[test]
fn a_wait_ends_with_the_change_even_if_that_came_before_it() {
    virtual_time(1, async {
        let clouds = open(Config::of([CloudConfig::aws("AWS")]));
        let table = clouds.backends()[0].table.clone();
        let key = RowKey::run(&RunId::derive("w", "k"));
        let arrival = |slot| Arrival { value: "x".into(), ..Arrival::at(slot, 9, u64::MAX) };

        table.get(&key).await.expect("get");
        let before = Instant::now();
        tokio::join!(table.changed(&key), async {
            sleep(MAX_WAIT / 4).await;
            table.arrive(&key, arrival(0)).await.expect("arrive");
        });
        assert_eq!(before.elapsed(), MAX_WAIT / 4, "it was woken");

        table.get(&key).await.expect("get");
        table.arrive(&key, arrival(1)).await.expect("arrive");
        let before = Instant::now();
        table.changed(&key).await;
        assert_eq!(before.elapsed(), Duration::ZERO, "the change came between the read and the wait");

        table.get(&key).await.expect("get");
        table.arrive(&key, arrival(1)).await.expect("arrive");
        let before = Instant::now();
        table.changed(&key).await;
        assert_eq!(before.elapsed(), MAX_WAIT, "nothing has changed");
    });
}

#[test]
fn a_timeline_keeps_no_more_than_it_was_told_to() {
    virtual_time(1, async {
        let clouds = open(Config { timeline_spans: 3, ..Config::of([CloudConfig::aws("AWS")]) });
        clouds.serve(0, Receiver::new(2, ok));
        send(&clouds, 5).await;
        clouds.idle().await;
        let timeline = clouds.timeline();
        assert_eq!((timeline.spans.len(), timeline.dropped), (3, 2));
        let function = "f".into();
        let outcome = SpanOutcome::Done;
        let expected =
            Span { cloud: 0, function, start_us: 0, end_us: 2000, cold: true, attempt: 1, outcome };
        assert_eq!(timeline.spans[0], expected);
    });
}

#[derive(Default)]
struct Count {
    started: AtomicU32,
    ended: AtomicU32,
}

impl Observer for Count {
    fn started(&self, _: usize, _: &Arc<str>, _: u32) {
        self.started.fetch_add(1, Ordering::SeqCst);
    }

    fn ended(&self, _: &Span) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_observer_sees_executions_as_they_happen() {
    virtual_time(1, async {
        let clouds = open(Config::of([CloudConfig::aws("AWS")]));
        clouds.serve(0, Receiver::new(10, ok));
        let count = Arc::new(Count::default());
        clouds.observe(count.clone());
        send(&clouds, 2).await;
        sleep(Duration::from_millis(5)).await;
        assert_eq!(count.started.load(Ordering::SeqCst), 2);
        assert_eq!(count.ended.load(Ordering::SeqCst), 0);
        clouds.idle().await;
        assert_eq!(count.ended.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn handlers_are_released_with_the_clouds() {
    virtual_time(1, async {
        let receiver = Receiver::new(0, ok);
        let clouds = one(CloudConfig::aws("AWS"), &receiver);
        send(&clouds, 1).await;
        clouds.idle().await;
        drop(clouds);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&receiver), 1);
    });
}

#[test]
fn clouds_that_make_no_sense_are_refused() {
    let refused = |clouds: Vec<CloudConfig>| match LocalClouds::new(Config::of(clouds)) {
        Err(OpenError::Config(message)) => message,
        _ => panic!("they were not refused"),
    };
    let twice = refused(vec![CloudConfig::aws("A"), CloudConfig::aliyun("A")]);
    assert_eq!(twice, "two clouds are called `A`");
    let idle = refused(vec![CloudConfig { concurrency: 0, ..CloudConfig::aws("A") }]);
    assert_eq!(idle, "`A` has no room for a single execution");
}
