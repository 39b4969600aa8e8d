//! Where runs are: in a store of embedded clouds, or on the clouds where the workflow is deployed.

use std::path::PathBuf;

use clap::Args;

use super::{
    exit::{Trouble, one_line},
    run::open_existing,
};
use crate::{backend::local::Profile, client::Client, embedded::Embedded, machine::Workflow};

/// Where the run is that a command is about.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub(super) struct At {
    /// The directory that was given to `run`
    #[cfg_attr(
        any(feature = "aws", feature = "aliyun"),
        arg(long, value_name = "DIR", required_unless_present = "target")
    )]
    #[cfg_attr(
        not(any(feature = "aws", feature = "aliyun")),
        arg(long, value_name = "DIR", required = true)
    )]
    pub(super) store: Option<PathBuf>,
    #[cfg(any(feature = "aws", feature = "aliyun"))]
    #[command(flatten)]
    pub(super) deployed: deployed::Deployed,
}

/// Runs, and how to ask about them.
pub(super) enum Place<W: Workflow> {
    Embedded(Box<Embedded<W>>),
    #[cfg(any(feature = "aws", feature = "aliyun"))]
    Deployed(Client<W>),
}

impl<W: Workflow> Place<W> {
    pub(super) fn client(&self) -> &Client<W> {
        match self {
            Place::Embedded(clouds) => clouds.client(),
            #[cfg(any(feature = "aws", feature = "aliyun"))]
            Place::Deployed(client) => client,
        }
    }
}

impl At {
    pub(super) fn open<W: Workflow>(&self) -> Result<Place<W>, Trouble> {
        #[cfg(any(feature = "aws", feature = "aliyun"))]
        if let Some(client) = self.deployed.client()? {
            return Ok(Place::Deployed(client));
        }
        let store = self.store.as_deref().unwrap_or(std::path::Path::new("."));
        Ok(Place::Embedded(Box::new(open_existing(store, Profile::NONE)?)))
    }

    /// There is no such run there.
    pub(super) fn no_such_run(&self, key: &str) -> Trouble {
        let key = one_line(key);
        match &self.store {
            Some(store) => Trouble::new(format!("there is no run `{key}` in {}", store.display()))
                .hint("give the `--id` and `--store` that `run` was given; rows are kept for 8 days"),
            None => Trouble::new(format!("there is no run `{key}`"))
                .hint("give the `--id` that `run` was given; rows are kept for 8 days"),
        }
    }
}

#[cfg(any(feature = "aws", feature = "aliyun"))]
pub(super) mod deployed {
    use std::{env, fs, path::PathBuf};

    use clap::{Args, ValueEnum};

    use super::Trouble;
    use crate::{
        client::Client,
        deployment::{self, FILE},
        machine::Workflow,
        provider::Provider,
        runtime::Options,
    };

    /// Names the file with the settings, if `--settings` does not.
    const SETTINGS: &str = "JOINTLAMBDA_SETTINGS";

    /// Where a workflow is deployed.
    #[derive(Clone, Debug, Default, Args)]
    #[group(skip)]
    pub(in crate::cli) struct Deployed {
        /// The clouds where the workflow is deployed, instead of embedded ones
        #[arg(long, value_enum, conflicts_with = "store")]
        pub(in crate::cli) target: Option<Target>,
        /// Where these are; `$JOINTLAMBDA_SETTINGS`, or `jointlambda.toml` here, unless given
        #[arg(long, value_name = "FILE", requires = "target")]
        pub(in crate::cli) settings: Option<PathBuf>,
    }

    /// Which clouds.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
    pub(in crate::cli) enum Target {
        /// AWS, where all clouds of the workflow are
        Aws,
        /// Alibaba Cloud, where all clouds of the workflow are
        Aliyun,
        /// All clouds of the workflow, whosever they are
        Clouds,
    }

    impl Target {
        /// Whose clouds the workflow must be on alone.
        fn only(self) -> Option<Provider> {
            match self {
                Target::Aws => Some(Provider::Aws),
                Target::Aliyun => Some(Provider::Aliyun),
                Target::Clouds => None,
            }
        }
    }

    impl Deployed {
        /// A client of the deployment, if one is asked for.
        pub(in crate::cli) fn client<W: Workflow>(&self) -> Result<Option<Client<W>>, Trouble> {
            let Some(target) = self.target else { return Ok(None) };
            let definition = W::definition();
            let path = self.settings.clone().or_else(|| env::var_os(SETTINGS).map(PathBuf::from));
            let path = path.unwrap_or_else(|| FILE.into());
            let text = fs::read_to_string(&path).map_err(|error| {
                Trouble::new(format!("failed to read {}: {error}", path.display()))
                    .hint("`cargo jointlambda build` writes it; give it as `--settings`")
            })?;
            let clouds = deployment::from_toml(&text, definition).map_err(|error| Trouble::of(&error))?;
            let only = target.only();
            let mut defs = definition.clouds.iter().zip(&clouds);
            let other = defs.find(|(_, settings)| only.is_some_and(|only| only != settings.provider));
            if let (Some(only), Some((def, settings))) = (only, other) {
                let name = settings.provider.name();
                return Err(Trouble::new(format!("the cloud `{}` of the workflow is on {name}", def.name))
                    .hint(format!(
                        "use `--target clouds`; or deploy it all on {}: `same_as` in `[clouds.{}]` of {}",
                        only.name(),
                        def.name,
                        path.display()
                    )));
            }
            let backends = deployment::backends(definition, &clouds).map_err(|error| Trouble::of(&error))?;
            let old = deployment::moved_from(&text, definition).map_err(|error| Trouble::of(&error))?;
            Ok(Some(Client::new(backends, Options::default()).moved_from(old)))
        }
    }
}
