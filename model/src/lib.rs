//! The commit protocol as a model: every interleaving of small runs on two clouds.
//!
//! Written from the protocol at the level at which it decides things: rows, slots, events, and
//! what each party does in one atomic step. It shares no code with the runtime, so that a mistake
//! there is not repeated here. A [`Protocol`] is a shape, [`Bounds`] on what may go wrong, and at
//! most one [`Mutation`]; [`Protocol::check`] looks at every state within the bounds.
//!
//! ```
//! use jointlambda_model::{Bounds, Mutation, Protocol, properties, shapes};
//!
//! let chain = Protocol::new(&shapes::CHAIN, Bounds::any(1));
//! assert!(chain.clone().check().violated.is_empty());
//!
//! let wrong = Protocol { mutation: Some(Mutation::DispatchBeforeCommit), ..chain };
//! assert!(wrong.hunt(properties::COMMIT_FIRST).violates(properties::COMMIT_FIRST));
//! ```
//!
//! # What stands for what
//! Files are named after the runtime's, whose functions they follow
//! (`jointlambda-runtime/src/…`):
//!
//! | in the model | in the code |
//! |---|---|
//! | `Deliver`, `Reply`, `Crash`, given-up events | `backend::Handler`, the platform's queue |
//! | `ReadFound`, `Compute` | `entrypoint.rs`: the two sides of `run_unless_settled`; `Compute` is the user function and the glue |
//! | `Commit` | `commit.rs`: `commit`; for a fan-in, its use in `join.rs`: `fan_in` |
//! | `Stamp`, an event's number, `goes_on` | `envelope.rs`: `Stamp`, `EventId`; `commit.rs`: `goes_on`, `is_over` |
//! | `Fail`, `ReadBack` | `entrypoint.rs`: `fail`; `commit.rs`: `commit_end`, its write and its read |
//! | `commit::home`, `settled`, `create` | `commit.rs`: `home_row`, `settled`; `Table::create` |
//! | `Todo::Arrive`, `join::fill`, `end` | `join.rs`: `arrive`, `end`; `Table::arrive` |
//! | `join::fan_in` | `join.rs`: `full_at_once`, `fan_in` |
//! | `join::is_due`, `that_count`, `Todo::Settle` | `first.rs`: `is_due`, `that_count`; `join.rs`: `fan_in`, of one without a value |
//! | `Todo::Send` | `dispatch.rs`: `send`, one placement per step |
//! | `dispatch::go_on`, `spread` | `dispatch.rs`: `go_on`, `spread` |
//! | `Sweep`, `Todo::Walk`, `Todo::WalkBranches` | `sweep.rs`: `look_after`; `walk.rs`: `call`, `fork`, one read per step |
//! | `CreateRun`, `Role::Resume` | `client.rs`: `start`, `resume` |
//! | `Cancel`, `Mark`, `Role::Stop`, `Todo::Cancel` | `client.rs`: `cancel`; `sweep.rs`: `stop`; `walk.rs`: `cancel`, `fire` |
//! | `Redrive`, `Role::Redrive`, `TakeOver`, `Link`, `GoOn` | `client.rs`: `redrive`, `take_over`; `survey.rs`: `left_of` |
//! | `Discard`, `Clock` | `entrypoint.rs`: `handle`; `runtime.rs`: `is_past` |
//! | `ExpireAll`, `Expire` | the table's TTL; `runtime.rs`: `expires_at` |
//!
//! [`batches`] is a model of its own: what matters there is between runs, and a run is one call. All its
//! calls are of one time, and functions have one placement.
//!
//! [`incarnations`] is another: two or three runs that one key names, the starts that race for it, and rows
//! that expire cell by cell. Its runs are two calls in a row. What becomes of the values within a run, and of
//! platforms that give up, is in the model above.
//!
//! [`tree`] is a third: one fan-in whose rows are a tree of depth 2, with every execution counted, under sweeps
//! that look at it again and again. Time is counted there in ticks: a call is first taken for lost after one,
//! and the bound on executions is the logarithm of the ticks.
//!
//! # What is left out
//! Values and their sizes (objects, rows that refer to objects, relays), the tree of large
//! fan-ins, an `Err` that is no failure, the clock by which the first branches are told apart (a copy
//! takes those with the lowest index of what it sees), fan-outs within fan-outs, loops and the leap over
//! their turns, `retry(…)`, `dedupe = before`, versions of a definition, errors of
//! tables (an operation is made or the copy dies), the rounds in which placements are tried again, and
//! reports, which the tests of the runtime cover. A run is redriven once, with its call mended, and what
//! is left of it is read in one step. Two events of an instance never
//! have the same number. A sweep takes whatever is open for lost, however short a time it has been
//! open. Several steps are one where nobody can see what is between them: the user function and its
//! glue; a full arrival and the glue after it; an error, or a row or slot that is found filled, and
//! the look at whether the run is over. What a copy does for many successors is done in any order, a
//! sweep's walk in one. A function that panics, times out or is killed is a crash.
//! A cloud that is down takes and delivers nothing; what runs there already runs on.

pub mod batches;
mod bounds;
mod check;
mod client;
mod commit;
mod data;
mod dispatch;
mod draw;
mod entrypoint;
pub mod incarnations;
mod join;
mod model;
mod mutation;
mod platform;
pub mod properties;
mod redrive;
mod reduce;
pub mod shapes;
mod state;
pub mod suite;
mod sweep;
pub mod tree;
mod watch;

pub use bounds::{Bounds, Clock, Outage};
pub use check::Report;
pub use model::{Action, Protocol};
pub use mutation::Mutation;
pub use state::State;
