//! What a connector needs that reads a database whose tables it knows: a session that can only read, statements that hold values
//! without pasting them, and rows as cells.

pub use crate::dialect::{Dialect, Family, Places, Statement};
pub use crate::driver::{Column, Kind, Rows};
pub use crate::read::{Bound, Reach, Wanted};
pub use crate::rejected::Rejects;
pub use crate::value::{Cell, Moment, TextStyle};
pub use crate::window::{Edge, Scale};

use async_trait::async_trait;
use injixo_core::Result;

use crate::config::Connection;
use crate::driver::{self, Driver};

/// A session with a database, which reads and cannot write.
pub struct Session(Box<dyn Driver>);

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Session").field(&self.dialect()).finish()
    }
}

impl Session {
    /// Opens a session.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` when this build cannot speak to that database, or the server demands another kind of connection;
    /// `Unauthenticated`, `NotFound`, `Unavailable`, `Timeout` as the server answers.
    pub async fn open(connection: &Connection) -> Result<Self> {
        connection.check()?;
        driver::check_built(connection.adapter)?;
        Ok(Self(driver::open(connection).await?))
    }

    /// Of a driver that is no database.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn of(driver: Box<dyn Driver>) -> Self {
        Self(driver)
    }

    /// How its SQL is written.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    /// The columns of a `SELECT`, which is not run.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` when the database does not understand it, or it names what is not there; after an error the session is of no
    /// use.
    pub async fn columns(&mut self, select: &Statement) -> Result<Vec<Column>> {
        self.0.columns(select).await
    }

    /// Runs a statement whose columns are of these kinds.
    pub(crate) async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        self.0.run(statement, columns, rows).await
    }

    /// Hands over the rows of a `SELECT`; texts are cut behind 1,001 characters.
    ///
    /// # Errors
    ///
    /// As [`columns`](Self::columns); `Timeout`, `Unavailable`, and the errors of `rows`.
    pub async fn read(&mut self, select: &Statement, rows: &mut dyn Rows) -> Result<()> {
        let columns = self.0.columns(select).await?;
        self.0.run(&select.clone().of(&columns), &columns, rows).await
    }

    /// Calls `each` for the rows of a `SELECT` of which there are few.
    ///
    /// # Errors
    ///
    /// As [`columns`](Self::columns).
    pub async fn each(&mut self, select: &Statement, each: impl FnMut(&[Cell<'_>]) + Send) -> Result<()> {
        self.read(select, &mut Each(each)).await
    }

    /// Why a `SELECT` would look at all rows of a large table, if the database's plan says so.
    ///
    /// # Errors
    ///
    /// As [`columns`](Self::columns).
    pub async fn looks_at_all(&mut self, select: &Statement) -> Result<Option<String>> {
        self.0.looks_at_all(select).await
    }
}

struct Each<F>(F);

#[async_trait]
impl<F: FnMut(&[Cell<'_>]) + Send> Rows for Each<F> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        (self.0)(cells);
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
