//! What `first_ok` and `race!` promise, one promise a test: what they cost, what late branches do,
//! which failures fail the run; cancel, redrive and report in the midst of them.

use std::sync::atomic::Ordering::SeqCst;

use jointlambda::{
    Client, InstanceReport, InstanceState, Options, RunError, Status, Workflow,
    backend::local::{LocalClouds, virtual_time},
    embedded::{Embedded, EmbeddedError},
};

/// Table writes and reads, and invocations, of a run without faults.
fn operations<W: Workflow>(input: W::Input) -> (u64, u64, u64) {
    virtual_time(0, async {
        let clouds = Embedded::<W>::in_memory();
        let run = clouds.client().start("key", input).await.unwrap();
        clouds.clouds().idle().await;
        let total = clouds.clouds().meter().total().unwrap();
        assert_eq!(clouds.client().status(&run).await.unwrap(), Status::Returned);
        (total.table_creates + total.table_arrives, total.table_gets, total.invocations)
    })
}

mod costs {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn costs(branches: u64) -> Result<u64> {
            let some = first_ok(1, 0..branches, async |i| step(i).await).await?;
            let at_once = first_ok(1, 0..branches, async |i| if i > 99 { step(i).await } else { Ok(i) }).await?;
            total(some, at_once).await
        }

        #[function(on = AWS)]
        async fn step(x: u64) -> Result<u64> {
            Ok(x + 1)
        }

        #[function(on = AWS)]
        async fn total(some: Vec<u64>, at_once: Vec<u64>) -> Result<u64> {
            Ok(some[0] + at_once[0])
        }
    }
}

#[test]
fn a_branch_costs_one_write_also_when_it_is_late_and_the_fan_in_one_more() {
    // The run row, a branch and a pick of each, the end; a read beside each function.
    assert_eq!(operations::<costs::Costs>(1), (6, 2, 2));
    assert_eq!(operations::<costs::Costs>(33), (70, 34, 34));
}

/// What cannot be, and what fails for good.
mod broken {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow(max_branches = 1000)]
        pub(crate) async fn broken(how: String) -> Result<u64> {
            let one = step(1).await?;
            match how.as_str() {
                "too many wanted" => Ok(first_ok(3, [1, 2], async |x| step(x).await).await?[0]),
                "too many branches" => Ok(first_ok(1, 0..129, async |x| step(x).await).await?[0]),
                "as many as can be" => Ok(first_ok(128, 0..128, async |x| step(x).await).await?.len() as u64),
                "all fail" => Ok(first_ok(1, [0, 0], async |x| panics(x).await).await?[0]),
                "too many fail" => Ok(first_ok(2, [0, 1], async |x| panics(x).await).await?.len() as u64),
                "one fails" => Ok(first_ok(2, [0, 1, 2], async |x| panics(x).await).await?.iter().sum()),
                "all fail in a branch" => {
                    let some = first_ok(1, [0, 7], async |x| {
                        if x > 0 { return step(x).await; }
                        race!(panics(x), panics(x))
                    })
                    .await?;
                    Ok(some[0])
                }
                "glue of a branch" => {
                    let some = first_ok(1, [0, 7], async |x| {
                        let y = step(x).await?;
                        assert!(x > 0, "this branch gives up");
                        step(y).await
                    })
                    .await?;
                    Ok(some[0])
                }
                "glue after a fan-in in a branch" => {
                    let some = first_ok(1, [0, 7], async |x| {
                        let all = try_fan_out([x, x], async |y| step(y).await).await?;
                        assert!(x > 0, "this branch gives up");
                        step(all[0]).await
                    })
                    .await?;
                    Ok(some[0])
                }
                "glue after a race in a branch" => {
                    let some = first_ok(1, [0, 7], async |x| {
                        let y = race!(step(x), step(x))?;
                        assert!(x > 0, "this branch gives up");
                        step(y).await
                    })
                    .await?;
                    Ok(some[0])
                }
                "a wide fan-out in a branch" => {
                    let some = first_ok(1, [0, 7], async |x| {
                        if x > 0 { return step(x).await; }
                        let all = try_fan_out(0..600, async |y| panics(y).await).await?;
                        step(all[0]).await
                    })
                    .await?;
                    Ok(some[0])
                }
                "glue after it" => {
                    let some = first_ok(1, [1, 7], async |x| step(x).await).await?;
                    assert!(some.is_empty(), "the run gives up");
                    step(one).await
                }
                _ => Ok(one),
            }
        }

        #[function(on = AWS)]
        async fn step(x: u64) -> Result<u64> {
            // Long after the platform has given up on other branches.
            tokio::time::sleep(std::time::Duration::from_secs(if x == 7 { 10 } else { 0 })).await;
            Ok(x + 1)
        }

        #[function(on = AWS)]
        async fn panics(x: u64) -> Result<u64> {
            assert!(x > 0, "no {x} today");
            tokio::time::sleep(std::time::Duration::from_secs(if x == 2 { 10 } else { 0 })).await;
            Ok(x)
        }
    }
}

#[test]
fn a_failure_ends_the_branch_that_may_fail_and_else_the_run() {
    for (how, expected) in [
        ("as many as can be", Ok(128)),
        ("one fails", Ok(3)),
        ("all fail in a branch", Ok(8)),
        ("glue of a branch", Ok(9)),
        ("glue after a fan-in in a branch", Ok(9)),
        ("glue after a race in a branch", Ok(9)),
        ("a wide fan-out in a branch", Ok(8)),
        ("too many wanted", Err("`first_ok` waits for the first 3 of 2 branches")),
        ("too many branches", Err("a `first_ok` of `broken` passed its bound of 128 branches")),
        ("all fail", Err("panics panicked: no 0 today")),
        ("too many fail", Err("panics panicked: no 0 today")),
        ("glue after it", Err("panicked: the run gives up")),
    ] {
        virtual_time(0, async {
            let clouds = Embedded::<broken::Broken>::in_memory();
            let result = clouds.run("key", how.to_owned()).await;
            clouds.clouds().idle().await;
            assert_eq!(clouds.clouds().meter().total().unwrap().lost, 0, "{how}");
            match (result, expected) {
                (Ok(Ok(got)), Ok(expected)) => assert_eq!(got, expected, "{how}"),
                (Err(EmbeddedError::Run(RunError::Failed(failure))), Err(cause)) => {
                    assert!(failure.cause.contains(cause), "{how}: {failure}");
                }
                (result, _) => panic!("{how}: {result:?}"),
            }
        });
    }
}

/// One quick branch, and slow ones that go on for long, store much and call more.
mod slow {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    use jointlambda::prelude::*;

    pub(crate) static STARTED: AtomicU64 = AtomicU64::new(0);

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");
        const ALI: Cloud = Cloud::aliyun("us-east-1");

        #[workflow]
        pub(crate) async fn slow(input: (Vec<u64>, u64)) -> Result<u64> {
            let (list, pause_s) = input;
            let mut sum = 0;
            for _ in 0..2 {
                let picked = first_ok(1, list.clone(), async |x| {
                    let much = wait(x).await?;
                    count(much, x).await
                })
                .await?;
                sum += picked[0];
            }
            Ok(sum + pause(pause_s).await)
        }

        #[function(on = ALI, failover = [AWS], timeout = "10m")]
        async fn wait(x: u64) -> Result<Vec<u8>> {
            STARTED.fetch_add(1, SeqCst);
            tokio::time::sleep(std::time::Duration::from_secs(100 * x)).await;
            Ok(vec![x as u8; 90_000])
        }

        #[function(on = AWS)]
        async fn count(much: Vec<u8>, x: u64) -> Result<u64> {
            STARTED.fetch_add(1, SeqCst);
            Ok(much.len() as u64 + x)
        }

        #[function(on = AWS, timeout = "15m")]
        async fn pause(pause_s: u64) -> u64 {
            tokio::time::sleep(std::time::Duration::from_secs(pause_s)).await;
            0
        }
    }
}

/// One test at a time looks at what `slow` has started.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn branches_that_are_late_change_nothing_and_leave_nothing() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Late ones end before the run does, or after.
    for pause_s in [0, 150, 500] {
        virtual_time(0, async {
            slow::STARTED.store(0, SeqCst);
            let clouds = Embedded::<slow::Slow>::in_memory();
            let result = clouds.run("key", (vec![2, 0, 1, 3], pause_s)).await.unwrap();
            assert_eq!(result, Ok(180_000));
            let run = clouds.client().run_id("key");
            clouds.clouds().idle().await;
            // Nobody stopped them, and nobody started them twice.
            assert_eq!(slow::STARTED.load(SeqCst), 16, "after {pause_s} s");
            assert_eq!(clouds.client().result(&run).await.unwrap(), result);
            assert_eq!(clouds.client().status(&run).await.unwrap(), Status::Returned);
            assert_eq!(clouds.clouds().holdings().unwrap().objects, 0, "after {pause_s} s");
            let expired = Options::default().retention + std::time::Duration::from_secs(3600);
            tokio::time::sleep(expired).await;
            clouds.clouds().sweep_expired().await.unwrap();
            assert_eq!(clouds.clouds().holdings().unwrap().rows, 0);
        });
    }
}

/// The late branch stores on a cloud that nothing else stores on, and while the run goes on.
mod apart {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");
        const ALI: Cloud = Cloud::aliyun("us-east-1");

        #[workflow]
        pub(crate) async fn apart(x: u64) -> Result<u64> {
            let y = race!(quick(x), async {
                let much = wait(x).await?;
                count(much).await
            })?;
            pause(y).await
        }

        #[function(on = AWS)]
        async fn quick(x: u64) -> Result<u64> { Ok(x) }

        #[function(on = ALI)]
        async fn wait(x: u64) -> Result<Vec<u8>> {
            tokio::time::sleep(std::time::Duration::from_secs(10)).await;
            Ok(vec![x as u8; 90_000])
        }

        #[function(on = AWS)]
        async fn count(much: Vec<u8>) -> Result<u64> { Ok(much.len() as u64) }

        #[function(on = AWS)]
        async fn pause(x: u64) -> Result<u64> {
            tokio::time::sleep(std::time::Duration::from_secs(30)).await;
            Ok(x)
        }
    }
}

#[test]
fn what_a_late_branch_has_stored_goes_with_the_end_of_the_run_wherever_it_is() {
    virtual_time(0, async {
        let clouds = Embedded::<apart::Apart>::in_memory();
        let run = clouds.client().start("key", 1).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        assert!(clouds.clouds().holdings().unwrap().objects > 0, "the late branch stores much");
        assert_eq!(clouds.client().result(&run).await.unwrap(), Ok(1));
        clouds.clouds().idle().await;
        assert_eq!(clouds.clouds().holdings().unwrap().objects, 0);
    });
}

#[test]
fn a_decided_fan_in_is_not_invoked_again_by_a_sweep() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // The slow branches time out, and are past the time after which they would be taken for lost.
    let started = |sweeps: bool| {
        virtual_time(0, async {
            slow::STARTED.store(0, SeqCst);
            let clouds = Embedded::<slow::Slow>::in_memory();
            let run = clouds.client().start("key", (vec![0, 7, 7], 800)).await.unwrap();
            let ended = async { assert_eq!(clouds.client().result(&run).await.unwrap(), Ok(180_000)) };
            tokio::select! {
                () = ended => {}
                _ = clouds.sweep_every(std::time::Duration::from_secs(30)), if sweeps => {}
            }
            clouds.clouds().idle().await;
            slow::STARTED.load(SeqCst)
        })
    };
    assert_eq!(started(true), started(false));
}

#[test]
fn a_cancelled_run_starts_nothing_more_not_even_in_late_branches() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (list, cancel_after_s) in [(vec![0, 1, 2], 30), (vec![1, 2, 3], 30), (vec![1, 2, 3], 130)] {
        virtual_time(0, async {
            slow::STARTED.store(0, SeqCst);
            let clouds = Embedded::<slow::Slow>::in_memory();
            let run = clouds.client().start("key", (list.clone(), 600)).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(cancel_after_s)).await;
            assert_eq!(clouds.client().cancel(&run).await.unwrap(), Status::Cancelled);
            let started = slow::STARTED.load(SeqCst);
            clouds.clouds().idle().await;
            assert_eq!(slow::STARTED.load(SeqCst), started, "{list:?} after {cancel_after_s} s");
            assert_eq!(clouds.client().status(&run).await.unwrap(), Status::Cancelled);
            assert_eq!(clouds.clouds().holdings().unwrap().objects, 0);
        });
    }
}

/// Fails for good while a switch is on.
mod switched {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

    use jointlambda::prelude::*;

    pub(crate) static OFF: AtomicBool = AtomicBool::new(false);
    pub(crate) static ASKED: AtomicU64 = AtomicU64::new(0);

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn switched(wanted: usize) -> Result<Vec<u64>> {
            let picked = first_ok(wanted, [1, 2, 3], async |x| {
                let y = ask(x).await?;
                maybe(y).await
            })
            .await?;
            last(picked).await
        }

        #[function(on = AWS)]
        async fn ask(x: u64) -> Result<u64> {
            ASKED.fetch_add(1, SeqCst);
            if x == 3 { Err(Error::new("three")) } else { Ok(x) }
        }

        #[function(on = AWS)]
        async fn maybe(x: u64) -> Result<u64> {
            assert!(x == 1 || OFF.load(SeqCst), "not now");
            Ok(10 * x)
        }

        #[function(on = AWS)]
        async fn last(picked: Vec<u64>) -> Result<Vec<u64>> {
            assert!(OFF.load(SeqCst), "not now");
            Ok(picked)
        }
    }
}

#[test]
fn a_failed_run_is_redriven_from_what_was_decided() {
    virtual_time(0, async {
        for (wanted, redriven) in [(1, Ok(vec![10])), (2, Err("three"))] {
            switched::OFF.store(false, SeqCst);
            switched::ASKED.store(0, SeqCst);
            let clouds = Embedded::<switched::Switched>::in_memory();
            let result = clouds.run("key", wanted).await;
            let run = clouds.client().run_id("key");
            if wanted == 2 {
                // One is `Ok`, one an `Err`, one fails: the `Err` is the outcome, not the failure.
                let error = result.unwrap().unwrap_err();
                assert_eq!(error.to_string(), redriven.unwrap_err());
                continue;
            }
            assert!(matches!(result, Err(EmbeddedError::Run(RunError::Failed(_)))), "{result:?}");
            clouds.clouds().idle().await;
            switched::OFF.store(true, SeqCst);
            let again = clouds.client().redrive(&run).await.unwrap();
            assert_eq!(clouds.client().result(&again).await.unwrap().unwrap(), redriven.unwrap());
            clouds.clouds().idle().await;
            // What was picked was not asked again.
            assert_eq!(switched::ASKED.load(SeqCst), 3);
        }
    });
}

/// Two of three are wanted; one is there, and two fail for good until the switch is turned.
mod undecided {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

    use jointlambda::prelude::*;

    pub(crate) static OFF: AtomicBool = AtomicBool::new(false);
    pub(crate) static ASKED: AtomicU64 = AtomicU64::new(0);

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn undecided(list: Vec<u64>) -> Result<Vec<u64>> {
            let picked = first_ok(2, list, async |x| ask(x).await).await?;
            last(picked).await
        }

        #[function(on = AWS)]
        async fn ask(x: u64) -> Result<u64> {
            ASKED.fetch_add(1, SeqCst);
            assert!(x == 1 || OFF.load(SeqCst), "not now");
            Ok(10 * x)
        }

        #[function(on = AWS)]
        async fn last(picked: Vec<u64>) -> Result<Vec<u64>> {
            Ok(picked)
        }
    }
}

#[test]
fn a_redriven_fan_in_keeps_the_branches_that_were_ok() {
    virtual_time(0, async {
        let clouds = Embedded::<undecided::Undecided>::in_memory();
        let result = clouds.run("key", vec![1, 2, 3]).await;
        assert!(matches!(result, Err(EmbeddedError::Run(RunError::Failed(_)))), "{result:?}");
        clouds.clouds().idle().await;
        // Three deliveries of each of two, and one that was `Ok`.
        assert_eq!(undecided::ASKED.load(SeqCst), 7);
        undecided::OFF.store(true, SeqCst);
        let run = clouds.client().run_id("key");
        let again = clouds.client().redrive(&run).await.unwrap();
        let picked = clouds.client().result(&again).await.unwrap().unwrap();
        assert!(picked == [10, 20] || picked == [10, 30], "{picked:?}");
        clouds.clouds().idle().await;
        assert_eq!(undecided::ASKED.load(SeqCst), 9);
    });
}

#[test]
fn a_report_tells_of_a_fan_in_that_waits_and_of_one_that_is_decided() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    virtual_time(0, async {
        let clouds = Embedded::<slow::Slow>::in_memory();
        let run = clouds.client().start("key", (vec![1, 2], 600)).await.unwrap();
        let first = async |after_s| {
            tokio::time::sleep(std::time::Duration::from_secs(after_s)).await;
            let report = clouds.client().report(&run).await.unwrap();
            let of_first = |one: &&InstanceReport| one.node == "first" && one.path == [0];
            report.instances.iter().find(of_first).map(|one| one.state.clone())
        };
        assert_eq!(first(50).await, Some(InstanceState::Waiting { arrived: 0, of: 2 }));
        assert!(matches!(first(60).await, Some(InstanceState::Committed { .. })));
    });
}

#[test]
fn whoever_sends_what_no_branch_can_is_refused() {
    use jointlambda::envelope::{Envelope, Frame};
    let frame = |first, of| Frame { join: first_node(), turns: vec![], index: 0, of, vars: vec![], first };
    let refused = |frame: Frame| {
        let definition = costs::Costs::definition();
        let mut envelope = Envelope::peek(&sent()).unwrap();
        envelope.frames = vec![frame];
        let deployment = envelope.deployment;
        Envelope::decode(&envelope.encode(), definition, deployment)
            .map(|_| ())
            .map_err(|fault| fault.to_string())
    };
    assert_eq!(refused(frame(Some(1), 3)), Ok(()));
    for bad in [frame(None, 3), frame(Some(0), 3), frame(Some(4), 3), frame(Some(1), 129)] {
        let why = refused(bad).unwrap_err();
        assert!(why.contains("its fan-in waits for"), "{why}");
    }
}

/// The node of the fan-in of `costs`.
fn first_node() -> u16 {
    let nodes = costs::Costs::definition().nodes;
    nodes.iter().position(|node| node.name == "first").expect("it has one") as u16
}

/// An envelope of `costs`.
fn sent() -> bytes::Bytes {
    use jointlambda::backend::{Delivery, Handler};
    struct Keep(std::sync::Mutex<Option<bytes::Bytes>>);
    #[async_trait::async_trait]
    impl Handler for Keep {
        async fn handle(&self, _: &str, wire: bytes::Bytes, _: Delivery) -> Result<(), jointlambda::Fault> {
            *self.0.lock().unwrap() = Some(wire);
            Ok(())
        }
        async fn abandon(
            &self,
            _: &str,
            _: bytes::Bytes,
            _: jointlambda::GivenUp,
        ) -> Result<(), jointlambda::Fault> {
            Ok(())
        }
    }
    virtual_time(0, async {
        let clouds = LocalClouds::new(Embedded::<costs::Costs>::config()).unwrap();
        let keep = std::sync::Arc::new(Keep(std::sync::Mutex::new(None)));
        clouds.serve(0, keep.clone());
        let client = Client::<costs::Costs>::new(clouds.backends_for_client(), Options::default());
        client.start("key", 2).await.unwrap();
        clouds.idle().await;
        let sent = keep.0.lock().unwrap().take();
        sent.expect("it calls a function")
    })
}
