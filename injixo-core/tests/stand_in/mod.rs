//! A small external system in memory, with pages and a cap, and a connector for it that can be given one defect.

pub mod folder;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use injixo_core::connector::{
    CheckReport, Connector, ConnectorInfo, ContactSource, ContactWriter, Context, Form, Limits, Outcome, StatusSource,
    StatusWriter,
};
use injixo_core::model::{
    Attribution, Channel, Contact, IntervalLength, IntervalRow, Measures, Millis, Quantity, Timed, Timestamp, Window,
};
use injixo_core::testkit::{Fact, Fault};
use injixo_core::{Error, ErrorKind, Result};

/// The key with which the desk signs in; its characters are escaped in most places.
pub const KEY: &str = "hunter/\"2\"";

const MINUTE: i64 = 60_000;
const HALF_HOUR: i64 = 30 * MINUTE;

/// The data: a Saturday evening and the Sunday of 25 hours after it, in Berlin.
pub fn window() -> Window {
    Window::new(at("2024-10-26T20:00:00Z"), at("2024-10-28T00:00:00Z")).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A call or a status, as the system keeps it.
#[derive(Debug, Clone)]
struct Row {
    id: usize,
    name: &'static str,
    status: &'static str,
    start: Timestamp,
    end: Timestamp,
    answered: bool,
}

#[derive(Debug, Clone)]
pub struct System {
    calls: Vec<Row>,
    spans: Vec<Row>,
    fault: Option<Fault>,
    cap: usize,
}

/// What the system says instead of an answer.
#[derive(Debug)]
enum Refusal {
    Login,
    Down,
    Wait,
    Garbage,
}

struct Page {
    rows: Vec<Row>,
    total: usize,
    is_full: bool,
}

const PAGE: usize = 20;

impl System {
    pub fn good() -> Self {
        let from = window().from();
        let mut calls = Vec::new();
        // Between two of them lies most of an hour.
        for call in (0..60).chain(64..150) {
            let start = from.after(Millis::new(call * 11 * MINUTE + (call % 7) * 1_003));
            let end = start.after(Millis::from_secs(40 + call % 300));
            let name = ["Hotline", "Orders", "Support"][usize::try_from(call % 3).unwrap()];
            // Every thirtieth call comes twice, equal but for what the system calls it.
            for _ in 0..if call % 30 == 5 { 2 } else { 1 } {
                let id = calls.len();
                calls.push(Row { id, name, status: "", start, end, answered: call % 4 != 0 });
            }
        }
        let mut spans = Vec::new();
        for (agent, shift) in [("amy", 0), ("bob", 7 * MINUTE)] {
            let mut start = from.after(Millis::new(shift));
            for span in 0..40 {
                let end = start.after(Millis::new((10 + span * 7 % 60) * MINUTE));
                let status = ["Ready", "On Call", "Break"][usize::try_from(span % 3).unwrap()];
                spans.push(Row { id: spans.len(), name: agent, status, start, end, answered: false });
                // Now and then the next one begins a little later: time without a status.
                start = if span % 5 == 4 { end.after(Millis::from_mins(3)) } else { end };
            }
        }
        Self { calls, spans, fault: None, cap: 1_000 }
    }

    pub fn at_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    pub fn contacts(&self) -> Vec<Fact> {
        let contact = |call: &Row| {
            let mut contact = Contact::offered(call.start);
            if call.answered {
                contact = contact.handled(call.end.since(call.start)).answered_after(Millis::from_secs(5));
            }
            Fact::contact(call.name, Channel::Calls, contact)
        };
        self.calls.iter().map(contact).collect()
    }

    pub fn statuses(&self) -> Vec<Fact> {
        self.spans.iter().map(|span| Fact::span(span.name, span.status, span.start, span.end)).collect()
    }

    async fn sign_in(&self) -> Result<(), Refusal> {
        tokio::task::yield_now().await;
        match self.fault {
            Some(Fault::WrongCredentials) => Err(Refusal::Login),
            Some(Fault::Unreachable) => Err(Refusal::Down),
            Some(Fault::RateLimited) => Err(Refusal::Wait),
            Some(Fault::BrokenAnswer) => Err(Refusal::Garbage),
            Some(Fault::Hangs) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    /// The page of that number: calls that start in the time, or statuses that reach into it.
    async fn page(&self, statuses: bool, from: Timestamp, to: Timestamp, number: usize) -> Result<Page, Refusal> {
        self.sign_in().await?;
        let rows = if statuses { &self.spans } else { &self.calls };
        let is_in = |row: &&Row| row.start < to && if statuses { row.end >= from } else { row.start >= from };
        let mut found: Vec<Row> = rows.iter().filter(is_in).cloned().collect();
        found.sort_by_key(|row| (row.start, row.id));
        let cap = if self.fault == Some(Fault::RowCap) { 25 } else { self.cap };
        let is_full = found.len() >= cap;
        found.truncate(cap);
        let total = found.len();
        let number = match self.fault {
            Some(Fault::RepeatedPage) => number.saturating_sub(1),
            Some(Fault::MissingPage) if number > 0 => number + 1,
            _ => number,
        };
        let mut rows: Vec<Row> = found.into_iter().skip(number * PAGE).take(PAGE).collect();
        if self.fault == Some(Fault::ShortPage) && number == 0 {
            rows.truncate(PAGE - 2);
        }
        Ok(Page { rows, total, is_full })
    }
}

/// How a correct connector works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// All at once.
    Plainly,
    /// At most 18 hours at once, at least a quarter of an hour.
    SmallWindows,
    /// Few rows at once.
    LowCap,
    /// Has only what is older than a day.
    Lags,
    /// Asks for an hour more on both sides, and leaves it to the engine.
    Eager,
    /// Never tells the end of a span that the next one follows at once.
    OpenSpans,
    /// Writes spans only where they start, with their ends.
    OnlyWhatStarts,
    /// Writes spans that start in the window, with an end only where the agent pauses after it.
    NewStatusesOnly,
}

/// What is wrong with the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    None,
    /// Correct: tells the end of a span only in a window that reaches past it.
    KnowsEndsLate,
    NoSource,
    UpsideDown,
    Moody,
    Complains,
    Silent,
    Untrue,
    OpenStart,
    ClosedEnd,
    WholeHours,
    Remembers,
    EmptyFails,
    FutureFails,
    EmptyIsLate,
    DaysOf24Hours,
    UntilBehind,
    LeavesPage,
    OneWindow,
    IgnoresCap,
    FailsAtCap,
    KeepsRepeats,
    TrustsEmptyPage,
    TrustsShortPage,
    LoginUnexpected,
    LoginRetryable,
    DownForGood,
    WaitIsDown,
    GarbageIsEmpty,
    GivesUpQuietly,
    ChecksNothing,
    CheckBlamesData,
    DebugShowsKey,
    ErrorShowsKey,
    CauseShowsKey,
    EventShowsKey,
    NoQueue,
    NegativeTime,
    OtherKind,
    Panics,
    CutsEnds,
    CutsStarts,
    ForgetsEnds,
    PartialSums,
    OffGrid,
}

#[derive(Clone)]
pub struct Desk {
    system: System,
    defect: Defect,
    way: Way,
    sums_up: bool,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: AtomicUsize,
    page: AtomicUsize,
    seen: Mutex<HashSet<usize>>,
    window: Mutex<Option<Window>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = if self.defect == Defect::DebugShowsKey { KEY } else { "[REDACTED]" };
        f.debug_struct("Desk").field("key", &key).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Cause(String);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}

impl Desk {
    pub fn new(system: System) -> Self {
        Self { system, defect: Defect::None, way: Way::Plainly, sums_up: false, state: Arc::default() }
    }

    pub fn with(mut self, defect: Defect) -> Self {
        self.defect = defect;
        self
    }

    pub fn working(mut self, way: Way) -> Self {
        if way == Way::LowCap {
            self.system.cap = 30;
        }
        self.way = way;
        self
    }

    /// The same, handing out rows of half an hour.
    pub fn summing_up(mut self) -> Self {
        self.sums_up = true;
        self
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn error(&self, refusal: &Refusal) -> Error {
        match refusal {
            Refusal::Login if self.has(Defect::LoginUnexpected) => Error::new(ErrorKind::Unexpected, "status 401"),
            Refusal::Login if self.has(Defect::LoginRetryable) => {
                Error::new(ErrorKind::Unauthenticated, "the key is refused").retry_in(Duration::from_secs(1))
            }
            Refusal::Login if self.has(Defect::ErrorShowsKey) => {
                Error::new(ErrorKind::Unauthenticated, format!("the key {KEY} is refused"))
            }
            Refusal::Login if self.has(Defect::CauseShowsKey) => {
                let address = "GET https://desk.example/calls?key=hunter%2F%222%22".to_owned();
                Error::new(ErrorKind::Unauthenticated, "the key is refused").caused_by(Cause(address))
            }
            Refusal::Login => Error::new(ErrorKind::Unauthenticated, "the key is refused: make a new one"),
            Refusal::Down if self.has(Defect::DownForGood) => {
                Error::new(ErrorKind::Unavailable, "no answer").permanent()
            }
            Refusal::Down => Error::new(ErrorKind::Unavailable, "no answer"),
            Refusal::Wait if self.has(Defect::WaitIsDown) => Error::new(ErrorKind::Unavailable, "status 429"),
            Refusal::Wait => Error::new(ErrorKind::RateLimited, "wait").retry_in(Duration::from_secs(30)),
            Refusal::Garbage => Error::new(ErrorKind::Protocol, "the answer is no list"),
        }
    }

    /// All pages of a time, and whether there may be more.
    async fn rows(&self, statuses: bool, mut window: Window) -> Result<(Vec<Row>, bool)> {
        let mut rows: Vec<Row> = Vec::new();
        let mut ids = HashSet::new();
        if self.has(Defect::LeavesPage) {
            // The page from which the last read went on stays when that read is dropped.
        } else {
            self.state.page.store(0, Ordering::SeqCst);
        }
        let mut number = if self.has(Defect::LeavesPage) { self.state.page.load(Ordering::SeqCst) } else { 0 };
        *self.state.window.lock().unwrap() = Some(window);
        if self.has(Defect::EventShowsKey) {
            tracing::debug!(key = KEY, "asking");
        }
        let (mut total, mut is_full) = (0, false);
        loop {
            if self.has(Defect::OneWindow) {
                window = self.state.window.lock().unwrap().unwrap_or(window);
            }
            let asked = self.system.page(statuses, window.from(), window.to(), number);
            let page = if self.has(Defect::GivesUpQuietly) {
                match tokio::time::timeout(Duration::from_millis(20), asked).await {
                    Ok(page) => page,
                    Err(_) => break,
                }
            } else {
                asked.await
            };
            let page = match page {
                Err(Refusal::Garbage) if self.has(Defect::GarbageIsEmpty) => break,
                page => page.map_err(|refusal| self.error(&refusal))?,
            };
            (total, is_full) = (page.total, page.is_full);
            let length = page.rows.len();
            rows.extend(page.rows.into_iter().filter(|row| self.has(Defect::KeepsRepeats) || ids.insert(row.id)));
            number += 1;
            self.state.page.store(number, Ordering::SeqCst);
            let is_last = match self.defect {
                Defect::TrustsShortPage => length < PAGE,
                Defect::TrustsEmptyPage | Defect::KeepsRepeats => length == 0,
                _ => length == 0 || rows.len() >= total,
            };
            if is_last {
                break;
            }
        }
        self.state.page.store(0, Ordering::SeqCst);
        let trusts = [
            Defect::TrustsShortPage,
            Defect::TrustsEmptyPage,
            Defect::KeepsRepeats,
            Defect::GivesUpQuietly,
            Defect::GarbageIsEmpty,
        ];
        if rows.len() != total && !trusts.contains(&self.defect) {
            let message = format!("{} rows of {total}", rows.len());
            return Err(Error::new(ErrorKind::Protocol, message));
        }
        Ok((rows, is_full))
    }

    fn limits(&self) -> Limits {
        let limits = Limits::new().writes_late(Millis::from_mins(10));
        match self.defect {
            Defect::UpsideDown => limits.longest_window(Millis::from_secs(60)).smallest_window(Millis::from_mins(60)),
            Defect::Moody => {
                let asked = self.state.asked.fetch_add(1, Ordering::SeqCst);
                limits.longest_window(Millis::from_mins(60 * 24 * i64::try_from(31 - asked % 7).unwrap()))
            }
            _ if self.way == Way::SmallWindows => {
                limits.longest_window(Millis::from_mins(18 * 60)).smallest_window(Millis::from_mins(15))
            }
            _ => limits,
        }
    }

    /// What all sources do wrong, or right, with the window before they ask.
    fn asked(&self, window: Window) -> Window {
        let (mut from, mut to) = (window.from(), window.to());
        match self.defect {
            Defect::WholeHours => {
                let hour = 60 * MINUTE;
                to = Timestamp::from_millis(to.millis().div_euclid(hour) * hour);
            }
            Defect::DaysOf24Hours => {
                let day = 24 * 60 * MINUTE;
                let days = window.duration().get() / day;
                if days > 0 {
                    to = from.after(Millis::new(days * day));
                }
            }
            _ if self.way == Way::Eager => {
                from = from.before(Millis::from_mins(60));
                to = to.after(Millis::from_mins(60));
            }
            Defect::OpenStart => from = from.after(Millis::new(1)),
            Defect::ClosedEnd => to = to.after(Millis::new(1)),
            _ => {}
        }
        Window::new(from, to).unwrap_or(window)
    }

    fn outcome(&self, cx: &Context, window: Window, rows: usize, is_full: bool) -> Result<Outcome> {
        if rows == 0 && self.has(Defect::EmptyFails) {
            return Err(Error::new(ErrorKind::NotFound, "there are no calls in that time"));
        }
        if rows == 0 && self.has(Defect::EmptyIsLate) {
            return Ok(Outcome::complete_until(window.from()));
        }
        if window.from() > cx.now() && self.has(Defect::FutureFails) {
            return Err(Error::new(ErrorKind::ConfigInvalid, "that time has not been"));
        }
        if is_full && self.has(Defect::FailsAtCap) {
            return Err(Error::new(ErrorKind::DataInvalid, "too many rows"));
        }
        if self.has(Defect::UntilBehind) {
            return Ok(Outcome::complete_until(window.to().after(Millis::from_mins(60))));
        }
        let known = cx.now().before(Millis::from_mins(24 * 60 + 20));
        if !is_full && self.way == Way::Lags && known < window.to() {
            return Ok(Outcome::complete_until(known));
        }
        let is_full = is_full && !self.has(Defect::IgnoresCap);
        Ok(if is_full { Outcome::truncated() } else { Outcome::complete() })
    }
}

#[async_trait]
impl Connector for Desk {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("desk", "A desk")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        match self.defect {
            Defect::ChecksNothing => return Ok(CheckReport::ok()),
            Defect::Complains => return Ok(CheckReport::ok().problem("the moon is full")),
            _ => {}
        }
        match self.system.sign_in().await {
            Ok(()) => Ok(CheckReport::ok().note("signed in")),
            Err(_) if self.has(Defect::CheckBlamesData) => Err(Error::new(ErrorKind::DataInvalid, "no JSON")),
            Err(refusal) => Ok(CheckReport::ok().problem(self.error(&refusal).to_string())),
        }
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        (!self.has(Defect::NoSource)).then(|| Arc::new(self.clone()) as Arc<dyn ContactSource>)
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl ContactSource for Desk {
    fn limits(&self) -> Limits {
        Self::limits(self)
    }

    fn form(&self) -> Form {
        let is_rows = self.sums_up != self.has(Defect::OtherKind);
        let length = IntervalLength::MINUTES_30;
        if is_rows { Form::IntervalRows { length, attribution: Attribution::AsDelivered } } else { Form::Contacts }
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        if self.sums_up {
            return self.read_sums(cx, window, out).await;
        }
        let (rows, is_full) = self.rows(false, self.asked(window)).await?;
        let outcome = self.outcome(cx, window, rows.len(), is_full)?;
        for row in rows {
            match self.defect {
                Defect::Silent => continue,
                Defect::Panics => panic!("no row like this was expected"),
                Defect::Remembers if !self.state.seen.lock().unwrap().insert(row.id) => continue,
                _ => {}
            }
            let name = if self.has(Defect::NoQueue) && row.id == 7 { "" } else { row.name };
            let talk = row.answered.then(|| row.end.since(row.start));
            let talk = if self.has(Defect::NegativeTime) { talk.map(|talk| Millis::new(-talk.get())) } else { talk };
            let is_answered = row.answered && !(self.has(Defect::Untrue) && row.id == 3);
            let wait = is_answered.then_some(Millis::from_secs(5));
            out.contact(name, Channel::Calls, row.start).answered_after(wait).handle_time(talk);
            out.flush().await?;
        }
        Ok(outcome)
    }
}

impl Desk {
    /// Sums of half an hour, each from all calls of its half hour, wherever the window's edges are.
    async fn read_sums(&self, cx: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let ceil = |at: Timestamp| Timestamp::from_millis(-(-at.millis()).div_euclid(HALF_HOUR) * HALF_HOUR);
        let whole = Window::new(ceil(window.from()), ceil(window.to()));
        let wide = if self.has(Defect::PartialSums) { Some(window) } else { whole.ok() };
        let Some(wide) = wide else { return Ok(Outcome::complete()) };
        let (calls, is_full) = self.rows(false, wide).await?;
        let mut sums: BTreeMap<(&str, i64), Measures> = BTreeMap::new();
        for call in &calls {
            let start = call.start.millis().div_euclid(HALF_HOUR) * HALF_HOUR;
            let sum = sums.entry((call.name, start)).or_default();
            sum.offered = sum.offered.plus(Quantity::ONE);
            if call.answered {
                sum.handled = sum.handled.plus(Quantity::ONE);
                let time = Timed { total: call.end.since(call.start), number: Quantity::ONE };
                sum.handle_time = sum.handle_time.plus(time);
            }
        }
        for ((queue, start), measures) in sums {
            let late = if self.has(Defect::OffGrid) { 15 * MINUTE } else { 0 };
            let start = Timestamp::from_millis(start + late);
            out.interval_row(queue, Channel::Calls, IntervalRow { start, length: Millis::new(HALF_HOUR), measures });
        }
        self.outcome(cx, window, calls.len(), is_full)
    }
}

#[async_trait]
impl StatusSource for Desk {
    fn limits(&self) -> Limits {
        Self::limits(self)
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        let (rows, is_full) = self.rows(true, self.asked(window)).await?;
        let outcome = self.outcome(cx, window, rows.len(), is_full)?;
        for row in rows {
            let (mut start, mut end) = (row.start, Some(row.end));
            let is_followed = rows_after(&self.system.spans, &row);
            match self.way {
                Way::OpenSpans if is_followed => end = None,
                Way::NewStatusesOnly if is_followed => end = None,
                _ => {}
            }
            let is_new = row.start >= window.from();
            if matches!(self.way, Way::OnlyWhatStarts | Way::NewStatusesOnly) && !is_new {
                continue;
            }
            match self.defect {
                Defect::OpenStart if row.start == window.from() => continue,
                Defect::KnowsEndsLate => end = end.filter(|end| *end < window.to()),
                Defect::CutsEnds => end = end.map(|end| end.min(window.to())),
                Defect::CutsStarts => start = start.max(window.from()),
                // Neither the end, nor later the span that began before.
                Defect::ForgetsEnds if row.start < window.from() => continue,
                Defect::ForgetsEnds => end = end.filter(|end| *end < window.to()),
                Defect::NegativeTime if row.id % 5 == 3 => end = end.map(|_| start.before(Millis::from_secs(1))),
                Defect::Silent => continue,
                _ => {}
            }
            let name = if self.has(Defect::NoQueue) && row.id == 7 { " " } else { row.name };
            out.span(name, row.status, start, end);
            out.flush().await?;
        }
        Ok(outcome)
    }
}

/// Whether a status of the same agent begins where this one ends.
fn rows_after(spans: &[Row], row: &Row) -> bool {
    spans.iter().any(|next| next.name == row.name && next.start == row.end)
}

/// A call every seven minutes, for ever, without asking anybody: the connector of the example in the workspace.
#[derive(Debug, Clone)]
pub struct Endless;

#[async_trait]
impl Connector for Endless {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("endless", "Endless")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl ContactSource for Endless {
    fn limits(&self) -> Limits {
        Limits::new().writes_late(Millis::from_mins(10))
    }

    async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let every = Millis::from_mins(7).get();
        let first = (window.from().millis() + every - 1) / every;
        for call in first.. {
            let started = Timestamp::from_millis(call * every);
            if !window.contains(started) {
                break;
            }
            let wait = (call % 5 != 0).then_some(Millis::from_secs(call % 60));
            let talk = wait.map(|_| Millis::from_secs(120 + call % 90));
            out.contact("Hotline", Channel::Calls, started).answered_after(wait).handle_time(talk);
            out.flush().await?;
        }
        Ok(Outcome::complete())
    }
}
