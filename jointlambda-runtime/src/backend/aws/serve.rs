//! The program that Lambda runs: one for all functions of a workflow on AWS, and for its sweeper.
//! Which of them it is, its environment says.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::lambda::from_payload;
use crate::{
    backend::{Delivery, Handler},
    deployment::{self, Names, SWEEPER, SettingsError},
    error::{Fault, chain},
    machine::Workflow,
    provider::Provider,
    runtime::{Options, Runtime},
};

/// What is left of an execution's time to commit a failure and say so.
const MARGIN: Duration = Duration::from_millis(200);
/// Runs that one sweep looks at.
const MAX_RUNS: usize = 100;

/// The program's `main`. With the argument `--describe` it prints what there is to deploy.
pub fn main<W: Workflow>() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(deployment::DESCRIBE) {
        println!("{}", deployment::describe::<W>(Provider::Aws));
        return ExitCode::SUCCESS;
    }
    match Function::of_environment::<W>() {
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
        Ok(function) => serve(function),
    }
}

fn serve(function: Function) -> ExitCode {
    // One event at a time: one thread is enough.
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let threads = match threads {
        Ok(threads) => threads,
        Err(error) => {
            eprintln!("error: failed to start: {error}");
            return ExitCode::FAILURE;
        }
    };
    deployment::log();
    let function = &function;
    let served =
        threads.block_on(lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
            function.handle(event).await
        })));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One deployed function.
struct Function {
    runtime: Runtime,
    names: Names,
    /// What it is called in the workflow, or [`SWEEPER`].
    name: String,
}

/// Why an event was not handled: Lambda delivers it again.
struct Unhandled(String);

impl From<Unhandled> for Diagnostic {
    fn from(Unhandled(why): Unhandled) -> Self {
        Diagnostic { error_type: "jointlambda".to_owned(), error_message: why }
    }
}

impl std::fmt::Debug for Unhandled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Fault> for Unhandled {
    fn from(fault: Fault) -> Self {
        Unhandled(chain(&fault))
    }
}

/// What the sweeper is told when Lambda has given up on an event: a record for its destination on
/// failure. Anything else is a call by the clock.
#[derive(Deserialize)]
struct GivenUp<'m> {
    #[serde(rename = "requestContext")]
    context: Context,
    #[serde(rename = "requestPayload", borrow)]
    payload: &'m RawValue,
    #[serde(rename = "responsePayload", borrow)]
    response: Option<&'m RawValue>,
}

#[derive(Deserialize)]
struct Context {
    #[serde(rename = "functionArn")]
    function: String,
    condition: String,
    #[serde(rename = "approximateInvokeCount")]
    attempts: Option<u32>,
}

/// What came of a call of the sweeper.
#[derive(Debug, Default, Serialize)]
struct Done {
    #[serde(skip_serializing_if = "Option::is_none")]
    swept: Option<usize>,
}

impl Function {
    fn of_environment<W: Workflow>() -> Result<Self, SettingsError> {
        let definition = W::definition();
        let name = std::env::var(deployment::FUNCTION)
            .map_err(|_| SettingsError::NotDeployed(deployment::FUNCTION))?;
        if name != SWEEPER && !definition.functions.iter().any(|function| function.name == name) {
            return Err(SettingsError::UnknownFunction { name });
        }
        let (here, clouds) = deployment::from_environment(definition)?;
        let backends = deployment::backends(definition, &clouds)?;
        let runtime = Runtime::new::<W>(backends, Options::default()).on(here);
        Ok(Function { runtime, names: Names::of_definition(definition), name })
    }

    async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Done, Unhandled> {
        let (payload, context) = event.into_parts();
        if self.name == SWEEPER {
            return self.sweep(&payload).await;
        }
        let Some(envelope) = from_payload(payload.get().as_bytes()) else {
            return Err(Unhandled(
                "the event is no envelope: only functions of the workflow invoke this one".to_owned(),
            ));
        };
        // Lambda does not say which delivery it is.
        let delivery = Delivery { attempt: 1, remaining: remaining(context.deadline) };
        match self.runtime.handle(&self.name, envelope.clone(), delivery).await {
            Ok(()) => Ok(Done::default()),
            // Another delivery cannot help, so it need not be waited for.
            Err(fault) if !fault.is_transient() => {
                tracing::error!(function = self.name, cause = chain(&fault), "given up");
                self.runtime.abandon(&self.name, envelope, 1, chain(&fault)).await?;
                Ok(Done::default())
            }
            Err(fault) => {
                tracing::warn!(function = self.name, cause = chain(&fault), "failed");
                Err(fault.into())
            }
        }
    }

    async fn sweep(&self, payload: &RawValue) -> Result<Done, Unhandled> {
        let Ok(GivenUp { context, payload, response }) = serde_json::from_str(payload.get()) else {
            let swept = self.runtime.sweep(MAX_RUNS).await?;
            return Ok(Done { swept: Some(swept.runs) });
        };
        let function = self.function_of(&context.function);
        let (Some(function), Some(envelope)) = (function, from_payload(payload.get().as_bytes())) else {
            tracing::error!(
                function = context.function,
                "dropped an event that no function of this workflow was sent"
            );
            return Ok(Done::default());
        };
        let cause = cause(&context.condition, response);
        self.runtime.abandon(function, envelope, context.attempts.unwrap_or(1), cause).await?;
        Ok(Done::default())
    }

    /// The function that is deployed under this ARN.
    fn function_of(&self, arn: &str) -> Option<&'static str> {
        let deployed = arn.split(':').nth(6)?;
        let mut functions = self.runtime.definition.functions.iter().map(|function| function.name);
        functions.find(|function| self.names.of(function) == deployed)
    }
}

/// Why an event was given up: what the function said last, or what Lambda says.
fn cause(condition: &str, response: Option<&RawValue>) -> String {
    #[derive(Deserialize)]
    struct Said {
        #[serde(rename = "errorMessage")]
        message: String,
    }
    let said = response.and_then(|response| serde_json::from_str::<Said>(response.get()).ok());
    said.map_or_else(|| format!("Lambda gave up: {condition}"), |said| said.message)
}

/// How long a function may still run that must have ended by `deadline`, in milliseconds since the
/// epoch.
fn remaining(deadline: u64) -> Duration {
    let end = SystemTime::UNIX_EPOCH + Duration::from_millis(deadline);
    end.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{
        "version": "1.0", "timestamp": "2026-01-01T00:00:00.000Z",
        "requestContext": {"requestId": "x", "functionArn": "arn:aws:lambda:us-east-1:1:function:w-1-f:$LATEST",
            "condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": "AQI=",
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "jointlambda", "errorMessage": "f panicked: no"}
    }"#;

    #[test]
    fn a_record_of_failure_is_told_from_the_clock() {
        let GivenUp { context, payload, response } = serde_json::from_str(RECORD).expect("it is one");
        assert_eq!((context.attempts, context.function.split(':').nth(6)), (Some(3), Some("w-1-f")));
        assert_eq!(from_payload(payload.get().as_bytes()).as_deref(), Some(&[1, 2][..]));
        assert_eq!(cause(&context.condition, response), "f panicked: no");
        assert_eq!(cause("EventAgeExceeded", None), "Lambda gave up: EventAgeExceeded");
        let clock = r#"{"source": "aws.events", "detail": {}}"#;
        assert!(serde_json::from_str::<GivenUp<'_>>(clock).is_err());
    }

    #[test]
    fn time_that_is_over_is_none() {
        assert_eq!(remaining(0), Duration::ZERO);
        assert!(remaining(u64::from(u32::MAX) * 1_000) > Duration::from_secs(1));
    }
}
