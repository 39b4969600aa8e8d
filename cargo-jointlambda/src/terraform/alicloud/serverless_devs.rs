//! `s.yaml`: the functions for Serverless Devs, for those who deploy with it. The stores and the role
//! are Terraform's, or the user's own.

use serde_json::{Map, Value, json};

use super::{
    AT_ONCE, COMMAND, DISK_MB, EVENT_AGE_S, HANDLER, PORT, QUALIFIER, REDELIVERIES, SWEEP, SWEEPER, cpu,
    deployed,
};
use crate::{
    described::{Described, Function},
    settings::Settings,
    terraform::{Place, environment, yaml},
};

/// The document, as text.
pub(crate) fn document(described: &Described, settings: &Settings, place: &Place<'_>) -> String {
    let functions = deployed(described, place.cloud);
    let resources: Map<_, _> = functions
        .iter()
        .map(|function| {
            let props = props(described, settings, place, function);
            (function.function.clone(), json!({ "component": "fc3", "props": props }))
        })
        .collect();
    let document = json!({
        "edition": "3.0.0",
        "name": described.workflow(),
        "access": "default",
        "vars": {
            "region": place.region,
            "role": "${env('JOINTLAMBDA_ROLE')}",
            "account": "${env('ALIBABA_CLOUD_ACCOUNT_ID')}",
            "gpu_image": "${env('JOINTLAMBDA_GPU_IMAGE', '')}",
        },
        "resources": resources,
    });
    let head = format!(
        "# {}\n# The environment gives the role of the functions (an ARN) and the number of the account.\n\
         # If you raise an `instanceConcurrency`, set {AT_ONCE} of the sweeper to the same number.\n",
        crate::terraform::note()
    );
    head + &yaml::text(&document)
}

fn props(described: &Described, settings: &Settings, place: &Place<'_>, function: &Function) -> Value {
    let on_failure =
        format!("acs:fc:${{vars.region}}:${{vars.account}}:functions/{}", described.sweeper.name);
    let mut props = json!({
        "region": "${vars.region}",
        "functionName": function.name,
        "description": format!("{} of {} {}", function.function, described.workflow(), described.short_deployment()),
        "runtime": place.runtime,
        "handler": HANDLER,
        "cpu": cpu(function.memory_mb, function.cpu_milli),
        "memorySize": function.memory_mb,
        "diskSize": DISK_MB,
        "timeout": function.timeout_s,
        "instanceConcurrency": 1,
        "internetAccess": true,
        "role": "${vars.role}",
        "environmentVariables": environment(settings, place.cloud, &function.function),
        "asyncInvokeConfig": {
            "qualifier": QUALIFIER,
            "asyncTask": false,
            "maxAsyncRetryAttempts": REDELIVERIES,
            "maxAsyncEventAgeInSeconds": EVENT_AGE_S,
        },
    });
    if function.function == SWEEPER {
        props["triggers"] = json!([{
            "triggerName": "sweep",
            "triggerType": "timer",
            "qualifier": QUALIFIER,
            "triggerConfig": { "cronExpression": SWEEP, "enable": true },
        }]);
    } else {
        props["asyncInvokeConfig"]["destinationConfig"] =
            json!({ "onFailure": { "destination": on_failure } });
    }
    if function.gpu_gb > 0 {
        props["runtime"] = "custom-container".into();
        props["customContainerConfig"] = json!({ "image": "${vars.gpu_image}", "port": PORT });
        let card = settings.gpu_type(place.cloud);
        props["gpuConfig"] = json!({ "gpuMemorySize": function.gpu_gb * 1024, "gpuType": card });
    } else {
        props["code"] = format!("./{}", place.zip).into();
        props["customRuntimeConfig"] = json!({ "command": [COMMAND], "port": PORT });
    }
    props
}
