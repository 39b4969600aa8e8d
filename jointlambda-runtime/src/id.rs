//! Ids and the keys derived from them, by pure functions.
//!
//! An instance's name follows from its run, its node, its branch path and its loop counters. No
//! part of a key is user data: a run's id is a digest of the client's idempotency key.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    backend::Timestamp,
    definition::{FunctionIndex, NodeIndex},
};

/// Names one execution of a workflow: a digest of the workflow's name and the client's key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId([u8; 16]);

impl RunId {
    /// The run of `workflow` that the client calls `key`.
    pub fn derive(workflow: &str, key: &str) -> Self {
        let digest = digest(&[workflow.as_bytes(), &[0], key.as_bytes()]);
        RunId(digest)
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

/// Names one incarnation of a run: the run row that was created under the run's id, told from
/// earlier and later ones by when it was started.
///
/// Every name below the run row derives from it. So a key that is used again, once the run that had
/// it is gone, never meets what that run left behind, in whatever order its rows expire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Incarnation([u8; 16]);

impl Incarnation {
    /// The incarnation of `run` that was started at `started_at`.
    pub fn of(run: &RunId, started_at: Timestamp) -> Self {
        Incarnation(digest(&[&run.0, &started_at.to_be_bytes()]))
    }

    /// The run that goes on where this one failed.
    pub fn redriven(&self) -> RunId {
        RunId(digest(&[&self.0, b"redriven"]))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = [0; 32];
        f.write_str(write_hex(&self.0, &mut hex))
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names a deployment of a workflow: its definition, and the tables that its clouds resolve to. The
/// run index, run rows and envelopes carry it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeploymentId(pub u64);

impl DeploymentId {
    /// The deployment of the workflow `name`, whose definition has this hash, on these tables: one for
    /// each of its clouds, in the order of the definition.
    pub fn of<'t>(name: &'t str, definition: u64, tables: impl IntoIterator<Item = &'t str>) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(definition.to_be_bytes());
        for part in std::iter::once(name).chain(tables) {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = hasher.finalize().into();
        DeploymentId(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The key of a row: `run` for a run row; else `incarnation/node/i.j.k`, with every branch index and
/// loop counter around the node, outermost first.
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
    pub fn instance(of: &Incarnation, node: NodeIndex, path: &[u32]) -> Self {
        RowKey(named(of, node, path, ""))
    }

    /// The row where branches of a fan-in arrive: `level` 0 takes branches, each further level
    /// takes full rows of the level before.
    pub fn join(of: &Incarnation, node: NodeIndex, path: &[u32], level: u32, index: u32) -> Self {
        RowKey(named(of, node, path, &format!("/j{level}.{index}")))
    }

    /// The row that holds a stored value.
    pub fn value(of: &Incarnation, digest: &Digest) -> Self {
        RowKey(format!("{of}/v/{digest}"))
    }

    /// Whether it is the key of a stored value.
    #[cfg(feature = "local")]
    pub(crate) fn is_value(&self) -> bool {
        self.0.split('/').nth(1) == Some("v")
    }

    /// The row where the calls of a batch function gather that were dispatched in one `epoch` (the
    /// time in units of the function's wait): the first that does not find room in those before
    /// `index`. It belongs to no run.
    pub(crate) fn batch(deployment: DeploymentId, function: FunctionIndex, epoch: u64, index: u32) -> Self {
        RowKey(format!("b/{deployment}/{function}/{epoch}.{index}"))
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

/// The key of an object: `incarnation/digest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// The object of a run whose content has `digest`.
    pub fn new(of: &Incarnation, digest: &Digest) -> Self {
        ObjectKey(format!("{}{digest}", Self::prefix(of, ObjectsOf::Work)))
    }

    /// The object that holds the result of a run; it outlives the others.
    pub fn result(of: &Incarnation, digest: &Digest) -> Self {
        ObjectKey(format!("{of}.result/{digest}"))
    }

    /// The prefix that the keys of all objects of a run have, and no others'.
    pub fn prefix(of: &Incarnation, which: ObjectsOf) -> String {
        match which {
            ObjectsOf::Work => format!("{of}/"),
            ObjectsOf::Run => of.to_string(),
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

fn named(of: &Incarnation, node: NodeIndex, path: &[u32], suffix: &str) -> String {
    use fmt::Write as _;
    let mut hex = [0; 32];
    let mut key = String::with_capacity(48 + suffix.len());
    key.push_str(write_hex(&of.0, &mut hex));
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
    fn a_batch_row_stands_for_no_run_and_for_one_deployment() {
        let (one, other) = (DeploymentId(1), DeploymentId(2));
        let keys = [
            RowKey::batch(one, 1, 1, 1),
            RowKey::batch(one, 11, 1, 1),
            RowKey::batch(one, 1, 11, 1),
            RowKey::batch(one, 1, 1, 11),
            RowKey::batch(other, 1, 1, 1),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert!(keys.iter().all(|key| key.as_run().is_none()));
    }

    #[test]
    fn a_deployment_is_told_by_each_part_of_it() {
        let all = [
            DeploymentId::of("w", 1, ["t", "u"]),
            DeploymentId::of("w", 2, ["t", "u"]),
            DeploymentId::of("v", 1, ["t", "u"]),
            DeploymentId::of("w", 1, ["u", "t"]),
            DeploymentId::of("w", 1, ["tu", ""]),
            DeploymentId::of("w", 1, ["t"]),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn different_instances_have_different_keys() {
        let run = RunId::derive("w", "k");
        let (one, other) = (Incarnation::of(&run, 1), Incarnation::of(&run, 2));
        let keys = [
            RowKey::run(&run),
            RowKey::run(&one.redriven()),
            RowKey::run(&other.redriven()),
            RowKey::instance(&one, 1, &[]),
            RowKey::instance(&other, 1, &[]),
            RowKey::instance(&one, 1, &[1]),
            RowKey::instance(&one, 11, &[]),
            RowKey::instance(&one, 1, &[11]),
            RowKey::instance(&one, 1, &[1, 1]),
            RowKey::join(&one, 1, &[1, 1], 0, 0),
            RowKey::join(&one, 1, &[1], 0, 0),
            RowKey::join(&one, 1, &[1], 1, 0),
            RowKey::value(&one, &Digest::of(b"x")),
            RowKey::value(&other, &Digest::of(b"x")),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
