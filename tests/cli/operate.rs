//! What has become of a run that a store holds, to stop it, and to go on with it.

use super::*;

fn of<'a>(command: &'a str, store: &'a Path, key: &'a str) -> Vec<&'a str> {
    vec![command, key, "--store", store.to_str().expect("UTF-8")]
}

/// An input with a page that is bad for as long as `file` is there.
fn bad_page(how: &str, file: &Path) -> String {
    let page = format!("{how} while {}", file.display());
    serde_json::json!({ "pages": ["a b c", page], "pause_ms": 0 }).to_string()
}

#[test]
fn a_failed_run_is_shown_and_redriven_from_where_it_failed() {
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = (directory.path().join("runs"), directory.path().join("bad"));
    std::fs::write(&file, "x").unwrap();
    let input = bad_page("panic", &file);
    assert_eq!(run(WORD_COUNT, &stored(&store, "k", &input)).code, Some(2));

    let shown = run(WORD_COUNT, &of("status", &store, "k"));
    assert_eq!((shown.code, &*shown.stderr), (Some(0), ""), "{shown:?}");
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert!(lines[0].starts_with("run k has failed, "), "{shown:?}");
    assert!(lines[1].starts_with("split[1] failed after 4 attempts: split panicked: "), "{shown:?}");
    let line = |start: &str| {
        lines.iter().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{shown:?}"))
    };
    assert!(line("  clean ").contains("committed after") && line("  clean ").ends_with("on AWS"));
    assert!(line("  split  [1]").contains(", 4 deliveries: split panicked"));
    assert!(line("  map ").ends_with("waits: 1 of 2 arrived"));
    let json = run(WORD_COUNT, &[of("status", &store, "k"), vec!["--json"]].concat()).json();
    assert_eq!(json["instances"].as_array().map(Vec::len), Some(lines.len() - 3));
    assert_eq!(json["status"]["failed"]["attempts"], 4);

    // Still bad: it fails again, and says so as `run` does.
    let again = run(WORD_COUNT, &of("redrive", &store, "k"));
    assert!(
        again.code == Some(2) && again.stderr.contains("error: the run failed: split[1] failed after 4"),
        "{again:?}"
    );
    std::fs::remove_file(&file).unwrap();
    let redriven = run(WORD_COUNT, &[of("redrive", &store, "k"), vec!["--json"]].concat());
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    let json = redriven.json();
    assert!(json["result"]["words"].as_u64() > Some(3), "{json}");
    let spans = json["timeline"]["spans"].to_string();
    assert!(!spans.contains("clean"), "what was committed is not called again: {spans}");
    let run_again = run(WORD_COUNT, &[stored(&store, "k", &input), vec!["--json"]].concat()).json();
    assert_eq!(run_again["result"], json["result"], "its key leads to the result");
    let shown = run(WORD_COUNT, &of("status", &store, "k"));
    assert!(shown.stdout.lines().next().unwrap().ends_with("it was redriven 2 times"), "{shown:?}");

    let refused = run(WORD_COUNT, &of("redrive", &store, "k"));
    assert_eq!(
        refused.error(),
        "error: the run has not failed, it has returned: only a failed run can be redriven\n"
    );
    let refused = run(WORD_COUNT, &of("cancel", &store, "k"));
    assert_eq!(refused.error(), "error: run k has returned: it is too late to cancel it\n");
}

#[test]
fn a_run_that_stopped_half_way_is_cancelled() {
    let directory = tempfile::tempdir().unwrap();
    let input = pages(2, 10_000);
    let mut child = spawn(WORD_COUNT, &stored(directory.path(), "k", &input));
    let stderr = wait_for(&mut child, "clean: started");
    let busy = run(WORD_COUNT, &of("status", directory.path(), "k"));
    assert!(busy.error().contains("is in use by another process"), "{busy:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(stderr);
    let shown = run(WORD_COUNT, &of("status", directory.path(), "k"));
    assert!(shown.stdout.starts_with("run k is running\n\n  clean  open since "), "{shown:?}");
    let cancelled = run(WORD_COUNT, &of("cancel", directory.path(), "k"));
    assert_eq!((cancelled.code, &*cancelled.stderr), (Some(0), "run k was cancelled\n"), "{cancelled:?}");
    let resumed = run(WORD_COUNT, &stored(directory.path(), "k", &input));
    assert_eq!(resumed.error(), "error: the run was cancelled\nhint: start another with a new `--id`\n");
    let shown = run(WORD_COUNT, &of("status", directory.path(), "k"));
    assert!(
        shown.stdout.starts_with("run k was cancelled, ")
            && shown.stdout.contains("  clean  cancelled after "),
        "{shown:?}"
    );
}

#[test]
fn a_function_that_ends_the_process_is_gone_on_with() {
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = (directory.path().join("runs"), directory.path().join("bad"));
    std::fs::write(&file, "xxx").unwrap();
    let input = bad_page("abort", &file);
    for _ in 0..3 {
        let aborted = run(WORD_COUNT, &stored(&store, "k", &input));
        assert_eq!(aborted.code, None, "{aborted:?}");
    }
    let resumed = run(WORD_COUNT, &stored(&store, "k", &input));
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    // Aborts are no outcome: what was committed before is not called again, and others run on.
    assert!(resumed.stdout.contains("resumed, and took"), "{resumed:?}");
    assert_eq!(run(WORD_COUNT, &stored(&store, "other", &pages(1, 0))).code, Some(0));
}

#[test]
fn a_run_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for command in ["status", "trace", "cancel", "redrive"] {
        let nowhere = run(WORD_COUNT, &of(command, &directory.path().join("nowhere"), "k"));
        assert!(nowhere.error().starts_with("error: there are no runs in "), "{nowhere:?}");
        assert!(!directory.path().join("nowhere").exists(), "{command} makes no store");
    }
    assert_eq!(run(WORD_COUNT, &stored(directory.path(), "k", &pages(1, 0))).code, Some(0));
    let theirs = run(WORD_COUNT_2, &of("status", directory.path(), "k"));
    assert!(theirs.error().starts_with("error: the run is of another deployment"), "{theirs:?}");
    for command in ["status", "trace", "cancel", "redrive"] {
        let unknown = run(WORD_COUNT, &of(command, directory.path(), "a\nb"));
        assert!(unknown.error().starts_with("error: there is no run `a b` in "), "{unknown:?}");
        assert_eq!(unknown.error().lines().count(), 2, "{unknown:?}");
        let missing = run(WORD_COUNT, &[command, "--id", "k"]);
        assert!(missing.error().contains("--store <DIR>"), "{missing:?}");
    }
}

#[test]
fn the_key_of_a_run_is_an_argument_or_a_flag() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().to_str().unwrap();
    assert_eq!(run(WORD_COUNT, &stored(directory.path(), "k", &pages(1, 0))).code, Some(0));
    for command in ["status", "trace"] {
        let argument = run(WORD_COUNT, &[command, "k", "--store", store]);
        assert_eq!(argument.code, Some(0), "{argument:?}");
        assert_eq!(argument.stdout, run(WORD_COUNT, &[command, "--store", store, "--id", "k"]).stdout);
    }
    for command in ["status", "trace", "cancel", "redrive"] {
        let neither = run(WORD_COUNT, &[command, "--store", store]);
        assert!(neither.error().contains("<KEY>"), "{neither:?}");
        let both = run(WORD_COUNT, &[command, "k", "--id", "k", "--store", store]);
        assert!(both.error().contains("cannot be used with"), "{both:?}");
        let help = run(WORD_COUNT, &[command, "--help"]).stdout;
        let example = format!("Example:\n  word_count {command} monday --store runs");
        assert!(help.contains(&example) && help.contains("[KEY]") && help.contains("--id <KEY>"), "{help}");
    }
    // A key that looks like a flag.
    let unlike = run(WORD_COUNT, &["status", "--store", store, "--", "--id"]);
    assert!(unlike.error().starts_with("error: there is no run `--id` in "), "{unlike:?}");
}

#[test]
fn runs_are_listed_the_open_ones_or_all() {
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = (directory.path().join("runs"), directory.path().join("bad"));
    let list =
        |flags: &[&str]| run(WORD_COUNT, &[&["list", "--store", store.to_str().unwrap()], flags].concat());
    assert!(list(&[]).error().starts_with("error: there are no runs in "));
    std::fs::write(&file, "x").unwrap();
    assert_eq!(run(WORD_COUNT, &stored(&store, "fails", &bad_page("panic", &file))).code, Some(2));
    assert_eq!(run(WORD_COUNT, &stored(&store, "returns", &pages(1, 0))).code, Some(0));
    assert_eq!(list(&[]).stdout, "no run is open; `--all` lists those that have ended too\n");
    let mut child = spawn(WORD_COUNT, &stored(&store, "stops", &pages(2, 10_000)));
    drop(wait_for(&mut child, "clean: started"));
    child.kill().unwrap();
    child.wait().unwrap();

    let open = list(&[]);
    assert!(open.stdout.starts_with("  stops  is running  started "), "{open:?}");
    assert_eq!(open.stdout.lines().count(), 1, "{open:?}");
    let all = list(&["--all"]);
    let lines: Vec<_> = all.stdout.lines().map(|line| line.trim().split("  ").next().unwrap()).collect();
    assert_eq!(lines, ["stops", "returns", "fails"], "the newest first: {all:?}");
    assert!(all.stdout.contains("has returned  started ") && all.stdout.contains(" ago, took "), "{all:?}");

    // A run that was redriven is one run.
    assert_eq!(run(WORD_COUNT, &of("redrive", &store, "fails")).code, Some(2));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(run(WORD_COUNT, &of("redrive", &store, "fails")).code, Some(0));
    let json = list(&["--all", "--json"]).json();
    let runs = json["runs"].as_array().unwrap();
    let fails: Vec<_> = runs.iter().filter(|run| run["key"] == "fails").collect();
    assert_eq!((runs.len(), fails.len(), &fails[0]["status"]), (3, 1, &"returned".into()), "{json}");
    let few = list(&["--all", "--limit", "2"]);
    assert!(few.stdout.ends_with("  … and more than these 2; `--limit` lists more\n"), "{few:?}");
    assert!(list(&["--limit", "0"]).error().contains("1..=10000"));
}

#[test]
fn a_run_is_traced() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(run(WORD_COUNT, &stored(directory.path(), "k", &pages(2, 0))).code, Some(0));
    let trace = run(WORD_COUNT, &of("trace", directory.path(), "k"));
    assert_eq!((trace.code, &*trace.stderr), (Some(0), ""), "{trace:?}");
    let lines: Vec<_> = trace.stdout.lines().collect();
    assert!(lines[0].starts_with("run k has returned, "), "{trace:?}");
    assert!(lines[2].ends_with("from the first dispatch to the last commit"), "{trace:?}");
    assert!(lines[3].starts_with("  clean") && lines[3].contains('█'), "{trace:?}");
    assert!(trace.stdout.contains("  split[1]"), "{trace:?}");
    let json = run(WORD_COUNT, &[of("trace", directory.path(), "k"), vec!["--json"]].concat()).json();
    let first = &json["instances"][0];
    assert!(first["since"].as_u64() <= first["state"]["committed"]["at"].as_u64(), "{json}");
    assert_eq!(run(WORD_COUNT, &stored(directory.path(), "wide", &pages(80, 0))).code, Some(0));
    let wide = run(WORD_COUNT, &of("trace", directory.path(), "wide"));
    assert!(wide.stdout.contains("timeline of ") && wide.stdout.lines().count() < 30, "{wide:?}");
}
