//! By single events: what can be told arrives once, whatever happens on the line; everything else is counted and listed.
//!
//! What is expected is worked out here from what was fed in, by rules written a second time.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use injixo_connector_api::{Api, ApiSender, Arrives, Receiver, SendPhase, Target};
use injixo_core::model::{Channel, Contact, Millis, Timestamp, Window};
use injixo_core::store::Store;
use injixo_core::{Events, Integration, MemoryStore, Runtime, Secret, SqliteStore};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use crate::clock::{Quick, Random};
use crate::wire::Wire;
use crate::world::{AGENTS, Call, DAY, DAYS, FIRST, Held, Live, QUEUES, STATUSES, Sort, System, instant};
use crate::{Pushed, Shared, is_long};

/// Offered, handled and handle time of each quarter hour.
type Sums = BTreeMap<(String, i64), [i64; 3]>;

/// A sender at work, and the receiver that it sends to.
struct Pair {
    runtime: Runtime,
    receives: Runtime,
    receiving: Arc<dyn Store>,
    clock: Quick,
    wire: Arc<Wire>,
    key: String,
    sender: ApiSender,
    task: JoinHandle<()>,
}

const NAME: &str = "Our ACD";

impl Pair {
    async fn new(sending: Arc<dyn Store>, receiving: Arc<dyn Store>, seed: u64) -> Self {
        let clock = Quick::at("2024-05-25T08:00:00Z");
        let runtime = Runtime::new(Shared(sending)).clock(clock);
        let receives = Runtime::new(Shared(Arc::clone(&receiving))).clock(clock);
        receives.add("API", Api::new()).await.unwrap();
        let key = receives.new_key("API").await.unwrap().expose().to_owned();
        let app = Receiver::new(&receives, Arrives::Encrypted).router();
        let wire = Wire::new(app, seed, Arc::new(|| Box::pin(async {})));
        // Nothing is sent before there is something to send: it is told to try again then.
        let (sender, task) = begin(&runtime, &key, &wire, 7);
        Self { runtime, receives, receiving, clock, wire, key, sender, task }
    }

    /// The sender is blocked until there is an integration to be sent.
    async fn wake(&self) {
        let mut state = self.sender.watch();
        state.wait_for(|state| state.phase != SendPhase::Begins).await.unwrap();
        self.sender.try_again();
    }

    /// Kills the sender, or the receiver, and begins again.
    async fn kill(&mut self, random: &mut Random) {
        if random.chance(50) {
            self.task.abort();
            // What was being committed is, or is not.
            let _ = (&mut self.task).await;
            let rows = usize::try_from(1 + random.below(40)).unwrap();
            (self.sender, self.task) = begin(&self.runtime, &self.key, &self.wire, rows);
        } else {
            self.receives = Runtime::new(Shared(Arc::clone(&self.receiving))).clock(self.clock);
            *self.wire.app.lock().unwrap() = Receiver::new(&self.receives, Arrives::Encrypted).router();
        }
    }

    async fn sums(&self) -> Sums {
        let intervals = self.receives.intervals("API").await.unwrap();
        let sums = intervals.into_iter().map(|row| {
            let m = row.measures;
            let counts = [m.offered.micros() / 1_000_000, m.handled.micros() / 1_000_000, m.handle_time.total.get()];
            ((row.queue.id, row.start.millis()), counts)
        });
        sums.collect()
    }

    /// The statuses that the receiver holds: agent, start, status and end.
    async fn statuses(&self) -> Did {
        let (agents, names) = self.receives.statuses("API").await.unwrap();
        let mut did = BTreeMap::new();
        for agent in agents {
            for span in agent.spans {
                let key = (agent.agent.clone(), span.start.millis(), names[&span.status].clone());
                assert_eq!(did.insert(key, span.end.map(Timestamp::millis)), None, "no span is doubled");
            }
        }
        did
    }

    /// Waits until the receiver holds that, and the sender holds so much back.
    async fn ends_with(&self, sums: &Sums, did: &Did, held: [u64; 3], seed: u64) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let back = self.sender.held_back(0).await.unwrap();
            let found = (self.sums().await, self.statuses().await, [back.contacts, back.rows, back.statuses]);
            if (&found.0, &found.1, found.2) == (sums, did, held) {
                return;
            }
            if tokio::time::Instant::now() > deadline {
                let state = self.sender.state();
                assert_eq!(differing(&found.0, sums), "", "{seed} {state:?}");
                assert_eq!(differing(&found.1, did), "", "{seed} {state:?}");
                assert_eq!(found.2, held, "{seed} {state:?}");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn begin(runtime: &Runtime, key: &str, wire: &Arc<Wire>, rows: usize) -> (ApiSender, JoinHandle<()>) {
    let target = Target::injixo("https://api.injixo.com", Secret::new(key), 1);
    let sender = ApiSender::with_transport(runtime, NAME, target, Arc::clone(wire) as _).unwrap().most_rows(rows);
    let task = tokio::spawn({
        let sender = sender.clone();
        async move { sender.run().await }
    });
    (sender, task)
}

/// What is not the same in two maps.
fn differing<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) -> String {
    let keys: std::collections::BTreeSet<&K> = found.keys().chain(expected.keys()).collect();
    let differ = keys.into_iter().filter(|key| found.get(key) != expected.get(key));
    differ.map(|key| format!("{key:?}: {:?}, not {:?}\n", found.get(key), expected.get(key))).collect()
}

/// Agent, start and status, with the end.
type Did = BTreeMap<(String, i64, String), Option<i64>>;

/// An event says how long a contact took; how long nobody knows of one that was not handled does not matter.
fn can_be_told(call: &Call) -> bool {
    call.duration.is_some() || !call.handled
}

fn told(call: &Call) -> (i64, bool, i64) {
    (call.start, call.handled, call.duration.unwrap_or(0))
}

fn add(sums: &mut Sums, queue: usize, (start, handled, duration): (i64, bool, i64)) {
    let cell = sums.entry((QUEUES[queue].to_owned(), start.div_euclid(900_000) * 900_000)).or_default();
    cell[0] += 1;
    cell[1] += i64::from(handled);
    cell[2] += if handled { duration } else { 0 };
}

fn always() -> Window {
    Window::new(Timestamp::from_millis(FIRST - 40 * DAY), Timestamp::from_millis(FIRST + 90 * DAY)).unwrap()
}

async fn world(pair: &Pair, sort: Sort) -> (Integration, Arc<Mutex<Held>>) {
    let held = Arc::new(Mutex::new(Held::default()));
    let system = System { sort, held: Arc::clone(&held) };
    let integration = pair.runtime.add(NAME, system).await.unwrap();
    pair.wake().await;
    (integration, held)
}

/// Facts are only added: whenever they are looked at, all that can be told is told in the end.
async fn what_is_only_added(sending: Arc<dyn Store>, receiving: Arc<dyn Store>, seed: u64) {
    let mut random = Random(seed);
    let mut pair = Pair::new(sending, receiving, seed).await;
    let (integration, held) = world(&pair, Sort::Calls).await;
    let (mut sums, mut did, mut untold) = (Sums::new(), Did::new(), 0);
    for _ in 0..40 {
        for _ in 0..random.below(30) {
            let queue = usize::try_from(random.below(3)).unwrap();
            let duration = (!random.chance(20)).then(|| random.below(900_000));
            let call = Call { start: instant(&mut random), handled: random.chance(70), duration, wait: None };
            // No two start at once, so that none is taken for another one changed.
            let mut held = held.lock().unwrap();
            if held.calls.iter().any(|(_, known)| known.start == call.start) {
                continue;
            }
            held.calls.push((queue, call));
            if can_be_told(&call) { add(&mut sums, queue, told(&call)) } else { untold += 1 }
        }
        let agent = usize::try_from(random.below(3)).unwrap();
        let (start, status) = (instant(&mut random), usize::try_from(random.below(3)).unwrap());
        let end = Some(start + random.below(9_999) * 1_000);
        let key = (AGENTS[agent].to_owned(), start, STATUSES[status].to_owned());
        if let std::collections::btree_map::Entry::Vacant(entry) = did.entry(key) {
            entry.insert(end);
            held.lock().unwrap().did.push((agent, crate::world::Did { start, status, end }));
        }
        integration.import_contacts(always()).await.unwrap();
        integration.import_statuses(always()).await.unwrap();
        if random.chance(30) {
            pair.kill(&mut random).await;
        }
    }
    pair.ends_with(&sums, &did, [untold, 0, 0], seed).await;
    assert!(sums.len() > 100 && untold > 20 && did.len() > 20, "the history is worth it");
    pair.task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn added_facts_are_told_once() {
    for seed in 1..if is_long() { 60 } else { 4 } {
        what_is_only_added(Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn added_facts_are_told_once_from_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let sends = SqliteStore::open(folder.path().join("a.db")).await.unwrap();
    what_is_only_added(Arc::new(sends), Arc::new(MemoryStore::new()), 77).await;
}

/// Start, whether it was handled, duration.
type Told = (i64, bool, i64);

/// What the sender's store holds and what it has told, worked out from what was read.
#[derive(Default)]
struct Model {
    calls: Vec<(usize, Call)>,
    /// By queue and start.
    sent: BTreeMap<(usize, i64), Vec<Told>>,
    did: BTreeMap<(usize, i64, usize), Option<i64>>,
    did_sent: BTreeMap<(usize, i64, usize), Option<i64>>,
}

impl Model {
    fn read_calls(&mut self, held: &Held, window: Window) {
        let inside = |call: &Call| window.contains(Timestamp::from_millis(call.start));
        let new: Vec<(usize, Call)> = held.calls.iter().filter(|(_, call)| inside(call)).copied().collect();
        if new.is_empty() {
            // An answer without a single fact keeps what is stored.
            return;
        }
        self.calls.retain(|(_, call)| !inside(call));
        self.calls.extend(new);
    }

    fn read_statuses(&mut self, held: &Held) {
        if held.did.is_empty() {
            return;
        }
        let before = std::mem::take(&mut self.did);
        for (agent, did) in &held.did {
            let key = (*agent, did.start, did.status);
            // A statement without an end takes none away.
            self.did.insert(key, did.end.or_else(|| before.get(&key).copied().flatten()));
        }
    }

    /// Tells what can be told; how many contacts and statuses are held back then.
    fn tell(&mut self) -> [u64; 3] {
        let mut starts: BTreeMap<(usize, i64), (Vec<Told>, u64)> = BTreeMap::new();
        for key in self.sent.keys() {
            starts.entry(*key).or_default();
        }
        for (queue, call) in &self.calls {
            let now = starts.entry((*queue, call.start)).or_default();
            if can_be_told(call) { now.0.push(told(call)) } else { now.1 += 1 }
        }
        let mut held = [0; 3];
        for (key, (mut now, untold)) in starts {
            let sent = self.sent.entry(key).or_default();
            // Equal ones are the same. Of the rest, those that cannot be told and then as many others as there are left were
            // sent otherwise.
            let mut gone: Vec<Told> = sent.clone();
            let mut untold_only = untold;
            held[0] += untold;
            while untold_only > 0 && !gone.is_empty() {
                gone.swap_remove(0);
                untold_only -= 1;
            }
            now.sort_unstable_by_key(|(_, handled, duration)| (*handled, *duration));
            now.retain(|call| match gone.iter().position(|sent| sent == call) {
                Some(index) => {
                    gone.swap_remove(index);
                    false
                }
                None => true,
            });
            let changed = now.len().min(gone.len());
            held[0] += u64::try_from(gone.len()).unwrap();
            sent.extend(now.drain(changed..));
        }
        for (key, end) in &self.did {
            match (self.did_sent.get(key).copied(), end) {
                (Some(before), end) if before == *end => {}
                (Some(Some(_)), None) => held[2] += 1,
                _ => drop(self.did_sent.insert(*key, *end)),
            }
        }
        held[2] += self.did_sent.keys().filter(|key| !self.did.contains_key(key)).count() as u64;
        held
    }

    fn sums(&self) -> Sums {
        let mut sums = Sums::new();
        for ((queue, _), sent) in &self.sent {
            sent.iter().for_each(|call| add(&mut sums, *queue, *call));
        }
        sums
    }

    fn statuses(&self) -> Did {
        let name = |(agent, start, status): &(usize, i64, usize)| {
            (AGENTS[*agent].to_owned(), *start, STATUSES[*status].to_owned())
        };
        self.did_sent.iter().map(|(key, end)| (name(key), *end)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrections_are_held_back_and_counted() {
    for seed in 1..if is_long() { 60 } else { 5 } {
        let mut random = Random(seed * 31);
        let mut pair = Pair::new(Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()), seed).await;
        let (integration, held) = world(&pair, Sort::Calls).await;
        let mut model = Model::default();
        for _ in 0..25 {
            held.lock().unwrap().change(&mut random);
            if random.chance(60) {
                let from = FIRST + random.below(DAYS * 24) * 3_600_000;
                let to = from + (1 + random.below(40)) * 3_600_000;
                let window = Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).unwrap();
                integration.import_contacts(window).await.unwrap();
                model.read_calls(&held.lock().unwrap(), window);
            } else {
                integration.import_statuses(always()).await.unwrap();
                model.read_statuses(&held.lock().unwrap());
            }
            let back = model.tell();
            pair.ends_with(&model.sums(), &model.statuses(), back, seed).await;
            if random.chance(20) {
                pair.kill(&mut random).await;
            }
        }
        let back = pair.sender.held_back(10_000).await.unwrap();
        assert!(back.contacts > 5, "the history is worth it");
        let contacts = back.items.iter().filter(|item| QUEUES.contains(&item.of.as_str())).count();
        assert_eq!(contacts as u64, back.contacts, "all are listed where they are few");
        assert!(back.items.iter().all(|item| !item.what.is_empty() && !item.why.is_empty()));
        assert_eq!(pair.sender.held_back(3).await.unwrap().items[..], back.items[..3]);
        pair.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interval_rows_are_held_back_whole() {
    let pair = Pair::new(Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()), 3).await;
    let (integration, held) = world(&pair, Sort::Rows).await;
    for index in 0..5 {
        held.lock().unwrap().rows.insert((usize::from(index > 2), FIRST + i64::from(index) * 1_800_000), (3, 60));
    }
    integration.import_contacts(always()).await.unwrap();
    pair.ends_with(&Sums::new(), &Did::new(), [0, 5, 0], 3).await;
    let items = pair.sender.held_back(9).await.unwrap().items;
    let listed: Vec<(&str, &str)> = items.iter().map(|item| (item.of.as_str(), item.what.as_str())).collect();
    assert_eq!(listed, [("Sales", "3 interval rows"), ("Support", "2 interval rows")]);
    held.lock().unwrap().rows.remove(&(0, FIRST));
    integration.import_contacts(always()).await.unwrap();
    pair.ends_with(&Sums::new(), &Did::new(), [0, 4, 0], 3).await;
    assert_eq!(pair.receives.queues("API").await.unwrap(), [], "nothing is made up");
    pair.task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_agents_do_now_is_told_as_it_begins_and_ends() {
    let sending: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let pair = Pair::new(Arc::clone(&sending), Arc::new(MemoryStore::new()), 3).await;
    let (words, _) = broadcast::channel(64);
    let (heard, mut listens) = mpsc::channel(8);
    let other = Runtime::new(Shared(sending)).clock(pair.clock);
    other.add(NAME, Live { words: words.clone(), listens: heard }).await.unwrap();
    pair.wake().await;
    let service = other.start();
    listens.recv().await.unwrap();
    let at = |hour: i64| FIRST + hour * 3_600_000;
    let key = |hour: i64, status: &str| ("amy".to_owned(), at(hour), status.to_owned());
    let say = |hour: i64, status: Option<&str>| {
        words.send(("amy".to_owned(), status.map(ToOwned::to_owned), Timestamp::from_millis(at(hour)))).unwrap()
    };
    say(22, Some("Ready"));
    let mut did = Did::from([(key(22, "Ready"), None)]);
    pair.ends_with(&Sums::new(), &did, [0; 3], 0).await;
    // The end is said on the next day.
    say(26, Some("Break"));
    did.insert(key(22, "Ready"), Some(at(26)));
    did.insert(key(26, "Break"), None);
    pair.ends_with(&Sums::new(), &did, [0; 3], 0).await;
    say(27, None);
    did.insert(key(26, "Break"), Some(at(27)));
    pair.ends_with(&Sums::new(), &did, [0; 3], 0).await;
    service.shutdown().await;
    pair.task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_the_receiver_refuses_are_listed_with_its_reason() {
    let pair = Pair::new(Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()), 3).await;
    pair.runtime.add(NAME, Pushed).await.unwrap();
    pair.wake().await;
    let sender = pair.runtime.own_sender(NAME).await.unwrap();
    let long = "q".repeat(600);
    let mut events = Events::contacts("one");
    for index in 0..3 {
        let contact = Contact::offered(Timestamp::from_millis(FIRST + index * 60_000)).handled(Millis::from_secs(5));
        events.contact(if index == 1 { &long } else { "Sales" }, Channel::Calls, None, contact);
    }
    pair.runtime.receive(&sender, events).await.unwrap();
    let mut sums = Sums::new();
    sums.insert(("Sales".to_owned(), FIRST), [2, 2, 10_000]);
    pair.ends_with(&sums, &Did::new(), [0; 3], 0).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while pair.sender.held_back(0).await.unwrap().refused == 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let back = pair.sender.held_back(9).await.unwrap();
    assert_eq!((back.refused, back.items.len()), (1, 1));
    assert_eq!((back.items[0].of.len(), back.items[0].start.millis()), (600, FIRST + 60_000));
    assert!(back.items[0].why.contains("512 bytes"), "{}", back.items[0].why);
    pair.task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_target_is_refused_unless_it_is_told_everything_anew() {
    let pair = Pair::new(Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()), 3).await;
    let (integration, held) = world(&pair, Sort::Calls).await;
    let call = Call { start: FIRST, handled: true, duration: Some(7_000), wait: None };
    held.lock().unwrap().calls.push((0, call));
    integration.import_contacts(always()).await.unwrap();
    let mut sums = Sums::new();
    add(&mut sums, 0, told(&call));
    pair.ends_with(&sums, &Did::new(), [0; 3], 0).await;
    pair.task.abort();
    let other = Pair::new(Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()), 4).await;
    other.wire.is_calm.store(true, Ordering::SeqCst);
    let target = || Target::injixo("https://other.example.com", Secret::new(other.key.as_str()), 1);
    let make = || ApiSender::with_transport(&pair.runtime, NAME, target(), Arc::clone(&other.wire) as _).unwrap();
    let refused = make();
    let mut state = refused.watch();
    tokio::select! {
        () = refused.run() => {}
        blocked = state.wait_for(|state| state.phase == SendPhase::Blocked) => {
            assert!(blocked.unwrap().error.as_ref().unwrap().contains("another system"));
        }
    }
    assert_eq!(other.sums().await, Sums::new());
    other.runtime.add(NAME, Pushed).await.unwrap();
    let anew = make().begin_anew();
    let task = tokio::spawn(async move { anew.run().await });
    other.ends_with(&sums, &Did::new(), [0; 3], 0).await;
    task.abort();
}
