//! Every single fault of small runs whose rows are in DynamoDB Local.

use std::fmt::Debug;

use jointlambda::Workflow;
use jointlambda_cloud_tests::{
    Account, Standin,
    shapes::aws::{chain::Chain, fan::Fan, pick::Pick},
    trials::{Services, Subject},
};

/// When a trial begins, by the virtual clock: some day in 2027.
const EPOCH_MS: u64 = 1_800_000_000_000;

fn survives<W: Workflow>(input: W::Input)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let standin = Standin::dynamodb_local();
    let real = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let real = real.expect("threads can be made");
    let account = Account::at(&standin.url);
    real.block_on(account.create_table("rows"));
    let services = Services {
        name: "DynamoDB Local",
        table: account.backend::<W>("rows").table,
        objects: None,
        real: real.handle().clone(),
        epoch_ms: EPOCH_MS,
    };
    Subject::<W>::new(services, input).survives_single_faults();
}

#[test]
fn a_chain_survives_every_single_fault() {
    survives::<Chain>(3);
}

#[test]
fn a_fan_out_survives_every_single_fault() {
    survives::<Fan>(vec![2, 5]);
}

#[test]
fn a_pick_of_the_first_survives_every_single_fault() {
    survives::<Pick>(vec![0, 7]);
}
