//! What the generated documents may say, as data that refuses unknown keys: a key that Terraform's
//! JSON syntax does not know would otherwise be found by a user. And what they refer to is there.
//!
//! In `schema.json` an object has `required` and `optional` keys, and `rest` or `each` for keys of any
//! name; a list in the schema is a list of at least one; a word is a type. An expression (`${…}`) may
//! be of any type.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Map, Value, json};

use crate::{harness::Project, yaml};

const SCHEMA: &str = include_str!("schema.json");

/// The complaints about a document, each with its place.
pub(crate) fn complaints(document: &Value, kind: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let mut complaints = Vec::new();
    check(document, &schema[kind], kind, &mut complaints);
    complaints
}

fn check(value: &Value, schema: &Value, at: &str, complaints: &mut Vec<String>) {
    let is_expression = value.as_str().is_some_and(|text| text.starts_with("${") && text.ends_with('}'));
    let fits = match (schema, value) {
        (Value::Array(each), Value::Array(values)) if !values.is_empty() => {
            values
                .iter()
                .enumerate()
                .for_each(|(i, value)| check(value, &each[0], &format!("{at}[{i}]"), complaints));
            true
        }
        (Value::Object(schema), Value::Object(object)) => {
            check_object(object, schema, at, complaints);
            true
        }
        (Value::String(word), _) => match word.as_str() {
            "any" => true,
            "string" => value.is_string(),
            "number" => value.is_number() || is_expression,
            "bool" => value.is_boolean() || is_expression,
            "strings" => {
                is_expression || value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
            }
            "map" => is_expression || value.as_object().is_some_and(|all| all.values().all(Value::is_string)),
            other => panic!("the schema has no type `{other}`"),
        },
        _ => false,
    };
    if !fits {
        complaints.push(format!("{at}: {value} is not {schema}"));
    }
}

fn check_object(
    object: &Map<String, Value>,
    schema: &Map<String, Value>,
    at: &str,
    complaints: &mut Vec<String>,
) {
    let part = |name: &str| schema.get(name).and_then(Value::as_object);
    for key in part("required").into_iter().flat_map(Map::keys) {
        if !object.contains_key(key) {
            complaints.push(format!("{at}: no `{key}`"));
        }
    }
    let rest = schema.get("rest").or(schema.get("each"));
    for (key, value) in object {
        let known = part("required").and_then(|keys| keys.get(key));
        let known = known.or(part("optional").and_then(|keys| keys.get(key))).or(rest);
        match known {
            Some(schema) => check(value, schema, &format!("{at}.{key}"), complaints),
            None => complaints.push(format!("{at}: unknown key `{key}`")),
        }
    }
}

/// Everything that expressions of a document refer to: `var.x`, `aws_x.y`, `module.x.y` …
fn references(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match value {
        Value::String(text) => {
            for expression in text.split("${").skip(1) {
                // One may have a string in it with another in it.
                let expression = expression.split_once('}').map_or(expression, |(it, _)| it);
                let part = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
                let names =
                    expression.split(part).filter(|name| name.contains('.') && !name.starts_with("path."));
                found.extend(names.filter(|name| *name != "count.index").map(str::to_owned));
            }
        }
        Value::Array(all) => found.extend(all.iter().flat_map(references)),
        Value::Object(all) => found.extend(all.values().flat_map(references)),
        _ => {}
    }
    found
}

/// What a document declares, as it is referred to.
fn is_declared(document: &Value, reference: &str) -> bool {
    let parts: Vec<_> = reference.split('.').collect();
    let has = |path: &[&str]| path.iter().try_fold(document, |value, key| value.get(key)).is_some();
    match parts.as_slice() {
        ["var", name] => has(&["variable", name]),
        ["local", name] => has(&["locals", name]),
        ["data", kind, name, _] => has(&["data", kind, name]),
        ["module", name, _] => has(&["module", name]),
        [kind, name, _] | [kind, name] => has(&["resource", kind, name]),
        _ => false,
    }
}

/// Checks everything that a provider's root refers to, itself and below; returns the documents, each
/// with the schema's word for it.
pub(crate) fn check_all(folder: &Path, provider: &str) -> Vec<(String, Value)> {
    let read = |path: &Path| -> Value {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).expect("it is JSON")
    };
    let root = read(&folder.join("main.tf.json"));
    let mut documents = vec![(format!("{provider} root"), root.clone())];
    for (name, call) in root["module"].as_object().expect("it has modules") {
        let source = call["source"].as_str().expect("it is a path");
        let module = read(&folder.join(source).join("main.tf.json"));
        let mut wanted: BTreeSet<_> =
            module["variable"].as_object().expect("variables").keys().cloned().collect();
        wanted.extend(["source".to_owned(), "providers".to_owned()]);
        let given: BTreeSet<_> = call.as_object().expect("a call").keys().cloned().collect();
        assert_eq!(given, wanted, "module.{name} is called with what it has variables for");
        for reference in references(&root).iter().filter(|it| it.starts_with(&format!("module.{name}."))) {
            let output = reference.rsplit('.').next().expect("a name");
            assert!(module["output"].get(output).is_some(), "{reference} is no output");
        }
        documents.push((format!("{provider} module"), module));
    }
    for (kind, document) in &documents {
        assert_eq!(complaints(document, kind), Vec::<String>::new());
        let missing: Vec<_> =
            references(document).into_iter().filter(|reference| !is_declared(document, reference)).collect();
        assert_eq!(missing, Vec::<String>::new(), "in {document:#}");
        let depends =
            document["resource"]["aws_lambda_function"].as_object().into_iter().flat_map(Map::values);
        for name in depends.flat_map(|function| function["depends_on"].as_array().expect("a list").clone()) {
            assert!(is_declared(document, name.as_str().expect("a name")), "{name}");
        }
    }
    documents
}

#[test]
fn all_documents_are_as_the_schema_says() {
    let project = Project::new();
    project.build(&[]);
    let out = project.path("target/jointlambda/two-seas/aws");
    assert_eq!(check_all(&out, "aws").len(), 3);
    project.redefine();
    let (ali, aws) =
        (r#""provider": "aliyun", "region": "cn-hongkong""#, r#""provider": "aws", "region": "us-east-1""#);
    project.replace("src/aws.json", ali, aws);
    std::fs::remove_file(project.path("target/jointlambda/two-seas/jointlambda.toml")).unwrap();
    project.build(&[]);
    let all = check_all(&out, "aws");
    assert_eq!(all.len(), 6, "the root, two stores, one old definition, a new one in two regions");
}

#[test]
fn documents_with_aliases_are_as_the_schema_says() {
    let project = Project::new();
    project.write(
        "jointlambda.toml",
        "[clouds.AWS]\nprovider = \"aws\"\nregion = \"ap-northeast-1\"\ntable = \"t\"\nbucket = \"b-c\"\n\
         qualifier = \"live\"\n",
    );
    project.build(&[]);
    let documents = check_all(&project.path("target/jointlambda/two-seas/aws"), "aws");
    misspelt(&documents);
    let aliases = &documents[1].1["resource"]["aws_lambda_alias"];
    assert_eq!(aliases.as_object().map(Map::len), Some(3));
}

#[test]
fn documents_for_alibaba_cloud_are_as_the_schema_says() {
    let project = Project::with_aliyun();
    project.replace("src/aliyun.json", r#""gpu_gb": 0"#, r#""gpu_gb": 8"#);
    project.build(&[]);
    let out = project.path("target/jointlambda/two-seas");
    let documents = check_all(&out.join("aliyun"), "alicloud");
    assert_eq!(documents.len(), 3);
    misspelt(&documents);
    let functions = &documents[1].1["resource"]["alicloud_fcv3_function"];
    assert_eq!(functions["cut"]["runtime"], "custom-container");
    assert_eq!(functions["sweeper"]["runtime"], "custom.debian11");

    let yaml = std::fs::read_to_string(out.join("aliyun/01234567/s.yaml")).unwrap();
    let document = yaml::parse(&yaml).unwrap();
    assert_eq!(complaints(&document, "s.yaml"), Vec::<String>::new());
    let props = &document["resources"]["cut"]["props"];
    assert_eq!(props["gpuConfig"], json!({ "gpuMemorySize": 8192, "gpuType": "fc.gpu.tesla.1" }));
    assert_eq!(props["environmentVariables"]["JOINTLAMBDA_CLOUD"], "ALI");
    let instance = documents[0].1["module"]["store-cn-hongkong"]["instance"].as_str().unwrap();
    let table = format!("{instance}/two_seas");
    assert_eq!(props["environmentVariables"]["JOINTLAMBDA_TABLE"], table);
    let mut changed = document.clone();
    changed["resources"]["cut"]["props"]["memorysize"] = 1.into();
    assert_ne!(complaints(&changed, "s.yaml"), Vec::<String>::new());

    // Another card is one line of the settings.
    let settings = std::fs::read_to_string(out.join("jointlambda.toml")).unwrap();
    let settings = settings.replace("[clouds.ALI]\n", "[clouds.ALI]\ngpu_type = \"fc.gpu.ada.1\"\n");
    std::fs::write(out.join("jointlambda.toml"), settings).unwrap();
    project.build(&[]);
    let documents = check_all(&out.join("aliyun"), "alicloud");
    let cut = &documents[1].1["resource"]["alicloud_fcv3_function"]["cut"];
    assert_eq!(cut["gpu_config"][0]["gpu_type"], "fc.gpu.ada.1");
    let yaml = std::fs::read_to_string(out.join("aliyun/01234567/s.yaml")).unwrap();
    assert!(yaml.contains("fc.gpu.ada.1") && !yaml.contains("fc.gpu.tesla.1"), "{yaml}");
}

#[test]
fn a_key_that_is_misspelt_anywhere_is_refused() {
    let project = Project::new();
    project.build(&[]);
    misspelt(&check_all(&project.path("target/jointlambda/two-seas/aws"), "aws"));
}

/// Misspells each key of the documents in turn: the schema must notice.
fn misspelt(documents: &[(String, Value)]) {
    let mut tried = 0;
    for (kind, document) in documents {
        for path in keys_of(document, &[]) {
            let mut changed = document.clone();
            let (last, above) = path.split_last().expect("a key");
            let object = above.iter().fold(&mut changed, |value, key| match value {
                Value::Array(all) => &mut all[key.parse::<usize>().expect("an index")],
                value => &mut value[key.as_str()],
            });
            let object = object.as_object_mut().expect("an object");
            let value = object.remove(last).expect("it is there");
            object.insert(format!("{last}x"), value);
            assert_ne!(complaints(&changed, kind), Vec::<String>::new(), "{path:?} may be misspelt");
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried} keys");
}

/// The paths of all keys that Terraform gives a meaning; not the names that are ours to choose.
fn keys_of(value: &Value, at: &[String]) -> Vec<Vec<String>> {
    let is_in = |names: &[&str]| at.iter().any(|key| names.contains(&key.as_str()));
    let name_of_ours = match at {
        [of] => matches!(of.as_str(), "module" | "variable" | "output"),
        [of, _] => matches!(of.as_str(), "module" | "resource" | "data"),
        _ => false,
    };
    let free = name_of_ours || is_in(&["locals", "tags", "providers", "default", "value"]);
    let below = |key: String| [at, &[key]].concat();
    match value {
        Value::Object(all) => all
            .iter()
            .flat_map(|(key, value)| {
                let path = below(key.clone());
                let own = (!free && key != "//").then(|| path.clone());
                own.into_iter().chain(keys_of(value, &path)).collect::<Vec<_>>()
            })
            .collect(),
        Value::Array(all) => all
            .iter()
            .enumerate()
            .flat_map(|(index, value)| keys_of(value, &below(index.to_string())))
            .collect(),
        _ => Vec::new(),
    }
}
