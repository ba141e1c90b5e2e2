//! Intervals of one queue before and after.

use injixo_model::{Attribution, Contact, IntervalRow, Measures, Millis, Timed, Timestamp};

use crate::aggregate::Series;
use crate::error::Result;
use crate::facts::Fact;
use crate::zone::GridCursor;

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

    /// The start of its interval and what it counts there, unless that is an error.
    fn counted(&self, cursor: &mut GridCursor) -> Option<(Timestamp, Measures)>;
}

impl Counted for Contact {
    fn count(&self, series: &mut Series, cursor: &mut GridCursor) -> Result<()> {
        series.add_contact(self, Attribution::Started, cursor);
        Ok(())
    }

    #[inline]
    fn counted(&self, cursor: &mut GridCursor) -> Option<(Timestamp, Measures)> {
        let of_handled = |time: Option<Millis>| {
            time.filter(|_| !self.handled.is_zero())
                .map_or(Timed::default(), |total| Timed { total, number: self.handled })
        };
        let measures = Measures {
            offered: self.offered,
            handled: self.handled,
            handle_time: of_handled(self.duration),
            wait_time: of_handled(self.wait),
            abandoned: self.abandoned,
            within_service_level: self.within_service_level,
        };
        Some((cursor.floor(self.start), measures))
    }
}

impl Counted for IntervalRow {
    fn count(&self, series: &mut Series, cursor: &mut GridCursor) -> Result<()> {
        series.add_interval(self, cursor)
    }

    #[inline]
    fn counted(&self, cursor: &mut GridCursor) -> Option<(Timestamp, Measures)> {
        let interval = cursor.interval(self.start);
        (self.end() <= interval.to()).then_some((interval.from(), self.measures))
    }
}

/// The intervals that facts make: contacts count where they started.
///
/// The facts of a day are sorted, so that each belongs to the newest interval or begins one. Others go the way of all sums.
pub(crate) fn cells<'f, F: Counted>(
    facts: impl Iterator<Item = &'f F> + Clone,
    cursor: &mut GridCursor,
) -> Result<Vec<(Timestamp, Measures)>> {
    let mut cells: Vec<(Timestamp, Measures)> = Vec::new();
    for fact in facts.clone() {
        let counted = fact.counted(cursor);
        match (cells.last_mut(), counted) {
            (Some(last), Some((start, measures))) if last.0 == start => last.1 = last.1.plus(&measures),
            (last, Some(new)) if last.as_ref().is_none_or(|last| last.0 < new.0) => cells.push(new),
            _ => return sums(facts, cursor),
        }
    }
    Ok(cells)
}

fn sums<'f, F: Counted>(
    facts: impl Iterator<Item = &'f F>,
    cursor: &mut GridCursor,
) -> Result<Vec<(Timestamp, Measures)>> {
    let mut series = Series::new();
    for fact in facts {
        fact.count(&mut series, cursor)?;
    }
    Ok(series.finish())
}

/// How sorted intervals differ.
pub(crate) fn difference(
    before: &[(Timestamp, Measures)],
    after: &[(Timestamp, Measures)],
    cursor: &mut GridCursor,
) -> Vec<IntervalDiff> {
    let mut changed = Vec::with_capacity(after.len());
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

#[cfg(test)]
mod tests {
    use injixo_model::{IntervalLength, Quantity};
    use proptest::prelude::*;

    use super::*;
    use crate::zone::{Grid, Zone};

    fn contact() -> impl Strategy<Value = Contact> {
        let count = || {
            prop::option::of(prop_oneof![Just(0), Just(1_000_000), 0..1_000_000_i64].prop_map(Quantity::from_micros))
        };
        let time = || prop::option::of((0..4_000_i64).prop_map(|secs| Millis::new(secs * 977)));
        (0..12_000_i64, count(), count(), time(), time(), count(), count()).prop_map(
            |(secs, offered, handled, duration, wait, abandoned, within_service_level)| Contact {
                offered: offered.unwrap_or(Quantity::ONE),
                handled: handled.unwrap_or_default(),
                duration,
                wait,
                abandoned,
                within_service_level,
                // Around the end of summer time.
                ..Contact::offered(Timestamp::from_secs(1_729_983_600 + secs))
            },
        )
    }

    proptest! {
        /// What sorted facts make in one go is what the sums of all facts make.
        #[test]
        fn intervals_do_not_depend_on_the_way(mut contacts in prop::collection::vec(contact(), 0..60), is_sorted: bool) {
            if is_sorted {
                contacts.sort();
            }
            let zone = Zone::new("Europe/Berlin").unwrap();
            let mut cursor = Grid::new(&zone, IntervalLength::MINUTES_15).cursor();
            let expected = sums(contacts.iter(), &mut cursor).unwrap();
            prop_assert_eq!(cells(contacts.iter(), &mut cursor).unwrap(), expected.clone());
            let row = |(start, measures): &(Timestamp, Measures)| IntervalRow {
                start: *start,
                length: IntervalLength::MINUTES_15.millis(),
                measures: *measures,
            };
            let mut rows: Vec<IntervalRow> = expected.iter().map(row).collect();
            let halves: Vec<IntervalRow> =
                rows.iter().filter(|row| row.measures.offered.is_zero()).map(|row| IntervalRow { length: Millis::new(1), ..*row }).collect();
            rows.extend(halves);
            rows.sort();
            prop_assert_eq!(cells(rows.iter(), &mut cursor).unwrap(), sums(rows.iter(), &mut cursor).unwrap());
        }
    }

    #[test]
    fn a_row_that_no_interval_holds_is_an_error() {
        let row = IntervalRow {
            start: Timestamp::from_secs(900),
            length: Millis::from_mins(30),
            measures: Measures::default(),
        };
        let mut cursor = Grid::new(&Zone::utc(), IntervalLength::MINUTES_15).cursor();
        assert!(cells([row].iter(), &mut cursor).is_err());
    }
}
