//! A cloud's functions go down while runs are started all the time, as in the published evaluation of
//! Jointλ (its Figure 15): every run ends, with one outcome, and not every call waits for the cloud that
//! is down before it goes elsewhere.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use jointlambda::{
    Status,
    backend::local::{Profile, virtual_time},
    embedded::Embedded,
};

static CALLS: AtomicU64 = AtomicU64::new(0);

mod chain {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn chain(x: u64) -> u64 {
            let a = here(x).await;
            let b = there(a).await;
            let c = here(b).await;
            there(c).await
        }

        #[function(on = AWS)]
        async fn here(x: u64) -> u64 { x + 1 }

        #[function(on = ALI, failover = [AWS])]
        async fn there(x: u64) -> u64 {
            super::CALLS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            2 * x
        }
    }
}

/// 10 runs a second for 30 seconds.
const RUNS: u64 = 300;

#[test]
fn runs_go_elsewhere_while_a_cloud_is_down_and_few_calls_try_it() {
    virtual_time(0, async {
        let mut config = Embedded::<chain::Chain>::config();
        config.profile = Profile::TOKYO;
        let clouds = Embedded::<chain::Chain>::new(config, jointlambda::Options::default()).unwrap();
        let client = clouds.client();
        let outage = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            clouds.clouds().set_available(1, false);
            tokio::time::sleep(Duration::from_secs(10)).await;
            clouds.clouds().set_available(1, true);
        };
        let one = async |x: u64| {
            tokio::time::sleep(Duration::from_millis(100 * x)).await;
            let run = client.start(&format!("run {x}"), x).await.unwrap();
            assert_eq!(client.result(&run).await.unwrap(), 2 * (2 * (x + 1) + 1));
        };
        let runs = futures_util::future::join_all((0..RUNS).map(one));
        tokio::join!(outage, runs);
        let usage = clouds.clouds().meter();
        let (aws, ali) = (&usage.clouds[0], &usage.clouds[1]);
        // 200 calls and more wanted it: those that met the outage first, and who tried again.
        assert!((3..20).contains(&ali.refusals), "{} calls tried the cloud that was down", ali.refusals);
        assert!(aws.invocations > 2 * RUNS + 150, "what it could not take ran elsewhere");
        assert!(ali.invocations > 300, "before and after the outage it took its part");
        assert_eq!(CALLS.load(SeqCst), 2 * RUNS, "each call ran once");
        clouds.clouds().idle().await;
        for x in 0..RUNS {
            assert_eq!(client.status(&client.run_id(&format!("run {x}"))).await.unwrap(), Status::Returned);
        }
    });
}
