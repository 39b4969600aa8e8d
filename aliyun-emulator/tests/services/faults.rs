//! What goes wrong on purpose: answers that come damaged, clocks that differ, events that overtake each other,
//! and rules that cannot strike.

use std::time::Duration;

use aliyun_emulator::{
    Emulator, Options,
    clock::Clock,
    fault::{Action, Answer as Refused, Damage, Rule, Service},
};
use aliyun_wire::{
    digest,
    tablestore::{
        message::{
            BatchGetRowRequest, BatchGetRowResponse, CapacityUnit, Condition, CreateTableRequest,
            GetRowRequest, GetRowResponse, PrimaryKeySchema, PrimaryKeyType, PutRowRequest,
            ReservedThroughput, RowExistence, TableInBatchGetRowRequest, TableMeta, TableOptions,
        },
        plain_buffer,
        row::{Cell, Row, Value},
    },
    time,
};
use prost::Message as _;
use serde_json::{Value as Json, json};

use crate::client::{Answer, Client, noted, until};

const HOUR_MS: u64 = 3_600_000;

fn key() -> Vec<(String, Value)> {
    vec![("pk".to_owned(), Value::string("a"))]
}

/// A table with one row.
async fn with_a_row() -> (Emulator, Client) {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let client = Client::new(&emulator);
    let create = CreateTableRequest {
        table_meta: TableMeta {
            table_name: "rows".to_owned(),
            primary_key: vec![PrimaryKeySchema {
                name: "pk".to_owned(),
                r#type: PrimaryKeyType::String.into(),
                option: None,
            }],
            ..TableMeta::default()
        },
        reserved_throughput: ReservedThroughput {
            capacity_unit: CapacityUnit { read: Some(0), write: Some(0) },
        },
        table_options: Some(TableOptions { max_versions: Some(1), ..TableOptions::default() }),
    };
    assert_eq!(client.rows("CreateTable", &create).await.unwrap().status, 200);
    let row = Row { cells: vec![Cell::put("n", Value::Integer(5))], ..Row::of_key(key()) };
    let put = PutRowRequest {
        table_name: "rows".to_owned(),
        row: plain_buffer::encode(&[row]),
        condition: Condition { row_existence: RowExistence::Ignore.into(), column_condition: None },
        ..PutRowRequest::default()
    };
    assert_eq!(client.rows("PutRow", &put).await.unwrap().status, 200);
    (emulator, client)
}

async fn read(client: &Client) -> std::io::Result<Answer> {
    let get = GetRowRequest {
        table_name: "rows".to_owned(),
        primary_key: plain_buffer::encode(&[Row::of_key(key())]),
        max_versions: Some(1),
        ..GetRowRequest::default()
    };
    client.rows("GetRow", &get).await
}

/// Reads the row three times in one request; how many of them were read.
async fn read_batch(client: &Client) -> std::io::Result<usize> {
    let key = plain_buffer::encode(&[Row::of_key(key())]);
    let get = BatchGetRowRequest {
        tables: vec![TableInBatchGetRowRequest {
            table_name: "rows".to_owned(),
            primary_key: vec![key; 3],
            max_versions: Some(1),
            ..TableInBatchGetRowRequest::default()
        }],
    };
    let answer = client.rows("BatchGetRow", &get).await?;
    let answer = BatchGetRowResponse::decode(&*answer.body).unwrap();
    Ok(answer.tables[0].rows.iter().filter(|row| row.is_ok).count())
}

/// Whether an answer is signed, has the digest of its body, and its row the checksums of what it says.
fn holds(client: &Client, answer: &Answer) -> [bool; 3] {
    let authorization = answer.header("authorization").unwrap();
    let signed =
        client.signing().verify_response("testAccessKeyId", "GetRow", &answer.headers(), authorization);
    let digested = answer.header("x-ots-contentmd5") == Some(&*digest::md5_base64(&answer.body));
    let row = GetRowResponse::decode(&*answer.body).map(|said| plain_buffer::decode_one(&said.row));
    [signed.is_ok(), digested, row.is_ok_and(|row| row.is_ok())]
}

fn damaged(emulator: &Emulator, service: Service, operation: &str, damage: Damage) {
    emulator.fault(Rule::new(service, Action::Corrupt(damage)).operation(operation).times(1)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_come_damaged_in_each_way_once() {
    let (emulator, client) = with_a_row().await;
    let whole = read(&client).await.unwrap();
    assert_eq!(holds(&client, &whole), [true; 3]);
    let row = GetRowResponse::decode(&*whole.body).unwrap().row;
    let begin = whole.body.windows(row.len()).position(|part| part == row).unwrap();
    let of_row = begin..begin + row.len();
    for (damage, expected) in [
        (Damage::Signature, [false, true, true]),
        (Damage::Digest, [true, false, true]),
        (Damage::Content { at: None }, [true, true, false]),
        (Damage::Body { at: Some(of_row.start + 5) }, [true, false, false]),
        (Damage::Truncated { at: None }, [true, false, false]),
    ] {
        damaged(&emulator, Service::Tablestore, "GetRow", damage.clone());
        let answer = read(&client).await.unwrap();
        assert_eq!(holds(&client, &answer), expected, "{damage:?}");
        assert_eq!(holds(&client, &read(&client).await.unwrap()), [true; 3], "once");
    }
    // The row's own checksums notice a bit that is turned anywhere in it.
    for at in of_row {
        damaged(&emulator, Service::Tablestore, "GetRow", Damage::Content { at: Some(at) });
        assert_eq!(holds(&client, &read(&client).await.unwrap()), [true, true, false], "byte {at}");
    }
    damaged(&emulator, Service::Tablestore, "GetRow", Damage::Cut { at: None });
    assert!(read(&client).await.is_err(), "the connection is closed within the answer");
    assert!(read(&client).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_batch_fail_by_themselves_where_a_rule_names_them() {
    let (emulator, client) = with_a_row().await;
    let busy = Refused { status: 503, code: "OTSServerBusy".to_owned(), message: String::new() };
    let rule = Rule::new(Service::Tablestore, Action::Error(busy)).operation("RowOfBatch").target("rows");
    emulator.fault(Rule { skip: 1, ..rule.times(2) }).unwrap();
    assert_eq!(read_batch(&client).await.unwrap(), 1);
    assert_eq!(read_batch(&client).await.unwrap(), 3);
    // A rule for any operation counts requests.
    emulator.fault(Rule { skip: 2, ..Rule::new(Service::Tablestore, Action::DropBefore).times(1) }).unwrap();
    for _ in 0..2 {
        assert_eq!(read_batch(&client).await.unwrap(), 3);
    }
    assert!(read_batch(&client).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_come_damaged_in_each_way_once() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let client = Client::new(&emulator);
    client.object("PUT", "jl-bucket", "", b"").await.unwrap();
    assert_eq!(client.object("PUT", "jl-bucket", "a", b"hello").await.unwrap().status, 200);
    let get = async || client.object("GET", "jl-bucket", "a", b"").await;
    let whole = |answer: &Answer| {
        answer.header("x-oss-hash-crc64ecma") == Some(&*digest::crc64(&answer.body).to_string())
    };
    assert!(whole(&get().await.unwrap()));
    for (damage, body) in [
        (Damage::Body { at: None }, "hemlo"),
        (Damage::Body { at: Some(0) }, "iello"),
        (Damage::Truncated { at: None }, "he"),
        (Damage::Truncated { at: Some(0) }, ""),
        (Damage::Digest, "hello"),
    ] {
        damaged(&emulator, Service::Oss, "GetObject", damage.clone());
        let answer = get().await.unwrap();
        assert_eq!(
            (answer.status, answer.text(), whole(&answer)),
            (200, body.to_owned(), false),
            "{damage:?}"
        );
    }
    damaged(&emulator, Service::Oss, "GetObject", Damage::Cut { at: Some(1) });
    assert!(get().await.is_err(), "the connection is closed within the object");
    assert!(whole(&get().await.unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_function_compute_come_damaged_and_the_event_is_taken_all_the_same() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let client = Client::new(&emulator);
    let log = tempfile::NamedTempFile::new().unwrap();
    client.create("worker", log.path(), json!({})).await.unwrap();
    damaged(&emulator, Service::FunctionCompute, "InvokeFunction", Damage::Truncated { at: Some(1) });
    assert_eq!(client.invoke("worker", "Sync", &json!({})).await.unwrap().text(), "{");
    damaged(&emulator, Service::FunctionCompute, "InvokeFunction", Damage::Cut { at: Some(1) });
    assert!(client.invoke("worker", "Sync", &json!({})).await.is_err());
    damaged(&emulator, Service::FunctionCompute, "InvokeFunction", Damage::Body { at: Some(0) });
    assert!(client.invoke("worker", "Sync", &json!({})).await.unwrap().text().starts_with('z'));
    assert_eq!(noted(log.path()).len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_overtake_those_that_are_held_up() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let client = Client::new(&emulator);
    let log = tempfile::NamedTempFile::new().unwrap();
    client.create("worker", log.path(), json!({ "instanceConcurrency": 10 })).await.unwrap();
    // The first and the third of five: each later rule is for what the ones before it leave alone.
    for (skip, ms) in [(0, 2 * HOUR_MS), (1, HOUR_MS)] {
        let rule =
            Rule::new(Service::FunctionCompute, Action::Delay { ms }).operation("Deliver").target("worker");
        emulator.fault(Rule { skip, ..rule.times(1) }).unwrap();
    }
    let order = || -> Vec<Json> { noted(log.path()).iter().map(|note| note["event"]["n"].clone()).collect() };
    for n in 1..=5 {
        assert_eq!(client.invoke("worker", "Async", &json!({ "n": n })).await.unwrap().status, 202);
        // So that each is under way before the next.
        if n != 1 && n != 3 {
            until("it is delivered", || order().contains(&json!(n))).await;
        } else {
            let left = || emulator.faults().iter().filter(|rule| rule.times == Some(1)).count();
            until("it is held up", || left() == usize::from(n == 1)).await;
        }
    }
    for (delivered, last) in [(4, 3), (5, 1)] {
        emulator.clock().advance(Duration::from_millis(HOUR_MS));
        until("the next is delivered", || order().len() == delivered).await;
        assert_eq!(order().last(), Some(&json!(last)));
    }
    assert_eq!(order(), [2, 4, 5, 3, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_too_much_are_refused_and_seen_in_answers() {
    let (emulator, client) = with_a_row().await;
    let asked = async || {
        let object = client.object("GET", "jl-none", "x", b"").await.unwrap();
        let functions = client.functions("GET", "ListFunctions", "", &[], b"").await.unwrap();
        [read(&client).await.unwrap(), object, functions]
    };
    for skew_ms in [-20 * 60_000, 20 * 60_000] {
        emulator.clock().skew(skew_ms);
        let answers = asked().await;
        let codes = answers.each_ref().map(Answer::refusal);
        let expected = ["OTSAuthFailed", "RequestTimeTooSkewed", "AccessDenied"];
        assert_eq!(codes, expected.map(|code| (403, code.to_owned())));
        for answer in &answers {
            let date = time::parse_http(answer.header("date").unwrap()).unwrap();
            let expected = Clock::of_day().saturating_add_signed(skew_ms);
            assert!(date.abs_diff(expected) < 60_000, "{answer:?}");
        }
    }
    for skew_ms in [-14 * 60_000, 14 * 60_000, 0] {
        emulator.clock().skew(skew_ms);
        assert_eq!(asked().await.map(|answer| answer.status), [200, 404, 200]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_cannot_strike_are_refused() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let corrupt = |service, damage| Rule::new(service, Action::Corrupt(damage));
    let error = Action::Error(Refused { status: 500, code: "E".to_owned(), message: String::new() });
    for (rule, said) in [
        (
            Rule::new(Service::Oss, Action::DropBefore).operation("PutRow"),
            "PutRow is no operation here; there are",
        ),
        (corrupt(Service::Oss, Damage::Signature), "for answers of tablestore"),
        (corrupt(Service::FunctionCompute, Damage::Digest), "for answers of tablestore and oss"),
        (corrupt(Service::FunctionCompute, Damage::Body { at: None }).operation("Deliver"), "for answers"),
        (Rule::new(Service::FunctionCompute, Action::Duplicate { copies: 1 }), "for the operation Deliver"),
        (Rule::new(Service::Tablestore, Action::DropAfter).operation("RowOfBatch"), "for whole requests"),
        (Rule { probability: 2.0, ..Rule::new(Service::Oss, error) }, "from 0 to 1"),
    ] {
        let refused = emulator.fault(rule).unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
    assert!(emulator.faults().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tests_in_other_languages_ask_for_the_same() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let client = Client::new(&emulator);
    let rule = |more: Json| {
        let mut rule = json!({ "service": "oss", "operation": "GetObject", "times": 1 });
        more.as_object().unwrap().iter().for_each(|(name, value)| rule[name] = value.clone());
        rule
    };
    for (wrong, said) in [
        (
            rule(json!({ "action": "corrupt", "part": "body", "byte": 3 })),
            "there is no byte in this rule; there are",
        ),
        (rule(json!({ "action": "delay", "ms": 1, "tims": 1 })), "there is no tims"),
        (rule(json!({ "action": "delay" })), "missing field `ms`"),
        (rule(json!({ "action": "corrupt", "part": "soul" })), "unknown variant `soul`"),
        (rule(json!({ "action": "explode" })), "unknown variant `explode`"),
        (rule(json!({ "action": "drop_after", "operation": "GetRow" })), "GetRow is no operation here"),
        (json!([1]), "invalid type"),
    ] {
        let answer = client.emulator("POST", "faults", &wrong).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.json()["error"].as_str().unwrap().contains(said), "{wrong}: {}", answer.text());
    }
    for right in [
        rule(json!({ "action": "corrupt", "part": "body", "at": 3 })),
        rule(json!({ "action": "corrupt", "part": "digest" })),
        rule(json!({ "action": "error_after", "status": 500, "code": "InternalError" })),
        json!({ "service": "function_compute", "operation": "Deliver", "action": "duplicate", "copies": 1, "probability": 0.5, "skip": 1, "for_ms": 9, "target": "f" }),
    ] {
        let answer = client.emulator("POST", "faults", &right).await;
        assert_eq!((answer.status, answer.json()), (200, json!({})), "{right}");
    }
    let held = client.emulator("GET", "faults", &json!(null)).await.json();
    assert_eq!(
        (held.as_array().unwrap().len(), &held[0]["at"], &held[1]["part"]),
        (4, &json!(3), &json!("digest"))
    );
    client.emulator("DELETE", "faults", &json!(null)).await;
    assert!(emulator.faults().is_empty());

    let before = client.emulator("GET", "clock", &json!(null)).await.json();
    let set = client
        .emulator("POST", "clock", &json!({ "advance_ms": HOUR_MS, "skew_ms": -(HOUR_MS as i64) }))
        .await
        .json();
    assert!(set["now_ms"].as_u64() >= before["now_ms"].as_u64().map(|now| now + HOUR_MS));
    assert!(set["date_ms"].as_u64() < before["date_ms"].as_u64());
    assert_eq!(client.emulator("POST", "clock", &json!({ "advance": 1 })).await.status, 400);
    let answer = client.emulator("POST", "credentials", &json!({ "valid_s": 60 })).await.json();
    assert!(answer["AccessKeyId"].as_str().unwrap().starts_with("STS."), "the key is not shown here");
    for (method, path) in [("GET", "credentials"), ("PUT", "clock"), ("GET", "nothing")] {
        let answer = client.emulator(method, path, &json!(null)).await;
        assert_eq!(answer.status, 400);
        assert!(
            answer.text().contains("is not known; GET, POST or DELETE /_emulator/faults"),
            "{}",
            answer.text()
        );
    }
}
