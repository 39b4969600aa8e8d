//! The functions on AWS of every workflow that is deployed on both clouds.

use jointlambda::backend::aws::serve::main as serve;

fn main() -> std::process::ExitCode {
    jointlambda_cloud_tests::serve_named!(serve)
}
