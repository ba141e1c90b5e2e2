//! Microsoft SQL Server, in whose place a stand-in speaks its protocol: the cases that all databases pass, and its own.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_connectors::core::ErrorKind;
use injixo_test_servers::Parts;
use injixo_test_tds::{Encryption, Options, TdsServer, User};
use injixo_tests::sources::facts::{CALLS, fill};
use injixo_tests::sources::{
    Db, Place, Writer, blocking, harm, loss, native, quarters, reads, threads, values, window,
};
use sqlx::AnyPool;

/// A stand-in, and its tables as the file of SQLite that they are.
#[derive(Debug)]
struct Standin {
    server: TdsServer,
    tables: AnyPool,
}

#[async_trait]
impl Writer for Standin {
    async fn run(&self, statements: &str) {
        self.server.execute(statements);
    }

    async fn count(&self, query: &str) -> i64 {
        self.tables.count(query).await
    }
}

const PASSWORD: &str = "Grün{;}=9";

/// A new database with a user who only reads.
async fn standin(folder: &Path, options: Options) -> (Db, Arc<Standin>) {
    sqlx::any::install_default_drivers();
    let file = folder.join("standin.db");
    let server = TdsServer::start(options.file(&file).user(User::new("reader", PASSWORD)));
    let tables = AnyPool::connect(&format!("sqlite:{}?mode=rwc", file.display())).await.unwrap();
    let parts = Parts {
        user: "reader".to_owned(),
        password: PASSWORD.to_owned(),
        host: "127.0.0.1".to_owned(),
        port: server.port(),
        database: "contacts".to_owned(),
    };
    let standin = Arc::new(Standin { server, tables });
    let place = Place { server: Some(parts), file, more: String::new() };
    (Db { kind: "mssql", place, reach: native, writer: Arc::<Standin>::clone(&standin) }, standin)
}

/// Runs a case on a new database.
fn on(options: Options, case: impl AsyncFn(Db, Arc<Standin>)) {
    blocking(async {
        let folder = tempfile::tempdir().unwrap();
        let (db, server) = standin(folder.path(), options).await;
        case(db, server).await;
    });
}

#[test]
fn conforms() {
    let (folder, threads) = (tempfile::tempdir().unwrap(), threads());
    let (db, _) = threads.block_on(standin(folder.path(), Options::default()));
    reads::conforms(&threads, &db);
}

#[test]
fn every_type_of_time_gives_the_same_intervals() {
    on(Options::default(), async |db, _| reads::every_type_of_time_is_read(&db).await);
}

#[test]
fn ready_made_rows_are_taken_as_they_are() {
    on(Options::default(), async |db, _| reads::ready_made_rows_are_taken_as_they_are(&db).await);
}

#[test]
fn mistakes_in_queries_are_named() {
    on(Options::default(), async |db, _| harm::mistakes_in_queries_are_named(&db).await);
}

#[test]
fn queries_that_can_only_do_harm_do_none() {
    // A user who may write, so that nothing but the connector keeps the tables from harm.
    let options = Options::default();
    on(options, async |db, _| {
        let db = db.with(|server| (server.user, server.password) = ("sa".to_owned(), "Secret-1".to_owned()));
        let folder = tempfile::tempdir().unwrap();
        harm::queries_that_can_only_do_harm_do_none(&db, &folder.path().join("written")).await;
        assert_eq!(db.writer.count("SELECT count(*) FROM sqlite_master WHERE name = 'copied'").await, 0);
    });
}

#[test]
fn a_query_without_an_end_is_ended() {
    on(Options::default(), async |db, standin| {
        loss::a_query_without_an_end_is_ended(&db).await;
        // The server was told to stop, or saw the connection end.
        let began = std::time::Instant::now();
        while standin.server.running() > 0 {
            assert!(began.elapsed().as_secs() < 30, "it still runs");
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn errors_show_no_password() {
    on(Options::default(), async |db, _| loss::errors_show_no_password(&db).await);
}

#[test]
fn a_connection_cut_at_any_byte_imports_nothing_and_the_next_try_everything() {
    on(Options::default(), async |db, _| {
        let db = db.with_lines("tls = 'off'\n");
        loss::a_connection_cut_at_any_byte_imports_nothing_and_the_next_try_everything(&db).await;
    });
}

#[test]
fn values_are_read_as_what_they_are() {
    on(Options::default(), async |db, _| values::are_read_as_what_they_are(&db).await);
}

#[test]
fn long_texts_are_cut() {
    on(Options::default(), async |db, _| values::long_texts_are_cut(&db).await);
}

#[test]
fn a_named_instance_is_found_by_the_browser() {
    on(Options::default().browser_port(1434).instance("WFM"), async |db, standin| {
        fill(&db).await;
        let data = window("2024-10-26T20:00:00Z", "2024-10-28T00:00:00Z");
        let port = format!("port = {}\n", standin.server.port());
        let by_port = quarters(db.contacts(CALLS), data).await;
        // The port is told by the browser, not by the configuration.
        let lines = native("mssql", &db.place).replace(&port, "instance = 'wfm'\n");
        assert!(!lines.contains("port"), "{lines}");
        let named = |lines: &str| toml::from_str(lines).unwrap();
        drop(injixo_connectors::sql::database::Session::open(&named(&lines)).await.unwrap());
        let by_name =
            Db { reach: |_, place| place.more.clone(), place: Place { more: lines.clone(), ..db.place.clone() }, ..db };
        assert_eq!(quarters(by_name.contacts(CALLS), data).await, by_port);
        let nobody = lines.replace("'wfm'", "'nobody'").replace("[", "") + "request_secs = 5\n";
        let error = injixo_connectors::sql::database::Session::open(&named(&nobody)).await.unwrap_err();
        assert!(error.to_string().contains("browser service"), "{error:?}");
    });
}

#[test]
fn it_says_who_it_is_and_that_it_only_reads() {
    on(Options::default(), async |db, standin| {
        drop(values::session(&db).await);
        let login = standin.server.logins().pop().unwrap();
        assert_eq!((login.user.as_str(), login.application.as_str()), ("reader", "injixo"));
        assert_eq!((login.database.as_str(), login.read_only, login.accepted), ("contacts", true, true));
    });
}

#[test]
fn connections_are_encrypted_as_the_configuration_says() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("ca.der");
    for (offered, tls, has_ca, expected) in [
        (Encryption::NotSupported, "prefer", false, Ok(false)),
        (Encryption::Offered, "prefer", false, Ok(true)),
        (Encryption::Required, "prefer", false, Ok(true)),
        (Encryption::NotSupported, "off", false, Ok(false)),
        (Encryption::NotSupported, "require", false, Err(ErrorKind::ConfigInvalid)),
        (Encryption::Required, "require", false, Err(ErrorKind::ConfigInvalid)),
        (Encryption::Required, "require", true, Ok(true)),
        (Encryption::Offered, "require", true, Ok(true)),
    ] {
        on(Options::default().encryption(offered), async |db, standin| {
            let mut lines = format!("tls = '{tls}'\n");
            if has_ca {
                std::fs::write(&trusted, standin.server.certificate().unwrap()).unwrap();
                lines.push_str(&format!("ca_file = '{}'\n", trusted.display()));
            }
            let db = db.with_lines(&lines).with(|server| server.host = "localhost".to_owned());
            let connection = toml::from_str(&native("mssql", &db.place)).unwrap();
            let opened = injixo_connectors::sql::database::Session::open(&connection).await;
            let found = opened.map_err(|error| error.kind()).map(|session| {
                drop(session);
                standin.server.logins().pop().unwrap().all_tls
            });
            assert_eq!(found, expected, "{offered:?} {tls} {has_ca}");
        });
    }
}
