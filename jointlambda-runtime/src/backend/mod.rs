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

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use crate::{
    id::{ObjectKey, ObjectsOf, RowKey, RunId},
    provider::Provider,
};

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
/// - `Rejected` and `Throttled` mean that the event will not be delivered; so does `Unavailable`.
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
    /// The platform will never take it: too large, no such function, not allowed.
    Rejected(String),
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

    /// Is told that the platform gave up on an event after `attempts` deliveries. An error makes
    /// the platform tell it again, within its own bound.
    async fn abandon(
        &self,
        function: &str,
        envelope: Bytes,
        attempts: u32,
        cause: String,
    ) -> Result<(), crate::error::Fault>;
}

/// A key-value table: the rows in which outcomes are decided.
///
/// # Contract
/// - Every operation is atomic on its row, and reads are strongly consistent.
/// - A row's `body` never changes once created; a slot never changes once filled.
/// - `create` and `arrive` may be repeated safely: a repetition returns what the first one did.
///   After [`StoreError::Unknown`] the caller repeats the same request.
/// - A row disappears some time after its `expires_at`, never before.
/// - A row larger than the provider's limit is refused with [`StoreError::TooLarge`], and nothing
///   is changed.
#[async_trait]
pub trait Table: Send + Sync {
    /// Creates the row unless one is there, in one atomic step; returns the row that was there.
    /// A row made by [`arrive`](Table::arrive) alone counts as there only if it has a body:
    /// otherwise the body is added to it.
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
    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError>;

    /// The rows of the run index whose `check_at` is at or before `now`, earliest first.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError>;

    /// Moves a row that is in the run index to another time; any other row stays as it is.
    async fn postpone(&self, key: &RowKey, check_at: Timestamp) -> Result<(), StoreError>;

    /// Run rows, also of runs that have ended, in an order of the backend's own: those after the
    /// row `after`, or from the start. It reads through the whole table page by page: for people who
    /// ask, not for the protocol.
    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError>;

    /// Waits until the row may have changed, or until the backend thinks another look worthwhile.
    async fn changed(&self, key: &RowKey);

    /// The table's clock.
    fn now(&self) -> Timestamp;

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
    pub check_at: Option<Timestamp>,
    /// When the row may disappear.
    pub expires_at: Timestamp,
}

/// A row as read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The content given to `create`; `None` for a row made by arrivals alone.
    pub body: Option<Bytes>,
    /// The filled slots.
    pub slots: BTreeMap<u32, Bytes>,
    /// Its place in the run index.
    pub check_at: Option<Timestamp>,
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
}

impl Arrival {
    /// An empty slot of a row that is there for all of its `of` slots to be filled.
    pub fn at(slot: u32, of: u32, expires_at: Timestamp) -> Self {
        Arrival { slot, of, ok: false, first: None, value: Bytes::new(), expires_at, only_open: false }
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
    /// How many slots are filled now.
    pub filled: u32,
    /// How many of them by an arrival that was `ok`.
    pub ok: u32,
    /// The row as it is now, when [it is enough](Arrival::is_enough) and the store returns it for
    /// nothing.
    pub row: Option<Row>,
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

    /// Removes objects of `run`.
    async fn delete_run(&self, run: &RunId, which: ObjectsOf) -> Result<(), StoreError>;
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
