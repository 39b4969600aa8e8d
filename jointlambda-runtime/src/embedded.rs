//! A workflow deployed on embedded clouds: what `jointlambda::main!`, tests and benchmarks run.

use std::sync::Arc;

use thiserror::Error;

use crate::{
    backend::local::{CloudConfig, Config, FunctionConfig, LocalClouds, OpenError},
    client::{Client, RunError, StartError},
    machine::Workflow,
    runtime::{Options, Runtime},
};

/// The workflow `W` on clouds of its own in this process.
///
/// Every cloud that the workflow names is there, with the functions that are placed on it.
pub struct Embedded<W> {
    clouds: LocalClouds,
    client: Client<W>,
}

/// Why a run on embedded clouds has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// It was not started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl<W: Workflow> Embedded<W> {
    /// Deploys on clouds in memory, without latencies.
    ///
    /// # Panics
    /// Never for a definition that `workflow!` made.
    pub fn in_memory() -> Self {
        Self::new(Self::config(), Options::default()).expect("the clouds of a definition have distinct names")
    }

    /// The clouds of the workflow's definition, with their functions, in memory and without
    /// latencies; to be changed and given to [`new`](Embedded::new).
    pub fn config() -> Config {
        let definition = W::definition();
        let clouds = definition.clouds.iter().enumerate().map(|(index, def)| {
            let here = |cloud| usize::from(cloud) == index;
            let functions = definition.functions.iter().filter(|f| f.placements().any(here));
            CloudConfig {
                region: def.cloud.region.to_owned(),
                functions: Some(
                    functions
                        .map(|f| FunctionConfig {
                            memory_mb: f.memory_mb,
                            gpu_gb: f.gpu_gb,
                            cpu_milli: f.cpu_milli,
                            ..FunctionConfig::new(f.name)
                        })
                        .collect(),
                ),
                ..CloudConfig::new(def.name, def.cloud.provider)
            }
        });
        Config { owner: Some(definition.name.to_owned()), ..Config::of(clouds) }
    }

    /// Deploys on clouds made of `config`, which has the clouds of the definition in their order.
    ///
    /// # Errors
    /// Those of opening the clouds' store.
    pub fn new(config: Config, options: Options) -> Result<Self, OpenError> {
        let clouds = LocalClouds::new(config)?;
        for index in 0..W::definition().clouds.len() {
            let runtime = Runtime::new::<W>(clouds.backends_from(index), options.clone());
            clouds.serve(index, Arc::new(runtime));
        }
        let client = Client::new(clouds.backends_for_client(), options);
        Ok(Embedded { clouds, client })
    }

    /// Starts the run that `key` names, or resumes it, and waits for its result.
    ///
    /// # Errors
    /// Those of [`Client::start`] and [`Client::result`].
    pub async fn run(&self, key: &str, input: W::Input) -> Result<W::Output, EmbeddedError> {
        let run = self.client.start(key, input).await?;
        Ok(self.client.result(&run).await?)
    }

    /// The client.
    pub fn client(&self) -> &Client<W> {
        &self.client
    }

    /// The clouds.
    pub fn clouds(&self) -> &LocalClouds {
        &self.clouds
    }
}
