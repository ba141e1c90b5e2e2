//! What is read is what is there.

use std::collections::BTreeMap;

use injixo_connectors::core::model::Timestamp;
use injixo_connectors::core::zone::Zone;
use injixo_connectors::core::{MemoryStore, Runtime};
use injixo_core::testkit::{Fault, Suite};

use super::facts::{
    CALLS, STATES, Writes, facts, fill, for_kind, fractional, from_seconds, local_moment, quoted_local, quoted_utc,
    seconds, true_contacts, true_statuses, utc_moment,
};
use super::{Db, Threads, quarters, window};

/// The suite for connectors finds nothing.
///
/// # Panics
///
/// If it does.
pub fn conforms(threads: &Threads, db: &Db) {
    threads.block_on(fill(db));
    let refused = db.with(|server| server.user = format!("nobody{}", server.user));
    let nowhere = db.with(|server| server.port = 1);
    let (calls, states) = (for_kind(CALLS, db.kind), for_kind(STATES, db.kind));
    let data = window("2024-10-26T20:00:00Z", "2024-10-28T00:00:00Z");
    let zone = || Zone::new("Europe/Berlin").unwrap_or_else(|error| panic!("{error}"));
    let contacts = Suite::contacts(|| db.contacts(&calls)).between(data).zone(zone()).truth(true_contacts());
    let statuses = Suite::statuses(|| db.statuses(&states)).between(data).zone(zone()).truth(true_statuses());
    let suites = if db.place.server.is_none() {
        [contacts, statuses]
    } else {
        [
            contacts
                .with(Fault::WrongCredentials, || refused.contacts(&calls))
                .with(Fault::Unreachable, || nowhere.contacts(&calls)),
            statuses
                .with(Fault::WrongCredentials, || refused.statuses(&states))
                .with(Fault::Unreachable, || nowhere.statuses(&states)),
        ]
    };
    for suite in suites {
        let report = threads.block_on(suite.report());
        println!("{}: {report}", db.kind);
        assert!(report.is_passed(), "{}: {report}", db.kind);
    }
}

/// The quarter hours of the calls without their seconds, added up naively.
fn sums() -> Vec<String> {
    let mut sums = BTreeMap::<(String, i64), (i64, i64)>::new();
    for (queue, start, answered, _) in facts().0 {
        let sum = sums.entry((queue, start.millis() / 900_000)).or_default();
        *sum = (sum.0 + 1, sum.1 + i64::from(answered));
    }
    let lines = sums.into_iter().map(|((queue, quarter), (offered, handled))| {
        format!("{queue} {} {offered} {handled} 0", Timestamp::from_millis(quarter * 900_000))
    });
    lines.collect()
}

/// Every type of time gives the same intervals.
///
/// # Panics
///
/// If one gives others.
pub async fn every_type_of_time_is_read(db: &Db) {
    let (calls, _) = facts();
    let data = window("2024-10-26T20:00:00Z", "2024-10-28T00:00:00Z");
    let expected = sums();
    assert!(expected.len() > 100);
    // Awkward on purpose: the zone of the server and of sessions must not matter.
    if db.kind == "postgres" {
        let database = db.place.server.as_ref().map_or("", |server| &server.database);
        db.run(&format!("ALTER DATABASE {database} SET TimeZone = 'Pacific/Chatham'")).await;
    }
    let types: &[(&str, Writes)] = match db.kind {
        "postgres" => &[
            ("TIMESTAMP", quoted_local),
            ("TIMESTAMPTZ", quoted_utc),
            ("BIGINT", seconds),
            ("NUMERIC(16,3)", fractional),
            ("DOUBLE PRECISION", fractional),
            ("TEXT", quoted_local),
            ("VARCHAR(40)", quoted_utc),
        ],
        "mysql" => &[
            ("DATETIME(3)", quoted_local),
            ("BIGINT UNSIGNED", seconds),
            ("INT", seconds),
            ("DECIMAL(16,3)", fractional),
            ("DOUBLE", fractional),
            ("VARCHAR(40)", quoted_local),
            ("TEXT", quoted_utc),
            ("TIMESTAMP(3)", from_seconds),
        ],
        "mssql" => &[
            ("datetime2(3)", local_moment),
            ("datetimeoffset(3)", utc_moment),
            ("bigint", seconds),
            ("int", seconds),
            ("decimal(16,3)", fractional),
            ("float", fractional),
            ("varchar(40)", quoted_local),
            ("nvarchar(40)", quoted_utc),
        ],
        _ => &[
            ("TEXT", quoted_local),
            ("TEXT", quoted_utc),
            ("DATETIME", quoted_local),
            ("INTEGER", seconds),
            ("REAL", fractional),
            ("NUMERIC", seconds),
        ],
    };
    for (index, (type_name, write)) in types.iter().enumerate() {
        let table = format!("typed_{index}");
        db.run(&format!("CREATE TABLE {table} (queue VARCHAR(9), at {type_name}, answered INTEGER)")).await;
        for (queue, start, answered, _) in &calls {
            let (start, answered) = (write(*start), i32::from(*answered));
            db.run(&format!("INSERT INTO {table} VALUES ('{queue}', {start}, {answered})")).await;
        }
        let query =
            format!("SELECT queue AS queueidentifier, queue AS queuename, at AS \"timestamp\", answered FROM {table}");
        let found = quarters(db.contacts(&for_kind(&query, db.kind)), data).await;
        assert_eq!(found, expected, "{} {type_name}", db.kind);
    }
}

/// Ready-made rows are taken as they are.
///
/// # Panics
///
/// If they are not.
pub async fn ready_made_rows_are_taken_as_they_are(db: &Db) {
    let local = db.local();
    db.run(&format!(
        "CREATE TABLE sums (q VARCHAR(20), n VARCHAR(20), t {local}, o INTEGER, a INTEGER, h INTEGER, c VARCHAR(9))"
    ))
    .await;
    for row in [
        "'7', 'Sales', '2024-05-27 10:00:00', 15, 14, 3220, 'calls'",
        "'7', 'Sales', '2024-05-27 10:30:00', 16, 15, NULL, 'Chats'",
        "'7', 'Sales', '2024-05-27 10:40:00', 1, 1, 1, 'calls'",
        "'7', 'Sales', '2024-05-27 11:00:00', -1, 1, 1, 'calls'",
        "NULL, 'Support', '2024-05-27 11:00:00', 3, 2, 10, NULL",
        "'7', 'Sales', '2024-05-27 11:30:00', 3, 2, 10, 'post'",
    ] {
        db.run(&format!("INSERT INTO sums VALUES ({row})")).await;
    }
    let query = "SELECT q AS queueidentifier, n AS queuename, t AS timestamp, o AS offered, a AS answered, h AS \
        handlingtime, c AS channel FROM sums";
    let rest = format!("[contacts]\nlayout = 'intervals'\ninterval_minutes = 30\nquery = '''{query}'''");
    let runtime = Runtime::new(MemoryStore::new());
    let integration = runtime.add("db", db.connector(&rest).expect("it is read")).await.expect("it is read");
    let report =
        integration.import_contacts(window("2024-05-27T08:00:00Z", "2024-05-27T10:00:00Z")).await.expect("it is read");
    let rejected: Vec<(String, &str)> =
        report.first_rejected.iter().map(|row| (row.column.clone(), row.rule.as_str())).collect();
    let expected = [("timestamp", "off_grid"), ("offered", "quantity"), ("channel", "channel")];
    assert_eq!(
        rejected,
        expected.map(|(column, rule)| (column.to_owned(), rule)),
        "{}: {:?}",
        db.kind,
        report.first_rejected
    );
    let mut found = Vec::new();
    for interval in runtime.intervals("db").await.expect("it is read") {
        let m = interval.measures;
        found.push(format!(
            "{} {} {} {} {} {} {:?}",
            interval.queue.id,
            interval.queue.channel,
            interval.start,
            interval.end,
            m.offered,
            m.handled,
            m.aht()
        ));
    }
    found.sort();
    assert_eq!(
        found,
        [
            "7 calls 2024-05-27T08:00:00Z 2024-05-27T08:30:00Z 15 14 Some(230s)",
            "7 chats 2024-05-27T08:30:00Z 2024-05-27T09:00:00Z 16 15 None",
            "Support calls 2024-05-27T09:00:00Z 2024-05-27T09:30:00Z 3 2 Some(5s)",
        ],
        "{}",
        db.kind
    );
    let names: Vec<Option<String>> =
        runtime.queues("db").await.expect("it is read").into_iter().map(|queue| queue.name).collect();
    assert_eq!(names, [Some("Sales".to_owned()), Some("Sales".to_owned()), None], "{}", db.kind);
}
