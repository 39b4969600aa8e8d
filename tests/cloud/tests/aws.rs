//! AWS's services as the Backend-Shim sees them, on stand-ins: the contract, with 32 callers at once.

use jointlambda::backend::conformance::{self, Subject};
use jointlambda_cloud_tests::{
    Standin,
    deployed::{backend, create_bucket, create_table},
};

/// What a row takes of an item beside what the contract counts: names and counters.
const SLACK: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb_local_keeps_the_contract_of_a_table() {
    let standin = Standin::dynamodb_local();
    create_table(&standin.url).await;
    let subject = Subject::new(backend(&standin.url), "DynamoDB Local").with_slack(SLACK);
    conformance::run(conformance::table(), &subject).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack_keeps_the_contracts_of_table_and_objects() {
    let standin = Standin::ministack();
    create_table(&standin.url).await;
    create_bucket(&standin.url);
    let subject = Subject::new(backend(&standin.url), "ministack").with_slack(SLACK);
    conformance::run(conformance::table(), &subject).await.assert_passed();
    conformance::run(conformance::objects(), &subject).await.assert_passed();
}
