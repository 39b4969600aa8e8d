//! What the three services share: the clock, the faults, the access keys and the options.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aliyun_wire::AccessKey;

use crate::{
    clock::Clock,
    credentials::{Credentials, Denied, Keys},
    fault::{Action, Answer, Faults, Service},
    http::{Refusal, Response},
    options::Options,
};

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) options: Options,
    keys: Keys,
    requests: Mutex<Requests>,
}

/// How many requests there were, by service and operation.
pub type Requests = BTreeMap<Service, BTreeMap<String, u64>>;

impl World {
    pub(crate) fn new(options: Options) -> Arc<Self> {
        let faults = Faults::new(options.seed);
        let keys = Keys::new(options.access_keys.clone());
        Arc::new(World { clock: Clock::default(), faults, options, keys, requests: Mutex::default() })
    }

    /// How many requests there were up to now; those that went wrong are among them.
    pub(crate) fn requests(&self) -> Requests {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts from 0 again.
    pub(crate) fn forget_requests(&self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn count(&self, service: Service, operation: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(service).or_default().entry(operation.to_owned()).or_default() += 1;
    }

    /// The key that a request names, if it comes with the token that it should come with.
    pub(crate) fn access_key(&self, id: &str, token: Option<&str>) -> Result<AccessKey, Denied> {
        self.keys.find(id, token, self.clock.now())
    }

    /// New temporary credentials.
    pub(crate) fn credentials(&self, valid: Duration) -> Credentials {
        let valid_ms = u64::try_from(valid.as_millis()).unwrap_or(u64::MAX);
        self.keys.issue(self.clock.now(), valid_ms)
    }

    /// Those that functions of a role get now.
    pub(crate) fn credentials_of(&self, role: &str) -> Credentials {
        self.keys.of_role(role, self.clock.now(), self.options.credentials_s.saturating_mul(1000))
    }

    /// Does what was asked, unless a fault is due: then that.
    pub(crate) async fn with_faults(
        &self,
        service: Service,
        operation: &str,
        target: &str,
        refuse: impl Fn(Refusal) -> Response,
        apply: impl Future<Output = Response>,
    ) -> Option<Response> {
        self.count(service, operation);
        let refuse = |Answer { status, code, message }| refuse(Refusal::new(status, code, message));
        match self.faults.strike(service, operation, target, self.clock.now()) {
            None | Some(Action::Duplicate { .. }) => Some(apply.await),
            Some(Action::Delay { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Some(apply.await)
            }
            Some(Action::DropBefore) => None,
            Some(Action::DropAfter) => {
                apply.await;
                None
            }
            Some(Action::Error(answer)) => Some(refuse(answer)),
            Some(Action::ErrorAfter(answer)) => {
                apply.await;
                Some(refuse(answer))
            }
        }
    }
}

/// A request id: unique, in the form of the services.
pub(crate) fn request_id() -> String {
    format!(
        "{:08X}-{:04X}-{:04X}-{:012X}",
        fastrand::u32(..),
        fastrand::u16(..),
        fastrand::u16(..),
        fastrand::u64(..) >> 16
    )
}
