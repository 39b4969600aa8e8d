//! The constructs as ordinary Rust: what `fan_out`, `join!` and the rest do when the workflow
//! function is called directly. This plain run is the oracle for every distributed run.

use futures_util::{
    future::join_all,
    stream::{FuturesUnordered, StreamExt},
};

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

/// Redundancy: runs `branch` once for each item, all at the same time, and waits for the `k` that
/// are the first to be `Ok`. Gives their values in the order of the items. `first_ok(0, …)` gives
/// an empty `Vec` at once.
///
/// In a distributed run each branch is a chain of functions of its own, and of up to 128. Nobody
/// stops those that come too late: they run to their end, and what they return is dropped. (In the
/// plain run they are dropped themselves.) A branch that fails, since its platform gave up on it,
/// fails no run: it counts as one that is not `Ok`.
///
/// # Errors
/// When so many branches are not `Ok` that `k` cannot be reached: the `Err` of the first item, in
/// list order, of those whose branches had ended by then. (When all of those failed, so does the
/// branch or run around.)
///
/// # Panics
/// When `k` is larger than the number of items.
///
/// ```
/// # use jointlambda_runtime::plain::first_ok;
/// # async fn ask(mirror: &str) -> Result<u32, String> {
/// #     if mirror == "down" { Err("it is down".to_owned()) } else { Ok(7) }
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mirrors = ["here", "down", "there"];
/// assert_eq!(first_ok(1, mirrors, async |mirror| ask(mirror).await).await, Ok(vec![7]));
/// assert_eq!(first_ok(3, mirrors, async |mirror| ask(mirror).await).await, Err("it is down".to_owned()));
/// # });
/// ```
pub async fn first_ok<I, F, U, E>(k: usize, items: I, branch: F) -> Result<Vec<U>, E>
where
    I: IntoIterator,
    F: AsyncFn(I::Item) -> Result<U, E>,
{
    if k == 0 {
        return Ok(Vec::new());
    }
    let items: Vec<_> = items.into_iter().collect();
    check_first(k, items.len());
    let may_err = items.len() - k;
    let branch = &branch;
    let run = |(index, item)| async move { (index, branch(item).await) };
    let mut branches: FuturesUnordered<_> = items.into_iter().enumerate().map(run).collect();
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    while values.len() < k
        && errors.len() <= may_err
        && let Some((index, outcome)) = branches.next().await
    {
        match outcome {
            Ok(value) => values.push((index, value)),
            Err(error) => errors.push((index, error)),
        }
    }
    if errors.len() > may_err {
        let first = errors.into_iter().min_by_key(|(index, _)| *index);
        return Err(first.expect("it is more than none").1);
    }
    values.sort_by_key(|(index, _)| *index);
    Ok(values.into_iter().map(|(_, value)| value).collect())
}

/// # Panics
/// When more branches are waited for than there are.
pub(crate) fn check_first(k: usize, branches: usize) {
    assert!(
        k <= branches,
        "`first_ok` waits for the first {k} of {branches} branches: wait for no more than there are"
    );
}

/// What a branch of [`first_ok`] or [`race!`](crate::race!) gives: a [`Result`].
#[diagnostic::on_unimplemented(
    message = "a branch of `first_ok` or `race!` gives a `Result`, and this one gives `{Self}`",
    label = "this is no `Result`",
    note = "a branch that cannot fail ends with `Ok(…)`; where all branches are to be waited for, use `fan_out` or `join!`"
)]
pub trait OkOrErr {
    /// The type of the value.
    type Value;
    /// The error type.
    type Error;
    /// Whether it is an `Err`.
    fn is_err(&self) -> bool;
    /// The result itself.
    fn ok_or_err(self) -> Result<Self::Value, Self::Error>;
}

impl<T, E> OkOrErr for Result<T, E> {
    type Value = T;
    type Error = E;
    fn is_err(&self) -> bool {
        Result::is_err(self)
    }
    fn ok_or_err(self) -> Self {
        self
    }
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

/// Redundancy: runs one to twelve unlike branches, each a call or an `async` block that gives a
/// `Result` of one type, at the same time, and gives the first `Ok`. When all are `Err`, that of
/// the first branch, in order. It is to unlike branches what `first_ok(1, …)` is to the elements of
/// a list, and the same is true of those that come too late, and of those that fail.
///
/// ```
/// # use jointlambda_runtime::race;
/// # async fn ask(mirror: &str) -> Result<u32, String> {
/// #     if mirror == "down" { Err("it is down".to_owned()) } else { Ok(7) }
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let answer = race!(ask("down"), async { Ok(ask("here").await? + 1) });
/// assert_eq!(answer, Ok(8));
/// # });
/// ```
#[macro_export]
macro_rules! race {
    ($($branch:expr),+ $(,)?) => {{
        let prize = $crate::private::Prize::new();
        $crate::private::Race::race(($($crate::private::contender(prize, $branch),)+)).await
    }};
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
