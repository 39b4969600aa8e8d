//! The command, for a run that is on both clouds.

use std::process::Command;

use jointlambda_cloud_tests::{pair::Pair, two_clouds::TwoClouds};

use crate::pair;

const COMMAND: &str = env!("CARGO_BIN_EXE_pair");

fn command(clouds: &TwoClouds, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(COMMAND);
    command.args(args).args(["--target", "clouds", "--settings"]).arg(clouds.settings_file::<Pair>());
    command.envs(clouds.variables());
    let output = command.output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_spans_both_clouds_is_shown_as_one() {
    let clouds = pair().await;
    let command = |args: &[&str]| tokio::task::block_in_place(|| command(&clouds, args));
    let input = r#"{"run": "monday", "hops": 4, "branches": 3, "bytes": 10, "pause_ms": 0, "fails": false}"#;
    let (code, stdout, stderr) = command(&["run", "--id", "monday", "--input", input]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("\"steps\": 4") && stdout.contains("run monday has returned"), "{stdout}");

    let (_, listed, _) = command(&["list", "--all"]);
    assert_eq!(listed.matches("monday").count(), 1, "{listed}");
    assert!(listed.contains("monday  has returned"), "{listed}");

    let (_, shown, _) = command(&["status", "monday"]);
    let on = |function: &str, cloud: &str| {
        let mut lines = shown.lines().filter(|line| line.trim_start().starts_with(function));
        lines.clone().count() > 0 && lines.all(|line| line.ends_with(cloud))
    };
    let right = on("begin", "on AWS")
        && on("there", "on ALI")
        && on("here", "on AWS")
        && on("look", "on ALI")
        && on("read", "on ALI");
    assert!(right && on("add", "on AWS"), "{shown}");

    let (_, traced, _) = command(&["trace", "monday"]);
    for call in ["begin", "there[0]", "here[1]", "there[2]", "here[3]", "look[2]", "read[2]", "add"] {
        assert!(traced.contains(call), "{call} is missing in {traced}");
    }
    assert!(traced.contains("AWS") && traced.contains("ALI") && traced.contains('█'), "{traced}");

    let fails = input.replace("false", "true").replace("monday", "tuesday");
    let (code, _, stderr) = command(&["run", "--id", "tuesday", "--input", &fails]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("add failed after 3 attempts: add panicked: as it was told to"), "{stderr}");
    let (code, _, stderr) = command(&["redrive", "tuesday"]);
    assert_eq!(code, Some(2), "it fails again: {stderr}");
    let counts = clouds.executions.counts();
    assert_eq!((counts["tuesday begin 0"], counts["tuesday add 0"]), (1, 6), "{counts:?}");

    // What made it fail is mended: it goes on where it failed, to its result.
    clouds.executions.mend();
    let (code, stdout, stderr) = command(&["redrive", "tuesday"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("\"steps\": 4") && stdout.contains("run tuesday has returned"), "{stdout}");
    let again = clouds.executions.counts();
    assert_eq!((again["tuesday begin 0"], again["tuesday add 0"]), (1, 7), "{again:?}");
    let others = |counts: &std::collections::BTreeMap<String, u64>| {
        counts.iter().filter(|(call, _)| !call.contains(" add ")).map(|(_, count)| count).sum::<u64>()
    };
    assert_eq!(others(&again), others(&counts), "what was committed does not begin again");
    // Its key leads to that result.
    let (code, stdout, _) = command(&["run", "--id", "tuesday", "--input", &fails]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("\"steps\": 4"), "{stdout}");

    // One that takes long is cancelled: it is open on Alibaba Cloud then.
    let slow = input.replace("\"pause_ms\": 0", "\"pause_ms\": 10000").replace("monday", "friday");
    let client = clouds.client::<Pair>();
    let errand = serde_json::from_str(&slow).expect("it is an input");
    client.start("friday", errand).await.expect("it starts");
    while !clouds.executions.counts().contains_key("friday there 0") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (code, _, stderr) = command(&["cancel", "friday"]);
    assert_eq!(code, Some(0), "{stderr}");
    let (_, listed, _) = command(&["list", "--all"]);
    assert!(listed.contains("friday   was cancelled"), "{listed}");
}
