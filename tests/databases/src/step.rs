//! Changes over time: what a step does to the database and to the ledger.

use crate::dialect::{Dialect, Names};
use crate::engage::Part;
use crate::ledger::{Change, Ledger};
use crate::sql::Statement;

/// What changes in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// After-call work that is written after its contact.
    LateWork,
    /// Contacts and states that were open end.
    Closed,
    /// A queue gets another name, and a contact with it.
    NewNames,
    /// New contacts and states.
    New,
}

impl StepKind {
    /// The kinds take turns.
    pub(crate) fn of(number: u64) -> Self {
        match number % 4 {
            0 => Self::LateWork,
            1 => Self::Closed,
            2 => Self::NewNames,
            _ => Self::New,
        }
    }
}

/// One change, to be made in one transaction. Steps are applied in their order, to the database and the ledger alike.
#[derive(Debug, Clone)]
pub struct Step {
    pub(crate) kind: StepKind,
    /// The instant of the step, in milliseconds: nothing that it writes is later.
    pub(crate) at: i64,
    pub(crate) changes: Vec<Change>,
    pub(crate) statements: Vec<Statement>,
}

impl Step {
    /// What changes.
    pub fn kind(&self) -> StepKind {
        self.kind
    }

    /// The instant of the step, in milliseconds: a reader cannot know of it before.
    pub fn at(&self) -> i64 {
        self.at
    }

    /// The statements for a database that holds everything.
    pub fn sql(&self, dialect: Dialect, names: &Names) -> Vec<String> {
        self.statements.iter().map(|statement| statement.sql(dialect, names)).collect()
    }

    /// The statements for a database of Genesys Engage that holds one part.
    pub fn sql_of(&self, part: Part, dialect: Dialect, names: &Names) -> Vec<String> {
        let statements = self.statements.iter().filter(|statement| statement.part() == Some(part));
        statements.map(|statement| statement.sql(dialect, names)).collect()
    }

    /// Makes the change in the ledger.
    pub fn apply(&self, ledger: &mut Ledger) {
        for change in &self.changes {
            change.apply(ledger);
        }
    }
}
