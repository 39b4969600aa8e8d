//! Requests of TableStore: signed, and their answers checked.

use aliyun_wire::{
    digest,
    tablestore::{
        message::{
            Comparator, CompositeColumnValueFilter, Error, Filter, FilterType, LogicalOperator,
            SingleColumnValueFilter,
        },
        plain_buffer,
        row::{Row, Value},
        sign::{API_VERSION, Signing},
    },
    time,
};
use prost::Message;
use reqwest::Method;

use super::Table;
use crate::backend::{
    StoreError,
    aliyun::{
        client::{ANSWER, Answer, NoAnswer, Request, now},
        error::{OfTable, Said, of_table},
    },
    aside,
    patience::REQUEST,
    time_of_table::{Precision, Sent},
};

/// What no column of ours holds: a test for a column that is not there compares with it.
const NOTHING: &[u8] = b"jointlambda: no column holds this";

/// What a row must be for a change to be made.
pub(super) enum Test {
    /// It does not have a column.
    Missing(String),
    /// A number is not there, or is this one.
    Is(String, i64),
    /// A number is there, and is this one.
    Has(String, i64),
    /// A number is not there, or below a bound.
    Below(String, i64),
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
}

impl Test {
    pub(super) fn encode(&self) -> Vec<u8> {
        self.filter().encode_to_vec()
    }

    /// Whether a row that was read passes.
    pub(super) fn is_passed_by(&self, row: &Row) -> bool {
        let number = |column: &str| match row.get(column) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        };
        match self {
            Test::Missing(column) => row.get(column).is_none(),
            Test::Is(column, wanted) => number(column).is_none_or(|number| number == *wanted),
            Test::Has(column, wanted) => number(column) == Some(*wanted),
            Test::Below(column, bound) => number(column).is_none_or(|number| number < *bound),
            Test::All(tests) => tests.iter().all(|test| test.is_passed_by(row)),
            Test::Any(tests) => tests.iter().any(|test| test.is_passed_by(row)),
            Test::Not(test) => !test.is_passed_by(row),
        }
    }

    fn filter(&self) -> Filter {
        let compared = |column: &str, comparator: Comparator, value: Value, fails_if_missing: bool| Filter {
            r#type: FilterType::SingleColumn as i32,
            filter: SingleColumnValueFilter {
                comparator: comparator as i32,
                column_name: column.to_owned(),
                column_value: plain_buffer::encode_value(&value),
                filter_if_missing: fails_if_missing,
                latest_version_only: true,
            }
            .encode_to_vec(),
        };
        // A column that is not there passes.
        let single = |column: &str, comparator, value| compared(column, comparator, value, false);
        let composite = |combinator: LogicalOperator, sub_filters: Vec<Filter>| Filter {
            r#type: FilterType::Composite as i32,
            filter: CompositeColumnValueFilter { combinator: combinator as i32, sub_filters }.encode_to_vec(),
        };
        match self {
            Test::Missing(column) => single(column, Comparator::Equal, Value::binary(NOTHING)),
            Test::Is(column, number) => single(column, Comparator::Equal, Value::Integer(*number)),
            Test::Below(column, bound) => single(column, Comparator::LessThan, Value::Integer(*bound)),
            Test::All(tests) if tests.len() == 1 => tests[0].filter(),
            Test::Has(column, number) => compared(column, Comparator::Equal, Value::Integer(*number), true),
            Test::Any(tests) => composite(LogicalOperator::Or, tests.iter().map(Test::filter).collect()),
            Test::All(tests) => composite(LogicalOperator::And, tests.iter().map(Test::filter).collect()),
            Test::Not(test) => composite(LogicalOperator::Not, vec![test.filter()]),
        }
    }
}

/// Why a request was not done.
pub(super) enum Refused {
    /// The row does not pass the test; nothing was changed.
    Condition,
    /// Somebody says so who may not be TableStore.
    ConditionUnsigned,
    Error(StoreError),
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Condition => StoreError::Denied("a condition that was not made is not met".to_owned()),
            Refused::ConditionUnsigned => unclear("nobody knows who says that a condition is not met"),
            Refused::Error(error) => error,
        }
    }
}

/// Nobody knows what was done.
pub(super) fn unclear(why: impl Into<String>) -> StoreError {
    StoreError::Unknown(why.into())
}

/// Whether an answer is TableStore's, who knows the key too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    Signed,
    /// TableStore cannot sign for a key that it does not know. A proxy may have made it.
    Unsigned,
    /// It is not what was signed, or was signed with another key.
    Wrong,
    /// The body is not the one that was sent.
    Damaged,
}

impl Proof {
    fn of(answer: &Answer, signing: &Signing, key_id: &str, operation: &str) -> Proof {
        let sent = answer.header("x-ots-contentmd5");
        let Some(signature) = answer.header("authorization") else {
            return if sent.is_some_and(|sent| sent != digest::md5_base64(&answer.body)) {
                Proof::Damaged
            } else {
                Proof::Unsigned
            };
        };
        if sent != Some(digest::md5_base64(&answer.body).as_str()) {
            return Proof::Damaged;
        }
        match signing.verify_response(key_id, operation, &answer.headers(), signature) {
            Ok(()) => Proof::Signed,
            Err(_) => Proof::Wrong,
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
        let request = Request { method: Method::POST, url, headers, body, timeout: REQUEST, longest: ANSWER };
        let (client, sent) = (self.client.clone(), Sent::now());
        let answer = async move { client.send(request).await };
        // Only a read may be given up.
        let answer = if operation == "GetRow" { aside::to_its_end(answer).await } else { answer.await };
        let answer = answer.map_err(|none| {
            Refused::Error(match none {
                NoAnswer::Unreachable(why) => StoreError::Unavailable(why),
                NoAnswer::Lost(why) => StoreError::Unknown(why),
            })
        })?;
        let proof = Proof::of(&answer, &signing, &key.id, operation);
        let date = answer.header("x-ots-date").and_then(time::parse);
        if let (Proof::Signed, Some(date)) = (proof, date) {
            self.time.hear(date, Precision::Milliseconds, sent);
        }
        if answer.status.is_success() {
            if proof != Proof::Signed {
                return Err(Refused::Error(unclear("an answer is not signed as it should be")));
            }
            let decoded = A::decode(answer.body);
            return decoded
                .map_err(|error| Refused::Error(unclear(format!("an answer cannot be read: {error}"))));
        }
        let said = Error::decode(answer.body.as_ref()).unwrap_or_default();
        let is_condition = said.code == "OTSConditionCheckFail";
        match proof {
            Proof::Signed if is_condition => return Err(Refused::Condition),
            // The SDKs believe it where it is not signed at all. Here the row is asked.
            _ if is_condition => return Err(Refused::ConditionUnsigned),
            Proof::Signed | Proof::Unsigned => {}
            // Of the wrong secret TableStore's signature differs, too.
            Proof::Wrong if said.code == "OTSAuthFailed" => {}
            Proof::Wrong | Proof::Damaged => {
                return Err(Refused::Error(unclear("a refusal is not signed as it should be")));
            }
        }
        let message = said.message.as_deref().unwrap_or_default();
        let said = Said { status: answer.status.as_u16(), code: &said.code, message };
        let (instance, table, region) = (&*self.instance, &*self.name, &*self.client.region);
        Err(Refused::Error(of_table(said, OfTable { operation, instance, table, region, bytes })))
    }
}

#[cfg(test)]
mod tests {
    use aliyun_wire::tablestore::row::Cell;

    use super::*;

    #[test]
    fn a_row_is_tested_as_the_table_does_it() {
        let row = Row {
            cells: vec![Cell::put("s1", Value::binary(*b"x")), Cell::put("filled", Value::Integer(2))],
            ..Row::default()
        };
        let (missing, below) = (|name: &str| Test::Missing(name.into()), Test::Below("filled".into(), 2));
        let passed = |test: &Test| test.is_passed_by(&row);
        assert_eq!([passed(&missing("s1")), passed(&missing("s2")), passed(&below)], [false, true, false]);
        assert!(passed(&Test::Below("filled".into(), 3)) && passed(&Test::Below("ok".into(), 0)));
        assert!(passed(&Test::Is("filled".into(), 2)) && !passed(&Test::Is("filled".into(), 1)));
        assert!(!passed(&Test::All(vec![missing("s2"), below])) && passed(&Test::All(Vec::new())));
        assert!(passed(&Test::Not(Box::new(missing("s1")))));
        assert!(passed(&Test::Has("filled".into(), 2)) && !passed(&Test::Has("ok".into(), 2)));
        assert!(passed(&Test::Any(vec![missing("s1"), missing("s2")])) && !passed(&Test::Any(Vec::new())));
    }
}
