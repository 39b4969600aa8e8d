//! A naive central orchestrator, on the same Backend-Shim as jointlambda.
//!
//! It is a function of the first cloud. Each result comes back to it by an invocation; it writes it
//! down, which is its history, and invokes what follows. It is as durable as jointlambda (a step that
//! is delivered again finds its row) and checks nothing else.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use jointlambda::{
    Fault, GivenUp,
    backend::{Arrival, Backend, Delivery, Handler, Invoked, NewRow, StoreError},
    id::{Incarnation, RowKey, RunId},
    timing::TARGET,
};

/// Requests that the orchestrator has under way at once; jointlambda has as many.
const AT_ONCE: usize = 64;
/// Rows of a run are kept for so long.
const KEPT_MS: u64 = 24 * 3_600 * 1_000;

/// The orchestrator's function.
pub(crate) const ORCHESTRATOR: &str = "orchestrator";
/// The function of all steps.
pub(crate) const STEP: &str = "step";

/// What the orchestrator is to do: the examples' shapes.
#[derive(Clone, Copy)]
pub(crate) enum Plan {
    /// The IoT chain: so many steps, on the clouds in turn, that pass a reading on.
    Chain { hops: u32 },
    /// Monte Carlo: a step on the first cloud, so many side by side on the last one, and one on the first
    /// when all are done.
    MonteCarlo { branches: u32 },
}

impl Plan {
    /// What it is called in tables.
    pub(crate) fn title(self) -> String {
        match self {
            Plan::Chain { hops } => format!("chain of {hops}"),
            Plan::MonteCarlo { branches } => format!("Monte Carlo of {branches}"),
        }
    }

    /// What a chain passes on: 1 KB.
    pub(crate) fn reading(self) -> String {
        match self {
            Plan::Chain { .. } => "r".repeat(1_024),
            Plan::MonteCarlo { .. } => String::new(),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plan::Chain { hops } => write!(f, "chain {hops}"),
            Plan::MonteCarlo { branches } => write!(f, "Monte-Carlo {branches}"),
        }
    }
}

/// The orchestrator and its steps, as each cloud and the client has them.
pub(crate) struct Central {
    /// The clouds, as they are seen from here.
    pub(crate) clouds: Vec<Backend>,
}

/// What travels: of which run, and what has been done, or is to be.
#[derive(Clone)]
struct Event {
    run: String,
    plan: Plan,
    /// 0 is the start; steps are counted from 1.
    step: u32,
    reading: String,
}

impl Event {
    fn encode(&self) -> Bytes {
        format!("{} {} {} {}", self.plan, self.step, self.run, self.reading).into()
    }

    fn decode(wire: &[u8]) -> Self {
        let text = std::str::from_utf8(wire).expect("it was encoded from text");
        let parts: Vec<&str> = text.splitn(5, ' ').collect();
        let [kind, size, step, run, reading] = parts[..] else { panic!("`{text}` has five parts") };
        let number = |text: &str| text.parse().expect("it is a number");
        let plan = match kind {
            "chain" => Plan::Chain { hops: number(size) },
            _ => Plan::MonteCarlo { branches: number(size) },
        };
        Event { run: run.to_owned(), plan, step: number(step), reading: reading.to_owned() }
    }
}

/// Tells whoever counts what jointlambda does that the orchestrator does so, too.
fn point(point: &str) {
    tracing::trace!(target: TARGET, point);
}

fn id(run: &str) -> RunId {
    RunId::derive("central", run)
}

/// The row of a run.
pub(crate) fn row(run: &str) -> RowKey {
    RowKey::run(&id(run))
}

impl Central {
    /// What a client does to start a run, whose name has no spaces.
    pub(crate) async fn start(&self, run: &str, plan: Plan) -> Result<(), StoreError> {
        let table = &self.clouds[0].table;
        let new = NewRow { expires_at: table.now() + KEPT_MS, ..NewRow::default() };
        table.create(&row(run), new).await?;
        let start = Event { run: run.to_owned(), plan, step: 0, reading: plan.reading() };
        self.invoke(0, ORCHESTRATOR, &start).await;
        Ok(())
    }

    /// Whether a run has ended.
    pub(crate) async fn has_ended(&self, run: &str) -> Result<bool, StoreError> {
        let row = self.clouds[0].table.get(&row(run)).await?;
        Ok(row.is_some_and(|row| !row.slots.is_empty()))
    }

    /// Something has been done: write it down, and start what follows.
    async fn orchestrate(&self, event: &Event) -> Result<(), StoreError> {
        let (table, run) = (&self.clouds[0].table, id(&event.run));
        let expires_at = table.now() + KEPT_MS;
        let write_down = async || {
            point("committing");
            let row = NewRow { body: event.encode(), expires_at, ..NewRow::default() };
            table.create(&RowKey::instance(&Incarnation::of(&run, 0), 0, &[event.step]), row).await
        };
        let last = self.clouds.len() - 1;
        match event.plan {
            Plan::Chain { hops } => {
                if event.step > 0 {
                    write_down().await?;
                }
                if event.step == hops {
                    return self.end(&run, expires_at).await;
                }
                let cloud = event.step as usize % self.clouds.len();
                self.invoke(cloud, STEP, &Event { step: event.step + 1, ..event.clone() }).await;
            }
            Plan::MonteCarlo { branches } => match event.step {
                0 => self.invoke(0, STEP, &Event { step: 1, ..event.clone() }).await,
                1 => {
                    write_down().await?;
                    stream::iter(2..branches + 2)
                        .for_each_concurrent(AT_ONCE, async |step| {
                            self.invoke(last, STEP, &Event { step, ..event.clone() }).await;
                        })
                        .await;
                }
                step if step < branches + 2 => {
                    let key = RowKey::join(&Incarnation::of(&run, 0), 0, &[], 0, 0);
                    let arrival =
                        Arrival { value: event.encode(), ..Arrival::at(step - 2, branches, expires_at) };
                    point("committing");
                    if table.arrive(&key, arrival).await?.filled == branches {
                        self.invoke(0, STEP, &Event { step: branches + 2, ..event.clone() }).await;
                    }
                }
                _ => return self.end(&run, expires_at).await,
            },
        }
        Ok(())
    }

    async fn end(&self, run: &RunId, expires_at: u64) -> Result<(), StoreError> {
        point("committing");
        self.clouds[0].table.arrive(&RowKey::run(run), Arrival::at(0, 1, expires_at)).await.map(drop)
    }

    async fn invoke(&self, cloud: usize, function: &str, event: &Event) {
        point("invoking");
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

    async fn abandon(&self, function: &str, _: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        panic!("gave up on {function}: {}", given_up.why)
    }
}
