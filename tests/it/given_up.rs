//! A platform that gives up on one event of a run, and says so at a moment of choice: while the run is
//! cancelled, or redriven.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Cause, Fault, Workflow,
    backend::{
        Arrival, Arrived, Backend, Created, Delivery, Handler, IndexPart, Look, NewRow, Page, Row,
        StoreError, Table, Timestamp, fault::Faults,
    },
    envelope::Envelope,
    id::{RowKey, RunId},
};
use tokio::sync::Notify;

use crate::faulty::{DELIVERIES, Parts};

/// When the platform gives up if the run never begins the operation that it is to wait for.
const AT_LAST: Duration = Duration::from_secs(300);

/// How far the deliveries came of an event that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Died {
    /// None did anything.
    Before,
    /// One decided its instance and died then.
    After,
}

/// On which event of a run the platform gives up, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GivenUp {
    /// Its number among those of the run that are delivered, in order of their first delivery.
    pub(crate) event: usize,
    pub(crate) died: Died,
    /// Once this operation has begun.
    pub(crate) at: u64,
}

impl GivenUp {
    pub(crate) const PREFIX: &str = "event";
}

impl fmt::Display for GivenUp {
    /// As [`FromStr`] reads it: `event1:GivenUpBefore@18`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}:GivenUp{:?}@{}", Self::PREFIX, self.event, self.died, self.at)
    }
}

impl FromStr for GivenUp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (event, rest) = text.strip_prefix(Self::PREFIX)?.split_once(":GivenUp")?;
            let (died, at) = rest.split_once('@')?;
            let died = [Died::Before, Died::After].into_iter().find(|one| format!("{one:?}") == died)?;
            Some(GivenUp { event: event.parse().ok()?, died, at: at.parse().ok()? })
        };
        read().ok_or_else(|| format!("`{text}` is not like event1:GivenUpBefore@18"))
    }
}

tokio::task_local! {
    /// Stops the delivery of an event that is to be given up, once it has decided something.
    static DYING: Arc<Notify>;
}

/// The platform of one run.
pub(crate) struct Platform {
    wanted: GivenUp,

    run: RunId,
    faults: OnceLock<Arc<Faults>>,
    /// The events of the run up to now.
    seen: Mutex<Vec<Bytes>>,
    /// Whether it gave up at the operation that it was to wait for.
    gave_up: AtomicBool,
}

impl Platform {
    /// That of the run of `W` that `key` names.
    pub(crate) fn of<W: Workflow>(key: &str, wanted: GivenUp) -> Arc<Self> {
        let definition = W::definition();
        Arc::new(Platform {
            wanted,
            run: RunId::derive(definition.name, key),
            faults: OnceLock::new(),
            seen: Mutex::default(),
            gave_up: AtomicBool::new(false),
        })
    }

    /// How many events of the run were delivered.
    pub(crate) fn events(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Whether it gave up on the event when it was to.
    pub(crate) fn gave_up(&self) -> bool {
        self.gave_up.load(Relaxed)
    }

    /// Whether it is the event that is given up, and is delivered for the first time.
    fn is_wanted(&self, wire: &Bytes) -> Option<bool> {
        let envelope = Envelope::peek(wire)?;
        if envelope.run != self.run {
            return None;
        }
        let mut seen = self.seen.lock().unwrap();
        let number = seen.iter().position(|one| one == wire);
        let is_first = number.is_none();
        let number = number.unwrap_or(seen.len());
        if is_first {
            seen.push(wire.clone());
        }
        (number == self.wanted.event).then_some(is_first)
    }
}

/// The platform as a part of a deployment.
pub(crate) struct GivesUp(pub(crate) Arc<Platform>);

impl Parts for GivesUp {
    fn begins(&self, faults: &Arc<Faults>) {
        let _ = self.0.faults.set(faults.clone());
    }

    fn backends(&self, _cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        let deciding = |one: Backend| Backend { table: Arc::new(Deciding(one.table.clone())), ..one };
        sound.into_iter().map(deciding).collect()
    }

    fn handler(&self, sound: Arc<dyn Handler>) -> Arc<dyn Handler> {
        Arc::new(Giving { platform: self.0.clone(), sound })
    }

    fn gives_up(&self) -> bool {
        true
    }
}

struct Giving {
    platform: Arc<Platform>,
    sound: Arc<dyn Handler>,
}

#[async_trait]
impl Handler for Giving {
    async fn handle(&self, function: &str, wire: Bytes, delivery: Delivery) -> Result<(), Fault> {
        let Platform { wanted, faults, gave_up, .. } = &*self.platform;
        let Some(is_first) = self.platform.is_wanted(&wire) else {
            return self.sound.handle(function, wire, delivery).await;
        };
        let given_up = jointlambda::GivenUp {
            cause: Cause::Call,
            why: "no delivery came to an end".to_owned(),
            attempts: DELIVERIES as u32,
        };
        if !is_first {
            // It was told before, and failed with that.
            return self.sound.abandon(function, wire, given_up).await;
        }
        if wanted.died == Died::After {
            let dying = Arc::<Notify>::default();
            tokio::select! {
                biased;
                done = DYING.scope(dying.clone(), self.sound.handle(function, wire.clone(), delivery)) => return done,
                () = dying.notified() => {}
            }
        }
        let faults = faults.get().expect("the trial has begun");
        tokio::select! {
            () = faults.reached(wanted.at) => gave_up.store(true, Relaxed),
            () = tokio::time::sleep(AT_LAST) => {}
        }
        self.sound.abandon(function, wire, given_up).await
    }

    async fn abandon(
        &self,
        function: &str,
        wire: Bytes,
        given_up: jointlambda::GivenUp,
    ) -> Result<(), Fault> {
        self.sound.abandon(function, wire, given_up).await
    }
}

/// A table with which a delivery that is dying comes as far as its first write.
struct Deciding(Arc<dyn Table>);

/// Ends the delivery here, if it is dying.
async fn die() {
    if let Ok(dying) = DYING.try_with(Arc::clone) {
        dying.notify_one();
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Table for Deciding {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        let created = self.0.create(key, row).await;
        die().await;
        created
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.0.get(key).await
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        self.0.get_many(keys).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        let arrived = self.0.arrive(key, arrival).await;
        die().await;
        arrived
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.0.due(part, now, limit).await
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.0.postpone(key, look).await
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        self.0.runs(after, limit).await
    }

    async fn changed(&self, key: &RowKey) {
        self.0.changed(key).await;
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }
}
