//! A program as it is to be deployed: compiled, looked into, and asked what there is to deploy.

use std::{fs, path::PathBuf};

use serde::Serialize;

use crate::{
    args::CompileArgs,
    compile::{Compilation, State},
    described::{self, Asked, Described},
    elf,
    package::{hex, sha256},
    platform::{Provider, Version},
    project::{self, Project},
    settings::{self, Settings},
    trouble::{Trouble, quoted},
};

/// Debug information of this size is worth a word.
const MUCH_DEBUG_BYTES: u64 = 1024 * 1024;

/// What is known of a program. Of one that is not compiled yet, that is how it will be.
#[derive(Debug, Serialize)]
pub(crate) struct Program {
    pub(crate) bin: String,
    pub(crate) provider: Provider,
    /// The command that compiles it.
    pub(crate) command: String,
    pub(crate) path: PathBuf,
    /// Whether it is compiled from the sources as they are.
    pub(crate) state: State,
    #[serde(flatten)]
    pub(crate) facts: Option<Facts>,
    #[serde(skip)]
    pub(crate) described: Option<Described>,
    /// The program itself.
    #[serde(skip)]
    pub(crate) content: Vec<u8>,
}

/// What was found in a program.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    pub(crate) bytes: usize,
    pub(crate) sha256: String,
    /// The provider's word for the processor.
    pub(crate) architecture: &'static str,
    /// The glibc that it needs at least; `null` for a static program.
    pub(crate) glibc: Option<Version>,
    /// Of how many bytes it would be rid without its debug information.
    pub(crate) debug_bytes: u64,
}

/// All programs of a workflow.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) project: Project,
    pub(crate) programs: Vec<Program>,
    /// Where the workflow's clouds are; not known before a program is compiled.
    pub(crate) settings: Option<Settings>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Programs {
    /// Finds the programs that `args` mean, compiles them if `compile`, and asks each. What the first
    /// one says tells where the `settings` are; no program is needed for a provider whose clouds are all
    /// others there.
    pub(crate) fn load(
        args: &CompileArgs,
        compile: bool,
        settings: impl Fn(&Project, &Described) -> Result<Settings, Trouble>,
    ) -> Result<Self, Trouble> {
        let project = project::find(args)?;
        let (mut programs, mut notes) = (Vec::<Program>::new(), Vec::new());
        let mut known: Option<Settings> = None;
        let mut first: Option<Asked> = None;
        for program in project.programs.clone() {
            let is_elsewhere =
                |first: &Asked| first.described.clone().for_provider(program.provider).is_elsewhere();
            if first.as_ref().is_some_and(is_elsewhere) {
                continue;
            }
            let loaded = load(&project, &program, args, compile, &mut notes, |asked| {
                // Settings that fit another definition would be refused by words that hide why.
                first.iter().try_for_each(|first| described::check_same(first, asked))?;
                match &known {
                    Some(known) => Ok(known.clone()),
                    None => Ok(known.insert(settings(&project, &asked.described)?).clone()),
                }
            })?;
            let described = match loaded {
                Loaded::Program(program) => {
                    let described = program.described.clone();
                    programs.push(*program);
                    described
                }
                Loaded::Elsewhere(described) => Some(*described),
            };
            let Some(described) = described else { continue };
            let asked = Asked { bin: program.bin, described };
            match &first {
                Some(first) => described::check_same(first, &asked)?,
                None => first = Some(asked),
            }
        }
        if programs.is_empty() {
            return Err(Trouble::new(format!(
                "package `{}` has no program for any cloud that {} leaves",
                project.package,
                settings::FILE
            ))
            .hint("remove a `same_as`, or add the program for the provider of the cloud that it names"));
        }
        for (cloud, other) in known.iter().flat_map(Settings::same) {
            notes.push(format!("the cloud `{cloud}` is the same as `{other}`: {} says so", settings::FILE));
        }
        let all: Vec<_> = programs.iter().filter_map(|program| program.described.clone()).collect();
        if let Some(first) = all.first() {
            note_missing(first, &programs, &mut notes);
        }
        all.iter().for_each(|described| note_gpu(described, &mut notes));
        Ok(Programs { project, programs, settings: known, notes })
    }

    /// What the first program that is compiled says.
    pub(crate) fn described(&self) -> Option<&Described> {
        self.programs.iter().find_map(|program| program.described.as_ref())
    }
}

/// A program that was asked.
enum Loaded {
    Program(Box<Program>),
    /// It is not needed: all clouds of its provider are others.
    Elsewhere(Box<Described>),
}

fn load(
    project: &Project,
    program: &project::Program,
    args: &CompileArgs,
    compile: bool,
    notes: &mut Vec<String>,
    settings: impl FnOnce(&Asked) -> Result<Settings, Trouble>,
) -> Result<Loaded, Trouble> {
    let project::Program { bin, provider, .. } = program.clone();
    let compilation = Compilation::of(project, program, args);
    let command = compilation.command_line();
    let path = if compile { compilation.run()? } else { compilation.path.clone() };
    let state = if compile { State::Current } else { compilation.state() };
    if state == State::Absent {
        notes.push(format!("`{bin}` is not compiled yet: what it has to deploy is known after `{command}`"));
        let (facts, described, content) = (None, None, Vec::new());
        let program = Program { bin, provider, command, path, state, facts, described, content };
        return Ok(Loaded::Program(Box::new(program)));
    }
    let content = fs::read(&path).map_err(|error| Trouble::of(format!("read {}", path.display()), &error))?;
    let platform = provider.platform_with(args.runtime);
    let asked = compilation.of_description(project, program, args);
    let asked_path = match (asked.path == path || asked.command_line() == command, compile) {
        (true, _) => path.clone(),
        (false, true) => asked.run()?,
        (false, false) => asked.path.clone(),
    };
    let described = Described::by(&asked_path, &bin, provider, None);
    let checked = elf::check(&bin, elf::needs(&content), platform, &rebuild(project, args));
    let described = match (described, &checked) {
        (Ok(described), _) => {
            let settings = settings(&Asked { bin: bin.clone(), described })?;
            Described::by(&asked_path, &bin, provider, Some(&settings))?.placed(&settings)
        }
        // Why it does not run here may be why it would not run there.
        (Err(trouble), Ok(_)) => return Err(trouble),
        (Err(_), Err(_)) => return Err(checked.expect_err("it is none")),
    };
    if described.is_elsewhere() {
        return Ok(Loaded::Elsewhere(Box::new(described)));
    }
    let (needs, architecture) = checked?;
    described.check(&bin, provider)?;
    if state == State::Outdated {
        notes.push(format!("`{bin}` is older than its sources: this is what it was when it was compiled"));
    }
    if content.len() as u64 > platform.unpacked_bytes {
        return Err(Trouble::new(format!(
            "`{bin}` has {} bytes; {} takes {}",
            content.len(),
            platform.name,
            platform.unpacked_bytes
        ))
        .hint("set `strip = true` and `opt-level = \"z\"` in [profile.release]"));
    }
    let libraries = elf::unknown_libraries(&needs, platform);
    if !libraries.is_empty() {
        notes.push(format!(
            "`{bin}` loads {}, which {} may not have: link statically, or put it in a layer",
            libraries.join(", "),
            platform.runtime
        ));
    }
    if needs.debug_bytes > MUCH_DEBUG_BYTES {
        notes.push(format!(
            "{:.1} MB of `{bin}` are debug information, which `strip = \"debuginfo\"` in [profile.{}] removes",
            needs.debug_bytes as f64 / 1e6,
            args.profile
        ));
    }
    let facts = Facts {
        bytes: content.len(),
        sha256: hex(&sha256(&content)),
        architecture,
        glibc: needs.glibc,
        debug_bytes: needs.debug_bytes,
    };
    let (facts, described) = (Some(facts), Some(described));
    let program = Program { bin, provider, command, path, state, facts, described, content };
    Ok(Loaded::Program(Box::new(program)))
}

/// The command that was given, without its target: to be given again with another.
fn rebuild(project: &Project, args: &CompileArgs) -> String {
    let mut command = format!("cargo jointlambda build -p {}", project.package);
    if let Some(bin) = &args.bin {
        command.push_str(&format!(" --bin {bin}"));
    }
    command
}

/// Functions that the zip is not for.
fn note_gpu(described: &Described, notes: &mut Vec<String>) {
    let with_gpu =
        described.functions.iter().filter(|function| function.gpu_gb > 0 && described.is_here(function));
    let names: Vec<_> = with_gpu.map(|function| function.function.as_str()).collect();
    if !names.is_empty() && described.provider == Provider::Aliyun {
        notes.push(format!(
            "{} with a GPU: containers, whose image has the program as its entry; name it with \
             `-var gpu_image=…`",
            quoted(names)
        ));
    }
}

/// Clouds that there is no program for.
fn note_missing(described: &Described, programs: &[Program], notes: &mut Vec<String>) {
    for provider in Provider::ALL {
        let there = described.clone().for_provider(provider);
        let has = programs.iter().any(|program| program.provider == provider);
        if let (Some((cloud, _)), false) = (there.clouds().next(), has) {
            notes.push(format!(
                "nothing is deployed on {cloud}: the package has no binary for {provider}; what runs there needs one"
            ));
        }
    }
}
