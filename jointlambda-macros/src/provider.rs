//! What each provider offers to a function, as data for validation.
//!
//! The same figures as `jointlambda_runtime::provider`, which this crate cannot depend on. Sources:
//! AWS Lambda quotas; Function Compute 3.0 limits (both read in 2026). Must not report.

use crate::model::Provider;

/// The limits of a provider's functions.
pub(crate) struct Limits {
    /// The functions' service, in prose.
    pub(crate) service: &'static str,
    /// Smallest, largest, and the step between.
    pub(crate) memory_mb: Range,
    pub(crate) timeout_s: u64,
    pub(crate) cpu: Cpu,
    pub(crate) gpu: bool,
}

/// Whole multiples of `step` from `min` to `max`.
pub(crate) struct Range {
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) step: u32,
}

/// How vCPUs are given.
pub(crate) enum Cpu {
    /// In proportion to memory: one for so many MB.
    WithMemory { mb_per_cpu: u32 },
    /// By choice, with least and most memory for each vCPU.
    Chosen { milli: Range, gb_per_cpu: (u32, u32) },
}

impl Provider {
    pub(crate) fn limits(self) -> &'static Limits {
        match self {
            Provider::Aws => &Limits {
                service: "AWS Lambda",
                memory_mb: Range { min: 128, max: 10_240, step: 1 },
                timeout_s: 900,
                cpu: Cpu::WithMemory { mb_per_cpu: 1_769 },
                gpu: false,
            },
            Provider::Aliyun => &Limits {
                service: "Function Compute",
                memory_mb: Range { min: 128, max: 32_768, step: 64 },
                timeout_s: 86_400,
                cpu: Cpu::Chosen { milli: Range { min: 50, max: 16_000, step: 50 }, gb_per_cpu: (1, 4) },
                gpu: true,
            },
        }
    }
}

impl Range {
    pub(crate) fn contains(&self, value: u32) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// The valid values next to one inside of the range: itself twice, or its neighbours.
    pub(crate) fn neighbours(&self, value: u32) -> (u32, u32) {
        let below = value / self.step * self.step;
        let above = value.next_multiple_of(self.step);
        (below.max(self.min), above.min(self.max))
    }
}
