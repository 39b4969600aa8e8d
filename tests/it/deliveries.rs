//! What became of a platform's deliveries: whether a run that failed had used them up.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Client, Fault, GivenUp, InstanceState, RunError, Status, Workflow,
    backend::{Delivery, Handler, fault::Faults, fault::Operation},
    envelope::{Envelope, Failure, Task},
    id::RunId,
};

/// What became of one event, however often it was sent.
#[derive(Default)]
struct Event {
    delivered: u32,
    answered: u32,
    /// After how many deliveries the platform gave up on it, and why.
    given_up: Vec<(u32, String)>,
}

/// Every event that a deployment received.
#[derive(Default)]
pub(crate) struct Deliveries(Mutex<BTreeMap<Bytes, Event>>);

impl Deliveries {
    /// Notes what `inner` receives.
    pub(crate) fn handler(self: &Arc<Self>, inner: Arc<dyn Handler>) -> Arc<dyn Handler> {
        Arc::new(Noting { deliveries: self.clone(), inner })
    }

    /// What of a failure of a run of `W` nothing accounts for: it names a call that the platform
    /// gave up on, after as many deliveries that all failed, for the same cause.
    fn unaccounted<W: Workflow>(&self, failure: &Failure) -> Option<String> {
        let is_of = |wire: &Bytes| {
            let Some(envelope) = Envelope::peek(wire) else { return false };
            let Task::Call(call) = &envelope.task else { return false };
            W::definition().nodes[usize::from(call.node)].name == failure.at
        };
        let used_up = |event: &Event| {
            let failed = event.delivered - event.answered;
            let mut given_up = event.given_up.iter();
            failed >= failure.attempts
                && given_up.any(|(after, why)| *after == failure.attempts && *why == failure.cause)
        };
        let accounted = self.0.lock().unwrap().iter().any(|(wire, event)| used_up(event) && is_of(wire));
        (!accounted).then(|| format!("the run failed for no reason: {failure}"))
    }

    /// Checks a run that failed, now that all that is late has come: the platform had given up on
    /// the call that is named, the report names it too, and neither changes any more.
    pub(crate) async fn account_for<W: Workflow>(
        &self,
        client: &Client<W>,
        run: &RunId,
        failure: &Failure,
    ) -> Result<(), String> {
        if let Some(why) = self.unaccounted::<W>(failure) {
            return Err(why);
        }
        match client.result(run).await {
            Err(RunError::Failed(now)) if now == *failure => {}
            other => return Err(format!("the failure became {:?}", other.map(|_| "a result"))),
        }
        let report = client.report(run).await.map_err(|e| e.to_string())?;
        let names_it = report.instances.iter().any(|one| {
            let fails = matches!(&one.state, InstanceState::Failed { failure: of, .. } if of == failure);
            fails && one.node == failure.at && one.path == failure.path
        });
        if report.status != Status::Failed(failure.clone()) || !names_it {
            return Err(format!("the failure {failure} is reported as {report:?}"));
        }
        Ok(())
    }
}

/// How many operations there were that looking for late runs does not account for.
pub(crate) fn active(faults: &Faults) -> usize {
    faults.log().iter().filter(|operation| **operation != Operation::Due).count()
}

struct Noting {
    deliveries: Arc<Deliveries>,
    inner: Arc<dyn Handler>,
}

impl Noting {
    fn note(&self, envelope: &Bytes, of: impl FnOnce(&mut Event)) {
        of(self.deliveries.0.lock().unwrap().entry(envelope.clone()).or_default());
    }
}

#[async_trait]
impl Handler for Noting {
    async fn handle(&self, function: &str, envelope: Bytes, delivery: Delivery) -> Result<(), Fault> {
        self.note(&envelope, |event| event.delivered += 1);
        let done = self.inner.handle(function, envelope.clone(), delivery).await;
        self.note(&envelope, |event| event.answered += u32::from(done.is_ok()));
        done
    }

    async fn abandon(&self, function: &str, envelope: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        self.note(&envelope, |event| event.given_up.push((given_up.attempts, given_up.why.clone())));
        self.inner.abandon(function, envelope, given_up).await
    }
}
