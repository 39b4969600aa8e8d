//! A run whose event nobody delivers any more. It takes more than a minute, in which nothing is done: so
//! this is the first module, and others are tried meanwhile.

use std::time::Duration;

use jointlambda_cloud_tests::steps::{Job, aliyun::Steps};

use crate::runs::Deployed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_killed_and_lost_is_found_by_the_sweeper() {
    let deployed = Deployed::new(false).await;
    let killer = async {
        deployed.kill_one().await;
        // As the timer does. What is not decided for a minute is taken for lost.
        loop {
            tokio::time::sleep(Duration::from_secs(10)).await;
            deployed.account.sweep::<Steps>().await;
        }
    };
    tokio::select! {
        () = deployed.run("lost", Job { hops: 2, pause_ms: 4_000, ..Job::default() }) => {}
        () = killer => unreachable!("it sweeps for ever"),
    }
}
