//! A session without a database, for tests of connectors: it keeps what would be sent.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use injixo_core::Result;

use crate::database::Session;
use crate::dialect::{Dialect, Statement};
use crate::driver::{Column, Driver, Kind, Rows};
use crate::value::Cell;

/// What a session without a database was asked.
#[derive(Debug, Clone, Default)]
pub struct Asked(Arc<Mutex<Vec<Statement>>>);

impl Asked {
    /// Takes the statements out, in the order in which they were asked.
    #[must_use]
    pub fn take(&self) -> Vec<Statement> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, statement: &Statement) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(statement.clone());
    }
}

/// A session in which every `SELECT` has these columns: names, kinds, and what the database calls the types. A `SELECT` of one column
/// has one row with the text `first`, every other has none.
#[must_use]
pub fn session(dialect: Dialect, columns: &[(&str, Kind, &str)], first: &str) -> (Session, Asked) {
    let column = |&(name, kind, type_name): &(&str, Kind, &str)| Column {
        name: name.to_owned(),
        kind,
        type_name: type_name.to_owned(),
    };
    let asked = Asked::default();
    let columns = columns.iter().map(column).collect();
    let driver = Without { dialect, columns, first: first.to_owned(), asked: asked.clone() };
    (Session::of(Box::new(driver)), asked)
}

struct Without {
    dialect: Dialect,
    columns: Vec<Column>,
    first: String,
    asked: Asked,
}

#[async_trait]
impl Driver for Without {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    async fn columns(&mut self, select: &Statement) -> Result<Vec<Column>> {
        self.asked.push(select);
        Ok(self.columns.clone())
    }

    async fn run(&mut self, statement: &Statement, columns: &[Column], rows: &mut dyn Rows) -> Result<()> {
        self.asked.push(statement);
        if columns.len() == 1 { rows.row(&[Cell::Text(&self.first)]) } else { Ok(()) }
    }

    async fn looks_at_all(&mut self, statement: &Statement) -> Result<Option<String>> {
        self.asked.push(statement);
        Ok(None)
    }
}
