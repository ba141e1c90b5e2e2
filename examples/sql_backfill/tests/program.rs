//! The program as its users call it: interrupted, and going on.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// A contact every hour of the last 400 days, in UTC.
async fn fill(file: &Path) -> i64 {
    let url = format!("sqlite:{}?mode=rwc", file.display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let statements = "
        CREATE TABLE calls (t INTEGER, a INTEGER);
        CREATE INDEX calls_by_time ON calls (t);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9600)
        INSERT INTO calls SELECT unixepoch() / 3600 * 3600 - i * 3600, i % 2 FROM n;";
    sqlx::raw_sql(statements).execute(&pool).await.unwrap();
    let count = sqlx::query_scalar("SELECT count(*) FROM calls").fetch_one(&pool).await.unwrap();
    pool.close().await;
    count
}

const CONFIG: &str = "
connector = 'sql'
time_zone = 'UTC'
contacts.query = \"SELECT '7' AS queueidentifier, 'Sales' AS queuename, t AS timestamp, a AS answered FROM calls\"
connection = { adapter = 'sqlite', file = 'source.db' }
";

#[tokio::test]
async fn goes_on_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let count = fill(&folder.join("source.db")).await;
    std::fs::write(folder.join("sql.toml"), CONFIG).unwrap();
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sql_backfill"));
        command.current_dir(folder).args(["--config", "sql.toml", "--years", "2", "--store", "wfm.db"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut first = command().spawn().unwrap();
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("left"));
    first.kill().unwrap();
    first.wait().unwrap();
    for _ in 0..2 {
        let done = command().output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let expected = format!("Sales (7, calls): {count} offered, {} handled", count / 2);
        assert!(text.contains(&expected), "{expected}: {text}");
    }
}
