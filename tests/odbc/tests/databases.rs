//! Real PostgreSQL, MariaDB and SQLite, read by their drivers of ODBC: the cases that the drivers of this library pass.

use injixo_connectors::core::ErrorKind;
use injixo_connectors::core::connector::{Connector, Context};
use injixo_connectors::sql::database::Session;
use injixo_test_odbc::odbc;
use injixo_tests::sources::{Db, Reach, blocking, harm, loss, reads, threads, values};

const KINDS: [&str; 3] = ["postgres", "mysql", "sqlite"];

/// Runs a case on new databases of these kinds.
fn on(kinds: &[&'static str], case: impl AsyncFn(Db)) {
    blocking(async {
        for kind in kinds {
            let folder = tempfile::tempdir().unwrap();
            case(Db::new(kind, odbc, folder.path()).await).await;
        }
    });
}

#[test]
fn conforms_on_every_database() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let threads = threads();
        let db = threads.block_on(Db::new(kind, odbc, folder.path()));
        reads::conforms(&threads, &db);
    }
}

#[test]
fn every_type_of_time_gives_the_same_intervals() {
    on(&KINDS, async |db| reads::every_type_of_time_is_read(&db).await);
}

#[test]
fn ready_made_rows_are_taken_as_they_are() {
    on(&KINDS, async |db| reads::ready_made_rows_are_taken_as_they_are(&db).await);
}

#[test]
fn mistakes_in_queries_are_named() {
    on(&KINDS, async |db| harm::mistakes_in_queries_are_named(&db).await);
}

#[test]
fn a_query_that_looks_at_all_rows_is_told() {
    on(&KINDS, async |db| harm::a_query_that_looks_at_all_rows_is_told(&db).await);
}

#[test]
fn queries_that_can_only_do_harm_do_none() {
    on(&KINDS, async |db| {
        let folder = tempfile::tempdir().unwrap();
        harm::queries_that_can_only_do_harm_do_none(&db, &folder.path().join("written")).await;
    });
}

#[test]
fn a_query_without_an_end_is_ended() {
    on(&KINDS, async |db| loss::a_query_without_an_end_is_ended(&db).await);
}

#[test]
fn errors_show_no_password() {
    on(&KINDS[..2], async |db| loss::errors_show_no_password(&db).await);
}

#[test]
fn a_connection_cut_at_any_byte_imports_nothing_and_the_next_try_everything() {
    on(&KINDS[..2], async |db| {
        loss::a_connection_cut_at_any_byte_imports_nothing_and_the_next_try_everything(&db).await;
    });
}

#[test]
fn values_are_read_as_what_they_are() {
    on(&KINDS, async |db| values::are_read_as_what_they_are(&db).await);
}

#[test]
fn long_texts_are_cut() {
    on(&KINDS, async |db| values::long_texts_are_cut(&db).await);
}

/// A configuration of nothing but a `[connection]`.
fn refused(connection: &str) -> injixo_connectors::core::Error {
    let connection = toml::from_str(&format!("adapter = 'odbc'\n{connection}")).unwrap();
    blocking(Session::open(&connection)).unwrap_err()
}

#[test]
fn what_is_not_installed_is_told_with_what_is() {
    for connection in ["dsn = 'Nowhere'", "connection_string = 'Driver=Nothing;Server=acd;PWD=hunter2'"] {
        let error = refused(connection);
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error:?}");
        let message = error.to_string();
        assert!(message.contains("is not installed") && message.contains("PostgreSQL Unicode"), "{message}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_password_within_the_connection_string_is_never_shown() {
    on(&KINDS[..2], async |db| {
        let within: Reach = |kind, place| {
            let place = odbc(kind, place).replace("user = 'mallory'\npassword = 'hunter2'\n", "");
            place.replace("Database=", "UID=mallory;PWD=hunter2;Database=")
        };
        let wrong = db.with(|server| (server.user, server.password) = ("mallory".to_owned(), "hunter2".to_owned()));
        let wrong = Db { reach: within, ..wrong };
        let connector = wrong.contacts("SELECT 1");
        let report = connector.check(&Context::default()).await.unwrap();
        let text = format!("{report:?} {connector:?}");
        assert!(report.problems[0].contains("the database refused the user"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    });
}
