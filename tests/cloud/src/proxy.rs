//! Stands between functions and a service on loopback: counts the requests, makes some twice, and loses
//! answers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use crate::exchange::{self, Asked};

/// A proxy that runs for as long as the process.
#[derive(Clone)]
pub struct Proxy {
    /// Where it listens.
    pub url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    counts: Mutex<BTreeMap<String, u64>>,
    twice: AtomicBool,
    doubled: AtomicU64,
    /// How many invocations are left alone until the one whose answer is lost, and that one.
    until_lost: AtomicU64,
    lost: AtomicU64,
}

impl Proxy {
    /// A proxy before the service at `url`.
    pub fn before(url: &str) -> Self {
        let service = url.trim_start_matches("http://").to_owned();
        let seen = Arc::new(Seen::default());
        let shared = seen.clone();
        Proxy { url: exchange::serve(move |asked| pass(asked, &service, &shared)), seen }
    }

    /// From now on every invocation of a function is made twice.
    pub fn invoke_twice(&self) {
        self.seen.twice.store(true, SeqCst);
    }

    /// How many invocations were made twice.
    pub fn doubled(&self) -> u64 {
        self.seen.doubled.load(SeqCst)
    }

    /// Of the invocations from now on, after `skip` others, one is made and its answer is lost.
    pub fn lose_answer(&self, skip: u32) {
        self.seen.until_lost.store(u64::from(skip) + 1, SeqCst);
    }

    /// How many answers were lost.
    pub fn lost(&self) -> u64 {
        self.seen.lost.load(SeqCst)
    }

    /// How many requests there were, by operation.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.seen.counts.lock().expect("nobody panics with it").clone()
    }

    /// Forgets what was counted.
    pub fn reset(&self) {
        self.seen.counts.lock().expect("nobody panics with it").clear();
    }
}

/// Passes on the one request of a connection; whoever has another makes a connection for it.
fn pass(asked: &Asked, service: &str, seen: &Seen) -> Option<Vec<u8>> {
    let invokes =
        asked.line().contains("/invocations") && asked.header("x-amz-invocation-type") == Some("Event");
    let operation = match asked.header("x-amz-target") {
        Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
        None if invokes => "Invoke".to_owned(),
        None => asked.line().split(' ').next().unwrap_or_default().to_owned(),
    };
    *seen.counts.lock().expect("nobody panics with it").entry(operation).or_default() += 1;
    if invokes && seen.twice.load(SeqCst) {
        asked.passed_on(service)?;
        seen.doubled.fetch_add(1, SeqCst);
    }
    let answer = asked.passed_on(service)?;
    let next = |left: u64| left.checked_sub(1);
    if invokes && seen.until_lost.fetch_update(SeqCst, SeqCst, next) == Ok(1) {
        seen.lost.fetch_add(1, SeqCst);
        return None;
    }
    Some(answer)
}
