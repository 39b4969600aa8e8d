//! What an answer of AWS means to the runtime.

use std::io;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::http::Response;

use crate::{backend::StoreError, error::chain};

/// How a request went wrong.
#[derive(Debug)]
pub(super) enum Wrong {
    /// It was not made, or the service was not reached.
    Unreachable(String),
    /// Nobody knows whether it was made.
    NoAnswer(String),
    /// The service says no: its code, and what it says.
    Refused { code: String, message: String, status: u16 },
}

pub(super) fn wrong<E>(error: &SdkError<E, Response>) -> Wrong
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) => {
            Wrong::Refused { code: "ConstructionFailure".to_owned(), message: chain(error), status: 0 }
        }
        SdkError::DispatchFailure(_) if is_refused(error) => Wrong::Unreachable(chain(error)),
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            Wrong::NoAnswer(chain(error))
        }
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let inner = service.err();
            let message = inner.message().unwrap_or("no message").to_owned();
            match (status, inner.code()) {
                (500.., _) => Wrong::NoAnswer(format!("status {status}: {message}")),
                (_, code) => Wrong::Refused { code: code.unwrap_or("no code").to_owned(), message, status },
            }
        }
        other => Wrong::NoAnswer(chain(other)),
    }
}

/// Whether nothing listens where the service should be, so that nothing was sent.
fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if kind == Some(io::ErrorKind::ConnectionRefused) {
            return true;
        }
        next = error.source();
    }
    false
}

/// What it means that a service refuses, where the code is one that all services have: what to do.
pub(super) fn advice(code: &str, message: &str, region: &str) -> Option<String> {
    // As AWS's own SDKs know them: a signature holds for five minutes, on S3 for fifteen.
    let is_of_the_clock = matches!(code, "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture")
        || ["Signature expired", "Signature not yet current"].iter().any(|said| message.contains(said));
    let advice = match code {
        _ if is_of_the_clock => {
            "the clock of this machine and AWS's are too far apart: set the clock".to_owned()
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            "the AWS credentials have expired: renew them, for instance with `aws sso login`".to_owned()
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationTokenException" => {
            format!("the AWS credentials are not known in {region}: check AWS_ACCESS_KEY_ID and the region")
        }
        _ => return None,
    };
    Some(advice)
}

/// Whether what was sent is more than the service ever takes.
pub(super) fn is_too_large(code: &str, status: u16) -> bool {
    status == 413 || code == "RequestTooLargeException"
}

/// Whether the service has too much to do.
pub(super) fn is_throttle(code: &str, status: u16) -> bool {
    status == 429
        || matches!(
            code,
            "ProvisionedThroughputExceededException"
                | "ThrottlingException"
                | "Throttling"
                | "RequestLimitExceeded"
                | "TooManyRequestsException"
                | "SlowDown"
        )
}

/// What it means for a row of `bytes`.
pub(super) fn of_table<E>(
    error: &SdkError<E, Response>,
    action: &str,
    table: &str,
    region: &str,
    bytes: usize,
) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    const ROW_LIMIT: usize = 400 * 1024;
    match wrong(error) {
        Wrong::Unreachable(why) => StoreError::Unavailable(why),
        Wrong::NoAnswer(why) => StoreError::Unknown(why),
        Wrong::Refused { code, message, status } => {
            if is_throttle(&code, status) {
                return StoreError::Throttled;
            }
            if code == "ValidationException" && message.contains("tem size") {
                return StoreError::TooLarge { what: "row", bytes, limit: ROW_LIMIT };
            }
            StoreError::Denied(match (&*code, advice(&code, &message, region)) {
                (_, Some(advice)) => advice,
                ("ResourceNotFoundException", _) => format!(
                    "there is no table `{table}` in {region}: deploy the workflow's store, or correct `table` and `region`"
                ),
                ("AccessDeniedException", _) => {
                    format!("not allowed to use the table `{table}`: grant dynamodb:{action} on it")
                }
                _ => format!("DynamoDB: {code}: {message}"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::advice;

    #[test]
    fn a_clock_that_is_off_is_not_taken_for_wrong_keys() {
        for (code, message, word) in [
            ("InvalidSignatureException", "Signature expired: 20261130T0000Z is now earlier than …", "clock"),
            ("InvalidSignatureException", "Signature not yet current: 20261130T0000Z is still …", "clock"),
            ("RequestTimeTooSkewed", "The difference between the request time and …", "clock"),
            ("RequestInTheFuture", "", "clock"),
            ("InvalidSignatureException", "The request signature we calculated does not match …", "KEY_ID"),
            ("ExpiredTokenException", "The security token included in the request is expired", "renew"),
        ] {
            let advice = advice(code, message, "us-east-1").unwrap();
            assert!(advice.contains(word), "{code}: {advice}");
        }
        assert_eq!(advice("ValidationException", "", "us-east-1"), None);
    }
}
