//! Looks after runs that have not ended in time: re-drives them, fails them at their deadline,
//! and finishes cancellations that were begun.
//!
//! A sweep needs no lock, since everything it does is idempotent. Any number of sweeps may run at
//! once, beside live functions.

use crate::{
    backend::Timestamp,
    client::RunRecord,
    codec,
    commit::{Actor, CANCEL, END},
    envelope::{self, Ended, Failure, Term},
    error::Fault,
    id::{RowKey, RunId},
    retry,
    runtime::Runtime,
    walk::{Errand, Lost, Walk},
};

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Runs that were looked at.
    pub runs: usize,
    /// Calls that were taken for lost, and invoked again.
    pub invoked: usize,
    /// Runs past their deadline, which were failed.
    pub overdue: usize,
    /// Runs whose cancellation was finished.
    pub cancelled: usize,
}

impl Runtime {
    /// Looks at up to `max_runs` runs whose time has come.
    ///
    /// # Errors
    /// The run index cannot be read. A run that cannot be re-driven is logged and tried again by
    /// a later sweep; it does not hold up others.
    pub async fn sweep(&self, max_runs: usize) -> Result<Swept, Fault> {
        let table = &self.cloud(self.definition.home)?.table;
        let now = table.now();
        let mut swept = Swept::default();
        for key in retry::store(|| table.due(now, max_runs)).await? {
            let Some(run) = key.as_run() else { continue };
            swept.runs += 1;
            match self.look_after(&run, &key, now, &mut swept).await {
                Ok(()) => {}
                Err(fault) if fault.is_of_the_code() => self.give_up(&run, &fault).await?,
                Err(fault) => tracing::warn!(%run, %fault, "not re-driven"),
            }
        }
        Ok(swept)
    }

    async fn look_after(
        &self,
        run: &RunId,
        key: &RowKey,
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<(), Fault> {
        let table = &self.cloud(self.definition.home)?.table;
        let row = retry::store(|| table.get(key)).await?.unwrap_or_default();
        let Some(body) = &row.body else { return Ok(()) };
        let record: RunRecord = codec::unpack(body, "a run row")?;
        if record.definition != self.definition.hash {
            // It belongs to the sweeper of another deployment.
            return Ok(());
        }
        let actor = Actor::passing(run.clone(), record.term);
        // First of all, so that a run that fails every time does not keep others from their turn.
        let age_ms = now.saturating_sub(record.term.started_at);
        let next = now + self.pause(age_ms);
        // Not long after its deadline either.
        let next = next.min(record.term.deadline.max(now + self.pause(0)));
        retry::store(|| table.postpone(key, next)).await?;
        if row.slots.contains_key(&END) {
            // It is there because whoever cancelled it died, or the index is behind.
            return self.clear_ended(run, &row).await;
        }
        if row.slots.contains_key(&CANCEL) {
            self.stop(&actor, &record).await?;
            swept.cancelled += 1;
        } else if now >= record.term.deadline {
            let failure = self.overdue(&actor, &record, now).await;
            self.end(&actor, Ended::Failed(failure), record.objects).await?;
            swept.overdue += 1;
        } else {
            swept.invoked += self.resume(&actor, &record, Some(now)).await?;
        }
        Ok(())
    }

    /// The failure of a run that is past its deadline: at a call that was sent time and again, if there
    /// is one, and nothing came of it.
    async fn overdue(&self, actor: &Actor, record: &RunRecord, now: Timestamp) -> Failure {
        let after_s = (record.term.deadline - record.term.started_at) / 1000;
        let cause = format!("the run had not ended {after_s} s after its start");
        let lost = Walk::new(self, actor, Errand::Resume { now: Some(now) }).follow_all(record).await.lost;
        let Some(Lost { frames, call, since, .. }) = lost.first() else {
            return Failure::new("the run", Vec::new(), cause, 1);
        };
        let open_s = now.saturating_sub(*since) / 1000;
        let others = match lost.len() - 1 {
            0 => String::new(),
            more => format!(", as for {more} more"),
        };
        let cause = format!("{cause}, and this call had no outcome for {open_s} s{others}");
        let at = self.definition.node(call.node).map_or("the run", |node| node.name);
        Failure::new(at, envelope::path(frames, &call.turns), cause, 1)
    }

    /// Invokes the open calls of a run again; if `now` is given, only those that have been open
    /// for so long then that they must be lost. Says how many there were.
    pub(crate) async fn resume(
        &self,
        actor: &Actor,
        record: &RunRecord,
        now: Option<Timestamp>,
    ) -> Result<usize, Fault> {
        let walked = Walk::new(self, actor, Errand::Resume { now }).follow_all(record).await;
        let invoked = walked.lost.len();
        let done = self.send_again(actor, walked.lost, now.is_none()).await.and(walked.done);
        self.unless_ended(actor, false, done).await.map(|()| invoked)
    }

    /// Stops a run that is to be cancelled, wherever it is, and only then ends it; unless it ends
    /// otherwise meanwhile. What is too much for that runs on until its deadline.
    pub(crate) async fn stop(&self, actor: &Actor, record: &RunRecord) -> Result<(), Fault> {
        let stopped = self.close(actor, record).await;
        if stopped.is_err() && self.has_ended(&actor.run).await? {
            return Ok(());
        }
        if stopped? || self.is_past(&actor.term) {
            return self.end_cancelled(actor, record.objects).await;
        }
        tracing::warn!(run = %actor.run, "too large to be stopped before its deadline");
        Ok(())
    }

    /// Decides that whatever of a run is open is cancelled: nothing more is decided in it. Says
    /// whether that was all of it.
    pub(crate) async fn close(&self, actor: &Actor, record: &RunRecord) -> Result<bool, Fault> {
        let walked = Walk::new(self, actor, Errand::Stop).follow_all(record).await;
        walked.done.map(|()| walked.is_whole)
    }

    /// Fails a run that cannot be re-driven because its own code or data is at fault.
    async fn give_up(&self, run: &RunId, fault: &Fault) -> Result<(), Fault> {
        let failure = Failure::new("the run", Vec::new(), fault.to_string(), 1);
        let now = self.cloud(self.definition.home)?.table.now();
        let actor = Actor::passing(run.clone(), Term { started_at: now, deadline: now });
        self.end(&actor, Ended::Failed(failure), 0).await
    }
}
