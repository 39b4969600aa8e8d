//! What befalls members of a batch, and what does not befall the others.

use std::time::Duration;

use jointlambda::{
    Cause, GivenUp, InstanceState, Options, RunError, Runtime, Status,
    backend::{
        Backend, Delivery, Handler,
        local::{Profile, Storage, virtual_time},
    },
    embedded::Embedded,
    envelope::{Batch, Envelope, Task, Term},
    id::DeploymentId,
};

use super::{BATCHES, last, ran_on, side_by_side, sizes};

/// Members on which the function, or what follows it, breaks.
mod poisoned {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn poisoned(x: u64) -> u64 {
            let y = fragile(x).await;
            assert!(y != 24, "no 24 here");
            plus(y).await
        }

        #[function(on = AWS, timeout = "2s", batch(size = 4, wait = "1s"))]
        async fn fragile(items: Vec<u64>) -> Vec<u64> {
            super::ran_on(&items);
            if items.contains(&10) {
                std::future::pending::<()>().await;
            }
            assert!(!items.contains(&11), "no 11 today");
            items.into_iter().filter(|x| *x != 13).map(|x| 2 * x).collect()
        }

        #[function(on = AWS)]
        async fn plus(x: u64) -> u64 { x + 1 }
    }
}

#[test]
fn a_member_on_which_the_function_breaks_fails_its_own_run_alone() {
    for (bad, attempts, cause) in [
        (10, 3, "fragile was still running after 2000 ms"),
        (11, 3, "fragile panicked: no 11 today"),
        (12, 3, "the code after fragile panicked: no 24 here"),
        (13, 1, "`fragile` was given a batch of 1, and gave 0 values"),
    ] {
        let results = side_by_side::<poisoned::Poisoned>(
            Embedded::<poisoned::Poisoned>::config(),
            vec![1, 2, bad, 3, 4],
        );
        for (x, (result, _)) in [1, 2, bad, 3, 4].into_iter().zip(results) {
            match result {
                Ok(y) => assert_eq!(y, 2 * x + 1, "beside {bad}"),
                Err(RunError::Failed(failure)) => {
                    assert_eq!(x, bad, "{failure}");
                    assert!(failure.cause.contains(cause), "{failure}");
                    assert_eq!((failure.at.as_str(), failure.attempts), ("fragile", attempts), "{failure}");
                }
                Err(error) => panic!("{x} beside {bad}: {error}"),
            }
        }
        // Once together, and then each by itself; a member whose own code is at fault, that alone.
        let batches = BATCHES.take();
        assert!([1, 2, bad, 3].iter().all(|x| batches[0].contains(x)), "{batches:?}");
        assert!(batches[1..].iter().all(|batch| batch.len() == 1), "{batches:?}");
        let again = if bad == 12 { 0 } else { 3 };
        let others = batches[1..].iter().filter(|batch| ![bad, 4].contains(&batch[0])).count();
        assert_eq!(others, again, "beside {bad}: {batches:?}");
    }
}

#[test]
fn a_function_that_gives_too_few_for_all_fails_all_and_says_so() {
    let results = side_by_side::<poisoned::Poisoned>(Embedded::<poisoned::Poisoned>::config(), vec![13; 5]);
    for (result, _) in results {
        let failure = result.unwrap_err().to_string();
        assert!(failure.contains("it must give one for each, in order"), "{failure}");
    }
}

/// A batch whose every execution gives something else, and two that see what it gave.
mod impure {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");
        const ALI: Cloud = Cloud::aliyun("us-east-1");

        #[workflow]
        pub(crate) async fn impure(x: u64) -> (u64, u64, u64) {
            let drawn = draw(x).await;
            let (a, b) = join!(look(drawn), look(drawn));
            (drawn.0, a, b)
        }

        #[function(on = ALI, failover = [AWS], batch(size = 3, wait = "200ms"))]
        async fn draw(items: Vec<u64>) -> Vec<(u64, u64)> {
            super::ran_on(&items);
            items.into_iter().map(|x| (x, crate::many_faults::nonce())).collect()
        }

        #[function(on = AWS)]
        async fn look(drawn: (u64, u64)) -> u64 { drawn.1 }
    }
}

#[test]
fn every_consumer_sees_one_outcome_of_a_member_however_often_events_come() {
    for seed in 0..10 {
        let mut config = Embedded::<impure::Impure>::config();
        config.profile = Profile::TOKYO;
        config.seed = seed;
        for cloud in &mut config.clouds {
            cloud.duplicate_percent = 60;
        }
        let results = side_by_side::<impure::Impure>(config, (0..20).collect());
        for (x, (result, _)) in (0..).zip(results) {
            let (whose, a, b) = result.unwrap();
            assert_eq!((whose, a), (x, b), "seed {seed}");
        }
        let batches = BATCHES.take();
        assert!(batches.iter().all(|batch| batch.len() <= 3), "seed {seed}: {batches:?}");
    }
}

#[test]
fn runs_that_are_started_again_after_their_process_is_gone_need_no_sweeper() {
    let attempt = |dir: &std::path::Path, since_ms: u64, limit: Duration| {
        let mut config = Embedded::<impure::Impure>::config();
        config.storage = Storage::Disk(dir.to_owned());
        config.profile = Profile::TOKYO;
        config.epoch_ms = Some(1_800_000_000_000 + since_ms);
        virtual_time(0, async {
            let clouds = Embedded::<impure::Impure>::new(config, Options::default()).unwrap();
            let all = async {
                let mut runs = Vec::new();
                for x in 0..4 {
                    runs.push(clouds.client().start(&format!("key {x}"), x).await.unwrap());
                }
                for (x, run) in (0..).zip(&runs) {
                    let (whose, a, b) = clouds.client().result(run).await.unwrap();
                    assert_eq!((whose, a), (x, b));
                }
            };
            tokio::time::timeout(limit, all).await
        })
    };
    let mut deaths = 0;
    for die_after_ms in (0..).step_by(15) {
        let dir = tempfile::tempdir().unwrap();
        if attempt(dir.path(), 0, Duration::from_millis(die_after_ms)).is_ok() {
            break;
        }
        deaths += 1;
        let again = attempt(dir.path(), die_after_ms, Duration::from_secs(10));
        again.unwrap_or_else(|_| panic!("died after {die_after_ms} ms, and did not go on"));
    }
    assert!(deaths > 20, "{deaths}");
}

#[test]
fn a_batch_is_flushed_on_another_cloud_when_its_own_is_down() {
    virtual_time(0, async {
        let clouds = Embedded::<impure::Impure>::in_memory();
        clouds.clouds().set_available(1, false);
        for x in 0..3 {
            clouds.client().start(&format!("key {x}"), x).await.unwrap();
        }
        clouds.clouds().idle().await;
        for x in 0..3 {
            let run = clouds.client().run_id(&format!("key {x}"));
            assert_eq!(clouds.client().status(&run).await.unwrap(), Status::Returned);
        }
        let usage = clouds.clouds().meter();
        assert_eq!(usage.clouds[1].deliveries, 0);
        // The members gather, and are decided, where the function is placed, wherever it runs.
        assert_eq!((usage.clouds[1].table_arrives, usage.clouds[1].table_creates), (3, 3 + 1));
        assert_eq!(sizes(), [3]);
    });
}

#[test]
fn a_member_whose_run_is_cancelled_is_dropped() {
    virtual_time(0, async {
        let clouds = Embedded::<last::Last>::in_memory();
        let client = clouds.client();
        let (kept, stopped) =
            (client.start("kept", 4).await.unwrap(), client.start("stopped", 6).await.unwrap());
        let report = client.report(&stopped).await.unwrap();
        assert!(
            matches!(report.instances[..], [ref one] if matches!(one.state, InstanceState::Running)),
            "{report:?}"
        );
        assert_eq!(client.cancel(&stopped).await.unwrap(), Status::Cancelled);
        assert_eq!(client.result(&kept).await.unwrap().ok(), Some(2));
        clouds.clouds().idle().await;
        assert_eq!(client.status(&stopped).await.unwrap(), Status::Cancelled);
        assert_eq!(BATCHES.take(), [[4]]);
    });
}

#[test]
fn a_batch_that_nobody_gathered_does_nothing() {
    virtual_time(0, async {
        let clouds = Embedded::<last::Last>::in_memory();
        let backends: Vec<Backend> = clouds.clouds().backends_from(0);
        let runtime = Runtime::new::<last::Last>(backends, Options::default());
        let run = clouds.client().start("key", 4).await.unwrap();
        let delivery = Delivery { attempt: 1, remaining: Duration::from_secs(60) };
        let forged = |batch: Batch, deployment: DeploymentId| Envelope {
            event: 7,
            deployment,
            again: false,
            run: run.clone(),
            term: Term { started_at: 0, deadline: u64::MAX },
            objects: 0,
            frames: Vec::new(),
            task: Task::Batch(batch),
        };
        let rows = || clouds.clouds().holdings().unwrap().rows;
        let (before, ours) = (rows(), runtime.deployment());
        let empty = Batch { function: 0, epoch: 1, index: 9, due: 0 };
        let wire = forged(empty, ours).encode();
        runtime.handle("halve", wire.clone(), delivery).await.unwrap();
        let given_up = |why: &str| GivenUp { cause: Cause::Call, why: why.to_owned(), attempts: 1 };
        runtime.abandon("halve", wire, given_up("as a test demands")).await.unwrap();
        for (batch, deployment, why) in [
            (Batch { function: 1, ..empty }, ours, "a function without batches"),
            (Batch { index: 1 << 20, ..empty }, ours, "a batch index is out of range"),
            (empty, DeploymentId(ours.0 ^ 1), "another deployment of the workflow"),
        ] {
            let wire = forged(batch, deployment).encode();
            let refused = runtime.handle("halve", wire.clone(), delivery).await.unwrap_err();
            assert!(refused.to_string().contains(why), "{refused}");
            runtime.abandon("halve", wire, given_up(&refused.to_string())).await.unwrap();
        }
        assert_eq!(rows(), before);
        // The run that it named goes on.
        assert_eq!(clouds.client().result(&run).await.unwrap().ok(), Some(2));
    });
}
