//! Stands before TableStore or OSS and damages one answer, or gives one in the service's place: what must
//! not be taken for an answer.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use aliyun_wire::{
    AccessKey, digest,
    tablestore::{message, sign::Signing},
};
use prost::Message as _;

use crate::exchange::{self, Asked, http};

/// What plain buffers begin with.
const PLAIN_BUFFER: [u8; 4] = [0x75, 0, 0, 0];
const PAGE: &[u8] = b"<!DOCTYPE html>\n<html><body><h1>Please sign in</h1></body></html>\n";

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Its signature is that of another key.
    Signature,
    /// The digest of its body is that of another.
    Digest,
    /// The checksum of its object is that of another.
    Checksum,
    /// A bit of its body is another.
    Bit,
    /// A bit of a row in it is another, and that is what was signed.
    SignedBit,
    /// It ends early, and says that it is longer.
    Broken,
    /// It ends early, as if that was all.
    Half,
    /// It has no body, where there was one.
    Bare,
    /// It has no body, where there was one, and that is what was signed.
    SignedBare,
    /// It has a success, and nothing else.
    Empty,
    /// It is a page of a proxy, with this status.
    Page(u16),
    /// Its body is no message.
    Garbage,
    /// Its body is no message, and that is what was signed.
    SignedGarbage,
    /// It says that it is longer than anything that is asked for.
    Huge,
    /// It says that a condition is not met, and nobody signed it.
    Condition,
}

/// Which answer is damaged.
#[derive(Clone, Debug)]
struct Rule {
    operation: String,
    skip: u32,
    is_done: bool,
    damage: Damage,
}

/// A proxy that runs for as long as the process.
pub struct Damager {
    /// Where it listens.
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    rule: Option<Rule>,
    happened: u32,
}

impl Damager {
    /// A proxy before the service at `service`, which signs with `key` what it damages.
    pub fn before(service: SocketAddr, key: &AccessKey) -> Self {
        let (service, key) = (service.to_string(), key.clone());
        let state = Arc::new(Mutex::<State>::default());
        let shared = state.clone();
        let url = exchange::serve(move |asked| match due(&shared, asked) {
            None => asked.passed_on(&service),
            Some(rule) => {
                let answer = if rule.is_done {
                    Answer::parse(&asked.passed_on(&service)?)?
                } else {
                    Answer::default()
                };
                let damaged = answer.damaged(asked, rule.damage, &key);
                shared.lock().unwrap_or_else(PoisonError::into_inner).happened +=
                    u32::from(damaged.is_some());
                Some(damaged.unwrap_or_else(|| answer.written(None)))
            }
        });
        Damager { url, state }
    }

    /// Of the requests from now on for an operation, after `skip` others, one is answered so. It is done
    /// all the same where it `is_done`.
    pub fn damage(&self, operation: &str, skip: u32, is_done: bool, damage: Damage) {
        let rule = Rule { operation: operation.to_owned(), skip, is_done, damage };
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State { rule: Some(rule), happened: 0 };
    }

    /// How many answers were damaged since it was told to.
    pub fn happened(&self) -> u32 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).happened
    }
}

/// What becomes of the answer to this request, if anything.
fn due(state: &Mutex<State>, asked: &Asked) -> Option<Rule> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let rule = state.rule.as_mut().filter(|rule| rule.operation == operation(asked))?;
    if rule.skip > 0 {
        rule.skip -= 1;
        return None;
    }
    state.rule.take()
}

/// What the request is called in the service's documentation.
fn operation(asked: &Asked) -> String {
    let mut words = asked.line().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match method {
        "POST" => target.trim_start_matches('/').to_owned(),
        "PUT" => "PutObject".to_owned(),
        "DELETE" => "DeleteObject".to_owned(),
        _ if target.contains("list-type=2") => "ListObjectsV2".to_owned(),
        _ => "GetObject".to_owned(),
    }
}

/// An answer of the service.
#[derive(Clone, Default)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Answer> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let pair =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = head.lines().skip(1).filter_map(pair);
        let headers = headers.filter(|(name, _)| !["content-length", "connection"].contains(&name.as_str()));
        Some(Answer { status, headers: headers.collect(), body: bytes[end..].to_vec() })
    }

    /// As it is sent, with another length than it has if told so.
    fn written(&self, length: Option<u64>) -> Vec<u8> {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let sent = http(self.status, &headers, &self.body);
        let Some(length) = length else { return sent };
        let end = sent.len() - self.body.len();
        let head = String::from_utf8_lossy(&sent[..end]);
        let is = format!("content-length: {}\r\n", self.body.len());
        let mut sent = head.replace(&is, &format!("content-length: {length}\r\n")).into_bytes();
        sent.extend_from_slice(&self.body);
        sent
    }

    fn set(&mut self, name: &str, value: String) -> Option<()> {
        self.headers.iter_mut().find(|(other, _)| other == name).map(|(_, old)| *old = value)
    }

    /// Signs it anew, as TableStore would.
    fn sign(&mut self, asked: &Asked, key: &AccessKey) -> Option<()> {
        let signing = Signing::of(&asked.headers(), key).ok()?;
        self.set("x-ots-contentmd5", digest::md5_base64(&self.body))?;
        let signed: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let authorization = signing.authorization(&key.id, &operation(asked), &signed);
        self.set("authorization", authorization)
    }

    /// What is sent in its place; nothing where there is nothing of the kind to damage.
    fn damaged(&self, asked: &Asked, damage: Damage, key: &AccessKey) -> Option<Vec<u8>> {
        let mut answer = self.clone();
        let mut length = None;
        match damage {
            Damage::Signature => {
                let other = AccessKey::new(key.id.clone(), "of another");
                answer.sign(asked, &other)?;
            }
            Damage::Digest => answer.set("x-ots-contentmd5", digest::md5_base64(b"another body"))?,
            Damage::Checksum => answer.set("x-oss-hash-crc64ecma", digest::crc64(b"another").to_string())?,
            Damage::Bit => {
                let middle = answer.body.len() / 2;
                *answer.body.get_mut(middle)? ^= 1;
            }
            Damage::SignedBit => {
                let row = answer.body.windows(4).position(|four| four == PLAIN_BUFFER)? + 4;
                // In the first row, whatever it has.
                *answer.body.get_mut(row + 12)? ^= 4;
                answer.sign(asked, key)?;
            }
            Damage::Broken => {
                length = Some(answer.body.len() as u64 + 1);
                answer.body.truncate(answer.body.len() / 2);
            }
            Damage::Half | Damage::Bare | Damage::SignedBare if answer.body.is_empty() => return None,
            Damage::Bare => answer.body.clear(),
            Damage::SignedBare => {
                answer.body.clear();
                answer.sign(asked, key)?;
            }
            Damage::Half => answer.body.truncate(answer.body.len() / 2),
            Damage::Empty => answer = Answer { status: 200, ..Answer::default() },
            Damage::Page(status) => {
                let html = ("content-type".to_owned(), "text/html".to_owned());
                answer = Answer { status, headers: vec![html], body: PAGE.to_vec() };
            }
            Damage::Garbage => answer.body = vec![0xFF; 64],
            Damage::SignedGarbage => {
                answer.body = vec![0xFF; 64];
                answer.sign(asked, key)?;
            }
            Damage::Huge => length = Some(1 << 40),
            Damage::Condition => {
                let code = "OTSConditionCheckFail".to_owned();
                let said = message::Error { code, message: Some("Condition check failed.".to_owned()) };
                answer = Answer { status: 403, headers: Vec::new(), body: said.encode_to_vec() };
            }
        }
        Some(answer.written(length))
    }
}
