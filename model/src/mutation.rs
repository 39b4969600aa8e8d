//! Ways to get the protocol wrong. Each is one branch in the model; `tests/mutants.rs` shows that
//! the checker finds every one.

/// One thing done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Successors are invoked before the row is created.
    DispatchBeforeCommit,
    /// A copy that finds the row of another stops: the other will do the rest.
    TrustTheDuplicate,
    /// The row holds the outcome alone, and every copy runs the glue on it.
    GlueAfterCommit,
    /// An arrival reads the join row, and writes it back with its slot.
    SetThenRead,
    /// An arrival increments a counter.
    CounterForSlots,
    /// A copy commits to the table of the cloud it runs on.
    CommitWhereItRuns,
    /// A fan-in whose glue is impure dispatches without a commit.
    ImpureTakenForPure,
    /// The rows of a run go when it ends.
    RowsDeletedAtTheEnd,
    /// The rows of a run expire while events of it are in flight.
    RowsExpireEarly,
    /// The first function makes up the id of the run.
    RunIdMintedInTheFunction,
    /// A client that starts a run again goes on with what it computed itself.
    ClientTrustsItself,
    /// A failure replaces the outcome that is there.
    FailureOverwrites,
    /// A fan-out without branches starts nothing.
    EmptyMapNotFired,
    /// Nobody sweeps.
    NoSweeper,
}
