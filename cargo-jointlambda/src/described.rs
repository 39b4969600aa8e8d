//! What a program made with `jointlambda::serve!` says there is to deploy, and whether the platform
//! takes it. The names of what is deployed come from here: the runtime makes them, this tool never
//! does. They follow from the tables of the workflow's clouds: a program that has said which clouds
//! these are is asked again, and told where each of them is.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{
    platform::Provider,
    settings::{FILE, Settings},
    trouble::Trouble,
};

/// The argument with which a program describes itself. The next one, if there is one, says where the
/// workflow's clouds are.
pub(crate) const DESCRIBE: &str = "--describe";
/// How many digits of a deployment are in names.
const SHORT_DIGITS: usize = 8;
/// What the runtime takes as long for objects as for rows, twice: an object outlives the rows that
/// name it.
const OBJECTS_OUTLIVE_ROWS: u64 = 2;
/// How long rows stay where the program does not say, in seconds.
const DEFAULT_RETENTION_S: u64 = 8 * 24 * 3600;
/// Memory and timeout of a sweeper, where the program does not say.
const SWEEPER_MEMORY_MB: u32 = 256;
const SWEEPER_TIMEOUT_S: u64 = 300;

/// What a program describes.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Described {
    pub(crate) definition: Definition,
    /// The definition and the tables of its clouds, in 16 digits: known once the program is told these.
    deployment: Option<String>,
    pub(crate) provider: Provider,
    pub(crate) functions: Vec<Function>,
    pub(crate) sweeper: Sweeper,
    #[serde(default)]
    pub(crate) options: Options,
    pub(crate) runtime_version: String,
    /// Whose clouds the program can speak to.
    pub(crate) backends: Vec<Provider>,
    /// Clouds that are other ones in this deployment, with those.
    #[serde(skip)]
    same: BTreeMap<String, String>,
}

/// The parts of the workflow's definition that matter to a deployment.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) hash: u64,
    /// The cloud whose table has the run rows: an index.
    pub(crate) home: usize,
    pub(crate) clouds: Vec<CloudDef>,
    pub(crate) functions: Vec<FunctionDef>,
}

/// A cloud of the workflow.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct CloudDef {
    pub(crate) name: String,
    pub(crate) cloud: Cloud,
}

/// A provider and one of its regions.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Cloud {
    pub(crate) provider: Provider,
    pub(crate) region: String,
}

/// Where a function is placed: indices of clouds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct FunctionDef {
    pub(crate) name: String,
    pub(crate) failover: Vec<usize>,
}

/// A function to be deployed.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Function {
    /// Its name in the workflow.
    pub(crate) function: String,
    /// Its name on its clouds: empty until the program is told where these are.
    pub(crate) name: String,
    pub(crate) memory_mb: u32,
    pub(crate) timeout_s: u64,
    #[serde(default)]
    pub(crate) gpu_gb: u32,
    #[serde(default)]
    pub(crate) cpu_milli: u32,
    /// Every cloud it can run on.
    pub(crate) clouds: Vec<String>,
}

/// The function that looks after runs whose events were lost; one on each cloud.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sweeper {
    pub(crate) name: String,
    #[serde(default = "sweeper_memory")]
    pub(crate) memory_mb: u32,
    #[serde(default = "sweeper_timeout")]
    pub(crate) timeout_s: u64,
}

fn sweeper_memory() -> u32 {
    SWEEPER_MEMORY_MB
}

fn sweeper_timeout() -> u64 {
    SWEEPER_TIMEOUT_S
}

/// The options of the deployment that its stores depend on.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Options {
    pub(crate) retention_s: Option<u64>,
}

impl Described {
    /// Asks `program`, and tells it where the workflow's clouds are once that is known. It answers from
    /// its tables, and touches no network.
    pub(crate) fn by(
        program: &Path,
        bin: &str,
        provider: Provider,
        settings: Option<&Settings>,
    ) -> Result<Self, Trouble> {
        let mut command = Command::new(program);
        command.arg(DESCRIBE).args(settings.map(Settings::all));
        command.stdin(Stdio::null()).env_remove("AWS_LAMBDA_RUNTIME_API");
        let serve = format!("is src/bin/{bin}.rs `jointlambda::serve!(…, {provider});` and nothing else?");
        let output = command.output().map_err(|error| {
            Trouble::of(format!("run `{}`", program.display()), &error).hint("was it built for this machine?")
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
            let last = last.trim_start_matches("error: ");
            let failed = Trouble::new(format!("`{bin} {DESCRIBE}` failed ({}): {last}", output.status));
            // It has described itself before.
            let settings =
                settings.map(|_| format!("correct {FILE}: deployed functions are told what it says"));
            return Err(failed.hint(settings.unwrap_or(serve)));
        }
        let unexpected = |error: String| {
            Trouble::new(format!("`{bin} {DESCRIBE}` does not print what is expected: {error}")).hint(
                format!(
                    "{serve} this tool is version {}, and works with the same version of jointlambda",
                    env!("CARGO_PKG_VERSION")
                ),
            )
        };
        let described: Described =
            serde_json::from_slice(&output.stdout).map_err(|error| unexpected(error.to_string()))?;
        let is_named = described.deployment.as_ref().is_some_and(|id| id.len() >= SHORT_DIGITS);
        if settings.is_some() && !is_named {
            return Err(unexpected("it does not say which deployment it is of".to_owned()));
        }
        Ok(described)
    }

    /// The same where clouds are other ones: what is placed on one of these is placed on the other.
    pub(crate) fn placed(mut self, settings: &Settings) -> Self {
        self.same = settings.same();
        for function in &mut self.functions {
            let mut clouds: Vec<String> = Vec::new();
            for cloud in &function.clouds {
                let real = self.same.get(cloud).unwrap_or(cloud);
                if !clouds.contains(real) {
                    clouds.push(real.clone());
                }
            }
            function.clouds = clouds;
        }
        self
    }

    /// The same as seen from another provider's program.
    pub(crate) fn for_provider(self, provider: Provider) -> Self {
        Described { provider, ..self }
    }

    /// Whether the workflow has clouds of the provider, and all of them are others in this deployment.
    pub(crate) fn is_elsewhere(&self) -> bool {
        let mut own = self.definition.clouds.iter().filter(|def| def.cloud.provider == self.provider);
        own.next().is_some() && self.clouds().next().is_none()
    }

    /// What else the tool relies on.
    pub(crate) fn check(&self, bin: &str, provider: Provider) -> Result<(), Trouble> {
        if self.provider != provider {
            return Err(Trouble::new(format!("`{bin}` is a program for {}", self.provider))
                .hint(format!("write `jointlambda::serve!(…, {provider});` in src/bin/{bin}.rs")));
        }
        let mut regions = BTreeMap::new();
        for (name, region) in self.clouds() {
            if let Some(other) = regions.insert(region, name) {
                return Err(Trouble::new(format!(
                    "the clouds `{other}` and `{name}` are one, {provider} {region}: their tables would be too"
                ))
                .hint("declare it once in the workflow, and place functions of both on it"));
            }
        }
        if regions.is_empty() {
            return Err(Trouble::new(format!(
                "the workflow `{}` has no cloud of {provider}",
                self.definition.name
            ))
            .hint(format!("remove src/bin/{bin}.rs, or declare a `Cloud::{provider}(…)` in the workflow")));
        }
        let known = |cloud: &String| self.definition.clouds.iter().any(|known| known.name == *cloud);
        for function in &self.functions {
            if let Some(cloud) = function.clouds.iter().find(|cloud| !known(cloud)) {
                return Err(Trouble::new(format!(
                    "`{bin}` places `{}` on a cloud `{cloud}` that the workflow does not have",
                    function.function
                ))
                .hint("is the program built from the workflow as it is?"));
            }
            // What runs only elsewhere is described as well, and is none of this platform's.
            if self.is_here(function) {
                self.check_limits(
                    &function.function,
                    &function.name,
                    function.memory_mb,
                    function.timeout_s,
                )?;
                self.check_gpu(function)?;
            }
        }
        let Sweeper { name, memory_mb, timeout_s } = &self.sweeper;
        let mut functions = BTreeMap::from([(name.as_str(), "sweeper")]);
        for Function { function, name, .. } in &self.functions {
            if let Some(other) = functions.insert(name, function) {
                return Err(Trouble::new(format!(
                    "`{function}` and `{other}` would both be deployed as `{name}`"
                ))
                .hint(format!("give the function `{function}` another name")));
            }
        }
        self.check_limits("sweeper", name, *memory_mb, *timeout_s)
    }

    /// Whether the program can speak to all clouds of the workflow.
    pub(crate) fn check_backends(&self, bin: &str) -> Result<(), Trouble> {
        // Every function may have to start one on any cloud of the workflow.
        let unreached = |def: &&CloudDef| {
            !self.same.contains_key(&def.name) && !self.backends.contains(&def.cloud.provider)
        };
        if let Some(CloudDef { name, cloud }) = self.definition.clouds.iter().find(unreached) {
            let other = cloud.provider;
            return Err(Trouble::new(format!(
                "`{bin}` is built without the backend for {other}, where the cloud `{name}` is"
            ))
            .hint(format!(
                "pass `--features` with that of the package which turns on `jointlambda/{other}`; or set `same_as` in [clouds.{name}]"
            )));
        }
        Ok(())
    }

    fn check_limits(
        &self,
        function: &str,
        name: &str,
        memory_mb: u32,
        timeout_s: u64,
    ) -> Result<(), Trouble> {
        let platform = self.provider.platform();
        let refuse = |what: String, hint: &str| Err(Trouble::new(what).hint(hint));
        if name.len() > platform.function_name_bytes {
            return refuse(
                format!(
                    "the name `{name}` has {} bytes; {} takes {}",
                    name.len(),
                    platform.name,
                    platform.function_name_bytes
                ),
                "give the workflow or the function a shorter name",
            );
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return refuse(
                format!("{} does not take `{name}` as the name of a function", platform.name),
                "name the workflow and its functions with ASCII letters, digits and `_`",
            );
        }
        let (least, most, step) = platform.memory_mb;
        if !(least..=most).contains(&memory_mb) || !memory_mb.is_multiple_of(step) {
            return refuse(
                format!(
                    "`{function}` has {memory_mb} MB of memory; {} has {least} to {most} in steps of {step}",
                    platform.name
                ),
                "change `memory` in its `#[function]`",
            );
        }
        if !(1..=platform.timeout_s).contains(&timeout_s) {
            return refuse(
                format!(
                    "a delivery to `{function}` may take {timeout_s} s; {} takes 1 to {}",
                    platform.name, platform.timeout_s
                ),
                "change `timeout` in its `#[function]`, or `wait` in its `batch`",
            );
        }
        Ok(())
    }

    /// A function whose cloud has GPUs may be placed on one that has none.
    fn check_gpu(&self, function: &Function) -> Result<(), Trouble> {
        let platform = self.provider.platform();
        if function.gpu_gb == 0 || platform.gpu {
            return Ok(());
        }
        let (name, gpu_gb) = (&function.function, function.gpu_gb);
        Err(Trouble::new(format!("`{name}` has {gpu_gb} GB of a GPU; {} has none", platform.name))
            .hint("remove `gpu` from its `#[function]`, or `same_as` from the settings of its cloud"))
    }

    /// The provider's clouds in the workflow, with their regions; not those that are others here.
    pub(crate) fn clouds(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_provider = self
            .definition
            .clouds
            .iter()
            .filter(|def| def.cloud.provider == self.provider && !self.same.contains_key(&def.name));
        of_provider.map(|def| (def.name.as_str(), def.cloud.region.as_str()))
    }

    /// Whether a function can run on any cloud of the provider.
    pub(crate) fn is_here(&self, function: &Function) -> bool {
        self.clouds().any(|(cloud, _)| function.clouds.iter().any(|on| on == cloud))
    }

    /// The functions that can run on a cloud.
    pub(crate) fn functions_on(&self, cloud: &str) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(move |function| function.clouds.iter().any(|on| on == cloud))
    }

    /// Where copies of a function run when its first cloud cannot take an invocation.
    pub(crate) fn failover(&self, function: &str) -> Vec<&str> {
        let placed = self.functions.iter().find(|placed| placed.function == function);
        placed.into_iter().flat_map(|placed| placed.clouds.iter().skip(1).map(String::as_str)).collect()
    }

    /// The workflow's name as names on clouds begin with it.
    pub(crate) fn workflow(&self) -> String {
        self.definition.name.replace('_', "-")
    }

    /// The definition's hash in full.
    pub(crate) fn hash(&self) -> String {
        format!("{:016x}", self.definition.hash)
    }

    /// The deployment in full.
    pub(crate) fn deployment(&self) -> &str {
        self.deployment.as_deref().unwrap_or_default()
    }

    /// The deployment as it is in the names of functions.
    pub(crate) fn short_deployment(&self) -> &str {
        short(self.deployment())
    }

    /// After how many days an object of the bucket may go.
    pub(crate) fn object_days(&self) -> u64 {
        let rows = self.options.retention_s.unwrap_or(DEFAULT_RETENTION_S);
        rows.saturating_mul(OBJECTS_OUTLIVE_ROWS).div_ceil(24 * 3600)
    }
}

/// A deployment as it is in names.
pub(crate) fn short(deployment: &str) -> &str {
    &deployment[..SHORT_DIGITS.min(deployment.len())]
}

/// A program, and what it has said.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) bin: String,
    pub(crate) described: Described,
}

/// Checks that two programs are of one workflow as it is: functions on one cloud could not start those on
/// another one.
pub(crate) fn check_same(one: &Asked, other: &Asked) -> Result<(), Trouble> {
    let (a, b) = (&one.described, &other.described);
    let names = (&a.definition.name, &b.definition.name);
    if names.0 != names.1 {
        return Err(Trouble::new(format!(
            "the programs are of different workflows: `{}` of `{}`, `{}` of `{}`",
            one.bin, names.0, other.bin, names.1
        ))
        .hint("name the same workflow in each `serve!`"));
    }
    // Before they are told where the clouds are, there is no deployment to compare.
    let deployments = a.deployment.iter().zip(&b.deployment);
    if a.definition == b.definition && deployments.clone().all(|(a, b)| a == b) {
        return Ok(());
    }
    Err(Trouble::new(format!(
        "the programs are of different definitions of `{}`: `{}` of {}, `{}` of {}",
        names.0,
        one.bin,
        a.hash(),
        other.bin,
        b.hash()
    ))
    .hint("compile both from the same sources, with the same features: `build` does so without `--compiled`"))
}

#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    /// A workflow on two regions of AWS and on Alibaba Cloud.
    pub(crate) fn described(provider: Provider) -> Described {
        let function = |name: &str, clouds: &[&str]| {
            serde_json::json!({
                "function": name, "name": format!("two-seas-0123abcd-{name}"), "memory_mb": 512, "timeout_s": 60,
                "gpu_gb": 0, "cpu_milli": 500, "clouds": clouds,
            })
        };
        let all = [
            (Provider::Aws, vec![function("cut", &["AWS", "ALI"]), function("join", &["US", "AWS"])]),
            (Provider::Aliyun, vec![function("cut", &["AWS", "ALI"])]),
        ];
        let functions = all.into_iter().find(|(of, _)| *of == provider).map(|(_, functions)| functions);
        serde_json::from_value(serde_json::json!({
            "definition": {
                "name": "two_seas", "doc": "", "hash": 0xfedc_4567_0123_89ab_u64, "home": 0,
                "clouds": [
                    {"name": "AWS", "cloud": {"provider": "aws", "region": "ap-northeast-1"}},
                    {"name": "US", "cloud": {"provider": "aws", "region": "us-east-1"}},
                    {"name": "ALI", "cloud": {"provider": "aliyun", "region": "cn-hongkong"}},
                ],
                "functions": [
                    {"name": "cut", "on": 0, "failover": [2]}, {"name": "join", "on": 1, "failover": [0]},
                ],
            },
            "deployment": "0123abcd01234567",
            "cloud": null, "provider": provider, "functions": functions,
            "sweeper": {"name": "two-seas-0123abcd-sweeper"},
            "options": {"retention_s": 691_200, "deadline_s": 604_800},
            "backends": ["aws", "aliyun"], "runtime_version": "0.1.0",
        }))
        .unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Described)) -> String {
        let mut described = sample::described(Provider::Aws);
        described.check("two-seas-aws", Provider::Aws).unwrap();
        change(&mut described);
        described.check("two-seas-aws", Provider::Aws).unwrap_err().lines()
    }

    #[test]
    fn what_the_platform_does_not_take_is_refused() {
        let lines = refused(|described| described.functions[0].name = "x".repeat(65));
        assert!(lines.contains("has 65 bytes; AWS Lambda takes 64"), "{lines}");
        let lines = refused(|described| described.functions[0].name = "naïve".into());
        assert!(lines.contains("AWS Lambda does not take `naïve`"), "{lines}");
        let lines = refused(|described| described.functions[0].memory_mb = 64);
        assert!(lines.contains("`cut` has 64 MB of memory"), "{lines}");
        let lines = refused(|described| described.functions[1].timeout_s = 901);
        assert!(lines.contains("a delivery to `join` may take 901 s"), "{lines}");
        let lines = refused(|described| described.sweeper.timeout_s = 0);
        assert!(lines.contains("a delivery to `sweeper` may take 0 s"), "{lines}");
    }

    #[test]
    fn what_runs_only_elsewhere_is_not_held_to_this_platform() {
        let mut described = sample::described(Provider::Aws);
        described.functions[0].memory_mb = 32_768;
        described.functions[0].clouds = vec!["ALI".into()];
        described.check("two-seas-aws", Provider::Aws).unwrap();
    }

    #[test]
    fn a_placement_that_cannot_be_deployed_is_refused() {
        let lines =
            refused(|described| described.definition.clouds[1].cloud.region = "ap-northeast-1".into());
        assert!(lines.contains("the clouds `AWS` and `US` are one"), "{lines}");
        let lines = refused(|described| described.functions[0].clouds.push("GCP".into()));
        assert!(lines.contains("a cloud `GCP` that the workflow does not have"), "{lines}");
        let lines = refused(|described| described.functions[0].name = described.sweeper.name.clone());
        assert!(
            lines.contains("`cut` and `sweeper` would both be deployed as `two-seas-0123abcd-sweeper`"),
            "{lines}"
        );
        let lines = refused(|described| described.provider = Provider::Aliyun);
        assert!(lines.contains("`two-seas-aws` is a program for aliyun"), "{lines}");
        let lines = refused(|described| described.definition.clouds.truncate(0));
        assert!(lines.contains("has no cloud of aws"), "{lines}");
    }

    #[test]
    fn a_program_that_cannot_speak_to_a_cloud_is_refused() {
        let mut described = sample::described(Provider::Aws);
        described.check_backends("two-seas-aws").unwrap();
        described.backends = vec![Provider::Aws];
        let lines = described.check_backends("two-seas-aws").unwrap_err().lines();
        assert!(
            lines.contains("is built without the backend for aliyun, where the cloud `ALI` is"),
            "{lines}"
        );
        let text = "[clouds.ALI]\nsame_as = \"AWS\"\n";
        let settings = Settings::complete(Some(text), &described, &[], "place").unwrap();
        described.placed(&settings).check_backends("two-seas-aws").unwrap();
    }

    #[test]
    fn programs_that_disagree_are_refused() {
        let asked = |bin: &str, provider, change: fn(&mut Described)| {
            let mut described = sample::described(provider);
            change(&mut described);
            Asked { bin: bin.to_owned(), described }
        };
        let aws = asked("two-seas-aws", Provider::Aws, |_| {});
        let with = |change| {
            let aliyun = asked("two-seas-aliyun", Provider::Aliyun, change);
            check_same(&aws, &aliyun).map_err(|trouble| trouble.lines())
        };
        with(|_| {}).unwrap();
        with(|described| described.deployment = None).unwrap();
        let stale = with(|described| described.definition.hash += 1).unwrap_err();
        assert_eq!(
            stale,
            "error: the programs are of different definitions of `two_seas`: `two-seas-aws` of \
             fedc4567012389ab, `two-seas-aliyun` of fedc4567012389ac\n\
             hint: compile both from the same sources, with the same features: `build` does so without \
             `--compiled`\n"
        );
        // A program that was built differently may have the same hash.
        assert!(with(|described| described.definition.functions[0].failover = vec![1]).is_err());
        assert!(with(|described| described.definition.home = 1).is_err());
        assert!(with(|described| described.deployment = Some("0".repeat(16))).is_err());
        let other = with(|described| described.definition.name = "three_seas".into()).unwrap_err();
        assert!(
            other.contains("`two-seas-aws` of `two_seas`, `two-seas-aliyun` of `three_seas`\n"),
            "{other}"
        );
    }

    #[test]
    fn objects_outlive_rows() {
        let mut described = sample::described(Provider::Aws);
        assert_eq!(described.object_days(), 16);
        described.options.retention_s = Some(1);
        assert_eq!(described.object_days(), 1);
        described.options.retention_s = None;
        assert_eq!(described.object_days(), 16);
    }

    #[test]
    fn what_is_placed_on_a_cloud_that_is_another_is_placed_on_that() {
        let same = |text: &str, provider| {
            let described = sample::described(provider);
            let settings = Settings::complete(Some(text), &described, &[], "place").unwrap();
            described.placed(&settings)
        };
        let described = same("[clouds.ALI]\nsame_as = \"AWS\"\n", Provider::Aws);
        assert_eq!(described.functions[0].clouds, ["AWS"]);
        assert!(described.failover("cut").is_empty());
        assert!(!described.is_elsewhere());
        described.check("two-seas-aws", Provider::Aws).unwrap();
        assert!(same("[clouds.ALI]\nsame_as = \"AWS\"\n", Provider::Aliyun).is_elsewhere());
        let described = same("[clouds.US]\nsame_as = \"AWS\"\n", Provider::Aws);
        assert_eq!(described.clouds().collect::<Vec<_>>(), [("AWS", "ap-northeast-1")]);
        assert_eq!(described.functions_on("AWS").count(), 2);
        let mut described = same("[clouds.ALI]\nsame_as = \"AWS\"\n", Provider::Aws);
        described.functions[0].gpu_gb = 8;
        let lines = described.check("two-seas-aws", Provider::Aws).unwrap_err().lines();
        assert!(lines.contains("`cut` has 8 GB of a GPU; AWS Lambda has none"), "{lines}");
    }

    #[test]
    fn placements_are_read() {
        let described = sample::described(Provider::Aws);
        assert_eq!(described.workflow(), "two-seas");
        assert_eq!(described.short_deployment(), "0123abcd");
        let on = |cloud| described.functions_on(cloud).map(|f| f.function.as_str()).collect::<Vec<_>>();
        assert_eq!(on("AWS"), ["cut", "join"]);
        assert_eq!(on("US"), ["join"]);
        assert_eq!(described.failover("cut"), ["ALI"]);
    }
}
