//! The emulator as a command.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    process::ExitCode,
};

use aliyun_emulator::{Emulator, Options};
use aliyun_wire::AccessKey;
use clap::Parser;

/// Function Compute 3.0, TableStore and OSS of Alibaba Cloud, on loopback
///
/// Prints where each service is and then `ready`; ends, with all functions, at Ctrl-C or SIGTERM.
#[derive(Parser)]
#[command(version, after_help = AFTER)]
struct Arguments {
    /// Port of TableStore (0: a free one)
    #[arg(long, default_value_t = 8801, value_name = "PORT")]
    tablestore_port: u16,
    /// Port of OSS (0: a free one)
    #[arg(long, default_value_t = 8802, value_name = "PORT")]
    oss_port: u16,
    /// Port of Function Compute (0: a free one)
    #[arg(long, default_value_t = 8803, value_name = "PORT")]
    function_compute_port: u16,
    /// Address of all three; whoever reaches it can run programs here
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    address: IpAddr,
    /// Print where the services are as one line of JSON, when they are ready
    #[arg(long)]
    json: bool,
    /// An access key that may sign, as <id>:<secret>; may be given several times
    #[arg(
        long = "access-key",
        value_name = "ID:SECRET",
        default_value = "testAccessKeyId:testAccessKeySecret"
    )]
    access_keys: Vec<String>,
    /// The region
    #[arg(long, default_value_t = Options::default().region)]
    region: String,
    /// The account
    #[arg(long, default_value_t = Options::default().account_id, value_name = "ID")]
    account: String,
    /// An environment variable for all functions, as <name>=<value>; may be given several times
    #[arg(long = "function-env", value_name = "NAME=VALUE")]
    function_env: Vec<String>,
    /// Where functions' code and output are kept (otherwise a temporary folder)
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Do not stop instances between requests
    #[arg(long)]
    no_freeze: bool,

    /// Let OSS take the first signature too, which new accounts cannot use
    #[arg(long, help_heading = UNVERIFIED)]
    oss_v1: bool,
    /// How long the credentials of a function's role are good
    #[arg(long, default_value_t = Options::default().credentials_s, value_name = "SECONDS", help_heading = UNVERIFIED)]
    credentials_s: u64,
    /// How long a function's program may take until it listens
    #[arg(long, default_value_t = Options::default().start_ms, value_name = "MS", help_heading = UNVERIFIED)]
    start_ms: u64,
    /// How long an instance may be idle
    #[arg(long, default_value_t = Options::default().idle_ms, value_name = "MS", help_heading = UNVERIFIED)]
    idle_ms: u64,
    /// How many instances of one function there may be
    #[arg(long, default_value_t = Options::default().max_instances, value_name = "COUNT", help_heading = UNVERIFIED)]
    max_instances: usize,
    /// The longest asynchronous payload
    #[arg(long, default_value_t = Options::default().async_payload_bytes, value_name = "BYTES", help_heading = UNVERIFIED)]
    async_payload_bytes: usize,
    /// The first pause before a failed event is delivered again; it doubles
    #[arg(long, default_value_t = Options::default().retry_pause_ms, value_name = "MS", help_heading = UNVERIFIED)]
    retry_pause_ms: u64,
    /// How long events are retried that are throttled or meet a system error
    #[arg(long, default_value_t = Options::default().system_retry_ms, value_name = "MS", help_heading = UNVERIFIED)]
    system_retry_ms: u64,
    /// From what the random choices of faults follow
    #[arg(long, default_value_t = Options::default().seed, value_name = "NUMBER")]
    seed: u64,
}

const UNVERIFIED: &str = "Not known of the live services";
const AFTER: &str = "\
On each port, unsigned, for tests (see the README):
  /_emulator/faults       GET, POST a rule, DELETE all: what goes wrong
  /_emulator/clock        GET, POST {\"advance_ms\": 60000} or {\"skew_ms\": -1200000}
  /_emulator/credentials  POST {\"valid_s\": 3600}: temporary ones
  /_emulator/requests     GET, DELETE: how many there were";

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is said in two parts, of which neither may be empty where `both`.
fn pair(flag: &str, form: &str, text: &str, between: char, both: bool) -> Result<(String, String), String> {
    let parts =
        text.split_once(between).filter(|(first, second)| !first.is_empty() && (!both || !second.is_empty()));
    parts
        .map(|(first, second)| (first.to_owned(), second.to_owned()))
        .ok_or_else(|| format!("{flag} is to be {form}"))
}

fn options(arguments: Arguments) -> Result<(Options, bool), String> {
    let mut options = Options::default();
    let key = |text: &String| {
        // What was given may be a secret: it is not repeated.
        pair("--access-key", "<id>:<secret>", text, ':', true).map(|(id, secret)| AccessKey::new(id, secret))
    };
    options.access_keys = arguments.access_keys.iter().map(key).collect::<Result<_, _>>()?;
    let variable =
        |text: &String| pair(&format!("--function-env {text}"), "<name>=<value>", text, '=', false);
    options.function_environment = arguments.function_env.iter().map(variable).collect::<Result<_, _>>()?;
    options.address = arguments.address;
    options.tablestore_port = arguments.tablestore_port;
    options.oss_port = arguments.oss_port;
    options.function_compute_port = arguments.function_compute_port;
    options.region = arguments.region;
    options.account_id = arguments.account;
    options.folder = arguments.folder;
    options.freeze = !arguments.no_freeze;
    options.oss_v1 = arguments.oss_v1;
    options.credentials_s = arguments.credentials_s;
    options.start_ms = arguments.start_ms;
    options.idle_ms = arguments.idle_ms;
    options.max_instances = arguments.max_instances;
    options.async_payload_bytes = arguments.async_payload_bytes;
    options.retry_pause_ms = arguments.retry_pause_ms;
    options.system_retry_ms = arguments.system_retry_ms;
    options.seed = arguments.seed;
    Ok((options, arguments.json))
}

fn run(arguments: Arguments) -> Result<(), String> {
    let (options, as_json) = options(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("failed to start the runtime: {error}"))?;
    runtime.block_on(async {
        // Before anything is said, so that who reads it can end it.
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|error| format!("failed to wait for signals: {error}"))?;
        let emulator = Emulator::start(options).await.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied | io::ErrorKind::AddrNotAvailable => {
                format!("{error}; choose another with --address and --…-port, where 0 is a free port")
            }
            _ => error.to_string(),
        })?;
        let services = [
            ("tablestore", emulator.tablestore()),
            ("oss", emulator.oss()),
            ("function-compute", emulator.function_compute()),
        ]
        .map(|(name, address)| (name, format!("http://{address}")));
        if as_json {
            let services = services.map(|(name, url)| (name.to_owned(), url.into()));
            println!("{}", serde_json::Value::Object(services.into_iter().collect()));
        } else {
            services.iter().for_each(|(name, url)| println!("{name} {url}"));
            println!("ready");
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}
