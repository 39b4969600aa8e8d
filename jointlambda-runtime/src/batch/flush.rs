//! What becomes of a batch: the function runs on its members, and each is decided by itself.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, future, stream};

use super::{Seal, Slot};
use crate::{
    backend::{Created, Delivery, NewRow, Row},
    codec,
    commit::{Actor, Instance},
    definition::{FunctionIndex, NodeDef},
    dispatch::CONCURRENCY,
    entrypoint::{Loaded, in_time, once},
    envelope::{Batch, Call, Envelope, Task, Value, may_be_late},
    error::Fault,
    machine::{Outcome, Start},
    private::wrong_count,
    retry,
    runtime::Runtime,
};

/// A call in a batch.
struct Member {
    instance: Instance,
    node: &'static NodeDef,
    call: Call,
}

impl Member {
    /// Who acts for it, and whether it may be late.
    fn whose(&self) -> (Actor, bool) {
        (self.instance.actor.clone(), may_be_late(&self.instance.frames))
    }
}

impl Runtime {
    /// Runs the function on the members of a batch, once it is due. Each outcome is decided by
    /// itself, and what befalls one member is no other's concern.
    pub(crate) async fn flush(&self, actor: &Actor, batch: Batch, delivery: Delivery) -> Result<(), Fault> {
        let (def, gathers) = self.gathering(batch.function)?;
        let now = self.cloud(def.on)?.table.now();
        let early = Duration::from_millis(batch.due.saturating_sub(now).min(gathers.wait_ms));
        if !early.is_zero() {
            tokio::time::sleep(early).await;
        }
        let Some(row) = self.seal(actor, batch).await? else { return Ok(()) };
        let (members, mut done) = self.members(actor, batch.function, row).await;
        let looks = stream::iter(members)
            .map(|member| async move {
                let (actor, may_be_late) = member.whose();
                let looked = self.look_at(member).await;
                match looked {
                    Ok(open) => (open, Ok(())),
                    Err(fault) => (None, self.unless_ended(&actor, may_be_late, Err(fault)).await),
                }
            })
            .buffered(CONCURRENCY);
        let mut open = Vec::new();
        for (member, looked) in looks.collect::<Vec<_>>().await {
            open.extend(member);
            done = done.and(looked);
        }
        if open.is_empty() {
            return done;
        }
        let remaining = delivery.remaining.saturating_sub(early);
        let args: Vec<_> = open.iter().map(|(_, args)| args.clone()).collect();
        // What follows one member follows the others of its node, as a rule.
        let mut members: Vec<_> = open.iter().map(|(member, _)| member).collect();
        members.sort_unstable_by_key(|member| member.call.node);
        members.dedup_by_key(|member| member.call.node);
        let warmed = members.into_iter().map(|member| self.warm(member.node, &member.instance.frames));
        let (ran, loaded, _) = future::join3(
            self.execute_batch(batch.function, &args, remaining),
            future::join_all(open.iter().map(|(member, _)| self.load_for(member))),
            future::join_all(warmed),
        )
        .await;
        let outcomes: Vec<_> = match ran {
            Ok(outcomes) => outcomes.into_iter().map(Some).collect(),
            Err(fault) => {
                tracing::warn!(function = def.name, %fault, "a batch is disbanded");
                open.iter().map(|_| None).collect()
            }
        };
        let members = open.into_iter().map(|(member, _)| member);
        let all = members.zip(outcomes).zip(loaded).map(|((member, outcome), loaded)| async move {
            let (actor, may_be_late) = member.whose();
            let settled = match outcome {
                Some(outcome) => self.settle(member, outcome, loaded).await,
                None => self.send_alone(&member.instance, &member.call).await,
            };
            self.unless_ended(&actor, may_be_late, settled).await
        });
        stream::iter(all).buffer_unordered(CONCURRENCY).fold(done, async |all, one| all.and(one)).await
    }

    /// The platform gave up on a batch: its members go on by themselves.
    pub(crate) async fn disband(&self, actor: &Actor, batch: Batch, attempts: u32) -> Result<(), Fault> {
        let Some(row) = self.seal(actor, batch).await? else { return Ok(()) };
        let (members, done) = self.members(actor, batch.function, row).await;
        let all = members.into_iter().map(|member| async move {
            let (actor, may_be_late) = member.whose();
            let Member { instance, node, call } = member;
            let done = async {
                match self.settled(&instance, node).await? {
                    Some(settled) => self.go_on_at_last(instance, node, settled, attempts).await,
                    None => self.send_alone(&instance, &call).await,
                }
            };
            self.unless_ended(&actor, may_be_late, done.await).await
        });
        stream::iter(all).buffer_unordered(CONCURRENCY).fold(done, async |all, one| all.and(one)).await
    }

    /// Closes a row. Gives it, unless it was closed for the copies of another event.
    async fn seal(&self, actor: &Actor, batch: Batch) -> Result<Option<Row>, Fault> {
        let (def, gathers) = self.gathering(batch.function)?;
        let (table, key) = (&self.cloud(def.on)?.table, self.batch_key(&batch));
        let Some(row) = retry::store(|| table.get(&key)).await? else { return Ok(None) };
        let is_ours = |row: &Row| {
            let body = row.body.as_deref().unwrap_or_default();
            codec::unpack_row::<Seal>(body, "a batch row").map(|seal| seal.event == actor.event)
        };
        if row.body.is_some() {
            return Ok(is_ours(&row)?.then_some(row));
        }
        let seal = NewRow {
            body: codec::pack_row(&Seal { event: actor.event }),
            expires_at: self.expires_at(&**table, &actor.term),
            ..NewRow::default()
        };
        match retry::store(|| table.create(&key, seal.clone())).await? {
            Created::Exists(row) => Ok(is_ours(&row)?.then_some(row)),
            Created::New if row.slots.len() >= gathers.size as usize => Ok(Some(row)),
            Created::New => Ok(retry::store(|| table.get(&key)).await?),
        }
    }

    /// The members of a batch whose time is not over, and what kept others from being read. A slot
    /// that never can be read is nobody's: the sweeps of the runs find what they miss.
    async fn members(
        &self,
        actor: &Actor,
        function: FunctionIndex,
        row: Row,
    ) -> (Vec<Member>, Result<(), Fault>) {
        let all = row.slots.into_values().map(|slot| self.member(actor, function, slot));
        let mut all = pin!(stream::iter(all).buffered(CONCURRENCY));
        let (mut members, mut done) = (Vec::new(), Ok(()));
        while let Some(member) = all.next().await {
            match member {
                Ok(member) if self.is_past(&member.instance.actor.term).await => {}
                Ok(member) => members.push(member),
                Err(fault) if fault.is_transient() => done = done.and(Err(fault)),
                Err(fault) => tracing::error!(%fault, "dropped a member of a batch"),
            }
        }
        (members, done)
    }

    async fn member(&self, actor: &Actor, function: FunctionIndex, slot: Bytes) -> Result<Member, Fault> {
        let Slot { objects, of, envelope } = codec::unpack_row(&slot, "a slot")?;
        let wire = match (of, envelope) {
            (_, Value::Inline(wire)) => wire,
            (Some(of), stored) => self.fetch(&of, &stored).await?,
            (None, Value::Stored(_)) => {
                return Err(Fault::Poison("a member is stored for no run".to_owned()));
            }
        };
        let envelope = Envelope::decode(&wire, self.definition, self.deployment)?;
        let envelope = Envelope { objects, ..envelope };
        let Task::Call(call) = &envelope.task else {
            return Err(Fault::Poison("a member is no call".to_owned()));
        };
        let (node, def) = self.callee(call)?;
        if !std::ptr::eq(def, self.gathering(function)?.0) {
            return Err(Fault::Poison(format!("a member is for `{}`", def.name)));
        }
        // What is decided here is decided by the batch's event, so that its next delivery goes on.
        let event = actor.event;
        let mut actor = Actor::copy(&envelope, actor.attempt);
        actor.event = event;
        let call = call.clone();
        Ok(Member { instance: call.instance(&actor, &envelope), node, call })
    }

    /// Whether a member is open, with its arguments. From one that an earlier delivery of the
    /// batch decided, goes on.
    async fn look_at(&self, member: Member) -> Result<Option<(Member, Bytes)>, Fault> {
        let Member { instance, node, call } = &member;
        match self.settled(instance, node).await? {
            None => {
                let args = self.fetch(&instance.actor.of, &call.args).await?;
                Ok(Some((member, args)))
            }
            Some(settled) => {
                if self.goes_on(instance, &settled).await? {
                    self.go_on(member.instance, settled).await?;
                }
                Ok(None)
            }
        }
    }

    async fn load_for(&self, member: &Member) -> Result<Loaded, Fault> {
        let Member { instance, node, call } = member;
        self.load(&instance.actor.of, node.resume, &instance.frames, call.vars.clone()).await
    }

    /// Runs a batch function on the arguments of several calls; gives as many outcomes.
    pub(crate) async fn execute_batch(
        &self,
        function: FunctionIndex,
        args: &[Bytes],
        remaining: Duration,
    ) -> Result<Vec<Outcome>, Fault> {
        let (def, _) = self.gathering(function)?;
        let Start::Batch(start) = self.code.functions[usize::from(function)] else {
            return Err(Fault::Poison(format!("`{}` runs on one call", def.name)));
        };
        let outcomes = in_time(def, remaining, once(def, || start(args))).await?;
        if outcomes.len() != args.len() {
            return Err(Fault::Poison(wrong_count(def.name, args.len(), outcomes.len())));
        }
        Ok(outcomes)
    }

    /// Decides a member and goes on from there. When its own code is at fault, it tries again alone.
    async fn settle(
        &self,
        member: Member,
        outcome: Outcome,
        loaded: Result<Loaded, Fault>,
    ) -> Result<(), Fault> {
        let Member { mut instance, node, call } = member;
        let decided = match loaded {
            Ok(loaded) => self.decide(&mut instance, node, outcome, loaded).await,
            Err(fault) => Err(fault),
        };
        match decided {
            Ok(Some(settled)) => Ok(self.go_on(instance, settled).await?),
            Ok(None) => Ok(()),
            Err(fault) if fault.is_of_the_code() => self.send_alone(&instance, &call).await,
            Err(fault) => Err(fault),
        }
    }
}
