//! The contract of the Backend-Shim as named checks, to be run on any backend.
//!
//! ```
//! use jointlambda_runtime::backend::{
//!     conformance::{self, Subject},
//!     local::{CloudConfig, Config, LocalClouds, virtual_time},
//! };
//!
//! virtual_time(1, async {
//!     let clouds = LocalClouds::new(Config::of([CloudConfig::aws("AWS")])).unwrap();
//!     let subject = Subject::new(clouds.backends()[0].clone(), "an example");
//!     conformance::run(conformance::objects(), &subject).await.assert_passed();
//! });
//! ```

mod functions;
mod objects;
mod table;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::future::BoxFuture;

pub use self::{functions::functions, objects::objects, table::table};
use super::{Backend, Handler, StoreError, Timestamp};
use crate::id::{Incarnation, RunId};

/// How many callers the checks of concurrency have.
pub const CALLERS: u32 = 32;

/// How long rows of the checks last: longer than the shortest expiry that a provider takes.
const LIFETIME_MS: u64 = 2 * 24 * 60 * 60 * 1000;

/// Attaches a receiver to the functions of a backend under test.
pub type Serve = Arc<dyn Fn(Arc<dyn Handler>) + Send + Sync>;

/// A backend under test.
pub struct Subject {
    backend: Backend,
    /// Makes the keys of different test runs differ, where a store outlives them.
    nonce: String,
    used: AtomicU32,
    serve: Option<Serve>,
    slack_bytes: usize,
    limits_rows: bool,
    numbers_deliveries: bool,
}

impl Subject {
    /// A backend under test; `nonce` tells the rows of this test run from those of others.
    pub fn new(backend: Backend, nonce: impl Into<String>) -> Self {
        Subject {
            backend,
            nonce: nonce.into(),
            used: AtomicU32::new(0),
            serve: None,
            slack_bytes: 0,
            limits_rows: true,
            numbers_deliveries: true,
        }
    }

    /// Says how a receiver is attached to the backend's functions, for [`functions()`]. The
    /// functions that have to exist are `echo` and `fails`.
    #[must_use]
    pub fn served_by(mut self, serve: impl Fn(Arc<dyn Handler>) + Send + Sync + 'static) -> Self {
        self.serve = Some(Arc::new(serve));
        self
    }

    /// Says by how much a row at the provider's limit may be smaller than key, body and slots add
    /// up to here.
    #[must_use]
    pub fn with_slack(mut self, bytes: usize) -> Self {
        self.slack_bytes = bytes;
        self
    }

    /// Says that the provider limits what is written at once, and not what a row adds up to.
    #[must_use]
    pub fn without_limit_of_rows(mut self) -> Self {
        self.limits_rows = false;
        self
    }

    /// Says that the platform does not tell which delivery of an event it makes, so that each is said
    /// to be the first.
    #[must_use]
    pub fn without_numbers_of_deliveries(mut self) -> Self {
        self.numbers_deliveries = false;
        self
    }

    fn fresh_incarnation(&self) -> Incarnation {
        Incarnation::of(&self.fresh_run(), 1)
    }

    /// A run that nothing has used yet.
    fn fresh_run(&self) -> RunId {
        let number = self.used.fetch_add(1, Ordering::Relaxed);
        RunId::derive("conformance", &format!("{}/{number}", self.nonce))
    }

    fn expiry(&self) -> Timestamp {
        self.backend.table.now() + LIFETIME_MS
    }
}

/// One clause of the contract.
pub struct Check {
    /// What it says, as the name of a function.
    pub name: &'static str,
    run: fn(&Subject) -> BoxFuture<'_, Verdict>,
}

type Verdict = Result<(), Broken>;

/// How a clause was broken.
struct Broken(String);

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Broken(error.to_string())
    }
}

impl From<tokio::task::JoinError> for Broken {
    fn from(error: tokio::task::JoinError) -> Self {
        Broken(error.to_string())
    }
}

/// The functions as checks under their own names.
macro_rules! checks {
    ($($check:ident),* $(,)?) => {
        vec![$(super::Check { name: stringify!($check), run: |subject| Box::pin($check(subject)) }),*]
    };
}
use checks;

/// Breaks the check unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(super::Broken(format!($($message)+)));
        }
    };
}
use ensure;

/// What came of some checks.
#[derive(Debug, Default)]
pub struct Report {
    /// The names of those that passed.
    pub passed: Vec<&'static str>,
    /// The names of those that did not, and what was wrong.
    pub failed: Vec<(&'static str, String)>,
}

impl Report {
    /// Does nothing if all checks passed.
    ///
    /// # Panics
    /// With the report otherwise, or when there was no check at all.
    pub fn assert_passed(&self) {
        assert!(self.failed.is_empty() && !self.passed.is_empty(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} checks passed, {} failed", self.passed.len(), self.failed.len())?;
        for (name, message) in &self.failed {
            write!(f, "\n  {name}: {message}")?;
        }
        Ok(())
    }
}

/// Runs checks one after the other.
pub async fn run(checks: Vec<Check>, subject: &Subject) -> Report {
    let mut report = Report::default();
    for check in checks {
        match (check.run)(subject).await {
            Ok(()) => report.passed.push(check.name),
            Err(Broken(message)) => report.failed.push((check.name, message)),
        }
    }
    report
}

/// Makes the same call from many tasks at the same time, and collects the answers in their order.
async fn concurrently<T, F>(callers: u32, call: impl Fn(u32) -> F) -> Result<Vec<T>, Broken>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    let tasks: Vec<_> = (0..callers).map(|caller| tokio::spawn(call(caller))).collect();
    let mut answers = Vec::with_capacity(tasks.len());
    for task in tasks {
        answers.push(task.await??);
    }
    Ok(answers)
}
