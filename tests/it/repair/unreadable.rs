//! Parts of a run that cannot be read, or reached, for long: the rest is repaired as ever, and the run
//! ends at its deadline.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jointlambda::{
    Options, RunError, Status, Workflow,
    backend::{
        Row, StoreError, Table,
        fault::{FunctionsState, TableState},
    },
    id::RowKey,
};
use tokio::time::Instant;

use self::three::Three;
use super::{MINUTE, World, apart::Apart, backlog::Backlog, roomy, virtual_time, wide::Wide};
use crate::layers::{self, TableLayer, over_tables};

const BRANCHES: u64 = 64;
/// Those of them whose first row is on the cloud whose table is down.
const THERE: u64 = BRANCHES / 8;

fn options() -> Options {
    let mut options = Options::default();
    options.deadline = 120 * MINUTE;
    options
}

#[test]
fn a_table_that_is_down_for_a_day_makes_no_call_on_another_impatient() {
    virtual_time(0, async {
        let world = World::<Apart>::new(roomy::<Apart>(), &Options::default());
        world.weather.set_table(1, TableState::Down);
        // Whatever is sent on the cloud that is up is lost.
        world.weather.lose_next("here", u64::MAX);
        world.client.start("key", BRANCHES).await.unwrap();
        for _ in 0..24 * 60 {
            tokio::time::sleep(MINUTE).await;
            world.sweeper.sweep(10).await.unwrap();
        }
        let (calls, sent) = (BRANCHES - THERE, world.weather.accepted("here"));
        // Eleven doublings of a minute are more than a day.
        assert!((calls * 5..calls * 12).contains(&sent), "{calls} calls were sent {sent} times in a day");
    });
}

#[test]
fn a_cancelled_run_ends_at_its_deadline_if_a_part_of_it_cannot_be_read() {
    virtual_time(0, async {
        let world = World::<Apart>::new(roomy::<Apart>(), &options());
        world.weather.set_table(1, TableState::Down);
        world.weather.lose_next("here", u64::MAX);
        let run = world.client.start("key", BRANCHES).await.unwrap();
        let cancelled = world.client.cancel(&run).await;
        assert!(matches!(cancelled, Err(RunError::Fault(_))), "{cancelled:?}");
        let began = Instant::now();
        while world.client.status(&run).await.unwrap() != Status::Cancelled {
            tokio::time::sleep(MINUTE).await;
            world.sweeper.sweep(10).await.unwrap();
            assert!(began.elapsed() < 180 * MINUTE, "it never ends");
        }
        assert!(began.elapsed() > 115 * MINUTE, "what cannot be read is waited for");
    });
}

#[test]
fn a_run_fails_at_its_deadline_if_a_table_never_answers() {
    virtual_time(0, async {
        let world = World::<Apart>::new(roomy::<Apart>(), &options());
        world.weather.set_table(1, TableState::Down);
        world.weather.lose_next("here", u64::MAX);
        let run = world.client.start("key", BRANCHES).await.unwrap();
        tokio::time::sleep(121 * MINUTE).await;
        world.weather.set_table(1, TableState::Hangs);
        let began = Instant::now();
        let swept = world.sweeper.sweep(10).await.unwrap();
        assert_eq!(swept.overdue, 1);
        assert!(began.elapsed() < MINUTE, "{:?}", began.elapsed());
        let result = world.client.result(&run).await;
        assert!(matches!(result, Err(RunError::Failed(_))), "{result:?}");
    });
}

#[test]
fn the_failure_of_a_late_run_names_the_call_that_was_lost_and_sends_nothing() {
    virtual_time(0, async {
        let world = World::<Wide>::new(roomy::<Wide>(), &options());
        world.weather.lose_next("fold", u64::MAX);
        let run = world.client.start("key", 200).await.unwrap();
        tokio::time::sleep(121 * MINUTE).await;
        let before = (world.weather.accepted("fold"), world.clouds.meter());
        assert_eq!(world.sweeper.sweep(10).await.unwrap().overdue, 1);
        let used = world.clouds.meter().since(&before.1).total().unwrap();
        assert_eq!((world.weather.accepted("fold"), used.table_creates), (before.0, 0));
        let Err(RunError::Failed(failure)) = world.client.result(&run).await else { panic!("it failed") };
        assert_eq!(failure.at, "fold", "{failure}");
    });
}

#[test]
fn a_sweep_ends_in_its_time_however_slowly_calls_are_taken() {
    virtual_time(0, async {
        let world = World::<Backlog>::new(roomy::<Backlog>(), &Options::default());
        let calls = 30_000;
        world.weather.lose_next("slow", u64::MAX);
        let run = world.client.start("key", calls).await.unwrap();
        tokio::time::sleep(2 * MINUTE).await;
        let before = world.weather.accepted("slow");
        world.weather.set_functions(0, FunctionsState::Slow(Duration::from_secs(2)));
        let began = Instant::now();
        let swept = world.sweeper.sweep_for(4 * MINUTE).await.unwrap();
        assert!(began.elapsed() < 4 * MINUTE, "{:?}", began.elapsed());
        let sent = world.weather.accepted("slow") - before;
        assert!(swept.invoked > 0 && sent == swept.invoked as u64 && sent < calls, "{sent}, {swept:?}");
        // It goes on when calls are taken as ever.
        world.weather.set_functions(0, FunctionsState::Fine);
        world.weather.lose_next("slow", 0);
        assert_eq!(world.follow(&run).await.0.unwrap(), calls);
    });
}

#[test]
fn a_part_that_can_be_read_again_is_gone_on_from() {
    virtual_time(0, async {
        let world = World::<Apart>::new(roomy::<Apart>(), &Options::default());
        world.weather.set_table(1, TableState::Down);
        let run = world.client.start("key", BRANCHES).await.unwrap();
        for _ in 0..90 {
            tokio::time::sleep(MINUTE).await;
            world.sweeper.sweep(10).await.unwrap();
        }
        world.weather.set_table(1, TableState::Fine);
        let (result, took) = world.follow(&run).await;
        assert_eq!(result.unwrap(), Apart::plain(BRANCHES).await);
        // A quarter of its age, and a sweep.
        assert!(took <= Duration::from_secs(30 * 60), "{took:?}");
    });
}

mod three {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        /// Three fan-outs at once, of which nothing comes for long.
        #[workflow]
        pub(crate) async fn three(n: u64) -> u64 {
            let (a, b, c) = join!(
                fan_out(0..n, async |x| if x == 7 { once(x).await } else { stuck(x).await }),
                fan_out(0..n, async |x| stuck(x).await),
                fan_out(0..n, async |x| stuck(x).await),
            );
            (a.len() + b.len() + c.len()) as u64
        }

        #[function(on = AWS)]
        async fn once(x: u64) -> u64 { x }

        #[function(on = AWS)]
        async fn stuck(x: u64) -> u64 { x }
    }
}

/// A table that takes a second for a read.
struct Slow(Arc<dyn Table>);

#[async_trait]
impl TableLayer for Slow {
    fn beneath(&self) -> &dyn Table {
        &*self.0
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.0.get(key).await
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.0.get_many(keys).await
    }
}

#[test]
fn every_part_has_its_turn_where_a_sweep_can_look_at_half_of_them() {
    let slow = |backends| over_tables(backends, |_, table| layers::table(Slow(table)));
    virtual_time(0, async {
        let world = World::<Three>::swept_by(roomy::<Three>(), &Options::default(), &slow);
        world.weather.lose_next("stuck", u64::MAX);
        world.weather.lose_next("once", 1);
        world.client.start("key", 400).await.unwrap();
        let (mut sweeps, began) = (0, Instant::now());
        while world.weather.accepted("once") < 2 {
            tokio::time::sleep(MINUTE).await;
            world.sweeper.sweep_for(Duration::from_secs(40)).await.unwrap();
            sweeps += 1;
            assert!(began.elapsed() < Duration::from_secs(24 * 3_600), "not found by {sweeps} sweeps");
        }
    });
}
