//! Looks after runs that have not ended in time: re-drives them, fails them at their deadline,
//! and finishes cancellations that were begun.
//!
//! A sweep needs no lock, since everything it does is idempotent. Any number of sweeps may run at
//! once, beside live functions.

use std::{collections::HashSet, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::{
    backend::{Band, IndexPart, Look, Row, Timestamp},
    client::RunRecord,
    codec,
    commit::{Actor, CANCEL, END},
    envelope::{self, CloudSet, Ended, Failure, Term},
    error::{Fault, chain},
    id::{RowKey, RunId},
    retry,
    runtime::Runtime,
    walk::{Errand, Lost, Walk, When, is_past},
};

/// Runs that a sweep looks at side by side.
const AT_ONCE: usize = 32;
/// Runs that it asks the index for at once.
const PAGE: usize = 1_000;
/// The part of its time that a sweep uses, in percent: what is under way then has to end.
const USED_PERCENT: u32 = 80;
/// The part of that which young runs may take, in percent, before it is the turn of old ones.
const YOUNG_PERCENT: u32 = 70;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Runs that were looked at.
    pub runs: usize,
    /// Calls that were open for too long, and sent again.
    pub invoked: usize,
    /// Runs past their deadline, which were failed.
    pub overdue: usize,
    /// Runs whose cancellation was finished.
    pub cancelled: usize,
}

impl Swept {
    fn add(&mut self, other: Swept) {
        self.runs += other.runs;
        self.invoked += other.invoked;
        self.overdue += other.overdue;
        self.cancelled += other.cancelled;
    }
}

/// How long a run that is past its deadline is searched for the call that it waited for.
const LONGEST_SEARCH: Duration = Duration::from_secs(30);

/// How much a sweep may do.
#[derive(Clone, Copy, Debug)]
struct Limits {
    runs: usize,
    until: Option<Instant>,
}

impl Runtime {
    /// Looks at up to `max_runs` runs whose time has come.
    ///
    /// # Errors
    /// The run index cannot be read. A run that cannot be re-driven is logged and tried again by
    /// a later sweep; it does not hold up others.
    pub async fn sweep(&self, max_runs: usize) -> Result<Swept, Fault> {
        self.sweep_within(max_runs, None).await
    }

    /// Looks at runs whose time has come, many at once, until there are none or most of `time` has
    /// passed. Young runs come first.
    ///
    /// # Errors
    /// The run index cannot be read.
    pub async fn sweep_for(&self, time: Duration) -> Result<Swept, Fault> {
        self.sweep_within(usize::MAX, Some(time)).await
    }

    async fn sweep_within(&self, max_runs: usize, time: Option<Duration>) -> Result<Swept, Fault> {
        let began = Instant::now();
        // What is due is told by the table's time: a new process whose clock is behind would find nothing.
        let table = &self.cloud(self.definition.home)?.table;
        self.learn_time(&**table).await?;
        let used = time.map(|time| time / 100 * USED_PERCENT);
        let young = Limits { runs: max_runs, until: used.map(|used| began + used / 100 * YOUNG_PERCENT) };
        let mut swept = self.sweep_band(Band::Young, young).await?;
        let old = Limits { runs: max_runs - swept.runs, until: used.map(|used| began + used) };
        swept.add(self.sweep_band(Band::Old, old).await?);
        self.tell_clocks_apart();
        Ok(swept)
    }

    async fn sweep_band(&self, band: Band, limits: Limits) -> Result<Swept, Fault> {
        let (table, part) =
            (&self.cloud(self.definition.home)?.table, IndexPart { deployment: self.deployment, band });
        let mut swept = Swept::default();
        // The index may be behind, and give a run again that has just been looked at.
        let mut seen = HashSet::new();
        while swept.runs < limits.runs {
            let (now, page) = (table.now(), PAGE.min(limits.runs - swept.runs));
            let mut due = retry::store(|| table.due(part, now, page)).await?;
            due.retain(|key| seen.insert(key.clone()));
            if due.is_empty() {
                break;
            }
            let looks = stream::iter(due).map(|key| async move {
                if is_past(limits.until) {
                    return None;
                }
                self.look(&key, limits.until).await
            });
            let mut looks = std::pin::pin!(looks.buffer_unordered(AT_ONCE));
            while let Some(looked) = looks.next().await {
                swept.add(looked.unwrap_or_default());
            }
            if is_past(limits.until) {
                break;
            }
        }
        Ok(swept)
    }

    /// Looks after the run whose row has this key, if it is one.
    async fn look(&self, key: &RowKey, until: Option<Instant>) -> Option<Swept> {
        let run = key.as_run()?;
        let mut swept = Swept { runs: 1, ..Swept::default() };
        if let Err(fault) = self.look_after(&run, key, until, &mut swept).await {
            tracing::warn!(%run, fault = chain(&fault), "not re-driven");
        }
        Some(swept)
    }

    async fn look_after(
        &self,
        run: &RunId,
        key: &RowKey,
        until: Option<Instant>,
        swept: &mut Swept,
    ) -> Result<(), Fault> {
        let table = &self.cloud(self.definition.home)?.table;
        let row = retry::store(|| table.get(key)).await?.unwrap_or_default();
        let (Some(body), Some(started_at)) = (&row.body, row.inc) else { return Ok(()) };
        let now = table.now();
        let record: RunRecord = match codec::unpack_row(body, "a run row") {
            Ok(record) => record,
            Err(fault) if fault.is_of_the_code() => {
                let actor = Actor::passing(run.clone(), Term { started_at, deadline: started_at });
                return self.give_up(&actor, 0, &fault).await;
            }
            // A later release wrote it, which looks after it.
            Err(fault) => return Err(fault),
        };
        if record.deployment != self.deployment {
            return Ok(());
        }
        let actor = Actor::passing(run.clone(), record.term);
        // First of all, so that a run that fails every time does not keep others from their turn.
        let next = self.next_check(&record.term, now);
        retry::store(|| table.postpone(key, Look { next, looked_at: now, inc: row.inc })).await?;
        if row.slots.contains_key(&END) {
            // It is there because the process that cancelled it died, or the index is behind.
            return self.clear_ended(&actor, &row).await;
        }
        if row.slots.contains_key(&CANCEL) {
            swept.cancelled += usize::from(self.stop(&actor, &record, until).await?);
            return Ok(());
        }
        if self.is_past(&record.term).await {
            let failure = self.overdue(&actor, &record, now).await;
            self.end(&actor, Ended::Failed(failure), record.objects).await?;
            swept.overdue += 1;
            return Ok(());
        }
        let when = When { now, before: row.looked_at };
        match self.resume(&actor, &record, Some(when), until).await {
            Ok(resumed) => {
                swept.invoked += resumed.sent;
                if let Err(fault) = &resumed.done {
                    tracing::warn!(%run, fault = chain(fault), "not wholly re-driven");
                }
                // A look that has sent something counts. Otherwise the next one would send the same calls
                // again.
                if resumed.is_whole || resumed.sent > 0 {
                    return Ok(());
                }
            }
            Err(fault) => return self.give_up(&actor, record.objects, &fault).await,
        }
        self.note_partial(key, &row, &record.term, now).await
    }

    /// A look has left something, and sent nothing. What it would have sent is due at the next look all
    /// the same.
    async fn note_partial(&self, key: &RowKey, row: &Row, term: &Term, now: Timestamp) -> Result<(), Fault> {
        let table = &self.cloud(self.definition.home)?.table;
        let looked_at = row.looked_at.unwrap_or(term.started_at);
        let look = Look { next: self.next_check(term, now), looked_at, inc: row.inc };
        Ok(retry::store(|| table.postpone(key, look)).await?)
    }

    /// The failure of a run that is past its deadline: at a call that was sent time and again, if there
    /// is one, and nothing came of it.
    async fn overdue(&self, actor: &Actor, record: &RunRecord, now: Timestamp) -> Failure {
        let after_s = record.term.deadline.saturating_sub(record.term.started_at) / 1000;
        let cause = format!("the run had not ended {after_s} s after its start");
        let walk = Walk::new(self, actor, Errand::Find { now }, None);
        let found = async { walk.go_through(&mut walk.begin(record).await).await };
        // The run ends all the same where its rows cannot be read now.
        let lost = tokio::time::timeout(LONGEST_SEARCH, found).await.unwrap_or_default();
        let Some(Lost { frames, call, since, .. }) = lost.first() else {
            return Failure::new("the run", Vec::new(), cause, 1);
        };
        let open_s = now.saturating_sub(*since) / 1000;
        let cause = format!("{cause}, and this call had no outcome for {open_s} s");
        let at = self.definition.node(call.node).map_or("the run", |node| node.name);
        Failure::new(at, envelope::path(frames, &call.turns), cause, 1)
    }

    /// Sends the open calls of a run again; for a sweep, only those that have been open for so long
    /// that they are due.
    ///
    /// # Errors
    /// Faults of the run's own code or data, for which it cannot go on.
    pub(crate) async fn resume(
        &self,
        actor: &Actor,
        record: &RunRecord,
        look: Option<When>,
        until: Option<Instant>,
    ) -> Result<Resumed, Fault> {
        // Half of the time is for reading: what was found is also to be sent.
        let now = Instant::now();
        let half = until.map(|until| now + until.saturating_duration_since(now) / 2);
        let walk = Walk::new(self, actor, Errand::Resume { look }, half);
        let mut walking = walk.begin(record).await;
        let (mut sent, mut left, mut sending) = (0, 0, Ok(()));
        loop {
            let lost = walk.go_through(&mut walking).await;
            if lost.is_empty() {
                break;
            }
            let found = lost.len();
            let (some, done) = self.send_again(actor, lost, look.is_none(), until).await;
            (sent, left, sending) = (sent + some, left + found - some, sending.and(done));
        }
        let is_whole = walking.is_whole() && left == 0;
        // A fault of the code ends the run, whatever else there was.
        let done = match (sending, walking.done) {
            (Err(sending), Err(walked)) if walked.is_of_the_code() && !sending.is_of_the_code() => {
                Err(walked)
            }
            (sending, walked) => sending.and(walked),
        };
        match self.unless_ended(actor, false, done).await {
            Err(fault) if fault.is_of_the_code() => Err(fault),
            done => Ok(Resumed { sent, is_whole, done }),
        }
    }

    /// Stops a run that is to be cancelled, wherever it is, and only then ends it; unless it ends
    /// otherwise meanwhile. What is too much for that runs on until its deadline. Says whether it has ended.
    pub(crate) async fn stop(
        &self,
        actor: &Actor,
        record: &RunRecord,
        until: Option<Instant>,
    ) -> Result<bool, Fault> {
        let stopped = self.close(actor, record, until).await;
        if stopped.is_err() && self.has_ended(actor).await? {
            return Ok(true);
        }
        // Past the deadline the run ends, even if parts of it cannot be read.
        if matches!(stopped, Ok(true)) || self.is_past(&actor.term).await {
            return self.end_cancelled(actor, record.objects).await.map(|()| true);
        }
        stopped?;
        tracing::warn!(run = %actor.run, "not stopped completely: the next sweep goes on, and the deadline ends it");
        Ok(false)
    }

    /// Decides that whatever of a run is open is cancelled: nothing more is decided in it. Says
    /// whether that was all of it.
    pub(crate) async fn close(
        &self,
        actor: &Actor,
        record: &RunRecord,
        until: Option<Instant>,
    ) -> Result<bool, Fault> {
        let walk = Walk::new(self, actor, Errand::Stop, until);
        let mut walking = walk.begin(record).await;
        walk.go_through(&mut walking).await;
        let is_whole = walking.is_whole();
        walking.done.map(|()| is_whole)
    }

    /// Fails a run that cannot be re-driven because its own code or data is at fault.
    async fn give_up(&self, actor: &Actor, objects: CloudSet, fault: &Fault) -> Result<(), Fault> {
        let failure = Failure::new("the run", Vec::new(), fault.to_string(), 1);
        self.end(actor, Ended::Failed(failure), objects).await
    }
}

/// What came of a walk that sends calls again.
#[derive(Debug)]
pub(crate) struct Resumed {
    /// How many were sent.
    pub(crate) sent: usize,
    /// Whether it has looked at all of the run, and sent all that it found.
    pub(crate) is_whole: bool,
    /// What kept it from that: a store or a cloud.
    pub(crate) done: Result<(), Fault>,
}
