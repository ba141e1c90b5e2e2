//! The program as its users call it, on a file of SQLite.

use std::path::Path;
use std::process::{Command, Output};

async fn fill(file: &Path) {
    let url = format!("sqlite:{}?mode=rwc", file.display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let statements = "
        CREATE TABLE calls (q INTEGER, n TEXT, t TEXT, a INTEGER, d REAL);
        CREATE INDEX calls_by_time ON calls (t);
        INSERT INTO calls VALUES
            (7, 'Sales', '2024-05-27 09:59:59', 1, 10), (7, 'Sales', '2024-05-27 10:00:00', 1, 100.5),
            (7, 'Sales', '2024-05-27 10:14:59', 0, NULL), (8, 'Support, 2nd', '2024-05-27 10:29:00', 1, 60),
            (7, 'Sales', '2024-05-27 10:20:00', 9, 1), (7, 'Sales', '2024-05-27 11:00:00', 1, 10);
        CREATE TABLE states (g TEXT, s TEXT, b TEXT, e TEXT);
        INSERT INTO states VALUES
            ('amy', 'Ready', '2024-05-27 09:50:00', '2024-05-27 10:10:00'), ('amy', 'Hold', '2024-05-27 10:05:00', '2024-05-27 10:06:00'),
            ('amy', 'Break', '2024-05-27 10:10:00', NULL), ('bob', 'Ready', '2024-05-27 11:30:00', NULL);";
    sqlx::raw_sql(statements).execute(&pool).await.unwrap();
    pool.close().await;
}

const CONFIG: &str = "
connector = 'sql'
time_zone = 'Europe/Berlin'
contacts.query = 'SELECT q AS queueidentifier, n AS queuename, t AS timestamp, a AS answered, d AS duration FROM calls'
statuses.query = 'SELECT g AS agentidentifier, s AS activity, b AS starttime, e AS endtime FROM states'
connection = { adapter = 'sqlite', file = 'source.db' }
";

fn run(folder: &Path, args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_import_window"));
    command.current_dir(folder).args(args.split(' ')).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn prints_what_a_window_holds() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fill(&folder.join("source.db")).await;
    std::fs::write(folder.join("sql.toml"), CONFIG).unwrap();
    let window = "--from 2024-05-27T08:00:00Z --to 2024-05-27T09:00:00Z";

    let contacts = run(folder, &format!("--config sql.toml --data contacts {window} --rejects rejects.csv"));
    assert_eq!(contacts.status.code(), Some(3), "{}", text(&contacts.stderr));
    assert_eq!(
        text(&contacts.stdout),
        "queue,channel,start,offered,handled,handle_time\n\
         7,calls,2024-05-27T08:00:00Z,2,1,100.5\n\
         8,calls,2024-05-27T08:15:00Z,1,1,60\n"
    );
    let rejects = std::fs::read_to_string(folder.join("rejects.csv")).unwrap();
    let rejected: Vec<&str> = rejects.lines().collect();
    assert_eq!((rejected.len(), rejected[0]), (2, "file,line,column,rule,excerpt"));
    assert!(rejected[1].ends_with(",answered,contact_count,9"), "{rejects}");

    let hour = run(folder, &format!("--config sql.toml --data contacts {window} --interval 60"));
    assert!(text(&hour.stdout).contains("7,calls,2024-05-27T08:00:00Z,2,1,100.5\n"), "{}", text(&hour.stdout));

    // Amy was ready before the window; her break counts up to its end.
    let statuses = run(folder, &format!("--config sql.toml --data statuses {window} --interval 30"));
    assert_eq!(statuses.status.code(), Some(0), "{}", text(&statuses.stderr));
    assert_eq!(
        text(&statuses.stdout),
        "agent,activity,start,seconds\n\
         amy,Break,2024-05-27T08:00:00Z,1200\n\
         amy,Break,2024-05-27T08:30:00Z,1800\n\
         amy,Hold,2024-05-27T08:00:00Z,60\n\
         amy,Ready,2024-05-27T08:00:00Z,540\n"
    );
}

#[tokio::test]
async fn checks_and_names_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fill(&folder.join("source.db")).await;
    std::fs::write(folder.join("sql.toml"), CONFIG).unwrap();
    let check = run(folder, "--config sql.toml --check");
    let notes = text(&check.stdout);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stderr));
    assert!(notes.contains("contacts: q | n | t | a | d") || notes.contains("contacts: queueidentifier"), "{notes}");
    assert!(notes.contains("no rows in the last hour"), "{notes}");
    assert!(notes.contains("statuses: slow") && !notes.contains("contacts: slow"), "states have no index: {notes}");

    std::fs::write(folder.join("wrong.toml"), CONFIG.replace("a AS answered", "a AS handled")).unwrap();
    let wrong = run(folder, "--config wrong.toml --check");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("\"answered\" missing in the result"), "{}", text(&wrong.stderr));
    for (args, expected) in [
        ("--config missing.toml --check", "cannot be read"),
        ("--config sql.toml --data contacts --from noon --to 2024-05-27T09:00:00Z", "is no time"),
        (
            "--config sql.toml --data calls --from 2024-05-27T08:00:00Z --to 2024-05-27T09:00:00Z",
            "expected contacts or statuses",
        ),
        ("--config sql.toml --data contacts --from 2024-05-27T08:00:00Z", "usage"),
        ("--config sql.toml --check now", "not understood"),
    ] {
        let failed = run(folder, args);
        assert_eq!(failed.status.code(), Some(1), "{args}");
        assert!(text(&failed.stderr).contains(expected), "{args}: {}", text(&failed.stderr));
    }
}
