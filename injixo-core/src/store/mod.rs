//! Where facts, coverage, quarantine, the import log and everything that a running system remembers are kept.
//!
//! A store keeps and returns; what its contents mean is computed above it, for every store alike. Everything that an import
//! changes is one [`Transaction`]: applied whole when it is committed, and not at all when it is dropped or the process
//! ends before.

mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod records;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod suite;

use std::collections::BTreeSet;
use std::fmt::Debug;

use async_trait::async_trait;
use injixo_model::{RejectedRow, Timestamp, Window};

pub use self::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
pub use self::records::{
    ChunkRange, Covered, FeedEntry, FeedKind, ImportRecord, ImportedSince, IntegrationRecord, IntegrationState, Lane,
    Layer, Lease, MappedKind, MappingRecord, RangeKind, RangeRecord, StoredChunk, StreamId, Subject, SubjectKind,
    TableChange, WorkRecord,
};
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
use crate::error::{Error, ErrorKind, Result};

/// Keeps everything that imports bring.
///
/// # Contract
///
/// A transaction sees its own changes and one consistent state otherwise. Writing transactions that have
/// [locked](Transaction::lock_integration) the same integration follow one another; a reading one never sees half of a
/// writing one. Feed revisions become visible in their order.
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
    /// The store's own clock, where it has one that all its hosts share; else the host's clock counts.
    ///
    /// # Errors
    ///
    /// When the store fails; so for every method here.
    async fn now(&mut self) -> Result<Option<Timestamp>>;

    // Integrations.

    /// All integrations in the order of their ids, deleted ones included.
    async fn integrations(&mut self) -> Result<Vec<IntegrationRecord>>;

    /// The integration of that name: the one that is not deleted, else the one deleted last.
    async fn integration(&mut self, name: &str) -> Result<Option<IntegrationRecord>>;

    /// The integration with that id.
    async fn integration_by_id(&mut self, id: u32) -> Result<Option<IntegrationRecord>>;

    /// The integration with that id; until the end of this transaction no other one may lock it.
    async fn lock_integration(&mut self, id: u32) -> Result<Option<IntegrationRecord>>;

    /// Adds an integration (its id is zero), or changes the one with that id. Returns the id.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` when another integration that is not deleted has the name.
    async fn put_integration(&mut self, integration: &IntegrationRecord) -> Result<u32>;

    // What integrations name, and their facts.

    /// The queues, agents or statuses of an integration, in the order of their ids.
    async fn subjects(&mut self, integration: u32, kind: SubjectKind) -> Result<Vec<Subject>>;

    /// Adds subjects; their ids are set by the store, greater than zero, and returned in the same order.
    async fn add_subjects(&mut self, integration: u32, subjects: &[Subject]) -> Result<Vec<u32>>;

    /// Changes the attributes of known subjects.
    async fn update_subjects(&mut self, subjects: &[Subject]) -> Result<()>;

    /// The chunks of the named subjects on the named days, in the order of the ranges and sorted by day within each.
    async fn chunks(&mut self, ranges: &[ChunkRange]) -> Result<Vec<StoredChunk>>;

    /// The last day before `day` and the first one after it for which a chunk of the subject is kept.
    async fn neighbours(&mut self, subject: u32, layer: Layer, day: i32) -> Result<(Option<i32>, Option<i32>)>;

    /// Writes chunks; one without bytes is removed.
    async fn put_chunks(&mut self, chunks: &[StoredChunk]) -> Result<()>;

    // What was read.

    /// What is covered: for all subjects (`subject` is `None`) and for the named one, overlapping `window`; sorted by start
    /// for each.
    async fn coverage(&mut self, stream: StreamId, subject: Option<u32>, window: Window) -> Result<Vec<Covered>>;

    /// What is covered of a stream within `window` for all of its subjects and for each; sorted by subject, all of them first,
    /// and by start.
    async fn coverage_of_all(&mut self, stream: StreamId, window: Window) -> Result<Vec<Covered>>;

    /// Forgets everything that is covered of a stream.
    async fn clear_coverage(&mut self, stream: StreamId) -> Result<()>;

    /// Sets what is covered by a later read: within `window` it replaces what was noted for the same subject.
    async fn put_coverage(&mut self, stream: StreamId, covered: &[Covered]) -> Result<()>;

    /// The waived, blocked and asked stretches of a stream, in the order of their ids.
    async fn ranges(&mut self, stream: StreamId) -> Result<Vec<RangeRecord>>;

    /// Adds stretches; their ids are set by the store.
    async fn add_ranges(&mut self, ranges: &[RangeRecord]) -> Result<()>;

    /// Removes stretches.
    async fn remove_ranges(&mut self, ids: &[u64]) -> Result<()>;

    /// What the engine remembers for the change source of a stream.
    async fn mark(&mut self, stream: StreamId) -> Result<Option<String>>;

    /// Sets the mark of a stream.
    async fn put_mark(&mut self, stream: StreamId, mark: &str) -> Result<()>;

    /// The last import of that stream under that key, and whether it was the stream's last of all.
    async fn last_import(&mut self, stream: StreamId, key: &str) -> Result<Option<(ImportRecord, bool)>>;

    /// The newest imports of an integration, newest first.
    async fn imports(&mut self, integration: u32, limit: u32) -> Result<Vec<ImportRecord>>;

    /// What was imported of each stream of an integration by imports with greater numbers than `after`, where there are any.
    async fn imported_since(&mut self, integration: u32, after: u64) -> Result<Vec<ImportedSince>>;

    /// Notes an import and returns its id.
    async fn add_import(&mut self, import: &ImportRecord) -> Result<u64>;

    /// The last import of that stream under each of the keys that has one, in no order.
    async fn last_imports(&mut self, stream: StreamId, keys: &[&str]) -> Result<Vec<ImportRecord>> {
        let mut found = Vec::new();
        for key in keys {
            found.extend(self.last_import(stream, key).await?.map(|(import, _)| import));
        }
        Ok(found)
    }

    /// Notes imports that nothing will refer to.
    async fn add_imports(&mut self, imports: &[ImportRecord]) -> Result<()> {
        for import in imports {
            self.add_import(import).await?;
        }
        Ok(())
    }

    /// Changes whether the deliveries of imports may be applied again although their key is known.
    async fn set_again(&mut self, imports: &[u64], again: bool) -> Result<()>;

    /// The imports of a stream that have rows in quarantine, oldest first.
    async fn quarantined(&mut self, stream: StreamId) -> Result<Vec<ImportRecord>>;

    /// The rejected rows of an integration with the imports that rejected them.
    async fn quarantine(&mut self, integration: u32) -> Result<Vec<(ImportRecord, Vec<RejectedRow>)>>;

    /// Keeps rejected rows of an import.
    async fn add_rejected(&mut self, import: u64, rows: &[RejectedRow]) -> Result<()>;

    /// Lets go of the rejected rows of imports.
    async fn release_rejected(&mut self, imports: &[u64]) -> Result<()>;

    // Who works on what.

    /// The work of one integration, or of all; sorted by integration and lane.
    async fn work(&mut self, integration: Option<u32>) -> Result<Vec<WorkRecord>>;

    /// One piece of work; until the end of this transaction nobody else may claim or change it.
    async fn lock_work(&mut self, integration: u32, lane: Lane) -> Result<Option<WorkRecord>>;

    /// Adds or changes pieces of work.
    async fn put_work(&mut self, work: &[WorkRecord]) -> Result<()>;

    /// Claims up to `limit` pieces of work of the named lanes that are due and that nobody holds (or no longer holds) at
    /// `now`, those due longest first, but for that on the integrations in `except`. Each gets `lease`, the next fencing
    /// number and no window. Work that another transaction is claiming is passed over.
    async fn claim(
        &mut self,
        lanes: &[Lane],
        except: &BTreeSet<u32>,
        lease: &Lease,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<WorkRecord>>;

    /// The earliest instant at which work of the named lanes, but for that on the integrations in `except`, can be claimed: when
    /// it is due, and nobody holds it any more.
    async fn next_claim(&mut self, lanes: &[Lane], except: &BTreeSet<u32>) -> Result<Option<Timestamp>>;

    /// Makes the leases of `lease.owner` last until `lease.until`, but for work that another transaction has locked. Returns all
    /// work that the owner holds, locked or not.
    async fn extend_leases(&mut self, lease: &Lease) -> Result<Vec<(u32, Lane)>>;

    /// What is remembered for a credential, under its hash; until the end of this transaction nobody else may change it.
    async fn lock_credential(&mut self, key: &str) -> Result<Option<String>>;

    /// Sets what is remembered for a credential.
    async fn put_credential(&mut self, key: &str, state: &str) -> Result<()>;

    /// What the engine remembers under a name.
    async fn memo(&mut self, name: &str) -> Result<Option<Vec<u8>>>;

    /// What it remembers under names that begin with `prefix` and lie behind `after`, sorted by name byte by byte; `limit` of them
    /// at most.
    async fn memos(&mut self, prefix: &str, after: &str, limit: u32) -> Result<Vec<(String, Vec<u8>)>>;

    /// Sets what it remembers under names; without bytes it forgets.
    async fn put_memos(&mut self, memos: &[(String, Option<Vec<u8>>)]) -> Result<()>;

    // What people and readers see.

    /// The mappings of an integration, sorted by kind and external identifier.
    async fn mappings(&mut self, integration: u32) -> Result<Vec<MappingRecord>>;

    /// Adds or changes mappings.
    async fn put_mappings(&mut self, integration: u32, mappings: &[MappingRecord]) -> Result<()>;

    /// Removes the mapping of an external identifier.
    async fn remove_mapping(&mut self, integration: u32, kind: MappedKind, external: &str) -> Result<()>;

    /// Adds changes to the feed. They get the next revisions, one each, when this transaction is committed.
    async fn add_feed(&mut self, entries: &[FeedEntry]) -> Result<()>;

    /// The first `limit` entries of the feed that hold a revision after `after`, in order.
    async fn feed(&mut self, after: u64, limit: u32) -> Result<Vec<FeedEntry>>;

    /// The last revision that is visible.
    async fn last_revision(&mut self) -> Result<u64>;

    /// Whether the store keeps tables of intervals and timelines for readers that use SQL.
    fn keeps_tables(&self) -> bool {
        false
    }

    /// Brings the tables for readers that use SQL up to date.
    async fn put_tables(&mut self, _changes: &[TableChange]) -> Result<()> {
        Ok(())
    }

    /// Applies every change, durably.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the connection was lost meanwhile: then it may have been applied or not.
    async fn commit(self: Box<Self>) -> Result<()>;
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

/// Of integrations of one name the one that is not deleted, else the one deleted last.
fn last_named(integrations: impl IntoIterator<Item = IntegrationRecord>) -> Option<IntegrationRecord> {
    integrations.into_iter().max_by_key(|held| (held.state != IntegrationState::Deleted, held.stopped_at, held.id))
}

/// Another integration has the name.
fn name_taken(name: &str) -> Error {
    let message = format!("there is an integration named {name:?} already: choose another name, or delete that one");
    Error::new(ErrorKind::ConfigInvalid, message)
}
