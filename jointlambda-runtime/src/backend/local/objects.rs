//! The object store in memory: one ordered map, so that a run's objects lie together.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
    sync::Mutex,
};

use bytes::Bytes;

use super::table::lock;
use crate::id::{ObjectKey, RunId};

#[derive(Default)]
pub(super) struct MemoryObjects(Mutex<BTreeMap<String, Bytes>>);

impl MemoryObjects {
    pub(super) fn put(&self, key: &ObjectKey, bytes: Bytes) {
        if let Entry::Vacant(vacant) = lock(&self.0).entry(key.as_str().to_owned()) {
            vacant.insert(bytes);
        }
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<Bytes> {
        lock(&self.0).get(key.as_str()).cloned()
    }

    pub(super) fn count(&self) -> u64 {
        lock(&self.0).len() as u64
    }

    pub(super) fn delete_run(&self, run: &RunId) {
        let prefix = ObjectKey::prefix(run);
        let mut objects = lock(&self.0);
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let of_run = objects.range::<str, _>(from).take_while(|(key, _)| key.starts_with(&prefix));
        let keys: Vec<String> = of_run.map(|(key, _)| key.clone()).collect();
        for key in keys {
            objects.remove(&key);
        }
    }
}
