//! What arrives request by request: it adds, is applied once, and shows in queries and in the feed alike.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use injixo_core::connector::{
    CheckReport, Connector, ConnectorInfo, ContactSource, ContactWriter, Context, Limits, Outcome,
};
use injixo_core::model::{Channel, Contact, Millis, RejectedRow, Rule, Timestamp, Window};
use injixo_core::store::Store;
use injixo_core::zone::Zone;
use injixo_core::{Error, ErrorKind, Events, MemoryStore, Policy, Result, Runtime, What};

use crate::support::SimClock;

/// Queue, start, duration in seconds.
type Calls = Vec<(&'static str, Timestamp, i64)>;

/// An integration to which others send; it can also be read, as far as it `holds` something.
#[derive(Debug, Clone)]
struct Pushed {
    zone: Zone,
    holds: Option<Arc<Mutex<Calls>>>,
}

impl Pushed {
    fn new() -> Self {
        Self { zone: Zone::utc(), holds: None }
    }
}

#[async_trait]
impl Connector for Pushed {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("pushed", "Pushed")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }

    fn zone(&self) -> Zone {
        self.zone.clone()
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        self.holds.as_ref().map(|_| Arc::new(self.clone()) as Arc<dyn ContactSource>)
    }
}

#[async_trait]
impl ContactSource for Pushed {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        for (queue, start, secs) in self.holds.iter().flat_map(|holds| holds.lock().unwrap().clone()) {
            if window.contains(start) {
                out.contact(queue, Channel::Calls, start).handled(true).handle_time(Millis::from_secs(secs));
            }
        }
        Ok(Outcome::complete())
    }
}

const DAY: i64 = 86_400_000;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn call(start: Timestamp, secs: i64) -> Contact {
    Contact::offered(start).handled(Millis::from_secs(secs))
}

/// A request with contacts of a queue.
fn calls(key: &str, queue: &str, contacts: &[Contact]) -> Events {
    let mut events = Events::contacts(key);
    contacts.iter().for_each(|contact| events.contact(queue, Channel::Calls, None, *contact));
    events
}

/// The intervals of an integration as queries show them, and as whoever followed the feed knows them.
async fn shown(runtime: &Runtime, name: &str) -> String {
    let mut lines = String::new();
    for row in runtime.intervals(name).await.unwrap() {
        let m = row.measures;
        let _ = writeln!(lines, "{} {} {} {} {}", row.queue.id, row.start, m.offered, m.handled, m.handle_time.total);
    }
    let mut known = BTreeMap::new();
    let mut changes = runtime.changes(0).await.unwrap();
    let mut last = 0;
    while let Some(change) = changes.try_next().await.unwrap() {
        assert!(change.revision > last, "revisions rise");
        last = change.revision;
        if let What::Interval { queue, start, before, after, .. } = change.what {
            assert_ne!(before, after, "nothing changed");
            let held = match after {
                Some(after) => known.insert((queue.id.clone(), start), after),
                None => known.remove(&(queue.id.clone(), start)),
            };
            assert_eq!(held, before, "{} {start}", queue.id);
        }
    }
    let mut followed = String::new();
    for ((queue, start), m) in known {
        let _ = writeln!(followed, "{queue} {start} {} {} {}", m.offered, m.handled, m.handle_time.total);
    }
    assert_eq!(followed, lines, "whoever follows the feed knows what is there");
    lines
}

async fn stretches(runtime: &Runtime, name: &str) -> Vec<String> {
    let timelines = runtime.timelines(name).await.unwrap();
    let line = |agent: &str, from: Timestamp, to: Option<Timestamp>, status: &str| {
        format!("{agent} {from} {} {status}", to.map_or("-".to_owned(), |to| to.to_string()))
    };
    timelines
        .iter()
        .flat_map(|agent| agent.stretches.iter().map(|s| line(&agent.agent, s.from, s.to, &s.status)))
        .collect()
}

macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $name() { super::$name(Arc::new(super::MemoryStore::new())).await; })*
            use std::sync::Arc;
        }
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let store = injixo_core::SqliteStore::open(folder.path().join("store.db")).await.unwrap();
                super::$name(std::sync::Arc::new(store)).await;
            })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
                let store = injixo_core::PostgresStore::connect(&injixo_test_servers::postgres()).await.unwrap();
                super::$name(std::sync::Arc::new(store)).await;
            })*
        }
    };
}

on_every_store![
    many_requests_at_once_are_each_applied_once,
    what_a_window_says_replaces_what_arrived,
    an_unusual_zone_counts_like_any_other,
    what_arrived_stays_when_the_zone_changes,
    statuses_get_their_ends,
    a_new_key_ends_the_old_one,
    paused_deleted_and_unknown_integrations_take_nothing,
    a_repeat_is_told_by_its_key_and_within_its_time,
    queues_of_another_kind_refuse_their_rows,
    rejected_rows_are_kept_beside_good_ones,
];

/// A store behind a pointer.
#[derive(Debug, Clone)]
struct Shared(Arc<dyn Store>);

#[async_trait]
impl Store for Shared {
    async fn write(&self) -> Result<Box<dyn injixo_core::store::Transaction>> {
        self.0.write().await
    }

    async fn read(&self) -> Result<Box<dyn injixo_core::store::Transaction>> {
        self.0.read().await
    }
}

fn runtime(store: &Arc<dyn Store>) -> Runtime {
    Runtime::new(Shared(Arc::clone(store)))
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

async fn many_requests_at_once_are_each_applied_once(store: Arc<dyn Store>) {
    let runtime = runtime(&store);
    runtime.add("API", Pushed::new()).await.unwrap();
    let sender = runtime.own_sender("API").await.unwrap();
    let base = at("2024-03-30T23:00:00Z").millis();
    let mut random = Random(7);
    let mut expected: BTreeMap<(String, i64), (i64, i64)> = BTreeMap::new();
    // Three rounds, so that what is joined was there before; most contacts on one day of one queue, some far away.
    for round in 0..3 {
        let mut sent = Vec::new();
        for request in 0..60 {
            let key = format!("{round} {request}");
            let mut events = Events::contacts(key);
            for _ in 0..200 {
                let queue = ["busy", "busy", "busy", "quiet"][usize::try_from(random.below(4)).unwrap()];
                let day = if random.below(50) == 0 { i64::try_from(random.below(900)).unwrap() - 450 } else { 0 };
                let start = base + day * DAY + i64::try_from(random.below(7_200)).unwrap() * 1_000;
                // Few different ones: many are equal.
                let secs = i64::try_from(random.below(3)).unwrap();
                events.contact(queue, Channel::Calls, None, call(Timestamp::from_millis(start), secs));
                let cell = expected.entry((queue.to_owned(), start / 900_000 * 900_000)).or_default();
                *cell = (cell.0 + 1, cell.1 + secs);
            }
            sent.push(events);
        }
        let tasks: Vec<_> = sent
            .iter()
            .chain(&sent[..20])
            .map(|events| {
                let (runtime, sender, events) = (runtime.clone(), sender.clone(), events.clone());
                tokio::spawn(async move { runtime.receive(&sender, events).await.unwrap() })
            })
            .collect();
        let mut repeats = 0;
        for task in tasks {
            let receipt = task.await.unwrap();
            assert_eq!((receipt.accepted, receipt.rejected), (200, 0));
            repeats += u32::from(receipt.is_repeat);
        }
        assert_eq!(repeats, 20);
        for events in &sent[..3] {
            assert!(runtime.receive(&sender, events.clone()).await.unwrap().is_repeat);
        }
    }
    let mut lines = String::new();
    for ((queue, start), (count, secs)) in expected {
        let _ = writeln!(lines, "{queue} {} {count} {count} {secs}", Timestamp::from_millis(start));
    }
    assert_eq!(shown(&runtime, "API").await, lines);
    assert_eq!(runtime.imports("API", 1_000).await.unwrap().len(), 180);
    assert!(runtime.status_of("API").await.unwrap().lanes.is_empty());
}

async fn what_a_window_says_replaces_what_arrived(store: Arc<dyn Store>) {
    let runtime = runtime(&store);
    let noon = at("2024-03-31T12:00:00Z");
    let holds = Arc::new(Mutex::new(vec![("q", noon, 60)]));
    let pushed = Pushed { holds: Some(Arc::clone(&holds)), ..Pushed::new() };
    let policy = Policy::new();
    let integration = runtime.add_with("API", pushed, policy).await.unwrap();
    let sender = runtime.own_sender("API").await.unwrap();
    let minute = |minute: i64| noon.after(Millis::from_mins(minute));
    // An equal one and others, within and outside of the window; more than the first layer takes.
    let arrived = [minute(0), minute(5), minute(40), minute(-1_000)].map(|start| call(start, 60));
    let many: Vec<Contact> = arrived.iter().copied().cycle().take(4_000).collect();
    runtime.receive(&sender, calls("1", "q", &many)).await.unwrap();
    runtime.receive(&sender, calls("2", "q", &arrived)).await.unwrap();
    let all = "q 2024-03-30T19:15:00Z 1001 1001 60060\nq 2024-03-31T12:00:00Z 2002 2002 120120\nq 2024-03-31T12:30:00Z 1001 1001 60060\n";
    assert_eq!(shown(&runtime, "API").await, all);
    let quarter = Window::new(noon, minute(15)).unwrap();
    integration.import_contacts(quarter).await.unwrap();
    let replaced = all.replace("2002 2002 120120", "1 1 60");
    assert_eq!(shown(&runtime, "API").await, replaced);
    // And what arrives then is added.
    runtime.receive(&sender, calls("3", "q", &arrived[..2])).await.unwrap();
    assert_eq!(shown(&runtime, "API").await, all.replace("2002 2002 120120", "3 3 180"));
    holds.lock().unwrap().push(("q", minute(41), 1));
    integration.import_contacts(Window::new(noon, minute(60)).unwrap()).await.unwrap();
    let expected =
        "q 2024-03-30T19:15:00Z 1001 1001 60060\nq 2024-03-31T12:00:00Z 1 1 60\nq 2024-03-31T12:30:00Z 1 1 1\n";
    assert_eq!(shown(&runtime, "API").await, expected);
}

async fn an_unusual_zone_counts_like_any_other(store: Arc<dyn Store>) {
    let runtime = runtime(&store);
    // Until 1972 the clocks of Monrovia were 44 minutes and 30 seconds behind: quarter hours reach over the midnight of UTC.
    let zone = Zone::new("Africa/Monrovia").unwrap();
    runtime.add("API", Pushed { zone, holds: None }).await.unwrap();
    let sender = runtime.own_sender("API").await.unwrap();
    let midnight = at("1971-05-05T00:00:00Z");
    for (key, secs) in [("1", -60), ("2", 60), ("3", -61), ("4", 600)] {
        let start = Timestamp::from_millis(midnight.millis() + secs * 1_000);
        runtime.receive(&sender, calls(key, "q", &[call(start, 1)])).await.unwrap();
    }
    let expected = "q 1971-05-04T23:44:30Z 2 2 2\nq 1971-05-04T23:59:30Z 2 2 2\n";
    assert_eq!(shown(&runtime, "API").await, expected);
}

async fn what_arrived_stays_when_the_zone_changes(store: Arc<dyn Store>) {
    let runtime = runtime(&store);
    runtime.add("API", Pushed::new()).await.unwrap();
    let sender = runtime.own_sender("API").await.unwrap();
    let many = vec![call(at("1971-05-05T11:00:00Z"), 1); 3_000];
    runtime.receive(&sender, calls("1", "q", &many)).await.unwrap();
    let zone = Zone::new("Africa/Monrovia").unwrap();
    runtime.edit("API", Pushed { zone, holds: None }).await.unwrap();
    runtime.receive(&sender, calls("2", "q", &many[..7])).await.unwrap();
    runtime.receive(&sender, calls("3", "q", &many[..5])).await.unwrap();
    let intervals = runtime.intervals("API").await.unwrap();
    assert_eq!(intervals.len(), 1);
    assert_eq!(intervals[0].start, at("1971-05-05T10:59:30Z"));
    assert_eq!(intervals[0].measures.handled.micros(), 3_012_000_000);
    // Back again, the feed tells what there is.
    runtime.edit("API", Pushed::new()).await.unwrap();
    runtime.receive(&sender, calls("4", "q", &many[..1])).await.unwrap();
    let intervals = runtime.intervals("API").await.unwrap();
    assert_eq!(intervals[0].measures.handled.micros(), 3_013_000_000);
    let (mut changes, mut last) = (runtime.changes(0).await.unwrap(), None);
    while let Some(change) = changes.try_next().await.unwrap() {
        if let What::Interval { after, .. } = change.what {
            last = after;
        }
    }
    assert_eq!(last, Some(intervals[0].measures));
}

async fn statuses_get_their_ends(store: Arc<dyn Store>) {
    let runtime = runtime(&store);
    runtime.add("API", Pushed::new()).await.unwrap();
    let sender = runtime.own_sender("API").await.unwrap();
    let (ten, eleven, noon) = (at("2024-03-31T10:00:00Z"), at("2024-03-31T11:00:00Z"), at("2024-03-31T12:00:00Z"));
    let send = async |key: &str, rows: &[(&str, &str, Timestamp, Option<Timestamp>)]| {
        let mut events = Events::statuses(key);
        rows.iter().for_each(|(agent, status, start, end)| events.status(agent, status, *start, *end));
        runtime.receive(&sender, events).await.unwrap()
    };
    send("1", &[("bob", "Ready", ten, None), ("amy", "Ready", ten, None)]).await;
    assert_eq!(
        stretches(&runtime, "API").await,
        ["amy 2024-03-31T10:00:00Z - Ready", "bob 2024-03-31T10:00:00Z - Ready"]
    );
    let receipt = send("2", &[("bob", "Ready", ten, Some(eleven)), ("bob", "Break", noon, None)]).await;
    assert_eq!(receipt.accepted, 2);
    let expected = [
        "amy 2024-03-31T10:00:00Z - Ready",
        "bob 2024-03-31T10:00:00Z 2024-03-31T11:00:00Z Ready",
        "bob 2024-03-31T12:00:00Z - Break",
    ];
    assert_eq!(stretches(&runtime, "API").await, expected);
    // Said again without an end: none is taken away. The other status of the same start is another span.
    send("3", &[("bob", "Ready", ten, None)]).await;
    assert_eq!(stretches(&runtime, "API").await, expected);
    assert!(send("3", &[("bob", "Break", ten, None)]).await.is_repeat);
    let imports = runtime.imports("API", 9).await.unwrap();
    let counts: Vec<_> = imports.iter().map(|import| (import.added, import.replaced)).collect();
    assert_eq!(counts, [(0, 0), (1, 1), (2, 0)]);
    let mut changes = runtime.changes(0).await.unwrap();
    let mut timelines = Vec::new();
    while let Some(change) = changes.try_next().await.unwrap() {
        if let What::Timeline { agent, from, to, after, .. } = change.what {
            let after: Vec<String> = after.into_iter().map(|stretch| stretch.status).collect();
            timelines.push(format!("{agent} {from} {} {}", to.is_some(), after.join(",")));
        }
    }
    timelines[..2].sort();
    let expected = [
        "amy 2024-03-31T10:00:00Z false Ready",
        "bob 2024-03-31T10:00:00Z false Ready",
        "bob 2024-03-31T11:00:00Z false Break",
    ];
    assert_eq!(timelines, expected);
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

async fn a_new_key_ends_the_old_one(store: Arc<dyn Store>) {
    let clock = SimClock::at(at("2024-03-31T12:00:00Z"));
    let (here, there) = (runtime(&store).clock(clock), runtime(&store).clock(clock));
    here.add("API", Pushed::new()).await.unwrap();
    here.add("Other", Pushed::new()).await.unwrap();
    let old = here.new_key("API").await.unwrap();
    let other = here.new_key("Other").await.unwrap();
    assert_ne!(old.expose(), other.expose());
    assert_eq!(there.sender(old.expose()).await.unwrap().integration(), 1);
    assert_eq!(there.sender(other.expose()).await.unwrap().integration(), 2);
    let shown = there.sender(old.expose()).await.unwrap();
    for text in [format!("{shown:?}"), format!("{old:?}"), format!("{there:?}")] {
        assert!(!text.contains(&old.expose()[8..]), "{text}");
    }
    there.receive(&shown, calls("1", "q", &[call(at("2024-03-31T12:00:00Z"), 1)])).await.unwrap();
    let new = here.new_key("API").await.unwrap();
    // Here it is known at once; elsewhere at the latest when something is to be kept.
    assert_eq!(kind(here.sender(old.expose()).await), ErrorKind::Unauthenticated);
    assert_eq!(here.sender(new.expose()).await.unwrap().integration(), 1);
    let late = calls("2", "q", &[call(at("2024-03-31T12:00:00Z"), 1)]);
    assert_eq!(kind(there.receive(&shown, late.clone()).await), ErrorKind::Unauthenticated);
    assert_eq!(kind(there.sender(old.expose()).await), ErrorKind::Unauthenticated);
    let renewed = async {
        while there.sender(new.expose()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), renewed).await.unwrap();
    let sender = there.sender(new.expose()).await.unwrap();
    assert!(!there.receive(&sender, late).await.unwrap().is_repeat);
    // Wrong ones of any form.
    let changed = new.expose().replacen("injixo_1_", "injixo_2_", 1);
    let cut = &new.expose()[..new.expose().len() - 1];
    for wrong in ["", "injixo", "injixo_1_", "injixo_1", "injixo_x_1", "injixo_99_00", changed.as_str(), cut] {
        let error = there.sender(wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(wrong.len() < 10 || !format!("{error:?}").contains(wrong));
    }
    let kept = format!("{:?}", store.read().await.unwrap().lock_credential("key of integration 1").await.unwrap());
    assert!(kept.contains("digest") && !kept.contains(&new.expose()[9..]), "{kept}");
    assert_eq!(kind(here.new_key("Nobody").await), ErrorKind::NotFound);
}

async fn paused_deleted_and_unknown_integrations_take_nothing(store: Arc<dyn Store>) {
    let runtime = runtime(&store);
    runtime.add("API", Pushed::new()).await.unwrap();
    let key = runtime.new_key("API").await.unwrap();
    let sender = runtime.sender(key.expose()).await.unwrap();
    let request = || calls("1", "q", &[call(at("2031-03-31T12:00:00Z"), 1)]);
    runtime.pause("API").await.unwrap();
    let paused = runtime.receive(&sender, request()).await.unwrap_err();
    assert_eq!((paused.kind(), paused.retry_after().is_some()), (ErrorKind::Unavailable, true), "{paused}");
    assert_eq!(shown(&runtime, "API").await, "");
    runtime.resume("API").await.unwrap();
    assert!(!runtime.receive(&sender, request()).await.unwrap().is_repeat);
    assert_eq!(shown(&runtime, "API").await, "q 2031-03-31T12:00:00Z 1 1 1\n");
    assert_eq!(kind(runtime.receive(&sender, Events::contacts("2")).await), ErrorKind::DataInvalid);
    runtime.delete("API").await.unwrap();
    assert_eq!(kind(runtime.receive(&sender, request()).await), ErrorKind::NotFound);
    assert_eq!(kind(runtime.new_key("API").await), ErrorKind::NotFound);
    assert_eq!(shown(&runtime, "API").await, "q 2031-03-31T12:00:00Z 1 1 1\n");
    assert_eq!(kind(runtime.own_sender(77).await), ErrorKind::NotFound);
}

async fn a_repeat_is_told_by_its_key_and_within_its_time(store: Arc<dyn Store>) {
    let early = SimClock::at(at("2024-03-31T12:00:00Z"));
    let late = SimClock::at(at("2024-04-01T12:00:01Z"));
    let (before, after) = (runtime(&store).clock(early), runtime(&store).clock(late));
    before.add("API", Pushed::new()).await.unwrap();
    let sender = before.own_sender("API").await.unwrap();
    let start = at("2024-03-31T12:00:00Z");
    let request = |key: &str| calls(key, "q", &[call(start, 1)]).content(key).repeats_within(Millis::from_mins(1_440));
    assert!(!before.receive(&sender, request("sum")).await.unwrap().is_repeat);
    let again = before.receive(&sender, request("sum").content("other")).await.unwrap();
    assert!(again.is_repeat && again.is_other_content);
    let has_own_clock = store.read().await.unwrap().now().await.unwrap().is_some();
    if !has_own_clock {
        let again = after.receive(&sender, request("sum")).await.unwrap();
        assert!(!again.is_repeat, "a day later it is another request");
        assert!(after.receive(&sender, request("sum")).await.unwrap().is_repeat);
        assert_eq!(shown(&before, "API").await, "q 2024-03-31T12:00:00Z 2 2 2\n");
    }
    // The same key in the other stream is another request.
    let mut statuses = Events::statuses("sum");
    statuses.status("bob", "Ready", start, None);
    assert!(!before.receive(&sender, statuses).await.unwrap().is_repeat);
}

async fn queues_of_another_kind_refuse_their_rows(store: Arc<dyn Store>) {
    use injixo_core::store::{Subject, SubjectKind};
    let runtime = runtime(&store);
    let id = runtime.add("API", Pushed::new()).await.unwrap().id();
    let rows = Subject {
        id: 0,
        kind: SubjectKind::Queue,
        external: "rows".to_owned(),
        channel: Channel::Calls,
        row_minutes: 30,
        first: at("2024-03-31T12:00:00Z"),
        last: at("2024-03-31T12:00:00Z"),
        longest: Millis::ZERO,
        names: Vec::new(),
    };
    let mut write = store.write().await.unwrap();
    write.add_subjects(id, &[rows]).await.unwrap();
    write.commit().await.unwrap();
    let sender = runtime.own_sender("API").await.unwrap();
    let mut events = calls("1", "q", &[call(at("2024-03-31T12:00:00Z"), 1)]);
    events.contact("rows", Channel::Calls, Some("Rows"), call(at("2024-03-31T12:00:00Z"), 1));
    let receipt = runtime.receive(&sender, events).await.unwrap();
    assert_eq!((receipt.accepted, receipt.rejected), (1, 1));
    assert_eq!((receipt.refused[0].line, receipt.refused[0].rule), (2, Rule::QueueKind));
    assert_eq!(runtime.quarantine("API").await.unwrap()[0].1, receipt.refused);
    assert_eq!(shown(&runtime, "API").await, "q 2024-03-31T12:00:00Z 1 1 1\n");
}

async fn rejected_rows_are_kept_beside_good_ones(store: Arc<dyn Store>) {
    let runtime = runtime(&store);
    runtime.add("API", Pushed::new()).await.unwrap();
    let sender = runtime.own_sender("API").await.unwrap();
    let mut events = Events::contacts("1").named("a request");
    let start = at("2024-03-31T12:00:00Z");
    events.contact("7", Channel::Calls, Some("Hotline"), call(start, 1));
    events.reject(RejectedRow {
        source: "a request".to_owned(),
        line: 2,
        column: "duration".to_owned(),
        rule: Rule::Duration,
        excerpt: "-1".to_owned(),
    });
    let receipt = runtime.receive(&sender, events).await.unwrap();
    assert_eq!((receipt.accepted, receipt.rejected, receipt.refused.len()), (1, 1, 0));
    let quarantine = runtime.quarantine("API").await.unwrap();
    assert_eq!(
        (quarantine.len(), quarantine[0].0.name.as_str(), quarantine[0].1[0].rule),
        (1, "a request", Rule::Duration)
    );
    let queues = runtime.queues("API").await.unwrap();
    assert_eq!((queues[0].key.id.as_str(), queues[0].name.as_deref()), ("7", Some("Hotline")));
    // It claims no period: filling finds nothing covered.
    let filled = runtime.intervals("API").fill(injixo_core::Fill::Zero).await.unwrap();
    assert_eq!(filled.len(), 1);
}
