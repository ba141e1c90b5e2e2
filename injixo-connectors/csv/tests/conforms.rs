//! The conformance suite, on folders of files of each kind.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use injixo_connector_csv::{Csv, Schema};
use injixo_core::testkit::{Fault, Judgement, Suite};

const COLUMNS: &str = "queue = 'Queue'\ndate = { column = 'Date', format = 'DD/MM/YYYY' }
time = { column = 'Time', format = 'hh:mm:ss' }\noffered = 'Offered'\nhandled = 'Answered'\nduration = 'Duration'
channel = { value = 'calls' }\n";

const STATUSES: &str = "agent = 'Agent'\nactivity = 'Status'\nstart_date = { column = 'Date', format = 'DD/MM/YYYY' }
start_time = { column = 'Time', format = 'hh:mm:ss' }\n";

fn schema(folder: &Path, data: &str, columns: &str) -> Schema {
    let path = folder.display();
    let text =
        format!("data = '{data}'\ntime_zone = 'Europe/Berlin'\nfolder = {{ path = '{path}' }}\n[columns]\n{columns}");
    text.parse().unwrap()
}

/// Puts a file into the folder, last changed so many days before April 2024.
fn file(folder: &Path, name: &str, days: u64, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(1_711_929_600 - days * 86_400);
    fs::File::options().append(true).open(&path).unwrap().set_modified(changed).unwrap();
}

fn contacts(day: u32, rows: usize) -> String {
    let mut text = "Queue;Date;Time;Offered;Answered;Duration\n".to_owned();
    for row in 0..rows {
        let (hour, minute, second) = (row / 3_600 % 24, row / 60 % 60, row % 60);
        let _ =
            writeln!(text, "Hotline;{day:02}/03/2024;{hour:02}:{minute:02}:{second:02};1;{};{}", row % 2, row % 300);
    }
    text
}

#[test]
fn folders_of_contacts() {
    let (good, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // More rows than one batch holds, so that a read can be dropped half-way, and enough for two parts; and the day without an hour.
    file(good.path(), "b.csv", 3, &contacts(30, 40_000));
    file(good.path(), "a.csv", 2, &contacts(31, 100));
    file(broken.path(), "a.csv", 2, "\0\0\0\0");
    let csv = |folder: &Path| Csv::new(schema(folder, "contacts", COLUMNS));
    let suite = Suite::deliveries(|| csv(good.path()))
        .with(Fault::BrokenAnswer, || csv(broken.path()))
        .with(Fault::Unreachable, || csv(Path::new("/no/such/folder")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let report = runtime.block_on(suite.report());
    assert!(report.is_passed(), "{report}");
    // A folder has no credentials, asks nobody to wait and does not hang.
    let unjudged = ["truth", "wrong-credentials", "check-credentials", "rate-limited", "hangs", "secrets"];
    let is_unjudged = |result: &Judgement| matches!(result, Judgement::NotJudged { .. });
    let found = report.checks.iter().filter(|check| is_unjudged(&check.result)).map(|check| check.name);
    assert_eq!(found.collect::<Vec<_>>(), unjudged, "{report}");
}

#[test]
fn folders_of_statuses() {
    let folder = tempfile::tempdir().unwrap();
    file(
        folder.path(),
        "a.csv",
        2,
        "Agent;Date;Time;Status\namy;30/03/2024;08:00:00;Ready\namy;30/03/2024;08:20:00;Break\n",
    );
    injixo_core::testkit::deliveries(|| Csv::new(schema(folder.path(), "agent-status", STATUSES)));
}
