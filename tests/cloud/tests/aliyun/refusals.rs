//! What a service says that says no: the one line that people read.

use aliyun_emulator::fault::{Action, Answer, Rule, Service};
use aliyun_wire::AccessKey;
use jointlambda::{
    backend::{
        Backend, IndexPart, Invoked, NewRow, StoreError,
        aliyun::{Endpoints, backend_with},
    },
    deployment::{CloudSettings, Names},
    id::{Digest, Incarnation, ObjectKey, RowKey, RunId},
};
use jointlambda_cloud_tests::{AliyunAccount, exchange, shapes::aliyun::chain::Chain};

pub(crate) const EXPIRES_AT: u64 = 4_000_000_000_000;

pub(crate) async fn account() -> AliyunAccount {
    AliyunAccount::start("cn-hongkong").await
}

/// A backend that is set as said.
fn set(
    account: &AliyunAccount,
    key: AccessKey,
    endpoints: Endpoints,
    change: impl FnOnce(&mut CloudSettings),
) -> Backend {
    use jointlambda::Workflow as _;
    let mut settings = account.settings::<Chain>();
    change(&mut settings);
    let names = Names::of_deployment(Chain::definition(), std::slice::from_ref(&settings));
    backend_with(&settings, names, key, endpoints).expect("the table has an instance")
}

/// A backend whose services all answer so.
pub(crate) fn answered(account: &AliyunAccount, answer: Option<Vec<u8>>) -> Backend {
    let url = exchange::serve(move |_| answer.clone());
    let endpoints = Endpoints { tablestore: url.clone(), oss: url.clone(), function_compute: url };
    set(account, account.key().clone(), endpoints, |_| {})
}

pub(crate) fn row_key() -> RowKey {
    RowKey::run(&RunId::derive("refusals", "key"))
}

pub(crate) fn row() -> NewRow {
    NewRow { body: "mine".into(), expires_at: EXPIRES_AT, ..NewRow::default() }
}

pub(crate) fn object() -> ObjectKey {
    ObjectKey::new(&Incarnation::of(&RunId::derive("refusals", "key"), 1), &Digest::of(b"content"))
}

async fn of_table(backend: &Backend) -> StoreError {
    backend.table.create(&row_key(), row()).await.expect_err("it is refused")
}

pub(crate) async fn of_objects(backend: &Backend) -> StoreError {
    backend.objects.put(&object(), "content".into()).await.expect_err("it is refused")
}

pub(crate) async fn of_function(backend: &Backend) -> Invoked {
    backend.functions.invoke("first", "x".into()).await
}

pub(crate) fn fails(account: &AliyunAccount, service: Service, status: u16, code: &str, message: &str) {
    let answer = Answer { status, code: code.to_owned(), message: message.to_owned() };
    account.emulator.clear_faults();
    account.emulator.fault(Rule::new(service, Action::Error(answer))).expect("one more fault can be");
}

/// What each of the three services says, one line each.
async fn lines(backend: &Backend) -> [String; 3] {
    let Invoked::Denied(why) = of_function(backend).await else { panic!("it is refused for good") };
    let lines = [of_table(backend).await.to_string(), of_objects(backend).await.to_string(), why];
    assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("hidden")), "{lines:?}");
    lines
}

fn begin(lines: &[String; 3], with: &str, last: &str) {
    let store = format!("the store refuses: {with}");
    let right = lines[0].starts_with(&store) && lines[1].starts_with(&store) && lines[2].starts_with(last);
    assert!(right, "{lines:#?}\nand not {with}");
}

#[tokio::test]
async fn credentials_that_are_not_known_are_said_with_what_to_do() {
    let account = account().await;
    let endpoints = || account.endpoints().clone();
    let why = "the credentials are not known in cn-hongkong, or have expired: check \
               ALIBABA_CLOUD_ACCESS_KEY_ID, its secret and token, and the region (";
    let own = account.key().clone();
    let unknown = AccessKey::new("unknown", "hidden");
    let wrong = AccessKey::new(own.id.clone(), "hidden");
    let stale = own.with_token("hidden");
    for key in [unknown, wrong, stale] {
        begin(&lines(&set(&account, key, endpoints(), |_| {})).await, why, why);
    }
    // As the live services say it of what has expired.
    for (service, status, code, message) in [
        (Service::Oss, 403, "SecurityTokenExpired", "The security token you provided has expired."),
        (
            Service::FunctionCompute,
            403,
            "InvalidSecurityToken.Expired",
            "Specified SecurityToken is expired.",
        ),
        (Service::FunctionCompute, 403, "InvalidAccessKeyID", "the access key does not exist"),
    ] {
        fails(&account, service, status, code, message);
        let backend = account.backend::<Chain>();
        let line = match service {
            Service::Oss => of_objects(&backend).await.to_string(),
            _ => format!("{:?}", of_function(&backend).await),
        };
        assert!(line.contains(why) && line.contains(&format!("({code})")), "{line}");
        // It may repeat what was signed.
        assert!(!line.contains(message), "{line}");
    }
}

#[tokio::test]
async fn a_region_that_is_another_is_said_with_what_to_do() {
    let account = account().await;
    let elsewhere = set(&account, account.key().clone(), account.endpoints().clone(), |settings| {
        settings.region = "eu-central-1".to_owned();
    });
    let line = of_table(&elsewhere).await.to_string();
    assert!(
        line.starts_with("the store refuses: the credentials are not known in eu-central-1")
            && line.contains("and the region ("),
        "{line}"
    );
    assert_eq!(
        of_objects(&elsewhere).await.to_string(),
        "the store refuses: the bucket `objects-test` is not in eu-central-1: correct `bucket`, or the region in the workflow"
    );
    // As OSS says it of a bucket that is at another endpoint.
    let said = "<Error><Code>AccessDenied</Code><Message>The bucket you are attempting to access must be \
                addressed using the specified endpoint.</Message><Endpoint>oss-eu-central-1.aliyuncs.com</Endpoint></Error>";
    let answer = exchange::http(403, &[("x-oss-request-id", "1")], said.as_bytes());
    assert_eq!(
        of_objects(&answered(&account, Some(answer))).await.to_string(),
        "the store refuses: the bucket `objects-test` is not in cn-hongkong: correct `bucket`, or the region in the workflow"
    );
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let account = account().await;
    let backend = account.backend::<Chain>();
    fails(
        &account,
        Service::Tablestore,
        403,
        "OTSNoPermissionAccess",
        "You have no permission to access the requested resource.",
    );
    assert_eq!(
        of_table(&backend).await.to_string(),
        "the store refuses: not allowed to use the table `rows-test/rows`: grant ots:UpdateRow on it"
    );
    fails(
        &account,
        Service::Oss,
        403,
        "AccessDenied",
        "You have no right to access this object because of bucket acl.",
    );
    assert_eq!(
        of_objects(&backend).await.to_string(),
        "the store refuses: not allowed to use the bucket `objects-test`: grant oss:PutObject on it (AccessDenied)"
    );
    fails(
        &account,
        Service::FunctionCompute,
        403,
        "AccessDenied",
        "the caller is not authorized to perform 'fc:InvokeFunction'",
    );
    let Invoked::Denied(why) = of_function(&backend).await else { panic!("it is not allowed") };
    assert!(
        why.starts_with("not allowed to invoke `chain-") && why.ends_with("grant fc:InvokeFunction on it"),
        "{why}"
    );
}

#[tokio::test]
async fn what_is_not_deployed_is_said_with_what_to_do() {
    let account = account().await;
    let nothing = set(&account, account.key().clone(), account.endpoints().clone(), |settings| {
        settings.table = "rows-test/none".to_owned();
        settings.bucket = "none-test".to_owned();
    });
    let table = "the store refuses: there is no table `rows-test/none` in cn-hongkong, or it has no `none_due`: deploy the workflow's store, or correct `table`";
    assert_eq!(of_table(&nothing).await.to_string(), table);
    // Of the run index alone.
    let due = nothing.table.due(IndexPart::default(), 1, 10).await.expect_err("there is none");
    assert_eq!(due.to_string(), table);
    assert_eq!(
        of_objects(&nothing).await.to_string(),
        "the store refuses: there is no bucket `none-test` in cn-hongkong: deploy the workflow's store, or correct `bucket`"
    );
    let Invoked::Denied(why) = of_function(&nothing).await else { panic!("there is no function") };
    assert!(
        why.starts_with("there is no function `chain-")
            && why.ends_with("in cn-hongkong: deploy this version of the workflow"),
        "{why}"
    );
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_said_with_what_to_do() {
    let account = account().await;
    let backend = account.backend::<Chain>();
    let differs = |service: &str| {
        format!("the clock here and {service}'s are more than 15 minutes apart: set the clock")
    };
    let message = "Mismatch between system time and x-ots-date: 2026-01-01T00:00:00.000Z.";
    fails(&account, Service::Tablestore, 403, "OTSAuthFailed", message);
    assert_eq!(of_table(&backend).await.to_string(), format!("the store refuses: {}", differs("TableStore")));
    fails(&account, Service::Oss, 403, "RequestTimeTooSkewed", "The difference is too large.");
    assert_eq!(of_objects(&backend).await.to_string(), format!("the store refuses: {}", differs("OSS")));
    for (status, code, message) in [
        (403, "AccessDenied", "x-acs-date '2026-01-01T00:00:00Z' is too far from the time of day"),
        (400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."),
    ] {
        fails(&account, Service::FunctionCompute, status, code, message);
        assert_eq!(of_function(&backend).await, Invoked::Denied(differs("Function Compute")));
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_told_from_what_was_not() {
    let account = account().await;
    // The connection goes once the request has come.
    let mute = answered(&account, None);
    assert!(matches!(of_table(&mute).await, StoreError::Unknown(_)));
    assert!(matches!(of_objects(&mute).await, StoreError::Unknown(_)));
    assert!(matches!(of_function(&mute).await, Invoked::Unknown(_)));
    // Nothing listens there.
    let url = format!("http://127.0.0.1:{}", jointlambda_cloud_tests::free_port());
    let endpoints = Endpoints { tablestore: url.clone(), oss: url.clone(), function_compute: url };
    let nobody = set(&account, account.key().clone(), endpoints, |_| {});
    assert!(matches!(of_table(&nobody).await, StoreError::Unavailable(_)));
    assert!(matches!(of_objects(&nobody).await, StoreError::Unavailable(_)));
    let Invoked::Unavailable(why) = of_function(&nobody).await else { panic!("nothing is there") };
    assert!(why.contains("onnection refused"), "{why}");
}

#[tokio::test]
async fn what_is_too_large_is_said_with_its_size() {
    let account = account().await;
    let backend = account.backend::<Chain>();
    let most = jointlambda::provider::Provider::Aliyun.limits().async_payload_bytes;
    assert_eq!(
        backend.functions.invoke("first", vec![0; most + 1].into()).await,
        Invoked::Rejected(format!(
            "an envelope of {} bytes is over Function Compute's limit of {most}",
            most + 1
        ))
    );
    fails(
        &account,
        Service::FunctionCompute,
        413,
        "EntityTooLarge",
        "payload size exceeds maximum allowed size (1 bytes)",
    );
    let Invoked::Rejected(why) = of_function(&backend).await else { panic!("it is too large") };
    assert!(
        why.starts_with("an event of ")
            && why.contains(" bytes is more than Function Compute takes in cn-hongkong"),
        "{why}"
    );
    let body = vec![0; 3 << 20];
    let error = backend.table.create(&row_key(), NewRow { body: body.into(), ..row() }).await;
    let line = error.expect_err("it is too large").to_string();
    assert!(
        line.starts_with("row of 31457") && line.ends_with(" bytes is over the limit of 2097152"),
        "{line}"
    );
}

#[tokio::test]
async fn no_secret_is_printed() {
    let account = account().await;
    let key = AccessKey::new("someone", "hidden").with_token("hidden");
    let backend = set(&account, key.clone(), account.endpoints().clone(), |_| {});
    let shown = format!(
        "{key:?} {backend:?} {:?} {} {:?}",
        of_function(&backend).await,
        of_table(&backend).await,
        of_objects(&backend).await
    );
    assert!(!shown.contains("hidden") && shown.contains("someone"), "{shown}");
}
