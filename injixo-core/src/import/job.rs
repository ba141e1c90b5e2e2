//! Facts into chunks, chunk by chunk, and what is derived from them.

use std::collections::{BTreeMap, HashMap};

use injixo_model::{Contact, Coverage, IntervalLength, IntervalRow, Millis, Span, Timestamp, Window};

use super::NamedDays;
use super::agents::{Touched, timeline_changes};
use super::corrupt;
use super::live::by_day;
use super::stage::Sorted;
use super::subjects::Subjects;
use crate::derive::{
    Counted, FactDay, IntervalDiff, cells, difference, encode_days, encode_intervals, encode_timeline,
};
use crate::error::Result;
use crate::facts::{
    Change, Chunk, Corrupt, Day, Fact, ListScope, apply_piece, apply_rows, apply_window, day_of, day_start,
};
use crate::store::{ChunkRange, FeedEntry, FeedKind, Lane, Layer, StoredChunk, TableChange, Transaction};
use crate::zone::{Grid, Zone};

/// How many chunks are read and written together: as many as one statement of a store takes.
pub(super) const CHUNKS_AT_ONCE: usize = 400;

/// How many bytes of chunks are collected before they are written: a store that keeps those of a day together gets as many of a day as
/// there are.
const BYTES_AT_ONCE: usize = 8 << 20;

/// How many changed intervals make an entry of the feed.
const CELLS_AT_ONCE: usize = 4_096;

/// For which days a list speaks about each of its subjects.
pub(crate) struct Scope<'a> {
    pub(crate) first_last: Option<(Timestamp, Timestamp)>,
    pub(super) days: &'a [NamedDays],
    pub(crate) zone: &'a Zone,
}

impl Scope<'_> {
    fn of(&self, subject: usize) -> Option<ListScope> {
        let (first, last) = self.first_last?;
        let days = self.days.get(subject)?.days.iter().filter_map(|day| self.zone.day_window(*day)).collect();
        Some(ListScope { first, last, days })
    }
}

/// The facts of one import on their way into the store, and what they change.
pub(crate) struct Job<'a> {
    pub(super) transaction: &'a mut dyn Transaction,
    pub(super) integration: u32,
    pub(super) zone: Zone,
    pub(super) now: Timestamp,
    pub(super) layer: Layer,
    pub(super) has_live: Option<bool>,
    pub(super) change: Change,
    out: Vec<StoredChunk>,
    out_bytes: usize,
    packed: Vec<u8>,
    pub(super) grids: HashMap<u32, Grid>,
    pub(super) notes: Notes,
    /// The days of the subject at hand whose facts are written and that no entry of the feed names yet.
    pub(super) touched: Vec<FactDay>,
    pub(super) feed: Vec<FeedEntry>,
    pub(super) tables: Vec<TableChange>,
}

/// What was found to differ of the subject at hand.
#[derive(Default)]
pub(crate) struct Notes {
    pub(super) cells: Vec<IntervalDiff>,
    spans: Touched,
}

impl Notes {
    /// Adds differences in the order of time; one of an interval that differs already is joined with it.
    pub(super) fn add_cells(&mut self, found: Vec<IntervalDiff>) {
        for diff in found {
            match self.cells.last_mut() {
                Some(last) if last.start == diff.start => {
                    last.after = diff.after;
                    if last.before == last.after {
                        self.cells.pop();
                    }
                }
                _ => self.cells.push(diff),
            }
        }
    }
}

/// A fact from whose days something is derived.
pub(crate) trait Derives: Fact {
    /// How long it lasts, if it is a span with an end.
    fn length(&self) -> Millis {
        Millis::ZERO
    }

    /// Whether intervals are made of such facts.
    const COUNTED: bool;

    /// Notes how what is derived from the facts of some days differs; `beside` counts in intervals that reach out of them.
    fn derive(notes: &mut Notes, grid: &Grid, days: Vec<DayFacts<Self>>, beside: &[Self]) -> Result<()>;
}

/// The facts that start on one day, before and after.
pub(crate) struct DayFacts<F> {
    day: Day,
    old: Vec<F>,
    new: Vec<F>,
}

fn derive_cells<F: Counted>(notes: &mut Notes, grid: &Grid, days: &[DayFacts<F>], beside: &[F]) -> Result<()> {
    let mut cursor = grid.cursor();
    let mut all = |side: fn(&DayFacts<F>) -> &[F]| cells(beside.iter().chain(days.iter().flat_map(side)), &mut cursor);
    let (before, after) = (all(|day| &day.old)?, all(|day| &day.new)?);
    notes.add_cells(difference(&before, &after, &mut cursor));
    Ok(())
}

impl Derives for Contact {
    const COUNTED: bool = true;

    fn derive(notes: &mut Notes, grid: &Grid, days: Vec<DayFacts<Self>>, beside: &[Self]) -> Result<()> {
        derive_cells(notes, grid, &days, beside)
    }
}

impl Derives for IntervalRow {
    const COUNTED: bool = true;

    fn derive(notes: &mut Notes, grid: &Grid, days: Vec<DayFacts<Self>>, beside: &[Self]) -> Result<()> {
        derive_cells(notes, grid, &days, beside)
    }
}

impl Derives for Span {
    const COUNTED: bool = false;

    fn length(&self) -> Millis {
        self.end.map_or(Millis::ZERO, |end| end.since(self.start))
    }

    fn derive(notes: &mut Notes, _: &Grid, days: Vec<DayFacts<Self>>, _: &[Self]) -> Result<()> {
        days.into_iter().filter(|day| day.old != day.new).for_each(|day| notes.spans.note(day.day, day.old, day.new));
        Ok(())
    }
}

impl<'a> Job<'a> {
    pub(crate) fn new(transaction: &'a mut dyn Transaction, integration: u32, zone: &Zone, now: Timestamp) -> Self {
        Self {
            transaction,
            integration,
            zone: zone.clone(),
            now,
            layer: Layer::History,
            has_live: None,
            change: Change::default(),
            out: Vec::new(),
            out_bytes: 0,
            packed: Vec::new(),
            grids: HashMap::new(),
            notes: Notes::default(),
            touched: Vec::new(),
            feed: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// Writes what is still held back, and says what happened to the facts.
    pub(crate) async fn finish(mut self) -> Result<Change> {
        self.flush().await?;
        self.flush_feed().await?;
        Ok(self.change)
    }

    pub(crate) async fn lists<F: Derives>(
        &mut self,
        mut facts: Sorted<F>,
        scope: &Scope<'_>,
        ids: &[u32],
        subjects: &mut Subjects,
    ) -> Result<()> {
        if let Some((first, last)) = scope.first_last {
            self.fold(ids, day_of(first), day_of(last)).await?;
        }
        self.list(&mut facts, scope, ids, subjects, |_| {}).await
    }

    pub(crate) async fn statuses(
        &mut self,
        mut facts: Sorted<Span>,
        status_ids: &[u32],
        scope: &Scope<'_>,
        ids: &[u32],
        subjects: &mut Subjects,
    ) -> Result<()> {
        let rename = |span: &mut Span| span.status = status_ids[span.status as usize];
        self.list(&mut facts, scope, ids, subjects, rename).await
    }

    /// Applies what a list says about each of its subjects, some days at a time.
    async fn list<F: Derives>(
        &mut self,
        facts: &mut Sorted<F>,
        scope: &Scope<'_>,
        ids: &[u32],
        subjects: &mut Subjects,
        rename: impl Fn(&mut F),
    ) -> Result<()> {
        let Some((first, last)) = scope.first_last else { return Ok(()) };
        // The days of each subject, in parts of which each is read at once.
        let (mut parts, mut ranges) = (Vec::new(), Vec::new());
        for (index, &subject) in ids.iter().enumerate() {
            let mut by_day: BTreeMap<Day, Vec<Window>> = BTreeMap::new();
            for (day, piece) in scope.of(index).iter().flat_map(ListScope::pieces) {
                by_day.entry(day).or_default().push(piece);
            }
            let mut days: Vec<(Day, Vec<Window>)> = by_day.into_iter().collect();
            while let Some(from) = days.first().map(|(day, _)| *day) {
                let rest = days.split_off(days.len().min(CHUNKS_AT_ONCE));
                let to = days.last().map_or(from, |(day, _)| *day);
                ranges.push(ChunkRange { subject, layer: self.layer, from, to });
                parts.push((index, subject, days, rest.is_empty()));
                days = rest;
            }
        }
        let (mut parts, mut ranges) = (parts.into_iter(), ranges.as_slice());
        while !ranges.is_empty() {
            let (some, others) = ranges.split_at(together(ranges));
            ranges = others;
            let mut held = self.held(some).await?;
            for (index, id, days, is_last) in parts.by_ref().take(some.len()) {
                for (day, pieces) in days {
                    let mut new = Vec::new();
                    facts.take(u32::try_from(index).unwrap_or(u32::MAX), day_start(day + 1), &mut new)?;
                    new.iter_mut().for_each(&rename);
                    subjects.saw_all(id, &new);
                    let before = held.get_mut(&id).and_then(|days| days.remove(&day)).unwrap_or_default();
                    let mut chunk = decode(id, day, &before)?;
                    pieces.into_iter().for_each(|piece| apply_piece(&mut chunk, (first, last), piece, &new));
                    self.put_day(subjects, id, day, chunk, &before, new.len()).await?;
                }
                if is_last {
                    self.finish_subject(subjects, id).await?;
                }
            }
        }
        Ok(())
    }

    /// Applies ready-made rows, some days at a time.
    pub(crate) async fn rows(
        &mut self,
        mut facts: Sorted<IntervalRow>,
        ids: &[u32],
        subjects: &mut Subjects,
    ) -> Result<()> {
        let mut goes_on = false;
        while facts.peek().is_some() {
            // Rows of some days of a subject, as many subjects as are read at once; a subject that goes on is the last.
            let (mut parts, mut ranges) = (Vec::new(), Vec::new());
            while let Some((index, start)) = facts.peek()
                && together(&ranges) == ranges.len().max(1)
                && parts.last().is_none_or(|(_, _, is_last)| *is_last)
            {
                let (subject, first_day, mut rows) = (ids[index as usize], day_of(start), Vec::new());
                let is_near = |day: Day| day - first_day < 32;
                while facts.peek().is_some_and(|next| next.0 == index && is_near(day_of(next.1))) {
                    rows.extend(facts.next()?.map(|(_, row)| row));
                }
                subjects.saw_all(subject, &rows);
                let last_day = rows.last().map_or(first_day, |row| day_of(row.end()));
                let (from, to) = (first_day - 1, last_day + 1);
                ranges.push(ChunkRange { subject, layer: Layer::History, from, to });
                parts.push((subject, rows, facts.peek().is_none_or(|next| next.0 != index)));
            }
            if goes_on {
                // A day at the edge may be among those that wait to be written.
                self.flush().await?;
            }
            goes_on = parts.last().is_some_and(|(_, _, is_last)| !is_last);
            let mut held = self.held(&ranges).await?;
            for (id, rows, is_last) in parts {
                let before = held.remove(&id).unwrap_or_default();
                let mut chunks = decoded(id, &before)?;
                apply_rows(&mut chunks, &rows);
                self.put(subjects, id, chunks, before, rows.len()).await?;
                if is_last {
                    self.finish_subject(subjects, id).await?;
                }
            }
        }
        Ok(())
    }

    /// Applies a complete answer over a window: for every known subject and every new one. A read that began later has spoken
    /// for `newer`.
    pub(crate) async fn window<F: Derives>(
        &mut self,
        mut facts: Sorted<F>,
        window: Window,
        newer: &Coverage,
        ids: &[u32],
        subjects: &mut Subjects,
        rename: impl Fn(&mut F),
    ) -> Result<()> {
        let mut new: BTreeMap<u32, Vec<F>> = subjects.ids().map(|id| (id, Vec::new())).collect();
        while let Some((index, _)) = facts.peek() {
            let id = ids[index as usize];
            let of_subject = new.entry(id).or_default();
            let known = of_subject.len();
            facts.take(index, Timestamp::from_millis(i64::MAX), of_subject)?;
            of_subject.iter_mut().skip(known).for_each(&rename);
            subjects.saw_all(id, of_subject);
        }
        if F::COUNTED {
            let all: Vec<u32> = new.keys().copied().collect();
            let first = new.values().filter_map(|facts| facts.first()).map(Fact::start).fold(window.from(), Ord::min);
            self.fold(&all, day_of(first), day_of(window.to())).await?;
        }
        let range = |(id, facts): (&u32, &Vec<F>)| {
            let first = facts.first().map_or(window.from(), |fact| fact.start().min(window.from()));
            ChunkRange { subject: *id, layer: self.layer, from: day_of(first), to: day_of(window.to()) }
        };
        let ranges: Vec<ChunkRange> = new.iter().map(range).collect();
        let (mut new, mut ranges) = (new.into_iter(), ranges.as_slice());
        while !ranges.is_empty() {
            let (some, others) = ranges.split_at(together(ranges));
            ranges = others;
            let mut held = self.held(some).await?;
            for (id, facts) in new.by_ref().take(some.len()) {
                let before = held.remove(&id).unwrap_or_default();
                let mut chunks = decoded(id, &before)?;
                apply_window(&mut chunks, window, &facts, |at| newer.contains(at));
                self.put(subjects, id, chunks, before, facts.len()).await?;
                self.finish_subject(subjects, id).await?;
            }
        }
        Ok(())
    }

    /// Adds what a live source said about each agent.
    pub(crate) async fn live(&mut self, said: BTreeMap<u32, Vec<Span>>, agents: &Subjects) -> Result<()> {
        self.layer = Layer::Live;
        for (id, spans) in said {
            for (day, spans) in by_day(&spans) {
                let range = ChunkRange { subject: id, layer: self.layer, from: day, to: day };
                let before = self.held(&[range]).await?.remove(&id).unwrap_or_default();
                let mut chunks = decoded::<Span>(id, &before)?;
                let chunk = chunks.entry(day).or_insert_with(Chunk::new);
                spans.iter().for_each(|span| _ = chunk.upsert(*span));
                self.put(agents, id, chunks, before, spans.len()).await?;
            }
            self.finish_subject(agents, id).await?;
        }
        Ok(())
    }

    /// Puts the facts that another store holds on some days of a subject in place of those that are here: of each day all of them.
    pub(crate) async fn mirror<F: Derives>(
        &mut self,
        subjects: &Subjects,
        subject: u32,
        layer: Layer,
        days: BTreeMap<Day, Chunk<F>>,
    ) -> Result<()> {
        // Whether there is a live source is not known here, only what it said.
        (self.layer, self.has_live) = (layer, Some(true));
        let mut days = days.into_iter().peekable();
        while let Some((first, chunk)) = days.next() {
            let (mut chunks, mut last, mut stated) = (BTreeMap::from([(first, chunk)]), first, 0);
            while chunks.len() < CHUNKS_AT_ONCE
                && let Some((day, chunk)) = days.next_if(|next| i64::from(next.0) - i64::from(last) < 32)
            {
                last = day;
                stated += chunk.settled().len();
                chunks.insert(day, chunk);
            }
            let range = ChunkRange { subject, layer, from: first, to: last };
            let mut before = self.held(&[range]).await?.remove(&subject).unwrap_or_default();
            before.retain(|day, _| chunks.contains_key(day));
            self.put(subjects, subject, chunks, before, stated).await?;
        }
        Ok(())
    }

    /// The days of a range for which a chunk is kept.
    pub(crate) async fn days_between(&mut self, range: ChunkRange) -> Result<Vec<Day>> {
        self.flush().await?;
        Ok(self.transaction.chunks(&[range]).await?.into_iter().map(|chunk| chunk.day).collect())
    }

    /// Chunks as they are stored.
    pub(super) async fn held(&mut self, ranges: &[ChunkRange]) -> Result<Held> {
        let mut held = Held::new();
        for StoredChunk { subject, day, bytes, .. } in self.transaction.chunks(ranges).await? {
            held.entry(subject).or_default().insert(day, bytes);
        }
        Ok(held)
    }

    /// Notes what changed of one subject by so many stated facts, and writes the chunks that did.
    pub(super) async fn put<F: Derives>(
        &mut self,
        subjects: &Subjects,
        subject: u32,
        chunks: BTreeMap<Day, Chunk<F>>,
        mut before: BTreeMap<Day, Vec<u8>>,
        stated: usize,
    ) -> Result<()> {
        let mut days = Vec::with_capacity(chunks.len());
        let mut changed = 0;
        for (day, chunk) in chunks {
            if let Some((facts, change)) =
                self.change(subject, day, chunk, before.remove(&day).as_deref().unwrap_or_default())?
            {
                changed += change.added + change.replaced;
                days.push(facts);
            }
        }
        self.change.unchanged += (stated as u64).saturating_sub(changed);
        self.derive(subjects, subject, days).await?;
        self.flush_if_many().await
    }

    /// The same of one day.
    async fn put_day<F: Derives>(
        &mut self,
        subjects: &Subjects,
        subject: u32,
        day: Day,
        chunk: Chunk<F>,
        before: &[u8],
        stated: usize,
    ) -> Result<()> {
        let Some((facts, change)) = self.change(subject, day, chunk, before)? else {
            self.change.unchanged += stated as u64;
            return Ok(());
        };
        self.change.unchanged += (stated as u64).saturating_sub(change.added + change.replaced);
        self.derive(subjects, subject, vec![facts]).await?;
        self.flush_if_many().await
    }

    /// Notes a chunk that is not what it was, to be written; what it held before and holds now.
    fn change<F: Fact>(
        &mut self,
        subject: u32,
        day: Day,
        chunk: Chunk<F>,
        before: &[u8],
    ) -> Result<Option<(DayFacts<F>, Change)>> {
        if !chunk.is_touched() {
            return Ok(None);
        }
        self.packed.clear();
        if !chunk.is_empty() {
            chunk.encode(day, &mut self.packed);
        }
        if before == self.packed {
            return Ok(None);
        }
        let old = decode(subject, day, before)?;
        if old == chunk {
            // It was packed in another way.
            return Ok(None);
        }
        let (old, new) = (old.into_facts(), chunk.into_facts());
        let change = Change::between(&old, &new);
        self.change = self.change.plus(Change { unchanged: 0, ..change });
        let bytes = self.packed.as_slice().to_vec();
        self.write(StoredChunk { subject, layer: self.layer, day, bytes });
        self.touch(day);
        Ok(Some((DayFacts { day, old, new }, change)))
    }

    /// Notes that the facts of a day of the subject at hand are written.
    pub(super) fn touch(&mut self, day: Day) {
        let touched = FactDay { is_live: self.layer == Layer::Live, day };
        if self.touched.last() != Some(&touched) {
            self.touched.push(touched);
        }
    }

    /// Notes how what is derived from some days of a subject differs.
    async fn derive<F: Derives>(&mut self, subjects: &Subjects, subject: u32, days: Vec<DayFacts<F>>) -> Result<()> {
        let grid = self.grid(subjects.get(subject).map_or(0, |subject| subject.row_minutes));
        let mut runs: Vec<Vec<DayFacts<F>>> = Vec::new();
        for day in days {
            match runs.last_mut().filter(|run| run.last().is_some_and(|last| last.day + 1 == day.day)) {
                Some(run) => run.push(day),
                None => runs.push(vec![day]),
            }
        }
        for run in runs {
            let edges = run.first().zip(run.last()).map(|(first, last)| (first.day, last.day + 1));
            let mut beside = Vec::new();
            if let Some((first, end)) = edges.filter(|_| F::COUNTED) {
                for edge in [first, end] {
                    beside.extend(self.beside::<F>(subject, &grid, edge, edge == first).await?);
                }
            }
            F::derive(&mut self.notes, &grid, run, &beside)?;
        }
        if self.notes.cells.len() < CELLS_AT_ONCE {
            return Ok(());
        }
        // The last interval may reach into the next day.
        let last = self.notes.cells.pop();
        self.finish_cells(subject).await?;
        self.notes.cells.extend(last);
        Ok(())
    }

    /// The intervals of a queue with rows of that length, zero for one of contacts.
    pub(super) fn grid(&mut self, row_minutes: u32) -> Grid {
        let zone = &self.zone;
        self.grids.entry(row_minutes).or_insert_with(|| queue_grid(zone, row_minutes)).clone()
    }

    /// The facts on the far side of a midnight that count in the interval which it cuts, if it cuts one.
    async fn beside<F: Fact>(&mut self, subject: u32, grid: &Grid, day: Day, is_before: bool) -> Result<Vec<F>> {
        let midnight = day_start(day);
        let interval = grid.interval(midnight);
        if interval.from() == midnight {
            return Ok(Vec::new());
        }
        // Chunks of this import that were not written yet are part of it.
        self.flush().await?;
        let (day, far) = match is_before {
            true => (day - 1, Window::new(interval.from(), midnight)),
            false => (day, Window::new(midnight, interval.to())),
        };
        let held = self.held(&[ChunkRange { subject, layer: self.layer, from: day, to: day }]).await?.remove(&subject);
        let facts = decoded::<F>(subject, &held.unwrap_or_default())?.into_values().flat_map(Chunk::into_facts);
        Ok(facts.filter(|fact| far.as_ref().is_ok_and(|far| far.contains(fact.start()))).collect())
    }

    /// Hands over what was noted of a subject.
    pub(crate) async fn finish_subject(&mut self, subjects: &Subjects, subject: u32) -> Result<()> {
        self.finish_cells(subject).await?;
        let touched = std::mem::take(&mut self.notes.spans);
        if let Some(agent) = subjects.get(subject).filter(|_| !touched.is_empty()) {
            let has_live = self.has_live().await?;
            let changed = timeline_changes(self.transaction, agent, self.layer, &touched, has_live).await?;
            if !changed.is_empty() {
                let days = std::mem::take(&mut self.touched);
                self.enter(subject, FeedKind::Timeline, changed.len(), encode_timeline(&changed, &days));
            }
            if self.transaction.keeps_tables() {
                self.tables.extend(changed.into_iter().map(|diff| TableChange::Timeline {
                    agent: subject,
                    from: diff.from,
                    to: diff.to,
                    pieces: diff.after,
                }));
            }
        }
        let unnamed = std::mem::take(&mut self.touched);
        if !unnamed.is_empty() {
            self.enter(subject, FeedKind::Facts, 1, encode_days(&unnamed));
        }
        if self.feed.len() >= CHUNKS_AT_ONCE { self.flush_feed().await } else { Ok(()) }
    }

    /// Whether a live source may have said anything about agents of the integration.
    async fn has_live(&mut self) -> Result<bool> {
        if let Some(has_live) = self.has_live {
            return Ok(has_live);
        }
        let work = self.transaction.work(Some(self.integration)).await?;
        let has_live = self.layer == Layer::Live || work.iter().any(|work| work.lane == Lane::Live);
        self.has_live = Some(has_live);
        Ok(has_live)
    }

    async fn finish_cells(&mut self, subject: u32) -> Result<()> {
        let changed = std::mem::take(&mut self.notes.cells);
        if changed.is_empty() {
            return Ok(());
        }
        let days = std::mem::take(&mut self.touched);
        self.enter(subject, FeedKind::Intervals, changed.len(), encode_intervals(&changed, &days));
        if self.transaction.keeps_tables() {
            self.tables.extend(changed.into_iter().map(|diff| TableChange::Interval {
                queue: subject,
                start: diff.start,
                end: diff.end,
                measures: diff.after,
            }));
            self.flush_feed().await?;
        }
        Ok(())
    }

    pub(crate) fn enter(&mut self, subject: u32, kind: FeedKind, count: usize, bytes: Vec<u8>) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let (integration, at) = (self.integration, self.now);
        self.feed.push(FeedEntry { revision: 0, count, at, integration, subject, kind, bytes });
    }

    /// Keeps a chunk to be written with others.
    pub(super) fn write(&mut self, chunk: StoredChunk) {
        self.out_bytes += size_of::<StoredChunk>() + chunk.bytes.len();
        self.out.push(chunk);
    }

    pub(super) async fn flush_if_many(&mut self) -> Result<()> {
        if self.out_bytes >= BYTES_AT_ONCE { self.flush().await } else { Ok(()) }
    }

    pub(crate) async fn flush(&mut self) -> Result<()> {
        self.out_bytes = 0;
        let out = std::mem::take(&mut self.out);
        self.transaction.put_chunks(&out).await
    }

    async fn flush_feed(&mut self) -> Result<()> {
        let (feed, tables) = (std::mem::take(&mut self.feed), std::mem::take(&mut self.tables));
        self.transaction.add_feed(&feed).await?;
        self.transaction.put_tables(&tables).await
    }
}

/// The intervals of a queue: quarter hours, or those of its ready-made rows.
fn queue_grid(zone: &Zone, row_minutes: u32) -> Grid {
    Grid::new(zone, IntervalLength::from_minutes(row_minutes).unwrap_or(IntervalLength::MINUTES_15))
}

/// Chunks as they are stored, by subject and day.
pub(super) type Held = HashMap<u32, BTreeMap<Day, Vec<u8>>>;

/// The chunk of a day; one that is not stored holds nothing.
pub(super) fn decode<F: Fact>(subject: u32, day: Day, bytes: &[u8]) -> Result<Chunk<F>> {
    if bytes.is_empty() {
        return Ok(Chunk::new());
    }
    Chunk::decode(day, bytes).map_err(|Corrupt| corrupt(subject, day))
}

/// The chunks of a subject.
pub(super) fn decoded<F: Fact>(subject: u32, held: &BTreeMap<Day, Vec<u8>>) -> Result<BTreeMap<Day, Chunk<F>>> {
    held.iter().map(|(day, bytes)| Ok((*day, decode(subject, *day, bytes)?))).collect()
}

/// How many of these ranges are read at once: no more chunks than are written at once, but one range at least.
fn together(ranges: &[ChunkRange]) -> usize {
    let days = |range: &ChunkRange| usize::try_from(i64::from(range.to) - i64::from(range.from) + 1).unwrap_or(0);
    let mut sum = 0_usize;
    let fits = |range: &&ChunkRange| {
        sum = sum.saturating_add(days(range));
        sum <= CHUNKS_AT_ONCE
    };
    ranges.iter().take_while(fits).count().max(1)
}
