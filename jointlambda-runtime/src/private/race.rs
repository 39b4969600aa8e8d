//! What `race!` is made of in the plain run: all branches are polled in place, in order.

use std::{
    future::{Future, poll_fn},
    marker::PhantomData,
    pin::{Pin, pin},
    task::{Context, Poll},
};

/// What all branches of a [`race!`](crate::race) give: a `Result` of one type.
pub struct Prize<T, E>(PhantomData<fn() -> Result<T, E>>);

impl<T, E> Prize<T, E> {
    /// A prize of a type that the branches say.
    #[allow(clippy::new_without_default)] // it is for generated code only
    pub const fn new() -> Self {
        Prize(PhantomData)
    }
}

impl<T, E> Clone for Prize<T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, E> Copy for Prize<T, E> {}

/// A branch of a [`race!`](crate::race).
pub struct Contender<F, T, E> {
    branch: F,
    poll: PollBranch<F, T, E>,
}

type PollBranch<F, T, E> = fn(Pin<&mut F>, &mut Context<'_>) -> Poll<Result<T, E>>;

/// Holds a branch of a [`race!`](crate::race) to what it gives; only here, so that what is wrong
/// is said of the branch, and once.
pub fn contender<F, T, E>(_: Prize<T, E>, branch: F) -> Contender<F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    Contender { branch, poll: F::poll }
}

/// A tuple of [`Contender`]s.
pub trait Race {
    /// The type of the value.
    type Value;
    /// The error type.
    type Error;
    /// The first value, or the first error in the order of the branches.
    fn race(self) -> impl Future<Output = Result<Self::Value, Self::Error>>;
}

macro_rules! race_of {
    ($($branch:ident $future:ident),+) => {
        impl<Value, Error, $($branch),+> Race for ($(Contender<$branch, Value, Error>,)+) {
            type Value = Value;
            type Error = Error;
            async fn race(self) -> Result<Value, Error> {
                const BRANCHES: usize = [$(stringify!($branch)),+].len();
                let ($($future,)+) = self;
                $(let mut $future = (pin!($future.branch), $future.poll);)+
                let mut errors = [const { None }; BRANCHES];
                poll_fn(|context| {
                    let mut open = errors.iter_mut();
                    $(
                        let error = open.next().expect("there is one per branch");
                        if error.is_none()
                            && let Poll::Ready(outcome) = ($future.1)($future.0.as_mut(), context)
                        {
                            match outcome {
                                Ok(value) => return Poll::Ready(Ok(value)),
                                Err(reason) => *error = Some(reason),
                            }
                        }
                    )+
                    match errors.iter().all(Option::is_some).then(|| errors[0].take()).flatten() {
                        Some(error) => Poll::Ready(Err(error)),
                        None => Poll::Pending,
                    }
                })
                .await
            }
        }
    };
}

race_of!(A a);
race_of!(A a, B b);
race_of!(A a, B b, C c);
race_of!(A a, B b, C c, D d);
race_of!(A a, B b, C c, D d, E e);
race_of!(A a, B b, C c, D d, E e, F f);
race_of!(A a, B b, C c, D d, E e, F f, G g);
race_of!(A a, B b, C c, D d, E e, F f, G g, H h);
race_of!(A a, B b, C c, D d, E e, F f, G g, H h, I i);
race_of!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j);
race_of!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k);
race_of!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l);
