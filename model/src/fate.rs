//! What becomes of somebody after a step, and of the event whose delivery failed.

/// What becomes of an actor after a step.
pub(crate) enum Fate {
    Alive,
    Done,
    /// It answers with an error.
    Error(Cause),
}

/// Why a delivery failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The call itself: it panics, takes too long, or its process dies.
    Own,
    /// A store or a cloud.
    World,
}
