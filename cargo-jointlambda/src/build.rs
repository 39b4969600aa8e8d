//! `cargo jointlambda build`: from programs to files.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    args::BuildArgs,
    compile::State,
    deployments::{ENTRY_FILE, Earlier},
    described::Described,
    output::{Change, Files},
    package::{self, sha256},
    platform::{Image, Provider},
    program::{Program, Programs},
    project::Project,
    report,
    settings::{self, HomeTable, Settings},
    terraform::{
        self, Place, alicloud, aws,
        root::{Entry, Region, add_to_store},
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
    let out_of = |project: &Project, described: Option<&Described>| {
        let own = |out: &Path| env::current_dir().unwrap_or_default().join(out);
        args.out.as_deref().map_or_else(|| default_out(project, described), own)
    };
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
    if let Some(described) = programs.described() {
        let mut notes: Vec<_> = note_moved(&mut settings, described, &out)?.into_iter().collect();
        if args.prune {
            notes.extend(note_left(&settings, described));
        }
        programs.notes.extend(notes);
    }
    let mut files = Files::default();
    files.add(settings::FILE, settings.text.clone());
    let mut notes = Vec::new();
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

fn default_out(project: &Project, described: Option<&Described>) -> PathBuf {
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

/// The settings that `describe` shows: those that `build` would use.
pub(crate) fn settings_of(project: &Project, described: &Described) -> Result<Settings, Trouble> {
    load_settings(&default_out(project, Some(described)), project, described, &[])
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
    let mut notes = Vec::new();
    notes.extend(note_replaced(&out.join(format!("{top}/{deployment}/{ZIP_FILE}")), deployment, &zip)?);
    let mut stores = BTreeMap::new();
    for (cloud, region) in described.clouds() {
        let call = root.call_store(
            region,
            match program.provider {
                Provider::Aws => aws::store::arguments(described, settings, cloud),
                Provider::Aliyun => alicloud::store::arguments(described, settings, cloud),
            },
        );
        let module = earlier.store_module(deployment, (cloud, region), &call, prune)?;
        // Runs that are in flight were told how long their rows stay by the program as it was.
        let mut store = earlier.own_store(region).filter(|_| !prune).cloned().unwrap_or_default();
        add_to_store(&mut store, &call);
        stores.insert(region, (module, store));
    }
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
        let (store_module, store) = &stores[region];
        let modules = stores.values().map(|(module, _)| module.as_str());
        let (module, functions) = match program.provider {
            Provider::Aws => {
                (aws::functions::module(described, settings, &place), aws::functions::arguments(modules))
            }
            Provider::Aliyun => (
                alicloud::functions::module(described, settings, &place),
                alicloud::functions::arguments(store_module),
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
                store: store.clone(),
                store_module: Some(store_module.clone()),
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
        notes.extend(note_kept(&entries));
    }
    if entries.len() >= DEPLOYMENTS {
        return Err(Trouble::new(format!("{} deployments are there already", entries.len()))
            .hint("when no runs of the earlier ones are open any more, pass `--prune`"));
    }
    if let Some(other) = entries.iter().find(|other| other.short() == entry.short()) {
        return Err(Trouble::new(format!("two deployments have {} in their names", other.short()))
            .hint("set another `version` in `#[workflow]`: the digits change with it"));
    }
    entries.push(entry);
    let document = root.root(&described.workflow(), &entries);
    for (region, (module, _)) in &stores {
        notes.extend(note_longer(described, region, &document["module"][module.as_str()]));
    }
    files.add(format!("{top}/{MODULE_FILE}"), terraform::text(&document));
    Ok(notes)
}

/// Has the keys of runs looked for where earlier deployments have them, if the run rows have moved: a key is
/// unique within one table.
fn note_moved(settings: &mut Settings, described: &Described, out: &Path) -> Result<Option<String>, Trouble> {
    let Some(home) = settings.home(described) else { return Ok(None) };
    let mut homes = Vec::new();
    // Also of a provider whose clouds are all others by now.
    for provider in Provider::ALL {
        let earlier = Earlier::read(&out.join(provider.word()), described.deployment())?;
        homes.extend(earlier.others.into_iter().filter_map(|entry| entry.home));
    }
    let moved = settings.move_from(&home, described.object_days(), homes)?;
    Ok((!moved.is_empty()).then(|| {
        let old = moved.iter().map(HomeTable::to_string).collect::<Vec<_>>().join(", ");
        format!(
            "run rows move from the table {old} to {home}, where every key is free: {} names the old table as \
             `moved_from`, so that a key with a run there is not started again",
            settings::FILE
        )
    }))
}

/// The tables that are still read for their keys, and that no deployment keeps any more.
fn note_left(settings: &Settings, described: &Described) -> Option<String> {
    let tables: Vec<_> = settings.left_tables(described).into_iter().map(HomeTable::to_string).collect();
    (!tables.is_empty()).then(|| {
        format!(
            "`moved_from` in {} names the table {}, which no deployment has any more: remove it before Terraform \
             destroys the table",
            settings::FILE,
            tables.join(", ")
        )
    })
}

/// The deployments that stay.
fn note_kept(entries: &[Entry]) -> Option<String> {
    let kept: Vec<_> = entries.iter().map(Entry::short).collect();
    (!kept.is_empty()).then(|| {
        format!(
            "earlier deployments stay, so that runs in flight end: {}; `--prune` removes their functions",
            kept.join(", ")
        )
    })
}

/// The same deployment with another program, under runs that may be in flight.
fn note_replaced(path: &Path, deployment: &str, zip: &[u8]) -> Result<Option<String>, Trouble> {
    let there = match fs::read(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Trouble::of(format!("read {}", path.display()), &error)),
    };
    Ok((there != zip).then(|| {
        format!(
            "deployment {deployment} is replaced in place: its runs in flight go on with the new program, whose \
             workflow and tables are the same"
        )
    }))
}

/// What runs in flight have stored may not go sooner than they were told.
fn note_longer(described: &Described, region: &str, store: &Value) -> Option<String> {
    let (days, own) = (store["object_days"].as_u64()?, described.object_days());
    (days > own).then(|| {
        format!(
            "what is stored in {region} stays {days} days, as an earlier build has it, and not {own}: runs in \
             flight need it; `--prune` lowers it"
        )
    })
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
