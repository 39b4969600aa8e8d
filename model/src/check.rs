//! Runs a check to its end, and says how large it was.

use std::{
    fmt::{self, Debug},
    hash::Hash,
    time::{Duration, Instant},
};

use stateright::{Checker, HasDiscoveries, Model};

use crate::{
    bounds::{Bounds, Clock, Outage},
    model::{Action, Protocol},
    platform::Act,
    properties::SAFE,
    state::State,
};

/// What a check found.
#[derive(Debug)]
pub struct Report {
    /// What was checked.
    pub name: String,
    /// Within what.
    pub what: String,
    /// States that differ.
    pub states: usize,
    /// The most actions from the beginning to a state.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// The properties that do not hold, each with a shortest trace.
    pub violated: Vec<(&'static str, String)>,
    /// What some states showed.
    pub shown: Vec<&'static str>,
}

impl Protocol {
    /// Looks at every state within the bounds.
    pub fn check(self) -> Report {
        self.run(None)
    }

    /// Looks for a violation of `property`, and stops at the first.
    pub fn hunt(self, property: &'static str) -> Report {
        self.run(Some(property))
    }

    fn run(self, until: Option<&'static str>) -> Report {
        let (name, what) = (self.shape.name.to_owned(), self.to_string());
        explore(self, name, what, until, &SAFE, told)
    }
}

/// Looks at every state of a model, or, given a property, until that is violated. Those that are not
/// `safe` are shown by some state. `tell` says what an action in a state is.
pub(crate) fn explore<M>(
    model: M,
    name: String,
    what: String,
    until: Option<&'static str>,
    safe: &[&'static str],
    tell: fn(&M::State, M::Action) -> String,
) -> Report
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Debug + Send + Sync + 'static,
    M::Action: Copy + PartialEq,
{
    let began = Instant::now();
    let mut checker = model.checker();
    if let Some(property) = until {
        checker = checker.finish_when(HasDiscoveries::AllOf([property].into()));
    }
    let done = checker.spawn_bfs().join();
    let mut violated = Vec::new();
    let mut shown = Vec::new();
    for (found, path) in done.discoveries() {
        if until.is_some_and(|until| until != found) {
            continue;
        }
        if safe.contains(&found) {
            let steps = path.into_vec();
            let lines =
                steps.iter().filter_map(|(state, action)| Some(format!("    {}", tell(state, (*action)?))));
            violated.push((found, lines.collect::<Vec<_>>().join("\n")));
        } else {
            shown.push(found);
        }
    }
    violated.sort_unstable();
    shown.sort_unstable();
    let (states, depth) = (done.unique_state_count(), done.max_depth());
    Report { name, what, states, depth, took: began.elapsed(), violated, shown }
}

impl Report {
    /// Whether `property` was found not to hold.
    pub fn violates(&self, property: &str) -> bool {
        self.violated.iter().any(|(name, _)| *name == property)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { name, what, states, depth, took, .. } = self;
        let seconds = took.as_secs_f64();
        write!(f, "{name:<21} {states:>9} states, depth {depth:>2}, {seconds:>5.1} s: {what}")?;
        for (property, trace) in &self.violated {
            write!(f, "\n  VIOLATED: {property}\n{trace}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Protocol {
    /// Within what a check is made.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bounds)?;
        if self.attempts == 1 {
            write!(f, ", one delivery")?;
        }
        if self.attempts > 2 {
            write!(f, ", {} deliveries", self.attempts)?;
        }
        if self.broken.is_some() {
            write!(f, ", a call broken")?;
        }
        if let Outage::ForGood(cloud) = self.outage {
            write!(f, ", cloud {cloud} down for good")?;
        }
        if !self.sweeper {
            write!(f, ", no sweeper")?;
        }
        if self.counted {
            write!(f, ", executions counted")?;
        }
        if let Some(Clock { deadline, timeout, skew, lag, grace, retention }) = self.clock {
            write!(f, ", deadline {deadline}, timeout {timeout}, clocks off by {skew}, swept within {lag}")?;
            write!(f, ", rows stay {grace} longer, {retention} at least")?;
        }
        if let Some(mutation) = self.mutation {
            write!(f, ", mutation {mutation:?}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.redrives > 0 {
            let times = if self.redrives == 1 { "redriven" } else { "redriven again" };
            return write!(f, "{}, {times}", Bounds { redrives: 0, ..*self });
        }
        if self.cancels > 0 {
            return write!(f, "{}, cancelled at any time", Bounds { cancels: 0, ..*self });
        }
        if (Bounds { tables: 0, ..*self }) == Bounds::any(self.total) && self.total > 0 {
            let plural = if self.total == 1 { "" } else { "s" };
            let tables = if self.tables > 0 { " or table down" } else { "" };
            return write!(f, "any {} fault{plural}{tables}", self.total);
        }
        let parts = [
            (self.crashes, "crash"),
            (self.duplicates, "duplicate"),
            (self.drops, "drop"),
            (self.refusals, "refusal"),
            (self.unknowns, "lost answer"),
            (self.outages, "outage"),
            (self.restarts, "restart"),
            (self.sweeps, "racing sweep"),
            (self.deadlines, "deadline"),
            (self.tables, "table down"),
        ];
        let said: Vec<_> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| if *count == 1 { (*what).to_owned() } else { format!("{count}×{what}") })
            .collect();
        let all: u8 = parts.iter().map(|(count, _)| count).sum();
        match said.len() {
            0 => f.write_str("no faults"),
            _ if self.total < all => write!(f, "{} of {}", self.total, said.join(" + ")),
            _ => f.write_str(&said.join(" + ")),
        }
    }
}

/// An action, with who acts.
fn told(state: &State, action: Action) -> String {
    match action {
        Action::Act(index, act) => {
            let actor = &state.actors[index];
            match act {
                Act::Do { index, answer } => format!("{:?}: {:?}, {answer:?}", actor.role, actor.todo[index]),
                act => format!("{:?}: {act:?}", actor.role),
            }
        }
        Action::Crash(index) => format!("Crash of {:?}", state.actors[index].role),
        action => format!("{action:?}"),
    }
}
