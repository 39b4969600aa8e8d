//! Objects on OSS.

use std::sync::Arc;

use aliyun_wire::{
    digest, oss,
    text::{Keep, percent_encode},
    time,
};
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;

use super::{
    client::{ANSWER, Answer, Client, NoAnswer, OBJECT_ANSWER, Request, host, now},
    error::{OfObjects, Said, of_objects},
};
use crate::{
    backend::{self, StoreError, patience::OBJECT_REQUEST},
    id::{Incarnation, ObjectKey, ObjectsOf},
};

/// Objects of one listing; of more there are several.
const LISTED: u32 = 1_000;
/// Listings of one removal: more objects go by age.
const MAX_LISTINGS: usize = 1_000;

/// A bucket.
pub(super) struct Objects {
    client: Arc<Client>,
    bucket: String,
}

type Query = Vec<(String, Option<String>)>;

impl Objects {
    pub(super) fn new(client: Arc<Client>, bucket: &str) -> Self {
        Objects { client, bucket: bucket.to_owned() }
    }

    async fn ask(
        &self,
        method: Method,
        key: &str,
        query: Query,
        more: Vec<(&'static str, String)>,
        body: &[u8],
    ) -> Result<Answer, StoreError> {
        let (base, host) = place(&self.client.endpoints.oss, &self.bucket);
        let mut headers = vec![
            ("host", host),
            ("x-oss-content-sha256", oss::UNSIGNED.to_owned()),
            ("x-oss-date", time::compact(now())),
        ];
        headers.extend(more);
        let access_key = self.client.key.get();
        if let Some(token) = &access_key.token {
            headers.push(("x-oss-security-token", token.clone()));
        }
        let signed: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let request = oss::Request {
            method: method.as_str(),
            bucket: Some(&self.bucket),
            key,
            query: &query,
            headers: &signed,
        };
        let authorization = request.authorize(&access_key, &self.client.region);
        let authorization = authorization.map_err(|error| StoreError::Denied(error.to_string()))?;
        headers.push(("authorization", authorization));
        let encoded: Vec<_> = query
            .iter()
            .map(|(name, value)| {
                let value = value.as_deref().map(|value| percent_encode(value, Keep::Nothing));
                let name = percent_encode(name, Keep::Nothing);
                value.map_or(name.clone(), |value| format!("{name}={value}"))
            })
            .collect();
        let mark = if encoded.is_empty() { "" } else { "?" };
        let url = format!("{base}/{}{mark}{}", percent_encode(key, Keep::Slashes), encoded.join("&"));
        let longest = if method == Method::GET && query.is_empty() { OBJECT_ANSWER } else { ANSWER };
        let request = Request { method, url, headers, body: body.to_vec(), timeout: OBJECT_REQUEST, longest };
        let answer = self.client.send(request).await.map_err(|none| match none {
            NoAnswer::Unreachable(why) => StoreError::Unavailable(why),
            NoAnswer::Lost(why) => StoreError::Unknown(why),
        })?;
        // OSS names every request; a proxy that answers in its place does not.
        match answer.header("x-oss-request-id") {
            Some(_) => Ok(answer),
            None => {
                let status = answer.status.as_u16();
                Err(StoreError::Unknown(format!("what answers with status {status} is not OSS")))
            }
        }
    }

    /// What an answer means that is no success; `bytes` is how much was to be put.
    fn error(&self, answer: &Answer, action: &str, bytes: usize) -> StoreError {
        let text = String::from_utf8_lossy(&answer.body);
        let said = Said {
            status: answer.status.as_u16(),
            code: element(&text, "Code").unwrap_or_default(),
            message: element(&text, "Message").unwrap_or_default(),
        };
        let asked = OfObjects {
            action,
            bucket: &self.bucket,
            region: &self.client.region,
            bytes,
            delays: answer.header("x-oss-qos-delay-time").is_some(),
            points_elsewhere: element(&text, "Endpoint").is_some(),
        };
        of_objects(said, asked)
    }
}

/// Where a bucket's objects are, and the host of it.
fn place(endpoint: &str, bucket: &str) -> (String, String) {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("https", endpoint));
    // The live service takes the bucket in the host only; addresses cannot have one there.
    let is_address = rest.starts_with(|c: char| c.is_ascii_digit()) || rest.starts_with('[');
    if is_address {
        (format!("{endpoint}/{bucket}"), host(endpoint).to_owned())
    } else {
        (format!("{scheme}://{bucket}.{rest}"), format!("{bucket}.{}", host(endpoint)))
    }
}

/// Whether what OSS has, or sends, is what is here: its checksum says so, if it is there.
fn is_whole(answer: &Answer, bytes: &[u8]) -> bool {
    let Some(sent) = answer.header("x-oss-hash-crc64ecma") else { return true };
    sent.parse() == Ok(digest::crc64(bytes))
}

#[async_trait]
impl backend::Objects for Objects {
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StoreError> {
        // OSS takes nothing else than what was sent.
        let more =
            vec![("content-md5", digest::md5_base64(&bytes)), ("x-oss-forbid-overwrite", "true".to_owned())];
        let answer = self.ask(Method::PUT, key.as_str(), Query::new(), more, &bytes).await?;
        match answer.status.as_u16() {
            200 if is_whole(&answer, &bytes) => Ok(()),
            200 => Err(StoreError::Unknown("OSS has another object than it was sent".to_owned())),
            // It is there: keys name content.
            409 if code_of(&answer) == "FileAlreadyExists" => Ok(()),
            _ => Err(self.error(&answer, "PutObject", bytes.len())),
        }
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        let answer = self.ask(Method::GET, key.as_str(), Query::new(), Vec::new(), b"").await?;
        match answer.status.as_u16() {
            200 if is_whole(&answer, &answer.body) => Ok(Some(answer.body)),
            200 => Err(StoreError::Unknown("an object came damaged".to_owned())),
            404 if code_of(&answer) == "NoSuchKey" => Ok(None),
            _ => Err(self.error(&answer, "GetObject", 0)),
        }
    }

    async fn delete_run(&self, of: &Incarnation, which: ObjectsOf) -> Result<(), StoreError> {
        for _ in 0..MAX_LISTINGS {
            let query = vec![
                ("list-type".to_owned(), Some("2".to_owned())),
                ("max-keys".to_owned(), Some(LISTED.to_string())),
                ("prefix".to_owned(), Some(ObjectKey::prefix(of, which))),
            ];
            let answer = self.ask(Method::GET, "", query, Vec::new(), b"").await?;
            if !answer.status.is_success() {
                return Err(self.error(&answer, "ListObjects", 0));
            }
            let text = String::from_utf8_lossy(&answer.body);
            if !text.trim_end().ends_with("</ListBucketResult>") {
                return Err(StoreError::Unknown("a list of objects ends too early".to_owned()));
            }
            let keys: Vec<&str> = elements(&text, "Key").collect();
            for key in &keys {
                let answer = self.ask(Method::DELETE, key, Query::new(), Vec::new(), b"").await?;
                if !answer.status.is_success() && answer.status.as_u16() != 404 {
                    return Err(self.error(&answer, "DeleteObject", 0));
                }
            }
            if keys.len() < LISTED as usize {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn code_of(answer: &Answer) -> String {
    element(&String::from_utf8_lossy(&answer.body), "Code").unwrap_or_default().to_owned()
}

/// The text of an element that has nothing but text. Our keys are hexadecimal digits, so nothing in
/// them is escaped.
fn element<'t>(xml: &'t str, name: &str) -> Option<&'t str> {
    elements(xml, name).next()
}

fn elements<'t>(xml: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let start = rest.find(&open)? + open.len();
        let end = start + rest[start..].find(&close)?;
        let text = &rest[start..end];
        rest = &rest[end + close.len()..];
        Some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_in_an_answer() {
        let xml = "<R><Contents><Key>a/b</Key></Contents><Contents><Key>c</Key></Contents></R>";
        assert_eq!(elements(xml, "Key").collect::<Vec<_>>(), ["a/b", "c"]);
        assert_eq!(element("<Error><Code>NoSuchKey</Code>", "Code"), Some("NoSuchKey"));
        for cut in 0..xml.len() {
            let _ = elements(&xml[..cut], "Key").count();
        }
    }

    #[test]
    fn a_bucket_is_in_the_host_but_of_an_address() {
        let at = |endpoint: &str| place(endpoint, "objects");
        let both = |url: &str, host: &str| (url.to_owned(), host.to_owned());
        assert_eq!(
            at("https://oss-cn-hongkong.aliyuncs.com"),
            both("https://objects.oss-cn-hongkong.aliyuncs.com", "objects.oss-cn-hongkong.aliyuncs.com")
        );
        assert_eq!(
            at("http://localhost:8802"),
            both("http://objects.localhost:8802", "objects.localhost:8802")
        );
        assert_eq!(at("http://127.0.0.1:8802"), both("http://127.0.0.1:8802/objects", "127.0.0.1:8802"));
        assert_eq!(at("http://[::1]:8802"), both("http://[::1]:8802/objects", "[::1]:8802"));
    }
}
