//! What ran when: an optional, bounded record of executions, and a hook to watch them live.

use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::table::lock;

/// The most spans that a timeline keeps.
pub const MAX_SPANS: usize = 1_000_000;

/// One execution of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The cloud's index.
    pub cloud: usize,
    /// The function.
    pub function: Arc<str>,
    /// When it began, in microseconds since the clouds did.
    pub start_us: u64,
    /// When it ended.
    pub end_us: u64,
    /// Whether an instance had to be made first; that time is part of the span.
    pub cold: bool,
    /// Which delivery of the event it was; 1 for the first.
    pub attempt: u32,
    /// How it ended.
    pub outcome: SpanOutcome,
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanOutcome {
    /// With success.
    Done,
    /// With an error.
    Failed,
    /// The instance died: a crash, an escaped panic, or the platform's timeout.
    Died,
    /// It told the receiver that the platform gave the event up.
    Abandoned,
}

/// Sees executions as they happen. It is called on the hot path and must not block.
pub trait Observer: Send + Sync {
    /// An event is accepted: an execution of the function will follow.
    fn accepted(&self, cloud: usize, function: &Arc<str>) {
        let _ = (cloud, function);
    }

    /// An execution begins.
    fn started(&self, cloud: usize, function: &Arc<str>, attempt: u32) {
        let _ = (cloud, function, attempt);
    }

    /// An execution has ended.
    fn ended(&self, span: &Span) {
        let _ = span;
    }
}

/// The recorded spans.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Timeline {
    /// In the order in which they ended.
    pub spans: Vec<Span>,
    /// How many more there were when the bound was reached.
    pub dropped: u64,
}

/// Records up to a number of spans, then only counts them.
pub(super) struct Recorder {
    limit: usize,
    timeline: Mutex<Timeline>,
}

impl Recorder {
    pub(super) fn new(limit: usize) -> Self {
        Recorder { limit: limit.min(MAX_SPANS), timeline: Mutex::default() }
    }

    pub(super) fn is_on(&self) -> bool {
        self.limit > 0
    }

    pub(super) fn record(&self, span: Span) {
        if self.limit == 0 {
            return;
        }
        let mut timeline = lock(&self.timeline);
        if timeline.spans.len() < self.limit {
            timeline.spans.push(span);
        } else {
            timeline.dropped += 1;
        }
    }

    pub(super) fn timeline(&self) -> Timeline {
        lock(&self.timeline).clone()
    }
}
