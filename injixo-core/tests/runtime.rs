//! The runtime as a host sees it, on time that passes as fast as the test needs it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use injixo_core::connector::{
    AgentNow, Budget, ChangeSource, Changed, CheckReport, Connector, ConnectorFactory, ConnectorInfo, ContactSource,
    ContactWriter, Context, Limits, LiveSource, LiveWriter, Outcome, Registry, StatusSource, StatusWriter, Stream,
};
use injixo_core::model::{Channel, IntervalLength, Millis, Quantity, Timestamp, Window};
use injixo_core::store::{ImportRecord, IntegrationState, Lane, Lease, Store, WorkRecord};
use injixo_core::zone::Zone;
use injixo_core::{
    Activity, Clock, Doing, Error, ErrorKind, Health, LiveUpdate, LookBack, MemoryStore, PersonId, Policy, Result,
    Runtime, Secret, Service, What,
};
use serde::Deserialize;

use crate::support::SimClock;

const MINUTE: i64 = 60_000;

fn at(text: &str) -> Timestamp {
    format!("{text}:00Z").parse().unwrap()
}

fn mins(minutes: i64) -> Millis {
    Millis::from_mins(minutes)
}

/// What a test's system holds and does.
#[derive(Debug, Default)]
struct Holds {
    /// Queue, start, duration in seconds.
    calls: Vec<(&'static str, Timestamp, i64)>,
    /// Agent, status, start, end.
    spans: Vec<(&'static str, &'static str, Timestamp, Option<Timestamp>)>,
    /// What the next reads answer instead.
    errors: Vec<Error>,
    hangs: bool,
    /// The next read ends with a panic.
    panics: bool,
    /// An answer takes so long.
    takes: Millis,
    /// It holds nothing of so many last minutes.
    lags: Option<i64>,
    /// What changed since the mark before.
    changed: Vec<Window>,
    /// So many contacts in each quarter of an hour.
    floods: i64,
    /// A contact with this start cannot be read.
    bad: Option<Timestamp>,
    reads: Vec<(Timestamp, Window)>,
    key: String,
}

#[derive(Debug, Clone)]
struct Acme {
    holds: Arc<Mutex<Holds>>,
    budget: Option<Budget>,
    live: Option<Arc<Mutex<LiveScript>>>,
}

/// What a live source says, and when it loses its connection.
#[derive(Debug, Default)]
struct LiveScript {
    words: Vec<(Timestamp, Word)>,
}

#[derive(Debug, Clone)]
enum Word {
    Snapshot(Vec<AgentNow>),
    Change(AgentNow),
    Lost,
}

impl Acme {
    fn new() -> Self {
        Self { holds: Arc::default(), budget: None, live: None }
    }

    fn with(change: impl FnOnce(&mut Holds)) -> Self {
        let acme = Self::new();
        acme.change(change);
        acme
    }

    fn change(&self, change: impl FnOnce(&mut Holds)) {
        change(&mut self.holds.lock().unwrap());
    }

    fn reads(&self) -> Vec<(Timestamp, Window)> {
        std::mem::take(&mut self.holds.lock().unwrap().reads)
    }

    async fn answer(&self, cx: &Context, window: Window) -> Result<()> {
        let (error, hangs, takes) = {
            let mut holds = self.holds.lock().unwrap();
            holds.reads.push((cx.now(), window));
            (if holds.errors.is_empty() { None } else { Some(holds.errors.remove(0)) }, holds.hangs, holds.takes)
        };
        cx.sleep(cx.now().after(takes)).await;
        if hangs {
            std::future::pending::<()>().await;
        }
        assert!(!std::mem::take(&mut self.holds.lock().unwrap().panics), "nobody thought of this");
        error.map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Connector for Acme {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("acme", "Acme")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        let key = self.holds.lock().unwrap().key.clone();
        Ok(if key == "wrong" {
            CheckReport::ok().problem("the key is not valid: make a new one")
        } else {
            CheckReport::ok()
        })
    }

    fn budget(&self) -> Option<Budget> {
        self.budget.clone()
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        self.live.is_none().then(|| Arc::new(self.clone()) as _)
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        let has = !self.holds.lock().unwrap().spans.is_empty();
        has.then(|| Arc::new(self.clone()) as _)
    }

    fn changes(&self, stream: Stream) -> Option<Arc<dyn ChangeSource>> {
        (stream == Stream::Contacts).then(|| Arc::new(self.clone()) as _)
    }

    fn live(&self) -> Option<Arc<dyn LiveSource>> {
        self.live.is_some().then(|| Arc::new(self.clone()) as _)
    }
}

#[async_trait]
impl ContactSource for Acme {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        self.answer(cx, window).await?;
        let (calls, floods, bad) = {
            let holds = self.holds.lock().unwrap();
            (holds.calls.clone(), holds.floods, holds.bad)
        };
        for (queue, start, duration) in calls {
            let time = if bad == Some(start) { -1 } else { duration * 1_000 };
            out.contact(queue, Channel::Calls, start).handled(true).handle_time(Millis::new(time));
        }
        let quarters = window.duration().get() / (15 * MINUTE);
        for number in 0..floods * quarters {
            let start = window.from().after(Millis::new(number % window.duration().get()));
            out.contact("Flood", Channel::Calls, start).handled(true).handle_time(Millis::new(1_000));
            out.flush().await?;
        }
        let lags = self.holds.lock().unwrap().lags;
        Ok(lags.map_or_else(Outcome::complete, |minutes| Outcome::complete_until(cx.now().before(mins(minutes)))))
    }
}

#[async_trait]
impl ChangeSource for Acme {
    async fn changes(&self, _: &Context, mark: Option<&str>) -> Result<Changed> {
        let mark = mark.map_or(0, |mark| mark.parse::<u64>().unwrap());
        let windows = std::mem::take(&mut self.holds.lock().unwrap().changed);
        let mark = mark + windows.len() as u64;
        Ok(Changed { windows, mark: mark.to_string() })
    }
}

#[async_trait]
impl StatusSource for Acme {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, cx: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        self.answer(cx, window).await?;
        let spans = self.holds.lock().unwrap().spans.clone();
        for (agent, status, start, end) in spans {
            let end = end.filter(|end| *end <= cx.now());
            let reaches = start < window.to() && start <= cx.now() && end.is_none_or(|end| end > window.from());
            if reaches {
                out.span(agent, status, start, end);
            }
        }
        Ok(Outcome::complete())
    }
}

#[async_trait]
impl LiveSource for Acme {
    async fn follow(&self, cx: &Context, out: &mut LiveWriter) -> Result<()> {
        loop {
            let next = {
                let mut script = self.live.as_ref().unwrap().lock().unwrap();
                if script.words.is_empty() { None } else { Some(script.words.remove(0)) }
            };
            let Some((when, word)) = next else { return std::future::pending().await };
            cx.sleep(when).await;
            match word {
                Word::Snapshot(agents) => out.snapshot(when, agents).await?,
                Word::Change(now) => out.change(&now.agent, now.status.as_deref(), now.since).await?,
                Word::Lost => return Err(Error::new(ErrorKind::Unavailable, "the line is gone")),
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct AcmeConfig {
    user: String,
    key: Secret,
}

impl ConnectorFactory for Acme {
    const KIND: &'static str = "acme";
    type Config = AcmeConfig;

    fn build(config: AcmeConfig) -> Result<Self> {
        let calls = vec![("Built", at("2024-05-27T08:01"), i64::try_from(config.user.len()).unwrap())];
        Ok(Self::with(|holds| {
            holds.calls = calls;
            config.key.expose().clone_into(&mut holds.key);
        }))
    }
}

/// A host at 2024-05-27 09:02 by default.
fn host(store: &MemoryStore) -> (Runtime, SimClock) {
    let clock = SimClock::at(at("2024-05-27T09:02"));
    (Runtime::new(store.clone()).clock(clock), clock)
}

/// No back-fill, no look-back: one import a quarter of an hour.
fn plain() -> Policy {
    Policy::new().back_fill(Millis::ZERO).look_back([LookBack::new(mins(15), mins(15))]).reconcile([])
}

async fn until(clock: SimClock, text: &str) {
    clock.sleep_until(at(text)).await;
}

async fn imports(runtime: &Runtime, name: &str) -> Vec<ImportRecord> {
    let mut imports = runtime.imports(name, 10_000).await.unwrap();
    imports.reverse();
    imports
}

fn now(agent: &str, status: &str, since: Timestamp) -> AgentNow {
    AgentNow { agent: agent.to_owned(), status: (!status.is_empty()).then(|| status.to_owned()), since }
}

#[tokio::test(start_paused = true)]
async fn one_source_that_hangs_and_one_that_floods_delay_nobody() {
    let mut delays = Vec::new();
    for is_noisy in [false, true] {
        let (runtime, clock) = host(&MemoryStore::new());
        if is_noisy {
            let mut impatient = plain();
            impatient.patience = mins(1_440);
            runtime.add_with("hangs", Acme::with(|holds| holds.hangs = true), impatient).await.unwrap();
            runtime.add_with("floods", Acme::with(|holds| holds.floods = 20_000), plain()).await.unwrap();
        }
        for number in 0..50 {
            let call = ("Hotline", at("2024-05-27T09:05"), 60);
            runtime
                .add_with(&format!("healthy {number}"), Acme::with(|holds| holds.calls = vec![call]), plain())
                .await
                .unwrap();
        }
        let service = runtime.start();
        until(clock, "2024-05-27T12:01").await;
        let mut seen = BTreeSet::new();
        for number in 0..50 {
            let name = format!("healthy {number}");
            let newest: BTreeMap<_, _> = imports(&runtime, &name)
                .await
                .iter()
                .map(|import| (import.window.unwrap(), import.applied_at))
                .collect();
            assert_eq!(newest.len(), 13, "{name}");
            seen.extend(newest);
        }
        service.shutdown().await;
        delays.push(seen);
    }
    assert_eq!(delays[0], delays[1], "every import of every healthy one at the same instant");
    assert!(delays[0].iter().skip(1).all(|(window, applied)| applied.since(window.to()) < Millis::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_day_read_again_makes_no_event_and_an_edited_status_one() {
    let store = MemoryStore::new();
    let (runtime, clock) = host(&store);
    let day = |minute: i64| at("2024-05-26T10:00").after(mins(minute));
    let spans: Vec<_> = (0..200)
        .map(|number| {
            (
                "amy",
                ["Ready", "On Call"][number % 2],
                day(i64::try_from(number).unwrap() * 5),
                Some(day(i64::try_from(number).unwrap() * 5 + 5)),
            )
        })
        .collect();
    let acme = Acme::with(|holds| {
        holds.calls = vec![("Hotline", day(3), 60)];
        holds.spans = spans;
    });
    let integration = runtime.add_with("acme", acme.clone(), plain()).await.unwrap();
    let window = Window::new(day(0), day(1_440)).unwrap();
    until(clock, "2024-05-27T10:30").await;
    integration.import_statuses(window).await.unwrap();
    let before = runtime.revision().await.unwrap();
    assert!(before > 0);
    for _ in 0..96 {
        let report = integration.import_statuses(window).await.unwrap();
        assert_eq!((report.facts.added, report.facts.replaced, report.facts.gone), (0, 0, 0));
    }
    assert_eq!(runtime.revision().await.unwrap(), before);
    acme.change(|holds| holds.spans[20].1 = "Break");
    integration.import_statuses(window).await.unwrap();
    assert_eq!(runtime.revision().await.unwrap(), before + 1, "exactly one");
    let change = runtime.changes(before).await.unwrap().next().await.unwrap();
    let What::Timeline { agent, from, to, before, after } = change.what else { panic!("{change:?}") };
    assert_eq!((agent.as_str(), from, to), ("amy", day(100), Some(day(105))));
    assert_eq!((before[0].status.as_str(), after[0].status.as_str()), ("Ready", "Break"));
    assert_eq!((before.len(), after.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_the_feed_waits_and_goes_on_where_it_was() {
    let (runtime, clock) = host(&MemoryStore::new());
    let call = |minute: i64| ("Hotline", at("2024-05-27T09:00").after(mins(minute)), 60);
    let acme = Acme::with(|holds| holds.calls = (0..60).step_by(7).map(call).collect());
    runtime.add_with("acme", acme, plain()).await.unwrap();
    let service = runtime.start();
    let mut reader = runtime.changes(0).await.unwrap();
    let first = reader.next().await.unwrap();
    assert_eq!(first.revision, 1);
    assert!(matches!(first.what, What::Queue { is_active: true, .. }), "{first:?}");
    let mut all = vec![first];
    while all.len() < 5 {
        all.push(reader.next().await.unwrap());
    }
    // 09:15, 09:30, 09:45 and 10:00: each quarter with its import.
    assert!(clock.now() >= at("2024-05-27T10:00") && clock.now() < at("2024-05-27T10:01"), "{}", clock.now());
    for (index, change) in all.iter().enumerate() {
        assert_eq!(runtime.changes(change.revision - 1).await.unwrap().next().await.unwrap(), all[index]);
    }
    assert!(runtime.changes(99).await.unwrap_err().message().contains("start again from 0"));
    runtime.delete("acme").await.unwrap();
    let last = reader.next().await.unwrap();
    assert!(matches!(last.what, What::Queue { is_active: false, .. }), "{last:?}");
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn errors_are_waited_out_longer_each_time_and_retry_after_is_honoured() {
    let (runtime, clock) = host(&MemoryStore::new());
    let acme = Acme::with(|holds| {
        holds.errors = (0..4).map(|_| Error::new(ErrorKind::Unavailable, "down for repairs")).collect();
        holds.errors.push(Error::new(ErrorKind::RateLimited, "not so fast").retry_in(Duration::from_secs(3_000)));
    });
    runtime.add_with("acme", acme.clone(), plain()).await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T09:03").await;
    let status = runtime.status_of("acme").await.unwrap();
    let lane = &status.lanes[0];
    assert!(matches!(&lane.health, Health::Waiting { error, .. } if error.contains("down for repairs")), "{lane:?}");
    until(clock, "2024-05-27T10:20").await;
    let reads: Vec<Timestamp> = acme.reads().into_iter().map(|(when, _)| when).collect();
    let pauses: Vec<i64> = reads.windows(2).map(|pair| pair[1].since(pair[0]).get() / 1_000).collect();
    let expected = [(11, 20), (22, 38), (45, 76), (90, 151), (3_000, 3_002)];
    for (pause, (from, to)) in pauses.iter().zip(expected) {
        assert!((from..to).contains(pause), "{pauses:?}");
    }
    assert!(matches!(runtime.status_of("acme").await.unwrap().lanes[0].health, Health::Current));
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_sign_in_stops_all_use_of_the_credentials_until_one_is_edited() {
    let (runtime, clock) = host(&MemoryStore::new());
    let budget = Budget::new(["acme", "account 7"]).permits(100, mins(1));
    let mut both = Vec::new();
    for name in ["one", "two"] {
        let acme = Acme { budget: Some(budget.clone()), ..Acme::new() };
        both.push(acme.clone());
        runtime.add_with(name, acme, plain()).await.unwrap();
    }
    both[0].change(|holds| {
        holds.errors = vec![Error::new(ErrorKind::Unauthenticated, "login refused: check the password")]
    });
    let service = runtime.start();
    until(clock, "2024-05-27T12:00").await;
    let reads = both[0].reads().len() + both[1].reads().len();
    assert!(reads <= 2, "{reads} reads with refused credentials");
    for name in ["one", "two"] {
        let health = runtime.status_of(name).await.unwrap().lanes[0].health.clone();
        assert!(
            matches!(&health, Health::Blocked { error } if error.contains("check the password")),
            "{name}: {health:?}"
        );
    }
    runtime.edit("one", both[0].clone()).await.unwrap();
    runtime.try_again("two").await.unwrap();
    until(clock, "2024-05-27T12:01").await;
    for name in ["one", "two"] {
        assert_eq!(runtime.status_of(name).await.unwrap().lanes[0].health, Health::Current, "{name}");
    }
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_shut_down_gives_its_work_back_at_once_and_a_drop_with_its_lease() {
    let store = MemoryStore::new();
    let (runtime, clock) = host(&store);
    let acme = Acme::with(|holds| holds.hangs = true);
    runtime.add_with("acme", acme.clone(), plain()).await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T09:03").await;
    assert!(runtime.status_of("acme").await.unwrap().lanes[0].reading.is_some());
    service.shutdown().await;
    assert!(runtime.status_of("acme").await.unwrap().lanes[0].reading.is_none());
    acme.reads();
    let service: Service = runtime.start();
    until(clock, "2024-05-27T09:04").await;
    assert_eq!(acme.reads().len(), 1, "at once");
    drop(service);
    acme.change(|holds| holds.hangs = false);
    let dropped = clock.now();
    let service = runtime.start();
    until(clock, "2024-05-27T09:08").await;
    let (again, _) = acme.reads()[0];
    let waited = again.since(dropped);
    assert!(waited > Millis::from_secs(30) && waited <= Millis::from_secs(75), "{waited:?}");
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn mistakes_of_a_host_are_named() {
    let (runtime, _) = host(&MemoryStore::new());
    let error = |result: Result<_>| -> (ErrorKind, String) {
        let error: Error = result.map(|_: injixo_core::Integration| ()).unwrap_err();
        (error.kind(), error.to_string())
    };
    let policy = Policy::new().every(mins(20)).reference_time(mins(-1));
    let (kind, text) = error(runtime.add_with("acme", Acme::new(), policy).await);
    assert!(
        kind == ErrorKind::ConfigInvalid && text.contains("15, 30 or 60") && text.contains("reference_time"),
        "{text}"
    );
    let gaps = Policy::new().look_back([LookBack::new(mins(60), mins(1_440))]);
    assert!(error(runtime.add_with("acme", Acme::new(), gaps).await).1.contains("leaves gaps"));
    let (_, text) = error(runtime.add("acme", Acme::with(|holds| holds.key = "wrong".to_owned())).await);
    assert!(text.contains("make a new one") && text.contains("acme"), "{text}");
    assert!(runtime.status().await.unwrap().is_empty(), "nothing was added");
    assert!(error(runtime.add(" ", Acme::new()).await).1.contains("needs a name"));

    runtime.add_with("acme", Acme::new(), plain()).await.unwrap();
    let unknown = runtime.pause("nobody").await.unwrap_err();
    assert_eq!((unknown.kind(), unknown.message().contains("nobody")), (ErrorKind::NotFound, true));
    let future = runtime.back_fill("acme", at("2030-01-01T00:00")).await.unwrap_err();
    assert!(future.message().contains("not in the past"), "{future}");
    runtime.pause("acme").await.unwrap();
    assert!(runtime.import_now("acme").await.unwrap_err().message().contains("resume it first"));
    let integration = runtime.add("acme", Acme::new()).await.unwrap();
    let window = Window::new(at("2024-05-27T08:00"), at("2024-05-27T09:00")).unwrap();
    assert!(integration.import_contacts(window).await.unwrap_err().message().contains("paused"));
    runtime.delete("acme").await.unwrap();
    assert!(integration.import_contacts(window).await.unwrap_err().message().contains("deleted"));
    assert_eq!(runtime.pause("acme").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_integration_keeps_its_data_and_frees_its_name() {
    let (runtime, clock) = host(&MemoryStore::new());
    let call = ("Old hotline", at("2024-05-27T09:05"), 60);
    let old = runtime.add_with("acme", Acme::with(|holds| holds.calls = vec![call]), plain()).await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T09:20").await;
    runtime.delete("acme").await.unwrap();
    let queues = runtime.queues("acme").await.unwrap();
    assert_eq!((queues[0].key.id.as_str(), queues[0].is_active), ("Old hotline", false));
    assert_eq!(runtime.intervals("acme").await.unwrap().len(), 1);
    let new = runtime.add_with("acme", Acme::new(), plain()).await.unwrap();
    assert_ne!(old.id(), new.id());
    assert!(runtime.queues("acme").await.unwrap().is_empty(), "new queues of its own");
    assert_eq!(runtime.queues(old.id()).await.unwrap().len(), 1, "still readable under its number");
    assert_eq!(runtime.intervals(old.id()).await.unwrap().len(), 1);
    let states: Vec<IntegrationState> = runtime.status().await.unwrap().iter().map(|status| status.state).collect();
    assert_eq!(states, [IntegrationState::Deleted, IntegrationState::Active]);
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_interval_that_starts_in_a_window_is_read_whole() {
    let (runtime, _) = host(&MemoryStore::new());
    let calls = [("A", "25T22:05"), ("A", "26T06:00"), ("A", "26T21:59"), ("A", "26T22:30"), ("B", "26T08:00")];
    let calls = calls.map(|(queue, start)| (queue, at(&format!("2024-05-{start}")), 60));
    let acme = Acme::with(|holds| holds.calls = calls.to_vec());
    let integration = runtime.add_with("acme", acme, plain()).await.unwrap();
    let window = |from: &str, to: &str| Window::new(at(from), at(to)).unwrap();
    integration.import_contacts(window("2024-05-25T00:00", "2024-05-27T00:00")).await.unwrap();
    // The day of Berlin begins at 22:00Z, in the window, and goes on for a day behind it.
    let days = runtime.intervals("acme").zone(Zone::new("Europe/Berlin").unwrap()).every(IntervalLength::DAY);
    let days = days.window(window("2024-05-25T22:00", "2024-05-25T22:15")).await.unwrap();
    let found: Vec<_> = days.iter().map(|day| (day.queue.id.as_str(), day.start, day.measures.offered)).collect();
    let midnight = at("2024-05-25T22:00");
    assert_eq!(found, [("A", midnight, Quantity::whole(3)), ("B", midnight, Quantity::whole(1))]);
}

#[tokio::test(start_paused = true)]
async fn rows_that_were_bad_leave_quarantine_when_they_are_read_again() {
    let (runtime, clock) = host(&MemoryStore::new());
    let calls = vec![("Hotline", at("2024-05-27T08:50"), 60), ("Hotline", at("2024-05-27T08:55"), 70)];
    let acme = Acme::with(|holds| {
        holds.bad = Some(calls[1].1);
        holds.calls = calls;
    });
    let policy = plain();
    runtime.add_with("acme", acme.clone(), policy).await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T09:03").await;
    let quarantine = runtime.quarantine("acme").await.unwrap();
    assert_eq!(quarantine.len(), 1);
    assert!(quarantine[0].1[0].to_string().contains("not a duration"), "{}", quarantine[0].1[0]);
    assert_eq!(runtime.status_of("acme").await.unwrap().quarantined, 1);
    acme.change(|holds| holds.bad = None);
    runtime.replay_quarantine("acme").await.unwrap();
    until(clock, "2024-05-27T09:04").await;
    assert!(runtime.quarantine("acme").await.unwrap().is_empty());
    assert_eq!(runtime.intervals("acme").await.unwrap()[0].measures.handle_time.total, Millis::from_secs(130));
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_kept_configuration_names_its_secrets_and_runs_after_a_restart() {
    let store = MemoryStore::new();
    let (runtime, clock) = host(&store);
    let runtime = runtime.connectors(Registry::new().with::<Acme>());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "hunter2\n").unwrap();
    let literal = runtime.add_configured("acme", "acme", "user = 'amy'\nkey = 'hunter2'", plain()).await.unwrap_err();
    assert!(
        literal.message().contains("must not hold a secret") && !format!("{literal:?}").contains("hunter2"),
        "{literal:?}"
    );
    let config = format!("user = 'amy'\nkey = 'file:{}'", file.display());
    let unknown = runtime.add_configured("acme", "acne", &config, plain()).await.unwrap_err();
    assert!(unknown.message().contains("expected one of acme"), "{unknown}");
    let missing = "user = 'amy'\nkey = 'env:INJIXO_NO_SUCH_VARIABLE'";
    assert!(
        runtime
            .add_configured("acme", "acme", missing, plain())
            .await
            .unwrap_err()
            .message()
            .contains("INJIXO_NO_SUCH_VARIABLE")
    );
    runtime.add_configured("acme", "acme", &config, plain()).await.unwrap();
    let kept = format!("{:?}", store.read().await.unwrap().integrations().await.unwrap());
    assert!(kept.contains("file:") && !kept.contains("hunter2"), "{kept}");
    // Another process that knows nothing but the store and the kinds of connectors.
    let runtime = Runtime::new(store.clone()).clock(clock).connectors(Registry::new().with::<Acme>());
    let service = runtime.start();
    runtime.back_fill("acme", at("2024-05-27T08:00")).await.unwrap();
    until(clock, "2024-05-27T09:03").await;
    assert_eq!(runtime.intervals("acme").await.unwrap()[0].measures.handle_time.total, Millis::from_secs(3));
    runtime.edit_configured("acme", &config.replace("amy", "robert")).await.unwrap();
    runtime.back_fill("acme", at("2024-05-27T08:00")).await.unwrap();
    until(clock, "2024-05-27T09:04").await;
    assert_eq!(runtime.intervals("acme").await.unwrap()[0].measures.handle_time.total, Millis::from_secs(6));
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_mapping_shows_in_history_at_once() {
    let (runtime, _) = host(&MemoryStore::new());
    let spans = vec![
        ("amy", "Ready", at("2024-05-27T08:00"), Some(at("2024-05-27T08:10"))),
        ("amy", "Lunch", at("2024-05-27T08:10"), Some(at("2024-05-27T08:30"))),
        ("bob", "Ready", at("2024-05-27T08:00"), Some(at("2024-05-27T08:05"))),
    ];
    let integration = runtime.add_with("acme", Acme::with(|holds| holds.spans = spans), plain()).await.unwrap();
    let window = Window::new(at("2024-05-27T08:00"), at("2024-05-27T09:00")).unwrap();
    integration.import_statuses(window).await.unwrap();
    let mapping = runtime.mapping("acme");
    let unmapped: Vec<String> =
        mapping.unmapped_agents().await.unwrap().into_iter().map(|agent| agent.external).collect();
    assert_eq!(unmapped, ["amy", "bob"]);
    let statuses = mapping.unmapped_statuses().await.unwrap();
    assert_eq!((statuses[0].external.as_str(), statuses[0].last_seen), ("Lunch", at("2024-05-27T08:10")));
    let doing = async |person| -> Vec<(i64, Doing)> {
        let stretches = mapping.timeline(PersonId(person), window).await.unwrap();
        stretches.iter().map(|stretch| (stretch.from.since(window.from()).get() / MINUTE, stretch.doing)).collect()
    };
    assert_eq!(doing(7).await, [(0, Doing::Offline)]);
    mapping.person("amy", PersonId(7)).await.unwrap();
    assert_eq!(doing(7).await, [(0, Doing::Activity(Activity::PRESENT))], "present until mapped");
    mapping.activity("Lunch", Activity(30)).await.unwrap();
    assert_eq!(doing(7).await, [(0, Doing::Activity(Activity::PRESENT)), (10, Doing::Activity(Activity(30)))]);
    // An import touches no mapping.
    integration.import_statuses(window).await.unwrap();
    assert_eq!(doing(7).await.len(), 2);
    mapping.person("comma, \"quote\"\nline", PersonId(9)).await.unwrap();
    let (json, csv) = (mapping.export_json().await.unwrap(), mapping.export_csv().await.unwrap());
    let other = runtime.add_with("other", Acme::new(), plain()).await.unwrap();
    drop(other);
    runtime.mapping("other").import_csv(&csv).await.unwrap();
    assert_eq!(runtime.mapping("other").export_json().await.unwrap(), json);
    runtime.mapping("other").remove_person("amy").await.unwrap();
    runtime.mapping("other").import_json(&json).await.unwrap();
    assert_eq!(runtime.mapping("other").export_csv().await.unwrap(), csv);
    let wrong =
        runtime.mapping("other").import_csv("kind,external,id\nagent,zoe,1\nstatus,Lunch,noon\n").await.unwrap_err();
    assert!(wrong.message().contains("record 3"), "{wrong}");
    assert_eq!(runtime.mapping("other").export_csv().await.unwrap(), csv, "nothing of it was taken");
}

#[tokio::test(start_paused = true)]
async fn live_changes_reach_subscribers_at_once_and_history_takes_their_place() {
    let store = MemoryStore::new();
    let (runtime, clock) = host(&store);
    let t = |second: i64| at("2024-05-27T09:10").after(Millis::from_secs(second));
    let words = vec![
        (t(0), Word::Snapshot(vec![now("amy", "Ready", t(-600)), now("bob", "Ready", t(-300))])),
        (t(5), Word::Change(now("amy", "On Call", t(5)))),
        (t(6), Word::Change(now("amy", "On Call", t(5)))),
        (t(7), Word::Change(now("amy", "Hold", t(3)))),
        (t(20), Word::Lost),
        (t(21), Word::Snapshot(vec![now("amy", "On Call", t(5))])),
        (t(100), Word::Change(now("amy", "Break", t(100)))),
    ];
    let acme = Acme {
        live: Some(Arc::new(Mutex::new(LiveScript { words }))),
        ..Acme::with(|holds| {
            // History knows the call better, half a second earlier and with its end.
            let call = ("amy", "On Call", t(5).before(Millis::new(500)), Some(t(99)));
            holds.spans = vec![("amy", "Ready", t(-600), Some(t(3))), call];
        })
    };
    let integration = runtime.add_with("acme", acme, plain()).await.unwrap();
    let mut live = runtime.live("acme").await.unwrap();
    assert_eq!(live.next().await, LiveUpdate::Snapshot(vec![]));
    let service = runtime.start();
    assert_eq!(
        live.next().await,
        LiveUpdate::Snapshot(vec![now("amy", "Ready", t(-600)), now("bob", "Ready", t(-300))])
    );
    assert_eq!(clock.now(), t(0), "without delay");
    assert_eq!(live.next().await, LiveUpdate::Change(now("amy", "On Call", t(5))));
    assert_eq!(clock.now(), t(5));
    // The repeated and the older word are no news; after the reconnect a snapshot, in which bob is no longer.
    assert_eq!(live.next().await, LiveUpdate::Snapshot(vec![now("amy", "On Call", t(5))]));
    assert_eq!(live.next().await, LiveUpdate::Change(now("amy", "Break", t(100))));
    until(clock, "2024-05-27T09:12").await;
    let shown = async |agent: &str| -> Vec<(i64, Option<i64>, String)> {
        let timelines = runtime.timelines("acme").agent(agent).await.unwrap();
        let second = |at: Timestamp| (at.millis() - t(0).millis()) / 1_000;
        timelines[0].stretches.iter().map(|s| (second(s.from), s.to.map(second), s.status.clone())).collect()
    };
    let s = |from: i64, to: Option<i64>, status: &str| (from, to, status.to_owned());
    assert_eq!(
        shown("amy").await,
        [s(-600, Some(3), "Ready"), s(3, Some(5), "Hold"), s(5, Some(100), "On Call"), s(100, None, "Break")]
    );
    assert_eq!(shown("bob").await[0].2, "Ready");
    assert!(shown("bob").await[0].1.is_some(), "the snapshot has ended it");
    let revision = runtime.revision().await.unwrap();
    integration.import_statuses(Window::new(t(-700), t(110)).unwrap()).await.unwrap();
    assert_eq!(
        shown("amy").await,
        [s(-600, Some(3), "Ready"), s(3, Some(4), "Hold"), s(4, Some(99), "On Call"), s(100, None, "Break")]
    );
    // Only the edges of the call differ: the change itself is not shown again.
    let mut reader = runtime.changes(revision).await.unwrap();
    let mut changed = Vec::new();
    while let Some(change) = reader.try_next().await.unwrap() {
        if let What::Timeline { from, to, .. } = change.what {
            changed.push((from, to));
        }
    }
    assert_eq!(changed, [(t(5).before(Millis::new(500)), Some(t(5))), (t(99), Some(t(100)))]);
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_is_told_that_it_lagged_and_gets_a_snapshot() {
    let (runtime, clock) = host(&MemoryStore::new());
    let t = |second: i64| at("2024-05-27T09:10").after(Millis::from_secs(second));
    let mut words = vec![(t(0), Word::Snapshot(vec![]))];
    for number in 0..6_000 {
        let status = ["Ready", "Break"][usize::try_from(number % 2).unwrap()];
        words.push((t(1), Word::Change(now("amy", status, t(1).after(Millis::new(number))))));
    }
    let live = Some(Arc::new(Mutex::new(LiveScript { words })));
    runtime.add_with("acme", Acme { live, ..Acme::new() }, plain()).await.unwrap();
    let mut slow = runtime.live("acme").await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T09:11").await;
    assert_eq!(slow.next().await, LiveUpdate::Snapshot(vec![]));
    assert!(matches!(slow.next().await, LiveUpdate::Lagged(missed) if missed > 1_000));
    let LiveUpdate::Snapshot(agents) = slow.next().await else { panic!("a snapshot follows") };
    assert_eq!(agents, [now("amy", "Break", t(1).after(Millis::new(5_999)))]);
    let kept = runtime.timelines("acme").await.unwrap();
    assert_eq!(kept[0].stretches.len(), 6_000, "the import was not held up");
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_back_fill_says_how_far_it_is() {
    let (runtime, clock) = host(&MemoryStore::new());
    let policy = Policy::new().look_back([LookBack::new(mins(15), mins(15))]);
    let acme = Acme::new();
    runtime.add_with("acme", acme.clone(), policy).await.unwrap();
    let status = runtime.status_of("acme").await.unwrap();
    let lane = status.lanes.iter().find(|lane| lane.lane == Lane::ContactsBackfill).unwrap();
    assert_eq!(lane.back_fill.unwrap().percent, 0);
    assert!(matches!(lane.health, Health::Behind { .. }));
    let service = runtime.start();
    until(clock, "2024-05-27T09:10").await;
    let status = runtime.status_of("acme").await.unwrap();
    let lane = status.lanes.iter().find(|lane| lane.lane == Lane::ContactsBackfill).unwrap();
    assert_eq!((lane.back_fill.unwrap().percent, lane.back_fill.unwrap().time_left), (100, Some(Millis::ZERO)));
    assert_eq!(lane.health, Health::Current);
    let windows: Vec<Window> =
        acme.reads().into_iter().map(|(_, window)| window).filter(|window| window.duration() > mins(30)).collect();
    assert!(windows.len() < 45, "windows grow: {}", windows.len());
    assert!(windows.windows(2).all(|pair| pair[1].to() == pair[0].from()), "newest first, without a gap");
    assert_eq!(windows.last().unwrap().from(), at("2021-05-27T09:15"), "1,096 days back, on the grid");
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_renamed_queue_stays_one_queue_and_readers_are_told() {
    #[derive(Debug, Clone)]
    struct Renamed;

    #[async_trait]
    impl Connector for Renamed {
        fn info(&self) -> ConnectorInfo {
            ConnectorInfo::new("renamed", "Renamed")
        }

        async fn check(&self, _: &Context) -> Result<CheckReport> {
            Ok(CheckReport::ok())
        }

        fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
            Some(Arc::new(Self))
        }
    }

    #[async_trait]
    impl ContactSource for Renamed {
        fn limits(&self) -> Limits {
            Limits::new()
        }

        async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
            let mut start = window.from();
            while start < window.to() {
                let name = if start < at("2024-05-27T08:00") { "Hotline" } else { "Sales" };
                out.contact("7", Channel::Calls, start).in_queue_named(name).handled(false).handle_time(None);
                start = start.after(mins(5));
            }
            Ok(Outcome::complete())
        }
    }

    let (runtime, _) = host(&MemoryStore::new());
    let integration = runtime.add("renamed", Renamed).await.unwrap();
    let window = |from: &str, to: &str| Window::new(at(from), at(to)).unwrap();
    // The newest first, as back-filling goes.
    integration.import_contacts(window("2024-05-27T08:00", "2024-05-27T09:00")).await.unwrap();
    integration.import_contacts(window("2024-05-27T07:00", "2024-05-27T08:00")).await.unwrap();
    let queues = runtime.queues("renamed").await.unwrap();
    assert_eq!((queues.len(), queues[0].name.as_deref()), (1, Some("Sales")));
    integration.import_contacts(window("2024-05-27T07:30", "2024-05-27T08:30")).await.unwrap();
    assert_eq!(runtime.queues("renamed").await.unwrap()[0].name.as_deref(), Some("Sales"));
    let mut changes = runtime.changes(0).await.unwrap();
    let mut told = Vec::new();
    while let Some(change) = changes.try_next().await.unwrap() {
        if let What::Queue { name, .. } = change.what {
            told.push(name.unwrap());
        }
    }
    assert_eq!(told, ["Sales"]);
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_is_named_and_tried_again() {
    let (runtime, clock) = host(&MemoryStore::new());
    let call = ("Hotline", at("2024-05-27T08:50"), 60);
    let acme = Acme::with(|holds| {
        holds.calls = vec![call];
        holds.panics = true;
    });
    runtime.add_with("acme", acme, plain()).await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T09:02").await;
    clock.sleep_until(clock.now().after(Millis::from_secs(5))).await;
    let health = runtime.status_of("acme").await.unwrap().lanes[0].health.clone();
    assert!(matches!(&health, Health::Waiting { error, .. } if error.contains("nobody thought of this")), "{health:?}");
    until(clock, "2024-05-27T09:04").await;
    assert_eq!(runtime.status_of("acme").await.unwrap().lanes[0].health, Health::Current);
    assert_eq!(runtime.intervals("acme").await.unwrap().len(), 1);
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_lags_is_imported_as_far_as_it_goes() {
    let (runtime, clock) = host(&MemoryStore::new());
    let acme = Acme::with(|holds| {
        holds.calls = (0..40).map(|number| ("Hotline", at("2024-05-27T08:45").after(mins(number * 15)), 60)).collect();
        holds.lags = Some(50);
    });
    runtime.add_with("acme", acme, plain()).await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T12:10").await;
    // At 12:10 the source is complete until 11:20.
    let last = runtime.intervals("acme").await.unwrap().last().unwrap().start;
    assert_eq!(last, at("2024-05-27T11:00"));
    runtime.import_now("acme").await.unwrap();
    until(clock, "2024-05-27T13:10").await;
    let quarters = runtime.intervals("acme").await.unwrap();
    assert_eq!((quarters.len(), quarters.last().unwrap().start), (14, at("2024-05-27T12:00")));
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_past_of_a_source_that_stopped_long_ago_is_read() {
    let (runtime, clock) = host(&MemoryStore::new());
    let days = 1_440;
    let acme = Acme::with(|holds| {
        holds.calls = vec![("Hotline", at("2024-03-20T08:50"), 60)];
        holds.lags = Some(60 * days);
    });
    runtime.add_with("acme", acme.clone(), plain().back_fill(mins(90 * days))).await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T09:10").await;
    assert_eq!(runtime.intervals("acme").await.unwrap().len(), 1);
    // What it lacks is asked for now and then, not all the time.
    let asked = acme.reads().len();
    until(clock, "2024-05-27T10:10").await;
    let more = acme.reads().len();
    assert!(asked < 300 && (8..=4 * asked).contains(&more), "{asked} {more}");
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn empty_answers_are_not_asked_for_again_when_permits_run_out() {
    let (runtime, clock) = host(&MemoryStore::new());
    // Of ten an hour the newest imports take four and gaps may take nine: five are left for the gap.
    let budget = Budget::new(["acme"]).permits(10, mins(60));
    let acme = Acme { budget: Some(budget), ..Acme::new() };
    let mut policy = plain();
    policy.longest_window = mins(60);
    runtime.add_with("acme", acme.clone(), policy).await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T09:10").await;
    runtime.pause("acme").await.unwrap();
    until(clock, "2024-05-28T09:10").await;
    acme.reads();
    runtime.resume("acme").await.unwrap();
    until(clock, "2024-05-28T15:01").await;
    let gaps = runtime.status_of("acme").await.unwrap().lanes[0].gaps.clone();
    assert!(gaps.is_empty(), "{gaps:?} {:?}", acme.reads());
    let gap = |window: &Window| window.to() <= at("2024-05-28T08:45");
    let mut asked: Vec<Window> = acme.reads().into_iter().map(|(_, window)| window).filter(gap).collect();
    let number = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!((number, asked.len()), (24, 24), "each hour once: {asked:?}");
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_changed_long_ago_is_read_again_however_long_it_is() {
    let (runtime, clock) = host(&MemoryStore::new());
    let call = ("Hotline", at("2024-05-20T08:50"), 60);
    let acme = Acme::with(|holds| holds.calls = vec![call]);
    let policy = plain().back_fill(mins(20 * 1_440));
    runtime.add_with("acme", acme.clone(), policy).await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T10:00").await;
    acme.change(|holds| {
        holds.calls[0].2 = 90;
        holds.changed = vec![Window::new(at("2024-05-15T00:00"), at("2024-05-25T00:00")).unwrap()];
    });
    until(clock, "2024-05-27T10:20").await;
    let time = runtime.intervals("acme").await.unwrap()[0].measures.handle_time.total;
    assert_eq!(time, Millis::from_secs(90));
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_too_early_is_read_again_at_its_reference_time() {
    let (runtime, clock) = host(&MemoryStore::new());
    let acme = Acme::new();
    runtime.add_with("acme", acme.clone(), plain().reference_time(mins(10))).await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T09:16").await;
    runtime.import_now("acme").await.unwrap();
    until(clock, "2024-05-27T09:18").await;
    // Written two minutes after it was asked for, seven before the reference time.
    acme.change(|holds| holds.calls = vec![("Hotline", at("2024-05-27T09:05"), 60)]);
    until(clock, "2024-05-27T09:26").await;
    assert_eq!(runtime.intervals("acme").await.unwrap().len(), 1);
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_row_that_stays_bad_is_one_entry() {
    let (runtime, clock) = host(&MemoryStore::new());
    let calls = vec![("Hotline", at("2024-05-27T08:50"), 60), ("Hotline", at("2024-05-27T08:52"), 70)];
    let acme = Acme::with(|holds| {
        holds.bad = Some(calls[0].1);
        holds.calls = calls;
    });
    let look_back = LookBack::new(mins(120), mins(15));
    runtime.add_with("acme", acme, plain().look_back([look_back])).await.unwrap();
    let service = runtime.start();
    until(clock, "2024-05-27T10:31").await;
    assert_eq!(runtime.status_of("acme").await.unwrap().quarantined, 1);
    service.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_under_a_claim_that_another_took_over_is_refused() {
    let store = MemoryStore::new();
    let (runtime, clock) = host(&store);
    let call = ("Hotline", at("2024-05-27T08:50"), 60);
    let acme = Acme::with(|holds| {
        holds.calls = vec![call];
        holds.takes = Millis::from_secs(5);
    });
    runtime.add_with("acme", acme.clone(), plain()).await.unwrap();
    let service = runtime.start();
    clock.sleep_until(at("2024-05-27T09:02").after(Millis::from_secs(1))).await;
    assert_eq!(acme.reads().len(), 1, "it is being read");
    // As another process does to whom the lease seems to have run out. The claims of the first one are next looked at when it
    // has answered.
    let mut write = store.write().await.unwrap();
    let work = write.lock_work(1, Lane::Contacts).await.unwrap().unwrap();
    let until = clock.now().after(mins(60));
    let lease = Lease { owner: "another".to_owned(), until };
    let taken = WorkRecord { fence: work.fence + 1, lease: Some(lease), window: None, ..work };
    write.put_work(std::slice::from_ref(&taken)).await.unwrap();
    write.commit().await.unwrap();
    clock.sleep_until(at("2024-05-27T09:02").after(Millis::from_secs(8))).await;
    assert!(imports(&runtime, "acme").await.is_empty(), "nothing was committed");
    let held = store.write().await.unwrap().lock_work(1, Lane::Contacts).await.unwrap();
    assert_eq!(held, Some(taken), "the claim of the other one stands");
    service.shutdown().await;
}
