//! A bucket: objects put, read whole or in part, and deleted.
//!
//! With versioning switched on or suspended, `x-oss-forbid-overwrite` does nothing, as documented;
//! older versions themselves are not kept.

use std::{collections::BTreeMap, ops::Range};

use aliyun_wire::{digest, text, time};
use bytes::Bytes;

use super::{Call, xml};
use crate::{
    clock::Timestamp,
    http::{Refusal, Response},
};

const MAX_KEY: usize = 1023;
const MAX_DELETED: usize = 1000;

#[derive(Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Object>,
    /// `Enabled` or `Suspended`, once it was switched on.
    versioning: Option<String>,
}

pub(super) struct Object {
    pub(super) body: Bytes,
    pub(super) etag: String,
    crc64: u64,
    content_type: String,
    pub(super) modified_ms: Timestamp,
    /// `x-oss-meta-*`, as they came.
    meta: Vec<(String, String)>,
}

pub(super) fn valid_name(name: &str) -> Result<(), Refusal> {
    let valid = (3..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if valid {
        Ok(())
    } else {
        Err(Refusal::new(400, "InvalidBucketName", "The specified bucket is not valid."))
    }
}

impl Bucket {
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    pub(super) fn put(&mut self, call: &Call<'_>, now: Timestamp) -> Result<Response, Refusal> {
        let request = call.request;
        if call.key.len() > MAX_KEY || call.key.starts_with(['/', '\\']) {
            return Err(Refusal::new(400, "InvalidObjectName", "The specified object is not valid."));
        }
        let forbids =
            request.header("x-oss-forbid-overwrite").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if forbids && self.versioning.is_none() && self.objects.contains_key(&call.key) {
            let message = "The object you specified already exists and can not be overwritten.";
            return Err(Refusal::new(409, "FileAlreadyExists", message));
        }
        let is_meta = |name: &str| name.to_ascii_lowercase().starts_with("x-oss-meta-");
        let object = Object {
            body: request.body.clone(),
            etag: format!("\"{}\"", digest::md5_hex_upper(&request.body)),
            crc64: digest::crc64(&request.body),
            content_type: request.header("content-type").unwrap_or("application/octet-stream").to_owned(),
            modified_ms: now,
            meta: request.headers.iter().filter(|(name, _)| is_meta(name)).cloned().collect(),
        };
        let mut response = Response::new(200, "")
            .header("etag", &*object.etag)
            .header("content-md5", digest::md5_base64(&object.body))
            .header("x-oss-hash-crc64ecma", object.crc64.to_string());
        if self.versioning.is_some() {
            response = response.header("x-oss-version-id", "null");
        }
        self.objects.insert(call.key.clone(), object);
        Ok(response)
    }

    pub(super) fn get(&self, call: &Call<'_>) -> Result<Response, Refusal> {
        let object = self
            .objects
            .get(&call.key)
            .ok_or_else(|| Refusal::new(404, "NoSuchKey", "The specified key does not exist."))?;
        let whole = 0..object.body.len();
        let asked = call.request.header("range").filter(|_| call.request.method == "GET");
        let part = asked.and_then(|asked| range(asked, object.body.len()));
        let strict = call.request.header("x-oss-range-behavior") == Some("standard");
        if asked.is_some() && part.is_none() && strict {
            return Err(Refusal::new(416, "InvalidRange", "The requested range cannot be satisfied."));
        }
        let status = if part.is_some() { 206 } else { 200 };
        let Range { start, end } = part.clone().unwrap_or(whole);
        let mut response = Response::new(status, object.body.slice(start..end))
            .header("content-type", &*object.content_type)
            .header("etag", &*object.etag)
            .header("last-modified", time::http(object.modified_ms))
            .header("accept-ranges", "bytes")
            .header("x-oss-object-type", "Normal")
            .header("x-oss-storage-class", "Standard")
            .header("x-oss-hash-crc64ecma", object.crc64.to_string());
        if part.is_some() {
            let of = format!("bytes {start}-{}/{}", end - 1, object.body.len());
            response = response.header("content-range", of);
        }
        response.headers.extend(object.meta.iter().cloned());
        Ok(response)
    }

    pub(super) fn delete(&mut self, key: &str) -> Response {
        self.objects.remove(key);
        Response::new(204, "")
    }

    pub(super) fn delete_many(&mut self, call: &Call<'_>) -> Result<Response, Refusal> {
        if call.request.header("content-md5").is_none() {
            return Err(Refusal::new(
                400,
                "MissingArgument",
                "Missing Some Required Arguments: Content-MD5.",
            ));
        }
        let delete: xml::Delete = xml::read(&call.request.body)?;
        if delete.objects.is_empty() || delete.objects.len() > MAX_DELETED {
            return Err(Refusal::new(
                400,
                "MalformedXML",
                format!("There must be 1 to {MAX_DELETED} objects."),
            ));
        }
        let encoded = call.value("encoding-type") == Some("url");
        let mut deleted = String::new();
        if encoded {
            deleted.push_str(&xml::element("EncodingType", "url"));
        }
        for xml::Named { key } in delete.objects {
            self.objects.remove(&key);
            if !delete.quiet {
                let key = if encoded { text::percent_encode(&key, text::Keep::Nothing) } else { key };
                deleted.push_str(&format!("<Deleted>{}</Deleted>", xml::element("Key", &key)));
            }
        }
        let body = if delete.quiet { String::new() } else { xml::document("DeleteResult", &deleted) };
        Ok(Response::new(200, body).header("content-type", "application/xml"))
    }

    pub(super) fn put_versioning(&mut self, body: &[u8]) -> Result<Response, Refusal> {
        let xml::Versioning { status } = xml::read(body)?;
        if status != "Enabled" && status != "Suspended" {
            return Err(Refusal::new(400, "MalformedXML", "Status is Enabled or Suspended."));
        }
        self.versioning = Some(status);
        Ok(Response::new(200, ""))
    }

    pub(super) fn versioning(&self) -> Response {
        let status = self.versioning.iter().map(|status| xml::element("Status", status)).collect::<String>();
        let body = xml::document("VersioningConfiguration", &status);
        Response::new(200, body).header("content-type", "application/xml")
    }
}

/// The bytes that a `Range` header asks for, where there are any.
fn range(asked: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = asked.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.parse::<usize>().ok();
    let range = match (first, last) {
        ("", last) => length.saturating_sub(number(last)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => number(first)?..number(last)?.checked_add(1)?.min(length),
    };
    (range.start < range.end).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_are_within_the_object_or_none() {
        assert_eq!(range("bytes=0-0", 10), Some(0..1));
        assert_eq!(range("bytes=8-99", 10), Some(8..10));
        assert_eq!(range("bytes=3-", 10), Some(3..10));
        assert_eq!(range("bytes=-3", 10), Some(7..10));
        for none in ["bytes=10-", "bytes=5-4", "bytes=-0", "bytes=a-b", "0-1", "bytes=0-18446744073709551615"]
        {
            assert_eq!(range(none, 0).or(range(none, 10).filter(|_| !none.ends_with("615"))), None, "{none}");
        }
    }
}
