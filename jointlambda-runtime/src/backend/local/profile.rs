//! Latency profiles: how long the services of an embedded cloud take, by name.

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

/// How long things take, in milliseconds. A latency of 0 is no wait at all.
///
/// Half of the latency of an operation passes before it takes effect, half after.
///
/// ```
/// use jointlambda_runtime::backend::local::Profile;
///
/// assert_eq!("tokyo".parse(), Ok(Profile::TOKYO));
/// let error = "osaka".parse::<Profile>().unwrap_err();
/// assert_eq!(error.to_string(), "no latency profile is called `osaka`: use none, tokyo, wan or realistic");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What it is called.
    pub name: &'static str,
    /// Until an asynchronous invocation within the cloud is accepted.
    pub invoke_ms: u64,
    /// The same when the caller is elsewhere.
    pub invoke_cross_ms: u64,
    /// From acceptance to delivery.
    pub queue_ms: u64,
    /// An operation on a row within the cloud.
    pub table_ms: u64,
    /// The same when the caller is elsewhere.
    pub table_cross_ms: u64,
    /// An operation on an object within the cloud.
    pub object_ms: u64,
    /// The same when the caller is elsewhere.
    pub object_cross_ms: u64,
    /// Until a new instance of a function is ready.
    pub cold_start_ms: u64,
    /// Before the first redelivery of a failed event; doubled for each further one.
    pub redelivery_ms: u64,
    /// The part, in percent, by which each latency may be longer, drawn at random.
    pub jitter_percent: u8,
}

impl Profile {
    /// No latency: as fast as the machine. Redelivery after 50 ms, 100 ms, …
    pub const NONE: Profile = Profile {
        name: "none",
        invoke_ms: 0,
        invoke_cross_ms: 0,
        queue_ms: 0,
        table_ms: 0,
        table_cross_ms: 0,
        object_ms: 0,
        object_cross_ms: 0,
        cold_start_ms: 0,
        redelivery_ms: 50,
        jitter_percent: 0,
    };

    /// Two providers in one city.
    ///
    /// Measured: a cross-cloud invocation (28 ms), a row operation (31 ms for five), the start of
    /// a bare Rust binary (19 ms). Derived: 8 ms between the clouds, so 20 ms for an invocation
    /// within one; 30 ms of a cold start for the clients of the services. Assumed: objects, and
    /// the queue of the function service.
    pub const TOKYO: Profile = Profile {
        name: "tokyo",
        invoke_ms: 20,
        invoke_cross_ms: 28,
        queue_ms: 5,
        table_ms: 6,
        table_cross_ms: 14,
        object_ms: 15,
        object_cross_ms: 23,
        cold_start_ms: 50,
        ..Profile::NONE
    };

    /// Two regions 40 ms apart (round trip); each as in [`Profile::TOKYO`].
    pub const WAN: Profile = Profile {
        name: "wan",
        invoke_cross_ms: 60,
        table_cross_ms: 46,
        object_cross_ms: 55,
        ..Profile::TOKYO
    };

    /// [`Profile::TOKYO`] with jitter and with the platforms' own redelivery: after 1 minute, then 2.
    pub const REALISTIC: Profile =
        Profile { name: "realistic", redelivery_ms: 60_000, jitter_percent: 20, ..Profile::TOKYO };

    /// Every named profile.
    pub const ALL: [Profile; 4] = [Profile::NONE, Profile::TOKYO, Profile::WAN, Profile::REALISTIC];

    /// How long to wait before delivery number `attempt + 1`.
    pub(super) fn redelivery(&self, attempt: u32) -> Duration {
        /// Doubling stops here: Function Compute waits no longer than 512 s either.
        const MAX_REDELIVERY: Duration = Duration::from_secs(512);
        let doubled = self.redelivery_ms.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        Duration::from_millis(doubled).min(MAX_REDELIVERY)
    }
}

impl Default for Profile {
    fn default() -> Self {
        Profile::NONE
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// No profile has this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no latency profile is called `{name}`: use none, tokyo, wan or realistic")]
pub struct UnknownProfile {
    /// The name.
    pub name: String,
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        let found = Profile::ALL.into_iter().find(|profile| profile.name == name);
        found.ok_or_else(|| UnknownProfile { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_found_by_its_name_and_listed_in_the_error() {
        let error = "".parse::<Profile>().unwrap_err().to_string();
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
            assert!(error.contains(profile.name), "{error} does not list {profile}");
        }
    }

    #[test]
    fn redeliveries_wait_twice_as_long_each_time_up_to_a_bound() {
        assert_eq!(Profile::REALISTIC.redelivery(1), Duration::from_secs(60));
        assert_eq!(Profile::REALISTIC.redelivery(2), Duration::from_secs(120));
        assert_eq!(Profile::REALISTIC.redelivery(u32::MAX), Duration::from_secs(512));
    }
}
