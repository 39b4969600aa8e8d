//! Functions that pass on what reaches them.

use std::{process::ExitCode, sync::Arc};

use jointlambda::backend::aliyun::serve::main_with;
use jointlambda_cloud_tests::receiver::{Forward, workflow::aliyun::Received};

fn main() -> ExitCode {
    main_with::<Received>(|_| Arc::new(Forward::of_environment()))
}
