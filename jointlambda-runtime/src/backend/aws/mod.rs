//! AWS: functions on Lambda, rows in DynamoDB, objects on S3.
//!
//! - An envelope travels as a JSON string in base64: Lambda takes nothing but JSON.
//! - Requests are made once. Which of them may be repeated, the runtime knows (`retry.rs`); the SDK's
//!   own retries are off.
//! - Clients are made when they are first used, and share one HTTP client; S3, which few runs need,
//!   has its own.

mod client;
mod credentials;
mod dynamodb;
mod error;
mod lambda;
mod s3;
pub mod serve;

use std::{fmt, sync::Arc};

pub use self::client::http as http_client;

use super::Backend;
use crate::{
    backend::aws::client::Clients,
    deployment::{CloudSettings, Names, SettingsError},
    provider::Provider,
};

/// What requests are signed with. Never printed.
#[derive(Clone)]
pub struct Credentials {
    /// The id of the access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The token that goes with it, when it is a temporary one.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// A cloud on AWS, with the credentials of the environment, on Lambda those of the function's role; or,
/// elsewhere, with the keys of a profile in the files of the AWS CLI. Nothing is connected yet.
///
/// # Errors
/// There are none, or the profile has no keys of its own.
pub fn backend(settings: &CloudSettings, names: Names) -> Result<Backend, SettingsError> {
    Ok(backend_with(settings, names, credentials::find(&settings.name)?))
}

/// The same with other credentials.
pub fn backend_with(settings: &CloudSettings, names: Names, credentials: Credentials) -> Backend {
    let clients = Arc::new(Clients::new(settings, credentials));
    Backend {
        name: settings.name.as_str().into(),
        provider: Provider::Aws,
        functions: Arc::new(lambda::Functions::new(clients.clone(), names, settings.qualifier.clone())),
        table: Arc::new(dynamodb::Table::new(clients.clone(), settings)),
        objects: Arc::new(s3::Objects::new(clients, settings)),
        place: settings.place().into(),
    }
}
