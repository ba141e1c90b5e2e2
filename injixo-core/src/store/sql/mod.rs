//! Transactions in the SQL that all databases share; what they do differently is their [`Driver`].

mod facts;
mod feed;
mod integrations;
mod log;
mod memos;
mod splice;
mod statement;
mod tables;
mod work;

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use injixo_model::{RejectedRow, Timestamp, Window};

pub(super) use self::statement::{Row, Sql, Value};
use super::{
    ChunkRange, Covered, FeedEntry, ImportRecord, ImportedSince, IntegrationRecord, Lane, Layer, Lease, MappedKind,
    MappingRecord, RangeRecord, StoredChunk, StreamId, Subject, SubjectKind, TableChange, Transaction, WorkRecord,
};
use crate::error::{Error, ErrorKind, Result};

/// A transaction of one database, and what that database does in its own way.
#[async_trait]
pub(super) trait Driver: fmt::Debug + Send + 'static {
    /// A row of a result.
    type Row: Row + Send;

    /// The `SELECT` of the next batch of the feed; no other transaction gets the same one.
    const NEXT_BATCH: &'static str;

    /// The `SELECT` of the present instant in milliseconds, where the database has a clock that its hosts share.
    const CLOCK: Option<&'static str>;

    /// Whether a chunk has a `place`, which orders chunks by day.
    const PLACES_CHUNKS: bool;

    /// Ends a `SELECT` so that it locks its rows, and waits for whoever has locked them.
    fn row_lock(&self) -> &'static str;

    /// Ends a `SELECT` so that it locks its rows, and passes over those that are locked.
    fn free_row_lock(&self) -> &'static str;

    /// Whether the tables for readers are kept.
    fn keeps_tables(&self) -> bool;

    /// The value of a column for readers that holds an instant, from milliseconds.
    fn instant(millis: &str) -> String;

    /// Milliseconds from a column for readers that holds an instant.
    fn millis(instant: &str) -> String;

    /// The value of a column for readers that holds a count, from millionths.
    fn count(micros: &str) -> String;

    /// Runs a statement; how many rows it changed.
    async fn execute(&mut self, sql: Sql, values: Vec<Value>) -> Result<u64>;

    /// Runs a statement that returns rows.
    async fn query(&mut self, sql: Sql, values: Vec<Value>) -> Result<Vec<Self::Row>>;

    /// Applies what was changed.
    async fn commit(self) -> Result<()>;
}

/// A transaction of any store that speaks SQL.
pub(super) struct SqlTransaction<D> {
    db: D,
    feed: feed::Batch,
}

impl<D: Driver> SqlTransaction<D> {
    pub(super) fn new(db: D) -> Self {
        Self { db, feed: feed::Batch::default() }
    }
}

impl<D: Driver> fmt::Debug for SqlTransaction<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlTransaction").field("db", &self.db).finish_non_exhaustive()
    }
}

/// What a store says when it holds something that it never wrote.
fn corrupt(error: impl fmt::Display) -> Error {
    let message = format!("the store holds something that cannot be read: {error}; restore it from a backup");
    Error::new(ErrorKind::DataInvalid, message)
}

#[async_trait]
impl<D: Driver> Transaction for SqlTransaction<D> {
    async fn now(&mut self) -> Result<Option<Timestamp>> {
        let Some(clock) = D::CLOCK else { return Ok(None) };
        let rows = self.db.query(clock.into(), Vec::new()).await?;
        rows.first().map(|row| row.instant(0)).transpose()
    }

    async fn integrations(&mut self) -> Result<Vec<IntegrationRecord>> {
        integrations::all(&mut self.db).await
    }

    async fn integration(&mut self, name: &str) -> Result<Option<IntegrationRecord>> {
        integrations::named(&mut self.db, name).await
    }

    async fn integration_by_id(&mut self, id: u32) -> Result<Option<IntegrationRecord>> {
        integrations::by_id(&mut self.db, id, "").await
    }

    async fn lock_integration(&mut self, id: u32) -> Result<Option<IntegrationRecord>> {
        let lock = self.db.row_lock();
        integrations::by_id(&mut self.db, id, lock).await
    }

    async fn put_integration(&mut self, integration: &IntegrationRecord) -> Result<u32> {
        integrations::put(&mut self.db, integration).await
    }

    async fn subjects(&mut self, integration: u32, kind: SubjectKind) -> Result<Vec<Subject>> {
        integrations::subjects(&mut self.db, integration, kind).await
    }

    async fn add_subjects(&mut self, integration: u32, subjects: &[Subject]) -> Result<Vec<u32>> {
        integrations::add_subjects(&mut self.db, integration, subjects).await
    }

    async fn update_subjects(&mut self, subjects: &[Subject]) -> Result<()> {
        integrations::update_subjects(&mut self.db, subjects).await
    }

    async fn chunks(&mut self, ranges: &[ChunkRange]) -> Result<Vec<StoredChunk>> {
        facts::chunks(&mut self.db, ranges).await
    }

    async fn neighbours(&mut self, subject: u32, layer: Layer, day: i32) -> Result<(Option<i32>, Option<i32>)> {
        facts::neighbours(&mut self.db, subject, layer, day).await
    }

    async fn put_chunks(&mut self, chunks: &[StoredChunk]) -> Result<()> {
        facts::put_chunks(&mut self.db, chunks).await
    }

    async fn coverage(&mut self, stream: StreamId, subject: Option<u32>, window: Window) -> Result<Vec<Covered>> {
        facts::coverage(&mut self.db, stream, subject, window).await
    }

    async fn coverage_of_all(&mut self, stream: StreamId, window: Window) -> Result<Vec<Covered>> {
        facts::coverage_of_all(&mut self.db, stream, window).await
    }

    async fn clear_coverage(&mut self, stream: StreamId) -> Result<()> {
        facts::clear_coverage(&mut self.db, stream).await
    }

    async fn put_coverage(&mut self, stream: StreamId, covered: &[Covered]) -> Result<()> {
        facts::put_coverage(&mut self.db, stream, covered).await
    }

    async fn ranges(&mut self, stream: StreamId) -> Result<Vec<RangeRecord>> {
        facts::ranges(&mut self.db, stream).await
    }

    async fn add_ranges(&mut self, ranges: &[RangeRecord]) -> Result<()> {
        facts::add_ranges(&mut self.db, ranges).await
    }

    async fn remove_ranges(&mut self, ids: &[u64]) -> Result<()> {
        facts::remove_ranges(&mut self.db, ids).await
    }

    async fn mark(&mut self, stream: StreamId) -> Result<Option<String>> {
        facts::mark(&mut self.db, stream).await
    }

    async fn put_mark(&mut self, stream: StreamId, mark: &str) -> Result<()> {
        facts::put_mark(&mut self.db, stream, mark).await
    }

    async fn last_import(&mut self, stream: StreamId, key: &str) -> Result<Option<(ImportRecord, bool)>> {
        log::last_import(&mut self.db, stream, key).await
    }

    async fn imports(&mut self, integration: u32, limit: u32) -> Result<Vec<ImportRecord>> {
        log::imports(&mut self.db, integration, limit).await
    }

    async fn imported_since(&mut self, integration: u32, after: u64) -> Result<Vec<ImportedSince>> {
        log::imported_since(&mut self.db, integration, after).await
    }

    async fn add_import(&mut self, import: &ImportRecord) -> Result<u64> {
        log::add_import(&mut self.db, import).await
    }

    async fn last_imports(&mut self, stream: StreamId, keys: &[&str]) -> Result<Vec<ImportRecord>> {
        log::last_imports(&mut self.db, stream, keys).await
    }

    async fn add_imports(&mut self, imports: &[ImportRecord]) -> Result<()> {
        log::add_imports(&mut self.db, imports).await
    }

    async fn set_again(&mut self, imports: &[u64], again: bool) -> Result<()> {
        log::set_again(&mut self.db, imports, again).await
    }

    async fn quarantined(&mut self, stream: StreamId) -> Result<Vec<ImportRecord>> {
        log::quarantined(&mut self.db, stream).await
    }

    async fn quarantine(&mut self, integration: u32) -> Result<Vec<(ImportRecord, Vec<RejectedRow>)>> {
        log::quarantine(&mut self.db, integration).await
    }

    async fn add_rejected(&mut self, import: u64, rows: &[RejectedRow]) -> Result<()> {
        log::add_rejected(&mut self.db, import, rows).await
    }

    async fn release_rejected(&mut self, imports: &[u64]) -> Result<()> {
        log::release_rejected(&mut self.db, imports).await
    }

    async fn work(&mut self, integration: Option<u32>) -> Result<Vec<WorkRecord>> {
        work::work(&mut self.db, integration).await
    }

    async fn lock_work(&mut self, integration: u32, lane: Lane) -> Result<Option<WorkRecord>> {
        work::lock_work(&mut self.db, integration, lane).await
    }

    async fn put_work(&mut self, work: &[WorkRecord]) -> Result<()> {
        work::put_work(&mut self.db, work).await
    }

    async fn claim(
        &mut self,
        lanes: &[Lane],
        except: &BTreeSet<u32>,
        lease: &Lease,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<WorkRecord>> {
        work::claim(&mut self.db, (lanes, except), lease, now, limit).await
    }

    async fn next_claim(&mut self, lanes: &[Lane], except: &BTreeSet<u32>) -> Result<Option<Timestamp>> {
        work::next_claim(&mut self.db, (lanes, except)).await
    }

    async fn extend_leases(&mut self, lease: &Lease) -> Result<Vec<(u32, Lane)>> {
        work::extend_leases(&mut self.db, lease).await
    }

    async fn lock_credential(&mut self, key: &str) -> Result<Option<String>> {
        work::lock_credential(&mut self.db, key).await
    }

    async fn put_credential(&mut self, key: &str, state: &str) -> Result<()> {
        work::put_credential(&mut self.db, key, state).await
    }

    async fn memo(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        memos::memo(&mut self.db, name).await
    }

    async fn memos(&mut self, prefix: &str, after: &str, limit: u32) -> Result<Vec<(String, Vec<u8>)>> {
        memos::memos(&mut self.db, prefix, after, limit).await
    }

    async fn put_memos(&mut self, memos: &[(String, Option<Vec<u8>>)]) -> Result<()> {
        memos::put_memos(&mut self.db, memos).await
    }

    async fn mappings(&mut self, integration: u32) -> Result<Vec<MappingRecord>> {
        integrations::mappings(&mut self.db, integration).await
    }

    async fn put_mappings(&mut self, integration: u32, mappings: &[MappingRecord]) -> Result<()> {
        integrations::put_mappings(&mut self.db, integration, mappings).await
    }

    async fn remove_mapping(&mut self, integration: u32, kind: MappedKind, external: &str) -> Result<()> {
        integrations::remove_mapping(&mut self.db, integration, kind, external).await
    }

    async fn add_feed(&mut self, entries: &[FeedEntry]) -> Result<()> {
        self.feed.add(&mut self.db, entries).await
    }

    async fn feed(&mut self, after: u64, limit: u32) -> Result<Vec<FeedEntry>> {
        feed::entries(&mut self.db, after, limit).await
    }

    async fn last_revision(&mut self) -> Result<u64> {
        feed::last_revision(&mut self.db).await
    }

    fn keeps_tables(&self) -> bool {
        self.db.keeps_tables()
    }

    async fn put_tables(&mut self, changes: &[TableChange]) -> Result<()> {
        if self.db.keeps_tables() { tables::put(&mut self.db, changes).await } else { Ok(()) }
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self { mut db, feed } = *self;
        feed.publish(&mut db).await?;
        db.commit().await
    }
}
