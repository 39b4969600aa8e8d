//! Serverless workflows in ordinary Rust, across clouds, with no orchestrator.
//!
//! A workflow is written in one [`workflow!`] block: plain `async fn`s, and one function that
//! calls them. At compile time it becomes an entrypoint per function, each with a static table of
//! its successors, its placement on a cloud, and the logic to commit its outcome once. At run time
//! each function commits and then invokes its successors itself. The outcome is exactly-once,
//! through crashes, duplicates and failover between clouds.
//!
//! ```
//! use jointlambda::{embedded::Embedded, prelude::*};
//!
//! jointlambda::workflow! {
//!     const AWS: Cloud = Cloud::aws("ap-northeast-1");
//!     const ALI: Cloud = Cloud::aliyun("ap-northeast-1");
//!
//!     /// How many letters a text has, word by word.
//!     #[workflow]
//!     pub async fn letters(text: String) -> Result<u64> {
//!         let words = split(text).await?;                                    // a sequence
//!         let counts = fan_out(words, async |word| count(word).await).await; // a branch per word
//!         if counts.is_empty() { Ok(0) } else { Ok(sum(counts).await) }      // a choice
//!     }
//!
//!     #[function(on = AWS)]
//!     async fn split(text: String) -> Result<Vec<String>> {
//!         Ok(text.split_whitespace().map(str::to_owned).collect())
//!     }
//!
//!     #[function(on = ALI, failover = [AWS])]
//!     async fn count(word: String) -> u64 {
//!         word.chars().count() as u64
//!     }
//!
//!     #[function(on = AWS, memory = 256)]
//!     async fn sum(counts: Vec<u64>) -> u64 {
//!         counts.into_iter().sum()
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! let text = "no orchestrator anywhere".to_owned();
//! let clouds = Embedded::<Letters>::in_memory();
//! let distributed = clouds.run("an idempotency key", text.clone()).await?;
//! let plain = letters(text).await; // the same function, as ordinary Rust
//! assert_eq!(distributed, plain);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Looking after runs
//! A [`Client`] names a run by a key, from any process that reaches the clouds: the same key and input
//! is the same run, however often it is started. `Embedded::client` gives one.
//!
//! ```
//! # use jointlambda::{embedded::Embedded, prelude::*, Status};
//! # jointlambda::workflow! {
//! #     const AWS: Cloud = Cloud::aws("us-east-1");
//! #     #[workflow]
//! #     pub async fn double_twice(x: u64) -> u64 { let y = double(x).await; double(y).await }
//! #     #[function]
//! #     async fn double(x: u64) -> u64 { 2 * x }
//! # }
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! # let clouds = Embedded::<DoubleTwice>::in_memory();
//! let client = clouds.client();
//! let run = client.start("order 17", 5).await?;         // idempotent: returns as soon as it is durable
//! assert_eq!(client.result(&run).await?, 20);           // waits for the end
//! assert_eq!(client.status(&run).await?, Status::Returned);
//! assert_eq!(client.report(&run).await?.instances.len(), 2); // every call: when, on which cloud, …
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`cancel`](Client::cancel) ends a run and starts nothing more; [`redrive`](Client::redrive) goes on
//! with a failed one and keeps what was committed. A run that has not ended by its
//! [deadline](Options::deadline) fails.
//!
//! # As a command
//! In `src/main.rs`, [`main!`] makes a workflow a command that runs it on embedded clouds, lists runs,
//! says and draws what has become of one, cancels and redrives it, draws the workflow, and prints its
//! definition.

/// Declares a workflow: its clouds, its functions, and the function that calls them.
///
/// The block holds ordinary items, and all of them are emitted as written:
///
/// - `const NAME: Cloud = Cloud::aws("region");` (or `Cloud::aliyun`) declares a cloud.
/// - `#[function(…)] async fn` declares a function that runs on its own. Keys: `on` (a cloud;
///   may be left out when there is one cloud), `failover = [clouds]`, `memory` (MB, default 512),
///   `timeout = "60s"`, `cpu` (vCPUs), `gpu` (GB), `retry(attempts = 3, backoff = "200ms", jitter
///   = 20)` (executions in all; the wait doubles; jitter in percent), `dedupe = before` (read
///   whether it is done before it starts, not beside it), `batch(size = 32, wait = "2s")` (run on
///   many calls at once, below).
/// - `#[workflow(…)] async fn`, exactly one, calls them. Keys: `home` (the cloud of the run rows,
///   default the first), `max_turns` (of one loop, default 10,000), `max_branches` (of one
///   fan-out, default 100,000), `max_calls` (at one place, below, default 1,000,000,000),
///   `version = "2"` (a text of up to 64 bytes that makes another definition, below).
/// - Any other item (types, helpers, `use`) passes through.
///
/// In the workflow function:
///
/// | written | becomes |
/// |---|---|
/// | `let b = f(a).await?;` | a sequence |
/// | `fan_out(list, async \|x\| …).await` | a branch per element, then the `Vec` of what they return, in order |
/// | `try_fan_out(list, async \|x\| …).await?` | the same; after all have ended, the first `Err` in order, if any |
/// | `join!(f(a), async { … })`, `try_join!(…)` | unlike branches side by side |
/// | `first_ok(k, list, async \|x\| …).await?` | redundancy: a branch per element, then the `Vec` of the `k` that are the first to be `Ok`, in order; an `Err` as soon as `k` cannot be reached |
/// | `race!(f(a), async { … })?` | the same for unlike branches: the first that is `Ok` |
/// | `if`, `match`, `let … else` | a choice |
/// | `loop`, `while`, `for` | a cycle |
/// | `match f(x).await { Err(e) => undo(e).await, … }` | an error edge |
/// | `let y = f(x).await;` where `f` has `batch(…)` | a place in a batch, beside calls of other runs |
///
/// Which branches of `first_ok` or `race!` are the first is decided once, and everything that
/// follows sees the same ones; another run, or the plain run, may pick others. Nobody stops the
/// rest: their functions run to the end, and what they return is dropped. A branch whose platform
/// gives up on it fails no run; it counts as one that is not `Ok`. When `k` cannot be reached, the
/// outcome is the `Err` of the first branch, in order, of those that had ended; only if all of these
/// failed does the failure go further, to the next such branch around, or to the run. A `first_ok`
/// has up to 128 branches.
///
/// A bound is what a run may reach: with `max_turns = 3` a loop may turn three times, and the fourth
/// turn fails the run. `max_calls` bounds how many calls a run may make at one place, nested loops and
/// fan-outs multiplied: where a call, or the start of branches, is committed, the branches of each
/// fan-out around it and the turns so far of each loop around it are multiplied. A run of which the
/// product passes the bound fails there. The default is the product of the other two defaults.
///
/// They nest as they please, with ordinary code between the calls. That code runs in the function
/// whose result it uses, before the commit; it need not be deterministic, and must not block.
/// Nothing is ever replayed. A variable that is used after a call travels to where it is used, so
/// it must be owned and implement `Serialize` and `Deserialize`.
///
/// A function with `batch(size = 32, wait = "2s")` is declared as `async fn f(items: Vec<T>) ->
/// Vec<U>`, and called with one `T`, which gives one `U`. Its calls gather, of this run and of all
/// others of the workflow: `f` runs once there are `size` (2 to 128), or `wait` (1 ms to 60 s)
/// after the first, on as many as there are. It gives one value for each that it is given, in their
/// order; the order itself, and who is in a batch with whom, mean nothing. In the plain run each
/// call is a batch of one.
///
/// - A call is in one batch, however often it is dispatched, and no batch has more than `size`.
/// - Each call has an outcome of its own, and is decided by itself. When `f` panics, takes longer
///   than its `timeout`, or gives too few values or too many, the calls of that batch are made
///   again one by one: what breaks `f` by itself fails its own run alone. An `Err` is the value of
///   one call.
/// - While a batch gathers, an instance of `f` waits with it, and is billed; `wait` and `timeout`
///   together must not be more than the platform allows.
/// - It costs a call one write to gather, beside the row of its own outcome (two, when the call is
///   too large for a place in the batch); a batch, one write, two reads and at most two events.
///   Stores bill a write by the size of the whole batch row, so large arguments are kept apart.
///
/// ```
/// use jointlambda::{embedded::Embedded, prelude::*};
///
/// jointlambda::workflow! {
///     const AWS: Cloud = Cloud::aws("us-east-1");
///
///     #[workflow]
///     pub async fn shout(word: String) -> String {
///         let loud = upper(word).await;
///         format!("{loud}!")
///     }
///
///     #[function(batch(size = 8, wait = "50ms"))]
///     async fn upper(words: Vec<String>) -> Vec<String> {
///         words.iter().map(|word| word.to_uppercase()).collect()
///     }
/// }
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// assert_eq!(upper(vec!["a".into(), "b".into()]).await, ["A", "B"]); // as it is, in a unit test
/// assert_eq!(Embedded::<Shout>::in_memory().run("key", "hey".into()).await?, "HEY!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The block also declares a type, named after the workflow function in CamelCase, that
/// implements [`Workflow`].
///
/// ```
/// use jointlambda::prelude::*;
///
/// jointlambda::workflow! {
///     const AWS: Cloud = Cloud::aws("us-east-1");
///
///     #[workflow]
///     pub async fn search(start: u64) -> u64 {
///         let mut x = start;
///         while x != 1 {
///             x = if x % 2 == 0 { halve(x).await } else { triple(x).await };
///         }
///         x
///     }
///
///     #[function]
///     async fn halve(x: u64) -> u64 { x / 2 }
///
///     #[function(memory = 256, retry(attempts = 3, backoff = "1s"))]
///     async fn triple(x: u64) -> u64 { 3 * x + 1 }
/// }
/// # fn main() { let _ = <Search as jointlambda::Workflow>::definition(); }
/// ```
///
/// What is wrong is said at compile time, all at once:
///
/// ```compile_fail
/// # use jointlambda::prelude::*;
/// jointlambda::workflow! {
///     const AWS: Cloud = Cloud::aws("us-east-1");
///
///     #[workflow]
///     async fn wrong(x: u64) -> u64 {
///         double(x)   // the call is not awaited
///     }
///
///     #[function(on = AWS, memory = 64)]   // Lambda has at least 128 MB
///     async fn double(x: u64) -> u64 { 2 * x }
/// }
/// ```
///
/// # Definitions
/// A workflow's *definition* has a hash, and functions are deployed under it: two builds of one hash
/// replace one another, also under runs in flight; a build of another hash stands beside the first, on
/// which the runs in flight end. The hash covers what names, homes and encodings of a run follow from:
///
/// - the clouds, `home`, the bounds, and `version`;
/// - the code of the workflow function and the signatures of all functions, however they are formatted
///   and commented; of their keys `on` and `batch`;
/// - the shapes of the types that travel: parameters, what is returned, variables that live across a
///   call. Each type is read once a process from made-up values, to see what its `Deserialize` asks for:
///   the names of fields and variants, and the types of what is in them.
///
/// Not bodies of functions, `memory`, `timeout`, `cpu`, `gpu`, `retry`, `failover`, `dedupe`: they may
/// change under runs in flight, and a run that failed for want of memory is redriven after the fix.
/// Neither code outside that the workflow function uses, such as its helpers.
///
/// An impl of `Deserialize` by hand shows what it asks for, not what it makes of that: a text that holds
/// a date now and a time tomorrow is a text. What such an impl, an `untagged` enum or a flattened field
/// hides is seen as far as it answers to made-up values. An impl of `Serialize` is not seen. Where such a
/// thing changes, write another `version`. An impl that panics at a made-up value does no harm, beside
/// what the panic prints.
pub use jointlambda_macros::workflow;
/// [`workflow!`] as an attribute of a module, where editors complete best: `#[workflow_mod] mod
/// name { … }` with the same items.
///
/// ```
/// #[jointlambda::workflow_mod]
/// mod greeting {
///     use jointlambda::prelude::*;
///
///     const AWS: Cloud = Cloud::aws("us-east-1");
///
///     #[workflow]
///     pub async fn greet(name: String) -> String {
///         hello(name).await
///     }
///
///     #[function]
///     async fn hello(name: String) -> String { format!("Hello, {name}!") }
/// }
/// # fn main() { let _ = <greeting::Greet as jointlambda::Workflow>::definition(); }
/// ```
pub use jointlambda_macros::workflow_mod;
pub use jointlambda_runtime::*;

/// What a workflow's file needs: `use jointlambda::prelude::*;`.
pub mod prelude {
    pub use jointlambda_runtime::{
        Cloud, Error, Result, join,
        plain::{fan_out, first_ok, try_fan_out},
        race, try_join,
    };
    pub use serde::{Deserialize, Serialize};
}
