//! The functions on Alibaba Cloud of every workflow that is deployed on both clouds.

use jointlambda::backend::aliyun::serve::main as serve;

fn main() -> std::process::ExitCode {
    jointlambda_cloud_tests::serve_named!(serve)
}
