//! Ids and the keys derived from them, by pure functions.
//!
//! An instance's name follows from its run, its node, its branch path and its loop counters. No
//! part of a key is user data: a run's id is a digest of the client's idempotency key.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::definition::{Definition, FunctionIndex, NodeIndex};

/// Names one execution of a workflow: a digest of the workflow's name and the client's key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId([u8; 16]);

impl RunId {
    /// The run of `workflow` that the client calls `key`.
    pub fn derive(workflow: &str, key: &str) -> Self {
        let digest = digest(&[workflow.as_bytes(), &[0], key.as_bytes()]);
        RunId(digest)
    }

    /// The run that goes on where this one failed.
    pub fn redriven(&self) -> Self {
        RunId(digest(&[&self.0, b"redriven"]))
    }

    /// Parses the 32 hexadecimal digits that [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(RunId(bytes))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = [0; 32];
        f.write_str(write_hex(&self.0, &mut hex))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key of a row: `run`, or `run/node/i.j.k` with every branch index and loop counter around
/// the node, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey(String);

impl RowKey {
    /// The row of the run itself: its start and its end.
    pub fn run(run: &RunId) -> Self {
        RowKey(run.to_string())
    }

    /// The run whose run row has this key; `None` for other rows.
    pub fn as_run(&self) -> Option<RunId> {
        RunId::parse(&self.0)
    }

    /// The row of an instance: of a call, or of a fan-in's continuation.
    pub fn instance(run: &RunId, node: NodeIndex, path: &[u32]) -> Self {
        RowKey(named(run, node, path, ""))
    }

    /// The row where branches of a fan-in arrive: `level` 0 takes branches, each further level
    /// takes full rows of the level before.
    pub fn join(run: &RunId, node: NodeIndex, path: &[u32], level: u32, index: u32) -> Self {
        RowKey(named(run, node, path, &format!("/j{level}.{index}")))
    }

    /// The row that holds a stored value.
    pub fn value(run: &RunId, digest: &Digest) -> Self {
        RowKey(format!("{run}/v/{digest}"))
    }

    /// Whether it is the key of a stored value.
    #[cfg(feature = "local")]
    pub(crate) fn is_value(&self) -> bool {
        self.0.split('/').nth(1) == Some("v")
    }

    /// The row where the calls of a batch function gather that were dispatched in one `epoch` (the
    /// time in units of the function's wait): the first that does not find room in those before
    /// `index`. It belongs to no run.
    pub(crate) fn batch(definition: &Definition, function: FunctionIndex, epoch: u64, index: u32) -> Self {
        let whose = digest(&[definition.name.as_bytes(), &[0], &definition.hash.to_be_bytes()]);
        let mut hex = [0; 32];
        RowKey(format!("b/{}/{function}/{epoch}.{index}", write_hex(&whose, &mut hex)))
    }

    /// A key read back from a store.
    pub fn from_stored(key: impl Into<String>) -> Self {
        RowKey(key.into())
    }

    /// The key as the stores see it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of an object: `run/digest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// The object of `run` whose content has `digest`.
    pub fn new(run: &RunId, digest: &Digest) -> Self {
        ObjectKey(format!("{}{digest}", Self::prefix(run, ObjectsOf::Work)))
    }

    /// The object that holds the result of `run`; it outlives the others.
    pub fn result(run: &RunId, digest: &Digest) -> Self {
        ObjectKey(format!("{run}.result/{digest}"))
    }

    /// What the keys of all objects of `run` begin with, and no others'.
    pub fn prefix(run: &RunId, which: ObjectsOf) -> String {
        match which {
            ObjectsOf::Work => format!("{run}/"),
            ObjectsOf::Run => run.to_string(),
        }
    }

    /// The key as the stores see it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which objects of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectsOf {
    /// All but its result.
    Work,
    /// All of them.
    Run,
}

/// The first 128 bits of the SHA-256 of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(digest(&[bytes]))
    }

    /// Its first 32 bits.
    pub(crate) fn short(&self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = [0; 32];
        f.write_str(write_hex(&self.0, &mut hex))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let full = hasher.finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&full[..16]);
    half
}

fn write_hex<'a>(bytes: &[u8; 16], hex: &'a mut [u8; 32]) -> &'a str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in hex.chunks_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    std::str::from_utf8(hex).expect("hexadecimal digits are ASCII")
}

fn named(run: &RunId, node: NodeIndex, path: &[u32], suffix: &str) -> String {
    use fmt::Write as _;
    let mut hex = [0; 32];
    let mut key = String::with_capacity(48 + suffix.len());
    key.push_str(write_hex(&run.0, &mut hex));
    write!(key, "/{node}").expect("a String takes all writes");
    for (i, number) in path.iter().enumerate() {
        write!(key, "{}{number}", if i == 0 { '/' } else { '.' }).expect("a String takes all writes");
    }
    key.push_str(suffix);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_reads_back_what_it_writes() {
        let run = RunId::derive("w", "key");
        assert_eq!(RunId::parse(&run.to_string()), Some(run));
        assert_eq!(RunId::parse("zz"), None);
        assert_eq!(RunId::parse(&"é".repeat(16)), None);
    }

    #[test]
    fn workflow_and_key_are_kept_apart() {
        assert_ne!(RunId::derive("ab", "c"), RunId::derive("a", "bc"));
    }

    #[test]
    fn a_batch_row_stands_for_no_run_and_for_one_definition() {
        use crate::graph::sample::{ALL, NOTHING};
        let keys = [
            RowKey::batch(&ALL, 1, 1, 1),
            RowKey::batch(&ALL, 11, 1, 1),
            RowKey::batch(&ALL, 1, 11, 1),
            RowKey::batch(&ALL, 1, 1, 11),
            RowKey::batch(&NOTHING, 1, 1, 1),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert!(keys.iter().all(|key| key.as_run().is_none()));
    }

    #[test]
    fn different_instances_have_different_keys() {
        let run = RunId::derive("w", "k");
        let keys = [
            RowKey::run(&run),
            RowKey::instance(&run, 1, &[]),
            RowKey::instance(&run, 1, &[1]),
            RowKey::instance(&run, 11, &[]),
            RowKey::instance(&run, 1, &[11]),
            RowKey::instance(&run, 1, &[1, 1]),
            RowKey::join(&run, 1, &[1, 1], 0, 0),
            RowKey::join(&run, 1, &[1], 0, 0),
            RowKey::join(&run, 1, &[1], 1, 0),
            RowKey::value(&run, &Digest::of(b"x")),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
