//! What embedded clouds are made of: option structs with defaults, and the errors of opening.

use std::{path::PathBuf, time::Duration};

use thiserror::Error;

use super::profile::Profile;
use crate::{backend::Timestamp, definition::FunctionDef, provider::Provider};

/// Concurrent executions that a cloud allows unless told otherwise: Lambda's default quota.
pub const DEFAULT_CONCURRENCY: usize = 1_000;
/// Events that a cloud keeps waiting, unless told otherwise, before it throttles.
pub const DEFAULT_QUEUE_LENGTH: usize = 1_000_000;
/// How long an idle instance stays warm unless told otherwise.
pub const DEFAULT_KEEP_WARM: Duration = Duration::from_secs(600);
/// How long objects stay unless told otherwise: longer than the default deadline of a run and the
/// default retention of its rows together (15 days), so that no row names an object that is gone.
pub const DEFAULT_OBJECT_LIFETIME: Duration = Duration::from_secs(16 * 24 * 3600);

/// What [`LocalClouds`](super::LocalClouds) are made of.
///
/// ```
/// use jointlambda_runtime::backend::local::{CloudConfig, Config, Profile};
///
/// let config = Config {
///     profile: Profile::TOKYO,
///     seed: 7,
///     ..Config::of([CloudConfig::aws("AWS"), CloudConfig::aliyun("ALI")])
/// };
/// assert_eq!(config.clouds.len(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The clouds; their order gives their indices.
    pub clouds: Vec<CloudConfig>,
    /// Where rows and objects are kept.
    pub storage: Storage,
    /// Whose rows and objects they are, such as a workflow's name. A store on disk that another
    /// owner made is refused; `None` takes any.
    pub owner: Option<String>,
    /// What every random choice (jitter, duplicates) is derived from.
    pub seed: u64,
    /// The latencies of clouds that have none of their own.
    pub profile: Profile,
    /// What the clouds' clock shows at the beginning; `None` takes the time of day. Set it where
    /// a run must come out the same each time.
    pub epoch_ms: Option<Timestamp>,
    /// How many spans the timeline keeps; 0 records nothing. At most
    /// [`MAX_SPANS`](super::timeline::MAX_SPANS).
    pub timeline_spans: usize,
}

impl Config {
    /// These clouds, in memory, without latency.
    pub fn of(clouds: impl IntoIterator<Item = CloudConfig>) -> Self {
        Config { clouds: clouds.into_iter().collect(), ..Config::default() }
    }
}

/// Where rows and objects are kept.
#[derive(Clone, Debug, Default)]
pub enum Storage {
    /// In memory, for as long as the clouds exist.
    #[default]
    Memory,
    /// In the file `store.redb` of this directory, which is made if it is missing. Everything
    /// acknowledged survives the process and the machine.
    Disk(PathBuf),
}

/// One embedded cloud.
#[derive(Clone, Debug)]
pub struct CloudConfig {
    /// The name the workflow gives it; unique.
    pub name: String,
    /// Whose limits, prices and redeliveries apply.
    pub provider: Provider,
    /// The region, for display.
    pub region: String,
    /// How many executions run at the same time; further events wait.
    pub concurrency: usize,
    /// How many accepted events may be waiting or running before the cloud throttles.
    pub queue_length: usize,
    /// How long an idle instance stays warm.
    pub keep_warm: Duration,
    /// Redeliveries after a failure; `None` takes the provider's.
    pub redeliveries: Option<u32>,
    /// Write units that one row takes within a second before it is throttled; `None` takes the
    /// provider's, and no bound on a cloud without latencies, where a second is nothing like one.
    pub row_writes_per_s: Option<u32>,
    /// How long an object stays that nobody removes, such as one that was stored by a crash: the
    /// lifecycle rule of a bucket.
    pub object_lifetime: Duration,
    /// How long after its time a row goes at most, each row after a time of its own: DynamoDB removes
    /// expired rows within some days, in any order.
    pub expiry_lag: Duration,
    /// How many events of a hundred are delivered twice, drawn at random.
    pub duplicate_percent: u8,
    /// The functions that exist; `None` accepts every name.
    pub functions: Option<Vec<FunctionConfig>>,
    /// Latencies of this cloud's services; `None` takes those of [`Config::profile`].
    pub profile: Option<Profile>,
}

impl CloudConfig {
    /// A cloud with the defaults of `provider`.
    pub fn new(name: impl Into<String>, provider: Provider) -> Self {
        CloudConfig {
            name: name.into(),
            provider,
            region: "local".to_owned(),
            concurrency: DEFAULT_CONCURRENCY,
            queue_length: DEFAULT_QUEUE_LENGTH,
            keep_warm: DEFAULT_KEEP_WARM,
            row_writes_per_s: None,
            object_lifetime: DEFAULT_OBJECT_LIFETIME,
            redeliveries: None,
            expiry_lag: Duration::ZERO,
            duplicate_percent: 0,
            functions: None,
            profile: None,
        }
    }

    /// A cloud that behaves like AWS.
    pub fn aws(name: impl Into<String>) -> Self {
        CloudConfig::new(name, Provider::Aws)
    }

    /// A cloud that behaves like Alibaba Cloud.
    pub fn aliyun(name: impl Into<String>) -> Self {
        CloudConfig::new(name, Provider::Aliyun)
    }
}

/// What a function is given, and billed for.
#[derive(Clone, Debug)]
pub struct FunctionConfig {
    /// Its name.
    pub name: String,
    /// Memory in MB.
    pub memory_mb: u32,
    /// GPU memory in GB; 0 for none.
    pub gpu_gb: u32,
    /// vCPUs in thousandths; 0 leaves the choice to the provider.
    pub cpu_milli: u32,
    /// After how long the platform kills an execution; `None` never does, and tells the function
    /// the provider's longest timeout.
    pub timeout: Option<Duration>,
}

impl FunctionConfig {
    /// The memory of a function that says nothing: the smallest that both providers offer.
    pub const DEFAULT_MEMORY_MB: u32 = 128;

    /// A function with the least resources.
    pub fn new(name: impl Into<String>) -> Self {
        FunctionConfig {
            name: name.into(),
            memory_mb: Self::DEFAULT_MEMORY_MB,
            gpu_gb: 0,
            cpu_milli: 0,
            timeout: None,
        }
    }
}

impl From<&FunctionDef> for FunctionConfig {
    fn from(function: &FunctionDef) -> Self {
        FunctionConfig {
            name: function.name.to_owned(),
            memory_mb: function.memory_mb,
            gpu_gb: function.gpu_gb,
            cpu_milli: function.cpu_milli,
            timeout: Some(Duration::from_millis(function.delivery_ms())),
        }
    }
}

/// Why embedded clouds could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration contradicts itself.
    #[error("failed to set up the embedded clouds: {0}")]
    Config(String),
    /// Only one process can use a store at a time.
    #[error("the store {} is in use by another process", .path.display())]
    InUse {
        /// The store's file.
        path: PathBuf,
    },
    /// The store belongs to someone else.
    #[error("the store {} belongs to `{theirs}`, not to `{ours}`", .path.display())]
    OtherOwner {
        /// The store's file.
        path: PathBuf,
        /// Who made it.
        theirs: String,
        /// Who wants to open it.
        ours: String,
    },
    /// The file system, or what is in the file.
    #[error("failed to open the store {}: {cause}", .path.display())]
    Store {
        /// The store's file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
}
