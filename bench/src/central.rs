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
    workflows::{alternating::Alternating, elsewhere::Elsewhere},
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
