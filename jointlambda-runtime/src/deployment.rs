//! Where a workflow is deployed: what its functions are called, and where each of its clouds keeps rows
//! and objects. Clients read it in `jointlambda.toml`; functions are told in their environment. It
//! holds no secrets: credentials come from each provider's own environment.

use std::{collections::BTreeMap, env, sync::Arc, time::Duration};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{
    backend::Backend,
    definition::{CloudDef, CloudIndex, Definition, FunctionDef},
    machine::Workflow,
    provider::Provider,
    runtime::Options,
};

/// The file that clients read.
pub const FILE: &str = "jointlambda.toml";
/// What the function is that looks after late runs and given-up events.
pub const SWEEPER: &str = "sweeper";
/// The argument with which a deployed program says what there is to deploy.
pub const DESCRIBE: &str = "--describe";
/// The variable that tells a program which function it is.
pub const FUNCTION: &str = "JOINTLAMBDA_FUNCTION";
/// Memory and timeout of a sweeper.
const SWEEPER_MEMORY_MB: u32 = 256;
const SWEEPER_TIMEOUT_S: u64 = 300;
/// The longest name of a function that every provider takes.
const LONGEST_NAME: usize = 64;
/// How many digits of a digest tell cut names apart.
const CUT_DIGITS: usize = 8;

/// Where a cloud of a workflow is.
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
    /// Those of a definition: a deployment of another definition has functions of its own, so that runs
    /// in flight end on the old ones.
    pub fn of_definition(definition: &Definition) -> Self {
        let hash = format!("{:016x}", definition.hash);
        Names { prefix: format!("{}-{}-", workflow_name(definition), &hash[..8]).into() }
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

/// What is written of a cloud.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    provider: Option<String>,
    region: Option<String>,
    table: String,
    bucket: String,
    endpoint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    clouds: BTreeMap<String, Section>,
}

/// The clouds of a workflow as `text`, the content of a `jointlambda.toml`, says.
///
/// # Errors
/// The text is no such settings, or does not fit the workflow.
pub fn from_toml(text: &str, definition: &Definition) -> Result<Vec<CloudSettings>, SettingsError> {
    let unreadable = |error: toml::de::Error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let why = match line {
            Some(line) => format!("line {line}: {}", error.message()),
            None => error.message().to_owned(),
        };
        SettingsError::Unreadable { place: FILE.to_owned(), why }
    };
    let mut written: Written = toml::from_str(text).map_err(unreadable)?;
    let all: Vec<_> = definition.clouds.iter().map(|def| settings(def, &mut written.clouds, FILE)).collect();
    no_others(&written.clouds, definition, FILE)?;
    all.into_iter().collect()
}

/// The clouds of a workflow as a deployed function is told, and which of them it runs on.
///
/// # Errors
/// The environment is not that of a deployed function of this workflow.
pub fn from_environment(definition: &Definition) -> Result<(CloudIndex, Vec<CloudSettings>), SettingsError> {
    let get = |name: &'static str| env::var(name).map_err(|_| SettingsError::NotDeployed(name));
    const OTHERS: &str = "JOINTLAMBDA_CLOUDS";
    let here = get("JOINTLAMBDA_CLOUD")?;
    let text = env::var(OTHERS).unwrap_or_else(|_| "{}".to_owned());
    let mut written: BTreeMap<String, Section> = serde_json::from_str(&text)
        .map_err(|error| SettingsError::Unreadable { place: OTHERS.to_owned(), why: error.to_string() })?;
    let (table, bucket) = (get("JOINTLAMBDA_TABLE")?, get("JOINTLAMBDA_BUCKET")?);
    let own = Section { provider: None, region: None, table, bucket, endpoint: None };
    written.insert(here.clone(), own);
    let index = definition.clouds.iter().position(|def| def.name == here);
    let all =
        definition.clouds.iter().map(|def| settings(def, &mut written, OTHERS)).collect::<Result<_, _>>()?;
    no_others(&written, definition, OTHERS)?;
    let index = index.ok_or(SettingsError::NotDeployed("JOINTLAMBDA_CLOUD"))?;
    Ok((index as CloudIndex, all))
}

fn settings(
    def: &CloudDef,
    written: &mut BTreeMap<String, Section>,
    place: &str,
) -> Result<CloudSettings, SettingsError> {
    let missing = || SettingsError::MissingCloud { place: place.to_owned(), cloud: def.name.to_owned() };
    let section = written.remove(def.name).ok_or_else(missing)?;
    let same = |key, theirs: &Option<String>, ours: &str| match theirs {
        Some(theirs) if theirs != ours => Err(SettingsError::Differs {
            place: place.to_owned(),
            cloud: def.name.to_owned(),
            key,
            theirs: theirs.clone(),
            ours: ours.to_owned(),
        }),
        _ => Ok(()),
    };
    same("provider", &section.provider, id(def.cloud.provider))?;
    same("region", &section.region, def.cloud.region)?;
    Ok(CloudSettings {
        name: def.name.to_owned(),
        provider: def.cloud.provider,
        region: def.cloud.region.to_owned(),
        table: section.table,
        bucket: section.bucket,
        endpoint: section.endpoint,
    })
}

fn no_others(
    left: &BTreeMap<String, Section>,
    definition: &Definition,
    place: &str,
) -> Result<(), SettingsError> {
    let Some(cloud) = left.keys().next() else { return Ok(()) };
    let clouds: Vec<_> = definition.clouds.iter().map(|def| def.name).collect();
    Err(SettingsError::UnknownCloud {
        place: place.to_owned(),
        cloud: cloud.clone(),
        clouds: clouds.join(", "),
    })
}

/// The provider as settings name it.
fn id(provider: Provider) -> &'static str {
    match provider {
        Provider::Aws => "aws",
        Provider::Aliyun => "aliyun",
    }
}

/// The backends of all clouds, in the order of the definition.
///
/// # Errors
/// There are no credentials for one, or the program was built without its backend.
pub fn backends(definition: &Definition, clouds: &[CloudSettings]) -> Result<Vec<Backend>, SettingsError> {
    let names = Names::of_definition(definition);
    let backend = |settings: &CloudSettings| match settings.provider {
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
    };
    clouds.iter().map(backend).collect()
}

/// After how long a platform ends an execution of `function`, as it is deployed: whole seconds.
pub(crate) fn timeout(definition: &Definition, function: &str) -> Duration {
    let mut functions = definition.functions.iter();
    let found = functions.find(|def| def.name == function);
    Duration::from_secs(found.map_or(SWEEPER_TIMEOUT_S, |def| def.delivery_ms().div_ceil(1_000)))
}

/// What there is to deploy of `W` on the clouds of a provider, as one JSON object: for
/// `cargo jointlambda`.
///
/// # Panics
/// Never: a definition can be written as JSON.
pub fn describe<W: Workflow>(provider: Provider) -> String {
    let (definition, names) = (W::definition(), Names::of_definition(W::definition()));
    let function = |function: &'static FunctionDef| {
        let clouds: Vec<_> =
            function.placements().map(|at| definition.clouds[usize::from(at)].name).collect();
        serde_json::json!({
            "function": function.name,
            "name": names.of(function.name),
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
        "cloud": null,
        "provider": id(provider),
        "functions": functions,
        "sweeper": {
            "name": names.of(SWEEPER),
            "memory_mb": SWEEPER_MEMORY_MB,
            "timeout_s": timeout(definition, SWEEPER).as_secs(),
        },
        "options": { "retention_s": options.retention.as_secs(), "deadline_s": options.deadline.as_secs() },
        "runtime_version": env!("CARGO_PKG_VERSION"),
    });
    described.to_string()
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

    const BOTH: &str = "[clouds.AWS]\nprovider = \"aws\"\nregion = \"ap-northeast-1\"\ntable = \"t\"\nbucket = \"b\"\n\
                        [clouds.ALI]\ntable = \"u\"\nbucket = \"c\"\nendpoint = \"http://127.0.0.1:1\"\n";

    fn refused(text: &str) -> String {
        from_toml(text, &ALL).unwrap_err().to_string()
    }

    #[test]
    fn settings_are_read_in_the_order_of_the_definition() {
        let clouds = from_toml(BOTH, &ALL).unwrap();
        let short: Vec<_> =
            clouds.iter().map(|cloud| (&*cloud.name, &*cloud.table, &*cloud.bucket)).collect();
        assert_eq!(short, [("AWS", "t", "b"), ("ALI", "u", "c")]);
        assert_eq!(clouds[1].endpoint.as_deref(), Some("http://127.0.0.1:1"));
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_with_what_to_do() {
        assert_eq!(
            refused("[clouds]"),
            "jointlambda.toml says nothing of the cloud `AWS`: add `[clouds.AWS]`"
        );
        assert_eq!(
            refused(&BOTH.replace("bucket = \"b\"", "buket = \"b\"")),
            "jointlambda.toml cannot be read: line 5: unknown field `buket`, expected one of `provider`, `region`, `table`, `bucket`, `endpoint`"
        );
        assert!(
            refused("[clouds").starts_with("jointlambda.toml cannot be read: line 1: "),
            "{}",
            refused("[clouds")
        );
        assert_eq!(
            refused(&BOTH.replace("ap-northeast-1", "us-east-1")),
            "`region` of the cloud `AWS` is `us-east-1` in jointlambda.toml, and `ap-northeast-1` in the workflow"
        );
        assert_eq!(
            refused(&format!("{BOTH}[clouds.GCP]\ntable = \"t\"\nbucket = \"b\"\n")),
            "jointlambda.toml has a cloud `GCP`, which the workflow does not have: it has AWS, ALI"
        );
    }

    #[test]
    fn names_of_functions_fit_and_stay_apart() {
        let names = Names::of_definition(&ALL);
        let short = names.of("f");
        assert!(short.ends_with("-f") && !short.contains('_'), "{short}");
        let long = |end: &str| names.of(&format!("{}{end}", "x".repeat(80)));
        assert_eq!(long("a").len(), LONGEST_NAME);
        assert_ne!(long("a"), long("b"));
    }
}
