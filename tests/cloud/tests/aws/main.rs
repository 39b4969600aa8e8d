//! AWS on stand-ins: the Backend-Shim's contracts, what errors say, the protocol under faults, and a
//! workflow that is deployed.

mod abandoned;
mod contract;
mod deployed;
mod faults;
mod refusals;
mod runs;
