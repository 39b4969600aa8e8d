//! Alibaba Cloud on the emulator: the Backend-Shim's contracts, and the protocol under faults.

mod contract;
mod faults;
mod wire;
