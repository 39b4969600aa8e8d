//! `cargo jointlambda build`: from programs to files.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use crate::{
    args::BuildArgs,
    compile::State,
    deployments::{ENTRY_FILE, Earlier},
    described::Described,
    notes,
    output::{Change, Files},
    package::{self, sha256},
    platform::{Image, Provider},
    program::{Program, Programs},
    project::Project,
    report,
    settings::{self, Settings},
    terraform::{
        self, Place, alicloud, aws,
        root::{Entry, Region, Spec, add_to_store},
    },
    trouble::Trouble,
};

const ZIP_FILE: &str = "bootstrap.zip";
/// A module's document.
const MODULE_FILE: &str = "main.tf.json";
/// What Serverless Devs deploys.
const SERVERLESS_DEVS_FILE: &str = "s.yaml";
/// The most deployments that one root can have: each has a sweeper that looks every minute.
const DEPLOYMENTS: usize = 64;

/// Runs the command.
pub(crate) fn run(args: &BuildArgs) -> Result<(), Trouble> {
    let out_of =
        |project: &Project, described: Option<&Described>| folder_of(args.out.as_deref(), project, described);
    let compile = !args.dry_run && !args.compiled;
    let mut programs = Programs::load(&args.compile, compile, |project, described| {
        load_settings(&out_of(project, Some(described)), project, described, &args.bucket)
    })?;
    let out = out_of(&programs.project, programs.described());
    let absent = programs.programs.iter().find(|program| program.state == State::Absent);
    if let (Some(program), true) = (absent, args.compiled) {
        return Err(Trouble::new(format!("`{}` is not compiled", program.bin))
            .hint(format!("run `{}`, or leave out `--compiled`", program.command)));
    }
    let Some(mut settings) = programs.settings.take() else {
        return say(args, &programs, &out, &[], None);
    };
    let mut notes = Vec::new();
    if let Some(described) = programs.described() {
        notes.extend(notes::moved(&mut settings, described, &out)?);
        notes.extend(notes::left(&settings, described).filter(|_| args.prune));
    }
    let mut files = Files::default();
    files.add(settings::FILE, settings.text.clone());
    for program in &programs.programs {
        let Some(described) = &program.described else { continue };
        described.check_backends(&program.bin)?;
        let described = (described, args.compile.runtime);
        notes.extend(add(&mut files, &out, program, described, &settings, args.prune)?);
    }
    // Those of one provider are mostly those of the other.
    for note in notes {
        if !programs.notes.contains(&note) {
            programs.notes.push(note);
        }
    }
    let changes = files.changes(&out, args.overwrite)?;
    if !args.dry_run {
        files.write(&out, &changes)?;
    }
    if out.starts_with(&programs.project.target_directory) {
        programs.notes.push(
            "Terraform keeps its state beside main.tf.json, where `cargo clean` removes it: for more than a \
             try give `--out`, or a `backend.tf` of your own"
                .to_owned(),
        );
    }
    say(args, &programs, &out, &changes, Some(&settings))
}

/// The output directory: `out`, if it is given.
fn folder_of(out: Option<&Path>, project: &Project, described: Option<&Described>) -> PathBuf {
    if let Some(out) = out {
        return env::current_dir().unwrap_or_default().join(out);
    }
    let workflow = described.map_or("WORKFLOW".to_owned(), Described::workflow);
    project.target_directory.join("jointlambda").join(workflow)
}

/// The settings in the output directory, else in the package, else new ones.
fn load_settings(
    out: &Path,
    project: &Project,
    described: &Described,
    buckets: &[String],
) -> Result<Settings, Trouble> {
    let paths = [out.join(settings::FILE), project.root.join(settings::FILE)];
    let text = settings::read(paths.iter().map(PathBuf::as_path))?;
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let place = format!("{}\n{}", machine.trim(), project.root.display());
    Settings::complete(text.as_deref(), described, buckets, &place)
}

/// The settings that `describe` shows: those that `build` would use, which writes into `out`.
pub(crate) fn settings_of(
    out: Option<&Path>,
    project: &Project,
    described: &Described,
) -> Result<Settings, Trouble> {
    load_settings(&folder_of(out, project, Some(described)), project, described, &[])
}

fn zip(program: &Program) -> Result<Vec<u8>, Trouble> {
    let zip = package::zip(&program.content)
        .map_err(|error| Trouble::of(format!("zip {}", program.path.display()), &error))?;
    let platform = program.provider.platform();
    if zip.len() as u64 > platform.zip_bytes {
        return Err(Trouble::new(format!(
            "the zip of `{}` has {} bytes; {} takes {}",
            program.bin,
            zip.len(),
            platform.name,
            platform.zip_bytes
        ))
        .hint("set `strip = true`, `lto = true` and `opt-level = \"z\"` in [profile.release]"));
    }
    Ok(zip)
}

/// Adds all files for a provider; returns what the user should know.
fn add(
    files: &mut Files,
    out: &Path,
    program: &Program,
    (described, image): (&Described, Image),
    settings: &Settings,
    prune: bool,
) -> Result<Vec<String>, Trouble> {
    let zip = zip(program)?;
    let zip_sha256 = sha256(&zip);
    let top = program.provider.word();
    let deployment = described.short_deployment();
    let root = match program.provider {
        Provider::Aws => &aws::ROOT,
        Provider::Aliyun => &alicloud::ROOT,
    };
    let earlier = Earlier::read(&out.join(top), described.deployment())?;
    if let Some(other) = earlier.others.iter().find(|other| other.short() == deployment) {
        return Err(Trouble::new(format!("two deployments have {} in their names", other.short()))
            .hint("set another `version` in `#[workflow]`: the digits change with it"));
    }
    let mut notes = Vec::new();
    notes.extend(notes::replaced(&out.join(format!("{top}/{deployment}/{ZIP_FILE}")), deployment, &zip)?);
    let stores = stores(root, &earlier, described, settings, prune)?;
    let mut entry = Entry {
        deployment: Some(described.deployment().to_owned()),
        definition: described.hash(),
        home: settings.home(described),
        regions: Default::default(),
    };
    for (cloud, region) in described.clouds() {
        // One region needs no folder of its own.
        let is_alone = stores.len() == 1;
        let folder = if is_alone { deployment.to_owned() } else { format!("{deployment}/{region}") };
        let place = Place {
            cloud,
            region,
            zip: if is_alone { ZIP_FILE } else { "../bootstrap.zip" },
            zip_sha256: &zip_sha256,
            runtime: program.provider.platform_with(image).runtime,
            architecture: program.facts.as_ref().map_or("x86_64", |facts| facts.architecture),
        };
        let store = &stores[region];
        let modules = stores.values().map(|store| store.module.as_str());
        let (module, functions) = match program.provider {
            Provider::Aws => {
                (aws::functions::module(described, settings, &place), aws::functions::arguments(modules))
            }
            Provider::Aliyun => (
                alicloud::functions::module(described, settings, &place),
                alicloud::functions::arguments(&store.module),
            ),
        };
        files.add(format!("{top}/{folder}/{MODULE_FILE}"), terraform::text(&module));
        if program.provider == Provider::Aliyun {
            let document = alicloud::serverless_devs::document(described, settings, &place);
            files.add(format!("{top}/{folder}/{SERVERLESS_DEVS_FILE}"), document);
        }
        entry.regions.insert(
            region.to_owned(),
            Region {
                cloud: cloud.to_owned(),
                store: store.call.clone(),
                store_module: Some(store.module.clone()),
                functions: root.call_functions(&format!("./{folder}"), region, functions),
            },
        );
    }
    files.add(format!("{top}/{deployment}/{ZIP_FILE}"), zip);
    files.add(
        format!("{top}/{deployment}/{ENTRY_FILE}"),
        terraform::text(&serde_json::to_value(&entry).expect("strings and maps serialise")),
    );
    let store = match program.provider {
        Provider::Aws => aws::store::module(),
        Provider::Aliyun => alicloud::store::module(),
    };
    files.add(format!("{top}/store/{MODULE_FILE}"), terraform::text(&store));

    let mut entries = Vec::new();
    if prune {
        earlier.others.iter().for_each(|entry| remove(files, top, entry));
    } else {
        entries = earlier.others;
        notes.extend(notes::kept(&entries));
    }
    if entries.len() >= DEPLOYMENTS {
        return Err(Trouble::new(format!("{} deployments are there already", entries.len()))
            .hint("when no runs of the earlier ones are open any more, pass `--prune`"));
    }
    entries.push(entry);
    let document = root.root(&described.workflow(), &entries);
    for (region, store) in &stores {
        notes.extend(notes::longer(described, region, &document["module"][store.module.as_str()]));
    }
    files.add(format!("{top}/{MODULE_FILE}"), terraform::text(&document));
    Ok(notes)
}

/// A store of a deployment: the module that has it, and how that is called.
struct Store {
    module: String,
    call: Map<String, Value>,
}

/// The stores of a deployment by region.
fn stores<'a>(
    root: &Spec,
    earlier: &Earlier,
    described: &'a Described,
    settings: &Settings,
    prune: bool,
) -> Result<BTreeMap<&'a str, Store>, Trouble> {
    let mut stores = BTreeMap::new();
    for (cloud, region) in described.clouds() {
        let arguments = match described.provider {
            Provider::Aws => aws::store::arguments(described, settings, cloud),
            Provider::Aliyun => alicloud::store::arguments(described, settings, cloud),
        };
        let call = root.call_store(region, arguments);
        let module = earlier.store_module(described.short_deployment(), (cloud, region), &call, prune)?;
        // Runs that are in flight were told how long their rows stay by the program as it was.
        let mut longest = earlier.own_store(region).filter(|_| !prune).cloned().unwrap_or_default();
        add_to_store(&mut longest, &call);
        stores.insert(region, Store { module, call: longest });
    }
    Ok(stores)
}

/// Has the files of a deployment removed.
fn remove(files: &mut Files, top: &str, entry: &Entry) {
    let deployment = entry.short();
    for name in [ENTRY_FILE, ZIP_FILE, MODULE_FILE, SERVERLESS_DEVS_FILE] {
        files.remove(format!("{top}/{deployment}/{name}"));
    }
    for region in entry.regions.keys() {
        for name in [MODULE_FILE, SERVERLESS_DEVS_FILE] {
            files.remove(format!("{top}/{deployment}/{region}/{name}"));
        }
    }
}

/// A path as one would type it here.
fn shown(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    let text = path.strip_prefix(here).unwrap_or(path).display().to_string();
    if text.contains(char::is_whitespace) { format!("'{text}'") } else { text }
}

/// Reports what was done, or would be.
fn say(
    args: &BuildArgs,
    programs: &Programs,
    out: &Path,
    changes: &[Change],
    settings: Option<&Settings>,
) -> Result<(), Trouble> {
    let mut report = settings.map_or_else(
        || json!({ "package": programs.project.package, "programs": programs.programs, "notes": programs.notes }),
        |settings| report::deployed(programs, settings, None),
    );
    report["dry_run"] = args.dry_run.into();
    report["out"] = out.display().to_string().into();
    report["files"] = json!(changes);
    let next: Vec<_> = programs
        .programs
        .iter()
        .filter(|program| program.described.is_some())
        .flat_map(|program| {
            let folder = out.join(program.provider.word());
            ["init", "apply"].map(|command| format!("terraform -chdir={} {command}", shown(&folder)))
        })
        .collect();
    report["next"] = json!(next);
    if args.json {
        return crate::print(&format!("{report:#}\n"));
    }
    let mut text = report::deployed_text(&report, programs);
    text.push('\n');
    text.push_str(&report::programs_text(&programs.programs, args.dry_run));
    text.push_str(&format!("\n{}\n", shown(out)));
    text.push_str(&report::changes_text(changes, args.dry_run));
    for note in &programs.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    for command in next {
        text.push_str(&format!("next: {command}\n"));
    }
    crate::print(&text)
}
