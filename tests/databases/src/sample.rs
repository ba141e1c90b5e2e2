//! A few rows whose sums can be checked by hand.

use crate::dialect::{Dialect, Names};
use crate::engage::Part;
use crate::ledger::Ledger;
use crate::sql::{Batches, Statement, Table, Value, statements};

/// A few rows and what they tell.
#[derive(Debug, Clone)]
pub struct Sample {
    rows: Vec<(&'static Table, Vec<Value>)>,
    ledger: Ledger,
}

impl Sample {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { rows: Vec::new(), ledger }
    }

    pub(crate) fn push(&mut self, table: &'static Table, row: Vec<Value>) {
        self.rows.push((table, row));
    }

    /// The statements that fill the tables of all parts in one database.
    pub fn load<'a>(&'a self, dialect: Dialect, names: &Names) -> impl Iterator<Item = String> + use<'a> {
        self.batches(Batches::new(dialect, names, None))
    }

    /// The statements that fill the tables of one part of Genesys Engage.
    pub fn load_of<'a>(
        &'a self,
        part: Part,
        dialect: Dialect,
        names: &Names,
    ) -> impl Iterator<Item = String> + use<'a> {
        self.batches(Batches::new(dialect, names, Some(part)))
    }

    /// The rows one by one, as a statement each.
    pub fn rows(&self, dialect: Dialect, names: &Names) -> Vec<String> {
        self.rows.iter().map(|(table, row)| Statement::Insert(table, row.clone()).sql(dialect, names)).collect()
    }

    /// What they tell.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn batches(&self, batches: Batches) -> impl Iterator<Item = String> {
        statements(batches, |batches| {
            for (table, row) in &self.rows {
                batches.push(table, row);
            }
            false
        })
    }
}
