//! A store in a PostgreSQL database.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, Connection, PgPool, Postgres, Row as _};

use super::sql::{Driver, Row, Sql, SqlTransaction, Value};
use super::{Store, Transaction};
use crate::error::{Error, ErrorKind, Result};

/// Keeps everything in one schema of a PostgreSQL database, which many processes on many hosts may use.
///
/// The views `intervals` and `timelines` of that schema are for people and tools that read with SQL.
#[derive(Clone)]
pub struct PostgresStore {
    pool: PgPool,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

/// The steps from an empty schema to the present one; a step is never changed once it was released.
const MIGRATIONS: &[&str] =
    &[include_str!("postgres/0001.sql"), include_str!("postgres/0002.sql"), include_str!("postgres/0003.sql")];

/// What those who migrate lock, so that they follow one another.
const MIGRATION_LOCK: i64 = 0x696E_6A69_786F;

/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const MAX_CONNECTIONS: u32 = 10;

impl PostgresStore {
    /// Connects to the database of a URL, `postgres://user:password@host:5432/database`, and makes the schema `injixo` in
    /// it or brings that up to date.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` when it is no such URL, `Unavailable` when the server cannot be reached, `Unauthenticated` when it
    /// refuses the user, `NotFound` when it has no such database, `PermissionDenied` when the user may not make the schema,
    /// `Unsupported` when a newer version of this software wrote it, `DataInvalid` when the schema is no such store.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_to_schema(url, "injixo").await
    }

    /// As [`connect`](Self::connect), with a schema of that name. It begins with a lower-case letter and holds lower-case
    /// letters, digits and underscores.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect); `ConfigInvalid` also when the name is no such one.
    pub async fn connect_to_schema(url: &str, schema: &str) -> Result<Self> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let is_name = schema.starts_with(|c: char| c.is_ascii_lowercase()) && schema.chars().all(is_plain);
        if !is_name || schema.len() > 63 || schema.starts_with("pg_") {
            let message = "the schema cannot have that name: begin with a lower-case letter, go on with lower-case letters, \
                digits and underscores, 63 at most, and do not begin with pg_";
            return Err(Error::new(ErrorKind::ConfigInvalid, message).with("schema", schema));
        }
        // What the parser says might quote the password.
        let options = PgConnectOptions::from_str(url).map_err(|_| {
            let message = "the address of the database is no URL of PostgreSQL: write \
                postgres://user:password@host:5432/database, with special characters of the password percent-encoded";
            Error::new(ErrorKind::ConfigInvalid, message)
        })?;
        let host = options.get_host().to_owned();
        let named = |error: Error| error.with("host", &host).with("schema", schema);
        // A host that is gone is noticed after a minute, so that its locks do not outlive it for long.
        let options = options.application_name("injixo").options([
            ("search_path", schema),
            ("lock_timeout", "60s"),
            // A process that freezes in the middle of a transaction would keep all others from what it has locked.
            ("idle_in_transaction_session_timeout", "30s"),
            ("tcp_keepalives_idle", "30"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
        ]);
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await;
        let mut connection = connection.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(failed).map_err(named)?;
        migrate(&mut connection, schema).await.map_err(named)?;
        // It has done its work: an error now would only hide that.
        let _ = connection.close().await;
        let pool = PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(CONNECT_TIMEOUT);
        Ok(Self { pool: pool.connect_lazy_with(options) })
    }

    /// Closes the connections; open transactions are waited for.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self, statement: &'static str, writes: bool) -> Result<Box<dyn Transaction>> {
        let inner = self.pool.begin_with(statement).await.map_err(failed)?;
        Ok(Box::new(SqlTransaction::new(PostgresDriver { inner, writes })))
    }
}

async fn migrate(connection: &mut PgConnection, schema: &str) -> Result<()> {
    let present = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version(connection, schema).await? == present {
        return Ok(());
    }
    let mut transaction = connection.begin().await.map_err(failed)?;
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATION_LOCK);
    lock.execute(&mut *transaction).await.map_err(failed)?;
    let version = version(&mut transaction, schema).await?;
    if version > present {
        let message = format!(
            "the store has schema {version}, this version knows {present}: use the newer version that wrote it"
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if version == 0 {
        // Who may use the schema is not always allowed to make it.
        let exists = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(schema);
        if exists.fetch_optional(&mut *transaction).await.map_err(failed)?.is_none() {
            let statement = AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""));
            sqlx::raw_sql(statement).execute(&mut *transaction).await.map_err(failed)?;
        }
        let relations = "SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
            WHERE nspname = $1";
        let relations = sqlx::query_scalar::<_, i64>(relations).bind(schema);
        if relations.fetch_one(&mut *transaction).await.map_err(failed)? > 0 {
            let message = "the schema holds tables of another program: name another schema";
            return Err(Error::new(ErrorKind::DataInvalid, message));
        }
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(failed)?;
    }
    sqlx::query("UPDATE schema_version SET version = $1")
        .bind(present)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// The version of a schema, zero when there is none.
async fn version(connection: &mut PgConnection, schema: &str) -> Result<i64> {
    let exists = "SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
        WHERE nspname = $1 AND relname = 'schema_version'";
    let exists = sqlx::query(exists).bind(schema).fetch_optional(&mut *connection).await.map_err(failed)?;
    if exists.is_none() {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT version FROM schema_version").fetch_one(connection).await.map_err(failed)
}

#[async_trait]
impl Store for PostgresStore {
    async fn write(&self) -> Result<Box<dyn Transaction>> {
        self.begin("BEGIN ISOLATION LEVEL READ COMMITTED", true).await
    }

    async fn read(&self) -> Result<Box<dyn Transaction>> {
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", false).await
    }
}

#[derive(Debug)]
struct PostgresDriver {
    inner: sqlx::Transaction<'static, Postgres>,
    writes: bool,
}

impl PostgresDriver {
    fn prepare(sql: Sql, values: Vec<Value>) -> sqlx::query::Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(AssertSqlSafe(sql.text)).persistent(sql.recurs);
        values.into_iter().fold(query, |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::OptInt(value) => query.bind(value),
            Value::Text(value) => query.bind(without_zero(value)),
            Value::OptText(value) => query.bind(value.map(without_zero)),
            Value::Bytes(value) => query.bind(value),
        })
    }
}

/// A text as PostgreSQL can keep it: no text there holds U+0000, so U+001A announces it, and itself.
fn without_zero(text: String) -> String {
    if !text.contains(['\0', '\u{1A}']) {
        return text;
    }
    text.replace('\u{1A}', "\u{1A}A").replace('\0', "\u{1A}0")
}

/// The text that was kept.
fn with_zero(text: String) -> String {
    if !text.contains('\u{1A}') {
        return text;
    }
    text.replace("\u{1A}0", "\0").replace("\u{1A}A", "\u{1A}")
}

#[async_trait]
impl Driver for PostgresDriver {
    type Row = PgRow;

    const NEXT_BATCH: &'static str = "SELECT nextval('feed_batch_number')";

    const PLACES_CHUNKS: bool = false;

    const CLOCK: Option<&'static str> =
        Some("SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)");

    fn row_lock(&self) -> &'static str {
        if self.writes { " FOR NO KEY UPDATE" } else { "" }
    }

    fn free_row_lock(&self) -> &'static str {
        if self.writes { " FOR NO KEY UPDATE SKIP LOCKED" } else { "" }
    }

    fn keeps_tables(&self) -> bool {
        true
    }

    fn instant(millis: &str) -> String {
        format!("timestamptz 'epoch' + {millis} * interval '1 millisecond'")
    }

    fn millis(instant: &str) -> String {
        format!("CAST(extract(epoch FROM {instant}) * 1000 AS BIGINT)")
    }

    fn count(micros: &str) -> String {
        format!("{micros} * 0.000001")
    }

    async fn execute(&mut self, sql: Sql, values: Vec<Value>) -> Result<u64> {
        let done = Self::prepare(sql, values).execute(&mut *self.inner).await.map_err(failed)?;
        Ok(done.rows_affected())
    }

    async fn query(&mut self, sql: Sql, values: Vec<Value>) -> Result<Vec<PgRow>> {
        Self::prepare(sql, values).fetch_all(&mut *self.inner).await.map_err(failed)
    }

    async fn commit(self) -> Result<()> {
        self.inner.commit().await.map_err(failed)
    }
}

impl Row for PgRow {
    fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        self.try_get(column).map_err(failed)
    }

    fn opt_text(&self, column: usize) -> Result<Option<String>> {
        let text: Option<String> = self.try_get(column).map_err(failed)?;
        Ok(text.map(with_zero))
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>> {
        self.try_get(column).map_err(failed)
    }
}

/// An error of the driver as one of ours: what the host should do about it.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn failed(error: sqlx::Error) -> Error {
    use ErrorKind::{
        ConfigInvalid, DataInvalid, NotFound, PermissionDenied, Protocol, Unauthenticated, Unavailable, Unexpected,
    };
    let (kind, message) = match &error {
        sqlx::Error::Io(_) => (Unavailable, "the database cannot be reached, or the connection was lost: try again"),
        sqlx::Error::Tls(_) => {
            (ConfigInvalid, "no secure connection to the database: check its certificate and sslmode")
        }
        sqlx::Error::PoolTimedOut => (
            Unavailable,
            "no connection to the database within 10 seconds: check that it is running, or end transactions sooner",
        ),
        sqlx::Error::PoolClosed => (Unavailable, "the store was closed: connect again"),
        sqlx::Error::Protocol(_) => (Protocol, "the server does not answer as PostgreSQL does: check host and port"),
        sqlx::Error::Database(database) => match database.code().as_deref().unwrap_or_default() {
            "57P01" | "57P02" | "57P03" => (Unavailable, "the database is shutting down or starting: try again"),
            "53300" => (Unavailable, "the database has too many connections: try again, or raise max_connections"),
            "53100" => (Unavailable, "the disk of the database is full: free some space and try again"),
            "40001" | "40P01" | "23505" => (Unavailable, "another transaction changed the same at once: try again"),
            "55P03" => (Unavailable, "another transaction holds a lock for too long: try again"),
            "57014" => (Unavailable, "the database cancelled a statement: try again, or raise statement_timeout"),
            "25006" => (Unavailable, "the database only reads for the moment: connect to the primary, or try again"),
            "28P01" | "28000" => (Unauthenticated, "the database refused the user: correct the user or the password"),
            "3D000" => (NotFound, "there is no such database: create it or name another"),
            "42501" => (PermissionDenied, "the user lacks a right in the database: grant it"),
            "3F000" => (PermissionDenied, "the user may not use the schema: grant USAGE and CREATE on it"),
            "42P01" => {
                (NotFound, "the tables of the store are gone, or the user may not use their schema: grant USAGE on it")
            }
            "XX001" | "XX002" => (DataInvalid, "the database is damaged: restore it from a backup"),
            code if ["08", "53", "58"].iter().any(|class| code.starts_with(class)) => {
                (Unavailable, "the connection to the database was lost, or it lacks resources: try again")
            }
            "25P03" | "57P05" => (Unavailable, "the database ended an idle connection: try again"),
            _ => (Unexpected, "the store failed"),
        },
        _ => (Unexpected, "the store failed"),
    };
    match error.as_database_error() {
        Some(database) => Error::new(kind, message).with("cause", database.message()),
        None => Error::new(kind, message).with("cause", &error),
    }
}
