//! Reads years from a database in pieces, newest first, into a store, and goes on where it stopped.
//!
//! Run with: `cargo run --release -p sql_backfill -- --config FILE.toml [--years 3] [--store FILE]`
//!
//! The file is that of a connector that reads a database (`connector = "sql"`, `"genesys-engage"` or `"sikom"`) and the keys that its
//! `sample.toml` explains. Ends with 0 when everything was read that the database holds, 1 when something failed; interrupted, it goes
//! on at the next call.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use injixo_connectors::core::connector::{Connector as _, Context};
use injixo_connectors::core::model::{IntervalLength, Millis};
use injixo_connectors::core::store::Lane;
use injixo_connectors::core::{Health, Policy, Runtime, SqliteStore};
use injixo_workspace::{Args, connector_from_file};

const USAGE: &str = "\
usage: sql_backfill --config FILE.toml [--years 3] [--store FILE]

  --years N      how many years back (default: 3)
  --store FILE   the SQLite store (default: sql_backfill.db); what it holds is not read again";

type Failure = Box<dyn std::error::Error + Send + Sync>;

const NAME: &str = "database";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, Failure> {
    let mut args = Args::of_program();
    if args.flag("--help") {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let config = args.value("--config")?.ok_or(USAGE)?;
    let years: i64 = match args.value("--years")?.as_deref() {
        None => 3,
        Some(years) => match years.parse() {
            Ok(years @ 1..=10) => years,
            _ => return Err(format!("--years {years} is not possible, expected 1 to 10").into()),
        },
    };
    let store = args.value("--store")?.unwrap_or_else(|| "sql_backfill.db".to_owned());
    if let Some(other) = args.rest()?.first() {
        return Err(format!("{other:?} is not understood\n{USAGE}").into());
    }
    let connector = connector_from_file(&injixo_connectors::all(), &config).await?;
    // Before years are read: whether it can be read at all, and whether the database would look at all rows for each window.
    let report = connector.check(&Context::default()).await?;
    if !report.problems.is_empty() {
        return Err(report.problems.join("\n").into());
    }
    report.notes.iter().filter(|note| note.contains("slow")).for_each(|note| eprintln!("note: {note}"));
    let runtime = Runtime::new(SqliteStore::open(&store).await?);
    let policy = Policy::new().back_fill(Millis::from_mins(years * 366 * 1_440));
    runtime.add_with(NAME, connector, policy.clone()).await?;
    // A store of an earlier call may have been asked for less.
    runtime.set_policy(NAME, &policy).await?;
    let service = runtime.start();
    let ended = follow(&runtime).await;
    service.shutdown().await;
    ended?;
    summary(&runtime).await?;
    Ok(ExitCode::SUCCESS)
}

/// Shows how far it is until everything is read, or until somebody must correct something.
async fn follow(runtime: &Runtime) -> Result<(), Failure> {
    let is_terminal = io::stderr().is_terminal();
    let mut shown = String::new();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let status = runtime.status_of(NAME).await?;
        let by_windows = |lane: Lane| !matches!(lane, Lane::Live | Lane::Deliveries);
        let lanes: Vec<_> = status.lanes.iter().filter(|lane| by_windows(lane.lane)).collect();
        if let Some(error) = lanes.iter().find_map(|lane| match &lane.health {
            Health::Blocked { error } => Some(error.clone()),
            _ => None,
        }) {
            return Err(error.into());
        }
        let imports = runtime.imports(NAME, u32::MAX).await?;
        let rows: u64 = imports.iter().map(|import| import.imported).sum();
        let fills: Vec<_> = lanes.iter().filter_map(|lane| lane.back_fill).collect();
        let percent = fills.iter().map(|fill| fill.percent).min().unwrap_or(100);
        let left = fills.iter().filter_map(|fill| fill.time_left).max();
        let left = left.map_or_else(|| "?".to_owned(), |left| format!("{} s", left.get() / 1_000));
        let waits = lanes.iter().find_map(|lane| match &lane.health {
            Health::Waiting { error, .. } => Some(format!(", trying again: {error}")),
            _ => None,
        });
        let line = format!(
            "{} {percent:>3} %  {rows} rows, {} windows, {left} left{}",
            bar(percent),
            imports.len(),
            waits.unwrap_or_default()
        );
        if is_terminal {
            eprint!("\r\x1b[K{line}");
            io::stderr().flush()?;
        } else if line != shown {
            eprintln!("{line}");
            shown = line;
        }
        // What a database does not hold yet is not waited for.
        let is_read = |health: &Health| matches!(health, Health::Current | Health::Behind { reason: Some(_), .. });
        if lanes.iter().all(|lane| is_read(&lane.health) && lane.reading.is_none()) {
            if is_terminal {
                eprintln!();
            }
            return Ok(());
        }
    }
}

fn bar(percent: u8) -> String {
    let full = usize::from(percent) / 5;
    format!("[{}{}]", "#".repeat(full), " ".repeat(20 - full.min(20)))
}

async fn summary(runtime: &Runtime) -> Result<(), Failure> {
    let imports = runtime.imports(NAME, u32::MAX).await?;
    let rows: u64 = imports.iter().map(|import| import.imported).sum();
    let rejected: u64 = imports.iter().map(|import| import.rejected).sum();
    println!("{rows} rows in {} windows, {rejected} rejected", imports.len());
    for queue in runtime.queues(NAME).await? {
        let of_queue = runtime.intervals(NAME).queue(&queue.key.id).every(IntervalLength::MINUTES_15).await?;
        let (mut offered, mut handled) =
            (injixo_connectors::core::model::Quantity::ZERO, injixo_connectors::core::model::Quantity::ZERO);
        for interval in &of_queue {
            (offered, handled) = (offered.plus(interval.measures.offered), handled.plus(interval.measures.handled));
        }
        let name = queue.name.as_deref().unwrap_or(&queue.key.id);
        if let (Some(first), Some(last)) = (of_queue.first(), of_queue.last()) {
            let (id, channel) = (&queue.key.id, queue.key.channel);
            println!("{name} ({id}, {channel}): {offered} offered, {handled} handled, {} – {}", first.start, last.end);
        }
    }
    let agents = runtime.timelines(NAME).await?;
    if !agents.is_empty() {
        let stretches: usize = agents.iter().map(|agent| agent.stretches.len()).sum();
        println!("{} agents, {stretches} stretches of status", agents.len());
    }
    let lanes = runtime.status_of(NAME).await?.lanes;
    for window in lanes.iter().flat_map(|lane| &lane.blocked) {
        println!("not read: {}: {}", window.window, window.reason);
    }
    let waits = lanes.iter().filter_map(|lane| match &lane.health {
        Health::Behind { reason: Some(reason), .. } => Some(reason.as_str()),
        _ => None,
    });
    if let Some(reason) = waits.max() {
        println!("not read: {reason}");
    }
    Ok(())
}
