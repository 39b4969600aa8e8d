//! Events that overtake each other and come more than once: the result is the plain run's, and everything
//! is decided once.

use std::{io::Write as _, path::Path, time::Duration};

use aliyun_emulator::{
    Options,
    fault::{Action, Answer, Rule, Service},
};
use jointlambda::{Client, Workflow as _};
use jointlambda_cloud_tests::{
    AliyunAccount,
    disorder::{Disorder, Order, Tally, saw},
    executions::Executions,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_disorder-aliyun");
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// By how much events are held up, so that others overtake them.
const HELD_MS: [u64; 3] = [60, 250, 700];
/// So many of each fault there may be: more than happen.
const MANY: u32 = 10_000;

/// No event is held up for so long, with a pause before it is delivered again.
const QUIET: Duration = Duration::from_secs(2);

/// Runs a workflow, and waits until no event is on its way any more.
async fn run(account: &AliyunAccount, client: &Client<Disorder>, order: Order) -> Tally {
    let run = client.start(&order.run.clone(), order).await.expect("it starts");
    let result = tokio::time::timeout(PATIENCE, client.result(&run)).await.expect("it ends");
    let (mut before, mut requests) = (None, account.emulator.requests());
    while before.as_ref() != Some(&requests) {
        tokio::time::sleep(QUIET).await;
        before = Some(std::mem::replace(&mut requests, account.emulator.requests()));
    }
    result.expect("it returns").expect("somebody answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_in_any_order_and_any_number_decide_everything_once() {
    let (mut options, executions) = (Options::default(), Executions::default());
    (options.retry_pause_ms, options.seed) = (100, 7);
    let account = AliyunAccount::start_with("cn-hongkong", options).await;
    account.deploy::<Disorder>(Path::new(PROGRAM), &[executions.variable()], true).await;
    let client = Client::new(vec![account.backend::<Disorder>()], jointlambda::Options::default());
    let order = |run: &str, branches| Order { run: run.to_owned(), hops: 4, branches };

    let calm = run(&account, &client, order("calm", 5)).await;
    assert_eq!(calm, Disorder::plain(order("plain", 5)).await.expect("it returns"));
    let rows = account.rows().await;
    let fault = |action, probability| {
        let rule = Rule::new(Service::FunctionCompute, action).operation("Deliver").times(MANY);
        account.emulator.fault(Rule { probability, ..rule }).expect("one more fault can be");
    };
    // Done, and delivered again later.
    let lost = Answer { status: 500, code: "InternalServerError".to_owned(), message: String::new() };
    fault(Action::Duplicate { copies: 2 }, 0.3);
    fault(Action::ErrorAfter(lost), 0.3);
    HELD_MS.into_iter().for_each(|ms| fault(Action::Delay { ms }, 0.4));

    for (number, branches) in [5, 6, 1, 5].into_iter().enumerate() {
        let (key, before) = (format!("run {number}"), account.rows().await);
        let order = order(&key, branches);
        let expected = Disorder::plain(Order { run: "plain".to_owned(), ..order.clone() }).await;
        assert_eq!(run(&account, &client, order.clone()).await, expected.expect("it returns"), "{key}");
        let saw = saw(&executions.counts(), &key);
        assert_eq!(saw.len(), order.calls(), "{key}: {saw:?}");
        for (call, values) in &saw {
            assert_eq!(values.len(), 1, "{key}: executions of {call} saw different outcomes: {values:?}");
        }
        let begun: u64 = saw.values().flat_map(|values| values.values()).sum();
        let more = account.rows().await - before;
        let _ = writeln!(std::io::stderr(), "{key}: {} calls began {begun} times", saw.len());
        assert!(begun > saw.len() as u64, "{key}: nothing came twice");
        if branches == 5 {
            assert_eq!(more, rows, "{key} has as many rows as without faults");
        }
    }
    let happened = |rule: &Rule| MANY - rule.times.unwrap_or(0);
    let happened: Vec<_> = account.emulator.faults().iter().map(happened).collect();
    assert!(happened.len() == 5 && happened.iter().all(|times| *times > 0), "{happened:?}");
}
