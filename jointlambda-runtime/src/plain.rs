//! The constructs as ordinary Rust: what `fan_out`, `join!` and the rest do when the workflow
//! function is called directly. This plain run is the oracle for every distributed run.

use futures_util::future::join_all;

/// Runs `branch` once for each item, all at the same time, and collects what they return in the
/// order of the items. An empty list gives an empty `Vec`.
///
/// In a distributed run each branch is a chain of functions of its own.
///
/// ```
/// # use jointlambda_runtime::plain::fan_out;
/// # async fn double(x: u32) -> u32 { 2 * x }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(fan_out(1..=3, async |x| double(x).await).await, [2, 4, 6]);
/// # });
/// ```
pub async fn fan_out<I, F, U>(items: I, branch: F) -> Vec<U>
where
    I: IntoIterator,
    F: AsyncFn(I::Item) -> U,
{
    join_all(items.into_iter().map(|item| branch(item))).await
}

/// [`fan_out`] for branches that may fail: all branches run to their end; then the values, or the
/// first error in the order of the items.
///
/// # Errors
/// The error of the first item, in list order, whose branch failed.
pub async fn try_fan_out<I, F, U, E>(items: I, branch: F) -> Result<Vec<U>, E>
where
    I: IntoIterator,
    F: AsyncFn(I::Item) -> Result<U, E>,
{
    fan_out(items, branch).await.into_iter().collect()
}

/// Waits for two to twelve unlike branches, each a call or an `async` block, at the same time.
/// Gives their values as a tuple.
#[macro_export]
macro_rules! join {
    ($($branch:expr),+ $(,)?) => { $crate::private::join!($($branch),+) };
}

/// [`join!`] for branches that may fail: all branches run to their end; then `Ok` with the tuple of
/// their values, or the `Err` of the first branch, in order, that failed.
#[macro_export]
macro_rules! try_join {
    ($($branch:expr),+ $(,)?) => { $crate::private::AllOk::all_ok($crate::private::join!($($branch),+)) };
}

/// A tuple of `Result`s with one error type.
pub trait AllOk {
    /// The tuple of the values.
    type Values;
    /// The error type.
    type Error;
    /// The values, or the first error.
    fn all_ok(self) -> Result<Self::Values, Self::Error>;
}

macro_rules! all_ok {
    ($($value:ident $result:ident),+) => {
        impl<Error, $($value),+> AllOk for ($(Result<$value, Error>,)+) {
            type Values = ($($value,)+);
            type Error = Error;
            fn all_ok(self) -> Result<Self::Values, Error> {
                let ($($result,)+) = self;
                Ok(($($result?,)+))
            }
        }
    };
}

all_ok!(A a);
all_ok!(A a, B b);
all_ok!(A a, B b, C c);
all_ok!(A a, B b, C c, D d);
all_ok!(A a, B b, C c, D d, E e);
all_ok!(A a, B b, C c, D d, E e, F f);
all_ok!(A a, B b, C c, D d, E e, F f, G g);
all_ok!(A a, B b, C c, D d, E e, F f, G g, H h);
all_ok!(A a, B b, C c, D d, E e, F f, G g, H h, I i);
all_ok!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j);
all_ok!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k);
all_ok!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l);
