//! A project to package, and the tool run in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

const TOOL: &str = env!("CARGO_BIN_EXE_cargo-jointlambda");
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixture");

/// A copy of the fixture, to be changed at will.
pub(crate) struct Project {
    dir: TempDir,
}

/// What the tool did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        copy(Path::new(FIXTURE), dir.path());
        Project { dir }
    }

    /// With a program for Alibaba Cloud as well. Its platform has an older glibc than machines that
    /// tests run on: the programs are static.
    pub(crate) fn with_aliyun() -> Self {
        let project = Project::new();
        let aws = fs::read_to_string(project.path("src/aws.json")).expect("it is there");
        let functions: Vec<_> = aws.lines().filter(|line| !line.contains("two-seas-01234567-join")).collect();
        let aliyun = functions.join("\n").replace("[\"AWS\", \"ALI\"] },", "[\"AWS\", \"ALI\"] }");
        project.write(
            "src/aliyun.json",
            &aliyun.replace("\"provider\": \"aws\",\n", "\"provider\": \"aliyun\",\n"),
        );
        let program = fs::read_to_string(project.path("src/bin/two-seas-aws.rs")).expect("it is there");
        project.write("src/bin/two-seas-aliyun.rs", &program.replace("aws.json", "aliyun.json"));
        project.write(".cargo/config.toml", "[build]\nrustflags = [\"-Ctarget-feature=+crt-static\"]\n");
        project
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Replaces what is in a file of the project.
    pub(crate) fn replace(&self, path: &str, from: &str, to: &str) {
        let path = self.path(path);
        let text = fs::read_to_string(&path).expect("it is there");
        assert!(text.contains(from), "`{from}` is in {}", path.display());
        fs::write(path, text.replace(from, to)).expect("it can be written");
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        fs::write(path, text).expect("it can be written");
    }

    /// Another definition of the workflow: another hash, and so another deployment.
    pub(crate) fn redefine(&self) {
        self.replace("src/aws.json", "18364758544493064720", "17134975606245761280");
        self.redeploy();
    }

    /// Another deployment of the same definition: other names.
    pub(crate) fn redeploy(&self) {
        self.replace("src/aws.json", "0123456789abcdef", "123456789abcdef0");
        self.replace("src/aws.json", "two-seas-01234567", "two-seas-12345678");
    }

    /// Runs `cargo jointlambda`, as cargo would call it.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        run_in(self.dir.path(), args)
    }

    /// `build` of the dev profile, with its report.
    pub(crate) fn build(&self, args: &[&str]) -> Value {
        self.run(&[&["build", "--profile", "dev", "--json"], args].concat()).json()
    }

    /// A file below the output directory, as JSON.
    pub(crate) fn json(&self, path: &str) -> Value {
        let path = self.path("target/jointlambda/two-seas").join(path);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).expect("it is JSON")
    }
}

/// Runs the tool in a folder.
pub(crate) fn run_in(folder: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(TOOL);
    command.arg("jointlambda").args(args).current_dir(folder);
    // What cargo says to the test is not for the project.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_") && name != "CARGO_HOME") {
        command.env_remove(name);
    }
    let output = command.env_remove("RUSTFLAGS").output().expect("it starts");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

impl Ran {
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).expect("stdout is one JSON value")
    }

    /// The error and its hint: the last lines of stderr.
    pub(crate) fn error(&self) -> &str {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let at = self.stderr.rfind("error: ").unwrap_or_else(|| panic!("no error in {self:?}"));
        let error = &self.stderr[at..];
        assert!(error.lines().count() <= 2, "one line, and one that says what to do: {error}");
        error
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            fs::create_dir_all(&target).expect("a directory");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Every file below a folder but cargo's, with its content.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), fs::read(&path).expect("it can be read")));
            }
        }
    }
    files.sort();
    files
}
