//! What goes wrong on purpose: rules, the first of which that fits a request decides.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// One of the three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// TableStore.
    Tablestore,
    /// OSS.
    Oss,
    /// Function Compute.
    FunctionCompute,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// The connection is closed, and nothing is done.
    DropBefore,
    /// What was asked is done, and the connection is closed without an answer.
    DropAfter,
    /// The request, or the delivery of an event, waits, by the time of day; others overtake it.
    Delay {
        /// How long.
        ms: u64,
    },
    /// Nothing is done, and this is answered.
    Error(Answer),
    /// What was asked is done, and this is answered all the same.
    ErrorAfter(Answer),
    /// The event is delivered so many times more (operation `Deliver` of Function Compute).
    Duplicate {
        /// How many times more.
        copies: u32,
    },
}

/// An error that is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The service's code, such as `OTSTimeout`.
    pub code: String,
    /// What it says.
    #[serde(default)]
    pub message: String,
}

/// A rule: which requests, how often, and what becomes of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Of which service.
    pub service: Service,
    /// `PutRow`, `PutObject`, `InvokeFunction`, `Deliver` …; any where there is none.
    #[serde(default)]
    pub operation: Option<String>,
    /// The table, `bucket/key`, or function; any where there is none.
    #[serde(default)]
    pub target: Option<String>,
    /// How many requests that fit are left alone first.
    #[serde(default)]
    pub skip: u32,
    /// How many requests the rule is for after those; all where there is none.
    #[serde(default)]
    pub times: Option<u32>,
    /// How likely it is for each of them.
    #[serde(default = "always")]
    pub probability: f64,
    /// For how long it holds, by the emulator's clock; without end where there is none.
    #[serde(default)]
    pub for_ms: Option<u64>,
    /// What goes wrong.
    #[serde(flatten)]
    pub action: Action,
}

fn always() -> f64 {
    1.0
}

impl Rule {
    /// A rule for every request of a service.
    pub fn new(service: Service, action: Action) -> Self {
        Rule {
            service,
            operation: None,
            target: None,
            skip: 0,
            times: None,
            probability: 1.0,
            for_ms: None,
            action,
        }
    }

    /// For one operation only.
    pub fn operation(self, operation: impl Into<String>) -> Self {
        Rule { operation: Some(operation.into()), ..self }
    }

    /// For one table, object or function only.
    pub fn target(self, target: impl Into<String>) -> Self {
        Rule { target: Some(target.into()), ..self }
    }

    /// For so many requests.
    pub fn times(self, times: u32) -> Self {
        Rule { times: Some(times), ..self }
    }
}

/// The rules that hold. At most [`MAX_RULES`].
#[derive(Debug)]
pub struct Faults {
    state: Mutex<State>,
}

/// How many rules may hold at once.
pub const MAX_RULES: usize = 1000;

#[derive(Debug)]
struct State {
    rules: Vec<(Rule, Option<Timestamp>)>,
    random: fastrand::Rng,
}

impl Faults {
    /// No rules; random choices follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Faults { state: Mutex::new(State { rules: Vec::new(), random: fastrand::Rng::with_seed(seed) }) }
    }

    /// Adds a rule, behind those that hold.
    ///
    /// # Errors
    /// When there are [`MAX_RULES`].
    pub fn add(&self, rule: Rule, now: Timestamp) -> Result<(), String> {
        let mut state = self.lock();
        if state.rules.len() >= MAX_RULES {
            return Err(format!("there are {MAX_RULES} rules already; clear them first"));
        }
        let until = rule.for_ms.map(|for_ms| now.saturating_add(for_ms));
        state.rules.push((rule, until));
        Ok(())
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// The rules that hold.
    pub fn rules(&self) -> Vec<Rule> {
        self.lock().rules.iter().map(|(rule, _)| rule.clone()).collect()
    }

    /// What goes wrong with this request, if anything.
    pub fn strike(&self, service: Service, operation: &str, target: &str, now: Timestamp) -> Option<Action> {
        let mut state = self.lock();
        state.rules.retain(|(rule, until)| rule.times != Some(0) && until.is_none_or(|until| now < until));
        let State { rules, random } = &mut *state;
        for (rule, _) in rules {
            let fits = rule.service == service
                && rule.operation.as_deref().is_none_or(|wanted| wanted == operation)
                && rule.target.as_deref().is_none_or(|wanted| wanted == target);
            if !fits || rule.times == Some(0) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if rule.probability < 1.0 && random.f64() >= rule.probability {
                continue;
            }
            rule.times = rule.times.map(|times| times - 1);
            return Some(rule.action.clone());
        }
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
