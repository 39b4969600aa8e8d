//! A wide-area network between two namespaces: a process that holds a TUN device of each, passes on what
//! comes out of one into the other some time later, and writes down what crosses. Packets are neither lost
//! nor overtaken. Handshakes pay as well, since it is packets that are held up, not requests.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::AsFd,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime},
};

/// The largest packet.
const LARGEST: usize = 65_536;
/// The methods that a request begins with.
const METHODS: [&[u8]; 5] = [b"POST ", b"GET ", b"PUT ", b"HEAD ", b"DELETE "];

/// Something that crossed.
pub(crate) struct Crossing {
    /// When it came to the network, in nanoseconds since the epoch. It left a one-way trip later.
    pub(crate) at: u64,
    /// Whether it went from the first side to the second.
    pub(crate) is_outward: bool,
    pub(crate) what: What,
}

pub(crate) enum What {
    /// A connection was asked for.
    Connection,
    /// A request: what it asks for.
    Request(String),
}

/// Is the network, between the devices that are its standard input and output.
///
/// # Errors
/// The devices cannot be read or written, as when their namespaces are gone.
pub(crate) fn relay(one_way: Duration, log: &Path) -> io::Result<()> {
    let first = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let second = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let log = File::options().append(true).create(true).open(log)?;
    let back = [second.try_clone()?, first.try_clone()?, log.try_clone()?];
    let [from, to, log_back] = back;
    let outward = thread::spawn(move || pass(first, second, one_way, "out", log));
    let inward = thread::spawn(move || pass(from, to, one_way, "in", log_back));
    for side in [outward, inward] {
        side.join().unwrap_or_else(|_| Err(io::Error::other("a side of the network panicked")))?;
    }
    Ok(())
}

fn pass(mut from: File, mut to: File, one_way: Duration, way: &str, mut log: File) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    let writer = thread::spawn(move || {
        for (due, packet) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // A device that is not up yet takes nothing; whoever sent it sends it again.
            let _ = to.write_all(&packet);
        }
    });
    let mut buffer = vec![0; LARGEST];
    loop {
        let length = from.read(&mut buffer)?;
        let packet = &buffer[..length];
        let due = Instant::now() + one_way;
        if sender.send((due, packet.to_vec())).is_err() {
            return writer.join().map_err(|_| io::Error::other("the network panicked"));
        }
        if let Some(what) = seen(packet) {
            let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            log.write_all(format!("{} {way} {what}\n", at.as_nanos()).as_bytes())?;
        }
    }
}

/// What a packet of TCP over IPv4 begins, if anything.
fn seen(packet: &[u8]) -> Option<String> {
    const TCP: u8 = 6;
    const SYN: u8 = 0b0000_0010;
    const ACK: u8 = 0b0001_0000;
    let words = |byte: u8| usize::from(byte) * 4;
    if packet.first()? >> 4 != 4 || *packet.get(9)? != TCP {
        return None;
    }
    let segment = packet.get(words(packet[0] & 0x0f)..)?;
    if segment.get(13)? & (SYN | ACK) == SYN {
        return Some("connection".to_owned());
    }
    let body = segment.get(words(segment.get(12)? >> 4)..)?;
    if !METHODS.iter().any(|method| body.starts_with(method)) {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default().trim_end_matches(" HTTP/1.1");
    let target = lines.take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("x-amz-target").then(|| value.trim().to_owned())
    });
    Some(format!("request {}", target.unwrap_or_else(|| line.to_owned())))
}

/// What has crossed, in order.
pub(crate) fn crossings(log: &Path) -> Vec<Crossing> {
    let text = std::fs::read_to_string(log).expect("the network writes down what crosses");
    let crossing = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (at, way, what) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
        let what = match what.strip_prefix("request ") {
            Some(request) => What::Request(request.to_owned()),
            None => What::Connection,
        };
        Some(Crossing { at, is_outward: way == "out", what })
    };
    let mut all: Vec<_> = text.lines().filter_map(crossing).collect();
    all.sort_by_key(|crossing| crossing.at);
    all
}
