//! The state behind all views: the clouds, their common clock, and what is under way.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    clock::Clock,
    function::Catalogue,
    heat::Heat,
    meter::Meter,
    profile::Profile,
    queue::Queue,
    store::Store,
    table::lock,
    timeline::{Observer, Recorder, Span},
    watch::Watch,
};
use crate::{backend::Handler, provider::Provider};

/// One embedded cloud.
pub(super) struct LocalCloud {
    pub(super) name: Arc<str>,
    pub(super) provider: Provider,
    pub(super) region: String,
    pub(super) profile: Profile,
    pub(super) redeliveries: u32,
    pub(super) duplicate_percent: u8,
    pub(super) keep_warm: Duration,
    pub(super) object_lifetime_ms: u64,
    pub(super) expiry_lag_ms: u64,
    pub(super) functions: Catalogue,
    pub(super) queue: Queue,
    pub(super) store: Store,
    pub(super) watch: Watch,
    pub(super) heat: Heat,
    /// Write units that one row takes within a second; `None` for any number.
    pub(super) row_writes_per_s: Option<u32>,
    pub(super) meter: Meter,
    pub(super) handler: RwLock<Option<Arc<dyn Handler>>>,
    pub(super) available: AtomicBool,
    pub(super) random: Mutex<fastrand::Rng>,
    /// How many accepted events may be under way, and are.
    pub(super) queue_length: usize,
    pub(super) open: AtomicUsize,
}

impl LocalCloud {
    pub(super) fn handler(&self) -> Option<Arc<dyn Handler>> {
        self.handler.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_handler(&self, handler: Option<Arc<dyn Handler>>) {
        *self.handler.write().unwrap_or_else(PoisonError::into_inner) = handler;
    }

    pub(super) fn is_available(&self) -> bool {
        self.available.load(Ordering::Relaxed)
    }

    /// Makes room for events, unless there are too many already.
    pub(super) fn admit(&self, events: usize) -> bool {
        let full = self.open.fetch_add(events, Ordering::Relaxed) + events > self.queue_length;
        if full {
            self.open.fetch_sub(events, Ordering::Relaxed);
        }
        !full
    }

    /// Draws a lot that wins in `percent` of a hundred cases.
    pub(super) fn draws(&self, percent: u8) -> bool {
        percent > 0 && lock(&self.random).u8(0..100) < percent
    }

    /// A latency with its jitter.
    pub(super) fn latency(&self, ms: u64) -> Duration {
        self.latency_of(Duration::from_millis(ms))
    }

    pub(super) fn latency_of(&self, latency: Duration) -> Duration {
        if latency.is_zero() || self.profile.jitter_percent == 0 {
            return latency;
        }
        let part = lock(&self.random).f64() * f64::from(self.profile.jitter_percent) / 100.0;
        latency.mul_f64(1.0 + part)
    }
}

/// All clouds of a process.
pub(super) struct Clouds {
    pub(super) list: Vec<LocalCloud>,
    pub(super) clock: Clock,
    pub(super) recorder: Recorder,
    pub(super) observer: OnceLock<Arc<dyn Observer>>,
    /// Accepted events that are waiting, delayed or running.
    open: AtomicUsize,
    idle: Notify,
    closed: AtomicBool,
    closing: Notify,
}

impl Clouds {
    pub(super) fn new(list: Vec<LocalCloud>, clock: Clock, recorder: Recorder) -> Self {
        Clouds {
            list,
            clock,
            recorder,
            observer: OnceLock::new(),
            open: AtomicUsize::new(0),
            idle: Notify::new(),
            closed: AtomicBool::new(false),
            closing: Notify::new(),
        }
    }

    pub(super) fn opened(&self, events: usize) {
        self.open.fetch_add(events, Ordering::SeqCst);
    }

    /// Events of a cloud are over and done with.
    pub(super) fn settled(&self, cloud: usize, events: usize) {
        self.list[cloud].open.fetch_sub(events, Ordering::Relaxed);
        if self.open.fetch_sub(events, Ordering::SeqCst) == events {
            self.idle.notify_waiters();
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(super) async fn idle(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            idle.await;
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Accepts no more events, and forgets those that are not running.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.closing.notify_waiters();
        for (index, cloud) in self.list.iter().enumerate() {
            let forgotten = cloud.queue.clear();
            if forgotten > 0 {
                self.settled(index, forgotten);
            }
        }
    }

    pub(super) async fn sleep_unless_closed(&self, duration: Duration) {
        let mut closing = std::pin::pin!(self.closing.notified());
        closing.as_mut().enable();
        if self.is_closed() {
            return;
        }
        tokio::select! {
            biased;
            () = closing => {}
            () = tokio::time::sleep(duration) => {}
        }
    }

    pub(super) fn micros(&self, instant: Instant) -> u64 {
        u64::try_from(self.clock.since_start(instant).as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_observed(&self) -> bool {
        self.recorder.is_on() || self.observer.get().is_some()
    }

    pub(super) fn observe_accepted(&self, cloud: usize, function: &Arc<str>) {
        if let Some(observer) = self.observer.get() {
            observer.accepted(cloud, function);
        }
    }

    pub(super) fn observe_start(&self, cloud: usize, function: &Arc<str>, attempt: u32) {
        if let Some(observer) = self.observer.get() {
            observer.started(cloud, function, attempt);
        }
    }

    pub(super) fn observe_end(&self, span: Span) {
        if let Some(observer) = self.observer.get() {
            observer.ended(&span);
        }
        self.recorder.record(span);
    }
}
