//! A process that imports on its own and is really killed, over and over, ends with what an uninterrupted one has.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use injixo_connectors::core::connector::Stream;
use injixo_connectors::core::model::{Timestamp, Window};
use injixo_connectors::core::store::{Store, StreamId};
use injixo_connectors::core::{Clock, PostgresStore, Runtime, SqliteStore, SystemClock};
use injixo_tests::made::{Made, contents, followed};
use injixo_tests::{Random, is_long};

/// Days of facts, the last one ending a day ago.
const DAYS: i64 = 20;

fn child(store: &str, made: &Made) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runtime_child"));
    command.args([store, &made.from.to_string(), &made.to.to_string()]);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// What is in a store at whatever moment: only what was covered, all of that, and the feed tells the same.
async fn check_half_way(store: impl Store + Clone, made: &Made) {
    let runtime = Runtime::new(store.clone());
    if runtime.status_of("made").await.is_err() {
        return;
    }
    let always = Window::new(Timestamp::MIN, Timestamp::MAX).unwrap();
    let stream = StreamId { integration: 1, stream: Stream::Contacts };
    let covered = store.read().await.unwrap().coverage(stream, None, always).await.unwrap();
    let second = |at: Timestamp| at.millis() / 1_000;
    let expected: u64 = covered.iter().map(|c| made.contacts_in(second(c.window.from()), second(c.window.to()))).sum();
    let (held, _) = contents(&runtime, "made").await;
    let offered: u64 = held.lines().map(|line| line.split(' ').nth(2).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(offered, expected, "facts and coverage are committed together");
    assert_eq!(followed(&runtime).await, held, "whoever follows the feed knows what is there");
    let log: u64 = runtime
        .imports("made", u32::MAX)
        .await
        .unwrap()
        .iter()
        .filter(|import| import.stream.stream == Stream::Contacts)
        .map(|import| import.added - import.gone)
        .sum();
    assert_eq!(log, expected, "the log adds up to what is there");
}

/// Kills processes on `stores` (each new, with what opens it) until `wanted` were killed.
async fn kill<S: Store + Clone>(wanted: u32, made: &Made, new: impl Fn() -> String, open: impl AsyncFn(&str) -> S) {
    let uninterrupted = new();
    let mut whole = child(&uninterrupted, made).spawn().unwrap();
    let lines = BufReader::new(whole.stdout.take().unwrap()).lines().count() as u64;
    assert!(whole.wait().unwrap().success());
    let expected = contents(&Runtime::new(open(&uninterrupted).await), "made").await;
    assert_eq!(expected.0, made.expected_quarters());
    assert!(expected.1.lines().count() > 1_000);

    let mut random = Random(23);
    let (mut killed, mut stores) = (0, 0);
    while killed < wanted {
        let store = new();
        stores += 1;
        loop {
            let mut running = child(&store, made).spawn().unwrap();
            // A random line of what may be left, and a random while after it.
            let mut output = BufReader::new(running.stdout.take().unwrap()).lines();
            let mut is_done = false;
            for _ in 0..random.below(lines / 4) {
                match output.next() {
                    Some(line) => is_done |= line.unwrap() == "done",
                    None => break,
                }
            }
            let until = Instant::now() + Duration::from_micros(random.below(20_000));
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            running.kill().unwrap();
            let status = running.wait().unwrap();
            is_done |= output.any(|line| line.unwrap() == "done");
            if is_done {
                assert!(status.code().is_none_or(|code| code == 0));
                break;
            }
            assert!(!status.success());
            killed += 1;
            if killed % 10 == 0 {
                check_half_way(open(&store).await, made).await;
            }
        }
        let runtime = Runtime::new(open(&store).await);
        let found = contents(&runtime, "made").await;
        assert!(found == expected, "after {killed} kills a store differs from an uninterrupted one");
        check_half_way(open(&store).await, made).await;
    }
    println!("{killed} killed on {stores} stores");
}

fn made() -> Made {
    let midnight = SystemClock.now().millis() / 1_000 / 86_400 * 86_400;
    Made::new(midnight - DAYS * 86_400, midnight - 86_400)
}

fn wanted() -> u32 {
    if is_long() { 1_000 } else { 20 }
}

#[tokio::test]
async fn killed_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    let new = || {
        number.set(number.get() + 1);
        folder.path().join(format!("{}.db", number.get())).display().to_string()
    };
    kill(wanted(), &made(), new, async |path: &str| SqliteStore::open(path).await.unwrap()).await;
}

#[tokio::test]
async fn killed_on_postgres() {
    let new = injixo_test_servers::postgres;
    kill(wanted(), &made(), new, async |url: &str| PostgresStore::connect(url).await.unwrap()).await;
}
