//! Runs that share batches, under faults; and what the paper's batches do wrong, which must be
//! noticed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    backend::{
        Arrival, Arrived, Backend, Created, Functions, IndexPart, Invoked, Look, NewRow, Page, Row,
        StoreError, Table, Timestamp,
    },
    envelope::{Envelope, Task},
    id::RowKey,
};

use crate::{
    faulty::{
        Parts, Sound, first_failure_of_runs, survive_pairs_of_runs, survive_random_of_runs,
        survive_single_faults, survive_single_faults_of_runs, survive_without_a_sweeper,
    },
    outages::survives,
};

/// A batch between two calls.
mod middle {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn middle(x: u64) -> u64 {
            let (y, drawn) = square(x).await;
            after(y, drawn, crate::many_faults::nonce()).await
        }

        #[function(on = ALI, failover = [AWS], batch(size = 2, wait = "2s"))]
        async fn square(items: Vec<u64>) -> Vec<(u64, u64)> {
            assert!(items.len() <= 2, "a batch of {}", items.len());
            items.into_iter().map(|x| (x * x, crate::many_faults::nonce())).collect()
        }

        #[function(on = AWS)]
        async fn after(x: u64, _drawn: u64, _salt: u64) -> u64 { x + 1 }
    }
}

/// A batch that ends its runs.
mod last {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn last(x: u64) -> Result<u64> {
            halve(x).await
        }

        #[function(on = AWS, batch(size = 3, wait = "2s"))]
        async fn halve(items: Vec<u64>) -> Vec<Result<u64>> {
            assert!(items.len() <= 3, "a batch of {}", items.len());
            items.into_iter().map(|x| if x % 2 == 0 { Ok(x / 2) } else { Err(Error::new("odd")) }).collect()
        }
    }
}

/// Branches of several runs in one batch, with what does not fit a slot.
mod branches {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn branches(len: usize) -> (Vec<usize>, u64) {
            let first = after(len, crate::many_faults::nonce()).await;
            let all = fan_out(0..2_usize, async |i| {
                let kept = "y".repeat(i);
                length("x".repeat(len + i)).await.0 + kept.len()
            })
            .await;
            (all, first)
        }

        #[function(on = ALI, failover = [AWS], batch(size = 3, wait = "2s"))]
        async fn length(texts: Vec<String>) -> Vec<(usize, u64)> {
            texts.iter().map(|text| (text.len(), crate::many_faults::nonce())).collect()
        }

        #[function(on = AWS)]
        async fn after(x: usize, _salt: u64) -> u64 { x as u64 + 1 }
    }
}

#[test]
fn runs_that_share_batches_survive_every_single_fault() {
    survive_single_faults::<middle::Middle>(3);
    survive_single_faults_of_runs::<middle::Middle>(vec![3, 4]);
    survive_single_faults_of_runs::<middle::Middle>(vec![3, 4, 5]);
    survive_single_faults_of_runs::<last::Last>(vec![3, 4, 6, 8, 9]);
    survive_single_faults_of_runs::<branches::Branches>(vec![2, 20_000]);
    survive_single_faults_of_runs::<branches::Branches>(vec![200_000, 1]);
}

#[test]
fn runs_that_share_batches_need_no_sweeper_unless_events_are_dropped() {
    survive_without_a_sweeper::<middle::Middle>(vec![3, 4, 5]);
    survive_without_a_sweeper::<last::Last>(vec![3, 4, 6, 8, 9]);
    survive_without_a_sweeper::<branches::Branches>(vec![2, 20_000]);
}

#[test]
fn a_batch_survives_outages_of_the_clouds_it_is_on_and_goes_to() {
    survives::<middle::Middle>(3, &[1], None);
    survives::<branches::Branches>(20_000, &[1], None);
    for lasts in [1, 5, 90, 3600] {
        survives::<middle::Middle>(3, &[0, 1], Some(Duration::from_secs(lasts)));
        survives::<branches::Branches>(2, &[0, 1], Some(Duration::from_secs(lasts)));
    }
}

#[test]
fn runs_that_share_a_batch_survive_pairs_of_faults() {
    survive_pairs_of_runs::<last::Last>(vec![3, 4], 1);
    survive_pairs_of_runs::<middle::Middle>(vec![3, 4], 1);
}

#[test]
fn runs_that_share_batches_survive_many_faults_at_random() {
    // As in `many_faults.rs`; fewer by default, since each is of several runs.
    let set = std::env::var("JOINTLAMBDA_SCHEDULES").ok();
    let count = set.map_or(4_000, |set| set.parse().expect("JOINTLAMBDA_SCHEDULES is a number"));
    survive_random_of_runs::<middle::Middle>(vec![3, 4, 5], count, 4);
    survive_random_of_runs::<last::Last>(vec![3, 4, 6, 8], count, 5);
    survive_random_of_runs::<branches::Branches>(vec![2, 20_000], count, 6);
}

/// What a batch may do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// A repeated append takes another place.
    AppendTwice,
    /// Who appends learns in a second step how many there are.
    AppendThenCount,
    /// A batch that is not full is never flushed.
    NeverWhenIncomplete,
}

struct Mutant {
    rule: Rule,
    appends: Arc<AtomicU32>,
}

impl Parts for Mutant {
    fn backends(&self, _cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        let broken = |one: Backend| {
            let part = Arc::new(Broken {
                rule: self.rule,
                appends: self.appends.clone(),
                table: one.table.clone(),
                functions: one.functions.clone(),
            });
            Backend { table: part.clone(), functions: part, ..one }
        };
        sound.into_iter().map(broken).collect()
    }

    fn sweeps(&self) -> bool {
        // A sweep sends alone what was never flushed.
        self.rule == Rule::AppendTwice
    }
}

struct Broken {
    rule: Rule,
    appends: Arc<AtomicU32>,
    table: Arc<dyn Table>,
    functions: Arc<dyn Functions>,
}

#[async_trait]
impl Functions for Broken {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        if self.rule == Rule::NeverWhenIncomplete {
            let decoded = Envelope::peek(&envelope);
            if decoded.is_some_and(|one| matches!(one.task, Task::Batch(batch) if batch.due > 0)) {
                return Invoked::Accepted;
            }
        }
        self.functions.invoke(function, envelope).await
    }
}

#[async_trait]
impl Table for Broken {
    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        self.table.create(key, row).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.table.get(key).await
    }

    async fn arrive(&self, key: &RowKey, mut arrival: Arrival) -> Result<Arrived, StoreError> {
        let is_member = arrival.only_open;
        if is_member && self.rule == Rule::AppendTwice {
            arrival.slot = self.appends.fetch_add(1, Relaxed);
        }
        let mut arrived = self.table.arrive(key, arrival).await?;
        if is_member && self.rule == Rule::AppendThenCount {
            tokio::time::sleep(Duration::from_millis(1)).await;
            arrived.filled = self.table.get(key).await?.unwrap_or_default().slots.len() as u32;
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
fn what_the_papers_batches_do_wrong_is_noticed() {
    for rule in [Rule::AppendTwice, Rule::AppendThenCount, Rule::NeverWhenIncomplete] {
        let mutant = || Mutant { rule, appends: Arc::default() };
        let sweeps = mutant().sweeps();
        let noticed = first_failure_of_runs::<branches::Branches>(
            &|| Box::new(mutant()),
            &|| Box::new(Sound { sweeps }),
            vec![2],
        );
        println!("{rule:?}: {}", noticed.as_deref().unwrap_or("NOT NOTICED"));
        assert!(noticed.is_some(), "{rule:?} is not noticed");
    }
}
