//! Files: what is to be written, what of that is there already, and what must not be overwritten.
//!
//! A record in the output directory lists every file that the tool has written, with its hash. A file
//! that is not in the record, or is not as recorded, was written or changed by somebody else: it may be
//! added to, and nothing else.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    package::{hex, sha256},
    trouble::Trouble,
};

/// The record, in the output directory.
const RECORD: &str = ".jointlambda.json";

/// What is to be in the output directory: contents by path.
#[derive(Debug, Default)]
pub(crate) struct Files {
    wanted: BTreeMap<String, Vec<u8>>,
    unwanted: Vec<String>,
}

/// What becomes of one file.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) action: Action,
    pub(crate) bytes: usize,
    pub(crate) sha256: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Create,
    Update,
    Keep,
    Remove,
}

impl Action {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Keep => "keep",
            Action::Remove => "remove",
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// Paths below the output directory, with the SHA-256 of what was written.
    written: BTreeMap<String, String>,
}

impl Files {
    /// A file with this content; its path is relative, with `/`.
    pub(crate) fn add(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.wanted.insert(path.into(), content.into());
    }

    /// A file that is not to be there any more.
    pub(crate) fn remove(&mut self, path: impl Into<String>) {
        self.unwanted.push(path.into());
    }

    /// What writing these files into `out` changes, checked against what must not be overwritten.
    pub(crate) fn changes(&self, out: &Path, overwrite: bool) -> Result<Vec<Change>, Trouble> {
        let record = Record::read(out)?;
        let mut changes = Vec::new();
        for (path, content) in &self.wanted {
            let digest = hex(&sha256(content));
            let action = match found(out, path)? {
                None => Action::Create,
                Some(found) if found == *content => Action::Keep,
                Some(found) if overwrite || record.is_ours(path, &found) || content.starts_with(&found) => {
                    Action::Update
                }
                Some(_) => return Err(foreign(out, path, record.written.contains_key(path))),
            };
            changes.push(Change { path: path.clone(), action, bytes: content.len(), sha256: digest });
        }
        for path in &self.unwanted {
            match found(out, path)? {
                None => {}
                Some(found) if overwrite || record.is_ours(path, &found) => {
                    changes.push(Change {
                        path: path.clone(),
                        action: Action::Remove,
                        bytes: 0,
                        sha256: hex(&sha256(&found)),
                    });
                }
                Some(_) => return Err(foreign(out, path, record.written.contains_key(path))),
            }
        }
        Ok(changes)
    }

    /// Makes `changes` in `out`. Each file is replaced as a whole, the record first: what is written
    /// is then known to be ours however soon this ends.
    pub(crate) fn write(&self, out: &Path, changes: &[Change]) -> Result<(), Trouble> {
        fs::create_dir_all(out).map_err(|error| unwritable(out, &error))?;
        let mut record = Record::read(out)?;
        for change in changes.iter().filter(|change| change.action != Action::Remove) {
            record.written.insert(change.path.clone(), change.sha256.clone());
        }
        for change in changes.iter().filter(|change| change.action == Action::Update) {
            // Were the old content there after a crash, under the new record, it would look like a
            // change by hand; what is only added to would not.
            let path = out.join(&change.path);
            let is_added_to = |found: Vec<u8>| self.wanted[&change.path].starts_with(&found);
            if found(out, &change.path)?.is_some_and(is_added_to) {
                continue;
            }
            fs::remove_file(&path).map_err(|error| unwritable(&path, &error))?;
        }
        record.write(out)?;
        for change in changes {
            let path = out.join(&change.path);
            match change.action {
                Action::Keep => {}
                Action::Create | Action::Update => replace(&path, &self.wanted[&change.path])?,
                Action::Remove => {
                    fs::remove_file(&path).map_err(|error| unwritable(&path, &error))?;
                    record.written.remove(&change.path);
                    remove_empty(out, &path);
                }
            }
        }
        record.write(out)
    }
}

impl Record {
    fn read(out: &Path) -> Result<Self, Trouble> {
        let path = out.join(RECORD);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Trouble::of(format!("read {}", path.display()), &error)
                    .hint("restore it, or write to another directory with `--out`")
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
            Err(error) => Err(unwritable(&path, &error)),
        }
    }

    fn write(&self, out: &Path) -> Result<(), Trouble> {
        let mut text = serde_json::to_vec_pretty(self).expect("strings serialise");
        text.push(b'\n');
        replace(&out.join(RECORD), &text)
    }

    /// Whether a file is as it was written.
    fn is_ours(&self, path: &str, content: &[u8]) -> bool {
        self.written.get(path).is_some_and(|written| *written == hex(&sha256(content)))
    }
}

/// What a file has that is there.
fn found(out: &Path, path: &str) -> Result<Option<Vec<u8>>, Trouble> {
    let path = out.join(path);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unwritable(&path, &error)),
    }
}

fn foreign(out: &Path, path: &str, recorded: bool) -> Trouble {
    let path = out.join(path);
    if recorded {
        Trouble::new(format!("{} was changed after it was written", path.display())).hint(
            "move your changes to a file of your own beside it (Terraform reads every .tf file there), and \
             pass `--overwrite`",
        )
    } else {
        Trouble::new(format!("{} is there, and was not written by this tool", path.display()))
            .hint("write to another directory with `--out`, or pass `--overwrite`")
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Trouble {
    Trouble::new(format!("cannot write {}: {error}", path.display()))
        .hint("write to another directory with `--out`")
}

/// Writes a file whole or not at all.
fn replace(path: &Path, content: &[u8]) -> Result<(), Trouble> {
    let folder: PathBuf = path.parent().unwrap_or(Path::new(".")).into();
    let write = || -> io::Result<()> {
        fs::create_dir_all(&folder)?;
        let mut file = tempfile::Builder::new().prefix(".jointlambda-").tempfile_in(&folder)?;
        file.write_all(content)?;
        set_mode(file.as_file())?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| unwritable(path, &error))
}

/// A temporary file is for its owner alone; what is written here is for everyone.
#[cfg(unix)]
fn set_mode(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_mode(_: &fs::File) -> io::Result<()> {
    Ok(())
}

/// Removes the folders above `path`, below `out`, that nothing is in any more.
fn remove_empty(out: &Path, path: &Path) {
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != out) {
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(pairs: &[(&str, &str)]) -> Files {
        let mut files = Files::default();
        pairs.iter().for_each(|(path, content)| files.add(*path, *content));
        files
    }

    fn actions(changes: &[Change]) -> Vec<(&str, Action)> {
        changes.iter().map(|change| (change.path.as_str(), change.action)).collect()
    }

    fn write(out: &Path, files: &Files) -> Vec<(String, Action)> {
        let changes = files.changes(out, false).unwrap();
        files.write(out, &changes).unwrap();
        changes.into_iter().map(|change| (change.path, change.action)).collect()
    }

    #[test]
    fn files_are_created_updated_kept_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a/b");
        write(&out, &files(&[("x/1", "one"), ("2", "two")]));
        let mut next = files(&[("x/y/3", "three"), ("2", "zwei")]);
        next.remove("x/1");
        next.remove("never there");
        let changes = next.changes(&out, false).unwrap();
        let expected = [("2", Action::Update), ("x/y/3", Action::Create), ("x/1", Action::Remove)];
        assert_eq!(actions(&changes), expected);
        assert_eq!(fs::read_to_string(out.join("2")).unwrap(), "two", "planning changes nothing");
        next.write(&out, &changes).unwrap();
        assert_eq!(fs::read_to_string(out.join("2")).unwrap(), "zwei");
        assert!(!out.join("x/1").exists());
        let again = next.changes(&out, false).unwrap();
        assert_eq!(actions(&again), [("2", Action::Keep), ("x/y/3", Action::Keep)]);
        let mut nothing = Files::default();
        nothing.remove("x/y/3");
        write(&out, &nothing);
        assert!(!out.join("x").exists(), "a folder goes with its last file");
    }

    #[test]
    fn what_others_wrote_or_changed_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path();
        fs::write(out.join("theirs"), "theirs").unwrap();
        let lines = files(&[("theirs", "ours")]).changes(out, false).unwrap_err().lines();
        assert!(lines.contains("was not written by this tool"), "{lines}");
        write(out, &files(&[("ours", "1")]));
        fs::write(out.join("ours"), "changed").unwrap();
        let lines = files(&[("ours", "2")]).changes(out, false).unwrap_err().lines();
        assert!(lines.contains("was changed after it was written"), "{lines}");
        let mut removal = Files::default();
        removal.remove("ours");
        assert!(removal.changes(out, false).is_err());
        let changes = files(&[("ours", "2")]).changes(out, true).unwrap();
        assert_eq!(actions(&changes), [("ours", Action::Update)]);
    }

    #[test]
    fn what_others_wrote_is_added_to() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("theirs"), "theirs\n").unwrap();
        let all = files(&[("theirs", "theirs\nours\n")]);
        assert_eq!(write(dir.path(), &all), [("theirs".to_owned(), Action::Update)]);
        fs::write(dir.path().join("theirs"), "thei").unwrap();
        assert_eq!(write(dir.path(), &all), [("theirs".to_owned(), Action::Update)]);
        fs::write(dir.path().join("theirs"), "their own\n").unwrap();
        assert!(all.changes(dir.path(), false).is_err());
    }

    #[test]
    fn a_file_with_the_same_content_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("same"), "same").unwrap();
        assert_eq!(write(dir.path(), &files(&[("same", "same")])), [("same".to_owned(), Action::Keep)]);
    }

    #[test]
    fn a_directory_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let out = dir.path().join("file/out");
        let files = files(&[("x", "y")]);
        let lines = files.changes(&out, false).unwrap_err().lines();
        assert!(lines.contains("cannot write"), "{lines}");
        assert!(lines.contains("`--out`"), "{lines}");
    }
}
