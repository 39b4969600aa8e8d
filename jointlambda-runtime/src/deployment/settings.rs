//! What is written of a workflow's clouds, and what it means: each cloud by itself, or as another one.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{CloudSettings, SettingsError, id};
use crate::{
    definition::{CloudDef, Definition},
    provider::Provider,
};

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
    pub(super) same_as: Option<String>,
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
