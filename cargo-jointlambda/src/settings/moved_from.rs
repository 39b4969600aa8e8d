//! Where run rows were before they moved. A key is unique within one table: while the old one is in the file,
//! clients read a key there first.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FILE, Settings, same_as};
use crate::{described::Described, platform::Provider, trouble::Trouble};

/// The key of the tables that run rows have moved from.
const MOVED_FROM: &str = "moved_from";

/// The table that has the run rows of a deployment: a key names one run in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HomeTable {
    pub(crate) provider: Provider,
    pub(crate) region: String,
    pub(crate) table: String,
    /// Where its service is, if not at the provider's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
}

impl HomeTable {
    fn is_same(&self, other: &Self) -> bool {
        (self.provider, &self.region, &self.table) == (other.provider, &other.region, &other.table)
    }
}

impl fmt::Display for HomeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}, {})", self.table, self.provider, self.region)
    }
}

impl Settings {
    /// The table that has the run rows.
    pub(crate) fn home(&self, described: &Described) -> Option<HomeTable> {
        self.table_of(described, &described.definition.clouds.get(described.definition.home)?.name)
    }

    fn table_of(&self, described: &Described, cloud: &str) -> Option<HomeTable> {
        let same = self.clouds.get(cloud).and_then(Value::as_object).and_then(same_as);
        let cloud = same.unwrap_or(cloud);
        let def = described.definition.clouds.iter().find(|def| def.name == cloud)?;
        Some(HomeTable {
            provider: def.cloud.provider,
            region: def.cloud.region.clone(),
            table: self.get(cloud, "table").to_owned(),
            endpoint: Some(self.get(cloud, "endpoint").to_owned()).filter(|endpoint| !endpoint.is_empty()),
        })
    }

    /// Appends each table that had the run rows of an `earlier` deployment, unless the file has it already or
    /// it is the home. A key that names a run there is not started again. Returns the tables that were
    /// added; the file says that they can be removed after so many `days`.
    pub(crate) fn move_from(
        &mut self,
        home: &HomeTable,
        days: u64,
        earlier: impl IntoIterator<Item = HomeTable>,
    ) -> Result<Vec<HomeTable>, Trouble> {
        let mut added: Vec<HomeTable> = Vec::new();
        for old in earlier {
            if self.moved_from.iter().chain([home]).any(|known| known.is_same(&old)) {
                continue;
            }
            self.text.push_str(&moved_from_section(&old, days));
            self.moved_from.push(old.clone());
            added.push(old);
        }
        // A list that is written in one line cannot be added to at the end of the file.
        toml::from_str::<toml::Table>(&self.text).map_err(|_| {
            let missing = added.iter().map(HomeTable::to_string).collect::<Vec<_>>().join(", ");
            Trouble::new(format!(
                "`{MOVED_FROM}` in {FILE} lacks the table {missing}, with runs of earlier deployments"
            ))
            .hint(format!("add it, or write the list as `[[{MOVED_FROM}]]` at the end of the file"))
        })?;
        Ok(added)
    }

    /// The tables that run rows have moved from, and that are of no cloud of the workflow now.
    pub(crate) fn left_tables(&self, described: &Described) -> Vec<&HomeTable> {
        let all = &described.definition.clouds;
        let tables: Vec<_> = all.iter().filter_map(|def| self.table_of(described, &def.name)).collect();
        self.moved_from.iter().filter(|old| !tables.iter().any(|table| table.is_same(old))).collect()
    }
}

/// The tables that the file names.
pub(super) fn read(file: &Value) -> Result<Vec<HomeTable>, Trouble> {
    let Some(written) = file.get(MOVED_FROM) else { return Ok(Vec::new()) };
    serde_json::from_value(written.clone()).map_err(|error| {
        Trouble::new(format!("`{MOVED_FROM}` in {FILE} cannot be read: {error}"))
            .hint(format!("write `[[{MOVED_FROM}]]` with `provider`, `region` and `table`"))
    })
}

/// A table that run rows have moved from, as the file says it.
fn moved_from_section(old: &HomeTable, days: u64) -> String {
    let mut text = format!(
        "\n# Runs of earlier deployments are in this table, and their keys are not started again. Remove this when\n\
         # their rows have gone: {days} days after the last of them was started.\n[[{MOVED_FROM}]]\n"
    );
    let endpoint = old.endpoint.iter().map(|endpoint| ("endpoint", endpoint.clone()));
    let all = [
        ("provider", old.provider.to_string()),
        ("region", old.region.clone()),
        ("table", old.table.clone()),
    ];
    for (key, value) in all.into_iter().chain(endpoint) {
        text.push_str(&format!("{key} = {}\n", toml::Value::String(value)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::described::sample;

    fn complete(text: Option<&str>) -> Result<Settings, String> {
        let described = sample::described(Provider::Aws);
        Settings::complete(text, &described, &[], "place").map_err(|trouble| trouble.lines())
    }

    #[test]
    fn tables_that_run_rows_have_moved_from_are_put_at_the_end_once() {
        let described = sample::described(Provider::Aws);
        let first = complete(None).unwrap();
        let home = first.home(&described).unwrap();
        assert_eq!(home.to_string(), "`two-seas` (aws, ap-northeast-1)");
        let old = HomeTable { table: "old".into(), ..home.clone() };
        let other = HomeTable { provider: Provider::Aliyun, region: "cn-hongkong".into(), ..old.clone() };
        let mut settings = first.clone();
        let all = [old.clone(), home.clone(), other.clone(), old.clone()];
        assert_eq!(settings.move_from(&home, 16, all.clone()).unwrap(), [old.clone(), other.clone()]);
        assert!(settings.text.starts_with(&first.text), "{}", settings.text);
        let mut again = complete(Some(&settings.text)).unwrap();
        assert_eq!(again.moved_from, [old.clone(), other]);
        assert_eq!(again.move_from(&home, 16, all).unwrap(), []);
        assert_eq!(again.text, settings.text);
        // What the user wrote in one line, and what is no table.
        let line = |table: &str| {
            let text =
                "moved_from = [{ provider = \"aws\", region = \"ap-northeast-1\", table = \"TABLE\" }]\n";
            complete(Some(&text.replace("TABLE", table)))
        };
        assert_eq!(line("old").unwrap().move_from(&home, 16, [old.clone()]).unwrap(), []);
        let why = line("older").unwrap().move_from(&home, 16, [old]).unwrap_err().lines();
        assert!(why.contains("lacks the table `old` (aws, ap-northeast-1)"), "{why}");
        let why = complete(Some("[[moved_from]]\ntable = \"t\"\n")).unwrap_err();
        assert!(
            why.contains("`moved_from` in jointlambda.toml cannot be read: missing field `provider`"),
            "{why}"
        );
    }

    #[test]
    fn the_run_rows_are_where_the_home_really_is() {
        let mut described = sample::described(Provider::Aws);
        described.definition.home = 2;
        let settings = complete(None).unwrap();
        let home = settings.home(&described).unwrap();
        assert_eq!((home.provider, &*home.table), (Provider::Aliyun, settings.get("ALI", "table")));
        let settings = complete(Some("[clouds.ALI]\nsame_as = \"US\"\n")).unwrap();
        assert_eq!(settings.home(&described).unwrap().to_string(), "`two-seas` (aws, us-east-1)");
    }
}
