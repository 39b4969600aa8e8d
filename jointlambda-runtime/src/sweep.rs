//! Re-drives runs that have not ended in time: finds what was committed but not followed, and
//! dispatches it again.
//!
//! A sweep walks a run from its root by deriving names; it scans nothing and needs no lock, since
//! everything it does is idempotent. Any number of sweeps may run at once, beside live functions.

use crate::{
    backend::Timestamp,
    client::RunRecord,
    codec,
    commit::{Instance, Settled},
    envelope::{Arrived, Call, CloudSet, Continuation, Ended, Failure, Fork, Frame},
    error::Fault,
    id::{RowKey, RunId},
    join::WIDTH,
    retry,
    runtime::Runtime,
};

/// Instances of one run that one sweep invokes again; the next sweep finds the others.
const MAX_INVOKED: usize = 10_000;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Runs that were late.
    pub runs: usize,
    /// Instances that were invoked again.
    pub invoked: usize,
    /// Runs past their deadline, which were failed.
    pub overdue: usize,
}

/// A part of a run that is still to be looked at.
struct Part {
    frames: Vec<Frame>,
    continuation: Continuation,
    objects: CloudSet,
}

/// The walk through one run.
struct Walk<'a> {
    runtime: &'a Runtime,
    run: &'a RunId,
    parts: Vec<Part>,
    /// Calls that are not committed.
    open: Vec<(Vec<Frame>, Call, CloudSet)>,
}

impl Runtime {
    /// Looks at up to `max_runs` runs whose time has come, and re-drives them.
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
            match self.redrive(&run, &key, now).await {
                Ok(Some(invoked)) => swept.invoked += invoked,
                Ok(None) => swept.overdue += 1,
                Err(fault) if fault.is_of_the_code() => self.give_up(&run, &fault).await?,
                Err(fault) => tracing::warn!(%run, %fault, "not re-driven"),
            }
        }
        Ok(swept)
    }

    /// Re-drives one run; says how many instances were invoked again, or `None` when the run was
    /// past its deadline.
    async fn redrive(&self, run: &RunId, key: &RowKey, now: Timestamp) -> Result<Option<usize>, Fault> {
        let table = &self.cloud(self.definition.home)?.table;
        let row = retry::store(|| table.get(key)).await?.unwrap_or_default();
        let (Some(body), false) = (row.body, row.slots.contains_key(&0)) else { return Ok(Some(0)) };
        let record: RunRecord = codec::unpack(&body, "a run row")?;
        if record.definition != self.definition.hash {
            // It belongs to the sweeper of another deployment.
            return Ok(Some(0));
        }
        // First of all, so that a run that fails every time does not keep others from their turn.
        retry::store(|| table.postpone(key, now + self.check_after())).await?;
        if now.saturating_sub(record.started_at) > self.options.deadline.as_millis() as u64 {
            let cause = format!("not ended {} s after its start", self.options.deadline.as_secs());
            let failure = Failure::new("the run", Vec::new(), cause, 1);
            self.end(run, Arrived { ended: Ended::Failed(failure), objects: record.objects }).await?;
            return Ok(None);
        }
        let first = codec::unpack(&self.fetch(run, &record.first).await?, "a run row")?;
        let root = Part { frames: Vec::new(), continuation: first, objects: record.objects };
        let mut walk = Walk { runtime: self, run, parts: vec![root], open: Vec::new() };
        // What was found before a fault is invoked all the same.
        let walked = walk.through().await;
        let invoked = walk.open.len();
        self.send_again(run, walk.open).await?;
        walked.map(|()| Some(invoked))
    }

    /// Fails a run that cannot be re-driven because its own code or data is at fault.
    async fn give_up(&self, run: &RunId, fault: &Fault) -> Result<(), Fault> {
        let failure = Failure::new("the run", Vec::new(), fault.to_string(), 1);
        self.end(run, Arrived { ended: Ended::Failed(failure), objects: 0 }).await
    }
}

impl Walk<'_> {
    /// Follows what is committed to where nothing follows.
    async fn through(&mut self) -> Result<(), Fault> {
        while let Some(Part { frames, continuation, objects }) = self.parts.pop() {
            if self.open.len() >= MAX_INVOKED {
                return Ok(());
            }
            match continuation {
                Continuation::Call(call) => self.call(frames, call, objects).await?,
                Continuation::Fork(fork) => self.fork(frames, fork, objects).await?,
                Continuation::Return(value) => {
                    self.arrive(frames, Arrived { ended: Ended::Returned(value), objects }).await?;
                }
            }
        }
        Ok(())
    }

    async fn call(&mut self, frames: Vec<Frame>, call: Call, objects: CloudSet) -> Result<(), Fault> {
        let unknown = || Fault::Poison(format!("there is no call site {}", call.place(&[])));
        let node = self.runtime.definition.node(call.node).ok_or_else(unknown)?;
        let turns = call.turns.clone();
        let instance = Instance { run: self.run.clone(), frames, node: call.node, turns, objects };
        match self.runtime.settled(&instance, node).await? {
            None => self.open.push((instance.frames, call, objects)),
            Some(settled) => self.go_on(instance, settled).await?,
        }
        Ok(())
    }

    async fn go_on(&mut self, instance: Instance, settled: Settled) -> Result<(), Fault> {
        match settled {
            Settled::Next(continuation, objects) => {
                self.parts.push(Part { frames: instance.frames, continuation, objects });
                Ok(())
            }
            // A failed instance fails the run, wherever it is.
            Settled::Ended(arrived @ Arrived { ended: Ended::Failed(_), .. }) => {
                self.runtime.end(self.run, arrived).await
            }
            Settled::Ended(arrived) => self.arrive(instance.frames, arrived).await,
        }
    }

    async fn arrive(&mut self, frames: Vec<Frame>, arrived: Arrived) -> Result<(), Fault> {
        if let Some(full) = self.runtime.arrive(self.run, &frames, arrived).await? {
            let (join, settled) = self.runtime.fan_in(full).await?;
            Box::pin(self.go_on(join, settled)).await?;
        }
        Ok(())
    }

    async fn fork(&mut self, frames: Vec<Frame>, fork: Fork, objects: CloudSet) -> Result<(), Fault> {
        let unknown = || Fault::Poison(format!("there is no fan-in {}", fork.join));
        let node = self.runtime.definition.node(fork.join).ok_or_else(unknown)?;
        let Fork { join, turns, vars, branches } = fork;
        let instance = Instance {
            run: self.run.clone(),
            frames: frames.clone(),
            node: join,
            turns: turns.clone(),
            objects,
        };
        if let Some(settled) = self.runtime.settled(&instance, node).await? {
            return self.go_on(instance, settled).await;
        }
        let frame = Frame { join, turns, index: 0, of: branches.len() as u32, vars };
        if branches.is_empty() {
            let full = self.runtime.full_at_once(instance, frame);
            let (join, settled) = self.runtime.fan_in(full).await?;
            return Box::pin(self.go_on(join, settled)).await;
        }
        let arrived = self.runtime.arrived(self.run, &frames, &frame).await?;
        let full_leaf = |leaf: &[Option<Arrived>]| leaf.iter().all(Option::is_some);
        let full: Vec<bool> = arrived.chunks(WIDTH as usize).map(full_leaf).collect();
        for ((index, continuation), arrived) in (0..).zip(branches).zip(arrived) {
            let mut around = frames.clone();
            around.push(Frame { index, ..frame.clone() });
            match arrived {
                None => self.parts.push(Part { frames: around, continuation, objects }),
                // One branch of a full row arrives again, in case nobody went on from there.
                Some(arrived) if index % WIDTH == 0 && full[(index / WIDTH) as usize] => {
                    self.arrive(around, arrived).await?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
