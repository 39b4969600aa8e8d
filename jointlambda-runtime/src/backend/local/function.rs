//! The functions of a cloud: which there are, their warm instances, and what they are billed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    config::FunctionConfig,
    meter::{Meter, count},
    table::lock,
};

/// The most functions of a cloud that accepts every name.
pub const MAX_FUNCTIONS: usize = 10_000;

/// One function of one cloud.
pub(super) struct Function {
    pub(super) name: Arc<str>,
    pub(super) config: FunctionConfig,
    /// When each idle instance fell idle, latest last.
    idle: Mutex<Vec<Instant>>,
}

impl Function {
    fn new(config: FunctionConfig) -> Arc<Self> {
        Arc::new(Function { name: config.name.as_str().into(), config, idle: Mutex::default() })
    }

    /// Takes the instance that fell idle last; `false` when there is none that is still warm, so
    /// that one has to be made.
    pub(super) fn take_warm(&self, now: Instant, keep_warm: Duration) -> bool {
        let mut idle = lock(&self.idle);
        match idle.pop() {
            Some(since) if now.saturating_duration_since(since) <= keep_warm => true,
            _ => {
                // The others fell idle even earlier.
                idle.clear();
                false
            }
        }
    }

    /// Gives an instance back.
    pub(super) fn fell_idle(&self, now: Instant) {
        lock(&self.idle).push(now);
    }

    /// Bills an execution, by the millisecond begun.
    pub(super) fn bill(&self, meter: &Meter, took: Duration) {
        let ms = u64::try_from(took.as_micros().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        let FunctionConfig { memory_mb, gpu_gb, cpu_milli, .. } = self.config;
        // Function Compute allows 1 to 4 GB per vCPU; the cheapest is the default.
        let cpu_milli = if cpu_milli == 0 { memory_mb.div_ceil(4) } else { cpu_milli };
        count(&meter.mb_ms, u64::from(memory_mb) * ms);
        count(&meter.cpu_milli_ms, u64::from(cpu_milli) * ms);
        if gpu_gb > 0 {
            count(&meter.gpu_gb_ms, u64::from(gpu_gb) * ms);
        }
    }
}

/// The functions of one cloud by name.
pub(super) struct Catalogue {
    functions: RwLock<HashMap<Arc<str>, Arc<Function>>>,
    open: bool,
}

impl Catalogue {
    /// With a list, the functions are those; without, any name is a function.
    pub(super) fn new(list: Option<Vec<FunctionConfig>>) -> Self {
        let open = list.is_none();
        let functions = list.unwrap_or_default().into_iter().map(Function::new);
        let functions = functions.map(|function| (function.name.clone(), function)).collect();
        Catalogue { functions: RwLock::new(functions), open }
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<Function>> {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(name) {
            return Some(function.clone());
        }
        drop(functions);
        if self.open { self.add(name) } else { None }
    }

    fn add(&self, name: &str) -> Option<Arc<Function>> {
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        if functions.len() >= MAX_FUNCTIONS && !functions.contains_key(name) {
            return None;
        }
        let added = functions.entry(name.into()).or_insert_with(|| Function::new(FunctionConfig::new(name)));
        Some(added.clone())
    }
}
