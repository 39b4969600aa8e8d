//! Where the time of an event goes: a trace event at each point of its handling, for whoever measures it.
//! Where nobody listens, a point costs a comparison. No point says anything of a user's values.
//!
//! | point | when |
//! |---|---|
//! | `entered` | the platform has delivered an envelope; it is not decoded yet, so this has no `event` |
//! | `decoded` | which event it is, and of which function, is known |
//! | `begun`, `returned` | around the user function, its arguments' decoding included |
//! | `read` | the home row has been read beside it; without this the read was given up |
//! | `committing`, `committed` | around the write that decides: of a row, or a slot |
//! | `invoking`, `invoked` | around each request to a platform: of which `function`, and the name of the event that it makes, `sends` |
//! | `done` | the platform is about to be answered |
//!
//! `event` is the event whose copy acts, as in stamps; that of `invoking` and `invoked` is `sends`.

/// The target of all of these trace events.
pub const TARGET: &str = "jointlambda::timing";

/// Says that an event has come to a point.
macro_rules! point {
    ($point:literal $(, $field:ident = $value:expr)* $(,)?) => {
        ::tracing::trace!(target: $crate::timing::TARGET, point = $point $(, $field = $value)*)
    };
}

pub(crate) use point;
