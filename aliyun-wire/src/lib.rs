//! What Function Compute 3.0, TableStore and OSS say on the wire, for clients and for servers.
//!
//! Signatures ([`acs3`], [`tablestore::sign`], [`oss`]), TableStore's messages and rows
//! ([`tablestore`]), checksums ([`digest`]) and the forms of time ([`time`]). It does no IO, reads
//! no clock and holds no state. What comes from outside is checked in full: a length is compared
//! with what is left before anything is allocated, and every refusal is a [`WireError`].
//!
//! Whatever takes a signature apart takes the headers as they were received, so that a server
//! checks what its client signed and not what it thinks that it should have.

pub mod acs3;
pub mod digest;
pub mod oss;
pub mod tablestore;
pub mod text;
pub mod time;

use std::fmt;

use thiserror::Error;

/// An access key, with the token of the role that it was given for, if any.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its public name.
    pub id: String,
    /// What requests are signed with.
    pub secret: String,
    /// The security token, sent and signed beside the key.
    pub token: Option<String>,
}

impl AccessKey {
    /// A key without a token.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        AccessKey { id: id.into(), secret: secret.into(), token: None }
    }

    /// The same key with the token it came with.
    pub fn with_token(self, token: impl Into<String>) -> Self {
        AccessKey { token: Some(token.into()), ..self }
    }
}

/// Shows whose key it is, and neither secret nor token.
impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A header as it is signed: its name in any case, and its value.
pub type Header<'a> = (&'a str, &'a str);

/// What is wrong with what was received.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// It ends too early.
    #[error("{what} ends after {at} bytes, where {needed} more are needed")]
    Truncated {
        /// What was read.
        what: &'static str,
        /// Where it ends.
        at: usize,
        /// How many bytes are missing, at least.
        needed: usize,
    },
    /// A byte is not what may stand there.
    #[error("{what} at byte {at} is {found:#04x}, which may not stand there")]
    Unexpected {
        /// What was read.
        what: &'static str,
        /// Where.
        at: usize,
        /// What was found.
        found: u8,
    },
    /// A checksum differs.
    #[error("the checksum of the {what} is {found:#04x}, and of its bytes {computed:#04x}")]
    Checksum {
        /// Of what.
        what: &'static str,
        /// What was sent.
        found: u8,
        /// What the bytes give.
        computed: u8,
    },
    /// It is not in the form it should have.
    #[error("{0}")]
    Malformed(String),
    /// The signature is not the one that the key gives.
    #[error("the signature is not the one that the key gives for this request")]
    Signature,
}

impl WireError {
    pub(crate) fn malformed(why: impl Into<String>) -> Self {
        WireError::Malformed(why.into())
    }
}
