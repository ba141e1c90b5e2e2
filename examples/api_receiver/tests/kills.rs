//! A receiver that is really killed, over and over, under load: what it acknowledged is there, and nothing twice.

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use injixo_connectors::core::model::Timestamp;
use injixo_connectors::core::{PostgresStore, Runtime, SqliteStore, What};

use crate::support::Receiver;

const ROWS: u64 = 20;
const SENDERS: usize = 12;
const BEGIN: i64 = 1_700_000_100;
const PATH: &str = "/external-systems/contact-events";

/// Each row of each request starts in a second of its own.
fn body(request: u64) -> String {
    let row = |row: u64| {
        let start = Timestamp::from_secs(BEGIN + i64::try_from(request * ROWS + row).unwrap());
        let (queue, secs) = (request % 3, request % 100);
        format!(
            r#"{{"properties":{{"offered":true,"handled":true,"duration":{secs}}},"queueIdentifier":"q{queue}","timestamp":"{start}","channel":"calls"}}"#
        )
    };
    let rows: Vec<String> = (0..ROWS).map(row).collect();
    format!(r#"{{"data":[{}],"meta":{{"integrationConfigurationId":1234}}}}"#, rows.join(","))
}

/// Contacts and seconds by queue and quarter hour.
type Sums = BTreeMap<(String, i64), (i64, i64)>;

fn add(sums: &mut Sums, request: u64) {
    for row in 0..ROWS {
        let start = BEGIN + i64::try_from(request * ROWS + row).unwrap();
        let cell = sums.entry((format!("q{}", request % 3), start / 900 * 900)).or_default();
        *cell = (cell.0 + 1, cell.1 + i64::try_from(request % 100).unwrap());
    }
}

/// What is in a store, and what whoever followed the feed knows of it.
async fn held(runtime: &Runtime) -> Sums {
    let key = |queue: &str, start: Timestamp| (queue.to_owned(), start.millis() / 1_000);
    let mut held = Sums::new();
    for row in runtime.intervals("injixo API").await.unwrap() {
        let m = row.measures;
        held.insert(key(&row.queue.id, row.start), (m.offered.micros() / 1_000_000, m.handle_time.total.get() / 1_000));
    }
    let mut followed = Sums::new();
    let mut changes = runtime.changes(0).await.unwrap();
    while let Some(change) = changes.try_next().await.unwrap() {
        if let What::Interval { queue, start, after: Some(m), .. } = change.what {
            followed.insert(key(&queue.id, start), (m.offered.micros() / 1_000_000, m.handle_time.total.get() / 1_000));
        }
    }
    assert_eq!(followed, held, "the feed tells what is there");
    held
}

/// Requests by number.
#[derive(Debug, Default)]
struct Sent {
    next: u64,
    acknowledged: Vec<u64>,
    /// Those that were not answered: they may be there or not.
    open: Vec<u64>,
}

/// Sends until the connection breaks off, what is open first.
async fn send(receiver: (String, String), sent: Arc<Mutex<Sent>>) {
    let Ok(mut connection) = api_receiver::load::Connection::open(&receiver.0, None, &receiver.1).await else { return };
    loop {
        let request = {
            let mut sent = sent.lock().unwrap();
            let next = sent.next;
            sent.open.pop().unwrap_or_else(|| {
                sent.next += 1;
                next
            })
        };
        let answer = connection.post(PATH, Some(&format!("request {request}")), &body(request)).await;
        let mut sent = sent.lock().unwrap();
        match answer {
            Ok(answer) => {
                assert_eq!(answer.status, 202, "{}", answer.body);
                sent.acknowledged.push(request);
            }
            Err(_) => return sent.open.push(request),
        }
    }
}

async fn kill(store: &str, open: impl AsyncFn() -> Runtime) {
    let is_long = std::env::var("INJIXO_TEST_LONG").is_ok_and(|long| long == "1");
    let sent = Arc::new(Mutex::new(Sent::default()));
    let mut random = 41_u64;
    for killed in 0..if is_long { 20 } else { 5 } {
        let mut receiver = Receiver::start(store, &["--insecure-loopback"]);
        let to = (receiver.address.clone(), receiver.key.clone());
        let senders: Vec<_> = (0..SENDERS).map(|_| tokio::spawn(send(to.clone(), Arc::clone(&sent)))).collect();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (before, wanted) =
            (sent.lock().unwrap().acknowledged.len(), 10 + usize::try_from((random >> 33) % 300).unwrap());
        let acknowledged = async {
            while sent.lock().unwrap().acknowledged.len() < before + wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), acknowledged).await.expect("it answers");
        let said = receiver.kill();
        assert!(!said.contains(&receiver.key), "{said}");
        for sender in senders {
            sender.await.unwrap();
        }
        // What was acknowledged is there; of what was not answered each request is there whole, or not at all.
        let (least, most) = {
            let sent = sent.lock().unwrap();
            let mut least = Sums::new();
            sent.acknowledged.iter().for_each(|request| add(&mut least, *request));
            let mut most = least.clone();
            sent.open.iter().for_each(|request| add(&mut most, *request));
            (least, most)
        };
        let held = held(&open().await).await;
        for (cell, (count, secs)) in &most {
            let (least, found) =
                (least.get(cell).copied().unwrap_or_default(), held.get(cell).copied().unwrap_or_default());
            assert!(
                least.0 <= found.0 && found.0 <= *count && found.1 <= *secs,
                "{killed}: {cell:?}: {least:?} {found:?} {count}"
            );
        }
        assert!(held.keys().all(|cell| most.contains_key(cell)));
    }
    // What was not answered is sent again under its key; then all of it is there, and nothing twice.
    let receiver = Receiver::start(store, &["--insecure-loopback"]);
    let mut connection = receiver.connect().await;
    let (all, open_ones) = {
        let sent = sent.lock().unwrap();
        (sent.next, sent.open.clone())
    };
    let mut expected = Sums::new();
    (0..all).for_each(|request| add(&mut expected, request));
    for request in open_ones.into_iter().chain([0, all / 2]) {
        let answer = connection.post(PATH, Some(&format!("request {request}")), &body(request)).await.unwrap();
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
    drop(receiver);
    assert!(all > 200);
    assert_eq!(held(&open().await).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db").display().to_string();
    kill(&path, async || Runtime::new(SqliteStore::open(&path).await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_postgres() {
    let url = injixo_test_servers::postgres();
    kill(&url, async || Runtime::new(PostgresStore::connect(&url).await.unwrap())).await;
}
