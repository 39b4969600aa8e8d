//! Mutants of how sweeps repair: what they fire, and how often they send a call again.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    backend::{Backend, Functions, Invoked, Look, Row, StoreError, Table},
    id::RowKey,
};

use crate::{
    layers::{self, TableLayer, over_tables},
    repair::{
        fold_of,
        repeats::{A_FEW_TIMES, begun_without_a_commit},
    },
};

/// The rows of a fan-in that a sweep has read: each of them fires it.
type Rows = Arc<Mutex<BTreeSet<RowKey>>>;

fn fires_for_each_row(sound: Vec<Backend>) -> Vec<Backend> {
    let rows = Rows::default();
    let firing = |one: Backend| {
        let functions = Arc::new(FireForEach(rows.clone(), one.functions.clone()));
        let table = layers::table(RowsRead(rows.clone(), one.table.clone()));
        Backend { functions, table, ..one }
    };
    sound.into_iter().map(firing).collect()
}

struct RowsRead(Rows, Arc<dyn Table>);

#[async_trait]
impl TableLayer for RowsRead {
    fn beneath(&self) -> &dyn Table {
        &*self.1
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        if key.as_str().contains("/j0.") {
            self.0.lock().unwrap().insert(key.clone());
        }
        self.1.get(key).await
    }
}

struct FireForEach(Rows, Arc<dyn Functions>);

#[async_trait]
impl Functions for FireForEach {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        let rows = self.0.lock().unwrap().len();
        for _ in 1..rows {
            self.1.invoke(function, envelope.clone()).await;
        }
        self.1.invoke(function, envelope).await
    }
}

/// A look is not noted in the row.
struct LookNotNoted(Arc<dyn Table>);

#[async_trait]
impl TableLayer for LookNotNoted {
    fn beneath(&self) -> &dyn Table {
        &*self.0
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        let found = self.0.get(key).await?;
        Ok(found.map(|row| Row { looked_at: None, ..row }))
    }
}

/// A run is looked at by every sweep, and no look is noted.
struct NotPostponed(Arc<dyn Table>);

#[async_trait]
impl TableLayer for NotPostponed {
    fn beneath(&self) -> &dyn Table {
        &*self.0
    }

    async fn postpone(&self, _key: &RowKey, _look: Look) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn a_sweep_that_fires_a_fan_in_for_each_of_its_rows_is_noticed() {
    let (n, lost) = (1_000, 1);
    assert_eq!(fold_of(n, lost, &|sound| sound), (1 + lost, 1));
    let (sent, begun) = fold_of(n, lost, &fires_for_each_row);
    println!("a fan-in of 8 rows: sent {sent} times, begun {begun} times");
    assert!(sent > 1 + lost && begun > 1, "sent {sent} times, begun {begun} times");
}

#[test]
fn a_sweep_whose_patience_does_not_grow_is_noticed() {
    let not_noted = |sound| over_tables(sound, |_, table| layers::table(LookNotNoted(table)));
    let not_postponed = |sound| over_tables(sound, |_, table| layers::table(NotPostponed(table)));
    assert!(begun_without_a_commit(&|sound| sound) <= A_FEW_TIMES);
    for (mutant, begun) in [
        ("a look is not noted", begun_without_a_commit(&not_noted)),
        ("a run is not postponed", begun_without_a_commit(&not_postponed)),
    ] {
        println!("{mutant}: one call was begun {begun} times");
        assert!(begun > A_FEW_TIMES, "{mutant}: begun {begun} times");
    }
}
