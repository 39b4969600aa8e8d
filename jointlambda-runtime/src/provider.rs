//! What each provider offers, limits and charges: one table, as data, with its sources.
//!
//! The compile-time checks, the payload rule, the embedded clouds and the cost figures all read
//! it. A change of price is an edit here and nowhere else.

use serde::Serialize;

/// A provider of functions, tables and objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// AWS: Lambda, DynamoDB, S3.
    Aws,
    /// Alibaba Cloud: Function Compute 3.0, TableStore, OSS.
    Aliyun,
}

/// What a platform that gives up an event adds to it, at most, when it sends it to the sweeper: that record
/// is an event too.
const RECORD_BYTES: usize = 8 * 1024;

/// What a provider refuses.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Limits {
    /// Function memory in MB: smallest, largest, and the step between.
    pub memory_mb: (u32, u32, u32),
    /// Longest function timeout in seconds.
    pub timeout_s: u32,
    /// Whether functions can have a GPU.
    pub gpu: bool,
    /// Largest envelope of an asynchronous invocation, in bytes: the provider's limit, less what its
    /// encoding adds.
    pub async_payload_bytes: usize,
    /// Largest row of the table, in bytes.
    pub row_bytes: usize,
    /// How often the platform delivers an event again after a failure, by default.
    pub redeliveries: u32,
    /// The waits before these deliveries, in seconds, for functions that are not throttled.
    pub redelivered_after_s: &'static [u32],
    /// Write units per second that one row takes: a write counts once for each unit of the row's
    /// size, so a row of 10 KB takes a tenth of the writes that one of 1 KB does.
    pub row_writes_per_s: u32,
}

/// What a provider charges, in USD.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Prices {
    /// One million invocations.
    pub invocations_per_million: f64,
    /// One GB of memory for one second.
    pub gb_second: f64,
    /// One vCPU for one second, where it is billed apart from memory.
    pub vcpu_second: f64,
    /// One GB of GPU memory for one second.
    pub gpu_gb_second: f64,
    /// One million write units.
    pub table_writes_per_million: f64,
    /// One million strongly consistent read units.
    pub table_reads_per_million: f64,
    /// Bytes in one write unit.
    pub write_unit_bytes: usize,
    /// Bytes in one read unit.
    pub read_unit_bytes: usize,
    /// One million object writes.
    pub object_puts_per_million: f64,
    /// One million object reads.
    pub object_gets_per_million: f64,
    /// One GB that leaves the cloud.
    pub egress_gb: f64,
}

impl Limits {
    /// How long the platform may go on delivering an event, in milliseconds, when each delivery takes
    /// `one_ms`: all deliveries, and the waits between them.
    pub fn deliveries_ms(&self, one_ms: u64) -> u64 {
        let waits: u32 = self.redelivered_after_s.iter().sum();
        one_ms.saturating_mul(u64::from(self.redeliveries) + 1).saturating_add(u64::from(waits) * 1_000)
    }
}

impl Provider {
    /// The name in prose.
    pub const fn name(self) -> &'static str {
        match self {
            Provider::Aws => "AWS",
            Provider::Aliyun => "Alibaba Cloud",
        }
    }

    /// What its functions run on.
    #[cfg(any(feature = "aws", feature = "aliyun"))]
    pub(crate) const fn function_service(self) -> &'static str {
        match self {
            Provider::Aws => "Lambda",
            Provider::Aliyun => "Function Compute",
        }
    }

    /// The provider's limits.
    ///
    /// Sources: AWS Lambda quotas (asynchronous payload 1 MB since October 2025) and "How Lambda
    /// handles errors and retries with asynchronous invocation" (one minute, then two), DynamoDB
    /// quotas; the waits of Function Compute are not documented, and taken to double like these; Function Compute 3.0 limits, TableStore limits (all read in 2026).
    pub const fn limits(self) -> &'static Limits {
        match self {
            Provider::Aws => &Limits {
                memory_mb: (128, 10_240, 1),
                timeout_s: 900,
                gpu: false,
                // As JSON, the only thing that Lambda takes: in quotes and base64.
                async_payload_bytes: (1024 * 1024 - RECORD_BYTES) / 4 * 3,
                row_bytes: 400 * 1024,
                redeliveries: 2,
                redelivered_after_s: &[60, 120],
                row_writes_per_s: 1_000,
            },
            Provider::Aliyun => &Limits {
                memory_mb: (128, 32_768, 64),
                timeout_s: 86_400,
                gpu: true,
                // In base64: a record of an event is JSON.
                async_payload_bytes: (128 * 1024 - RECORD_BYTES) / 4 * 3,
                row_bytes: 2 * 1024 * 1024,
                redeliveries: 3,
                redelivered_after_s: &[60, 120, 240],
                row_writes_per_s: 10_000,
            },
        }
    }

    /// The provider's prices.
    ///
    /// Sources: AWS price pages for us-east-1 (DynamoDB since November 2024). Alibaba: Function
    /// Compute CU prices (2026); the TableStore and OSS request prices and the egress price could
    /// not be verified and are stand-ins of the same order as AWS's.
    pub const fn prices(self) -> &'static Prices {
        match self {
            Provider::Aws => &Prices {
                invocations_per_million: 0.20,
                gb_second: 0.000_016_666_7,
                vcpu_second: 0.0,
                gpu_gb_second: 0.0,
                table_writes_per_million: 0.625,
                table_reads_per_million: 0.125,
                write_unit_bytes: 1024,
                read_unit_bytes: 4096,
                object_puts_per_million: 5.0,
                object_gets_per_million: 0.40,
                egress_gb: 0.09,
            },
            Provider::Aliyun => &Prices {
                invocations_per_million: 0.15,
                gb_second: 0.15 * 0.000_02,
                vcpu_second: 0.000_02,
                gpu_gb_second: 1.8 * 0.000_02,
                table_writes_per_million: 0.60,
                table_reads_per_million: 0.30,
                write_unit_bytes: 4096,
                read_unit_bytes: 4096,
                object_puts_per_million: 5.0,
                object_gets_per_million: 0.40,
                egress_gb: 0.12,
            },
        }
    }
}
