//! What is written of a workflow's clouds, and what it means: each cloud by itself, or as another one.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{CloudSettings, FILE, SettingsError, id};
use crate::{
    definition::{CloudDef, Definition},
    provider::Provider,
};

/// The key of the tables that run rows have moved from.
const MOVED_FROM: &str = "moved_from";

/// What is written, by the name of the cloud.
pub(super) type Written = BTreeMap<String, Section>;

/// What is written of a cloud.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    pub(super) provider: Option<String>,
    pub(super) region: Option<String>,
    pub(super) table: Option<String>,
    pub(super) bucket: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) qualifier: Option<String>,
    /// What only `cargo jointlambda build` asks for, and checks.
    pub(super) gpu_type: Option<String>,
    pub(super) same_as: Option<String>,
}

/// A table that had the run rows of earlier deployments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OldTable {
    provider: String,
    region: String,
    table: String,
    endpoint: Option<String>,
}

impl OldTable {
    /// What is read of its cloud: the table, and nothing else.
    pub(super) fn settings(self) -> Result<CloudSettings, SettingsError> {
        let OldTable { provider, region, table, endpoint } = self;
        let known = [Provider::Aws, Provider::Aliyun].into_iter().find(|known| id(*known) == provider);
        let why = || format!("`{MOVED_FROM}` has the provider `{provider}`: write `aws` or `aliyun`");
        let unreadable = || SettingsError::Unreadable { place: FILE.to_owned(), why: why() };
        let provider = known.ok_or_else(unreadable)?;
        let (name, bucket, qualifier) = (MOVED_FROM.to_owned(), String::new(), None);
        Ok(CloudSettings { name, provider, region, table, bucket, endpoint, qualifier })
    }
}

impl Section {
    /// A key that is written beside `same_as`, where there may be none.
    fn beside_same_as(&self) -> Option<&'static str> {
        let all = [
            ("provider", &self.provider),
            ("region", &self.region),
            ("table", &self.table),
            ("bucket", &self.bucket),
            ("endpoint", &self.endpoint),
            ("qualifier", &self.qualifier),
            ("gpu_type", &self.gpu_type),
        ];
        all.into_iter().find_map(|(key, value)| value.as_ref().map(|_| key))
    }
}

/// Where each cloud of a workflow is, in the order of the definition; `place` is where that is written.
pub(super) fn resolve(
    written: &Written,
    definition: &Definition,
    place: &str,
) -> Result<Vec<CloudSettings>, SettingsError> {
    let names = || definition.clouds.iter().map(|def| def.name).collect::<Vec<_>>().join(", ");
    let def = |name: &str| definition.clouds.iter().find(|def| def.name == name);
    if let Some(cloud) = written.keys().find(|name| def(name).is_none()) {
        let (place, cloud) = (place.to_owned(), cloud.clone());
        return Err(SettingsError::UnknownCloud { place, cloud, clouds: names() });
    }
    let section_of = |cloud: &str| {
        let missing = || SettingsError::MissingCloud { place: place.to_owned(), cloud: cloud.to_owned() };
        written.get(cloud).ok_or_else(missing)
    };
    let each = definition.clouds.iter().map(|own| {
        let section = section_of(own.name)?;
        let Some(other) = &section.same_as else { return settings(own, section, place) };
        let bad = |why: String| {
            let (place, cloud, other) = (place.to_owned(), own.name.to_owned(), other.clone());
            Err(SettingsError::BadSameAs { place, cloud, other, why })
        };
        if let Some(key) = section.beside_same_as() {
            return bad(format!("then it has no `{key}` of its own, remove one of the two"));
        }
        let Some(real) = def(other) else {
            return bad(format!("which the workflow does not have: it has {}", names()));
        };
        if real.name == own.name {
            return bad("which it is anyway: say where it is, or name another cloud".to_owned());
        }
        let section = section_of(real.name)?;
        match &section.same_as {
            Some(next) => bad(format!("which is the same as `{next}`: name that one")),
            None => settings(real, section, place),
        }
    });
    each.collect()
}

fn settings(def: &CloudDef, section: &Section, place: &str) -> Result<CloudSettings, SettingsError> {
    let (place, cloud) = (place.to_owned(), def.name.to_owned());
    let needed = |key, value: &Option<String>| {
        let (place, cloud) = (place.clone(), cloud.clone());
        value.clone().ok_or(SettingsError::MissingKey { place, cloud, key })
    };
    let same = |key, theirs: &Option<String>, ours: &str| match theirs {
        Some(theirs) if theirs != ours => {
            let (place, cloud) = (place.clone(), cloud.clone());
            let (theirs, ours) = (theirs.clone(), ours.to_owned());
            Err(SettingsError::Differs { place, cloud, key, theirs, ours })
        }
        _ => Ok(()),
    };
    same("provider", &section.provider, id(def.cloud.provider))?;
    same("region", &section.region, def.cloud.region)?;
    if let Some(qualifier) = &section.qualifier {
        let why = match def.cloud.provider {
            Provider::Aws if is_alias(qualifier) => None,
            Provider::Aws => Some("name an alias: versions of two functions have nothing in common"),
            Provider::Aliyun => Some("only functions of AWS are invoked by one: remove it"),
        };
        if let Some(why) = why {
            return Err(SettingsError::BadQualifier { place, cloud, qualifier: qualifier.clone(), why });
        }
    }
    Ok(CloudSettings {
        table: needed("table", &section.table)?,
        bucket: needed("bucket", &section.bucket)?,
        name: cloud,
        provider: def.cloud.provider,
        region: def.cloud.region.to_owned(),
        endpoint: section.endpoint.clone(),
        qualifier: section.qualifier.clone(),
    })
}

/// Whether Lambda takes this as the name of an alias, and not for a version.
fn is_alias(qualifier: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=128).contains(&qualifier.len())
        && qualifier.chars().all(plain)
        && !qualifier.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{File, from_toml, from_variables},
        *,
    };
    use crate::graph::sample::ALL;

    const BOTH: &str = "[clouds.AWS]\nprovider = \"aws\"\nregion = \"ap-northeast-1\"\ntable = \"t\"\nbucket = \"b\"\n\
                        [clouds.ALI]\ngpu_type = \"fc.gpu.ada.1\"\ntable = \"u\"\nbucket = \"c\"\nendpoint = \"http://127.0.0.1:1\"\n";

    fn refused(text: &str) -> String {
        from_toml(text, &ALL).unwrap_err().to_string()
    }

    #[test]
    fn settings_are_read_in_the_order_of_the_definition() {
        let clouds = from_toml(BOTH, &ALL).unwrap();
        let short: Vec<_> =
            clouds.iter().map(|cloud| (&*cloud.name, &*cloud.table, &*cloud.bucket)).collect();
        assert_eq!(short, [("AWS", "t", "b"), ("ALI", "u", "c")]);
        assert_eq!(clouds[1].endpoint.as_deref(), Some("http://127.0.0.1:1"));
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_with_what_to_do() {
        assert_eq!(
            refused("[clouds]"),
            "jointlambda.toml says nothing of the cloud `AWS`: add `[clouds.AWS]`"
        );
        assert_eq!(
            refused(&BOTH.replace("bucket = \"b\"", "buket = \"b\"")),
            "jointlambda.toml cannot be read: line 5: unknown field `buket`, expected one of `provider`, `region`, `table`, `bucket`, `endpoint`, `qualifier`, `gpu_type`, `same_as`"
        );
        assert!(
            refused("[clouds").starts_with("jointlambda.toml cannot be read: line 1: "),
            "{}",
            refused("[clouds")
        );
        assert_eq!(
            refused(&BOTH.replace("ap-northeast-1", "us-east-1")),
            "`region` of the cloud `AWS` is `us-east-1` in jointlambda.toml, and `ap-northeast-1` in the workflow"
        );
        assert_eq!(
            refused(&format!("{BOTH}[clouds.GCP]\ntable = \"t\"\nbucket = \"b\"\n")),
            "jointlambda.toml has a cloud `GCP`, which the workflow does not have: it has AWS, ALI"
        );
    }

    const MOVED: &str = "[[moved_from]]\nprovider = \"aws\"\nregion = \"us-east-1\"\ntable = \"old\"\n";

    #[test]
    fn a_table_that_run_rows_have_moved_from_is_of_no_cloud() {
        let moved = format!("{BOTH}{MOVED}");
        assert_eq!(from_toml(&moved, &ALL).unwrap(), from_toml(BOTH, &ALL).unwrap());
        let file = File::read(&moved).unwrap();
        let old = file.moved_from.into_iter().map(|old| old.settings().unwrap().place()).collect::<Vec<_>>();
        assert_eq!(old, ["aws/us-east-1/old"]);
        let text = moved.replace("[[moved_from]]\nprovider = \"aws\"", "[[moved_from]]\nprovider = \"gcp\"");
        let error = File::read(&text).unwrap().moved_from.remove(0).settings().unwrap_err().to_string();
        let why =
            "jointlambda.toml cannot be read: `moved_from` has the provider `gcp`: write `aws` or `aliyun`";
        assert_eq!(error, why);
        assert!(refused(&moved.replace("\nregion = \"us-east-1\"", "")).contains("missing field `region`"));
    }

    #[test]
    fn run_rows_that_have_moved_back_are_looked_for_once() {
        let back = format!("{BOTH}{}", MOVED.replace("us-east-1", "ap-northeast-1").replace("old", "t"));
        assert!(super::super::moved_from(&back, &ALL).unwrap().is_empty());
    }

    const ONE: &str = "[clouds.AWS]\ntable = \"t\"\nbucket = \"b\"\nqualifier = \"live\"\n\
                       [clouds.ALI]\nsame_as = \"AWS\"\n";

    #[test]
    fn a_cloud_that_is_the_same_as_another_has_all_of_it() {
        let clouds = from_toml(ONE, &ALL).unwrap();
        assert_eq!(clouds[0], clouds[1]);
        assert_eq!((clouds[1].provider, &*clouds[1].table), (Provider::Aws, "t"));
        let others = |text: &'static str| {
            move |name: &str| {
                let value = match name {
                    "JOINTLAMBDA_CLOUD" => "AWS",
                    "JOINTLAMBDA_TABLE" => "t",
                    "JOINTLAMBDA_BUCKET" => "b",
                    "JOINTLAMBDA_QUALIFIER" => "live",
                    "JOINTLAMBDA_CLOUDS" => text,
                    _ => return None,
                };
                Some(value.to_owned())
            }
        };
        assert_eq!(from_variables(&ALL, others(r#"{"ALI": {"same_as": "AWS"}}"#)).unwrap(), (0, clouds));
        let wrong = from_variables(&ALL, others(r#"{"ALI": {"same_as": "GCP"}}"#)).unwrap_err();
        assert!(wrong.to_string().starts_with("in JOINTLAMBDA_CLOUDS the cloud `ALI` is"), "{wrong}");
    }

    #[test]
    fn a_cloud_that_cannot_be_the_same_is_refused() {
        let same = |of: &str, more: &str| {
            refused(&ONE.replace("same_as = \"AWS\"", &format!("same_as = \"{of}\"{more}")))
        };
        let begin = "in jointlambda.toml the cloud `ALI` is the same as";
        assert_eq!(
            same("GCP", ""),
            format!("{begin} `GCP`, which the workflow does not have: it has AWS, ALI")
        );
        assert_eq!(
            same("ALI", ""),
            format!("{begin} `ALI`, which it is anyway: say where it is, or name another cloud")
        );
        assert_eq!(
            same("AWS", "\ntable = \"t\""),
            format!("{begin} `AWS`, then it has no `table` of its own, remove one of the two")
        );
        let circle = "[clouds.AWS]\nsame_as = \"ALI\"\n[clouds.ALI]\nsame_as = \"AWS\"\n";
        assert_eq!(
            refused(circle),
            "in jointlambda.toml the cloud `AWS` is the same as `ALI`, which is the same as `AWS`: name that one"
        );
        let nowhere = refused("[clouds.ALI]\nsame_as = \"AWS\"\n");
        assert_eq!(nowhere, "jointlambda.toml says nothing of the cloud `AWS`: add `[clouds.AWS]`");
    }

    #[test]
    fn a_qualifier_is_an_alias_of_functions_on_aws() {
        for version in ["3", "$LATEST", ""] {
            let why = refused(&ONE.replace("live", version));
            assert!(why.contains(&format!("is `{version}` in jointlambda.toml: name an alias")), "{why}");
        }
        let why = refused(&BOTH.replace("table = \"u\"", "table = \"u\"\nqualifier = \"live\""));
        assert!(why.ends_with("only functions of AWS are invoked by one: remove it"), "{why}");
        let why = refused("[clouds.AWS]\nbucket = \"b\"\n[clouds.ALI]\nsame_as = \"AWS\"\n");
        assert_eq!(why, "jointlambda.toml has no `table` of the cloud `AWS`: add it to `[clouds.AWS]`");
    }
}
