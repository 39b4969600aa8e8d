//! The suite can fail: the protocol with one rule broken at a time, each of which it must notice.
//!
//! A mutant is a layer between the runtime and the backends, or the platform, that undoes what one
//! rule of the protocol is for; the runtime itself stays as it is.

mod foreign;
mod giving_up;
mod incarnations;
mod stopping;
mod sweeping;
mod time;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Fault, GivenUp, Workflow,
    backend::{
        Arrival, Arrived, Backend, Created, Delivery, Functions, Handler, IndexPart, Invoked, Look, NewRow,
        Page, Row, StoreError, Table, Timestamp,
    },
    envelope::{Envelope, Task},
    id::{Incarnation, RowKey, RunId},
};
use tokio::sync::Notify;

use crate::{
    faulty::{Parts, Sound, first_failure},
    many_faults::{chain::Chain, fan::Fan},
};

/// A rule of the protocol that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Successors are invoked, and then the row is created.
    DispatchBeforeCommit,
    /// A copy that finds the row made trusts the other copy to go on.
    TrustTheDuplicate,
    /// Every copy runs the glue on its own after the commit, and goes on with what it made.
    GlueAfterCommit,
    /// A join row is read, changed and written back.
    SetThenRead,
    /// A join row counts arrivals, whoever they are of.
    CounterForSlots,
    /// A copy commits in the table of the cloud where it runs.
    CommitWhereItRuns,
    /// The rows of a run go when it ends.
    RowsGoAtTheEnd,
    /// The run's id is made by its first function.
    RunIdMintedInside,
    /// Nobody looks after late runs.
    NoSweeper,
    /// A fan-out of no branches starts nothing, and nothing follows.
    EmptyMapNotFired,
    /// Which branches are first is decided by each copy for itself.
    PickNotDecided,
    /// A join row counts arrivals that are `Ok`, whoever they are of.
    OkCountedAgain,
}

tokio::task_local! {
    static EXECUTION: Execution;
}

/// What one execution of a function has put off, and how it ends early.
#[derive(Clone, Default)]
struct Execution {
    late: Arc<Mutex<Vec<Late>>>,
    stop: Arc<Notify>,
}

/// A row that is still to be created, and where.
type Late = (Arc<dyn Table>, RowKey, NewRow);

/// A deployment in which a rule is broken.
struct Mutant {
    rule: Rule,
    seen: Arc<Seen>,
}

/// What a mutant keeps beside the stores.
#[derive(Default)]
struct Seen {
    /// Join rows that are kept without atomicity.
    rows: Mutex<BTreeMap<RowKey, Row>>,
    /// Repeated arrivals, per row.
    repeated: Mutex<BTreeMap<RowKey, u32>>,
    /// Incarnations of runs whose rows are gone.
    gone: Mutex<BTreeSet<String>>,
    /// Ids minted inside, and the runs they stand for.
    minted: Mutex<BTreeMap<String, RunId>>,
    mints: AtomicU64,
}

impl Parts for Mutant {
    fn backends(&self, cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        let here = sound[cloud].table.clone();
        let broken = |one: Backend| {
            let part = Arc::new(Broken {
                rule: self.rule,
                seen: self.seen.clone(),
                table: one.table.clone(),
                here: here.clone(),
                functions: one.functions.clone(),
            });
            Backend { table: part.clone(), functions: part, ..one }
        };
        sound.into_iter().map(broken).collect()
    }

    fn handler(&self, sound: Arc<dyn Handler>) -> Arc<dyn Handler> {
        Arc::new(BrokenHandler { rule: self.rule, seen: self.seen.clone(), sound })
    }

    fn sweeps(&self) -> bool {
        // A sweep heals these, later: without one they are seen.
        !matches!(
            self.rule,
            Rule::NoSweeper | Rule::TrustTheDuplicate | Rule::SetThenRead | Rule::EmptyMapNotFired
        )
    }
}

struct BrokenHandler {
    rule: Rule,
    seen: Arc<Seen>,
    sound: Arc<dyn Handler>,
}

#[async_trait]
impl Handler for BrokenHandler {
    async fn handle(&self, function: &str, mut wire: Bytes, delivery: Delivery) -> Result<(), Fault> {
        if self.rule == Rule::RunIdMintedInside {
            let mut envelope = Envelope::peek(&wire).expect("a function sent it");
            if matches!(&envelope.task, Task::Call(call) if call.node == 0) {
                let mint = self.seen.mints.fetch_add(1, Relaxed);
                let minted = RunId::derive("minted", &mint.to_string());
                let run = std::mem::replace(&mut envelope.run, minted.clone());
                self.seen.minted.lock().unwrap().insert(minted.to_string(), run);
                wire = envelope.encode();
            }
        }
        let execution = Execution::default();
        let stop = execution.stop.clone();
        tokio::select! {
            biased;
            done = EXECUTION.scope(execution, self.sound.handle(function, wire, delivery)) => done,
            () = stop.notified() => Ok(()),
        }
    }

    async fn abandon(&self, function: &str, wire: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        self.sound.abandon(function, wire, given_up).await
    }
}

/// One cloud's table and functions, as a mutant's executions see them.
struct Broken {
    rule: Rule,
    seen: Arc<Seen>,
    table: Arc<dyn Table>,
    /// The table of the cloud where the execution is.
    here: Arc<dyn Table>,
    functions: Arc<dyn Functions>,
}

/// Ends the execution as if all were done.
async fn stop<T>() -> T {
    match EXECUTION.try_with(|execution| execution.stop.clone()) {
        Ok(stop) => stop.notify_one(),
        Err(_) => unreachable!("only executions of functions stop"),
    }
    std::future::pending().await
}

fn executes() -> bool {
    EXECUTION.try_with(|_| ()).is_ok()
}

/// Creates the rows that were put off.
async fn catch_up() {
    let late = EXECUTION.try_with(|execution| std::mem::take(&mut *execution.late.lock().unwrap()));
    for (table, key, row) in late.unwrap_or_default() {
        let _ = table.create(&key, row).await;
    }
}

impl Broken {
    fn is_join(key: &RowKey) -> bool {
        key.as_str().contains("/j")
    }

    /// Whether it is the row of the fan-in of [`pick`].
    fn is_pick(key: &RowKey) -> bool {
        let node = pick::Pick::definition().nodes.iter().position(|node| node.name == "first");
        node.is_some_and(|node| key.as_str().ends_with(&format!("/{node}")))
    }

    /// The table for an instance's row.
    fn home(&self, key: &RowKey) -> &Arc<dyn Table> {
        let is_instance = key.as_run().is_none() && !Self::is_join(key);
        if self.rule == Rule::CommitWhereItRuns && is_instance { &self.here } else { &self.table }
    }

    /// The row of a run that was renamed is the one the client knows.
    fn known(&self, key: &RowKey) -> RowKey {
        let minted = self.seen.minted.lock().unwrap();
        minted.get(key.as_str()).map_or_else(|| key.clone(), RowKey::run)
    }

    fn is_gone(&self, key: &RowKey) -> bool {
        let run = key.as_str().split('/').next().unwrap_or_default();
        key.as_run().is_none() && self.seen.gone.lock().unwrap().contains(run)
    }
}

#[async_trait]
impl Functions for Broken {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        let invoked = self.functions.invoke(function, envelope).await;
        catch_up().await;
        invoked
    }
}

#[async_trait]
impl Table for Broken {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        if self.is_gone(key) {
            return Ok(Created::New);
        }
        let home = self.home(key);
        if self.rule == Rule::DispatchBeforeCommit && executes() {
            let late = (home.clone(), key.clone(), row);
            EXECUTION.with(|execution| execution.late.lock().unwrap().push(late));
            return Ok(Created::New);
        }
        let created = home.create(key, row).await?;
        match self.rule {
            Rule::TrustTheDuplicate if executes() && created != Created::New => stop().await,
            Rule::GlueAfterCommit if executes() => Ok(Created::New),
            Rule::PickNotDecided if Self::is_pick(key) => Ok(Created::New),
            Rule::EmptyMapNotFired if executes() => stop().await,
            _ => Ok(created),
        }
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        if self.is_gone(key) {
            return Ok(None);
        }
        if self.rule == Rule::SetThenRead && Self::is_join(key) {
            return Ok(self.seen.rows.lock().unwrap().get(key).cloned());
        }
        let found = self.home(key).get(&self.known(key)).await?;
        let is_instance = key.as_run().is_none() && !Self::is_join(key);
        if self.rule == Rule::TrustTheDuplicate && executes() && is_instance && found.is_some() {
            stop::<()>().await;
        }
        Ok(found)
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        if self.rule == Rule::SetThenRead && Self::is_join(key) {
            let mut row = self.seen.rows.lock().unwrap().get(key).cloned().unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(1)).await;
            let fresh = row.slots.insert(arrival.slot, arrival.value).is_none();
            self.seen.rows.lock().unwrap().insert(key.clone(), row.clone());
            let filled = row.slots.len() as u32;
            return Ok(Arrived { fresh, closed: false, row: Some(row), ..Arrived::closed(filled) });
        }
        let (of, is_ok, inc) = (arrival.of, arrival.ok, arrival.inc);
        let mut arrived = self.table.arrive(&self.known(key), arrival).await?;
        catch_up().await;
        if self.rule == Rule::CounterForSlots && Self::is_join(key) {
            let mut repeated = self.seen.repeated.lock().unwrap();
            let times = repeated.entry(key.clone()).or_default();
            *times += u32::from(!arrived.fresh);
            arrived.filled = (arrived.filled + *times).min(of);
        }
        if self.rule == Rule::OkCountedAgain && Self::is_join(key) {
            let mut repeated = self.seen.repeated.lock().unwrap();
            let times = repeated.entry(key.clone()).or_default();
            *times += u32::from(!arrived.fresh && is_ok);
            arrived.ok = (arrived.ok + *times).min(of);
        }
        if let (Rule::RowsGoAtTheEnd, Some(run), Some(inc)) = (self.rule, key.as_run(), inc) {
            self.seen.gone.lock().unwrap().insert(Incarnation::of(&run, inc).to_string());
        }
        Ok(arrived)
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.table.due(part, now, limit).await
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.table.postpone(key, look).await
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        self.table.runs(after, limit).await
    }

    async fn changed(&self, key: &RowKey) {
        self.table.changed(key).await;
    }

    fn now(&self) -> Timestamp {
        self.table.now()
    }
}

mod pick {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use jointlambda::prelude::*;

    static DRAWN: AtomicU64 = AtomicU64::new(0);

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// How many were picked, if both saw the same.
        #[workflow]
        pub(crate) async fn pick(list: Vec<u64>) -> Option<usize> {
            let picked = first_ok(2, list, async |x| draw(x).await).await.ok()?;
            let (a, b) = join!(see(picked.clone()), see(picked.clone()));
            if a == b { Some(a.len()) } else { None }
        }

        #[function(on = ALI, failover = [AWS])]
        async fn draw(x: u64) -> Result<(u64, u64)> {
            Ok((x, DRAWN.fetch_add(1, Relaxed)))
        }

        #[function(on = AWS)]
        async fn see(picked: Vec<(u64, u64)>) -> Vec<(u64, u64)> { picked }
    }
}

mod empty {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn empty(n: u64) -> u64 {
            let list = list(n).await;
            let all = fan_out(list, async |x| keep(x).await).await;
            keep(all.len() as u64).await
        }

        #[function(on = AWS)]
        async fn list(n: u64) -> Vec<u64> { (0..n).collect() }

        #[function(on = AWS)]
        async fn keep(x: u64) -> u64 { x }
    }
}

/// What is wrong with a mutant on `input`. It makes each trial with a state of its own.
fn killed_by<W: Workflow>(rule: Rule, input: W::Input) -> Option<String>
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    let mutant = || Mutant { rule, seen: Arc::default() };
    // What is seen without a sweeper must not be the want of a sweeper.
    let sweeps = rule == Rule::NoSweeper || mutant().sweeps();
    first_failure::<W>(&|| Box::new(mutant()), &|| Box::new(Sound { sweeps }), input)
}

#[test]
fn every_mutant_is_killed() {
    let chain = |rule| (rule, killed_by::<Chain>(rule, 3));
    let fan = |rule| (rule, killed_by::<Fan>(rule, vec![2, 3, 5]));
    let pick = |rule, list| (rule, killed_by::<pick::Pick>(rule, list));
    let results = [
        chain(Rule::DispatchBeforeCommit),
        chain(Rule::TrustTheDuplicate),
        chain(Rule::GlueAfterCommit),
        fan(Rule::SetThenRead),
        fan(Rule::CounterForSlots),
        chain(Rule::CommitWhereItRuns),
        chain(Rule::RowsGoAtTheEnd),
        chain(Rule::RunIdMintedInside),
        chain(Rule::NoSweeper),
        pick(Rule::PickNotDecided, vec![1, 2, 3]),
        pick(Rule::OkCountedAgain, vec![1, 2]),
        (Rule::EmptyMapNotFired, killed_by::<empty::Empty>(Rule::EmptyMapNotFired, 0)),
    ];
    for (rule, why) in &results {
        println!("{rule:?}: {}", why.as_deref().unwrap_or("NOT KILLED"));
    }
    let alive: Vec<_> = results.iter().filter(|(_, why)| why.is_none()).map(|(rule, _)| rule).collect();
    assert!(alive.is_empty(), "not noticed: {alive:?}");
}
