//! A table whose answers carry a wrong date, or none: of the home or of another cloud, from the start or
//! from some moment on. What cannot be taken back goes by the earliest time that any table tells.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use jointlambda::{
    Client, Options, RunError, Runtime, StartError, Workflow,
    backend::{
        Backend, Table, Timestamp,
        local::{LocalClouds, virtual_time},
    },
    embedded::Embedded,
};

use crate::layers::{self, TableLayer};

const MINUTE: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 24 * 3_600_000;

/// What a table's answers tell of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Date {
    Right,
    /// Off by so many milliseconds.
    Off(i64),
    /// No date, ever.
    Absent,
    /// The date of the first answer, time and again, as a cache gives it.
    Cached,
}

const WRONG: [Date; 4] = [Date::Off(9 * DAY_MS), Date::Off(-9 * DAY_MS), Date::Absent, Date::Cached];

/// A table with a date of its own, from some moment on.
struct Dated {
    table: Arc<dyn Table>,
    date: Date,
    from: Arc<AtomicBool>,
    first: Timestamp,
}

impl Dated {
    fn date(&self) -> Date {
        if self.from.load(Relaxed) { self.date } else { Date::Right }
    }
}

impl TableLayer for Dated {
    fn beneath(&self) -> &dyn Table {
        &*self.table
    }

    fn now(&self) -> Timestamp {
        self.heard().unwrap_or_else(|| self.table.now())
    }

    fn heard(&self) -> Option<Timestamp> {
        match self.date() {
            Date::Right => Some(self.table.now()),
            Date::Off(ms) => Some(self.table.now().saturating_add_signed(ms)),
            Date::Absent => None,
            Date::Cached => Some(self.first),
        }
    }

    fn ahead_ms(&self) -> i64 {
        match self.date() {
            Date::Off(ms) => ms,
            _ => 0,
        }
    }
}

mod there_and_back {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn there_and_back(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| there(x).await).await;
            back(all.len() as u64).await
        }

        #[function(on = ALI, timeout = "5m")]
        async fn there(x: u64) -> u64 {
            tokio::time::sleep(2 * super::MINUTE).await;
            x
        }

        #[function(on = AWS, timeout = "5m")]
        async fn back(x: u64) -> u64 {
            tokio::time::sleep(2 * super::MINUTE).await;
            x
        }
    }
}

mod at_home {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn at_home(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| slow(x).await).await;
            slow(all.len() as u64).await
        }

        #[function(on = AWS, timeout = "5m")]
        async fn slow(x: u64) -> u64 {
            tokio::time::sleep(2 * super::MINUTE).await;
            x
        }
    }
}

/// How a run ends around which `wrong` tells a wrong date, for functions and sweeps from the start, or
/// from its first minute on. The client's machine and table are right.
fn ends<W: Workflow<Input = u64, Output = u64>>(
    wrong: usize,
    date: Date,
    is_late: bool,
) -> Result<u64, RunError> {
    virtual_time(0, async {
        let mut config = Embedded::<W>::config();
        config.epoch_ms = Some(1_800_000_000_000);
        let clouds = LocalClouds::new(config).unwrap();
        let from = Arc::new(AtomicBool::new(!is_late));
        let dated = |backends: Vec<Backend>| -> Vec<Backend> {
            let dated = |(cloud, one): (usize, Backend)| {
                let date = if cloud == wrong { date } else { Date::Right };
                let (table, first) = (one.table.clone(), one.table.now());
                Backend { table: layers::table(Dated { table, date, from: from.clone(), first }), ..one }
            };
            backends.into_iter().enumerate().map(dated).collect()
        };
        let options = Options::default();
        for cloud in 0..W::definition().clouds.len() {
            let runtime = Runtime::new::<W>(dated(clouds.backends_from(cloud)), options.clone());
            clouds.serve(cloud, Arc::new(runtime.on(cloud as u16)));
        }
        let client = Client::<W>::new(clouds.backends_for_client(), options.clone());
        let sweeper = Runtime::new::<W>(dated(clouds.backends_from(0)), options);
        let run = client.start("key", 3).await.unwrap();
        let sweeping = async {
            loop {
                tokio::time::sleep(MINUTE).await;
                from.store(true, Relaxed);
                let _ = sweeper.sweep_for(5 * MINUTE).await;
            }
        };
        tokio::select! {
            result = client.result(&run) => result,
            () = sweeping => unreachable!(),
            () = tokio::time::sleep(Duration::from_secs(30 * 24 * 3_600)) => panic!("it never ends"),
        }
    })
}

#[test]
fn one_of_two_tables_with_a_wrong_date_ends_no_run_before_its_time() {
    for wrong in [0, 1] {
        for date in WRONG {
            for is_late in [false, true] {
                let ended = ends::<there_and_back::ThereAndBack>(wrong, date, is_late);
                assert!(matches!(ended, Ok(3)), "table {wrong}, {date:?}, late: {is_late}: {ended:?}");
            }
        }
    }
}

#[test]
fn the_only_table_is_believed_only_if_it_tells_a_time() {
    for date in WRONG {
        for is_late in [false, true] {
            let ended = ends::<at_home::AtHome>(0, date, is_late);
            match date {
                // Functions and sweeps know no other time: by this one the run is past its deadline.
                Date::Off(ms) if ms > 0 => assert!(matches!(ended, Err(RunError::Failed(_))), "{ended:?}"),
                _ => assert!(matches!(ended, Ok(3)), "{date:?}, late: {is_late}: {ended:?}"),
            }
        }
    }
}

#[test]
fn tables_whose_clocks_differ_are_named() {
    virtual_time(0, async {
        for (off_ms, says) in [
            (0, None),
            (9_000, None),
            (12_000, Some("the clock of the table of ALI is 12 s ahead of that of AWS")),
            (-12_000, Some("the clock of the table of AWS is 12 s ahead of that of ALI")),
        ] {
            let mut config = Embedded::<there_and_back::ThereAndBack>::config();
            config.epoch_ms = Some(1_800_000_000_000);
            let clouds = LocalClouds::new(config).unwrap();
            let mut backends = clouds.backends_for_client();
            let (table, first) = (backends[1].table.clone(), backends[1].table.now());
            let date = Date::Off(off_ms);
            backends[1].table = layers::table(Dated { table, date, from: Arc::new(true.into()), first });
            let client = Client::<there_and_back::ThereAndBack>::new(backends, Options::default());
            let apart = client.clocks_apart().map(|apart| apart.to_string());
            assert_eq!(apart.is_some(), says.is_some(), "{off_ms}: {apart:?}");
            assert!(says.is_none_or(|says| apart.unwrap().starts_with(says)), "{off_ms}");
        }
    });
}

#[test]
fn a_copy_that_comes_to_its_commit_after_the_rows_of_its_run_makes_none() {
    virtual_time(0, async {
        let mut config = Embedded::<at_home::AtHome>::config();
        config.epoch_ms = Some(1_800_000_000_000);
        let clouds = LocalClouds::new(config).unwrap();
        let from = Arc::new(AtomicBool::new(false));
        let dated = |one: Backend| {
            let (table, first) = (one.table.clone(), one.table.now());
            let date = Date::Off(9 * DAY_MS);
            Backend { table: layers::table(Dated { table, date, from: from.clone(), first }), ..one }
        };
        let backends: Vec<_> = clouds.backends_from(0).into_iter().map(dated).collect();
        clouds.serve(0, Arc::new(Runtime::new::<at_home::AtHome>(backends, Options::default())));
        let client = Client::<at_home::AtHome>::new(clouds.backends_for_client(), Options::default());
        client.start("key", 3).await.unwrap();
        // While its functions run, their process stands still for nine days, as far as it knows.
        tokio::time::sleep(MINUTE).await;
        let before = clouds.meter();
        from.store(true, Relaxed);
        clouds.idle().await;
        let used = clouds.meter().since(&before).total().unwrap();
        assert_eq!((used.table_creates, used.table_arrives, used.invocations), (0, 0, 0));
    });
}

#[test]
fn a_client_starts_no_run_by_a_clock_that_is_off() {
    virtual_time(0, async {
        for (date, starts) in [
            (Date::Off(9 * DAY_MS), false),
            (Date::Off(-9 * DAY_MS), false),
            (Date::Off(60_000), true),
            (Date::Absent, true),
        ] {
            let mut config = Embedded::<at_home::AtHome>::config();
            config.epoch_ms = Some(1_800_000_000_000);
            let clouds = LocalClouds::new(config).unwrap();
            let dated = |one: Backend| {
                let (table, first) = (one.table.clone(), one.table.now());
                Backend {
                    table: layers::table(Dated { table, date, from: Arc::new(true.into()), first }),
                    ..one
                }
            };
            let backends = clouds.backends_for_client().into_iter().map(dated).collect();
            let client = Client::<at_home::AtHome>::new(backends, Options::default());
            let started = client.start("key", 1).await;
            // Nothing runs its functions here, which is another fault.
            let is_refused = matches!(started, Err(StartError::Clock { .. }));
            assert_eq!(is_refused, !starts, "{date:?}: {started:?}");
        }
    });
}
