//! The contracts of the Backend-Shim, with 32 callers at once.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use jointlambda::{
    backend::{
        Invoked,
        conformance::{self, Subject},
    },
    id::{RowKey, RunId},
};
use jointlambda_cloud_tests::{
    Account, Standin,
    receiver::{Receiver, workflow::aws::Received},
    workflow::Doubled,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const TABLE: &str = "rows";
/// What a row takes of an item beside what the contract counts: names and counters.
const SLACK: usize = 200;

async fn keeps_the_contract_of_a_table(standin: Standin, nonce: &str) {
    let account = Account::at(&standin.url);
    account.create_table(TABLE).await;
    let subject = Subject::new(account.backend::<Doubled>(TABLE), nonce).with_slack(SLACK);
    conformance::run(conformance::table(), &subject).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb_local_keeps_the_contract_of_a_table() {
    keeps_the_contract_of_a_table(Standin::dynamodb_local(), "DynamoDB Local").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack_keeps_the_contract_of_a_table() {
    keeps_the_contract_of_a_table(Standin::ministack(), "ministack").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack_keeps_the_contract_of_objects() {
    let standin = Standin::ministack();
    let account = Account::at(&standin.url);
    account.create_bucket();
    let subject = Subject::new(account.backend::<Doubled>(TABLE), "ministack");
    conformance::run(conformance::objects(), &subject).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack_keeps_the_contract_of_functions() {
    let standin = Standin::ministack_with(&[("LAMBDA_ASYNC_RETRY_BASE_SECONDS", "0.1")]);
    let account = Account::at(&standin.url);
    let receiver = Receiver::listen().await;
    let (name, value) = receiver.variable();
    let program = Path::new(env!("CARGO_BIN_EXE_receiver-aws"));
    account.deploy_with::<Received>(program, TABLE, &[(&name, &value)], true).await;
    let subject = Subject::new(account.backend::<Received>(TABLE), "ministack")
        .served_by(receiver.attach())
        .without_numbers_of_deliveries();
    conformance::run(conformance::functions(), &subject).await.assert_passed();
}

/// Answers requests for rows that are not there, each after a while.
async fn answer_slowly(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut asked = Vec::new();
        // What is asked fits into one part, and ends with the JSON of its body.
        while !asked.ends_with(b"}") {
            if stream.read_buf(&mut asked).await? == 0 {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// A function that returns before its row was read does not wait for it. What it asks next, and what the next
/// function asks, goes over connections that are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_nobody_waits_for_leaves_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let opened = Arc::new(AtomicU32::new(0));
    let counted = opened.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, SeqCst);
            tokio::spawn(answer_slowly(stream));
        }
    });
    let table = Account::at(&url).backend::<Doubled>(TABLE).table;
    let key = RowKey::run(&RunId::derive("doubled", "read"));
    let dropped = tokio::time::timeout(Duration::from_millis(150), table.get(&key)).await;
    assert!(dropped.is_err(), "it is held up: {dropped:?}");
    tokio::time::sleep(Duration::from_millis(600)).await;
    for _ in 0..2 {
        assert_eq!(table.get(&key).await, Ok(None));
    }
    assert_eq!(opened.load(SeqCst), 1);
}

/// The stand-in takes events of any size; Lambda does not.
#[tokio::test]
async fn an_event_over_the_limit_is_rejected_before_it_is_sent() {
    let backend = Account::at("http://127.0.0.1:9").backend::<Doubled>(TABLE);
    let limit = backend.provider.limits().async_payload_bytes;
    let invoked = backend.functions.invoke("sum", vec![7; limit + 1].into()).await;
    let Invoked::Rejected(why) = invoked else { panic!("it was {invoked:?}") };
    assert_eq!(why, format!("an envelope of {} bytes is over Lambda's limit of {limit}", limit + 1));
    let invoked = backend.functions.invoke("sum", vec![7; limit].into()).await;
    assert!(matches!(invoked, Invoked::Unavailable(_)), "it was {invoked:?}");
}
