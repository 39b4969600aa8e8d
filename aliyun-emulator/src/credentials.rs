//! Temporary credentials, as STS gives them for a role: issued, known by their ids, and refused without
//! their token or once they have expired, by the emulator's clock.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use aliyun_wire::AccessKey;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::clock::Timestamp;

/// How many sets are known at once, expired ones among them; the one that expires first is forgotten first.
const MAX_SETS: usize = 10_000;
const ID_LENGTH: usize = 25;
const SECRET_LENGTH: usize = 44;
const TOKEN_BYTES: usize = 180;

/// A temporary access key with its security token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Has its token.
    pub key: AccessKey,
    /// When it is refused, by the emulator's clock.
    pub expires_ms: Timestamp,
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// There is no such key.
    Unknown,
    /// A temporary key came without its token.
    NoToken,
    /// A temporary key came with another token.
    OtherToken,
    /// A key that is not temporary came with a token.
    NotTemporary,
    /// It has expired.
    Expired,
}

/// All keys that may sign.
pub(crate) struct Keys {
    lasting: Vec<AccessKey>,
    issued: Mutex<Issued>,
}

#[derive(Default)]
struct Issued {
    by_id: HashMap<String, Credentials>,
    /// The last set of each role, and when it was issued.
    of_roles: BTreeMap<String, (Credentials, Timestamp)>,
}

impl Keys {
    /// Those that do not expire.
    pub(crate) fn new(lasting: Vec<AccessKey>) -> Self {
        Keys { lasting, issued: Mutex::default() }
    }

    /// A new set that expires after a time.
    pub(crate) fn issue(&self, now: Timestamp, valid_ms: u64) -> Credentials {
        self.lock().issue(now, valid_ms)
    }

    /// The set of a role: the last one, or a new one once half of its time is over.
    pub(crate) fn of_role(&self, role: &str, now: Timestamp, valid_ms: u64) -> Credentials {
        let mut issued = self.lock();
        let last = issued.of_roles.get(role);
        if let Some((last, _)) = last.filter(|(_, since)| now.saturating_sub(*since) < valid_ms / 2) {
            return last.clone();
        }
        let next = issued.issue(now, valid_ms);
        issued.of_roles.insert(role.to_owned(), (next.clone(), now));
        next
    }

    /// The key that a request names, if it comes as it should.
    pub(crate) fn find(&self, id: &str, token: Option<&str>, now: Timestamp) -> Result<AccessKey, Denied> {
        if let Some(key) = self.lasting.iter().find(|key| key.id == id) {
            return match (&key.token, token) {
                (None, None) => Ok(key.clone()),
                (None, Some(_)) => Err(Denied::NotTemporary),
                (Some(_), None) => Err(Denied::NoToken),
                (Some(has), Some(token)) if has == token => Ok(key.clone()),
                (Some(_), Some(_)) => Err(Denied::OtherToken),
            };
        }
        let issued = self.lock();
        let Credentials { key, expires_ms } = issued.by_id.get(id).ok_or(Denied::Unknown)?;
        let token = token.ok_or(Denied::NoToken)?;
        if key.token.as_deref() != Some(token) {
            return Err(Denied::OtherToken);
        }
        if now >= *expires_ms { Err(Denied::Expired) } else { Ok(key.clone()) }
    }

    fn lock(&self) -> MutexGuard<'_, Issued> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issued {
    fn issue(&mut self, now: Timestamp, valid_ms: u64) -> Credentials {
        if self.by_id.len() >= MAX_SETS {
            let first = self.by_id.values().min_by_key(|set| set.expires_ms).map(|set| set.key.id.clone());
            first.map(|id| self.by_id.remove(&id));
        }
        let text = |length: usize| (0..length).map(|_| fastrand::alphanumeric()).collect::<String>();
        let token: Vec<u8> = (0..TOKEN_BYTES).map(|_| fastrand::u8(..)).collect();
        let key = AccessKey::new(format!("STS.{}", text(ID_LENGTH)), text(SECRET_LENGTH))
            .with_token(format!("CAIS{}", STANDARD.encode(token)));
        let set = Credentials { key, expires_ms: now.saturating_add(valid_ms) };
        self.by_id.insert(set.key.id.clone(), set.clone());
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(vec![AccessKey::new("lasting", "secret")])
    }

    #[test]
    fn a_temporary_key_is_taken_with_its_token_and_in_its_time_only() {
        let keys = keys();
        let Credentials { key, expires_ms } = keys.issue(1000, 500);
        let (id, token) = (key.id.as_str(), key.token.as_deref());
        let other = keys.issue(1000, 500).key.token;
        assert_eq!(expires_ms, 1500);
        assert_eq!(keys.find(id, token, 1499), Ok(key.clone()));
        assert_eq!(keys.find(id, token, 1500), Err(Denied::Expired));
        assert_eq!(keys.find(id, None, 1000), Err(Denied::NoToken));
        assert_eq!(keys.find(id, other.as_deref(), 1000), Err(Denied::OtherToken));
        assert_eq!(keys.find("STS.nobody", token, 1000), Err(Denied::Unknown));
        assert_eq!(keys.find("lasting", token, 1000), Err(Denied::NotTemporary));
        assert!(keys.find("lasting", None, u64::MAX).is_ok());
    }

    #[test]
    fn a_role_has_one_set_until_half_of_its_time_is_over() {
        let keys = keys();
        let first = keys.of_role("a", 1000, 1000);
        assert_eq!(keys.of_role("a", 1499, 1000), first);
        assert_ne!(keys.of_role("b", 1499, 1000), first);
        let second = keys.of_role("a", 1500, 1000);
        assert_ne!(second, first);
        assert_eq!((first.expires_ms, second.expires_ms), (2000, 2500));
        assert!(
            keys.find(&first.key.id, first.key.token.as_deref(), 1999).is_ok(),
            "both are good for a while"
        );
    }

    #[test]
    fn the_set_that_expires_first_is_forgotten_first() {
        let keys = keys();
        let first = keys.issue(0, 10).key;
        let second = keys.issue(0, 20).key;
        for _ in 0..MAX_SETS - 1 {
            keys.issue(0, 30);
        }
        assert_eq!(keys.find(&first.id, first.token.as_deref(), 0), Err(Denied::Unknown));
        assert!(keys.find(&second.id, second.token.as_deref(), 0).is_ok());
    }

    #[test]
    fn nothing_shows_a_secret_or_a_token() {
        let set = keys().issue(0, 10);
        let shown = format!("{set:?}");
        assert!(shown.contains(&set.key.id), "{shown}");
        assert!(!shown.contains(&set.key.secret), "{shown}");
        assert!(!shown.contains(set.key.token.as_deref().unwrap()), "{shown}");
    }
}
