//! Status spans to time per agent, status and interval.

use std::collections::{BTreeMap, HashMap};

use injixo_model::{Millis, Span, StatusBatch, Timestamp};

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
    spans: Vec<Vec<Packed>>,
    /// The ends that do not fit into a packed span.
    ends: Vec<Option<Timestamp>>,
    /// Where the agents and statuses of the batches that were added last stand, as far as they were looked up.
    known: (Vec<u32>, Vec<u32>),
}

/// A span in half the room.
#[derive(Debug, Clone, Copy)]
struct Packed {
    start: Timestamp,
    status: u32,
    /// How long it lasts in milliseconds; from [`ELSEWHERE`] on, the place of its end among the `ends`.
    lasts: u32,
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
    /// Sorted by name, with the place behind the last of their runs.
    agents: Vec<(String, usize)>,
    /// Sorted by name.
    statuses: Vec<String>,
    /// The statuses of the agents, with the place behind the last of their cells.
    runs: Vec<(u32, usize)>,
    cells: Vec<Cell>,
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
        self.spans.resize_with(self.agents.names.len(), Vec::new);
        for (agent, span) in batch.rows() {
            let packed = Packed::new(span.start, statuses[span.status as usize], span.end, &mut self.ends);
            self.spans[agents[*agent as usize] as usize].push(packed);
        }
    }

    /// How many agents were named.
    pub(crate) fn agents(&self) -> usize {
        self.agents.names.len()
    }

    /// The agents sorted by name with their spans, and the names of the statuses.
    pub fn finish(self) -> (Vec<AgentSpans>, Vec<String>) {
        let agents = self.agents.names.into_iter().zip(self.spans);
        let mut agents: Vec<AgentSpans> = agents
            .map(|(agent, spans)| {
                let mut spans: Vec<Span> = spans.iter().map(|span| span.span(&self.ends)).collect();
                crate::facts::Fact::settle(&mut spans);
                AgentSpans { agent, spans }
            })
            .collect();
        agents.sort_by(|a, b| a.agent.cmp(&b.agent));
        (agents, self.statuses.names)
    }

    /// How long the agents were in which status, by interval: what [`status_times`] says of each.
    pub fn times(
        self,
        grid: &Grid,
        overlap: Overlap,
        until: Option<Timestamp>,
        counts: impl Fn(&str) -> bool,
    ) -> StatusTable {
        let mut ranks: Vec<u32> = (0..).take(self.statuses.names.len()).collect();
        ranks.sort_by(|a, b| self.statuses.names[*a as usize].cmp(&self.statuses.names[*b as usize]));
        let mut splitter = Splitter {
            until,
            cursor: grid.cursor(),
            counts: self.statuses.names.iter().map(|name| counts(name)).collect(),
            by_status: vec![Vec::new(); ranks.len()],
        };
        let mut agents: Vec<(String, Vec<Packed>)> = self.agents.names.into_iter().zip(self.spans).collect();
        agents.sort_by(|a, b| a.0.cmp(&b.0));
        let mut table = StatusTable::default();
        // What is reserved and not written to takes no memory.
        table.cells.reserve(agents.iter().map(|(_, spans)| spans.len()).sum::<usize>() * 3);
        for (agent, mut spans) in agents {
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
            for (rank, status) in (0..).zip(&ranks) {
                splitter.take(*status, rank, &mut table);
            }
            table.agents.push((agent, table.runs.len()));
        }
        table.statuses = ranks.iter().map(|status| self.statuses.names[*status as usize].clone()).collect();
        table
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

    /// Moves the pieces of a status to the table, one of each interval, sorted by start.
    fn take(&mut self, status: u32, rank: u32, table: &mut StatusTable) {
        let pieces = &mut self.by_status[status as usize];
        if pieces.is_empty() {
            return;
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
        let StatusTable { cells, large, runs, .. } = table;
        for (start, millis) in pieces.drain(..) {
            let small = u32::try_from(millis).unwrap_or(u32::MAX);
            if small == u32::MAX {
                large.insert(cells.len(), millis);
            }
            cells.push(Cell { start, millis: small });
        }
        runs.push((rank, cells.len()));
    }
}

fn seconds(start: Timestamp) -> u32 {
    // Supported instants end in 2100, intervals begin on whole seconds: both fit.
    u32::try_from(start.millis() / 1_000).unwrap_or(u32::MAX)
}

impl StatusTable {
    /// The agents, sorted by name, with their time sorted by status and start.
    pub fn agents(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = StatusTime>)> {
        let mut next = 0;
        self.agents.iter().map(move |(agent, end)| {
            let runs = std::mem::replace(&mut next, *end)..*end;
            (agent.as_str(), runs.flat_map(|run| self.run(run)))
        })
    }

    /// The time of one agent in one status.
    fn run(&self, run: usize) -> impl Iterator<Item = StatusTime> {
        let (status, end) = self.runs[run];
        let from = run.checked_sub(1).map_or(0, |before| self.runs[before].1);
        (from..end).map(move |place| {
            let Cell { start, millis } = self.cells[place];
            let millis =
                if millis == u32::MAX { self.large.get(&place).copied() } else { None }.unwrap_or(millis.into());
            let (start, time) = (Timestamp::from_secs(start.into()), Millis::new(millis.cast_signed()));
            StatusTime { status, start, time }
        })
    }

    /// The names of the statuses, sorted: a [`StatusTime::status`] is an index into them.
    pub fn statuses(&self) -> &[String] {
        &self.statuses
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
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
        ) {
            let overlap = if is_both { Overlap::Both } else { Overlap::Shortest };
            // Across a clock change of half an hour, at which intervals of an hour are cut.
            let from: Timestamp = "2024-04-06T00:00:00Z".parse().unwrap();
            let at = |minutes: i64| from.after(Millis::from_mins(minutes));
            let zone = Zone::new("Australia/Lord_Howe").unwrap();
            let grid = Grid::new(&zone, if is_both { IntervalLength::MINUTES_60 } else { IntervalLength::MINUTES_15 });
            let until = until.map(at);
            let collect = || {
                let mut aggregator = StatusAggregator::new();
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
                    aggregator.add(&batch);
                }
                aggregator
            };
            let (agents, statuses) = collect().finish();
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
            let table = collect().times(&grid, overlap, until, |status| status != "off");
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
