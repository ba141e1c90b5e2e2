//! Contacts: passes of calls through queues.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_connector_sql::database::{Bound, Cell, Moment, Rejects, Rows, Session, Wanted};
use injixo_core::connector::{ContactSource, ContactWriter, Context, Limits, Outcome};
use injixo_core::model::{Channel, Millis, Rule, Timestamp, Window};
use injixo_core::zone::{LocalTime, Resolver};
use injixo_core::{Error, ErrorKind, Result};

use crate::config::{Contacts as Mapping, SikomConfig};
use crate::lists::{Queue, queues};
use crate::query;

const QUEUE: usize = 0;
pub(crate) const ARRIVED: usize = 1;
const ANSWERED: usize = 2;
const ENDED: usize = 3;
const WRAP_ENDED: usize = 4;
const WRAP_SECONDS: usize = 5;
const DIRECTION: usize = 6;
const RESULT: usize = 7;

const fn wanted(name: &'static str, is_required: bool) -> Wanted {
    Wanted { name, is_required }
}

pub(crate) const WANTED: [Wanted; 8] = [
    wanted("queue_id", true),
    wanted("arrived", true),
    wanted("answered", true),
    wanted("ended", true),
    wanted("wrap_ended", false),
    wanted("wrap_seconds", false),
    wanted("direction", false),
    wanted("result", false),
];

/// Reads contacts.
#[derive(Debug)]
pub(crate) struct Contacts(pub(crate) Arc<SikomConfig>);

#[async_trait]
impl ContactSource for Contacts {
    fn limits(&self) -> Limits {
        let late = self.0.contacts.as_ref().map_or(0, |contacts| contacts.late_secs);
        Limits::new().writes_late(Millis::from_secs(i64::from(late)))
    }

    async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let config = &self.0;
        let Some(mapping) = &config.contacts else {
            return Err(Error::new(ErrorKind::Unexpected, "there is no mapping for contacts"));
        };
        let mut session = Session::open(&config.connection).await?;
        let queues = queues(&mut session, config).await?;
        let text = query::contacts(session.dialect(), mapping);
        let bound = Bound::new(&mut session, &text, &WANTED, ARRIVED).await?;
        let zone = config.zone();
        let statement = bound.statement(session.dialect(), window, &zone, ARRIVED, None);
        let mut taking = Taking {
            bound: &bound,
            mapping,
            resolver: Resolver::new(&zone, config.gap, config.fold),
            null_dates: config.null_dates(),
            queues,
            window,
            out,
            rejects: Rejects::new("contacts", window),
            texts: Default::default(),
        };
        bound.read(&mut session, &statement, &mut taking).await?;
        Ok(Outcome::complete())
    }
}

/// Makes contacts of rows.
struct Taking<'b, 'o, 'w> {
    bound: &'b Bound,
    mapping: &'b Mapping,
    resolver: Resolver,
    null_dates: Vec<LocalTime>,
    queues: HashMap<String, Queue>,
    window: Window,
    out: &'o mut ContactWriter<'w>,
    rejects: Rejects,
    /// Where numbers that name something are written.
    texts: [String; 2],
}

#[async_trait]
impl Rows for Taking<'_, '_, '_> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.rejects.advance();
        match self.contact(cells) {
            Ok(()) => Ok(()),
            Err((wanted, rule)) => {
                let value = self.bound.cell(cells, wanted);
                self.out.reject(&self.rejects.row(WANTED[wanted].name, rule, value))
            }
        }
    }

    async fn flush(&mut self) -> Result<()> {
        self.out.flush().await
    }
}

impl Taking<'_, '_, '_> {
    fn contact(&mut self, cells: &[Cell<'_>]) -> Result<(), (usize, Rule)> {
        let Self { bound, mapping, resolver, null_dates, queues, window, out, texts, .. } = self;
        let wrong = |wanted: usize| move |rule: Rule| (wanted, rule);
        let moment = |wanted: usize| moment(bound.cell(cells, wanted), null_dates).map_err(wrong(wanted));
        let Some(arrived) = moment(ARRIVED)? else { return Ok(()) };
        let arrived = arrived.instant(resolver).map_err(wrong(ARRIVED))?;
        if !window.contains(arrived) {
            return Ok(());
        }
        let [first, second] = texts;
        if let Some(direction) = &mapping.direction
            && !is_one_of(bound.cell(cells, DIRECTION), &direction.inbound, first).map_err(wrong(DIRECTION))?
        {
            return Ok(());
        }
        let mut abandoned = None;
        if let Some(result) = &mapping.result {
            let cell = bound.cell(cells, RESULT);
            if is_one_of(cell, &result.ignore, first).map_err(wrong(RESULT))? {
                return Ok(());
            }
            abandoned = Some(is_one_of(cell, &result.abandoned, first).map_err(wrong(RESULT))?);
        }
        let mut after = |wanted: usize, start: Timestamp| {
            let end = moment(wanted)?.map(|end| end.end_of(start, resolver));
            end.transpose().map_err(wrong(wanted))
        };
        let answered = after(ANSWERED, arrived)?;
        let ended = after(ENDED, answered.unwrap_or(arrived))?;
        let handle_time = match (answered, ended) {
            (Some(answered), Some(ended)) => {
                let wrapped = after(WRAP_ENDED, ended)?.unwrap_or(ended);
                let work = bound.cell(cells, WRAP_SECONDS).duration().map_err(wrong(WRAP_SECONDS))?;
                Some(Millis::new(wrapped.millis() - answered.millis() + work.map_or(0, Millis::get)))
            }
            // As long as it is not over its time is not known.
            _ => None,
        };
        let queue =
            bound.cell(cells, QUEUE).name(second).map_err(wrong(QUEUE))?.ok_or((QUEUE, Rule::Required))?.trim_end();
        let known = queues.get(queue);
        let channel = known.map_or(Some(Channel::Calls), |queue| queue.channel).ok_or((QUEUE, Rule::Channel))?;
        let contact = out.contact(queue, channel, arrived);
        let contact = match known.and_then(|queue| queue.name.as_deref()) {
            Some(name) => contact.in_queue_named(name),
            None => contact,
        };
        let contact = contact.answered_after(answered.map(|at| Millis::new(at.millis() - arrived.millis())));
        match abandoned {
            Some(abandoned) => contact.abandoned(abandoned).handle_time(handle_time),
            None => contact.handle_time(handle_time),
        }
        Ok(())
    }
}

/// A time; none where a date stands for none.
pub(crate) fn moment(cell: Cell<'_>, null_dates: &[LocalTime]) -> Result<Option<Moment>, Rule> {
    match cell {
        Cell::Local(local) if null_dates.contains(&local) => Ok(None),
        // As text a date that stands for none may lie before all that is supported.
        Cell::Text(text) => match Moment::parse(text.trim()) {
            Some((Moment::Local(local), _)) if null_dates.contains(&local) => Ok(None),
            _ => cell.time(),
        },
        cell => cell.time(),
    }
}

fn is_one_of(cell: Cell<'_>, values: &[String], digits: &mut String) -> Result<bool, Rule> {
    let value = cell.name(digits)?.unwrap_or_default().trim_end();
    Ok(values.iter().any(|known| known == value))
}
