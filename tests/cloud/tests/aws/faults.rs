//! Every single fault of small runs whose rows are in DynamoDB Local. All else is virtual: functions
//! and objects are embedded, and time stands still while a request is on its way.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use jointlambda::{
    Client, Options, Runtime, Workflow,
    backend::{
        Arrival, Arrived, Backend, Created, NewRow, Page, Row, StoreError, Table, Timestamp,
        fault::{Action, Faults, Operation, Schedule},
        local::{Clock, Config, LocalClouds, virtual_time},
    },
    embedded::Embedded,
    id::RowKey,
};
use jointlambda_cloud_tests::{Account, Standin};

/// Something else for every execution, so that it is seen when two copies of one both count.
fn nonce() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}

mod chain {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn chain(x: u64) -> (u64, bool) {
            let (y, drawn) = first(x).await;
            second(y, drawn, drawn).await
        }

        #[function(on = AWS)]
        async fn first(x: u64) -> (u64, u64) { (x + 1, super::nonce()) }

        #[function(on = AWS)]
        async fn second(x: u64, drawn: u64, again: u64) -> (u64, bool) { (x * 2, drawn == again) }
    }
}

mod fan {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn fan(list: Vec<u64>) -> u64 {
            let all = fan_out(list, async |x| draw(x).await).await;
            let sum = all.iter().map(|(x, _)| x).sum::<u64>();
            last(sum, super::nonce()).await
        }

        #[function(on = AWS)]
        async fn draw(x: u64) -> (u64, u64) { (x + 1, super::nonce()) }

        #[function(on = AWS)]
        async fn last(x: u64, _salt: u64) -> u64 { x * 2 }
    }
}

mod pick {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn pick(list: Vec<u64>) -> Result<bool> {
            let picked = first_ok(1, list, async |x| ask(x).await).await?;
            let (a, b) = join!(see(picked.clone()), see(picked.clone()));
            Ok(a == b && a == picked)
        }

        #[function(on = AWS)]
        async fn ask(x: u64) -> Result<(u64, u64)> {
            if x == 0 {
                return Err(Error::new("zero"));
            }
            Ok((x, super::nonce()))
        }

        #[function(on = AWS)]
        async fn see(picked: Vec<(u64, u64)>) -> Vec<(u64, u64)> { picked }
    }
}

/// When a trial begins, by the virtual clock.
const EPOCH_MS: u64 = 1_800_000_000_000;
/// How often whoever waits for a run looks: each look is a request.
const LOOK: Duration = Duration::from_secs(20);
/// How often a client that crashed starts its run again.
const CLIENT_TRIES: usize = 4;
/// How much of what is scheduled must happen: which of two requests is on its way first is not always
/// the same here, so that some faults meet an operation at which they cannot be.
const HAPPENING_PERCENT: usize = 80;

/// A table in real time, as code on virtual time uses it.
struct Elsewhere {
    inner: Arc<dyn Table>,
    real: tokio::runtime::Handle,
    clock: Clock,
    /// The rows that were made.
    rows: Mutex<BTreeSet<String>>,
}

impl Elsewhere {
    /// Virtual time does not go on while a thread waits.
    async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(Arc<dyn Table>) -> futures_of::Request<T> + Send + 'static,
    ) -> T {
        let (inner, real) = (self.inner.clone(), self.real.clone());
        tokio::task::spawn_blocking(move || real.block_on(request(inner))).await.expect("it does not panic")
    }

    fn made(&self, key: &RowKey) {
        self.rows.lock().expect("nobody panicked").insert(key.as_str().to_owned());
    }
}

/// A request to a table.
mod futures_of {
    use std::pin::Pin;

    pub(super) type Request<T> = Pin<Box<dyn Future<Output = T> + Send>>;
}

#[async_trait]
impl Table for Elsewhere {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        self.made(key);
        let key = key.clone();
        self.ask(|table| Box::pin(async move { table.create(&key, row).await })).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        let key = key.clone();
        self.ask(|table| Box::pin(async move { table.get(&key).await })).await
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let keys = keys.to_vec();
        self.ask(|table| Box::pin(async move { table.get_many(&keys).await })).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        self.made(key);
        let key = key.clone();
        self.ask(|table| Box::pin(async move { table.arrive(&key, arrival).await })).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.ask(move |table| Box::pin(async move { table.due(now, limit).await })).await
    }

    async fn postpone(&self, key: &RowKey, check_at: Timestamp) -> Result<(), StoreError> {
        let key = key.clone();
        self.ask(move |table| Box::pin(async move { table.postpone(&key, check_at).await })).await
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        let after = after.cloned();
        self.ask(move |table| Box::pin(async move { table.runs(after.as_ref(), limit).await })).await
    }

    async fn changed(&self, _: &RowKey) {
        tokio::time::sleep(LOOK).await;
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// What a run under a schedule did.
struct Trial {
    operations: Vec<Operation>,
    happened: usize,
    rows: usize,
}

/// A workflow, one input, and the table of its rows.
struct Subject<W: Workflow> {
    table: Arc<dyn Table>,
    real: tokio::runtime::Handle,
    input: W::Input,
    expected: W::Output,
}

impl<W: Workflow> Subject<W>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    /// One run; `Err` says what went wrong.
    fn attempt(&self, key: &str, schedule: &Schedule) -> Result<Trial, String> {
        virtual_time(0, async {
            let faults = Faults::new(schedule);
            let config = Config { epoch_ms: Some(EPOCH_MS), ..Embedded::<W>::config() };
            let clouds = LocalClouds::new(config).map_err(|error| error.to_string())?;
            let table = Arc::new(Elsewhere {
                inner: self.table.clone(),
                real: self.real.clone(),
                clock: clouds.clock(),
                rows: Mutex::default(),
            });
            let backends = |local: Vec<Backend>| -> Vec<Backend> {
                local.into_iter().map(|local| Backend { table: table.clone(), ..local }).collect()
            };
            let options = Options::default();
            let wrapped = || faults.wrap(backends(clouds.backends_from(0)));
            let runtime = Runtime::new::<W>(wrapped(), options.clone()).on(0);
            clouds.serve(0, faults.handler(Arc::new(runtime)));
            let client = Client::<W>::new(wrapped(), options.clone());
            let mut started = None;
            for _ in 0..CLIENT_TRIES {
                if let Some(Ok(run)) = faults.client(client.start(key, self.input.clone())).await {
                    started = Some(run);
                    break;
                }
            }
            let run = started.ok_or("it could not be started")?;
            let observer = Client::<W>::new(backends(clouds.backends_for_client()), options.clone());
            let sweeper = Runtime::new::<W>(wrapped(), options);
            let sweeping = async {
                loop {
                    tokio::time::sleep(Duration::from_secs(61)).await;
                    faults.client(sweeper.sweep(10)).await;
                }
            };
            let result = tokio::select! {
                result = observer.result(&run) => result,
                () = sweeping => unreachable!(),
                () = tokio::time::sleep(Duration::from_secs(24 * 3600)) => return Err("it did not end".to_owned()),
            };
            let output = result.map_err(|error| format!("no result: {error}"))?;
            if output != self.expected {
                return Err(format!("the outcome is {output:?}"));
            }
            // Everything late comes now, and must find nothing to do.
            tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
            clouds.idle().await;
            let after = observer.result(&run).await.map_err(|error| error.to_string())?;
            if after != output {
                return Err(format!("the outcome became {after:?}"));
            }
            if let Some(violation) = faults.violations().first() {
                return Err(violation.clone());
            }
            if clouds.meter().total().is_none_or(|usage| usage.lost > 0) {
                return Err("an event was lost".to_owned());
            }
            let rows = table.rows.lock().expect("nobody panicked").len();
            Ok(Trial { operations: faults.log(), happened: faults.happened(), rows })
        })
    }

    /// Tries every single fault.
    fn survives_single_faults(&self) {
        let name = W::definition().name;
        let calm = self.attempt(&format!("{name} calm"), &Schedule::default());
        let calm = calm.unwrap_or_else(|why| panic!("{name} without faults: {why}"));
        let (mut failures, mut tried, mut happened) = (Vec::new(), 0, 0);
        for (number, &operation) in (0..).zip(&calm.operations) {
            for action in Action::at(operation) {
                let schedule = Schedule(vec![(number, action)]);
                tried += 1;
                match self.attempt(&format!("{name} {schedule}"), &schedule) {
                    Ok(trial) if trial.rows > calm.rows => {
                        failures.push(format!("{schedule}: {} rows, not {}", trial.rows, calm.rows));
                    }
                    Ok(trial) => happened += trial.happened,
                    Err(why) => failures.push(format!("{schedule}: {why}")),
                }
            }
        }
        let _ = writeln!(std::io::stderr(), "{happened} single faults of `{name}` on DynamoDB Local");
        assert!(failures.is_empty(), "{name}: {} of {tried}:\n{}", failures.len(), failures.join("\n"));
        assert!(happened * 100 >= tried * HAPPENING_PERCENT, "only {happened} of {tried} faults happened");
    }
}

fn survives<W: Workflow>(input: W::Input)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let standin = Standin::dynamodb_local();
    let real = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let real = real.expect("threads can be made");
    let account = Account::at(&standin.url);
    real.block_on(account.create_table("rows"));
    let expected = virtual_time(0, W::plain(input.clone()));
    let table = account.backend::<W>("rows").table;
    Subject::<W> { table, real: real.handle().clone(), input, expected }.survives_single_faults();
}

#[test]
fn a_chain_survives_every_single_fault() {
    survives::<chain::Chain>(3);
}

#[test]
fn a_fan_out_survives_every_single_fault() {
    survives::<fan::Fan>(vec![2, 5]);
}

#[test]
fn a_pick_of_the_first_survives_every_single_fault() {
    survives::<pick::Pick>(vec![0, 7]);
}
