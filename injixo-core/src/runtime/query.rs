//! Reading: facts from the store, everything else derived.

use std::collections::HashMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use injixo_model::{
    Attribution, Contact, Coverage, IntervalLength, IntervalRow, Measures, Millis, QueueKey, Span, Timestamp, Window,
};

use super::changes::Stretch;
use super::{Runtime, StatusNames};
use crate::aggregate::{AgentSpans, FOREVER, Interval, Series};
use crate::connector::Stream;
use crate::error::{Error, ErrorKind, Result};
use crate::facts::{Chunk, Corrupt, Fact, day_of};
use crate::import::{arrived, corrupt, timeline_within};
use crate::store::{
    ChunkRange, IntegrationRecord, IntegrationState, Layer, Store, StoredChunk, StreamId, Subject, SubjectKind,
    Transaction,
};
use crate::zone::{Grid, GridCursor, Zone};

/// What stands for an interval without a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fill {
    /// Nothing: missing is not zero.
    #[default]
    Empty,
    /// Zero where the source was asked for it, from a queue's first fact on.
    Zero,
}

/// A queue that a source named.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueInfo {
    /// What identifies it.
    pub key: QueueKey,
    /// What it is called now, where it has a name besides its identifier.
    pub name: Option<String>,
    /// Whether its integration still imports.
    pub is_active: bool,
    /// The length of its intervals where the source delivers ready-made rows.
    pub row_length: Option<IntervalLength>,
    /// When its first fact starts.
    pub first: Timestamp,
    /// When its last fact starts.
    pub last: Timestamp,
}

/// Which integration is meant: by name (the one that is not deleted, else the one deleted last), or by its number in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationRef(Meant);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Meant {
    Name(String),
    Id(u32),
}

impl From<&str> for IntegrationRef {
    fn from(name: &str) -> Self {
        Self(Meant::Name(name.to_owned()))
    }
}

impl From<&String> for IntegrationRef {
    fn from(name: &String) -> Self {
        Self(Meant::Name(name.clone()))
    }
}

impl From<u32> for IntegrationRef {
    fn from(id: u32) -> Self {
        Self(Meant::Id(id))
    }
}

/// The intervals of an integration; await it to get them.
#[derive(Debug, Clone)]
pub struct IntervalQuery {
    store: Arc<dyn Store>,
    integration: IntegrationRef,
    queue: Option<String>,
    window: Option<Window>,
    zone: Option<Zone>,
    length: Option<IntervalLength>,
    attribution: Attribution,
    fill: Fill,
}

impl IntervalQuery {
    pub(super) fn new(store: Arc<dyn Store>, integration: IntegrationRef) -> Self {
        Self {
            store,
            integration,
            queue: None,
            window: None,
            zone: None,
            length: None,
            attribution: Attribution::Started,
            fill: Fill::Empty,
        }
    }

    /// Only of queues with that identifier.
    #[must_use]
    pub fn queue(mut self, id: &str) -> Self {
        self.queue = Some(id.to_owned());
        self
    }

    /// Only intervals that start in `window`.
    #[must_use]
    pub fn window(mut self, window: Window) -> Self {
        self.window = Some(window);
        self
    }

    /// Only intervals of a local day (`2024-03-31`) of `zone`, on whose wall clock they lie.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for an unknown zone or a day that does not exist there.
    pub fn day(mut self, day: &str, zone: &str) -> Result<Self> {
        let zone = Zone::new(zone)?;
        let no_day = || {
            let message = format!("{day:?} is no day in {zone}: expected one like 2024-03-31");
            Error::new(ErrorKind::ConfigInvalid, message)
        };
        let date: chrono::NaiveDate = day.parse().map_err(|_| no_day())?;
        let number =
            i32::try_from(date.signed_duration_since(chrono::NaiveDate::default()).num_days()).map_err(|_| no_day())?;
        self.window = Some(zone.day_window(number).ok_or_else(no_day)?);
        self.zone = Some(zone);
        Ok(self)
    }

    /// On the wall clock of `zone` instead of that of the source.
    #[must_use]
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = Some(zone);
        self
    }

    /// In intervals of `length`; without it in quarter hours, or in the length of the ready-made rows of a queue.
    #[must_use]
    pub fn every(mut self, length: IntervalLength) -> Self {
        self.length = Some(length);
        self
    }

    /// With contacts counting as `attribution` says; ready-made rows stay as delivered.
    #[must_use]
    pub fn attribution(mut self, attribution: Attribution) -> Self {
        self.attribution = attribution;
        self
    }

    /// With intervals that have no fact filled or left out.
    #[must_use]
    pub fn fill(mut self, fill: Fill) -> Self {
        self.fill = fill;
        self
    }

    /// Reads queue by queue, for results that need not fit into memory together.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; whatever the store reports.
    pub async fn open(self) -> Result<IntervalReader> {
        let mut transaction = self.store.read().await?;
        let integration = meant(&mut *transaction, &self.integration).await?;
        let zone = match &self.zone {
            Some(zone) => zone.clone(),
            None => Zone::new(&integration.zone)?,
        };
        let mut queues = transaction.subjects(integration.id, SubjectKind::Queue).await?;
        queues.retain(|queue| self.queue.as_ref().is_none_or(|wanted| *wanted == queue.external));
        queues.sort_by(|a, b| (&b.external, b.channel.as_str()).cmp(&(&a.external, a.channel.as_str())));
        Ok(IntervalReader {
            query: self,
            integration: integration.id,
            zone,
            transaction,
            queues,
            ahead: HashMap::new(),
        })
    }
}

impl IntoFuture for IntervalQuery {
    type Output = Result<Vec<Interval>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut reader = self.open().await?;
            let mut all = Vec::new();
            while let Some(intervals) = reader.next().await? {
                all.extend(intervals);
            }
            Ok(all)
        })
    }
}

/// Intervals queue by queue, sorted by identifier and channel.
#[derive(Debug)]
pub struct IntervalReader {
    query: IntervalQuery,
    integration: u32,
    zone: Zone,
    transaction: Box<dyn Transaction>,
    /// Those that are still to be read, the next one last.
    queues: Vec<Subject>,
    /// The chunks of the next queues, where they are few.
    ahead: HashMap<u32, Vec<StoredChunk>>,
}

impl IntervalReader {
    /// The intervals of the next queue, sorted by start; `None` after the last queue.
    ///
    /// # Errors
    ///
    /// `Unsupported` when ready-made rows are longer than the intervals asked for; whatever the store reports.
    pub async fn next(&mut self) -> Result<Option<Vec<Interval>>> {
        let Some(queue) = self.queues.pop() else { return Ok(None) };
        let key = QueueKey::new(queue.external.clone(), queue.channel);
        let own = row_length(&queue);
        let length = self.query.length.or(own).unwrap_or(IntervalLength::MINUTES_15);
        if let Some(own) = own.filter(|own| !length.is_multiple_of(*own)) {
            let message =
                format!("intervals of {length} cannot be made from ready-made rows of {own}: ask for a multiple");
            return Err(Error::new(ErrorKind::Unsupported, message).with("queue", &key.id));
        }
        let grid = Grid::new(&self.zone, length);
        let mut cells = self.cells(&queue, &grid).await.map_err(|error| error.with("queue", &key.id))?;
        if self.query.fill == Fill::Zero {
            cells = self.filled(&queue, &grid, cells).await?;
        }
        if let Some(window) = self.query.window {
            cells.retain(|cell| window.contains(cell.0));
        }
        let mut cursor = grid.cursor();
        let interval = |(start, measures): (Timestamp, Measures)| Interval {
            queue: key.clone(),
            start,
            end: cursor.interval(start).to(),
            measures,
        };
        Ok(Some(cells.into_iter().map(interval).collect()))
    }

    async fn cells(&mut self, queue: &Subject, grid: &Grid) -> Result<Vec<(Timestamp, Measures)>> {
        let mut series = Series::new();
        let mut cursor = grid.cursor();
        let (first, last) = self.days(queue, grid);
        let mut from = first;
        while from <= last {
            let to = from.saturating_add(DAYS_AT_ONCE - 1).min(last);
            let stored = self.stored(queue, from, to).await?;
            if queue.row_minutes == 0 {
                for contact in contacts(&mut *self.transaction, stored, queue.id, from, to).await? {
                    series.add_contact(&contact, self.query.attribution, &mut cursor);
                }
            } else {
                let rows: Vec<IntervalRow> = facts_of(stored)?;
                if (from, to) == (first, last) && is_of_grid(&rows, &mut cursor) {
                    return Ok(rows.into_iter().map(|row| (row.start, row.measures)).collect());
                }
                for row in rows {
                    series.add_interval(&row, &mut cursor)?;
                }
            }
            from = to + 1;
        }
        Ok(series.finish())
    }

    /// The chunks of a queue on some days; where there are few, those of the next queues are read with them.
    async fn stored(&mut self, queue: &Subject, from: i32, to: i32) -> Result<Vec<StoredChunk>> {
        if let Some(stored) = self.ahead.remove(&queue.id) {
            return Ok(stored);
        }
        let ranges = |queue: &Subject, from, to| {
            let layers =
                if queue.row_minutes == 0 { [Layer::History, Layer::Sums].as_slice() } else { &[Layer::History] };
            let subject = queue.id;
            layers.iter().map(move |layer| ChunkRange { subject, layer: *layer, from, to })
        };
        let mut asked: Vec<ChunkRange> = ranges(queue, from, to).collect();
        let mut days = to - from + 1;
        for next in self.queues.iter().rev() {
            let length = self.query.length.or(row_length(next)).unwrap_or(IntervalLength::MINUTES_15);
            let (from, to) = self.days(next, &Grid::new(&self.zone, length));
            days = days.saturating_add(to.saturating_sub(from).max(-1)).saturating_add(1);
            if days > DAYS_AT_ONCE {
                break;
            }
            asked.extend(ranges(next, from, to));
            self.ahead.insert(next.id, Vec::new());
        }
        let mut own = Vec::new();
        for chunk in self.transaction.chunks(&asked).await? {
            match self.ahead.get_mut(&chunk.subject) {
                Some(ahead) => ahead.push(chunk),
                None => own.push(chunk),
            }
        }
        Ok(own)
    }

    /// The days whose facts may count in intervals that start in the window.
    fn days(&self, queue: &Subject, grid: &Grid) -> (i32, i32) {
        let whole = (day_of(queue.first), day_of(queue.last));
        let Some(window) = self.query.window else { return whole };
        // A contact that counts where it ended, or is spread, may have started up to two years before: 366 days of wait
        // and as many of handling.
        let back = if self.query.attribution == Attribution::Started || queue.row_minutes > 0 { 0 } else { 732 };
        let last = grid.interval(window.to().before(Millis::new(1))).to().before(Millis::new(1));
        (whole.0.max(day_of(window.from()) - back), whole.1.min(day_of(last)))
    }

    async fn filled(
        &mut self,
        queue: &Subject,
        grid: &Grid,
        cells: Vec<(Timestamp, Measures)>,
    ) -> Result<Vec<(Timestamp, Measures)>> {
        let Ok(wanted) = Window::new(grid.floor(queue.first), self.query.window.map_or(Timestamp::MAX, Window::to))
        else {
            return Ok(cells);
        };
        let stream = StreamId { integration: self.integration, stream: Stream::Contacts };
        let covered = self.transaction.coverage(stream, Some(queue.id), wanted).await?;
        let covered: Coverage = covered.into_iter().filter_map(|held| held.window.intersection(wanted)).collect();
        let mut filled = Vec::with_capacity(cells.len());
        let mut cells = cells.into_iter().peekable();
        let mut cursor = grid.cursor();
        let mut next = Timestamp::MIN;
        for window in covered.windows() {
            let mut at = cursor.floor(window.from()).max(next);
            while at < window.to() {
                while let Some(cell) = cells.next_if(|cell| cell.0 < at) {
                    filled.push(cell);
                }
                filled.push(cells.next_if(|cell| cell.0 == at).unwrap_or_else(|| (at, Measures::default())));
                at = cursor.interval(at).to();
            }
            next = at;
        }
        filled.extend(cells);
        Ok(filled)
    }
}

const DAYS_AT_ONCE: i32 = 512;

/// The facts of one subject on some days, sorted by start.
async fn facts<F: Fact>(transaction: &mut dyn Transaction, range: ChunkRange) -> Result<Vec<F>> {
    facts_of(transaction.chunks(&[range]).await?)
}

fn facts_of<F: Fact>(stored: Vec<StoredChunk>) -> Result<Vec<F>> {
    let mut all = Vec::new();
    for stored in stored {
        let chunk =
            Chunk::<F>::decode(stored.day, &stored.bytes).map_err(|Corrupt| corrupt(stored.subject, stored.day))?;
        all.append(&mut chunk.into_facts());
    }
    Ok(all)
}

/// Whether each row is an interval by itself.
fn is_of_grid(rows: &[IntervalRow], cursor: &mut GridCursor) -> bool {
    let is_whole = |row: &IntervalRow| {
        let interval = cursor.interval(row.start);
        interval.from() == row.start && row.end() <= interval.to()
    };
    rows.iter().all(is_whole) && rows.windows(2).all(|two| two[0].start < two[1].start)
}

/// The contacts of one queue on some days, in no order.
async fn contacts(
    transaction: &mut dyn Transaction,
    stored: Vec<StoredChunk>,
    queue: u32,
    from: i32,
    to: i32,
) -> Result<Vec<Contact>> {
    let (sums, whole): (Vec<_>, Vec<_>) = stored.into_iter().partition(|chunk| chunk.layer == Layer::Sums);
    let mut all = facts_of(whole)?;
    if !sums.is_empty() {
        all.extend(arrived(transaction, queue, from, to).await?);
    }
    Ok(all)
}

/// The agent statuses of an integration; await it to get every agent with what the source said.
#[derive(Debug, Clone)]
pub struct StatusQuery {
    store: Arc<dyn Store>,
    integration: IntegrationRef,
    agent: Option<String>,
}

impl StatusQuery {
    pub(super) fn new(store: Arc<dyn Store>, integration: IntegrationRef) -> Self {
        Self { store, integration, agent: None }
    }

    /// Only of that external agent.
    #[must_use]
    pub fn agent(mut self, id: &str) -> Self {
        self.agent = Some(id.to_owned());
        self
    }

    async fn run(self) -> Result<(Vec<AgentSpans>, StatusNames)> {
        let mut transaction = self.store.read().await?;
        let integration = meant(&mut *transaction, &self.integration).await?.id;
        let statuses = transaction.subjects(integration, SubjectKind::Status).await?;
        let mut agents = transaction.subjects(integration, SubjectKind::Agent).await?;
        agents.retain(|agent| self.agent.as_ref().is_none_or(|wanted| *wanted == agent.external));
        agents.sort_by(|a, b| a.external.cmp(&b.external));
        let mut all = Vec::with_capacity(agents.len());
        for agent in agents {
            let range = ChunkRange {
                subject: agent.id,
                layer: Layer::History,
                from: day_of(agent.first),
                to: day_of(agent.last),
            };
            let spans: Vec<Span> = facts(&mut *transaction, range).await?;
            all.push(AgentSpans { agent: agent.external, spans });
        }
        Ok((all, statuses.into_iter().map(|status| (status.id, status.external)).collect()))
    }
}

impl IntoFuture for StatusQuery {
    /// The agents sorted by name with their spans, and the names of the statuses that the spans refer to.
    type Output = Result<(Vec<AgentSpans>, StatusNames)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The timeline of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentTimeline {
    /// The external agent.
    pub agent: String,
    /// What the agent did, without overlaps; the last stretch has no end while that is not known.
    pub stretches: Vec<Stretch>,
}

/// The timelines of the agents of an integration, made from history and live data; await it to get them sorted by agent.
#[derive(Debug, Clone)]
pub struct TimelineQuery {
    runtime: Runtime,
    integration: IntegrationRef,
    agent: Option<String>,
    window: Option<Window>,
}

impl TimelineQuery {
    /// Only of that external agent.
    #[must_use]
    pub fn agent(mut self, id: &str) -> Self {
        self.agent = Some(id.to_owned());
        self
    }

    /// Only what lies in `window`, cut at its edges.
    #[must_use]
    pub fn window(mut self, window: Window) -> Self {
        self.window = Some(window);
        self
    }

    async fn run(self) -> Result<Vec<AgentTimeline>> {
        let mut transaction = self.runtime.store.read().await?;
        let integration = meant(&mut *transaction, &self.integration).await?.id;
        let statuses = transaction.subjects(integration, SubjectKind::Status).await?.into_iter();
        let names: StatusNames = statuses.map(|status| (status.id, status.external)).collect();
        let mut agents = transaction.subjects(integration, SubjectKind::Agent).await?;
        agents.retain(|agent| self.agent.as_ref().is_none_or(|wanted| *wanted == agent.external));
        agents.sort_by(|a, b| a.external.cmp(&b.external));
        let mut timelines = Vec::with_capacity(agents.len());
        for agent in agents {
            let (from, to) = self.window.map_or((agent.first, FOREVER), |window| (window.from(), window.to()));
            let pieces = timeline_within(&mut *transaction, &agent, from, to).await?;
            let stretch = |piece: Span| Stretch {
                from: piece.start,
                to: piece.end,
                status: names.get(&piece.status).cloned().unwrap_or_default(),
            };
            timelines
                .push(AgentTimeline { agent: agent.external, stretches: pieces.into_iter().map(stretch).collect() });
        }
        Ok(timelines)
    }
}

impl IntoFuture for TimelineQuery {
    type Output = Result<Vec<AgentTimeline>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl Runtime {
    /// The intervals of an integration, to be narrowed down and awaited.
    pub fn intervals(&self, integration: impl Into<IntegrationRef>) -> IntervalQuery {
        IntervalQuery::new(Arc::clone(&self.store), integration.into())
    }

    /// What the source said of each agent, to be narrowed down and awaited.
    pub fn statuses(&self, integration: impl Into<IntegrationRef>) -> StatusQuery {
        StatusQuery::new(Arc::clone(&self.store), integration.into())
    }

    /// The timelines of an integration's agents, to be narrowed down and awaited.
    pub fn timelines(&self, integration: impl Into<IntegrationRef>) -> TimelineQuery {
        TimelineQuery { runtime: self.clone(), integration: integration.into(), agent: None, window: None }
    }

    /// The queues of an integration, sorted by name and channel.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; whatever the store reports.
    pub async fn queues(&self, integration: impl Into<IntegrationRef> + Send) -> Result<Vec<QueueInfo>> {
        queues(&*self.store, &integration.into()).await
    }
}

/// The integration that is meant.
pub(crate) async fn meant(transaction: &mut dyn Transaction, wanted: &IntegrationRef) -> Result<IntegrationRecord> {
    match &wanted.0 {
        Meant::Name(name) => integration(transaction, name).await,
        Meant::Id(id) => transaction.integration_by_id(*id).await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no integration with the number {id} in this store"))
        }),
    }
}

pub(super) async fn integration(transaction: &mut dyn Transaction, name: &str) -> Result<IntegrationRecord> {
    transaction
        .integration(name)
        .await?
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no integration named {name:?}: add it first")))
}

async fn queues(store: &dyn Store, wanted: &IntegrationRef) -> Result<Vec<QueueInfo>> {
    let mut transaction = store.read().await?;
    let integration = meant(&mut *transaction, wanted).await?;
    let queues = transaction.subjects(integration.id, SubjectKind::Queue).await?.into_iter();
    let is_active = integration.state != IntegrationState::Deleted;
    let mut queues: Vec<QueueInfo> = queues
        .map(|queue| QueueInfo {
            row_length: row_length(&queue),
            name: queue.names.last().map(|(_, name)| name.clone()),
            is_active,
            first: queue.first,
            last: queue.last,
            key: QueueKey::new(queue.external, queue.channel),
        })
        .collect();
    queues.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(queues)
}

fn row_length(queue: &Subject) -> Option<IntervalLength> {
    IntervalLength::from_minutes(queue.row_minutes).ok()
}
