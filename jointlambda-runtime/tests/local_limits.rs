//! The embedded clouds keep to the providers' limits on rows, and say how near a run came to them.

use std::time::Duration;

use jointlambda_runtime::{
    backend::{
        Arrival, Backend, Check, Created, Look, NewRow, StoreError,
        local::{CloudConfig, CloudUsage, Config, LocalClouds, Profile, Storage, virtual_time},
    },
    id::{RowKey, RunId},
    provider::Provider,
};
use tokio::time::{Instant, sleep};

const EPOCH_MS: u64 = 1_000_000;

fn open(cloud: CloudConfig, profile: Profile, storage: Storage) -> (LocalClouds, Backend) {
    let config = Config { epoch_ms: Some(EPOCH_MS), profile, storage, ..Config::of([cloud]) };
    let clouds = LocalClouds::new(config).expect("the clouds open");
    let backend = clouds.backends().remove(0);
    (clouds, backend)
}

fn usage(clouds: &LocalClouds) -> CloudUsage {
    clouds.meter().total().expect("there is a cloud")
}

fn key(name: &str) -> RowKey {
    RowKey::run(&RunId::derive("w", name))
}

fn arrival(slot: u32) -> Arrival {
    Arrival { value: "x".into(), ..Arrival::at(slot, u32::MAX, EPOCH_MS * 2) }
}

#[test]
fn a_row_takes_so_many_writes_a_second_and_throttles_the_others() {
    let directory = tempfile::tempdir().expect("a directory");
    for storage in [Storage::Memory, Storage::Disk(directory.path().to_owned())] {
        virtual_time(1, async {
            let cloud = CloudConfig { row_writes_per_s: Some(10), ..CloudConfig::aws("A") };
            let (clouds, Backend { table, .. }) = open(cloud, Profile::NONE, storage);
            for slot in 0..10 {
                table.arrive(&key("hot"), arrival(slot)).await.expect("arrive");
            }
            assert_eq!(table.arrive(&key("hot"), arrival(10)).await, Err(StoreError::Throttled));
            let created = table.create(&key("hot"), NewRow::default()).await;
            assert_eq!(created, Err(StoreError::Throttled), "every write counts");
            let look = Look { next: Check::default(), looked_at: 1, inc: None };
            assert_eq!(table.postpone(&key("hot"), look).await, Err(StoreError::Throttled));
            let row = table.get(&key("hot")).await.expect("reads are not throttled").expect("the row");
            assert_eq!(row.slots.len(), 10, "what is throttled changes nothing");
            let other = table.create(&key("other"), NewRow::default()).await;
            assert_eq!(other, Ok(Created::New), "other rows are not throttled");
            sleep(Duration::from_millis(1_100)).await;
            assert_eq!(table.arrive(&key("hot"), arrival(10)).await.expect("it has cooled").filled, 11);
            let usage = usage(&clouds);
            assert_eq!((usage.table_throttles, usage.row_writes_in_a_second), (3, 10));
        });
    }
}

#[test]
fn a_large_row_takes_fewer_writes_a_second() {
    virtual_time(1, async {
        let cloud = CloudConfig { row_writes_per_s: Some(100), ..CloudConfig::aws("A") };
        let (clouds, Backend { table, .. }) = open(cloud, Profile::NONE, Storage::Memory);
        let body = vec![0; 20 * 1024 - key("large").as_str().len() - 100].into();
        table.create(&key("large"), NewRow { body, ..NewRow::default() }).await.expect("create");
        for slot in 0..4 {
            table.arrive(&key("large"), arrival(slot)).await.expect("arrive");
        }
        assert_eq!(table.arrive(&key("large"), arrival(4)).await, Err(StoreError::Throttled));
        let usage = usage(&clouds);
        assert_eq!((usage.row_units_in_a_second, usage.row_writes_in_a_second), (100, 5));
        assert_eq!(usage.largest_row_bytes, 20 * 1024 - 100 + 4 * 9);
    });
}

#[test]
fn clouds_with_latencies_throttle_as_their_providers_do_and_others_never() {
    for provider in [Provider::Aws, Provider::Aliyun] {
        for (profile, throttles) in [(Profile::NONE, false), (Profile::TOKYO, true)] {
            virtual_time(1, async {
                let (clouds, Backend { table, .. }) =
                    open(CloudConfig::new("A", provider), profile, Storage::Memory);
                let most = u64::from(provider.limits().row_writes_per_s);
                table.create(&key("hot"), NewRow::default()).await.expect("create");
                let hot = key("hot");
                let all = (0..most + 5).map(|_| table.create(&hot, NewRow::default()));
                let throttled = futures_util::future::join_all(all).await.into_iter().filter(Result::is_err);
                let expected = if throttles { 6 } else { 0 };
                assert_eq!(throttled.count(), expected, "{provider:?}, {profile}");
                assert_eq!(usage(&clouds).table_throttles, expected as u64);
            });
        }
    }
}

#[test]
fn many_rows_are_read_in_requests_side_by_side() {
    virtual_time(1, async {
        let (clouds, Backend { table, .. }) = open(CloudConfig::aws("A"), Profile::TOKYO, Storage::Memory);
        let keys: Vec<_> = (0..1_000).map(|i| key(&i.to_string())).collect();
        for (index, key) in keys.iter().enumerate().step_by(7) {
            let row = NewRow { body: index.to_string().into(), ..NewRow::default() };
            table.create(key, row).await.expect("create");
        }
        let began = Instant::now();
        let rows = table.get_many(&keys).await.expect("get_many");
        assert_eq!(began.elapsed().as_millis(), u128::from(Profile::TOKYO.table_ms));
        assert_eq!(usage(&clouds).table_gets, 1_000);
        for (index, row) in rows.into_iter().enumerate() {
            let body = row.and_then(|row| row.body);
            assert_eq!(body, (index % 7 == 0).then(|| index.to_string().into()));
        }
    });
}
