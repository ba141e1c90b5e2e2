//! The power goes while a file is imported: what was not synced is cut off or garbage. The store opens as it was after an earlier
//! commit, and the next run ends equal to an uninterrupted one.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use injixo_connectors::core::{Runtime, SqliteStore};
use injixo_tests::{CONTACTS, Random, csv, file, is_long, naive_quarters, quarters, utc};

/// Files of which each adds to what the one before it left.
const FILES: i64 = 12;
const ROWS: i64 = 800;
const BEGIN: i64 = 1_711_700_000;

fn row(number: i64) -> (&'static str, i64, i64) {
    (["Sales", "Service"][usize::try_from(number % 2).unwrap()], BEGIN + number * 61, number % 500)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let write = |part: i64| {
        let mut text = String::from("Queue;When;Handled;Duration\n");
        for number in part * ROWS..(part + 1) * ROWS {
            let (queue, start, duration) = row(number);
            let _ = writeln!(text, "{queue};{};1;{duration}", utc(start));
        }
        file(folder, &format!("{part}.csv"), &text)
    };
    (0..FILES).map(write).collect()
}

/// A file of the database and its journal, at one moment.
struct Copy {
    database: Vec<u8>,
    journal: Vec<u8>,
    /// How much of the journal was in the database already: synced before that.
    synced: usize,
}

fn beside(store: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", store.display()))
}

impl Copy {
    /// Nobody must write meanwhile.
    fn of(store: &Path) -> Option<Self> {
        let database = std::fs::read(store).ok()?;
        let journal = std::fs::read(beside(store, "-wal")).unwrap_or_default();
        let index = std::fs::read(beside(store, "-shm")).unwrap_or_default();
        // https://www.sqlite.org/walformat.html: the page size is at 8 of the journal, the number of its frames that are in the
        // database at 96 of the index. The header has 32 bytes, and each frame 24 before its page.
        let number = |bytes: &[u8], at: usize, big: bool| {
            let four: Option<[u8; 4]> = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
            four.map_or(0, |four| if big { u32::from_be_bytes(four) } else { u32::from_ne_bytes(four) }) as usize
        };
        let (page, frames) = (number(&journal, 8, true), number(&index, 96, false));
        let synced = if frames > 0 { (32 + frames * (24 + page)).min(journal.len()) } else { 0 };
        Some(Self { database, journal, synced })
    }

    /// The copy in a file of its own, its journal cut, or garbage from there on.
    fn write(&self, store: &Path, cut: usize, garbage: Option<&mut Random>) {
        let mut journal = self.journal[..cut].to_vec();
        if let Some(random) = garbage {
            journal.resize_with(self.journal.len(), || u8::try_from(random.below(256)).unwrap());
        }
        std::fs::write(store, &self.database).unwrap();
        std::fs::write(beside(store, "-wal"), journal).unwrap();
        let _ = std::fs::remove_file(beside(store, "-shm"));
    }
}

/// How many files a store holds, whole.
async fn state(store: &Path, states: &[String]) -> usize {
    let store = SqliteStore::open(store).await.unwrap();
    let runtime = Runtime::new(store.clone());
    let known = runtime.queues("contacts").await.is_ok();
    let held = if known { quarters(&runtime, "contacts").await } else { String::new() };
    store.close().await;
    let state = states.iter().position(|state| *state == held);
    state.expect("the store holds what it held after some commit")
}

fn signal(child: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.to_string()]).status().unwrap().success());
}

/// Whether every thread of the process has stopped.
fn has_stopped(child: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{child}/task")).unwrap();
    tasks.flatten().all(|task| {
        let status = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // The state stands behind the name, which is in parentheses.
        status.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 'Z', 'X']))
    })
}

#[tokio::test]
async fn what_was_not_synced_is_lost_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let schema = file(folder.path(), "schema.toml", CONTACTS);
    let files = files(folder.path());
    let states: Vec<String> = (0..=FILES).map(|parts| naive_quarters((0..parts * ROWS).map(row))).collect();
    let (runs, cuts) = if is_long() { (60, 25) } else { (3, 10) };
    let mut random = Random(5);
    let (mut earlier, mut later, mut tried) = (0, 0, 0);
    for run in 0..runs {
        let store = folder.path().join(format!("{run}.db"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_import_child"))
            .arg(&store)
            .arg(&schema)
            .args(&files)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..2 + random.below(3 * u64::try_from(FILES).unwrap() - 4) {
            lines.next();
        }
        let until = Instant::now() + Duration::from_micros(random.below(3_000));
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        // Stopped, so that database and journal are of one moment.
        signal(child.id(), "-STOP");
        let deadline = Instant::now() + Duration::from_secs(10);
        while !has_stopped(child.id()) {
            assert!(Instant::now() < deadline, "the process does not stop");
            std::hint::spin_loop();
        }
        let copy = Copy::of(&store);
        child.kill().unwrap();
        child.wait().unwrap();
        let Some(copy) = copy.filter(|copy| !copy.journal.is_empty()) else { continue };

        let lost = folder.path().join("lost.db");
        copy.write(&lost, copy.journal.len(), None);
        let uncut = state(&lost, &states).await;
        for number in 0..cuts {
            let cut =
                copy.synced + usize::try_from(random.below((copy.journal.len() - copy.synced + 1) as u64)).unwrap();
            let with_garbage = number % 2 == 1;
            copy.write(&lost, cut, with_garbage.then_some(&mut random));
            let found = state(&lost, &states).await;
            assert!(found <= uncut, "run {run}, cut at {cut}: {found} files instead of at most {uncut}");
            if found < uncut {
                earlier += 1
            } else {
                later += 1
            }
            // The next run goes on from there.
            let runtime = Runtime::new(SqliteStore::open(&lost).await.unwrap());
            let integration = runtime.add("contacts", csv(CONTACTS)).await.unwrap();
            for file in &files {
                integration.import_file(file).await.unwrap();
            }
            drop((runtime, integration));
            assert_eq!(state(&lost, &states).await, states.len() - 1, "run {run}, cut at {cut}");
            tried += 1;
        }
    }
    println!("{tried} journals cut: {earlier} stores at an earlier commit, {later} at the last one");
    assert!(earlier > tried / 10 && tried > 0, "{earlier} of {tried} cuts lost something");
}
