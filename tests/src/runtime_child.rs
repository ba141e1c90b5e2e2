//! Imports on its own until nothing is left to be imported, or until it is killed: `runtime_child STORE FROM TO [KEY=VALUE…]`.
//!
//! STORE is the path of a file or the URL of a PostgreSQL database. FROM and TO are the seconds between which the external
//! system holds facts. It prints `read` before each answer of that system and `done` at the end.
//!
//! - `name=NAME`: the name of the integration;
//! - `duration=SECONDS`: how long the contacts of its system last;
//! - `wait=MILLIS`: how long its system takes for each answer;
//! - `hold=FILE`: its system does not answer as long as this file is there;
//! - `permits=NUMBER/SECONDS`: what its credentials allow;
//! - `log=FILE`: each read is noted there with the time of the machine in milliseconds;
//! - `start=FILE`: it begins to import when this file is there;
//! - `ends=no`: it goes on until it is killed.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use injixo_connectors::core::connector::Budget;
use injixo_connectors::core::model::Millis;
use injixo_connectors::core::{Clock, ErrorKind, Health, PostgresStore, Result, Runtime, SqliteStore, SystemClock};
use injixo_tests::made::{Made, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [store, from, to, options @ ..] = &args[..] else {
        panic!("usage: runtime_child STORE FROM TO [KEY=VALUE…]")
    };
    let option = |key: &str| options.iter().find_map(|option| option.strip_prefix(&format!("{key}=")));
    let number = |key: &str, default: u64| option(key).map_or(default, |value| value.parse().expect(key));
    let (from, to) = (from.parse().expect("FROM"), to.parse().expect("TO"));

    let runtime = if store.starts_with("postgres") {
        Runtime::new(patiently(async || PostgresStore::connect(store).await).await)
    } else {
        Runtime::new(patiently(async || SqliteStore::open(store).await).await)
    };
    let runtime = runtime.lease(Millis::from_secs(1));

    let mut made = Made::new(from, to);
    made.duration = i64::try_from(number("duration", 60)).expect("a duration");
    made.budget = option("permits").map(|permits| {
        made.with_statuses = false;
        let (permits, secs) = permits.split_once('/').expect("NUMBER/SECONDS");
        Budget::new(["made"]).permits(permits.parse().expect("permits"), Millis::from_secs(secs.parse().expect("secs")))
    });
    let (wait, hold, log) =
        (Duration::from_millis(number("wait", 0)), option("hold").map(PathBuf::from), option("log").map(PathBuf::from));
    made.reads = Reads(Arc::new(move |window| {
        let (hold, log) = (hold.clone(), log.clone());
        Box::pin(async move {
            if let Some(log) = log {
                let mut file = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("the log");
                writeln!(file, "{} {}", SystemClock.now().millis(), std::process::id()).expect("the log");
            }
            say(&format!("read {window}"));
            tokio::time::sleep(wait).await;
            while hold.as_ref().is_some_and(|hold| hold.exists()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }));
    let name = option("name").unwrap_or("made");
    patiently(async || runtime.add_with(name, made.clone(), Made::policy((days_since(from)).max(1))).await).await;
    say("open");
    while option("start").is_some_and(|start| !std::path::Path::new(start).exists()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let service = runtime.start();
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let Ok(status) = runtime.status_of(name).await else { continue };
        let is_done = status.lanes.iter().all(|lane| {
            let is_filled = lane.back_fill.is_none_or(|fill| fill.percent == 100);
            lane.health == Health::Current && is_filled && lane.reading.is_none()
        });
        if is_done && option("ends") != Some("no") {
            break;
        }
    }
    service.shutdown().await;
    say("done");
}

/// Days from that second until tomorrow.
fn days_since(from: i64) -> i64 {
    (SystemClock.now().millis() / 1_000 - from) / 86_400 + 1
}

/// Tries until the store can be used.
async fn patiently<T>(work: impl AsyncFn() -> Result<T>) -> T {
    loop {
        match work().await {
            Ok(value) => return value,
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Whoever listened may be gone.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
