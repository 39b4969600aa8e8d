//! Requests of TableStore: signed, and their answers checked.

use aliyun_wire::{
    digest,
    tablestore::{
        message::{
            Comparator, CompositeColumnValueFilter, Error, Filter, FilterType, LogicalOperator,
            SingleColumnValueFilter,
        },
        plain_buffer,
        row::Value,
        sign::{API_VERSION, Signing},
    },
    time,
};
use prost::Message;

use super::Table;
use crate::backend::{
    StoreError,
    aliyun::client::{NoAnswer, Request, now},
    aside,
};

/// The largest column, in bytes.
const LIMIT: usize = 2 * 1024 * 1024;
/// What no column of ours holds: a test for a column that is not there compares with it.
const NOTHING: &[u8] = b"jointlambda: no column holds this";

/// What a row must be for a change to be made.
pub(super) enum Test {
    /// It does not have a column.
    Missing(String),
    /// A number is not there, or is this one.
    Is(String, i64),
    /// A number is not there, or below a bound.
    Below(String, i64),
    All(Vec<Test>),
    Not(Box<Test>),
}

impl Test {
    pub(super) fn encode(&self) -> Vec<u8> {
        self.filter().encode_to_vec()
    }

    fn filter(&self) -> Filter {
        let single = |column: &str, comparator: Comparator, value: Value| Filter {
            r#type: FilterType::SingleColumn as i32,
            filter: SingleColumnValueFilter {
                comparator: comparator as i32,
                column_name: column.to_owned(),
                column_value: plain_buffer::encode_value(&value),
                // A column that is not there passes.
                filter_if_missing: false,
                latest_version_only: true,
            }
            .encode_to_vec(),
        };
        let composite = |combinator: LogicalOperator, sub_filters: Vec<Filter>| Filter {
            r#type: FilterType::Composite as i32,
            filter: CompositeColumnValueFilter { combinator: combinator as i32, sub_filters }.encode_to_vec(),
        };
        match self {
            Test::Missing(column) => single(column, Comparator::Equal, Value::binary(NOTHING)),
            Test::Is(column, number) => single(column, Comparator::Equal, Value::Integer(*number)),
            Test::Below(column, bound) => single(column, Comparator::LessThan, Value::Integer(*bound)),
            Test::All(tests) if tests.len() == 1 => tests[0].filter(),
            Test::All(tests) => composite(LogicalOperator::And, tests.iter().map(Test::filter).collect()),
            Test::Not(test) => composite(LogicalOperator::Not, vec![test.filter()]),
        }
    }
}

/// Why a request was not done.
pub(super) enum Refused {
    /// The row does not pass the test; nothing was changed.
    Condition,
    Error(StoreError),
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Condition => StoreError::Denied("a condition that was not made is not met".to_owned()),
            Refused::Error(error) => error,
        }
    }
}

impl Table {
    /// Makes a request, once. `bytes` is how much it writes.
    pub(super) async fn ask<Q: Message, A: Message + Default>(
        &self,
        operation: &str,
        message: &Q,
        bytes: usize,
    ) -> Result<A, Refused> {
        let (body, at, key) = (message.encode_to_vec(), now(), self.client.key.get());
        let mut headers = vec![
            ("x-ots-accesskeyid", key.id.clone()),
            ("x-ots-apiversion", API_VERSION.to_owned()),
            ("x-ots-contentmd5", digest::md5_base64(&body)),
            ("x-ots-date", time::milliseconds(at)),
            ("x-ots-instancename", self.instance.clone()),
            ("x-ots-signdate", time::date(at)),
            ("x-ots-signregion", self.client.region.clone()),
        ];
        if let Some(token) = &key.token {
            headers.push(("x-ots-ststoken", token.clone()));
        }
        let signing = Signing::v4(&key, &time::date(at), &self.client.region);
        let signed: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let signature = signing.request(operation, &signed);
        headers.push((signing.header(), signature));
        let url = format!("{}/{operation}", self.client.endpoints.tablestore);
        let (client, request) = (self.client.clone(), Request::post(url, headers, body));
        let answer = aside::to_its_end(async move { client.send(request).await });
        let answer = answer.await.map_err(|none| {
            Refused::Error(match none {
                NoAnswer::Unreachable(why) => StoreError::Unavailable(why),
                NoAnswer::Lost(why) => StoreError::Unknown(why),
            })
        })?;
        // Whoever answers must know the key. What is not signed may have been made by a proxy.
        let authorization = answer.header("authorization").unwrap_or_default().to_owned();
        let verified = signing.verify_response(&key.id, operation, &answer.headers(), &authorization).is_ok()
            && answer.header("x-ots-contentmd5") == Some(digest::md5_base64(&answer.body).as_str());
        if answer.status.is_success() {
            if !verified {
                return Err(Refused::Error(StoreError::Unknown(
                    "an answer is not signed as it should be".to_owned(),
                )));
            }
            let decoded = A::decode(answer.body);
            return decoded.map_err(|error| {
                Refused::Error(StoreError::Unknown(format!("an answer cannot be read: {error}")))
            });
        }
        let said = Error::decode(answer.body.as_ref());
        let said = said.unwrap_or_else(|_| Error { code: String::new(), message: None });
        Err(self.refused(answer.status.as_u16(), &said, operation, bytes))
    }

    fn refused(&self, status: u16, said: &Error, operation: &str, bytes: usize) -> Refused {
        let message = said.message.as_deref().unwrap_or("no message");
        let table = &self.name;
        Refused::Error(match said.code.as_str() {
            "OTSConditionCheckFail" => return Refused::Condition,
            "OTSNotEnoughCapacityUnit"
            | "OTSServerBusy"
            | "OTSOperationThrottled"
            | "OTSRowOperationConflict"
            | "OTSOperationConflict"
            | "OTSStorageServerBusy"
            | "OTSPartitionUnavailable"
            | "OTSTableNotReady" => StoreError::Throttled,
            "OTSQuotaExhausted" if message.contains("Too frequent") => StoreError::Throttled,
            "OTSTimeout" | "OTSInternalServerError" | "OTSServerUnavailable" => {
                StoreError::Unknown(format!("TableStore: {}", said.code))
            }
            "OTSOutOfRowSizeLimit" | "OTSRequestBodyTooLarge" | "OTSOutOfColumnCountLimit" => {
                StoreError::TooLarge { what: "row", bytes, limit: LIMIT }
            }
            "OTSParameterInvalid" if bytes > LIMIT => {
                StoreError::TooLarge { what: "row", bytes, limit: LIMIT }
            }
            "OTSObjectNotExist" => StoreError::Denied(format!(
                "there is no table `{}/{table}` in {}, or it has no `{table}_due`: deploy the workflow's store, or correct `table`",
                self.instance, self.client.region
            )),
            "OTSAuthFailed" => StoreError::Denied(format!(
                "the credentials are not known in {}, or have expired: check ALIBABA_CLOUD_ACCESS_KEY_ID, its secret and token",
                self.client.region
            )),
            "OTSNoPermissionAccess" => StoreError::Denied(format!(
                "not allowed to use the table `{}/{table}`: grant ots:{operation} on it",
                self.instance
            )),
            code if status >= 500 => {
                StoreError::Unknown(format!("TableStore answers with status {status} {code}: {message}"))
            }
            code => StoreError::Denied(format!("TableStore: {code}: {message}")),
        })
    }
}
