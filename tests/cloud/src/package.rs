//! Programs of the workspace as cargo has compiled them, packaged by `cargo jointlambda`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

/// How to have what is missing.
const HOW: &str =
    "run ./test, or `cargo build --workspace --bins --features` with `aws` and `aliyun` of each example";

/// The folder with what cargo has compiled; `program` is one of the programs.
pub fn folder_of(program: &str) -> &Path {
    Path::new(program).parent().expect("a program is in a folder")
}

/// What every program with a workflow is compiled from.
const SOURCES: [&str; 3] = ["src", "jointlambda-macros/src", "jointlambda-runtime/src"];

/// A program in that folder with a workflow, compiled from the sources as they are; `own` are those of
/// its package.
pub fn program(compiled: &Path, name: &str, own: &str) -> PathBuf {
    made_of(compiled, name, &[&SOURCES[..], &[own]].concat())
}

fn made_of(compiled: &Path, name: &str, sources: &[&str]) -> PathBuf {
    let path = compiled.join(name);
    let Ok(made) = fs::metadata(&path).and_then(|data| data.modified()) else {
        panic!("{} is not compiled: {HOW}", path.display())
    };
    for folder in sources {
        let (changed, source) = newest(&workspace().join(folder)).expect("there are sources");
        assert!(changed <= made, "{name} is older than {}: {HOW}", source.display());
    }
    path
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The source below a folder that was changed last, and when.
fn newest(folder: &Path) -> Option<(SystemTime, PathBuf)> {
    let entries = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let times = entries.filter_map(|path| {
        if path.is_dir() {
            return newest(&path);
        }
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        is_source.then(|| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))?
    });
    times.max()
}

/// Packages the program `name` of `package`, which is in the folder `own`, into `out`, with these settings.
/// It goes without its symbols, which are most of a program that is compiled for tests.
pub fn build(compiled: &Path, (package, own): (&str, &str), name: &str, out: &Path, settings: &str) {
    let source = program(compiled, name, &format!("{own}/src"));
    let target = out.join("compiled");
    let folder = target.join("debug");
    fs::create_dir_all(&folder).expect("a folder can be made");
    // Function Compute's other image has an older C library than machines that tests run on.
    let runtime = ["--runtime", "custom.debian12"];
    fs::write(out.join("jointlambda.toml"), settings).expect("it can be written to");
    let stripped = Command::new("strip").arg("-o").arg(folder.join(name)).arg(&source).status();
    assert!(stripped.is_ok_and(|status| status.success()), "`strip` of binutils is needed");

    let mut command = Command::new(made_of(compiled, "cargo-jointlambda", &["cargo-jointlambda/src"]));
    for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("CARGO_")) {
        if variable != "CARGO_HOME" {
            command.env_remove(variable);
        }
    }
    command.current_dir(workspace()).env("CARGO_TARGET_DIR", &target);
    command.args(["jointlambda", "build", "--profile", "dev", "--compiled", "--json", "-p", package]);
    command.args(["--bin", name]).args(runtime).arg("--out").arg(out);
    let output = command.output().expect("it starts");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{package}: {said}{errors}");
    fs::remove_dir_all(&target).expect("it is ours");
}
