//! What a sender says, part by part.
//!
//! Parts follow one another in cycles. A cycle begins with one look at the store: how far its feed is, and what of the coverage
//! changed since the last cycle. Then the facts are stated up to that revision, and the coverage comes last. So the receiver never
//! holds coverage without the facts that it speaks of. The facts of a day are stated as they are when the part is made; if they
//! change later, they are stated again.

use std::collections::{BTreeMap, HashMap};

use injixo_model::{Contact, IntervalRow, Millis, Span, Timestamp, Window};
use tokio::sync::watch;

use super::place::{Place, random};
use super::token;
use super::walk::{Bound, Facts, Known, Named, Step, follow, state_all};
use super::wire::{
    AgentDay, AgentOf, AsRow, Body, CoveredOf, QueueDay, QueueOf, SideOf, StatusOf, VERSION, Whole, Wire,
};
use crate::connector::Stream;
use crate::derive::NO_STATUS;
use crate::error::{Error, ErrorKind, Result};
use crate::facts::{Chunk, Day, Fact, day_start};
use crate::runtime::Runtime;
use crate::store::{Covered, IntegrationRecord, StreamId, Subject, SubjectKind, Transaction};

/// What one store tells another of an integration; made by [`Runtime::outgoing`].
///
/// ```
/// # use injixo_core::{MemoryStore, Runtime, Result};
/// # async fn send(part: &injixo_core::exchange::Part) -> Result<()> { Ok(()) }
/// # async fn example(runtime: Runtime, position: String) -> Result<()> {
/// let mut outgoing = runtime.outgoing("Our ACD", &position, false).await?; // the position comes from the receiver
/// loop {
///     let part = outgoing.next().await?; // waits until there is anything to say
///     send(&part).await?;
///     outgoing.taken();
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Outgoing {
    runtime: Runtime,
    integration: u32,
    identity: String,
    /// What the receiver said it has got.
    after: String,
    committed: watch::Receiver<u64>,
    place: Place,
    begins: bool,
    bound: Bound,
    cycle: Option<Cycle>,
    /// What becomes of this when the part under way was taken.
    next: Option<Box<Next>>,
}

#[derive(Debug)]
struct Next {
    after: String,
    place: Place,
    cycle: Option<Cycle>,
}

/// What a cycle is to bring.
#[derive(Debug, Clone)]
struct Cycle {
    revision: u64,
    import: u64,
    joined: u64,
    covered: Vec<(Stream, Covered)>,
}

/// One part, to be sent as it is until it was taken.
#[derive(Clone)]
pub struct Part {
    /// The part as JSON.
    pub body: Vec<u8>,
    /// Up to which revision of the change feed the facts are stated.
    pub revision: u64,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("revision", &self.revision).field("bytes", &self.body.len()).finish()
    }
}

/// How many stretches of coverage a part holds.
const STRETCHES: usize = 4_000;

/// How long it may take until what another process committed is seen.
pub(super) const LOOK: Millis = Millis::from_secs(1);

impl Outgoing {
    pub(super) fn new(
        runtime: &Runtime,
        integration: u32,
        identity: String,
        after: String,
        place: Option<Place>,
    ) -> Self {
        Self {
            runtime: runtime.clone(),
            integration,
            identity,
            after,
            committed: runtime.commits(),
            begins: place.is_none(),
            place: place.unwrap_or_default(),
            bound: Bound { bytes: 1 << 20, days: 2_000 },
            cycle: None,
            next: None,
        }
    }

    /// The same in parts of about so many bytes, of one day of a queue or agent at least; a mebibyte unless set.
    #[must_use]
    pub fn most_bytes(mut self, bytes: usize) -> Self {
        self.bound.bytes = bytes.max(1);
        self
    }

    /// The part under way was taken: the next one follows on.
    pub fn taken(&mut self) {
        if let Some(next) = self.next.take() {
            (self.after, self.place, self.cycle) = (next.after, next.place, next.cycle);
            self.begins = false;
        }
    }

    /// The next part; waits until there is anything to say. Without [`taken`](Self::taken) it takes the place of the one before.
    ///
    /// # Errors
    ///
    /// Whatever the store reports; calling it again goes on where it was.
    pub async fn next(&mut self) -> Result<Part> {
        loop {
            self.committed.borrow_and_update();
            if let Some(part) = self.try_next().await? {
                return Ok(part);
            }
            let clock = self.runtime.its_clock();
            let look = clock.sleep_until(clock.now().after(LOOK));
            tokio::select! {
                biased;
                // The sender lives as long as the runtime, which is held here.
                _ = self.committed.changed() => {}
                () = look => {}
            }
        }
    }

    /// The next part, if there is anything to say by now.
    ///
    /// # Errors
    ///
    /// As for [`next`](Self::next).
    pub async fn try_next(&mut self) -> Result<Option<Part>> {
        let mut transaction = self.runtime.store().read().await?;
        self.part(&mut *transaction).await
    }

    async fn part(&mut self, transaction: &mut dyn Transaction) -> Result<Option<Part>> {
        let record = transaction.integration_by_id(self.integration).await?;
        let record = record.ok_or_else(|| Error::new(ErrorKind::NotFound, "the integration is not in the store"))?;
        let mut place = match self.begins {
            true => Place::begin(transaction).await?,
            false => self.place.clone(),
        };
        if self.begins {
            self.cycle = None;
        }
        let mut cycle = match self.cycle.clone() {
            Some(cycle) => cycle,
            None => self.look(transaction, &place).await?,
        };
        let known = Known::load(transaction, self.integration).await?;
        let mut step = Step::default();
        if place.stating.is_some() {
            step = state_all(transaction, &known, &mut place, self.bound).await?;
        } else if place.revision < cycle.revision {
            let until = cycle.revision;
            step = follow(transaction, &known, self.integration, &mut place, until, self.bound).await?;
        }
        let is_there = place.stating.is_none() && place.revision >= cycle.revision;
        let mut covered = Vec::new();
        if is_there {
            covered = cycle.covered.split_off(cycle.covered.len().saturating_sub(STRETCHES));
        }
        let is_done = is_there && cycle.covered.is_empty();
        if is_done {
            (place.import, place.joined) = (cycle.import, cycle.joined);
        }
        if step.subjects.is_empty() && step.whole.is_none() && covered.is_empty() {
            // Nothing that concerns this integration happened: there is no need to tell that.
            self.place = place;
            self.cycle = if is_done { None } else { Some(cycle) };
            return Ok(None);
        }
        place.told += u64::from(!covered.is_empty());
        let reached = place.text();
        let revision = place.revision;
        let body = self.body(transaction, &record, &known, step, &covered, reached.clone()).await?;
        let body = serde_json::to_vec(&body)
            .map_err(|error| Error::new(ErrorKind::Unexpected, "not expressible in JSON").caused_by(error))?;
        let after = token(&self.identity, &reached);
        self.next = Some(Box::new(Next { after, place, cycle: (!is_done).then_some(cycle) }));
        Ok(Some(Part { body, revision }))
    }

    /// Begins a cycle: how far the feed is now, and which coverage may have changed.
    async fn look(&self, transaction: &mut dyn Transaction, place: &Place) -> Result<Cycle> {
        let revision = transaction.last_revision().await?;
        let (mut import, mut joined) = (place.import, place.joined);
        let mut covered = Vec::new();
        let since = transaction.imported_since(self.integration, place.import).await?;
        let joins = read_joined(transaction, self.integration).await?;
        for stream in [Stream::Contacts, Stream::Statuses] {
            let id = StreamId { integration: self.integration, stream };
            let mut window = None;
            if let Some(since) = since.iter().find(|since| since.stream == id) {
                (import, window) = (import.max(since.last), since.window);
            }
            if let Some((times, joined_in)) = joins.filter(|(times, _)| *times > place.joined) {
                joined = times;
                window = hull([window, Some(joined_in)].into_iter().flatten());
            }
            if self.begins {
                window = Window::new(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)).ok();
            }
            if let Some(window) = window {
                let held = transaction.coverage_of_all(id, window).await?;
                covered.extend(held.into_iter().map(|held| (stream, held)));
            }
        }
        Ok(Cycle { revision, import, joined, covered })
    }

    async fn body(
        &self,
        transaction: &mut dyn Transaction,
        record: &IntegrationRecord,
        known: &Known,
        mut step: Step,
        covered: &[(Stream, Covered)],
        reached: String,
    ) -> Result<Body> {
        step.subjects.extend(step.days.keys().map(|named| named.subject));
        step.subjects.extend(covered.iter().filter_map(|(_, covered)| covered.subject));
        let mut days: BTreeMap<u32, Vec<(Named, Option<Facts>)>> = BTreeMap::new();
        for (named, facts) in step.days {
            days.entry(named.subject).or_default().push((named, facts));
        }
        let mut statuses = Statuses::default();
        let (mut queues, mut agents, mut places) = (Vec::new(), Vec::new(), HashMap::new());
        for subject in step.subjects.iter().filter_map(|id| known.by_id.get(id)) {
            let days = days.remove(&subject.id).unwrap_or_default();
            if subject.kind == SubjectKind::Queue {
                places.insert(subject.id, queues.len());
                queues.push(queue(subject, days));
            } else {
                places.insert(subject.id, agents.len());
                agents.push(agent(subject, days, &mut statuses));
            }
        }
        Ok(Body {
            version: VERSION,
            sender: self.identity.clone(),
            after: self.after.clone(),
            reached,
            begins: self.begins,
            whole: step.whole.map(|(after, upto)| Whole { after, upto }),
            statuses: statuses.named(transaction, record.id).await?,
            queues,
            agents,
            coverage: coverage(covered, &places),
        })
    }
}

/// What the statuses of a part are called.
#[derive(Default)]
struct Statuses {
    places: HashMap<u32, u32>,
    ids: Vec<u32>,
}

impl Statuses {
    /// The place of a status, plus one; zero for none.
    fn place(&mut self, status: u32) -> u32 {
        if status == NO_STATUS {
            return 0;
        }
        let next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX) + 1;
        *self.places.entry(status).or_insert_with(|| {
            self.ids.push(status);
            next
        })
    }

    async fn named(&self, transaction: &mut dyn Transaction, integration: u32) -> Result<Vec<StatusOf>> {
        if self.ids.is_empty() {
            return Ok(Vec::new());
        }
        let known = transaction.subjects(integration, SubjectKind::Status).await?;
        let known: BTreeMap<u32, Subject> = known.into_iter().map(|status| (status.id, status)).collect();
        let named = |id: &u32| {
            let held = known.get(id).ok_or_else(|| {
                let message = "the store names a status that is not in it: restore it from a backup";
                Error::new(ErrorKind::DataInvalid, message).with("status", id)
            })?;
            Ok(StatusOf { id: held.external.clone(), first: held.first.millis(), last: held.last.millis() })
        };
        self.ids.iter().map(named).collect()
    }
}

fn queue(queue: &Subject, days: Vec<(Named, Option<Facts>)>) -> QueueOf {
    let day = |(named, facts): (Named, Option<Facts>)| {
        let day = named.day;
        let mut stated = QueueDay { day, contacts: Vec::new(), rows: Vec::new(), sides: Vec::new(), reach: Vec::new() };
        match facts {
            Some(Facts::Contacts(chunk)) => {
                (stated.contacts, stated.sides, stated.reach) = chunk_rows(day, &chunk, |fact| fact);
            }
            Some(Facts::Rows(chunk)) => stated.rows = rows(day, &chunk.facts(), |fact| fact),
            Some(Facts::Spans(_)) | None => {}
        }
        stated
    };
    QueueOf {
        id: queue.external.clone(),
        channel: queue.channel,
        row_minutes: queue.row_minutes,
        first: queue.first.millis(),
        last: queue.last.millis(),
        names: queue.names.iter().map(|(from, name)| (from.millis(), name.clone())).collect(),
        days: days.into_iter().map(day).collect(),
    }
}

fn agent(agent: &Subject, days: Vec<(Named, Option<Facts>)>, statuses: &mut Statuses) -> AgentOf {
    let mut stated_days = Vec::new();
    for (named, facts) in days {
        let day = named.day;
        let mut stated = AgentDay { day, live: named.live, spans: Vec::new(), sides: Vec::new(), reach: Vec::new() };
        if let Some(Facts::Spans(chunk)) = facts {
            (stated.spans, stated.sides, stated.reach) =
                chunk_rows(day, &chunk, |span: Span| Span { status: statuses.place(span.status), ..span });
        }
        stated_days.push(stated);
    }
    AgentOf {
        id: agent.external.clone(),
        first: agent.first.millis(),
        last: agent.last.millis(),
        longest: agent.longest.get(),
        days: stated_days,
    }
}

type Rows<F> = (Vec<Wire<F>>, Vec<SideOf<F>>, Vec<(i64, i64)>);

fn chunk_rows<F: Fact + Shifted>(day: Day, chunk: &Chunk<F>, mut name: impl FnMut(F) -> F) -> Rows<F> {
    let begin = day_start(day).millis();
    let settled = rows(day, chunk.settled(), &mut name);
    let sides = chunk.sides().map(|(at, side, facts)| SideOf {
        at: at.millis() - begin,
        side,
        facts: rows(day, facts, &mut name),
    });
    let sides = sides.collect();
    let reach = chunk.reach().windows().iter();
    (settled, sides, reach.map(|window| (window.from().millis() - begin, window.to().millis() - begin)).collect())
}

fn rows<F: Fact + Shifted>(day: Day, facts: &[F], mut name: impl FnMut(F) -> F) -> Vec<Wire<F>> {
    let begin = day_start(day).millis();
    facts.iter().map(|fact| Wire(name(*fact).shifted(-begin))).collect()
}

/// A fact whose times can be counted from another instant.
pub(super) trait Shifted: AsRow {
    fn shifted(self, by: i64) -> Self;
}

fn later(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_add(by))
}

impl Shifted for Contact {
    fn shifted(self, by: i64) -> Self {
        Self { start: later(self.start, by), ..self }
    }
}

impl Shifted for IntervalRow {
    fn shifted(self, by: i64) -> Self {
        Self { start: later(self.start, by), ..self }
    }
}

impl Shifted for Span {
    fn shifted(self, by: i64) -> Self {
        Self { start: later(self.start, by), end: self.end.map(|end| later(end, by)), ..self }
    }
}

fn coverage(covered: &[(Stream, Covered)], places: &HashMap<u32, usize>) -> Vec<CoveredOf> {
    let mut stated: Vec<CoveredOf> = Vec::new();
    for (stream, Covered { subject, window, read_at }) in covered {
        let of = subject.and_then(|subject| places.get(&subject).copied());
        if subject.is_some() && of.is_none() {
            continue;
        }
        let window = (window.from().millis(), window.to().millis(), read_at.millis());
        match stated.last_mut().filter(|last| last.stream == *stream && last.of == of) {
            Some(last) => last.windows.push(window),
            None => stated.push(CoveredOf { stream: *stream, of, windows: vec![window] }),
        }
    }
    stated
}

fn hull(windows: impl Iterator<Item = Window>) -> Option<Window> {
    windows.reduce(|a, b| Window::new(a.from().min(b.from()), a.to().max(b.to())).unwrap_or(a))
}

/// How often coverage of an integration was joined, and from where to where.
async fn read_joined(transaction: &mut dyn Transaction, integration: u32) -> Result<Option<(u64, Window)>> {
    let held = transaction.memo(&joined_name(integration)).await?;
    let held: Option<(u64, i64, i64)> = held.and_then(|held| serde_json::from_slice(&held).ok());
    Ok(held.and_then(|(times, from, to)| {
        let window = Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).ok()?;
        Some((times, window))
    }))
}

/// Notes that stretches of coverage were joined, which no import tells of; the integration is locked.
pub(crate) async fn note_joined(transaction: &mut dyn Transaction, integration: u32, joined: &[Covered]) -> Result<()> {
    let before = read_joined(transaction, integration).await?;
    let times = before.map_or(1, |before| before.0 + 1);
    let Some(window) = hull(joined.iter().map(|held| held.window).chain(before.map(|before| before.1))) else {
        return Ok(());
    };
    let held = serde_json::to_vec(&(times, window.from().millis(), window.to().millis())).unwrap_or_default();
    transaction.put_memos(&[(joined_name(integration), Some(held))]).await
}

fn joined_name(integration: u32) -> String {
    format!("coverage of {integration} joined")
}

/// What tells this store from all others, made when it is first asked for; `transaction` writes.
pub(super) async fn identity(transaction: &mut dyn Transaction) -> Result<String> {
    const NAME: &str = "identity of the store";
    if let Some(held) = transaction.lock_credential(NAME).await? {
        return Ok(held);
    }
    let new = random()?;
    transaction.put_credential(NAME, &new).await?;
    Ok(new)
}
