//! PostgreSQL: rows by `COPY … TO STDOUT (FORMAT binary)`, which has no parameters but costs the least by row.

mod tuples;
mod wire;

use async_trait::async_trait;
use injixo_core::{Error, ErrorKind, Result};

use self::tuples::{Tuples, garbled};
use self::wire::{Account, Described, Failure, Wire};
use super::{
    Column, Driver, Kind, ROWS_BETWEEN_FLUSHES, Rows, no_encryption, plan, timed_out, tls, unreachable, untrusted,
};
use crate::config::{Connection, Tls};
use crate::dialect::{Dialect, Statement};

pub(super) struct PostgresSession {
    wire: Wire,
    connection: Connection,
}

const PORT: u16 = 5432;

impl PostgresSession {
    pub(super) async fn open(connection: &Connection) -> Result<Self> {
        let encryption = tls::encryption(connection)?;
        // Whatever the server or the user has set: nothing is written, and texts and times mean what they say.
        let options = format!(
            "-c default_transaction_read_only=on -c statement_timeout={} -c standard_conforming_strings=on -c TimeZone=UTC",
            connection.request_time().as_millis()
        );
        let account = Account {
            user: &connection.user,
            password: connection.password.as_ref().map_or("", |password| password.expose()),
            database: &connection.database,
            options: &options,
        };
        let port = connection.port.unwrap_or(PORT);
        let opening = async {
            let mut wire = Wire::open(&connection.host, port, encryption, &account).await?;
            wire.texts("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            Ok(wire)
        };
        let opened = tokio::time::timeout(connection.request_time(), opening).await;
        let wire = opened.map_err(|_| timed_out(connection))?.map_err(|failure| failed(connection, failure))?;
        Ok(Self { wire, connection: connection.clone() })
    }

    /// What the types are called that are not among the [usual ones](usual).
    async fn type_name(&mut self, oid: u32) -> Result<String> {
        let named = self.wire.texts(&format!("SELECT typname FROM pg_catalog.pg_type WHERE oid = {oid}")).await;
        let named = named.map_err(|failure| failed(&self.connection, failure))?;
        Ok(named.into_iter().next().unwrap_or_default())
    }
}

/// Kind and name of a type.
fn usual(oid: u32) -> Option<(Kind, &'static str)> {
    let usual = match oid {
        16 => (Kind::Bool, "BOOL"),
        18 => (Kind::Other, "\"CHAR\""),
        19 => (Kind::Text, "NAME"),
        20 => (Kind::Int, "INT8"),
        21 => (Kind::Int, "INT2"),
        23 => (Kind::Int, "INT4"),
        25 => (Kind::Text, "TEXT"),
        26 => (Kind::Int, "OID"),
        700 => (Kind::Float, "FLOAT4"),
        701 => (Kind::Float, "FLOAT8"),
        705 => (Kind::Text, "UNKNOWN"),
        1042 => (Kind::Text, "CHAR"),
        1043 => (Kind::Text, "VARCHAR"),
        1082 => (Kind::Local, "DATE"),
        1083 => (Kind::Length, "TIME"),
        1114 => (Kind::Local, "TIMESTAMP"),
        1184 => (Kind::Instant, "TIMESTAMPTZ"),
        1186 => (Kind::Length, "INTERVAL"),
        1700 => (Kind::Decimal, "NUMERIC"),
        _ => return None,
    };
    Some(usual)
}

#[async_trait]
impl Driver for PostgresSession {
    fn dialect(&self) -> Dialect {
        Dialect::POSTGRES
    }

    async fn columns(&mut self, select: &Statement) -> Result<Vec<Column>> {
        let described = self.wire.describe(&select.text).await;
        let described = described.map_err(|failure| failed(&self.connection, failure))?;
        let mut columns = Vec::with_capacity(described.len());
        for Described { name, type_oid } in described {
            let (kind, type_name) = match usual(type_oid) {
                Some((kind, type_name)) => (kind, type_name.to_owned()),
                None => {
                    let type_name = self.type_name(type_oid).await?;
                    (if type_name == "citext" { Kind::Text } else { Kind::Other }, type_name)
                }
            };
            columns.push(Column { name, kind, type_name });
        }
        Ok(columns)
    }

    async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        let Self { wire, connection } = self;
        let asked = wire.ask(&format!("COPY ({}) TO STDOUT (FORMAT binary)", statement.text)).await;
        asked.map_err(|failure| failed(connection, failure))?;
        let mut tuples = Tuples::new(columns);
        let mut count = 0;
        loop {
            let taken = tuples.take(wire.block(), rows)?;
            wire.take(taken.length);
            if taken.is_last {
                let finished = tuples.finish();
                return finished.map_err(|refusal| failed(connection, Failure::Refused(refusal)))?;
            }
            count += taken.rows;
            if count >= ROWS_BETWEEN_FLUSHES {
                count = 0;
                rows.flush().await?;
            }
            let more = async {
                if wire.is_long_row()? { wire.long_row().await.map(Some) } else { wire.fill().await.map(|()| None) }
            };
            match more.await {
                Ok(None) => {}
                Ok(Some(row)) => tuples.long_row(&row, rows)?,
                Err(failure) => {
                    // What the server said before it closed the connection says more.
                    let finished = tuples.finish();
                    return Err(failed(connection, finished.map_or_else(Failure::Refused, |_| failure)));
                }
            }
        }
    }

    async fn looks_at_all(&mut self, statement: &Statement) -> Result<Option<String>> {
        let lines = self.wire.texts(&format!("EXPLAIN {}", statement.text)).await;
        let lines = lines.map_err(|failure| failed(&self.connection, failure))?;
        Ok(plan::postgres(lines.into_iter()))
    }
}

/// An error of the driver as one of ours: what to do about it, without what might be secret.
fn failed(connection: &Connection, failure: Failure) -> Error {
    use ErrorKind::{ConfigInvalid, NotFound, PermissionDenied, Unauthenticated, Unavailable, Unexpected};
    let refused = match failure {
        Failure::Io(error) => return unreachable(connection, connection.port.unwrap_or(PORT), &error),
        Failure::Garbled => return garbled(),
        Failure::NoEncryption => return no_encryption(connection),
        Failure::Encryption(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return untrusted(connection, &error.to_string());
        }
        Failure::Encryption(error) => return unreachable(connection, connection.port.unwrap_or(PORT), &error),
        Failure::SignIn => {
            let message = "the server wants to know the user in a way that is not known here: have it take a password for this \
                           user (scram-sha-256) in pg_hba.conf";
            return Error::new(ConfigInvalid, message).with("database", &connection.database);
        }
        Failure::Refused(refused) => refused,
    };
    let (kind, message) = match refused.code.as_str() {
        "28P01" => (Unauthenticated, "the database refused the user or the password: correct them"),
        // In English, unless the server speaks another language.
        "28000" if connection.tls == Tls::Off && refused.message.ends_with("no encryption") => {
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
    };
    Error::new(kind, message).with("cause", refused.message).with("database", &connection.database)
}
