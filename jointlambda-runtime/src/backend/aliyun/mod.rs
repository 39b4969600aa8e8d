//! Alibaba Cloud: functions on Function Compute 3.0, rows in TableStore, objects on OSS.
//!
//! There is no official SDK for Rust. What the services say on the wire is in the crate `aliyun-wire`;
//! this is what the runtime makes of it, over one HTTP client. Nothing here was seen by the live
//! services; `aliyun-emulator`, which Alibaba's own SDKs hold to account, stands in for them.

mod client;
mod error;
mod function_compute;
mod oss;
pub mod serve;
mod tablestore;

use std::sync::Arc;

pub use aliyun_wire::AccessKey;

pub use self::client::Endpoints;
use super::Backend;
use crate::{
    backend::aliyun::client::{Client, Key},
    deployment::{CloudSettings, Names, SettingsError},
    provider::Provider,
};

/// A cloud on Alibaba Cloud, with the credentials and endpoints of the environment. Nothing is
/// connected yet.
///
/// # Errors
/// There are no credentials in the environment, or the table is not written as `INSTANCE/TABLE`.
pub fn backend(settings: &CloudSettings, names: Names) -> Result<Backend, SettingsError> {
    let key = Key::Ambient(Arc::new(client::access_key(&settings.name)?));
    with_key(settings, names, key, Endpoints::of_environment(settings))
}

/// The same with other credentials and endpoints.
///
/// # Errors
/// The table is not written as `INSTANCE/TABLE`.
pub fn backend_with(
    settings: &CloudSettings,
    names: Names,
    key: AccessKey,
    endpoints: Endpoints,
) -> Result<Backend, SettingsError> {
    with_key(settings, names, Key::Given(Arc::new(key)), endpoints)
}

fn with_key(
    settings: &CloudSettings,
    names: Names,
    key: Key,
    endpoints: Endpoints,
) -> Result<Backend, SettingsError> {
    let (instance, table) = settings.table.split_once('/').ok_or_else(|| SettingsError::BadTable {
        cloud: settings.name.clone(),
        table: settings.table.clone(),
    })?;
    let client = Arc::new(Client::new(settings, key, endpoints));
    Ok(Backend {
        name: settings.name.as_str().into(),
        provider: Provider::Aliyun,
        functions: Arc::new(function_compute::Functions::new(client.clone(), names)),
        table: Arc::new(tablestore::Table::new(client.clone(), instance, table)),
        objects: Arc::new(oss::Objects::new(client, &settings.bucket)),
        place: settings.place().into(),
    })
}
