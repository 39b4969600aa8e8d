//! Listeners: a request read whole, within a bound, and an answer, or none at all.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aliyun_wire::{Header, WireError, text, time};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{clock::Timestamp, fault::Damage};

/// The most bytes of a request's body that are read: the largest upload that is allowed, in base64.
pub(crate) const MAX_BODY: usize = 140 * 1024 * 1024;

/// A request, read whole.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// As it was sent, encoded.
    pub(crate) path: String,
    /// As it was sent, encoded.
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(has, _)| has.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub(crate) fn headers(&self) -> Vec<Header<'_>> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub(crate) fn query(&self) -> Result<Vec<(String, Option<String>)>, WireError> {
        text::parse_query(&self.query)
    }
}

/// An answer.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// How many bytes are announced and never come: the connection is closed before them.
    pub(crate) missing: usize,
}

impl Response {
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Response { status, headers: Vec::new(), body: body.into(), missing: 0 }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(has, _)| has == name)
    }

    /// With another value of a header.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(has, _)| has != name);
        self.header(name, value)
    }

    /// Damaged as any answer can be.
    pub(crate) fn damaged(mut self, damage: &Damage) -> Self {
        let length = self.body.len();
        let left = |at: &Option<usize>| at.unwrap_or(length / 2).min(length);
        match damage {
            Damage::Body { at } => self.body = turned(&self.body, at.unwrap_or(length / 2)),
            Damage::Truncated { at } => self.body.truncate(left(at)),
            Damage::Cut { at } => {
                self.body.truncate(left(at));
                self.missing = length - self.body.len();
            }
            Damage::Signature | Damage::Digest | Damage::Content { .. } => {}
        }
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// The same bytes with a bit of one turned, where there is that one.
pub(crate) fn turned(bytes: &Bytes, at: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
    bytes.into()
}

/// An error as all three services have it: a status, a code and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Refusal { status, code: code.into(), message: message.into() }
    }
}

/// What answers on a listener. `None` closes the connection.
pub(crate) trait Answers: Send + Sync + 'static {
    fn answer(self: Arc<Self>, request: Request) -> impl Future<Output = Option<Response>> + Send;

    /// What answers are dated by.
    fn date(&self) -> Timestamp;
}

/// Opens a listener; port 0 chooses one.
pub(crate) async fn bind(address: IpAddr, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((address, port)).await.map_err(|error| {
        io::Error::new(error.kind(), format!("failed to listen on {address}:{port}: {error}"))
    })?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Answers on a listener until the task is aborted.
pub(crate) fn serve(listener: TcpListener, service: Arc<impl Answers>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            // An accept that fails (too many open files) says nothing of the next one.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let service = service.clone();
            connections.spawn(async move {
                let answer = service_fn(move |request| exchange(service.clone(), request));
                // Clients that go away are not the emulator's fault.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    })
}

async fn exchange(
    service: Arc<impl Answers>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Sent>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Err(io::Error::other(error)),
    };
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
    };
    // What was asked is done also when whoever asked has gone meanwhile.
    let date = time::http(service.date());
    let answered = tokio::spawn(service.answer(request)).await.map_err(io::Error::other)?;
    let Some(response) = answered else {
        return Err(io::Error::other("closed on purpose"));
    };
    let mut builder = hyper::Response::builder().status(response.status).header("date", date);
    for (name, value) in response.headers {
        builder = builder.header(name, value);
    }
    let sent = Sent { left: Some(response.body).filter(|body| !body.is_empty()), missing: response.missing };
    builder.body(sent).map_err(io::Error::other)
}

/// A body, of which the end may be announced and missing.
struct Sent {
    left: Option<Bytes>,
    missing: usize,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match self.left.take() {
            Some(bytes) => Some(Ok(Frame::data(bytes))),
            None if self.missing > 0 => Some(Err(io::Error::other("closed on purpose"))),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none() && self.missing == 0
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.left.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(left + self.missing).unwrap_or(u64::MAX))
    }
}
