//! A store that lives as long as the process, for tests and for work without a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_model::{RejectedRow, Timestamp, Window};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    ChunkRange, Covered, ImportRecord, IntegrationRecord, Store, StoredChunk, StreamId, Subject, SubjectKind,
    Transaction, trimmed,
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
    subjects: BTreeMap<u32, (u32, Subject)>,
    chunks: BTreeMap<(u32, i32), Box<[u8]>>,
    coverage: BTreeMap<(StreamId, Option<u32>, Timestamp), Covered>,
    imports: BTreeMap<u64, ImportRecord>,
    quarantine: BTreeMap<u64, Vec<RejectedRow>>,
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

fn next_id<V>(rows: &BTreeMap<u32, V>) -> u32 {
    rows.last_key_value().map_or(1, |(id, _)| id + 1)
}

#[async_trait]
impl Transaction for MemoryTransaction {
    async fn integration(&mut self, name: &str) -> Result<Option<IntegrationRecord>> {
        Ok(self.tables.integrations.values().find(|held| held.name == name).cloned())
    }

    async fn put_integration(&mut self, name: &str, connector: &str, zone: &str) -> Result<u32> {
        let known = self.integration(name).await?.map(|held| held.id);
        let id = known.unwrap_or_else(|| next_id(&self.tables.integrations));
        let record =
            IntegrationRecord { id, name: name.to_owned(), connector: connector.to_owned(), zone: zone.to_owned() };
        self.set(|tables| &mut tables.integrations, id, Some(record));
        Ok(id)
    }

    async fn subjects(&mut self, integration: u32, kind: SubjectKind) -> Result<Vec<Subject>> {
        let rows = self.tables.subjects.values();
        Ok(rows.filter(|row| row.0 == integration && row.1.kind == kind).map(|row| row.1.clone()).collect())
    }

    async fn add_subjects(&mut self, integration: u32, subjects: &[Subject]) -> Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let id = next_id(&self.tables.subjects);
            self.set(|tables| &mut tables.subjects, id, Some((integration, Subject { id, ..subject.clone() })));
            ids.push(id);
        }
        Ok(ids)
    }

    async fn update_subjects(&mut self, subjects: &[Subject]) -> Result<()> {
        for subject in subjects {
            let Some((integration, _)) = self.tables.subjects.get(&subject.id) else {
                return Err(Error::new(ErrorKind::Unexpected, "a subject that is not in the store was changed"));
            };
            let row = (*integration, subject.clone());
            self.set(|tables| &mut tables.subjects, subject.id, Some(row));
        }
        Ok(())
    }

    async fn chunks(&mut self, ranges: &[ChunkRange]) -> Result<Vec<StoredChunk>> {
        let mut found = Vec::new();
        for range in ranges.iter().filter(|range| range.from <= range.to) {
            let rows = self.tables.chunks.range((range.subject, range.from)..=(range.subject, range.to));
            found.extend(rows.map(|(&(subject, day), bytes)| StoredChunk { subject, day, bytes: bytes.to_vec() }));
        }
        Ok(found)
    }

    async fn put_chunks(&mut self, chunks: &[StoredChunk]) -> Result<()> {
        for chunk in chunks {
            let bytes = (!chunk.bytes.is_empty()).then(|| chunk.bytes.clone().into_boxed_slice());
            self.set(|tables| &mut tables.chunks, (chunk.subject, chunk.day), bytes);
        }
        Ok(())
    }

    async fn coverage(&mut self, stream: StreamId, subject: Option<u32>, window: Window) -> Result<Vec<Covered>> {
        let mut found = Vec::new();
        let mut subjects = vec![None];
        subjects.extend(subject.map(Some));
        for subject in subjects {
            let from = (stream, subject, Timestamp::from_millis(i64::MIN));
            let rows = self.tables.coverage.range(from..(stream, subject, window.to()));
            found.extend(rows.map(|(_, held)| *held).filter(|held| held.window.to() > window.from()));
        }
        Ok(found)
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

    async fn last_import(&mut self, stream: StreamId, key: &str) -> Result<Option<(ImportRecord, bool)>> {
        let mut of_stream = self.tables.imports.values().rev().filter(|import| import.stream == stream).enumerate();
        Ok(of_stream.find(|(_, import)| import.key == key).map(|(newer, import)| (import.clone(), newer == 0)))
    }

    async fn imports(&mut self, integration: u32, limit: u32) -> Result<Vec<ImportRecord>> {
        let imports = self.tables.imports.values().rev();
        let of_integration = imports.filter(|import| import.stream.integration == integration);
        Ok(of_integration.take(limit as usize).cloned().collect())
    }

    async fn add_import(&mut self, import: &ImportRecord) -> Result<u64> {
        let id = self.tables.imports.last_key_value().map_or(1, |(id, _)| id + 1);
        self.set(|tables| &mut tables.imports, id, Some(ImportRecord { id, ..import.clone() }));
        Ok(id)
    }

    async fn quarantine(&mut self, integration: u32) -> Result<Vec<(ImportRecord, Vec<RejectedRow>)>> {
        let imports = self.tables.imports.values().filter(|import| import.stream.integration == integration);
        let rows = |import: &ImportRecord| self.tables.quarantine.get(&import.id).cloned();
        Ok(imports.filter_map(|import| Some((import.clone(), rows(import)?))).collect())
    }

    async fn add_rejected(&mut self, import: u64, rows: &[RejectedRow]) -> Result<()> {
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

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.undo.clear();
        Ok(())
    }
}
