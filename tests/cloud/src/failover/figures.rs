//! What came of an outage: figures, and whether it is no more than the outage can cause.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use jointlambda::{InstanceState, RunReport};

use super::{Down, HOPS, Outage, Phase, Plan};

/// What came of it.
#[derive(Debug)]
pub struct Figures {
    how: Down,
    length: Duration,
    runs: Vec<(Phase, RunReport)>,
    /// Runs that did not start, did not end, or gave something else than their plain runs, and why.
    pub wrong: Vec<String>,
    /// Calls that began more than once, and how often.
    pub twice: BTreeMap<String, u64>,
    /// Calls that never began.
    pub never: Vec<String>,
    /// Calls of the cloud that was down which ran on the other.
    pub failed_over: usize,
    /// Runs that were open when it went down.
    open: BTreeSet<String>,
    /// How many invocations reached it while it was down; connections that are refused are not counted.
    asked: Option<u64>,
    /// How many processes of functions there were meanwhile that call its functions.
    callers: usize,
}

/// How often one process asks a cloud that is down for so long: until it has failed often enough, and then
/// once each time when it has been left alone for long enough (`health.rs` of the runtime).
fn tries(how: Down, length: Duration) -> u64 {
    let first = if how == Down::Stalls { 1 } else { 3 };
    let mut left = length.as_secs();
    let mut pause = 2;
    let mut tries = first;
    while left >= pause {
        left -= pause;
        pause = (pause * 2).min(10);
        tries += 1;
    }
    tries
}

pub(super) fn figures(
    plan: &Plan,
    runs: Vec<(Phase, RunReport)>,
    mut counts: BTreeMap<String, u64>,
    before: &BTreeMap<String, u64>,
    outage: &Outage,
) -> Figures {
    counts.retain(|what, _| !before.contains_key(what));
    let name = |report: &RunReport| report.key.replace(' ', "-");
    let mut never = Vec::new();
    for (_, report) in &runs {
        let run = name(report);
        let hops =
            (0..HOPS).map(|hop| format!("{run} {} {hop}", if hop % 2 == 0 { "there" } else { "here" }));
        let calls = hops.chain([format!("{run} begin 0"), format!("{run} add 0")]);
        never.extend(calls.filter(|call| !counts.contains_key(call)));
    }
    let was_open = |report: &RunReport| {
        report.started_at <= outage.at && report.ended_at.is_none_or(|ended_at| ended_at >= outage.at)
    };
    let open = runs.iter().filter(|(_, report)| was_open(report)).map(|(_, report)| name(report)).collect();
    let failed_over = runs.iter().map(|(_, report)| hops(report, "AWS").count()).sum();
    counts.retain(|_, count| *count > 1);
    Figures {
        how: plan.how,
        length: plan.down.end - plan.down.start,
        runs,
        wrong: Vec::new(),
        twice: counts,
        never,
        failed_over,
        open,
        asked: outage.asked,
        callers: outage.callers,
    }
}

/// How long the hops to the cloud that goes down took that were committed on a cloud, in milliseconds:
/// from the commit before.
fn hops<'r>(report: &'r RunReport, cloud: &'r str) -> impl Iterator<Item = u64> + 'r {
    report.instances.iter().filter_map(move |one| match one.state {
        InstanceState::Committed { at, on, .. } if one.node == "there" && on == cloud => {
            Some(at.saturating_sub(one.since))
        }
        _ => None,
    })
}

impl Figures {
    /// How many runs there were.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Whether every run ended with what its plain run gives, every call ran, none began more often than the
    /// outage can make it, and the cloud was left alone while it was down.
    ///
    /// # Errors
    /// What is not so, in one line.
    pub fn check(&self) -> Result<(), String> {
        if let Some(first) = self.wrong.first() {
            return Err(format!("{} runs went wrong, such as {first}", self.wrong.len()));
        }
        if let Some(first) = self.never.first() {
            return Err(format!("{} calls never ran, such as {first}", self.never.len()));
        }
        let excess = self.twice.iter().find(|(call, count)| !self.may_begin_twice(call) || **count > 2);
        if let Some((call, count)) = excess {
            return Err(format!("a call began {count} times, which this outage cannot cause: {call}"));
        }
        // Of what was asked for late each request can begin one more; of what was cut off, the one call
        // that a run was at.
        let most = match self.how {
            Down::Answers => 0,
            Down::Refuses => self.open.len() as u64,
            Down::Stalls => self.asked.unwrap_or(0),
        };
        if self.twice.len() as u64 > most {
            return Err(format!("{} calls began twice, and {most} at most may", self.twice.len()));
        }
        let tries = tries(self.how, self.length) * self.callers as u64;
        match self.asked {
            Some(asked) if asked > tries => Err(format!(
                "{asked} invocations reached the cloud that was down, and {} processes try it {tries} times at most",
                self.callers
            )),
            _ => Ok(()),
        }
    }

    /// Whether a call is one that the outage may have begin twice.
    fn may_begin_twice(&self, call: &str) -> bool {
        let mut words = call.split(' ');
        let (run, function) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        function == "there" && (self.how != Down::Refuses || self.open.contains(run))
    }
}

/// The value below which so many percent are.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| runs started | number | makespan p50 | p95 | longest | hops failed over |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for phase in [Phase::Before, Phase::During, Phase::After] {
            let of: Vec<_> =
                self.runs.iter().filter(|(when, _)| *when == phase).map(|(_, one)| one).collect();
            let spans = of.iter().filter_map(|one| Some(one.ended_at?.saturating_sub(one.started_at)));
            let mut spans: Vec<_> = spans.collect();
            spans.sort_unstable();
            let over: usize = of.iter().map(|one| hops(one, "AWS").count()).sum();
            writeln!(
                f,
                "| {} | {} | {} ms | {} ms | {} ms | {over} |",
                format!("{phase:?}").to_lowercase(),
                of.len(),
                percentile(&spans, 50),
                percentile(&spans, 95),
                spans.last().unwrap_or(&0),
            )?;
        }
        let sorted = |cloud| {
            let mut all: Vec<_> = self.runs.iter().flat_map(|(_, one)| hops(one, cloud)).collect();
            all.sort_unstable();
            all
        };
        let (normal, over) = (sorted("ALI"), sorted("AWS"));
        writeln!(
            f,
            "a hop to Alibaba Cloud: p50 {} ms, p95 {} ms ({} hops); failed over to AWS: p50 {} ms, p95 {} ms \
             ({} hops); began twice: {}; never: {}",
            percentile(&normal, 50),
            percentile(&normal, 95),
            normal.len(),
            percentile(&over, 50),
            percentile(&over, 95),
            over.len(),
            self.twice.len(),
            self.never.len(),
        )?;
        let there: usize =
            self.runs.iter().filter(|(when, _)| *when == Phase::During).count() * HOPS.div_ceil(2) as usize;
        match self.asked {
            Some(asked) => writeln!(
                f,
                "while it was down, {asked} invocations reached it, where {there} calls were to go; {} processes called it, \
                 each {} times at most",
                self.callers,
                tries(self.how, self.length),
            ),
            None => writeln!(f, "{} processes called it while it was down", self.callers),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn calm(how: Down) -> Figures {
        let outage = Outage { at: 0, asked: Some(0), callers: 1 };
        let seconds = Duration::from_secs;
        let plan = Plan {
            all: seconds(30),
            down: seconds(10)..seconds(20),
            per_second: 10,
            how,
            on_aws: PathBuf::new(),
        };
        let mut figures = figures(&plan, Vec::new(), BTreeMap::new(), &BTreeMap::new(), &outage);
        figures.open.insert("run-1".to_owned());
        figures
    }

    fn began(figures: &mut Figures, calls: &[(&str, u64)]) -> Option<String> {
        figures.twice = calls.iter().map(|(call, count)| ((*call).to_owned(), *count)).collect();
        figures.check().err()
    }

    #[test]
    fn a_process_asks_a_cloud_that_is_down_now_and_then() {
        let seconds = Duration::from_secs;
        assert_eq!([0, 1, 2, 6, 10, 20, 40].map(|s| tries(Down::Answers, seconds(s))), [3, 3, 4, 5, 5, 6, 8]);
        assert_eq!(tries(Down::Stalls, seconds(10)), 3);
    }

    #[test]
    fn whatever_an_outage_cannot_cause_is_said() {
        let all = [Down::Answers, Down::Refuses, Down::Stalls];
        for how in all {
            assert_eq!(calm(how).check(), Ok(()));
            let wrong = Figures { wrong: vec!["run 3: it did not end".to_owned()], ..calm(how) };
            assert_eq!(wrong.check(), Err("1 runs went wrong, such as run 3: it did not end".to_owned()));
            let never = Figures { never: vec!["run-3 add 0".to_owned()], ..calm(how) };
            assert_eq!(never.check(), Err("1 calls never ran, such as run-3 add 0".to_owned()));
            let here = began(&mut Figures { asked: Some(3), ..calm(how) }, &[("run-1 here 1", 2)]);
            let cannot = "a call began 2 times, which this outage cannot cause: run-1 here 1";
            assert_eq!(here.as_deref(), Some(cannot));
            assert!(began(&mut calm(how), &[("run-1 there 0", 3)]).is_some());
        }
        let mut late = Figures { asked: Some(1), ..calm(Down::Stalls) };
        assert_eq!(began(&mut late, &[("run-7 there 0", 2)]), None);
        let two = [("run-7 there 0", 2), ("run-8 there 0", 2)];
        assert_eq!(began(&mut late, &two), Some("2 calls began twice, and 1 at most may".to_owned()));
        assert_eq!(began(&mut calm(Down::Refuses), &[("run-1 there 0", 2)]), None);
        assert!(began(&mut calm(Down::Refuses), &[("run-7 there 0", 2)]).is_some(), "it was not open");
        assert!(began(&mut calm(Down::Answers), &[("run-1 there 0", 2)]).is_some(), "it was refused");
    }

    #[test]
    fn a_cloud_that_is_down_and_is_asked_by_every_call_is_noticed() {
        let asked = |asked| Figures { asked: Some(asked), callers: 2, ..calm(Down::Answers) }.check();
        assert_eq!(asked(10), Ok(()));
        let said = "11 invocations reached the cloud that was down, and 2 processes try it 10 times at most";
        assert_eq!(asked(11), Err(said.to_owned()));
    }
}
