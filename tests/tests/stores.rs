//! What the databases themselves say: which rows an import writes, what tools that read with SQL see, how fast live changes are,
//! and what happens when the disk or the file does not take part.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use injixo_connectors::core::connector::{
    AgentNow, CheckReport, Connector, ConnectorInfo, ContactSource, ContactWriter, Context, Limits, LiveSource,
    LiveWriter, Outcome, StatusSource, StatusWriter,
};
use injixo_connectors::core::model::{Channel, IntervalLength, Millis, Timestamp, Window};
use injixo_connectors::core::{Error, ErrorKind, Integration, LiveUpdate, PostgresStore, Result, Runtime, SqliteStore};
use injixo_tests::Random;
use sqlx::{AnyPool, Row};

const DAY: i64 = 86_400;
const BEGIN: i64 = 1_716_768_000;

/// Queue, start, duration; agent, status, start, end: all in seconds.
#[derive(Debug, Default)]
struct Holds {
    calls: Vec<(&'static str, i64, i64)>,
    spans: Vec<(String, &'static str, i64, Option<i64>)>,
}

#[derive(Debug, Clone, Default)]
struct Listed {
    holds: Arc<Mutex<Holds>>,
    live: Option<Arc<Live>>,
}

/// Agents who change their status all the time; the instant of each change stands in it.
#[derive(Debug)]
struct Live {
    agents: usize,
    per_second: u64,
    changes: usize,
    sent: Mutex<BTreeMap<Timestamp, Instant>>,
    ended: AtomicBool,
}

#[async_trait]
impl Connector for Listed {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("listed", "A list")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(self.clone()))
    }

    fn statuses(&self) -> Option<Arc<dyn StatusSource>> {
        self.live.is_none().then(|| Arc::new(self.clone()) as _)
    }

    fn live(&self) -> Option<Arc<dyn LiveSource>> {
        self.live.is_some().then(|| Arc::new(self.clone()) as _)
    }
}

#[async_trait]
impl ContactSource for Listed {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        let calls = self.holds.lock().unwrap().calls.clone();
        for (queue, start, duration) in calls {
            let duration = Millis::from_secs(duration);
            out.contact(queue, Channel::Calls, Timestamp::from_secs(start)).handled(true).handle_time(duration);
        }
        if self.live.is_some() {
            // Much to do for the back-fill: a contact each minute.
            let mut start = window.from();
            while start < window.to() {
                out.contact("Busy", Channel::Calls, start).handled(true).handle_time(Millis::from_secs(60));
                start = start.after(Millis::from_mins(1));
                out.flush().await?;
            }
        }
        Ok(Outcome::complete())
    }
}

#[async_trait]
impl StatusSource for Listed {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    async fn read(&self, _: &Context, window: Window, out: &mut StatusWriter<'_>) -> Result<Outcome> {
        let (from, to) = (window.from().millis() / 1_000, window.to().millis() / 1_000);
        for (agent, status, start, end) in &self.holds.lock().unwrap().spans {
            if *start < to && end.is_none_or(|end| end > from) {
                out.span(agent, status, Timestamp::from_secs(*start), end.map(Timestamp::from_secs));
            }
        }
        Ok(Outcome::complete())
    }
}

#[async_trait]
impl LiveSource for Listed {
    async fn follow(&self, cx: &Context, out: &mut LiveWriter) -> Result<()> {
        let live = self.live.as_ref().unwrap();
        let begin = cx.now();
        let all = (0..live.agents).map(|agent| AgentNow {
            agent: format!("agent {agent}"),
            status: Some("Ready".to_owned()),
            since: begin.before(Millis::from_secs(60)),
        });
        out.snapshot(begin, all.collect()).await?;
        for number in 0..live.changes {
            let step = Millis::new(i64::try_from(number as u64 * 1_000 / live.per_second).unwrap());
            cx.sleep(begin.after(step)).await;
            // Every change has an instant of its own.
            let since = begin.after(Millis::new(i64::try_from(number).unwrap()));
            live.sent.lock().unwrap().insert(since, Instant::now());
            let status = ["On Call", "Break"][number / live.agents % 2];
            out.change(&format!("agent {}", number % live.agents), Some(status), since).await?;
        }
        live.ended.store(true, Ordering::SeqCst);
        std::future::pending().await
    }
}

fn window(from: i64, to: i64) -> Window {
    Window::new(Timestamp::from_secs(BEGIN + from), Timestamp::from_secs(BEGIN + to)).unwrap()
}

/// Both databases: a runtime over each, and a connection beside it.
async fn databases(folder: &std::path::Path) -> Vec<(&'static str, Runtime, AnyPool)> {
    sqlx::any::install_default_drivers();
    let file = folder.join("store.db");
    let sqlite = SqliteStore::open_with_tables(&file).await.unwrap();
    let beside_sqlite = AnyPool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    let url = injixo_test_servers::postgres();
    let postgres = PostgresStore::connect(&url).await.unwrap();
    let beside_postgres = AnyPool::connect(&url).await.unwrap();
    vec![("sqlite", Runtime::new(sqlite), beside_sqlite), ("postgres", Runtime::new(postgres), beside_postgres)]
}

/// Has the database itself count every row that is written, by table.
async fn count_writes(kind: &str, beside: &AnyPool) {
    let run = async |sql: String| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(beside).await.unwrap();
    };
    let names = match kind {
        "sqlite" => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        _ => "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'injixo'",
    };
    let tables: Vec<String> =
        sqlx::query(names).fetch_all(beside).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(tables.len() > 10, "{tables:?}");
    match kind {
        "sqlite" => {
            run("CREATE TABLE written (name TEXT)".to_owned()).await;
            for table in tables {
                for act in ["INSERT", "UPDATE", "DELETE"] {
                    run(format!(
                        "CREATE TRIGGER written_{table}_{act} AFTER {act} ON {table} BEGIN INSERT INTO written VALUES ('{table}'); END"
                    ))
                    .await;
                }
            }
        }
        _ => {
            run("CREATE TABLE written (name TEXT);
                CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.written VALUES (TG_TABLE_NAME); RETURN NULL; END $$;"
                .to_owned())
            .await;
            for table in tables {
                run(format!(
                    "CREATE TRIGGER written AFTER INSERT OR UPDATE OR DELETE ON injixo.{table} FOR EACH ROW EXECUTE FUNCTION public.note()"
                ))
                .await;
            }
        }
    }
}

async fn written(beside: &AnyPool) -> BTreeMap<String, i64> {
    let rows = sqlx::query("SELECT name, count(*) FROM written GROUP BY name").fetch_all(beside).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_day_read_96_times_writes_nothing_but_coverage_and_the_log() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, runtime, beside) in databases(folder.path()).await {
        let listed = Listed::default();
        {
            let mut holds = listed.holds.lock().unwrap();
            holds.calls = (0..500)
                .map(|number| (["Sales", "Service"][number % 2], BEGIN + i64::try_from(number).unwrap() * 170, 60))
                .collect();
            holds.spans = (0..400)
                .map(|number| {
                    let start = BEGIN + i64::try_from(number).unwrap() * 200;
                    (format!("agent {}", number % 7), ["Ready", "On Call"][number / 7 % 2], start, Some(start + 1_300))
                })
                .collect();
        }
        let integration = runtime.add("listed", listed.clone()).await.unwrap();
        let read = async |integration: &Integration| {
            integration.import_contacts(window(0, DAY)).await.unwrap();
            integration.import_statuses(window(0, DAY)).await.unwrap();
        };
        read(&integration).await;
        count_writes(kind, &beside).await;
        let revision = runtime.revision().await.unwrap();
        for _ in 0..96 {
            read(&integration).await;
        }
        let writes = written(&beside).await;
        let tables: Vec<&str> = writes.keys().map(String::as_str).collect();
        assert_eq!(tables, ["coverage", "import"], "{kind}: {writes:?}");
        assert_eq!(writes["import"], 2 * 96, "{kind}");
        assert_eq!(runtime.revision().await.unwrap(), revision, "{kind}");
        // One status edited: one chunk, one change, one row of the timeline for readers.
        listed.holds.lock().unwrap().spans[200].1 = "Break";
        read(&integration).await;
        assert_eq!(runtime.revision().await.unwrap(), revision + 1, "{kind}");
        assert_eq!(written(&beside).await["chunk"], 1, "{kind}");
    }
}

fn below(random: &mut Random, bound: i64) -> i64 {
    i64::try_from(random.below(u64::try_from(bound).unwrap())).unwrap()
}

/// What tools see: the views, in one form for both databases.
async fn seen_with_sql(kind: &str, beside: &AnyPool) -> (String, String) {
    let (intervals, timelines) = match kind {
        "sqlite" => (
            "SELECT subject.external, start_, end_, offered / 1000000, handle_time_ms FROM bi_interval
             JOIN subject ON subject.id = queue ORDER BY 1, 2",
            "SELECT agent.external, start_, coalesce(end_, -1), status.external FROM bi_timeline
             JOIN subject agent ON agent.id = agent JOIN subject status ON status.id = status ORDER BY 1, 2",
        ),
        _ => (
            "SELECT subject.external, (extract(epoch FROM start_) * 1000)::bigint, (extract(epoch FROM end_) * 1000)::bigint,
             offered::bigint, handle_time_ms FROM injixo.bi_interval JOIN injixo.subject ON subject.id = queue
             ORDER BY subject.external COLLATE \"C\", 2",
            "SELECT agent.external, (extract(epoch FROM start_) * 1000)::bigint,
             coalesce((extract(epoch FROM end_) * 1000)::bigint, -1), status.external FROM injixo.bi_timeline
             JOIN injixo.subject agent ON agent.id = agent JOIN injixo.subject status ON status.id = status
             ORDER BY agent.external COLLATE \"C\", 2",
        ),
    };
    let (mut seen_intervals, mut seen_timelines) = (String::new(), String::new());
    for row in sqlx::query(intervals).fetch_all(beside).await.unwrap() {
        let (queue, start, end): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        let (offered, time): (i64, i64) = (row.get(3), row.get(4));
        let _ = writeln!(seen_intervals, "{queue} {start} {end} {offered} {time}");
    }
    for row in sqlx::query(timelines).fetch_all(beside).await.unwrap() {
        let (agent, start, end, status): (String, i64, i64, String) = (row.get(0), row.get(1), row.get(2), row.get(3));
        let _ = writeln!(seen_timelines, "{agent} {start} {end} {status}");
    }
    (seen_intervals, seen_timelines)
}

/// The same from the API.
async fn derived(runtime: &Runtime) -> (String, String) {
    let (mut intervals, mut timelines) = (String::new(), String::new());
    for interval in runtime.intervals("listed").every(IntervalLength::MINUTES_15).await.unwrap() {
        let (start, end) = (interval.start.millis(), interval.end.millis());
        let (offered, time) = (interval.measures.offered, interval.measures.handle_time.total.get());
        let _ = writeln!(intervals, "{} {start} {end} {offered} {time}", interval.queue.id);
    }
    for timeline in runtime.timelines("listed").await.unwrap() {
        for stretch in timeline.stretches {
            let end = stretch.to.map_or(-1, Timestamp::millis);
            let _ = writeln!(timelines, "{} {} {end} {}", timeline.agent, stretch.from.millis(), stretch.status);
        }
    }
    (intervals, timelines)
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_for_readers_show_what_the_api_derives() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, runtime, beside) in databases(folder.path()).await {
        let listed = Listed::default();
        let integration = runtime.add("listed", listed.clone()).await.unwrap();
        let mut random = Random(3);
        for _ in 0..40 {
            {
                let mut holds = listed.holds.lock().unwrap();
                for _ in 0..30 {
                    let queue = ["Sales", "Service", "Support"][usize::try_from(below(&mut random, 3)).unwrap()];
                    holds.calls.push((queue, BEGIN + below(&mut random, 3 * DAY), below(&mut random, 900)));
                    let start = BEGIN + below(&mut random, 3 * DAY);
                    let end = (below(&mut random, 10) > 1).then(|| start + below(&mut random, 8_000));
                    let status = ["Ready", "On Call", "Break"][usize::try_from(below(&mut random, 3)).unwrap()];
                    holds.spans.push((format!("agent {}", below(&mut random, 3)), status, start, end));
                }
                for _ in 0..10 {
                    let gone = usize::try_from(below(&mut random, i64::try_from(holds.calls.len()).unwrap())).unwrap();
                    holds.calls.swap_remove(gone);
                    let gone = usize::try_from(below(&mut random, i64::try_from(holds.spans.len()).unwrap())).unwrap();
                    holds.spans.swap_remove(gone);
                }
            }
            let from = below(&mut random, 3 * DAY) / 900 * 900;
            let to = from + 900 * (1 + below(&mut random, 150));
            integration.import_contacts(window(from, to)).await.unwrap();
            integration.import_statuses(window(from, to)).await.unwrap();
            let (seen, derived) = (seen_with_sql(kind, &beside).await, derived(&runtime).await);
            assert_eq!(seen.0, derived.0, "{kind}");
            assert_eq!(seen.1, derived.1, "{kind}");
        }
        assert!(derived(&runtime).await.1.lines().count() > 100);
        let view = sqlx::query(if kind == "sqlite" {
            "SELECT count(*) FROM timelines"
        } else {
            "SELECT count(*) FROM injixo.timelines"
        });
        let rows: i64 = view.fetch_one(&beside).await.unwrap().get(0);
        assert_eq!(usize::try_from(rows).unwrap(), derived(&runtime).await.1.lines().count(), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_changes_are_seen_within_a_second_while_a_back_fill_runs() {
    let is_long = injixo_tests::is_long();
    let folder = tempfile::tempdir().unwrap();
    for (kind, runtime, _) in databases(folder.path()).await {
        let live = Arc::new(Live {
            agents: 2_000,
            per_second: 100,
            changes: if is_long { 12_000 } else { 800 },
            sent: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        runtime.add("listed", Listed { live: Some(Arc::clone(&live)), ..Listed::default() }).await.unwrap();
        let mut subscriber = runtime.live("listed").await.unwrap();
        let service = runtime.start();
        let (mut delays, mut is_connected) = (Vec::new(), false);
        while delays.len() < live.changes {
            match subscriber.next().await {
                LiveUpdate::Change(now) => {
                    let sent = live.sent.lock().unwrap()[&now.since];
                    delays.push(sent.elapsed());
                }
                LiveUpdate::Snapshot(agents) => is_connected |= agents.len() == live.agents,
                LiveUpdate::Lagged(missed) => panic!("{kind}: lagged by {missed}"),
            }
        }
        assert!(is_connected && live.ended.load(Ordering::SeqCst));
        delays.sort_unstable();
        let (p50, p99) = (delays[delays.len() / 2], delays[delays.len() * 99 / 100]);
        let status = runtime.status_of("listed").await.unwrap();
        let back_fill = status.lanes.iter().find_map(|lane| lane.back_fill).unwrap();
        println!("{kind}: {} changes, p50 {p50:?}, p99 {p99:?}, back-fill at {} %", delays.len(), back_fill.percent);
        assert!(p99 < Duration::from_secs(1), "{kind}: {p99:?}");
        // What was seen is kept as well, soon after.
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let kept: usize =
                runtime.timelines("listed").await.unwrap().iter().map(|agent| agent.stretches.len()).sum();
            if kept >= live.changes + live.agents {
                break;
            }
            assert!(Instant::now() < deadline, "{kind}: only {kept} kept");
            tokio::task::yield_now().await;
        }
        service.shutdown().await;
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_written_says_so_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let listed = Listed::default();
    listed.holds.lock().unwrap().calls = vec![("Sales", BEGIN + 100, 60)];
    let store = SqliteStore::open(&file).await.unwrap();
    let runtime = Runtime::new(store.clone());
    let integration = runtime.add("listed", listed.clone()).await.unwrap();
    integration.import_contacts(window(0, 900)).await.unwrap();
    // The database grows no further: as on a full disk.
    let many = (0..60_000_i64).map(|number| ("Sales", BEGIN + number * 7_919 % (300 * DAY), number % 977));
    listed.holds.lock().unwrap().calls.extend(many);
    let pages: i64 = {
        sqlx::any::install_default_drivers();
        let beside = AnyPool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        sqlx::query("PRAGMA page_count").fetch_one(&beside).await.unwrap().get(0)
    };
    assert!(pages < 200);
    store.close().await;

    let child = |limit: &str| {
        // A file-size limit of the process stands in for a disk without room.
        let mut command = std::process::Command::new("sh");
        command.arg("-c").arg(format!("ulimit -f {limit}; trap '' XFSZ; exec \"$0\" \"$@\""));
        command.arg(env!("CARGO_BIN_EXE_import_child"));
        command
    };
    let schema = injixo_tests::file(folder.path(), "schema.toml", injixo_tests::CONTACTS);
    let mut csv = String::from("Queue;When;Handled;Duration\n");
    for number in 0..60_000_i64 {
        let _ = writeln!(csv, "Sales;{};1;{}", injixo_tests::utc(BEGIN + number * 431), number % 977);
    }
    let csv = injixo_tests::file(folder.path(), "many.csv", &csv);
    let other = folder.path().join("other.db");
    let run = |limit: &str| child(limit).arg(&other).arg(&schema).arg(&csv).output().unwrap();
    assert!(!run("300").status.success());
    let text = String::from_utf8(run("300").stderr).unwrap();
    assert!(text.contains("disk"), "{text}");
    let full = run("unlimited");
    assert!(full.status.success(), "{}", String::from_utf8_lossy(&full.stderr));
    assert!(
        String::from_utf8_lossy(&full.stdout).contains("60,000 added"),
        "all of it once, and nothing was lost before"
    );

    // A file of a later version.
    let store = SqliteStore::open(&file).await.unwrap();
    store.close().await;
    let beside = AnyPool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    sqlx::query("PRAGMA user_version = 99").execute(&beside).await.unwrap();
    beside.close().await;
    let newer = SqliteStore::open(&file).await.unwrap_err();
    assert!(newer.kind() == ErrorKind::Unsupported && newer.message().contains("newer version"), "{newer}");
    let url = injixo_test_servers::postgres();
    PostgresStore::connect(&url).await.unwrap().close().await;
    let beside = AnyPool::connect(&url).await.unwrap();
    sqlx::query("UPDATE injixo.schema_version SET version = 99").execute(&beside).await.unwrap();
    let newer: Error = PostgresStore::connect(&url).await.unwrap_err();
    assert!(newer.kind() == ErrorKind::Unsupported && newer.message().contains("newer version"), "{newer}");
    // Nobody listens there.
    let nobody = PostgresStore::connect("postgres://amy:hunter2@127.0.0.1:1/none").await.unwrap_err();
    assert!(nobody.is_retryable() && !format!("{nobody:?}").contains("hunter2"), "{nobody:?}");
}

#[tokio::test]
async fn a_file_that_may_not_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let allow = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    let store = folder.path().join("store.db");
    SqliteStore::open(&store).await.unwrap().close().await;
    let schema = injixo_tests::file(folder.path(), "schema.toml", injixo_tests::CONTACTS);
    let csv =
        injixo_tests::file(folder.path(), "one.csv", "Queue;When;Handled;Duration\nSales;2024-05-27T08:00:00Z;1;60\n");
    let program = folder.path().join("import_child");
    std::fs::copy(env!("CARGO_BIN_EXE_import_child"), &program).unwrap();
    allow(&program, 0o755);
    allow(&store, 0o444);
    allow(folder.path(), 0o555);
    // Root may write everything.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "if [ \"$(id -u)\" -eq 0 ]; then exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" \"$@\"; fi; exec \"$0\" \"$@\""]);
    let output = command.arg(&program).arg(&store).arg(&schema).arg(&csv).output().unwrap();
    allow(folder.path(), 0o755);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("allow writing to the file and its folder"), "{text}");
    assert!(text.contains("store.db"), "{text}");
}
