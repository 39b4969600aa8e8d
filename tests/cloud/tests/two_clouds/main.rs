//! Runs on two clouds, AWS on ministack and Alibaba Cloud on the emulator, all functions processes.

mod command;
mod examples;
mod faults;
mod runs;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jointlambda_cloud_tests::{
    pair::{Errand, Found, Pair},
    two_clouds::TwoClouds,
};

const ON_AWS: &str = env!("CARGO_BIN_EXE_both-aws");
const ON_ALI: &str = env!("CARGO_BIN_EXE_both-aliyun");
/// How long a run may take, processes that start and events that are delivered again included.
const PATIENCE: Duration = Duration::from_secs(120);

fn programs() -> [PathBuf; 2] {
    [ON_AWS.into(), ON_ALI.into()]
}

/// Two clouds with `pair` deployed on both.
async fn pair() -> TwoClouds {
    let clouds = TwoClouds::start().await;
    clouds.deploy::<Pair>(Path::new(ON_AWS), Path::new(ON_ALI)).await;
    clouds
}

/// What a run of `pair` gives, which is what its plain run does.
async fn run(clouds: &TwoClouds, errand: Errand) -> Found {
    use jointlambda::Workflow as _;
    let expected = Pair::plain(errand.clone()).await;
    let (client, key) = (clouds.client::<Pair>(), errand.run.clone());
    let run = client.start(&key, errand).await.expect("it starts");
    let result = tokio::time::timeout(PATIENCE, client.result(&run)).await.expect("it ends");
    let found = result.expect("it returns");
    assert_eq!(found, expected, "{key}");
    found
}
