//! Reads a source as the engine does, and keeps what it wrote and what was odd about it.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use injixo_model::{
    ContactBatch, IntervalBatch, IntervalRow, Millis, Quantity, RejectedRow, Rule, Span, StatusBatch, Timestamp, Window,
};

use super::fact::{Fact, settle};
use super::secrets::Ear;
use crate::connector::{
    Connector, ContactSource, ContactWriter, Context, Delivery, DeliverySource, Form, Limits, Outcome, RowSink,
    RowWriter, StatusSource, StatusWriter,
};
use crate::error::{Error, ErrorKind, Result};
use crate::zone::{Grid, Zone};

/// What every read of a suite shares.
#[derive(Debug)]
pub(super) struct Kit {
    pub(super) cx: Context,
    pub(super) ear: Ear,
    pub(super) zones: Vec<Zone>,
    /// Whether the author named the zones.
    pub(super) knows_zone: bool,
    pub(super) patience: Duration,
}

impl Kit {
    /// Waits for what the connector does, at most for a while; a panic becomes an error.
    pub(super) async fn ask<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.watch(work, usize::MAX, self.patience).await {
            Ending::Done(value) => Ok(value),
            Ending::Failed(error) => Err(error),
            Ending::Stuck | Ending::Dropped => {
                let message = format!("the kit waited {} s for an answer", self.patience.as_secs_f32());
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }

    /// Polls `work` at most so often and waits at most so long, then drops it.
    pub(super) async fn watch<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        most: usize,
        patience: Duration,
    ) -> Ending<T> {
        let ended = {
            let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
            let mut polls = 0;
            let counted = std::future::poll_fn(|cx| {
                polls += 1;
                match work.as_mut().poll(cx) {
                    Poll::Ready(ended) => Poll::Ready(Some(ended)),
                    Poll::Pending if polls >= most => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            });
            tokio::time::timeout(patience, counted).await
        };
        match ended {
            Ok(Some(Ok(Ok(value)))) => Ending::Done(value),
            Ok(Some(Ok(Err(error)))) => {
                self.ear.hear_error(&error);
                Ending::Failed(error)
            }
            Ok(Some(Err(panic))) => {
                let message = panic.downcast_ref::<String>().map(String::as_str);
                let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                self.ear.hear("a panic", message);
                Ending::Failed(Error::new(ErrorKind::Unexpected, format!("the connector panicked: {message}")))
            }
            Ok(None) => Ending::Dropped,
            Err(_) => Ending::Stuck,
        }
    }

    /// Whether a planned window may have an edge there: not in a repeated hour, nor where a skipped one moves.
    pub(super) fn may_cut(&self, at: Timestamp) -> bool {
        let to = at.after(Millis::from_mins(60 * 24 * 30));
        let Ok(window) = Window::new(at, to) else { return false };
        self.zones.iter().all(|zone| zone.widen(window).from() == at)
    }
}

/// How a watched piece of work ended.
#[derive(Debug)]
pub(super) enum Ending<T> {
    Done(T),
    Failed(Error),
    /// It took too long.
    Stuck,
    /// It was dropped after so many polls as allowed.
    Dropped,
}

/// A source that reads windows.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Contacts(Arc<dyn ContactSource>),
    Statuses(Arc<dyn StatusSource>),
}

impl Source {
    pub(super) fn of(connector: &dyn Connector, is_statuses: bool) -> Option<Self> {
        if is_statuses { connector.statuses().map(Self::Statuses) } else { connector.contacts().map(Self::Contacts) }
    }

    pub(super) fn limits(&self) -> Limits {
        match self {
            Self::Contacts(source) => source.limits(),
            Self::Statuses(source) => source.limits(),
        }
    }

    pub(super) fn form(&self) -> Form {
        match self {
            Self::Contacts(source) => source.form(),
            Self::Statuses(_) => Form::Statuses,
        }
    }
}

/// What is odd about what was written so far; the first of each kind.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) reads: u64,
    pub(super) kind: Option<String>,
    pub(super) identity: Option<String>,
    pub(super) measures: Option<String>,
    pub(super) outside: Option<String>,
    pub(super) until: Option<String>,
    pub(super) twice: Option<String>,
    pub(super) contradiction: Option<String>,
    pub(super) rows: u64,
}

fn note(place: &mut Option<String>, what: impl FnOnce() -> String) {
    if place.is_none() {
        *place = Some(what());
    }
}

/// One answer to one read: every row, also those that the engine's writer leaves out.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) facts: Vec<Fact>,
    pub(super) outcome: Outcome,
}

/// Why a time could not be read whole.
#[derive(Debug)]
pub(super) enum Trouble {
    Failed(Error, Window),
    Stuck(Window),
    StillTruncated(Window),
    TooMany(Window),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(error, window) => write!(f, "the read of {window} failed: {error:?}"),
            Self::Stuck(window) => write!(f, "the read of {window} did not end"),
            Self::StillTruncated(window) => write!(f, "the answer to {window}, the smallest window, is truncated"),
            Self::TooMany(window) => write!(f, "reading {window} takes too many reads"),
        }
    }
}

/// What reading some time came to, in as many reads as needed.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The facts that start in the time read.
    pub(super) facts: Vec<Fact>,
    /// Also spans that began before.
    pub(super) statements: Vec<Fact>,
    /// How far the source said it was complete, if not to the end.
    pub(super) until: Option<Timestamp>,
    pub(super) truncated: usize,
}

/// More reads than any check needs.
const MOST_READS: u64 = 4_000;
const QUARTER: i64 = 900_000;

/// Reads one source.
#[derive(Debug)]
pub(super) struct Reader<'k> {
    pub(super) kit: &'k Kit,
    pub(super) source: Source,
    pub(super) limits: Limits,
    pub(super) form: Form,
    seen: Mutex<Seen>,
}

impl<'k> Reader<'k> {
    pub(super) fn new(kit: &'k Kit, source: Source) -> Self {
        let (limits, form) = (source.limits(), source.form());
        Self { kit, source, limits, form, seen: Mutex::default() }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The smallest window that is asked for.
    pub(super) fn smallest(&self) -> i64 {
        self.limits.smallest_window.get().max(1)
    }

    /// Reads `window` once.
    pub(super) async fn read(&self, window: Window) -> Ending<Answer> {
        self.read_at_most(window, usize::MAX, self.kit.patience).await
    }

    /// Reads `window`, and drops the read after so many polls.
    pub(super) async fn read_at_most(&self, window: Window, polls: usize, patience: Duration) -> Ending<Answer> {
        let mut rows = Rows::new(self.kit, self.form, None);
        let cx = &self.kit.cx;
        // The writer takes every row, so that the kit sees what the engine's would leave out.
        let all = Window::new(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)).unwrap_or(window);
        let writer = RowWriter::new(cx, &mut rows);
        let reading = async move {
            match &self.source {
                Source::Contacts(source) => {
                    let mut out = ContactWriter { rows: writer, window: all, grid: None };
                    let outcome = source.read(cx, window, &mut out).await?;
                    out.rows.finish()?;
                    Ok(outcome)
                }
                Source::Statuses(source) => {
                    let mut out = StatusWriter { rows: writer, window: all };
                    let outcome = source.read(cx, window, &mut out).await?;
                    out.rows.finish()?;
                    Ok(outcome)
                }
            }
        };
        let ending = self.kit.watch(reading, polls, patience).await;
        let mut seen = self.seen();
        seen.reads += 1;
        match ending {
            Ending::Done(outcome) => {
                rows.note_into(&mut seen);
                seen.rows += rows.rejected;
                let facts = rows.facts;
                look_at(&mut seen, window, &facts, outcome);
                Ending::Done(Answer { facts, outcome })
            }
            Ending::Failed(error) => Ending::Failed(error),
            Ending::Stuck => Ending::Stuck,
            Ending::Dropped => Ending::Dropped,
        }
    }

    /// Reads `window` as the engine would: not longer than the limits allow, truncated answers in halves.
    pub(super) async fn gather(&self, window: Window) -> Result<Gathered, Trouble> {
        self.gather_all(&self.chunks(window)).await
    }

    /// Reads windows that lie side by side, in the order given.
    pub(super) async fn gather_all(&self, windows: &[Window]) -> Result<Gathered, Trouble> {
        let mut todo: Vec<Window> =
            windows.iter().rev().flat_map(|window| self.chunks(*window).into_iter().rev()).collect();
        let mut gathered = Gathered { facts: Vec::new(), statements: Vec::new(), until: None, truncated: 0 };
        let (mut reads, mut read) = (0, Vec::new());
        while let Some(window) = todo.pop() {
            reads += 1;
            if reads > MOST_READS {
                return Err(Trouble::TooMany(window));
            }
            let answer = match self.read(window).await {
                Ending::Done(answer) => answer,
                Ending::Failed(error) => return Err(Trouble::Failed(error, window)),
                Ending::Stuck | Ending::Dropped => return Err(Trouble::Stuck(window)),
            };
            if answer.outcome.is_truncated {
                gathered.truncated += 1;
                let half = window.from().after(Millis::new(window.duration().get() / 2));
                if window.duration().get() < 2 * self.smallest() {
                    return Err(Trouble::StillTruncated(window));
                }
                let halves = [Window::new(half, window.to()), Window::new(window.from(), half)];
                todo.extend(halves.into_iter().flatten());
                continue;
            }
            let until = answer.outcome.until.filter(|until| *until < window.to());
            let until = until.map(|until| Timestamp::from_millis(until.millis().div_euclid(QUARTER) * QUARTER));
            if let Some(until) = until {
                let known = gathered.until.get_or_insert(until);
                *known = until.min(*known);
            }
            let end = until.unwrap_or(window.to());
            let is_span = |fact: &Fact| matches!(fact, Fact::Span { .. });
            let kept = |fact: &Fact| fact.start() < end && (is_span(fact) || fact.start() >= window.from());
            gathered.statements.extend(answer.facts.into_iter().filter(kept));
            read.push(window);
        }
        let (settled, contradictions) = settle(std::mem::take(&mut gathered.statements));
        if let Some(first) = contradictions.into_iter().next() {
            note(&mut self.seen().contradiction, || first);
        }
        let is_inside = |fact: &Fact| read.iter().any(|window| window.contains(fact.start()));
        gathered.facts = settled.iter().filter(|fact| is_inside(fact)).cloned().collect();
        gathered.statements = settled;
        Ok(gathered)
    }

    fn chunks(&self, window: Window) -> Vec<Window> {
        let longest = self.limits.longest_window.map_or(i64::MAX, Millis::get).max(1);
        let length = window.duration().get();
        if length <= longest {
            return vec![window];
        }
        let mut from = window.from();
        let mut chunks = Vec::new();
        while from < window.to() && chunks.len() as u64 <= MOST_READS {
            let left = window.to().since(from).get();
            // The last piece is not made smaller than what is worth asking for.
            let step =
                if left > longest && left - longest < self.smallest() { (left / 2).max(1) } else { longest.min(left) };
            let to = from.after(Millis::new(step));
            chunks.extend(Window::new(from, to));
            from = to;
        }
        chunks
    }
}

/// What the outcome and the times of the rows say.
fn look_at(seen: &mut Seen, window: Window, facts: &[Fact], outcome: Outcome) {
    seen.rows += facts.len() as u64;
    if let Some(until) = outcome.until.filter(|until| *until > window.to()) {
        note(&mut seen.until, || format!("the answer to {window} says it is complete until {until}"));
    }
    let mut spans = std::collections::BTreeSet::new();
    for fact in facts {
        let is_span = matches!(fact, Fact::Span { .. });
        let is_outside = fact.start() >= window.to() || (fact.start() < window.from() && !is_span);
        if is_outside {
            note(&mut seen.outside, || format!("the answer to {window} holds {fact}"));
        }
        if let Fact::Span { agent, start, status, .. } = fact
            && !spans.insert((agent, start, status))
        {
            note(&mut seen.twice, || format!("one answer holds it twice: {fact}"));
        }
    }
}

/// The kit's sink: every row with its names, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Rows<'k> {
    kit: &'k Kit,
    form: Form,
    zones: Vec<Grid>,
    pub(super) facts: Vec<Fact>,
    pub(super) rejected: u64,
    kind: Option<String>,
    identity: Option<String>,
    measures: Option<String>,
}

impl<'k> Rows<'k> {
    /// Rows of that form; interval rows lie on the grid of `zone`, or of those that the author named.
    pub(super) fn new(kit: &'k Kit, form: Form, zone: Option<Zone>) -> Self {
        let known: Vec<Zone> = match zone {
            Some(zone) => vec![zone],
            None if kit.knows_zone => kit.zones.clone(),
            None => Vec::new(),
        };
        let zones = match form {
            Form::IntervalRows { length, .. } => known.iter().map(|zone| Grid::new(zone, length)).collect(),
            Form::Contacts | Form::Statuses => Vec::new(),
        };
        let (facts, rejected) = (Vec::new(), 0);
        Self { kit, form, zones, facts, rejected, kind: None, identity: None, measures: None }
    }

    pub(super) fn note_into(&mut self, seen: &mut Seen) {
        let kinds = [
            (&mut self.kind, &mut seen.kind),
            (&mut self.identity, &mut seen.identity),
            (&mut self.measures, &mut seen.measures),
        ];
        for (found, known) in kinds {
            if let Some(found) = found.take() {
                note(known, || found);
            }
        }
    }

    fn announced(&mut self, is_announced: bool, written: &str) {
        if !is_announced {
            note(&mut self.kind, || format!("it announces {:?} and writes {written}", self.form));
        }
    }

    fn take(&mut self, fact: Fact, names: &[&str], wrong: Option<&str>) {
        if names.iter().any(|name| name.trim().is_empty()) {
            note(&mut self.identity, || format!("an empty name: {fact}"));
        }
        let wrong = wrong.or((!fact.start().is_supported()).then_some("outside the years 1970 to 2099"));
        if let Some(wrong) = wrong {
            note(&mut self.measures, || format!("{wrong}: {fact}"));
        }
        self.facts.push(fact);
    }

    /// What is wrong with the times and counts of a row.
    fn wrong_with(&self, row: &IntervalRow) -> Option<&'static str> {
        let measures = &row.measures;
        let counts =
            [Some(measures.offered), Some(measures.handled), measures.abandoned, measures.within_service_level];
        if counts.iter().flatten().any(|count| count.micros() < 0) {
            return Some("a negative count");
        }
        for timed in [measures.handle_time, measures.wait_time] {
            if timed.total < Millis::ZERO || timed.number < Quantity::ZERO {
                return Some("a negative time");
            }
            if timed.total > Millis::ZERO && timed.number.is_zero() {
                return Some("a time that was measured for no contact");
            }
        }
        let Form::IntervalRows { length, .. } = self.form else { return None };
        if row.length <= Millis::ZERO || row.length > length.millis() {
            return Some("a length that is not the announced one");
        }
        if self.zones.is_empty() {
            // Without the zone only that is sure.
            return (row.start.millis() % QUARTER != 0).then_some("off the grid of quarter hours");
        }
        let fits = |grid: &Grid| {
            let interval = grid.interval(row.start);
            interval.from() == row.start && interval.duration() == row.length
        };
        (!self.zones.iter().any(fits)).then_some("off the grid of its zone, or not as long as its interval")
    }
}

const NOT_IN_DICTIONARY: &str = "<an index that stands for no name>";

impl RowSink for Rows<'_> {
    fn contacts(&mut self, batch: &ContactBatch) -> Result<()> {
        self.announced(self.form == Form::Contacts, "contacts");
        for (index, row) in batch.rows().iter().enumerate() {
            let contact = batch.contact(index);
            let Some(queue) = batch.queues().get(row.queue as usize) else {
                note(&mut self.identity, || NOT_IN_DICTIONARY.to_owned());
                continue;
            };
            let is_negative = row.duration < -1 || contact.wait.is_some_and(|wait| wait < Millis::ZERO);
            let id = queue.id.clone();
            self.take(
                Fact::Contact { queue: queue.clone(), contact },
                &[&id],
                is_negative.then_some("a negative time"),
            );
        }
        Ok(())
    }

    fn interval_rows(&mut self, batch: &IntervalBatch) -> Result<()> {
        self.announced(matches!(self.form, Form::IntervalRows { .. }), "interval rows");
        for (queue, row) in batch.rows() {
            let Some(queue) = batch.queues().get(*queue as usize) else {
                note(&mut self.identity, || NOT_IN_DICTIONARY.to_owned());
                continue;
            };
            let wrong = self.wrong_with(row);
            let id = queue.id.clone();
            self.take(Fact::Row { queue: queue.clone(), row: *row }, &[&id], wrong);
        }
        Ok(())
    }

    fn statuses(&mut self, batch: &StatusBatch) -> Result<()> {
        self.announced(self.form == Form::Statuses, "statuses");
        for (agent, Span { start, status, end }) in batch.rows() {
            let names = (batch.agents().get(*agent as usize), batch.statuses().get(*status as usize));
            let (Some(agent), Some(status)) = names else {
                note(&mut self.identity, || NOT_IN_DICTIONARY.to_owned());
                continue;
            };
            let is_backward = end.is_some_and(|end| end < *start);
            let fact = Fact::span(agent, status, *start, *end);
            self.take(fact, &[agent, status], is_backward.then_some("it ends before it starts"));
        }
        Ok(())
    }

    fn rejected(&mut self, row: &RejectedRow) -> Result<()> {
        self.rejected += 1;
        self.kit.ear.hear("a rejected row", &row.to_string());
        Ok(())
    }

    fn refused(&mut self, row: &RejectedRow) -> Result<()> {
        let place = if row.rule == Rule::Required { &mut self.identity } else { &mut self.measures };
        note(place, || row.to_string());
        self.rejected(row)
    }
}

/// Reads a delivery once; polled at most so often.
pub(super) async fn read_delivery(
    kit: &Kit,
    source: &Arc<dyn DeliverySource>,
    delivery: &Delivery,
    seen: &mut Seen,
    (polls, patience): (usize, Duration),
) -> Ending<(Vec<Fact>, u64)> {
    let cx = &kit.cx;
    reading(kit, source, seen, (polls, patience), async |writer| source.read(cx, delivery, writer).await).await
}

/// The same in up to three parts, each from where the one before ended; `None` where the source names no cuts.
pub(super) async fn read_parts(
    kit: &Kit,
    source: &Arc<dyn DeliverySource>,
    delivery: &Delivery,
    seen: &mut Seen,
) -> Option<Ending<(Vec<Fact>, u64)>> {
    let cx = &kit.cx;
    let cuts = match kit.ask(source.cuts(cx, delivery, 3)).await {
        Ok(cuts) if cuts.is_empty() => return None,
        Ok(cuts) => cuts,
        Err(error) => return Some(Ending::Failed(error)),
    };
    let read = async |writer: &mut RowWriter<'_>| {
        let mut from = 0;
        for to in cuts.into_iter().chain([u64::MAX]) {
            if from < to {
                from = source.read_part(cx, delivery, from..to, writer).await?.next;
            }
        }
        Ok(())
    };
    Some(reading(kit, source, seen, (usize::MAX, kit.patience), read).await)
}

async fn reading(
    kit: &Kit,
    source: &Arc<dyn DeliverySource>,
    seen: &mut Seen,
    (polls, patience): (usize, Duration),
    read: impl AsyncFnOnce(&mut RowWriter<'_>) -> Result<()>,
) -> Ending<(Vec<Fact>, u64)> {
    let mut rows = Rows::new(kit, source.form(), None);
    let mut writer = RowWriter::new(&kit.cx, &mut rows);
    let reading = async move {
        read(&mut writer).await?;
        writer.finish()
    };
    let ending = kit.watch(reading, polls, patience).await;
    rows.note_into(seen);
    match ending {
        Ending::Done(_) => Ending::Done((rows.facts, rows.rejected)),
        Ending::Failed(error) => Ending::Failed(error),
        Ending::Stuck => Ending::Stuck,
        Ending::Dropped => Ending::Dropped,
    }
}
