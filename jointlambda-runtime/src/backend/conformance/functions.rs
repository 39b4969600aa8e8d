//! The contract of [`Functions`](crate::backend::Functions) and of the platform behind it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Broken, CALLERS, Check, Subject, Verdict, checks, ensure};
use crate::{
    backend::{Delivery, Handler, Invoked},
    error::{Fault, GivenUp},
};

/// How long the platform may take for the deliveries and redeliveries of an event.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often to look whether they have come.
const GLANCE: Duration = Duration::from_millis(50);

/// Every clause of the contract of a function service. They need [`Subject::served_by`].
pub fn functions() -> Vec<Check> {
    checks![
        accepted_events_are_delivered,
        an_envelope_arrives_as_it_was_sent,
        an_envelope_over_the_limit_is_rejected,
        a_function_that_does_not_exist_is_denied,
        a_failed_event_is_delivered_again_up_to_the_bound_then_abandoned,
        an_event_that_can_never_succeed_is_abandoned_at_once,
        a_panic_counts_as_a_failed_delivery,
    ]
}

/// What happened to an event, as the receiver saw it.
#[derive(Clone, Debug, Default)]
struct Seen {
    attempts: Vec<u32>,
    abandoned: Vec<u32>,
}

/// Notes every event by its envelope; `fails` fails in the way that the envelope's start says.
#[derive(Default)]
struct Recorder(Mutex<BTreeMap<Bytes, Seen>>);

impl Recorder {
    fn note(&self, envelope: &Bytes, what: impl FnOnce(&mut Seen)) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        what(seen.entry(envelope.clone()).or_default());
    }

    fn seen(&self, envelope: &Bytes) -> Seen {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(envelope).cloned().unwrap_or_default()
    }

    async fn wait_until(&self, envelope: &Bytes, is_over: impl Fn(&Seen) -> bool) -> Result<Seen, Broken> {
        let mut waited = Duration::ZERO;
        loop {
            let seen = self.seen(envelope);
            if is_over(&seen) {
                return Ok(seen);
            }
            ensure!(waited < PATIENCE, "up to now the receiver saw {seen:?}");
            tokio::time::sleep(GLANCE).await;
            waited += GLANCE;
        }
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&self, function: &str, envelope: Bytes, delivery: Delivery) -> Result<(), Fault> {
        self.note(&envelope, |seen| seen.attempts.push(delivery.attempt));
        match (function, envelope.first()) {
            ("fails", Some(b'f')) => Err(Fault::Crash),
            ("fails", Some(b'p')) => Err(Fault::Poison("it was told to".to_owned())),
            ("fails", Some(b'!')) => panic!("it was told to"),
            _ => Ok(()),
        }
    }

    async fn abandon(&self, _: &str, envelope: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        self.note(&envelope, |seen| seen.abandoned.push(given_up.attempts));
        Ok(())
    }
}

impl Subject {
    fn record(&self) -> Result<Arc<Recorder>, Broken> {
        let recorder = Arc::new(Recorder::default());
        let serve = self.serve.as_ref();
        let serve = serve.ok_or_else(|| Broken("no way to attach a receiver was given".to_owned()))?;
        serve(recorder.clone());
        Ok(recorder)
    }

    /// The deliveries of an event up to now, by number; counted where the platform does not tell.
    fn deliveries(&self, seen: &Seen) -> Vec<u32> {
        if self.numbers_deliveries {
            seen.attempts.clone()
        } else {
            (1..).take(seen.attempts.len()).collect()
        }
    }

    async fn send(&self, function: &str, envelope: &Bytes) -> Verdict {
        let invoked = self.backend.functions.invoke(function, envelope.clone()).await;
        ensure!(invoked == Invoked::Accepted, "{function} was not accepted: {invoked:?}");
        Ok(())
    }
}

async fn accepted_events_are_delivered(subject: &Subject) -> Verdict {
    let recorder = subject.record()?;
    let envelopes: Vec<Bytes> = (0..CALLERS * 4).map(|i| format!("event {i}").into()).collect();
    for envelope in &envelopes {
        subject.send("echo", envelope).await?;
    }
    for envelope in &envelopes {
        let seen = recorder.wait_until(envelope, |seen| !seen.attempts.is_empty()).await?;
        ensure!(seen.attempts[0] == 1, "the first delivery said it was number {}", seen.attempts[0]);
    }
    Ok(())
}

async fn an_envelope_arrives_as_it_was_sent(subject: &Subject) -> Verdict {
    let recorder = subject.record()?;
    let limit = subject.backend.provider.limits().async_payload_bytes;
    let every_byte: Bytes = (0..=255).collect();
    for envelope in [Bytes::new(), every_byte, Bytes::from(vec![7; limit])] {
        subject.send("echo", &envelope).await?;
        recorder.wait_until(&envelope, |seen| !seen.attempts.is_empty()).await?;
    }
    Ok(())
}

async fn an_envelope_over_the_limit_is_rejected(subject: &Subject) -> Verdict {
    let recorder = subject.record()?;
    let limit = subject.backend.provider.limits().async_payload_bytes;
    let envelope = Bytes::from(vec![7; limit + 1]);
    let invoked = subject.backend.functions.invoke("echo", envelope.clone()).await;
    ensure!(matches!(invoked, Invoked::Rejected(_)), "one byte too many: {invoked:?}");
    tokio::time::sleep(GLANCE).await;
    ensure!(recorder.seen(&envelope).attempts.is_empty(), "the rejected event was delivered");
    Ok(())
}

async fn a_function_that_does_not_exist_is_denied(subject: &Subject) -> Verdict {
    subject.record()?;
    let invoked = subject.backend.functions.invoke("no_such_function", "x".into()).await;
    ensure!(matches!(invoked, Invoked::Denied(_)), "it was {invoked:?}");
    Ok(())
}

async fn a_failed_event_is_delivered_again_up_to_the_bound_then_abandoned(subject: &Subject) -> Verdict {
    let recorder = subject.record()?;
    let envelope = Bytes::from("fail always");
    subject.send("fails", &envelope).await?;
    let seen = recorder.wait_until(&envelope, |seen| !seen.abandoned.is_empty()).await?;
    let deliveries = 1 + subject.backend.provider.limits().redeliveries;
    let delivered = subject.deliveries(&seen);
    for attempt in 1..=deliveries {
        ensure!(delivered.contains(&attempt), "delivery {attempt} is missing in {seen:?}");
    }
    ensure!(!delivered.contains(&(deliveries + 1)), "there is one too many in {seen:?}");
    ensure!(seen.abandoned[0] == deliveries, "{seen:?} was given up after another number");
    Ok(())
}

async fn an_event_that_can_never_succeed_is_abandoned_at_once(subject: &Subject) -> Verdict {
    let recorder = subject.record()?;
    let envelope = Bytes::from("poison");
    subject.send("fails", &envelope).await?;
    let seen = recorder.wait_until(&envelope, |seen| !seen.abandoned.is_empty()).await?;
    ensure!(!subject.deliveries(&seen).contains(&2), "it was delivered again: {seen:?}");
    Ok(())
}

async fn a_panic_counts_as_a_failed_delivery(subject: &Subject) -> Verdict {
    let recorder = subject.record()?;
    let envelope = Bytes::from("!");
    subject.send("fails", &envelope).await?;
    let seen = recorder.wait_until(&envelope, |seen| !seen.abandoned.is_empty()).await?;
    let deliveries = 1 + subject.backend.provider.limits().redeliveries;
    ensure!(subject.deliveries(&seen).contains(&deliveries), "{seen:?} is not all");
    Ok(())
}
