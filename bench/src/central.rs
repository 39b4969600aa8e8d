//! What an orchestrator in the middle costs: the same workflows by jointlambda and by a naive central
//! orchestrator that is written on the same Backend-Shim, on the same embedded clouds, in virtual time.
//!
//! The orchestrator is a function of the first cloud. Each result comes back to it by an invocation;
//! it writes it down, which is its history, and invokes what follows. It is as durable as jointlambda
//! (a step that is delivered again finds its row) and checks nothing else.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use jointlambda::{
    Fault, Options, Workflow,
    backend::{
        Arrival, Backend, Delivery, Handler, Invoked, NewRow, StoreError,
        local::{CloudUsage, Config, LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
    id::{RowKey, RunId},
};
use tokio::time::Instant;

use crate::workflows::{alternating::Alternating, elsewhere::Elsewhere};

/// When the runs begin, so that they are the same each time.
const EPOCH_MS: u64 = 1_000_000;
/// Requests that the orchestrator has under way at once; jointlambda has as many.
const AT_ONCE: usize = 64;
/// Rows of a run are kept for so long.
const KEPT_MS: u64 = 24 * 3_600 * 1_000;

/// What the orchestrator is to do.
#[derive(Clone, Copy)]
enum Plan {
    /// So many steps, on the clouds in turn.
    Chain { hops: u32 },
    /// So many steps side by side on the last cloud, and one on the first when all are done.
    Map { branches: u32 },
}

/// What a run took, and what it asked for.
struct Took {
    makespan: Duration,
    operations: [u64; 3],
}

/// Prints the table.
pub(crate) fn table() {
    println!(
        "| latencies | workflow | jointlambda | central | ratio | writes, reads, invocations | of the central one |"
    );
    println!("|---|---|---|---|---|---|---|");
    for profile in [Profile::TOKYO, Profile::WAN] {
        for hops in [1, 2, 5, 10] {
            let ours = jointlambda::<Alternating>(profile, u64::from(hops), u64::from(hops));
            let theirs = central::<Alternating>(profile, Plan::Chain { hops });
            row(profile, &format!("chain of {hops}, clouds in turn"), &ours, &theirs);
        }
        for branches in [2, 8, 32, 128] {
            let expected = (0..u64::from(branches)).map(|x| x * x).sum();
            let ours = jointlambda::<Elsewhere>(profile, u64::from(branches), expected);
            let theirs = central::<Elsewhere>(profile, Plan::Map { branches });
            row(profile, &format!("map of {branches} on the other cloud"), &ours, &theirs);
        }
    }
}

fn row(profile: Profile, what: &str, ours: &Took, theirs: &Took) {
    let list = |took: &Took| took.operations.map(|count| count.to_string()).join(", ");
    println!(
        "| {} | {what} | {} ms | {} ms | {:.2} | {} | {} |",
        profile.name,
        ours.makespan.as_millis(),
        theirs.makespan.as_millis(),
        theirs.makespan.as_secs_f64() / ours.makespan.as_secs_f64(),
        list(ours),
        list(theirs),
    );
}

fn config<W: Workflow>(profile: Profile) -> Config {
    Config { profile, epoch_ms: Some(EPOCH_MS), ..Embedded::<W>::config() }
}

fn operations(clouds: &[CloudUsage]) -> [u64; 3] {
    let counts: [fn(&CloudUsage) -> u64; 3] = [
        |cloud| cloud.table_creates + cloud.table_arrives,
        |cloud| cloud.table_gets,
        |cloud| cloud.invocations,
    ];
    counts.map(|count| clouds.iter().map(count).sum())
}

/// The second run of two: the first has made the instances.
fn jointlambda<W: Workflow<Input = u64, Output = u64>>(profile: Profile, input: u64, expected: u64) -> Took {
    virtual_time(1, async move {
        let clouds = Embedded::<W>::new(config::<W>(profile), Options::default()).expect("the clouds open");
        clouds.run("cold", input).await.expect("the run ends");
        clouds.clouds().idle().await;
        let before = clouds.clouds().meter();
        let began = Instant::now();
        assert_eq!(clouds.run("warm", input).await.expect("the run ends"), expected);
        let makespan = began.elapsed();
        clouds.clouds().idle().await;
        Took { makespan, operations: operations(&clouds.clouds().meter().since(&before).clouds) }
    })
}

/// The same by the orchestrator.
fn central<W: Workflow>(profile: Profile, plan: Plan) -> Took {
    let mut config = config::<W>(profile);
    config.clouds.iter_mut().for_each(|cloud| cloud.functions = None);
    virtual_time(1, async move {
        let clouds = LocalClouds::new(config).expect("the clouds open");
        for index in 0..clouds.regions().len() {
            clouds.serve(index, Arc::new(Central { plan, clouds: clouds.backends_from(index) }));
        }
        let client = Central { plan, clouds: clouds.backends_for_client() };
        client.run("cold").await.expect("the run ends");
        clouds.idle().await;
        let before = clouds.meter();
        let began = Instant::now();
        client.run("warm").await.expect("the run ends");
        let makespan = began.elapsed();
        clouds.idle().await;
        Took { makespan, operations: operations(&clouds.meter().since(&before).clouds) }
    })
}

/// The orchestrator and its steps, as each cloud and the client has them.
struct Central {
    plan: Plan,
    clouds: Vec<Backend>,
}

const ORCHESTRATOR: &str = "orchestrator";
const STEP: &str = "step";

/// What travels: of which run, and what has been done, or is to be.
#[derive(Clone, Debug)]
struct Event {
    run: String,
    /// 0 is the start; steps are counted from 1.
    step: u32,
}

impl Event {
    fn encode(&self) -> Bytes {
        format!("{} {}", self.step, self.run).into()
    }

    fn decode(wire: &[u8]) -> Self {
        let text = std::str::from_utf8(wire).expect("it was encoded from text");
        let (step, run) = text.split_once(' ').expect("it has two parts");
        Event { run: run.to_owned(), step: step.parse().expect("it is a number") }
    }
}

impl Central {
    /// What a client does: starts the run, and waits for its end.
    async fn run(&self, key: &str) -> Result<(), StoreError> {
        let table = &self.clouds[0].table;
        let row_key = RowKey::run(&RunId::derive("central", key));
        table.create(&row_key, NewRow { expires_at: table.now() + KEPT_MS, ..NewRow::default() }).await?;
        self.invoke(0, ORCHESTRATOR, &Event { run: key.to_owned(), step: 0 }).await;
        while table.get(&row_key).await?.is_none_or(|row| row.slots.is_empty()) {
            table.changed(&row_key).await;
        }
        Ok(())
    }

    /// Something has been done: write it down, and start what follows.
    async fn orchestrate(&self, event: &Event) -> Result<(), StoreError> {
        let (table, run) = (&self.clouds[0].table, RunId::derive("central", &event.run));
        let expires_at = table.now() + KEPT_MS;
        match self.plan {
            Plan::Chain { hops } => {
                if event.step > 0 {
                    let row = NewRow { body: event.encode(), expires_at, ..NewRow::default() };
                    table.create(&RowKey::instance(&run, 0, &[event.step]), row).await?;
                }
                if event.step == hops {
                    return self.end(&run, expires_at).await;
                }
                let cloud = event.step as usize % self.clouds.len();
                self.invoke(cloud, STEP, &Event { step: event.step + 1, ..event.clone() }).await;
            }
            Plan::Map { branches } => match event.step {
                0 => {
                    let last = self.clouds.len() - 1;
                    stream::iter(1..=branches)
                        .for_each_concurrent(AT_ONCE, async |step| {
                            self.invoke(last, STEP, &Event { step, ..event.clone() }).await;
                        })
                        .await;
                }
                step if step <= branches => {
                    let key = RowKey::join(&run, 0, &[], 0, 0);
                    let arrival =
                        Arrival { value: event.encode(), ..Arrival::at(step - 1, branches, expires_at) };
                    if table.arrive(&key, arrival).await?.filled == branches {
                        self.invoke(0, STEP, &Event { step: branches + 1, ..event.clone() }).await;
                    }
                }
                _ => return self.end(&run, expires_at).await,
            },
        }
        Ok(())
    }

    async fn end(&self, run: &RunId, expires_at: u64) -> Result<(), StoreError> {
        self.clouds[0].table.arrive(&RowKey::run(run), Arrival::at(0, 1, expires_at)).await.map(drop)
    }

    async fn invoke(&self, cloud: usize, function: &str, event: &Event) {
        let invoked = self.clouds[cloud].functions.invoke(function, event.encode()).await;
        assert_eq!(invoked, Invoked::Accepted);
    }
}

#[async_trait]
impl Handler for Central {
    async fn handle(&self, function: &str, wire: Bytes, _: Delivery) -> Result<(), Fault> {
        let event = Event::decode(&wire);
        match function {
            ORCHESTRATOR => self.orchestrate(&event).await?,
            // A step does nothing, and says that it has been done.
            _ => self.invoke(0, ORCHESTRATOR, &event).await,
        }
        Ok(())
    }

    async fn abandon(&self, function: &str, _: Bytes, _: u32, cause: String) -> Result<(), Fault> {
        panic!("gave up on {function}: {cause}")
    }
}
