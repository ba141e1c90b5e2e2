//! Two stores and a bad line between them: whatever happens on it, both end equal, and no coverage comes before its facts.

mod clock;
mod events;
mod view;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use injixo_connector_api::{Api, ApiSender, Arrives, Receiver, SendPhase, Target};
use injixo_connector_csv::Csv;
use injixo_core::connector::{CheckReport, Connector, ConnectorInfo, Context};
use injixo_core::model::{Channel, Contact, Millis, Timestamp, Window};
use injixo_core::store::{Store, Transaction};
use injixo_core::{Events, Integration, MemoryStore, PostgresStore, Result, Runtime, Secret, SqliteStore};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use crate::clock::{Quick, Random};
use crate::view::{Chunks, chunks, coverage, followed, seen};
use crate::wire::{Look, Wire};
use crate::world::{AGENTS, DAY, DAYS, FIRST, Held, Live, QUEUES, STATUSES, Sort, System, Word, instant};

/// A store behind a pointer.
#[derive(Debug, Clone)]
struct Shared(Arc<dyn Store>);

#[async_trait]
impl Store for Shared {
    async fn write(&self) -> Result<Box<dyn Transaction>> {
        self.0.write().await
    }

    async fn read(&self) -> Result<Box<dyn Transaction>> {
        self.0.read().await
    }
}

/// An integration to which others send events.
#[derive(Debug)]
struct Pushed;

#[async_trait]
impl Connector for Pushed {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("pushed", "Pushed")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }
}

const NAMES: [&str; 5] = ["calls", "rows", "files", "events", "live"];

const FILES: &str = "
    data = 'contacts'
    time_zone = 'UTC'
    [columns]
    queue = 'Queue'
    timestamp = 'When'
    offered = { value = 1 }
    handled = 'Handled'
    duration = 'Duration'
    channel = { value = 'calls' }
";

/// What a sender's integration held after each import, and when what was read.
#[derive(Default)]
struct History {
    states: Vec<Chunks>,
    /// From when on what was read at that instant was in the store.
    read: BTreeMap<i64, usize>,
}

struct Sending {
    runtime: Runtime,
    store: Arc<dyn Store>,
    calls: (Integration, System),
    rows: (Integration, System),
    files: Integration,
    folder: tempfile::TempDir,
    words: broadcast::Sender<Word>,
    listens: mpsc::Receiver<()>,
    spoken: i64,
    histories: BTreeMap<&'static str, Arc<tokio::sync::Mutex<History>>>,
    steps: usize,
}

impl Sending {
    async fn new(store: Arc<dyn Store>, clock: Quick) -> (Self, injixo_core::Service) {
        let runtime = Runtime::new(Shared(Arc::clone(&store))).clock(clock);
        let system = |sort| System { sort, held: Arc::new(Mutex::new(Held::default())) };
        let (calls, rows) = (system(Sort::Calls), system(Sort::Rows));
        let schema = FILES.parse().unwrap();
        // Another runtime, which follows the live source and nothing else.
        let other = Runtime::new(Shared(Arc::clone(&store))).clock(clock);
        let (words, _) = broadcast::channel(64);
        let (heard, listens) = mpsc::channel(8);
        let live = Live { words: words.clone(), listens: heard };
        let made = Self {
            calls: (runtime.add("calls", calls.clone()).await.unwrap(), calls),
            rows: (runtime.add("rows", rows.clone()).await.unwrap(), rows),
            files: runtime.add("files", Csv::new(schema)).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
            words,
            listens,
            spoken: FIRST,
            histories: NAMES.iter().map(|name| (*name, Arc::default())).collect(),
            steps: 0,
            store,
            runtime: runtime.clone(),
        };
        runtime.add("events", Pushed).await.unwrap();
        other.add("live", live).await.unwrap();
        let service = other.start();
        (made, service)
    }

    fn id(&self, name: &str) -> u32 {
        // In the order in which they were added.
        u32::try_from(NAMES.iter().position(|known| *known == name).unwrap()).unwrap() + 1
    }

    /// Imports something at random.
    async fn step(&mut self, random: &mut Random) {
        self.steps += 1;
        let choice = random.below(12);
        let from = FIRST + random.below(DAYS * 24) * 3_600_000;
        let window = Window::new(
            Timestamp::from_millis(from),
            Timestamp::from_millis(from + (1 + random.below(40)) * 3_600_000),
        )
        .unwrap();
        let name = match choice {
            0..6 => "calls",
            6..8 => "rows",
            8..10 => "files",
            10 => return self.events(random).await,
            _ => return self.speak(random).await,
        };
        let history = Arc::clone(&self.histories[name]);
        let mut history = history.lock().await;
        match choice {
            0..3 => {
                self.calls.1.held.lock().unwrap().change(random);
                self.calls.0.import_contacts(window).await.unwrap();
            }
            // Read again, unchanged.
            3 => drop(self.calls.0.import_contacts(window).await.unwrap()),
            4..6 => {
                self.calls.1.held.lock().unwrap().change(random);
                self.calls.0.import_statuses(window).await.unwrap();
            }
            6..8 => {
                self.rows.1.held.lock().unwrap().change(random);
                self.rows.0.import_contacts(window).await.unwrap();
            }
            _ => self.file(random).await,
        }
        let id = self.id(name);
        let index = history.states.len();
        history.states.push(chunks(&*self.store, id).await);
        for covered in coverage(&*self.store, id).await {
            history.read.entry(covered.4).or_insert(index);
        }
    }

    /// A file that ends and begins where others do.
    async fn file(&mut self, random: &mut Random) {
        let mut text = "Queue;When;Handled;Duration\n".to_owned();
        let from = FIRST / 1_000 + random.below(DAYS * 24) * 3_600;
        let mut rows: Vec<(i64, usize, i64)> = (0..=random.below(12))
            .map(|_| {
                let second = from + random.below(6) * 1_800 + if random.chance(50) { 0 } else { random.below(1_800) };
                (second, usize::try_from(random.below(2)).unwrap(), random.below(4))
            })
            .collect();
        rows.sort_unstable();
        for (second, queue, duration) in rows {
            let when = Timestamp::from_secs(second).to_string().replace('T', " ").replace('Z', "");
            let _ = writeln!(text, "{};{when};{};{}", QUEUES[queue], duration.min(1), duration * 30);
        }
        let path = self.folder.path().join(format!("{}.csv", self.steps));
        std::fs::write(&path, text).unwrap();
        self.files.import_file(&path).await.unwrap();
    }

    async fn events(&mut self, random: &mut Random) {
        let sender = self.runtime.own_sender("events").await.unwrap();
        let mut events = Events::contacts(format!("{}", self.steps));
        for _ in 0..=random.below(40) {
            let contact = Contact::offered(Timestamp::from_millis(instant(random)));
            let contact = if random.chance(50) { contact.handled(Millis::new(random.below(9_999))) } else { contact };
            events.contact(random.pick(&QUEUES), Channel::Emails, Some("By hand"), contact);
        }
        self.runtime.receive(&sender, events).await.unwrap();
        let mut events = Events::statuses(format!("{}", self.steps));
        let start = Timestamp::from_millis(instant(random));
        events.status(random.pick(&AGENTS), random.pick(&STATUSES), start, None);
        self.runtime.receive(&sender, events).await.unwrap();
    }

    async fn speak(&mut self, random: &mut Random) {
        while self.words.receiver_count() == 0 {
            self.listens.recv().await.unwrap();
        }
        for _ in 0..=random.below(3) {
            self.spoken += random.below(6 * 3_600) * 1_000;
            let status = (!random.chance(20)).then(|| random.pick(&STATUSES).to_owned());
            let word = (random.pick(&AGENTS).to_owned(), status, Timestamp::from_millis(self.spoken));
            // The source may just have been left.
            let _ = self.words.send(word);
        }
    }
}

/// The other side.
struct Receiving {
    store: Arc<dyn Store>,
    runtime: Runtime,
    clock: Quick,
    keys: BTreeMap<&'static str, String>,
}

impl Receiving {
    async fn new(store: Arc<dyn Store>, clock: Quick) -> Self {
        let runtime = Runtime::new(Shared(Arc::clone(&store))).clock(clock);
        let mut keys = BTreeMap::new();
        for name in NAMES {
            runtime.add(name, Api::new()).await.unwrap();
            keys.insert(name, runtime.new_key(name).await.unwrap().expose().to_owned());
        }
        Self { store, runtime, clock, keys }
    }

    /// The receiver as it is after a start.
    fn app(&self) -> axum::Router {
        let runtime = Runtime::new(Shared(Arc::clone(&self.store))).clock(self.clock);
        Receiver::new(&runtime, Arrives::Encrypted).router()
    }

    /// Complains about coverage whose facts are not there.
    fn look(
        &self,
        name: &'static str,
        id: u32,
        history: Arc<tokio::sync::Mutex<History>>,
        complaints: Arc<Mutex<Vec<String>>>,
    ) -> Look {
        let store = Arc::clone(&self.store);
        Arc::new(move || {
            let (store, history, complaints) = (Arc::clone(&store), Arc::clone(&history), Arc::clone(&complaints));
            Box::pin(async move {
                if ["events", "live"].contains(&name) {
                    return;
                }
                let covered = coverage(&*store, id).await;
                let held = chunks(&*store, id).await;
                // Whatever is being imported is noted first.
                let history = history.lock().await;
                for (stream, subject, from, to, read_at) in covered {
                    let Some(&since) = history.read.get(&read_at) else {
                        complaints.lock().unwrap().push(format!("{name}: nothing was read at {read_at}"));
                        continue;
                    };
                    let days = (from / DAY)..=((to - 1) / DAY);
                    let since = &history.states[since.min(history.states.len().saturating_sub(1))..];
                    let wanted = |key: &&(u8, String, u8, i32)| {
                        key.0 == stream && days.contains(&i64::from(key.3)) && (subject.is_empty() || key.1 == subject)
                    };
                    let mut keys: Vec<_> = held.keys().filter(wanted).collect();
                    keys.extend(since.iter().flat_map(|state| state.keys()).filter(wanted));
                    for key in keys {
                        if !since.iter().any(|state| state.get(key) == held.get(key)) {
                            let what =
                                format!("{name}: {key:?} holds {:?} but is covered as of {read_at}", held.get(key));
                            complaints.lock().unwrap().push(what);
                        }
                    }
                }
            })
        })
    }
}

/// A sender at work that is killed now and then.
struct Running {
    sender: ApiSender,
    task: JoinHandle<()>,
}

fn begin(runtime: &Runtime, name: &str, key: &str, wire: &Arc<Wire>, random: &mut Random) -> Running {
    let target = Target::sdk("https://wfm.example.com", Secret::new(key));
    let sender = ApiSender::with_transport(runtime, name, target, Arc::clone(wire) as _).unwrap();
    let sender = sender.most_bytes(usize::try_from(random.pick(&[1, 200, 2_000, 20_000, 1 << 20])).unwrap());
    let task = tokio::spawn({
        let sender = sender.clone();
        async move { sender.run().await }
    });
    Running { sender, task }
}

/// A random history over a random line.
async fn a_history(seed: u64, sends: Arc<dyn Store>, receives: Arc<dyn Store>, steps: usize) {
    let clock = Quick::at("2024-05-25T08:00:00Z");
    let mut random = Random(seed);
    let (mut sending, service) = Sending::new(sends, clock).await;
    let receiving = Receiving::new(receives, clock).await;
    let complaints = Arc::new(Mutex::new(Vec::new()));
    // Some history is there before anything is sent.
    for _ in 0..random.below(12) {
        sending.step(&mut random).await;
    }
    let mut running = BTreeMap::new();
    for name in NAMES {
        let history = Arc::clone(&sending.histories[name]);
        let look = receiving.look(name, sending.id(name), history, Arc::clone(&complaints));
        let wire = Wire::new(receiving.app(), seed ^ u64::from(sending.id(name)), look);
        let made = begin(&sending.runtime, name, &receiving.keys[name], &wire, &mut random);
        running.insert(name, (wire, made));
    }
    for _ in 0..steps {
        sending.step(&mut random).await;
        if random.chance(30) {
            let name = random.pick(&NAMES);
            let (wire, made) = running.get_mut(name).unwrap();
            if random.chance(50) {
                made.task.abort();
                // What was being committed is, or is not.
                let _ = (&mut made.task).await;
                *made = begin(&sending.runtime, name, &receiving.keys[name], wire, &mut random);
            } else {
                *wire.app.lock().unwrap() = receiving.app();
            }
        }
        tokio::time::sleep(Duration::from_millis(u64::try_from(random.below(12)).unwrap())).await;
    }
    service.shutdown().await;
    for (wire, made) in running.values() {
        wire.is_calm.store(true, Ordering::SeqCst);
        made.sender.try_again();
    }
    for (name, (_, made)) in &running {
        let (id, mut state) = (sending.id(name), made.sender.watch());
        let revision = sending.runtime.revision().await.unwrap();
        let differs = async || {
            let (a, b) = (coverage(&*sending.store, id).await, coverage(&*receiving.store, id).await);
            a != b || seen(&sending.runtime, name).await != seen(&receiving.runtime, name).await
        };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while differs().await && tokio::time::Instant::now() < deadline {
            let _ = tokio::time::timeout(Duration::from_millis(50), state.changed()).await;
        }
        let said = made.sender.state();
        assert_eq!(
            coverage(&*receiving.store, id).await,
            coverage(&*sending.store, id).await,
            "{seed} {name} {said:?}"
        );
        let (expected, found) = (seen(&sending.runtime, name).await, seen(&receiving.runtime, name).await);
        assert_eq!(found, expected, "{seed} {name} {said:?} {revision}");
        if *name != "events" {
            let (expected, found) = (chunks(&*sending.store, id).await, chunks(&*receiving.store, id).await);
            assert_eq!(found, expected, "{seed} {name}");
        }
        let (followed, shown) = followed(&receiving.runtime, name, id).await;
        assert_eq!(followed, shown, "{seed} {name}: the receiver's own feed");
        let until_current = state.wait_for(|state| state.phase == SendPhase::Current);
        tokio::time::timeout(Duration::from_secs(20), until_current).await.expect("it becomes current").unwrap();
        made.task.abort();
    }
    assert_eq!(*complaints.lock().unwrap(), Vec::<String>::new(), "{seed}");
}

fn is_long() -> bool {
    std::env::var("INJIXO_TEST_LONG").is_ok_and(|long| long == "1")
}

fn seeds() -> std::ops::Range<u64> {
    match std::env::var("INJIXO_TEST_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 1..if is_long() { 200 } else { 9 },
    }
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_in_memory_end_equal() {
    for seed in seeds() {
        a_history(seed, memory(), memory(), 60).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_sqlite_and_one_with_tables_end_equal() {
    for seed in seeds().take(2) {
        let folder = tempfile::tempdir().unwrap();
        let sends = SqliteStore::open(folder.path().join("a.db")).await.unwrap();
        let receives = SqliteStore::open_with_tables(folder.path().join("b.db")).await.unwrap();
        a_history(seed, Arc::new(sends), Arc::new(receives), 40).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_and_postgres_end_equal() {
    for seed in seeds().take(2) {
        let folder = tempfile::tempdir().unwrap();
        let sends = SqliteStore::open(folder.path().join("a.db")).await.unwrap();
        let receives = PostgresStore::connect(&injixo_test_servers::postgres()).await.unwrap();
        a_history(seed, Arc::new(sends), Arc::new(receives), 40).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_and_memory_end_equal() {
    for seed in seeds().take(2) {
        let sends = PostgresStore::connect(&injixo_test_servers::postgres()).await.unwrap();
        a_history(seed, Arc::new(sends), memory(), 40).await;
    }
}
