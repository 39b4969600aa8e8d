//! A key that is used again once its run is gone: nothing of the earlier run is met by the later one,
//! in whatever order the rows of the earlier one went.

pub(crate) mod frozen;
pub(crate) mod starts;

use std::{sync::Arc, time::Duration};

use jointlambda::{
    Cause, Client, Fault, GivenUp, Options, RunError, Runtime, Status,
    backend::{
        Delivery, Handler,
        local::{Config, LocalClouds, virtual_time},
    },
    embedded::Embedded,
    envelope::Envelope,
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

mod summed {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// Its fan-in has a row, and so has each call but the last.
        #[workflow]
        pub(crate) async fn summed(k: u64) -> Result<u64> {
            let all = fan_out(0..3, async |x| twice(slow(x + k).await).await).await;
            let sum: u64 = all.iter().sum();
            if sum > 0 { last(sum).await } else { Ok(0) }
        }

        #[function(on = AWS)]
        async fn slow(x: u64) -> u64 { x }

        #[function(on = ALI)]
        async fn twice(x: u64) -> u64 { 2 * x }

        #[function(on = AWS)]
        async fn last(x: u64) -> Result<u64> {
            if x % 1_000 == 6 { panic!("as a test demands") }
            Ok(x)
        }
    }
}

/// Rows go between their time and ten days later, each at a time of its own.
fn lagging() -> Config {
    let mut config = Embedded::<summed::Summed>::config();
    for cloud in &mut config.clouds {
        cloud.expiry_lag = 10 * DAY;
    }
    config
}

fn short() -> Options {
    let mut options = Options::default();
    (options.deadline, options.retention) = (2 * HOUR, HOUR);
    options
}

struct World {
    clouds: LocalClouds,
    client: Client<summed::Summed>,
    runtime: Arc<Runtime>,
}

impl World {
    fn new() -> Self {
        let clouds = LocalClouds::new(lagging()).unwrap();
        let runtime = |cloud| Runtime::new::<summed::Summed>(clouds.backends_from(cloud), short());
        for cloud in 0..2 {
            clouds.serve(cloud, Arc::new(runtime(cloud).on(cloud as u16)));
        }
        let client = Client::new(clouds.backends_for_client(), short());
        let runtime = Arc::new(runtime(0));
        World { clouds, client, runtime }
    }
}

#[test]
fn a_key_is_another_run_once_its_row_is_due_to_be_gone_whatever_is_left_of_it() {
    for after in [5 * HOUR, DAY + 5 * HOUR, 3 * DAY, 6 * DAY, 12 * DAY] {
        virtual_time(0, async {
            let world = World::new();
            for (key, k) in (0..20).map(|k| (format!("nightly {k}"), 10 + k)) {
                let run = world.client.start(&key, k).await.unwrap();
                let first = world.client.result(&run).await.unwrap().unwrap();
                assert_eq!(first, 6 + 6 * k);
            }
            tokio::time::sleep(after).await;
            for (key, k) in (0..20).map(|k| (format!("nightly {k}"), 10 + k)) {
                // Its row is there, or went, or is due to have gone for over a day: then it is replaced.
                let Ok(run) = world.client.start(&key, k + 1_000).await else {
                    assert!(after < 2 * DAY, "the row of a run that is gone refuses its key");
                    continue;
                };
                let second = world.client.result(&run).await.unwrap().unwrap();
                assert_eq!(second, 6 + 6 * (k + 1_000), "{key} after {after:?}");
            }
        });
    }
}

#[test]
fn a_redriven_run_of_a_key_is_not_that_of_the_run_before_it() {
    virtual_time(0, async {
        let world = World::new();
        // 6 of 1,000 fails: so does the run that is redriven, and both times the whole of it.
        for k in [0, 1_000] {
            let run = world.client.start("key", k).await.unwrap();
            assert!(matches!(world.client.result(&run).await, Err(RunError::Failed(_))));
            let again = world.client.redrive(&run).await.unwrap();
            assert!(matches!(world.client.result(&again).await, Err(RunError::Failed(_))));
            let report = world.client.report(&run).await.unwrap();
            assert_eq!(report.redrives, 1, "{report:?}");
            tokio::time::sleep(6 * DAY).await;
        }
    });
}

/// An envelope of the run with this key, which was never started.
fn forged(world: &World, key: &str) -> Envelope {
    use jointlambda::envelope::{Call, Task, Term, Value};
    let now = world.clouds.clock().now();
    Envelope {
        event: 7,
        deployment: world.runtime.deployment(),
        again: false,
        run: world.client.run_id(key),
        term: Term { started_at: now, deadline: now + 3_600_000 },
        objects: 0,
        frames: Vec::new(),
        task: Task::Call(Call {
            node: 99,
            turns: Vec::new(),
            args: Value::Inline(bytes::Bytes::new()),
            vars: Vec::new(),
            gathers: None,
        }),
    }
}

#[test]
fn nothing_but_a_start_makes_a_run_row() {
    virtual_time(0, async {
        let world = World::new();
        let wire = forged(&world, "later").encode();
        let delivery = Delivery { attempt: 1, remaining: HOUR };
        let refused = world.runtime.handle("slow", wire.clone(), delivery).await.unwrap_err();
        assert!(matches!(refused, Fault::Poison(_)), "{refused}");
        let given_up = GivenUp { cause: Cause::Call, why: refused.to_string(), attempts: 1 };
        world.runtime.abandon("slow", wire, given_up).await.unwrap();
        assert_eq!(world.clouds.holdings().unwrap().rows, 0, "an end without a run made a row");
        let run = world.client.start("later", 10).await.unwrap();
        assert_eq!(world.client.result(&run).await.unwrap().ok(), Some(66));
        assert_eq!(world.client.status(&run).await.unwrap(), Status::Returned);
    });
}

pub(crate) mod large {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        /// What it begins with is stored before its row is made.
        #[workflow]
        pub(crate) async fn large(list: Vec<u64>) -> u64 { add(list).await }

        #[function(on = AWS)]
        async fn add(list: Vec<u64>) -> u64 { list.iter().sum() }
    }
}

#[test]
fn the_start_that_comes_second_leaves_nothing_that_it_stored() {
    virtual_time(0, async {
        let mut config = Embedded::<large::Large>::config();
        config.profile = jointlambda::backend::local::Profile::TOKYO;
        let clouds = Embedded::<large::Large>::new(config, Options::default()).unwrap();
        let list: Vec<u64> = (0..400_000).collect();
        let client = clouds.client();
        // They begin at different times, and are under way at once.
        let start = |after_ms| {
            let list = list.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
                client.start("key", list).await.unwrap()
            }
        };
        let (one, two, three) = tokio::join!(start(0), start(3), start(7));
        assert!(one == two && two == three);
        assert_eq!(client.result(&one).await.unwrap(), list.iter().sum::<u64>());
        clouds.clouds().idle().await;
        assert_eq!(clouds.clouds().holdings().unwrap().objects, 0, "a start left what it stored");
    });
}
