//! What goes wrong on purpose: rules, the first of which that fits a request decides.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    function_compute::{self, DELIVER},
    oss,
    tablestore::{self, ROW_OF_BATCH},
};

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
    /// The request, or the delivery of an event, waits, by the emulator's clock; others overtake it.
    Delay {
        /// How long.
        ms: u64,
    },
    /// Nothing is done, and this is answered.
    Error(Answer),
    /// What was asked is done, and this is answered all the same.
    ErrorAfter(Answer),
    /// What was asked is done, and the answer comes damaged.
    Corrupt(Damage),
    /// The event is delivered so many times more (operation `Deliver` of Function Compute).
    Duplicate {
        /// How many times more.
        copies: u32,
    },
}

/// What is damaged of an answer. Lengths and places are those of its body; damage to what an answer does not have
/// leaves it whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Damage {
    /// The signature, of TableStore.
    Signature,
    /// The digest in a header: TableStore's MD5, with a signature that covers it; the CRC-64 of OSS.
    Digest,
    /// A bit of a byte is turned before the digest is taken and the answer signed, of TableStore: what is
    /// left to notice it are the checksums of rows.
    Content {
        /// Which byte; the last where there is none, which is the checksum of a row that ends an answer.
        #[serde(default)]
        at: Option<usize>,
    },
    /// A bit of a byte is turned on the way: digests and signatures are of what was sent.
    Body {
        /// Which byte; the one in the middle where there is none.
        #[serde(default)]
        at: Option<usize>,
    },
    /// The end of the body is missing, and the answer's length is right for what is left.
    Truncated {
        /// How many bytes are left; half of them where there is none.
        #[serde(default)]
        at: Option<usize>,
    },
    /// The connection is closed within the body.
    Cut {
        /// After how many bytes; half of them where there is none.
        #[serde(default)]
        at: Option<usize>,
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
    /// `PutRow`, `PutObject`, `InvokeFunction` …; any where there is none. `Deliver` is the delivery of an
    /// event, `RowOfBatch` one row of a batch, which only a rule that names it is for.
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

    /// Whether there are requests that it is for, and whether its action is one for them.
    fn check(&self) -> Result<(), String> {
        let known = match self.service {
            Service::Tablestore => &tablestore::OPERATIONS[..],
            Service::Oss => &oss::OPERATIONS[..],
            Service::FunctionCompute => &function_compute::OPERATIONS[..],
        };
        if let Some(operation) = self.operation.as_deref().filter(|operation| !known.contains(operation)) {
            return Err(format!("{operation} is no operation here; there are {}", known.join(", ")));
        }
        let delivers = self.operation.as_deref() == Some(DELIVER);
        let of_row = self.operation.as_deref() == Some(ROW_OF_BATCH);
        let answers = !delivers && !of_row;
        let of = |services: &[Service]| services.contains(&self.service) && answers;
        let (fits, only) = match &self.action {
            Action::Duplicate { .. } => (delivers, "the operation Deliver of function_compute"),
            Action::Corrupt(Damage::Signature | Damage::Content { .. }) => {
                (of(&[Service::Tablestore]), "answers of tablestore")
            }
            Action::Corrupt(Damage::Digest) => {
                (of(&[Service::Tablestore, Service::Oss]), "answers of tablestore and oss")
            }
            Action::Corrupt(_) => (answers, "answers, of which there are none here"),
            Action::Error(_) | Action::ErrorAfter(_) => (true, ""),
            _ => (!of_row, "whole requests: a row of a batch has error and error_after"),
        };
        if !fits {
            return Err(format!("this action is for {only}"));
        }
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(format!("a probability is from 0 to 1, and not {}", self.probability));
        }
        Ok(())
    }

    /// For so many requests, after which it is gone.
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
    /// When there are [`MAX_RULES`], and when a rule can never strike.
    pub fn add(&self, rule: Rule, now: Timestamp) -> Result<(), String> {
        rule.check()?;
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
                && rule.operation.as_deref().map_or(operation != ROW_OF_BATCH, |wanted| wanted == operation)
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
