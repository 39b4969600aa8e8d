//! How fast the embedded clouds are on this machine:
//! `cargo run --release -p jointlambda-runtime --example local_speed`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda_runtime::{
    Fault, GivenUp,
    backend::{
        Arrival, Backend, Delivery, Handler, NewRow,
        local::{CloudConfig, Config, FunctionConfig, LocalClouds, Profile, Storage},
    },
    id::{Incarnation, RowKey, RunId},
};

const ROWS: usize = 200_000;
const SLOTS: u32 = 20;
const EVENTS: usize = 500_000;
const WRITES: u32 = 4_000;
const BODY: &[u8] = &[7; 200];

/// Counts events, or holds them for ever.
#[derive(Default)]
struct Receiver {
    count: AtomicU64,
    hold: bool,
}

#[async_trait]
impl Handler for Receiver {
    async fn handle(&self, _: &str, _: Bytes, _: Delivery) -> Result<(), Fault> {
        if self.hold {
            std::future::pending::<()>().await;
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn abandon(&self, _: &str, _: Bytes, _: GivenUp) -> Result<(), Fault> {
        Ok(())
    }
}

/// Passes each event on until its number is 0: a chain of invocations.
struct Relay(Backend);

#[async_trait]
impl Handler for Relay {
    async fn handle(&self, function: &str, envelope: Bytes, _: Delivery) -> Result<(), Fault> {
        let left = u64::from_le_bytes(envelope[..8].try_into().expect("a number"));
        if left > 0 {
            let next = Bytes::copy_from_slice(&(left - 1).to_le_bytes());
            self.0.functions.invoke(function, next).await;
        }
        Ok(())
    }

    async fn abandon(&self, _: &str, _: Bytes, _: GivenUp) -> Result<(), Fault> {
        Ok(())
    }
}

fn open(cloud: CloudConfig, storage: Storage) -> LocalClouds {
    LocalClouds::new(Config { storage, ..Config::of([cloud]) }).expect("the clouds open")
}

fn keys(rows: usize) -> Vec<RowKey> {
    let run = Incarnation::of(&RunId::derive("speed", "run"), 0);
    (0..rows).map(|i| RowKey::instance(&run, (i >> 16) as u16, &[(i & 0xffff) as u32])).collect()
}

fn row() -> NewRow {
    NewRow { body: Bytes::from_static(BODY), expires_at: u64::MAX, ..NewRow::default() }
}

fn arrival(slot: u32) -> Arrival {
    Arrival { value: Bytes::from_static(b"value"), ..Arrival::at(slot, SLOTS, u64::MAX) }
}

fn report(what: &str, operations: usize, took: Duration) {
    println!("{what:55} {:>9.3} µs each", took.as_secs_f64() * 1e6 / operations as f64);
}

async fn table_in_memory() {
    let clouds = open(CloudConfig::aws("AWS"), Storage::Memory);
    let table = clouds.backends()[0].table.clone();
    let keys = keys(ROWS);

    let started = Instant::now();
    for key in &keys {
        table.create(key, row()).await.expect("create");
    }
    report("memory: create", ROWS, started.elapsed());

    let started = Instant::now();
    for key in &keys {
        table.create(key, row()).await.expect("create");
    }
    report("memory: create, the row is there", ROWS, started.elapsed());

    let started = Instant::now();
    for key in &keys {
        table.get(key).await.expect("get");
    }
    report("memory: get", ROWS, started.elapsed());

    let run = Incarnation::of(&RunId::derive("speed", "joins"), 0);
    let joins: Vec<_> = (0..ROWS as u32 / SLOTS).map(|i| RowKey::join(&run, 1, &[i], 0, 0)).collect();
    let started = Instant::now();
    for key in &joins {
        for slot in 0..SLOTS {
            table.arrive(key, arrival(slot)).await.expect("arrive");
        }
    }
    report("memory: arrive (1 of 20 returns the full row)", ROWS, started.elapsed());
}

async fn queue(what: &str, timeout: Option<Duration>) {
    println!("queue, {what}:");
    let functions = Some(vec![FunctionConfig { timeout, ..FunctionConfig::new("f") }]);
    let cloud = CloudConfig { queue_length: EVENTS, functions, ..CloudConfig::aws("AWS") };
    let clouds = open(cloud, Storage::Memory);
    let receiver = Arc::new(Receiver::default());
    clouds.serve(0, receiver.clone());
    let functions = clouds.backends()[0].functions.clone();
    let started = Instant::now();
    for _ in 0..EVENTS {
        functions.invoke("f", Bytes::from_static(BODY)).await;
    }
    clouds.idle().await;
    assert_eq!(receiver.count.load(Ordering::Relaxed), EVENTS as u64);
    report("  one caller, many events", EVENTS, started.elapsed());

    clouds.serve(0, Arc::new(Relay(clouds.backends()[0].clone())));
    let started = Instant::now();
    let first = Bytes::copy_from_slice(&(EVENTS as u64).to_le_bytes());
    functions.invoke("f", first).await;
    clouds.idle().await;
    report("  a chain, each event invokes the next", EVENTS, started.elapsed());
    clouds.shutdown().await;
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

async fn memory_of_events(what: &str, profile: Profile) {
    let cloud = CloudConfig { queue_length: EVENTS, concurrency: 1, ..CloudConfig::aws("AWS") };
    let clouds = open(CloudConfig { profile: Some(profile), ..cloud }, Storage::Memory);
    clouds.serve(0, Arc::new(Receiver { hold: true, ..Receiver::default() }));
    let functions = clouds.backends()[0].functions.clone();
    let before = resident_bytes();
    for _ in 0..EVENTS {
        functions.invoke("f", Bytes::from_static(BODY)).await;
    }
    let grown = resident_bytes().saturating_sub(before);
    println!("{what:55} {:>9} bytes each", grown / EVENTS);
    // The function that is running never ends, so the clouds are only dropped.
}

async fn table_on_disk(callers: u32) {
    let directory = std::env::temp_dir().join(format!("local_speed-{}", std::process::id()));
    let clouds = open(CloudConfig::aws("AWS"), Storage::Disk(directory.clone()));
    let table = clouds.backends()[0].table.clone();
    let run = Incarnation::of(&RunId::derive("speed", &callers.to_string()), 0);
    let writes = WRITES / if callers == 1 { 10 } else { 1 };
    let started = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (table, run) = (table.clone(), run);
            tokio::spawn(async move {
                for i in 0..writes / callers {
                    table.create(&RowKey::instance(&run, 1, &[caller, i]), row()).await.expect("create");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a writer");
    }
    report(&format!("disk: durable create, {callers} callers"), writes as usize, started.elapsed());

    let started = Instant::now();
    for i in 0..writes / callers {
        table.get(&RowKey::instance(&run, 1, &[0, i])).await.expect("get").expect("the row");
    }
    report("disk: get", (writes / callers) as usize, started.elapsed());
    clouds.shutdown().await;
    std::fs::remove_dir_all(directory).expect("the directory is removed");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        table_in_memory().await;
        for (what, timeout) in [("no timeouts", None), ("timeouts", Some(Duration::from_secs(60)))] {
            tokio::spawn(queue(what, timeout)).await.expect("the queue");
        }
        memory_of_events("queue: an event that waits for a permit", Profile::NONE).await;
        memory_of_events(
            "queue: an event whose delay is running",
            Profile { queue_ms: 60_000, ..Profile::NONE },
        )
        .await;
        for callers in [1, 8, 64, 512] {
            table_on_disk(callers).await;
        }
    });
    runtime.shutdown_background();
}
