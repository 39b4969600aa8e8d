//! Stands between functions and a service on loopback: counts the requests, makes some twice, and loses
//! answers.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
};

/// The longest head of a request.
const MAX_HEAD: usize = 64 * 1024;

/// A proxy that runs for as long as the process.
#[derive(Clone)]
pub struct Proxy {
    /// Where it listens.
    pub url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    counts: Mutex<BTreeMap<String, u64>>,
    twice: AtomicBool,
    /// How many invocations are left alone until the one whose answer is lost, and that one.
    until_lost: AtomicU64,
    lost: AtomicU64,
}

impl Proxy {
    /// A proxy before the service at `url`.
    pub fn before(url: &str) -> Self {
        let service = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Seen::default());
        let proxy = Proxy { url: format!("http://{address}"), seen: seen.clone() };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (service, seen) = (service.clone(), seen.clone());
                thread::spawn(move || pass(client, &service, &seen));
            }
        });
        proxy
    }

    /// From now on every invocation of a function is made twice.
    pub fn invoke_twice(&self) {
        self.seen.twice.store(true, SeqCst);
    }

    /// Of the invocations from now on, after `skip` others, one is made and its answer is lost.
    pub fn lose_answer(&self, skip: u32) {
        self.seen.until_lost.store(u64::from(skip) + 1, SeqCst);
    }

    /// How many answers were lost.
    pub fn lost(&self) -> u64 {
        self.seen.lost.load(SeqCst)
    }

    /// How many requests there were, by operation.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.seen.counts.lock().expect("nobody panics with it").clone()
    }

    /// Forgets what was counted.
    pub fn reset(&self) {
        self.seen.counts.lock().expect("nobody panics with it").clear();
    }
}

/// Passes on the one request of a connection; whoever has another makes a connection for it.
fn pass(mut client: TcpStream, service: &str, seen: &Seen) -> Option<()> {
    client.set_nodelay(true).ok()?;
    let (mut request, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    let head = loop {
        let read = client.read(&mut buffer).ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&buffer[..read]);
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if request.len() > MAX_HEAD {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).into_owned();
    let header = |name: &str| {
        let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line[name.len() + 1..].trim().to_owned())
    };
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    if header("expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    while request.len() < head + length {
        let read = client.read(&mut buffer).ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&buffer[..read]);
    }
    let first = text.lines().next()?.to_owned();
    let invokes =
        first.contains("/invocations") && header("x-amz-invocation-type").as_deref() == Some("Event");
    let operation = match header("x-amz-target") {
        Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
        None if invokes => "Invoke".to_owned(),
        None => first.split(' ').next().unwrap_or_default().to_owned(),
    };
    *seen.counts.lock().expect("nobody panics with it").entry(operation).or_default() += 1;

    // One request, then the end: so an answer is whole when nothing follows.
    let lines =
        text.lines().filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:"));
    let mut sent = lines.collect::<Vec<_>>().join("\r\n").into_bytes();
    sent.extend_from_slice(b"\r\nconnection: close\r\n\r\n");
    sent.extend_from_slice(&request[head..]);
    let times = if invokes && seen.twice.load(SeqCst) { 2 } else { 1 };
    let mut answer = Vec::new();
    for _ in 0..times {
        let mut upstream = TcpStream::connect(service).ok()?;
        upstream.set_nodelay(true).ok()?;
        upstream.write_all(&sent).ok()?;
        answer.clear();
        upstream.read_to_end(&mut answer).ok()?;
    }
    let next = |left: u64| left.checked_sub(1);
    if invokes && seen.until_lost.fetch_update(SeqCst, SeqCst, next) == Ok(1) {
        seen.lost.fetch_add(1, SeqCst);
        return None;
    }
    client.write_all(&answer).ok()?;
    client.shutdown(Shutdown::Write).ok()
}
