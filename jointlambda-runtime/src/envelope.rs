//! What travels between functions, and what a row holds: the continuation, its frames, its values.
//!
//! An envelope is a version byte, the name of its event, and a MessagePack body. It is untrusted
//! input: it is bounded before it is decoded, and every index in it is checked against the
//! definition.

mod check;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};
use std::fmt;

use crate::{
    backend::Timestamp,
    codec,
    definition::{CloudIndex, Definition, FunctionIndex, NodeIndex},
    error::Fault,
    id::{DeploymentId, Digest, Incarnation, ObjectsOf, RowKey, RunId},
    sketch::Sketch,
};

/// The version of the wire format; a function refuses any other.
pub const WIRE_VERSION: u8 = 2;

/// How deep fan-outs may be nested in an envelope.
pub const MAX_DEPTH: usize = 32;

/// The bytes of an envelope before its body: the version and the event.
const HEADER: usize = 1 + size_of::<EventId>();

/// A set of clouds, one bit each.
pub type CloudSet = u64;

/// Names an event: drawn at random for every request to a platform, the same for all deliveries
/// of what that request made. Two events of one name would only do some work twice.
pub type EventId = u32;

/// When a run began, and when it must have ended, by the clock of its home table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// When the client created the run row.
    pub started_at: Timestamp,
    /// From then on its events are dropped unread, and a sweep fails it.
    pub deadline: Timestamp,
}

/// Which copy decided an outcome, when and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The event that the copy was of.
    pub event: EventId,
    /// When, in milliseconds since the run's start.
    pub at_ms: u64,
    /// The cloud where the copy ran.
    pub on: CloudIndex,
    /// Which delivery of the event, from 1.
    pub attempt: u32,
    /// For how many milliseconds the copy had run by then.
    pub took_ms: u64,
    /// How often it ran the user function; 0 where none was run.
    pub ran: u32,
    /// Whether the user function returned an `Err`.
    pub is_err: bool,
}

/// A message to a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The event that brings it; in the header, so that it can be changed without encoding again.
    #[serde(skip)]
    pub event: EventId,
    /// The deployment that the sender is of.
    pub deployment: DeploymentId,
    /// Whether it may have been sent before. Then the receiver reads whether it was done before it
    /// begins.
    pub again: bool,
    /// The run.
    pub run: RunId,
    /// Its beginning and latest end.
    pub term: Term,
    /// The clouds that hold objects of this run, as far as the sender knows.
    pub objects: CloudSet,
    /// The fan-outs around the instance, outermost first.
    pub frames: Vec<Frame>,
    /// What is to be done.
    pub task: Task,
}

/// What an envelope asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// Run an instance.
    #[serde(rename = "c")]
    Call(Call),
    /// Start a part of a wide fan-out.
    #[serde(rename = "r")]
    Relay(Relay),
    /// Run a batch function on the calls that have gathered, of this run and of others.
    #[serde(rename = "b")]
    Batch(Batch),
}

/// What follows a committed outcome, relative to the frames around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Continuation {
    /// Call a function.
    #[serde(rename = "c")]
    Call(Call),
    /// Start branches that end in one fan-in.
    #[serde(rename = "f")]
    Fork(Fork),
    /// End the innermost branch, or the run, with a value.
    #[serde(rename = "r")]
    Return(Value),
    /// End the innermost branch, whose fan-in waits for the first that are `Ok`, with an `Err`.
    #[serde(rename = "e")]
    Err(Value),
}

/// A call of a function at a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The call site.
    pub node: NodeIndex,
    /// The counters of the loops around it, since the innermost fan-out.
    pub turns: Vec<u32>,
    /// The arguments, as one encoded tuple.
    pub args: Value,
    /// The variables that a later node still needs.
    pub vars: Vars,
    /// Of a call that gathers in batches: the row where it looks for room first. It is committed with
    /// the call, so that each copy that dispatches it looks in the same rows.
    pub gathers: Option<u32>,
}

/// A fan-out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fork {
    /// The fan-in where its branches end.
    pub join: NodeIndex,
    /// The counters of the loops around it, since the innermost fan-out.
    pub turns: Vec<u32>,
    /// The variables that branches, or the code after the join, still need.
    pub vars: Vars,
    /// What each branch begins with.
    pub branches: Vec<Continuation>,
    /// How many `Ok` end the fan-in, where it does not wait for all branches.
    pub first: Option<u32>,
}

/// A part of a fan-out: the branches from `first` on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relay {
    /// The fan-out's frame, with the index of the part's first branch.
    pub frame: Frame,
    /// The encoded list of the part's continuations.
    pub branches: Value,
    /// When the fan-out was committed.
    pub since: Timestamp,
}

/// A batch that is to be flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The function.
    pub function: FunctionIndex,
    /// When its members were committed, in units of the function's wait.
    pub epoch: u64,
    /// Which of the rows of that time.
    pub index: u32,
    /// Not before then, by the clock of the function's home table.
    pub due: Timestamp,
}

/// One branch of a fan-out, as seen from inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The fan-in where the branch ends.
    pub join: NodeIndex,
    /// The counters of the loops around the fan-out.
    pub turns: Vec<u32>,
    /// Which branch.
    pub index: u32,
    /// Of how many.
    pub of: u32,
    /// The fan-out's variables.
    pub vars: Vars,
    /// How many `Ok` end the fan-in, where it does not wait for all branches.
    pub first: Option<u32>,
}

/// Encoded variables, by the index that the macro gave them.
pub type Vars = Vec<(u16, Value)>;

/// A value: in place, or stored.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// The encoded value.
    Inline(Bytes),
    /// Where the encoded value is.
    Stored(Stored),
}

/// Where a stored value is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Whose store.
    pub cloud: CloudIndex,
    /// Which of its stores.
    pub place: Place,
    /// What names it.
    pub digest: Digest,
    /// Its length in bytes.
    pub len: u32,
}

/// Which store holds a value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Place {
    /// A row of its own, which expires with the others.
    #[serde(rename = "r")]
    Row,
    /// The same, which also says whose output it is.
    #[serde(rename = "u")]
    Output,
    /// An object that goes when the run ends.
    #[serde(rename = "o")]
    Object,
    /// An object that outlives the run's end: its result.
    #[serde(rename = "x")]
    Result,
}

/// What the row of a branch's output holds. It says whose output it is, so that branches which
/// return the same have rows of their own: a thousand of them would else write one in a moment.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Output {
    /// The fan-in where the branch ends.
    pub(crate) join: NodeIndex,
    /// The branch indexes and loop counters, down to the branch's own.
    pub(crate) path: Vec<u32>,
    /// The encoded value.
    pub(crate) value: Bytes,
}

impl Value {
    /// The bytes that a stored value's name adds to an envelope or row.
    pub(crate) const STORED_LEN: usize = 32;

    /// The bytes that the value adds to an envelope or row.
    pub fn wire_len(&self) -> usize {
        match self {
            Value::Inline(bytes) => bytes.len() + 5,
            Value::Stored(_) => Self::STORED_LEN,
        }
    }
}

impl fmt::Debug for Value {
    /// Never prints the value itself: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Inline(bytes) => write!(f, "{} bytes", bytes.len()),
            Value::Stored(stored) => fmt::Debug::fmt(stored, f),
        }
    }
}

// As bytes or as a list, without a tag.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Inline(bytes) => serializer.serialize_bytes(bytes),
            Value::Stored(stored) => stored.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes, or where they are stored")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
                Ok(Value::Inline(Bytes::copy_from_slice(bytes)))
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Value, E> {
                Ok(Value::Inline(Bytes::from(bytes)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
                Stored::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Value::Stored)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// How an instance, a branch or a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ended {
    /// With a value, which may be an `Err` of the user's.
    #[serde(rename = "r")]
    Returned(Value),
    /// With an `Err`, where the fan-in waits for the first that are `Ok`.
    #[serde(rename = "e")]
    Err(Value),
    /// Not at all: the platform gave up.
    #[serde(rename = "f")]
    Failed(Failure),
    /// Not at all: the run was cancelled.
    #[serde(rename = "x")]
    Cancelled,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The function, or the node, where it failed.
    pub at: String,
    /// The branch indexes and loop counters around it, outermost first.
    pub path: Vec<u32>,
    /// What went wrong, of the last attempt.
    pub cause: String,
    /// How often it was tried.
    pub attempts: u32,
}

impl Failure {
    /// The longest cause that is kept, in bytes: a failure must fit every row.
    const LONGEST_CAUSE: usize = 4096;

    /// A failure at a node or function, with its cause cut where it is too long.
    pub(crate) fn new(at: impl Into<String>, path: Vec<u32>, cause: String, attempts: u32) -> Self {
        let mut failure = Failure { at: at.into(), path, cause, attempts };
        failure.cut(Self::LONGEST_CAUSE);
        failure
    }

    /// Cuts the cause where it is longer than so many bytes.
    pub(crate) fn cut(&mut self, longest: usize) {
        if self.cause.len() > longest {
            self.cause.truncate(self.cause.floor_char_boundary(longest));
            self.cause.push('…');
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)?;
        if !self.path.is_empty() {
            write!(f, "{:?}", self.path)?;
        }
        write!(
            f,
            " failed after {} attempt{}: {}",
            self.attempts,
            if self.attempts == 1 { "" } else { "s" },
            self.cause
        )
    }
}

/// What a slot of a join row, or the end of a run row, holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrived {
    /// How the branch or run ended.
    pub ended: Ended,
    /// The clouds that hold objects of the run, as far as the branch knows.
    pub objects: CloudSet,
    /// Whose arrival it is.
    pub stamp: Stamp,
}

impl Arrived {
    /// Which objects of a run that ended so are of no more use: a copy may have stored the result of a
    /// run that was cancelled before.
    pub(crate) fn leaves(&self) -> ObjectsOf {
        match self.ended {
            Ended::Cancelled => ObjectsOf::Run,
            Ended::Returned(_) | Ended::Err(_) | Ended::Failed(_) => ObjectsOf::Work,
        }
    }

    /// The clouds whose objects of a run that ended so are of no more use. Whoever cancels a run
    /// knows not where they are; those of a failed run are for whoever redrives it, and go by age.
    pub(crate) fn objects_left(&self) -> CloudSet {
        match self.ended {
            Ended::Returned(_) | Ended::Err(_) => self.objects,
            Ended::Cancelled => CloudSet::MAX,
            Ended::Failed(_) => 0,
        }
    }
}

/// The body of an instance's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Committed {
    /// The continuation, in place.
    #[serde(rename = "n")]
    Next {
        /// What follows.
        continuation: Continuation,
        /// The clouds that hold objects of the run.
        objects: CloudSet,
        /// Whose commit it is.
        stamp: Stamp,
    },
    /// The continuation is stored elsewhere.
    #[serde(rename = "s")]
    Stored {
        /// The encoded continuation.
        value: Value,
        /// What it says, without its values.
        sketch: Sketch,
        /// The clouds that hold objects of the run.
        objects: CloudSet,
        /// Whose commit it is.
        stamp: Stamp,
    },
    /// The instance ended without one: it failed for good, or was cancelled.
    #[serde(rename = "e")]
    Ended(Arrived),
}

impl Envelope {
    /// Encodes the envelope for the wire.
    pub fn encode(&self) -> Bytes {
        let mut wire = Vec::with_capacity(256);
        wire.push(WIRE_VERSION);
        wire.extend_from_slice(&self.event.to_be_bytes());
        rmp_serde::encode::write(&mut wire, self).expect("the protocol's own structures can be encoded");
        Bytes::from(wire)
    }

    /// The same envelope as another event.
    pub(crate) fn renamed(wire: &[u8], event: EventId) -> Bytes {
        let mut wire = wire.to_vec();
        wire[1..HEADER].copy_from_slice(&event.to_be_bytes());
        Bytes::from(wire)
    }

    /// Decodes the parts of an envelope, unchecked.
    fn unpack(wire: &[u8]) -> Result<Self, Fault> {
        let truncated = || Fault::Poison("it ends in its header".to_owned());
        let (header, body) = wire.split_at_checked(HEADER).ok_or_else(truncated)?;
        let event = EventId::from_be_bytes(header[1..].try_into().expect("a header has this length"));
        Ok(Envelope { event, ..codec::unpack(body, "an envelope")? })
    }

    /// Decodes an envelope and checks it against `definition`.
    ///
    /// # Errors
    /// [`Fault::Poison`] for one larger than any of the workflow's clouds takes, or that no function
    /// of this definition can have sent: delivering it again cannot help. [`Fault::Foreign`] for one
    /// of another wire version or deployment.
    pub fn decode(wire: &[u8], definition: &Definition, deployment: DeploymentId) -> Result<Self, Fault> {
        let poison = |why: String| Fault::Poison(format!("refused an envelope: {why}"));
        let foreign = |why: String| Fault::Foreign(format!("refused an envelope: {why}"));
        let limit = largest(definition);
        if wire.len() > limit {
            return Err(poison(format!("it has {} bytes, over the limit of {limit}", wire.len())));
        }
        match wire.first() {
            Some(&WIRE_VERSION) => {}
            Some(other) => {
                return Err(foreign(format!("wire version {other}, this build speaks {WIRE_VERSION}")));
            }
            None => return Err(poison("it is empty".to_owned())),
        }
        let envelope = Envelope::unpack(wire).map_err(|fault| poison(fault.to_string()))?;
        if envelope.deployment != deployment {
            return Err(foreign(format!(
                "it was sent by another deployment of the workflow ({}, this one is {deployment})",
                envelope.deployment
            )));
        }
        envelope.check(definition).map_err(|why| poison(why.to_owned()))?;
        Ok(envelope)
    }

    /// A refused envelope of this deployment, as far as it can be read: to say which run it is of.
    pub(crate) fn refused(wire: &[u8], definition: &Definition, deployment: DeploymentId) -> Option<Self> {
        if wire.len() > largest(definition) {
            return None;
        }
        Envelope::peek(wire).filter(|envelope| envelope.deployment == deployment)
    }

    /// The incarnation of the run.
    pub(crate) fn incarnation(&self) -> Incarnation {
        Incarnation::of(&self.run, self.term.started_at)
    }

    /// What an envelope says, unchecked and unbounded; `None` when it is none of this version.
    #[doc(hidden)]
    pub fn peek(wire: &[u8]) -> Option<Self> {
        if wire.first() != Some(&WIRE_VERSION) {
            return None;
        }
        Envelope::unpack(wire).ok()
    }

    /// Whether the instance is in a branch of a fan-in that does not wait for all branches.
    pub(crate) fn may_be_late(&self) -> bool {
        may_be_late(&self.frames)
    }
}

/// Whether one of these is a branch of a fan-in that does not wait for all branches.
pub(crate) fn may_be_late(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| frame.first.is_some())
}

/// The largest envelope that any cloud of the workflow takes, in bytes.
fn largest(definition: &Definition) -> usize {
    let limits = definition.clouds.iter().map(|cloud| cloud.cloud.provider.limits());
    limits.map(|limits| limits.async_payload_bytes).max().unwrap_or(0)
}

/// The branch indexes and loop counters around a node, outermost first.
pub(crate) fn path(frames: &[Frame], turns: &[u32]) -> Vec<u32> {
    let mut path = Vec::with_capacity(frames.len() * 2 + turns.len());
    for frame in frames {
        path.extend_from_slice(&frame.turns);
        path.push(frame.index);
    }
    path.extend_from_slice(turns);
    path
}

/// The key of an instance's row.
pub(crate) fn instance_key(of: &Incarnation, frames: &[Frame], node: NodeIndex, turns: &[u32]) -> RowKey {
    RowKey::instance(of, node, &path(frames, turns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Envelope {
        Envelope {
            event: 0x0102_0304,
            deployment: DeploymentId(7),
            again: true,
            run: RunId::derive("w", "k"),
            term: Term { started_at: 1_800_000_000_000, deadline: 1_800_604_800_000 },
            objects: 0,
            frames: vec![Frame {
                join: 1,
                turns: vec![2],
                index: 3,
                of: 5,
                vars: vec![(9, Value::Inline(Bytes::from_static(b"abc")))],
                first: Some(2),
            }],
            task: Task::Call(Call {
                node: 0,
                turns: vec![],
                args: Value::Stored(Stored {
                    cloud: 1,
                    place: Place::Object,
                    digest: Digest::of(b"x"),
                    len: 70_000,
                }),
                vars: vec![],
                gathers: None,
            }),
        }
    }

    #[test]
    fn an_envelope_comes_back() {
        assert_eq!(Envelope::peek(&sample().encode()), Some(sample()));
    }

    #[test]
    fn an_event_is_renamed_without_a_change_to_what_it_brings() {
        let renamed = Envelope::renamed(&sample().encode(), 9);
        assert_eq!(Envelope::peek(&renamed), Some(Envelope { event: 9, ..sample() }));
        for len in 0..HEADER {
            assert_eq!(Envelope::peek(&renamed[..len]), None);
        }
    }

    #[test]
    fn debug_output_never_shows_a_value() {
        let text = format!("{:?}", sample());
        assert!(text.contains("3 bytes") && !text.contains("abc"), "{text}");
    }
}
