//! The deployments that are in the output folder already: those that stay beside the one that is built, so
//! that runs in flight end, and that one as it was.

use std::{fs, path::Path};

use serde_json::{Map, Value};

use crate::{
    settings::{self, FILE},
    terraform::root::Entry,
    trouble::Trouble,
};

/// A deployment's entry in the root module, beside its functions.
pub(crate) const ENTRY_FILE: &str = "deployment.json";

/// The deployments of one provider.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    /// The one that is built, as it was built before.
    pub(crate) own: Option<Entry>,
    /// All others, in the order of their names.
    pub(crate) others: Vec<Entry>,
}

impl Earlier {
    /// Those in a folder, where `deployment` is built.
    pub(crate) fn read(folder: &Path, deployment: &str) -> Result<Self, Trouble> {
        let mut earlier = Earlier::default();
        let Ok(folders) = fs::read_dir(folder) else { return Ok(earlier) };
        let folders = folders.flatten().map(|folder| folder.path()).filter(|path| path.is_dir());
        for path in folders.map(|folder| folder.join(ENTRY_FILE)) {
            let Some(text) = settings::read([path.as_path()])? else { continue };
            let entry: Entry = serde_json::from_str(&text).map_err(|error| {
                Trouble::of(format!("read {}", path.display()), &error)
                    .hint("restore it; without it the functions of that deployment would be destroyed")
            })?;
            if entry.id() == deployment {
                earlier.own = Some(entry);
            } else {
                earlier.others.push(entry);
            }
        }
        earlier.others.sort_by(|a, b| a.id().cmp(b.id()));
        Ok(earlier)
    }

    /// What was said of the store in `region` when this deployment was built before.
    pub(crate) fn own_store(&self, region: &str) -> Option<&Map<String, Value>> {
        self.own.as_ref()?.regions.get(region).map(|own| &own.store)
    }

    /// The module with the store of a deployment in `region`, of which `call` is the call: that of an earlier
    /// deployment where the store is the same, so that nothing is made twice; else one of its own, so that
    /// the earlier one keeps its rows. `prune` says that no other deployment stays.
    pub(crate) fn store_module(
        &self,
        short: &str,
        (cloud, region): (&str, &str),
        call: &Map<String, Value>,
        prune: bool,
    ) -> Result<String, Trouble> {
        let wanted = store_names(call);
        let stores = || self.others.iter().filter_map(|entry| Some((entry, entry.regions.get(region)?)));
        if let Some((_, same)) = stores().find(|(_, other)| store_names(&other.store) == wanted) {
            return Ok(same.store_module(region));
        }
        let own = self.own.iter().find_map(|own| own.regions.get(region));
        if prune {
            return Ok(own.map_or_else(|| format!("store-{region}"), |own| own.store_module(region)));
        }
        // Its table is the same, or it were another deployment.
        if let Some(own) = own
            && let (old, new) = (bucket(&own.store), bucket(call))
            && old != new
        {
            return Err(Trouble::new(format!(
                "`[clouds.{cloud}]` in {FILE} has the bucket `{new}`, and this deployment has `{old}`, where \
                 runs in flight have their large values"
            ))
            .hint(format!(
                "write `{old}` again; or, when no run is open any more, pass `--prune`, which also removes the old \
                 bucket"
            )));
        }
        for (entry, other) in stores() {
            let shared =
                wanted.iter().zip(store_names(&other.store)).find(|(a, b)| **a == *b && !a.1.is_empty());
            if let Some(((key, name), _)) = shared {
                return Err(Trouble::new(format!(
                    "`[clouds.{cloud}]` in {FILE} uses the {key} `{name}`, which is part of the store of the earlier \
                     deployment {}; the new store differs from that one",
                    entry.short()
                ))
                .hint(
                    "a new table needs a bucket, and on Alibaba Cloud an instance, of its own; or pass `--prune` \
                     when no run of that deployment is open any more",
                ));
            }
        }
        Ok(match own {
            Some(own) => own.store_module(region),
            None if stores().next().is_some() => format!("store-{region}-{short}"),
            None => format!("store-{region}"),
        })
    }
}

fn bucket(call: &Map<String, Value>) -> &str {
    call.get("bucket").and_then(Value::as_str).unwrap_or_default()
}

/// What names a store: on AWS it has no instance, and a table's name is one of its instance.
fn store_names(call: &Map<String, Value>) -> [(&'static str, String); 3] {
    let get = |key: &str| call.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let instance = get("instance");
    let table = if instance.is_empty() { get("table") } else { format!("{instance}/{}", get("table")) };
    [("table", table), ("bucket", get("bucket")), ("instance", instance)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::terraform::root::Region;

    const REGION: (&str, &str) = ("AWS", "us-east-1");

    fn store(instance: &str, table: &str, bucket: &str) -> Map<String, Value> {
        match json!({ "instance": instance, "table": table, "bucket": bucket }) {
            Value::Object(store) => store,
            other => unreachable!("not an object: {other}"),
        }
    }

    fn entry(deployment: &str, store: Map<String, Value>, store_module: Option<&str>) -> Entry {
        let region = Region {
            cloud: REGION.0.into(),
            store,
            store_module: store_module.map(str::to_owned),
            functions: Map::new(),
        };
        Entry {
            deployment: Some(deployment.into()),
            definition: "0".repeat(16),
            home: None,
            regions: [(REGION.1.to_owned(), region)].into(),
        }
    }

    #[test]
    fn a_store_stays_what_it_is_called() {
        let (old, new) = (store("", "t", "b"), store("", "u", "c"));
        let name = |earlier: &Earlier, store| earlier.store_module("22222222", REGION, store, false).unwrap();
        let mut earlier = Earlier::default();
        assert_eq!(name(&earlier, &old), "store-us-east-1");
        earlier.others.push(entry("1111111100000000", old.clone(), None));
        assert_eq!(name(&earlier, &old), "store-us-east-1", "it is the same store");
        assert_eq!(name(&earlier, &new), "store-us-east-1-22222222", "the old one stays beside it");
        // Once it has a name, it keeps that, also when the old one has gone.
        let named = entry("2222222200000000", new.clone(), Some("store-us-east-1-22222222"));
        earlier.own = Some(named.clone());
        earlier.others.clear();
        assert_eq!(name(&earlier, &new), "store-us-east-1-22222222");
        let later = Earlier { own: None, others: vec![named] };
        let of_third = |store| later.store_module("33333333", REGION, store, false).unwrap();
        assert_eq!(of_third(&new), "store-us-east-1-22222222");
        assert_eq!(of_third(&old), "store-us-east-1-33333333");
    }

    #[test]
    fn a_bucket_does_not_change_under_runs_in_flight() {
        let own = entry("2222222200000000", store("", "t", "b"), None);
        let earlier = Earlier { own: Some(own), others: Vec::new() };
        let module = |bucket, prune| earlier.store_module("22222222", REGION, &store("", "t", bucket), prune);
        let why = module("c", false).unwrap_err().lines();
        assert!(why.contains("has the bucket `c`, and this deployment has `b`"), "{why}");
        assert!(why.contains("hint: write `b` again"), "{why}");
        assert!(module("b", false).is_ok() && module("c", true).is_ok());
    }

    #[test]
    fn a_new_table_needs_a_bucket_and_an_instance_of_its_own() {
        let earlier =
            Earlier { own: None, others: vec![entry("1111111100000000", store("i", "t", "b"), None)] };
        let refused = |store| earlier.store_module("22222222", REGION, &store, false).unwrap_err().lines();
        let why = refused(store("j", "u", "b"));
        assert!(why.contains("uses the bucket `b`, which is part of the store of the earlier"), "{why}");
        assert!(why.contains("hint: a new table needs a bucket"), "{why}");
        assert!(refused(store("i", "u", "c")).contains("uses the instance `i`"));
        assert!(refused(store("i", "t", "c")).contains("uses the table `i/t`"), "another bucket");
        assert!(earlier.store_module("22222222", REGION, &store("j", "t", "c"), false).is_ok());
        assert!(earlier.store_module("22222222", REGION, &store("j", "u", "b"), true).is_ok(), "it goes");
    }
}
