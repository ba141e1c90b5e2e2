//! What every store must do, checked on each of them.

mod dump;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod random;
mod tests;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod tables;

use std::sync::Arc;

use injixo_model::{Channel, Millis, RejectedRow, Rule, Timestamp, Window};

use super::*;
use crate::connector::Stream;

/// Claims without an exception.
const NONE: BTreeSet<u32> = BTreeSet::new();

/// A store to be checked.
#[derive(Debug, Clone)]
struct Subjected {
    store: Arc<dyn Store>,
    /// Whether somebody may write while somebody reads.
    readers_overlap: bool,
    /// What must outlive the store.
    _keep: Option<Arc<tempfile::TempDir>>,
}

impl Subjected {
    fn memory() -> Self {
        let store = Arc::new(MemoryStore::new());
        Self { store, readers_overlap: false, _keep: None }
    }

    #[cfg(feature = "sqlite")]
    async fn sqlite() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let store = Arc::new(SqliteStore::open(folder.path().join("store.db")).await.unwrap());
        Self { store, readers_overlap: true, _keep: Some(folder) }
    }

    #[cfg(feature = "postgres")]
    async fn postgres() -> Self {
        let store = Arc::new(PostgresStore::connect(&injixo_test_servers::postgres()).await.unwrap());
        Self { store, readers_overlap: true, _keep: None }
    }

    async fn write(&self) -> Box<dyn Transaction> {
        self.store.write().await.unwrap()
    }

    async fn read(&self) -> Box<dyn Transaction> {
        self.store.read().await.unwrap()
    }

    /// An integration of that name.
    async fn integration(&self, name: &str) -> u32 {
        let mut write = self.write().await;
        let id = write.put_integration(&integration(name)).await.unwrap();
        write.commit().await.unwrap();
        id
    }

    /// An integration with a queue, an agent and a status.
    async fn with_subjects(&self) -> (u32, Vec<u32>) {
        let id = self.integration("Sales").await;
        let mut write = self.write().await;
        let kinds = [SubjectKind::Queue, SubjectKind::Agent, SubjectKind::Status];
        let subjects = kinds.map(|kind| subject(kind, "one"));
        let subjects = write.add_subjects(id, &subjects).await.unwrap();
        write.commit().await.unwrap();
        (id, subjects)
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn window(from: i64, to: i64) -> Window {
    Window::new(at(from), at(to)).unwrap()
}

fn contacts(integration: u32) -> StreamId {
    StreamId { integration, stream: Stream::Contacts }
}

fn integration(name: &str) -> IntegrationRecord {
    IntegrationRecord {
        id: 0,
        name: name.to_owned(),
        connector: "csv".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        config: Some("folder = \"in\"".to_owned()),
        policy: "{}".to_owned(),
        state: IntegrationState::Active,
        generation: 1,
        added_at: at(1_700_000_000_001),
        stopped_at: None,
    }
}

fn subject(kind: SubjectKind, external: &str) -> Subject {
    Subject {
        id: 0,
        kind,
        external: external.to_owned(),
        channel: if kind == SubjectKind::Queue { Channel::Chats } else { Channel::Calls },
        row_minutes: 15,
        first: at(10),
        last: at(20),
        longest: Millis::new(5),
        names: vec![(at(10), "Eins \"1\" \0".to_owned()), (at(12), "Zwei".to_owned())],
    }
}

fn import(stream: StreamId, key: &str) -> ImportRecord {
    ImportRecord {
        id: 0,
        stream,
        key: key.to_owned(),
        settings: "settings".to_owned(),
        name: "a file".to_owned(),
        applied_at: at(99),
        window: Some(window(5, 8)),
        subjects: vec![1, 70_000],
        again: false,
        imported: 1,
        rejected: 2,
        skipped: 3,
        added: 4,
        replaced: 5,
        gone: 6,
    }
}

fn rejected(line: u64) -> RejectedRow {
    RejectedRow {
        source: "a.csv".to_owned(),
        line,
        column: "start".to_owned(),
        rule: Rule::ALL[usize::try_from(line).unwrap() % Rule::ALL.len()],
        excerpt: "x…".to_owned(),
    }
}

fn work(integration: u32, lane: Lane, due: i64) -> WorkRecord {
    WorkRecord { integration, lane, due: at(due), lease: None, fence: 0, window: None, state: "{}".to_owned() }
}

fn lease(owner: &str, until: i64) -> Lease {
    Lease { owner: owner.to_owned(), until: at(until) }
}

fn entry(integration: u32, count: u32, text: &str) -> FeedEntry {
    FeedEntry {
        revision: 0,
        count,
        at: at(7),
        integration,
        subject: 3,
        kind: FeedKind::Intervals,
        bytes: text.as_bytes().to_vec(),
    }
}

fn chunk(subject: u32, layer: Layer, day: i32, bytes: &[u8]) -> StoredChunk {
    StoredChunk { subject, layer, day, bytes: bytes.to_vec() }
}
