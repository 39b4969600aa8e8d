//! The table with the run rows has moved: keys of runs in the old one are not started again.

use std::{sync::Arc, time::Duration};

use jointlambda::{
    Client, Options, RedriveError, RunError, Runtime, StartError, Status,
    backend::{
        Backend,
        local::{Config, LocalClouds, virtual_time},
    },
    embedded::Embedded,
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

mod added {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow(home = ALI)]
        pub(crate) async fn added(x: u64) -> u64 { more(x).await }

        #[function(on = AWS)]
        async fn more(x: u64) -> u64 {
            if x == 13 { panic!("as a test demands") }
            x + 1
        }
    }
}

/// The cloud of the run rows.
const HOME: usize = 1;

/// One deployment, on tables of its own.
struct Deployed {
    clouds: LocalClouds,
    client: Client<added::Added>,
}

impl Deployed {
    /// On tables that are told from others by `place`, with a row's time up to ten days before it goes.
    fn at(place: &str) -> Self {
        let mut config: Config = Embedded::<added::Added>::config();
        config.clouds[HOME].expiry_lag = 10 * DAY;
        let mut options = Options::default();
        (options.deadline, options.retention) = (2 * HOUR, HOUR);
        let clouds = LocalClouds::new(config).unwrap();
        let moved = |mut backends: Vec<Backend>| {
            backends[HOME].place = place.into();
            backends
        };
        for cloud in 0..2 {
            let runtime = Runtime::new::<added::Added>(moved(clouds.backends_from(cloud)), options.clone());
            clouds.serve(cloud, Arc::new(runtime.on(cloud as u16)));
        }
        let client = Client::new(moved(clouds.backends_for_client()), options);
        Deployed { clouds, client }
    }

    /// One whose run rows were at `old` before.
    fn moved_from(place: &str, old: &Deployed) -> Self {
        let Deployed { clouds, client } = Deployed::at(place);
        let client = client.moved_from(vec![old.clouds.backends_for_client()[HOME].table.clone()]);
        Deployed { clouds, client }
    }
}

#[test]
fn a_key_of_a_run_in_the_old_table_is_not_started_again() {
    virtual_time(0, async {
        let old = Deployed::at("old");
        let ended = old.client.start("ended", 1).await.unwrap();
        assert_eq!(old.client.result(&ended).await.unwrap(), 2);
        let failed = old.client.start("failed", 13).await.unwrap();
        assert!(matches!(old.client.result(&failed).await, Err(RunError::Failed(_))));
        old.clouds.set_available(0, false);
        old.clouds.set_available(1, false);
        assert!(old.client.start("open", 1).await.is_err(), "no cloud takes it");

        let new = Deployed::moved_from("new", &old);
        for (key, input) in [("ended", 1), ("failed", 13), ("open", 1)] {
            let run = new.client.run_id(key);
            let refused = new.client.start(key, input).await;
            let Err(StartError::OtherDeployment { theirs, ours, .. }) = &refused else {
                panic!("{key}: {refused:?}");
            };
            assert_ne!(theirs, ours);
            let of_another = |error: &RunError| matches!(error, RunError::OtherDeployment(_));
            assert!(new.client.result(&run).await.is_err_and(|error| of_another(&error)), "{key}");
            assert!(new.client.status(&run).await.is_err_and(|error| of_another(&error)), "{key}");
            assert!(new.client.report(&run).await.is_err_and(|error| of_another(&error)), "{key}");
            assert!(new.client.cancel(&run).await.is_err_and(|error| of_another(&error)), "{key}");
            let redriven = new.client.redrive(&run).await;
            assert!(matches!(redriven, Err(RedriveError::OtherDeployment(_))), "{key}: {redriven:?}");
        }
        assert_eq!(new.clouds.holdings().unwrap().rows, 0, "nothing was started");

        // Any other key is one of the new table, whose runs know nothing of the old one.
        let run = new.client.start("fresh", 2).await.unwrap();
        assert_eq!(new.client.result(&run).await.unwrap(), 3);
        assert_eq!(new.client.status(&run).await.unwrap(), Status::Returned);
        assert!(matches!(old.client.status(&run).await, Err(RunError::NoSuchRun(_))));
    });
}

#[test]
fn it_takes_one_read_of_the_old_table() {
    virtual_time(0, async {
        let old = Deployed::at("old");
        let new = Deployed::moved_from("new", &old);
        let reads = || old.clouds.meter().clouds[HOME].table_gets;
        let run = new.client.start("key", 1).await.unwrap();
        assert_eq!(reads(), 1);
        new.client.result(&run).await.unwrap();
        assert_eq!(reads(), 2);
        new.client.status(&run).await.unwrap();
        assert_eq!(reads(), 3);
        let total = old.clouds.meter().total().unwrap();
        assert_eq!((total.table_creates, total.invocations), (0, 0));
    });
}

#[test]
fn a_key_is_free_once_its_row_in_the_old_table_should_have_gone() {
    virtual_time(0, async {
        let old = Deployed::at("old");
        let run = old.client.start("key", 1).await.unwrap();
        old.client.result(&run).await.unwrap();
        let new = Deployed::moved_from("new", &old);
        tokio::time::sleep(DAY).await;
        assert!(new.client.start("key", 1).await.is_err(), "clocks may differ");
        tokio::time::sleep(DAY).await;
        assert!(old.client.status(&run).await.is_ok(), "the row is still there");
        let run = new.client.start("key", 1).await.unwrap();
        assert_eq!(new.client.result(&run).await.unwrap(), 2);
    });
}
