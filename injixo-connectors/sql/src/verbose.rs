//! Row counts and first rows of requests, for the log and for checks.

use injixo_core::model::Window;

use crate::value::Cell;

/// The first rows of a request, as text.
#[derive(Debug)]
pub(crate) struct Shown {
    is_on: bool,
    what: &'static str,
    window: Window,
    count: u64,
    rows: Vec<String>,
}

/// So many rows are shown.
const MOST: usize = 10;

impl Shown {
    pub(crate) fn new(is_on: bool, what: &'static str, window: Window) -> Self {
        Self { is_on, what, window, count: 0, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: &[Cell<'_>]) {
        self.count += 1;
        if self.is_on && self.rows.len() < MOST {
            self.rows.push(line(cells));
        }
    }

    /// Logs what came.
    pub(crate) fn finish(&self) {
        if self.is_on {
            let Self { what, window, count, rows, .. } = self;
            tracing::info!(%window, rows = count, first = ?rows, "{what} were read");
        }
    }
}

/// A row as text.
pub(crate) fn line(cells: &[Cell<'_>]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.to_string().chars().take(60).collect()).collect();
    cells.join(" | ")
}
