//! Where the time of a run goes: writes down the points of `jointlambda::timing` as every process comes to
//! them, all by one machine's clock, and finds the way from the client's first request to the run's end.

use std::{
    collections::BTreeMap,
    env,
    fmt::{Debug, Write as _},
    fs::File,
    io::Write as _,
    path::Path,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use jointlambda::timing::TARGET;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};

/// The variable that names the file where points are written down.
pub(crate) const POINTS: &str = "BENCH_POINTS";

/// The parts of a hop, one after another.
pub(crate) const PARTS: [&str; 7] = [
    "delivery",
    "decoding",
    "until user code",
    "user code",
    "glue, encoding",
    "commit",
    "until the next invocation",
];

/// A function on the way.
pub(crate) struct Step {
    pub(crate) function: String,
    /// Whoever invoked it: a function, or the client.
    pub(crate) from: String,
    /// When it was invoked, since the epoch.
    pub(crate) at: Duration,
    /// As long as each of [`PARTS`].
    pub(crate) parts: [Duration; 7],
    /// Beside the delivery: until whoever invoked it had the platform's answer.
    pub(crate) answer: Option<Duration>,
    /// Beside the user code: how long its row was read, if that was not given up.
    pub(crate) read: Option<Duration>,
    /// After its last request: until the platform is answered.
    pub(crate) rest: Option<Duration>,
}

/// Writes points down from now on, if the environment says where.
pub(crate) fn write_down_if_told() {
    let Ok(path) = env::var(POINTS) else { return };
    write_down(Path::new(&path));
}

/// Writes points down from now on.
pub(crate) fn write_down(path: &Path) {
    let file = File::options().append(true).create(true).open(path).expect("points can be written down");
    tracing::subscriber::set_global_default(Recorder(Mutex::new(file))).expect("nothing else listens");
}

struct Recorder(Mutex<File>);

impl Subscriber for Recorder {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET && metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{} {}", now(), std::process::id()));
        event.record(&mut line);
        line.0.push('\n');
        // One write, so that lines of several processes do not mix.
        let _ = self.0.lock().expect("nobody panics with it").write_all(line.0.as_bytes());
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn now() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// A line of `name=value`.
struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {}={value}", field.name());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

/// What came to the points of one event, in nanoseconds.
#[derive(Default)]
struct Handled {
    process: u64,
    function: String,
    entered: u64,
    decoded: u64,
    begun: u64,
    returned: u64,
    read: Option<u64>,
    committing: u64,
    committed: u64,
    done: Option<u64>,
}

/// A request to a platform.
#[derive(Default)]
struct Invoked {
    process: u64,
    at: u64,
    answered: Option<u64>,
}

/// The functions from the first to the last of the one run whose points are in the file.
pub(crate) fn way(path: &Path) -> Vec<Step> {
    let text = std::fs::read_to_string(path).expect("points were written down");
    let (mut entered, mut handled, mut invoked) =
        (BTreeMap::new(), BTreeMap::<u64, Handled>::new(), BTreeMap::<u64, Invoked>::new());
    for line in text.lines() {
        let mut words = line.split(' ');
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        let (Some(at), Some(process)) = (number(), number()) else { continue };
        let of: BTreeMap<&str, &str> = words.filter_map(|word| word.split_once('=')).collect();
        let id = |name| of.get(name).and_then(|id| id.parse::<u64>().ok());
        match (of.get("point").copied().unwrap_or_default(), id("event"), id("sends")) {
            ("entered", ..) => drop(entered.insert(process, at)),
            ("invoking", _, Some(id)) => drop(invoked.insert(id, Invoked { process, at, answered: None })),
            ("invoked", _, Some(id)) => invoked.entry(id).or_default().answered = Some(at),
            (point, Some(id), _) => {
                let one = handled.entry(id).or_default();
                match point {
                    "decoded" => {
                        let function = of.get("function").copied().unwrap_or_default().to_owned();
                        (one.process, one.function, one.decoded) = (process, function, at);
                        one.entered = entered.get(&process).copied().unwrap_or(at);
                    }
                    "begun" => one.begun = at,
                    "returned" => one.returned = at,
                    "read" => one.read = Some(at),
                    "committing" if one.committing == 0 => one.committing = at,
                    "committed" => one.committed = at,
                    "done" => one.done = Some(at),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    // The last commit of all ends the run; what led there is found by who invoked whom.
    let last = handled.iter().filter(|(_, one)| one.decoded > 0).max_by_key(|(_, one)| one.committed);
    let mut next = last.map(|(id, _)| *id);
    let (mut steps, mut until) = (Vec::new(), None);
    while let Some(id) = next {
        let (Some(one), Some(request)) = (handled.get(&id), invoked.get(&id)) else { break };
        // Whoever was at work in the process that sent the request.
        let senders = handled.iter().filter(|(_, sender)| {
            sender.process == request.process && sender.decoded > 0 && sender.decoded <= request.at
        });
        let sender = senders.max_by_key(|(_, sender)| sender.decoded);
        let from = sender.map_or("the client", |(_, sender)| &sender.function);
        steps.push(step(one, request, from, until));
        (next, until) = (sender.map(|(id, _)| *id), Some(request.at));
    }
    steps.reverse();
    steps
}

/// A function that is invoked by `request`, and invokes the next one at `until`.
fn step(one: &Handled, request: &Invoked, from: &str, until: Option<u64>) -> Step {
    let between = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from));
    let stamps = [
        request.at,
        one.entered,
        one.decoded,
        one.begun,
        one.returned,
        one.committing,
        one.committed,
        until.unwrap_or(one.committed),
    ];
    let last = until.unwrap_or(one.committed);
    Step {
        function: one.function.clone(),
        from: from.to_owned(),
        at: Duration::from_nanos(request.at),
        parts: std::array::from_fn(|part| between(stamps[part], stamps[part + 1])),
        answer: request.answered.map(|at| between(request.at, at)),
        read: one.read.map(|at| between(one.decoded, at)),
        rest: one.done.map(|at| between(last, at)),
    }
}

/// The middle one.
pub(crate) fn median<T: Ord + Copy>(mut all: Vec<T>) -> Option<T> {
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}

/// How often any event has come to a point.
pub(crate) fn count(path: &Path, point: &str) -> usize {
    let text = std::fs::read_to_string(path).expect("points were written down");
    text.lines().filter(|line| line.split(' ').any(|word| word.strip_prefix("point=") == Some(point))).count()
}

/// Prints a line for each hop of the ways, from whom to whom: the medians over all of its kind, in
/// milliseconds.
pub(crate) fn print<'w>(workflow: &str, ways: impl Iterator<Item = &'w Vec<Step>>) {
    let mut by_hop: Vec<((&str, &str), Vec<&Step>)> = Vec::new();
    for step in ways.flatten() {
        let hop = (&*step.from, &*step.function);
        match by_hop.iter_mut().find(|(known, _)| *known == hop) {
            Some((_, steps)) => steps.push(step),
            None => by_hop.push((hop, vec![step])),
        }
    }
    for ((from, function), steps) in by_hop {
        let of = |each: &dyn Fn(&Step) -> Option<Duration>| {
            let median = median(steps.iter().filter_map(|step| each(step)).collect());
            median
                .map_or_else(|| "given up".to_owned(), |time| format!("{:.2}", time.as_secs_f64() * 1_000.0))
        };
        let parts = (0..PARTS.len()).map(|part| of(&|step| Some(step.parts[part])));
        let all = of(&|step| Some(step.parts.iter().sum()));
        let beside = [of(&|step| step.answer), of(&|step| step.read), of(&|step| step.rest)];
        let cells: Vec<String> = parts.chain([all]).chain(beside).collect();
        println!("| {workflow} | {from} to `{function}` | {} |", cells.join(" | "));
    }
}

/// Prints the head of the table.
pub(crate) fn print_head() {
    println!(
        "| workflow | hop | {} | sum | beside: the invocation's answer | read of the row | after it: until \
         the platform is answered |",
        PARTS.join(" | ")
    );
    println!("|{}", "---|".repeat(PARTS.len() + 6));
}
