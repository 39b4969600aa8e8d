//! The IoT chain and Monte Carlo on ministack, a stand-in for AWS's services: by jointlambda, by a naive
//! central orchestrator, and by ministack's own Step Functions, all started and watched in the same way.
//! Then, where the time of a hop of jointlambda goes.
//!
//! This one program is also every function that is deployed: which one, its environment says.

#[path = "../machines.rs"]
mod machines;
#[path = "../orchestrator.rs"]
mod orchestrator;
// Some of it is for two clouds alone.
#[allow(dead_code)]
#[path = "../points.rs"]
mod points;

use std::{
    env,
    fs::File,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use jointlambda::{Client, Options, Workflow, backend::aws::serve, client::Status, deployment::FUNCTION};
use jointlambda_cloud_tests::{Account, Standin, proxy::Proxy};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use orchestrator::{Central, Plan};
use points::median;
use serde_json::{Value, json};

/// Hops of the chains.
const HOPS: [u32; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/// Branches of Monte Carlo.
const BRANCHES: [u32; 7] = [2, 4, 8, 16, 32, 64, 128];
/// Runs that make the instances, before those that are measured.
const COLD: usize = 2;
/// Runs that are measured.
const WARM: usize = 5;
/// How often it is asked whether a run has ended.
const LOOK: Duration = Duration::from_millis(5);
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long what follows the end of a run may take, such as the answer of its last function.
const SETTLED: Duration = Duration::from_millis(300);
/// The table of all rows.
const TABLE: &str = "rows";
/// The variable that tells a function that it is not jointlambda's, and where its services are.
const SERVICES: &str = "BENCH_SERVICES";
/// The function of every task of a state machine.
const TASK: &str = "task";

mod ours {
    //! The workflow as jointlambda runs it: the shapes of both examples on one cloud.

    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        /// Hops or branches, and what a chain passes on.
        #[workflow]
        pub(crate) async fn ours(size: (u32, u32, String)) -> u32 {
            let (hops, branches, mut reading) = size;
            if branches == 0 {
                for _ in 0..hops {
                    reading = record(reading).await;
                }
                return reading.len() as u32;
            }
            let tasks = data_map(branches).await;
            let counts = fan_out(tasks, async |task| data_process(task).await).await;
            data_aggregation(counts).await
        }

        #[function(on = AWS)]
        async fn record(reading: String) -> String {
            reading
        }

        #[function(on = AWS)]
        async fn data_map(branches: u32) -> Vec<u32> {
            (0..branches).collect()
        }

        #[function(on = AWS)]
        async fn data_process(task: u32) -> u32 {
            task
        }

        #[function(on = AWS)]
        async fn data_aggregation(counts: Vec<u32>) -> u32 {
            counts.len() as u32
        }
    }
}

mod others {
    //! What the functions of the others are called. They are deployed under these names, and none of
    //! this runs.

    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn others(x: u64) -> u64 {
            let x = orchestrator(x).await;
            let x = step(x).await;
            task(x).await
        }

        #[function(on = AWS)]
        async fn orchestrator(x: u64) -> u64 {
            x
        }

        #[function(on = AWS)]
        async fn step(x: u64) -> u64 {
            x
        }

        #[function(on = AWS)]
        async fn task(x: u64) -> u64 {
            x
        }
    }
}

use others::Others;
use ours::Ours;

fn main() -> ExitCode {
    let function = env::var(FUNCTION).ok();
    match (function.as_deref(), env::var(SERVICES)) {
        (Some(TASK), _) => block_on(async { serve_task().await.expect("it serves") }),
        (Some(_), Ok(services)) => {
            return serve::main_with::<Others>(|_| Arc::new(central(&Account::at(&services))));
        }
        (Some(_), Err(_)) => {
            points::write_down_if_told();
            return serve::main::<Ours>();
        }
        (None, _) => block_on(tables()),
    }
    ExitCode::SUCCESS
}

fn block_on(what: impl Future<Output = ()>) {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    threads.expect("a runtime can be made").block_on(what);
}

/// Is the function of the state machines.
async fn serve_task() -> Result<(), Error> {
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| Ok::<_, Error>(event.payload))).await
}

fn central(account: &Account) -> Central {
    Central { clouds: vec![account.backend::<Others>(TABLE)] }
}

/// Functions on a stand-in of their own.
struct Deployed {
    standin: Standin,
    account: Account,
    /// Between the functions and their services, where these are counted.
    proxy: Option<Proxy>,
}

impl Deployed {
    /// Functions of `W`, whose points are written down in a file if there is one.
    async fn new<W: Workflow>(is_ours: bool, is_counted: bool, points: Option<&Path>) -> Self {
        let standin = Standin::ministack();
        let account = Account::at(&standin.url);
        let proxy = is_counted.then(|| Proxy::before(&standin.url));
        account.create_table(TABLE).await;
        account.create_bucket();
        let url: &str = proxy.as_ref().map_or(&standin.url, |proxy| &proxy.url);
        let mut environment = vec![("AWS_ENDPOINT_URL_DYNAMODB", url), ("AWS_ENDPOINT_URL_LAMBDA", url)];
        if !is_ours {
            environment.push((SERVICES, url));
        }
        environment.extend(points.and_then(Path::to_str).map(|path| (points::POINTS, path)));
        let program = env::current_exe().expect("a program knows where it is");
        account.deploy_with::<W>(&program, TABLE, &environment, true).await;
        Deployed { standin, account, proxy }
    }
}

/// One of those that are compared.
enum System {
    Ours { client: Client<Ours>, on: Deployed },
    Central { client: Central, on: Deployed },
    Machines { on: Deployed },
}

impl System {
    async fn ours(is_counted: bool, points: Option<&Path>) -> Self {
        let on = Deployed::new::<Ours>(true, is_counted, points).await;
        System::Ours { client: Client::new(vec![on.account.backend::<Ours>(TABLE)], Options::default()), on }
    }

    async fn central(is_counted: bool) -> Self {
        let on = Deployed::new::<Others>(false, is_counted, None).await;
        System::Central { client: central(&on.account), on }
    }

    async fn machines() -> Self {
        let on = Deployed::new::<Others>(false, false, None).await;
        let task = on.account.names::<Others>().of(TASK);
        for plan in plans() {
            machines::create(&on.standin.url, &name(plan), plan, &task);
        }
        System::Machines { on }
    }

    /// How long a run takes, from the client's request until it is seen to have ended.
    async fn run(&self, plan: Plan, key: &str) -> Duration {
        let key = format!("{} {key}", name(plan)).replace(' ', "-");
        let began = Instant::now();
        match self {
            System::Ours { client, .. } => {
                let (size, expected) = match plan {
                    Plan::Chain { hops } => ((hops, 0, plan.reading()), plan.reading().len() as u32),
                    Plan::MonteCarlo { branches } => ((0, branches, String::new()), branches),
                };
                let run = client.start(&key, size).await.expect("it starts");
                until(began, async || client.status(&run).await.expect("it can be asked") != Status::Running)
                    .await;
                let took = began.elapsed();
                assert_eq!(client.result(&run).await.expect("it returns"), expected);
                took
            }
            System::Central { client, .. } => {
                client.start(&key, plan).await.expect("it starts");
                until(began, async || client.has_ended(&key).await.expect("it can be asked")).await;
                began.elapsed()
            }
            System::Machines { on } => {
                let input = match plan {
                    Plan::Chain { .. } => json!(plan.reading()),
                    Plan::MonteCarlo { branches } => json!((0..branches).collect::<Vec<_>>()),
                };
                let url = &on.standin.url;
                let execution = machines::start(url, &name(plan), &key, &input);
                until(began, async || machines::has_succeeded(url, &execution)).await;
                began.elapsed()
            }
        }
    }

    /// What the functions of a run write, read and invoke.
    async fn counted(&self, plan: Plan) -> [u64; 3] {
        let (System::Ours { on, .. } | System::Central { on, .. } | System::Machines { on }) = self;
        let proxy = on.proxy.as_ref().expect("it is deployed to be counted");
        for cold in 0..COLD {
            self.run(plan, &format!("cold {cold}")).await;
        }
        tokio::time::sleep(SETTLED).await;
        proxy.reset();
        self.run(plan, "counted").await;
        tokio::time::sleep(SETTLED).await;
        let counts = proxy.counts();
        let of = |operations: &[&str]| operations.iter().filter_map(|one| counts.get(*one)).sum();
        [of(&["UpdateItem", "PutItem"]), of(&["GetItem", "BatchGetItem"]), of(&["Invoke"])]
    }
}

/// Waits until `ended`, asking again and again.
async fn until(began: Instant, mut ended: impl AsyncFnMut() -> bool) {
    while !ended().await {
        assert!(began.elapsed() < PATIENCE, "the run does not end");
        tokio::time::sleep(LOOK).await;
    }
}

fn plans() -> impl Iterator<Item = Plan> {
    let chains = HOPS.into_iter().map(|hops| Plan::Chain { hops });
    chains.chain(BRANCHES.into_iter().map(|branches| Plan::MonteCarlo { branches }))
}

fn name(plan: Plan) -> String {
    plan.to_string().replace(' ', "-")
}

/// Prints the tables.
async fn tables() {
    let systems = [System::ours(false, None).await, System::central(false).await, System::machines().await];
    let counted = [System::ours(true, None).await, System::central(true).await];
    println!(
        "| workflow | jointlambda | central | ratio | Step Functions of ministack | ratio | writes, reads, \
         invocations by functions | of the central one |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for plan in plans() {
        let mut took = [const { Vec::new() }; 3];
        for round in 0..COLD + WARM {
            for (system, took) in systems.iter().zip(&mut took) {
                let one = system.run(plan, &round.to_string()).await;
                if round >= COLD {
                    took.push(one);
                }
                tokio::time::sleep(SETTLED).await;
            }
        }
        let [ours, central, machines] =
            took.map(|all| median(all).unwrap_or_default().as_secs_f64() * 1_000.0);
        let mut lists = Vec::new();
        for system in &counted {
            lists.push(system.counted(plan).await.map(|count| count.to_string()).join(", "));
        }
        println!(
            "| {} | {ours:.1} ms | {central:.1} ms | {:.2} | {machines:.1} ms | {:.2} | {} |",
            plan.title(),
            central / ours,
            machines / ours,
            lists.join(" | "),
        );
    }
    drop((systems, counted));
    println!();
    parts().await;
}

/// Prints where the time of a hop goes.
async fn parts() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("points");
    points::write_down(&file);
    let system = System::ours(false, Some(&file)).await;
    points::print_head();
    for plan in [Plan::Chain { hops: 10 }, Plan::MonteCarlo { branches: 32 }] {
        let mut ways = Vec::new();
        for round in 0..COLD + WARM {
            File::create(&file).expect("points can be forgotten");
            system.run(plan, &round.to_string()).await;
            tokio::time::sleep(SETTLED).await;
            if round >= COLD {
                ways.push(points::way(&file));
            }
        }
        points::print(&plan.title(), ways.iter());
    }
}
