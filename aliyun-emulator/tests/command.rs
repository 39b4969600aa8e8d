//! The command: what it says of itself, and its errors in one line.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
};

fn emulator(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aliyun-emulator"));
    command.args(arguments).stdin(Stdio::null());
    command
}

#[test]
fn help_tells_the_ports_and_the_key() {
    let output = emulator(&["--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for said in [
        "--tablestore-port",
        "8801",
        "8802",
        "8803",
        "testAccessKeyId:testAccessKeySecret",
        "--oss-v1",
        "--retry-pause-ms",
        "/_emulator/faults",
    ] {
        assert!(text.contains(said), "{said} is not in:\n{text}");
    }
}

#[test]
fn errors_are_one_line_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, said) in [
        (vec!["--oss-port", &*port], &*format!("failed to listen on 127.0.0.1:{port}: ")),
        (vec!["--oss-port", &port], "choose another with --address and --…-port, where 0 is a free port"),
        (vec!["--address", "192.0.2.1"], "failed to listen on 192.0.2.1:0: "),
        (vec!["--access-key", "nobody"], "--access-key is to be <id>:<secret>"),
        (vec!["--access-key", "somebody:"], "--access-key is to be <id>:<secret>"),
        (vec!["--function-env", "NAME"], "--function-env NAME is to be <name>=<value>"),
        (vec!["--function-env", "=value"], "--function-env =value is to be <name>=<value>"),
        (vec!["--region", ""], "a region is of letters, digits and hyphens"),
        (vec!["--account", "nobody"], "an account is of digits"),
        (vec!["--max-instances", "0"], "there must be one instance of a function at least"),
        (vec!["--folder", "/proc/none"], "failed to make the folder /proc/none: "),
    ] {
        let free = ["--tablestore-port", "0", "--function-compute-port", "0"];
        let oss = if arguments[0] == "--oss-port" { &[][..] } else { &["--oss-port", "0"] };
        let output = emulator(&[&free, oss, &arguments].concat()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with("error: ") && text.contains(said), "{text}");
    }
}

#[test]
fn it_says_where_it_listens_and_then_that_it_is_ready() {
    let ports = ["--tablestore-port", "0", "--oss-port", "0", "--function-compute-port", "0"];
    let mut child = emulator(&ports).stdout(Stdio::piped()).spawn().unwrap();
    let lines: Vec<String> =
        BufReader::new(child.stdout.take().unwrap()).lines().take(4).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let names: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["tablestore", "oss", "function-compute", "ready"]);
    assert!(lines[..3].iter().all(|line| line.contains("http://127.0.0.1:")), "{lines:?}");
}

#[test]
fn it_says_so_as_json_and_ends_when_it_is_told_to() {
    let arguments = ["--json", "--tablestore-port", "0", "--oss-port", "0", "--function-compute-port", "0"];
    let mut child = emulator(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    for name in ["tablestore", "oss", "function-compute"] {
        assert!(said[name].as_str().unwrap().starts_with("http://127.0.0.1:"), "{line}");
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
