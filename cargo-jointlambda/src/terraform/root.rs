//! The root module of a provider: a provider block for each region, and a module for each store and
//! for the functions of each deployment.
//!
//! Everything goes by region, not by the name that the workflow gives a cloud: another name moves
//! nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{described::short, settings::HomeTable};

/// Which Terraform the documents are written for.
const TERRAFORM: &str = ">= 1.5.0";

/// What differs between the roots of two providers.
pub(crate) struct Spec {
    /// Terraform's name of the provider.
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    /// Which versions the documents are written for.
    pub(crate) version: &'static str,
    /// What a provider block has beside its region, for a workflow.
    pub(crate) provider: fn(&str) -> Value,
    /// The root's variables.
    pub(crate) variables: fn() -> Value,
    /// Those of them that stores and functions are given.
    pub(crate) store_variables: &'static [&'static str],
    pub(crate) function_variables: &'static [&'static str],
}

/// What the root needs to know of one deployment: kept beside the deployment's own module, so that a
/// later root can still have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The deployment's id in full; nothing where functions were named by their definition alone.
    #[serde(default)]
    pub(crate) deployment: Option<String>,
    /// The definition's hash in full.
    pub(crate) definition: String,
    /// The table with its run rows; not known of what was built before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) home: Option<HomeTable>,
    /// By region.
    pub(crate) regions: BTreeMap<String, Region>,
}

/// The calls of modules that a deployment needs in one region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Region {
    /// The name of the cloud in the workflow.
    pub(crate) cloud: String,
    pub(crate) store: Map<String, Value>,
    /// The module that has the store, unless it is called as the first one of the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) store_module: Option<String>,
    pub(crate) functions: Map<String, Value>,
}

impl Entry {
    /// What its functions are named by, in full.
    pub(crate) fn id(&self) -> &str {
        self.deployment.as_deref().unwrap_or(&self.definition)
    }

    /// The same as it is in names.
    pub(crate) fn short(&self) -> &str {
        short(self.id())
    }
}

impl Region {
    /// The module that has the store in `region`.
    pub(crate) fn store_module(&self, region: &str) -> String {
        self.store_module.clone().unwrap_or_else(|| format!("store-{region}"))
    }
}

impl Spec {
    /// The call of a module in `region`: `arguments`, and variables of the root.
    fn call(&self, source: &str, region: &str, variables: &[&str], arguments: Value) -> Map<String, Value> {
        let mut call = object(arguments);
        call.insert("source".into(), source.into());
        call.insert("providers".into(), json!({ self.name: format!("{}.{region}", self.name) }));
        call.extend(variables.iter().map(|name| ((*name).to_owned(), format!("${{var.{name}}}").into())));
        call
    }

    /// The call of a region's store.
    pub(crate) fn call_store(&self, region: &str, arguments: Value) -> Map<String, Value> {
        self.call("./store", region, self.store_variables, arguments)
    }

    /// The call of a deployment's functions in `region`.
    pub(crate) fn call_functions(&self, source: &str, region: &str, arguments: Value) -> Map<String, Value> {
        self.call(source, region, self.function_variables, arguments)
    }

    /// The root for all `entries`. Where two say something of one store, the last one counts, but of two
    /// numbers, such as how long rows stay, the larger one: runs of each are in it.
    pub(crate) fn root(&self, workflow: &str, entries: &[Entry]) -> Value {
        let (mut regions, mut stores) = (BTreeMap::new(), BTreeMap::new());
        let mut modules = Map::new();
        let mut functions = Map::new();
        for entry in entries {
            let deployment = entry.short();
            let mut names = Map::new();
            for (region, calls) in &entry.regions {
                let module = format!("functions-{deployment}-{region}");
                names.insert(region.clone(), format!("${{module.{module}.functions}}").into());
                modules.insert(module, Value::Object(calls.functions.clone()));
                add_to_store(stores.entry(calls.store_module(region)).or_default(), &calls.store);
                regions.insert(region, &calls.cloud);
            }
            functions.insert(deployment.to_owned(), Value::Object(names));
        }
        let providers = regions.keys().map(|region| {
            let mut provider = object((self.provider)(workflow));
            provider.insert("alias".into(), region.as_str().into());
            provider.insert("region".into(), region.as_str().into());
            Value::Object(provider)
        });
        let of_stores = |output: &str| {
            let values = stores.keys().map(|module: &String| {
                let name = module.trim_start_matches("store-");
                (name.to_owned(), format!("${{module.{module}.{output}}}").into())
            });
            values.collect::<Map<String, Value>>()
        };
        let (tables, buckets) = (of_stores("table"), of_stores("bucket"));
        modules.extend(stores.into_iter().map(|(module, call)| (module, Value::Object(call))));
        json!({
            "//": super::note(),
            "terraform": {
                "required_version": TERRAFORM,
                "required_providers": { self.name: { "source": self.source, "version": self.version } },
            },
            "provider": { self.name: providers.collect::<Vec<_>>() },
            "variable": (self.variables)(),
            "module": modules,
            "output": {
                "functions": output("The names of the functions, by deployment, region and function.", functions),
                "tables": output("The tables, by store: the region, and what tells two of it apart.", tables),
                "buckets": output("The buckets, by store.", buckets),
            },
        })
    }
}

/// Adds what a later deployment says of a store.
pub(crate) fn add_to_store(store: &mut Map<String, Value>, call: &Map<String, Value>) {
    for (key, value) in call {
        let is_lower = match (store.get(key).and_then(Value::as_u64), value.as_u64()) {
            (Some(there), Some(value)) => value < there,
            _ => false,
        };
        if !is_lower {
            store.insert(key.clone(), value.clone());
        }
    }
}

/// An output of all stores, by their modules, as a list.
pub(crate) fn of_stores<'a>(modules: impl Iterator<Item = &'a str>, output: &str) -> Vec<String> {
    modules.map(|module| format!("${{module.{module}.{output}}}")).collect()
}

fn output(description: &str, value: Map<String, Value>) -> Value {
    json!({ "description": description, "value": value })
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
    use crate::terraform::aws;

    fn entry(deployment: &str, regions: &[&str], table: &str) -> Entry {
        let calls = |region: &&str| {
            let region_calls = Region {
                cloud: "AWS".into(),
                store: aws::ROOT.call_store(region, json!({ "table": table, "object_days": table.len() })),
                store_module: None,
                functions: aws::ROOT.call_functions(
                    "./x",
                    region,
                    json!({ "a": of_stores(regions.iter().copied(), "table_arn") }),
                ),
            };
            ((*region).to_owned(), region_calls)
        };
        Entry {
            deployment: Some(deployment.into()),
            definition: "9999999900000000".into(),
            home: None,
            regions: regions.iter().map(calls).collect(),
        }
    }

    #[test]
    fn every_deployment_keeps_its_functions_and_regions() {
        let old = entry("1111111100000000", &["us-east-1", "eu-west-1"], "old");
        let new = entry("2222222200000000", &["us-east-1"], "new");
        let root = aws::ROOT.root("w", &[old, new]);
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
        assert_eq!(root["output"]["tables"]["value"]["eu-west-1"], "${module.store-eu-west-1.table}");
        let aliases: Vec<_> =
            root["provider"]["aws"].as_array().unwrap().iter().map(|p| &p["alias"]).collect();
        assert_eq!(aliases, ["eu-west-1", "us-east-1"]);
        let tables = &root["module"]["functions-11111111-eu-west-1"]["a"];
        assert_eq!(tables.as_array().unwrap().len(), 2);
    }

    #[test]
    fn what_is_stored_stays_as_long_as_any_deployment_needs_it() {
        let days = |first: &str, last: &str| {
            let [first, last] = [first, last].map(|table| entry("1111111100000000", &["us-east-1"], table));
            aws::ROOT.root("w", &[first, last])["module"]["store-us-east-1"]["object_days"].clone()
        };
        assert_eq!([days("four", "fifth"), days("fifth", "four")], [5, 5]);
    }

    #[test]
    fn an_entry_is_what_it_was_when_it_is_read_again() {
        let entry = entry("1111111100000000", &["us-east-1"], "t");
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        // One that was written when functions were named by their definition.
        let old = text.replace(r#""deployment":"1111111100000000","#, "");
        assert_eq!(serde_json::from_str::<Entry>(&old).unwrap().short(), "99999999");
    }
}
