//! Embedded clouds: any number of named clouds in one process, each with its own functions, table
//! and objects. The reference implementation of the Backend-Shim.
//!
//! An event goes through a queue that delivers at least once, as the platforms do; rows and
//! objects are kept in memory or on disk; time is tokio's, so it can be virtual
//! ([`virtual_time`]). What would be billed is counted ([`LocalClouds::meter`]), and what ran can
//! be recorded ([`LocalClouds::timeline`]).

mod clock;
mod cloud;
mod config;
mod cost;
mod disk;
mod function;
mod heat;
mod layout;
mod meter;
mod objects;
mod profile;
mod queue;
mod row;
mod store;
mod table;
pub mod timeline;
mod view;
mod watch;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

pub use self::{
    clock::{Clock, virtual_time},
    config::{
        CloudConfig, Config, DEFAULT_CONCURRENCY, DEFAULT_KEEP_WARM, DEFAULT_OBJECT_LIFETIME,
        DEFAULT_QUEUE_LENGTH, FunctionConfig, OpenError, Storage,
    },
    cost::{Cost, CostItem},
    disk::{MAX_GROUP, MAX_WAITING_WRITES, STORE_FILE},
    function::MAX_FUNCTIONS,
    heat::MAX_WARM_ROWS,
    meter::{CloudUsage, Usage},
    profile::{Profile, UnknownProfile},
    queue::MAX_ABANDON_ATTEMPTS,
    row::{NUMBER_BYTES, SLOT_BYTES, row_bytes},
    timeline::{Observer, Span, SpanOutcome, Timeline},
    view::{MAX_READS_AT_ONCE, MAX_ROWS_PER_READ},
    watch::MAX_WAIT,
};
use self::{
    cloud::{Clouds, LocalCloud},
    disk::Disk,
    function::Catalogue,
    heat::Heat,
    meter::Meter,
    queue::Queue,
    store::Store,
    timeline::Recorder,
    view::{Caller, View},
    watch::Watch,
};
use super::{Backend, Handler, StoreError};

/// The embedded clouds of a process, and their owner: when it is dropped, they accept no more
/// events, forget those that wait, and close their store. Events are kept in memory only; after a
/// restart it is for a sweep to find the runs that they belonged to.
///
/// ```
/// use std::sync::Arc;
/// use jointlambda_runtime::backend::{
///     Invoked, NewRow, Created,
///     local::{CloudConfig, Config, LocalClouds, virtual_time},
/// };
/// use jointlambda_runtime::id::{RowKey, RunId};
///
/// virtual_time(1, async {
///     let clouds = LocalClouds::new(Config::of([CloudConfig::aws("AWS")])).unwrap();
///     let aws = &clouds.backends_for_client()[0];
///     let key = RowKey::run(&RunId::derive("workflow", "key"));
///     assert_eq!(aws.table.create(&key, NewRow::default()).await, Ok(Created::New));
///     let sent = aws.functions.invoke("f", "an envelope".into()).await;
///     assert!(matches!(sent, Invoked::Unavailable(_)), "no handler serves it yet");
/// });
/// ```
pub struct LocalClouds {
    clouds: Arc<Clouds>,
}

/// What stores hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Rows of all tables.
    pub rows: u64,
    /// Objects of all object stores.
    pub objects: u64,
}

impl LocalClouds {
    /// Sets the clouds up. Use them inside a tokio runtime with time enabled.
    ///
    /// # Errors
    /// Contradictions in `config`, and a store that cannot be opened.
    pub fn new(config: Config) -> Result<Self, OpenError> {
        check(&config)?;
        let clock = config.epoch_ms.map_or_else(Clock::of_day, Clock::starting_at);
        let recorder = Recorder::new(config.timeline_spans);
        let mut list = Vec::with_capacity(config.clouds.len());
        let disk = open_disk(&config)?;
        for (index, cloud) in config.clouds.into_iter().enumerate() {
            let store = match &disk {
                Some(disk) => Store::Disk { disk: disk.clone(), cloud: index },
                None => Store::in_memory(cloud.provider),
            };
            let profile = cloud.profile.unwrap_or(config.profile);
            let seed = config.seed.wrapping_add(index as u64);
            list.push(local_cloud(cloud, store, profile, seed));
        }
        Ok(LocalClouds { clouds: Arc::new(Clouds::new(list, clock, recorder)) })
    }

    /// Every cloud as code on that same cloud sees it.
    pub fn backends(&self) -> Vec<Backend> {
        (0..self.clouds.list.len()).map(|to| self.backend(Caller::Cloud(to), to)).collect()
    }

    /// Every cloud as code on cloud `from` sees it: to reach another cloud takes longer, and the
    /// bytes on the way are counted as egress of the cloud that sends them.
    ///
    /// # Panics
    /// When there is no such cloud.
    pub fn backends_from(&self, from: usize) -> Vec<Backend> {
        assert!(from < self.clouds.list.len(), "there is no cloud {from}");
        self.view_of(Caller::Cloud(from))
    }

    /// Every cloud as a client outside sees it: as far away as another cloud, but no bytes count
    /// as egress.
    pub fn backends_for_client(&self) -> Vec<Backend> {
        self.view_of(Caller::Client)
    }

    fn view_of(&self, caller: Caller) -> Vec<Backend> {
        (0..self.clouds.list.len()).map(|to| self.backend(caller, to)).collect()
    }

    fn backend(&self, caller: Caller, to: usize) -> Backend {
        let cloud = &self.clouds.list[to];
        let view = Arc::new(View::new(self.clouds.clone(), caller, to));
        Backend {
            name: cloud.name.clone(),
            provider: cloud.provider,
            functions: view.clone(),
            table: view.clone(),
            objects: view,
            place: format!("embedded/{}/{}", cloud.region, cloud.name).into(),
        }
    }

    /// Attaches the receiver of a cloud's functions, in place of one attached before.
    ///
    /// # Panics
    /// When there is no such cloud.
    pub fn serve(&self, cloud: usize, handler: Arc<dyn Handler>) {
        self.clouds.list[cloud].set_handler(Some(handler));
    }

    /// Takes a cloud's function service down, or up again. While it is down, invocations are
    /// `Unavailable`; events accepted before are still delivered. Its table and objects go on.
    ///
    /// # Panics
    /// When there is no such cloud.
    pub fn set_available(&self, cloud: usize, available: bool) {
        self.clouds.list[cloud].available.store(available, Ordering::Relaxed);
    }

    /// The clouds' regions, in order.
    pub fn regions(&self) -> Vec<&str> {
        self.clouds.list.iter().map(|cloud| cloud.region.as_str()).collect()
    }

    /// The clouds' common clock.
    pub fn clock(&self) -> Clock {
        self.clouds.clock
    }

    /// What the clouds have done up to now.
    pub fn meter(&self) -> Usage {
        let clouds = self.clouds.list.iter();
        Usage { clouds: clouds.map(|cloud| cloud.meter.snapshot(&cloud.name, cloud.provider)).collect() }
    }

    /// What has run up to now, as far as [`Config::timeline_spans`] allows.
    pub fn timeline(&self) -> Timeline {
        self.clouds.recorder.timeline()
    }

    /// Has `observer` see every execution from now on. The first observer stays.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        let _ = self.clouds.observer.set(observer);
    }

    /// How many accepted events are waiting, delayed or running.
    pub fn open_events(&self) -> usize {
        self.clouds.open()
    }

    /// Waits until no event is waiting, delayed or running.
    pub async fn idle(&self) {
        self.clouds.idle().await;
    }

    /// How many rows and objects all clouds hold together, expired ones that nothing has removed
    /// included.
    ///
    /// # Errors
    /// Those of the store.
    pub fn holdings(&self) -> Result<Holdings, StoreError> {
        let mut holdings = Holdings::default();
        for cloud in &self.clouds.list {
            let (rows, objects) = cloud.store.count()?;
            holdings.rows += rows;
            holdings.objects += objects;
        }
        Ok(holdings)
    }

    /// Removes the rows whose time has come, and the objects older than their cloud's
    /// [`object_lifetime`](CloudConfig::object_lifetime); says how many there were. Without it, a
    /// row disappears when it is next asked for, and an object stays.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sweep_expired(&self) -> Result<usize, StoreError> {
        let mut removed = 0;
        for cloud in &self.clouds.list {
            let now = self.clouds.clock.now();
            let put_before = now.saturating_sub(cloud.object_lifetime_ms);
            let expired_by = now.saturating_sub(cloud.expiry_lag_ms);
            removed += cloud.store.sweep_expired(expired_by, put_before).await?;
        }
        Ok(removed)
    }

    /// Accepts no more events, forgets those that wait, and when those that run have ended,
    /// detaches the handlers and closes the store. Bound it by a timeout where a function may
    /// never end.
    pub async fn shutdown(&self) {
        self.clouds.close();
        self.clouds.idle().await;
        self.detach();
    }

    /// Handlers hold backends, and backends hold the clouds: this breaks the circle.
    fn detach(&self) {
        for cloud in &self.clouds.list {
            cloud.set_handler(None);
            cloud.store.close();
        }
    }
}

impl Drop for LocalClouds {
    fn drop(&mut self) {
        self.clouds.close();
        self.detach();
    }
}

fn open_disk(config: &Config) -> Result<Option<Arc<Disk>>, OpenError> {
    let Storage::Disk(directory) = &config.storage else { return Ok(None) };
    let clouds: Vec<_> = config.clouds.iter().map(|cloud| (cloud.name.clone(), cloud.provider)).collect();
    Ok(Some(Arc::new(Disk::open(directory, &clouds, config.owner.as_deref())?)))
}

fn check(config: &Config) -> Result<(), OpenError> {
    let mut names = BTreeSet::new();
    for cloud in &config.clouds {
        if !names.insert(&cloud.name) {
            return Err(OpenError::Config(format!("two clouds are called `{}`", cloud.name)));
        }
        if cloud.concurrency == 0 || cloud.queue_length == 0 {
            let name = &cloud.name;
            return Err(OpenError::Config(format!("`{name}` has no room for a single execution")));
        }
    }
    Ok(())
}

fn local_cloud(config: CloudConfig, store: Store, profile: Profile, seed: u64) -> LocalCloud {
    LocalCloud {
        name: config.name.into(),
        provider: config.provider,
        region: config.region,
        profile,
        redeliveries: config.redeliveries.unwrap_or(config.provider.limits().redeliveries),
        duplicate_percent: config.duplicate_percent,
        keep_warm: config.keep_warm,
        object_lifetime_ms: config.object_lifetime.as_millis() as u64,
        expiry_lag_ms: config.expiry_lag.as_millis() as u64,
        functions: Catalogue::new(config.functions),
        queue: Queue::new(config.concurrency),
        store,
        watch: Watch::new(),
        heat: Heat::new(),
        row_writes_per_s: match config.row_writes_per_s {
            None if profile == Profile::NONE => None,
            None => Some(config.provider.limits().row_writes_per_s),
            given => given,
        },
        meter: Meter::default(),
        handler: RwLock::new(None),
        available: AtomicBool::new(true),
        random: Mutex::new(fastrand::Rng::with_seed(seed)),
        queue_length: config.queue_length,
        open: AtomicUsize::new(0),
    }
}
