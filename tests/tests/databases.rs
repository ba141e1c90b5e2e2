//! Databases read by a user's query: real PostgreSQL, MariaDB and SQLite, by the drivers of this library.

use injixo_tests::sources::{Db, blocking, harm, loss, native, reads, threads, values};

const KINDS: [&str; 3] = ["postgres", "mysql", "sqlite"];

/// Runs a case on new databases of these kinds.
fn on(kinds: &[&'static str], case: impl AsyncFn(Db)) {
    blocking(async {
        for kind in kinds {
            let folder = tempfile::tempdir().unwrap();
            case(Db::new(kind, native, folder.path()).await).await;
        }
    });
}

#[test]
fn conforms_on_every_database() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let threads = threads();
        let db = threads.block_on(Db::new(kind, native, folder.path()));
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
    // Else the handshake of the encryption is all that is cut.
    on(&KINDS[..2], async |db| {
        let db = db.with_lines("tls = 'off'\n");
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
