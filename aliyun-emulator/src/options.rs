//! What can be set: ports, keys, and whatever was not verified against the live services.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use aliyun_wire::AccessKey;

/// How the emulator behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The address of all listeners: loopback, unless the clients are elsewhere. What listens there runs
    /// the programs that it is given, so it is no address for others to reach.
    pub address: IpAddr,
    /// The port of TableStore; 0 chooses a free one, as for the others.
    pub tablestore_port: u16,
    /// The port of OSS.
    pub oss_port: u16,
    /// The port of Function Compute.
    pub function_compute_port: u16,
    /// The keys that may sign and do not expire.
    pub access_keys: Vec<AccessKey>,
    /// How long the temporary credentials are good that functions get for their role, in seconds, by the
    /// emulator's clock. They get new ones when half of it is over.
    pub credentials_s: u64,
    /// The region: of signatures, of ARNs, and what functions are told.
    pub region: String,
    /// The account: of ARNs, and what functions are told.
    pub account_id: String,
    /// Whether OSS takes the first signature, as it does of accounts from before 2025.
    pub oss_v1: bool,
    /// Which environment variables functions get beside those of Function Compute and their own.
    pub function_environment: Vec<(String, String)>,
    /// Where functions' code and output are kept; a temporary folder where there is none.
    pub folder: Option<PathBuf>,
    /// Whether instances are stopped (`SIGSTOP`) between requests.
    pub freeze: bool,
    /// How long an instance may be idle, in milliseconds.
    pub idle_ms: u64,
    /// How many instances of one function there may be.
    pub max_instances: usize,
    /// The longest asynchronous payload, in bytes: 128 KB, or 256 KB where Alibaba Cloud raised it.
    pub async_payload_bytes: usize,
    /// The first pause before a failed event is delivered again, in milliseconds; it doubles.
    pub retry_pause_ms: u64,
    /// For how long events are retried that are throttled or meet a system error, in milliseconds.
    pub system_retry_ms: u64,
    /// From what the random choices of faults follow.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            address: Ipv4Addr::LOCALHOST.into(),
            tablestore_port: 0,
            oss_port: 0,
            function_compute_port: 0,
            access_keys: vec![AccessKey::new("testAccessKeyId", "testAccessKeySecret")],
            credentials_s: 36 * 60 * 60,
            region: "cn-hongkong".to_owned(),
            account_id: "1234567890123456".to_owned(),
            oss_v1: false,
            function_environment: Vec::new(),
            folder: None,
            freeze: true,
            idle_ms: 3 * 60 * 1000,
            max_instances: 300,
            async_payload_bytes: 128 * 1024,
            retry_pause_ms: 500,
            system_retry_ms: 5 * 60 * 60 * 1000,
            seed: 1,
        }
    }
}
