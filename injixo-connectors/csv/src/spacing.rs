//! How far the rows of an interval-based file are apart: whether its intervals are as long as the schema says.

use injixo_core::connector::RowWriter;
use injixo_core::model::{IntervalLength, Millis, Timestamp};
use injixo_core::zone::{Grid, GridCursor};
use injixo_core::{Error, ErrorKind, Result};

/// Watches how far the rows of an interval-based file are apart.
pub(crate) struct Spacing {
    length: IntervalLength,
    grid: GridCursor,
    quarters: GridCursor,
    last: Vec<Option<Timestamp>>,
    closest: Option<Millis>,
    rows: u64,
    off_grid: u64,
    off_grid_on_quarter: u64,
    shortest_step: i64,
}

impl Spacing {
    pub(crate) fn new(grid: &Grid) -> Self {
        Self {
            length: grid.length(),
            grid: grid.cursor(),
            quarters: Grid::new(grid.zone(), IntervalLength::MINUTES_15).cursor(),
            last: Vec::new(),
            closest: None,
            rows: 0,
            off_grid: 0,
            off_grid_on_quarter: 0,
            shortest_step: grid.length().millis().get(),
        }
    }

    /// How long the interval that starts at `start` really is; `None` where none starts there.
    pub(crate) fn length_at(&mut self, queue: u32, start: Timestamp) -> Option<Millis> {
        self.rows += 1;
        let interval = self.grid.interval(start);
        if interval.from() != start {
            self.off_grid += 1;
            self.off_grid_on_quarter += u64::from(self.quarters.is_start(start));
            self.shortest_step = common_divisor(self.shortest_step, start.since(interval.from()).get());
            return None;
        }
        let queue = queue as usize;
        if self.last.len() <= queue {
            self.last.resize(queue + 1, None);
        }
        if let Some(last) = self.last[queue].replace(start)
            && last < start
        {
            let apart = start.since(last);
            self.closest = Some(self.closest.map_or(apart, |closest| closest.min(apart)));
        }
        Some(interval.duration())
    }

    /// # Errors
    ///
    /// `DataInvalid` when the file's own intervals are shorter than the schema says.
    pub(crate) fn finish(self, out: &mut RowWriter<'_>) -> Result<()> {
        let minute = 60_000;
        let is_shorter = self.off_grid_on_quarter > 0 || self.off_grid * 4 >= self.rows.max(1);
        if self.off_grid > 0 && is_shorter && self.shortest_step >= minute {
            let message = format!(
                "the file has a row every {} minutes, the schema says {}: set `interval` to the length of the file's intervals",
                self.shortest_step / minute,
                self.length.minutes()
            );
            return Err(Error::new(ErrorKind::DataInvalid, message));
        }
        let nominal = self.length.millis();
        if let Some(closest) = self.closest.filter(|closest| *closest > nominal && self.rows > 2) {
            out.warn(format!(
                "the rows are {} minutes apart, the schema says {}: the intervals between them are missing; if each row stands for all of that time, set `interval` to it",
                closest.get() / minute,
                self.length.minutes()
            ));
        }
        Ok(())
    }
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
