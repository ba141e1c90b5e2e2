//! A simulated external system: all facts with every version they ever have, and when each becomes visible.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use injixo_core::connector::{
    CheckReport, Connector, ConnectorInfo, ContactSource, ContactWriter, Context, Limits, Outcome, StatusSource,
    StatusWriter,
};
use injixo_core::model::{Channel, Millis, Timestamp, Window};
use injixo_core::zone::Zone;
use injixo_core::{Error, ErrorKind, Result};

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// How late contacts are recorded at most.
pub(crate) const LATE: i64 = 45 * MINUTE;

/// A pseudo-random number, the same for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: i64) -> i64 {
        i64::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below(to - from)
    }

    pub(crate) fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }
}

/// A fact's value from an instant on; `None` once it is gone.
#[derive(Debug, Clone)]
pub(crate) struct Versions<T>(pub(crate) Vec<(i64, Option<T>)>);

impl<T: Copy> Versions<T> {
    pub(crate) fn at(&self, now: i64) -> Option<T> {
        self.0.iter().take_while(|version| version.0 <= now).last().and_then(|version| version.1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) queue: usize,
    pub(crate) duration: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) agent: usize,
    pub(crate) status: usize,
    pub(crate) end: Option<i64>,
}

pub(crate) const QUEUES: [&str; 3] = ["Sales", "Service", "Support"];
pub(crate) const AGENTS: [&str; 2] = ["amy", "bob"];
pub(crate) const STATUSES: [&str; 4] = ["Ready", "On Call", "Break", "Logged off"];

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) calls: BTreeMap<(i64, usize), Versions<Call>>,
    pub(crate) states: BTreeMap<(i64, usize), Versions<State>>,
    /// A window that holds this instant cannot be answered.
    pub(crate) poison: Option<i64>,
    /// In which nothing answers.
    pub(crate) outages: Vec<(i64, i64)>,
    pub(crate) answered: Vec<(usize, Window, u64)>,
    pub(crate) faults: bool,
}

impl Ledger {
    /// From now on every request is answered.
    pub(crate) fn heal(&mut self) {
        self.faults = false;
        self.poison = None;
    }
}

#[derive(Debug, Clone)]
pub(crate) struct System {
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) random: Arc<Mutex<Random>>,
    pub(crate) zone: Zone,
    pub(crate) cap: usize,
}

impl System {
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    fn random(&self) -> MutexGuard<'_, Random> {
        self.random.lock().unwrap()
    }

    /// What may happen to any request before it is answered.
    async fn suffer(&self, cx: &Context, window: Window) -> Result<()> {
        let (delay, fate, outage, poison) = {
            let (mut random, ledger) = (self.random(), self.ledger());
            let now = cx.now().millis();
            let is_out = ledger.outages.iter().any(|(from, to)| (*from..*to).contains(&now));
            let fate = if ledger.faults { random.below(100) } else { 99 };
            let is_poisoned = ledger.poison.is_some_and(|at| window.contains(Timestamp::from_millis(at)));
            (random.below(3_000), fate, is_out, is_poisoned)
        };
        cx.sleep(cx.now().after(Millis::new(delay))).await;
        if outage || fate < 4 {
            return Err(Error::new(ErrorKind::Unavailable, "the system is down"));
        }
        match fate {
            4 => return Err(Error::new(ErrorKind::RateLimited, "slower").retry_in(std::time::Duration::from_secs(90))),
            5 => std::future::pending::<()>().await,
            _ => {}
        }
        if poison {
            return Err(Error::new(ErrorKind::Protocol, "an answer that nobody understands"));
        }
        Ok(())
    }
}

#[async_trait]
impl Connector for System {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("simulated", "A simulated system")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }

    fn zone(&self) -> Zone {
        self.zone.clone()
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(self.clone()))
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl ContactSource for System {
    fn limits(&self) -> Limits {
        Limits::new().writes_late(Millis::new(LATE)).smallest_window(Millis::from_secs(60))
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let now = cx.now().millis();
        let rows: Vec<(i64, Call)> = {
            let ledger = self.ledger();
            let inside = ledger.calls.range((window.from().millis(), 0)..(window.to().millis(), 0));
            inside.filter_map(|((start, _), versions)| Some((*start, versions.at(now)?))).collect()
        };
        self.suffer(cx, window).await?;
        for (start, call) in rows.iter().take(self.cap) {
            out.contact(QUEUES[call.queue], Channel::Calls, Timestamp::from_millis(*start))
                .handled(true)
                .handle_time(Millis::new(call.duration));
            out.flush().await?;
        }
        if rows.len() >= self.cap {
            return Ok(Outcome::truncated());
        }
        self.ledger().answered.push((0, window, rows.len() as u64));
        Ok(Outcome::complete())
    }
}

#[async_trait]
impl StatusSource for System {
    fn limits(&self) -> Limits {
        Limits::new().smallest_window(Millis::from_secs(60))
    }

    /// What overlaps the window.
    async fn read(&self, cx: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        let now = cx.now().millis();
        let (from, to) = (window.from().millis(), window.to().millis());
        let rows: Vec<(i64, State)> = {
            let ledger = self.ledger();
            let near = ledger.states.range((from - 3 * DAY, 0)..(to, 0));
            let visible = near.filter_map(|((start, _), versions)| Some((*start, versions.at(now)?)));
            visible.filter(|(start, state)| *start >= from || state.end.is_none_or(|end| end > from)).collect()
        };
        self.suffer(cx, window).await?;
        for (start, state) in rows.iter().take(self.cap) {
            let end = state.end.map(Timestamp::from_millis);
            out.span(AGENTS[state.agent], STATUSES[state.status], Timestamp::from_millis(*start), end);
            out.flush().await?;
        }
        if rows.len() >= self.cap {
            return Ok(Outcome::truncated());
        }
        self.ledger().answered.push((1, window, rows.len() as u64));
        Ok(Outcome::complete())
    }
}
