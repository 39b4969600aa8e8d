//! Every single fault of small runs whose rows are in TableStore, and their objects on OSS.

use std::fmt::Debug;

use jointlambda::Workflow;
use jointlambda_cloud_tests::{
    shapes::aliyun::{chain::Chain, fan::Fan, heavy::Heavy, pick::Pick},
    trials::Subject,
};

use crate::wire::Real;

fn survives<W: Workflow>(input: W::Input)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    Subject::<W>::new(Real::start().services::<W>(), input).survives_single_faults();
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

#[test]
fn a_row_that_is_an_object_survives_every_single_fault() {
    survives::<Heavy>(60_000);
}

#[test]
fn an_argument_that_is_an_object_survives_every_single_fault() {
    survives::<Heavy>(200_000);
}
