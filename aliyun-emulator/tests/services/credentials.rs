//! Temporary credentials: taken by all three services with their token and in their time only, and given to
//! functions, anew before the last have expired.

use std::time::Duration;

use aliyun_emulator::{Emulator, Options};
use aliyun_wire::{AccessKey, tablestore::message::ListTableRequest};
use serde_json::{Value as Json, json};

use crate::client::{Answer, Client};

/// What the three services answer to a request that changes nothing but a nonce.
async fn asked(client: &Client) -> [(u16, String); 3] {
    let rows = client.rows("ListTable", &ListTableRequest {}).await.unwrap();
    let objects = client.object("GET", "jl-none", "x", b"").await.unwrap();
    let functions = client.functions("GET", "ListFunctions", "", &[], b"").await.unwrap();
    [rows, objects, functions].map(|answer| answer.refusal())
}

fn refusals(codes: [(u16, &str); 3]) -> [(u16, String); 3] {
    codes.map(|(status, code)| (status, code.to_owned()))
}

/// Signed by a key that is known: there is no such bucket.
fn taken() -> [(u16, String); 3] {
    refusals([(200, ""), (404, "NoSuchBucket"), (200, "")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_taken_with_their_token_until_they_expire() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let client = Client::new(&emulator);
    let issued = emulator.credentials(Duration::from_secs(3600));
    let key = issued.key.clone();
    let lasting = AccessKey::new("testAccessKeyId", "testAccessKeySecret");
    let other = emulator.credentials(Duration::from_secs(3600)).key.token.unwrap();
    assert_eq!(asked(&client.with_key(key.clone())).await, taken());
    assert_eq!(
        asked(&client.with_key(AccessKey { token: None, ..key.clone() })).await,
        refusals([(403, "OTSAuthFailed"), (403, "InvalidAccessKeyId"), (403, "MissingSecurityToken")])
    );
    let of_others =
        refusals([(403, "OTSAuthFailed"), (403, "InvalidSecurityToken"), (403, "InvalidSecurityToken")]);
    assert_eq!(asked(&client.with_key(key.clone().with_token(&*other))).await, of_others);
    assert_eq!(asked(&client.with_key(key.clone().with_token(""))).await, of_others);
    assert_eq!(
        asked(&client.with_key(lasting.with_token(other))).await,
        refusals([(403, "OTSAuthFailed"), (403, "InvalidAccessKeyId"), (403, "InvalidSecurityToken")])
    );
    let forged = AccessKey { secret: "another".to_owned(), ..key.clone() };
    assert_eq!(
        asked(&client.with_key(forged)).await,
        refusals([(403, "OTSAuthFailed"), (403, "SignatureDoesNotMatch"), (403, "SignatureNotMatch")])
    );

    let left = issued.expires_ms - emulator.clock().now();
    emulator.clock().advance(Duration::from_millis(left - 60_000));
    assert_eq!(asked(&client.with_key(key.clone())).await, taken(), "a minute before its time is over");
    emulator.clock().advance(Duration::from_secs(60));
    assert_eq!(
        asked(&client.with_key(key)).await,
        refusals([
            (403, "OTSAuthFailed"),
            (403, "SecurityTokenExpired"),
            (403, "InvalidSecurityToken.Expired")
        ])
    );
}

fn key_of(told: &Json, names: [&str; 3]) -> AccessKey {
    let [id, secret, token] = names.map(|name| told[name].as_str().unwrap_or_default());
    AccessKey::new(id, secret).with_token(token)
}

fn keys(answer: &Answer) -> [AccessKey; 2] {
    let told = answer.json();
    [
        key_of(
            &told["environment"],
            [
                "ALIBABA_CLOUD_ACCESS_KEY_ID",
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
                "ALIBABA_CLOUD_SECURITY_TOKEN",
            ],
        ),
        key_of(&told["headers"], ["x-fc-access-key-id", "x-fc-access-key-secret", "x-fc-security-token"]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_get_those_of_their_role_and_new_ones_in_time() {
    let mut options = Options::default();
    options.credentials_s = 3600;
    let emulator = Emulator::start(options).await.unwrap();
    let client = Client::new(&emulator);
    let log = tempfile::NamedTempFile::new().unwrap();
    client.create("worker", log.path(), json!({})).await.unwrap();
    let environment = json!({ "do": "environment" });
    let [first, same] = keys(&client.invoke("worker", "Sync", &environment).await.unwrap());
    assert!(first.id.starts_with("STS.") && first == same, "{first:?} {same:?}");
    assert_eq!(asked(&client.with_key(first.clone())).await, taken());

    // Instances are idle for three minutes at most: ask on, so that the same one is there to the end.
    for _ in 0..16 {
        emulator.clock().advance(Duration::from_secs(120));
        client.invoke("worker", "Sync", &json!({})).await.unwrap();
    }
    let [old, new] = keys(&client.invoke("worker", "Sync", &environment).await.unwrap());
    assert_eq!(old, first, "the environment is as old as the process");
    assert_ne!(new, first, "half of their time is over");
    assert_eq!(asked(&client.with_key(old.clone())).await, taken(), "the old ones are good for a while");
    emulator.clock().advance(Duration::from_secs(1800));
    assert_eq!(asked(&client.with_key(old)).await[0], (403, "OTSAuthFailed".to_owned()));
    assert_eq!(asked(&client.with_key(new)).await, taken());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_without_a_role_get_none_and_others_where_they_want_them() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let client = Client::new(&emulator);
    let log = tempfile::NamedTempFile::new().unwrap();
    let environment = json!({ "do": "environment" });
    for (name, settings, expected) in [
        ("none", json!({ "role": "" }), [false, false]),
        ("both", json!({ "disableInjectCredentials": "None" }), [true, true]),
        ("request", json!({ "disableInjectCredentials": "Env" }), [false, true]),
        ("env", json!({ "disableInjectCredentials": "Request" }), [true, false]),
        ("neither", json!({ "disableInjectCredentials": "All" }), [false, false]),
    ] {
        client.create(name, log.path(), settings).await.unwrap();
        let got = keys(&client.invoke(name, "Sync", &environment).await.unwrap());
        assert_eq!(got.map(|key| !key.id.is_empty()), expected, "{name}");
    }
    let refused = client.create("bad", log.path(), json!({ "role": "worker" })).await.unwrap();
    assert_eq!(refused.refusal(), (400, "InvalidArgument".to_owned()));
}
