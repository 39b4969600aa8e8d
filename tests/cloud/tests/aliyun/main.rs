//! Alibaba Cloud on the emulator: the Backend-Shim's contracts, the protocol under faults, and a workflow
//! that is deployed.

mod abandoned;
mod codes;
mod contract;
mod damage;
mod faults;
mod refusals;
mod runs;
mod wire;
