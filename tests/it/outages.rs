//! A cloud whose functions are down: from each invocation that a function of a run makes on, for
//! a while or for good.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Workflow,
    backend::{Backend, Functions, Invoked, local::virtual_time},
};
use tokio::time::Instant;

use crate::{
    cancelling::shapes::race::Race,
    faulty::{Parts, under},
    many_faults::{chain::Chain, fan::Fan, turns::Turns},
    redundancy::{saw_two, three::Three},
};

/// The functions of one cloud do not take events, from the `from`-th invocation on any cloud.
#[derive(Clone)]
struct Outage {
    cloud: usize,
    from: u64,
    lasts: Option<Duration>,
    invocations: Arc<AtomicU64>,
    since: Arc<std::sync::OnceLock<Instant>>,
}

impl Outage {
    fn is_now(&self) -> bool {
        if self.invocations.fetch_add(1, Relaxed) < self.from {
            return false;
        }
        let since = self.since.get_or_init(Instant::now);
        self.lasts.is_none_or(|lasts| since.elapsed() < lasts)
    }
}

impl Parts for Outage {
    fn backends(&self, _cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        let part = |(cloud, one): (usize, Backend)| {
            let functions = Arc::new(Down {
                outage: self.clone(),
                is_it: cloud == self.cloud,
                functions: one.functions.clone(),
            });
            Backend { functions, ..one }
        };
        sound.into_iter().enumerate().map(part).collect()
    }

    fn may_lose_events(&self) -> bool {
        // Platforms give up on events in a long outage; the sweeper does not.
        true
    }
}

struct Down {
    outage: Outage,
    is_it: bool,
    functions: Arc<dyn Functions>,
}

#[async_trait]
impl Functions for Down {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        if self.outage.is_now() && self.is_it {
            return Invoked::Unavailable("it is down".to_owned());
        }
        self.functions.invoke(function, envelope).await
    }
}

/// Tries an outage of each of `clouds` from every invocation on.
pub(crate) fn survives<W: Workflow>(input: W::Input, clouds: &[usize], lasts: Option<Duration>)
where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    survives_where::<W>(input, clouds, lasts, |output| *output == expected);
}

/// The same of a run that may end in several ways.
fn survives_where<W: Workflow>(
    input: W::Input,
    clouds: &[usize],
    lasts: Option<Duration>,
    accepts: impl Fn(&W::Output) -> bool,
) where
    W::Input: Clone,
    W::Output: PartialEq + std::fmt::Debug,
{
    for &cloud in clouds {
        for from in 0.. {
            let invocations = Arc::new(AtomicU64::new(0));
            let outage =
                Outage { cloud, from, lasts, invocations: invocations.clone(), since: Arc::default() };
            if let Err(why) = under::<W>(&|| Box::new(outage.clone()), input.clone(), &accepts) {
                panic!("cloud {cloud} down from invocation {from} on, for {lasts:?}: {why}");
            }
            if invocations.load(Relaxed) <= from {
                assert!(from > 0, "functions invoke");
                break;
            }
        }
    }
}

#[test]
fn a_run_survives_a_cloud_that_goes_down_for_good_where_there_is_another() {
    survives::<Chain>(3, &[1], None);
    survives::<Fan>(vec![2, 1, 5], &[1], None);
    survives::<Turns>(2, &[1], None);
}

#[test]
fn a_run_waits_for_the_only_cloud_that_can_go_on() {
    for lasts in [5, 90, 3600] {
        let lasts = Some(Duration::from_secs(lasts));
        survives::<Chain>(3, &[0, 1], lasts);
        survives::<Fan>(vec![2, 1, 5], &[0, 1], lasts);
        survives::<Turns>(2, &[0, 1], lasts);
    }
}

#[test]
fn the_first_that_are_ok_come_from_where_functions_run() {
    survives::<Race>(3, &[1], None);
    for lasts in [5, 90] {
        let lasts = Some(Duration::from_secs(lasts));
        survives::<Race>(3, &[0, 1], lasts);
        survives_where::<Three>(vec![1, 2, 3], &[0, 1], lasts, saw_two);
    }
}
