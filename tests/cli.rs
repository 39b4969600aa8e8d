//! The command line as a user sees it: real programs, their output, their exit codes, and what is
//! left after they were killed.

#[path = "cli/input.rs"]
mod input;
#[path = "cli/operate.rs"]
mod operate;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/resume.rs"]
mod resume;
#[path = "cli/store.rs"]
mod store;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
};

const WORD_COUNT: &str = env!("CARGO_BIN_EXE_word_count");
const WORD_COUNT_2: &str = env!("CARGO_BIN_EXE_word_count_2");
const GREETER: &str = env!("CARGO_BIN_EXE_greeter");
const ANSWER: &str = env!("CARGO_BIN_EXE_answer");

/// What a program did.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// The last lines of stderr, from the first that is an error.
    fn error(&self) -> &str {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let at = self.stderr.find("error: ").unwrap_or_else(|| panic!("no error in {self:?}"));
        &self.stderr[at..]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

fn run(program: &str, args: &[&str]) -> Ran {
    run_with(program, args, b"")
}

/// Runs a program to its end.
fn run_with(program: &str, args: &[&str], stdin: &[u8]) -> Ran {
    let mut child = spawn(program, args);
    let mut input = child.stdin.take().expect("a pipe");
    // A program that does not read its input may end before it is written.
    let _ = input.write_all(stdin);
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

fn spawn(program: &str, args: &[&str]) -> Child {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("RUST_BACKTRACE").spawn().expect("it starts")
}

/// Waits until a program has said something on stderr; keep what is returned for as long as the
/// program is to go on.
fn wait_for(child: &mut Child, text: &str) -> BufReader<ChildStderr> {
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).expect("stderr is UTF-8"), 0, "it ended without `{text}`");
    }
    stderr
}

/// An input of `word_count` with `pages` pages, whose functions take `pause_ms` each.
fn pages(pages: usize, pause_ms: u64) -> String {
    let pages: Vec<_> = (0..pages).map(|page| format!("page {page} of several")).collect();
    serde_json::json!({ "pages": pages, "pause_ms": pause_ms }).to_string()
}

/// The arguments of `run` with a store.
fn stored<'a>(store: &'a Path, key: &'a str, input: &'a str) -> Vec<&'a str> {
    vec!["run", "--store", store.to_str().expect("UTF-8"), "--id", key, "--input", input]
}
