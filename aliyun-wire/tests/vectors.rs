//! Signatures and bytes that Alibaba's own SDKs made with a frozen clock, reproduced to the byte.

use aliyun_wire::{
    AccessKey, acs3, digest, oss,
    tablestore::{
        message::{Condition, PutRowRequest, ReturnContent, ReturnType, RowExistence},
        plain_buffer,
        row::{Cell, Row, Value},
        sign::{self, Signing},
    },
};
use prost::Message as _;
use serde_json::Value as Json;

const ACS3: &str = include_str!("vectors/acs3_vectors.json");
const TABLESTORE_AND_OSS: &str = include_str!("vectors/ots_oss_vectors.json");

fn key() -> AccessKey {
    AccessKey::new("testAccessKeyId", "testAccessKeySecret")
}

fn text(json: &Json) -> &str {
    json.as_str().expect("a text")
}

fn pairs(json: &Json) -> Vec<(&str, &str)> {
    let object = json.as_object().expect("an object");
    object.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
}

#[test]
fn acs3_signatures_are_those_of_the_sdk() {
    let vectors: Vec<Json> = serde_json::from_str(ACS3).unwrap();
    assert_eq!(vectors.len(), 3);
    for vector in &vectors {
        let query: Vec<_> =
            pairs(&vector["query"]).iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let headers = pairs(&vector["headers"]);
        let body = vector["body"].as_str().unwrap_or_default();
        let body_sha256 = digest::sha256_hex(body.as_bytes());
        let mut request = acs3::Request {
            method: text(&vector["method"]),
            path: text(&vector["pathname"]),
            query: &query,
            headers: &headers,
            body_sha256: &body_sha256,
        };
        let sent = acs3::Authorization::parse(text(&vector["authorization"])).unwrap();
        assert_eq!(request.canonical(&sent.signed), text(&vector["canonical_request"]));
        assert_eq!(request.string_to_sign(&sent.signed), text(&vector["string_to_sign"]));
        assert_eq!(request.authorization(&key(), &sent.signed), text(&vector["authorization"]));
        request.verify(&key(), &sent).unwrap();

        request.verify(&AccessKey::new("testAccessKeyId", "another"), &sent).unwrap_err();
        request.method = "PUT";
        request.verify(&key(), &sent).unwrap_err();
    }
}

#[test]
fn acs3_gives_the_signature_of_the_documentation() {
    let query = [
        ("ImageId".to_owned(), "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd".to_owned()),
        ("RegionId".to_owned(), "cn-shanghai".to_owned()),
    ];
    let empty = digest::sha256_hex(b"");
    let headers = [
        ("host", "ecs.cn-shanghai.aliyuncs.com"),
        ("x-acs-action", "RunInstances"),
        ("x-acs-version", "2014-05-26"),
        ("x-acs-date", "2023-10-26T10:22:32Z"),
        ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
        ("x-acs-content-sha256", &empty),
        ("user-agent", "is not signed"),
    ];
    let request =
        acs3::Request { method: "POST", path: "/", query: &query, headers: &headers, body_sha256: &empty };
    let authorization = request.authorize(&AccessKey::new("YourAccessKeyId", "YourAccessKeySecret"));
    let signature = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0";
    assert!(authorization.ends_with(&format!("Signature={signature}")), "{authorization}");
}

#[test]
fn acs3_wants_all_that_matters_signed() {
    let (empty, query) = (digest::sha256_hex(b""), []);
    let headers = [("host", "h"), ("x-acs-date", "2026-01-02T03:04:05Z"), ("x-fc-invocation-type", "Async")];
    let request =
        acs3::Request { method: "GET", path: "/", query: &query, headers: &headers, body_sha256: &empty };
    let verify = |signed: &[&str]| {
        let signed: Vec<String> = signed.iter().map(|name| (*name).to_owned()).collect();
        let sent = acs3::Authorization::parse(&request.authorization(&key(), &signed)).unwrap();
        request.verify(&key(), &sent)
    };
    verify(&["host", "x-acs-date"]).unwrap();
    verify(&["host", "x-acs-date", "x-fc-invocation-type"]).unwrap();
    assert_eq!(verify(&["host"]).unwrap_err().to_string(), "the header x-acs-date must be signed");
    let missing = verify(&["host", "x-acs-date", "x-other"]).unwrap_err();
    assert_eq!(missing.to_string(), "the signed header x-other is not there");
}

#[test]
fn tablestore_requests_and_responses_are_signed_as_by_the_sdk() {
    let vectors: Json = serde_json::from_str(TABLESTORE_AND_OSS).unwrap();
    for (version, signing) in
        [("ots_v2", Signing::v2(&key())), ("ots_v4", Signing::v4(&key(), "20260102", "cn-hangzhou"))]
    {
        let vector = &vectors[version];
        let headers = pairs(&vector["headers"]);
        assert!(signing == Signing::of(&headers, &key()).unwrap());
        let (Signing::V2(signing_key) | Signing::V4(signing_key)) = &signing;
        assert_eq!(signing_key, text(&vector["signing_key"]));
        assert_eq!(sign::string_to_sign("PutRow", &headers), text(&vector["string_to_sign"]));
        assert_eq!(signing.request("PutRow", &headers), text(&vector["headers"][signing.header()]));
        signing.verify_request("PutRow", &headers).unwrap();
        signing.verify_request("GetRow", &headers).unwrap_err();

        let answer = pairs(&vector["response_headers"]);
        let authorization = text(&vector["response_authorization"]);
        assert_eq!(signing.authorization("testAccessKeyId", "PutRow", &answer), authorization);
        signing.verify_response("testAccessKeyId", "PutRow", &answer, authorization).unwrap();
        signing.verify_response("testAccessKeyId", "GetRow", &answer, authorization).unwrap_err();
        let body = bytes(text(&vector["body_hex"]));
        assert_eq!(digest::md5_base64(&body), text(&vector["headers"]["x-ots-contentmd5"]));
    }
    Signing::of(&[("x-ots-date", "2026-01-02T03:04:05.000Z")], &key()).err().unwrap();
}

#[test]
fn a_row_is_put_with_the_bytes_of_the_sdk() {
    let vectors: Json = serde_json::from_str(TABLESTORE_AND_OSS).unwrap();
    let row = Row {
        key: vec![("pk".into(), Value::string("w1#n3"))],
        cells: vec![Cell::put("out", Value::string("done")), Cell::put("n", Value::Integer(5))],
        delete: false,
    };
    let request = PutRowRequest {
        table_name: "claims".into(),
        row: plain_buffer::encode(std::slice::from_ref(&row)),
        condition: Condition { row_existence: RowExistence::ExpectNotExist.into(), column_condition: None },
        return_content: Some(ReturnContent {
            return_type: Some(ReturnType::PrimaryKey.into()),
            return_column_names: Vec::new(),
        }),
        transaction_id: None,
    };
    for version in ["ots_v2", "ots_v4"] {
        let body = bytes(text(&vectors[version]["body_hex"]));
        assert_eq!(request.encode_to_vec(), body);
        let decoded = PutRowRequest::decode(body.as_slice()).unwrap();
        assert_eq!(decoded, request);
        assert_eq!(plain_buffer::decode_one(&decoded.row).unwrap(), row);
    }
}

#[test]
fn oss_v4_signatures_are_those_of_the_sdk() {
    let vectors: Json = serde_json::from_str(TABLESTORE_AND_OSS).unwrap();
    let vector = &vectors["oss_v4"];
    let headers = pairs(&vector["headers"]);
    let mut request = oss::Request {
        method: "PUT",
        bucket: Some("jl-bkt"),
        key: "wf/k 1.json",
        query: &[],
        headers: &headers,
    };
    let debug = vector["debug"].as_array().unwrap();
    let canonical = quoted(text(&debug[0]), "canonical_request = ");
    let signed = text(&debug[1]).split_once("signed = ").unwrap().1;
    assert_eq!(request.canonical(&[]), canonical);
    assert_eq!(request.string_to_sign("20260102T030405Z", "cn-hangzhou", &[]), signed);
    let authorization = text(&vector["headers"]["authorization"]);
    assert_eq!(request.authorize(&key(), "cn-hangzhou").unwrap(), authorization);

    let sent = oss::Authorization::parse(authorization).unwrap();
    request.verify(&key(), &sent).unwrap();
    let reordered = authorization.replace(", ", ",").replace("Credential=", "AdditionalHeaders=,Credential=");
    assert_eq!(oss::Authorization::parse(&reordered).unwrap().signature, sent.signature);
    request.key = "wf/k 2.json";
    request.verify(&key(), &sent).unwrap_err();
}

#[cfg(feature = "oss-v1")]
#[test]
fn oss_v1_signatures_are_those_of_the_sdk() {
    let vectors: Json = serde_json::from_str(TABLESTORE_AND_OSS).unwrap();
    let vector = &vectors["oss_v1"];
    let headers = pairs(&vector["headers"]);
    let request = oss::Request {
        method: "PUT",
        bucket: Some("jl-bkt"),
        key: "wf/k 1.json",
        query: &[],
        headers: &headers,
    };
    let debug = text(&vector["debug"][0]);
    assert_eq!(oss::v1::string_to_sign(&request), quoted(debug, "signed = "));
    let authorization = text(&vector["headers"]["authorization"]);
    assert_eq!(oss::v1::access_key_id(authorization), Some("testAccessKeyId"));
    assert_eq!(oss::v1::authorize(&request, &key()), authorization);
    oss::v1::verify(&request, &key(), authorization).unwrap();
    oss::v1::verify(&request, &AccessKey::new("testAccessKeyId", "another"), authorization).unwrap_err();
}

/// The text of a Python bytes literal behind `mark`.
fn quoted(log: &str, mark: &str) -> String {
    let literal = log.split_once(mark).unwrap().1;
    literal.trim_start_matches("b'").trim_end_matches('\'').replace("\\n", "\n")
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}
