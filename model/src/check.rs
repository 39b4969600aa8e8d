//! Runs a check to its end, and says how large it was.

use std::{
    fmt,
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
    pub protocol: Protocol,
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
        let began = Instant::now();
        let mut checker = self.clone().checker();
        if let Some(property) = until {
            checker = checker.finish_when(HasDiscoveries::AllOf([property].into()));
        }
        let done = checker.spawn_bfs().join();
        let mut violated = Vec::new();
        let mut shown = Vec::new();
        for (name, path) in done.discoveries() {
            if until.is_some_and(|until| until != name) {
                continue;
            }
            if SAFE.contains(&name) {
                violated.push((name, trace(path.into_vec())));
            } else {
                shown.push(name);
            }
        }
        violated.sort_unstable();
        shown.sort_unstable();
        let (states, depth) = (done.unique_state_count(), done.max_depth());
        Report { protocol: self, states, depth, took: began.elapsed(), violated, shown }
    }
}

impl Report {
    /// Whether `property` was found not to hold.
    pub fn violates(&self, property: &str) -> bool {
        self.violated.iter().any(|(name, _)| *name == property)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { protocol, states, depth, took, .. } = self;
        write!(
            f,
            "{:<21} {:>9} states, depth {:>2}, {:>5.1} s: {}",
            protocol.shape.name,
            states,
            depth,
            took.as_secs_f64(),
            protocol.bounds
        )?;
        if protocol.attempts == 1 {
            write!(f, ", one delivery")?;
        }
        if let Outage::ForGood(cloud) = protocol.outage {
            write!(f, ", cloud {cloud} down for good")?;
        }
        if !protocol.sweeper {
            write!(f, ", no sweeper")?;
        }
        if protocol.counted {
            write!(f, ", executions counted")?;
        }
        if let Some(Clock { deadline, timeout, skew, lag, grace, retention }) = protocol.clock {
            write!(f, ", deadline {deadline}, timeout {timeout}, clocks off by {skew}, swept within {lag}")?;
            write!(f, ", rows stay {grace} longer, {retention} at least")?;
        }
        if let Some(mutation) = protocol.mutation {
            write!(f, ", mutation {mutation:?}")?;
        }
        for (name, trace) in &self.violated {
            write!(f, "\n  VIOLATED: {name}\n{trace}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cancels > 0 {
            return write!(f, "{}, cancelled at any time", Bounds { cancels: 0, ..*self });
        }
        if *self == Bounds::any(self.total) && self.total > 0 {
            let plural = if self.total == 1 { "" } else { "s" };
            return write!(f, "any {} fault{plural}", self.total);
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

/// The actions of a path, each with who acts.
fn trace(path: Vec<(State, Option<Action>)>) -> String {
    let lines = path.iter().filter_map(|(state, action)| match (*action)? {
        Action::Act(index, act) => {
            let actor = &state.actors[index];
            Some(match act {
                Act::Do { index, answer } => {
                    format!("    {:?}: {:?}, {answer:?}", actor.role, actor.todo[index])
                }
                act => format!("    {:?}: {act:?}", actor.role),
            })
        }
        Action::Crash(index) => Some(format!("    Crash of {:?}", state.actors[index].role)),
        action => Some(format!("    {action:?}")),
    });
    lines.collect::<Vec<_>>().join("\n")
}
