//! Databases by a driver of ODBC, which is found by a connection string or as a data source.
//!
//! ODBC waits in its calls, so each session lives on a thread of its own; rows cross in blocks. Drivers differ in how they
//! convert values, so the databases themselves are asked to write them as texts (see [`Dialect::selected`]), which are read here.
//!
//! Names that this connector writes are quoted as each database does by itself: in MySQL by backticks. ANSI_QUOTES is not set
//! there, since in a user's query it would turn texts in double quotes into names. Whoever wants names in double quotes there
//! sets it in the connection string (`INITSTMT={SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')}`).
//!
//! What Oracle needs is written by its manual: no test runs against it.

mod cells;
mod connect;
mod errors;
mod kinds;
mod session;

use std::sync::mpsc as commands;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use injixo_core::{Error, ErrorKind, Result};
use tokio::sync::{mpsc, oneshot};

use self::cells::Block;
use super::{Column, Driver, Rows, timed_out};
use crate::config::Connection;
use crate::dialect::{Dialect, Statement};

/// What the thread of a session is told.
enum Command {
    Columns(Statement, oneshot::Sender<Result<Vec<Column>>>),
    Run(Statement, Vec<Column>, mpsc::Sender<Result<Block>>),
    LooksAtAll(Statement, oneshot::Sender<Result<Option<String>>>),
}

/// So many blocks may wait to be taken.
const BLOCKS: usize = 2;

pub(super) struct OdbcSession {
    dialect: Dialect,
    /// When it is dropped the thread ends, at the latest when the database has answered.
    commands: commands::Sender<Command>,
    connection: Connection,
}

impl OdbcSession {
    pub(super) async fn open(connection: &Connection) -> Result<Self> {
        let (commands, receiver) = commands::channel();
        let (opened, dialect) = oneshot::channel();
        let config = connection.clone();
        let thread = std::thread::Builder::new().name("odbc".to_owned());
        let begun = thread.spawn(move || session::serve(&config, opened, &receiver));
        begun.map_err(|error| Error::new(ErrorKind::Unavailable, "no thread can be started").caused_by(error))?;
        let dialect = within(connection, connection.request_time(), dialect).await??;
        Ok(Self { dialect, commands, connection: connection.clone() })
    }

    /// What the thread answers, in time.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T>>) -> Command) -> Result<T> {
        let (sender, answer) = oneshot::channel();
        self.commands.send(command(sender)).map_err(|_| ended())?;
        within(&self.connection, self.connection.request_time(), answer).await?
    }
}

/// An answer of the thread, in time.
async fn within<T>(connection: &Connection, time: Duration, answer: oneshot::Receiver<T>) -> Result<T> {
    let answer = tokio::time::timeout(time, answer).await.map_err(|_| timed_out(connection))?;
    answer.map_err(|_| ended())
}

fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, "the session of ODBC has ended: it is tried again")
}

#[async_trait]
impl Driver for OdbcSession {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    async fn columns(&mut self, select: &Statement) -> Result<Vec<Column>> {
        self.ask(|answer| Command::Columns(select.clone(), answer)).await
    }

    async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        let (sender, mut blocks) = mpsc::channel(BLOCKS);
        let command = Command::Run(statement.clone(), columns.to_vec(), sender);
        self.commands.send(command).map_err(|_| ended())?;
        // The time that the engine takes for the rows is not the database's.
        let mut left = self.connection.request_time();
        loop {
            let asked = Instant::now();
            let block = tokio::time::timeout(left, blocks.recv()).await.map_err(|_| timed_out(&self.connection))?;
            left = left.saturating_sub(asked.elapsed());
            match block.ok_or_else(ended)?? {
                Block::Rows(block) => block.take(self.dialect, columns, rows)?,
                Block::End => return Ok(()),
            }
            rows.flush().await?;
        }
    }

    async fn looks_at_all(&mut self, statement: &Statement) -> Result<Option<String>> {
        self.ask(|answer| Command::LooksAtAll(statement.clone(), answer)).await
    }
}
