//! Taking a part: believed in nothing, applied whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use injixo_model::{Channel, Contact, Coverage, IntervalLength, IntervalRow, Millis, Span, Timestamp, Window};

use super::outgoing::Shifted;
use super::place::Key;
use super::walk::BESIDE;
use super::wire::{AgentDay, Body, LONGEST_NAME, QueueDay, SideOf, VERSION, Whole, Wire};
use super::{position, position_name, token};
use crate::connector::Stream;
use crate::error::{Error, ErrorKind, Result};
use crate::facts::{Chunk, DAY_MILLIS, Day, Fact, day_of, day_start};
use crate::import::{Derives, Job, Subjects, announce, refusal};
use crate::runtime::{Runtime, Sender};
use crate::store::{ChunkRange, Covered, ImportRecord, Layer, StreamId, Subject, SubjectKind, Transaction};
use crate::zone::Zone;

/// What came of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Taken {
    /// It is in the store for good.
    Applied,
    /// It was before; nothing was done.
    Repeated,
    /// It does not follow on from where this store is, which is at that position; nothing was done.
    Elsewhere(String),
}

/// How many rows, days, sides and names a part holds at most; each takes a bracket.
const MOST_BRACKETS: usize = 600_000;

/// From which size on a part is read on a thread that may be busy.
const LARGE: usize = 128 << 10;

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::DataInvalid, message)
}

impl Runtime {
    /// Where the sender to an integration is, to be told to it as it is.
    ///
    /// # Errors
    ///
    /// Whatever the store reports.
    pub async fn position(&self, sender: &Sender) -> Result<String> {
        position(&mut *self.store().read().await?, sender.integration()).await
    }

    /// Applies a part that another store made, in one transaction, and returns once that is in the store for good.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a version that is not known, `DataInvalid` for a part that cannot be applied; `Unauthenticated` when the
    /// sender's key has expired meanwhile, `NotFound` when the integration was deleted, `Unavailable` while it is paused;
    /// whatever the store reports. Then nothing of it was applied, but for an error of the store in its commit: ask for the
    /// position.
    pub async fn take_part(&self, sender: &Sender, body: Vec<u8>) -> Result<Taken> {
        let body = if body.len() > LARGE {
            let lost = |_| Error::new(ErrorKind::Unexpected, "the part could not be read");
            tokio::task::spawn_blocking(move || read(&body)).await.map_err(lost)??
        } else {
            read(&body)?
        };
        let mut transaction = self.store().write().await?;
        let now = transaction.now().await?.unwrap_or_else(|| self.its_clock().now());
        let integration = sender.integration();
        let record = transaction.lock_integration(integration).await?;
        let is_old_key = match sender.digest() {
            Some(shown) => Some(*shown) != crate::runtime::keys::digest_of(&mut *transaction, integration).await?,
            None => false,
        };
        if let Some(refusal) = refusal(record.as_ref(), is_old_key) {
            return Err(refusal);
        }
        let zone = Zone::new(&record.map(|record| record.zone).unwrap_or_default())?;
        let reached = token(&body.sender, &body.reached);
        let known = position(&mut *transaction, integration).await?;
        if known == reached {
            return Ok(Taken::Repeated);
        }
        let follows = body.begins || known.split_once(' ').is_some_and(|(held, _)| held == body.sender);
        if known != body.after || !follows {
            return Ok(Taken::Elsewhere(known));
        }
        if body.begins {
            for stream in [Stream::Contacts, Stream::Statuses] {
                transaction.clear_coverage(StreamId { integration, stream }).await?;
            }
        }
        let told = Told { integration, now, zone };
        told.apply(&mut *transaction, body).await.map_err(|error| match error.kind() {
            // Rows that do not fit into their intervals.
            ErrorKind::Unsupported => invalid(error.message()),
            _ => error,
        })?;
        transaction.put_memos(&[(position_name(integration), Some(reached.into_bytes()))]).await?;
        transaction.commit().await?;
        self.committed();
        Ok(Taken::Applied)
    }
}

/// Understands a part.
fn read(bytes: &[u8]) -> Result<Body> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    let where_ = |error: &serde_json::Error| format!("line {}, column {}", error.line(), error.column());
    let versioned: Versioned = serde_json::from_slice(bytes)
        .map_err(|error| invalid(format!("not the JSON of a part with its version: see {}", where_(&error))))?;
    if versioned.version != VERSION {
        let message =
            format!("parts of version {} are not known here, only those of version {VERSION}", versioned.version);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > MOST_BRACKETS {
        return Err(invalid("the part holds too many rows: send smaller ones"));
    }
    // What serde says may repeat parts of the body.
    let body: Body = serde_json::from_slice(bytes)
        .map_err(|error| invalid(format!("a value that is none, or a missing field: see {}", where_(&error))))?;
    let is_word = |text: &str| (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_word(&body.sender) || !(1..=16_384).contains(&body.reached.len()) {
        return Err(invalid("sender and reached: expected what the sender is called, and where it is"));
    }
    if body.begins && body.whole.as_ref().is_none_or(|whole| whole.after.is_some()) {
        return Err(invalid("a part that begins anew states everything from the first chunk on"));
    }
    Ok(body)
}

/// An integration that is told something.
struct Told {
    integration: u32,
    now: Timestamp,
    zone: Zone,
}

/// The chunks of a subject that a part states, by layer.
type Stated<F> = BTreeMap<bool, BTreeMap<Day, Chunk<F>>>;

impl Told {
    async fn apply(&self, transaction: &mut dyn Transaction, body: Body) -> Result<()> {
        let Body { whole, statuses, queues, agents, coverage, .. } = body;
        let mut known = Subjects::load(transaction, self.integration, SubjectKind::Status).await?;
        let told = statuses
            .into_iter()
            .map(|status| subject(SubjectKind::Status, status.id, Channel::Calls, status.first, status.last));
        let told = distinct(told.collect::<Result<_>>()?)?;
        let status_ids = known.take_over(transaction, self.integration, told).await?;
        known.save(transaction).await?;

        let mut known = Subjects::load(transaction, self.integration, SubjectKind::Queue).await?;
        let before = known.current_names();
        let (mut told, mut days) = (Vec::new(), Vec::new());
        for queue in queues {
            let is_length = queue.row_minutes == 0 || IntervalLength::from_minutes(queue.row_minutes).is_ok();
            if !is_length {
                return Err(invalid("rowMinutes: expected 0, 15, 30 or another length of intervals"));
            }
            let held = subject(SubjectKind::Queue, queue.id, queue.channel, queue.first, queue.last)?;
            told.push(Subject { row_minutes: queue.row_minutes, names: names(queue.names)?, ..held });
            days.push(queue.days);
        }
        let told = distinct(told)?;
        let lengths: Vec<u32> = told.iter().map(|queue| queue.row_minutes).collect();
        let queue_ids = known.take_over(transaction, self.integration, told).await?;
        let mut job = Job::new(transaction, self.integration, &self.zone, self.now);
        announce(&mut job, &known, &before);
        let (mut contacts, mut rows) = (BTreeMap::new(), BTreeMap::new());
        for ((id, days), length) in queue_ids.iter().zip(days).zip(lengths) {
            if length == 0 {
                contacts.insert(*id, contact_days(days)?);
            } else {
                rows.insert(*id, row_days(days)?);
            }
        }
        let of_kind = |has_rows: bool| -> Vec<Subject> {
            known.all().filter(|queue| (queue.row_minutes > 0) == has_rows).cloned().collect()
        };
        let (of_contacts, of_rows) = (of_kind(false), of_kind(true));
        mirror_all::<Contact>(&mut job, &known, whole.as_ref(), &of_contacts, contacts).await?;
        mirror_all::<IntervalRow>(&mut job, &known, whole.as_ref(), &of_rows, rows).await?;
        let queues_changed = job.finish().await?;
        known.save(transaction).await?;

        let mut known = Subjects::load(transaction, self.integration, SubjectKind::Agent).await?;
        let (mut told, mut spans) = (Vec::new(), Vec::new());
        for agent in agents {
            let held = subject(SubjectKind::Agent, agent.id, Channel::Calls, agent.first, agent.last)?;
            let longest = Some(agent.longest).filter(|longest| (0..=Timestamp::MAX.millis()).contains(longest));
            let longest = longest.map(Millis::new).ok_or_else(|| invalid("longest: expected a time"))?;
            told.push(Subject { longest, ..held });
            spans.push(span_days(agent.days, &status_ids)?);
        }
        let agent_ids = known.take_over(transaction, self.integration, distinct(told)?).await?;
        let mut job = Job::new(transaction, self.integration, &self.zone, self.now);
        let agents: Vec<Subject> = known.all().cloned().collect();
        let stated = agent_ids.iter().copied().zip(spans).collect();
        mirror_all::<Span>(&mut job, &known, whole.as_ref(), &agents, stated).await?;
        let agents_changed = job.finish().await?;
        known.save(transaction).await?;

        for (stream, ids, change) in
            [(Stream::Contacts, &queue_ids, queues_changed), (Stream::Statuses, &agent_ids, agents_changed)]
        {
            let id = StreamId { integration: self.integration, stream };
            let mut covered = Vec::new();
            for told in coverage.iter().filter(|told| told.stream == stream) {
                let unknown = || invalid("coverage of a queue or agent that the part does not name");
                let subject = told.of.map(|of| ids.get(of).copied().ok_or_else(unknown)).transpose()?;
                for &(from, to, read_at) in &told.windows {
                    covered.push(Covered { subject, window: window(from, to)?, read_at: instant(read_at)? });
                }
            }
            if covered.is_empty() {
                continue;
            }
            transaction.put_coverage(id, &covered).await?;
            let hull = covered
                .iter()
                .map(|held| held.window)
                .reduce(|a, b| Window::new(a.from().min(b.from()), a.to().max(b.to())).unwrap_or(a));
            // Whoever sends on what was received sees by the log that coverage changed.
            let record = ImportRecord {
                id: 0,
                stream: id,
                key: String::new(),
                settings: String::new(),
                name: "told by another store".to_owned(),
                applied_at: self.now,
                window: hull,
                subjects: Vec::new(),
                again: false,
                imported: change.added + change.replaced,
                rejected: 0,
                skipped: 0,
                added: change.added,
                replaced: change.replaced,
                gone: change.gone,
            };
            transaction.add_import(&record).await?;
        }
        Ok(())
    }
}

/// Puts what is stated of subjects in place of what is held; within `whole`, whatever is not stated is gone.
async fn mirror_all<F: Derives>(
    job: &mut Job<'_>,
    known: &Subjects,
    whole: Option<&Whole>,
    subjects: &[Subject],
    mut stated: BTreeMap<u32, Stated<F>>,
) -> Result<()> {
    let layers: &[bool] = if F::COUNTED { &[false] } else { &[false, true] };
    for subject in subjects {
        let of_subject = stated.remove(&subject.id);
        if of_subject.is_none() && whole.is_none() {
            continue;
        }
        let mut of_subject = of_subject.unwrap_or_default();
        for &live in layers {
            let mut days = of_subject.remove(&live).unwrap_or_default();
            let layer = if live { Layer::Live } else { Layer::History };
            if let Some(whole) = whole {
                let Some((from, to)) = within(whole, subject, live) else {
                    if days.is_empty() {
                        continue;
                    }
                    return Err(invalid("a day lies outside of what the part says that it states"));
                };
                if days.keys().any(|day| !(from..=to).contains(day)) {
                    return Err(invalid("a day lies outside of what the part says that it states"));
                }
                let held = (day_of(subject.first) - BESIDE).max(from)..=(day_of(subject.last) + BESIDE).min(to);
                if F::COUNTED && !held.is_empty() {
                    job.fold(&[subject.id], *held.start(), *held.end()).await?;
                }
                for day in job.days_held(subject.id, layer, *held.start(), *held.end()).await? {
                    days.entry(day).or_insert_with(Chunk::new);
                }
            }
            if !days.is_empty() {
                job.mirror(known, subject.id, layer, days).await?;
                job.finish_subject(known, subject.id).await?;
                // What follows from the other layer is looked up in the store.
                job.flush().await?;
            }
        }
        if of_subject.values().any(|days| !days.is_empty()) {
            return Err(invalid("a queue has no live source"));
        }
    }
    Ok(())
}

/// The days of a subject that lie between the ends of `whole`.
fn within(whole: &Whole, subject: &Subject, live: bool) -> Option<(Day, Day)> {
    let (mut from, mut to) = (Day::MIN, Day::MAX);
    let of_day = |day| Key::of(subject, live, day);
    if let Some(after) = &whole.after {
        if of_day(Day::MAX) <= *after {
            return None;
        }
        if of_day(Day::MIN) <= *after {
            from = after.day.checked_add(1)?;
        }
    }
    if let Some(upto) = &whole.upto {
        if of_day(Day::MIN) > *upto {
            return None;
        }
        if of_day(Day::MAX) > *upto {
            to = upto.day;
        }
    }
    (from <= to).then_some((from, to))
}

fn subject(kind: SubjectKind, external: String, channel: Channel, first: i64, last: i64) -> Result<Subject> {
    if external.is_empty() || external.len() > LONGEST_NAME {
        return Err(invalid(format!("id: expected a text of 1 to {LONGEST_NAME} bytes")));
    }
    // What has no fact yet has its first one at the end of time.
    let is_instant = |at: i64| (Timestamp::MIN.millis()..=Timestamp::MAX.millis()).contains(&at);
    if !is_instant(first) || !is_instant(last) {
        return Err(invalid("first and last: expected instants from 1970 to 2099"));
    }
    Ok(Subject {
        id: 0,
        kind,
        external,
        channel,
        row_minutes: 0,
        first: Timestamp::from_millis(first),
        last: Timestamp::from_millis(last),
        longest: Millis::ZERO,
        names: Vec::new(),
    })
}

fn distinct(told: Vec<Subject>) -> Result<Vec<Subject>> {
    let keys: BTreeSet<_> = told.iter().map(|subject| (&subject.external, subject.channel)).collect();
    if keys.len() < told.len() {
        return Err(invalid("a queue, agent or status is named twice"));
    }
    drop(keys);
    Ok(told)
}

fn names(told: Vec<(i64, String)>) -> Result<Vec<(Timestamp, String)>> {
    let is_sorted = told.is_sorted_by(|a, b| a.0 < b.0);
    if !is_sorted || told.iter().any(|(_, name)| name.len() > LONGEST_NAME) {
        return Err(invalid("names: expected instants that rise, with texts"));
    }
    told.into_iter().map(|(from, name)| Ok((instant(from)?, name))).collect()
}

fn instant(millis: i64) -> Result<Timestamp> {
    let at = Timestamp::from_millis(millis);
    let is_known = (Timestamp::MIN..=Timestamp::MAX).contains(&at);
    if is_known { Ok(at) } else { Err(invalid("expected an instant from 1970 to 2099")) }
}

fn window(from: i64, to: i64) -> Result<Window> {
    Window::new(instant(from)?, instant(to)?).map_err(|_| invalid("expected a window that ends after it begins"))
}

/// The last day on which a fact may start.
fn is_day(day: Day) -> bool {
    day >= 0 && day_start(day) < Timestamp::MAX
}

fn put_day<F: Fact>(days: &mut Stated<F>, live: bool, day: Day, chunk: Chunk<F>) -> Result<()> {
    if days.entry(live).or_default().insert(day, chunk).is_some() {
        return Err(invalid("a day is stated twice"));
    }
    Ok(())
}

fn contact_days(told: Vec<QueueDay>) -> Result<Stated<Contact>> {
    let mut days = Stated::from([(false, BTreeMap::new())]);
    for QueueDay { day, contacts, rows, sides, reach } in told {
        if !rows.is_empty() {
            return Err(invalid("a queue of contacts holds ready-made rows"));
        }
        put_day(&mut days, false, day, chunk(day, contacts, sides, &reach, Ok)?)?;
    }
    Ok(days)
}

fn row_days(told: Vec<QueueDay>) -> Result<Stated<IntervalRow>> {
    let mut days = Stated::from([(false, BTreeMap::new())]);
    for QueueDay { day, contacts, rows, sides, reach } in told {
        if !contacts.is_empty() || !sides.is_empty() || !reach.is_empty() {
            return Err(invalid("a queue of ready-made rows holds contacts"));
        }
        put_day(&mut days, false, day, chunk(day, rows, Vec::new(), &[], Ok)?)?;
    }
    Ok(days)
}

fn span_days(told: Vec<AgentDay>, statuses: &[u32]) -> Result<Stated<Span>> {
    let named = |span: Span| {
        let status = match span.status.checked_sub(1) {
            Some(place) => {
                let id = statuses.get(place as usize);
                *id.ok_or_else(|| invalid("a span with a status that the part does not name"))?
            }
            None => crate::derive::NO_STATUS,
        };
        Ok(Span { status, ..span })
    };
    let mut days = Stated::from([(false, BTreeMap::new())]);
    for AgentDay { day, live, spans, sides, reach } in told {
        put_day(&mut days, live, day, chunk(day, spans, sides, &reach, named)?)?;
    }
    Ok(days)
}

/// The facts of a day, if they are such.
fn chunk<F: Fact + Shifted>(
    day: Day,
    told: Vec<Wire<F>>,
    sides: Vec<SideOf<F>>,
    reach: &[(i64, i64)],
    name: impl Fn(F) -> Result<F>,
) -> Result<Chunk<F>> {
    if !is_day(day) {
        return Err(invalid("day: expected days since 1970, up to 2099"));
    }
    let begin = day_start(day).millis();
    let facts = |told: Vec<Wire<F>>, from: i64, to: i64| -> Result<Vec<F>> {
        let mut last = from;
        let mut facts = Vec::with_capacity(told.len());
        for Wire(fact) in told {
            let start = fact.start().millis();
            if !(last..=to).contains(&start) {
                return Err(invalid("facts of a day start in it and are sorted"));
            }
            last = start;
            let fact = name(fact.shifted(begin))?;
            facts.push(fact);
        }
        Ok(facts)
    };
    let settled = facts(told, 0, DAY_MILLIS - 1)?;
    let (mut held, mut last) = (Vec::with_capacity(sides.len()), 0);
    for SideOf { at, side, facts: told } in sides {
        if !(last..DAY_MILLIS).contains(&at) || told.is_empty() {
            return Err(invalid("sides of instants are sorted, lie in their day and hold facts"));
        }
        last = at;
        let at_instant = Timestamp::from_millis(begin + at);
        if held.iter().any(|(held_at, held_side, _)| (*held_at, *held_side) == (at_instant, side)) {
            return Err(invalid("a side of an instant is stated twice"));
        }
        held.push((at_instant, side, facts(told, at, at)?));
    }
    let mut reached = Coverage::new();
    for &(from, to) in reach {
        if !(0..DAY_MILLIS).contains(&from) || !(from + 1..=DAY_MILLIS).contains(&to) {
            return Err(invalid("reach: expected windows within the day"));
        }
        reached.extend(Window::new(Timestamp::from_millis(begin + from), Timestamp::from_millis(begin + to)));
    }
    Ok(Chunk::assembled(settled, held, reached))
}

impl Job<'_> {
    /// The days between two for which a chunk of a subject is kept.
    async fn days_held(&mut self, subject: u32, layer: Layer, from: Day, to: Day) -> Result<Vec<Day>> {
        const AT_ONCE: Day = 64;
        let (mut days, mut from) = (Vec::new(), from);
        while from <= to {
            let end = to.min(from.saturating_add(AT_ONCE - 1));
            days.extend(self.days_between(ChunkRange { subject, layer, from, to: end }).await?);
            from = match end.checked_add(1) {
                Some(next) => next,
                None => break,
            };
        }
        Ok(days)
    }
}
