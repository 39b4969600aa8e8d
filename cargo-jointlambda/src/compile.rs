//! Has cargo compile the workflow's programs, and finds out where they are and whether they are up to
//! date.

use std::{
    env, fs,
    io::BufReader,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use cargo_metadata::Message;
use serde::Serialize;

use crate::{
    args::CompileArgs,
    elf::ZIGBUILD,
    platform::Provider,
    project::{Program, Project},
    trouble::Trouble,
};

/// One call of cargo for a program.
#[derive(Debug)]
pub(crate) struct Compilation {
    bin: String,
    arguments: Vec<String>,
    /// Where cargo puts the program.
    pub(crate) path: PathBuf,
    /// Whether the program can be run on this machine.
    runs_here: bool,
}

/// Whether a program is compiled from the sources as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It is.
    Current,
    /// Some source is younger.
    Outdated,
    /// It is not there.
    Absent,
}

impl Compilation {
    /// How `program` is compiled.
    pub(crate) fn of(project: &Project, program: &Program, args: &CompileArgs) -> Self {
        let target = target(args, program.provider);
        Compilation::plan(project, program, args, target.as_deref(), args.zigbuild)
    }

    /// How a program is compiled that says what there is to deploy: as the one that is deployed, or
    /// for this machine if that one is for another.
    pub(crate) fn of_description(self, project: &Project, program: &Program, args: &CompileArgs) -> Self {
        if self.runs_here { self } else { Compilation::plan(project, program, args, None, false) }
    }

    fn plan(
        project: &Project,
        program: &Program,
        args: &CompileArgs,
        target: Option<&str>,
        zigbuild: bool,
    ) -> Self {
        let bin = program.bin.as_str();
        let mut arguments = vec![if zigbuild { "zigbuild" } else { "build" }.to_owned()];
        let mut add = |flag: &str, value: Option<&str>| {
            arguments.push(flag.to_owned());
            arguments.extend(value.map(str::to_owned));
        };
        match args.profile.as_str() {
            "release" => add("--release", None),
            other => add("--profile", Some(other)),
        }
        if let Some(path) = args.manifest_path.as_deref().and_then(Path::to_str) {
            add("--manifest-path", Some(path));
        }
        add("--package", Some(&project.package));
        add("--bin", Some(bin));
        target.inspect(|target| add("--target", Some(target)));
        args.features.iter().for_each(|features| add("--features", Some(features)));
        // What cargo would refuse to compile it without.
        let given = |wanted: &String| {
            let mut all = args.features.iter().flat_map(|features| features.split([',', ' ']));
            args.all_features || all.any(|feature| feature == wanted)
        };
        let required = program.features.iter().filter(|wanted| !given(wanted));
        required.for_each(|wanted| add("--features", Some(wanted)));
        let switches = [
            ("--all-features", args.all_features),
            ("--no-default-features", args.no_default_features),
            ("--locked", args.locked),
            ("--offline", args.offline),
        ];
        switches.iter().filter(|(_, on)| *on).for_each(|(flag, _)| add(flag, None));
        // `dev` has its own folder name.
        let folder = if args.profile == "dev" { "debug" } else { args.profile.as_str() };
        let triple = target.map(triple);
        let mut path = project.target_directory.clone();
        path.extend(triple);
        Compilation {
            bin: bin.to_owned(),
            arguments,
            path: path.join(folder).join(bin),
            runs_here: triple.is_none_or(runs_here),
        }
    }

    /// The command as one would type it.
    pub(crate) fn command_line(&self) -> String {
        format!("cargo {}", self.arguments.join(" "))
    }

    /// Compiles. Cargo's own messages go to stderr as they come.
    pub(crate) fn run(&self) -> Result<PathBuf, Trouble> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(&self.arguments).arg("--message-format=json-render-diagnostics");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let started = command.spawn().map_err(|error| Trouble::of("start cargo", &error));
        let mut child = started?;
        let stdout = child.stdout.take().expect("it is a pipe");
        let mut executable = None;
        for message in Message::parse_stream(BufReader::new(stdout)) {
            if let Ok(Message::CompilerArtifact(artifact)) = message
                && artifact.target.name == self.bin
                && let Some(path) = artifact.executable
            {
                executable = Some(PathBuf::from(path));
            }
        }
        let status = child.wait().map_err(|error| Trouble::of("wait for cargo", &error))?;
        if !status.success() {
            let zigbuild = self.arguments[0] == "zigbuild";
            let hint = match zigbuild {
                true => {
                    format!("cargo's messages are above; is there a command `cargo zigbuild`? {ZIGBUILD}")
                }
                false => "cargo's messages are above".to_owned(),
            };
            return Err(Trouble::new(format!("`{}` failed", self.command_line())).hint(hint));
        }
        executable.ok_or_else(|| {
            Trouble::new(format!("`{}` made no program `{}`", self.command_line(), self.bin))
                .hint("is there a `required-features` in Cargo.toml? pass `--features`")
        })
    }

    /// Whether the program is there, and as new as its sources: those that cargo lists beside it.
    pub(crate) fn state(&self) -> State {
        let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
        let Some(made) = modified(&self.path) else { return State::Absent };
        let list = fs::read_to_string(self.path.with_extension("d")).unwrap_or_default();
        let sources = sources(&list);
        let newer = |source: &PathBuf| modified(source).is_none_or(|changed: SystemTime| changed > made);
        if sources.is_empty() || sources.iter().any(newer) { State::Outdated } else { State::Current }
    }
}

/// The paths after the colon of a list of dependencies, where `\ ` is a blank in a path.
fn sources(list: &str) -> Vec<PathBuf> {
    let line = list.lines().next().unwrap_or_default();
    let Some((_, sources)) = line.split_once(": ") else { return Vec::new() };
    let sources = sources.replace("\\ ", "\0");
    sources.split_whitespace().map(|source| PathBuf::from(source.replace('\0', " "))).collect()
}

/// What to compile for; with `--zigbuild` the platform's glibc, unless another is asked for.
fn target(args: &CompileArgs, provider: Provider) -> Option<String> {
    if args.target.is_some() || !args.zigbuild {
        return args.target.clone();
    }
    let architecture = match env::consts::ARCH {
        "aarch64" if provider == Provider::Aws => "aarch64",
        _ => "x86_64",
    };
    Some(format!("{architecture}-unknown-linux-gnu.{}", provider.platform_with(args.runtime).glibc))
}

/// A target without the version of glibc that `cargo zigbuild` takes with it.
fn triple(target: &str) -> &str {
    target.split_once('.').map_or(target, |(triple, _)| triple)
}

fn runs_here(triple: &str) -> bool {
    cfg!(target_os = "linux") && triple.starts_with(env::consts::ARCH) && triple.contains("-linux-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_may_have_blanks() {
        let list = "/t/release/x-aws: /p/src/a\\ b.rs /p/src/lib.rs\n\n/p/src/lib.rs:\n";
        assert_eq!(sources(list), [PathBuf::from("/p/src/a b.rs"), PathBuf::from("/p/src/lib.rs")]);
        assert!(sources("").is_empty());
    }

    #[test]
    fn the_version_of_glibc_is_no_part_of_the_triple() {
        assert_eq!(triple("x86_64-unknown-linux-gnu.2.34"), "x86_64-unknown-linux-gnu");
        assert!(!runs_here("riscv64gc-unknown-linux-gnu"));
        assert!(!runs_here("x86_64-pc-windows-msvc"));
    }
}
