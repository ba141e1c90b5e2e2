//! A sender and a receiver in processes of their own, over sockets, a line between them that is cut, slowed and told twice, and both
//! killed at random: by commits both stores end equal, by single events the receiver's sums are those of what can be told.
//!
//! This program is also the two processes: what it is told to be stands in `INJIXO_PART`.

#[path = "sending/clock.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod clock;
#[path = "processes/line.rs"]
mod line;
#[path = "sending/view.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod view;
#[path = "sending/world.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use injixo_connector_api::{Api, ApiSender, Arrives, Receiver, SendPhase, Target};
use injixo_core::model::{Timestamp, Window};
use injixo_core::{Runtime, Secret, SqliteStore};

use crate::clock::Random;
use crate::line::Line;
use crate::view::{chunks, coverage, seen};
use crate::world::{AGENTS, Call, DAY, DAYS, Did, FIRST, Held, QUEUES, STATUSES, Sort, System, instant};

const NAME: &str = "Our ACD";

/// Offered, handled and handle time of each quarter hour.
type Sums = BTreeMap<(String, i64), [i64; 3]>;

/// By what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Commits,
    Events,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match std::env::var("INJIXO_PART").as_deref() {
        Ok("receiver") => runtime.block_on(receiver()),
        Ok("commits") => runtime.block_on(sender(By::Commits)),
        Ok("events") => runtime.block_on(sender(By::Events)),
        _ => {
            println!("\nrunning 2 tests");
            for by in [By::Commits, By::Events] {
                runtime.block_on(trial(by));
            }
            println!("\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        }
    }
    ExitCode::SUCCESS
}

fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// The receiving host.
async fn receiver() {
    let runtime = Runtime::new(SqliteStore::open(told("INJIXO_STORE")).await.unwrap());
    // What stands before it ends the encryption.
    let app = Receiver::new(&runtime, Arrives::Encrypted).router();
    let listener = tokio::net::TcpListener::bind(told("INJIXO_ADDRESS")).await.unwrap();
    axum::serve(listener, app).await.unwrap();
}

/// The sending host: imports without end, unless it is only to send what is left.
async fn sender(by: By) {
    let folder = PathBuf::from(told("INJIXO_STORE"));
    let runtime = Runtime::new(SqliteStore::open(folder.join("sender.db")).await.unwrap());
    let held = Arc::new(Mutex::new(Held::default()));
    let system = System { sort: Sort::Calls, held: Arc::clone(&held) };
    let integration = runtime.add(NAME, system).await.unwrap();
    let (url, key) = (told("INJIXO_ADDRESS"), Secret::new(told("INJIXO_KEY")));
    let target = match by {
        By::Commits => Target::sdk(url, key),
        By::Events => Target::injixo(url, key, 1),
    };
    let sender = ApiSender::new(&runtime, NAME, target).unwrap().most_rows(40).most_bytes(4_000);
    let mut state = sender.watch();
    let seed: u64 = told("INJIXO_SEED").parse().unwrap();
    if (seed, by) == (0, By::Events) {
        // The one before may have been killed before it imported what it had counted.
        *held.lock().unwrap() = added(counted(&folder));
        integration.import_contacts(always()).await.unwrap();
        integration.import_statuses(always()).await.unwrap();
    }
    let sending = sender.clone();
    tokio::spawn(async move { sending.run().await });
    if seed == 0 {
        state.wait_for(|state| state.phase == SendPhase::Current).await.unwrap();
        return;
    }
    let mut random = Random(seed);
    loop {
        let window = match by {
            By::Commits => {
                held.lock().unwrap().change(&mut random);
                let from = FIRST + random.below(DAYS * 24) * 3_600_000;
                let to = from + (1 + random.below(40)) * 3_600_000;
                Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).unwrap()
            }
            By::Events => {
                let count = counted(&folder) + u64::try_from(1 + random.below(9)).unwrap();
                // It is known before it can be sent.
                std::fs::write(folder.join("count.new"), count.to_string()).unwrap();
                std::fs::rename(folder.join("count.new"), folder.join("count")).unwrap();
                *held.lock().unwrap() = added(count);
                always()
            }
        };
        integration.import_contacts(window).await.unwrap();
        integration.import_statuses(window).await.unwrap();
        // Whoever reads a database does so now and then.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn always() -> Window {
    Window::new(Timestamp::from_millis(FIRST - DAY), Timestamp::from_millis(FIRST + 20 * DAY)).unwrap()
}

fn counted(folder: &Path) -> u64 {
    std::fs::read_to_string(folder.join("count")).map_or(0, |count| count.parse().unwrap())
}

/// The first so many facts of a system in which facts are only added, no two of which start at once.
fn added(count: u64) -> Held {
    let mut held = Held::default();
    let mut starts = std::collections::BTreeSet::new();
    for number in 0..count {
        let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.below(2);
        let start = instant(&mut random);
        if !starts.insert(start) {
            continue;
        }
        let (queue, handled) = (usize::try_from(random.below(3)).unwrap(), random.chance(70));
        let duration = (!random.chance(15)).then(|| random.below(900_000));
        held.calls.push((queue, Call { start, handled, duration, wait: None }));
        if random.chance(30) {
            let (agent, status) =
                (usize::try_from(random.below(3)).unwrap(), usize::try_from(random.below(3)).unwrap());
            held.did.push((agent, Did { start, status, end: Some(start + random.below(9_999) * 1_000) }));
        }
    }
    held
}

/// A process that is killed when it is dropped.
struct Part(Child);

impl Part {
    fn start(part: &str, store: &Path, address: &str, key: &str, seed: u64) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .env("INJIXO_PART", part)
            .env("INJIXO_STORE", store)
            .env("INJIXO_ADDRESS", address)
            .env("INJIXO_KEY", key)
            .env("INJIXO_SEED", seed.to_string())
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn within<T>(time: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + time;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn trial(by: By) {
    let folder = tempfile::tempdir().unwrap();
    let (at_sender, at_receiver) = (folder.path().join("sender.db"), folder.path().join("receiver.db"));
    let receives = Runtime::new(SqliteStore::open(&at_receiver).await.unwrap());
    receives.add(NAME, Api::new()).await.unwrap();
    let key = receives.new_key(NAME).await.unwrap().expose().to_owned();
    drop(receives);

    let is_long = std::env::var("INJIXO_TEST_LONG").is_ok_and(|long| long == "1");
    let mut random = Random(if by == By::Commits { 11 } else { 12 });
    let line = Line::start().await;
    let listens = format!("127.0.0.1:{}", line.behind);
    let (part, url) = (if by == By::Commits { "commits" } else { "events" }, format!("http://127.0.0.1:{}", line.port));
    let mut receiver = Part::start("receiver", &at_receiver, &listens, "", 1);
    let mut sender = Part::start(part, folder.path(), &url, &key, 1);
    let kills = if is_long { 100 } else { 10 };
    for kill in 0..kills {
        let wanted = line.passed() + u64::try_from(1 + random.below(40)).unwrap();
        within(Duration::from_secs(60), "something is sent", || (line.passed() >= wanted).then_some(())).await;
        let which = random.below(3);
        if which != 0 {
            drop(sender);
            sender = Part::start(part, folder.path(), &url, &key, kill + 2);
        }
        if which != 1 {
            drop(receiver);
            receiver = Part::start("receiver", &at_receiver, &listens, "", 1);
        }
    }
    // Over a good line the rest is sent.
    drop(sender);
    line.calm();
    let mut rest = Part::start(part, folder.path(), &url, &key, 0);
    let status = within(Duration::from_secs(120), "the rest is sent", || rest.0.try_wait().unwrap()).await;
    assert!(status.success());
    drop(receiver);
    println!("{by:?}: {kills} kills, {} pieces of requests, {} bad connections", line.passed(), line.bad());

    let receives = SqliteStore::open(&at_receiver).await.unwrap();
    match by {
        By::Commits => {
            let sends = SqliteStore::open(&at_sender).await.unwrap();
            assert_eq!(coverage(&receives, 1).await, coverage(&sends, 1).await);
            let held = chunks(&sends, 1).await;
            assert!(held.len() > 4);
            assert_eq!(chunks(&receives, 1).await, held);
            assert_eq!(seen(&Runtime::new(receives), NAME).await, seen(&Runtime::new(sends), NAME).await);
        }
        By::Events => {
            let held = added(counted(folder.path()));
            let receives = Runtime::new(receives);
            let (found, expected) = (received(&receives).await, expected(&held));
            let differ = found.iter().filter(|cell| expected.get(cell.0) != Some(cell.1));
            let differ = differ.chain(expected.iter().filter(|cell| found.get(cell.0) != Some(cell.1)));
            let differ: Vec<_> = differ.take(10).collect();
            assert!(differ.is_empty(), "of {} facts: {differ:?}", held.calls.len());
            let (agents, names) = receives.statuses(NAME).await.unwrap();
            let spans = agents.iter().flat_map(|agent| {
                agent.spans.iter().map(|span| {
                    (
                        agent.agent.clone(),
                        span.start.millis(),
                        names[&span.status].clone(),
                        span.end.map(Timestamp::millis),
                    )
                })
            });
            let mut spans: Vec<_> = spans.collect();
            spans.sort_unstable();
            let did = held
                .did
                .iter()
                .map(|(agent, did)| (AGENTS[*agent].to_owned(), did.start, STATUSES[did.status].to_owned(), did.end));
            let mut did: Vec<_> = did.collect();
            did.sort_unstable();
            assert!(spans == did, "{} spans, {} told", spans.len(), did.len());
        }
    }
}

async fn received(runtime: &Runtime) -> Sums {
    let sums = runtime.intervals(NAME).await.unwrap().into_iter().map(|row| {
        let m = row.measures;
        let counts = [m.offered.micros() / 1_000_000, m.handled.micros() / 1_000_000, m.handle_time.total.get()];
        ((row.queue.id, row.start.millis()), counts)
    });
    sums.collect()
}

/// What can be told: not how long a contact took of which only that is not known.
fn expected(held: &Held) -> Sums {
    let mut sums = Sums::new();
    for (queue, call) in held.calls.iter().filter(|(_, call)| call.duration.is_some() || !call.handled) {
        let cell = sums.entry((QUEUES[*queue].to_owned(), call.start.div_euclid(900_000) * 900_000)).or_default();
        cell[0] += 1;
        cell[1] += i64::from(call.handled);
        cell[2] += if call.handled { call.duration.unwrap_or(0) } else { 0 };
    }
    sums
}
