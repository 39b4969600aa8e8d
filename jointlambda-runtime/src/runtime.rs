//! A deployment as one function sees it: the workflow's tables and code, and the clouds.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;

use crate::{
    backend::{Backend, Band, Check, IndexPart, Table, Timestamp},
    batch::rows::Crowds,
    commit::Actor,
    definition::{CloudIndex, Definition, FunctionDef},
    envelope::{CloudSet, Stamp, Term},
    error::Fault,
    health::Health,
    id::DeploymentId,
    machine::{Code, Workflow},
    provider::Prices,
    repeats::Repeats,
};

/// What may be set per deployment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long rows stay after they are written; at least until the run's deadline has passed
    /// and what then runs has ended. Later events are dropped unread, so that no event of a run
    /// outlives the rows that make it harmless.
    pub retention: Duration,
    /// How long after its start a run that has not ended is first looked at by a sweep. Later looks
    /// are a quarter of the run's age apart, an hour at most.
    ///
    /// A call whose one delivery takes no longer than this is first sent again when it has been open
    /// for so long. A longer one is not, while its platform may still deliver its event: all
    /// deliveries and the waits between them. Each repetition waits for twice as long as the one
    /// before it.
    pub check_after: Duration,
    /// How long after its start a run that has not ended is failed.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            retention: Duration::from_secs(8 * 24 * 3600),
            check_after: Duration::from_secs(60),
            deadline: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// A workflow and the clouds it is deployed on.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) definition: &'static Definition,
    pub(crate) code: &'static Code,
    pub(crate) clouds: Arc<[Backend]>,
    pub(crate) options: Options,
    /// Shared by all copies of this: which clouds take invocations.
    pub(crate) health: Arc<Health>,
    /// The cloud where this code runs, for the record only: no outcome depends on it.
    pub(crate) here: CloudIndex,
    /// What this is a part of.
    pub(crate) deployment: DeploymentId,
    /// Shared by all copies of this: how many calls gather at a time.
    pub(crate) crowds: Arc<Crowds>,
    /// Held by the one walk through a very wide run that goes on at a time.
    pub(crate) wide: Arc<Mutex<()>>,
}

/// How long after the deadline of its run a row stays at least, beside the longest execution and the
/// time until the next sweep: more than the clocks of clouds and machines differ, and a sweep takes.
const CLOCKS_DIFFER: Duration = Duration::from_secs(3600);
/// The longest time between two looks at a run.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// For how long a run is looked at before older ones.
const YOUNG_FOR: Duration = Duration::from_secs(8 * 60);

impl Runtime {
    /// The workflow `W` on `clouds`, which are in the order of the definition's.
    ///
    /// # Panics
    /// When there are not as many clouds as the definition has, or more than 64.
    pub fn new<W: Workflow>(clouds: impl Into<Arc<[Backend]>>, options: Options) -> Self {
        let (definition, clouds) = (W::definition(), clouds.into());
        assert_eq!(clouds.len(), definition.clouds.len(), "one backend per cloud of the workflow");
        assert!(clouds.len() <= CloudSet::BITS as usize, "a workflow has at most {} clouds", CloudSet::BITS);
        let health = Arc::new(Health::of(clouds.len()));
        let tables = clouds.iter().map(|cloud| &*cloud.place);
        let deployment = DeploymentId::of(definition.name, definition.hash, tables);
        let (code, here, wide) = (W::code(), definition.home, Arc::default());
        let crowds = Arc::new(Crowds::of(definition));
        Runtime { definition, code, clouds, options, health, here, deployment, crowds, wide }
    }

    /// The same as it runs on `cloud`: outcomes that are decided here are recorded as decided
    /// there. Without, it is the home cloud.
    #[must_use]
    pub fn on(self, cloud: CloudIndex) -> Self {
        Runtime { here: cloud, ..self }
    }

    /// The cloud where this code runs.
    #[cfg(any(feature = "aws", feature = "aliyun"))]
    pub(crate) fn here(&self) -> &Backend {
        &self.clouds[usize::from(self.here)]
    }

    /// The deployment that this is a part of.
    pub fn deployment(&self) -> DeploymentId {
        self.deployment
    }

    /// The backend of a cloud.
    pub(crate) fn cloud(&self, index: CloudIndex) -> Result<&Backend, Fault> {
        self.clouds.get(usize::from(index)).ok_or_else(|| Fault::Poison(format!("there is no cloud {index}")))
    }

    /// What rows, invocations and objects cost on a cloud, wherever it really is.
    pub(crate) fn prices(&self, cloud: CloudIndex) -> &'static Prices {
        self.clouds[usize::from(cloud)].provider.prices()
    }

    /// The clouds where `function` may run, its own first. Of clouds that are the same in this
    /// deployment there is one, so that nobody goes to where he was refused as to another place.
    pub(crate) fn placements(&self, function: &FunctionDef) -> Vec<CloudIndex> {
        let mut all: Vec<_> = function.placements().map(|cloud| self.first_same(cloud)).collect();
        let mut seen: CloudSet = 0;
        all.retain(|cloud| {
            let is_new = seen & (1 << cloud) == 0;
            seen |= 1 << cloud;
            is_new
        });
        all
    }

    /// The largest envelope of `function` that every cloud takes on which it may run.
    pub(crate) fn envelope_limit(&self, function: &FunctionDef) -> usize {
        let limit = |cloud| self.clouds[usize::from(cloud)].provider.limits().async_payload_bytes;
        function.placements().map(limit).min().unwrap_or(0)
    }

    /// The first cloud that is the same as this one: itself, in most deployments.
    pub(crate) fn first_same(&self, cloud: CloudIndex) -> CloudIndex {
        let own = &self.clouds[usize::from(cloud)].functions;
        let same = self.clouds.iter().position(|other| Arc::ptr_eq(&other.functions, own));
        same.map_or(cloud, |index| index as CloudIndex)
    }

    /// How long calls of `function` may be open before they are sent again.
    pub(crate) fn repeats(&self, function: &FunctionDef) -> Repeats {
        let check_after = self.options.check_after.as_millis() as u64;
        Repeats::of(function, check_after, |cloud| self.clouds[usize::from(cloud)].provider)
    }

    /// How long a call of any function may be open before it is sent again, in milliseconds.
    pub(crate) fn least_repeat_ms(&self) -> u64 {
        let all = self.definition.functions.iter().map(|function| self.repeats(function).first_ms);
        all.min().unwrap_or(0)
    }

    /// The part of the run index where a run of this age belongs.
    pub(crate) fn part_of(&self, age_ms: u64) -> IndexPart {
        let is_young = age_ms < YOUNG_FOR.as_millis() as u64;
        IndexPart { deployment: self.deployment, band: if is_young { Band::Young } else { Band::Old } }
    }

    /// When a run that was started at `started_at` and is looked at now is to be looked at next.
    pub(crate) fn next_check(&self, term: &Term, now: Timestamp) -> Check {
        let next = now.saturating_add(self.pause(now.saturating_sub(term.started_at)));
        // Not long after its deadline either.
        let at = next.min(term.deadline.max(now.saturating_add(self.pause(0))));
        Check { part: self.part_of(at.saturating_sub(term.started_at)), at }
    }

    /// How long after a look at `now` a run is looked at again, in milliseconds: the older it is,
    /// the longer, so that all looks together cost no more than a few walks through the whole run.
    pub(crate) fn pause(&self, age_ms: u64) -> u64 {
        let first = self.options.check_after.as_millis() as u64;
        (age_ms / 4).clamp(first, first.max(LONGEST_PAUSE.as_millis() as u64))
    }

    /// When a run that starts now began and must have ended.
    pub(crate) fn term_from(&self, now: Timestamp) -> Term {
        Term { started_at: now, deadline: now.saturating_add(self.options.deadline.as_millis() as u64) }
    }

    /// When a row of a run of this term, written now, may disappear.
    pub(crate) fn expires_at(&self, table: &dyn Table, term: &Term) -> Timestamp {
        let last = term.deadline.saturating_add(self.afterwards());
        last.max(table.now().saturating_add(self.options.retention.as_millis() as u64))
    }

    /// How long after the deadline of a run its rows may still be needed, in milliseconds: by a
    /// function that runs then, and by the sweep that comes to it and fails it.
    pub(crate) fn afterwards(&self) -> u64 {
        let longest = self.definition.functions.iter().map(FunctionDef::delivery_ms).max();
        longest.unwrap_or(0).saturating_add(self.pause(0)).saturating_add(CLOCKS_DIFFER.as_millis() as u64)
    }

    /// The term of a run that begins now and has ended for good when rows go that are kept until
    /// then; none, when that leaves no time for a sweep.
    pub(crate) fn term_within(&self, now: Timestamp, kept_until: Timestamp) -> Option<Term> {
        let term = self.term_from(now);
        let latest = kept_until.saturating_sub(self.afterwards());
        (latest >= now.saturating_add(self.pause(0)))
            .then_some(Term { deadline: term.deadline.min(latest), ..term })
    }

    /// What is recorded of an outcome that `actor` decides now.
    pub(crate) fn stamp(&self, actor: &Actor) -> Stamp {
        Stamp {
            event: actor.event,
            at_ms: self.now().saturating_sub(actor.term.started_at),
            on: self.here,
            attempt: actor.attempt,
            took_ms: actor.took_ms(),
            ran: 0,
            is_err: false,
        }
    }
}
