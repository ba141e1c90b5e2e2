//! What an import did, for programs and for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use injixo_model::{Millis, RejectedRow, Rule, Window};

use crate::connector::Stream;

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// The delivery or window.
    pub name: String,
    /// Contacts or statuses.
    pub stream: Stream,
    /// Whether the delivery was passed over because it is what was applied last.
    pub is_unchanged: bool,
    /// Rows that became facts.
    pub imported: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// Rows that were left out on purpose.
    pub skipped: u64,
    /// How many rows each rule rejected.
    pub rejected_by_rule: BTreeMap<Rule, u64>,
    /// The first rejected rows; quarantine holds more.
    pub first_rejected: Vec<RejectedRow>,
    /// What happened to the facts of the store.
    pub facts: FactCounts,
    /// The queues or agents that were named.
    pub subjects: u64,
    /// From the first fact to just behind the last one, or the window.
    pub window: Option<Window>,
    /// What its reader should know.
    pub warnings: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// What an import did to the facts of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FactCounts {
    /// Were not there before.
    pub added: u64,
    /// Took the place of others that start at the same instant.
    pub replaced: u64,
    /// Are there no more.
    pub gone: u64,
    /// Were there before and stay.
    pub unchanged: u64,
}

impl ImportReport {
    /// How many rows the source held.
    pub fn rows(&self) -> u64 {
        self.imported + self.rejected + self.skipped
    }
}

/// A number with separators: `41,203`.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subjects = if self.stream == Stream::Contacts { "queues" } else { "agents" };
        if self.is_unchanged {
            return write!(f, "{}: unchanged since it was imported last, nothing to do", self.name);
        }
        write!(f, "{}: {} rows, {} imported", self.name, Grouped(self.rows()), Grouped(self.imported))?;
        if self.rejected > 0 {
            write!(f, ", {} rejected", Grouped(self.rejected))?;
            if let Some(first) = self.first_rejected.first() {
                write!(f, " (line {}: {})", first.line, first.rule)?;
            }
        }
        if self.skipped > 0 {
            write!(f, ", {} skipped", Grouped(self.skipped))?;
        }
        write!(f, ", {} {subjects}", Grouped(self.subjects))?;
        if let Some(window) = self.window {
            write!(f, ", {} – {}", window.from(), window.to().before(Millis::new(1)))?;
        }
        let FactCounts { added, replaced, gone, unchanged } = self.facts;
        // Without a store there are none.
        if self.facts != FactCounts::default() {
            write!(
                f,
                "; facts: {} added, {} replaced, {} gone, {} unchanged",
                Grouped(added),
                Grouped(replaced),
                Grouped(gone),
                Grouped(unchanged)
            )?;
        }
        write!(f, "; {:.1} s", self.elapsed.as_secs_f64())?;
        for warning in &self.warnings {
            write!(f, "\n  note: {warning}")?;
        }
        Ok(())
    }
}
