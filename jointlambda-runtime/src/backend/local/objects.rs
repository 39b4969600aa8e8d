//! The object store in memory: one ordered map, so that a run's objects lie together.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
    sync::Mutex,
};

use bytes::Bytes;

use super::table::lock;
use crate::{
    backend::Timestamp,
    id::{Incarnation, ObjectKey, ObjectsOf},
};

struct Object {
    bytes: Bytes,
    put_at: Timestamp,
}

#[derive(Default)]
pub(super) struct MemoryObjects(Mutex<BTreeMap<String, Object>>);

impl MemoryObjects {
    pub(super) fn put(&self, key: &ObjectKey, bytes: Bytes, now: Timestamp) {
        if let Entry::Vacant(vacant) = lock(&self.0).entry(key.as_str().to_owned()) {
            vacant.insert(Object { bytes, put_at: now });
        }
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<Bytes> {
        lock(&self.0).get(key.as_str()).map(|object| object.bytes.clone())
    }

    /// Removes every object that was put before `until`; says how many there were.
    pub(super) fn sweep_expired(&self, until: Timestamp) -> usize {
        let mut objects = lock(&self.0);
        let before = objects.len();
        objects.retain(|_, object| object.put_at >= until);
        before - objects.len()
    }

    pub(super) fn count(&self) -> u64 {
        lock(&self.0).len() as u64
    }

    pub(super) fn delete_run(&self, of: &Incarnation, which: ObjectsOf) {
        let prefix = ObjectKey::prefix(of, which);
        let mut objects = lock(&self.0);
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let of_run = objects.range::<str, _>(from).take_while(|(key, _)| key.starts_with(&prefix));
        let keys: Vec<String> = of_run.map(|(key, _)| key.clone()).collect();
        for key in keys {
            objects.remove(&key);
        }
    }
}
