//! The commit protocol as a model.

mod bounds;
mod check;
mod client;
mod commit;
mod data;
mod dispatch;
mod draw;
mod entrypoint;
mod join;
mod model;
mod mutation;
mod platform;
pub mod properties;
mod reduce;
pub mod shapes;
mod state;
mod sweep;
mod watch;

pub use bounds::{Bounds, Clock, Outage};
pub use check::Report;
pub use model::{Action, Protocol};
pub use mutation::Mutation;
pub use state::State;
