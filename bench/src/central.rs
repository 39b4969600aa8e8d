//! What an orchestrator in the middle costs: the same workflows by jointlambda and by a naive central
//! orchestrator, on the same embedded clouds, in virtual time.

use std::{sync::Arc, time::Duration};

use jointlambda::{
    Options, Workflow,
    backend::{
        StoreError,
        local::{CloudUsage, Config, LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
};
use tokio::time::Instant;

use crate::{
    orchestrator::{self, Central, Plan},
    shapes::{self, Shapes},
};

/// When the runs begin, so that they are the same each time.
const EPOCH_MS: u64 = 1_000_000;

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
        let chains = [1, 2, 5, 10].map(|hops| Plan::Chain { hops });
        let monte_carlo = [2, 8, 32, 128].map(|branches| Plan::MonteCarlo { branches });
        for plan in chains.into_iter().chain(monte_carlo) {
            row(profile, plan, &jointlambda(profile, plan), &central(profile, plan));
        }
    }
}

fn row(profile: Profile, plan: Plan, ours: &Took, theirs: &Took) {
    let list = |took: &Took| took.operations.map(|count| count.to_string()).join(", ");
    println!(
        "| {} | {} | {} ms | {} ms | {:.2} | {} | {} |",
        profile.name,
        plan.title(),
        ours.makespan.as_millis(),
        theirs.makespan.as_millis(),
        theirs.makespan.as_secs_f64() / ours.makespan.as_secs_f64(),
        list(ours),
        list(theirs),
    );
}

fn config(profile: Profile) -> Config {
    Config { profile, epoch_ms: Some(EPOCH_MS), ..Embedded::<Shapes>::config() }
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
fn jointlambda(profile: Profile, plan: Plan) -> Took {
    virtual_time(1, async move {
        let clouds = Embedded::<Shapes>::new(config(profile), Options::default()).expect("the clouds open");
        clouds.run("cold", shapes::input(plan)).await.expect("the run ends");
        clouds.clouds().idle().await;
        let before = clouds.clouds().meter();
        let began = Instant::now();
        let result = clouds.run("warm", shapes::input(plan)).await.expect("the run ends");
        let makespan = began.elapsed();
        assert_eq!(result, Shapes::plain(shapes::input(plan)).await);
        clouds.clouds().idle().await;
        Took { makespan, operations: operations(&clouds.clouds().meter().since(&before).clouds) }
    })
}

/// The same by the orchestrator.
fn central(profile: Profile, plan: Plan) -> Took {
    let mut config = config(profile);
    config.clouds.iter_mut().for_each(|cloud| cloud.functions = None);
    virtual_time(1, async move {
        let clouds = LocalClouds::new(config).expect("the clouds open");
        for index in 0..clouds.regions().len() {
            clouds.serve(index, Arc::new(Central { clouds: clouds.backends_from(index) }));
        }
        let client = Central { clouds: clouds.backends_for_client() };
        run(&client, "cold", plan).await.expect("the run ends");
        clouds.idle().await;
        let before = clouds.meter();
        let began = Instant::now();
        run(&client, "warm", plan).await.expect("the run ends");
        let makespan = began.elapsed();
        clouds.idle().await;
        Took { makespan, operations: operations(&clouds.meter().since(&before).clouds) }
    })
}

/// What a client does: starts the run, and waits for its end.
async fn run(client: &Central, run: &str, plan: Plan) -> Result<(), StoreError> {
    client.start(run, plan).await?;
    while !client.has_ended(run).await? {
        client.clouds[0].table.changed(&orchestrator::row(run)).await;
    }
    Ok(())
}
