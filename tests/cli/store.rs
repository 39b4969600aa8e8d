//! What is said of a store that a run cannot use, and that nothing is lost then.

use super::*;

#[test]
fn the_same_key_with_another_input_is_refused_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (input, other) = (pages(2, 0), pages(3, 0));
    assert_eq!(run(WORD_COUNT, &stored(directory.path(), "k", &input)).code, Some(0));
    let ran = run(WORD_COUNT, &stored(directory.path(), "k", &other));
    assert!(
        ran.error().starts_with("error: the key `k` already names a run with another input: "),
        "{ran:?}"
    );
    assert_eq!(ran.error().lines().count(), 1);
    assert!(!ran.error().contains("page 0"), "the input is not shown");
    assert_eq!(run(WORD_COUNT, &stored(directory.path(), "k", &input)).code, Some(0));
}

#[test]
fn a_store_in_use_is_refused_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let input = pages(2, 300);
    let args = stored(directory.path(), "k", &input);
    let mut first = spawn(WORD_COUNT, &args);
    let stderr = wait_for(&mut first, "run k in ");
    let ran = run(WORD_COUNT, &args);
    assert!(ran.error().contains("store.redb is in use by another process\nhint: "), "{ran:?}");
    let first = first.wait_with_output().unwrap();
    drop(stderr);
    assert_eq!(first.status.code(), Some(0));
}

#[test]
fn a_store_of_another_workflow_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().to_str().unwrap();
    assert_eq!(run(ANSWER, &["run", "--store", store]).code, Some(0));
    let input = pages(1, 0);
    let ran = run(WORD_COUNT, &stored(directory.path(), "k", &input));
    assert!(ran.error().contains("store.redb belongs to `answer`, not to `word_count`\nhint: "), "{ran:?}");
    assert_eq!(run(ANSWER, &["run", "--store", store]).code, Some(0));
}

#[test]
fn a_run_of_another_version_is_refused_and_another_key_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let input = pages(2, 10_000);
    let args = stored(directory.path(), "k", &input);
    let mut child = spawn(WORD_COUNT, &args);
    let stderr = wait_for(&mut child, "clean: started");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(stderr);
    let ran = run(WORD_COUNT_2, &args);
    assert!(ran.error().starts_with("error: the key `k` names a run of another deployment"), "{ran:?}");
    let ran = run(WORD_COUNT_2, &stored(directory.path(), "k2", &input));
    assert!(ran.code == Some(0) && ran.stdout.starts_with("2\n"), "{ran:?}");
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.redb");
    std::fs::write(&store, "something else").unwrap();
    let input = pages(1, 0);
    let ran = run(WORD_COUNT, &stored(directory.path(), "k", &input));
    assert!(ran.error().starts_with("error: failed to open the store "), "{ran:?}");
    assert_eq!(std::fs::read(&store).unwrap(), b"something else");
    let ran = run(WORD_COUNT, &stored(&store, "k", &input));
    assert!(ran.error().starts_with("error: failed to open the store "), "{ran:?}");
}
