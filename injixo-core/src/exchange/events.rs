//! What a system is told that takes single contacts and statuses and nothing else.
//!
//! Such a system cannot be asked what it holds, so the sender remembers it: what was sent is kept beside the facts of each day
//! ([`Layer::Sent`]), how far the feed was followed under a name, and the request that is under way, byte for byte, until it was
//! taken. All of that changes in one transaction with each other, before the request is sent: after a crash the same request
//! is sent again under the same key.
//!
//! A day that changed is compared with what was sent of it. What is new is sent, and so are the ends of statuses. What cannot
//! be told, because it was sent and is not so any more or because a single contact has no words for it, is held back: counted,
//! and listed by day.

use std::collections::{BTreeMap, BTreeSet};

use injixo_model::{Contact, IntervalRow, QueueKey, Span, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::compare::{Status, compare_contacts, compare_statuses};
use super::place::{Place, random};
use super::walk::{Bound, Facts, Known, Named, follow, load, state_all};
use crate::aggregate::{FOREVER, with_ends};
use crate::connector::Stream;
use crate::derive::NO_STATUS;
use crate::error::{Error, ErrorKind, Result};
use crate::facts::{Chunk, Corrupt, Day, Fact, day_start};
use crate::import::corrupt;
use crate::runtime::Runtime;
use crate::store::{ChunkRange, Layer, StoredChunk, Subject, SubjectKind, Transaction};

/// A contact that a single event can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContactEvent {
    /// The queue.
    pub queue: QueueKey,
    /// What the queue was called then.
    pub name: String,
    /// The contact: offered and handled are 0 or 1, and its duration is known.
    pub contact: Contact,
}

/// A status that a single event can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusEvent {
    /// The external agent.
    pub agent: String,
    /// The external status.
    pub status: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended, if it has.
    pub end: Option<Timestamp>,
}

/// What one request tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventRows {
    /// Contacts.
    Contacts(Vec<ContactEvent>),
    /// Statuses.
    Statuses(Vec<StatusEvent>),
}

/// A request that is under way until it was taken.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventRequest {
    /// What it tells of.
    pub stream: Stream,
    /// What names it: the same whenever it is sent.
    pub key: String,
    /// Its body.
    pub body: Vec<u8>,
    /// How many rows it has.
    pub rows: u64,
}

impl std::fmt::Debug for EventRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventRequest").field("key", &self.key).field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// A row that a system did not take, by its place in the request, and why.
pub type RefusedRow = (u64, String);

/// What could not be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HeldBack {
    /// Contacts.
    pub contacts: u64,
    /// Ready-made interval rows.
    pub rows: u64,
    /// Agent statuses.
    pub statuses: u64,
    /// Rows that were sent and that the system refused.
    pub refused: u64,
    /// Some of them, as many as were asked for, sorted by queue or agent and day.
    pub items: Vec<HeldItem>,
}

/// Something that could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldItem {
    /// The queue or agent.
    pub of: String,
    /// When it starts; for interval rows the day.
    pub start: Timestamp,
    /// What it is.
    pub what: String,
    /// Why it could not be told.
    pub why: String,
}

/// How many items are kept of a day; all of them are counted.
const ITEMS: usize = 20;

/// How many rows a request has.
const ROWS: usize = 1_000;

/// What is kept of a day that holds something back.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    count: u64,
    items: Vec<(i64, String, String)>,
}

impl Kept {
    fn add(&mut self, start: Timestamp, what: impl Into<String>, why: impl Into<String>) {
        self.count += 1;
        if self.items.len() < ITEMS {
            self.items.push((start.millis(), what.into(), why.into()));
        }
    }
}

/// How much is held back.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    contacts: u64,
    rows: u64,
    statuses: u64,
    refused: u64,
}

/// How far one stream is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// To whom it was sent.
    target: String,
    place: Place,
}

/// A request as it is kept.
#[derive(Serialize, Deserialize)]
struct Outbox {
    key: String,
    body: String,
    /// The queue or agent, and the start, of each row.
    rows: Vec<(u32, i64)>,
}

/// Tells a system about one integration by single events; made by [`Runtime::outgoing_events`].
#[derive(Debug)]
pub struct OutgoingEvents {
    runtime: Runtime,
    integration: u32,
    target: String,
    rows: usize,
    committed: watch::Receiver<u64>,
    /// Places that were seen to need no request, and are not worth a commit.
    seen: BTreeMap<Stream, Place>,
    /// Which stream comes first.
    turn: bool,
}

/// What one step of a stream came to.
enum Stepped {
    /// There is a request.
    Request(EventRequest),
    /// There was something, but nothing to be told.
    On,
    /// Everything was told.
    Done,
}

const STREAMS: [Stream; 2] = [Stream::Contacts, Stream::Statuses];

fn memo(integration: u32, what: &str, stream: Stream) -> String {
    format!("events of {integration}: {what} of {stream:?}")
}

fn counts_name(integration: u32) -> String {
    format!("events of {integration}: held back")
}

fn held_prefix(integration: u32) -> String {
    format!("held back of {integration}: ")
}

fn held_name(integration: u32, subject: u32, day: Day, sort: &str) -> String {
    format!("{}{subject:010} {day:06} {sort}", held_prefix(integration))
}

impl OutgoingEvents {
    pub(super) fn new(runtime: &Runtime, integration: u32, target: String) -> Self {
        let committed = runtime.commits();
        Self {
            runtime: runtime.clone(),
            integration,
            target,
            rows: ROWS,
            committed,
            seen: BTreeMap::new(),
            turn: false,
        }
    }

    /// The same with so many rows in a request at most; a thousand unless set.
    #[must_use]
    pub fn most_rows(mut self, rows: usize) -> Self {
        self.rows = rows.max(1);
        self
    }

    /// The request that is under way, or the next one, if there is anything to tell; `write` makes its body, in UTF-8.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` when what was sent before was sent to another target; whatever the store reports.
    pub async fn try_next(
        &mut self,
        write: &(dyn Fn(&EventRows) -> Result<String> + Sync),
    ) -> Result<Option<EventRequest>> {
        // What agents do does not wait for all that is to be told of contacts.
        self.turn = !self.turn;
        let streams = if self.turn { STREAMS } else { [STREAMS[1], STREAMS[0]] };
        for stream in streams {
            loop {
                match self.step(stream, write).await? {
                    Stepped::Request(request) => return Ok(Some(request)),
                    Stepped::On => {}
                    Stepped::Done => break,
                }
            }
        }
        Ok(None)
    }

    /// Returns when something was committed, or a second later.
    pub async fn wait(&mut self) {
        let clock = self.runtime.its_clock();
        let look = clock.sleep_until(clock.now().after(super::outgoing::LOOK));
        tokio::select! {
            biased;
            // The sender lives as long as the runtime, which is held here.
            _ = self.committed.changed() => {}
            () = look => {}
        }
        self.committed.borrow_and_update();
    }

    async fn step(&mut self, stream: Stream, write: &(dyn Fn(&EventRows) -> Result<String> + Sync)) -> Result<Stepped> {
        let mut reading = self.runtime.store().read().await?;
        let seen = self.seen.get(&stream);
        if let Some(place) = seen
            && place.revision == reading.last_revision().await?
            && reading.memo(&memo(self.integration, "request", stream)).await?.is_none()
        {
            return Ok(Stepped::Done);
        }
        drop(reading);
        let mut transaction = self.runtime.store().write().await?;
        transaction.lock_integration(self.integration).await?;
        if let Some(kept) = transaction.memo(&memo(self.integration, "request", stream)).await? {
            return Ok(Stepped::Request(request(stream, &kept)?));
        }
        let name = memo(self.integration, "place", stream);
        let kept = transaction.memo(&name).await?;
        let progress: Option<Progress> = kept.and_then(|kept| serde_json::from_slice(&kept).ok());
        let place = match progress {
            Some(progress) if progress.target != self.target => return Err(elsewhere()),
            Some(progress) => progress.place,
            None => Place::begin(&mut *transaction).await?,
        };
        let place = match self.seen.get(&stream) {
            // What was passed over and not kept.
            Some(seen) if seen.run == place.run && place.stating.is_none() && seen.revision > place.revision => {
                seen.clone()
            }
            _ => place,
        };
        let mut teller = Teller::load(&mut *transaction, self.integration, stream, self.rows).await?;
        let (from, mut to) = (place.clone(), place);
        let bound = Bound { bytes: 4 << 20, days: 64 };
        let step = if to.stating.is_some() {
            state_all(&mut *transaction, &teller.known, &mut to, bound).await?
        } else {
            let until = transaction.last_revision().await?;
            follow(&mut *transaction, &teller.known, self.integration, &mut to, until, bound).await?
        };
        let is_all = teller.tell(&mut *transaction, step.days).await?;
        if is_all && teller.is_idle() && to.stating.is_none() && from.stating.is_none() {
            // Nothing that is told here happened: the place is not worth a commit.
            let is_done = to.revision == from.revision || to.revision == transaction.last_revision().await?;
            self.seen.insert(stream, to);
            return Ok(if is_done { Stepped::Done } else { Stepped::On });
        }
        let progress = Progress { target: self.target.clone(), place: if is_all { to.clone() } else { from } };
        let mut memos = vec![(name, serde_json::to_vec(&progress).ok())];
        let made = teller.request(write)?;
        if let Some((kept, _)) = &made {
            memos.push((memo(self.integration, "request", stream), Some(kept.clone())));
        }
        teller.save(&mut *transaction).await?;
        transaction.put_memos(&memos).await?;
        transaction.commit().await?;
        self.seen.remove(&stream);
        Ok(made.map_or(Stepped::On, |(_, request)| Stepped::Request(request)))
    }

    /// The request was taken, but for the rows in `refused`, of which there are `count` altogether.
    ///
    /// # Errors
    ///
    /// Whatever the store reports; say it again then.
    pub async fn taken(&mut self, request: &EventRequest, refused: &[RefusedRow], count: u64) -> Result<()> {
        let mut transaction = self.runtime.store().write().await?;
        transaction.lock_integration(self.integration).await?;
        let name = memo(self.integration, "request", request.stream);
        let Some(kept) = transaction.memo(&name).await? else { return Ok(()) };
        let outbox: Outbox = serde_json::from_slice(&kept).map_err(|_| damaged())?;
        if outbox.key != request.key {
            return Ok(());
        }
        let mut memos = vec![(name, None)];
        if count > 0 {
            let mut by_day: BTreeMap<(u32, Day), Kept> = BTreeMap::new();
            let mut rest = count;
            for (index, why) in refused {
                let row = usize::try_from(*index).ok().and_then(|index| outbox.rows.get(index));
                let Some((subject, start)) = row.filter(|_| rest > 0) else { continue };
                rest -= 1;
                let start = Timestamp::from_millis(*start);
                let kept = by_day.entry((*subject, crate::facts::day_of(start))).or_default();
                kept.add(start, "sent", format!("refused: {why}"));
            }
            if let (Some((subject, start)), 1..) = (outbox.rows.first(), rest) {
                let start = Timestamp::from_millis(*start);
                let kept = by_day.entry((*subject, crate::facts::day_of(start))).or_default();
                kept.count += rest;
            }
            for ((subject, day), new) in by_day {
                let name = held_name(self.integration, subject, day, "refused");
                let before = transaction.memo(&name).await?;
                let mut kept: Kept = before.and_then(|kept| serde_json::from_slice(&kept).ok()).unwrap_or_default();
                kept.count += new.count;
                kept.items.extend(new.items);
                kept.items.truncate(ITEMS);
                memos.push((name, serde_json::to_vec(&kept).ok()));
            }
            let mut counts = counts(&mut *transaction, self.integration).await?;
            counts.refused += count;
            memos.push((counts_name(self.integration), serde_json::to_vec(&counts).ok()));
        }
        transaction.put_memos(&memos).await?;
        transaction.commit().await
    }
}

fn damaged() -> Error {
    Error::new(ErrorKind::DataInvalid, "the store holds a request that cannot be read: restore it from a backup")
}

pub(super) fn elsewhere() -> Error {
    let message = "what was sent of this integration was sent to another system: send to that one, or begin anew";
    Error::new(ErrorKind::ConfigInvalid, message)
}

fn request(stream: Stream, kept: &[u8]) -> Result<EventRequest> {
    let Outbox { key, body, rows } = serde_json::from_slice(kept).map_err(|_| damaged())?;
    Ok(EventRequest { stream, key, body: body.into_bytes(), rows: rows.len() as u64 })
}

async fn counts(transaction: &mut dyn Transaction, integration: u32) -> Result<Counts> {
    let kept = transaction.memo(&counts_name(integration)).await?;
    Ok(kept.and_then(|kept| serde_json::from_slice(&kept).ok()).unwrap_or_default())
}

/// Compares days with what was sent of them.
struct Teller {
    integration: u32,
    stream: Stream,
    known: Known,
    statuses: BTreeMap<u32, String>,
    room: usize,
    contacts: Vec<(u32, ContactEvent)>,
    spans: Vec<(u32, StatusEvent)>,
    sent: Vec<StoredChunk>,
    held: BTreeMap<(u32, Day), Kept>,
}

impl Teller {
    async fn load(transaction: &mut dyn Transaction, integration: u32, stream: Stream, room: usize) -> Result<Self> {
        let mut known = Known::load(transaction, integration).await?;
        let kind = if stream == Stream::Contacts { SubjectKind::Queue } else { SubjectKind::Agent };
        known.by_id.retain(|_, subject| subject.kind == kind);
        let mut statuses = BTreeMap::new();
        if stream == Stream::Statuses {
            let all = transaction.subjects(integration, SubjectKind::Status).await?;
            statuses.extend(all.into_iter().map(|status| (status.id, status.external)));
        }
        let (contacts, spans, sent, held) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        Ok(Self { integration, stream, known, statuses, room, contacts, spans, sent, held })
    }

    /// Whether no day was looked at.
    fn is_idle(&self) -> bool {
        self.sent.is_empty() && self.held.is_empty() && self.contacts.is_empty() && self.spans.is_empty()
    }

    /// Tells what there is to be told of some days; whether that is all.
    async fn tell(&mut self, transaction: &mut dyn Transaction, days: BTreeMap<Named, Option<Facts>>) -> Result<bool> {
        if self.stream == Stream::Contacts {
            for (named, facts) in days {
                let is_all = match facts {
                    Some(Facts::Rows(chunk)) => {
                        self.rows(named, &chunk);
                        true
                    }
                    Some(Facts::Contacts(chunk)) => self.contacts(transaction, named, &chunk.facts()).await?,
                    _ => self.contacts(transaction, named, &[]).await?,
                };
                if !is_all {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let mut wanted: BTreeSet<(u32, Day)> = BTreeSet::new();
        for named in days.keys() {
            wanted.insert((named.subject, named.day));
            if named.live {
                // The last word of the day before lasts until the first one of this.
                let (before, _) = transaction.neighbours(named.subject, Layer::Live, named.day).await?;
                wanted.extend(before.map(|day| (named.subject, day)));
            }
        }
        for (agent, day) in wanted {
            if !self.agent(transaction, agent, day).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn rows(&mut self, named: Named, chunk: &Chunk<IntervalRow>) {
        let count = chunk.settled().len() as u64;
        let what = format!("{count} interval rows");
        let items = vec![(day_start(named.day).millis(), what, "rows of intervals are no single contacts".to_owned())];
        self.held.insert((named.subject, named.day), Kept { count, items });
    }

    async fn contacts(&mut self, transaction: &mut dyn Transaction, named: Named, now: &[Contact]) -> Result<bool> {
        let Some(queue) = self.known.by_id.get(&named.subject).cloned() else { return Ok(true) };
        let mut sent = sent::<Contact>(transaction, named.subject, named.day).await?;
        let mut compared = compare_contacts(now, &sent);
        let room = self.room - self.contacts.len().min(self.room);
        let is_all = compared.new.len() <= room;
        compared.new.truncate(room);
        let mut kept = Kept::default();
        for (start, what, why) in compared.held {
            kept.add(start, what, why);
        }
        self.held.insert((named.subject, named.day), kept);
        if compared.new.is_empty() {
            return Ok(is_all);
        }
        sent.extend(&compared.new);
        self.keep(named.subject, named.day, sent);
        for contact in compared.new {
            let (key, name) = (QueueKey::new(queue.external.clone(), queue.channel), name_at(&queue, contact.start));
            self.contacts.push((queue.id, ContactEvent { queue: key, name, contact }));
        }
        Ok(is_all)
    }

    async fn agent(&mut self, transaction: &mut dyn Transaction, id: u32, day: Day) -> Result<bool> {
        let Some(agent) = self.known.by_id.get(&id).cloned() else { return Ok(true) };
        let named = [false, true].map(|live| Named { subject: id, live, day });
        let mut layers = [Vec::new(), Vec::new()];
        for (named, facts) in load(transaction, &self.known, &named).await? {
            if let Some(Facts::Spans(chunk)) = facts {
                layers[usize::from(named.live)] = chunk.facts();
            }
        }
        let [history, live] = layers;
        let now = self.statuses(transaction, id, day, &history, &live).await?;
        let sent = sent::<Span>(transaction, id, day).await?;
        let mut compared = compare_statuses(&now, &sent);
        let room = self.room - self.spans.len().min(self.room);
        let is_all = compared.new.len() <= room;
        compared.new.truncate(room);
        let mut kept = Kept::default();
        let called = |status: &u32| self.statuses.get(status).cloned().unwrap_or_default();
        for ((start, status), why) in &compared.held {
            kept.add(*start, called(status), *why);
        }
        self.held.insert((id, day), kept);
        if compared.new.is_empty() {
            return Ok(is_all);
        }
        let mut spans: BTreeMap<(Timestamp, u32), Option<Timestamp>> =
            sent.iter().map(|span| ((span.start, span.status), span.end)).collect();
        for Status { start, status, end } in compared.new {
            spans.insert((start, status), end);
            let event = StatusEvent { agent: agent.external.clone(), status: called(&status), start, end };
            self.spans.push((id, event));
        }
        let spans = spans.into_iter().map(|((start, status), end)| Span { start, status, end }).collect();
        self.keep(id, day, spans);
        Ok(is_all)
    }

    /// What history and the live source say of a day, with the ends of what the latter says.
    async fn statuses(
        &self,
        transaction: &mut dyn Transaction,
        id: u32,
        day: Day,
        history: &[Span],
        live: &[Span],
    ) -> Result<Vec<Status>> {
        let mut all: BTreeMap<(Timestamp, u32), Option<Timestamp>> = BTreeMap::new();
        if !live.is_empty() {
            let mut words = live.to_vec();
            if let (_, Some(next)) = transaction.neighbours(id, Layer::Live, day).await? {
                let named = [Named { subject: id, live: true, day: next }];
                for (_, facts) in load(transaction, &self.known, &named).await? {
                    if let Some(Facts::Spans(chunk)) = facts {
                        words.extend(chunk.facts().first());
                    }
                }
            }
            for ended in with_ends(&words) {
                let Span { start, status, .. } = ended.span;
                if status != NO_STATUS && crate::facts::day_of(start) == day {
                    all.insert((start, status), (ended.end < FOREVER).then_some(ended.end));
                }
            }
        }
        for span in history {
            let end = all.entry((span.start, span.status)).or_default();
            *end = span.end.or(*end);
        }
        Ok(all.into_iter().map(|((start, status), end)| Status { start, status, end }).collect())
    }

    fn keep<F: Fact>(&mut self, subject: u32, day: Day, mut facts: Vec<F>) {
        facts.sort_by_key(Fact::start);
        let mut bytes = Vec::new();
        Chunk::of(facts).encode(day, &mut bytes);
        self.sent.push(StoredChunk { subject, layer: Layer::Sent, day, bytes });
    }

    /// The request that tells what was found, as it is kept and as it is sent.
    fn request(
        &self,
        write: &(dyn Fn(&EventRows) -> Result<String> + Sync),
    ) -> Result<Option<(Vec<u8>, EventRequest)>> {
        let (events, rows): (_, Vec<(u32, i64)>) = match self.stream {
            Stream::Contacts => {
                let rows = self.contacts.iter().map(|(id, event)| (*id, event.contact.start.millis()));
                (EventRows::Contacts(self.contacts.iter().map(|(_, event)| event.clone()).collect()), rows.collect())
            }
            Stream::Statuses => {
                let rows = self.spans.iter().map(|(id, event)| (*id, event.start.millis()));
                (EventRows::Statuses(self.spans.iter().map(|(_, event)| event.clone()).collect()), rows.collect())
            }
        };
        if rows.is_empty() {
            return Ok(None);
        }
        let outbox = Outbox { key: random()?, body: write(&events)?, rows };
        let kept = serde_json::to_vec(&outbox)
            .map_err(|error| Error::new(ErrorKind::Unexpected, "not expressible in JSON").caused_by(error))?;
        let request = request(self.stream, &kept)?;
        Ok(Some((kept, request)))
    }

    /// Keeps what was sent, and what is held back in place of what was before.
    async fn save(&self, transaction: &mut dyn Transaction) -> Result<()> {
        transaction.put_chunks(&self.sent).await?;
        let mut memos = Vec::new();
        let before = counts(transaction, self.integration).await?;
        let mut counts = before;
        for ((subject, day), kept) in &self.held {
            let name = held_name(self.integration, *subject, *day, "held");
            let held = transaction.memo(&name).await?;
            let old: Kept = held.as_ref().and_then(|held| serde_json::from_slice(held).ok()).unwrap_or_default();
            if old == *kept {
                continue;
            }
            let is_rows = self.known.by_id.get(subject).is_some_and(|queue| queue.row_minutes > 0);
            let count = match self.stream {
                Stream::Contacts if is_rows => &mut counts.rows,
                Stream::Contacts => &mut counts.contacts,
                Stream::Statuses => &mut counts.statuses,
            };
            *count = (*count + kept.count).saturating_sub(old.count);
            memos.push((name, if kept.count > 0 { serde_json::to_vec(kept).ok() } else { None }));
        }
        if counts != before {
            memos.push((counts_name(self.integration), serde_json::to_vec(&counts).ok()));
        }
        transaction.put_memos(&memos).await
    }
}

/// What a queue was called at an instant.
fn name_at(queue: &Subject, at: Timestamp) -> String {
    let named = queue.names.iter().rfind(|(from, _)| *from <= at).or_else(|| queue.names.first());
    named.map_or_else(|| queue.external.clone(), |(_, name)| name.clone())
}

/// What was sent of a day.
async fn sent<F: Fact>(transaction: &mut dyn Transaction, subject: u32, day: Day) -> Result<Vec<F>> {
    let range = ChunkRange { subject, layer: Layer::Sent, from: day, to: day };
    let mut facts = Vec::new();
    for held in transaction.chunks(&[range]).await? {
        facts = Chunk::<F>::decode(day, &held.bytes).map_err(|Corrupt| corrupt(subject, day))?.facts();
    }
    Ok(facts)
}

/// Forgets what was sent of an integration, and what was held back; the integration is locked.
pub(super) async fn forget(transaction: &mut dyn Transaction, integration: u32) -> Result<()> {
    for kind in [SubjectKind::Queue, SubjectKind::Agent] {
        for subject in transaction.subjects(integration, kind).await? {
            let all = ChunkRange { subject: subject.id, layer: Layer::Sent, from: Day::MIN, to: Day::MAX };
            let mut sent = transaction.chunks(&[all]).await?;
            sent.iter_mut().for_each(|chunk| chunk.bytes.clear());
            transaction.put_chunks(&sent).await?;
        }
    }
    for prefix in [held_prefix(integration), format!("events of {integration}: ")] {
        loop {
            let held = transaction.memos(&prefix, "", 1_000).await?;
            if held.is_empty() {
                break;
            }
            let gone: Vec<_> = held.into_iter().map(|(name, _)| (name, None)).collect();
            transaction.put_memos(&gone).await?;
        }
    }
    Ok(())
}

/// Whether anything was sent to another target.
pub(super) async fn is_elsewhere(transaction: &mut dyn Transaction, integration: u32, target: &str) -> Result<bool> {
    for stream in STREAMS {
        let kept = transaction.memo(&memo(integration, "place", stream)).await?;
        let progress: Option<Progress> = kept.and_then(|kept| serde_json::from_slice(&kept).ok());
        if progress.is_some_and(|progress| progress.target != target) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is held back of an integration, with so many items at most.
pub(super) async fn held_back(transaction: &mut dyn Transaction, integration: u32, limit: u32) -> Result<HeldBack> {
    let Counts { contacts, rows, statuses, refused } = counts(transaction, integration).await?;
    let known = Known::load(transaction, integration).await?;
    let (prefix, mut items, mut after) = (held_prefix(integration), Vec::new(), String::new());
    let limit = limit as usize;
    while items.len() < limit {
        let held = transaction.memos(&prefix, &after, 64).await?;
        let Some((last, _)) = held.last() else { break };
        after.clone_from(last);
        for (name, kept) in held {
            let subject = name[prefix.len()..].get(..10).and_then(|id| id.parse().ok());
            let of = subject.and_then(|id: u32| known.by_id.get(&id)).map(|held| held.external.clone());
            let kept: Kept = serde_json::from_slice(&kept).unwrap_or_default();
            for (start, what, why) in kept.items {
                let (of, start) = (of.clone().unwrap_or_default(), Timestamp::from_millis(start));
                items.push(HeldItem { of, start, what, why });
            }
        }
    }
    items.truncate(limit);
    Ok(HeldBack { contacts, rows, statuses, refused, items })
}
