//! Reads one window with any connector and prints what it holds, without a store.
//!
//! Run with: `cargo run --release -p import_window -- --config FILE.toml --data contacts --from 2024-03-01T00:00:00Z --to …`
//!
//! The file names the connector (`connector = "sql"`) and holds its keys, which its `sample.toml` explains. Results go to standard
//! output, messages to standard error. Ends with 0 when everything was read, 1 when something failed, 3 when rows were rejected.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;

use injixo_connectors::core::aggregate::Overlap;
use injixo_connectors::core::connector::{Connector, Context};
use injixo_connectors::core::model::{IntervalLength, Millis, RejectedRow, Timestamp, Window};
use injixo_connectors::core::zone::Grid;
use injixo_connectors::core::{ImportReport, MemoryStore, Runtime, read_intervals};
use injixo_workspace::{
    Args, Rejects, StatusTimes, TableError, connector_from_file, is_broken_pipe, write_interval_table,
    write_status_times,
};

const USAGE: &str = "\
usage: import_window --config FILE.toml --data contacts|statuses --from TIME --to TIME [OPTIONS]
       import_window --config FILE.toml --check

  --data contacts|statuses   what is read
  --from, --to TIME          the window, as 2024-03-01T00:00:00Z; the end does not belong to it
  --interval 15|30|60        length of the intervals (default: 15, or that of the rows)
  --rejects FILE             writes the rejected rows
  --check                    looks whether the system can be read, and shows the first rows";

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            if error.downcast_ref::<io::Error>().is_some_and(is_broken_pipe) {
                return ExitCode::SUCCESS;
            }
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
    let connector = connector_from_file(&injixo_connectors::all(), &config).await?;
    if args.flag("--check") {
        return nothing_else(args).map_or_else(Err, |()| Ok(())).and(check(&connector).await);
    }
    let data = args.value("--data")?.ok_or(USAGE)?;
    let mut time = |name: &str| -> Result<Timestamp, Failure> {
        let text = args.value(name)?.ok_or(USAGE)?;
        text.parse().map_err(|_| format!("{name} {text:?} is no time: expected one like 2024-03-01T00:00:00Z").into())
    };
    let window = Window::new(time("--from")?, time("--to")?)?;
    let interval = match args.value("--interval")?.as_deref() {
        None => None,
        Some(minutes @ ("15" | "30" | "60")) => Some(IntervalLength::from_minutes(minutes.parse()?)?),
        Some(other) => return Err(format!("--interval {other} is not possible, expected 15, 30 or 60").into()),
    };
    let rejects = args.value("--rejects")?;
    nothing_else(args)?;
    let rejects = rejects.map(|path| Rejects::create(&path)).transpose()?;
    match data.as_str() {
        "contacts" => read_contacts(&*connector, window, interval, rejects).await,
        "statuses" => read_statuses(connector, window, interval, rejects).await,
        other => Err(format!("--data {other} is not possible, expected contacts or statuses").into()),
    }
}

fn nothing_else(args: Args) -> Result<(), Failure> {
    match args.rest()?.first() {
        None => Ok(()),
        Some(other) => Err(format!("{other:?} is not understood\n{USAGE}").into()),
    }
}

async fn check(connector: &Arc<dyn Connector>) -> Result<ExitCode, Failure> {
    let report = connector.check(&Context::default()).await?;
    report.notes.iter().for_each(|note| println!("{note}"));
    report.problems.iter().for_each(|problem| eprintln!("error: {problem}"));
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn read_contacts(
    connector: &dyn Connector,
    window: Window,
    interval: Option<IntervalLength>,
    mut rejects: Option<Rejects>,
) -> Result<ExitCode, Failure> {
    let mut broken = None;
    let watch = |row: &RejectedRow| {
        let written = rejects.as_mut().map_or(Ok(()), |rejects| rejects.write(&row.source, row));
        broken = broken.take().or(written.err());
    };
    let (mut table, report) = read_intervals(connector, window, &Context::default(), watch).await?;
    if let Some(error) = broken {
        return Err(error.into());
    }
    if let Some(length) = interval {
        table = table.roll_up(length)?;
    }
    finish(&report, rejects)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    write_interval_table(&table, Some(window), &mut out)?;
    out.flush()?;
    Ok(code(&report))
}

async fn read_statuses(
    connector: Arc<dyn Connector>,
    window: Window,
    interval: Option<IntervalLength>,
    mut rejects: Option<Rejects>,
) -> Result<ExitCode, Failure> {
    let (name, zone) = (connector.info().kind, connector.zone());
    let runtime = Runtime::new(MemoryStore::new());
    let integration = runtime.add(name, connector).await?;
    // What an agent does when the window begins may have begun before, which an answer about the window need not tell.
    let before = Window::new(window.from().before(DAY), window.from())?;
    if let Err(error) = integration.import_statuses(before).await {
        eprintln!("warning: statuses from before the window are not known: {error}");
    }
    let report = integration.import_statuses(window).await?;
    if let Some(rejects) = &mut rejects {
        report.first_rejected.iter().try_for_each(|row| rejects.write(&row.source, row))?;
    }
    finish(&report, rejects)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let complete_to = report.window.map_or(window.to(), |window| window.to());
    let times = StatusTimes {
        grid: Grid::new(&zone, interval.unwrap_or(IntervalLength::MINUTES_15)),
        overlap: Overlap::Shortest,
        as_of: Some(complete_to),
        logged_off: BTreeSet::new(),
        window: Some(window),
    };
    match write_status_times(&runtime, name, &times, &mut out).await {
        Ok(()) => {}
        Err(TableError::Io(error)) => return Err(error.into()),
        Err(error) => return Err(error.into()),
    }
    out.flush()?;
    Ok(code(&report))
}

const DAY: Millis = Millis::from_mins(1_440);

/// Says what was read.
fn finish(report: &ImportReport, rejects: Option<Rejects>) -> Result<(), Failure> {
    eprintln!("{report}");
    report.first_rejected.iter().take(5).for_each(|row| eprintln!("  {row}"));
    Ok(rejects.map_or(Ok(()), Rejects::finish)?)
}

fn code(report: &ImportReport) -> ExitCode {
    if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) }
}
