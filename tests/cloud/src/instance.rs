//! A program as Function Compute runs it, alone: a process that is spoken to over HTTP.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode, header::HeaderMap};

use crate::free_port;

/// How long a program may take until it listens.
const START: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);

/// A process that runs until this is dropped.
pub struct Instance {
    child: Child,
    url: String,
    http: reqwest::Client,
}

/// What it answers.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Instance {
    /// Starts a program with these variables, and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    pub async fn start(program: &Path, variables: &[(String, String)]) -> Self {
        let port = free_port();
        let mut command = Command::new(program);
        command.env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
        command.env("FC_CUSTOM_LISTEN_PORT", port.to_string()).stdin(Stdio::null());
        let child = command.spawn().expect("it starts");
        let http = reqwest::Client::new();
        let mut instance = Instance { child, url: format!("http://127.0.0.1:{port}"), http };
        let began = Instant::now();
        while instance.http.get(&instance.url).send().await.is_err() {
            let ended = instance.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none() && began.elapsed() < START, "it does not listen: {ended:?}");
            tokio::time::sleep(LOOK).await;
        }
        instance
    }

    /// Asks for something.
    ///
    /// # Panics
    /// When nothing is answered.
    pub async fn ask(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let asked = self.http.request(method, format!("{}{path}", self.url)).body(body);
        let answer = asked.send().await.expect("it answers");
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, body: answer.text().await.expect("it answers whole") }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
