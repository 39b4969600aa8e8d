//! The runtime of jointlambda: everything that runs.
//!
//! Users depend on the crate `jointlambda`, which re-exports what they need.

pub mod backend;
pub mod definition;
pub mod error;
pub mod id;
pub mod plain;
pub mod provider;

#[doc(hidden)]
pub mod private;

pub use definition::Cloud;
pub use error::{Error, Fault, Result};
