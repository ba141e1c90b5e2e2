//! Databases read by a user's query: real PostgreSQL, MariaDB and SQLite.

use std::path::Path;

use injixo_connectors::core::connector::{Connector, ConnectorFactory, Context};
use injixo_connectors::core::model::{Channel, Contact, IntervalLength, Millis, Timestamp, Window};
use injixo_connectors::core::zone::Zone;
use injixo_connectors::core::{MemoryStore, Result, Runtime};
use injixo_connectors::sql::Sql;
use injixo_core::testkit::{Fact, Fault, Suite};
use injixo_test_servers::Parts;
use injixo_tests::Random;
use injixo_tests::proxy::Cutting;
use sqlx::AnyPool;

/// A database of its own in one of the servers, and a connection to write to it.
struct Db {
    kind: &'static str,
    /// The `[connection]` of a configuration.
    connection: String,
    pool: AnyPool,
}

impl Db {
    async fn new(kind: &'static str, folder: &Path) -> Self {
        sqlx::any::install_default_drivers();
        let (connection, url) = match kind {
            "sqlite" => {
                let file = folder.join("source.db");
                let connection = format!("adapter = 'sqlite'\nfile = '{}'\n", file.display());
                (connection, format!("sqlite:{}?mode=rwc", file.display()))
            }
            _ => {
                let url =
                    if kind == "mysql" { injixo_test_servers::mariadb() } else { injixo_test_servers::postgres() };
                let Parts { user, password, host, port, database } = Parts::of(&url);
                let connection = format!(
                    "adapter = '{kind}'\nhost = '{host}'\nport = {port}\nuser = '{user}'\npassword = '{password}'\n\
                     database = '{database}'\n"
                );
                (connection, url)
            }
        };
        Self { kind, connection, pool: AnyPool::connect(&url).await.unwrap() }
    }

    async fn all(folder: &Path) -> Vec<Self> {
        let mut all = Vec::new();
        for kind in KINDS {
            all.push(Self::new(kind, folder).await);
        }
        all
    }

    async fn run(&self, statement: &str) {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&self.pool).await;
        done.unwrap_or_else(|error| panic!("{}: {error}: {statement}", self.kind));
    }

    async fn count(&self, query: &str) -> i64 {
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()));
        query.fetch_one(&self.pool).await.unwrap()
    }

    fn connector(&self, rest: &str) -> Result<Sql> {
        let text = format!("time_zone = 'Europe/Berlin'\n{rest}\n[connection]\n{}", self.connection);
        Sql::build(toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}")))
    }

    fn contacts(&self, query: &str) -> Sql {
        self.connector(&format!("contacts.query = '''{query}'''")).unwrap()
    }

    fn statuses(&self, query: &str) -> Sql {
        self.connector(&format!("statuses.query = '''{query}'''")).unwrap()
    }

    /// The type of a date-time without a zone.
    fn local(&self) -> &'static str {
        match self.kind {
            "postgres" => "TIMESTAMP",
            "mysql" => "DATETIME(3)",
            _ => "TEXT",
        }
    }
}

const KINDS: [&str; 3] = ["postgres", "mysql", "sqlite"];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(from: &str, to: &str) -> Window {
    Window::new(at(from), at(to)).unwrap()
}

/// What a clock in Berlin shows; the days on which it is put on and back in 2024 are known.
fn berlin(at: Timestamp) -> String {
    let (spring, autumn) = (1_711_846_800_000, 1_729_990_800_000);
    let summer = (spring..autumn).contains(&at.millis());
    let local = Timestamp::from_millis(at.millis() + if summer { 7_200_000 } else { 3_600_000 });
    local.to_string().trim_end_matches('Z').replace('T', " ")
}

/// Queue, start, whether it was answered, seconds.
type Call = (String, Timestamp, bool, i64);

/// Agent, status, start, end.
type State = (String, String, Timestamp, Timestamp);

/// Calls and statuses of a Saturday evening and the Sunday of 25 hours after it, but for the second pass of the repeated hour.
fn facts() -> (Vec<Call>, Vec<State>) {
    let begin = at("2024-10-26T20:00:00Z").millis();
    let repeated = at("2024-10-27T01:00:00Z").millis()..at("2024-10-27T02:00:00Z").millis();
    let calls = (0..160_i64).map(|number| {
        let start = Timestamp::from_millis(begin + number * 617_003);
        (["1", "2", "3"][usize::try_from(number % 3).unwrap()].to_owned(), start, number % 4 > 0, 40 + number % 300)
    });
    let calls = calls.filter(|call| !repeated.contains(&call.1.millis()));
    let mut states = Vec::new();
    for (agent, shift) in [("amy", 0), ("Bob ", 420_000)] {
        let mut start = begin + shift;
        for number in 0..40_i64 {
            let mut end = start + (10 + number * 7 % 60) * 60_000;
            if repeated.contains(&end) {
                end = repeated.end;
            }
            let status = ["Ready", "On Call", "Pause ☕"][usize::try_from(number % 3).unwrap()];
            let span = (Timestamp::from_millis(start), Timestamp::from_millis(end));
            states.push((agent.to_owned(), status.to_owned(), span.0, span.1));
            start = if number % 5 == 4 { end + 180_000 } else { end };
        }
    }
    (calls.collect(), states)
}

async fn fill(db: &Db) {
    let local = db.local();
    db.run(&format!(
        "CREATE TABLE calls (queue_id INTEGER, queue_name VARCHAR(40), started {local}, answered INTEGER, seconds INTEGER)"
    ))
    .await;
    db.run(&format!("CREATE TABLE states (agent VARCHAR(40), status VARCHAR(40), started {local}, ended {local})"))
        .await;
    let (calls, states) = facts();
    for (queue, start, answered, seconds) in calls {
        let seconds = if answered { seconds.to_string() } else { "NULL".to_owned() };
        let (answered, start) = (i32::from(answered), berlin(start));
        db.run(&format!("INSERT INTO calls VALUES ({queue}, 'Queue {queue}', '{start}', {answered}, {seconds})")).await;
    }
    for (agent, status, start, end) in states {
        let (start, end) = (berlin(start), berlin(end));
        db.run(&format!("INSERT INTO states VALUES ('{agent}', '{status}', '{start}', '{end}')")).await;
    }
}

const CALLS: &str = "SELECT queue_id AS QueueIdentifier, queue_name AS queuename, started AS \"timestamp\", answered, \
    seconds AS duration FROM calls ORDER BY started;";
const STATES: &str =
    "SELECT agent AS agentidentifier, status AS activity, started AS starttime, ended AS endtime FROM states -- all";

fn for_kind(query: &str, kind: &str) -> String {
    if kind == "mysql" { query.replace('"', "`") } else { query.to_owned() }
}

fn true_contacts() -> Vec<Fact> {
    let contact = |(queue, start, answered, seconds): Call| {
        let contact = Contact::offered(start);
        let contact = if answered { contact.handled(Millis::from_secs(seconds)) } else { contact };
        Fact::contact(&queue, Channel::Calls, contact)
    };
    facts().0.into_iter().map(contact).collect()
}

fn true_statuses() -> Vec<Fact> {
    facts().1.iter().map(|(agent, status, start, end)| Fact::span(agent, status, *start, *end)).collect()
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

#[test]
fn conforms_on_every_database() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for kind in KINDS {
        let db = runtime.block_on(async {
            let db = Db::new(kind, folder.path()).await;
            fill(&db).await;
            db
        });
        let refused = |db: &Db| match kind {
            "sqlite" => db.connection.replace("source.db", "missing.db"),
            _ => db.connection.replace("user = '", "user = 'nobody"),
        };
        let nowhere = |db: &Db| {
            let port = db.connection.lines().find(|line| line.starts_with("port")).unwrap_or_default().to_owned();
            db.connection.replace(&port, "port = 1")
        };
        let (calls, states) = (for_kind(CALLS, kind), for_kind(STATES, kind));
        let with = |connection: String| Db { kind, connection, pool: db.pool.clone() };
        let data = window("2024-10-26T20:00:00Z", "2024-10-28T00:00:00Z");
        let zone = || Zone::new("Europe/Berlin").unwrap();
        let contacts = Suite::contacts(|| db.contacts(&calls)).between(data).zone(zone()).truth(true_contacts());
        let statuses = Suite::statuses(|| db.statuses(&states)).between(data).zone(zone()).truth(true_statuses());
        let suites = if kind == "sqlite" {
            [contacts, statuses]
        } else {
            [
                contacts
                    .with(Fault::WrongCredentials, || with(refused(&db)).contacts(&calls))
                    .with(Fault::Unreachable, || with(nowhere(&db)).contacts(&calls)),
                statuses
                    .with(Fault::WrongCredentials, || with(refused(&db)).statuses(&states))
                    .with(Fault::Unreachable, || with(nowhere(&db)).statuses(&states)),
            ]
        };
        for suite in suites {
            let report = runtime.block_on(suite.report());
            println!("{kind}: {report}");
            assert!(report.is_passed(), "{kind}: {report}");
        }
    }
}

/// Quarter hours of a window: `queue start offered handled seconds`.
async fn quarters(connector: Sql, window: Window) -> Vec<String> {
    let runtime = Runtime::new(MemoryStore::new());
    let integration = runtime.add("db", connector).await.unwrap();
    let report = integration.import_contacts(window).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(report.rejected, 0, "{:?}", report.first_rejected);
    let intervals = runtime.intervals("db").every(IntervalLength::MINUTES_15).await.unwrap();
    let mut lines = Vec::new();
    for interval in intervals {
        let m = interval.measures;
        let time = m.handle_time.total;
        lines.push(format!("{} {} {} {} {time}", interval.queue.id, interval.start, m.offered, m.handled));
    }
    lines
}

#[test]
fn every_type_of_time_gives_the_same_intervals() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        let (calls, _) = facts();
        let data = window("2024-10-26T20:00:00Z", "2024-10-28T00:00:00Z");
        let mut expected: Option<Vec<String>> = None;
        for db in Db::all(folder.path()).await {
            // Awkward on purpose: the zone of the server and of sessions must not matter.
            if db.kind == "postgres" {
                let Parts { database, .. } = Parts::of(&db_url(&db));
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
                let query = format!(
                    "SELECT queue AS queueidentifier, queue AS queuename, at AS \"timestamp\", answered FROM {table}"
                );
                let found = quarters(db.contacts(&for_kind(&query, db.kind)), data).await;
                assert!(found.len() > 100);
                let expected = expected.get_or_insert_with(|| found.clone());
                assert_eq!(&found, expected, "{} {type_name}", db.kind);
            }
        }
        // By hand, from the calls themselves.
        let mut sums = std::collections::BTreeMap::<(String, i64), (i64, i64)>::new();
        for (queue, start, answered, _) in calls {
            let sum = sums.entry((queue, start.millis() / 900_000)).or_default();
            *sum = (sum.0 + 1, sum.1 + i64::from(answered));
        }
        let lines = sums.into_iter().map(|((queue, quarter), (offered, handled))| {
            format!("{queue} {} {offered} {handled} 0", Timestamp::from_millis(quarter * 900_000))
        });
        assert_eq!(expected.unwrap(), lines.collect::<Vec<_>>());
    });
}

fn db_url(db: &Db) -> String {
    let value = |key: &str| {
        let line = db.connection.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_once(" = ").unwrap().1.trim_matches('\'').to_owned()
    };
    format!("postgres://{}@{}:{}/{}", value("user"), value("host"), value("port"), value("database"))
}

/// How a type writes an instant.
type Writes = fn(Timestamp) -> String;

fn quoted_local(at: Timestamp) -> String {
    format!("'{}'", berlin(at))
}

fn quoted_utc(at: Timestamp) -> String {
    format!("'{at}'")
}

fn seconds(at: Timestamp) -> String {
    at.millis().div_euclid(1_000).to_string()
}

fn fractional(at: Timestamp) -> String {
    format!("{}.{:03}", at.millis() / 1_000, at.millis() % 1_000)
}

#[test]
fn ready_made_rows_are_taken_as_they_are() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        for db in Db::all(folder.path()).await {
            let local = db.local();
            db.run(&format!("CREATE TABLE sums (q VARCHAR(20), n VARCHAR(20), t {local}, o INTEGER, a INTEGER, h INTEGER, c VARCHAR(9))"))
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
            let integration = runtime.add("db", db.connector(&rest).unwrap()).await.unwrap();
            let report =
                integration.import_contacts(window("2024-05-27T08:00:00Z", "2024-05-27T10:00:00Z")).await.unwrap();
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
            for interval in runtime.intervals("db").await.unwrap() {
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
                runtime.queues("db").await.unwrap().into_iter().map(|queue| queue.name).collect();
            assert_eq!(names, [Some("Sales".to_owned()), Some("Sales".to_owned()), None], "{}", db.kind);
        }
    });
}

#[test]
fn mistakes_in_queries_are_named() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        for db in Db::all(folder.path()).await {
            fill(&db).await;
            let cx = Context::default();
            let problem = async |query: &str| -> String {
                let query = for_kind(query, db.kind);
                match db.connector(&format!("contacts.query = '''{query}'''")) {
                    Err(error) => error.to_string(),
                    Ok(connector) => connector.check(&cx).await.unwrap().problems.join("\n"),
                }
            };
            let cases = [
                (
                    "SELECT 1 AS queueidentifier, 'a' AS queuename, started AS \"timestamp\", 1 AS handled FROM calls",
                    "column \"answered\" missing in the result (it has: queueidentifier, queuename, timestamp, handled)",
                ),
                (
                    "SELECT 1 AS queueidentifier, 'a' AS queuename, 'noon' AS \"timestamp\", 1 AS answered FROM calls",
                    "is no time",
                ),
                ("SELECT * FROM missing", "names something that is not"),
                ("SELECT 1 AS queueidentifier; DELETE FROM calls", "more than one statement"),
                ("SELECT FROM WHERE", "does not understand the query"),
            ];
            for (query, expected) in cases {
                let found = problem(query).await;
                // SQLite has one error for both.
                let expected =
                    if db.kind == "sqlite" && query.contains("missing") { "that is not there" } else { expected };
                assert!(found.contains(expected), "{}: {query}: {found}", db.kind);
            }
            // These are fine.
            for query in [
                "WITH recent AS (SELECT * FROM calls) SELECT queue_id AS queueidentifier, queue_name AS queuename, started AS \"timestamp\", answered FROM recent;",
                "/* calls */ SELECT queue_id AS queueidentifier, queue_name AS queuename, started AS \"TIMESTAMP\", answered FROM calls ORDER BY 3 -- newest last",
            ] {
                assert_eq!(problem(query).await, "", "{}: {query}", db.kind);
            }
        }
    });
}

#[test]
fn queries_that_can_only_do_harm_do_none() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        let written = folder.path().join("written");
        for db in Db::all(folder.path()).await {
            fill(&db).await;
            let before = db.count("SELECT count(*) FROM calls").await;
            let columns =
                "1 AS queueidentifier, 'a' AS queuename, '2024-10-26 22:10:00' AS \"timestamp\", 1 AS answered";
            let path = written.display();
            let mut queries = vec![
                "DELETE FROM calls".to_owned(),
                format!("SELECT {columns}; DELETE FROM calls"),
                format!("SELECT {columns} --\n; DELETE FROM calls"),
                format!("SELECT {columns}) AS q; DELETE FROM calls; SELECT * FROM (SELECT {columns}"),
            ];
            match db.kind {
                "postgres" => {
                    db.run(
                        "CREATE FUNCTION harm() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM calls; RETURN 1; END $$",
                    )
                    .await;
                    queries.extend([
                        format!("WITH gone AS (DELETE FROM calls RETURNING 1) SELECT {columns} FROM gone"),
                        columns.replacen("1 AS answered", "harm() AS answered", 1).replacen("1 AS", "SELECT 1 AS", 1),
                        format!("SELECT {columns}) TO PROGRAM 'touch {path}'; COPY (SELECT 1"),
                        format!("COPY calls TO PROGRAM 'touch {path}'"),
                        format!("SELECT {columns} FROM (SELECT set_config('transaction_read_only', 'off', true)) s, (SELECT harm()) t"),
                        format!("SELECT {columns} INTO copied FROM calls"),
                    ]);
                }
                "mysql" => {
                    db.run("CREATE FUNCTION harm() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN DELETE FROM calls; RETURN 1; END")
                        .await;
                    queries.extend([
                        columns.replacen("1 AS answered", "harm() AS answered", 1).replacen("1 AS", "SELECT 1 AS", 1),
                        format!("SELECT {columns} INTO OUTFILE '{path}' FROM calls"),
                        format!("SELECT {columns} /*! INTO OUTFILE '{path}' */ FROM calls"),
                        format!("SELECT {columns} FROM calls FOR UPDATE"),
                    ]);
                }
                _ => queries.extend([
                    format!("WITH gone AS (DELETE FROM calls RETURNING 1) SELECT {columns} FROM gone"),
                    format!("ATTACH '{path}' AS other"),
                    format!("SELECT {columns} FROM (VACUUM INTO '{path}')"),
                    format!("SELECT {columns}, writefile('{path}', 'x') AS w"),
                    format!("SELECT {columns}, load_extension('{path}') AS w"),
                ]),
            }
            for query in queries {
                let query = for_kind(&query, db.kind);
                if let Ok(connector) = db.connector(&format!("contacts.query = '''{query}'''")) {
                    let runtime = Runtime::new(MemoryStore::new());
                    // Whether it is refused when it is added or when it is read.
                    if let Ok(integration) = runtime.add("db", connector).await {
                        let _ =
                            integration.import_contacts(window("2024-10-26T20:00:00Z", "2024-10-26T21:00:00Z")).await;
                    }
                }
                assert_eq!(db.count("SELECT count(*) FROM calls").await, before, "{}: {query}", db.kind);
                assert!(!written.exists(), "{}: {query}", db.kind);
            }
        }
    });
}

#[test]
fn a_query_without_an_end_is_ended() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        for db in Db::all(folder.path()).await {
            let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS queueidentifier, \
                'a' AS queuename, '2024-01-01 00:00:00' AS \"timestamp\", 1 AS answered FROM n WHERE i < 0";
            let db = Db { connection: format!("{}request_secs = 1\n", db.connection), ..db };
            let mut query = for_kind(endless, db.kind);
            if db.kind == "mysql" {
                // It ends a recursion by itself; this takes as long.
                query = "SELECT SLEEP(100) AS queueidentifier, 'a' AS queuename, '2024-01-01 00:00:00' AS `timestamp`, 1 AS answered"
                    .to_owned();
            }
            let connector = db.contacts(&query);
            let source = connector.contacts().unwrap();
            let began = std::time::Instant::now();
            let runtime = Runtime::new(MemoryStore::new());
            let ended = match runtime.add("db", connector).await {
                Ok(integration) => {
                    integration.import_contacts(window("2023-12-31T00:00:00Z", "2024-01-02T00:00:00Z")).await.err()
                }
                Err(error) => Some(error),
            };
            let ended = ended.unwrap_or_else(|| panic!("{}: it ended by itself", db.kind));
            assert!(began.elapsed() < std::time::Duration::from_secs(30), "{}", db.kind);
            assert!(ended.to_string().contains("within 1 s"), "{}: {ended:?}", db.kind);
            drop(source);
        }
    });
}

#[test]
fn errors_show_no_password() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        for db in Db::all(folder.path()).await {
            if db.kind == "sqlite" {
                continue;
            }
            let lines = db.connection.lines().map(|line| match line.split_once(" = ") {
                Some(("password", _)) => "password = 'hunter2'".to_owned(),
                Some(("user", _)) => "user = 'mallory'".to_owned(),
                _ => line.to_owned(),
            });
            let wrong = Db { connection: lines.collect::<Vec<_>>().join("\n"), ..db };
            let connector = wrong.contacts("SELECT 1");
            let report = connector.check(&Context::default()).await.unwrap();
            let text = format!("{report:?} {connector:?}");
            assert!(report.problems[0].contains("the database"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
            let runtime = Runtime::new(MemoryStore::new());
            let refused = runtime.add("db", wrong.contacts("SELECT 1")).await.map(drop).unwrap_err();
            assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
        }
    });
}

#[test]
fn a_connection_cut_at_any_byte_imports_nothing_and_the_next_try_everything() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        let mut random = Random(77);
        for db in Db::all(folder.path()).await {
            if db.kind == "sqlite" {
                continue;
            }
            fill(&db).await;
            let port = db.connection.lines().find_map(|line| line.strip_prefix("port = ")).unwrap().to_owned();
            let cutting = Cutting::new(port.parse().unwrap());
            let connection = db.connection.replace(&format!("port = {port}"), &format!("port = {}", cutting.port));
            // Else the handshake of the encryption is all that is cut.
            let through = Db { connection: format!("{connection}tls = 'off'\n"), kind: db.kind, pool: db.pool.clone() };
            let calls = for_kind(CALLS, db.kind);
            let data = window("2024-10-26T20:00:00Z", "2024-10-28T00:00:00Z");
            let whole = quarters(through.contacts(&calls), data).await;

            let fresh = async || {
                let runtime = Runtime::new(MemoryStore::new());
                let integration = runtime.add("db", through.contacts(&calls)).await.unwrap();
                (runtime, integration)
            };
            // What the answers to one import take.
            let (_, measured) = fresh().await;
            let most = 10_000_000;
            cutting.cut_after(most);
            measured.import_contacts(data).await.unwrap();
            let answers = most - cutting.left();
            cutting.cut_after(u64::MAX);
            let (runtime, integration) = fresh().await;
            integration.import_contacts(window("2024-10-26T20:00:00Z", "2024-10-26T21:00:00Z")).await.unwrap();
            let before = runtime.intervals("db").await.unwrap().len();
            for _ in 0..60 {
                let bytes = random.below(answers);
                cutting.cut_after(bytes);
                let cut = integration.import_contacts(data).await.unwrap_err();
                assert!(cut.is_retryable(), "{}: {bytes} of {answers} bytes: {cut:?}", db.kind);
                assert_eq!(runtime.intervals("db").await.unwrap().len(), before, "{}", db.kind);
            }
            cutting.cut_after(u64::MAX);
            integration.import_contacts(data).await.unwrap();
            let mut found = Vec::new();
            for interval in runtime.intervals("db").every(IntervalLength::MINUTES_15).await.unwrap() {
                let m = interval.measures;
                let time = m.handle_time.total;
                found.push(format!("{} {} {} {} {time}", interval.queue.id, interval.start, m.offered, m.handled));
            }
            assert_eq!(found, whole, "{}", db.kind);
        }
    });
}
