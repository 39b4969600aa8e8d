//! A workflow deployed on embedded clouds: what `jointlambda::main!`, tests and benchmarks run.

use std::{convert::Infallible, sync::Arc, time::Duration};

use thiserror::Error;

use crate::{
    backend::local::{CloudConfig, Config, FunctionConfig, LocalClouds, OpenError},
    client::{Client, RedriveError, RunError, StartError},
    id::RunId,
    machine::Workflow,
    runtime::{Options, Runtime},
};

/// How often embedded clouds are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// The workflow `W` on clouds of its own in this process.
///
/// Every cloud that the workflow names is there, with the functions that are placed on it.
pub struct Embedded<W> {
    clouds: LocalClouds,
    client: Client<W>,
    /// The workflow as the sweeper of its home cloud has it.
    sweeper: Runtime,
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
    /// It was not redriven.
    #[error(transparent)]
    Redrive(#[from] RedriveError),
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
            let runtime = Runtime::new::<W>(clouds.backends_from(index), options.clone()).on(index as u16);
            clouds.serve(index, Arc::new(runtime));
        }
        let home = usize::from(W::definition().home);
        let sweeper = Runtime::new::<W>(clouds.backends_from(home), options.clone());
        let client = Client::new(clouds.backends_for_client(), options);
        Ok(Embedded { clouds, client, sweeper })
    }

    /// Starts the run that `key` names, or resumes it, and waits for its result. Meanwhile late
    /// runs are swept.
    ///
    /// # Errors
    /// Those of [`Client::start`] and [`Client::result`].
    pub async fn run(&self, key: &str, input: W::Input) -> Result<W::Output, EmbeddedError> {
        let run = self.client.start(key, input).await?;
        self.follow(&run).await
    }

    /// Redrives the failed run that `key` names, and waits for its result. Meanwhile late runs are
    /// swept.
    ///
    /// # Errors
    /// Those of [`Client::redrive`] and [`Client::result`].
    pub async fn redrive(&self, key: &str) -> Result<W::Output, EmbeddedError> {
        let run = self.client.redrive(&self.client.run_id(key)).await?;
        self.follow(&run).await
    }

    async fn follow(&self, run: &RunId) -> Result<W::Output, EmbeddedError> {
        tokio::select! {
            result = self.client.result(run) => Ok(result?),
            never = self.sweep_every(SWEEP_EVERY) => match never {},
        }
    }

    /// Sweeps for ever, as a timer on the home cloud does: re-drives late runs, and removes rows
    /// whose time has come.
    pub async fn sweep_every(&self, pause: Duration) -> Infallible {
        loop {
            tokio::time::sleep(pause).await;
            if let Err(fault) = self.sweeper.sweep_for(pause).await {
                tracing::warn!(%fault, "the sweep failed");
            }
            if let Err(error) = self.clouds.sweep_expired().await {
                tracing::warn!(%error, "expired rows were not removed");
            }
        }
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
