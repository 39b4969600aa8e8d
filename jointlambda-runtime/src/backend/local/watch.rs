//! Waiting for a row to change, without polling and without keeping anything per row.
//!
//! Keys are hashed to a fixed number of cells. A cell counts the writes to its keys and remembers
//! the count at the last read, so that a change between a read and the wait that follows it is
//! noticed. Where keys share a cell, a wait may end early (allowed by the contract) or, if another
//! read came in between, last for [`MAX_WAIT`].

use std::{
    hash::BuildHasher as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use foldhash::fast::FixedState;
use tokio::sync::Notify;

use crate::id::RowKey;

/// The longest that a wait for a change takes.
pub const MAX_WAIT: Duration = Duration::from_millis(200);

const CELLS: usize = 4096;

#[derive(Default)]
struct Cell {
    writes: AtomicU64,
    seen: AtomicU64,
    changed: Notify,
}

pub(super) struct Watch(Vec<Cell>);

impl Watch {
    pub(super) fn new() -> Self {
        Watch((0..CELLS).map(|_| Cell::default()).collect())
    }

    /// To be called after a write to the row has taken effect.
    pub(super) fn wrote(&self, key: &RowKey) {
        let cell = self.cell(key);
        cell.writes.fetch_add(1, Ordering::SeqCst);
        cell.changed.notify_waiters();
    }

    /// Reads a row by `read`; a change from then on ends the next wait.
    pub(super) fn reading<T>(&self, key: &RowKey, read: impl FnOnce() -> T) -> T {
        let cell = self.cell(key);
        let writes = cell.writes.load(Ordering::SeqCst);
        let answer = read();
        cell.seen.store(writes, Ordering::SeqCst);
        answer
    }

    pub(super) async fn changed(&self, key: &RowKey) {
        let cell = self.cell(key);
        let mut changed = std::pin::pin!(cell.changed.notified());
        changed.as_mut().enable();
        if cell.writes.load(Ordering::SeqCst) == cell.seen.load(Ordering::SeqCst) {
            // Either a change, or another look is worthwhile.
            let _ = tokio::time::timeout(MAX_WAIT, changed).await;
        }
    }

    fn cell(&self, key: &RowKey) -> &Cell {
        &self.0[hash(key) % CELLS]
    }
}

/// The same in every process, so that a run in virtual time is the same each time. Keys are made
/// of digests, so nobody can choose them to collide.
pub(super) const HASHER: FixedState = FixedState::with_seed(0);

/// Bits that a hash map of the same hasher does not look at first.
pub(super) fn hash(key: &RowKey) -> usize {
    (HASHER.hash_one(key) >> 32) as usize & 0xff_ffff
}
