//! An instance: a process of the function's own, on a port of its own, stopped between requests.

use std::{
    fs::OpenOptions,
    io,
    net::Ipv4Addr,
    path::Path,
    process::Stdio,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use super::{
    function::{Config, Function, Inject},
    invoke, lock,
};
use crate::{
    clock::Timestamp,
    world::{World, request_id},
};

/// How long a function may take until it listens.
const START: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(5);
const INITIALIZE: Duration = Duration::from_secs(300);
const PRE_STOP: Duration = Duration::from_secs(90);
/// The largest answer.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

pub(super) struct Instance {
    pub(super) id: String,
    port: u16,
    group: Option<Pid>,
    child: Mutex<Child>,
    /// Whether it was told to end: the process may be there for a moment longer.
    ended: AtomicBool,
    freeze: bool,
    /// How many requests it has now; the pool counts them.
    pub(super) busy: Mutex<usize>,
    pub(super) idle_since: AtomicU64,
}

/// What a function answered.
pub(super) struct Answer {
    /// Whether it said `x-fc-status: 404`.
    pub(super) failed: bool,
    pub(super) header_bytes: usize,
    pub(super) body: Bytes,
}

impl Instance {
    /// Starts the function's program, and waits until it listens.
    pub(super) async fn start(
        world: &World,
        function: &Function,
        folder: &Path,
        now: Timestamp,
    ) -> io::Result<Self> {
        let code = function.code.as_ref().ok_or_else(|| io::Error::other("the function has no code"))?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
        let id = format!("c-{:016x}", fastrand::u64(..));
        let config = &function.config;
        let root = code.folder.to_string_lossy().into_owned();
        let here =
            |text: &String| text.strip_prefix("/code").map_or(text.clone(), |rest| format!("{root}{rest}"));
        let custom = config.custom_runtime_config.clone().unwrap_or_default();
        let mut words: Vec<String> = custom.command.iter().chain(&custom.args).map(here).collect();
        if custom.command.is_empty() {
            words.insert(0, format!("{root}/bootstrap"));
        }
        std::fs::create_dir_all(folder)?;
        let log = folder.join(format!("{}.log", config.function_name));
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let options = &world.options;
        let port_text = port.to_string();
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .current_dir(&code.folder)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(options.function_environment.iter().map(|(name, value)| (name, value)))
            .envs(&config.environment_variables)
            .env("FC_FUNC_CODE_PATH", &code.folder)
            .env("FC_ACCOUNT_ID", &options.account_id)
            .env("FC_FUNCTION_NAME", &config.function_name)
            .env("FC_FUNCTION_HANDLER", &config.handler)
            .env("FC_FUNCTION_MEMORY_SIZE", config.memory_size.to_string())
            .env("FC_REGION", &options.region)
            .env("FC_CUSTOM_LISTEN_PORT", &port_text)
            .env("FC_SERVER_PORT", &port_text)
            .env("FC_INSTANCE_ID", &id)
            .env("FC_FUNCTION_VERSION", "LATEST")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        if let Some(role) = config.role_for(Inject::Env) {
            let key = world.credentials_of(role).key;
            command.env("ALIBABA_CLOUD_ACCESS_KEY_ID", key.id);
            command.env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", key.secret);
            command.env("ALIBABA_CLOUD_SECURITY_TOKEN", key.token.unwrap_or_default());
        }
        let child = command.spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let instance = Instance {
            id,
            port,
            group,
            child: Mutex::new(child),
            ended: AtomicBool::new(false),
            freeze: options.freeze,
            busy: Mutex::new(0),
            idle_since: AtomicU64::new(now),
        };
        tokio::time::timeout(START, instance.listens()).await.map_err(|_| {
            io::Error::other(format!("nothing listens on port {port} after {} s", START.as_secs()))
        })??;
        let hook = config.instance_lifecycle_config.as_ref().and_then(|hooks| hooks.initializer.as_ref());
        if let Some(hook) = hook {
            let bound = hook.timeout.map_or(INITIALIZE, Duration::from_secs);
            let headers = invoke::headers(world, config, &request_id(), "/initialize");
            let sent = instance.send("POST", "/initialize", &headers, Bytes::new());
            let answer = tokio::time::timeout(bound, sent)
                .await
                .map_err(|_| io::Error::other("the initializer timed out"))??;
            if answer.failed {
                return Err(io::Error::other("the initializer failed"));
            }
        }
        Ok(instance)
    }

    async fn listens(&self) -> io::Result<()> {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_err() {
            if !self.is_alive() {
                return Err(io::Error::other(
                    "the process exited before it listened on FC_CUSTOM_LISTEN_PORT",
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.ended.load(Ordering::SeqCst) && matches!(lock(&self.child).try_wait(), Ok(None))
    }

    /// Sends a request, and reads the answer whole.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> io::Result<Answer> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let connection = tokio::spawn(connection);
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", format!("127.0.0.1:{}", self.port))
            .header("content-type", "application/octet-stream");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(body)).map_err(io::Error::other)?;
        let exchange = async {
            let (parts, body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(io::Error::other)?.to_bytes();
            let failed = parts.headers.get("x-fc-status").is_some_and(|status| status == "404");
            let header_bytes =
                parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
            Ok(Answer { failed, header_bytes, body })
        };
        let answer = exchange.await;
        connection.abort();
        answer
    }

    /// Lets the process run again.
    pub(super) fn thaw(&self) {
        if self.freeze {
            self.signal(Signal::CONT);
        }
    }

    /// Stops the process: an instance has no processor between requests.
    pub(super) fn freeze(&self) {
        if self.freeze {
            self.signal(Signal::STOP);
        }
    }

    /// Tells the function that the instance ends, if it wants to know, and ends it.
    pub(super) async fn stop(&self, world: &World, config: &Config) {
        let hooks = config.instance_lifecycle_config.as_ref();
        if let Some(hook) = hooks.and_then(|hooks| hooks.pre_stop.as_ref()) {
            self.thaw();
            let bound = hook.timeout.map_or(PRE_STOP, Duration::from_secs).min(PRE_STOP);
            let headers = invoke::headers(world, config, &request_id(), "/pre-stop");
            let _ = tokio::time::timeout(bound, self.send("GET", "/pre-stop", &headers, Bytes::new())).await;
        }
        self.kill();
    }

    /// Ends the process and those that it has started.
    pub(super) fn kill(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // While the child is not reaped its id is not given to another process.
        let mut child = lock(&self.child);
        if let (Some(group), Ok(None)) = (self.group, child.try_wait()) {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
    }
}
