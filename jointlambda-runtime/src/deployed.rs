//! One function of a deployed workflow, or its sweeper, whatever platform runs it: what it does with an
//! event. `backend/aws/serve.rs` and `backend/aliyun/serve.rs` speak with the platforms.

use std::{borrow::Cow, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    backend::{Delivery, Handler},
    deployment::{self, Names, SWEEPER, SettingsError},
    error::{Cause, Fault, GivenUp, chain},
    machine::Workflow,
    provider::Provider,
    runtime::{Options, Runtime},
};

/// What is left of an execution's time to commit a failure and say so.
const MARGIN: Duration = Duration::from_millis(200);
/// What is left of it to answer the platform: whatever is still tried again then is broken off, as by a
/// crash, and the process stays.
const ANSWER: Duration = Duration::from_millis(50);
/// The longest reason that is told to a platform, in bytes: it keeps the event and the reason together,
/// see [`Limits::async_payload_bytes`](crate::provider::Limits).
const LONGEST_REASON: usize = 2_048;

/// An envelope as platforms take it: text, since they put events that they give up into JSON.
pub(crate) fn to_text(envelope: &[u8]) -> String {
    STANDARD.encode(envelope)
}

/// The envelope that an event holds, which is text or a JSON string of it; `None` when it holds none.
pub(crate) fn from_text(event: &[u8]) -> Option<Bytes> {
    let event = event.trim_ascii();
    let text = match event.first() {
        Some(b'"') => Cow::Owned(serde_json::from_slice::<String>(event).ok()?.into_bytes()),
        _ => Cow::Borrowed(event),
    };
    STANDARD.decode(&*text).ok().map(Bytes::from)
}

/// A function as a program serves it.
pub(crate) struct Function {
    runtime: Runtime,
    /// What receives events: the runtime, unless a platform is under test.
    receiver: Arc<dyn Handler>,
    names: Names,
    /// What it is called in the workflow, or [`SWEEPER`].
    name: String,
}

/// Why an event was not handled: the platform is to deliver it again. If it does so no more, the sweeper
/// learns from it whose fault that is.
#[derive(Debug)]
pub(crate) struct Unhandled {
    pub(crate) cause: Cause,
    pub(crate) why: String,
}

impl Unhandled {
    /// The event was not even begun.
    pub(crate) fn unbegun(why: impl Into<String>) -> Self {
        Unhandled { cause: Cause::Surroundings, why: why.into() }
    }

    /// The `errorType` of the answer.
    pub(crate) fn error_type(&self) -> &'static str {
        match self.cause {
            Cause::Call => OF_THE_CALL,
            Cause::Surroundings => OF_THE_SURROUNDINGS,
        }
    }
}

const OF_THE_CALL: &str = "jointlambda.call";
const OF_THE_SURROUNDINGS: &str = "jointlambda.surroundings";

impl From<Fault> for Unhandled {
    fn from(fault: Fault) -> Self {
        let mut why = chain(&fault);
        why.truncate(why.floor_char_boundary(LONGEST_REASON));
        Unhandled { cause: fault.cause(), why }
    }
}

/// What a platform has given up, for its destination on failure. Anything else that a sweeper is sent is
/// a call by the clock.
#[derive(Deserialize)]
struct Record<'m> {
    #[serde(rename = "requestContext", borrow)]
    context: Context<'m>,
    #[serde(rename = "requestPayload", borrow)]
    payload: &'m RawValue,
    #[serde(rename = "responseContext", borrow, default)]
    answer: Option<Answer<'m>>,
    #[serde(rename = "responsePayload", borrow)]
    response: Option<&'m RawValue>,
}

#[derive(Deserialize)]
struct Context<'m> {
    #[serde(rename = "functionArn", borrow)]
    function: Cow<'m, str>,
    #[serde(borrow)]
    condition: Cow<'m, str>,
    #[serde(rename = "approximateInvokeCount")]
    attempts: Option<u32>,
}

#[derive(Default, Deserialize)]
struct Answer<'m> {
    #[serde(rename = "functionError", borrow, default)]
    error: Option<Cow<'m, str>>,
}

/// What came of an event.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Done {
    #[serde(skip_serializing_if = "Option::is_none")]
    swept: Option<usize>,
}

impl Function {
    /// The function that the environment names; `receive` makes of the runtime what receives its events.
    pub(crate) fn of_environment<W: Workflow>(
        receive: impl FnOnce(Runtime) -> Arc<dyn Handler>,
    ) -> Result<Self, SettingsError> {
        let definition = W::definition();
        let name = std::env::var(deployment::FUNCTION)
            .map_err(|_| SettingsError::NotDeployed(deployment::FUNCTION))?;
        if name != SWEEPER && !definition.functions.iter().any(|function| function.name == name) {
            return Err(SettingsError::UnknownFunction { name });
        }
        let (here, clouds) = deployment::from_environment(definition)?;
        let backends = deployment::backends(definition, &clouds)?;
        let runtime = Runtime::new::<W>(backends, Options::default()).on(here);
        let receiver = receive(runtime.clone());
        Ok(Function { runtime, receiver, names: Names::of_deployment(definition, &clouds), name })
    }

    /// Handles an event in the time that the platform gives it: if it does not say, that for which the
    /// function is deployed.
    pub(crate) async fn handle(&self, event: &[u8], time: Option<Duration>) -> Result<Done, Unhandled> {
        if self.name == SWEEPER {
            return self.sweep(event).await;
        }
        let Some(envelope) = from_text(event) else {
            return Err(Unhandled::unbegun(
                "the event is no envelope: only functions of the workflow invoke this one",
            ));
        };
        let time = time.unwrap_or_else(|| deployment::timeout(self.runtime.definition, &self.name));
        // No platform says which delivery it is.
        let delivery = Delivery { attempt: 1, remaining: time.saturating_sub(MARGIN) };
        let handled = self.receiver.handle(&self.name, envelope.clone(), delivery);
        match within(&self.name, time, handled).await {
            Ok(()) => Ok(Done::default()),
            // Another delivery cannot help, so it need not be waited for.
            Err(fault) if !fault.is_transient() => {
                let why = chain(&fault);
                tracing::error!(function = self.name, why, "given up");
                let given_up = GivenUp { cause: fault.cause(), why, attempts: 1 };
                self.receiver.abandon(&self.name, envelope, given_up).await?;
                Ok(Done::default())
            }
            Err(fault) => {
                tracing::warn!(function = self.name, cause = chain(&fault), "failed");
                Err(fault.into())
            }
        }
    }

    async fn sweep(&self, event: &[u8]) -> Result<Done, Unhandled> {
        let Ok(record) = serde_json::from_slice::<Record<'_>>(event) else {
            let time = deployment::timeout(self.runtime.definition, SWEEPER);
            let swept = self.runtime.sweep_for(time).await?;
            return Ok(Done { swept: Some(swept.runs) });
        };
        let function = self.function_of(&record.context.function);
        let (Some(function), Some(envelope)) = (function, from_text(record.payload.get().as_bytes())) else {
            tracing::error!(
                function = &*record.context.function,
                "dropped an event that no function of this workflow was sent"
            );
            return Ok(Done::default());
        };
        let given_up = given_up(&record, self.runtime.here().provider, shares_processes());
        self.receiver.abandon(function, envelope, given_up).await?;
        Ok(Done::default())
    }

    /// The function that is deployed under this ARN.
    fn function_of(&self, arn: &str) -> Option<&'static str> {
        let deployed = deployed_name(arn)?;
        let mut functions = self.runtime.definition.functions.iter().map(|function| function.name);
        functions.find(|function| self.names.of(function) == deployed)
    }
}

/// Ends what takes longer than the platform gives.
async fn within(
    function: &str,
    time: Duration,
    handled: impl Future<Output = Result<(), Fault>>,
) -> Result<(), Fault> {
    let given = time.saturating_sub(ANSWER);
    let overrun = || Fault::OutOfTime { function: function.to_owned(), given_ms: time.as_millis() as u64 };
    tokio::time::timeout(given, handled).await.map_err(|_| overrun())?
}

/// Whether one process may handle several events at once, so that the end of one says nothing of a single
/// event. By default it does not.
fn shares_processes() -> bool {
    let at_once = std::env::var(deployment::AT_ONCE).ok().and_then(|number| number.parse::<u32>().ok());
    at_once.is_some_and(|number| number > 1)
}

/// What a platform's record of failure says. `shares_processes` is whether events may share a process.
fn given_up(record: &Record<'_>, provider: Provider, shares_processes: bool) -> GivenUp {
    let service = provider.function_service();
    let said = record.response.and_then(said);
    let error = record.answer.as_ref().and_then(|answer| answer.error.as_deref());
    let error_type = said.as_ref().and_then(|said| said.error_type.as_deref());
    let condition = &*record.context.condition;
    let cause = match (condition, error, error_type) {
        // What a function said before counts for nothing if the platform gave up for another reason in the
        // end. Other conditions of Function Compute are ignored: which words it uses is not certain.
        ("EventAgeExceeded", ..) => Cause::Surroundings,
        (condition, ..) if provider == Provider::Aws && condition != RETRIES_EXHAUSTED => Cause::Surroundings,
        (_, _, Some(OF_THE_CALL)) => Cause::Call,
        (_, _, Some(OF_THE_SURROUNDINGS)) => Cause::Surroundings,
        // The process ended without a word, or was ended by the platform.
        (_, Some(error), error_type) if is_an_end(error, error_type) && !shares_processes => Cause::Call,
        _ => Cause::Surroundings,
    };
    let why = said.map(|said| said.message).unwrap_or_else(|| match error {
        Some(error) => format!("{service} gave up: {condition}, {error}"),
        None => format!("{service} gave up: {condition}"),
    });
    GivenUp { cause, why, attempts: record.context.attempts.unwrap_or(1) }
}

/// Why Lambda gives up on an event that a function has taken.
const RETRIES_EXHAUSTED: &str = "RetriesExhausted";

/// Whether an execution began, and its process ended before it answered: `error` is the platform's word
/// for an error of a function, `error_type` what Lambda says of it.
///
/// Sources: "Lambda runtime API" and "Monitoring asynchronous invocation" of AWS, for `Unhandled`;
/// "Error handling" of Function Compute, for the others. Errors of the start are no such end.
fn is_an_end(error: &str, error_type: Option<&str>) -> bool {
    match error {
        "Unhandled" => matches!(error_type, None | Some("Runtime.ExitError" | "Sandbox.Timedout")),
        "UnhandledInvocationError" | "FunctionTimeoutError" | "FunctionOOMError" => true,
        _ => false,
    }
}

/// What a function is called, by its ARN: `arn:aws:lambda:REGION:ACCOUNT:function:NAME` or
/// `acs:fc:REGION:ACCOUNT:functions/NAME`, and a qualifier.
fn deployed_name(arn: &str) -> Option<&str> {
    let name = arn.split_once(":function:").or_else(|| arn.split_once(":functions/"))?.1;
    name.split([':', '/']).next()
}

/// What a function said last.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(rename = "errorMessage")]
    message: String,
    #[serde(rename = "errorType", default)]
    error_type: Option<String>,
}

/// What a function said last, when it said something: an object, or, on Function Compute, its text.
fn said(response: &RawValue) -> Option<Said> {
    let text: Cow<'_, str> = match serde_json::from_str::<String>(response.get()) {
        Ok(text) => text.into(),
        Err(_) => response.get().into(),
    };
    serde_json::from_str::<Said>(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(arn: &str, payload: &str, response: &str) -> String {
        format!(
            r#"{{"version": "1.0", "timestamp": "2026-01-01T00:00:00.000Z",
            "requestContext": {{"requestId": "x", "functionArn": "{arn}",
                "condition": "RetriesExhausted", "approximateInvokeCount": 3}},
            "requestPayload": {payload},
            "responseContext": {{"statusCode": 200, "functionError": "Unhandled"}},
            "responsePayload": {response}}}"#
        )
    }

    #[test]
    fn a_record_of_failure_is_told_from_the_clock() {
        let lambda = (
            "arn:aws:lambda:us-east-1:1:function:w-1-f:$LATEST",
            r#"{"errorType": "jointlambda.call", "errorMessage": "f panicked: no"}"#,
        );
        let function_compute = (
            "acs:fc:cn-hongkong:1:functions/w-1-f",
            r#""{\"errorType\": \"jointlambda.call\", \"errorMessage\": \"f panicked: no\"}""#,
        );
        for (arn, response) in [lambda, function_compute] {
            let text = record(arn, r#""AQI=""#, response);
            let record: Record<'_> = serde_json::from_str(&text).expect("it is one");
            assert_eq!(deployed_name(&record.context.function), Some("w-1-f"));
            assert_eq!(from_text(record.payload.get().as_bytes()).as_deref(), Some(&[1, 2][..]));
            let why = "f panicked: no".to_owned();
            assert_eq!(
                given_up(&record, Provider::Aws, true),
                GivenUp { cause: Cause::Call, why, attempts: 3 }
            );
        }
        for clock in
            [r#"{"source": "aws.events", "detail": {}}"#, r#"{"triggerName": "sweep", "payload": ""}"#]
        {
            assert!(serde_json::from_str::<Record<'_>>(clock).is_err());
        }
    }

    #[test]
    fn only_the_call_itself_is_to_blame_for_a_failure() {
        let arn = "arn:aws:lambda:us-east-1:1:function:w-1-f:$LATEST";
        let said = |error_type: &str| format!(r#"{{"errorType": "{error_type}", "errorMessage": "x"}}"#);
        let told_by = |provider, condition: &str, error: &str, response: &str, shares| {
            let text = record(arn, r#""AQI=""#, response)
                .replace("RetriesExhausted", condition)
                .replace(r#""Unhandled""#, error);
            let record: Record<'_> = serde_json::from_str(&text).expect("it is one");
            given_up(&record, provider, shares).cause
        };
        let told = |condition: &str, error: &str, response: &str, shares| {
            told_by(Provider::Aws, condition, error, response, shares)
        };
        let (exhausted, unhandled) = ("RetriesExhausted", r#""Unhandled""#);
        for error_type in ["jointlambda.call", "Runtime.ExitError", "Sandbox.Timedout"] {
            assert_eq!(told(exhausted, unhandled, &said(error_type), false), Cause::Call, "{error_type}");
            assert_eq!(told("EventAgeExceeded", unhandled, &said(error_type), false), Cause::Surroundings);
            let other = |provider| told_by(provider, "SomeOtherWord", unhandled, &said(error_type), false);
            assert_eq!((other(Provider::Aws), other(Provider::Aliyun)), (Cause::Surroundings, Cause::Call));
        }
        for error_type in ["jointlambda.surroundings", "Runtime.InvalidEntrypoint", "Extension.Crash"] {
            let cause = told(exhausted, unhandled, &said(error_type), false);
            assert_eq!(cause, Cause::Surroundings, "{error_type}");
        }
        // Without a word of the function's.
        assert_eq!(told(exhausted, r#""UnhandledInvocationError""#, "\"killed\"", false), Cause::Call);
        assert_eq!(told(exhausted, r#""UnhandledInvocationError""#, "\"\"", true), Cause::Surroundings);
        assert_eq!(told(exhausted, r#""InitializationError""#, "\"\"", false), Cause::Surroundings);
        assert_eq!(told(exhausted, "null", "null", false), Cause::Surroundings);
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_longer_than_the_platform_gives_is_answered_in_time() {
        let began = tokio::time::Instant::now();
        let retries = crate::retry::store(|| async { Err(crate::backend::StoreError::Throttled) });
        let fault = within("f", Duration::from_secs(2), async { Ok(retries.await?) }).await.unwrap_err();
        assert!(fault.is_transient() && fault.cause() == Cause::Surroundings, "{fault}");
        assert!(began.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_response_that_is_no_error_says_nothing() {
        for response in ["null", "[]", "\"\"", "{}", "\"killed\""] {
            let raw: Box<RawValue> = serde_json::from_str(response).expect("it is JSON");
            assert!(said(&raw).is_none(), "{response}");
        }
    }

    #[test]
    fn an_envelope_is_read_with_quotes_and_without() {
        let text = to_text(&[0, 255, 62, 63]);
        assert_eq!(text, "AP8+Pw==");
        for event in [text.clone(), format!(" \"{text}\"\n"), "\"AP8+Pw=\\u003d\"".to_owned()] {
            assert_eq!(from_text(event.as_bytes()).as_deref(), Some(&[0, 255, 62, 63][..]), "{event}");
        }
        for event in ["{}", "\"", "\"AQI=", "[1]", "\u{e9}"] {
            assert_eq!(from_text(event.as_bytes()), None, "{event}");
        }
    }
}
