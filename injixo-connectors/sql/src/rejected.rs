//! Rows of a result that cannot be facts.

use injixo_core::model::{RejectedRow, Rule, Window};

use crate::value::Cell;

/// Counts the rows of one request, and names those that are rejected.
#[derive(Debug)]
pub struct Rejects {
    source: String,
    line: u64,
}

impl Rejects {
    /// None yet; `what` and the window name the source.
    #[must_use]
    pub fn new(what: &str, window: Window) -> Self {
        Self { source: format!("{what} {window}"), line: 0 }
    }

    /// Another row has come.
    pub fn advance(&mut self) {
        self.line += 1;
    }

    /// The present row, rejected.
    #[must_use]
    pub fn row(&self, column: &str, rule: Rule, value: Cell<'_>) -> RejectedRow {
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
