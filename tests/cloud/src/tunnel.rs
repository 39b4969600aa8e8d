//! A network between functions and a service that connections can be lost in, as they are while a
//! function is frozen.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

/// A tunnel that lasts for as long as the process.
pub struct Tunnel {
    /// Where it begins.
    pub url: String,
    connections: Arc<Mutex<Vec<Connection>>>,
    opened: Arc<AtomicUsize>,
}

struct Connection {
    client: TcpStream,
    service: TcpStream,
    is_mute: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
}

impl Tunnel {
    /// A tunnel to the service at `url`.
    pub fn to(url: &str) -> Self {
        let service = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let connections = Arc::<Mutex<Vec<Connection>>>::default();
        let opened = Arc::<AtomicUsize>::default();
        let (all, count) = (connections.clone(), opened.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                count.fetch_add(1, SeqCst);
                let Some(connection) = open(client, &service) else { continue };
                all.lock().expect("nobody panics with it").push(connection);
            }
        });
        Tunnel { url: format!("http://{address}"), connections, opened }
    }

    /// How many connections have been opened.
    pub fn opened(&self) -> usize {
        self.opened.load(SeqCst)
    }

    /// Both ends are told that the connections that there are have ended; how many they were.
    pub fn cut(&self) -> usize {
        self.end(|connection| {
            let _ = connection.client.shutdown(Shutdown::Both);
            let _ = connection.service.shutdown(Shutdown::Both);
        })
    }

    /// Nothing comes through the connections that there are any more, and nobody is told; how many
    /// they were.
    pub fn black_hole(&self) -> usize {
        self.end(|connection| connection.is_mute.store(true, SeqCst))
    }

    fn end(&self, how: impl Fn(&Connection)) -> usize {
        let mut connections = self.connections.lock().expect("nobody panics with it");
        // What is mute already stays so, and is kept: it is closed when it is dropped.
        connections.retain(|connection| !connection.is_over.load(SeqCst));
        let live = connections.iter().filter(|connection| !connection.is_mute.load(SeqCst));
        live.inspect(|connection| how(connection)).count()
    }
}

fn open(client: TcpStream, service: &str) -> Option<Connection> {
    let service = TcpStream::connect(service).ok()?;
    client.set_nodelay(true).ok()?;
    service.set_nodelay(true).ok()?;
    let (is_mute, is_over) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    for (from, to) in [(&client, &service), (&service, &client)] {
        let (mut from, mut to) = (from.try_clone().ok()?, to.try_clone().ok()?);
        let (is_mute, is_over) = (is_mute.clone(), is_over.clone());
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(read) = from.read(&mut buffer)
                && read > 0
            {
                if !is_mute.load(SeqCst) && to.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            is_over.store(true, SeqCst);
            if !is_mute.load(SeqCst) {
                let _ = to.shutdown(Shutdown::Write);
            }
        });
    }
    Some(Connection { client, service, is_mute, is_over })
}
