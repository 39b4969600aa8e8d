//! The runtime of jointlambda: everything that runs.
//!
//! Users depend on the crate `jointlambda`, which re-exports what they need.

pub mod backend;
mod batch;
mod bounds;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod client;
mod clocks;
mod codec;
mod commit;
pub mod definition;
#[cfg(any(feature = "aws", feature = "aliyun"))]
mod deployed;
#[cfg(any(feature = "aws", feature = "aliyun"))]
pub mod deployment;
mod dispatch;
#[cfg(feature = "local")]
pub mod embedded;
mod entrypoint;
pub mod envelope;
pub mod error;
mod first;
pub mod graph;
mod health;
pub mod id;
mod join;
pub mod machine;
mod payload;
pub mod plain;
pub mod provider;
mod repeats;
mod retry;
pub mod runtime;
mod shape;
mod sketch;
mod survey;
mod sweep;
pub mod timing;
mod walk;

#[doc(hidden)]
pub mod private;

pub use client::{
    Client, MAX_LISTED, MAX_REDRIVES, MAX_REPORTED, OtherDeployment, RedriveError, RunError, RunList,
    RunReport, RunSummary, StartError, Status, Which,
};
pub use clocks::ClocksApart;
pub use definition::Cloud;
pub use error::{Cause, Error, Fault, GivenUp, Result};
pub use machine::{Travel, Workflow};
pub use runtime::{Options, Runtime};
pub use survey::{InstanceReport, InstanceState};
pub use sweep::Swept;
