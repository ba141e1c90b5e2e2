//! A store whose commits may fail, before or after they are applied, and into which bugs can be planted.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use injixo_core::model::{Millis, RejectedRow, Timestamp, Window};
use injixo_core::store::*;
use injixo_core::{Error, ErrorKind, MemoryStore, Result};

use crate::world::Random;

/// A bug that the simulation must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A window counts as covered past its end.
    WindowClosedAtBothEnds,
    /// Coverage is kept even if the facts beside it are not.
    CoverageBeforeFacts,
    /// A resume takes what was missed for covered.
    ResumeForgetsGap,
    /// A fact that is gone in the source stays.
    NothingIsEverRemoved,
    /// What was read once is never read again.
    NeverLooksBack,
    /// Some changes do not reach the feed.
    FeedLosesChanges,
    /// Some changes reach the feed twice.
    FeedRepeatsChanges,
    /// Statuses from before the last day are fetched after a pause.
    NothingIsWaived,
    /// A window that cannot be read counts as covered.
    BlockedCountsAsCovered,
    /// A pause is forgotten.
    PauseDoesNotHold,
    /// A request for an older back-fill is forgotten.
    RequestsForgotten,
    /// The first and last fact of a queue or agent are not kept up to date.
    SubjectsNotUpdated,
    /// Some imports do not reach the log.
    LogLosesImports,
}

impl Bug {
    pub(crate) const ALL: [Self; 13] = [
        Self::WindowClosedAtBothEnds,
        Self::CoverageBeforeFacts,
        Self::ResumeForgetsGap,
        Self::NothingIsEverRemoved,
        Self::NeverLooksBack,
        Self::FeedLosesChanges,
        Self::FeedRepeatsChanges,
        Self::NothingIsWaived,
        Self::BlockedCountsAsCovered,
        Self::PauseDoesNotHold,
        Self::RequestsForgotten,
        Self::SubjectsNotUpdated,
        Self::LogLosesImports,
    ];
}

#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) random: Random,
    /// Of a hundred commits, how many fail.
    pub(crate) percent: i64,
    /// While an integration is paused.
    pub(crate) paused: Vec<u32>,
    /// Imports that were committed while their integration was paused.
    pub(crate) imported_while_paused: u32,
    /// Everything that was put into the import log and committed.
    pub(crate) logged: Vec<ImportRecord>,
}

#[derive(Debug, Clone)]
pub(crate) struct FaultyStore {
    pub(crate) inner: MemoryStore,
    pub(crate) faults: Arc<Mutex<Faults>>,
    pub(crate) bug: Option<Bug>,
}

#[async_trait]
impl Store for FaultyStore {
    async fn write(&self) -> Result<Box<dyn Transaction>> {
        let inner = self.inner.write().await?;
        Ok(Box::new(Faulty { inner: Some(inner), store: self.clone(), coverage: Vec::new(), imports: Vec::new() }))
    }

    async fn read(&self) -> Result<Box<dyn Transaction>> {
        self.inner.read().await
    }
}

#[derive(Debug)]
struct Faulty {
    inner: Option<Box<dyn Transaction>>,
    store: FaultyStore,
    coverage: Vec<(StreamId, Vec<Covered>)>,
    imports: Vec<ImportRecord>,
}

impl Faulty {
    fn inner(&mut self) -> &mut dyn Transaction {
        &mut **self.inner.as_mut().unwrap()
    }

    fn has(&self, bug: Bug) -> bool {
        self.store.bug == Some(bug)
    }
}

#[async_trait]
impl Transaction for Faulty {
    async fn now(&mut self) -> Result<Option<Timestamp>> {
        self.inner().now().await
    }
    async fn integrations(&mut self) -> Result<Vec<IntegrationRecord>> {
        self.inner().integrations().await
    }
    async fn integration(&mut self, name: &str) -> Result<Option<IntegrationRecord>> {
        self.inner().integration(name).await
    }
    async fn integration_by_id(&mut self, id: u32) -> Result<Option<IntegrationRecord>> {
        self.inner().integration_by_id(id).await
    }
    async fn lock_integration(&mut self, id: u32) -> Result<Option<IntegrationRecord>> {
        self.inner().lock_integration(id).await
    }
    async fn put_integration(&mut self, integration: &IntegrationRecord) -> Result<u32> {
        if self.has(Bug::PauseDoesNotHold) && integration.state == IntegrationState::Paused {
            return Ok(integration.id);
        }
        if self.has(Bug::ResumeForgetsGap)
            && let Some(old) = self.inner().integration_by_id(integration.id).await?
            && let (Some(stopped), IntegrationState::Active) = (old.stopped_at, integration.state)
        {
            let stream = StreamId { integration: old.id, stream: injixo_core::connector::Stream::Contacts };
            let grid = |at: Timestamp| Timestamp::from_millis(at.millis() / 900_000 * 900_000);
            if let Ok(window) = Window::new(grid(stopped), grid(stopped.after(Millis::from_mins(120)))) {
                let covered =
                    Covered { subject: None, window, read_at: window.to().after(Millis::from_mins(30 * 1_440)) };
                self.inner().put_coverage(stream, &[covered]).await?;
            }
        }
        self.inner().put_integration(integration).await
    }
    async fn subjects(&mut self, integration: u32, kind: SubjectKind) -> Result<Vec<Subject>> {
        self.inner().subjects(integration, kind).await
    }
    async fn add_subjects(&mut self, integration: u32, subjects: &[Subject]) -> Result<Vec<u32>> {
        self.inner().add_subjects(integration, subjects).await
    }
    async fn update_subjects(&mut self, subjects: &[Subject]) -> Result<()> {
        if self.has(Bug::SubjectsNotUpdated) && subjects.iter().any(|subject| subject.first < subject.last) {
            return Ok(());
        }
        self.inner().update_subjects(subjects).await
    }
    async fn chunks(&mut self, ranges: &[ChunkRange]) -> Result<Vec<StoredChunk>> {
        self.inner().chunks(ranges).await
    }
    async fn neighbours(&mut self, subject: u32, layer: Layer, day: i32) -> Result<(Option<i32>, Option<i32>)> {
        self.inner().neighbours(subject, layer, day).await
    }
    async fn put_chunks(&mut self, chunks: &[StoredChunk]) -> Result<()> {
        let mut kept = chunks.to_vec();
        if self.has(Bug::NothingIsEverRemoved) {
            kept.clear();
            for chunk in chunks {
                let StoredChunk { subject, layer, day, .. } = *chunk;
                let held = self.inner().chunks(&[ChunkRange { subject, layer, from: day, to: day }]).await?;
                if held.iter().all(|held| held.bytes.len() <= chunk.bytes.len()) {
                    kept.push(chunk.clone());
                }
            }
        }
        self.inner().put_chunks(&kept).await
    }
    async fn coverage(&mut self, stream: StreamId, subject: Option<u32>, window: Window) -> Result<Vec<Covered>> {
        self.inner().coverage(stream, subject, window).await
    }
    async fn put_coverage(&mut self, stream: StreamId, covered: &[Covered]) -> Result<()> {
        let mut covered = covered.to_vec();
        for piece in &mut covered {
            if self.has(Bug::WindowClosedAtBothEnds) {
                piece.window = Window::new(piece.window.from(), piece.window.to().after(Millis::from_mins(15)))?;
            }
            if self.has(Bug::NeverLooksBack) {
                piece.read_at = piece.read_at.after(Millis::from_mins(5 * 1_440));
            }
        }
        self.coverage.push((stream, covered.clone()));
        self.inner().put_coverage(stream, &covered).await
    }
    async fn ranges(&mut self, stream: StreamId) -> Result<Vec<RangeRecord>> {
        self.inner().ranges(stream).await
    }
    async fn add_ranges(&mut self, ranges: &[RangeRecord]) -> Result<()> {
        let mut kept = Vec::new();
        for range in ranges {
            match range.kind {
                RangeKind::Waived if self.has(Bug::NothingIsWaived) => {}
                RangeKind::Asked if self.has(Bug::RequestsForgotten) => {}
                RangeKind::Blocked if self.has(Bug::BlockedCountsAsCovered) => {
                    let covered = Covered { subject: None, window: range.window, read_at: range.at };
                    self.inner().put_coverage(range.stream, &[covered]).await?;
                }
                _ => kept.push(range.clone()),
            }
        }
        self.inner().add_ranges(&kept).await
    }
    async fn remove_ranges(&mut self, ids: &[u64]) -> Result<()> {
        self.inner().remove_ranges(ids).await
    }
    async fn mark(&mut self, stream: StreamId) -> Result<Option<String>> {
        self.inner().mark(stream).await
    }
    async fn put_mark(&mut self, stream: StreamId, mark: &str) -> Result<()> {
        self.inner().put_mark(stream, mark).await
    }
    async fn last_import(&mut self, stream: StreamId, key: &str) -> Result<Option<(ImportRecord, bool)>> {
        self.inner().last_import(stream, key).await
    }
    async fn imports(&mut self, integration: u32, limit: u32) -> Result<Vec<ImportRecord>> {
        self.inner().imports(integration, limit).await
    }
    async fn add_import(&mut self, import: &ImportRecord) -> Result<u64> {
        self.imports.push(import.clone());
        if self.has(Bug::LogLosesImports) && self.store.faults.lock().unwrap().random.chance(3) {
            return Ok(1);
        }
        self.inner().add_import(import).await
    }
    async fn set_again(&mut self, imports: &[u64], again: bool) -> Result<()> {
        self.inner().set_again(imports, again).await
    }
    async fn quarantined(&mut self, stream: StreamId) -> Result<Vec<ImportRecord>> {
        self.inner().quarantined(stream).await
    }
    async fn quarantine(&mut self, integration: u32) -> Result<Vec<(ImportRecord, Vec<RejectedRow>)>> {
        self.inner().quarantine(integration).await
    }
    async fn add_rejected(&mut self, import: u64, rows: &[RejectedRow]) -> Result<()> {
        self.inner().add_rejected(import, rows).await
    }
    async fn release_rejected(&mut self, imports: &[u64]) -> Result<()> {
        self.inner().release_rejected(imports).await
    }
    async fn work(&mut self, integration: Option<u32>) -> Result<Vec<WorkRecord>> {
        self.inner().work(integration).await
    }
    async fn lock_work(&mut self, integration: u32, lane: Lane) -> Result<Option<WorkRecord>> {
        self.inner().lock_work(integration, lane).await
    }
    async fn put_work(&mut self, work: &[WorkRecord]) -> Result<()> {
        if self.has(Bug::PauseDoesNotHold) && work.len() > 1 && work.iter().all(|work| work.due == Timestamp::MAX) {
            return Ok(());
        }
        self.inner().put_work(work).await
    }
    async fn claim(
        &mut self,
        lanes: &[Lane],
        except: &BTreeSet<u32>,
        lease: &Lease,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<WorkRecord>> {
        self.inner().claim(lanes, except, lease, now, limit).await
    }
    async fn next_claim(&mut self, lanes: &[Lane], except: &BTreeSet<u32>) -> Result<Option<Timestamp>> {
        self.inner().next_claim(lanes, except).await
    }
    async fn extend_leases(&mut self, lease: &Lease) -> Result<Vec<(u32, Lane)>> {
        self.inner().extend_leases(lease).await
    }
    async fn lock_credential(&mut self, key: &str) -> Result<Option<String>> {
        self.inner().lock_credential(key).await
    }
    async fn put_credential(&mut self, key: &str, state: &str) -> Result<()> {
        self.inner().put_credential(key, state).await
    }
    async fn memo(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        self.inner().memo(name).await
    }
    async fn memos(&mut self, prefix: &str, after: &str, limit: u32) -> Result<Vec<(String, Vec<u8>)>> {
        self.inner().memos(prefix, after, limit).await
    }
    async fn put_memos(&mut self, memos: &[(String, Option<Vec<u8>>)]) -> Result<()> {
        self.inner().put_memos(memos).await
    }
    async fn coverage_of_all(&mut self, stream: StreamId, window: Window) -> Result<Vec<Covered>> {
        self.inner().coverage_of_all(stream, window).await
    }
    async fn clear_coverage(&mut self, stream: StreamId) -> Result<()> {
        self.inner().clear_coverage(stream).await
    }
    async fn imported_since(&mut self, integration: u32, after: u64) -> Result<Vec<ImportedSince>> {
        self.inner().imported_since(integration, after).await
    }
    async fn mappings(&mut self, integration: u32) -> Result<Vec<MappingRecord>> {
        self.inner().mappings(integration).await
    }
    async fn put_mappings(&mut self, integration: u32, mappings: &[MappingRecord]) -> Result<()> {
        self.inner().put_mappings(integration, mappings).await
    }
    async fn remove_mapping(&mut self, integration: u32, kind: MappedKind, external: &str) -> Result<()> {
        self.inner().remove_mapping(integration, kind, external).await
    }
    async fn add_feed(&mut self, entries: &[FeedEntry]) -> Result<()> {
        let mut kept = Vec::new();
        for entry in entries {
            let is_chosen = self.store.faults.lock().unwrap().random.chance(3);
            match self.store.bug {
                Some(Bug::FeedLosesChanges) if is_chosen => {}
                Some(Bug::FeedRepeatsChanges) if is_chosen => kept.extend([entry.clone(), entry.clone()]),
                _ => kept.push(entry.clone()),
            }
        }
        self.inner().add_feed(&kept).await
    }
    async fn feed(&mut self, after: u64, limit: u32) -> Result<Vec<FeedEntry>> {
        self.inner().feed(after, limit).await
    }
    async fn last_revision(&mut self) -> Result<u64> {
        self.inner().last_revision().await
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        let lost = || Err(Error::new(ErrorKind::Unavailable, "the connection to the store was lost"));
        let inner = self.inner.take().unwrap();
        let (fails, is_applied) = {
            let mut faults = self.store.faults.lock().unwrap();
            let percent = faults.percent;
            (faults.random.chance(percent), faults.random.chance(50))
        };
        if fails && !is_applied {
            drop(inner);
            if self.store.bug == Some(Bug::CoverageBeforeFacts) {
                let mut inner = self.store.inner.write().await?;
                for (stream, covered) in &self.coverage {
                    inner.put_coverage(*stream, covered).await?;
                }
                inner.commit().await?;
            }
            return lost();
        }
        inner.commit().await?;
        let mut faults = self.store.faults.lock().unwrap();
        let paused = faults.paused.clone();
        let while_paused = self.imports.iter().filter(|import| paused.contains(&import.stream.integration)).count();
        faults.imported_while_paused += u32::try_from(while_paused).unwrap();
        faults.logged.append(&mut self.imports);
        if fails { lost() } else { Ok(()) }
    }
}
