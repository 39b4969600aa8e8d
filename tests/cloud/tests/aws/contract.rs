//! The contracts of the Backend-Shim, with 32 callers at once.

use std::path::Path;

use jointlambda::backend::{
    Invoked,
    conformance::{self, Subject},
};
use jointlambda_cloud_tests::{
    Account, Standin,
    receiver::{Receiver, workflow::aws::Received},
    workflow::Doubled,
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
