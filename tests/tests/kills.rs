//! A process that is really killed in the middle of an import leaves the old or the new state, and a later run ends equal to
//! an uninterrupted one.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use injixo_connectors::core::{Runtime, SqliteStore};
use injixo_tests::{CONTACTS, Random, file, is_long, naive_quarters, quarters, utc};

const QUEUES: [&str; 3] = ["Sales", "Service", "Support"];

type Row = (&'static str, i64, i64);

/// Files that follow one another, and a correction of the second; the rows that hold after each of them.
fn files(folder: &Path) -> (Vec<PathBuf>, Vec<Vec<Row>>) {
    let mut random = Random(7);
    let mut states = vec![Vec::new()];
    let mut paths = Vec::new();
    let mut all: Vec<Row> = Vec::new();
    let begin = 1_711_700_000;
    let mut parts: Vec<Vec<Row>> = (0..3_i64)
        .map(|part| {
            let rows = (0..12_000_i64).map(|row| {
                let queue = QUEUES[usize::try_from(random.below(3)).unwrap()];
                (queue, begin + part * 200_000 + row * 16, i64::try_from(random.below(600)).unwrap())
            });
            rows.collect()
        })
        .collect();
    let mut corrected = parts[1].clone();
    corrected.iter_mut().step_by(3).for_each(|row| row.2 += 1_000);
    parts.push(corrected);
    for (index, part) in parts.iter().enumerate() {
        let mut text = String::from("Queue;When;Handled;Duration\n");
        for (queue, start, duration) in part {
            let _ = writeln!(text, "{queue};{};1;{duration}", utc(*start));
        }
        paths.push(file(folder, &format!("{index}.csv"), &text));
        all.retain(|row| row.1 < part[0].1 || row.1 > part[part.len() - 1].1);
        all.extend(part);
        states.push(all.clone());
    }
    (paths, states)
}

fn child(store: &Path, schema: &Path, files: &[PathBuf]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_import_child"));
    command.arg(store).arg(schema).args(files).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

async fn contents(store: &Path) -> String {
    let store = SqliteStore::open(store).await.unwrap();
    let runtime = Runtime::new(store.clone());
    let known = runtime.queues("contacts").await.is_ok();
    let contents = if known { quarters(&runtime, "contacts").await } else { String::new() };
    store.close().await;
    contents
}

#[tokio::test]
async fn a_killed_import_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let schema = file(folder.path(), "schema.toml", CONTACTS);
    let (files, states) = files(folder.path());
    let states: Vec<String> = states.into_iter().map(naive_quarters).collect();
    let wanted = if is_long() { 1_000 } else { 50 };
    let mut random = Random(11);
    let (mut killed, mut between, mut seen) = (0, 0, vec![0; states.len()]);
    let mut round = 0;
    // A child that was quicker than its killer does not count.
    while killed < wanted {
        round += 1;
        assert!(round <= 3 * wanted, "only {killed} of {round} children were killed before they had finished");
        let store = folder.path().join(format!("{round}.db"));
        let mut running = child(&store, &schema, &files).spawn().unwrap();
        // Each child says some thirty lines; a random line, and a random while after it.
        let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
        for _ in 0..random.below(34) {
            if lines.next().is_none() {
                break;
            }
        }
        let until = Instant::now() + Duration::from_micros(random.below(60_000));
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        running.kill().unwrap();
        killed += u32::from(!running.wait().unwrap().success());
        let after = contents(&store).await;
        let state = states.iter().position(|state| *state == after);
        assert!(state.is_some(), "round {round}: the store holds half of an import");
        seen[state.unwrap()] += 1;
        between += u32::from(!matches!(state, Some(0)) && state != Some(states.len() - 1));

        let finished = child(&store, &schema, &files).stdout(Stdio::null()).status().unwrap();
        assert!(finished.success());
        assert_eq!(contents(&store).await, states[states.len() - 1], "round {round}");
    }
    println!("{killed} of {round} were killed; states seen: {seen:?}");
    assert!(between > 0, "no kill came between two imports");
}
