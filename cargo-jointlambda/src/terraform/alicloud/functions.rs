//! The functions of one deployment in one region, with all that is theirs: a role, what becomes of
//! failed events, and the schedule of the sweeper.

use serde_json::{Map, Value, json};

use super::{
    AT_ONCE, COMMAND, DISK_MB, EVENT_AGE_S, HANDLER, PORT, QUALIFIER, REDELIVERIES, SWEEP, SWEEPER, cpu,
    deployed,
    store::{index_of, table_of},
};
use crate::{
    described::{Described, Function},
    package::hex,
    settings::Settings,
    terraform::{Place, environment, literal, names, role_name},
};

/// What the root gives the module, beside its own variables.
pub(crate) fn arguments(store: &str) -> Value {
    let of_store = |output: &str| format!("${{module.{store}.{output}}}");
    json!({
        "log_project": of_store("log_project"),
        "log_store": of_store("log_store"),
    })
}

/// The module.
pub(crate) fn module(described: &Described, settings: &Settings, place: &Place<'_>) -> Value {
    let (mut environments, mut functions) = (Map::new(), Map::new());
    let (mut events, mut names) = (Map::new(), Map::new());
    for function in deployed(described, place.cloud) {
        let label = function.function.clone();
        let mut told = environment(settings, place.cloud, &label);
        if label == SWEEPER {
            told[AT_ONCE] = "${tostring(var.instance_concurrency)}".into();
        }
        environments.insert(label.clone(), told);
        names.insert(label.clone(), function.name.as_str().into());
        events.insert(label.clone(), event_config(&label));
        functions.insert(label, resource(described, settings, place, &function));
    }
    let role = role_name(described, place.region);
    json!({
        "//": crate::terraform::note(),
        "terraform": { "required_providers": { "alicloud": { "source": "aliyun/alicloud" } } },
        "variable": {
            "environment": {
                "type": "map(string)", "description": "More environment variables.", "sensitive": true,
            },
            "gpu_image": { "type": "string", "description": "The image of functions with a GPU." },
            "instance_concurrency": {
                "type": "number", "description": "How many events an instance takes at once.",
            },
            "log_project": { "type": "string", "description": "Where logs go." },
            "log_store": { "type": "string", "description": "The part of the project that logs go to." },
            "policies": { "type": "list(string)", "description": "What the functions' own code needs." },
        },
        "locals": { "environment": environments },
        "resource": {
            "alicloud_ram_role": {
                "function": {
                    "role_name": role,
                    "assume_role_policy_document": trust().to_string(),
                },
            },
            "alicloud_ram_policy": {
                "function": {
                    "policy_name": role,
                    "policy_document": policy(described, settings).to_string(),
                },
            },
            "alicloud_ram_role_policy_attachment": {
                "function": {
                    "role_name": "${alicloud_ram_role.function.role_name}",
                    "policy_name": "${alicloud_ram_policy.function.policy_name}",
                    "policy_type": "Custom",
                },
                "own": {
                    "count": "${length(var.policies)}",
                    "role_name": "${alicloud_ram_role.function.role_name}",
                    "policy_name": "${var.policies[count.index]}",
                    "policy_type": "Custom",
                },
            },
            "alicloud_fcv3_function": functions,
            "alicloud_fcv3_async_invoke_config": events,
            "alicloud_fcv3_trigger": {
                "sweep": {
                    "function_name": "${alicloud_fcv3_function.sweeper.function_name}",
                    "qualifier": QUALIFIER,
                    "trigger_name": "sweep",
                    "trigger_type": "timer",
                    "trigger_config": json!({ "cronExpression": SWEEP, "enable": true }).to_string(),
                },
            },
        },
        "output": { "functions": { "value": names } },
    })
}

fn resource(described: &Described, settings: &Settings, place: &Place<'_>, function: &Function) -> Value {
    let label = &function.function;
    let mut resource = json!({
        "function_name": function.name,
        // The platform has no hash of a zip to compare with: this one is what changes.
        "description": format!(
            "{label} of {} {}, {}",
            described.workflow(),
            described.short_deployment(),
            &hex(place.zip_sha256)[..16],
        ),
        "role": "${alicloud_ram_role.function.arn}",
        "runtime": place.runtime,
        "handler": HANDLER,
        "cpu": cpu(function.memory_mb, function.cpu_milli),
        "memory_size": function.memory_mb,
        "disk_size": DISK_MB,
        "timeout": function.timeout_s,
        "instance_concurrency": "${var.instance_concurrency}",
        "internet_access": true,
        "environment_variables": format!("${{merge(var.environment, local.environment[\"{label}\"])}}"),
        "log_config": [{
            "project": "${var.log_project}",
            "logstore": "${var.log_store}",
            "log_begin_rule": "None",
        }],
        "depends_on": ["alicloud_ram_role_policy_attachment.function"],
    });
    if function.gpu_gb > 0 {
        // Events would share the card.
        resource["instance_concurrency"] = 1.into();
        resource["runtime"] = "custom-container".into();
        resource["custom_container_config"] = json!([{ "image": "${var.gpu_image}", "port": PORT }]);
        let card = settings.gpu_type(place.cloud);
        resource["gpu_config"] = json!([{ "gpu_memory_size": function.gpu_gb * 1024, "gpu_type": card }]);
    } else {
        let zip = format!("${{filebase64(\"${{path.module}}/{}\")}}", place.zip);
        resource["code"] = json!([{ "zip_file": zip }]);
        resource["custom_runtime_config"] = json!([{ "command": [COMMAND], "port": PORT }]);
    }
    resource
}

/// What becomes of failed events. What the sweeper fails at goes nowhere: the run stays in the run index, and a
/// later sweep comes to it.
fn event_config(label: &str) -> Value {
    let mut config = json!({
        "function_name": format!("${{alicloud_fcv3_function.{label}.function_name}}"),
        "qualifier": QUALIFIER,
        // A record of each task would take time, and repeated invocations are harmless without it.
        "async_task": false,
        "max_async_retry_attempts": REDELIVERIES,
        "max_async_event_age_in_seconds": EVENT_AGE_S,
    });
    if label != SWEEPER {
        let sweeper = "${alicloud_fcv3_function.sweeper.function_arn}";
        config["destination_config"] = json!([{ "on_failure": [{ "destination": sweeper }] }]);
    }
    config
}

fn trust() -> Value {
    json!({
        "Version": "1",
        "Statement": [{
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": { "Service": ["fc.aliyuncs.com"] },
        }],
    })
}

/// What the functions may do: exactly what the backend and the platform do in their name.
fn policy(described: &Described, settings: &Settings) -> Value {
    let allow = |actions: &[&str], resources: Vec<String>| json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
    let (mut tables, mut objects, mut buckets) = (Vec::new(), Vec::new(), Vec::new());
    let (mut functions, mut logs) = (Vec::new(), Vec::new());
    for (cloud, region) in described.clouds() {
        let get = |key: &str| literal(settings.get(cloud, key));
        let (instance, table) = table_of(settings, cloud);
        let (instance, table, bucket) = (literal(instance), literal(table), get("bucket"));
        for table in [index_of(&table), table] {
            tables.push(format!("acs:ots:{region}:*:instance/{instance}/table/{table}"));
        }
        objects.push(format!("acs:oss:*:*:{bucket}/*"));
        logs.push(format!("acs:log:{region}:*:project/{bucket}/logstore/functions"));
        for name in names(described, cloud) {
            functions.push(format!("acs:fc:{region}:*:functions/{name}"));
            functions.push(format!("acs:fc:{region}:*:functions/{name}/*"));
        }
        buckets.push(format!("acs:oss:*:*:{bucket}"));
    }
    let rows =
        ["ots:BatchGetRow", "ots:DeleteRow", "ots:GetRange", "ots:GetRow", "ots:PutRow", "ots:UpdateRow"];
    json!({
        "Version": "1",
        "Statement": [
            allow(&rows, tables),
            allow(&["oss:DeleteObject", "oss:GetObject", "oss:PutObject"], objects),
            allow(&["oss:ListObjects"], buckets),
            allow(&["fc:InvokeFunction"], functions),
            allow(&["log:PostLogStoreLogs"], logs),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{described::sample, platform::Provider};

    fn module_of(described: &Described) -> Value {
        let settings = Settings::complete(None, described, &[], "place").unwrap();
        let place = Place {
            cloud: "ALI",
            region: "cn-hongkong",
            zip: "bootstrap.zip",
            zip_sha256: &[0; 32],
            runtime: "custom.debian11",
            architecture: "x86_64",
        };
        module(described, &settings, &place)
    }

    #[test]
    fn a_function_with_a_gpu_is_a_container() {
        let mut described = sample::described(Provider::Aliyun);
        let plain = &module_of(&described)["resource"]["alicloud_fcv3_function"]["cut"];
        assert_eq!(plain["runtime"], "custom.debian11");
        assert_eq!(plain["cpu"], 0.5);
        assert_eq!(plain["instance_concurrency"], "${var.instance_concurrency}");
        described.functions[0].gpu_gb = 8;
        let with_gpu = &module_of(&described)["resource"]["alicloud_fcv3_function"]["cut"];
        assert_eq!(with_gpu["runtime"], "custom-container");
        let expected = json!([{ "gpu_memory_size": 8192, "gpu_type": "fc.gpu.tesla.1" }]);
        assert_eq!(with_gpu["gpu_config"], expected);
        assert_eq!(with_gpu["instance_concurrency"], 1);
        assert!(with_gpu.get("code").is_none());
    }

    #[test]
    fn events_that_failed_go_to_the_sweeper_and_its_own_nowhere() {
        let module = module_of(&sample::described(Provider::Aliyun));
        let configs = &module["resource"]["alicloud_fcv3_async_invoke_config"];
        let destination = &configs["cut"]["destination_config"][0]["on_failure"][0]["destination"];
        assert_eq!(destination, "${alicloud_fcv3_function.sweeper.function_arn}");
        assert!(configs["sweeper"].get("destination_config").is_none(), "{configs}");
        assert!(!module.to_string().contains("queue"), "{module}");
    }

    #[test]
    fn the_sweeper_is_told_how_many_events_an_instance_takes_at_once() {
        let module = module_of(&sample::described(Provider::Aliyun));
        let environment = &module["locals"]["environment"];
        assert_eq!(environment["sweeper"][AT_ONCE], "${tostring(var.instance_concurrency)}");
        assert!(environment["cut"].get(AT_ONCE).is_none(), "only the sweeper asks: {environment}");
    }

    #[test]
    fn the_policy_names_what_is_the_workflows_and_nothing_else() {
        let module = module_of(&sample::described(Provider::Aliyun));
        let policy =
            module["resource"]["alicloud_ram_policy"]["function"]["policy_document"].as_str().unwrap();
        let policy: Value = serde_json::from_str(policy).unwrap();
        for statement in policy["Statement"].as_array().unwrap() {
            for resource in statement["Resource"].as_array().unwrap() {
                let resource = resource.as_str().unwrap();
                assert!(resource.contains("two-seas") || resource.contains("two_seas"), "{resource}");
            }
        }
    }
}
