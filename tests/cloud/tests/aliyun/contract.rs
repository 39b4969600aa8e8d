//! Alibaba Cloud's services as the Backend-Shim sees them, on the emulator: the contracts of the table
//! and of objects, with 32 callers at once.

use std::time::Duration;

use aliyun_emulator::{
    Emulator, Options,
    fault::{Action, Rule, Service},
};
use aliyun_wire::{
    AccessKey, digest, oss,
    tablestore::{
        message::{
            CapacityUnit, CreateTableRequest, PrimaryKeySchema, PrimaryKeyType, ReservedThroughput,
            TableMeta, TableOptions,
        },
        sign::{API_VERSION, Signing},
    },
    time,
};
use jointlambda::{
    Workflow,
    backend::{
        Backend, Created, Invoked, NewRow,
        aliyun::{Endpoints, backend_with},
        conformance::{self, Subject},
    },
    deployment::{Names, from_toml},
    id::{RowKey, RunId},
};
use prost::Message as _;

mod workflow {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const ALI: Cloud = Cloud::aliyun("cn-hongkong");

        #[workflow]
        pub(crate) async fn two_steps(x: u64) -> u64 {
            let y = add(x).await;
            add(y).await
        }

        #[function(on = ALI)]
        async fn add(x: u64) -> u64 { x + 1 }
    }
}

const REGION: &str = "cn-hongkong";
const INSTANCE: &str = "rows-test";
const TABLE: &str = "rows";
const BUCKET: &str = "objects-test";
/// How long rows stay after their last change: two days, as `cargo jointlambda build` would say more.
const TIME_TO_LIVE_S: i32 = 2 * 24 * 3_600;
/// What a row takes beside what the contract counts: names, types and counters.
const SLACK: usize = 4_096;

fn key() -> AccessKey {
    AccessKey::new("testAccessKeyId", "testAccessKeySecret")
}

async fn create_table(url: &str, name: &str, keys: &[(&str, PrimaryKeyType)]) {
    let schema = |(name, kind): &(&str, PrimaryKeyType)| PrimaryKeySchema {
        name: (*name).to_owned(),
        r#type: *kind as i32,
        option: None,
    };
    let request = CreateTableRequest {
        table_meta: TableMeta {
            table_name: name.to_owned(),
            primary_key: keys.iter().map(schema).collect(),
            ..TableMeta::default()
        },
        reserved_throughput: ReservedThroughput {
            capacity_unit: CapacityUnit { read: Some(0), write: Some(0) },
        },
        table_options: Some(TableOptions {
            time_to_live: Some(TIME_TO_LIVE_S),
            max_versions: Some(1),
            ..TableOptions::default()
        }),
    };
    let (body, at) = (request.encode_to_vec(), aliyun_emulator::clock::Clock::of_day());
    let mut headers = vec![
        ("x-ots-accesskeyid", key().id),
        ("x-ots-apiversion", API_VERSION.to_owned()),
        ("x-ots-contentmd5", digest::md5_base64(&body)),
        ("x-ots-date", time::milliseconds(at)),
        ("x-ots-instancename", INSTANCE.to_owned()),
        ("x-ots-signdate", time::date(at)),
        ("x-ots-signregion", REGION.to_owned()),
    ];
    let signing = Signing::v4(&key(), &time::date(at), REGION);
    let signed: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let signature = signing.request("CreateTable", &signed);
    headers.push((signing.header(), signature));
    let mut building = reqwest::Client::new().post(format!("{url}/CreateTable")).body(body);
    for (name, value) in headers {
        building = building.header(name, value);
    }
    let answer = building.send().await.expect("it answers");
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
}

async fn create_bucket(url: &str) {
    let (host, date) = (
        url.trim_start_matches("http://").to_owned(),
        time::compact(aliyun_emulator::clock::Clock::of_day()),
    );
    let headers = [("host", &*host), ("x-oss-content-sha256", oss::UNSIGNED), ("x-oss-date", &*date)];
    let request =
        oss::Request { method: "PUT", bucket: Some(BUCKET), key: "", query: &[], headers: &headers };
    let authorization = request.authorize(&key(), REGION).expect("it has a date");
    let mut building = reqwest::Client::new().put(format!("{url}/{BUCKET}/"));
    for (name, value) in headers {
        building = building.header(name, value);
    }
    let answer = building.header("authorization", authorization).send().await.expect("it answers");
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
}

fn backend(emulator: &Emulator) -> Backend {
    let text = format!("[clouds.ALI]\ntable = \"{INSTANCE}/{TABLE}\"\nbucket = \"{BUCKET}\"\n");
    let definition = workflow::TwoSteps::definition();
    let settings = from_toml(&text, definition).expect("they are right");
    let endpoints = Endpoints {
        tablestore: format!("http://{}", emulator.tablestore()),
        oss: format!("http://{}", emulator.oss()),
        function_compute: format!("http://{}", emulator.function_compute()),
    };
    backend_with(&settings[0], Names::of_definition(definition), key(), endpoints)
        .expect("the table has an instance")
}

async fn emulator() -> Emulator {
    let emulator = Emulator::start(Options::default()).await.expect("it starts");
    let tablestore = format!("http://{}", emulator.tablestore());
    create_table(&tablestore, TABLE, &[("key", PrimaryKeyType::String)]).await;
    let index = [
        ("shard", PrimaryKeyType::String),
        ("check_at", PrimaryKeyType::Integer),
        ("key", PrimaryKeyType::String),
    ];
    create_table(&tablestore, &format!("{TABLE}_due"), &index).await;
    create_bucket(&format!("http://{}", emulator.oss())).await;
    emulator
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_emulator_keeps_the_contracts_of_table_and_objects() {
    let emulator = emulator().await;
    let subject = Subject::new(backend(&emulator), "emulator").with_slack(SLACK).without_limit_of_rows();
    conformance::run(conformance::table(), &subject).await.assert_passed();
    conformance::run(conformance::objects(), &subject).await.assert_passed();
}

/// Whoever makes a run stands still between the entry of the index and the row, until a sweep takes the
/// entry for a stale one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_takes_long_to_make_is_in_the_run_index() {
    let emulator = emulator().await;
    let table = backend(&emulator).table;
    let key = RowKey::run(&RunId::derive("two_steps", "slow"));
    emulator
        .fault(Rule {
            operation: Some("UpdateRow".to_owned()),
            times: Some(1),
            ..Rule::new(Service::Tablestore, Action::Delay { ms: 1_500 })
        })
        .expect("one more fault can be");
    let row = NewRow {
        body: "run".into(),
        check_at: Some(table.now() - 300_000),
        expires_at: table.now() + 86_400_000,
    };
    let sweep = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        table.due(table.now(), 10).await
    };
    let (made, due) = tokio::join!(table.create(&key, row), sweep);
    assert_eq!((made, due), (Ok(Created::New), Ok(Vec::new())));
    assert_eq!(table.due(table.now(), 10).await, Ok(vec![key]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_said_in_one_line() {
    let emulator = emulator().await;
    let backend = backend(&emulator);
    let Invoked::Rejected(why) = backend.functions.invoke("add", vec![1].into()).await else {
        panic!("there is no such function");
    };
    assert!(
        why.starts_with("there is no function `two-steps-")
            && why.ends_with("deploy this version of the workflow"),
        "{why}"
    );
    backend.functions.warm().await;
    drop(emulator);
    let gone = backend.functions.invoke("add", vec![1].into()).await;
    assert!(matches!(gone, Invoked::Unavailable(_) | Invoked::Unknown(_)), "{gone:?}");
}
