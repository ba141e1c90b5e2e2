//! What a store keeps.

use injixo_model::{Channel, Measures, Millis, Span, Timestamp, Window};

use crate::connector::Stream;

/// The stream of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The integration.
    pub integration: u32,
    /// Contacts or statuses.
    pub stream: Stream,
}

/// An integration as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationRecord {
    /// What other records refer to; zero before it is kept.
    pub id: u32,
    /// The name, unique among integrations that are not deleted.
    pub name: String,
    /// The kind of its connector.
    pub connector: String,
    /// The zone of its source.
    pub zone: String,
    /// The connector's configuration in TOML, without secrets; `None` where the host hands the connector over.
    pub config: Option<String>,
    /// How it is run, in JSON.
    pub policy: String,
    /// Where it stands in its life.
    pub state: IntegrationState,
    /// Raised with every change; an import that began under a lower one is refused.
    pub generation: u64,
    /// When it was added.
    pub added_at: Timestamp,
    /// Since when it is paused, or when it was deleted.
    pub stopped_at: Option<Timestamp>,
}

/// Where an integration stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntegrationState {
    /// It imports on its own.
    Active,
    /// Nothing is imported until it is resumed.
    Paused,
    /// It is gone for good; its data and queues stay.
    Deleted,
}

/// What has a name in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectKind {
    /// A queue.
    Queue,
    /// An external agent.
    Agent,
    /// An external status.
    Status,
}

/// A queue, an external agent or an external status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What chunks and spans refer to.
    pub id: u32,
    /// What it is.
    pub kind: SubjectKind,
    /// The source's identifier.
    pub external: String,
    /// The channel of a queue.
    pub channel: Channel,
    /// For a queue of ready-made rows the length of its intervals in minutes, zero for one of contacts.
    pub row_minutes: u32,
    /// The start of its first fact.
    pub first: Timestamp,
    /// The start of its last fact.
    pub last: Timestamp,
    /// The longest span of an agent that has an end.
    pub longest: Millis,
    /// What it was called, each name with the start of the first fact that bore it, sorted by that. Empty where the
    /// identifier is the name.
    pub names: Vec<(Timestamp, String)>,
}

/// Where a fact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Read for a window, or delivered.
    History,
    /// Said by the live source.
    Live,
    /// What the facts of a day come to in intervals, where some of them arrived one by one; rows in place of contacts.
    Sums,
    /// Contacts that arrived one by one, the newest ones.
    Arrived1,
    /// The same, moved on from `Arrived1` when those became many; and so on.
    Arrived2,
    /// See `Arrived2`.
    Arrived3,
    /// See `Arrived2`.
    Arrived4,
    /// See `Arrived2`; it takes any number.
    Arrived5,
    /// What was sent to a system that takes single events only.
    Sent,
}

impl Layer {
    /// Where contacts that arrive one by one are kept until the day is written anew, the newest first.
    pub const ARRIVED: [Self; 5] = [Self::Arrived1, Self::Arrived2, Self::Arrived3, Self::Arrived4, Self::Arrived5];
}

/// The facts of one subject that start on one UTC day, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// The subject.
    pub subject: u32,
    /// The layer.
    pub layer: Layer,
    /// The UTC day, counted from 1970-01-01.
    pub day: i32,
    /// The packed facts.
    pub bytes: Vec<u8>,
}

/// Days of a subject, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRange {
    /// The subject.
    pub subject: u32,
    /// The layer.
    pub layer: Layer,
    /// The first day.
    pub from: i32,
    /// The last day.
    pub to: i32,
}

/// A stretch of time that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// The subject that was asked for, `None` for all.
    pub subject: Option<u32>,
    /// The time.
    pub window: Window,
    /// When the read began.
    pub read_at: Timestamp,
}

/// What is noted of a stretch of time besides its coverage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RangeKind {
    /// Given up by rule: not read unless it is asked for.
    Waived,
    /// Reading it failed for good.
    Blocked,
    /// It is to be read again if it was not read since.
    Asked,
}

/// A stretch of time that is waived, blocked or asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRecord {
    /// Its number.
    pub id: u64,
    /// The stream.
    pub stream: StreamId,
    /// What it is.
    pub kind: RangeKind,
    /// The time.
    pub window: Window,
    /// When it was noted.
    pub at: Timestamp,
    /// Why.
    pub note: String,
}

/// One line of the import log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRecord {
    /// Its number; imports of one integration are numbered in the order of their commits.
    pub id: u64,
    /// What was imported.
    pub stream: StreamId,
    /// The key of a delivery, empty for a window.
    pub key: String,
    /// The fingerprint of the settings under which a delivery was read.
    pub settings: String,
    /// What it is called for people.
    pub name: String,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// From the first fact to just behind the last one, or the window.
    pub window: Option<Window>,
    /// The subjects that it named, where some of its rows were rejected.
    pub subjects: Vec<u32>,
    /// Whether the delivery may be applied again although its key is known.
    pub again: bool,
    /// Rows that became facts.
    pub imported: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// Rows that were left out on purpose.
    pub skipped: u64,
    /// Facts that were not there before.
    pub added: u64,
    /// Facts that took the place of others of the same start.
    pub replaced: u64,
    /// Facts that are there no more.
    pub gone: u64,
}

/// What was imported of a stream since some import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedSince {
    /// What was imported.
    pub stream: StreamId,
    /// From where to where the imports reach, all together; `None` where none of them says.
    pub window: Option<Window>,
    /// The number of the last one.
    pub last: u64,
}

/// Kinds of work on an integration; of each kind one piece is done at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Following the live source.
    Live,
    /// Looking for what has arrived.
    Deliveries,
    /// The newest contacts, gaps and looking back.
    Contacts,
    /// The newest statuses, gaps and looking back.
    Statuses,
    /// Back-filling contacts.
    ContactsBackfill,
    /// Back-filling statuses.
    StatusesBackfill,
}

/// The right to do a piece of work until an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who has it: one run of one process.
    pub owner: String,
    /// When it ends unless it is extended.
    pub until: Timestamp,
}

/// A kind of work on an integration: when it is due, and who does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkRecord {
    /// The integration.
    pub integration: u32,
    /// The kind of work.
    pub lane: Lane,
    /// When it is due; [`Timestamp::MAX`] for not at all.
    pub due: Timestamp,
    /// Who does it.
    pub lease: Option<Lease>,
    /// Raised with each claim; a commit under a lower one is refused.
    pub fence: u64,
    /// The window that is being read.
    pub window: Option<Window>,
    /// What the engine remembers about it, in JSON.
    pub state: String,
}

/// What a mapping maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MappedKind {
    /// An external agent, to a person.
    Agent,
    /// An external status, to an activity.
    Status,
}

/// What an external identifier stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingRecord {
    /// Agent or status.
    pub kind: MappedKind,
    /// The external identifier.
    pub external: String,
    /// The number of the person or activity.
    pub target: u64,
}

/// What changed, as an entry of the feed says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedKind {
    /// A queue appeared, was renamed or became inactive.
    Queue,
    /// Intervals of a queue.
    Intervals,
    /// Stretches of the timeline of an agent.
    Timeline,
    /// Facts of a queue or agent, or the names that a queue had, of which readers see nothing different.
    Facts,
}

/// Changes of one subject that became visible together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// The revision of its first change; set by the store.
    pub revision: u64,
    /// How many changes it holds, one revision each.
    pub count: u32,
    /// When they were committed.
    pub at: Timestamp,
    /// The integration.
    pub integration: u32,
    /// The queue or agent.
    pub subject: u32,
    /// What changed.
    pub kind: FeedKind,
    /// The packed changes.
    pub bytes: Vec<u8>,
}

/// A change of the tables for readers that use SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    /// One interval of a queue.
    Interval {
        /// The queue.
        queue: u32,
        /// When the interval starts.
        start: Timestamp,
        /// When it ends.
        end: Timestamp,
        /// What it holds now; `None` when it is there no more.
        measures: Option<Measures>,
    },
    /// A stretch of the timeline of an agent.
    Timeline {
        /// The agent.
        agent: u32,
        /// The start of the stretch.
        from: Timestamp,
        /// Its end, `None` for all that follows.
        to: Option<Timestamp>,
        /// What the timeline shows there now, cut at the edges of the stretch.
        pieces: Vec<Span>,
    },
}
