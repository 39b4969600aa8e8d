//! Mutants of what stops a run, to cancel it or to redrive it: each leaves a step of that out.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use jointlambda::{
    backend::{
        Arrival, Arrived, Backend, Created, IndexPart, Look, NewRow, Page, Row, StoreError, Table, Timestamp,
    },
    id::RowKey,
};

use crate::{
    cancelling,
    cancelling::shapes::race::Race,
    faulty::Parts,
    many_faults::chain::Chain,
    redriving,
    redriving::shapes::{apart::Apart, branches::Branches, inner::Inner},
};

/// The slot of a run row that says that the run is to be cancelled.
const MARK: u32 = 1;
/// The slot of a run row that leads to the run that goes on in its place.
const LINK: u32 = 2;

/// A rule of cancelling or redriving that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// What is open in a failed run is left so when it is redriven.
    RedriveWithoutClosing,
    /// Whoever stops a run does not look into branches that have arrived.
    ArrivedAreNotStopped,
    /// Functions and sweeps do not know that a run is to be cancelled.
    MarkIsNotSeen,
}

struct Mutant {
    rule: Rule,
    seen: Arc<Seen>,
}

/// What a mutant keeps beside the stores.
#[derive(Default)]
struct Seen {
    /// Whether the failed run leads to another.
    is_linked: AtomicBool,
    /// The outermost branches that were read as arrived.
    arrived: Mutex<BTreeSet<u32>>,
}

impl Mutant {
    fn broken(&self, sound: Vec<Backend>) -> Vec<Backend> {
        let broken = |one: Backend| {
            let table =
                Arc::new(Broken { rule: self.rule, seen: self.seen.clone(), table: one.table.clone() });
            Backend { table, ..one }
        };
        sound.into_iter().map(broken).collect()
    }
}

impl Parts for Mutant {
    fn backends(&self, _cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        if self.rule == Rule::MarkIsNotSeen { self.broken(sound) } else { sound }
    }

    fn sweeper(&self, sound: Vec<Backend>) -> Vec<Backend> {
        if self.rule == Rule::RedriveWithoutClosing { sound } else { self.broken(sound) }
    }

    fn stopper(&self, sound: Vec<Backend>) -> Vec<Backend> {
        if self.rule == Rule::MarkIsNotSeen { sound } else { self.broken(sound) }
    }
}

/// One cloud's table, as a mutant's sweeps and clients, or its functions, see it.
struct Broken {
    rule: Rule,
    seen: Arc<Seen>,
    table: Arc<dyn Table>,
}

/// The branch of the outermost fan-out in which a row is; none for those around it.
fn branch_of(key: &RowKey) -> Option<u32> {
    // A path is of numbers; the part for a fan-in's rows begins with a letter.
    key.as_str().split('/').nth(2)?.split('.').next()?.parse().ok()
}

impl Broken {
    /// Whether a write is left out.
    fn skips(&self, key: &RowKey) -> bool {
        match self.rule {
            Rule::RedriveWithoutClosing => !self.seen.is_linked.load(Relaxed),
            Rule::ArrivedAreNotStopped => {
                branch_of(key).is_some_and(|branch| self.seen.arrived.lock().unwrap().contains(&branch))
            }
            Rule::MarkIsNotSeen => false,
        }
    }

    /// The row as a mutant reads it.
    fn as_seen(&self, key: &RowKey, row: &mut Row) {
        match self.rule {
            Rule::ArrivedAreNotStopped if is_outermost_fan_in(key) => {
                self.seen.arrived.lock().unwrap().extend(row.slots.keys());
            }
            Rule::MarkIsNotSeen if key.as_run().is_some() => {
                row.slots.remove(&MARK);
            }
            _ => {}
        }
    }
}

/// Whether it is the row of [`Race`]'s fan-in that is in no other: no path is in its key.
fn is_outermost_fan_in(key: &RowKey) -> bool {
    key.as_str().split('/').nth(2).is_some_and(|part| part.starts_with('j'))
}

#[async_trait]
impl Table for Broken {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        if self.skips(key) {
            return Ok(Created::New);
        }
        let mut created = self.table.create(key, row).await?;
        if let Created::Exists(row) = &mut created {
            self.as_seen(key, row);
        }
        Ok(created)
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        let mut found = self.table.get(key).await?;
        if let Some(row) = &mut found {
            self.as_seen(key, row);
        }
        Ok(found)
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let mut found = self.table.get_many(keys).await?;
        for (key, row) in keys.iter().zip(&mut found) {
            if let Some(row) = row {
                self.as_seen(key, row);
            }
        }
        Ok(found)
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        if key.as_run().is_some() && arrival.slot == LINK {
            self.seen.is_linked.store(true, Relaxed);
        }
        if self.skips(key) {
            return Ok(Arrived { fresh: true, closed: false, ..Arrived::closed(0) });
        }
        let mut arrived = self.table.arrive(key, arrival).await?;
        if let Some(row) = &mut arrived.row {
            self.as_seen(key, row);
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

#[test]
fn every_mutant_that_stops_a_run_badly_is_killed() {
    let mutant = |rule| move || -> Box<dyn Parts> { Box::new(Mutant { rule, seen: Arc::default() }) };
    let moments = || (0..600).step_by(10).map(Duration::from_millis);
    let (unclosed, arrived, unmarked) = (
        mutant(Rule::RedriveWithoutClosing),
        mutant(Rule::ArrivedAreNotStopped),
        mutant(Rule::MarkIsNotSeen),
    );
    // Which rule, where, what is wrong, and what is to be noticed.
    let killed = [
        (
            Rule::RedriveWithoutClosing,
            "a fan-out in a branch",
            redriving::first_failure::<Inner>(&unclosed, 2, moments()),
            "consumers saw",
        ),
        (
            Rule::RedriveWithoutClosing,
            "a map",
            redriving::first_failure::<Branches>(&unclosed, (2, 1), moments()),
            "consumers saw",
        ),
        (
            Rule::RedriveWithoutClosing,
            "a join",
            redriving::first_failure::<Apart>(&unclosed, 3, moments()),
            "consumers saw",
        ),
        (
            Rule::ArrivedAreNotStopped,
            "a race in a branch",
            cancelling::first_failure::<Race>(&arrived, 3),
            "after its run was cancelled",
        ),
        (
            Rule::MarkIsNotSeen,
            "a chain",
            cancelling::first_failure::<Chain>(&unmarked, 3),
            "the run did not end",
        ),
        (
            Rule::MarkIsNotSeen,
            "a race in a branch",
            cancelling::first_failure::<Race>(&unmarked, 3),
            "the run did not end",
        ),
    ];
    for (rule, shape, why, _) in &killed {
        println!("{rule:?}, {shape}: {}", why.as_deref().unwrap_or("NOT KILLED"));
    }
    for (rule, shape, why, noticed) in killed {
        let is_noticed = why.as_ref().is_some_and(|why| why.contains(noticed));
        assert!(is_noticed, "{rule:?}, {shape}: not noticed as `{noticed}` but as {why:?}");
    }
}
