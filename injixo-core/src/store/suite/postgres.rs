//! What only PostgreSQL does: several writers at a time, and a server that comes and goes.

use std::time::Duration;

use injixo_test_servers::PostgresServer;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::*;

/// Long enough for whoever does not wait.
const A_WHILE: Duration = Duration::from_millis(300);

/// Asserts that a task waits for somebody else.
async fn assert_waits<T>(task: &mut tokio::task::JoinHandle<T>) {
    assert!(tokio::time::timeout(A_WHILE, task).await.is_err(), "it does not wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_claims_passes_over_what_another_claims() {
    let on = Subjected::postgres().await;
    let (a, b) = (on.integration("a").await, on.integration("b").await);
    let mut write = on.write().await;
    write.put_work(&[work(a, Lane::Live, 0), work(b, Lane::Live, 1)]).await.unwrap();
    write.commit().await.unwrap();
    let (mut one, mut two, mut three) = (on.write().await, on.write().await, on.write().await);
    let claimed = one.claim(&[Lane::Live], &NONE, &lease("one", 100), at(5), 1).await.unwrap();
    assert_eq!(claimed[0].integration, a);
    let claimed = two.claim(&[Lane::Live], &NONE, &lease("two", 100), at(5), 9).await.unwrap();
    assert_eq!(claimed.iter().map(|work| work.integration).collect::<Vec<_>>(), [b]);
    assert_eq!(three.claim(&[Lane::Live], &NONE, &lease("three", 100), at(5), 9).await.unwrap(), []);
    drop(one);
    two.commit().await.unwrap();
    drop(three);
    let mut write = on.write().await;
    // The first one let go of it, the second one has not.
    let locked = write.lock_work(a, Lane::Live).await.unwrap().unwrap();
    assert_eq!((locked.fence, locked.lease), (0, None));
    assert_eq!(write.lock_work(b, Lane::Live).await.unwrap().unwrap().lease, Some(lease("two", 100)));
    let mut other = on.write().await;
    assert_eq!(other.claim(&[Lane::Live], &NONE, &lease("x", 300), at(200), 9).await.unwrap(), [], "both are locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_become_visible_in_their_order() {
    let on = Subjected::postgres().await;
    let id = on.integration("a").await;
    let (mut early, mut late) = (on.write().await, on.write().await);
    early.add_feed(&[entry(id, 2, "early")]).await.unwrap();
    late.add_feed(&[entry(id, 3, "late")]).await.unwrap();
    early.add_feed(&[entry(id, 1, "early too")]).await.unwrap();
    late.commit().await.unwrap();
    let of = |revision, count, text: &str| FeedEntry { revision, ..entry(id, count, text) };
    let mut read = on.read().await;
    assert_eq!(read.feed(0, 9).await.unwrap(), [of(1, 3, "late")]);
    early.commit().await.unwrap();
    assert_eq!(read.last_revision().await.unwrap(), 3);
    let mut read = on.read().await;
    assert_eq!(read.feed(3, 9).await.unwrap(), [of(4, 2, "early"), of(6, 1, "early too")]);
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let on = on.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let mut write = on.write().await;
                    write.add_feed(&[entry(id, 2, "x"), entry(id, 1, "y")]).await.unwrap();
                    write.commit().await.unwrap();
                }
            })
        })
        .collect();
    // Whoever follows the feed from the last revision that he saw misses nothing.
    let mut after = 6;
    while after < 6 + 8 * 10 * 3 {
        let mut read = on.read().await;
        for entry in read.feed(after, 7).await.unwrap() {
            assert_eq!(entry.revision, after + 1);
            after += u64::from(entry.count);
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_make_others_wait() {
    let on = Subjected::postgres().await;
    let id = on.integration("a").await;
    let mut write = on.write().await;
    write.put_work(&[work(id, Lane::Live, 0)]).await.unwrap();
    write.commit().await.unwrap();
    let mut first = on.write().await;
    first.lock_integration(id).await.unwrap();
    assert_eq!(first.lock_credential("k").await.unwrap(), None);
    first.lock_work(id, Lane::Live).await.unwrap();
    let spawn = |which: u8| {
        let on = on.clone();
        tokio::spawn(async move {
            let mut write = on.write().await;
            match which {
                0 => format!("{:?}", write.lock_integration(id).await.unwrap().map(|held| held.generation)),
                1 => format!("{:?}", write.lock_credential("k").await.unwrap()),
                _ => format!("{:?}", write.lock_work(id, Lane::Live).await.unwrap().map(|held| held.fence)),
            }
        })
    };
    let mut waiting: Vec<_> = (0..3).map(spawn).collect();
    for task in &mut waiting {
        assert_waits(task).await;
    }
    // Other things of the integration may be written meanwhile.
    let mut other = on.write().await;
    other.add_import(&import(contacts(id), "a")).await.unwrap();
    other.commit().await.unwrap();
    first.put_integration(&IntegrationRecord { id, generation: 2, ..integration("a") }).await.unwrap();
    first.put_credential("k", "known").await.unwrap();
    first.put_work(&[WorkRecord { fence: 7, ..work(id, Lane::Live, 0) }]).await.unwrap();
    first.commit().await.unwrap();
    let mut seen = Vec::new();
    for task in waiting {
        seen.push(task.await.unwrap());
    }
    assert_eq!(seen, ["Some(2)", "Some(\"known\")", "Some(7)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_take_a_name_at_once_one_gets_it() {
    let on = Subjected::postgres().await;
    let mut first = on.write().await;
    first.put_integration(&integration("a")).await.unwrap();
    let mut second = {
        let on = on.clone();
        tokio::spawn(async move { on.write().await.put_integration(&integration("a")).await })
    };
    assert_waits(&mut second).await;
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap().unwrap_err().kind(), ErrorKind::ConfigInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_connect_to_a_new_database_at_once() {
    let url = injixo_test_servers::postgres();
    let connect = || {
        let url = url.clone();
        tokio::spawn(async move { PostgresStore::connect(&url).await.map(drop) })
    };
    let connecting: Vec<_> = (0..4).map(|_| connect()).collect();
    for connecting in connecting {
        connecting.await.unwrap().unwrap();
    }
    let store = PostgresStore::connect(&url).await.unwrap();
    let mut read = store.read().await.unwrap();
    let now = read.now().await.unwrap().unwrap();
    let host = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    assert!((now.millis() - host).abs() < 600_000, "{now}");
    let error = read.put_credential("k", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    drop(read);
    store.close().await;
    assert_eq!(store.read().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_of_others_and_of_newer_versions_are_refused() {
    let url = injixo_test_servers::postgres();
    let mut raw = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE SCHEMA theirs; CREATE TABLE theirs.t (id INTEGER)").execute(&mut raw).await.unwrap();
    let error = PostgresStore::connect_to_schema(&url, "theirs").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    for name in ["", "Upper", "a-b", "a\"b", "pg_x", "1a"] {
        let error = PostgresStore::connect_to_schema(&url, name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{name}");
    }
    PostgresStore::connect_to_schema(&url, "mine").await.unwrap();
    sqlx::raw_sql("UPDATE mine.schema_version SET version = 99").execute(&mut raw).await.unwrap();
    let error = PostgresStore::connect_to_schema(&url, "mine").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    // Who may not make schemas may use one that is there, and is told else what is missing.
    let guest = format!("guest_of_{}", url.rsplit('/').next().unwrap());
    let statements =
        format!("CREATE ROLE {guest} LOGIN; CREATE SCHEMA given AUTHORIZATION {guest}; CREATE SCHEMA closed");
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut raw).await.unwrap();
    let guest = url.replacen("postgres://postgres@", &format!("postgres://{guest}@"), 1);
    PostgresStore::connect_to_schema(&guest, "given").await.unwrap();
    PostgresStore::connect_to_schema(&guest, "given").await.unwrap();
    for schema in ["closed", "missing"] {
        let error = PostgresStore::connect_to_schema(&guest, schema).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_come_and_go_and_no_error_shows_the_password() {
    let server = PostgresServer::new();
    let url = server.database();
    let with_password = url.replacen("postgres@", "postgres:hunter2@", 1);
    let store = PostgresStore::connect(&with_password).await.unwrap();
    assert!(!format!("{store:?}").contains("hunter2"));
    let mut write = store.write().await.unwrap();
    assert!(!format!("{write:?}").contains("hunter2"));
    write.put_credential("k", "lost").await.unwrap();
    server.stop();
    let mut errors = vec![write.commit().await.unwrap_err()];
    errors.push(PostgresStore::connect(&with_password).await.unwrap_err());
    for error in &errors {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.is_retryable());
    }
    server.start();
    let mut write = store.write().await.unwrap();
    assert_eq!(write.lock_credential("k").await.unwrap(), None);
    write.put_credential("k", "kept").await.unwrap();
    write.commit().await.unwrap();
    let of = |user: &str, database: &str| {
        let start = with_password.replacen("postgres:", &format!("{user}:"), 1);
        format!("{}/{database}", start.rsplit_once('/').unwrap().0)
    };
    for (url, kind) in [
        (with_password.replacen("postgres:hunter2", "nobody:hunter2", 1), ErrorKind::Unauthenticated),
        (of("postgres", "missing"), ErrorKind::NotFound),
        ("mysql://root:hunter2@localhost/x".to_owned(), ErrorKind::Unauthenticated),
        ("postgres://postgres:hun#ter2@localhost/x".to_owned(), ErrorKind::ConfigInvalid),
        ("hunter2".to_owned(), ErrorKind::ConfigInvalid),
    ] {
        let error = PostgresStore::connect(&url).await.unwrap_err();
        if url.starts_with("mysql") {
            errors.push(error);
            continue;
        }
        assert_eq!(error.kind(), kind, "{error}");
        errors.push(error);
    }
    for error in errors {
        assert!(!format!("{error:?} {error}").contains("ter2"), "{error:?}");
    }
}
