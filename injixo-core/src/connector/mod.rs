//! The contract between the engine and connectors: what partners implement.
//!
//! A [`Connector`] hands out *sources*; which of them it hands out is what it can do. A source reads what it is asked for,
//! writes rows to a writer, and ends with an explicit outcome. It keeps no progress of its own: the engine remembers what
//! was read, so every read can be repeated, split, or killed.

mod budget;
mod context;
mod live;
mod names;
mod permits;
mod registry;
mod writer;

use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_model::{Attribution, IntervalLength, Millis, Timestamp, Window};

pub use self::budget::{Budget, Permits};
pub use self::context::{Context, Progress};
pub(crate) use self::live::Said;
pub use self::live::{AgentNow, ChangeSource, Changed, LiveSource, LiveWriter};
pub(crate) use self::permits::{Credential, Permit, Permitter, Reader};
pub use self::registry::{ConnectorFactory, Registry};
pub use self::writer::{ContactDraft, ContactWriter, Counts, RowSink, RowWriter, StatusWriter};
use crate::error::{Error, ErrorKind, Result};
use crate::zone::Zone;

/// A configured connection to one external system. Travels as `Arc<dyn Connector>`.
///
/// # Contract
///
/// Methods may be called from several tasks at once. A read is cancelled by dropping its future; an implementer leaves
/// nothing behind that a later read could trip over. Whatever is handed out stays the same for the life of the value.
#[async_trait]
pub trait Connector: Debug + Send + Sync + 'static {
    /// Who this is.
    fn info(&self) -> ConnectorInfo;

    /// Looks whether the external system can be reached, and reports everything that is wrong.
    ///
    /// # Errors
    ///
    /// When the check itself could not be done; what the check found stands in the report.
    async fn check(&self, cx: &Context) -> Result<CheckReport>;

    /// The zone in which the system records, whose repeated and skipped hours no window cuts. UTC unless it says otherwise.
    fn zone(&self) -> Zone {
        Zone::utc()
    }

    /// How much may be asked of the system under these credentials. Without one it is asked as needed.
    fn budget(&self) -> Option<Budget> {
        None
    }

    /// Contact data by windows of time, if the system has it.
    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        None
    }

    /// Agent statuses by windows of time, if the system has them.
    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        None
    }

    /// Data that arrives on its own, if the system works that way.
    fn deliveries(&self) -> Option<Arc<dyn DeliverySource>> {
        None
    }

    /// What changed in either stream since a mark, if the system can say so.
    fn changes(&self, _stream: Stream) -> Option<Arc<dyn ChangeSource>> {
        None
    }

    /// What agents do now, if the system says so.
    fn live(&self) -> Option<Arc<dyn LiveSource>> {
        None
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Connector for Arc<dyn Connector> {
    fn info(&self) -> ConnectorInfo {
        (**self).info()
    }

    async fn check(&self, cx: &Context) -> Result<CheckReport> {
        (**self).check(cx).await
    }

    fn zone(&self) -> Zone {
        (**self).zone()
    }

    fn budget(&self) -> Option<Budget> {
        (**self).budget()
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        (**self).contacts()
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        (**self).statuses()
    }

    fn deliveries(&self) -> Option<Arc<dyn DeliverySource>> {
        (**self).deliveries()
    }

    fn changes(&self, stream: Stream) -> Option<Arc<dyn ChangeSource>> {
        (**self).changes(stream)
    }

    fn live(&self) -> Option<Arc<dyn LiveSource>> {
        (**self).live()
    }
}

/// Reads contacts or ready-made interval rows, one kind per integration.
///
/// # Contract
///
/// `read` writes every contact or row that *starts* in the window, exactly once, whatever the window; it reads as far
/// around it as it must. The engine may ask for any past window, again and in any order, but never for overlapping windows
/// at once. An error means that the read failed; nothing of it is kept.
#[async_trait]
pub trait ContactSource: Debug + Send + Sync + 'static {
    /// What the source can do and needs.
    fn limits(&self) -> Limits;

    /// Contacts, or interval rows with their length.
    fn form(&self) -> Form {
        Form::Contacts
    }

    /// Reads `window`.
    ///
    /// # Errors
    ///
    /// When the system could not be read; see [`ErrorKind`] for what the engine does about it.
    async fn read(&self, cx: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome>;
}

/// Reads agent statuses.
///
/// # Contract
///
/// As for [`ContactSource`]; besides, spans that began before the window and reach into it are welcome: they give an
/// earlier span its end.
#[async_trait]
pub trait StatusSource: Debug + Send + Sync + 'static {
    /// What the source can do and needs.
    fn limits(&self) -> Limits;

    /// Reads `window`.
    ///
    /// # Errors
    ///
    /// When the system could not be read.
    async fn read(&self, cx: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome>;
}

/// Hands over what arrives on its own: files in a folder.
///
/// # Contract
///
/// A delivery is named by its content, so that the same content has the same key wherever it lies. `scan` lists only what
/// is finished, oldest first. `read` writes the whole delivery and fails if it changed since it was listed.
#[async_trait]
pub trait DeliverySource: Debug + Send + Sync + 'static {
    /// What its deliveries hold.
    fn form(&self) -> Form;

    /// What has arrived and is finished, oldest first; known deliveries included.
    ///
    /// # Errors
    ///
    /// When the place cannot be looked through.
    async fn scan(&self, cx: &Context) -> Result<Vec<Delivery>>;

    /// The delivery that one file holds, wherever it lies.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    async fn file(&self, path: &Path) -> Result<Delivery>;

    /// Reads a delivery whole. One without a key is read as it is: nobody will ask for it again.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or cannot carry the data at all. Single bad rows are no error: they are rejected.
    async fn read(&self, cx: &Context, delivery: &Delivery, out: &mut RowWriter<'_>) -> Result<()>;

    /// Where a delivery may be cut so that up to `parts` threads [read](Self::read_part) it, in rising order. Each place is a guess: it
    /// holds if the part before it ends there. None where all of it must be read in order.
    ///
    /// # Errors
    ///
    /// When the delivery cannot be read.
    async fn cuts(&self, _cx: &Context, _delivery: &Delivery, _parts: usize) -> Result<Vec<u64>> {
        Ok(Vec::new())
    }

    /// Reads the rows that begin from one place to before another one, `u64::MAX` being the end; a row begins at the first place, or
    /// the delivery does. Rejected rows count their lines from there. Parts that follow each other give what a read of the whole
    /// gives.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    async fn read_part(
        &self,
        _cx: &Context,
        delivery: &Delivery,
        _part: Range<u64>,
        _out: &mut RowWriter<'_>,
    ) -> Result<PartEnd> {
        let message = "the source reads its deliveries as a whole";
        Err(Error::new(ErrorKind::Unsupported, message).with("delivery", &delivery.name))
    }
}

/// Where a part of a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartEnd {
    /// Where the next row begins.
    pub next: u64,
    /// How many lines the part had.
    pub lines: u64,
}

/// Something that arrived on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What names it: a checksum of its content.
    pub key: String,
    /// What it is called for people.
    pub name: String,
    /// A fingerprint of the settings under which it would be read.
    pub settings: String,
    /// Where it lies.
    pub location: std::path::PathBuf,
}

/// What a source delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Single contacts.
    Contacts,
    /// Rows that the source summed up.
    IntervalRows {
        /// The length of their intervals.
        length: IntervalLength,
        /// Where the source counts a contact.
        attribution: Attribution,
    },
    /// Status spans of agents.
    Statuses,
}

impl Form {
    /// The stream to which such facts belong.
    pub const fn stream(self) -> Stream {
        match self {
            Self::Contacts | Self::IntervalRows { .. } => Stream::Contacts,
            Self::Statuses => Stream::Statuses,
        }
    }
}

/// The two kinds of data of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Offered and handled contacts per queue.
    Contacts,
    /// Who did what from when to when.
    Statuses,
}

/// How a complete or truncated read ended. An error says that it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub(crate) is_truncated: bool,
    pub(crate) until: Option<Timestamp>,
}

impl Outcome {
    /// All of the window was read.
    pub const fn complete() -> Self {
        Self { is_truncated: false, until: None }
    }

    /// The window was read up to `until`: what lies behind is not in the system yet.
    pub const fn complete_until(until: Timestamp) -> Self {
        Self { is_truncated: false, until: Some(until) }
    }

    /// The system's row cap cut the answer, or may have: the window must be split.
    pub const fn truncated() -> Self {
        Self { is_truncated: true, until: None }
    }
}

/// What a source can do and needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest window that one read may ask for.
    pub longest_window: Option<Millis>,
    /// The smallest window worth asking for; one that is still truncated is a failure.
    pub smallest_window: Millis,
    /// How long after its start a fact may still be written or changed.
    pub writes_late: Millis,
    /// How far back the system keeps its data; without it, as far as anybody asks.
    pub keeps: Option<Millis>,
    /// How many permits of the [`Budget`] one read takes.
    pub permits: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    /// No longest window, a second as the smallest, nothing written late, everything kept, one permit a read.
    pub const fn new() -> Self {
        Self {
            longest_window: None,
            smallest_window: Millis::from_secs(1),
            writes_late: Millis::ZERO,
            keeps: None,
            permits: 1,
        }
    }

    /// The same with a longest window.
    #[must_use]
    pub const fn longest_window(mut self, longest: Millis) -> Self {
        self.longest_window = Some(longest);
        self
    }

    /// The same with a smallest window.
    #[must_use]
    pub const fn smallest_window(mut self, smallest: Millis) -> Self {
        self.smallest_window = smallest;
        self
    }

    /// The same for a source that writes so late.
    #[must_use]
    pub const fn writes_late(mut self, late: Millis) -> Self {
        self.writes_late = late;
        self
    }

    /// The same for a system that keeps its data so long.
    #[must_use]
    pub const fn keeps(mut self, keeps: Millis) -> Self {
        self.keeps = Some(keeps);
        self
    }

    /// The same with reads that take so many permits.
    #[must_use]
    pub const fn permits(mut self, permits: u32) -> Self {
        self.permits = permits;
        self
    }
}

/// Who a connector is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectorInfo {
    /// The kind, as configurations name it.
    pub kind: &'static str,
    /// The name for people.
    pub title: String,
}

impl ConnectorInfo {
    /// A connector of that kind.
    pub fn new(kind: &'static str, title: impl Into<String>) -> Self {
        Self { kind, title: title.into() }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// What was found in order, for people.
    pub notes: Vec<String>,
    /// Everything that is wrong, with what to do about it. Empty when the integration can run.
    pub problems: Vec<String>,
}

impl CheckReport {
    /// Nothing is wrong.
    pub fn ok() -> Self {
        Self::default()
    }

    /// The same with something that was found in order.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same with a problem.
    #[must_use]
    pub fn problem(mut self, problem: impl Into<String>) -> Self {
        self.problems.push(problem.into());
        self
    }
}
