//! Mutants of what tells the runs of one key apart.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Workflow,
    backend::{
        Arrival, Arrived, Backend, Created, IndexPart, Look, NewRow, Objects, Row, StoreError, Table,
        Timestamp,
    },
    id::{Incarnation, ObjectKey, ObjectsOf, RowKey, RunId},
};

use crate::{
    faulty::Parts,
    keys_used_again::{
        frozen::{self, GONE, Reuse},
        large::Large,
        starts,
    },
    layers::{self, TableLayer, over_tables},
    many_faults::{chain::Chain, fan::Fan},
    redriving::shapes,
};

/// Whatever arrives at a run row arrives there, whichever run the row is of.
struct AnyIncarnation;

impl Parts for AnyIncarnation {
    fn backends(&self, _cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        over_tables(sound, |_, table| layers::table(Unconditional(table)))
    }
}

struct Unconditional(Arc<dyn Table>);

#[async_trait]
impl TableLayer for Unconditional {
    fn beneath(&self) -> &dyn Table {
        &*self.0
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        self.0.arrive(key, Arrival { inc: None, ..arrival }).await
    }
}

/// The run that goes on in place of a failed one is named after its key, not after its incarnation: all
/// that have the key lead to one row.
#[derive(Clone)]
struct RedrivenByKey {
    run: RunId,
    /// The last key of a redriven run that was asked for.
    last: Arc<Mutex<Option<RowKey>>>,
}

impl RedrivenByKey {
    fn of<W: Workflow>(key: &str) -> Self {
        RedrivenByKey { run: RunId::derive(W::definition().name, key), last: Arc::default() }
    }

    /// The row of every redriven run.
    fn one(&self) -> RowKey {
        RowKey::run(&RunId::derive("redriven", &self.run.to_string()))
    }

    fn over(&self, sound: Vec<Backend>) -> Vec<Backend> {
        over_tables(sound, |_, table| layers::table(OneRedriven { names: self.clone(), table }))
    }
}

impl Parts for RedrivenByKey {
    fn client(&self, sound: Vec<Backend>) -> Vec<Backend> {
        self.over(sound)
    }

    fn backends(&self, _cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        self.over(sound)
    }

    fn stopper(&self, sound: Vec<Backend>) -> Vec<Backend> {
        self.over(sound)
    }
}

struct OneRedriven {
    names: RedrivenByKey,
    table: Arc<dyn Table>,
}

impl OneRedriven {
    /// Where the row of this key is.
    fn at(&self, key: &RowKey) -> RowKey {
        match key.as_run() {
            Some(run) if run != self.names.run => {
                *self.names.last.lock().unwrap() = Some(key.clone());
                self.names.one()
            }
            _ => key.clone(),
        }
    }
}

#[async_trait]
impl TableLayer for OneRedriven {
    fn beneath(&self) -> &dyn Table {
        &*self.table
    }

    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        self.table.create(&self.at(key), row).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.table.get(&self.at(key)).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        self.table.arrive(&self.at(key), arrival).await
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        let (one, last) = (self.names.one(), self.names.last.lock().unwrap().clone());
        let due = self.table.due(part, now, limit).await?;
        let named = |key| if key == one { last.clone().unwrap_or(key) } else { key };
        Ok(due.into_iter().map(named).collect())
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.table.postpone(&self.at(key), look).await
    }

    async fn changed(&self, key: &RowKey) {
        self.table.changed(&self.at(key)).await;
    }
}

/// A start that comes second leaves what it has stored.
struct LoserKeepsItsObjects;

impl Parts for LoserKeepsItsObjects {
    fn client(&self, sound: Vec<Backend>) -> Vec<Backend> {
        let keeping = |one: Backend| Backend { objects: Arc::new(Keeping(one.objects.clone())), ..one };
        sound.into_iter().map(keeping).collect()
    }
}

struct Keeping(Arc<dyn Objects>);

#[async_trait]
impl Objects for Keeping {
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StoreError> {
        self.0.put(key, bytes).await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        self.0.get(key).await
    }

    async fn delete_run(&self, _of: &Incarnation, _which: ObjectsOf) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn every_mutant_that_takes_one_run_for_another_is_killed() {
    const HOUR: Duration = Duration::from_secs(3600);
    let any = || -> Box<dyn Parts> { Box::new(AnyIncarnation) };
    let by_key = || -> Box<dyn Parts> { Box::new(RedrivenByKey::of::<shapes::chain::Chain>(GONE.key)) };
    let keeps = || -> Box<dyn Parts> { Box::new(LoserKeepsItsObjects) };
    // The first run is redriven late, so that what goes on in its place is kept longer than its own row.
    let late = Reuse {
        redriven: Some([HOUR, Duration::ZERO]),
        retention: 8 * HOUR,
        after: 8 * HOUR + HOUR / 4,
        ..GONE
    };
    // Which mutant, what is wrong, and what is to be noticed.
    let killed = [
        (
            "an end ends any run of its key",
            frozen::first_failure::<Chain>(&any, GONE, &[3, 4]),
            "the outcome",
        ),
        (
            "an end ends any run of its key, of a map",
            frozen::first_failure::<Fan>(&any, GONE, &[vec![2, 1], vec![4, 7]]),
            "the outcome",
        ),
        (
            "a redriven run is named after its key",
            frozen::first_failure::<shapes::chain::Chain>(&by_key, late, &[3, 4]),
            "the outcome",
        ),
        (
            "a start that comes second leaves what it stored",
            starts::first_failure::<Large>(&keeps, &vec![1 << 33; 6_000]),
            "objects outlived the run",
        ),
    ];
    for (mutant, why, _) in &killed {
        println!("{mutant}: {}", why.as_deref().unwrap_or("NOT KILLED"));
    }
    for (mutant, why, noticed) in killed {
        let is_noticed = why.as_ref().is_some_and(|why| why.contains(noticed));
        assert!(is_noticed, "{mutant}: not noticed as `{noticed}` but as {why:?}");
    }
    // The protocol as it is passes the one check that no other test makes.
    let calm = frozen::twice::<shapes::chain::Chain>(
        &crate::faulty::sound,
        late,
        &[3, 4],
        &jointlambda::backend::fault::Schedule::default(),
        None,
    );
    assert_eq!(calm.err(), None);
}
