//! A store that lives as long as the process, for tests and for work without a file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_model::{RejectedRow, Timestamp, Window};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    ChunkRange, Covered, FeedEntry, ImportRecord, ImportedSince, IntegrationRecord, IntegrationState, Lane, Layer,
    Lease, MappedKind, MappingRecord, RangeRecord, Store, StoredChunk, StreamId, Subject, SubjectKind, Transaction,
    WorkRecord, last_named, name_taken, trimmed,
};
use crate::error::{Error, ErrorKind, Result};

/// Keeps everything in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Debug, Default)]
struct Tables {
    integrations: BTreeMap<u32, IntegrationRecord>,
    subjects: BTreeMap<(u32, SubjectKind, u32), Subject>,
    owners: BTreeMap<u32, u32>,
    chunks: BTreeMap<(u32, Layer, i32), Box<[u8]>>,
    coverage: BTreeMap<(StreamId, Option<u32>, Timestamp), Covered>,
    ranges: BTreeMap<u64, RangeRecord>,
    marks: BTreeMap<StreamId, String>,
    imports: BTreeMap<u64, ImportRecord>,
    quarantine: BTreeMap<u64, Vec<RejectedRow>>,
    work: BTreeMap<(u32, Lane), WorkRecord>,
    /// The same work by lane and the instant at which it can be claimed.
    claims: BTreeMap<(Lane, Timestamp, u32), ()>,
    credentials: BTreeMap<String, String>,
    memos: BTreeMap<String, Vec<u8>>,
    mappings: BTreeMap<(u32, MappedKind, String), MappingRecord>,
    /// By the last revision that an entry holds.
    feed: BTreeMap<u64, FeedEntry>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn write(&self) -> Result<Box<dyn Transaction>> {
        let tables = Arc::clone(&self.tables).lock_owned().await;
        Ok(Box::new(MemoryTransaction { tables, undo: Vec::new() }))
    }

    async fn read(&self) -> Result<Box<dyn Transaction>> {
        self.write().await
    }
}

type Undo = Box<dyn FnOnce(&mut Tables) + Send>;

/// Changes the tables at once and remembers how to change them back.
struct MemoryTransaction {
    tables: OwnedMutexGuard<Tables>,
    undo: Vec<Undo>,
}

impl std::fmt::Debug for MemoryTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryTransaction").field("changes", &self.undo.len()).finish_non_exhaustive()
    }
}

impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        for undo in self.undo.drain(..).rev() {
            undo(&mut self.tables);
        }
    }
}

impl MemoryTransaction {
    fn set<K, V>(&mut self, table: fn(&mut Tables) -> &mut BTreeMap<K, V>, key: K, value: Option<V>)
    where
        K: Ord + Clone + Send + 'static,
        V: Send + 'static,
    {
        let rows = table(&mut self.tables);
        let old = match value {
            Some(value) => rows.insert(key.clone(), value),
            None => rows.remove(&key),
        };
        self.undo.push(Box::new(move |tables| {
            match old {
                Some(old) => table(tables).insert(key, old),
                None => table(tables).remove(&key),
            };
        }));
    }
}

fn next_id<K: Ord + Copy, V>(rows: &BTreeMap<K, V>, number: impl Fn(K) -> u64) -> u64 {
    rows.last_key_value().map_or(1, |(key, _)| number(*key) + 1)
}

fn claimable(work: &WorkRecord) -> (Lane, Timestamp, u32) {
    let free = work.lease.as_ref().map_or(Timestamp::from_millis(i64::MIN), |lease| lease.until);
    (work.lane, work.due.max(free), work.integration)
}

#[async_trait]
impl Transaction for MemoryTransaction {
    async fn now(&mut self) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    async fn integrations(&mut self) -> Result<Vec<IntegrationRecord>> {
        Ok(self.tables.integrations.values().cloned().collect())
    }

    async fn integration(&mut self, name: &str) -> Result<Option<IntegrationRecord>> {
        Ok(last_named(self.tables.integrations.values().filter(|held| held.name == name).cloned()))
    }

    async fn integration_by_id(&mut self, id: u32) -> Result<Option<IntegrationRecord>> {
        Ok(self.tables.integrations.get(&id).cloned())
    }

    async fn lock_integration(&mut self, id: u32) -> Result<Option<IntegrationRecord>> {
        self.integration_by_id(id).await
    }

    async fn put_integration(&mut self, integration: &IntegrationRecord) -> Result<u32> {
        let id = match integration.id {
            0 => u32::try_from(next_id(&self.tables.integrations, u64::from)).unwrap_or(u32::MAX),
            id => id,
        };
        let other = self.integration(&integration.name).await?;
        let is_taken = other.is_some_and(|other| other.id != id && other.state != IntegrationState::Deleted);
        if is_taken && integration.state != IntegrationState::Deleted {
            return Err(name_taken(&integration.name));
        }
        self.set(|tables| &mut tables.integrations, id, Some(IntegrationRecord { id, ..integration.clone() }));
        Ok(id)
    }

    async fn subjects(&mut self, integration: u32, kind: SubjectKind) -> Result<Vec<Subject>> {
        let range = (integration, kind, 0)..=(integration, kind, u32::MAX);
        Ok(self.tables.subjects.range(range).map(|(_, subject)| subject.clone()).collect())
    }

    async fn add_subjects(&mut self, integration: u32, subjects: &[Subject]) -> Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let id = u32::try_from(next_id(&self.tables.owners, u64::from)).unwrap_or(u32::MAX);
            self.set(|tables| &mut tables.owners, id, Some(integration));
            let key = (integration, subject.kind, id);
            self.set(|tables| &mut tables.subjects, key, Some(Subject { id, ..subject.clone() }));
            ids.push(id);
        }
        Ok(ids)
    }

    async fn update_subjects(&mut self, subjects: &[Subject]) -> Result<()> {
        for subject in subjects {
            let Some(&integration) = self.tables.owners.get(&subject.id) else {
                return Err(Error::new(ErrorKind::Unexpected, "a subject that is not in the store was changed"));
            };
            let key = (integration, subject.kind, subject.id);
            self.set(|tables| &mut tables.subjects, key, Some(subject.clone()));
        }
        Ok(())
    }

    async fn chunks(&mut self, ranges: &[ChunkRange]) -> Result<Vec<StoredChunk>> {
        let mut found = Vec::new();
        for range in ranges.iter().filter(|range| range.from <= range.to) {
            let ChunkRange { subject, layer, from, to } = *range;
            let rows = self.tables.chunks.range((subject, layer, from)..=(subject, layer, to));
            found.extend(rows.map(|(&(subject, layer, day), bytes)| StoredChunk {
                subject,
                layer,
                day,
                bytes: bytes.to_vec(),
            }));
        }
        Ok(found)
    }

    async fn neighbours(&mut self, subject: u32, layer: Layer, day: i32) -> Result<(Option<i32>, Option<i32>)> {
        let before = self.tables.chunks.range((subject, layer, i32::MIN)..(subject, layer, day)).next_back();
        let after =
            self.tables.chunks.range((subject, layer, day.saturating_add(1))..=(subject, layer, i32::MAX)).next();
        Ok((before.map(|(key, _)| key.2), after.map(|(key, _)| key.2)))
    }

    async fn put_chunks(&mut self, chunks: &[StoredChunk]) -> Result<()> {
        for chunk in chunks {
            let bytes = (!chunk.bytes.is_empty()).then(|| chunk.bytes.clone().into_boxed_slice());
            self.set(|tables| &mut tables.chunks, (chunk.subject, chunk.layer, chunk.day), bytes);
        }
        Ok(())
    }

    async fn coverage(&mut self, stream: StreamId, subject: Option<u32>, window: Window) -> Result<Vec<Covered>> {
        let mut found = Vec::new();
        let mut subjects = vec![None];
        subjects.extend(subject.map(Some));
        for subject in subjects {
            let from = (stream, subject, Timestamp::from_millis(i64::MIN));
            // They do not overlap: going back from the window's end, the first one that lies before it is the last to look at.
            let rows = self.tables.coverage.range(from..(stream, subject, window.to())).rev();
            let begin = found.len();
            found.extend(rows.map(|(_, held)| *held).take_while(|held| held.window.to() > window.from()));
            found[begin..].reverse();
        }
        Ok(found)
    }

    async fn coverage_of_all(&mut self, stream: StreamId, window: Window) -> Result<Vec<Covered>> {
        let from = (stream, None, Timestamp::from_millis(i64::MIN));
        let of_stream = self.tables.coverage.range(from..).take_while(|(key, _)| key.0 == stream);
        Ok(of_stream.map(|(_, held)| *held).filter(|held| held.window.intersection(window).is_some()).collect())
    }

    async fn clear_coverage(&mut self, stream: StreamId) -> Result<()> {
        let keys: Vec<_> = self.tables.coverage.keys().filter(|key| key.0 == stream).copied().collect();
        keys.into_iter().for_each(|key| self.set(|tables| &mut tables.coverage, key, None));
        Ok(())
    }

    async fn put_coverage(&mut self, stream: StreamId, covered: &[Covered]) -> Result<()> {
        for newer in covered {
            let mut older = self.coverage(stream, newer.subject, newer.window).await?;
            older.retain(|held| held.subject == newer.subject);
            for held in &older {
                self.set(|tables| &mut tables.coverage, (stream, held.subject, held.window.from()), None);
            }
            for rest in trimmed(&older, newer).into_iter().chain([*newer]) {
                let key = (stream, rest.subject, rest.window.from());
                self.set(|tables| &mut tables.coverage, key, Some(rest));
            }
        }
        Ok(())
    }

    async fn ranges(&mut self, stream: StreamId) -> Result<Vec<RangeRecord>> {
        Ok(self.tables.ranges.values().filter(|range| range.stream == stream).cloned().collect())
    }

    async fn add_ranges(&mut self, ranges: &[RangeRecord]) -> Result<()> {
        for range in ranges {
            let id = next_id(&self.tables.ranges, |id| id);
            self.set(|tables| &mut tables.ranges, id, Some(RangeRecord { id, ..range.clone() }));
        }
        Ok(())
    }

    async fn remove_ranges(&mut self, ids: &[u64]) -> Result<()> {
        for &id in ids {
            self.set(|tables| &mut tables.ranges, id, None);
        }
        Ok(())
    }

    async fn mark(&mut self, stream: StreamId) -> Result<Option<String>> {
        Ok(self.tables.marks.get(&stream).cloned())
    }

    async fn put_mark(&mut self, stream: StreamId, mark: &str) -> Result<()> {
        self.set(|tables| &mut tables.marks, stream, Some(mark.to_owned()));
        Ok(())
    }

    async fn last_import(&mut self, stream: StreamId, key: &str) -> Result<Option<(ImportRecord, bool)>> {
        let mut of_stream = self.tables.imports.values().rev().filter(|import| import.stream == stream).enumerate();
        Ok(of_stream.find(|(_, import)| import.key == key).map(|(newer, import)| (import.clone(), newer == 0)))
    }

    async fn imports(&mut self, integration: u32, limit: u32) -> Result<Vec<ImportRecord>> {
        let imports = self.tables.imports.values().rev();
        let of_integration = imports.filter(|import| import.stream.integration == integration);
        Ok(of_integration.take(limit as usize).cloned().collect())
    }

    async fn imported_since(&mut self, integration: u32, after: u64) -> Result<Vec<ImportedSince>> {
        let mut since: BTreeMap<StreamId, ImportedSince> = BTreeMap::new();
        let imports = self.tables.imports.range(after.saturating_add(1)..).map(|(_, import)| import);
        for import in imports.filter(|import| import.stream.integration == integration) {
            let (stream, last) = (import.stream, import.id);
            let held = since.entry(stream).or_insert(ImportedSince { stream, window: None, last });
            held.last = last;
            held.window = match (held.window, import.window) {
                (Some(a), Some(b)) => Window::new(a.from().min(b.from()), a.to().max(b.to())).ok(),
                (a, b) => a.or(b),
            };
        }
        Ok(since.into_values().collect())
    }

    async fn add_import(&mut self, import: &ImportRecord) -> Result<u64> {
        let id = next_id(&self.tables.imports, |id| id);
        self.set(|tables| &mut tables.imports, id, Some(ImportRecord { id, ..import.clone() }));
        Ok(id)
    }

    async fn set_again(&mut self, imports: &[u64], again: bool) -> Result<()> {
        for id in imports {
            if let Some(import) = self.tables.imports.get(id) {
                let import = ImportRecord { again, ..import.clone() };
                self.set(|tables| &mut tables.imports, *id, Some(import));
            }
        }
        Ok(())
    }

    async fn quarantined(&mut self, stream: StreamId) -> Result<Vec<ImportRecord>> {
        let imports = self.tables.quarantine.keys().filter_map(|id| self.tables.imports.get(id));
        Ok(imports.filter(|import| import.stream == stream).cloned().collect())
    }

    async fn quarantine(&mut self, integration: u32) -> Result<Vec<(ImportRecord, Vec<RejectedRow>)>> {
        let imports = self.tables.imports.values().filter(|import| import.stream.integration == integration);
        let rows = |import: &ImportRecord| self.tables.quarantine.get(&import.id).cloned();
        Ok(imports.filter_map(|import| Some((import.clone(), rows(import)?))).collect())
    }

    async fn add_rejected(&mut self, import: u64, rows: &[RejectedRow]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut all = self.tables.quarantine.get(&import).cloned().unwrap_or_default();
        all.extend_from_slice(rows);
        self.set(|tables| &mut tables.quarantine, import, Some(all));
        Ok(())
    }

    async fn release_rejected(&mut self, imports: &[u64]) -> Result<()> {
        for &import in imports {
            self.set(|tables| &mut tables.quarantine, import, None);
        }
        Ok(())
    }

    async fn work(&mut self, integration: Option<u32>) -> Result<Vec<WorkRecord>> {
        Ok(match integration {
            Some(id) => {
                let range = (id, Lane::Live)..=(id, Lane::StatusesBackfill);
                self.tables.work.range(range).map(|(_, work)| work.clone()).collect()
            }
            None => self.tables.work.values().cloned().collect(),
        })
    }

    async fn lock_work(&mut self, integration: u32, lane: Lane) -> Result<Option<WorkRecord>> {
        Ok(self.tables.work.get(&(integration, lane)).cloned())
    }

    async fn put_work(&mut self, work: &[WorkRecord]) -> Result<()> {
        for work in work {
            let key = (work.integration, work.lane);
            if let Some(old) = self.tables.work.get(&key).map(claimable) {
                self.set(|tables| &mut tables.claims, old, None);
            }
            self.set(|tables| &mut tables.claims, claimable(work), Some(()));
            self.set(|tables| &mut tables.work, key, Some(work.clone()));
        }
        Ok(())
    }

    async fn claim(
        &mut self,
        lanes: &[Lane],
        except: &BTreeSet<u32>,
        lease: &Lease,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<WorkRecord>> {
        let limit = limit as usize;
        let mut found: Vec<(Lane, Timestamp, u32)> = Vec::new();
        for &lane in lanes {
            let due = (lane, Timestamp::from_millis(i64::MIN), 0)..=(lane, now, u32::MAX);
            let wanted = self.tables.claims.range(due).map(|(key, ())| *key).filter(|key| !except.contains(&key.2));
            found.extend(wanted.take(limit));
        }
        found.sort_unstable_by_key(|(lane, at, id)| (*at, *lane, *id));
        let mut claimed = Vec::new();
        for (lane, _, id) in found.into_iter().take(limit) {
            let Some(work) = self.tables.work.get(&(id, lane)) else { continue };
            let work = WorkRecord { lease: Some(lease.clone()), fence: work.fence + 1, window: None, ..work.clone() };
            self.put_work(std::slice::from_ref(&work)).await?;
            claimed.push(work);
        }
        Ok(claimed)
    }

    async fn next_claim(&mut self, lanes: &[Lane], except: &BTreeSet<u32>) -> Result<Option<Timestamp>> {
        let first = |lane: &Lane| {
            let of_lane = (*lane, Timestamp::from_millis(i64::MIN), 0)..=(*lane, Timestamp::MAX, u32::MAX);
            self.tables.claims.range(of_lane).find(|(key, ())| !except.contains(&key.2)).map(|((_, at, _), ())| *at)
        };
        Ok(lanes.iter().filter_map(first).min().filter(|at| *at < Timestamp::MAX))
    }

    async fn extend_leases(&mut self, lease: &Lease) -> Result<Vec<(u32, Lane)>> {
        let is_owned = |work: &&WorkRecord| work.lease.as_ref().is_some_and(|held| held.owner == lease.owner);
        let owned: Vec<WorkRecord> = self.tables.work.values().filter(is_owned).cloned().collect();
        let held = owned.iter().map(|work| (work.integration, work.lane)).collect();
        for work in owned {
            self.put_work(&[WorkRecord { lease: Some(lease.clone()), ..work }]).await?;
        }
        Ok(held)
    }

    async fn lock_credential(&mut self, key: &str) -> Result<Option<String>> {
        Ok(self.tables.credentials.get(key).cloned())
    }

    async fn put_credential(&mut self, key: &str, state: &str) -> Result<()> {
        self.set(|tables| &mut tables.credentials, key.to_owned(), Some(state.to_owned()));
        Ok(())
    }

    async fn memo(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.tables.memos.get(name).cloned())
    }

    async fn memos(&mut self, prefix: &str, after: &str, limit: u32) -> Result<Vec<(String, Vec<u8>)>> {
        let behind = (Bound::Excluded(after.max(prefix)), Bound::Unbounded);
        let named = self.tables.memos.range::<str, _>(behind).take_while(|(name, _)| name.starts_with(prefix));
        Ok(named.take(limit as usize).map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    async fn put_memos(&mut self, memos: &[(String, Option<Vec<u8>>)]) -> Result<()> {
        for (name, value) in memos {
            self.set(|tables| &mut tables.memos, name.clone(), value.clone());
        }
        Ok(())
    }

    async fn mappings(&mut self, integration: u32) -> Result<Vec<MappingRecord>> {
        let from = (integration, MappedKind::Agent, String::new());
        let of_integration = self.tables.mappings.range(from..).take_while(|(key, _)| key.0 == integration);
        Ok(of_integration.map(|(_, mapping)| mapping.clone()).collect())
    }

    async fn put_mappings(&mut self, integration: u32, mappings: &[MappingRecord]) -> Result<()> {
        for mapping in mappings {
            let key = (integration, mapping.kind, mapping.external.clone());
            self.set(|tables| &mut tables.mappings, key, Some(mapping.clone()));
        }
        Ok(())
    }

    async fn remove_mapping(&mut self, integration: u32, kind: MappedKind, external: &str) -> Result<()> {
        self.set(|tables| &mut tables.mappings, (integration, kind, external.to_owned()), None);
        Ok(())
    }

    async fn add_feed(&mut self, entries: &[FeedEntry]) -> Result<()> {
        for entry in entries.iter().filter(|entry| entry.count > 0) {
            let revision = next_id(&self.tables.feed, |last| last);
            let last = revision + u64::from(entry.count) - 1;
            self.set(|tables| &mut tables.feed, last, Some(FeedEntry { revision, ..entry.clone() }));
        }
        Ok(())
    }

    async fn feed(&mut self, after: u64, limit: u32) -> Result<Vec<FeedEntry>> {
        let entries = self.tables.feed.range(after.saturating_add(1)..).map(|(_, entry)| entry.clone());
        Ok(entries.take(limit as usize).collect())
    }

    async fn last_revision(&mut self) -> Result<u64> {
        Ok(self.tables.feed.last_key_value().map_or(0, |(last, _)| *last))
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.undo.clear();
        Ok(())
    }
}
