//! MySQL and MariaDB, by prepared statements.

mod definition;
mod long;
mod rows;
mod sign_in;
#[cfg(test)]
mod testing;
mod wire;

use async_trait::async_trait;
use injixo_core::{Error, ErrorKind, Result};

use self::definition::Definition;
use self::rows::{Fields, garbled};
use self::sign_in::Account;
use self::wire::{Failure, Prepared, Wire};
use super::{Column, Driver, ROWS_BETWEEN_FLUSHES, Rows, no_encryption, plan, timed_out, tls, unreachable, untrusted};
use crate::config::{Connection, Tls};
use crate::dialect::{Dialect, Statement};
use crate::value::Cell;

pub(super) struct MySqlSession {
    wire: Wire,
    connection: Connection,
}

const PORT: u16 = 3306;

impl MySqlSession {
    pub(super) async fn open(connection: &Connection) -> Result<Self> {
        let encryption = tls::encryption(connection)?;
        let account = Account {
            user: &connection.user,
            password: connection.password.as_ref().map_or("", |password| password.expose()),
            database: &connection.database,
        };
        let port = connection.port.unwrap_or(PORT);
        let opening = async {
            let mut wire = Wire::open(&connection.host, port, encryption, &account).await?;
            prepare_session(&mut wire, connection.request_secs).await?;
            Ok(wire)
        };
        let opened = tokio::time::timeout(connection.request_time(), opening).await;
        let wire = opened.map_err(|_| timed_out(connection))?.map_err(|failure| failed(connection, failure))?;
        Ok(Self { wire, connection: connection.clone() })
    }

    /// Runs a statement; what its rows, which follow, are made of.
    async fn ask(&mut self, statement: &Statement) -> Result<(Prepared, Vec<Definition>)> {
        let asking = async {
            let prepared = self.wire.prepare(&statement.text).await?;
            let definitions = self.wire.execute(&prepared, &statement.values).await?;
            Ok((prepared, definitions))
        };
        asking.await.map_err(|failure| failed(&self.connection, failure))
    }

    /// Hands over the rows that follow.
    async fn hand_over(&mut self, prepared: &Prepared, fields: Option<Fields>, rows: &mut dyn Rows) -> Result<()> {
        let Self { wire, connection } = self;
        let fields = fields.ok_or_else(garbled)?;
        let mut count = 0;
        loop {
            let taken = fields.take(wire.block(), rows)?;
            wire.take(taken.length);
            if let Some(end) = taken.end {
                wire.forget(prepared);
                return end.map_err(|refusal| failed(connection, Failure::Refused(refusal)));
            }
            count += taken.rows;
            if count >= ROWS_BETWEEN_FLUSHES {
                count = 0;
                rows.flush().await?;
            }
            if wire.is_long_row() {
                let row = fields.long_row(wire).await.map_err(|failure| failed(connection, failure))?;
                fields.take_long(&row, rows)?;
            } else {
                wire.fill().await.map_err(|failure| failed(connection, failure))?;
            }
        }
    }
}

/// What a user's query means is not to change: set are the zone, in which TIMESTAMP comes, the characters, and limits.
async fn prepare_session(wire: &mut Wire, secs: u64) -> std::result::Result<(), Failure> {
    wire.set("SET time_zone = '+00:00', NAMES utf8mb4").await?;
    // MariaDB has the one, MySQL the other.
    for limit in [
        format!("SET SESSION max_statement_time = {secs}"),
        format!("SET SESSION max_execution_time = {}", secs * 1_000),
    ] {
        match wire.set(&limit).await {
            Err(Failure::Refused(refusal)) if refusal.state == "HY000" => {}
            done => done?,
        }
    }
    // Backslashes mean what they mean to the check of the query.
    wire.set("SET SESSION sql_mode = REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')").await?;
    wire.set("SET SESSION TRANSACTION READ ONLY").await?;
    wire.set("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await
}

#[async_trait]
impl Driver for MySqlSession {
    fn dialect(&self) -> Dialect {
        Dialect::MYSQL
    }

    async fn columns(&mut self, select: &Statement) -> Result<Vec<Column>> {
        let prepared = self.wire.prepare(&select.text).await;
        let mut prepared = prepared.map_err(|failure| failed(&self.connection, failure))?;
        self.wire.forget(&prepared);
        Ok(std::mem::take(&mut prepared.columns).into_iter().map(Definition::column).collect())
    }

    async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        let (prepared, definitions) = self.ask(statement).await?;
        let fields = Fields::of(columns.iter().map(|column| column.kind), &definitions);
        self.hand_over(&prepared, fields, rows).await
    }

    async fn looks_at_all(&mut self, statement: &Statement) -> Result<Option<String>> {
        let explain = Statement { text: format!("EXPLAIN {}", statement.text), ..statement.clone() };
        let (prepared, definitions) = self.ask(&explain).await?;
        let place = |name: &str| definitions.iter().position(|column| column.name == name);
        let mut lines = Plan { places: ["table", "type", "rows"].map(place), lines: Vec::new() };
        let fields = Fields::of(definitions.iter().map(Definition::kind), &definitions);
        self.hand_over(&prepared, fields, &mut lines).await?;
        Ok(plan::mysql(lines.lines.into_iter()))
    }
}

/// Table, access and row count of the lines of a plan.
struct Plan {
    places: [Option<usize>; 3],
    lines: Vec<(String, String, i64)>,
}

#[async_trait]
impl Rows for Plan {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        let [table, access, count] = self.places.map(|place| place.and_then(|place| cells.get(place).copied()));
        let text = |cell: Option<Cell<'_>>| cell.and_then(Cell::text).unwrap_or_default().to_owned();
        // Servers give them types of their own: a count may be a text.
        self.lines.push((text(table), text(access), count.and_then(Cell::whole).unwrap_or(0)));
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// An error of the wire as one of ours: what to do about it, without what might be secret.
fn failed(connection: &Connection, failure: Failure) -> Error {
    use ErrorKind::{ConfigInvalid, NotFound, PermissionDenied, Unauthenticated, Unavailable, Unexpected};
    let port = connection.port.unwrap_or(PORT);
    let wrong = |message: &str| Error::new(ConfigInvalid, message).with("database", &connection.database);
    let refused = match failure {
        Failure::Io(error) => return unreachable(connection, port, &error),
        Failure::Garbled => return garbled(),
        Failure::NoEncryption => return no_encryption(connection),
        Failure::Encryption(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return untrusted(connection, &error.to_string());
        }
        Failure::Encryption(error) => return unreachable(connection, port, &error),
        Failure::Bare => {
            return wrong("the server wants the password over an encrypted connection: set connection.tls to require");
        }
        Failure::Unchecked => {
            return wrong(
                "the server wants the password as it is, which it gets over an encrypted connection with a checked \
                 certificate only: set connection.tls to require",
            );
        }
        Failure::SignIn(plugin) => {
            let message = "the server wants to know the user in a way that is not known here: have it take a password for \
                           this user (mysql_native_password or caching_sha2_password)";
            return wrong(message).with("plugin", plugin);
        }
        Failure::Refused(refused) => refused,
    };
    let (kind, message) = match refused.number {
        // MariaDB does not say whether it is for want of encryption.
        1045 | 1698 if connection.tls == Tls::Off => (
            Unauthenticated,
            "the database refused the user or the password: correct them; or it demands an encrypted connection: set \
             connection.tls to require",
        ),
        1045 | 1698 => (Unauthenticated, "the database refused the user or the password: correct them"),
        1044 | 1142 | 1143 | 1227 | 1370 => (PermissionDenied, "the user may not read this: grant SELECT on it"),
        1049 => (NotFound, "there is no such database: correct connection.database"),
        1792 | 1290 | 1836 => (ConfigInvalid, "the query wants to write: only reading is allowed"),
        1969 | 3024 | 1317 => return timed_out(connection),
        1146 | 1054 | 1305 | 1109 => (ConfigInvalid, "the query names something that is not in the database"),
        1064 | 1149 | 1060 | 1248 | 1052 | 1222 | 1234 => {
            (ConfigInvalid, "the database does not understand the query: correct it")
        }
        3159 => (ConfigInvalid, "the server demands an encrypted connection: set connection.tls to require"),
        1040 | 1053 | 1077 | 1158..=1161 | 1203 | 1205 | 1213 | 1226 | 1927 | 2006 | 2013 => {
            (Unavailable, "the connection to the database was lost, or it lacks resources: it is tried again")
        }
        _ => (Unexpected, "the database refused the query"),
    };
    Error::new(kind, message).with("cause", refused.message).with("database", &connection.database)
}
