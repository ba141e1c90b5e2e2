//! Several processes on one PostgreSQL database: killed, frozen, cut off from it, and held to one budget.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use injixo_connectors::core::connector::Stream;
use injixo_connectors::core::model::{Timestamp, Window};
use injixo_connectors::core::{Clock, Error, ErrorKind, PostgresStore, Runtime, SystemClock};
use injixo_test_servers::{POSTGRES_VARIABLE, PostgresServer};
use injixo_tests::made::{Made, contents, followed};
use injixo_tests::{Random, is_long};
use sqlx::{PgPool, Row};

/// How long a claim lasts in the processes.
const LEASE: Duration = Duration::from_secs(1);

fn made(days: i64) -> Made {
    let midnight = SystemClock.now().millis() / 1_000 / 86_400 * 86_400;
    Made::new(midnight - days * 86_400, midnight - 86_400)
}

/// A process that is ended with the test.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(store: &str, made: &Made, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runtime_child"));
        command.args([store, &made.from.to_string(), &made.to.to_string()]).args(options);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn wait_for(&mut self, word: &str) {
        assert!(self.lines.any(|line| line.unwrap().starts_with(word)), "the process ended without saying {word:?}");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "other processes are waited for, whose time is the real one")]
fn nap() {
    std::thread::sleep(Duration::from_millis(10));
}

/// How many pieces of work that process has claimed.
async fn claims(pool: &PgPool, process: &Process) -> i64 {
    let count = sqlx::query("SELECT count(*) FROM injixo.work WHERE owner LIKE $1 || '-%'");
    count.bind(process.child.id().to_string()).fetch_one(pool).await.unwrap().get(0)
}

async fn store(url: &str) -> PostgresStore {
    PostgresStore::connect(url).await.unwrap()
}

/// Each stretch of history was committed once, and the facts are there once.
async fn check(url: &str, made: &Made, expected: &(String, String)) {
    let runtime = Runtime::new(store(url).await);
    let found = contents(&runtime, "made").await;
    assert_eq!(found.0, made.expected_quarters());
    assert!(found == *expected, "the timelines differ from those of an uninterrupted run");
    assert_eq!(followed(&runtime).await, found.0);
    for stream in [Stream::Contacts, Stream::Statuses] {
        let log = runtime.imports("made", u32::MAX).await.unwrap();
        let windows = log.iter().filter(|import| import.stream.stream == stream).filter_map(|import| import.window);
        let mut windows: Vec<_> = windows.filter(|window| window.to().millis() <= made.to * 1_000).collect();
        windows.sort_by_key(|window| window.from());
        assert!(windows.len() > 5);
        for pair in windows.windows(2) {
            assert!(pair[0].to() <= pair[1].from(), "{stream:?}: {} and {} were both committed", pair[0], pair[1]);
        }
    }
}

/// What one process alone makes of it.
async fn uninterrupted(made: &Made, options: &[&str]) -> (String, String) {
    let url = injixo_test_servers::postgres();
    Process::start(&url, made, options).wait_for("done");
    contents(&Runtime::new(store(&url).await), "made").await
}

#[tokio::test]
async fn work_of_a_frozen_or_killed_process_is_taken_over_and_its_commits_are_refused() {
    let made = Made { duration: 61, ..made(8) };
    let expected = uninterrupted(&made, &["duration=61"]).await;
    let folder = tempfile::tempdir().unwrap();
    for signal in ["-STOP", "-KILL"] {
        let url = injixo_test_servers::postgres();
        let hold = folder.path().join(signal);
        std::fs::write(&hold, "").unwrap();
        // The first one waits for its system while it is frozen, and would bring other durations.
        let hold_option = format!("hold={}", hold.display());
        let mut first = Process::start(&url, &made, &["duration=60", &hold_option]);
        first.wait_for("read");
        let pool = PgPool::connect(&url).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while claims(&pool, &first).await < 4 {
            assert!(Instant::now() < deadline, "the first process claims its four lanes");
            nap();
        }
        // Longer than a lease: it extends its claims as long as it lives.
        let until = Instant::now() + 2 * LEASE;
        let mut second = Process::start(&url, &made, &["duration=61"]);
        second.wait_for("open");
        while Instant::now() < until {
            assert_eq!(claims(&pool, &second).await, 0, "claimed while the first one lives");
            nap();
        }
        first.signal(signal);
        let frozen = Instant::now();
        while claims(&pool, &first).await > 0 {
            assert!(frozen.elapsed() < Duration::from_secs(30), "nobody takes over");
            nap();
        }
        let took = frozen.elapsed();
        println!("{signal}: taken over after {took:?}, with leases of {LEASE:?}");
        assert!(took < 2 * LEASE, "{took:?}");
        second.wait_for("done");
        std::fs::remove_file(&hold).unwrap();
        if signal == "-STOP" {
            // Its system answers at once, and what it would commit is refused.
            first.signal("-CONT");
            first.wait_for("done");
        }
        check(&url, &made, &expected).await;
    }
}

#[tokio::test]
async fn killed_frozen_and_cut_off_processes_end_with_what_one_alone_has() {
    let (days, steps) = if is_long() { (1_000, 120) } else { (100, 10) };
    let made = made(days);
    let expected = uninterrupted(&made, &[]).await;
    // A server that is not ours is not stopped.
    let server = std::env::var(POSTGRES_VARIABLE).is_err().then(PostgresServer::new);
    let url = server.as_ref().map_or_else(injixo_test_servers::postgres, PostgresServer::database);
    let mut random = Random(41);
    let start = || Process::start(&url, &made, &["wait=40", "ends=no"]);
    let mut processes: Vec<Process> = (0..4).map(|_| start()).collect();
    let mut done = [0; 3];
    for _ in 0..steps {
        let until = Instant::now() + Duration::from_millis(100 + random.below(500));
        while Instant::now() < until {
            nap();
        }
        let chosen = usize::try_from(random.below(4)).unwrap();
        let act = usize::try_from(random.below(3)).unwrap();
        done[act] += 1;
        match act {
            0 => {
                processes[chosen].kill();
                processes[chosen] = start();
            }
            1 => {
                processes[chosen].signal("-STOP");
                let until = Instant::now() + LEASE + Duration::from_millis(random.below(1_500));
                while Instant::now() < until {
                    nap();
                }
                processes[chosen].signal("-CONT");
            }
            _ => {
                let Some(server) = &server else { continue };
                server.stop();
                let until = Instant::now() + Duration::from_millis(random.below(1_500));
                while Instant::now() < until {
                    nap();
                }
                server.start();
            }
        }
    }
    let last = Process::start(&url, &made, &[]);
    let deadline = Instant::now() + Duration::from_secs(if is_long() { 600 } else { 120 });
    let mut last = last;
    // They back off after what happened to them.
    let done_by = std::thread::spawn(move || last.wait_for("done"));
    while !done_by.is_finished() {
        assert!(Instant::now() < deadline, "it does not come to an end");
        nap();
    }
    done_by.join().unwrap();
    drop(processes);
    println!("killed, frozen, server stopped: {done:?}");
    check(&url, &made, &expected).await;
}

/// Passes a connection on to a server, and cuts it at a commit.
struct Cutter {
    url: String,
    /// How many commits are let through until one is cut; negative for no cut.
    commits: Arc<AtomicI64>,
}

impl Cutter {
    /// Before the server hears of the commit, or when it has answered.
    fn new(url: &str, is_heard: bool) -> Self {
        let (user, rest) = url.rsplit_once('@').unwrap();
        let (address, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{user}@{}/{database}", listener.local_addr().unwrap());
        let (address, commits) = (address.to_owned(), Arc::new(AtomicI64::new(-1)));
        let left = Arc::clone(&commits);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&address)) else { return };
                let (from_client, to_client) = (client.try_clone().unwrap(), client);
                let (from_server, to_server) = (server.try_clone().unwrap(), server);
                let is_cut = Arc::new(AtomicBool::new(false));
                let (cut, left) = (Arc::clone(&is_cut), Arc::clone(&left));
                std::thread::spawn(move || pass_on(from_server, to_client, |_| !is_cut.load(Ordering::SeqCst)));
                std::thread::spawn(move || {
                    pass_on(from_client, to_server, |bytes| {
                        let is_commit = bytes.windows(7).any(|seven| seven == b"COMMIT\0");
                        if is_commit && left.fetch_sub(1, Ordering::SeqCst) == 0 {
                            // Its answer will not be passed on.
                            cut.store(true, Ordering::SeqCst);
                            return is_heard;
                        }
                        true
                    });
                });
            }
        });
        Self { url, commits }
    }
}

/// Passes bytes on as long as `may` says so; then both sides are closed.
fn pass_on(mut from: TcpStream, mut to: TcpStream, mut may: impl FnMut(&[u8]) -> bool) {
    let mut bytes = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if !may(&bytes[..length]) || to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_in_a_commit_loses_and_doubles_nothing() {
    let made = made(3);
    let at = Timestamp::from_secs;
    let (first, rest) = (
        Window::new(at(made.from), at(made.from + 86_400)).unwrap(),
        Window::new(at(made.from + 86_400), at(made.to)).unwrap(),
    );
    for is_heard in [false, true] {
        let url = injixo_test_servers::postgres();
        let cutter = Cutter::new(&url, is_heard);
        let runtime = Runtime::new(store(&cutter.url).await);
        let integration = runtime.add("made", made.clone()).await.unwrap();
        integration.import_contacts(first).await.unwrap();
        let before = contents(&runtime, "made").await;
        cutter.commits.store(0, Ordering::SeqCst);
        let lost = integration.import_contacts(rest).await.unwrap_err();
        assert!(lost.kind() == ErrorKind::Unavailable && lost.is_retryable(), "{lost:?}");
        assert!(cutter.commits.load(Ordering::SeqCst) < 0, "a commit was cut");
        // The import was applied whole or not at all, and the next one knows.
        let after = contents(&runtime, "made").await;
        assert_eq!(after.0, if is_heard { made.expected_quarters() } else { before.0 });
        let report = integration.import_contacts(rest).await.unwrap();
        assert_eq!(report.facts.added > 0, !is_heard, "{report}");
        assert_eq!(contents(&runtime, "made").await.0, made.expected_quarters());
        assert_eq!(followed(&runtime).await, made.expected_quarters());
        assert_eq!(runtime.imports("made", 9).await.unwrap().len(), if is_heard { 3 } else { 2 });
    }
}

/// When each read was made, in milliseconds.
fn reads(log: &Path) -> Vec<i64> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let mut reads: Vec<i64> = text.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    reads.sort_unstable();
    reads
}

#[tokio::test]
async fn fifty_processes_never_exceed_a_budget() {
    // Two a minute; in the short form two every six seconds.
    let (secs, wanted) = if is_long() { (60, 8) } else { (6, 6) };
    let made = made(30);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    // They take many connections.
    let server = std::env::var(POSTGRES_VARIABLE).is_err().then(PostgresServer::new);
    let url = server.as_ref().map_or_else(injixo_test_servers::postgres, PostgresServer::database);
    let start = folder.path().join("start");
    let start_option = format!("start={}", start.display());
    let mut processes: Vec<Process> = (0..50)
        .map(|number| {
            let (name, permits) = (format!("name={number}"), format!("permits=2/{secs}"));
            let log = format!("log={}", log.display());
            Process::start(&url, &made, &[&name, &permits, &log, &start_option, "ends=no"])
        })
        .collect();
    processes.iter_mut().for_each(|process| process.wait_for("open"));
    std::fs::write(&start, "").unwrap();
    let deadline = Instant::now() + Duration::from_secs(secs * wanted / 2 + 120);
    while reads(&log).len() < usize::try_from(wanted).unwrap() {
        assert!(Instant::now() < deadline, "only {:?}", reads(&log));
        nap();
    }
    drop(processes);
    let reads = reads(&log);
    let pace: Vec<i64> = reads.windows(3).map(|three| three[2] - three[0]).collect();
    println!("{} reads by 50 processes; a third one at the earliest after {:?} ms", reads.len(), pace.iter().min());
    let stretch = i64::try_from(secs).unwrap() * 1_000;
    assert!(pace.iter().all(|took| *took >= stretch), "three reads within {secs} s: {pace:?}");
    // How soon a process is run is up to the machine: not every permit is used at once.
    assert!(pace.iter().any(|took| *took < 2 * stretch), "what is allowed is used: {pace:?}");
}

#[tokio::test]
async fn a_lost_server_is_named_and_nothing_is_lost() {
    if std::env::var(POSTGRES_VARIABLE).is_ok() {
        println!("a server that is not ours is not stopped");
        return;
    }
    let server = PostgresServer::new();
    let url = server.database();
    let made = made(3);
    let runtime = Runtime::new(store(&url).await);
    let integration = runtime.add("made", made.clone()).await.unwrap();
    let window = |from: i64, to: i64| Window::new(Timestamp::from_secs(from), Timestamp::from_secs(to)).unwrap();
    integration.import_contacts(window(made.from, made.from + 86_400)).await.unwrap();
    server.stop();
    let lost: Error = integration.import_contacts(window(made.from + 86_400, made.to)).await.unwrap_err();
    assert!(lost.kind() == ErrorKind::Unavailable && lost.is_retryable(), "{lost:?}");
    server.start();
    integration.import_contacts(window(made.from + 86_400, made.to)).await.unwrap();
    assert_eq!(contents(&runtime, "made").await.0, made.expected_quarters());
}
