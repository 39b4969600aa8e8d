//! Listings, in pages, by prefix and delimiter.

use std::{collections::BTreeSet, ops::Bound};

use aliyun_wire::{text, time};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Call, bucket::Bucket, xml};
use crate::http::{Refusal, Response};

const DEFAULT_KEYS: usize = 100;
const MAX_KEYS: usize = 1000;

pub(super) fn list(bucket: &Bucket, name: &str, call: &Call<'_>) -> Result<Response, Refusal> {
    let invalid = |message: &str| Refusal::new(400, "InvalidArgument", message);
    let max_keys = match call.value("max-keys") {
        None => DEFAULT_KEYS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|keys| (1..=MAX_KEYS).contains(keys))
            .ok_or_else(|| invalid("max-keys must be in range: [1, 1000]."))?,
    };
    let prefix = call.value("prefix").unwrap_or_default();
    let delimiter = call.value("delimiter").filter(|delimiter| !delimiter.is_empty());
    let start = match call.value("continuation-token").filter(|token| !token.is_empty()) {
        None => call.value("start-after").unwrap_or_default().to_owned(),
        Some(token) => STANDARD
            .decode(token)
            .ok()
            .and_then(|token| String::from_utf8(token).ok())
            .ok_or_else(|| invalid("The continuation-token is not valid."))?,
    };
    let encoded = call.value("encoding-type") == Some("url");
    let encode =
        |key: &str| if encoded { text::percent_encode(key, text::Keep::Nothing) } else { key.to_owned() };

    let (mut contents, mut prefixes, mut count, mut last) = (String::new(), BTreeSet::new(), 0, None);
    let mut truncated = false;
    for (key, object) in bucket.objects.range::<str, _>((Bound::Excluded(start.as_str()), Bound::Unbounded)) {
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        let common = delimiter.and_then(|delimiter| {
            let end = rest.find(delimiter)? + delimiter.len();
            Some(format!("{prefix}{}", &rest[..end]))
        });
        // A page that ended within a common prefix has listed it already.
        if common.as_ref().is_some_and(|common| start.starts_with(common.as_str())) {
            continue;
        }
        if common.as_ref().is_none_or(|common| !prefixes.contains(common)) {
            if count == max_keys {
                truncated = true;
                break;
            }
            count += 1;
        }
        last = Some(key);
        if let Some(common) = common {
            prefixes.insert(common);
            continue;
        }
        // In whole seconds, with three zeros: oss2 reads nothing else.
        let parts = [
            ("Key", encode(key)),
            ("LastModified", time::milliseconds(object.modified_ms / 1000 * 1000)),
            ("ETag", object.etag.clone()),
            ("Type", "Normal".to_owned()),
            ("Size", object.body.len().to_string()),
            ("StorageClass", "Standard".to_owned()),
        ];
        contents.push_str(&format!(
            "<Contents>{}</Contents>",
            parts.map(|(name, text)| xml::element(name, &text)).concat()
        ));
    }
    let mut body = [
        ("Name", name.to_owned()),
        ("Prefix", encode(prefix)),
        ("MaxKeys", max_keys.to_string()),
        ("Delimiter", encode(delimiter.unwrap_or_default())),
        ("IsTruncated", truncated.to_string()),
        ("KeyCount", count.to_string()),
    ]
    .map(|(name, text)| xml::element(name, &text))
    .concat();
    if encoded {
        body.push_str(&xml::element("EncodingType", "url"));
    }
    if let Some(last) = last.filter(|_| truncated) {
        body.push_str(&xml::element("NextContinuationToken", &STANDARD.encode(last)));
    }
    body.push_str(&contents);
    for common in prefixes {
        body.push_str(&format!(
            "<CommonPrefixes>{}</CommonPrefixes>",
            xml::element("Prefix", &encode(&common))
        ));
    }
    let body = xml::document("ListBucketResult", &body);
    Ok(Response::new(200, body).header("content-type", "application/xml"))
}
