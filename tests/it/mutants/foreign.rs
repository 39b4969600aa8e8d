//! Mutants that judge what is another deployment's: its rows, its events, and what is on other tables.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Fault, GivenUp,
    backend::{Backend, Delivery, Handler, IndexPart, Row, StoreError, Table, Timestamp},
    envelope::Envelope,
    id::{DeploymentId, RowKey},
};

use crate::{
    layers::{self, TableLayer, over_tables},
    other_deployments::{Later, SOUND, a_later_version_leaves_it, other_tables_leave_it, versions},
};

/// One deployment takes what is another's for its own.
#[derive(Clone, Copy)]
struct Taken {
    ours: DeploymentId,
    theirs: DeploymentId,
}

/// A table in which the rows of another deployment look like those of this one.
struct AllOurs(Taken, Arc<dyn Table>);

impl AllOurs {
    /// Writes this deployment where the other one is in the record of a run.
    fn take(&self, body: &mut Bytes) {
        let [ours, theirs] = [self.0.ours, self.0.theirs].map(|id| id.0.to_be_bytes());
        if let Some(at) = body.windows(8).position(|part| part == theirs) {
            let mut bytes = body.to_vec();
            bytes[at..at + 8].copy_from_slice(&ours);
            *body = bytes.into();
        }
    }
}

#[async_trait]
impl TableLayer for AllOurs {
    fn beneath(&self) -> &dyn Table {
        &*self.1
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        let mut found = self.1.get(key).await?;
        if let (Some(_), Some(body)) = (key.as_run(), found.as_mut().and_then(|row| row.body.as_mut())) {
            self.take(body);
        }
        Ok(found)
    }

    async fn due(&self, part: IndexPart, now: Timestamp, limit: usize) -> Result<Vec<RowKey>, StoreError> {
        let mut due = self.1.due(IndexPart { deployment: self.0.theirs, ..part }, now, limit).await?;
        due.extend(self.1.due(part, now, limit).await?);
        Ok(due)
    }
}

/// A function that takes the events of another deployment for its own.
struct AnyEvent(Taken, Arc<dyn Handler>);

impl AnyEvent {
    fn taken(&self, wire: Bytes) -> Bytes {
        match Envelope::peek(&wire) {
            Some(envelope) if envelope.deployment == self.0.theirs => {
                Envelope { deployment: self.0.ours, ..envelope }.encode()
            }
            _ => wire,
        }
    }
}

#[async_trait]
impl Handler for AnyEvent {
    async fn handle(&self, function: &str, wire: Bytes, delivery: Delivery) -> Result<(), Fault> {
        self.1.handle(function, self.taken(wire), delivery).await
    }

    async fn abandon(&self, function: &str, wire: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        self.1.abandon(function, self.taken(wire), given_up).await
    }
}

/// A function that loses what it is sent.
struct Deaf;

#[async_trait]
impl Handler for Deaf {
    async fn handle(&self, _: &str, _: Bytes, _: Delivery) -> Result<(), Fault> {
        Ok(())
    }

    async fn abandon(&self, _: &str, _: Bytes, _: GivenUp) -> Result<(), Fault> {
        Ok(())
    }
}

#[test]
fn every_mutant_that_judges_what_is_of_another_deployment_is_killed() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    // Past the deadline of the run, and before its rows go.
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600 + 2 * 3600);
    let [theirs, ours] = versions();
    let taken = Taken { ours, theirs };
    let rows = |sound| over_tables(sound, |_, table| layers::table(AllOurs(taken, table)));
    let events = |sound| -> Arc<dyn Handler> { Arc::new(AnyEvent(taken, sound)) };
    let deaf = |_| -> Arc<dyn Handler> { Arc::new(Deaf) };
    let fails = Later { backends: &rows, handler: &deaf };
    let rows = Later { backends: &rows, ..SOUND };
    let events = Later { handler: &events, ..SOUND };
    // A deployment is told by its definition alone.
    let anywhere = |backends: Vec<Backend>| -> Vec<Backend> {
        backends.into_iter().map(|one| Backend { place: "anywhere".into(), ..one }).collect()
    };
    let killed = [
        (
            "sweeps go on with runs of another version",
            a_later_version_leaves_it(&rows, DAY),
            "became Ok(Returned)",
        ),
        ("sweeps fail runs of another version", a_later_version_leaves_it(&fails, WEEK), "became Ok(Failed"),
        (
            "functions take events of another version",
            a_later_version_leaves_it(&events, DAY),
            "became Ok(Returned)",
        ),
        ("tables are no part of a deployment", other_tables_leave_it(&anywhere), "the outcome"),
    ];
    for (mutant, left, noticed) in killed {
        let why = left.expect_err(mutant);
        println!("{mutant}: {why}");
        assert!(why.contains(noticed), "{mutant}: not noticed as `{noticed}` but as {why}");
    }
    for lasts in [DAY, WEEK] {
        assert_eq!(a_later_version_leaves_it(&SOUND, lasts), Ok(()));
    }
}
