//! Functions are frozen between events, and meanwhile lose their connections: with word of it, as where a
//! service closes what is idle, or without, as where a network forgets. The next event is handled all the
//! same, at its first delivery.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use jointlambda::{Client, Options};
use jointlambda_cloud_tests::{
    Account, Deploy, Standin, given_up::keeps_its_connections, told::Told, tunnel::Tunnel,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_told-aws");
const TABLE: &str = "rows";
/// What Lambda gives each execution here: a second delivery would come after it.
const TIMEOUT: Duration = Duration::from_secs(30);

struct Frozen {
    standin: Standin,
    tunnel: Tunnel,
    client: Client<Told>,
    log: PathBuf,
}

impl Frozen {
    async fn new() -> Self {
        let standin = Standin::ministack();
        let (account, tunnel) = (Account::at(&standin.url), Tunnel::to(&standin.url));
        account.create_table(TABLE).await;
        account.create_bucket();
        let log = standin.folder().join("functions");
        let extra = [("AWS_ENDPOINT_URL_DYNAMODB", &*tunnel.url), ("AWS_ENDPOINT_URL_LAMBDA", &*tunnel.url)];
        let deploy = Deploy { extra: &extra, log: Some(&log), ..Deploy::default() };
        account.deploy_as::<Told>(Path::new(PROGRAM), TABLE, deploy).await;
        let client = Client::new(vec![account.backend::<Told>(TABLE)], Options::default());
        Frozen { standin, tunnel, client, log }
    }

    /// Sends a signal to every process of the workflow's functions; how many there are.
    fn signal(&self, name: &str) -> usize {
        let is_ours = |pid: &u32| {
            let read = |what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
            let has = |bytes: &[u8], text: &str| String::from_utf8_lossy(bytes).contains(text);
            has(&read("cmdline"), PROGRAM) && has(&read("environ"), &self.standin.url)
        };
        let pids = fs::read_dir("/proc").expect("this is Linux").flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_ours);
        let sent = pids.map(|pid| Command::new("kill").args([name, &pid.to_string()]).status());
        sent.filter(|status| status.as_ref().is_ok_and(|status| status.success())).count()
    }

    async fn run(&self, key: &str, x: u64) {
        let run = self.client.start(key, x).await.expect("it starts");
        let result = tokio::time::timeout(TIMEOUT, self.client.result(&run)).await;
        assert_eq!(
            result.expect("it ends before a second delivery").expect("it returns"),
            2 * x + 1,
            "{key}"
        );
    }

    /// Handles an event, is frozen, loses its connections by `lose`, and handles another event.
    async fn handles_the_next_event_once(&self, lose: impl Fn(&Tunnel) -> usize) {
        self.run("warm", 1).await;
        // Whoever was last may still be answering.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(self.signal("-STOP"), 2, "each function has an instance");
        let lost = lose(&self.tunnel);
        // Each at least to the table, and the first to the other function.
        assert!(lost >= 3, "{lost} connections were lost");
        let began = Instant::now();
        let thaw = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(self.signal("-CONT"), 2);
        };
        tokio::join!(self.run("thawed", 10), thaw);
        crate::say(&format!("the run after the freeze took {} ms", began.elapsed().as_millis()));
        // A second delivery would come within this time.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let told = fs::read_to_string(&self.log).expect("functions tell of themselves");
        let times = |line: &str| told.lines().filter(|one| *one == line).count();
        assert_eq!((times("double 10"), times("increment 20")), (1, 1), "{told}");
        assert!(!told.contains(" failed"), "{told}");
    }
}

#[tokio::test]
async fn connections_that_were_closed_meanwhile_are_made_anew() {
    Frozen::new().await.handles_the_next_event_once(Tunnel::cut).await;
}

#[tokio::test]
async fn connections_that_nothing_comes_through_are_given_up() {
    Frozen::new().await.handles_the_next_event_once(Tunnel::black_hole).await;
}

#[tokio::test]
async fn a_read_that_is_given_up_costs_no_connection() {
    let standin = Standin::dynamodb_local();
    Account::at(&standin.url).create_table(TABLE).await;
    let tunnel = Tunnel::to(&standin.url);
    let backend = Account::at(&tunnel.url).backend::<Told>(TABLE);
    keeps_its_connections(&*backend.table, &tunnel).await;
}
