//! One schedule again, as a failing test printed it.

use std::{fmt, str::FromStr};

use jointlambda::{
    Workflow,
    backend::fault::{Operation, Schedule},
};

/// The variable that names the one schedule to try.
const VARIABLE: &str = "JOINTLAMBDA_SCHEDULE";

/// A schedule, the workflow it is for, and the operation at which that is cancelled or redriven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) workflow: String,
    pub(crate) moment: Option<u64>,
    pub(crate) schedule: Schedule,
}

impl Replay {
    pub(crate) fn of<W: Workflow>(moment: Option<u64>, schedule: &Schedule) -> Self {
        Replay { workflow: W::definition().name.to_owned(), moment, schedule: schedule.clone() }
    }

    /// The schedules of `W` that are to be tried instead of all; `None` if none are named.
    pub(crate) fn wanted<W: Workflow>() -> Option<Vec<Replay>> {
        let wanted: Replay = std::env::var(VARIABLE).ok()?.parse().expect(VARIABLE);
        Some(if wanted.workflow == W::definition().name { vec![wanted] } else { Vec::new() })
    }

    /// Says what came of it, which must be nothing wrong.
    pub(crate) fn tell(&self, trial: Result<&[Operation], &String>) {
        match trial {
            Ok(operations) => {
                for (number, operation) in operations.iter().enumerate() {
                    let fault = self.schedule.0.iter().find(|(at, _)| *at == number as u64);
                    let fault = fault.map_or_else(String::new, |(_, action)| format!("  {action:?}"));
                    println!("{number:>5} {operation:?}{fault}");
                }
            }
            Err(why) => panic!("{self}: {why}"),
        }
    }
}

impl fmt::Display for Replay {
    /// As [`FromStr`] reads it: `chain 12:CrashAfter`, or `chain@7 12:CrashAfter`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.workflow)?;
        if let Some(moment) = self.moment {
            write!(f, "@{moment}")?;
        }
        if self.schedule.0.is_empty() { Ok(()) } else { write!(f, " {}", self.schedule) }
    }
}

impl FromStr for Replay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, schedule) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let (workflow, moment) = match name.split_once('@') {
            None => (name, None),
            Some((workflow, moment)) => {
                (workflow, Some(moment.parse().map_err(|_| format!("`{moment}` is not a number"))?))
            }
        };
        Ok(Replay { workflow: workflow.to_owned(), moment, schedule: schedule.parse()? })
    }
}

#[test]
fn what_is_printed_reads_back() {
    for text in ["chain", "chain@7", "chain 12:CrashAfter 30:Delay(40ms)", "chain@7 12:Drop"] {
        assert_eq!(text.parse::<Replay>().unwrap().to_string(), text);
    }
    assert!("chain@x 1:Drop".parse::<Replay>().is_err() && "chain 1".parse::<Replay>().is_err());
}
