//! A cloud whose functions are down, from each invocation that a function of a run makes on, and tables
//! that are down, from each request on: for a while or for good.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Workflow,
    backend::{
        Arrival, Arrived, Backend, Created, Functions, IndexPart, Invoked, Look, NewRow, Row, StoreError,
        Table, Timestamp, fault::Schedule, local::virtual_time,
    },
    id::RowKey,
};
use tokio::time::Instant;

use crate::{
    cancelling::shapes::race::Race,
    faulty::{Parts, report, say, under},
    keys_used_again::frozen::{self, GONE, Reuse},
    layers::{self, TableLayer, over_tables},
    many_faults::{chain::Chain, fan::Fan, turns::Turns},
    redriving::shapes,
    redundancy::{saw_two, three::Three},
};

/// A time in which something is down, from the `from`-th request on.
#[derive(Clone)]
struct Span {
    from: u64,
    lasts: Option<Duration>,
    requests: Arc<AtomicU64>,
    since: Arc<std::sync::OnceLock<Instant>>,
}

impl Span {
    fn new(from: u64, lasts: Option<Duration>) -> Self {
        Span { from, lasts, requests: Arc::default(), since: Arc::default() }
    }

    /// Whether there are as many requests as it waits for.
    fn has_begun(&self) -> bool {
        self.requests.load(Relaxed) > self.from
    }

    /// Whether the next request meets it.
    fn is_now(&self) -> bool {
        if self.requests.fetch_add(1, Relaxed) < self.from {
            return false;
        }
        let since = self.since.get_or_init(Instant::now);
        self.lasts.is_none_or(|lasts| since.elapsed() < lasts)
    }
}

/// The functions of one cloud do not take events, from some invocation on any cloud on.
#[derive(Clone)]
struct Outage {
    cloud: usize,
    span: Span,
}

impl Parts for Outage {
    fn backends(&self, _cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        let part = |(cloud, one): (usize, Backend)| {
            let functions = Arc::new(Down {
                outage: self.clone(),
                is_it: cloud == self.cloud,
                functions: one.functions.clone(),
            });
            Backend { functions, ..one }
        };
        sound.into_iter().enumerate().map(part).collect()
    }

    fn may_lose_events(&self) -> bool {
        // Platforms give up on events in a long outage; the sweeper does not.
        true
    }
}

struct Down {
    outage: Outage,
    is_it: bool,
    functions: Arc<dyn Functions>,
}

#[async_trait]
impl Functions for Down {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        if self.outage.span.is_now() && self.is_it {
            return Invoked::Unavailable("it is down".to_owned());
        }
        self.functions.invoke(function, envelope).await
    }
}

/// Tries an outage of each of `clouds` from every invocation on.
pub(crate) fn survives<W: Workflow>(input: W::Input, clouds: &[usize], lasts: Option<Duration>)
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    survives_where::<W>(input, clouds, lasts, |output| *output == expected);
}

/// The same of a run that may end in several ways.
fn survives_where<W: Workflow>(
    input: W::Input,
    clouds: &[usize],
    lasts: Option<Duration>,
    accepts: impl Fn(&W::Output) -> bool,
) where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    for &cloud in clouds {
        for from in 0.. {
            let outage = Outage { cloud, span: Span::new(from, lasts) };
            if let Err(why) = under::<W>(&|| Box::new(outage.clone()), input.clone(), &accepts) {
                panic!("cloud {cloud} down from invocation {from} on, for {lasts:?}: {why}");
            }
            if !outage.span.has_begun() {
                assert!(from > 0, "functions invoke");
                break;
            }
        }
    }
}

/// The tables of some clouds refuse what functions and sweeps ask of them, from some request of any on.
#[derive(Clone)]
struct TablesDown {
    clouds: &'static [usize],
    /// Whether they refuse clients, too.
    clients: bool,
    refusal: StoreError,
    span: Span,
}

impl TablesDown {
    fn over(&self, sound: Vec<Backend>) -> Vec<Backend> {
        over_tables(sound, |cloud, table| {
            let is_it = self.clouds.contains(&cloud);
            layers::table(DownTable { outage: self.clone(), is_it, table })
        })
    }
}

impl Parts for TablesDown {
    fn client(&self, sound: Vec<Backend>) -> Vec<Backend> {
        if self.clients { self.over(sound) } else { sound }
    }

    fn stopper(&self, sound: Vec<Backend>) -> Vec<Backend> {
        self.client(sound)
    }

    fn backends(&self, _cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        self.over(sound)
    }

    fn may_lose_events(&self) -> bool {
        true
    }
}

struct DownTable {
    outage: TablesDown,
    is_it: bool,
    table: Arc<dyn Table>,
}

impl DownTable {
    fn table(&self) -> Result<&dyn Table, StoreError> {
        if self.outage.span.is_now() && self.is_it {
            Err(self.outage.refusal.clone())
        } else {
            Ok(&*self.table)
        }
    }
}

#[async_trait]
impl TableLayer for DownTable {
    fn beneath(&self) -> &dyn Table {
        &*self.table
    }

    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        self.table()?.create(key, row).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.table()?.get(key).await
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        self.table()?.get_many(keys).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        self.table()?.arrive(key, arrival).await
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.table()?.due(part, now, limit).await
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.table()?.postpone(key, look).await
    }
}

/// Tries outages of the tables of one cloud, of the other and of both, from every request on.
fn survives_without_tables<W: Workflow>(input: W::Input)
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    let (mut failures, mut tried) = (Vec::new(), 0);
    let refusals = [
        StoreError::Throttled,
        StoreError::Unavailable("it is down".to_owned()),
        StoreError::Denied("it is down".to_owned()),
    ];
    for (clouds, refusal) in [&[0][..], &[1], &[0, 1]]
        .into_iter()
        .flat_map(|clouds| refusals.iter().map(move |refusal| (clouds, refusal)))
    {
        for lasts in [5, 90, 3600].map(Duration::from_secs) {
            for from in 0.. {
                let span = Span::new(from, Some(lasts));
                let outage = TablesDown { clouds, clients: false, refusal: refusal.clone(), span };
                let run =
                    under::<W>(&|| Box::new(outage.clone()), input.clone(), &|output| *output == expected);
                if let Err(why) = run {
                    failures
                        .push(format!("{clouds:?} from request {from} on, for {lasts:?}, {refusal}: {why}"));
                }
                tried += 1;
                if !outage.span.has_begun() {
                    break;
                }
            }
        }
    }
    say(format_args!("`{}` through {tried} outages of tables", W::definition().name));
    report::<W>(&failures);
}

#[test]
fn a_run_survives_tables_that_are_down_for_a_while() {
    survives_without_tables::<Chain>(3);
    survives_without_tables::<Fan>(vec![2, 1, 5]);
    survives_without_tables::<Turns>(1);
}

#[test]
fn a_run_survives_a_cloud_that_goes_down_for_good_where_there_is_another() {
    survives::<Chain>(3, &[1], None);
    survives::<Fan>(vec![2, 1, 5], &[1], None);
    survives::<Turns>(2, &[1], None);
}

#[test]
fn a_run_waits_for_the_only_cloud_that_can_go_on() {
    for lasts in [5, 90, 3600] {
        let lasts = Some(Duration::from_secs(lasts));
        survives::<Chain>(3, &[0, 1], lasts);
        survives::<Fan>(vec![2, 1, 5], &[0, 1], lasts);
        survives::<Turns>(2, &[0, 1], lasts);
    }
}

#[test]
fn the_first_that_are_ok_come_from_where_functions_run() {
    survives::<Race>(3, &[1], None);
    for lasts in [5, 90] {
        let lasts = Some(Duration::from_secs(lasts));
        survives::<Race>(3, &[0, 1], lasts);
        survives_where::<Three>(vec![1, 2, 3], &[0, 1], lasts, saw_two);
    }
}

/// Runs `W` twice under one key, with outages of the tables from every `stride`-th request on, for clients
/// as for functions.
fn are_started_and_stopped_without_tables<W: Workflow>(reuse: Reuse, inputs: &[W::Input; 2], stride: u64)
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    let (mut failures, mut tried) = (Vec::new(), 0);
    for clouds in [&[0][..], &[1], &[0, 1]] {
        for lasts in [90, 3600].map(Duration::from_secs) {
            for from in (0..).step_by(stride as usize) {
                let (span, refusal) =
                    (Span::new(from, Some(lasts)), StoreError::Unavailable("it is down".to_owned()));
                let outage = TablesDown { clouds, clients: true, refusal, span };
                let trial = frozen::twice::<W>(
                    &|| Box::new(outage.clone()),
                    reuse,
                    inputs,
                    &Schedule::default(),
                    None,
                );
                if let Err(why) = trial {
                    failures
                        .push(format!("{reuse:?}, {clouds:?} from request {from} on, for {lasts:?}: {why}"));
                }
                tried += 1;
                if !outage.span.has_begun() {
                    break;
                }
            }
        }
    }
    say(format_args!("`{}` twice through {tried} outages of tables", W::definition().name));
    report::<W>(&failures);
}

#[test]
fn starts_cancellations_and_redrives_survive_tables_that_are_down_for_a_while() {
    are_started_and_stopped_without_tables::<Chain>(GONE, &[3, 4], 1);
    let cancelled = Reuse { cancelled: true, ..GONE };
    are_started_and_stopped_without_tables::<Fan>(cancelled, &[vec![2, 1, 5], vec![4, 7]], 1);
    let redriven = Reuse { redriven: Some([Duration::ZERO; 2]), ..GONE };
    are_started_and_stopped_without_tables::<shapes::chain::Chain>(redriven, &[3, 4], 1);
}
