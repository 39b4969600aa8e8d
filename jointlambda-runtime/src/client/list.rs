//! Which runs there are.

use crate::{
    backend::{Band, IndexPart, Page, Timestamp},
    client::{Client, Status, ended, record_of, status_of},
    commit::{END, REDRIVEN},
    error::Fault,
    id::{RowKey, RunId},
    machine::Workflow,
    retry,
};

/// How many runs a list has at most.
pub const MAX_LISTED: usize = 10_000;
/// Rows of one request.
const PAGE: usize = 1_000;

/// Which runs to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those of this deployment that have not ended, from the run index.
    Open,
    /// All that have rows, for 8 days or as long as [`Options::retention`](crate::Options::retention)
    /// says. This reads through the whole table.
    All,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunSummary {
    /// Its id, which follows from its key.
    pub run: RunId,
    /// The key that it was started with.
    pub key: String,
    /// What it is doing.
    pub status: Status,
    /// When it was started (redriven, if it was), in milliseconds since the epoch.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether it is of another deployment of the workflow.
    pub is_of_another_version: bool,
}

/// Runs, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunList {
    /// The runs.
    pub runs: Vec<RunSummary>,
    /// Rows of runs that this version cannot read.
    pub unreadable: usize,
    /// Whether there may be more.
    pub truncated: bool,
}

impl<W: Workflow> Client<W> {
    /// Up to `most` runs, [`MAX_LISTED`] at most; which ones of more, follows from no order. A run
    /// that was redriven is one run.
    ///
    /// # Errors
    /// The stores failed.
    pub async fn list(&self, which: Which, most: usize) -> Result<RunList, Fault> {
        let (most, table) = (most.clamp(1, MAX_LISTED), self.table()?);
        let mut list = RunList::default();
        let mut after = None;
        loop {
            let page = match which {
                // One more tells whether there are more.
                Which::Open => Page { keys: self.open(most + 1).await?, next: None },
                Which::All => retry::store(|| table.runs(after.as_ref(), PAGE)).await?,
            };
            self.read_into(&mut list, which, &page.keys).await?;
            list.truncated = list.runs.len() > most || list.runs.len() == most && page.next.is_some();
            after = page.next;
            if after.is_none() || list.truncated {
                break;
            }
        }
        list.runs.truncate(most);
        list.runs.sort_by(|a, b| (b.started_at, &a.key).cmp(&(a.started_at, &b.key)));
        Ok(list)
    }

    /// The keys of runs of this deployment that have not ended.
    async fn open(&self, most: usize) -> Result<Vec<RowKey>, Fault> {
        let (table, deployment) = (self.table()?, self.runtime.deployment);
        let mut keys = Vec::new();
        for band in [Band::Young, Band::Old] {
            let (part, room) = (IndexPart { deployment, band }, most - keys.len());
            keys.extend(retry::store(|| table.due(part, Timestamp::MAX, room)).await?);
        }
        Ok(keys)
    }

    async fn read_into(&self, list: &mut RunList, which: Which, keys: &[RowKey]) -> Result<(), Fault> {
        let table = self.table()?;
        for (key, row) in keys.iter().zip(retry::store(|| table.get_many(keys)).await?) {
            // It may have expired meanwhile.
            let Some(mut row) = row else { continue };
            if which == Which::Open && row.slots.contains_key(&END) {
                continue;
            }
            let Ok(mut record) = record_of(&row) else {
                list.unreadable += 1;
                continue;
            };
            let run = self.run_id(&record.key);
            if which == Which::All {
                if RowKey::run(&run) != *key {
                    // It goes on in place of another, which is in the list.
                    continue;
                }
                if row.slots.contains_key(&REDRIVEN)
                    && let Some((_, latest, _)) = self.latest(&run).await?
                {
                    (record, row) = (record_of(&latest)?, latest);
                }
            }
            list.runs.push(RunSummary {
                run,
                status: status_of(&row)?,
                started_at: record.term.started_at,
                ended_at: ended(&row)?.map(|end| record.term.started_at.saturating_add(end.stamp.at_ms)),
                is_of_another_version: record.deployment != self.runtime.deployment,
                key: record.key,
            });
        }
        Ok(())
    }
}
