//! A region's store: the table in which outcomes are decided, and the bucket for what is too large.
//! One for all deployments of a workflow, so that a key finds its run whatever version began it.
//!
//! The names of the table's attributes and of its index are the backend's; nothing else here is.

use serde_json::{Value, json};

use crate::{described::Described, settings::Settings};

/// The key of a row.
const KEY: &str = "key";
/// The index of runs that are to be looked at, with its two keys: a constant one, and the time.
pub(crate) const INDEX: &str = "due";
const INDEX_HASH: &str = "shard";
const INDEX_RANGE: &str = "check_at";
/// When a row may go, in seconds since the epoch.
const EXPIRY: &str = "expires_at";

/// What the root gives the module, beside its own variables.
pub(crate) fn arguments(described: &Described, settings: &Settings, cloud: &str) -> Value {
    json!({
        "table": settings.get(cloud, "table"),
        "bucket": settings.get(cloud, "bucket"),
        "object_days": described.object_days(),
    })
}

/// The module.
pub(crate) fn module() -> Value {
    json!({
        "//": crate::terraform::note(),
        "terraform": { "required_providers": { "aws": { "source": "hashicorp/aws" } } },
        "variable": {
            "table": { "type": "string", "description": "The name of the table." },
            "bucket": { "type": "string", "description": "The name of the bucket." },
            "object_days": { "type": "number", "description": "After how many days an object goes." },
            "keep_data": { "type": "bool", "description": "Whether data is protected from being destroyed." },
        },
        "resource": {
            "aws_dynamodb_table": { "rows": table() },
            "aws_s3_bucket": {
                "objects": { "bucket": "${var.bucket}", "force_destroy": "${!var.keep_data}" },
            },
            "aws_s3_bucket_public_access_block": {
                "objects": {
                    "bucket": "${aws_s3_bucket.objects.id}",
                    "block_public_acls": true,
                    "block_public_policy": true,
                    "ignore_public_acls": true,
                    "restrict_public_buckets": true,
                },
            },
            "aws_s3_bucket_ownership_controls": {
                "objects": {
                    "bucket": "${aws_s3_bucket.objects.id}",
                    "rule": [{ "object_ownership": "BucketOwnerEnforced" }],
                },
            },
            "aws_s3_bucket_server_side_encryption_configuration": {
                "objects": {
                    "bucket": "${aws_s3_bucket.objects.id}",
                    "rule": [{ "apply_server_side_encryption_by_default": [{ "sse_algorithm": "AES256" }] }],
                },
            },
            "aws_s3_bucket_lifecycle_configuration": {
                "objects": {
                    "bucket": "${aws_s3_bucket.objects.id}",
                    "rule": [{
                        "id": "expire",
                        "status": "Enabled",
                        "filter": [{ "prefix": "" }],
                        "expiration": [{ "days": "${var.object_days}" }],
                        "abort_incomplete_multipart_upload": [{ "days_after_initiation": 1 }],
                    }],
                },
            },
        },
        "output": {
            "table": { "value": "${aws_dynamodb_table.rows.name}" },
            "table_arn": { "value": "${aws_dynamodb_table.rows.arn}" },
            "bucket": { "value": "${aws_s3_bucket.objects.id}" },
            "bucket_arn": { "value": "${aws_s3_bucket.objects.arn}" },
        },
    })
}

fn table() -> Value {
    json!({
        "name": "${var.table}",
        "billing_mode": "PAY_PER_REQUEST",
        "hash_key": KEY,
        "attribute": [
            { "name": KEY, "type": "S" },
            { "name": INDEX_HASH, "type": "S" },
            { "name": INDEX_RANGE, "type": "N" },
        ],
        "global_secondary_index": [{
            "name": INDEX,
            "hash_key": INDEX_HASH,
            "range_key": INDEX_RANGE,
            "projection_type": "KEYS_ONLY",
        }],
        "ttl": [{ "attribute_name": EXPIRY, "enabled": true }],
        "deletion_protection_enabled": "${var.keep_data}",
    })
}
