//! Counts what the clouds would bill, and how near they came to their limits: atomic counters per
//! cloud, and snapshots of them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use super::heat::Warmth;
use crate::provider::{Prices, Provider};

/// Defines the counters once, as atomics ([`Meter`]) and as a snapshot ([`CloudUsage`]).
macro_rules! counters {
    (
        $($(#[doc = $doc:literal])+ $name:ident,)+
        peaks: $($(#[doc = $peak_doc:literal])+ $peak:ident,)+
    ) => {
        /// The running counters of one cloud.
        #[derive(Debug, Default)]
        pub(super) struct Meter {
            $(pub(super) $name: AtomicU64,)+
            $($peak: AtomicU64,)+
        }

        /// What one cloud has done, in the units it bills.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        pub struct CloudUsage {
            /// The cloud's name.
            pub cloud: String,
            /// Whose prices apply.
            pub provider: Provider,
            $($(#[doc = $doc])+ pub $name: u64,)+
            $($(#[doc = $peak_doc])+ pub $peak: u64,)+
        }

        impl Meter {
            pub(super) fn snapshot(&self, cloud: &str, provider: Provider) -> CloudUsage {
                CloudUsage {
                    cloud: cloud.to_owned(),
                    provider,
                    $($name: self.$name.load(Relaxed),)+
                    $($peak: self.$peak.load(Relaxed),)+
                }
            }
        }

        impl CloudUsage {
            /// What was added since `earlier`. A peak is that of all time.
            #[must_use]
            pub fn since(&self, earlier: &CloudUsage) -> CloudUsage {
                CloudUsage {
                    cloud: self.cloud.clone(),
                    provider: self.provider,
                    $($name: self.$name.saturating_sub(earlier.$name),)+
                    $($peak: self.$peak,)+
                }
            }

            fn add(&mut self, other: &CloudUsage) {
                $(self.$name += other.$name;)+
                $(self.$peak = self.$peak.max(other.$peak);)+
            }
        }
    };
}

counters! {
    /// Events accepted.
    invocations,
    /// Events refused: throttled, unavailable, too large, no such function.
    refusals,
    /// Executions: first deliveries, redeliveries and duplicates.
    deliveries,
    /// Executions after a failure of the same event.
    redeliveries,
    /// Events that the platform delivered twice by itself.
    duplicates,
    /// Executions for which an instance had to be made.
    cold_starts,
    /// Executions that ended in an error.
    failures,
    /// Events given up after the last redelivery.
    abandoned,
    /// Events lost: abandoned, and the receiver could not be told either.
    lost,
    /// `create` requests.
    table_creates,
    /// `arrive` requests.
    table_arrives,
    /// `postpone` requests.
    table_postpones,
    /// Rows read by `get` and `get_many`.
    table_gets,
    /// Requests to write a row that were refused because it was written too often.
    table_throttles,
    /// Requests for due rows.
    table_queries,
    /// Write units billed: each write by the size of the whole row afterwards, and one unit for
    /// each move in the run index.
    write_units,
    /// Read units billed: each read by the size of the row.
    read_units,
    /// `put` requests.
    object_puts,
    /// `get` requests.
    object_gets,
    /// Bytes put.
    object_put_bytes,
    /// Bytes got.
    object_get_bytes,
    /// Bytes sent to other clouds: envelopes and requests of this cloud's functions, and what
    /// this cloud's stores answered to functions elsewhere.
    egress_bytes,
    /// Execution time times memory, in MB × ms.
    mb_ms,
    /// Execution time times vCPUs, in thousandths × ms.
    cpu_milli_ms,
    /// Execution time times GPU memory, in GB × ms.
    gpu_gb_ms,
    peaks:
    /// The largest row that was ever written, in bytes.
    largest_row_bytes,
    /// The most requests to write one and the same row within any second.
    row_writes_in_a_second,
    /// The most write units of one and the same row within any second.
    row_units_in_a_second,
}

/// Adds to a counter. Counters order nothing, so they need no ordering themselves.
pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Relaxed);
}

impl Meter {
    /// A write to a row of now `row_bytes`; gives its units.
    pub(super) fn wrote(&self, prices: &Prices, row_bytes: usize, indexed: bool) -> u64 {
        let units = units(row_bytes, prices.write_unit_bytes) + u64::from(indexed);
        count(&self.write_units, units);
        self.largest_row_bytes.fetch_max(row_bytes as u64, Relaxed);
        units
    }

    /// A row was found as warm as that.
    pub(super) fn felt(&self, warmth: Warmth) {
        self.row_writes_in_a_second.fetch_max(warmth.writes, Relaxed);
        self.row_units_in_a_second.fetch_max(warmth.units, Relaxed);
    }

    pub(super) fn read(&self, prices: &Prices, row_bytes: usize) {
        count(&self.read_units, units(row_bytes, prices.read_unit_bytes));
    }
}

/// Even an operation on nothing costs a unit.
fn units(bytes: usize, unit: usize) -> u64 {
    bytes.div_ceil(unit).max(1) as u64
}

impl CloudUsage {
    /// Execution time times memory, in GB-seconds.
    pub fn gb_seconds(&self) -> f64 {
        self.mb_ms as f64 / 1024.0 / 1000.0
    }

    /// Operations on rows of any kind.
    pub fn table_operations(&self) -> u64 {
        self.table_creates + self.table_arrives + self.table_gets + self.table_queries
    }
}

/// What all clouds have done: a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// One for each cloud, in their order.
    pub clouds: Vec<CloudUsage>,
}

impl Usage {
    /// What was added since `earlier`, a snapshot of the same clouds.
    #[must_use]
    pub fn since(&self, earlier: &Usage) -> Usage {
        let pairs = self.clouds.iter().zip(&earlier.clouds);
        Usage { clouds: pairs.map(|(now, before)| now.since(before)).collect() }
    }

    /// The counts of all clouds together, under the name `all` and the first cloud's provider;
    /// `None` without clouds. Units of different providers are added as they are.
    pub fn total(&self) -> Option<CloudUsage> {
        let (first, rest) = self.clouds.split_first()?;
        let mut total = CloudUsage { cloud: "all".to_owned(), ..first.clone() };
        for usage in rest {
            total.add(usage);
        }
        Some(total)
    }
}
