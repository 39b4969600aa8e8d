//! The event queue of a cloud's function service: accepts, waits for a permit, delivers at least
//! once, delivers again after a failure, and gives up after a bound.
//!
//! An event that waits is a few words in a list; only one that runs, or whose delay is running,
//! is a task.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::{
    cloud::{Clouds, LocalCloud},
    function::Function,
    meter::count,
    table::lock,
    timeline::{Span, SpanOutcome},
};
use crate::{
    backend::{Delivery, Handler, Invoked},
    error::{Error, Fault, GivenUp},
};

/// How often a receiver is told that an event was given up, until it takes it.
pub const MAX_ABANDON_ATTEMPTS: u32 = 5;

/// An accepted event.
struct Event {
    function: Arc<Function>,
    envelope: Bytes,
    /// The delivery that comes next, from 1.
    attempt: u32,
    /// Set when the platform delivers it no more, and its receiver is to be told.
    given_up: Option<Box<GivenUp>>,
}

/// The events that wait for a permit.
pub(super) struct Queue(Mutex<Waiting>);

struct Waiting {
    events: VecDeque<Event>,
    /// How many more executions may run at the same time.
    permits: usize,
}

impl Queue {
    pub(super) fn new(concurrency: usize) -> Self {
        Queue(Mutex::new(Waiting { events: VecDeque::new(), permits: concurrency }))
    }

    /// Forgets the events that wait; says how many.
    pub(super) fn clear(&self) -> usize {
        std::mem::take(&mut lock(&self.0).events).len()
    }

    /// The next event for an execution that has ended, or else its permit back.
    fn next(&self) -> Option<Event> {
        let mut waiting = lock(&self.0);
        let next = waiting.events.pop_front();
        if next.is_none() {
            waiting.permits += 1;
        }
        next
    }
}

/// Takes an event, or says why not.
pub(super) fn invoke(clouds: &Arc<Clouds>, to: usize, function: &str, envelope: Bytes) -> Invoked {
    let cloud = &clouds.list[to];
    let invoked = admit(clouds, to, function, envelope);
    let counter = if invoked == Invoked::Accepted { &cloud.meter.invocations } else { &cloud.meter.refusals };
    count(counter, 1);
    invoked
}

fn admit(clouds: &Arc<Clouds>, to: usize, function: &str, envelope: Bytes) -> Invoked {
    let cloud = &clouds.list[to];
    if clouds.is_closed() || !cloud.is_available() {
        return Invoked::Unavailable(format!("the functions of {} are down", cloud.name));
    }
    let limit = cloud.provider.limits().async_payload_bytes;
    if envelope.len() > limit {
        let bytes = envelope.len();
        return Invoked::Rejected(format!("an envelope of {bytes} bytes is over the limit of {limit}"));
    }
    let Some(function) = cloud.functions.find(function) else {
        return Invoked::Denied(format!("{} has no function `{function}`", cloud.name));
    };
    if cloud.handler().is_none() {
        return Invoked::Unavailable(format!("nothing serves the functions of {}", cloud.name));
    }
    let copies = if cloud.draws(cloud.duplicate_percent) { 2 } else { 1 };
    if !cloud.admit(copies) {
        return Invoked::Throttled;
    }
    clouds.opened(copies);
    count(&cloud.meter.duplicates, copies as u64 - 1);
    for _ in 0..copies {
        clouds.observe_accepted(to, &function.name);
        let delay = cloud.latency(cloud.profile.queue_ms);
        let event =
            Event { function: function.clone(), envelope: envelope.clone(), attempt: 1, given_up: None };
        schedule(clouds, to, event, delay);
    }
    Invoked::Accepted
}

/// Hands an event to the queue after a delay.
fn schedule(clouds: &Arc<Clouds>, to: usize, event: Event, delay: Duration) {
    if delay.is_zero() {
        return offer(clouds, to, event);
    }
    let clouds = clouds.clone();
    tokio::spawn(async move {
        clouds.sleep_unless_closed(delay).await;
        offer(&clouds, to, event);
    });
}

/// Runs an event if there is a permit, else lets it wait.
fn offer(clouds: &Arc<Clouds>, to: usize, event: Event) {
    let mut waiting = lock(&clouds.list[to].queue.0);
    if clouds.is_closed() {
        drop(waiting);
        clouds.settled(to, 1);
    } else if waiting.permits == 0 {
        waiting.events.push_back(event);
    } else {
        waiting.permits -= 1;
        drop(waiting);
        tokio::spawn(work(clouds.clone(), to, event));
    }
}

/// Holds one permit and runs events for as long as any wait.
async fn work(clouds: Arc<Clouds>, to: usize, first: Event) {
    let cloud = &clouds.list[to];
    let mut next = Some(first);
    while let Some(event) = next {
        match cloud.handler() {
            Some(handler) => deliver(&clouds, to, &*handler, event).await,
            None => clouds.settled(to, 1),
        }
        next = cloud.queue.next();
        // A receiver that never waits must not keep others from running while events queue up.
        tokio::task::consume_budget().await;
    }
}

async fn deliver(clouds: &Arc<Clouds>, to: usize, handler: &dyn Handler, mut event: Event) {
    let cloud = &clouds.list[to];
    let started = Instant::now();
    let cold = !event.function.take_warm(started, cloud.keep_warm);
    clouds.observe_start(to, &event.function.name, event.attempt);
    if cold {
        count(&cloud.meter.cold_starts, 1);
        sleep(cloud.latency(cloud.profile.cold_start_ms)).await;
    }
    count(&cloud.meter.deliveries, 1);
    count(&cloud.meter.redeliveries, u64::from(event.attempt > 1));

    let ended = match &event.given_up {
        None => execute(cloud, handler, &event).await,
        Some(given_up) => tell(handler, &event, given_up).await,
    };

    let now = Instant::now();
    event.function.bill(&cloud.meter, now - started);
    if !matches!(ended, Ended::Died(_)) {
        event.function.fell_idle(now);
    }
    if clouds.is_observed() {
        let (start_us, end_us) = (clouds.micros(started), clouds.micros(now));
        let outcome = ended.outcome(event.given_up.is_some());
        let function = event.function.name.clone();
        clouds.observe_end(Span {
            cloud: to,
            function,
            start_us,
            end_us,
            cold,
            attempt: event.attempt,
            outcome,
        });
    }
    match ended {
        Ended::Well => clouds.settled(to, 1),
        Ended::Failed(fault) | Ended::Died(fault) => {
            count(&cloud.meter.failures, 1);
            let delay = cloud.latency_of(cloud.profile.redelivery(event.attempt));
            match after_failure(cloud, &mut event, &fault) {
                Next::DeliverAgain => schedule(clouds, to, event, delay),
                Next::Tell => offer_again(clouds, to, event),
                Next::Lose => {
                    count(&cloud.meter.lost, 1);
                    clouds.settled(to, 1);
                }
            }
        }
    }
}

/// Puts an event at the end of the queue without spawning: the caller holds a permit and is about
/// to look for the next event itself.
fn offer_again(clouds: &Arc<Clouds>, to: usize, event: Event) {
    lock(&clouds.list[to].queue.0).events.push_back(event);
}

/// How an execution ended.
enum Ended {
    Well,
    /// With an error; the instance lives.
    Failed(Fault),
    /// The instance died.
    Died(Fault),
}

impl Ended {
    fn outcome(&self, given_up: bool) -> SpanOutcome {
        match self {
            Ended::Well if given_up => SpanOutcome::Abandoned,
            Ended::Well => SpanOutcome::Done,
            Ended::Failed(_) => SpanOutcome::Failed,
            Ended::Died(_) => SpanOutcome::Died,
        }
    }
}

async fn execute(cloud: &LocalCloud, handler: &dyn Handler, event: &Event) -> Ended {
    let name = &*event.function.name;
    let timeout = event.function.config.timeout;
    let longest = Duration::from_secs(u64::from(cloud.provider.limits().timeout_s));
    let delivery = Delivery { attempt: event.attempt, remaining: timeout.unwrap_or(longest) };
    let running = survive(name, handler.handle(name, event.envelope.clone(), delivery));
    let Some(timeout) = timeout else { return running.await };
    match tokio::time::timeout(timeout, running).await {
        Ok(ended) => ended,
        Err(_) => {
            let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            Ended::Died(Fault::Timeout { function: name.to_owned(), timeout_ms })
        }
    }
}

async fn tell(handler: &dyn Handler, event: &Event, given_up: &GivenUp) -> Ended {
    let name = &*event.function.name;
    survive(name, handler.abandon(name, event.envelope.clone(), given_up.clone())).await
}

/// Runs the receiver's future to its end, whatever it does.
async fn survive(function: &str, running: impl Future<Output = Result<(), Fault>>) -> Ended {
    match AssertUnwindSafe(running).catch_unwind().await {
        Ok(Ok(())) => Ended::Well,
        Ok(Err(fault @ Fault::Crash)) => Ended::Died(fault),
        Ok(Err(fault)) => Ended::Failed(fault),
        Err(panic) => {
            let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
            let message = message.unwrap_or_else(|| "of unknown cause".to_owned());
            Ended::Died(Fault::Panic { function: function.to_owned(), message })
        }
    }
}

/// What becomes of an event whose delivery has failed.
enum Next {
    DeliverAgain,
    Tell,
    Lose,
}

fn after_failure(cloud: &LocalCloud, event: &mut Event, fault: &Fault) -> Next {
    if event.given_up.is_some() {
        if event.attempt >= MAX_ABANDON_ATTEMPTS {
            return Next::Lose;
        }
        event.attempt += 1;
        return Next::DeliverAgain;
    }
    if fault.is_transient() && event.attempt <= cloud.redeliveries {
        event.attempt += 1;
        return Next::DeliverAgain;
    }
    count(&cloud.meter.abandoned, 1);
    let why = format!("{:?}", Error::from(fault.clone()));
    event.given_up = Some(Box::new(GivenUp { cause: fault.cause(), why, attempts: event.attempt }));
    event.attempt = 1;
    Next::Tell
}

/// Sleeps, or not at all: a timer of zero length would still cost a turn of the scheduler.
pub(super) async fn sleep(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
