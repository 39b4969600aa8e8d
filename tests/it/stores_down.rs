//! Tables and function services that are down for a while, of one cloud or of both: no run fails,
//! however short or long the outage. Only a call that is to blame itself fails.

use std::{cell::Cell, sync::Arc, time::Duration};

use jointlambda::{
    Client, Options, RunError, Runtime,
    backend::{
        fault::{FunctionsState, TableState, Weather},
        local::{LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
    id::RunId,
};

const MINUTE: Duration = Duration::from_secs(60);

mod mixed {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// A chain, a map and a join, on both clouds; a wide map is started through relays.
        #[workflow]
        pub(crate) async fn mixed(n: u64) -> u64 {
            let first = here(n).await;
            let all = fan_out(0..first, async |x| there(here(x).await).await).await;
            let (a, b) = join!(here(all.len() as u64), there(7));
            here(a + b - 7).await
        }

        #[function(on = AWS)]
        async fn here(x: u64) -> u64 {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            x
        }

        #[function(on = ALI)]
        async fn there(x: u64) -> u64 {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            x
        }
    }
}

/// The result of a run for a client that asks again when the table is down.
async fn result(client: &Client<mixed::Mixed>, run: &RunId) -> Result<u64, RunError> {
    loop {
        match client.result(run).await {
            Err(RunError::Fault(_)) => tokio::time::sleep(MINUTE / 4).await,
            result => return result,
        }
    }
}

/// An outage: which tables and functions, from when on, for how long.
#[derive(Clone, Copy, Debug)]
struct Outage {
    tables: [bool; 2],
    functions: [bool; 2],
    throttles: bool,
    from: Duration,
    lasts: Duration,
}

/// How many of some runs of these sizes end well, and how many there are.
fn survivors(outage: Outage, sizes: &[u64]) -> (usize, usize) {
    virtual_time(0, async {
        let mut config = Embedded::<mixed::Mixed>::config();
        config.profile = Profile::REALISTIC;
        let down = Arc::new(Weather::default());
        let clouds = LocalClouds::new(config).unwrap();
        let exposed = |backends| down.around(backends);
        for cloud in 0..2 {
            let runtime =
                Runtime::new::<mixed::Mixed>(exposed(clouds.backends_from(cloud)), Options::default());
            clouds.serve(cloud, Arc::new(runtime.on(cloud as u16)));
        }
        let client = Client::<mixed::Mixed>::new(exposed(clouds.backends_for_client()), Options::default());
        let sweeper = Runtime::new::<mixed::Mixed>(exposed(clouds.backends_from(0)), Options::default());
        let mut runs = Vec::new();
        for (key, n) in sizes.iter().enumerate() {
            runs.push((*n, client.start(&key.to_string(), *n).await.unwrap()));
        }
        let weather = async {
            tokio::time::sleep(outage.from).await;
            for cloud in 0..2 {
                let table = if outage.throttles { TableState::Throttles } else { TableState::Down };
                down.set_table(cloud, if outage.tables[cloud] { table } else { TableState::Fine });
                let functions = outage.functions[cloud];
                down.set_functions(
                    cloud,
                    if functions { FunctionsState::Down } else { FunctionsState::Fine },
                );
            }
            tokio::time::sleep(outage.lasts).await;
            for cloud in 0..2 {
                down.set_table(cloud, TableState::Fine);
                down.set_functions(cloud, FunctionsState::Fine);
            }
            std::future::pending::<()>().await;
        };
        let sweeping = async {
            loop {
                tokio::time::sleep(MINUTE).await;
                let _ = sweeper.sweep_for(5 * MINUTE).await;
            }
        };
        let ended = Cell::new(0);
        let results = async {
            for (n, run) in &runs {
                match result(&client, run).await {
                    Ok(value) => {
                        assert_eq!(value, *n);
                        ended.set(ended.get() + 1);
                    }
                    Err(why) => println!("{outage:?}: {why}"),
                }
            }
        };
        tokio::select! {
            () = results => {},
            () = weather => unreachable!(),
            () = sweeping => unreachable!(),
        }
        (ended.get(), runs.len())
    })
}

const SECONDS: [u64; 8] = [1, 30, 120, 240, 600, 900, 1_800, 3_600];

#[test]
fn tables_that_are_down_for_a_while_fail_no_run() {
    let mut tried = 0;
    for lasts in SECONDS.map(Duration::from_secs) {
        for (tables, throttles) in
            [([true, false], false), ([false, true], false), ([true, true], false), ([true, true], true)]
        {
            for from in [100, 1_000, 2_500].map(Duration::from_millis) {
                let outage = Outage { tables, functions: [false; 2], throttles, from, lasts };
                let (ended, of) = survivors(outage, &[0, 1, 2, 5, 9]);
                assert_eq!(ended, of, "{outage:?}");
                tried += of;
            }
        }
    }
    println!("{tried} runs through outages of tables of 1 s to 1 h: all ended well");
}

#[test]
fn functions_that_are_down_for_a_while_fail_no_run() {
    let mut tried = 0;
    for lasts in SECONDS.map(Duration::from_secs) {
        for functions in [[true, false], [false, true], [true, true]] {
            for from in [0, 1_000, 2_500].map(Duration::from_millis) {
                let outage = Outage { tables: [false; 2], functions, throttles: false, from, lasts };
                let (ended, of) = survivors(outage, &[0, 1, 5]);
                assert_eq!(ended, of, "{outage:?}");
                tried += of;
            }
        }
    }
    println!("{tried} runs through outages of functions of 1 s to 1 h: all ended well");
}

#[test]
fn relays_that_are_given_up_fail_no_run() {
    for functions in [[true, false], [true, true]] {
        for lasts in [5 * MINUTE, 20 * MINUTE] {
            let from = Duration::from_millis(700);
            let outage = Outage { tables: [false; 2], functions, throttles: false, from, lasts };
            assert_eq!(survivors(outage, &[600]), (1, 1), "{outage:?}");
        }
    }
}
