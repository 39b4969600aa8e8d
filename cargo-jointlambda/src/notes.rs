//! What `build` says of runs that may be in flight: on earlier deployments, and on the one that it replaces.
//! It speaks to no cloud, so it cannot know whether there are any.

use std::{fs, io, path::Path};

use serde_json::Value;

use crate::{
    deployments::Earlier,
    described::Described,
    platform::Provider,
    settings::{self, HomeTable, Settings},
    terraform::root::Entry,
    trouble::Trouble,
};

/// Has the keys of runs looked for where earlier deployments have them, if the run rows have moved: a key is
/// unique within one table.
pub(crate) fn moved(
    settings: &mut Settings,
    described: &Described,
    out: &Path,
) -> Result<Option<String>, Trouble> {
    let Some(home) = settings.home(described) else { return Ok(None) };
    let mut homes = Vec::new();
    // Also of a provider whose clouds are all others by now.
    for provider in Provider::ALL {
        let earlier = Earlier::read(&out.join(provider.word()), described.deployment())?;
        homes.extend(earlier.others.into_iter().filter_map(|entry| entry.home));
    }
    let moved = settings.move_from(&home, described.object_days(), homes)?;
    Ok((!moved.is_empty()).then(|| {
        let old = moved.iter().map(HomeTable::to_string).collect::<Vec<_>>().join(", ");
        format!(
            "run rows move from the table {old} to {home}, where every key is free: {} names the old table as \
             `moved_from`, so that a key with a run there is not started again",
            settings::FILE
        )
    }))
}

/// The tables that are still read for their keys, and that no deployment keeps any more.
pub(crate) fn left(settings: &Settings, described: &Described) -> Option<String> {
    let tables: Vec<_> = settings.left_tables(described).into_iter().map(HomeTable::to_string).collect();
    (!tables.is_empty()).then(|| {
        format!(
            "`moved_from` in {} names the table {}, which no deployment has any more: remove it before Terraform \
             destroys the table",
            settings::FILE,
            tables.join(", ")
        )
    })
}

/// The deployments that stay.
pub(crate) fn kept(entries: &[Entry]) -> Option<String> {
    let kept: Vec<_> = entries.iter().map(Entry::short).collect();
    (!kept.is_empty()).then(|| {
        format!(
            "earlier deployments stay, so that runs in flight end: {}; `--prune` removes their functions",
            kept.join(", ")
        )
    })
}

/// The same deployment with another program, under runs that may be in flight.
pub(crate) fn replaced(path: &Path, deployment: &str, zip: &[u8]) -> Result<Option<String>, Trouble> {
    let there = match fs::read(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Trouble::of(format!("read {}", path.display()), &error)),
    };
    Ok((there != zip).then(|| {
        format!(
            "deployment {deployment} is replaced in place: its runs in flight go on with the new program, whose \
             workflow and tables are the same"
        )
    }))
}

/// What runs in flight have stored may not go sooner than they were told.
pub(crate) fn longer(described: &Described, region: &str, store: &Value) -> Option<String> {
    let (days, own) = (store["object_days"].as_u64()?, described.object_days());
    (days > own).then(|| {
        format!(
            "what is stored in {region} stays {days} days, as an earlier build has it, and not {own}: runs in \
             flight need it; `--prune` lowers it"
        )
    })
}
