//! What the connector needs of a database, and how each database gives it.

#[cfg(feature = "mssql")]
mod mssql;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "odbc")]
mod odbc;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite", feature = "odbc"))]
mod plan;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "mssql", feature = "odbc"))]
mod sql_server;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod stream;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod tls;

use async_trait::async_trait;
use injixo_core::{Error, ErrorKind, Result};

use crate::config::{Adapter, Connection};
use crate::dialect::{Dialect, Statement};
use crate::value::Cell;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A whole number.
    Int,
    /// A decimal.
    Decimal,
    /// A floating point number.
    Float,
    /// A text.
    Text,
    /// Yes or no.
    Bool,
    /// A date with a time, without a zone.
    Local,
    /// A date with a time and a zone.
    Instant,
    /// A time of day, or an interval.
    Length,
    /// Anything else.
    Other,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// As the database writes it.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// What the database calls the type.
    pub type_name: String,
}

/// Takes the rows of a result.
#[async_trait]
pub trait Rows: Send {
    /// Takes one row.
    ///
    /// # Errors
    ///
    /// An error ends the reading and becomes its error.
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()>;

    /// Is called now and then: holds the database back while the engine is busy.
    ///
    /// # Errors
    ///
    /// An error ends the reading and becomes its error.
    async fn flush(&mut self) -> Result<()>;
}

/// One session with a database, which reads and cannot write.
#[async_trait]
pub(crate) trait Driver: Send {
    /// How its SQL is written.
    fn dialect(&self) -> Dialect;

    /// The columns of a `SELECT`, which is not run.
    async fn columns(&mut self, select: &Statement) -> Result<Vec<Column>>;

    /// Runs a statement whose columns are of these kinds.
    async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()>;

    /// Why a statement would look at all rows of a large table, if the plan says so.
    async fn looks_at_all(&mut self, statement: &Statement) -> Result<Option<String>>;
}

/// Opens a session.
pub(crate) async fn open(connection: &Connection) -> Result<Box<dyn Driver>> {
    match connection.adapter {
        #[cfg(feature = "postgres")]
        Adapter::Postgres => Ok(Box::new(postgres::PostgresSession::open(connection).await?)),
        #[cfg(feature = "mysql")]
        Adapter::Mysql => Ok(Box::new(mysql::MySqlSession::open(connection).await?)),
        #[cfg(feature = "sqlite")]
        Adapter::Sqlite => Ok(Box::new(sqlite::SqliteSession::open(connection).await?)),
        #[cfg(feature = "mssql")]
        Adapter::Mssql => Ok(Box::new(mssql::MssqlSession::open(connection).await?)),
        #[cfg(feature = "odbc")]
        Adapter::Odbc => Ok(Box::new(odbc::OdbcSession::open(connection).await?)),
        #[cfg(not(all(
            feature = "postgres",
            feature = "mysql",
            feature = "sqlite",
            feature = "mssql",
            feature = "odbc"
        )))]
        _ => Err(missing(connection.adapter)),
    }
}

/// How the SQL of a database is written, where that is known before it is asked.
pub(crate) fn dialect(adapter: Adapter) -> Option<Dialect> {
    match adapter {
        Adapter::Postgres => Some(Dialect::POSTGRES),
        Adapter::Mysql => Some(Dialect::MYSQL),
        Adapter::Sqlite => Some(Dialect::SQLITE),
        Adapter::Mssql => Some(Dialect::SQL_SERVER),
        // The driver knows.
        Adapter::Odbc => None,
    }
}

/// Whether this build can speak to that database.
pub(crate) fn check_built(adapter: Adapter) -> Result<()> {
    let is_built = match adapter {
        Adapter::Postgres => cfg!(feature = "postgres"),
        Adapter::Mysql => cfg!(feature = "mysql"),
        Adapter::Sqlite => cfg!(feature = "sqlite"),
        Adapter::Mssql => cfg!(feature = "mssql"),
        Adapter::Odbc => cfg!(feature = "odbc"),
    };
    if is_built { Ok(()) } else { Err(missing(adapter)) }
}

fn missing(adapter: Adapter) -> Error {
    let name = format!("{adapter:?}").to_lowercase();
    let message =
        format!("connection.adapter: this program was built without {name}: build it with the feature sql-{name}");
    Error::new(ErrorKind::ConfigInvalid, message)
}

/// How many rows are taken between two looks at whether the engine is busy.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite", feature = "mssql"))]
const ROWS_BETWEEN_FLUSHES: usize = 1_024;

/// No answer in time.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite", feature = "mssql", feature = "odbc"))]
fn timed_out(connection: &Connection) -> Error {
    let message = format!(
        "the database did not answer within {} s: add an index on the time column, ask for less, or raise \
         connection.request_secs",
        connection.request_secs
    );
    Error::new(ErrorKind::Timeout, message)
}

#[cfg(any(feature = "postgres", feature = "mysql", feature = "mssql"))]
fn unreachable(connection: &Connection, port: u16, error: &std::io::Error) -> Error {
    let message = format!(
        "the database at {}:{port} cannot be reached, or the connection was lost: check host, port and firewall",
        connection.host
    );
    Error::new(ErrorKind::Unavailable, message).with("cause", error.kind())
}

/// The certificate of a server is refused.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn untrusted(connection: &Connection, cause: &str) -> Error {
    let message = "no encrypted connection to the database: its certificate is not trusted or not for this host; check \
                   connection.host and tls, and name its authority in ca_file";
    Error::new(ErrorKind::ConfigInvalid, message).with("cause", cause).with("database", &connection.database)
}

/// The server cannot encrypt.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn no_encryption(connection: &Connection) -> Error {
    let message =
        "the server offers no encrypted connection: have it set up there, or set connection.tls to prefer or off";
    Error::new(ErrorKind::ConfigInvalid, message).with("database", &connection.database)
}
