//! One window of a source: read whole, then applied.

use std::sync::Arc;

use injixo_model::{Millis, Timestamp, Window};

use super::apply::{Speaks, commit};
use super::{ImportReport, Rejections, Staged, Target, refused_queues};
use crate::connector::{
    ContactSource, ContactWriter, Context, Counts, Form, Limits, Outcome, RowSink, RowWriter, StatusSource,
    StatusWriter, Stream,
};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::last_piece;
use crate::store::{ImportRecord, StreamId, SubjectKind};
use crate::zone::{Grid, Zone};

/// A source that is read by windows.
#[derive(Debug, Clone)]
pub(crate) enum WindowSource {
    Contacts(Arc<dyn ContactSource>),
    Statuses(Arc<dyn StatusSource>),
}

impl WindowSource {
    pub(crate) fn stream(&self) -> Stream {
        self.form().stream()
    }

    pub(crate) fn form(&self) -> Form {
        match self {
            Self::Contacts(source) => source.form(),
            Self::Statuses(_) => Form::Statuses,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        match self {
            Self::Contacts(source) => source.limits(),
            Self::Statuses(source) => source.limits(),
        }
    }
}

/// How a read ended.
pub(crate) enum Read {
    /// The answer was cut: the window must be split.
    Truncated,
    /// The source holds nothing of the window yet.
    NotYet,
    /// The window was read, up to where the source is complete.
    Complete(Box<Answer>),
}

/// A complete answer that is not applied yet.
pub(crate) struct Answer {
    staged: Staged<'static>,
    window: Window,
    began: Timestamp,
    counts: Counts,
    warnings: Vec<String>,
}

/// The grid on which answers that are complete only up to some instant are cut.
const QUARTER: i64 = 900_000;

/// Reads a window; `began` is the store's time.
pub(crate) async fn read_window(
    target: &Target<'_>,
    source: &WindowSource,
    window: Window,
    began: Timestamp,
    cx: &Context,
) -> Result<Read> {
    let form = source.form();
    let refused = match source {
        WindowSource::Contacts(_) => {
            let mut transaction = target.store.read().await?;
            refused_queues(&transaction.subjects(target.integration, SubjectKind::Queue).await?, form)
        }
        WindowSource::Statuses(_) => std::collections::HashMap::new(),
    };
    let mut staged = Staged::new(form, &target.zone, refused, |_| {});
    let (outcome, counts, warnings) = read(source, window, &target.zone, &mut staged, cx).await?;
    match how_it_ended(&outcome, window) {
        Ended::Truncated => Ok(Read::Truncated),
        _ if counts.good == 0 && counts.rejected > 0 => Err(nothing_good(&staged.rejections, window)),
        Ended::NotYet => Ok(Read::NotYet),
        Ended::Complete(window) => Ok(Read::Complete(Box::new(Answer { staged, window, began, counts, warnings }))),
    }
}

/// Has a source write the rows of a window into `sink`, in as many reads as its limits demand.
pub(crate) async fn read(
    source: &WindowSource,
    window: Window,
    zone: &Zone,
    sink: &mut dyn RowSink,
    cx: &Context,
) -> Result<(Outcome, Counts, Vec<String>)> {
    let mut rows = RowWriter::new(cx, sink);
    let mut outcome = Outcome::complete();
    for piece in pieces(window, source.limits().longest_window, zone) {
        let read = match source {
            WindowSource::Contacts(source) => {
                let grid = match source.form() {
                    Form::IntervalRows { length, .. } => Some(Grid::new(zone, length).cursor()),
                    Form::Contacts | Form::Statuses => None,
                };
                let mut writer = ContactWriter { rows, window: piece, grid };
                let read = source.read(cx, piece, &mut writer).await?;
                rows = writer.rows;
                read
            }
            WindowSource::Statuses(source) => {
                let mut writer = StatusWriter { rows, window: piece };
                let read = source.read(cx, piece, &mut writer).await?;
                rows = writer.rows;
                read
            }
        };
        if read.is_truncated || read.until.is_some_and(|until| until < piece.to()) {
            outcome = read;
            break;
        }
    }
    let (counts, warnings) = rows.finish_with_warnings()?;
    Ok((outcome, counts, warnings))
}

/// The pieces of a window that a source can be asked for, the earliest first.
fn pieces(window: Window, longest: Option<Millis>, zone: &Zone) -> Vec<Window> {
    let (mut pieces, mut rest) = (Vec::new(), Some(window));
    while let (Some(left), Some(longest)) = (rest, longest)
        && left.duration() > longest
        && longest > Millis::ZERO
    {
        let piece = last_piece(left, longest, zone).intersection(left).unwrap_or(left);
        rest = Window::new(left.from(), piece.from()).ok();
        pieces.push(piece);
    }
    pieces.extend(rest);
    pieces.reverse();
    pieces
}

/// What an outcome says of its window.
pub(crate) enum Ended {
    Truncated,
    NotYet,
    /// Up to the end of this one.
    Complete(Window),
}

pub(crate) fn how_it_ended(outcome: &Outcome, window: Window) -> Ended {
    if outcome.is_truncated {
        return Ended::Truncated;
    }
    // One that is complete to its end is so off the grid too: pieces of a split may be finer.
    let until = outcome.until.filter(|until| *until < window.to());
    let until = until.map(|until| Timestamp::from_millis(until.millis().div_euclid(QUARTER) * QUARTER));
    let complete = until.map_or(Ok(window), |until| Window::new(window.from(), until));
    complete.map_or(Ended::NotYet, Ended::Complete)
}

pub(crate) fn nothing_good(rejections: &Rejections<'_>, window: Window) -> Error {
    Error::new(ErrorKind::DataInvalid, rejections.nothing_good()).with("window", window)
}

impl Answer {
    /// Whether it holds not a single fact.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.good == 0
    }

    /// How many rows it holds.
    pub(crate) fn rows(&self) -> u64 {
        self.counts.good + self.counts.rejected
    }

    /// For which time it speaks.
    pub(crate) fn window(&self) -> Window {
        self.window
    }

    /// Applies it. An empty answer removes what is stored only if `may_empty` says so.
    pub(crate) async fn commit(self, target: &Target<'_>, may_empty: bool, cx: &Context) -> Result<ImportReport> {
        let Self { staged, window, began, counts, mut warnings } = self;
        if counts.good == 0 && !may_empty {
            warnings.push("the answer held nothing: what is stored was kept".to_owned());
        }
        let record = ImportRecord {
            id: 0,
            stream: StreamId { integration: target.integration, stream: staged.form.stream() },
            key: String::new(),
            settings: String::new(),
            name: window.to_string(),
            applied_at: began,
            window: Some(window),
            subjects: Vec::new(),
            again: false,
            imported: counts.good,
            rejected: counts.rejected,
            skipped: counts.skipped,
            added: 0,
            replaced: 0,
            gone: 0,
        };
        let applied = commit(target, record, staged, Speaks::Window(window, may_empty), cx, &|_| false).await?;
        let report = applied.ok_or_else(|| Error::new(ErrorKind::Unexpected, "a window was taken for a delivery"))?;
        Ok(report.with_warnings(warnings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: &str, to: &str) -> Window {
        let at = |text: &str| format!("{text}Z").parse::<Timestamp>().unwrap();
        Window::new(at(from), at(to)).unwrap()
    }

    #[test]
    fn an_end_off_the_grid_is_rounded_only_where_it_comes_before_the_end_of_the_window() {
        let piece = window("2024-10-25T06:00:00", "2024-10-25T06:20:00");
        let complete = |until: &str| match how_it_ended(&Outcome::complete_until(until.parse().unwrap()), piece) {
            Ended::Complete(window) => Some(window),
            Ended::NotYet | Ended::Truncated => None,
        };
        assert_eq!(complete("2024-10-25T06:20:00Z"), Some(piece));
        assert_eq!(complete("2024-10-25T06:21:00Z"), Some(piece));
        assert_eq!(complete("2024-10-25T06:19:00Z"), Some(window("2024-10-25T06:00:00", "2024-10-25T06:15:00")));
        assert_eq!(complete("2024-10-25T06:14:00Z"), None);
    }

    #[test]
    fn a_window_longer_than_a_source_takes_is_read_in_pieces() {
        let (all, day) = (window("2024-10-25T06:00:00", "2024-10-28T07:00:00"), Millis::from_mins(1_440));
        let found = pieces(all, Some(day), &Zone::utc());
        let days = [
            window("2024-10-25T06:00:00", "2024-10-25T07:00:00"),
            window("2024-10-25T07:00:00", "2024-10-26T07:00:00"),
            window("2024-10-26T07:00:00", "2024-10-27T07:00:00"),
            window("2024-10-27T07:00:00", "2024-10-28T07:00:00"),
        ];
        assert_eq!(found, days);
        assert_eq!(pieces(all, None, &Zone::utc()), [all]);
        // The hour that Berlin has twice, 00:00Z to 02:00Z, is in one piece.
        let night = window("2024-10-26T23:00:00", "2024-10-27T03:00:00");
        let found = pieces(night, Some(Millis::from_mins(120)), &Zone::new("Europe/Berlin").unwrap());
        assert!(found.contains(&window("2024-10-27T00:00:00", "2024-10-27T02:00:00")), "{found:?}");
        assert!(found.windows(2).all(|two| two[0].to() == two[1].from()));
    }
}
