//! Stands between two clouds on loopback: counts the bytes that pass, and can be shut, so that whoever
//! connects is refused.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
};

/// Ports that the system gives nobody by itself, so that a gate that opens again finds its own free.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// How many of them are tried.
const TRIES: usize = 1_000;

/// A gate before a service, open at first.
#[derive(Clone)]
pub struct Gate {
    /// Where it listens.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    address: SocketAddr,
    service: SocketAddr,
    is_open: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
    passed: AtomicU64,
    closed: AtomicU64,
}

impl Gate {
    /// A gate before the service at `service`.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn before(service: SocketAddr) -> Self {
        let (listener, address) = (0..TRIES)
            .find_map(|_| {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(PORTS)));
                TcpListener::bind(address).ok().map(|listener| (listener, address))
            })
            .expect("loopback has free ports");
        let shared = Arc::new(Shared {
            address,
            service,
            is_open: AtomicBool::new(true),
            connections: Mutex::default(),
            passed: AtomicU64::new(0),
            closed: AtomicU64::new(0),
        });
        let gate = Gate { url: format!("http://{address}"), shared };
        gate.accept(listener);
        gate
    }

    /// How many bytes have passed, in both directions.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(SeqCst)
    }

    /// How many connections there were that clients have closed.
    pub fn closed(&self) -> u64 {
        self.shared.closed.load(SeqCst)
    }

    /// Cuts all connections and refuses others.
    pub fn shut(&self) {
        self.shared.is_open.store(false, SeqCst);
        // The listener is closed by whoever waits for a connection, once there is one.
        let _ = TcpStream::connect(self.shared.address);
        while TcpStream::connect(self.shared.address).is_ok() {
            thread::yield_now();
        }
        for connection in self.connections().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Takes connections again.
    ///
    /// # Panics
    /// When somebody else has taken its port.
    pub fn open(&self) {
        let listener = TcpListener::bind(self.shared.address).expect("its port is free");
        self.shared.is_open.store(true, SeqCst);
        self.accept(listener);
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, listener: TcpListener) {
        let gate = self.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !gate.shared.is_open.load(SeqCst) {
                    return;
                }
                gate.pass(client);
            }
        });
    }

    fn pass(&self, client: TcpStream) -> Option<()> {
        let service = TcpStream::connect(self.shared.service).ok()?;
        client.set_nodelay(true).ok()?;
        service.set_nodelay(true).ok()?;
        for (from, to, is_clients) in [(&client, &service, true), (&service, &client, false)] {
            let (from, to, gate) = (from.try_clone().ok()?, to.try_clone().ok()?, self.clone());
            thread::spawn(move || {
                gate.copy(from, to);
                gate.shared.closed.fetch_add(u64::from(is_clients), SeqCst);
            });
        }
        self.connections().extend([client, service]);
        Some(())
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read) = from.read(&mut buffer) {
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
            self.shared.passed.fetch_add(read as u64, SeqCst);
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
        // Nobody needs what is closed; it would fill the process's table of files.
        self.connections().retain(|connection| connection.peer_addr().is_ok());
    }
}
