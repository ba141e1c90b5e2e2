//! What only SQLite does.

use sqlx::{Connection, SqliteConnection};

use super::*;

async fn raw(path: &std::path::Path, statements: &'static str) {
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_file_of_schema_1_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    raw(&path, include_str!("schema_1.sql")).await;
    let before = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let store = SqliteStore::open(&path).await.unwrap();
    let mut write = store.write().await.unwrap();
    let integrations = write.integrations().await.unwrap();
    let added_at = integrations[0].added_at;
    assert!(added_at.millis() / 1_000 >= i64::try_from(before).unwrap());
    let kept = |id, name: &str, connector: &str, zone: &str| IntegrationRecord {
        id,
        connector: connector.to_owned(),
        zone: zone.to_owned(),
        config: None,
        added_at,
        ..integration(name)
    };
    let expected = [kept(1, "Sales", "csv", "Europe/Berlin"), kept(3, "Service '24/7'", "other", "UTC")];
    assert_eq!(integrations, expected);
    let subject = |id, kind, external: &str, channel, row_minutes, first, last, longest| Subject {
        id,
        kind,
        external: external.to_owned(),
        channel,
        row_minutes,
        first: at(first),
        last: at(last),
        longest: Millis::new(longest),
        names: Vec::new(),
    };
    let (first, last) = (1_700_000_000_000, 1_700_000_900_000);
    let queue = subject(1, SubjectKind::Queue, "queue ü", Channel::Chats, 15, first, last, 0);
    assert_eq!(write.subjects(1, SubjectKind::Queue).await.unwrap(), [queue]);
    // How long its spans are was not kept: as long as any may be.
    let longest = Timestamp::MAX.millis() - first - 1;
    let agent = subject(2, SubjectKind::Agent, "agent", Channel::Calls, 0, first + 1, last + 1, longest);
    assert_eq!(write.subjects(1, SubjectKind::Agent).await.unwrap(), [agent]);
    let status = 1_600_000_000_000;
    let status = subject(5, SubjectKind::Status, "status", Channel::Calls, 0, status, status, 0);
    assert_eq!(write.subjects(3, SubjectKind::Status).await.unwrap(), [status]);
    let range = |subject, layer| ChunkRange { subject, layer, from: -9, to: 30_000 };
    let all = [range(1, Layer::History), range(2, Layer::History), range(1, Layer::Live)];
    let expected = [
        chunk(1, Layer::History, -3, b"a"),
        chunk(1, Layer::History, 19_675, &[0, 255, 16]),
        chunk(2, Layer::History, 19_675, b"bcd"),
    ];
    assert_eq!(write.chunks(&all).await.unwrap(), expected);
    let of = |subject, from, to, read_at| Covered { subject, window: window(from, to), read_at: at(read_at) };
    let covered = write.coverage(contacts(1), Some(1), window(0, 999)).await.unwrap();
    assert_eq!(covered, [of(None, 100, 200, 5_000), of(Some(1), 150, 180, 6_000)]);
    let statuses = |integration| StreamId { integration, stream: Stream::Statuses };
    assert_eq!(write.coverage(statuses(3), None, window(0, 999)).await.unwrap(), [of(None, 0, 9, 7)]);
    let first = ImportRecord {
        id: 1,
        name: "a.csv".to_owned(),
        applied_at: at(1_700_000_001_000),
        window: Some(window(100, 200)),
        subjects: vec![1, 2],
        imported: 10,
        ..import(contacts(1), "key a")
    };
    let second = ImportRecord {
        id: 4,
        settings: String::new(),
        name: "window".to_owned(),
        applied_at: at(1_700_000_002_000),
        window: None,
        subjects: Vec::new(),
        imported: 1,
        rejected: 0,
        skipped: 0,
        added: 1,
        replaced: 0,
        gone: 0,
        ..import(statuses(1), "")
    };
    assert_eq!(write.imports(1, 9).await.unwrap(), [second, first.clone()]);
    let rejected = |line, column: &str, rule: &str, excerpt: &str| RejectedRow {
        source: "a.csv".to_owned(),
        line,
        column: column.to_owned(),
        rule: rule.parse().unwrap(),
        excerpt: excerpt.to_owned(),
    };
    let rows = vec![rejected(7, "start", "date", "31.02.2024"), rejected(9, "", "quantity", "-1…")];
    assert_eq!(write.quarantine(1).await.unwrap(), [(first.clone(), rows)]);
    assert_eq!(write.quarantined(contacts(1)).await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(write.last_import(contacts(1), "key a").await.unwrap(), Some((first, true)));
    // What the old schema bound together still is.
    assert!(write.put_chunks(&[chunk(77, Layer::History, 1, b"x")]).await.is_err());
    drop(write);
    let mut write = store.write().await.unwrap();
    // What was kept can be put anew, and taken out.
    let anew = [
        chunk(1, Layer::History, -3, b"z"),
        chunk(1, Layer::History, 19_675, b"y"),
        chunk(2, Layer::History, 19_675, b""),
    ];
    write.put_chunks(&anew).await.unwrap();
    assert_eq!(write.chunks(&all).await.unwrap(), anew[..2]);
    assert_eq!(write.add_import(&import(contacts(3), "new")).await.unwrap(), 5);
    assert_eq!(write.put_integration(&integration("New")).await.unwrap(), 4);
    assert_eq!(write.last_revision().await.unwrap(), 0);
    write.commit().await.unwrap();
    store.close().await;
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let violations = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut connection).await.unwrap();
    assert!(violations.is_empty());
}

#[tokio::test]
async fn files_of_others_and_of_newer_versions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    raw(&path, "CREATE TABLE theirs (id INTEGER)").await;
    assert_eq!(SqliteStore::open(&path).await.unwrap_err().kind(), ErrorKind::DataInvalid);
    let path = folder.path().join("newer.db");
    SqliteStore::open(&path).await.unwrap().close().await;
    SqliteStore::open(&path).await.unwrap().close().await;
    raw(&path, "PRAGMA user_version = 99").await;
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("99"), "{error}");
    let path = folder.path().join("text.db");
    std::fs::write(&path, "this is no database, and it is long enough to be taken for one".repeat(20)).unwrap();
    assert_eq!(SqliteStore::open(&path).await.unwrap_err().kind(), ErrorKind::DataInvalid);
    let nowhere = folder.path().join("no").join("store.db");
    assert_eq!(SqliteStore::open(nowhere).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn tables_are_kept_once_they_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(!store.write().await.unwrap().keeps_tables());
    let with_tables = SqliteStore::open_with_tables(&path).await.unwrap();
    assert!(with_tables.write().await.unwrap().keeps_tables());
    assert!(store.write().await.unwrap().keeps_tables(), "for whoever has the file open");
    store.close().await;
    with_tables.close().await;
    assert!(SqliteStore::open(&path).await.unwrap().write().await.unwrap().keeps_tables());
}
