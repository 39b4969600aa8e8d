//! What time it is, by the tables of a workflow's clouds: never by this process alone.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use futures_util::future::join_all;

use crate::{
    backend::{Table, Timestamp},
    envelope::Term,
    error::Fault,
    retry,
    runtime::Runtime,
};

/// How often a table is asked for the time before it is gone by without it.
const TIME_TRIES: usize = 3;
/// How far the times of two tables may be apart before it is told, in milliseconds.
const APART_MS: u64 = 10_000;

/// How long after its time a row may still be there: DynamoDB removes expired rows within some days.
/// A run row is replaced when it should have gone so long ago that no event of its run is left.
const REPLACED_AFTER: Duration = Duration::from_secs(24 * 3600);

fn replaced_before(earliest: Option<Timestamp>) -> Timestamp {
    earliest.map_or(0, |now| now.saturating_sub(REPLACED_AFTER.as_millis() as u64))
}

/// Two tables of one workflow whose clocks differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClocksApart {
    /// The cloud whose table tells the earliest time.
    pub behind: &'static str,
    /// The cloud whose table tells the latest.
    pub ahead: &'static str,
    /// How far they are apart, in milliseconds.
    pub by_ms: u64,
}

impl fmt::Display for ClocksApart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClocksApart { behind, ahead, by_ms } = self;
        write!(
            f,
            "the clock of the table of {ahead} is {} s ahead of that of {behind}; deadlines go by the earlier one",
            by_ms / 1_000
        )
    }
}

impl Runtime {
    /// The two tables that are furthest apart in time, of those that have told it, if they are 10 s apart or
    /// more.
    pub fn clocks_apart(&self) -> Option<ClocksApart> {
        let clouds = self.definition.clouds.iter().zip(&*self.clouds);
        let told = clouds.filter_map(|(def, cloud)| Some((cloud.table.heard()?, def.name)));
        let told: Vec<_> = told.collect();
        let ((least, behind), (most, ahead)) = (told.iter().min()?, told.iter().max()?);
        let by_ms = most - least;
        (by_ms >= APART_MS).then_some(ClocksApart { behind, ahead, by_ms })
    }

    /// Logs, once a process, that the clocks of two tables differ.
    pub(crate) fn tell_clocks_apart(&self) {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if let Some(apart) = self.clocks_apart()
            && !TOLD.swap(true, Relaxed)
        {
            tracing::warn!("{apart}");
        }
    }

    /// The earliest of the times that the tables tell which have answered this process; `None` where
    /// none has. What cannot be taken back goes by it: one wrong clock decides nothing.
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        self.clouds.iter().filter_map(|cloud| cloud.table.heard()).min()
    }

    /// The time by the table of the cloud where this runs; by another, where that has not told it yet: a
    /// commit and an arrival come after an answer of some table.
    pub(crate) fn now(&self) -> Timestamp {
        let table = &self.clouds[usize::from(self.here)].table;
        table.heard().or_else(|| self.earliest()).unwrap_or_else(|| table.now())
    }

    /// Has a table tell the time before anything is decided by it. An answer that takes long says nothing,
    /// such as the first one of a connection.
    pub(crate) async fn learn_time(&self, table: &dyn Table) -> Result<(), Fault> {
        for _ in 0..TIME_TRIES {
            if table.heard().is_some() {
                break;
            }
            retry::store(|| table.ask_time()).await?;
        }
        Ok(())
    }

    /// A run row that was to expire before then is replaced by a new one of the same key.
    pub(crate) fn replaced_before(&self) -> Timestamp {
        replaced_before(self.earliest())
    }

    /// The same in a table that the workflow no longer uses; its clock counts as well.
    pub(crate) fn replaced_before_in(&self, table: &dyn Table) -> Timestamp {
        replaced_before(self.earliest().into_iter().chain(table.heard()).min())
    }

    /// Asks each table for the time that has not told it yet. One that cannot be reached is skipped.
    pub(crate) async fn ask_all_times(&self) {
        let unheard = self.clouds.iter().filter(|cloud| cloud.table.heard().is_none());
        join_all(unheard.map(|cloud| cloud.table.ask_time())).await;
    }

    /// Whether a run is past its deadline by all tables that can be reached: one whose clock is ahead
    /// decides nothing alone.
    pub(crate) async fn is_past(&self, term: &Term) -> bool {
        self.has_come(term.deadline).await
    }

    /// Whether rows of a run may have expired. A copy that comes so late, as its process was frozen, must
    /// create none.
    pub(crate) async fn may_be_gone(&self, term: &Term) -> bool {
        self.has_come(term.deadline.saturating_add(self.afterwards())).await
    }

    async fn has_come(&self, time: Timestamp) -> bool {
        // By the tables that have answered, which decides nothing yet.
        let has_come = || self.earliest().is_some_and(|now| now >= time);
        if !has_come() {
            return false;
        }
        self.ask_all_times().await;
        has_come()
    }
}
