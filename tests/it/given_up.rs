//! A platform that gives up on one event of a run, for each cause, and says so at a moment of choice:
//! while the run goes on, is cancelled, or is redriven.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Cause, Fault, Workflow,
    backend::{
        Arrival, Arrived, Backend, Created, Delivery, Handler, NewRow, Row, StoreError, Table,
        fault::{Faults, Schedule},
        local::virtual_time,
    },
    envelope::Envelope,
    id::{RowKey, RunId},
};
use tokio::sync::Notify;

use crate::{
    faulty::{DELIVERIES, MakeParts, Parts, attempt, report, say, sound},
    layers::{self, TableLayer, over_tables},
    many_faults::{chain::Chain, fan::Fan, turns::Turns},
};

/// When the platform gives up if the run never begins the operation that it is to wait for.
const AT_LAST: Duration = Duration::from_secs(300);

/// How far the deliveries came of an event that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Died {
    /// None did anything.
    Before,
    /// One decided its instance and died then.
    After,
}

/// On which event of a run the platform gives up, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GivenUp {
    /// Its number among those of the run that are delivered, in order of their first delivery.
    pub(crate) event: usize,
    pub(crate) died: Died,
    /// What it says is to blame.
    pub(crate) cause: Cause,
    /// Once this operation has begun.
    pub(crate) at: u64,
}

impl GivenUp {
    pub(crate) const PREFIX: &str = "event";
    const CAUSES: [Cause; 2] = [Cause::Call, Cause::Surroundings];

    /// How its cause is written: that of most is the call.
    fn cause(cause: Cause) -> &'static str {
        if cause == Cause::Call { "" } else { "ForSurroundings" }
    }
}

impl fmt::Display for GivenUp {
    /// As [`FromStr`] reads it: `event1:GivenUpBefore@18`, `event1:GivenUpAfterForSurroundings@7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GivenUp { event, died, cause, at } = self;
        write!(f, "{}{event}:GivenUp{died:?}{}@{at}", Self::PREFIX, Self::cause(*cause))
    }
}

impl FromStr for GivenUp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (event, rest) = text.strip_prefix(Self::PREFIX)?.split_once(":GivenUp")?;
            let (how, at) = rest.split_once('@')?;
            let all = Died::ALL.into_iter().flat_map(|died| Self::CAUSES.map(|cause| (died, cause)));
            let (died, cause) =
                all.into_iter().find(|(died, cause)| format!("{died:?}{}", Self::cause(*cause)) == how)?;
            Some(GivenUp { event: event.parse().ok()?, died, cause, at: at.parse().ok()? })
        };
        read().ok_or_else(|| format!("`{text}` is not like event1:GivenUpBefore@18"))
    }
}

impl Died {
    pub(crate) const ALL: [Died; 2] = [Died::Before, Died::After];
}

tokio::task_local! {
    /// Stops the delivery of an event that is to be given up, once it has decided something.
    static DYING: Arc<Notify>;
}

/// The platform of one run.
pub(crate) struct Platform {
    wanted: GivenUp,

    run: RunId,
    faults: OnceLock<Arc<Faults>>,
    /// The events of the run up to now.
    seen: Mutex<Vec<Bytes>>,
    /// Whether it gave up at the operation that it was to wait for.
    gave_up: AtomicBool,
}

impl Platform {
    /// That of the run of `W` that `key` names.
    pub(crate) fn of<W: Workflow>(key: &str, wanted: GivenUp) -> Arc<Self> {
        let definition = W::definition();
        Arc::new(Platform {
            wanted,
            run: RunId::derive(definition.name, key),
            faults: OnceLock::new(),
            seen: Mutex::default(),
            gave_up: AtomicBool::new(false),
        })
    }

    /// How many events of the run were delivered.
    pub(crate) fn events(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Whether it gave up on the event when it was to.
    pub(crate) fn gave_up(&self) -> bool {
        self.gave_up.load(Relaxed)
    }

    /// Whether it is the event that is given up, and is delivered for the first time.
    fn is_wanted(&self, wire: &Bytes) -> Option<bool> {
        let envelope = Envelope::peek(wire)?;
        if envelope.run != self.run {
            return None;
        }
        let mut seen = self.seen.lock().unwrap();
        let number = seen.iter().position(|one| one == wire);
        let is_first = number.is_none();
        let number = number.unwrap_or(seen.len());
        if is_first {
            seen.push(wire.clone());
        }
        (number == self.wanted.event).then_some(is_first)
    }
}

/// The platform as a part of a deployment.
pub(crate) struct GivesUp(pub(crate) Arc<Platform>);

/// The same, over a runtime that a mutant may change.
struct GivesUpOn(GivesUp, Receives);

/// Makes of the runtime what receives the events of a platform, which a mutant may change.
pub(crate) type Receives = fn(Arc<dyn Handler>) -> Arc<dyn Handler>;

impl Parts for GivesUpOn {
    fn begins(&self, faults: &Arc<Faults>) {
        self.0.begins(faults);
    }

    fn backends(&self, cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        self.0.backends(cloud, sound)
    }

    fn handler(&self, sound: Arc<dyn Handler>) -> Arc<dyn Handler> {
        self.0.handler((self.1)(sound))
    }

    fn gives_up(&self) -> bool {
        self.0.gives_up()
    }
}

impl Parts for GivesUp {
    fn begins(&self, faults: &Arc<Faults>) {
        let _ = self.0.faults.set(faults.clone());
    }

    fn backends(&self, _cloud: usize, sound: Vec<Backend>) -> Vec<Backend> {
        over_tables(sound, |_, table| layers::table(Deciding(table)))
    }

    fn handler(&self, sound: Arc<dyn Handler>) -> Arc<dyn Handler> {
        Arc::new(Giving { platform: self.0.clone(), sound })
    }

    fn gives_up(&self) -> bool {
        true
    }
}

struct Giving {
    platform: Arc<Platform>,
    sound: Arc<dyn Handler>,
}

#[async_trait]
impl Handler for Giving {
    async fn handle(&self, function: &str, wire: Bytes, delivery: Delivery) -> Result<(), Fault> {
        let Platform { wanted, faults, gave_up, .. } = &*self.platform;
        let Some(is_first) = self.platform.is_wanted(&wire) else {
            return self.sound.handle(function, wire, delivery).await;
        };
        let given_up = jointlambda::GivenUp {
            cause: wanted.cause,
            why: "no delivery came to an end".to_owned(),
            attempts: DELIVERIES as u32,
        };
        if !is_first {
            // It was told before, and failed with that.
            return self.sound.abandon(function, wire, given_up).await;
        }
        if wanted.died == Died::After {
            let dying = Arc::<Notify>::default();
            tokio::select! {
                biased;
                done = DYING.scope(dying.clone(), self.sound.handle(function, wire.clone(), delivery)) => return done,
                () = dying.notified() => {}
            }
        }
        let faults = faults.get().expect("the trial has begun");
        tokio::select! {
            () = faults.reached(wanted.at) => gave_up.store(true, Relaxed),
            () = tokio::time::sleep(AT_LAST) => {}
        }
        self.sound.abandon(function, wire, given_up).await
    }

    async fn abandon(
        &self,
        function: &str,
        wire: Bytes,
        given_up: jointlambda::GivenUp,
    ) -> Result<(), Fault> {
        self.sound.abandon(function, wire, given_up).await
    }
}

/// A table with which a delivery that is dying comes as far as its first write.
struct Deciding(Arc<dyn Table>);

/// Ends the delivery here, if it is dying.
async fn die() {
    if let Ok(dying) = DYING.try_with(Arc::clone) {
        dying.notify_one();
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl TableLayer for Deciding {
    fn beneath(&self) -> &dyn Table {
        &*self.0
    }

    async fn create(&self, key: &RowKey, row: NewRow) -> Result<Created, StoreError> {
        let created = self.0.create(key, row).await;
        die().await;
        created
    }

    async fn get_many(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        self.0.get_many(keys).await
    }

    async fn arrive(&self, key: &RowKey, arrival: Arrival) -> Result<Arrived, StoreError> {
        let arrived = self.0.arrive(key, arrival).await;
        die().await;
        arrived
    }
}

/// What came of runs on whose events a platform gave up.
#[derive(Default)]
pub(crate) struct Tried {
    /// What went wrong.
    pub(crate) failures: Vec<String>,
    runs: usize,
    /// How many of them failed.
    failed: usize,
}

/// Runs `W` while its platform gives up for `cause` on an event of it: on each, at each operation from
/// then on.
pub(crate) fn give_up<W: Workflow>(receives: Receives, input: &W::Input, cause: Cause) -> Tried
where
    W::Input: Clone,
    W::Output: PartialEq + fmt::Debug,
{
    let expected = virtual_time(0, W::plain(input.clone()));
    let attempt = |parts: MakeParts<'_>| {
        attempt::<W>(
            parts,
            std::slice::from_ref(input),
            &|_, output| *output == expected,
            &Schedule::default(),
        )
    };
    let calm = attempt(&sound).unwrap_or_else(|why| panic!("{why}")).operations.len() as u64;
    let mut tried = Tried::default();
    for died in Died::ALL {
        for event in 0.. {
            let mut events = 0;
            for at in 0..calm {
                let given_up = GivenUp { event, died, cause, at };
                let platform = Platform::of::<W>("key 0", given_up);
                match attempt(&|| Box::new(GivesUpOn(GivesUp(platform.clone()), receives))) {
                    Ok(trial) if trial.failures.is_empty() => {}
                    Ok(trial) if cause == Cause::Surroundings => {
                        tried.failures.push(format!("{given_up}: the run failed: {}", trial.failures[0]));
                    }
                    Ok(_) => tried.failed += 1,
                    Err(why) => tried.failures.push(format!("{given_up}: {why}")),
                }
                tried.runs += 1;
                events = events.max(platform.events());
                if !platform.gave_up() {
                    // Without this event there are fewer operations.
                    break;
                }
            }
            if event >= events {
                break;
            }
        }
    }
    tried
}

fn is_given_up<W: Workflow>(input: &W::Input, cause: Cause)
where
    W::Input: Clone,
    W::Output: PartialEq + fmt::Debug,
{
    let Tried { failures, runs, failed } = give_up::<W>(|sound| sound, input, cause);
    let name = W::definition().name;
    say(format_args!("`{name}`: {runs} runs given up for {cause:?}, {failed} of them failed"));
    report::<W>(&failures);
    assert!(runs > 20 && (failed > 0) == (cause == Cause::Call), "{failed} of {runs} runs failed");
}

#[test]
fn what_a_platform_gives_up_for_its_surroundings_fails_no_run() {
    is_given_up::<Chain>(&3, Cause::Surroundings);
    is_given_up::<Fan>(&vec![2, 1, 5], Cause::Surroundings);
    is_given_up::<Turns>(&1, Cause::Surroundings);
}

#[test]
fn what_a_platform_gives_up_for_the_call_fails_its_run_once_or_not_at_all() {
    is_given_up::<Chain>(&3, Cause::Call);
    is_given_up::<Fan>(&vec![2, 1, 5], Cause::Call);
    is_given_up::<Turns>(&1, Cause::Call);
}
