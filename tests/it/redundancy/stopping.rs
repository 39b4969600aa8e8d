//! What it takes to stop a run in which branches may be late: every turn of a loop is looked at where
//! a fan-in of it may have left something open, and of other loops the last one.

use std::time::Duration;

use jointlambda::{
    Client, InstanceState, Options, Status, Workflow,
    backend::{
        fault::{Faults, Schedule},
        local::{LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
};

use crate::faulty::deploy;

/// A long loop, and a fan-in for the first after it.
mod after {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn after(turns: u64) -> Result<u64> {
            let mut sum = 0;
            for _ in 0..turns {
                sum = add(sum).await;
            }
            let won = first_ok(1, [sum, 0], async |x| ask(x).await).await?;
            Ok(won[0])
        }

        #[function(on = AWS)]
        async fn add(x: u64) -> u64 { x + 1 }

        /// Takes its time, and a zero some more.
        #[function(on = AWS, timeout = "10m")]
        async fn ask(x: u64) -> Result<u64> {
            tokio::time::sleep(std::time::Duration::from_secs(if x == 0 { 200 } else { 100 })).await;
            Ok(x)
        }
    }
}

/// A fan-in for the first in each turn of a long loop, and one branch that stays behind in all of them.
mod within {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    use jointlambda::prelude::*;

    pub(crate) static WENT_ON: AtomicU64 = AtomicU64::new(0);

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn within(turns: u64) -> Result<u64> {
            for turn in 0..turns {
                first_ok(1, [0, 1], async |x| {
                    let slow = ask(x, turn).await?;
                    go_on(slow).await
                })
                .await?;
            }
            ask(1, turns).await
        }

        #[function(on = AWS, timeout = "10m")]
        async fn ask(x: u64, turn: u64) -> Result<u64> {
            tokio::time::sleep(std::time::Duration::from_secs(300 * x)).await;
            Ok(x * turn)
        }

        #[function(on = AWS)]
        async fn go_on(x: u64) -> Result<u64> {
            if x > 0 {
                WENT_ON.fetch_add(1, SeqCst);
            }
            Ok(x)
        }
    }
}

/// Cancels a run of `W` when it is so old; gives the reads that this took.
async fn reads_to_cancel<W: Workflow>(clouds: &Embedded<W>, input: W::Input, after: Duration) -> u64 {
    let run = clouds.client().start("key", input).await.unwrap();
    tokio::time::sleep(after).await;
    let before = clouds.clouds().meter().total().unwrap().table_gets;
    assert_eq!(clouds.client().cancel(&run).await.unwrap(), Status::Cancelled);
    clouds.clouds().meter().total().unwrap().table_gets - before
}

#[test]
fn a_fan_in_for_the_first_after_a_loop_does_not_make_its_turns_be_looked_at() {
    virtual_time(0, async {
        let clouds = Embedded::<after::After>::in_memory();
        let reads = reads_to_cancel(&clouds, 2_000, Duration::from_secs(60)).await;
        clouds.clouds().idle().await;
        assert!(reads < 60, "{reads} reads");
    });
}

#[test]
fn branches_that_are_late_in_any_turn_are_stopped() {
    virtual_time(0, async {
        let clouds = Embedded::<within::Within>::in_memory();
        let reads = reads_to_cancel(&clouds, 40, Duration::from_secs(60)).await;
        assert!(reads > 40, "{reads} reads");
        clouds.clouds().idle().await;
        assert_eq!(within::WENT_ON.load(std::sync::atomic::Ordering::SeqCst), 0);
    });
}

#[test]
fn a_report_says_of_what_nothing_waits_for_that_it_is_late() {
    virtual_time(0, async {
        let clouds = Embedded::<after::After>::in_memory();
        let run = clouds.client().start("key", 3).await.unwrap();
        let told = async |at_s: u64| {
            tokio::time::sleep(Duration::from_secs(at_s)).await;
            let report = clouds.client().report(&run).await.unwrap();
            let asked = report.instances.into_iter().filter(|one| one.node == "ask");
            (report.status, asked.map(|one| one.state).collect::<Vec<_>>())
        };
        let (status, asked) = told(50).await;
        assert_eq!(status, Status::Running);
        assert!(matches!(asked[..], [InstanceState::Running, InstanceState::Running]), "{asked:?}");
        let (status, asked) = told(100).await;
        assert_eq!(status, Status::Returned);
        assert!(matches!(asked[..], [InstanceState::Committed { .. }, InstanceState::Late]), "{asked:?}");
        let (_, asked) = told(100).await;
        assert!(
            matches!(asked[..], [InstanceState::Committed { .. }, InstanceState::Committed { .. }]),
            "{asked:?}"
        );
    });
}

/// Branches of one function each, and of two.
mod raced {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn raced(n: u64) -> Result<u64> {
            let won = first_ok(1, 0..n, async |x| ask(x).await).await?;
            ask(won[0]).await
        }

        #[function(on = AWS, timeout = "10m")]
        async fn ask(x: u64) -> Result<u64> {
            tokio::time::sleep(std::time::Duration::from_secs(300)).await;
            Ok(x)
        }
    }
}

#[test]
fn nothing_is_decided_by_a_second_canceller_when_the_first_has_ended_the_run() {
    for apart_ms in 0..150 {
        virtual_time(0, async {
            let faults = Faults::new(&Schedule::default());
            let mut config = Embedded::<raced::Raced>::config();
            config.profile = Profile::TOKYO;
            let clouds = LocalClouds::new(config).unwrap();
            deploy::<raced::Raced>(&clouds, &faults, &Options::default());
            let client =
                || Client::<raced::Raced>::new(faults.wrap(clouds.backends_for_client()), Options::default());
            let run = client().start("key", 3).await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
            let second = async {
                tokio::time::sleep(Duration::from_millis(apart_ms)).await;
                client().cancel(&run).await.unwrap()
            };
            let cancelled = tokio::join!(async { client().cancel(&run).await.unwrap() }, second);
            assert_eq!(cancelled, (Status::Cancelled, Status::Cancelled));
            clouds.idle().await;
            assert_eq!(faults.violations(), [""; 0], "{apart_ms} ms apart");
        });
    }
}
