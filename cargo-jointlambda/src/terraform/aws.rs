//! The root module for AWS: a provider for each region, and a module for each store and for the
//! functions of each definition.
//!
//! Everything goes by region, not by the name that the workflow gives a cloud: another name moves
//! nothing.

pub(crate) mod functions;
pub(crate) mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Which Terraform and which provider the documents are written for.
const TERRAFORM: &str = ">= 1.5.0";
const PROVIDER: &str = ">= 5.100.0, < 6.0.0";

/// What the root needs to know of one definition: kept beside the definition's own module, so that a
/// later root can still have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The definition's hash in full.
    pub(crate) definition: String,
    /// By region.
    pub(crate) regions: BTreeMap<String, Region>,
}

/// The calls of modules that a definition needs in one region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Region {
    /// The name of the cloud in the workflow.
    pub(crate) cloud: String,
    pub(crate) store: Map<String, Value>,
    pub(crate) functions: Map<String, Value>,
}

impl Entry {
    /// The hash as it is in names.
    pub(crate) fn short_hash(&self) -> &str {
        &self.definition[..8.min(self.definition.len())]
    }
}

/// The call of a region's store.
pub(crate) fn call_store(region: &str, table: &str, bucket: &str, object_days: u64) -> Map<String, Value> {
    object(json!({
        "source": "./store",
        "providers": { "aws": format!("aws.{region}") },
        "table": table,
        "bucket": bucket,
        "object_days": object_days,
        "keep_data": "${var.keep_data}",
    }))
}

/// The call of a definition's functions in `region`; `regions` are all that the definition is in.
pub(crate) fn call_functions<'a>(
    source: &str,
    region: &str,
    regions: impl Iterator<Item = &'a str> + Clone,
) -> Map<String, Value> {
    let of_stores = |output: &str| {
        regions.clone().map(|region| format!("${{module.store-{region}.{output}}}")).collect::<Vec<_>>()
    };
    object(json!({
        "source": source,
        "providers": { "aws": format!("aws.{region}") },
        "table_arns": of_stores("table_arn"),
        "bucket_arns": of_stores("bucket_arn"),
        "environment": "${var.environment}",
        "log_retention_days": "${var.log_retention_days}",
        "policy_arns": "${var.policy_arns}",
    }))
}

/// The root for all `entries`; where two say something of one store, the last one counts.
pub(crate) fn root(workflow: &str, entries: &[Entry]) -> Value {
    let mut regions = BTreeMap::new();
    let mut modules = Map::new();
    let mut functions = Map::new();
    let mut dead_letters = Map::new();
    for entry in entries {
        let hash = entry.short_hash();
        let (mut names, mut queues) = (Map::new(), Map::new());
        for (region, calls) in &entry.regions {
            let module = format!("functions-{hash}-{region}");
            names.insert(region.clone(), format!("${{module.{module}.functions}}").into());
            queues.insert(region.clone(), format!("${{module.{module}.dead_letters}}").into());
            modules.insert(module, Value::Object(calls.functions.clone()));
            modules.insert(format!("store-{region}"), Value::Object(calls.store.clone()));
            regions.insert(region, &calls.cloud);
        }
        functions.insert(hash.to_owned(), Value::Object(names));
        dead_letters.insert(hash.to_owned(), Value::Object(queues));
    }
    let providers = regions.keys().map(|region| {
        json!({
            "alias": region,
            "region": region,
            "default_tags": [{ "tags": { "jointlambda:workflow": workflow } }],
        })
    });
    let of_stores = |output: &str| {
        let values = regions
            .keys()
            .map(|region| ((*region).clone(), Value::from(format!("${{module.store-{region}.{output}}}"))));
        values.collect::<Map<_, _>>()
    };
    json!({
        "//": super::note(),
        "terraform": {
            "required_version": TERRAFORM,
            "required_providers": { "aws": { "source": "hashicorp/aws", "version": PROVIDER } },
        },
        "provider": { "aws": providers.collect::<Vec<_>>() },
        "variable": variables(),
        "module": modules,
        "output": {
            "functions": output("The names of the functions, by definition, region and function.", functions),
            "dead_letters": output(
                "The queues of events that even a sweeper could not take, by definition and region.",
                dead_letters,
            ),
            "tables": output("The tables, by region.", of_stores("table")),
            "buckets": output("The buckets, by region.", of_stores("bucket")),
        },
    })
}

fn output(description: &str, value: Map<String, Value>) -> Value {
    json!({ "description": description, "value": value })
}

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

/// The object that `json!({…})` is.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => unreachable!("not an object: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(definition: &str, regions: &[&str], table: &str) -> Entry {
        let calls = |region: &&str| {
            let region_calls = Region {
                cloud: "AWS".into(),
                store: call_store(region, table, "bucket", 16),
                functions: call_functions("./x", region, regions.iter().copied()),
            };
            ((*region).to_owned(), region_calls)
        };
        Entry { definition: definition.into(), regions: regions.iter().map(calls).collect() }
    }

    #[test]
    fn every_definition_keeps_its_functions_and_regions() {
        let old = entry("1111111100000000", &["us-east-1", "eu-west-1"], "old");
        let new = entry("2222222200000000", &["us-east-1"], "new");
        let root = root("w", &[old, new]);
        let modules: Vec<_> = root["module"].as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "functions-11111111-eu-west-1",
            "functions-11111111-us-east-1",
            "functions-22222222-us-east-1",
            "store-eu-west-1",
            "store-us-east-1",
        ];
        assert_eq!(modules, expected);
        assert_eq!(root["module"]["store-us-east-1"]["table"], "new");
        assert_eq!(root["module"]["store-eu-west-1"]["table"], "old");
        let aliases: Vec<_> =
            root["provider"]["aws"].as_array().unwrap().iter().map(|p| &p["alias"]).collect();
        assert_eq!(aliases, ["eu-west-1", "us-east-1"]);
        let tables = &root["module"]["functions-11111111-eu-west-1"]["table_arns"];
        assert_eq!(tables.as_array().unwrap().len(), 2);
    }

    #[test]
    fn an_entry_is_what_it_was_when_it_is_read_again() {
        let entry = entry("1111111100000000", &["us-east-1"], "t");
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }
}
