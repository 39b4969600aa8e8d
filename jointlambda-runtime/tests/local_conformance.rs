//! The embedded clouds keep the contract: in memory and on disk, in real and in virtual time.

use std::{path::Path, sync::Arc, time::Duration};

use jointlambda_runtime::{
    backend::{
        conformance::{self, Subject},
        local::{CloudConfig, Config, FunctionConfig, LocalClouds, Profile, Storage, virtual_time},
    },
    provider::Provider,
};

const FUNCTIONS: [&str; 2] = ["echo", "fails"];
/// Short redeliveries, so that real time need not be waited for.
const QUICK: Profile = Profile { redelivery_ms: 1, ..Profile::NONE };

fn clouds(storage: Storage, profile: Profile) -> Arc<LocalClouds> {
    let functions = FUNCTIONS.map(FunctionConfig::new).to_vec();
    let cloud = |name, provider| CloudConfig {
        functions: Some(functions.clone()),
        ..CloudConfig::new(name, provider)
    };
    let list = [cloud("AWS", Provider::Aws), cloud("ALI", Provider::Aliyun)];
    let config = Config { storage, profile, ..Config::of(list) };
    Arc::new(LocalClouds::new(config).expect("the clouds open"))
}

fn on_disk(directory: &Path) -> Storage {
    Storage::Disk(directory.to_owned())
}

/// Runs the whole contract on each cloud, as seen from cloud 0.
async fn keep_the_contract(clouds: Arc<LocalClouds>) {
    for (index, backend) in clouds.backends_from(0).into_iter().enumerate() {
        let serving = clouds.clone();
        let subject = Subject::new(backend, format!("cloud {index}"))
            .served_by(move |handler| serving.serve(index, handler));
        conformance::run(conformance::table(), &subject).await.assert_passed();
        conformance::run(conformance::objects(), &subject).await.assert_passed();
        conformance::run(conformance::functions(), &subject).await.assert_passed();
    }
    clouds.idle().await;
}

fn in_real_time(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build();
    runtime.expect("a runtime").block_on(test);
}

#[test]
fn memory_in_real_time() {
    in_real_time(async { keep_the_contract(clouds(Storage::Memory, QUICK)).await });
}

#[test]
fn memory_in_virtual_time_with_latencies() {
    for profile in Profile::ALL {
        virtual_time(1, async { keep_the_contract(clouds(Storage::Memory, profile)).await });
    }
}

#[test]
fn disk_in_real_time() {
    let directory = tempfile::tempdir().expect("a directory");
    in_real_time(async { keep_the_contract(clouds(on_disk(directory.path()), QUICK)).await });
}

#[test]
fn disk_in_virtual_time_with_latencies() {
    let directory = tempfile::tempdir().expect("a directory");
    virtual_time(1, async { keep_the_contract(clouds(on_disk(directory.path()), Profile::TOKYO)).await });
}

#[test]
fn duplicates_keep_the_contract_too() {
    virtual_time(1, async {
        let functions = FUNCTIONS.map(FunctionConfig::new).to_vec();
        let cloud =
            CloudConfig { duplicate_percent: 100, functions: Some(functions), ..CloudConfig::aws("AWS") };
        let clouds = Arc::new(LocalClouds::new(Config::of([cloud])).expect("the clouds open"));
        keep_the_contract(clouds.clone()).await;
        let usage = &clouds.meter().clouds[0];
        assert_eq!(usage.duplicates, usage.invocations);
    });
}

#[test]
fn virtual_time_takes_no_real_time() {
    let started = std::time::Instant::now();
    virtual_time(1, async { tokio::time::sleep(Duration::from_secs(1_000_000)).await });
    assert!(started.elapsed() < Duration::from_secs(60));
}
