//! What a run of each example asks for, and what a million such runs cost, beside the paper's protocol
//! and the providers' own orchestrators. What jointlambda asks for is counted by the meters of embedded
//! clouds; what the others ask for follows from the workflow's shape. The time of user functions, which
//! is the same for all, is left out.

use std::{fmt::Debug, time::Duration};

use iot_pipeline::{Chain, IotPipeline, IotPipelineFlags};
use jointlambda::{
    Options, Workflow,
    backend::local::{Config, CostItem, Profile, Usage, virtual_time},
    embedded::Embedded,
    provider::Provider,
};
use monte_carlo::{MonteCarlo, MonteCarloFlags, Simulation};
use question_answering::{QuestionAnswering, QuestionAnsweringFlags, Request};
use tokio::time::Instant;
use video_analytics::{Clip, VideoAnalytics, VideoAnalyticsFlags};

/// When the runs begin, so that they are the same each time.
const EPOCH_MS: u64 = 1_000_000;
const MILLION: f64 = 1e6;

/// The prices that the paper reckons with, of a million writes and reads.
const PAPER_WRITES: f64 = 1.4269;
const PAPER_READS: f64 = 0.285;

/// A provider's orchestrator: what a million starts cost, or a million steps, and a GB-second.
struct Service {
    name: &'static str,
    on: Provider,
    per_million_runs: f64,
    per_million_steps: f64,
    gb_second: f64,
}

/// Sources: the price pages of AWS Step Functions (us-east-1) and of CloudFlow, read in 2026.
const SERVICES: [Service; 4] = [
    Service {
        name: "Step Functions Standard",
        on: Provider::Aws,
        per_million_runs: 0.0,
        per_million_steps: 25.0,
        gb_second: 0.0,
    },
    Service {
        name: "Step Functions Express",
        on: Provider::Aws,
        per_million_runs: 1.0,
        per_million_steps: 0.0,
        gb_second: 0.000_016_67,
    },
    Service {
        name: "CloudFlow Standard",
        on: Provider::Aliyun,
        per_million_runs: 0.0,
        per_million_steps: 25.0,
        gb_second: 0.0,
    },
    Service {
        name: "CloudFlow Express",
        on: Provider::Aliyun,
        per_million_runs: 1.013,
        per_million_steps: 0.0,
        gb_second: 0.000_02,
    },
];
/// The least memory that an express workflow is billed for.
const EXPRESS_GB: f64 = 64.0 / 1024.0;

/// Functions of a workflow that are alike: how many, where, and what the paper's protocol has them do.
struct Functions {
    count: u64,
    on: Provider,
    role: Role,
}

#[derive(Clone, Copy)]
enum Role {
    /// One after another.
    Sequence,
    /// It starts so many branches.
    Start { branches: u64 },
    /// It ends a branch of a fan-in.
    Branch,
    /// It takes what the branches give.
    Aggregator,
}

impl Role {
    /// Writes and reads of one such function, as the paper gives them; those of an aggregator are what its
    /// figures for a whole run leave.
    fn operations(self) -> (u64, u64) {
        match self {
            Role::Sequence | Role::Aggregator => (3, if matches!(self, Role::Sequence) { 2 } else { 3 }),
            Role::Start { branches } => (2 + branches.div_ceil(10), 2),
            Role::Branch => (5, 4),
        }
    }
}

/// Prints the table.
pub(crate) fn table() {
    println!(
        "| workflow | by | writes | reads | invocations | table | other requests | orchestrator | sum | | \
         table, at the paper's prices | waiting |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    use Provider::{Aliyun, Aws};
    let chain: Chain = IotPipelineFlags { length: 10, reading: None }.try_into().expect("it is one");
    let halves = [Aws, Aliyun].map(|on| Functions { count: 5, on, role: Role::Sequence });
    rows::<IotPipeline>("IoT chain of 10", chain, &halves);
    for branches in [32, 128] {
        let flags = MonteCarloFlags { draws: 1_000_000, branches, seed: 1 };
        let simulation: Simulation = flags.try_into().expect("it is one");
        let branches = u64::from(branches);
        let shape = [
            Functions { count: 1, on: Aws, role: Role::Start { branches } },
            Functions { count: branches, on: Aliyun, role: Role::Branch },
            Functions { count: 1, on: Aws, role: Role::Aggregator },
        ];
        rows::<MonteCarlo>(&format!("Monte Carlo, {branches} branches"), simulation, &shape);
    }
    let flags = QuestionAnsweringFlags { questions: Vec::new(), documents: None };
    let request: Request = flags.try_into().expect("it is one");
    let both = [Aws, Aliyun].map(|on| Functions { count: 1, on, role: Role::Sequence });
    rows::<QuestionAnswering>("Question Answering", request, &both);
    let clip: Clip = VideoAnalyticsFlags { clip: None, chunks: 8 }.try_into().expect("it is one");
    let shape = [
        Functions { count: 1, on: Aws, role: Role::Start { branches: 8 } },
        Functions { count: 8, on: Aws, role: Role::Sequence },
        Functions { count: 8, on: Aws, role: Role::Branch },
        Functions { count: 1, on: Aliyun, role: Role::Aggregator },
    ];
    rows::<VideoAnalytics>("Video Analytics, 8 chunks", clip, &shape);
}

/// What a million runs ask for, in USD where it is money.
struct Line {
    by: &'static str,
    operations: Option<(u64, u64)>,
    invocations: u64,
    table: f64,
    requests: f64,
    orchestrator: f64,
    /// The table at the paper's prices.
    at_paper: Option<f64>,
    /// What functions are billed for while they wait for stores and platforms.
    waiting: Option<f64>,
}

impl Line {
    fn sum(&self) -> f64 {
        self.table + self.requests + self.orchestrator
    }
}

fn rows<W: Workflow>(name: &str, input: W::Input, shape: &[Functions])
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    // Without latencies every read is made; with them it is known how long functions wait.
    let (usage, _) = run::<W>(Profile::NONE, input.clone());
    let (waiting, makespan) = run::<W>(Profile::TOKYO, input);
    let ours = ours(&usage, &waiting);
    let large = of(&usage, &["object writes", "object reads", "bytes to other clouds"]);
    let mut lines = vec![paper(shape, large)];
    lines.extend(SERVICES.iter().map(|service| orchestrated(service, shape, makespan)));
    let least = ours.sum();
    print(name, &ours, least);
    lines.iter().for_each(|line| print("", line, least));
}

fn ours(usage: &Usage, waiting: &Usage) -> Line {
    let total = usage.total().expect("there is a cloud");
    let requests = ["invocations", "object writes", "object reads", "bytes to other clouds"];
    let at_paper = total.write_units as f64 * PAPER_WRITES + total.read_units as f64 * PAPER_READS;
    Line {
        by: "jointlambda",
        operations: Some((total.table_creates + total.table_arrives, total.table_gets)),
        invocations: total.deliveries,
        table: of(usage, &["table writes", "table reads"]),
        requests: of(usage, &requests),
        orchestrator: 0.0,
        at_paper: Some(at_paper),
        waiting: Some(of(waiting, &["memory", "processors", "GPU memory"])),
    }
}

/// The paper's protocol: each operation is one unit. What is `large` goes the same way.
fn paper(shape: &[Functions], large: f64) -> Line {
    let (mut writes, mut reads, mut invocations, mut table, mut requests) = (0, 0, 0, 0.0, large);
    for Functions { count, on, role } in shape {
        let (w, r) = role.operations();
        let prices = on.prices();
        table += (count * w) as f64 * prices.table_writes_per_million;
        table += (count * r) as f64 * prices.table_reads_per_million;
        requests += *count as f64 * prices.invocations_per_million;
        (writes, reads, invocations) = (writes + count * w, reads + count * r, invocations + count);
    }
    Line {
        by: "the paper",
        operations: Some((writes, reads)),
        invocations,
        table,
        requests,
        orchestrator: 0.0,
        at_paper: Some(writes as f64 * PAPER_WRITES + reads as f64 * PAPER_READS),
        waiting: None,
    }
}

/// The same as a state machine with a state for each function and one for each map, on one cloud.
fn orchestrated(service: &Service, shape: &[Functions], makespan: Duration) -> Line {
    let functions: u64 = shape.iter().map(|functions| functions.count).sum();
    let maps = shape.iter().filter(|functions| matches!(functions.role, Role::Start { .. })).count() as u64;
    let steps = (functions + maps) as f64 * service.per_million_steps;
    let time = makespan.as_secs_f64() * EXPRESS_GB * service.gb_second * MILLION;
    Line {
        by: service.name,
        operations: None,
        invocations: functions,
        table: 0.0,
        requests: functions as f64 * service.on.prices().invocations_per_million,
        orchestrator: service.per_million_runs + steps + time,
        at_paper: None,
        waiting: None,
    }
}

fn print(name: &str, line: &Line, least: f64) {
    let usd = |amount: f64| if amount == 0.0 { String::new() } else { format!("${amount:.2}") };
    let (writes, reads) = match line.operations {
        Some((writes, reads)) => (writes.to_string(), reads.to_string()),
        None => (String::new(), String::new()),
    };
    println!(
        "| {name} | {} | {writes} | {reads} | {} | {} | {} | {} | {} | {:.2} | {} | {} |",
        line.by,
        line.invocations,
        usd(line.table),
        usd(line.requests),
        usd(line.orchestrator),
        usd(line.sum()),
        line.sum() / least,
        line.at_paper.map_or_else(String::new, usd),
        line.waiting.map_or_else(String::new, usd),
    );
}

/// What a million runs cost of these lines of a bill.
fn of(usage: &Usage, what: &[&str]) -> f64 {
    let items = usage.cost().items;
    let usd: f64 =
        items.iter().filter(|item| what.contains(&item.what)).map(|CostItem { usd, .. }| usd).sum();
    usd * MILLION
}

/// What the second run of two is billed for, and how long it took; the first has made the instances. The
/// client's looks for the result are not in it.
fn run<W: Workflow>(profile: Profile, input: W::Input) -> (Usage, Duration)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    virtual_time(1, async move {
        let config = Config { profile, epoch_ms: Some(EPOCH_MS), ..Embedded::<W>::config() };
        let clouds = Embedded::<W>::new(config, Options::default()).expect("the clouds open");
        clouds.run("cold", input.clone()).await.expect("the run ends");
        clouds.clouds().idle().await;
        let before = clouds.clouds().meter();
        let began = Instant::now();
        let run = clouds.client().start("warm", input.clone()).await.expect("the run starts");
        clouds.clouds().idle().await;
        let (makespan, usage) = (began.elapsed(), clouds.clouds().meter().since(&before));
        assert_eq!(clouds.client().result(&run).await.expect("the run ends"), W::plain(input).await);
        (usage, makespan)
    })
}
