//! Where the two clouds are: two network namespaces of one machine, with a wide-area network between them.
//! This program starts itself anew in each. All of it ends with the first.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// The argument with which this program runs in the first namespace.
pub(crate) const INSIDE: &str = "inside";
/// The argument with which it is the other side, in the second.
pub(crate) const OTHER_SIDE: &str = "other-side";
/// The argument with which it is the network between them.
pub(crate) const RELAY: &str = "relay";
/// The addresses of both sides.
pub(crate) const FIRST: &str = "10.99.0.1";
pub(crate) const SECOND: &str = "10.99.0.2";

const FIRST_DEVICE: &str = "wan-first";
const SECOND_DEVICE: &str = "wan-second";
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);

/// Runs this program in a namespace of its own, with the same arguments.
///
/// # Errors
/// Why that is not possible here.
pub(crate) fn go_inside() -> Result<ExitStatus, String> {
    for tool in ["unshare", "setpriv", "ip", "python3"] {
        let version = Command::new(tool).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.map_err(|error| format!("`{tool}` cannot be run: {error}"))?;
    }
    // Whoever is not root is so in a namespace of users.
    let ways: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
    let unshare = |way: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(way);
        command
    };
    let is_allowed = |way: &&[&str]| {
        let tried = unshare(way).args(["ip", "link", "set", "lo", "up"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let way = ways.into_iter().find(is_allowed).ok_or("network namespaces are not allowed")?;
    let device = unshare(way).args(["sh", "-c", ": <> /dev/net/tun"]).stderr(Stdio::null()).status();
    if !device.is_ok_and(|status| status.success()) {
        return Err("/dev/net/tun cannot be used".to_owned());
    }
    let again = unshare(way).arg(this()).arg(INSIDE).args(env::args().skip(1)).status();
    again.map_err(|error| format!("`unshare` cannot be run: {error}"))
}

fn this() -> PathBuf {
    env::current_exe().expect("a program knows where it is")
}

/// The other side, and the network to it. Both end when this is dropped.
pub(crate) struct Other {
    relay: Child,
    side: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Other {
    /// Starts both. What crosses is written down in `log`.
    pub(crate) fn start(one_way: Duration, log: &Path) -> Self {
        ip(&["link", "set", "lo", "up"]);
        let mut side = Command::new("unshare")
            .arg("--net")
            .arg(this())
            .arg(OTHER_SIDE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a namespace can be made, as one was");
        let to = side.stdin.take();
        let from = BufReader::new(side.stdout.take().expect("it is piped"));
        let open = include_str!("open-tun.py");
        let relay = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "python3", "-c", open, FIRST_DEVICE, SECOND_DEVICE])
            .arg(this())
            .args([RELAY, &one_way.as_micros().to_string()])
            .arg(log)
            .spawn()
            .expect("it can be run, as it was");
        let mut other = Other { relay, side, to, from };
        assert_eq!(other.hear(), "here");
        let began = Instant::now();
        while !has_device(SECOND_DEVICE) {
            assert!(began.elapsed() < PATIENCE, "there are no devices");
            sleep(LOOK);
        }
        ip(&["link", "set", SECOND_DEVICE, "netns", &other.side.id().to_string()]);
        ip(&["address", "add", FIRST, "peer", SECOND, "dev", FIRST_DEVICE]);
        ip(&["link", "set", FIRST_DEVICE, "up"]);
        other
    }

    /// Says a line to the other side.
    pub(crate) fn tell(&mut self, line: &str) {
        let to = self.to.as_mut().expect("it is there until the end");
        writeln!(to, "{line}").expect("the other side is there");
    }

    /// What the other side says.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("the other side is there");
        line.trim_end().to_owned()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It ends when it hears nothing more, and takes its processes with it.
        drop(self.to.take());
        let began = Instant::now();
        while matches!(self.side.try_wait(), Ok(None)) && began.elapsed() < PATIENCE {
            sleep(LOOK);
        }
        for child in [&mut self.side, &mut self.relay] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Joins the network, on the other side.
pub(crate) fn join_there() {
    ip(&["link", "set", "lo", "up"]);
    ip(&["address", "add", SECOND, "peer", FIRST, "dev", SECOND_DEVICE]);
    ip(&["link", "set", SECOND_DEVICE, "up"]);
}

fn has_device(name: &str) -> bool {
    let mut show = Command::new("ip");
    show.args(["link", "show", name]).stdout(Stdio::null()).stderr(Stdio::null());
    show.status().is_ok_and(|status| status.success())
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().expect("it can be run, as it was");
    assert!(status.success(), "ip {}", arguments.join(" "));
}
