//! The contract of [`Table`](crate::backend::Table).

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;

use super::{CALLERS, Subject, Verdict, checks, concurrently, ensure};
use crate::{
    backend::{
        Arrival, Arrived, Band, Check, Created, IndexPart, Look, NewRow, NewRun, Row, StoreError, Timestamp,
    },
    id::{DeploymentId, Incarnation, RowKey},
};

/// Every clause of the contract of a table.
pub fn table() -> Vec<super::Check> {
    checks![
        a_row_that_was_not_created_is_not_there,
        a_created_row_is_read_as_it_was_written,
        the_first_of_many_creators_wins_and_all_see_its_row,
        a_body_may_be_empty_or_binary,
        a_row_made_by_arrivals_has_no_body_until_one_is_created,
        a_created_row_takes_arrivals,
        an_arrival_is_idempotent_and_its_slot_never_changes,
        one_of_many_arrivals_fills_the_last_slot,
        one_of_many_copies_of_an_arrival_is_fresh,
        a_full_row_says_so_on_every_retry,
        ok_arrivals_are_counted_once_with_their_slots,
        each_of_many_ok_arrivals_sees_a_count_of_its_own,
        a_row_that_has_enough_says_so_on_every_retry,
        a_row_with_a_body_is_closed_to_those_that_want_an_open_one,
        a_full_row_is_closed_to_those_that_want_an_open_one,
        as_many_as_fit_of_many_arrivals_get_into_an_open_row,
        slots_may_be_empty_binary_and_far_apart,
        rows_read_together_come_in_the_order_of_their_keys,
        rows_with_similar_keys_are_apart,
        a_body_over_the_limit_is_refused,
        an_arrival_over_the_limit_is_refused_without_change,
        due_rows_come_earliest_first,
        a_postponed_row_is_due_later,
        only_the_row_of_the_same_incarnation_is_postponed,
        a_full_row_leaves_the_run_index,
        each_part_of_the_run_index_has_its_own_rows,
        a_row_moves_between_the_parts_of_the_run_index,
        a_run_row_is_read_with_its_incarnation,
        the_first_of_two_starts_is_the_incarnation_that_counts,
        an_arrival_of_another_incarnation_changes_nothing,
        an_arrival_of_a_run_without_a_row_makes_none,
        a_run_row_replaces_what_is_left_of_one_without_a_body,
        a_run_row_replaces_one_that_expired_long_ago_and_no_other,
        an_arrival_has_the_same_number_however_often_it_is_made,
        run_rows_are_listed_page_by_page,
        a_waiter_sees_the_change_it_waits_for,
        a_wait_without_a_change_ends,
    ]
}

impl Subject {
    fn fresh_key(&self) -> RowKey {
        RowKey::run(&self.fresh_run())
    }

    fn row(&self, body: impl Into<Bytes>) -> NewRow {
        NewRow { body: body.into(), expires_at: self.expiry(), ..NewRow::default() }
    }

    fn arrival(&self, slot: u32, of: u32, value: impl Into<Bytes>) -> Arrival {
        let (value, expires_at) = (value.into(), self.expiry());
        Arrival { value, ..Arrival::at(slot, of, expires_at) }
    }

    /// An arrival in a row of `of` slots, of which two that are `ok` are enough.
    fn counted(&self, slot: u32, of: u32, ok: bool) -> Arrival {
        Arrival { ok, first: Some(2), ..self.arrival(slot, of, slot.to_string()) }
    }

    /// The row of a run that was started at `inc`.
    fn run(&self, inc: Timestamp, body: impl Into<Bytes>) -> NewRow {
        NewRow { run: Some(NewRun { inc, expired_before: 0 }), ..self.row(body) }
    }

    /// An arrival at the row of that run, which has one slot.
    fn of_run(&self, inc: Timestamp, slot: u32, value: &'static str) -> Arrival {
        Arrival { inc: Some(inc), ..self.arrival(slot, 1, value) }
    }

    /// The largest body that a row without slots has room for.
    fn largest_body(&self, key: &RowKey) -> usize {
        self.backend.provider.limits().row_bytes - key.as_str().len() - self.slack_bytes
    }
}

const YOUNG: IndexPart = IndexPart { deployment: DeploymentId(7), band: Band::Young };
const OLD: IndexPart = IndexPart { deployment: DeploymentId(7), band: Band::Old };

fn young(at: Timestamp) -> Check {
    Check { part: YOUNG, at }
}

/// A row without its times, which stores may round.
fn content(row: Option<Row>) -> Option<(Option<Bytes>, BTreeMap<u32, Bytes>)> {
    row.map(|row| (row.body, row.slots))
}

async fn a_row_that_was_not_created_is_not_there(subject: &Subject) -> Verdict {
    let found = subject.backend.table.get(&subject.fresh_key()).await?;
    ensure!(found.is_none(), "found {found:?}");
    Ok(())
}

async fn a_created_row_is_read_as_it_was_written(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    let check_at = Some(table.now() + 60_000);
    let row = NewRow { check: check_at.map(young), ..subject.row("outcome") };
    let created = table.create(&key, row.clone()).await?;
    ensure!(created == Created::New, "the first creator got {created:?}");
    let found = table.get(&key).await?;
    let expected = Row { body: Some(row.body), check_at, expires_at: row.expires_at, ..Row::default() };
    ensure!(found.as_ref() == Some(&expected), "wrote {expected:?}, read {found:?}");
    Ok(())
}

async fn the_first_of_many_creators_wins_and_all_see_its_row(subject: &Subject) -> Verdict {
    let key = subject.fresh_key();
    let created = concurrently(CALLERS, |caller| {
        let (table, key, row) = (subject.backend.table.clone(), key.clone(), subject.row(caller.to_string()));
        async move { table.create(&key, row).await }
    })
    .await?;
    let winners: Vec<usize> = (0..created.len()).filter(|&i| created[i] == Created::New).collect();
    ensure!(winners.len() == 1, "{} creators were told that the row is theirs", winners.len());
    let body = Bytes::from(winners[0].to_string());
    for answer in &created {
        let Created::Exists(row) = answer else { continue };
        ensure!(row.body.as_ref() == Some(&body), "{body:?} won, a loser saw {row:?}");
    }
    let found = subject.backend.table.get(&key).await?;
    ensure!(content(found.clone()) == Some((Some(body), BTreeMap::new())), "then read {found:?}");
    Ok(())
}

async fn a_body_may_be_empty_or_binary(subject: &Subject) -> Verdict {
    let every_byte: Vec<u8> = (0..=255).collect();
    for body in [Bytes::new(), Bytes::from(every_byte)] {
        let (table, key) = (&subject.backend.table, subject.fresh_key());
        table.create(&key, subject.row(body.clone())).await?;
        let again = table.create(&key, subject.row("another")).await?;
        let Created::Exists(row) = again else {
            ensure!(false, "a row with {body:?} was not seen as there");
            continue;
        };
        ensure!(row.body.as_ref() == Some(&body), "wrote {body:?}, read {:?}", row.body);
    }
    Ok(())
}

async fn a_row_made_by_arrivals_has_no_body_until_one_is_created(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    table.arrive(&key, subject.arrival(0, 2, "a")).await?;
    let slots = BTreeMap::from([(0, Bytes::from("a"))]);
    let before = content(table.get(&key).await?);
    ensure!(before == Some((None, slots.clone())), "arrivals alone made {before:?}");
    let created = table.create(&key, subject.row("body")).await?;
    ensure!(created == Created::New, "no body was there, but the creator got {created:?}");
    let after = content(table.get(&key).await?);
    ensure!(after == Some((Some("body".into()), slots)), "creation left {after:?}");
    let again = table.create(&key, subject.row("other")).await?;
    ensure!(matches!(again, Created::Exists(_)), "a second creator got {again:?}");
    Ok(())
}

async fn a_created_row_takes_arrivals(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    table.create(&key, subject.row("body")).await?;
    let arrived = table.arrive(&key, subject.arrival(3, 2, "c")).await?;
    ensure!(arrived.fresh && arrived.filled == 1, "the first arrival got {arrived:?}");
    let found = content(table.get(&key).await?);
    let slots = BTreeMap::from([(3, Bytes::from("c"))]);
    ensure!(found == Some((Some("body".into()), slots)), "then read {found:?}");
    Ok(())
}

async fn an_arrival_is_idempotent_and_its_slot_never_changes(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    for (slot, value, fresh, filled) in [(1, "one", true, 1), (1, "uno", false, 1), (2, "two", true, 2)] {
        let arrived = table.arrive(&key, subject.arrival(slot, 4, value)).await?;
        let as_expected = arrived.fresh == fresh && arrived.filled == filled;
        ensure!(as_expected, "arrival of {value} got {arrived:?}, not {fresh} and {filled}");
    }
    let found = content(table.get(&key).await?);
    let slots = BTreeMap::from([(1, Bytes::from("one")), (2, Bytes::from("two"))]);
    ensure!(found == Some((None, slots)), "then read {found:?}");
    Ok(())
}

async fn one_of_many_arrivals_fills_the_last_slot(subject: &Subject) -> Verdict {
    let key = subject.fresh_key();
    let arrived = concurrently(CALLERS, |caller| {
        let arrival = subject.arrival(caller, CALLERS, caller.to_string());
        let (table, key) = (subject.backend.table.clone(), key.clone());
        async move { table.arrive(&key, arrival).await }
    })
    .await?;
    let mut counts: Vec<u32> = arrived.iter().map(|arrived| arrived.filled).collect();
    counts.sort_unstable();
    ensure!(arrived.iter().all(|arrived| arrived.fresh), "a slot filled once was not fresh");
    ensure!(counts.iter().copied().eq(1..=CALLERS), "the counts were {counts:?}");
    let slots: BTreeMap<u32, Bytes> = (0..CALLERS).map(|slot| (slot, slot.to_string().into())).collect();
    let found = content(subject.backend.table.get(&key).await?);
    ensure!(found == Some((None, slots.clone())), "then read {found:?}");
    for row in arrived.into_iter().filter_map(|arrived| arrived.row) {
        ensure!(row.slots == slots, "the full row was returned as {row:?}");
    }
    Ok(())
}

async fn one_of_many_copies_of_an_arrival_is_fresh(subject: &Subject) -> Verdict {
    let key = subject.fresh_key();
    let arrived = concurrently(CALLERS, |caller| {
        let arrival = subject.arrival(5, 2, caller.to_string());
        let (table, key) = (subject.backend.table.clone(), key.clone());
        async move { table.arrive(&key, arrival).await }
    })
    .await?;
    let fresh: Vec<usize> = (0..arrived.len()).filter(|&i| arrived[i].fresh).collect();
    ensure!(fresh.len() == 1, "{} of the copies were fresh", fresh.len());
    ensure!(arrived.iter().all(|arrived| arrived.filled == 1), "the counts were not all 1");
    let found = content(subject.backend.table.get(&key).await?);
    let slots = BTreeMap::from([(5, Bytes::from(fresh[0].to_string()))]);
    ensure!(found == Some((None, slots)), "copy {} was fresh, then read {found:?}", fresh[0]);
    Ok(())
}

async fn a_full_row_says_so_on_every_retry(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    table.arrive(&key, subject.arrival(0, 2, "a")).await?;
    table.arrive(&key, subject.arrival(1, 2, "b")).await?;
    for slot in [0, 1, 1] {
        let arrived = table.arrive(&key, subject.arrival(slot, 2, "late")).await?;
        ensure!(!arrived.fresh && arrived.filled == 2, "a retry of slot {slot} got {arrived:?}");
        let row = arrived.row.or(table.get(&key).await?);
        let slots = BTreeMap::from([(0, Bytes::from("a")), (1, Bytes::from("b"))]);
        ensure!(content(row.clone()) == Some((None, slots)), "the full row was {row:?}");
    }
    Ok(())
}

async fn ok_arrivals_are_counted_once_with_their_slots(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    // A slot, whether its arrival is `ok`, and the counts then; repetitions change nothing.
    let arrivals = [
        (4, true, (1, 1)),
        (4, true, (1, 1)),
        (2, false, (2, 1)),
        (2, true, (2, 1)),
        (4, false, (2, 1)),
        (0, true, (3, 2)),
        (1, false, (4, 2)),
        (0, true, (4, 2)),
    ];
    for (slot, ok, expected) in arrivals {
        let arrived = table.arrive(&key, subject.counted(slot, 9, ok)).await?;
        let counts = (arrived.filled, arrived.ok);
        ensure!(counts == expected, "slot {slot}, ok: {ok}, got {arrived:?}, not {expected:?}");
    }
    Ok(())
}

async fn each_of_many_ok_arrivals_sees_a_count_of_its_own(subject: &Subject) -> Verdict {
    let key = subject.fresh_key();
    let arrived = concurrently(CALLERS, |caller| {
        let arrival = subject.counted(caller, CALLERS, caller % 2 == 0);
        let (table, key) = (subject.backend.table.clone(), key.clone());
        async move { table.arrive(&key, arrival).await }
    })
    .await?;
    let counts = |ok: usize, count: fn(&Arrived) -> u32| {
        let mut counts: Vec<u32> = arrived.iter().skip(1 - ok).step_by(2).map(count).collect();
        counts.sort_unstable();
        counts
    };
    let (ok, others) = (counts(1, |one| one.ok), counts(0, |one| one.filled.saturating_sub(one.ok)));
    ensure!(ok.iter().copied().eq(1..=CALLERS / 2), "those that are ok counted {ok:?}");
    ensure!(others.iter().copied().eq(1..=CALLERS / 2), "the others counted {others:?}");
    Ok(())
}

async fn a_row_that_has_enough_says_so_on_every_retry(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    for (slot, ok) in [(0, false), (3, true), (1, true)] {
        table.arrive(&key, subject.counted(slot, 4, ok)).await?;
    }
    let mut slots: BTreeMap<u32, Bytes> = [0, 1, 3].map(|slot| (slot, slot.to_string().into())).into();
    for (slot, expected) in [(1, (3, 2)), (0, (3, 2)), (2, (4, 3)), (1, (4, 3))] {
        let arrived = table.arrive(&key, subject.counted(slot, 4, true)).await?;
        let counts = (arrived.filled, arrived.ok);
        ensure!(counts == expected, "slot {slot} got {arrived:?}, not {expected:?}");
        slots.entry(slot).or_insert_with(|| slot.to_string().into());
        let row = arrived.row.or(table.get(&key).await?);
        ensure!(content(row.clone()) == Some((None, slots.clone())), "the row was {row:?}");
    }
    Ok(())
}

async fn a_row_with_a_body_is_closed_to_those_that_want_an_open_one(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    let open = |slot, value: &'static str| Arrival { only_open: true, ..subject.arrival(slot, 3, value) };
    let arrived = table.arrive(&key, open(1, "in")).await?;
    ensure!(arrived.fresh && !arrived.closed, "a row that is not there is open, it got {arrived:?}");
    table.create(&key, subject.row("sealed")).await?;
    let late = table.arrive(&key, open(2, "late")).await?;
    ensure!(late.closed && !late.fresh, "an arrival at a sealed row got {late:?}");
    let again = table.arrive(&key, open(1, "again")).await?;
    ensure!(!again.closed && !again.fresh, "a repetition of what is in got {again:?}");
    let found = content(table.get(&key).await?);
    let slots = BTreeMap::from([(1, Bytes::from("in"))]);
    ensure!(found == Some((Some("sealed".into()), slots)), "then read {found:?}");
    let any = table.arrive(&key, subject.arrival(2, 3, "any")).await?;
    ensure!(any.fresh && !any.closed && any.filled == 2, "one that takes any row got {any:?}");
    Ok(())
}

async fn a_full_row_is_closed_to_those_that_want_an_open_one(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    let open = |slot, value: &'static str| Arrival { only_open: true, ..subject.arrival(slot, 2, value) };
    for (slot, filled) in [(7, 1), (u32::MAX, 2)] {
        let arrived = table.arrive(&key, open(slot, "in")).await?;
        ensure!(arrived.fresh && arrived.filled == filled, "slot {slot} got {arrived:?}, not {filled}");
    }
    let late = table.arrive(&key, open(8, "late")).await?;
    ensure!(late.closed && !late.fresh, "an arrival at a full row got {late:?}");
    let again = table.arrive(&key, open(7, "again")).await?;
    ensure!(!again.closed && !again.fresh && again.filled == 2, "a repetition got {again:?}");
    let slots = BTreeMap::from([(7, Bytes::from("in")), (u32::MAX, Bytes::from("in"))]);
    let found = content(table.get(&key).await?);
    ensure!(found == Some((None, slots)), "then read {found:?}");
    Ok(())
}

async fn as_many_as_fit_of_many_arrivals_get_into_an_open_row(subject: &Subject) -> Verdict {
    const SIZE: u32 = 8;
    let key = subject.fresh_key();
    let arrived = concurrently(CALLERS, |caller| {
        let arrival = Arrival { only_open: true, ..subject.arrival(caller, SIZE, caller.to_string()) };
        let (table, key) = (subject.backend.table.clone(), key.clone());
        async move { table.arrive(&key, arrival).await }
    })
    .await?;
    let got_in = (0..).zip(&arrived).filter(|(_, arrived)| arrived.fresh);
    let slots: BTreeMap<u32, Bytes> = got_in.map(|(slot, _)| (slot, slot.to_string().into())).collect();
    ensure!(slots.len() == SIZE as usize, "{} got into a row of {SIZE}", slots.len());
    ensure!(arrived.iter().all(|arrived| arrived.fresh != arrived.closed), "some got in and did not");
    let last = arrived.iter().filter(|arrived| arrived.fresh && arrived.filled == SIZE).count();
    ensure!(last == 1, "{last} of them made the row full");
    let found = content(subject.backend.table.get(&key).await?);
    ensure!(found == Some((None, slots)), "then read {found:?}");
    Ok(())
}

async fn slots_may_be_empty_binary_and_far_apart(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    let slots =
        BTreeMap::from([(0, Bytes::new()), (70_000, Bytes::from(vec![0, 255, 0])), (u32::MAX, "x".into())]);
    for (&slot, value) in &slots {
        let arrived = table.arrive(&key, subject.arrival(slot, 9, value.clone())).await?;
        ensure!(arrived.fresh, "slot {slot} was not fresh");
        let again = table.arrive(&key, subject.arrival(slot, 9, "other")).await?;
        ensure!(!again.fresh, "slot {slot} was filled twice");
    }
    let found = content(table.get(&key).await?);
    ensure!(found == Some((None, slots)), "then read {found:?}");
    Ok(())
}

async fn rows_read_together_come_in_the_order_of_their_keys(subject: &Subject) -> Verdict {
    let table = &subject.backend.table;
    let keys: Vec<RowKey> = (0..130).map(|_| subject.fresh_key()).collect();
    for (i, key) in keys.iter().enumerate().filter(|(i, _)| i % 3 != 0) {
        table.create(key, subject.row(i.to_string())).await?;
    }
    let rows = table.get_many(&keys).await?;
    ensure!(rows.len() == keys.len(), "asked for {} rows, got {}", keys.len(), rows.len());
    for (i, row) in rows.into_iter().enumerate() {
        let expected = (i % 3 != 0).then(|| Bytes::from(i.to_string()));
        let body = row.and_then(|row| row.body);
        ensure!(body == expected, "row {i} was {body:?}, not {expected:?}");
    }
    ensure!(table.get_many(&[]).await?.is_empty(), "no keys gave rows");
    Ok(())
}

async fn rows_with_similar_keys_are_apart(subject: &Subject) -> Verdict {
    let (table, run) = (&subject.backend.table, subject.fresh_run());
    let of = Incarnation::of(&run, 1);
    let keys = [
        RowKey::run(&run),
        RowKey::instance(&of, 1, &[]),
        RowKey::instance(&of, 1, &[1]),
        RowKey::instance(&of, 1, &[1, 1]),
        RowKey::instance(&of, 11, &[1]),
        RowKey::join(&of, 1, &[1], 0, 0),
    ];
    for (i, key) in keys.iter().enumerate() {
        let created = table.create(key, subject.row(i.to_string())).await?;
        ensure!(created == Created::New, "{key} was there: {created:?}");
        table.arrive(key, subject.arrival(i as u32, 9, "")).await?;
    }
    for (i, key) in keys.iter().enumerate() {
        let found = content(table.get(key).await?);
        let slots = BTreeMap::from([(i as u32, Bytes::new())]);
        ensure!(found == Some((Some(i.to_string().into()), slots)), "{key} was {found:?}");
    }
    Ok(())
}

async fn a_body_over_the_limit_is_refused(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    let limit = subject.backend.provider.limits().row_bytes;
    let too_long = vec![7; limit + 1 - key.as_str().len()];
    let refused = table.create(&key, subject.row(too_long)).await;
    ensure!(matches!(refused, Err(StoreError::TooLarge { .. })), "one byte too many: {refused:?}");
    ensure!(table.get(&key).await?.is_none(), "the refused row is there");
    let body = Bytes::from(vec![7; subject.largest_body(&key)]);
    let created = table.create(&key, subject.row(body.clone())).await?;
    ensure!(created == Created::New, "a row at the limit got {created:?}");
    let found = content(table.get(&key).await?);
    ensure!(found == Some((Some(body), BTreeMap::new())), "a row at the limit reads differently");
    Ok(())
}

async fn an_arrival_over_the_limit_is_refused_without_change(subject: &Subject) -> Verdict {
    if !subject.limits_rows {
        return Ok(());
    }
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    let body = Bytes::from(vec![7; subject.largest_body(&key) - 1000]);
    table.create(&key, subject.row(body.clone())).await?;
    let refused = table.arrive(&key, subject.arrival(0, 2, vec![1; 1001 + subject.slack_bytes])).await;
    ensure!(matches!(refused, Err(StoreError::TooLarge { .. })), "it got {refused:?}");
    let found = content(table.get(&key).await?);
    ensure!(found == Some((Some(body), BTreeMap::new())), "a refused arrival changed the row");
    let arrived = table.arrive(&key, subject.arrival(0, 2, "small")).await?;
    ensure!(arrived.fresh && arrived.filled == 1, "the slot was not free afterwards: {arrived:?}");
    Ok(())
}

async fn a_postponed_row_is_due_later(subject: &Subject) -> Verdict {
    let table = &subject.backend.table;
    let now = table.now();
    let [open, ended, plain, missing] = [(); 4].map(|()| subject.fresh_key());
    for key in [&open, &ended] {
        table.create(key, NewRow { check: Some(young(now + 1)), ..subject.row("run") }).await?;
    }
    table.create(&plain, subject.row("no run")).await?;
    table.arrive(&ended, subject.arrival(0, 1, "end")).await?;
    for key in [&open, &ended, &plain, &missing] {
        let look = Look { next: young(now + 5000), looked_at: now + 7, inc: None };
        table.postpone(key, look).await?;
    }
    let early = table.due(YOUNG, now + 4999, usize::MAX).await?;
    ensure!(![&open, &ended, &plain].iter().any(|key| early.contains(key)), "a row was due too early");
    let due = table.due(YOUNG, now + 5000, usize::MAX).await?;
    ensure!(due.contains(&open), "the postponed row is not due");
    ensure!(!due.contains(&ended) && !due.contains(&plain), "postponing put a row into the run index");
    let row = table.get(&open).await?.unwrap_or_default();
    ensure!(row.body.is_some(), "postponing lost the body");
    ensure!(row.looked_at == Some(now + 7), "postponing at {} noted {:?}", now + 7, row.looked_at);
    ensure!(table.get(&missing).await?.is_none(), "postponing made a row");
    Ok(())
}

async fn only_the_row_of_the_same_incarnation_is_postponed(subject: &Subject) -> Verdict {
    let (table, key, now) = (&subject.backend.table, subject.fresh_key(), subject.backend.table.now());
    table.create(&key, NewRow { check: Some(young(now + 1)), ..subject.run(7, "run") }).await?;
    for (inc, is_own) in [(6, false), (7, true)] {
        let look = Look { next: young(now + 5000), looked_at: now + 9, inc: Some(inc) };
        table.postpone(&key, look).await?;
        let due = table.due(YOUNG, now + 1, usize::MAX).await?;
        ensure!(due.contains(&key) != is_own, "a look at {inc} moves the row of 7: {is_own}");
        let noted = table.get(&key).await?.and_then(|row| row.looked_at);
        ensure!(noted.is_some() == is_own, "a look at {inc} is noted in the row of 7: {noted:?}");
    }
    Ok(())
}

async fn due_rows_come_earliest_first(subject: &Subject) -> Verdict {
    let (table, now) = (&subject.backend.table, subject.backend.table.now());
    let keys: Vec<RowKey> = (0..5).map(|_| subject.fresh_key()).collect();
    for (key, after_ms) in keys.iter().zip([3000, 1000, 2000, 9000]) {
        let row = NewRow { check: Some(young(now + after_ms)), ..subject.row("run") };
        table.create(key, row).await?;
    }
    table.create(&keys[4], subject.row("not in the index")).await?;
    let due = table.due(YOUNG, now + 3000, usize::MAX).await?;
    let ours: Vec<&RowKey> = due.iter().filter(|key| keys.contains(key)).collect();
    ensure!(ours == [&keys[1], &keys[2], &keys[0]], "{ours:?} were due of {keys:?}");
    let early: Vec<_> = table.due(YOUNG, now + 999, usize::MAX).await?;
    ensure!(!early.iter().any(|key| keys.contains(key)), "a row was due too early");
    let two = table.due(YOUNG, now + 3000, 2).await?;
    ensure!(two.len() == 2 && two[..] == due[..2], "the first two of {due:?} were {two:?}");
    Ok(())
}

async fn a_full_row_leaves_the_run_index(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    let until = table.now() + 1000;
    let row = NewRow { check: Some(young(until)), ..subject.row("run") };
    table.create(&key, row).await?;
    for (slot, is_due) in [(0, true), (1, false)] {
        table.arrive(&key, subject.arrival(slot, 2, "end")).await?;
        let due = table.due(YOUNG, until, usize::MAX).await?;
        ensure!(due.contains(&key) == is_due, "after slot {slot} of 2 the row is due: {}", !is_due);
        let check_at = table.get(&key).await?.and_then(|row| row.check_at);
        ensure!(check_at.is_some() == is_due, "after slot {slot} of 2 the row has {check_at:?}");
    }
    Ok(())
}

async fn each_part_of_the_run_index_has_its_own_rows(subject: &Subject) -> Verdict {
    let (table, now) = (&subject.backend.table, subject.backend.table.now());
    let parts = [YOUNG, OLD, IndexPart { deployment: DeploymentId(8), ..YOUNG }];
    let keys = parts.map(|_| subject.fresh_key());
    for (part, key) in parts.into_iter().zip(&keys) {
        let check = Some(Check { part, at: now + 1 });
        table.create(key, NewRow { check, ..subject.row("run") }).await?;
    }
    for (part, own) in parts.into_iter().zip(&keys) {
        let due = table.due(part, now + 1, usize::MAX).await?;
        let ours: Vec<_> = due.iter().filter(|key| keys.contains(key)).collect();
        ensure!(ours == [own], "{part} has {ours:?} of {keys:?}");
    }
    Ok(())
}

async fn a_row_moves_between_the_parts_of_the_run_index(subject: &Subject) -> Verdict {
    let (table, key, now) = (&subject.backend.table, subject.fresh_key(), subject.backend.table.now());
    table.create(&key, NewRow { check: Some(young(now + 1)), ..subject.row("run") }).await?;
    for (part, other) in [(OLD, YOUNG), (YOUNG, OLD), (OLD, YOUNG)] {
        let look = Look { next: Check { part, at: now + 2 }, looked_at: now, inc: None };
        table.postpone(&key, look).await?;
        ensure!(table.due(part, now + 2, usize::MAX).await?.contains(&key), "it is not in {part}");
        ensure!(!table.due(other, now + 2, usize::MAX).await?.contains(&key), "it is still in {other}");
    }
    table.arrive(&key, subject.arrival(0, 1, "end")).await?;
    ensure!(!table.due(OLD, now + 2, usize::MAX).await?.contains(&key), "a full row is due");
    Ok(())
}

async fn a_run_row_is_read_with_its_incarnation(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    table.create(&key, subject.run(7, "run")).await?;
    let found = table.get(&key).await?.unwrap_or_default();
    ensure!(found.inc == Some(7) && found.body == Some("run".into()), "then read {found:?}");
    let plain = subject.fresh_key();
    table.create(&plain, subject.row("no run")).await?;
    let found = table.get(&plain).await?.unwrap_or_default();
    ensure!(found.inc.is_none(), "a row of no run has an incarnation: {found:?}");
    Ok(())
}

async fn the_first_of_two_starts_is_the_incarnation_that_counts(subject: &Subject) -> Verdict {
    let key = subject.fresh_key();
    let created = concurrently(CALLERS, |caller| {
        let row = subject.run(Timestamp::from(caller) + 1, "run");
        let (table, key) = (subject.backend.table.clone(), key.clone());
        async move { table.create(&key, row).await }
    })
    .await?;
    let winners: Vec<usize> = (0..created.len()).filter(|&i| created[i] == Created::New).collect();
    ensure!(winners.len() == 1, "{} starts were told that the run is theirs", winners.len());
    let inc = Some(winners[0] as Timestamp + 1);
    for answer in &created {
        let Created::Exists(row) = answer else { continue };
        ensure!(row.inc == inc, "{inc:?} won, another saw {row:?}");
    }
    let again = subject.backend.table.create(&key, subject.run(99, "again")).await?;
    ensure!(matches!(&again, Created::Exists(row) if row.inc == inc), "a later start got {again:?}");
    Ok(())
}

async fn an_arrival_of_another_incarnation_changes_nothing(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    let check = Some(young(table.now() + 1));
    table.create(&key, NewRow { check, ..subject.run(7, "run") }).await?;
    let before = table.get(&key).await?;
    for inc in [6, 8] {
        let arrived = table.arrive(&key, subject.of_run(inc, 0, "end")).await?;
        ensure!(arrived.gone && !arrived.fresh && !arrived.closed, "one of {inc} got {arrived:?}");
    }
    let after = table.get(&key).await?;
    ensure!(after == before, "the row was {before:?}, and is {after:?}");
    let own = table.arrive(&key, subject.of_run(7, 0, "end")).await?;
    ensure!(own.fresh && !own.gone && own.filled == 1, "one of its own got {own:?}");
    let again = table.arrive(&key, subject.of_run(7, 0, "end")).await?;
    ensure!(!again.fresh && !again.gone && again.filled == 1, "its repetition got {again:?}");
    let late = table.arrive(&key, subject.of_run(6, 0, "late")).await?;
    ensure!(late.gone, "one of another incarnation at a filled slot got {late:?}");
    Ok(())
}

async fn an_arrival_of_a_run_without_a_row_makes_none(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    let arrived = table.arrive(&key, subject.of_run(7, 0, "end")).await?;
    ensure!(arrived.gone && !arrived.fresh, "it got {arrived:?}");
    let found = table.get(&key).await?;
    ensure!(found.is_none(), "an end without a run made {found:?}");
    // A row that arrivals alone have made is no run either.
    table.arrive(&key, subject.arrival(1, 2, "x")).await?;
    let arrived = table.arrive(&key, subject.of_run(7, 0, "end")).await?;
    ensure!(arrived.gone, "at a row without a body it got {arrived:?}");
    Ok(())
}

async fn a_run_row_replaces_what_is_left_of_one_without_a_body(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    for slot in 0..3 {
        table.arrive(&key, subject.counted(slot, 9, true)).await?;
    }
    let created = table.create(&key, subject.run(7, "run")).await?;
    ensure!(created == Created::New, "the start got {created:?}");
    let found = table.get(&key).await?;
    ensure!(content(found.clone()) == Some((Some("run".into()), BTreeMap::new())), "then read {found:?}");
    let arrived = table.arrive(&key, subject.of_run(7, 0, "end")).await?;
    ensure!(arrived.fresh && (arrived.filled, arrived.ok) == (1, 0), "the counters were {arrived:?}");
    Ok(())
}

async fn a_run_row_replaces_one_that_expired_long_ago_and_no_other(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    let start = |inc, expired_before, body: &'static str| {
        let run = Some(NewRun { inc, expired_before });
        NewRow { run, check: Some(young(table.now() + 1)), ..subject.row(body) }
    };
    table.create(&key, start(7, 0, "one")).await?;
    table.arrive(&key, subject.of_run(7, 2, "link")).await?;
    table.arrive(&key, subject.of_run(7, 0, "end")).await?;
    // The store may round when a row expires.
    let expires_at = table.get(&key).await?.unwrap_or_default().expires_at;
    let kept = table.create(&key, start(8, expires_at, "two")).await?;
    ensure!(matches!(&kept, Created::Exists(row) if row.inc == Some(7)), "too early it got {kept:?}");
    let created = table.create(&key, start(8, expires_at + 1, "two")).await?;
    ensure!(created == Created::New, "in its time it got {created:?}");
    let found = table.get(&key).await?.unwrap_or_default();
    ensure!(found.inc == Some(8) && found.slots.is_empty(), "then read {found:?}");
    ensure!(found.check_at.is_some() && found.looked_at.is_none(), "its place is {found:?}");
    let late = table.arrive(&key, subject.of_run(7, 0, "late")).await?;
    ensure!(late.gone, "an end of the one before got {late:?}");
    let own = table.arrive(&key, subject.of_run(8, 0, "end")).await?;
    ensure!(own.fresh && own.filled == 1, "its own end got {own:?}");
    Ok(())
}

async fn an_arrival_has_the_same_number_however_often_it_is_made(subject: &Subject) -> Verdict {
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    let numbered = |slot| Arrival { numbered: true, ..subject.arrival(slot, 9, "x") };
    let first = table.arrive(&key, numbered(5)).await?;
    let keeps = first.number.is_some();
    // The slot, and its number; repetitions have that of the first.
    for (slot, number) in [(5, 1), (2, 2), (5, 1), (7, 3), (2, 2), (0, 4), (7, 3)] {
        let arrived = table.arrive(&key, numbered(slot)).await?;
        let expected = keeps.then_some(number);
        ensure!(arrived.number == expected, "slot {slot} got {arrived:?}, not {expected:?}");
    }
    let plain = table.arrive(&key, subject.arrival(8, 9, "x")).await?;
    ensure!(plain.number.is_none(), "one that asks for no number got {plain:?}");
    Ok(())
}

async fn run_rows_are_listed_page_by_page(subject: &Subject) -> Verdict {
    let table = &subject.backend.table;
    let runs: Vec<_> = (0..5).map(|_| subject.fresh_run()).collect();
    for run in &runs {
        table.create(&RowKey::run(run), subject.row("run")).await?;
        let of = Incarnation::of(run, 1);
        table.create(&RowKey::instance(&of, 0, &[1]), subject.row("instance")).await?;
        table.arrive(&RowKey::join(&of, 1, &[], 0, 0), subject.arrival(0, 2, "a branch")).await?;
    }
    // An ended run is listed too.
    table.arrive(&RowKey::run(&runs[0]), subject.arrival(0, 1, "end")).await?;
    for limit in [1, 2, 1000] {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = table.runs(after.as_ref(), limit).await?;
            ensure!(page.keys.len() <= limit, "a page of {limit} has {} keys", page.keys.len());
            listed.extend(page.keys);
            match page.next {
                None => break,
                next => {
                    ensure!(next != after, "a page comes after itself");
                    after = next;
                }
            }
        }
        ensure!(listed.iter().all(|key| key.as_run().is_some()), "a row is listed that is no run's");
        for run in &runs {
            let times = listed.iter().filter(|key| **key == RowKey::run(run)).count();
            ensure!(times == 1, "a run is listed {times} times, {limit} to a page");
        }
    }
    Ok(())
}

async fn a_waiter_sees_the_change_it_waits_for(subject: &Subject) -> Verdict {
    const PATIENCE: Duration = Duration::from_secs(60);
    let (table, key) = (subject.backend.table.clone(), subject.fresh_key());
    let waiter = tokio::spawn({
        let (table, key) = (table.clone(), key.clone());
        async move {
            let mut looks = 0;
            while table.get(&key).await?.is_none() {
                table.changed(&key).await;
                looks += 1;
            }
            Ok::<u32, StoreError>(looks)
        }
    });
    tokio::task::yield_now().await;
    table.create(&key, subject.row("at last")).await?;
    let waited = tokio::time::timeout(PATIENCE, waiter).await;
    ensure!(waited.is_ok(), "it was not seen");
    if let Ok(looks) = waited {
        looks??;
    }
    Ok(())
}

async fn a_wait_without_a_change_ends(subject: &Subject) -> Verdict {
    const PATIENCE: Duration = Duration::from_secs(60);
    let (table, key) = (&subject.backend.table, subject.fresh_key());
    table.get(&key).await?;
    let waited = tokio::time::timeout(PATIENCE, table.changed(&key)).await;
    ensure!(waited.is_ok(), "it did not");
    Ok(())
}
