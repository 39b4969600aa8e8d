//! All clouds of a workflow are the first one, as `same_as` in the settings makes them: whatever walks
//! through all clouds comes to that one only once, and nothing of two clouds mixes in the one table.

use std::{sync::Arc, time::Duration};

use jointlambda::{
    Client, Options, RunError, Runtime, StartError, Workflow,
    backend::{
        Backend,
        local::{Config, LocalClouds, virtual_time},
    },
    client::Which,
    embedded::Embedded,
};

use crate::faulty::{Parts, survive_single_faults_of};

/// A deployment on the first cloud alone.
struct OneCloud;

impl Parts for OneCloud {
    fn config(&self, mut config: Config) -> Config {
        let mut all: Vec<_> =
            config.clouds.iter_mut().filter_map(|cloud| cloud.functions.take()).flatten().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all.dedup_by(|a, b| a.name == b.name);
        for cloud in &mut config.clouds {
            cloud.functions = Some(Vec::new());
        }
        config.clouds[0].functions = Some(all);
        config
    }

    fn client(&self, sound: Vec<Backend>) -> Vec<Backend> {
        vec![sound[0].clone(); sound.len()]
    }

    fn backends(&self, _: usize, sound: Vec<Backend>) -> Vec<Backend> {
        self.client(sound)
    }

    fn counts(&self) -> bool {
        true
    }
}

/// Deploys `W` on the first of the clouds of `config`.
pub(crate) fn deploy<W: Workflow>(config: Config) -> (LocalClouds, Client<W>) {
    let clouds = LocalClouds::new(OneCloud.config(config)).expect("they can be made");
    let backends = OneCloud.client(clouds.backends_from(0));
    clouds.serve(0, Arc::new(Runtime::new::<W>(backends, Options::default()).on(0)));
    let client = Client::new(OneCloud.client(clouds.backends_for_client()), Options::default());
    (clouds, client)
}

mod both {
    //! Every construct whose parts are on two clouds, with values that are stored.

    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow(home = ALI)]
        pub(crate) async fn both(lengths: Vec<usize>) -> Vec<u64> {
            let made = fan_out(lengths, async |length| {
                let text = make(length).await;
                (measure(text.clone()).await, shout(text).await)
            }).await;
            let chosen = first_ok(1, made, async |(length, text)| check(length, text).await).await;
            chosen.unwrap_or_default()
        }

        #[function(on = AWS)]
        async fn make(length: usize) -> String { "x".repeat(length) }

        #[function(on = ALI, failover = [AWS])]
        async fn measure(text: String) -> u64 { text.len() as u64 }

        #[function(on = ALI)]
        async fn shout(text: String) -> String { text.to_uppercase() }

        #[function(on = AWS, failover = [ALI])]
        async fn check(length: u64, text: String) -> Result<u64> {
            if text.len() as u64 == length && length > 100 { Ok(length) } else { Err(Error::new("no")) }
        }
    }
}

#[test]
fn what_is_on_two_clouds_survives_every_single_fault_on_one() {
    // One that fits a slot, one for an object, and only one that passes the check.
    survive_single_faults_of::<both::Both>(&|| Box::new(OneCloud), vec![3, 60_000]);
}

mod hop {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn hop(x: u64) -> u64 {
            let y = there(x).await;
            here(y).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn there(x: u64) -> u64 { x + 1 }

        #[function(on = AWS)]
        async fn here(x: u64) -> u64 { 2 * x }
    }
}

#[test]
fn failover_goes_to_no_place_twice() {
    virtual_time(0, async {
        let (clouds, client) = deploy::<hop::Hop>(Embedded::<hop::Hop>::config());
        clouds.set_available(0, false);
        let started = client.start("key", 1).await;
        assert!(matches!(started, Err(StartError::Fault(_))), "{started:?}");
        assert_eq!(clouds.meter().clouds[0].refusals, 3, "three rounds of one placement");
        clouds.set_available(0, true);
        let run = client.start("key", 1).await.unwrap();
        assert_eq!(client.result(&run).await.unwrap(), 4);
        assert_eq!(clouds.meter().clouds[1].deliveries, 0);
    });
}

#[test]
fn runs_are_listed_and_swept_once() {
    virtual_time(0, async {
        let (clouds, client) = deploy::<hop::Hop>(Embedded::<hop::Hop>::config());
        let sweeper = Runtime::new::<hop::Hop>(OneCloud.client(clouds.backends_from(0)), Options::default());
        clouds.set_available(0, false);
        for key in ["one", "two"] {
            assert!(client.start(key, 1).await.is_err(), "its first call cannot be made");
        }
        clouds.set_available(0, true);
        for which in [Which::Open, Which::All] {
            let mut keys: Vec<_> =
                client.list(which, 10).await.unwrap().runs.into_iter().map(|run| run.key).collect();
            keys.sort();
            assert_eq!(keys, ["one", "two"], "{which:?}");
        }
        tokio::time::sleep(Duration::from_secs(61)).await;
        let swept = sweeper.sweep(10).await.unwrap();
        assert_eq!((swept.runs, swept.invoked), (2, 2));
        for key in ["one", "two"] {
            assert_eq!(client.result(&client.run_id(key)).await.unwrap(), 4);
        }
        assert!(client.list(Which::Open, 10).await.unwrap().runs.is_empty());
    });
}

mod wide {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn wide(length: usize) -> usize {
            let text = fill(length).await;
            measure(text).await
        }

        #[function(on = AWS)]
        async fn fill(length: usize) -> String { "x".repeat(length) }

        #[function(on = ALI)]
        async fn measure(text: String) -> usize { text.len() }
    }
}

#[test]
fn the_limits_are_those_of_where_it_runs() {
    // Function Compute takes envelopes of 128 KB, Lambda larger ones.
    const LENGTH: usize = 300_000;
    let fetched = |one: bool| {
        virtual_time(0, async move {
            let config = Embedded::<wide::Wide>::config();
            let (clouds, result) = if one {
                let (clouds, client) = deploy::<wide::Wide>(config);
                let run = client.start("key", LENGTH).await.unwrap();
                let result: Result<usize, RunError> = client.result(&run).await;
                (clouds.meter(), result.unwrap())
            } else {
                let clouds = Embedded::<wide::Wide>::in_memory();
                let result = clouds.run("key", LENGTH).await.unwrap();
                (clouds.clouds().meter(), result)
            };
            assert_eq!(result, LENGTH);
            clouds.clouds.iter().map(|cloud| cloud.object_gets).sum::<u64>()
        })
    };
    assert_eq!(fetched(false), 1, "the text is in no envelope");
    assert_eq!(fetched(true), 0, "the text is in the envelope");
}
