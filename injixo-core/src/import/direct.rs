//! One window or one file straight to intervals or timelines, without a store.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use injixo_model::{
    Attribution, ContactBatch, IntervalBatch, IntervalLength, QueueKey, RejectedRow, StatusBatch, Window,
};

use super::parts::{Collect, Read, Sink, read_delivery};
use super::window::{Ended, WindowSource, how_it_ended, nothing_good, read};
use super::{ImportReport, Rejections};
use crate::aggregate::{Aggregator, IntervalTable, StatusAggregator};
use crate::connector::{Connector, Context, Counts, Delivery, DeliverySource, Form, Stream};
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
    let mut rejections = Rejections::new(rejected);
    let mut sums = Sink::shown(Sums::new(Aggregator::new(length, &zone).attribution(attribution)), &mut rejections);
    let (outcome, counts, warnings) = read(&WindowSource::Contacts(source), window, &zone, &mut sums, cx).await?;
    let window = match how_it_ended(&outcome, window) {
        Ended::Complete(window) => window,
        Ended::Truncated => return Err(truncated(window)),
        Ended::NotYet => return Err(not_yet(window)),
    };
    let Sums { aggregator, series } = sums.collected;
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

/// The intervals of one file of contacts, read without a store, and what came of the rows; each rejected row is shown to `rejected`.
///
/// Intervals are a quarter of an hour long and follow the wall clock of the connector's zone. The file stands for itself: what other
/// files say about the same time is for a store to settle. Memory is needed for the intervals, not for the rows.
///
/// Where the [context](Context::on_threads) allows several threads, each reads a part of the file if the source can cut it; what comes
/// of it is the same. The others work on the blocking threads of Tokio.
///
/// # Errors
///
/// `Unsupported` when the connector reads no files of contacts; `DataInvalid` when not one row is good; whatever the source reports.
pub async fn read_file_intervals(
    connector: &dyn Connector,
    path: impl AsRef<Path> + Send,
    cx: &Context,
    rejected: impl FnMut(&RejectedRow) + Send,
) -> Result<(IntervalTable, ImportReport)> {
    let began = Instant::now();
    let source = files_of(connector, Form::Contacts)?;
    let zone = connector.zone();
    let collect = || Sums::new(Aggregator::new(IntervalLength::MINUTES_15, &zone));
    let delivery = unnamed(path.as_ref());
    let mut rejections = Rejections::new(rejected);
    let read = read_delivery(&source, &delivery, collect, &mut rejections, cx).await;
    let Read { done: table, counts, warnings } = read.map_err(|error| error.with("file", &delivery.name))?;
    let report = said(&delivery, Stream::Contacts, counts, table.queues().count(), rejections)?;
    Ok((table, ImportReport { elapsed: began.elapsed(), ..report.with_warnings(warnings) }))
}

/// The statuses of one file, read without a store, and what came of the rows; each rejected row is shown to `rejected`.
///
/// # Errors
///
/// `Unsupported` when the connector reads no files of agent statuses; else as for [`read_file_intervals`].
pub async fn read_file_statuses(
    connector: &dyn Connector,
    path: impl AsRef<Path> + Send,
    cx: &Context,
    rejected: impl FnMut(&RejectedRow) + Send,
) -> Result<(StatusAggregator, ImportReport)> {
    let began = Instant::now();
    let source = files_of(connector, Form::Statuses)?;
    let collect = || Spans(StatusAggregator::new().on_threads(cx.threads()));
    let delivery = unnamed(path.as_ref());
    let mut rejections = Rejections::new(rejected);
    let read = read_delivery(&source, &delivery, collect, &mut rejections, cx).await;
    let Read { done: spans, counts, warnings } = read.map_err(|error| error.with("file", &delivery.name))?;
    let report = said(&delivery, Stream::Statuses, counts, spans.agents(), rejections)?;
    Ok((spans, ImportReport { elapsed: began.elapsed(), ..report.with_warnings(warnings) }))
}

fn files_of(connector: &dyn Connector, form: Form) -> Result<Arc<dyn DeliverySource>> {
    connector.deliveries().filter(|source| source.form() == form).ok_or_else(|| {
        let what = if form == Form::Statuses { "agent statuses" } else { "contacts" };
        let message = format!("the connector {} does not read files of {what}", connector.info().kind);
        Error::new(ErrorKind::Unsupported, message)
    })
}

/// A file whose content nobody asks for again.
fn unnamed(path: &Path) -> Delivery {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Delivery { key: String::new(), name, settings: String::new(), location: path.to_owned() }
}

fn said(
    delivery: &Delivery,
    stream: Stream,
    counts: Counts,
    subjects: usize,
    rejections: Rejections<'_>,
) -> Result<ImportReport> {
    if counts.good == 0 && counts.rejected > 0 {
        return Err(Error::new(ErrorKind::DataInvalid, rejections.nothing_good()).with("file", &delivery.name));
    }
    Ok(ImportReport {
        imported: counts.good,
        rejected: counts.rejected,
        skipped: counts.skipped,
        rejected_by_rule: rejections.by_rule,
        first_rejected: rejections.first,
        subjects: subjects as u64,
        ..ImportReport::empty(delivery.name.clone(), stream)
    })
}

/// Collects spans that are read.
struct Spans(StatusAggregator);

impl Collect for Spans {
    type Done = StatusAggregator;

    fn statuses(&mut self, batch: &StatusBatch) -> Result<()> {
        self.0.add_more(batch);
        Ok(())
    }

    fn finish(self) -> StatusAggregator {
        self.0
    }

    fn plus(done: StatusAggregator, later: StatusAggregator) -> Result<StatusAggregator> {
        Ok(done.plus(later))
    }
}

/// Adds up what is read.
struct Sums {
    aggregator: Aggregator,
    /// Where the queues of the read stand in the aggregator.
    series: Vec<usize>,
}

impl Sums {
    fn new(aggregator: Aggregator) -> Self {
        Self { aggregator, series: Vec::new() }
    }

    fn know(&mut self, queues: &[QueueKey]) {
        for queue in &queues[self.series.len()..] {
            self.series.push(self.aggregator.series_of(queue));
        }
    }
}

impl Collect for Sums {
    type Done = IntervalTable;

    fn contacts(&mut self, batch: &ContactBatch) -> Result<()> {
        self.know(batch.queues());
        self.aggregator.add_contacts_of(&self.series, batch);
        Ok(())
    }

    fn interval_rows(&mut self, batch: &IntervalBatch) -> Result<()> {
        self.know(batch.queues());
        self.aggregator.add_interval_rows_of(&self.series, batch)
    }

    fn finish(self) -> IntervalTable {
        self.aggregator.finish()
    }

    fn plus(done: IntervalTable, later: IntervalTable) -> Result<IntervalTable> {
        done.plus(&later)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use injixo_model::{Channel, IntervalRow, Measures, Millis, Quantity, Rule, Timed, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::Interval;
    use crate::connector::{CheckReport, ConnectorInfo, ContactSource, ContactWriter, Limits, Outcome};
    use crate::zone::Zone;
    use crate::{MemoryStore, Runtime};

    /// Queue, start in seconds since the window, seconds.
    type Call = (u8, i64, Option<i64>);

    #[derive(Debug, Clone)]
    struct System {
        calls: Vec<Call>,
        /// Sums of so many minutes instead of calls.
        length: Option<IntervalLength>,
        outcome: Outcome,
    }

    /// A quarter of an hour within the hour that Berlin repeats.
    const FROM: &str = "2024-10-27T00:45:00Z";

    fn window() -> Window {
        let from: Timestamp = FROM.parse().unwrap();
        Window::new(from, from.after(Millis::from_mins(300))).unwrap()
    }

    #[async_trait]
    impl Connector for System {
        fn info(&self) -> ConnectorInfo {
            ConnectorInfo::new("system", "System")
        }

        async fn check(&self, _: &Context) -> Result<CheckReport> {
            Ok(CheckReport::ok())
        }

        fn zone(&self) -> Zone {
            Zone::new("Europe/Berlin").unwrap()
        }

        fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
            Some(Arc::new(self.clone()))
        }
    }

    #[async_trait]
    impl ContactSource for System {
        fn limits(&self) -> Limits {
            Limits::new()
        }

        fn form(&self) -> Form {
            let of = |length| Form::IntervalRows { length, attribution: Attribution::AsDelivered };
            self.length.map_or(Form::Contacts, of)
        }

        async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
            for &(queue, start, secs) in &self.calls {
                let (queue, start) = (queue.to_string(), window.from().after(Millis::from_secs(start)));
                match self.length {
                    None => {
                        let duration = secs.map(|secs| Millis::from_secs(secs - 1));
                        out.contact(&queue, Channel::Calls, start).handled(secs.is_some()).handle_time(duration);
                    }
                    Some(length) => {
                        let grid = crate::zone::Grid::new(&self.zone(), length);
                        let interval = grid.interval(start);
                        let number = Quantity::whole(secs.unwrap_or(0));
                        let handle_time = Timed { total: Millis::from_secs(secs.unwrap_or(0) * 60), number };
                        let measures =
                            Measures { offered: number, handled: number, handle_time, ..Measures::default() };
                        let row = IntervalRow { start: interval.from(), length: interval.duration(), measures };
                        out.interval_row(&queue, Channel::Calls, row);
                    }
                }
                out.flush().await?;
            }
            Ok(self.outcome)
        }
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }

    async fn stored(system: System, length: IntervalLength) -> Result<(Vec<Interval>, ImportReport)> {
        let runtime = Runtime::new(MemoryStore::new());
        let report = runtime.add("system", system).await?.import_contacts(window()).await?;
        let mut intervals = runtime.intervals("system").every(length).open().await?;
        let mut all = Vec::new();
        while let Some(some) = intervals.next().await? {
            all.extend(some);
        }
        Ok((all, report))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        /// The store, which keeps every fact, and the sums that are made at once say the same.
        #[test]
        fn intervals_are_those_of_a_store(
            calls in prop::collection::vec((0..4_u8, -600..18_600_i64, prop::option::of(0..4_000_i64)), 0..60),
            rows in prop::option::of(prop::sample::select(vec![15_u32, 30, 60])),
            until in prop::option::of(-10..320_i64),
        ) {
            let outcome = until.map_or(Outcome::complete(), |until| {
                Outcome::complete_until(window().from().after(Millis::from_mins(until)))
            });
            let length = rows.map(|minutes| IntervalLength::from_minutes(minutes).unwrap());
            let system = System { calls, length, outcome };
            let read = block_on(read_intervals(&system, window(), &Context::default(), |_| {}));
            let stored = block_on(stored(system, length.unwrap_or(IntervalLength::MINUTES_15)));
            let (read, stored) = match (read, stored) {
                (Err(read), Err(stored)) => {
                    prop_assert_eq!(read.to_string(), stored.to_string());
                    return Ok(());
                }
                (read, stored) => (read.unwrap(), stored.unwrap()),
            };
            prop_assert_eq!(read.0.rows().collect::<Vec<_>>(), stored.0);
            let said = |report: &ImportReport| (report.imported, report.rejected, report.rejected_by_rule.clone());
            prop_assert_eq!(said(&read.1), said(&stored.1));
            prop_assert_eq!(read.1.first_rejected, stored.1.first_rejected);
            prop_assert_eq!(read.1.window, stored.1.window);
        }
    }

    #[test]
    fn rejected_rows_are_shown_and_counted() {
        let calls = vec![(1, 60, Some(0)), (1, 61, Some(40)), (2, 62, Some(0))];
        let system = System { calls, length: None, outcome: Outcome::complete() };
        let (mut shown, cx) = (Vec::new(), Context::default());
        let read = read_intervals(&system, window(), &cx, |row| shown.push(row.rule));
        let (table, report) = block_on(read).unwrap();
        assert_eq!((table.len(), report.imported, report.rejected), (1, 1, 2));
        assert_eq!(shown, [Rule::Duration, Rule::Duration]);
        // Without a store there are no facts to speak of.
        assert!(!report.to_string().contains("facts"), "{report}");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let read =
            |system: System| block_on(read_intervals(&system, window(), &Context::default(), |_| {})).unwrap_err();
        let system = System { calls: vec![(1, 60, Some(0))], length: None, outcome: Outcome::complete() };
        assert_eq!(read(system.clone()).kind(), ErrorKind::DataInvalid);
        assert!(read(system.clone()).to_string().contains("not one row could be read"));
        let cut = System { outcome: Outcome::truncated(), ..system.clone() };
        assert!(read(cut).to_string().contains("ask for a shorter window"));
        let nothing = System { calls: Vec::new(), outcome: Outcome::complete_until(window().from()), ..system };
        assert_eq!(read(nothing).kind(), ErrorKind::Unavailable);
    }
}
