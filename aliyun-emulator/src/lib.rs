//! Function Compute 3.0, TableStore and OSS of Alibaba Cloud, on loopback.
//!
//! For tests of programs that use them, without an account. Signatures, checksums, limits and error
//! codes are checked and given as Alibaba's documents and SDKs have them; the SDKs themselves are
//! run against it in its tests. Time can be put forward ([`clock::Clock`]), and things go wrong on
//! purpose ([`fault`]). What is not known of the live services is in [`Options`], and in the README.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use aliyun_emulator::{Emulator, Options};
//!
//! let emulator = Emulator::start(Options::default()).await?;
//! println!("TableStore is at http://{}", emulator.tablestore());
//! # Ok(())
//! # }
//! ```

mod admin;
pub mod clock;
pub mod credentials;
pub mod fault;
mod function_compute;
mod http;
mod options;
mod oss;
mod tablestore;
mod world;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::task::JoinHandle;

pub use options::Options;
pub use world::Requests;

use crate::{
    clock::Clock, credentials::Credentials, fault::Rule, function_compute::FunctionCompute, world::World,
};

/// A running emulator; it ends, with all processes it has started, when this is dropped.
pub struct Emulator {
    world: Arc<World>,
    tablestore: SocketAddr,
    oss: SocketAddr,
    function_compute: SocketAddr,
    functions: Arc<FunctionCompute>,
    /// Kept until the emulator ends.
    _folder: Option<TempDir>,
    tasks: Vec<JoinHandle<()>>,
}

impl Emulator {
    /// Opens the three listeners and answers on them.
    ///
    /// # Errors
    /// When a port is taken.
    pub async fn start(options: Options) -> io::Result<Self> {
        let world = World::new(options);
        let address = world.options.address;
        let (listener, tablestore) = http::bind(address, world.options.tablestore_port).await?;
        let mut tasks = vec![http::serve(listener, tablestore::TableStore::new(world.clone()))];
        let (listener, oss) = http::bind(address, world.options.oss_port).await?;
        let buckets = oss::Oss::new(world.clone());
        tasks.push(http::serve(listener, buckets.clone()));
        let (listener, function_compute) = http::bind(address, world.options.function_compute_port).await?;
        let (folder, temporary) = match &world.options.folder {
            Some(folder) => (std::path::absolute(folder)?, None),
            None => {
                let temporary = tempfile::Builder::new().prefix("aliyun-emulator-").tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let functions = FunctionCompute::new(world.clone(), buckets, folder);
        tasks.push(http::serve(listener, functions.clone()));
        tasks.push(tokio::spawn(functions.clone().reap()));
        Ok(Emulator { world, tablestore, oss, function_compute, functions, _folder: temporary, tasks })
    }

    /// Where TableStore listens; for any instance.
    pub fn tablestore(&self) -> SocketAddr {
        self.tablestore
    }

    /// Where OSS listens: `<bucket>.localhost`, or the bucket first in the path.
    pub fn oss(&self) -> SocketAddr {
        self.oss
    }

    /// Where Function Compute listens, for control and for invocations.
    pub fn function_compute(&self) -> SocketAddr {
        self.function_compute
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.world.clock
    }

    /// Temporary credentials, as STS gives them for a role: from now until `valid` has passed by the clock, all
    /// three services take what is signed with them and their token.
    pub fn credentials(&self, valid: Duration) -> Credentials {
        self.world.credentials(valid)
    }

    /// Lets something go wrong.
    ///
    /// # Errors
    /// When there are too many rules.
    pub fn fault(&self, rule: Rule) -> Result<(), String> {
        self.world.faults.add(rule, self.world.clock.now())
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.world.faults.clear();
    }

    /// The faults that hold.
    pub fn faults(&self) -> Vec<Rule> {
        self.world.faults.rules()
    }

    /// How many requests there were, by service and operation: signed as they should be, whatever came
    /// of them.
    pub fn requests(&self) -> Requests {
        self.world.requests()
    }

    /// Counts requests from 0 again.
    pub fn forget_requests(&self) {
        self.world.forget_requests();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.functions.shut_down();
    }
}
