//! What the connector needs of a database, and how each database gives it.

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use async_trait::async_trait;
use injixo_core::{Error, ErrorKind, Result};

use crate::config::{Adapter, Connection};
use crate::query::Lexis;
use crate::value::Cell;
use crate::window::Edge;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Decimal,
    Float,
    Text,
    Bool,
    /// A date with a time, without a zone.
    Local,
    /// A date with a time and a zone.
    Instant,
    /// A time of day, or an interval.
    Length,
    Other,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// As the database writes it.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// What the database calls the type.
    pub(crate) type_name: String,
}

/// A statement with what stands in the place of its parameters, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) values: Vec<Edge>,
}

/// Takes the rows of a result.
#[async_trait]
pub(crate) trait Rows: Send {
    /// Takes one row.
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()>;

    /// Is called now and then: holds the database back while the engine is busy.
    async fn flush(&mut self) -> Result<()>;
}

/// One session with a database, which reads and cannot write.
#[async_trait]
pub(crate) trait Session: Send {
    /// The columns of a `SELECT`, which is not run.
    async fn columns(&mut self, select: &str) -> Result<Vec<Column>>;

    /// Writes a column of the table `q` into the list of a `SELECT`, so that its values come as `kind` says, no longer than needed.
    fn selected(&self, column: &Column) -> String;

    /// Writes an edge into a condition: a place for a value, or a literal that is made from a number.
    fn edge(&self, edge: Edge, statement: &mut Statement);

    /// Runs a statement whose columns are of these kinds.
    async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()>;

    /// Why a statement would look at all rows of a large table, if the plan says so.
    async fn looks_at_all(&mut self, statement: &Statement) -> Result<Option<String>>;

    /// A name in quotes.
    fn quoted(&self, name: &str) -> String;
}

/// Opens a session.
pub(crate) async fn open(connection: &Connection) -> Result<Box<dyn Session>> {
    match connection.adapter {
        #[cfg(feature = "postgres")]
        Adapter::Postgres => Ok(Box::new(postgres::PostgresSession::open(connection).await?)),
        #[cfg(feature = "mysql")]
        Adapter::Mysql => Ok(Box::new(mysql::MySqlSession::open(connection).await?)),
        #[cfg(feature = "sqlite")]
        Adapter::Sqlite => Ok(Box::new(sqlite::SqliteSession::open(connection).await?)),
        #[cfg(not(all(feature = "postgres", feature = "mysql", feature = "sqlite")))]
        _ => Err(missing(connection.adapter)),
    }
}

/// How the database writes texts, names and comments.
pub(crate) fn lexis(adapter: Adapter) -> Lexis {
    let plain = Lexis {
        backslash_escapes: false,
        dollar_quotes: false,
        backticks_and_hashes: false,
        brackets: false,
        nested_comments: false,
    };
    match adapter {
        Adapter::Postgres => Lexis { dollar_quotes: true, nested_comments: true, ..plain },
        Adapter::Mysql => Lexis { backslash_escapes: true, backticks_and_hashes: true, ..plain },
        Adapter::Sqlite => Lexis { brackets: true, ..plain },
    }
}

/// Whether this build can speak to that database.
pub(crate) fn check_built(adapter: Adapter) -> Result<()> {
    let is_built = match adapter {
        Adapter::Postgres => cfg!(feature = "postgres"),
        Adapter::Mysql => cfg!(feature = "mysql"),
        Adapter::Sqlite => cfg!(feature = "sqlite"),
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
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
const ROWS_BETWEEN_FLUSHES: usize = 1_024;

/// No answer in time.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
fn timed_out(connection: &Connection) -> Error {
    let message = format!(
        "the database did not answer within {} s: add an index on the time column, ask for less, or raise \
         connection.request_secs",
        connection.request_secs
    );
    Error::new(ErrorKind::Timeout, message)
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn unreachable(connection: &Connection, port: u16, error: &std::io::Error) -> Error {
    let message = format!(
        "the database at {}:{port} cannot be reached, or the connection was lost: check host, port and firewall",
        connection.host
    );
    Error::new(ErrorKind::Unavailable, message).with("cause", error.kind())
}
