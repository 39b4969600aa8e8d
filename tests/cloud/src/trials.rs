//! Small runs under faults whose rows, and objects if told so, are a service's. All else is virtual:
//! functions are embedded, and time stands still while a request is on its way.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    io::Write as _,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Client, Options, Runtime, Workflow,
    backend::{
        Arrival, Arrived, Backend, Created, IndexPart, Look, NewRow, Objects, Page, Row, StoreError, Table,
        Timestamp,
        fault::{Action, Faults, Operation, Schedule},
        local::{Clock, Config, LocalClouds, virtual_time},
    },
    embedded::Embedded,
    id::{Incarnation, ObjectKey, ObjectsOf, RowKey},
};

/// How often whoever waits for a run looks: each look is a request.
const LOOK: Duration = Duration::from_secs(20);
/// How often a client that crashed starts its run again.
const CLIENT_TRIES: usize = 4;
/// How much of what is scheduled must happen: which of two requests is on its way first is not always
/// the same here, so that some faults meet an operation at which they cannot be.
const HAPPENING_PERCENT: usize = 80;

/// Services in real time.
#[derive(Clone)]
pub struct Services {
    /// What they are called in messages.
    pub name: &'static str,
    /// Of the rows.
    pub table: Arc<dyn Table>,
    /// Of the objects, if not the embedded ones.
    pub objects: Option<Arc<dyn Objects>>,
    /// What their requests run on.
    pub real: tokio::runtime::Handle,
    /// When a trial begins, by the virtual clock.
    pub epoch_ms: Timestamp,
}

/// A request to a service.
type Asking<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Services as code on virtual time uses them.
struct Elsewhere {
    services: Services,
    clock: Clock,
    /// The rows that were made.
    rows: Mutex<BTreeSet<String>>,
    /// The objects that were put.
    put: Mutex<Vec<ObjectKey>>,
}

impl Elsewhere {
    /// Virtual time does not go on while a thread waits.
    async fn ask<T: Send + 'static>(&self, asking: impl FnOnce(Services) -> Asking<T> + Send + 'static) -> T {
        let services = self.services.clone();
        let real = services.real.clone();
        tokio::task::spawn_blocking(move || real.block_on(asking(services))).await.expect("it does not panic")
    }

    fn made(&self, key: &RowKey) {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).insert(key.as_str().to_owned());
    }
}

fn objects(services: &Services) -> Arc<dyn Objects> {
    services.objects.clone().expect("it is used only where there are some")
}

#[async_trait]
impl Table for Elsewhere {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        self.made(key);
        let key = key.clone();
        self.ask(|services| Box::pin(async move { services.table.create(&key, row).await })).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        let key = key.clone();
        self.ask(|services| Box::pin(async move { services.table.get(&key).await })).await
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let keys = keys.to_vec();
        self.ask(|services| Box::pin(async move { services.table.get_many(&keys).await })).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        self.made(key);
        let key = key.clone();
        self.ask(|services| Box::pin(async move { services.table.arrive(&key, arrival).await })).await
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.ask(move |services| Box::pin(async move { services.table.due(part, now, limit).await })).await
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        let key = key.clone();
        self.ask(move |services| Box::pin(async move { services.table.postpone(&key, look).await })).await
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        let after = after.cloned();
        self.ask(move |services| Box::pin(async move { services.table.runs(after.as_ref(), limit).await }))
            .await
    }

    async fn changed(&self, _: &RowKey) {
        tokio::time::sleep(LOOK).await;
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

#[async_trait]
impl Objects for Elsewhere {
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StoreError> {
        self.put.lock().unwrap_or_else(PoisonError::into_inner).push(key.clone());
        let key = key.clone();
        self.ask(|services| Box::pin(async move { objects(&services).put(&key, bytes).await })).await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        let key = key.clone();
        self.ask(|services| Box::pin(async move { objects(&services).get(&key).await })).await
    }

    async fn delete_run(&self, of: &Incarnation, which: ObjectsOf) -> Result<(), StoreError> {
        let of = *of;
        self.ask(move |services| Box::pin(async move { objects(&services).delete_run(&of, which).await }))
            .await
    }
}

/// What a run under faults did.
pub struct Trial {
    /// Its operations, in the order in which they began.
    pub operations: Vec<Operation>,
    /// How many scheduled faults have happened.
    pub happened: usize,
    /// How many rows it made.
    pub rows: usize,
    /// How many objects it put.
    pub put: usize,
    /// How many of them are still there.
    pub left: usize,
}

/// A workflow with one input, and the services where its runs are.
pub struct Subject<W: Workflow> {
    services: Services,
    input: W::Input,
    expected: W::Output,
}

impl<W: Workflow> Subject<W>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    /// A workflow that is to give what its plain run gives.
    pub fn new(services: Services, input: W::Input) -> Self {
        let expected = virtual_time(0, W::plain(input.clone()));
        Subject { services, input, expected }
    }

    /// One run.
    ///
    /// # Errors
    /// What went wrong.
    pub fn attempt(&self, key: &str, schedule: &Schedule) -> Result<Trial, String> {
        virtual_time(0, async {
            let faults = Faults::new(schedule);
            let config = Config { epoch_ms: Some(self.services.epoch_ms), ..Embedded::<W>::config() };
            let clouds = LocalClouds::new(config).map_err(|error| error.to_string())?;
            let elsewhere = Arc::new(Elsewhere {
                services: self.services.clone(),
                clock: clouds.clock(),
                rows: Mutex::default(),
                put: Mutex::default(),
            });
            let backends = |local: Vec<Backend>| -> Vec<Backend> {
                let moved = local.into_iter().map(|local| Backend {
                    table: elsewhere.clone(),
                    objects: match self.services.objects {
                        Some(_) => elsewhere.clone(),
                        None => local.objects.clone(),
                    },
                    ..local
                });
                moved.collect()
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
            let put = elsewhere.put.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut left = 0;
            for key in &put {
                // What is to become of a request may become of this one.
                let there = match Objects::get(&*elsewhere, key).await {
                    Err(_) => Objects::get(&*elsewhere, key).await,
                    there => there,
                };
                let there = there.map_err(|error| error.to_string())?;
                left += usize::from(there.is_some());
            }
            let rows = elsewhere.rows.lock().unwrap_or_else(PoisonError::into_inner).len();
            Ok(Trial { operations: faults.log(), happened: faults.happened(), rows, put: put.len(), left })
        })
    }

    /// Runs it without faults.
    ///
    /// # Panics
    /// When it does not give what the plain run gives, or leaves an object.
    pub fn calm(&self) -> Trial {
        let name = W::definition().name;
        let calm = self.attempt(&format!("{name} {:?} calm", self.expected), &Schedule::default());
        let calm = calm.unwrap_or_else(|why| panic!("{name} without faults: {why}"));
        assert_eq!(calm.left, 0, "{name} leaves objects");
        calm
    }

    /// Tries every single fault.
    ///
    /// # Panics
    /// When a run goes wrong, or too few of the faults happen.
    pub fn survives_single_faults(&self) {
        let name = W::definition().name;
        let calm = self.calm();
        let (mut failures, mut tried, mut happened) = (Vec::new(), 0, 0);
        for (number, &operation) in (0..).zip(&calm.operations) {
            for action in Action::at(operation) {
                let schedule = Schedule(vec![(number, action)]);
                tried += 1;
                match self.attempt(&format!("{name} {:?} {schedule}", self.expected), &schedule) {
                    Ok(trial) if trial.rows > calm.rows => {
                        failures.push(format!("{schedule}: {} rows, not {}", trial.rows, calm.rows));
                    }
                    Ok(trial) => happened += trial.happened,
                    Err(why) => failures.push(format!("{schedule}: {why}")),
                }
            }
        }
        let on = self.services.name;
        let _ = writeln!(std::io::stderr(), "{happened} single faults of `{name}` on {on}");
        assert!(failures.is_empty(), "{name}: {} of {tried}:\n{}", failures.len(), failures.join("\n"));
        assert!(happened * 100 >= tried * HAPPENING_PERCENT, "only {happened} of {tried} faults happened");
    }
}
