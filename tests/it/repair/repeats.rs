//! How often a call is sent again that has no outcome: a long one is left to its platform, and one that
//! cannot be committed is sent at times that double.

use std::sync::Arc;

use jointlambda::{
    Client, Options, RunError, Runtime,
    backend::{
        fault::{TableState, Weather},
        local::{LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
};

use super::{BEGUN, MINUTE, Seen, World, backlog};

mod patient {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn patient(kind: u64) -> u64 {
            match kind {
                0 => dies_once(kind).await,
                _ => never_ends(kind).await,
            }
        }

        #[function(on = AWS, timeout = "600s")]
        async fn dies_once(x: u64) -> u64 {
            super::super::begun();
            if super::super::BEGUN.get() == 1 {
                tokio::time::sleep(std::time::Duration::from_secs(590)).await;
                panic!("as a test demands");
            }
            tokio::time::sleep(std::time::Duration::from_secs(500)).await;
            x
        }

        #[function(on = ALI, timeout = "600s")]
        async fn never_ends(x: u64) -> u64 {
            super::super::begun();
            std::future::pending::<()>().await;
            x
        }
    }
}

#[test]
fn a_long_call_is_left_to_the_deliveries_of_its_platform() {
    for (kind, begun) in [(0, 2), (1, 4)] {
        BEGUN.set(0);
        virtual_time(0, async {
            let mut config = Embedded::<patient::Patient>::config();
            config.profile = Profile::REALISTIC;
            let world = World::<patient::Patient>::new(config, &Options::default());
            let run = world.client.start("key", kind).await.unwrap();
            let (result, _) = world.follow(&run).await;
            assert_eq!(result.is_ok(), kind == 0);
        });
        assert_eq!(BEGUN.get(), begun, "kind {kind}");
    }
}

/// How often a call is begun whose table can be read and not be written, for six days.
pub(crate) fn begun_without_a_commit(seen: Seen<'_>) -> u64 {
    BEGUN.set(0);
    virtual_time(0, async {
        let clouds = LocalClouds::new(Embedded::<backlog::Backlog>::config()).unwrap();
        let weather = Arc::new(Weather::default());
        let backends = weather.around(clouds.backends_from(0));
        let runtime = Runtime::new::<backlog::Backlog>(backends, Options::default());
        clouds.serve(0, Arc::new(runtime));
        let client = Client::<backlog::Backlog>::new(clouds.backends_for_client(), Options::default());
        let sweeper = Runtime::new::<backlog::Backlog>(seen(clouds.backends_from(0)), Options::default());
        let run = client.start("key", 1).await.unwrap();
        weather.set_table(0, TableState::Standby);
        for _ in 0..6 * 24 * 60 {
            tokio::time::sleep(MINUTE).await;
            sweeper.sweep(10).await.unwrap();
        }
        let begun = BEGUN.get();
        weather.set_table(0, TableState::Fine);
        let result = tokio::select! {
            result = client.result(&run) => result,
            () = async {
                loop {
                    tokio::time::sleep(MINUTE).await;
                    sweeper.sweep(10).await.unwrap();
                }
            } => unreachable!(),
        };
        // It goes on when the table does, or fails at its deadline; it does not fail before.
        assert!(matches!(result, Ok(1) | Err(RunError::Failed(_))), "{result:?}");
        begun
    })
}

/// 14 doublings of a minute are a week; each event is delivered three times.
pub(crate) const A_FEW_TIMES: u64 = 15 * 3;

#[test]
fn a_call_that_cannot_be_committed_is_sent_again_a_few_times_only() {
    let begun = begun_without_a_commit(&|sound| sound);
    assert!(begun <= A_FEW_TIMES, "it was begun {begun} times");
}
