//! What the protocol promises, one promise a test: the operation budget, idempotent start, one
//! outcome, failures that end the run, failover, recovery from a store on disk.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use jointlambda::{
    Options, RunError, StartError, Status, Workflow,
    backend::local::{Storage, virtual_time},
    embedded::{Embedded, EmbeddedError},
    prelude::*,
};

/// A workflow of every cost: a chain, a map, a fan-in.
mod costs {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn costs(input: (u64, u64)) -> u64 {
            let (hops, branches) = input;
            let mut x = 0;
            for _ in 0..hops {
                x = step(x).await;
            }
            let all = fan_out(0..branches, async |i| step(i).await).await;
            total(all).await
        }

        #[function(on = AWS)]
        async fn step(x: u64) -> u64 {
            x + 1
        }

        #[function(on = AWS)]
        async fn total(all: Vec<u64>) -> u64 {
            all.iter().sum()
        }
    }
}

/// Table writes and reads of a run without faults.
fn operations<W: Workflow>(input: W::Input) -> (u64, u64) {
    virtual_time(0, async {
        let clouds = Embedded::<W>::in_memory();
        let run = clouds.client().start("key", input).await.unwrap();
        clouds.clouds().idle().await;
        let total = clouds.clouds().meter().total().unwrap();
        assert_eq!(clouds.client().status(&run).await.unwrap(), Status::Returned);
        (total.table_creates + total.table_arrives, total.table_gets)
    })
}

#[test]
fn a_hop_costs_one_write_and_a_hidden_read() {
    let (writes, reads) = operations::<costs::Costs>((1, 0));
    let (more_writes, more_reads) = operations::<costs::Costs>((11, 0));
    assert_eq!((more_writes - writes, more_reads - reads), (10, 10));
}

#[test]
fn a_branch_costs_one_write_and_the_fan_in_nothing_more() {
    let (writes, reads) = operations::<costs::Costs>((0, 1));
    let (more_writes, more_reads) = operations::<costs::Costs>((0, 33));
    assert_eq!((more_writes - writes, more_reads - reads), (32, 32));
    // The run row, one branch, and the end: the map itself is started by the client's row.
    assert_eq!(writes, 3);
}

#[test]
fn a_function_that_starts_branches_costs_one_write_however_many() {
    for branches in [1, 10, 100] {
        let (writes, reads) = operations::<costs::Costs>((0, branches));
        let (more_writes, more_reads) = operations::<costs::Costs>((1, branches));
        assert_eq!((more_writes - writes, more_reads - reads), (1, 1), "{branches}");
    }
}

/// A function whose every execution gives something else, and two that see what it gave.
mod impure {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use jointlambda::prelude::*;

    pub(crate) static DRAWN: AtomicU32 = AtomicU32::new(0);

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");
        const ALI: Cloud = Cloud::aliyun("us-east-1");

        #[workflow]
        pub(crate) async fn impure(rounds: u64) -> Vec<(u32, u32, u32)> {
            let mut seen = Vec::new();
            for _ in 0..rounds {
                let drawn = draw().await;
                // Glue that differs between copies, too.
                let salt = DRAWN.fetch_add(1, SeqCst);
                let (a, b) = join!(look(drawn + salt), look(drawn + salt));
                seen.push((drawn + salt, a, b));
            }
            seen
        }

        #[function(on = AWS, failover = [ALI])]
        async fn draw() -> u32 {
            DRAWN.fetch_add(1, SeqCst)
        }

        #[function(on = ALI)]
        async fn look(x: u32) -> u32 {
            x
        }
    }
}

#[test]
fn every_consumer_sees_the_one_outcome_of_an_impure_function() {
    for seed in 0..20 {
        virtual_time(seed, async {
            let mut config = Embedded::<impure::Impure>::config();
            config.profile = jointlambda::backend::local::Profile::TOKYO;
            config.seed = seed;
            for cloud in &mut config.clouds {
                cloud.duplicate_percent = 60;
            }
            let clouds = Embedded::<impure::Impure>::new(config, Options::default()).unwrap();
            let seen = clouds.run("key", 4).await.unwrap();
            assert_eq!(seen.len(), 4);
            for (drawn, a, b) in seen {
                assert_eq!((drawn, drawn), (a, b), "seed {seed}");
            }
            clouds.clouds().idle().await;
        });
    }
}

mod small {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");
        const ALI: Cloud = Cloud::aliyun("us-east-1");

        #[workflow]
        pub(crate) async fn small(x: u64) -> u64 {
            let y = there(x).await;
            here(y).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn there(x: u64) -> u64 {
            x + 1
        }

        #[function(on = AWS)]
        async fn here(x: u64) -> u64 {
            x * 2
        }
    }
}

/// Another version of the same workflow.
mod changed {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");
        const ALI: Cloud = Cloud::aliyun("us-east-1");

        #[workflow]
        pub(crate) async fn small(x: u64) -> u64 {
            here(x).await
        }

        #[function(on = AWS)]
        async fn here(x: u64) -> u64 {
            x * 2
        }

        #[function(on = ALI)]
        async fn unused(x: u64) -> u64 {
            x
        }
    }
}

#[test]
fn the_same_key_and_input_is_the_same_run() {
    virtual_time(0, async {
        let clouds = Embedded::<small::Small>::in_memory();
        let first = clouds.client().start("key", 1).await.unwrap();
        let again = clouds.client().start("key", 1).await.unwrap();
        assert_eq!(first, again);
        assert_eq!(clouds.client().result(&first).await.unwrap(), 4);
        clouds.clouds().idle().await;
        let before = clouds.clouds().meter().total().unwrap();
        assert_eq!(clouds.client().start("key", 1).await.unwrap(), first);
        clouds.clouds().idle().await;
        let done = clouds.clouds().meter().since(&clouds.clouds().meter());
        assert_eq!(done.total().unwrap().invocations, 0);
        assert_eq!(clouds.clouds().meter().total().unwrap().invocations, before.invocations);
    });
}

#[test]
fn the_same_key_with_another_input_is_refused_and_changes_nothing() {
    virtual_time(0, async {
        let clouds = Embedded::<small::Small>::in_memory();
        let run = clouds.client().start("key", 1).await.unwrap();
        let refused = clouds.client().start("key", 2).await;
        assert!(matches!(refused, Err(StartError::OtherInput { .. })), "{refused:?}");
        assert_eq!(clouds.client().result(&run).await.unwrap(), 4);
        for bad in ["", &"k".repeat(257)] {
            assert!(matches!(clouds.client().start(bad, 1).await, Err(StartError::BadKey { .. })));
        }
        let unknown = clouds.client().run_id("never started");
        assert!(matches!(clouds.client().result(&unknown).await, Err(RunError::NoSuchRun(_))));
    });
}

#[test]
fn a_run_of_another_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    virtual_time(0, async {
        let mut config = Embedded::<small::Small>::config();
        config.storage = Storage::Disk(dir.path().to_owned());
        let clouds = Embedded::<small::Small>::new(config, Options::default()).unwrap();
        clouds.clouds().set_available(0, false);
        clouds.clouds().set_available(1, false);
        assert!(clouds.client().start("key", 1).await.is_err(), "no cloud takes it");
    });
    virtual_time(0, async {
        let mut config = Embedded::<changed::Small>::config();
        config.storage = Storage::Disk(dir.path().to_owned());
        let clouds = Embedded::<changed::Small>::new(config, Options::default()).unwrap();
        let refused = clouds.client().start("key", 1).await;
        assert!(matches!(refused, Err(StartError::OtherDeployment { .. })), "{refused:?}");
    });
}

#[test]
fn a_cloud_that_is_down_is_failed_over() {
    virtual_time(0, async {
        let clouds = Embedded::<small::Small>::in_memory();
        clouds.clouds().set_available(1, false);
        assert_eq!(clouds.run("key", 1).await.unwrap(), 4);
        let usage = clouds.clouds().meter();
        assert_eq!(usage.clouds[1].deliveries, 0);
        // The home of the failed-over instance is where its placement says, wherever it ran.
        assert_eq!(usage.clouds[1].table_creates, 1);
    });
}

/// Functions that do not return.
mod broken {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow(max_turns = 20, max_branches = 10)]
        pub(crate) async fn broken(how: String) -> u64 {
            let x = start().await;
            match how.as_str() {
                "panics" => panics(x).await,
                "panics last" => x + panics(x).await,
                "panics in a branch" => fan_out([1, 0, 2], async |n| if n == 0 { panics(n).await } else { n }).await[0],
                "panics in the glue" => {
                    let y = start().await;
                    assert!(y == 0, "glue gives up");
                    start().await
                }
                "panics at the start of a join" => {
                    let all = fan_out([1, 2], async |n| step(n).await).await;
                    assert!(all.is_empty(), "join gives up");
                    start().await
                }
                "never ends" => sleeps().await,
                "turns too often" => {
                    let mut x = 0;
                    while x < 1000 {
                        x = step(x).await;
                    }
                    x
                }
                "branches too wide" => {
                    let n = start().await;
                    fan_out(0..n + 10, async |x| step(x).await).await.len() as u64
                }
                _ => x,
            }
        }

        #[function(on = AWS)]
        async fn start() -> u64 { 1 }
        #[function(on = AWS)]
        async fn step(x: u64) -> u64 { x + 1 }
        #[function(on = AWS)]
        async fn panics(x: u64) -> u64 { panic!("no {x} today") }
        #[function(on = AWS, timeout = "2s")]
        async fn sleeps() -> u64 {
            std::future::pending().await
        }
    }
}

#[test]
fn a_function_that_never_returns_fails_the_run_with_its_cause() {
    for (how, at, attempts, cause) in [
        ("panics", "panics", 3, "panics panicked: no 1 today"),
        ("panics last", "panics#2", 3, "panics panicked: no 1 today"),
        ("panics in a branch", "panics#3", 3, "panics panicked: no 0 today"),
        ("panics in the glue", "start#2", 3, "the code after start#2 panicked: glue gives up"),
        ("panics at the start of a join", "step", 3, "the code after map#2 panicked: join gives up"),
        ("never ends", "sleeps", 3, "sleeps was still running after 2000 ms"),
        ("turns too often", "step#2", 1, "passed its bound of 20 turns"),
        ("branches too wide", "start#4", 1, "passed its bound of 10 branches"),
    ] {
        virtual_time(0, async {
            let clouds = Embedded::<broken::Broken>::in_memory();
            let result = clouds.run("key", how.to_owned()).await;
            let Err(EmbeddedError::Run(RunError::Failed(failure))) = result else {
                panic!("{how}: {result:?}");
            };
            assert_eq!(failure.attempts, attempts, "{how}: {failure}");
            assert!(failure.cause.contains(cause), "{how}: {failure}");
            assert_eq!(failure.at.split('#').next(), at.split('#').next(), "{how}: {failure}");
            clouds.clouds().idle().await;
            let run = clouds.client().run_id("key");
            assert_eq!(clouds.client().status(&run).await.unwrap(), Status::Failed(failure));
        });
    }
}

#[test]
fn envelopes_that_make_no_sense_fail_no_other_run() {
    virtual_time(0, async {
        let clouds = Embedded::<small::Small>::in_memory();
        let aws = &clouds.clouds().backends_for_client()[0];
        for poison in [&b""[..], b"\0", b"\x01", b"\x01\x95", &[1; 5000], &[0xff; 100], b"{\"run\":1}"] {
            aws.functions.invoke("here", poison.to_vec().into()).await;
        }
        assert_eq!(clouds.run("key", 1).await.unwrap(), 4);
        clouds.clouds().idle().await;
        let usage = clouds.clouds().meter().total().unwrap();
        assert_eq!(usage.redeliveries, 0, "trying a poisoned envelope again cannot help");
        assert_eq!(usage.lost, 0);
    });
}

static TRIES: AtomicU32 = AtomicU32::new(0);

mod flaky {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn flaky(x: u32) -> Result<u32> {
            let a = sometimes(x).await?;
            once(a).await
        }

        #[function(on = AWS, retry(attempts = 4, backoff = "1s"))]
        async fn sometimes(x: u32) -> Result<u32> {
            let tries = super::TRIES.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            if tries < x { Err(Error::new(format!("try {tries}"))) } else { Ok(tries) }
        }

        #[function(on = AWS, dedupe = before)]
        async fn once(x: u32) -> Result<u32> { Ok(x * 10) }
    }
}

#[test]
fn an_err_is_tried_again_before_it_is_committed() {
    for (until, expected) in [(1, Ok(10)), (4, Ok(40)), (9, Err(Error::new("try 4")))] {
        TRIES.store(0, SeqCst);
        virtual_time(0, async {
            let clouds = Embedded::<flaky::Flaky>::in_memory();
            assert_eq!(clouds.run("key", until).await.unwrap(), expected);
        });
    }
}

#[test]
fn a_run_goes_on_after_its_process_is_gone() {
    // The process "dies" after ever more virtual time, until a run gets through in one go.
    let mut deaths = 0;
    for die_after_ms in (0..).step_by(7) {
        let dir = tempfile::tempdir().unwrap();
        let config = || {
            let mut config = Embedded::<costs::Costs>::config();
            config.storage = Storage::Disk(dir.path().to_owned());
            config.profile = jointlambda::backend::local::Profile::TOKYO;
            config
        };
        let ended = virtual_time(0, async {
            let clouds = Embedded::<costs::Costs>::new(config(), Options::default()).unwrap();
            let run = clouds.run("key", (3, 4));
            tokio::time::timeout(std::time::Duration::from_millis(die_after_ms), run).await
        });
        if let Ok(result) = ended {
            assert_eq!(result.unwrap(), 10);
            break;
        }
        deaths += 1;
        virtual_time(1, async {
            let clouds = Embedded::<costs::Costs>::new(config(), Options::default()).unwrap();
            assert_eq!(clouds.run("key", (3, 4)).await.unwrap(), 10, "died after {die_after_ms} ms");
        });
    }
    assert!(deaths > 5, "{deaths}");
}

/// Values too large for a row or an envelope, on every kind of edge.
mod heavy {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");
        const ALI: Cloud = Cloud::aliyun("us-east-1");

        #[workflow]
        pub(crate) async fn heavy(n: usize) -> Vec<u8> {
            let first = fill(n).await;
            let lens = fan_out(0..3_usize, async |i| {
                let mine = fill(n + i).await;
                measure(mine).await + first.len()
            })
            .await;
            let back = fan_out(lens, async |len| fill(len / 2).await).await;
            let _ = measure(back.concat()).await;
            first
        }

        #[function(on = AWS)]
        async fn fill(n: usize) -> Vec<u8> { vec![7; n] }
        #[function(on = ALI)]
        async fn measure(bytes: Vec<u8>) -> usize { bytes.len() }
    }
}

#[test]
fn what_a_run_stored_goes_when_it_ends() {
    for (n, results) in [(10, 0), (400_000, 1)] {
        virtual_time(0, async {
            let clouds = Embedded::<heavy::Heavy>::in_memory();
            let run = clouds.client().start("key", n).await.unwrap();
            assert_eq!(clouds.client().result(&run).await.unwrap().len(), n);
            clouds.clouds().idle().await;
            let holdings = clouds.clouds().holdings().unwrap();
            assert_eq!(holdings.objects, results, "only a large result outlives its run");
            assert!(holdings.rows > 5, "rows stay as tombstones");
            // The result can be read again, also by starting the run again.
            assert_eq!(clouds.run("key", n).await.unwrap().len(), n);

            tokio::time::sleep(Options::default().retention + std::time::Duration::from_secs(60)).await;
            clouds.clouds().sweep_expired().await.unwrap();
            assert_eq!(clouds.clouds().holdings().unwrap().rows, 0);
        });
    }
}

mod large_input {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const ALI: Cloud = Cloud::aliyun("us-east-1");

        #[workflow]
        pub(crate) async fn large_input(text: String) -> usize {
            measure(text).await
        }

        #[function(on = ALI)]
        async fn measure(text: String) -> usize { text.len() }
    }
}

#[test]
fn a_large_input_is_stored_once_and_not_again_for_a_run_that_is_there() {
    virtual_time(0, async {
        let clouds = Embedded::<large_input::LargeInput>::in_memory();
        let puts = || clouds.clouds().meter().total().unwrap().object_puts;
        let text = "x".repeat(300_000);
        assert_eq!(clouds.run("key", text.clone()).await.unwrap(), 300_000);
        let before = puts();
        assert!(before > 0);
        assert_eq!(clouds.run("key", text.clone()).await.unwrap(), 300_000);
        let other = clouds.client().start("key", text + "y").await;
        assert!(matches!(other, Err(StartError::OtherInput { .. })), "{other:?}");
        assert_eq!(puts(), before);
        clouds.clouds().idle().await;
        assert_eq!(clouds.clouds().holdings().unwrap().objects, 0);
    });
}
