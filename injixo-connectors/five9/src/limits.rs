//! How much the account may ask for: Five9 counts calls of each kind of operation by the minute, hour and day.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use injixo_core::connector::Budget;
use injixo_core::model::{Millis, Timestamp};
use injixo_core::zone::Zone;
use injixo_core::{Error, ErrorKind, Result};

use crate::xml::Element;

/// A kind of operation, by which Five9 counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    ReportRequest,
    RetrieveReport,
    Query,
    QueryStatistics,
    QueryChangedStatistics,
}

impl Counted {
    const ALL: [Self; 5] =
        [Self::ReportRequest, Self::RetrieveReport, Self::Query, Self::QueryStatistics, Self::QueryChangedStatistics];

    fn name(self) -> &'static str {
        match self {
            Self::ReportRequest => "ReportRequest",
            Self::RetrieveReport => "RetrieveReport",
            Self::Query => "Query",
            Self::QueryStatistics => "QueryStatistics",
            Self::QueryChangedStatistics => "QueryChangedStatistics",
        }
    }

    /// What an account may unless it says otherwise: by the minute, hour and day.
    fn by_default(self) -> [u32; 3] {
        match self {
            Self::ReportRequest => [16, 120, 800],
            Self::RetrieveReport => [20, 200, 1_000],
            Self::Query => [450, 15_000, 172_800],
            Self::QueryStatistics => [2, 15, 240],
            Self::QueryChangedStatistics => [30, 1_200, 24_000],
        }
    }
}

const PERIODS: [i64; 3] = [60, 3_600, 86_400];

/// The limits of an account as far as they are known. Copies share what they know.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    account: [String; 2],
    zone: Zone,
    known: Arc<Mutex<BTreeMap<(Counted, i64), Counter>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counter {
    limit: u32,
    value: u32,
}

impl Limits {
    pub(crate) fn new(base: &str, user: &str, zone: Zone) -> Self {
        Self { account: [base.to_owned(), user.to_owned()], zone, known: Arc::default() }
    }

    /// The permits for an operation: what the account says, else what is usual.
    pub(crate) fn budget(&self, operation: Counted) -> Budget {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = Budget::new(["five9", operation.name(), &self.account[0], &self.account[1]]);
        PERIODS.iter().zip(operation.by_default()).fold(budget, |budget, (secs, usual)| {
            let limit = known.get(&(operation, *secs)).map_or(usual, |counter| counter.limit);
            budget.permits(limit.max(1), Millis::from_secs(*secs))
        })
    }

    /// Takes the answer of `getCallCountersState`.
    pub(crate) fn learn(&self, response: &Element) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for period in response.all("return") {
            let Ok(secs) = period.text_of("timeout").parse::<i64>() else { continue };
            for state in period.all("callCounterStates") {
                let operation = Counted::ALL.into_iter().find(|known| known.name() == state.text_of("operationType"));
                let numbers = (state.text_of("limit").parse(), state.text_of("value").parse());
                if let (Some(operation), (Ok(limit), Ok(value))) = (operation, numbers) {
                    known.insert((operation, secs), Counter { limit, value });
                }
            }
        }
    }

    /// Whether others have left nothing of a limit, and until when.
    pub(crate) fn left(&self, operation: Counted, now: Timestamp) -> Result<()> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_used = |secs: &&i64| {
            known.get(&(operation, **secs)).is_some_and(|counter| counter.limit > 0 && counter.value >= counter.limit)
        };
        let Some(secs) = PERIODS.iter().rev().find(is_used) else { return Ok(()) };
        let wait = match *secs {
            86_400 => {
                self.zone.day_window(self.zone.day(now)).map_or(Millis::from_secs(3_600), |day| day.to().since(now))
            }
            secs => Millis::new(secs * 1_000 - now.millis().rem_euclid(secs * 1_000)),
        };
        let message = format!("the account has used up what Five9 allows of {} within {secs} s", operation.name());
        Err(Error::new(ErrorKind::RateLimited, message).retry_in(wait.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits() -> Limits {
        Limits::new("https://api.five9.com", "wfm", Zone::new("America/Los_Angeles").unwrap())
    }

    fn said(secs: i64, operation: &str, limit: u32, value: u32) -> Element {
        let text = format!(
            "<r><return><callCounterStates><limit>{limit}</limit><operationType>{operation}</operationType>\
             <value>{value}</value></callCounterStates><timeout>{secs}</timeout></return></r>"
        );
        Element::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_account_says_what_it_may() {
        let limits = limits();
        let of = |limits: &Limits| {
            limits.budget(Counted::ReportRequest).permits.iter().map(|p| p.number).collect::<Vec<_>>()
        };
        assert_eq!(of(&limits), [16, 120, 800]);
        limits.learn(&said(3_600, "ReportRequest", 60, 3));
        limits.learn(&said(3_600, "SomethingNew", 1, 1));
        assert_eq!(of(&limits), [16, 60, 800]);
    }

    #[test]
    fn what_others_used_up_comes_back_with_the_next_period() {
        let limits = limits();
        let now: Timestamp = "2024-03-05T10:20:30Z".parse().unwrap();
        let wait = || limits.left(Counted::ReportRequest, now).err().and_then(|error| error.retry_after());
        limits.learn(&said(60, "ReportRequest", 16, 15));
        assert_eq!(wait(), None);
        limits.learn(&said(60, "ReportRequest", 16, 16));
        assert_eq!(wait(), Some(Duration::from_secs(30)));
        limits.learn(&said(3_600, "ReportRequest", 120, 120));
        assert_eq!(wait(), Some(Duration::from_secs(39 * 60 + 30)));
        // Midnight in California is 08:00 UTC of the next day.
        limits.learn(&said(86_400, "ReportRequest", 800, 900));
        assert_eq!(wait(), Some(Duration::from_secs(21 * 3_600 + 39 * 60 + 30)));
    }
}
