//! The program that Function Compute runs in its custom runtime: one for all functions of a workflow on
//! Alibaba Cloud, and for its sweeper. Which of them it is, its environment says.
//!
//! The platform sends events to a port of this process, several at once where the function is configured
//! so, each with credentials that are good for a while. An answer's status does not reach it: what is to
//! be delivered again is said in a header.

use std::{convert::Infallible, env, io, net::Ipv4Addr, process::ExitCode, sync::Arc, time::Duration};

use aliyun_wire::AccessKey;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderMap},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::client;
use crate::{
    backend::Handler,
    deployed::{Done, Function, Unhandled},
    deployment,
    machine::Workflow,
    provider::Provider,
    runtime::Runtime,
};

/// Where the platform's port is written, in the order in which they count.
const PORTS: [&str; 2] = ["FC_CUSTOM_LISTEN_PORT", "FC_SERVER_PORT"];
const DEFAULT_PORT: u16 = 9000;
/// The largest body: an asynchronous event, or the record of one that was given up.
const MAX_BODY: usize = 1024 * 1024;
const NO_CREDENTIALS: &str = "there are no credentials: give the function a role, which may use the workflow's \
                              table, bucket and functions";
/// How long to wait when no connection can be taken, as when there are too many files.
const PAUSE: Duration = Duration::from_millis(50);

/// The program's `main`. With the argument `--describe` it prints what there is to deploy.
pub fn main<W: Workflow>() -> ExitCode {
    main_with::<W>(|runtime| Arc::new(runtime))
}

/// The same with another receiver of the functions' events: so is tried what the platform does with them.
pub fn main_with<W: Workflow>(receive: impl FnOnce(Runtime) -> Arc<dyn Handler>) -> ExitCode {
    if let Some(code) = deployment::answer::<W>(Provider::Aliyun) {
        return code;
    }
    client::come_with_events();
    let function = match Function::of_environment::<W>(receive) {
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
        Ok(function) => Arc::new(function),
    };
    deployment::log();
    // Several events at once, of which one may keep a thread busy.
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match threads.and_then(|threads| threads.block_on(serve(function))) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("error: failed to serve: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(function: Arc<Function>) -> io::Result<Infallible> {
    let port = PORTS.iter().find_map(|name| env::var(name).ok()?.parse().ok()).unwrap_or(DEFAULT_PORT);
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // Without it an answer may wait; with an error there the request fails by itself.
        let _ = stream.set_nodelay(true);
        let function = function.clone();
        let service = service_fn(move |request| {
            let function = function.clone();
            async move { Ok::<_, Infallible>(answer(&function, request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(function: &Function, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    match (head.method, head.uri.path()) {
        (Method::POST, "/invoke") => {}
        (_, "/invoke") => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "events are posted");
            response.headers_mut().insert(ALLOW, POST);
            return response;
        }
        // What a health check asks for.
        (_, "/" | "/health") => return plain(StatusCode::OK, ""),
        // Nothing is to be made before the first event, and nothing is lost with the process.
        (_, path @ ("/initialize" | "/pre-stop")) => {
            tracing::debug!(instance = instance(), path, "asked by the platform");
            return plain(StatusCode::OK, "");
        }
        (_, path) => return plain(StatusCode::NOT_FOUND, &format!("there is no {path} here")),
    }
    let request = head.headers.get("x-fc-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::debug!(instance = instance(), request, "an event came");
    match of_request(&head.headers) {
        Some(key) => client::renew(key),
        None if client::are_missing() => return told(Err(Unhandled::unbegun(NO_CREDENTIALS))),
        None => {}
    }
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return told(Err(Unhandled::unbegun(format!("an event is at most {MAX_BODY} bytes"))));
    };
    told(function.handle(&body.to_bytes(), None).await)
}

/// What the platform is answered.
fn told(handled: Result<Done, Unhandled>) -> Response<Full<Bytes>> {
    match handled {
        Ok(done) => {
            let text = serde_json::to_string(&done).unwrap_or_default();
            let mut response = plain(StatusCode::OK, &text);
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            response
        }
        Err(unhandled) => {
            let said =
                serde_json::json!({ "errorType": unhandled.error_type(), "errorMessage": unhandled.why });
            let text = said.to_string();
            let mut response = plain(StatusCode::NOT_FOUND, &text);
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            // Without it the event would be taken for handled, whatever the status.
            response.headers_mut().insert("x-fc-status", FAILED);
            response
        }
    }
}

/// What the platform calls this process.
fn instance() -> String {
    env::var("FC_INSTANCE_ID").unwrap_or_default()
}

const POST: hyper::header::HeaderValue = hyper::header::HeaderValue::from_static("POST");
const JSON: hyper::header::HeaderValue = hyper::header::HeaderValue::from_static("application/json");
const FAILED: hyper::header::HeaderValue = hyper::header::HeaderValue::from_static("404");

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// The credentials of the function's role as a request brings them: those of the environment are as old as
/// the process.
fn of_request(headers: &HeaderMap) -> Option<AccessKey> {
    let get = |name| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty());
    let key = AccessKey::new(get("x-fc-access-key-id")?, get("x-fc-access-key-secret")?);
    Some(match get("x-fc-security-token") {
        Some(token) => key.with_token(token),
        None => key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_said_in_the_header_that_the_platform_reads() {
        let failed = told(Err(Unhandled::unbegun("no table")));
        assert_eq!(failed.headers()["x-fc-status"], "404");
        let done = told(Ok(Done::default()));
        assert_eq!((done.status(), done.headers().get("x-fc-status")), (StatusCode::OK, None));
    }

    #[test]
    fn credentials_are_whole_or_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(of_request(&headers), None);
        headers.insert("x-fc-access-key-id", "STS.id".parse().unwrap());
        assert_eq!(of_request(&headers), None);
        headers.insert("x-fc-access-key-secret", "secret".parse().unwrap());
        assert_eq!(of_request(&headers), Some(AccessKey::new("STS.id", "secret")));
        headers.insert("x-fc-security-token", "token".parse().unwrap());
        assert_eq!(of_request(&headers), Some(AccessKey::new("STS.id", "secret").with_token("token")));
    }
}
