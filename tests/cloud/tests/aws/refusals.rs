//! What a service that says no, or nothing, means to the runtime; and the one line that people read.

use std::time::{Duration, SystemTime};

use jointlambda::{
    backend::{Backend, Invoked, NewRow, StoreError},
    id::{Digest, Incarnation, ObjectKey, RowKey, RunId},
};
use jointlambda_cloud_tests::{Account, Standin, exchange, workflow::Doubled};

const XML: (&str, &str) = ("content-type", "application/xml");

/// The address of a service that answers every request so; with nothing it closes the connection.
fn service(answer: Option<Vec<u8>>) -> String {
    exchange::serve(move |_| answer.clone())
}

fn http(status: u16, headers: &[(&str, &str)], body: &str) -> Option<Vec<u8>> {
    Some(exchange::http(status, headers, body.as_bytes()))
}

/// A backend whose services all answer so.
fn backend(status: u16, code: &str, message: &str) -> Backend {
    let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amzn-errortype", code)];
    let body = format!(r#"{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "{message}"}}"#);
    Account::at(&service(http(status, &headers, &body))).backend::<Doubled>("rows")
}

async fn of_table(backend: &Backend) -> StoreError {
    let key = RowKey::run(&RunId::derive("refusals", "key"));
    backend.table.create(&key, NewRow::default()).await.expect_err("it is refused")
}

async fn of_objects(backend: &Backend) -> StoreError {
    let key = ObjectKey::new(&Incarnation::of(&RunId::derive("refusals", "key"), 1), &Digest::of(b"content"));
    backend.objects.put(&key, "content".into()).await.expect_err("it is refused")
}

async fn of_function(backend: &Backend) -> Invoked {
    backend.functions.invoke("sum", "x".into()).await
}

fn one_line(error: &StoreError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[tokio::test]
async fn what_is_not_deployed_is_said_with_what_to_do() {
    let standin = Standin::ministack();
    let backend = Account::at(&standin.url).backend::<Doubled>("rows");
    assert_eq!(
        one_line(&of_table(&backend).await),
        "the store refuses: there is no table `rows` in us-east-1: deploy the workflow's store, or correct `table` and `region`"
    );
    assert_eq!(
        one_line(&of_objects(&backend).await),
        "the store refuses: there is no bucket `objects` in us-east-1: deploy the workflow's store, or correct `bucket`"
    );
    let Invoked::Denied(why) = of_function(&backend).await else { panic!("there is no function") };
    assert!(
        why.starts_with("there is no function `doubled-")
            && why.ends_with("deploy this version of the workflow"),
        "{why}"
    );
}

#[tokio::test]
async fn credentials_that_expired_or_are_wrong_are_said_with_what_to_do() {
    let renew = "the AWS credentials have expired: renew them, for instance with `aws sso login`";
    let expired =
        backend(400, "ExpiredTokenException", "The security token included in the request is expired");
    assert_eq!(one_line(&of_table(&expired).await), format!("the store refuses: {renew}"));
    assert_eq!(of_function(&expired).await, Invoked::Denied(renew.to_owned()));
    let unknown =
        backend(403, "UnrecognizedClientException", "The security token included in the request is invalid");
    let check = "the AWS credentials are not known in us-east-1: check AWS_ACCESS_KEY_ID and the region";
    assert_eq!(one_line(&of_table(&unknown).await), format!("the store refuses: {check}"));
    assert_eq!(of_function(&unknown).await, Invoked::Denied(check.to_owned()));
    let s3 = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
    let s3 = service(http(400, &[XML], s3));
    let s3 = Account::at(&s3).backend::<Doubled>("rows");
    assert_eq!(one_line(&of_objects(&s3).await), format!("the store refuses: {renew}"));
}

#[tokio::test]
async fn a_bucket_of_another_region_is_said_with_what_to_do() {
    for (status, code) in [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")] {
        let said = format!("<Error><Code>{code}</Code><Message>the region is wrong</Message></Error>");
        let s3 = service(http(status, &[XML], &said));
        let s3 = Account::at(&s3).backend::<Doubled>("rows");
        assert_eq!(
            one_line(&of_objects(&s3).await),
            "the store refuses: the bucket `objects` is not in us-east-1: correct `bucket`, or the region in the workflow"
        );
    }
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let denied = backend(400, "AccessDeniedException", "User: x is not authorized to perform: y");
    assert_eq!(
        one_line(&of_table(&denied).await),
        "the store refuses: not allowed to use the table `rows`: grant dynamodb:UpdateItem on it"
    );
    let denied = backend(403, "AccessDeniedException", "User: x is not authorized to perform: y");
    let Invoked::Denied(why) = of_function(&denied).await else { panic!("it is not allowed") };
    assert!(
        why.starts_with("not allowed to invoke `doubled-")
            && why.ends_with("grant lambda:InvokeFunction on it"),
        "{why}"
    );
    let s3 = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let s3 = service(http(403, &[XML], s3));
    let s3 = Account::at(&s3).backend::<Doubled>("rows");
    assert_eq!(
        one_line(&of_objects(&s3).await),
        "the store refuses: not allowed to use the bucket `objects`: check the credentials, and grant s3:PutObject on it"
    );
}

#[tokio::test]
async fn a_busy_service_is_told_from_one_that_gave_no_answer() {
    let busy = backend(400, "ThrottlingException", "Rate exceeded");
    assert_eq!(of_table(&busy).await, StoreError::Throttled);
    let busy = backend(429, "TooManyRequestsException", "Rate Exceeded.");
    assert_eq!(of_function(&busy).await, Invoked::Throttled);
    let broken = backend(500, "InternalServerError", "again");
    assert!(matches!(of_table(&broken).await, StoreError::Unknown(_)));
    assert!(matches!(of_function(&broken).await, Invoked::Unknown(_)));
    let large = backend(413, "RequestTooLargeException", "too large");
    assert!(matches!(of_function(&large).await, Invoked::Rejected(_)));
}

/// While a function is made or changed, Lambda answers so to an invocation (`ResourceConflictException` of the
/// API reference of `Invoke`).
#[tokio::test]
async fn a_function_that_is_being_deployed_takes_events_later() {
    let pending = "The operation cannot be performed at this time. The function is currently in the following state: Pending";
    let pending = backend(409, "ResourceConflictException", pending);
    assert!(matches!(of_function(&pending).await, Invoked::Unavailable(_)));
}

#[tokio::test]
async fn a_clock_that_is_off_is_not_taken_for_wrong_keys() {
    let expired = "Signature expired: 20261201T000000Z is now earlier than 20261201T002500Z (20261201T003000Z - 5 min.)";
    let off = backend(400, "InvalidSignatureException", expired);
    let advice = "the clock of this machine and AWS's are too far apart: set the clock";
    assert_eq!(one_line(&of_table(&off).await), format!("the store refuses: {advice}"));
    assert_eq!(of_function(&off).await, Invoked::Denied(advice.to_owned()));
    let s3 =
        "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>";
    let s3 = Account::at(&service(http(403, &[XML], s3))).backend::<Doubled>("rows");
    assert_eq!(one_line(&of_objects(&s3).await), format!("the store refuses: {advice}"));
}

/// A proxy on the way has a clock of its own, and a cache the date of another day.
#[tokio::test]
async fn only_dynamodb_itself_tells_the_time() {
    let in_nine_days = SystemTime::now() + Duration::from_secs(9 * 24 * 3_600);
    let date = httpdate::fmt_http_date(in_nine_days);
    let json = ("content-type", "application/x-amz-json-1.0");
    let body = r#"{"__type": "com.amazonaws.dynamodb.v20120810#ValidationException", "message": "no"}"#;
    for (headers, tells) in [
        (vec![json, ("date", &*date)], false),
        (vec![json, ("date", &*date), ("x-amzn-requestid", "A1")], true),
        (vec![json, ("x-amzn-requestid", "A1")], false),
    ] {
        let backend = Account::at(&service(http(400, &headers, body))).backend::<Doubled>("rows");
        of_table(&backend).await;
        assert_eq!(backend.table.heard().is_some(), tells, "{headers:?}");
        let ahead_h = backend.table.ahead_ms() / 3_600_000;
        assert!((!tells && ahead_h == 0) || (215..=216).contains(&ahead_h), "{ahead_h} h: {headers:?}");
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_told_from_what_was_not() {
    // The connection goes once the request has come.
    let mute = Account::at(&service(None)).backend::<Doubled>("rows");
    assert!(matches!(of_table(&mute).await, StoreError::Unknown(_)));
    assert!(matches!(of_objects(&mute).await, StoreError::Unknown(_)));
    assert!(matches!(of_function(&mute).await, Invoked::Unknown(_)));
    // Nothing listens there.
    let port = jointlambda_cloud_tests::free_port();
    let nobody = Account::at(&format!("http://127.0.0.1:{port}")).backend::<Doubled>("rows");
    assert!(matches!(of_table(&nobody).await, StoreError::Unavailable(_)));
    assert!(of_objects(&nobody).await.is_transient());
    assert!(matches!(of_function(&nobody).await, Invoked::Unavailable(_)));
}

#[tokio::test]
async fn no_secret_is_printed() {
    let backend = backend(400, "ValidationException", "no");
    let shown = format!("{backend:?} {:?} {}", of_function(&backend).await, of_table(&backend).await);
    assert!(!shown.contains("test"), "{shown}");
}
