//! A run with a store is resumed by its key, wherever it was killed.

use std::{thread::sleep, time::Duration};

use super::*;

/// How long each function of a run that is to be killed takes.
const PAUSE_MS: u64 = 60;

fn result(input: &str) -> serde_json::Value {
    let plain = run(WORD_COUNT, &["run", "--plain", "--input", input]);
    serde_json::from_str(&plain.stdout).expect("a result")
}

/// Runs the command to its end and gives the result.
fn resume(args: &[&str]) -> serde_json::Value {
    let ran = run(WORD_COUNT, &[args, &["--json"]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.json()
}

#[test]
fn a_run_that_was_killed_is_resumed_with_the_same_outcome() {
    let input = pages(4, PAUSE_MS);
    let expected = result(&input);
    let directory = tempfile::tempdir().unwrap();
    let mut unfinished = 0;
    // A run takes six pauses, and then some.
    for kill_after_ms in [0, 35, 90, 150, 210, 270, 330, 390] {
        let key = format!("killed after {kill_after_ms} ms");
        let args = stored(directory.path(), &key, &input);
        let mut child = spawn(WORD_COUNT, &args);
        let stderr = wait_for(&mut child, "started; the same command with this key resumes it");
        sleep(Duration::from_millis(kill_after_ms));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        drop(stderr);
        let json = resume(&args);
        assert_eq!(json["result"], expected, "killed after {kill_after_ms} ms ({status})");
        unfinished += u32::from(json["timeline"]["spans"].as_array().is_some_and(|spans| !spans.is_empty()));
        let again = resume(&args);
        assert_eq!((&again["result"], &again["resumed"]), (&expected, &true.into()));
        assert_eq!(again["timeline"]["spans"].as_array().map(Vec::len), Some(0), "nothing is executed again");
    }
    assert!(unfinished >= 4, "only {unfinished} runs were killed in the middle");
}

#[test]
fn a_run_that_is_killed_again_and_again_gets_to_its_end() {
    let input = pages(3, PAUSE_MS);
    let directory = tempfile::tempdir().unwrap();
    let args = stored(directory.path(), "k", &input);
    for _ in 0..8 {
        let mut child = spawn(WORD_COUNT, &args);
        let stderr = wait_for(&mut child, "run k in ");
        sleep(Duration::from_millis(2 * PAUSE_MS));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(stderr);
    }
    let json = resume(&args);
    assert_eq!(json["result"], result(&input));
    assert_eq!(json["resumed"], true);
}

#[test]
fn a_run_that_has_ended_gives_the_same_result() {
    let input = pages(2, 0);
    let directory = tempfile::tempdir().unwrap();
    let args = stored(directory.path(), "k", &input);
    let first = run(WORD_COUNT, &args);
    assert_eq!(first.code, Some(0), "{first:?}");
    let second = run(WORD_COUNT, &args);
    assert_eq!(second.code, Some(0), "{second:?}");
    assert!(second.stderr.contains("has ended before") && second.stdout.contains("the run had ended before"));
    let result = |ran: &Ran| ran.stdout.split("\n\n").next().map(str::to_owned);
    assert_eq!(result(&first), result(&second));
}

#[test]
fn an_err_and_a_failure_are_outcomes_like_others() {
    let directory = tempfile::tempdir().unwrap();
    for (key, page, code) in [("err", "refuse", 1), ("failure", "panic", 2)] {
        let input = serde_json::json!({ "pages": [page], "pause_ms": 0 }).to_string();
        let args = stored(directory.path(), key, &input);
        let (first, second) = (run(WORD_COUNT, &args), run(WORD_COUNT, &args));
        assert_eq!((first.code, second.code), (Some(code), Some(code)), "{first:?} {second:?}");
        assert_eq!(first.stderr.lines().last(), second.stderr.lines().last());
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_says_how_to_resume() {
    let input = pages(2, 10_000);
    let directory = tempfile::tempdir().unwrap();
    let args = stored(directory.path(), "it's mine", &input);
    let mut child = spawn(WORD_COUNT, &args);
    let mut stderr = wait_for(&mut child, "clean: started");
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    assert!(said.contains("interrupted; resume it with the same input: word_count run --store "), "{said}");
    assert!(said.contains(r"--id 'it'\''s mine' …"), "{said}");
}
