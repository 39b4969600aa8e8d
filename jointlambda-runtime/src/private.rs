//! Everything that generated code may name. Not for users: it changes without notice.

mod batch;
mod each;
mod race;
mod residual;

use std::{any::Any, future::Future, marker::PhantomData};

pub use futures_util::{future::LocalBoxFuture, join};

pub use crate::{
    definition::{BatchDef, CloudDef, Definition, FunctionDef, NodeDef, NodeKind, Outline, RetryDef, hashed},
    error::Fault,
    machine::{Code, Machine, Outcome, SHAPES, Start, Step, Travel, Var, Workflow},
    plain::{AllOk, OkOrErr},
    shape::Shapes,
};
pub(crate) use batch::wrong_count;
pub use batch::{OneOfBatch, one_of_batch, start_batch};
pub use each::{Each, EachInClosedRange, each, each_in_closed_range, each_in_range, next};
pub use race::{Contender, Prize, Race, contender};
pub use residual::{FromResidual, Try};

use crate::codec;

/// Holds a type to the rule for what travels, and gives its shape.
pub fn travels<T: Travel>() -> fn(&mut Shapes) {
    Shapes::of::<T>
}

/// What a workflow returns; that it travels is a rule of [`Workflow`] already.
pub fn output<W: Workflow>() -> Var<W::Output> {
    Var::new(u16::MAX)
}

/// Decodes the arguments of a function and starts it.
pub fn start<A, R, F>(
    args: &[u8],
    function: impl FnOnce(A) -> F,
    is_err: fn(&R) -> bool,
) -> Result<futures_util::future::BoxFuture<'static, Outcome>, Fault>
where
    A: serde::de::DeserializeOwned,
    R: Any + Send,
    F: Future<Output = R> + Send + 'static,
{
    let future = function(codec::decode(args, "the arguments of a call")?);
    Ok(Box::pin(async move {
        let value = future.await;
        Outcome { is_err: is_err(&value), times: 1, value: Box::new(value) }
    }))
}

/// The values of a `try_fan_out`, or the first error in branch order.
pub fn all_ok<T, E>(outcomes: Vec<Result<T, E>>) -> Result<Vec<T>, E> {
    outcomes.into_iter().collect()
}

/// The values of a `first_ok`, or the error that counts.
pub fn counted<R: OkOrErr>(outcomes: Vec<R>) -> Result<Vec<R::Value>, R::Error> {
    outcomes.into_iter().map(R::ok_or_err).collect()
}

/// Tells a `Result` from other types: the inherent method is found before that of [`NeverErr`].
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// A probe of the type.
    pub const fn new() -> Self {
        Probe(PhantomData)
    }
}

impl<T> Default for Probe<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> Probe<Result<T, E>> {
    /// Whether a value is an `Err`.
    pub const fn is_err(&self) -> fn(&Result<T, E>) -> bool {
        Result::is_err
    }
}

/// What all other types get.
pub trait NeverErr<T> {
    /// Never.
    fn is_err(&self) -> fn(&T) -> bool {
        |_| false
    }
}

impl<T> NeverErr<T> for Probe<T> {}
