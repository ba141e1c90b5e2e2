//! A store in one SQLite file.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use injixo_model::{Channel, RejectedRow, Rule, Timestamp, Window};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{QueryBuilder, Row, Sqlite, SqlitePool};

use super::{
    ChunkRange, Covered, ImportRecord, IntegrationRecord, Store, StoredChunk, StreamId, Subject, SubjectKind,
    Transaction, trimmed,
};
use crate::connector::Stream;
use crate::error::{Error, ErrorKind, Result};

/// Keeps everything in one file, which several processes may use.
///
/// What a commit wrote is synced to disk when it returns.
#[derive(Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

/// The steps from an empty file to the present schema; a step is never changed once it was released.
const MIGRATIONS: &[&str] = &[include_str!("sqlite/0001.sql")];

/// How many rows one statement writes: few enough for the bound on parameters, enough to spare the statements' own cost.
const ROWS_PER_STATEMENT: usize = 400;

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
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(60))
            .optimize_on_close(false, None);
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await;
        let store = Self { pool: pool.map_err(|error| named(failed(error)))? };
        store.migrate().await.map_err(named)?;
        Ok(store)
    }

    /// Closes the file; open transactions are waited for.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn migrate(&self) -> Result<()> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let version: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(failed)?;
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
}

async fn is_empty(transaction: &mut sqlx::Transaction<'static, Sqlite>) -> Result<bool> {
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master").fetch_one(&mut **transaction).await.map_err(failed)?;
    Ok(tables == 0)
}

#[async_trait]
impl Store for SqliteStore {
    async fn write(&self) -> Result<Box<dyn Transaction>> {
        let inner = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        Ok(Box::new(SqliteTransaction { inner }))
    }

    async fn read(&self) -> Result<Box<dyn Transaction>> {
        let inner = self.pool.begin().await.map_err(failed)?;
        Ok(Box::new(SqliteTransaction { inner }))
    }
}

#[derive(Debug)]
struct SqliteTransaction {
    inner: sqlx::Transaction<'static, Sqlite>,
}

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn integration(&mut self, name: &str) -> Result<Option<IntegrationRecord>> {
        let row = sqlx::query("SELECT id, name, connector, zone FROM integration WHERE name = ?")
            .bind(name)
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(failed)?;
        row.map(|row| {
            Ok(IntegrationRecord {
                id: get(&row, 0)?,
                name: get(&row, 1)?,
                connector: get(&row, 2)?,
                zone: get(&row, 3)?,
            })
        })
        .transpose()
    }

    async fn put_integration(&mut self, name: &str, connector: &str, zone: &str) -> Result<u32> {
        let statement = "INSERT INTO integration (name, connector, zone) VALUES (?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET connector = excluded.connector, zone = excluded.zone RETURNING id";
        let statement = sqlx::query_scalar(statement).bind(name).bind(connector).bind(zone);
        statement.fetch_one(&mut *self.inner).await.map_err(failed)
    }

    async fn subjects(&mut self, integration: u32, kind: SubjectKind) -> Result<Vec<Subject>> {
        let statement = "SELECT id, external, channel, row_minutes, first, last FROM subject
            WHERE integration = ? AND kind = ? ORDER BY id";
        let rows = sqlx::query(statement).bind(integration).bind(kind as i64).fetch_all(&mut *self.inner).await;
        let subject = |row: &SqliteRow| {
            Ok(Subject {
                id: get(row, 0)?,
                kind,
                external: get(row, 1)?,
                channel: Channel::from_str(get(row, 2)?).map_err(corrupt)?,
                row_minutes: get(row, 3)?,
                first: instant(row, 4)?,
                last: instant(row, 5)?,
            })
        };
        rows.map_err(failed)?.iter().map(subject).collect()
    }

    async fn add_subjects(&mut self, integration: u32, subjects: &[Subject]) -> Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let statement = "INSERT INTO subject (integration, kind, external, channel, row_minutes, first, last)
                VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id";
            let id = sqlx::query_scalar(statement)
                .bind(integration)
                .bind(subject.kind as i64)
                .bind(&subject.external)
                .bind(subject.channel.as_str())
                .bind(subject.row_minutes)
                .bind(subject.first.millis())
                .bind(subject.last.millis())
                .fetch_one(&mut *self.inner)
                .await;
            ids.push(id.map_err(failed)?);
        }
        Ok(ids)
    }

    async fn update_subjects(&mut self, subjects: &[Subject]) -> Result<()> {
        for subject in subjects {
            sqlx::query("UPDATE subject SET row_minutes = ?, first = ?, last = ? WHERE id = ?")
                .bind(subject.row_minutes)
                .bind(subject.first.millis())
                .bind(subject.last.millis())
                .bind(subject.id)
                .execute(&mut *self.inner)
                .await
                .map_err(failed)?;
        }
        Ok(())
    }

    async fn chunks(&mut self, ranges: &[ChunkRange]) -> Result<Vec<StoredChunk>> {
        let mut found = Vec::new();
        for range in ranges {
            let statement = "SELECT day, facts FROM chunk WHERE subject = ? AND day BETWEEN ? AND ? ORDER BY day";
            let rows = sqlx::query(statement).bind(range.subject).bind(range.from).bind(range.to);
            for row in rows.fetch_all(&mut *self.inner).await.map_err(failed)? {
                found.push(StoredChunk { subject: range.subject, day: get(&row, 0)?, bytes: get(&row, 1)? });
            }
        }
        Ok(found)
    }

    async fn put_chunks(&mut self, chunks: &[StoredChunk]) -> Result<()> {
        let (kept, removed): (Vec<_>, Vec<_>) = chunks.iter().partition(|chunk| !chunk.bytes.is_empty());
        for rows in kept.chunks(ROWS_PER_STATEMENT) {
            let mut statement = QueryBuilder::<Sqlite>::new("INSERT OR REPLACE INTO chunk (subject, day, facts) ");
            statement.push_values(rows, |mut row, chunk| {
                row.push_bind(chunk.subject).push_bind(chunk.day).push_bind(chunk.bytes.as_slice());
            });
            statement.build().execute(&mut *self.inner).await.map_err(failed)?;
        }
        for chunk in removed {
            let statement = sqlx::query("DELETE FROM chunk WHERE subject = ? AND day = ?");
            statement.bind(chunk.subject).bind(chunk.day).execute(&mut *self.inner).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn coverage(&mut self, stream: StreamId, subject: Option<u32>, window: Window) -> Result<Vec<Covered>> {
        let mut found = Vec::new();
        let mut subjects = vec![None];
        subjects.extend(subject.map(Some));
        for subject in subjects {
            // Stretches of one subject do not overlap: only the last one before the window may reach into it.
            let statement = "SELECT from_, to_, read_at FROM coverage
                WHERE integration = ?1 AND stream = ?2 AND subject = ?3 AND from_ < ?5 AND to_ > ?4
                AND from_ >= coalesce((SELECT max(from_) FROM coverage
                    WHERE integration = ?1 AND stream = ?2 AND subject = ?3 AND from_ <= ?4), ?4)
                ORDER BY from_";
            let rows = sqlx::query(statement)
                .bind(stream.integration)
                .bind(stream.stream as i64)
                .bind(subject.unwrap_or(0))
                .bind(window.from().millis())
                .bind(window.to().millis())
                .fetch_all(&mut *self.inner)
                .await
                .map_err(failed)?;
            for row in rows {
                let window = Window::new(instant(&row, 0)?, instant(&row, 1)?).map_err(corrupt)?;
                found.push(Covered { subject, window, read_at: instant(&row, 2)? });
            }
        }
        Ok(found)
    }

    async fn put_coverage(&mut self, stream: StreamId, covered: &[Covered]) -> Result<()> {
        for newer in covered {
            let mut older = self.coverage(stream, newer.subject, newer.window).await?;
            older.retain(|held| held.subject == newer.subject);
            for held in &older {
                let statement =
                    "DELETE FROM coverage WHERE integration = ? AND stream = ? AND subject = ? AND from_ = ?";
                sqlx::query(statement)
                    .bind(stream.integration)
                    .bind(stream.stream as i64)
                    .bind(held.subject.unwrap_or(0))
                    .bind(held.window.from().millis())
                    .execute(&mut *self.inner)
                    .await
                    .map_err(failed)?;
            }
            for rest in trimmed(&older, newer).into_iter().chain([*newer]) {
                let statement = "INSERT INTO coverage (integration, stream, subject, from_, to_, read_at) VALUES (?, ?, ?, ?, ?, ?)";
                sqlx::query(statement)
                    .bind(stream.integration)
                    .bind(stream.stream as i64)
                    .bind(rest.subject.unwrap_or(0))
                    .bind(rest.window.from().millis())
                    .bind(rest.window.to().millis())
                    .bind(rest.read_at.millis())
                    .execute(&mut *self.inner)
                    .await
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    async fn last_import(&mut self, stream: StreamId, key: &str) -> Result<Option<(ImportRecord, bool)>> {
        let statement =
            "SELECT import.*, id = (SELECT max(id) FROM import WHERE integration = ?1 AND stream = ?2) AS newest
            FROM import WHERE integration = ?1 AND stream = ?2 AND key = ?3 ORDER BY id DESC LIMIT 1";
        let row = sqlx::query(statement)
            .bind(stream.integration)
            .bind(stream.stream as i64)
            .bind(key)
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(failed)?;
        row.map(|row| Ok((import(&row)?, row.try_get("newest").map_err(failed)?))).transpose()
    }

    async fn imports(&mut self, integration: u32, limit: u32) -> Result<Vec<ImportRecord>> {
        let statement = sqlx::query("SELECT * FROM import WHERE integration = ? ORDER BY id DESC LIMIT ?");
        let rows = statement.bind(integration).bind(limit).fetch_all(&mut *self.inner).await.map_err(failed)?;
        rows.iter().map(import).collect()
    }

    async fn add_import(&mut self, import: &ImportRecord) -> Result<u64> {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let subjects: Vec<u8> = import.subjects.iter().flat_map(|subject| subject.to_le_bytes()).collect();
        let statement =
            "INSERT INTO import (integration, stream, key, settings, name, applied_at, from_, to_, subjects,
            imported, rejected, skipped, added, replaced, gone)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id";
        let id: i64 = sqlx::query_scalar(statement)
            .bind(import.stream.integration)
            .bind(import.stream.stream as i64)
            .bind(&import.key)
            .bind(&import.settings)
            .bind(&import.name)
            .bind(import.applied_at.millis())
            .bind(import.window.map(|window| window.from().millis()))
            .bind(import.window.map(|window| window.to().millis()))
            .bind(subjects)
            .bind(count(import.imported))
            .bind(count(import.rejected))
            .bind(count(import.skipped))
            .bind(count(import.added))
            .bind(count(import.replaced))
            .bind(count(import.gone))
            .fetch_one(&mut *self.inner)
            .await
            .map_err(failed)?;
        Ok(id.unsigned_abs())
    }

    async fn quarantine(&mut self, integration: u32) -> Result<Vec<(ImportRecord, Vec<RejectedRow>)>> {
        let statement =
            "SELECT * FROM import WHERE integration = ? AND id IN (SELECT import FROM quarantine) ORDER BY id";
        let imports = sqlx::query(statement).bind(integration).fetch_all(&mut *self.inner).await.map_err(failed)?;
        let mut found = Vec::with_capacity(imports.len());
        for row in &imports {
            let import = import(row)?;
            let statement =
                "SELECT source, line, column_, rule, excerpt FROM quarantine WHERE import = ? ORDER BY number";
            let id = i64::try_from(import.id).unwrap_or(i64::MAX);
            let rows = sqlx::query(statement).bind(id).fetch_all(&mut *self.inner).await.map_err(failed)?;
            found.push((import, rows.iter().map(rejected).collect::<Result<_>>()?));
        }
        Ok(found)
    }

    async fn add_rejected(&mut self, import: u64, rows: &[RejectedRow]) -> Result<()> {
        for rows in rows.chunks(ROWS_PER_STATEMENT) {
            let mut statement =
                QueryBuilder::<Sqlite>::new("INSERT INTO quarantine (import, source, line, column_, rule, excerpt) ");
            statement.push_values(rows, |mut values, row| {
                values
                    .push_bind(i64::try_from(import).unwrap_or(i64::MAX))
                    .push_bind(&row.source)
                    .push_bind(i64::try_from(row.line).unwrap_or(i64::MAX))
                    .push_bind(&row.column)
                    .push_bind(row.rule.as_str())
                    .push_bind(&row.excerpt);
            });
            statement.build().execute(&mut *self.inner).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn release_rejected(&mut self, imports: &[u64]) -> Result<()> {
        for &import in imports {
            let statement = sqlx::query("DELETE FROM quarantine WHERE import = ?");
            let id = i64::try_from(import).unwrap_or(i64::MAX);
            statement.bind(id).execute(&mut *self.inner).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.inner.commit().await.map_err(failed)
    }
}

fn import(row: &SqliteRow) -> Result<ImportRecord> {
    let number = |name: &str| row.try_get::<i64, _>(name).map_err(failed);
    let text = |name: &str| row.try_get::<String, _>(name).map_err(failed);
    let edge = |name: &str| row.try_get::<Option<i64>, _>(name).map_err(failed);
    let subjects: Vec<u8> = row.try_get("subjects").map_err(failed)?;
    let window = match (edge("from_")?, edge("to_")?) {
        (Some(from), Some(to)) => {
            Some(Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).map_err(corrupt)?)
        }
        _ => None,
    };
    let stream = if number("stream")? == Stream::Contacts as i64 { Stream::Contacts } else { Stream::Statuses };
    let integration = row.try_get("integration").map_err(failed)?;
    Ok(ImportRecord {
        id: number("id")?.unsigned_abs(),
        stream: StreamId { integration, stream },
        key: text("key")?,
        settings: text("settings")?,
        name: text("name")?,
        applied_at: Timestamp::from_millis(number("applied_at")?),
        window,
        subjects: subjects.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect(),
        imported: number("imported")?.unsigned_abs(),
        rejected: number("rejected")?.unsigned_abs(),
        skipped: number("skipped")?.unsigned_abs(),
        added: number("added")?.unsigned_abs(),
        replaced: number("replaced")?.unsigned_abs(),
        gone: number("gone")?.unsigned_abs(),
    })
}

fn rejected(row: &SqliteRow) -> Result<RejectedRow> {
    let rule: String = get(row, 3)?;
    Ok(RejectedRow {
        source: get(row, 0)?,
        line: get::<i64>(row, 1)?.unsigned_abs(),
        column: get(row, 2)?,
        rule: Rule::from_str(&rule).map_err(corrupt)?,
        excerpt: get(row, 4)?,
    })
}

fn get<'r, T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>>(row: &'r SqliteRow, column: usize) -> Result<T> {
    row.try_get(column).map_err(failed)
}

fn instant(row: &SqliteRow, column: usize) -> Result<Timestamp> {
    get(row, column).map(Timestamp::from_millis)
}

fn corrupt(error: impl fmt::Display) -> Error {
    let message = format!("the store holds something that cannot be read: {error}; restore it from a backup");
    Error::new(ErrorKind::DataInvalid, message)
}

/// An error of the driver as one of ours: what the host should do about it.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn failed(error: sqlx::Error) -> Error {
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
