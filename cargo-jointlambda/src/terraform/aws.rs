//! AWS: Lambda, DynamoDB, S3.

pub(crate) mod functions;
pub(crate) mod store;

use serde_json::{Value, json};

use super::root::Spec;

/// The root for AWS.
pub(crate) const ROOT: Spec = Spec {
    name: "aws",
    source: "hashicorp/aws",
    version: ">= 5.100.0, < 6.0.0",
    provider: |workflow| json!({ "default_tags": [{ "tags": { "jointlambda:workflow": workflow } }] }),
    variables,
    store_variables: &["keep_data"],
    function_variables: &["environment", "log_retention_days", "policy_arns"],
};

fn variables() -> Value {
    json!({
        "environment": {
            "type": "map(string)",
            "description": "More environment variables of every function, such as RUST_LOG, or credentials \
                            for the workflow's other clouds.",
            "default": {},
            "sensitive": true,
        },
        "keep_data": {
            "type": "bool",
            "description": "Whether tables, and buckets with objects in them, are protected from being \
                            destroyed.",
            "default": true,
        },
        "log_retention_days": {
            "type": "number",
            "description": "How many days the functions' logs are kept.",
            "default": 30,
        },
        "policy_arns": {
            "type": "list(string)",
            "description": "Policies that the functions' own code needs, beside what the workflow needs.",
            "default": [],
        },
    })
}
