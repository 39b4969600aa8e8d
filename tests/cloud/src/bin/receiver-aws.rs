//! Functions that pass on what reaches them.

use std::{process::ExitCode, sync::Arc};

use jointlambda::backend::aws::serve::main_with;
use jointlambda_cloud_tests::receiver::{Forward, workflow::aws::Received};

fn main() -> ExitCode {
    main_with::<Received>(|_| Arc::new(Forward::of_environment()))
}
