//! The program that Lambda runs: one for all functions of a workflow on AWS, and for its sweeper.
//! Which of them it is, its environment says.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::{
    backend::Handler,
    deployed::{Done, Function, Unhandled},
    deployment,
    machine::Workflow,
    provider::Provider,
    runtime::Runtime,
};

/// The program's `main`. With the argument `--describe` it prints what there is to deploy.
pub fn main<W: Workflow>() -> ExitCode {
    main_with::<W>(|runtime| Arc::new(runtime))
}

/// The same with another receiver of the functions' events: so is tried what the platform does with them.
pub fn main_with<W: Workflow>(receive: impl FnOnce(Runtime) -> Arc<dyn Handler>) -> ExitCode {
    if let Some(code) = deployment::answer::<W>(Provider::Aws) {
        return code;
    }
    match Function::of_environment::<W>(receive) {
        Err(error) => {
            eprintln!("error: {error}");
            // If the process ended here, Lambda would say of each event that a process died of it.
            match std::env::var_os("AWS_LAMBDA_RUNTIME_API") {
                Some(_) => serve(async |_, _| Err::<Done, _>(Unhandled::unbegun(error.to_string()))),
                None => ExitCode::from(2),
            }
        }
        Ok(function) => serve(async |event: &[u8], time| function.handle(event, Some(time)).await),
    }
}

fn serve(handle: impl AsyncFn(&[u8], Duration) -> Result<Done, Unhandled>) -> ExitCode {
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
    let served =
        threads.block_on(lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
            let (payload, context) = event.into_parts();
            handle(payload.get().as_bytes(), remaining(context.deadline)).await
        })));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl From<Unhandled> for Diagnostic {
    fn from(unhandled: Unhandled) -> Self {
        Diagnostic { error_type: unhandled.error_type().to_owned(), error_message: unhandled.why }
    }
}

/// How long it is until `deadline`, in milliseconds since the epoch, when Lambda ends the execution.
fn remaining(deadline: u64) -> Duration {
    let end = SystemTime::UNIX_EPOCH + Duration::from_millis(deadline);
    end.duration_since(SystemTime::now()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_is_over_is_none() {
        assert_eq!(remaining(0), Duration::ZERO);
        assert!(remaining(u64::from(u32::MAX) * 1_000) > Duration::from_secs(1));
    }
}
