//! The contracts of the Backend-Shim, with 32 callers at once, and what errors say.

use std::{io::ErrorKind, path::Path, time::Duration};

use aliyun_emulator::{
    Options,
    fault::{Action, Rule, Service},
};
use jointlambda::{
    backend::{
        Created, Invoked, NewRow,
        conformance::{self, Subject},
    },
    id::{RowKey, RunId},
};
use jointlambda_cloud_tests::{
    AliyunAccount,
    gate::Gate,
    receiver::{Receiver, workflow::aliyun::Received},
    shapes::aliyun::chain::Chain,
};

use tokio::{io::AsyncReadExt as _, net::TcpListener};

/// What a row takes beside what the contract counts: names, types and counters.
const SLACK: usize = 4_096;

async fn account() -> AliyunAccount {
    AliyunAccount::start("cn-hongkong").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_emulator_keeps_the_contracts_of_table_and_objects() {
    let account = account().await;
    let subject =
        Subject::new(account.backend::<Chain>(), "emulator").with_slack(SLACK).without_limit_of_rows();
    conformance::run(conformance::table(), &subject).await.assert_passed();
    conformance::run(conformance::objects(), &subject).await.assert_passed();
}

/// Whoever makes a run stands still between the entry of the index and the row, until a sweep takes the
/// entry for a stale one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_takes_long_to_make_is_in_the_run_index() {
    let account = account().await;
    let table = account.backend::<Chain>().table;
    let key = RowKey::run(&RunId::derive("chain", "slow"));
    account
        .emulator
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
    let account = account().await;
    let backend = account.backend::<Chain>();
    let Invoked::Rejected(why) = backend.functions.invoke("first", vec![1].into()).await else {
        panic!("there is no such function");
    };
    assert!(
        why.starts_with("there is no function `chain-")
            && why.ends_with("deploy this version of the workflow"),
        "{why}"
    );
    backend.functions.warm().await;
    drop(account);
    let gone = backend.functions.invoke("first", vec![1].into()).await;
    assert!(matches!(gone, Invoked::Unavailable(_) | Invoked::Unknown(_)), "{gone:?}");
}

/// A function that has returned is not held up by the cloud of what follows, which may be down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_connection_that_is_opened_ahead() {
    let mut account = account().await;
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    account.invoke_at(&format!("http://{}", mute.local_addr().expect("it is bound")));
    let backend = account.backend::<Chain>();
    backend.functions.warm().await;
    let (mut asked, _) = mute.accept().await.expect("it is asked");
    let mut request = vec![0; 1_024];
    assert!(asked.read(&mut request).await.is_ok_and(|read| read > 0));
    // Whoever waited for the answer has gone; whoever does not is still there.
    assert!(matches!(asked.try_read(&mut request), Err(error) if error.kind() == ErrorKind::WouldBlock));
    // One is enough.
    backend.functions.warm().await;
    assert!(tokio::time::timeout(Duration::from_millis(300), mute.accept()).await.is_err());
}

/// A function that returns before its row was read does not wait for it. What it asks next, and what the next
/// function asks, goes over connections that are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_nobody_waits_for_leaves_its_connection() {
    let account = account().await;
    let gate = Gate::before(account.emulator.tablestore());
    let table = account.backend_through::<Chain>(&gate.url).table;
    let key = RowKey::run(&RunId::derive("chain", "read"));
    let rule = Rule::new(Service::Tablestore, Action::Delay { ms: 300 }).operation("GetRow");
    account.emulator.fault(rule.times(1)).expect("one more fault can be");
    let dropped = tokio::time::timeout(Duration::from_millis(100), table.get(&key)).await;
    assert!(dropped.is_err(), "it is held up: {dropped:?}");
    tokio::time::sleep(Duration::from_millis(600)).await;
    for _ in 0..3 {
        assert_eq!(table.get(&key).await, Ok(None));
    }
    assert_eq!((gate.opened(), gate.closed()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_emulator_keeps_the_contract_of_functions() {
    let mut options = Options::default();
    (options.retry_pause_ms, options.max_instances) = (50, 8);
    let account = AliyunAccount::start_with("cn-hongkong", options).await;
    let receiver = Receiver::listen().await;
    let program = Path::new(env!("CARGO_BIN_EXE_receiver-aliyun"));
    account.deploy::<Received>(program, &[receiver.variable()], true).await;
    let subject = Subject::new(account.backend::<Received>(), "emulator")
        .served_by(receiver.attach())
        .without_numbers_of_deliveries();
    conformance::run(conformance::functions(), &subject).await.assert_passed();
}
