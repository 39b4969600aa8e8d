//! Where a workflow is deployed: what its functions are called, and where each of its clouds keeps rows
//! and objects. Clients read it in `jointlambda.toml`; functions are told in their environment. It
//! holds no secrets: credentials come from each provider's own environment.

mod settings;

use std::{env, process::ExitCode, sync::Arc, time::Duration};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use self::settings::{OldTable, Section, Written, resolve};
use crate::{
    backend::{Backend, Table},
    definition::{CloudIndex, Definition, FunctionDef},
    id::DeploymentId,
    machine::Workflow,
    provider::Provider,
    runtime::Options,
};

/// The file that clients read.
pub const FILE: &str = "jointlambda.toml";
/// What the function is that looks after late runs and given-up events.
pub const SWEEPER: &str = "sweeper";
/// The argument with which a deployed program says what there is to deploy. The next one, if there is
/// one, says where the workflow's clouds are: a JSON object with what `jointlambda.toml` says of each.
pub const DESCRIBE: &str = "--describe";
/// The variable that tells a program which function it is.
pub const FUNCTION: &str = "JOINTLAMBDA_FUNCTION";
/// The variable that tells a sweeper how many events a process of the functions handles at once, where
/// that was raised above one (on Function Compute, `instance_concurrency`).
pub const AT_ONCE: &str = "JOINTLAMBDA_INSTANCE_CONCURRENCY";
/// Memory and timeout of a sweeper.
const SWEEPER_MEMORY_MB: u32 = 256;
const SWEEPER_TIMEOUT_S: u64 = 300;
/// The longest name of a function that every provider takes.
const LONGEST_NAME: usize = 64;
/// How many digits of a digest tell cut names apart.
const CUT_DIGITS: usize = 8;

/// Where a cloud of a workflow is. Of a cloud that is the same as another one in this deployment, these
/// are the other's, its name included.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloudSettings {
    /// What the workflow calls it.
    pub name: String,
    /// Whose it is.
    pub provider: Provider,
    /// Its region.
    pub region: String,
    /// The table of its rows.
    pub table: String,
    /// The bucket of its objects.
    pub bucket: String,
    /// Where its services are, if not at the provider's own addresses.
    pub endpoint: Option<String>,
    /// The alias by which functions on AWS are invoked, if not as they are now.
    pub qualifier: Option<String>,
}

impl CloudSettings {
    /// Which table that is, see [`Backend::place`].
    pub fn place(&self) -> String {
        format!("{}/{}/{}", id(self.provider), self.region, self.table)
    }
}

/// The deployment of `definition` on `clouds`, which are in the order of the definition's.
pub fn deployment_of(definition: &Definition, clouds: &[CloudSettings]) -> DeploymentId {
    let tables: Vec<_> = clouds.iter().map(CloudSettings::place).collect();
    DeploymentId::of(definition.name, definition.hash, tables.iter().map(String::as_str))
}

/// Why it is not known where a workflow is deployed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The settings are no TOML or JSON, or have a key that is not known or not there.
    #[error("{place} cannot be read: {why}")]
    Unreadable {
        /// Where they were.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A cloud of the workflow is not in the settings.
    #[error("{place} says nothing of the cloud `{cloud}`: add `[clouds.{cloud}]`")]
    MissingCloud {
        /// Where it should be.
        place: String,
        /// The cloud.
        cloud: String,
    },
    /// The settings have a cloud that the workflow does not have.
    #[error("{place} has a cloud `{cloud}`, which the workflow does not have: it has {clouds}")]
    UnknownCloud {
        /// Where it is.
        place: String,
        /// The cloud.
        cloud: String,
        /// Those of the workflow.
        clouds: String,
    },
    /// A key of a cloud is not there.
    #[error("{place} has no `{key}` of the cloud `{cloud}`: add it to `[clouds.{cloud}]`")]
    MissingKey {
        /// Where it should be.
        place: String,
        /// The cloud.
        cloud: String,
        /// The key.
        key: &'static str,
    },
    /// A cloud cannot be the same as the one that is named.
    #[error("in {place} the cloud `{cloud}` is the same as `{other}`, {why}")]
    BadSameAs {
        /// Where it is.
        place: String,
        /// The cloud.
        cloud: String,
        /// What it is to be the same as.
        other: String,
        /// Why it cannot be.
        why: String,
    },
    /// Functions cannot be invoked by this qualifier.
    #[error("`qualifier` of the cloud `{cloud}` is `{qualifier}` in {place}: {why}")]
    BadQualifier {
        /// Where it is.
        place: String,
        /// The cloud.
        cloud: String,
        /// What is written.
        qualifier: String,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// A cloud is somewhere else than the workflow says.
    #[error("`{key}` of the cloud `{cloud}` is `{theirs}` in {place}, and `{ours}` in the workflow")]
    Differs {
        /// Where it is.
        place: String,
        /// The cloud.
        cloud: String,
        /// What differs.
        key: &'static str,
        /// In the settings.
        theirs: String,
        /// In the workflow.
        ours: String,
    },
    /// The environment names a function that the workflow does not have.
    #[error("JOINTLAMBDA_FUNCTION is `{name}`, and the workflow has no such function: deploy this version")]
    UnknownFunction {
        /// What it says.
        name: String,
    },
    /// A variable of a function's environment is not set.
    #[error("{0} is not set: a deployed function has it in its environment, see `cargo jointlambda build`")]
    NotDeployed(&'static str),
    /// A table of TableStore is not written with its instance.
    #[error("`table` of the cloud `{cloud}` is `{table}`: write `INSTANCE/TABLE`")]
    BadTable {
        /// The cloud.
        cloud: String,
        /// What is written.
        table: String,
    },
    /// There are no credentials.
    #[error("no credentials for the cloud `{cloud}`: {missing} is not set; {hint}")]
    NoCredentials {
        /// The cloud.
        cloud: String,
        /// The variable.
        missing: &'static str,
        /// How to get them.
        hint: &'static str,
    },
    /// There are none in the environment, nor keys of a profile.
    #[error("no credentials for the cloud `{cloud}`: {why}; {hint}")]
    NoKeys {
        /// The cloud.
        cloud: String,
        /// What is missing.
        why: String,
        /// How to get them.
        hint: String,
    },
    /// The program was built without the backend of a provider.
    #[error(
        "the cloud `{cloud}` is on {provider}, and this program was built without the feature `{feature}`"
    )]
    NotBuilt {
        /// The cloud.
        cloud: String,
        /// Whose it is.
        provider: &'static str,
        /// What it is to be built with.
        feature: &'static str,
    },
}

/// What the functions of a deployment are called.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: Arc<str>,
}

impl Names {
    /// Those of the deployment of `definition` on `clouds`. A deployment of another definition, or on
    /// other tables, has functions of its own: runs in flight end on the old ones, where their rows are.
    pub fn of_deployment(definition: &Definition, clouds: &[CloudSettings]) -> Self {
        let deployment = deployment_of(definition, clouds).to_string();
        Names { prefix: format!("{}-{}-", workflow_name(definition), &deployment[..8]).into() }
    }

    /// What `function` is called.
    pub fn of(&self, function: &str) -> String {
        let whole = format!("{}{function}", self.prefix);
        if whole.len() <= LONGEST_NAME {
            return whole;
        }
        let digest = Sha256::digest(whole.as_bytes());
        let digits: String = digest.iter().take(CUT_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
        let start = whole.floor_char_boundary(LONGEST_NAME - CUT_DIGITS - 1);
        format!("{}-{digits}", &whole[..start])
    }
}

/// The workflow's name as services take it.
pub fn workflow_name(definition: &Definition) -> String {
    definition.name.replace('_', "-")
}

/// Gives a program the `main` that a platform runs: `jointlambda::serve!(VideoAnalytics, aws);`, in
/// `src/bin/<name>-aws.rs`; with `aliyun`, in `src/bin/<name>-aliyun.rs`. One program is all functions of the workflow on that platform.
#[macro_export]
macro_rules! serve {
    ($workflow:ty, aws $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::backend::aws::serve::main::<$workflow>()
        }
    };
    ($workflow:ty, aliyun $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::backend::aliyun::serve::main::<$workflow>()
        }
    };
}

/// The file with the settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    clouds: Written,
    #[serde(default)]
    moved_from: Vec<OldTable>,
}

impl File {
    fn read(text: &str) -> Result<Self, SettingsError> {
        let unreadable = |error: toml::de::Error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let why = match line {
                Some(line) => format!("line {line}: {}", error.message()),
                None => error.message().to_owned(),
            };
            SettingsError::Unreadable { place: FILE.to_owned(), why }
        };
        toml::from_str(text).map_err(unreadable)
    }
}

/// The clouds of a workflow as `text`, the content of a `jointlambda.toml`, says: in the order of the
/// definition. A cloud with the one key `same_as` is in all respects the one that it names.
///
/// # Errors
/// The text is no such settings, or does not fit the workflow.
pub fn from_toml(text: &str, definition: &Definition) -> Result<Vec<CloudSettings>, SettingsError> {
    resolve(&File::read(text)?.clouds, definition, FILE)
}

/// The tables that had the run rows of earlier deployments, as `moved_from` in `text` says, the content of
/// a `jointlambda.toml`: for [`Client::moved_from`](crate::Client::moved_from). Nothing is connected yet.
///
/// # Errors
/// The text is no such settings; there are no credentials for a table, or the program was built without
/// its backend.
pub fn moved_from(text: &str, definition: &Definition) -> Result<Vec<Arc<dyn Table>>, SettingsError> {
    let file = File::read(text)?;
    let clouds = resolve(&file.clouds, definition, FILE)?;
    let home = clouds[usize::from(definition.home)].place();
    let names = Names::of_deployment(definition, &clouds);
    let mut tables = Vec::new();
    for old in file.moved_from {
        let settings = old.settings()?;
        // Run rows that have moved back have not moved.
        if settings.place() != home {
            tables.push(backend_of(&settings, &names)?.table);
        }
    }
    Ok(tables)
}

/// The clouds of a workflow as a deployed function is told, and which of them it runs on.
///
/// # Errors
/// The environment is not that of a deployed function of this workflow.
pub fn from_environment(definition: &Definition) -> Result<(CloudIndex, Vec<CloudSettings>), SettingsError> {
    from_variables(definition, |name| env::var(name).ok())
}

/// The same with other variables than the environment's.
///
/// # Errors
/// These are not the variables of a deployed function of this workflow.
pub fn from_variables(
    definition: &Definition,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(CloudIndex, Vec<CloudSettings>), SettingsError> {
    let get = |name: &'static str| variable(name).ok_or(SettingsError::NotDeployed(name));
    const OTHERS: &str = "JOINTLAMBDA_CLOUDS";
    let here = get("JOINTLAMBDA_CLOUD")?;
    let text = variable(OTHERS).unwrap_or_else(|| "{}".to_owned());
    let mut written = written(&text, OTHERS)?;
    let own = Section {
        table: Some(get("JOINTLAMBDA_TABLE")?),
        bucket: Some(get("JOINTLAMBDA_BUCKET")?),
        endpoint: variable("JOINTLAMBDA_ENDPOINT"),
        qualifier: variable("JOINTLAMBDA_QUALIFIER"),
        ..Section::default()
    };
    written.insert(here.clone(), own);
    let all = resolve(&written, definition, OTHERS)?;
    let index = definition.clouds.iter().position(|def| def.name == here);
    let index = index.ok_or(SettingsError::NotDeployed("JOINTLAMBDA_CLOUD"))?;
    Ok((index as CloudIndex, all))
}

/// The provider as settings name it.
fn id(provider: Provider) -> &'static str {
    match provider {
        Provider::Aws => "aws",
        Provider::Aliyun => "aliyun",
    }
}

/// The backends of all clouds, in the order of the definition. Clouds that are the same have the same one.
///
/// # Errors
/// There are no credentials for one, or the program was built without its backend.
pub fn backends(definition: &Definition, clouds: &[CloudSettings]) -> Result<Vec<Backend>, SettingsError> {
    let names = Names::of_deployment(definition, clouds);
    backends_by(clouds, |settings| backend_of(settings, &names))
}

fn backend_of(settings: &CloudSettings, names: &Names) -> Result<Backend, SettingsError> {
    match settings.provider {
        #[cfg(feature = "aws")]
        Provider::Aws => crate::backend::aws::backend(settings, names.clone()),
        #[cfg(feature = "aliyun")]
        Provider::Aliyun => crate::backend::aliyun::backend(settings, names.clone()),
        #[allow(unreachable_patterns)]
        provider => Err(SettingsError::NotBuilt {
            cloud: settings.name.clone(),
            provider: provider.name(),
            feature: id(provider),
        }),
    }
}

fn backends_by(
    clouds: &[CloudSettings],
    backend: impl Fn(&CloudSettings) -> Result<Backend, SettingsError>,
) -> Result<Vec<Backend>, SettingsError> {
    let mut backends: Vec<Backend> = Vec::with_capacity(clouds.len());
    for (index, settings) in clouds.iter().enumerate() {
        let same = clouds[..index].iter().position(|earlier| earlier == settings);
        backends.push(match same {
            Some(same) => backends[same].clone(),
            None => backend(settings)?,
        });
    }
    Ok(backends)
}

/// Whose clouds this program can speak to.
fn built() -> Vec<&'static str> {
    let all = [(Provider::Aws, cfg!(feature = "aws")), (Provider::Aliyun, cfg!(feature = "aliyun"))];
    all.into_iter().filter(|(_, is_built)| *is_built).map(|(provider, _)| id(provider)).collect()
}

/// After how long a platform ends an execution of `function`, as it is deployed: whole seconds.
pub(crate) fn timeout(definition: &Definition, function: &str) -> Duration {
    let mut functions = definition.functions.iter();
    let found = functions.find(|def| def.name == function);
    Duration::from_secs(found.map_or(SWEEPER_TIMEOUT_S, |def| def.delivery_ms().div_ceil(1_000)))
}

/// What there is to deploy of `W` on the clouds of a provider, as one JSON object: for
/// `cargo jointlambda`. Where the clouds are decides what the functions are called: without `clouds`
/// their names are empty.
///
/// # Panics
/// Never: a definition can be written as JSON.
pub fn describe<W: Workflow>(provider: Provider, clouds: Option<&[CloudSettings]>) -> String {
    let definition = W::definition();
    let names = clouds.map(|clouds| Names::of_deployment(definition, clouds));
    let name_of = |function| names.as_ref().map(|names| names.of(function)).unwrap_or_default();
    let function = |function: &'static FunctionDef| {
        let clouds: Vec<_> =
            function.placements().map(|at| definition.clouds[usize::from(at)].name).collect();
        serde_json::json!({
            "function": function.name,
            "name": name_of(function.name),
            "memory_mb": function.memory_mb,
            "timeout_s": timeout(definition, function.name).as_secs(),
            "gpu_gb": function.gpu_gb,
            "cpu_milli": function.cpu_milli,
            "clouds": clouds,
        })
    };
    let functions: Vec<_> = definition.functions.iter().map(function).collect();
    let options = Options::default();
    let described = serde_json::json!({
        "definition": definition,
        "deployment": clouds.map(|clouds| deployment_of(definition, clouds).to_string()),
        "cloud": null,
        "provider": id(provider),
        "functions": functions,
        "sweeper": {
            "name": name_of(SWEEPER),
            "memory_mb": SWEEPER_MEMORY_MB,
            "timeout_s": timeout(definition, SWEEPER).as_secs(),
        },
        "options": { "retention_s": options.retention.as_secs(), "deadline_s": options.deadline.as_secs() },
        "backends": built(),
        "runtime_version": env!("CARGO_PKG_VERSION"),
    });
    described.to_string()
}

/// Answers `cargo jointlambda`, if it is what has started this program.
pub(crate) fn answer<W: Workflow>(provider: Provider) -> Option<ExitCode> {
    let mut arguments = env::args().skip(1);
    (arguments.next()? == DESCRIBE).then(|| {
        let clouds = arguments.next().map(|text| from_json(&text, W::definition())).transpose();
        match clouds {
            Ok(clouds) => println!("{}", describe::<W>(provider, clouds.as_deref())),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(2);
            }
        }
        ExitCode::SUCCESS
    })
}

/// The clouds of a workflow as a JSON object says: what the tool has read in the file.
fn from_json(text: &str, definition: &Definition) -> Result<Vec<CloudSettings>, SettingsError> {
    resolve(&written(text, FILE)?, definition, FILE)
}

/// What a JSON object says of clouds.
fn written(text: &str, place: &str) -> Result<Written, SettingsError> {
    serde_json::from_str(text)
        .map_err(|error| SettingsError::Unreadable { place: place.to_owned(), why: error.to_string() })
}

/// Has what is logged written to stderr, a line each, from the level that `RUST_LOG` or
/// `AWS_LAMBDA_LOG_LEVEL` names: warnings, unless told otherwise.
pub(crate) fn log() {
    let level =
        ["RUST_LOG", "AWS_LAMBDA_LOG_LEVEL"].iter().find_map(|name| env::var(name).ok()?.parse().ok());
    let level: tracing::Level = level.unwrap_or(tracing::Level::WARN);
    let lines = tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(std::io::stderr);
    // Whoever embeds this may have set one already.
    let _ = lines.try_init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample::ALL;

    #[cfg(feature = "aws")]
    #[test]
    fn clouds_that_are_the_same_have_one_backend() {
        let one = "[clouds.AWS]\ntable = \"t\"\nbucket = \"b\"\n[clouds.ALI]\nsame_as = \"AWS\"\n";
        let clouds = from_toml(one, &ALL).unwrap();
        let made = backends_by(&clouds, |settings| {
            let credentials = crate::backend::aws::Credentials {
                access_key_id: "id".to_owned(),
                secret_access_key: "secret".to_owned(),
                session_token: None,
            };
            let names = Names::of_deployment(&ALL, &clouds);
            Ok(crate::backend::aws::backend_with(settings, names, credentials))
        });
        let made = made.unwrap();
        assert!(Arc::ptr_eq(&made[0].functions, &made[1].functions));
        assert!(Arc::ptr_eq(&made[0].table, &made[1].table));
        assert_eq!(made[1].provider, Provider::Aws);
    }

    #[test]
    fn names_of_functions_fit_and_stay_apart() {
        let names = Names::of_deployment(&ALL, &clouds("t"));
        let short = names.of("f");
        assert!(short.ends_with("-f") && !short.contains('_'), "{short}");
        let long = |end: &str| names.of(&format!("{}{end}", "x".repeat(80)));
        assert_eq!(long("a").len(), LONGEST_NAME);
        assert_ne!(long("a"), long("b"));
    }

    /// The clouds of the sample, with the rows of `AWS` in `table`.
    fn clouds(table: &str) -> Vec<CloudSettings> {
        let text = format!(
            "[clouds.AWS]\ntable = \"{table}\"\nbucket = \"b\"\n[clouds.ALI]\ntable = \"i/t\"\nbucket = \"c\"\n"
        );
        from_toml(&text, &ALL).unwrap()
    }

    #[test]
    fn a_deployment_on_other_tables_has_functions_of_its_own() {
        let name = |clouds: &[CloudSettings]| Names::of_deployment(&ALL, clouds).of("f");
        let one = "[clouds.AWS]\ntable = \"t\"\nbucket = \"b\"\n[clouds.ALI]\nsame_as = \"AWS\"\n";
        let names = [name(&clouds("t")), name(&clouds("u")), name(&from_toml(one, &ALL).unwrap())];
        assert!(names[0] != names[1] && names[0] != names[2] && names[1] != names[2], "{names:?}");
        let mut other_bucket = clouds("t");
        other_bucket[0].bucket = "other".to_owned();
        assert_eq!(name(&other_bucket), names[0], "no row is in a bucket");
    }

    #[test]
    fn the_tool_tells_of_all_clouds_at_once() {
        let text = r#"{"AWS": {"table": "t", "bucket": "b"}, "ALI": {"table": "i/t", "bucket": "c"}}"#;
        assert_eq!(from_json(text, &ALL).unwrap(), clouds("t"));
        let error = from_json(r#"{"AWS": {"table": "t", "bucket": "b"}}"#, &ALL).unwrap_err();
        assert_eq!(error.to_string(), "jointlambda.toml says nothing of the cloud `ALI`: add `[clouds.ALI]`");
    }
}
