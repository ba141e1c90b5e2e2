//! Contacts and ready-made interval rows of a query.

use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::connector::{ContactSource, ContactWriter, Context, Form, Limits, Outcome};
use injixo_core::model::{Attribution, Channel, Contact, IntervalRow, Measures, Millis, Quantity, Rule, Timed, Window};
use injixo_core::zone::{Grid, GridCursor, Resolver};
use injixo_core::{Error, ErrorKind, Result};

use crate::connector::Shared;
use crate::driver::Rows;
use crate::read::{Bound, Wanted};
use crate::rejected::Rejects;
use crate::value::Cell;
use crate::verbose::Shown;

const fn required(name: &'static str) -> Wanted {
    Wanted { name, is_required: true }
}

const fn optional(name: &'static str) -> Wanted {
    Wanted { name, is_required: false }
}

const IDENTIFIER: usize = 0;
const NAME: usize = 1;
pub(crate) const TIME: usize = 2;
const ANSWERED: usize = 3;
const CHANNEL: usize = 4;
/// Of contacts.
const DURATION: usize = 5;
/// Of intervals.
const OFFERED: usize = 5;
const HANDLING_TIME: usize = 6;

/// The most columns that are wanted.
const MOST_WANTED: usize = 7;

const CONTACTS: [Wanted; 6] = [
    required("queueidentifier"),
    required("queuename"),
    required("timestamp"),
    required("answered"),
    optional("channel"),
    optional("duration"),
];

const INTERVALS: [Wanted; MOST_WANTED] = [
    required("queueidentifier"),
    required("queuename"),
    required("timestamp"),
    required("answered"),
    optional("channel"),
    required("offered"),
    required("handlingtime"),
];

/// The columns of contact data.
pub(crate) fn wanted(form: Form) -> &'static [Wanted] {
    if matches!(form, Form::IntervalRows { .. }) { &INTERVALS } else { &CONTACTS }
}

/// Reads contacts or interval rows.
#[derive(Debug)]
pub(crate) struct Contacts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) form: Form,
    pub(crate) late: Millis,
}

impl Contacts {
    /// What rows of that many minutes are; contacts without.
    pub(crate) fn form(length: Option<injixo_core::model::IntervalLength>) -> Form {
        length.map_or(Form::Contacts, |length| Form::IntervalRows { length, attribution: Attribution::AsDelivered })
    }
}

#[async_trait]
impl ContactSource for Contacts {
    fn limits(&self) -> Limits {
        Limits::new().writes_late(self.late)
    }

    fn form(&self) -> Form {
        self.form
    }

    async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let shared = &self.shared;
        let Some(query) = &shared.contacts else {
            return Err(Error::new(ErrorKind::Unexpected, "there is no query for contacts"));
        };
        let mut session = shared.open().await?;
        let bound = Bound::new(&mut session, query, wanted(self.form), TIME).await?;
        let statement = bound.statement(session.dialect(), window, &shared.zone, TIME, None);
        let grid = match self.form {
            Form::IntervalRows { length, .. } => Some(Grid::new(&shared.zone, length).cursor()),
            Form::Contacts | Form::Statuses => None,
        };
        let mut taking = Taking {
            bound: &bound,
            places: bound.first_places(),
            resolver: shared.resolver(),
            grid,
            window,
            out,
            rejects: Rejects::new("contacts", window),
            texts: Default::default(),
            known: Known::new(),
            shown: Shown::new(shared.verbose, "contacts", window),
        };
        bound.read(&mut session, &statement, &mut taking).await?;
        taking.shown.finish();
        Ok(Outcome::complete())
    }
}

/// Makes facts of rows.
struct Taking<'b, 'o, 'w> {
    bound: &'b Bound,
    places: [u8; MOST_WANTED],
    resolver: Resolver,
    grid: Option<GridCursor>,
    window: Window,
    out: &'o mut ContactWriter<'w>,
    rejects: Rejects,
    /// Where numbers that name something are written.
    texts: [String; 2],
    known: Known,
    shown: Shown,
}

/// Why a row is no fact: the column at fault and the rule.
type Wrong = (&'static str, Rule);

#[async_trait]
impl Rows for Taking<'_, '_, '_> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.shown.row(cells);
        self.rejects.advance();
        match self.fact(cells) {
            Ok(()) => Ok(()),
            Err((column, rule)) => {
                let place = wanted_place(self.grid.is_some(), column);
                let value = place.map_or(Cell::Null, |place| self.bound.cell(cells, place));
                self.out.reject(&self.rejects.row(column, rule, value))
            }
        }
    }

    async fn flush(&mut self) -> Result<()> {
        self.out.flush().await
    }
}

fn wanted_place(has_intervals: bool, column: &str) -> Option<usize> {
    let all: &[Wanted] = if has_intervals { &INTERVALS } else { &CONTACTS };
    all.iter().position(|wanted| wanted.name == column)
}

impl Taking<'_, '_, '_> {
    fn fact(&mut self, cells: &[Cell<'_>]) -> Result<(), Wrong> {
        let Self { places, resolver, grid, window, out, texts, known, .. } = self;
        let cell = |wanted: usize| cells.get(usize::from(places[wanted])).copied().unwrap_or(Cell::Null);
        let wrong = |wanted: &'static str| move |rule: Rule| (wanted, rule);
        let moment = cell(TIME).time().map_err(wrong("timestamp"))?.ok_or(("timestamp", Rule::Required))?;
        let start = moment.instant(resolver).map_err(wrong("timestamp"))?;
        // Near a change of the clock the database was asked for more than the window.
        if !window.contains(start) {
            return Ok(());
        }
        // A queue is named once the row is known to be good.
        let fact = match grid {
            Some(grid) => {
                let measures = measures(&cell)?;
                let interval = grid.interval(start);
                if interval.from() != start {
                    return Err(("timestamp", Rule::OffGrid));
                }
                Fact::Row(IntervalRow { start, length: interval.duration(), measures })
            }
            None => {
                let answered =
                    cell(ANSWERED).count().map_err(wrong("answered"))?.ok_or(("answered", Rule::Required))?;
                if answered > Quantity::ONE {
                    return Err(("answered", Rule::ContactCount));
                }
                let duration = cell(DURATION).duration().map_err(wrong("duration"))?;
                Fact::Contact(Contact { handled: answered, duration, ..Contact::offered(start) })
            }
        };
        let rows = out.rows();
        let named = [cell(IDENTIFIER), cell(NAME), cell(CHANNEL)];
        let Queue { number, name } = match known.find(&named) {
            Some(queue) => queue,
            None => {
                let [first, second] = texts;
                let name = named[1].name(second).map_err(wrong("queuename"))?;
                let identifier = named[0].name(first).map_err(wrong("queueidentifier"))?;
                let identifier = identifier.or(name).ok_or(("queueidentifier", Rule::Required))?;
                let channel = named[2].channel().map_err(wrong("channel"))?.unwrap_or(Channel::Calls);
                let number = rows.queue(identifier, channel).map_err(wrong("queueidentifier"))?;
                let name = name.filter(|name| *name != identifier).map(str::to_owned);
                known.learn(&named, Queue { number, name })
            }
        };
        match fact {
            Fact::Contact(contact) => rows.contact(*number, &contact),
            Fact::Row(row) => rows.interval_row(*number, row),
        }
        if let Some(name) = name {
            // What the engine cannot take is told when the row before it is handed over.
            let _ = rows.queue_name(*number, name, start);
        }
        Ok(())
    }
}

enum Fact {
    Contact(Contact),
    Row(IntervalRow),
}

/// A queue as the writer knows it.
struct Queue {
    number: u32,
    /// What it is called, where that is not its identifier.
    name: Option<String>,
}

/// The queues that rows named of late, by the values that named them: most rows name one of a few.
struct Known(Vec<Option<([Named; 3], Queue)>>);

/// A value that named a queue.
enum Named {
    Null,
    Int(i64),
    Text(String),
    /// Of a kind that is looked at each time.
    Other,
}

impl Named {
    #[inline]
    fn is(&self, cell: Cell<'_>) -> bool {
        match (self, cell) {
            (Self::Null, Cell::Null) => true,
            (Self::Int(held), Cell::Int(value)) => *held == value,
            (Self::Text(held), Cell::Text(text)) => held == text,
            _ => false,
        }
    }
}

impl Known {
    const SLOTS: usize = 512;

    fn new() -> Self {
        Self(std::iter::repeat_with(|| None).take(Self::SLOTS).collect())
    }

    /// Where a queue that is named so stands, if anywhere.
    #[inline]
    fn slot(named: &[Cell<'_>; 3]) -> usize {
        let sign = |cell: Cell<'_>| match cell {
            Cell::Int(value) => value.cast_unsigned(),
            Cell::Text(text) => match text.as_bytes().last_chunk::<8>() {
                Some(word) => u64::from_le_bytes(*word),
                None => text.bytes().fold(0, |word, byte| word << 8 | u64::from(byte)),
            },
            _ => 0,
        };
        // The identifier says all where there is one.
        let sign = if named[0] == Cell::Null { sign(named[1]) } else { sign(named[0]) };
        let hash = sign.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        usize::try_from(hash).unwrap_or(0) % Self::SLOTS
    }

    #[inline]
    fn find(&self, named: &[Cell<'_>; 3]) -> Option<&Queue> {
        let (held, queue) = self.0[Self::slot(named)].as_ref()?;
        held.iter().zip(named).all(|(held, cell)| held.is(*cell)).then_some(queue)
    }

    fn learn(&mut self, named: &[Cell<'_>; 3], queue: Queue) -> &Queue {
        let held = named.map(|cell| match cell {
            Cell::Int(value) => Named::Int(value),
            Cell::Text(text) => Named::Text(text.to_owned()),
            Cell::Null => Named::Null,
            _ => Named::Other,
        });
        &self.0[Self::slot(named)].insert((held, queue)).1
    }
}

/// The sums of an interval.
fn measures<'c>(cell: &impl Fn(usize) -> Cell<'c>) -> Result<Measures, Wrong> {
    let count = |wanted: usize, name: &'static str| {
        cell(wanted).count().map_err(|rule| (name, rule))?.ok_or((name, Rule::Required))
    };
    let (offered, handled) = (count(OFFERED, "offered")?, count(ANSWERED, "answered")?);
    let handling = cell(HANDLING_TIME).duration().map_err(|rule| ("handlingtime", rule))?;
    // No time without a contact; NULL is not known, not zero.
    let handle_time = handling.map_or(Timed::default(), |total| Timed { total, number: handled });
    Ok(Measures { offered, handled, handle_time, ..Measures::default() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell() -> impl Strategy<Value = u8> {
        0..6_u8
    }

    /// One of some values that are easily taken for each other.
    fn value(number: u8) -> Cell<'static> {
        [Cell::Null, Cell::Int(7), Cell::Text("7"), Cell::Text(""), Cell::Micros(7), Cell::Text("seven and seven")]
            [usize::from(number)]
    }

    proptest! {
        /// A queue is found by the values by which it was learned last, and by no others.
        #[test]
        fn known_queues_are_those_that_were_named_so(
            rows in prop::collection::vec((cell(), cell(), cell()), 0..200),
        ) {
            let (mut known, mut last) = (Known::new(), Vec::new());
            for (number, row) in (0..).zip(rows) {
                let named = [value(row.0), value(row.1), value(row.2)];
                let found = known.find(&named).map(|queue| queue.number);
                let held = last.iter().rev().find(|(held, _)| *held == named).map(|(_, number)| *number);
                // Whatever was found was learned for the same values; others may have taken its place.
                prop_assert!(found.is_none() || found == held, "{named:?}: {found:?} {held:?}");
                let is_odd = named.iter().any(|cell| matches!(cell, Cell::Micros(_)));
                prop_assert!(!is_odd || found.is_none());
                if found.is_none() {
                    known.learn(&named, Queue { number, name: None });
                    last.push((named, number));
                    prop_assert!(is_odd || known.find(&named).map(|queue| queue.number) == Some(number));
                }
            }
        }
    }
}
