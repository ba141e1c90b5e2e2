//! What goes wrong with databases: servers that stop, encryption, rights, tables that change, huge values.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use injixo_connectors::core::connector::ConnectorFactory;
use injixo_connectors::core::model::{IntervalLength, Timestamp, Window};
use injixo_connectors::core::{Error, ErrorKind, Fill, MemoryStore, Result, Runtime};
use injixo_connectors::sql::Sql;
use injixo_test_servers::{MariaDbServer, Parts, PostgresServer};
use sqlx::AnyPool;

const PASSWORD: &str = "hunter2";

/// A database, as an administrator sees it.
struct Db {
    kind: &'static str,
    parts: Parts,
    pool: AnyPool,
}

/// A server of one's own.
enum Server {
    Postgres(PostgresServer),
    MariaDb(MariaDbServer),
}

impl Server {
    fn new(kind: &str) -> Self {
        if kind == "mysql" { Self::MariaDb(MariaDbServer::new()) } else { Self::Postgres(PostgresServer::new()) }
    }

    fn encrypted_only(kind: &str, certificate: &str, key: &str) -> Self {
        match kind {
            "mysql" => Self::MariaDb(MariaDbServer::encrypted_only(certificate, key)),
            _ => Self::Postgres(PostgresServer::encrypted_only(certificate, key)),
        }
    }

    fn database(&self) -> String {
        match self {
            Self::Postgres(server) => server.database(),
            Self::MariaDb(server) => server.database(),
        }
    }

    fn stop(&self) {
        match self {
            Self::Postgres(server) => server.stop(),
            Self::MariaDb(server) => server.stop(),
        }
    }

    fn start(&self) {
        match self {
            Self::Postgres(server) => server.start(),
            Self::MariaDb(server) => server.start(),
        }
    }
}

const KINDS: [&str; 2] = ["postgres", "mysql"];

impl Db {
    async fn at(kind: &'static str, url: &str) -> Self {
        sqlx::any::install_default_drivers();
        Self { kind, parts: Parts::of(url), pool: AnyPool::connect(url).await.unwrap() }
    }

    /// In a server that tests share.
    async fn new(kind: &'static str) -> Self {
        let url = if kind == "mysql" { injixo_test_servers::mariadb() } else { injixo_test_servers::postgres() };
        Self::at(kind, &url).await
    }

    async fn run(&self, statement: &str) {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&self.pool).await;
        done.unwrap_or_else(|error| panic!("{}: {error}: {statement}", self.kind));
    }

    /// The configuration of a reader with a password, which is `wfm` or who made the database.
    fn config(&self, user: &str, tls: &str, query: &str) -> String {
        let Parts { host, port, database, .. } = &self.parts;
        let query = if self.kind == "mysql" { query.replace('"', "`") } else { query.to_owned() };
        // MariaDB asks for the password of whoever has one.
        let password = if user == "wfm" || self.kind == "postgres" { PASSWORD } else { &self.parts.password };
        format!(
            "time_zone = 'Europe/Berlin'\ncontacts.query = '''{query}'''\n[connection]\nadapter = '{}'\nhost = '{host}'\n\
             port = {port}\nuser = '{user}'\npassword = '{password}'\ndatabase = '{database}'\n{tls}\n",
            self.kind
        )
    }

    fn connector(&self, query: &str) -> Sql {
        build(&self.config(&self.parts.user, "tls = 'prefer'", query))
    }

    /// Makes the user `wfm`, who may log in and nothing else.
    async fn reader(&self) {
        let make = match self.kind {
            "mysql" => format!("CREATE OR REPLACE USER wfm IDENTIFIED BY '{PASSWORD}'"),
            _ => format!("CREATE USER wfm PASSWORD '{PASSWORD}'"),
        };
        self.run(&make).await;
        if self.kind == "mysql" {
            // Without any right in it, MariaDB says that there is no such database.
            self.run("CREATE TABLE other (a INTEGER)").await;
            self.run("GRANT SELECT ON other TO wfm").await;
        }
    }
}

fn build(text: &str) -> Sql {
    Sql::build(toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))).unwrap()
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn window(from: &str, to: &str) -> Window {
    Window::new(from.parse::<Timestamp>().unwrap(), to.parse::<Timestamp>().unwrap()).unwrap()
}

/// 12:00 to 14:00 in Berlin.
fn noon() -> Window {
    window("2024-06-03T10:00:00Z", "2024-06-03T12:00:00Z")
}

async fn import(connector: Sql) -> Result<Vec<String>> {
    let runtime = Runtime::new(MemoryStore::new());
    runtime.add("db", connector).await?.import_contacts(noon()).await?;
    Ok(quarters(&runtime).await)
}

async fn quarters(runtime: &Runtime) -> Vec<String> {
    injixo_tests::quarters(runtime, "db").await.lines().map(str::to_owned).collect()
}

/// The kind of an error whose message holds these parts, and no password.
fn assert_refused(what: &str, error: &Error, kind: ErrorKind, parts: &[&str]) {
    let text = format!("{error} {error:?}");
    assert_eq!(error.kind(), kind, "{what}: {text}");
    for part in parts {
        assert!(text.contains(part), "{what}: no {part:?} in {text}");
    }
    assert!(!text.contains(PASSWORD), "{what}: {text}");
}

const CALLS: &str =
    "SELECT q AS queueidentifier, q AS queuename, t AS \"timestamp\", a AS answered, d AS duration FROM calls";

/// What the small table gives: two calls in the first quarter of an hour, one in the second.
const SMALL: [&str; 2] = ["7 2024-06-03T10:00:00Z 2 1 100", "7 2024-06-03T10:15:00Z 1 1 60"];

/// A table of three calls, whose columns have these types and whose times are written so.
async fn small(db: &Db, (time, times): (&str, [&str; 3]), (duration, seconds): (&str, [&str; 3])) {
    db.run("DROP TABLE IF EXISTS calls").await;
    db.run(&format!("CREATE TABLE calls (q VARCHAR(9), t {time}, a INTEGER, d {duration})")).await;
    for (at, answered) in [1, 0, 1].into_iter().enumerate() {
        db.run(&format!("INSERT INTO calls VALUES ('7', {}, {answered}, {})", times[at], seconds[at])).await;
    }
}

const LOCALS: [&str; 3] = ["'2024-06-03 12:00:00'", "'2024-06-03 12:14:59'", "'2024-06-03 12:15:00'"];
/// The same in seconds since 1970.
const SECONDS: [&str; 3] = ["1717408800", "1717409699", "1717409700"];
const LENGTHS: [&str; 3] = ["100", "NULL", "60"];

fn local(kind: &str) -> &'static str {
    if kind == "mysql" { "DATETIME" } else { "TIMESTAMP" }
}

#[test]
fn a_server_that_stops_in_the_middle_of_a_window() {
    blocking(async {
        for kind in KINDS {
            let server = Server::new(kind);
            let url = server.database();
            let db = Db::at(kind, &url).await;
            // A call each second from noon on.
            let (numbers, time, nap, naps) = match kind {
                "mysql" => (
                    "SELECT seq AS n FROM seq_0_to_7199",
                    "TIMESTAMPADD(SECOND, n, '2024-06-03 12:00:00')",
                    "SLEEP(250) = 0",
                    "SELECT count(*) FROM information_schema.processlist WHERE state = 'User sleep'",
                ),
                _ => (
                    "SELECT n FROM generate_series(0, 7199) AS n",
                    "TIMESTAMP '2024-06-03 12:00:00' + n * INTERVAL '1 second'",
                    "CAST(pg_sleep(250) AS text) = 'x'",
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
                ),
            };
            db.run(&format!("CREATE TABLE calls (n INTEGER PRIMARY KEY, t {}, q VARCHAR(90))", local(kind))).await;
            db.run(&format!("INSERT INTO calls SELECT n, {time}, CONCAT('queue ', n % 2) FROM ({numbers}) s")).await;
            db.run("CREATE TABLE stalls (a INTEGER)").await;
            let query = format!(
                "SELECT q AS queueidentifier, q AS queuename, t AS \"timestamp\", 1 AS answered, n % 10 AS duration FROM \
                 calls WHERE n < 5000 OR NOT EXISTS (SELECT a FROM stalls) OR {nap}"
            );
            let runtime = Runtime::new(MemoryStore::new());
            let integration = runtime.add("db", db.connector(&query)).await.unwrap();
            // The first hour is there; of the second nothing may come.
            let first = window("2024-06-03T10:00:00Z", "2024-06-03T11:00:00Z");
            integration.import_contacts(first).await.unwrap();
            let filled = async || {
                let every = runtime.intervals("db").every(IntervalLength::MINUTES_15).window(noon()).fill(Fill::Zero);
                let count = |rows: Vec<_>| rows.len();
                every.await.map(count).unwrap()
            };
            let before = quarters(&runtime).await;
            assert_eq!((before.len(), filled().await), (8, 8), "{kind}");
            db.run("INSERT INTO stalls VALUES (1)").await;

            let second = window("2024-06-03T11:00:00Z", "2024-06-03T12:00:00Z");
            let work = async { integration.import_contacts(second).await };
            let stop = async {
                let deadline = Instant::now() + Duration::from_secs(60);
                while sqlx::query_scalar::<_, i64>(naps).fetch_one(&db.pool).await.unwrap() == 0 {
                    assert!(Instant::now() < deadline, "{kind}: the query does not wait");
                }
                tokio::task::block_in_place(|| server.stop());
            };
            let (failed, ()) = tokio::join!(work, stop);
            assert_refused(kind, &failed.unwrap_err(), ErrorKind::Unavailable, &["database"]);
            assert_eq!((quarters(&runtime).await, filled().await), (before.clone(), 8), "{kind}");
            // While it is down, too.
            let down = integration.import_contacts(second).await.unwrap_err();
            assert_refused(kind, &down, ErrorKind::Unavailable, &["cannot be reached"]);
            assert_eq!((quarters(&runtime).await, filled().await), (before, 8), "{kind}");

            tokio::task::block_in_place(|| server.start());
            let db = Db::at(kind, &url).await;
            db.run("DELETE FROM stalls").await;
            integration.import_contacts(second).await.unwrap();
            // In each quarter of an hour 450 calls of each queue; even ones take 0, 2, 4, 6, 8 s, odd ones 1, 3, 5, 7, 9 s.
            let mut expected = Vec::new();
            for (queue, seconds) in [(0, 450 * 4), (1, 450 * 5)] {
                for quarter in 0..8 {
                    let (hour, minute) = (10 + quarter / 4, quarter % 4 * 15);
                    expected.push(format!("queue {queue} 2024-06-03T{hour}:{minute:02}:00Z 450 450 {seconds}"));
                }
            }
            let mut found = quarters(&runtime).await;
            found.sort();
            assert_eq!(found, expected, "{kind}");
        }
    });
}

/// An authority, and a certificate with its key for this machine, in PEM.
fn certificate() -> (String, String, String) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority, &authority_key).unwrap();
    let of = |kind: &str, bytes: &[u8]| {
        // Lines of a multiple of three bytes need no padding but the last.
        let lines = bytes.chunks(48).map(|line| base64::prelude::BASE64_STANDARD.encode(line));
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.collect::<Vec<_>>().join("\n"))
    };
    let certificates = [&authority, &certificate].map(|made| of("CERTIFICATE", made.der()));
    let [authority, certificate] = certificates;
    (authority, certificate, of("PRIVATE KEY", &key.serialize_der()))
}

#[test]
fn encryption_that_one_side_demands() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        let (authority, server_certificate, key) = certificate();
        let right = injixo_tests::file(folder.path(), "right.pem", &authority);
        let wrong = injixo_tests::file(folder.path(), "wrong.pem", &certificate().0);
        for kind in KINDS {
            let reads = async |db: &Db, tls: &str| import(build(&db.config("wfm", tls, CALLS))).await;
            let with = |file: &Path| format!("tls = 'require'\nca_file = '{}'", file.display());
            let ready = async |server: &Server| {
                let db = Db::at(kind, &server.database()).await;
                small(&db, (local(kind), LOCALS), ("INTEGER", LENGTHS)).await;
                db.reader().await;
                db.run("GRANT SELECT ON calls TO wfm").await;
                db
            };
            let plain = Server::new(kind);
            let db = ready(&plain).await;
            for tls in ["tls = 'require'".to_owned(), with(&right)] {
                let refused = reads(&db, &tls).await.unwrap_err();
                let parts = ["offers no encrypted connection", "connection.tls"];
                assert_refused(kind, &refused, ErrorKind::ConfigInvalid, &parts);
            }
            for tls in ["tls = 'prefer'", "tls = 'off'", ""] {
                assert_eq!(reads(&db, tls).await.unwrap(), SMALL, "{kind}: {tls}");
            }

            let encrypted = Server::encrypted_only(kind, &server_certificate, &key);
            let db = ready(&encrypted).await;
            let refused = reads(&db, "tls = 'off'").await.unwrap_err();
            // MariaDB does not say whether it is that or the password.
            let parts = ["demands an encrypted connection", "set connection.tls to require"];
            assert_refused(kind, &refused, ErrorKind::ConfigInvalid, &parts);
            for tls in [with(&wrong), "tls = 'require'".to_owned()] {
                let refused = reads(&db, &tls).await.unwrap_err();
                let parts = ["certificate", "connection.host and tls", "ca_file"];
                assert_refused(kind, &refused, ErrorKind::ConfigInvalid, &parts);
            }
            assert_eq!(reads(&db, &with(&right)).await.unwrap(), SMALL, "{kind}");
            assert_eq!(reads(&db, "tls = 'prefer'").await.unwrap(), SMALL, "{kind}");
        }
    });
}

#[test]
fn every_way_to_tell_a_password() {
    blocking(async {
        let server = PostgresServer::asking_for_passwords();
        let db = Db::at("postgres", &server.database()).await;
        small(&db, (local("postgres"), LOCALS), ("INTEGER", LENGTHS)).await;
        for (user, hash) in [("plain", "scram-sha-256"), ("md5", "md5"), ("scram", "scram-sha-256")] {
            // In one go: the setting is that of a connection.
            let make = format!("CREATE USER {user} PASSWORD '{PASSWORD}'; GRANT SELECT ON calls TO {user}");
            db.run(&format!("SET password_encryption = '{hash}'; {make}")).await;
            let right = db.config(user, "", CALLS);
            assert_eq!(import(build(&right)).await.unwrap(), SMALL, "{user}");
            for other in ["", "x"] {
                let refused = import(build(&right.replace(PASSWORD, other))).await.unwrap_err();
                // The check finds it before anything is read.
                assert_refused(user, &refused, ErrorKind::ConfigInvalid, &["the user or the password: correct them"]);
            }
        }
    });
}

#[test]
fn every_way_to_tell_a_password_to_mariadb() {
    blocking(async {
        let server = MariaDbServer::new();
        let db = Db::at("mysql", &server.database()).await;
        small(&db, (local("mysql"), LOCALS), ("INTEGER", LENGTHS)).await;
        db.run("INSTALL SONAME 'auth_ed25519'").await;
        let (native, other) = ("mysql_native_password", "ed25519");
        for (user, way) in [
            ("wfm", format!("{native} USING PASSWORD('{PASSWORD}')")),
            ("nobody", native.to_owned()),
            ("other", format!("{other} USING PASSWORD('{PASSWORD}')")),
            // The first way is not known here.
            ("twice", format!("{other} USING PASSWORD('{PASSWORD}') OR {native} USING PASSWORD('{PASSWORD}')")),
        ] {
            db.run(&format!("CREATE USER {user} IDENTIFIED VIA {way}")).await;
            db.run(&format!("GRANT SELECT ON calls TO {user}")).await;
        }
        let right = db.config("wfm", "", CALLS);
        let reads = async |user: &str, password: &str| {
            let of = right.replace("'wfm'", &format!("'{user}'")).replace(PASSWORD, password);
            import(build(&of)).await
        };
        assert_eq!(reads("wfm", PASSWORD).await.unwrap(), SMALL);
        assert_eq!(reads("nobody", "").await.unwrap(), SMALL);
        for (user, password) in [("wfm", ""), ("wfm", "x"), ("nobody", "x")] {
            let refused = reads(user, password).await.unwrap_err();
            assert_refused(user, &refused, ErrorKind::ConfigInvalid, &["the user or the password: correct them"]);
        }
        for user in ["other", "twice"] {
            let refused = reads(user, PASSWORD).await.unwrap_err();
            let parts = ["not known here", "client_ed25519", "mysql_native_password"];
            assert_refused(user, &refused, ErrorKind::ConfigInvalid, &parts);
        }
    });
}

#[test]
fn a_table_that_may_not_be_read() {
    blocking(async {
        for kind in KINDS {
            let server = Server::new(kind);
            let db = Db::at(kind, &server.database()).await;
            small(&db, (local(kind), LOCALS), ("INTEGER", LENGTHS)).await;
            db.reader().await;
            let connector = || build(&db.config("wfm", "", CALLS));
            let refused = import(connector()).await.unwrap_err();
            assert_refused(kind, &refused, ErrorKind::ConfigInvalid, &["grant SELECT", "calls"]);
            db.run("GRANT SELECT ON calls TO wfm").await;
            let runtime = Runtime::new(MemoryStore::new());
            let integration = runtime.add("db", connector()).await.unwrap();
            db.run("REVOKE SELECT ON calls FROM wfm").await;
            let refused = integration.import_contacts(noon()).await.unwrap_err();
            assert_refused(kind, &refused, ErrorKind::PermissionDenied, &["grant SELECT", "calls"]);
            db.run("GRANT SELECT ON calls TO wfm").await;
            integration.import_contacts(noon()).await.unwrap();
            assert_eq!(quarters(&runtime).await, SMALL, "{kind}");
        }
    });
}

#[test]
fn what_is_missing_is_named() {
    blocking(async {
        for kind in KINDS {
            let db = Db::new(kind).await;
            let missing = import(db.connector(CALLS)).await.unwrap_err();
            assert_refused(kind, &missing, ErrorKind::ConfigInvalid, &["not in the database", "calls"]);
            small(&db, (local(kind), LOCALS), ("INTEGER", LENGTHS)).await;
            let without = CALLS.replace(" AS \"timestamp\"", "");
            let missing = import(db.connector(&without)).await.unwrap_err();
            let parts = ["\"timestamp\" missing", "it has: queueidentifier, queuename, t, answered, duration"];
            assert_refused(kind, &missing, ErrorKind::ConfigInvalid, &parts);

            // Between two imports.
            let runtime = Runtime::new(MemoryStore::new());
            let integration = runtime.add("db", db.connector(CALLS)).await.unwrap();
            integration.import_contacts(noon()).await.unwrap();
            db.run("ALTER TABLE calls RENAME COLUMN t TO started").await;
            let renamed = integration.import_contacts(noon()).await.unwrap_err();
            let column = if kind == "mysql" { "'t'" } else { "\"t\"" };
            assert_refused(kind, &renamed, ErrorKind::ConfigInvalid, &["not in the database"]);
            assert!(renamed.to_string().contains(column), "{kind}: {renamed}");
            assert_eq!(quarters(&runtime).await, SMALL, "{kind}");
        }
    });
}

#[test]
fn types_that_change_between_imports() {
    blocking(async {
        for kind in KINDS {
            let db = Db::new(kind).await;
            small(&db, (local(kind), LOCALS), ("INTEGER", LENGTHS)).await;
            let runtime = Runtime::new(MemoryStore::new());
            let integration = runtime.add("db", db.connector(CALLS)).await.unwrap();
            let texts = ["'100'", "NULL", "'60'"];
            let (number, text) = (("INTEGER", LENGTHS), ("VARCHAR(9)", texts));
            for (time, duration) in [
                ((local(kind), LOCALS), number),
                (("TEXT", LOCALS), number),
                (("BIGINT", SECONDS), number),
                ((local(kind), LOCALS), text),
                (("VARCHAR(40)", LOCALS), ("DECIMAL(9,2)", LENGTHS)),
            ] {
                small(&db, time, duration).await;
                let report = integration.import_contacts(noon()).await.unwrap();
                assert_eq!(report.rejected, 0, "{kind}: {time:?}: {:?}", report.first_rejected);
                assert_eq!(quarters(&runtime).await, SMALL, "{kind}: {time:?} {duration:?}");
            }
            // What is no time at all: nothing changes.
            let (blob, bytes) = match kind {
                "mysql" => ("LONGBLOB", ["x'01FF'", "x'02'", "x'6666'"]),
                _ => ("JSONB", ["'{\"at\": 1}'", "'[]'", "'true'"]),
            };
            small(&db, (blob, bytes), number).await;
            let refused = integration.import_contacts(noon()).await.unwrap_err();
            assert_refused(kind, &refused, ErrorKind::ConfigInvalid, &["\"timestamp\" is no time", "its type is"]);
            assert_eq!(quarters(&runtime).await, SMALL, "{kind}");
            // What is no length of time: none counts without its time.
            small(&db, (local(kind), LOCALS), (blob, bytes)).await;
            let refused = integration.import_contacts(noon()).await.unwrap_err();
            assert_refused(
                kind,
                &refused,
                ErrorKind::DataInvalid,
                &["not one row", "column \"duration\": not a duration"],
            );
            assert_eq!(quarters(&runtime).await, SMALL, "{kind}");
        }
    });
}

/// How much of a value is too much, and how much memory one may take.
const HUGE: usize = 100 * 1024 * 1024;
const MOST_KIB: u64 = 64 * 1024;

#[test]
fn a_huge_value_is_rejected_without_being_held() {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        for kind in ["postgres", "mysql", "sqlite"] {
            let server = (kind != "sqlite").then(|| Server::new(kind));
            let file = folder.path().join("source.db");
            let (db, repeated) = match &server {
                Some(server) => {
                    let url = server.database();
                    if kind == "mysql" {
                        Db::at(kind, &url).await.run("SET GLOBAL max_allowed_packet = 1073741824").await;
                    }
                    (Db::at(kind, &url).await, format!("REPEAT('x', {HUGE})"))
                }
                None => {
                    sqlx::any::install_default_drivers();
                    let pool = AnyPool::connect(&format!("sqlite:{}?mode=rwc", file.display())).await.unwrap();
                    let parts = Parts::of("sqlite://nobody@nowhere:1/none");
                    (Db { kind, parts, pool }, format!("replace(hex(zeroblob({})), '0', 'x')", HUGE / 2))
                }
            };
            let text = if kind == "mysql" { "LONGTEXT" } else { "TEXT" };
            let time = if kind == "sqlite" { "TEXT" } else { local(kind) };
            db.run(&format!("CREATE TABLE calls (note {text}, q {text}, t {time}, a INTEGER, d INTEGER)")).await;
            for (note, queue, time) in [
                ("'n'", "'7'", LOCALS[0]),
                (&repeated, "'7'", LOCALS[1]),
                ("'n'", &repeated, LOCALS[1]),
                ("'n'", "'7'", LOCALS[2]),
            ] {
                db.run(&format!("INSERT INTO calls VALUES ({note}, {queue}, {time}, 1, 10)")).await;
            }
            let longest = sqlx::query_scalar::<_, i64>("SELECT max(length(q)) FROM calls").fetch_one(&db.pool).await;
            assert_eq!(longest.unwrap(), i64::try_from(HUGE).unwrap(), "{kind}");
            let config = if kind == "sqlite" {
                let file = file.display();
                format!(
                    "time_zone = 'Europe/Berlin'\ncontacts.query = '''{CALLS}'''\n[connection]\nadapter = 'sqlite'\nfile = '{file}'\n"
                )
            } else {
                db.config(&db.parts.user, "", CALLS)
            };
            let config = injixo_tests::file(folder.path(), "config.toml", &config);
            let mut child = Command::new(env!("CARGO_BIN_EXE_window_child"));
            let output = child.arg(config).args(["2024-06-03T10:00:00Z", "2024-06-03T12:00:00Z"]).output().unwrap();
            let (out, messages) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{kind}: {messages}");
            let (grown, rest) = out.split_once('\n').unwrap();
            let grown: u64 = grown.strip_prefix("grown by ").unwrap().strip_suffix(" KiB").unwrap().parse().unwrap();
            println!("{kind}: grown by {grown} KiB");
            let expected =
                "rejected queuename too_long\n7 2024-06-03T10:00:00Z 2 2 20\n7 2024-06-03T10:15:00Z 1 1 10\n";
            assert_eq!(rest, expected, "{kind}");
            assert!(grown < MOST_KIB, "{kind}: grown by {grown} KiB");
        }
    });
}
