//! Running one statement: its columns and rows as they come.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Statement};

use crate::describe::{columns, type_of_value};
use crate::error::{Outcome, SqlError};
use crate::packet::Reply;
use crate::params::Parameter;
use crate::server::lock;
use crate::session::Session;
use crate::sqlite;
use crate::tokens::{self, DONE_COUNT, DONE_ERROR, DoneKind};
use crate::translate::{Translated, Verb};
use crate::types::{Column, Version, put_columns};
use crate::values;

/// How an answer of many statements goes on after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Goes,
    /// The batch ends here.
    Ends,
    /// The client took the request back: what it is told of that follows.
    Stopped,
}

/// What ended the rows of a statement early.
enum Stop {
    Error(SqlError),
    Connection(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

impl Session<'_> {
    /// The tables that hold the types which a statement names.
    pub(crate) fn make_types(&self, translated: &Translated) -> Outcome<()> {
        for kind in &translated.types {
            let name = crate::query::type_table(*kind);
            let sql = format!("CREATE TEMP TABLE IF NOT EXISTS {name} (v \"{}\")", kind.name());
            self.connection
                .execute_batch(&sql)
                .map_err(|error| sqlite::error(&error, &self.denied, translated, &self.database))?;
        }
        Ok(())
    }

    /// Whether the database takes a statement.
    pub(crate) fn check(&self, translated: &Translated) -> Outcome<()> {
        self.make_types(translated)?;
        let outcome = self.connection.prepare(&translated.sql);
        outcome.map(|_| ()).map_err(|error| sqlite::error(&error, &self.denied, translated, &self.database))
    }

    /// Runs a statement and writes what it gives.
    pub(crate) fn run(
        &mut self,
        translated: &Translated,
        parameters: &[Parameter],
        reply: &mut Reply<'_>,
        kind: DoneKind,
        more: u16,
    ) -> io::Result<Next> {
        *lock(&self.deadline) = lock(&self.inner.faults.longest).map(|longest| Instant::now() + longest);
        let outcome = self.run_rows(translated, parameters, reply);
        *lock(&self.deadline) = None;
        let (command, status) = match translated.verb {
            Verb::Select => (0xC1, DONE_COUNT),
            Verb::Insert => (0xC3, DONE_COUNT),
            Verb::Delete => (0xC4, DONE_COUNT),
            Verb::Update => (0xC5, DONE_COUNT),
            Verb::Define => (0xC6, 0),
        };
        match outcome {
            Ok(count) => {
                self.last_count = count;
                self.last_error = 0;
                tokens::put_done(kind, status | more, command, count, self.version, &mut reply.buffer);
                Ok(Next::Goes)
            }
            Err(Stop::Connection(error)) => Err(error),
            Err(Stop::Error(_)) if self.control.gone.load(Ordering::SeqCst) => {
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Err(Stop::Error(_)) if self.control.cancel.load(Ordering::SeqCst) => Ok(Next::Stopped),
            Err(Stop::Error(mut error)) => {
                if error.number == 0 {
                    let message = "Cannot continue the execution because the session is in the kill state.";
                    error = SqlError::new(596, 21, message, translated.line);
                    self.ends = true;
                }
                error.line = translated.line;
                self.last_error = error.number;
                tokens::put_error(&error, "", self.version, &mut reply.buffer);
                let ends = error.ends_batch();
                let more = if ends && kind == DoneKind::Done { 0 } else { more };
                tokens::put_done(kind, DONE_ERROR | more, command, 0, self.version, &mut reply.buffer);
                Ok(if ends { Next::Ends } else { Next::Goes })
            }
        }
    }

    fn run_rows(&self, translated: &Translated, parameters: &[Parameter], reply: &mut Reply<'_>) -> Result<u64, Stop> {
        self.make_types(translated).map_err(Stop::Error)?;
        let fail =
            |error: rusqlite::Error| Stop::Error(sqlite::error(&error, &self.denied, translated, &self.database));
        let mut statement = self.connection.prepare(&translated.sql).map_err(fail)?;
        bind(&mut statement, parameters).map_err(fail)?;
        if self.only_compiles {
            return Ok(0);
        }
        if translated.verb != Verb::Select {
            if self.only_describes {
                return Ok(0);
            }
            let count = statement.raw_execute().map_err(fail)?;
            return Ok(u64::try_from(count).unwrap_or_default());
        }
        if self.only_describes {
            let columns = columns(&self.connection, &statement, translated, &|_| None);
            put_columns(&columns, self.version, &mut reply.buffer);
            return Ok(0);
        }
        let (columns, mut count) = {
            let described = describe_with_first(&self.connection, &mut statement, translated).map_err(fail)?;
            (described, 0)
        };
        put_columns(&columns, self.version, &mut reply.buffer);
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(fail)? {
            let start = reply.buffer.len();
            let cells = cells(row, columns.len());
            if let Err(error) = put_row(&columns, &cells, self.version, &mut reply.buffer) {
                reply.buffer.truncate(start);
                return Err(Stop::Error(error));
            }
            count += 1;
            self.inner.rows.fetch_add(1, Ordering::Relaxed);
            reply.send()?;
            if self.control.is_stopped() {
                return Err(Stop::Error(SqlError::new(0, 11, "stopped", 1)));
            }
        }
        Ok(count)
    }
}

fn cells<'r>(row: &'r Row<'_>, count: usize) -> Vec<ValueRef<'r>> {
    (0..count).map(|index| row.get_ref(index).unwrap_or(ValueRef::Null)).collect()
}

/// The columns; the first row is looked at where nothing else tells a type.
pub(crate) fn describe_with_first(
    connection: &Connection,
    statement: &mut Statement<'_>,
    translated: &Translated,
) -> rusqlite::Result<Vec<Column>> {
    use std::cell::Cell;
    let asked = Cell::new(false);
    let described = columns(connection, statement, translated, &|_| {
        asked.set(true);
        None
    });
    if !asked.get() {
        return Ok(described);
    }
    let count = described.len();
    let kinds: Vec<_> = {
        let mut rows = statement.raw_query();
        match rows.next()? {
            Some(row) => cells(row, count).into_iter().map(type_of_value).collect(),
            None => vec![None; count],
        }
    };
    Ok(columns(connection, statement, translated, &|index| kinds.get(index).copied().flatten()))
}

pub(crate) fn bind(statement: &mut Statement<'_>, parameters: &[Parameter]) -> rusqlite::Result<()> {
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).unwrap_or_default().to_ascii_lowercase();
        if let Some(parameter) = parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(&name)) {
            statement.raw_bind_parameter(index, &parameter.value)?;
        }
    }
    Ok(())
}

/// A ROW token, or NBCROW where NULLs are many.
pub(crate) fn put_row(columns: &[Column], cells: &[ValueRef<'_>], version: Version, out: &mut Vec<u8>) -> Outcome<()> {
    let nulls = cells.iter().filter(|cell| matches!(cell, ValueRef::Null)).count();
    let is_packed = version >= Version::V7_3 && nulls * 4 >= cells.len() && nulls > 0;
    if is_packed {
        out.push(0xD2);
        for part in cells.chunks(8) {
            let bit = |bits: u8, cell: &ValueRef<'_>| bits >> 1 | if matches!(cell, ValueRef::Null) { 0x80 } else { 0 };
            let bits = part.iter().fold(0, bit);
            out.push(bits >> (8 - part.len()));
        }
    } else {
        out.push(0xD1);
    }
    for (column, cell) in columns.iter().zip(cells) {
        let fixed = !column.nullable && column.kind.has_fixed_form();
        if is_packed && matches!(cell, ValueRef::Null) {
            if fixed {
                return Err(SqlError::beyond("NULL in a column that is declared NOT NULL", 1));
            }
            continue;
        }
        values::put(column.kind, version, fixed, *cell, out)?;
    }
    Ok(())
}
