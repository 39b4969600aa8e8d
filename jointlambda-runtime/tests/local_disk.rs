//! The store on disk: what is acknowledged survives a kill at any moment, and one process uses it
//! at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use jointlambda_runtime::{
    backend::{
        Arrival, Backend, Check, Created, IndexPart, NewRow, StoreError,
        local::{CloudConfig, Config, LocalClouds, OpenError, STORE_FILE, Storage},
    },
    id::{Digest, Incarnation, ObjectKey, RowKey, RunId},
};

/// Set in the processes that are there to be killed: the store's directory.
const CHILD: &str = "JOINTLAMBDA_TEST_STORE";
const ROUND: &str = "JOINTLAMBDA_TEST_ROUND";
const ROUNDS: u64 = 12;
const WRITERS: u32 = 8;
/// Copies that race for every slot and every row.
const COPIES: u32 = 2;

fn open(directory: &Path) -> Result<LocalClouds, OpenError> {
    let clouds = [CloudConfig::aws("AWS"), CloudConfig::aliyun("ALI")];
    LocalClouds::new(Config { storage: Storage::Disk(directory.to_owned()), ..Config::of(clouds) })
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_time().build().expect("a runtime")
}

fn run(round: u64, number: u32) -> RunId {
    RunId::derive("kill", &format!("{round}/{number}"))
}

#[test]
fn what_is_acknowledged_survives_a_kill_at_any_moment() {
    match env::var_os(CHILD) {
        Some(directory) => {
            let round = env::var(ROUND).expect("the round").parse().expect("a number");
            runtime().block_on(write_for_ever(Path::new(&directory), round));
        }
        None => kill_and_check(),
    }
}

/// The child: prints a line for everything acknowledged.
async fn write_for_ever(directory: &Path, round: u64) {
    let clouds = Arc::new(open(directory).expect("the store opens after a kill"));
    let mut writers = Vec::new();
    for writer in 0..WRITERS * COPIES {
        let backends = clouds.backends();
        writers.push(tokio::spawn(async move {
            for number in 0.. {
                let backend = &backends[number as usize % backends.len()];
                write_run(backend, round, number, writer).await;
            }
        }));
    }
    for writer in writers {
        writer.await.expect("a writer ends only with the process");
    }
}

/// All writers write the same runs: each fills its slot, which `COPIES` of them race for.
async fn write_run(backend: &Backend, round: u64, number: u32, writer: u32) {
    let run = run(round, number);
    let expires_at = backend.table.now() + 1_000_000_000;
    let check = Some(Check { at: u64::from(number), ..Check::default() });
    let row = NewRow { body: writer.to_string().into(), check, expires_at, ..NewRow::default() };
    if backend.table.create(&RowKey::run(&run), row).await.expect("create") == Created::New {
        println!("ack {number} created {writer} 0");
    }
    let slot = writer % WRITERS;
    let arrival = Arrival { value: writer.to_string().into(), ..Arrival::at(slot, WRITERS, expires_at) };
    let arrived = backend.table.arrive(&RowKey::run(&run), arrival).await.expect("arrive");
    if arrived.fresh {
        println!("ack {number} arrived {writer} {}", arrived.filled);
    }
    let content = Bytes::from(format!("object {writer}"));
    let object = ObjectKey::new(&Incarnation::of(&run, 0), &Digest::of(&content));
    backend.objects.put(&object, content).await.expect("put");
    println!("ack {number} put {writer} 0");
}

/// What a child has said about one run.
#[derive(Default)]
struct Acknowledged {
    creator: Option<u32>,
    /// Who filled which slot.
    slots: BTreeMap<u32, u32>,
    counts: BTreeSet<u32>,
    put: BTreeSet<u32>,
}

fn kill_and_check() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut random = fastrand::Rng::with_seed(7);
    let mut acknowledged_in_all = 0;
    for round in 0..ROUNDS {
        let mut child = spawn_child(directory.path(), round);
        let acknowledged = kill_after(&mut child, random.usize(0..1500), directory.path());
        acknowledged_in_all += acknowledged.len();
        runtime().block_on(check(directory.path(), round, &acknowledged));
    }
    assert!(acknowledged_in_all > 100, "only {acknowledged_in_all} runs were written before the kills");
}

fn spawn_child(directory: &Path, round: u64) -> Child {
    let mut command = Command::new(env::current_exe().expect("the test's own path"));
    command.args(["--exact", "what_is_acknowledged_survives_a_kill_at_any_moment", "--nocapture"]);
    command.env(CHILD, directory).env(ROUND, round.to_string());
    command.stdout(Stdio::piped()).spawn().expect("a child")
}

/// Kills the child after a number of acknowledgements, and reads what it said until it was dead.
fn kill_after(child: &mut Child, lines: usize, directory: &Path) -> BTreeMap<u32, Acknowledged> {
    let mut runs = BTreeMap::<u32, Acknowledged>::new();
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    let (mut line, mut seen) = (String::new(), 0);
    while output.read_line(&mut line).expect("readable output") > 0 {
        if let Some(said) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("ack ")) {
            note(&mut runs, said);
            if seen == 0 {
                let refused = open(directory).err().map(|error| error.to_string());
                let path = directory.join(STORE_FILE);
                let expected = format!("the store {} is in use by another process", path.display());
                assert_eq!(refused, Some(expected));
            }
            if seen == lines {
                child.kill().expect("the child is killed");
            }
            seen += 1;
        }
        line.clear();
    }
    child.wait().expect("the child is dead");
    runs
}

fn note(runs: &mut BTreeMap<u32, Acknowledged>, said: &str) {
    let words: Vec<&str> = said.split(' ').collect();
    let [number, what, writer, count] = words[..] else { panic!("the child said {said}") };
    let parse = |text: &str| text.parse::<u32>().expect("a number");
    let (writer, count) = (parse(writer), parse(count));
    let run = runs.entry(parse(number)).or_default();
    match what {
        "created" => assert_eq!(run.creator.replace(writer), None, "two creators won"),
        "arrived" => {
            assert_eq!(run.slots.insert(writer % WRITERS, writer), None, "a slot was filled twice");
            assert!(run.counts.insert(count), "two arrivals made the count {count}");
        }
        _ => assert!(run.put.insert(writer)),
    }
}

async fn check(directory: &Path, round: u64, runs: &BTreeMap<u32, Acknowledged>) {
    let clouds = open(directory).expect("the store opens after a kill");
    let backends = clouds.backends();
    let mut due = BTreeSet::new();
    for backend in &backends {
        due.extend(
            backend.table.due(IndexPart::default(), u64::from(u32::MAX), usize::MAX).await.expect("due"),
        );
    }
    for (&number, acknowledged) in runs {
        let backend = &backends[number as usize % backends.len()];
        let run = run(round, number);
        check_row(backend, &run, acknowledged, &due).await;
        for writer in &acknowledged.put {
            let content = format!("object {writer}");
            let object = ObjectKey::new(&Incarnation::of(&run, 0), &Digest::of(content.as_bytes()));
            let found = backend.objects.get(&object).await.expect("get");
            assert_eq!(found, Some(content.into()), "an object of run {number} is gone");
        }
    }
    clouds.shutdown().await;
}

async fn check_row(backend: &Backend, run: &RunId, acknowledged: &Acknowledged, due: &BTreeSet<RowKey>) {
    let key = RowKey::run(run);
    let row = backend.table.get(&key).await.expect("get").expect("every run begins with its row");
    let body = row.body.as_ref().expect("every row begins with its body");
    if let Some(creator) = acknowledged.creator {
        assert_eq!(*body, creator.to_string(), "the row of another creator");
    }
    for (slot, writer) in &acknowledged.slots {
        assert_eq!(row.slots.get(slot), Some(&writer.to_string().into()), "slot {slot}");
    }
    let filled = row.slots.len() as u32;
    assert!(acknowledged.counts.iter().all(|count| *count <= filled), "fewer slots than were counted");
    assert_eq!(row.check_at.is_some(), filled < WRITERS, "a run is open until its row is full");
    assert_eq!(due.contains(&key), row.check_at.is_some(), "the index and the row agree");
    // The store goes on counting where it was: slot 0 again, and a new one.
    let arrival = |slot| Arrival { value: "again".into(), ..Arrival::at(slot, u32::MAX, row.expires_at) };
    let again = backend.table.arrive(&key, arrival(WRITERS)).await.expect("arrive");
    assert!(again.fresh && again.filled == filled + 1, "{filled} slots, then {again:?}");
}

#[test]
fn a_closed_store_refuses_and_can_be_opened_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = RowKey::run(&RunId::derive("w", "closed"));
    runtime().block_on(async {
        let clouds = open(directory.path()).expect("it opens");
        let table = clouds.backends()[0].table.clone();
        assert_eq!(table.create(&key, NewRow::default()).await, Ok(Created::New));
        clouds.shutdown().await;
        let refused = table.create(&key, NewRow::default()).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert!(matches!(table.get(&key).await, Err(StoreError::Unavailable(_))));

        let again = open(directory.path()).expect("it opens again");
        let created = again.backends()[0].table.create(&key, NewRow::default()).await;
        assert!(matches!(created, Ok(Created::Exists(_))), "{created:?}");
        let other = again.backends()[1].table.get(&key).await;
        assert_eq!(other, Ok(None), "clouds have rows of their own");
    });
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(STORE_FILE);
    std::fs::write(&path, "something else").expect("a file");
    let refused = open(directory.path()).err().expect("it is refused").to_string();
    assert!(refused.starts_with(&format!("failed to open the store {}", path.display())), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "something else");
}

#[test]
fn the_store_is_released_when_its_owner_is_dropped() {
    let directory = tempfile::tempdir().expect("a directory");
    runtime().block_on(async {
        let clouds = open(directory.path()).expect("it opens");
        let still_held = clouds.backends();
        assert!(matches!(open(directory.path()), Err(OpenError::InUse { .. })));
        drop(clouds);
        open(directory.path()).expect("it opens again");
        drop(still_held);
    });
}
