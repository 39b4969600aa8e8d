//! Ways to get the protocol wrong. Each is one branch in the model; `tests/mutants.rs` shows that
//! the checker finds every one.

/// One thing done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Successors are invoked before the row is created.
    DispatchBeforeCommit,
    /// A copy that finds its instance decided stops, also when an earlier delivery of its own
    /// event decided it: whoever did will do the rest.
    TrustTheDuplicate,
    /// A copy goes on from whatever it finds.
    LoserGoesOn,
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
    /// Events past the deadline of their run are run.
    DeadlineNotChecked,
    /// How long rows stay does not depend on the deadline.
    RowsExpireBeforeTheDeadline,
    /// A cancelled run ends before what is open is stopped.
    CancelEndsFirst,
    /// Nothing in the run row says that the run is to be cancelled.
    CancelWithoutMark,
    /// A sweep goes on with a run that is to be cancelled.
    SweepIgnoresTheMark,
    /// A canceller leaves a fan-in alone whose branches have all arrived.
    CancelSkipsFanIns,
    /// A canceller leaves branches alone that their fan-in did not wait for.
    CancelSkipsLateBranches,
    /// A canceller that cancels the last call of a run thereby ends it.
    CancelEndsWithTheLastCall,
    /// A cancellation replaces the outcome that is there.
    CancelOverwrites,
    /// What is open in a failed run is left so when it is redriven.
    RedriveWithoutClosing,
    /// Whoever stops a run takes a last fan-out for done when its run has failed.
    StopTrustsTheSlot,
    /// A failed run is redriven from its start.
    RedriveFromTheStart,
    /// A run goes on in place of a failed one that does not lead to it.
    RedriveWithoutLink,
    /// An event that was given up fails its instance, also when a store or a cloud was to blame.
    FailWhateverTheCause,
    /// Whoever stops a run goes on past a part that it cannot read.
    StopSkipsWhatIsDown,
    /// Nobody sweeps.
    NoSweeper,
}
