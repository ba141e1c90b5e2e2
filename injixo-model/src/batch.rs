//! Many facts at once: names once per batch, rows of small integers.
//!
//! A batch's dictionary only grows until the batch is [cleared](ContactBatch::clear), so a reader can look a name up once
//! and refer to it by index for as many rows as it likes. Clearing keeps the dictionary and the memory.

use crate::{Contact, ContactId, IntervalRow, Millis, Quantity, QueueKey, Span, Timestamp};

/// Contacts of any number of queues.
///
/// ```
/// use injixo_model::{Channel, Contact, ContactBatch, Millis, QueueKey, Timestamp};
///
/// let mut batch = ContactBatch::new();
/// let hotline = batch.add_queue(QueueKey::new("Hotline", Channel::Calls));
/// batch.push(hotline, &Contact::offered(Timestamp::from_secs(60)).handled(Millis::from_secs(100)));
/// assert_eq!(batch.len(), 1);
/// assert_eq!(batch.contact(0).handle_time(), Some(Millis::from_secs(100)));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ContactBatch {
    queues: Vec<QueueKey>,
    rows: Vec<ContactRow>,
    extras: Vec<Extra>,
}

/// A contact as a batch holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContactRow {
    /// When it entered the queue.
    pub start: Timestamp,
    /// Its duration in milliseconds, −1 where unknown.
    pub duration: i64,
    /// The queue, as an index into [`ContactBatch::queues`].
    pub queue: u32,
    /// Millionths of a contact offered, at most a million.
    pub offered: u32,
    /// Millionths of a contact handled, at most a million.
    pub handled: u32,
    extra: u32,
}

impl ContactRow {
    /// Whether the contact carries more than these columns: wait, abandoned, service level or an identifier.
    pub const fn has_more(&self) -> bool {
        self.extra != NO_EXTRA
    }
}

const NO_EXTRA: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Extra {
    wait: Option<Millis>,
    abandoned: Option<Quantity>,
    within_service_level: Option<Quantity>,
    id: Option<ContactId>,
}

impl ContactBatch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { queues: Vec::new(), rows: Vec::new(), extras: Vec::new() }
    }

    /// Adds a queue to the dictionary and returns its index. Does not look for an equal one.
    pub fn add_queue(&mut self, queue: QueueKey) -> u32 {
        push_name(&mut self.queues, queue)
    }

    /// Adds a contact of the queue with that index.
    ///
    /// Counts above one contact are cut to one: more is an [`IntervalRow`].
    #[inline]
    pub fn push(&mut self, queue: u32, contact: &Contact) {
        let extra = Extra {
            wait: contact.wait,
            abandoned: contact.abandoned,
            within_service_level: contact.within_service_level,
            id: contact.id,
        };
        let has_more = extra.wait.is_some()
            || extra.abandoned.is_some()
            || extra.within_service_level.is_some()
            || extra.id.is_some();
        let index = if has_more { push_name(&mut self.extras, extra) } else { NO_EXTRA };
        self.rows.push(ContactRow {
            start: contact.start,
            duration: contact.duration.map_or(-1, Millis::get),
            queue,
            offered: part(contact.offered),
            handled: part(contact.handled),
            extra: index,
        });
    }

    /// The dictionary.
    pub fn queues(&self) -> &[QueueKey] {
        &self.queues
    }

    /// The rows, in the order in which they were added.
    pub fn rows(&self) -> &[ContactRow] {
        &self.rows
    }

    /// The contact in row `index`, whole.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[inline]
    pub fn contact(&self, index: usize) -> Contact {
        let row = self.rows[index];
        let extra = self.extras.get(row.extra as usize);
        Contact {
            start: row.start,
            offered: Quantity::from_micros(i64::from(row.offered)),
            handled: Quantity::from_micros(i64::from(row.handled)),
            duration: (row.duration >= 0).then_some(Millis::new(row.duration)),
            wait: extra.and_then(|extra| extra.wait),
            abandoned: extra.and_then(|extra| extra.abandoned),
            within_service_level: extra.and_then(|extra| extra.within_service_level),
            id: extra.and_then(|extra| extra.id),
        }
    }

    /// How many contacts it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Removes the rows and keeps the dictionary.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.extras.clear();
    }
}

#[inline]
fn part(quantity: Quantity) -> u32 {
    let micros = quantity.micros().clamp(0, Quantity::ONE.micros());
    u32::try_from(micros).unwrap_or(0)
}

/// Ready-made interval rows of any number of queues.
#[derive(Debug, Clone, Default)]
pub struct IntervalBatch {
    queues: Vec<QueueKey>,
    rows: Vec<(u32, IntervalRow)>,
}

impl IntervalBatch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { queues: Vec::new(), rows: Vec::new() }
    }

    /// Adds a queue to the dictionary and returns its index. Does not look for an equal one.
    pub fn add_queue(&mut self, queue: QueueKey) -> u32 {
        push_name(&mut self.queues, queue)
    }

    /// Adds a row of the queue with that index.
    #[inline]
    pub fn push(&mut self, queue: u32, row: IntervalRow) {
        self.rows.push((queue, row));
    }

    /// The dictionary.
    pub fn queues(&self) -> &[QueueKey] {
        &self.queues
    }

    /// The rows with the indexes of their queues, in the order in which they were added.
    pub fn rows(&self) -> &[(u32, IntervalRow)] {
        &self.rows
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Removes the rows and keeps the dictionary.
    pub fn clear(&mut self) {
        self.rows.clear();
    }
}

/// Status spans of any number of agents.
#[derive(Debug, Clone, Default)]
pub struct StatusBatch {
    agents: Vec<String>,
    statuses: Vec<String>,
    rows: Vec<(u32, Span)>,
}

impl StatusBatch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { agents: Vec::new(), statuses: Vec::new(), rows: Vec::new() }
    }

    /// Adds an external agent to the dictionary and returns its index. Does not look for an equal one.
    pub fn add_agent(&mut self, agent: impl Into<String>) -> u32 {
        push_name(&mut self.agents, agent.into())
    }

    /// Adds an external status to the dictionary and returns its index. Does not look for an equal one.
    pub fn add_status(&mut self, status: impl Into<String>) -> u32 {
        push_name(&mut self.statuses, status.into())
    }

    /// Adds a span of the agent with that index; its status is an index into [`statuses`](Self::statuses).
    #[inline]
    pub fn push(&mut self, agent: u32, span: Span) {
        self.rows.push((agent, span));
    }

    /// The dictionary of agents.
    pub fn agents(&self) -> &[String] {
        &self.agents
    }

    /// The dictionary of statuses.
    pub fn statuses(&self) -> &[String] {
        &self.statuses
    }

    /// The spans with the indexes of their agents, in the order in which they were added.
    pub fn rows(&self) -> &[(u32, Span)] {
        &self.rows
    }

    /// How many spans it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Removes the spans and keeps the dictionaries.
    pub fn clear(&mut self) {
        self.rows.clear();
    }
}

#[inline]
fn push_name<T>(names: &mut Vec<T>, name: T) -> u32 {
    // A dictionary of four thousand million names does not fit into memory.
    let index = u32::try_from(names.len()).unwrap_or(u32::MAX);
    names.push(name);
    index
}
