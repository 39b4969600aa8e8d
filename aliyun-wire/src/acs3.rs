//! `ACS3-HMAC-SHA256`, the signature of Function Compute 3.0.
//!
//! The secret itself is the key: no date, region or service is mixed into it. A client says which
//! headers it signed, and a server takes these; which must be among them is [`must_be_signed`].
//! Source: the V3 signature page of Alibaba Cloud's documentation, and its SDKs.

use crate::{
    AccessKey, Header, WireError,
    digest::{hmac_sha256, sha256_hex},
    text::{self, Keep, percent_encode, same},
};

/// The name of the scheme, first in the `authorization` header.
pub const SCHEME: &str = "ACS3-HMAC-SHA256";

/// A request as far as it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// In upper case.
    pub method: &'a str,
    /// The path, not encoded.
    pub path: &'a str,
    /// The names and values of the query, not encoded.
    pub query: &'a [(String, String)],
    /// The headers; those not in the list of signed ones do not matter.
    pub headers: &'a [Header<'a>],
    /// [`sha256_hex`] of the body.
    pub body_sha256: &'a str,
}

/// Whether the service wants a header signed that is in the request.
pub fn must_be_signed(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "host" || name == "content-type" || name.starts_with("x-acs-")
}

impl Request<'_> {
    /// The canonical form in which the request is signed. `signed` has names in lower case, in order.
    pub fn canonical(&self, signed: &[String]) -> String {
        let mut query: Vec<_> = self.query.iter().collect();
        query.sort();
        let query: Vec<_> = query
            .into_iter()
            .map(|(name, value)| {
                format!("{}={}", percent_encode(name, Keep::Nothing), percent_encode(value, Keep::Nothing))
            })
            .collect();
        let headers: String = text::sorted(self.headers, |name| signed.iter().any(|has| has == name))
            .into_iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        [
            self.method,
            &percent_encode(self.path, Keep::Slashes),
            &query.join("&"),
            &headers,
            &signed.join(";"),
            self.body_sha256,
        ]
        .join("\n")
    }

    /// What is signed: the scheme and the digest of the canonical form.
    pub fn string_to_sign(&self, signed: &[String]) -> String {
        format!("{SCHEME}\n{}", sha256_hex(self.canonical(signed).as_bytes()))
    }

    /// The `authorization` header with which `key` signs `signed`, names in lower case, in order.
    pub fn authorization(&self, key: &AccessKey, signed: &[String]) -> String {
        format!(
            "{SCHEME} Credential={},SignedHeaders={},Signature={}",
            key.id,
            signed.join(";"),
            self.signature(key, signed)
        )
    }

    /// The same, signing every header that [must be](must_be_signed).
    pub fn authorize(&self, key: &AccessKey) -> String {
        let mut signed: Vec<_> = self
            .headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase())
            .filter(|name| must_be_signed(name))
            .collect();
        signed.sort();
        self.authorization(key, &signed)
    }

    /// Checks what a client signed.
    ///
    /// # Errors
    /// When a header that must be signed is not, when a header is said to be signed that is not
    /// there, and when the signature is not the key's.
    pub fn verify(&self, key: &AccessKey, authorization: &Authorization) -> Result<(), WireError> {
        for (name, _) in self.headers {
            let name = name.to_ascii_lowercase();
            if must_be_signed(&name) && !authorization.signed.contains(&name) {
                return Err(WireError::Malformed(format!("the header {name} must be signed")));
            }
        }
        for name in &authorization.signed {
            if text::header(self.headers, name).is_none() {
                return Err(WireError::Malformed(format!("the signed header {name} is not there")));
            }
        }
        if same(&self.signature(key, &authorization.signed), &authorization.signature) {
            Ok(())
        } else {
            Err(WireError::Signature)
        }
    }

    fn signature(&self, key: &AccessKey, signed: &[String]) -> String {
        text::hex(&hmac_sha256(key.secret.as_bytes(), self.string_to_sign(signed).as_bytes()))
    }
}

/// An `authorization` header, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Whose key signed.
    pub access_key_id: String,
    /// The signed headers, as the client has them.
    pub signed: Vec<String>,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

impl Authorization {
    /// Reads the header's value.
    ///
    /// # Errors
    /// When it is of another scheme or lacks a part.
    pub fn parse(value: &str) -> Result<Self, WireError> {
        let parts = value
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| WireError::Malformed(format!("the authorization does not begin with {SCHEME}")))?;
        let part = |name: &str| {
            parts
                .split(',')
                .filter_map(|part| part.trim().split_once('='))
                .find(|(has, _)| *has == name)
                .map(|(_, value)| value.to_owned())
                .ok_or_else(|| WireError::Malformed(format!("the authorization has no {name}")))
        };
        let signed: Vec<String> = part("SignedHeaders")?.split(';').map(str::to_ascii_lowercase).collect();
        if !signed.is_sorted() {
            return Err(WireError::malformed("the signed headers are not in order"));
        }
        Ok(Authorization { access_key_id: part("Credential")?, signed, signature: part("Signature")? })
    }
}
