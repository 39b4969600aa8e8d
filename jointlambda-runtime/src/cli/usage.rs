//! What a run used and would cost, as a table: a column for each cloud, and one for all.

use super::{chart::Canvas, figures};
use crate::backend::local::{CloudUsage, Cost, Usage};

const MILLION: f64 = 1e6;

/// A number of a usage, as it is written.
type Number = fn(&CloudUsage) -> String;

/// What is counted.
const LINES: [(&str, Number); 11] = [
    ("invocations", |usage| figures::count(usage.invocations)),
    ("executions", |usage| figures::count(usage.deliveries)),
    ("  with a cold start", |usage| figures::count(usage.cold_starts)),
    ("  after a failure", |usage| figures::count(usage.redeliveries)),
    ("table writes", |usage| figures::count(usage.table_creates + usage.table_arrives)),
    ("  units billed", |usage| figures::count(usage.write_units)),
    ("table reads", |usage| figures::count(usage.table_gets + usage.table_queries)),
    ("  units billed", |usage| figures::count(usage.read_units)),
    ("objects written", |usage| with_bytes(usage.object_puts, usage.object_put_bytes)),
    ("objects read", |usage| with_bytes(usage.object_gets, usage.object_get_bytes)),
    ("sent to other clouds", |usage| figures::bytes(usage.egress_bytes)),
];

fn with_bytes(count: u64, bytes: u64) -> String {
    if count == 0 { "0".to_owned() } else { format!("{} ({})", figures::count(count), figures::bytes(bytes)) }
}

/// The table of a usage, which is that of one run.
pub(super) fn table(usage: &Usage, canvas: Canvas) -> String {
    let Some(total) = usage.total() else { return String::new() };
    let mut columns: Vec<(&str, &CloudUsage)> =
        usage.clouds.iter().map(|usage| (&*usage.cloud, usage)).collect();
    if columns.len() > 1 {
        columns.push(("total", &total));
    }
    let mut rows = vec![line("usage", columns.iter().map(|(name, _)| (*name).to_owned()))];
    for (what, number) in LINES {
        rows.push(line(what, columns.iter().map(|(_, usage)| number(usage))));
    }
    let bill = Bill { cost: usage.cost(), clouds: usage.clouds.iter().map(|usage| &*usage.cloud).collect() };
    rows.push(line("estimated cost, USD", columns.iter().map(|_| String::new())));
    let headings = [0, rows.len() - 1];
    for what in bill.kinds() {
        rows.push(bill.line(&format!("  {what}"), MILLION, |item| item == what));
    }
    rows.push(bill.line("of 1,000,000 such runs", MILLION, |_| true));
    rows.push(bill.line("of this run", 1.0, |_| true));
    aligned(&rows, &headings, canvas)
}

/// A cost, and the clouds in the order of the columns.
struct Bill<'u> {
    cost: Cost,
    clouds: Vec<&'u str>,
}

impl Bill<'_> {
    /// What is billed by any cloud, in the order in which each bills it.
    fn kinds(&self) -> Vec<&'static str> {
        let mut kinds = Vec::new();
        for cloud in &self.clouds {
            let mut next = 0;
            for item in self.cost.items.iter().filter(|item| item.cloud == *cloud) {
                match kinds.iter().position(|kind| *kind == item.what) {
                    Some(at) => next = at + 1,
                    None => {
                        kinds.insert(next, item.what);
                        next += 1;
                    }
                }
            }
        }
        kinds
    }

    fn line(&self, what: &str, times: f64, counts: impl Fn(&str) -> bool) -> Vec<String> {
        let items = || self.cost.items.iter().filter(|item| counts(item.what));
        let of = |cloud: &str| items().filter(|item| item.cloud == cloud).map(|item| item.usd).sum::<f64>();
        let mut amounts: Vec<f64> = self.clouds.iter().map(|cloud| of(cloud)).collect();
        if amounts.len() > 1 {
            amounts.push(items().map(|item| item.usd).sum());
        }
        line(what, amounts.into_iter().map(|amount| figures::usd(amount * times)))
    }
}

fn line(what: &str, numbers: impl Iterator<Item = String>) -> Vec<String> {
    std::iter::once(what.to_owned()).chain(numbers).collect()
}

/// The first column to the left, the others to the right; an empty line before each heading but
/// the first.
fn aligned(rows: &[Vec<String>], headings: &[usize], canvas: Canvas) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let widths: Vec<_> = (0..columns)
        .map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:width$}"),
            _ => format!("  {cell:>width$}"),
        });
        let line: String = cells.collect();
        let line = line.trim_end();
        if headings.contains(&at) {
            text.push_str(if at > 0 { "\n" } else { "" });
            text.push_str(&canvas.bold(line));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::local::{CloudConfig, Config, LocalClouds};

    fn usage(clouds: Vec<CloudConfig>) -> Usage {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { LocalClouds::new(Config::of(clouds)).unwrap().meter() })
    }

    const PLAIN: Canvas = Canvas { width: 100, colour: false };

    #[test]
    fn a_table_has_a_column_for_each_cloud_and_their_total() {
        let mut usage = usage(vec![CloudConfig::aws("AWS"), CloudConfig::aliyun("ALI")]);
        usage.clouds[0].invocations = 1;
        usage.clouds[0].deliveries = 1;
        usage.clouds[0].table_creates = 3;
        usage.clouds[0].write_units = 4;
        usage.clouds[1].invocations = 1_200;
        usage.clouds[1].deliveries = 1_201;
        usage.clouds[1].redeliveries = 1;
        usage.clouds[1].object_puts = 2;
        usage.clouds[1].object_put_bytes = 1_500_000;
        let expected = "\
usage                   AWS         ALI       total
invocations               1       1,200       1,201
executions                1       1,201       1,202
  with a cold start       0           0           0
  after a failure         0           1           1
table writes              3           0           3
  units billed            4           0           4
table reads               0           0           0
  units billed            0           0           0
objects written           0  2 (1.5 MB)  2 (1.5 MB)
objects read              0           0           0
sent to other clouds    0 B         0 B         0 B

";
        let text = table(&usage, PLAIN);
        let (counts, costs) = text.split_at(text.find("estimated").unwrap());
        assert_eq!(
            counts.lines().map(squeezed).collect::<Vec<_>>(),
            expected.lines().map(squeezed).collect::<Vec<_>>()
        );
        for line in [
            "invocations 0.20 180.15 180.35",
            "table writes 2.50 0 2.50",
            "object writes 0 10.00 10.00",
            "of 1,000,000 such runs 2.70 190.15 192.85",
            "of this run 0.0000027 0.00019 0.00019",
        ] {
            assert!(costs.lines().any(|other| squeezed(other) == line), "{line} is not in\n{costs}");
        }
    }

    fn squeezed(line: &str) -> String {
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_cloud_needs_no_total() {
        let text = table(&usage(vec![CloudConfig::aws("AWS")]), PLAIN);
        assert!(!text.contains("total"), "{text}");
    }

    #[test]
    fn columns_are_aligned() {
        let text = table(&usage(vec![CloudConfig::aws("AWS"), CloudConfig::aliyun("ANOTHER")]), PLAIN);
        let ends = |line: &str| line.chars().count();
        let first = text.lines().next().unwrap();
        for line in text.lines().take(12) {
            assert_eq!(ends(line), ends(first), "{text}");
        }
    }

    #[test]
    fn no_clouds_are_no_table() {
        assert_eq!(table(&Usage { clouds: Vec::new() }, PLAIN), "");
    }
}
