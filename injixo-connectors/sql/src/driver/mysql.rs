//! MySQL and MariaDB, by prepared statements.

use async_trait::async_trait;
use chrono::{NaiveDate, NaiveDateTime};
use futures::TryStreamExt;
use injixo_core::model::Timestamp;
use injixo_core::zone::LocalTime;
use injixo_core::{Error, ErrorKind, Result};
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Executor, MySql, Row as _, SqlSafeStr, Statement as _, TypeInfo as _,
};

use super::{Column, Driver, Kind, ROWS_BETWEEN_FLUSHES, Rows, no_encryption, plan, timed_out, unreachable, untrusted};
use crate::config::{Connection, Tls};
use crate::dialect::{Dialect, Statement};
use crate::exact::{self, decimal, length};
use crate::value::Cell;
use crate::window::Edge;

pub(super) struct MySqlSession {
    inner: MySqlConnection,
    connection: Connection,
}

const PORT: u16 = 3306;

impl MySqlSession {
    pub(super) async fn open(connection: &Connection) -> Result<Self> {
        let tls = match connection.tls {
            Tls::Prefer => MySqlSslMode::Preferred,
            Tls::Require => MySqlSslMode::VerifyIdentity,
            Tls::Off => MySqlSslMode::Disabled,
        };
        // What a user's query means is not to change: nothing is set but the zone, in which TIMESTAMP comes.
        let mut options = MySqlConnectOptions::new()
            .host(&connection.host)
            .port(connection.port.unwrap_or(PORT))
            .database(&connection.database)
            .username(&connection.user)
            .ssl_mode(tls)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(Some("+00:00".to_owned()));
        if let Some(password) = connection.password.as_ref().filter(|password| !password.expose().is_empty()) {
            options = options.password(password.expose());
        }
        if let Some(file) = &connection.ca_file {
            options = options.ssl_ca(file);
        }
        let opened = tokio::time::timeout(connection.request_time(), MySqlConnection::connect_with(&options)).await;
        let inner = opened.map_err(|_| timed_out(connection))?.map_err(|error| failed(connection, &error))?;
        let mut session = Self { inner, connection: connection.clone() };
        // MariaDB has the one, MySQL the other.
        let secs = connection.request_secs;
        for limit in [
            format!("SET SESSION max_statement_time = {secs}"),
            format!("SET SESSION max_execution_time = {}", secs * 1_000),
        ] {
            let done = session.inner.execute(AssertSqlSafe(limit)).await;
            if let Err(error) = done
                && error.as_database_error().and_then(|error| error.code()).as_deref() != Some("HY000")
            {
                return Err(session.failed(&error));
            }
        }
        // Backslashes mean what they mean to the check of the query.
        let backslashes = "SET SESSION sql_mode = REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')";
        for begin in
            [backslashes, "SET SESSION TRANSACTION READ ONLY", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"]
        {
            let begun = session.inner.execute(begin).await;
            begun.map_err(|error| session.failed(&error))?;
        }
        Ok(session)
    }

    fn failed(&self, error: &sqlx::Error) -> Error {
        failed(&self.connection, error)
    }
}

fn kind(type_name: &str) -> Kind {
    match type_name {
        "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "TINYINT UNSIGNED"
        | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED" | "BIGINT UNSIGNED" | "YEAR" | "BIT" => Kind::Int,
        "DECIMAL" => Kind::Decimal,
        "FLOAT" | "DOUBLE" => Kind::Float,
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" | "VARBINARY"
        | "BINARY" => Kind::Text,
        "DATETIME" | "DATE" => Kind::Local,
        "TIMESTAMP" => Kind::Instant,
        "TIME" => Kind::Length,
        _ => Kind::Other,
    }
}

fn bound<'q>(statement: &Statement) -> Query<'q, MySql, MySqlArguments> {
    // Closing a statement has no answer: what is sent after it would wait for the server's delayed acknowledgement.
    let query = sqlx::query(AssertSqlSafe(statement.text.clone())).persistent(true);
    statement.values.iter().fold(query, |query, edge| match edge {
        Edge::Local(local) => query.bind(NaiveDateTime::from(*local)),
        Edge::Instant(instant) => query.bind(instant.to_utc()),
        Edge::Secs(secs) => query.bind(*secs),
        Edge::Text(text) => query.bind(text.clone()),
    })
}

#[async_trait]
impl Driver for MySqlSession {
    fn dialect(&self) -> Dialect {
        Dialect::MYSQL
    }

    async fn columns(&mut self, select: &Statement) -> Result<Vec<Column>> {
        let prepared = (&mut self.inner).prepare(AssertSqlSafe(select.text.clone()).into_sql_str()).await;
        let prepared = prepared.map_err(|error| failed(&self.connection, &error))?;
        let column = |column: &sqlx::mysql::MySqlColumn| {
            let type_name = column.type_info().name().to_owned();
            Column { name: column.name().to_owned(), kind: kind(&type_name), type_name }
        };
        Ok(prepared.columns().iter().map(column).collect())
    }

    async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        let connection = &self.connection;
        let readings: Vec<Reading> = columns.iter().map(reading).collect();
        let mut stream = bound(statement).fetch(&mut self.inner);
        let mut count = 0;
        while let Some(row) = stream.try_next().await.map_err(|error| failed(connection, &error))? {
            let mut cells = [Cell::Null; 8];
            if let Some(cells) = cells.get_mut(..readings.len()) {
                cells
                    .iter_mut()
                    .zip(&readings)
                    .enumerate()
                    .for_each(|(at, (cell, how))| *cell = decode(&row, at, *how));
                rows.row(cells)?;
            } else {
                let cells: Vec<Cell<'_>> =
                    readings.iter().enumerate().map(|(at, how)| decode(&row, at, *how)).collect();
                rows.row(&cells)?;
            }
            count += 1;
            if count % ROWS_BETWEEN_FLUSHES == 0 {
                rows.flush().await?;
            }
        }
        Ok(())
    }

    async fn looks_at_all(&mut self, statement: &Statement) -> Result<Option<String>> {
        let explain = Statement { text: format!("EXPLAIN {}", statement.text), ..statement.clone() };
        let rows = bound(&explain).fetch_all(&mut self.inner).await;
        let rows = rows.map_err(|error| self.failed(&error))?;
        Ok(plan::mysql(rows.iter().map(|row| {
            // Servers give them types of their own: a count may be a text.
            let text = |column: &str| {
                let text = row.try_get_unchecked::<Option<String>, _>(column);
                text.ok().flatten().unwrap_or_default()
            };
            let count = match row.try_get::<Option<u64>, _>("rows") {
                Ok(count) => count.and_then(|count| i64::try_from(count).ok()),
                Err(_) => row.try_get::<Option<i64>, _>("rows").unwrap_or_else(|_| text("rows").parse().ok()),
            };
            (text("table"), text("type"), count.unwrap_or(0))
        })))
    }
}

/// How the values of a column are read. Answers to prepared statements are in the binary format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Int,
    Unsigned,
    Float,
    Decimal,
    Length,
    Text,
    Local,
    Instant,
    Not,
}

fn reading(column: &Column) -> Reading {
    match column.kind {
        Kind::Int if column.type_name.ends_with("UNSIGNED") || column.type_name == "BIT" => Reading::Unsigned,
        Kind::Int => Reading::Int,
        Kind::Float => Reading::Float,
        Kind::Decimal => Reading::Decimal,
        Kind::Length => Reading::Length,
        Kind::Text | Kind::Other => Reading::Text,
        Kind::Local => Reading::Local,
        Kind::Instant => Reading::Instant,
        Kind::Bool => Reading::Not,
    }
}

fn decode(row: &MySqlRow, index: usize, reading: Reading) -> Cell<'_> {
    let odd = Cell::Odd("a value that is not of the column's type");
    let bytes = match row.try_get_unchecked::<Option<&[u8]>, _>(index) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Cell::Null,
        Err(_) => return odd,
    };
    let text = || std::str::from_utf8(bytes).ok();
    let cell = match reading {
        Reading::Int => signed(bytes).map(Cell::Int),
        Reading::Unsigned => unsigned(bytes).map(|value| exact::of_millionths(i128::from(value) * 1_000_000)),
        Reading::Float => match bytes.len() {
            4 => bytes.try_into().ok().map(|bytes| Cell::Float(f64::from(f32::from_le_bytes(bytes)))),
            _ => bytes.try_into().ok().map(|bytes| Cell::Float(f64::from_le_bytes(bytes))),
        },
        Reading::Decimal => text().and_then(decimal),
        Reading::Length => text().and_then(length),
        Reading::Text => text().map(Cell::Text),
        Reading::Local | Reading::Instant => match time(bytes) {
            // The zero date stands for none.
            Some(None) => Some(Cell::Null),
            Some(Some(local)) if reading == Reading::Local => Some(Cell::Local(local)),
            Some(Some(local)) => Some(Cell::Instant(Timestamp::from_millis(local.millis()))),
            None => Some(Cell::Odd("a date without a month or a day")),
        },
        Reading::Not => None,
    };
    cell.unwrap_or(odd)
}

/// A whole number with a sign, of any width.
fn signed(bytes: &[u8]) -> Option<i64> {
    let value = match *bytes {
        [a] => i64::from(i8::from_le_bytes([a])),
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        _ => i64::from_le_bytes(bytes.try_into().ok()?),
    };
    Some(value)
}

/// The same without a sign.
fn unsigned(bytes: &[u8]) -> Option<u64> {
    let fits = (1..=8).contains(&bytes.len());
    fits.then(|| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// A date with a time behind its length: year, month and day, hour, minute and second, millionths, as far as they are not zero. `None`
/// inside for the zero date.
fn time(bytes: &[u8]) -> Option<Option<LocalTime>> {
    let (length, rest) = bytes.split_first()?;
    if usize::from(*length) != rest.len() {
        return None;
    }
    let byte = |at: usize| rest.get(at).copied().map_or(0, u32::from);
    let year = i32::from(u16::from_le_bytes([*rest.first().unwrap_or(&0), *rest.get(1).unwrap_or(&0)]));
    if (year, byte(2), byte(3)) == (0, 0, 0) {
        return Some(None);
    }
    let micros = rest.get(7..11).and_then(|micros| micros.try_into().ok()).map_or(0, u32::from_le_bytes);
    let date = NaiveDate::from_ymd_opt(year, byte(2), byte(3))?;
    let time = date.and_hms_micro_opt(byte(4), byte(5), byte(6), micros)?;
    Some(Some(LocalTime::from(time)))
}

/// What is wrong with the encryption of a connection, if an error is about it.
fn encryption(connection: &Connection, error: &sqlx::Error) -> Option<Error> {
    match error {
        sqlx::Error::Tls(cause) if cause.to_string().contains("does not support TLS") => {
            Some(no_encryption(connection))
        }
        sqlx::Error::Tls(cause) => Some(untrusted(connection, &cause.to_string())),
        // A certificate that is refused ends the exchange of keys.
        sqlx::Error::Io(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
            let cause = cause.to_string();
            cause.contains("certificate").then(|| untrusted(connection, &cause))
        }
        _ => None,
    }
}

/// An error of the driver as one of ours: what to do about it, without what might be secret.
fn failed(connection: &Connection, error: &sqlx::Error) -> Error {
    use ErrorKind::{ConfigInvalid, NotFound, PermissionDenied, Protocol, Unauthenticated, Unavailable, Unexpected};
    let port = connection.port.unwrap_or(PORT);
    if let Some(error) = encryption(connection, error) {
        return error;
    }
    let number =
        error.as_database_error().and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>());
    let number = number.map(sqlx::mysql::MySqlDatabaseError::number);
    let (kind, message) = match (error, number) {
        (sqlx::Error::Io(error), _) => return unreachable(connection, port, error),
        (sqlx::Error::Protocol(message), _) if message.contains("cleartext") || message.contains("secure") => {
            (ConfigInvalid, "the server wants the password over an encrypted connection: set connection.tls to require")
        }
        // MariaDB does not say whether it is for want of encryption.
        (_, Some(1045 | 1698)) if connection.tls == Tls::Off => (
            Unauthenticated,
            "the database refused the user or the password: correct them; or it demands an encrypted connection: set \
             connection.tls to require",
        ),
        (_, Some(1045 | 1698)) => (Unauthenticated, "the database refused the user or the password: correct them"),
        (_, Some(1044 | 1142 | 1143 | 1227 | 1370)) => {
            (PermissionDenied, "the user may not read this: grant SELECT on it")
        }
        (_, Some(1049)) => (NotFound, "there is no such database: correct connection.database"),
        (_, Some(1792 | 1290 | 1836)) => (ConfigInvalid, "the query wants to write: only reading is allowed"),
        (_, Some(1969 | 3024 | 1317)) => return timed_out(connection),
        (_, Some(1146 | 1054 | 1305 | 1109)) => {
            (ConfigInvalid, "the query names something that is not in the database")
        }
        (_, Some(1064 | 1149 | 1060 | 1248 | 1052 | 1222 | 1234)) => {
            (ConfigInvalid, "the database does not understand the query: correct it")
        }
        (_, Some(3159)) => (ConfigInvalid, "the server demands an encrypted connection: set connection.tls to require"),
        (_, Some(1040 | 1053 | 1077 | 1158..=1161 | 1203 | 1205 | 1213 | 1226 | 1927 | 2006 | 2013)) => {
            (Unavailable, "the connection to the database was lost, or it lacks resources: it is tried again")
        }
        (_, Some(_)) => (Unexpected, "the database refused the query"),
        _ => (Protocol, "the server does not answer as MySQL does: check host and port"),
    };
    let error = match error.as_database_error() {
        Some(database) => Error::new(kind, message).with("cause", database.message()),
        None => Error::new(kind, message),
    };
    error.with("database", &connection.database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_of_every_width() {
        for (bytes, with_sign, without) in [
            (&[0x7F][..], 127, 127),
            (&[0xFF], -1, 255),
            (&[0x00, 0x80], -32_768, 32_768),
            (&[0xFE, 0xFF, 0xFF, 0xFF], -2, 4_294_967_294),
            (&[0, 0, 0, 0, 0, 0, 0, 0x80], i64::MIN, 9_223_372_036_854_775_808),
        ] {
            assert_eq!((signed(bytes), unsigned(bytes)), (Some(with_sign), Some(without)));
        }
        assert_eq!((signed(&[]), signed(&[0; 9]), unsigned(&[]), unsigned(&[0; 9])), (None, None, None, None));
    }

    #[test]
    fn times_of_every_length() {
        let text = |bytes: &[u8]| time(bytes).map(|time| time.map(|time| time.to_string()));
        let some = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(text(&[4, 0xE8, 7, 2, 29]), some("2024-02-29T00:00:00"));
        assert_eq!(text(&[7, 0xE8, 7, 3, 31, 2, 30, 59]), some("2024-03-31T02:30:59"));
        assert_eq!(text(&[11, 0xE8, 7, 3, 31, 2, 30, 59, 0x40, 0xE2, 1, 0]), some("2024-03-31T02:30:59.123"));
        assert_eq!((text(&[0]), text(&[4, 0, 0, 0, 0])), (Some(None), Some(None)));
        for odd in [&[4, 0xE8, 7, 0, 1][..], &[4, 0xE8, 7, 2, 30], &[7, 0xE8, 7, 3, 31, 24, 0, 0], &[4, 0xE8], &[]] {
            assert_eq!(text(odd), None, "{odd:?}");
        }
    }
}
