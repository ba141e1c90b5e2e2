//! The counters of operations: per minute, hour and day as the clock in the data centre's zone begins them.

use std::collections::BTreeMap;

use super::soap::Fault;
use crate::log::Log;
use crate::time::{DAY, HOUR, MINUTE, Ms};
use crate::zone::Zone;

const PERIODS: [Ms; 3] = [MINUTE, HOUR, DAY];

/// What each kind of operation may per minute, hour and day by default.
pub(super) const DEFAULTS: [(&str, [u64; 3]); 6] = [
    ("ReportRequest", [16, 120, 800]),
    ("RetrieveReport", [20, 200, 1_000]),
    ("Query", [450, 15_000, 172_800]),
    ("Modify", [140, 7_200, 172_800]),
    ("QueryStatistics", [2, 15, 240]),
    ("QueryChangedStatistics", [30, 1_200, 24_000]),
];

/// A kind of operation, what it may, and how often it was done.
pub(super) type State = (&'static str, u64, u64);

/// The kind of an operation.
pub(super) fn kind(operation: &str) -> &'static str {
    match operation {
        "runReport" => "ReportRequest",
        "getReportResult" | "getReportResultCsv" => "RetrieveReport",
        "setSessionParameters" | "getStatistics" => "QueryStatistics",
        "getStatisticsUpdate" => "QueryChangedStatistics",
        _ => "Query",
    }
}

/// How often what was done in the periods that run now.
#[derive(Debug, Default)]
pub(super) struct Counters(BTreeMap<(&'static str, usize), (Ms, u64)>);

impl Counters {
    /// Counts an operation, unless it is one too many, which is a violation.
    pub(super) fn count(
        &mut self,
        kind: &'static str,
        limits: &BTreeMap<&'static str, [u64; 3]>,
        (now, zone): (Ms, Zone),
        log: &Log,
    ) -> Result<(), Fault> {
        let limits = limits.get(kind).copied().unwrap_or([u64::MAX; 3]);
        let over = (0..PERIODS.len()).find(|period| self.value(kind, *period, now, zone) >= limits[*period]);
        if let Some(period) = over {
            log.violated(kind);
            return Err(exceeded(kind, limits[period]));
        }
        for period in 0..PERIODS.len() {
            let value = self.value(kind, period, now, zone);
            self.0.insert((kind, period), (begin(period, now, zone), value + 1));
        }
        Ok(())
    }

    fn value(&self, kind: &'static str, period: usize, now: Ms, zone: Zone) -> u64 {
        match self.0.get(&(kind, period)) {
            Some((begun, value)) if *begun == begin(period, now, zone) => *value,
            _ => 0,
        }
    }

    /// For each period its length in seconds, and limit and value of each kind.
    pub(super) fn state(
        &self,
        limits: &BTreeMap<&'static str, [u64; 3]>,
        now: Ms,
        zone: Zone,
    ) -> Vec<(Ms, Vec<State>)> {
        let kinds = |period: usize| {
            let kinds = limits.iter();
            kinds.map(|(kind, limit)| (*kind, limit[period], self.value(kind, period, now, zone))).collect()
        };
        (0..PERIODS.len()).map(|period| (PERIODS[period] / 1_000, kinds(period))).collect()
    }
}

fn begin(period: usize, now: Ms, zone: Zone) -> Ms {
    (now + zone.offset(now)).div_euclid(PERIODS[period])
}

/// The fault of an operation too many.
pub(super) fn exceeded(kind: &str, limit: u64) -> Fault {
    let what = match kind {
        "ReportRequest" => "report request",
        "RetrieveReport" => "retrieve report",
        other => other,
    };
    let text = format!("Exceeded the limit of {limit} operations of type {what}");
    Fault {
        name: "OperationsLimitExceededFault".to_owned(),
        fields: vec![("limit", limit.to_string()), ("message", text.clone()), ("operationType", kind.to_owned())],
        text,
    }
}
