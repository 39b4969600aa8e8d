//! What a run does, and what can happen at each of its operations.

use std::{fmt, str::FromStr, time::Duration};

/// One operation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Table::create`](crate::backend::Table::create).
    Create,
    /// [`Table::get`](crate::backend::Table::get), or several rows at once.
    Get,
    /// [`Table::arrive`](crate::backend::Table::arrive).
    Arrive,
    /// [`Table::due`](crate::backend::Table::due).
    Due,
    /// [`Table::postpone`](crate::backend::Table::postpone).
    Postpone,
    /// [`Objects::put`](crate::backend::Objects::put).
    Put,
    /// [`Objects::get`](crate::backend::Objects::get).
    GetObject,
    /// [`Objects::delete_run`](crate::backend::Objects::delete_run).
    DeleteRun,
    /// [`Functions::invoke`](crate::backend::Functions::invoke).
    Invoke,
    /// A user function begins.
    Begin,
    /// A user function has returned.
    End,
    /// The function answers the platform.
    Answer,
}

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The execution ends before the operation.
    CrashBefore,
    /// The execution ends after the operation took effect.
    CrashAfter,
    /// The execution stands still before the operation, while a second copy runs.
    HoldBefore,
    /// The same after the operation took effect.
    HoldAfter,
    /// The request is refused because of load.
    Throttle,
    /// The request is refused: the service is unavailable.
    Refuse,
    /// The request is lost, and nobody knows.
    LoseRequest,
    /// The request takes effect, and its answer is lost.
    LoseAnswer,
    /// An event is accepted and never delivered.
    Drop,
    /// An event is delivered this much later.
    Delay(Duration),
    /// An event is delivered, and again this much later.
    Duplicate(Duration),
}

impl Action {
    /// Every action that can happen at `operation`.
    pub fn at(operation: Operation) -> Vec<Action> {
        const ALL: [Action; 14] = [
            Action::CrashBefore,
            Action::CrashAfter,
            Action::HoldBefore,
            Action::HoldAfter,
            Action::Throttle,
            Action::Refuse,
            Action::LoseRequest,
            Action::LoseAnswer,
            Action::Drop,
            Action::Delay(Duration::from_millis(40)),
            Action::Delay(Duration::from_secs(200)),
            Action::Duplicate(Duration::ZERO),
            Action::Duplicate(Duration::from_millis(40)),
            Action::Duplicate(Duration::from_secs(3600)),
        ];
        ALL.into_iter().filter(|action| action.applies_to(operation)).collect()
    }

    /// Whether the action can happen at `operation`.
    pub fn applies_to(self, operation: Operation) -> bool {
        use Operation::{Answer, Begin, End, Invoke};
        match self {
            Action::CrashBefore | Action::HoldBefore => true,
            // After the answer there is no execution; before and after a point are the same.
            Action::CrashAfter | Action::HoldAfter => !matches!(operation, Begin | End | Answer),
            Action::Throttle | Action::Refuse | Action::LoseRequest | Action::LoseAnswer => {
                !matches!(operation, Begin | End | Answer)
            }
            Action::Drop | Action::Delay(_) | Action::Duplicate(_) => operation == Invoke,
        }
    }
}

/// What happens at which operation, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule(pub Vec<(u64, Action)>);

impl fmt::Display for Schedule {
    /// As [`FromStr`] reads it: `12:CrashAfter 30:Delay(40ms)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (number, action)) in self.0.iter().enumerate() {
            write!(f, "{}{number}:{action:?}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |part: &str| {
            let (number, name) =
                part.split_once(':').ok_or_else(|| format!("`{part}` is not number:action"))?;
            let number = number.parse().map_err(|_| format!("`{number}` is not a number"))?;
            let all = Action::at(Operation::Invoke);
            let action = all.into_iter().find(|action| format!("{action:?}") == name);
            Ok((number, action.ok_or_else(|| format!("there is no action `{name}`"))?))
        };
        text.split_whitespace().map(one).collect::<Result<_, String>>().map(Schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_reads_back_what_it_prints() {
        let all = Action::at(Operation::Invoke).into_iter().zip(1..).map(|(action, n)| (n, action)).collect();
        let schedule = Schedule(all);
        assert_eq!(schedule.to_string().parse(), Ok(schedule));
    }
}
