//! What ran when, as a chart of text: a row for each function of each cloud, a column for each
//! stretch of time. The height of a block is how many executions there were at once.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use console::{Style, measure_text_width};

use super::figures;
use crate::{
    backend::local::{Span, SpanOutcome, Timeline},
    definition::Definition,
};

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The narrowest and widest part that is time.
const MIN_COLUMNS: usize = 24;
const MAX_COLUMNS: usize = 240;
/// Longer names of functions are cut.
const MAX_NAME: usize = 28;
/// Around the name and the time.
const BLANKS: usize = 5;
const COLD: &str = "cold starts";

/// How a chart is drawn.
#[derive(Clone, Copy)]
pub(super) struct Canvas {
    /// Columns of the terminal.
    pub(super) width: usize,
    pub(super) colour: bool,
}

impl Canvas {
    /// What is seen on the terminal that stdout is, or a plain one.
    pub(super) fn of_stdout() -> Self {
        let columns = console::Term::stdout().size_checked().map_or(100, |(_, columns)| columns.into());
        Canvas { width: columns, colour: console::user_attended() && console::colors_enabled() }
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.colour { style.force_styling(true).apply_to(text).to_string() } else { text.to_owned() }
    }

    fn dim(self, text: &str) -> String {
        self.paint(Style::new().dim(), text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// The colour of a cloud, the same in all of the output.
    pub(super) fn cloud(self, cloud: usize, text: &str) -> String {
        let styles =
            [Style::new().cyan(), Style::new().yellow(), Style::new().green(), Style::new().magenta()];
        self.paint(styles[cloud % styles.len()].clone(), text)
    }
}

/// One row: a function on a cloud.
#[derive(Default)]
struct Row<'t> {
    spans: Vec<&'t Span>,
}

/// The stretch of time that the chart shows.
#[derive(Clone, Copy)]
struct Time {
    from_us: u64,
    to_us: u64,
    columns: usize,
}

impl Time {
    fn length_us(self) -> u64 {
        (self.to_us - self.from_us).max(1)
    }

    fn column(self, at_us: u64) -> usize {
        let passed = u128::from(at_us.saturating_sub(self.from_us));
        let column = passed * self.columns as u128 / u128::from(self.length_us());
        (column as usize).min(self.columns - 1)
    }
}

/// The chart of a timeline.
pub(super) fn chart(timeline: &Timeline, definition: &Definition, canvas: Canvas) -> String {
    let spans = &timeline.spans;
    let (Some(from_us), Some(to_us)) =
        (spans.iter().map(|span| span.start_us).min(), spans.iter().map(|span| span.end_us).max())
    else {
        return "no function was executed: the run had ended before\n".to_owned();
    };
    let rows = rows(timeline, definition);
    let figures = Figures::of(rows.values());
    let names = rows.keys().map(|(_, _, name)| name.chars().count()).chain([COLD.len()]);
    let room = canvas.width.saturating_sub(BLANKS + MIN_COLUMNS + figures.width).clamp(COLD.len(), MAX_NAME);
    let name_width = names.max().unwrap_or(0).min(room);
    let columns = canvas.width.saturating_sub(BLANKS + name_width + figures.width);
    let columns = columns.clamp(MIN_COLUMNS, MAX_COLUMNS);
    let time = Time { from_us, to_us, columns };

    let mut text = title(time, BLANKS + name_width + columns, &figures, canvas);
    for cloud in 0..definition.clouds.len() {
        let rows: Vec<_> = rows.iter().filter(|((of, _, _), _)| *of == cloud).collect();
        if rows.is_empty() {
            continue;
        }
        let def = &definition.clouds[cloud];
        let place = format!("{} {}", def.cloud.provider.name(), def.cloud.region);
        let _ = writeln!(text, "{}  {}", canvas.cloud(cloud, def.name), canvas.dim(&place));
        for ((_, _, name), row) in &rows {
            let blocks = canvas.cloud(cloud, &blocks(&row.most_at_once(time)));
            let _ = writeln!(text, "  {}  {blocks} {}", fit(name, name_width), figures.line(row));
        }
        let cold = cold_starts(rows.iter().map(|(_, row)| *row), time);
        if cold.iter().any(|&count| count > 0) {
            let line = format!("  {}  {}", fit(COLD, name_width), blocks(&cold));
            let _ = writeln!(text, "{}", canvas.dim(line.trim_end()));
        }
    }
    let indent = " ".repeat(2 + name_width + 2);
    for line in axis(time) {
        let _ = writeln!(text, "{indent}{}", canvas.dim(line.trim_end()));
    }
    if timeline.dropped > 0 {
        let dropped = figures::count(timeline.dropped);
        let _ = writeln!(text, "{dropped} more executions are not in the chart");
    }
    text
}

/// The first line: what it is, and what the numbers on the right are.
fn title(time: Time, width: usize, figures: &Figures, canvas: Canvas) -> String {
    let short = format!("timeline of {}", figures::duration(Duration::from_micros(time.length_us())));
    let full = format!("{short}; height: executions at once");
    let title = if measure_text_width(&full) <= width { full } else { short };
    let padding = " ".repeat(width.saturating_sub(measure_text_width(&title)));
    format!("{}{padding}{}\n", canvas.bold(&title), canvas.dim(&figures.heads()))
}

/// The rows in order: by cloud, then as the functions are declared.
fn rows<'t>(timeline: &'t Timeline, definition: &Definition) -> BTreeMap<(usize, usize, &'t str), Row<'t>> {
    let mut rows = BTreeMap::<_, Row<'t>>::new();
    for span in &timeline.spans {
        let declared = definition.functions.iter().position(|function| function.name == &*span.function);
        let key = (span.cloud, declared.unwrap_or(usize::MAX), &*span.function);
        rows.entry(key).or_default().spans.push(span);
    }
    rows
}

impl Row<'_> {
    /// For each column, the most executions at once in it.
    fn most_at_once(&self, time: Time) -> Vec<u64> {
        let mut changes: Vec<(u64, bool)> = Vec::with_capacity(self.spans.len() * 2);
        for span in &self.spans {
            changes.push((span.start_us, true));
            // Even the shortest execution takes some time.
            changes.push((span.end_us.max(span.start_us + 1), false));
        }
        // An end comes before a start at the same time.
        changes.sort_unstable();
        let mut most = vec![0; time.columns];
        let (mut now, mut since_us) = (0_u64, 0);
        for (at_us, is_start) in changes {
            if now > 0 && at_us > since_us {
                let columns = time.column(since_us)..=time.column(at_us - 1);
                most[columns].iter_mut().for_each(|most: &mut u64| *most = now.max(*most));
            }
            now = if is_start { now + 1 } else { now - 1 };
            since_us = at_us;
        }
        most
    }

    fn peak(&self) -> u64 {
        let from_us = self.spans.iter().map(|span| span.start_us).min().unwrap_or(0);
        let to_us = self.spans.iter().map(|span| span.end_us).max().unwrap_or(0);
        self.most_at_once(Time { from_us, to_us, columns: 1 })[0]
    }

    fn cold(&self) -> u64 {
        self.spans.iter().filter(|span| span.cold).count() as u64
    }

    fn failed(&self) -> u64 {
        let failed = |span: &&&Span| matches!(span.outcome, SpanOutcome::Failed | SpanOutcome::Died);
        self.spans.iter().filter(failed).count() as u64
    }

    fn mean(&self) -> Duration {
        let total: u64 = self.spans.iter().map(|span| span.end_us - span.start_us).sum();
        Duration::from_micros(total / (self.spans.len() as u64).max(1))
    }
}

fn cold_starts<'r, 't: 'r>(rows: impl Iterator<Item = &'r Row<'t>>, time: Time) -> Vec<u64> {
    let mut counts = vec![0; time.columns];
    for span in rows.flat_map(|row| &row.spans).filter(|span| span.cold) {
        counts[time.column(span.start_us)] += 1;
    }
    counts
}

/// A block for each number, the highest for the largest of them.
fn blocks(numbers: &[u64]) -> String {
    let most = numbers.iter().copied().max().unwrap_or(0).max(1);
    let block = |&number: &u64| match number {
        0 => ' ',
        _ => BLOCKS[(number * 8).div_ceil(most) as usize - 1],
    };
    numbers.iter().map(block).collect()
}

/// A line with a tick at each round number that has room, and a line with these numbers.
fn axis(time: Time) -> [String; 2] {
    const LABEL: usize = 10;
    let mut line = vec!['─'; time.columns];
    let mut labels = String::new();
    let most_ticks = (time.columns / LABEL).max(1) as u64;
    let step_us = round_up(time.length_us().div_ceil(most_ticks));
    let mut at_us = 0;
    while at_us <= time.length_us() {
        let column = time.column(time.from_us + at_us);
        line[column] = if at_us == 0 { '└' } else { '┴' };
        let label = label(at_us);
        if column + label.chars().count() <= time.columns {
            let used = labels.chars().count();
            labels.push_str(&" ".repeat(column.saturating_sub(used)));
            labels.push_str(&label);
        }
        at_us += step_us;
    }
    [line.into_iter().collect(), labels]
}

/// 1, 2 or 5 times a power of ten, at least `number`.
fn round_up(number: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for step in [1, 2, 5] {
            if step * power >= number {
                return step * power;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// A round number of microseconds.
fn label(us: u64) -> String {
    match us {
        0 => "0".to_owned(),
        _ if us.is_multiple_of(1_000_000) => format!("{} s", us / 1_000_000),
        _ if us >= 1_000_000 => format!("{:.1} s", us as f64 / 1e6),
        _ if us.is_multiple_of(1_000) => format!("{} ms", us / 1_000),
        _ if us >= 1_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{us} µs"),
    }
}

fn fit(name: &str, width: usize) -> String {
    if name.chars().count() > width {
        let start: String = name.chars().take(width - 1).collect();
        return format!("{start}…");
    }
    format!("{name:width$}")
}

/// The columns of numbers on the right.
struct Figures {
    widths: [usize; 5],
    width: usize,
    /// Cold starts and failures are shown where there are any.
    shown: [bool; 5],
}

const HEADS: [&str; 5] = ["count", "peak", "cold", "mean", "failed"];

impl Figures {
    fn of<'r, 't: 'r>(rows: impl Iterator<Item = &'r Row<'t>>) -> Self {
        let mut widths = HEADS.map(str::len);
        let mut shown = [true, true, false, true, false];
        for row in rows {
            shown[2] |= row.cold() > 0;
            shown[4] |= row.failed() > 0;
            for (width, figure) in widths.iter_mut().zip(Self::figures(row)) {
                *width = (*width).max(figure.chars().count());
            }
        }
        let width = widths.iter().zip(shown).map(|(width, shown)| if shown { width + 2 } else { 0 }).sum();
        Figures { widths, width, shown }
    }

    fn figures(row: &Row<'_>) -> [String; 5] {
        [
            figures::count(row.spans.len() as u64),
            figures::count(row.peak()),
            figures::count(row.cold()),
            figures::duration(row.mean()),
            figures::count(row.failed()),
        ]
    }

    fn line(&self, row: &Row<'_>) -> String {
        self.aligned(&Self::figures(row))
    }

    fn heads(&self) -> String {
        self.aligned(&HEADS.map(str::to_owned))
    }

    fn aligned(&self, texts: &[String; 5]) -> String {
        let cells = texts.iter().zip(self.widths).zip(self.shown).filter(|(_, shown)| *shown);
        cells.map(|((text, width), _)| format!("  {text:>width$}")).collect()
    }
}

#[cfg(test)]
#[path = "chart_tests.rs"]
mod tests;
