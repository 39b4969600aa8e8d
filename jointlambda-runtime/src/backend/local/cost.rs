//! What a usage costs, item by item, by the providers' price table.

use std::fmt;

use serde::Serialize;

use super::meter::{CloudUsage, Usage};

/// One line of a bill.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostItem {
    /// The cloud that bills it.
    pub cloud: String,
    /// What is billed.
    pub what: &'static str,
    /// How much of it, in `unit`.
    pub quantity: f64,
    /// The unit of the quantity.
    pub unit: &'static str,
    /// What it costs, in USD.
    pub usd: f64,
}

/// A bill.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Its lines, cloud by cloud, without those that are nothing.
    pub items: Vec<CostItem>,
}

impl Cost {
    /// The sum, in USD.
    pub fn usd(&self) -> f64 {
        self.items.iter().map(|item| item.usd).sum()
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for CostItem { cloud, what, quantity, unit, usd } in &self.items {
            writeln!(f, "{cloud:12} {what:22} {quantity:>14.3} {unit:14} ${usd:.9}")?;
        }
        write!(f, "{:12} {:22} {:>14} {:14} ${:.9}", "total", "", "", "", self.usd())
    }
}

impl Usage {
    /// What it costs.
    pub fn cost(&self) -> Cost {
        Cost { items: self.clouds.iter().flat_map(CloudUsage::cost_items).collect() }
    }
}

impl CloudUsage {
    fn cost_items(&self) -> Vec<CostItem> {
        const MILLION: f64 = 1e6;
        const GB: f64 = 1e9;
        let prices = self.provider.prices();
        let lines = [
            ("invocations", self.deliveries as f64, "requests", prices.invocations_per_million / MILLION),
            ("memory", self.gb_seconds(), "GB-s", prices.gb_second),
            ("processors", self.cpu_milli_ms as f64 / MILLION, "vCPU-s", prices.vcpu_second),
            ("GPU memory", self.gpu_gb_ms as f64 / 1000.0, "GB-s", prices.gpu_gb_second),
            (
                "table writes",
                self.write_units as f64,
                "write units",
                prices.table_writes_per_million / MILLION,
            ),
            ("table reads", self.read_units as f64, "read units", prices.table_reads_per_million / MILLION),
            ("object writes", self.object_puts as f64, "requests", prices.object_puts_per_million / MILLION),
            ("object reads", self.object_gets as f64, "requests", prices.object_gets_per_million / MILLION),
            ("bytes to other clouds", self.egress_bytes as f64 / GB, "GB", prices.egress_gb),
        ];
        let items = lines.into_iter().filter(|(_, quantity, _, price)| quantity * price > 0.0);
        items
            .map(|(what, quantity, unit, price)| CostItem {
                cloud: self.cloud.clone(),
                what,
                quantity,
                unit,
                usd: quantity * price,
            })
            .collect()
    }
}
