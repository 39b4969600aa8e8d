//! A root module of Terraform and the modules that it calls: variables, locals, outputs, and what resources
//! refer to, by names.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::evaluate::{self, Scope};
use crate::aliyun::ACCOUNT;

/// How far references refer to others: more go in a circle.
const DEEPEST: u32 = 64;
/// What a resource may have that is not its provider's.
const OF_TERRAFORM: [&str; 2] = ["count", "depends_on"];

/// A resource, with all expressions evaluated.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Where it is in the documents.
    pub address: String,
    /// What the provider calls its kind.
    pub kind: String,
    /// Its fields.
    pub fields: Value,
}

/// A document, where it is, and what it is given.
struct Module<'r> {
    address: String,
    document: Value,
    folder: PathBuf,
    given: Map<String, Value>,
    /// Of the provider: of modules that are called.
    region: Option<String>,
    /// The index of the resource that is evaluated.
    count: Cell<Option<u64>>,
    depth: &'r Cell<u32>,
}

/// All resources of the root in `folder`.
pub(super) fn resources(folder: &Path, variables: &Map<String, Value>) -> Result<Vec<Resource>, String> {
    let depth = Cell::new(0);
    let root = Module::read("root".to_owned(), folder, variables.clone(), None, &depth)?;
    let mut found = Vec::new();
    for name in root.section("module").keys() {
        found.extend(root.called(name)?.resources()?);
    }
    if !root.section("resource").is_empty() {
        return Err("the root has resources of its own".to_owned());
    }
    for name in root.section("output").keys() {
        root.value_at(&["output", name, "value"])?;
    }
    Ok(found)
}

impl<'r> Module<'r> {
    fn read(
        address: String,
        folder: &Path,
        given: Map<String, Value>,
        region: Option<String>,
        depth: &'r Cell<u32>,
    ) -> Result<Self, String> {
        let path = folder.join("main.tf.json");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let document: Value =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let folder = folder.to_owned();
        let module = Module { address, document, folder, given, region, count: Cell::new(None), depth };
        module.check()?;
        Ok(module)
    }

    /// What is given is what there are variables for.
    fn check(&self) -> Result<(), String> {
        let (at, variables) = (&self.address, self.section("variable"));
        if let Some(name) = self.given.keys().find(|name| !variables.contains_key(*name)) {
            return Err(format!("{at} is given `{name}`, which it has no variable for"));
        }
        for (name, about) in &variables {
            let value = self.given.get(name).or(about.get("default"));
            let value = value.ok_or_else(|| format!("{at} is not given `{name}`"))?;
            let kind = about["type"].as_str().unwrap_or_default();
            if !is_of(kind, value) {
                return Err(format!("`{name}` of {at} is {value}, no {kind}"));
            }
        }
        let known =
            ["//", "data", "locals", "module", "output", "provider", "resource", "terraform", "variable"];
        let mut keys = self.document.as_object().into_iter().flat_map(Map::keys);
        match keys.find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(format!("{at} has `{key}`, which is not known")),
            None => Ok(()),
        }
    }

    fn section(&self, name: &str) -> Map<String, Value> {
        self.document.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// What stands at a place of the document, evaluated.
    fn value_at(&self, path: &[&str]) -> Result<Value, String> {
        let at = || format!("{} of {}", path.join("."), self.address);
        let found = path.iter().try_fold(&self.document, |value, key| value.get(key));
        let found = found.ok_or_else(|| format!("there is no {}", at()))?;
        if self.depth.get() >= DEEPEST {
            return Err(format!("{} refers to itself", at()));
        }
        self.depth.set(self.depth.get() + 1);
        let value = evaluate::value(found, self);
        self.depth.set(self.depth.get() - 1);
        value
    }

    /// A module that this one calls.
    fn called(&self, name: &str) -> Result<Module<'r>, String> {
        let Value::Object(mut call) = self.value_at(&["module", name])? else {
            return Err(format!("module.{name} is no object"));
        };
        let mut take = |key: &str| call.remove(key).ok_or_else(|| format!("module.{name} has no `{key}`"));
        let (source, providers) = (take("source")?, take("providers")?);
        let alias = providers["alicloud"].as_str().and_then(|alias| alias.strip_prefix("alicloud."));
        let mut blocks = self.document["provider"]["alicloud"].as_array().into_iter().flatten();
        let region = alias.and_then(|alias| blocks.find(|block| block["alias"] == alias)?["region"].as_str());
        let region = region.ok_or_else(|| format!("module.{name} has a provider that is not there"))?;
        let folder = self.folder.join(source.as_str().unwrap_or_default());
        Module::read(format!("module.{name}"), &folder, call, Some(region.to_owned()), self.depth)
    }

    fn resources(&self) -> Result<Vec<Resource>, String> {
        let mut found = Vec::new();
        for (kind, all) in &self.section("resource") {
            for name in all.as_object().into_iter().flat_map(Map::keys) {
                self.expand(kind, name, &mut found)?;
            }
        }
        for name in self.section("output").keys() {
            self.value_at(&["output", name, "value"])?;
        }
        Ok(found)
    }

    /// One resource, or as many as it has a `count` for.
    fn expand(&self, kind: &str, name: &str, found: &mut Vec<Resource>) -> Result<(), String> {
        let at = format!("{}.{kind}.{name}", self.address);
        let config = &self.document["resource"][kind][name];
        for depends in config["depends_on"].as_array().into_iter().flatten() {
            let declared = depends.as_str().and_then(|on| on.split_once('.'));
            let declared = declared.and_then(|(kind, name)| self.document["resource"].get(kind)?.get(name));
            if declared.is_none() {
                return Err(format!("{at} depends on {depends}, which is not there"));
            }
        }
        let counts = match config.get("count") {
            None => vec![None],
            Some(_) => {
                let count = self.value_at(&["resource", kind, name, "count"])?;
                let count = count.as_u64().ok_or_else(|| format!("{at} has a `count` that is no number"))?;
                (0..count).map(Some).collect()
            }
        };
        for count in counts {
            self.count.set(count);
            let mut fields = Map::new();
            for key in config.as_object().into_iter().flat_map(Map::keys) {
                if !OF_TERRAFORM.contains(&key.as_str()) {
                    fields.insert(key.clone(), self.value_at(&["resource", kind, name, key])?);
                }
            }
            self.count.set(None);
            found.push(Resource { address: at.clone(), kind: kind.to_owned(), fields: fields.into() });
        }
        Ok(())
    }

    /// What a resource has: what is written, or what its provider tells once it is made.
    fn attribute(&self, kind: &str, name: &str, attribute: &str) -> Result<Value, String> {
        let place = ["resource", kind, name, attribute];
        let is_written = place.iter().try_fold(&self.document, |value, key| value.get(key)).is_some();
        if is_written && !OF_TERRAFORM.contains(&attribute) {
            return self.value_at(&place);
        }
        let of = |field: &str| {
            let value = self.value_at(&["resource", kind, name, field])?;
            value.as_str().map(str::to_owned).ok_or_else(|| format!("`{field}` of {kind}.{name} is no text"))
        };
        match (kind, attribute) {
            ("alicloud_ram_role", "arn") => {
                Ok(format!("acs:ram::{ACCOUNT}:role/{}", of("role_name")?).into())
            }
            ("alicloud_fcv3_function", "function_arn") => {
                let region = self.region.as_deref().unwrap_or_default();
                Ok(format!("acs:fc:{region}:{ACCOUNT}:functions/{}", of("function_name")?).into())
            }
            _ => Err(format!("{kind}.{name} has no `{attribute}`")),
        }
    }
}

impl Scope for Module<'_> {
    fn name(&self, parts: &[String]) -> Result<(Value, usize), String> {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts[..] {
            ["var", name, ..] => {
                let default = || self.value_at(&["variable", name, "default"]);
                let value = self.given.get(name).cloned().map_or_else(default, Ok);
                Ok((value?, 2))
            }
            ["local", name, ..] => Ok((self.value_at(&["locals", name])?, 2)),
            ["module", name, output, ..] => {
                Ok((self.called(name)?.value_at(&["output", output, "value"])?, 3))
            }
            ["path", "module"] => Ok((self.folder.display().to_string().into(), 2)),
            ["count", "index"] => {
                let index = self.count.get().ok_or("`count.index` has a meaning where there is a `count`")?;
                Ok((index.into(), 2))
            }
            ["data", kind @ "alicloud_account", name, "id"]
                if self.document["data"][kind].get(name).is_some() =>
            {
                Ok((ACCOUNT.into(), 4))
            }
            [kind, name, attribute, ..] if kind.starts_with("alicloud_") => {
                Ok((self.attribute(kind, name, attribute)?, 3))
            }
            _ => Err(format!("`{}` is not known in {}", parts.join("."), self.address)),
        }
    }

    fn call(&self, function: &str, arguments: Vec<Value>) -> Result<Value, String> {
        match (function, &arguments[..]) {
            ("merge", maps) if maps.iter().all(Value::is_object) => {
                let pairs = maps.iter().filter_map(Value::as_object).flatten();
                let pairs: Map<_, _> = pairs.map(|(key, value)| (key.clone(), value.clone())).collect();
                Ok(pairs.into())
            }
            ("length", [Value::Array(all)]) => Ok(all.len().into()),
            ("tostring", [value @ Value::Number(_)]) => Ok(value.to_string().into()),
            ("split", [Value::String(by), Value::String(text)]) => {
                Ok(text.split(by.as_str()).collect::<Vec<_>>().into())
            }
            ("filebase64", [Value::String(path)]) => {
                let bytes = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
                Ok(STANDARD.encode(bytes).into())
            }
            _ => Err(format!("{function}({}) is not known", json!(arguments))),
        }
    }
}

/// Whether a value is of a variable's type.
fn is_of(kind: &str, value: &Value) -> bool {
    let (all, texts): (Vec<&Value>, BTreeSet<bool>) = match value {
        Value::Array(all) => (all.iter().collect(), all.iter().map(Value::is_string).collect()),
        Value::Object(all) => (all.values().collect(), all.values().map(Value::is_string).collect()),
        _ => Default::default(),
    };
    let are_texts = all.is_empty() || texts == BTreeSet::from([true]);
    match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "bool" => value.is_boolean(),
        "map(string)" => value.is_object() && are_texts,
        "list(string)" => value.is_array() && are_texts,
        _ => false,
    }
}
