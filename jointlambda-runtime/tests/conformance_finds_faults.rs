//! The conformance checks find backends that break the contract.

use std::sync::Arc;

use async_trait::async_trait;
use jointlambda_runtime::{
    backend::{
        Arrival, Arrived, Backend, Created, IndexPart, Look, NewRow, Page, Row, StoreError, Table, Timestamp,
        conformance::{self, Subject},
        local::{CloudConfig, Config, LocalClouds, virtual_time},
    },
    id::RowKey,
};

/// A way to break the contract of a table.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    EveryCreatorWins,
    LosersSeeNoRow,
    EveryArrivalIsFresh,
    CountsLagBehind,
    RepetitionsCountAsOk,
    OkIsReadAfterwards,
    NoRowIsClosed,
    ClosedRowsForgetWhoIsIn,
    RowsComeReversed,
    LatestDueFirst,
    FullRowsStayDue,
    PagesOverlap,
    CutsOffWhatIsTooLarge,
    NeverWakes,
}

struct Faulty {
    table: Arc<dyn Table>,
    fault: Fault,
}

#[async_trait]
impl Table for Faulty {
    async fn create(&self, key: &RowKey, mut row: NewRow) -> Result<Created, StoreError> {
        if self.fault == Fault::CutsOffWhatIsTooLarge {
            row.body.truncate(1000);
        }
        let created = self.table.create(key, row).await?;
        Ok(match (self.fault, created) {
            (Fault::EveryCreatorWins, _) => Created::New,
            (Fault::LosersSeeNoRow, Created::Exists(_)) => Created::Exists(Row::default()),
            (_, created) => created,
        })
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.table.get(key).await
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let mut rows = self.table.get_many(keys).await?;
        if self.fault == Fault::RowsComeReversed {
            rows.reverse();
        }
        Ok(rows)
    }

    async fn arrive(&self, key: &RowKey, mut arrival: Arrival) -> Result<Arrived, StoreError> {
        if self.fault == Fault::FullRowsStayDue {
            arrival.of += 1;
        }
        let again = arrival.clone();
        if self.fault == Fault::NoRowIsClosed {
            arrival.only_open = false;
        }
        if self.fault == Fault::ClosedRowsForgetWhoIsIn && arrival.only_open {
            let row = self.table.get(key).await?.unwrap_or_default();
            let filled = row.slots.len() as u32;
            if row.body.is_some() || filled >= arrival.of {
                return Ok(Arrived::closed(filled));
            }
        }
        let arrived = self.table.arrive(key, arrival).await?;
        Ok(match self.fault {
            Fault::EveryArrivalIsFresh => Arrived { fresh: true, ..arrived },
            Fault::RepetitionsCountAsOk => Arrived { ok: arrived.ok + u32::from(!arrived.fresh), ..arrived },
            // A second request would see what has arrived meanwhile.
            Fault::OkIsReadAfterwards => {
                tokio::task::yield_now().await;
                Arrived { ok: self.table.arrive(key, again).await?.ok, ..arrived }
            }
            Fault::CountsLagBehind => Arrived { filled: arrived.filled.saturating_sub(1).max(1), ..arrived },
            _ => arrived,
        })
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.table.postpone(key, look).await
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        let mut keys = self.table.due(part, now, limit).await?;
        if self.fault == Fault::LatestDueFirst {
            keys.reverse();
        }
        Ok(keys)
    }

    async fn runs(&self, after: Option<&RowKey>, limit: usize) -> Result<Page, StoreError> {
        let mut page = self.table.runs(after, limit).await?;
        if self.fault == Fault::PagesOverlap {
            page.next = page.keys.len().checked_sub(2).map(|before| page.keys[before].clone());
        }
        Ok(page)
    }

    async fn changed(&self, key: &RowKey) {
        match self.fault {
            Fault::NeverWakes => std::future::pending().await,
            _ => self.table.changed(key).await,
        }
    }

    fn now(&self) -> Timestamp {
        self.table.now()
    }
}

/// The names of the checks that a table with this fault does not pass.
fn failed(fault: Fault) -> Vec<&'static str> {
    virtual_time(1, async {
        let clouds = LocalClouds::new(Config::of([CloudConfig::aws("AWS")])).expect("the clouds open");
        let backend = clouds.backends()[0].clone();
        let table = Arc::new(Faulty { table: backend.table.clone(), fault });
        let subject = Subject::new(Backend { table, ..backend }, "faulty");
        let report = conformance::run(conformance::table(), &subject).await;
        report.failed.into_iter().map(|(name, _)| name).collect()
    })
}

#[test]
fn each_fault_is_found_by_the_check_for_it() {
    let cases = [
        (Fault::EveryCreatorWins, "the_first_of_many_creators_wins_and_all_see_its_row"),
        (Fault::LosersSeeNoRow, "the_first_of_many_creators_wins_and_all_see_its_row"),
        (Fault::EveryArrivalIsFresh, "an_arrival_is_idempotent_and_its_slot_never_changes"),
        (Fault::CountsLagBehind, "one_of_many_arrivals_fills_the_last_slot"),
        (Fault::RepetitionsCountAsOk, "ok_arrivals_are_counted_once_with_their_slots"),
        (Fault::OkIsReadAfterwards, "each_of_many_ok_arrivals_sees_a_count_of_its_own"),
        (Fault::NoRowIsClosed, "a_row_with_a_body_is_closed_to_those_that_want_an_open_one"),
        (Fault::NoRowIsClosed, "as_many_as_fit_of_many_arrivals_get_into_an_open_row"),
        (Fault::ClosedRowsForgetWhoIsIn, "a_full_row_is_closed_to_those_that_want_an_open_one"),
        (Fault::RowsComeReversed, "rows_read_together_come_in_the_order_of_their_keys"),
        (Fault::LatestDueFirst, "due_rows_come_earliest_first"),
        (Fault::FullRowsStayDue, "a_full_row_leaves_the_run_index"),
        (Fault::PagesOverlap, "run_rows_are_listed_page_by_page"),
        (Fault::CutsOffWhatIsTooLarge, "a_body_over_the_limit_is_refused"),
        (Fault::NeverWakes, "a_wait_without_a_change_ends"),
    ];
    for (fault, check) in cases {
        let failed = failed(fault);
        assert!(failed.contains(&check), "{check} passed; only {failed:?} did not");
    }
}

#[test]
fn a_table_without_a_fault_passes() {
    assert_eq!(failed(Fault::None), [""; 0]);
}
