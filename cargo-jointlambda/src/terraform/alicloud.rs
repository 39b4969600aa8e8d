//! Alibaba Cloud: Function Compute 3.0, TableStore, OSS.
//!
//! The documents follow the provider's reference; they were never applied to the live service.

pub(crate) mod functions;
pub(crate) mod serverless_devs;
pub(crate) mod store;

use serde_json::{Value, json};

use super::root::Spec;
use crate::described::Function;

/// The root for Alibaba Cloud.
pub(crate) const ROOT: Spec = Spec {
    name: "alicloud",
    source: "aliyun/alicloud",
    version: ">= 1.252.0, < 2.0.0",
    provider: |_| json!({}),
    variables,
    store_variables: &["keep_data", "log_retention_days"],
    function_variables: &["environment", "gpu_image", "instance_concurrency", "policies"],
};

/// Where the program listens.
const PORT: u32 = 9000;
/// What the platform starts.
const COMMAND: &str = "/code/bootstrap";
/// Required, and without a meaning for a program of its own.
const HANDLER: &str = "index.handler";
/// Disk of an instance in MB: the smallest.
const DISK_MB: u32 = 512;
/// How often an event is delivered again after a failure, and how old it may get: the defaults.
const REDELIVERIES: u32 = 3;
const EVENT_AGE_S: u32 = 24 * 3600;
/// What the function is called that looks after late runs and given-up events.
const SWEEPER: &str = "sweeper";
/// The variable that tells it how many events an instance takes at once: where that is more than one, the
/// end of a process says nothing of a single call.
const AT_ONCE: &str = "JOINTLAMBDA_INSTANCE_CONCURRENCY";
/// How often the sweeper looks for runs.
const SWEEP: &str = "@every 1m";
/// The version of a function that is invoked.
const QUALIFIER: &str = "LATEST";
/// vCPUs come in steps of this many thousandths.
const CPU_STEP_MILLI: u32 = 50;
/// Where the function does not say, it has a vCPU for each 2 GB: in the middle of what is allowed,
/// one for each 1 to 4 GB.
const MB_PER_CPU: u32 = 2048;

fn variables() -> Value {
    json!({
        "environment": {
            "type": "map(string)",
            "description": "More environment variables of every function, such as RUST_LOG, or credentials \
                            for the workflow's other clouds.",
            "default": {},
            "sensitive": true,
        },
        "gpu_image": {
            "type": "string",
            "description": "The image of functions with a GPU: it has the program as its entry.",
            "default": "",
        },
        "instance_concurrency": {
            "type": "number",
            "description": "How many events an instance of a function without a GPU takes at once, 1 to 200; \
                            they share its memory and processors.",
            "default": 1,
        },
        "keep_data": {
            "type": "bool",
            "description": "Whether a bucket with objects in it is protected from being destroyed.",
            "default": true,
        },
        "log_retention_days": {
            "type": "number",
            "description": "How many days the functions' logs are kept.",
            "default": 30,
        },
        "policies": {
            "type": "list(string)",
            "description": "Custom policies that the functions' own code needs, by name, beside what the \
                            workflow needs.",
            "default": [],
        },
    })
}

/// The vCPUs of a function.
fn cpu(memory_mb: u32, cpu_milli: u32) -> f64 {
    let milli = if cpu_milli > 0 { cpu_milli } else { memory_mb * 1000 / MB_PER_CPU };
    f64::from((milli / CPU_STEP_MILLI).max(1)) / f64::from(1000 / CPU_STEP_MILLI)
}

/// Functions and sweeper of a cloud, as they are deployed.
fn deployed(described: &crate::described::Described, cloud: &str) -> Vec<Function> {
    let sweeper = &described.sweeper;
    let mut functions: Vec<_> = described.functions_on(cloud).cloned().collect();
    functions.push(Function {
        function: SWEEPER.to_owned(),
        name: sweeper.name.clone(),
        memory_mb: sweeper.memory_mb,
        timeout_s: sweeper.timeout_s,
        gpu_gb: 0,
        cpu_milli: 0,
        clouds: vec![cloud.to_owned()],
    });
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vcpus_are_in_steps_and_in_the_ratio_that_is_allowed() {
        assert_eq!([cpu(128, 0), cpu(512, 0), cpu(2048, 0), cpu(512, 350)], [0.05, 0.25, 1.0, 0.35]);
        for memory_mb in (128..=32_768).step_by(64) {
            let (gb, cpu) = (f64::from(memory_mb) / 1024.0, cpu(memory_mb, 0));
            assert!(cpu <= gb && cpu >= gb / 4.0, "{memory_mb} MB have {cpu}");
        }
    }
}
