//! The store on disk: one file for the rows and objects of all clouds, and one thread that writes.
//!
//! Group commit: the thread takes everything that waits, applies it in one transaction, makes it
//! durable once, and only then answers each. Reads see the last committed state.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError, RwLock},
    thread::JoinHandle,
};

use redb::{Database, DatabaseError, ReadableTable as _, TableDefinition, WriteTransaction};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot,
};

use super::{
    config::OpenError,
    layout::{self, CloudTables, Names, Refusal},
    table::{Outcome, lock},
};
use crate::{backend::StoreError, provider::Provider};

/// The name of the file.
pub const STORE_FILE: &str = "store.redb";
/// The most writes that wait; one more is throttled.
pub const MAX_WAITING_WRITES: usize = 65_536;
/// The most writes in one transaction.
pub const MAX_GROUP: usize = 4_096;
/// How much of the file is kept in memory.
const CACHE_BYTES: usize = 256 * 1024 * 1024;

/// What the store knows about itself.
const FACTS: TableDefinition<'_, &str, &str> = TableDefinition::new("facts");
const OWNER: &str = "owner";

/// Applies a write inside the transaction of its group.
type Apply = Box<dyn FnOnce(&mut CloudTables<'_>) -> Result<Applied, redb::Error> + Send>;
/// Answers, when the fate of the group is known.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

struct Write {
    cloud: usize,
    apply: Apply,
}

struct Applied {
    changed: bool,
    answer: Answer,
}

struct CloudLayout {
    names: Names,
    provider: Provider,
}

/// What the callers and the writer thread share.
struct Shared {
    clouds: Vec<CloudLayout>,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
    /// `None` once closed.
    database: RwLock<Option<Arc<Database>>>,
}

#[derive(Default)]
struct Inbox {
    writes: VecDeque<Write>,
    closed: bool,
}

/// An open store.
pub(super) struct Disk {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Disk {
    /// Opens the store in `directory`, or makes it. After a crash the file is repaired.
    pub(super) fn open(
        directory: &Path,
        clouds: &[(String, Provider)],
        owner: Option<&str>,
    ) -> Result<Self, OpenError> {
        let path = directory.join(STORE_FILE);
        let failed = |cause: String| OpenError::Store { path: path.clone(), cause };
        std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(&path);
        let database = database.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse { path: path.clone() },
            other => failed(other.to_string()),
        })?;
        let clouds: Vec<_> = clouds
            .iter()
            .map(|(name, provider)| CloudLayout { names: Names::of(name), provider: *provider })
            .collect();
        let theirs = make_tables(&database, &clouds, owner).map_err(|error| failed(error.to_string()))?;
        if let (Some(ours), Some(theirs)) = (owner, theirs) {
            return Err(OpenError::OtherOwner { path, theirs, ours: ours.to_owned() });
        }
        sync_directory(directory).map_err(|error| failed(error.to_string()))?;
        let shared = Arc::new(Shared {
            clouds,
            inbox: Mutex::default(),
            arrived: Condvar::new(),
            database: RwLock::new(Some(Arc::new(database))),
        });
        let writer = std::thread::Builder::new().name("store".to_owned()).spawn({
            let shared = shared.clone();
            move || shared.write_groups()
        });
        let writer = writer.map_err(|error| failed(error.to_string()))?;
        Ok(Disk { shared, writer: Mutex::new(Some(writer)) })
    }

    /// Has the writer apply `operation` to the tables of `cloud`; returns when it is durable.
    pub(super) async fn write<T, F>(&self, cloud: usize, operation: F) -> Result<Outcome<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut CloudTables<'_>) -> Result<Outcome<T>, Refusal> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let apply: Apply = Box::new(move |tables| {
            let result = match operation(tables) {
                Ok(outcome) => Ok(outcome),
                Err(Refusal::Store(error)) => Err(error),
                Err(Refusal::Disk(error)) => return Err(error),
            };
            let changed = result.as_ref().is_ok_and(|outcome| outcome.changed);
            // The caller may have gone; the write stands all the same.
            let answer: Answer = Box::new(move |committed| drop(sender.send(committed.and(result))));
            Ok(Applied { changed, answer })
        });
        self.shared.submit(Write { cloud, apply })?;
        let answered = if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            // The writer is outside tokio: a virtual clock must not jump while it works, and it
            // does not while a blocking task runs.
            tokio::task::spawn_blocking(|| receiver.blocking_recv()).await.unwrap_or_else(|_| {
                // The runtime is being shut down, so nobody will see this.
                Ok(Err(closed()))
            })
        } else {
            receiver.await
        };
        // Without an answer the group failed before it was committed.
        answered.unwrap_or_else(|_| Err(StoreError::Unavailable("the disk failed".to_owned())))
    }

    /// Reads from the last committed state. Blocks for as long as the file system does.
    pub(super) fn read<T>(
        &self,
        cloud: usize,
        operation: impl FnOnce(&redb::ReadTransaction, &Names) -> Result<T, Refusal>,
    ) -> Result<T, StoreError> {
        let database = self.shared.database().ok_or_else(closed)?;
        let read = layout::committed(&database)
            .and_then(|state| operation(&state, &self.shared.clouds[cloud].names));
        read.map_err(|refusal| match refusal {
            Refusal::Store(error) => error,
            Refusal::Disk(error) => unavailable(&error),
        })
    }

    /// Writes what waits, then closes the file. Later operations are refused.
    pub(super) fn close(&self) {
        lock(&self.shared.inbox).closed = true;
        self.shared.arrived.notify_one();
        if let Some(writer) = lock(&self.writer).take() {
            // It can only have panicked, which its callers have noticed.
            let _ = writer.join();
        }
        *self.shared.database.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn database(&self) -> Option<Arc<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn submit(&self, write: Write) -> Result<(), StoreError> {
        let mut inbox = lock(&self.inbox);
        if inbox.closed {
            return Err(closed());
        }
        if inbox.writes.len() >= MAX_WAITING_WRITES {
            return Err(StoreError::Throttled);
        }
        inbox.writes.push_back(write);
        drop(inbox);
        self.arrived.notify_one();
        Ok(())
    }

    /// The writer thread.
    fn write_groups(&self) {
        let _guard = CloseInbox(self);
        let Some(database) = self.database() else { return };
        while let Some(group) = self.next_group() {
            commit_group(&database, &self.clouds, group);
        }
    }

    /// Waits for writes; `None` when the store is closed and nothing waits.
    fn next_group(&self) -> Option<Vec<Write>> {
        let inbox = lock(&self.inbox);
        let waiting = |inbox: &mut Inbox| inbox.writes.is_empty() && !inbox.closed;
        let mut inbox = self.arrived.wait_while(inbox, waiting).unwrap_or_else(PoisonError::into_inner);
        let size = inbox.writes.len().min(MAX_GROUP);
        (size > 0).then(|| inbox.writes.drain(..size).collect())
    }
}

/// However the writer thread ends, nobody waits for it afterwards.
struct CloseInbox<'a>(&'a Shared);

impl Drop for CloseInbox<'_> {
    fn drop(&mut self) {
        let mut inbox = lock(&self.0.inbox);
        inbox.closed = true;
        inbox.writes.clear();
    }
}

/// Makes what is missing. When the store has another owner, nothing is made, and that one returned.
fn make_tables(
    database: &Database,
    clouds: &[CloudLayout],
    owner: Option<&str>,
) -> Result<Option<String>, redb::Error> {
    let transaction = database.begin_write()?;
    if let Some(owner) = owner {
        let mut facts = transaction.open_table(FACTS)?;
        let theirs = facts.get(OWNER)?.map(|theirs| theirs.value().to_owned());
        match theirs {
            Some(theirs) if theirs != owner => return Ok(Some(theirs)),
            Some(_) => {}
            None => drop(facts.insert(OWNER, owner)?),
        }
    }
    for cloud in clouds {
        CloudTables::open(&transaction, &cloud.names, cloud.provider)?;
    }
    transaction.commit()?;
    Ok(None)
}

/// Makes the file's own name durable, and its directory's.
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        let directory = directory.canonicalize()?;
        for directory in directory.ancestors().take(2) {
            std::fs::File::open(directory)?.sync_all()?;
        }
    }
    Ok(())
}

/// Applies a group in one transaction, makes it durable, and answers each of its writes.
fn commit_group(database: &Database, clouds: &[CloudLayout], group: Vec<Write>) {
    let mut answers = Vec::with_capacity(group.len());
    let result = match database.begin_write() {
        Ok(transaction) => match apply_group(&transaction, clouds, group, &mut answers) {
            // A commit that fails may still have reached the disk.
            Ok(true) => transaction.commit().map_err(|error| StoreError::Unknown(error.to_string())),
            Ok(false) => transaction.abort().map_err(|error| unavailable(&error.into())),
            Err(error) => Err(unavailable(&error)),
        },
        Err(error) => Err(unavailable(&error.into())),
    };
    for answer in answers {
        answer(result.clone());
    }
}

/// Says whether anything was changed.
fn apply_group(
    transaction: &WriteTransaction,
    clouds: &[CloudLayout],
    group: Vec<Write>,
    answers: &mut Vec<Answer>,
) -> Result<bool, redb::Error> {
    let mut tables: Vec<Option<CloudTables<'_>>> = clouds.iter().map(|_| None).collect();
    let mut changed = false;
    for Write { cloud, apply } in group {
        let open = match &mut tables[cloud] {
            Some(open) => open,
            closed => {
                let CloudLayout { names, provider } = &clouds[cloud];
                closed.insert(CloudTables::open(transaction, names, *provider)?)
            }
        };
        let applied = apply(open)?;
        changed |= applied.changed;
        answers.push(applied.answer);
    }
    Ok(changed)
}

fn unavailable(error: &redb::Error) -> StoreError {
    match error {
        redb::Error::Corrupted(what) => StoreError::Corrupt(what.clone()),
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
