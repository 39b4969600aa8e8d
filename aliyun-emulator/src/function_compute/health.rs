//! Health checks: how they are configured, and what an instance's checks have come to.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::function::within;
use crate::{clock::Timestamp, http::Refusal};

const MAX_URL: usize = 2048;

/// How instances are checked, with the defaults and ranges of the service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Check {
    pub(super) http_get_url: String,
    pub(super) initial_delay_seconds: u64,
    pub(super) period_seconds: u64,
    pub(super) timeout_seconds: u64,
    pub(super) failure_threshold: u64,
    pub(super) success_threshold: u64,
    #[serde(flatten)]
    other: Map<String, Json>,
}

impl Default for Check {
    fn default() -> Self {
        Check {
            http_get_url: String::new(),
            initial_delay_seconds: 0,
            period_seconds: 3,
            timeout_seconds: 1,
            failure_threshold: 3,
            success_threshold: 1,
            other: Map::new(),
        }
    }
}

impl Check {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        within("healthCheckConfig.httpGetUrl", self.http_get_url.len() as u64, 1..=MAX_URL as u64)?;
        within("healthCheckConfig.initialDelaySeconds", self.initial_delay_seconds, 0..=120)?;
        within("healthCheckConfig.periodSeconds", self.period_seconds, 1..=120)?;
        within("healthCheckConfig.timeoutSeconds", self.timeout_seconds, 1..=3)?;
        within("healthCheckConfig.failureThreshold", self.failure_threshold, 1..=120)?;
        within("healthCheckConfig.successThreshold", self.success_threshold, 1..=120)
    }

    /// The path that is asked for: of a URL, or as it is.
    pub(super) fn path(&self) -> String {
        let rest = self
            .http_get_url
            .split_once("://")
            .map_or(&*self.http_get_url, |(_, rest)| rest.find('/').map_or("/", |slash| &rest[slash..]));
        if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") }
    }
}

/// What the checks of an instance have come to.
#[derive(Debug, Default)]
pub(super) struct Health {
    is_ill: bool,
    /// How many checks in a row said otherwise.
    against: u64,
    next_ms: Timestamp,
}

impl Health {
    pub(super) fn is_ill(&self) -> bool {
        self.is_ill
    }

    /// Whether it is time for a check; the next one is a period later then.
    pub(super) fn is_due(&mut self, check: &Check, now: Timestamp) -> bool {
        let due = now >= self.next_ms;
        if due {
            self.next_ms = now.saturating_add(check.period_seconds.saturating_mul(1000));
        }
        due
    }

    /// Takes what a check has found.
    pub(super) fn note(&mut self, check: &Check, passed: bool) {
        if passed != self.is_ill {
            self.against = 0;
            return;
        }
        self.against += 1;
        let enough = if passed { check.success_threshold } else { check.failure_threshold };
        if self.against >= enough {
            *self = Health { is_ill: !passed, against: 0, next_ms: self.next_ms };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_checks_in_a_row_make_it_ill_and_well_again() {
        let check = Check { failure_threshold: 3, success_threshold: 2, ..Check::default() };
        let mut health = Health::default();
        let after = |health: &mut Health, passed: &[bool]| {
            passed.iter().for_each(|passed| health.note(&check, *passed));
            health.is_ill()
        };
        assert!(!after(&mut health, &[false, false, true, false, false]));
        assert!(after(&mut health, &[false]));
        assert!(after(&mut health, &[true, false, true]));
        assert!(!after(&mut health, &[true]));
        assert!(!after(&mut health, &[false, false]));
    }

    #[test]
    fn a_check_is_due_once_in_a_period() {
        let (check, mut health) = (Check::default(), Health::default());
        let due: Vec<_> = [0, 2999, 3000, 3001, 9000].map(|now| health.is_due(&check, now)).into();
        assert_eq!(due, [true, false, true, false, true]);
    }

    #[test]
    fn what_is_asked_for_is_the_path_of_the_url() {
        let path = |url: &str| Check { http_get_url: url.to_owned(), ..Check::default() }.path();
        assert_eq!(path("/ready?x=1"), "/ready?x=1");
        assert_eq!(path("ready"), "/ready");
        assert_eq!(path("http://127.0.0.1:9000/ready"), "/ready");
        assert_eq!(path("http://127.0.0.1:9000"), "/");
    }
}
