//! `jointlambda.toml`: where the workflow's clouds are. The commands that operate runs read it, and
//! each function is told the same of the clouds it is not on. It holds no secrets.
//!
//! A file that is there is the user's: it is read, and what it lacks is put at its end.

mod moved_from;

use std::{collections::BTreeMap, fs, io, path::Path};

use serde_json::{Map, Value, json};

pub(crate) use self::moved_from::HomeTable;
use crate::{
    described::Described,
    package::{hex, sha256},
    platform::Provider,
    trouble::{Trouble, quoted},
};

/// The file's name.
pub(crate) const FILE: &str = "jointlambda.toml";
/// How many digits tell buckets of one workflow apart: names of buckets are unique in the world.
const BUCKET_DIGITS: usize = 10;
/// The longest name of a bucket.
const BUCKET_NAME_BYTES: usize = 63;
/// The only key of a cloud that is another one in this deployment: which one.
const SAME_AS: &str = "same_as";
/// The key of the alias by which functions on AWS are invoked.
const QUALIFIER: &str = "qualifier";
/// The key of the card that functions on Alibaba Cloud have which have a GPU.
const GPU_TYPE: &str = "gpu_type";
/// The cards that Function Compute has: Tesla T4, Ampere A10, Ada.
const GPU_TYPES: [&str; 3] = ["fc.gpu.tesla.1", "fc.gpu.ampere.1", "fc.gpu.ada.1"];
/// The longest name of an alias.
const ALIAS_BYTES: usize = 128;
/// What no key in the settings may contain.
const SECRETS: [&str; 5] = ["secret", "password", "access_key", "token", "credential"];

/// The settings of all clouds, complete.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The file as it is to be.
    pub(crate) text: String,
    /// By the name of the cloud.
    clouds: Map<String, Value>,
    /// Tables that had the run rows of earlier deployments.
    moved_from: Vec<HomeTable>,
}

impl Settings {
    /// What `text`, the file as it is, says of the workflow's clouds, and what is put where it says
    /// nothing. `buckets` are names of buckets from the command line; `place` is something that
    /// differs between projects of the same name.
    pub(crate) fn complete(
        text: Option<&str>,
        described: &Described,
        buckets: &[String],
        place: &str,
    ) -> Result<Self, Trouble> {
        let mut text = text.map_or_else(header, str::to_owned);
        let parsed: toml::Table = toml::from_str(&text).map_err(|error| {
            Trouble::new(format!("{FILE} cannot be read: {}", error.message())).hint("correct it")
        })?;
        let there =
            serde_json::to_value(parsed).map_err(|error| Trouble::of(format!("read {FILE}"), &error))?;
        let moved_from = moved_from::read(&there)?;
        let mut there = match there.get("clouds") {
            Some(Value::Object(clouds)) => clouds.clone(),
            None => Map::new(),
            Some(_) => {
                return Err(
                    Trouble::new(format!("`clouds` in {FILE} is no table")).hint("write `[clouds.AWS]`")
                );
            }
        };
        check_same(&there, described)?;
        let buckets = given(buckets, described)?;
        let mut clouds = Map::new();
        for def in &described.definition.clouds {
            if let Some(Value::Object(cloud)) = there.get(&def.name)
                && let Some(other) = same_as(cloud)
            {
                if buckets.iter().any(|(cloud, _)| *cloud == def.name) {
                    return Err(Trouble::new(format!(
                        "`{}` has no bucket: it is the same as `{other}`",
                        def.name
                    ))
                    .hint(format!("leave out `--bucket`, or remove `{SAME_AS}` from {FILE}")));
                }
                clouds.insert(def.name.clone(), json!({ SAME_AS: other }));
                continue;
            }
            let bucket = buckets.iter().find(|(cloud, _)| *cloud == def.name).map(|(_, bucket)| *bucket);
            let wanted = wanted(described, &def.cloud.provider, &def.cloud.region, bucket, place);
            let cloud = match there.remove(&def.name) {
                Some(Value::Object(cloud)) => check(&def.name, cloud, &wanted, bucket)?,
                Some(_) => {
                    return Err(Trouble::new(format!("`clouds.{}` in {FILE} is no table", def.name))
                        .hint(format!("write `[clouds.{}]`", def.name)));
                }
                None => {
                    text.push_str(&section(&def.name, &wanted));
                    wanted.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
                }
            };
            clouds.insert(def.name.clone(), Value::Object(cloud));
        }
        Ok(Settings { text, clouds, moved_from })
    }

    /// One setting of a cloud.
    pub(crate) fn get(&self, cloud: &str, key: &str) -> &str {
        self.clouds.get(cloud).and_then(|cloud| cloud.get(key)).and_then(Value::as_str).unwrap_or_default()
    }

    /// The clouds that are other ones in this deployment, with those.
    pub(crate) fn same(&self) -> BTreeMap<String, String> {
        let clouds = self.clouds.iter().filter_map(|(name, cloud)| Some((name, cloud.as_object()?)));
        clouds.filter_map(|(name, cloud)| Some((name.clone(), same_as(cloud)?.to_owned()))).collect()
    }

    /// The alias by which functions on a cloud are invoked.
    pub(crate) fn qualifier(&self, cloud: &str) -> Option<&str> {
        Some(self.get(cloud, QUALIFIER)).filter(|alias| !alias.is_empty())
    }

    /// The card of functions with a GPU on a cloud: the first of those that there are, unless it is said.
    pub(crate) fn gpu_type(&self, cloud: &str) -> &str {
        Some(self.get(cloud, GPU_TYPE)).filter(|card| !card.is_empty()).unwrap_or(GPU_TYPES[0])
    }

    /// All settings of a cloud that are text, but what the workflow says itself, and what no function asks.
    pub(crate) fn own(&self, cloud: &str) -> impl Iterator<Item = (&str, &str)> {
        let all = self.clouds.get(cloud).and_then(Value::as_object).into_iter().flatten();
        let texts = all.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
        texts.filter(|(key, _)| !matches!(*key, "provider" | "region" | GPU_TYPE))
    }

    /// What a program is told of all clouds, to find out what their functions are called: compact JSON.
    pub(crate) fn all(&self) -> String {
        Value::Object(self.clouds.clone()).to_string()
    }

    /// What a function on `cloud` is told of the workflow's other clouds: compact JSON.
    pub(crate) fn others(&self, cloud: &str) -> String {
        let others = self.clouds.iter().filter(|(name, _)| *name != cloud);
        let others: Map<_, _> = others.map(|(name, cloud)| (name.clone(), cloud.clone())).collect();
        Value::Object(others).to_string()
    }
}

/// Reads the first of `paths` that is there.
pub(crate) fn read<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Option<String>, Trouble> {
    for path in paths {
        match fs::read_to_string(path) {
            Ok(text) => return Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Trouble::of(format!("read {}", path.display()), &error)
                    .hint("make it readable, or write to another directory with `--out`"));
            }
        }
    }
    Ok(None)
}

/// Which other cloud this one is.
fn same_as(cloud: &Map<String, Value>) -> Option<&str> {
    cloud.get(SAME_AS).and_then(Value::as_str)
}

/// Checks which clouds are to be which others.
fn check_same(there: &Map<String, Value>, described: &Described) -> Result<(), Trouble> {
    let names: Vec<_> = described.definition.clouds.iter().map(|def| def.name.as_str()).collect();
    for name in &names {
        let Some(Value::Object(cloud)) = there.get(*name) else { continue };
        let Some(other) = cloud.get(SAME_AS) else { continue };
        let others = || quoted(names.iter().copied().filter(|other| other != name));
        let Some(other) = other.as_str() else {
            return Err(Trouble::new(format!("`{SAME_AS}` of `[clouds.{name}]` in {FILE} is no string"))
                .hint(format!("name one of {}", others())));
        };
        let refuse = |why: String, hint: String| {
            let what = format!("`[clouds.{name}]` in {FILE} is to be the same as `{other}`, {why}");
            Err(Trouble::new(what).hint(hint))
        };
        if let Some(key) = cloud.keys().find(|key| *key != SAME_AS) {
            return refuse(
                format!("and has `{key}` of its own"),
                format!("remove `{SAME_AS}`, or everything else of `[clouds.{name}]`"),
            );
        }
        if other == *name {
            return refuse("which it is anyway".to_owned(), format!("name one of {}", others()));
        }
        if !names.contains(&other) {
            return refuse(
                "which the workflow does not have".to_owned(),
                format!("name one of {}", others()),
            );
        }
        let next = there.get(other).and_then(Value::as_object).and_then(same_as);
        if let Some(next) = next {
            let hint = match next == *name {
                true => format!("say where one of the two is, and remove its `{SAME_AS}`"),
                false => format!("write `{SAME_AS} = \"{next}\"`"),
            };
            return refuse(format!("which is the same as `{next}` itself"), hint);
        }
    }
    Ok(())
}

fn header() -> String {
    "# Where this workflow's clouds are: read by `cargo jointlambda build` and by the commands that operate\n\
     # runs. Keep it with the sources: another table or bucket does not know the runs of these. No secrets.\n"
        .to_owned()
}

/// The buckets from the command line, by cloud.
fn given<'a>(buckets: &'a [String], described: &'a Described) -> Result<Vec<(&'a str, &'a str)>, Trouble> {
    let clouds: Vec<_> = described.definition.clouds.iter().map(|def| def.name.as_str()).collect();
    let named = buckets.iter().map(|bucket| match (bucket.split_once('='), clouds.as_slice()) {
        (Some((cloud, bucket)), _) if clouds.contains(&cloud) => Ok((cloud, bucket)),
        (Some((cloud, _)), _) => Err(Trouble::new(format!("the workflow has no cloud `{cloud}`"))
            .hint(format!("pass `--bucket CLOUD=NAME` with one of {}", quoted(clouds.iter().copied())))),
        (None, [cloud]) => Ok((*cloud, bucket.as_str())),
        (None, _) => Err(Trouble::new(format!("`--bucket {bucket}` does not say of which cloud"))
            .hint(format!("pass `--bucket CLOUD=NAME` with one of {}", quoted(clouds.iter().copied())))),
    });
    let named: Vec<_> = named.collect::<Result<_, _>>()?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    match named
        .iter()
        .find(|(_, name)| !(3..=BUCKET_NAME_BYTES).contains(&name.len()) || !name.chars().all(plain))
    {
        None => Ok(named),
        Some((_, name)) => Err(Trouble::new(format!("`{name}` is no name of a bucket"))
            .hint("3 to 63 lower-case letters, digits, `-` and `.`")),
    }
}

/// The keys that a cloud of this provider needs, with what they are unless the user says otherwise.
fn wanted(
    described: &Described,
    provider: &Provider,
    region: &str,
    bucket: Option<&str>,
    place: &str,
) -> Vec<(&'static str, String)> {
    let workflow = described.workflow();
    let fresh = || {
        let digest = hex(&sha256(format!("{place}\n{workflow}\n{provider}\n{region}").as_bytes()));
        let name = workflow.trim_matches('-').to_ascii_lowercase();
        let end = name.len().min(BUCKET_NAME_BYTES - BUCKET_DIGITS - 1);
        format!("{}-{}", name[..end].trim_end_matches('-'), &digest[..BUCKET_DIGITS])
    };
    let bucket = bucket.map_or_else(fresh, str::to_owned);
    let mut wanted =
        vec![("provider", provider.to_string()), ("region", region.to_owned()), ("bucket", bucket)];
    match provider {
        Provider::Aws => wanted.push(("table", workflow)),
        // The instance and the table in it. Names of instances have 3 to 16 bytes, and are unique in
        // the region; names of tables no `-`.
        Provider::Aliyun => {
            let digest = hex(&sha256(format!("{place}\n{workflow}\n{region}").as_bytes()));
            let table = &described.definition.name;
            wanted.push(("table", format!("jl-{}/{table}", &digest[..BUCKET_DIGITS])));
        }
    }
    wanted
}

fn section(cloud: &str, wanted: &[(&str, String)]) -> String {
    let mut text = format!("\n[clouds.{cloud}]\n");
    for (key, value) in wanted {
        text.push_str(&format!("{key} = {}\n", toml::Value::String(value.clone())));
    }
    text
}

/// Checks what the file says of a cloud.
fn check(
    name: &str,
    cloud: Map<String, Value>,
    wanted: &[(&str, String)],
    bucket: Option<&str>,
) -> Result<Map<String, Value>, Trouble> {
    for (key, value) in wanted {
        let Some(there) = cloud.get(*key) else {
            return Err(Trouble::new(format!("`[clouds.{name}]` in {FILE} has no `{key}`"))
                .hint(format!("add `{key} = {}`", toml::Value::String(value.clone()))));
        };
        let Some(there) = there.as_str() else {
            return Err(Trouble::new(format!("`{key}` of `[clouds.{name}]` in {FILE} is no string"))
                .hint("put it in quotes"));
        };
        let is_aliyun = wanted.contains(&("provider", Provider::Aliyun.to_string()));
        if *key == "table" && is_aliyun && there.split('/').filter(|part| !part.is_empty()).count() != 2 {
            return Err(Trouble::new(format!("`table` of `[clouds.{name}]` in {FILE} is `{there}`"))
                .hint("write `INSTANCE/TABLE`: on Alibaba Cloud a table is in an instance of TableStore"));
        }
        // What the workflow says itself, the file may only repeat.
        if matches!(*key, "provider" | "region") && there != value {
            return Err(Trouble::new(format!(
                "`{key}` of `[clouds.{name}]` in {FILE} is `{there}`, and `{value}` in the workflow"
            ))
            .hint("change the one that is wrong; a region that runs are still in needs a cloud of its own"));
        }
        if *key == "bucket" && bucket.is_some_and(|bucket| bucket != there) {
            return Err(Trouble::new(format!("the bucket of `{name}` is set to `{there}` in {FILE}"))
                .hint("leave out `--bucket`, or change it in the file"));
        }
    }
    check_qualifier(name, &cloud, wanted)?;
    check_gpu_type(name, &cloud, wanted)?;
    match cloud.keys().find(|key| SECRETS.iter().any(|secret| key.to_lowercase().contains(secret))) {
        None => Ok(cloud),
        Some(key) => Err(Trouble::new(format!("`{key}` of `[clouds.{name}]` in {FILE} looks like a secret"))
            .hint("remove it; credentials come from each provider's own environment variables")),
    }
}

/// Checks that functions can be invoked by what is written: an alias, which each of them can have.
fn check_qualifier(name: &str, cloud: &Map<String, Value>, wanted: &[(&str, String)]) -> Result<(), Trouble> {
    let Some(qualifier) = cloud.get(QUALIFIER) else { return Ok(()) };
    let refuse = |why: &str, hint: &str| {
        Err(Trouble::new(format!("`{QUALIFIER}` of `[clouds.{name}]` in {FILE} {why}")).hint(hint))
    };
    if !wanted.contains(&("provider", Provider::Aws.to_string())) {
        return refuse("is of a cloud that is not AWS's", "remove it");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match qualifier.as_str() {
        Some(alias)
            if (1..=ALIAS_BYTES).contains(&alias.len())
                && alias.chars().all(plain)
                && !alias.chars().all(|c| c.is_ascii_digit()) =>
        {
            Ok(())
        }
        _ => refuse(
            &format!("is {qualifier}, which is no name of an alias"),
            "write letters, digits, `-` and `_`: each function gets an alias of that name; versions of two \
             functions have nothing in common",
        ),
    }
}

/// Checks that there is such a card.
fn check_gpu_type(name: &str, cloud: &Map<String, Value>, wanted: &[(&str, String)]) -> Result<(), Trouble> {
    let Some(card) = cloud.get(GPU_TYPE) else { return Ok(()) };
    let place = format!("`{GPU_TYPE}` of `[clouds.{name}]` in {FILE}");
    if !wanted.contains(&("provider", Provider::Aliyun.to_string())) {
        return Err(Trouble::new(format!("{place} is of a cloud that is not Alibaba's")).hint("remove it"));
    }
    if GPU_TYPES.iter().any(|known| card == known) {
        return Ok(());
    }
    Err(Trouble::new(format!("{place} is {card}, which is no card of Function Compute"))
        .hint(format!("write one of {}", quoted(GPU_TYPES))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::described::sample;

    fn complete(text: Option<&str>, buckets: &[&str]) -> Result<Settings, String> {
        let buckets: Vec<_> = buckets.iter().map(|&bucket| bucket.to_owned()).collect();
        let described = sample::described(Provider::Aws);
        Settings::complete(text, &described, &buckets, "place").map_err(|trouble| trouble.lines())
    }

    #[test]
    fn what_is_missing_is_put_at_the_end_and_stays_so() {
        let first = complete(None, &["US=my-bucket"]).unwrap();
        assert_eq!(first.get("US", "bucket"), "my-bucket");
        assert_eq!(first.get("AWS", "table"), "two-seas");
        let bucket = first.get("AWS", "bucket");
        assert!(bucket.starts_with("two-seas-") && bucket.len() == "two-seas-".len() + 10, "{bucket}");
        assert_ne!(bucket, first.get("ALI", "bucket"));
        let (instance, table) = first.get("ALI", "table").split_once('/').unwrap();
        assert_eq!(table, "two_seas");
        assert!((3..=16).contains(&instance.len()), "{}", first.text);
        let again = complete(Some(&first.text), &[]).unwrap();
        assert_eq!(again.text, first.text);
        assert_eq!(again.clouds, first.clouds);
    }

    #[test]
    fn what_the_user_wrote_stays() {
        let text = "# mine\n[clouds.AWS]\nprovider = \"aws\"\nregion = \"ap-northeast-1\"\ntable = \"t\"\nbucket = \"b-c\"\nendpoint = \"http://127.0.0.1:1\"\n";
        let settings = complete(Some(text), &[]).unwrap();
        assert!(settings.text.starts_with(text), "{}", settings.text);
        assert!(settings.text.contains("\n[clouds.US]\n"), "{}", settings.text);
        assert_eq!(settings.get("AWS", "table"), "t");
        let others: Value = serde_json::from_str(&settings.others("US")).unwrap();
        assert_eq!(others["AWS"]["endpoint"], "http://127.0.0.1:1");
        assert_eq!(others.as_object().unwrap().len(), 2);
    }

    #[test]
    fn a_cloud_can_be_another() {
        let text = "[clouds.ALI]\nsame_as = \"AWS\"\n";
        let settings = complete(Some(text), &[]).unwrap();
        assert!(
            settings.text.starts_with(text) && settings.text.contains("[clouds.AWS]\n"),
            "{}",
            settings.text
        );
        assert_eq!(settings.same(), BTreeMap::from([("ALI".to_owned(), "AWS".to_owned())]));
        let others: Value = serde_json::from_str(&settings.others("AWS")).unwrap();
        assert_eq!(others["ALI"], json!({ "same_as": "AWS" }));
        assert_eq!(complete(Some(&settings.text), &[]).unwrap().text, settings.text);

        let refused = |text: &str, buckets: &[&str]| complete(Some(text), buckets).unwrap_err();
        let why = refused("[clouds.ALI]\nsame_as = \"GCP\"\n", &[]);
        assert!(
            why.contains("`GCP`, which the workflow does not have\nhint: name one of `AWS`, `US`"),
            "{why}"
        );
        assert!(refused("[clouds.ALI]\nsame_as = \"ALI\"\n", &[]).contains("which it is anyway"));
        assert!(refused("[clouds.ALI]\nsame_as = 1\n", &[]).contains("is no string"));
        let why = refused(&format!("{text}[clouds.US]\nsame_as = \"ALI\"\n"), &[]);
        assert!(
            why.contains("`ALI`, which is the same as `AWS` itself\nhint: write `same_as = \"AWS\"`"),
            "{why}"
        );
        let why = refused(&format!("{text}[clouds.AWS]\nsame_as = \"ALI\"\n"), &[]);
        assert!(why.contains("say where one of the two is"), "{why}");
        assert!(refused(&format!("{text}table = \"t\"\n"), &[]).contains("has `table` of its own"));
        assert!(refused(text, &["ALI=b-c"]).contains("`ALI` has no bucket: it is the same as `AWS`"));
    }

    #[test]
    fn an_alias_is_the_only_qualifier() {
        let aws = "[clouds.AWS]\nprovider = \"aws\"\nregion = \"ap-northeast-1\"\ntable = \"t\"\nbucket = \"b-c\"\n";
        let with = |qualifier: &str| complete(Some(&format!("{aws}qualifier = {qualifier}\n")), &[]);
        assert_eq!(with("\"live\"").unwrap().qualifier("AWS"), Some("live"));
        assert_eq!(complete(Some(aws), &[]).unwrap().qualifier("AWS"), None);
        for version in ["\"3\"", "\"$LATEST\"", "\"\"", "3"] {
            assert!(with(version).unwrap_err().contains("is no name of an alias"), "{version}");
        }
    }

    #[test]
    fn a_card_is_one_that_there_is() {
        let ali = "[clouds.ALI]\nprovider = \"aliyun\"\nregion = \"cn-hongkong\"\ntable = \"i/t\"\nbucket = \"b-c\"\n";
        assert_eq!(complete(Some(ali), &[]).unwrap().gpu_type("ALI"), "fc.gpu.tesla.1");
        let with = |card: &str| complete(Some(&format!("{ali}gpu_type = {card}\n")), &[]);
        let ampere = with("\"fc.gpu.ampere.1\"").unwrap();
        assert_eq!(ampere.gpu_type("ALI"), "fc.gpu.ampere.1");
        assert!(ampere.own("ALI").all(|(key, _)| key != GPU_TYPE), "no function asks for it");
        for none in ["\"fc.gpu.hopper.1\"", "\"\"", "1"] {
            let why = with(none).unwrap_err();
            let all = "write one of `fc.gpu.tesla.1`, `fc.gpu.ampere.1`, `fc.gpu.ada.1`";
            assert!(why.contains("which is no card of Function Compute") && why.contains(all), "{why}");
        }
        let aws = "[clouds.AWS]\nprovider = \"aws\"\nregion = \"ap-northeast-1\"\ntable = \"t\"\nbucket = \"b-c\"\n";
        let why = complete(Some(&format!("{aws}gpu_type = \"fc.gpu.ada.1\"\n")), &[]).unwrap_err();
        assert!(why.contains("is of a cloud that is not Alibaba's"), "{why}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |text: &str, buckets: &[&str]| complete(Some(text), buckets).unwrap_err();
        let aws = "[clouds.AWS]\nprovider = \"aws\"\nregion = \"ap-northeast-1\"\ntable = \"t\"\nbucket = \"b-c\"\n";
        assert!(refused("clouds = 1", &[]).contains("is no table"));
        assert!(refused("[clouds", &[]).contains("cannot be read"));
        assert!(refused("[clouds.AWS]\nprovider = \"aws\"\n", &[]).contains("has no `region`"));
        assert!(
            refused(&aws.replace("ap-n", "us-n"), &[]).contains("`us-northeast-1`, and `ap-northeast-1` in")
        );
        assert!(refused(&format!("{aws}secret_key = \"x\""), &[]).contains("looks like a secret"));
        assert!(refused(aws, &["AWS=other"]).contains("the bucket of `AWS` is set to `b-c`"));
        let ali = "[clouds.ALI]\nprovider = \"aliyun\"\nregion = \"cn-hongkong\"\ntable = \"t\"\nbucket = \"b-c\"\n";
        assert!(refused(ali, &[]).contains("write `INSTANCE/TABLE`"));
        assert!(refused("", &["name"]).contains("does not say of which cloud"));
        assert!(refused("", &["GCP=name"]).contains("no cloud `GCP`"));
        assert!(refused("", &["AWS=No"]).contains("is no name of a bucket"));
    }
}
