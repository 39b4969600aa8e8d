//! Whole runs of a deployed workflow: every function a process of its own, which ministack starts from
//! the zip as Lambda does.

use std::{path::Path, time::Duration};

use jointlambda::Workflow;
use jointlambda_cloud_tests::{
    deployed::Deployed,
    steps::{Job, Steps},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_steps-aws");
/// How long a run may take here.
const PATIENCE: Duration = Duration::from_secs(120);

async fn run(deployed: &Deployed, key: &str, job: Job) {
    let expected = Steps::plain(job.clone()).await;
    let run = deployed.client.start(key, job).await.expect("it starts");
    let result = tokio::time::timeout(PATIENCE, deployed.client.result(&run)).await;
    assert_eq!(result.expect("it ends").expect("it returns"), expected, "{key}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_gives_what_the_plain_run_gives() {
    let deployed = Deployed::new(Path::new(PROGRAM), 0).await;
    run(&deployed, "chain", Job { hops: 3, ..Job::default() }).await;
    run(&deployed, "map", Job { branches: 20, ..Job::default() }).await;
}
