//! Status spans to time per agent, status and interval.

use std::collections::{BTreeMap, HashMap};

use injixo_model::{Millis, Span, StatusBatch, Timestamp};

use super::arena::{Arena, Item, List, Pieces, both, two};
use super::overlap::{Ended, FOREVER, ended, stretches, timeline};
use crate::zone::{Grid, GridCursor};

/// What overlapping spans of one agent count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// The time of the timeline: at any instant the shortest span that covers it.
    #[default]
    Shortest,
    /// The plain sum: every span counts whole.
    Both,
}

/// The time that an agent spent in a status within one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusTime {
    /// The status, as an index into the dictionary that came with the spans.
    pub status: u32,
    /// When the interval starts.
    pub start: Timestamp,
    /// How long the status lasted within it.
    pub time: Millis,
}

/// The time per status and interval of one agent, sorted by status and start.
///
/// A span that neither its own end nor a later row ends counts up to `until`, and not at all without it. Statuses for
/// which `counts` says no take their place on the timeline, but their time is not counted: those that mean logged off.
pub fn status_times(
    spans: &[Span],
    grid: &Grid,
    overlap: Overlap,
    until: Option<Timestamp>,
    counts: impl Fn(u32) -> bool,
) -> Vec<StatusTime> {
    let pieces = match overlap {
        Overlap::Shortest => timeline(spans),
        Overlap::Both => ended(spans),
    };
    let mut cursor = grid.cursor();
    let mut times: Vec<StatusTime> = Vec::new();
    for piece in pieces {
        let Some(end) = piece.end.or(until).filter(|_| counts(piece.status)) else { continue };
        let mut from = piece.start;
        while from < end {
            let interval = cursor.interval(from);
            let to = interval.to().min(end);
            times.push(StatusTime { status: piece.status, start: interval.from(), time: to.since(from) });
            from = to;
        }
    }
    times.sort_unstable();
    times.dedup_by(|time, sum| {
        let is_same = (time.status, time.start) == (sum.status, sum.start);
        if is_same {
            sum.time = sum.time.plus(time.time);
        }
        is_same
    });
    times
}

/// Collects the spans of any number of agents, without a store.
#[derive(Debug, Default)]
pub struct StatusAggregator {
    agents: Names,
    statuses: Names,
    arena: Arena,
    /// By agent.
    spans: Vec<List<Packed>>,
    /// The ends that do not fit into a packed span.
    ends: Vec<Option<Timestamp>>,
    /// What was said before all that.
    before: Vec<Said>,
    /// Where the agents and statuses of the batches that were added last stand, as far as they were looked up.
    known: (Vec<u32>, Vec<u32>),
    threads: usize,
}

/// Spans that were collected elsewhere.
#[derive(Debug)]
struct Said {
    /// By agent, as far as they were known.
    spans: Vec<Pieces<Packed>>,
    /// What its statuses are called here, where that is something else.
    statuses: Option<Vec<u32>>,
    /// Where the first of its ends stands here.
    ends: u32,
}

/// A span in half the room.
#[derive(Debug, Clone, Copy)]
struct Packed {
    start: Timestamp,
    status: u32,
    /// How long it lasts in milliseconds; from [`ELSEWHERE`] on, the place of its end among the `ends`.
    lasts: u32,
}

impl Item for Packed {
    const WORDS: usize = 2;

    #[inline]
    fn write(&self, words: &mut [u64]) {
        words.copy_from_slice(&[self.start.millis().cast_unsigned(), two(self.status, self.lasts)]);
    }

    #[inline]
    fn read(words: &[u64]) -> Self {
        let [status, lasts] = both(words[1]);
        Self { start: Timestamp::from_millis(words[0].cast_signed()), status, lasts }
    }
}

/// Spans of up to 24 days hold their end themselves.
const ELSEWHERE: u32 = 1 << 31;

impl Packed {
    #[inline]
    fn new(start: Timestamp, status: u32, end: Option<Timestamp>, ends: &mut Vec<Option<Timestamp>>) -> Self {
        let lasts = end.and_then(|end| u32::try_from(end.since(start).get()).ok()).filter(|lasts| *lasts < ELSEWHERE);
        let lasts = lasts.unwrap_or_else(|| {
            ends.push(end);
            // Two thousand million such spans do not fit into memory.
            ELSEWHERE | u32::try_from(ends.len() - 1).unwrap_or(0)
        });
        Self { start, status, lasts }
    }

    #[inline]
    fn end(&self, ends: &[Option<Timestamp>]) -> Option<Timestamp> {
        match self.lasts {
            ..ELSEWHERE => Some(self.start.after(Millis::new(i64::from(self.lasts)))),
            ELSEWHERE.. => ends[(self.lasts - ELSEWHERE) as usize],
        }
    }

    fn span(&self, ends: &[Option<Timestamp>]) -> Span {
        Span { start: self.start, status: self.status, end: self.end(ends) }
    }
}

/// The spans of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSpans {
    /// The external agent.
    pub agent: String,
    /// What the source said, sorted by start; of equal starts in the order in which it was said.
    pub spans: Vec<Span>,
}

/// How long agents were in which status, by interval.
#[derive(Debug, Clone, Default)]
pub struct StatusTable {
    /// Of successive agents.
    parts: Vec<Part>,
    /// Sorted by name.
    statuses: Vec<String>,
}

/// What one thread found.
#[derive(Debug, Clone, Default)]
struct Part {
    /// Sorted by name, with the place behind the last of their runs.
    agents: Vec<(String, usize)>,
    /// The statuses of the agents, with the place behind the last of their cells.
    runs: Vec<(u32, usize)>,
    cells: Pieces<Cell>,
    /// Milliseconds that do not fit into a cell, by its place.
    large: BTreeMap<usize, u64>,
}

/// The time of one agent in one status within one interval.
#[derive(Debug, Clone, Copy)]
struct Cell {
    start: u32,
    /// [`u32::MAX`] where they are among the large ones.
    millis: u32,
}

impl Item for Cell {
    const WORDS: usize = 1;

    #[inline]
    fn write(&self, words: &mut [u64]) {
        words[0] = two(self.start, self.millis);
    }

    #[inline]
    fn read(words: &[u64]) -> Self {
        let [start, millis] = both(words[0]);
        Self { start, millis }
    }
}

#[derive(Debug, Default)]
struct Names {
    index: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn index_of(&mut self, name: &str) -> u32 {
        if let Some(&index) = self.index.get(name) {
            return index;
        }
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.index.insert(name.to_owned(), index);
        self.names.push(name.to_owned());
        index
    }

    /// Looks up the names of a batch that are not known yet.
    fn look_up(&mut self, names: &[String], known: &mut Vec<u32>) {
        known.extend(names[known.len()..].iter().map(|name| self.index_of(name)));
    }
}

impl StatusAggregator {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the spans of a batch.
    pub fn add(&mut self, batch: &StatusBatch) {
        self.known = (Vec::new(), Vec::new());
        self.add_more(batch);
    }

    /// The same for a batch whose dictionaries begin with those of the batch before.
    pub(crate) fn add_more(&mut self, batch: &StatusBatch) {
        let (agents, statuses) = &mut self.known;
        self.agents.look_up(batch.agents(), agents);
        self.statuses.look_up(batch.statuses(), statuses);
        self.spans.resize_with(self.agents.names.len(), List::new);
        for (agent, span) in batch.rows() {
            let packed = Packed::new(span.start, statuses[span.status as usize], span.end, &mut self.ends);
            self.spans[agents[*agent as usize] as usize].push(packed, &mut self.arena);
        }
    }

    /// The same with the work of [`times`](Self::times) on so many threads.
    #[must_use]
    pub fn on_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// The spans of both, those of `other` said later.
    #[must_use]
    pub fn plus(mut self, mut other: Self) -> Self {
        self.freeze();
        other.freeze();
        let agents: Vec<u32> = other.agents.names.iter().map(|name| self.agents.index_of(name)).collect();
        let statuses: Vec<u32> = other.statuses.names.iter().map(|name| self.statuses.index_of(name)).collect();
        let ends = self.ends.len();
        self.ends.append(&mut other.ends);
        for said in other.before {
            let mut spans = vec![Pieces::default(); self.agents.names.len()];
            for (agent, pieces) in agents.iter().zip(said.spans) {
                spans[*agent as usize] = pieces;
            }
            self.before.push(Said {
                spans,
                statuses: Some(match said.statuses {
                    Some(theirs) => theirs.iter().map(|status| statuses[*status as usize]).collect(),
                    None => statuses.clone(),
                }),
                ends: said.ends + u32::try_from(ends).unwrap_or(0),
            });
        }
        self
    }

    /// Lays what was collected to what was said before.
    fn freeze(&mut self) {
        let arena = std::mem::take(&mut self.arena).freeze();
        let spans = std::mem::take(&mut self.spans);
        self.before.push(Said {
            spans: spans.iter().map(|list| arena.pieces(list)).collect(),
            statuses: None,
            ends: 0,
        });
    }

    /// How many agents were named.
    pub(crate) fn agents(&self) -> usize {
        self.agents.names.len()
    }

    /// The agents sorted by name with their spans, and the names of the statuses.
    pub fn finish(mut self) -> (Vec<AgentSpans>, Vec<String>) {
        self.freeze();
        let mut packed = Vec::new();
        let mut agents: Vec<AgentSpans> = (0..)
            .zip(&self.agents.names)
            .map(|(agent, name)| {
                self.collect(agent, &mut packed);
                let mut spans: Vec<Span> = packed.iter().map(|span| span.span(&self.ends)).collect();
                crate::facts::Fact::settle(&mut spans);
                AgentSpans { agent: name.clone(), spans }
            })
            .collect();
        agents.sort_by(|a, b| a.agent.cmp(&b.agent));
        (agents, self.statuses.names)
    }

    /// The spans of an agent in the order in which they were said.
    fn collect(&self, agent: usize, spans: &mut Vec<Packed>) {
        spans.clear();
        for said in &self.before {
            let Some(pieces) = said.spans.get(agent) else { continue };
            let from = spans.len();
            pieces
                .words()
                .for_each(|words| spans.extend(words.as_chunks::<2>().0.iter().map(|span| Packed::read(span))));
            if let Some(statuses) = &said.statuses {
                for span in &mut spans[from..] {
                    span.status = statuses[span.status as usize];
                    span.lasts += if span.lasts < ELSEWHERE { 0 } else { said.ends };
                }
            }
        }
    }

    /// How long the agents were in which status, by interval: what [`status_times`] says of each.
    pub fn times(
        mut self,
        grid: &Grid,
        overlap: Overlap,
        until: Option<Timestamp>,
        counts: impl Fn(&str) -> bool,
    ) -> StatusTable {
        self.freeze();
        let names = &self.statuses.names;
        let mut ranks: Vec<u32> = (0..).take(names.len()).collect();
        ranks.sort_by(|a, b| names[*a as usize].cmp(&names[*b as usize]));
        let counts: Vec<bool> = names.iter().map(|name| counts(name)).collect();
        let mut agents: Vec<(&str, usize)> = self.agents.names.iter().map(String::as_str).zip(0..).collect();
        agents.sort_unstable();
        let part = |agents: &[(&str, usize)]| {
            let cursor = grid.cursor();
            let by_status = vec![Vec::new(); ranks.len()];
            self.part(agents, &ranks, overlap, Splitter { until, cursor, counts: counts.clone(), by_status })
        };
        let parts = in_threads(&agents, self.threads, part);
        StatusTable { parts, statuses: ranks.iter().map(|status| names[*status as usize].clone()).collect() }
    }

    /// The times of some agents.
    fn part(&self, agents: &[(&str, usize)], ranks: &[u32], overlap: Overlap, mut splitter: Splitter) -> Part {
        let (mut part, mut cells, mut arena) = (Part::default(), Cells::new(), Arena::default());
        let mut spans = Vec::new();
        for (name, agent) in agents {
            self.collect(*agent, &mut spans);
            spans.sort_by_key(|span| span.start);
            // Where two spans start at once, which of them counts is settled as everywhere.
            let are_settled = spans.is_sorted_by(|a, b| a.start < b.start);
            if are_settled {
                match overlap {
                    Overlap::Both => splitter.add_all(&spans, &self.ends),
                    Overlap::Shortest => splitter.add_timeline(&spans, &self.ends),
                }
            } else {
                let mut all: Vec<Span> = spans.iter().map(|span| span.span(&self.ends)).collect();
                all = if overlap == Overlap::Both { ended(&all) } else { timeline(&all) };
                all.iter().for_each(|span| splitter.add(span.start, span.status, span.end));
            }
            for (rank, status) in (0..).zip(ranks) {
                if splitter.take(*status, &mut cells, &mut part.large, &mut arena) {
                    part.runs.push((rank, cells.len));
                }
            }
            part.agents.push(((*name).to_owned(), part.runs.len()));
        }
        cells.keep(&mut arena);
        cells.list.close(&mut arena);
        part.cells = arena.freeze().pieces(&cells.list);
        part
    }
}

/// What `work` says of equal shares, in their order, each on a thread of its own but the first.
fn in_threads<S: Sync, T: Send>(all: &[S], threads: usize, work: impl Fn(&[S]) -> T + Sync) -> Vec<T> {
    let (first, others) = all.split_at(all.len().div_ceil(threads.max(1)));
    std::thread::scope(|scope| {
        let work = &work;
        let others = others.chunks(first.len().max(1)).map(|share| scope.spawn(move || work(share)));
        let others: Vec<_> = others.collect();
        let said = |thread: std::thread::ScopedJoinHandle<'_, T>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        std::iter::once(work(first)).chain(others.into_iter().map(said)).collect()
    })
}

/// Cells that grow.
struct Cells {
    list: List<Cell>,
    /// How many are in the list.
    full: usize,
    /// Those behind it, as words.
    some: Vec<u64>,
    len: usize,
}

/// So many cells go to the list at once.
const SOME: usize = 512;

impl Cells {
    fn new() -> Self {
        Self { list: List::new(), full: 0, some: Vec::new(), len: 0 }
    }

    fn keep(&mut self, arena: &mut Arena) {
        self.list.extend_from_words(&self.some, arena);
        self.full = self.len;
        self.some.clear();
    }
}

/// Splits the spans of one agent at the edges of intervals.
struct Splitter {
    until: Option<Timestamp>,
    cursor: GridCursor,
    counts: Vec<bool>,
    /// Start in seconds and milliseconds of the pieces of each status, pieces of one interval put together where they follow each other.
    by_status: Vec<Vec<(u32, u64)>>,
}

impl Splitter {
    /// Adds spans of which each starts later than the one before; those without an end last until the next one starts.
    fn add_all(&mut self, spans: &[Packed], ends: &[Option<Timestamp>]) {
        for (index, span) in spans.iter().enumerate() {
            let next = || spans.get(index + 1).map(|next| next.start);
            self.add(span.start, span.status, span.end(ends).or_else(next));
        }
    }

    /// Adds the timeline of such spans. Where no span reaches into another it is the spans themselves; those that do are a timeline by
    /// themselves.
    fn add_timeline(&mut self, spans: &[Packed], ends: &[Option<Timestamp>]) {
        let end_of = |place: usize| {
            let next = || spans.get(place + 1).map(|next| next.start);
            spans[place].end(ends).or_else(next).unwrap_or(FOREVER)
        };
        let (mut from, mut reach) = (0, Timestamp::MIN);
        // Stretches of one status that touch are one, so that one without an end is open from its very beginning.
        let mut last: Option<Span> = None;
        let mut push = |stretch: Span| match &mut last {
            Some(last) if last.end == Some(stretch.start) && last.status == stretch.status => last.end = stretch.end,
            _ => {
                if let Some(whole) = last.replace(stretch) {
                    self.add(whole.start, whole.status, whole.end);
                }
            }
        };
        for next in 0..=spans.len() {
            if next > from && spans.get(next).is_none_or(|next| next.start >= reach) {
                let ended = |end: Timestamp| (end != FOREVER).then_some(end);
                if let [Packed { start, status, .. }] = spans[from..next] {
                    // One of no length takes no time.
                    if start < reach {
                        push(Span { start, status, end: ended(reach) });
                    }
                } else {
                    let all = (from..next).map(|place| Ended {
                        span: spans[place].span(ends),
                        end: end_of(place),
                        is_open: spans[place].end(ends).is_none(),
                    });
                    stretches(&all.collect::<Vec<_>>()).into_iter().for_each(&mut push);
                }
                (from, reach) = (next, Timestamp::MIN);
            }
            if next < spans.len() {
                reach = reach.max(end_of(next));
            }
        }
        if let Some(last) = last {
            self.add(last.start, last.status, last.end);
        }
    }

    #[inline]
    fn add(&mut self, start: Timestamp, status: u32, end: Option<Timestamp>) {
        let Some(end) = end.or(self.until).filter(|_| self.counts[status as usize]) else { return };
        let pieces = &mut self.by_status[status as usize];
        let (mut from, end) = (start.millis(), end.millis());
        let (mut start, mut next) = self.cursor.interval_seconds(seconds(start));
        while from < end {
            let to = (i64::from(next) * 1_000).min(end);
            if to <= from {
                // Beyond all supported time there are no intervals.
                break;
            }
            let millis = (to - from).unsigned_abs();
            match pieces.last_mut() {
                Some((last, sum)) if *last == start => *sum += millis,
                _ => pieces.push((start, millis)),
            }
            if to == end {
                break;
            }
            from = to;
            (start, next) = self.cursor.interval_seconds(next);
        }
    }

    /// Moves the pieces of a status to the cells, one of each interval, sorted by start; `false` where there is none.
    fn take(&mut self, status: u32, cells: &mut Cells, large: &mut BTreeMap<usize, u64>, arena: &mut Arena) -> bool {
        let pieces = &mut self.by_status[status as usize];
        if pieces.is_empty() {
            return false;
        }
        if !pieces.is_sorted_by(|a, b| a.0 < b.0) {
            pieces.sort_unstable();
            pieces.dedup_by(|(start, millis), (held, sum)| {
                let is_same = start == held;
                if is_same {
                    *sum += *millis;
                }
                is_same
            });
        }
        for (place, (start, millis)) in (cells.len..).zip(pieces.drain(..)) {
            let small = u32::try_from(millis).unwrap_or(u32::MAX);
            if small == u32::MAX {
                large.insert(place, millis);
            }
            cells.some.push(two(start, small));
        }
        cells.len = cells.full + cells.some.len();
        if cells.some.len() >= SOME {
            cells.keep(arena);
        }
        true
    }
}

fn seconds(start: Timestamp) -> u32 {
    // Supported instants end in 2100, intervals begin on whole seconds: both fit.
    u32::try_from(start.millis() / 1_000).unwrap_or(u32::MAX)
}

impl StatusTable {
    /// The agents, sorted by name, with their time sorted by status and start.
    pub fn agents(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = StatusTime>)> {
        self.parts.iter().flat_map(|part| {
            let mut next = 0;
            part.agents.iter().map(move |(agent, end)| {
                let runs = std::mem::replace(&mut next, *end)..*end;
                (agent.as_str(), runs.flat_map(|run| part.run(run)))
            })
        })
    }

    /// The names of the statuses, sorted: a [`StatusTime::status`] is an index into them.
    pub fn statuses(&self) -> &[String] {
        &self.statuses
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.cells.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Part {
    /// The time of one agent in one status.
    fn run(&self, run: usize) -> impl Iterator<Item = StatusTime> {
        let (status, end) = self.runs[run];
        let from = run.checked_sub(1).map_or(0, |before| self.runs[before].1);
        (from..end).zip(self.cells.iter_from(from)).map(move |(place, Cell { start, millis })| {
            let millis =
                if millis == u32::MAX { self.large.get(&place).copied() } else { None }.unwrap_or(millis.into());
            let (start, time) = (Timestamp::from_secs(start.into()), Millis::new(millis.cast_signed()));
            StatusTime { status, start, time }
        })
    }
}

#[cfg(test)]
mod tests {
    use injixo_model::IntervalLength;
    use proptest::prelude::*;

    use super::*;
    use crate::zone::Zone;

    fn at(clock: &str) -> Timestamp {
        format!("2024-05-01T{clock}:00Z").parse().unwrap()
    }

    fn span(status: u32, from: &str, to: &str) -> Span {
        Span { start: at(from), status, end: (!to.is_empty()).then(|| at(to)) }
    }

    fn lines(times: &[StatusTime]) -> Vec<String> {
        let line = |time: &StatusTime| format!("{} {} {}", time.status, &time.start.to_string()[11..16], time.time);
        times.iter().map(line).collect()
    }

    #[test]
    fn overlapping_time_counts_once_or_twice() {
        let spans = [span(1, "08:50", "09:10"), span(2, "09:05", "09:20")];
        let grid = Grid::new(&Zone::utc(), IntervalLength::MINUTES_15);
        let times = |overlap| lines(&status_times(&spans, &grid, overlap, None, |_| true));
        assert_eq!(times(Overlap::Shortest), ["1 08:45 600", "1 09:00 300", "2 09:00 600", "2 09:15 300"]);
        assert_eq!(times(Overlap::Both), ["1 08:45 600", "1 09:00 600", "2 09:00 600", "2 09:15 300"]);
    }

    #[test]
    fn an_open_span_counts_as_far_as_the_reader_says() {
        let spans = [span(1, "08:00", ""), span(2, "08:05", "")];
        let grid = Grid::new(&Zone::utc(), IntervalLength::MINUTES_15);
        let times =
            |until: Option<&str>| lines(&status_times(&spans, &grid, Overlap::Shortest, until.map(at), |_| true));
        assert_eq!(times(None), ["1 08:00 300"]);
        assert_eq!(times(Some("08:20")), ["1 08:00 300", "2 08:00 600", "2 08:15 300"]);
        assert_eq!(times(Some("07:00")), ["1 08:00 300"]);
    }

    #[test]
    fn logged_off_takes_its_place_and_is_not_counted() {
        let spans = [span(1, "08:00", "08:10"), span(9, "08:02", "08:04"), span(1, "08:20", "08:21")];
        let grid = Grid::new(&Zone::utc(), IntervalLength::MINUTES_15);
        let times = status_times(&spans, &grid, Overlap::Shortest, None, |status| status != 9);
        assert_eq!(lines(&times), ["1 08:00 480", "1 08:15 60"]);
    }

    #[test]
    fn batches_with_dictionaries_of_their_own_come_together() {
        let mut aggregator = StatusAggregator::new();
        for (agents, statuses) in [(["amy", "bob"], ["Ready", "Break"]), (["bob", "amy"], ["Break", "Ready"])] {
            let mut batch = StatusBatch::new();
            let agents = agents.map(|agent| batch.add_agent(agent));
            let statuses = statuses.map(|status| batch.add_status(status));
            let hour = if batch.agents()[0] == "amy" { "08:00" } else { "09:00" };
            batch.push(agents[0], span(statuses[0], hour, ""));
            aggregator.add(&batch);
        }
        let (agents, statuses) = aggregator.finish();
        let seen: Vec<(&str, &str)> = agents
            .iter()
            .map(|agent| (agent.agent.as_str(), statuses[agent.spans[0].status as usize].as_str()))
            .collect();
        assert_eq!(seen, [("amy", "Ready"), ("bob", "Break")]);
    }

    /// Agent, status, start and length in minutes.
    fn any_row() -> impl Strategy<Value = (u8, u8, i64, Option<i64>)> {
        (0..3_u8, 0..4_u8, 0..3_000_i64, prop::option::of(0..200_i64))
    }

    #[test]
    fn a_span_without_bounds_comes_to_an_end() {
        let mut batch = StatusBatch::new();
        let (agent, status) = (batch.add_agent("amy"), batch.add_status("Ready"));
        let end = Some(Timestamp::from_millis(i64::MAX));
        batch.push(agent, Span { start: at("00:00"), status, end });
        let mut aggregator = StatusAggregator::new();
        aggregator.add(&batch);
        let table = aggregator.times(&Grid::new(&Zone::utc(), IntervalLength::DAY), Overlap::Both, None, |_| true);
        assert!(table.len() > 70 * 365);
    }

    #[test]
    fn time_beyond_a_narrow_cell_is_exact() {
        let mut batch = StatusBatch::new();
        let (agent, status) = (batch.add_agent("amy"), batch.add_status("Ready"));
        let (start, day) = (at("00:00"), Millis::from_mins(24 * 60));
        // Sixty spans of a day and a bit, each of which starts a second later.
        for second in 0..60 {
            let start = start.after(Millis::from_secs(second));
            batch.push(agent, Span { start, status, end: Some(start.after(day).after(day)) });
        }
        let mut aggregator = StatusAggregator::new();
        aggregator.add(&batch);
        let table = aggregator.times(&Grid::new(&Zone::utc(), IntervalLength::DAY), Overlap::Both, None, |_| true);
        let (_, times) = table.agents().next().unwrap();
        let times: Vec<i64> = times.map(|time| time.time.get() / 1_000).collect();
        // 0 + 1 + … + 59 seconds are missing on the first day and stand on the third.
        assert_eq!(times, [60 * 86_400 - 1_770, 60 * 86_400, 1_770]);
    }

    proptest! {
        /// All agents at once say what each says by itself.
        #[test]
        fn the_table_holds_what_is_said_of_each_agent(
            rows in prop::collection::vec(any_row(), 0..60),
            is_both: bool,
            until in prop::option::of(0..3_000_i64),
            cut in 0..60_usize,
            threads in 1..4_usize,
        ) {
            let overlap = if is_both { Overlap::Both } else { Overlap::Shortest };
            // Across a clock change of half an hour, at which intervals of an hour are cut.
            let from: Timestamp = "2024-04-06T00:00:00Z".parse().unwrap();
            let at = |minutes: i64| from.after(Millis::from_mins(minutes));
            let zone = Zone::new("Australia/Lord_Howe").unwrap();
            let grid = Grid::new(&zone, if is_both { IntervalLength::MINUTES_60 } else { IntervalLength::MINUTES_15 });
            let until = until.map(at);
            let collect = |is_apart: bool| {
                let mut aggregator = StatusAggregator::new().on_threads(threads);
                for part in [&rows[..cut.min(rows.len())], &rows[cut.min(rows.len())..]] {
                    let mut batch = StatusBatch::new();
                    for &(agent, status, start, lasted) in part {
                        let find = |names: &[String], name: &str| names.iter().position(|held| held == name);
                        let agent = agent.to_string();
                        let agent = match find(batch.agents(), &agent) {
                            Some(index) => u32::try_from(index).unwrap(),
                            None => batch.add_agent(agent),
                        };
                        let status = ["b", "off", "a", "c"][usize::from(status)];
                        let status = match find(batch.statuses(), status) {
                            Some(index) => u32::try_from(index).unwrap(),
                            None => batch.add_status(status),
                        };
                        batch.push(agent, Span { start: at(start), status, end: lasted.map(|lasted| at(start + lasted)) });
                    }
                    if is_apart {
                        let mut other = StatusAggregator::new();
                        other.add(&batch);
                        aggregator = aggregator.plus(other);
                    } else {
                        aggregator.add(&batch);
                    }
                }
                aggregator
            };
            let (agents, statuses) = collect(false).finish();
            prop_assert_eq!(&collect(true).finish(), &(agents.clone(), statuses.clone()));
            let mut expected = Vec::new();
            for AgentSpans { agent, spans } in agents {
                let times = status_times(&spans, &grid, overlap, until, |status| statuses[status as usize] != "off");
                let mut times: Vec<_> = times
                    .into_iter()
                    .map(|time| (agent.clone(), statuses[time.status as usize].clone(), time.start, time.time))
                    .collect();
                times.sort();
                expected.extend(times);
            }
            let table = collect(cut % 2 == 0).times(&grid, overlap, until, |status| status != "off");
            let found: Vec<_> = table
                .agents()
                .flat_map(|(agent, times)| {
                    let name = |time: StatusTime| table.statuses()[time.status as usize].clone();
                    times.map(move |time| (agent.to_owned(), name(time), time.start, time.time))
                })
                .collect();
            prop_assert_eq!(table.len(), found.len());
            prop_assert_eq!(found, expected);
        }
    }
}
