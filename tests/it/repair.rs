//! Repair converges: a sweep finds what was lost, however large the run and whatever its shape, and
//! sends each thing again a bounded number of times, however often it looks.

pub(crate) mod repeats;
mod unreadable;

use std::{cell::Cell, sync::Arc, time::Duration};

use jointlambda::{
    Client, Options, RunError, Runtime, Workflow,
    backend::{
        Backend,
        fault::{TableState, Weather},
        local::{Config, LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
    id::RunId,
};
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

thread_local! {
    /// How often each function was begun, by name: virtual time runs on one thread.
    static BEGUN: Cell<u64> = const { Cell::new(0) };
}

fn begun() {
    BEGUN.set(BEGUN.get() + 1);
}

/// How sweeps see the clouds, which a mutant may change.
pub(crate) type Seen<'s> = &'s dyn Fn(Vec<Backend>) -> Vec<Backend>;

/// A deployment of `W` in some weather, with a sweep every minute.
struct World<W> {
    clouds: LocalClouds,
    weather: Arc<Weather>,
    client: Client<W>,
    sweeper: Runtime,
}

impl<W: Workflow> World<W> {
    fn new(config: Config, options: &Options) -> Self {
        Self::swept_by(config, options, &|sound| sound)
    }

    /// The same, whose sweeps see the clouds in a way of their own.
    fn swept_by(config: Config, options: &Options, seen: Seen<'_>) -> Self {
        let weather = Arc::new(Weather::default());
        let clouds = LocalClouds::new(config).unwrap();
        for cloud in 0..W::definition().clouds.len() {
            let backends = weather.around(clouds.backends_from(cloud));
            let runtime = Runtime::new::<W>(backends, options.clone()).on(cloud as u16);
            clouds.serve(cloud, Arc::new(runtime));
        }
        let client = Client::new(weather.around(clouds.backends_for_client()), options.clone());
        let backends = seen(weather.around(clouds.backends_from(0)));
        let sweeper = Runtime::new::<W>(backends, options.clone());
        World { clouds, weather, client, sweeper }
    }

    /// The result of a run, and how long it took; swept every minute meanwhile.
    async fn follow(&self, run: &RunId) -> (Result<W::Output, RunError>, Duration) {
        let began = Instant::now();
        let sweeping = async {
            loop {
                tokio::time::sleep(MINUTE).await;
                // A sweep on a table that is down does nothing; the next one does.
                let _ = self.sweeper.sweep_for(5 * MINUTE).await;
            }
        };
        let patient = async {
            loop {
                // A person asks again when the table is down.
                match self.client.result(run).await {
                    Err(RunError::Fault(_)) => tokio::time::sleep(MINUTE / 6).await,
                    result => return result,
                }
            }
        };
        tokio::select! {
            result = patient => (result, began.elapsed()),
            () = sweeping => unreachable!(),
        }
    }
}

fn roomy<W: Workflow>() -> Config {
    let mut config = Embedded::<W>::config();
    for cloud in &mut config.clouds {
        cloud.concurrency = usize::MAX;
    }
    config
}

mod wide {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn wide(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| square(x).await).await;
            fold(all).await
        }

        #[function(on = AWS)]
        async fn square(x: u64) -> u64 { x * x }

        #[function(on = AWS, failover = [ALI], timeout = "15m")]
        async fn fold(all: Vec<u64>) -> u64 {
            super::begun();
            tokio::time::sleep(10 * super::MINUTE).await;
            all.iter().sum()
        }
    }
}

/// How often what follows a fan-in of `n` branches was sent, and begun, where so many of its events were
/// lost.
pub(crate) fn fold_of(n: u64, lost: u64, seen: Seen<'_>) -> (u64, u64) {
    BEGUN.set(0);
    let sent = virtual_time(0, async {
        let world = World::<wide::Wide>::swept_by(roomy::<wide::Wide>(), &Options::default(), seen);
        world.weather.lose_next("fold", lost);
        let run = world.client.start("key", n).await.unwrap();
        let (result, _) = world.follow(&run).await;
        assert_eq!(result.unwrap(), (0..n).map(|x| x * x).sum::<u64>());
        world.weather.accepted("fold")
    });
    (sent, BEGUN.get())
}

#[test]
fn a_sweep_fires_a_fan_in_once_however_many_rows_it_has() {
    for n in [127, 129, 1_000, 20_000] {
        for lost in [0, 1] {
            assert_eq!(fold_of(n, lost, &|sound| sound), (1 + lost, 1), "of {n}, {lost} lost");
        }
    }
}

#[test]
fn a_look_at_a_fan_in_that_has_fired_reads_no_branches() {
    virtual_time(0, async {
        let world = World::<wide::Wide>::new(roomy::<wide::Wide>(), &Options::default());
        let run = world.client.start("key", 10_000).await.unwrap();
        // Everything has arrived, and the function that follows runs for ten minutes.
        tokio::time::sleep(MINUTE / 2).await;
        let before = world.weather.reads();
        for _ in 0..9 {
            tokio::time::sleep(MINUTE).await;
            world.sweeper.sweep(10).await.unwrap();
        }
        let reads = world.weather.reads() - before;
        // 79 rows where branches arrive, at each look; never their outputs.
        assert!(reads < 9 * 100, "{reads} rows were read");
        assert!(world.follow(&run).await.0.is_ok());
    });
}

mod backlog {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn backlog(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| slow(x).await).await;
            all.len() as u64
        }

        #[function(on = AWS)]
        async fn slow(x: u64) -> u64 {
            super::begun();
            tokio::time::sleep(super::MINUTE / 2).await;
            x
        }
    }
}

#[test]
fn a_backlog_is_not_taken_for_loss() {
    let n = 2_000;
    BEGUN.set(0);
    virtual_time(0, async {
        let mut config = Embedded::<backlog::Backlog>::config();
        // A copy begins its function before it has read that the call is decided.
        config.profile = Profile::TOKYO;
        config.clouds[0].concurrency = 50;
        let world = World::<backlog::Backlog>::new(config, &Options::default());
        let run = world.client.start("key", n).await.unwrap();
        let (result, took) = world.follow(&run).await;
        assert_eq!(result.unwrap(), n);
        // What was sent again is delivered after that.
        world.clouds.idle().await;
        println!("{n} calls, 50 at a time: begun {} times, {} s", BEGUN.get(), took.as_secs());
    });
    let begun = BEGUN.get();
    assert!(begun <= n * 3 / 2, "{n} calls were begun {begun} times");
}

mod long {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        /// The first takes a day, the others no time.
        #[workflow]
        pub(crate) async fn long(days: u64) -> u64 {
            if days > 0 { day(days).await } else { instant(days).await }
        }

        #[function(on = AWS, timeout = "15m")]
        async fn day(days: u64) -> u64 {
            std::future::pending::<()>().await;
            days
        }

        #[function(on = AWS)]
        async fn instant(x: u64) -> u64 { x + 1 }
    }
}

/// How long a run takes whose event is lost, beside so many long ones.
fn found_beside(runs: u64) -> Duration {
    virtual_time(0, async {
        let mut config = roomy::<long::Long>();
        config.profile = Profile::TOKYO;
        let world = World::<long::Long>::new(config, &Options::default());
        // They were started over an hour, and none of their events does anything.
        world.weather.lose_next("day", u64::MAX);
        for key in 0..runs {
            world.client.start(&key.to_string(), 1).await.unwrap();
            tokio::time::sleep(Duration::from_secs(3_600) / runs as u32).await;
        }
        world.weather.lose_next("instant", 1);
        let run = world.client.start("new", 0).await.unwrap();
        let (result, took) = world.follow(&run).await;
        assert_eq!(result.unwrap(), 1);
        took
    })
}

#[test]
fn a_lost_event_is_found_within_two_minutes_beside_many_open_runs() {
    let runs = std::env::var("JOINTLAMBDA_OPEN_RUNS").map_or(2_000, |runs| runs.parse().unwrap());
    let took = found_beside(runs);
    println!("a lost event beside {runs} open runs: found after {} s", took.as_secs());
    assert!(took <= 2 * MINUTE, "after {took:?}");
}

mod turning {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// Loops of several shapes, `n` turns in all, and then the call that is lost.
        #[workflow(max_turns = 100000)]
        pub(crate) async fn turning(shape: u64, n: u64) -> u64 {
            let mut x = 0;
            match shape {
                0 => for _ in 0..n { x = one(x).await; },
                1 => for i in 0..n {
                    if i % 2 == 0 { x = one(x).await; } else { x = two(x).await; }
                },
                2 => for i in 0..n {
                    if i % 7 == 0 { continue; }
                    x = one(x).await;
                },
                3 => for _ in 0..n / 50 {
                    for j in 0..50 {
                        if j % 3 == 0 { x = two(x).await; } else { x = one(x).await; }
                    }
                },
                4 => for i in 0..n {
                    // No period, and rarely a call.
                    if i * i % 97 < 20 { x = one(x).await; }
                },
                _ => for _ in 0..n {
                    let (a, b) = join!(one(x), two(x));
                    x = a.max(b);
                },
            }
            last(x).await
        }

        #[function(on = AWS)]
        async fn one(x: u64) -> u64 { x + 1 }

        #[function(on = ALI)]
        async fn two(x: u64) -> u64 { x + 1 }

        #[function(on = AWS)]
        async fn last(x: u64) -> u64 { x }
    }
}

#[test]
fn what_is_lost_behind_a_loop_of_any_shape_is_found_with_few_reads() {
    for shape in 0..=5 {
        let n = 3_000;
        let expected = virtual_time(0, turning::turning(shape, n));
        virtual_time(0, async {
            let world = World::<turning::Turning>::new(roomy::<turning::Turning>(), &Options::default());
            world.weather.lose_next("last", 1);
            let run = world.client.start("key", (shape, n)).await.unwrap();
            world.clouds.idle().await;
            let before = world.weather.reads();
            let (result, took) = world.follow(&run).await;
            assert_eq!(result.unwrap(), expected);
            let reads = world.weather.reads() - before;
            println!("shape {shape}, {n} turns: {reads} rows read, {} s", took.as_secs());
            assert!(took <= 2 * MINUTE && reads < 2 * n, "shape {shape}: {took:?}, {reads} rows read");
        });
    }
}

mod apart {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// An eighth of the branches have their rows on the other cloud.
        #[workflow]
        pub(crate) async fn apart(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| {
                let y = if x % 8 == 0 { there(x).await } else { here(x).await };
                here(y).await
            }).await;
            all.iter().sum()
        }

        #[function(on = AWS)]
        async fn here(x: u64) -> u64 { x }

        #[function(on = ALI, failover = [AWS])]
        async fn there(x: u64) -> u64 { x }
    }
}

#[test]
fn a_table_that_is_down_keeps_nothing_from_what_is_on_another() {
    virtual_time(0, async {
        let world = World::<apart::Apart>::new(roomy::<apart::Apart>(), &Options::default());
        // The other table is down for an hour, and half of the events here are lost.
        world.weather.set_table(1, TableState::Down);
        world.weather.lose_next("here", 30);
        let run = world.client.start("key", 64).await.unwrap();
        tokio::time::sleep(MINUTE / 2).await;
        let before = world.weather.accepted("here");
        let hour = async {
            for _ in 0..2 {
                tokio::time::sleep(MINUTE).await;
                world.sweeper.sweep(10).await.unwrap();
            }
            let again = world.weather.accepted("here") - before;
            assert!(again >= 30, "{again} events were sent again within two minutes");
            tokio::time::sleep(58 * MINUTE).await;
            world.weather.set_table(1, TableState::Fine);
            world.follow(&run).await
        };
        let (result, _) = hour.await;
        assert_eq!(result.unwrap(), (0..64).sum::<u64>());
    });
}
