//! What an answer of Alibaba Cloud that is no success means to the runtime: whether to ask again, and the
//! one line that people read. Nothing is asked here.
//!
//! Codes are TableStore's `Error`, OSS's XML and Function Compute's JSON, as the services' own SDKs tell
//! them apart. What has no code was not said by the service: nobody knows what was done then.

use crate::backend::{Invoked, StoreError};

/// The longest part of what a service says that is repeated, in characters.
const LONGEST_MESSAGE: usize = 200;
/// The largest column of TableStore, in bytes.
const LARGEST_COLUMN: usize = 2 * 1024 * 1024;
/// The largest object that one request can put, in bytes.
const LARGEST_OBJECT: usize = 5 * 1024 * 1024 * 1024;

/// What a service says, as all three have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'s> {
    pub(super) status: u16,
    /// Empty where the service did not say it.
    pub(super) code: &'s str,
    pub(super) message: &'s str,
}

impl Said<'_> {
    /// In one line, without what would fill several.
    fn line(&self) -> String {
        let message: String = self
            .message
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(LONGEST_MESSAGE)
            .collect();
        format!("{}: {}", self.code, if message.is_empty() { "no message" } else { &message })
    }

    /// Nobody knows what was done.
    fn unclear(&self, service: &str) -> String {
        match self.code {
            "" => format!("what answers with status {} is not {service}", self.status),
            _ => format!("{service} answers with status {}: {}", self.status, self.line()),
        }
    }

    /// The code alone: a message about a signature may repeat what was signed, such as the token.
    fn credentials(&self, region: &str) -> String {
        format!(
            "the credentials are not known in {region}, or have expired: check ALIBABA_CLOUD_ACCESS_KEY_ID, its secret and token, and the region ({})",
            self.code
        )
    }
}

/// Requests are taken for a quarter of an hour before and after their date.
fn clock(service: &str) -> String {
    format!("the clock here and {service}'s are more than 15 minutes apart: set the clock")
}

/// A request of rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfTable<'s> {
    pub(super) operation: &'s str,
    pub(super) instance: &'s str,
    pub(super) table: &'s str,
    pub(super) region: &'s str,
    /// How much it writes.
    pub(super) bytes: usize,
}

/// What it means for a request of rows, if it is not that a condition is not met.
pub(super) fn of_table(said: Said<'_>, asked: OfTable<'_>) -> StoreError {
    const SERVICE: &str = "TableStore";
    let OfTable { operation, instance, table, region, bytes } = asked;
    let too_large = StoreError::TooLarge { what: "row", bytes, limit: LARGEST_COLUMN };
    match said.code {
        // Nothing was done, whatever was asked.
        "OTSNotEnoughCapacityUnit"
        | "OTSServerBusy"
        | "OTSOperationThrottled"
        | "OTSRowOperationConflict"
        | "OTSOperationConflict"
        | "OTSStorageServerBusy"
        | "OTSPartitionUnavailable"
        | "OTSTableNotReady" => StoreError::Throttled,
        "OTSQuotaExhausted" if said.message.contains("Too frequent") => StoreError::Throttled,
        // The SDKs repeat reads only. Here every write recognises itself when it is made again.
        "OTSTimeout" | "OTSInternalServerError" | "OTSServerUnavailable" => {
            StoreError::Unknown(said.unclear(SERVICE))
        }
        "OTSOutOfRowSizeLimit" | "OTSRequestBodyTooLarge" | "OTSOutOfColumnCountLimit" => too_large,
        "OTSParameterInvalid" if bytes > LARGEST_COLUMN => too_large,
        "OTSObjectNotExist" => StoreError::Denied(format!(
            "there is no table `{instance}/{table}` in {region}, or it has no `{table}_due`: deploy the workflow's store, or correct `table`"
        )),
        "OTSAuthFailed" if said.message.contains("system time") => StoreError::Denied(clock(SERVICE)),
        "OTSAuthFailed" => StoreError::Denied(said.credentials(region)),
        "OTSNoPermissionAccess" => StoreError::Denied(format!(
            "not allowed to use the table `{instance}/{table}`: grant ots:{operation} on it"
        )),
        "" => StoreError::Unknown(said.unclear(SERVICE)),
        _ if said.status >= 500 => StoreError::Unknown(said.unclear(SERVICE)),
        _ => StoreError::Denied(format!("TableStore: {}", said.line())),
    }
}

/// A request of objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfObjects<'s> {
    pub(super) action: &'s str,
    pub(super) bucket: &'s str,
    pub(super) region: &'s str,
    /// How much it puts.
    pub(super) bytes: usize,
    /// Whether OSS says to wait.
    pub(super) delays: bool,
    /// Whether OSS says at which endpoint the bucket is.
    pub(super) points_elsewhere: bool,
}

/// What it means for a request of objects.
pub(super) fn of_objects(said: Said<'_>, asked: OfObjects<'_>) -> StoreError {
    const SERVICE: &str = "OSS";
    let OfObjects { action, bucket, region, bytes, delays, points_elsewhere } = asked;
    let is_elsewhere = match said.code {
        "AccessDenied" => points_elsewhere,
        "InvalidArgument" => said.message.contains("region"),
        _ => false,
    };
    match said.code {
        "" => StoreError::Unknown(said.unclear(SERVICE)),
        _ if said.status == 429 => StoreError::Throttled,
        code if said.status == 503 && (delays || code.ends_with("LimitExceeded")) => StoreError::Throttled,
        _ if said.status >= 500 => StoreError::Unknown(said.unclear(SERVICE)),
        // What was sent did not come in time, came damaged, or met another request.
        "RequestTimeout" | "InvalidDigest" | "OperationConflict" => {
            StoreError::Unknown(said.unclear(SERVICE))
        }
        "NoSuchBucket" => StoreError::Denied(format!(
            "there is no bucket `{bucket}` in {region}: deploy the workflow's store, or correct `bucket`"
        )),
        _ if is_elsewhere => StoreError::Denied(format!(
            "the bucket `{bucket}` is not in {region}: correct `bucket`, or the region in the workflow"
        )),
        "RequestTimeTooSkewed" => StoreError::Denied(clock(SERVICE)),
        "SignatureDoesNotMatch" | "InvalidAccessKeyId" | "SecurityTokenExpired" | "InvalidSecurityToken" => {
            StoreError::Denied(said.credentials(region))
        }
        "EntityTooLarge" => StoreError::TooLarge { what: "object", bytes, limit: LARGEST_OBJECT },
        code if said.status == 403 => StoreError::Denied(format!(
            "not allowed to use the bucket `{bucket}`: grant oss:{action} on it ({code})"
        )),
        _ => StoreError::Denied(format!("OSS: {}", said.line())),
    }
}

/// An invocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfFunction<'s> {
    pub(super) name: &'s str,
    pub(super) region: &'s str,
    /// How large its event is, as it is sent.
    pub(super) bytes: usize,
    /// Whether Function Compute says to wait.
    pub(super) delays: bool,
}

/// What it means for an invocation.
pub(super) fn of_function(said: Said<'_>, asked: OfFunction<'_>) -> Invoked {
    const SERVICE: &str = "Function Compute";
    /// What is in the codes of refusals that are about the credentials.
    const OF_CREDENTIALS: [&str; 3] = ["AccessKey", "SecurityToken", "Signature"];
    let OfFunction { name, region, bytes, delays } = asked;
    let has = |parts: &[&str]| parts.iter().any(|part| said.code.contains(part));
    match said.status {
        // As a proxy may say, too.
        429 => Invoked::Throttled,
        _ if delays || has(&["Throttl", "ResourceExhausted"]) => Invoked::Throttled,
        _ if said.code.is_empty() => Invoked::Unknown(said.unclear(SERVICE)),
        // The same task was accepted before.
        409 if has(&["AlreadyExists"]) => Invoked::Accepted,
        409 | 500.. => Invoked::Unknown(said.unclear(SERVICE)),
        _ if said.code == "EntityTooLarge" || said.status == 413 => Invoked::Rejected(format!(
            "an event of {bytes} bytes is more than Function Compute takes in {region}: have Alibaba Cloud raise its limit ({})",
            said.line()
        )),
        404 => Invoked::Denied(format!(
            "there is no function `{name}` in {region}: deploy this version of the workflow"
        )),
        _ if said.message.contains("x-acs-date") || has(&["imestamp", "imeStamp"]) => {
            Invoked::Denied(clock(SERVICE))
        }
        _ if has(&OF_CREDENTIALS) => Invoked::Denied(said.credentials(region)),
        403 => Invoked::Denied(format!("not allowed to invoke `{name}`: grant fc:InvokeFunction on it")),
        _ => Invoked::Denied(format!("Function Compute: {}", said.line())),
    }
}
