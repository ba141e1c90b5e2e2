//! Databases that are read by a user's query, and the cases that each of them must pass, however it is reached.

pub mod facts;
pub mod harm;
pub mod loss;
pub mod reads;
pub mod values;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_connectors::core::connector::ConnectorFactory;
use injixo_connectors::core::model::{IntervalLength, Timestamp, Window};
use injixo_connectors::core::{MemoryStore, Result, Runtime};
use injixo_connectors::sql::Sql;
use injixo_test_servers::Parts;
use sqlx::AnyPool;

/// Where a database is, and who reads it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The server, or for SQLite a file in place of it.
    pub server: Option<Parts>,
    /// The file of SQLite.
    pub file: std::path::PathBuf,
    /// More lines of the `[connection]`.
    pub more: String,
}

/// How a connector gets there: the lines of a `[connection]`.
pub type Reach = fn(kind: &str, place: &Place) -> String;

/// Writes to a database.
#[async_trait]
pub trait Writer: std::fmt::Debug + Send + Sync {
    /// Runs statements.
    async fn run(&self, statements: &str);

    /// The number that a query gives.
    async fn count(&self, query: &str) -> i64;
}

/// A database of its own in one of the servers.
#[derive(Debug, Clone)]
pub struct Db {
    /// `postgres`, `mysql`, `sqlite` or `mssql`.
    pub kind: &'static str,
    /// Where it is.
    pub place: Place,
    /// How the connector gets there.
    pub reach: Reach,
    /// Writes to it.
    pub writer: Arc<dyn Writer>,
}

#[async_trait]
impl Writer for AnyPool {
    async fn run(&self, statements: &str) {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(self).await;
        done.unwrap_or_else(|error| panic!("{error}: {statements}"));
    }

    async fn count(&self, query: &str) -> i64 {
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned())).fetch_one(self).await;
        count.unwrap_or_else(|error| panic!("{error}: {query}"))
    }
}

/// By the driver of that database.
pub fn native(kind: &str, place: &Place) -> String {
    match &place.server {
        None => format!("adapter = 'sqlite'\nfile = '{}'\n{}", place.file.display(), place.more),
        Some(Parts { user, password, host, port, database }) => format!(
            "adapter = '{kind}'\nhost = '{host}'\nport = {port}\nuser = '{user}'\npassword = '{password}'\n\
             database = '{database}'\n{}",
            place.more
        ),
    }
}

impl Db {
    /// A new database; one of SQLite in that folder.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub async fn new(kind: &'static str, reach: Reach, folder: &Path) -> Self {
        sqlx::any::install_default_drivers();
        let file = folder.join("source.db");
        let url = match kind {
            "sqlite" => format!("sqlite:{}?mode=rwc", file.display()),
            "mysql" => injixo_test_servers::mariadb(),
            _ => injixo_test_servers::postgres(),
        };
        let server = (kind != "sqlite").then(|| Parts::of(&url));
        let pool = AnyPool::connect(&url).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        Self { kind, place: Place { server, file, more: String::new() }, reach, writer: Arc::new(pool) }
    }

    /// Runs statements.
    pub async fn run(&self, statements: &str) {
        self.writer.run(statements).await;
    }

    /// A connector with these lines of a configuration before its `[connection]`.
    ///
    /// # Errors
    ///
    /// What the connector finds wrong.
    ///
    /// # Panics
    ///
    /// If the lines are no configuration.
    pub fn connector(&self, rest: &str) -> Result<Sql> {
        let connection = (self.reach)(self.kind, &self.place);
        let text = format!("time_zone = 'Europe/Berlin'\n{rest}\n[connection]\n{connection}");
        Sql::build(toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}")))
    }

    /// A connector for contacts.
    ///
    /// # Panics
    ///
    /// If the query cannot be one.
    pub fn contacts(&self, query: &str) -> Sql {
        self.connector(&format!("contacts.query = '''{query}'''")).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A connector for statuses.
    ///
    /// # Panics
    ///
    /// If the query cannot be one.
    pub fn statuses(&self, query: &str) -> Sql {
        self.connector(&format!("statuses.query = '''{query}'''")).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same database, with something about its server changed.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Parts)) -> Self {
        let mut changed = self.clone();
        changed.place.server.as_mut().map(change);
        changed
    }

    /// The same database, with more lines of the `[connection]`.
    #[must_use]
    pub fn with_lines(&self, lines: &str) -> Self {
        let mut changed = self.clone();
        changed.place.more.push_str(lines);
        changed
    }

    /// How a date-time without a zone is written, by the clock of Berlin.
    pub fn clock(&self, at: Timestamp) -> String {
        if self.kind == "mssql" { facts::local_moment(at) } else { facts::quoted_local(at) }
    }

    /// The type of a date-time without a zone.
    pub fn local(&self) -> &'static str {
        match self.kind {
            "postgres" => "TIMESTAMP",
            "mysql" => "DATETIME(3)",
            "mssql" => "datetime2(3)",
            _ => "TEXT",
        }
    }
}

/// An instant.
///
/// # Panics
///
/// If the text is none.
pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A window.
///
/// # Panics
///
/// If the texts are no instants in order.
pub fn window(from: &str, to: &str) -> Window {
    Window::new(at(from), at(to)).unwrap_or_else(|error| panic!("{error}"))
}

/// Waits for work that is not blocking.
///
/// # Panics
///
/// If there are no threads.
pub fn blocking<T>(work: impl Future<Output = T>) -> T {
    threads().block_on(work)
}

/// What work runs on that is not blocking.
pub type Threads = tokio::runtime::Runtime;

/// What such work runs on.
///
/// # Panics
///
/// If there are no threads.
pub fn threads() -> Threads {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap_or_else(|error| panic!("{error}"))
}

/// Quarter hours of a window: `queue start offered handled seconds`.
///
/// # Panics
///
/// If they cannot be read, or a row is rejected.
pub async fn quarters(connector: Sql, window: Window) -> Vec<String> {
    let runtime = Runtime::new(MemoryStore::new());
    let integration = runtime.add("db", connector).await.unwrap_or_else(|error| panic!("{error:?}"));
    let report = integration.import_contacts(window).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(report.rejected, 0, "{:?}", report.first_rejected);
    held(&runtime).await
}

/// The quarter hours that a runtime holds.
///
/// # Panics
///
/// If they cannot be read.
pub async fn held(runtime: &Runtime) -> Vec<String> {
    let intervals = runtime.intervals("db").every(IntervalLength::MINUTES_15).await;
    let mut lines = Vec::new();
    for interval in intervals.unwrap_or_else(|error| panic!("{error}")) {
        let m = interval.measures;
        let time = m.handle_time.total;
        lines.push(format!("{} {} {} {} {time}", interval.queue.id, interval.start, m.offered, m.handled));
    }
    lines
}
