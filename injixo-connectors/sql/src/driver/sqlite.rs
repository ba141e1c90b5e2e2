//! Files of SQLite. Each value has a type of its own there, whatever its column was declared as.

use std::time::Instant;

use async_trait::async_trait;
use futures::TryStreamExt;
use injixo_core::{Error, ErrorKind, Result};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Executor, Row as _, SqlSafeStr, Sqlite, Statement as _, TypeInfo as _,
    ValueRef as _,
};

use super::{Column, Driver, Kind, ROWS_BETWEEN_FLUSHES, Rows, plan, timed_out};
use crate::config::Connection;
use crate::dialect::{Dialect, Statement};
use crate::value::Cell;
use crate::window::Edge;

pub(super) struct SqliteSession {
    inner: SqliteConnection,
    connection: Connection,
}

/// How many steps of its machine pass between two looks at the clock.
const STEPS: i32 = 10_000;

impl SqliteSession {
    pub(super) async fn open(connection: &Connection) -> Result<Self> {
        let file = connection.file.clone().unwrap_or_default();
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .read_only(true)
            .pragma("query_only", "ON")
            .pragma("trusted_schema", "OFF")
            .busy_timeout(connection.request_time());
        let mut inner = SqliteConnection::connect_with(&options).await.map_err(|error| failed(connection, &error))?;
        let deadline = Instant::now() + connection.request_time();
        let mut handle = inner.lock_handle().await.map_err(|error| failed(connection, &error))?;
        handle.set_progress_handler(STEPS, move || Instant::now() < deadline);
        drop(handle);
        Ok(Self { inner, connection: connection.clone() })
    }

    fn failed(&self, error: &sqlx::Error) -> Error {
        failed(&self.connection, error)
    }
}

fn bound<'q>(statement: &Statement) -> Query<'q, Sqlite, SqliteArguments> {
    let query = sqlx::query(AssertSqlSafe(statement.text.clone())).persistent(false);
    statement.values.iter().fold(query, |query, edge| match edge {
        Edge::Local(local) => query.bind(local.to_string()),
        Edge::Instant(instant) => query.bind(instant.to_string()),
        Edge::Secs(secs) => query.bind(*secs),
        Edge::Text(text) => query.bind(text.clone()),
    })
}

#[async_trait]
impl Driver for SqliteSession {
    fn dialect(&self) -> Dialect {
        Dialect::SQLITE
    }

    async fn columns(&mut self, select: &Statement) -> Result<Vec<Column>> {
        let prepared = (&mut self.inner).prepare(AssertSqlSafe(select.text.clone()).into_sql_str()).await;
        let prepared = prepared.map_err(|error| failed(&self.connection, &error))?;
        // What a column was declared as says little; times are compared as the first of them is written.
        let column = |column: &sqlx::sqlite::SqliteColumn| Column {
            name: column.name().to_owned(),
            kind: Kind::Text,
            type_name: column.type_info().name().to_owned(),
        };
        Ok(prepared.columns().iter().map(column).collect())
    }

    async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        let connection = &self.connection;
        let mut stream = bound(statement).fetch(&mut self.inner);
        let mut count = 0;
        while let Some(row) = stream.try_next().await.map_err(|error| failed(connection, &error))? {
            let mut cells = [Cell::Null; 16];
            let cells = &mut cells[..columns.len().min(16)];
            for (index, cell) in cells.iter_mut().enumerate() {
                *cell = decode(&row, index);
            }
            rows.row(cells)?;
            count += 1;
            if count % ROWS_BETWEEN_FLUSHES == 0 {
                rows.flush().await?;
            }
        }
        Ok(())
    }

    async fn looks_at_all(&mut self, statement: &Statement) -> Result<Option<String>> {
        let explain = Statement { text: format!("EXPLAIN QUERY PLAN {}", statement.text), ..statement.clone() };
        let lines = bound(&explain).fetch_all(&mut self.inner).await;
        let lines = lines.map_err(|error| self.failed(&error))?;
        Ok(plan::sqlite(lines.iter().filter_map(|row| row.try_get::<String, _>("detail").ok())))
    }
}

fn decode(row: &SqliteRow, index: usize) -> Cell<'_> {
    let Ok(value) = row.try_get_raw(index) else { return Cell::Odd("a value that cannot be read") };
    let type_info = value.type_info();
    let cell = match type_info.name() {
        "NULL" => return Cell::Null,
        "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(index).map(Cell::Int),
        "REAL" => row.try_get_unchecked::<f64, _>(index).map(Cell::Float),
        "BLOB" => return Cell::Odd("a BLOB"),
        _ => row.try_get_unchecked::<&str, _>(index).map(Cell::Text),
    };
    cell.unwrap_or(Cell::Odd("a text that is not Unicode"))
}

/// An error of the driver as one of ours: what to do about it.
fn failed(connection: &Connection, error: &sqlx::Error) -> Error {
    use ErrorKind::{ConfigInvalid, DataInvalid, NotFound, Unavailable, Unexpected};
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
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
        _ => (Unexpected, "the database failed"),
    };
    let error = match error.as_database_error() {
        Some(database) => Error::new(kind, message).with("cause", database.message()),
        None => Error::new(kind, message),
    };
    error.with("file", connection.file.clone().unwrap_or_default().display())
}
