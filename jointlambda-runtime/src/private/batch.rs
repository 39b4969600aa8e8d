//! Batch functions: how they start on many calls, and how the workflow function calls one directly.

use std::any::Any;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::{
    codec,
    error::Fault,
    machine::{Outcome, Started},
};

/// Decodes the arguments of several calls, a tuple of one value each, and starts the function on
/// all of them.
pub fn start_batch<T, U, F>(
    calls: &[Bytes],
    function: impl FnOnce(Vec<T>) -> F,
    is_err: fn(&U) -> bool,
) -> Started<Vec<Outcome>>
where
    T: DeserializeOwned,
    U: Any + Send,
    F: Future<Output = Vec<U>> + Send + 'static,
{
    let items = calls.iter().map(|args| {
        let (item,): (T,) = codec::decode(args, "the arguments of a call")?;
        Ok::<T, Fault>(item)
    });
    let future = function(items.collect::<Result<_, _>>()?);
    Ok(Box::pin(async move {
        let outcomes = future.await.into_iter();
        outcomes.map(|value| Outcome { is_err: is_err(&value), times: 1, value: Box::new(value) }).collect()
    }))
}

/// A batch function as the workflow function calls it when it is called directly. The value is
/// given to [`call`](OneOfBatch::call), and not here, so that its type is known by then and what
/// rustc has to say is about the value.
pub fn one_of_batch<T, U, R>(name: &'static str, function: fn(Vec<T>) -> R) -> OneOfBatch<T, R>
where
    R: Future<Output = Vec<U>>,
{
    OneOfBatch { name, function }
}

/// See [`one_of_batch`].
pub struct OneOfBatch<T, R> {
    name: &'static str,
    function: fn(Vec<T>) -> R,
}

impl<T, R> OneOfBatch<T, R> {
    /// Calls the function with a batch of one.
    ///
    /// # Panics
    /// When it gives more or fewer values than one.
    pub async fn call<U>(self, item: T) -> U
    where
        R: Future<Output = Vec<U>>,
    {
        let mut outcomes = (self.function)(vec![item]).await;
        match (outcomes.pop(), outcomes.len()) {
            (Some(outcome), 0) => outcome,
            (outcome, rest) => {
                panic!("{}", wrong_count(self.name, 1, rest + usize::from(outcome.is_some())))
            }
        }
    }
}

/// What is wrong with a batch function that gives another number of outcomes.
pub(crate) fn wrong_count(function: &str, members: usize, outcomes: usize) -> String {
    format!(
        "`{function}` was given a batch of {members}, and gave {outcomes} values: it must give one for each, in order"
    )
}
