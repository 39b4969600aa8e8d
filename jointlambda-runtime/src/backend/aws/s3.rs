//! Objects on S3.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use opendal::{Error, ErrorKind, Operator};

use super::{client::Clients, error::advice};
use crate::{
    backend::{self, StoreError, patience::OBJECT_REQUEST},
    deployment::CloudSettings,
    id::{Incarnation, ObjectKey, ObjectsOf},
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
        // What S3 says is in the text, as it came.
        let said = error.to_string();
        let code = CODES.iter().find(|code| said.contains(**code));
        if let Some(advice) = code.and_then(|code| advice(code, &said, &self.clients.region)) {
            return StoreError::Denied(advice);
        }
        match error.kind() {
            ErrorKind::RateLimited => StoreError::Throttled,
            _ if ELSEWHERE.iter().any(|code| said.contains(code)) => StoreError::Denied(format!(
                "the bucket `{bucket}` is not in {}: correct `bucket`, or the region in the workflow",
                self.clients.region
            )),
            ErrorKind::PermissionDenied => StoreError::Denied(format!(
                "not allowed to use the bucket `{bucket}`: check the credentials, and grant s3:{action} on it"
            )),
            _ if said.contains("NoSuchBucket") => StoreError::Denied(format!(
                "there is no bucket `{bucket}` in {}: deploy the workflow's store, or correct `bucket`",
                self.clients.region
            )),
            _ if error.is_temporary() => StoreError::Unknown(error.to_string()),
            _ => StoreError::Denied(format!("S3: {error}")),
        }
    }
}

/// The codes of S3 that say something of the credentials, or of the clock.
const CODES: [&str; 4] =
    ["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"];

/// The codes with which S3 says that a bucket is in another region.
const ELSEWHERE: [&str; 2] = ["PermanentRedirect", "AuthorizationHeaderMalformed"];

/// A request, as long as it may take. An object that is stored meanwhile all the same is no harm.
async fn in_time<T>(request: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| StoreError::Unknown(format!("S3 took longer than {} s", OBJECT_REQUEST.as_secs()));
    tokio::time::timeout(OBJECT_REQUEST, request).await.map_err(late)?
}

#[async_trait]
impl backend::Objects for Objects {
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StoreError> {
        let operator = self.operator()?;
        in_time(async {
            match operator.write_with(key.as_str(), bytes).if_not_exists(true).await {
                Ok(_) => Ok(()),
                // It is there: keys name content.
                Err(error) if error.kind() == ErrorKind::ConditionNotMatch => Ok(()),
                Err(error) => Err(self.error(&error, "PutObject")),
            }
        })
        .await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        let operator = self.operator()?;
        in_time(async {
            match operator.read(key.as_str()).await {
                Ok(buffer) => Ok(Some(buffer.to_bytes())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(self.error(&error, "GetObject")),
            }
        })
        .await
    }

    async fn delete_run(&self, of: &Incarnation, which: ObjectsOf) -> Result<(), StoreError> {
        let operator = self.operator()?;
        in_time(async {
            let listed = operator.lister_with(&ObjectKey::prefix(of, which)).recursive(true).await;
            let entries = listed.map_err(|error| self.error(&error, "ListBucket"))?;
            let entries: Vec<_> =
                entries.try_collect().await.map_err(|error| self.error(&error, "ListBucket"))?;
            if entries.is_empty() {
                return Ok(());
            }
            let deleted = operator.delete_iter(entries).await;
            deleted.map_err(|error| self.error(&error, "DeleteObject"))
        })
        .await
    }
}
