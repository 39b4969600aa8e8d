//! Wide maps in virtual time, against what jointlambda does not do: one row where all branches
//! arrive, and one function that starts them all through ten requests at a time.
//!
//! Everything runs on the same embedded clouds, with the latencies of Tokyo and the providers'
//! limits. Only the number of concurrent executions is not limited, but for the last column.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use jointlambda::{
    Fault, GivenUp, Options,
    backend::{
        Arrival, Arrived, Backend, Delivery, Handler, Invoked, NewRow, StoreError,
        local::{CloudConfig, Config, DEFAULT_CONCURRENCY, LocalClouds, Observer, Profile, virtual_time},
    },
    embedded::Embedded,
    id::{Incarnation, RowKey, RunId},
    provider::Provider,
};
use tokio::{
    sync::{Mutex as Line, Notify},
    time::{Instant, sleep},
};

use crate::workflows::spread::Spread;

/// How many branches.
const SIZES: [u32; 5] = [10, 100, 1_000, 10_000, 100_000];
/// The dispatcher's threads, as in the paper.
const THREADS: usize = 10;
/// When the runs begin, so that they are the same each time.
const EPOCH_MS: u64 = 1_000_000;

/// What a map took.
struct Took {
    makespan: Duration,
    /// Until the last branch was delivered.
    last_start: Duration,
    largest_row_bytes: u64,
    /// How many branches had arrived when the row was full before they all had.
    over: Option<u32>,
}

/// Prints the table.
pub(crate) fn table() {
    let aws = Provider::Aws.limits();
    println!(
        "| branches | jointlambda | last start | one flat join | its row | {THREADS} threads | last start | \
         jointlambda, {DEFAULT_CONCURRENCY} executions at once |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for n in SIZES {
        let ours = jointlambda(n, usize::MAX);
        let flat = plain(n, Start::Relays, n);
        let threads = plain(n, Start::Threads, WIDTH);
        let limited = jointlambda(n, DEFAULT_CONCURRENCY);
        let (flat_makespan, flat_row) = match flat.over {
            None => (seconds(flat.makespan), kb(flat.largest_row_bytes)),
            Some(arrived) => (
                format!("never: full after {arrived} branches and {}", seconds(flat.makespan)),
                format!("over {}", kb(aws.row_bytes as u64)),
            ),
        };
        println!(
            "| {n} | {} | {} | {flat_makespan} | {flat_row} | {} | {} | {} |",
            seconds(ours.makespan),
            seconds(ours.last_start),
            seconds(threads.makespan),
            seconds(threads.last_start),
            seconds(limited.makespan),
        );
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn kb(bytes: u64) -> String {
    format!("{:.1} KB", bytes as f64 / 1024.0)
}

/// A map as jointlambda runs it.
fn jointlambda(n: u32, concurrency: usize) -> Took {
    let mut config = Embedded::<Spread>::config();
    config.profile = Profile::TOKYO;
    config.epoch_ms = Some(EPOCH_MS);
    config.clouds[0].concurrency = concurrency;
    virtual_time(1, async move {
        let clouds = Embedded::<Spread>::new(config, Options::default()).expect("the clouds open");
        let starts = Arc::new(Starts::default());
        clouds.clouds().observe(starts.clone());
        let began = Instant::now();
        let sum = clouds.run("map", u64::from(n)).await.expect("the run ends");
        let makespan = began.elapsed();
        assert_eq!(sum, (0..u64::from(n)).map(|x| x * x).sum::<u64>());
        took(clouds.clouds(), &starts, began, makespan, None)
    })
}

/// The same map by hand: it makes the rows that jointlambda makes, reads none beside the functions,
/// and carries no values.
fn plain(n: u32, start: Start, width: u32) -> Took {
    let cloud = CloudConfig { concurrency: usize::MAX, ..CloudConfig::aws("AWS") };
    let config = Config { profile: Profile::TOKYO, epoch_ms: Some(EPOCH_MS), ..Config::of([cloud]) };
    virtual_time(1, async move {
        let clouds = LocalClouds::new(config).expect("the clouds open");
        let starts = Arc::new(Starts::default());
        clouds.observe(starts.clone());
        let map = Arc::new(PlainMap::new(n, start, width, clouds.backends().remove(0)));
        clouds.serve(0, map.clone());
        let client = clouds.backends_for_client().remove(0);
        let began = Instant::now();
        let over = tokio::select! {
            () = map.run(&client) => None,
            () = map.is_over.notified() => Some(map.arrived.load(Relaxed)),
        };
        took(&clouds, &starts, began, began.elapsed(), over)
    })
}

fn took(
    clouds: &LocalClouds,
    starts: &Starts,
    began: Instant,
    makespan: Duration,
    over: Option<u32>,
) -> Took {
    let usage = clouds.meter().total().expect("there is a cloud");
    let last = starts.0.lock().expect("no observer panics").expect("a branch has started");
    Took { makespan, last_start: last - began, largest_row_bytes: usage.largest_row_bytes, over }
}

/// When the last branch was delivered.
#[derive(Default)]
struct Starts(Mutex<Option<Instant>>);

impl Observer for Starts {
    fn started(&self, _: usize, function: &Arc<str>, _: u32) {
        if &**function == BRANCH {
            *self.0.lock().expect("no observer panics") = Some(Instant::now());
        }
    }
}

/// How the branches of a [`PlainMap`] are started.
#[derive(Clone, Copy, PartialEq)]
enum Start {
    /// As jointlambda starts them.
    Relays,
    /// By one function, through so many requests at a time.
    Threads,
}

// What jointlambda does, for the part that is to be the same.
const WIDTH: u32 = 128;
const DIRECT: u32 = 256;
const RELAYS: u32 = 64;
const REQUESTS: usize = 64;
/// What jointlambda keeps in a slot for such a branch.
const SLOT: &[u8] = &[0; 19];

const PARENT: &str = "count";
const RELAY: &str = "relay";
const BRANCH: &str = "square";
const LAST: &str = "sum";

/// A map written by hand on the services of one cloud.
struct PlainMap {
    n: u32,
    start: Start,
    /// Slots of a join row.
    width: u32,
    cloud: Backend,
    run: RunId,
    /// Where throttled arrivals wait.
    line: Line<()>,
    arrived: AtomicU32,
    /// A join row has reached the provider's limit.
    is_over: Notify,
}

impl PlainMap {
    fn new(n: u32, start: Start, width: u32, cloud: Backend) -> Self {
        let run = RunId::derive("plain", "map");
        PlainMap {
            n,
            start,
            width,
            cloud,
            run,
            line: Line::default(),
            arrived: AtomicU32::new(0),
            is_over: Notify::new(),
        }
    }

    /// What a client does: starts the run, and waits for its end.
    async fn run(&self, cloud: &Backend) {
        let key = RowKey::run(&self.run);
        cloud.table.create(&key, NewRow::default()).await.expect("the run's row is made");
        invoke(cloud, PARENT, 0..self.n).await;
        loop {
            let row = cloud.table.get(&key).await.expect("the run's row is read");
            if row.is_some_and(|row| !row.slots.is_empty()) {
                return;
            }
            cloud.table.changed(&key).await;
        }
    }

    async fn spread(&self, branches: Range<u32>) {
        let (to, part, at_once) = match self.start {
            Start::Threads => (BRANCH, 1, THREADS),
            Start::Relays if branches.len() as u32 <= DIRECT => (BRANCH, 1, REQUESTS),
            Start::Relays => (RELAY, (branches.len() as u32).div_ceil(RELAYS).max(DIRECT / 4), REQUESTS),
        };
        let parts = branches.clone().step_by(part as usize);
        let parts = parts.map(|first| first..(first + part).min(branches.end));
        stream::iter(parts).for_each_concurrent(at_once, |part| invoke(&self.cloud, to, part)).await;
    }

    /// A branch ends: the last of a row goes on.
    async fn arrive(&self, branch: u32) -> Result<(), StoreError> {
        let (mut level, mut index, mut of) = (0, branch, self.n);
        let mut value = SLOT;
        loop {
            let row = index / self.width;
            let slots = self.width.min(of - row * self.width);
            let key = RowKey::join(&Incarnation::of(&self.run, 0), 0, &[], level, row);
            let arrival = Arrival { value: value.into(), ..Arrival::at(index % self.width, slots, 0) };
            let filled = self.write(&key, arrival).await?.filled;
            if level == 0 {
                self.arrived.fetch_add(1, Relaxed);
            }
            if filled < slots {
                return Ok(());
            }
            if of <= self.width {
                break;
            }
            (level, index, of, value) = (level + 1, row, of.div_ceil(self.width), &[]);
        }
        if level > 0 {
            let of = Incarnation::of(&self.run, 0);
            let rows = (0..self.n.div_ceil(self.width)).map(|row| RowKey::join(&of, 0, &[], 0, row));
            self.cloud.table.get_many(&rows.collect::<Vec<_>>()).await?;
        }
        invoke(&self.cloud, LAST, 0..0).await;
        Ok(())
    }

    /// Fills a slot, however long that takes. Those that are throttled wait in line, and the first
    /// of them tries again: no client that has only its own request to go by could do better.
    async fn write(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        const AGAIN: Duration = Duration::from_millis(10);
        let table = &self.cloud.table;
        match table.arrive(key, arrival.clone()).await {
            Err(StoreError::Throttled) => {}
            done => return done,
        }
        let _first = self.line.lock().await;
        loop {
            match table.arrive(key, arrival.clone()).await {
                Err(StoreError::Throttled) => sleep(AGAIN).await,
                done => return done,
            }
        }
    }

    async fn handle(&self, function: &str, branches: Range<u32>) -> Result<(), StoreError> {
        match function {
            PARENT => {
                let row = RowKey::instance(&Incarnation::of(&self.run, 0), 0, &[]);
                self.cloud.table.create(&row, NewRow::default()).await?;
                self.spread(branches).await;
                Ok(())
            }
            RELAY => {
                self.spread(branches).await;
                Ok(())
            }
            BRANCH => self.arrive(branches.start).await,
            _ => {
                let end = Arrival { value: SLOT.into(), ..Arrival::at(0, 1, 0) };
                self.write(&RowKey::run(&self.run), end).await.map(drop)
            }
        }
    }
}

#[async_trait]
impl Handler for PlainMap {
    async fn handle(&self, function: &str, branches: Bytes, _: Delivery) -> Result<(), Fault> {
        let number = |at: usize| branches[at..at + 4].try_into().map(u32::from_le_bytes).expect("4 bytes");
        match PlainMap::handle(self, function, number(0)..number(4)).await {
            Err(StoreError::TooLarge { .. }) => self.is_over.notify_one(),
            done => done?,
        }
        Ok(())
    }

    async fn abandon(&self, function: &str, _: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        panic!("gave up on {function}: {}", given_up.why)
    }
}

/// Sends some branches to a function.
async fn invoke(cloud: &Backend, function: &str, branches: Range<u32>) {
    let event = [branches.start.to_le_bytes(), branches.end.to_le_bytes()].concat();
    let invoked = cloud.functions.invoke(function, event.into()).await;
    assert_eq!(invoked, Invoked::Accepted);
}
