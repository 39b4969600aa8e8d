//! What `cargo jointlambda build` writes for Alibaba Cloud, deployed on the emulator: where Terraform's
//! provider and Serverless Devs would make requests of the documents' fields, this makes them. It knows
//! what is generated and nothing else: another kind of resource, field or reference is an error.

mod evaluate;
mod fields;
mod plan;
mod provider;
pub mod serverless_devs;
mod yaml;

use std::{collections::BTreeSet, path::Path};

use serde_json::{Map, Value};

pub use plan::Resource;

use crate::aliyun::AliyunAccount;

/// What a root module makes, with all expressions evaluated.
pub struct Plan {
    resources: Vec<Resource>,
}

/// What was deployed.
#[derive(Debug, Default)]
pub struct Deployed {
    /// The functions, by their names at the service.
    pub functions: BTreeSet<String>,
    /// The functions that a timer calls.
    pub timers: Vec<String>,
    /// What the functions' role may do.
    pub actions: BTreeSet<String>,
}

impl Plan {
    /// That of the root in `folder`, with these variables.
    ///
    /// # Errors
    /// A document says what is not known here, or refers to what is not there.
    pub fn of(folder: &Path, variables: &Map<String, Value>) -> Result<Self, String> {
        Ok(Plan { resources: plan::resources(folder, variables)? })
    }

    /// The same without what does not pass a test.
    pub fn retain(&mut self, keep: impl Fn(&Resource) -> bool) {
        self.resources.retain(keep);
    }

    /// Makes all resources.
    ///
    /// # Errors
    /// A field is not known or not there, two resources do not fit, or a service refuses a request.
    pub async fn apply(&self, account: &AliyunAccount) -> Result<Deployed, String> {
        provider::apply(&self.resources, account).await
    }
}
