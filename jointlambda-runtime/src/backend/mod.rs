//! The Backend-Shim: what the protocol needs from a cloud, as three small traits.
//!
//! Each trait's documentation is its contract, which `conformance.rs` checks on every
//! implementation. Only the modules below this one touch a network, a disk or a clock.

#[cfg(feature = "aliyun")]
pub mod aliyun;
#[cfg(any(feature = "aws", feature = "aliyun"))]
mod aside;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "local")]
pub mod conformance;
#[cfg(feature = "local")]
pub mod fault;
#[cfg(feature = "local")]
pub mod local;
#[cfg(any(feature = "aws", feature = "aliyun"))]
mod looks;
#[cfg(any(feature = "aws", feature = "aliyun"))]
mod many;
#[cfg(any(feature = "aws", feature = "aliyun"))]
mod patience;
#[cfg(any(feature = "aws", feature = "aliyun"))]
mod time_of_table;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use crate::{
    id::{DeploymentId, Incarnation, ObjectKey, ObjectsOf, RowKey},
    provider::Provider,
};

/// A run row has slots below this one only: what [`Table::create`] removes of a row that it replaces.
pub const RUN_SLOTS: u32 = 8;

/// Milliseconds since the Unix epoch, on the backend's own clock.
pub type Timestamp = u64;

/// One cloud, ready to use: its three services and what they are called.
#[derive(Clone)]
pub struct Backend {
    /// The name the workflow gives the cloud.
    pub name: Arc<str>,
    /// Whose limits and prices apply.
    pub provider: Provider,
    /// Its function service.
    pub functions: Arc<dyn Functions>,
    /// Its table.
    pub table: Arc<dyn Table>,
    /// Its object store.
    pub objects: Arc<dyn Objects>,
    /// Which table that is: provider, region, instance or account, and name. Backends of the same
    /// table say the same, wherever they are made.
    pub place: Arc<str>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("name", &self.name)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// A cloud's function service, as the caller of a function sees it.
///
/// # Contract
/// - `invoke` is asynchronous: it returns when the event is accepted, not when it has run.
/// - An accepted event is delivered at least once, possibly more often, in any order; after the
///   platform's bound of failed deliveries it is handed to [`Handler::abandon`], at least once.
/// - `Rejected`, `Denied`, `Throttled` and `Unavailable` mean that the event will not be delivered.
///   `Unknown` means that it may or may not be.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Sends `envelope` to `function`. Never waits longer than the backend's own bound.
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked;

    /// Opens what a later `invoke` will need (connections, credentials), if anything.
    async fn warm(&self) {}
}

/// What became of an [`Functions::invoke`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invoked {
    /// The platform will deliver it at least once.
    Accepted,
    /// The platform refuses it for now, because of load.
    Throttled,
    /// The platform, or this function on it, cannot be reached; nothing was sent.
    Unavailable(String),
    /// The platform will never take it: it is too large.
    Rejected(String),
    /// The platform refuses it for a reason that can change: no such function, not allowed, or the
    /// function is being deployed.
    Denied(String),
    /// No answer came: it may have been accepted.
    Unknown(String),
}

/// How an event reached a function.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// 1 for the first delivery of this event.
    pub attempt: u32,
    /// How long the function may still run.
    pub remaining: Duration,
}

/// The receiving side: what a backend calls when an event arrives for a function.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Runs `function` for `envelope`. An error makes the platform deliver the event again.
    async fn handle(
        &self,
        function: &str,
        envelope: Bytes,
        delivery: Delivery,
    ) -> Result<(), crate::error::Fault>;

    /// Is told that the platform gave up on an event. An error makes the platform tell it again,
    /// within its own bound.
    async fn abandon(
        &self,
        function: &str,
        envelope: Bytes,
        given_up: crate::error::GivenUp,
    ) -> Result<(), crate::error::Fault>;
}

/// A key-value table: the rows in which outcomes are decided.
///
/// # Contract
/// - Every operation is atomic on its row, and reads are strongly consistent.
/// - A row's `body` never changes once created; a slot never changes once filled.
/// - `create` and `arrive` may be repeated safely: a repetition returns what the first one did.
///   After [`StoreError::Unknown`] the caller repeats the same request.
/// - A row disappears some time after its `expires_at`, never before, and its parts may go one by one.
/// - A row larger than the provider's limit is refused with [`StoreError::TooLarge`], and nothing
///   is changed.
#[async_trait]
pub trait Table: Send + Sync {
    /// Creates the row unless one is there, in one atomic step; returns the row that was there.
    /// A row made by [`arrive`](Table::arrive) alone counts as there only if it has a body:
    /// otherwise the body is added to it.
    ///
    /// A run row ([`NewRow::run`]) also replaces a row that expired before
    /// [`NewRun::expired_before`], and what is left of a row that has lost its body. The slots below
    /// [`RUN_SLOTS`], counters and times of that row go in the same step.
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError>;

    /// Reads a row.
    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError>;

    /// Reads several rows; the answers are in the order of the keys. A backend makes of them as
    /// few requests as the provider allows, a bounded number side by side.
    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            rows.push(self.get(key).await?);
        }
        Ok(rows)
    }

    /// Fills a slot of a row unless it is filled, in one atomic step, making the row if there is
    /// none, and says how many slots are filled afterwards, and how many of them by an arrival
    /// that was `ok`. When all `arrival.of` are filled the row leaves the run index (its
    /// `check_at` is removed).
    ///
    /// With `arrival.only_open` a row that has a body, or `arrival.of` slots, takes no further
    /// slot: one that is not filled stays so, and the answer is `closed`. Of a slot that is filled
    /// the answer is that it was, whatever became of the row since.
    ///
    /// With `arrival.inc` a row that is not there, or has another `inc`, is not changed, and the
    /// answer is `gone`.
    ///
    /// With `arrival.numbered` the row keeps with the slot how many slots were filled when it was,
    /// and each answer for that slot says so, where the store can do that in the same step.
    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError>;

    /// The rows of a part of the run index whose `check_at` is at or before `now`, earliest first.
    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError>;

    /// Moves a row that is in the run index to another time or part, and notes when it was looked
    /// at; any other row stays as it is, that of another incarnation than `look.inc` too.
    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError>;

    /// Run rows, also of runs that have ended, in an order of the backend's own: those after the
    /// row `after`, or from the start. It reads through the whole table page by page: for people who
    /// ask, not for the protocol.
    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError>;

    /// Waits until the row may have changed, or until the backend thinks another look worthwhile.
    async fn changed(&self, key: &RowKey);

    /// The table's clock, or the process's for as long as the table has not answered.
    fn now(&self) -> Timestamp;

    /// The table's clock, once it has answered this process. What cannot be taken back is decided by
    /// this time alone.
    fn heard(&self) -> Option<Timestamp> {
        Some(self.now())
    }

    /// By how many milliseconds the table's clock is ahead of this machine's; 0 while that is not known.
    fn ahead_ms(&self) -> i64 {
        0
    }

    /// Makes a cheap request, so that the table's time is known.
    ///
    /// # Errors
    /// Those of a read.
    async fn ask_time(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Opens what a later operation will need, if anything.
    async fn warm(&self) {}
}

/// The answer of [`Table::runs`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Up to `limit` keys of run rows; there may be none though there are more on a later page.
    pub keys: Vec<RowKey>,
    /// What the next page comes after; `None` when this is the last one.
    pub next: Option<RowKey>,
}

/// A row to be created.
#[derive(Clone, Debug, Default)]
pub struct NewRow {
    /// The row's immutable content.
    pub body: Bytes,
    /// When the run that the row stands for should be looked at; puts it in the run index.
    pub check: Option<Check>,
    /// When the row may disappear.
    pub expires_at: Timestamp,
    /// Set for the row of a run.
    pub run: Option<NewRun>,
}

/// What is particular to a new run row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// When the run was started: kept with the body, to tell one incarnation from another.
    pub inc: Timestamp,
    /// A row that was to expire before then is replaced.
    pub expired_before: Timestamp,
}

/// A part of the run index: what one kind of look of one deployment's sweeper reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexPart {
    /// The deployment whose runs they are.
    pub deployment: DeploymentId,
    /// How old they are.
    pub band: Band,
}

/// How old a run of the run index is. Young runs are looked at first, so that the first look at a new
/// run does not wait for the later looks at many old ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Band {
    /// Started a few minutes ago.
    #[default]
    Young,
    /// Older.
    Old,
}

impl Band {
    /// The letter by which stores tell the bands apart.
    pub const fn letter(self) -> char {
        match self {
            Band::Young => 'y',
            Band::Old => 'o',
        }
    }
}

impl fmt::Display for IndexPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.deployment, self.band.letter())
    }
}

/// A place in the run index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Check {
    /// In which part.
    pub part: IndexPart,
    /// When the run is to be looked at.
    pub at: Timestamp,
}

/// What [`Table::postpone`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The new place in the run index.
    pub next: Check,
    /// When the run was looked at.
    pub looked_at: Timestamp,
    /// Only the row of this incarnation, by its start; of a key that is used again, the row may be
    /// another by now. `None` for any.
    pub inc: Option<Timestamp>,
}

/// A row as read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The content given to `create`; `None` for a row made by arrivals alone.
    pub body: Option<Bytes>,
    /// The filled slots.
    pub slots: BTreeMap<u32, Bytes>,
    /// When it is to be looked at, if it is in the run index.
    pub check_at: Option<Timestamp>,
    /// When it was looked at last.
    pub looked_at: Option<Timestamp>,
    /// Of a run row: when the run was started.
    pub inc: Option<Timestamp>,
    /// When it may disappear.
    pub expires_at: Timestamp,
}

/// The answer of [`Table::create`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The row is ours.
    New,
    /// Another copy was first; this is its row.
    Exists(Row),
}

/// A slot to be filled.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Which slot.
    pub slot: u32,
    /// How many slots make the row full.
    pub of: u32,
    /// Whether it counts as `ok`; counted together with the slot.
    pub ok: bool,
    /// How many `ok` arrivals are enough, where not all are waited for.
    pub first: Option<u32>,
    /// What to put in.
    pub value: Bytes,
    /// When the row may disappear, if this arrival makes it.
    pub expires_at: Timestamp,
    /// Whether to fill no slot of a row that is closed: one that has a body, or `of` slots.
    pub only_open: bool,
    /// Whether to fill the slot only in the row of this incarnation of a run.
    pub inc: Option<Timestamp>,
    /// Whether the row is to keep the arrival's number with the slot.
    pub numbered: bool,
}

impl Arrival {
    /// An empty slot of a row that is there for all of its `of` slots to be filled.
    pub fn at(slot: u32, of: u32, expires_at: Timestamp) -> Self {
        Arrival {
            slot,
            of,
            ok: false,
            first: None,
            value: Bytes::new(),
            expires_at,
            only_open: false,
            inc: None,
            numbered: false,
        }
    }

    /// Whether nothing more need arrive in a row where `filled` slots are filled, `ok` of them by
    /// an arrival that was `ok`: it is full, or enough are `ok`, or that cannot be reached.
    pub fn is_enough(&self, filled: u32, ok: u32) -> bool {
        let still_ok = self.of.saturating_sub(filled.saturating_sub(ok));
        filled >= self.of || self.first.is_some_and(|first| ok >= first || still_ok < first)
    }
}

/// The answer of [`Table::arrive`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Whether this request filled the slot; `false` when it was filled before.
    pub fresh: bool,
    /// Whether the row was closed to this arrival, so that nothing was changed: the slot is not
    /// filled, and never will be by an arrival like this one.
    pub closed: bool,
    /// Whether the row of that incarnation is not there, so that nothing was changed.
    pub gone: bool,
    /// How many slots are filled now.
    pub filled: u32,
    /// How many of them by an arrival that was `ok`.
    pub ok: u32,
    /// The number of this slot's arrival, for a [`numbered`](Arrival::numbered) one, where the store
    /// keeps it.
    pub number: Option<u32>,
    /// The row as it is now, when [it is enough](Arrival::is_enough) and the store returns it for
    /// nothing.
    pub row: Option<Row>,
}

impl Arrived {
    /// The answer to an arrival that changed nothing in a row of `filled` slots that is closed to it.
    pub fn closed(filled: u32) -> Self {
        Arrived { closed: true, filled, ..Arrived::unchanged() }
    }

    /// The answer to an arrival at the row of another incarnation, or at none.
    pub fn gone() -> Self {
        Arrived { gone: true, ..Arrived::unchanged() }
    }

    fn unchanged() -> Self {
        Arrived { fresh: false, closed: false, gone: false, filled: 0, ok: 0, number: None, row: None }
    }
}

/// An object store for what is too large for a row or an envelope.
///
/// # Contract
/// - `put` stores the object unless one is there under that key; keys name content, so either way
///   the object is there afterwards.
/// - `get` returns the whole object or `None`.
/// - `delete_run` removes every object of a run, or all but its result; removing nothing is not an
///   error.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Stores an object if absent.
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StoreError>;

    /// Reads an object.
    async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError>;

    /// Removes objects of a run.
    async fn delete_run(&self, of: &Incarnation, which: ObjectsOf) -> Result<(), StoreError>;
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// Too many requests; nothing was changed.
    #[error("the store is throttling")]
    Throttled,
    /// The store cannot be reached; nothing was changed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// No answer came: the change may have been made.
    #[error("the store did not answer: {0}")]
    Unknown(String),
    /// The row or object is over the provider's limit; nothing was changed.
    #[error("{what} of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// What it was.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The store refuses the request for good: credentials, missing table.
    #[error("the store refuses: {0}")]
    Denied(String),
    /// What is stored cannot be read.
    #[error("what is stored is damaged: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the same request may succeed if it is made again.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Throttled | StoreError::Unavailable(_) | StoreError::Unknown(_))
    }
}
