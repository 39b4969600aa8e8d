//! Counts executions of functions that are processes of their own: each writes a line to one file.

use std::{
    collections::BTreeMap,
    env,
    fmt::Display,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// The variable that names the file; without it nothing is written.
const FILE: &str = "EXECUTIONS";
/// A file beside it that is there once functions are to fail no more.
const MENDED: &str = "mended";

/// Notes that a function has begun.
///
/// # Panics
/// When the file cannot be written to.
pub fn note(what: impl Display) {
    let Some(path) = env::var_os(FILE) else { return };
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("it can be written to");
    // One write, so that lines of several processes do not mix.
    file.write_all(format!("{what}\n").as_bytes()).expect("it can be written to");
}

/// Whether a test has mended what makes functions fail: see [`Executions::mend`].
pub fn is_mended() -> bool {
    env::var_os(FILE).is_some_and(|path| Path::new(&path).with_file_name(MENDED).exists())
}

/// The executions of a deployment.
pub struct Executions {
    folder: TempDir,
}

impl Default for Executions {
    fn default() -> Self {
        Executions { folder: tempfile::tempdir().expect("a temporary folder can be made") }
    }
}

impl Executions {
    /// Where they are written.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("executions")
    }

    /// What a function has in its environment, so that it is counted.
    pub fn variable(&self) -> (String, String) {
        (FILE.to_owned(), self.path().display().to_string())
    }

    /// Has functions that were to fail do so no more.
    ///
    /// # Panics
    /// When the folder cannot be written to.
    pub fn mend(&self) {
        fs::write(self.folder().join(MENDED), "").expect("it can be written to");
    }

    /// A folder of its own, which goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How often each has begun.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for line in fs::read_to_string(self.path()).unwrap_or_default().lines() {
            *counts.entry(line.to_owned()).or_default() += 1;
        }
        counts
    }
}
