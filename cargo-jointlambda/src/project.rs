//! Finds the package with the workflow, and its programs for each provider, by `cargo metadata`.

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand, Package, TargetKind};

use crate::{
    args::CompileArgs,
    platform::Provider,
    trouble::{Trouble, quoted},
};

/// A package, and what of it is to be packaged.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) package: String,
    /// The folder of the package's Cargo.toml.
    pub(crate) root: PathBuf,
    pub(crate) target_directory: PathBuf,
    /// One for each provider that the workflow has a program for.
    pub(crate) programs: Vec<Program>,
}

/// A binary target made with `jointlambda::serve!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) bin: String,
    pub(crate) provider: Provider,
    /// Features that cargo compiles it with alone.
    pub(crate) features: Vec<String>,
}

/// Finds the package and the programs that `args` mean.
pub(crate) fn find(args: &CompileArgs) -> Result<Project, Trouble> {
    let mut command = MetadataCommand::new();
    command.no_deps();
    if let Some(path) = &args.manifest_path {
        command.manifest_path(path);
    }
    let metadata = command.exec().map_err(not_a_project)?;
    let package = choose(&metadata, args)?;
    let programs = programs(package, args.bin.as_deref())?;
    Ok(Project {
        package: package.name.to_string(),
        root: package.manifest_path.parent().map_or_else(PathBuf::new, |root| root.into()),
        target_directory: metadata.target_directory.clone().into(),
        programs,
    })
}

fn not_a_project(error: cargo_metadata::Error) -> Trouble {
    let text = match &error {
        cargo_metadata::Error::CargoMetadata { stderr } => {
            stderr.trim().trim_start_matches("error: ").to_owned()
        }
        other => other.to_string(),
    };
    let trouble = Trouble::new(&text);
    if text.contains("could not find `Cargo.toml`") {
        trouble.hint("run it in the workflow's project, or say where it is with `--manifest-path`")
    } else {
        trouble
    }
}

/// The package that was named; else the one that cargo would take; else the only one with programs.
fn choose<'a>(metadata: &'a Metadata, args: &CompileArgs) -> Result<&'a Package, Trouble> {
    let members = metadata.workspace_packages();
    if let Some(name) = &args.package {
        return members.iter().copied().find(|package| package.name.as_str() == name).ok_or_else(|| {
            Trouble::new(format!("there is no package `{name}` in {}", metadata.workspace_root))
                .hint(format!("pass one of {}", quoted(members.iter().map(|package| package.name.as_str()))))
        });
    }
    if let Some(package) = here(metadata, args) {
        return Ok(package);
    }
    let with: Vec<_> = members.iter().copied().filter(|package| !all_programs(package).is_empty()).collect();
    match with.as_slice() {
        [package] => Ok(package),
        [] => match members.as_slice() {
            [package] => Ok(package),
            _ => Err(Trouble::new("no package of the workspace has a program for a cloud").hint(format!(
                "choose the package of the workflow with `-p`; {}",
                how_to_serve("NAME", "Workflow")
            ))),
        },
        several => Err(Trouble::new("several packages of the workspace have programs for a cloud").hint(
            format!("choose one with `-p`: {}", quoted(several.iter().map(|package| package.name.as_str()))),
        )),
    }
}

/// The package in whose folder the tool was called.
fn here<'a>(metadata: &'a Metadata, args: &CompileArgs) -> Option<&'a Package> {
    if let Some(path) = &args.manifest_path {
        let path = path.canonicalize().ok()?;
        return metadata.packages.iter().find(|package| package.manifest_path.as_std_path() == path);
    }
    let here = std::env::current_dir().ok()?.canonicalize().ok()?;
    let root_of =
        |package: &Package| package.manifest_path.parent().map(|root| root.as_std_path().to_owned());
    let around = metadata.packages.iter().filter(|package| {
        root_of(package).is_some_and(|root| here.starts_with(&root) && root != metadata.workspace_root)
    });
    let innermost = around.max_by_key(|package| package.manifest_path.as_str().len());
    // In the workspace's own folder its root package counts if it has programs.
    innermost.or_else(|| metadata.root_package().filter(|package| !all_programs(package).is_empty()))
}

/// The binary targets that are named as programs for a provider: `NAME-aws`, `NAME-aliyun`.
fn all_programs(package: &Package) -> Vec<(String, Program)> {
    let bins = package.targets.iter().filter(|target| target.kind.contains(&TargetKind::Bin));
    let named = bins.flat_map(|bin| {
        Provider::ALL.into_iter().filter_map(|provider| {
            let name = bin.name.strip_suffix(provider.word())?.strip_suffix('-')?;
            let features = bin.required_features.clone();
            Some((name.to_owned(), Program { bin: bin.name.clone(), provider, features }))
        })
    });
    named.collect()
}

fn programs(package: &Package, name: Option<&str>) -> Result<Vec<Program>, Trouble> {
    let all = all_programs(package);
    let mut names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let chosen: Vec<_> = match (name, names.as_slice()) {
        (Some(wanted), _) => {
            all.iter().filter(|(name, program)| name == wanted || program.bin == wanted).collect()
        }
        (None, [] | [_]) => all.iter().collect(),
        (None, several) => {
            return Err(Trouble::new(format!("package `{}` has several workflows", package.name))
                .hint(format!("choose one with `--bin`: {}", quoted(several.iter().copied()))));
        }
    };
    if chosen.is_empty() {
        let names = quoted(names);
        return Err(match name {
            Some(wanted) if !names.is_empty() => Trouble::new(format!(
                "package `{}` has no binary `{wanted}-aws` or `{wanted}-aliyun`",
                package.name
            ))
            .hint(format!("pass one of {names}")),
            _ => {
                let name = name.unwrap_or(&package.name);
                Trouble::new(format!(
                    "package `{}` has no binary `{name}-aws` or `{name}-aliyun`",
                    package.name
                ))
                .hint(how_to_serve(name, &workflow_of(package)))
            }
        });
    }
    let mut chosen: Vec<_> = chosen.into_iter().map(|(_, program)| program.clone()).collect();
    chosen.sort_by_key(|program| program.provider);
    Ok(chosen)
}

/// The workflow's type, as `jointlambda::main!` names it, or as it would be called.
fn workflow_of(package: &Package) -> String {
    let krate = package.name.replace('-', "_");
    let root = package.manifest_path.parent().map_or(Path::new("."), |root| root.as_std_path());
    let main = std::fs::read_to_string(root.join("src/main.rs")).unwrap_or_default();
    let named = main.split_once("jointlambda::main!(").map(|(_, rest)| {
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect::<String>()
    });
    match named.filter(|name| !name.is_empty()) {
        Some(name) if name.contains("::") => name,
        Some(name) => format!("{krate}::{name}"),
        None => {
            let words = krate.split('_').map(|word| {
                let mut letters = word.chars();
                letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
            });
            format!("{krate}::{}", words.collect::<String>())
        }
    }
}

fn how_to_serve(name: &str, workflow: &str) -> String {
    format!(
        "write the file src/bin/{name}-aws.rs with the line `jointlambda::serve!({workflow}, aws);`, and in \
         Cargo.toml give jointlambda the feature `aws`"
    )
}
