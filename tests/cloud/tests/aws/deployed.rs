//! A workflow on Lambda as the stand-in runs it: real processes, retries, and a sweeper.

use std::{path::Path, time::Duration};

use jointlambda::{Client, Options, RunError, Workflow};
use jointlambda_cloud_tests::{
    Account, Standin,
    workflow::{Doubled, UNLUCKY, carry::Carried},
};

const TABLE: &str = "rows";
const DOUBLED: &str = env!("CARGO_BIN_EXE_doubled-aws");
const CARRIED: &str = env!("CARGO_BIN_EXE_carried-aws");
/// How long a run may take, processes that start and events that fail three times included.
const PATIENCE: Duration = Duration::from_secs(120);

async fn deployed<W: Workflow>(program: &str) -> (Standin, Account, Client<W>) {
    let standin = Standin::ministack_with(&[("LAMBDA_ASYNC_RETRY_BASE_SECONDS", "0.1")]);
    let account = Account::at(&standin.url);
    account.create_table(TABLE).await;
    account.create_bucket();
    account.deploy::<W>(Path::new(program), TABLE).await;
    let client = Client::new(vec![account.backend::<W>(TABLE)], Options::default());
    (standin, account, client)
}

async fn result<W: Workflow>(client: &Client<W>, key: &str, input: W::Input) -> Result<W::Output, RunError> {
    let run = client.start(key, input).await.expect("it starts");
    tokio::time::timeout(PATIENCE, client.result(&run)).await.expect("it ends")
}

#[tokio::test]
async fn a_deployed_workflow_gives_what_the_plain_run_gives() {
    let (_standin, account, client) = deployed::<Doubled>(DOUBLED).await;
    let input = vec![3, 1, 4, 1, 5];
    let expected = Doubled::plain(input.clone()).await;
    assert_eq!(result(&client, "pi", input.clone()).await.expect("it returns"), expected);
    // The same key is the same run, and nothing is done again.
    assert_eq!(result(&client, "pi", input).await.expect("it has returned"), expected);
    // No run is open.
    assert_eq!(account.sweep::<Doubled>().await.replace(' ', ""), r#"{"swept":0}"#);
}

#[tokio::test]
async fn what_lambda_gives_up_on_fails_the_run_with_its_cause() {
    let (_standin, _account, client) = deployed::<Doubled>(DOUBLED).await;
    let failed = result(&client, "unlucky", vec![1, UNLUCKY / 2]).await;
    let Err(RunError::Failed(failure)) = failed else { panic!("it gave {failed:?}") };
    assert_eq!((&*failure.at, failure.attempts), ("sum", 3));
    assert_eq!(failure.cause, "sum panicked: 26 is unlucky");
}

#[tokio::test]
async fn what_no_envelope_takes_crosses_every_hop_as_an_object() {
    let (_standin, _account, client) = deployed::<Carried>(CARRIED).await;
    for length in [1 << 10, 200 << 10, 900 << 10, 5 << 20] {
        let returned = result(&client, &format!("{length} bytes"), "x".repeat(length)).await;
        assert_eq!(returned.expect("it returns"), length);
    }
}
