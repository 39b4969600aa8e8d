//! One schedule again, as a failing test printed it.

use std::{fmt, str::FromStr, time::Duration};

use jointlambda::{
    Workflow,
    backend::fault::{Operation, Schedule},
};

use crate::given_up::GivenUp;

/// The variable that names the one schedule to try.
const VARIABLE: &str = "JOINTLAMBDA_SCHEDULE";

/// When somebody intervenes in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It is cancelled once it has begun this operation.
    Begun(u64),
    /// It is redriven so long after it failed, by so many at once.
    Failed {
        /// In whole milliseconds.
        after: Duration,
        times: usize,
    },
}

/// A schedule, the workflow it is for, when a run of that is cancelled or redriven, and on which event
/// of it the platform gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) workflow: String,
    pub(crate) moment: Option<Moment>,
    pub(crate) given_up: Option<GivenUp>,
    pub(crate) schedule: Schedule,
}

impl Replay {
    pub(crate) fn of<W: Workflow>(moment: Option<Moment>, schedule: &Schedule) -> Self {
        let workflow = W::definition().name.to_owned();
        Replay { workflow, moment, given_up: None, schedule: schedule.clone() }
    }

    /// The schedules of `W` that are to be tried instead of all, of those that `fit` the test; `None`
    /// if none are named.
    pub(crate) fn wanted<W: Workflow>(fit: impl Fn(&Replay) -> bool) -> Option<Vec<Replay>> {
        let wanted: Replay = std::env::var(VARIABLE).ok()?.parse().expect(VARIABLE);
        let fits = wanted.workflow == W::definition().name && fit(&wanted);
        Some(if fits { vec![wanted] } else { Vec::new() })
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
    /// As [`FromStr`] reads it: `chain 12:CrashAfter`; `chain@7 12:CrashAfter` of a run that is
    /// cancelled at operation 7; `chain@40ms 12:CrashAfter` of one that is redriven 40 ms after it
    /// failed, and `chain@40ms*2` by two at once; with `event1:GivenUpBefore@18` among the parts of one
    /// whose second event the platform gives up on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.workflow)?;
        match self.moment {
            None => {}
            Some(Moment::Begun(at)) => write!(f, "@{at}")?,
            Some(Moment::Failed { after, times }) => {
                write!(f, "@{}ms", after.as_millis())?;
                if times != 1 {
                    write!(f, "*{times}")?;
                }
            }
        }
        if let Some(given_up) = self.given_up {
            write!(f, " {given_up}")?;
        }
        if self.schedule.0.is_empty() { Ok(()) } else { write!(f, " {}", self.schedule) }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        fn number<T: FromStr>(text: &str) -> Result<T, String> {
            text.parse().map_err(|_| format!("`{text}` is not a number"))
        }
        let (after, times) = text.split_once('*').unwrap_or((text, "1"));
        match after.strip_suffix("ms") {
            None => Ok(Moment::Begun(number(text)?)),
            Some(ms) => {
                Ok(Moment::Failed { after: Duration::from_millis(number(ms)?), times: number(times)? })
            }
        }
    }
}

impl FromStr for Replay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split_whitespace().peekable();
        let name = parts.next().ok_or("no workflow is named")?;
        let (workflow, moment) = match name.split_once('@') {
            None => (name, None),
            Some((workflow, moment)) => (workflow, Some(moment.parse()?)),
        };
        let given_up = parts.next_if(|part| part.starts_with(GivenUp::PREFIX));
        let given_up = given_up.map(str::parse).transpose()?;
        let schedule = parts.collect::<Vec<_>>().join(" ").parse()?;
        Ok(Replay { workflow: workflow.to_owned(), moment, given_up, schedule })
    }
}

#[test]
fn what_is_printed_reads_back() {
    for text in [
        "chain",
        "chain@7",
        "chain 12:CrashAfter 30:Delay(40ms)",
        "chain@7 12:Drop",
        "chain@40ms 12:Drop 13:HoldAfter",
        "chain@0ms*2 12:Drop",
        "chain@7 event1:GivenUpBefore@18",
        "chain event1:GivenUpAfterForSurroundings@18",
        "chain@40ms event0:GivenUpAfter@18 20:Drop",
    ] {
        assert_eq!(text.parse::<Replay>().unwrap().to_string(), text);
    }
    for text in ["", "chain@x 1:Drop", "chain 1", "chain@1s", "chain@7*2", "chain event1:Drop@3"] {
        assert!(text.parse::<Replay>().is_err(), "{text}");
    }
}
