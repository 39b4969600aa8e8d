//! The clock of a process that runs a function, or sweeps, is off by days, and so may be what one table
//! tells it. No event is dropped and no run fails for it: time is that of the tables, once they have
//! answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use jointlambda::{
    Client, Options, Runtime, Workflow,
    backend::{
        Arrival, Arrived, Backend, Created, IndexPart, Look, NewRow, Row, StoreError, Table, Timestamp,
        fault::Weather,
        local::{LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
    id::RowKey,
};

use crate::{
    layers::{self, TableLayer, over_tables},
    many_faults::{chain::Chain, fan::Fan},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;
const DAYS_MS: i64 = 9 * 24 * HOUR_MS;

/// How far clocks are off, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Off {
    /// That of the process.
    pub(crate) process: i64,
    /// Those of the tables, as their answers tell them to this process.
    pub(crate) tables: [i64; 2],
}

/// What a process takes for the time of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Believes {
    /// What the table's answers tell; nothing before the first.
    TheTable,
    /// Its own clock.
    Itself,
    /// The latest of what all tables tell.
    TheLatest,
}

/// Tables as a process sees them whose clock is its own, and which learns theirs from their answers.
fn told(off: Off, believes: Believes, backends: Vec<Backend>) -> Vec<Backend> {
    over_tables(backends, |cloud, table| {
        layers::table(Told { off, believes, cloud, has_answered: AtomicBool::new(false), table })
    })
}

struct Told {
    off: Off,
    believes: Believes,
    cloud: usize,
    has_answered: AtomicBool,
    table: Arc<dyn Table>,
}

impl Told {
    async fn ask<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let answer = answer.await?;
        self.has_answered.store(true, Relaxed);
        Ok(answer)
    }

    /// By how much the time that this table tells is off; `None` before it has answered.
    fn told(&self) -> Option<i64> {
        match self.believes {
            Believes::Itself => Some(self.off.process),
            Believes::TheTable => self.has_answered.load(Relaxed).then(|| self.off.tables[self.cloud]),
            Believes::TheLatest => {
                self.has_answered.load(Relaxed).then(|| self.off.tables.into_iter().max().unwrap_or(0))
            }
        }
    }
}

#[async_trait]
impl TableLayer for Told {
    fn beneath(&self) -> &dyn Table {
        &*self.table
    }

    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        self.ask(self.table.create(key, row)).await
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.ask(self.table.get(key)).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        self.ask(self.table.arrive(key, arrival)).await
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        self.ask(self.table.due(part, now, limit)).await
    }

    async fn postpone(&self, key: &RowKey, look: Look) -> Result<(), StoreError> {
        self.ask(self.table.postpone(key, look)).await
    }

    fn now(&self) -> Timestamp {
        self.table.now().saturating_add_signed(self.told().unwrap_or(self.off.process))
    }

    fn heard(&self) -> Option<Timestamp> {
        self.told().map(|off| self.table.now().saturating_add_signed(off))
    }

    fn ahead_ms(&self) -> i64 {
        self.told().map_or(0, |off| off - self.off.process)
    }

    async fn ask_time(&self) -> Result<(), StoreError> {
        self.ask(async { Ok(()) }).await
    }
}

/// Whose clocks are off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Functions'. There are no sweeps, so that an event that is dropped is missed.
    Functions,
    /// The sweeper's; some events are lost, so that it has something to do.
    Sweeper,
    /// The same, where each sweep is a process of its own, to which no table has answered.
    NewSweeper,
}

impl Whose {
    /// For how long a run is waited for. A sweeper for which the home table is behind comes that much
    /// later.
    fn patience(self) -> Duration {
        match self {
            Whose::Functions => 60 * MINUTE,
            Whose::Sweeper | Whose::NewSweeper => 6 * 60 * MINUTE,
        }
    }
}

/// Runs `W` where clocks are off.
pub(crate) fn ends_well<W: Workflow>(
    whose: Whose,
    off: Off,
    believes: Believes,
    input: W::Input,
) -> Result<(), String>
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    virtual_time(0, async {
        let mut config = Embedded::<W>::config();
        config.profile = Profile::TOKYO;
        let clouds = LocalClouds::new(config).map_err(|e| e.to_string())?;
        let weather = Arc::new(Weather::default());
        let seen = |by: Whose, backends| match by == whose {
            true => told(off, believes, weather.around(backends)),
            false => weather.around(backends),
        };
        for cloud in 0..2 {
            let backends = seen(Whose::Functions, clouds.backends_from(cloud));
            clouds.serve(cloud, Arc::new(Runtime::new::<W>(backends, Options::default()).on(cloud as u16)));
        }
        if whose != Whose::Functions {
            weather.lose_next("there", 2);
        }
        let client = Client::<W>::new(weather.around(clouds.backends_for_client()), Options::default());
        let run = client.start("key", input).await.map_err(|e| e.to_string())?;
        let sweeper = || Runtime::new::<W>(seen(whose, clouds.backends_from(0)), Options::default());
        let lasting = sweeper();
        let sweeping = async {
            loop {
                tokio::time::sleep(MINUTE).await;
                let _ = match whose {
                    Whose::Functions => continue,
                    Whose::Sweeper => lasting.sweep(10).await,
                    Whose::NewSweeper => sweeper().sweep(10).await,
                };
            }
        };
        tokio::select! {
            result = client.result(&run) => match result {
                Ok(output) if output == expected => Ok(()),
                other => Err(format!("the outcome is {other:?}")),
            },
            () = sweeping => unreachable!(),
            () = tokio::time::sleep(whose.patience()) => Err("the run did not end".to_owned()),
        }
    })
}

#[test]
fn clocks_that_are_off_by_days_drop_no_event_and_fail_no_run() {
    for whose in [Whose::Functions, Whose::Sweeper, Whose::NewSweeper] {
        for process in [0, -DAYS_MS, DAYS_MS] {
            // A run whose home table tells its sweeper a time before its start is not swept until then.
            let behind = if whose == Whose::Functions { DAYS_MS } else { 2 * HOUR_MS };
            for tables in [[0, 0], [DAYS_MS, 0], [0, DAYS_MS], [-behind, 0], [0, -DAYS_MS]] {
                let off = Off { process, tables };
                let chain = ends_well::<Chain>(whose, off, Believes::TheTable, 3);
                let fan = ends_well::<Fan>(whose, off, Believes::TheTable, vec![2, 1, 5]);
                assert_eq!((chain, fan), (Ok(()), Ok(())), "{whose:?}, {off:?}");
            }
        }
    }
}

mod tails {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// Functions on the other cloud, all of whose rows are at home.
        #[workflow]
        pub(crate) async fn tails(n: u64) -> u64 {
            let (a, b) = join!(here(n), there(n));
            last(a + b).await
        }

        #[function(on = AWS)]
        async fn here(x: u64) -> u64 { x }

        #[function(on = ALI)]
        async fn there(x: u64) -> u64 { x }

        #[function(on = AWS)]
        async fn last(x: u64) -> u64 { x }
    }
}

/// When something was committed is told by the tables too: a sweep goes by it.
#[test]
fn what_is_lost_is_found_whatever_the_clocks_of_functions_say() {
    for process in [-DAYS_MS, DAYS_MS] {
        virtual_time(0, async {
            let mut config = Embedded::<tails::Tails>::config();
            config.profile = Profile::TOKYO;
            config.epoch_ms = Some(1_800_000_000_000);
            let clouds = LocalClouds::new(config).unwrap();
            let weather = Arc::new(Weather::default());
            for cloud in 0..2 {
                let backends = weather.around(clouds.backends_from(cloud));
                let backends = told(Off { process, tables: [0, 0] }, Believes::TheTable, backends);
                let runtime = Runtime::new::<tails::Tails>(backends, Options::default());
                clouds.serve(cloud, Arc::new(runtime.on(cloud as u16)));
            }
            weather.lose_next("last", 1);
            let client = Client::<tails::Tails>::new(clouds.backends_for_client(), Options::default());
            let sweeper = Runtime::new::<tails::Tails>(clouds.backends_from(0), Options::default());
            let run = client.start("key", 3).await.unwrap();
            let sweeping = async {
                for _ in 0..10 {
                    tokio::time::sleep(MINUTE).await;
                    sweeper.sweep(10).await.unwrap();
                }
            };
            tokio::select! {
                result = client.result(&run) => assert_eq!(result.unwrap(), 6),
                () = sweeping => panic!("{process}: it was not found"),
            }
        });
    }
}
