//! A region's store: the instance with the table in which outcomes are decided, the bucket for what is
//! too large, and the logs. One for all deployments of a workflow.
//!
//! The names of the tables' keys are the backend's; nothing else here is.

use serde_json::{Value, json};

use crate::{described::Described, settings::Settings};

/// The key of a row.
const KEY: &str = "key";
/// The runs that are to be looked at are in a table of their own: a secondary index would take away
/// the expiry of rows that change.
const INDEX_SUFFIX: &str = "_due";
const INDEX_HASH: &str = "shard";
const INDEX_RANGE: &str = "check_at";
const DAY_S: u64 = 24 * 3600;

/// What the root gives the module, beside its own variables.
pub(crate) fn arguments(described: &Described, settings: &Settings, cloud: &str) -> Value {
    let (instance, table) = table_of(settings, cloud);
    json!({
        "instance": instance,
        "table": table,
        "bucket": settings.get(cloud, "bucket"),
        "object_days": described.object_days(),
        "row_seconds": described.object_days() * DAY_S,
    })
}

/// The instance of a cloud, and the table in it.
pub(super) fn table_of<'a>(settings: &'a Settings, cloud: &str) -> (&'a str, &'a str) {
    settings.get(cloud, "table").split_once('/').unwrap_or_default()
}

/// The table of the run index that belongs to a table.
pub(super) fn index_of(table: &str) -> String {
    format!("{table}{INDEX_SUFFIX}")
}

/// The module.
pub(crate) fn module() -> Value {
    let table = |name: &str, keys: &[(&str, &str)]| {
        let keys = keys.iter().map(|(name, kind)| json!({ "name": name, "type": kind }));
        json!({
            "instance_name": "${alicloud_ots_instance.rows.name}",
            "table_name": name,
            "primary_key": keys.collect::<Vec<_>>(),
            "time_to_live": "${var.row_seconds}",
            "max_version": 1,
        })
    };
    let index_keys = [(INDEX_HASH, "String"), (INDEX_RANGE, "Integer"), (KEY, "String")];
    json!({
        "//": crate::terraform::note(),
        "terraform": { "required_providers": { "alicloud": { "source": "aliyun/alicloud" } } },
        "variable": {
            "instance": { "type": "string", "description": "The name of the TableStore instance." },
            "table": { "type": "string", "description": "The name of the table." },
            "bucket": { "type": "string", "description": "The name of the bucket, and of the log project." },
            "object_days": { "type": "number", "description": "After how many days an object goes." },
            "row_seconds": { "type": "number", "description": "How long after its last change a row goes." },
            "keep_data": { "type": "bool", "description": "Whether data is protected from being destroyed." },
            "log_retention_days": { "type": "number", "description": "How many days logs are kept." },
        },
        "resource": {
            "alicloud_ots_instance": {
                "rows": { "name": "${var.instance}", "accessed_by": "Any", "instance_type": "HighPerformance" },
            },
            "alicloud_ots_table": {
                "rows": table("${var.table}", &[(KEY, "String")]),
                "runs": table(&index_of("${var.table}"), &index_keys),
            },
            "alicloud_oss_bucket": {
                "objects": {
                    "bucket": "${var.bucket}",
                    "force_destroy": "${!var.keep_data}",
                    "lifecycle_rule": [{
                        "id": "expire",
                        "enabled": true,
                        "prefix": "",
                        "expiration": [{ "days": "${var.object_days}" }],
                    }],
                    "server_side_encryption_rule": [{ "sse_algorithm": "AES256" }],
                },
            },
            "alicloud_oss_bucket_acl": {
                "objects": { "bucket": "${alicloud_oss_bucket.objects.bucket}", "acl": "private" },
            },
            "alicloud_oss_bucket_public_access_block": {
                "objects": {
                    "bucket": "${alicloud_oss_bucket.objects.bucket}", "block_public_access": true,
                },
            },
            "alicloud_log_project": { "logs": { "project_name": "${var.bucket}" } },
            "alicloud_log_store": {
                "logs": {
                    "project_name": "${alicloud_log_project.logs.project_name}",
                    "logstore_name": "functions",
                    "retention_period": "${var.log_retention_days}",
                },
            },
        },
        "output": {
            "table": { "value": "${alicloud_ots_table.rows.table_name}" },
            "bucket": { "value": "${alicloud_oss_bucket.objects.bucket}" },
            "log_project": { "value": "${alicloud_log_project.logs.project_name}" },
            "log_store": { "value": "${alicloud_log_store.logs.logstore_name}" },
        },
    })
}
