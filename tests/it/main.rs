//! Behaviour of workflows as a user sees it, on the embedded clouds: whatever the shape, the
//! distributed run gives what the plain run gives.

#[macro_use]
mod agree;

mod batches;
mod bounds;
mod cancelling;
mod choice;
mod clocks;
mod corners;
mod deliveries;
mod errors;
mod examples;
mod failover;
mod fan_out;
mod faulty;
mod given_up;
mod glue;
mod joins;
mod keys_used_again;
mod layers;
mod long_runs;
mod loops;
mod many_faults;
mod mixed;
mod moved_home;
mod mutants;
mod one_cloud;
mod other_deployments;
mod outages;
mod pairs;
mod poison;
mod process_clocks;
mod protocol;
mod providers;
pub(crate) use providers::model;
mod redriving;
mod redundancy;
mod repair;
mod replay;
mod reporting;
mod schedules;
mod sequence;
mod size;
mod stores_down;
mod sweeping;
mod versions;
mod warming;
