//! One window of a source straight to intervals, without a store.

use std::time::Instant;

use injixo_model::{
    Attribution, ContactBatch, IntervalBatch, IntervalLength, QueueKey, RejectedRow, StatusBatch, Window,
};

use super::window::{Ended, WindowSource, how_it_ended, nothing_good, read};
use super::{ImportReport, Rejections, wrong_kind};
use crate::aggregate::{Aggregator, IntervalTable};
use crate::connector::{Connector, Context, Form, RowSink, Stream};
use crate::error::{Error, ErrorKind, Result};

/// The intervals of one window of contact data, read without a store, and what came of the rows; each rejected row is shown to
/// `rejected`.
///
/// Intervals follow the wall clock of the connector's zone: a quarter of an hour long, or as long as those of ready-made rows. The
/// report's window says how far the answer goes. Memory is needed for the intervals, not for the rows.
///
/// # Errors
///
/// `Unsupported` when the connector has no contact data; `DataInvalid` when the system cut the answer (ask for less) or not one row
/// is good; `Unavailable` when it holds nothing of the window yet; whatever the source reports.
pub async fn read_intervals(
    connector: &dyn Connector,
    window: Window,
    cx: &Context,
    rejected: impl FnMut(&RejectedRow) + Send,
) -> Result<(IntervalTable, ImportReport)> {
    let began = Instant::now();
    let Some(source) = connector.contacts() else {
        let message = format!("the connector {} does not read contact data by windows", connector.info().kind);
        return Err(Error::new(ErrorKind::Unsupported, message));
    };
    let (form, zone) = (source.form(), connector.zone());
    let (length, attribution) = match form {
        Form::IntervalRows { length, attribution } => (length, attribution),
        Form::Contacts | Form::Statuses => (IntervalLength::MINUTES_15, Attribution::Started),
    };
    let mut sums = Sums {
        aggregator: Aggregator::new(length, &zone).attribution(attribution),
        series: Vec::new(),
        rejections: Rejections::new(rejected),
    };
    let (outcome, counts, warnings) = read(&WindowSource::Contacts(source), window, &zone, &mut sums, cx).await?;
    let window = match how_it_ended(&outcome, window) {
        Ended::Complete(window) => window,
        Ended::Truncated => return Err(truncated(window)),
        Ended::NotYet => return Err(not_yet(window)),
    };
    let Sums { aggregator, series, rejections } = sums;
    if counts.good == 0 && counts.rejected > 0 {
        return Err(nothing_good(&rejections, window));
    }
    let report = ImportReport {
        imported: counts.good,
        rejected: counts.rejected,
        skipped: counts.skipped,
        rejected_by_rule: rejections.by_rule,
        first_rejected: rejections.first,
        subjects: series.len() as u64,
        window: Some(window),
        warnings,
        elapsed: began.elapsed(),
        ..ImportReport::empty(window.to_string(), Stream::Contacts)
    };
    Ok((aggregator.finish().up_to(window.to()), report))
}

pub(crate) fn truncated(window: Window) -> Error {
    let message = "the external system cut the answer: ask for a shorter window";
    Error::new(ErrorKind::DataInvalid, message).with("window", window)
}

pub(crate) fn not_yet(window: Window) -> Error {
    let message = "the external system holds nothing of this window yet: try again later";
    Error::new(ErrorKind::Unavailable, message).with("window", window)
}

/// Adds up what is read.
struct Sums<'w> {
    aggregator: Aggregator,
    /// Where the queues of the read stand in the aggregator.
    series: Vec<usize>,
    rejections: Rejections<'w>,
}

impl Sums<'_> {
    fn know(&mut self, queues: &[QueueKey]) {
        for queue in &queues[self.series.len()..] {
            self.series.push(self.aggregator.series_of(queue));
        }
    }
}

impl RowSink for Sums<'_> {
    fn contacts(&mut self, batch: &ContactBatch) -> Result<()> {
        self.know(batch.queues());
        self.aggregator.add_contacts_of(&self.series, batch);
        Ok(())
    }

    fn interval_rows(&mut self, batch: &IntervalBatch) -> Result<()> {
        self.know(batch.queues());
        self.aggregator.add_interval_rows_of(&self.series, batch)
    }

    fn statuses(&mut self, _: &StatusBatch) -> Result<()> {
        Err(wrong_kind())
    }

    fn rejected(&mut self, row: &RejectedRow) -> Result<()> {
        self.rejections.add(row);
        Ok(())
    }
}
