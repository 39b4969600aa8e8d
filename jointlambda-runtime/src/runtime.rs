//! A deployment as one function sees it: the workflow's tables and code, and the clouds.

use std::{sync::Arc, time::Duration};

use crate::{
    backend::{Backend, Table, Timestamp},
    definition::{CloudIndex, Definition},
    envelope::CloudSet,
    error::Fault,
    machine::{Code, Workflow},
    provider::Prices,
};

/// What may be set per deployment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long rows stay after they are written. Longer than the platforms' longest event age
    /// plus their retries (7 days), so that a late event finds the row that makes it harmless.
    pub retention: Duration,
    /// How long after its start, or after the last look, a run that has not ended is looked at
    /// by a sweep; at least the longest timeout of its functions, so that what still runs is not
    /// started again.
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
}

impl Runtime {
    /// The workflow `W` on `clouds`, which are in the order of the definition's.
    ///
    /// # Panics
    /// When there are not as many clouds as the definition has, or more than 64.
    pub fn new<W: Workflow>(clouds: impl Into<Arc<[Backend]>>, options: Options) -> Self {
        let (definition, clouds) = (W::definition(), clouds.into());
        assert_eq!(clouds.len(), definition.clouds.len(), "one backend per cloud of the workflow");
        assert!(clouds.len() <= CloudSet::BITS as usize, "a workflow has at most {} clouds", CloudSet::BITS);
        Runtime { definition, code: W::code(), clouds, options }
    }

    /// The backend of a cloud.
    pub(crate) fn cloud(&self, index: CloudIndex) -> Result<&Backend, Fault> {
        self.clouds.get(usize::from(index)).ok_or_else(|| Fault::Poison(format!("there is no cloud {index}")))
    }

    pub(crate) fn prices(&self, cloud: CloudIndex) -> &'static Prices {
        self.definition.clouds[usize::from(cloud)].cloud.provider.prices()
    }

    /// How long a run is left alone, in milliseconds.
    pub(crate) fn check_after(&self) -> u64 {
        let longest = self.definition.functions.iter().map(|function| function.timeout_ms).max();
        (self.options.check_after.as_millis() as u64).max(longest.unwrap_or(0))
    }

    /// When a row written now may disappear.
    pub(crate) fn expires_at(&self, table: &dyn Table) -> Timestamp {
        table.now() + self.options.retention.as_millis() as u64
    }
}
