//! Time-outs, refusals and lost connections.

use std::time::{Duration, Instant};

use injixo_connectors::core::connector::{Connector, Context};
use injixo_connectors::core::{MemoryStore, Runtime};

use super::facts::{CALLS, fill, for_kind};
use super::{Db, held, quarters, window};
use crate::Random;
use crate::proxy::Cutting;

/// A query without an end is ended.
///
/// # Panics
///
/// If it is not, or not as such.
pub async fn a_query_without_an_end_is_ended(db: &Db) {
    fill(db).await;
    let db = db.with_lines("request_secs = 1\n");
    let query = match db.kind {
        // These end a recursion by themselves; this takes as long.
        "mysql" => {
            "SELECT SLEEP(100) AS queueidentifier, 'a' AS queuename, '2024-01-01 00:00:00' AS `timestamp`, 1 AS answered"
        }
        "mssql" => {
            "SELECT 1 AS queueidentifier, 'a' AS queuename, '2024-01-01 00:00:00' AS timestamp, 1 AS answered \
             FROM calls a, calls b, calls c, calls d, calls e WHERE a.queue_id + b.queue_id + c.queue_id + e.queue_id < 0"
        }
        _ => {
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS queueidentifier, 'a' AS queuename, \
             '2024-01-01 00:00:00' AS \"timestamp\", 1 AS answered FROM n WHERE i < 0"
        }
    };
    let began = Instant::now();
    let runtime = Runtime::new(MemoryStore::new());
    let ended = match runtime.add("db", db.contacts(query)).await {
        Ok(integration) => {
            integration.import_contacts(window("2023-12-31T00:00:00Z", "2024-01-02T00:00:00Z")).await.err()
        }
        Err(error) => Some(error),
    };
    let ended = ended.unwrap_or_else(|| panic!("{}: it ended by itself", db.kind));
    assert!(began.elapsed() < Duration::from_secs(30), "{}", db.kind);
    assert!(ended.to_string().contains("within 1 s"), "{}: {ended:?}", db.kind);
}

/// A refused password stands in no error, nor in what the connector shows of itself.
///
/// # Panics
///
/// If it does.
pub async fn errors_show_no_password(db: &Db) {
    for password in ["hunter2", "hunter2;}+{% \"x"] {
        let wrong = db.with(|server| (server.user, server.password) = ("mallory".to_owned(), password.to_owned()));
        let connector = wrong.contacts("SELECT 1");
        let report = connector.check(&Context::default()).await.unwrap_or_else(|error| panic!("{error}"));
        let text = format!("{report:?} {connector:?}");
        assert!(report.problems[0].contains("the database"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        let runtime = Runtime::new(MemoryStore::new());
        let refused = runtime.add("db", wrong.contacts("SELECT 1")).await.map(drop).expect_err("it is refused");
        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    }
}

/// A connection cut at any byte imports nothing, and the next try everything.
///
/// # Panics
///
/// If it imports a part, or the error does not let it be tried again.
pub async fn a_connection_cut_at_any_byte_imports_nothing_and_the_next_try_everything(db: &Db) {
    let mut random = Random(77);
    fill(db).await;
    let cutting = Cutting::new(db.place.server.as_ref().map_or(0, |server| server.port));
    let through = db.with(|server| server.port = cutting.port);
    let calls = for_kind(CALLS, db.kind);
    let data = window("2024-10-26T20:00:00Z", "2024-10-28T00:00:00Z");
    let whole = quarters(through.contacts(&calls), data).await;

    let fresh = async || {
        let runtime = Runtime::new(MemoryStore::new());
        let integration = runtime.add("db", through.contacts(&calls)).await.expect("it is read");
        (runtime, integration)
    };
    // What the answers to one import take.
    let (_, measured) = fresh().await;
    let most = 10_000_000;
    cutting.cut_after(most);
    measured.import_contacts(data).await.expect("it is read");
    let answers = most - cutting.left();
    cutting.cut_after(u64::MAX);
    let begun = async || {
        let (runtime, integration) = fresh().await;
        let first = window("2024-10-26T20:00:00Z", "2024-10-26T21:00:00Z");
        integration.import_contacts(first).await.expect("it is read");
        (runtime, integration)
    };
    let (mut runtime, mut integration) = begun().await;
    let before = runtime.intervals("db").await.expect("it is read").len();
    let mut answered = 0;
    for _ in 0..60 {
        let bytes = random.below(answers);
        cutting.cut_after(bytes);
        match integration.import_contacts(data).await {
            Err(cut) => {
                assert!(cut.is_retryable(), "{}: {bytes} of {answers} bytes: {cut:?}", db.kind);
                assert_eq!(runtime.intervals("db").await.expect("it is read").len(), before, "{}", db.kind);
            }
            // Some drivers wait for an answer when they leave; then all rows have come.
            Ok(_) => {
                assert_eq!(held(&runtime).await, whole, "{}: {bytes} of {answers} bytes", db.kind);
                answered += 1;
                cutting.cut_after(u64::MAX);
                (runtime, integration) = begun().await;
            }
        }
    }
    assert!(answered < 6, "{}: {answered}", db.kind);
    cutting.cut_after(u64::MAX);
    integration.import_contacts(data).await.expect("it is read");
    assert_eq!(held(&runtime).await, whole, "{}", db.kind);
}
