//! Status spans to time per agent, status and interval.

use std::collections::HashMap;

use injixo_model::{Millis, Span, StatusBatch, Timestamp};

use super::overlap::{ended, timeline};
use crate::zone::Grid;

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
    spans: Vec<Vec<Span>>,
}

/// The spans of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSpans {
    /// The external agent.
    pub agent: String,
    /// What the source said, sorted by start; of equal starts in the order in which it was said.
    pub spans: Vec<Span>,
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
}

impl StatusAggregator {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the spans of a batch.
    pub fn add(&mut self, batch: &StatusBatch) {
        let agents: Vec<u32> = batch.agents().iter().map(|agent| self.agents.index_of(agent)).collect();
        let statuses: Vec<u32> = batch.statuses().iter().map(|status| self.statuses.index_of(status)).collect();
        self.spans.resize_with(self.agents.names.len(), Vec::new);
        for (agent, span) in batch.rows() {
            let span = Span { status: statuses[span.status as usize], ..*span };
            self.spans[agents[*agent as usize] as usize].push(span);
        }
    }

    /// The agents sorted by name with their spans, and the names of the statuses.
    pub fn finish(self) -> (Vec<AgentSpans>, Vec<String>) {
        let agents = self.agents.names.into_iter().zip(self.spans);
        let mut agents: Vec<AgentSpans> = agents
            .map(|(agent, mut spans)| {
                crate::facts::Fact::settle(&mut spans);
                AgentSpans { agent, spans }
            })
            .collect();
        agents.sort_by(|a, b| a.agent.cmp(&b.agent));
        (agents, self.statuses.names)
    }
}

#[cfg(test)]
mod tests {
    use injixo_model::IntervalLength;

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
}
