//! The contracts of the Backend-Shim, with 32 callers at once, and what errors say.

use std::{io::ErrorKind, path::Path, time::Duration};

use aliyun_emulator::{
    Options,
    fault::{Action, Rule, Service},
};
use jointlambda::{
    backend::{
        Arrival, Check, Created, IndexPart, Invoked, NewRow,
        conformance::{self, Subject},
    },
    id::{RowKey, RunId},
};
use jointlambda_cloud_tests::{
    AliyunAccount,
    given_up::keeps_its_connections,
    receiver::{Receiver, workflow::aliyun::Received},
    shapes::aliyun::chain::Chain,
    tunnel::Tunnel,
};

use futures_util::{StreamExt as _, stream};
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
        check: Some(Check { at: table.now() - 300_000, ..Check::default() }),
        expires_at: table.now() + 86_400_000,
        ..NewRow::default()
    };
    let sweep = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        table.due(IndexPart::default(), table.now(), 10).await
    };
    let (made, due) = tokio::join!(table.create(&key, row), sweep);
    assert_eq!((made, due), (Ok(Created::New), Ok(Vec::new())));
    assert_eq!(table.due(IndexPart::default(), table.now(), 10).await, Ok(vec![key]));
}

/// Runs that were started over a minute and a half, all of which have ended, stand in the index before the
/// one that is to be looked at. Those of the first half minute are stale; the others are more than a look
/// reads at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_finds_what_is_due_behind_thousands_that_have_ended() {
    const STARTS: u64 = 3_000;
    let account = account().await;
    let table = account.backend::<Chain>().table;
    let now = table.now();
    let row = |at| NewRow {
        body: "run".into(),
        check: Some(Check { at, ..Check::default() }),
        expires_at: now + 86_400_000,
        ..NewRow::default()
    };
    let ended = (0..STARTS).map(|n| {
        let (table, row) = (table.clone(), row(now - 90_000 + n * 30));
        async move {
            let key = RowKey::run(&RunId::derive("chain", &n.to_string()));
            table.create(&key, row).await.expect("it is made");
            let end = Arrival { value: "end".into(), ..Arrival::at(0, 1, now + 86_400_000) };
            table.arrive(&key, end).await.expect("it ends");
        }
    });
    stream::iter(ended).buffer_unordered(64).collect::<()>().await;
    let open = RowKey::run(&RunId::derive("chain", "open"));
    table.create(&open, row(now)).await.expect("it is made");
    let mut read = Vec::new();
    for limit in [1, 100] {
        account.emulator.forget_requests();
        let due = table.due(IndexPart::default(), now, limit).await;
        assert_eq!(due.as_deref(), Ok(&[open.clone()][..]), "a look for {limit}");
        read.push(account.emulator.requests()[&Service::Tablestore]["BatchGetRow"]);
    }
    // What was stale is gone, and the next look does not read it again.
    assert!(read[1] * 5 <= read[0] * 4, "{read:?} requests for rows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_said_in_one_line() {
    let account = account().await;
    let backend = account.backend::<Chain>();
    let Invoked::Denied(why) = backend.functions.invoke("first", vec![1].into()).await else {
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

#[tokio::test]
async fn a_read_that_is_given_up_costs_no_connection() {
    let mut account = account().await;
    let held_up = Rule::new(Service::Tablestore, Action::Delay { ms: 5 }).operation("GetRow");
    account.emulator.fault(held_up).expect("one more fault can be");
    let tunnel = Tunnel::to(&format!("http://{}", account.emulator.tablestore()));
    account.rows_at(&tunnel.url);
    keeps_its_connections(&*account.backend::<Chain>().table, &tunnel).await;
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
