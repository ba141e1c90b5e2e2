//! Microsoft SQL Server, by statements with typed parameters (`sp_executesql`).
//!
//! It has no session that can only read. A query stands in a derived table, where nothing that writes is taken, and all is in a
//! transaction that the server rolls back when the connection ends.

mod cells;
mod errors;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::NaiveDateTime;
use futures::TryStreamExt;
use injixo_core::{Error, ErrorKind, Result};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, Query, SqlBrowser};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use self::errors::{failed, is_without_encryption};
use super::{Column, Driver, ROWS_BETWEEN_FLUSHES, Rows, sql_server, timed_out, unreachable};
use crate::config::{Connection, Tls};
use crate::dialect::{Dialect, Statement};
use crate::value::Cell;
use crate::window::Edge;

pub(super) struct MssqlSession {
    client: Client<Compat<TcpStream>>,
    connection: Connection,
}

const PORT: u16 = 1433;

/// How long a server may take to stop what is not wanted any more.
const STOP_TIME: Duration = Duration::from_secs(5);

impl MssqlSession {
    pub(super) async fn open(connection: &Connection) -> Result<Self> {
        let encryption = match connection.tls {
            Tls::Prefer => EncryptionLevel::On,
            Tls::Require => EncryptionLevel::Required,
            Tls::Off => EncryptionLevel::NotSupported,
        };
        let opened = match connect(connection, encryption).await {
            // A server that has no encryption.
            Err(error) if connection.tls == Tls::Prefer && is_without_encryption(&error) => {
                connect(connection, EncryptionLevel::NotSupported).await
            }
            opened => opened,
        };
        let client = opened.map_err(|error| failed(connection, &error))?;
        let mut session = Self { client, connection: connection.clone() };
        let set = format!(
            "SET XACT_ABORT ON; SET QUOTED_IDENTIFIER ON; SET LOCK_TIMEOUT {}; SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            connection.request_secs * 1_000
        );
        let done = match session.client.simple_query(set).await {
            Ok(answers) => answers.into_results().await.map(drop),
            Err(error) => Err(error),
        };
        done.map_err(|error| failed(connection, &error))?;
        session.client.begin_transaction().await.map_err(|error| failed(connection, &error))?;
        Ok(session)
    }

    /// The error, once the server has been told to stop where it is still at work.
    async fn failed(&mut self, error: &tiberius::error::Error) -> Error {
        let error = failed(&self.connection, error);
        if error.kind() == ErrorKind::Timeout {
            self.stop().await;
        }
        error
    }

    async fn stop(&mut self) {
        // A connection that was lost cannot be told anything.
        let _ = timeout(STOP_TIME, self.client.cancel_query()).await;
    }
}

async fn connect(
    connection: &Connection,
    encryption: EncryptionLevel,
) -> std::result::Result<Client<Compat<TcpStream>>, tiberius::error::Error> {
    let mut config = Config::new();
    config.host(&connection.host);
    match &connection.instance {
        Some(instance) => config.instance_name(instance),
        None => config.port(connection.port.unwrap_or(PORT)),
    }
    config.database(&connection.database);
    let password = connection.password.as_ref().map_or("", |password| password.expose());
    config.authentication(AuthMethod::sql_server(&connection.user, password));
    config.application_name("injixo");
    config.readonly(true);
    config.lossy_utf16_decoding(true);
    config.handshake_timeout(Some(connection.request_time()));
    config.command_timeout(Some(connection.request_time()));
    config.encryption(encryption);
    match (connection.tls, &connection.ca_file) {
        (Tls::Require, Some(file)) => config.trust_cert_ca(file.display()),
        (Tls::Require | Tls::Off, _) => {}
        (Tls::Prefer, _) => config.trust_cert(),
    }
    let late = || tiberius::error::Error::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    let stream = timeout(connection.request_time(), TcpStream::connect_named(&config)).await.map_err(|_| late())??;
    stream.set_nodelay(true)?;
    Client::connect(config, stream.compat_write()).await
}

/// The statement with its values.
fn bound(statement: &Statement) -> Query<'_> {
    let mut query = Query::new(&statement.text);
    for edge in &statement.values {
        match edge {
            Edge::Local(local) => query.bind(NaiveDateTime::from(*local)),
            Edge::Instant(instant) => query.bind(instant.to_utc().fixed_offset()),
            Edge::Secs(secs) => query.bind(*secs),
            Edge::Text(text) => query.bind(text.clone()),
        }
    }
    query
}

/// How the parameters of a statement are declared.
fn declared(statement: &Statement) -> String {
    let types = statement.values.iter().zip(1..).map(|(edge, number)| {
        let type_name = match edge {
            Edge::Local(_) => "datetime2(7)",
            Edge::Instant(_) => "datetimeoffset(7)",
            Edge::Secs(_) => "bigint",
            Edge::Text(_) => "nvarchar(4000)",
        };
        format!("@P{number} {type_name}")
    });
    types.collect::<Vec<_>>().join(", ")
}

#[async_trait]
impl Driver for MssqlSession {
    fn dialect(&self) -> Dialect {
        Dialect::SQL_SERVER
    }

    async fn columns(&mut self, select: &Statement) -> Result<Vec<Column>> {
        let mut describe = Query::new("EXEC sp_describe_first_result_set @P1, @P2");
        describe.bind(select.text.clone());
        describe.bind(declared(select));
        let rows = match describe.query(&mut self.client).await {
            Ok(answers) => answers.into_first_result().await,
            Err(error) => Err(error),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return Err(self.failed(&error).await),
        };
        let mut columns = Vec::with_capacity(rows.len());
        for row in &rows {
            if row.try_get::<bool, _>("is_hidden").ok().flatten() == Some(true) {
                continue;
            }
            let text = |column: &str| row.try_get::<&str, _>(column).ok().flatten().unwrap_or_default().to_owned();
            let type_name = text("system_type_name");
            columns.push(Column { name: text("name"), kind: sql_server::kind(&type_name), type_name });
        }
        Ok(columns)
    }

    async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        let run = self.take(statement, columns, rows).await;
        if run.as_ref().is_err_and(|error| error.kind() == ErrorKind::Timeout) {
            self.stop().await;
        }
        run
    }

    async fn looks_at_all(&mut self, _: &Statement) -> Result<Option<String>> {
        // A plan needs the right SHOWPLAN, which a user who reads does not have.
        Ok(None)
    }
}

impl MssqlSession {
    async fn take(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        let connection = &self.connection;
        let failed = |error: tiberius::error::Error| failed(connection, &error);
        // The time that the engine takes for the rows is not the database's.
        let mut left = connection.request_time();
        let mut began = Instant::now();
        let answers = bound(statement).query(&mut self.client).await.map_err(failed)?;
        let mut answers = answers.into_row_stream();
        let mut count = 0;
        loop {
            let Some(row) = answers.try_next().await.map_err(failed)? else { return Ok(()) };
            let mut cells = [Cell::Null; 8];
            if let Some(cells) = cells.get_mut(..columns.len()) {
                row.cells().zip(cells.iter_mut()).for_each(|((_, data), cell)| *cell = cells::decode(data));
                rows.row(cells)?;
            } else {
                rows.row(&row.cells().map(|(_, data)| cells::decode(data)).collect::<Vec<_>>())?;
            }
            count += 1;
            if count % ROWS_BETWEEN_FLUSHES == 0 {
                left = left.saturating_sub(began.elapsed());
                if left.is_zero() {
                    return Err(timed_out(connection));
                }
                rows.flush().await?;
                began = Instant::now();
            }
        }
    }
}
