//! What `redrive` promises to those who call it.

use std::time::Duration;

use jointlambda::{
    MAX_REDRIVES, Options, RedriveError, RunError, Status, Workflow, backend::local::virtual_time,
    embedded::Embedded, id::RunId,
};

use super::shapes::{BROKEN, CALLS, chain, slow};

/// `chain` on clouds of its own; `steps` acts on them.
fn with_chain(steps: impl AsyncFnOnce(&Embedded<chain::Chain>, &RunId)) {
    CALLS.take();
    virtual_time(0, async {
        let clouds = Embedded::<chain::Chain>::in_memory();
        let run = clouds.client().run_id("key");
        steps(&clouds, &run).await;
        clouds.clouds().idle().await;
    });
    BROKEN.set(false);
}

#[test]
fn only_a_failed_run_is_redriven() {
    with_chain(async |clouds, run| {
        let client = clouds.client();
        assert!(matches!(client.redrive(run).await, Err(RedriveError::NoSuchRun(_))));
        client.start("key", 3).await.unwrap();
        let refused = client.redrive(run).await.unwrap_err();
        assert!(matches!(refused, RedriveError::NotFailed(Status::Running)), "{refused:?}");
        assert_eq!(
            refused.to_string(),
            "the run has not failed, it is running: only a failed run can be redriven"
        );
        client.result(run).await.unwrap();
        assert!(matches!(client.redrive(run).await, Err(RedriveError::NotFailed(Status::Returned))));
        let other = client.start("other", 3).await.unwrap();
        assert_eq!(client.cancel(&other).await.unwrap(), Status::Cancelled);
        assert!(matches!(client.redrive(&other).await, Err(RedriveError::NotFailed(Status::Cancelled))));
    });
}

#[test]
fn a_run_that_fails_again_is_redriven_again_up_to_a_bound() {
    with_chain(async |clouds, run| {
        let client = clouds.client();
        BROKEN.set(true);
        client.start("key", 3).await.unwrap();
        for redrives in 0..MAX_REDRIVES {
            let failed = client.result(run).await;
            assert!(matches!(failed, Err(RunError::Failed(_))), "{failed:?}");
            assert_eq!(client.report(run).await.unwrap().redrives, redrives);
            client.redrive(run).await.unwrap();
        }
        assert!(client.result(run).await.is_err());
        let refused = client.redrive(run).await;
        assert!(matches!(refused, Err(RedriveError::TooOften)), "{refused:?}");
        let before = CALLS.with_borrow(|calls| calls.iter().filter(|call| call.0 == "before").count());
        assert_eq!(before, 1, "what was committed is never called again");
    });
}

#[test]
fn the_run_that_goes_on_can_be_named_and_cancelled() {
    with_chain(async |clouds, run| {
        let client = clouds.client();
        BROKEN.set(true);
        client.start("key", 3).await.unwrap();
        assert!(client.result(run).await.is_err());
        BROKEN.set(false);
        let again = client.redrive(run).await.unwrap();
        assert_ne!(again, *run);
        assert_eq!(client.status(run).await.unwrap(), Status::Running);
        assert_eq!(client.cancel(run).await.unwrap(), Status::Cancelled);
        assert!(matches!(client.result(&again).await, Err(RunError::Cancelled)));
    });
}

#[test]
fn a_run_that_was_not_ended_in_time_is_redriven_with_a_deadline_of_its_own() {
    CALLS.take();
    virtual_time(0, async {
        let options = Options::default();
        let clouds =
            Embedded::<chain::Chain>::new(Embedded::<chain::Chain>::config(), options.clone()).unwrap();
        clouds.clouds().set_available(0, false);
        let run = clouds.client().start("key", 3).await.unwrap();
        let failed = tokio::select! {
            failed = clouds.client().result(&run) => failed,
            never = clouds.sweep_every(Duration::from_secs(600)) => match never {},
        };
        let Err(RunError::Failed(failure)) = failed else { panic!("{failed:?}") };
        assert_eq!((&*failure.at, failure.attempts), ("flaky", 1), "{failure}");
        let cause = format!("the run had not ended {} s after its start, and ", options.deadline.as_secs());
        assert!(failure.cause.starts_with(&cause), "{failure}");
        clouds.clouds().set_available(0, true);
        clouds.client().redrive(&run).await.unwrap();
        assert_eq!(clouds.client().result(&run).await.unwrap(), chain::Chain::plain(3).await);
        let report = clouds.client().report(&run).await.unwrap();
        let left = report.deadline - report.started_at;
        assert!(report.deadline > report.started_at && left < options.deadline.as_millis() as u64, "{left}");
        let before = CALLS.with_borrow(|calls| calls.iter().filter(|call| call.0 == "before").count());
        assert_eq!(before, 2, "once, and once for the plain run");
    });
}

#[test]
fn a_redriven_run_does_not_outlive_what_leads_to_it() {
    let options = Options::default();
    let hour = Duration::from_secs(3600);
    for (left, goes_on) in [(24 * hour, true), (3 * hour, false), (hour, false)] {
        CALLS.take();
        BROKEN.set(true);
        virtual_time(0, async {
            let clouds =
                Embedded::<slow::Slow>::new(Embedded::<slow::Slow>::config(), options.clone()).unwrap();
            let client = clouds.client();
            let run = client.start("key", 12).await.unwrap();
            assert!(client.result(&run).await.is_err());
            BROKEN.set(false);
            tokio::time::sleep(options.retention - left).await;
            match client.redrive(&run).await {
                Err(RedriveError::TooLate) => assert!(left < 2 * hour),
                redriven => drop(redriven.unwrap()),
            }
            let redriven = tokio::select! {
                redriven = async {
                    // As long as its key is known it leads to the run that goes on.
                    while let Ok(status) = client.status(&run).await {
                        if !matches!(status, Status::Running) {
                            break;
                        }
                        assert_eq!(client.start("key", 12).await.unwrap(), run);
                        tokio::time::sleep(Duration::from_secs(300)).await;
                    }
                    client.result(&run).await
                } => redriven,
                never = clouds.sweep_every(Duration::from_secs(60)) => match never {},
            };
            assert!(
                redriven.is_ok() == goes_on && !matches!(redriven, Err(RunError::NoSuchRun(_))),
                "{redriven:?}"
            );
            tokio::time::sleep(2 * options.retention).await;
            let calls = CALLS.with_borrow(Vec::len);
            assert!(calls <= 12, "{calls} calls of 12");
        });
    }
}
