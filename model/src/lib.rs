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
//! | `TableDown`, `Cause`, events that decide nothing | `backend::StoreError`; `entrypoint.rs`: `abandon`, and the cause that the platform tells |
//! | `Discard`, `Clock` | `entrypoint.rs`: `handle`; `runtime.rs`: `is_past` |
//! | `ExpireAll`, `Expire` | the table's TTL; `runtime.rs`: `expires_at` |
//!
//! # Models of their own
//! What matters in these is beside the course of one run. Each has its own mistakes and tests.
//!
//! | model | what is in it | what is simpler there |
//! |---|---|---|
//! | [`batches`] | calls of several runs that gather in batches | a run is one call; all calls are of one time; functions have one placement |
//! | [`incarnations`] | two or three runs that one key names; starts at once; redrives of each; what starts store; a run row that expires cell by cell | a run is two calls in a row; a copy that finds its work done goes on unless its run is over; the row of a redriven run goes as a whole |
//! | [`tree`] | a fan-in with join rows in two levels, executions counted under sweeps that look again and again | three branches; time in ticks, and a call is first taken for lost after one; sweeps do not die |
//! | [`clocks`] | tables and processes whose time is wrong | a run is one call; a process does one thing; a wrong clock is off by more than the check is long |
//! | [`versions`] | runs of two deployments in one table | a run is one call; a sweep looks at one run and nothing happens meanwhile |
//!
//! # What is left out
//! Values and their sizes (objects but for those of a start, rows that refer to objects, relays), trees of
//! more than two levels, an `Err` that is no failure, the clock by which the first branches are told apart
//! (a copy takes those with the lowest index of what it sees), fan-outs within fan-outs, loops and the leap
//! over their turns, `retry(…)`, `dedupe = before`, errors of single operations (a table is down for a time,
//! or an operation is made, or the copy dies), the rounds in which placements are tried again, and reports,
//! which the tests of the runtime cover. A run is redriven once, with its call mended, and what is left of
//! it is read in one step. Two events of an instance never have the same number. But in [`tree`], a sweep
//! takes whatever is open for lost, however short a time it has been open. Several steps are one where
//! nobody can see what is between them: the user function and its glue; a full arrival and the glue after
//! it; an error, or a row or slot that is found filled, and the look at whether the run is over. What a copy
//! does for many successors is done in any order, a sweep's walk in one. A function that panics, times out
//! or is killed is a crash. A cloud that is down takes and delivers nothing; what runs there already runs
//! on. A table that is down answers nothing; a step that writes and then looks at another table needs the
//! first one alone. An event that is given up for the fault of a store or a cloud is lost: its handler
//! decides nothing, and a sweep finds the run.

pub mod batches;
mod bounds;
mod check;
mod client;
pub mod clocks;
mod commit;
mod data;
mod dispatch;
mod draw;
mod entrypoint;
mod fate;
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
mod tables;
pub mod tree;
pub mod versions;
mod watch;

pub use bounds::{Bounds, Clock, Outage};
pub use check::Report;
pub use model::{Action, Protocol};
pub use mutation::Mutation;
pub use state::State;
