//! Objects on S3.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use opendal::{Error, ErrorKind, Operator};

use super::client::Clients;
use crate::{
    backend::{self, StoreError},
    deployment::CloudSettings,
    id::{ObjectKey, ObjectsOf, RunId},
};

/// A bucket.
pub(super) struct Objects {
    clients: Arc<Clients>,
    bucket: String,
}

impl Objects {
    pub(super) fn new(clients: Arc<Clients>, settings: &CloudSettings) -> Self {
        Objects { clients, bucket: settings.bucket.clone() }
    }

    fn operator(&self) -> Result<&Operator, StoreError> {
        self.clients.s3().map_err(|why| StoreError::Denied(format!("S3 cannot be used: {why}")))
    }

    fn error(&self, error: &Error, action: &str) -> StoreError {
        let bucket = &self.bucket;
        match error.kind() {
            ErrorKind::RateLimited => StoreError::Throttled,
            ErrorKind::PermissionDenied => StoreError::Denied(format!(
                "not allowed to use the bucket `{bucket}`: check the credentials, and grant s3:{action} on it"
            )),
            ErrorKind::ConfigInvalid => StoreError::Denied(format!("S3 cannot be used: {error}")),
            ErrorKind::NotFound => StoreError::Denied(format!(
                "there is no bucket `{bucket}` in {}: deploy the workflow's store, or correct `bucket`",
                self.clients.region
            )),
            _ if error.is_temporary() => StoreError::Unknown(error.to_string()),
            _ => StoreError::Denied(format!("S3: {error}")),
        }
    }
}

#[async_trait]
impl backend::Objects for Objects {
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StoreError> {
        match self.operator()?.write_with(key.as_str(), bytes).if_not_exists(true).await {
            Ok(_) => Ok(()),
            // It is there: keys name content.
            Err(error) if error.kind() == ErrorKind::ConditionNotMatch => Ok(()),
            Err(error) => Err(self.error(&error, "PutObject")),
        }
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        match self.operator()?.read(key.as_str()).await {
            Ok(buffer) => Ok(Some(buffer.to_bytes())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error(&error, "GetObject")),
        }
    }

    async fn delete_run(&self, run: &RunId, which: ObjectsOf) -> Result<(), StoreError> {
        let operator = self.operator()?;
        let listed = operator.lister_with(&ObjectKey::prefix(run, which)).recursive(true).await;
        let entries = listed.map_err(|error| self.error(&error, "ListBucket"))?;
        let entries: Vec<_> =
            entries.try_collect().await.map_err(|error| self.error(&error, "ListBucket"))?;
        if entries.is_empty() {
            return Ok(());
        }
        let deleted = operator.delete_iter(entries).await;
        deleted.map_err(|error| self.error(&error, "DeleteObject"))
    }
}
