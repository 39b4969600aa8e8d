//! Alibaba Cloud on the emulator: the Backend-Shim's contracts, the protocol under faults, and a workflow
//! that is deployed.

mod abandoned;
mod codes;
mod contract;
mod credentials;
mod damage;
mod disorder;
mod examples;
mod faults;
mod instances;
mod refusals;
mod runs;
mod serve;
mod wire;
