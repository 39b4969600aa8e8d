//! What is told of a run while it runs and afterwards: every instance, from the rows alone.

use std::{collections::BTreeSet, time::Duration};

use jointlambda::{
    Client, InstanceReport, InstanceState, Options, RunError, Status, Workflow,
    backend::{
        fault::{Faults, Schedule},
        local::{LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
};

use crate::{
    faulty::deploy,
    many_faults::{chain::Chain, fan::Fan, turns::Turns},
};

mod steps {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn steps(n: u64) -> u64 {
            let first = wait(10).await;
            let all = fan_out(0..n, async |x| {
                let text = wait(x * 100 + first).await;
                if x == 1 { fails(text).await } else { wait(text).await }
            })
            .await;
            wait(all.iter().sum::<u64>()).await
        }

        /// Takes so many seconds.
        #[function(on = ALI, timeout = "1000s")]
        async fn wait(s: u64) -> u64 {
            tokio::time::sleep(std::time::Duration::from_secs(s)).await;
            s
        }

        #[function(on = AWS)]
        async fn fails(x: u64) -> u64 { panic!("not {x}") }
    }
}

/// Node, path and state of each instance, in short.
fn short(instances: &[InstanceReport], started_at: u64) -> Vec<String> {
    let one = |one: &InstanceReport| {
        let state = match &one.state {
            InstanceState::Waiting { arrived, of } => format!("waits for {arrived}/{of}"),
            InstanceState::Running => format!("runs since {}", (one.since - started_at) / 1000),
            InstanceState::Committed { at, on, attempt } => {
                format!("done at {} on {on}, attempt {attempt}", (at - started_at) / 1000)
            }
            InstanceState::Late => format!("late, since {}", (one.since - started_at) / 1000),
            InstanceState::Failed { at, on, failure } => {
                format!("failed at {} on {on}: {failure}", (at - started_at) / 1000)
            }
            InstanceState::Cancelled { at } => format!("cancelled at {}", (at - started_at) / 1000),
            other => format!("{other:?}"),
        };
        format!("{}{:?} {state}", one.node, one.path)
    };
    instances.iter().map(one).collect()
}

#[test]
fn every_instance_of_a_run_is_told_of_as_it_is() {
    virtual_time(0, async {
        let clouds = Embedded::<steps::Steps>::in_memory();
        let client = clouds.client();
        let unknown = client.run_id("never started");
        assert!(matches!(client.report(&unknown).await, Err(RunError::NoSuchRun(_))));
        let run = client.start("key", 3).await.unwrap();
        let told = async |at_s: u64| {
            let since_start = client.report(&run).await.unwrap();
            let now = Duration::from_secs(at_s);
            tokio::time::sleep(now).await;
            let report = client.report(&run).await.unwrap();
            assert_eq!((report.key.as_str(), report.redrives, report.truncated), ("key", 0, false));
            assert_eq!(report.started_at, since_start.started_at);
            (report.status, short(&report.instances, report.started_at))
        };
        assert_eq!(told(5).await, (Status::Running, vec!["wait[] runs since 0".to_owned()]));
        assert_eq!(
            told(16).await.1,
            [
                "wait[] done at 10 on ALI, attempt 1",
                "wait#2[0] done at 20 on ALI, attempt 1",
                "wait#3[0] runs since 20",
                "wait#2[1] runs since 10",
                "wait#2[2] runs since 10",
                "map[] waits for 0/3",
            ]
        );
        assert_eq!(
            told(100).await,
            (
                client.status(&run).await.unwrap(),
                [
                    "wait[] done at 10 on ALI, attempt 1",
                    "wait#2[0] done at 20 on ALI, attempt 1",
                    "wait#3[0] done at 30 on ALI, attempt 1",
                    "wait#2[1] done at 120 on ALI, attempt 1",
                    "fails[1] failed at 120 on AWS: fails[1] failed after 3 attempts: fails panicked: not 110",
                    "wait#2[2] runs since 10",
                    "map[] waits for 2/3",
                ]
                .map(str::to_owned)
                .to_vec()
            )
        );
        assert!(matches!(client.status(&run).await.unwrap(), Status::Failed(_)));

        let run = client.start("another", 3).await.unwrap();
        tokio::time::sleep(Duration::from_secs(50)).await;
        assert_eq!(client.cancel(&run).await.unwrap(), Status::Cancelled);
        let report = client.report(&run).await.unwrap();
        assert_eq!(
            short(&report.instances, report.started_at),
            [
                "wait[] done at 10 on ALI, attempt 1",
                "wait#2[0] done at 20 on ALI, attempt 1",
                "wait#3[0] done at 30 on ALI, attempt 1",
                "wait#2[1] cancelled at 50",
                "wait#2[2] cancelled at 50",
                "map[] waits for 1/3",
            ]
        );
        assert_eq!((report.status, report.ended_at), (Status::Cancelled, Some(report.started_at + 50_000)));
        clouds.clouds().idle().await;
    });
}

/// Asks for a report of a run at each of its operations.
fn is_told_of_anywhere<W: Workflow>(input: W::Input)
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    virtual_time(0, async {
        let faults = Faults::new(&Schedule::default());
        let config =
            jointlambda::backend::local::Config { profile: Profile::TOKYO, ..Embedded::<W>::config() };
        let clouds = LocalClouds::new(config).unwrap();
        deploy::<W>(&clouds, &faults, &Options::default());
        let client = Client::<W>::new(clouds.backends_for_client(), Options::default());
        let run = client.start("key", input).await.unwrap();
        let mut reports = Vec::new();
        while client.status(&run).await.unwrap() == Status::Running {
            let next = faults.reached(faults.operations() as u64);
            let _ = tokio::time::timeout(Duration::from_secs(10), next).await;
            reports.push(client.report(&run).await.unwrap());
        }
        let last = client.report(&run).await.unwrap();
        assert_eq!(last.status, Status::Returned);
        let committed = |report: &[InstanceReport]| -> BTreeSet<String> {
            let done = report.iter().filter(|one| matches!(one.state, InstanceState::Committed { .. }));
            done.map(|one| format!("{one:?}")).collect()
        };
        let all = committed(&last.instances);
        assert_eq!(all.len(), last.instances.len(), "of a run that returned all is committed: {last:?}");
        let mut before = BTreeSet::new();
        for report in reports {
            let now = committed(&report.instances);
            assert!(
                before.is_subset(&now) && now.is_subset(&all),
                "{before:?}, then {now:?}, in the end {all:?}"
            );
            before = now;
        }
        clouds.idle().await;
    });
}

#[test]
fn what_is_told_of_a_run_only_grows() {
    is_told_of_anywhere::<Chain>(3);
    is_told_of_anywhere::<Fan>(vec![2, 1, 5]);
    is_told_of_anywhere::<Turns>(2);
    is_told_of_anywhere::<stored::Stored>(9_000);
    is_told_of_anywhere::<stored::Stored>(100_000);
}

/// Values that are stored, on every kind of edge; a fan-in without a row of its own.
mod stored {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn stored(n: usize) -> usize {
            let text = fill(n).await;
            let all = fan_out(0..3_usize, async |x| {
                let mine = fill(n + x).await;
                size(mine + &text).await
            })
            .await;
            let size_of_all = total(all).await;
            let (a, b) = join!(fill(n), fill(size_of_all / 4));
            let both = size(a.clone() + &b).await;
            both + a.len()
        }

        #[function(on = AWS)]
        async fn fill(n: usize) -> String { "x".repeat(n) }

        #[function(on = ALI)]
        async fn size(text: String) -> usize { text.len() }

        #[function(on = ALI)]
        async fn total(all: Vec<usize>) -> usize { all.iter().sum() }
    }
}

#[test]
fn a_report_of_a_large_run_is_cut_and_says_so() {
    virtual_time(0, async {
        let clouds = Embedded::<crate::cancelling::shapes::wide::Wide>::in_memory();
        clouds.run("key", 12_000).await.unwrap();
        let report = clouds.client().report(&clouds.client().run_id("key")).await.unwrap();
        assert_eq!((report.instances.len(), report.truncated), (jointlambda::MAX_REPORTED, true));
        clouds.run("small", 600).await.unwrap();
        let report = clouds.client().report(&clouds.client().run_id("small")).await.unwrap();
        // 600 calls, those of them that go on, the fan-in and the last call.
        assert_eq!((report.instances.len(), report.truncated), (600 + 300 + 2, false));
    });
}
