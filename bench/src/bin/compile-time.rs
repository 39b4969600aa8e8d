//! How much longer a crate takes to check because its workflow is in `workflow!`.
//!
//! Writes two packages with the same functions and the same workflow function, one with the macro
//! and one as plain Rust, and times `cargo check` of each after its source was touched.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant, SystemTime},
};

const HELP: &str = "\
How much longer a crate takes to check because its workflow is in `workflow!`.

Usage: compile-time [--functions N] [--calls N] [--runs N] [--keep DIR]

  --functions N  functions to declare (100)
  --calls N      calls in the workflow function (300)
  --runs N       times to check each package (7)
  --keep DIR     write the packages there and keep them; without it, under the system's
                 temporary directory, and they are removed afterwards";

struct Options {
    functions: usize,
    calls: usize,
    runs: usize,
    keep: Option<PathBuf>,
}

fn options() -> Result<Option<Options>, String> {
    let mut options = Options { functions: 100, calls: 300, runs: 7, keep: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--help" || arg == "-h" {
            return Ok(None);
        }
        let value = args.next().ok_or(format!("`{arg}` needs a value"))?;
        let number = || value.parse::<usize>().map_err(|_| format!("`{value}` is not a number"));
        match arg.as_str() {
            "--functions" => options.functions = number()?.max(2),
            "--calls" => options.calls = number()?,
            "--runs" => options.runs = number()?.max(1),
            "--keep" => options.keep = Some(PathBuf::from(&value)),
            _ => return Err(format!("unknown option `{arg}`: see `--help`")),
        }
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    match options().and_then(|options| options.map(|options| measure(&options)).transpose()) {
        Ok(Some(())) => ExitCode::SUCCESS,
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<(), String> {
    let root = options.keep.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("jointlambda-compile-time-{}", std::process::id()))
    });
    let source = source(options);
    let packages = [("plain", plain(&source)), ("with_macro", with_macro(&source))];
    let mut dirs = Vec::new();
    for (name, text) in &packages {
        dirs.push(write(&root, name, text).map_err(|error| format!("failed to write {name}: {error}"))?);
    }
    let mut times = [Vec::new(), Vec::new()];
    for dir in &dirs {
        check(&root, dir)?; // builds the dependencies
    }
    // By turns, so that a busy moment of the machine hits both.
    for _ in 0..options.runs {
        for (dir, times) in dirs.iter().zip(&mut times) {
            times.push(check(&root, dir)?);
        }
    }
    if options.keep.is_none() {
        _ = fs::remove_dir_all(&root);
    }
    println!(
        "{} functions, {} calls, {} runs of `cargo check` each",
        options.functions, source.calls, options.runs
    );
    let medians = times.map(|mut times| {
        times.sort();
        (times[times.len() / 2], times[0], times[times.len() - 1])
    });
    for ((name, text), (median, fastest, slowest)) in packages.iter().zip(&medians) {
        let lines = text.lines().count();
        println!("{name:<11} median {median:>7.0?}  ({fastest:.0?} to {slowest:.0?}), {lines} lines");
    }
    println!("ratio       {:.2}", medians[1].0.as_secs_f64() / medians[0].0.as_secs_f64());
    Ok(())
}

/// Touches the package's source and times `cargo check`.
fn check(root: &Path, dir: &Path) -> Result<Duration, String> {
    let file = fs::File::options().append(true).open(dir.join("src/lib.rs"));
    let touched = file.and_then(|file| file.set_modified(SystemTime::now()));
    touched.map_err(|error| format!("failed to touch the source: {error}"))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let begin = Instant::now();
    let output = Command::new(cargo)
        .args(["check", "--quiet", "--offline"])
        .current_dir(dir)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("failed to start cargo: {error}"))?;
    let time = begin.elapsed();
    if !output.status.success() {
        return Err(format!("the package does not check:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(time)
}

fn write(root: &Path, name: &str, text: &str) -> std::io::Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let dir = root.join(name);
    fs::create_dir_all(dir.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
         jointlambda = {{ path = {workspace:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\n[workspace]\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest)?;
    fs::copy(workspace.join("Cargo.lock"), dir.join("Cargo.lock"))?;
    fs::write(dir.join("src/lib.rs"), text)?;
    Ok(dir)
}

struct Source {
    /// Each without its attribute.
    functions: Vec<String>,
    body: String,
    calls: usize,
}

fn source(options: &Options) -> Source {
    let functions = (0..options.functions).map(function).collect();
    let (mut body, mut calls, mut block) = (String::new(), 0, 0);
    while calls < options.calls {
        let mut call = || {
            calls += 1;
            (calls - 1) % options.functions
        };
        let (a, b, c) = (call(), call(), call());
        _ = match block % 5 {
            0 => write!(
                body,
                "    let x = step{a}(x).await?;\n    let x = step{b}(x).await?;\n    let x = step{c}(x).await?;\n"
            ),
            1 => write!(
                body,
                "    let list = try_fan_out(0..x.number % 4, async |i| {{\n        \
                 let y = step{a}(Item {{ number: i, text: x.text.clone() }}).await?;\n        \
                 let y = step{b}(y).await?;\n        step{c}(y).await\n    }})\n    .await?;\n    \
                 let x = Item {{ number: list.iter().map(|y| y.number).sum(), text: x.text }};\n"
            ),
            2 => write!(
                body,
                "    let x = if x.number > 10 {{\n        step{a}(x).await?\n    }} else if x.number > 5 {{\n        \
                 step{b}(x).await?\n    }} else {{\n        let y = step{c}(x).await?;\n        \
                 Item {{ number: y.number + 1, ..y }}\n    }};\n"
            ),
            3 => write!(
                body,
                "    let mut x = x;\n    for round in 0..3 {{\n        let y = step{a}(x.clone()).await?;\n        \
                 if y.number > 1000 {{\n            break;\n        }}\n        \
                 x = match step{b}(y).await {{\n            Ok(y) => y,\n            \
                 Err(error) => step{c}(Item {{ number: round, text: error.to_string() }}).await?,\n        }};\n    }}\n"
            ),
            _ => write!(
                body,
                "    let (p, q, r) = try_join!(step{a}(x.clone()), step{b}(x.clone()), async {{\n        \
                 let y = step{c}(x).await?;\n        Ok(y)\n    }})?;\n    \
                 let x = Item {{ number: p.number + q.number, text: format!(\"{{}}{{}}\", q.text, r.text) }};\n"
            ),
        };
        block += 1;
    }
    body.push_str("    Ok(x)\n");
    Source { functions, body, calls }
}

fn function(i: usize) -> String {
    format!(
        "async fn step{i}(item: Item) -> Result<Item> {{\n    let Item {{ number, text }} = item;\n    \
         let parts: Vec<&str> = text.split(' ').filter(|part| !part.is_empty()).collect();\n    \
         if parts.len() > {i} + 100 {{\n        return Err(Error::new(format!(\"{{}} parts\", parts.len())));\n    }}\n    \
         let text = parts.iter().rev().map(|part| part.to_uppercase()).collect::<Vec<_>>().join(\" \");\n    \
         Ok(Item {{ number: number + {i}, text }})\n}}\n"
    )
}

const ITEM: &str = "#[derive(Clone, Debug, Serialize, Deserialize)]\npub struct Item {\n    number: u64,\n    text: String,\n}\n\n";
const USE: &str = "use jointlambda::prelude::*;\n\n";

fn plain(source: &Source) -> String {
    let functions = source.functions.join("\n");
    format!("{USE}{ITEM}pub async fn run(x: Item) -> Result<Item> {{\n{}}}\n\n{functions}", source.body)
}

fn with_macro(source: &Source) -> String {
    let functions: Vec<_> =
        source.functions.iter().map(|function| format!("#[function]\n{function}")).collect();
    format!(
        "{USE}{ITEM}jointlambda::workflow! {{\nconst AWS: Cloud = Cloud::aws(\"ap-northeast-1\");\n\n#[workflow]\n\
         pub async fn run(x: Item) -> Result<Item> {{\n{}}}\n\n{}}}\n",
        source.body,
        functions.join("\n")
    )
}
