//! The emulator as a command.

use std::process::ExitCode;

use aliyun_emulator::{Emulator, Options};
use clap::Parser;

/// Function Compute 3.0, TableStore and OSS of Alibaba Cloud, on loopback
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port of TableStore (0: a free one)
    #[arg(long, default_value_t = 8801)]
    tablestore_port: u16,
    /// Port of OSS (0: a free one)
    #[arg(long, default_value_t = 8802)]
    oss_port: u16,
    /// Port of Function Compute (0: a free one)
    #[arg(long, default_value_t = 8803)]
    function_compute_port: u16,
    /// The access key that may sign, as <id>:<secret>
    #[arg(long, default_value = "testAccessKeyId:testAccessKeySecret")]
    access_key: String,
    /// The region
    #[arg(long, default_value = "cn-hongkong")]
    region: String,
    /// The account
    #[arg(long, default_value = "1234567890123456")]
    account: String,
    /// Let OSS take the first signature too, which new accounts cannot use
    #[arg(long)]
    oss_v1: bool,
    /// An environment variable for all functions, as <name>=<value>; may be given several times
    #[arg(long = "function-env", value_name = "NAME=VALUE")]
    function_env: Vec<String>,
    /// Where functions' code and output are kept (otherwise a temporary folder)
    #[arg(long)]
    folder: Option<std::path::PathBuf>,
    /// Do not stop instances between requests
    #[arg(long)]
    no_freeze: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), String> {
    let (id, secret) = arguments.access_key.split_once(':').ok_or("--access-key is not <id>:<secret>")?;
    let mut options = Options::default();
    options.access_keys = vec![aliyun_wire::AccessKey::new(id, secret)];
    options.tablestore_port = arguments.tablestore_port;
    options.oss_port = arguments.oss_port;
    options.function_compute_port = arguments.function_compute_port;
    options.region = arguments.region;
    options.account_id = arguments.account;
    options.oss_v1 = arguments.oss_v1;
    options.folder = arguments.folder;
    options.freeze = !arguments.no_freeze;
    for pair in &arguments.function_env {
        let (name, value) =
            pair.split_once('=').ok_or(format!("--function-env {pair} is not <name>=<value>"))?;
        options.function_environment.push((name.to_owned(), value.to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("failed to start the runtime: {error}"))?;
    runtime.block_on(async {
        let emulator = Emulator::start(options).await.map_err(|error| {
            format!(
                "failed to listen on 127.0.0.1: {error}; choose other ports, or 0 for free ones (see --help)"
            )
        })?;
        println!("tablestore http://{}", emulator.tablestore());
        println!("oss http://{}", emulator.oss());
        println!("function-compute http://{}", emulator.function_compute());
        println!("ready");
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|error| format!("failed to wait for signals: {error}"))?;
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}
