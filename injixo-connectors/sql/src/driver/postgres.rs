//! PostgreSQL: rows by `COPY … TO STDOUT (FORMAT binary)`, which has no parameters but costs the least by row.

use async_trait::async_trait;
use futures::StreamExt;
use injixo_core::model::{Millis, Timestamp};
use injixo_core::zone::LocalTime;
use injixo_core::{Error, ErrorKind, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Executor, Row as _, SqlSafeStr, Statement as _, TypeInfo as _,
};

use super::{Column, Driver, Kind, ROWS_BETWEEN_FLUSHES, Rows, encryption, plan, timed_out, unreachable};
use crate::config::{Connection, Tls};
use crate::dialect::{Dialect, Statement};
use crate::exact;
use crate::value::Cell;

pub(super) struct PostgresSession {
    inner: PgConnection,
    connection: Connection,
}

const PORT: u16 = 5432;

impl PostgresSession {
    pub(super) async fn open(connection: &Connection) -> Result<Self> {
        let tls = match connection.tls {
            Tls::Prefer => PgSslMode::Prefer,
            Tls::Require => PgSslMode::VerifyFull,
            Tls::Off => PgSslMode::Disable,
        };
        let timeout = connection.request_time().as_millis().to_string();
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&connection.host)
            .port(connection.port.unwrap_or(PORT))
            .database(&connection.database)
            .username(&connection.user)
            .ssl_mode(tls)
            .application_name("injixo")
            // Whatever the server or the user has set: nothing is written, and texts and times mean what they say.
            .options([
                ("default_transaction_read_only", "on"),
                ("statement_timeout", &timeout),
                ("standard_conforming_strings", "on"),
                ("TimeZone", "UTC"),
            ]);
        if let Some(password) = connection.password.as_ref().filter(|password| !password.expose().is_empty()) {
            options = options.password(password.expose());
        }
        if let Some(file) = &connection.ca_file {
            options = options.ssl_root_cert(file);
        }
        let opened = tokio::time::timeout(connection.request_time(), PgConnection::connect_with(&options)).await;
        let mut inner = opened.map_err(|_| timed_out(connection))?.map_err(|error| failed(connection, &error))?;
        let begun = inner.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
        begun.map_err(|error| failed(connection, &error))?;
        Ok(Self { inner, connection: connection.clone() })
    }

    fn failed(&self, error: &sqlx::Error) -> Error {
        failed(&self.connection, error)
    }
}

fn kind(type_name: &str) -> Kind {
    match type_name {
        "INT2" | "INT4" | "INT8" | "OID" => Kind::Int,
        "NUMERIC" => Kind::Decimal,
        "FLOAT4" | "FLOAT8" => Kind::Float,
        "BOOL" => Kind::Bool,
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "citext" => Kind::Text,
        "TIMESTAMP" | "DATE" => Kind::Local,
        "TIMESTAMPTZ" => Kind::Instant,
        "TIME" | "INTERVAL" => Kind::Length,
        _ => Kind::Other,
    }
}

#[async_trait]
impl Driver for PostgresSession {
    fn dialect(&self) -> Dialect {
        Dialect::POSTGRES
    }

    async fn columns(&mut self, select: &Statement) -> Result<Vec<Column>> {
        // The extended protocol takes one statement only.
        let prepared = (&mut self.inner).prepare(AssertSqlSafe(select.text.clone()).into_sql_str()).await;
        let prepared = prepared.map_err(|error| failed(&self.connection, &error))?;
        let column = |column: &sqlx::postgres::PgColumn| {
            let type_name = column.type_info().name().to_owned();
            Column { name: column.name().to_owned(), kind: kind(&type_name), type_name }
        };
        Ok(prepared.columns().iter().map(column).collect())
    }

    async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        let copy = format!("COPY ({}) TO STDOUT (FORMAT binary)", statement.text);
        let connection = &self.connection;
        let mut stream = self.inner.copy_out_raw(&copy).await.map_err(|error| failed(connection, &error))?;
        let mut tuples = Tuples::new(columns);
        let mut count = 0;
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(|error| failed(connection, &error))?;
            count += tuples.take(&bytes, rows)?;
            if count >= ROWS_BETWEEN_FLUSHES {
                count = 0;
                rows.flush().await?;
            }
        }
        tuples.finish()
    }

    async fn looks_at_all(&mut self, statement: &Statement) -> Result<Option<String>> {
        let explain = format!("EXPLAIN {}", statement.text);
        let lines = sqlx::query(AssertSqlSafe(explain)).persistent(false).fetch_all(&mut self.inner).await;
        let lines = lines.map_err(|error| self.failed(&error))?;
        Ok(plan::postgres(lines.iter().filter_map(|row| row.try_get::<String, _>(0).ok())))
    }
}

/// Takes rows out of the binary format of `COPY`.
struct Tuples<'c> {
    columns: &'c [Column],
    /// What is not taken yet: a row that did not come whole.
    rest: Vec<u8>,
    has_header: bool,
    is_ended: bool,
}

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// 2000-01-01, from which PostgreSQL counts, in milliseconds.
const EPOCH: i64 = 946_684_800_000;

impl<'c> Tuples<'c> {
    fn new(columns: &'c [Column]) -> Self {
        Self { columns, rest: Vec::new(), has_header: false, is_ended: false }
    }

    /// Takes all rows that are whole; how many there were.
    fn take(&mut self, bytes: &[u8], rows: &mut dyn Rows) -> Result<usize> {
        if self.rest.is_empty() {
            let taken = self.take_from(bytes, rows)?;
            self.rest.extend_from_slice(&bytes[taken.0..]);
            return Ok(taken.1);
        }
        self.rest.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.rest);
        let taken = self.take_from(&all, rows)?;
        self.rest.extend_from_slice(&all[taken.0..]);
        Ok(taken.1)
    }

    fn take_from(&mut self, bytes: &[u8], rows: &mut dyn Rows) -> Result<(usize, usize)> {
        let (mut at, mut count) = (0, 0);
        if !self.has_header {
            let Some(header) = bytes.get(..19) else { return Ok((0, 0)) };
            let extension = int4(&header[15..]).unwrap_or(-1);
            if !header.starts_with(SIGNATURE) || extension != 0 {
                return Err(garbled());
            }
            self.has_header = true;
            at = 19;
        }
        let mut cells = [Cell::Null; MOST_COLUMNS];
        let Some(cells) = cells.get_mut(..self.columns.len()) else { return Err(garbled()) };
        while let Some(taken) = self.tuple(&bytes[at..], cells)? {
            at += taken;
            if self.is_ended {
                break;
            }
            rows.row(cells)?;
            count += 1;
        }
        Ok((at, count))
    }

    /// The length of the first row, if it is there whole, and its cells.
    fn tuple<'b>(&mut self, bytes: &'b [u8], cells: &mut [Cell<'b>]) -> Result<Option<usize>> {
        let Some(fields) = bytes.get(..2) else { return Ok(None) };
        let fields = i16::from_be_bytes([fields[0], fields[1]]);
        if fields == -1 {
            self.is_ended = true;
            return Ok(Some(2));
        }
        if usize::try_from(fields).ok() != Some(cells.len()) || self.is_ended {
            return Err(garbled());
        }
        let mut at = 2;
        for (cell, column) in cells.iter_mut().zip(self.columns) {
            let Some(length) = int4(bytes.get(at..).unwrap_or_default()) else { return Ok(None) };
            at += 4;
            let Ok(length) = usize::try_from(length) else {
                *cell = Cell::Null;
                continue;
            };
            let Some(field) = bytes.get(at..at + length) else { return Ok(None) };
            at += length;
            *cell = decode(column, field);
        }
        Ok(Some(at))
    }

    fn finish(self) -> Result<()> {
        if self.is_ended && self.rest.is_empty() { Ok(()) } else { Err(garbled()) }
    }
}

/// More columns are never asked for.
const MOST_COLUMNS: usize = 16;

fn garbled() -> Error {
    Error::new(ErrorKind::Protocol, "the server does not answer as PostgreSQL does: check host and port")
}

fn int4(bytes: &[u8]) -> Option<i32> {
    bytes.get(..4)?.try_into().ok().map(i32::from_be_bytes)
}

fn int8(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_be_bytes)
}

/// A field, of a length that its type must have.
fn decode<'b>(column: &Column, field: &'b [u8]) -> Cell<'b> {
    let odd = Cell::Odd("a value that is not of the column's type");
    let cell = match (column.kind, field.len()) {
        (Kind::Int, 2) => Some(Cell::Int(i64::from(i16::from_be_bytes([field[0], field[1]])))),
        (Kind::Int, 4) => int4(field).map(|value| {
            // An OID has no sign.
            let unsigned = i64::from(value.cast_unsigned());
            Cell::Int(if column.type_name == "OID" { unsigned } else { i64::from(value) })
        }),
        (Kind::Int, 8) => int8(field).map(Cell::Int),
        (Kind::Float, 4) => int4(field).map(|bits| Cell::Float(f64::from(f32::from_bits(bits.cast_unsigned())))),
        (Kind::Float, 8) => int8(field).map(|bits| Cell::Float(f64::from_bits(bits.cast_unsigned()))),
        (Kind::Bool, 1) => Some(Cell::Bool(field[0] != 0)),
        (Kind::Text | Kind::Other, _) => {
            Some(std::str::from_utf8(field).map_or(Cell::Odd("a text that is not Unicode"), Cell::Text))
        }
        // A date: infinite ones are the largest and the smallest.
        (Kind::Local, 4) => int4(field).map(|days| {
            let is_infinite = days == i32::MAX || days == i32::MIN;
            let millis = i64::from(days) * 86_400_000 + EPOCH;
            if is_infinite { Cell::Odd("infinity") } else { Cell::Local(LocalTime::from_millis(millis)) }
        }),
        (Kind::Local, 8) => {
            millis(field).map(|at| at.map_or(Cell::Odd("infinity"), |at| Cell::Local(LocalTime::from_millis(at))))
        }
        (Kind::Instant, 8) => {
            millis(field).map(|at| at.map_or(Cell::Odd("infinity"), |at| Cell::Instant(Timestamp::from_millis(at))))
        }
        (Kind::Length, 8) => int8(field).map(|micros| Cell::Length(Millis::new(micros.div_euclid(1_000)))),
        (Kind::Length, 16) => int8(&field[..8]).map(|micros| {
            let (days, months) = (int4(&field[8..]).unwrap_or(0), int4(&field[12..]).unwrap_or(0));
            let length = Millis::new(micros.div_euclid(1_000).saturating_add(i64::from(days) * 86_400_000));
            if months == 0 { Cell::Length(length) } else { Cell::Odd("an interval with months") }
        }),
        (Kind::Decimal, _) => numeric(field),
        _ => None,
    };
    cell.unwrap_or(odd)
}

/// Milliseconds since 1970; `None` inside for infinity.
fn millis(field: &[u8]) -> Option<Option<i64>> {
    let micros = int8(field)?;
    Some((micros != i64::MAX && micros != i64::MIN).then(|| micros.div_euclid(1_000).saturating_add(EPOCH)))
}

/// A NUMERIC: digits to base 10,000, the first of which has the weight `10,000 ^ weight`.
fn numeric(field: &[u8]) -> Option<Cell<'static>> {
    let short = |at: usize| Some(i16::from_be_bytes(field.get(at..at + 2)?.try_into().ok()?));
    let (count, weight, sign) = (usize::try_from(short(0)?).ok()?, short(2)?, short(4)?.cast_unsigned());
    if matches!(sign, 0xC000 | 0xD000 | 0xF000) {
        return Some(Cell::Odd("NaN or infinity"));
    }
    let mut micros: i128 = 0;
    let mut round = false;
    for index in 0..count {
        let digit = i128::from(short(8 + 2 * index)?);
        // The power of ten of this digit's ones, in millionths.
        let power = i32::from(weight) * 4 - i32::try_from(index).ok()? * 4 + 6;
        if power > 30 {
            return Some(Cell::Odd("a number that is too large"));
        }
        micros += match power {
            0.. => digit * 10_i128.pow(power.unsigned_abs()),
            -3..0 => {
                let divisor = 10_i128.pow(power.unsigned_abs());
                round = digit % divisor >= divisor / 2;
                digit / divisor
            }
            _ => 0,
        };
    }
    let micros = micros + i128::from(round);
    let micros = if sign == 0x4000 { -micros } else { micros };
    Some(exact::of_millionths(micros))
}

/// An error of the driver as one of ours: what to do about it, without what might be secret.
fn failed(connection: &Connection, error: &sqlx::Error) -> Error {
    use ErrorKind::{ConfigInvalid, NotFound, PermissionDenied, Protocol, Unauthenticated, Unavailable, Unexpected};
    let port = connection.port.unwrap_or(PORT);
    if let Some(error) = encryption(connection, error) {
        return error;
    }
    let (kind, message) = match error {
        sqlx::Error::Io(error) => return unreachable(connection, port, error),
        sqlx::Error::Protocol(_) => return garbled(),
        sqlx::Error::Database(database) => match database.code().as_deref().unwrap_or_default() {
            "28P01" => (Unauthenticated, "the database refused the user or the password: correct them"),
            // In English, unless the server speaks another language.
            "28000" if connection.tls == Tls::Off && database.message().ends_with("no encryption") => {
                (ConfigInvalid, "the server demands an encrypted connection: set connection.tls to require")
            }
            "28000" => {
                (Unauthenticated, "the database does not let this user in from here: correct the user or pg_hba.conf")
            }
            "3D000" => (NotFound, "there is no such database: correct connection.database"),
            "42501" => (PermissionDenied, "the user may not read this: grant SELECT on it"),
            "25006" => (ConfigInvalid, "the query wants to write: only reading is allowed"),
            "57014" => return timed_out(connection),
            "42P01" | "42703" | "42883" | "3F000" => {
                (ConfigInvalid, "the query names something that is not in the database")
            }
            "42601" | "0A000" | "42P10" | "42702" | "42804" | "42P18" => {
                (ConfigInvalid, "the database does not understand the query: correct it")
            }
            "22P02" | "22007" | "22008" | "22012" | "22003" | "22023" => {
                (ErrorKind::DataInvalid, "the query cannot compute or convert a value of this window")
            }
            "57P01" | "57P02" | "57P03" | "53300" => {
                (Unavailable, "the database is starting, shutting down or full of connections: it is tried again")
            }
            code if ["08", "53", "58", "40"].iter().any(|class| code.starts_with(class)) => {
                (Unavailable, "the connection to the database was lost, or it lacks resources: it is tried again")
            }
            _ => (Unexpected, "the database refused the query"),
        },
        _ => (Protocol, "the connection to the database failed"),
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

    fn number(weight: i16, sign: u16, digits: &[i16]) -> String {
        let mut bytes = Vec::new();
        let count = i16::try_from(digits.len()).unwrap();
        for short in [count, weight, sign.cast_signed(), 0].iter().chain(digits) {
            bytes.extend(short.to_be_bytes());
        }
        numeric(&bytes).unwrap().to_string()
    }

    #[test]
    fn numerics_are_read_to_the_millionth() {
        assert_eq!(number(0, 0, &[]), "0");
        assert_eq!(number(0, 0, &[42]), "42");
        assert_eq!(number(1, 0, &[1, 5]), "10005");
        assert_eq!(number(0, 0x4000, &[3, 2500]), "-3.25");
        assert_eq!(number(-1, 0, &[5000]), "0.5");
        assert_eq!(number(-2, 0, &[1]), "0");
        assert_eq!(number(-1, 0, &[0, 100]), "0.000001");
        assert_eq!(number(-1, 0, &[0, 50]), "0.000001");
        assert_eq!(number(-1, 0, &[0, 49]), "0");
        assert_eq!(number(2, 0, &[1]), "100000000");
        // Beyond what millionths can hold: an identifier of 19 digits.
        assert_eq!(number(4, 0, &[922, 3372, 368, 5477, 5807]), i64::MAX.to_string());
        assert_eq!(number(4, 0x4000, &[922, 3372, 368, 5477, 5808]), i64::MIN.to_string());
        assert_eq!(number(4, 0, &[922, 3372, 368, 5477, 5808]), "a number that is too large");
        assert_eq!(number(4, 0, &[922, 3372, 368, 5477, 5807, 5000]), "a number that is too large");
        assert_eq!(number(9, 0, &[1]), "a number that is too large");
        assert_eq!(number(0, 0xC000, &[]), "NaN or infinity");
    }
}
