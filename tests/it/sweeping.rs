//! Sweeps: many at once, and of more than one can do.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Client, Options, Runtime, Status, Workflow,
    backend::{
        Backend, Functions, Invoked,
        fault::{Action, Faults, Operation, Schedule},
        local::{LocalClouds, Profile, virtual_time},
    },
    embedded::Embedded,
};

use crate::{
    cancelling::shapes::wide::Wide,
    faulty::{count_schedule, deploy},
    many_faults::{chain::Chain, fan::Fan, turns::Turns},
};

/// Sweepers that look at the same runs at the same time.
const SWEEPERS: usize = 5;

/// Runs `W` under a schedule, swept by several at once; the operations, and how many there are of
/// each kind.
fn swept_by_many<W: Workflow>(input: &W::Input, expected: &W::Output, schedule: &Schedule) -> Vec<Operation>
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    virtual_time(0, async {
        let faults = Faults::new(schedule);
        let mut config = Embedded::<W>::config();
        config.profile = Profile::TOKYO;
        let clouds = LocalClouds::new(config).unwrap();
        deploy::<W>(&clouds, &faults, &Options::default());
        let client = Client::<W>::new(clouds.backends_for_client(), Options::default());
        let sweepers: Vec<_> = (0..SWEEPERS)
            .map(|_| Runtime::new::<W>(faults.wrap(clouds.backends_from(0)), Options::default()))
            .collect();
        let run = client.start("key", input.clone()).await.unwrap();
        let sweeping = async {
            loop {
                tokio::time::sleep(Duration::from_secs(61)).await;
                for swept in futures_util::future::join_all(sweepers.iter().map(|one| one.sweep(10))).await {
                    swept.unwrap();
                }
            }
        };
        let result = tokio::select! {
            result = client.result(&run) => result.unwrap(),
            () = sweeping => unreachable!(),
            () = tokio::time::sleep(Duration::from_secs(24 * 3600)) => panic!("{schedule}: it did not end"),
        };
        assert_eq!(result, *expected, "{schedule}");
        clouds.idle().await;
        assert!(faults.violations().is_empty(), "{schedule}: {:?}", faults.violations());
        count_schedule(&faults);
        faults.log()
    })
}

fn is_healed_by_many<W: Workflow>(input: W::Input)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    let begun = |log: &[Operation]| log.iter().filter(|&&operation| operation == Operation::Begin).count();
    let calm = swept_by_many::<W>(&input, &expected, &Schedule::default());
    for (number, _) in (0..).zip(&calm).filter(|(_, operation)| **operation == Operation::Invoke) {
        let schedule = Schedule(vec![(number, Action::Drop)]);
        let log = swept_by_many::<W>(&input, &expected, &schedule);
        // Each sweeper may take the lost call for lost, and each event of it but the first stops
        // where it finds it decided.
        let most = begun(&calm) + SWEEPERS * 2;
        assert!(begun(&log) <= most, "{schedule}: {} functions begun, over {most}", begun(&log));
    }
}

#[test]
fn many_sweepers_at_once_heal_as_one_does() {
    is_healed_by_many::<Chain>(3);
    is_healed_by_many::<Fan>(vec![2, 1, 5]);
    is_healed_by_many::<Turns>(2);
}

/// Loses every event for as long as it is told to, and counts those of each moment.
struct Losing {
    functions: Arc<dyn Functions>,
    loses: Arc<AtomicBool>,
    lost: Arc<Mutex<BTreeMap<u64, usize>>>,
    clouds: Arc<LocalClouds>,
}

#[async_trait]
impl Functions for Losing {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        if self.loses.load(Relaxed) {
            let second = self.clouds.clock().elapsed().as_secs();
            *self.lost.lock().unwrap().entry(second).or_default() += 1;
            return Invoked::Accepted;
        }
        self.functions.invoke(function, envelope).await
    }
}

#[test]
fn a_sweep_sends_every_call_that_is_due_once_however_many_there_are() {
    virtual_time(0, async {
        let n = 25_000;
        let mut config = Embedded::<Wide>::config();
        for cloud in &mut config.clouds {
            cloud.concurrency = usize::MAX;
        }
        let clouds = Arc::new(LocalClouds::new(config).unwrap());
        let (loses, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let losing = |backends: Vec<Backend>| -> Vec<Backend> {
            let losing = |one: Backend| {
                let functions = Arc::new(Losing {
                    functions: one.functions.clone(),
                    loses: loses.clone(),
                    lost: Arc::clone(&lost),
                    clouds: clouds.clone(),
                });
                Backend { functions, ..one }
            };
            backends.into_iter().map(losing).collect()
        };
        for cloud in 0..2 {
            let runtime = Runtime::new::<Wide>(clouds.backends_from(cloud), Options::default());
            clouds.serve(cloud, Arc::new(runtime.on(cloud as u16)));
        }
        loses.store(true, Relaxed);
        let client = Client::<Wide>::new(losing(clouds.backends_for_client()), Options::default());
        let sweeper = Runtime::new::<Wide>(losing(clouds.backends_from(0)), Options::default());
        let run = client.start("key", n).await.unwrap();
        // All relays are lost, and then all that a sweep invokes, each time.
        tokio::time::sleep(Duration::from_secs(61)).await;
        let mut waited_s = 61;
        let mut invoked = Vec::new();
        while waited_s < 3_600 {
            let swept = sweeper.sweep(10).await.unwrap();
            invoked.extend(Some(swept.invoked).filter(|&invoked| invoked > 0));
            tokio::time::sleep(Duration::from_secs(61)).await;
            waited_s += 61;
        }
        assert!(invoked.iter().all(|&one| one == n as usize), "all of them, and each once: {invoked:?}");
        assert!((2..10).contains(&invoked.len()), "each is sent when the time it is open has doubled");
        loses.store(false, Relaxed);
        let mut sweeps = 0;
        while client.status(&run).await.unwrap() == Status::Running {
            tokio::time::sleep(Duration::from_secs(61)).await;
            sweeper.sweep(10).await.unwrap();
            clouds.idle().await;
            sweeps += 1;
            assert!(sweeps < 100, "it comes to an end");
        }
        assert_eq!(client.result(&run).await.unwrap(), Wide::plain(n).await);
        clouds.idle().await;
    });
}
