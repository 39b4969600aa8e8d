//! Alibaba Cloud's own SDKs, which nobody here wrote, against the emulator. Loopback only.

use std::{path::PathBuf, process::Stdio, sync::OnceLock};

use aliyun_emulator::{Emulator, Options};
use tokio::process::Command;

/// Longer than any script takes on a slow machine; a script that hangs is stopped.
const BOUND_S: u64 = 180;

fn scripts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sdk")
}

/// Where the SDKs are, installed once for all tests.
fn installed() -> PathBuf {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    let install = || {
        let into = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("aliyun-sdk");
        let done = std::process::Command::new(scripts().join("install.sh")).arg(&into).output();
        let done = done.expect("bash runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        into
    };
    INSTALLED.get_or_init(install).clone()
}

async fn run(script: &str, options: Options) {
    let sdk = installed();
    let emulator = Emulator::start(options.clone()).await.unwrap();
    let program = if script.ends_with(".py") { sdk.join("venv/bin/python") } else { "node".into() };
    // Node looks for packages beside the script, so that is where it has to be.
    let path = if script.ends_with(".py") { scripts().join(script) } else { sdk.join(script) };
    if !script.ends_with(".py") {
        std::fs::copy(scripts().join(script), &path).unwrap();
        for shared in ["check.mjs", "bootstrap.py"] {
            std::fs::copy(scripts().join(shared), sdk.join(shared)).unwrap();
        }
    }
    let child = Command::new(program)
        .arg(path)
        .env("TABLESTORE", format!("http://{}", emulator.tablestore()))
        .env("FUNCTION_COMPUTE", emulator.function_compute().to_string())
        .env("OSS", format!("http://{}", emulator.oss()))
        .env("OSS_V1", if options.oss_v1 { "on" } else { "off" })
        .env("REGION", &options.region)
        .env("ACCOUNT", &options.account_id)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the script starts");
    let bound = std::time::Duration::from_secs(BOUND_S);
    let output = tokio::time::timeout(bound, child.wait_with_output()).await;
    let output = output.unwrap_or_else(|_| panic!("{script} did not end within {BOUND_S} s")).unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{script} failed:\n{}", String::from_utf8_lossy(&text));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tablestore_by_python() {
    run("tablestore_test.py", Options::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tablestore_by_node() {
    run("tablestore_test.mjs", Options::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oss_by_python() {
    run("oss_test.py", Options::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oss_by_python_with_the_first_signature() {
    let mut options = Options::default();
    options.oss_v1 = true;
    run("oss_test.py", options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oss_by_the_second_python_sdk() {
    run("oss_v2_test.py", Options::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oss_by_node() {
    run("oss_test.mjs", Options::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn function_compute_by_python() {
    run("function_compute_test.py", Options::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn function_compute_by_node() {
    run("function_compute_test.mjs", Options::default()).await;
}
