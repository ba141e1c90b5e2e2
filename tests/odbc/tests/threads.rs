//! The threads of sessions, counted in a process of their own.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use injixo_connectors::core::{Error, ErrorKind, Result};
use injixo_connectors::sql::database::{Cell, Rows, Statement};
use injixo_test_odbc::odbc;
use injixo_tests::sources::{Db, blocking, values};

/// How many threads of sessions there are.
fn sessions() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "odbc").count()
}

/// Takes the first row and fails, with the rest on its way.
struct Enough;

#[async_trait]
impl Rows for Enough {
    fn row(&mut self, _: &[Cell<'_>]) -> Result<()> {
        Err(Error::new(ErrorKind::Unexpected, "that is enough"))
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A session that is dropped takes its thread with it, also in the middle of a result.
#[test]
fn threads_end_with_their_sessions() {
    for kind in ["postgres", "mysql"] {
        let folder = tempfile::tempdir().unwrap();
        blocking(async {
            let db = Db::new(kind, odbc, folder.path()).await;
            db.run("CREATE TABLE many (n INTEGER)").await;
            db.run("INSERT INTO many VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)").await;
            let mut session = values::session(&db).await;
            assert_eq!(sessions(), 1);
            let mut statement = Statement::new(session.dialect());
            statement.push("SELECT a.n AS n FROM many a, many b, many c, many d, many e");
            let error = session.read(&statement, &mut Enough).await.unwrap_err();
            assert!(error.to_string().contains("that is enough"), "{error:?}");
            drop(session);
            let began = Instant::now();
            while sessions() > 0 {
                assert!(began.elapsed() < Duration::from_secs(30), "{}: the thread goes on", db.kind);
                tokio::task::yield_now().await;
            }
        });
    }
}
