//! Connectors that know the tables of a vendor, on stand-ins for these in real PostgreSQL, MariaDB and SQLite, judged by the ledger of
//! the stand-ins.

use std::collections::BTreeMap;
use std::path::Path;

use injixo_connectors::core::connector::{Connector, ConnectorFactory, Stream};
use injixo_connectors::core::model::{Channel, Contact, IntervalLength, Millis, Quantity, Timestamp, Window};
use injixo_connectors::core::zone::Zone;
use injixo_connectors::core::{LookBack, MemoryStore, Policy, Runtime};
use injixo_connectors::genesys::engage::Engage;
use injixo_connectors::sikom::Sikom;
use injixo_core::testkit::{Fact, Fault, Suite, TestClock};
use injixo_test_databases::ledger::{self, Ledger, Quarters, Rules, Sums};
use injixo_test_databases::{Case, Dialect, Names, Size, Step, engage, sikom};
use injixo_test_servers::Parts;
use sqlx::AnyPool;

/// A database of its own in one of the servers, and a connection to write to it.
struct Db {
    dialect: Dialect,
    /// The `[connection]` of a configuration.
    connection: String,
    pool: AnyPool,
}

const DIALECTS: [Dialect; 3] = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite];

impl Db {
    async fn new(dialect: Dialect, folder: &Path) -> Self {
        sqlx::any::install_default_drivers();
        let (connection, url) = if dialect == Dialect::Sqlite {
            let file = folder.join(format!("{}.db", std::fs::read_dir(folder).unwrap().count()));
            let connection = format!("adapter = 'sqlite'\nfile = '{}'\n", file.display());
            (connection, format!("sqlite:{}?mode=rwc", file.display()))
        } else {
            let (adapter, url) = match dialect {
                Dialect::MySql => ("mysql", injixo_test_servers::mariadb()),
                _ => ("postgres", injixo_test_servers::postgres()),
            };
            let Parts { user, password, host, port, database } = Parts::of(&url);
            let connection = format!(
                "adapter = '{adapter}'\nhost = '{host}'\nport = {port}\nuser = '{user}'\npassword = '{password}'\n\
                 database = '{database}'\n"
            );
            (connection, url)
        };
        Self { dialect, connection, pool: AnyPool::connect(&url).await.unwrap() }
    }

    async fn run(&self, statements: impl IntoIterator<Item = String>) {
        let mut connection = self.pool.acquire().await.unwrap();
        let all = ["BEGIN".to_owned()].into_iter().chain(statements).chain(["COMMIT".to_owned()]);
        for statement in all {
            let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(&mut *connection).await;
            done.unwrap_or_else(|error| panic!("{:?}: {error}: {statement}", self.dialect));
        }
    }
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

fn ms(at: i64) -> Timestamp {
    Timestamp::from_millis(at)
}

/// The quarters that a connector gives, summed by the engine.
async fn quarters(connector: impl Connector, window: Window) -> Quarters {
    let runtime = Runtime::new(MemoryStore::new());
    let integration = runtime.add("it", connector).await.unwrap();
    let report = integration.import_contacts(window).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(report.rejected, 0, "{:?}", report.first_rejected);
    sums(&runtime).await
}

async fn sums(runtime: &Runtime) -> Quarters {
    let whole = |count: Quantity| {
        assert_eq!(count.micros() % 1_000_000, 0);
        count.micros() / 1_000_000
    };
    let mut quarters = BTreeMap::new();
    for interval in runtime.intervals("it").every(IntervalLength::MINUTES_15).await.unwrap() {
        let m = interval.measures;
        let sums = Sums {
            offered: whole(m.offered),
            handled: whole(m.handled),
            abandoned: m.abandoned.map_or(0, whole),
            handle_seconds: m.handle_time.total.get() / 1_000,
            timed: whole(m.handle_time.number),
            wait_seconds: m.wait_time.total.get() / 1_000,
        };
        quarters.insert((interval.queue.id.clone(), interval.start.millis()), sums);
    }
    quarters
}

fn channel(channel: ledger::Channel) -> Channel {
    match channel {
        ledger::Channel::Voice => Channel::Calls,
        ledger::Channel::Email => Channel::Emails,
        ledger::Channel::Chat => Channel::Chats,
    }
}

fn true_contacts(ledger: &Ledger) -> Vec<Fact> {
    let contact = |contact: &ledger::Contact| {
        let queue = &ledger.queues[contact.queue];
        let one = |holds: bool| if holds { Quantity::ONE } else { Quantity::ZERO };
        let fact = Contact {
            handled: one(contact.handled()),
            abandoned: Some(one(contact.abandoned)),
            duration: contact.handle_seconds().map(Millis::from_secs),
            wait: contact.wait_seconds().filter(|_| contact.handled()).map(Millis::from_secs),
            ..Contact::offered(ms(contact.start))
        };
        Fact::contact(&queue.id, channel(queue.channel), fact)
    };
    ledger.contacts.values().map(contact).collect()
}

fn true_spans(ledger: &Ledger) -> Vec<Fact> {
    ledger
        .spans()
        .into_iter()
        .map(|span| Fact::span(&span.user, &span.status, ms(span.start), span.end.map(ms)))
        .collect()
}

fn world_size() -> Size {
    Size { days: 3, queues: 6, agents: 12, contacts_per_day: 300, ..Size::default() }
}

fn of_world(size: Size) -> Window {
    let first = size.first_day * 1_000;
    Window::new(ms(first), ms(first + i64::from(size.days) * 86_400_000)).unwrap()
}

/// How the tables are called, which must not matter.
fn namings(dialect: Dialect) -> Vec<(Names, &'static str)> {
    let usual = (Names::default(), "");
    match dialect {
        Dialect::Postgres => vec![usual, (Names::default().in_schema("gim").later_columns(false), "schema = 'gim'\n")],
        Dialect::MySql => vec![usual, (Names::default().case(Case::Upper), "")],
        Dialect::Sqlite => {
            vec![(Names::default().case(Case::Upper).prefix("X_").later_columns(false), "prefix = 'X_'\n")]
        }
    }
}

fn engage_with(connection: &str, rest: &str) -> Engage {
    let text = format!("{rest}\n[connection]\n{connection}");
    Engage::build(toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))).unwrap()
}

#[test]
fn engage_gives_the_sums_of_the_reference() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        for dialect in DIALECTS {
            let db = Db::new(dialect, folder.path()).await;
            let sample = engage::sample();
            db.run(engage::schema(dialect, &Names::default())).await;
            db.run(sample.load(dialect, &Names::default())).await;
            let eight = 1_709_280_000_000;
            let window = Window::new(ms(eight), ms(eight + 1_800_000)).unwrap();
            let runtime = Runtime::new(MemoryStore::new());
            let integration = runtime.add("it", engage_with(&db.connection, "")).await.unwrap();
            integration.import_contacts(window).await.unwrap();
            let first = Sums { offered: 2, handled: 1, abandoned: 1, handle_seconds: 245, timed: 1, wait_seconds: 31 };
            assert_eq!(sums(&runtime).await, BTreeMap::from([(("5001".to_owned(), eight), first)]), "{dialect:?}");
            let names: Vec<_> = runtime.queues("it").await.unwrap().into_iter().map(|queue| queue.name).collect();
            assert_eq!(names, [Some("VQ_Billing".to_owned())], "{dialect:?}");
            // Ready 85 s, busy 206 s, after-call work 45 s, then lunch, which goes on.
            integration.import_statuses(window).await.unwrap();
            let mut found = Vec::new();
            for timeline in runtime.timelines("it").await.unwrap() {
                for stretch in timeline.stretches {
                    let at = |at: Timestamp| (at.millis() - eight) / 1_000;
                    let to = stretch.to.map(at);
                    found.push(format!("{} {} {} {to:?}", timeline.agent, stretch.status, at(stretch.from)));
                }
            }
            let expected = [
                "asmith READY 0 Some(85)",
                "asmith BUSY 85 Some(291)",
                "asmith AFTERCALLWORK 291 Some(336)",
                "asmith NOTREADY:Lunch 336 None",
            ];
            assert_eq!(found, expected, "{dialect:?}");
        }
    });
}

#[test]
fn engage_conforms_and_agrees_with_its_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for dialect in DIALECTS {
        for (names, rest) in namings(dialect) {
            let size = world_size();
            let world = engage::World::new(7, size);
            let ledger = world.ledger();
            let db = runtime.block_on(async {
                let db = Db::new(dialect, folder.path()).await;
                db.run(engage::schema(dialect, &names)).await;
                db.run(world.load(dialect, &names)).await;
                db
            });
            let connector = || engage_with(&db.connection, rest);
            let refused = || {
                let connection = db.connection.replace("user = '", "user = 'nobody");
                engage_with(&connection.replace(".db'", ".missing'"), rest)
            };
            let data = of_world(size);
            for suite in [
                Suite::contacts(connector).truth(true_contacts(&ledger)),
                Suite::statuses(connector).truth(true_spans(&ledger)),
            ] {
                let suite = suite.between(data);
                let suite =
                    if dialect == Dialect::Sqlite { suite } else { suite.with(Fault::WrongCredentials, refused) };
                let report = runtime.block_on(suite.report());
                println!("{dialect:?}: {report}");
                assert!(report.is_passed(), "{dialect:?}: {report}");
            }
            runtime.block_on(async {
                assert_eq!(quarters(connector(), data).await, ledger.quarters(Rules::default()), "{dialect:?}");
                let rest = format!("contacts.short_abandons = false\n{rest}");
                let found = quarters(engage_with(&db.connection, &rest), data).await;
                assert_eq!(found, ledger.quarters(Rules { short_abandons: false }), "{dialect:?}");
            });
        }
    }
}

/// The template, with another connection.
fn sikom_on(connection: &str) -> Sikom {
    sikom_of(&sikom_text(connection))
}

/// The same with statuses by their numbers.
fn sikom_with_numbers(connection: &str) -> Sikom {
    sikom_of(&sikom_text(connection).replace("identity = \"name\"", "identity = \"number\""))
}

fn sikom_of(text: &str) -> Sikom {
    Sikom::build(toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))).unwrap()
}

fn sikom_text(connection: &str) -> String {
    let template =
        include_str!("../../injixo-connectors/sikom/sample.toml").replacen("\nconnector = \"sikom\"\n", "\n", 1);
    let (before, rest) = template.split_once("[connection]").unwrap();
    let after = rest.split_once("\n# Contacts:").unwrap().1;
    format!("{before}[connection]\n{connection}\n# {after}")
}

#[test]
fn sikom_gives_the_sums_of_the_reference() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        for dialect in DIALECTS {
            let db = Db::new(dialect, folder.path()).await;
            db.run(sikom::schema(dialect, &Names::default())).await;
            db.run(sikom::sample().load(dialect, &Names::default())).await;
            let runtime = Runtime::new(MemoryStore::new());
            let integration = runtime.add("it", sikom_on(&db.connection)).await.unwrap();
            // 09:00 to 09:15 in Berlin.
            let nine = 1_709_280_000_000;
            let window = Window::new(ms(nine), ms(nine + 900_000)).unwrap();
            integration.import_contacts(window).await.unwrap();
            let hotline =
                Sums { offered: 2, handled: 1, abandoned: 1, handle_seconds: 280, timed: 1, wait_seconds: 20 };
            assert_eq!(sums(&runtime).await, BTreeMap::from([(("10".to_owned(), nine), hotline)]), "{dialect:?}");
            let names: Vec<_> = runtime.queues("it").await.unwrap().into_iter().map(|queue| queue.name).collect();
            assert_eq!(names, [Some("Hotline".to_owned())], "{dialect:?}");
            integration.import_statuses(window).await.unwrap();
            let mut found = Vec::new();
            for timeline in runtime.timelines("it").await.unwrap() {
                for stretch in timeline.stretches {
                    let at = |at: Timestamp| (at.millis() - nine) / 1_000;
                    let to = stretch.to.map(at);
                    found.push(format!("{} {} {} {to:?}", timeline.agent, stretch.status, at(stretch.from)));
                }
            }
            let expected = [
                "mmueller Bereit -120 Some(80)",
                "mmueller Gespraech 80 Some(320)",
                "mmueller Nachbearbeitung 320 Some(360)",
                "mmueller Bereit 360 None",
            ];
            assert_eq!(found, expected, "{dialect:?}");
        }
    });
}

#[test]
fn sikom_conforms_and_agrees_with_its_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // Both nights in which the clocks change.
    for (dialect, first_day) in
        DIALECTS.into_iter().flat_map(|dialect| [(dialect, 1_711_756_800), (dialect, 1_729_900_800)])
    {
        let size = Size { first_day, ..world_size() };
        let world = sikom::World::new(11, size);
        let ledger = sikom::by_wall_clock(&world.ledger());
        let db = runtime.block_on(async {
            let db = Db::new(dialect, folder.path()).await;
            db.run(sikom::schema(dialect, &Names::default())).await;
            db.run(world.load(dialect, &Names::default())).await;
            db
        });
        let connector = || sikom_on(&db.connection);
        let nowhere = || {
            let connection: Vec<&str> = db.connection.lines().filter(|line| !line.starts_with("port")).collect();
            sikom_on(&format!("{}\nport = 1\n", connection.join("\n")).replace(".db'", ".missing'"))
        };
        let mut spans = ledger.spans();
        for span in &mut spans {
            span.status = ledger.statuses.get(&span.status).unwrap_or(&span.status).clone();
        }
        let spans =
            spans.into_iter().map(|span| Fact::span(&span.user, &span.status, ms(span.start), span.end.map(ms)));
        let data = of_world(size);
        for suite in [Suite::contacts(connector).truth(true_contacts(&ledger)), Suite::statuses(connector).truth(spans)]
        {
            let suite = suite.between(data).zone(Zone::new("Europe/Berlin").unwrap());
            let suite = if dialect == Dialect::Sqlite { suite } else { suite.with(Fault::Unreachable, nowhere) };
            let report = runtime.block_on(suite.report());
            println!("{dialect:?}: {report}");
            assert!(report.is_passed(), "{dialect:?}: {report}");
        }
        runtime.block_on(async {
            assert_eq!(quarters(connector(), data).await, ledger.quarters(Rules::default()), "{dialect:?}");
        });
    }
}

/// The spans of a store by user, start and end.
async fn spans(runtime: &Runtime) -> Vec<ledger::Span> {
    let (agents, names) = runtime.statuses("it").await.unwrap();
    let mut spans = Vec::new();
    for agent in agents {
        for span in agent.spans {
            let (start, end) = (span.start.millis(), span.end.map(Timestamp::millis));
            let status = names[&span.status].clone();
            spans.push(ledger::Span { user: agent.agent.clone(), start, end, status });
        }
    }
    spans.sort();
    spans
}

/// Follows a database that changes while years of it are read, and ends with what the ledger says.
async fn follow(
    dialect: Dialect,
    connector: impl Connector,
    db: &Db,
    steps: Vec<Step>,
    names: &Names,
    (mut ledger, read): (Ledger, fn(&Ledger) -> Ledger),
) {
    let end = steps[0].at() - 900_000;
    let clock = TestClock::at(ms(end));
    let runtime = Runtime::new(MemoryStore::new()).clock(clock.clone());
    let day = Millis::from_mins(1_440);
    let often = [LookBack::new(Millis::from_mins(2 * 1_440), Millis::from_mins(60))];
    let policy = Policy::new().back_fill(Millis::from_mins(5 * 1_440)).reconcile(often);
    // What changes late is named by the audit keys of one vendor; of the other it is looked for.
    let policy = if connector.changes(Stream::Contacts).is_some() { policy } else { policy.look_back(often) };
    let mut policy = policy;
    policy.longest_window = Millis::new(day.get() / 4);
    // The clock is put forward while databases work.
    policy.patience = day;
    runtime.add_with("it", connector, policy).await.unwrap();
    let service = runtime.start();
    for step in &steps {
        // The first changes come while the past is still being read.
        db.run(step.sql(dialect, names)).await;
        step.apply(&mut ledger);
        clock.set(ms(step.at() + 120_000));
        tokio::task::yield_now().await;
    }
    let last = steps.last().unwrap().at();
    clock.set(ms(last + 3_600_000 + 120_000));
    let ledger = read(&ledger);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    loop {
        let is_equal =
            sums(&runtime).await == ledger.quarters(Rules::default()) && spans(&runtime).await == ledger.spans();
        if is_equal {
            break;
        }
        if std::time::Instant::now() > deadline {
            println!("{:#?}", runtime.status_of("it").await.unwrap());
            for row in runtime.quarantine("it").await.unwrap().into_iter().take(5) {
                println!("{row:?}");
            }
            let (found, expected) = (sums(&runtime).await, ledger.quarters(Rules::default()));
            let differ = |key: &&(String, i64)| found.get(*key) != expected.get(*key);
            for key in found.keys().chain(expected.keys()).filter(differ) {
                println!("{key:?}: found {:?}, expected {:?}", found.get(key), expected.get(key));
            }
            let (found, expected) = (spans(&runtime).await, ledger.spans());
            for span in found.iter().filter(|span| !expected.contains(span)) {
                println!("found {span:?}");
            }
            for span in expected.iter().filter(|span| !found.contains(span)) {
                println!("expected {span:?}");
            }
            panic!("{dialect:?}: the store differs from the ledger");
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    service.shutdown().await;
}

#[test]
fn what_changes_while_it_is_read_is_read_again() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        let (size, names) = (world_size(), Names::default());
        for dialect in DIALECTS {
            let world = engage::World::new(3, size);
            let db = Db::new(dialect, folder.path()).await;
            db.run(engage::schema(dialect, &names)).await;
            db.run(world.load(dialect, &names)).await;
            // Nothing but the audit keys tells of what changes later than a quarter of an hour.
            let connector = engage_with(&db.connection, "contacts.late_secs = 900");
            follow(dialect, connector, &db, world.steps(24), &names, (world.ledger(), Ledger::clone)).await;

            let world = sikom::World::new(3, size);
            let db = Db::new(dialect, folder.path()).await;
            db.run(sikom::schema(dialect, &names)).await;
            db.run(world.load(dialect, &names)).await;
            let connector = sikom_with_numbers(&db.connection);
            follow(dialect, connector, &db, world.steps(24), &names, (world.ledger(), sikom::by_wall_clock)).await;
        }
    });
}
