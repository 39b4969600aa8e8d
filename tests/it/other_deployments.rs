//! Runs of another deployment of a workflow, of another version or on other tables: this one's functions
//! and sweeps neither decide nor fail nor start anything in them, and they end as if it were not there.

use std::{cell::Cell, sync::Arc, time::Duration};

use jointlambda::{
    Client, Options, Runtime, Status, Workflow,
    backend::{
        Backend, Handler,
        fault::Weather,
        local::{LocalClouds, virtual_time},
    },
    embedded::Embedded,
    id::DeploymentId,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

thread_local! {
    /// How often a function of the later version was begun: virtual time runs on one thread.
    static BEGUN: Cell<u64> = const { Cell::new(0) };
    /// What [`moved::draw`] gave last.
    static DRAWN: Cell<u64> = const { Cell::new(0) };
}

mod before {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn changed(x: u64) -> u64 {
            let y = step(x).await;
            step(y).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn step(x: u64) -> u64 { x + 1 }
    }
}

mod after {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn changed(x: u64) -> u64 {
            let y = step(x).await;
            step(y * 1_000).await
        }

        #[function(on = ALI, failover = [AWS])]
        async fn step(x: u64) -> u64 {
            super::BEGUN.set(super::BEGUN.get() + 1);
            x + 1
        }
    }
}

/// The deployments of the earlier and of the later version.
pub(crate) fn versions() -> [DeploymentId; 2] {
    let clouds = LocalClouds::new(Embedded::<before::Changed>::config()).unwrap();
    let options = Options::default();
    [
        Runtime::new::<before::Changed>(clouds.backends_from(0), options.clone()).deployment(),
        Runtime::new::<after::Changed>(clouds.backends_from(0), options).deployment(),
    ]
}

/// The later version as it sees the clouds, and its events.
pub(crate) struct Later<'l> {
    pub(crate) backends: &'l dyn Fn(Vec<Backend>) -> Vec<Backend>,
    pub(crate) handler: &'l dyn Fn(Arc<dyn Handler>) -> Arc<dyn Handler>,
}

/// The later version as it is.
pub(crate) const SOUND: Later<'static> = Later { backends: &|sound| sound, handler: &|sound| sound };

/// Starts a run of the earlier version, has the later one take its place for a time, and lets the earlier
/// one go on.
pub(crate) fn a_later_version_leaves_it(later: &Later<'_>, lasts: Duration) -> Result<(), String> {
    BEGUN.set(0);
    virtual_time(0, async {
        let clouds = LocalClouds::new(Embedded::<before::Changed>::config()).unwrap();
        let options = Options::default();
        let theirs = |cloud| {
            Runtime::new::<after::Changed>((later.backends)(clouds.backends_from(cloud)), options.clone())
        };
        let ours = |cloud| Runtime::new::<before::Changed>(clouds.backends_from(cloud), options.clone());
        for cloud in 0..2 {
            clouds.serve(cloud, (later.handler)(Arc::new(theirs(cloud).on(cloud as u16))));
        }
        let client = Client::<before::Changed>::new(clouds.backends_for_client(), options.clone());
        let run = client.start("key", 1).await.map_err(|e| e.to_string())?;
        let sweeper = theirs(0);
        for _ in 0..lasts.as_secs() / HOUR.as_secs() {
            tokio::time::sleep(HOUR).await;
            sweeper.sweep(10).await.map_err(|e| e.to_string())?;
        }
        clouds.idle().await;
        match client.status(&run).await {
            Ok(Status::Running) => {}
            other => return Err(format!("the run of another version became {other:?}")),
        }
        if BEGUN.get() > 0 {
            return Err(format!("{} functions were begun for the run of another version", BEGUN.get()));
        }
        if lasts > options.deadline {
            return Ok(());
        }
        for cloud in 0..2 {
            clouds.serve(cloud, Arc::new(ours(cloud).on(cloud as u16)));
        }
        swept_to_its_end(&client, &ours(0), &run, &3).await
    })
}

/// Waits for the result of a run that is swept every minute.
async fn swept_to_its_end<W: Workflow>(
    client: &Client<W>,
    sweeper: &Runtime,
    run: &jointlambda::id::RunId,
    expected: &W::Output,
) -> Result<(), String>
where
    W::Output: PartialEq + std::fmt::Debug,
{
    let sweeping = async {
        loop {
            tokio::time::sleep(MINUTE).await;
            let _ = sweeper.sweep(10).await;
        }
    };
    tokio::select! {
        result = client.result(run) => match result {
            Ok(output) if output == *expected => Ok(()),
            other => Err(format!("the outcome is {other:?}")),
        },
        () = sweeping => unreachable!(),
        () = tokio::time::sleep(5 * DAY) => Err("the run did not end".to_owned()),
    }
}

mod moved {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// Whether both saw the same.
        #[workflow]
        pub(crate) async fn moved(x: u64) -> bool {
            let drawn = draw(x).await;
            let (a, b) = join!(see(drawn), look(drawn));
            a == b
        }

        #[function(on = ALI, failover = [AWS])]
        async fn draw(_x: u64) -> u64 {
            super::DRAWN.set(super::DRAWN.get() + 1);
            super::DRAWN.get()
        }

        #[function(on = AWS)]
        async fn see(x: u64) -> u64 { x }

        #[function(on = AWS)]
        async fn look(x: u64) -> u64 { x }
    }
}

/// Starts a run that waits for a lost event, has a deployment take over in which one cloud is the same as
/// the other, and lets the first one go on. `seen` is how all of them see the clouds.
pub(crate) fn other_tables_leave_it(seen: &dyn Fn(Vec<Backend>) -> Vec<Backend>) -> Result<(), String> {
    DRAWN.set(0);
    virtual_time(0, async {
        let clouds = LocalClouds::new(Embedded::<moved::Moved>::config()).unwrap();
        let options = Options::default();
        let weather = Arc::new(Weather::default());
        let ours = |cloud| {
            Runtime::new::<moved::Moved>(weather.around(seen(clouds.backends_from(cloud))), options.clone())
        };
        for cloud in 0..2 {
            clouds.serve(cloud, Arc::new(ours(cloud).on(cloud as u16)));
        }
        let client = Client::<moved::Moved>::new(seen(clouds.backends_for_client()), options.clone());
        weather.lose_next("look", 1);
        let run = client.start("key", 1).await.map_err(|e| e.to_string())?;
        clouds.idle().await;

        let on_one = || {
            let one = seen(clouds.backends_from(0)).swap_remove(0);
            Runtime::new::<moved::Moved>(vec![one.clone(), one], options.clone())
        };
        clouds.serve(0, Arc::new(on_one()));
        let sweeper = on_one();
        for _ in 0..10 {
            tokio::time::sleep(MINUTE).await;
            sweeper.sweep(10).await.map_err(|e| e.to_string())?;
        }
        clouds.idle().await;
        clouds.serve(0, Arc::new(ours(0)));
        swept_to_its_end(&client, &ours(0), &run, &true).await?;
        match DRAWN.get() {
            1 => Ok(()),
            more => Err(format!("`draw` was begun {more} times, on two tables")),
        }
    })
}

#[test]
fn a_version_in_place_of_another_leaves_its_runs_alone() {
    for lasts in [HOUR, 2 * DAY, 7 * DAY + 2 * HOUR] {
        assert_eq!(a_later_version_leaves_it(&SOUND, lasts), Ok(()), "{lasts:?}");
    }
}

#[test]
fn the_same_version_on_other_tables_leaves_runs_alone() {
    assert_eq!(other_tables_leave_it(&|sound| sound), Ok(()));
}
