use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use injixo_connectors::core::aggregate::{self, IntervalTable, Overlap};
use injixo_connectors::core::model::{IntervalLength, Measures, Millis, QueueKey, Span, Timestamp, Window};
use injixo_connectors::core::zone::{Grid, Zone};
use injixo_connectors::core::{Error, Fill, Runtime};

use crate::table::field;

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
    interval_head(out)?;
    while let Some(intervals) = reader.next().await? {
        for interval in intervals {
            if window.is_none_or(|window| window.contains(interval.start)) {
                interval_line(&interval.queue, interval.start, &interval.measures, out)?;
            }
        }
    }
    Ok(())
}

/// Writes intervals as [`write_intervals`] does, those that start in `window`.
///
/// # Errors
///
/// Those of the writer.
pub fn write_interval_table(table: &IntervalTable, window: Window, out: &mut impl Write) -> io::Result<()> {
    interval_head(out)?;
    for (queue, intervals) in table.queues() {
        for (start, measures) in intervals.filter(|(start, _)| window.contains(*start)) {
            interval_line(queue, start, &measures, out)?;
        }
    }
    Ok(())
}

fn interval_head(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"queue,channel,start,offered,handled,handle_time\n")
}

fn interval_line(queue: &QueueKey, start: Timestamp, measures: &Measures, out: &mut impl Write) -> io::Result<()> {
    field(out, &queue.id)?;
    write!(out, ",{},{start},{},{},", queue.channel, measures.offered, measures.handled)?;
    if measures.handled.is_zero() || !measures.handle_time.number.is_zero() {
        write!(out, "{}", measures.handle_time.total)?;
    }
    out.write_all(b"\n")
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
