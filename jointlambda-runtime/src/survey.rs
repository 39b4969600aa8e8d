//! What has become of a run, read from its rows alone: every instance, and what is left to do.
//! Changes nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::{
    backend::Timestamp,
    client::RunRecord,
    codec,
    commit::{Actor, Instance, Next, Ran, Settled},
    definition::{NodeDef, NodeIndex},
    dispatch::CONCURRENCY,
    envelope::{Arrived, Call, Continuation, Ended, Failure, Fork, Frame, Stamp, Value, path},
    error::Fault,
    first,
    runtime::Runtime,
};

/// One instance of a run: a call of a function, or a fan-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InstanceReport {
    /// The node's name.
    pub node: &'static str,
    /// The branch indexes and loop counters around it, outermost first.
    pub path: Vec<u32>,
    /// When it was dispatched, or the branches of a fan-in were, in milliseconds since the epoch.
    pub since: Timestamp,
    /// What has become of it.
    pub state: InstanceState,
}

/// What has become of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InstanceState {
    /// A fan-in waits for branches.
    Waiting {
        /// How many have arrived.
        arrived: u32,
        /// Of how many.
        of: u32,
    },
    /// It was dispatched and is not decided: it is in a queue, runs, or is lost until a sweep
    /// finds it.
    Running,
    /// The same, in a branch that its fan-in did not wait for: whatever becomes of it changes
    /// nothing.
    Late,
    /// Its outcome is decided.
    Committed {
        /// When, in milliseconds since the epoch.
        at: Timestamp,
        /// The cloud where the copy ran that decided it.
        on: &'static str,
        /// Which delivery of its event that copy was.
        attempt: u32,
    },
    /// The platform gave up on it.
    Failed {
        /// When, in milliseconds since the epoch.
        at: Timestamp,
        /// The cloud that gave up.
        on: &'static str,
        /// Why, and after how many attempts.
        failure: Failure,
    },
    /// The run was cancelled before it was decided.
    Cancelled {
        /// When, in milliseconds since the epoch.
        at: Timestamp,
    },
}

struct Survey<'a> {
    runtime: &'a Runtime,
    actor: &'a Actor,
    /// How many instances are told of at most. If any are, values are left alone: they need not be
    /// there any more.
    most: usize,
    /// How many more may be told of.
    room: AtomicUsize,
    /// Whether there are instances that are not told of.
    truncated: AtomicBool,
}

/// A stretch of a run between two fan-outs, and what surrounds it.
struct Stretch {
    frames: Vec<Frame>,
    /// How the branch ended whose stretch it is.
    arrived: Option<Arrived>,
    /// Whether the branch, or the run, has returned.
    returned: bool,
    /// Whether nothing waits for the branch any more.
    late: bool,
    continuation: Continuation,
    since: Timestamp,
}

impl Runtime {
    /// Tells of up to `most` instances of a run, in order of the workflow, and whether there may be
    /// more. Needs no value that is stored for the run.
    pub(crate) async fn instances(
        &self,
        actor: &Actor,
        record: &RunRecord,
        returned: bool,
        most: usize,
    ) -> Result<(Vec<InstanceReport>, bool), Fault> {
        let survey = Survey::new(self, actor, most);
        let (first, whole) = match &record.sketch {
            Some(sketch) => sketch.unfold(self.definition)?,
            None => (self.first(actor, record).await?, true),
        };
        let (_, instances) = survey.from(first, returned).await?;
        Ok((instances, !whole || survey.truncated.into_inner()))
    }

    /// What is left to do of a run that has failed and been stopped: all of it, with what was
    /// committed taken out.
    pub(crate) async fn left_of(&self, actor: &Actor, record: &RunRecord) -> Result<Continuation, Fault> {
        let first = self.first(actor, record).await?;
        let (left, _) = Survey::new(self, actor, 0).from(first, false).await?;
        Ok(left)
    }

    async fn first(&self, actor: &Actor, record: &RunRecord) -> Result<Continuation, Fault> {
        codec::unpack_row(&self.fetch(&actor.of, &record.first).await?, "a run row")
    }

    /// Brings the values of `continuation` that are stored for its run in place, for another run.
    pub(crate) async fn bring_home(
        &self,
        actor: &Actor,
        continuation: &mut Continuation,
    ) -> Result<(), Fault> {
        let mut values = Vec::new();
        stored_values(continuation, &mut values);
        // All futures are made first: with their closure held across a wait, this could not be spawned.
        let brought = values.into_iter().map(|value| async move {
            *value = Value::Inline(self.fetch(&actor.of, value).await?);
            Ok::<_, Fault>(())
        });
        let brought: Vec<_> = brought.collect();
        stream::iter(brought).buffer_unordered(CONCURRENCY).try_collect().await
    }
}

impl<'a> Survey<'a> {
    fn new(runtime: &'a Runtime, actor: &'a Actor, most: usize) -> Self {
        Survey { runtime, actor, most, room: AtomicUsize::new(most), truncated: AtomicBool::new(false) }
    }

    async fn from(
        &self,
        first: Continuation,
        returned: bool,
    ) -> Result<(Continuation, Vec<InstanceReport>), Fault> {
        let since = self.actor.term.started_at;
        let frames = Vec::new();
        let stretch = Stretch { frames, arrived: None, returned, late: false, continuation: first, since };
        self.through(stretch).await
    }

    /// What is left of a stretch, and the instances in it.
    async fn through(&self, stretch: Stretch) -> Result<(Continuation, Vec<InstanceReport>), Fault> {
        let Stretch { frames, arrived, returned, late, mut continuation, mut since } = stretch;
        let (arrived, mut told) = (arrived.as_ref(), Vec::new());
        loop {
            let settled = match continuation {
                ended @ (Continuation::Return(_) | Continuation::Err(_)) => return Ok((ended, told)),
                Continuation::Call(call) => {
                    let node = self.node(call.node)?;
                    let instance = self.instance(&frames, &call.turns, call.node);
                    let settled = match arrived {
                        // The slot of the join row is its row, and was read with the others.
                        Some(arrived) if node.tail => Some(Settled::Ended(arrived.clone())),
                        _ => self.settled(&instance, node).await?,
                    };
                    // On the way to a value everything is decided, but a call after a fan-in that
                    // turned out to return early.
                    if settled.is_some() || !returned {
                        self.tell(&mut told, node, &instance, since, || match settled {
                            None if late => InstanceState::Late,
                            _ => state(self, node, settled.as_ref()),
                        });
                    }
                    match settled {
                        Some(settled) => (settled, Continuation::Call(call)),
                        None => return Ok((Continuation::Call(call), told)),
                    }
                }
                Continuation::Fork(fork) => {
                    match self.fork(&frames, arrived, late, fork, since, &mut told).await? {
                        (Some(settled), left) => (settled, left),
                        (None, left) => return Ok((left, told)),
                    }
                }
            };
            match settled {
                (Settled::Next(next), _) => {
                    since = self.at(&next.stamp);
                    continuation = next.continuation;
                }
                (Settled::Ended(Arrived { ended: Ended::Returned(value), .. }), _) => {
                    return Ok((Continuation::Return(value), told));
                }
                (Settled::Ended(Arrived { ended: Ended::Err(value), .. }), _) => {
                    return Ok((Continuation::Err(value), told));
                }
                (Settled::Ended(_) | Settled::Gone, left) => return Ok((left, told)),
            }
        }
    }

    /// What was decided after a fan-in, and what is left of its fan-out if that is not to count.
    async fn fork(
        &self,
        frames: &[Frame],
        around: Option<&Arrived>,
        late: bool,
        fork: Fork,
        since: Timestamp,
        told: &mut Vec<InstanceReport>,
    ) -> Result<(Option<Settled>, Continuation), Fault> {
        let node = self.node(fork.join)?;
        let instance = self.instance(frames, &fork.turns, fork.join);
        let settled = match around {
            Some(arrived) if node.tail => Some(Settled::Ended(arrived.clone())),
            _ => self.settled(&instance, node).await?,
        };
        if matches!(settled, Some(Settled::Next(_))) && self.room.load(Relaxed) == 0 {
            self.truncated.fetch_or(self.most > 0, Relaxed);
            return Ok((settled, Continuation::Fork(fork)));
        }
        let Fork { join, turns, vars, branches, first } = fork;
        let frame = Frame { join, turns: turns.clone(), index: 0, of: branches.len() as u32, vars, first };
        let arrived = self.runtime.arrived(&self.actor.of, frames, &frame).await?;
        let waits = match first {
            None => arrived.iter().any(Option::is_none),
            Some(first) => !first::is_due(first, &arrived),
        };
        let mut stretches = Vec::with_capacity(branches.len());
        for ((index, continuation), arrived) in (0..).zip(branches).zip(&arrived) {
            let mut frames = frames.to_vec();
            frames.push(Frame { index, ..frame.clone() });
            let returned = matches!(arrived, Some(Arrived { ended: Ended::Returned(_) | Ended::Err(_), .. }));
            let late = late || !waits && arrived.is_none();
            stretches.push(Stretch { frames, arrived: arrived.clone(), returned, late, continuation, since });
        }
        let looks = stream::iter(stretches).map(|stretch| self.branch(stretch));
        let all: Vec<_> = looks.buffered(CONCURRENCY).try_collect().await?;
        let mut left = Vec::with_capacity(all.len());
        for (branch, instances) in all {
            left.push(branch);
            told.extend(instances);
        }
        let there = arrived.iter().flatten().count() as u32;
        let settled = match settled {
            None if there == frame.of => {
                let arrived: Vec<_> = arrived.into_iter().flatten().collect();
                let last = arrived.iter().map(|arrived| arrived.stamp).max_by_key(|stamp| stamp.at_ms);
                let last = last.unwrap_or(Stamp {
                    at_ms: since.saturating_sub(self.actor.term.started_at),
                    ..self.stamp()
                });
                let full = self.runtime.full_of(instance.clone(), frame.clone(), arrived, last);
                match self.most {
                    0 => self.runtime.undecided_fan_in(&full).await?,
                    _ => self.runtime.sketched_fan_in(&full)?,
                }
            }
            settled => settled,
        };
        self.tell(told, node, &instance, since, || match settled {
            None if late => InstanceState::Late,
            None if waits => InstanceState::Waiting { arrived: there, of: frame.of },
            _ => state(self, node, settled.as_ref()),
        });
        let left = Fork { join, turns, vars: frame.vars, branches: left, first };
        Ok((settled, Continuation::Fork(left)))
    }

    async fn branch(&self, stretch: Stretch) -> Result<(Continuation, Vec<InstanceReport>), Fault> {
        let returned = match stretch.arrived.as_ref().map(|arrived| &arrived.ended) {
            Some(Ended::Returned(value)) => Some(Continuation::Return(value.clone())),
            Some(Ended::Err(value)) => Some(Continuation::Err(value.clone())),
            _ => None,
        };
        if self.room.load(Relaxed) == 0
            && let Some(returned) = returned
        {
            self.truncated.fetch_or(self.most > 0, Relaxed);
            return Ok((returned, Vec::new()));
        }
        let (left, told) = Box::pin(self.through(stretch)).await?;
        Ok((returned.unwrap_or(left), told))
    }

    async fn settled(&self, instance: &Instance, node: &NodeDef) -> Result<Option<Settled>, Fault> {
        if self.most == 0 {
            return self.runtime.settled(instance, node).await;
        }
        let sketched = self.runtime.sketched(instance, node).await?;
        Ok(sketched.map(|(settled, whole)| {
            self.truncated.fetch_or(!whole, Relaxed);
            settled
        }))
    }

    fn tell(
        &self,
        told: &mut Vec<InstanceReport>,
        node: &'static NodeDef,
        instance: &Instance,
        since: Timestamp,
        state: impl FnOnce() -> InstanceState,
    ) {
        let take = |room: usize| room.checked_sub(1);
        if self.most == 0 {
            return;
        }
        if self.room.fetch_update(Relaxed, Relaxed, take).is_err() {
            self.truncated.store(true, Relaxed);
            return;
        }
        let path = path(&instance.frames, &instance.turns);
        told.push(InstanceReport { node: node.name, path, since, state: state() });
    }

    fn node(&self, node: NodeIndex) -> Result<&'static NodeDef, Fault> {
        self.runtime
            .definition
            .node(node)
            .ok_or_else(|| Fault::Poison(format!("refused a row: there is no node {node}")))
    }

    fn instance(&self, frames: &[Frame], turns: &[u32], node: NodeIndex) -> Instance {
        let (frames, turns) = (frames.to_vec(), turns.to_vec());
        Instance { actor: self.actor.clone(), frames, node, turns, objects: 0, ran: Ran::default() }
    }

    fn stamp(&self) -> Stamp {
        self.runtime.stamp(self.actor)
    }

    fn at(&self, stamp: &Stamp) -> Timestamp {
        self.actor.term.started_at.saturating_add(stamp.at_ms)
    }
}

fn state(survey: &Survey<'_>, node: &NodeDef, settled: Option<&Settled>) -> InstanceState {
    let on = |stamp: &Stamp| {
        let cloud = survey.runtime.definition.clouds.get(usize::from(stamp.on));
        cloud.map_or("an unknown cloud", |cloud| cloud.name)
    };
    let committed = |stamp: &Stamp| InstanceState::Committed {
        at: survey.at(stamp),
        on: on(stamp),
        attempt: stamp.attempt,
    };
    match settled {
        None | Some(Settled::Gone) => InstanceState::Running,
        Some(Settled::Next(Next { stamp, .. })) => committed(stamp),
        Some(Settled::Ended(Arrived { ended, stamp, .. })) => match ended {
            Ended::Returned(_) | Ended::Err(_) => committed(stamp),
            // The end of the run, where the failure of another instance was first.
            Ended::Failed(failure) if failure.at != node.name => InstanceState::Running,
            Ended::Failed(failure) => {
                InstanceState::Failed { at: survey.at(stamp), on: on(stamp), failure: failure.clone() }
            }
            Ended::Cancelled => InstanceState::Cancelled { at: survey.at(stamp) },
        },
    }
}

fn stored_values<'c>(continuation: &'c mut Continuation, values: &mut Vec<&'c mut Value>) {
    let mut add = |value: &'c mut Value| {
        if matches!(value, Value::Stored(_)) {
            values.push(value);
        }
    };
    match continuation {
        Continuation::Return(value) | Continuation::Err(value) => add(value),
        Continuation::Call(Call { args, vars, .. }) => {
            add(args);
            vars.iter_mut().for_each(|(_, value)| add(value));
        }
        Continuation::Fork(Fork { vars, branches, .. }) => {
            vars.iter_mut().for_each(|(_, value)| add(value));
            branches.iter_mut().for_each(|branch| stored_values(branch, values));
        }
    }
}
