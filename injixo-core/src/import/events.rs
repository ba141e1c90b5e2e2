//! What one request brings.

use std::collections::HashMap;

use injixo_model::{Channel, Contact, Millis, RejectedRow, Span, Timestamp};

use super::SeenStatus;
use crate::connector::Stream;

/// Contacts or agent statuses that a sender states one by one: they claim no period and replace nothing.
///
/// ```
/// use injixo_core::Events;
/// use injixo_core::model::{Channel, Contact, Millis};
///
/// let mut events = Events::contacts("request 17");
/// let start = "2024-03-31T10:34:22Z".parse()?;
/// events.contact("1337_99", Channel::Calls, Some("Level 1 support"), Contact::offered(start).handled(Millis::new(124_600)));
/// assert_eq!(events.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Events {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) content: String,
    pub(super) repeats_within: Option<Millis>,
    pub(super) rows: Rows,
    pub(super) called: Vec<(u32, String, Timestamp, Timestamp)>,
    pub(super) rejected: Vec<RejectedRow>,
    pub(super) rejected_rows: u64,
    names: HashMap<(String, Channel), u32>,
    statuses: HashMap<String, u32>,
    bytes: usize,
}

/// The rows of a request, with names by their number.
#[derive(Clone)]
pub(super) enum Rows {
    Contacts { queues: Vec<(String, Channel)>, rows: Vec<(u32, Contact)> },
    Statuses { agents: Vec<(String, Channel)>, statuses: Vec<SeenStatus>, rows: Vec<(u32, Span)> },
}

/// How many rejected rows are kept of one request.
const MOST_REJECTED: usize = 1_000;

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rows, rejected) = (self.len(), self.rejected_rows);
        f.debug_struct("Events").field("rows", &rows).field("rejected", &rejected).finish_non_exhaustive()
    }
}

impl Events {
    /// Contacts, under the key that names the request: what has a known key is not applied again.
    pub fn contacts(key: impl Into<String>) -> Self {
        Self::new(key.into(), Rows::Contacts { queues: Vec::new(), rows: Vec::new() })
    }

    /// Agent statuses, under the key that names the request.
    pub fn statuses(key: impl Into<String>) -> Self {
        Self::new(key.into(), Rows::Statuses { agents: Vec::new(), statuses: Vec::new(), rows: Vec::new() })
    }

    fn new(key: String, rows: Rows) -> Self {
        Self {
            name: key.clone(),
            bytes: size_of::<Self>() + 2 * key.len(),
            key,
            content: String::new(),
            repeats_within: None,
            rows,
            called: Vec::new(),
            rejected: Vec::new(),
            rejected_rows: 0,
            names: HashMap::new(),
            statuses: HashMap::new(),
        }
    }

    /// The same, called `name` in the import log.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same with a checksum of the request's content, by which a repeat that says something else is told.
    #[must_use]
    pub fn content(mut self, checksum: impl Into<String>) -> Self {
        self.content = checksum.into();
        self
    }

    /// The same with a key that names another request after that time: for keys that are made from the content.
    #[must_use]
    pub fn repeats_within(mut self, time: Millis) -> Self {
        self.repeats_within = Some(time);
        self
    }

    /// Adds a contact of a queue, with what the queue is called where that is not its identifier. Equal contacts are different
    /// ones: what tells them apart is made from the key and their place in the request.
    ///
    /// # Panics
    ///
    /// If it was made for statuses.
    pub fn contact(&mut self, queue: &str, channel: Channel, name: Option<&str>, contact: Contact) {
        let Rows::Contacts { queues, rows } = &mut self.rows else { panic!("a contact among statuses") };
        let number = match self.names.get(&(queue.to_owned(), channel)) {
            Some(number) => *number,
            None => {
                self.bytes += 2 * (queue.len() + size_of::<(String, Channel)>());
                self.names.insert((queue.to_owned(), channel), count(queues));
                queues.push((queue.to_owned(), channel));
                count(queues) - 1
            }
        };
        self.bytes += 2 * size_of::<(u32, Contact)>();
        rows.push((number, contact));
        let Some(name) = name else { return };
        let is_same = |last: &&mut (u32, String, _, _)| last.0 == number && last.1 == name;
        match self.called.last_mut().filter(is_same) {
            Some((_, _, first, last)) => (*first, *last) = ((*first).min(contact.start), (*last).max(contact.start)),
            None => {
                self.bytes += name.len() + size_of::<(u32, String, Timestamp, Timestamp)>();
                self.called.push((number, name.to_owned(), contact.start, contact.start));
            }
        }
    }

    /// Adds what an agent did from a start to an end, if it has ended. It is the span that was stated with the same agent, start
    /// and status before, if one was, and gives it its end.
    ///
    /// # Panics
    ///
    /// If it was made for contacts.
    pub fn status(&mut self, agent: &str, status: &str, start: Timestamp, end: Option<Timestamp>) {
        let Rows::Statuses { agents, statuses, rows } = &mut self.rows else { panic!("a status among contacts") };
        let key = (agent.to_owned(), Channel::Calls);
        let number = match self.names.get(&key) {
            Some(number) => *number,
            None => {
                self.bytes += 2 * (agent.len() + size_of::<(String, Channel)>());
                self.names.insert(key.clone(), count(agents));
                agents.push(key);
                count(agents) - 1
            }
        };
        let status = match self.statuses.get(status) {
            Some(number) => *number,
            None => {
                self.bytes += 2 * (status.len() + size_of::<SeenStatus>());
                self.statuses.insert(status.to_owned(), count(statuses));
                statuses.push(SeenStatus { name: status.to_owned(), starts: None });
                count(statuses) - 1
            }
        };
        statuses[status as usize].saw(start);
        self.bytes += 2 * size_of::<(u32, Span)>();
        rows.push((number, Span { start, status, end }));
    }

    /// Notes a row that cannot become a fact; it is kept in quarantine if others can.
    pub fn reject(&mut self, row: RejectedRow) {
        self.rejected_rows += 1;
        if self.rejected.len() < MOST_REJECTED {
            self.bytes += size_of::<RejectedRow>() + row.source.len() + row.column.len() + row.excerpt.len();
            self.rejected.push(row);
        }
    }

    /// How many rows can become facts.
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Contacts { rows, .. } => rows.len(),
            Rows::Statuses { rows, .. } => rows.len(),
        }
    }

    /// Whether no row can become a fact.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Roughly how much memory it takes until it is answered.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn stream(&self) -> Stream {
        match self.rows {
            Rows::Contacts { .. } => Stream::Contacts,
            Rows::Statuses { .. } => Stream::Statuses,
        }
    }
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

/// What came of a request: it is in the store for good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Rows that are facts now.
    pub accepted: u64,
    /// Rows that are not.
    pub rejected: u64,
    /// Rejected rows that only the store could tell: their queues hold another kind of data.
    pub refused: Vec<RejectedRow>,
    /// Whether the request was applied before. Then nothing was done, and the counts are those of that time.
    pub is_repeat: bool,
    /// Whether it is a repeat only by its key: its content is another one.
    pub is_other_content: bool,
}
