//! The rows of many keys, from a store that gives so many in a request and may leave some out.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    time::Duration,
};

use futures_util::future::try_join_all;

use crate::{
    backend::{Row, StoreError},
    id::RowKey,
    retry,
};

/// Rows of one request, and requests at a time.
const ROWS_PER_READ: usize = 100;
const READS_AT_ONCE: usize = 16;
/// How often rows are asked for that the store has left out, being busy.
pub(super) const READ_ROUNDS: u32 = 8;

/// The rows of `keys`, in their order; `read` makes one request of distinct keys.
pub(super) async fn read<'k, F>(
    keys: &'k [RowKey],
    read: impl Fn(Vec<&'k RowKey>) -> F,
) -> Result<Vec<Option<Row>>, StoreError>
where
    F: Future<Output = Result<Vec<(String, Row)>, StoreError>>,
{
    // A key may be asked for once in a request.
    let mut seen = HashSet::new();
    let distinct: Vec<&RowKey> = keys.iter().filter(|key| seen.insert(key.as_str())).collect();
    let mut found = HashMap::with_capacity(distinct.len());
    for keys in distinct.chunks(ROWS_PER_READ * READS_AT_ONCE) {
        let requests = keys.chunks(ROWS_PER_READ).map(|keys| read(keys.to_vec()));
        found.extend(try_join_all(requests).await?.into_iter().flatten());
    }
    Ok(keys.iter().map(|key| found.get(key.as_str()).cloned()).collect())
}

/// Waits until rows are asked for again that were left out.
pub(super) async fn pause(round: u32) {
    tokio::time::sleep(retry::backoff(Duration::from_millis(20), round, 50)).await;
}
