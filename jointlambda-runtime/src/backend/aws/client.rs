//! The clients of the services, each made when it is first used.

use std::{
    env, fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region, SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_lambda::types::InvocationType;
use aws_smithy_http_client::{
    Builder,
    tls::{self, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
            dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use opendal::{Operator, layers::TimeoutLayer, services::S3};

use crate::{
    backend::{
        patience::{CONNECT, IDLE, OBJECT_REQUEST, REQUEST},
        time_of_table::{Precision, Sent, TimeOfTable},
    },
    deployment::CloudSettings,
};

/// Hears the date of each answer of DynamoDB.
#[derive(Debug)]
struct Dates(Arc<TimeOfTable>);

/// When a request was sent, as it goes along with the request.
#[derive(Clone, Copy, Debug)]
struct SentAt(Sent);

impl Storable for SentAt {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Dates {
    fn name(&self) -> &'static str {
        "dates of answers"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(SentAt(Sent::now()));
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        // A proxy's page has a date too, of whatever clock.
        if headers.get("x-amzn-requestid").is_none() {
            return Ok(());
        }
        let date = headers.get("date").and_then(|date| httpdate::parse_http_date(date).ok());
        let date = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
        if let (Some(date), Some(SentAt(sent))) = (date, config.load::<SentAt>()) {
            self.0.hear(date.as_millis() as u64, Precision::Seconds, *sent);
        }
        Ok(())
    }
}

/// What the clients are made of.
pub(super) struct Clients {
    pub(super) region: String,
    endpoint: Option<String>,
    bucket: String,
    credentials: Credentials,
    /// The time that DynamoDB tells.
    pub(super) time: Arc<TimeOfTable>,
    http: OnceLock<SharedHttpClient>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    lambda: OnceLock<aws_sdk_lambda::Client>,
    s3: OnceLock<Result<Operator, String>>,
    /// When a connection to Lambda was last in use.
    lambda_used: Mutex<Option<Instant>>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Clients {
    pub(super) fn new(settings: &CloudSettings, credentials: super::Credentials) -> Self {
        let super::Credentials { access_key_id, secret_access_key, session_token } = credentials;
        Clients {
            region: settings.region.clone(),
            endpoint: settings.endpoint.clone(),
            bucket: settings.bucket.clone(),
            credentials: Credentials::new(access_key_id, secret_access_key, session_token, None, "given"),
            time: Arc::default(),
            http: OnceLock::new(),
            dynamodb: OnceLock::new(),
            lambda: OnceLock::new(),
            s3: OnceLock::new(),
            lambda_used: Mutex::default(),
        }
    }

    pub(super) fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.dynamodb.get_or_init(|| {
            let mut config = aws_sdk_dynamodb::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(self.region.clone()))
                .credentials_provider(self.credentials.clone())
                .http_client(self.http())
                .retry_config(RetryConfig::disabled())
                .timeout_config(timeouts(Some(REQUEST)))
                .interceptor(Dates(self.time.clone()));
            config.set_endpoint_url(self.endpoint("DYNAMODB"));
            aws_sdk_dynamodb::Client::from_conf(config.build())
        })
    }

    pub(super) fn lambda(&self) -> &aws_sdk_lambda::Client {
        self.lambda.get_or_init(|| {
            let mut config = aws_sdk_lambda::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(self.region.clone()))
                .credentials_provider(self.credentials.clone())
                .http_client(self.http())
                .retry_config(RetryConfig::disabled())
                .timeout_config(timeouts(None));
            config.set_endpoint_url(self.endpoint("LAMBDA"));
            aws_sdk_lambda::Client::from_conf(config.build())
        })
    }

    /// Opens a connection to Lambda, unless one was in use just now.
    pub(super) async fn warm_lambda(&self, qualifier: Option<String>) {
        if self
            .lambda_used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some_and(|at| at.elapsed() < IDLE)
        {
            return;
        }
        // One at a time is enough.
        self.note_lambda();
        // A request that runs nothing; whatever comes of it, the connection is there.
        let own = env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| "nothing".to_owned());
        let request = self.lambda().invoke().function_name(own).set_qualifier(qualifier);
        let request = request.invocation_type(InvocationType::DryRun).send();
        let _ = tokio::time::timeout(REQUEST, request).await;
    }

    /// A connection to Lambda is in use.
    pub(super) fn note_lambda(&self) {
        *self.lambda_used.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn s3(&self) -> Result<&Operator, &str> {
        let made = self.s3.get_or_init(|| {
            // Only where nobody has installed another: the library does so itself with features that
            // run code before `main`.
            opendal::install_default();
            let mut s3 = S3::default()
                .bucket(&self.bucket)
                .region(&self.region)
                .access_key_id(self.credentials.access_key_id())
                .secret_access_key(self.credentials.secret_access_key())
                .disable_config_load()
                .disable_ec2_metadata();
            if let Some(token) = self.credentials.session_token() {
                s3 = s3.session_token(token);
            }
            if let Some(endpoint) = self.endpoint("S3") {
                s3 = s3.endpoint(&endpoint);
            }
            let operator = Operator::new(s3).map_err(|error| error.to_string())?;
            Ok(operator.layer(TimeoutLayer::new().with_timeout(REQUEST).with_io_timeout(OBJECT_REQUEST)))
        });
        made.as_ref().map_err(String::as_str)
    }

    /// `AWS_ENDPOINT_URL_<service>`, `AWS_ENDPOINT_URL`, or what the settings say.
    fn endpoint(&self, service: &str) -> Option<String> {
        let from_env = |name: &str| env::var(name).ok().filter(|url| !url.is_empty());
        from_env(&format!("AWS_ENDPOINT_URL_{service}"))
            .or_else(|| from_env("AWS_ENDPOINT_URL"))
            .or_else(|| self.endpoint.clone())
    }

    fn http(&self) -> SharedHttpClient {
        self.http.get_or_init(http).clone()
    }
}

/// The HTTP client that the SDK's clients share.
pub fn http() -> SharedHttpClient {
    let tls = tls::Provider::Rustls(CryptoMode::AwsLc);
    Builder::new().pool_idle_timeout(IDLE).tls_provider(tls).build_https()
}

/// Without one for requests where whoever makes them knows better.
fn timeouts(request: Option<Duration>) -> TimeoutConfig {
    let mut timeouts = TimeoutConfig::builder().connect_timeout(CONNECT);
    timeouts.set_operation_attempt_timeout(request);
    timeouts.build()
}
