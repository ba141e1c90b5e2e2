//! Facts that arrive one by one: contacts are appended to their day, statuses update it, without a word about anything else.
//!
//! Writing a day anew for each few contacts would cost as much as the day holds. What arrives is therefore kept beside the
//! chunk of the day, in at most five chunks of [layers](Layer::ARRIVED) of their own, each of which takes eight times as much as
//! the one before: new contacts join the first; when it overflows, all of it moves on to the next, and so on. A contact is
//! written again as often as it moves or its layer is joined, a few times for each layer, however many contacts the day holds.
//!
//! What the intervals of such a day come to is kept beside it ([`Layer::Sums`]), so that how they change is known without
//! reading the day: sums are exact and do not depend on the order, so old sums and new contacts make the new sums. Sums are there
//! if and only if something arrived; they count every contact of the day. Whoever states the facts of a day as a whole has it
//! [folded](Job::fold) into its one chunk first.

use std::collections::{BTreeMap, HashMap};

use injixo_model::{Contact, IntervalRow, Measures, Millis, Span, Timestamp};

use super::job::{CHUNKS_AT_ONCE, Derives, Job, decode, decoded};
use super::subjects::Subjects;
use crate::derive::{IntervalDiff, cells};
use crate::error::Result;
use crate::facts::{Change, Chunk, Day, Fact, day_of, day_start};
use crate::store::{ChunkRange, Layer, StoredChunk, Transaction};
use crate::zone::Grid;

/// How many contacts the first layer takes.
const FIRST_LAYER: usize = 1_024;

/// How many times as much each layer takes as the one before.
const GROWTH: usize = 8;

/// Chunks as they are stored, by subject, layer and day.
type Stored = HashMap<(u32, Layer, Day), Vec<u8>>;

/// Contacts of one queue that start on one day.
struct Arrivals<'f> {
    subject: u32,
    day: Day,
    facts: &'f [(u32, Contact)],
}

impl Arrivals<'_> {
    fn contacts(&self) -> Vec<Contact> {
        self.facts.iter().map(|(_, contact)| *contact).collect()
    }

    const fn range(&self, layer: Layer) -> ChunkRange {
        ChunkRange { subject: self.subject, layer, from: self.day, to: self.day }
    }
}

impl Job<'_> {
    /// Adds contacts, sorted by queue and start, to whatever is there.
    pub(super) async fn append(&mut self, facts: &[(u32, Contact)], subjects: &mut Subjects) -> Result<()> {
        let grid = self.grid(0);
        facts.iter().for_each(|(id, contact)| subjects.saw(*id, contact.start, Millis::ZERO));
        let days: Vec<Arrivals<'_>> = facts
            .chunk_by(|a, b| a.0 == b.0 && day_of(a.1.start) == day_of(b.1.start))
            .filter_map(|facts| {
                let (subject, contact) = facts.first()?;
                Some(Arrivals { subject: *subject, day: day_of(contact.start), facts })
            })
            .collect();
        let mut at_hand = None;
        for days in days.chunks(CHUNKS_AT_ONCE) {
            let ranges = days.iter().flat_map(|day| [Layer::Sums, Layer::Arrived1].map(|layer| day.range(layer)));
            let mut stored = stored(self.transaction, &ranges.collect::<Vec<_>>()).await?;
            let is_new = |day: &&Arrivals<'_>| !stored.contains_key(&(day.subject, Layer::Sums, day.day));
            let whole: Vec<ChunkRange> = days.iter().filter(is_new).map(|day| day.range(Layer::History)).collect();
            stored.extend(self::stored(self.transaction, &whole).await?);
            for day in days {
                if let Some(before) = at_hand.replace(day.subject).filter(|before| *before != day.subject) {
                    self.finish_subject(subjects, before).await?;
                }
                self.append_to(day, &mut stored, &grid, subjects).await?;
            }
        }
        match at_hand {
            Some(last) => self.finish_subject(subjects, last).await,
            None => Ok(()),
        }
    }

    async fn append_to(
        &mut self,
        arrivals: &Arrivals<'_>,
        stored: &mut Stored,
        grid: &Grid,
        subjects: &Subjects,
    ) -> Result<()> {
        let &Arrivals { subject, day, .. } = arrivals;
        let sums = match stored.remove(&(subject, Layer::Sums, day)) {
            Some(bytes) => sums_of(subject, day, &bytes)?,
            None => match stored.remove(&(subject, Layer::History, day)) {
                Some(bytes) => {
                    let facts = decode::<Contact>(subject, day, &bytes)?.into_facts();
                    rows(&cells(facts.iter(), &mut grid.cursor())?, grid)
                }
                None => Vec::new(),
            },
        };
        let is_on_grid =
            |row: &IntervalRow| grid.interval(row.start).from() == row.start && row.length == length(grid, row.start);
        if !is_whole(grid, day) || !sums.iter().all(is_on_grid) {
            return self.write_anew(arrivals, subjects).await;
        }
        let contacts = arrivals.contacts();
        let mut sums: BTreeMap<Timestamp, Measures> = sums.into_iter().map(|row| (row.start, row.measures)).collect();
        let mut changed = Vec::new();
        for (start, measures) in cells(contacts.iter(), &mut grid.cursor())? {
            let before = sums.get(&start).copied();
            let after = before.map_or(measures, |before| before.plus(&measures));
            sums.insert(start, after);
            if before != Some(after) {
                changed.push(IntervalDiff { start, end: grid.interval(start).to(), before, after: Some(after) });
            }
        }
        self.notes.add_cells(changed);
        let sums: Vec<(Timestamp, Measures)> = sums.into_iter().collect();
        self.keep(subject, Layer::Sums, day, &Chunk::of(rows(&sums, grid)));
        self.touch(day);
        self.change.added += contacts.len() as u64;
        let first = stored.remove(&(subject, Layer::Arrived1, day)).unwrap_or_default();
        self.join(subject, day, contacts, first).await?;
        self.flush_if_many().await
    }

    /// Puts contacts into the first layer that takes them and all that the layers before it hold, which `first` holds at first.
    async fn join(&mut self, subject: u32, day: Day, mut contacts: Vec<Contact>, first: Vec<u8>) -> Result<()> {
        let (mut held, mut takes) = (first, FIRST_LAYER);
        for (layer, next) in Layer::ARRIVED.into_iter().zip(Layer::ARRIVED.into_iter().skip(1).map(Some).chain([None]))
        {
            if !held.is_empty() {
                contacts.extend(decode::<Contact>(subject, day, &held)?.facts());
            }
            let Some(next) = next.filter(|_| contacts.len() > takes) else {
                contacts.sort_by_key(|contact| contact.start);
                self.keep(subject, layer, day, &Chunk::of(contacts));
                return Ok(());
            };
            if !held.is_empty() {
                self.write(StoredChunk { subject, layer, day, bytes: Vec::new() });
            }
            let range = ChunkRange { subject, layer: next, from: day, to: day };
            let mut stored = stored(self.transaction, &[range]).await?;
            held = stored.remove(&(subject, next, day)).unwrap_or_default();
            takes *= GROWTH;
        }
        Ok(())
    }

    /// Adds contacts to the one chunk of their day: where an interval reaches over midnight, or the intervals have changed.
    async fn write_anew(&mut self, arrivals: &Arrivals<'_>, subjects: &Subjects) -> Result<()> {
        let &Arrivals { subject, day, .. } = arrivals;
        self.fold(&[subject], day, day).await?;
        let before = self.held(&[arrivals.range(Layer::History)]).await?.remove(&subject).unwrap_or_default();
        let mut chunks = decoded::<Contact>(subject, &before)?;
        chunks.entry(day).or_insert_with(Chunk::new).add(&arrivals.contacts());
        self.put(subjects, subject, chunks, before, arrivals.facts.len()).await
    }

    /// Writes what arrived at queues on some days into the one chunk of each day, in which it changes nothing.
    pub(crate) async fn fold(&mut self, queues: &[u32], from: Day, to: Day) -> Result<()> {
        for queues in queues.chunks(CHUNKS_AT_ONCE) {
            let range = |subject: &u32| ChunkRange { subject: *subject, layer: Layer::Sums, from, to };
            let ranges: Vec<ChunkRange> = queues.iter().map(range).collect();
            let mut days: Vec<(u32, Day)> =
                stored(self.transaction, &ranges).await?.into_keys().map(|key| (key.0, key.2)).collect();
            days.sort_unstable();
            for (subject, day) in days {
                let whole = ChunkRange { subject, layer: Layer::History, from: day, to: day };
                let held = self.held(&[whole]).await?.remove(&subject).unwrap_or_default();
                let mut chunk = decoded::<Contact>(subject, &held)?.remove(&day).unwrap_or_else(Chunk::new);
                chunk.add(&arrived(self.transaction, subject, day, day).await?);
                self.keep(subject, Layer::History, day, &chunk);
                let emptied = [Layer::Sums].into_iter().chain(Layer::ARRIVED);
                emptied.for_each(|layer| self.write(StoredChunk { subject, layer, day, bytes: Vec::new() }));
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// States spans, sorted by agent and in the order in which they arrived for each: the same agent, start and status is the same
    /// span. The second number says which of `changes` notes what came of it.
    pub(super) async fn update(
        &mut self,
        spans: &[(u32, usize, Span)],
        agents: &mut Subjects,
        changes: &mut [Change],
    ) -> Result<()> {
        for (id, _, span) in spans {
            agents.saw(*id, span.start, span.length());
        }
        for spans in groups(spans) {
            let days = |spans: &[(u32, usize, Span)]| -> BTreeMap<Day, Vec<(usize, Span)>> {
                let mut days: BTreeMap<Day, Vec<(usize, Span)>> = BTreeMap::new();
                spans.iter().for_each(|(_, by, span)| days.entry(day_of(span.start)).or_default().push((*by, *span)));
                days
            };
            let mut ranges = Vec::new();
            for of_agent in spans.chunk_by(|a, b| a.0 == b.0) {
                let Some((subject, ..)) = of_agent.first().copied() else { continue };
                let range = |day: Day| ChunkRange { subject, layer: Layer::History, from: day, to: day };
                ranges.extend(days(of_agent).into_keys().map(range));
            }
            let mut held = self.held(&ranges).await?;
            for of_agent in spans.chunk_by(|a, b| a.0 == b.0) {
                let Some((id, ..)) = of_agent.first().copied() else { continue };
                let before = held.remove(&id).unwrap_or_default();
                let mut chunks = decoded::<Span>(id, &before)?;
                for (day, spans) in days(of_agent) {
                    let chunk = chunks.entry(day).or_insert_with(Chunk::new);
                    for (by, span) in spans {
                        let change = chunk.upsert(span);
                        if let Some(sum) = changes.get_mut(by) {
                            *sum = sum.plus(change);
                        }
                    }
                }
                self.put(agents, id, chunks, before, 0).await?;
                self.finish_subject(agents, id).await?;
            }
        }
        Ok(())
    }

    fn keep<F: Fact>(&mut self, subject: u32, layer: Layer, day: Day, chunk: &Chunk<F>) {
        let mut bytes = Vec::new();
        if !chunk.is_empty() {
            chunk.encode(day, &mut bytes);
        }
        self.write(StoredChunk { subject, layer, day, bytes });
    }
}

/// Spans of some agents at a time, those of one agent together.
fn groups(spans: &[(u32, usize, Span)]) -> Vec<&[(u32, usize, Span)]> {
    let (mut groups, mut rest) = (Vec::new(), spans);
    while let Some((last, ..)) = rest.get(CHUNKS_AT_ONCE.min(rest.len()).saturating_sub(1)) {
        let end = rest.partition_point(|span| span.0 <= *last);
        let (group, others) = rest.split_at(end);
        groups.push(group);
        rest = others;
    }
    groups
}

/// What arrived one by one at a queue on some days, where anything did.
pub(crate) async fn arrived(
    transaction: &mut dyn Transaction,
    subject: u32,
    from: Day,
    to: Day,
) -> Result<Vec<Contact>> {
    let ranges = Layer::ARRIVED.map(|layer| ChunkRange { subject, layer, from, to });
    let mut contacts = Vec::new();
    // Those that arrived first come first.
    for chunk in transaction.chunks(&ranges).await?.into_iter().rev() {
        contacts.extend(decode::<Contact>(subject, chunk.day, &chunk.bytes)?.facts());
    }
    Ok(contacts)
}

async fn stored(transaction: &mut dyn Transaction, ranges: &[ChunkRange]) -> Result<Stored> {
    let chunks = transaction.chunks(ranges).await?.into_iter();
    Ok(chunks.map(|chunk| ((chunk.subject, chunk.layer, chunk.day), chunk.bytes)).collect())
}

fn sums_of(subject: u32, day: Day, bytes: &[u8]) -> Result<Vec<IntervalRow>> {
    Ok(decode::<IntervalRow>(subject, day, bytes)?.facts())
}

/// Intervals as the rows that keep them.
fn rows(cells: &[(Timestamp, Measures)], grid: &Grid) -> Vec<IntervalRow> {
    let row = |(start, measures): &(Timestamp, Measures)| IntervalRow {
        start: *start,
        length: length(grid, *start),
        measures: *measures,
    };
    cells.iter().map(row).collect()
}

fn length(grid: &Grid, start: Timestamp) -> Millis {
    grid.interval(start).to().since(start)
}

/// Whether no interval reaches over the midnights of a day.
fn is_whole(grid: &Grid, day: Day) -> bool {
    grid.is_start(day_start(day)) && grid.is_start(day_start(day + 1))
}
