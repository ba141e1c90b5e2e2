use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use injixo_connectors::core::aggregate::{self, IntervalTable, Overlap, StatusTable};
use injixo_connectors::core::model::{IntervalLength, Measures, Millis, QueueKey, Span, Timestamp, Window};
use injixo_connectors::core::zone::{Grid, Zone};
use injixo_connectors::core::{Error, Fill, Runtime};

use crate::table::{Instants, field, quoted, write_number};

/// Why a table could not be written.
#[derive(Debug)]
pub enum TableError {
    /// The store could not be read.
    Store(Error),
    /// The table could not be written.
    Io(io::Error),
}

impl std::fmt::Display for TableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TableError {}

impl From<Error> for TableError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for TableError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes the intervals of an integration: `queue,channel,start,offered,handled,handle_time`, those that start in `window` if there
/// is one.
///
/// # Errors
///
/// Those of the store and of the writer.
pub async fn write_intervals(
    runtime: &Runtime,
    name: &str,
    (length, fill, zone): (Option<IntervalLength>, Fill, &Zone),
    window: Option<Window>,
    out: &mut impl Write,
) -> Result<(), TableError> {
    let mut query = runtime.intervals(name).fill(fill).zone(zone.clone());
    if let Some(length) = length {
        query = query.every(length);
    }
    let mut reader = query.open().await?;
    let mut lines = IntervalLines::begin(out)?;
    while let Some(intervals) = reader.next().await? {
        for interval in intervals {
            if window.is_none_or(|window| window.contains(interval.start)) {
                lines.write(&interval.queue, interval.start, &interval.measures, out)?;
            }
        }
    }
    Ok(())
}

/// Writes intervals as [`write_intervals`] does, those that start in `window` if there is one.
///
/// # Errors
///
/// Those of the writer.
pub fn write_interval_table(table: &IntervalTable, window: Option<Window>, out: &mut impl Write) -> io::Result<()> {
    let mut lines = IntervalLines::begin(out)?;
    for (queue, intervals) in table.queues() {
        for (start, measures) in intervals {
            if window.is_none_or(|window| window.contains(start)) {
                lines.write(queue, start, &measures, out)?;
            }
        }
    }
    Ok(())
}

/// The lines of a table of intervals.
struct IntervalLines {
    instants: Instants,
    /// The queue that was written last, and how its lines begin.
    queue: Option<(QueueKey, Vec<u8>)>,
}

impl IntervalLines {
    /// Writes the head.
    fn begin(out: &mut impl Write) -> io::Result<Self> {
        out.write_all(b"queue,channel,start,offered,handled,handle_time\n")?;
        Ok(Self { instants: Instants::default(), queue: None })
    }

    fn write(
        &mut self,
        queue: &QueueKey,
        start: Timestamp,
        measures: &Measures,
        out: &mut impl Write,
    ) -> io::Result<()> {
        if self.queue.as_ref().is_none_or(|(held, _)| held != queue) {
            let mut begin = Vec::new();
            field(&mut begin, &queue.id)?;
            write!(begin, ",{},", queue.channel)?;
            self.queue = Some((queue.clone(), begin));
        }
        out.write_all(self.queue.as_ref().map_or(&[], |(_, begin)| begin.as_slice()))?;
        self.instants.write(out, start)?;
        out.write_all(b",")?;
        write_number(out, measures.offered.micros(), 1_000_000)?;
        out.write_all(b",")?;
        write_number(out, measures.handled.micros(), 1_000_000)?;
        out.write_all(b",")?;
        if measures.handled.is_zero() || !measures.handle_time.number.is_zero() {
            write_number(out, measures.handle_time.total.get(), 1_000)?;
        }
        out.write_all(b"\n")
    }
}

/// Writes how long agents were in which status as [`write_status_times`] does.
///
/// # Errors
///
/// Those of the writer.
pub fn write_status_table(table: &StatusTable, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"agent,activity,start,seconds\n")?;
    let text = |name: &str| if name.contains(['"', ',', '\n', '\r']) { quoted(name) } else { name.to_owned() };
    let statuses: Vec<String> = table.statuses().iter().map(|status| text(status)).collect();
    let mut instants = Instants::default();
    for (agent, times) in table.agents() {
        let agent = text(agent);
        for time in times {
            out.write_all(agent.as_bytes())?;
            out.write_all(b",")?;
            out.write_all(statuses[time.status as usize].as_bytes())?;
            out.write_all(b",")?;
            instants.write(out, time.start)?;
            out.write_all(b",")?;
            write_number(out, time.time.get(), 1_000)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// Writes the timelines of an integration: `agent,activity,start,end`.
///
/// # Errors
///
/// Those of the store and of the writer.
pub async fn write_timeline(runtime: &Runtime, name: &str, out: &mut impl Write) -> Result<(), TableError> {
    let (agents, statuses) = runtime.statuses(name).await?;
    out.write_all(b"agent,activity,start,end\n")?;
    for agent in agents {
        let mut pieces = aggregate::timeline(&agent.spans);
        pieces.sort_by_key(|piece| (&statuses[&piece.status], piece.start));
        for piece in pieces {
            field(out, &agent.agent)?;
            out.write_all(b",")?;
            field(out, &statuses[&piece.status])?;
            writeln!(out, ",{},{}", piece.start, piece.end.map_or(String::new(), |end| end.to_string()))?;
        }
    }
    Ok(())
}

/// How time in statuses is counted.
#[derive(Debug, Clone)]
pub struct StatusTimes {
    /// The intervals.
    pub grid: Grid,
    /// What counts where spans overlap.
    pub overlap: Overlap,
    /// Up to when a span without an end counts.
    pub as_of: Option<Timestamp>,
    /// Statuses whose time does not count.
    pub logged_off: BTreeSet<String>,
    /// What lies outside does not count.
    pub window: Option<Window>,
}

/// Writes how long agents were in which status, by interval: `agent,activity,start,seconds`.
///
/// # Errors
///
/// Those of the store and of the writer.
pub async fn write_status_times(
    runtime: &Runtime,
    name: &str,
    times: &StatusTimes,
    out: &mut impl Write,
) -> Result<(), TableError> {
    let (agents, statuses) = runtime.statuses(name).await?;
    let counts: BTreeMap<u32, bool> =
        statuses.iter().map(|(id, name)| (*id, !times.logged_off.contains(name))).collect();
    out.write_all(b"agent,activity,start,seconds\n")?;
    for agent in agents {
        let counts = |status: u32| counts.get(&status).copied().unwrap_or(true);
        let (spans, overlap) = match times.window {
            None => (agent.spans, times.overlap),
            // What covers an instant is decided before anything is cut.
            Some(window) => (cut(&aggregate::timeline(&agent.spans), window, times.as_of), Overlap::Both),
        };
        let mut rows = aggregate::status_times(&spans, &times.grid, overlap, times.as_of, counts);
        rows.sort_by_key(|time| (&statuses[&time.status], time.start));
        for row in rows {
            field(out, &agent.agent)?;
            out.write_all(b",")?;
            field(out, &statuses[&row.status])?;
            writeln!(out, ",{},{}", row.start, row.time)?;
        }
    }
    Ok(())
}

/// The pieces of a timeline that lie in a window.
fn cut(pieces: &[Span], window: Window, as_of: Option<Timestamp>) -> Vec<Span> {
    let inside = pieces.iter().filter_map(|piece| {
        let end = piece.end.or(as_of).unwrap_or(piece.start).min(window.to());
        let start = piece.start.max(window.from());
        (end.since(start) > Millis::ZERO).then_some(Span { start, end: Some(end), ..*piece })
    });
    inside.collect()
}
