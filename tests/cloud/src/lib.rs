//! Stand-ins for the clouds' services: real programs of others, on loopback, started by a test and
//! stopped with it. `tests/cloud/install` installs them.

mod account;
mod aliyun;
pub mod artefacts;
pub mod damage;
pub mod disorder;
pub mod exchange;
pub mod executions;
pub mod failover;
pub mod gate;
pub mod given_up;
pub mod instance;
pub mod kills;
pub mod meeting;
pub mod named;
mod names;
pub mod package;
pub mod pair;
pub mod processes;
pub mod proxy;
pub mod receiver;
pub mod rights;
pub mod shapes;
pub mod steps;
pub mod terraform;
pub mod told;
pub mod trials;
pub mod tunnel;
pub mod two_clouds;
pub mod workflow;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub use account::{Account, BUCKET, Deploy};
pub use aliyun::{AliyunAccount, AliyunDeploy};

/// How long a stand-in may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ports that the system gives nobody by itself, and that gates do not take.
const PORTS: Range<u16> = 10_000..20_000;
/// How many of them are tried.
const PORT_TRIES: usize = 1_000;

/// A service that runs until this is dropped.
pub struct Standin {
    child: Child,
    /// Where it listens.
    pub url: String,
    /// What it writes.
    pub log: PathBuf,
    folder: TempDir,
}

impl Standin {
    /// DynamoDB Local: DynamoDB's own semantics, also of races.
    pub fn dynamodb_local() -> Self {
        let emulator = installed().join("node_modules/amplify-dynamodb-simulator/emulator");
        Standin::start("DynamoDB Local", |port, folder| {
            let mut command = Command::new("java");
            command.current_dir(folder);
            command.arg(format!("-Djava.library.path={}", emulator.join("DynamoDBLocal_lib").display()));
            command.arg("-jar").arg(emulator.join("DynamoDBLocal.jar"));
            command.args(["-inMemory", "-disableTelemetry", "-port", &port.to_string()]);
            command
        })
    }

    /// ministack: Lambda that runs real programs, DynamoDB, S3.
    pub fn ministack() -> Self {
        Standin::ministack_with(&[])
    }

    /// The same with more in its environment.
    pub fn ministack_with(environment: &[(&str, &str)]) -> Self {
        Standin::start("ministack", |port, folder| {
            let url = format!("http://127.0.0.1:{port}");
            let mut command = Command::new(installed().join("python/bin/python"));
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("launch-ministack.py"));
            command.current_dir(folder).env_clear();
            for kept in ["PATH", "HOME", "LANG"] {
                if let Some(value) = std::env::var_os(kept) {
                    command.env(kept, value);
                }
            }
            command.env("GATEWAY_PORT", port.to_string());
            command.envs([("BIND_HOST", "127.0.0.1"), ("MINISTACK_HOST", "127.0.0.1")]);
            command.env("AWS_ENDPOINT_URL", url);
            command.env("STATE_DIR", folder.join("state")).env("S3_DATA_DIR", folder.join("s3"));
            command.envs(environment.iter().copied());
            command
        })
    }

    fn start(name: &str, command: impl FnOnce(u16, &Path) -> Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let log = folder.path().join("log");
        let port = free_port();
        let mut command = command(port, folder.path());
        let output = File::create(&log).expect("a log can be written");
        let errors = output.try_clone().expect("a file can be opened twice");
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{name} cannot be started ({error}): run tests/cloud/install first, as ./test does")
        });
        let mut standin = Standin { child, url: format!("http://127.0.0.1:{port}"), log, folder };
        let began = Instant::now();
        while !answers(port) {
            let ended = standin.child.try_wait().expect("a child can be asked");
            assert!(
                ended.is_none() && began.elapsed() < PATIENCE,
                "{name} did not start:\n{}",
                standin.said()
            );
            sleep(Duration::from_millis(50));
        }
        standin
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A folder of its own, which goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that it has written.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what the stand-in said last ---\n{}", tail(&self.said()));
        }
    }
}

fn tail(text: &str) -> &str {
    const MOST: usize = 4_000;
    let from = text.len().saturating_sub(MOST);
    &text[text.ceil_char_boundary(from)..]
}

/// Where `tests/cloud/install` puts things.
pub fn installed() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")).join("cloud")
}

/// A port that nobody listens on just now, and that is given to nobody else in this process.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_free =
        |port: &u16| !given.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let port = (0..PORT_TRIES).map(|_| fastrand::u16(PORTS)).find(is_free).expect("loopback has free ports");
    given.insert(port);
    port
}

/// Whether something speaks HTTP there.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let asked = stream.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let mut answer = [0; 4];
    asked.is_ok() && stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP"
}
