//! Contacts and ready-made interval rows of a query.

use std::sync::Arc;

use async_trait::async_trait;
use injixo_core::connector::{ContactSource, ContactWriter, Context, Form, Limits, Outcome};
use injixo_core::model::{
    Attribution, Channel, IntervalRow, Measures, Millis, Quantity, Rule, Timed, Timestamp, Window,
};
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
            resolver: shared.resolver(),
            grid,
            window,
            out,
            rejects: Rejects::new("contacts", window),
            texts: Default::default(),
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
    resolver: Resolver,
    grid: Option<GridCursor>,
    window: Window,
    out: &'o mut ContactWriter<'w>,
    rejects: Rejects,
    /// Where numbers that name something are written.
    texts: [String; 2],
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
        let Self { bound, resolver, grid, window, out, texts, .. } = self;
        let cells = bound.wanted::<MOST_WANTED>(cells);
        let cell = |wanted: usize| cells[wanted];
        let wrong = |wanted: &'static str| move |rule: Rule| (wanted, rule);
        let moment = cell(TIME).time().map_err(wrong("timestamp"))?.ok_or(("timestamp", Rule::Required))?;
        let start = moment.instant(resolver).map_err(wrong("timestamp"))?;
        // Near a change of the clock the database was asked for more than the window.
        if !window.contains(start) {
            return Ok(());
        }
        let [first, second] = texts;
        let name = cell(NAME).name(second).map_err(wrong("queuename"))?;
        let identifier = cell(IDENTIFIER).name(first).map_err(wrong("queueidentifier"))?;
        let identifier = identifier.or(name).ok_or(("queueidentifier", Rule::Required))?;
        let channel = cell(CHANNEL).channel().map_err(wrong("channel"))?.unwrap_or(Channel::Calls);
        let name = name.filter(|name| *name != identifier);
        if let Some(grid) = grid {
            let measures = measures(&cell)?;
            let interval = grid.interval(start);
            if interval.from() != start {
                return Err(("timestamp", Rule::OffGrid));
            }
            let row = IntervalRow { start, length: interval.duration(), measures };
            out.interval_row(identifier, channel, row);
            if let Some(name) = name {
                // What the engine cannot take is told when the row before it is handed over.
                let _ = out.queue_name(identifier, channel, name, start);
            }
            return Ok(());
        }
        let answered = cell(ANSWERED).count().map_err(wrong("answered"))?.ok_or(("answered", Rule::Required))?;
        if answered > Quantity::ONE {
            return Err(("answered", Rule::ContactCount));
        }
        let duration = cell(DURATION).duration().map_err(wrong("duration"))?;
        contact(out, (identifier, name), channel, start, answered, duration);
        Ok(())
    }
}

#[inline]
fn contact(
    out: &mut ContactWriter<'_>,
    (identifier, name): (&str, Option<&str>),
    channel: Channel,
    start: Timestamp,
    answered: Quantity,
    duration: Option<Millis>,
) {
    let contact = out.contact(identifier, channel, start).handled_part(answered);
    match name {
        Some(name) => contact.in_queue_named(name).handle_time(duration),
        None => contact.handle_time(duration),
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
