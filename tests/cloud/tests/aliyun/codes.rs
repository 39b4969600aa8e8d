//! What a refusal means to the runtime, code by code: what is asked again, and what is not.

use aliyun_emulator::fault::{Action, Answer, Rule, Service};
use jointlambda::{
    backend::{Arrival, Created, Invoked, StoreError},
    id::{RowKey, RunId},
};
use jointlambda_cloud_tests::{exchange, shapes::aliyun::chain::Chain};

use crate::refusals::{EXPIRES_AT, account, answered, fails, object, of_function, of_objects, row, row_key};

/// What the runtime does with a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// Nothing was done: any operation is asked for again.
    Busy,
    /// Nobody knows. The SDKs ask again for reads alone; here writes recognise themselves.
    Unclear,
    /// Never.
    TooLarge,
    /// Never.
    Refused,
}

fn meaning(error: &StoreError) -> Means {
    match error {
        StoreError::Throttled => Means::Busy,
        StoreError::Unknown(_) => Means::Unclear,
        StoreError::TooLarge { .. } => Means::TooLarge,
        StoreError::Denied(_) => Means::Refused,
        other => panic!("it means {other:?}"),
    }
}

/// The lists of TableStore's SDKs for Python, Node.js and Go.
const OF_TABLESTORE: [(u16, &str, &str, Means); 27] = [
    (409, "OTSRowOperationConflict", "", Means::Busy),
    (403, "OTSNotEnoughCapacityUnit", "", Means::Busy),
    (404, "OTSTableNotReady", "", Means::Busy),
    (503, "OTSPartitionUnavailable", "", Means::Busy),
    (503, "OTSServerBusy", "", Means::Busy),
    (503, "OTSOperationThrottled", "", Means::Busy),
    (409, "OTSOperationConflict", "", Means::Busy),
    (503, "OTSStorageServerBusy", "", Means::Busy),
    (403, "OTSQuotaExhausted", "Too frequent table operations.", Means::Busy),
    (403, "OTSQuotaExhausted", "The number of tables is too large.", Means::Refused),
    (503, "OTSTimeout", "", Means::Unclear),
    (500, "OTSInternalServerError", "", Means::Unclear),
    (503, "OTSServerUnavailable", "", Means::Unclear),
    (500, "OTSSomethingNew", "", Means::Unclear),
    (502, "OTSSomethingNew", "", Means::Unclear),
    (503, "OTSSomethingNew", "", Means::Unclear),
    (400, "OTSParameterInvalid", "", Means::Refused),
    (400, "OTSInvalidPK", "", Means::Refused),
    (403, "OTSAuthFailed", "", Means::Refused),
    (404, "OTSObjectNotExist", "", Means::Refused),
    (409, "OTSObjectAlreadyExist", "", Means::Refused),
    (413, "OTSRequestBodyTooLarge", "", Means::TooLarge),
    (405, "OTSMethodNotAllowed", "", Means::Refused),
    (403, "OTSNoPermissionAccess", "", Means::Refused),
    (400, "OTSOutOfRowSizeLimit", "", Means::TooLarge),
    (400, "OTSOutOfColumnCountLimit", "", Means::TooLarge),
    (403, "OTSSomethingNew", "", Means::Refused),
];

#[tokio::test]
async fn each_code_of_tablestore_is_asked_again_as_its_sdks_do() {
    let account = account().await;
    let table = account.backend::<Chain>().table;
    let arrival = || Arrival { ok: true, ..Arrival::at(0, 2, EXPIRES_AT) };
    for (status, code, message, means) in OF_TABLESTORE {
        let what = format!("{status} {code} {message}");
        fails(&account, Service::Tablestore, status, code, message);
        account.emulator.forget_requests();
        let errors = [
            table.create(&row_key(), row()).await.expect_err(&what),
            table.arrive(&row_key(), arrival()).await.expect_err(&what),
            table.get(&row_key()).await.expect_err(&what),
            table.get_many(&[row_key()]).await.expect_err(&what),
            table.runs(None, 1).await.expect_err(&what),
        ];
        for error in errors {
            assert_eq!(meaning(&error), means, "{what}: {error:?}");
            assert_eq!(error.is_transient(), matches!(means, Means::Busy | Means::Unclear), "{what}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
        // Whoever asks decides how often: no request is made twice behind its back.
        let requests = account.emulator.requests().remove(&Service::Tablestore).unwrap_or_default();
        let expected = [("BatchGetRow", 1), ("GetRange", 1), ("GetRow", 1), ("UpdateRow", 2)];
        assert_eq!(requests, expected.map(|(name, count)| (name.to_owned(), count)).into(), "{what}");
    }
    account.emulator.clear_faults();
    assert_eq!(table.get(&row_key()).await, Ok(None), "nothing was done");
}

/// A condition that is not met is no refusal, and a refusal is no condition that is not met.
#[tokio::test]
async fn one_403_is_told_from_another() {
    let account = account().await;
    let table = account.backend::<Chain>().table;
    assert_eq!(table.create(&row_key(), row()).await, Ok(Created::New));
    let again = table.create(&row_key(), row()).await;
    assert!(matches!(again, Ok(Created::Exists(_))), "{again:?}");
    for code in ["OTSNoPermissionAccess", "OTSAuthFailed", "OTSQuotaExhausted"] {
        fails(&account, Service::Tablestore, 403, code, "Condition check failed.");
        let refused = table.create(&row_key(), row()).await;
        assert!(matches!(refused, Err(StoreError::Denied(_))), "{code}: {refused:?}");
    }
    // A condition where none was made.
    fails(&account, Service::Tablestore, 403, "OTSConditionCheckFail", "Condition check failed.");
    assert!(matches!(table.get(&row_key()).await, Err(StoreError::Denied(_))));
}

/// Those that the SDKs repeat for reads alone: a write is done, and nobody is told.
#[tokio::test]
async fn a_write_that_was_done_unheard_recognises_itself_whatever_the_code() {
    let account = account().await;
    let table = account.backend::<Chain>().table;
    for (status, code, ..) in OF_TABLESTORE.into_iter().filter(|(.., means)| *means == Means::Unclear) {
        let key = RowKey::run(&RunId::derive("refusals", &format!("{status} {code}")));
        let unheard = || {
            let answer = Answer { status, code: code.to_owned(), message: String::new() };
            let rule =
                Rule::new(Service::Tablestore, Action::ErrorAfter(answer)).operation("UpdateRow").times(1);
            account.emulator.fault(rule).expect("one more fault can be");
        };
        unheard();
        assert!(table.create(&key, row()).await.is_err_and(|error| error.is_transient()), "{code}");
        let again = table.create(&key, row()).await;
        assert!(
            matches!(again, Ok(Created::Exists(found)) if found.body.as_deref() == Some(b"mine")),
            "{code}"
        );
        let arrival = || Arrival { ok: true, ..Arrival::at(0, 2, EXPIRES_AT) };
        unheard();
        assert!(table.arrive(&key, arrival()).await.is_err_and(|error| error.is_transient()), "{code}");
        let again = table.arrive(&key, arrival()).await.expect("it is answered");
        assert_eq!((again.fresh, again.filled, again.ok), (false, 1, 1), "{code}");
    }
}

#[tokio::test]
async fn each_code_of_oss_is_asked_again_or_not() {
    let account = account().await;
    let objects = account.backend::<Chain>().objects;
    let codes = [
        (429, "TooManyRequests", Means::Busy),
        (503, "TotalQpsLimitExceeded", Means::Busy),
        (503, "UploadTrafficRateLimitExceeded", Means::Busy),
        (503, "ServiceUnavailable", Means::Unclear),
        (500, "InternalError", Means::Unclear),
        (403, "AccessDenied", Means::Refused),
        (403, "InvalidAccessKeyId", Means::Refused),
        (403, "SignatureDoesNotMatch", Means::Refused),
        (403, "RequestTimeTooSkewed", Means::Refused),
        (404, "NoSuchBucket", Means::Refused),
        (400, "InvalidArgument", Means::Refused),
        (400, "EntityTooLarge", Means::TooLarge),
        (409, "OperationConflict", Means::Unclear),
        (400, "RequestTimeout", Means::Unclear),
        (400, "InvalidDigest", Means::Unclear),
    ];
    for (status, code, means) in codes {
        fails(&account, Service::Oss, status, code, "");
        let put = objects.put(&object(), "content".into()).await.expect_err(code);
        let got = objects.get(&object()).await.expect_err(code);
        for error in [put, got] {
            assert_eq!(meaning(&error), means, "{code}: {error:?}");
        }
    }
    // Whoever is to wait is told how long, whatever the code.
    let said = b"<Error><Code>ServiceUnavailable</Code></Error>";
    let headers = [("x-oss-request-id", "1"), ("x-oss-qos-delay-time", "50")];
    let busy = answered(&account, Some(exchange::http(503, &headers, said)));
    assert_eq!(of_objects(&busy).await, StoreError::Throttled);
    // An object that is there is one that was put; one that is not there, none.
    fails(&account, Service::Oss, 409, "FileAlreadyExists", "");
    assert_eq!(objects.put(&object(), "content".into()).await, Ok(()));
    fails(&account, Service::Oss, 404, "NoSuchKey", "");
    assert_eq!(objects.get(&object()).await, Ok(None));
}

#[tokio::test]
async fn each_code_of_function_compute_is_asked_again_or_not() {
    let account = account().await;
    let backend = account.backend::<Chain>();
    let (rejected, denied, unknown) =
        (Invoked::Rejected(String::new()), Invoked::Denied(String::new()), Invoked::Unknown(String::new()));
    let codes = [
        (429, "ResourceExhausted", &Invoked::Throttled),
        (429, "ResourceThrottled", &Invoked::Throttled),
        (400, "Throttling.User", &Invoked::Throttled),
        (409, "StatefulAsyncInvocationAlreadyExists", &Invoked::Accepted),
        (409, "ConcurrentUpdateError", &unknown),
        (500, "InternalServerError", &unknown),
        (502, "BadResponse", &unknown),
        (503, "ServiceUnavailable", &unknown),
        (400, "EntityTooLarge", &rejected),
        (413, "EntityTooLarge", &rejected),
        (400, "InvalidArgument", &denied),
        (400, "MissingRequiredHeader", &denied),
        (403, "AccessDenied", &denied),
        (403, "SignatureNotMatch", &denied),
        (404, "FunctionNotFound", &denied),
        (412, "PreconditionFailed", &denied),
    ];
    for (status, code, means) in codes {
        fails(&account, Service::FunctionCompute, status, code, "as it was told to\nsay");
        let invoked = of_function(&backend).await;
        assert_eq!(
            std::mem::discriminant(&invoked),
            std::mem::discriminant(means),
            "{status} {code}: {invoked:?}"
        );
        assert!(!format!("{invoked:?}").contains("\\n"), "{invoked:?}");
    }
    // Whoever is to wait is told so, whatever the code.
    let headers = [("x-acs-retry-after", "1")];
    let busy = answered(&account, Some(exchange::http(400, &headers, br#"{"Code": "Busy", "Message": ""}"#)));
    assert_eq!(of_function(&busy).await, Invoked::Throttled);
}
