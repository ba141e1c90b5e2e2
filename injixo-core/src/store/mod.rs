//! Where facts, coverage, quarantine and the import log are kept.
//!
//! A store keeps and returns; what its contents mean is computed above it, for every store alike. Everything that an import
//! changes is one [`Transaction`]: applied whole when it is committed, and not at all when it is dropped or the process
//! ends before.

mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt::Debug;

use async_trait::async_trait;
use injixo_model::{Channel, RejectedRow, Timestamp, Window};

pub use self::memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
use crate::connector::Stream;
use crate::error::Result;

/// Keeps everything that imports bring.
///
/// # Contract
///
/// A transaction sees its own changes and one consistent state otherwise. Writing transactions follow one another; a
/// reading one never sees half of a writing one.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Begins a transaction that may write.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the store cannot be reached or is busy for too long.
    async fn write(&self) -> Result<Box<dyn Transaction>>;

    /// Begins a transaction that only reads.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the store cannot be reached.
    async fn read(&self) -> Result<Box<dyn Transaction>>;
}

/// One consistent view of a store, and the changes that will be applied together.
///
/// Dropping it without [`commit`](Self::commit) undoes its changes.
#[async_trait]
pub trait Transaction: Debug + Send {
    /// The integration of that name.
    ///
    /// # Errors
    ///
    /// When the store fails; so for every method here.
    async fn integration(&mut self, name: &str) -> Result<Option<IntegrationRecord>>;

    /// Adds an integration, or changes the one of that name, and returns its id.
    async fn put_integration(&mut self, name: &str, connector: &str, zone: &str) -> Result<u32>;

    /// The queues, agents or statuses of an integration, in the order of their ids.
    async fn subjects(&mut self, integration: u32, kind: SubjectKind) -> Result<Vec<Subject>>;

    /// Adds subjects; their ids are set by the store and returned in the same order.
    async fn add_subjects(&mut self, integration: u32, subjects: &[Subject]) -> Result<Vec<u32>>;

    /// Changes the attributes of known subjects.
    async fn update_subjects(&mut self, subjects: &[Subject]) -> Result<()>;

    /// The chunks of the named subjects on the named days, sorted by subject and day.
    async fn chunks(&mut self, ranges: &[ChunkRange]) -> Result<Vec<StoredChunk>>;

    /// Writes chunks; one without bytes is removed.
    async fn put_chunks(&mut self, chunks: &[StoredChunk]) -> Result<()>;

    /// What is covered: for all subjects (`subject` is `None`) and for the named one, overlapping `window`.
    async fn coverage(&mut self, stream: StreamId, subject: Option<u32>, window: Window) -> Result<Vec<Covered>>;

    /// Sets what is covered by a later read: within `window` it replaces what was noted for the same subject.
    async fn put_coverage(&mut self, stream: StreamId, covered: &[Covered]) -> Result<()>;

    /// The last import of that stream under that key, and whether it was the stream's last of all.
    async fn last_import(&mut self, stream: StreamId, key: &str) -> Result<Option<(ImportRecord, bool)>>;

    /// The newest imports of an integration, newest first.
    async fn imports(&mut self, integration: u32, limit: u32) -> Result<Vec<ImportRecord>>;

    /// Notes an import and returns its id.
    async fn add_import(&mut self, import: &ImportRecord) -> Result<u64>;

    /// The rejected rows of an integration with the imports that rejected them.
    async fn quarantine(&mut self, integration: u32) -> Result<Vec<(ImportRecord, Vec<RejectedRow>)>>;

    /// Keeps rejected rows of an import.
    async fn add_rejected(&mut self, import: u64, rows: &[RejectedRow]) -> Result<()>;

    /// Lets go of the rejected rows of imports.
    async fn release_rejected(&mut self, imports: &[u64]) -> Result<()>;

    /// Applies every change, durably.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// The stream of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The integration.
    pub integration: u32,
    /// Contacts or statuses.
    pub stream: Stream,
}

/// An integration as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationRecord {
    /// What other records refer to.
    pub id: u32,
    /// The unique name.
    pub name: String,
    /// The kind of its connector.
    pub connector: String,
    /// The zone of its source.
    pub zone: String,
}

/// What has a name in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectKind {
    /// A queue.
    Queue,
    /// An external agent.
    Agent,
    /// An external status.
    Status,
}

/// A queue, an external agent or an external status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What chunks and spans refer to.
    pub id: u32,
    /// What it is.
    pub kind: SubjectKind,
    /// The source's identifier.
    pub external: String,
    /// The channel of a queue.
    pub channel: Channel,
    /// For a queue of ready-made rows the length of its intervals in minutes, zero for one of contacts.
    pub row_minutes: u32,
    /// The start of its first fact.
    pub first: Timestamp,
    /// The start of its last fact.
    pub last: Timestamp,
}

/// The facts of one subject that start on one UTC day, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// The subject.
    pub subject: u32,
    /// The UTC day, counted from 1970-01-01.
    pub day: i32,
    /// The packed facts.
    pub bytes: Vec<u8>,
}

/// Days of a subject, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRange {
    /// The subject.
    pub subject: u32,
    /// The first day.
    pub from: i32,
    /// The last day.
    pub to: i32,
}

/// A stretch of time that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// The subject that was asked for, `None` for all.
    pub subject: Option<u32>,
    /// The time.
    pub window: Window,
    /// When the read began.
    pub read_at: Timestamp,
}

/// One line of the import log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRecord {
    /// Its number; imports of one store are numbered in the order of their commits.
    pub id: u64,
    /// What was imported.
    pub stream: StreamId,
    /// The key of a delivery, empty for a window.
    pub key: String,
    /// The fingerprint of the settings under which a delivery was read.
    pub settings: String,
    /// What it is called for people.
    pub name: String,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// From the first fact to just behind the last one, or the window.
    pub window: Option<Window>,
    /// The subjects that it named, where some of its rows were rejected.
    pub subjects: Vec<u32>,
    /// Rows that became facts.
    pub imported: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// Rows that were left out on purpose.
    pub skipped: u64,
    /// Facts that were not there before.
    pub added: u64,
    /// Facts that took the place of others of the same start.
    pub replaced: u64,
    /// Facts that are there no more.
    pub gone: u64,
}

/// What is left of noted coverage once `newer` is noted for the same subject; shared by all stores.
fn trimmed(older: &[Covered], newer: &Covered) -> Vec<Covered> {
    let mut rest = Vec::new();
    for held in older {
        let left = Window::new(held.window.from(), held.window.to().min(newer.window.from()));
        let right = Window::new(held.window.from().max(newer.window.to()), held.window.to());
        rest.extend([left, right].into_iter().flatten().map(|window| Covered { window, ..*held }));
    }
    rest
}
