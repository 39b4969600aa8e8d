//! `jointlambda.toml`: where the workflow's clouds are. The commands that operate runs read it, and
//! each function is told the same of the clouds it is not on. It holds no secrets.
//!
//! A file that is there is the user's: it is read, and what it lacks is put at its end.

use std::{fs, io, path::Path};

use serde_json::{Map, Value};

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
/// What no key in the settings may contain.
const SECRETS: [&str; 5] = ["secret", "password", "access_key", "token", "credential"];

/// The settings of all clouds, complete.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The file as it is to be.
    pub(crate) text: String,
    /// By the name of the cloud.
    clouds: Map<String, Value>,
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
        let mut there = match there.get("clouds") {
            Some(Value::Object(clouds)) => clouds.clone(),
            None => Map::new(),
            Some(_) => {
                return Err(
                    Trouble::new(format!("`clouds` in {FILE} is no table")).hint("write `[clouds.AWS]`")
                );
            }
        };
        let buckets = given(buckets, described)?;
        let mut clouds = Map::new();
        for def in &described.definition.clouds {
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
        Ok(Settings { text, clouds })
    }

    /// One setting of a cloud.
    pub(crate) fn get(&self, cloud: &str, key: &str) -> &str {
        self.clouds.get(cloud).and_then(|cloud| cloud.get(key)).and_then(Value::as_str).unwrap_or_default()
    }

    /// All settings of a cloud that are text, but what the workflow says itself.
    pub(crate) fn own(&self, cloud: &str) -> impl Iterator<Item = (&str, &str)> {
        let all = self.clouds.get(cloud).and_then(Value::as_object).into_iter().flatten();
        let texts = all.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
        texts.filter(|(key, _)| !matches!(*key, "provider" | "region"))
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
    match cloud.keys().find(|key| SECRETS.iter().any(|secret| key.to_lowercase().contains(secret))) {
        None => Ok(cloud),
        Some(key) => Err(Trouble::new(format!("`{key}` of `[clouds.{name}]` in {FILE} looks like a secret"))
            .hint("remove it; credentials come from each provider's own environment variables")),
    }
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
