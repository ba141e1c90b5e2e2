//! Files of SQLite. Each value has a type of its own there, whatever its column was declared as.
//!
//! SQLite waits in its calls, so they are made on a thread where that is allowed; rows cross in blocks.

mod block;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use injixo_core::{Error, ErrorKind, Result};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{OpenFlags, ToSql, params_from_iter};
use tokio::sync::mpsc;

use self::block::Block;
use super::{Column, Driver, Kind, Rows, plan, timed_out};
use crate::config::Connection;
use crate::dialect::{Dialect, HUGE, Statement};
use crate::window::Edge;

pub(super) struct SqliteSession {
    /// Away while a thread uses it, and after a thread that was not waited for.
    inner: Option<rusqlite::Connection>,
    connection: Connection,
    watch: Arc<Watch>,
}

/// Ends what takes too long, or what nobody waits for any more.
#[derive(Debug)]
struct Watch {
    opened: Instant,
    /// In milliseconds since then.
    until: AtomicU64,
    is_left: AtomicBool,
}

impl Watch {
    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn allow(&self, time: Duration) {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.until.store(self.now().saturating_add(time), Ordering::Relaxed);
    }

    /// The engine took so long for what it was handed.
    fn extend(&self, time: Duration) {
        self.until.fetch_add(u64::try_from(time.as_millis()).unwrap_or(0), Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.is_left.load(Ordering::Relaxed) || self.now() >= self.until.load(Ordering::Relaxed)
    }
}

impl Drop for SqliteSession {
    fn drop(&mut self) {
        self.watch.is_left.store(true, Ordering::Relaxed);
    }
}

/// How many steps of its machine pass between two looks at the clock.
const STEPS: i32 = 10_000;

/// Of so many rows one is looked at to see whether they come in the same order again.
const SIGNED: u64 = 16;

/// How many rows cross at once, and how many blocks of them may wait.
const ROWS: usize = 1_024;
const BLOCKS: usize = 2;

impl SqliteSession {
    pub(super) async fn open(connection: &Connection) -> Result<Self> {
        let watch = Watch { opened: Instant::now(), until: AtomicU64::new(0), is_left: AtomicBool::new(false) };
        let mut session = Self { inner: None, connection: connection.clone(), watch: Arc::new(watch) };
        let (file, patience) = (connection.file.clone().unwrap_or_default(), connection.request_time());
        let watch = Arc::clone(&session.watch);
        session.watch.allow(patience);
        let opening = move || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let inner = rusqlite::Connection::open_with_flags(file, flags)?;
            inner.busy_timeout(patience)?;
            inner.pragma_update(None, "query_only", true)?;
            inner.pragma_update(None, "trusted_schema", false)?;
            inner.progress_handler(STEPS, Some(move || watch.is_over()))?;
            Ok(inner)
        };
        let opened = tokio::task::spawn_blocking(opening).await.map_err(|_| ended())?;
        session.inner = Some(opened.map_err(|error| session.failed(&error))?);
        Ok(session)
    }

    fn failed(&self, error: &rusqlite::Error) -> Error {
        failed(&self.connection, error)
    }

    /// Does something with the file on a thread.
    async fn on_thread<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = self.inner.take().ok_or_else(ended)?;
        self.watch.allow(self.connection.request_time());
        let working = move || {
            let done = work(&inner);
            (inner, done)
        };
        let (inner, done) = tokio::task::spawn_blocking(working).await.map_err(|_| ended())?;
        self.inner = Some(inner);
        done.map_err(|error| self.failed(&error))
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, "the session with the file has ended: it is tried again")
}

impl ToSql for Edge {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(match self {
            Self::Local(local) => Value::Text(local.to_string()),
            Self::Instant(instant) => Value::Text(instant.to_string()),
            Self::Secs(secs) => Value::Integer(*secs),
            Self::Text(text) => Value::Text(text.clone()),
        }))
    }
}

#[async_trait]
impl Driver for SqliteSession {
    fn dialect(&self) -> Dialect {
        Dialect::SQLITE
    }

    async fn columns(&mut self, select: &Statement) -> Result<Vec<Column>> {
        let text = select.text.clone();
        self.on_thread(move |inner| {
            let prepared = inner.prepare(&text)?;
            // What a column was declared as says little; times are compared as the first of them is written.
            let column = |column: &rusqlite::Column<'_>| Column {
                name: column.name().to_owned(),
                kind: Kind::Text,
                type_name: column.decl_type().unwrap_or("NULL").to_owned(),
            };
            Ok(prepared.columns().iter().map(column).collect())
        })
        .await
    }

    async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        let (sender, mut blocks) = mpsc::channel(BLOCKS);
        let (plain, guarded) = (statement.clone(), statement.clone().guarded(columns));
        let watch = Arc::clone(&self.watch);
        let reading = self.on_thread(move |inner| {
            // Should the rows have to be read again, nobody has changed them.
            let _snapshot = inner.unchecked_transaction()?;
            let mut reading = Reading { inner, watch: &watch, blocks: &sender, rows: 0, checksum: 0 };
            inner.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::try_from(HUGE).unwrap_or(i32::MAX))?;
            let read = reading.read(&plain, 0, 0);
            inner.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::MAX)?;
            match read {
                Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::TooBig) => {
                    let (taken, checksum) = (reading.rows, reading.checksum);
                    (reading.rows, reading.checksum) = (0, 0);
                    reading.read(&guarded, taken, checksum)
                }
                read => read,
            }
        });
        let taking = async {
            while let Some(block) = blocks.recv().await {
                Block::take(&block, columns.len(), rows)?;
                rows.flush().await?;
            }
            Ok(())
        };
        futures::try_join!(reading, taking).map(|_| ())
    }

    async fn looks_at_all(&mut self, statement: &Statement) -> Result<Option<String>> {
        let statement = statement.clone();
        let lines = self.on_thread(move |inner| {
            let mut explained = inner.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.text))?;
            let lines =
                explained.query_map(params_from_iter(&statement.values), |row| row.get::<_, String>("detail"))?;
            lines.collect::<rusqlite::Result<Vec<String>>>()
        });
        Ok(plan::sqlite(lines.await?.into_iter()))
    }
}

/// Rows on their way out of a file.
struct Reading<'r> {
    inner: &'r rusqlite::Connection,
    watch: &'r Watch,
    blocks: &'r mpsc::Sender<Block>,
    /// How many rows there were, and what they were.
    rows: u64,
    checksum: u64,
}

impl Reading<'_> {
    /// Reads the rows behind the first `taken`, which are the same as before if their checksum is.
    fn read(&mut self, statement: &Statement, taken: u64, checksum: u64) -> rusqlite::Result<()> {
        let mut prepared = self.inner.prepare(&statement.text)?;
        let columns = prepared.column_count();
        let mut found = prepared.query(params_from_iter(&statement.values))?;
        let mut block = Block::with_room(ROWS * columns);
        let mut held = 0;
        loop {
            if self.rows == taken && self.checksum != checksum {
                // The rows are not the same twice, as by random().
                return Err(too_big());
            }
            let row = match found.next() {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(error) => {
                    self.hand_over(block);
                    return Err(error);
                }
            };
            let is_new = self.rows >= taken;
            let is_signed = self.rows.is_multiple_of(SIGNED);
            for column in 0..columns {
                let value = row.get_ref(column)?;
                if is_signed {
                    self.checksum = self.checksum.rotate_left(5) ^ sign_of(value);
                }
                if is_new {
                    block.push(value);
                }
            }
            self.rows += 1;
            held += usize::from(is_new);
            if held == ROWS {
                held = 0;
                if !self.hand_over(std::mem::replace(&mut block, Block::with_room(ROWS * columns))) {
                    return Ok(());
                }
            }
        }
        self.hand_over(block);
        if self.rows < taken { Err(too_big()) } else { Ok(()) }
    }

    /// Whether anybody takes it.
    fn hand_over(&self, block: Block) -> bool {
        let began = Instant::now();
        let is_taken = self.blocks.blocking_send(block).is_ok();
        self.watch.extend(began.elapsed());
        is_taken
    }
}

fn too_big() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_TOOBIG), None)
}

/// Something that tells most values apart.
fn sign_of(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Null => 1,
        ValueRef::Integer(value) => value.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15),
        ValueRef::Real(value) => value.to_bits().rotate_left(32),
        ValueRef::Text(text) => {
            let word = text.last_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
            word.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ text.len() as u64
        }
        ValueRef::Blob(bytes) => bytes.len() as u64 + 2,
    }
}

/// An error of the driver as one of ours: what to do about it.
fn failed(connection: &Connection, error: &rusqlite::Error) -> Error {
    use ErrorKind::{ConfigInvalid, DataInvalid, NotFound, Unavailable, Unexpected};
    let (code, message) = match error {
        rusqlite::Error::SqliteFailure(code, message) => (Some(code.extended_code), message.as_deref()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (Some(error.extended_code), Some(msg.as_str())),
        _ => (None, None),
    };
    let cause = message;
    // The primary result code is the low byte.
    let (kind, message) = match code.map(|code| code & 0xFF) {
        Some(1) => {
            (ConfigInvalid, "the database does not understand the query, or it names something that is not there")
        }
        Some(5 | 6) => (Unavailable, "the file is locked by another program: it is tried again"),
        Some(8) => (ConfigInvalid, "the query wants to write: only reading is allowed"),
        Some(9) => return timed_out(connection),
        Some(11 | 26) => (DataInvalid, "the file is damaged or no SQLite database: correct connection.file"),
        Some(14) => (NotFound, "the file cannot be opened: correct connection.file, or allow reading it"),
        Some(18) => {
            (DataInvalid, "a text is longer than a mebibyte, and the rows differ each time: cut it in the query")
        }
        _ => (Unexpected, "the database failed"),
    };
    let error = match cause {
        Some(cause) => Error::new(kind, message).with("cause", cause),
        None => Error::new(kind, message),
    };
    error.with("file", connection.file.clone().unwrap_or_default().display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Cell;

    struct Seen(Vec<(i64, usize)>);

    #[async_trait]
    impl Rows for Seen {
        fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
            let [Cell::Int(number), Cell::Text(text)] = cells else { panic!("{cells:?}") };
            self.0.push((*number, text.chars().count()));
            Ok(())
        }

        async fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    async fn read(rest: &str) -> (Result<()>, Vec<(i64, usize)>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("calls.db");
        let writer = rusqlite::Connection::open(&file).unwrap();
        let table = "CREATE TABLE calls AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4999)
                     SELECT i, CASE WHEN i IN (3000, 4000) THEN printf('%2000000s', '') ELSE 'text ' || i END AS t FROM n";
        writer.execute_batch(table).unwrap();
        let config = format!("adapter = 'sqlite'\nfile = '{}'", file.display());
        let mut session = SqliteSession::open(&toml::from_str(&config).unwrap()).await.unwrap();
        let mut statement = Statement::new(Dialect::SQLITE);
        statement.push(&format!("SELECT i, t FROM calls {rest}"));
        let columns = session.columns(&statement).await.unwrap();
        let mut seen = Seen(Vec::new());
        let run = session.run(&statement, &columns, &mut seen).await;
        (run, seen.0)
    }

    /// Some thousand rows were handed over when the first of the huge values comes.
    #[tokio::test]
    async fn rows_around_a_huge_value_come_once() {
        let (run, seen) = read("ORDER BY i").await;
        run.unwrap();
        let length = |i: i64| if [3_000, 4_000].contains(&i) { 1_001 } else { 5 + i.to_string().len() };
        assert_eq!(seen, (0..5_000).map(|i| (i, length(i))).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn rows_that_are_others_each_time_are_refused() {
        let (run, _) = read("WHERE i >= 3000 OR random() % 2 = 0").await;
        let refused = run.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::DataInvalid);
        assert!(refused.to_string().contains("longer than a mebibyte"), "{refused}");
    }
}
