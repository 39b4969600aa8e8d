//! The signatures of OSS: V4, and V1 (feature `oss-v1`) for emulators of old buckets.
//!
//! Bodies are not signed: the SDKs send `UNSIGNED-PAYLOAD`, and so do we; what arrived is checked
//! with the CRC-64 of the answer.

use crate::{
    AccessKey, Header, WireError,
    digest::{hmac_sha256, sha256_hex, v4_key},
    text::{self, Keep, percent_encode, same},
};

/// The name of the scheme, first in the `authorization` header.
pub const SCHEME: &str = "OSS4-HMAC-SHA256";
/// What stands for the digest of a body that is not signed.
pub const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// A request as far as it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// In upper case.
    pub method: &'a str,
    /// The bucket; none where buckets are listed.
    pub bucket: Option<&'a str>,
    /// The object, not encoded; empty where the bucket itself is meant.
    pub key: &'a str,
    /// The names and values of the query, not encoded; without a value where there is no `=`.
    pub query: &'a [(String, Option<String>)],
    /// The headers.
    pub headers: &'a [Header<'a>],
}

impl Request<'_> {
    /// The canonical form in which the request is signed. `additional` has the names, in lower case
    /// and in order, of headers that are signed besides those that always are.
    pub fn canonical(&self, additional: &[String]) -> String {
        let resource = match self.bucket {
            Some(bucket) => format!("/{bucket}/{}", self.key),
            None => "/".to_owned(),
        };
        let mut query: Vec<(String, Option<String>)> = self
            .query
            .iter()
            .map(|(name, value)| {
                let value = value.as_deref().filter(|value| !value.is_empty());
                (percent_encode(name, Keep::Nothing), value.map(|value| percent_encode(value, Keep::Nothing)))
            })
            .collect();
        query.sort();
        let query: Vec<_> = query
            .into_iter()
            .map(|(name, value)| value.map_or(name.clone(), |value| format!("{name}={value}")))
            .collect();
        let headers: String = text::sorted(self.headers, |name| {
            name.starts_with("x-oss-")
                || matches!(name, "content-type" | "content-md5")
                || additional.iter().any(|has| has == name)
        })
        .into_iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
        let payload = text::header(self.headers, "x-oss-content-sha256").unwrap_or(UNSIGNED);
        [
            self.method,
            &percent_encode(&resource, Keep::Slashes),
            &query.join("&"),
            &headers,
            &additional.join(";"),
            payload,
        ]
        .join("\n")
    }

    /// What is signed, at `time` (`20260102T030405Z`).
    pub fn string_to_sign(&self, time: &str, region: &str, additional: &[String]) -> String {
        let canonical = sha256_hex(self.canonical(additional).as_bytes());
        format!("{SCHEME}\n{time}\n{}\n{canonical}", scope(time, region))
    }

    /// The `authorization` header with which `key` signs. The headers must have `x-oss-date` and
    /// `x-oss-content-sha256`, and `x-oss-security-token` where the key has a token.
    ///
    /// # Errors
    /// When `x-oss-date` is not there.
    pub fn authorize(&self, key: &AccessKey, region: &str) -> Result<String, WireError> {
        let time = self.time()?;
        let signature = self.signature(key, time, region, &[]);
        Ok(format!("{SCHEME} Credential={}/{}, Signature={signature}", key.id, scope(time, region)))
    }

    /// Checks what a client signed.
    ///
    /// # Errors
    /// When `x-oss-date` is not there or of another day than the signature, and when the signature
    /// is not the key's.
    pub fn verify(&self, key: &AccessKey, authorization: &Authorization) -> Result<(), WireError> {
        let time = self.time()?;
        if time[..8] != authorization.date {
            return Err(WireError::malformed("x-oss-date is not of the day in the credential"));
        }
        let signature = self.signature(key, time, &authorization.region, &authorization.additional);
        if same(&signature, &authorization.signature) { Ok(()) } else { Err(WireError::Signature) }
    }

    fn time(&self) -> Result<&str, WireError> {
        text::header(self.headers, "x-oss-date")
            .filter(|time| time.len() == 16 && time.is_ascii())
            .ok_or_else(|| {
                WireError::malformed("the header x-oss-date is missing or not as 20260102T030405Z")
            })
    }

    fn signature(&self, key: &AccessKey, time: &str, region: &str, additional: &[String]) -> String {
        let signing = v4_key(&key.secret, &time[..8], region, "oss");
        text::hex(&hmac_sha256(&signing, self.string_to_sign(time, region, additional).as_bytes()))
    }
}

fn scope(time: &str, region: &str) -> String {
    format!("{}/{region}/oss/aliyun_v4_request", &time[..8])
}

/// An `authorization` header of V4, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Whose key signed.
    pub access_key_id: String,
    /// `YYYYMMDD`.
    pub date: String,
    /// The region of the bucket.
    pub region: String,
    /// The headers that were signed besides those that always are, in lower case.
    pub additional: Vec<String>,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

impl Authorization {
    /// Reads the header's value; the SDKs write its parts in different orders and spacings.
    ///
    /// # Errors
    /// When it is of another scheme, service or version, or lacks a part.
    pub fn parse(value: &str) -> Result<Self, WireError> {
        let parts = value
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| WireError::Malformed(format!("the authorization does not begin with {SCHEME}")))?;
        let part = |name: &str| {
            let mut named = parts.split(',').filter_map(|part| part.trim().split_once('='));
            named.find(|(has, _)| *has == name).map(|(_, value)| value)
        };
        let missing = |name: &str| WireError::Malformed(format!("the authorization has no {name}"));
        let credential = part("Credential").ok_or_else(|| missing("Credential"))?;
        let [access_key_id, date, region, "oss", "aliyun_v4_request"] =
            credential.split('/').collect::<Vec<_>>()[..]
        else {
            return Err(WireError::malformed(
                "the credential is not <key>/<date>/<region>/oss/aliyun_v4_request",
            ));
        };
        let mut additional: Vec<String> = part("AdditionalHeaders")
            .map(|names| names.split(';').map(str::to_ascii_lowercase).collect())
            .unwrap_or_default();
        additional.sort();
        Ok(Authorization {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            additional,
            signature: part("Signature").ok_or_else(|| missing("Signature"))?.to_owned(),
        })
    }
}

/// The first signature: HMAC-SHA1 over some headers and the parts of the query that name what is
/// asked for.
#[cfg(feature = "oss-v1")]
pub mod v1 {
    use super::Request;
    use crate::{AccessKey, WireError, digest::hmac_sha1_base64, text};

    /// The parameters of the query that are signed.
    const SUBRESOURCES: [&str; 39] = [
        "acl",
        "append",
        "bucketInfo",
        "cname",
        "comp",
        "continuation-token",
        "cors",
        "delete",
        "encryption",
        "lifecycle",
        "location",
        "logging",
        "objectInfo",
        "objectMeta",
        "partNumber",
        "policy",
        "position",
        "qos",
        "referer",
        "replication",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "security-token",
        "sequential",
        "stat",
        "symlink",
        "tagging",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
        "x-oss-process",
    ];

    /// What is signed.
    pub fn string_to_sign(request: &Request<'_>) -> String {
        let header = |name| text::header(request.headers, name).unwrap_or_default();
        let oss: String = text::sorted(request.headers, |name| name.starts_with("x-oss-"))
            .into_iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let resource = request.bucket.map_or("/".to_owned(), |bucket| format!("/{bucket}/{}", request.key));
        let mut query: Vec<String> = request
            .query
            .iter()
            .filter(|(name, _)| SUBRESOURCES.contains(&name.as_str()))
            .map(|(name, value)| match value.as_deref() {
                None | Some("") => name.clone(),
                Some(value) => format!("{name}={value}"),
            })
            .collect();
        query.sort();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let date = text::header(request.headers, "x-oss-date").unwrap_or_else(|| header("date"));
        let (md5, kind) = (header("content-md5"), header("content-type"));
        format!("{}\n{md5}\n{kind}\n{date}\n{oss}{resource}{query}", request.method)
    }

    /// The `authorization` header with which `key` signs.
    pub fn authorize(request: &Request<'_>, key: &AccessKey) -> String {
        format!(
            "OSS {}:{}",
            key.id,
            hmac_sha1_base64(key.secret.as_bytes(), string_to_sign(request).as_bytes())
        )
    }

    /// Whose key signed, of an `authorization` header of V1.
    pub fn access_key_id(authorization: &str) -> Option<&str> {
        authorization.strip_prefix("OSS ")?.split_once(':').map(|(id, _)| id)
    }

    /// Checks what a client signed.
    ///
    /// # Errors
    /// When the signature is not the key's.
    pub fn verify(request: &Request<'_>, key: &AccessKey, authorization: &str) -> Result<(), WireError> {
        let expected = authorize(request, key);
        if text::same(&expected, authorization.trim()) { Ok(()) } else { Err(WireError::Signature) }
    }
}
