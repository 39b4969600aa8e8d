//! What runs, live: counters that the clouds' observer keeps, and a thread that shows them on
//! stderr, as bars on a terminal and as a few lines elsewhere.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::figures;
use crate::{
    backend::local::{Observer, Span, SpanOutcome},
    definition::Definition,
};

/// How often bars are drawn.
const DRAW_EVERY: Duration = Duration::from_millis(80);
/// How often a line says how far the run is, where there are no bars.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// The counters of one function, on all clouds together.
#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    started: AtomicU64,
    ended: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

/// Counts what the clouds do.
#[derive(Debug)]
pub(super) struct Progress {
    functions: Vec<(&'static str, Counts)>,
    index: HashMap<&'static str, usize>,
}

impl Progress {
    pub(super) fn new(definition: &'static Definition) -> Self {
        let names = definition.functions.iter().map(|function| function.name);
        Progress {
            functions: names.clone().map(|name| (name, Counts::default())).collect(),
            index: names.enumerate().map(|(index, name)| (name, index)).collect(),
        }
    }

    fn counts(&self, function: &str) -> Option<&Counts> {
        self.index.get(function).map(|&index| &self.functions[index].1)
    }
}

impl Observer for Progress {
    fn accepted(&self, _: usize, function: &Arc<str>) {
        if let Some(counts) = self.counts(function) {
            counts.accepted.fetch_add(1, Relaxed);
        }
    }

    fn started(&self, _: usize, function: &Arc<str>, _: u32) {
        if let Some(counts) = self.counts(function) {
            counts.started.fetch_add(1, Relaxed);
        }
    }

    fn ended(&self, span: &Span) {
        let Some(counts) = self.counts(&span.function) else { return };
        counts.ended.fetch_add(1, Relaxed);
        match span.outcome {
            SpanOutcome::Done | SpanOutcome::Abandoned => counts.done.fetch_add(1, Relaxed),
            SpanOutcome::Failed | SpanOutcome::Died => counts.failed.fetch_add(1, Relaxed),
        };
    }
}

/// One reading of a function's counters.
struct Reading {
    name: &'static str,
    accepted: u64,
    started: u64,
    running: u64,
    done: u64,
    failed: u64,
}

impl Progress {
    fn read(&self) -> impl Iterator<Item = Reading> + '_ {
        self.functions.iter().map(|(name, counts)| {
            // In this order, a reading never shows more ended than started.
            let (done, ended) = (counts.done.load(Relaxed), counts.ended.load(Relaxed));
            let (failed, started) = (counts.failed.load(Relaxed), counts.started.load(Relaxed));
            let accepted = counts.accepted.load(Relaxed);
            Reading { name, accepted, started, running: started.saturating_sub(ended), done, failed }
        })
    }
}

/// The thread that shows progress; it ends when this is dropped.
pub(super) struct Live {
    bars: MultiProgress,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    pub(super) fn start(progress: Arc<Progress>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let bars = MultiProgress::new();
        let thread = thread::Builder::new().name("progress".to_owned()).spawn({
            let bars = bars.clone();
            move || {
                if console::user_attended_stderr() {
                    draw(&progress, &bars, &stopped);
                } else {
                    say(&progress, &stopped);
                }
            }
        });
        // Without the thread there is no progress to see, and nothing else is missing.
        Live { bars, stop: Some(stop), thread: thread.ok() }
    }

    /// The bars, to be cleared when the process ends under them.
    pub(super) fn bars(&self) -> MultiProgress {
        self.bars.clone()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn draw(progress: &Progress, bars: &MultiProgress, stopped: &mpsc::Receiver<()>) {
    let longest = progress.functions.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let template = format!("  {{prefix:{longest}}} {{bar:28.cyan/black.bright}} {{msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style.progress_chars("━╸─");
    let mut shown: HashMap<&str, ProgressBar> = HashMap::new();
    while stopped.recv_timeout(DRAW_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
        for now in progress.read().filter(|now| now.accepted > 0) {
            let bar = shown.entry(now.name).or_insert_with(|| {
                bars.add(ProgressBar::new(0).with_style(style.clone()).with_prefix(now.name))
            });
            bar.set_length(now.accepted);
            bar.set_position(now.done);
            bar.set_message(now.text());
        }
    }
    // The chart that follows says all of it.
    let _ = bars.clear();
}

impl Reading {
    fn text(&self) -> String {
        let mut text = format!("{} of {}", figures::count(self.done), figures::count(self.accepted));
        if self.running > 0 {
            text.push_str(&format!(", {} running", figures::count(self.running)));
        }
        if self.failed > 0 {
            text.push_str(&format!(", {} failed", figures::count(self.failed)));
        }
        text
    }
}

/// A line when a function first starts, when its first failure is seen, and every ten seconds.
fn say(progress: &Progress, stopped: &mpsc::Receiver<()>) {
    let began = Instant::now();
    let mut said = began;
    let mut known = vec![(false, false); progress.functions.len()];
    loop {
        let is_over = stopped.recv_timeout(DRAW_EVERY) != Err(mpsc::RecvTimeoutError::Timeout);
        for (now, (started, failed)) in progress.read().zip(&mut known) {
            if now.started > 0 && !std::mem::replace(started, true) {
                eprintln!("{}: started", now.name);
            }
            if now.failed > 0 && !std::mem::replace(failed, true) {
                eprintln!("{}: an execution failed", now.name);
            }
        }
        if is_over {
            return;
        }
        if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            let all: Vec<_> = progress
                .read()
                .filter(|now| now.accepted > now.done)
                .map(|now| format!("{} {}", now.name, now.text()))
                .collect();
            eprintln!("after {}: {}", figures::duration(began.elapsed()), all.join("; "));
        }
    }
}
