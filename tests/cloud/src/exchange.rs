//! Requests as they come on a connection, for services that a test makes up and proxies that it puts before
//! others.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

/// The longest head of a request.
const MAX_HEAD: usize = 64 * 1024;

/// A request, read whole.
pub struct Asked {
    head: String,
    /// What follows the head.
    pub body: Vec<u8>,
}

impl Asked {
    /// The next request of a connection, if one comes whole.
    pub fn read(client: &mut TcpStream) -> Option<Asked> {
        let (mut request, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        let end = loop {
            let read = client.read(&mut buffer).ok().filter(|read| *read > 0)?;
            request.extend_from_slice(&buffer[..read]);
            if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if request.len() > MAX_HEAD {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let mut asked = Asked { head, body: request.split_off(end) };
        let length: usize =
            asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if asked.header("expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
        }
        while asked.body.len() < length {
            let read = client.read(&mut buffer).ok().filter(|read| *read > 0)?;
            asked.body.extend_from_slice(&buffer[..read]);
        }
        Some(asked)
    }

    /// Its first line: method, path and version.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// A header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let pair = |line| str::split_once(line, ':').map(|(name, value)| (name.trim(), value.trim()));
        self.head.lines().skip(1).filter_map(pair).collect()
    }

    /// What the service at an address answers to it, up to the end of the connection.
    pub fn passed_on(&self, service: &str) -> Option<Vec<u8>> {
        // One request, then the end: so an answer is whole when nothing follows.
        let lines = self
            .head
            .lines()
            .filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:"));
        let mut sent = lines.collect::<Vec<_>>().join("\r\n").into_bytes();
        sent.extend_from_slice(b"\r\nconnection: close\r\n\r\n");
        sent.extend_from_slice(&self.body);
        let mut upstream = TcpStream::connect(service).ok()?;
        upstream.set_nodelay(true).ok()?;
        upstream.write_all(&sent).ok()?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer).ok()?;
        Some(answer)
    }
}

/// Answers the one request of each connection, for as long as the process runs; with nothing it closes the
/// connection. Gives the URL where it listens.
///
/// # Panics
/// When there is no free port.
pub fn serve(answer: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || exchange(client, &*answer));
        }
    });
    format!("http://{address}")
}

fn exchange(mut client: TcpStream, answer: &dyn Fn(&Asked) -> Option<Vec<u8>>) -> Option<()> {
    client.set_nodelay(true).ok()?;
    let asked = Asked::read(&mut client)?;
    client.write_all(&answer(&asked)?).ok()?;
    client.shutdown(Shutdown::Write).ok()
}

/// An answer after which the connection is closed.
pub fn http(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut answer = (answer + "\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}
