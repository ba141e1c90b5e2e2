//! Runs reports: asks for one, waits until it is done, fetches it; in parts where it is cut off.

use std::sync::Arc;
use std::time::Duration;

use injixo_core::connector::Context;
use injixo_core::model::{Millis, Timestamp, Window};
use injixo_core::zone::{LocalTime, Zone};
use injixo_core::{Error, ErrorKind, Result};

use crate::client::{Client, Service};
use crate::config::{Five9Config, RangeOrder, Report};
use crate::error::is_fault;
use crate::limits::Counted;
use crate::table::Table;
use crate::xml::Children;
use crate::zone;

#[derive(Debug)]
pub(crate) struct Reports {
    pub(crate) client: Client,
    pub(crate) config: Arc<Five9Config>,
    pub(crate) zone: Zone,
}

/// A part of what was asked for, in which every local time occurs once.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) range: Window,
    pub(crate) table: Table,
}

/// How long one call waits for a report; Five9 asks for five seconds at least.
const POLL: Duration = Duration::from_secs(5);

/// Shorter ranges are not split any further.
const SHORTEST: Millis = Millis::from_secs(60);

/// The longest wait for others' use of the account: what counts by the minute comes within it.
const LONGEST_WAIT: Millis = Millis::from_secs(90);

/// So far beside its range a report's rows may lie by rounding.
const BESIDE: Millis = Millis::from_secs(1);

impl Reports {
    /// The rows of a range, in parts; `None` where even the shortest part is cut off.
    pub(crate) async fn read(&self, cx: &Context, report: &Report, range: Window) -> Result<Option<Vec<Part>>> {
        let mut ranges = zone::parts(&self.zone, range);
        ranges.reverse();
        let mut parts = Vec::new();
        while let Some(range) = ranges.pop() {
            let table = self.run(cx, report, range).await?;
            if table.len() < self.config.report_rows as usize {
                parts.push(Part { range, table });
            } else if range.duration() > SHORTEST {
                let middle = (range.from().millis() + range.duration().get() / 2) / 1_000 * 1_000;
                let middle = Timestamp::from_millis(middle);
                ranges.extend([Window::new(middle, range.to())?, Window::new(range.from(), middle)?]);
            } else {
                return Ok(None);
            }
        }
        Ok(Some(parts))
    }

    async fn run(&self, cx: &Context, report: &Report, range: Window) -> Result<Table> {
        match self.run_once(cx, report, range).await {
            // How long Five9 keeps a report is not known.
            Err(error) if is_fault(&error, "UnknownIdentifierFault") => self.run_once(cx, report, range).await,
            answer => answer,
        }
    }

    async fn run_once(&self, cx: &Context, report: &Report, range: Window) -> Result<Table> {
        self.left(cx).await?;
        let text = |name: &str, value: &str| Children::default().text(name, value);
        let (start, end) = (zone::text(&self.zone, range.from()), zone::text(&self.zone, range.to()));
        let time = match self.config.range_order {
            RangeOrder::EndFirst => text("end", &end).text("start", &start),
            RangeOrder::StartFirst => text("start", &start).text("end", &end),
        };
        let criteria = Children::default().within("time", &time);
        let asked = text("folderName", &report.folder).text("reportName", &report.name).within("criteria", &criteria);
        let run = self.call(cx, "runReport", &asked, Counted::ReportRequest).await?;
        if run.is_empty() {
            return Err(Error::new(ErrorKind::Protocol, "Five9 gives the report no identifier"));
        }
        let secs = POLL.as_secs().to_string();
        while self.call(cx, "isReportRunning", &text("identifier", &run).text("timeout", &secs), Counted::Query).await?
            == "true"
        {
            // A service that answers at once is not to be asked at once.
            cx.sleep(cx.now().after(Millis::from_secs(1))).await;
        }
        let table = self.call(cx, "getReportResultCsv", &text("identifier", &run), Counted::RetrieveReport).await?;
        Table::read(format!("{}/{}", report.folder, report.name), &table)
    }

    /// Waits until others leave something of the limits of a minute.
    async fn left(&self, cx: &Context) -> Result<()> {
        let asked = cx.now();
        loop {
            self.client.learn_limits(cx).await?;
            let counted = [Counted::ReportRequest, Counted::RetrieveReport];
            let Some(error) = counted.iter().find_map(|counted| self.client.limits.left(*counted, cx.now()).err())
            else {
                return Ok(());
            };
            let again = error.retry_after().map(|wait| cx.now().after(Millis::from(wait)));
            match again.filter(|again| *again <= asked.after(LONGEST_WAIT)) {
                Some(again) => cx.sleep(again).await,
                None => return Err(error),
            }
        }
    }

    async fn call(&self, cx: &Context, operation: &str, children: &Children, counted: Counted) -> Result<String> {
        let operation = (Service::Configuration, operation);
        let response = self.client.call(cx, operation, children, Some(counted), POLL).await?;
        Ok(response.child("return").map(|returned| returned.text.clone()).unwrap_or_default())
    }

    /// When a row was, if it lies in the part that was asked for.
    pub(crate) fn instant(&self, part: &Part, local: LocalTime) -> Option<Timestamp> {
        let at = zone::instant(&self.zone, part.range, local);
        part.range.contains(at).then_some(at)
    }

    /// Looks whether rows lie where they were asked for: in another zone they would not.
    pub(crate) fn check_range(&self, part: &Part, outside: &[LocalTime], inside: usize) -> Result<()> {
        let is_far = |local: &&LocalTime| {
            let at = zone::instant(&self.zone, part.range, **local);
            at < part.range.from().before(BESIDE) || at > part.range.to().after(BESIDE)
        };
        match outside.iter().find(is_far) {
            Some(local) if inside == 0 => {
                let message = format!(
                    "the rows of the report lie outside the range that was asked for ({local} in {}): set report_zone",
                    self.zone.name()
                );
                Err(Error::new(ErrorKind::ConfigInvalid, message).with("range", part.range))
            }
            _ => Ok(()),
        }
    }
}
