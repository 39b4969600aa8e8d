//! What a run without faults asks of the stores, for each of its parts: counted by the clouds'
//! meters, as the difference between two runs of which one has more of that part.

use std::{fmt::Debug, sync::Arc};

use jointlambda::{
    Client, Options, Runtime, Workflow,
    backend::{
        fault::{Faults, Operation, Schedule},
        local::{LocalClouds, virtual_time},
    },
    embedded::Embedded,
};

use crate::workflows::{firsts::Firsts, gathered::Gathered, parts::Parts};

/// What the paper takes for a part is not said there.
const NOT_GIVEN: &str = "not given";

/// One part: what it is, what the paper's protocol takes for it, and the runs that differ by it.
struct Part {
    name: &'static str,
    paper: &'static str,
    without: Input,
    with: Input,
    /// By how many such parts they differ.
    by: u64,
}

/// Hops before a fan-out, whether a function starts it, its branches, and the bytes of an output.
type Input = (u64, bool, u64, usize);

const PARTS: [Part; 7] = [
    Part {
        name: "hop of a sequence",
        paper: "3 W, 2 R",
        without: (1, false, 1, 1),
        with: (101, false, 1, 1),
        by: 100,
    },
    Part {
        name: "branch of a fan-in, small output",
        paper: "5 W, 4 R",
        without: (0, false, 28, 1),
        with: (0, false, 128, 1),
        by: 100,
    },
    Part {
        name: "branch of a fan-in, output of 2 KB",
        paper: "5 W, 4 R",
        without: (0, false, 28, 2_000),
        with: (0, false, 128, 2_000),
        by: 100,
    },
    Part {
        name: "branch of one of 10,000",
        paper: "5 W, 4 R",
        without: (0, false, 1, 1),
        with: (0, false, 10_000, 1),
        by: 9_999,
    },
    Part {
        name: "function that starts 10 branches",
        paper: "3 W, 2 R",
        without: (0, false, 10, 1),
        with: (0, true, 10, 1),
        by: 1,
    },
    Part {
        name: "function that starts 100 branches",
        paper: "12 W, 2 R",
        without: (0, false, 100, 1),
        with: (0, true, 100, 1),
        by: 1,
    },
    Part {
        name: "function that starts 10,000 branches",
        paper: "1,002 W, 2 R",
        without: (0, false, 10_000, 1),
        with: (0, true, 10_000, 1),
        by: 1,
    },
];

/// Prints the table.
pub(crate) fn table() {
    println!("| part of a run | the paper | writes | write units | reads | of them waited for |");
    println!("|---|---|---|---|---|---|");
    for part in PARTS {
        let (without, with) = (counted::<Parts>(part.without), counted::<Parts>(part.with));
        row(part.name, part.paper, &without, &with, part.by);
    }
    for (outputs, bytes) in [("small outputs", 1), ("outputs of 2 KB", 2_000)] {
        let parts = |branches| counted::<Parts>((0, false, branches, bytes));
        let (none, all) = (parts(0), parts(100));
        let waited_for = (all.reads - all.begun) - (none.reads - none.begun);
        println!("| fan-in of 100, {outputs} | 100 R | in its branches | | | {waited_for:.2} |");
    }
    let branches = |branches| counted::<Firsts>((1, branches));
    row("branch of a `first_ok`", NOT_GIVEN, &branches(28), &branches(128), 100);
    // As many branches, each in a fan-in of its own.
    row("fan-in of a `first_ok`", NOT_GIVEN, &branches(101), &counted::<Firsts>((101, 1)), 100);
    row("member of a batch of 10", NOT_GIVEN, &counted::<Gathered>(0), &counted::<Gathered>(10), 10);
}

/// Prints by what two runs differ that differ `by` so many of a part.
fn row(name: &str, paper: &str, without: &Counted, with: &Counted, by: u64) {
    let each = |count: fn(&Counted) -> usize| (count(with) as f64 - count(without) as f64) / by as f64;
    // Each function that begins has its row read beside it; no other read is hidden.
    let waited_for = each(|run| run.reads) - each(|run| run.begun);
    let units = each(|run| run.write_units);
    // One row more tells nothing where the other rows are of another size, too.
    let units = if by == 1 || units < 0.0 { "by its size".to_owned() } else { format!("{units:.2}") };
    println!(
        "| {name} | {paper} | {:.2} | {units} | {:.2} | {waited_for:.2} |",
        each(|run| run.writes),
        each(|run| run.reads),
    );
}

/// What the functions of a run asked for; its units are the client's too.
struct Counted {
    writes: usize,
    write_units: usize,
    reads: usize,
    begun: usize,
}

fn counted<W: Workflow>(input: W::Input) -> Counted
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    virtual_time(0, async {
        let faults = Faults::new(&Schedule::default());
        let clouds = LocalClouds::new(Embedded::<W>::config()).expect("the clouds open");
        let runtime = Runtime::new::<W>(faults.wrap(clouds.backends_from(0)), Options::default());
        clouds.serve(0, faults.handler(Arc::new(runtime)));
        let client = Client::<W>::new(clouds.backends_for_client(), Options::default());
        let run = client.start("key", input.clone()).await.expect("the run starts");
        clouds.idle().await;
        let log = faults.log();
        let count = |these: &[Operation]| log.iter().filter(|operation| these.contains(operation)).count();
        let usage = clouds.meter().total().expect("there is a cloud");
        assert_eq!(client.result(&run).await.expect("the run ends"), W::plain(input).await);
        Counted {
            writes: count(&[Operation::Create, Operation::Arrive]),
            write_units: usage.write_units as usize,
            reads: count(&[Operation::Get]),
            begun: count(&[Operation::Begin]),
        }
    })
}
