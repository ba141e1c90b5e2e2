//! The thread on which a session lives.

use std::sync::mpsc as commands;

use injixo_core::Result;
use odbc_api::buffers::{ColumnBuffer, Slice, TextColumn, TextColumnSlice};
use odbc_api::parameter::VarCharBox;
use odbc_api::{Cursor, ResultSetMetadata};
use tokio::sync::{mpsc, oneshot};

use super::cells::{Block, Buffer, Texts, Unit, buffer, is_hex};
use super::connect;
use super::errors::failed;
use super::{Command, kinds};
use crate::config::Connection;
use crate::dialect::{Dialect, Family, Statement};
use crate::driver::{Column, plan};

/// Opens a session and does what it is told until nobody is there to tell it anything.
pub(super) fn serve(
    config: &Connection,
    opened: oneshot::Sender<Result<Dialect>>,
    commands: &commands::Receiver<Command>,
) {
    let (connection, dialect) = match connect::open(config) {
        Ok(open) => open,
        Err(error) => return drop(opened.send(Err(error))),
    };
    if opened.send(Ok(dialect)).is_ok() {
        let session = Session { connection: &connection, dialect, secs: config.request_secs };
        let failed = |error: odbc_api::Error| failed(config, Some(dialect.family), &error);
        for command in commands {
            // Whoever asked may have gone.
            match command {
                Command::Columns(statement, answer) => {
                    let _ = answer.send(session.columns(&statement).map_err(failed));
                }
                Command::Run(statement, columns, blocks) => {
                    if let Err(error) = session.run(&statement, &columns, &blocks) {
                        let _ = blocks.blocking_send(Err(failed(error)));
                    }
                }
                Command::LooksAtAll(statement, answer) => {
                    let _ = answer.send(session.looks_at_all(&statement).map_err(failed));
                }
            }
        }
    }
    connect::close(connection);
}

/// A connection, and how its SQL is written.
pub(super) struct Session<'s> {
    connection: &'s odbc_api::Connection<'static>,
    pub(super) dialect: Dialect,
    secs: u64,
}

/// A field, NULL as none.
type Field = Option<String>;

impl Session<'_> {
    fn columns(&self, select: &Statement) -> Result<Vec<Column>, odbc_api::Error> {
        if self.dialect.family == Family::SqlServer {
            return self.described_by_sql_server(select);
        }
        let mut columns = {
            let mut prepared = self.connection.prepare(&select.text)?;
            kinds::described(self.dialect.family, &mut prepared)?
        };
        if columns.is_empty() {
            // Of a connection that is lost some drivers say nothing else.
            self.execute("SELECT 1")?;
        }
        self.look_closer(select, &mut columns)?;
        Ok(columns)
    }

    fn run(
        &self,
        statement: &Statement,
        columns: &[Column],
        blocks: &mpsc::Sender<Result<Block>>,
    ) -> Result<(), odbc_api::Error> {
        let mut prepared = self.connection.prepare(&statement.text)?;
        // The others have limits of their own, which their drivers do not get in the way of.
        if matches!(self.dialect.family, Family::SqlServer | Family::Oracle) {
            prepared.set_query_timeout_sec(usize::try_from(self.secs).unwrap_or(usize::MAX))?;
        }
        let values = values(statement);
        let Some(cursor) = prepared.execute(&values[..])? else { return Ok(()) };
        // The driver of SQLite hands over bytes as they are, but makes UTF-16 of them wrongly; of MySQL there are only digits.
        let is_taken = if matches!(self.dialect.family, Family::Sqlite | Family::MySql) {
            fetch(cursor, self.dialect, columns, buffer::<u8>(self.dialect, columns), blocks)?
        } else {
            fetch(cursor, self.dialect, columns, buffer::<u16>(self.dialect, columns), blocks)?
        };
        if is_taken {
            let _ = blocks.blocking_send(Ok(Block::End));
        }
        Ok(())
    }

    /// Runs a statement without a result.
    pub(super) fn execute(&self, statement: &str) -> Result<(), odbc_api::Error> {
        self.connection.execute(statement, (), None).map(drop)
    }

    /// All rows of a small result.
    pub(super) fn texts(&self, statement: &Statement) -> Result<Vec<Vec<Field>>, odbc_api::Error> {
        let mut prepared = self.connection.prepare(&statement.text)?;
        let values = values(statement);
        let Some(mut cursor) = prepared.execute(&values[..])? else { return Ok(Vec::new()) };
        let count = u16::try_from(cursor.num_result_cols()?).unwrap_or(0);
        let (mut rows, mut units) = (Vec::new(), Vec::new());
        while let Some(mut row) = cursor.next_row()? {
            let mut fields = Vec::new();
            for number in 1..=count {
                units.clear();
                let is_there = row.get_wide_text(number, &mut units)?;
                fields.push(is_there.then(|| String::from_utf16_lossy(&units)));
            }
            rows.push(fields);
        }
        Ok(rows)
    }

    fn looks_at_all(&self, statement: &Statement) -> Result<Option<String>, odbc_api::Error> {
        let explain = match self.dialect.family {
            Family::Postgres | Family::MySql => "EXPLAIN",
            Family::Sqlite => "EXPLAIN QUERY PLAN",
            // Their plans need rights that a user who reads does not have.
            Family::SqlServer | Family::Oracle => return Ok(None),
        };
        let explain = Statement { text: format!("{explain} {}", statement.text), ..statement.clone() };
        let rows = self.texts(&explain)?;
        let field = |row: &Vec<Field>, place: usize| row.get(place).cloned().flatten().unwrap_or_default();
        Ok(match self.dialect.family {
            Family::Postgres => plan::postgres(rows.iter().map(|row| field(row, 0))),
            // id, select_type, table, type, possible_keys, key, key_len, ref, rows, …; MySQL has a column `partitions` more.
            Family::MySql => plan::mysql(rows.iter().map(|row| {
                let more = usize::from(row.len() > 10);
                (field(row, 2), field(row, 3 + more), field(row, 8 + more).parse().unwrap_or(0))
            })),
            _ => plan::sqlite(rows.iter().map(|row| field(row, 3))),
        })
    }
}

/// Hands all rows over; whether they were taken.
fn fetch<U: Unit + 'static>(
    cursor: impl Cursor,
    dialect: Dialect,
    columns: &[Column],
    buffer: Buffer<U>,
    blocks: &mpsc::Sender<Result<Block>>,
) -> Result<bool, odbc_api::Error>
where
    TextColumn<U>: ColumnBuffer,
    for<'b> TextColumn<U>: Slice<Slice<'b> = TextColumnSlice<'b, U>>,
{
    let mut rows = cursor.bind_buffer(buffer)?;
    let hex: Vec<bool> = columns.iter().map(|column| is_hex(dialect, column.kind)).collect();
    while let Some(fetched) = rows.fetch()? {
        if blocks.blocking_send(Ok(Block::Rows(Texts::of(fetched, &hex)))).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The values of a statement as parameters.
fn values(statement: &Statement) -> Vec<VarCharBox> {
    statement.texts().into_iter().map(VarCharBox::from_string).collect()
}
