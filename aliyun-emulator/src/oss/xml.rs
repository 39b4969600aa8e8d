//! XML, as little as OSS needs: elements with text in them, written; and the two bodies it reads.

use quick_xml::escape::escape;
use serde::Deserialize;

use crate::http::Refusal;

/// `<name>text</name>`, the text escaped.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

/// A document of one element with others in it.
pub(super) fn document(name: &str, inner: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name}>{inner}</{name}>")
}

pub(super) fn error(refusal: &Refusal, request_id: &str, host: &str) -> String {
    let parts = [
        ("Code", &*refusal.code),
        ("Message", &*refusal.message),
        ("RequestId", request_id),
        ("HostId", host),
    ];
    document("Error", &parts.map(|(name, text)| element(name, text)).concat())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    #[serde(default)]
    pub(super) quiet: bool,
    #[serde(default, rename = "Object")]
    pub(super) objects: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    pub(super) key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Versioning {
    pub(super) status: String,
}

pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    let malformed =
        || Refusal::new(400, "MalformedXML", "The XML you provided was not well-formed or did not validate.");
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    quick_xml::de::from_str(text).map_err(|_| malformed())
}
