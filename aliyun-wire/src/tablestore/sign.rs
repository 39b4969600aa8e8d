//! The signatures of TableStore's requests (V2 and V4) and responses.
//!
//! All `x-ots-*` headers are signed but the signature itself; they carry the digest of the body, so
//! that a signature covers all of a message. The key of V4 is the *text* of its base64 form.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    AccessKey, Header, WireError,
    digest::{hmac_sha1_base64, hmac_sha256, v4_key},
    text::{self, same},
};

/// The version of the interface, sent as `x-ots-apiversion`.
pub const API_VERSION: &str = "2015-12-31";

/// Which signature, and with what key.
#[derive(Clone, PartialEq, Eq)]
pub enum Signing {
    /// HMAC-SHA1 with the secret.
    V2(String),
    /// HMAC-SHA256 with a key of the secret, a day and a region.
    V4(String),
}

impl Signing {
    /// V2.
    pub fn v2(key: &AccessKey) -> Self {
        Signing::V2(key.secret.clone())
    }

    /// V4, for a day (`YYYYMMDD`, sent as `x-ots-signdate`) and a region (`x-ots-signregion`).
    pub fn v4(key: &AccessKey, date: &str, region: &str) -> Self {
        Signing::V4(STANDARD.encode(v4_key(&key.secret, date, region, "ots")))
    }

    /// The one that a request was signed with, by its headers.
    ///
    /// # Errors
    /// When it has no signature.
    pub fn of(headers: &[Header<'_>], key: &AccessKey) -> Result<Self, WireError> {
        let date = text::header(headers, "x-ots-signdate");
        let region = text::header(headers, "x-ots-signregion");
        match (text::header(headers, Self::V4_HEADER), date, region) {
            (Some(_), Some(date), Some(region)) => Ok(Signing::v4(key, date, region)),
            (Some(_), ..) => Err(WireError::malformed("x-ots-signdate or x-ots-signregion is missing")),
            (None, ..) if text::header(headers, Self::V2_HEADER).is_some() => Ok(Signing::v2(key)),
            (None, ..) => Err(WireError::malformed("the request is not signed")),
        }
    }

    const V2_HEADER: &str = "x-ots-signature";
    const V4_HEADER: &str = "x-ots-signaturev4";

    /// The header that the signature is sent in.
    pub fn header(&self) -> &'static str {
        match self {
            Signing::V2(_) => Self::V2_HEADER,
            Signing::V4(_) => Self::V4_HEADER,
        }
    }

    /// The signature of a request for `operation` (`PutRow`).
    pub fn request(&self, operation: &str, headers: &[Header<'_>]) -> String {
        let text = string_to_sign(operation, headers);
        match self {
            Signing::V2(secret) => hmac_sha1_base64(secret.as_bytes(), text.as_bytes()),
            Signing::V4(key) => STANDARD.encode(hmac_sha256(key.as_bytes(), format!("{text}ots").as_bytes())),
        }
    }

    /// The signature of the response to a request for `operation`: HMAC-SHA1 for both.
    pub fn response(&self, operation: &str, headers: &[Header<'_>]) -> String {
        let (Signing::V2(key) | Signing::V4(key)) = self;
        hmac_sha1_base64(key.as_bytes(), format!("{}\n/{operation}", signed(headers)).as_bytes())
    }

    /// The `Authorization` header of a response.
    pub fn authorization(&self, access_key_id: &str, operation: &str, headers: &[Header<'_>]) -> String {
        format!("OTS {access_key_id}:{}", self.response(operation, headers))
    }

    /// Checks a request.
    ///
    /// # Errors
    /// When the signature is missing or not the key's.
    pub fn verify_request(&self, operation: &str, headers: &[Header<'_>]) -> Result<(), WireError> {
        let sent = text::header(headers, self.header())
            .ok_or_else(|| WireError::Malformed(format!("the header {} is missing", self.header())))?;
        if same(sent, &self.request(operation, headers)) { Ok(()) } else { Err(WireError::Signature) }
    }

    /// Checks a response that came with this `Authorization` header.
    ///
    /// # Errors
    /// When it is not the one that the key gives.
    pub fn verify_response(
        &self,
        access_key_id: &str,
        operation: &str,
        headers: &[Header<'_>],
        authorization: &str,
    ) -> Result<(), WireError> {
        let expected = self.authorization(access_key_id, operation, headers);
        if same(authorization.trim(), &expected) { Ok(()) } else { Err(WireError::Signature) }
    }
}

/// What a request's signature is of.
pub fn string_to_sign(operation: &str, headers: &[Header<'_>]) -> String {
    format!("/{operation}\nPOST\n\n{}\n", signed(headers))
}

fn signed(headers: &[Header<'_>]) -> String {
    let keep =
        |name: &str| name.starts_with("x-ots-") && name != Signing::V2_HEADER && name != Signing::V4_HEADER;
    // In the order of the lines, not of the names: that is how the SDKs sort.
    let mut lines: Vec<String> =
        text::sorted(headers, keep).into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
    lines.sort();
    lines.join("\n")
}
