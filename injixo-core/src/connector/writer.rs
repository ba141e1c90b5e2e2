//! Where a source puts its rows.

use injixo_model::{
    Channel, Contact, ContactBatch, IntervalBatch, IntervalRow, Measures, Millis, Quantity, QueueKey, RejectedRow,
    Rule, Span, StatusBatch, Timestamp, Window,
};

use super::names::Names;
use super::{Context, Progress};
use crate::error::{Error, Result};
use crate::zone::GridCursor;

/// Takes the batches of one read. Dictionaries of successive batches only grow.
pub trait RowSink: Send {
    /// Takes contacts.
    ///
    /// # Errors
    ///
    /// When they cannot be kept; the read ends.
    fn contacts(&mut self, batch: &ContactBatch) -> Result<()>;

    /// Takes ready-made interval rows.
    ///
    /// # Errors
    ///
    /// When they cannot be kept; the read ends.
    fn interval_rows(&mut self, batch: &IntervalBatch) -> Result<()>;

    /// Takes status spans.
    ///
    /// # Errors
    ///
    /// When they cannot be kept; the read ends.
    fn statuses(&mut self, batch: &StatusBatch) -> Result<()>;

    /// Takes a row that could not become a fact.
    ///
    /// # Errors
    ///
    /// When it cannot be kept; the read ends.
    fn rejected(&mut self, row: &RejectedRow) -> Result<()>;

    /// Takes a row that a source wrote as a fact although it cannot be one.
    ///
    /// # Errors
    ///
    /// When it cannot be kept; the read ends.
    fn refused(&mut self, row: &RejectedRow) -> Result<()> {
        self.rejected(row)
    }

    /// Takes what a queue was called by the rows of this read that start from `first` to `last`.
    ///
    /// # Errors
    ///
    /// When it cannot be kept; the read ends.
    fn queue_named(&mut self, _queue: u32, _name: &str, _first: Timestamp, _last: Timestamp) -> Result<()> {
        Ok(())
    }

    /// Whether rows of this queue must be rejected, and why.
    fn refuses(&self, _queue: &QueueKey) -> Option<Rule> {
        None
    }
}

/// Collects rows into batches and hands them to the engine. Names are looked up once and then stand for many rows.
pub struct RowWriter<'s> {
    cx: Context,
    sink: &'s mut dyn RowSink,
    contacts: ContactBatch,
    intervals: IntervalBatch,
    statuses: StatusBatch,
    /// The queues that were named, with their number in the batches or why their rows are rejected.
    queues: Vec<(QueueKey, Result<u32, Rule>)>,
    queue_index: Names,
    agent_index: Names,
    status_index: Names,
    /// What queues are called at present, by index.
    queue_names: Vec<Option<NamedRows>>,
    counts: Counts,
    progress: (u64, u64),
    warnings: Vec<String>,
    /// Why a row that was written could not be rejected; told at the next chance.
    failed: Option<Error>,
}

/// Rows that call their queue the same, one after another.
struct NamedRows {
    name: String,
    first: Timestamp,
    last: Timestamp,
}

/// What came of the rows of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Rows that became facts.
    pub good: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// Rows that were left out on purpose.
    pub skipped: u64,
}

impl std::fmt::Debug for RowWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowWriter").field("counts", &self.counts).finish_non_exhaustive()
    }
}

const BATCH: usize = 4_096;

impl<'s> RowWriter<'s> {
    /// Writes to `sink`.
    pub fn new(cx: &Context, sink: &'s mut dyn RowSink) -> Self {
        Self {
            cx: cx.clone(),
            sink,
            contacts: ContactBatch::new(),
            intervals: IntervalBatch::new(),
            statuses: StatusBatch::new(),
            queues: Vec::new(),
            queue_index: Names::new(),
            agent_index: Names::new(),
            status_index: Names::new(),
            queue_names: Vec::new(),
            counts: Counts::default(),
            progress: (0, 0),
            warnings: Vec::new(),
            failed: None,
        }
    }

    /// The index that stands for a queue in this read.
    ///
    /// # Errors
    ///
    /// The rule by which the row must be [rejected](Self::reject): the queue holds another kind of data.
    #[inline]
    pub fn queue(&mut self, id: &str, channel: Channel) -> Result<u32, Rule> {
        let hash = self.queue_index.hash(id, channel as u8);
        let known = self.queue_index.find(hash, |number| {
            let key = &self.queues[number as usize].0;
            key.channel == channel && key.id == id
        });
        if let Some(number) = known {
            return self.queues[number as usize].1;
        }
        let key = QueueKey::new(id, channel);
        let index = match self.sink.refuses(&key) {
            Some(rule) => Err(rule),
            None => {
                self.intervals.add_queue(key.clone());
                Ok(self.contacts.add_queue(key.clone()))
            }
        };
        let number = u32::try_from(self.queues.len()).unwrap_or(u32::MAX);
        self.queues.push((key, index));
        let queues = &self.queues;
        self.queue_index.insert(hash, number, |names, number| {
            let key = &queues[number as usize].0;
            names.hash(&key.id, key.channel as u8)
        });
        index
    }

    /// Notes what a row that starts at `at` calls the queue with that [index](Self::queue), where the name is not the
    /// identifier.
    ///
    /// # Errors
    ///
    /// When the engine cannot take it; pass the error on.
    #[inline]
    pub fn queue_name(&mut self, queue: u32, name: &str, at: Timestamp) -> Result<()> {
        let index = queue as usize;
        if self.queue_names.len() <= index {
            self.queue_names.resize_with(index + 1, || None);
        }
        if let Some(rows) = &mut self.queue_names[index] {
            if rows.name == name {
                (rows.first, rows.last) = (rows.first.min(at), rows.last.max(at));
                return Ok(());
            }
            self.sink.queue_named(queue, &rows.name, rows.first, rows.last)?;
        }
        self.queue_names[index] = Some(NamedRows { name: name.to_owned(), first: at, last: at });
        Ok(())
    }

    /// The index that stands for an external agent in this read.
    pub fn agent(&mut self, id: &str) -> u32 {
        let hash = self.agent_index.hash(id, 0);
        if let Some(known) = self.agent_index.find(hash, |number| self.statuses.agents()[number as usize] == id) {
            return known;
        }
        let index = self.statuses.add_agent(id);
        let held = self.statuses.agents();
        self.agent_index.insert(hash, index, |names, number| names.hash(&held[number as usize], 0));
        index
    }

    /// The index that stands for an external status in this read.
    pub fn status(&mut self, id: &str) -> u32 {
        let hash = self.status_index.hash(id, 0);
        if let Some(known) = self.status_index.find(hash, |number| self.statuses.statuses()[number as usize] == id) {
            return known;
        }
        let index = self.statuses.add_status(id);
        let held = self.statuses.statuses();
        self.status_index.insert(hash, index, |names, number| names.hash(&held[number as usize], 0));
        index
    }

    /// Writes a contact of the queue with that [index](Self::queue).
    #[inline]
    pub fn contact(&mut self, queue: u32, contact: &Contact) {
        self.contacts.push(queue, contact);
        self.counts.good += 1;
    }

    /// Writes a ready-made row of the queue with that [index](Self::queue).
    #[inline]
    pub fn interval_row(&mut self, queue: u32, row: IntervalRow) {
        self.intervals.push(queue, row);
        self.counts.good += 1;
    }

    /// Writes a span of the agent with that [index](Self::agent).
    pub fn span(&mut self, agent: u32, span: Span) {
        self.statuses.push(agent, span);
        self.counts.good += 1;
    }

    /// Reports a row that cannot become a fact.
    ///
    /// # Errors
    ///
    /// When the engine cannot take it; pass the error on.
    pub fn reject(&mut self, row: &RejectedRow) -> Result<()> {
        self.counts.rejected += 1;
        self.sink.rejected(row)
    }

    /// Rejects a row that was written for `window` about `subject`.
    fn refuse(&mut self, window: Window, subject: &str, column: &str, rule: Rule, value: &dyn std::fmt::Display) {
        let Counts { good, rejected, .. } = self.counts;
        let row = RejectedRow {
            source: window.to_string(),
            line: good + rejected + 1,
            column: column.to_owned(),
            rule,
            excerpt: RejectedRow::excerpt_of(&format!("{subject}: {value}")),
        };
        self.counts.rejected += 1;
        if let Err(error) = self.sink.refused(&row) {
            self.failed.get_or_insert(error);
        }
    }

    /// Notes rows that were left out on purpose.
    pub fn skip(&mut self, rows: u64) {
        self.counts.skipped += rows;
    }

    /// Notes something about the read as a whole that its user should know.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Notes how much of the source was read, and how much there is.
    pub fn progress(&mut self, done: u64, total: u64) {
        self.progress = (done, total);
    }

    /// Hands over what was written, holding the author back while the engine is busy. Call it now and then, best after
    /// some thousand rows.
    ///
    /// # Errors
    ///
    /// When the engine cannot take it; pass the error on.
    pub async fn flush(&mut self) -> Result<()> {
        if self.contacts.len() + self.intervals.len() + self.statuses.len() >= BATCH {
            self.hand_over()?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if !self.contacts.is_empty() {
            self.sink.contacts(&self.contacts)?;
            self.contacts.clear();
        }
        if !self.intervals.is_empty() {
            self.sink.interval_rows(&self.intervals)?;
            self.intervals.clear();
        }
        if !self.statuses.is_empty() {
            self.sink.statuses(&self.statuses)?;
            self.statuses.clear();
        }
        let Counts { good, rejected, skipped } = self.counts;
        let (done, total) = self.progress;
        self.cx.report(&Progress { rows: good + rejected + skipped, rejected, done, total });
        Ok(())
    }

    /// Hands over the rest and says what came of the rows.
    ///
    /// # Errors
    ///
    /// When the engine cannot take it.
    pub fn finish(mut self) -> Result<Counts> {
        self.hand_over()?;
        for (queue, rows) in (0..).zip(self.queue_names.drain(..)) {
            if let Some(NamedRows { name, first, last }) = rows {
                self.sink.queue_named(queue, &name, first, last)?;
            }
        }
        Ok(self.counts)
    }

    pub(crate) fn finish_with_warnings(mut self) -> Result<(Counts, Vec<String>)> {
        let warnings = std::mem::take(&mut self.warnings);
        Ok((self.finish()?, warnings))
    }
}

/// The longest time that a row may carry: 366 days.
const LONGEST: Millis = Millis::from_mins(366 * 24 * 60);

#[inline]
fn is_time(time: Millis) -> bool {
    (Millis::ZERO..=LONGEST).contains(&time)
}

/// Takes the contacts or interval rows of a window. A row that cannot be a fact is rejected and named in quarantine.
#[derive(Debug)]
pub struct ContactWriter<'s> {
    pub(crate) rows: RowWriter<'s>,
    pub(crate) window: Window,
    /// The intervals of ready-made rows.
    pub(crate) grid: Option<GridCursor>,
}

impl<'s> ContactWriter<'s> {
    /// Begins a contact; it is written when the draft is dropped. Contacts that start outside the window are left out.
    #[inline]
    pub fn contact(&mut self, queue: &str, channel: Channel, start: impl Into<Timestamp>) -> ContactDraft<'_, 's> {
        let contact = Contact::offered(start.into());
        let is_inside = self.window.contains(contact.start);
        let queue = if is_inside { self.queue(queue, channel, contact.start) } else { None };
        ContactDraft { writer: self, queue, contact }
    }

    /// The writer of rows by number, for a connector that remembers the numbers of its queues. What it writes is taken as it is: the
    /// connector itself leaves out what starts outside the window, and rejects what cannot be a fact.
    pub fn rows(&mut self) -> &mut RowWriter<'s> {
        &mut self.rows
    }

    /// Notes what a row that starts at `at` calls its queue, where that is not the identifier.
    ///
    /// # Errors
    ///
    /// When the engine cannot take it; pass the error on.
    #[inline]
    pub fn queue_name(&mut self, queue: &str, channel: Channel, name: &str, at: Timestamp) -> Result<()> {
        match self.rows.queue(queue, channel) {
            Ok(key) if self.window.contains(at) && !queue.is_empty() => self.rows.queue_name(key, name, at),
            _ => Ok(()),
        }
    }

    /// Writes a ready-made row. Rows that start outside the window are left out.
    #[inline]
    pub fn interval_row(&mut self, queue: &str, channel: Channel, row: IntervalRow) {
        if !self.window.contains(row.start) {
            return;
        }
        let Measures { offered, handled, handle_time, wait_time, abandoned, within_service_level } = row.measures;
        let counts = [Some(offered), Some(handled), abandoned, within_service_level];
        let is_negative = |count: &Option<Quantity>| count.is_some_and(|count| count < Quantity::ZERO);
        let is_on_grid = self.grid.as_mut().is_none_or(|grid| {
            let interval = grid.interval(row.start);
            interval.from() == row.start && row.end() <= interval.to() && row.length > Millis::ZERO
        });
        let wrong = if counts.iter().any(is_negative) {
            Some(("count", Rule::Quantity))
        } else if handle_time.total < Millis::ZERO || wait_time.total < Millis::ZERO {
            Some(("time", Rule::Duration))
        } else if !is_on_grid {
            Some(("start", Rule::OffGrid))
        } else {
            None
        };
        let key = self.queue(queue, channel, row.start);
        match (key, wrong) {
            (Some(key), None) => self.rows.interval_row(key, row),
            (Some(_), Some((column, rule))) => self.rows.refuse(self.window, queue, column, rule, &row.start),
            (None, _) => {}
        }
    }

    /// The number of a queue in this read, unless its rows are refused.
    #[inline]
    fn queue(&mut self, queue: &str, channel: Channel, start: Timestamp) -> Option<u32> {
        let key = if queue.is_empty() { Err(Rule::Required) } else { self.rows.queue(queue, channel) };
        key.map_err(|rule| self.rows.refuse(self.window, queue, "queue", rule, &start)).ok()
    }

    /// Reports a row that cannot become a fact.
    ///
    /// # Errors
    ///
    /// When the engine cannot take it; pass the error on.
    pub fn reject(&mut self, row: &RejectedRow) -> Result<()> {
        self.rows.reject(row)
    }

    /// Hands over what was written, see [`RowWriter::flush`].
    ///
    /// # Errors
    ///
    /// When the engine cannot take it; pass the error on.
    pub async fn flush(&mut self) -> Result<()> {
        self.rows.flush().await
    }
}

/// A contact that is being described; written when dropped.
#[derive(Debug)]
pub struct ContactDraft<'w, 's> {
    writer: &'w mut ContactWriter<'s>,
    /// The number of its queue; `None` for a contact that is left out or whose queue is refused.
    queue: Option<u32>,
    contact: Contact,
}

impl ContactDraft<'_, '_> {
    /// It was answered after `wait`. Without a wait (`None`) it was not answered.
    #[must_use = "the contact is written when the draft is dropped: end the statement"]
    #[inline]
    pub fn answered_after(mut self, wait: impl Into<Option<Millis>>) -> Self {
        self.contact.wait = wait.into();
        self.contact.handled = if self.contact.wait.is_some() { Quantity::ONE } else { Quantity::ZERO };
        self
    }

    /// Its queue is called so, where that is not the identifier.
    #[must_use = "the contact is written when the draft is dropped: end the statement"]
    #[inline]
    pub fn in_queue_named(self, name: &str) -> Self {
        let rows = &mut self.writer.rows;
        let named = self.queue.map_or(Ok(()), |queue| rows.queue_name(queue, name, self.contact.start));
        if let Err(error) = named {
            rows.failed.get_or_insert(error);
        }
        self
    }

    /// It was handled, or not.
    #[must_use = "the contact is written when the draft is dropped: end the statement"]
    #[inline]
    pub fn handled(mut self, is_handled: bool) -> Self {
        self.contact.handled = if is_handled { Quantity::ONE } else { Quantity::ZERO };
        self
    }

    /// So much of it was handled.
    #[must_use = "the contact is written when the draft is dropped: end the statement"]
    #[inline]
    pub fn handled_part(mut self, handled: Quantity) -> Self {
        self.contact.handled = handled;
        self
    }

    /// It was given up, or not.
    #[must_use = "the contact is written when the draft is dropped: end the statement"]
    #[inline]
    pub fn abandoned(mut self, is_abandoned: bool) -> Self {
        self.contact.abandoned = Some(if is_abandoned { Quantity::ONE } else { Quantity::ZERO });
        self
    }

    /// It was worked on for so long.
    #[inline]
    pub fn handle_time(mut self, time: impl Into<Option<Millis>>) {
        self.contact.duration = time.into();
    }
}

impl Drop for ContactDraft<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        let Self { writer, queue: Some(queue), contact } = self else { return };
        match [contact.duration, contact.wait].into_iter().flatten().find(|time| !is_time(*time)) {
            Some(_) => {
                let name = writer.rows.contacts.queues().get(*queue as usize).map(|queue| queue.id.clone());
                let name = name.unwrap_or_default();
                writer.rows.refuse(writer.window, &name, "time", Rule::Duration, &contact.start);
            }
            None => writer.rows.contact(*queue, contact),
        }
    }
}

/// Takes the status spans of a window. A span that cannot be a fact is rejected and named in quarantine.
#[derive(Debug)]
pub struct StatusWriter<'s> {
    pub(crate) rows: RowWriter<'s>,
    pub(crate) window: Window,
}

impl StatusWriter<'_> {
    /// Writes a span; one that starts after the window is left out.
    pub fn span(&mut self, agent: &str, status: &str, start: impl Into<Timestamp>, end: impl Into<Option<Timestamp>>) {
        let (start, end) = (start.into(), end.into());
        if start >= self.window.to() {
            return;
        }
        let is_odd = |at: Timestamp| !at.is_supported();
        let wrong = if agent.is_empty() || status.is_empty() {
            Some((if agent.is_empty() { "agent" } else { "status" }, Rule::Required))
        } else if is_odd(start) || end.is_some_and(is_odd) {
            Some(("time", Rule::DateRange))
        } else if end.is_some_and(|end| end < start) {
            Some(("end", Rule::EndBeforeStart))
        } else {
            None
        };
        if let Some((column, rule)) = wrong {
            self.rows.refuse(self.window, agent, column, rule, &start);
            return;
        }
        let status = self.rows.status(status);
        let agent = self.rows.agent(agent);
        self.rows.span(agent, Span { start, status, end });
    }

    /// Reports a row that cannot become a fact.
    ///
    /// # Errors
    ///
    /// When the engine cannot take it; pass the error on.
    pub fn reject(&mut self, row: &RejectedRow) -> Result<()> {
        self.rows.reject(row)
    }

    /// Hands over what was written, see [`RowWriter::flush`].
    ///
    /// # Errors
    ///
    /// When the engine cannot take it; pass the error on.
    pub async fn flush(&mut self) -> Result<()> {
        self.rows.flush().await
    }
}
