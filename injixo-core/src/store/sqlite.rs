//! A store in one SQLite file.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection, Row as _, Sqlite, SqlitePool};

use super::sql::{Driver, Row, Sql, SqlTransaction, Value};
use super::{Store, Transaction};
use crate::error::{Error, ErrorKind, Result};

/// Keeps everything in one file, which several processes may use.
///
/// What a commit wrote is synced to disk when it returns.
#[derive(Clone)]
pub struct SqliteStore {
    readers: SqlitePool,
    /// One connection, which keeps the pages that it wrote: there is one writer at a time anyway, and what one connection writes
    /// makes the others forget theirs.
    writer: SqlitePool,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

/// The steps from an empty file to the present schema; a step is never changed once it was released.
const MIGRATIONS: &[&str] = &[
    include_str!("sqlite/0001.sql"),
    include_str!("sqlite/0002.sql"),
    include_str!("sqlite/0003.sql"),
    include_str!("sqlite/0004.sql"),
];

/// How long a transaction waits for others to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of a file that is made. Each page is written to the log by itself and then to the file: with fewer of them an import takes less
/// time; larger ones make small commits write more.
const PAGE: u32 = 8_192;

/// The pages that the writer keeps, in KiB and negative: those of a month of facts.
const WRITER_CACHE: &str = "-8192";

/// How many rows of a result are handed over before their reader is waited for.
const ROWS_AHEAD: usize = 512;

impl SqliteStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the file cannot be opened or is busy, `Unsupported` when a newer version of this software wrote
    /// it, `DataInvalid` when it is no such store.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let named = |error: Error| error.with("store", path.display());
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .page_size(PAGE)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .row_buffer_size(ROWS_AHEAD)
            .optimize_on_close(false, None);
        // A step may rebuild a table that others refer to.
        let mut connection = SqliteConnection::connect_with(&options.clone().foreign_keys(false))
            .await
            .map_err(|error| named(failed(error)))?;
        migrate(&mut connection).await.map_err(named)?;
        connection.close().await.map_err(|error| named(failed(error)))?;
        let pool = |connections| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
        let readers = pool(4).connect_with(options.clone()).await.map_err(|error| named(failed(error)))?;
        // What a statement would have to undo, were it to fail, is kept in memory and not in a file.
        let options = options.pragma("cache_size", WRITER_CACHE).pragma("temp_store", "MEMORY");
        let writer = pool(1).connect_with(options).await;
        Ok(Self { readers, writer: writer.map_err(|error| named(failed(error)))? })
    }

    /// Opens the file, or makes it, and from now on keeps tables in it for people and tools that read with SQL: the views
    /// `intervals` and `timelines`.
    ///
    /// That holds for whoever writes to the file, also when it is [opened](Self::open) without asking for the tables. They
    /// hold what is imported from then on: to have in them what a file held before, import it again.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_with_tables(path: impl AsRef<Path>) -> Result<Self> {
        let store = Self::open(path.as_ref()).await?;
        let statement = "INSERT INTO setting (name, value) VALUES ('tables', 1)
            ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        let done = sqlx::query(statement).execute(&store.writer).await;
        done.map_err(|error| failed(error).with("store", path.as_ref().display()))?;
        Ok(store)
    }

    /// Closes the file; open transactions are waited for.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn begin(pool: &SqlitePool, statement: &'static str) -> Result<Box<dyn Transaction>> {
        let mut inner = pool.begin_with(statement).await.map_err(failed)?;
        // Another process may have switched the tables on meanwhile. Besides, this is what the view of a reader dates from.
        let tables = sqlx::query_scalar("SELECT value FROM setting WHERE name = 'tables'");
        let tables: Option<i64> = tables.fetch_optional(&mut *inner).await.map_err(failed)?;
        Ok(Box::new(SqlTransaction::new(SqliteDriver { inner, keeps_tables: tables == Some(1) })))
    }
}

async fn migrate(connection: &mut SqliteConnection) -> Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(failed)?;
    let present = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version > present {
        let message = format!(
            "the store has schema {version}, this version knows {present}: use the newer version that wrote it"
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if version < 0 || (version == 0 && !is_empty(&mut transaction).await?) {
        let message = "the file is an SQLite database of another program: name another file";
        return Err(Error::new(ErrorKind::DataInvalid, message));
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

async fn is_empty(connection: &mut SqliteConnection) -> Result<bool> {
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master").fetch_one(connection).await.map_err(failed)?;
    Ok(tables == 0)
}

#[async_trait]
impl Store for SqliteStore {
    async fn write(&self) -> Result<Box<dyn Transaction>> {
        Self::begin(&self.writer, "BEGIN IMMEDIATE").await
    }

    async fn read(&self) -> Result<Box<dyn Transaction>> {
        Self::begin(&self.readers, "BEGIN").await
    }
}

#[derive(Debug)]
struct SqliteDriver {
    inner: sqlx::Transaction<'static, Sqlite>,
    keeps_tables: bool,
}

impl SqliteDriver {
    fn prepare(sql: Sql, values: Vec<Value>) -> sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments> {
        let is_made = matches!(sql.text, std::borrow::Cow::Owned(_));
        let text = if is_made { without_numbers(&sql.text) } else { None };
        let query = sqlx::query(AssertSqlSafe(text.map_or(sql.text, Into::into))).persistent(sql.recurs);
        values.into_iter().fold(query, |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::OptInt(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::OptText(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
        })
    }
}

/// The same statement with `?` in place of `$1`, `$2`, …, if that is their order.
///
/// Whoever binds a value to a numbered parameter looks its name up among all of them. Of the statements that write many rows that
/// took most of the time.
fn without_numbers(text: &str) -> Option<String> {
    let mut parts = text.split('$');
    let mut plain = String::with_capacity(text.len());
    plain.push_str(parts.next()?);
    for (number, part) in (1_usize..).zip(parts) {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = part.split_at(digits);
        if digits.parse() != Ok(number) {
            return None;
        }
        plain.push('?');
        plain.push_str(rest);
    }
    Some(plain)
}

#[async_trait]
impl Driver for SqliteDriver {
    type Row = SqliteRow;

    // There is one writer at a time.
    const NEXT_BATCH: &'static str = "SELECT coalesce(max(batch), 0) + 1 FROM feed_batch";

    const CLOCK: Option<&'static str> = None;

    const PLACES_CHUNKS: bool = true;

    fn row_lock(&self) -> &'static str {
        ""
    }

    fn free_row_lock(&self) -> &'static str {
        ""
    }

    fn keeps_tables(&self) -> bool {
        self.keeps_tables
    }

    fn instant(millis: &str) -> String {
        millis.to_owned()
    }

    fn millis(instant: &str) -> String {
        instant.to_owned()
    }

    fn count(micros: &str) -> String {
        micros.to_owned()
    }

    async fn execute(&mut self, sql: Sql, values: Vec<Value>) -> Result<u64> {
        let done = Self::prepare(sql, values).execute(&mut *self.inner).await.map_err(failed)?;
        Ok(done.rows_affected())
    }

    async fn query(&mut self, sql: Sql, values: Vec<Value>) -> Result<Vec<SqliteRow>> {
        Self::prepare(sql, values).fetch_all(&mut *self.inner).await.map_err(failed)
    }

    async fn commit(self) -> Result<()> {
        self.inner.commit().await.map_err(failed)
    }
}

impl Row for SqliteRow {
    fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        self.try_get(column).map_err(failed)
    }

    fn opt_text(&self, column: usize) -> Result<Option<String>> {
        self.try_get(column).map_err(failed)
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>> {
        self.try_get(column).map_err(failed)
    }
}

/// An error of the driver as one of ours: what the host should do about it.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn failed(error: sqlx::Error) -> Error {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        let message = "the store is busy: all its connections are in use; end transactions sooner, or try again";
        return Error::new(ErrorKind::Unavailable, message);
    }
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    // The primary result code is the low byte.
    let (kind, message) = match code.map(|code| code & 0xFF) {
        Some(5 | 6) => (ErrorKind::Unavailable, "the store is locked by another process: try again"),
        Some(8) => (ErrorKind::PermissionDenied, "the store is read-only: allow writing to the file and its folder"),
        Some(10) => (ErrorKind::Unavailable, "the disk failed to read or write the store"),
        Some(11 | 26) => {
            (ErrorKind::DataInvalid, "the file is damaged or no SQLite database: restore it or name another")
        }
        Some(13) => (ErrorKind::Unavailable, "the disk is full: free some space and try again"),
        Some(14) => {
            (ErrorKind::Unavailable, "the store cannot be opened: check that its folder exists and may be written")
        }
        _ => (ErrorKind::Unexpected, "the store failed"),
    };
    Error::new(kind, message).with("cause", &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_their_order_need_no_numbers() {
        assert_eq!(without_numbers("VALUES ($1, $2), ($3, $4) x").as_deref(), Some("VALUES (?, ?), (?, ?) x"));
        assert_eq!(without_numbers("SELECT 1").as_deref(), Some("SELECT 1"));
        for text in ["$2, $1", "$1, $1", "$1, $3", "'$'", "$1 '$'", "$x"] {
            assert_eq!(without_numbers(text), None, "{text}");
        }
    }
}
