//! Rows of a result that cannot be facts.

use injixo_core::model::{RejectedRow, Rule, Window};

use crate::value::Cell;

/// Counts the rows of one request, and names those that are rejected.
#[derive(Debug)]
pub(crate) struct Rejects {
    source: String,
    line: u64,
}

impl Rejects {
    pub(crate) fn new(what: &str, window: Window) -> Self {
        Self { source: format!("{what} {window}"), line: 0 }
    }

    /// Another row has come.
    pub(crate) fn next(&mut self) {
        self.line += 1;
    }

    /// The present row, rejected.
    pub(crate) fn row(&self, column: &str, rule: Rule, value: Cell<'_>) -> RejectedRow {
        let value = value.to_string();
        RejectedRow {
            source: self.source.clone(),
            line: self.line,
            column: column.to_owned(),
            rule,
            excerpt: RejectedRow::excerpt_of(&value),
        }
    }
}
