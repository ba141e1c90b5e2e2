//! Genesys Engage with a database for each part: Info Mart or Stat Server in one, the configuration in another, in real PostgreSQL,
//! MariaDB and SQLite.

use std::path::Path;

use injixo_connectors::core::connector::ConnectorFactory;
use injixo_connectors::core::model::{Timestamp, Window};
use injixo_connectors::core::{MemoryStore, Runtime};
use injixo_connectors::genesys::engage::Engage;
use injixo_test_databases::engage::{self, Part};
use injixo_test_databases::ledger::Span;
use injixo_test_databases::{Dialect, Names, Size};
use injixo_test_servers::Parts;
use sqlx::AnyPool;

const DIALECTS: [Dialect; 3] = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite];

/// A database of its own in one of the servers.
struct Db {
    /// The `[connection]` of a configuration.
    connection: String,
    /// What names it in `configuration_database`.
    name: String,
    pool: AnyPool,
}

impl Db {
    async fn new(dialect: Dialect, folder: &Path) -> Self {
        sqlx::any::install_default_drivers();
        if dialect == Dialect::Sqlite {
            let name = folder.join(format!("{}.db", std::fs::read_dir(folder).unwrap().count())).display().to_string();
            let pool = AnyPool::connect(&format!("sqlite:{name}?mode=rwc")).await.unwrap();
            return Self { connection: format!("adapter = 'sqlite'\nfile = '{name}'\n"), name, pool };
        }
        let (adapter, url) = match dialect {
            Dialect::MySql => ("mysql", injixo_test_servers::mariadb()),
            _ => ("postgres", injixo_test_servers::postgres()),
        };
        let Parts { user, password, host, port, database: name } = Parts::of(&url);
        let connection = format!(
            "adapter = '{adapter}'\nhost = '{host}'\nport = {port}\nuser = '{user}'\npassword = '{password}'\ndatabase = '{name}'\n"
        );
        Self { connection, name, pool: AnyPool::connect(&url).await.unwrap() }
    }

    async fn run(&self, statements: impl IntoIterator<Item = String>) {
        for statement in statements {
            let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(&self.pool).await;
            done.unwrap_or_else(|error| panic!("{error}: {statement}"));
        }
    }
}

fn connector(db: &Db, rest: &str) -> Engage {
    let text = format!("{rest}\n[connection]\n{}", db.connection);
    Engage::build(toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))).unwrap()
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

fn window(from: i64, to: i64) -> Window {
    Window::new(Timestamp::from_secs(from), Timestamp::from_secs(to)).unwrap()
}

/// The spans of a window by user, start and end.
async fn spans(connector: Engage, window: Window) -> Vec<Span> {
    let runtime = Runtime::new(MemoryStore::new());
    let integration = runtime.add("it", connector).await.unwrap();
    let report = integration.import_statuses(window).await.unwrap();
    assert_eq!(report.rejected, 0, "{:?}", report.first_rejected);
    let (agents, names) = runtime.statuses("it").await.unwrap();
    let mut spans = Vec::new();
    for agent in agents {
        for span in agent.spans {
            let (start, end) = (span.start.millis(), span.end.map(Timestamp::millis));
            spans.push(Span { user: agent.agent.clone(), start, end, status: names[&span.status].clone() });
        }
    }
    spans.sort();
    spans
}

/// A database with Info Mart or Stat Server, and one with the configuration, in which the agent of the sample is called `anna`.
async fn sample(part: Part, dialect: Dialect, folder: &Path) -> (Db, Db) {
    let (names, sample) = (Names::default(), engage::sample());
    let mut dbs = Vec::new();
    for part in [part, Part::Configuration] {
        let db = Db::new(dialect, folder).await;
        db.run(engage::schema_of(part, dialect, &names)).await;
        db.run(sample.load_of(part, dialect, &names)).await;
        dbs.push(db);
    }
    let (configuration, db) = (dbs.pop().unwrap(), dbs.pop().unwrap());
    configuration.run(["UPDATE cfg_person SET user_name = 'anna' WHERE user_name = 'asmith'".to_owned()]).await;
    (db, configuration)
}

/// 1 March 2024, 08:00 UTC.
const EIGHT: i64 = 1_709_280_000;

/// `user status seconds from 08:00 – seconds`
fn lines(spans: Vec<Span>) -> Vec<String> {
    let secs = |at: i64| at / 1_000 - EIGHT;
    let line = |span: Span| format!("{} {} {} {:?}", span.user, span.status, secs(span.start), span.end.map(secs));
    spans.into_iter().map(line).collect()
}

#[test]
fn info_mart_with_the_configuration_in_another_database() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        for dialect in DIALECTS {
            let (db, configuration) = sample(Part::InfoMart, dialect, folder.path()).await;
            let asked = window(EIGHT, EIGHT + 1_800);
            for (rest, user) in
                [(format!("configuration_database = '{}'", configuration.name), "anna"), (String::new(), "asmith")]
            {
                let found = lines(spans(connector(&db, &rest), asked).await);
                let expected = [
                    format!("{user} READY 0 Some(85)"),
                    format!("{user} BUSY 85 Some(291)"),
                    format!("{user} AFTERCALLWORK 291 Some(336)"),
                    format!("{user} NOTREADY:Lunch 336 None"),
                ];
                assert_eq!(found, expected, "{dialect:?}");
            }
        }
    });
}

#[test]
fn stat_server_with_the_configuration_in_another_database() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        for dialect in DIALECTS {
            let (db, configuration) = sample(Part::StatServer, dialect, folder.path()).await;
            // Ready, in a call, in after-call work, not ready without an end; a place without an agent, and nobody logged in.
            let states = [
                (3001, 4, 0, "85"),
                (3001, 22, 85, "291"),
                (3001, 9, 291, "336"),
                (3001, 8, 336, "NULL"),
                (0, 4, 0, "900"),
                (3001, 23, 60, "80"),
            ];
            let rows = states.iter().enumerate().map(|(id, (agent, status, start, end))| {
                let start = EIGHT + start;
                let end = end.parse().map_or("NULL".to_owned(), |end: i64| (EIGHT + end).to_string());
                format!(
                    "INSERT INTO status (id, agentdbid, placedbid, status, starttime, duration, endtime, connid) VALUES ({id}, \
                     {agent}, 800, {status}, {start}, 0, {end}, 0)"
                )
            });
            db.run(rows).await;
            let asked = window(EIGHT, EIGHT + 1_800);
            let elsewhere = format!("configuration_database = '{}'", configuration.name);
            // Without it agents have numbers only.
            for (rest, user) in [
                (elsewhere.clone(), "anna"),
                (format!("profile = 'stat_server'\n{elsewhere}"), "anna"),
                (String::new(), "3001"),
            ] {
                let found = lines(spans(connector(&db, &rest), asked).await);
                let expected = [
                    format!("{user} WaitForNextCall 0 Some(85)"),
                    format!("{user} CallInbound 85 Some(291)"),
                    format!("{user} AfterCallWork 291 Some(336)"),
                    format!("{user} NotReadyForNextCall 336 None"),
                ];
                assert_eq!(found, expected, "{dialect:?}: {rest}");
            }
            // What reaches into a window belongs to it; what was over does not.
            let found = lines(spans(connector(&db, &elsewhere), window(EIGHT + 100, EIGHT + 300)).await);
            assert_eq!(found, ["anna CallInbound 85 Some(291)", "anna AfterCallWork 291 Some(336)"], "{dialect:?}");
        }
    });
}

#[test]
fn stat_server_agrees_with_the_ledger() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        let size = Size { days: 2, queues: 3, agents: 9, contacts_per_day: 50, ..Size::default() };
        let (world, names) = (engage::World::new(5, size), Names::default());
        let ledger = world.ledger();
        let called = |status: &str| match status {
            "READY" => "WaitForNextCall",
            "BUSY" => "CallInbound",
            "AFTERCALLWORK" => "AfterCallWork",
            "NOTREADY" => "NotReadyForNextCall",
            "LOGGEDONONLY" => "2",
            _ => "CallUnknown",
        };
        // All states that have ended, on whatever channel; those of no length are none.
        let ended = ledger.states.values().filter_map(|state| {
            let end = state.recorded.filter(|end| *end > state.start)?;
            let (user, status) = (ledger.users[state.agent].clone(), called(&state.status).to_owned());
            Some(Span { user, start: state.start, end: Some(end), status })
        });
        let mut expected: Vec<Span> = ended.collect();
        expected.sort();
        assert!(expected.len() > 200);
        for dialect in DIALECTS {
            let db = Db::new(dialect, folder.path()).await;
            for part in [Part::StatServer, Part::Configuration] {
                db.run(engage::schema_of(part, dialect, &names)).await;
                db.run(world.load_of(part, dialect, &names)).await;
            }
            let data = window(size.first_day, size.first_day + 2 * 86_400);
            assert_eq!(spans(connector(&db, ""), data).await, expected, "{dialect:?}");
        }
    });
}
