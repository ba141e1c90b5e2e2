//! Intervals of one queue before and after.

use injixo_model::{Attribution, Contact, IntervalRow, Measures, Timestamp};

use crate::aggregate::Series;
use crate::error::Result;
use crate::facts::Fact;
use crate::zone::{Grid, GridCursor};

/// One interval that is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IntervalDiff {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) before: Option<Measures>,
    pub(crate) after: Option<Measures>,
}

/// A fact that counts in intervals.
pub(crate) trait Counted: Fact {
    fn count(&self, series: &mut Series, cursor: &mut GridCursor) -> Result<()>;
}

impl Counted for Contact {
    fn count(&self, series: &mut Series, cursor: &mut GridCursor) -> Result<()> {
        series.add_contact(self, Attribution::Started, cursor);
        Ok(())
    }
}

impl Counted for IntervalRow {
    fn count(&self, series: &mut Series, cursor: &mut GridCursor) -> Result<()> {
        series.add_interval(self, cursor)
    }
}

/// The intervals that facts make: contacts count where they started.
pub(crate) fn cells<'f, F: Counted>(
    facts: impl IntoIterator<Item = &'f F>,
    grid: &Grid,
) -> Result<Vec<(Timestamp, Measures)>> {
    let mut series = Series::new();
    let mut cursor = grid.cursor();
    for fact in facts {
        fact.count(&mut series, &mut cursor)?;
    }
    Ok(series.finish())
}

/// How sorted intervals differ.
pub(crate) fn difference(
    before: &[(Timestamp, Measures)],
    after: &[(Timestamp, Measures)],
    grid: &Grid,
) -> Vec<IntervalDiff> {
    let mut cursor = grid.cursor();
    let mut changed = Vec::new();
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    while let Some(start) = [old.peek(), new.peek()].into_iter().flatten().map(|cell| cell.0).min() {
        let before = old.next_if(|cell| cell.0 == start).map(|cell| cell.1);
        let after = new.next_if(|cell| cell.0 == start).map(|cell| cell.1);
        if before != after {
            changed.push(IntervalDiff { start, end: cursor.interval(start).to(), before, after });
        }
    }
    changed
}
